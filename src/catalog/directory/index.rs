//! Which document is where: every YAML file beneath the roots, read again only when it changed.
//!
//! Holds refs, places and hashes, not the documents.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata, MetadataExt as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::claims::{self, Claim};
use super::documents::{self, Found};
use super::git::Tree;
use super::write::{self, Hash, Leftover};
use crate::catalog::{CatalogError, FileProblem, Reading};
use crate::model::{ClaimedName, EntityFormat, EntityRef, Place, RepoKey};

/// A directory that is read.
#[derive(Clone, Debug)]
pub(super) struct Root {
    /// As configured.
    pub path: PathBuf,
    /// `also_read`.
    pub read_only: bool,
}

impl Root {
    /// Opens it; everything below is reached through this handle only.
    pub(super) fn open(&self) -> Result<Dir, CatalogError> {
        Dir::open_ambient_dir(&self.path, ambient_authority())
            .map_err(|source| CatalogError::Unreadable { root: self.path.clone(), source })
    }

    fn shown(&self, file: &Path) -> PathBuf {
        if self.read_only { self.path.join(file) } else { file.to_owned() }
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
    fn is_fresh(&self, read_at: SystemTime) -> bool {
        let read_ns = read_at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i128);
        self.changed_ns.max(self.modified_ns) > read_ns - 2_000_000_000
    }
}

/// One entity document of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Slot {
    entity_ref: EntityRef,
    format: EntityFormat,
    document: u32,
    line: u32,
    /// The repository that its mark names.
    marked: Option<RepoKey>,
}

/// What is known of a file.
#[derive(Clone, Debug)]
struct FileRecord {
    stamp: Option<Stamp>,
    read_at: SystemTime,
    hash: Hash,
    slots: Vec<Slot>,
    /// Line, reason, whether it is a fault.
    problems: Vec<(Option<usize>, String, bool)>,
    /// Entities it held when it could last be read whole.
    lost: Vec<EntityRef>,
    /// Names it may define beside those.
    claims: Vec<Claim>,
}

