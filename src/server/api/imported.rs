//! `/imported`: what is linked.

use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Call;
use super::discovered::{In, Order, Repositories, rows};
use super::input::{Json, Params};
use super::reply::Done;
use super::route::{Route, get, only, post};
use crate::commands::answer::{ImportedDetail, ImportedRow, Page};
use crate::commands::request::{Answer, ImportStatus, ImportedFilter, ImportedSort, Paging, RepositoryState, Request};
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
