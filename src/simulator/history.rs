//! The commits of a repository: a graph, branches that point into it, and pushes that change both.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, FixedOffset, Utc};

use super::seed::{hash, mix};
use super::world::{Activity, PersonId, Repository, World, Written};
use super::{generate, git};

/// A commit.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Full hash.
    pub hash: String,
    /// Positions of its parents in [`History::commits`], all smaller than its own.
    pub(super) parents: Vec<usize>,
    /// With the offset it was made in.
    pub date: DateTime<FixedOffset>,
    /// Who made it.
    pub author: PersonId,
    /// Whole message, a line break at the end.
    pub message: String,
    /// Tells commits apart that are alike in all else.
    pub(super) nonce: u64,
}

/// A commit graph, parents always before their children, and the branches.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub(super) commits: Vec<Commit>,
    /// Branch name to position of its head.
    pub(super) branches: BTreeMap<String, usize>,
}

impl History {
    /// Every commit the server knows, oldest first, unreachable ones included.
    pub fn commits(&self) -> &[Commit] {
        &self.commits
    }

    /// Hash of a branch's head.
    pub fn head(&self, branch: &str) -> Option<&str> {
        self.branches.get(branch).map(|at| self.commits[*at].hash.as_str())
    }

    /// Names of the branches.
    pub fn branches(&self) -> impl Iterator<Item = &str> {
        self.branches.keys().map(String::as_str)
    }

    /// Hashes reachable from a branch or commit, newest first.
    pub fn log(&self, revision: &str) -> Vec<&str> {
        let Some(head) = self.resolve(revision) else { return Vec::new() };
        self.walk(&[head], &[]).into_iter().map(|at| self.commits[at].hash.as_str()).collect()
    }

    /// A branch, else a full hash, else a hash shortened to at least 7 digits that only one commit has.
    pub(super) fn resolve(&self, revision: &str) -> Option<usize> {
        if let Some(at) = self.branches.get(revision) {
            return Some(*at);
        }
        if revision.len() < 7 {
            return None;
        }
        let revision = revision.to_ascii_lowercase();
        let mut found = None;
        for (at, commit) in self.commits.iter().enumerate() {
            if commit.hash.starts_with(&revision) {
                if found.is_some() {
                    return None;
                }
                found = Some(at);
            }
        }
        found
    }

    /// Reachable from `include` and not from `exclude`, newest first.
    pub(super) fn walk(&self, include: &[usize], exclude: &[usize]) -> Vec<usize> {
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd)]
        enum Mark {
            No,
            In,
            Out,
        }
        let mut marks = vec![Mark::No; self.commits.len()];
        for at in include {
            marks[*at] = Mark::In;
        }
        for at in exclude {
            marks[*at] = Mark::Out;
        }
        // Children come after their parents, so one pass from the end reaches everything.
        for at in (0..self.commits.len()).rev() {
            let mark = marks[at];
            if mark != Mark::No {
                for parent in &self.commits[at].parents {
                    if marks[*parent] < mark {
                        marks[*parent] = mark;
                    }
                }
            }
        }
        (0..self.commits.len()).rev().filter(|at| marks[*at] == Mark::In).collect()
    }

    fn append(&mut self, commit: Commit) -> usize {
        self.commits.push(commit);
        self.commits.len() - 1
    }

    /// Forgets what no branch reaches.
    fn collect_garbage(&mut self) -> usize {
        let heads: Vec<usize> = self.branches.values().copied().collect();
        let mut kept = self.walk(&heads, &[]);
        kept.reverse();
        let forgotten = self.commits.len() - kept.len();
        let mut moved = vec![usize::MAX; self.commits.len()];
        for (to, from) in kept.iter().enumerate() {
            moved[*from] = to;
        }
        let mut commits = Vec::with_capacity(kept.len());
        for from in kept {
            let mut commit = self.commits[from].clone();
            for parent in &mut commit.parents {
                *parent = moved[*parent];
            }
            commits.push(commit);
        }
        self.commits = commits;
        for head in self.branches.values_mut() {
            *head = moved[*head];
        }
        forgotten
    }
}

