//! What is due is started: syncs, a look at the config, the end of old records.

use std::sync::{Arc, PoisonError};

use chrono::{DateTime, SecondsFormat, Utc};
use tokio::sync::Notify;
use tracing::{error, info, warn};

use super::{Rebuild, Reload, Sidecar};
use crate::commands::{App, Failure, integration, sync};
use crate::config::Integration;
use crate::error::Report;
use crate::model::sync::SecondaryCounts;
use crate::model::{IntegrationKey, SyncRecord, Trigger};
use crate::schedule;
use crate::server::Commands as _;

/// How often the config file is looked at.
const LOOK_AT_CONFIG_EVERY: chrono::Duration = chrono::Duration::seconds(5);
/// How often old records are dropped.
const EXPIRE_EVERY: chrono::Duration = chrono::Duration::hours(24);
/// An integration whose sync could not begin is tried again after this.
pub(super) const RETRY_AFTER: chrono::Duration = chrono::Duration::minutes(1);

/// The loop: what is due is started, the config is looked at, old records go.
pub(super) async fn schedule_until_stopped(
    sidecar: &Arc<Sidecar>,
    reload: &Reload,
    rebuild: &Rebuild,
    hangup: &Notify,
) {
    let mut next_look = sidecar.clock.now() + LOOK_AT_CONFIG_EVERY;
    let mut next_expiry = sidecar.clock.now();
    let reloads = sidecar.current().reloads.clone();
    while !sidecar.stop.is_cancelled() {
        let now = sidecar.clock.now();
        if now >= next_expiry {
            expire(&sidecar.current()).await;
            next_expiry = now + EXPIRE_EVERY;
        }
        let next_run = sidecar.start_due(now).await;
        let wake = next_run.map_or(next_look, |next| next.min(next_look));
        tokio::select! {
            () = sidecar.stop.cancelled() => break,
            () = sidecar.woken.notified() => {}
            () = reloads.wanted() => sidecar.reload(reload, rebuild).await,
            () = hangup.notified() => sidecar.reload(reload, rebuild).await,
            () = sidecar.clock.sleep_until(wake) => {}
        }
        // Also when the clock jumped back: then `next_look` would be far away.
        let now = sidecar.clock.now();
        if now >= next_look || next_look - now > LOOK_AT_CONFIG_EVERY {
            if sidecar.config_changed() {
                sidecar.reload(reload, rebuild).await;
            }
            next_look = now + LOOK_AT_CONFIG_EVERY;
        }
        sidecar.reap();
    }
}

async fn expire(app: &App) {
    match sync::expire(app).await {
        Ok(0) => {}
        Ok(records) => info!(records, "dropped old records"),
        Err(failed) => {
            let mend = failed.mend();
            warn!("{}", Report::new("old records could not be dropped", &failed, mend).one_line());
        }
    }
}

