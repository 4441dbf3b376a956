//! The record of one sync, as kept and as printed (contract, section 3).

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::detail::DetailKind;

/// A sync's id: a ULID, so ids sort by time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct SyncId(pub String);

impl fmt::Display for SyncId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What started a sync. Carries no facts (invariant 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// The scheduler.
    Schedule,
    /// `sync now`.
    Manual,
    /// A webhook.
    Webhook,
    /// `sync approve`.
    Approval,
}

impl Trigger {
    /// As in tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Manual => "manual",
            Self::Webhook => "webhook",
            Self::Approval => "approval",
        }
    }
}

/// How a sync ended, or that it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Under way.
    Running,
    /// Everything done; a backlog may remain.
    Completed,
    /// Some repositories failed; they are named and retried next time.
    Partial,
    /// Nothing could be concluded.
    Failed,
    /// Stopped cleanly at a limit; the rest follows next time.
    RateLimited,
    /// Waits for `sync approve`.
    Held,
    /// Stopped by a person or by shutdown, at a checkpoint.
    Cancelled,
    /// Killed; the next sync goes on.
    Interrupted,
    /// Not begun, one of several: another sync of it runs, or the config asks for what is locked. Nothing was done.
    Refused,
}

impl Outcome {
    /// As in tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::RateLimited => "rate_limited",
            Self::Held => "held",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
            Self::Refused => "refused",
        }
    }
}

/// Most configs hide nothing.
fn is_none(count: &u64) -> bool {
    *count == 0
}

/// Counts of one sync's discovery.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RepositoryCounts {
    /// Known, listed, and hidden by the filters of the config; not among the seen.
    #[serde(default, skip_serializing_if = "is_none")]
    pub hidden: u64,
    /// Known, listed, and forbidden below the list; not among the seen.
    #[serde(default, skip_serializing_if = "is_none")]
    pub inaccessible: u64,
    /// Known to be there after the sync, whether listed again or proven unchanged.
    pub seen: u64,
    /// Met for the first time.
    pub new: u64,
    /// With a changed record.
    pub changed: u64,
    /// That became gone.
    pub gone: u64,
    /// That failed and are retried.
    pub failed: u64,
}

/// Recommendations awaiting a decision after the sync.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RecommendationCounts {
    /// New entities.
    pub register: u64,
    /// Enrichments.
    pub merge: u64,
    /// For a person.
    pub conflict: u64,
}

/// What the sync wrote into the catalog.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ImportCounts {
    /// Entities created.
    pub registered: u64,
    /// Entities merged into.
    pub merged: u64,
    /// Linked entities whose fields were brought up to date.
    pub updated: u64,
    /// Steps that failed.
    pub failed: u64,
}

/// One secondary kind in one sync.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SecondaryCounts {
    /// Items stored by this sync, updates included.
    pub stored: u64,
    /// Known items left for later syncs.
    pub backlog: u64,
    /// Repositories whose count is not known yet.
    pub repositories_waiting: u64,
    /// When the backlog will be gone at the present pace; `None` without a backlog.
    pub complete_by: Option<DateTime<Utc>>,
}

/// By kind; a kind that is not selected is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Secondary {
    /// Pull requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_requests: Option<SecondaryCounts>,
    /// Commits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commits: Option<SecondaryCounts>,
    /// People.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<SecondaryCounts>,
    /// Optional kinds, beside the two.
    #[serde(flatten)]
    pub details: BTreeMap<DetailKind, SecondaryCounts>,
}

/// Something that went wrong in a sync and was survived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SyncError {
    /// Full name of the repository, where it is about one.
    pub repository: Option<String>,
    /// `discover`, `correlate`, `plan`, `apply`, `pull_requests`, `commits`, `catalog`, …
    pub stage: String,
    /// What happened, why, and the mend.
    pub message: String,
    /// When it is tried again: `next_sync`, `next_sweep`, `approval`, `never`.
    pub retry: String,
}

/// How much of what is there is imported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ImportCoverage {
    /// Repositories that are there.
    pub repositories: u64,
    /// Of these, linked to an entity that is there.
    pub imported: u64,
    /// Of these, set aside: nobody expects them to be imported.
    pub ignored: u64,
}

impl ImportCoverage {
    /// Imported of those that are to be, in percent, to a tenth; 100 where none is.
    pub fn percent(&self) -> f64 {
        match self.repositories.saturating_sub(self.ignored) {
            0 => 100.0,
            expected => (self.imported as f64 * 1000.0 / expected as f64).floor() / 10.0,
        }
    }
}

/// One sync over one integration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SyncRecord {
    /// Its id.
    pub id: SyncId,
    /// Name of the integration.
    pub integration: String,
    /// What started it.
    pub trigger: Trigger,
    /// How it ended.
    pub outcome: Outcome,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// How long it took.
    pub duration_ms: u64,
    /// Requests sent to the source, retries included.
    pub requests: u64,
    /// Requests left in the present hour; `None` when the source does not tell and no limit is set.
    pub requests_remaining: Option<u64>,
    /// Whether the repository list was swept whole.
    #[serde(default)]
    pub sweep: bool,
    /// Looks at single repositories that events asked for: those of an hour are one record.
    #[serde(default, skip_serializing_if = "is_none")]
    pub looks: u64,
    /// Discovery.
    pub repositories: RepositoryCounts,
    /// What awaits a decision.
    pub recommendations: RecommendationCounts,
    /// Catalog writes.
    pub imported: ImportCounts,
    /// Backfill.
    pub secondary: Secondary,
    /// How much of what is there was imported, after the sync; `None`: it did not get so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imports: Option<ImportCoverage>,
    /// How stale the oldest pull-request listing is: when it was last asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_pull_request_check: Option<DateTime<Utc>>,
    /// What went wrong.
    pub errors: Vec<SyncError>,
    /// What was planned and not done, and why; `sync approve` may apply it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<HeldEntry>,
    /// What a person should know though nothing failed: fields others took over, files left alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl SyncRecord {
    /// A sync that has just begun.
    pub fn begun(id: SyncId, integration: &str, trigger: Trigger, started_at: DateTime<Utc>) -> Self {
        Self {
            id,
            integration: integration.to_owned(),
            trigger,
            outcome: Outcome::Running,
            started_at,
            duration_ms: 0,
            requests: 0,
            requests_remaining: None,
            sweep: false,
            looks: 0,
            repositories: RepositoryCounts::default(),
            recommendations: RecommendationCounts::default(),
            imported: ImportCounts::default(),
            secondary: Secondary::default(),
            imports: None,
            oldest_pull_request_check: None,
            errors: Vec::new(),
            held: Vec::new(),
            notes: Vec::new(),
        }
    }
}

/// Something planned and not applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HeldEntry {
    /// Full name of the repository, where it is about one.
    pub repository: Option<String>,
    /// The entity, where it is about one.
    pub entity: Option<String>,
    /// Why, and what a person can do.
    pub reason: String,
    /// Whether `sync approve` would apply it.
    pub approvable: bool,
}
