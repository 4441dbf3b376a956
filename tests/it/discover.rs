//! Discovery against the simulator, on a clock that a test moves (P2.8, P2.9, P2.12, P6.5, product.md section 9).

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use catalog_sync::clock::Clock;
use catalog_sync::discover::{Behaviour, DiscoverError, Discovered, Discovery, discover};
use catalog_sync::model::{InstanceId, IntegrationKey, Presence, SyncId};
use catalog_sync::plan::guard::Guard;
use catalog_sync::simulator::{
    BadRow, Endpoint, Fault, GenerateOptions, NewRepository, Order, RequestRecord, RetryAfter, Simulator,
    SimulatorOptions, World,
};
use catalog_sync::source::bitbucket_cloud::{BitbucketCloud, CloudSettings};
use catalog_sync::source::http::{Credential, FixedSecret, Reserve};
use catalog_sync::source::{Source, SourceError};
use catalog_sync::store::sled::SledStore;
use catalog_sync::store::{DiscoveryState, IntegrationState, Store};
use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

fn beginning() -> DateTime<Utc> {
    "2026-11-01T12:00:00Z".parse().expect("a time")
}

struct Lab {
    simulator: Simulator,
    clock: Clock,
    store: SledStore,
    source: BitbucketCloud,
    key: IntegrationKey,
    syncs: AtomicU32,
    stop: CancellationToken,
}

impl Lab {
    async fn of(repositories: usize) -> Self {
        Self::with(World::generate(
            3,
            &GenerateOptions { now: beginning(), ..GenerateOptions::repositories(repositories) },
        ))
        .await
    }

    async fn with(mut world: World) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let clock = Clock::manual(beginning());
        world.set_clock(clock.clone());
        let simulator = Simulator::start(world, SimulatorOptions::default()).await.expect("a simulator");
        let key =
            IntegrationKey { instance: InstanceId::cloud(), workspace: "acme".to_owned(), catalog: "main".to_owned() };
        let store = SledStore::temporary().await.expect("a store");
        let lease = store.crawl_lease(&key, Duration::ZERO).await.expect("a store").expect("the lease");
        let state = IntegrationState {
            key: key.clone(),
            name: "acme".to_owned(),
            created_at: beginning(),
            discovery: DiscoveryState::default(),
            locked_kinds: None,
            start_date: None,
            last_started_at: None,
            rules_hash: None,
            correlated: None,
            notes: Default::default(),
        };
        store.save_integration(&lease, &state).await.expect("saved");
        drop(lease);
        let source = source(&simulator, &clock, "token", None);
        Self { simulator, clock, store, source, key, syncs: AtomicU32::new(0), stop: CancellationToken::new() }
    }

    async fn sync(&self) -> Result<Discovered, DiscoverError> {
        self.sync_with(&self.source, false).await
    }

    async fn sync_with(&self, source: &dyn Source, full: bool) -> Result<Discovered, DiscoverError> {
        let lease = self.store.crawl_lease(&self.key, Duration::ZERO).await?.expect("nobody else crawls");
        discover(&Discovery {
            source,
            store: &self.store,
            lease: &lease,
            behaviour: Behaviour {
                hides: &|_| None,
                sweep_every: Duration::from_secs(24 * 3600),
                guard: Guard::default(),
                auto_import: false,
                full,
            },
            now: self.clock.now(),
            sync_id: SyncId(format!("sync-{:04}", self.syncs.fetch_add(1, Ordering::Relaxed))),
            stop: &self.stop,
            progress: &|_, _| {},
        })
        .await
    }

    /// A sync that must succeed, with the requests it made.
    #[track_caller]
    fn ok(&self) -> impl Future<Output = (Discovered, Vec<RequestRecord>)> + '_ {
        let caller = std::panic::Location::caller();
        async move {
            self.simulator.reset_requests();
            let found = self.sync().await.unwrap_or_else(|error| panic!("{caller}: {error}"));
            (found, self.simulator.requests().requests)
        }
    }

    async fn presence(&self, slug: &str) -> Presence {
        let known = self.store.repositories(&self.key, None, 10_000).await.expect("a store");
        known.into_iter().find(|known| known.repository.slug == slug).expect(slug).presence
    }

    async fn known(&self) -> usize {
        self.store.repositories(&self.key, None, 10_000).await.expect("a store").len()
    }

    async fn state(&self) -> DiscoveryState {
        self.store.integration(&self.key).await.expect("a store").expect("the integration").discovery
    }

    fn advance(&self, minutes: i64) {
        self.clock.advance(chrono::Duration::minutes(minutes));
    }
}

