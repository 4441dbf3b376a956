//! Error answers of a Data Center.

use serde_json::{Value, json};

use crate::simulator::answer::Refusal;

/// `{"errors": [{context, message, exceptionName}]}`
fn error(status: u16, message: &str, exception: &str) -> Refusal {
    let exception = format!("com.atlassian.bitbucket.{exception}");
    Refusal { status, body: json!({"errors": [{"context": null, "message": message, "exceptionName": exception}]}) }
}

/// The first error without the list around it.
pub(in crate::simulator) fn bare(body: &Value) -> String {
    body.pointer("/errors/0").unwrap_or(body).to_string()
}

/// A parameter that cannot be.
pub(super) fn bad_parameter(name: &str, message: &str) -> Refusal {
    Refusal { status: 400, body: json!({"errors": [{"context": name, "message": message, "exceptionName": null}]}) }
}

pub(super) fn no_such_project(key: &str) -> Refusal {
    error(404, &format!("Project {key} does not exist."), "project.NoSuchProjectException")
}

pub(super) fn no_such_repository(name: &str) -> Refusal {
    error(404, &format!("Repository {name} does not exist."), "repository.NoSuchRepositoryException")
}

pub(super) fn no_such_commit(commit: &str, slug: &str) -> Refusal {
    error(404, &format!("Commit '{commit}' does not exist in repository '{slug}'."), "commit.NoSuchCommitException")
}

pub(super) fn no_such_branch(branch: &str) -> Refusal {
    error(404, &format!("Branch \"{branch}\" does not exist."), "repository.NoSuchBranchException")
}

pub(super) fn no_default_branch(slug: &str) -> Refusal {
    error(404, &format!("\"{slug}\" does not have a default branch."), "repository.NoDefaultBranchException")
}

pub(super) fn no_such_pull_request(id: &str, slug: &str) -> Refusal {
    error(404, &format!("Pull request {id} does not exist in {slug}."), "pull.NoSuchPullRequestException")
}

/// The caller may not: 401 as a rule, though they said who they are.
pub(super) fn denied(status: u16) -> Refusal {
    error(status, "You are not permitted to access this resource", "AuthorisationException")
}

/// Nobody has this name and password, or this token.
pub(in crate::simulator) fn wrong_credentials() -> Refusal {
    error(
        401,
        "Authentication failed. Please check your credentials and try again.",
        "auth.IncorrectPasswordAuthenticationException",
    )
}

/// A path that means nothing to this version: the REST framework answers by itself, in a shape of its own.
pub(super) fn no_such_path(uri: &str) -> Refusal {
    Refusal { status: 404, body: json!({"message": format!("null for uri: {uri}"), "status-code": 404}) }
}

pub(super) fn no_such_method() -> Refusal {
    Refusal { status: 405, body: json!({"message": "HTTP 405 Method Not Allowed", "status-code": 405}) }
}

/// What a status that was ordered comes with.
pub(in crate::simulator) fn ordered(status: u16) -> Refusal {
    match status {
        401 => denied(401),
        403 => denied(403),
        404 => error(404, "The requested resource does not exist.", "NoSuchObjectException"),
        409 => error(409, "The resource has been changed meanwhile.", "CommitException"),
        429 => error(429, "You have exceeded the rate limit. Try again later.", "server.RateLimitedException"),
        503 => error(
            503,
            "Bitbucket is currently under heavy load and is not able to service your request.",
            "server.ResourceBusyException",
        ),
        _ => error(
            status,
            "An error occurred while processing the request. Check the server logs for more information.",
            "server.ServerException",
        ),
    }
}
