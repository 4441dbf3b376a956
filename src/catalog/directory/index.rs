//! Which document is where, of the files that a walk has found.
//!
//! Holds refs, places and hashes, not the documents.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::claims::Claim;
use super::file::{FileRecord, Slot};
use super::git::Tree;
use super::walk::{Root, Walk};
use crate::catalog::{CatalogError, FileProblem, Reading};
use crate::model::{ClaimedName, EntityFormat, EntityRef, Place};

/// Root (by position) and path beneath it: the order of everything.
pub(super) type Key = (usize, PathBuf);

/// The index of a catalog.
#[derive(Debug, Default)]
pub(super) struct Index {
    files: BTreeMap<Key, FileRecord>,
    /// From an earlier process: what files held. Used for files not read yet.
    remembered: BTreeMap<Key, Vec<EntityRef>>,
    /// Places in `files` by entity ref, those of one ref sorted.
    order: BTreeMap<EntityRef, Vec<(Key, u32)>>,
    /// By name, which file nobody can read claims it first.
    claims: BTreeMap<String, Key>,
    /// Temporary files of ours, beneath the catalog itself, that no live process works with.
    leftovers: Vec<PathBuf>,
    /// When the last complete walk ended, and how long it took.
    walked: Option<(Instant, Duration)>,
    /// Git trees that hold catalog files, with `HEAD` as it was when the reading began.
    pub heads: BTreeMap<Tree, String>,
    /// Whether a reading was ever complete.
    pub is_read: bool,
}

/// What a new process should know: which file held which entities.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Snapshot {
    version: u32,
    files: Vec<(usize, PathBuf, Vec<EntityRef>)>,
}

impl Index {
    /// Walks every root. An unreadable root ends it; anything else is a problem of its file.
    pub(super) fn read(&mut self, roots: &[Root], cap: u64, now: SystemTime) -> Result<Reading, CatalogError> {
        let began = Instant::now();
        let mut heads = BTreeMap::new();
        let mut leftovers = Vec::new();
        let canonical: Vec<PathBuf> = roots.iter().map(|root| canonical(&root.path)).collect();
        for root in &canonical {
            if let Some(tree) = Tree::above(root) {
                let head = tree.head();
                heads.insert(tree, head);
            }
        }
        let mut files = BTreeMap::new();
        for (at, root) in roots.iter().enumerate() {
            let dir = root.open()?;
            let mut walk = Walk {
                previous: self,
                files: &mut files,
                heads: &mut heads,
                leftovers: &mut leftovers,
                root: at,
                canonical: &canonical,
                cap,
                now,
                read_only: root.read_only,
                targets: BTreeSet::new(),
            };
            walk.directory(&dir, Path::new(""), 0)
                .map_err(|source| CatalogError::Unreadable { root: root.path.clone(), source })?;
        }
        self.files = files;
        self.remembered.clear();
        self.heads = heads;
        self.leftovers = leftovers;
        self.is_read = true;
        self.sort();
        let ended = Instant::now();
        self.walked = Some((ended, ended - began));
        Ok(self.reading(roots))
    }

    /// Whether the last walk was so long ago that another would cost no more than one part in `times`.
    pub(super) fn may_look_again(&self, times: u32) -> bool {
        self.walked.is_none_or(|(ended, took)| ended.elapsed() >= took * times)
    }

    /// Takes up what changed, as [`Index::read`] does; `HEAD` counts as it was when plans were made.
    pub(super) fn look_again(&mut self, roots: &[Root], cap: u64, now: SystemTime) -> Result<(), CatalogError> {
        let mut heads = self.heads.clone();
        self.read(roots, cap, now)?;
        for (tree, head) in std::mem::take(&mut self.heads) {
            heads.entry(tree).or_insert(head);
        }
        self.heads = heads;
        Ok(())
    }

    /// Temporary files of ours that no live process works with.
    pub(super) fn leftovers(&self) -> &[PathBuf] {
        &self.leftovers
    }

    /// They are gone.
    pub(super) fn forget_leftovers(&mut self) {
        self.leftovers.clear();
    }

    fn sort(&mut self) {
        let mut order: BTreeMap<EntityRef, Vec<(Key, u32)>> = BTreeMap::new();
        // In the order of the files: places of one ref come sorted.
        for (key, file) in &self.files {
            for (at, slot) in file.slots.iter().enumerate() {
                order.entry(slot.entity_ref.clone()).or_default().push((key.clone(), at as u32));
            }
        }
        self.order = order;
        self.sort_claims();
    }

