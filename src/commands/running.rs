//! Syncs in flight: each is known by its id from before its first request to its end, tells how far it has got, and can
//! be asked to stop.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::Failure;
use crate::engine::Progress;
use crate::error::Report;
use crate::model::{IntegrationKey, SyncId, SyncRecord, Trigger};

/// Events that wait for a slow reader; one that is further behind is dropped.
const WAITING_EVENTS: usize = 512;
/// Progress of one stage is told at most this often, and when the stage ends.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// Ends remembered of syncs that left no record.
const REMEMBERED: usize = 64;

/// Every sync in flight in this process.
#[derive(Debug)]
pub struct Running {
    state: Mutex<State>,
    events: broadcast::Sender<Event>,
}

#[derive(Debug, Default)]
struct State {
    flights: BTreeMap<IntegrationKey, Arc<Flight>>,
    /// Syncs that did not come about, newest last: there is no record of them.
    failed: VecDeque<(SyncId, String, Report)>,
}

impl Default for Running {
    fn default() -> Self {
        Self { state: Mutex::default(), events: broadcast::Sender::new(WAITING_EVENTS) }
    }
}

/// One sync in flight.
#[derive(Debug)]
pub struct Flight {
    /// Its id; its record will have it.
    pub id: SyncId,
    /// Name of the integration.
    pub integration: String,
    /// What started it.
    pub trigger: Trigger,
    /// When.
    pub started_at: DateTime<Utc>,
    /// Cancelled: it stops at its next checkpoint.
    pub stop: CancellationToken,
    progress: Mutex<Told>,
    over: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Told {
    last: Option<Progress>,
    told_at: Option<Instant>,
}

impl Flight {
    /// How far it has got.
    pub fn progress(&self) -> Option<Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).last.clone()
    }

    /// Returns when it has ended.
    pub async fn ended(&self) {
        let mut over = self.over.subscribe();
        // Fails when the sender is gone, and then it is over, too.
        let _ = over.wait_for(|over| *over).await;
    }
}

/// Something that happened to a sync.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event", content = "data")]
pub enum Event {
    /// It was begun.
    Started(SyncStarted),
    /// How far it has got.
    Progress(SyncProgress),
    /// It has ended, and left this record.
    Ended(Box<SyncRecord>),
    /// It could not begin, and left no record.
    Failed(SyncFailed),
}

/// A sync that was begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SyncStarted {
    /// The sync.
    pub id: SyncId,
    /// Name of the integration.
    pub integration: String,
    /// What started it.
    pub trigger: Trigger,
    /// When.
    pub started_at: DateTime<Utc>,
}

/// How far a sync has got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SyncProgress {
    /// The sync.
    pub id: SyncId,
    /// How far.
    #[serde(flatten)]
    pub progress: Progress,
}

/// A sync that could not begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SyncFailed {
    /// The sync.
    pub id: SyncId,
    /// Name of the integration.
    pub integration: String,
    /// Why, and what to do.
    pub message: String,
}

impl Event {
    /// Name of the integration it is about: who does not see that does not see this.
    pub fn integration(&self) -> &str {
        match self {
            Self::Started(of) => &of.integration,
            Self::Progress(of) => &of.progress.integration,
            Self::Ended(record) => &record.integration,
            Self::Failed(of) => &of.integration,
        }
    }

    /// Which sync.
    pub fn id(&self) -> &SyncId {
        match self {
            Self::Started(of) => &of.id,
            Self::Progress(of) => &of.id,
            Self::Ended(record) => &record.id,
            Self::Failed(of) => &of.id,
        }
    }

    /// Nothing more comes of this sync.
    pub fn is_last(&self) -> bool {
        matches!(self, Self::Ended(_) | Self::Failed(_))
    }

    /// As in event streams: `started`, `progress`, `ended`, `failed`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Started(_) => "started",
            Self::Progress(_) => "progress",
            Self::Ended(_) => "ended",
            Self::Failed(_) => "failed",
        }
    }
}

/// What a sync is begun with.
#[derive(Clone, Debug)]
pub struct Begin {
    /// Identity of the integration.
    pub key: IntegrationKey,
    /// Its name.
    pub integration: String,
    /// What starts it.
    pub trigger: Trigger,
    /// The id it will have.
    pub id: SyncId,
    /// When.
    pub at: DateTime<Utc>,
}

