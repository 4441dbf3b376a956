//! `/`: the integrations, a card each, with the one thing that needs somebody.

use askama::Template;

use super::frame::{Asked, Frame, Page, page_of};
use super::integration::{astray, waiting};
use super::words::{Chip, Moment, Sums, count, thousands};
use crate::commands::answer::IntegrationRow;
use crate::commands::request::{Answer, Request};
use crate::config::ConnectorType;
use crate::model::{Outcome, SyncRecord};

#[derive(Template)]
#[template(path = "cards.html")]
struct Cards {
    f: Frame,
    cards: Vec<Card>,
}

struct Card {
    name: String,
    at: String,
    product: &'static str,
    workspace: String,
    catalog: String,
    state: Chip,
    discovered: String,
    imported: String,
    conflicts: String,
    last: Option<Last>,
    next: Option<Moment>,
    budget: Option<Budget>,
    need: Option<Need>,
}

struct Last {
    at: Moment,
    outcome: Chip,
}

/// How much of the hour's requests is used; in thousandths for the bar.
pub(super) struct Budget {
    pub(super) used: u64,
    pub(super) forecast: u64,
    pub(super) words: String,
}

struct Need {
    words: String,
    href: String,
    link: &'static str,
    tone: &'static str,
    icon: &'static str,
}

pub(super) async fn show(asked: Asked) -> Page {
    let Answer::Integrations(rows) = asked.ask(Request::IntegrationList { name: None }).await? else {
        return Err(asked.trouble(astray()));
    };
    let mut cards = Vec::with_capacity(rows.len());
    for row in &rows {
        let sums = match row.state.as_str() {
            "orphaned" => Sums::default(),
            _ => waiting(&asked, &row.name).await?,
        };
        cards.push(card(&asked, row, sums));
    }
    Ok(page_of(&Cards { f: asked.frame("Integrations", "integrations"), cards }))
}

fn card(asked: &Asked, row: &IntegrationRow, sums: Sums) -> Card {
    let at = asked.integration_path(&row.name);
    let connector = row.connector.as_ref().and_then(|name| asked.app.config.connectors.get(name));
    Card {
        product: match connector.map(|connector| connector.kind) {
            Some(ConnectorType::BitbucketCloud) => "Bitbucket Cloud",
            Some(ConnectorType::BitbucketDataCenter) => "Bitbucket Data Center",
            None => "Bitbucket",
        },
        name: row.name.clone(),
        workspace: row.workspace.clone(),
        catalog: row.catalog.clone(),
        state: Chip::state(&row.state),
        discovered: thousands(sums.all()),
        imported: thousands(row.imported),
        conflicts: thousands(sums.conflict),
        last: row
            .last_sync
            .as_ref()
            .map(|sync| Last { at: Moment::new(asked.now(), sync.started_at), outcome: Chip::outcome(sync.outcome) }),
        next: row.next_run.map(|at| Moment::new(asked.now(), at)),
        budget: row.last_sync.as_ref().and_then(budget),
        need: need(row, sums, &at),
        at,
    }
}

/// What the last sync took, against what was left when it ended.
pub(super) fn budget(sync: &SyncRecord) -> Option<Budget> {
    let left = sync.requests_remaining?;
    let all = (sync.requests + left).max(1);
    let used = sync.requests * 1_000 / all;
    Some(Budget {
        used,
        // The next sync is expected to take about as much.
        forecast: (used * 2).min(1_000),
        words: format!("{} in the last sync, {} left in its hour", thousands(sync.requests), thousands(left)),
    })
}

/// The one thing that needs somebody, most pressing first.
fn need(row: &IntegrationRow, sums: Sums, at: &str) -> Option<Need> {
    let need = |words: String, path: &str, link, tone, icon| {
        Some(Need { words, href: format!("{at}/{path}"), link, tone, icon })
    };
    if row.state == "orphaned" {
        return need("It left the config; its data is kept.".to_owned(), "configuration", "Look", "look", "look");
    }
    let Some(sync) = &row.last_sync else {
        return need("It has never been synced.".to_owned(), "discovered", "Begin", "look", "play");
    };
    let this_sync = format!("syncs/{}", sync.id);
    match sync.outcome {
        Outcome::Failed => {
            let why = sync.errors.first().map_or_else(String::new, |error| format!(": {}", shortened(&error.message)));
            return need(format!("The last sync failed{why}"), &this_sync, "Look", "bad", "conflict");
        }
        Outcome::Held => {
            return need(
                "The last sync holds changes back for you.".to_owned(),
                &this_sync,
                "Decide",
                "look",
                "conflict",
            );
        }
        Outcome::Partial => {
            let errors = count(sync.errors.len() as u64, "error", "errors");
            return need(format!("The last sync had {errors}."), &this_sync, "Look", "look", "look");
        }
        _ => {}
    }
    if sums.conflict > 0 {
        let conflicts = count(sums.conflict, "conflict waits", "conflicts wait");
        return need(
            format!("{conflicts} for a decision."),
            "discovered?action=conflict",
            "Decide",
            "look",
            "conflict",
        );
    }
    match sums.register + sums.merge {
        0 => None,
        open => {
            let open = count(open, "repository waits", "repositories wait");
            need(format!("{open} for a decision."), "discovered", "Decide", "", "info")
        }
    }
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(120).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
