//! `sync now|cancel|approve`, and what the sidecar begins by itself.

mod credentials;
mod records;

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub(super) use self::records::{history, show};

use self::credentials::{expiring, refused, unused_logins};
use self::records::unknown;
use super::answer::{Change, DryRun, ImportRow, RepositoryName, RowResult};
use super::request::{Answer, Request};
use super::running::{Begin, SyncStarted, UnderWay};
use super::{App, Exit, Failure, audit, integration, masked};
use crate::apply::{StepOutcome, StepResult};
use crate::config::{Cadence, Integration};
use crate::engine::{self, EngineError, Progress, Run};
use crate::error::{Report, shown};
use crate::model::{Action, ImportAction, Outcome, Presence, SyncError, SyncId, SyncRecord, Trigger};
use crate::plan::EditPurpose;
use crate::schedule;
use crate::store::sled::SledStore;
use crate::store::{Store, StoreError};

/// How long `sync cancel` waits for the checkpoint.
const CANCEL_WAIT: Duration = Duration::from_secs(10);

/// How a sync by hand is run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Write nothing anywhere, print the plan.
    pub dry_run: bool,
    /// Sweep the whole list.
    pub full: bool,
}

/// A sync by hand, of the integrations named or of all that do not rest.
pub(super) async fn now(
    app: &App,
    names: &[String],
    options: Options,
    progress: &(dyn Fn(Progress) + Sync + Send),
) -> Result<Answer, Failure> {
    let chosen = choose(app, names).await?;
    let are_several = chosen.len() > 1;
    for integration in chosen.iter().filter(|_| are_several) {
        // What is wrong with the config is said before anything runs.
        match app.assembler.parts(integration).await {
            Err(failure) if failure.exit.code() == Exit::Usage.code() => return Err(failure),
            _ => {}
        }
    }
    if options.dry_run {
        let mut runs = Vec::new();
        for integration in chosen {
            match dry(app, integration, options.full, progress).await {
                Ok(run) => runs.push(run),
                Err(failure) if are_several => {
                    runs.push(DryRun { record: not_begun(app, integration, &failure), plan: Vec::new() });
                }
                Err(failure) => return Err(failure),
            }
        }
        return Ok(Answer::DryRuns(runs));
    }
    let mut records = Vec::new();
    for integration in chosen {
        match one(app, integration, Trigger::Manual, options.full, progress).await {
            Ok(record) => records.push(record),
            Err(failure) if are_several => records.push(not_begun(app, integration, &failure)),
            Err(failure) => return Err(failure),
        }
    }
    // Whoever syncs by cron and never runs the sidecar keeps no more history than they asked for.
    if let Err(error) = expire(app).await {
        warn!("old syncs could not be dropped: {error}");
    }
    Ok(Answer::Syncs(records))
}

/// Stands for one of several integrations whose sync could not begin: the others run all the same. Nothing is kept of
/// it, so it has no id.
fn not_begun(app: &App, integration: &Integration, failure: &Failure) -> SyncRecord {
    warn!("{}: {}", integration.name, failure.report.one_line());
    let id = SyncId(String::new());
    let mut record = SyncRecord::begun(id, &integration.name, Trigger::Manual, app.clock.now());
    record.outcome = if failure.exit == Exit::Refused { Outcome::Refused } else { Outcome::Failed };
    record.errors.push(SyncError {
        repository: None,
        stage: "begin".to_owned(),
        message: failure.report.one_line(),
        retry: "next_sync".to_owned(),
    });
    record
}

/// Drops syncs, plans, journal and audit entries, and webhooks that are older than the config keeps them; returns how many.
///
/// # Errors
/// The store's.
pub async fn expire(app: &App) -> Result<u64, StoreError> {
    let now = app.clock.now();
    let before = |age: Duration| now - chrono::Duration::from_std(age).unwrap_or(chrono::Duration::days(36_500));
    let retention = &app.config.retention;
    let deliveries = app.store.expire_deliveries(before(retention.deliveries)).await?;
    let audited = app.store.expire_audit(before(retention.audit)).await?;
    Ok(deliveries + audited + app.store.expire(before(retention.syncs), before(retention.undo)).await?)
}

