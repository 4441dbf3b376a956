//! What can be asked, as data: the CLI makes it from arguments, a running sidecar receives it from a
//! second terminal. Holds values, never places on the host or secrets.

mod choices;
mod words;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::choices::{
    DiscoveredFilter, DiscoveredSort, ImportOptions, ImportStatus, ImportedFilter, ImportedSort, Paging,
    RepositoryState, Selection, StateFilter, UndoSelection, WebhookDeed,
};

use super::answer::{
    CommitRow, CredentialDeletion, CredentialRow, Deletion, DiscoveredRow, DryRun, ImportReport, ImportedDetail,
    ImportedRow, IntegrationRow, Page, PullRequestRow, RepositoryDetail, UndoReport, UserRow, WebhookRow,
};
use super::audit::AuditFilter;
use super::deliveries::{DeliveryFilter, DeliveryPage};
use super::draft::{Drafted, IntegrationDraft};
use super::entity::{EntityDetail, FoundEntity};
use super::report::IntegrationReport;
use super::rules::{RulesPreview, RulesReport};
use super::rules_file::RulesText;
use super::weeks::ActivityWeeks;
use crate::correlate::Explanation;
use crate::model::{Detail, DetailKind, SyncRecord};
use crate::store::{AuditEntry, CredentialChange, ExportOf, SealedCredential, StoreReport};

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "command")]
pub enum Request {
    /// `sync now`.
    SyncNow {
        /// Names; empty: all that are not suspended.
        integrations: Vec<String>,
        /// Write nothing anywhere.
        dry_run: bool,
        /// Sweep the whole list.
        full: bool,
    },
    /// `sync history`.
    SyncHistory {
        /// Only of this one.
        integration: Option<String>,
        /// At most.
        limit: usize,
    },
    /// `sync show ID`.
    SyncShow {
        /// The sync.
        id: String,
    },
    /// `sync cancel ID`.
    SyncCancel {
        /// The sync.
        id: String,
    },
    /// `sync approve ID`.
    SyncApprove {
        /// The sync.
        id: String,
    },
    /// `discovered list`.
    DiscoveredList(DiscoveredFilter),
    /// One page of what is discovered.
    DiscoveredPage {
        /// Which rows.
        filter: DiscoveredFilter,
        /// Which page of them.
        paging: Paging<DiscoveredSort>,
    },
    /// One page of what is imported.
    ImportedPage {
        /// Which rows.
        filter: ImportedFilter,
        /// Which page of them.
        paging: Paging<ImportedSort>,
    },
    /// `discovered show REPO`.
    DiscoveredShow {
        /// The repository.
        repository: String,
        /// Where it is known under several.
        integration: Option<String>,
    },
    /// `discovered import`.
    DiscoveredImport {
        /// What.
        selection: Selection,
        /// How.
        options: ImportOptions,
    },
    /// `discovered ignore`.
    DiscoveredIgnore {
        /// Which.
        repositories: Vec<String>,
        /// Where several know it.
        integration: Option<String>,
        /// Why, for whoever looks at them later.
        #[serde(default)]
        reason: Option<String>,
    },
    /// `discovered restore`.
    DiscoveredRestore {
        /// Which.
        repositories: Vec<String>,
        /// Where several know it.
        integration: Option<String>,
    },
    /// `imported list`.
    ImportedList {
        /// Only of this one.
        integration: Option<String>,
        /// Name, full name or entity contains this, case ignored.
        search: Option<String>,
    },
    /// `imported show REPO`.
    ImportedShow {
        /// The repository.
        repository: String,
        /// Where several know it.
        integration: Option<String>,
    },
    /// `imported unlink REPO…`.
    ImportedUnlink {
        /// Which.
        repositories: Vec<String>,
        /// Where several know it.
        integration: Option<String>,
    },
    /// `imported undo`.
    ImportedUndo {
        /// Which imports.
        which: UndoSelection,
        /// Only of this integration.
        integration: Option<String>,
        /// Show, write nothing.
        dry_run: bool,
    },
    /// `rules check FILE`.
    RulesCheck {
        /// The file's text: a path would be a place on the host.
        text: String,
        /// What people call it.
        name: String,
        /// Compared with what is stored of this one only.
        integration: Option<String>,
    },
    /// `rules preview FILE`.
    RulesPreview {
        /// The file's text.
        text: String,
        /// What people call it.
        #[serde(default)]
        name: Option<String>,
        /// Of this one only.
        integration: Option<String>,
        /// Rows at most; the counts are of all.
        #[serde(default)]
        limit: Option<usize>,
    },
    /// The rules of an integration as they stand.
    RulesShow {
        /// Which integration.
        integration: String,
    },
    /// Writes an integration's rules file; only with `server.edit_rules`.
    RulesWrite {
        /// Which integration.
        integration: String,
        /// The whole text.
        text: String,
        /// The version that the writer saw.
        instead_of: String,
    },
    /// `report`.
    Report {
        /// Names; empty: all.
        integrations: Vec<String>,
    },
    /// `integration list` and `show`.
    IntegrationList {
        /// Only this one.
        name: Option<String>,
    },
    /// `integration suspend` and `resume`.
    IntegrationSuspend {
        /// Which.
        name: String,
        /// `false`: resume.
        suspended: bool,
    },
    /// `integration auto-import`.
    IntegrationAutoImport {
        /// Which.
        name: String,
        /// On or off.
        on: bool,
    },
    /// `integration delete`.
    IntegrationDelete {
        /// Which.
        name: String,
        /// Only tell what would be lost.
        dry_run: bool,
    },
    /// `activity pull-requests REPO`.
    ActivityPullRequests {
        /// The repository.
        repository: String,
        /// Where several know it.
        integration: Option<String>,
        /// At most.
        limit: usize,
    },
    /// `activity commits REPO`.
    ActivityCommits {
        /// The repository.
        repository: String,
        /// Where several know it.
        integration: Option<String>,
        /// At most.
        limit: usize,
    },
    /// `activity reviews REPO` and those of the other optional kinds.
    ActivityDetails {
        /// Which kind.
        kind: DetailKind,
        /// The repository.
        repository: String,
        /// Where several know it.
        integration: Option<String>,
        /// At most.
        limit: usize,
    },
    /// `activity users`.
    ActivityUsers {
        /// Only of this one.
        integration: Option<String>,
        /// At most.
        limit: usize,
    },
    /// A new integration, checked but not made.
    IntegrationDraft(Box<IntegrationDraft>),
    /// Writes a new integration into the config; only with `server.edit_config`.
    IntegrationCreate {
        /// What to write.
        draft: Box<IntegrationDraft>,
        /// The version of the file that the writer saw.
        instead_of: String,
    },
    /// What happened in a repository week by week.
    ActivityWeeks {
        /// The repository.
        repository: String,
        /// Where several know it.
        integration: Option<String>,
    },
    /// One entity as it is now.
    EntityShow {
        /// Its name.
        entity: String,
        /// In whose catalog; `None`: in the first that has it.
        integration: Option<String>,
    },
    /// Entities whose name holds a text.
    EntitySearch {
        /// In whose catalog.
        integration: String,
        /// A part of the name, case ignored.
        text: String,
    },
    /// `audit list`.
    AuditList(AuditFilter),
    /// `store check`.
    StoreCheck,
    /// `store export`: the lines come as the answer.
    StoreExport {
        /// With credentials or without.
        #[serde(default)]
        of: ExportOf,
    },
    /// `credential list` and `info`.
    CredentialList {
        /// Only this one.
        name: Option<String>,
    },
    /// The sealed records: for who has the key.
    CredentialRecords,
    /// `credential add`, `update` and `rekey`. Sealed by who asks: no secret travels, not even to this process.
    CredentialChange {
        /// All of them, or none.
        changes: Vec<CredentialChange>,
        /// Under a new key, which takes effect afterwards.
        rekey: bool,
    },
    /// Of a process beside the one that holds the store, which alone renews logins.
    CredentialRenew {
        /// Name of the login.
        name: String,
        /// Which connector uses it.
        connector: String,
        /// Fingerprint of the access token that was refused; `None`: the one that is stored does not last.
        refused: Option<String>,
    },
    /// `webhook create|list|delete`.
    Webhook {
        /// Which of them.
        deed: WebhookDeed,
        /// Empty: of all that have webhook secrets.
        integrations: Vec<String>,
    },
    /// `webhook deliveries`.
    WebhookDeliveries(DeliveryFilter),
    /// `credential delete`.
    CredentialDelete {
        /// Which.
        name: String,
        /// Only tell who uses it.
        dry_run: bool,
    },
}

