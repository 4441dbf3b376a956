//! Commits of the default branch, newest first; what is known already is left out.
//!
//! The server leaves out what one commit reaches (`since`); what others reach is left out here, on the way: it lists
//! children before their parents, so that everything an excluded commit reaches is known when it comes by.
//!
//! The usual question, what the default branch holds beyond its known head, is answered by one small page without
//! `since`: its first row is the head, and mostly the known one.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::{Asking, BitbucketDataCenter, Page, PageAt, wire};
use crate::model::coverage::Head;
use crate::model::{Commit, HEAD, Item, Repository};
use crate::source::cursor::{cursor as cursor_of, place_of};
use crate::source::http::Who;
use crate::source::http::links::value;
use crate::source::{Cursor, ItemPage, SourceError};

/// The most Data Center gives (facts 2.1).
const PAGE: u32 = 100;
/// The page that shows the head: mostly one row of it is needed, and seldom more than a few.
const GLANCE: u32 = 25;
/// Paths that are still open are followed up to this many; with more, a walk ends where the server ends it.
const MOST_OPEN: usize = 2_000;

/// Where a walk is. Several revisions are walked one after the other.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct At {
    /// Which of the revisions asked for.
    include: usize,
    /// It, or the hash of the head that the branch had on the first page: the walk stays there.
    until: Option<String>,
    /// What this reaches, the server leaves out.
    since: Option<String>,
    page: PageAt,
    sieve: Sieve,
}

/// Tells what the excluded commits reach, row by row, and when nothing else is left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Sieve {
    /// Reached by what is excluded, and not come by yet.
    excluded: HashSet<String>,
    /// Parents of rows given out that did not come by yet.
    open: HashSet<String>,
    /// Too many paths were open to follow them.
    gave_up: bool,
    /// Some row came by.
    began: bool,
}

impl Sieve {
    fn new(excluded: impl IntoIterator<Item = String>) -> Self {
        Self { excluded: excluded.into_iter().collect(), ..Self::default() }
    }

    /// Whether a row is given out.
    fn lets_through(&mut self, commit: &Commit) -> bool {
        self.began = true;
        self.open.remove(&commit.hash);
        if self.excluded.remove(&commit.hash) {
            for parent in &commit.parents {
                self.open.remove(parent);
                self.excluded.insert(parent.clone());
            }
            return false;
        }
        if !self.gave_up {
            let open = commit.parents.iter().filter(|parent| !self.excluded.contains(*parent));
            self.open.extend(open.cloned());
            self.gave_up = self.open.len() > MOST_OPEN;
        }
        true
    }

    /// Whether everything that follows is excluded: every path down from the head ended in something that is.
    fn is_done(&self) -> bool {
        self.began && !self.gave_up && self.open.is_empty()
    }
}

/// One page of a commit walk.
pub(super) async fn page(
    dc: &BitbucketDataCenter,
    repo: &Repository,
    include: &[String],
    exclude: &[String],
    cursor: Option<&Cursor>,
) -> Result<ItemPage, SourceError> {
    let walk = Walk { dc, repo, path: format!("{}/commits", dc.repository_path(repo)?), include, exclude };
    match cursor {
        Some(cursor) => walk.go_on(place_of::<At>(cursor)?).await,
        None => walk.begin().await,
    }
}

struct Walk<'a> {
    dc: &'a BitbucketDataCenter,
    repo: &'a Repository,
    path: String,
    include: &'a [String],
    exclude: &'a [String],
}

/// The rows of a page, read.
struct Rows {
    commits: Vec<Commit>,
    unreadable: Vec<String>,
    next: Option<PageAt>,
    /// The first of them, if it could be read.
    head: Option<Head>,
}

