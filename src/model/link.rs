//! Links: repository ↔ entity, made by an import.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::entity::EntityRef;
use super::repository::RepoKey;

/// How a link came about. Written into marks in upper case, shown as status `registered`/`merged`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportAction {
    /// We created the entity.
    Register,
    /// The entity was there; we enriched it.
    Merge,
}

impl ImportAction {
    /// As in marks (`REGISTER`, `MERGE`).
    pub fn as_mark(self) -> &'static str {
        match self {
            Self::Register => "REGISTER",
            Self::Merge => "MERGE",
        }
    }

    /// Reads a mark, without case.
    pub fn from_mark(text: &str) -> Option<Self> {
        match text.to_ascii_uppercase().as_str() {
            "REGISTER" => Some(Self::Register),
            "MERGE" => Some(Self::Merge),
            _ => None,
        }
    }

    /// As in lists (`registered`, `merged`).
    pub fn as_status(self) -> &'static str {
        match self {
            Self::Register => "registered",
            Self::Merge => "merged",
        }
    }
}

/// One import: by hand, in bulk, or a sync's auto-import. A ULID.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ImportId(pub String);

impl fmt::Display for ImportId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The state of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// Kept in step.
    Active,
    /// The entity is not in the catalog any more; nothing is recreated, a person decides (P2.13).
    EntityMissing,
}

/// A field we wrote into an entity, by its path as rules write it (`$.metadata.description`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WrittenField {
    /// What we wrote last; `None` after we removed it.
    #[serde(default, deserialize_with = "crate::model::present", skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Someone else changed it since: reported once, never written again unless `when: always`.
    pub theirs: bool,
}

/// Repository ↔ entity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// The repository.
    pub repo: RepoKey,
    /// The entity.
    pub entity: EntityRef,
    /// The catalog's own id of the entity.
    pub entity_id: String,
    /// How it came about.
    pub action: ImportAction,
    /// Kind at import.
    pub kind: String,
    /// Type at import, the entity's own on merge.
    pub entity_type: Option<String>,
    /// Namespace or Harness scope.
    pub scope: String,
    /// Which import made it.
    pub import_id: ImportId,
    /// When.
    pub imported_at: DateTime<Utc>,
    /// `auto-import`, `cli`, a token's name, or `adopted from its mark`.
    pub imported_by: String,
    /// Whether the entity is there.
    pub state: LinkState,
    /// When a sync last looked at it with success.
    pub last_synced_at: Option<DateTime<Utc>>,
    /// What we wrote, by path.
    pub written: BTreeMap<String, WrittenField>,
}
