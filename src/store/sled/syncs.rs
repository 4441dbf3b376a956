//! Records of syncs, plans that wait, request counters, and what expires.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::books::{
    BUDGETS, JOURNAL, JOURNAL_BY_TIME, PLANS, PLANS_BY_TIME, SYNCS, SYNCS_BY_INTEGRATION, SYNCS_BY_TIME, StoredSync,
};
use super::draft::{Draft, Tree, malformed};
use super::keys::{Key, Reader};
use super::links;
use crate::model::{IntegrationKey, Outcome, SyncError, SyncId, SyncRecord};
use crate::store::{StoreError, StoredPlan};

fn key_of(id: &str) -> Vec<u8> {
    Key::in_book(SYNCS).text(id).bytes()
}

pub(super) fn save(draft: &mut Draft<'_>, integration: &IntegrationKey, record: &SyncRecord) -> Result<(), StoreError> {
    draft.put(key_of(&record.id.0), &StoredSync { integration: integration.clone(), record: record.clone() })
}

/// Newest first by start, then id.
pub(super) fn newest(
    tree: &Tree,
    integration: Option<&IntegrationKey>,
    limit: usize,
) -> Result<Vec<SyncRecord>, StoreError> {
    let prefix = match integration {
        Some(integration) => Key::in_book(SYNCS_BY_INTEGRATION).integration(integration).bytes(),
        None => vec![SYNCS_BY_TIME],
    };
    let mut syncs = Vec::new();
    for entry in tree.scan(&prefix, None).rev().take(limit) {
        let (key, _) = entry?;
        syncs.push(tree.indexed::<StoredSync>(&key)?.record);
    }
    Ok(syncs)
}

pub(super) fn one(tree: &Tree, id: &SyncId) -> Result<Option<(IntegrationKey, SyncRecord)>, StoreError> {
    let stored: Option<StoredSync> = tree.get(&key_of(&id.0))?;
    Ok(stored.map(|stored| (stored.integration, stored.record)))
}

/// Whoever opens a store is alone with it: syncs that still run in it were killed.
pub(super) fn interrupt_running(draft: &mut Draft<'_>, now: DateTime<Utc>) -> Result<(), StoreError> {
    for entry in draft.tree.scan(&[SYNCS], None) {
        let (key, value) = entry?;
        let mut stored: StoredSync = super::codec::decode(&value).map_err(|message| malformed(&key, message))?;
        if stored.record.outcome != Outcome::Running {
            continue;
        }
        stored.record.outcome = Outcome::Interrupted;
        let noticed = now.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        stored.record.errors.push(SyncError {
            repository: None,
            stage: "record".to_owned(),
            message: format!("the process ended during this sync; noticed when the store was opened at {noticed}"),
            retry: "next_sync".to_owned(),
        });
        draft.put(key.to_vec(), &stored)?;
    }
    Ok(())
}

fn plan_key(id: &str) -> Vec<u8> {
    Key::in_book(PLANS).text(id).bytes()
}

pub(super) fn save_plan(draft: &mut Draft<'_>, plan: &StoredPlan) -> Result<(), StoreError> {
    draft.put(plan_key(&plan.id), plan)
}

pub(super) fn plan(tree: &Tree, id: &str) -> Result<Option<StoredPlan>, StoreError> {
    tree.get(&plan_key(id))
}

pub(super) fn drop_plan(draft: &mut Draft<'_>, id: &str) -> Result<(), StoreError> {
    draft.remove(plan_key(id)).map(drop)
}

fn budget_key(connector: &str) -> Vec<u8> {
    Key::in_book(BUDGETS).text(connector).bytes()
}

pub(super) fn budget(tree: &Tree, connector: &str) -> Result<Option<Value>, StoreError> {
    tree.get(&budget_key(connector))
}

pub(super) fn save_budget(draft: &mut Draft<'_>, connector: &str, snapshot: &Value) -> Result<(), StoreError> {
    draft.put(budget_key(connector), snapshot)
}

/// Drops what is older; a sync that runs stays, however old it is.
pub(super) fn expire(
    draft: &mut Draft<'_>,
    syncs_before: DateTime<Utc>,
    journal_before: DateTime<Utc>,
) -> Result<u64, StoreError> {
    let mut dropped = 0;
    for (index, book, before) in [
        (SYNCS_BY_TIME, SYNCS, syncs_before),
        (PLANS_BY_TIME, PLANS, syncs_before),
        (JOURNAL_BY_TIME, JOURNAL, journal_before),
    ] {
        for entry in draft.tree.scan(&[index], None) {
            let (key, _) = entry?;
            let mut reader = Reader::past_tag(&key);
            let at = reader.time().ok_or_else(|| malformed(&key, "not an entry of this index"))?;
            if at >= before {
                break;
            }
            let record = Key::in_book(book).raw(reader.rest()).bytes();
            let runs = book == SYNCS
                && draft.get::<StoredSync>(&record)?.is_some_and(|sync| sync.record.outcome == Outcome::Running);
            if !runs && draft.remove(record)? {
                dropped += 1;
            }
            draft.apply_when_large()?;
        }
    }
    Ok(dropped + links::expire_intents(draft, journal_before)?)
}
