//! What commands answer: the contract's objects (section 3), as the CLI prints them and the API will
//! return them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::model::{Action, KnownRepository, Repository, SyncRecord, User};

/// A repository as other objects name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RepositoryName {
    /// Stable id: the Cloud `uuid` with its braces.
    pub id: String,
    /// `workspace/slug`.
    pub full_name: String,
    /// Display name.
    pub name: String,
    /// Page for people.
    pub url: String,
}

impl From<&Repository> for RepositoryName {
    fn from(repository: &Repository) -> Self {
        Self {
            id: repository.key.id.clone(),
            full_name: repository.full_name.clone(),
            name: repository.name.clone(),
            url: repository.url.clone(),
        }
    }
}

/// What is known of a repository itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RepositoryDetail {
    /// Key of its project.
    pub project: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Language as Bitbucket names it.
    pub language: Option<String>,
    /// Default branch; `None`: it is empty, or lists do not tell (Data Center).
    pub default_branch: Option<String>,
    /// Not readable without a credential.
    pub is_private: bool,
    /// It has a parent repository.
    pub is_fork: bool,
    /// `present`, `archived`, `excluded`, `inaccessible`, `gone`.
    pub state: String,
    /// When it was created.
    pub created_at: Option<DateTime<Utc>>,
    /// When Bitbucket last saw a change in it; `None` where it does not tell (Data Center).
    pub last_activity_at: Option<DateTime<Utc>>,
    /// Former full names, oldest first.
    pub former_names: Vec<String>,
}

impl From<&KnownRepository> for RepositoryDetail {
    fn from(known: &KnownRepository) -> Self {
        let repository = &known.repository;
        Self {
            project: repository.project_key.clone(),
            description: repository.description.clone(),
            language: repository.language.clone(),
            default_branch: repository.default_branch.clone(),
            is_private: repository.is_private,
            is_fork: repository.is_fork,
            state: known.presence.as_str().to_owned(),
            created_at: repository.created_on,
            last_activity_at: repository.updated_on,
            former_names: known.former_names.clone(),
        }
    }
}

/// A recommendation as shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Recommended {
    /// What to do.
    pub action: Action,
    /// Target, or the entity fought over.
    pub entity: Option<String>,
    /// Index of the rule that decided, from 0.
    pub rule: Option<usize>,
    /// One sentence.
    pub reason: String,
}

/// State of a discovered repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DiscoveredState {
    /// Awaits a decision.
    Pending,
    /// Set aside by a person.
    Ignored,
    /// Hidden by a filter of the config.
    Hidden,
    /// Listed, and may not be read: nothing is decided about it until it may.
    Inaccessible,
}

impl DiscoveredState {
    /// As in tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Ignored => "ignored",
            Self::Hidden => "hidden",
            Self::Inaccessible => "inaccessible",
        }
    }
}

/// A row of `discovered list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DiscoveredRow {
    /// Name of the integration.
    pub integration: String,
    /// Which repository.
    pub repository: RepositoryName,
    /// What to do.
    pub recommendation: Recommended,
    /// Kind after import.
    pub kind: String,
    /// Type after import.
    pub r#type: Option<String>,
    /// Owner after import.
    pub owner: Option<String>,
    /// When first seen.
    pub detected_at: DateTime<Utc>,
    /// Pending, ignored, hidden or inaccessible.
    pub state: DiscoveredState,
    /// Why auto-import leaves it to a person; `None`: it may be imported unseen.
    pub needs_review: Option<String>,
    /// Which filter hides it.
    pub hidden_by: Option<String>,
    /// What people decided about it before: `unlinked from …`, `undone from …`, `ignored by …` with the reason they gave.
    pub tombstone: Option<String>,
    /// Changes whenever the row says something else: an import that names it is refused where it is another by then.
    #[serde(default)]
    pub version: String,
}

impl DiscoveredRow {
    /// The same with the version that its contents have.
    pub fn versioned(mut self) -> Self {
        // Of what a person decides by: whatever process shows it, and after a restart, it is the same.
        let judged = Self { version: String::new(), detected_at: DateTime::UNIX_EPOCH, ..self.clone() };
        let shown = serde_json::to_vec(&judged).unwrap_or_default();
        self.version = hex::encode(&Sha256::digest(shown)[..8]);
        self
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Page<R> {
    /// In the order asked for.
    pub rows: Vec<R>,
    /// Rows that match, on all pages.
    pub total: u64,
    /// How many there are of each action (discovered) or status (imported) with the rest of the filter.
    pub counts: BTreeMap<String, u64>,
    /// Project keys of everything in the list, whatever the filter: sorted, at most 500.
    pub projects: Vec<String>,
    /// The cursor of the next page; `None`: this is the last one.
    pub next: Option<String>,
}

/// What became of one row of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RowResult {
    /// Written, or would be.
    Done,
    /// Not written; the reason says why.
    Failed,
    /// Waits for a person.
    Held,
    /// Everything was as wanted already.
    Unchanged,
}

impl RowResult {
    /// As in tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Held => "held",
            Self::Unchanged => "unchanged",
        }
    }
}

