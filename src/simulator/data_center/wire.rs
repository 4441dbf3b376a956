//! The world's objects as a Data Center writes them: numbers for ids, milliseconds for dates, links in lists.

use chrono::{DateTime, Utc};

use super::DataCenterOptions;
use super::pull_requests::{Activity, closed_on, state};
use crate::simulator::builds::BuildStatus;
use crate::simulator::changes::{Change, ChangeKind};
use crate::simulator::history::{Commit, History};
use crate::simulator::json::Json;
use crate::simulator::pull_requests::{Participant, PullRequest, PullRequestState, Verdict};
use crate::simulator::seed::hash;
use crate::simulator::uuid::Uuid;
use crate::simulator::world::{Person, PersonId, Repository, World};

/// Draws the objects of a world.
#[derive(Clone, Copy)]
pub(super) struct Wire<'a> {
    pub(super) world: &'a World,
    /// The base URL that links name, without a slash at its end.
    pub(super) base: &'a str,
    pub(super) options: &'a DataCenterOptions,
}

/// As short as they show commits: eleven digits.
fn short(hash: &str) -> &str {
    hash.get(..11).unwrap_or(hash)
}

fn self_link(json: &mut Json, href: &str) {
    json.object("links", |json| {
        json.array("self", |json| json.item(|json| json.plain("href", href)));
    });
}

impl<'a> Wire<'a> {
    /// A date of a pull request, or of what happens to one.
    fn date(&self, json: &mut Json, key: &str, at: DateTime<Utc>) {
        if self.options.iso_dates {
            // Not RFC 3339: the offset has no colon.
            json.plain(key, at.format("%Y-%m-%dT%H:%M:%S+0000"));
        } else {
            json.bare(key, at.timestamp_millis());
        }
    }

    pub(super) fn project(&self, json: &mut Json, at: usize) {
        let project = &self.world.projects[at];
        json.string("key", &project.key);
        json.bare("id", at + 1);
        json.string("name", &project.name);
        if !project.description.is_empty() {
            json.string("description", &project.description);
        }
        match project.owner {
            Some(owner) => {
                json.string("type", "PERSONAL");
                json.object("owner", |json| self.user(json, owner.0, false));
            }
            None => {
                json.bare("public", false);
                json.string("type", "NORMAL");
            }
        }
        self_link(json, &format!("{}{}", self.base, self.place(at)));
    }

    /// Where people find a project.
    fn place(&self, project: usize) -> String {
        let key = &self.world.projects[project].key;
        match key.strip_prefix('~') {
            Some(user) => format!("/users/{user}"),
            None => format!("/projects/{key}"),
        }
    }

    /// Where people find a repository, as URL.
    fn page(&self, repository: &Repository) -> String {
        format!("{}{}/repos/{}", self.base, self.place(repository.project), repository.slug)
    }

    pub(super) fn repository(&self, json: &mut Json, repository: &Repository) {
        let parent = repository.parent.and_then(|parent| self.living(parent));
        self.repository_itself(json, repository, |json| {
            if let Some(parent) = parent {
                json.object("origin", |json| self.repository_itself(json, parent, |_| {}));
            }
        });
    }

