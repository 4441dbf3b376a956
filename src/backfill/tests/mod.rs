//! Nothing lost, nothing doubled (issue test (b), invariant 7): random worlds under pushes, merges,
//! force-pushes, renames, branches and repositories that go and come back, pull-request updates, caps,
//! budgets, failing requests, stops, kills and clocks that jump, against an oracle of the window that
//! shares no code with the coverage. A seed always gives the same life.
//!
//! The source is a fake at the trait, since thousands of syncs are run; `over_http` does the same
//! against the simulator by real HTTP.

pub(super) mod details;
mod oracle;
mod over_http;
mod told;
mod users;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio_util::sync::CancellationToken;

use super::{BackfillInputs, BackfillReport, Crawl, FirstSync, KindSettings};
use crate::model::coverage::Coverage;
use crate::model::{InstanceId, IntegrationKey, Item, SecondaryKind};
use crate::store::Store;
use crate::store::sled::SledStore;
use world::{Fake, Faults, Traits, World};

fn integration() -> IntegrationKey {
    IntegrationKey { instance: InstanceId::cloud(), workspace: "acme".to_owned(), catalog: "main".to_owned() }
}

/// Settings of a sync.
#[derive(Clone, Copy, Debug)]
struct Terms {
    pull_requests: KindSettings,
    commits: KindSettings,
    start: Option<DateTime<Utc>>,
}

impl Terms {
    fn random(rng: &mut StdRng, world: &World) -> Self {
        let mut settings = || KindSettings {
            first_sync: if rng.random_bool(0.2) { FirstSync::All } else { FirstSync::Newest(rng.random_range(1..9)) },
            per_sync: rng.random_range(1..12),
        };
        let (pull_requests, commits) = (settings(), settings());
        let start = rng.random_bool(0.4).then(|| world.clock - TimeDelta::minutes(rng.random_range(0..40)));
        Self { pull_requests, commits, start }
    }

    fn of(&self, kind: SecondaryKind) -> KindSettings {
        match kind {
            SecondaryKind::PullRequests => self.pull_requests,
            SecondaryKind::Commits => self.commits,
        }
    }

    /// A larger depth, an earlier start date.
    fn extended(mut self, rng: &mut StdRng) -> Self {
        for settings in [&mut self.pull_requests, &mut self.commits] {
            if let FirstSync::Newest(depth) = settings.first_sync {
                settings.first_sync = if rng.random_bool(0.2) {
                    FirstSync::All
                } else {
                    FirstSync::Newest(depth + rng.random_range(0..5))
                };
            }
        }
        self.start = self.start.filter(|_| rng.random_bool(0.8)).map(|start| start - TimeDelta::minutes(10));
        self
    }
}

/// A world, a store, and the syncs between them.
struct Case {
    rng: StdRng,
    fake: Arc<Fake>,
    store: SledStore,
    terms: Terms,
    is_extended: bool,
}

