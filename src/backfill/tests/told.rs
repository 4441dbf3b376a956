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
    Case { rng: StdRng::seed_from_u64(1), fake, store, terms }
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
        case.fake.name_branch(REPO);
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
