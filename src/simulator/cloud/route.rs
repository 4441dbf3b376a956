//! What a path of Bitbucket Cloud means.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::simulator::fault::Endpoint;

/// What a path means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::simulator) struct Route {
    pub(in crate::simulator) endpoint: Endpoint,
    /// Slug, `{uuid}`, or `{}` for any.
    pub(super) workspace: String,
    /// Slug or `{uuid}`.
    pub(super) repository: String,
    /// What follows: a pull request's id, a revision, a branch, a project's key.
    pub(super) item: Option<String>,
    pub(super) removed: bool,
}

impl Route {
    /// Reads a whole path.
    pub(in crate::simulator) fn of(path: &str) -> Self {
        let mut route = Self::parse(path.strip_prefix("/2.0/").unwrap_or("none"));
        if path == "/site/oauth2/access_token" {
            route.endpoint = Endpoint::Token;
        }
        if path == "/site/oauth2/authorize" {
            route.endpoint = Endpoint::Authorize;
        }
        route
    }

    /// Reads a path below `/2.0`.
    fn parse(path: &str) -> Self {
        let mut segments: Vec<Cow<'_, str>> = path
            .trim_start_matches('/')
            .split('/')
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy())
            .collect();
        let ends_with_slash = segments.len() > 1 && segments.last().is_some_and(|last| last.is_empty());
        if ends_with_slash {
            segments.pop();
        }
        let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
        let rest = |parts: &[&str]| (!parts.is_empty()).then(|| parts.join("/"));
        let (endpoint, workspace, repository, item) = match segments.as_slice() {
            ["repositories"]
            | ["workspaces"]
            | ["user", "permissions", "workspaces" | "repositories"]
            | ["teams", ..] => {
                return Self {
                    endpoint: Endpoint::Other,
                    workspace: String::new(),
                    repository: String::new(),
                    item: None,
                    removed: true,
                };
            }
            ["repositories", workspace] => (Endpoint::Repositories, *workspace, "", None),
            ["repositories", workspace, repository] => (Endpoint::Repository, *workspace, *repository, None),
            ["repositories", workspace, repository, "pullrequests"] => {
                (Endpoint::PullRequests, *workspace, *repository, None)
            }
            ["repositories", workspace, repository, "pullrequests", id] => {
                (Endpoint::PullRequest, *workspace, *repository, Some((*id).to_owned()))
            }
            ["repositories", workspace, repository, "pullrequests", id, "activity"] => {
                (Endpoint::Activities, *workspace, *repository, Some((*id).to_owned()))
            }
            ["repositories", workspace, repository, "pullrequests", id, "diffstat"] => {
                (Endpoint::Changes, *workspace, *repository, Some(format!("#{id}")))
            }
            ["repositories", workspace, repository, "diffstat", spec @ ..] => {
                (Endpoint::Changes, *workspace, *repository, rest(spec))
            }
            // Without the slash at its end there is nothing (facts 1.6).
            ["repositories", workspace, repository, "pipelines"] if ends_with_slash => {
                (Endpoint::Pipelines, *workspace, *repository, None)
            }
            ["repositories", workspace, repository, "commits", revision @ ..] => {
                (Endpoint::Commits, *workspace, *repository, rest(revision))
            }
            ["repositories", workspace, repository, "commit", hash] => {
                (Endpoint::Commit, *workspace, *repository, Some((*hash).to_owned()))
            }
            ["repositories", workspace, repository, "refs", "branches", branch @ ..] => {
                (Endpoint::Branches, *workspace, *repository, rest(branch))
            }
            ["workspaces", workspace, "hooks"] => (Endpoint::Webhooks, *workspace, "", None),
            ["workspaces", workspace, "hooks", id] => (Endpoint::Webhooks, *workspace, "", Some((*id).to_owned())),
            ["repositories", workspace, repository, "hooks"] => (Endpoint::Webhooks, *workspace, *repository, None),
            ["repositories", workspace, repository, "hooks", id] => {
                (Endpoint::Webhooks, *workspace, *repository, Some((*id).to_owned()))
            }
            ["workspaces", workspace] => (Endpoint::Workspace, *workspace, "", None),
            ["workspaces", workspace, "members"] => (Endpoint::Users, *workspace, "", None),
            ["workspaces", workspace, "projects"] => (Endpoint::Projects, *workspace, "", None),
            ["workspaces", workspace, "projects", key] => (Endpoint::Projects, *workspace, "", Some((*key).to_owned())),
            ["user"] => (Endpoint::User, "", "", None),
            ["user", "workspaces"] => (Endpoint::UserWorkspaces, "", "", None),
            _ => (Endpoint::Other, "", "", None),
        };
        Self { endpoint, workspace: workspace.to_owned(), repository: repository.to_owned(), item, removed: false }
    }

    /// `workspace/repository` as in the path, for orders that name one.
    pub(in crate::simulator) fn full_name(&self) -> Option<String> {
        (!self.repository.is_empty()).then(|| format!("{}/{}", self.workspace, self.repository))
    }

    /// Scopes a credential needs for it.
    pub(in crate::simulator) fn scopes(&self) -> &'static [&'static str] {
        match self.endpoint {
            Endpoint::Repositories
            | Endpoint::Repository
            | Endpoint::Commits
            | Endpoint::Commit
            | Endpoint::Changes
            | Endpoint::Branches => &["repository"],
            Endpoint::PullRequests | Endpoint::PullRequest | Endpoint::Activities => &["pullrequest"],
            Endpoint::Pipelines => &["pipeline"],
            Endpoint::Webhooks => &["webhook"],
            Endpoint::Projects => &["project"],
            Endpoint::User | Endpoint::UserWorkspaces | Endpoint::Users => &["account"],
            _ => &[],
        }
    }

    /// Which hourly limit it counts toward.
    pub(in crate::simulator) fn pool(&self) -> &'static str {
        if self.repository.is_empty() && self.endpoint != Endpoint::Repositories { "api" } else { "repositories" }
    }
}
