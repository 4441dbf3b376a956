//! A page against what is known: what is new, changed or only touched.

use chrono::{DateTime, Utc};

use super::{DiscoverError, Discovery, Known, Walk, keys_of};
use crate::model::{Fingerprint, IngestedRecord, KnownRepository, Presence, Repository, SyncError};
use crate::source::{RepositoryPage, UnreadableRecord};
use crate::store::{DiscoveryState, RecordedPage};

/// Compares a page with what is known and records what differs, together with the checkpoint behind it.
pub(super) async fn record_page(
    run: &Discovery<'_>,
    page: RepositoryPage,
    discovery: &DiscoveryState,
    walk: &mut Walk,
) -> Result<(), DiscoverError> {
    let mut recorded = RecordedPage { discovery: discovery.clone(), ..RecordedPage::default() };
    if discovery.sweep.is_some() {
        recorded.seen = keys_of(&page).cloned().collect();
    }
    walk.seen.extend(keys_of(&page).map(|key| key.id.clone().into_boxed_str()));
    for UnreadableRecord { name, reason, .. } in &page.unreadable {
        let error = SyncError {
            repository: Some(name.clone()),
            stage: "discover".to_owned(),
            message: format!("its record could not be read: {reason}"),
            retry: "next_sync".to_owned(),
        };
        // A second walk by key, or a sweep after a delta, meets the row again.
        if !walk.found.errors.contains(&error) {
            walk.found.errors.push(error);
        }
    }
    for IngestedRecord { repository, fingerprint, raw } in page.records {
        let id = repository.key.id.as_str();
        match walk.known.get(id) {
            Some(known) if known.fingerprint == fingerprint && known.updated_on == repository.updated_on => continue,
            Some(known) => {
                let is_changed = known.fingerprint != fingerprint;
                let Some((before, _)) = run.store.record(&run.lease.integration, &repository.key).await? else {
                    continue;
                };
                walk.known.insert(id.into(), Known { fingerprint, updated_on: repository.updated_on });
                let after = updated(before, repository, fingerprint, is_changed.then_some(run.now));
                if is_changed {
                    walk.found.changed.push(after.repository.key.clone());
                    recorded.changed.push((after, raw));
                } else {
                    recorded.touched.push(after);
                }
            }
            None => {
                walk.known.insert(id.into(), Known { fingerprint, updated_on: repository.updated_on });
                walk.found.new += 1;
                let known = first_seen(run, repository, fingerprint);
                recorded.changed.push((known, raw));
            }
        }
    }
    let size = page.size;
    run.store.record_page(run.lease, recorded).await?;
    (run.progress)(walk.seen.len() as u64, size);
    Ok(())
}

pub(super) fn first_seen(run: &Discovery<'_>, repository: Repository, fingerprint: Fingerprint) -> KnownRepository {
    let presence = match (run.behaviour.hides)(&repository) {
        Some(filter) => Presence::Excluded { filter },
        None if repository.is_archived => Presence::Archived,
        None => Presence::Present,
    };
    KnownRepository {
        repository,
        fingerprint,
        presence,
        first_seen: run.now,
        last_changed: run.now,
        first_seen_under_auto_import: run.behaviour.auto_import,
        former_names: Vec::new(),
    }
}

pub(super) fn updated(
    before: KnownRepository,
    repository: Repository,
    fingerprint: Fingerprint,
    changed_at: Option<DateTime<Utc>>,
) -> KnownRepository {
    let mut former_names = before.former_names;
    if before.repository.full_name != repository.full_name {
        former_names.retain(|name| *name != repository.full_name);
        former_names.push(before.repository.full_name);
    }
    KnownRepository {
        repository,
        fingerprint,
        last_changed: changed_at.unwrap_or(before.last_changed),
        former_names,
        ..before
    }
}
