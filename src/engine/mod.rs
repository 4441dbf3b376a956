//! One sync: the stages in order, on one screen.
//!
//! discover → correlate → recommend → plan → apply → backfill → record. What ends a sync early is a
//! [`Stop`]; what fails for one repository is an error in the record, and the sync goes on.

pub mod approve;
pub mod import;
pub mod judge;
mod recheck;
pub mod survey;
pub mod update;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::apply::StepOutcome;
use crate::assemble::Parts;
use crate::backfill;
use crate::backfill::details::{self, DetailInputs};
use crate::catalog::CatalogError;
use crate::clock::Clock;
use crate::discover::{Behaviour, DiscoverError, Discovered, Discovery, discover};
use crate::error::Report;
use crate::ids::Ids;
use crate::model::{
    Action, DecisionKind, HeldEntry, KnownRepository, LinkState, Outcome, Presence, RepoKey, Secondary, SecondaryKind,
    SyncError, SyncId, SyncRecord, Trigger,
};
use crate::plan::Plan;
use crate::recommend::awaits_decision;
use crate::source::{Source, SourceError};
use crate::store::{CrawlLease, IntegrationState, Store, StoreError, StoredPlan};

/// How many repositories are read from the store at once.
const BATCH: usize = 1_000;

/// So many refused kinds are named in a record; the others are counted.
const NOTED_REFUSALS: usize = 20;

/// How far a stage has got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Name of the integration.
    pub integration: String,
    /// `discover`, `correlate`, `apply`, `pull_requests`, `commits`.
    pub stage: String,
    /// Done so far.
    pub done: u64,
    /// In all, where known.
    pub total: Option<u64>,
    /// The stage is over.
    pub finished: bool,
}

/// Everything a sync works with.
pub struct Run<'a> {
    /// The integration with its catalog and rules.
    pub parts: &'a Parts,
    /// Where repositories come from.
    pub source: &'a dyn Source,
    /// Requests its source had sent before this sync.
    pub requests_before: u64,
    /// State.
    pub store: &'a dyn Store,
    /// Time.
    pub clock: &'a Clock,
    /// Ids.
    pub ids: &'a Ids,
    /// What started it.
    pub trigger: Trigger,
    /// Write no entity; the store is a scratch copy.
    pub dry_run: bool,
    /// Sweep the whole list.
    pub full: bool,
    /// Whether auto-import is in force.
    pub auto_import: bool,
    /// Whether a decisions file tells what people decided before a store was lost.
    pub has_decisions_file: bool,
    /// How long until the next sync by itself.
    pub interval: Duration,
    /// What the record says beside what the sync finds: credentials that end soon.
    pub notes: Vec<String>,
    /// Stop at the next checkpoint.
    pub stop: &'a CancellationToken,
    /// Reports how far it has got.
    pub progress: &'a (dyn Fn(Progress) + Sync + Send),
}

