//! Exports and imports as JSON lines: the way between stores and versions, and the backup.
//!
//! First line `{"catalog_sync_export":1,"schema":…}`, then `{"book":…,"key":[…],"value":…}` in the order of
//! books and keys, last `{"records":…}`. Indexes and counts are left out, since they follow from records, and
//! so is what belongs to this machine. An import reads it packed by gzip as well.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::Path;

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::SledStore;
use super::books::{Book, META, Role, SECONDARY, contradiction};
use super::draft::{Draft, Tree, books_of, failed, malformed};
use super::keys::{self, Key};
use super::open::{SCHEMA, blocking};
use super::{check, codec, secondary};
use crate::error::escape_control;
use crate::store::{ExportOf, StoreError};

const FORMAT: u32 = 1;

/// What is read or written between two looks at the clock of others.
const CHUNK_BYTES: usize = 1024 * 1024;

/// A longer line is no record: the largest, a plan that waits for approval, has a step for each entity of the catalog.
const LINE_BYTES: u64 = 512 * 1024 * 1024;

/// How a packed export begins (RFC 1952).
const PACKED: [u8; 2] = [0x1f, 0x8b];

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    catalog_sync_export: u32,
    schema: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Footer {
    records: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    book: String,
    key: Value,
    value: Value,
}

/// Writers wait until it is done, so that it shows one instant.
pub(super) async fn export(store: &SledStore, out: &mut (dyn Write + Send), of: ExportOf) -> Result<u64, StoreError> {
    let _still = store.gate.read().await;
    write_line(out, &Header { catalog_sync_export: FORMAT, schema: SCHEMA })?;
    let mut records = 0;
    let mut walk = Walk::of(of);
    while !walk.is_done() {
        let tree = store.tree.clone();
        let chunk;
        (walk, chunk) = blocking(move || {
            let chunk = walk.next(&tree)?;
            Ok((walk, chunk))
        })
        .await?;
        if let Some(unreadable) = chunk.unreadable.into_iter().next() {
            return Err(unreadable);
        }
        out.write_all(&chunk.text).map_err(not_written)?;
        records += chunk.records;
    }
    write_line(out, &Footer { records })?;
    out.flush().map_err(not_written)?;
    Ok(records)
}

/// Exports a store of `schema` to a packed file, which is there whole or not at all. Answers with the records that
/// cannot be read, and so are not in it.
pub(super) fn back_up(tree: &Tree, to: &Path, schema: u32) -> Result<Vec<StoreError>, StoreError> {
    let part = to.with_extension("part");
    let written = back_up_in(tree, &part, to, schema);
    if written.is_err() {
        // On a full disk it would only be in the way; the next try makes it anew.
        let _ = fs::remove_file(&part);
    }
    written
}

fn back_up_in(tree: &Tree, part: &Path, to: &Path, schema: u32) -> Result<Vec<StoreError>, StoreError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(part).map_err(not_written)?;
    let mut out = GzEncoder::new(BufWriter::new(file), Compression::fast());
    let unreadable = write_backup(tree, &mut out, schema)?;
    let file = out.finish().map_err(not_written)?.into_inner().map_err(|error| not_written(error.into_error()))?;
    file.sync_all().map_err(not_written)?;
    fs::rename(part, to).map_err(not_written)?;
    let folder = to.parent().map_or(Ok(()), |folder| File::open(folder).and_then(|folder| folder.sync_all()));
    folder.map_err(not_written)?;
    Ok(unreadable)
}

fn write_backup(tree: &Tree, out: &mut (dyn Write + Send), schema: u32) -> Result<Vec<StoreError>, StoreError> {
    write_line(out, &Header { catalog_sync_export: FORMAT, schema })?;
    let mut records = 0;
    let mut unreadable = Vec::new();
    let mut walk = Walk::of(ExportOf::WithCredentials);
    while !walk.is_done() {
        let chunk = walk.next(tree)?;
        out.write_all(&chunk.text).map_err(not_written)?;
        records += chunk.records;
        unreadable.extend(chunk.unreadable);
    }
    write_line(out, &Footer { records })?;
    Ok(unreadable)
}

/// The export of a store in which nothing is kept.
pub(in crate::store) fn export_nothing(out: &mut (dyn Write + Send)) -> Result<u64, StoreError> {
    write_line(out, &Header { catalog_sync_export: FORMAT, schema: SCHEMA })?;
    write_line(out, &Footer { records: 0 })?;
    out.flush().map_err(not_written)?;
    Ok(0)
}

fn write_line<T: Serialize>(out: &mut (dyn Write + Send), line: &T) -> Result<(), StoreError> {
    serde_json::to_writer(&mut *out, line).map_err(|error| not_written(error.into()))?;
    out.write_all(b"\n").map_err(not_written)
}

fn not_written(source: std::io::Error) -> StoreError {
    StoreError::Io { doing: "write the export".to_owned(), source }
}

