//! Credentials, encrypted: what is in them is nobody's business here.

use std::collections::BTreeMap;

use super::books::CREDENTIALS;
use super::codec;
use super::draft::{Draft, Tree, malformed};
use super::keys::{Key, Reader};
use crate::store::{CredentialChange, SealedCredential, StoreError};

fn key_of(name: &str) -> Vec<u8> {
    Key::in_book(CREDENTIALS).text(name).bytes()
}

pub(super) fn all(tree: &Tree) -> Result<BTreeMap<String, SealedCredential>, StoreError> {
    let read = |entry: Result<(sled::IVec, sled::IVec), StoreError>| {
        let (key, value) = entry?;
        let name = Reader::past_tag(&key).text().ok_or_else(|| malformed(&key, "the key cannot be read"))?;
        let sealed = codec::decode(&value).map_err(|message| malformed(&key, message))?;
        Ok((name, sealed))
    };
    tree.scan(&[CREDENTIALS], None).map(read).collect()
}

pub(super) fn change(draft: &mut Draft<'_>, changes: &[CredentialChange]) -> Result<bool, StoreError> {
    for CredentialChange { name, instead_of, .. } in changes {
        let present: Option<SealedCredential> = draft.get(&key_of(name))?;
        if present.map(|present| present.nonce) != *instead_of {
            return Ok(false);
        }
    }
    for CredentialChange { name, credential, .. } in changes {
        draft.put(key_of(name), credential)?;
    }
    Ok(true)
}

pub(super) fn delete(draft: &mut Draft<'_>, name: &str) -> Result<bool, StoreError> {
    draft.remove(key_of(name))
}
