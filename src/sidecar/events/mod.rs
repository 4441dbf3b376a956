//! Webhooks that were kept are worked here: oldest first, many events of a repository as one look at it, again after a
//! failure, and never with more than half of the requests of an hour (P6.12). What is acknowledged is in the store, so a
//! kill costs a moment.
//!
//! Those of other signers, and other integrations of the same, never wait for one that fails.

mod batch;
mod pace;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Duration, Utc};
use tokio::sync::Notify;
use tracing::{debug, error, info, warn};

use self::batch::{Batch, Came};
use self::pace::Pace;
use super::Sidecar;
use crate::commands::touched::{Current, Touching, touched};
use crate::commands::{App, Failure};
use crate::config::Integration;
use crate::error::Report;
use crate::model::{Delivery, DeliveryState, Outcome, Touched};
use crate::store::StoreError;

/// So many deliveries are looked through for one batch.
const LOOKED_THROUGH: usize = 20_000;
/// What nobody could work for so long is left to a sync of the whole.
const GIVEN_UP_AFTER: Duration = Duration::hours(24);
/// Looked again after this, whatever happens.
const AT_LEAST_EVERY: Duration = Duration::minutes(1);
/// Bitbucket Cloud's documented limit, where the source does not tell another.
const ASSUMED_PER_HOUR: u64 = 1_000;
/// Requests that a look costs, about.
const PER_LOOK: u64 = 3;

/// What is under way and what rests.
#[derive(Default)]
pub(super) struct Events {
    /// Told when deliveries were kept, or some are done.
    pub(super) kept: Arc<Notify>,
    /// Those whose deliveries are being worked, by who signed them.
    busy: Mutex<BTreeSet<Vec<String>>>,
    pace: Pace,
}

/// Works until the sidecar stops.
pub(super) async fn work(sidecar: Arc<Sidecar>) {
    let began = sidecar.clock.now();
    while !sidecar.stop.is_cancelled() {
        let now = sidecar.clock.now();
        let next = match start_due(&sidecar, began, now).await {
            Ok(next) => next.unwrap_or(now + AT_LEAST_EVERY).min(now + AT_LEAST_EVERY),
            Err(failed) => {
                error!("{}", Report::new("webhooks that wait cannot be read", &failed, failed.mend()).one_line());
                now + pace::FIRST_PAUSE
            }
        };
        tokio::select! {
            () = sidecar.stop.cancelled() => break,
            () = sidecar.events.kept.notified() => {}
            () = sidecar.clock.sleep_until(next) => {}
        }
    }
}

/// Starts a batch for everybody who has something due and is not at work; tells when more is due.
async fn start_due(
    sidecar: &Arc<Sidecar>,
    began: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    let store = sidecar.current().store.clone();
    let mut next: Option<DateTime<Utc>> = None;
    for (signers, due) in store.signers_waiting().await? {
        let at = sidecar.events.pace.signers_rest(&signers).map_or(due, |until| until.max(due));
        // A clock that jumped back: what came in the future is due as well.
        if at > now && at - now <= GIVEN_UP_AFTER {
            next = Some(next.map_or(at, |next: DateTime<Utc>| next.min(at)));
            continue;
        }
        let Some(busy) = Busy::begin(sidecar, &signers) else { continue };
        let (of, stop) = (sidecar.clone(), sidecar.stop.clone());
        sidecar.work.lock().unwrap_or_else(PoisonError::into_inner).spawn(async move {
            let _busy = busy;
            if !stop.is_cancelled() {
                work_batch(&of, &signers, began).await;
            }
        });
    }
    Ok(next)
}

/// Deliveries of one signer being worked; over when dropped, also by a panic.
struct Busy {
    sidecar: Arc<Sidecar>,
    signers: Vec<String>,
}

impl Busy {
    fn begin(sidecar: &Arc<Sidecar>, signers: &[String]) -> Option<Self> {
        let mut busy = sidecar.events.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let is_free = busy.insert(signers.to_vec());
        is_free.then(|| Self { sidecar: sidecar.clone(), signers: signers.to_vec() })
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.sidecar.events.pace.let_signers_rest(&self.signers, self.sidecar.clock.now() + pace::FIRST_PAUSE);
        }
        self.sidecar.events.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.signers);
        self.sidecar.events.kept.notify_one();
    }
}

