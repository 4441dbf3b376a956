//! What the window is, told from the world alone. Answers are problems in words, or `None`.

use std::collections::{BTreeSet, HashSet};

use chrono::{DateTime, Utc};

use super::Terms;
use super::world::Repo;
use crate::backfill::FirstSync;
use crate::model::coverage::{Coverage, Ranges};
use crate::model::{Item, ItemId};

pub struct View<'a> {
    pub repo: &'a Repo,
    pub terms: &'a Terms,
    /// The window may have been extended on the way.
    pub is_extended: bool,
    pub coverage: &'a Coverage,
    pub stored: &'a [Item],
}

fn depth(first_sync: FirstSync) -> usize {
    match first_sync {
        FirstSync::Newest(depth) => depth as usize,
        FirstSync::All => usize::MAX,
    }
}

/// How deep a window goes.
#[derive(Clone, Copy)]
struct Bottom {
    first_sync: FirstSync,
    start: Option<DateTime<Utc>>,
}

impl Bottom {
    fn is_after_start(&self, at: DateTime<Utc>) -> bool {
        self.start.is_none_or(|start| at >= start)
    }
}

impl View<'_> {
    /// As the settings say now.
    fn wanted(&self) -> Bottom {
        Bottom { first_sync: self.terms.of(self.coverage.kind).first_sync, start: self.terms.start }
    }

    /// As the coverage says it is: an extension comes with a sync.
    fn recorded(&self) -> Option<Bottom> {
        let window = self.coverage.window.as_ref()?;
        Some(Bottom { first_sync: window.first_sync, start: window.start })
    }

    /// Pull requests that belong to the window, and those that may (ties at its bottom, and what
    /// slid into a first fetch of several pages while others moved up).
    fn pull_requests(&self, bottom: Bottom) -> (BTreeSet<u64>, BTreeSet<u64>) {
        let Some(then) = &self.repo.pull_requests_then else { return Default::default() };
        let then: Vec<_> = then.iter().filter(|row| bottom.is_after_start(row.1)).collect();
        let depth = depth(bottom.first_sync);
        let touched = || self.repo.touched.iter().copied();
        let boundary = |depth: usize| then.get(depth.saturating_sub(1)).map(|row| row.1);
        let must = match boundary(depth).filter(|_| then.len() > depth) {
            Some(bottom) => then.iter().filter(|row| row.1 > bottom).map(|row| row.0).chain(touched()).collect(),
            None => then.iter().map(|row| row.0).chain(touched()).collect(),
        };
        // Those that share the newest instant with all of a first window may come later, and uncounted.
        let newest = then.first().map(|row| row.1);
        let ties = then.iter().filter(|row| self.is_extended && Some(row.1) == newest).count();
        let deepest = depth.saturating_add(self.repo.touched.len() + ties);
        let may = match boundary(deepest) {
            Some(bottom) => then.iter().filter(|row| row.1 >= bottom).map(|row| row.0).chain(touched()).collect(),
            None => then.iter().map(|row| row.0).chain(touched()).collect(),
        };
        (must, may)
    }

    /// Commits that belong to the window as far as the branch at `head` goes: the newest at the first
    /// fetch, which saw it at `then`, and what came since.
    fn commits(&self, then: Option<&String>, head: &str, bottom: Bottom) -> HashSet<String> {
        let Some(then) = then else { return HashSet::new() };
        let first = self.repo.log(std::slice::from_ref(then), &[]).into_iter().take(depth(bottom.first_sync));
        let since = self.repo.log(&[head.to_owned()], std::slice::from_ref(then));
        first.chain(since).filter(|hash| bottom.is_after_start(self.repo.commits[hash].at)).collect()
    }

    /// For a person who looks into a failure.
    fn graph(&self) -> String {
        let number = |hash: &str| u64::from_str_radix(&hash[8..], 16).unwrap_or(0);
        let name = |hash: &String| number(hash).to_string();
        let mut nodes: Vec<_> = self.repo.commits.iter().collect();
        nodes.sort_by_key(|node| node.1.sequence);
        let stored = self.stored_hashes();
        let nodes: Vec<_> = nodes
            .into_iter()
            .map(|(hash, node)| {
                let parents: Vec<_> = node.parents.iter().map(name).collect();
                let mark = if stored.contains(hash) { "*" } else { "" };
                format!("{}{mark}→{}", name(hash), parents.join("+"))
            })
            .collect();
        let head = |head: &Option<String>| head.as_ref().map(name);
        format!("first {:?}, now {:?}: {}", head(&self.repo.head_then), head(&self.repo.head), nodes.join(" "))
    }

    fn stored_numbers(&self) -> BTreeSet<u64> {
        self.stored.iter().filter_map(|item| if let ItemId::Number(id) = item.id() { Some(id) } else { None }).collect()
    }

    fn stored_hashes(&self) -> HashSet<String> {
        self.stored
            .iter()
            .filter_map(|item| if let ItemId::Hash(hash) = item.id() { Some(hash) } else { None })
            .collect()
    }
}