impl Request {
    /// Whether it only reads: then it makes no store where there is none.
    pub fn only_reads(&self) -> bool {
        match self {
            Self::SyncHistory { .. }
            | Self::SyncShow { .. }
            | Self::DiscoveredList(_)
            | Self::DiscoveredPage { .. }
            | Self::ImportedPage { .. }
            | Self::DiscoveredShow { .. }
            | Self::ImportedList { .. }
            | Self::ImportedShow { .. }
            | Self::RulesCheck { .. }
            | Self::RulesPreview { .. }
            | Self::RulesShow { .. }
            | Self::Report { .. }
            | Self::IntegrationList { .. }
            | Self::ActivityPullRequests { .. }
            | Self::ActivityCommits { .. }
            | Self::ActivityDetails { .. }
            | Self::ActivityUsers { .. }
            | Self::ActivityWeeks { .. }
            | Self::EntityShow { .. }
            | Self::EntitySearch { .. }
            | Self::AuditList(_)
            | Self::StoreCheck
            | Self::StoreExport { .. }
            | Self::CredentialList { .. }
            | Self::Webhook { deed: WebhookDeed::List, .. }
            | Self::WebhookDeliveries(_)
            | Self::CredentialRecords => true,
            Self::SyncNow { .. }
            | Self::SyncApprove { .. }
            | Self::SyncCancel { .. }
            | Self::DiscoveredImport { .. }
            | Self::DiscoveredIgnore { .. }
            | Self::DiscoveredRestore { .. }
            | Self::ImportedUnlink { .. }
            | Self::ImportedUndo { .. }
            | Self::IntegrationSuspend { .. }
            | Self::IntegrationAutoImport { .. }
            | Self::IntegrationDelete { .. }
            | Self::IntegrationDraft(_)
            | Self::IntegrationCreate { .. }
            | Self::Webhook { .. }
            | Self::RulesWrite { .. }
            | Self::CredentialChange { .. }
            | Self::CredentialRenew { .. }
            | Self::CredentialDelete { .. } => false,
        }
    }

