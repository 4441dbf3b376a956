//! Links with their journal, decisions, and the entities a catalog was last seen with.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::books::{CATALOGS, DECISIONS, ENTITIES, INTENTS, JOURNAL, LINKS, LINKS_BY_ENTITY, SNAPSHOTS};
use super::codec;
use super::draft::{Draft, Tree, malformed};
use super::keys::{Key, Reader};
use crate::model::{Decision, EntityRef, ImportId, Link, RepoKey};
use crate::store::{JournalEntry, LinkChange, StoreError};

fn link_key(catalog: &str, repo: &RepoKey, entity: &EntityRef) -> Vec<u8> {
    Key::in_book(LINKS).text(catalog).repo(repo).entity(entity).bytes()
}

fn intent_key(catalog: &str, repo: &RepoKey, entity: &EntityRef) -> Vec<u8> {
    Key::in_book(INTENTS).text(catalog).repo(repo).entity(entity).bytes()
}

pub(super) fn intend(draft: &mut Draft<'_>, catalog: &str, intents: &[JournalEntry]) -> Result<(), StoreError> {
    for intent in intents {
        draft.put(intent_key(catalog, &intent.step.repo, &intent.step.entity), intent)?;
    }
    Ok(())
}

pub(super) fn intended(
    tree: &Tree,
    catalog: &str,
    repo: &RepoKey,
    entity: &EntityRef,
) -> Result<Option<JournalEntry>, StoreError> {
    tree.get(&intent_key(catalog, repo, entity))
}

pub(super) fn expire_intents(draft: &mut Draft<'_>, before: DateTime<Utc>) -> Result<u64, StoreError> {
    let mut dropped = 0;
    for entry in draft.tree.scan(&[INTENTS], None) {
        let (key, value) = entry?;
        let intent: JournalEntry = codec::decode(&value).map_err(|message| malformed(&key, message))?;
        if intent.at < before && draft.remove(key.to_vec())? {
            dropped += 1;
        }
    }
    Ok(dropped)
}

pub(super) fn all(tree: &Tree, catalog: &str) -> Result<Vec<Link>, StoreError> {
    tree.values(&Key::in_book(LINKS).text(catalog).bytes(), None, usize::MAX)
}

pub(super) fn of_repository(tree: &Tree, catalog: &str, repo: &RepoKey) -> Result<Vec<Link>, StoreError> {
    tree.values(&Key::in_book(LINKS).text(catalog).repo(repo).bytes(), None, usize::MAX)
}

pub(super) fn to_entity(tree: &Tree, catalog: &str, entity: &EntityRef) -> Result<Vec<Link>, StoreError> {
    let mut links = Vec::new();
    for entry in tree.scan(&Key::in_book(LINKS_BY_ENTITY).text(catalog).entity(entity).bytes(), None) {
        let (key, _) = entry?;
        links.push(tree.indexed(&key)?);
    }
    Ok(links)
}

pub(super) fn change(
    draft: &mut Draft<'_>,
    catalog: &str,
    changes: &[LinkChange],
    journal: &[JournalEntry],
) -> Result<(), StoreError> {
    for (at, change) in changes.iter().enumerate() {
        match change {
            LinkChange::Make(link) => {
                refuse_second(draft, catalog, link, &changes[..at])?;
                draft.put(link_key(catalog, &link.repo, &link.entity), link)?;
                // What was to be written is.
                draft.remove(intent_key(catalog, &link.repo, &link.entity))?;
            }
            LinkChange::Put(link) => draft.put(link_key(catalog, &link.repo, &link.entity), link)?,
            LinkChange::Remove(repo, entity) => drop(draft.remove(link_key(catalog, repo, entity))?),
        }
    }
    let mut next: std::collections::BTreeMap<&ImportId, u32> = std::collections::BTreeMap::new();
    for entry in journal {
        let number = match next.get(&entry.import_id) {
            Some(number) => *number,
            None => next_number(draft.tree, &entry.import_id)?,
        };
        draft.put(Key::in_book(JOURNAL).text(&entry.import_id.0).number(number).bytes(), entry)?;
        next.insert(&entry.import_id, number.saturating_add(1));
    }
    Ok(())
}

/// Two repositories on one entity would write each other's fields.
fn refuse_second(draft: &Draft<'_>, catalog: &str, link: &Link, before: &[LinkChange]) -> Result<(), StoreError> {
    if draft.has(&link_key(catalog, &link.repo, &link.entity))? {
        return Ok(());
    }
    let in_this_write = before.iter().filter_map(|change| match change {
        LinkChange::Make(made) | LinkChange::Put(made) if made.entity == link.entity => Some((**made).clone()),
        _ => None,
    });
    for other in to_entity(draft.tree, catalog, &link.entity)?.into_iter().chain(in_this_write) {
        if other.repo != link.repo && draft.has(&link_key(catalog, &other.repo, &other.entity))? {
            return Err(StoreError::Linked { entity: other.entity, repo: other.repo });
        }
    }
    Ok(())
}

