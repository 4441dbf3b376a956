//! Requests in words.

use std::fmt;

use chrono::SecondsFormat;

use super::{DiscoveredFilter, ImportOptions, Request, Selection, UndoSelection, WebhookDeed};
use crate::error::escape_control;
use crate::model::Action;

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
