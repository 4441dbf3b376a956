//! One sync: the stages in order, on one screen.
//!
//! discover → correlate → recommend → plan → apply → backfill → record. What ends a sync early is a
//! [`Stop`]; what fails for one repository is an error in the record, and the sync goes on.

pub mod approve;
mod backfilling;
mod conclude;
mod discovery;
mod forbidden;
pub mod import;
pub mod judge;
mod known;
mod locked;
pub mod preview;
mod recheck;
mod stop;
pub mod survey;
mod touched;
pub mod undo;
pub mod update;

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use self::backfilling::backfilling;
use self::conclude::conclude;
use self::discovery::discovery;
use self::locked::{begin, lock};
use crate::apply::StepOutcome;
use crate::assemble::Parts;
use crate::clock::Clock;
use crate::discover::DiscoverError;
use crate::error::Report;
use crate::ids::Ids;
use crate::model::{Outcome, RepoKey, SyncId, SyncRecord, Touched, Trigger};
use crate::source::Source;
use crate::store::{CrawlLease, Store, StoreError};

pub use self::locked::refuse_locked;
pub use self::stop::Stop;
pub use self::touched::{MayWrite, lease_to_look, look};

/// Looks at single repositories are kept as one record an hour, of which some may be newer than the sync before.
const NEWEST_SYNCS: usize = 32;
/// How long looks at single repositories are waited for, in steps.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(200);
const LOOKS_WAITED_FOR: usize = 150;

/// How far a stage has got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
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
    /// Of this sync.
    pub id: SyncId,
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
    /// Of the repositories looked at alone, those that are worth another look soon.
    pub again: Vec<Touched>,
}

/// Runs one sync of the whole to its end, whatever that is, and records it. Behind a pointer, as
/// [`execute`](crate::commands::execute) is.
///
/// # Errors
/// [`EngineError`] when it was not begun; everything later is in the record.
pub fn sync<'a>(run: &'a Run<'a>) -> BoxFuture<'a, Result<Synced, EngineError>> {
    Box::pin(sync_whole(run))
}

async fn sync_whole(run: &Run<'_>) -> Result<Synced, EngineError> {
    let key = &run.parts.key;
    let lease = lease(run).await?;
    let started_at = run.clock.now();
    let mut record = SyncRecord::begun(run.id.clone(), &run.parts.integration.name, run.trigger, started_at);
    record.notes.clone_from(&run.notes);
    begin(run, &lease, started_at).await?;
    interrupt_stale(run).await?;
    run.store.save_sync(key, &record).await?;

    let mut outcomes = Vec::new();
    let mut unserved = None;
    let ended = stages(run, &lease, &mut record, &mut outcomes, &mut unserved).await;
    conclude(run, &mut record, ended, unserved).await?;
    Ok(Synced { record, outcomes, again: Vec::new() })
}

/// The crawl lease, unless another crawl runs. A look at single repositories, which is over in a moment, is waited for.
async fn lease(run: &Run<'_>) -> Result<CrawlLease, EngineError> {
    let key = &run.parts.key;
    let running = || Err(EngineError::Running(run.parts.integration.name.clone()));
    let mut wait = Duration::ZERO;
    for _ in 0..LOOKS_WAITED_FOR {
        if let Some(lease) = run.store.crawl_lease(key, wait).await? {
            return Ok(lease);
        }
        let newest = run.store.syncs(Some(key), NEWEST_SYNCS).await?;
        if newest.iter().any(|sync| sync.outcome == Outcome::Running) {
            return running();
        }
        wait = LOOK_AGAIN_AFTER;
    }
    running()
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
    // Whoever looks while it goes on sees what is counted so far.
    record.requests = run.source.usage().requests.saturating_sub(run.requests_before);
    run.store.save_sync(&run.parts.key, record).await?;
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

/// A sync that still runs according to its record, while we hold the lease, ended without a word: a panic in
/// a process that lives on.
async fn interrupt_stale(run: &Run<'_>) -> Result<(), StoreError> {
    for mut stale in run.store.syncs(Some(&run.parts.key), NEWEST_SYNCS).await? {
        if stale.outcome == Outcome::Running {
            stale.outcome = Outcome::Interrupted;
            run.store.save_sync(&run.parts.key, &stale).await?;
        }
    }
    Ok(())
}

fn stop_if_asked(run: &Run<'_>) -> Result<(), Stop> {
    if run.stop.is_cancelled() { Err(Stop::Cancelled) } else { Ok(()) }
}
