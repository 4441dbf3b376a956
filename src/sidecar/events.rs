//! Webhooks that were kept are worked here: oldest first, many events of a repository as one look at it, again after a
//! failure, and never with more than half of the requests of an hour (P6.12). What is acknowledged is in the store, so a
//! kill costs a moment.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Duration, Utc};
use tokio::sync::Notify;
use tracing::{debug, error, info, warn};

use super::Sidecar;
use crate::commands::{App, Failure, sync};
use crate::config::Integration;
use crate::error::Report;
use crate::model::delivery::coalesce;
use crate::model::{Delivery, DeliveryState, Outcome, Touched};
use crate::store::StoreError;

/// So many deliveries are looked through for what is due.
const LOOKED_THROUGH: usize = 20_000;
/// Repositories of one batch: a crawl that waits for it waits a moment.
const REPOSITORIES: usize = 50;
/// What fails for one repository is tried so often; then a sync of the whole brings it.
const ATTEMPTS: u32 = 8;
/// After a failure, doubled each time.
const FIRST_PAUSE: Duration = Duration::seconds(10);
const LONGEST_PAUSE: Duration = Duration::minutes(30);
/// What nobody could work for so long is left to a sync of the whole.
const GIVEN_UP_AFTER: Duration = Duration::hours(24);
/// Looked again after this, whatever happens.
const AT_LEAST_EVERY: Duration = Duration::minutes(1);
/// Bitbucket Cloud's documented limit, where the source does not tell another.
const ASSUMED_PER_HOUR: u64 = 1_000;

/// What is under way and what rests.
#[derive(Default)]
pub(super) struct Events {
    /// Told when deliveries were kept, or some are done.
    pub(super) kept: Arc<Notify>,
    /// Those whose deliveries are being worked, by who signed them.
    busy: Mutex<BTreeSet<String>>,
    /// Until when those rest, and after how many failures in a row.
    rests: Mutex<BTreeMap<String, (DateTime<Utc>, u32)>>,
    /// Requests that events cost, by connector: those of the last hour.
    spent: Mutex<BTreeMap<String, Spent>>,
}

/// Requests and when they were sent, the oldest first.
type Spent = VecDeque<(DateTime<Utc>, u64)>;

