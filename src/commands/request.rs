//! What can be asked, as data: the CLI makes it from arguments, a running sidecar receives it from a
//! second terminal. Holds values, never places on the host or secrets.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

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
use crate::error::escape_control;
use crate::model::{Action, Detail, DetailKind, SyncRecord};
use crate::store::{AuditEntry, CredentialChange, ExportOf, SealedCredential, StoreReport};

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

/// As a person types it, shortened: for the log of the sidecar that carries it out.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |names: &[String]| escape_control(&names.join(" "));
        match self {
            Self::SyncNow { integrations, dry_run, full } => {
                let (dry, full) = (if *dry_run { " --dry-run" } else { "" }, if *full { " --full" } else { "" });
                f.write_str("sync now")?;
                if !integrations.is_empty() {
                    write!(f, " {}", named(integrations))?;
                }
                write!(f, "{full}{dry}")
            }
            Self::SyncCancel { id } => write!(f, "sync cancel {}", escape_control(id)),
            Self::SyncApprove { id } => write!(f, "sync approve {}", escape_control(id)),
            Self::DiscoveredImport { selection, options } => {
                // What was decided comes before a list that may be cut off.
                f.write_str("discovered import")?;
                options.fmt(f)?;
                match selection {
                    Selection::Named { repositories, .. } => write!(f, " {}", named(repositories)),
                    Selection::Matching(filter) => {
                        f.write_str(" --all")?;
                        filter.fmt(f)
                    }
                    Selection::Plan { id } => write!(f, " --plan {}", escape_control(id)),
                }
            }
            Self::DiscoveredIgnore { repositories, reason, .. } => {
                f.write_str("discovered ignore")?;
                option(f, "reason", reason.as_deref())?;
                write!(f, " {}", named(repositories))
            }
            Self::DiscoveredRestore { repositories, .. } => write!(f, "discovered restore {}", named(repositories)),
            Self::ImportedUnlink { repositories, .. } => write!(f, "imported unlink {}", named(repositories)),
            Self::ImportedUndo { which, dry_run, .. } => {
                let which = match which {
                    UndoSelection::Imports { ids } => named(ids),
                    UndoSelection::Sync { id } => format!("--sync {}", escape_control(id)),
                    UndoSelection::Rule { rule } => format!("--rule {rule}"),
                    UndoSelection::Since { at } => {
                        format!("--since {}", at.to_rfc3339_opts(SecondsFormat::Secs, true))
                    }
                    UndoSelection::Repositories { repositories } => named(repositories),
                };
                write!(f, "imported undo {which}{}", if *dry_run { " --dry-run" } else { "" })
            }
            Self::IntegrationSuspend { name, suspended } => {
                let verb = if *suspended { "suspend" } else { "resume" };
                write!(f, "integration {verb} {}", escape_control(name))
            }
            Self::IntegrationAutoImport { name, on } => {
                write!(f, "integration auto-import {} {}", escape_control(name), if *on { "on" } else { "off" })
            }
            Self::IntegrationDelete { name, .. } => write!(f, "integration delete {}", escape_control(name)),
            Self::RulesCheck { .. } => f.write_str("rules check"),
            Self::RulesPreview { .. } => f.write_str("rules preview"),
            Self::RulesShow { .. } => f.write_str("rules show"),
            Self::RulesWrite { integration, .. } => write!(f, "rules write {}", escape_control(integration)),
            Self::Report { .. } => f.write_str("report"),
            Self::Webhook { deed, integrations } => {
                let deed = match deed {
                    WebhookDeed::Create => "create",
                    WebhookDeed::List => "list",
                    WebhookDeed::Delete => "delete",
                };
                write!(f, "webhook {deed} {}", named(integrations))
            }
            Self::SyncHistory { .. } => f.write_str("sync history"),
            Self::SyncShow { .. } => f.write_str("sync show"),
            Self::DiscoveredList(_) | Self::DiscoveredPage { .. } => f.write_str("discovered list"),
            Self::DiscoveredShow { .. } => f.write_str("discovered show"),
            Self::ImportedList { .. } | Self::ImportedPage { .. } => f.write_str("imported list"),
            Self::ImportedShow { .. } => f.write_str("imported show"),
            Self::IntegrationList { .. } => f.write_str("integration list"),
            Self::ActivityPullRequests { .. } => f.write_str("activity pull-requests"),
            Self::ActivityCommits { .. } => f.write_str("activity commits"),
            Self::ActivityDetails { .. } => f.write_str("activity"),
            Self::ActivityUsers { .. } => f.write_str("activity users"),
            Self::IntegrationDraft(draft) => write!(f, "integration draft {}", escape_control(&draft.name)),
            Self::IntegrationCreate { draft, .. } => write!(f, "integration create {}", escape_control(&draft.name)),
            Self::ActivityWeeks { .. } => f.write_str("activity weeks"),
            Self::EntityShow { .. } => f.write_str("entity show"),
            Self::EntitySearch { .. } => f.write_str("entity search"),
            Self::WebhookDeliveries(_) => f.write_str("webhook deliveries"),
            Self::AuditList(_) => f.write_str("audit list"),
            Self::StoreCheck => f.write_str("store check"),
            Self::StoreExport { .. } => f.write_str("store export"),
            Self::CredentialList { .. } | Self::CredentialRecords => f.write_str("credential list"),
            Self::CredentialChange { rekey: true, .. } => f.write_str("credential rekey"),
            Self::CredentialChange { changes, .. } => {
                let names: Vec<String> = changes.iter().map(|change| change.name.clone()).collect();
                write!(f, "credential update {}", named(&names))
            }
            Self::CredentialRenew { name, .. } => write!(f, "renew the login {}", escape_control(name)),
            Self::CredentialDelete { name, .. } => write!(f, "credential delete {}", escape_control(name)),
        }
    }
}

/// ` --into component:default/web`; nothing where there is none. Quoted where a shell wants it so.
fn option(f: &mut fmt::Formatter<'_>, name: &str, value: Option<&str>) -> fmt::Result {
    let Some(value) = value else { return Ok(()) };
    let is_plain = |c: char| c.is_alphanumeric() || "_-./:@,+=%".contains(c);
    match !value.is_empty() && value.chars().all(is_plain) {
        true => write!(f, " --{name} {value}"),
        false => write!(f, " --{name} '{}'", escape_control(value).replace('\'', "'\\''")),
    }
}

impl fmt::Display for ImportOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { into, kind, r#type, as_new, dry_run } = self;
        option(f, "into", into.as_deref())?;
        if *as_new {
            f.write_str(" --as-new")?;
        }
        option(f, "kind", kind.as_deref())?;
        option(f, "type", r#type.as_deref())?;
        if *dry_run {
            f.write_str(" --dry-run")?;
        }
        Ok(())
    }
}

/// Without the state, which an import does not choose, and the integration, which stands beside it.
impl fmt::Display for DiscoveredFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { integration: _, action, state: _, search, project, kind } = self;
        option(f, "action", action.map(Action::as_str))?;
        option(f, "search", search.as_deref())?;
        // Of pages and the API alone.
        for (words, value) in [("in the project", project), ("of the kind", kind)] {
            if let Some(value) = value {
                write!(f, " {words} {}", escape_control(value))?;
            }
        }
        Ok(())
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
