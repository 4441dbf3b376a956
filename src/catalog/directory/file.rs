//! What is known of one file, without the file: its stamp, its hash, and which entities it holds or claims.

use std::time::SystemTime;

use cap_std::fs::{Metadata, MetadataExt as _};

use super::claims::{self, Claim};
use super::documents::{self, Found};
use super::write::{self, Hash};
use crate::model::{EntityFormat, EntityRef, RepoKey};

/// What is known of a file.
#[derive(Clone, Debug)]
pub(super) struct FileRecord {
    pub stamp: Option<Stamp>,
    pub read_at: SystemTime,
    pub hash: Hash,
    pub slots: Vec<Slot>,
    /// Line, reason, whether it is a fault.
    pub problems: Vec<(Option<usize>, String, bool)>,
    /// Entities it held when it could last be read whole.
    pub lost: Vec<EntityRef>,
    /// Names it may define beside those.
    pub claims: Vec<Claim>,
}

/// One entity document of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub entity_ref: EntityRef,
    pub format: EntityFormat,
    pub document: u32,
    pub line: u32,
    /// The repository that its mark names.
    pub marked: Option<RepoKey>,
}

impl FileRecord {
    /// Entities it holds, and those it held and cannot show now.
    pub(super) fn refs(&self) -> Vec<EntityRef> {
        self.slots.iter().map(|slot| slot.entity_ref.clone()).chain(self.lost.iter().cloned()).collect()
    }

    /// A file left alone as a whole.
    pub(super) fn problem(
        reason: String,
        is_fault: bool,
        held: Vec<EntityRef>,
        claims: Vec<Claim>,
        now: SystemTime,
    ) -> Self {
        let lost = if is_fault { held } else { Vec::new() };
        let hash = write::hash(reason.as_bytes());
        let problems = vec![(None, reason, is_fault)];
        Self { stamp: None, read_at: now, hash, slots: Vec::new(), problems, lost, claims }
    }

    pub(super) fn read(stamp: Option<Stamp>, bytes: &[u8], now: SystemTime, held: Vec<EntityRef>) -> Self {
        let hash = write::hash(bytes);
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let line = 1 + bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
                let problems = vec![(Some(line), "not UTF-8".to_owned(), true)];
                let claims = claims::of_document(&String::from_utf8_lossy(bytes), 1);
                return Self { stamp, read_at: now, hash, slots: Vec::new(), problems, lost: held, claims };
            }
        };
        let (mut slots, mut problems, mut claims) = (Vec::new(), Vec::new(), Vec::new());
        for (at, document) in documents::read(text).into_iter().enumerate() {
            match document.found {
                Found::Entity { format, identity, .. } => slots.push(Slot {
                    entity_ref: identity.entity_ref,
                    format,
                    document: at as u32,
                    line: document.line as u32,
                    marked: identity.mark.map(|mark| mark.repository),
                }),
                Found::NotOurs => {}
                Found::Problem { line, reason, is_fault, claims: of_document } => {
                    problems.push((Some(line), reason, is_fault));
                    claims.extend(of_document);
                }
            }
        }
        let mut lost = Vec::new();
        // An empty text is what a file looks like while it is being written.
        if problems.iter().any(|(.., is_fault)| *is_fault) {
            lost = held;
            lost.sort();
            lost.dedup();
            lost.retain(|entity_ref| slots.iter().all(|slot: &Slot| slot.entity_ref != *entity_ref));
        }
        Self { stamp, read_at: now, hash, slots, problems, lost, claims }
    }
}

/// What tells a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    size: u64,
    device: u64,
    inode: u64,
    modified_ns: i128,
    changed_ns: i128,
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        let ns = |seconds: i64, ns: i64| i128::from(seconds) * 1_000_000_000 + i128::from(ns);
        Self {
            size: metadata.size(),
            device: metadata.dev(),
            inode: metadata.ino(),
            modified_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Changed so shortly before it was read that it may have changed again within the same tick.
    pub(super) fn is_fresh(&self, read_at: SystemTime) -> bool {
        let read_ns = read_at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i128);
        self.changed_ns.max(self.modified_ns) > read_ns - 2_000_000_000
    }
}
