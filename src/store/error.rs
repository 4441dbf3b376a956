//! What can go wrong with a store.

use std::path::PathBuf;

use crate::error::shown;
use crate::model::{EntityRef, IntegrationKey, RepoKey};

/// What can go wrong with a store. Messages are for people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has it.
    #[error("the store {} is in use by another catalog-sync process", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// It cannot be opened.
    #[error("the store {} cannot be opened: {message}", path.display())]
    Unopenable {
        /// The directory.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// A newer program wrote it (P7.10).
    #[error("the store {} has schema {found}, newer than this program's {known}", path.display())]
    TooNew {
        /// The directory.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// Import wants an empty store.
    #[error("the store is not empty")]
    NotEmpty,
    /// A second repository was to be linked to an entity.
    #[error("{entity} is linked to {repo} already")]
    Linked {
        /// The entity.
        entity: EntityRef,
        /// Which repository has it.
        repo: RepoKey,
    },
    /// A bug: the lease shown is another one's.
    #[error("a lease of {held} was shown to write {wanted}")]
    WrongLease {
        /// Of what the lease is.
        held: String,
        /// What was to be written.
        wanted: String,
    },
    /// Something was to be kept under an integration that was never saved, or was deleted meanwhile.
    #[error("the store does not know the integration {integration}")]
    UnknownIntegration {
        /// Which.
        integration: IntegrationKey,
    },
    /// An integration's state was to be carried over to one that has a state of its own.
    #[error("the store knows the integration {integration} already")]
    KnownIntegration {
        /// Which.
        integration: IntegrationKey,
    },
    /// A line of an import, or a stored record, cannot be read.
    #[error("{place} cannot be read: {message}")]
    Malformed {
        /// `line 12`, or book and key.
        place: String,
        /// Why.
        message: String,
    },
    /// The disk said no.
    #[error("the store could not {doing}")]
    Io {
        /// What it was doing.
        doing: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A bug: a blocking task was lost.
    #[error("a store task ended unexpectedly: {0}")]
    Lost(String),
}

impl StoreError {
    /// What a person can do about it.
    pub fn mend(&self) -> Option<String> {
        let text = match self {
            Self::InUse { .. } => {
                "stop the other process, or give this one another `--store`; a running sidecar answers `sync now` by itself"
            }
            Self::Unopenable { .. } => {
                "move the directory aside and restore the newest export with `catalog-sync store import FILE`; without one, start empty: links come back from the marks in the catalog"
            }
            Self::TooNew { path, known, .. } => {
                let backup = shown(&path.join(format!("schema-{known}.jsonl.gz")));
                return Some(format!(
                    "use the newer catalog-sync; or go back to what the store held before the upgrade, if {backup} is there: \
                     `catalog-sync --store NEW store import {backup}`"
                ));
            }
            Self::UnknownIntegration { .. } => "start the sync again: the integration was deleted meanwhile",
            Self::KnownIntegration { .. } => "`catalog-sync integration delete` one of the two",
            Self::Linked { .. } => "unlink that repository first, then import again",
            Self::NotEmpty => "import into a new store: `--store DIR`",
            Self::Malformed { place, .. } if place.starts_with("line ") => {
                "nothing was imported: take an export that is whole, or mend the line"
            }
            Self::Malformed { .. } => "run `catalog-sync store check`, and restore an export if it finds faults",
            Self::Io { .. } => "check free space and permissions of the store directory",
            Self::Lost(_) | Self::WrongLease { .. } => "please report this with the log",
        };
        Some(text.to_owned())
    }
}
