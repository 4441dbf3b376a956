//! `sync history|show`: syncs that ran, that run, and that could not begin.

use crate::commands::caller::Sees;
use crate::commands::request::Answer;
use crate::commands::{App, Failure};
use crate::model::{Outcome, SyncId, SyncRecord};

/// Past syncs, newest first.
pub(in crate::commands) async fn history(app: &App, name: Option<&str>, limit: usize) -> Result<Answer, Failure> {
    let key = match name {
        Some(name) => Some(app.integration(name)?.key()),
        None => None,
    };
    if key.is_some() || matches!(app.caller.sees, Sees::Everything) {
        let records = app.store.syncs(key.as_ref(), limit).await?;
        return Ok(Answer::Syncs(records.into_iter().map(|record| so_far(app, record)).collect()));
    }
    let mut all = Vec::new();
    for integration in app.visible() {
        all.extend(app.store.syncs(Some(&integration.key()), limit).await?);
    }
    all.sort_by(|a, b| (b.started_at, &b.id).cmp(&(a.started_at, &a.id)));
    all.truncate(limit);
    Ok(Answer::Syncs(all.into_iter().map(|record| so_far(app, record)).collect()))
}

/// Of one that runs, how long it has been running.
fn so_far(app: &App, record: SyncRecord) -> SyncRecord {
    if record.outcome != Outcome::Running {
        return record;
    }
    let duration = (app.clock.now() - record.started_at).num_milliseconds();
    SyncRecord { duration_ms: u64::try_from(duration).unwrap_or_default(), ..record }
}

/// One sync.
pub(in crate::commands) async fn show(app: &App, id: &str) -> Result<Answer, Failure> {
    match app.store.sync(&SyncId(id.to_owned())).await? {
        Some((_, record)) if app.caller.sees(&record.integration) => {
            return Ok(Answer::Sync(Box::new(so_far(app, record))));
        }
        _ => {}
    }
    // Begun, and its record is not written yet; or it came to nothing, and there is none.
    if let Some(flight) = app.running.flight(id).filter(|flight| app.caller.sees(&flight.integration)) {
        let record = SyncRecord::begun(flight.id.clone(), &flight.integration, flight.trigger, flight.started_at);
        return Ok(Answer::Sync(Box::new(so_far(app, record))));
    }
    match app.running.failure(id) {
        Some((integration, report)) if app.caller.sees(&integration) => {
            let mut failure =
                Failure::unknown(format!("sync {id} could not begin"), report.mend.clone().unwrap_or_default());
            failure.report.because = std::iter::once(report.what).chain(report.because).collect();
            Err(failure)
        }
        _ => Err(unknown(id)),
    }
}

pub(super) fn unknown(id: &str) -> Failure {
    Failure::unknown(format!("there is no sync {id}"), "`catalog-sync sync history` lists them")
}
