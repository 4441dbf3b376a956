//! The same promise by real HTTP: the simulator, the Cloud source, the store on disk.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio_util::sync::CancellationToken;

use super::integration;
use crate::backfill::{BackfillInputs, BackfillReport, Crawl, CutShort, FirstSync, KindSettings, ROTATION_SHARE, run};
use crate::clock::Clock;
use crate::model::{Item, ItemId, KnownRepository, Presence, RepoKey, SecondaryKind};
use crate::simulator::{Endpoint, Fault, NewPullRequest, NewRepository, Order, Simulator, SimulatorOptions, World};
use crate::source::bitbucket_cloud::{BitbucketCloud, CloudSettings};
use crate::source::http::{Credential, FixedSecret};
use crate::source::{Listing, Source};
use crate::store::Store;
use crate::store::sled::SledStore;

const NAMES: [&str; 3] = ["acme/web", "acme/api", "acme/docs"];

/// What the first fetch of a repository saw.
#[derive(Default)]
struct Then {
    pull_requests: Option<BTreeSet<u64>>,
    commits: Option<(HashSet<String>, HashSet<String>)>,
    touched: BTreeSet<u64>,
}

struct Lab {
    rng: StdRng,
    clock: Clock,
    simulator: Simulator,
    source: BitbucketCloud,
    store: SledStore,
    then: BTreeMap<&'static str, Then>,
    keys: BTreeMap<&'static str, RepoKey>,
    depth: usize,
}

impl Lab {
    async fn new(seed: u64, depth: usize) -> Self {
        let now: DateTime<Utc> = "2026-11-01T12:00:00Z".parse().unwrap();
        let clock = Clock::manual(now);
        let mut world = World::new(seed, clock.clone());
        world.add_workspace("acme", "Acme");
        for (name, commits) in [("web", 130), ("api", 30), ("docs", 0)] {
            world.add_repository("acme", NewRepository::named(name).with_commits(commits));
        }
        for (name, count) in [("acme/web", 70), ("acme/api", 20)] {
            for number in 0..count {
                world.advance(TimeDelta::minutes(1));
                world.open_pull_request(name, NewPullRequest::titled(&format!("change {number}")));
            }
        }
        let simulator = Simulator::start(world, SimulatorOptions::default()).await.unwrap();
        let mut settings = CloudSettings::new("acme", Credential::AccessToken(FixedSecret::shared("sesame-token-1")));
        settings.api_url = url::Url::parse(simulator.api_url()).unwrap();
        settings.http.retry_base = Duration::ZERO;
        settings.http.max_wait = Duration::ZERO;
        settings.clock = clock.clone();
        Self {
            rng: StdRng::seed_from_u64(seed),
            clock,
            simulator,
            source: BitbucketCloud::new(settings).unwrap(),
            store: SledStore::temporary().await.unwrap(),
            then: NAMES.into_iter().map(|name| (name, Then::default())).collect(),
            keys: BTreeMap::new(),
            depth,
        }
    }

    async fn repositories(&mut self) -> Vec<KnownRepository> {
        let page = self.source.repositories(&Listing::Sweep, None).await.unwrap();
        assert!(page.next.is_none() && page.unreadable.is_empty());
        for record in &page.records {
            let name = NAMES.into_iter().find(|name| **name == record.repository.full_name).unwrap();
            self.keys.insert(name, record.repository.key.clone());
        }
        let known = page.records.into_iter().map(|record| KnownRepository {
            repository: record.repository,
            fingerprint: record.fingerprint,
            presence: Presence::Present,
            first_seen: self.clock.now(),
            last_changed: self.clock.now(),
            first_seen_under_auto_import: false,
            former_names: vec![],
        });
        known.collect()
    }

