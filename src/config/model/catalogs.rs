//! `catalogs`: directories of YAML files.

use std::path::PathBuf;

use super::Place;
use crate::model::EntityFormat;

/// A catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogConfig {
    /// Its key in the file.
    pub name: String,
    /// A directory of YAML files: matched and written.
    pub directory: DirectoryCatalog,
    /// Matched, and names there are taken; never written.
    pub also_read: Vec<AlsoRead>,
    /// Where the file defines it.
    pub place: Place,
}

/// A directory of YAML files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryCatalog {
    /// The directory, resolved.
    pub path: PathBuf,
    /// Folder of new files, relative to `path`.
    pub new_entities: PathBuf,
    /// Format of new entities; `None`: that of most documents, else Backstage.
    pub format: Option<EntityFormat>,
    /// Backstage: namespace of new entities.
    pub namespace: String,
    /// Harness: org of new entities.
    pub org: Option<String>,
    /// Harness: project of new entities.
    pub project: Option<String>,
    /// What is done with git after writing.
    pub git: GitMode,
}

/// What a directory catalog does with git after writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GitMode {
    /// Nothing.
    Off,
    /// Commits.
    Commit,
    /// Commits and pushes.
    Push,
}

/// A directory that is only read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlsoRead {
    /// The directory, resolved.
    pub directory: PathBuf,
    /// As written in the file.
    pub written: PathBuf,
}