/// Works deliveries of one signer, as many repositories as one batch has; what became of them is kept.
async fn work_batch(sidecar: &Arc<Sidecar>, signers: &[String], began: DateTime<Utc>) {
    let (events, app, now) = (&sidecar.events, sidecar.current(), sidecar.clock.now());
    let rest = || events.pace.let_signers_rest(signers, now + pace::FIRST_PAUSE);
    let due = match app.store.due_deliveries(signers, now, now + GIVEN_UP_AFTER, LOOKED_THROUGH).await {
        Ok(due) => due,
        Err(failed) => {
            error!("{}", Report::new("webhooks that wait cannot be read", &failed, failed.mend()).one_line());
            return rest();
        }
    };
    if due.is_empty() {
        // Never again and again in the same instant.
        return rest();
    }
    let of_signers = |integration: &&Integration| signers.contains(&integration.connector);
    let integrations: Vec<Integration> = app.config.integrations.iter().filter(of_signers).cloned().collect();
    let names = integrations.iter().map(|integration| integration.name.clone()).collect();
    let mut batch = Batch::of(due, names);
    for integration in &integrations {
        let name = &integration.name;
        if let Some(until) = events.pace.rests(name, now) {
            batch.came(name, Came::Rests(until));
            continue;
        }
        // What was begun and not ended: by the process before, or by a look that failed.
        let has_failed = events.pace.has_failed(name);
        let asked = batch.asked(name, |delivery| has_failed || delivery.received_at < began);
        if asked.is_empty() {
            continue;
        }
        match look(sidecar, integration, asked, now).await {
            Ok(Looked::Over { of, left }) => {
                events.pace.succeeded(name);
                batch.came(name, Came::looked(&of, &left));
            }
            Ok(Looked::Passed { because }) => batch.came(name, Came::Passed(because)),
            Ok(Looked::Spent { until }) => {
                debug!(integration = name, "webhooks have had their half of the hour's requests");
                // The others have the same requests.
                events.pace.let_signers_rest(signers, until);
                break;
            }
            Ok(Looked::Failed { because }) => {
                warn!(integration = name, "webhooks wait: {because}");
                batch.came(name, Came::Rests(events.pace.failed(name, now)));
            }
            Err(failure) => {
                warn!(integration = name, "webhooks wait: {}", failure.report.one_line());
                batch.came(name, Came::Rests(events.pace.failed(name, now)));
            }
        }
    }
    if !keep(&app, batch.settled(now)).await {
        // They are worked once more, which finds nothing to do; but not at once.
        rest();
    }
}

/// Keeps what became of them, and counts what is done; whether it could.
async fn keep(app: &App, deliveries: Vec<Delivery>) -> bool {
    let done: Vec<(Vec<String>, String)> = deliveries
        .iter()
        .filter_map(|delivery| match &delivery.state {
            DeliveryState::Done { outcome, .. } => Some((delivery.connectors.clone(), outcome.clone())),
            DeliveryState::Waiting { .. } => None,
        })
        .collect();
    if let Err(failed) = app.store.save_deliveries(deliveries).await {
        error!("{}", Report::new("what became of webhooks could not be kept", &failed, failed.mend()).one_line());
        return false;
    }
    for (connectors, outcome) in done {
        app.metrics.webhook_worked(&connectors, batch::label(&outcome));
    }
    true
}

/// What a look at the repositories of a batch came to, in one integration.
enum Looked {
    Over { of: Vec<Touched>, left: Vec<Touched> },
    Passed { because: &'static str },
    Spent { until: DateTime<Utc> },
    Failed { because: String },
}

async fn look(
    sidecar: &Arc<Sidecar>,
    integration: &Integration,
    mut asked: Vec<Touched>,
    now: DateTime<Utc>,
) -> Result<Looked, Failure> {
    let (app, pace) = (sidecar.current(), &sidecar.events.pace);
    let source = app.assembler.source(integration, Some(&app.store)).await?;
    let per_hour = source.usage().per_hour.unwrap_or(ASSUMED_PER_HOUR);
    match pace.allowance(&integration.connector, per_hour, now) {
        Ok(left) => asked.truncate(usize::try_from(left / PER_LOOK).unwrap_or(usize::MAX).max(1)),
        Err(until) => return Ok(Looked::Spent { until }),
    }
    let of = sidecar.clone();
    let current: Current = Arc::new(move || of.current());
    let (record, left) = match touched(&current, &integration.key(), &asked).await? {
        Touching::Looked { record, left } => (record, left),
        Touching::Suspended => return Ok(Looked::Passed { because: batch::SUSPENDED }),
        Touching::Gone => return Ok(Looked::Passed { because: batch::NO_INTEGRATION }),
    };
    pace.spend(&integration.connector, record.requests, now);
    info!(
        integration = integration.name,
        repositories = asked.len(),
        outcome = record.outcome.as_str(),
        duration_ms = record.duration_ms,
        requests = record.requests,
        changed = record.repositories.changed + record.repositories.new,
        updated = record.imported.updated,
        "webhooks worked"
    );
    for failed in &record.errors {
        warn!(
            integration = integration.name,
            stage = failed.stage,
            repository = failed.repository,
            "{}",
            failed.message
        );
    }
    Ok(match record.outcome {
        Outcome::RateLimited => Looked::Spent { until: source.usage().resume_at.unwrap_or(now + pace::LONGEST_PAUSE) },
        Outcome::Failed | Outcome::Cancelled => {
            let because = record.errors.last().map_or("stopped", |error| error.message.as_str());
            Looked::Failed { because: because.to_owned() }
        }
        _ => Looked::Over { of: asked, left },
    })
}