/// Why a sync was not begun.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Another sync of this integration runs (P2.4).
    #[error("a sync of {0} is running")]
    Running(String),
    /// The config asks for something that cannot be changed any more (P5.4, P2.6).
    #[error("{what}")]
    Locked {
        /// What.
        what: String,
        /// The way out.
        mend: String,
    },
    /// Something an approval needs cannot be had; nothing was applied.
    #[error("nothing was applied: {because}")]
    Unapplied {
        /// Why.
        because: String,
        /// What can be done.
        mend: String,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl EngineError {
    fn unapplied(error: &(dyn std::error::Error + 'static), mend: Option<String>) -> Self {
        let report = Report::new("", error, None);
        Self::Unapplied { because: report.because.join(": "), mend: mend.unwrap_or_default() }
    }

    /// What a person can do about it.
    pub fn mend(&self) -> Option<String> {
        match self {
            Self::Running(_) => Some("wait for it to end; `sync history` shows it".to_owned()),
            Self::Locked { mend, .. } | Self::Unapplied { mend, .. } => Some(mend.clone()),
            Self::Store(error) => error.mend(),
        }
    }
}

/// What a sync gives back.
#[derive(Debug)]
pub struct Synced {
    /// As kept.
    pub record: SyncRecord,
    /// What became of the plan's steps.
    pub outcomes: Vec<StepOutcome>,
}

/// Why a sync ended early.
#[derive(Debug)]
pub enum Stop {
    /// Nothing can be concluded.
    Failed {
        /// Where.
        stage: &'static str,
        /// In words.
        report: Report,
    },
    /// A limit; the rest follows.
    RateLimited {
        /// When requests are possible again.
        resume_at: Option<DateTime<Utc>>,
    },
    /// Waits for approval.
    Held(Box<StoredPlan>),
    /// Asked to.
    Cancelled,
    /// The credential was refused while items were fetched; the error is in the record.
    Refused,
}

impl Stop {
    /// In words, for a command that ends because of it.
    pub fn into_report(self) -> Report {
        match self {
            Self::Failed { report, .. } => report,
            Self::RateLimited { .. } => Report::plain("the request budget of this hour is used up", None),
            Self::Held(plan) => Report::plain(plan.reason, None),
            Self::Cancelled => Report::plain("stopped", None),
            Self::Refused => Report::plain("the credential was refused", None),
        }
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        let mend = error.mend();
        Self::Failed { stage: "store", report: Report::new("the state could not be read or written", &error, mend) }
    }
}

impl From<CatalogError> for Stop {
    fn from(error: CatalogError) -> Self {
        let mend = error.mend();
        Self::Failed { stage: "catalog", report: Report::new("the catalog could not be read", &error, mend) }
    }
}

impl From<DiscoverError> for Stop {
    fn from(error: DiscoverError) -> Self {
        match error {
            DiscoverError::Stopped => Self::Cancelled,
            DiscoverError::Source(SourceError::BudgetExhausted { resume_at }) => {
                Self::RateLimited { resume_at: Some(resume_at) }
            }
            error => {
                let mend = error.mend();
                let report = Report::new("the repositories could not be listed", &error, mend);
                Self::Failed { stage: "discover", report }
            }
        }
    }
}

/// Runs one sync to its end, whatever that is, and records it.
///
/// # Errors
/// [`EngineError`] when it was not begun; everything later is in the record.
pub async fn sync(run: &Run<'_>) -> Result<Synced, EngineError> {
    let key = &run.parts.key;
    let Some(lease) = run.store.crawl_lease(key, Duration::ZERO).await? else {
        return Err(EngineError::Running(run.parts.integration.name.clone()));
    };
    let started_at = run.clock.now();
    let mut record = SyncRecord::begun(SyncId(run.ids.next()), &run.parts.integration.name, run.trigger, started_at);
    record.notes.clone_from(&run.notes);
    begin(run, &lease, started_at).await?;
    interrupt_stale(run).await?;
    run.store.save_sync(key, &record).await?;

    let mut outcomes = Vec::new();
    let mut unserved = None;
    let ended = stages(run, &lease, &mut record, &mut outcomes, &mut unserved).await;
    conclude(run, &mut record, ended, unserved).await?;
    Ok(Synced { record, outcomes })
}

/// The stages. `unserved` is told once discovery has ended.
async fn stages(
    run: &Run<'_>,
    lease: &CrawlLease,
    record: &mut SyncRecord,
    outcomes: &mut Vec<StepOutcome>,
    unserved: &mut Option<BTreeSet<RepoKey>>,
) -> Result<(), Stop> {
    run.source.begin_sync().map_err(DiscoverError::Source)?;
    let survey = survey::survey(run, record).await?;
    let mut discovered = discovery(run, lease, record).await?;
    lock(run, lease).await?;
    let unserved = unserved.insert(std::mem::take(&mut discovered.unserved));

    if let Some(judged) = judge::judge(run, lease, &survey, &discovered).await? {
        let updated = update::update(run, lease, record, &survey, &judged).await?;
        outcomes.extend(updated);
        judge::remember(run, lease, record, judged).await?;
    }
    stop_if_asked(run)?;
    backfilling(run, lease, record, unserved).await
}

/// Makes the integration's state, and refuses what cannot be changed any more.
async fn begin(run: &Run<'_>, lease: &CrawlLease, now: DateTime<Utc>) -> Result<(), EngineError> {
    let integration = &run.parts.integration;
    let mut state = run.store.integration(&run.parts.key).await?.unwrap_or_else(|| IntegrationState {
        key: run.parts.key.clone(),
        name: integration.name.clone(),
        created_at: now,
        discovery: Default::default(),
        locked_kinds: None,
        start_date: None,
        last_started_at: None,
        rules_hash: None,
        correlated: None,
        notes: Default::default(),
    });
    refuse_locked(&state, integration)?;
    state.name = integration.name.clone();
    state.last_started_at = Some(now);
    run.store.save_integration(lease, &state).await?;
    Ok(())
}

/// From the first sync on that has listed the repositories, kinds and start date are locked: one that was refused at the
/// door has fetched nothing.
async fn lock(run: &Run<'_>, lease: &CrawlLease) -> Result<(), StoreError> {
    let integration = &run.parts.integration;
    let (kinds, start_date) = (integration.secondary_kinds.keys().copied().collect(), integration.start_date);
    if let Some(mut state) = run.store.integration(&run.parts.key).await?
        && (state.locked_kinds.as_ref() != Some(&kinds) || state.start_date != Some(start_date))
    {
        (state.locked_kinds, state.start_date) = (Some(kinds), Some(start_date));
        run.store.save_integration(lease, &state).await?;
    }
    Ok(())
}

/// A reason that ends in advice gets the whole command; one that does not, the advice.
fn with_command(reason: &str, id: &SyncId) -> String {
    let command = format!("`catalog-sync sync approve {id}`");
    if reason.contains("`sync approve`") {
        reason.replace("`sync approve`", &command)
    } else {
        format!("{reason}; look, then {command}")
    }
}

/// A sync that still runs according to its record, while we hold the lease, ended without a word: a panic in
/// a process that lives on.
async fn interrupt_stale(run: &Run<'_>) -> Result<(), StoreError> {
    for mut stale in run.store.syncs(Some(&run.parts.key), 1).await? {
        if stale.outcome == Outcome::Running {
            stale.outcome = Outcome::Interrupted;
            run.store.save_sync(&run.parts.key, &stale).await?;
        }
    }
    Ok(())
}

/// P5.4 and P2.6: which kinds are selected is locked, the start date only moves earlier.
///
/// # Errors
/// [`EngineError::Locked`] with the way out.
pub fn refuse_locked(state: &IntegrationState, integration: &crate::config::Integration) -> Result<(), EngineError> {
    let words = |kinds: &BTreeSet<SecondaryKind>| {
        if kinds.is_empty() {
            return "none".to_owned();
        }
        kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(" and ")
    };
    let selected = integration.secondary_kinds.keys().copied().collect();
    if let Some(locked) = state.locked_kinds.as_ref().filter(|locked| **locked != selected) {
        return Err(EngineError::Locked {
            what: format!(
                "the secondary kinds of {} are locked since its first sync ({}), the config selects {}",
                integration.name,
                words(locked),
                words(&selected)
            ),
            mend: format!(
                "put `secondary_kinds` back, or run `integration delete {}` and sync again: links are adopted again from the marks in the catalog",
                integration.name
            ),
        });
    }
    let later = match (state.start_date, integration.start_date) {
        (Some(None), Some(now)) => Some(("the beginning".to_owned(), now)),
        (Some(Some(before)), Some(now)) if now > before => Some((before.to_string(), now)),
        _ => None,
    };
    match later {
        Some((before, now)) => Err(EngineError::Locked {
            what: format!(
                "the start date of {} may only move earlier: it was {before}, the config says {now}",
                integration.name
            ),
            mend: format!("put `start_date` back to {before} or earlier"),
        }),
        None => Ok(()),
    }
}

async fn discovery(run: &Run<'_>, lease: &CrawlLease, record: &mut SyncRecord) -> Result<Discovered, Stop> {
    let integration = &run.parts.integration;
    let hides = |repository: &crate::model::Repository| integration.repositories.hides(repository);
    let report = |done, total, finished| {
        (run.progress)(Progress {
            integration: integration.name.clone(),
            stage: "discover".to_owned(),
            done,
            total,
            finished,
        });
    };
    let found = discover(&Discovery {
        source: run.source,
        store: run.store,
        lease,
        behaviour: Behaviour {
            hides: &hides,
            sweep_every: integration.complete_sweep_every,
            guard: run.parts.guard(),
            auto_import: run.auto_import,
            full: run.full,
        },
        now: run.clock.now(),
        sync_id: record.id.clone(),
        stop: run.stop,
        // An unchanged workspace has nothing to show.
        progress: &|done, total| {
            if done > 0 {
                report(done, total, false);
            }
        },
    })
    .await?;
    report(found.seen, Some(found.seen), true);
    record.sweep = found.swept;
    record.repositories.seen = found.seen;
    record.repositories.hidden = found.hidden;
    record.repositories.new = found.new;
    record.repositories.changed = found.changed.len() as u64;
    record.repositories.gone = found.gone.len() as u64;
    record.repositories.failed = found.errors.len() as u64;
    record.errors.extend(found.errors.iter().cloned());
    match &found.held {
        Some(held) => Err(Stop::Held(Box::new(StoredPlan {
            id: record.id.to_string(),
            integration: run.parts.key.clone(),
            at: run.clock.now(),
            plan: Plan::default(),
            absences: held.changes.clone(),
            shrunk_to: None,
            reason: held.reason.clone(),
            is_chosen: false,
            rules_hash: None,
        }))),
        None => Ok(found),
    }
}

/// The repositories of the integration that are served and wanted, sorted by key. A hundred thousand of
/// them are some hundred megabytes: whoever asks holds no more than it needs.
async fn served(run: &Run<'_>, wanted: impl Fn(&RepoKey) -> bool) -> Result<Vec<KnownRepository>, StoreError> {
    known(run, |known| known.presence.is_served() && wanted(&known.repository.key)).await
}

async fn known(run: &Run<'_>, wanted: impl Fn(&KnownRepository) -> bool) -> Result<Vec<KnownRepository>, StoreError> {
    let mut found = Vec::new();
    let mut after: Option<RepoKey> = None;
    loop {
        let page = run.store.repositories(&run.parts.key, after.as_ref(), BATCH).await?;
        let Some(last) = page.last() else { return Ok(found) };
        after = Some(last.repository.key.clone());
        found.extend(page.into_iter().filter(&wanted));
    }
}

fn is_inaccessible(known: &KnownRepository) -> bool {
    matches!(known.presence, Presence::Inaccessible { .. })
}

fn stop_if_asked(run: &Run<'_>) -> Result<(), Stop> {
    if run.stop.is_cancelled() { Err(Stop::Cancelled) } else { Ok(()) }
}

async fn backfilling(
    run: &Run<'_>,
    lease: &CrawlLease,
    record: &mut SyncRecord,
    unserved: &mut BTreeSet<RepoKey>,
) -> Result<(), Stop> {
    if run.dry_run || run.parts.integration.secondary_kinds.is_empty() {
        return Ok(());
    }
    let stages = |done: &backfill::Progress, finished: bool| {
        (run.progress)(Progress {
            integration: run.parts.integration.name.clone(),
            stage: "backfill".to_owned(),
            done: done.pages,
            total: Some(done.planned.max(done.pages)),
            finished,
        });
    };
    let latest = Mutex::new(backfill::Progress::default());
    let report = backfill::run(backfill::BackfillInputs {
        source: run.source,
        store: run.store,
        lease,
        integration: &run.parts.key,
        // The inaccessible ones as well: what was refused there is asked for again.
        repositories: known(run, |known| known.presence.is_served() || is_inaccessible(known)).await?,
        pull_requests: run.parts.kind(SecondaryKind::PullRequests),
        commits: run.parts.kind(SecondaryKind::Commits),
        start_date: run.parts.start_date(),
        now: run.clock.now(),
        asks_again: record.sweep,
        rotation_share: backfill::ROTATION_SHARE,
        concurrency: backfill::CONCURRENCY.min(run.source.most_at_once()),
        stop: run.stop.clone(),
        progress: &|progress| {
            *latest.lock().unwrap_or_else(PoisonError::into_inner) = progress;
            stages(&progress, false);
        },
        interval: run.interval,
    })
    .await?;
    let last = *latest.lock().unwrap_or_else(PoisonError::into_inner);
    if last.pages > 0 {
        stages(&last, true);
    }
    unserved.extend(mark_forbidden(run, lease, record, &report.unreadable).await?);
    for repo in welcome_back(run, lease, &report.readable_again).await? {
        unserved.remove(&repo);
    }
    note_refused(record, &report.refused);
    let failed: BTreeSet<&str> = report.errors.iter().filter_map(|error| error.repository.as_deref()).collect();
    record.repositories.failed += failed.len() as u64;
    record.secondary =
        Secondary { pull_requests: report.pull_requests, commits: report.commits, details: BTreeMap::new() };
    // What is refused waits like everything else that is not there yet.
    for (kind, held_back) in &report.held_back {
        let counts = match kind {
            SecondaryKind::PullRequests => &mut record.secondary.pull_requests,
            SecondaryKind::Commits => &mut record.secondary.commits,
        };
        if let Some(counts) = counts {
            counts.repositories_waiting += held_back;
        }
    }
    record.oldest_pull_request_check = report.oldest_pull_request_check;
    record.errors.extend(report.errors);
    if report.unauthorized {
        // The refusal itself is among the errors; nothing was concluded from it.
        return Err(Stop::Refused);
    }
    if report.stopped {
        return Err(Stop::Cancelled);
    }
    if report.rate_limited {
        let resume_at = run.source.usage().resume_at;
        return Err(Stop::RateLimited { resume_at });
    }
    detailing(run, lease, record).await
}

/// What hangs on the pull requests and commits stored (P5.5).
async fn detailing(run: &Run<'_>, lease: &CrawlLease, record: &mut SyncRecord) -> Result<(), Stop> {
    let kinds = run.parts.detail_kinds();
    if kinds.is_empty() {
        return Ok(());
    }
    let progress = |done, total, finished| {
        (run.progress)(Progress {
            integration: run.parts.integration.name.clone(),
            stage: "details".to_owned(),
            done,
            total: Some(total),
            finished,
        });
    };
    let latest = Mutex::new((0, 0));
    let report = details::run(DetailInputs {
        source: run.source,
        store: run.store,
        lease,
        integration: &run.parts.key,
        repositories: served(run, |_| true).await?.into_iter().map(|known| known.repository).collect(),
        kinds,
        now: run.clock.now(),
        concurrency: backfill::CONCURRENCY.min(run.source.most_at_once()),
        stop: run.stop.clone(),
        progress: &|done, planned| {
            *latest.lock().unwrap_or_else(PoisonError::into_inner) = (done, planned);
            progress(done, planned, false);
        },
        interval: run.interval,
    })
    .await?;
    let (done, planned) = *latest.lock().unwrap_or_else(PoisonError::into_inner);
    if planned > 0 {
        progress(done, planned, true);
    }
    record.secondary.details = report.counts;
    record.errors.extend(report.errors);
    record.notes.extend(report.notes);
    if report.unauthorized {
        return Err(Stop::Refused);
    }
    if report.stopped {
        return Err(Stop::Cancelled);
    }
    if report.rate_limited {
        return Err(Stop::RateLimited { resume_at: run.source.usage().resume_at });
    }
    Ok(())
}

/// Repositories that are listed and forbidden below: their sync pauses until they may be read again. Returns which.
async fn mark_forbidden(
    run: &Run<'_>,
    lease: &CrawlLease,
    record: &mut SyncRecord,
    unreadable: &[backfill::Unreadable],
) -> Result<Vec<RepoKey>, StoreError> {
    let mut reasons: BTreeMap<&RepoKey, &str> = BTreeMap::new();
    for one in unreadable {
        if one.is_forbidden {
            reasons.entry(&one.repo).or_insert(&one.reason);
        } else {
            record.notes.push(format!("{}: no {}: {}", one.full_name, one.kind.as_str(), one.reason));
        }
    }
    if reasons.is_empty() {
        return Ok(Vec::new());
    }
    let mut changes = Vec::new();
    let is_there = |known: &KnownRepository| known.presence.is_served() || is_inaccessible(known);
    for known in known(run, |known| is_there(known) && reasons.contains_key(&known.repository.key)).await? {
        let Some(reason) = reasons.get(&known.repository.key) else { continue };
        record.repositories.failed += 1;
        record.errors.push(SyncError {
            repository: Some(known.repository.full_name.clone()),
            stage: "backfill".to_owned(),
            message: format!("it is listed and may not be read: {reason}"),
            retry: "next_sync".to_owned(),
        });
        changes.push(KnownRepository { presence: Presence::Inaccessible { reason: (*reason).to_owned() }, ..known });
    }
    let marked = changes.iter().map(|known| known.repository.key.clone()).collect();
    let Some(state) = run.store.integration(&run.parts.key).await? else { return Ok(Vec::new()) };
    run.store.finish_walk(lease, changes, state.discovery).await?;
    Ok(marked)
}

/// Repositories that were inaccessible, of which everything asked for can be read again. Returns which.
async fn welcome_back(run: &Run<'_>, lease: &CrawlLease, readable: &[RepoKey]) -> Result<Vec<RepoKey>, StoreError> {
    let readable: BTreeSet<&RepoKey> = readable.iter().collect();
    if readable.is_empty() {
        return Ok(Vec::new());
    }
    let back = known(run, |known| is_inaccessible(known) && readable.contains(&known.repository.key)).await?;
    let Some(mut state) = run.store.integration(&run.parts.key).await?.filter(|_| !back.is_empty()) else {
        return Ok(Vec::new());
    };
    let served = |known: KnownRepository| {
        let is_archived = known.repository.is_archived;
        KnownRepository { presence: if is_archived { Presence::Archived } else { Presence::Present }, ..known }
    };
    let back: Vec<KnownRepository> = back.into_iter().map(served).collect();
    let keys = back.iter().map(|known| known.repository.key.clone()).collect();
    run.store.finish_walk(lease, back, state.discovery.clone()).await?;
    // Its entity was not kept in step meanwhile: the next sync looks again at everything.
    if state.correlated.take().is_some() {
        run.store.save_integration(lease, &state).await?;
    }
    Ok(keys)
}

/// What a sync without a complaint says of kinds that were refused before, and that it did not ask for.
fn note_refused(record: &mut SyncRecord, refused: &[backfill::Refused]) {
    for one in refused.iter().take(NOTED_REFUSALS) {
        record.notes.push(format!(
            "{}: {} wait: refused at {}; asked for again an hour later, or with `--full` ({})",
            one.full_name,
            one.kind.as_str(),
            one.asked_at.format("%Y-%m-%d %H:%M"),
            one.reason
        ));
    }
    if let Some(more) = refused.len().checked_sub(NOTED_REFUSALS).filter(|more| *more > 0) {
        record.notes.push(format!("and {more} more were refused and wait"));
    }
}

/// Writes down how it ended.
async fn conclude(
    run: &Run<'_>,
    record: &mut SyncRecord,
    ended: Result<(), Stop>,
    unserved: Option<BTreeSet<RepoKey>>,
) -> Result<(), StoreError> {
    let key = &run.parts.key;
    record.outcome = match ended {
        Ok(()) if record.imported.failed > 0 || record.repositories.failed > 0 || !record.errors.is_empty() => {
            Outcome::Partial
        }
        Ok(()) if record.held.iter().any(|entry| entry.approvable) => Outcome::Held,
        Ok(()) => Outcome::Completed,
        Err(Stop::Cancelled) => Outcome::Cancelled,
        Err(Stop::Refused) => Outcome::Failed,
        Err(Stop::RateLimited { resume_at }) => {
            let when =
                resume_at.map_or_else(|| "later".to_owned(), |at| format!("at {}", at.format("%Y-%m-%dT%H:%M:%SZ")));
            record.notes.push(format!("the request budget of this hour is used up; it goes on {when}"));
            Outcome::RateLimited
        }
        Err(Stop::Failed { stage, report }) => {
            record.errors.push(SyncError {
                repository: None,
                stage: stage.to_owned(),
                message: report.one_line(),
                retry: "next_sync".to_owned(),
            });
            Outcome::Failed
        }
        Err(Stop::Held(plan)) => {
            record.held.push(HeldEntry {
                repository: None,
                entity: None,
                reason: with_command(&plan.reason, &record.id),
                approvable: true,
            });
            run.store.save_plan(&plan).await?;
            Outcome::Held
        }
    };
    for (action, count) in run.store.recommended(key, decided(run, unserved).await?).await? {
        match action {
            Action::Register => record.recommendations.register = count,
            Action::Merge => record.recommendations.merge = count,
            Action::Conflict => record.recommendations.conflict = count,
            Action::None => {}
        }
    }
    let usage = run.source.usage();
    record.requests = usage.requests.saturating_sub(run.requests_before);
    record.requests_remaining = usage.remaining;
    record.duration_ms = u64::try_from((run.clock.now() - record.started_at).num_milliseconds()).unwrap_or(0);
    run.store.save_budget(&run.parts.integration.connector, &run.source.budget_snapshot()).await?;
    run.store.save_sync(key, record).await
}

/// Repositories whose recommendation waits for nobody: ignored ones, those linked meanwhile, and those that are
/// not there for anybody to import. What `discovered list` shows is what is left.
async fn decided(run: &Run<'_>, unserved: Option<BTreeSet<RepoKey>>) -> Result<BTreeSet<RepoKey>, StoreError> {
    let (catalog, rules) = (run.parts.catalog.name(), &run.parts.rules);
    let links = run.store.links(catalog).await?;
    let active = links.iter().filter(|link| link.state == LinkState::Active);
    let mut decided: BTreeSet<RepoKey> = active.map(|link| link.repo.clone()).collect();
    if (0..rules.len()).any(|rule| rules.says_many(rule)) {
        for one in run.store.recommendations(&run.parts.key).await? {
            if awaits_decision(&one, &links, rules) {
                decided.remove(&one.repo);
            }
        }
    }
    decided.extend(match unserved {
        Some(unserved) => unserved,
        None => stored_as_unserved(run).await?,
    });
    let decisions = run.store.decisions(catalog).await?;
    let ignored = decisions.into_iter().filter(|decision| decision.kind == DecisionKind::Ignored);
    decided.extend(ignored.map(|decision| decision.repo));
    Ok(decided)
}

/// What discovery tells when it ends, for a sync in which it did not.
async fn stored_as_unserved(run: &Run<'_>) -> Result<BTreeSet<RepoKey>, StoreError> {
    let mut unserved = BTreeSet::new();
    let mut after: Option<RepoKey> = None;
    loop {
        let page = run.store.repositories(&run.parts.key, after.as_ref(), BATCH).await?;
        let Some(last) = page.last() else { return Ok(unserved) };
        after = Some(last.repository.key.clone());
        unserved.extend(page.into_iter().filter(|known| !known.presence.is_served()).map(|known| known.repository.key));
    }
}
