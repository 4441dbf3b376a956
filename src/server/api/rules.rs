//! `/rules` and `/report`: what rules would do, and how far the catalog covers what there is; on stored data.

use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Call;
use super::imports::unwanted;
use super::input::{Json, Params};
use super::reply::Done;
use super::route::{For, Route, get, only, post};
use crate::commands::report::IntegrationReport;
use crate::commands::request::{Answer, Request};
use crate::commands::rules::{RulesPreview, RulesReport};
use crate::server::problem::Problem;

const TAG: &str = "rules";
/// A rules file is smaller.
const TEXT_BYTES: usize = 64 * 1024;

pub(super) fn routes() -> Vec<Route> {
    vec![
        post("/rules/check", check)
            .does(TAG, "Every fault of rules with its line; and what of them finds nothing in the stored data.", "rules check")
            .only_for(For::Anyone),
        post("/rules/preview", preview)
            .does(
                TAG,
                "What rules would change against the stored data, without a request to Bitbucket: recommendations, and fields of linked entities; and how well they agree with what people decided.",
                "rules preview",
            )
            .only_for(For::Anyone),
        get("/report", report).does(
            TAG,
            "Coverage per project; entities whose repository is missing, gone, archived or renamed; owners that lack; the trend over syncs.",
            "report",
        ),
    ]
}

/// Rules to look at.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Text {
    /// The rules, as YAML; 64 KiB at most.
    #[schemars(length(max = 65536))]
    rules: String,
    /// What to call them in faults.
    name: Option<String>,
    /// Only of this integration.
    integration: Option<String>,
}

impl Text {
    fn read(self) -> Result<Self, Problem> {
        if self.rules.len() > TEXT_BYTES {
            return Err(unwanted("the rules are longer than 64 KiB", "send a rules file"));
        }
        Ok(self)
    }
}

async fn check(call: Call, Json(text): Json<Text>) -> Result<Done<RulesReport>, Problem> {
    let Text { rules: text, name, integration } = text.read()?;
    let name = name.unwrap_or_else(|| "rules".to_owned());
    only!(call.ask(Request::RulesCheck { text, name, integration }).await?, Answer::RulesChecked).map(Done)
}

async fn preview(call: Call, Json(text): Json<Text>) -> Result<Done<Vec<RulesPreview>>, Problem> {
    let Text { rules: text, name, integration } = text.read()?;
    let request = Request::RulesPreview { text, name, integration, limit: None };
    only!(call.ask(request).await?, Answer::RulesPreviewed).map(Done)
}

/// Of which integrations.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Only of this one.
    integration: Option<String>,
}

async fn report(
    call: Call,
    Params(Which { integration }): Params<Which>,
) -> Result<Done<Vec<IntegrationReport>>, Problem> {
    let integrations = integration.into_iter().collect();
    only!(call.ask(Request::Report { integrations }).await?, Answer::Reported).map(Done)
}
