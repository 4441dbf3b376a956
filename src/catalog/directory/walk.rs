//! The walk over the tree of a root: every YAML file beneath, read again only when it changed.
//!
//! Nothing outside the root is followed, and what cannot be read is a problem of its file.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata};

use super::claims;
use super::file::{FileRecord, Stamp};
use super::git::Tree;
use super::index::{Index, Key};
use super::write::{self, Leftover};
use crate::catalog::CatalogError;

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

    pub(super) fn shown(&self, file: &Path) -> PathBuf {
        if self.read_only { self.path.join(file) } else { file.to_owned() }
    }
}

/// One root being walked.
pub(super) struct Walk<'a> {
    pub previous: &'a Index,
    pub files: &'a mut BTreeMap<Key, FileRecord>,
    pub heads: &'a mut BTreeMap<Tree, String>,
    pub leftovers: &'a mut Vec<PathBuf>,
    pub root: usize,
    pub canonical: &'a [PathBuf],
    pub cap: u64,
    pub now: SystemTime,
    pub read_only: bool,
    /// Files that links lead to, so that none counts twice.
    pub targets: BTreeSet<PathBuf>,
}

/// Folders deeper than this are nobody's catalog.
const MAX_DEPTH: usize = 64;

impl Walk<'_> {
    /// An error means that the directory itself cannot be listed.
    pub(super) fn directory(&mut self, dir: &Dir, path: &Path, depth: usize) -> io::Result<()> {
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
        let known = self.previous.file(key);
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