impl Case {
    async fn new(seed: u64, traits: Traits) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let world = World::random(&mut rng, traits);
        let terms = Terms::random(&mut rng, &world);
        let fake = Arc::new(Fake::new(world, rng.random()));
        let store = SledStore::temporary().await.expect("a scratch directory");
        Self { rng, fake, store, terms, is_extended: false }
    }

    /// One sync; `None`: it was killed. Checks the caps and everything that holds at any point.
    async fn sync(&mut self, faults: Faults) -> Option<BackfillReport> {
        let before = self.items().await;
        let fetched = self.fetched().await;
        let (kill, stop) = (CancellationToken::new(), CancellationToken::new());
        let now = self.fake.begin_sync(faults, kill.clone(), stop.clone(), &fetched);
        let lease = self.store.crawl_lease(&integration(), Duration::ZERO).await.unwrap().expect("nobody crawls");
        let key = integration();
        let inputs = BackfillInputs {
            crawl: Crawl {
                source: &*self.fake,
                store: &self.store,
                lease: &lease,
                integration: &key,
                now,
                concurrency: self.rng.random_range(1..9),
                stop,
                interval: Duration::from_secs(3 * 3600),
            },
            repositories: self.fake.known(),
            pull_requests: Some(self.terms.pull_requests),
            commits: Some(self.terms.commits),
            start_date: self.terms.start,
            asks_again: false,
            only_newest: false,
            rotation_share: super::ROTATION_SHARE,
            progress: &|_| {
                if self.fake.is_killed_by_a_write() {
                    kill.cancel();
                }
            },
        };
        let report = tokio::select! {
            biased;
            () = kill.cancelled() => None,
            report = super::run(inputs) => Some(report.expect("the store works")),
        };
        drop(lease);
        self.check_caps(&before, report.as_ref()).await;
        self.check_always().await;
        report
    }

    fn view<'a>(&'a self, repo: &'a world::Repo, coverage: &'a Coverage, stored: &'a [Item]) -> oracle::View<'a> {
        oracle::View { repo, terms: &self.terms, is_extended: self.is_extended, coverage, stored }
    }

    async fn items(&self) -> Vec<(crate::model::RepoKey, Item)> {
        let mut items = Vec::new();
        for kind in SecondaryKind::ALL {
            items.extend(self.store.dump_items(&integration(), kind).await.unwrap());
        }
        items
    }

    async fn fetched(&self) -> Vec<(crate::model::RepoKey, SecondaryKind)> {
        let mut fetched = Vec::new();
        for kind in SecondaryKind::ALL {
            let coverage = self.store.coverage(&integration(), kind).await.unwrap();
            fetched.extend(coverage.into_iter().filter(|it| it.window.is_some()).map(|it| (it.repo, kind)));
        }
        fetched
    }

    /// P5.3: exactly: what a sync wrote, killed or not, is at most the cap.
    async fn check_caps(&self, before: &[(crate::model::RepoKey, Item)], report: Option<&BackfillReport>) {
        let unmarked = |item: &Item| match item.clone() {
            Item::Commit(mut commit) => {
                commit.unreachable = false;
                Item::Commit(commit)
            }
            item => item,
        };
        let before: std::collections::HashMap<_, _> =
            before.iter().map(|(repo, item)| ((repo, item.kind(), item.id()), unmarked(item))).collect();
        for kind in SecondaryKind::ALL {
            let after = self.store.dump_items(&integration(), kind).await.unwrap();
            let written = after
                .iter()
                .filter(|(repo, item)| before.get(&(repo, kind, item.id())) != Some(&unmarked(item)))
                .count() as u64;
            let cap = self.terms.of(kind).per_sync;
            assert!(written <= cap, "{written} {kind:?} written, the cap is {cap}");
            let counts = report.map(|report| match kind {
                SecondaryKind::PullRequests => report.pull_requests.clone().unwrap(),
                SecondaryKind::Commits => report.commits.clone().unwrap(),
            });
            if let Some(counts) = counts {
                assert!(written <= counts.stored && counts.stored <= cap, "{kind:?}: {written} {counts:?}");
            }
        }
    }

    /// Stored is allowed, nothing is doubled, and what is missing is known to be missing.
    async fn check_always(&self) {
        let world = self.fake.world();
        for (index, repo) in world.repos.iter().enumerate() {
            for kind in SecondaryKind::ALL {
                let key = integration();
                let stored = self.store.items(&key, &repo.key, kind, usize::MAX).await.unwrap();
                let coverage = self.store.coverage_of(&key, &repo.key, kind).await.unwrap();
                let Some(coverage) = coverage else {
                    assert!(stored.is_empty(), "items without coverage");
                    continue;
                };
                assert_eq!(coverage.stored, stored.len() as u64, "{}", coverage.describe());
                let view = self.view(repo, &coverage, &stored);
                let problem = match kind {
                    SecondaryKind::PullRequests => oracle::pull_requests(&view),
                    SecondaryKind::Commits if world.traits.forgets => None,
                    SecondaryKind::Commits => oracle::commits(&view),
                };
                assert!(problem.is_none(), "repo {index}: {}\n{coverage:#?}", problem.unwrap());
            }
        }
    }

    /// Undisturbed syncs until nothing waits; then the window is stored, exactly.
    async fn settle(&mut self) {
        for settings in [&mut self.terms.pull_requests, &mut self.terms.commits] {
            settings.per_sync = 30;
        }
        for round in 0.. {
            assert!(round < 60, "the backlog never ends");
            // First, whatever a clock that was ahead said is past.
            self.fake.pass(TimeDelta::hours(if round == 0 { 125 } else { 25 }));
            let report = self.sync(Faults::default()).await.expect("not killed");
            let counts = [report.pull_requests.clone().unwrap(), report.commits.clone().unwrap()];
            let is_done = counts.iter().all(|counts| counts.backlog == 0 && counts.repositories_waiting == 0);
            for counts in &counts {
                let did_all = counts.backlog == 0 && counts.repositories_waiting == 0;
                let is_fair = did_all || counts.stored == 30 || !report.errors.is_empty();
                assert!(is_fair, "room under the cap, and something waits: {counts:?}");
                assert_eq!(did_all, counts.complete_by.is_none());
            }
            // One more look finds what changed without a push, and begins ranges anew.
            if is_done && counts.iter().all(|counts| counts.stored == 0) {
                break;
            }
        }
        let world = self.fake.world();
        for (index, repo) in world.repos.iter().enumerate() {
            for kind in SecondaryKind::ALL {
                let key = integration();
                let stored = self.store.items(&key, &repo.key, kind, usize::MAX).await.unwrap();
                let coverage = self.store.coverage_of(&key, &repo.key, kind).await.unwrap();
                let Some(coverage) = coverage else {
                    assert!(kind == SecondaryKind::Commits && repo.branch.is_none(), "never fetched");
                    continue;
                };
                let view = self.view(repo, &coverage, &stored);
                let problem = match kind {
                    SecondaryKind::PullRequests => oracle::pull_requests_in_the_end(&view),
                    SecondaryKind::Commits => oracle::commits_in_the_end(&view, world.traits.forgets),
                };
                assert!(problem.is_none(), "repo {index}: {}\n{coverage:#?}", problem.unwrap());
            }
        }
        // Unchanged: no request for commits, one page per repository for pull requests (or as many as
        // it takes to see those of the newest instant).
        let repos = world.pages_of_the_newest_instant();
        drop(world);
        self.fake.pass(TimeDelta::hours(25));
        let (pull_requests, commits) = self.fake.requests();
        let report = self.sync(Faults::default()).await.expect("not killed");
        let (pull_requests_after, commits_after) = self.fake.requests();
        assert_eq!(commits_after - commits, 0, "an unchanged repository costs no request for commits");
        assert!(pull_requests_after - pull_requests <= repos);
        assert_eq!(report.pull_requests.unwrap().stored + report.commits.unwrap().stored, 0);
        self.fake.pass(TimeDelta::minutes(1));
    }
}

