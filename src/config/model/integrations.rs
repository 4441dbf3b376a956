//! `integrations`: which repositories go into which catalog, when, and with what else.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use chrono::NaiveDate;

use super::{Percent, Place};
use crate::config::filters::RepositoryGlob;
pub use crate::model::Registration;
use crate::model::{DetailKind, InstanceId, IntegrationKey, SecondaryKind};

/// Which rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RulesRef {
    /// A file of `rules/`, by its name without `.yaml`.
    Builtin(String),
    /// A file of the user's.
    File {
        /// Resolved.
        path: PathBuf,
        /// As read together with the config, so that a reload sees a change.
        text: String,
    },
}

/// Which repositories are worked on; the others are recorded and listed as hidden, with the filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryFilters {
    /// Empty: all.
    pub include: Vec<RepositoryGlob>,
    /// They win over `include`.
    pub exclude: Vec<RepositoryGlob>,
    /// Project keys, case ignored; empty: all.
    pub projects: Vec<String>,
    /// Archived ones, too (Data Center).
    pub archived: bool,
    /// Personal ones, too.
    pub personal: bool,
    /// Forks, too.
    pub forks: bool,
}

/// How much of a repository the first sync takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstSync {
    /// This many, the newest.
    Newest(u64),
    /// Everything after the start date.
    All,
}

/// How commits are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitsVia {
    /// Whatever fits.
    Auto,
    /// The REST API.
    Rest,
    /// The git protocol.
    Git,
}

/// Settings of a secondary kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindSettings {
    /// Newest items of each repository at its first fetch.
    pub first_sync: FirstSync,
    /// Cap: most items stored in one sync over all repositories; at least 1.
    pub per_sync: u64,
    /// Commits only.
    pub via: CommitsVia,
}

/// Settings of an optional secondary kind. What was selected may change at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DetailSettings {
    /// Cap: most stored in one sync over all repositories; at least 1. Each costs a request.
    pub per_sync: u64,
}

impl Default for DetailSettings {
    /// Half of what Cloud allows in an hour.
    fn default() -> Self {
        Self { per_sync: 500 }
    }
}

/// When an integration syncs by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cadence {
    /// This long after the last start, plus a stable jitter.
    Every(Duration),
    /// At the times of a cron expression.
    Cron {
        /// Five or six fields, as written.
        expr: String,
        /// In which it is meant.
        timezone: chrono_tz::Tz,
    },
}

/// When a loss stops a sync until approved (P2.9, P2.13): more than both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// Of what is known.
    pub percent: Percent,
    /// In numbers.
    pub at_least: u64,
}

/// One workspace and one catalog, with rules and schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Integration {
    /// A label; unique.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Name of its connector; there in a loaded config.
    pub connector: String,
    /// Name of its catalog; there in a loaded config.
    pub catalog: String,
    /// Cloud: the workspace's slug, from the connector's URL where the integration names none.
    pub workspace: String,
    /// Which repositories.
    pub repositories: RepositoryFilters,
    /// What may become of them.
    pub registration: Registration,
    /// Kind of registered entities.
    pub kind: String,
    /// Type of registered entities (key `type`).
    pub entity_type: String,
    /// Correlation rules and field mapping.
    pub rules: RulesRef,
    /// Selected secondary kinds.
    pub secondary_kinds: BTreeMap<SecondaryKind, KindSettings>,
    /// Selected optional kinds, from the same block of the file.
    pub details: BTreeMap<DetailKind, DetailSettings>,
    /// People, where selected, from the same block of the file.
    pub users: Option<DetailSettings>,
    /// When it syncs (keys `update_every`, or `cron` and `timezone`).
    pub update_every: Cadence,
    /// Older pull requests and commits are not fetched.
    pub start_date: Option<NaiveDate>,
    /// A complete walk over the repository list at least this often.
    pub complete_sweep_every: Duration,
    /// What stops a sync until approved.
    pub guard: Guard,
    /// Kept on every imported entity.
    pub tags: Vec<String>,
    /// Whether future discoveries are imported unseen.
    pub auto_import: bool,
    /// Whether it rests, whatever was switched by hand.
    pub suspended: bool,
    /// A former name whose state is carried over.
    pub renamed_from: Option<String>,
    /// Which Bitbucket, from its connector.
    pub instance: InstanceId,
    /// Where the file defines it.
    pub place: Place,
    /// Where the file says `suspended`.
    pub suspended_place: Place,
}

impl Integration {
    /// Its identity, which no rename changes.
    pub fn key(&self) -> IntegrationKey {
        IntegrationKey {
            instance: self.instance.clone(),
            workspace: self.workspace.to_lowercase(),
            catalog: self.catalog.clone(),
        }
    }
}
