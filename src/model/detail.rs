//! Details: optional secondary kinds, most of them about one pull request or one commit that is stored already
//! (product.md, P5.5). What hangs on what is not stored waits with it.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::coverage::{Coverage, Unavailable};
use super::repository::RepoKey;
use super::secondary::{Commit, Item, ItemId, PullRequest, SecondaryKind};

/// Builds of a commit may start late and run long: an unfinished state is asked for again so long.
const BUILDS_SETTLE: TimeDelta = TimeDelta::days(7);

/// An optional secondary kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DetailKind {
    /// Approvals, requested changes and comments of a pull request.
    Reviews,
    /// The files a pull request changes, with lines added and removed.
    PullRequestFiles,
    /// The files a commit changes, with lines added and removed.
    CommitFiles,
    /// Pipelines of the repository (Cloud).
    Pipelines,
    /// Build statuses of a commit (Data Center).
    Builds,
}

impl DetailKind {
    /// Every kind, in the order used everywhere.
    pub const ALL: [Self; 5] =
        [Self::Reviews, Self::PullRequestFiles, Self::CommitFiles, Self::Pipelines, Self::Builds];

    /// As in config and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reviews => "reviews",
            Self::PullRequestFiles => "pull_request_files",
            Self::CommitFiles => "commit_files",
            Self::Pipelines => "pipelines",
            Self::Builds => "builds",
        }
    }

    /// What it hangs on; `None`: on the repository.
    pub fn of(self) -> Option<SecondaryKind> {
        match self {
            Self::Reviews | Self::PullRequestFiles => Some(SecondaryKind::PullRequests),
            Self::CommitFiles | Self::Builds => Some(SecondaryKind::Commits),
            Self::Pipelines => None,
        }
    }
}

/// What somebody did in a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReviewAction {
    /// Approved it.
    Approved,
    /// Took the approval back.
    Unapproved,
    /// Asked for changes.
    ChangesRequested,
    /// Said something.
    Commented,
}

impl ReviewAction {
    /// As in tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Unapproved => "unapproved",
            Self::ChangesRequested => "changes_requested",
            Self::Commented => "commented",
        }
    }
}

/// One act of a review. What was said is not kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Review {
    /// When; `None` where the source does not say.
    pub at: Option<DateTime<Utc>>,
    /// What.
    pub action: ReviewAction,
    /// Display name; `None` for deleted accounts.
    pub by: Option<String>,
}

/// A file that was changed. Its content is never read (P5.9).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FileChange {
    /// Where it lies now, or lay before it was removed.
    pub path: String,
    /// Where it lay before, if elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// As the source says: `added`, `modified`, `removed`, `renamed`, …
    pub status: String,
    /// `None` where the source does not count.
    pub lines_added: Option<u64>,
    /// `None` where the source does not count.
    pub lines_removed: Option<u64>,
}

/// A pipeline or a build status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Build {
    /// Number of the pipeline, key of the build status.
    pub key: String,
    /// For people.
    pub name: Option<String>,
    /// `successful`, `failed`, `in_progress`, `stopped`, … as the source says, lower case.
    pub state: String,
    /// When it started.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Page for people.
    pub url: Option<String>,
}

impl Build {
    /// Whether it will change by itself.
    pub fn is_running(&self) -> bool {
        matches!(self.state.as_str(), "in_progress" | "inprogress" | "pending" | "running" | "paused" | "unknown")
    }
}

/// What is told about one pull request or commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "detail")]
pub enum DetailBody {
    /// In the order of time.
    Reviews {
        /// Approvals, requested changes and comments.
        reviews: Vec<Review>,
    },
    /// In the source's order.
    Files {
        /// What changed.
        files: Vec<FileChange>,
        /// Lines in all, where the source counts them.
        lines_added: Option<u64>,
        /// Lines in all, where the source counts them.
        lines_removed: Option<u64>,
        /// Files in all, as far as the source counts them.
        total: u64,
        /// The source cut the list: there are more files than it names.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        truncated: bool,
    },
    /// In the order of their start.
    Builds {
        /// Pipelines or build statuses.
        builds: Vec<Build>,
    },
    /// The source will never tell: a property of this pull request or commit.
    Unavailable {
        /// What it said.
        reason: String,
    },
}

