//! `sync approve`: applies exactly what a guard held, nothing else.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::import::carry_out;
use super::{EngineError, Progress, update};
use crate::apply::{Applying, StepResult};
use crate::assemble::Parts;
use crate::clock::Clock;
use crate::ids::Ids;
use crate::model::{ImportId, KnownRepository, Outcome, SyncId, SyncRecord, Trigger};
use crate::store::{CrawlLease, Store, StoredPlan};

/// How long an approval waits for a sync that runs.
const LEASE_WAIT: Duration = Duration::from_secs(10);

/// Everything an approval works with.
pub struct Approval<'a> {
    /// The integration.
    pub parts: &'a Parts,
    /// State.
    pub store: &'a dyn Store,
    /// Time.
    pub clock: &'a Clock,
    /// Ids.
    pub ids: &'a Ids,
    /// Who approves.
    pub by: &'a str,
    /// Stop between steps.
    pub stop: &'a CancellationToken,
    /// Reports how far it has got.
    pub progress: &'a (dyn Fn(Progress) + Sync + Send),
    /// What was held.
    pub plan: &'a StoredPlan,
}

/// Applies what was held and records it as a sync of its own.
///
/// # Errors
/// [`EngineError::Running`] while a sync of the integration runs; the store's.
pub async fn approve(approval: &Approval<'_>) -> Result<SyncRecord, EngineError> {
    let Approval { parts, store, clock, ids, by, stop, progress, plan: held } = approval;
    let Some(lease) = store.crawl_lease(&parts.key, LEASE_WAIT).await? else {
        return Err(EngineError::Running(parts.integration.name.clone()));
    };
    let started_at = clock.now();
    let mut record = SyncRecord::begun(SyncId(ids.next()), &parts.integration.name, Trigger::Approval, started_at);

    if let Some(entities) = &held.shrunk_to {
        store.save_known_entities(parts.catalog.name(), entities).await?;
        record.notes.push("the catalog as it was then is accepted; the next sync goes on".to_owned());
    }
    record.repositories.gone = accept_absences(approval, &lease).await?;

    let plan = held.plan.approved();
    if !plan.steps.is_empty() {
        let catalog = parts.catalog.as_ref();
        // The document places of the plan are found again from a fresh reading.
        if let Err(error) = catalog.read().await {
            return Err(EngineError::Locked { what: error.to_string(), mend: error.mend().unwrap_or_default() });
        }
        let catalog_lease = store.catalog_lease(catalog.name()).await?;
        let links = store.links(catalog.name()).await?;
        let import_id = ImportId(ids.next());
        let total = plan.steps.len() as u64;
        let outcomes = carry_out(
            &Applying {
                catalog,
                store: *store,
                lease: &catalog_lease,
                links: &links,
                import_id: &import_id,
                sync_id: Some(&record.id),
                by,
                now: clock.now(),
                stop,
                progress: &|done| {
                    progress(Progress {
                        integration: parts.integration.name.clone(),
                        stage: "apply".to_owned(),
                        done,
                        total: Some(total),
                        finished: done == total,
                    });
                },
            },
            &plan,
        )
        .await?;
        update::count(&mut record, &outcomes);
        let left: BTreeSet<_> = outcomes
            .iter()
            .filter(|outcome| matches!(outcome.result, StepResult::Failed { .. } | StepResult::Left { .. }))
            .map(|outcome| (&outcome.repo, &outcome.entity))
            .collect();
        if left.is_empty() {
            if let Some(mut state) = store.integration(&parts.key).await? {
                update::confirm(&mut state);
                state.rules_hash = held.rules_hash.clone().or(state.rules_hash);
                store.save_integration(&lease, &state).await?;
            }
            store.drop_plan(&held.id).await?;
        } else {
            // What could not be carried out goes on waiting for approval, and nothing else.
            let mut waiting = (*held).clone();
            waiting
                .plan
                .held
                .retain(|held| held.step.as_ref().is_some_and(|step| left.contains(&(&step.repo, &step.entity))));
            store.save_plan(&waiting).await?;
            record
                .notes
                .push(format!("what failed is still held; `catalog-sync sync approve {}` tries again", held.id));
        }
    } else {
        store.drop_plan(&held.id).await?;
    }
    record.outcome = if record.errors.is_empty() { Outcome::Completed } else { Outcome::Partial };
    record.duration_ms = u64::try_from((clock.now() - started_at).num_milliseconds()).unwrap_or(0);
    store.save_sync(&parts.key, &record).await?;
    Ok(record)
}

/// Marks as gone or excluded what the guard held; returns how many became gone. A repository that was seen
/// again meanwhile is left as it is.
async fn accept_absences(approval: &Approval<'_>, lease: &CrawlLease) -> Result<u64, EngineError> {
    let Approval { parts, store, plan: held, .. } = approval;
    let Some(state) = store.integration(&parts.key).await? else { return Ok(0) };
    let mut changes = Vec::new();
    for (repo, presence) in &held.absences {
        let Some((known, _)) = store.record(&parts.key, repo).await? else { continue };
        let is_back = presence.as_str() == "gone" && known.presence != crate::model::Presence::MissingOnce;
        if !is_back {
            changes.push(KnownRepository { presence: presence.clone(), ..known });
        }
    }
    let gone = changes.iter().filter(|known| known.presence.as_str() == "gone").count() as u64;
    if !changes.is_empty() {
        store.finish_walk(lease, changes, state.discovery).await?;
    }
    Ok(gone)
}