async fn choose<'a>(app: &'a App, names: &[String]) -> Result<Vec<&'a Integration>, Failure> {
    for name in names {
        app.integration(name)?;
    }
    if app.visible().next().is_none() && !app.config.integrations.is_empty() {
        return Err(Failure::unknown("there is no integration that you may see", super::SEES_NONE));
    }
    if app.config.integrations.is_empty() {
        return Err(Failure::usage(
            "the config has no integration",
            format!("add one to {}; `catalog-sync init` writes an example", shown(&app.config.path)),
        ));
    }
    let mut chosen = Vec::new();
    let mut resting = Vec::new();
    for integration in app.visible() {
        if names.is_empty() || names.contains(&integration.name) {
            let switches = app.store.switches(&integration.key()).await?;
            if integration::is_suspended(integration, &switches) {
                resting.push(integration);
            } else {
                chosen.push(integration);
            }
        }
    }
    // Asked for by name, or nothing else is left: say why, rather than doing nothing.
    match resting.first() {
        Some(resting) if !names.is_empty() || chosen.is_empty() => Err(suspended(app, resting)),
        _ => Ok(chosen),
    }
}

fn suspended(app: &App, integration: &Integration) -> Failure {
    let mend = if integration.suspended {
        format!("{}:{} says `suspended: true`", shown(&app.config.path), integration.suspended_place.line)
    } else {
        format!("`catalog-sync integration resume {}`", integration.name)
    };
    Failure::refused(format!("{} is suspended", integration.name), mend)
}

/// One sync of one integration, whatever triggers it.
///
/// # Errors
/// [`Failure`] when it was not begun.
pub async fn one(
    app: &App,
    integration: &Integration,
    trigger: Trigger,
    full: bool,
    progress: &(dyn Fn(Progress) + Sync + Send),
) -> Result<SyncRecord, Failure> {
    let under_way = begin(app, integration, trigger)?;
    carry_through(app, integration, full, under_way, progress).await
}

/// A sync that goes on by itself once somebody drives it.
pub type Work = futures::future::BoxFuture<'static, ()>;

/// Begins syncs by hand of the integrations named, or of all that do not rest: each with the work that carries it through.
/// One that is in flight already refuses all, where it was named.
///
/// # Errors
/// As for `sync now`, where that begins nothing.
pub async fn begin_now(app: &App, names: &[String], full: bool) -> Result<Vec<(SyncStarted, Work)>, Failure> {
    let request = Request::SyncNow { integrations: names.to_vec(), dry_run: false, full };
    app.caller.may(&request)?;
    match begin_each(app, names, full).await {
        Ok(begun) => Ok(begun),
        Err(failure) => {
            let refused = Err(failure);
            if let Some(entry) = audit::begin(app, &request).await? {
                audit::end(app, entry, &refused).await;
            }
            match refused {
                Ok(_) => Ok(Vec::new()),
                Err(failure) => Err(masked::failure(app, failure).await),
            }
        }
    }
}

async fn begin_each(app: &App, names: &[String], full: bool) -> Result<Vec<(SyncStarted, Work)>, Failure> {
    let mut begun = Vec::new();
    for integration in choose(app, names).await? {
        // What is wrong with the config is said before anything runs.
        app.assembler.parts(integration).await?;
        let under_way = match begin(app, integration, Trigger::Manual) {
            Ok(under_way) => under_way,
            Err(_) if names.is_empty() => continue,
            Err(failure) => return Err(failure),
        };
        let flight = under_way.flight();
        let started = SyncStarted {
            id: flight.id.clone(),
            integration: flight.integration.clone(),
            trigger: flight.trigger,
            started_at: flight.started_at,
        };
        let named = vec![integration.name.clone()];
        let entry = audit::begin(app, &Request::SyncNow { integrations: named, dry_run: false, full }).await?;
        let (app, integration) = (app.clone(), integration.clone());
        let work: Work = Box::pin(async move {
            let result = carry_through(&app, &integration, full, under_way, &|_| {}).await;
            let (name, by) = (&integration.name, &app.caller.name);
            match &result {
                Ok(record) => {
                    let outcome = record.outcome.as_str();
                    info!(integration = %name, sync = %record.id, by = %by, outcome, "the sync by hand ended");
                }
                Err(failure) => {
                    warn!(integration = %name, "the sync by hand did not begin: {}", failure.report.one_line());
                }
            }
            if let Some(entry) = entry {
                audit::end(&app, entry, &result.map(|record| Answer::Syncs(vec![record]))).await;
            }
        });
        begun.push((started, work));
    }
    Ok(begun)
}

/// Enters a sync into the book of those in flight: from here on it has its id, and no second one is begun.
///
/// # Errors
/// Refused: a sync of this integration is in flight.
pub fn begin(app: &App, integration: &Integration, trigger: Trigger) -> Result<UnderWay, Failure> {
    let id = SyncId(app.ids.next());
    let begin =
        Begin { key: integration.key(), integration: integration.name.clone(), trigger, id, at: app.clock.now() };
    app.running.begin(begin, &app.stop)
}