    fn sort_claims(&mut self) {
        self.claims.clear();
        for (key, file) in &self.files {
            for claim in &file.claims {
                self.claims.entry(claim.name.clone()).or_insert_with(|| key.clone());
            }
        }
    }

    fn slot(&self, (key, slot): &(Key, u32)) -> Option<&Slot> {
        self.files.get(key)?.slots.get(*slot as usize)
    }

    fn reading(&self, roots: &[Root]) -> Reading {
        let mut reading = Reading { version: self.version(), ..Reading::default() };
        for (entity_ref, places) in &self.order {
            let Some(first) = places.first().and_then(|at| self.slot(at)) else { continue };
            reading.entity_refs.push(entity_ref.clone());
            reading.marks.extend(first.marked.clone().map(|repo| (entity_ref.clone(), repo)));
            if places.len() > 1 {
                let shown = self.places(roots, entity_ref).iter().map(ToString::to_string).collect();
                reading.duplicates.push((entity_ref.clone(), shown));
            }
        }
        for ((root, file), record) in &self.files {
            for (line, reason, is_fault) in &record.problems {
                let file = roots.get(*root).map_or_else(|| file.clone(), |root| root.shown(file));
                reading.problems.push(FileProblem { file, line: *line, reason: reason.clone(), is_fault: *is_fault });
            }
            reading.unreadable.extend(record.lost.iter().cloned());
            let shown = || roots.get(*root).map_or_else(|| file.clone(), |root| root.shown(file));
            reading.claimed.extend(record.claims.iter().map(|claim| claimed(&shown(), claim)));
        }
        reading.claimed.sort();
        reading.claimed.dedup_by(|b, a| a.name == b.name);
        reading.unreadable.sort();
        reading.unreadable.dedup();
        reading.unreadable.retain(|lost| reading.entity_refs.binary_search(lost).is_err());
        reading
    }

    fn version(&self) -> String {
        let mut hasher = Sha256::new();
        for ((root, file), record) in &self.files {
            hasher.update((*root as u64).to_be_bytes());
            hasher.update(file.as_os_str().as_encoded_bytes());
            hasher.update([0]);
            hasher.update(record.hash);
            for (_, reason, _) in &record.problems {
                hasher.update(reason.as_bytes());
                hasher.update([0]);
            }
            for claim in &record.claims {
                hasher.update(claim.name.as_bytes());
                hasher.update([0]);
            }
        }
        hex::encode(hasher.finalize())
    }

    /// Where a ref lies, writable places first, then by place.
    pub(super) fn places(&self, roots: &[Root], entity_ref: &EntityRef) -> Vec<Place> {
        let places = self.order.get(entity_ref).into_iter().flatten();
        places.filter_map(|at| Some(place(roots, &at.0, self.slot(at)?))).collect()
    }

    /// Why a name may be taken by a file nobody can read.
    pub(super) fn claim(&self, roots: &[Root], entity_ref: &EntityRef) -> Option<ClaimedName> {
        let name = entity_ref.name().to_lowercase();
        let key = self.claims.get(&name)?;
        let claim = self.files.get(key)?.claims.iter().find(|claim| claim.name == name)?;
        Some(claimed(&roots.get(key.0).map_or_else(|| key.1.clone(), |root| root.shown(&key.1)), claim))
    }

