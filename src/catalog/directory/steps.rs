//! Steps carried out: found, edited, proved, written; or shown without being written.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use cap_std::fs::Dir;

use super::diff::unified;
use super::edit::{self, Edited, NotEdited};
use super::git::Tree;
use super::late::{Overtaken, Replaced as LateFile};
use super::write::{self, Created, Original, Replaced};
use super::{Inner, documents, emit, lock, shown};
use crate::catalog::recognise::{Recognised, recognise};
use crate::catalog::{Applied, CatalogError, FieldWritten, FileDiff};
use crate::model::{EntityRef, Place};
use crate::plan::{Edit, NewEntity, Step, Work, register};

/// How often an edit starts over because somebody saved the file meanwhile.
pub(super) const TRIES: usize = 8;

/// A file written more recently than this may be in the middle of being written: wait until it is not.
pub(super) const QUIET: Duration = Duration::from_millis(100);

/// A bulk import of tens of thousands spends a tenth of its time on looking whether somebody else made an
/// entity meanwhile; an import of one looks right before it.
pub(super) const PATIENCE: u32 = 10;

impl Inner {
    pub(super) fn diff(&self, step: &Step) -> Result<Applied, CatalogError> {
        match &step.work {
            Work::Register(new) => self.register(step, new, false),
            Work::Edit(edit) => {
                let (path, original, edited) = self.edited(step, edit)?;
                Ok(applied(&path, &text(&path, &original.bytes)?, edited, &step.entity))
            }
        }
    }

    pub(super) fn apply(&self, step: &Step) -> Result<Applied, CatalogError> {
        self.settle_late();
        match &step.work {
            Work::Register(new) => self.register(step, new, true),
            Work::Edit(edit) => self.edit(step, edit),
        }
    }

    fn edit(&self, step: &Step, edit: &Edit) -> Result<Applied, CatalogError> {
        let mut late = lock(&self.writer);
        for _ in 0..TRIES {
            let (path, original, edited) = self.edited(step, edit)?;
            let before = text(&path, &original.bytes)?;
            if edited.fields.is_empty() {
                return Ok(applied(&path, &before, edited, &step.entity));
            }
            self.not_busy(&path)?;
            if !late.is_ours(&write::hash(&original.bytes)) {
                if !is_quiet(&original, self.quiet) {
                    continue;
                }
                self.not_busy(&path)?;
            }
            match write::replace(&original, edited.text.as_bytes()).map_err(|source| io_error(&path, source))? {
                Replaced::TheirsIsNewer => continue,
                Replaced::Done => {}
            }
            lock(&self.index).wrote(&path, &edited.text, self.now());
            late.remember(LateFile {
                old: write::hash(&original.bytes),
                ours: write::hash(edited.text.as_bytes()),
                file: original.file,
                path: path.clone(),
                step: step.clone(),
                at: self.now(),
            });
            return Ok(applied(&path, &before, edited, &step.entity));
        }
        Err(CatalogError::Changed { file: shown(&edit.place.file), what: "the file".to_owned() })
    }

    /// Finds the document, and makes the edit in memory.
    fn edited(&self, step: &Step, edit: &Edit) -> Result<(PathBuf, Original, Edited), CatalogError> {
        self.found(&step.entity, &edit.place, |text| edit::edit(text, &step.entity, &edit.fields))
    }

