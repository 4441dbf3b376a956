//! Which rows, in which order, and how they are imported: the parts of requests that several of them have.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::model::Action;

/// Which rows of `discovered list`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DiscoveredFilter {
    /// Only of this integration.
    pub integration: Option<String>,
    /// Only with this recommendation.
    pub action: Option<Action>,
    /// Which states; `None`: pending.
    pub state: Option<StateFilter>,
    /// Name, full name or entity contains this, case ignored.
    pub search: Option<String>,
    /// Only of the project of this key, case ignored.
    #[serde(default)]
    pub project: Option<String>,
    /// Only those of this kind after import, case ignored.
    #[serde(default)]
    pub kind: Option<String>,
}

/// Which rows of a list of imported repositories.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ImportedFilter {
    /// Only of this integration.
    pub integration: Option<String>,
    /// `registered` or `merged`.
    pub status: Option<ImportStatus>,
    /// State of the repository.
    pub state: Option<RepositoryState>,
    /// Name, full name or entity contains this, case ignored.
    pub search: Option<String>,
    /// Only of the project of this key, case ignored.
    pub project: Option<String>,
    /// Only entities of this kind, case ignored.
    pub kind: Option<String>,
}

/// How a repository was imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImportStatus {
    /// Its entity was created.
    Registered,
    /// Its entity was there.
    Merged,
}

/// Whether an imported repository is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RepositoryState {
    /// Seen in the last complete walk.
    Present,
    /// Read-only at the source.
    Archived,
    /// Hidden by a filter of the config.
    Excluded,
    /// Known, but forbidden.
    Inaccessible,
    /// Not there any more.
    Gone,
}

/// What discovered repositories are sorted by; rows that are equal in it, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DiscoveredSort {
    /// `workspace/slug`.
    #[default]
    Name,
    /// Register, merge, conflict, none.
    Action,
    /// The entity to merge into; those without come first.
    Entity,
    /// Kind after import.
    Kind,
    /// Type after import.
    Type,
    /// When first seen.
    DetectedAt,
}

/// What imported repositories are sorted by; rows that are equal in it, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImportedSort {
    /// `workspace/slug`.
    #[default]
    Name,
    /// Registered, merged.
    Status,
    /// The entity.
    Entity,
    /// Its kind.
    Kind,
    /// Its type.
    Type,
    /// When imported.
    ImportedAt,
}

/// Which page of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paging<S> {
    /// What by.
    #[serde(default)]
    pub sort: S,
    /// The other way round.
    #[serde(default)]
    pub descending: bool,
    /// `next` of the page before; `None`: the first page.
    #[serde(default)]
    pub cursor: Option<String>,
    /// Rows, 1 to 200; 0 means 100.
    #[serde(default)]
    pub limit: usize,
}

/// `--state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StateFilter {
    /// Awaiting a decision.
    Pending,
    /// Set aside.
    Ignored,
    /// Hidden by a filter.
    Hidden,
    /// Listed, and may not be read.
    Inaccessible,
    /// All of them.
    All,
}

/// What to import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "select")]
pub enum Selection {
    /// These repositories.
    Named {
        /// Ids, full names, unique slugs or URLs.
        repositories: Vec<String>,
        /// Where several know them.
        integration: Option<String>,
        /// Of some of them, the `version` of the row somebody looked at: one that says something else by now is held.
        #[serde(default)]
        versions: BTreeMap<String, String>,
    },
    /// Everything pending that a filter matches.
    Matching(DiscoveredFilter),
    /// What a dry run showed, without rows that changed since.
    Plan {
        /// Its id.
        id: String,
    },
}

/// Which imports to take back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "select")]
pub enum UndoSelection {
    /// These, whole.
    Imports {
        /// Their ids, as `imported list` shows them.
        ids: Vec<String>,
    },
    /// What a sync imported by itself.
    Sync {
        /// The sync.
        id: String,
    },
    /// What a rule led to, as it was numbered then.
    Rule {
        /// From 0.
        rule: usize,
    },
    /// What was imported since then.
    Since {
        /// From this instant on.
        at: DateTime<Utc>,
    },
    /// Of each of these repositories, the import that linked it last; of an import of several, their part alone.
    Repositories {
        /// Ids, full names, unique slugs or URLs.
        repositories: Vec<String>,
    },
}

/// How to import.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportOptions {
    /// Merge into this entity (one repository only).
    pub into: Option<String>,
    /// Kind on register.
    pub kind: Option<String>,
    /// Type on register.
    pub r#type: Option<String>,
    /// Register, whatever the rules recommend (repositories by name only).
    #[serde(default)]
    pub as_new: bool,
    /// Show, write nothing.
    pub dry_run: bool,
}

/// What is wanted with webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookDeed {
    /// Make them, or make them so.
    Create,
    /// Look.
    List,
    /// Remove them.
    Delete,
}