    /// The first place of each ref after `after`, at most `limit`, in order.
    pub(super) fn page(&self, roots: &[Root], after: Option<&EntityRef>, limit: usize) -> Vec<(EntityRef, Place)> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let of_each = self.order.range((start, Bound::Unbounded)).filter_map(|(entity_ref, places)| {
            let first = places.first()?;
            Some((entity_ref.clone(), place(roots, &first.0, self.slot(first)?)))
        });
        of_each.take(limit).collect()
    }

    /// The format of most documents.
    pub(super) fn prevailing_format(&self) -> Option<EntityFormat> {
        let (mut backstage, mut harness) = (0usize, 0usize);
        for slot in self.files.values().flat_map(|file| &file.slots) {
            match slot.format {
                EntityFormat::Backstage => backstage += 1,
                EntityFormat::Harness => harness += 1,
            }
        }
        match backstage.cmp(&harness) {
            std::cmp::Ordering::Less => Some(EntityFormat::Harness),
            std::cmp::Ordering::Greater => Some(EntityFormat::Backstage),
            std::cmp::Ordering::Equal => (backstage > 0).then_some(EntityFormat::Backstage),
        }
    }

    /// Takes up a file of the catalog itself that we have just written.
    pub(super) fn wrote(&mut self, file: &Path, text: &str, now: SystemTime) {
        let key = (0, file.to_owned());
        let record = FileRecord::read(None, text.as_bytes(), now, Vec::new());
        let old = self.files.insert(key.clone(), record);
        let (old_slots, old_claims) = old.map_or_else(Default::default, |old| (old.slots, old.claims));
        let Some(new) = self.files.get(&key) else { return };
        if old_slots != new.slots {
            for slot in old_slots {
                if let Some(places) = self.order.get_mut(&slot.entity_ref) {
                    places.retain(|(of, _)| *of != key);
                    if places.is_empty() {
                        self.order.remove(&slot.entity_ref);
                    }
                }
            }
            for (at, slot) in new.slots.iter().enumerate() {
                let place = (key.clone(), at as u32);
                let places = self.order.entry(slot.entity_ref.clone()).or_default();
                places.insert(places.partition_point(|other| *other < place), place);
            }
        }
        if old_claims != new.claims {
            self.sort_claims();
        }
    }

    /// Forgets a file of the catalog itself that we have just taken away, and what it held.
    pub(super) fn took_away(&mut self, file: &Path) {
        let key = (0, file.to_owned());
        let Some(old) = self.files.remove(&key) else { return };
        for slot in old.slots {
            if let Some(places) = self.order.get_mut(&slot.entity_ref) {
                places.retain(|(of, _)| *of != key);
                if places.is_empty() {
                    self.order.remove(&slot.entity_ref);
                }
            }
        }
        if !old.claims.is_empty() {
            self.sort_claims();
        }
    }

    /// For [`Index::restore`] in another process.
    pub(super) fn snapshot(&self) -> serde_json::Value {
        let files = self
            .files
            .iter()
            .map(|((root, file), record)| (*root, file.clone(), record.refs()))
            .filter(|(_, _, refs)| !refs.is_empty())
            .collect();
        serde_json::to_value(Snapshot { version: 1, files }).unwrap_or_default()
    }

    /// Takes over what an earlier process knew; ignored once something was read, or when it is not ours.
    pub(super) fn restore(&mut self, snapshot: &serde_json::Value) {
        let Ok(Snapshot { version: 1, files }) = Snapshot::deserialize(snapshot) else { return };
        if !self.is_read {
            self.remembered = files.into_iter().map(|(root, file, refs)| ((root, file), refs)).collect();
        }
    }

    /// What is known of a file.
    pub(super) fn file(&self, key: &Key) -> Option<&FileRecord> {
        self.files.get(key)
    }

    /// What a file held last.
    pub(super) fn held(&self, key: &Key) -> Vec<EntityRef> {
        match self.files.get(key) {
            Some(file) => file.refs(),
            None => self.remembered.get(key).cloned().unwrap_or_default(),
        }
    }

    /// Every entity last known beneath a folder.
    pub(super) fn held_beneath(&self, root: usize, folder: &Path) -> Vec<EntityRef> {
        let files = self.files.iter().map(|(key, file)| (key, file.refs()));
        let remembered = self.remembered.iter().map(|(key, refs)| (key, refs.clone()));
        files
            .chain(remembered)
            .filter(|((at, file), _)| *at == root && file.starts_with(folder))
            .flat_map(|(_, refs)| refs)
            .collect()
    }
}

/// A claim in words.
fn claimed(file: &Path, Claim { name, line }: &Claim) -> ClaimedName {
    let file = super::shown(file);
    let shown = crate::error::escape_control(name);
    let because = match line {
        Some(line) => format!("{file}:{line} cannot be read and names `{shown}`"),
        None => format!("{file} cannot be read, and its own name is `{shown}`"),
    };
    ClaimedName { name: name.clone(), because }
}

fn canonical(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn place(roots: &[Root], (root, file): &Key, slot: &Slot) -> Place {
    Place {
        file: file.clone(),
        document: slot.document as usize,
        line: slot.line as usize,
        read_only_under: roots.get(*root).filter(|root| root.read_only).map(|root| root.path.clone()),
    }
}
