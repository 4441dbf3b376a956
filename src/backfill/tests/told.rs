//! Lives told step by step: what random ones found, and what they meet too rarely.

use super::*;
use crate::model::coverage::{CommitRanges, Ranges};

const REPO: usize = 0;

/// One repository, two rows a page.
async fn case(traits: Traits, first_sync: FirstSync) -> Case {
    let settings = KindSettings { first_sync, per_sync: 100 };
    let terms = Terms { pull_requests: settings, commits: settings, start: None };
    let fake = Arc::new(Fake::new(World::told(traits), 1));
    let store = SledStore::temporary().await.expect("a scratch directory");
    Case { rng: StdRng::seed_from_u64(1), fake, store, terms, is_extended: false }
}

impl Case {
    /// An undisturbed sync, three hours after the last; commits stored, backlog, repositories waiting.
    async fn commits(&mut self, per_sync: u64) -> (u64, u64, u64) {
        self.terms.commits.per_sync = per_sync;
        self.fake.pass(TimeDelta::hours(3));
        let report = self.sync(Faults::default()).await.expect("not killed");
        let counts = report.commits.expect("selected");
        (counts.stored, counts.backlog, counts.repositories_waiting)
    }

    /// The same of pull requests.
    async fn pull_requests(&mut self, per_sync: u64) -> (u64, u64, u64) {
        self.terms.pull_requests.per_sync = per_sync;
        self.fake.pass(TimeDelta::hours(3));
        let report = self.sync(Faults::default()).await.expect("not killed");
        let counts = report.pull_requests.expect("selected");
        (counts.stored, counts.backlog, counts.repositories_waiting)
    }

    async fn commit_ranges(&self) -> CommitRanges {
        let key = self.fake.world().repos[REPO].key.clone();
        let coverage = self.store.coverage_of(&integration(), &key, SecondaryKind::Commits).await.unwrap();
        match coverage.expect("fetched").ranges {
            Ranges::Commits(ranges) => ranges,
            Ranges::PullRequests(_) => unreachable!("asked for commits"),
        }
    }
}

/// Section 9: a gap that the server no longer knows is given up, and the new range begins in the same sync:
/// else it would say that nothing waits.
#[test]
fn a_new_range_begins_where_a_gap_was_lost() {
    alone(1, async {
        let mut case = case(Traits { forgets: true, ..Traits::default() }, FirstSync::All).await;
        case.fake.push(REPO, 6);
        assert_eq!(case.commits(2).await, (2, 0, 1));
        case.fake.replace_history(REPO, 3);
        assert_eq!(case.commits(100).await, (3, 0, 0));
        assert!(case.commit_ranges().await.head.is_some());
        let (_, before) = case.fake.requests();
        assert_eq!(case.commits(100).await, (0, 0, 0));
        assert_eq!(case.fake.requests().1, before, "settled");
    });
}

/// P5.2: what comes into a branch that was empty at the first fetch is new, all of it.
#[test]
fn commits_of_a_branch_that_was_empty_are_all_new() {
    alone(1, async {
        let mut case = case(Traits::default(), FirstSync::Newest(3)).await;
        case.fake.name_branch(REPO, Some("main"));
        assert_eq!(case.commits(100).await, (0, 0, 0));
        case.fake.push(REPO, 9);
        assert_eq!(case.commits(100).await, (9, 0, 0));
    });
}

/// P5.6: where a budget always ends in the middle of a deep walk, each sync goes on from where the last one was.
#[test]
fn a_budget_that_ends_in_mid_walk_makes_way() {
    alone(1, async {
        for (first_sync, expected) in [(FirstSync::Newest(60), 60), (FirstSync::All, 86)] {
            let mut case = case(Traits::default(), first_sync).await;
            case.fake.push(REPO, 40);
            case.fake.merge(REPO, 20, 5);
            case.fake.push(REPO, 40);
            let mut stored = 0;
            for _ in 0..12 {
                case.fake.pass(TimeDelta::hours(3));
                let report = case.sync(Faults::budget(6)).await.expect("not killed");
                stored += report.commits.expect("selected").stored;
            }
            assert_eq!(stored, expected);
        }
    });
}

