//! `/discovered`: what awaits a decision.

use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Call;
use super::input::{Json, Params};
use super::reply::Done;
use super::route::{Route, get, only, post};
use crate::commands::answer::{DiscoveredRow, Page};
use crate::commands::request::{Answer, DiscoveredFilter, DiscoveredSort, Explained, Paging, Request, StateFilter};
use crate::model::Action;
use crate::server::problem::Problem;

const TAG: &str = "discovered";

pub(super) fn routes() -> Vec<Route> {
    vec![
        get("/discovered", list).does(
            TAG,
            "A page of what awaits a decision, with how many match in all, and of each action.",
            "discovered list",
        ),
        get("/discovered/{repository}", show).does(
            TAG,
            "One recommendation explained: every rule tried, values compared, candidates, near misses.",
            "discovered show",
        ),
        post("/discovered/ignore", ignore).does(TAG, "Sets repositories aside.", "discovered ignore"),
        post("/discovered/restore", restore).does(
            TAG,
            "Takes ignored repositories back into the list, and forgets that others were unlinked.",
            "discovered restore",
        ),
    ]
}

/// The way round.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    /// A to Z, old to new.
    #[default]
    Ascending,
    /// Z to A, new to old.
    Descending,
}

/// Which rows, in which order, which page.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Only of this integration.
    integration: Option<String>,
    /// Only with this recommendation.
    action: Option<Action>,
    /// In which state; left out: `pending`.
    state: Option<StateFilter>,
    /// Only where name, full name or entity contain this, case ignored.
    search: Option<String>,
    /// Only of the project of this key, case ignored.
    project: Option<String>,
    /// Only those of this kind after import, case ignored.
    kind: Option<String>,
    /// What by.
    #[serde(default)]
    sort: DiscoveredSort,
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

pub(super) fn rows() -> usize {
    100
}

async fn list(call: Call, Params(of): Params<Which>) -> Result<Done<Page<DiscoveredRow>>, Problem> {
    let limit = super::syncs::within(of.limit, crate::commands::listing::MOST_ROWS)?;
    let Which { integration, action, state, search, project, kind, sort, order, cursor, .. } = of;
    let filter = DiscoveredFilter { integration, action, state, search, project, kind };
    let paging = Paging { sort, descending: order == Order::Descending, cursor, limit };
    let answer = call.ask(Request::DiscoveredPage { filter, paging }).await?;
    only!(answer, Answer::DiscoveredPage).map(|page| Done(*page))
}

/// Where a repository is known.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct In {
    /// The integration, where several know the repository.
    pub(super) integration: Option<String>,
}

async fn show(call: Call, Params(In { integration }): Params<In>) -> Result<Done<Explained>, Problem> {
    let answer = call.ask(Request::DiscoveredShow { repository: call.path("repository"), integration }).await?;
    only!(answer, Answer::Explained).map(|explained| Done(*explained))
}

/// Which repositories.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Repositories {
    /// Ids, full names, unique slugs or URLs.
    #[schemars(length(min = 1))]
    pub(super) repositories: Vec<String>,
    /// The integration, where several know them.
    pub(super) integration: Option<String>,
}

impl Repositories {
    /// At least one is named.
    pub(super) fn some(self) -> Result<(Vec<String>, Option<String>), Problem> {
        if self.repositories.is_empty() {
            return Err(super::imports::unwanted("no repository is named", "name at least one in `repositories`"));
        }
        Ok((self.repositories, self.integration))
    }
}

/// Which repositories to set aside, and why.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Aside {
    /// Ids, full names, unique slugs or URLs.
    #[schemars(length(min = 1))]
    repositories: Vec<String>,
    /// The integration, where several know them.
    integration: Option<String>,
    /// Why, for whoever looks at them later.
    reason: Option<String>,
}

async fn ignore(call: Call, Json(aside): Json<Aside>) -> Result<Done<Vec<DiscoveredRow>>, Problem> {
    let Aside { repositories, integration, reason } = aside;
    let (repositories, integration) = Repositories { repositories, integration }.some()?;
    let answer = call.ask(Request::DiscoveredIgnore { repositories, integration, reason }).await?;
    only!(answer, Answer::Discovered).map(Done)
}

async fn restore(call: Call, Json(which): Json<Repositories>) -> Result<Done<Vec<DiscoveredRow>>, Problem> {
    let (repositories, integration) = which.some()?;
    let answer = call.ask(Request::DiscoveredRestore { repositories, integration }).await?;
    only!(answer, Answer::Discovered).map(Done)
}