    fn repository_itself(&self, json: &mut Json, repository: &Repository, origin: impl FnOnce(&mut Json)) {
        json.plain("slug", &repository.slug);
        json.bare("id", self.world.number(repository));
        json.string("name", &repository.name);
        if !repository.description.is_empty() {
            json.string("description", &repository.description);
        }
        // Forks are of the hierarchy that their parent is of.
        let root = repository.parent.unwrap_or(repository.uuid);
        json.plain("hierarchyId", format_args!("{:016x}{:04x}", root.bits(), root.bits() & 0xFFFF));
        json.string("scmId", "git");
        json.string("state", "AVAILABLE");
        json.string("statusMessage", "Available");
        json.bare("forkable", true);
        origin(json);
        json.object("project", |json| self.project(json, repository.project));
        json.bare("public", !repository.is_private);
        if self.options.is_at_least(8, 0) {
            json.bare("archived", repository.archived);
        }
        json.object("links", |json| {
            let key = self.world.project(repository).key.to_lowercase();
            let slug = &repository.slug;
            json.array("clone", |json| {
                json.item(|json| {
                    json.plain("href", format_args!("ssh://git@{}:7999/{key}/{slug}.git", self.host()));
                    json.string("name", "ssh");
                });
                json.item(|json| {
                    json.plain("href", format_args!("{}/scm/{key}/{slug}.git", self.base));
                    json.string("name", "http");
                });
            });
            json.array("self", |json| {
                json.item(|json| json.plain("href", format_args!("{}/browse", self.page(repository))));
            });
        });
    }