fn next_number(tree: &Tree, import: &ImportId) -> Result<u32, StoreError> {
    let last = tree.scan(&Key::in_book(JOURNAL).text(&import.0).bytes(), None).next_back().transpose()?;
    let Some((key, _)) = last else { return Ok(0) };
    let mut reader = Reader::past_tag(&key);
    let number = reader.text().and_then(|_| reader.number());
    Ok(number.ok_or_else(|| malformed(&key, "not a journal entry"))?.saturating_add(1))
}

pub(super) fn journal(tree: &Tree, import: &ImportId) -> Result<Vec<JournalEntry>, StoreError> {
    tree.values(&Key::in_book(JOURNAL).text(&import.0).bytes(), None, usize::MAX)
}

pub(super) fn journal_page(
    tree: &Tree,
    import: &ImportId,
    after: Option<u32>,
    limit: usize,
) -> Result<Vec<(u32, JournalEntry)>, StoreError> {
    let prefix = || Key::in_book(JOURNAL).text(&import.0);
    let after = after.map(|after| prefix().number(after).bytes());
    let mut page = Vec::new();
    for entry in tree.scan(&prefix().bytes(), after.as_deref()).take(limit) {
        let (key, value) = entry?;
        let mut reader = Reader::past_tag(&key);
        let number = reader.text().and_then(|_| reader.number());
        let number = number.ok_or_else(|| malformed(&key, "not a journal entry"))?;
        page.push((number, codec::decode(&value).map_err(|message| malformed(&key, message))?));
    }
    Ok(page)
}

fn decision_key(catalog: &str, repo: &RepoKey) -> Vec<u8> {
    Key::in_book(DECISIONS).text(catalog).repo(repo).bytes()
}

pub(super) fn decisions(tree: &Tree, catalog: &str) -> Result<Vec<Decision>, StoreError> {
    tree.values(&Key::in_book(DECISIONS).text(catalog).bytes(), None, usize::MAX)
}

pub(super) fn decision(tree: &Tree, catalog: &str, repo: &RepoKey) -> Result<Option<Decision>, StoreError> {
    tree.get(&decision_key(catalog, repo))
}

pub(super) fn decide(draft: &mut Draft<'_>, catalog: &str, decision: &Decision) -> Result<(), StoreError> {
    draft.put(decision_key(catalog, &decision.repo), decision)
}

pub(super) fn clear_decision(draft: &mut Draft<'_>, catalog: &str, repo: &RepoKey) -> Result<(), StoreError> {
    draft.remove(decision_key(catalog, repo)).map(drop)
}

/// An entry per entity, so that a changed catalog costs what changed; the catalog's own entry tells an
/// empty catalog from one that was never read.
pub(super) fn known_entities(tree: &Tree, catalog: &str) -> Result<Option<Vec<EntityRef>>, StoreError> {
    if tree.raw(&Key::in_book(CATALOGS).text(catalog).bytes())?.is_none() {
        return Ok(None);
    }
    entity_refs(tree, catalog).map(Some)
}

fn snapshot_key(catalog: &str) -> Vec<u8> {
    Key::in_book(SNAPSHOTS).text(catalog).bytes()
}

pub(super) fn snapshot(tree: &Tree, catalog: &str) -> Result<Option<Value>, StoreError> {
    tree.get(&snapshot_key(catalog))
}

pub(super) fn save_snapshot(draft: &mut Draft<'_>, catalog: &str, snapshot: &Value) -> Result<(), StoreError> {
    draft.put(snapshot_key(catalog), snapshot)
}

fn entity_refs(tree: &Tree, catalog: &str) -> Result<Vec<EntityRef>, StoreError> {
    let parse = |entry: Result<(sled::IVec, sled::IVec), StoreError>| {
        let (key, _) = entry?;
        let mut reader = Reader::past_tag(&key);
        let entity = reader.text().and_then(|_| reader.text());
        entity.map(EntityRef::from_canonical).ok_or_else(|| malformed(&key, "not an entity"))
    };
    tree.scan(&Key::in_book(ENTITIES).text(catalog).bytes(), None).map(parse).collect()
}

pub(super) fn save_known_entities(
    draft: &mut Draft<'_>,
    catalog: &str,
    refs: &BTreeSet<EntityRef>,
) -> Result<(), StoreError> {
    let key = |entity: &EntityRef| Key::in_book(ENTITIES).text(catalog).entity(entity).bytes();
    let known: BTreeSet<EntityRef> = entity_refs(draft.tree, catalog)?.into_iter().collect();
    for gone in known.difference(refs) {
        draft.remove(key(gone))?;
    }
    for new in refs.difference(&known) {
        draft.put(key(new), &true)?;
    }
    draft.put(Key::in_book(CATALOGS).text(catalog).bytes(), &true)
}
