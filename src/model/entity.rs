//! Entities: documents of a catalog.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::link::ImportAction;
use super::repository::RepoKey;

/// Which rules an entity document follows. Recognised per document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EntityFormat {
    /// `apiVersion: backstage.io/…`
    Backstage,
    /// `apiVersion: harness.io/v1`
    Harness,
}

/// Names an entity: `kind:scope/name`, in canonical form so that equal text means the same entity.
///
/// Backstage: all lower case, scope = namespace (`component:default/payments-api`). Harness: kind lower
/// case, identifier as written, scope = `account[.org[.project]]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct EntityRef(String);

impl EntityRef {
    /// Backstage compares kind, namespace and name without case.
    pub fn backstage(kind: &str, namespace: &str, name: &str) -> Self {
        Self(format!("{}:{}/{}", kind.to_lowercase(), namespace.to_lowercase(), name.to_lowercase()))
    }

    /// Harness compares identifiers with case.
    pub fn harness(kind: &str, scope: &str, identifier: &str) -> Self {
        Self(format!("{}:{}/{}", kind.to_lowercase(), scope, identifier))
    }

    /// Text already in canonical form (from the store, or typed by a person and looked up as is).
    pub fn from_canonical(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the first colon.
    pub fn kind(&self) -> &str {
        self.0.split(':').next().unwrap_or_default()
    }

    /// What stands between the colon and the slash: namespace or Harness scope.
    pub fn scope(&self) -> &str {
        self.0.split_once(':').and_then(|(_, rest)| rest.split_once('/')).map_or("", |(scope, _)| scope)
    }

    /// What stands after the slash.
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, name)| name)
    }
}

impl fmt::Display for EntityRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name that a file may define which cannot be read, or not as a whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClaimedName {
    /// In lower case.
    pub name: String,
    /// Which file, and how it claims the name; to be read behind "because".
    pub because: String,
}

impl ClaimedName {
    /// Whether an entity of this name may be what the file defines, whatever its kind and scope.
    pub fn of<'a>(claimed: &'a [Self], entity: &EntityRef) -> Option<&'a Self> {
        let name = entity.name().to_lowercase();
        claimed.binary_search_by(|one| one.name.as_str().cmp(&name)).ok().map(|at| &claimed[at])
    }
}

/// Where a document lies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// Relative to the root of the catalog directory (or, for `also_read`, to that directory's root).
    pub file: PathBuf,
    /// Index of the YAML document within the file, from 0.
    pub document: usize,
    /// Line its first key stands on, from 1.
    pub line: usize,
    /// `None`: in the catalog itself. `Some(root)`: under an `also_read` directory as written in the
    /// config; matched, and its name is taken, but never written.
    pub read_only_under: Option<PathBuf>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.read_only_under {
            Some(root) => write!(f, "{}:{}", root.join(&self.file).display(), self.line),
            None => write!(f, "{}:{}", self.file.display(), self.line),
        }
    }
}

/// Our mark in a document: which repository it belongs to, put there by an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The repository linked.
    pub repository: RepoKey,
    /// Name of the integration at the time of the import; a label.
    pub integration: String,
    /// How the link came about.
    pub action: ImportAction,
}

/// One document of the catalog.
#[derive(Clone, Debug, PartialEq)]
pub struct Entity {
    /// Canonical name.
    pub entity_ref: EntityRef,
    /// Which rules it follows.
    pub format: EntityFormat,
    /// As written (`Component`).
    pub kind: String,
    /// `spec.type` (Backstage) or `type` (Harness).
    pub entity_type: Option<String>,
    /// `spec.owner` (Backstage) or `owner` (Harness).
    pub owner: Option<String>,
    /// The catalog's own id where it has one (`metadata.uid`, Harness `identifier`), else the entity ref.
    pub entity_id: String,
    /// Where it lies.
    pub place: Place,
    /// Our mark, if it carries one.
    pub mark: Option<Mark>,
    /// The whole document as JSON, merge keys applied; the `catalog` paths of rules are evaluated on it.
    pub document: Value,
}

impl Entity {
    /// Whether a step may change it.
    pub fn is_writable(&self) -> bool {
        self.place.read_only_under.is_none()
    }
}
