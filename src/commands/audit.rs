//! Who did what: an entry for every request that changes something, begun before it is carried out, so that nothing
//! is done of which nothing is written down; and `audit list`.

use std::collections::BTreeSet;

use tracing::warn;

use super::answer::{RepositoryName, RowResult};
use super::caller::Sees;
use super::request::{Answer, Request, Selection};
use super::{App, Exit, Failure};
use crate::error::{Report, escape_control};
use crate::model::{Decision, EntityRef, RepoKey, SyncId};
use crate::store::{AuditEntry, AuditOutcome, KnownBy};

/// A request with hundreds of names is told by the first of them.
const REQUEST_CHARACTERS: usize = 400;
/// What failed is told shortly: the log has the whole.
const DETAIL_CHARACTERS: usize = 400;
/// How many entries are read at once, where some are left out.
const BATCH: usize = 200;
/// How many rows of an import are looked up to find out whose they are.
const LOOKED_UP: usize = 1_000;

impl Request {
    /// Whether anything is changed by it that people want to know about afterwards. Dry runs and drafts change nothing,
    /// and the renewal of a login is nobody's act.
    pub fn is_audited(&self) -> bool {
        let is_dry = match self {
            Self::SyncNow { dry_run, .. }
            | Self::IntegrationDelete { dry_run, .. }
            | Self::CredentialDelete { dry_run, .. } => *dry_run,
            Self::DiscoveredImport { options, .. } => options.dry_run,
            Self::ImportedUndo { dry_run, .. } => *dry_run,
            _ => false,
        };
        !self.only_reads() && !is_dry && !matches!(self, Self::CredentialRenew { .. } | Self::IntegrationDraft(_))
    }

    /// Integrations it names itself.
    fn names(&self) -> Vec<String> {
        match self {
            Self::SyncNow { integrations, .. } | Self::Webhook { integrations, .. } => integrations.clone(),
            Self::DiscoveredImport { selection: Selection::Named { integration, .. }, .. }
            | Self::DiscoveredIgnore { integration, .. }
            | Self::DiscoveredRestore { integration, .. }
            | Self::ImportedUnlink { integration, .. }
            | Self::ImportedUndo { integration, .. } => integration.iter().cloned().collect(),
            Self::DiscoveredImport { selection: Selection::Matching(filter), .. } => {
                filter.integration.iter().cloned().collect()
            }
            Self::RulesWrite { integration, .. } => vec![integration.clone()],
            Self::IntegrationCreate { draft, .. } => vec![draft.name.clone()],
            Self::IntegrationSuspend { name, .. }
            | Self::IntegrationAutoImport { name, .. }
            | Self::IntegrationDelete { name, .. } => vec![name.clone()],
            _ => Vec::new(),
        }
    }

    /// The sync or plan it names.
    fn plan(&self) -> Option<&str> {
        match self {
            Self::SyncApprove { id } | Self::DiscoveredImport { selection: Selection::Plan { id }, .. } => Some(id),
            _ => None,
        }
    }

    /// The sync it names.
    fn sync(&self) -> Option<&str> {
        match self {
            Self::SyncApprove { id } | Self::SyncCancel { id } => Some(id),
            _ => None,
        }
    }

    /// Whether it is about every integration the caller sees, where it names none.
    fn is_of_all_visible(&self) -> bool {
        matches!(
            self,
            Self::SyncNow { .. }
                | Self::Webhook { .. }
                | Self::DiscoveredImport { selection: Selection::Matching(_), .. }
        )
    }
}

/// An entry for something that begins; `None`: it needs none.
///
/// # Errors
/// The store's: what cannot be written down is not done.
pub(super) async fn begin(app: &App, request: &Request) -> Result<Option<AuditEntry>, Failure> {
    if !request.is_audited() {
        return Ok(None);
    }
    let mut integrations: BTreeSet<String> = request.names().into_iter().collect();
    if let Some(id) = request.plan()
        && let Some(plan) = app.store.plan(id).await?
    {
        let of_it = app.visible().find(|integration| integration.key() == plan.integration);
        integrations.extend(of_it.map(|integration| integration.name.clone()));
    }
    if integrations.is_empty()
        && let Some(id) = request.sync()
    {
        integrations.extend(integration_of(app, id).await?);
    }
    if integrations.is_empty() && request.is_of_all_visible() {
        integrations.extend(app.visible().map(|integration| integration.name.clone()));
    }
    // Nobody is told of what they do not see, and nobody can make others believe that they saw it.
    integrations.retain(|name| app.caller.sees(name));
    let entry = entry(app, &request.to_string(), integrations);
    app.store.save_audit(&entry).await?;
    Ok(Some(entry))
}