impl World {
    /// The commit graph of a repository.
    #[track_caller]
    pub fn history_of(&self, repository: &str) -> Cow<'_, History> {
        self.history(&self.repositories[self.at(repository)])
    }

    pub(super) fn history<'a>(&'a self, repository: &'a Repository) -> Cow<'a, History> {
        match &repository.activity {
            Activity::Written(written) => Cow::Borrowed(&written.history),
            Activity::Seeded { seed, commits, .. } => {
                Cow::Owned(generate::history(*seed, *commits, repository, &self.people))
            }
        }
    }

    /// What is in a repository, to be changed; one made from a seed is written down first.
    pub(super) fn written(&mut self, at: usize) -> &mut Written {
        let repository = &self.repositories[at];
        if matches!(repository.activity, Activity::Seeded { .. }) {
            let pull_requests = self.pull_requests(repository).into_owned();
            let history = self.history(repository).into_owned();
            self.repositories[at].activity = Activity::Written(Box::new(Written { pull_requests, history }));
        }
        match &mut self.repositories[at].activity {
            Activity::Written(written) => written,
            Activity::Seeded { .. } => unreachable!("written down just above"),
        }
    }

    /// Pushes new commits to the default branch, which an empty repository gets by it. Says their hashes, oldest first.
    #[track_caller]
    pub fn push_commits(&mut self, repository: &str, count: usize) -> Vec<String> {
        let at = self.at(repository);
        let branch = self.default_branch_at(at);
        self.push_at(at, &branch, count)
    }

    /// Pushes new commits to a branch; a new one starts at the head of the default branch. Says their hashes, oldest
    /// first.
    #[track_caller]
    pub fn push_to_branch(&mut self, repository: &str, branch: &str, count: usize) -> Vec<String> {
        let at = self.at(repository);
        self.push_at(at, branch, count)
    }

    /// Merges a branch into the default branch with a merge commit and says its hash.
    #[track_caller]
    pub fn merge_branch(&mut self, repository: &str, branch: &str) -> String {
        let at = self.at(repository);
        let into = self.default_branch_at(at);
        let heads = &self.written(at).history.branches;
        let (Some(ours), Some(theirs)) = (heads.get(&into).copied(), heads.get(branch).copied()) else {
            panic!("{repository} has no branch {branch} or is empty")
        };
        let message = format!("Merged in {branch}\n");
        let before = self.head_of(at, &into);
        let hash = self.commit_at(at, &into, vec![ours, theirs], message);
        self.tell_push(at, &into, before);
        hash
    }

    /// Takes the newest commits off the default branch, along first parents, as a forced push of an older commit does.
    /// The server goes on knowing the commits until [`World::collect_garbage`]. Says the hashes taken off, newest first.
    #[track_caller]
    pub fn rewind(&mut self, repository: &str, by: usize) -> Vec<String> {
        let at = self.at(repository);
        let branch = self.default_branch_at(at);
        let history = &mut self.written(at).history;
        let Some(mut head) = history.branches.get(&branch).copied() else { panic!("{repository} is empty") };
        let mut taken = Vec::new();
        for _ in 0..by {
            let Some(parent) = history.commits[head].parents.first() else {
                panic!("{repository} has only {} commits to rewind by {by}", taken.len() + 1)
            };
            taken.push(history.commits[head].hash.clone());
            head = *parent;
        }
        history.branches.insert(branch.clone(), head);
        self.touch_at(at);
        self.tell_push(at, &branch, taken.first().cloned());
        taken
    }

    /// Rewrites the end of the default branch: takes some commits off and pushes new ones. Says the new hashes, oldest
    /// first.
    #[track_caller]
    pub fn force_push(&mut self, repository: &str, drop: usize, push: usize) -> Vec<String> {
        self.rewind(repository, drop);
        self.push_commits(repository, push)
    }

    /// Makes the server forget commits that no branch reaches: asked for by hash, they answer 404 from now on. Says how
    /// many.
    #[track_caller]
    pub fn collect_garbage(&mut self, repository: &str) -> usize {
        let at = self.at(repository);
        self.written(at).history.collect_garbage()
    }

    /// Renames the default branch.
    #[track_caller]
    pub fn rename_default_branch(&mut self, repository: &str, name: &str) {
        let at = self.at(repository);
        let old = self.default_branch_at(at);
        let branches = &mut self.written(at).history.branches;
        if let Some(head) = branches.remove(&old) {
            branches.insert(name.to_owned(), head);
        }
        self.repositories[at].default_branch = Some(Cow::Owned(name.to_owned()));
        self.touch_at(at);
    }

    /// Makes another existing branch the default one.
    #[track_caller]
    pub fn set_default_branch(&mut self, repository: &str, branch: &str) {
        let at = self.at(repository);
        assert!(self.written(at).history.branches.contains_key(branch), "{repository} has no branch {branch}");
        self.repositories[at].default_branch = Some(Cow::Owned(branch.to_owned()));
        self.touch_at(at);
    }

    /// Deletes a branch; its commits stay known until [`World::collect_garbage`].
    #[track_caller]
    pub fn delete_branch(&mut self, repository: &str, branch: &str) {
        let at = self.at(repository);
        self.written(at).history.branches.remove(branch);
        self.touch_at(at);
    }

    fn default_branch_at(&self, at: usize) -> String {
        self.repositories[at].default_branch.as_deref().unwrap_or("main").to_owned()
    }

    pub(super) fn push_at(&mut self, at: usize, branch: &str, count: usize) -> Vec<String> {
        let default = self.default_branch_at(at);
        let before = self.head_of(at, branch);
        let pushed = (0..count)
            .map(|_| {
                let history = &self.written(at).history;
                let head = history.branches.get(branch).or_else(|| history.branches.get(&default)).copied();
                let number = history.commits.len();
                self.commit_at(at, branch, head.into_iter().collect(), generate::message(at as u64, number as u64))
            })
            .collect();
        self.tell_push(at, branch, before);
        pushed
    }

    pub(super) fn commit_at(&mut self, at: usize, branch: &str, parents: Vec<usize>, message: String) -> String {
        let repository = &self.repositories[at];
        let number = match &repository.activity {
            Activity::Written(written) => written.history.commits.len() as u64,
            Activity::Seeded { commits, .. } => u64::from(*commits),
        };
        // The update time is part of the seed: a commit in the place of a forgotten one must not get its hash.
        let seed = mix(repository.uuid.bits(), repository.updated_on.timestamp_micros().unsigned_abs(), 5);
        let author = PersonId(usize::try_from(mix(seed, number, 6)).unwrap_or(0) % self.people.len().max(1));
        let date = in_offset(self.now(), self.people[author.0].offset_minutes);
        let nonce = mix(seed, number, 7);
        let mut commit = Commit { hash: hash(seed, number), parents, date, author, message, nonce };
        if self.has_git_hashes {
            commit.hash = git::hash(&commit, &self.written(at).history.clone(), &self.people);
        }
        let hash = commit.hash.clone();
        let history = &mut self.written(at).history;
        let position = history.append(commit);
        history.branches.insert(branch.to_owned(), position);
        if self.repositories[at].default_branch.is_none() {
            self.repositories[at].default_branch = Some(Cow::Owned(branch.to_owned()));
        }
        self.repositories[at].size += 4096;
        self.touch_at(at);
        hash
    }
}