fn source(simulator: &Simulator, clock: &Clock, token: &str, per_hour: Option<u64>) -> BitbucketCloud {
    let mut settings = CloudSettings::new("acme", Credential::AccessToken(FixedSecret::shared(token)));
    settings.api_url = simulator.api_url().parse().expect("a URL");
    settings.clock = clock.clone();
    settings.http.retry_base = Duration::ZERO;
    settings.requests_per_hour = per_hour;
    settings.reserve = Reserve::Requests(0);
    BitbucketCloud::new(settings).expect("a source")
}

fn page_of(request: &RequestRecord) -> u32 {
    let page = request.target.split(['?', '&']).find_map(|part| part.strip_prefix("page="));
    page.map_or(1, |page| page.parse().expect("a number"))
}

// Section 9: when nothing changed, discovery costs two requests, whatever the workspace's size.
#[tokio::test]
async fn an_unchanged_workspace_costs_two_requests_whatever_its_size_s9() {
    for size in [1, 99, 100, 101, 1050] {
        let lab = Lab::of(size).await;
        // What was changed in the last minutes before the sweep is listed again by the first delta.
        lab.advance(60);
        let (found, sweep) = lab.ok().await;
        assert_eq!((found.new, found.swept, sweep.len()), (size as u64, true, size.div_ceil(100)), "{size}");
        for _ in 0..3 {
            lab.advance(180);
            let (found, delta) = lab.ok().await;
            assert_eq!((delta.len(), found.swept, found.seen), (2, false, size as u64), "{size}: {delta:?}");
            assert_eq!((found.new, found.changed.len()), (0, 0));
        }
        println!("{size} repositories: sweep {} requests, unchanged 2", sweep.len());
    }
}

// Section 9: a delta finds what changed, even under a server clock that is off, either way, and under ours.
#[tokio::test]
async fn what_changed_is_found_whoevers_clock_is_off_s9() {
    for skew_minutes in [-14, -3, 0, 3, 14] {
        let lab = Lab::of(150).await;
        lab.simulator.set_date_skew(chrono::Duration::minutes(skew_minutes));
        lab.ok().await;
        let slug = {
            let mut world = lab.simulator.world();
            let slug = world.repositories().nth(40).expect("a repository").slug.clone();
            world.edit_repository(&format!("acme/{slug}"), |one| one.description = "changed at once".to_owned());
            slug
        };
        let (found, requests) = lab.ok().await;
        assert_eq!((found.changed.len(), found.swept, requests.len()), (1, false, 2), "{skew_minutes} min: {slug}");
    }
    // Ours may be off by days: the server's `Date` alone counts.
    for days in [-3, 3] {
        let lab = Lab::of(20).await;
        let theirs = Clock::manual(beginning() + chrono::Duration::days(days));
        lab.simulator.world().set_clock(theirs);
        lab.ok().await;
        lab.simulator.world().add_repository("acme", NewRepository::named("newcomer"));
        lab.advance(1);
        let (found, _) = lab.ok().await;
        assert_eq!((found.new, found.swept), (1, false), "{days} days");
    }
}

