//! What is kept, and what is handed over to be kept: data.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::catalog::{FieldWritten, FileDiff};
use crate::model::{
    Coverage, Decision, Detail, DetailCoverage, EntityRef, ImportId, IntegrationKey, Item, KnownRepository, Link,
    Presence, Recommendation, RepoKey, SecondaryKind, SyncId, User, UserCoverage,
};
use crate::plan::{Plan, Step};
use crate::source::{Cursor, Listing};

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
    /// Repositories that looks at them alone found moved away since the last complete sweep.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub moved_unswept: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands over a reference
fn is_zero(count: &u64) -> bool {
    *count == 0
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

/// Everything lists show of one repository.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The repository.
    pub known: KnownRepository,
    /// What is recommended; `None`: not judged.
    pub recommendation: Option<Recommendation>,
    /// Its links in the integration's catalog, sorted by entity.
    pub links: Vec<Link>,
    /// What a person decided about it.
    pub decision: Option<Decision>,
}

/// Of which repositories.
#[derive(Clone, Debug)]
pub enum ListedOf {
    /// Those behind `after`, sorted by key, at most `limit`.
    Page {
        /// `None`: from the first.
        after: Option<RepoKey>,
        /// At most.
        limit: usize,
    },
    /// These, where they are known.
    These(Vec<RepoKey>),
}

/// What changed of what lists rest on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// What to ask from next time. Counts writes of this process; means nothing to another.
    pub revision: u64,
    /// Repositories whose rows may be others now; `None`: too many to tell.
    pub repositories: Option<BTreeSet<RepoKey>>,
    /// Links or decisions are among what changed.
    pub is_decided: bool,
    /// Records of syncs changed.
    pub syncs: bool,
}

/// What one import changed: enough to take it back field by field (P4.11).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// Which import.
    pub import_id: ImportId,
    /// Of which catalog, by its name then; empty: not told.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub catalog: String,
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
    /// It takes back all that stands before it about this repository and entity.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_undo: bool,
}

/// A change to the links of a catalog, atomic together with its journal entry.
#[derive(Clone, Debug)]
pub enum LinkChange {
    /// Makes the link of `link.repo` with `link.entity`, or replaces it. Refused where it would be a new one and the
    /// entity is linked to another repository ([`super::StoreError::Linked`]).
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
    /// Links whose documents could not be looked at then: approving these rules approves nothing of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unlooked: Vec<(RepoKey, EntityRef)>,
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

/// People of an integration with the coverage they bring about; stored in one atomic write.
#[derive(Clone, Debug)]
pub struct UserBatch {
    /// New and changed ones; storing one again replaces it.
    pub users: Vec<User>,
    /// Ids of those who are forgotten.
    pub forgotten: Vec<String>,
    /// Coverage afterwards.
    pub coverage: UserCoverage,
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
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
