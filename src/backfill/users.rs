//! The people of an integration: their list is walked once a day, under a cap and the request budget (product.md, P5.5).
//!
//! Each page is stored before the next is asked for. A walk that broke off, by kill or budget, is walked again: what was
//! stored costs no cap then, and only a walk that came to its end makes anybody missing.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Crawl, CutShort};
use crate::error::{Report, escape_control};
use crate::model::SyncError;
use crate::model::coverage::Unavailable;
use crate::model::sync::SecondaryCounts;
use crate::model::user::{UserCoverage, UserWalk};
use crate::source::SourceError;
use crate::store::{StoreError, UserBatch};

/// What somebody can do who sees no people.
const MEND: &str = "let the credential list people (Cloud: the scope account, which lists the workspace's members; Data \
                    Center: an account with a licence), or leave `users` out";

/// What the list is walked with.
pub struct UserInputs<'a> {
    /// As everything else.
    pub crawl: Crawl<'a>,
    /// Most people that are stored in one sync.
    pub per_sync: u64,
}

/// What was done, and what is left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserReport {
    /// Stored and left.
    pub counts: SecondaryCounts,
    /// What went wrong and was survived.
    pub error: Option<SyncError>,
    /// For people.
    pub notes: Vec<String>,
    /// `None`: it was not.
    pub cut_short: Option<CutShort>,
}

/// Walks the list, where it is due.
///
/// # Errors
/// Only those of the store.
pub async fn run(inputs: UserInputs<'_>) -> Result<UserReport, StoreError> {
    let crawl = &inputs.crawl;
    let mut coverage = crawl.store.user_coverage(crawl.integration).await?.unwrap_or_default();
    let mut report = UserReport::default();
    if crawl.source.tells_users() && coverage.is_due(crawl.now) {
        walk(&inputs, &mut coverage, &mut report).await?;
    } else if let Some(unavailable) = &coverage.unavailable {
        report.notes.push(unavailable.reason.clone());
    }
    if coverage.unavailable.is_none() {
        report.counts.backlog = coverage.waiting;
        report.counts.complete_by = complete_by(&inputs, coverage.waiting);
    }
    Ok(report)
}

async fn walk(inputs: &UserInputs<'_>, coverage: &mut UserCoverage, report: &mut UserReport) -> Result<(), StoreError> {
    let Crawl { source, store, lease, now, .. } = inputs.crawl;
    let mut walk = UserWalk::new(store.users(inputs.crawl.integration).await?);
    let mut cursor = None;
    let mut is_first = true;
    loop {
        report.cut_short = match source.usage().remaining {
            _ if inputs.crawl.stop.is_cancelled() => Some(CutShort::Stopped),
            Some(0) => Some(CutShort::RateLimited),
            _ => None,
        };
        if report.cut_short.is_some() {
            break;
        }
        let page = match source.users(cursor.as_ref()).await {
            Ok(page) => page,
            Err(error) => {
                fail(report, coverage, error, is_first, now);
                let batch = UserBatch { users: Vec::new(), forgotten: Vec::new(), coverage: coverage.clone() };
                store.record_users(lease, batch).await?;
                break;
            }
        };
        is_first = false;
        report.notes.extend(page.unreadable.iter().map(|reason| format!("users: {}", escape_control(reason))));
        let room = inputs.per_sync.saturating_sub(report.counts.stored);
        let users = walk.page(page.users, !page.unreadable.is_empty(), room);
        report.counts.stored += users.len() as u64;
        // A walk that breaks off later leaves at least these for the next.
        coverage.waiting = coverage.waiting.max(walk.waiting());
        coverage.unavailable = None;
        cursor = page.next;
        let forgotten = if cursor.is_none() {
            let walk = std::mem::replace(&mut walk, UserWalk::new(Vec::new()));
            walk.end(coverage, now)
        } else {
            Vec::new()
        };
        if !forgotten.is_empty() {
            report.notes.push(format!("users: forgot {} who are not listed any more", forgotten.len()));
        }
        store.record_users(lease, UserBatch { users, forgotten, coverage: coverage.clone() }).await?;
        if cursor.is_none() {
            break;
        }
    }
    Ok(())
}

fn fail(report: &mut UserReport, coverage: &mut UserCoverage, error: SourceError, is_first: bool, now: DateTime<Utc>) {
    if error.is_out_of_budget() {
        report.cut_short = Some(CutShort::RateLimited);
        return;
    }
    report.cut_short = error.ends_sync().then_some(CutShort::Unauthorized);
    if is_first && is_refusal(&error) {
        let message = Report::new("could not list users".to_owned(), &error, Some(MEND.to_owned())).one_line();
        report.notes.push(message.clone());
        let is_forbidden = matches!(error, SourceError::Forbidden { .. });
        coverage.unavailable =
            Some(Unavailable { reason: message, asked_at: now, source_updated_on: None, is_forbidden });
        return;
    }
    let message = Report::new("could not list users".to_owned(), &error, error.mend()).one_line();
    report.error =
        Some(SyncError { repository: None, stage: "users".to_owned(), message, retry: "next_sync".to_owned() });
}

fn is_refusal(error: &SourceError) -> bool {
    matches!(
        error,
        SourceError::Forbidden { .. }
            | SourceError::NotFound { .. }
            | SourceError::Removed { .. }
            | SourceError::BadRequest { .. }
    )
}

fn complete_by(inputs: &UserInputs<'_>, waiting: u64) -> Option<DateTime<Utc>> {
    let syncs = i32::try_from(waiting.div_ceil(inputs.per_sync.max(1))).ok().filter(|syncs| *syncs > 0)?;
    let interval = TimeDelta::from_std(inputs.crawl.interval).ok()?;
    inputs.crawl.now.checked_add_signed(interval.checked_mul(syncs)?)
}