/// What a step does to an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is created.
    Register,
    /// A repository is linked to it.
    Merge,
    /// It is brought up to date.
    Update,
    /// Its mark makes the link again.
    Adopt,
}

impl Change {
    /// As in tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Merge => "merge",
            Self::Update => "update",
            Self::Adopt => "adopt",
        }
    }
}

/// A changed file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ChangedFile {
    /// Relative to the catalog's root.
    pub path: PathBuf,
    /// Unified diff.
    pub diff: String,
}

/// One repository of an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ImportRow {
    /// Which repository.
    pub repository: RepositoryName,
    /// Register or merge.
    pub action: Action,
    /// Into which entity.
    pub entity: Option<String>,
    /// What became of it.
    pub result: RowResult,
    /// What was done to the entity, or would be in a dry run; `None` where nothing came to that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// Why, where there is something to say.
    pub reason: Option<String>,
    /// What changed.
    pub files: Vec<ChangedFile>,
}

/// `discovered import`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ImportReport {
    /// The import; `None` for a dry run.
    pub import_id: Option<String>,
    /// What `--plan` takes to write exactly this; only for a dry run.
    pub plan_id: Option<String>,
    /// Nothing was written.
    pub dry_run: bool,
    /// One per repository, sorted by full name.
    pub rows: Vec<ImportRow>,
}

/// What undoing an import does, or did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UndoChange {
    /// Fields of the entity get back what they said before.
    Restore,
    /// The entity's file, made by the import and touched by nobody, is taken away.
    Remove,
    /// Only the link ends: the document stays as it is.
    Unlink,
}

impl UndoChange {
    /// As in tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restore => "restore",
            Self::Remove => "remove",
            Self::Unlink => "unlink",
        }
    }
}

/// A field that an undo leaves as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LeftField {
    /// Path in the entity.
    pub field: String,
    /// What is there: not what the import wrote.
    pub value: Option<Value>,
    /// Why it stays.
    pub reason: String,
}

/// One import of one entity, taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct UndoRow {
    /// Name of the integration.
    pub integration: String,
    /// Which repository.
    pub repository: RepositoryName,
    /// Which import.
    pub import_id: String,
    /// How the link had come about.
    pub action: Action,
    /// From which entity.
    pub entity: String,
    /// What became of it.
    pub result: RowResult,
    /// What was done, or would be in a dry run; `None` where nothing came to that.
    pub change: Option<UndoChange>,
    /// Why, where there is something to say.
    pub reason: Option<String>,
    /// Fields that stay as they are: others changed them since.
    pub left: Vec<LeftField>,
    /// What changed.
    pub files: Vec<ChangedFile>,
}

/// `imported undo`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct UndoReport {
    /// Nothing was written.
    pub dry_run: bool,
    /// One per import and entity, sorted by full name.
    pub rows: Vec<UndoRow>,
}

/// A row of `imported list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ImportedRow {
    /// Name of the integration.
    pub integration: String,
    /// Which repository.
    pub repository: RepositoryName,
    /// `present`, `archived`, `excluded`, `inaccessible`, `gone`.
    pub repository_state: String,
    /// `registered` or `merged`.
    pub status: String,
    /// The entity.
    pub entity: String,
    /// The catalog's own id of it.
    pub entity_id: String,
    /// Kind.
    pub kind: String,
    /// Type.
    pub r#type: Option<String>,
    /// Namespace or Harness scope.
    pub scope: String,
    /// When.
    pub imported_at: DateTime<Utc>,
    /// By whom.
    pub imported_by: String,
    /// In which import.
    pub import_id: String,
    /// When a sync last looked at it.
    pub last_synced_at: Option<DateTime<Utc>>,
    /// `active`, or `entity_missing`.
    pub link_state: String,
}

/// A field we wrote, for `imported show`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct WrittenRow {
    /// Path in the entity.
    pub field: String,
    /// What the file says now; `None`: nothing. What we wrote last, where the file cannot be read.
    pub value: Option<Value>,
    /// `ours`, or `theirs` after someone changed it.
    pub owner: String,
}

/// `imported show`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ImportedDetail {
    /// As in the list.
    #[serde(flatten)]
    pub row: ImportedRow,
    /// Former names of the repository.
    pub former_names: Vec<String>,
    /// What we wrote into the entity, and what became of it.
    pub fields: Vec<WrittenRow>,
    /// Why the entity cannot be read now: then the fields are as last written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
    /// Coverage per secondary kind, in words.
    pub coverage: Vec<String>,
}

