//! `/webhooks/deliveries`: what Bitbucket sent, and what became of it.

use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Call;
use super::input::Params;
use super::reply::Done;
use super::route::{Route, get, only};
use super::syncs::within;
use crate::commands::deliveries::{DeliveryFilter, DeliveryPage, DeliveryStatus};
use crate::commands::request::{Answer, Request};
use crate::server::problem::Problem;

/// Rows of one page at most.
const MOST: usize = 200;

pub(super) fn routes() -> Vec<Route> {
    vec![get("/webhooks/deliveries", list).does(
        "webhooks",
        "The webhooks that were taken, newest first: where each says to look, and what became of it.",
        "webhook deliveries",
    )]
}

/// Which deliveries.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// `next` of the page before.
    cursor: Option<String>,
    /// Only what is about repositories of this integration.
    integration: Option<String>,
    /// Only those that wait, or only those that do not.
    state: Option<DeliveryStatus>,
    /// At most, 1 to 200.
    #[serde(default = "usual")]
    #[schemars(range(min = 1, max = 200))]
    limit: usize,
}

fn usual() -> usize {
    50
}

async fn list(call: Call, Params(of): Params<Which>) -> Result<Done<DeliveryPage>, Problem> {
    let limit = within(of.limit, MOST)?;
    let filter = DeliveryFilter { integration: of.integration, state: of.state, cursor: of.cursor, limit };
    only!(call.ask(Request::WebhookDeliveries(filter)).await?, Answer::Deliveries).map(|page| Done(*page))
}