impl Sidecar {
    /// Starts every sync that is due, and tells when the next one will be.
    pub(super) async fn start_due(self: &Arc<Self>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let app = self.current();
        let mut next: Option<DateTime<Utc>> = None;
        for integration in &app.config.integrations {
            let key = integration.key();
            let is_started = self.running.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&key);
            // By hand: looked at again in a moment.
            if is_started || app.running.is_syncing(&key) {
                continue;
            }
            let due = match self.due(&app, integration, now).await {
                Ok(Some(due)) => due,
                Ok(None) => continue,
                Err(failure) => {
                    error!(integration = integration.name, "{}", failure.report.one_line());
                    now + RETRY_AFTER
                }
            };
            if due <= now {
                self.start(app.clone(), integration.clone(), now);
            } else {
                next = Some(next.map_or(due, |next: DateTime<Utc>| next.min(due)));
            }
        }
        next
    }

    /// When an integration is due; `None`: it rests.
    async fn due(
        &self,
        app: &App,
        integration: &Integration,
        now: DateTime<Utc>,
    ) -> Result<Option<DateTime<Utc>>, Failure> {
        let key = integration.key();
        let switches = app.store.switches(&key).await?;
        if integration::is_suspended(integration, &switches) {
            return Ok(None);
        }
        let state = app.store.integration(&key).await?;
        let last = state.as_ref().and_then(|state| state.last_started_at);
        let due = schedule::next_due(&integration.update_every, &key, last, now);
        // A sweep that the budget ended goes on as soon as it may: left for hours, it would start over.
        let resume_at = state.and_then(|state| state.discovery.sweep).and_then(|sweep| sweep.resume_at);
        let resume_at = resume_at.filter(|at| last.is_none_or(|last| *at > last));
        let due = due.map(|due| resume_at.map_or(due, |resume_at| due.min(resume_at)));
        let not_before = self.not_before.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
        Ok(due.map(|due| not_before.map_or(due, |not_before| due.max(not_before))))
    }

    fn start(self: &Arc<Self>, app: Arc<App>, integration: Integration, now: DateTime<Utc>) {
        let key = integration.key();
        let under_way = UnderWay::begin(self.clone(), key.clone(), now);
        let sidecar = self.clone();
        let work = async move {
            let _under_way = under_way;
            let name = integration.name.clone();
            info!(integration = name, "sync begins");
            match sync::one(&app, &integration, Trigger::Schedule, false, &|_| {}).await {
                Ok(record) => {
                    // What cannot be told now is told when it is due.
                    let next = sidecar.due(&app, &integration, sidecar.clock.now()).await.ok().flatten();
                    tell(&name, &record, next);
                }
                Err(failure) => {
                    error!(integration = name, "sync did not begin: {}", failure.report.one_line());
                    sidecar.rest(&key);
                }
            }
        };
        self.spawn(Box::pin(work));
    }

    /// Not again before a moment has passed.
    fn rest(&self, key: &IntegrationKey) {
        let mut not_before = self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        not_before.insert(key.clone(), self.clock.now() + RETRY_AFTER);
    }

    /// Forgets finished work; a panic in it is told, not swallowed.
    pub(super) fn reap(&self) {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(ended) = work.try_join_next() {
            if let Err(failed) = ended {
                error!("a task ended unexpectedly: {failed}; please report this with the log");
            }
        }
    }
}

/// One integration's sync under way, whatever ends it: also a panic, which must not keep it from ever being
/// synced again.
pub(super) struct UnderWay {
    sidecar: Arc<Sidecar>,
    key: IntegrationKey,
}

impl UnderWay {
    pub(super) fn begin(sidecar: Arc<Sidecar>, key: IntegrationKey, now: DateTime<Utc>) -> Self {
        sidecar.running.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), now);
        Self { sidecar, key }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.sidecar.rest(&self.key);
        }
        self.sidecar.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
        self.sidecar.woken.notify_one();
    }
}

/// What somebody who looks at the log wants to know: how it ended, what it found and took, and when it comes again.
fn tell(name: &str, record: &SyncRecord, next: Option<DateTime<Utc>>) {
    let stored = |counts: &Option<SecondaryCounts>| counts.as_ref().map(|counts| counts.stored);
    info!(
        integration = name,
        sync = %record.id,
        outcome = record.outcome.as_str(),
        duration_ms = record.duration_ms,
        requests = record.requests,
        seen = record.repositories.seen,
        new = record.repositories.new,
        changed = record.repositories.changed,
        gone = record.repositories.gone,
        pull_requests = stored(&record.secondary.pull_requests),
        commits = stored(&record.secondary.commits),
        imported = record.imported.registered + record.imported.merged,
        updated = record.imported.updated,
        held = record.held.len(),
        errors = record.errors.len(),
        next_run = next.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true)),
        "sync ended"
    );
    for failed in &record.errors {
        warn!(integration = name, stage = failed.stage, repository = failed.repository, "{}", failed.message);
    }
    for held in record.held.iter().filter(|held| held.approvable) {
        warn!(integration = name, repository = held.repository, "held: {}", held.reason);
    }
    for note in &record.notes {
        info!(integration = name, "{note}");
    }
}