// Section 9: a count that differs, or none at all: one sweep in the same sync, and the expectation is reset.
#[tokio::test]
async fn a_count_that_differs_costs_one_sweep_in_the_same_sync_s9() {
    let lab = Lab::of(250).await;
    lab.ok().await;
    let slug = lab.simulator.world().repositories().nth(7).expect("a repository").slug.clone();
    lab.simulator.world().delete_repository(&format!("acme/{slug}"));
    let (found, requests) = lab.ok().await;
    assert_eq!((found.swept, requests.len()), (true, 2 + 3), "delta, count, three pages");
    assert_eq!(lab.presence(&slug).await, Presence::MissingOnce);
    let (found, requests) = lab.ok().await;
    assert_eq!((found.gone.len(), requests.len()), (1, 3 + 1), "a sweep at once, and one look by its uuid");
    assert_eq!(lab.presence(&slug).await, Presence::Gone);
    let (_, requests) = lab.ok().await;
    assert_eq!(requests.len(), 2, "the expectation was reset");

    lab.simulator.order(Order::next(Fault::SizeMissing).at(Endpoint::Repositories).query("pagelen=1&"));
    let (found, requests) = lab.ok().await;
    assert_eq!((found.swept, requests.len()), (true, 2 + 3));
    lab.simulator.order(Order::next(Fault::SizeIs(7)).at(Endpoint::Repositories).query("pagelen=1&"));
    let (found, _) = lab.ok().await;
    assert_eq!((found.swept, found.gone.len()), (true, 0));
    assert_eq!(lab.ok().await.1.len(), 2);
}

// Section 9: a sweep at least every 24 h, and after a clock that jumped back.
#[tokio::test]
async fn a_sweep_comes_every_24_hours_and_after_a_clock_that_jumped_back_s9() {
    let lab = Lab::of(5).await;
    let mut swept = Vec::new();
    for hour in 0..60 {
        if lab.ok().await.0.swept {
            swept.push(hour);
        }
        lab.advance(60);
    }
    assert_eq!(swept, [0, 24, 48]);
    lab.clock.advance(chrono::Duration::days(-30));
    assert!(lab.ok().await.0.swept);
    assert!(!lab.ok().await.0.swept);
}

// P2.12, P6.5: a walk that was cut off resumes at its page within the hour, and starts over afterwards.
#[tokio::test]
async fn a_sweep_resumes_within_an_hour_and_starts_over_later_p6_5() {
    for (rested_minutes, pages) in [(0, vec![3, 4]), (59, vec![3, 4]), (61, vec![1, 2, 3, 4]), (-5, vec![1, 2, 3, 4])] {
        let lab = Lab::of(350).await;
        lab.simulator.order(Order::next(Fault::Status(500)).at(Endpoint::Repositories).nth(3).times(4));
        assert!(matches!(lab.sync().await, Err(DiscoverError::Source(_))));
        assert_eq!(lab.simulator.orders_left(), Vec::<String>::new());
        assert_eq!(lab.known().await, 200, "each page is a checkpoint");
        lab.advance(rested_minutes);
        let (found, requests) = lab.ok().await;
        assert_eq!(requests.iter().map(page_of).collect::<Vec<_>>(), pages, "after {rested_minutes} min");
        assert_eq!((found.seen, found.gone.len(), lab.known().await), (350, 0, 350));
        assert_eq!(lab.ok().await.1.len(), 2, "complete");
    }
}

// P6.5: under another credential it starts over, since another one may see other repositories.
#[tokio::test]
async fn a_sweep_starts_over_under_another_credential_p6_5() {
    let lab = Lab::of(350).await;
    lab.simulator.order(Order::next(Fault::Status(503)).at(Endpoint::Repositories).nth(3).times(4));
    lab.sync().await.expect_err("cut off");
    lab.simulator.reset_requests();
    let other = source(&lab.simulator, &lab.clock, "another", None);
    let found = lab.sync_with(&other, false).await.expect("a sweep");
    assert_eq!(found.seen, 350);
    assert_eq!(lab.simulator.requests().requests.iter().map(page_of).collect::<Vec<_>>(), [1, 2, 3, 4]);
}

// P2.12: what will never answer again (a page behind the end) is not asked for again and again.
#[tokio::test]
async fn a_checkpoint_that_leads_nowhere_is_forgotten_p2_12() {
    let lab = Lab::of(350).await;
    lab.simulator.order(Order::next(Fault::Status(404)).at(Endpoint::Repositories).nth(3));
    assert!(matches!(lab.sync().await, Err(DiscoverError::Source(SourceError::Incomplete { page: 3, .. }))));
    let (found, requests) = lab.ok().await;
    assert_eq!((found.seen, requests.iter().map(page_of).collect::<Vec<_>>()), (350, vec![1, 2, 3, 4]));
}

