//! What is listed and may not be read: marked, noted in the record, and welcomed back.

use std::collections::{BTreeMap, BTreeSet};

use super::Run;
use super::known::{is_inaccessible, known};
use crate::backfill;
use crate::model::{KnownRepository, Presence, RepoKey, SyncError, SyncRecord};
use crate::store::{CrawlLease, StoreError};

/// So many refused kinds are named in a record; the others are counted.
const NOTED_REFUSALS: usize = 20;

/// Repositories that are listed and forbidden below: their sync pauses until they may be read again. Returns which.
pub(super) async fn mark_forbidden(
    run: &Run<'_>,
    lease: &CrawlLease,
    record: &mut SyncRecord,
    unreadable: &[backfill::Unreadable],
) -> Result<Vec<RepoKey>, StoreError> {
    let mut reasons: BTreeMap<&RepoKey, &str> = BTreeMap::new();
    for one in unreadable {
        if one.is_forbidden {
            reasons.entry(&one.repo).or_insert(&one.reason);
        } else {
            record.notes.push(format!("{}: no {}: {}", one.full_name, one.kind.as_str(), one.reason));
        }
    }
    if reasons.is_empty() {
        return Ok(Vec::new());
    }
    let mut changes = Vec::new();
    let is_there = |known: &KnownRepository| known.presence.is_served() || is_inaccessible(known);
    for known in known(run, |known| is_there(known) && reasons.contains_key(&known.repository.key)).await? {
        let Some(reason) = reasons.get(&known.repository.key) else { continue };
        record.repositories.failed += 1;
        if known.presence.is_served() {
            record.repositories.seen = record.repositories.seen.saturating_sub(1);
            record.repositories.inaccessible += 1;
        }
        record.errors.push(SyncError {
            repository: Some(known.repository.full_name.clone()),
            stage: "backfill".to_owned(),
            message: format!("it is listed and may not be read: {reason}"),
            retry: "next_sync".to_owned(),
        });
        changes.push(KnownRepository { presence: Presence::Inaccessible { reason: (*reason).to_owned() }, ..known });
    }
    let marked = changes.iter().map(|known| known.repository.key.clone()).collect();
    let Some(state) = run.store.integration(&run.parts.key).await? else { return Ok(Vec::new()) };
    run.store.finish_walk(lease, changes, state.discovery).await?;
    Ok(marked)
}

/// Repositories that were inaccessible, of which everything asked for can be read again. Returns which.
pub(super) async fn welcome_back(
    run: &Run<'_>,
    lease: &CrawlLease,
    record: &mut SyncRecord,
    readable: &[RepoKey],
) -> Result<Vec<RepoKey>, StoreError> {
    let readable: BTreeSet<&RepoKey> = readable.iter().collect();
    if readable.is_empty() {
        return Ok(Vec::new());
    }
    let back = known(run, |known| is_inaccessible(known) && readable.contains(&known.repository.key)).await?;
    let Some(mut state) = run.store.integration(&run.parts.key).await?.filter(|_| !back.is_empty()) else {
        return Ok(Vec::new());
    };
    let served = |known: KnownRepository| {
        let is_archived = known.repository.is_archived;
        KnownRepository { presence: if is_archived { Presence::Archived } else { Presence::Present }, ..known }
    };
    let back: Vec<KnownRepository> = back.into_iter().map(served).collect();
    let keys: Vec<RepoKey> = back.iter().map(|known| known.repository.key.clone()).collect();
    let counts = &mut record.repositories;
    counts.seen += keys.len() as u64;
    counts.inaccessible = counts.inaccessible.saturating_sub(keys.len() as u64);
    run.store.finish_walk(lease, back, state.discovery.clone()).await?;
    // Its entity was not kept in step meanwhile: the next sync looks again at everything.
    if state.correlated.take().is_some() {
        run.store.save_integration(lease, &state).await?;
    }
    Ok(keys)
}

/// What a sync without a complaint says of kinds that were refused before, and that it did not ask for.
pub(super) fn note_refused(record: &mut SyncRecord, refused: &[backfill::Refused]) {
    for one in refused.iter().take(NOTED_REFUSALS) {
        record.notes.push(format!(
            "{}: {} wait: refused at {}; asked for again an hour later, or with `--full` ({})",
            one.full_name,
            one.kind,
            one.asked_at.format("%Y-%m-%d %H:%M"),
            one.reason
        ));
    }
    if let Some(more) = refused.len().checked_sub(NOTED_REFUSALS).filter(|more| *more > 0) {
        record.notes.push(format!("and {more} more were refused and wait"));
    }
}