    /// Notes what repositories not fetched yet hold: their first fetch sees it, as nothing moves
    /// during a sync here.
    async fn note(&mut self) {
        let mut fetched = HashSet::new();
        for kind in SecondaryKind::ALL {
            let coverage = self.store.coverage(&integration(), kind).await.unwrap();
            fetched.extend(coverage.into_iter().filter(|it| it.window.is_some()).map(|it| (it.repo, kind)));
        }
        let world = self.simulator.world();
        for (name, then) in &mut self.then {
            let is_fetched = |kind| fetched.contains(&(self.keys[name].clone(), kind));
            if !is_fetched(SecondaryKind::PullRequests) {
                let mut rows = world.pull_requests_of(name).to_vec();
                rows.sort_by_key(|row| std::cmp::Reverse(row.updated_on));
                then.pull_requests = Some(rows.iter().take(self.depth).map(|row| row.id).collect());
                then.touched.clear();
            }
            if !is_fetched(SecondaryKind::Commits) {
                let branch = world.repository(name).and_then(|repo| repo.default_branch.clone());
                then.commits = branch.map(|branch| {
                    let history = world.history_of(name);
                    let log: Vec<_> = history.log(&branch).into_iter().map(str::to_owned).collect();
                    (log.iter().take(self.depth).cloned().collect(), log.iter().cloned().collect())
                });
            }
        }
    }

    async fn sync(&mut self, cap: u64) -> BackfillReport {
        let repositories = self.repositories().await;
        self.note().await;
        let key = integration();
        let lease = self.store.crawl_lease(&key, Duration::ZERO).await.unwrap().unwrap();
        let settings = KindSettings { first_sync: FirstSync::Newest(self.depth as u64), per_sync: cap };
        let report = run(BackfillInputs {
            crawl: Crawl {
                source: &self.source,
                store: &self.store,
                lease: &lease,
                integration: &key,
                now: self.clock.now(),
                concurrency: 4,
                stop: CancellationToken::new(),
                interval: Duration::from_secs(3 * 3600),
            },
            repositories,
            pull_requests: Some(settings),
            commits: Some(settings),
            start_date: None,
            asks_again: false,
            only_newest: false,
            rotation_share: ROTATION_SHARE,
            progress: &|_| (),
        })
        .await
        .unwrap();
        for counts in [&report.pull_requests, &report.commits] {
            assert!(counts.as_ref().unwrap().stored <= cap);
        }
        self.clock.advance(TimeDelta::hours(3));
        report
    }

    fn change(&mut self) {
        let mut world = self.simulator.world();
        world.advance(TimeDelta::minutes(1));
        let name = NAMES[self.rng.random_range(0..2)];
        let then = self.then.entry(name).or_default();
        let count = world.pull_requests_of(name).len() as u64;
        let id = self.rng.random_range(1..=count);
        match self.rng.random_range(0..8) {
            0 => {
                then.touched.insert(world.open_pull_request(name, NewPullRequest::titled("new")));
            }
            1 => {
                world.comment_pull_request(name, id);
                then.touched.insert(id);
            }
            2 => {
                world.decline_pull_request(name, id, "no");
                then.touched.insert(id);
            }
            3 | 4 => {
                world.push_commits(name, self.rng.random_range(1..9));
            }
            5 => {
                world.push_to_branch(name, "side", self.rng.random_range(1..4));
                world.advance(TimeDelta::minutes(1));
                world.push_commits(name, 1);
                world.advance(TimeDelta::minutes(1));
                world.merge_branch(name, "side");
            }
            6 => {
                world.force_push(name, self.rng.random_range(1..4), self.rng.random_range(1..4));
            }
            _ => {
                world.push_commits("acme/docs", 2);
            }
        }
    }

    fn disturb(&mut self) {
        let faults = [Fault::Status(500), Fault::TruncatedJson, Fault::ConnectionClosed, Fault::HtmlPage];
        for endpoint in [Endpoint::PullRequests, Endpoint::Commits] {
            if self.rng.random_bool(0.3) {
                let mut order = Order::always(faults[self.rng.random_range(0..faults.len())].clone()).at(endpoint);
                if self.rng.random_bool(0.5) {
                    order = order.repository(NAMES[self.rng.random_range(0..2)]);
                }
                self.simulator.order(order);
            }
        }
    }