/// Whose a sync is, in flight or past.
async fn integration_of(app: &App, sync: &str) -> Result<Option<String>, Failure> {
    if let Some(flight) = app.running.flight(sync) {
        return Ok(Some(flight.integration.clone()));
    }
    let record = app.store.sync(&SyncId(sync.to_owned())).await?;
    Ok(record.map(|(_, record)| record.integration))
}

/// A new entry of the caller's.
fn entry(app: &App, request: &str, integrations: BTreeSet<String>) -> AuditEntry {
    AuditEntry {
        id: app.ids.next(),
        at: app.clock.now(),
        by: app.caller.name.clone(),
        known_by: Some(app.caller.known_by),
        from: app.caller.from,
        request: cut(request.trim(), REQUEST_CHARACTERS),
        integrations: integrations.into_iter().collect(),
        outcome: AuditOutcome::Begun,
        detail: None,
    }
}

/// Writes down how it ended.
pub(super) async fn end(app: &App, mut entry: AuditEntry, result: &Result<Answer, Failure>) {
    match result {
        Ok(answer) => {
            entry.outcome = match Exit::of(answer) {
                Exit::Done => AuditOutcome::Done,
                Exit::Partly => AuditOutcome::Partly,
                Exit::Refused => AuditOutcome::Refused,
                Exit::Forbidden => AuditOutcome::Refused,
                Exit::Failed | Exit::Usage | Exit::Unknown => AuditOutcome::Failed,
            };
            entry.detail = summary(answer).map(|text| cut(&text, DETAIL_CHARACTERS));
            if entry.integrations.is_empty() {
                entry.integrations = concerned(app, answer).await.into_iter().collect();
            }
        }
        Err(Failure { report, exit }) => {
            entry.outcome = match exit {
                Exit::Usage | Exit::Unknown | Exit::Refused | Exit::Forbidden => AuditOutcome::Refused,
                Exit::Done | Exit::Partly | Exit::Failed => AuditOutcome::Failed,
            };
            entry.detail = Some(cut(&report.one_line(), DETAIL_CHARACTERS));
        }
    }
    if let Err(error) = app.store.save_audit(&entry).await {
        let mend = error.mend();
        warn!("{}", Report::new("how it ended could not be written into the audit log", &error, mend).one_line());
    }
}

/// Writes down something that is done already and is no request: signing in and out.
///
/// # Errors
/// The store's.
pub async fn note(app: &App, what: &str) -> Result<(), Failure> {
    let entry = AuditEntry { outcome: AuditOutcome::Done, ..entry(app, what, BTreeSet::new()) };
    Ok(app.store.save_audit(&entry).await?)
}

/// Writes down that a row of the decisions file ended links. Who edited the file is not known here; the row may name
/// somebody.
///
/// # Errors
/// The store's.
pub(super) async fn note_unlinked(
    app: &App,
    catalog: &str,
    decision: &Decision,
    from: &[&EntityRef],
) -> Result<(), Failure> {
    let mut integrations = BTreeSet::new();
    for of in app.config.integrations.iter().filter(|of| of.catalog == catalog) {
        if let Some((known, _)) = app.store.record(&of.key(), &decision.repo).await?
            && app.handed_over_to(&of.key(), &known).await?.is_none()
        {
            integrations.insert(of.name.clone());
        }
    }
    let from: Vec<&str> = from.iter().map(|entity| entity.as_str()).collect();
    let request = format!("imported unlink {}", escape_control(&decision.full_name));
    let entry = AuditEntry {
        by: format!("decisions file ({})", escape_control(&decision.by)),
        known_by: Some(KnownBy::Decisions),
        from: None,
        outcome: AuditOutcome::Done,
        detail: Some(cut(
            &format!("a row of it says so: no link to {} any more", from.join(" and ")),
            DETAIL_CHARACTERS,
        )),
        ..entry(app, &request, integrations)
    };
    Ok(app.store.save_audit(&entry).await?)
}

