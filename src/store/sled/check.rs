//! Verifying every book, and making indexes anew.

use std::collections::BTreeMap;

use super::books::{
    self, BOOKS, Book, COVERAGE, RECORDS, REPOSITORIES, Role, SECONDARY, contradiction, index_entries, record_of_entry,
    stream_of_block,
};
use super::draft::{Draft, Tree, books_of, failed, place_of};
use super::open::SCHEMA;
use super::{codec, keys, secondary};
use crate::store::{StoreError, StoreReport};

/// Faults told one by one; what comes behind is counted.
const TOLD_FAULTS: usize = 100;

#[derive(Default)]
struct Faults {
    told: Vec<String>,
    more: u64,
}

impl Faults {
    fn tell(&mut self, key: &[u8], what: impl AsRef<str>) {
        if self.told.len() < TOLD_FAULTS {
            self.told.push(format!("{}: {}", place_of(key), what.as_ref()));
        } else {
            self.more += 1;
        }
    }

    fn into_words(mut self) -> Vec<String> {
        if self.more > 0 {
            self.told.push(format!("and {} faults more", self.more));
        }
        self.told
    }
}

/// Walks everything. Holds one record at a time.
pub(super) fn check(tree: &Tree) -> Result<StoreReport, StoreError> {
    let mut faults = Faults::default();
    let mut records = BTreeMap::new();
    let mut has_bad_blocks = false;
    for book in BOOKS {
        let mut count = 0_u64;
        let mut blocks = Blocks::default();
        for entry in tree.scan(&[book.tag], None) {
            let (key, value) = entry?;
            count += 1;
            if keys::to_json(&key, book.shape).is_none() {
                faults.tell(&key, "the key cannot be read");
                continue;
            }
            check_value(tree, book, &key, &value, &mut faults)?;
            if book.tag == SECONDARY
                && let Err(message) = blocks.check(&key, &value)
            {
                faults.tell(&key, message);
                has_bad_blocks = true;
            }
        }
        records.insert(book.name.to_owned(), count);
    }
    // What is counted wrong follows from blocks that are wrong.
    for entry in tree.scan(&[COVERAGE], None).filter(|_| !has_bad_blocks) {
        let (key, value) = entry?;
        // One that cannot be read was told above.
        if let Ok(Some(message)) = secondary::miscounted(tree, &key, &value) {
            faults.tell(&key, message);
        }
    }
    for entry in tree.db.iter() {
        let (key, _) = entry.map_err(failed("read"))?;
        if key.first().is_none_or(|tag| books::book(*tag).is_none()) {
            faults.tell(&key, "it belongs to no book");
        }
    }
    let size_bytes = tree.db.size_on_disk().map_err(failed("tell its size"))?;
    Ok(StoreReport { books: records, size_bytes, schema: SCHEMA, faults: faults.into_words() })
}

fn check_value(tree: &Tree, book: &Book, key: &[u8], value: &[u8], faults: &mut Faults) -> Result<(), StoreError> {
    if book.role == Role::Index {
        let Some(record) = record_of_entry(key) else {
            faults.tell(key, "it is not an entry of this index");
            return Ok(());
        };
        match tree.raw(&record)? {
            None => faults.tell(key, "the record it stands for is missing"),
            Some(value) => {
                // A record that cannot be read is told with its own book.
                let entries = index_entries(&record, &value);
                if entries.is_some_and(|entries| !entries.iter().any(|entry| entry == key)) {
                    faults.tell(key, "the record it stands for says otherwise");
                }
            }
        }
        return Ok(());
    }
    let read = codec::json_text(value).and_then(|json| (book.canonical)(&json));
    if let Err(message) = read {
        faults.tell(key, message);
        return Ok(());
    }
    if let Some(message) = contradiction(key, value) {
        faults.tell(key, message);
    }
    for entry in index_entries(key, value).unwrap_or_default() {
        if tree.raw(&entry)?.is_none() {
            let index = entry.first().and_then(|tag| books::book(*tag)).map_or("the index", |book| book.name);
            faults.tell(key, format!("it is missing in {index}"));
        }
    }
    let (other, without) = match book.tag {
        REPOSITORIES => (RECORDS, "it has no raw record"),
        RECORDS => (REPOSITORIES, "it is the raw record of no repository"),
        _ => return Ok(()),
    };
    let other = keys::Key::in_book(other).raw(&key[1..]).bytes();
    if tree.scan(&other, None).next().transpose()?.is_none() {
        faults.tell(key, without);
    }
    Ok(())
}

/// Blocks of items one after the other, as they lie: none overlaps the one before it.
#[derive(Default)]
struct Blocks(Option<(Vec<u8>, keys::Place)>);

impl Blocks {
    fn check(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let stream = stream_of_block(key).unwrap_or_default();
        let before = self.0.take().filter(|(of, _)| of == stream);
        let last = secondary::check_block(key, value, before.as_ref().map(|(_, place)| place))?;
        self.0 = last.map(|place| (stream.to_vec(), place));
        Ok(())
    }
}

/// What is wrong with records that each are right by themselves, as an edited export has it: repositories without
/// their raw records (rules would read nothing of them), items twice, coverage that counts others than there are.
pub(super) fn disagreement(tree: &Tree) -> Result<Option<String>, StoreError> {
    for entry in tree.scan(&[REPOSITORIES], None) {
        let (key, _) = entry?;
        if tree.raw(&keys::Key::in_book(RECORDS).raw(&key[1..]).bytes())?.is_none() {
            return Ok(Some(format!("{} has no raw record in all of the export", place_of(&key))));
        }
    }
    let mut blocks = Blocks::default();
    for entry in tree.scan(&[SECONDARY], None) {
        let (key, value) = entry?;
        if let Err(message) = blocks.check(&key, &value) {
            return Ok(Some(format!("{}: {message}", place_of(&key))));
        }
    }
    for entry in tree.scan(&[COVERAGE], None) {
        let (key, value) = entry?;
        if let Some(message) = secondary::miscounted(tree, &key, &value)? {
            return Ok(Some(format!("{}: {message}", place_of(&key))));
        }
    }
    Ok(None)
}

/// Drops indexes and makes them from the records. Records that cannot be read stay without.
pub(super) fn rebuild_indexes(draft: &mut Draft<'_>) -> Result<u64, StoreError> {
    for book in books_of(Role::Index) {
        for entry in draft.tree.scan(&[book.tag], None) {
            draft.remove_bare(entry?.0.to_vec());
            draft.apply_when_large()?;
        }
    }
    draft.apply()?;
    let mut made = 0;
    for book in books_of(Role::Record).chain(books_of(Role::Local)) {
        for entry in draft.tree.scan(&[book.tag], None) {
            let (key, value) = entry?;
            for entry in index_entries(&key, &value).unwrap_or_default() {
                draft.put_bare(entry, Vec::new());
                made += 1;
            }
            draft.apply_when_large()?;
        }
    }
    draft.apply()?;
    Ok(made)
}