// P2.12: stopped by a person, it goes on at the same page.
#[tokio::test]
async fn a_stop_leaves_a_checkpoint_p2_12() {
    let mut lab = Lab::of(350).await;
    let stop = lab.stop.clone();
    lab.simulator.order(Order::next(Fault::then(move |_| stop.cancel())).at(Endpoint::Repositories).nth(2));
    assert!(matches!(lab.sync().await, Err(DiscoverError::Stopped)));
    lab.stop = CancellationToken::new();
    // The second page came while the first was recorded, and was not recorded any more.
    let (found, requests) = lab.ok().await;
    assert_eq!((found.seen, requests.iter().map(page_of).collect::<Vec<_>>()), (350, vec![2, 3, 4]));
}

// P2.12, P6.5: a list longer than an hour's requests is read whole all the same, each page once.
#[tokio::test]
async fn a_list_longer_than_an_hours_budget_ends_p2_12() {
    let lab = Lab::of(750).await;
    let poor = source(&lab.simulator, &lab.clock, "token", Some(3));
    let mut rests = Vec::new();
    let found = loop {
        match lab.sync_with(&poor, false).await {
            Ok(found) => break found,
            Err(DiscoverError::Source(SourceError::BudgetExhausted { resume_at })) => {
                rests.push((resume_at - lab.clock.now()).num_minutes());
                assert_eq!(lab.state().await.sweep.and_then(|sweep| sweep.resume_at), Some(resume_at));
                lab.clock.advance(resume_at - lab.clock.now());
            }
            Err(error) => panic!("{error}"),
        }
        assert!(rests.len() < 10, "it never ends: {rests:?}");
    };
    println!("750 repositories, 3 requests an hour: rested {rests:?} minutes");
    assert_eq!((found.seen, rests.len()), (750, 2));
    assert_eq!(lab.simulator.requests().requests.iter().map(page_of).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7, 8]);
}

// P2.9, facts 1.8: a 429 without `Retry-After` rests the credential; nothing is lost.
#[tokio::test]
async fn a_429_without_retry_after_is_waited_for_in_mid_sweep() {
    let lab = Lab::of(350).await;
    lab.simulator.order(Order::next(Fault::RateLimited(RetryAfter::Absent)).at(Endpoint::Repositories).nth(3));
    let walk = lab.sync();
    let time = async {
        while !lab.simulator.requests().by_status.contains_key(&429) {
            tokio::task::yield_now().await;
        }
        // Time passes until the walk is over: the answer may still be on its way when it begins to.
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            lab.clock.advance(chrono::Duration::seconds(5));
        }
    };
    let found = tokio::select! {
        found = walk => found,
        () = time => unreachable!("time does not end"),
    };
    assert_eq!(found.expect("waited for").seen, 350);
    assert_eq!(lab.simulator.requests().requests.iter().map(page_of).collect::<Vec<_>>(), [1, 2, 3, 3, 4]);
}

// P2.9: pages that shift while they are walked, in every way a workspace can change.
#[tokio::test]
async fn pages_that_shift_hide_nothing_p2_9() {
    let slug = |world: &World, nth: usize| {
        // In the order of the listing.
        let mut all: Vec<_> = world.repositories().map(|one| (one.created_on, one.slug.clone())).collect();
        all.sort();
        format!("acme/{}", all[nth].1)
    };
    for (what, at_page, lost) in
        [("first page", 1, vec![3, 50]), ("second page", 2, vec![10, 120, 130]), ("behind", 1, vec![300])]
    {
        let lab = Lab::of(350).await;
        lab.ok().await;
        let doomed: Vec<String> = {
            let world = lab.simulator.world();
            lost.iter().map(|nth| slug(&world, *nth)).collect()
        };
        let names = doomed.clone();
        lab.simulator.order(
            Order::next(Fault::then(move |world| names.iter().for_each(|name| world.delete_repository(name))))
                .at(Endpoint::Repositories)
                .nth(at_page),
        );
        let found = lab.sync_with(&lab.source, true).await.expect("a sweep");
        assert_eq!(found.gone.len(), 0, "{what}");
        for known in lab.store.repositories(&lab.key, None, 10_000).await.expect("a store") {
            let is_doomed = doomed.contains(&known.repository.full_name);
            assert!(
                is_doomed || known.presence == Presence::Present,
                "{what}: {} was skipped",
                known.repository.full_name
            );
        }
        let mut gone = 0;
        for _ in 0..3 {
            gone += lab.ok().await.0.gone.len();
        }
        assert_eq!(gone, doomed.len(), "{what}: gone within the next syncs, without waiting for a day");
        assert_eq!(lab.ok().await.1.len(), 2, "{what}: settled");
    }
}