/// At any point: stored is allowed, and what is missing lies in a gap or above the newest end.
pub fn pull_requests(view: &View<'_>) -> Option<String> {
    let (_, may) = view.pull_requests(view.wanted());
    let stored = view.stored_numbers();
    if let Some(extra) = stored.iter().find(|id| !may.contains(id)) {
        return Some(format!(
            "pull request {extra} is stored, and outside the window: first seen {:?}, touched {:?}, now {:?}",
            view.repo.pull_requests_then,
            view.repo.touched,
            view.repo.pull_requests.get(extra)
        ));
    }
    let open = view.stored.iter().filter(|item| match item {
        Item::PullRequest(it) => it.state == crate::model::PullRequestState::Open,
        Item::Commit(_) => false,
    });
    if view.coverage.open != open.count() as u64 {
        return Some("the count of open pull requests is wrong".to_owned());
    }
    let Ranges::PullRequests(ranges) = &view.coverage.ranges else { return Some("wrong ranges".to_owned()) };
    let (must, _) = view.pull_requests(view.recorded()?);
    for id in must {
        let now = &view.repo.pull_requests[&id];
        let is_stored = view.stored.contains(&Item::PullRequest(now.clone()));
        let is_above = ranges.newest.is_none_or(|newest| now.updated_at >= newest);
        let is_in_gap = ranges.gaps.iter().any(|gap| {
            gap.from.is_none_or(|from| now.updated_at >= from) && gap.to.is_none_or(|to| now.updated_at <= to)
        });
        if !is_stored && !is_above && !is_in_gap {
            return Some(format!("pull request {id} of {} is lost", now.updated_at));
        }
    }
    None
}

pub fn pull_requests_in_the_end(view: &View<'_>) -> Option<String> {
    let (must, _) = view.pull_requests(view.wanted());
    for id in must {
        let now = Item::PullRequest(view.repo.pull_requests[&id].clone());
        if !view.stored.contains(&now) {
            return Some(format!("pull request {id} is missing or stale: {now:?}"));
        }
    }
    view.stored
        .iter()
        .find(|item| match item {
            Item::PullRequest(it) => view.repo.pull_requests[&it.id] != *it,
            Item::Commit(_) => true,
        })
        .map(|item| format!("stale: {item:?}"))
}

/// At any point, on a server that forgets nothing.
pub fn commits(view: &View<'_>) -> Option<String> {
    let Ranges::Commits(ranges) = &view.coverage.ranges else { return Some("wrong ranges".to_owned()) };
    let then = view.repo.head_then.as_ref()?;
    let before = view.repo.reach(std::slice::from_ref(then));
    let wanted = view.wanted();
    let first: HashSet<_> =
        view.repo.log(std::slice::from_ref(then), &[]).into_iter().take(depth(wanted.first_sync)).collect();
    let stored = view.stored_hashes();
    if let Some(extra) = stored.iter().find(|hash| {
        let is_allowed = first.contains(*hash) || !before.contains(*hash);
        !is_allowed || !wanted.is_after_start(view.repo.commits[*hash].at)
    }) {
        return Some(format!("commit {extra} is stored, and outside the window"));
    }
    let recorded = view.recorded()?;
    let head = ranges.head.as_ref()?;
    for hash in view.commits(Some(then), &head.hash, recorded) {
        let is_in_gap = ranges
            .gaps
            .iter()
            .any(|gap| view.repo.reach(&gap.heads).contains(&hash) && !view.repo.reach(&gap.exclude).contains(&hash));
        if !stored.contains(&hash) && !is_in_gap {
            return Some(format!("commit {hash} is lost"));
        }
    }
    None
}

/// After enough undisturbed syncs. Where a server forgot all that connects the branch to what is stored, a
/// new range began: then that was the first fetch.
pub fn commits_in_the_end(view: &View<'_>, forgets: bool) -> Option<String> {
    let Ranges::Commits(ranges) = &view.coverage.ranges else { return Some("wrong ranges".to_owned()) };
    // Without a default branch, what it held when it was asked last is all that is known.
    let known = ranges.head.as_ref().map(|head| &head.hash);
    let head = if view.repo.branch.is_some() { view.repo.head.as_ref() } else { known }?;
    let stored = view.stored_hashes();
    let began_anew = forgets && ranges.torn;
    let then = if began_anew { ranges.origin.as_ref() } else { view.repo.head_then.as_ref() };
    let mut must = view.commits(then, head, view.wanted());
    if forgets {
        let reachable = view.repo.reach(std::slice::from_ref(head));
        must.retain(|hash| reachable.contains(hash));
    }
    if let Some(missing) = must.iter().find(|hash| !stored.contains(*hash)) {
        return Some(format!("commit {missing} is missing: {}", view.graph()));
    }
    if ranges.torn {
        return None;
    }
    let reachable = view.repo.reach(std::slice::from_ref(head));
    view.stored.iter().find_map(|item| match item {
        Item::Commit(commit) if commit.unreachable == reachable.contains(&commit.hash) => {
            Some(format!("commit {} is marked wrongly: {}", commit.hash, view.graph()))
        }
        _ => None,
    })
}
