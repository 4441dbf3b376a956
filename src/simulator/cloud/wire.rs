//! The world's objects as Bitbucket Cloud writes them: keys, nesting, nulls and the several date shapes.
//!
//! Addresses below `api` lead back to the simulator; those for people (`html`, `clone`) name bitbucket.org, as they do
//! behind every proxy.

use std::fmt::{self, Write as _};

use chrono::{DateTime, FixedOffset, Utc};

use crate::simulator::history::{Commit, History};
use crate::simulator::json::Json;
use crate::simulator::pull_requests::{Participant, PullRequest, Verdict};
use crate::simulator::uuid::Uuid;
use crate::simulator::world::{Person, PersonId, Project, Repository, Workspace, World};

/// Draws the objects of a world.
#[derive(Clone, Copy)]
pub(super) struct Wire<'a> {
    pub(super) world: &'a World,
    /// `http://127.0.0.1:PORT/2.0`
    pub(super) api: &'a str,
}

/// What of a pull request is drawn beside the usual.
#[derive(Clone, Copy, Default)]
pub(super) struct Extras {
    pub(super) reviewers: bool,
    pub(super) participants: bool,
}

/// `%7B…%7D`
struct Encoded(Uuid);

impl fmt::Display for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%7B{}%7D", self.0.bare())
    }
}

/// A date of ours in the shape its object happens to have. Shapes differ from object to object, never their instants.
#[derive(Clone, Copy)]
pub(super) struct Stamp {
    pub(super) at: DateTime<Utc>,
    pub(super) shape: u64,
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.at.timestamp_subsec_micros();
        write!(f, "{}", self.at.format("%Y-%m-%dT%H:%M:%S"))?;
        match self.shape % 8 {
            0 | 1 => write!(f, ".{micros:06}Z"),
            2 if micros.is_multiple_of(10) => write!(f, ".{:05}Z", micros / 10),
            3 if micros.is_multiple_of(1000) => write!(f, ".{:03}Z", micros / 1000),
            4 => write!(f, ".{micros:06}000Z"),
            _ => write!(f, ".{micros:06}+00:00"),
        }
    }
}

/// A commit's date: no fraction, the offset it was made in.
struct GitDate(DateTime<FixedOffset>);

impl fmt::Display for GitDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m-%dT%H:%M:%S%:z"))
    }
}

fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

