//! The smallest sync that brings the truth about single repositories: one look at each, judged and planned alone, its
//! newest pull requests or commits. An event says where to look, never what is there (invariant 5).
//!
//! It takes the crawl lease, as what it records (presence, coverage) is what a crawl walks (invariants 6 and 7): it waits
//! until that is over. Whatever asks for a person (a shrunk catalog, changed rules, a guard) is left to the next sync of
//! the whole.

mod fetching;
mod judging;
mod recording;
mod updating;

use std::time::Duration;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::{EngineError, Run, Stop, Synced, stop_if_asked, survey};
use crate::apply::{StepOutcome, StepResult};
use crate::discover::{self, Behaviour, DiscoverError, Discovery, Looked};
use crate::error::Report;
use crate::model::{IntegrationKey, KnownRepository, Repository, SyncError, SyncRecord, Touched};
use crate::plan::guard;
use crate::store::{CrawlLease, Store, StoreError};

/// How often it is asked whether to stop while a crawl is waited for.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// What a look found, beside what it asked for.
struct Look<'a> {
    touched: &'a Touched,
    known: KnownRepository,
    is_changed: bool,
}

impl Look<'_> {
    /// Its entity may have to be brought up to date.
    fn is_due(&self) -> bool {
        self.is_changed || self.touched.again
    }
}

/// Tells whether the catalog may be written still: whoever suspended the integration a moment ago is obeyed (P2.7).
pub type MayWrite<'a> = &'a (dyn Fn() -> BoxFuture<'static, Result<bool, StoreError>> + Sync + Send);

/// Waits until no crawl of the integration runs, which may be hours: what the config and people say is to be read after
/// that. `None`: asked to stop.
///
/// # Errors
/// The store's.
pub async fn lease_to_look(
    store: &dyn Store,
    key: &IntegrationKey,
    stop: &CancellationToken,
) -> Result<Option<CrawlLease>, StoreError> {
    loop {
        if let Some(lease) = store.crawl_lease(key, ASK_EVERY).await? {
            return Ok(Some(lease));
        }
        if stop.is_cancelled() {
            return Ok(None);
        }
    }
}

/// Looks at these repositories, and records it. Behind a pointer, as [`execute`](crate::commands::execute) is.
///
/// # Errors
/// The store's; everything else is in the record.
pub fn look<'a>(
    run: &'a Run<'a>,
    lease: &'a CrawlLease,
    touched: &'a [Touched],
    may_write: MayWrite<'a>,
) -> BoxFuture<'a, Result<Synced, EngineError>> {
    Box::pin(look_at(run, lease, touched, may_write))
}

async fn look_at(
    run: &Run<'_>,
    lease: &CrawlLease,
    touched: &[Touched],
    may_write: MayWrite<'_>,
) -> Result<Synced, EngineError> {
    let started_at = run.clock.now();
    let open = recording::open(run, started_at).await?;
    // What is done in the hour of a record is found by its id: journal and record tell the same (P4.11).
    let id = open.as_ref().map_or_else(|| run.id.clone(), |open| open.id.clone());
    let mut record = SyncRecord::begun(id, &run.parts.integration.name, run.trigger, started_at);
    let (mut outcomes, mut again) = (Vec::new(), Vec::new());
    let looking = Looking { run, lease, may_write, open: open.as_ref() };
    let ended = stages(&looking, touched, &mut record, &mut outcomes, &mut again).await;
    if ended.is_err() {
        again = touched.to_vec();
    }
    recording::conclude(run, open, &mut record, touched.len(), ended).await?;
    Ok(Synced { record, outcomes, again })
}

/// What a look works with.
struct Looking<'a> {
    run: &'a Run<'a>,
    lease: &'a CrawlLease,
    may_write: MayWrite<'a>,
    /// The record that it will be part of, where there is one.
    open: Option<&'a SyncRecord>,
}