/// Works until the sidecar stops.
pub(super) async fn work(sidecar: Arc<Sidecar>) {
    while !sidecar.stop.is_cancelled() {
        let now = sidecar.clock.now();
        let next = match start_due(&sidecar, now).await {
            Ok(next) => next.unwrap_or(now + AT_LEAST_EVERY).min(now + AT_LEAST_EVERY),
            Err(failed) => {
                error!("{}", Report::new("webhooks that wait cannot be read", &failed, failed.mend()).one_line());
                now + FIRST_PAUSE
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
async fn start_due(sidecar: &Arc<Sidecar>, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, StoreError> {
    let app = sidecar.current();
    let mut next: Option<DateTime<Utc>> = None;
    let mut due: BTreeMap<String, Vec<Delivery>> = BTreeMap::new();
    for delivery in app.store.waiting_deliveries(LOOKED_THROUGH).await? {
        let DeliveryState::Waiting { not_before, .. } = delivery.state else { continue };
        let signers = delivery.connectors.join(" ");
        let rests = sidecar.events.rests.lock().unwrap_or_else(PoisonError::into_inner).get(&signers).copied();
        let at = rests.map_or(not_before, |(until, _)| until.max(not_before));
        // A clock that jumped back: what came in the future is due as well.
        if at > now && at - now <= GIVEN_UP_AFTER {
            next = Some(next.map_or(at, |next: DateTime<Utc>| next.min(at)));
        } else {
            due.entry(signers).or_default().push(delivery);
        }
    }
    for (signers, deliveries) in due {
        let Some(busy) = Busy::begin(sidecar, &signers) else { continue };
        let (app, stop) = (app.clone(), sidecar.stop.clone());
        let of = sidecar.clone();
        sidecar.work.lock().unwrap_or_else(PoisonError::into_inner).spawn(async move {
            let _busy = busy;
            if !stop.is_cancelled() {
                batch(&of, &app, &signers, deliveries).await;
            }
        });
    }
    Ok(next)
}

/// Deliveries of one signer being worked; over when dropped, also by a panic.
struct Busy {
    sidecar: Arc<Sidecar>,
    signers: String,
}

impl Busy {
    fn begin(sidecar: &Arc<Sidecar>, signers: &str) -> Option<Self> {
        let mut busy = sidecar.events.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let is_free = busy.insert(signers.to_owned());
        is_free.then(|| Self { sidecar: sidecar.clone(), signers: signers.to_owned() })
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.sidecar.events.rest(&self.signers, self.sidecar.clock.now());
        }
        self.sidecar.events.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.signers);
        self.sidecar.events.kept.notify_one();
    }
}

impl Events {
    /// Not again before a pause, which grows.
    fn rest(&self, signers: &str, now: DateTime<Utc>) {
        let mut rests = self.rests.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = rests.get(signers).map_or(0, |(_, failures)| *failures);
        rests.insert(signers.to_owned(), (now + pause(failures), failures + 1));
    }

    fn rest_until(&self, signers: &str, until: DateTime<Utc>) {
        self.rests.lock().unwrap_or_else(PoisonError::into_inner).insert(signers.to_owned(), (until, 0));
    }

    fn rested(&self, signers: &str) {
        self.rests.lock().unwrap_or_else(PoisonError::into_inner).remove(signers);
    }

    fn spend(&self, connector: &str, requests: u64, now: DateTime<Utc>) {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        spent.entry(connector.to_owned()).or_default().push_back((now, requests));
    }

    /// Requests events may still cost now; or when some are free again.
    fn allowance(&self, connector: &str, per_hour: u64, now: DateTime<Utc>) -> Result<u64, DateTime<Utc>> {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let spent = spent.entry(connector.to_owned()).or_default();
        while spent.front().is_some_and(|(at, _)| *at + Duration::hours(1) <= now || *at > now) {
            spent.pop_front();
        }
        let used: u64 = spent.iter().map(|(_, requests)| requests).sum();
        match (per_hour / 2).checked_sub(used).filter(|left| *left > 0) {
            Some(left) => Ok(left),
            None => Err(spent.front().map_or(now, |(at, _)| *at) + Duration::hours(1)),
        }
    }
}

fn pause(failures: u32) -> Duration {
    FIRST_PAUSE.checked_mul(1 << failures.min(10)).unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE)
}

/// Works the deliveries of one signer, as many repositories as one batch has; what became of them is kept.
async fn batch(sidecar: &Sidecar, app: &App, signers: &str, deliveries: Vec<Delivery>) {
    let now = sidecar.clock.now();
    let mut batch = Batch::of(deliveries);
    let of_signers = |integration: &&Integration| batch.connectors.contains(&integration.connector);
    let integrations: Vec<&Integration> = app.config.integrations.iter().filter(of_signers).collect();
    let mut again: Vec<Touched> = Vec::new();
    let mut outcome = if integrations.is_empty() { "no integration of the connector" } else { "synced" };
    for integration in integrations {
        match look(sidecar, app, integration, &mut batch, now).await {
            Ok(Looked::Over { left }) => again.extend(left),
            Ok(Looked::Suspended) => outcome = "suspended: the next sync brings it",
            Ok(Looked::Spent { until }) => {
                debug!(integration = integration.name, "webhooks have had their half of the hour's requests");
                return sidecar.events.rest_until(signers, until);
            }
            Ok(Looked::Failed { because }) => {
                warn!(integration = integration.name, "webhooks wait: {because}");
                sidecar.events.rest(signers, now);
                return keep(app, batch.given_up(now)).await;
            }
            Err(failure) => {
                warn!(integration = integration.name, "webhooks wait: {}", failure.report.one_line());
                sidecar.events.rest(signers, now);
                return keep(app, batch.given_up(now)).await;
            }
        }
    }
    sidecar.events.rested(signers);
    keep(app, batch.settled(&again, outcome, now)).await;
}

async fn keep(app: &App, deliveries: Vec<Delivery>) {
    if let Err(failed) = app.store.save_deliveries(deliveries).await {
        // They are worked once more, which finds nothing to do.
        error!("{}", Report::new("what became of webhooks could not be kept", &failed, failed.mend()).one_line());
    }
}

/// What a look at the repositories of a batch came to, in one integration.
enum Looked {
    Over { left: Vec<Touched> },
    Suspended,
    Spent { until: DateTime<Utc> },
    Failed { because: String },
}

async fn look(
    sidecar: &Sidecar,
    app: &App,
    integration: &Integration,
    batch: &mut Batch,
    now: DateTime<Utc>,
) -> Result<Looked, Failure> {
    let source = app.assembler.source(integration, Some(&app.store)).await?;
    let per_hour = source.usage().per_hour.unwrap_or(ASSUMED_PER_HOUR);
    match sidecar.events.allowance(&integration.connector, per_hour, now) {
        // A look costs about three requests.
        Ok(left) => batch.cut(usize::try_from(left / 3).unwrap_or(usize::MAX).max(1)),
        Err(until) => return Ok(Looked::Spent { until }),
    }
    let Some((record, left)) = sync::touched(app, integration, batch.touched.clone()).await? else {
        return Ok(Looked::Suspended);
    };
    sidecar.events.spend(&integration.connector, record.requests, now);
    info!(
        integration = integration.name,
        webhooks = batch.deliveries.len(),
        repositories = batch.touched.len(),
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
        Outcome::RateLimited => {
            let until = source.usage().resume_at.unwrap_or(now + LONGEST_PAUSE);
            Looked::Spent { until }
        }
        Outcome::Failed | Outcome::Cancelled => {
            let because = record.errors.last().map_or("stopped", |error| error.message.as_str());
            Looked::Failed { because: because.to_owned() }
        }
        _ => Looked::Over { left },
    })
}

/// Deliveries worked together.
struct Batch {
    connectors: BTreeSet<String>,
    deliveries: Vec<Delivery>,
    touched: Vec<Touched>,
}

impl Batch {
    /// The oldest, up to so many repositories; whatever else is about those comes along.
    fn of(deliveries: Vec<Delivery>) -> Self {
        let connectors = deliveries.iter().flat_map(|delivery| delivery.connectors.iter().cloned()).collect();
        let mut batch = Self { connectors, deliveries, touched: Vec::new() };
        batch.cut(REPOSITORIES);
        batch
    }

    fn cut(&mut self, repositories: usize) {
        let all = coalesce(self.deliveries.iter().flat_map(touched_by));
        let kept: HashSet<String> = all.iter().take(repositories).map(identity).collect();
        self.deliveries.retain(|delivery| delivery.touched.iter().all(|one| kept.contains(&identity(one))));
        self.touched = coalesce(self.deliveries.iter().flat_map(touched_by));
    }

    /// What becomes of them after a look: those with something `again` are tried once more, not for ever.
    fn settled(self, again: &[Touched], outcome: &str, now: DateTime<Utc>) -> Vec<Delivery> {
        let again: HashSet<String> = again.iter().map(identity).collect();
        let settle = |delivery: Delivery| {
            let attempts = attempts(&delivery) + 1;
            let is_left = delivery.touched.iter().any(|one| again.contains(&identity(one)));
            let state = if !is_left {
                DeliveryState::Done { at: now, outcome: outcome.to_owned() }
            } else if attempts >= ATTEMPTS {
                DeliveryState::Done { at: now, outcome: "given up: the next sync brings it".to_owned() }
            } else {
                DeliveryState::Waiting { attempts, not_before: now + pause(attempts - 1) }
            };
            Delivery { state, ..delivery }
        };
        self.deliveries.into_iter().map(settle).collect()
    }

    /// Of those that nobody could work, the ones that waited too long.
    fn given_up(self, now: DateTime<Utc>) -> Vec<Delivery> {
        let old = self.deliveries.into_iter().filter(|delivery| now - delivery.received_at > GIVEN_UP_AFTER);
        let outcome = "given up: the next sync brings it";
        old.map(|delivery| Delivery { state: DeliveryState::Done { at: now, outcome: outcome.to_owned() }, ..delivery })
            .collect()
    }
}

fn attempts(delivery: &Delivery) -> u32 {
    match delivery.state {
        DeliveryState::Waiting { attempts, .. } => attempts,
        DeliveryState::Done { .. } => 0,
    }
}

fn touched_by(delivery: &Delivery) -> impl Iterator<Item = Touched> + '_ {
    let again = attempts(delivery) > 0;
    delivery.touched.iter().map(move |one| Touched { again, ..one.clone() })
}

