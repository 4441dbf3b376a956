//! `/imports`: previews, and imports that go on by themselves.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::events;
use super::input::{Json, Nothing, Params};
use super::reply::{Accepted, Done, Events};
use super::route::{Route, get, only, post};
use crate::commands::Failure;
use crate::commands::answer::ImportReport;
use crate::commands::jobs::{self, Job, JobReport};
use crate::commands::request::{Answer, DiscoveredFilter, ImportOptions, Request, Selection};
use crate::model::Action;
use crate::server::problem::Problem;

const TAG: &str = "imports";
/// Rows of an import in one answer.
const ROWS: usize = 1_000;
/// Repositories named at once; a filter takes any number.
const NAMED: usize = 5_000;

pub(super) fn routes() -> Vec<Route> {
    vec![
        post("/imports/preview", preview).does(
            TAG,
            "What an import would write, with each file's diff; writes nothing. Its `plan_id` imports exactly this.",
            "discovered import --dry-run",
        ),
        post("/imports", begin).does(
            TAG,
            "Imports repositories named, everything a filter matches, or a plan. It goes on by itself, whether somebody waits or not.",
            "discovered import",
        ),
        get("/imports", list).does(TAG, "Imports since the sidecar was started, newest first, without their rows.", ""),
        get("/imports/{id}", show).does(TAG, "One import, with the results of its rows.", ""),
        get("/imports/{id}/events", follow).does(
            TAG,
            "The result of each row as it comes (`row`), from the first on, then `ended`; then the stream ends.",
            "",
        ),
    ]
}

/// Everything pending that this matches.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Filter {
    /// Only of this integration.
    integration: Option<String>,
    /// Only with this recommendation; left out: `register` and `merge`.
    action: Option<Action>,
    /// Only where name, full name or entity contain this, case ignored.
    search: Option<String>,
    /// Only of the project of this key, case ignored.
    project: Option<String>,
    /// Only those of this kind after import, case ignored.
    kind: Option<String>,
}

/// What to import: one of `repositories`, `filter` and `plan`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Ids, full names, unique slugs or URLs; at most 5000.
    #[schemars(length(min = 1, max = 5000))]
    repositories: Option<Vec<String>>,
    /// Everything pending that this matches.
    filter: Option<Filter>,
    /// `plan_id` of a preview: what it showed, without what changed since.
    plan: Option<String>,
    /// Of `repositories`: the integration, where several know them.
    integration: Option<String>,
    /// Of `repositories`, by the same text: the `version` of the row somebody looked at. One that says something else by
    /// now is held, and says so.
    #[serde(default)]
    versions: BTreeMap<String, String>,
    /// Merge into this entity; for one repository.
    into: Option<String>,
    /// Kind of new entities.
    kind: Option<String>,
    /// Type of new entities.
    r#type: Option<String>,
    /// Of `repositories`: register, whatever is recommended.
    #[serde(default)]
    as_new: bool,
}

/// 422.
pub(super) fn unwanted(what: &str, mend: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, what, mend)
}

impl Wanted {
    fn read(self, dry_run: bool) -> Result<(Selection, ImportOptions), Problem> {
        let Self { repositories, filter, plan, integration, versions, into, kind, r#type, as_new } = self;
        let selection = match (repositories, filter, plan) {
            (Some(repositories), None, None) if repositories.is_empty() || repositories.len() > NAMED => {
                return Err(unwanted("no repository, or too many are named", "name 1 to 5000, or use `filter`"));
            }
            (Some(repositories), None, None) => Selection::Named { repositories, integration, versions },
            (None, Some(of), None) => {
                let Filter { integration, action, search, project, kind } = of;
                Selection::Matching(DiscoveredFilter { integration, action, state: None, search, project, kind })
            }
            (None, None, Some(_)) if dry_run => {
                return Err(unwanted("a plan was previewed already", "import it: POST /api/v1/imports"));
            }
            (None, None, Some(id)) => Selection::Plan { id },
            _ => {
                return Err(unwanted(
                    "it is not said what to import",
                    "give one of `repositories`, `filter` and `plan`",
                ));
            }
        };
        Ok((selection, ImportOptions { into, kind, r#type, as_new, dry_run }))
    }
}

async fn preview(call: Call, Json(wanted): Json<Wanted>) -> Result<Done<ImportReport>, Problem> {
    let (selection, options) = wanted.read(true)?;
    only!(call.ask(Request::DiscoveredImport { selection, options }).await?, Answer::Imported).map(Done)
}

/// An import that was begun.
#[derive(Serialize, JsonSchema)]
struct Begun {
    /// Its id, by which it is found and undone.
    import_id: String,
    /// Where the results of its rows come.
    events: String,
}

async fn begin(call: Call, Json(wanted): Json<Wanted>) -> Result<Accepted<Begun>, Problem> {
    let (selection, options) = wanted.read(false)?;
    // What is not known is told now, and not as the end of something that was accepted.
    match &selection {
        Selection::Named { repositories, integration, .. } => {
            if let Some(name) = integration {
                call.app.integration(name)?;
            }
            if let [one] = repositories.as_slice() {
                call.app.find(one, integration.as_deref()).await?;
            }
        }
        Selection::Matching(filter) => drop(call.app.integrations(filter.integration.as_deref())?),
        Selection::Plan { id } => {
            if call.app.store.plan(id).await.map_err(Failure::from)?.is_none() {
                let mend = "preview again; plans expire with the sync history";
                return Err(Failure::unknown(format!("there is no plan {id}"), mend).into());
            }
        }
    }
    let (job, work) = jobs::begin(&call.app, selection, options)?;
    call.shared.commands.spawn(Box::pin(work));
    let events = format!("{}/imports/{}/events", super::BASE, job.id);
    Ok(Accepted(Begun { import_id: job.id.clone(), events }))
}

async fn list(call: Call, _: Nothing) -> Result<Done<Vec<JobReport>>, Problem> {
    let jobs = call.app.jobs.visible(&call.app.caller);
    Ok(Done(jobs.iter().map(|job| job.report(0, 0)).collect()))
}

/// Which rows.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Rows {
    /// Rows seen already: `next_after` of the answer before.
    #[serde(default)]
    after: usize,
}

fn find(call: &Call) -> Result<Arc<Job>, Problem> {
    let id = call.path("id");
    call.app.jobs.job(&id, &call.app.caller).ok_or_else(|| {
        let what = format!("no import {id} is known since the sidecar was started");
        Failure::unknown(what, "`GET /api/v1/imported` shows what is imported, and by which import").into()
    })
}

async fn show(call: Call, Params(Rows { after }): Params<Rows>) -> Result<Done<JobReport>, Problem> {
    find(&call).map(|job| Done(job.report(after, ROWS)))
}

async fn follow(mut call: Call, Params(Rows { after }): Params<Rows>) -> Result<Events, Problem> {
    let job = find(&call)?;
    events::of_import(&mut call, job, after)
}
