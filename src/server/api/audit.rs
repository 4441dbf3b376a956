//! `/audit`: who changed what.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::input::Params;
use super::reply::Done;
use super::route::{Route, get, only};
use super::syncs::within;
use crate::commands::audit::AuditFilter;
use crate::commands::request::{Answer, Request};
use crate::server::problem::Problem;
use crate::store::AuditEntry;

/// Entries of one page at most.
const MOST: usize = 200;

pub(super) fn routes() -> Vec<Route> {
    vec![get("/audit", list).does("audit", "What people changed, newest first, and how it ended.", "audit list")]
}

/// Which entries.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// `next` of the page before.
    cursor: Option<String>,
    /// Only what they did.
    by: Option<String>,
    /// Only what is about this integration.
    integration: Option<String>,
    /// At most, 1 to 200.
    #[serde(default = "usual")]
    #[schemars(range(min = 1, max = 200))]
    limit: usize,
}

fn usual() -> usize {
    50
}

/// A page of the audit log.
#[derive(Serialize, JsonSchema)]
struct AuditPage {
    /// Newest first.
    rows: Vec<AuditEntry>,
    /// The cursor of the next page; `null`: this is the last one.
    next: Option<String>,
}

async fn list(call: Call, Params(of): Params<Which>) -> Result<Done<AuditPage>, Problem> {
    let limit = within(of.limit, MOST)?;
    // One more than is shown tells whether there is a next page.
    let filter = AuditFilter { before: of.cursor, by: of.by, integration: of.integration, limit: limit + 1 };
    let mut rows = only!(call.ask(Request::AuditList(filter)).await?, Answer::Audit)?;
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| has_more).map(|last| last.id.clone());
    Ok(Done(AuditPage { rows, next }))
}
