//! Backfill as a stage: pull requests and commits first, then what hangs on them (P5.5).

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use super::forbidden::{mark_forbidden, note_refused, welcome_back};
use super::known::{is_inaccessible, known, served};
use super::{Progress, Run, Stop};
use crate::backfill;
use crate::backfill::details::{self, DetailInputs};
use crate::backfill::users::{self, UserInputs};
use crate::backfill::{Crawl, CutShort};
use crate::model::{RepoKey, Secondary, SecondaryKind, SyncRecord};
use crate::store::{CrawlLease, StoreError};

pub(super) async fn backfilling(
    run: &Run<'_>,
    lease: &CrawlLease,
    record: &mut SyncRecord,
    unserved: &mut BTreeSet<RepoKey>,
) -> Result<(), Stop> {
    if run.dry_run {
        return Ok(());
    }
    if run.parts.integration.secondary_kinds.is_empty() {
        return detailing(run, lease, record).await;
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
        crawl: crawl(run, lease),
        // The inaccessible ones as well: what was refused there is asked for again.
        repositories: known(run, |known| known.presence.is_served() || is_inaccessible(known)).await?,
        pull_requests: run.parts.kind(SecondaryKind::PullRequests),
        commits: run.parts.kind(SecondaryKind::Commits),
        start_date: run.parts.start_date(),
        asks_again: record.sweep,
        only_newest: false,
        rotation_share: backfill::ROTATION_SHARE,
        progress: &|progress| {
            *latest.lock().unwrap_or_else(PoisonError::into_inner) = progress;
            stages(&progress, false);
        },
    })
    .await?;
    let last = *latest.lock().unwrap_or_else(PoisonError::into_inner);
    if last.pages > 0 {
        stages(&last, true);
    }
    unserved.extend(mark_forbidden(run, lease, record, &report.unreadable).await?);
    for repo in welcome_back(run, lease, record, &report.readable_again).await? {
        unserved.remove(&repo);
    }
    note_refused(record, &report.refused);
    let failed: BTreeSet<&str> = report.errors.iter().filter_map(|error| error.repository.as_deref()).collect();
    record.repositories.failed += failed.len() as u64;
    record.secondary =
        Secondary { pull_requests: report.pull_requests, commits: report.commits, ..Secondary::default() };
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
    unless_cut_short(run, report.cut_short)?;
    detailing(run, lease, record).await
}

/// What hangs on the pull requests and commits stored (P5.5).
async fn detailing(run: &Run<'_>, lease: &CrawlLease, record: &mut SyncRecord) -> Result<(), Stop> {
    let of_users = peopling(run, lease, record).await?;
    let kinds = run.parts.detail_kinds();
    // People may be counted against a limit of their own.
    if kinds.is_empty() || of_users.is_some_and(|why| why != CutShort::RateLimited) {
        return unless_cut_short(run, of_users);
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
        crawl: crawl(run, lease),
        repositories: served(run, |_| true).await?.into_iter().map(|known| known.repository).collect(),
        kinds,
        asks_again: record.sweep,
        progress: &|done, planned| {
            *latest.lock().unwrap_or_else(PoisonError::into_inner) = (done, planned);
            progress(done, planned, false);
        },
    })
    .await?;
    let (done, planned) = *latest.lock().unwrap_or_else(PoisonError::into_inner);
    if planned > 0 {
        progress(done, planned, true);
    }
    record.secondary.details = report.counts;
    record.errors.extend(report.errors);
    record.notes.extend(report.notes);
    note_refused(record, &report.refused);
    unless_cut_short(run, report.cut_short.or(of_users))
}

/// What both are fetched with.
pub(super) fn crawl<'a>(run: &Run<'a>, lease: &'a CrawlLease) -> Crawl<'a> {
    Crawl {
        source: run.source,
        store: run.store,
        lease,
        integration: &run.parts.key,
        now: run.clock.now(),
        concurrency: backfill::CONCURRENCY.min(run.source.most_at_once()),
        stop: run.stop.clone(),
        interval: run.interval,
    }
}

pub(super) fn unless_cut_short(run: &Run<'_>, cut_short: Option<CutShort>) -> Result<(), Stop> {
    match cut_short {
        None => Ok(()),
        // The refusal itself is among the errors; nothing was concluded from it.
        Some(CutShort::Unauthorized) => Err(Stop::Refused),
        Some(CutShort::Stopped) => Err(Stop::Cancelled),
        Some(CutShort::RateLimited) => Err(Stop::RateLimited { resume_at: run.source.usage().resume_at }),
    }
}

/// The people of the integration (P5.5); forgotten where they are not selected any more.
async fn peopling(run: &Run<'_>, lease: &CrawlLease, record: &mut SyncRecord) -> Result<Option<CutShort>, StoreError> {
    let Some(per_sync) = run.parts.users() else {
        if run.store.user_coverage(&run.parts.key).await?.is_some() {
            run.store.forget_users(lease).await?;
            record.notes.push("users: forgotten, since they are not selected any more".to_owned());
        }
        return Ok(None);
    };
    let report = users::run(UserInputs { crawl: crawl(run, lease), per_sync }).await?;
    record.secondary.users = Some(report.counts);
    record.errors.extend(report.error);
    record.notes.extend(report.notes);
    Ok(report.cut_short)
}