    /// Finds the document of an entity, where a plan saw it or where it lies now, and makes an edit in memory.
    pub(super) fn found<T>(
        &self,
        entity: &EntityRef,
        place: &Place,
        edit: impl Fn(&str) -> Result<T, NotEdited>,
    ) -> Result<(PathBuf, Original, T), CatalogError> {
        if place.read_only_under.is_some() {
            return Err(CatalogError::ReadOnly { entity: entity.clone(), place: place.to_string() });
        }
        self.make_sure_it_was_read()?;
        let mut places = lock(&self.index).places(&self.roots, entity);
        places.retain(|place| place.read_only_under.is_none());
        if let [first, second, ..] = &places[..] {
            return Err(CatalogError::Refused {
                file: first.to_string(),
                because: format!("{entity} stands in {second} as well"),
            });
        }
        let mut files = vec![place.file.clone()];
        files.extend(places.into_iter().map(|place| place.file));
        files.dedup();
        for file in files {
            let Some(original) = self.original(&file)? else { continue };
            match edit(&text(&file, &original.bytes)?) {
                Ok(edited) => return Ok((file, original, edited)),
                Err(NotEdited::NotHere) => {}
                Err(NotEdited::Changed { line, what }) => {
                    return Err(CatalogError::Changed { file: format!("{}:{line}", shown(&file)), what });
                }
                Err(NotEdited::Refused { line, because }) => {
                    let line = line.map_or_else(String::new, |line| format!(":{line}"));
                    return Err(CatalogError::Refused { file: format!("{}{line}", shown(&file)), because });
                }
            }
        }
        Err(CatalogError::Missing { entity: entity.clone() })
    }

