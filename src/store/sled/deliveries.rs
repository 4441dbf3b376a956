//! Webhooks: kept once, worked in order, forgotten when old.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use super::books::{DELIVERIES, DELIVERIES_BY_BODY, DELIVERIES_BY_ID, DELIVERIES_WAITING, signers};
use super::draft::{Draft, Tree, malformed};
use super::keys::{Key, Reader};
use crate::model::Delivery;
use crate::store::StoreError;

fn key_of(delivery: &Delivery) -> Vec<u8> {
    Key::in_book(DELIVERIES).time(delivery.received_at).text(&signers(delivery)).text(&delivery.id).bytes()
}

/// Whether each is new.
pub(super) fn keep(draft: &mut Draft<'_>, deliveries: &[Delivery]) -> Result<Vec<bool>, StoreError> {
    let mut met: HashSet<Vec<u8>> = HashSet::new();
    let mut new = Vec::with_capacity(deliveries.len());
    for delivery in deliveries {
        let signers = signers(delivery);
        let by_id = Key::in_book(DELIVERIES_BY_ID).text(&signers).text(&delivery.id).bytes();
        let by_body = Key::in_book(DELIVERIES_BY_BODY).text(&signers).text(&delivery.body_sha256).bytes();
        let mut is_known = false;
        for prefix in [by_id, by_body] {
            is_known |= draft.tree.scan(&prefix, None).next().transpose()?.is_some();
            is_known |= !met.insert(prefix);
        }
        if !is_known {
            draft.put(key_of(delivery), delivery)?;
        }
        new.push(!is_known);
    }
    Ok(new)
}

pub(super) fn waiting(tree: &Tree, limit: usize) -> Result<Vec<Delivery>, StoreError> {
    tree.scan(&[DELIVERIES_WAITING], None).take(limit).map(|entry| tree.indexed(&entry?.0)).collect()
}

/// One that expired meanwhile is not kept again.
pub(super) fn save(draft: &mut Draft<'_>, deliveries: &[Delivery]) -> Result<(), StoreError> {
    for delivery in deliveries {
        let key = key_of(delivery);
        if draft.has(&key)? {
            draft.put(key, delivery)?;
        }
        draft.apply_when_large()?;
    }
    Ok(())
}

pub(super) fn newest(tree: &Tree, limit: usize) -> Result<Vec<Delivery>, StoreError> {
    let decoded = |entry: Result<(sled::IVec, sled::IVec), StoreError>| {
        let (key, value) = entry?;
        super::codec::decode(&value).map_err(|message| malformed(&key, message))
    };
    tree.scan(&[DELIVERIES], None).rev().take(limit).map(decoded).collect()
}

pub(super) fn expire(draft: &mut Draft<'_>, before: DateTime<Utc>) -> Result<u64, StoreError> {
    let mut dropped = 0;
    for entry in draft.tree.scan(&[DELIVERIES], None) {
        let (key, value) = entry?;
        let at = Reader::past_tag(&key).time().ok_or_else(|| malformed(&key, "not a delivery"))?;
        if at >= before {
            break;
        }
        let delivery: Delivery = super::codec::decode(&value).map_err(|message| malformed(&key, message))?;
        if !delivery.is_waiting() && draft.remove(key.to_vec())? {
            dropped += 1;
        }
        draft.apply_when_large()?;
    }
    Ok(dropped)
}
