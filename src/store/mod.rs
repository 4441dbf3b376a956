//! Seam 3: where state is kept. Domain operations, never get and put. Writes take the lease they need.
//!
//! The store is a journal and a cache: losing it costs history and a full backfill, never a duplicate
//! (invariant 3).

pub mod decisions_file;
pub mod sled;

#[cfg(test)]
mod contract;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::catalog::{FieldWritten, FileDiff};
use crate::model::{
    Action, Coverage, Decision, Detail, DetailCoverage, DetailKind, EntityRef, ImportId, IngestedRecord,
    IntegrationKey, Item, KnownRepository, Link, Presence, Recommendation, RepoKey, SecondaryKind, SyncId, SyncRecord,
};
use crate::plan::{Plan, Step};
use crate::source::{Cursor, Listing};

/// Proof of being the only crawl of an integration. Dropping it gives it back.
#[derive(Debug)]
pub struct CrawlLease {
    /// Of which integration.
    pub integration: IntegrationKey,
    /// Held as long as this lives.
    pub(crate) _guard: tokio::sync::OwnedMutexGuard<()>,
}

/// Proof of being the only writer of a catalog. Held per batch of steps. Dropping it gives it back.
#[derive(Debug)]
pub struct CatalogLease {
    /// Of which catalog.
    pub catalog: String,
    /// Held as long as this lives.
    pub(crate) _guard: tokio::sync::OwnedMutexGuard<()>,
}

/// Where a sweep stands, so that it resumes after a kill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepCheckpoint {
    /// Told apart from other sweeps by this.
    pub sweep: SyncId,
    /// When it began, by the server's clock where told.
    pub began_at: DateTime<Utc>,
    /// When its last page was recorded.
    pub at: DateTime<Utc>,
    /// When requests are possible again, where the budget ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume_at: Option<DateTime<Utc>>,
    /// Under which credential ([`crate::source::Source::listing_credential`]).
    pub credential: String,
    /// Which walk.
    pub listing: Listing,
    /// The next page.
    pub cursor: Option<Cursor>,
    /// Pages so far.
    pub pages: u32,
    /// Rows the server claimed on the last page that told.
    pub size: Option<u64>,
    /// The size claimed became smaller on the way: rows may have been skipped.
    pub shrank: bool,
}

/// What discovery remembers of an integration between syncs. Written under the crawl lease.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiscoveryState {
    /// Deltas ask from here (product.md, section 9).
    pub watermark: Option<DateTime<Utc>>,
    /// `size` at the last sweep plus the rows deltas added; `None` until a sweep ended complete.
    pub expected_count: Option<u64>,
    /// When the last complete sweep ended.
    pub last_sweep_at: Option<DateTime<Utc>>,
    /// When the last complete walk of any kind ended.
    pub last_walk_at: Option<DateTime<Utc>>,
    /// The next sync sweeps, whatever the delta would say.
    pub sweep_next: bool,
    /// A sweep under way.
    pub sweep: Option<SweepCheckpoint>,
}

/// An integration as the store knows it. Written under the crawl lease.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IntegrationState {
    /// Identity.
    pub key: IntegrationKey,
    /// Its present name; a label.
    pub name: String,
    /// When it was first seen in a config.
    pub created_at: DateTime<Utc>,
    /// Discovery's memory.
    pub discovery: DiscoveryState,
    /// The secondary kinds locked by the first sync (P5.4); `None` before it.
    pub locked_kinds: Option<BTreeSet<SecondaryKind>>,
    /// The earliest start date in force so far (P2.6); `Some(None)`: none, all history.
    #[serde(default, deserialize_with = "crate::model::present", skip_serializing_if = "Option::is_none")]
    pub start_date: Option<Option<chrono::NaiveDate>>,
    /// When its last sync started: what schedules count from.
    pub last_started_at: Option<DateTime<Utc>>,
    /// Hash of rules and settings that decide fields, at the last complete planning (P4.14).
    pub rules_hash: Option<String>,
    /// Hash of everything correlation read last time: equal means its results still hold. Recording a new or
    /// changed repository or presence clears it, in the same write.
    pub correlated: Option<String>,
    /// Free place for stages that need to remember one small thing; by stage name.
    #[serde(default)]
    pub notes: BTreeMap<String, Value>,
}

