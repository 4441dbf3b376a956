//! `/entities`: what is in the catalogs, as it is now.

use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Call;
use super::input::Params;
use super::reply::Done;
use super::route::{Route, get, only};
use crate::commands::entity::{EntityDetail, FoundEntity};
use crate::commands::request::{Answer, Request};
use crate::server::problem::Problem;

const TAG: &str = "entities";

pub(super) fn routes() -> Vec<Route> {
    vec![
        get("/entities", search).does(
            TAG,
            "Entities whose name holds a text, the likeliest first, with the repositories linked to them; 20 at most, as the catalog was last read.",
            "",
        ),
        get("/entities/{entity}", show).does(
            TAG,
            "One entity as it is now: its file's text, what imports wrote there and others changed since, what is linked to it.",
            "",
        ),
    ]
}

/// What to look for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Search {
    /// In whose catalog.
    integration: String,
    /// A part of the name, case ignored; left out: any.
    #[serde(default)]
    search: String,
}

async fn search(call: Call, Params(of): Params<Search>) -> Result<Done<Vec<FoundEntity>>, Problem> {
    let Search { integration, search: text } = of;
    only!(call.ask(Request::EntitySearch { integration, text }).await?, Answer::Entities).map(Done)
}

/// Where.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Of {
    /// In whose catalog; left out: in the first that has it.
    integration: Option<String>,
}

async fn show(call: Call, Params(Of { integration }): Params<Of>) -> Result<Done<EntityDetail>, Problem> {
    let answer = call.ask(Request::EntityShow { entity: call.path("entity"), integration }).await?;
    only!(answer, Answer::Entity).map(|entity| Done(*entity))
}