    /// The host of the base URL, without its port.
    fn host(&self) -> &'a str {
        let after = self.base.split_once("://").map_or(self.base, |(_, after)| after);
        after.split(['/', ':']).next().unwrap_or(after)
    }

    fn living(&self, uuid: Uuid) -> Option<&'a Repository> {
        self.world.by_uuid.get(&uuid).map(|at| &self.world.repositories[*at])
    }

    pub(super) fn minimal_ref(&self, json: &mut Json, name: &str) {
        json.string("id", &format!("refs/heads/{name}"));
        json.string("displayId", name);
        json.string("type", "BRANCH");
    }

    pub(super) fn branch(&self, json: &mut Json, name: &str, head: &str, is_default: bool) {
        self.minimal_ref(json, name);
        json.plain("latestCommit", head);
        json.plain("latestChangeset", head);
        json.bare("isDefault", is_default);
    }

    /// A user with an account.
    pub(super) fn user(&self, json: &mut Json, at: usize, in_detail: bool) {
        let person = &self.world.people[at];
        json.string("name", &person.user_name());
        json.string("emailAddress", &person.email);
        json.bare("active", true);
        json.string("displayName", &person.name);
        json.bare("id", at + 1);
        json.string("slug", &person.user_slug());
        json.string("type", if person.is_app { "SERVICE" } else { "NORMAL" });
        if in_detail {
            json.string("directoryName", "Bitbucket Internal Directory");
            json.bare("deletable", true);
            json.bare("lastAuthenticationTimestamp", self.world.now().timestamp_millis());
            json.bare("mutableDetails", true);
            json.bare("mutableGroups", true);
        }
        self_link(json, &format!("{}/users/{}", self.base, person.user_slug()));
    }

    /// Somebody whose account was deleted: what is left is a name.
    fn former_user(&self, json: &mut Json) {
        json.string("name", "former-user");
        json.string("emailAddress", "");
        json.bare("active", false);
        json.string("displayName", "Former user");
        json.bare("id", 99_999);
        json.string("slug", "former-user");
        json.string("type", "NORMAL");
        self_link(json, &format!("{}/users/former-user", self.base));
    }

    fn user_or_former(&self, json: &mut Json, person: Option<PersonId>) {
        match person {
            Some(person) => self.user(json, person.0, false),
            None => self.former_user(json),
        }
    }

    /// Somebody who committed: a user where the e-mail belongs to one, else what git knows.
    fn committer(&self, json: &mut Json, id: PersonId) {
        let person: &Person = &self.world.people[id.0];
        if person.has_account {
            self.user(json, id.0, false);
        } else {
            json.string("name", &person.name);
            json.string("emailAddress", &person.email);
        }
    }

    pub(super) fn commit(&self, json: &mut Json, history: &History, commit: &Commit) {
        json.plain("id", &commit.hash);
        json.plain("displayId", short(&commit.hash));
        for (who, when) in [("author", "authorTimestamp"), ("committer", "committerTimestamp")] {
            json.object(who, |json| self.committer(json, commit.author));
            json.bare(when, commit.date.timestamp_millis());
        }
        json.string("message", commit.message.trim_end());
        json.array("parents", |json| {
            for parent in &commit.parents {
                json.item(|json| minimal_commit(json, &history.commits[*parent].hash));
            }
        });
    }

    /// The head of where a pull request comes from. It is always told; where Cloud would say null, one is made up that no
    /// repository has.
    pub(super) fn source_commit(&self, repository: &Repository, it: &PullRequest) -> String {
        it.source_commit.clone().unwrap_or_else(|| hash(repository.uuid.bits(), u64::MAX - it.id))
    }

    pub(super) fn pull_request(&self, json: &mut Json, repository: &Repository, it: &PullRequest) {
        let is_open = it.state == PullRequestState::Open;
        json.bare("id", it.id);
        json.bare("version", it.version);
        json.string("title", &it.title);
        if !it.description.is_empty() {
            json.string("description", &it.description);
        }
        json.string("state", state(it));
        json.bare("open", is_open);
        json.bare("closed", !is_open);
        if self.options.has_drafts() {
            json.bare("draft", it.draft);
        }
        self.date(json, "createdDate", it.created_on);
        self.date(json, "updatedDate", it.updated_on);
        if let Some(closed_on) = closed_on(it) {
            self.date(json, "closedDate", closed_on);
        }
        let source =
            if it.source_repository == repository.uuid { Some(repository) } else { self.living(it.source_repository) };
        self.side(json, "fromRef", &it.source_branch, &self.source_commit(repository, it), source);
        let target = it.target_commit.clone().unwrap_or_else(|| hash(repository.uuid.bits(), u64::MAX / 2 - it.id));
        self.side(json, "toRef", &it.target_branch, &target, Some(repository));
        json.bare("locked", false);
        json.object("author", |json| {
            json.object("user", |json| self.user_or_former(json, it.author));
            json.string("role", "AUTHOR");
            json.bare("approved", false);
            json.string("status", "UNAPPROVED");
        });
        for (list, reviewers) in [("reviewers", true), ("participants", false)] {
            json.array(list, |json| {
                for one in it.participants.iter().filter(|one| one.is_reviewer == reviewers) {
                    json.item(|json| self.participant(json, repository, it, one));
                }
            });
        }
        json.object("properties", |json| self.properties(json, it));
        self_link(json, &format!("{}/pull-requests/{}", self.page(repository), it.id));
    }

    fn side(&self, json: &mut Json, key: &str, branch: &str, head: &str, repository: Option<&Repository>) {
        json.object(key, |json| {
            json.string("id", &format!("refs/heads/{branch}"));
            json.string("displayId", branch);
            json.plain("latestCommit", head);
            json.string("type", "BRANCH");
            // Of a fork that was deleted nothing is left to tell.
            if let Some(repository) = repository {
                json.object("repository", |json| self.repository(json, repository));
            }
        });
    }

    fn participant(&self, json: &mut Json, repository: &Repository, it: &PullRequest, one: &Participant) {
        json.object("user", |json| self.user(json, one.person.0, false));
        if one.verdict.is_some() {
            json.plain("lastReviewedCommit", self.source_commit(repository, it));
        }
        json.string("role", if one.is_reviewer { "REVIEWER" } else { "PARTICIPANT" });
        json.bare("approved", one.verdict == Some(Verdict::Approved));
        json.string(
            "status",
            match one.verdict {
                Some(Verdict::Approved) => "APPROVED",
                Some(Verdict::ChangesRequested) => "NEEDS_WORK",
                None => "UNAPPROVED",
            },
        );
    }

    fn properties(&self, json: &mut Json, it: &PullRequest) {
        if it.state == PullRequestState::Open {
            json.object("mergeResult", |json| {
                json.string("outcome", "CLEAN");
                json.bare("current", true);
            });
        }
        // Missing where somebody merged by hand and pushed.
        if let Some(hash) = &it.merge_commit {
            json.object("mergeCommit", |json| minimal_commit(json, hash));
        }
        if it.comments > 0 {
            json.bare("commentCount", it.comments);
        }
        json.bare("resolvedTaskCount", 0);
        json.bare("openTaskCount", it.tasks);
    }

    pub(super) fn activity(&self, json: &mut Json, repository: &Repository, it: &PullRequest, activity: &Activity) {
        json.bare("id", activity.id);
        self.date(json, "createdDate", activity.at);
        json.object("user", |json| self.user_or_former(json, activity.person));
        json.string("action", activity.action);
        match activity.action {
            "COMMENTED" => {
                json.string("commentAction", "ADDED");
                json.object("comment", |json| {
                    let number = self.world.number(repository);
                    json.object("properties", |json| json.bare("repositoryId", number));
                    json.bare("id", activity.id);
                    json.bare("version", 0);
                    json.string("text", "Looks good, one question below.");
                    json.object("author", |json| self.user_or_former(json, activity.person));
                    self.date(json, "createdDate", activity.at);
                    self.date(json, "updatedDate", activity.at);
                    json.array("comments", |_| {});
                    json.array("tasks", |_| {});
                    json.object("permittedOperations", |json| {
                        json.bare("editable", false);
                        json.bare("deletable", false);
                    });
                });
            }
            "MERGED" => {
                if let Some(hash) = &it.merge_commit {
                    json.object("commit", |json| minimal_commit(json, hash));
                }
            }
            _ => {}
        }
    }

    pub(super) fn change(&self, json: &mut Json, commit: &str, change: &Change) {
        let text = commit.bytes().chain(change.path.bytes());
        let seed = text.fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let content = |side: u64| hash(seed, side);
        let nothing = "0".repeat(40);
        let (kind, git_kind) = match change.kind {
            ChangeKind::Added => ("ADD", "ADD"),
            ChangeKind::Modified => ("MODIFY", "MODIFY"),
            ChangeKind::Deleted => ("DELETE", "DELETE"),
            ChangeKind::Moved => ("MOVE", "RENAME"),
        };
        json.plain("contentId", content(1));
        json.plain("fromContentId", if change.kind == ChangeKind::Added { nothing } else { content(2) });
        json.object("path", |json| path(json, &change.path));
        if change.kind != ChangeKind::Deleted {
            json.bare("executable", false);
        }
        json.bare("percentUnchanged", if change.kind == ChangeKind::Moved { 98 } else { -1 });
        json.string("type", kind);
        json.string("nodeType", "FILE");
        if let Some(from) = &change.from {
            json.object("srcPath", |json| path(json, from));
        }
        if change.kind != ChangeKind::Added {
            json.bare("srcExecutable", false);
        }
        json.object("links", |json| json.array("self", Json::null_item));
        json.object("properties", |json| json.string("gitChangeType", git_kind));
    }

    pub(super) fn build(&self, json: &mut Json, build: &BuildStatus) {
        json.string("state", build.state.as_str());
        json.string("key", &build.key);
        json.string("name", &build.name);
        json.string("url", &build.url);
        if !build.description.is_empty() {
            json.string("description", &build.description);
        }
        json.bare("dateAdded", build.updated_on.timestamp_millis());
        if self.options.is_at_least(7, 14) {
            json.bare("createdDate", build.created_on.timestamp_millis());
            json.bare("updatedDate", build.updated_on.timestamp_millis());
        }
    }
}

fn minimal_commit(json: &mut Json, hash: &str) {
    json.plain("id", hash);
    json.plain("displayId", short(hash));
}

fn path(json: &mut Json, path: &str) {
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    json.array("components", |json| path.split('/').for_each(|part| json.string_item(part)));
    json.string("parent", parent);
    json.string("name", name);
    if let Some((_, extension)) = name.rsplit_once('.') {
        json.string("extension", extension);
    }
    json.string("toString", path);
}
