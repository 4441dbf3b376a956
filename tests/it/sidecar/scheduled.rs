//! The scheduler on a clock that a test moves.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use catalog_sync::cli::Start;
use catalog_sync::cli::args::Cli;
use catalog_sync::cli::local;
use catalog_sync::clock::Clock;
use catalog_sync::config::{Config, Environment, LoadOptions, Loaded};
use catalog_sync::error::Report;
use catalog_sync::model::{IntegrationKey, Outcome, SyncRecord};
use catalog_sync::schedule::next_due;
use catalog_sync::sidecar::{self, Settings};
use catalog_sync::simulator::{Endpoint, Fault, Order};
use catalog_sync::store::sled::SledStore;
use catalog_sync::store::{Store, Switches};
use chrono::{DateTime, TimeDelta, Utc};
use clap::Parser;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::harness::{Bench, TOKEN, TOKEN_NAME};

/// A sidecar in this process.
struct Driven {
    bench: Bench,
    clock: Clock,
    store: Arc<dyn Store>,
    config: Config,
    key: IntegrationKey,
    stop: CancellationToken,
    task: JoinHandle<Result<(), Report>>,
}

fn load(start: &Start, path: &Path, now: DateTime<Utc>) -> Loaded {
    Config::load(&LoadOptions {
        config: Some(path),
        store: None,
        listen: Some("127.0.0.1:0"),
        environment: &start.environment,
        working_directory: &start.working_directory,
        now,
    })
    .unwrap_or_else(|error| panic!("{error:?}"))
}

impl Driven {
    /// From an instant on, with this schedule.
    async fn start(now: &str, schedule: &str) -> Self {
        let bench = Bench::of(&["ledger"]);
        Self::on(bench, now.parse().expect("a time"), schedule).await
    }

    async fn on(bench: Bench, now: DateTime<Utc>, schedule: &str) -> Self {
        bench.integration(&format!("secondary_kinds: {{}}\n{schedule}"));
        Self::configured(bench, now).await
    }

    async fn configured(bench: Bench, now: DateTime<Utc>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let clock = Clock::manual(now);
        bench.simulator.world().set_clock(clock.clone());
        let path = bench.path("catalog-sync.yaml");
        let stop = CancellationToken::new();
        let start = Start {
            cli: Cli::parse_from(["catalog-sync", "run"]),
            environment: Environment::new([(TOKEN_NAME, TOKEN)]),
            working_directory: bench.dir.path().to_owned(),
            stop: stop.clone(),
        };
        let Loaded { config, stamp, .. } = load(&start, &path, now);
        let store: Arc<dyn Store> = Arc::new(SledStore::open(&config.store, &clock).await.expect("a store"));
        let app = local::app(&start, config.clone(), store.clone(), clock.clone());
        let (again, anew) = ((start.clone(), path, now), (start, store.clone(), clock.clone()));
        let settings = Settings {
            app,
            stamp,
            reload: Box::new(move || Ok(load(&again.0, &again.1, again.2))),
            rebuild: Box::new(move |config| local::app(&anew.0, config, anew.1.clone(), anew.2.clone())),
            store: config.store.clone(),
            token: "a token of thirty-two characters".to_owned(),
            terminal: None,
            stop: stop.clone(),
            hangup: Arc::new(Notify::new()),
        };
        let task = tokio::spawn(sidecar::run(settings));
        let key = config.integrations[0].key();
        Self { bench, clock, store, config, key, stop, task }
    }

    async fn syncs(&self) -> Vec<SyncRecord> {
        let mut syncs = self.store.syncs(Some(&self.key), 1000).await.expect("a store");
        syncs.reverse();
        syncs
    }

