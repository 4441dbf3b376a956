//! `/integrations`: their life, and syncs of one.

use axum::http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Call, bad};
use super::input::{Json, Nothing, Params};
use super::reply::{Accepted, Done};
use super::route::{For, Route, get, only, post, route};
use crate::commands::answer::{CheckRow, Deletion, DryRun, IntegrationRow};
use crate::commands::draft::{Drafted, IntegrationDraft};
use crate::commands::request::{Answer, Request};
use crate::commands::rules_file::RulesText;
use crate::commands::running::SyncStarted;
use crate::commands::{check, sync};
use crate::error::escape_control;
use crate::server::problem::Problem;

const TAG: &str = "integrations";

pub(super) fn routes() -> Vec<Route> {
    vec![
        get("/integrations", list).does(TAG, "Every integration: state, schedule, next run, counts, the last sync.", "integration list"),
        get("/integrations/{name}", show).does(TAG, "One integration.", "integration show"),
        route(Method::PUT, "/integrations/{name}", create)
            .does(
                TAG,
                "Writes a new integration of this name into the config file, where `server.edit_config` allows it and the file still says what the draft was checked against. Nothing else of the file changes.",
                "",
            )
            .only_for(For::EditorsOfAll),
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
        post("/integrations/{name}/draft", draft)
            .does(
                TAG,
                "A new integration of this name, checked against the live connector and catalog as if it stood in the config; answers with the lines to put there. Makes nothing: a PUT of the same draft does, where `server.edit_config` allows it.",
                "",
            )
            .only_for(For::EditorsOfAll),
        get("/integrations/{name}/rules", rules).does(
            TAG,
            "The rules of an integration as they stand, with the version that a change has to name.",
            "",
        ),
        route(Method::PUT, "/integrations/{name}/rules", write_rules).does(
            TAG,
            "Writes an integration's rules file, where `server.edit_rules` allows it and it still says what the writer saw.",
            "",
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

/// What the address names is what the draft is of.
fn of_address(call: &Call, mut draft: IntegrationDraft) -> Result<Box<IntegrationDraft>, Problem> {
    let name = call.path("name");
    if !draft.name.is_empty() && draft.name != name {
        return Err(bad(
            format!("the draft is of {}, and the address names {}", escape_control(&draft.name), escape_control(&name)),
            "leave `name` out of the draft, or send it to the address of that name",
        ));
    }
    draft.name = name;
    Ok(Box::new(draft))
}

async fn draft(call: Call, Json(of): Json<IntegrationDraft>) -> Result<Done<Drafted>, Problem> {
    let draft = of_address(&call, of)?;
    only!(call.ask(Request::IntegrationDraft(draft)).await?, Answer::Drafted).map(|drafted| Done(*drafted))
}

/// A draft that was checked.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Checked {
    /// As it was checked.
    draft: IntegrationDraft,
    /// `version` of the answer to that: where the file says something else by now, nothing is written (409).
    instead_of: String,
}

async fn create(call: Call, Json(of): Json<Checked>) -> Result<Done<Drafted>, Problem> {
    let Checked { draft, instead_of } = of;
    let draft = of_address(&call, draft)?;
    only!(call.ask(Request::IntegrationCreate { draft, instead_of }).await?, Answer::Drafted)
        .map(|drafted| Done(*drafted))
}

async fn rules(call: Call, _: Nothing) -> Result<Done<RulesText>, Problem> {
    let answer = call.ask(Request::RulesShow { integration: call.path("name") }).await?;
    only!(answer, Answer::RulesText).map(|text| Done(*text))
}

/// Rules in place of others.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewRules {
    /// The whole file, as YAML; 64 KiB at most.
    #[schemars(length(max = 65536))]
    rules: String,
    /// `version` of the rules that this was made of: where the file says something else by now, nothing is written (409).
    instead_of: String,
}

async fn write_rules(call: Call, Json(new): Json<NewRules>) -> Result<Done<RulesText>, Problem> {
    let NewRules { rules: text, instead_of } = new;
    let answer = call.ask(Request::RulesWrite { integration: call.path("name"), text, instead_of }).await?;
    only!(answer, Answer::RulesText).map(|text| Done(*text))
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
