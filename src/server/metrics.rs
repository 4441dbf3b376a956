//! `GET /metrics`: how things stand, for Prometheus.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tracing::warn;

use super::Commands;
use crate::commands::{App, Failure, integration};
use crate::metrics::{CONTENT_TYPE, ConnectorNow, IntegrationNow, Now, WebhooksNow};
use crate::model::{Outcome, SyncRecord, Trigger};

/// How many syncs are looked through, once, for the last that succeeded before this process began.
const SYNCS_LOOKED_AT: usize = 200;

/// Among so many the last whole one is looked for.
const RECENT_SYNCS: usize = 20;

/// The route.
pub fn routes(commands: Arc<dyn Commands>) -> Router {
    Router::new().route("/metrics", get(metrics)).with_state(commands)
}

async fn metrics(State(commands): State<Arc<dyn Commands>>) -> Response {
    let app = commands.app();
    let now = match now(&app).await {
        Ok(now) => now,
        Err(failure) => {
            warn!("metrics could not be gathered: {}", failure.report.one_line());
            return (StatusCode::INTERNAL_SERVER_ERROR, "the state could not be read; the log says why\n")
                .into_response();
        }
    };
    match app.metrics.render(&now) {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// How things stand.
///
/// # Errors
/// The store's.
pub async fn now(app: &App) -> Result<Now, Failure> {
    let mut now = Now { is_config_refused: app.reloads.refused().is_some(), ..Now::default() };
    for one in &app.config.integrations {
        let key = one.key();
        let last_success = match app.metrics.last_success(&one.name) {
            Some(at) => Some(at),
            None => {
                app.metrics.succeeded_before(&one.name, &app.store.syncs(Some(&key), SYNCS_LOOKED_AT).await?);
                app.metrics.last_success(&one.name)
            }
        };
        let switches = app.store.switches(&key).await?;
        // What runs has counted nothing yet, and what a webhook brought looked at one repository.
        let recent = app.store.syncs(Some(&key), RECENT_SYNCS).await?;
        let is_whole = |record: &&SyncRecord| record.outcome != Outcome::Running && record.trigger != Trigger::Webhook;
        let mut of_one = recent.iter().find(is_whole).map(of_record).unwrap_or_default();
        of_one.last_success = last_success;
        of_one.is_suspended = integration::is_suspended(one, &switches);
        now.integrations.insert(one.name.clone(), of_one);
    }
    let mut used = app.assembler.connections().await;
    let mut waiting = waiting(app).await?;
    for (name, connector) in &app.config.connectors {
        let expires = connector.auth.iter().filter_map(|credential| app.assembler.expiry(credential)).min();
        let waits = waiting.remove(name);
        let webhooks = if connector.webhook_secrets.is_empty() { waits } else { Some(waits.unwrap_or_default()) };
        let of_one = ConnectorNow { used: used.remove(name).unwrap_or_default(), expires, webhooks };
        now.connectors.insert(name.clone(), of_one);
    }
    Ok(now)
}

/// Webhooks that wait, by connector.
async fn waiting(app: &App) -> Result<BTreeMap<String, WebhooksNow>, Failure> {
    let now = app.clock.now();
    let mut all: BTreeMap<String, WebhooksNow> = BTreeMap::new();
    for one in app.store.waiting_deliveries().await? {
        let age_s = ((now - one.oldest).num_milliseconds() as f64 / 1000.0).max(0.0);
        for connector in one.connectors {
            let of_one = all.entry(connector).or_default();
            of_one.waiting += one.count;
            of_one.oldest_s = of_one.oldest_s.max(age_s);
        }
    }
    Ok(all)
}

fn of_record(record: &SyncRecord) -> IntegrationNow {
    let secondary = &record.secondary;
    let named =
        [("pull_requests", &secondary.pull_requests), ("commits", &secondary.commits), ("users", &secondary.users)];
    let named = named.into_iter().filter_map(|(kind, counts)| Some((kind.to_owned(), counts.as_ref()?.backlog)));
    let details = secondary.details.iter().map(|(kind, counts)| (kind.as_str().to_owned(), counts.backlog));
    let recommended = &record.recommendations;
    IntegrationNow {
        last_success: None,
        is_suspended: false,
        held: record.held.iter().filter(|held| held.approvable).count() as u64,
        backlog: named.chain(details).collect(),
        discovered: [
            ("register", recommended.register),
            ("merge", recommended.merge),
            ("conflict", recommended.conflict),
        ]
        .into(),
    }
}
