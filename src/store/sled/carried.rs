//! What is kept of an integration, given to another key: its catalog has another name now.
//!
//! A mark tells that it is under way, and each record is put in its new place and taken from its old one in one batch:
//! gone on with after a kill, it ends as it would have ended.

use super::books::{
    CANDIDATES, CATALOGS, COVERAGE, DECISIONS, DETAIL_COVERAGE, DETAILS, ENTITIES, INTENTS, LINKS, MOVES, Move, PLANS,
    RECOMMENDATIONS, RECORDS, REPOSITORIES, SECONDARY, SEEN, SNAPSHOTS, SWITCHES, SYNCS_BY_INTEGRATION, StoredSync,
    USER_COVERAGE, USERS,
};
use super::draft::{Draft, Tree, malformed};
use super::keys::{Key, Reader};
use super::{codec, integrations};
use crate::model::IntegrationKey;
use crate::store::{IntegrationState, StoreError, StoredCandidates, StoredPlan};

fn mark(from: &IntegrationKey) -> Vec<u8> {
    Key::in_book(MOVES).integration(from).bytes()
}

pub(super) fn carry_over(
    draft: &mut Draft<'_>,
    from: &IntegrationKey,
    to: &IntegrationKey,
    catalogs: Option<(String, String)>,
) -> Result<(), StoreError> {
    if let Some(held) = catalogs.as_ref().filter(|(old, new)| (old, new) != (&from.catalog, &to.catalog)) {
        let wanted = format!("{} and {}", from.catalog, to.catalog);
        return Err(StoreError::WrongLease { held: format!("{} and {}", held.0, held.1), wanted });
    }
    if from == to {
        return Ok(());
    }
    finish(draft, |key| key == from || key == to)?;
    // Of a deletion that was given up there may be records left.
    integrations::end_deletion(draft, to)?;
    let state: Option<IntegrationState> = draft.get(&integrations::key_of(from))?;
    let state = state.ok_or_else(|| StoreError::UnknownIntegration { integration: from.clone() })?;
    if draft.has(&integrations::key_of(to))? {
        return Err(StoreError::KnownIntegration { integration: to.clone() });
    }
    let with_catalog = catalogs.is_some_and(|(old, new)| old != new);
    draft.put(mark(from), &Move { to: to.clone(), with_catalog })?;
    draft.put(integrations::key_of(to), &IntegrationState { key: to.clone(), correlated: None, ..state })?;
    draft.remove(integrations::key_of(from))?;
    draft.apply()?;
    finish(draft, |key| key == from)
}

/// Goes on with what is under way from or to the integrations meant.
pub(super) fn finish(draft: &mut Draft<'_>, is_meant: impl Fn(&IntegrationKey) -> bool) -> Result<(), StoreError> {
    for entry in draft.tree.scan(&[MOVES], None) {
        let (key, value) = entry?;
        let from = Reader::past_tag(&key).integration().ok_or_else(|| malformed(&key, "not an integration"))?;
        let Move { to, with_catalog } = codec::decode(&value).map_err(|message| malformed(&key, message))?;
        if is_meant(&from) || is_meant(&to) {
            give(draft, &from, &to)?;
            if with_catalog {
                give_catalog(draft, &from.catalog, &to.catalog)?;
            }
            draft.remove(key.to_vec())?;
            draft.apply()?;
        }
    }
    Ok(())
}

/// The records that bear the integration in their key or value.
fn give(draft: &mut Draft<'_>, from: &IntegrationKey, to: &IntegrationKey) -> Result<(), StoreError> {
    // None of them has an index.
    for tag in [
        SWITCHES,
        SEEN,
        RECOMMENDATIONS,
        SECONDARY,
        COVERAGE,
        DETAILS,
        DETAIL_COVERAGE,
        USERS,
        USER_COVERAGE,
        RECORDS,
        REPOSITORIES,
    ] {
        let prefix = Key::in_book(tag).integration(from).bytes();
        for entry in draft.tree.scan(&prefix, None) {
            let (key, value) = entry?;
            let place = Key::in_book(tag).integration(to).raw(&key[prefix.len()..]).bytes();
            draft.put_bare(place, value.to_vec());
            draft.remove_bare(key.to_vec());
            draft.apply_when_large()?;
        }
    }
    for entry in draft.tree.scan(&Key::in_book(CANDIDATES).integration(from).bytes(), None) {
        let (key, value) = entry?;
        let found: StoredCandidates = codec::decode(&value).map_err(|message| malformed(&key, message))?;
        let place = Key::in_book(CANDIDATES).integration(to).repo(&found.repo).bytes();
        draft.put(place, &StoredCandidates { integration: to.clone(), ..found })?;
        draft.remove(key.to_vec())?;
        draft.apply_when_large()?;
    }
    for entry in draft.tree.scan(&Key::in_book(SYNCS_BY_INTEGRATION).integration(from).bytes(), None) {
        let (entry, _) = entry?;
        let key = Tree::indexed_key(&entry)?;
        let sync: StoredSync = draft.tree.indexed(&entry)?;
        draft.put(key, &StoredSync { integration: to.clone(), ..sync })?;
        draft.apply_when_large()?;
    }
    for entry in draft.tree.scan(&[PLANS], None) {
        let (key, value) = entry?;
        let plan: StoredPlan = codec::decode(&value).map_err(|message| malformed(&key, message))?;
        if plan.integration == *from {
            draft.put(key.to_vec(), &StoredPlan { integration: to.clone(), ..plan })?;
            draft.apply_when_large()?;
        }
    }
    Ok(())
}

/// What is kept of a catalog. What the other one has already outranks it.
fn give_catalog(draft: &mut Draft<'_>, from: &str, to: &str) -> Result<(), StoreError> {
    for tag in [LINKS, INTENTS, DECISIONS] {
        let prefix = Key::in_book(tag).text(from).bytes();
        for entry in draft.tree.scan(&prefix, None) {
            let (key, value) = entry?;
            let place = Key::in_book(tag).text(to).raw(&key[prefix.len()..]).bytes();
            if !draft.has(&place)? {
                draft.put_encoded(place, value.to_vec())?;
            }
            draft.remove(key.to_vec())?;
            draft.apply_when_large()?;
        }
    }
    // A catalog that was read has its own entities. Told last, so that this is gone on with after a kill.
    let was_read = |catalog: &str| Key::in_book(CATALOGS).text(catalog).bytes();
    let has_own = draft.has(&was_read(to))?;
    for tag in [ENTITIES, SNAPSHOTS, CATALOGS] {
        let prefix = Key::in_book(tag).text(from).bytes();
        for entry in draft.tree.scan(&prefix, None) {
            let (key, value) = entry?;
            if !has_own {
                draft.put_bare(Key::in_book(tag).text(to).raw(&key[prefix.len()..]).bytes(), value.to_vec());
            }
            draft.remove_bare(key.to_vec());
            draft.apply_when_large()?;
        }
    }
    Ok(())
}
