//! Streams of events: bounded in number, for each caller and in all; a reader that does not keep up is cut off.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;
use axum::response::sse::Event as Sent;
use futures::stream::{self, StreamExt};
use serde::Serialize;
use tokio::sync::broadcast::Receiver;

use super::call::Call;
use super::reply::Events;
use crate::commands::App;
use crate::commands::caller::Caller;
use crate::commands::jobs::Job;
use crate::commands::masked::shown;
use crate::commands::request::{Answer, Request};
use crate::commands::running::{Event, SyncProgress, SyncStarted};
use crate::model::{Outcome, SyncId};
use crate::server::problem::Problem;

/// Streams of one caller at a time.
const OF_ONE: usize = 32;
/// Streams of all callers at a time.
const OF_ALL: usize = 256;
/// Rows of an import told at once.
const ROWS_AT_ONCE: usize = 100;

/// Streams that are open.
#[derive(Clone, Default)]
pub(super) struct Streams(Arc<Mutex<BTreeMap<String, usize>>>);

/// One open stream; dropped, its place is free.
struct Open {
    streams: Streams,
    caller: String,
}

impl Streams {
    fn open(&self, caller: &Caller) -> Result<Open, Problem> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_all: usize = open.values().sum();
        let of_caller = open.entry(caller.name.clone()).or_default();
        if *of_caller >= OF_ONE || of_all >= OF_ALL {
            let what = format!("{} event streams are open", (*of_caller).max(OF_ONE));
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, what, "close some: one tells of every sync"));
        }
        *of_caller += 1;
        Ok(Open { streams: self.clone(), caller: caller.name.clone() })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut open = self.streams.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.caller) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.caller);
            }
        }
    }
}

fn sent(name: &str, data: &impl Serialize) -> Sent {
    let data = serde_json::to_string(data).unwrap_or_default();
    Sent::default().event(name).data(data)
}

/// As whoever listens may have it: a record may name repositories of an integration that they do not see.
fn sent_event(app: &App, event: &Event) -> Sent {
    match event {
        Event::Started(data) => sent(event.as_str(), data),
        Event::Progress(data) => sent(event.as_str(), data),
        Event::Ended(data) => sent(event.as_str(), &shown(app, data)),
        Event::Failed(data) => sent(event.as_str(), &shown(app, data)),
    }
}

/// Of every sync the caller sees.
pub(super) fn of_all(call: &Call) -> Result<Events, Problem> {
    let open = call.shared.streams.open(&call.app.caller)?;
    let state = (call.app.running.events(), call.app.clone(), open);
    let events = stream::unfold(state, |(mut events, app, open)| async move {
        loop {
            // Who lags is cut off: what is missing cannot be told by what follows.
            let event = tokio::select! {
                () = app.stop.cancelled() => return None,
                event = events.recv() => event.ok()?,
            };
            if app.caller.sees(event.integration()) {
                return Some((sent_event(&app, &event), (events, app, open)));
            }
        }
    });
    // Said at once, so that whoever connects knows that it does.
    let first = stream::once(async { Sent::default().comment("what happens from now on") });
    Ok(Events::of(first.chain(events)))
}

/// Of one sync: how far it has got, what follows, and its end.
pub(super) async fn of_sync(call: &Call, id: &str) -> Result<Events, Problem> {
    let open = call.shared.streams.open(&call.app.caller)?;
    // Listening begins before looking: nothing falls in between.
    let events = call.app.running.events();
    let flight = call.app.running.flight(id).filter(|flight| call.app.caller.sees(&flight.integration));
    let Some(flight) = flight else {
        let record = match call.ask(Request::SyncShow { id: id.to_owned() }).await? {
            Answer::Sync(record) => record,
            _ => return Err(super::call::unexpected()),
        };
        let events = vec![sent("ended", &record)];
        return Ok(Events::of(stream::iter(events)));
    };
    let started = SyncStarted {
        id: flight.id.clone(),
        integration: flight.integration.clone(),
        trigger: flight.trigger,
        started_at: flight.started_at,
    };
    let mut first = vec![sent("started", &started)];
    first.extend(flight.progress().map(|progress| sent("progress", &SyncProgress { id: flight.id.clone(), progress })));
    let state = Some((events, flight.id.clone(), call.app.clone(), open));
    drop(flight);
    let following = stream::unfold(state, |state| async move {
        let (mut events, id, app, open) = state?;
        let event = tokio::select! {
            () = app.stop.cancelled() => None,
            event = next_of(&mut events, &id) => event,
        }?;
        let sent = sent_event(&app, &event);
        // A record that still says so is one that a later event follows.
        let is_over = event.is_last() && !matches!(&event, Event::Ended(record) if record.outcome == Outcome::Running);
        Some((sent, (!is_over).then_some((events, id, app, open))))
    });
    Ok(Events::of(stream::iter(first).chain(following)))
}

async fn next_of(events: &mut Receiver<Event>, id: &SyncId) -> Option<Event> {
    loop {
        let event = events.recv().await.ok()?;
        if event.id() == id && !matches!(event, Event::Started(_)) {
            return Some(event);
        }
    }
}

/// Of an import: each row as it gets its result, then how it ended.
pub(super) fn of_import(call: &Call, job: Arc<Job>, after: usize) -> Result<Events, Problem> {
    let open = call.shared.streams.open(&call.app.caller)?;
    let state = Some((job, after, call.app.stop.clone(), open));
    let events = stream::unfold(state, |state| async move {
        let (job, after, stop, open) = state?;
        tokio::select! {
            () = stop.cancelled() => return None,
            () = job.more(after) => {}
        }
        let report = job.report(after, ROWS_AT_ONCE);
        let mut told: Vec<Sent> = report.rows.iter().map(|row| sent("row", row)).collect();
        let next = after + report.rows.len();
        let is_over = report.ended_at.is_some() || report.failure.is_some();
        let state = match is_over && next as u64 >= report.done {
            true => {
                told.push(sent("ended", &crate::commands::jobs::JobReport { rows: Vec::new(), ..report }));
                None
            }
            false => Some((job, next, stop, open)),
        };
        Some((stream::iter(told), state))
    });
    Ok(Events::of(events.flatten()))
}
