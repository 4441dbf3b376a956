//! Pull requests, and what people do with them.

use std::borrow::Cow;

use chrono::{DateTime, Duration, Utc};

use super::generate;
use super::seed::mix;
use super::uuid::Uuid;
use super::webhooks::What;
use super::world::{Activity, PersonId, Repository, World};

/// State of a pull request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PullRequestState {
    /// Waiting.
    Open,
    /// Merged.
    Merged,
    /// Declined.
    Declined,
    /// Replaced by another one.
    Superseded,
}

impl PullRequestState {
    /// As Bitbucket writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Merged => "MERGED",
            Self::Declined => "DECLINED",
            Self::Superseded => "SUPERSEDED",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Open, Self::Merged, Self::Declined, Self::Superseded].into_iter().find(|state| state.as_str() == text)
    }
}

/// What a reviewer or bystander said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// `approved`
    Approved,
    /// `changes_requested`
    ChangesRequested,
}

/// Somebody who takes part in a pull request.
#[derive(Clone, Debug)]
pub struct Participant {
    /// Who.
    pub person: PersonId,
    /// Asked to review, or came by.
    pub is_reviewer: bool,
    /// What they said, if anything.
    pub verdict: Option<Verdict>,
    /// When they last took part.
    pub at: Option<DateTime<Utc>>,
}

/// A pull request.
#[derive(Clone, Debug)]
pub struct PullRequest {
    /// Number within the repository, from 1.
    pub id: u64,
    /// Title.
    pub title: String,
    /// Description; may be empty.
    pub description: String,
    /// State.
    pub state: PullRequestState,
    /// A draft.
    pub draft: bool,
    /// `None`: the account was deleted.
    pub author: Option<PersonId>,
    /// Who merged or declined it; missing more often than one would think.
    pub closed_by: Option<PersonId>,
    /// Why it was declined.
    pub reason: String,
    /// Branch it comes from.
    pub source_branch: String,
    /// Repository it comes from: the same one, or a fork. Sent as null when that is not there any more.
    pub source_repository: Uuid,
    /// Full hash; `None` is sent as null.
    pub source_commit: Option<String>,
    /// Branch it goes to.
    pub target_branch: String,
    /// Full hash; `None` is sent as null.
    pub target_commit: Option<String>,
    /// Full hash of the merge.
    pub merge_commit: Option<String>,
    /// When it was opened.
    pub created_on: DateTime<Utc>,
    /// When anything about it changed last.
    pub updated_on: DateTime<Utc>,
    /// How often it itself was changed; comments and reviews do not count (Data Center).
    pub version: u32,
    /// Comments.
    pub comments: u32,
    /// Tasks.
    pub tasks: u32,
    /// Reviewers and others.
    pub participants: Vec<Participant>,
}

/// What a pull request is opened with.
#[derive(Clone, Debug, Default)]
pub struct NewPullRequest {
    /// Title.
    pub title: String,
    /// Branch it comes from; empty: `feature/<id>`. Created with one commit where it is not there yet.
    pub source_branch: String,
    /// Full name or uuid of a fork it comes from.
    pub from_fork: Option<String>,
    /// The author's account was deleted.
    pub without_author: bool,
}

impl NewPullRequest {
    /// From a branch of the same repository.
    pub fn titled(title: &str) -> Self {
        Self { title: title.to_owned(), ..Self::default() }
    }
}