impl Wire<'_> {
    fn workspace_slug(&self, repository: &Repository) -> &str {
        &self.world.workspaces[self.world.workspace_of(repository)].slug
    }

    pub(super) fn repository(&self, json: &mut Json, repository: &Repository) {
        let world = self.world;
        let api = self.api;
        let workspace = &world.workspaces[world.workspace_of(repository)];
        let (ws, slug) = (workspace.slug.as_str(), repository.slug.as_str());
        let shape = repository.uuid.bits();
        json.string("type", "repository");
        json.plain("full_name", format_args!("{ws}/{slug}"));
        json.object("links", |json| {
            self.condensed_links(json, repository);
            for (name, path) in [
                ("pullrequests", "pullrequests"),
                ("commits", "commits"),
                ("forks", "forks"),
                ("watchers", "watchers"),
                ("branches", "refs/branches"),
                ("tags", "refs/tags"),
                ("downloads", "downloads"),
                ("source", "src"),
                ("hooks", "hooks"),
            ] {
                json.link(name, format_args!("{api}/repositories/{ws}/{slug}/{path}"));
            }
            json.array("clone", |json| {
                json.item(|json| {
                    json.string("name", "https");
                    // With userinfo, as the real ones come.
                    json.plain("href", format_args!("https://{ws}@bitbucket.org/{ws}/{slug}.git"));
                });
                json.item(|json| {
                    json.string("name", "ssh");
                    json.plain("href", format_args!("git@bitbucket.org:{ws}/{slug}.git"));
                });
            });
        });
        json.string("name", &repository.name);
        json.plain("slug", slug);
        json.string("description", &repository.description);
        json.string("scm", "git");
        match &repository.website {
            Some(website) => json.string("website", website),
            None if shape.is_multiple_of(3) => json.null("website"),
            None => json.string("website", ""),
        }
        json.object("owner", |json| self.team(json, workspace));
        json.object("workspace", |json| self.workspace_short(json, workspace));
        json.bare("is_private", repository.is_private);
        json.object("project", |json| {
            self.project_short(json, &world.projects[repository.project], ws);
        });
        json.string("fork_policy", if repository.is_private { "no_public_forks" } else { "allow_forks" });
        json.plain("created_on", Stamp { at: repository.created_on, shape });
        json.plain("updated_on", Stamp { at: repository.updated_on, shape: shape >> 3 });
        json.bare("size", repository.size);
        json.string("language", &repository.language);
        json.plain("uuid", repository.uuid);
        json.bare("has_issues", shape.is_multiple_of(5));
        json.bare("has_wiki", shape.is_multiple_of(7));
        match &repository.default_branch {
            Some(branch) => json.object("mainbranch", |json| {
                json.string("name", branch);
                json.string("type", "branch");
            }),
            None => json.null("mainbranch"),
        }
        json.object("override_settings", |json| {
            json.bare("default_merge_strategy", false);
            json.bare("branching_model", false);
        });
        match repository.parent.and_then(|parent| self.living(parent)) {
            Some(parent) => json.object("parent", |json| self.repository_short(json, parent)),
            None => json.null("parent"),
        }
        json.null("enforced_signed_commits");
    }

    fn living(&self, uuid: Uuid) -> Option<&Repository> {
        self.world.by_uuid.get(&uuid).map(|at| &self.world.repositories[*at])
    }

    /// A repository as it lies in other objects: no slug, no project, no default branch.
    pub(super) fn repository_short(&self, json: &mut Json, repository: &Repository) {
        json.string("type", "repository");
        json.plain("full_name", format_args!("{}/{}", self.workspace_slug(repository), repository.slug));
        json.object("links", |json| self.condensed_links(json, repository));
        json.string("name", &repository.name);
        json.plain("uuid", repository.uuid);
    }

    fn condensed_links(&self, json: &mut Json, repository: &Repository) {
        let (api, ws, slug) = (self.api, self.workspace_slug(repository), &repository.slug);
        json.link("self", format_args!("{api}/repositories/{ws}/{slug}"));
        json.link("html", format_args!("https://bitbucket.org/{ws}/{slug}"));
        let language = if repository.language.is_empty() || repository.language.contains('/') {
            "default"
        } else {
            &repository.language
        };
        let language = language.trim_end_matches('#');
        json.link("avatar", format_args!("https://bytebucket.org/ravatar/{}?ts={language}", Encoded(repository.uuid)));
    }

    fn team(&self, json: &mut Json, workspace: &Workspace) {
        let slug = &workspace.slug;
        json.string("display_name", &workspace.name);
        json.object("links", |json| {
            json.link("self", format_args!("{}/workspaces/{}", self.api, Encoded(workspace.uuid)));
            json.link("avatar", format_args!("https://bitbucket.org/account/{slug}/avatar/"));
            json.link("html", format_args!("https://bitbucket.org/{}/", Encoded(workspace.uuid)));
        });
        json.string("type", "team");
        json.plain("uuid", workspace.uuid);
        json.plain("username", slug);
    }

    fn workspace_short(&self, json: &mut Json, workspace: &Workspace) {
        let slug = &workspace.slug;
        json.string("type", "workspace");
        json.plain("uuid", workspace.uuid);
        json.string("name", &workspace.name);
        json.plain("slug", slug);
        json.object("links", |json| {
            let changed = workspace.created_on.timestamp();
            json.link("avatar", format_args!("https://bitbucket.org/workspaces/{slug}/avatar/?ts={changed}"));
            json.link("html", format_args!("https://bitbucket.org/{slug}/"));
            json.link("self", format_args!("{}/workspaces/{slug}", self.api));
        });
    }

    pub(super) fn workspace(&self, json: &mut Json, workspace: &Workspace) {
        let (api, slug) = (self.api, &workspace.slug);
        json.string("type", "workspace");
        json.plain("uuid", workspace.uuid);
        json.string("name", &workspace.name);
        json.plain("slug", slug);
        json.bare("is_private", true);
        json.bare("is_privacy_enforced", false);
        json.string("forking_mode", "allow_forks");
        json.plain("created_on", Stamp { at: workspace.created_on, shape: 7 });
        json.object("links", |json| {
            let changed = workspace.created_on.timestamp();
            json.link("avatar", format_args!("https://bitbucket.org/workspaces/{slug}/avatar/?ts={changed}"));
            json.link("hooks", format_args!("{api}/workspaces/{slug}/hooks"));
            json.link("html", format_args!("https://bitbucket.org/{slug}/"));
            json.link("html_overview", format_args!("https://bitbucket.org/{slug}/workspace/overview/"));
            json.link("members", format_args!("{api}/workspaces/{slug}/members"));
            json.link("owners", format_args!("{api}/workspaces/{slug}/members?q=permission%3D%22owner%22"));
            json.link("projects", format_args!("{api}/workspaces/{slug}/projects"));
            json.link("repositories", format_args!("{api}/repositories/{slug}"));
            json.link("snippets", format_args!("{api}/snippets/{slug}"));
            json.link("self", format_args!("{api}/workspaces/{slug}"));
        });
    }

    /// An item of `/user/workspaces`: it has no workspace name.
    pub(super) fn workspace_access(&self, json: &mut Json, workspace: &Workspace, administrator: bool) {
        let slug = &workspace.slug;
        json.string("type", "workspace_access");
        json.bare("administrator", administrator);
        json.object("workspace", |json| {
            json.string("type", "workspace_base");
            json.plain("uuid", workspace.uuid);
            json.plain("slug", slug);
            json.object("links", |json| {
                json.link("avatar", format_args!("https://bitbucket.org/workspaces/{slug}/avatar/"));
                json.link("self", format_args!("{}/workspaces/{slug}", self.api));
            });
        });
    }

    fn project_short(&self, json: &mut Json, project: &Project, ws: &str) {
        let key = &project.key;
        json.string("type", "project");
        json.plain("key", key);
        json.plain("uuid", project.uuid);
        json.string("name", &project.name);
        json.object("links", |json| {
            json.link("self", format_args!("{}/workspaces/{ws}/projects/{key}", self.api));
            json.link("html", format_args!("https://bitbucket.org/{ws}/workspace/projects/{key}"));
            let changed = project.created_on.timestamp();
            json.link(
                "avatar",
                format_args!("https://bitbucket.org/account/user/{ws}/projects/{key}/avatar/32?ts={changed}"),
            );
        });
    }

    pub(super) fn project(&self, json: &mut Json, project: &Project) {
        let workspace = &self.world.workspaces[project.workspace];
        self.project_short(json, project, &workspace.slug);
        json.string("description", &project.description);
        json.bare("is_private", true);
        json.bare("has_publicly_visible_repos", false);
        json.plain("created_on", Stamp { at: project.created_on, shape: 7 });
        json.plain("updated_on", Stamp { at: project.created_on, shape: 7 });
        json.object("owner", |json| self.team(json, workspace));
        json.object("workspace", |json| self.workspace_short(json, workspace));
    }

    fn person(&self, id: PersonId) -> Option<&Person> {
        self.world.people.get(id.0)
    }

    pub(super) fn account(&self, json: &mut Json, person: &Person) {
        let uuid = Encoded(person.uuid);
        json.string("display_name", &person.name);
        let avatar = "https://avatar-management--avatars.us-west-2.prod.public.atl-paas.net";
        if person.is_app {
            json.string("type", "app_user");
            json.object("links", |json| json.link("avatar", format_args!("{avatar}/{}/128", person.uuid.bare())));
            json.plain("created_on", "2023-10-31T08:58:32.098157+00:00");
            json.plain("uuid", person.uuid);
            json.plain("account_id", format_args!("712020:{}", person.uuid.bare()));
            json.string("account_status", "active");
            json.string("kind", "repository_access_token");
            return;
        }
        json.object("links", |json| {
            json.link("self", format_args!("{}/users/{uuid}", self.api));
            let initials: String =
                person.name.split(' ').filter_map(|word| word.chars().next()).filter(char::is_ascii).collect();
            json.link("avatar", format_args!("{avatar}/initials/{initials}-1.png"));
            json.link("html", format_args!("https://bitbucket.org/{uuid}/"));
        });
        json.string("type", "user");
        json.plain("uuid", person.uuid);
        json.plain("account_id", format_args!("557058:{}", person.uuid.bare()));
        json.plain("nickname", person.nickname());
    }

    pub(super) fn account_or_null(&self, json: &mut Json, key: &str, id: Option<PersonId>) {
        match id.and_then(|id| self.person(id)) {
            Some(person) => json.object(key, |json| self.account(json, person)),
            None => json.null(key),
        }
    }

    pub(super) fn pull_request(&self, json: &mut Json, repository: &Repository, it: &PullRequest, extras: Extras) {
        let (api, ws, slug, id) = (self.api, self.workspace_slug(repository), &repository.slug, it.id);
        let shape = repository.uuid.bits() ^ id;
        json.bare("comment_count", it.comments);
        json.bare("task_count", it.tasks);
        json.string("type", "pullrequest");
        json.bare("id", id);
        json.string("title", &it.title);
        json.string("description", &it.description);
        json.string("state", it.state.as_str());
        json.bare("draft", it.draft);
        match &it.merge_commit {
            Some(hash) => json.object("merge_commit", |json| self.commit_short(json, repository, hash)),
            None => json.null("merge_commit"),
        }
        json.bare("close_source_branch", id % 2 == 0);
        self.account_or_null(json, "closed_by", it.closed_by);
        self.account_or_null(json, "author", it.author);
        json.string("reason", &it.reason);
        json.plain("created_on", Stamp { at: it.created_on, shape });
        json.plain("updated_on", Stamp { at: it.updated_on, shape: shape >> 3 });
        let mut side = |key: &str, from: Option<&Repository>, branch: &str, commit: &Option<String>| {
            json.object(key, |json| {
                json.object("branch", |json| {
                    json.string("name", branch);
                    if key == "source" {
                        json.object("links", |_| {});
                    }
                });
                match (commit, from) {
                    (Some(hash), Some(from)) => json.object("commit", |json| self.commit_short(json, from, hash)),
                    _ => json.null("commit"),
                }
                match from {
                    Some(from) => json.object("repository", |json| self.repository_short(json, from)),
                    None => json.null("repository"),
                }
            });
        };
        side("destination", Some(repository), &it.target_branch, &it.target_commit);
        let source =
            if it.source_repository == repository.uuid { Some(repository) } else { self.living(it.source_repository) };
        side("source", source, &it.source_branch, &it.source_commit);
        if extras.reviewers {
            json.array("reviewers", |json| {
                for reviewer in it.participants.iter().filter(|participant| participant.is_reviewer) {
                    if let Some(person) = self.person(reviewer.person) {
                        json.item(|json| self.account(json, person));
                    }
                }
            });
        }
        if extras.participants {
            json.array("participants", |json| {
                for participant in &it.participants {
                    json.item(|json| self.participant(json, participant));
                }
            });
        }
        json.object("links", |json| {
            let own = format!("{api}/repositories/{ws}/{slug}/pullrequests/{id}");
            json.link("self", format_args!("{own}"));
            json.link("html", format_args!("https://bitbucket.org/{ws}/{slug}/pull-requests/{id}"));
            for name in ["commits", "approve", "request-changes", "comments", "activity", "merge", "decline", "statuses"] {
                json.link(name, format_args!("{own}/{name}"));
            }
            let source = it.source_commit.as_deref().map_or("", short);
            let target = it.target_commit.as_deref().map_or("", short);
            for name in ["diff", "diffstat"] {
                json.link(
                    name,
                    format_args!(
                        "{api}/repositories/{ws}/{slug}/{name}/{ws}/{slug}:{source}%0D{target}?from_pullrequest_id={id}&topic=true"
                    ),
                );
            }
        });
        json.object("summary", |json| rendered(json, &it.description));
    }

    fn participant(&self, json: &mut Json, participant: &Participant) {
        json.string("type", "participant");
        self.account_or_null(json, "user", Some(participant.person));
        json.string("role", if participant.is_reviewer { "REVIEWER" } else { "PARTICIPANT" });
        json.bare("approved", participant.verdict == Some(Verdict::Approved));
        match participant.verdict {
            Some(Verdict::Approved) => json.string("state", "approved"),
            Some(Verdict::ChangesRequested) => json.string("state", "changes_requested"),
            None => json.null("state"),
        }
        match participant.at {
            Some(at) => json.plain("participated_on", Stamp { at, shape: 7 }),
            None => json.null("participated_on"),
        }
    }

    /// A commit as pull requests name it: 12 digits.
    fn commit_short(&self, json: &mut Json, repository: &Repository, hash: &str) {
        let (api, ws, slug, hash) = (self.api, self.workspace_slug(repository), &repository.slug, short(hash));
        json.string("type", "commit");
        json.plain("hash", hash);
        json.object("links", |json| {
            json.link("self", format_args!("{api}/repositories/{ws}/{slug}/commit/{hash}"));
            json.link("html", format_args!("https://bitbucket.org/{ws}/{slug}/commits/{hash}"));
        });
    }

    pub(super) fn commit(&self, json: &mut Json, repository: &Repository, history: &History, commit: &Commit) {
        let (api, ws, slug) = (self.api, self.workspace_slug(repository), &repository.slug);
        let hash = &commit.hash;
        json.string("type", "commit");
        json.plain("hash", hash);
        json.plain("date", GitDate(commit.date));
        json.object("author", |json| {
            json.string("type", "author");
            if let Some(person) = self.person(commit.author) {
                json.string("raw", &format!("{} <{}>", person.name, person.email));
                if person.has_account {
                    json.object("user", |json| self.account(json, person));
                }
            }
        });
        json.string("message", &commit.message);
        json.object("summary", |json| rendered(json, &commit.message));
        json.object("links", |json| {
            json.link("self", format_args!("{api}/repositories/{ws}/{slug}/commit/{hash}"));
            json.link("html", format_args!("https://bitbucket.org/{ws}/{slug}/commits/{hash}"));
            for (name, path) in [("diff", "diff"), ("patch", "patch")] {
                json.link(name, format_args!("{api}/repositories/{ws}/{slug}/{path}/{hash}"));
            }
            for name in ["approve", "comments", "statuses"] {
                json.link(name, format_args!("{api}/repositories/{ws}/{slug}/commit/{hash}/{name}"));
            }
        });
        json.array("parents", |json| {
            for parent in &commit.parents {
                let hash = &history.commits[*parent].hash;
                json.item(|json| {
                    json.plain("hash", hash);
                    json.object("links", |json| {
                        json.link("self", format_args!("{api}/repositories/{ws}/{slug}/commit/{hash}"));
                        json.link("html", format_args!("https://bitbucket.org/{ws}/{slug}/commits/{hash}"));
                    });
                    json.string("type", "commit");
                });
            }
        });
        json.object("rendered", |json| json.object("message", |json| rendered(json, &commit.message)));
        json.object("repository", |json| self.repository_short(json, repository));
    }

    pub(super) fn branch(&self, json: &mut Json, repository: &Repository, history: &History, name: &str, head: usize) {
        let (api, ws, slug) = (self.api, self.workspace_slug(repository), &repository.slug);
        json.string("name", name);
        json.object("links", |json| {
            json.link("commits", format_args!("{api}/repositories/{ws}/{slug}/commits/{name}"));
            json.link("self", format_args!("{api}/repositories/{ws}/{slug}/refs/branches/{name}"));
            json.link("html", format_args!("https://bitbucket.org/{ws}/{slug}/branch/{name}"));
        });
        json.string("default_merge_strategy", "merge_commit");
        json.array("merge_strategies", |json| {
            for strategy in ["merge_commit", "squash", "fast_forward"] {
                json.string_item(strategy);
            }
        });
        json.string("type", "branch");
        json.object("target", |json| self.commit(json, repository, history, &history.commits[head]));
    }
}

/// `{type: rendered, raw, markup, html}`
fn rendered(json: &mut Json, raw: &str) {
    json.string("type", "rendered");
    json.string("raw", raw);
    json.string("markup", "markdown");
    let mut html = String::with_capacity(raw.len() + 7);
    if !raw.is_empty() {
        let escaped = raw.trim_end().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let _ = write!(html, "<p>{escaped}</p>");
    }
    json.string("html", &html);
}