    /// Waits until nothing is due any more and nothing runs.
    async fn settled(&self) {
        for _ in 0..6000 {
            let last =
                self.store.integration(&self.key).await.expect("a store").and_then(|state| state.last_started_at);
            let now = self.clock.now();
            let due = next_due(&self.config.integrations[0].update_every, &self.key, last, now);
            let newest = self.store.syncs(Some(&self.key), 1).await.expect("a store").pop();
            let is_over =
                newest.is_some_and(|newest| Some(newest.started_at) == last && newest.outcome != Outcome::Running);
            if due.is_some_and(|due| due > now) && is_over {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("it does not settle");
    }

    /// Lets time pass in steps, each of them noticed.
    async fn pass(&self, time: TimeDelta, step: TimeDelta) {
        let end = self.clock.now() + time;
        while self.clock.now() < end {
            self.clock.advance(step);
            self.settled().await;
        }
    }

    async fn end(self) -> Vec<SyncRecord> {
        // What would be due once too often would begin now.
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.settled().await;
        let syncs = self.syncs().await;
        self.stop.cancel();
        self.task.await.expect("no panic").unwrap_or_else(|report| panic!("{report}"));
        assert!(!self.bench.path("data/run.json").exists());
        syncs
    }
}

fn minutes(minutes: i64) -> TimeDelta {
    TimeDelta::minutes(minutes)
}

// P2.4: an interval counts from the last start, with a jitter of at most a tenth, whatever clocks on walls do meanwhile
// (those of Berlin went back at 01:00 UTC); a missed run is made up once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interval_and_a_missed_run_made_up_once_p2_4() {
    let berlin: chrono_tz::Tz = "Europe/Berlin".parse().expect("a zone");
    let driven = Driven::start("2026-10-24T20:00:00Z", "update_every: 1h").await;
    driven.settled().await;
    assert_eq!(driven.syncs().await.len(), 1, "never synced: at once");
    driven.pass(minutes(10 * 60), minutes(1)).await;
    let before = driven.syncs().await;
    let gaps: Vec<i64> =
        before.windows(2).map(|pair| (pair[1].started_at - pair[0].started_at).num_minutes()).collect();
    for sync in &before {
        let here = sync.started_at.with_timezone(&berlin);
        println!("{} = {}", sync.started_at.format("%Y-%m-%d %H:%M UTC"), here.format("%H:%M %Z"));
    }
    println!("gaps in minutes: {gaps:?}");
    assert_eq!(before.len(), 1 + 9, "ten hours hold nine intervals of a little more than an hour");
    assert!(gaps.iter().all(|gap| (60..=67).contains(gap)), "{gaps:?}");
    // The machine slept for a day and a half.
    driven.pass(minutes(36 * 60), minutes(36 * 60)).await;
    let after = driven.syncs().await;
    assert_eq!(after.len(), before.len() + 1, "made up once, not 34 times");
    let syncs = driven.end().await;
    assert_eq!(syncs.len(), after.len());
    assert!(syncs.iter().all(|sync| sync.outcome == Outcome::Completed), "{syncs:?}");
}

// P2.4: cron in a time zone over both clock changes: once a day, never twice, never left out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cron_in_a_time_zone_over_both_clock_changes_p2_4() {
    let berlin: chrono_tz::Tz = "Europe/Berlin".parse().expect("a zone");
    let cron = "cron: \"30 2 * * *\"\ntimezone: Europe/Berlin";
    let mut told = Vec::new();
    for from in ["2026-10-23T12:00:00Z", "2027-03-26T12:00:00Z"] {
        let driven = Driven::start(from, cron).await;
        driven.settled().await;
        driven.pass(TimeDelta::days(4), minutes(10)).await;
        for sync in driven.end().await.iter().skip(1) {
            let here = sync.started_at.with_timezone(&berlin);
            told.push(format!("{} = {}", sync.started_at.format("%Y-%m-%d %H:%M UTC"), here.format("%H:%M %Z")));
        }
    }
    println!("{}", told.join("\n"));
    insta::assert_snapshot!(told.join("\n"), @r"
    2026-10-24 00:30 UTC = 02:30 CEST
    2026-10-25 00:30 UTC = 02:30 CEST
    2026-10-26 01:30 UTC = 02:30 CET
    2026-10-27 01:30 UTC = 02:30 CET
    2027-03-27 01:30 UTC = 02:30 CET
    2027-03-28 01:00 UTC = 03:00 CEST
    2027-03-29 00:30 UTC = 02:30 CEST
    2027-03-30 00:30 UTC = 02:30 CEST
    ");
}

// P2.4: no two syncs of one integration at once, however long one takes; what was missed meanwhile comes once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn syncs_of_one_integration_never_overlap_p2_4() {
    let driven = Driven::start("2026-11-21T12:00:00Z", "update_every: 1h").await;
    driven.settled().await;
    driven.bench.simulator.order(Order::next(Fault::Slow(Duration::from_secs(2))).at(Endpoint::Repositories));
    let asked = driven.bench.simulator.requests().total;
    driven.clock.advance(minutes(70));
    while driven.bench.simulator.requests().total == asked {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for _ in 0..30 {
        driven.clock.advance(minutes(10));
        tokio::time::sleep(Duration::from_millis(5)).await;
        let syncs = driven.syncs().await;
        assert_eq!(syncs.iter().filter(|sync| sync.outcome == Outcome::Running).count(), 1, "{syncs:?}");
        assert_eq!(syncs.len(), 2);
    }
    driven.settled().await;
    let syncs = driven.end().await;
    assert_eq!(syncs.len(), 3, "five hours were missed: made up once");
}

// P2.7: suspended, it rests; resumed, it goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_integration_rests_p2_7() {
    let driven = Driven::start("2026-11-21T12:00:00Z", "update_every: 30m").await;
    driven.settled().await;
    let suspend = |suspended| Switches { suspended, ..Switches::default() };
    driven.store.save_switches(&driven.key, &suspend(true)).await.expect("a store");
    let asked = driven.bench.simulator.requests().total;
    for _ in 0..20 {
        driven.clock.advance(minutes(60));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!((driven.syncs().await.len(), driven.bench.simulator.requests().total), (1, asked));
    driven.store.save_switches(&driven.key, &suspend(false)).await.expect("a store");
    driven.clock.advance(minutes(1));
    driven.settled().await;
    assert_eq!(driven.end().await.len(), 2);
}

// P2.12, P6.5: a sweep that the hour's budget ended goes on by itself as soon as it may, not only hours later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_longer_than_the_budget_goes_on_by_itself_p2_12() {
    let world = crate::harness::generated(catalog_sync::simulator::GenerateOptions {
        commits_per_repository: 0,
        ..catalog_sync::simulator::GenerateOptions::repositories(350)
    });
    let bench = Bench::new(world);
    let poor = crate::harness::CONFIG.replace("{integration}", "    secondary_kinds: {}\n    update_every: 6h\n");
    let auth = "auth: { access_token: { env: BITBUCKET_TOKEN } }";
    let poor = poor.replace(auth, &format!("{auth}\n    requests_per_hour: 2\n    reserve: 0%"));
    bench.config(&poor);
    let driven = Driven::configured(bench, "2026-11-21T12:00:00Z".parse().expect("a time")).await;
    driven.settled().await;
    for _ in 0..90 {
        driven.clock.advance(minutes(1));
        driven.settled().await;
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    let syncs = driven.end().await;
    let told: Vec<(i64, &str, u64)> = syncs
        .iter()
        .map(|one| ((one.started_at - syncs[0].started_at).num_minutes(), one.outcome.as_str(), one.requests))
        .collect();
    println!("minute, outcome, requests: {told:?}");
    assert_eq!(told.iter().map(|one| (one.1, one.2)).collect::<Vec<_>>(), [("rate_limited", 2), ("completed", 2)]);
    assert!((60..=65).contains(&told[1].0), "{told:?}");
}
