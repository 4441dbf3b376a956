//! What a path of a Data Center means.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::DataCenterOptions;
use super::refusal::denied;
use crate::simulator::access::{Caller, Credential, Login};
use crate::simulator::answer::Refusal;
use crate::simulator::fault::Endpoint;

/// What lies at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    Properties,
    Repositories,
    Projects,
    Project,
    ProjectRepositories,
    Repository,
    DefaultBranch,
    /// `branches/default`, as before 7.6.
    OldDefaultBranch,
    Branches,
    Commits,
    Commit,
    CommitChanges,
    CommitDiffStats,
    PullRequests,
    PullRequest,
    PullRequestActivities,
    PullRequestChanges,
    PullRequestCommits,
    PullRequestDiffStats,
    RecentRepositories,
    Users,
    AdminUsers,
    BuildStatuses,
    BuildStats,
    /// Of commits that the body lists.
    ManyBuildStats,
    /// Of a project or a repository.
    Webhooks,
    /// Below the context path, but nothing.
    Nothing,
    /// Not even below the context path.
    Outside,
}

/// What a path means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::simulator) struct Route {
    pub(super) resource: Resource,
    /// Key, or `~user`.
    pub(super) project: String,
    /// Slug.
    pub(super) repository: String,
    /// What follows: a pull request's number, a commit.
    pub(super) item: String,
}