/// What people switched by hand. Takes no lease: nobody waits for a crawl.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switches {
    /// Suspended by hand (the file's `suspended: true` outranks it).
    pub suspended: bool,
    /// `auto_import` by hand, with the file's value at that time: holds until that changes.
    pub auto_import: Option<AutoImportSwitch>,
}

/// `auto_import` switched by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutoImportSwitch {
    /// Switched to.
    pub on: bool,
    /// What the file said then.
    pub file_said: bool,
}

/// One page of a walk, recorded in one atomic, flushed write together with the cursor behind it.
#[derive(Clone, Debug, Default)]
pub struct RecordedPage {
    /// New and changed repositories, with their raw records. Unchanged ones are not rewritten.
    pub changed: Vec<(KnownRepository, Value)>,
    /// Known repositories whose record is unchanged but whose `updated_on` moved: their summary only.
    pub touched: Vec<KnownRepository>,
    /// Ids of all rows of this page: what the sweep has seen. Empty for deltas. Kept under the sweep of
    /// `discovery`, or the one that was under way.
    pub seen: Vec<RepoKey>,
    /// Discovery state after this page, with the cursor of the next.
    pub discovery: DiscoveryState,
}

/// Correlation's result for one repository: what conflicts across integrations are judged by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredCandidates {
    /// The repository.
    pub repo: RepoKey,
    /// Its full name.
    pub full_name: String,
    /// Which integration found them.
    pub integration: IntegrationKey,
    /// Best first: entity and index of the rule.
    pub candidates: Vec<(EntityRef, usize)>,
}

/// What one import changed: enough to take it back field by field (P4.11).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// Which import.
    pub import_id: ImportId,
    /// In which sync, where it was one.
    pub sync_id: Option<SyncId>,
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub by: String,
    /// What was planned.
    pub step: Step,
    /// What was changed.
    pub fields: Vec<FieldWritten>,
    /// The diffs.
    pub files: Vec<FileDiff>,
}

/// A change to the links of a catalog, atomic together with its journal entry.
#[derive(Clone, Debug)]
pub enum LinkChange {
    /// Makes the link of `link.repo` with `link.entity`, or replaces it. Refused where it would be a new one and the
    /// entity is linked to another repository ([`StoreError::Linked`]).
    Make(Box<Link>),
    /// The same, whoever else is linked to the entity: for links that are known to be there.
    Put(Box<Link>),
    /// Ends the link of a repository with an entity.
    Remove(RepoKey, EntityRef),
}

/// A dry run that `--plan ID` may carry out, or what a guard held for `sync approve`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredPlan {
    /// A ULID; for held syncs the sync's id.
    pub id: String,
    /// Of which integration.
    pub integration: IntegrationKey,
    /// When.
    pub at: DateTime<Utc>,
    /// The plan.
    pub plan: Plan,
    /// Presence changes the guard held (P2.9).
    pub absences: Vec<(RepoKey, Presence)>,
    /// The entity refs of a shrunk catalog, to be accepted (P2.13).
    pub shrunk_to: Option<Vec<EntityRef>>,
    /// Why it waits, in words.
    pub reason: String,
    /// Of a dry run of an import: a person chose its entity (`--into`), which is kept as their decision.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_chosen: bool,
    /// Hash of the rules it was made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules_hash: Option<String>,
}

/// Items of one repository and kind with the coverage they bring about; stored in one atomic write.
#[derive(Clone, Debug)]
pub struct ItemBatch {
    /// The repository.
    pub repo: RepoKey,
    /// The kind.
    pub kind: SecondaryKind,
    /// New and changed items; storing one again replaces it.
    pub items: Vec<Item>,
    /// Coverage afterwards.
    pub coverage: Coverage,
}

/// Details of one repository and kind with the coverage they bring about; stored in one atomic write.
#[derive(Clone, Debug)]
pub struct DetailBatch {
    /// New and changed details; storing one again replaces it.
    pub details: Vec<Detail>,
    /// Coverage afterwards; tells repository and kind.
    pub coverage: DetailCoverage,
}