/// Runs a sync that was begun to its end.
///
/// # Errors
/// [`Failure`] when nothing was begun after all.
pub async fn carry_through(
    app: &App,
    integration: &Integration,
    full: bool,
    under_way: UnderWay,
    progress: &(dyn Fn(Progress) + Sync + Send),
) -> Result<SyncRecord, Failure> {
    let result = synced(app, integration, full, &under_way, progress).await;
    under_way.end(result.as_ref());
    result
}

async fn synced(
    app: &App,
    integration: &Integration,
    full: bool,
    under_way: &UnderWay,
    progress: &(dyn Fn(Progress) + Sync + Send),
) -> Result<SyncRecord, Failure> {
    // What somebody edited there counts for this sync; a file with faults is told after it, as nothing waits for it.
    if let Err(failure) = app.take_decisions_over().await {
        warn!("{}; the decisions in the store stay in force", failure.report.one_line());
    }
    let flight = under_way.flight();
    let begun = Begun { id: flight.id.clone(), trigger: flight.trigger, stop: &flight.stop };
    let told = |report: Progress| {
        under_way.report(&report);
        progress(report);
    };
    let synced = run(app, app.store.as_ref(), integration, begun, Options { dry_run: false, full }, &told).await?;
    app.metrics.ended(&synced.record);
    // Also without a row: from now on a file that is missing is one that was lost.
    app.write_decisions().await?;
    Ok(synced.record)
}

/// What a run is known by.
struct Begun<'a> {
    id: SyncId,
    trigger: Trigger,
    stop: &'a CancellationToken,
}

async fn dry(
    app: &App,
    integration: &Integration,
    full: bool,
    progress: &(dyn Fn(Progress) + Sync + Send),
) -> Result<DryRun, Failure> {
    let scratch = SledStore::scratch_copy(app.store.as_ref(), &app.config.store).await?;
    let options = Options { dry_run: true, full };
    let begun = Begun { id: SyncId(app.ids.next()), trigger: Trigger::Manual, stop: &app.stop };
    let synced = run(app, &scratch, integration, begun, options, progress).await?;
    let mut plan = Vec::new();
    for outcome in &synced.outcomes {
        let known = scratch.record(&integration.key(), &outcome.repo).await?;
        let name = known.map_or_else(|| super::nameless(&outcome.repo), |(known, _)| (&known.repository).into());
        plan.push(import_row(outcome, name));
    }
    Ok(DryRun { record: synced.record, plan })
}

async fn run(
    app: &App,
    store: &dyn Store,
    integration: &Integration,
    begun: Begun<'_>,
    options: Options,
    progress: &(dyn Fn(Progress) + Sync + Send),
) -> Result<engine::Synced, Failure> {
    let parts = app.assembler.parts(integration).await?;
    let source = app.assembler.source(integration, Some(&app.store)).await?;
    let switches = app.store.switches(&integration.key()).await?;
    let result = engine::sync(&Run {
        parts: &parts,
        source: source.as_ref(),
        requests_before: source.usage().requests,
        store,
        clock: &app.clock,
        ids: &app.ids,
        id: begun.id,
        trigger: begun.trigger,
        dry_run: options.dry_run,
        full: options.full,
        auto_import: integration::auto_import_in_force(integration, &switches),
        has_decisions_file: app.knows_decisions().await,
        interval: interval(app, integration),
        notes: expiring(app, integration),
        stop: begun.stop,
        progress,
    })
    .await;
    let mut after = refused(app, integration, source.as_ref());
    after.extend(unused_logins(app, integration).await?);
    if options.dry_run {
        // Its store is a scratch copy; the requests were sent all the same.
        app.store.save_budget(&integration.connector, &source.budget_snapshot()).await?;
    }
    if !options.dry_run && app.assembler.has_git(&parts.key) {
        // A cache: what cannot be removed now is tried again after the next sync.
        let known = app.repositories(&parts.key).await?;
        if let Err(error) = app.assembler.tidy_git(&parts.key, &known) {
            warn!(integration = %integration.name, "scratch repositories could not be removed: {error}");
        }
    }
    let mut synced = result.map_err(|error| {
        let mend = error.mend();
        match error {
            EngineError::Store(error) => error.into(),
            error => Failure::refused(error.to_string(), mend.unwrap_or_default()),
        }
    })?;
    if !after.is_empty() {
        synced.record.notes.extend(after);
        store.save_sync(&integration.key(), &synced.record).await?;
    }
    Ok(synced)
}

/// How long until the next sync by itself: what `complete_by` is estimated with.
pub(super) fn interval(app: &App, integration: &Integration) -> Duration {
    match &integration.update_every {
        Cadence::Every(every) => *every,
        Cadence::Cron { .. } => {
            let runs = schedule::upcoming(&integration.update_every, &integration.key(), None, app.clock.now(), 2);
            match runs.as_slice() {
                [first, second] => (*second - *first).to_std().unwrap_or(Duration::from_secs(3 * 3600)),
                _ => Duration::from_secs(3 * 3600),
            }
        }
    }
}