async fn life(seed: u64, traits: Traits) {
    let mut case = Case::new(seed, traits).await;
    let steps = case.rng.random_range(2..9);
    for _ in 0..steps {
        let faults = Faults::random(&mut case.rng);
        case.sync(faults).await;
        let hours = [0, 1, 3, 25][case.rng.random_range(0..4)];
        case.fake.pass(TimeDelta::hours(hours));
        let changes = case.rng.random_range(0..7);
        case.fake.change(changes);
        for settings in [&mut case.terms.pull_requests, &mut case.terms.commits] {
            settings.per_sync = case.rng.random_range(1..12);
        }
        if traits.extends && case.rng.random_bool(0.2) {
            case.terms = case.terms.extended(&mut case.rng);
            case.is_extended = true;
        }
    }
    case.settle().await;
}

fn lives(seed: u64, traits: Traits) {
    alone(seed, life(seed, traits));
}

/// Runs to the end, the same way for the same seed: what the store has under way is done between two polls of
/// the seed's choice, so that no clock of the machine decides which of two things comes first.
fn alone<T>(seed: u64, life: impl Future<Output = T>) -> T {
    struct Woken(AtomicBool);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    // One thread works through the store's jobs in their order.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    let _entered = runtime.enter();
    let mut rng = StdRng::seed_from_u64(seed);
    let mut life = std::pin::pin!(life);
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = woken.clone().into();
    loop {
        let (gate, closed) = std::sync::mpsc::channel::<()>();
        drop(tokio::task::spawn_blocking(move || closed.recv()));
        let goes_on = loop {
            if let Poll::Ready(value) = life.as_mut().poll(&mut Context::from_waker(&waker)) {
                return value;
            }
            let goes_on = woken.0.swap(false, Ordering::SeqCst);
            if !goes_on || rng.random_bool(0.4) {
                break goes_on;
            }
        };
        drop(gate);
        let (done, last) = std::sync::mpsc::channel();
        drop(tokio::task::spawn_blocking(move || done.send(())));
        last.recv().expect("the thread of the store lives");
        assert!(goes_on || woken.0.load(Ordering::SeqCst), "it waits for what never comes");
    }
}

/// How many lives per property; more by the environment variable PROPTEST_CASES.
fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(48);
    ProptestConfig { cases, max_shrink_iters: 0, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    /// P2.12, P5.1, P5.2, P5.3, P5.7, invariant 7.
    #[test]
    fn nothing_is_lost_and_nothing_doubled(seed: u64) {
        lives(seed, Traits::default());
    }

    /// P2.6: the same while windows are extended.
    #[test]
    fn extended_windows_become_backlog(seed: u64) {
        lives(seed, Traits { extends: true, ..Traits::default() });
    }

    /// Section 9: the same on a server that forgets what force-pushes dropped.
    #[test]
    fn rewritten_history_begins_new_ranges(seed: u64) {
        lives(seed, Traits { forgets: true, ..Traits::default() });
    }

    /// Pages of a mutable order: changes between the pages of a walk skip nothing.
    #[test]
    fn changes_between_pages_lose_nothing(seed: u64) {
        lives(seed, Traits { moves: true, ..Traits::default() });
    }

    /// All of it together.
    #[test]
    fn everything_at_once_loses_nothing(seed: u64) {
        lives(seed, Traits { extends: true, forgets: true, moves: true });
    }
}
