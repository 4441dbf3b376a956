//! Arguments → request.

use std::collections::BTreeMap;

use ulid::Ulid;

use super::args::{
    self, ActionFilter, Activity, Audit, Cli, Command, Discovered, ImportFilter, Imported, Integration, Output, Store,
    Switch, Sync, Webhook,
};
use crate::commands::Failure;
use crate::commands::audit::AuditFilter;
use crate::commands::deliveries::{DeliveryFilter, DeliveryStatus};
use crate::commands::request::{
    DiscoveredFilter, ImportOptions, Request, Selection, StateFilter, UndoSelection, WebhookDeed,
};
use crate::model::{Action, DetailKind};

/// Rows a person is shown at once, where they did not say.
const SHOWN: usize = 50;

/// The request a command line means.
///
/// # Errors
/// Usage, for commands that are no requests.
pub(super) fn request(cli: &Cli) -> Result<Request, Failure> {
    Ok(match cli.command.clone() {
        Command::Sync(sync) => match sync {
            Sync::Now(now) => Request::SyncNow { integrations: now.integrations, dry_run: now.dry_run, full: now.full },
            Sync::History(of) => Request::SyncHistory { integration: of.integration, limit: of.limit },
            Sync::Show { id } => Request::SyncShow { id },
            Sync::Cancel { id } => Request::SyncCancel { id },
            Sync::Approve { id } => Request::SyncApprove { id },
        },
        Command::Discovered(discovered) => of_discovered(discovered),
        Command::Imported(imported) => match imported {
            Imported::List(of) => Request::ImportedList { integration: of.integration, search: of.search },
            Imported::Show(of) => Request::ImportedShow { repository: of.repository, integration: of.integration },
            Imported::Unlink(of) => {
                Request::ImportedUnlink { repositories: of.repositories, integration: of.integration }
            }
            Imported::Undo(of) => Request::ImportedUndo {
                which: match (of.sync, of.rule, of.since) {
                    (Some(id), ..) => UndoSelection::Sync { id },
                    (_, Some(rule), _) => UndoSelection::Rule { rule },
                    (.., Some(at)) => UndoSelection::Since { at },
                    (None, None, None) => undo_of_named(of.named)?,
                },
                integration: of.integration,
                dry_run: of.dry_run,
            },
        },
        Command::Integration(integration) => match integration {
            Integration::List => Request::IntegrationList { name: None },
            Integration::Show(of) => Request::IntegrationList { name: Some(of.name) },
            Integration::Suspend(of) => Request::IntegrationSuspend { name: of.name, suspended: true },
            Integration::Resume(of) => Request::IntegrationSuspend { name: of.name, suspended: false },
            Integration::AutoImport { name, switch } => {
                Request::IntegrationAutoImport { name, on: switch == Switch::On }
            }
            Integration::Delete(of) => Request::IntegrationDelete { name: of.name, dry_run: false },
        },
        Command::Webhook(webhook) => {
            let (deed, of) = match webhook {
                Webhook::Create(of) => (WebhookDeed::Create, of),
                Webhook::List(of) => (WebhookDeed::List, of),
                Webhook::Delete(of) => (WebhookDeed::Delete, of),
                Webhook::Deliveries(of) => {
                    return Ok(Request::WebhookDeliveries(DeliveryFilter {
                        integration: of.integration,
                        state: of.waiting.then_some(DeliveryStatus::Waiting),
                        cursor: None,
                        limit: of.limit,
                    }));
                }
            };
            Request::Webhook { deed, integrations: of.integrations }
        }
        Command::Activity(activity) => {
            let all = if cli.global.output == Output::Table { SHOWN } else { usize::MAX };
            let limit = |of: &args::ActivityOf| of.limit.unwrap_or(all);
            let details = |kind, of: args::ActivityOf| Request::ActivityDetails {
                kind,
                limit: limit(&of),
                repository: of.of.repository,
                integration: of.of.integration,
            };
            match activity {
                Activity::Reviews(of) => details(DetailKind::Reviews, of),
                Activity::PullRequestFiles(of) => details(DetailKind::PullRequestFiles, of),
                Activity::CommitFiles(of) => details(DetailKind::CommitFiles, of),
                Activity::Pipelines(of) => details(DetailKind::Pipelines, of),
                Activity::Builds(of) => details(DetailKind::Builds, of),
                Activity::Users(of) => {
                    Request::ActivityUsers { integration: of.integration, limit: of.limit.unwrap_or(all) }
                }
                Activity::PullRequests(of) => Request::ActivityPullRequests {
                    limit: limit(&of),
                    repository: of.of.repository,
                    integration: of.of.integration,
                },
                Activity::Commits(of) => Request::ActivityCommits {
                    limit: limit(&of),
                    repository: of.of.repository,
                    integration: of.of.integration,
                },
            }
        }
        Command::Audit(Audit::List(of)) => Request::AuditList(AuditFilter {
            before: of.before,
            by: of.by,
            integration: of.integration,
            limit: of.limit,
        }),
        Command::Store(Store::Check) => Request::StoreCheck,
        Command::Credential(args::Credential::List) => Request::CredentialList { name: None },
        Command::Credential(args::Credential::Info(of)) => Request::CredentialList { name: Some(of.name) },
        Command::Credential(args::Credential::Delete(of)) => {
            Request::CredentialDelete { name: of.name, dry_run: false }
        }
        _ => return Err(Failure::usage("this command is not a request", "please report this")),
    })
}

