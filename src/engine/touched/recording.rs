//! How a look at single repositories ended. Thousands of them a day must not bury the history of syncs: those of an
//! hour are one record.

use chrono::{DateTime, Duration, Utc};

use crate::engine::{Run, Stop};
use crate::model::{Outcome, SecondaryCounts, SyncError, SyncRecord, Trigger};
use crate::store::StoreError;

/// A record takes looks for so long.
const OPEN: Duration = Duration::hours(1);
/// Among so many of the newest syncs the open record is.
const NEWEST: usize = 8;
/// So many errors and notes are kept in a record of many looks.
const TOLD: usize = 20;

/// The record that takes a look which begins now; `None`: one of its own.
pub(super) async fn open(run: &Run<'_>, now: DateTime<Utc>) -> Result<Option<SyncRecord>, StoreError> {
    let newest = run.store.syncs(Some(&run.parts.key), NEWEST).await?;
    Ok(newest
        .into_iter()
        .find(|sync| sync.trigger == Trigger::Webhook && (sync.started_at..sync.started_at + OPEN).contains(&now)))
}

/// Before anything is written: killed from here on, what the journal tells is of a sync that is known (P4.11).
pub(super) async fn begin(run: &Run<'_>, record: &SyncRecord) -> Result<(), StoreError> {
    run.store.save_sync(&run.parts.key, &SyncRecord { outcome: Outcome::Interrupted, ..record.clone() }).await
}

/// Writes down how it ended: in the open record, where there is one. `record` tells of this look alone.
pub(super) async fn conclude(
    run: &Run<'_>,
    open: Option<SyncRecord>,
    record: &mut SyncRecord,
    looks: usize,
    ended: Result<(), Stop>,
) -> Result<(), StoreError> {
    record.looks = looks as u64;
    record.outcome = match ended {
        Ok(()) if record.errors.is_empty() => Outcome::Completed,
        Ok(()) => Outcome::Partial,
        Err(Stop::RateLimited { .. }) => Outcome::RateLimited,
        Err(Stop::Cancelled) => Outcome::Cancelled,
        Err(stop) => {
            let stage = if let Stop::Failed { stage, .. } = &stop { stage } else { "discover" };
            record.errors.push(SyncError {
                repository: None,
                stage: (*stage).to_owned(),
                message: stop.into_report().one_line(),
                retry: "soon".to_owned(),
            });
            Outcome::Failed
        }
    };
    let usage = run.source.usage();
    record.requests = usage.requests.saturating_sub(run.requests_before);
    record.requests_remaining = usage.remaining;
    record.duration_ms = u64::try_from((run.clock.now() - record.started_at).num_milliseconds()).unwrap_or(0);
    run.store.save_budget(&run.parts.integration.connector, &run.source.budget_snapshot()).await?;
    let kept = open.map_or_else(|| record.clone(), |open| joined(open, record));
    run.store.save_sync(&run.parts.key, &kept).await
}

/// Two records as one.
fn joined(mut open: SyncRecord, look: &SyncRecord) -> SyncRecord {
    open.looks += look.looks;
    open.outcome = if severity(look.outcome) > severity(open.outcome) { look.outcome } else { open.outcome };
    open.duration_ms += look.duration_ms;
    open.requests += look.requests;
    open.requests_remaining = look.requests_remaining;
    let (sum, more) = (&mut open.repositories, &look.repositories);
    sum.seen += more.seen;
    sum.new += more.new;
    sum.changed += more.changed;
    sum.failed += more.failed;
    let (sum, more) = (&mut open.imported, &look.imported);
    sum.registered += more.registered;
    sum.merged += more.merged;
    sum.updated += more.updated;
    sum.failed += more.failed;
    let stored = |sum: &mut SecondaryCounts, more: &SecondaryCounts| sum.stored += more.stored;
    if let Some(more) = &look.secondary.pull_requests {
        stored(open.secondary.pull_requests.get_or_insert_default(), more);
    }
    if let Some(more) = &look.secondary.commits {
        stored(open.secondary.commits.get_or_insert_default(), more);
    }
    for (kind, more) in &look.secondary.details {
        stored(open.secondary.details.entry(*kind).or_default(), more);
    }
    tell(&mut open.errors, &look.errors);
    tell(&mut open.notes, &look.notes);
    open
}

/// The newest, each once.
fn tell<T: Clone + PartialEq>(told: &mut Vec<T>, more: &[T]) {
    for one in more {
        told.retain(|before| before != one);
        told.push(one.clone());
    }
    told.drain(..told.len().saturating_sub(TOLD));
}

fn severity(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Failed => 3,
        Outcome::Partial | Outcome::Interrupted => 2,
        Outcome::RateLimited | Outcome::Cancelled => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SyncId;

    fn look(outcome: Outcome, note: &str) -> SyncRecord {
        let mut record =
            SyncRecord::begun(SyncId("1".to_owned()), "acme", Trigger::Webhook, chrono::DateTime::UNIX_EPOCH);
        (record.outcome, record.looks, record.requests) = (outcome, 1, 2);
        record.secondary.commits = Some(SecondaryCounts { stored: 3, ..SecondaryCounts::default() });
        record.notes.push(note.to_owned());
        record
    }

    // P6.12: what thousands of events brought is one record an hour, which stays small and tells the worst of it.
    #[test]
    fn looks_are_added_up_p6_12() {
        let mut open = look(Outcome::Completed, "0");
        for number in 1..100 {
            let outcome = if number == 7 { Outcome::Partial } else { Outcome::Completed };
            open = joined(open, &look(outcome, &format!("{}", number % 50)));
        }
        assert_eq!((open.looks, open.requests, open.outcome), (100, 200, Outcome::Partial));
        assert_eq!(open.secondary.commits.map(|counts| counts.stored), Some(300));
        assert_eq!((open.notes.len(), open.notes.last().map(String::as_str)), (TOLD, Some("49")));
    }
}