/// P5.7: a default branch that is gone leaves what is stored, and nothing to wait for; what waits in a gap is asked
/// for by its hashes. It may come back.
#[test]
fn a_default_branch_that_is_gone_is_not_waited_for() {
    alone(1, async {
        let mut case = case(Traits::default(), FirstSync::Newest(5)).await;
        case.fake.push(REPO, 9);
        assert_eq!(case.commits(3).await, (3, 1, 1));
        case.fake.name_branch(REPO, None);
        assert_eq!(case.commits(100).await, (2, 0, 0));
        assert_eq!(case.commits(100).await, (0, 0, 0));
        case.fake.name_branch(REPO, Some("main"));
        case.fake.push(REPO, 2);
        assert_eq!(case.commits(100).await, (2, 0, 0));
    });
}

/// P5.3: more open paths than a gap remembers: the walk begins above them, and the backlog ends all the same.
#[test]
fn more_open_paths_than_are_remembered_are_walked_again() {
    alone(1, async {
        for (first_sync, expected) in [(FirstSync::Newest(150), 150), (FirstSync::All, 216)] {
            let mut case = case(Traits::default(), first_sync).await;
            case.fake.push(REPO, 2);
            case.fake.merge_many(REPO, 106);
            case.fake.push(REPO, 2);
            let mut stored = 0;
            for _ in 0..9 {
                let (newly, backlog, waiting) = case.commits(30).await;
                stored += newly;
                if backlog + waiting == 0 {
                    break;
                }
            }
            assert_eq!(stored, expected);
        }
    });
}

/// P5.1, P5.3: pull requests of one instant that fill several pages, at the bottom of the window and at its newest end.
#[test]
fn one_instant_may_fill_several_pages() {
    alone(1, async {
        let mut case = case(Traits::default(), FirstSync::Newest(3)).await;
        case.fake.open_at_once(REPO, 7);
        for cap in [1, 1, 1] {
            assert_eq!(case.pull_requests(cap).await.0, 1);
        }
        // The other four share the instant of all three: they are found with what is new.
        case.fake.open_at_once(REPO, 7);
        let mut stored = 0;
        for _ in 0..12 {
            stored += case.pull_requests(1).await.0;
        }
        assert!((7..=11).contains(&stored), "{stored}");
        let (backlog, waiting) = (case.pull_requests(100).await.1, case.pull_requests(100).await.2);
        assert_eq!((backlog, waiting), (0, 0));
    });
}

/// Issue 2, bad input: a clock that was ahead by years and jumps back keeps nothing from being asked again.
#[test]
fn a_clock_that_jumps_back_stops_no_check() {
    alone(1, async {
        let mut case = case(Traits::default(), FirstSync::Newest(3)).await;
        case.fake.open_at_once(REPO, 1);
        case.fake.push(REPO, 1);
        let years = TimeDelta::days(3_650);
        case.fake.pass(TimeDelta::hours(3));
        case.sync(Faults::refused().ahead(years)).await.expect("not killed");
        case.fake.pass(TimeDelta::hours(3));
        let report = case.sync(Faults::default()).await.expect("not killed");
        assert_eq!(report.pull_requests.expect("selected").stored, 1, "what was refused in ten years is asked today");
        assert_eq!(report.commits.expect("selected").stored, 1);

        case.fake.close_pull_requests(REPO);
        case.fake.pass(TimeDelta::hours(3));
        case.sync(Faults::default().ahead(years)).await.expect("not killed");
        case.fake.update_quietly(REPO, 1);
        assert_eq!(case.pull_requests(100).await.0, 1, "what was checked in ten years is checked today");
    });
}

/// P5.7: what could not be fetched waits; only what is refused does not.
#[test]
fn what_failed_before_its_first_page_waits() {
    alone(1, async {
        let mut case = case(Traits::default(), FirstSync::Newest(3)).await;
        case.fake.push(REPO, 1);
        for (faults, waiting) in [(Faults::failing(), 1), (Faults::refused(), 0)] {
            let report = case.sync(faults).await.expect("not killed");
            assert_eq!(report.commits.expect("selected").repositories_waiting, waiting);
            assert_eq!(report.pull_requests.expect("selected").repositories_waiting, waiting);
        }
    });
}
