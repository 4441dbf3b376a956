//! Details of pull requests and commits, and pipelines, as Bitbucket Cloud tells them.

use chrono::{DateTime, Duration, Utc};

use super::parameters::Parameters;
use super::request::Request;
use super::wire::Stamp;
use crate::simulator::answer::Refusal;
use crate::simulator::changes::{Change, ChangeKind, changes};
use crate::simulator::json::Json;
use crate::simulator::pull_requests::{PullRequest, Verdict};
use crate::simulator::world::PersonId;

/// What somebody did to a pull request.
enum Act {
    Comment(Option<PersonId>),
    Verdict(Verdict, PersonId),
    Update,
}

/// Newest first.
fn acts(it: &PullRequest) -> Vec<(DateTime<Utc>, Act)> {
    let mut acts = vec![(it.created_on, Act::Update)];
    let reviewer = it.participants.first().map(|participant| participant.person);
    for number in 0..it.comments {
        let share = i32::try_from(number + 1).unwrap_or(1);
        let at = it.created_on
            + (it.updated_on - it.created_on) * share / i32::try_from(it.comments + 1).unwrap_or(i32::MAX);
        acts.push((at, Act::Comment(if number % 2 == 0 { reviewer } else { it.author })));
    }
    for participant in &it.participants {
        if let Some(verdict) = participant.verdict {
            acts.push((participant.at.unwrap_or(it.updated_on), Act::Verdict(verdict, participant.person)));
        }
    }
    acts.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    acts
}

fn rows<T>(list: &[T]) -> Vec<u32> {
    (0..).zip(list).map(|(at, _)| at).collect()
}

impl Request<'_> {
    fn pull_request_of(&self, id: &str) -> Result<PullRequest, Refusal> {
        let list = self.world.pull_requests(self.open_repository()?);
        let found = list.iter().find(|it| it.id.to_string() == id);
        found.cloned().ok_or_else(|| Refusal::new(404, "Pull request not found"))
    }

    pub(super) fn activities(&self, parameters: &Parameters) -> Result<String, Refusal> {
        let it = self.pull_request_of(self.route.item.as_deref().unwrap_or_default())?;
        let acts = acts(&it);
        self.page(parameters, &rows(&acts), 50, |json, at| {
            let (at, act) = &acts[at as usize];
            let stamp = Stamp { at: *at, shape: 7 };
            let who = |json: &mut Json, person: Option<PersonId>| self.wire().account_or_null(json, "user", person);
            json.object("pull_request", |json| json.bare("id", it.id));
            match act {
                Act::Comment(person) => json.object("comment", |json| {
                    json.plain("created_on", stamp);
                    json.bare("deleted", false);
                    who(json, *person);
                }),
                Act::Verdict(verdict, person) => {
                    let name = if *verdict == Verdict::Approved { "approval" } else { "changes_requested" };
                    json.object(name, |json| {
                        json.plain("date", stamp);
                        who(json, Some(*person));
                    });
                }
                Act::Update => json.object("update", |json| {
                    json.string("state", "OPEN");
                    json.plain("date", stamp);
                }),
            }
        })
    }

    /// Of a commit, of two commits with `%0D` between them, or of a pull request (`#7`): that points on.
    pub(super) fn diffstat(&self, parameters: &Parameters) -> Result<String, Refusal> {
        let repository = self.open_repository()?;
        let spec = self.route.item.as_deref().unwrap_or_default();
        if let Some(id) = spec.strip_prefix('#') {
            let it = self.pull_request_of(id)?;
            let (Some(source), Some(target)) = (&it.source_commit, &it.target_commit) else {
                return Err(Refusal::new(404, "The commit of this pull request is not there any more"));
            };
            let (full_name, short) =
                (self.world.full_name(repository), |hash: &str| hash[..12.min(hash.len())].to_owned());
            return Err(Refusal::found(&format!(
                "{}/repositories/{full_name}/diffstat/{full_name}:{}%0D{}?from_pullrequest_id={id}&topic=true",
                self.api,
                short(source),
                short(target)
            )));
        }
        let source = spec.rsplit(':').next().unwrap_or(spec).split('\r').next().unwrap_or(spec);
        let history = self.world.history(repository);
        let known = history.commits.iter().find(|commit| commit.hash.starts_with(source) && source.len() >= 7);
        let of_pull_request = parameters.one("from_pullrequest_id").is_some();
        let hash = match known {
            Some(commit) => commit.hash.clone(),
            // Commits of branches that were merged are not part of this history.
            None if of_pull_request => source.to_owned(),
            None => return Err(Refusal::unknown_commits(&[source.to_owned()])),
        };
        let changes: Vec<Change> = changes(&hash);
        self.page(parameters, &rows(&changes), 100, |json, at| {
            let Change { path, from, kind, added, deleted } = &changes[at as usize];
            json.string("type", "diffstat");
            json.string(
                "status",
                match kind {
                    ChangeKind::Added => "added",
                    ChangeKind::Modified => "modified",
                    ChangeKind::Deleted => "removed",
                    ChangeKind::Moved => "renamed",
                },
            );
            json.bare("lines_added", added);
            json.bare("lines_removed", deleted);
            let mut side = |name: &str, path: Option<&str>| match path {
                Some(path) => json.object(name, |json| {
                    json.string("path", path);
                    json.string("type", "commit_file");
                }),
                None => json.null(name),
            };
            let is_old = *kind != ChangeKind::Added;
            side("old", is_old.then_some(from.as_deref().unwrap_or(path)));
            side("new", (*kind != ChangeKind::Deleted).then_some(path));
        })
    }

    /// One pipeline for each commit that the repository has, numbered from the oldest.
    pub(super) fn pipelines(&self, parameters: &Parameters) -> Result<String, Refusal> {
        let history = self.world.history(self.open_repository()?);
        let mut order: Vec<usize> = (0..history.commits.len()).collect();
        order.sort_by_key(|at| (history.commits[*at].date, *at));
        if parameters.one("sort") == Some("-created_on") {
            order.reverse();
        }
        let count = order.len();
        let newest_first = parameters.one("sort") == Some("-created_on");
        self.page(parameters, &rows(&order), 100, |json, row| {
            let row = row as usize;
            let commit = &history.commits[order[row]];
            let number = if newest_first { count - row } else { row + 1 };
            let started = commit.date.to_utc();
            json.string("type", "pipeline");
            json.bare("build_number", number);
            json.plain("created_on", Stamp { at: started, shape: 1 });
            json.plain("completed_on", Stamp { at: started + Duration::minutes(4), shape: 1 });
            json.object("target", |json| {
                json.string("type", "pipeline_ref_target");
                json.string("ref_name", "main");
                json.object("commit", |json| json.string("hash", &commit.hash));
            });
            json.object("state", |json| {
                json.string("name", "COMPLETED");
                json.string("type", "pipeline_state_completed");
                json.object("result", |json| {
                    json.string("name", if commit.hash.starts_with('0') { "FAILED" } else { "SUCCESSFUL" });
                });
            });
        })
    }
}