/// One detail as kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Detail {
    /// Of which pull request or commit.
    pub of: ItemId,
    /// The date of that: the pull request's last update, the commit's date.
    pub at: DateTime<Utc>,
    /// What it was read for; another means that it has to be read again.
    pub version: String,
    /// When it was read.
    pub read_at: DateTime<Utc>,
    /// What was read.
    #[serde(flatten)]
    pub body: DetailBody,
}

impl Detail {
    /// Of `item` as it is.
    pub fn new(kind: DetailKind, item: &Item, body: DetailBody, read_at: DateTime<Utc>) -> Self {
        Self { of: item.id(), at: item.at(), version: version(kind, item), read_at, body }
    }

    /// Whether it holds for good while the version stays.
    pub fn is_settled(&self) -> bool {
        let late = self.read_at - self.at > BUILDS_SETTLE;
        match &self.body {
            DetailBody::Builds { builds } => late || !builds.is_empty() && !builds.iter().any(Build::is_running),
            _ => true,
        }
    }

    /// Whether it still tells about `item` what there is to tell.
    pub fn is_current(&self, kind: DetailKind, item: &Item) -> bool {
        self.version == version(kind, item) && self.is_settled()
    }
}

/// What a detail depends on.
pub fn version(kind: DetailKind, item: &Item) -> String {
    match (kind, item) {
        // What is compared changes with the commits, not with each comment.
        (DetailKind::PullRequestFiles, Item::PullRequest(PullRequest { source_commit: Some(commit), .. })) => {
            commit.clone()
        }
        (_, Item::PullRequest(pull_request)) => pull_request.updated_at.to_rfc3339(),
        (_, Item::Commit(Commit { hash, .. })) => hash.clone(),
    }
}

/// What can be told of `item` without asking; `None`: it has to be asked for.
pub fn known_without_asking(kind: DetailKind, item: &Item) -> Option<DetailBody> {
    match (kind, item) {
        (DetailKind::Reviews, Item::PullRequest(PullRequest { reviewed: Some(false), comments: Some(0), .. })) => {
            Some(DetailBody::Reviews { reviews: Vec::new() })
        }
        _ => None,
    }
}

/// How the pull requests or commits of a repository stood when they were last looked through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parents {
    /// How many were stored.
    pub stored: u64,
    /// When their newest end was asked.
    pub checked_at: Option<DateTime<Utc>>,
    /// When their oldest gap began to wait.
    pub waiting_since: Option<DateTime<Utc>>,
}

impl Parents {
    /// As their coverage tells.
    pub fn of(coverage: &Coverage) -> Self {
        Self { stored: coverage.stored, checked_at: coverage.checked_at, waiting_since: coverage.waiting_since() }
    }
}

/// Which details of a repository are stored, and which wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DetailCoverage {
    /// Of which repository.
    pub repo: RepoKey,
    /// Which kind.
    pub kind: DetailKind,
    /// As of this look at what they hang on.
    pub parents: Parents,
    /// Pull requests or commits whose details are missing or out of date, newest first.
    pub waiting: Vec<ItemId>,
    /// Those that were read and may still change by themselves, longest not read first (builds).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub again: Vec<ItemId>,
    /// Since when some of them wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_since: Option<DateTime<Utc>>,
    /// Set while the source does not let us read this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<Unavailable>,
    /// Of a kind that hangs on the repository (pipelines): how far its list was walked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed: Option<Listed>,
}

/// How far a list of numbered things was walked. Numbers count up by one within a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The highest number met by a walk that came to its end.
    pub newest: u64,
    /// The lowest that belongs to the window.
    pub bottom: u64,
    /// When the last walk ended.
    pub at: DateTime<Utc>,
    /// The repository's date then.
    pub source_updated_on: Option<DateTime<Utc>>,
}

impl DetailCoverage {
    /// Of a repository never looked at.
    pub fn new(repo: RepoKey, kind: DetailKind) -> Self {
        Self {
            repo,
            kind,
            parents: Parents::default(),
            waiting: Vec::new(),
            again: Vec::new(),
            waiting_since: None,
            unavailable: None,
            listed: None,
        }
    }

