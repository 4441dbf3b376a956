//! `webhook deliveries`: what Bitbucket sent, where it says to look, and what became of it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::caller::Sees;
use super::request::Answer;
use super::{App, Failure};
use crate::config::{Integration, WHOLE_INSTANCE};
use crate::model::{Delivery, DeliveryPlace, DeliveryState, RepoKey, SecondaryKind, Touched};
use crate::store::StoreError;

/// How many deliveries are read at once, where some are left out.
const BATCH: usize = 500;
/// A longer cursor is none of ours.
const CURSOR_BYTES: usize = 2_000;

/// Which deliveries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryFilter {
    /// Only what is about repositories of this integration.
    pub integration: Option<String>,
    /// Only those that wait, or only those that do not.
    pub state: Option<DeliveryStatus>,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// At most.
    pub limit: usize,
}

/// Whether something is left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// It is to be worked.
    Waiting,
    /// Nothing is left to do.
    Done,
}

/// A webhook that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeliveryRow {
    /// As the sender numbered it.
    pub id: String,
    /// `pullrequest:created`, `repo:refs_changed`, …
    pub event: String,
    /// Connectors whose secret signed it.
    pub connectors: Vec<String>,
    /// Where it says to look.
    pub repositories: Vec<DeliveredRepository>,
    /// When it came.
    pub received_at: DateTime<Utc>,
    /// Whether it waits.
    pub state: DeliveryStatus,
    /// While it waits: how often it was tried in vain.
    pub attempts: Option<u32>,
    /// While it waits: not before this.
    pub not_before: Option<DateTime<Utc>>,
    /// Since when it is done.
    pub done_at: Option<DateTime<Utc>>,
    /// What came of it: `synced`, or why not.
    pub outcome: Option<String>,
}

/// Where a webhook says to look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeliveredRepository {
    /// Its id, where the event tells it.
    pub id: Option<String>,
    /// As the event calls it.
    pub full_name: String,
    /// What else may have changed than the repository itself.
    pub kinds: Vec<SecondaryKind>,
}

/// A page of deliveries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeliveryPage {
    /// Newest first.
    pub rows: Vec<DeliveryRow>,
    /// The cursor of the next page; `null`: this is the last one.
    pub next: Option<String>,
}

/// What was taken, newest first. Whoever sees only some integrations is told of what is about repositories of these
/// alone.
pub(super) async fn list(app: &App, filter: &DeliveryFilter) -> Result<Answer, Failure> {
    let of = match &filter.integration {
        Some(name) => Some(app.integration(name)?),
        None => None,
    };
    let mut before = filter.cursor.as_deref().map(decode).transpose()?;
    let mut rows: Vec<(DeliveryPlace, DeliveryRow)> = Vec::new();
    // One more than is shown tells whether there is a next page.
    while rows.len() <= filter.limit {
        let page = app.store.deliveries(before.as_ref(), BATCH).await?;
        let Some(last) = page.last() else { break };
        before = Some(last.place());
        for delivery in page {
            let status = if delivery.is_waiting() { DeliveryStatus::Waiting } else { DeliveryStatus::Done };
            let is_wanted = filter.state.is_none_or(|state| state == status)
                && match of {
                    Some(integration) => concerns(app, integration, &delivery).await?,
                    None => true,
                };
            if is_wanted && is_visible(app, &delivery).await? {
                rows.push((delivery.place(), row(app, delivery, status)));
            }
        }
    }
    let has_more = rows.len() > filter.limit;
    rows.truncate(filter.limit);
    let next = rows.last().filter(|_| has_more).map(|(place, _)| encode(place));
    let rows = rows.into_iter().map(|(_, row)| row).collect();
    Ok(Answer::Deliveries(Box::new(DeliveryPage { rows, next })))
}

async fn is_visible(app: &App, delivery: &Delivery) -> Result<bool, StoreError> {
    if matches!(app.caller.sees, Sees::Everything) {
        return Ok(true);
    }
    for integration in app.visible() {
        if concerns(app, integration, delivery).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether all it names are an integration's: in its workspace, or known to it.
async fn concerns(app: &App, integration: &Integration, delivery: &Delivery) -> Result<bool, StoreError> {
    if !delivery.connectors.contains(&integration.connector) {
        return Ok(false);
    }
    for touched in &delivery.touched {
        if !is_in(integration, touched) && !is_known(app, integration, touched).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_in(integration: &Integration, touched: &Touched) -> bool {
    integration.workspace == WHOLE_INSTANCE || integration.workspace.eq_ignore_ascii_case(&touched.workspace)
}

async fn is_known(app: &App, integration: &Integration, touched: &Touched) -> Result<bool, StoreError> {
    let Some(id) = &touched.id else { return Ok(false) };
    let key = integration.key();
    let repo = RepoKey { instance: key.instance.clone(), id: id.clone() };
    let known = app.store.record(&key, &repo).await?;
    Ok(known.is_some_and(|(known, _)| known.presence.is_served()))
}

fn row(app: &App, delivery: Delivery, state: DeliveryStatus) -> DeliveryRow {
    let is_theirs = |connector: &String| {
        matches!(app.caller.sees, Sees::Everything) || app.visible().any(|one| one.connector == *connector)
    };
    let mut row = DeliveryRow {
        id: delivery.id,
        event: delivery.event,
        connectors: delivery.connectors.into_iter().filter(is_theirs).collect(),
        repositories: delivery
            .touched
            .into_iter()
            .map(|one| DeliveredRepository {
                full_name: one.full_name(),
                id: one.id,
                kinds: one.kinds.into_iter().collect(),
            })
            .collect(),
        received_at: delivery.received_at,
        state,
        attempts: None,
        not_before: None,
        done_at: None,
        outcome: None,
    };
    match delivery.state {
        DeliveryState::Waiting { attempts, not_before } => {
            (row.attempts, row.not_before) = (Some(attempts), Some(not_before));
        }
        DeliveryState::Done { at, outcome } => (row.done_at, row.outcome) = (Some(at), Some(outcome)),
    }
    row
}

fn encode(place: &DeliveryPlace) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(place).unwrap_or_default())
}

fn decode(cursor: &str) -> Result<DeliveryPlace, Failure> {
    Some(cursor)
        .filter(|cursor| cursor.len() <= CURSOR_BYTES)
        .and_then(|cursor| URL_SAFE_NO_PAD.decode(cursor).ok())
        .and_then(|json| serde_json::from_slice(&json).ok())
        .ok_or_else(|| {
            Failure::usage(
                "the cursor is not one that a page gave",
                "give `next` of the page before as it is, or leave `cursor` out",
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back() {
        let place = DeliveryPlace {
            received_at: "2026-11-21T12:00:00.123456789Z".parse().unwrap(),
            connectors: vec!["acme".to_owned(), "labs".to_owned()],
            id: "x\u{0}\"".to_owned(),
        };
        let cursor = encode(&place);
        assert_eq!(decode(&cursor).unwrap(), place);
        for broken in [&cursor[1..], "", "e30", "\u{0}", "ä", &"A".repeat(CURSOR_BYTES + 1)] {
            assert!(decode(broken).is_err(), "{broken}");
        }
    }
}
