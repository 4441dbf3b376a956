//! Reading the tree, and one logical write: collected, compared with what is stored, kept together with its
//! indexes, and applied as one batch.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sled::IVec;

use super::books::{self, Book, Role};
use super::changelog::{self, Touched};
use super::{codec, keys};
use crate::error::escape_control;
use crate::store::StoreError;

/// The opened tree.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) db: sled::Db,
    pub(super) path: Arc<PathBuf>,
}

/// Translates what sled says.
pub(super) fn failed(doing: &str) -> impl Fn(sled::Error) -> StoreError + '_ {
    move |error| match error {
        sled::Error::Io(source) => StoreError::Io { doing: doing.to_owned(), source },
        sled::Error::Corruption { .. } => {
            StoreError::Malformed { place: "the database file".to_owned(), message: "it is damaged".to_owned() }
        }
        other => StoreError::Lost(other.to_string()),
    }
}

/// A record that cannot be read, named for people.
pub(super) fn malformed(key: &[u8], message: impl Into<String>) -> StoreError {
    StoreError::Malformed { place: place_of(key), message: message.into() }
}

/// Book and key, for people.
pub(super) fn place_of(key: &[u8]) -> String {
    let named = key.first().and_then(|tag| books::book(*tag)).and_then(|book: &Book| {
        let parts = keys::to_json(key, book.shape)?;
        Some(format!("{} {}", book.name, escape_control(&parts.to_string())))
    });
    named.unwrap_or_else(|| format!("the record {}", hex::encode(key)))
}

impl Tree {
    pub(super) fn raw(&self, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        self.db.get(key).map_err(failed("read"))
    }

    pub(super) fn get<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        self.raw(key)?.map(|value| codec::decode(&value).map_err(|message| malformed(key, message))).transpose()
    }

    /// The key of the record an index entry stands for.
    pub(super) fn indexed_key(entry: &[u8]) -> Result<Vec<u8>, StoreError> {
        books::record_of_entry(entry).ok_or_else(|| malformed(entry, "it is not an entry of this index"))
    }

    /// The record an index entry stands for.
    pub(super) fn indexed<T: DeserializeOwned>(&self, entry: &[u8]) -> Result<T, StoreError> {
        let key = Self::indexed_key(entry)?;
        self.get(&key)?.ok_or_else(|| malformed(&key, "it is missing, though the index names it"))
    }

    /// Keys and values beginning with `prefix`, after `after` where given, in order.
    pub(super) fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
    ) -> impl DoubleEndedIterator<Item = Result<(IVec, IVec), StoreError>> + use<> {
        let start = match after {
            Some(after) => Bound::Excluded(after.to_vec()),
            None => Bound::Included(prefix.to_vec()),
        };
        let end = prefix_end(prefix).map_or(Bound::Unbounded, Bound::Excluded);
        self.db.range((start, end)).map(|entry| entry.map_err(failed("read")))
    }

    /// Of the keys beginning with `prefix`, the last one up to `place`, else the first of all; with its
    /// value.
    pub(super) fn covering(&self, prefix: &[u8], place: &[u8]) -> Result<Option<(IVec, IVec)>, StoreError> {
        match self.db.range(prefix..=place).next_back() {
            Some(entry) => entry.map(Some).map_err(failed("read")),
            None => self.scan(prefix, None).next().transpose(),
        }
    }

    /// The decoded values beginning with `prefix`, at most `limit`.
    pub(super) fn values<T: DeserializeOwned>(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<T>, StoreError> {
        let decoded = |entry: Result<(IVec, IVec), StoreError>| {
            let (key, value) = entry?;
            codec::decode(&value).map_err(|message| malformed(&key, message))
        };
        self.scan(prefix, after).take(limit).map(decoded).collect()
    }
}

/// The first key behind all keys with this prefix; `None`: there is none.
fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.last_mut() {
        if let Some(next) = last.checked_add(1) {
            *last = next;
            return Some(end);
        }
        end.pop();
    }
    None
}