    /// Looks through what is stored: whatever has no current detail waits.
    pub fn look_through(&mut self, parents: Parents, items: &[Item], details: &[Detail], now: DateTime<Utc>) {
        let stored: HashMap<&ItemId, &Detail> = details.iter().map(|detail| (&detail.of, detail)).collect();
        let waits = |item: &&Item| stored.get(&item.id()).is_none_or(|detail| !detail.is_current(self.kind, item));
        let is_reread =
            |item: &&Item| stored.get(&item.id()).is_some_and(|one| one.version == version(self.kind, item));
        let (again, new): (Vec<&Item>, Vec<&Item>) = items.iter().filter(waits).partition(is_reread);
        self.waiting = new.into_iter().map(Item::id).collect();
        let again: Vec<ItemId> = again.into_iter().map(Item::id).collect();
        let still: HashSet<&ItemId> = again.iter().collect();
        let listed: Vec<ItemId> = std::mem::take(&mut self.again).into_iter().filter(|of| still.contains(of)).collect();
        let known: HashSet<&ItemId> = listed.iter().collect();
        let unlisted: Vec<ItemId> = again.iter().filter(|of| !known.contains(of)).cloned().collect();
        self.again = listed.into_iter().chain(unlisted).collect();
        self.parents = parents;
        self.waiting_since = if self.is_idle() { None } else { self.waiting_since.or(Some(now)) };
    }

    /// Takes what was just stored off the list. What is not settled is asked for in the next sync again.
    pub fn stored(&mut self, details: &[Detail], now: DateTime<Utc>) {
        let stored: HashSet<&ItemId> = details.iter().map(|detail| &detail.of).collect();
        for list in [&mut self.waiting, &mut self.again] {
            list.retain(|waiting| !stored.contains(waiting));
        }
        self.again.extend(details.iter().filter(|detail| !detail.is_settled()).map(|detail| detail.of.clone()));
        self.waiting_since = if self.is_idle() { None } else { Some(now) };
        self.unavailable = None;
    }

    /// Takes what is not there any more off the lists.
    pub fn forget(&mut self, vanished: &[ItemId]) {
        for list in [&mut self.waiting, &mut self.again] {
            list.retain(|of| !vanished.contains(of));
        }
    }