// Section 8: many created at one instant; the walk by key goes on by `next` there and does not stand still.
#[tokio::test]
async fn a_walk_by_key_passes_a_page_of_one_instant_s8() {
    let mut world = World::new(5, Clock::manual(beginning()));
    world.add_workspace("acme", "Acme");
    world.add_project("acme", "ALL", "All");
    for n in 0..330 {
        let created_on = beginning()
            - chrono::Duration::days(if n < 20 {
                9
            } else if n < 320 {
                8
            } else {
                7
            });
        let new = NewRepository { created_on: Some(created_on), ..NewRepository::named(&format!("r{n:03}")) };
        world.add_repository("acme", new.with_commits(0));
    }
    let lab = Lab::with(world).await;
    // A size that cannot be right makes it walk by key.
    lab.simulator.order(Order::next(Fault::SizeIs(329)).at(Endpoint::Repositories).times(4));
    let (found, requests) = lab.ok().await;
    assert_eq!((found.seen, lab.known().await), (330, 330));
    println!("{} requests", requests.len());
    assert!(requests.len() <= 4 + 6, "{requests:?}");
}

// P2.11: an unreadable row in a delta cannot be counted: a sweep in the same sync, and the row is named once.
#[tokio::test]
async fn an_unreadable_row_in_a_delta_is_settled_by_a_sweep_p2_11() {
    let lab = Lab::of(120).await;
    lab.ok().await;
    lab.simulator.world().add_repository("acme", NewRepository::named("newcomer"));
    lab.simulator.order(
        Order::next(Fault::BadRow { row: 0, how: BadRow::NoUuid }).at(Endpoint::Repositories).query("updated_on"),
    );
    let (found, _) = lab.ok().await;
    assert_eq!(lab.simulator.orders_left(), Vec::<String>::new());
    assert_eq!((found.swept, found.new, found.seen), (true, 1, 121), "the sweep could read it");
    let (_, requests) = lab.ok().await;
    assert_eq!(requests.len(), 2, "and no count differs afterwards");
}

// P2.8: rename, move to another project: the same repository, with its former names.
#[tokio::test]
async fn renames_and_moves_keep_the_identity_p2_8() {
    let lab = Lab::of(30).await;
    lab.ok().await;
    let (slug, key, renamed) = {
        let mut world = lab.simulator.world();
        let one = world.repositories().nth(5).expect("a repository");
        let (slug, key) = (one.slug.clone(), one.uuid.to_string());
        let other = world.repositories().nth(6).expect("a repository").slug.clone();
        let renamed = world.rename_repository(&format!("acme/{slug}"), "called otherwise");
        // And another takes its old name.
        world.rename_repository(&format!("acme/{other}"), &slug);
        (slug, key, renamed)
    };
    let (found, requests) = lab.ok().await;
    assert_eq!((found.new, found.changed.len(), requests.len()), (0, 2, 2));
    let known = lab.store.repositories(&lab.key, None, 1000).await.expect("a store");
    let one = known.iter().find(|known| known.repository.key.id == key).expect("by its uuid");
    assert_eq!(
        (one.repository.full_name.as_str(), &one.former_names[..]),
        (renamed.as_str(), &[format!("acme/{slug}")][..])
    );
    assert_eq!(known.len(), 30);
}
