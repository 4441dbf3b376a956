//! `/integrations`: their life, and syncs of one.

use axum::http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Call, bad};
use super::input::{Json, Nothing, Params};
use super::reply::{Accepted, Done};
use super::route::{Route, get, only, post, route};
use crate::commands::answer::{CheckRow, Deletion, DryRun, IntegrationRow};
use crate::commands::request::{Answer, Request};
use crate::commands::running::SyncStarted;
use crate::commands::{check, sync};
use crate::server::problem::Problem;

const TAG: &str = "integrations";

pub(super) fn routes() -> Vec<Route> {
    vec![
        get("/integrations", list).does(TAG, "Every integration: state, schedule, next run, counts, the last sync.", "integration list"),
        get("/integrations/{name}", show).does(TAG, "One integration.", "integration show"),
        route(Method::DELETE, "/integrations/{name}", delete).does(
            TAG,
            "Forgets an integration and its history. Entities, files and people's decisions stay. With `dry_run=true`, tells what would be lost.",
            "integration delete",
        ),
        post("/integrations/{name}/suspend", suspend).does(TAG, "Suspends: no sync until it is resumed.", "integration suspend"),
        post("/integrations/{name}/resume", resume).does(TAG, "Resumes what was suspended by hand.", "integration resume"),
        route(Method::PUT, "/integrations/{name}/auto-import", auto_import).does(
            TAG,
            "Switches auto-import of what is discovered from now on; holds until the config file's value changes.",
            "integration auto-import",
        ),
        post("/integrations/{name}/sync", sync_now).does(
            TAG,
            "Begins a sync, which goes on by itself; its id finds its record, its events, and stops it.",
            "sync now",
        ),
        post("/integrations/{name}/dry-run", dry_run).does(
            TAG,
            "What a sync would do, with each file's diff; writes nothing anywhere. Answers when it is through.",
            "sync now --dry-run",
        ),
        post("/integrations/{name}/check", checked).does(
            TAG,
            "Asks Bitbucket and looks at the catalog: reachability, credential, rights, each finding with its mend.",
            "check",
        ),
    ]
}

async fn list(call: Call, _: Nothing) -> Result<Done<Vec<IntegrationRow>>, Problem> {
    only!(call.ask(Request::IntegrationList { name: None }).await?, Answer::Integrations).map(Done)
}

/// The one row of an answer about one integration.
fn one(answer: Answer) -> Result<Done<IntegrationRow>, Problem> {
    let mut rows = only!(answer, Answer::Integrations)?;
    match (rows.pop(), rows.is_empty()) {
        (Some(row), true) => Ok(Done(row)),
        // Orphans of one name in two workspaces.
        (Some(_), false) => {
            Err(bad("several integrations are called so", "`/integrations` lists them; name one by its workspace"))
        }
        (None, _) => Err(super::call::unexpected()),
    }
}

async fn show(call: Call, _: Nothing) -> Result<Done<IntegrationRow>, Problem> {
    one(call.ask(Request::IntegrationList { name: Some(call.path("name")) }).await?)
}

/// What would be lost, or that it is.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DryRunOnly {
    /// Only tell what would be lost.
    #[serde(default)]
    pub(super) dry_run: bool,
}

async fn delete(call: Call, Params(DryRunOnly { dry_run }): Params<DryRunOnly>) -> Result<Done<Deletion>, Problem> {
    let request = Request::IntegrationDelete { name: call.path("name"), dry_run };
    only!(call.ask(request).await?, Answer::Deleted).map(Done)
}

async fn suspend(call: Call, _: Nothing) -> Result<Done<IntegrationRow>, Problem> {
    one(call.ask(Request::IntegrationSuspend { name: call.path("name"), suspended: true }).await?)
}

async fn resume(call: Call, _: Nothing) -> Result<Done<IntegrationRow>, Problem> {
    one(call.ask(Request::IntegrationSuspend { name: call.path("name"), suspended: false }).await?)
}

/// A switch.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Switch {
    /// On or off.
    on: bool,
}

async fn auto_import(call: Call, Json(Switch { on }): Json<Switch>) -> Result<Done<IntegrationRow>, Problem> {
    one(call.ask(Request::IntegrationAutoImport { name: call.path("name"), on }).await?)
}

/// How to sync.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct SyncOptions {
    /// List every repository again, even if little seems to have changed.
    full: bool,
}

/// A sync that was begun.
#[derive(Serialize, JsonSchema)]
pub(super) struct Begun {
    #[serde(flatten)]
    sync: SyncStarted,
    /// Where its events are.
    events: String,
}

impl Begun {
    pub(super) fn of(sync: SyncStarted) -> Self {
        Self { events: format!("{}/syncs/{}/events", super::BASE, sync.id), sync }
    }
}

async fn sync_now(call: Call, Json(SyncOptions { full }): Json<SyncOptions>) -> Result<Accepted<Begun>, Problem> {
    let names = [call.path("name")];
    // Refused here as `sync now` would be: who may not, what is unknown, what is suspended.
    let mut begun = sync::begin_now(&call.app, &names, full).await?;
    let Some((started, work)) = begun.pop() else { return Err(super::call::unexpected()) };
    call.shared.commands.spawn(work);
    Ok(Accepted(Begun::of(started)))
}

async fn dry_run(call: Call, Json(SyncOptions { full }): Json<SyncOptions>) -> Result<Done<DryRun>, Problem> {
    let integrations = vec![call.path("name")];
    let answer = call.ask(Request::SyncNow { integrations, dry_run: true, full }).await?;
    let run = only!(answer, Answer::DryRuns)?.pop();
    run.map(Done).ok_or_else(super::call::unexpected)
}

async fn checked(call: Call, _: Nothing) -> Result<Done<Vec<CheckRow>>, Problem> {
    let name = call.path("name");
    // Known to the caller, and asked by who may spend requests.
    call.app
        .caller
        .may(&Request::SyncNow { integrations: vec![name.clone()], dry_run: true, full: false })
        .map_err(crate::commands::Failure::from)?;
    call.app.integration(&name)?;
    let (config, assembler) = (&call.app.config, &call.app.assembler);
    let lacking = config.lacking_secrets(assembler.secrets());
    Ok(Done(check::check(config, assembler, &[name], false, &lacking).await?))
}