/// Root (by position) and path beneath it: the order of everything.
type Key = (usize, PathBuf);

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

    /// What a file held last.
    fn held(&self, key: &Key) -> Vec<EntityRef> {
        match self.files.get(key) {
            Some(file) => file.refs(),
            None => self.remembered.get(key).cloned().unwrap_or_default(),
        }
    }

    /// Every entity last known beneath a folder.
    fn held_beneath(&self, root: usize, folder: &Path) -> Vec<EntityRef> {
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

impl FileRecord {
    /// Entities it holds, and those it held and cannot show now.
    fn refs(&self) -> Vec<EntityRef> {
        self.slots.iter().map(|slot| slot.entity_ref.clone()).chain(self.lost.iter().cloned()).collect()
    }

    /// A file left alone as a whole.
    fn problem(reason: String, is_fault: bool, held: Vec<EntityRef>, claims: Vec<Claim>, now: SystemTime) -> Self {
        let lost = if is_fault { held } else { Vec::new() };
        let hash = write::hash(reason.as_bytes());
        let problems = vec![(None, reason, is_fault)];
        Self { stamp: None, read_at: now, hash, slots: Vec::new(), problems, lost, claims }
    }

    fn read(stamp: Option<Stamp>, bytes: &[u8], now: SystemTime, held: Vec<EntityRef>) -> Self {
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

/// One root being walked.
struct Walk<'a> {
    previous: &'a Index,
    files: &'a mut BTreeMap<Key, FileRecord>,
    heads: &'a mut BTreeMap<Tree, String>,
    leftovers: &'a mut Vec<PathBuf>,
    root: usize,
    canonical: &'a [PathBuf],
    cap: u64,
    now: SystemTime,
    read_only: bool,
    /// Files that links lead to, so that none counts twice.
    targets: BTreeSet<PathBuf>,
}

/// Folders deeper than this are nobody's catalog.
const MAX_DEPTH: usize = 64;

impl Walk<'_> {
    /// An error means that the directory itself cannot be listed.
    fn directory(&mut self, dir: &Dir, path: &Path, depth: usize) -> io::Result<()> {
        let mut names = Vec::new();
        for entry in dir.entries()? {
            names.push(entry?.file_name());
        }
        names.sort();
        for name in names {
            let path = path.join(&name);
            let shown = name.to_string_lossy();
            if shown.eq_ignore_ascii_case(".git") {
                self.note_tree(&path);
                continue;
            }
            let metadata = match dir.symlink_metadata(&name) {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    self.problem(path, error.to_string(), true);
                    continue;
                }
            };
            if metadata.is_dir() {
                self.folder(dir, Path::new(&name), path, depth);
            } else if write::is_temporary(&shown) {
                self.temporary(dir, &shown, path);
            } else if is_catalog_file(&shown) {
                self.file(dir, Path::new(&name), path, &metadata);
            } else if metadata.is_symlink() {
                self.linked_folder(dir, Path::new(&name), path);
            }
        }
        Ok(())
    }

    fn note_tree(&mut self, path: &Path) {
        let top =
            path.parent().map_or_else(|| self.canonical[self.root].clone(), |top| self.canonical[self.root].join(top));
        if let Some(tree) = Tree::at(&top) {
            let head = tree.head();
            self.heads.entry(tree).or_insert(head);
        }
    }

    fn folder(&mut self, dir: &Dir, name: &Path, path: PathBuf, depth: usize) {
        let absolute = self.canonical[self.root].join(&path);
        let is_another_root = self.canonical.iter().enumerate().any(|(at, root)| at != self.root && *root == absolute);
        if is_another_root {
            return;
        }
        if depth >= MAX_DEPTH {
            return self.problem(path, "nested too deeply".to_owned(), true);
        }
        let listed = dir.open_dir(name).and_then(|dir| self.directory(&dir, &path, depth + 1));
        match listed {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let held = self.previous.held_beneath(self.root, &path);
                let claims = claims::of_path(&path);
                let problem = FileRecord::problem(error.to_string(), true, held, claims, self.now);
                self.files.insert((self.root, path), problem);
            }
        }
    }

    /// What lies inside is indexed where it lies; what lies outside is not followed.
    fn linked_folder(&mut self, dir: &Dir, name: &Path, path: PathBuf) {
        if dir.metadata(name).is_err()
            && std::fs::metadata(self.canonical[self.root].join(&path)).is_ok_and(|target| target.is_dir())
        {
            self.problem(path, "a link that leads out of the catalog; not followed".to_owned(), true);
        }
    }

    fn temporary(&mut self, dir: &Dir, name: &str, path: PathBuf) {
        if self.read_only {
            return;
        }
        match write::leftover(dir, name, self.now, false) {
            Ok(Leftover::InUse) => {}
            Ok(Leftover::Ours) => self.leftovers.push(path),
            Ok(Leftover::Foreign) => self.problem(
                path,
                "left by an interrupted write, and holds a text of somebody else: look at it, then remove it"
                    .to_owned(),
                true,
            ),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.problem(path, format!("left by an interrupted write: {error}"), true),
        }
    }

    fn file(&mut self, dir: &Dir, name: &Path, path: PathBuf, metadata: &Metadata) {
        let key = (self.root, path.clone());
        if metadata.is_symlink() {
            return self.linked_file(dir, name, path);
        }
        if !metadata.is_file() {
            return;
        }
        let record = self.record(dir, name, &key, metadata);
        self.files.insert(key, record);
    }

    fn record(&self, dir: &Dir, name: &Path, key: &Key, metadata: &Metadata) -> FileRecord {
        let stamp = Stamp::of(metadata);
        let known = self.previous.files.get(key);
        if let Some(known) = known
            && known.stamp == Some(stamp)
            && !stamp.is_fresh(known.read_at)
        {
            return known.clone();
        }
        let held = || self.previous.held(key);
        let (path, now) = (&key.1, self.now);
        let too_large = |claims| {
            let reason = format!("larger than {} bytes", self.cap);
            FileRecord { stamp: Some(stamp), ..FileRecord::problem(reason, true, held(), claims, now) }
        };
        let look_through = || dir.open(name).and_then(|file| claims::of_large(file, path));
        let unread =
            |error: io::Error| FileRecord::problem(error.to_string(), true, held(), claims::of_path(path), now);
        if metadata.len() > self.cap {
            return look_through().map_or_else(unread, too_large);
        }
        match dir.open(name).and_then(|file| write::read_capped(&file, self.cap)) {
            Ok(Some(bytes)) => match known {
                Some(known) if known.hash == write::hash(&bytes) && known.stamp.is_some() => {
                    FileRecord { stamp: Some(stamp), read_at: self.now, ..known.clone() }
                }
                _ => FileRecord::read(Some(stamp), &bytes, self.now, held()),
            },
            Ok(None) => look_through().map_or_else(unread, too_large),
            Err(error) => unread(error),
        }
    }

    /// A link to a file inside is read under its own name only where the target would not be read anyway.
    fn linked_file(&mut self, dir: &Dir, name: &Path, path: PathBuf) {
        let key = (self.root, path.clone());
        let absolute = self.canonical[self.root].join(&path);
        let Ok(target) = std::fs::canonicalize(&absolute) else {
            return self.problem(path, "a link that leads nowhere".to_owned(), true);
        };
        let Ok(inside) = target.strip_prefix(&self.canonical[self.root]) else {
            return self.problem(path, "a link that leads out of the catalog; not followed".to_owned(), true);
        };
        let in_git = inside.iter().any(|part| part.eq_ignore_ascii_case(".git"));
        let is_read_anyway = inside.file_name().is_some_and(|name| is_catalog_file(&name.to_string_lossy()));
        if in_git || is_read_anyway || !self.targets.insert(inside.to_owned()) {
            return;
        }
        let found = Dir::open_ambient_dir(&self.canonical[self.root], ambient_authority())
            .and_then(|root| Ok((root.metadata(inside)?, root)));
        match found {
            Ok((metadata, root)) if metadata.is_file() => {
                let record = self.record(&root, inside, &key, &metadata);
                self.files.insert(key, record);
            }
            Ok(_) => {}
            Err(error) => self.problem(path, error.to_string(), true),
        }
        let _ = (dir, name);
    }

    fn problem(&mut self, path: PathBuf, reason: String, is_fault: bool) {
        let key = (self.root, path);
        let held = self.previous.held(&key);
        let is_temporary = key.1.file_name().is_some_and(|name| write::is_temporary(&name.to_string_lossy()));
        let claims = if is_temporary { Vec::new() } else { claims::of_path(&key.1) };
        self.files.insert(key, FileRecord::problem(reason, is_fault, held, claims, self.now));
    }
}

/// `*.yaml` and `*.yml`, but for the lock files and backups of editors.
fn is_catalog_file(name: &str) -> bool {
    let lower = name.to_lowercase();
    (lower.ends_with(".yaml") || lower.ends_with(".yml")) && !name.starts_with(".#")
}
