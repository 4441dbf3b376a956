//! Secondary kinds: data streams of a repository.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A data stream of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecondaryKind {
    /// Open, merged and declined pull requests.
    PullRequests,
    /// Commits of the default branch.
    Commits,
}

impl SecondaryKind {
    /// Every kind, in the order used everywhere.
    pub const ALL: [Self; 2] = [Self::PullRequests, Self::Commits];

    /// As in config and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PullRequests => "pull_requests",
            Self::Commits => "commits",
        }
    }
}

/// State of a pull request. Cloud's `SUPERSEDED` counts as declined (P5.1); a state we do not know is kept as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PullRequestState {
    /// Waiting.
    Open,
    /// Merged.
    Merged,
    /// Declined or superseded.
    Declined,
    /// Whatever else the source says, lower case.
    #[serde(untagged)]
    Other(String),
}

impl PullRequestState {
    /// As in tables and JSON.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Open => "open",
            Self::Merged => "merged",
            Self::Declined => "declined",
            Self::Other(text) => text,
        }
    }
}

/// A pull request as kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequest {
    /// Number within the repository.
    pub id: u64,
    /// Title.
    pub title: String,
    /// State.
    pub state: PullRequestState,
    /// Display name; `None` for deleted accounts.
    pub author: Option<String>,
    /// `None` when the fork or branch is gone and the source says nothing.
    pub source_branch: Option<String>,
    /// Destination branch.
    pub target_branch: Option<String>,
    /// When opened.
    pub created_at: DateTime<Utc>,
    /// When last updated; what the start date and the window are compared with.
    pub updated_at: DateTime<Utc>,
    /// Page for people.
    pub url: Option<String>,
    /// Head of the source branch, as the source writes it (Cloud: 12 digits).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_commit: Option<String>,
    /// Head of the destination branch, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_commit: Option<String>,
    /// Comments in all, where the list tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comments: Option<u64>,
    /// Whether anybody approved it or asked for changes, where the list tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reviewed: Option<bool>,
}

/// A commit as kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Full hash.
    pub hash: String,
    /// Whole message.
    pub message: String,
    /// Display name of the account, else the name part of `Name <mail>`.
    pub author: Option<String>,
    /// The source's commit date.
    pub committed_at: DateTime<Utc>,
    /// Page for people.
    pub url: Option<String>,
    /// Hashes of the parents, in order; none for a root commit.
    pub parents: Vec<String>,
    /// No longer reachable from the default branch (it was rewritten); kept all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unreachable: bool,
}

#[cfg(test)]
impl PullRequest {
    /// An open one, untouched since `at`, of which the source told nothing else.
    pub(crate) fn bare(id: u64, at: DateTime<Utc>) -> Self {
        Self {
            id,
            title: String::new(),
            state: PullRequestState::Open,
            author: None,
            source_branch: None,
            target_branch: None,
            created_at: at,
            updated_at: at,
            url: None,
            source_commit: None,
            target_commit: None,
            comments: None,
            reviewed: None,
        }
    }
}

#[cfg(test)]
impl Commit {
    /// A root commit of which the source told nothing else.
    pub(crate) fn bare(hash: impl Into<String>, committed_at: DateTime<Utc>) -> Self {
        Self {
            hash: hash.into(),
            message: String::new(),
            author: None,
            committed_at,
            url: None,
            parents: Vec::new(),
            unreachable: false,
        }
    }
}

/// Identity of an item within its repository and kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum ItemId {
    /// Pull request number.
    Number(u64),
    /// Commit hash.
    Hash(String),
}

/// One item of a secondary kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "item")]
pub enum Item {
    /// A pull request.
    PullRequest(PullRequest),
    /// A commit.
    Commit(Commit),
}

impl Item {
    /// Identity within repository and kind.
    pub fn id(&self) -> ItemId {
        match self {
            Self::PullRequest(pull_request) => ItemId::Number(pull_request.id),
            Self::Commit(commit) => ItemId::Hash(commit.hash.clone()),
        }
    }

    /// What the start date is compared with, and what lists are sorted by.
    pub fn at(&self) -> DateTime<Utc> {
        match self {
            Self::PullRequest(pull_request) => pull_request.updated_at,
            Self::Commit(commit) => commit.committed_at,
        }
    }

    /// Which stream it belongs to.
    pub fn kind(&self) -> SecondaryKind {
        match self {
            Self::PullRequest(_) => SecondaryKind::PullRequests,
            Self::Commit(_) => SecondaryKind::Commits,
        }
    }
}