/// A credential as kept: readable by whoever has the key, and by nobody else. Its name is not in it: it is
/// part of what the seal covers, so that a record put under another name does not open
/// ([`crate::credentials`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedCredential {
    /// Of the way it is sealed.
    pub version: u32,
    /// `access_token`, `basic`, …
    pub kind: String,
    /// Tells keys apart without telling them.
    pub key_id: String,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// The day it ends, where known.
    pub expires: Option<chrono::NaiveDate>,
    /// Random, new with each sealing: tells versions of a record apart.
    pub nonce: String,
    /// The secret, encrypted.
    pub sealed: String,
}

/// One credential replaced by another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialChange {
    /// Which.
    pub name: String,
    /// The nonce of the record that is there; `None`: there is none yet.
    pub instead_of: Option<String>,
    /// From now on.
    pub credential: SealedCredential,
}

/// What an export holds beside everything else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportOf {
    /// No credential.
    #[default]
    WithoutCredentials,
    /// Credentials, still encrypted.
    WithCredentials,
}

/// Health of a store, for `store check`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreReport {
    /// Records per book.
    pub books: BTreeMap<String, u64>,
    /// Bytes on disk.
    pub size_bytes: u64,
    /// Schema version.
    pub schema: u32,
    /// What is wrong; empty: nothing.
    pub faults: Vec<String>,
}

/// Seam 3. Every write is durable when it returns.
#[async_trait]
pub trait Store: Send + Sync {
    /// Waits for the crawl lease; `None` when `wait` is over.
    async fn crawl_lease(&self, integration: &IntegrationKey, wait: Duration)
    -> Result<Option<CrawlLease>, StoreError>;
    /// Waits for the catalog lease.
    async fn catalog_lease(&self, catalog: &str) -> Result<CatalogLease, StoreError>;

    /// Every integration ever seen, sorted by key.
    async fn integrations(&self) -> Result<Vec<IntegrationState>, StoreError>;
    /// One integration.
    async fn integration(&self, key: &IntegrationKey) -> Result<Option<IntegrationState>, StoreError>;
    /// Creates or replaces one.
    async fn save_integration(&self, lease: &CrawlLease, state: &IntegrationState) -> Result<(), StoreError>;
    /// Forgets an integration: repositories, candidates, recommendations, secondary items, coverage,
    /// syncs, plans, switches. Links of its repositories go, too, but for repositories that another integration
    /// on the same catalog knows: marks bring them back. Decisions stay: people made them, about repositories, and
    /// nothing else could bring them back. Killed in the middle, it is gone all the same: what is left is removed when
    /// the store is opened next. The journal stays until it expires.
    async fn delete_integration(&self, lease: &CrawlLease, catalog: &CatalogLease) -> Result<(), StoreError>;
    /// What people switched.
    async fn switches(&self, key: &IntegrationKey) -> Result<Switches, StoreError>;
    /// Switches.
    async fn save_switches(&self, key: &IntegrationKey, switches: &Switches) -> Result<(), StoreError>;

    /// Records a page and its checkpoint, atomically.
    async fn record_page(&self, lease: &CrawlLease, page: RecordedPage) -> Result<(), StoreError>;
    /// Ids the sweep has seen so far.
    async fn sweep_seen(&self, key: &IntegrationKey, sweep: &SyncId) -> Result<Vec<RepoKey>, StoreError>;
    /// Ends a walk: presence changes and the new discovery state, atomically; drops the sweep's seen ids.
    async fn finish_walk(
        &self,
        lease: &CrawlLease,
        changes: Vec<KnownRepository>,
        discovery: DiscoveryState,
    ) -> Result<(), StoreError>;
    /// Known repositories sorted by key, at most `limit`, those after `after`.
    async fn repositories(
        &self,
        key: &IntegrationKey,
        after: Option<&RepoKey>,
        limit: usize,
    ) -> Result<Vec<KnownRepository>, StoreError>;
    /// The same with their raw records.
    async fn records(
        &self,
        key: &IntegrationKey,
        after: Option<&RepoKey>,
        limit: usize,
    ) -> Result<Vec<(KnownRepository, Value)>, StoreError>;
    /// One repository with its raw record, under one integration.
    async fn record(
        &self,
        key: &IntegrationKey,
        repo: &RepoKey,
    ) -> Result<Option<(KnownRepository, IngestedRecord)>, StoreError>;
    /// Under which integrations a repository is known.
    async fn integrations_of(&self, repo: &RepoKey) -> Result<Vec<IntegrationKey>, StoreError>;

