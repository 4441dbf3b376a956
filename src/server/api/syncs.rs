//! `/syncs`: begin, look at, follow, stop, approve.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Call, bad};
use super::events;
use super::input::{Json, Nothing, Params};
use super::integrations::Begun;
use super::reply::{Accepted, Done, Events};
use super::route::{Route, get, only, post};
use crate::commands::request::{Answer, Request};
use crate::commands::running::SyncStarted;
use crate::commands::sync;
use crate::engine::Progress;
use crate::model::SyncRecord;
use crate::server::problem::Problem;

const TAG: &str = "syncs";
/// Records of one answer at most.
const MOST: usize = 1_000;

pub(super) fn routes() -> Vec<Route> {
    vec![
        get("/syncs", list).does(TAG, "Past syncs and those that run, newest first.", "sync history"),
        post("/syncs", begin).does(
            TAG,
            "Begins syncs of the integrations named, or of all that are not suspended and not syncing already. They go on by themselves.",
            "sync now",
        ),
        get("/syncs/running", running).does(TAG, "Syncs in flight, and how far each has got.", ""),
        get("/syncs/{id}", show).does(TAG, "One sync: counts, errors, what it held.", "sync show"),
        post("/syncs/{id}/approve", approve).does(
            TAG,
            "Applies what a guard held back in a sync, as far as it still holds; answers with the record of doing so.",
            "sync approve",
        ),
        post("/syncs/{id}/cancel", cancel).does(
            TAG,
            "Asks a sync in flight to stop at its next checkpoint; the next one goes on from there. Answers with its record, which still says `running` where the checkpoint takes long.",
            "sync cancel",
        ),
        get("/syncs/{id}/events", of_one).does(
            TAG,
            "Progress of one sync as it comes: `started`, `progress`, and `ended` with its record, or `failed`; then the stream ends.",
            "",
        ),
        get("/events", of_all).does(TAG, "What happens to every sync, as it comes. A reader that does not keep up is cut off, and may come again.", ""),
    ]
}

/// Which syncs.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Only of this integration.
    integration: Option<String>,
    /// At most, 1 to 1000.
    #[serde(default = "usual")]
    #[schemars(range(min = 1, max = 1000))]
    limit: usize,
}

fn usual() -> usize {
    20
}

/// A limit within bounds.
pub(super) fn within(limit: usize, most: usize) -> Result<usize, Problem> {
    match limit {
        1.. if limit <= most => Ok(limit),
        _ => Err(bad("the limit is out of bounds", format!("give one from 1 to {most}"))),
    }
}

async fn list(call: Call, Params(of): Params<Which>) -> Result<Done<Vec<SyncRecord>>, Problem> {
    let limit = within(of.limit, MOST)?;
    only!(call.ask(Request::SyncHistory { integration: of.integration, limit }).await?, Answer::Syncs).map(Done)
}

/// What to sync.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Wanted {
    /// Names; none: all that are not suspended.
    integrations: Vec<String>,
    /// List every repository again, even if little seems to have changed.
    full: bool,
}

async fn begin(call: Call, Json(wanted): Json<Wanted>) -> Result<Accepted<Vec<Begun>>, Problem> {
    let begun = sync::begin_now(&call.app, &wanted.integrations, wanted.full).await?;
    let started = begun.into_iter().map(|(started, work)| {
        call.shared.commands.spawn(work);
        Begun::of(started)
    });
    Ok(Accepted(started.collect()))
}

/// A sync in flight.
#[derive(Serialize, JsonSchema)]
struct InFlight {
    #[serde(flatten)]
    sync: SyncStarted,
    /// How far it has got; `null`: it has just begun.
    progress: Option<Progress>,
}

async fn running(call: Call, _: Nothing) -> Result<Done<Vec<InFlight>>, Problem> {
    let flights = call.app.running.flights().into_iter().filter(|flight| call.app.caller.sees(&flight.integration));
    let shown = flights.map(|flight| InFlight {
        progress: flight.progress(),
        sync: SyncStarted {
            id: flight.id.clone(),
            integration: flight.integration.clone(),
            trigger: flight.trigger,
            started_at: flight.started_at,
        },
    });
    Ok(Done(shown.collect()))
}

async fn show(call: Call, _: Nothing) -> Result<Done<SyncRecord>, Problem> {
    only!(call.ask(Request::SyncShow { id: call.path("id") }).await?, Answer::Sync).map(|record| Done(*record))
}

async fn approve(call: Call, _: Nothing) -> Result<Done<SyncRecord>, Problem> {
    let answer = call.ask(Request::SyncApprove { id: call.path("id") }).await?;
    only!(answer, Answer::Syncs)?.pop().map(Done).ok_or_else(super::call::unexpected)
}

async fn cancel(call: Call, _: Nothing) -> Result<Done<SyncRecord>, Problem> {
    only!(call.ask(Request::SyncCancel { id: call.path("id") }).await?, Answer::Sync).map(|record| Done(*record))
}

async fn of_one(mut call: Call, _: Nothing) -> Result<Events, Problem> {
    let id = call.path("id");
    events::of_sync(&mut call, &id).await
}

async fn of_all(mut call: Call, _: Nothing) -> Result<Events, Problem> {
    events::of_all(&mut call)
}