/// An outcome as a row.
pub(super) fn import_row(outcome: &StepOutcome, repository: RepositoryName) -> ImportRow {
    let (result, reason, files) = match &outcome.result {
        StepResult::Done(files) => (RowResult::Done, None, files.as_slice()),
        StepResult::Unchanged => {
            let linked = match outcome.purpose {
                Some(EditPurpose::Merge) => Some("only linked: its entity has everything already".to_owned()),
                Some(EditPurpose::Adopt) => Some("only linked: its entity bears its mark already".to_owned()),
                Some(EditPurpose::Update) | None => None,
            };
            (RowResult::Unchanged, linked, [].as_slice())
        }
        StepResult::Failed { reason, .. } | StepResult::Left { reason } => {
            (RowResult::Failed, Some(reason.clone()), [].as_slice())
        }
    };
    ImportRow {
        repository,
        action: match outcome.action {
            ImportAction::Register => Action::Register,
            ImportAction::Merge => Action::Merge,
        },
        entity: Some(outcome.entity.to_string()),
        result,
        change: Some(match outcome.purpose {
            None => Change::Register,
            Some(EditPurpose::Merge) => Change::Merge,
            Some(EditPurpose::Update) => Change::Update,
            Some(EditPurpose::Adopt) => Change::Adopt,
        }),
        reason,
        files: files
            .iter()
            .map(|file| super::answer::ChangedFile { path: file.path.clone(), diff: file.diff.clone() })
            .collect(),
    }
}

/// Asks a sync in flight to stop at its next checkpoint, and waits a moment for it.
pub(super) async fn cancel(app: &App, id: &str) -> Result<Answer, Failure> {
    let Some(flight) = app.running.flight(id).filter(|flight| app.caller.sees(&flight.integration)) else {
        return Err(match app.store.sync(&SyncId(id.to_owned())).await? {
            Some((_, record)) if app.caller.sees(&record.integration) => Failure::refused(
                format!("sync {id} has ended: {}", record.outcome.as_str()),
                "`sync history` shows what runs",
            ),
            _ => unknown(id),
        });
    };
    info!(integration = %flight.integration, sync = %id, by = %app.caller.name, "the sync is asked to stop");
    flight.stop.cancel();
    // A request that hangs is not waited for: the record says `running` then, and `cancelled` soon.
    let _ = tokio::time::timeout(CANCEL_WAIT, flight.ended()).await;
    show(app, id).await
}

/// Applies what was held, as far as it still holds.
pub(super) async fn approve(
    app: &App,
    id: &str,
    progress: &(dyn Fn(Progress) + Sync + Send),
) -> Result<Answer, Failure> {
    let synced = app.store.sync(&SyncId(id.to_owned())).await?;
    let Some((key, _)) = synced.filter(|(_, record)| app.caller.sees(&record.integration)) else {
        return Err(unknown(id));
    };
    let Some(plan) = app.store.plan(id).await? else {
        return Err(Failure::refused(
            format!("sync {id} holds nothing that waits for approval"),
            "it was approved already, or a later sync holds it: `catalog-sync sync history`",
        ));
    };
    let Some(integration) = app.visible().find(|integration| integration.key() == key) else {
        return Err(Failure::refused(
            format!("the integration of sync {id} is not in the config any more"),
            "put it back, or delete its data: `catalog-sync integration delete NAME`",
        ));
    };
    if integration::is_suspended(integration, &app.store.switches(&key).await?) {
        return Err(suspended(app, integration));
    }
    let parts = app.assembler.parts(integration).await?;
    // Only repositories that would be gone are asked about; an approval of steps needs no credential.
    let is_gone = |presence: &Presence| matches!(presence, Presence::Gone);
    let source = match plan.absences.iter().any(|(_, presence)| is_gone(presence)) {
        true => Some(app.assembler.source(integration, Some(&app.store)).await?),
        false => None,
    };
    let approved = engine::approve::approve(&engine::approve::Approval {
        parts: &parts,
        source: source.as_deref(),
        store: app.store.as_ref(),
        clock: &app.clock,
        ids: &app.ids,
        by: &app.caller.name,
        stop: &app.stop,
        progress,
        plan: &plan,
    })
    .await;
    match approved {
        Ok(record) => {
            app.metrics.ended(&record);
            Ok(Answer::Syncs(vec![record]))
        }
        Err(EngineError::Store(error)) => Err(error.into()),
        Err(error) => {
            let mend = error.mend();
            Err(Failure { report: Report::plain(error.to_string(), mend), exit: Exit::Refused })
        }
    }
}
