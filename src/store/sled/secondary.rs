//! Secondary items and their coverage.
//!
//! Items are many and small: a first sync brings a hundred thousand. So they lie in blocks, each one record:
//! sorted by [`Place`], keyed by the place of its first item, none overlapping the next. A page of items
//! costs one or two writes this way, and what items of a repository have in common is stored once.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::books::{COVERAGE, SECONDARY};
use super::codec;
use super::draft::{Draft, Tree, malformed};
use super::keys::{Key, Place, Reader};
use crate::model::{Coverage, IntegrationKey, Item, RepoKey, SecondaryKind};
use crate::store::{ItemBatch, StoreError};

/// Most items in a block.
const MOST_ITEMS: usize = 128;
/// Most bytes of a block as JSON, where it holds more than one item: commit messages have no limit.
const MOST_BYTES: usize = 128 * 1024;

type Items = BTreeMap<Place, Item>;

fn stream(integration: &IntegrationKey, repo: &RepoKey, kind: SecondaryKind) -> Key {
    Key::in_book(SECONDARY).integration(integration).repo(repo).kind(kind)
}

fn coverage_key(integration: &IntegrationKey, kind: SecondaryKind) -> Key {
    Key::in_book(COVERAGE).integration(integration).kind(kind)
}

fn by_place(items: impl IntoIterator<Item = Item>) -> Items {
    items.into_iter().map(|item| (Place::of(&item), item)).collect()
}

fn decoded(key: &[u8], value: &[u8]) -> Result<Vec<Item>, StoreError> {
    codec::decode(value).map_err(|message| malformed(key, message))
}

/// Applied between batches only: items and coverage of a batch stay together.
pub(super) fn record(
    draft: &mut Draft<'_>,
    integration: &IntegrationKey,
    batches: Vec<ItemBatch>,
) -> Result<(), StoreError> {
    for batch in batches {
        let stream = stream(integration, &batch.repo, batch.kind);
        // Blocks are looked for in the tree.
        if draft.writes_in(&stream.clone().bytes()) {
            draft.apply()?;
        }
        shelve(draft, &stream, by_place(batch.items))?;
        draft.put(coverage_key(integration, batch.kind).repo(&batch.repo).bytes(), &batch.coverage)?;
        draft.apply_when_large()?;
    }
    Ok(())
}

/// Puts items into the blocks they belong to; those already there are replaced.
fn shelve(draft: &mut Draft<'_>, stream: &Key, mut items: Items) -> Result<(), StoreError> {
    let prefix = stream.clone().bytes();
    while let Some(first) = items.keys().next() {
        let place = stream.clone().place(first).bytes();
        let Some((key, value)) = draft.tree.covering(&prefix, &place)? else {
            return shelve_anew(draft, stream, items);
        };
        let rest = match draft.tree.scan(&prefix, Some(&key)).next().transpose()? {
            Some((next, _)) => items.split_off(&place_of(&next)?),
            None => Items::new(),
        };
        let mut held = by_place(decoded(&key, &value)?);
        if is_apart(&held, &items) {
            shelve_anew(draft, stream, items)?;
        } else {
            let before = held.clone();
            held.extend(items);
            if held != before {
                // The first place, and so the key, may be another one afterwards.
                draft.remove_bare(key.to_vec());
                shelve_anew(draft, stream, held)?;
            }
        }
        items = rest;
    }
    Ok(())
}

/// Whether items make a block of their own beside another: walks bring page behind page, and a page need
/// not be written again for the next one.
fn is_apart(held: &Items, items: &Items) -> bool {
    let is_apart = match (held.first_key_value(), held.last_key_value()) {
        (Some((first, _)), Some((last, _))) => {
            items.keys().next_back().is_some_and(|place| place < first)
                || items.keys().next().is_some_and(|place| place > last)
        }
        _ => false,
    };
    is_apart && items.len() >= MOST_ITEMS / 4 && held.len() >= MOST_ITEMS / 4
}

/// Writes items that belong together as one block, or as several of like size.
fn shelve_anew(draft: &mut Draft<'_>, stream: &Key, items: Items) -> Result<(), StoreError> {
    let blocks = items.len().div_ceil(MOST_ITEMS).max(1);
    let per_block = items.len().div_ceil(blocks).max(1);
    let mut items: Vec<Item> = items.into_values().collect();
    while !items.is_empty() {
        let rest = items.split_off(per_block.min(items.len()));
        put_block(draft, stream, &items)?;
        items = rest;
    }
    Ok(())
}