    /// Opens a file for editing, at its target where it is a link; `None`: not there.
    pub(super) fn original(&self, file: &Path) -> Result<Option<Original>, CatalogError> {
        let refused = |because: &str| CatalogError::Refused { file: shown(file), because: because.to_owned() };
        // Places may come from the store or from a stored plan: checked at each use.
        if !file.components().all(|part| matches!(part, Component::Normal(name) if !name.eq_ignore_ascii_case(".git")))
        {
            return Err(refused("not a path inside the catalog"));
        }
        let root = self.root_dir()?;
        let target = match root.canonicalize(file) {
            Ok(target) => target,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(refused("it leads out of the catalog, or may not be read"));
            }
            Err(error) => return Err(io_error(file, error)),
        };
        if target.iter().any(|part| part.eq_ignore_ascii_case(".git")) {
            return Err(refused("it leads into .git"));
        }
        let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let Some(name) = target.file_name() else { return Err(refused("not a file")) };
        let opened =
            root.open_dir(parent).and_then(|dir| Original::open(dir, Path::new(name), self.settings.max_file_bytes));
        match opened {
            Ok(Some(original)) => Ok(Some(original)),
            Ok(None) => Err(refused("it is too large")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error(file, error)),
        }
    }

    pub(super) fn root_dir(&self) -> Result<Dir, CatalogError> {
        self.roots[0].open()
    }

    /// Nobody works in the git tree the file lies in, and `HEAD` is where it was when we read.
    pub(super) fn not_busy(&self, file: &Path) -> Result<(), CatalogError> {
        let root = std::fs::canonicalize(&self.settings.root)
            .map_err(|source| CatalogError::Unreadable { root: self.settings.root.clone(), source })?;
        let folder = root.join(file);
        let Some(tree) = folder.parent().and_then(Tree::above) else { return Ok(()) };
        if let Some(because) = tree.busy() {
            return Err(CatalogError::Busy { because });
        }
        let head = tree.head();
        match lock(&self.index).heads.get(&tree) {
            Some(known) if *known != head => {
                Err(CatalogError::Busy { because: "HEAD moved since the catalog was read".to_owned() })
            }
            _ => Ok(()),
        }
    }

    fn register(&self, step: &Step, new: &NewEntity, write: bool) -> Result<Applied, CatalogError> {
        let late = &mut *lock(&self.writer);
        let path = self.check_path(&new.file)?;
        let invalid = |what: &str, because: String| CatalogError::Invalid { what: what.to_owned(), because };
        let Recognised::Entity(identity) = recognise(&new.document) else {
            return Err(invalid("the new document", "it is no entity of a format we know".to_owned()));
        };
        if identity.entity_ref != step.entity {
            return Err(invalid("the new document", format!("it is {}, not {}", identity.entity_ref, step.entity)));
        }
        let body = emit::document(&new.header, &new.document);
        let read = documents::parse(&body).map_err(|error| invalid("the new document", error.reason))?;
        if documents::to_json(&read) != new.document {
            return Err(invalid("the new document", "it would not read back as what it is".to_owned()));
        }
        self.make_sure_it_was_read()?;
        if write {
            let mut index = lock(&self.index);
            if index.may_look_again(self.patience) {
                index.look_again(&self.roots, self.settings.max_file_bytes, self.now())?;
            }
        }
        let done = Applied {
            files: vec![FileDiff { path: path.clone(), diff: unified(&path, None, Some(&body)) }],
            fields: register::written(new)
                .into_iter()
                .map(|(path, value)| FieldWritten { path, before: None, after: Some(value) })
                .collect(),
            entity_id: identity.entity_id.clone(),
        };
        let nothing = Applied { entity_id: identity.entity_id, ..Applied::default() };

        if self.holds_the_same(&path, new)? {
            return Ok(nothing);
        }
        if let Some(place) = lock(&self.index).places(&self.roots, &step.entity).first() {
            return Err(CatalogError::Exists { file: format!("{} in {place}", step.entity) });
        }
        if let Some(claimed) = lock(&self.index).claim(&self.roots, &step.entity) {
            return Err(CatalogError::Claimed { entity: step.entity.clone(), because: claimed.because });
        }
        let root = self.root_dir()?;
        if let Some(other) = lock(&self.folders).double_but_for_case(&root, &path) {
            return Err(CatalogError::Invalid {
                what: format!("the path {}", shown(&path)),
                because: format!("{} is there already, which differs only in case", shown(&other)),
            });
        }
        if root.symlink_metadata(&path).is_ok() {
            return Err(CatalogError::Exists { file: shown(&path) });
        }
        if !write {
            return Ok(done);
        }
        self.not_busy(&path)?;
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(invalid("the new file", "it has no name".to_owned()));
        };
        let created = (|| {
            if parent.as_os_str().is_empty() {
                return write::create(&root, Path::new(name), body.as_bytes());
            }
            root.create_dir_all(parent)?;
            write::create(&root.open_dir(parent)?, Path::new(name), body.as_bytes())
        })();
        match created.map_err(|source| io_error(&path, source))? {
            Created::Exists if self.holds_the_same(&path, new)? => Ok(nothing),
            Created::Exists => Err(CatalogError::Exists { file: shown(&path) }),
            Created::Done => {
                late.wrote(write::hash(body.as_bytes()));
                lock(&self.folders).made(&root, parent, name);
                lock(&self.index).wrote(&path, &body, self.now());
                Ok(done)
            }
        }
    }

    /// Whether the file is there and says the same: the step was done before.
    fn holds_the_same(&self, path: &Path, new: &NewEntity) -> Result<bool, CatalogError> {
        let Some(original) = self.original(path)? else { return Ok(false) };
        let Ok(text) = std::str::from_utf8(&original.bytes) else { return Ok(false) };
        Ok(documents::parse(text).is_ok_and(|read| documents::to_json(&read) == new.document))
    }

    pub(super) fn check_path(&self, file: &Path) -> Result<PathBuf, CatalogError> {
        let invalid = |because: &str| CatalogError::Invalid {
            what: format!("the path {}", shown(file)),
            because: because.to_owned(),
        };
        let Some(folder) = &self.settings.new_entities else {
            return Err(invalid("no folder for new entities is configured (`new_entities`)"));
        };
        let relative = file.strip_prefix(folder).map_err(|_| invalid("it lies outside of `new_entities`"))?;
        let mut segments = 0;
        for segment in relative.components() {
            let Component::Normal(name) = segment else { return Err(invalid("it leads elsewhere")) };
            if !name.to_str().is_some_and(is_segment) {
                return Err(invalid("a part of it is not `[a-z0-9][a-z0-9._-]{0,62}`"));
            }
            segments += 1;
        }
        if segments == 0 || !folder.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(invalid("it leads elsewhere"));
        }
        if !relative.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            return Err(invalid("its name does not end in .yaml"));
        }
        Ok(folder.components().filter(|part| matches!(part, Component::Normal(_))).collect::<PathBuf>().join(relative))
    }

    /// Writes and removes a file, in the root and, if there is one, in the folder of new entities.
    pub(super) fn probe_write(&self) -> Result<(), CatalogError> {
        let root = self.root_dir()?;
        let probe = |dir: &Dir| write::probe(dir);
        probe(&root).map_err(|source| io_error(Path::new("."), source))?;
        if let Some(folder) = &self.settings.new_entities
            && let Ok(dir) = root.open_dir(folder)
        {
            probe(&dir).map_err(|source| io_error(folder, source))?;
        }
        Ok(())
    }

    /// Takes away the leftovers the last reading found; each is looked at once more.
    pub(super) fn tidy(&self) -> Result<(), CatalogError> {
        let root = self.root_dir()?;
        let leftovers = lock(&self.index).leftovers().to_vec();
        for path in leftovers {
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { continue };
            let folder = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            let removed =
                root.open_dir(folder).and_then(|dir| write::leftover(&dir, &name.to_string_lossy(), self.now(), true));
            match removed {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(io_error(&path, error)),
            }
        }
        lock(&self.index).forget_leftovers();
        Ok(())
    }

    /// Whoever had an old file open and wrote into it after we replaced it: theirs is the latest version,
    /// with our patch on it where that can be, else as it is.
    pub(super) fn settle_late(&self) {
        let mut late = lock(&self.writer);
        let cap = self.settings.max_file_bytes;
        for Overtaken { replaced, bytes } in late.overtaken(cap, self.now()) {
            let Ok(Some(present)) = self.original(&replaced.path) else { continue };
            if write::hash(&present.bytes) != replaced.ours {
                // Somebody saved the file under its name as well: that is the latest.
                continue;
            }
            let patched = std::str::from_utf8(&bytes).ok().and_then(|text| match &replaced.step.work {
                Work::Edit(edit) => edit::edit(text, &replaced.step.entity, &edit.fields).ok(),
                Work::Register(_) => None,
            });
            let text = patched.map_or_else(|| bytes.clone(), |edited| edited.text.into_bytes());
            if write::replace(&present, &text).is_ok_and(|result| result == Replaced::Done) {
                let ours = write::hash(&text);
                if let Ok(text) = std::str::from_utf8(&text) {
                    lock(&self.index).wrote(&replaced.path, text, self.now());
                }
                // Both the file they wrote into and ours, which was in place for a while, may be open still.
                late.remember(LateFile {
                    file: present.file,
                    path: replaced.path.clone(),
                    old: replaced.ours,
                    ours,
                    step: replaced.step.clone(),
                    at: self.now(),
                });
                late.remember(LateFile { old: write::hash(&bytes), ours, at: self.now(), ..replaced });
            }
        }
    }
}