    /// Whether it spends requests to Bitbucket, of which all share so many an hour, though it changes nothing.
    pub fn asks_bitbucket(&self) -> bool {
        matches!(self, Self::Webhook { deed: WebhookDeed::List, .. })
    }

    /// Whether it concerns every integration and what belongs to none: not for whoever sees only some.
    pub fn is_about_all(&self) -> bool {
        match self {
            Self::IntegrationDraft(_)
            | Self::IntegrationCreate { .. }
            | Self::StoreCheck
            | Self::StoreExport { .. }
            | Self::CredentialList { .. }
            | Self::CredentialRecords
            | Self::CredentialChange { .. }
            | Self::CredentialRenew { .. }
            | Self::CredentialDelete { .. } => true,
            Self::SyncNow { .. }
            | Self::SyncHistory { .. }
            | Self::SyncShow { .. }
            | Self::SyncApprove { .. }
            | Self::SyncCancel { .. }
            | Self::DiscoveredList(_)
            | Self::DiscoveredPage { .. }
            | Self::ImportedPage { .. }
            | Self::DiscoveredShow { .. }
            | Self::DiscoveredImport { .. }
            | Self::DiscoveredIgnore { .. }
            | Self::DiscoveredRestore { .. }
            | Self::ImportedList { .. }
            | Self::ImportedShow { .. }
            | Self::ImportedUnlink { .. }
            | Self::ImportedUndo { .. }
            | Self::RulesCheck { .. }
            | Self::RulesPreview { .. }
            | Self::RulesShow { .. }
            | Self::RulesWrite { .. }
            | Self::Report { .. }
            | Self::IntegrationList { .. }
            | Self::IntegrationSuspend { .. }
            | Self::IntegrationAutoImport { .. }
            | Self::IntegrationDelete { .. }
            | Self::ActivityPullRequests { .. }
            | Self::ActivityCommits { .. }
            | Self::ActivityDetails { .. }
            | Self::ActivityUsers { .. }
            | Self::Webhook { .. }
            | Self::WebhookDeliveries(_)
            | Self::ActivityWeeks { .. }
            | Self::EntityShow { .. }
            | Self::EntitySearch { .. }
            | Self::AuditList(_) => false,
        }
    }
}

