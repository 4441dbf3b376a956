//! `/store`: its health, and a backup of it.

use super::call::Call;
use super::input::Nothing;
use super::reply::{Done, Lines};
use super::route::{For, Route, get, only, post};
use crate::commands::request::{Answer, Request};
use crate::server::problem::Problem;
use crate::store::{ExportOf, StoreReport};

const TAG: &str = "store";

pub(super) fn routes() -> Vec<Route> {
    vec![
        post("/store/check", check)
            .does(TAG, "Verifies every book of the store.", "store check")
            .only_for(For::AnyoneOfAll),
        get("/store/export", export)
            .does(TAG, "A backup as JSON lines, without credentials and sessions.", "store export")
            .only_for(For::AnyoneOfAll),
    ]
}

async fn check(call: Call, _: Nothing) -> Result<Done<StoreReport>, Problem> {
    only!(call.ask(Request::StoreCheck).await?, Answer::Store).map(Done)
}

async fn export(call: Call, _: Nothing) -> Result<Lines, Problem> {
    let answer = call.ask(Request::StoreExport { of: ExportOf::WithoutCredentials }).await?;
    only!(answer, Answer::Export).map(Lines)
}