/// One logical write. Reads see what it has written so far.
pub(super) struct Draft<'a> {
    pub(super) tree: &'a Tree,
    writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// Collected since the last batch, about.
    bytes: usize,
    applied: bool,
    /// What lists show, among what reached the tree.
    touched: Vec<Touched>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(tree: &'a Tree) -> Self {
        Self { tree, writes: BTreeMap::new(), bytes: 0, applied: false, touched: Vec::new() }
    }

    fn present(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.writes.get(key) {
            Some(written) => Ok(written.clone()),
            None => Ok(self.tree.raw(key)?.map(|value| value.to_vec())),
        }
    }

    pub(super) fn get<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        self.present(key)?.map(|value| codec::decode(&value).map_err(|message| malformed(key, message))).transpose()
    }

    /// Puts a record with its index entries; nothing when it is there already.
    pub(super) fn put<T: Serialize + ?Sized>(&mut self, key: Vec<u8>, value: &T) -> Result<(), StoreError> {
        self.put_encoded(key, codec::encode(value)?)
    }

    pub(super) fn put_encoded(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<(), StoreError> {
        let before = self.present(&key)?;
        if before.as_ref() == Some(&value) {
            return Ok(());
        }
        self.unindex(&key, before.as_deref());
        let entries = books::index_entries(&key, &value).ok_or_else(|| malformed(&key, "it cannot be indexed"))?;
        for entry in entries {
            self.put_bare(entry, Vec::new());
        }
        self.put_bare(key, value);
        Ok(())
    }

    /// Removes a record with its index entries; whether it was there.
    pub(super) fn remove(&mut self, key: Vec<u8>) -> Result<bool, StoreError> {
        let before = self.present(&key)?;
        if before.is_none() {
            return Ok(false);
        }
        self.unindex(&key, before.as_deref());
        self.writes.insert(key, None);
        Ok(true)
    }

    /// Removes a key that has no index.
    pub(super) fn remove_bare(&mut self, key: Vec<u8>) {
        self.writes.insert(key, None);
    }

    /// Puts a key that has no index.
    pub(super) fn put_bare(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.bytes += key.len() + value.len();
        self.writes.insert(key, Some(value));
    }

    fn unindex(&mut self, key: &[u8], before: Option<&[u8]>) {
        // A damaged record has no entries we could know of; `check` names those left over.
        let entries = before.and_then(|before| books::index_entries(key, before)).unwrap_or_default();
        for entry in entries {
            self.writes.insert(entry, None);
        }
    }

    /// Whether it writes keys beginning with `prefix`, not applied yet.
    pub(super) fn writes_in(&self, prefix: &[u8]) -> bool {
        self.writes.range(prefix.to_vec()..).next().is_some_and(|(key, _)| key.starts_with(prefix))
    }

    /// Whether a record is there.
    pub(super) fn has(&self, key: &[u8]) -> Result<bool, StoreError> {
        Ok(self.present(key)?.is_some())
    }

    /// Applies what was collected as one batch; not yet durable.
    pub(super) fn apply(&mut self) -> Result<(), StoreError> {
        if self.writes.is_empty() {
            return Ok(());
        }
        let mut batch = sled::Batch::default();
        self.touched.extend(self.writes.keys().filter_map(|key| changelog::touched(key)));
        for (key, value) in std::mem::take(&mut self.writes) {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        self.bytes = 0;
        self.tree.db.apply_batch(batch).map_err(failed("write"))?;
        self.applied = true;
        Ok(())
    }

    /// For writes that are long and need not be atomic as a whole: applies now if enough waits.
    pub(super) fn apply_when_large(&mut self) -> Result<(), StoreError> {
        if self.writes.len() >= LARGE || self.bytes >= LARGE_BYTES { self.apply() } else { Ok(()) }
    }

    /// What lists show, among what reached the tree.
    pub(super) fn touched(&mut self) -> Vec<Touched> {
        std::mem::take(&mut self.touched)
    }

    /// Whether anything reached the tree.
    pub(super) fn has_applied(&self) -> bool {
        self.applied
    }
}

/// Keys per batch of a long write.
const LARGE: usize = 2_000;
/// Bytes per batch of a long write.
const LARGE_BYTES: usize = 1024 * 1024;

/// Every record of a role, book by book, in the order of keys.
pub(super) fn books_of(role: Role) -> impl Iterator<Item = &'static Book> {
    books::BOOKS.iter().filter(move |book| book.role == role)
}

#[cfg(test)]
mod tests {
    use super::prefix_end;

    #[test]
    fn prefixes_end_where_the_next_key_begins() {
        assert_eq!(prefix_end(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(prefix_end(&[1, 0xff, 0xff]), Some(vec![2]));
        assert_eq!(prefix_end(&[0xff]), None);
        assert_eq!(prefix_end(b""), None);
    }
}
