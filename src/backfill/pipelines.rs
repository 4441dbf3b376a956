//! Pipelines of a repository: walked from the newest to what is known (product.md, P5.5).
//!
//! Their numbers count up by one, so that what is missing can be named, and what a cap left for later waits by its
//! number. A pipeline that runs waits as well, until it has ended.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};

use crate::model::detail::Listed;
use crate::model::{Build, Detail, DetailBody, DetailCoverage, ItemId, Repository};
use crate::source::PipelinePage;

/// Pipelines of a repository at its first walk, as `first_sync` of pull requests and commits.
const FIRST: u64 = 50;
/// Pipelines may start without a push: a repository that did not change is asked again after so long.
const ASK_AGAIN_AFTER: TimeDelta = TimeDelta::hours(24);

/// Whether there may be anything to fetch.
pub(super) fn is_due(coverage: &DetailCoverage, repo: &Repository, now: DateTime<Utc>) -> bool {
    let Some(listed) = &coverage.listed else { return true };
    !coverage.waiting.is_empty()
        || repo.updated_on.is_none()
        || listed.source_updated_on != repo.updated_on
        || !(now - ASK_AGAIN_AFTER..=now).contains(&listed.at)
}

/// A walk under way.
#[derive(Debug)]
pub(super) struct Walk {
    newest_before: u64,
    /// Fixed by the first walk, as soon as that has met enough.
    bottom: Option<u64>,
    waited: BTreeSet<u64>,
    met: BTreeSet<u64>,
    /// Met and left for later, or running.
    waits: BTreeSet<u64>,
}

impl Walk {
    pub fn new(coverage: &DetailCoverage) -> Self {
        let number = |of: &ItemId| if let ItemId::Number(number) = of { Some(*number) } else { None };
        Self {
            newest_before: coverage.listed.as_ref().map_or(0, |listed| listed.newest),
            bottom: coverage.listed.as_ref().map(|listed| listed.bottom),
            waited: coverage.waiting.iter().filter_map(number).collect(),
            met: BTreeSet::new(),
            waits: BTreeSet::new(),
        }
    }

    /// What of a page is to be stored, at most `room`; `stored` is what is known of these numbers. `true`: the walk
    /// has come to its end.
    pub fn page(
        &mut self,
        page: PipelinePage,
        stored: &HashMap<u64, Detail>,
        room: u64,
        now: DateTime<Utc>,
    ) -> (Vec<Detail>, bool) {
        let mut details = Vec::new();
        let mut is_over = page.next.is_none();
        for (number, at, build) in page.pipelines {
            if self.bottom.is_none() && self.met.len() as u64 == FIRST || self.bottom.is_some_and(|low| number < low) {
                is_over = true;
                break;
            }
            // A pipeline that came meanwhile pushes rows onto the next page.
            if !self.met.insert(number) {
                continue;
            }
            let is_wanted = number > self.newest_before || self.waited.contains(&number);
            let running = build.is_running();
            let is_news = stored.get(&number).is_none_or(|known| known.body != body(&build));
            if is_wanted && is_news {
                if details.len() as u64 == room {
                    self.waits.insert(number);
                    continue;
                }
                details.push(detail(number, at, build, now));
            }
            if is_wanted && running {
                self.waits.insert(number);
            }
        }
        let lowest = self.met.first().copied().unwrap_or(0);
        let floor = self.waited.first().copied().unwrap_or(u64::MAX).min(self.newest_before + 1);
        is_over |= self.bottom.is_some() && lowest <= floor;
        (details, is_over)
    }

    /// The coverage after the walk; one that broke off forgets nothing and has proved nothing.
    pub fn end(self, coverage: &mut DetailCoverage, repo: &Repository, is_over: bool, now: DateTime<Utc>) {
        let waits = if is_over {
            // What was not met any more was deleted.
            self.waits.clone()
        } else {
            let left = self.waited.iter().filter(|number| !self.met.contains(number));
            self.waits.iter().chain(left).copied().collect()
        };
        coverage.waiting = waits.into_iter().rev().map(ItemId::Number).collect();
        coverage.waiting_since = if coverage.waiting.is_empty() { None } else { coverage.waiting_since.or(Some(now)) };
        if is_over {
            let newest = self.met.last().copied().unwrap_or(0).max(self.newest_before);
            let bottom = self.bottom.or_else(|| self.met.first().copied()).unwrap_or(newest + 1);
            coverage.listed = Some(Listed { newest, bottom, at: now, source_updated_on: repo.updated_on });
            coverage.unavailable = None;
        }
    }
}

fn body(build: &Build) -> DetailBody {
    DetailBody::Builds { builds: vec![build.clone()] }
}

