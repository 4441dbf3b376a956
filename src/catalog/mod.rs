//! Seam 2: where entities live.

pub mod backstage;
pub mod directory;
pub mod harness;
pub mod recognise;

use std::path::PathBuf;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::{ClaimedName, Entity, EntityFormat, EntityRef, RepoKey};
use crate::plan::undo::Back;
use crate::plan::{FieldPath, Step};

pub use recognise::{Identity, MarkPaths, Recognised, format_of, mark_paths, recognise};

/// What a catalog is able to do. Data, so that planning stays pure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// Format of new entities: the configured one, else that of most documents, else Backstage.
    pub format: EntityFormat,
    /// Folder of new entities, relative to the root; `None`: cannot register.
    pub new_entities: Option<PathBuf>,
    /// Backstage: namespace of new entities.
    pub namespace: String,
    /// Harness: org of new entities.
    pub org: Option<String>,
    /// Harness: project of new entities.
    pub project: Option<String>,
}

/// A file that was left alone, and why: it does not parse, is too large, is a template, …
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileProblem {
    /// Relative to the catalog's root (or under the `also_read` root as written in the config).
    pub file: PathBuf,
    /// From 1, where known.
    pub line: Option<usize>,
    /// What is wrong.
    pub reason: String,
    /// `false`: by design (a template, a `Location`): listed only on request.
    pub is_fault: bool,
}

/// What one reading of the catalog found. Entities themselves come by [`Catalog::entities`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Every entity's ref, sorted, with no two alike; those of `also_read` included.
    pub entity_refs: Vec<EntityRef>,
    /// Refs that more than one document bears, with the places, sorted. Such entities are never written.
    pub duplicates: Vec<(EntityRef, Vec<String>)>,
    /// Files left alone.
    pub problems: Vec<FileProblem>,
    /// Entities last read from files that no longer parse; they count as still there (P2.13).
    pub unreadable: Vec<EntityRef>,
    /// Names that texts nobody can read may define, sorted, no two alike: nothing is registered under them.
    pub claimed: Vec<ClaimedName>,
    /// Which entity says it belongs to which repository, by entity ref; of a ref that several documents
    /// bear, what the one says that [`Catalog::entities`] gives.
    pub marks: Vec<(EntityRef, RepoKey)>,
    /// Changes whenever a document does: equal versions mean nothing needs to be read again.
    pub version: String,
}

/// Before and after of one file, as a unified diff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDiff {
    /// Relative to the catalog's root.
    pub path: PathBuf,
    /// Unified, three lines of context.
    pub diff: String,
}

/// What was (or would be) done to one field; kept in the journal for undo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldWritten {
    /// Which field.
    pub path: FieldPath,
    /// Value before; `None`: absent.
    #[serde(default, deserialize_with = "crate::model::present", skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// Value after; `None`: absent.
    #[serde(default, deserialize_with = "crate::model::present", skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// The result of a step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Applied {
    /// Files changed; empty: everything was as wanted already, nothing was written.
    pub files: Vec<FileDiff>,
    /// Fields changed.
    pub fields: Vec<FieldWritten>,
    /// The catalog's own id of the entity.
    pub entity_id: String,
}

/// What taking an import back came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TakenBack {
    /// What became of the document.
    pub became: Became,
    /// Files changed, or taken away.
    pub files: Vec<FileDiff>,
    /// Fields changed.
    pub fields: Vec<FieldWritten>,
    /// Fields that could not be changed without touching something else, and why: they stay.
    pub refused: Vec<(FieldPath, String)>,
}

/// What became of a document when an import was taken back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Became {
    /// There was nothing to do.
    #[default]
    AsItWas,
    /// Its fields got back what they said before.
    Restored,
    /// Its file, which we had made and nobody had touched, is not there any more.
    Unmade,
    /// Its file is not what we wrote any more, and stays.
    Kept {
        /// Who may have done what.
        because: String,
    },
}

/// Seam 2.
#[async_trait]
pub trait Catalog: Send + Sync {
    /// Its name in the config.
    fn name(&self) -> &str;

    /// Reads what changed since the last call (everything, the first time).
    ///
    /// # Errors
    /// [`CatalogError::Unreadable`] when the root cannot be listed: then nothing may be concluded.
    async fn read(&self) -> Result<Reading, CatalogError>;

    /// What it is able to do; meaningful after [`Catalog::read`].
    fn abilities(&self) -> Abilities;

    /// Entities in the order of [`Reading::entity_refs`], at most `limit`, those after `after`. Of a ref
    /// that several documents bear, the writable one that comes first by place.
    async fn entities(&self, after: Option<&EntityRef>, limit: usize) -> Result<Vec<Entity>, CatalogError>;

    /// One entity.
    async fn entity(&self, entity_ref: &EntityRef) -> Result<Option<Entity>, CatalogError>;