    async fn stored(&self, name: &str, kind: SecondaryKind) -> Vec<Item> {
        self.store.items(&integration(), &self.keys[name], kind, usize::MAX).await.unwrap()
    }

    /// Stored and window, compared whole.
    async fn check_window(&self) {
        for (name, then) in &self.then {
            let (pull_requests, log, branch) = {
                let world = self.simulator.world();
                let branch = world.repository(name).and_then(|repo| repo.default_branch.clone());
                let history = world.history_of(name);
                let log = branch.as_deref().map(|branch| history.log(branch)).unwrap_or_default();
                let log: Vec<String> = log.into_iter().map(str::to_owned).collect();
                (world.pull_requests_of(name).to_vec(), log, branch)
            };
            let stored: BTreeMap<_, _> = self
                .stored(name, SecondaryKind::PullRequests)
                .await
                .into_iter()
                .filter_map(|item| match item {
                    Item::PullRequest(it) => Some((it.id, it.updated_at)),
                    Item::Commit(_) => None,
                })
                .collect();
            let window = then.pull_requests.iter().flatten().chain(&then.touched).copied().collect::<BTreeSet<_>>();
            let expected: BTreeMap<_, _> = pull_requests
                .iter()
                .filter(|row| window.contains(&row.id))
                .map(|row| (row.id, row.updated_on))
                .collect();
            let is_deep = self.depth > 50;
            if is_deep {
                // Over several pages and syncs, others may slide in while some move up.
                assert!(expected.iter().all(|row| stored.get(row.0) == Some(row.1)), "{name}");
            } else {
                assert_eq!(stored, expected, "{name}");
            }

            assert!(branch.is_some() || log.is_empty());
            let Some((first, before)) = &then.commits else { continue };
            let stored = self.stored(name, SecondaryKind::Commits).await;
            let hashes: HashSet<_> = stored
                .iter()
                .filter_map(|item| if let ItemId::Hash(hash) = item.id() { Some(hash) } else { None })
                .collect();
            let reachable: HashSet<_> = log.iter().cloned().collect();
            for hash in first.iter().chain(log.iter().filter(|hash| !before.contains(*hash))) {
                assert!(hashes.contains(hash), "{name}: commit {hash} is missing");
            }
            for item in &stored {
                let Item::Commit(commit) = item else { continue };
                assert!(first.contains(&commit.hash) || !before.contains(&commit.hash), "{name}: {}", commit.hash);
                assert_eq!(commit.unreachable, !reachable.contains(&commit.hash), "{name}: {}", commit.hash);
            }
        }
    }
}

async fn window_is_stored(seed: u64, depth: usize) {
    let mut lab = Lab::new(seed, depth).await;
    for _ in 0..6 {
        lab.disturb();
        let cap = lab.rng.random_range(5..40);
        lab.sync(cap).await;
        lab.simulator.clear_orders();
        for _ in 0..lab.rng.random_range(0..8) {
            lab.change();
        }
    }
    for round in 0.. {
        assert!(round < 60, "the backlog never ends");
        lab.clock.advance(TimeDelta::hours(25));
        let report = lab.sync(60).await;
        assert_eq!(report.errors, []);
        let counts = [report.pull_requests.unwrap(), report.commits.unwrap()];
        if counts.iter().all(|it| it.stored == 0 && it.backlog == 0 && it.repositories_waiting == 0) {
            break;
        }
    }
    lab.check_window().await;

    // P5.6: an unchanged sync asks nothing about commits, and one page of pull requests each.
    let before = lab.simulator.requests();
    lab.sync(60).await;
    let after = lab.simulator.requests();
    assert_eq!(after.count(Endpoint::Commits), before.count(Endpoint::Commits));
    assert!(after.count(Endpoint::PullRequests) - before.count(Endpoint::PullRequests) <= NAMES.len() as u64);
}