impl Route {
    /// Reads a whole path.
    pub(in crate::simulator) fn of(path: &str, context: &str) -> Self {
        let nowhere =
            |resource| Self { resource, project: String::new(), repository: String::new(), item: String::new() };
        let Some(below) = path.strip_prefix(context).filter(|below| below.starts_with('/')) else {
            return nowhere(Resource::Outside);
        };
        let mut segments: Vec<Cow<'_, str>> = below
            .trim_start_matches('/')
            .split('/')
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy())
            .collect();
        if segments.len() > 1 && segments.last().is_some_and(|last| last.is_empty()) {
            segments.pop();
        }
        let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
        let (api, rest) = match segments.as_slice() {
            ["rest", api, "1.0" | "latest", rest @ ..] => (*api, rest),
            _ => return nowhere(Resource::Nothing),
        };
        let (resource, project, repository, item) = match (api, rest) {
            ("api", ["projects", project, "repos", repository, rest @ ..]) => {
                let (resource, item) = beneath(rest);
                (resource, *project, *repository, item)
            }
            ("api", ["projects", project, "webhooks"]) => (Resource::Webhooks, *project, "", ""),
            ("api", ["projects", project, "webhooks", id]) => (Resource::Webhooks, *project, "", *id),
            ("api", ["projects", project, "repos"]) => (Resource::ProjectRepositories, *project, "", ""),
            ("api", ["projects", project]) => (Resource::Project, *project, "", ""),
            ("api", ["projects"]) => (Resource::Projects, "", "", ""),
            ("api", ["repos"]) => (Resource::Repositories, "", "", ""),
            ("api", ["application-properties"]) => (Resource::Properties, "", "", ""),
            ("api", ["profile", "recent", "repos"]) => (Resource::RecentRepositories, "", "", ""),
            ("api", ["users"]) => (Resource::Users, "", "", ""),
            ("api", ["admin", "users"]) => (Resource::AdminUsers, "", "", ""),
            ("build-status", ["commits", "stats"]) => (Resource::ManyBuildStats, "", "", ""),
            ("build-status", ["commits", "stats", commit]) => (Resource::BuildStats, "", "", *commit),
            ("build-status", ["commits", commit]) => (Resource::BuildStatuses, "", "", *commit),
            _ => (Resource::Nothing, "", "", ""),
        };
        Self { resource, project: project.to_owned(), repository: repository.to_owned(), item: item.to_owned() }
    }

    pub(in crate::simulator) fn endpoint(&self) -> Endpoint {
        match self.resource {
            Resource::Properties => Endpoint::ApplicationProperties,
            Resource::Repositories | Resource::ProjectRepositories => Endpoint::Repositories,
            Resource::Projects | Resource::Project => Endpoint::Projects,
            Resource::Repository => Endpoint::Repository,
            Resource::DefaultBranch | Resource::OldDefaultBranch => Endpoint::DefaultBranch,
            Resource::Branches => Endpoint::Branches,
            Resource::Commits | Resource::PullRequestCommits => Endpoint::Commits,
            Resource::Commit => Endpoint::Commit,
            Resource::CommitChanges | Resource::PullRequestChanges => Endpoint::Changes,
            Resource::CommitDiffStats | Resource::PullRequestDiffStats => Endpoint::DiffStats,
            Resource::PullRequests => Endpoint::PullRequests,
            Resource::PullRequest => Endpoint::PullRequest,
            Resource::PullRequestActivities => Endpoint::Activities,
            Resource::RecentRepositories => Endpoint::Identity,
            Resource::Users | Resource::AdminUsers => Endpoint::Users,
            Resource::BuildStatuses | Resource::BuildStats => Endpoint::BuildStatuses,
            Resource::ManyBuildStats => Endpoint::BuildTotals,
            Resource::Webhooks => Endpoint::Webhooks,
            Resource::Nothing | Resource::Outside => Endpoint::Other,
        }
    }

    /// `KEY/slug` as in the path, for orders that name a repository.
    pub(in crate::simulator) fn full_name(&self) -> Option<String> {
        (!self.repository.is_empty()).then(|| format!("{}/{}", self.project, self.repository))
    }

    /// Whether somebody may ask this at all; what they may see of it is settled with the answer.
    pub(in crate::simulator) fn admit(
        &self,
        caller: Caller,
        credential: Option<&Credential>,
        options: &DataCenterOptions,
    ) -> Result<(), Refusal> {
        let is_for_users = matches!(
            self.resource,
            Resource::RecentRepositories
                | Resource::Users
                | Resource::AdminUsers
                | Resource::BuildStatuses
                | Resource::BuildStats
                | Resource::ManyBuildStats
                | Resource::Webhooks
        );
        match (caller, self.resource) {
            (_, Resource::Properties | Resource::Nothing | Resource::Outside) => Ok(()),
            (Caller::Anonymous, _) if is_for_users || !options.anonymous_access => Err(denied(401)),
            // A project's or repository's token is nobody who has a licence.
            (Caller::Known(_), Resource::AdminUsers)
                if credential.is_some_and(|known| matches!(known.login, Login::AccessToken(_))) =>
            {
                Err(denied(options.denied_status))
            }
            _ => Ok(()),
        }
    }
}

/// What follows a repository.
fn beneath<'a>(rest: &[&'a str]) -> (Resource, &'a str) {
    match rest {
        [] => (Resource::Repository, ""),
        ["default-branch"] => (Resource::DefaultBranch, ""),
        ["branches"] => (Resource::Branches, ""),
        ["branches", "default"] => (Resource::OldDefaultBranch, ""),
        ["webhooks"] => (Resource::Webhooks, ""),
        ["webhooks", id] => (Resource::Webhooks, id),
        ["commits"] => (Resource::Commits, ""),
        ["commits", commit] => (Resource::Commit, commit),
        ["commits", commit, "changes"] => (Resource::CommitChanges, commit),
        ["commits", commit, "diff-stats-summary", ..] => (Resource::CommitDiffStats, commit),
        ["pull-requests"] => (Resource::PullRequests, ""),
        ["pull-requests", id] => (Resource::PullRequest, id),
        ["pull-requests", id, "activities"] => (Resource::PullRequestActivities, id),
        ["pull-requests", id, "changes"] => (Resource::PullRequestChanges, id),
        ["pull-requests", id, "commits"] => (Resource::PullRequestCommits, id),
        ["pull-requests", id, "diff-stats-summary", ..] => (Resource::PullRequestDiffStats, id),
        _ => (Resource::Nothing, ""),
    }
}