    /// Replaces candidates and recommendations of the repositories given; those equal to what is stored
    /// cost no write.
    async fn save_recommendations(
        &self,
        lease: &CrawlLease,
        candidates: Vec<StoredCandidates>,
        recommendations: Vec<Recommendation>,
    ) -> Result<(), StoreError>;
    /// Drops candidates and recommendations of all repositories of the integration but these.
    async fn keep_verdicts(&self, lease: &CrawlLease, of: Vec<RepoKey>) -> Result<(), StoreError>;
    /// Candidates of every integration on a catalog but one, sorted by repository.
    async fn candidates(
        &self,
        catalog: &str,
        but: Option<&IntegrationKey>,
    ) -> Result<Vec<StoredCandidates>, StoreError>;
    /// How many recommendations of each action an integration has, but for these repositories.
    async fn recommended(
        &self,
        key: &IntegrationKey,
        but: BTreeSet<RepoKey>,
    ) -> Result<BTreeMap<Action, u64>, StoreError>;
    /// Recommendations of an integration, sorted by repository.
    async fn recommendations(&self, key: &IntegrationKey) -> Result<Vec<Recommendation>, StoreError>;

    /// Links of a catalog, sorted by repository, then entity.
    async fn links(&self, catalog: &str) -> Result<Vec<Link>, StoreError>;
    /// Links of one repository, sorted by entity.
    async fn links_of(&self, catalog: &str, repo: &RepoKey) -> Result<Vec<Link>, StoreError>;
    /// Links to one entity, sorted by repository.
    async fn links_to(&self, catalog: &str, entity: &EntityRef) -> Result<Vec<Link>, StoreError>;
    /// Changes links with their journal entries, atomically; all of them or, where one is refused, none.
    async fn change_links(
        &self,
        lease: &CatalogLease,
        changes: Vec<LinkChange>,
        journal: Vec<JournalEntry>,
    ) -> Result<(), StoreError>;
    /// The journal of one import, in order.
    async fn journal(&self, import_id: &ImportId) -> Result<Vec<JournalEntry>, StoreError>;

    /// Decisions of a catalog, sorted by repository.
    async fn decisions(&self, catalog: &str) -> Result<Vec<Decision>, StoreError>;
    /// Records a decision; replaces the one before.
    async fn decide(&self, catalog: &str, decision: &Decision) -> Result<(), StoreError>;
    /// Takes a decision back.
    async fn clear_decision(&self, catalog: &str, repo: &RepoKey) -> Result<(), StoreError>;

    /// Entity refs of a catalog as last read (P2.13); `None` before the first reading.
    async fn known_entities(&self, catalog: &str) -> Result<Option<Vec<EntityRef>>, StoreError>;
    /// Replaces them; costs no write when equal.
    async fn save_known_entities(&self, catalog: &str, refs: &[EntityRef]) -> Result<(), StoreError>;

    /// Which entities each file of a catalog held when last read ([`crate::catalog::Catalog::snapshot`]).
    async fn catalog_snapshot(&self, catalog: &str) -> Result<Option<Value>, StoreError>;
    /// Keeps it; costs no write when equal. Exports hold it: the next reading could not make anew what a file held
    /// that does not parse by then.
    async fn save_catalog_snapshot(&self, catalog: &str, snapshot: &Value) -> Result<(), StoreError>;

