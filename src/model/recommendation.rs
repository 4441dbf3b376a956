//! Recommendations: what to do about a discovered repository, and why.

use serde::{Deserialize, Serialize};

use super::entity::EntityRef;
use super::repository::RepoKey;

/// What is recommended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Create a new entity.
    Register,
    /// Enrich an existing one.
    Merge,
    /// Several claims; a person decides.
    Conflict,
    /// Nothing to do: registration is `merge` and no entity matches.
    None,
}

impl Action {
    /// As in tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Merge => "merge",
            Self::Conflict => "conflict",
            Self::None => "none",
        }
    }
}

/// Whether an import may happen unseen (auto-import), P3.8.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "unseen")]
pub enum Unseen {
    /// Auto-import may carry it out.
    Allowed,
    /// A person has to look first.
    Withheld {
        /// Why, in words for people.
        because: String,
    },
}

/// The verdict about one repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recommendation {
    /// About which repository.
    pub repo: RepoKey,
    /// What to do.
    pub action: Action,
    /// Merge: the target. Conflict: the entity fought over, where there is one.
    pub entity: Option<EntityRef>,
    /// Merge by a rule that says `many`: the other entities this repository is linked to as well, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<EntityRef>,
    /// Index of the rule that decided, from 0, as in the rules file; `None` without a rule (register,
    /// none, a person's choice).
    pub rule: Option<usize>,
    /// One sentence for people.
    pub reason: String,
    /// Kind of the entity after import.
    pub kind: String,
    /// Type of the entity after import; `None` where the target has none.
    pub entity_type: Option<String>,
    /// Owner the entity would have; `None` on merge into an entity without one.
    pub owner: Option<String>,
    /// Whether auto-import may carry it out.
    pub unseen: Unseen,
    /// The other parties of a conflict, sorted: entity refs, or full names of rival repositories.
    pub rivals: Vec<String>,
}

/// What may become of a repository (P3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Registration {
    /// Merges where a rule matches, registers the rest.
    RegisterAndMerge,
    /// Registers; never merges.
    Register,
    /// Merges; never creates.
    Merge,
}

impl Registration {
    /// As in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RegisterAndMerge => "register_and_merge",
            Self::Register => "register",
            Self::Merge => "merge",
        }
    }
}