/// What came of it, in a few words.
fn summary(answer: &Answer) -> Option<String> {
    match answer {
        Answer::Imported(report) => {
            let counts = counted(report.rows.iter().map(|row| row.result));
            Some(match &report.import_id {
                Some(id) => format!("import {id}: {counts}"),
                None => counts,
            })
        }
        Answer::Undone(report) => Some(counted(report.rows.iter().map(|row| row.result))),
        Answer::Syncs(records) => {
            let told = records.iter().map(|record| match record.id.0.as_str() {
                "" => format!("{}: {}", record.integration, record.outcome.as_str()),
                id => format!("sync {id} of {}: {}", record.integration, record.outcome.as_str()),
            });
            Some(told.collect::<Vec<_>>().join("; "))
        }
        Answer::Deleted(deletion) => {
            Some(format!("{} repositories and {} links forgotten", deletion.repositories, deletion.links))
        }
        _ => None,
    }
}

/// Whose rows an answer holds.
async fn concerned(app: &App, answer: &Answer) -> BTreeSet<String> {
    match answer {
        Answer::Syncs(records) => records.iter().map(|record| record.integration.clone()).collect(),
        Answer::Discovered(rows) => rows.iter().map(|row| row.integration.clone()).collect(),
        Answer::Links(rows) | Answer::Unlinked(rows) => rows.iter().map(|row| row.integration.clone()).collect(),
        Answer::Integrations(rows) => rows.iter().map(|row| row.name.clone()).collect(),
        Answer::Imported(report) => known_by(app, report.rows.iter().map(|row| &row.repository)).await,
        Answer::Undone(report) => report.rows.iter().map(|row| row.integration.clone()).collect(),
        _ => BTreeSet::new(),
    }
}

/// Who knows any of these repositories.
async fn known_by(app: &App, repositories: impl Iterator<Item = &RepositoryName> + Clone) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for integration in app.visible() {
        let key = integration.key();
        for repository in repositories.clone().take(LOOKED_UP) {
            let repo = RepoKey { instance: key.instance.clone(), id: repository.id.clone() };
            if let Ok(Some(_)) = app.store.record(&key, &repo).await {
                names.insert(integration.name.clone());
                break;
            }
        }
    }
    names
}

/// `3 done, 1 held`.
fn counted(rows: impl Iterator<Item = RowResult> + Clone) -> String {
    let results = [RowResult::Done, RowResult::Unchanged, RowResult::Held, RowResult::Failed];
    let counts = results.into_iter().filter_map(|result| {
        let count = rows.clone().filter(|row| *row == result).count();
        (count > 0).then(|| format!("{count} {}", result.as_str()))
    });
    counts.collect::<Vec<_>>().join(", ")
}

fn cut(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Which entries of the audit log.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AuditFilter {
    /// Older than the entry of this id: where the next page begins.
    pub before: Option<String>,
    /// Only what they did.
    pub by: Option<String>,
    /// Only what is about this integration.
    pub integration: Option<String>,
    /// At most.
    pub limit: usize,
}

/// What people did, newest first. Whoever sees only some integrations is told of what is about these alone, and of
/// what they did themselves.
pub(super) async fn list(app: &App, filter: &AuditFilter) -> Result<Answer, Failure> {
    if let Some(name) = &filter.integration {
        // One that left the config is still in the log.
        if !app.caller.sees(name) {
            app.integration(name)?;
        }
    }
    let is_wanted = |entry: &AuditEntry| {
        filter.by.as_ref().is_none_or(|by| is_by(entry, by))
            && filter.integration.as_ref().is_none_or(|name| entry.integrations.contains(name))
            && is_visible(app, entry)
    };
    let mut rows = Vec::new();
    let mut before = filter.before.clone();
    while rows.len() < filter.limit {
        let page = app.store.audit(before.as_deref(), BATCH).await?;
        let Some(last) = page.last() else { break };
        before = Some(last.id.clone());
        rows.extend(page.into_iter().filter(is_wanted));
    }
    rows.truncate(filter.limit);
    Ok(Answer::Audit(rows))
}

/// Whether somebody of this name did it; `cli` is whoever sat at a terminal.
fn is_by(entry: &AuditEntry, by: &str) -> bool {
    let of_terminal = || entry.by.strip_prefix(by).is_some_and(|rest| rest.starts_with(" (") && rest.ends_with(')'));
    entry.by == by || (entry.known_by == Some(KnownBy::Terminal) && of_terminal())
}

fn is_visible(app: &App, entry: &AuditEntry) -> bool {
    match app.caller.sees {
        Sees::Everything => true,
        Sees::Matching(_) if entry.integrations.is_empty() => {
            entry.by == app.caller.name && entry.known_by.is_none_or(|known_by| known_by == app.caller.known_by)
        }
        Sees::Matching(_) => entry.integrations.iter().all(|name| app.caller.sees(name)),
    }
}
