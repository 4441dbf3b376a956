//! Repositories as the store knows them, a page at a time.

use std::collections::BTreeSet;

use super::Run;
use crate::model::{KnownRepository, Presence, RepoKey};
use crate::store::StoreError;

/// How many repositories are read from the store at once.
const BATCH: usize = 1_000;

/// The repositories of the integration that are served and wanted, sorted by key. A hundred thousand of
/// them are some hundred megabytes: whoever asks holds no more than it needs.
pub(super) async fn served(
    run: &Run<'_>,
    wanted: impl Fn(&RepoKey) -> bool,
) -> Result<Vec<KnownRepository>, StoreError> {
    known(run, |known| known.presence.is_served() && wanted(&known.repository.key)).await
}

/// The repositories of the integration that are wanted, whatever became of them, sorted by key.
pub(super) async fn known(
    run: &Run<'_>,
    wanted: impl Fn(&KnownRepository) -> bool,
) -> Result<Vec<KnownRepository>, StoreError> {
    let mut found = Vec::new();
    let mut after: Option<RepoKey> = None;
    loop {
        let page = run.store.repositories(&run.parts.key, after.as_ref(), BATCH).await?;
        let Some(last) = page.last() else { return Ok(found) };
        after = Some(last.repository.key.clone());
        found.extend(page.into_iter().filter(&wanted));
    }
}

/// What discovery tells when it ends, for a sync in which it did not.
pub(super) async fn stored_as_unserved(run: &Run<'_>) -> Result<BTreeSet<RepoKey>, StoreError> {
    let mut unserved = BTreeSet::new();
    let mut after: Option<RepoKey> = None;
    loop {
        let page = run.store.repositories(&run.parts.key, after.as_ref(), BATCH).await?;
        let Some(last) = page.last() else { return Ok(unserved) };
        after = Some(last.repository.key.clone());
        unserved.extend(page.into_iter().filter(|known| !known.presence.is_served()).map(|known| known.repository.key));
    }
}

pub(super) fn is_inaccessible(known: &KnownRepository) -> bool {
    matches!(known.presence, Presence::Inaccessible { .. })
}
