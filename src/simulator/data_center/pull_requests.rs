//! Pull requests and what happens to them.

use std::borrow::Cow;
use std::cmp::Reverse;

use chrono::{DateTime, Utc};

use super::commits::diff_stats;
use super::options::NewestBy;
use super::refusal::{bad_parameter, no_such_pull_request};
use super::request::Request;
use crate::simulator::answer::Refusal;
use crate::simulator::changes::{Change, changes};
use crate::simulator::json::Json;
use crate::simulator::pull_requests::{PullRequest, PullRequestState, Verdict};
use crate::simulator::world::{PersonId, Repository};

/// Something that happened to a pull request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Activity {
    pub(super) id: u64,
    pub(super) at: DateTime<Utc>,
    /// `None`: the account is gone.
    pub(super) person: Option<PersonId>,
    pub(super) action: &'static str,
}

/// How a Data Center calls a state: it knows no superseded ones.
pub(super) fn state(pull_request: &PullRequest) -> &'static str {
    match pull_request.state {
        PullRequestState::Superseded => "DECLINED",
        other => other.as_str(),
    }
}

/// What happened, newest first. Numbers are as unique as the pull request and its place in the row.
fn activities(repository: u64, it: &PullRequest) -> Vec<Activity> {
    let mut happened = vec![(it.created_on, it.author, "OPENED")];
    let reviewer = it.participants.first().map(|participant| participant.person);
    for number in 0..it.comments {
        // Spread between opening and last change.
        let share = i32::try_from(number + 1).unwrap_or(1);
        let life = it.updated_on - it.created_on;
        let at = it.created_on + life * share / i32::try_from(it.comments + 1).unwrap_or(i32::MAX);
        happened.push((at, if number % 2 == 0 { reviewer } else { it.author }, "COMMENTED"));
    }
    for participant in &it.participants {
        let at = participant.at.unwrap_or(it.updated_on);
        match participant.verdict {
            Some(Verdict::Approved) => happened.push((at, Some(participant.person), "APPROVED")),
            Some(Verdict::ChangesRequested) => happened.push((at, Some(participant.person), "REVIEWED")),
            None => {}
        }
    }
    match it.state {
        PullRequestState::Open => {}
        PullRequestState::Merged => happened.push((it.updated_on, it.closed_by.or(it.author), "MERGED")),
        PullRequestState::Declined | PullRequestState::Superseded => {
            happened.push((it.updated_on, it.closed_by.or(it.author), "DECLINED"));
        }
    }
    happened.sort_by_key(|(at, _, _)| *at);
    let first = repository * 1_000_000 + it.id * 500;
    let mut rows: Vec<Activity> =
        (first..).zip(happened).map(|(id, (at, person, action))| Activity { id, at, person, action }).collect();
    rows.reverse();
    rows
}

impl<'a> Request<'a> {
    pub(super) fn pull_requests(&self) -> Result<String, Refusal> {
        let repository = self.open_repository()?;
        let all = self.world.pull_requests(repository);
        let wanted = self.parameters.one("state").map_or("OPEN".to_owned(), str::to_ascii_uppercase);
        if !["OPEN", "MERGED", "DECLINED", "ALL"].contains(&wanted.as_str()) {
            return Err(bad_parameter("state", &format!("\"{wanted}\" is not OPEN, MERGED, DECLINED or ALL.")));
        }
        let branch = self.parameters.one("at").map(|name| name.strip_prefix("refs/heads/").unwrap_or(name));
        let text = self.parameters.one("filterText").map(str::to_lowercase);
        let is_draft = self.parameters.one("draft").filter(|_| self.options.has_drafts()).map(|it| it == "true");
        let is_outgoing = self.parameters.is("direction", "OUTGOING");
        let mut rows: Vec<&PullRequest> = all
            .iter()
            .filter(|it| {
                let branch_of = if is_outgoing { &it.source_branch } else { &it.target_branch };
                (wanted == "ALL" || state(it) == wanted)
                    && branch.is_none_or(|branch| branch_of == branch)
                    && (!is_outgoing || it.source_repository == repository.uuid)
                    && is_draft.is_none_or(|draft| it.draft == draft)
                    && text.as_ref().is_none_or(|text| {
                        it.title.to_lowercase().contains(text.as_str())
                            || it.description.to_lowercase().contains(text.as_str())
                    })
            })
            .collect();
        let sorted_by = |it: &&PullRequest| match self.options.newest_by {
            NewestBy::Updated => (it.updated_on, it.id),
            NewestBy::Created => (it.created_on, it.id),
        };
        match self.parameters.one("order").map(str::to_ascii_uppercase).as_deref() {
            None | Some("NEWEST") => rows.sort_by_key(|it| Reverse(sorted_by(it))),
            Some("OLDEST") => rows.sort_by_key(sorted_by),
            Some(other) => return Err(bad_parameter("order", &format!("\"{other}\" is not NEWEST or OLDEST."))),
        }
        self.page(&rows, 1000, |json, it| self.wire().pull_request(json, repository, it))
    }

    /// The pull request that the path names.
    fn pull_request(&self) -> Result<(&'a Repository, Cow<'a, PullRequest>), Refusal> {
        let repository = self.open_repository()?;
        let id = self.route.item.parse::<u64>().ok();
        let found = match self.world.pull_requests(repository) {
            Cow::Borrowed(all) => all.iter().find(|it| Some(it.id) == id).map(Cow::Borrowed),
            Cow::Owned(all) => all.into_iter().find(|it| Some(it.id) == id).map(Cow::Owned),
        };
        let found = found.ok_or_else(|| no_such_pull_request(&self.route.item, &repository.slug))?;
        Ok((repository, found))
    }

    pub(super) fn pull_request_alone(&self) -> Result<String, Refusal> {
        let (repository, it) = self.pull_request()?;
        Ok(Json::text(4096, |json| self.wire().pull_request(json, repository, &it)))
    }

    pub(super) fn activities(&self) -> Result<String, Refusal> {
        let (repository, it) = self.pull_request()?;
        let rows = activities(self.world.number(repository), &it);
        self.page(&rows, 500, |json, activity| self.wire().activity(json, repository, &it, activity))
    }

    pub(super) fn pull_request_commits(&self) -> Result<String, Refusal> {
        let (repository, it) = self.pull_request()?;
        let history = self.world.history(repository);
        let find = |hash: &Option<String>| hash.as_deref().and_then(|hash| history.resolve(hash));
        // A source that is gone, or lies in a fork, has no commits in this graph.
        let rows = match (find(&it.source_commit), find(&it.target_commit)) {
            (Some(source), target) => history.walk(&[source], target.as_slice()),
            (None, _) => Vec::new(),
        };
        self.commit_page(&history, &rows)
    }

    pub(super) fn pull_request_changes(&self) -> Result<String, Refusal> {
        let (repository, it) = self.pull_request()?;
        let to = self.wire().source_commit(repository, &it);
        self.change_page(it.target_commit.as_deref(), &to, &self.changed(repository, &it))
    }

    pub(super) fn pull_request_diff_stats(&self) -> Result<String, Refusal> {
        let (repository, it) = self.pull_request()?;
        Ok(diff_stats(&self.changed(repository, &it)))
    }

    fn changed(&self, repository: &Repository, it: &PullRequest) -> Vec<Change> {
        changes(&self.wire().source_commit(repository, it))
    }
}

/// When it was closed: what happens to closed ones later is not simulated.
pub(super) fn closed_on(it: &PullRequest) -> Option<DateTime<Utc>> {
    (it.state != PullRequestState::Open).then_some(it.updated_on)
}
