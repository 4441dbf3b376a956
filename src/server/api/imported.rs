//! `/imported`: what is linked.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Call;
use super::discovered::{In, Order, Repositories, rows};
use super::imports::unwanted;
use super::input::{Json, Params};
use super::reply::Done;
use super::route::{Route, get, only, post};
use crate::commands::answer::{ImportedDetail, ImportedRow, Page, UndoReport};
use crate::commands::request::{
    Answer, ImportStatus, ImportedFilter, ImportedSort, Paging, RepositoryState, Request, UndoSelection,
};
use crate::server::problem::Problem;

const TAG: &str = "imported";

pub(super) fn routes() -> Vec<Route> {
    vec![
        get("/imported", list).does(
            TAG,
            "A page of what is linked, with how many match in all, and of each status.",
            "imported list",
        ),
        get("/imported/{repository}", show).does(
            TAG,
            "One link: what we wrote into the entity, what others took over, what is covered.",
            "imported show",
        ),
        post("/imported/unlink", unlink).does(
            TAG,
            "Ends links: entity and data stay, its sync stops, auto-import does not bring it back. Answers with the rows as they were.",
            "imported unlink",
        ),
        post("/imported/undo", undo).does(
            TAG,
            "Takes imports back, field by field, as far as the present value is ours; what others changed since stays, and is named. With `dry_run`, shows each file's diff and writes nothing.",
            "imported undo",
        ),
    ]
}

/// Which rows, in which order, which page.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Only of this integration.
    integration: Option<String>,
    /// Registered or merged.
    status: Option<ImportStatus>,
    /// State of the repository.
    state: Option<RepositoryState>,
    /// Only where name, full name or entity contain this, case ignored.
    search: Option<String>,
    /// Only of the project of this key, case ignored.
    project: Option<String>,
    /// Only entities of this kind, case ignored.
    kind: Option<String>,
    /// What by.
    #[serde(default)]
    sort: ImportedSort,
    /// Which way round.
    #[serde(default)]
    order: Order,
    /// `next` of the page before, as it is; left out: the first page.
    cursor: Option<String>,
    /// Rows, 1 to 200.
    #[serde(default = "rows")]
    #[schemars(range(min = 1, max = 200))]
    limit: usize,
}

async fn list(call: Call, Params(of): Params<Which>) -> Result<Done<Page<ImportedRow>>, Problem> {
    let limit = super::syncs::within(of.limit, crate::commands::listing::MOST_ROWS)?;
    let Which { integration, status, state, search, project, kind, sort, order, cursor, .. } = of;
    let filter = ImportedFilter { integration, status, state, search, project, kind };
    let paging = Paging { sort, descending: order == Order::Descending, cursor, limit };
    let answer = call.ask(Request::ImportedPage { filter, paging }).await?;
    only!(answer, Answer::ImportedPage).map(|page| Done(*page))
}

async fn show(call: Call, Params(In { integration }): Params<In>) -> Result<Done<ImportedDetail>, Problem> {
    let answer = call.ask(Request::ImportedShow { repository: call.path("repository"), integration }).await?;
    only!(answer, Answer::Link).map(|link| Done(*link))
}

async fn unlink(call: Call, Json(which): Json<Repositories>) -> Result<Done<Vec<ImportedRow>>, Problem> {
    let (repositories, integration) = which.some()?;
    let answer = call.ask(Request::ImportedUnlink { repositories, integration }).await?;
    only!(answer, Answer::Unlinked).map(Done)
}

/// Which imports to take back: one of `imports`, `repositories`, `sync`, `rule` and `since`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Undo {
    /// Ids of imports, as rows of `/imported` tell them.
    #[schemars(length(min = 1))]
    imports: Option<Vec<String>>,
    /// Ids, full names, unique slugs or URLs: of each, the import that linked it last; of an import of several, their part
    /// alone.
    #[schemars(length(min = 1))]
    repositories: Option<Vec<String>>,
    /// What this sync imported by itself.
    sync: Option<String>,
    /// What this rule led to, by its number at the time of the import.
    rule: Option<usize>,
    /// What was imported from this instant on.
    since: Option<DateTime<Utc>>,
    /// Only of this integration.
    integration: Option<String>,
    /// Write nothing; tell what would be, with the diffs.
    #[serde(default)]
    dry_run: bool,
}

async fn undo(call: Call, Json(of): Json<Undo>) -> Result<Done<UndoReport>, Problem> {
    let Undo { imports, repositories, sync, rule, since, integration, dry_run } = of;
    let which = match (imports, repositories, sync, rule, since) {
        (Some(ids), None, None, None, None) if !ids.is_empty() => UndoSelection::Imports { ids },
        (None, Some(repositories), None, None, None) if !repositories.is_empty() => {
            UndoSelection::Repositories { repositories }
        }
        (None, None, Some(id), None, None) => UndoSelection::Sync { id },
        (None, None, None, Some(rule), None) => UndoSelection::Rule { rule },
        (None, None, None, None, Some(at)) => UndoSelection::Since { at },
        _ => {
            return Err(unwanted(
                "it is not said what to take back",
                "give one of `imports`, `repositories`, `sync`, `rule` and `since`",
            ));
        }
    };
    only!(call.ask(Request::ImportedUndo { which, integration, dry_run }).await?, Answer::Undone).map(Done)
}