/// Lines of some records, one after the other.
struct Lines {
    text: Vec<u8>,
    records: u64,
    /// Not among the lines.
    unreadable: Vec<StoreError>,
}

/// On its way through the books of an export.
struct Walk {
    /// Still to come, the one at hand first.
    books: Vec<&'static Book>,
    /// Where to go on in it.
    after: Option<Vec<u8>>,
}

impl Walk {
    fn of(of: ExportOf) -> Self {
        let credentials = books_of(Role::Credential).filter(|_| of == ExportOf::WithCredentials);
        Self { books: books_of(Role::Record).chain(credentials).collect(), after: None }
    }

    fn is_done(&self) -> bool {
        self.books.is_empty()
    }

    /// The next lines, about [`CHUNK_BYTES`] of them.
    fn next(&mut self, tree: &Tree) -> Result<Lines, StoreError> {
        let mut lines = Lines { text: Vec::new(), records: 0, unreadable: Vec::new() };
        while let Some(book) = self.books.first() {
            for entry in tree.scan(&[book.tag], self.after.as_deref()) {
                let (key, value) = entry?;
                match write_record(&mut lines.text, book, &key, &value) {
                    Ok(()) => lines.records += 1,
                    Err(unreadable) => lines.unreadable.push(unreadable),
                }
                if lines.text.len() >= CHUNK_BYTES {
                    self.after = Some(key.to_vec());
                    return Ok(lines);
                }
            }
            self.books.remove(0);
            self.after = None;
        }
        Ok(lines)
    }
}