fn detail(number: u64, at: DateTime<Utc>, build: Build, read_at: DateTime<Utc>) -> Detail {
    Detail { of: ItemId::Number(number), at, version: number.to_string(), read_at, body: body(&build) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DetailKind, RepoKey};
    use crate::source::Cursor;

    fn at(minutes: u64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(i64::try_from(minutes).expect("small"))
    }

    /// Pipelines 1 to `newest`, the numbers in `running` not ended.
    struct Server {
        newest: u64,
        running: Vec<u64>,
    }

    impl Server {
        fn page(&self, number: usize) -> PipelinePage {
            let all: Vec<u64> = (1..=self.newest).rev().collect();
            let rows = all.chunks(10).nth(number).unwrap_or_default();
            PipelinePage {
                pipelines: rows
                    .iter()
                    .map(|number| {
                        let state = if self.running.contains(number) { "in_progress" } else { "successful" };
                        let build = Build {
                            key: number.to_string(),
                            name: None,
                            state: state.to_owned(),
                            started_at: None,
                            ended_at: None,
                            url: None,
                        };
                        (*number, at(*number), build)
                    })
                    .collect(),
                next: (all.len() > (number + 1) * 10).then(|| Cursor(String::new())),
            }
        }
    }

    struct Life {
        server: Server,
        coverage: DetailCoverage,
        stored: HashMap<u64, Detail>,
    }

    impl Life {
        fn new(newest: u64) -> Self {
            Self {
                server: Server { newest, running: vec![] },
                coverage: DetailCoverage::new(RepoKey::cloud("{1}"), DetailKind::Pipelines),
                stored: HashMap::new(),
            }
        }

        /// Pages asked and pipelines stored; `breaks_at`: this page fails.
        fn sync(&mut self, mut room: u64, breaks_at: Option<usize>) -> (usize, u64) {
            let repo = crate::backfill::tests::details::repository(1);
            let mut walk = Walk::new(&self.coverage);
            let (mut pages, mut written, mut is_over) = (0, 0, false);
            while !is_over && breaks_at != Some(pages) {
                let (details, over) = walk.page(self.server.page(pages), &self.stored, room, at(0));
                pages += 1;
                is_over = over;
                room -= details.len() as u64;
                written += details.len() as u64;
                for detail in details {
                    let ItemId::Number(number) = detail.of else { unreachable!("numbered") };
                    self.stored.insert(number, detail);
                }
            }
            walk.end(&mut self.coverage, &repo, is_over, at(0));
            (pages, written)
        }

        fn numbers(&self) -> Vec<u64> {
            let mut numbers: Vec<u64> = self.stored.keys().copied().collect();
            numbers.sort_unstable();
            numbers
        }
    }

    /// P5.5: the newest at first, then everything newer, one page when nothing is new.
    #[test]
    fn the_window_begins_with_the_newest_and_grows() {
        let mut life = Life::new(120);
        assert_eq!(life.sync(500, None), (6, 50));
        assert_eq!(life.numbers(), (71..=120).collect::<Vec<_>>());
        assert_eq!(life.sync(500, None), (1, 0));
        life.server.newest = 135;
        assert_eq!(life.sync(500, None), (2, 15));
        assert_eq!(life.numbers(), (71..=135).collect::<Vec<_>>());
        assert_eq!(life.coverage.describe(), "complete, 65 stored");
    }

    /// P5.3, P5.5: what the cap left waits by its number, new ones come first, and none is lost or told twice.
    #[test]
    fn what_the_cap_left_comes_later() {
        let mut life = Life::new(30);
        assert_eq!(life.sync(8, None).1, 8);
        assert_eq!(life.coverage.waiting.len(), 22);
        life.server.newest = 34;
        assert_eq!(life.sync(8, None).1, 8);
        assert_eq!(life.numbers(), (19..=34).collect::<Vec<_>>());
        let mut syncs = 0;
        while !life.coverage.waiting.is_empty() {
            life.sync(8, None);
            syncs += 1;
        }
        assert_eq!((syncs, life.numbers()), (3, (1..=34).collect()));
    }

    /// One that runs is asked for again until it has ended.
    #[test]
    fn what_runs_is_looked_at_again() {
        let mut life = Life::new(12);
        life.server.running = vec![3, 12];
        life.sync(500, None);
        assert_eq!(life.coverage.waiting, [ItemId::Number(12), ItemId::Number(3)]);
        assert_eq!(life.sync(500, None), (1, 0));
        life.server.running = vec![];
        assert_eq!(life.sync(500, None), (1, 2));
        assert_eq!(life.coverage.waiting, []);
    }

    /// Invariant 7: a walk that broke off is walked again.
    #[test]
    fn a_walk_that_broke_off_loses_nothing() {
        let mut life = Life::new(40);
        assert_eq!(life.sync(500, Some(2)).0, 2);
        assert_eq!(life.coverage.listed, None);
        life.sync(500, None);
        life.server.newest = 70;
        life.sync(4, Some(1));
        assert_eq!(life.numbers().len(), 44);
        life.sync(500, None);
        assert_eq!(life.numbers(), (1..=70).collect::<Vec<_>>());
    }

    #[test]
    fn a_repository_without_pipelines_is_walked_once() {
        let mut life = Life::new(0);
        assert_eq!(life.sync(500, None), (1, 0));
        assert_eq!(life.coverage.describe(), "complete, 0 stored");
        life.server.newest = 3;
        assert_eq!(life.sync(500, None), (1, 3));
    }
}