/// What is named is an import by its id, or a repository by anything that names one.
fn undo_of_named(named: Vec<String>) -> Result<UndoSelection, Failure> {
    // As ids are made: no slug has capitals, and the ids of repositories are other ones.
    let is_import = |text: &String| {
        text.chars().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase()) && Ulid::from_string(text).is_ok()
    };
    match named.iter().filter(|text| is_import(text)).count() {
        0 => Ok(UndoSelection::Repositories { repositories: named }),
        some if some == named.len() => Ok(UndoSelection::Imports { ids: named }),
        _ => Err(Failure::usage(
            "imports and repositories are named together",
            "name ids of imports, which take back all that each one did, or repositories, of which each is taken back alone",
        )),
    }
}

fn of_discovered(discovered: Discovered) -> Request {
    match discovered {
        Discovered::List(of) => Request::DiscoveredList(DiscoveredFilter {
            integration: of.integration,
            action: of.action.map(action),
            state: Some(match of.state {
                args::StateFilter::Pending => StateFilter::Pending,
                args::StateFilter::Ignored => StateFilter::Ignored,
                args::StateFilter::Hidden => StateFilter::Hidden,
                args::StateFilter::Inaccessible => StateFilter::Inaccessible,
                args::StateFilter::All => StateFilter::All,
            }),
            search: of.search,
            project: of.project,
            kind: None,
        }),
        Discovered::Show(of) => Request::DiscoveredShow { repository: of.repository, integration: of.integration },
        Discovered::Import(of) => {
            let selection = match of.plan {
                Some(id) => Selection::Plan { id },
                None if of.all => Selection::Matching(DiscoveredFilter {
                    integration: of.integration,
                    action: of.action.map(|action| match action {
                        ImportFilter::Register => Action::Register,
                        ImportFilter::Merge => Action::Merge,
                    }),
                    state: Some(StateFilter::Pending),
                    ..DiscoveredFilter::default()
                }),
                None => Selection::Named {
                    repositories: of.repositories,
                    integration: of.integration,
                    versions: BTreeMap::new(),
                },
            };
            let options = ImportOptions {
                into: of.into,
                kind: of.kind,
                r#type: of.entity_type,
                as_new: of.as_new,
                dry_run: of.dry_run,
            };
            Request::DiscoveredImport { selection, options }
        }
        Discovered::Ignore(of) => Request::DiscoveredIgnore {
            repositories: of.which.repositories,
            integration: of.which.integration,
            reason: of.reason,
        },
        Discovered::Restore(of) => {
            Request::DiscoveredRestore { repositories: of.repositories, integration: of.integration }
        }
    }
}

fn action(action: ActionFilter) -> Action {
    match action {
        ActionFilter::Register => Action::Register,
        ActionFilter::Merge => Action::Merge,
        ActionFilter::Conflict => Action::Conflict,
        ActionFilter::None => Action::None,
    }
}
