//! Streams of events: bounded in number, for each caller and in all; a reader that does not keep up is cut off, and so is
//! one whose token, session or proxy lets in nobody any more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::sse::Event as Sent;
use futures::stream::{self, StreamExt};
use serde::Serialize;
use tokio::sync::broadcast::Receiver;
use tokio::time::Instant;

use super::call::Call;
use super::reply::Events;
use crate::commands::App;
use crate::commands::jobs::Job;
use crate::commands::masked::shown;
use crate::commands::request::{Answer, Request};
use crate::commands::running::{Event, SyncProgress, SyncStarted};
use crate::model::{Outcome, SyncId};
use crate::server::access::Listener;
use crate::server::problem::Problem;
use crate::store::KnownBy;

/// Streams of one caller at a time.
const OF_ONE: usize = 32;
/// Streams of all callers at a time.
const OF_ALL: usize = 256;
/// Rows of an import told at once.
const ROWS_AT_ONCE: usize = 100;
/// How long whoever was let in counts as such: a token that is gone, a session that ended, is noticed within it.
const ASKED_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// Streams that are open.
#[derive(Clone, Default)]
pub(super) struct Streams(Arc<Mutex<BTreeMap<Who, usize>>>);

/// By name, and by what they are known.
type Who = (String, KnownBy);

/// One open stream; dropped, its place is free.
struct Open {
    streams: Streams,
    who: Who,
    /// For whoever listens, as they were known last.
    app: App,
    listener: Option<Listener>,
    asked_at: Instant,
}

impl Streams {
    fn open(&self, call: &mut Call) -> Result<Open, Problem> {
        let caller = &call.app.caller;
        let who = (caller.name.clone(), caller.known_by);
        {
            let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let of_all: usize = open.values().sum();
            let of_caller = open.get(&who).copied().unwrap_or_default();
            if of_caller >= OF_ONE || of_all >= OF_ALL {
                let what = format!("{} event streams are open", of_caller.max(OF_ONE));
                return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, what, "close some: one tells of every sync"));
            }
            open.insert(who.clone(), of_caller + 1);
        }
        let (app, listener) = (call.app.clone(), call.listener.take());
        Ok(Open { streams: self.clone(), who, app, listener, asked_at: Instant::now() })
    }
}

impl Open {
    /// When whoever listens is to be asked for again.
    fn until(&self) -> Instant {
        self.asked_at + ASKED_AGAIN_AFTER
    }

    /// Whether whoever listens may go on: known still, as the same one, with what they may see by now.
    async fn goes_on(&mut self) -> bool {
        if Instant::now() < self.until() {
            return true;
        }
        self.asked_at = Instant::now();
        let Some(listener) = &self.listener else { return true };
        match listener.now().await {
            Some((app, caller)) if caller.is(&self.app.caller) => {
                self.app = app.for_caller(caller);
                true
            }
            _ => false,
        }
    }

    /// Waits for the end of everything, `true`, or until somebody is to be asked for again.
    async fn is_over(&self) -> bool {
        tokio::select! {
            () = self.app.stop.cancelled() => true,
            () = tokio::time::sleep_until(self.until()) => false,
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut open = self.streams.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.who) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.who);
            }
        }
    }
}

fn sent(name: &str, data: &impl Serialize) -> Sent {
    let data = serde_json::to_string(data).unwrap_or_default();
    Sent::default().event(name).data(data)
}

/// As whoever listens may have it: a record may name repositories of an integration that they do not see.
async fn sent_event(app: &App, event: &Event) -> Sent {
    match event {
        Event::Started(data) => sent(event.as_str(), data),
        Event::Progress(data) => sent(event.as_str(), data),
        Event::Ended(data) => sent(event.as_str(), &shown(app, data).await),
        Event::Failed(data) => sent(event.as_str(), &shown(app, data).await),
    }
}

/// Of every sync the caller sees.
pub(super) fn of_all(call: &mut Call) -> Result<Events, Problem> {
    let streams = call.shared.streams.clone();
    let open = streams.open(call)?;
    let state = (call.app.running.events(), open);
    let events = stream::unfold(state, |(mut events, mut open)| async move {
        while open.goes_on().await {
            // Who lags is cut off: what is missing cannot be told by what follows.
            let event = tokio::select! {
                is_over = open.is_over() => if is_over { return None } else { continue },
                event = events.recv() => event.ok()?,
            };
            if open.app.caller.sees(event.integration()) {
                return Some((sent_event(&open.app, &event).await, (events, open)));
            }
        }
        None
    });
    // Said at once, so that whoever connects knows that it does.
    let first = stream::once(async { Sent::default().comment("what happens from now on") });
    Ok(Events::of(first.chain(events)))
}

/// Of one sync: how far it has got, what follows, and its end.
pub(super) async fn of_sync(call: &mut Call, id: &str) -> Result<Events, Problem> {
    let streams = call.shared.streams.clone();
    let open = streams.open(call)?;
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
    let state = Some((events, flight.id.clone(), open));
    drop(flight);
    let following = stream::unfold(state, |state| async move {
        let (mut events, id, mut open) = state?;
        let event = loop {
            if !open.goes_on().await {
                return None;
            }
            tokio::select! {
                is_over = open.is_over() => if is_over { return None },
                event = next_of(&mut events, &id) => break event?,
            }
        };
        if !open.app.caller.sees(event.integration()) {
            return None;
        }
        let sent = sent_event(&open.app, &event).await;
        // A record that still says so is one that a later event follows.
        let is_over = event.is_last() && !matches!(&event, Event::Ended(record) if record.outcome == Outcome::Running);
        Some((sent, (!is_over).then_some((events, id, open))))
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
pub(super) fn of_import(call: &mut Call, job: Arc<Job>, after: usize) -> Result<Events, Problem> {
    let streams = call.shared.streams.clone();
    let open = streams.open(call)?;
    let state = Some((job, after, open));
    let events = stream::unfold(state, |state| async move {
        let (job, after, mut open) = state?;
        loop {
            if !open.goes_on().await {
                return None;
            }
            tokio::select! {
                is_over = open.is_over() => if is_over { return None },
                () = job.more(after) => break,
            }
        }
        if !job.may_be_seen_by(&open.app.caller) {
            return None;
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
            false => Some((job, next, open)),
        };
        Some((stream::iter(told), state))
    });
    Ok(Events::of(events.flatten()))
}