    /// Everything there is to ask: what waits first.
    pub fn to_ask(&self) -> impl ExactSizeIterator<Item = &ItemId> {
        let (waiting, count) = (self.waiting.len(), self.waiting.len() + self.again.len());
        (0..count).map(move |at| if at < waiting { &self.waiting[at] } else { &self.again[at - waiting] })
    }

    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.again.is_empty()
    }

    /// Lets the others go first: these were asked for just now, in vain or without news.
    pub fn put_back(&mut self, asked: &[ItemId]) {
        for list in [&mut self.waiting, &mut self.again] {
            let (back, first): (Vec<ItemId>, Vec<ItemId>) =
                std::mem::take(list).into_iter().partition(|waiting| asked.contains(waiting));
            *list = first.into_iter().chain(back).collect();
        }
    }

    /// In words (P5.7).
    pub fn describe(&self) -> String {
        let day = |at: DateTime<Utc>| at.format("%Y-%m-%d").to_string();
        if let Some(unavailable) = &self.unavailable {
            let reason = crate::error::escape_control(&unavailable.reason);
            return format!("not available since {}: {reason}", day(unavailable.asked_at));
        }
        let known = match &self.listed {
            Some(listed) => listed.newest.saturating_sub(listed.bottom.saturating_sub(1)),
            None => self.parents.stored,
        };
        let stored = known.saturating_sub(self.waiting.len() as u64);
        match (self.waiting.len(), self.waiting_since) {
            (0, _) if !self.again.is_empty() => {
                format!("complete, {stored} stored, {} of them may still change", self.again.len())
            }
            (0, _) => format!("complete, {stored} stored"),
            (waiting, Some(since)) => format!("{stored} stored, {waiting} wait since {}", day(since)),
            (waiting, None) => format!("{stored} stored, {waiting} wait"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::hours(hours)
    }

    fn pull_request(id: u64, updated: i64, commit: Option<&str>) -> Item {
        Item::PullRequest(PullRequest {
            created_at: at(0),
            source_commit: commit.map(str::to_owned),
            ..PullRequest::bare(id, at(updated))
        })
    }

    fn commit(hash: &str, committed: i64) -> Item {
        Item::Commit(Commit::bare(hash, at(committed)))
    }

    fn files() -> DetailBody {
        DetailBody::Files { files: vec![], lines_added: None, lines_removed: None, total: 0, truncated: false }
    }

    /// P5.5: a comment makes reviews out of date, not the files; a push makes both.
    #[test]
    fn what_changed_decides_what_is_read_again() {
        let before = pull_request(1, 5, Some("aaa"));
        let reviews = Detail::new(DetailKind::Reviews, &before, DetailBody::Reviews { reviews: vec![] }, at(6));
        let changed = Detail::new(DetailKind::PullRequestFiles, &before, files(), at(6));
        let commented = pull_request(1, 7, Some("aaa"));
        assert!(!reviews.is_current(DetailKind::Reviews, &commented));
        assert!(changed.is_current(DetailKind::PullRequestFiles, &commented));
        let pushed = pull_request(1, 8, Some("bbb"));
        assert!(!changed.is_current(DetailKind::PullRequestFiles, &pushed));
        // A source that names no commit: each update may be a push.
        let unnamed = pull_request(1, 5, None);
        let changed = Detail::new(DetailKind::PullRequestFiles, &unnamed, files(), at(6));
        assert!(!changed.is_current(DetailKind::PullRequestFiles, &pull_request(1, 6, None)));
    }

    #[test]
    fn unfinished_builds_are_asked_for_again_for_a_while() {
        let of = commit("c0ffee", 0);
        let builds = |state: &str, read| {
            let build = Build {
                key: "1".to_owned(),
                name: None,
                state: state.to_owned(),
                started_at: None,
                ended_at: None,
                url: None,
            };
            Detail::new(DetailKind::Builds, &of, DetailBody::Builds { builds: vec![build] }, at(read))
        };
        assert!(builds("successful", 1).is_current(DetailKind::Builds, &of));
        assert!(!builds("in_progress", 1).is_current(DetailKind::Builds, &of));
        assert!(builds("in_progress", 24 * 8).is_current(DetailKind::Builds, &of));
        let none = Detail::new(DetailKind::Builds, &of, DetailBody::Builds { builds: vec![] }, at(1));
        assert!(!none.is_current(DetailKind::Builds, &of));
    }

    /// P5.5, invariant 7: what is stored and what waits is together what is known.
    #[test]
    fn what_has_no_current_detail_waits() {
        let items = [commit("cc", 3), commit("bb", 2), commit("aa", 1)];
        let kind = DetailKind::CommitFiles;
        let mut coverage = DetailCoverage::new(RepoKey::cloud("{1}"), kind);
        let parents = Parents { stored: 3, ..Parents::default() };
        let of_bb = Detail::new(kind, &items[1], files(), at(4));
        coverage.look_through(parents, &items, std::slice::from_ref(&of_bb), at(5));
        assert_eq!(coverage.waiting, [ItemId::Hash("cc".to_owned()), ItemId::Hash("aa".to_owned())]);
        assert_eq!(coverage.waiting_since, Some(at(5)));
        assert_eq!(coverage.describe(), "1 stored, 2 wait since 1970-01-01");
        let of_cc = Detail::new(kind, &items[0], files(), at(6));
        coverage.stored(&[of_cc], at(6));
        assert_eq!(coverage.waiting, [ItemId::Hash("aa".to_owned())]);
        let of_aa = Detail::new(kind, &items[2], files(), at(6));
        coverage.stored(&[of_aa], at(6));
        assert_eq!(coverage.describe(), "complete, 3 stored");
        assert_eq!(coverage.waiting_since, None);
    }

    #[test]
    fn nothing_is_asked_where_the_list_told_that_there_is_nothing() {
        let Item::PullRequest(quiet) = pull_request(1, 5, None) else { unreachable!("made so") };
        let quiet = PullRequest { comments: Some(0), reviewed: Some(false), ..quiet };
        let told = |pull_request: &PullRequest| {
            known_without_asking(DetailKind::Reviews, &Item::PullRequest(pull_request.clone()))
        };
        assert_eq!(told(&quiet), Some(DetailBody::Reviews { reviews: vec![] }));
        assert_eq!(told(&PullRequest { comments: Some(1), ..quiet.clone() }), None);
        assert_eq!(told(&PullRequest { reviewed: None, ..quiet }), None);
    }
}