/// Whole seconds, as git keeps them, in somebody's time zone.
pub(super) fn in_offset(at: DateTime<Utc>, minutes: i32) -> DateTime<FixedOffset> {
    let offset = FixedOffset::east_opt(minutes * 60).unwrap_or(const_utc());
    DateTime::from_timestamp(at.timestamp(), 0).unwrap_or(at).with_timezone(&offset)
}

fn const_utc() -> FixedOffset {
    use chrono::Offset as _;
    Utc.fix()
}

/// Fills a new repository with commits made one after the other between its creation and now.
pub(super) fn write_past(world: &mut World, at: usize, branch: &str, count: usize) {
    let repository = &world.repositories[at];
    let (uuid, from) = (repository.uuid, repository.created_on);
    let to = world.now().max(from);
    let step = (to - from) / i32::try_from(count).unwrap_or(i32::MAX);
    let people = world.people.len().max(1);
    let mut history = History::default();
    for number in 0..count {
        let author = PersonId(usize::try_from(mix(uuid.bits(), number as u64, 8)).unwrap_or(0) % people);
        let date = from + step * i32::try_from(number + 1).unwrap_or(i32::MAX);
        history.append(Commit {
            hash: hash(uuid.bits(), number as u64),
            parents: number.checked_sub(1).into_iter().collect(),
            date: in_offset(date, world.people[author.0].offset_minutes),
            author,
            message: generate::message(at as u64, number as u64),
            nonce: number as u64,
        });
        world.repositories[at].updated_on = date;
    }
    history.branches.insert(branch.to_owned(), count - 1);
    world.written(at).history = history;
    if world.has_git_hashes {
        world.hash_as_git(at);
    }
}