/// P2.11, P5.1 to P5.3, P5.6, P5.7, invariant 7.
#[tokio::test]
async fn the_window_is_stored_over_http() {
    for seed in 0..4 {
        window_is_stored(seed, 50).await;
    }
}

/// The same where a first fetch takes several pages.
#[tokio::test]
async fn a_deep_window_is_stored_over_http() {
    for seed in 10..13 {
        window_is_stored(seed, 115).await;
    }
}

/// P5.6 and the formula of the issue: a first sync costs one page per repository and kind.
#[tokio::test]
async fn a_first_sync_costs_one_page_per_repository_and_kind() {
    let mut lab = Lab::new(99, 50).await;
    let report = lab.sync(5000).await;
    let requests = lab.simulator.requests();
    assert_eq!(requests.count(Endpoint::PullRequests), 3);
    assert_eq!(requests.count(Endpoint::Commits), 2, "an empty repository is not asked for commits");
    let counts = (report.pull_requests.unwrap(), report.commits.unwrap());
    assert_eq!((counts.0.stored, counts.0.backlog, counts.0.repositories_waiting), (70, 0, 0));
    assert_eq!((counts.1.stored, counts.1.backlog, counts.1.repositories_waiting), (80, 0, 0));
    assert_eq!(counts.0.complete_by, None);
}

/// P6.11: a refused credential ends it; nothing is concluded.
#[tokio::test]
async fn a_refused_credential_ends_it() {
    let mut lab = Lab::new(7, 50).await;
    lab.repositories().await;
    let order = |endpoint| Order::always(Fault::Status(401)).at(endpoint);
    lab.simulator.order(order(Endpoint::PullRequests));
    lab.simulator.order(order(Endpoint::Commits));
    let report = lab.sync(50).await;
    assert_eq!(report.cut_short, Some(CutShort::Unauthorized));
    assert_eq!(report.errors.len(), 1);
    assert_eq!(report.pull_requests.unwrap().repositories_waiting, 3);
}

/// A kind that is forbidden is noted with the reason, waits, and is asked again at most once an hour.
#[tokio::test]
async fn what_cannot_be_read_is_noted_and_asked_again_later() {
    let mut lab = Lab::new(8, 50).await;
    lab.simulator.order(Order::always(Fault::Status(403)).at(Endpoint::PullRequests).repository("acme/web"));
    let report = lab.sync(500).await;
    assert_eq!(report.errors, []);
    assert_eq!(report.unreadable.len(), 1);
    assert!(report.unreadable[0].is_forbidden);
    let coverage = lab.store.coverage_of(&integration(), &lab.keys["acme/web"], SecondaryKind::PullRequests).await;
    assert!(coverage.unwrap().unwrap().describe().starts_with("not available since 2026-11-01"));
    let asked = |lab: &Lab| lab.simulator.requests().count(Endpoint::PullRequests);
    lab.simulator.clear_orders();
    lab.clock.advance(TimeDelta::minutes(59) - TimeDelta::hours(3));
    let before = asked(&lab);
    let report = lab.sync(500).await; // within the hour: only the re-checks of the others
    assert!(asked(&lab) - before <= 2);
    assert_eq!(report.held_back.get(&SecondaryKind::PullRequests), Some(&1), "it is not forgotten");
    let refused: Vec<_> = report.refused.iter().map(|one| (one.full_name.as_str(), one.kind)).collect();
    assert_eq!(refused, [("acme/web", "pull_requests")]);
    lab.clock.advance(TimeDelta::hours(-2)); // an hour and 59 minutes after the refusal
    let report = lab.sync(500).await;
    assert_eq!(report.pull_requests.unwrap().stored, 50);
}