async fn stages(
    looking: &Looking<'_>,
    touched: &[Touched],
    record: &mut SyncRecord,
    outcomes: &mut Vec<StepOutcome>,
    again: &mut Vec<Touched>,
) -> Result<(), Stop> {
    let Looking { run, lease, .. } = *looking;
    let state = run.store.integration(&run.parts.key).await?;
    let Some(state) = state.filter(|state| state.discovery.last_sweep_at.is_some()) else {
        record.notes.push("nothing is known yet: the first sync brings it".to_owned());
        return Ok(());
    };
    super::refuse_locked(&state, &run.parts.integration)
        .map_err(|error| Stop::Failed { stage: "begin", report: Report::plain(error.to_string(), error.mend()) })?;
    run.source.begin_sync().map_err(DiscoverError::Source)?;
    let looks = look_at_each(run, lease, touched, record, again).await?;

    let due: Vec<&Look<'_>> = looks.iter().filter(|look| look.is_due()).collect();
    if !due.is_empty()
        && updating::may_plan(run, &state, record)
        && let Some(survey) = surveyed(run, record).await?
    {
        let changed: Vec<&KnownRepository> =
            due.iter().filter(|look| look.is_changed).map(|look| &look.known).collect();
        let recommended = judging::judge(run, lease, &survey, &changed).await?;
        let known: Vec<KnownRepository> = due.iter().map(|look| look.known.clone()).collect();
        let updated = updating::update(looking, record, &survey, &recommended, &known).await?;
        outcomes.extend(updated);
        again.extend(left(&due, outcomes));
    }
    stop_if_asked(run)?;
    fetching::fetch(run, lease, &looks, record).await
}

/// One look at each.
async fn look_at_each<'a>(
    run: &Run<'_>,
    lease: &CrawlLease,
    touched: &'a [Touched],
    record: &mut SyncRecord,
    again: &mut Vec<Touched>,
) -> Result<Vec<Look<'a>>, Stop> {
    let integration = &run.parts.integration;
    let hides = |repository: &Repository| integration.repositories.hides(repository);
    let discovery = Discovery {
        source: run.source,
        store: run.store,
        lease,
        behaviour: Behaviour {
            hides: &hides,
            sweep_every: integration.complete_sweep_every,
            guard: run.parts.guard(),
            auto_import: run.auto_import,
            full: false,
        },
        now: run.clock.now(),
        sync_id: record.id.clone(),
        stop: run.stop,
        progress: &|_, _| {},
    };
    let mut looks = Vec::new();
    for one in touched {
        stop_if_asked(run)?;
        match discover::touch(&discovery, one).await {
            Ok(Looked::There { known, is_new, is_changed }) => {
                record.repositories.seen += 1;
                record.repositories.new += u64::from(is_new);
                record.repositories.changed += u64::from(is_changed && !is_new);
                looks.push(Look { touched: one, known: *known, is_changed });
            }
            Ok(Looked::NotFound { full_name }) => {
                record.notes.push(format!("{full_name} was not found by its id: the next sync lists all and tells"));
            }
            Ok(Looked::Elsewhere { full_name, now }) => record
                .notes
                .push(format!("{full_name} is {now} now, as are many others: the next sync lists all and tells")),
            Ok(Looked::NotOurs) => {}
            Err(DiscoverError::Source(error)) if !error.ends_sync() => {
                let mend = error.mend();
                let is_transient = error.is_transient();
                record.errors.push(SyncError {
                    repository: Some(one.full_name()),
                    stage: "discover".to_owned(),
                    message: Report::new("it could not be looked at", &error, mend).one_line(),
                    retry: if is_transient { "soon" } else { "next_sync" }.to_owned(),
                });
                record.repositories.failed += 1;
                again.extend(is_transient.then(|| one.clone()));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(looks)
}

/// The catalog as it is now; `None` where it shrank so much that a person has to be asked, which the next sync does.
async fn surveyed(run: &Run<'_>, record: &mut SyncRecord) -> Result<Option<survey::Survey>, Stop> {
    let catalog = run.parts.catalog.as_ref();
    let survey = survey::look(catalog, run.store).await?;
    let previous = run.store.known_entities(catalog.name()).await?;
    let reading = &survey.reading;
    let shrunk = previous.and_then(|previous| {
        guard::catalog_shrunk(&previous, &reading.entity_refs, &reading.unreadable, run.parts.guard())
    });
    if let Some(reason) = shrunk {
        record.notes.push(format!("{reason}; nothing was written, the next sync asks"));
        return Ok(None);
    }
    Ok(Some(survey))
}

/// Those with a step that did not come about.
fn left(due: &[&Look<'_>], outcomes: &[StepOutcome]) -> Vec<Touched> {
    let is_left =
        |outcome: &&StepOutcome| matches!(outcome.result, StepResult::Left { .. } | StepResult::Failed { .. });
    let left: Vec<_> = outcomes.iter().filter(is_left).map(|outcome| &outcome.repo).collect();
    let due = due.iter().filter(|look| left.contains(&&look.known.repository.key));
    due.map(|look| look.touched.clone()).collect()
}
