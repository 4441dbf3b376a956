//! `/webhooks`: those on Bitbucket that point to us.

use axum::http::Method;
use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Call;
use super::input::Params;
use super::reply::Done;
use super::route::{For, Route, get, only, post, route};
use crate::commands::answer::WebhookRow;
use crate::commands::request::{Answer, Request, WebhookDeed};
use crate::server::problem::Problem;

const TAG: &str = "webhooks";

pub(super) fn routes() -> Vec<Route> {
    vec![
        get("/webhooks", list)
            .does(TAG, "The webhooks on Bitbucket that point to us: asks Bitbucket.", "webhook list")
            .only_for(For::Editors),
        post("/webhooks", create).does(
            TAG,
            "Makes Bitbucket send its events to this sidecar, or brings our webhooks up to date; done twice, it changes nothing.",
            "webhook create",
        ),
        route(Method::DELETE, "/webhooks", delete).does(TAG, "Removes our webhooks from Bitbucket.", "webhook delete"),
    ]
}

/// Of which integrations.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Only of this one; left out: of all that have webhook secrets.
    integration: Option<String>,
}

async fn asked(call: &Call, deed: WebhookDeed, of: Which) -> Result<Done<Vec<WebhookRow>>, Problem> {
    let integrations = of.integration.into_iter().collect();
    only!(call.ask(Request::Webhook { deed, integrations }).await?, Answer::Webhooks).map(Done)
}

async fn list(call: Call, Params(of): Params<Which>) -> Result<Done<Vec<WebhookRow>>, Problem> {
    asked(&call, WebhookDeed::List, of).await
}

async fn create(call: Call, Params(of): Params<Which>) -> Result<Done<Vec<WebhookRow>>, Problem> {
    asked(&call, WebhookDeed::Create, of).await
}

async fn delete(call: Call, Params(of): Params<Which>) -> Result<Done<Vec<WebhookRow>>, Problem> {
    asked(&call, WebhookDeed::Delete, of).await
}
