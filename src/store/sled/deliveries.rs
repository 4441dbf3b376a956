//! Webhooks: kept once, worked when they are due, forgotten when old.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use super::books::{DELIVERIES, DELIVERIES_BY_BODY, DELIVERIES_BY_ID, DELIVERIES_WAITING, signers};
use super::draft::{Draft, Tree, failed, malformed};
use super::keys::{Key, Reader};
use crate::model::{Delivery, DeliveryPlace, WaitingDeliveries};
use crate::store::{SignersWaiting, StoreError};

fn key_of(delivery: &Delivery) -> Vec<u8> {
    key_at(&delivery.place())
}

fn key_at(place: &DeliveryPlace) -> Vec<u8> {
    Key::in_book(DELIVERIES).time(place.received_at).text(&signers(&place.connectors)).text(&place.id).bytes()
}

/// Whether each is new.
pub(super) fn keep(draft: &mut Draft<'_>, deliveries: &[Delivery]) -> Result<Vec<bool>, StoreError> {
    let mut met: HashSet<Vec<u8>> = HashSet::new();
    let mut new = Vec::with_capacity(deliveries.len());
    for delivery in deliveries {
        let signers = signers(&delivery.connectors);
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

/// Their entries of the index, which are sorted by when they are due.
fn of_signers(signers: &str) -> Vec<u8> {
    Key::in_book(DELIVERIES_WAITING).text(signers).bytes()
}

/// Behind all of theirs: no time is so late.
fn behind(signers: &str) -> Vec<u8> {
    [of_signers(signers), vec![u8::MAX; 16]].concat()
}

/// Signers, due time and time of arrival of an entry.
fn read_entry(entry: &[u8]) -> Result<(String, DateTime<Utc>, DateTime<Utc>), StoreError> {
    let mut reader = Reader::past_tag(entry);
    let read = (|| Some((reader.text()?, reader.time()?, reader.time()?)))();
    read.ok_or_else(|| malformed(entry, "it is not an entry of this index"))
}

fn names(signers: &str) -> Vec<String> {
    signers.split(' ').map(str::to_owned).collect()
}

/// From the first entry of each to the first of the next: what lies between is not read.
pub(super) fn signers_waiting(tree: &Tree) -> Result<Vec<SignersWaiting>, StoreError> {
    let mut found = Vec::new();
    let mut after: Option<Vec<u8>> = None;
    while let Some(entry) = tree.scan(&[DELIVERIES_WAITING], after.as_deref()).next() {
        let (signers, due, _) = read_entry(&entry?.0)?;
        after = Some(behind(&signers));
        found.push((names(&signers), due));
    }
    Ok(found)
}

pub(super) fn waiting(tree: &Tree) -> Result<Vec<WaitingDeliveries>, StoreError> {
    let mut found: Vec<(String, WaitingDeliveries)> = Vec::new();
    for entry in tree.scan(&[DELIVERIES_WAITING], None) {
        let (signers, _, received_at) = read_entry(&entry?.0)?;
        match found.last_mut().filter(|(last, _)| *last == signers) {
            Some((_, one)) => {
                one.count += 1;
                one.oldest = one.oldest.min(received_at);
            }
            None => {
                let one = WaitingDeliveries { connectors: names(&signers), count: 1, oldest: received_at };
                found.push((signers, one));
            }
        }
    }
    Ok(found.into_iter().map(|(_, one)| one).collect())
}

pub(super) fn due(
    tree: &Tree,
    of: &[String],
    now: DateTime<Utc>,
    beyond: DateTime<Utc>,
    limit: usize,
) -> Result<Vec<Delivery>, StoreError> {
    let of = signers(of);
    let mut found = Vec::new();
    for entry in tree.scan(&of_signers(&of), None) {
        let (entry, _) = entry?;
        let (_, due, _) = read_entry(&entry)?;
        if found.len() == limit || due > now {
            break;
        }
        found.push(tree.indexed(&entry)?);
    }
    let ahead = Key::in_book(DELIVERIES_WAITING).text(&of).time(beyond).bytes();
    for entry in tree.db.range(ahead..behind(&of)).take(limit - found.len()) {
        found.push(tree.indexed(&entry.map_err(failed("read"))?.0)?);
    }
    Ok(found)
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

pub(super) fn newest(tree: &Tree, before: Option<&DeliveryPlace>, limit: usize) -> Result<Vec<Delivery>, StoreError> {
    let decoded = |entry: Result<(sled::IVec, sled::IVec), StoreError>| {
        let (key, value) = entry?;
        super::codec::decode(&value).map_err(|message| malformed(&key, message))
    };
    let end = before.map_or_else(|| vec![DELIVERIES + 1], key_at);
    let all = tree.db.range(vec![DELIVERIES]..end).rev().take(limit);
    all.map(|entry| decoded(entry.map_err(failed("read")))).collect()
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
