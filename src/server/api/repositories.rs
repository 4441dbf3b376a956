//! `/repositories/…`: the secondary kinds of one repository; `/users`: those of an integration.

use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Call;
use super::discovered::In;
use super::input::Params;
use super::reply::Done;
use super::route::{Route, get, only};
use super::syncs::within;
use crate::commands::Failure;
use crate::commands::answer::{CommitRow, PullRequestRow, UserRow};
use crate::commands::request::{Answer, Request};
use crate::commands::weeks::ActivityWeeks;
use crate::model::{Detail, DetailKind};
use crate::server::problem::Problem;

const TAG: &str = "activity";
/// Rows of one answer at most.
const MOST: usize = 1_000;

pub(super) fn routes() -> Vec<Route> {
    vec![
        get("/repositories/{repository}/pull-requests", pull_requests).does(
            TAG,
            "Pull requests of a repository, most recently updated first.",
            "activity pull-requests",
        ),
        get("/repositories/{repository}/commits", commits).does(
            TAG,
            "Commits of a repository's default branch, newest first.",
            "activity commits",
        ),
        get("/repositories/{repository}/details/{kind}", details).does(
            TAG,
            "An optional kind of a repository, where the config selects it: `reviews`, `commit_files`, `pull_request_files`, `pipelines`, `builds`.",
            "activity reviews",
        ),
        get("/repositories/{repository}/activity/weeks", weeks).does(
            TAG,
            "Pull requests and commits of a repository week by week; a week of which not everything is known says so.",
            "",
        ),
        get("/users", users).does(TAG, "People of the workspaces, where the config selects them.", "activity users"),
    ]
}

/// How many, and where.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// The integration, where several know the repository.
    integration: Option<String>,
    /// At most, 1 to 1000.
    #[serde(default = "usual")]
    #[schemars(range(min = 1, max = 1000))]
    limit: usize,
}

fn usual() -> usize {
    50
}

async fn pull_requests(call: Call, Params(of): Params<Which>) -> Result<Done<Vec<PullRequestRow>>, Problem> {
    let (repository, limit) = (call.path("repository"), within(of.limit, MOST)?);
    let request = Request::ActivityPullRequests { repository, integration: of.integration, limit };
    only!(call.ask(request).await?, Answer::PullRequests).map(Done)
}

async fn commits(call: Call, Params(of): Params<Which>) -> Result<Done<Vec<CommitRow>>, Problem> {
    let (repository, limit) = (call.path("repository"), within(of.limit, MOST)?);
    let request = Request::ActivityCommits { repository, integration: of.integration, limit };
    only!(call.ask(request).await?, Answer::Commits).map(Done)
}

async fn details(call: Call, Params(of): Params<Which>) -> Result<Done<Vec<Detail>>, Problem> {
    let (repository, limit, named) = (call.path("repository"), within(of.limit, MOST)?, call.path("kind"));
    let Some(kind) = DetailKind::ALL.into_iter().find(|kind| kind.as_str() == named) else {
        let kinds: Vec<&str> = DetailKind::ALL.iter().map(|kind| kind.as_str()).collect();
        return Err(Failure::unknown("there is no such kind", format!("use one of {}", kinds.join(", "))).into());
    };
    let request = Request::ActivityDetails { kind, repository, integration: of.integration, limit };
    only!(call.ask(request).await?, Answer::Details).map(Done)
}

async fn weeks(call: Call, Params(In { integration }): Params<In>) -> Result<Done<ActivityWeeks>, Problem> {
    let answer = call.ask(Request::ActivityWeeks { repository: call.path("repository"), integration }).await?;
    only!(answer, Answer::Weeks).map(|weeks| Done(*weeks))
}

async fn users(call: Call, Params(of): Params<Which>) -> Result<Done<Vec<UserRow>>, Problem> {
    let limit = within(of.limit, MOST)?;
    only!(call.ask(Request::ActivityUsers { integration: of.integration, limit }).await?, Answer::Users).map(Done)
}