fn write_record(text: &mut Vec<u8>, book: &Book, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
    let parts = keys::to_json(key, book.shape).ok_or_else(|| malformed(key, "the key cannot be read"))?;
    let json = codec::json_text(value).map_err(|message| malformed(key, message))?;
    text.extend_from_slice(format!(r#"{{"book":"{}","key":{parts},"value":"#, book.name).as_bytes());
    text.extend_from_slice(&json);
    text.extend_from_slice(b"}\n");
    Ok(())
}

fn importing_key() -> Vec<u8> {
    Key::in_book(META).text("importing").bytes()
}

/// Lines are written as they come, behind a mark: whatever ends the import early, the mark is found and the
/// store is emptied again, here or when it is opened next.
pub(super) async fn import(store: &SledStore, input: &mut (dyn BufRead + Send)) -> Result<u64, StoreError> {
    let _alone = store.gate.write().await;
    let tree = store.tree.clone();
    let begun = blocking(move || {
        let mut draft = Draft::new(&tree);
        drop_broken_import(&mut draft)?;
        if !is_empty(&tree)? {
            return Err(StoreError::NotEmpty);
        }
        draft.put(importing_key(), &true)?;
        draft.apply()?;
        tree.db.flush().map_err(failed("flush")).map(drop)
    });
    begun.await?;
    let result = import_text(store, input).await;
    let tree = store.tree.clone();
    let is_whole = result.is_ok();
    let ended = blocking(move || {
        let mut draft = Draft::new(&tree);
        if is_whole {
            draft.remove(importing_key())?;
            draft.apply()?;
        } else {
            drop_broken_import(&mut draft)?;
        }
        tree.db.flush().map_err(failed("flush")).map(drop)
    });
    let ended = ended.await;
    let records = result?;
    ended?;
    Ok(records)
}

/// Books that an import may fill.
fn kept() -> impl Iterator<Item = &'static Book> {
    books_of(Role::Record).chain(books_of(Role::Credential))
}

fn is_empty(tree: &Tree) -> Result<bool, StoreError> {
    for book in kept() {
        if tree.scan(&[book.tag], None).next().transpose()?.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Empties a store in which an import broke off; does nothing to any other.
pub(super) fn drop_broken_import(draft: &mut Draft<'_>) -> Result<(), StoreError> {
    if !draft.has(&importing_key())? {
        return Ok(());
    }
    for book in kept().chain(books_of(Role::Index)) {
        for entry in draft.tree.scan(&[book.tag], None) {
            draft.remove_bare(entry?.0.to_vec());
            draft.apply_when_large()?;
        }
    }
    draft.apply()?;
    draft.remove_bare(importing_key());
    draft.apply()
}

/// Numbered lines, so that a fault can be found.
struct Chunk {
    lines: Vec<(u64, Vec<u8>)>,
    ended: bool,
}

fn read_chunk(input: &mut (dyn BufRead + Send), number: &mut u64) -> Result<Chunk, StoreError> {
    let mut chunk = Chunk { lines: Vec::new(), ended: false };
    let mut bytes = 0;
    while bytes < CHUNK_BYTES {
        let mut line = Vec::new();
        let read = input.take(LINE_BYTES).read_until(b'\n', &mut line).map_err(|error| not_read(*number + 1, error))?;
        if read == 0 {
            chunk.ended = true;
            break;
        }
        *number += 1;
        if read as u64 == LINE_BYTES && !line.ends_with(b"\n") {
            return Err(fault(*number, "no record of a store is as long as this line"));
        }
        bytes += read;
        chunk.lines.push((*number, line));
    }
    Ok(chunk)
}

fn fault(number: u64, message: impl AsRef<str>) -> StoreError {
    StoreError::Malformed { place: format!("line {number}"), message: escape_control(message.as_ref()) }
}

/// The lines of a plain or a packed export.
async fn import_text(store: &SledStore, input: &mut (dyn BufRead + Send)) -> Result<u64, StoreError> {
    let mut beginning = Vec::with_capacity(PACKED.len());
    let two = u64::try_from(PACKED.len()).unwrap_or_default();
    (&mut *input).take(two).read_to_end(&mut beginning).map_err(|error| not_read(1, error))?;
    let mut whole = beginning.as_slice().chain(input);
    match beginning == PACKED {
        true => import_lines(store, &mut BufReader::new(MultiGzDecoder::new(whole))).await,
        false => import_lines(store, &mut whole).await,
    }
}

/// A packed file says itself when it is damaged; everything else is the disk's.
fn not_read(number: u64, error: std::io::Error) -> StoreError {
    match error.kind() {
        ErrorKind::InvalidInput | ErrorKind::InvalidData | ErrorKind::UnexpectedEof => {
            fault(number, format!("the packed export is damaged here: {error}"))
        }
        _ => StoreError::Io { doing: format!("read line {number}"), source: error },
    }
}

async fn import_lines(store: &SledStore, input: &mut (dyn BufRead + Send)) -> Result<u64, StoreError> {
    let mut number = 0;
    let mut progress = Progress::default();
    loop {
        let chunk = read_chunk(input, &mut number)?;
        let tree = store.tree.clone();
        let ended = chunk.ended;
        progress = blocking(move || {
            let mut draft = Draft::new(&tree);
            for (number, line) in chunk.lines {
                progress.take(&mut draft, number, &line)?;
                draft.apply_when_large()?;
            }
            draft.apply()?;
            Ok(progress)
        })
        .await?;
        if ended {
            break;
        }
    }
    match progress {
        Progress { header: false, .. } => Err(fault(1, "the file is empty")),
        Progress { footer: false, .. } => {
            Err(fault(number, "the export breaks off here: its last line, with the number of records, is missing"))
        }
        Progress { records, .. } => {
            let tree = store.tree.clone();
            match blocking(move || check::disagreement(&tree)).await? {
                Some(message) => Err(fault(number, message)),
                None => Ok(records),
            }
        }
    }
}

/// How far an import is.
#[derive(Default)]
struct Progress {
    header: bool,
    footer: bool,
    records: u64,
}

impl Progress {
    fn take(&mut self, draft: &mut Draft<'_>, number: u64, line: &[u8]) -> Result<(), StoreError> {
        let unreadable = |error: serde_json::Error| fault(number, error.to_string());
        if self.footer {
            return Err(fault(number, "there is more behind the last line of the export"));
        }
        if !self.header {
            let header: Header = serde_json::from_slice(line)
                .map_err(|_| fault(number, "this is not an export of a catalog-sync store"))?;
            if header.catalog_sync_export != FORMAT || header.schema > SCHEMA {
                return Err(fault(number, "a newer catalog-sync wrote this export"));
            }
            self.header = true;
            return Ok(());
        }
        if line.starts_with(br#"{"records""#) {
            let footer: Footer = serde_json::from_slice(line).map_err(unreadable)?;
            if footer.records != self.records {
                let message = format!("{} records were announced, {} came", footer.records, self.records);
                return Err(fault(number, message));
            }
            self.footer = true;
            return Ok(());
        }
        let Line { book: name, key, value } = serde_json::from_slice(line).map_err(unreadable)?;
        let book = kept().find(|book| book.name == name);
        let book = book.ok_or_else(|| fault(number, format!("there is no book {name}")))?;
        let key = keys::from_json(book.tag, &key, book.shape)
            .ok_or_else(|| fault(number, format!("{key} is no key of {name}")))?;
        if draft.has(&key)? {
            return Err(fault(number, "the same record was there before"));
        }
        let json = to_raw(&value).map_err(unreadable)?;
        let encoded = (book.canonical)(&json).map_err(|message| fault(number, message))?;
        if let Some(message) = contradiction(&key, &encoded) {
            return Err(fault(number, message));
        }
        if book.tag == SECONDARY {
            secondary::check_block(&key, &encoded, None).map_err(|message| fault(number, message))?;
        }
        draft.put_encoded(key, encoded)?;
        self.records += 1;
        Ok(())
    }
}

fn to_raw(value: &Value) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(value)
}
