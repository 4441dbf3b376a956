//! What people did, and who is logged in.

use chrono::{DateTime, Utc};

use super::books::{AUDIT, SESSIONS};
use super::codec;
use super::draft::{Draft, Tree, failed, malformed};
use super::keys::Key;
use crate::store::{AuditEntry, Session, StoreError};

fn entry_key(id: &str) -> Vec<u8> {
    Key::in_book(AUDIT).text(id).bytes()
}

pub(super) fn save_audit(draft: &mut Draft<'_>, entry: &AuditEntry) -> Result<(), StoreError> {
    draft.put(entry_key(&entry.id), entry)
}

/// Newest first: ids sort by time.
pub(super) fn audit(tree: &Tree, before: Option<&str>, limit: usize) -> Result<Vec<AuditEntry>, StoreError> {
    let end = before.map_or_else(|| vec![AUDIT + 1], entry_key);
    tree.db
        .range(vec![AUDIT]..end)
        .rev()
        .take(limit)
        .map(|entry| {
            let (key, value) = entry.map_err(failed("read"))?;
            codec::decode(&value).map_err(|message| malformed(&key, message))
        })
        .collect()
}

/// Drops entries that began before; returns how many.
pub(super) fn expire_audit(draft: &mut Draft<'_>, before: DateTime<Utc>) -> Result<u64, StoreError> {
    let mut dropped = 0;
    for entry in draft.tree.scan(&[AUDIT], None) {
        let (key, value) = entry?;
        let entry: AuditEntry = codec::decode(&value).map_err(|message| malformed(&key, message))?;
        if entry.at >= before {
            break;
        }
        dropped += u64::from(draft.remove(key.to_vec())?);
        draft.apply_when_large()?;
    }
    Ok(dropped)
}

fn session_key(digest: &str) -> Vec<u8> {
    Key::in_book(SESSIONS).text(digest).bytes()
}

pub(super) fn sessions(tree: &Tree) -> Result<Vec<Session>, StoreError> {
    tree.values(&[SESSIONS], None, usize::MAX)
}

pub(super) fn save_session(draft: &mut Draft<'_>, session: &Session) -> Result<(), StoreError> {
    draft.put(session_key(&session.digest), session)
}

pub(super) fn end_sessions(draft: &mut Draft<'_>, digests: &[String]) -> Result<u64, StoreError> {
    let mut ended = 0;
    for digest in digests {
        ended += u64::from(draft.remove(session_key(digest))?);
    }
    Ok(ended)
}
