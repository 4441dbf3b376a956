//! What people decided about repositories. Outranks rules, survives a lost store through the
//! decisions file.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::entity::EntityRef;
use super::repository::RepoKey;

/// A decision about one repository; the newest one counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "decision")]
pub enum DecisionKind {
    /// Set aside: not imported, listed under `ignored`.
    Ignored,
    /// Link ended by a person: a tombstone against auto-import.
    Unlinked {
        /// The entity it was linked to.
        entity: EntityRef,
        /// The others, of one that was linked to several.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        also: Vec<EntityRef>,
    },
    /// Import undone: not auto-imported again until a person acts.
    Undone {
        /// The entity it was linked to.
        entity: EntityRef,
        /// Others it was let go from before: their marks may be left, and are no link.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        also: Vec<EntityRef>,
    },
    /// A link that was ended, and is let back in: it waits for a person like one just discovered, and its mark alone does
    /// not make the link again.
    Restored {
        /// The entity it was linked to.
        entity: EntityRef,
    },
    /// Merge into this entity, whatever the rules say.
    Target {
        /// The entity chosen.
        entity: EntityRef,
    },
}

impl DecisionKind {
    /// The entities whose links a person ended.
    pub fn let_go(&self) -> impl Iterator<Item = &EntityRef> {
        let (first, also) = match self {
            Self::Unlinked { entity, also } | Self::Undone { entity, also } => (Some(entity), also.as_slice()),
            Self::Ignored | Self::Restored { .. } | Self::Target { .. } => (None, [].as_slice()),
        };
        first.into_iter().chain(also)
    }

    /// Whether a person ended the link to this very entity.
    pub fn lets_go(&self, entity: &str) -> bool {
        self.let_go().any(|left| left.as_str() == entity)
    }
}

/// Who decided what, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// About which repository.
    pub repo: RepoKey,
    /// Its full name at the time, for people who read the decisions file.
    pub full_name: String,
    /// What.
    #[serde(flatten)]
    pub kind: DecisionKind,
    /// When.
    pub at: DateTime<Utc>,
    /// By whom: `cli`, or a token's name.
    pub by: String,
    /// Why, where they said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