    /// The document of an entity that [`Catalog::entity`] gave, as it stands in its file, with the line it begins on;
    /// `None` where it is not there any more.
    async fn text(&self, entity: &Entity) -> Result<Option<(usize, String)>, CatalogError>;

    /// What a step would do, without doing it.
    async fn diff(&self, step: &Step) -> Result<Applied, CatalogError>;

    /// Carries a step out; doing it twice is the same as once.
    async fn apply(&self, step: &Step) -> Result<Applied, CatalogError>;

    /// Takes an import back, as far as the document is still what we made of it; doing it twice is the same as once.
    /// Without `write` it only says what would be done. The one way in which a file goes: whole, made by us, and not a
    /// byte of it anybody else's.
    async fn take_back(&self, back: &Back, write: bool) -> Result<TakenBack, CatalogError>;

    /// Whether writing would be possible at all: for `check`.
    async fn probe_write(&self) -> Result<(), CatalogError>;

    /// Takes away what interrupted writes left, as the last reading found it: only files of our own whose process
    /// is gone. The catalog's lease is held by whoever calls it.
    async fn tidy(&self) -> Result<(), CatalogError> {
        Ok(())
    }

    /// What [`Catalog::restore`] of another process needs, so that entities of a file that stopped parsing
    /// in between still count as there (P2.13). Small opaque JSON, kept in the store after each reading.
    fn snapshot(&self) -> Value {
        Value::Null
    }

    /// Takes up a snapshot, before the first reading; what is not one is ignored.
    fn restore(&self, _snapshot: &Value) {}
}

/// What can go wrong with a catalog. Messages are for people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// The root cannot be read: not there, not mounted, no permission.
    #[error("the catalog {} cannot be read", root.display())]
    Unreadable {
        /// The directory.
        root: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Someone is working in the git tree (`catalog_busy`); retried.
    #[error("the catalog is busy (catalog_busy): {because}")]
    Busy {
        /// `.git/index.lock is there`, `HEAD moved since the catalog was read`, …
        because: String,
    },
    /// The document or a field is not as it was when the plan was made.
    #[error("{file}: {what} changed since the plan was made")]
    Changed {
        /// Relative to the root, with the line where known.
        file: String,
        /// `$.metadata.description`, `the document of component:default/x`, …
        what: String,
    },
    /// Our own check after the edit did not hold, or the file holds something we do not edit. Nothing
    /// was written.
    #[error("{file}: not edited: {because}")]
    Refused {
        /// Relative to the root, with the line where known.
        file: String,
        /// Why.
        because: String,
    },
    /// A new entity's file is there already.
    #[error("{file} exists already")]
    Exists {
        /// Relative to the root.
        file: String,
    },
    /// A file that nobody can read may define the entity.
    #[error("the name of {entity} may be taken: {because}")]
    Claimed {
        /// Its ref.
        entity: EntityRef,
        /// Which file, and how.
        because: String,
    },
    /// The entity is not in the catalog.
    #[error("{entity} is not in the catalog")]
    Missing {
        /// Its ref.
        entity: EntityRef,
    },
    /// It lies under `also_read`.
    #[error("{entity} lies in {place}, which is only read")]
    ReadOnly {
        /// Its ref.
        entity: EntityRef,
        /// Where.
        place: String,
    },
    /// A name, path or value that the format or our own rules do not allow.
    #[error("{what} is not allowed: {because}")]
    Invalid {
        /// What.
        what: String,
        /// Which rule it breaks.
        because: String,
    },
    /// The file system said no.
    #[error("{file}: could not be written")]
    Io {
        /// Relative to the root.
        file: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl CatalogError {
    /// Whether the next sync may simply try again.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Changed { .. } | Self::Io { .. } | Self::Unreadable { .. })
    }

    /// What a person can do about it.
    pub fn mend(&self) -> Option<String> {
        let text = match self {
            Self::Unreadable { root, source } if source.kind() == std::io::ErrorKind::NotFound => {
                return Some(format!(
                    "check the path and that it is mounted; to begin, an empty folder is enough: `mkdir -p {}`",
                    root.display()
                ));
            }
            Self::Unreadable { .. } => "check that the directory is mounted and readable",
            Self::Busy { .. } => "finish the git operation in the catalog's working tree; the next sync tries again",
            Self::Changed { .. } => "nothing to do: the next sync plans anew from the file as it is now",
            Self::Refused { .. } => {
                "make the change by hand, or mend the file; the diff is in `discovered import --dry-run`"
            }
            Self::Claimed { .. } => "mend that file, or import into another entity with `--into`",
            Self::Exists { .. } => "move the file away, or import into the entity it holds with `--into`",
            Self::Missing { .. } => "register again, choose another entity with `--into`, or unlink",
            Self::ReadOnly { .. } => "make the change where the file belongs, or move the entity into the catalog",
            Self::Invalid { .. } => return None,
            Self::Io { .. } => "check free space and permissions of the catalog directory",
        };
        Some(text.to_owned())
    }
}
