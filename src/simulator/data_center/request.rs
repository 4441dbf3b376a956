//! From a request to an answer of a Data Center. Pure over the world; who is asking and how often was settled before.

use axum::http::Method;
use serde_json::json;

use super::DataCenterOptions;
use super::page::{Page, Parameters};
use super::refusal::{denied, no_such_method, no_such_path, no_such_project, no_such_repository};
use super::route::{Resource, Route};
use super::wire::Wire;
use crate::simulator::access::{Caller, Credential};
use crate::simulator::answer::Refusal;
use crate::simulator::face::{Asked, Drawing};
use crate::simulator::json::Json;
use crate::simulator::kept::Listings;
use crate::simulator::world::{Repository, World};

/// A request to be answered.
pub(in crate::simulator) struct Request<'a> {
    pub(super) options: &'a DataCenterOptions,
    pub(super) route: &'a Route,
    pub(super) world: &'a World,
    pub(super) listings: &'a dyn Listings,
    pub(super) caller: Caller,
    pub(super) parameters: Parameters,
    credential: Option<&'a Credential>,
    method: &'a Method,
    path: &'a str,
    /// The URL it was called by.
    base: &'a str,
    /// What was posted.
    pub(super) posted: &'a str,
}

impl<'a> Request<'a> {
    pub(in crate::simulator) fn of(
        options: &'a DataCenterOptions,
        route: &'a Route,
        asked: &Asked<'a>,
        from: &Drawing<'a>,
    ) -> Self {
        Self {
            options,
            route,
            world: from.world,
            listings: from.listings,
            caller: from.caller,
            parameters: Parameters::parse(asked.query),
            credential: from.credential,
            method: asked.method,
            path: asked.path,
            base: from.base,
            posted: asked.form,
        }
    }

    /// The body of a 200, an empty one of a 204, or a refusal.
    pub(in crate::simulator) fn answer(&self) -> Result<String, Refusal> {
        let is_known = match self.route.resource {
            Resource::Nothing | Resource::Outside => false,
            Resource::CommitDiffStats | Resource::PullRequestDiffStats => self.options.is_at_least(9, 1),
            // Its document calls the older path deprecated since then.
            Resource::DefaultBranch => self.options.is_at_least(7, 6),
            _ => true,
        };
        if !is_known {
            return Err(no_such_path(&format!("{}{}", self.base, self.path)));
        }
        let takes = if self.route.resource == Resource::ManyBuildStats { Method::POST } else { Method::GET };
        if *self.method != takes {
            return Err(no_such_method());
        }
        match self.route.resource {
            Resource::Properties => Ok(self.properties()),
            Resource::Repositories => self.repositories(),
            Resource::ProjectRepositories => self.project_repositories(),
            Resource::RecentRepositories => self.recent_repositories(),
            Resource::Projects => self.projects(),
            Resource::Project => self.project_alone(),
            Resource::Repository => self.repository_alone(),
            Resource::DefaultBranch => self.default_branch(),
            Resource::OldDefaultBranch => self.old_default_branch(),
            Resource::Branches => self.branches(),
            Resource::Commits => self.commits(),
            Resource::Commit => self.commit(),
            Resource::CommitChanges => self.commit_changes(),
            Resource::CommitDiffStats => self.commit_diff_stats(),
            Resource::PullRequests => self.pull_requests(),
            Resource::PullRequest => self.pull_request_alone(),
            Resource::PullRequestActivities => self.activities(),
            Resource::PullRequestChanges => self.pull_request_changes(),
            Resource::PullRequestCommits => self.pull_request_commits(),
            Resource::PullRequestDiffStats => self.pull_request_diff_stats(),
            Resource::Users => self.users(false),
            Resource::AdminUsers => self.users(true),
            Resource::BuildStatuses => self.build_statuses(),
            Resource::BuildStats => self.build_stats(),
            Resource::ManyBuildStats => self.many_build_stats(),
            // They change the world, which is done elsewhere.
            Resource::Webhooks | Resource::Nothing | Resource::Outside => Err(no_such_path(self.path)),
        }
    }

