//! `/audit`: who did what, when, from where, and what came of it.

use askama::Template;
use askama::filters::Safe;

use super::escape::exact;
use super::fields::query;
use super::frame::{Asked, Frame, Page, page_of};
use super::integration::astray;
use super::words::{Chip, Moment};
use crate::commands::audit::AuditFilter;
use crate::commands::request::{Answer, Request};
use crate::store::AuditOutcome;

/// Entries of a page.
const ROWS: usize = 100;

#[derive(Template)]
#[template(path = "audit.html")]
struct Audit {
    f: Frame,
    rows: Vec<Row>,
    after: Option<String>,
    is_first: bool,
    /// Whose changes, as it goes back into its field.
    by: Safe<String>,
    integration: String,
    /// Integrations to choose from.
    names: Vec<String>,
    is_filtered: bool,
}

struct Row {
    at: Moment,
    by: String,
    from: String,
    what: String,
    integrations: String,
    outcome: Chip,
    detail: String,
}

pub(super) async fn show(asked: Asked) -> Page {
    let before = asked.query.trimmed("before");
    let (by, integration) = (asked.query.trimmed("by"), asked.query.trimmed("i"));
    let filter = AuditFilter { before: before.clone(), by: by.clone(), integration: integration.clone(), limit: ROWS };
    let Answer::Audit(entries) = asked.ask(Request::AuditList(filter)).await? else {
        return Err(asked.trouble(astray()));
    };
    let after = entries.last().filter(|_| entries.len() == ROWS).map(|last| {
        let kept = |name| asked.query.one(name).unwrap_or_default();
        let fields = [("before", last.id.as_str()), ("by", kept("by")), ("i", kept("i"))];
        format!("{}/audit?{}", asked.base, query(fields))
    });
    let rows = entries.iter().map(|entry| Row {
        at: Moment::new(asked.now(), entry.at),
        by: entry.by.clone(),
        from: entry.from.map_or_else(|| "this host".to_owned(), |from| from.to_string()),
        what: entry.request.clone(),
        integrations: entry.integrations.join(", "),
        outcome: match entry.outcome {
            AuditOutcome::Begun => Chip::new("begun", "busy", "busy"),
            AuditOutcome::Done => Chip::new("done", "good", "good"),
            AuditOutcome::Partly => Chip::new("in part", "look", "look"),
            AuditOutcome::Refused => Chip::new("refused", "look", "look"),
            AuditOutcome::Failed => Chip::new("failed", "bad", "bad"),
        },
        detail: entry.detail.clone().unwrap_or_default(),
    });
    Ok(page_of(&Audit {
        f: asked.frame("Audit", "audit"),
        rows: rows.collect(),
        after,
        is_first: before.is_none(),
        is_filtered: by.is_some() || integration.is_some(),
        by: exact(&by.unwrap_or_default()),
        integration: integration.unwrap_or_default(),
        names: asked.app.visible().map(|one| one.name.clone()).collect(),
    }))
}