fn put_block(draft: &mut Draft<'_>, stream: &Key, items: &[Item]) -> Result<(), StoreError> {
    let json = codec::json(items)?;
    if json.len() > MOST_BYTES && items.len() > 1 {
        let (one, other) = items.split_at(items.len() / 2);
        put_block(draft, stream, one)?;
        return put_block(draft, stream, other);
    }
    if let Some(first) = items.first() {
        draft.put_bare(stream.clone().place(&Place::of(first)).bytes(), codec::encode_json(&json));
    }
    Ok(())
}

/// The place in the key of a block.
fn place_of(key: &[u8]) -> Result<Place, StoreError> {
    block_of(key).map(|(_, _, place)| place).ok_or_else(|| malformed(key, "not a block of items"))
}

fn block_of(key: &[u8]) -> Option<(RepoKey, String, Place)> {
    let mut reader = Reader::past_tag(key);
    reader.integration()?;
    Some((reader.repo()?, reader.text()?, reader.place()?))
}

/// What is wrong with a block, `last` being the last place of the block before it in the same stream;
/// and its own last place.
pub(super) fn check_block(key: &[u8], value: &[u8], last: Option<&Place>) -> Result<Option<Place>, String> {
    let items: Vec<Item> = codec::decode(value)?;
    let places: Vec<Place> = items.iter().map(Place::of).collect();
    let named = block_of(key).map(|(_, _, place)| place);
    if named.is_none() || named.as_ref() != places.first() {
        return Err("its first item is another one".to_owned());
    }
    if !places.is_sorted_by(|one, other| one < other) || last.is_some_and(|last| Some(last) >= places.first()) {
        return Err("its items are out of order, or twice there".to_owned());
    }
    Ok(places.into_iter().next_back())
}

/// What is wrong with a coverage: it counts other items than there are.
pub(super) fn miscounted(tree: &Tree, key: &[u8], value: &[u8]) -> Result<Option<String>, StoreError> {
    let coverage: Coverage = codec::decode(value).map_err(|message| malformed(key, message))?;
    let integration = Reader::past_tag(key).integration().ok_or_else(|| malformed(key, "not a coverage"))?;
    let mut there = 0;
    for entry in tree.scan(&stream(&integration, &coverage.repo, coverage.kind).bytes(), None) {
        let (key, value) = entry?;
        there += decoded(&key, &value)?.len() as u64;
    }
    let told = coverage.stored;
    Ok((told != there).then(|| format!("it says that {told} items are stored, and there are {there}")))
}

/// Newest first. Commits lie in that order; the pull requests of a repository are sorted here.
pub(super) fn items(
    tree: &Tree,
    integration: &IntegrationKey,
    repo: &RepoKey,
    kind: SecondaryKind,
    limit: usize,
) -> Result<Vec<Item>, StoreError> {
    let mut newest: Vec<Item> = Vec::new();
    for entry in tree.scan(&stream(integration, repo, kind).bytes(), None).rev() {
        let (key, value) = entry?;
        newest.extend(decoded(&key, &value)?);
        if kind == SecondaryKind::Commits && newest.len() >= limit {
            break;
        }
        if newest.len() >= limit.saturating_mul(2).saturating_add(MOST_ITEMS) {
            keep_newest(&mut newest, limit);
        }
    }
    keep_newest(&mut newest, limit);
    Ok(newest)
}

fn keep_newest(items: &mut Vec<Item>, limit: usize) {
    items.sort_by_cached_key(|item| Reverse((item.at(), item.id())));
    items.truncate(limit);
}

/// In the order asked for.
pub(super) fn stored_items(
    tree: &Tree,
    integration: &IntegrationKey,
    repo: &RepoKey,
    kind: SecondaryKind,
    of: &[Place],
) -> Result<Vec<Item>, StoreError> {
    let stream = stream(integration, repo, kind);
    let prefix = stream.clone().bytes();
    let mut blocks: BTreeMap<Vec<u8>, Items> = BTreeMap::new();
    let mut found = Vec::new();
    for place in of {
        let Some((key, value)) = tree.covering(&prefix, &stream.clone().place(place).bytes())? else { continue };
        if !blocks.contains_key(key.as_ref()) {
            blocks.insert(key.to_vec(), by_place(decoded(&key, &value)?));
        }
        found.extend(blocks.get(key.as_ref()).and_then(|block| block.get(place)).cloned());
    }
    Ok(found)
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
        let (repo, of_kind, _) = block_of(&key).ok_or_else(|| malformed(&key, "not a block of items"))?;
        if of_kind == kind.as_str() {
            items.extend(decoded(&key, &value)?.into_iter().map(|item| (repo.clone(), item)));
        }
    }
    items.sort_by_cached_key(|(repo, item)| (repo.clone(), item.id()));
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