/// A row of `integration list`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct IntegrationRow {
    /// Name.
    pub name: String,
    /// `active`, `suspended` (by hand), `suspended by the config`, `orphaned` (left the config).
    pub state: String,
    /// Instance and workspace.
    pub workspace: String,
    /// Catalog.
    pub catalog: String,
    /// When it syncs, as in the config.
    pub schedule: String,
    /// Next run of the sidecar, where one would be.
    pub next_run: Option<DateTime<Utc>>,
    /// In force now.
    pub auto_import: bool,
    /// As the file says.
    pub auto_import_in_file: bool,
    /// Known repositories that are there.
    pub repositories: u64,
    /// Linked repositories.
    pub imported: u64,
    /// Connector, where it is in the config.
    #[serde(default)]
    pub connector: Option<String>,
    /// Rules: the name of a shipped file, or a path.
    #[serde(default)]
    pub rules: Option<String>,
    /// Secondary kinds that are fetched.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// The last sync.
    pub last_sync: Option<SyncRecord>,
}

/// What `integration delete` would lose, or lost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Deletion {
    /// Which integration.
    pub name: String,
    /// Instance and workspace.
    #[serde(default)]
    pub workspace: String,
    /// Repositories forgotten.
    pub repositories: u64,
    /// Links forgotten, several of one repository counted each; entities and files stay as they are.
    pub links: u64,
    /// What people decided about its repositories (ignored, unlinked, chosen targets): kept.
    #[serde(default)]
    pub decisions_kept: u64,
    /// It was only asked what would be lost.
    pub dry_run: bool,
    /// It is not in the config any more: nothing brings it back.
    #[serde(default)]
    pub is_orphaned: bool,
}

/// A webhook on Bitbucket that points to us, or what kept us from looking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct WebhookRow {
    /// Of which integration.
    pub integration: String,
    /// `workspace`, `project KEY`, `repository PROJECT/slug`.
    pub place: String,
    /// As Bitbucket numbers it.
    pub id: Option<String>,
    /// Where it sends to.
    pub url: String,
    /// What it sends.
    pub events: Vec<String>,
    /// `active`, `inactive`; `created`, `updated`, `deleted`; `failed`.
    pub result: String,
    /// Why it failed, with the mend.
    pub reason: Option<String>,
}

/// A stored credential, for `credential list` and `info`: everything but what is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CredentialRow {
    /// Name.
    pub name: String,
    /// `access_token`, `api_token`, `oauth`, `oauth_login`, `basic`, `secret`.
    pub kind: String,
    /// `readable`; `ended`: a login that was not used for 3 months; else why not: `other_key`, `no_key`, `broken`,
    /// `unknown_version`.
    pub state: String,
    /// Why it cannot be read or used, with the mend.
    pub problem: Option<String>,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// When it was last changed; of a login, last renewed.
    pub updated_at: DateTime<Utc>,
    /// The day it ends, where known; of a login, unless it is used before.
    pub expires: Option<NaiveDate>,
    /// What uses it: `connector acme`, sorted.
    pub used_by: Vec<String>,
    /// Id of the key it is sealed under: tells keys apart without telling them.
    pub key_id: String,
}

/// `credential delete`: what would be, or was, forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CredentialDeletion {
    /// Name.
    pub name: String,
    /// What uses it: `connector acme`, sorted.
    pub used_by: Vec<String>,
    /// It was only asked what would be lost.
    pub dry_run: bool,
}

/// A row of `activity pull-requests`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PullRequestRow {
    /// Number.
    pub id: u64,
    /// Title.
    pub title: String,
    /// `open`, `merged`, `declined`.
    pub state: String,
    /// Display name.
    pub author: Option<String>,
    /// Source branch.
    pub source_branch: Option<String>,
    /// Destination branch.
    pub target_branch: Option<String>,
    /// When opened.
    pub created_at: DateTime<Utc>,
    /// When last updated.
    pub updated_at: DateTime<Utc>,
    /// Page for people.
    pub url: Option<String>,
}

/// A row of `activity commits`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CommitRow {
    /// Full hash.
    pub hash: String,
    /// Whole message.
    pub message: String,
    /// Display name.
    pub author: Option<String>,
    /// Commit date.
    pub committed_at: DateTime<Utc>,
    /// Page for people.
    pub url: Option<String>,
}

/// A row of `activity users`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct UserRow {
    /// Name of the integration.
    pub integration: String,
    /// Who.
    #[serde(flatten)]
    pub user: User,
}

/// A finding of `check`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CheckRow {
    /// `config`, `connector acme`, `catalog main`, `integration acme`.
    pub about: String,
    /// `ok`, `warning`, or an error code.
    pub code: String,
    /// What was looked at.
    pub subject: String,
    /// What was found.
    pub message: String,
    /// How to mend it.
    pub mend: Option<String>,
    /// An equivalent curl command without the secret.
    pub curl: Option<String>,
}

/// What a dry run of a sync would do, besides its record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DryRun {
    /// The sync as it would be recorded.
    #[serde(flatten)]
    pub record: SyncRecord,
    /// What would be imported and updated, with diffs.
    pub plan: Vec<ImportRow>,
}
