//! Which stored commits the default branch no longer reaches, and which to name when it was rewritten.
//! Pure.

use std::collections::{HashMap, HashSet};

use crate::model::{Commit, Item};

/// Of the stored commits, those whose mark must change, changed, and how many are unreachable then.
/// Reachable is what the parents lead to from `head`; call it only while coverage has no gaps.
pub(super) fn remark(stored: Vec<Item>, head: &str) -> (Vec<Item>, u64) {
    let mut commits: HashMap<String, Commit> = stored
        .into_iter()
        .filter_map(|item| match item {
            Item::Commit(commit) => Some((commit.hash.clone(), commit)),
            Item::PullRequest(_) => None,
        })
        .collect();
    let mut reachable = HashSet::new();
    let mut next = vec![head];
    while let Some(hash) = next.pop() {
        if let Some(commit) = commits.get(hash)
            && reachable.insert(hash)
        {
            next.extend(commit.parents.iter().map(String::as_str));
        }
    }
    let reachable: HashSet<String> = reachable.into_iter().map(str::to_owned).collect();
    let unreachable = (commits.len() - reachable.len()) as u64;
    commits.retain(|hash, commit| commit.unreachable == reachable.contains(hash));
    let mut changed: Vec<_> = commits
        .into_values()
        .map(|commit| Commit { unreachable: !commit.unreachable, ..commit })
        .map(Item::Commit)
        .collect();
    changed.sort_by_key(Item::id);
    (changed, unreachable)
}

/// Of stored commits, newest first, hashes at growing distances, at most some twenty of 4,096: where a
/// rewrite dropped the newest, the first one still known bounds the walk, and what lies between is
/// stored and passed over free of the cap.
pub(super) fn spaced(stored: Vec<Item>) -> Vec<String> {
    let hashes: Vec<_> = stored
        .into_iter()
        .filter_map(|item| match item {
            Item::Commit(commit) if !commit.unreachable => Some(commit.hash),
            _ => None,
        })
        .collect();
    let mut next = 0;
    let last = hashes.len().saturating_sub(1);
    let mut chosen = Vec::new();
    for (index, hash) in hashes.into_iter().enumerate() {
        if index == next || index == last {
            next = index + 1 + index / 2;
            chosen.push(hash);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(hash: &str, parents: &str, unreachable: bool) -> Item {
        Item::Commit(Commit {
            parents: parents.chars().map(String::from).collect(),
            unreachable,
            ..Commit::bare(hash, chrono::DateTime::UNIX_EPOCH)
        })
    }

    #[track_caller]
    fn check(stored: &[(&str, &str, bool)], head: &str, expected: &[(&str, bool)], unreachable: u64) {
        let stored = stored.iter().map(|(hash, parents, gone)| commit(hash, parents, *gone)).collect();
        let (changed, count) = remark(stored, head);
        let changed: Vec<_> = changed
            .iter()
            .map(|item| match item {
                Item::Commit(commit) => (commit.hash.as_str(), commit.unreachable),
                Item::PullRequest(_) => unreachable!("commits only"),
            })
            .collect();
        assert_eq!((changed, count), (expected.to_vec(), unreachable));
    }

    #[test]
    fn named_commits_lie_at_growing_distances() {
        let names = |count: usize| {
            let stored = (0..count).map(|index| commit(&index.to_string(), "", false)).collect();
            spaced(stored).join(" ")
        };
        insta::assert_snapshot!(names(0), @"");
        insta::assert_snapshot!(names(1), @"0");
        insta::assert_snapshot!(names(50), @"0 1 2 4 7 11 17 26 40 49");
        assert!(spaced((0..4096).map(|index| commit(&index.to_string(), "", false)).collect()).len() <= 24);
        assert!(spaced(vec![commit("a", "", true)]).is_empty());
    }

    /// Section 9: commits no longer reachable stay, marked; they are unmarked when they come back.
    #[test]
    fn marks_follow_the_branch() {
        check(&[("a", "", false), ("b", "a", false)], "b", &[], 0);
        check(&[("a", "", false), ("b", "a", false), ("c", "a", false)], "c", &[("b", true)], 1);
        check(&[("a", "", false), ("b", "a", true), ("c", "ab", false)], "c", &[("b", false)], 0);
        check(&[("a", "", false), ("b", "a", true), ("c", "a", false)], "c", &[], 1);
        check(&[("b", "x", false)], "y", &[("b", true)], 1);
        check(&[], "y", &[], 0);
    }
}
