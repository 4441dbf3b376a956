//! A directory of YAML files: read as a whole, edited with every comment kept.
//!
//! `walk` finds the files, `file` and `index` know which document is where; `documents` reads a file; `layout` and `splice`
//! make an edit on the text, `verify` proves it, `write` puts it in place; `git` tells whether somebody is at work. `back` takes
//! imports back, with `unpatch` to the byte.

mod back;
mod claims;
mod diff;
mod documents;
mod edit;
mod emit;
mod file;
mod folders;
mod git;
mod index;
mod late;
mod layout;
mod scalar;
mod splice;
mod steps;
mod unpatch;
mod verify;
mod walk;
mod write;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use serde_json::Value;

use self::documents::Found;
use self::folders::Folders;
use self::index::Index;
use self::late::Late;
use self::walk::Root;
use super::{Abilities, Applied, Catalog, CatalogError, Reading, TakenBack};
use crate::clock::Clock;
use crate::model::{Entity, EntityFormat, EntityRef, Place};
use crate::plan::Step;
use crate::plan::undo::Back;

/// Files larger than this are left alone.
pub const MAX_FILE_BYTES: u64 = 1 << 20;

/// What a directory catalog is made of.
#[derive(Clone, Debug)]
pub struct DirectorySettings {
    /// Its name in the config.
    pub name: String,
    /// The directory.
    pub root: PathBuf,
    /// Folder of new entities, relative to the root; `None`: cannot register.
    pub new_entities: Option<PathBuf>,
    /// Format of new entities; `None`: that of most documents, else Backstage.
    pub format: Option<EntityFormat>,
    /// Backstage: namespace of new entities.
    pub namespace: String,
    /// Harness: org of new entities.
    pub org: Option<String>,
    /// Harness: project of new entities.
    pub project: Option<String>,
    /// Directories that are matched and whose names are taken, but never written.
    pub also_read: Vec<PathBuf>,
    /// Larger files are left alone; [`MAX_FILE_BYTES`] by default.
    pub max_file_bytes: u64,
    /// Tells when left-over temporary files are old.
    pub clock: Clock,
}

impl DirectorySettings {
    /// With defaults for everything but name and root.
    pub fn new(name: impl Into<String>, root: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            root: root.into(),
            new_entities: None,
            format: None,
            namespace: "default".to_owned(),
            org: None,
            project: None,
            also_read: Vec::new(),
            max_file_bytes: MAX_FILE_BYTES,
            clock: Clock::System,
        }
    }
}

/// A directory of YAML files.
#[derive(Clone, Debug)]
pub struct DirectoryCatalog {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: DirectorySettings,
    /// The catalog itself first, then `also_read`.
    roots: Vec<Root>,
    index: Mutex<Index>,
    /// A file written more recently may be in the middle of being written.
    quiet: Duration,
    /// One writer at a time within this process; holds what has to be looked at again.
    writer: Mutex<Late>,
    /// Names in the folders of new files.
    folders: Mutex<Folders>,
    /// Before a file is made, the catalog is looked at again if that costs one part in so many.
    patience: u32,
}

impl DirectoryCatalog {
    /// Nothing is read or checked yet.
    pub fn open(settings: DirectorySettings) -> Self {
        Self::open_with(settings, steps::QUIET, steps::PATIENCE)
    }

    fn open_with(settings: DirectorySettings, quiet: Duration, patience: u32) -> Self {
        let mut roots = vec![Root { path: settings.root.clone(), read_only: false }];
        roots.extend(settings.also_read.iter().map(|path| Root { path: path.clone(), read_only: true }));
        let inner = Inner {
            settings,
            roots,
            index: Mutex::default(),
            quiet,
            writer: Mutex::default(),
            folders: Mutex::default(),
            patience,
        };
        Self { inner: Arc::new(inner) }
    }

    /// File work blocks: it gets a thread of its own.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, CatalogError> + Send + 'static,
    ) -> Result<T, CatalogError> {
        let inner = Arc::clone(&self.inner);
        match tokio::task::spawn_blocking(move || work(&inner)).await {
            Ok(result) => result,
            Err(error) => Err(CatalogError::Io {
                file: self.inner.settings.root.display().to_string(),
                source: std::io::Error::other(error),
            }),
        }
    }
}

#[async_trait]
impl Catalog for DirectoryCatalog {
    fn name(&self) -> &str {
        &self.inner.settings.name
    }

    async fn read(&self) -> Result<Reading, CatalogError> {
        self.blocking(|inner| {
            inner.settle_late();
            inner.read()
        })
        .await
    }

    fn abilities(&self) -> Abilities {
        let settings = &self.inner.settings;
        let prevailing = || lock(&self.inner.index).prevailing_format();
        Abilities {
            format: settings.format.or_else(prevailing).unwrap_or(EntityFormat::Backstage),
            new_entities: settings.new_entities.clone(),
            namespace: settings.namespace.clone(),
            org: settings.org.clone(),
            project: settings.project.clone(),
        }
    }

    async fn entities(&self, after: Option<&EntityRef>, limit: usize) -> Result<Vec<Entity>, CatalogError> {
        let after = after.cloned();
        self.blocking(move |inner| {
            inner.make_sure_it_was_read()?;
            let page = lock(&inner.index).page(&inner.roots, after.as_ref(), limit);
            inner.load(page)
        })
        .await
    }

