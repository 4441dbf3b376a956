//! `sync approve`: applies what a guard held, as far as it still holds, and nothing else.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::import::carry_out;
use super::recheck::{LeftOut, Rechecked, recheck};
use super::survey::{self, ReadError};
use super::{EngineError, Progress, update};
use crate::apply::{Applying, StepResult};
use crate::assemble::Parts;
use crate::clock::Clock;
use crate::error::Report;
use crate::ids::Ids;
use crate::model::{ImportId, KnownRepository, Outcome, Presence, RepoKey, SyncError, SyncId, SyncRecord, Trigger};
use crate::plan::{Held, Plan};
use crate::source::Source;
use crate::store::{CatalogLease, CrawlLease, Store, StoreError, StoredPlan};

/// How long an approval waits for a sync that runs.
const LEASE_WAIT: Duration = Duration::from_secs(10);

/// Everything an approval works with.
pub struct Approval<'a> {
    /// The integration.
    pub parts: &'a Parts,
    /// Where repositories that would be gone are looked up once more; needed where there are such.
    pub source: Option<&'a dyn Source>,
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

/// Applies what was held, as far as it still holds, and records it as a sync of its own.
///
/// # Errors
/// [`EngineError::Running`] while a sync of the integration runs; the store's.
pub async fn approve(approval: &Approval<'_>) -> Result<SyncRecord, EngineError> {
    let Approval { parts, source, store, clock, ids, plan: held, .. } = approval;
    let Some(lease) = store.crawl_lease(&parts.key, LEASE_WAIT).await? else {
        return Err(EngineError::Running(parts.integration.name.clone()));
    };
    let started_at = clock.now();
    let requests_before = source.map_or(0, |source| source.usage().requests);
    let mut record = SyncRecord::begun(SyncId(ids.next()), &parts.integration.name, Trigger::Approval, started_at);

    // Whatever can stand in the way is asked first: then nothing is applied by half.
    let due = due(approval).await?;
    let absences = look_up(approval, &mut record).await?;

    if let Some(entities) = &held.shrunk_to {
        store.save_known_entities(parts.catalog.name(), entities).await?;
        record.notes.push("the catalog as it was then is accepted; the next sync goes on".to_owned());
    }
    record.repositories.gone = accept(approval, &lease, absences.accepted).await?;

    let mut waiting =
        StoredPlan { plan: Plan::default(), absences: absences.waiting, shrunk_to: None, ..(*held).clone() };
    if let Some((catalog_lease, due)) = due {
        record.held.extend(due.left_out.iter().map(LeftOut::entry));
        waiting.plan.held = carry(approval, &catalog_lease, &mut record, &due).await?;
        let is_done = waiting.plan.held.is_empty() && waiting.absences.is_empty();
        if is_done
            && due.left_out.iter().all(|one| one.is_settled)
            && let Some(mut state) = store.integration(&parts.key).await?
        {
            update::confirm(&mut state);
            if held.rules_hash.is_some() {
                // What was left out is not approved either, should it come back one day.
                let left_out = due.left_out.iter().map(LeftOut::link);
                let unlooked = held.unlooked.iter().cloned().chain(left_out).collect();
                update::accept_rules(&mut state, held.rules_hash.clone(), unlooked);
            }
            store.save_integration(&lease, &state).await?;
        }
    }
    if !waiting.plan.held.is_empty() {
        record.notes.push(format!("what failed is still held; `catalog-sync sync approve {}` tries again", held.id));
    }
    if waiting.plan.held.is_empty() && waiting.absences.is_empty() {
        store.drop_plan(&held.id).await?;
    } else {
        // What could not be carried out goes on waiting for approval, and nothing else.
        store.save_plan(&waiting).await?;
    }
    if let Some(source) = source {
        record.requests = source.usage().requests.saturating_sub(requests_before);
        record.requests_remaining = source.usage().remaining;
        store.save_budget(&parts.integration.connector, &source.budget_snapshot()).await?;
    }
    record.outcome = if record.errors.is_empty() { Outcome::Completed } else { Outcome::Partial };
    record.duration_ms = u64::try_from((clock.now() - started_at).num_milliseconds()).unwrap_or(0);
    store.save_sync(&parts.key, &record).await?;
    Ok(record)
}

/// The steps that still hold, with the lease under which that was found; `None`: no step was held.
async fn due(approval: &Approval<'_>) -> Result<Option<(CatalogLease, Rechecked)>, EngineError> {
    let Approval { parts, store, plan: held, .. } = approval;
    if held.plan.approvable().next().is_none() {
        return Ok(None);
    }
    let catalog_lease = store.catalog_lease(parts.catalog.name()).await?;
    let survey = survey::look(parts.catalog.as_ref(), *store).await.map_err(unread)?;
    let due = recheck(parts, *store, &survey, held).await.map_err(|stop| {
        let Report { what, because, mend } = stop.into_report();
        let because = std::iter::once(what).chain(because).collect::<Vec<_>>().join(": ");
        EngineError::Unapplied { because, mend: mend.unwrap_or_default() }
    })?;
    Ok(Some((catalog_lease, due)))
}

