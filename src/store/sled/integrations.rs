//! Integrations: their state, what people switched, and how one is forgotten.

use super::books::{
    CANDIDATES, COVERAGE, DELETIONS, DETAIL_COVERAGE, DETAILS, INTEGRATIONS, LINKS, PLANS, RECOMMENDATIONS, RECORDS,
    REPOSITORIES, SECONDARY, SEEN, SWITCHES, SYNCS_BY_INTEGRATION, USER_COVERAGE, USERS,
};
use super::draft::{Draft, Tree, malformed};
use super::keys::{Key, Reader};
use super::{carried, repositories};
use crate::model::{IntegrationKey, RepoKey};
use crate::store::{DiscoveryState, IntegrationState, StoreError, StoredPlan, Switches};

pub(super) fn key_of(integration: &IntegrationKey) -> Vec<u8> {
    Key::in_book(INTEGRATIONS).integration(integration).bytes()
}

pub(super) fn switches_key(integration: &IntegrationKey) -> Vec<u8> {
    Key::in_book(SWITCHES).integration(integration).bytes()
}

fn deletion_key(integration: &IntegrationKey) -> Vec<u8> {
    Key::in_book(DELETIONS).integration(integration).bytes()
}

pub(super) fn all(tree: &Tree) -> Result<Vec<IntegrationState>, StoreError> {
    tree.values(&[INTEGRATIONS], None, usize::MAX)
}

pub(super) fn one(tree: &Tree, integration: &IntegrationKey) -> Result<Option<IntegrationState>, StoreError> {
    tree.get(&key_of(integration))
}

/// A deletion or a carrying over that was given up in the middle (its task was lost) is ended first.
pub(super) fn save(draft: &mut Draft<'_>, held: &IntegrationKey, state: &IntegrationState) -> Result<(), StoreError> {
    if *held != state.key {
        return Err(StoreError::WrongLease { held: held.to_string(), wanted: state.key.to_string() });
    }
    carried::finish(draft, |key| key == held)?;
    end_deletion(draft, held)?;
    draft.put(key_of(held), state)
}

/// Ends a deletion that was given up.
pub(super) fn end_deletion(draft: &mut Draft<'_>, integration: &IntegrationKey) -> Result<(), StoreError> {
    if draft.has(&deletion_key(integration))? { delete(draft, integration) } else { Ok(()) }
}

/// Replaces discovery's part of the state. Where records changed with it, what was judged before holds no longer:
/// said in this same write, or a sync that breaks off would leave them unjudged for good.
pub(super) fn save_discovery(
    draft: &mut Draft<'_>,
    integration: &IntegrationKey,
    discovery: DiscoveryState,
    records_changed: bool,
) -> Result<(), StoreError> {
    let key = key_of(integration);
    let mut state: IntegrationState =
        draft.get(&key)?.ok_or_else(|| StoreError::UnknownIntegration { integration: integration.clone() })?;
    state.discovery = discovery;
    if records_changed {
        state.correlated = None;
    }
    draft.put(key, &state)
}

pub(super) fn switches(tree: &Tree, integration: &IntegrationKey) -> Result<Switches, StoreError> {
    Ok(tree.get(&switches_key(integration))?.unwrap_or_default())
}

pub(super) fn save_switches(
    draft: &mut Draft<'_>,
    integration: &IntegrationKey,
    switches: &Switches,
) -> Result<(), StoreError> {
    draft.put(switches_key(integration), switches)
}

/// Marks an integration as going: from here on it is gone for everybody, and a store that is opened
/// carries the deletion to its end.
pub(super) fn begin_deletion(
    draft: &mut Draft<'_>,
    integration: &IntegrationKey,
    catalog: &str,
) -> Result<(), StoreError> {
    if integration.catalog != catalog {
        return Err(StoreError::WrongLease { held: catalog.to_owned(), wanted: integration.catalog.clone() });
    }
    draft.put(deletion_key(integration), &true)?;
    draft.remove(key_of(integration))?;
    draft.apply()
}

/// Deletions that were begun and not ended.
pub(super) fn deletions(tree: &Tree) -> Result<Vec<IntegrationKey>, StoreError> {
    let parse = |entry: Result<(sled::IVec, sled::IVec), StoreError>| {
        let (key, _) = entry?;
        Reader::past_tag(&key).integration().ok_or_else(|| malformed(&key, "not an integration"))
    };
    tree.scan(&[DELETIONS], None).map(parse).collect()
}

/// Removes everything of a marked integration, in bounded batches. Repositories go last: they tell which
/// links belong to it, so that it can be gone through again after a kill.
pub(super) fn delete(draft: &mut Draft<'_>, integration: &IntegrationKey) -> Result<(), StoreError> {
    for tag in [
        SEEN,
        CANDIDATES,
        RECOMMENDATIONS,
        SECONDARY,
        COVERAGE,
        DETAILS,
        DETAIL_COVERAGE,
        USERS,
        USER_COVERAGE,
        RECORDS,
    ] {
        remove_all(draft, &Key::in_book(tag).integration(integration).bytes())?;
    }
    draft.remove(switches_key(integration))?;
    let of_integration = Key::in_book(SYNCS_BY_INTEGRATION).integration(integration).bytes();
    for entry in draft.tree.scan(&of_integration, None) {
        let (key, _) = entry?;
        draft.remove(Tree::indexed_key(&key)?)?;
        draft.apply_when_large()?;
    }
    for entry in draft.tree.scan(&[PLANS], None) {
        let (key, value) = entry?;
        let plan: StoredPlan = super::codec::decode(&value).map_err(|message| malformed(&key, message))?;
        if plan.integration == *integration {
            draft.remove(key.to_vec())?;
        }
    }
    for entry in draft.tree.scan(&Key::in_book(REPOSITORIES).integration(integration).bytes(), None) {
        let (key, _) = entry?;
        let mut reader = Reader::past_tag(&key);
        let repo = reader.integration().and_then(|_| reader.repo());
        let repo = repo.ok_or_else(|| malformed(&key, "not a repository"))?;
        if !is_shared(draft.tree, integration, &repo)? {
            for link in draft.tree.scan(&Key::in_book(LINKS).text(&integration.catalog).repo(&repo).bytes(), None) {
                draft.remove(link?.0.to_vec())?;
            }
        }
        draft.remove(key.to_vec())?;
        draft.apply_when_large()?;
    }
    draft.remove(deletion_key(integration))?;
    draft.apply()
}

/// Whether another integration on the same catalog knows the repository, too: then its links are that one's.
fn is_shared(tree: &Tree, integration: &IntegrationKey, repo: &RepoKey) -> Result<bool, StoreError> {
    let known = repositories::integrations_of(tree, repo)?;
    Ok(known.iter().any(|other| other != integration && other.catalog == integration.catalog))
}

fn remove_all(draft: &mut Draft<'_>, prefix: &[u8]) -> Result<(), StoreError> {
    for entry in draft.tree.scan(prefix, None) {
        let (key, _) = entry?;
        draft.remove(key.to_vec())?;
        draft.apply_when_large()?;
    }
    Ok(())
}