fn identity(touched: &Touched) -> String {
    touched.id.clone().unwrap_or_else(|| touched.full_name().to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::minutes(minute)
    }

    fn delivery(id: usize, repository: usize) -> Delivery {
        let touched = Touched {
            id: Some(format!("{{{repository}}}")),
            workspace: "acme".to_owned(),
            slug: format!("r{repository}"),
            kinds: BTreeSet::new(),
            again: false,
        };
        Delivery {
            id: id.to_string(),
            body_sha256: id.to_string(),
            connectors: vec!["acme".to_owned()],
            event: "repo:push".to_owned(),
            touched: vec![touched],
            received_at: at(0),
            state: DeliveryState::Waiting { attempts: 0, not_before: at(0) },
        }
    }

    // P6.12: a burst of 10,000 events on 200 repositories is 200 looks, in batches that end soon.
    #[test]
    fn a_burst_is_one_look_at_each_repository_p6_12() {
        let mut waiting: Vec<Delivery> = (0..10_000).map(|id| delivery(id, id * 7 % 200)).collect();
        let (mut looks, mut batches) = (0, 0);
        while !waiting.is_empty() {
            let batch = Batch::of(waiting.clone());
            assert!(batch.touched.len() <= REPOSITORIES);
            looks += batch.touched.len();
            batches += 1;
            let done: HashSet<String> = batch.deliveries.iter().map(|one| one.id.clone()).collect();
            waiting.retain(|one| !done.contains(&one.id));
        }
        assert_eq!((looks, batches), (200, 4));
    }

    // P6.12: what fails is tried again, later each time, and not for ever.
    #[test]
    fn what_fails_is_tried_again_and_not_for_ever_p6_12() {
        let mut now = at(0);
        let mut waiting = vec![delivery(1, 1), delivery(2, 2)];
        let mut pauses = Vec::new();
        loop {
            let batch = Batch::of(waiting.clone());
            let again = [batch.touched[0].clone()];
            let settled = batch.settled(&again, "synced", now);
            waiting = settled.into_iter().filter(|one| one.id == "1").collect();
            match waiting[0].state {
                DeliveryState::Waiting { not_before, .. } => {
                    pauses.push((not_before - now).num_seconds());
                    now = not_before;
                }
                DeliveryState::Done { .. } => break,
            }
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640]);
        assert!(
            Batch::of(vec![Delivery {
                state: DeliveryState::Waiting { attempts: 2, not_before: now },
                ..delivery(1, 1)
            }])
            .touched[0]
                .again
        );
    }

    // P6.12, security.md: events spend at most half of the hourly budget, in any hour.
    #[test]
    fn events_spend_half_of_the_budget_p6_12() {
        let events = Events::default();
        assert_eq!(events.allowance("acme", 900, at(0)), Ok(450));
        events.spend("acme", 300, at(0));
        events.spend("labs", 900, at(0));
        events.spend("acme", 150, at(10));
        assert_eq!(events.allowance("acme", 900, at(11)), Err(at(60)));
        assert_eq!(events.allowance("acme", 900, at(60)), Ok(300));
        assert_eq!(events.allowance("acme", 900, at(70)), Ok(450));
    }
}