    async fn entity(&self, entity_ref: &EntityRef) -> Result<Option<Entity>, CatalogError> {
        let entity_ref = entity_ref.clone();
        self.blocking(move |inner| {
            inner.make_sure_it_was_read()?;
            let place = lock(&inner.index).places(&inner.roots, &entity_ref).into_iter().next();
            let page = place.map(|place| (entity_ref, place)).into_iter().collect();
            Ok(inner.load(page)?.pop())
        })
        .await
    }

    async fn text(&self, entity: &Entity) -> Result<Option<(usize, String)>, CatalogError> {
        let (entity_ref, place) = (entity.entity_ref.clone(), entity.place.clone());
        self.blocking(move |inner| {
            let Some(text) = inner.text_of(&place)? else { return Ok(None) };
            let is_it = |document: &documents::Document| matches!(&document.found, Found::Entity { identity, .. } if identity.entity_ref == entity_ref);
            let document = documents::read(&text).into_iter().nth(place.document).filter(is_it);
            Ok(document.map(|document| {
                let before = &text[..document.range.start];
                (before.matches('\n').count() + 1, text[document.range].to_owned())
            }))
        })
        .await
    }

    async fn diff(&self, step: &Step) -> Result<Applied, CatalogError> {
        let step = step.clone();
        self.blocking(move |inner| inner.diff(&step)).await
    }

    async fn apply(&self, step: &Step) -> Result<Applied, CatalogError> {
        let step = step.clone();
        self.blocking(move |inner| inner.apply(&step)).await
    }

    async fn take_back(&self, back: &Back, write: bool) -> Result<TakenBack, CatalogError> {
        let back = back.clone();
        self.blocking(move |inner| inner.take_back(&back, write)).await
    }

    async fn probe_write(&self) -> Result<(), CatalogError> {
        self.blocking(Inner::probe_write).await
    }

    async fn tidy(&self) -> Result<(), CatalogError> {
        if lock(&self.inner.index).leftovers().is_empty() {
            return Ok(());
        }
        self.blocking(Inner::tidy).await
    }

    fn snapshot(&self) -> Value {
        lock(&self.inner.index).snapshot()
    }

    fn restore(&self, snapshot: &Value) {
        lock(&self.inner.index).restore(snapshot);
    }
}

/// A panic of another thread leaves nothing half done in here: the index is replaced as a whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    fn now(&self) -> SystemTime {
        self.settings.clock.now().into()
    }

    fn read(&self) -> Result<Reading, CatalogError> {
        lock(&self.index).read(&self.roots, self.settings.max_file_bytes, self.now())
    }

    fn make_sure_it_was_read(&self) -> Result<(), CatalogError> {
        let is_read = lock(&self.index).is_read;
        if is_read { Ok(()) } else { self.read().map(drop) }
    }

    /// Reads the documents at these places, each file once. What is not there any more is left out; the
    /// next reading will tell.
    fn load(&self, page: Vec<(EntityRef, Place)>) -> Result<Vec<Entity>, CatalogError> {
        let mut wanted: Vec<(usize, EntityRef, Place)> =
            page.into_iter().enumerate().map(|(at, (entity_ref, place))| (at, entity_ref, place)).collect();
        wanted.sort_by(|a, b| a.2.cmp(&b.2));
        let mut found: Vec<(usize, Entity)> = Vec::new();
        for of_file in wanted.chunk_by(|a, b| (&a.2.file, &a.2.read_only_under) == (&b.2.file, &b.2.read_only_under)) {
            let Some((_, _, place)) = of_file.first() else { continue };
            let Some(text) = self.text_of(place)? else { continue };
            for document in documents::read(&text).into_iter().enumerate() {
                let (at, document) = document;
                let Found::Entity { format, identity, document: json } = document.found else { continue };
                let Some((order, entity_ref, place)) =
                    of_file.iter().find(|(_, entity_ref, _)| *entity_ref == identity.entity_ref)
                else {
                    continue;
                };
                if found.iter().any(|(known, _)| known == order) {
                    continue;
                }
                found.push((
                    *order,
                    Entity {
                        entity_ref: entity_ref.clone(),
                        format,
                        kind: identity.kind,
                        entity_type: identity.entity_type,
                        owner: identity.owner,
                        entity_id: identity.entity_id,
                        place: Place { document: at, line: document.line, ..place.clone() },
                        mark: identity.mark,
                        document: json,
                    },
                ));
            }
        }
        found.sort_by_key(|(order, _)| *order);
        Ok(found.into_iter().map(|(_, entity)| entity).collect())
    }

    /// A file as it is now; `None` where it cannot be read.
    fn text_of(&self, place: &Place) -> Result<Option<String>, CatalogError> {
        let root = match &place.read_only_under {
            None => self.roots.first(),
            Some(path) => self.roots.iter().find(|root| root.read_only && root.path == *path),
        };
        let Some(root) = root else { return Ok(None) };
        let dir = root.open()?;
        let bytes = dir.open(&place.file).and_then(|file| write::read_capped(&file, self.settings.max_file_bytes));
        Ok(bytes.ok().flatten().and_then(|bytes| String::from_utf8(bytes).ok()))
    }
}

/// A path relative to the root, as it is shown.
fn shown(path: &Path) -> String {
    crate::error::escape_control(&path.display().to_string())
}