/// `[a-z0-9][a-z0-9._-]{0,62}`
fn is_segment(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=63).contains(&name.len())
        && name.starts_with(plain)
        && name.chars().all(|c| plain(c) || matches!(c, '.' | '_' | '-'))
}

/// Waits, if need be, until a file that was written a moment ago has been left alone for a moment; `false`:
/// it changed meanwhile.
pub(super) fn is_quiet(original: &Original, quiet: Duration) -> bool {
    match original.age() {
        Some(age) if age >= quiet => true,
        age => {
            std::thread::sleep(quiet.saturating_sub(age.unwrap_or_default()));
            original.holds_same_text().unwrap_or(false)
        }
    }
}

pub(super) fn text(file: &Path, bytes: &[u8]) -> Result<String, CatalogError> {
    String::from_utf8(bytes.to_vec())
        .map_err(|_| CatalogError::Refused { file: shown(file), because: "it is not UTF-8".to_owned() })
}

pub(super) fn io_error(file: &Path, source: io::Error) -> CatalogError {
    CatalogError::Io { file: shown(file), source }
}

fn applied(path: &Path, before: &str, edited: Edited, entity: &EntityRef) -> Applied {
    let entity_id = documents::read(&edited.text)
        .into_iter()
        .find_map(|document| match document.found {
            documents::Found::Entity { identity, .. } if identity.entity_ref == *entity => Some(identity.entity_id),
            _ => None,
        })
        .unwrap_or_else(|| entity.to_string());
    let files = if edited.fields.is_empty() {
        Vec::new()
    } else {
        vec![FileDiff { path: path.to_owned(), diff: unified(path, Some(before), Some(&edited.text)) }]
    };
    Applied { files, fields: edited.fields, entity_id }
}