impl Running {
    /// Enters a sync into the book; `stop` of it is a child of `stop`.
    ///
    /// # Errors
    /// Refused: one of this integration is in flight.
    pub fn begin(self: &Arc<Self>, begin: Begin, stop: &CancellationToken) -> Result<UnderWay, Failure> {
        let Begin { key, integration, trigger, id, at } = begin;
        let flight = Arc::new(Flight {
            id,
            integration,
            trigger,
            started_at: at,
            stop: stop.child_token(),
            progress: Mutex::default(),
            over: watch::Sender::new(false),
        });
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(other) = state.flights.get(&key) {
                return Err(Failure::refused(
                    format!("a sync of {} is running", other.integration),
                    format!("wait for it to end, or stop it: `sync cancel {}`", other.id),
                ));
            }
            state.flights.insert(key.clone(), flight.clone());
        }
        self.tell(Event::Started(SyncStarted {
            id: flight.id.clone(),
            integration: flight.integration.clone(),
            trigger,
            started_at: at,
        }));
        Ok(UnderWay { running: self.clone(), key, flight, end: None })
    }

    /// Syncs in flight, by integration.
    pub fn flights(&self) -> Vec<Arc<Flight>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).flights.values().cloned().collect()
    }

    /// The sync of an integration that is in flight.
    pub fn of(&self, key: &IntegrationKey) -> Option<Arc<Flight>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).flights.get(key).cloned()
    }

    /// Whether a sync of an integration is in flight.
    pub fn is_syncing(&self, key: &IntegrationKey) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).flights.contains_key(key)
    }

    /// A sync in flight by its id.
    pub fn flight(&self, id: &str) -> Option<Arc<Flight>> {
        self.flights().into_iter().find(|flight| flight.id.0 == id)
    }

    /// Why a sync came to nothing, of one that left no record: the name of its integration, and the words.
    pub fn failure(&self, id: &str) -> Option<(String, Report)> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = state.failed.iter().find(|(failed, ..)| failed.0 == id);
        failed.map(|(_, integration, report)| (integration.clone(), report.clone()))
    }

    /// Everything that happens from now on. Who does not keep up is told so by the receiver, and misses something.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    fn tell(&self, event: Event) {
        // Fails when nobody listens.
        let _ = self.events.send(event);
    }
}

/// A sync in flight; dropped, it has ended, whatever ended it.
#[derive(Debug)]
pub struct UnderWay {
    running: Arc<Running>,
    key: IntegrationKey,
    flight: Arc<Flight>,
    end: Option<Event>,
}

impl UnderWay {
    /// The sync.
    pub fn flight(&self) -> &Arc<Flight> {
        &self.flight
    }

    /// How far it has got: remembered, and told to whoever listens.
    pub fn report(&self, progress: &Progress) {
        let is_due = {
            let mut told = self.flight.progress.lock().unwrap_or_else(PoisonError::into_inner);
            let is_other = told.last.as_ref().is_none_or(|last| last.stage != progress.stage);
            told.last = Some(progress.clone());
            let is_due = is_other || progress.finished || told.told_at.is_none_or(|at| at.elapsed() >= TELL_EVERY);
            if is_due {
                told.told_at = Some(Instant::now());
            }
            is_due
        };
        if is_due {
            self.running.tell(Event::Progress(SyncProgress { id: self.flight.id.clone(), progress: progress.clone() }));
        }
    }

    /// It has ended, and this came of it.
    pub fn end(mut self, result: Result<&SyncRecord, &Failure>) {
        self.end = Some(match result {
            Ok(record) => Event::Ended(Box::new(record.clone())),
            Err(failure) => self.failed(&failure.report),
        });
    }

    fn failed(&self, report: &Report) -> Event {
        let Flight { id, integration, .. } = &*self.flight;
        let mut state = self.running.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.failed.len() >= REMEMBERED {
            state.failed.pop_front();
        }
        state.failed.push_back((id.clone(), integration.clone(), report.clone()));
        Event::Failed(SyncFailed { id: id.clone(), integration: integration.clone(), message: report.one_line() })
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mend = Some("please report this with the log".to_owned());
        let end = match self.end.take() {
            Some(end) => end,
            None => self.failed(&Report::plain("the sync ended without a word", mend)),
        };
        self.running.state.lock().unwrap_or_else(PoisonError::into_inner).flights.remove(&self.key);
        self.flight.over.send_replace(true);
        self.running.tell(end);
    }
}