/// A login that was to be renewed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Renewed {
    /// Its record now, sealed.
    Record(SealedCredential),
    /// The server does not take its refresh token any more.
    Ended,
    /// The server refuses the consumer.
    Refused {
        /// Which address did.
        url: String,
    },
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer", content = "data")]
pub enum Answer {
    /// Of `sync now`, `sync history` and `sync approve`.
    Syncs(Vec<SyncRecord>),
    /// Of `sync show` and `sync cancel`.
    Sync(Box<SyncRecord>),
    /// Of `sync now --dry-run`.
    DryRuns(Vec<DryRun>),
    /// Of `discovered list`, `ignore` and `restore`: the rows as they are now.
    Discovered(Vec<DiscoveredRow>),
    /// Of a page of what is discovered.
    DiscoveredPage(Box<Page<DiscoveredRow>>),
    /// Of a page of what is imported.
    ImportedPage(Box<Page<ImportedRow>>),
    /// Of `discovered show`.
    Explained(Box<Explained>),
    /// Of `discovered import`.
    Imported(ImportReport),
    /// Of `imported list`.
    Links(Vec<ImportedRow>),
    /// Of `imported show`.
    Link(Box<ImportedDetail>),
    /// Of `imported unlink`: the rows as they were.
    Unlinked(Vec<ImportedRow>),
    /// Of `imported undo`.
    Undone(UndoReport),
    /// Of `rules check`.
    RulesChecked(RulesReport),
    /// Of `rules preview`: one per integration.
    RulesPreviewed(Vec<RulesPreview>),
    /// Of rules as they stand, or as they were written.
    RulesText(Box<RulesText>),
    /// Of `report`: one per integration.
    Reported(Vec<IntegrationReport>),
    /// Of `integration list`, `show`, `suspend`, `resume`, `auto-import`.
    Integrations(Vec<IntegrationRow>),
    /// Of `integration delete`.
    Deleted(Deletion),
    /// Of `activity pull-requests`.
    PullRequests(Vec<PullRequestRow>),
    /// Of `activity commits`.
    Commits(Vec<CommitRow>),
    /// Of `activity` for an optional kind.
    Details(Vec<Detail>),
    /// Of `activity users`.
    Users(Vec<UserRow>),
    /// Of a drafted integration.
    Drafted(Box<Drafted>),
    /// Of what happened week by week.
    Weeks(Box<ActivityWeeks>),
    /// Of one entity.
    Entity(Box<EntityDetail>),
    /// Of a search for entities.
    Entities(Vec<FoundEntity>),
    /// Of `audit list`: newest first.
    Audit(Vec<AuditEntry>),
    /// Of `store check`.
    Store(StoreReport),
    /// Of `store export`: JSON lines.
    Export(String),
    /// Of `credential list`; of `add`, `update`, `rekey`: those that were changed.
    Credentials(Vec<CredentialRow>),
    /// Of `credential info`.
    Credential(Box<CredentialRow>),
    /// Sealed records by name.
    CredentialRecords(BTreeMap<String, SealedCredential>),
    /// Of a login that was to be renewed.
    CredentialRenewed(Box<Renewed>),
    /// Of `webhook create`, `list`, `delete`.
    Webhooks(Vec<WebhookRow>),
    /// Of `webhook deliveries`.
    Deliveries(Box<DeliveryPage>),
    /// Of `credential delete`.
    CredentialDeleted(CredentialDeletion),
}

/// `discovered show`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Explained {
    /// As in the list; `None` for a repository that is imported already.
    pub row: Option<DiscoveredRow>,
    /// As in `imported list`, where it is imported.
    pub imported: Option<ImportedRow>,
    /// Rules tried, values compared, candidates, near misses.
    pub explanation: Explanation,
    /// What is known of the repository itself.
    #[serde(default)]
    pub about: RepositoryDetail,
}