impl World {
    /// All pull requests of a repository by id.
    #[track_caller]
    pub fn pull_requests_of(&self, repository: &str) -> Cow<'_, [PullRequest]> {
        self.pull_requests(&self.repositories[self.at(repository)])
    }

    pub(super) fn pull_requests<'a>(&'a self, repository: &'a Repository) -> Cow<'a, [PullRequest]> {
        match &repository.activity {
            Activity::Written(written) => Cow::Borrowed(&written.pull_requests),
            Activity::Seeded { seed, pull_requests, commits } => {
                Cow::Owned(generate::pull_requests(*seed, *pull_requests, *commits, repository, &self.people))
            }
        }
    }

    /// Opens a pull request against the default branch and says its id.
    #[track_caller]
    pub fn open_pull_request(&mut self, repository: &str, new: NewPullRequest) -> u64 {
        let at = self.at(repository);
        let now = self.now();
        let id = self.written(at).pull_requests.last().map_or(0, |last| last.id) + 1;
        let branch = if new.source_branch.is_empty() { format!("feature/{id}") } else { new.source_branch };
        let from = new.from_fork.as_deref().map_or(at, |fork| self.at(fork));
        if self.written(from).history.head(&branch).is_none() {
            self.push_at(from, &branch, 1);
        }
        let source_commit = self.written(from).history.head(&branch).map(str::to_owned);
        let target_branch = self.repositories[at].default_branch.as_deref().unwrap_or("main").to_owned();
        let target_commit = self.written(at).history.head(&target_branch).map(str::to_owned);
        let person = |salt| PersonId(usize::try_from(mix(id, at as u64, salt)).unwrap_or(0) % self.people.len().max(1));
        let (author, reviewer) = (person(1), person(2));
        let pull_request = PullRequest {
            id,
            title: new.title,
            description: String::new(),
            state: PullRequestState::Open,
            draft: false,
            author: (!new.without_author).then_some(author),
            closed_by: None,
            reason: String::new(),
            source_branch: branch,
            source_repository: self.repositories[from].uuid,
            source_commit,
            target_branch,
            target_commit,
            merge_commit: None,
            created_on: now,
            updated_on: now,
            version: 0,
            comments: 0,
            tasks: 0,
            participants: vec![Participant { person: reviewer, is_reviewer: true, verdict: None, at: None }],
        };
        self.written(at).pull_requests.push(pull_request);
        self.tell(at, What::Opened(id));
        id
    }

    /// Changes whatever about a pull request, and its update time; the repository's stays.
    #[track_caller]
    pub fn update_pull_request(&mut self, repository: &str, id: u64, change: impl FnOnce(&mut PullRequest)) {
        self.change_pull_request(repository, id, What::Changed(id), change);
    }

    #[track_caller]
    fn change_pull_request(&mut self, repository: &str, id: u64, what: What, change: impl FnOnce(&mut PullRequest)) {
        self.attend_pull_request(repository, id, what, |pull_request| {
            pull_request.version += 1;
            change(pull_request);
        });
    }

    /// Something happens about a pull request that is no change of itself.
    #[track_caller]
    fn attend_pull_request(&mut self, repository: &str, id: u64, what: What, change: impl FnOnce(&mut PullRequest)) {
        let at = self.at(repository);
        let now = self.now();
        match self.written(at).pull_requests.iter_mut().find(|pull_request| pull_request.id == id) {
            Some(pull_request) => {
                // Two changes within one instant of a standing clock are still one after the other.
                pull_request.updated_on = now.max(pull_request.updated_on + Duration::microseconds(1));
                change(pull_request);
            }
            None => panic!("no pull request {id} in {repository}"),
        }
        self.tell(at, what);
    }

    /// Comments on a pull request: its update time moves, the repository's does not.
    #[track_caller]
    pub fn comment_pull_request(&mut self, repository: &str, id: u64) {
        self.attend_pull_request(repository, id, What::Commented(id), |pull_request| pull_request.comments += 1);
    }

    /// A reviewer says yes or no.
    #[track_caller]
    pub fn review_pull_request(&mut self, repository: &str, id: u64, verdict: Verdict) {
        self.attend_pull_request(repository, id, What::Reviewed(id, verdict), |pull_request| {
            let at = Some(pull_request.updated_on);
            if let Some(reviewer) = pull_request.participants.first_mut() {
                reviewer.verdict = Some(verdict);
                reviewer.at = at;
            }
        });
    }

    /// Merges a pull request into the branch it goes to, and says the hash of the merge commit.
    #[track_caller]
    pub fn merge_pull_request(&mut self, repository: &str, id: u64) -> String {
        let at = self.at(repository);
        let list = &self.written(at).pull_requests;
        let Some(pull_request) = list.iter().find(|pull_request| pull_request.id == id).cloned() else {
            panic!("no pull request {id} in {repository}")
        };
        let branches = &self.written(at).history.branches;
        // What comes from a fork arrives as one commit: its own commits are not in this graph.
        let parents = [&pull_request.target_branch, &pull_request.source_branch]
            .into_iter()
            .filter_map(|branch| branches.get(branch).copied())
            .collect();
        let message =
            format!("Merged in {} (pull request #{id})\n\n{}\n", pull_request.source_branch, pull_request.title);
        let before = self.head_of(at, &pull_request.target_branch);
        let hash = self.commit_at(at, &pull_request.target_branch, parents, message);
        self.tell_push(at, &pull_request.target_branch, before);
        self.change_pull_request(repository, id, What::Merged(id), |pull_request| {
            pull_request.state = PullRequestState::Merged;
            pull_request.merge_commit = Some(hash.clone());
            pull_request.closed_by = pull_request.author;
        });
        hash
    }

    /// Declines a pull request.
    #[track_caller]
    pub fn decline_pull_request(&mut self, repository: &str, id: u64, reason: &str) {
        self.change_pull_request(repository, id, What::Declined(id), |pull_request| {
            pull_request.state = PullRequestState::Declined;
            reason.clone_into(&mut pull_request.reason);
            pull_request.closed_by = pull_request.participants.first().map(|reviewer| reviewer.person);
        });
    }

    /// Marks a pull request as superseded.
    #[track_caller]
    pub fn supersede_pull_request(&mut self, repository: &str, id: u64) {
        self.update_pull_request(repository, id, |pull_request| pull_request.state = PullRequestState::Superseded);
    }

    /// Deletes the account of a pull request's author: its `author` is null from now on.
    #[track_caller]
    pub fn forget_author(&mut self, repository: &str, id: u64) {
        self.update_pull_request(repository, id, |pull_request| pull_request.author = None);
    }
}