impl Walk<'_> {
    async fn begin(&self) -> Result<ItemPage, SourceError> {
        let Some(first) = self.include.first() else { return Ok(ItemPage::default()) };
        let mut at = At {
            include: 0,
            until: named(first),
            since: self.exclude.first().cloned(),
            page: PageAt::FIRST,
            sieve: Sieve::new(self.exclude.iter().skip(1).cloned()),
        };
        if wire::is_hash(first) {
            return self.go_on(at).await;
        }
        let is_known = !self.exclude.is_empty();
        let glance = At { since: None, sieve: Sieve::new(self.exclude.iter().cloned()), ..at.clone() };
        let rows = self.rows(&glance, if is_known { GLANCE } else { PAGE }).await?;
        let head = rows.head.clone();
        if let Some(head) = &head {
            // A branch that moves while it is walked would shift the pages.
            at.until = Some(head.hash.clone());
        }
        let is_empty = rows.commits.is_empty() && rows.unreadable.is_empty() && rows.next.is_none();
        let page = if is_known && !is_empty {
            // A known head that is not there was rewritten away, or is not among the newest.
            let is_met = self.exclude.first().is_some_and(|known| rows.commits.iter().any(|it| it.hash == *known));
            match self.sift(glance, rows) {
                (page, None) if is_met => page,
                // The server leaves out better what is known.
                _ => self.go_on(at).await?,
            }
        } else {
            let glance = At { until: at.until, ..glance };
            let (page, next) = self.sift(glance, rows);
            ItemPage { next: next.map(|at| cursor_of(&at)), ..page }
        };
        Ok(ItemPage { head, ..page })
    }

    async fn go_on(&self, at: At) -> Result<ItemPage, SourceError> {
        let rows = self.rows(&at, PAGE).await?;
        let (page, next) = self.sift(at, rows);
        Ok(ItemPage { next: next.map(|at| cursor_of(&at)), ..page })
    }

    async fn rows(&self, at: &At, limit: u32) -> Result<Rows, SourceError> {
        let mut parameters = Vec::new();
        parameters.extend(at.until.as_deref().map(|until| format!("until={}", value(until))));
        parameters.extend(at.since.as_deref().map(|since| format!("since={}", value(since))));
        let mut relative = self.path.clone();
        if !parameters.is_empty() {
            relative.push_str(&format!("?{}", parameters.join("&")));
        }
        let hashes = [&at.until, &at.since].into_iter().flatten().filter(|it| wire::is_hash(it)).cloned().collect();
        let asking = Asking { who: Who::Any, hashes, may_be_empty: true };
        let Page { values, next, .. } = self.dc.page(&relative, at.page, limit, &asking).await?;
        let (mut commits, mut unreadable) = (Vec::with_capacity(values.len()), Vec::new());
        let mut head = None;
        for (index, row) in values.iter().enumerate() {
            match wire::commit(row, self.repo) {
                Ok(commit) => {
                    if index == 0 {
                        head = Some(Head { hash: commit.hash.clone(), parents: commit.parents.clone() });
                    }
                    commits.push(commit);
                }
                Err(reason) => unreadable.push(reason),
            }
        }
        Ok(Rows { commits, unreadable, next, head })
    }

    /// What of the rows is given out, and where the walk goes on.
    fn sift(&self, mut at: At, rows: Rows) -> (ItemPage, Option<At>) {
        let mut items = Vec::with_capacity(rows.commits.len());
        for commit in rows.commits {
            if at.sieve.lets_through(&commit) {
                items.push(Item::Commit(commit));
            }
            if at.sieve.is_done() {
                break;
            }
        }
        let next = match rows.next.filter(|_| !at.sieve.is_done()) {
            Some(page) => Some(At { page, ..at }),
            None => self.next_include(at.include + 1, at.page.page),
        };
        (ItemPage { items, unreadable: rows.unreadable, ..ItemPage::default() }, next)
    }

    /// The walk from the next revision. What the first one reaches was given out, or was excluded.
    fn next_include(&self, include: usize, page: u32) -> Option<At> {
        let revision = self.include.get(include)?;
        let walked = self.include[1..include].iter().chain(self.exclude).cloned();
        Some(At {
            include,
            until: named(revision),
            since: self.include.first().cloned(),
            page: PageAt { start: 0, page: page + 1 },
            sieve: Sieve::new(walked),
        })
    }
}

/// What `until` says: nothing means the default branch (facts 2.2).
fn named(revision: &str) -> Option<String> {
    match revision {
        HEAD => None,
        hash if wire::is_hash(hash) => Some(hash.to_owned()),
        // Spelt out, since a tag may have the name of a branch.
        branch => Some(format!("refs/heads/{}", branch.trim_start_matches("refs/heads/"))),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    fn commit(n: usize, parents: &[usize]) -> Commit {
        Commit {
            parents: parents.iter().map(|n| format!("{n:040x}")).collect(),
            ..Commit::bare(format!("{n:040x}"), chrono::DateTime::UNIX_EPOCH)
        }
    }

    fn reached(graph: &[Vec<usize>], from: &[usize]) -> BTreeSet<usize> {
        let (mut found, mut stack) = (BTreeSet::new(), from.to_vec());
        while let Some(at) = stack.pop() {
            if found.insert(at) {
                stack.extend(&graph[at]);
            }
        }
        found
    }

    #[test]
    fn revisions_are_named_so_that_they_mean_one_thing() {
        assert_eq!(named(HEAD), None);
        assert_eq!(named("release/1.0").as_deref(), Some("refs/heads/release/1.0"));
        assert_eq!(named("refs/heads/main").as_deref(), Some("refs/heads/main"));
        assert_eq!(named("131cb13f4aed12e725177bc4b7c28db67839bf9f").map(|it| it.len()), Some(40));
    }

    proptest! {
        // P5.3: whatever the history, what is excluded and reached by the head is left out with all it reaches,
        // nothing else is, and nothing is lost when the walk ends early. Commit n has only smaller numbers as parents,
        // so that descending numbers are an order with children first.
        #[test]
        fn what_excluded_commits_reach_is_left_out(
            links in prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..3), 2..40),
            picks in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        ) {
            let graph: Vec<Vec<usize>> = links.iter().enumerate().map(|(n, parents)| {
                let parents: BTreeSet<usize> = parents.iter().filter(|_| n > 0).map(|it| it.index(n)).collect();
                parents.into_iter().collect()
            }).collect();
            let head = graph.len() - 1;
            let exclude: Vec<usize> = picks.iter().map(|it| it.index(graph.len())).collect();
            let listed = reached(&graph, &[head]);
            let out = reached(&graph, &exclude.iter().copied().filter(|n| listed.contains(n)).collect::<Vec<_>>());
            let wanted: Vec<usize> = listed.iter().rev().filter(|n| !out.contains(n)).copied().collect();

            let mut sieve = Sieve::new(exclude.iter().map(|n| format!("{n:040x}")));
            let mut got = Vec::new();
            for n in listed.iter().rev() {
                if sieve.lets_through(&commit(*n, &graph[*n])) { got.push(*n); }
                if sieve.is_done() { break; }
                sieve = serde_json::from_str(&serde_json::to_string(&sieve).unwrap()).unwrap();
            }
            prop_assert_eq!(got, wanted);
        }
    }
}