    /// Stores items with their coverage, atomically per batch; several batches share one flush.
    async fn record_items(&self, lease: &CrawlLease, batches: Vec<ItemBatch>) -> Result<(), StoreError>;
    /// Items of a repository and kind by [`Item::at`], newest first, at most `limit`.
    async fn items(
        &self,
        key: &IntegrationKey,
        repo: &RepoKey,
        kind: SecondaryKind,
        limit: usize,
    ) -> Result<Vec<Item>, StoreError>;
    /// Which of these are stored, as stored, in the order asked for: a pull request by its number, a commit
    /// by its hash and date, which the hash seals.
    async fn stored_items(
        &self,
        key: &IntegrationKey,
        repo: &RepoKey,
        kind: SecondaryKind,
        of: &[Item],
    ) -> Result<Vec<Item>, StoreError>;
    /// Every item of an integration and kind, sorted by repository, then id: to compare two stores by.
    async fn dump_items(&self, key: &IntegrationKey, kind: SecondaryKind) -> Result<Vec<(RepoKey, Item)>, StoreError>;
    /// Coverage of every repository of an integration and kind, sorted by repository.
    async fn coverage(&self, key: &IntegrationKey, kind: SecondaryKind) -> Result<Vec<Coverage>, StoreError>;
    /// Coverage of one repository and kind.
    async fn coverage_of(
        &self,
        key: &IntegrationKey,
        repo: &RepoKey,
        kind: SecondaryKind,
    ) -> Result<Option<Coverage>, StoreError>;
    /// Stores details and their coverage.
    async fn record_details(&self, lease: &CrawlLease, batches: Vec<DetailBatch>) -> Result<(), StoreError>;
    /// Details of a repository, newest first.
    async fn details(
        &self,
        key: &IntegrationKey,
        repo: &RepoKey,
        kind: DetailKind,
        limit: usize,
    ) -> Result<Vec<Detail>, StoreError>;
    /// Which details are stored, of every repository looked at.
    async fn detail_coverage(&self, key: &IntegrationKey, kind: DetailKind) -> Result<Vec<DetailCoverage>, StoreError>;

    /// Creates or replaces a sync's record.
    async fn save_sync(&self, key: &IntegrationKey, record: &SyncRecord) -> Result<(), StoreError>;
    /// Newest first, of one integration or of all.
    async fn syncs(&self, key: Option<&IntegrationKey>, limit: usize) -> Result<Vec<SyncRecord>, StoreError>;
    /// One sync.
    async fn sync(&self, id: &SyncId) -> Result<Option<(IntegrationKey, SyncRecord)>, StoreError>;

    /// Keeps a plan.
    async fn save_plan(&self, plan: &StoredPlan) -> Result<(), StoreError>;
    /// A plan by its id.
    async fn plan(&self, id: &str) -> Result<Option<StoredPlan>, StoreError>;
    /// Forgets a plan.
    async fn drop_plan(&self, id: &str) -> Result<(), StoreError>;

    /// The request counters of a connector ([`crate::source::Source::budget_snapshot`]).
    async fn budget(&self, connector: &str) -> Result<Option<Value>, StoreError>;
    /// Keeps them.
    async fn save_budget(&self, connector: &str, snapshot: &Value) -> Result<(), StoreError>;

    /// Every credential, encrypted, by its name. Takes no lease.
    async fn credentials(&self) -> Result<BTreeMap<String, SealedCredential>, StoreError>;
    /// Replaces credentials, all of them or none; `false`: one of them is not what the change is `instead_of`,
    /// and nothing was written.
    async fn change_credentials(&self, changes: Vec<CredentialChange>) -> Result<bool, StoreError>;
    /// Forgets a credential, also one whose record cannot be read; whether it was there.
    async fn delete_credential(&self, name: &str) -> Result<bool, StoreError>;

    /// Drops syncs, plans and journal entries older than these instants; returns how many records went.
    /// Syncs under way stay.
    async fn expire(&self, syncs_before: DateTime<Utc>, journal_before: DateTime<Utc>) -> Result<u64, StoreError>;
    /// Verifies every book.
    async fn check(&self) -> Result<StoreReport, StoreError>;
    /// Makes indexes and counts anew from the records; returns how many entries there are.
    async fn rebuild_indexes(&self) -> Result<u64, StoreError>;
    /// Writes everything as JSON lines, in a stable order, but request counters and what follows from other
    /// records; returns the number of records. The first line tells schema, the last line the number of
    /// records, so that an export that broke off is told from a whole one. Credentials only when asked for.
    async fn export(&self, out: &mut (dyn std::io::Write + Send), of: ExportOf) -> Result<u64, StoreError>;
    /// Reads an export into an empty store, credentials included where it has some; returns the number of
    /// records.
    ///
    /// # Errors
    /// [`StoreError::NotEmpty`]; [`StoreError::Malformed`] with the line, nothing imported then.
    async fn import(&self, input: &mut (dyn std::io::BufRead + Send)) -> Result<u64, StoreError>;
}

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
            Self::TooNew { .. } => "use the newer catalog-sync, or restore an export made before the upgrade",
            Self::UnknownIntegration { .. } => "start the sync again: the integration was deleted meanwhile",
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
