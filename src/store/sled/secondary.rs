//! Secondary items and their coverage.

use super::books::{COVERAGE, SECONDARY, SECONDARY_BY_TIME, SECONDARY_COUNTS};
use super::codec;
use super::draft::{Draft, Tree, malformed};
use super::keys::{Key, Reader};
use crate::model::{Coverage, IntegrationKey, Item, ItemId, RepoKey, SecondaryKind};
use crate::store::{ItemBatch, StoreError};

fn stream(tag: u8, integration: &IntegrationKey, repo: &RepoKey, kind: SecondaryKind) -> Key {
    Key::in_book(tag).integration(integration).repo(repo).kind(kind)
}

fn coverage_key(integration: &IntegrationKey, kind: SecondaryKind) -> Key {
    Key::in_book(COVERAGE).integration(integration).kind(kind)
}

/// Applied between batches only: items and coverage of a batch stay together.
pub(super) fn record(
    draft: &mut Draft<'_>,
    integration: &IntegrationKey,
    batches: &[ItemBatch],
) -> Result<(), StoreError> {
    for batch in batches {
        let of_items = stream(SECONDARY, integration, &batch.repo, batch.kind);
        let by_time = stream(SECONDARY_BY_TIME, integration, &batch.repo, batch.kind);
        let mut new = 0;
        for item in &batch.items {
            // A first sync stores a hundred thousand: their index is made without reading them again, and
            // they are counted once.
            let id = item.id();
            let entry = by_time.clone().time(item.at()).item(&id).bytes();
            let key = of_items.clone().item(&id).bytes();
            new += i64::from(draft.put_indexed(key, codec::encode(item)?, |_, _| Some(vec![entry]))?);
        }
        if new > 0 {
            draft.count(&of_items.bytes(), new)?;
        }
        draft.put(coverage_key(integration, batch.kind).repo(&batch.repo).bytes(), &batch.coverage)?;
        draft.apply_when_large()?;
    }
    Ok(())
}

/// Newest first.
pub(super) fn items(
    tree: &Tree,
    integration: &IntegrationKey,
    repo: &RepoKey,
    kind: SecondaryKind,
    limit: usize,
) -> Result<Vec<Item>, StoreError> {
    let prefix = stream(SECONDARY_BY_TIME, integration, repo, kind).bytes();
    let mut items = Vec::new();
    for entry in tree.scan(&prefix, None).rev().take(limit) {
        let (key, _) = entry?;
        items.push(tree.indexed(&key)?);
    }
    Ok(items)
}

pub(super) fn stored_items(
    tree: &Tree,
    integration: &IntegrationKey,
    repo: &RepoKey,
    kind: SecondaryKind,
    ids: &[ItemId],
) -> Result<Vec<Item>, StoreError> {
    let get = |id: &ItemId| tree.get(&stream(SECONDARY, integration, repo, kind).item(id).bytes()).transpose();
    ids.iter().filter_map(get).collect()
}

pub(super) fn item_count(
    tree: &Tree,
    integration: &IntegrationKey,
    repo: &RepoKey,
    kind: SecondaryKind,
) -> Result<u64, StoreError> {
    Ok(tree.get(&stream(SECONDARY_COUNTS, integration, repo, kind).bytes())?.unwrap_or(0))
}

/// Sorted by repository, then id.
pub(super) fn dump_items(
    tree: &Tree,
    integration: &IntegrationKey,
    kind: SecondaryKind,
) -> Result<Vec<(RepoKey, Item)>, StoreError> {
    let mut items = Vec::new();
    for entry in tree.scan(&Key::in_book(SECONDARY).integration(integration).bytes(), None) {
        let (key, value) = entry?;
        let mut reader = Reader::past_tag(&key);
        let named = reader.integration().and_then(|_| Some((reader.repo()?, reader.text()?)));
        let (repo, of_kind) = named.ok_or_else(|| malformed(&key, "not an item"))?;
        if of_kind == kind.as_str() {
            items.push((repo, codec::decode(&value).map_err(|message| malformed(&key, message))?));
        }
    }
    Ok(items)
}

pub(super) fn coverage(
    tree: &Tree,
    integration: &IntegrationKey,
    kind: SecondaryKind,
) -> Result<Vec<Coverage>, StoreError> {
    tree.values(&coverage_key(integration, kind).bytes(), None, usize::MAX)
}

pub(super) fn coverage_of(
    tree: &Tree,
    integration: &IntegrationKey,
    repo: &RepoKey,
    kind: SecondaryKind,
) -> Result<Option<Coverage>, StoreError> {
    tree.get(&coverage_key(integration, kind).repo(repo).bytes())
}