/// Applies the steps; returns those that failed.
async fn carry(
    approval: &Approval<'_>,
    catalog_lease: &CatalogLease,
    record: &mut SyncRecord,
    due: &Rechecked,
) -> Result<Vec<Held>, StoreError> {
    let Approval { parts, store, clock, ids, by, stop, progress, plan: held, .. } = approval;
    let total = due.steps.len() as u64;
    let outcomes = carry_out(
        &Applying {
            catalog: parts.catalog.as_ref(),
            store: *store,
            lease: catalog_lease,
            links: &due.links,
            import_id: &ImportId(ids.next()),
            sync_id: Some(&record.id),
            by,
            now: clock.now(),
            stop,
            progress: &|done, _| {
                progress(Progress {
                    integration: parts.integration.name.clone(),
                    stage: "apply".to_owned(),
                    done,
                    total: Some(total),
                    finished: done == total,
                });
            },
        },
        &Plan { steps: due.steps.clone(), ..Plan::default() },
    )
    .await?;
    update::count(record, &outcomes);
    let failed: BTreeSet<_> = outcomes
        .iter()
        .filter(|outcome| matches!(outcome.result, StepResult::Failed { .. } | StepResult::Left { .. }))
        .map(|outcome| (&outcome.repo, &outcome.entity))
        .collect();
    let is_failed = |held: &&Held| held.step.as_ref().is_some_and(|step| failed.contains(&(&step.repo, &step.entity)));
    Ok(held.plan.held.iter().filter(is_failed).cloned().collect())
}

fn unread(error: ReadError) -> EngineError {
    match error {
        ReadError::Catalog(error) => EngineError::unapplied(&error, error.mend()),
        ReadError::Store(error) => error.into(),
    }
}

/// What is to become of absent repositories.
#[derive(Default)]
struct Absences {
    /// As they are now, with their new presence.
    accepted: Vec<KnownRepository>,
    /// Could not be looked up; they go on waiting.
    waiting: Vec<(RepoKey, Presence)>,
}

/// Looks each repository that would be gone up by its id, as a sync does (P2.8): one that was moved is not gone. One
/// that was seen again meanwhile is left as it is.
async fn look_up(approval: &Approval<'_>, record: &mut SyncRecord) -> Result<Absences, EngineError> {
    let Approval { parts, source, store, plan: held, .. } = approval;
    let mut absences = Absences::default();
    for (repo, presence) in &held.absences {
        let Some((known, _)) = store.record(&parts.key, repo).await? else { continue };
        let Presence::Gone = presence else {
            // Hidden, if the filters still say so; what is gone by now stays gone.
            let hides = parts.integration.repositories.hides(&known.repository);
            if let (Some(filter), true) = (hides, known.presence.is_served()) {
                absences.accepted.push(KnownRepository { presence: Presence::Excluded { filter }, ..known });
            }
            continue;
        };
        if known.presence != Presence::MissingOnce {
            continue;
        }
        let Some(source) = source else {
            absences.waiting.push((repo.clone(), presence.clone()));
            continue;
        };
        let presence = match source.repository(&known.repository).await {
            Ok(None) => Presence::Gone,
            Ok(Some(found)) if found.repository.workspace == known.repository.workspace => Presence::Present,
            Ok(Some(found)) => Presence::Moved { to: found.repository.full_name },
            // Nothing can be concluded about any of them, and nothing was applied yet.
            Err(error) if error.ends_sync() && absences.accepted.is_empty() => {
                return Err(EngineError::unapplied(&error, error.mend()));
            }
            Err(error) => {
                let mend = error.mend();
                record.errors.push(SyncError {
                    repository: Some(known.repository.full_name.clone()),
                    stage: "look_up".to_owned(),
                    message: Report::new("it could not be looked up by its id, and goes on waiting", &error, mend)
                        .one_line(),
                    retry: format!("sync approve {}", held.id),
                });
                absences.waiting.push((repo.clone(), presence.clone()));
                continue;
            }
        };
        absences.accepted.push(KnownRepository { presence, ..known });
    }
    Ok(absences)
}

/// Keeps the new presences; returns how many became gone.
async fn accept(
    approval: &Approval<'_>,
    lease: &CrawlLease,
    changes: Vec<KnownRepository>,
) -> Result<u64, EngineError> {
    let Some(state) = approval.store.integration(&approval.parts.key).await? else { return Ok(0) };
    let gone = changes.iter().filter(|known| known.presence == Presence::Gone).count() as u64;
    if !changes.is_empty() {
        approval.store.finish_walk(lease, changes, state.discovery).await?;
    }
    Ok(gone)
}