    fn properties(&self) -> String {
        let number = self.options.version.split('.').map(|part| format!("{part:0>3}")).collect::<String>();
        json!({
            "version": self.options.version,
            "buildNumber": number,
            "buildDate": "1730000000000",
            "displayName": "Bitbucket",
        })
        .to_string()
    }

    pub(super) fn wire(&self) -> Wire<'a> {
        let base = self.options.links_base.as_deref().unwrap_or(self.base);
        Wire { world: self.world, base: base.trim_end_matches('/'), options: self.options }
    }

    /// A page of a list of which everything may be seen.
    pub(super) fn page<R: Copy>(
        &self,
        all: &[R],
        most: usize,
        draw: impl FnMut(&mut Json, &R),
    ) -> Result<String, Refusal> {
        let page = Page::cut(all, self.parameters.window(most.min(self.options.page_limit))?, |_| true);
        Ok(page.text(self.options, draw, |_| {}))
    }

    /// Whether the caller sees a repository at all.
    pub(super) fn sees(&self, repository: &Repository) -> bool {
        if repository.hidden || repository.deleted {
            return false;
        }
        match self.caller {
            Caller::Anybody => true,
            Caller::Anonymous => !repository.is_private,
            Caller::Known(_) => self.credential.is_none_or(|credential| {
                may_read(credential) && credential.repositories.as_ref().is_none_or(|seen| self.names(seen, repository))
            }),
        }
    }

    /// Whether nothing is kept from the caller: projects without repositories are seen as well.
    pub(super) fn sees_all(&self) -> bool {
        self.caller == Caller::Anybody
            || self.credential.is_some_and(|known| known.repositories.is_none() && may_read(known))
    }

    fn names(&self, seen: &[String], repository: &Repository) -> bool {
        let world = self.world;
        let (key, slug) = (&world.project(repository).key, &repository.slug);
        seen.iter().any(|name| {
            name.split_once('/').is_some_and(|(owner, name)| owner == key && name == slug)
                || *name == world.full_name(repository)
                || *name == repository.uuid.to_string()
                || name.parse() == Ok(world.number(repository))
        })
    }

    /// The project, where the caller sees anything in it.
    pub(super) fn project(&self) -> Result<usize, Refusal> {
        let key = &self.route.project;
        let at = self.world.find_project(key).ok_or_else(|| no_such_project(key))?;
        let sees_some = || self.world.repositories.iter().any(|it| it.project == at && self.sees(it));
        if self.sees_all() || sees_some() { Ok(at) } else { Err(denied(self.options.denied_status)) }
    }

    /// The repository. One that is there and may not be seen is denied, not missing.
    pub(super) fn repository(&self) -> Result<&'a Repository, Refusal> {
        let Route { project, repository: slug, .. } = self.route;
        let at = self.world.find_project(project).ok_or_else(|| no_such_project(project))?;
        let at =
            self.world.find_in_project(at, slug).ok_or_else(|| no_such_repository(&format!("{project}/{slug}")))?;
        let repository = &self.world.repositories[at];
        if self.sees(repository) { Ok(repository) } else { Err(denied(self.options.denied_status)) }
    }

    /// The repository, where what lies in it may be seen too.
    pub(super) fn open_repository(&self) -> Result<&'a Repository, Refusal> {
        let repository = self.repository()?;
        if repository.forbidden { Err(denied(self.options.denied_status)) } else { Ok(repository) }
    }
}

/// Whether a token's permissions let it read anything.
fn may_read(credential: &Credential) -> bool {
    credential.scopes.as_ref().is_none_or(|scopes| {
        scopes
            .iter()
            .any(|scope| scope.starts_with("REPO_") || scope.starts_with("PROJECT_") || scope.ends_with("ADMIN"))
    })
}
