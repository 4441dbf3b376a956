//! Asks and stores, in the order `budget` gave.
//!
//! One task drives everything: requests run beside each other, pages are judged one after the other
//! (so the caps need no locks), and what is ready goes to the store in one write while the next
//! requests are under way. Room under the cap is reserved before a page is asked, in order: nobody
//! behind overtakes, and no page is asked for that could not be stored.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio_util::sync::CancellationToken;

use super::budget::{self, Class, Left, Standing, Work};
use super::marks;
use super::stream::{Fetched, Request, Stream, Terms};
use super::{BackfillInputs, BackfillReport, Crawl, CutShort, Progress, Refused, Unreadable};
use crate::error::Report;
use crate::model::coverage::{Coverage, Head, Ranges, UnknownHeads};
use crate::model::sync::SecondaryCounts;
use crate::model::{IntegrationKey, Item, Presence, RepoKey, Repository, SecondaryKind, SyncError};
use crate::source::{Ask, Cursor, ItemPage, Source, SourceError};
use crate::store::{ItemBatch, Store, StoreError};

/// Among so many of the newest stored commits some are chosen to be named, when the server no longer
/// knows the head they hung on.
const LEAVE_OUT_AMONG: usize = 4_096;

/// So many repositories are read from the store one by one; more of them with all others.
const READ_ONE_BY_ONE: usize = 64;

/// A repository, since when it is known, whether its sync rests.
type Served = (Arc<Repository>, DateTime<Utc>, bool);

pub(super) async fn run(inputs: BackfillInputs<'_>) -> Result<BackfillReport, StoreError> {
    let mut backfill = Backfill::prepare(inputs).await?;
    backfill.drive().await?;
    Ok(backfill.report())
}

/// Items of one kind in this sync.
#[derive(Debug, Default)]
struct Cap {
    per_sync: u64,
    /// Judged to be stored.
    used: u64,
    /// Kept for pages under way.
    reserved: u64,
    /// Written.
    stored: u64,
}

impl Cap {
    fn room(&self) -> u64 {
        self.per_sync - self.used - self.reserved
    }
}

enum Event {
    Fetched { stream: usize, class: Class, round: u32, reserved: u64, result: Box<Result<Fetched, Failure>> },
    Marks { stream: usize, stored: Result<Vec<Item>, StoreError> },
}

enum Failure {
    Source(SourceError),
    Store(StoreError),
    Unknown { hashes: Vec<String>, stored: Vec<String> },
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A page waiting to be recorded, and where its stream goes on afterwards.
struct Ready {
    batch: ItemBatch,
    stored: u64,
    stream: usize,
    next: Option<Work>,
}

/// A write under way, and what it writes.
type Recording<'a> = (BoxFuture<'a, Result<(), StoreError>>, Vec<Ready>);

struct Backfill<'a> {
    inputs: BackfillInputs<'a>,
    streams: Vec<Stream>,
    caps: HashMap<SecondaryKind, Cap>,
    queues: HashMap<SecondaryKind, BTreeSet<Work>>,
    ready: Vec<Ready>,
    /// Why nothing new is started.
    halt: Option<CutShort>,
    progress: Progress,
    report: BackfillReport,
}

impl BackfillInputs<'_> {
    fn terms(&self, kind: SecondaryKind) -> Option<Terms> {
        let settings = match kind {
            SecondaryKind::PullRequests => self.pull_requests,
            SecondaryKind::Commits => self.commits,
        }?;
        Some(Terms { settings, start: self.start_date, now: self.crawl.now, asks_again: self.asks_again })
    }
}

impl<'a> Backfill<'a> {
    async fn prepare(mut inputs: BackfillInputs<'a>) -> Result<Self, StoreError> {
        let repositories = std::mem::take(&mut inputs.repositories);
        let served: Vec<Served> = repositories
            .into_iter()
            .filter_map(|known| {
                let rests = match known.presence {
                    Presence::Present | Presence::Archived => false,
                    Presence::Inaccessible { .. } => true,
                    _ => return None,
                };
                Some((Arc::new(known.repository), known.first_seen, rests))
            })
            .collect();
        let mut backfill = Self {
            inputs,
            streams: Vec::new(),
            caps: HashMap::new(),
            queues: HashMap::new(),
            ready: Vec::new(),
            halt: None,
            progress: Progress::default(),
            report: BackfillReport::default(),
        };
        for kind in SecondaryKind::ALL {
            let Some(terms) = backfill.inputs.terms(kind) else { continue };
            let stored = backfill.stored(kind, &served).await?;
            let mut stored: HashMap<RepoKey, Coverage> =
                stored.into_iter().map(|coverage| (coverage.repo.clone(), coverage)).collect();
            for (repo, known_since, rests) in &served {
                let coverage = stored.remove(&repo.key);
                let mut stream = Stream::new(repo.clone(), *rests, kind, coverage, *known_since, terms);
                if backfill.inputs.only_newest {
                    stream.ask_newest();
                }
                backfill.streams.push(stream);
            }
            backfill.caps.insert(kind, Cap { per_sync: terms.settings.per_sync, ..Cap::default() });
            backfill.queues.insert(kind, BTreeSet::new());
        }
        backfill.plan();
        Ok(backfill)
    }

    /// The coverage of a kind: of a few repositories each by itself, so that an event costs the same however many
    /// there are.
    async fn stored(&self, kind: SecondaryKind, served: &[Served]) -> Result<Vec<Coverage>, StoreError> {
        let Crawl { store, integration, .. } = &self.inputs.crawl;
        if served.len() > READ_ONE_BY_ONE {
            return store.coverage(integration, kind).await;
        }
        let mut stored = Vec::new();
        for (repo, ..) in served {
            stored.extend(store.coverage_of(integration, &repo.key, kind).await?);
        }
        Ok(stored)
    }

    fn plan(&mut self) {
        let now = self.inputs.crawl.now;
        let (indices, standings): (Vec<_>, Vec<_>) = self
            .streams
            .iter()
            .enumerate()
            .filter(|(_, stream)| !stream.is_out)
            .map(|(index, stream)| {
                let standing = stream.standing(self.inputs.crawl.now);
                // What waits otherwise is not this sync's.
                let newest = |standing: Standing| Standing { gap_since: None, known_since: now, ..standing };
                (index, if self.inputs.only_newest { newest(standing) } else { standing })
            })
            .unzip();
        let caps = SecondaryKind::ALL.map(|kind| self.caps.get(&kind).map_or(0, |cap| cap.per_sync));
        let usage = self.inputs.crawl.source.usage();
        let share = self.inputs.rotation_share;
        let quota = budget::rotation_quota(share, usage.per_hour, usage.remaining, self.inputs.crawl.interval);
        let quota = if self.inputs.only_newest { 0 } else { quota };
        for mut work in budget::order(&standings, caps, quota, self.inputs.crawl.now) {
            work.stream = indices[work.stream];
            let stream = &mut self.streams[work.stream];
            stream.is_due |=
                work.class == Class::Rotation || work.rechecks || stream.is_changed || stream.coverage.window.is_none();
            self.progress.planned += 1;
            self.enqueue(work);
        }
    }

    fn enqueue(&mut self, work: Work) {
        let kind = self.streams[work.stream].kind;
        if let Some(queue) = self.queues.get_mut(&kind) {
            queue.insert(work);
        }
    }

    async fn drive(&mut self) -> Result<(), StoreError> {
        let stop: CancellationToken = self.inputs.crawl.stop.clone();
        let mut tasks: FuturesUnordered<BoxFuture<'a, Event>> = FuturesUnordered::new();
        let mut fetching = 0;
        let mut recording: Option<Recording<'a>> = None;
        // Left over from a sync that was cut off. A stream with work is marked after it: its head moves.
        let busy: HashSet<usize> = self.queues.values().flatten().map(|work| work.stream).collect();
        for stream in 0..self.streams.len() {
            if !busy.contains(&stream) && is_due_for_marking(&self.streams[stream]) {
                tasks.push(self.read_for_marking(stream));
            }
        }
        loop {
            while fetching < self.inputs.crawl.concurrency.max(1) && self.halt.is_none() {
                let Some(task) = self.start_next() else { break };
                tasks.push(task);
                fetching += 1;
            }
            if recording.is_none() && !self.ready.is_empty() {
                recording = Some(self.record());
            }
            if tasks.is_empty() && recording.is_none() {
                return Ok(());
            }
            tokio::select! {
                // What is written is judged first, so that walks go on soon.
                biased;
                result = async { recording.as_mut().expect("guarded").0.as_mut().await }, if recording.is_some() => {
                    result?;
                    let (_, done) = recording.take().expect("just polled");
                    let marking = self.recorded(done);
                    tasks.extend(marking.into_iter().map(|stream| self.read_for_marking(stream)));
                }
                () = stop.cancelled(), if self.halt != Some(CutShort::Stopped) => {
                    // Requests under way are dropped: nothing of them is recorded, the next sync asks again.
                    self.halt = Some(CutShort::Stopped);
                    tasks.clear();
                    fetching = 0;
                }
                Some(event) = tasks.next(), if !tasks.is_empty() => match event {
                    Event::Fetched { stream, class, round, reserved, result } => {
                        fetching -= 1;
                        self.fetched(stream, class, round, reserved, *result)?;
                    }
                    Event::Marks { stream, stored } => self.mark(stream, stored?),
                },
            }
        }
    }

    /// Starts the first request in order that has room under its cap; `None` when there is none, or
    /// when those under way must first give back what they do not need.
    fn start_next(&mut self) -> Option<BoxFuture<'a, Event>> {
        loop {
            let next = self.queues.iter().filter_map(|(kind, queue)| {
                let has_room = self.caps.get(kind).is_some_and(|cap| cap.room() > 0);
                queue.first().filter(|_| has_room).copied()
            });
            let work = next.min()?;
            if self.inputs.crawl.source.usage().remaining == Some(0) {
                self.halt = Some(CutShort::RateLimited);
                return None;
            }
            let stream = &mut self.streams[work.stream];
            let kind = stream.kind;
            self.queues.get_mut(&kind)?.remove(&work);
            let terms = self.inputs.terms(kind)?;
            let stream = &mut self.streams[work.stream];
            if stream.is_out {
                continue;
            }
            let Some((request, rows)) = stream.request(work.class, terms) else { continue };
            let cap = self.caps.get_mut(&kind)?;
            let reserved = rows.min(cap.room());
            cap.reserved += reserved;
            let (source, store) = (self.inputs.crawl.source, self.inputs.crawl.store);
            let integration = self.inputs.crawl.integration;
            return Some(Box::pin(async move {
                let result = Box::new(fetch(source, store, integration, request).await);
                Event::Fetched { stream: work.stream, class: work.class, round: work.round, reserved, result }
            }));
        }
    }

    fn fetched(
        &mut self,
        index: usize,
        class: Class,
        round: u32,
        reserved: u64,
        result: Result<Fetched, Failure>,
    ) -> Result<(), StoreError> {
        let stream = &mut self.streams[index];
        let kind = stream.kind;
        let (Some(cap), Some(terms)) = (self.caps.get_mut(&kind), self.inputs.terms(kind)) else { return Ok(()) };
        cap.reserved -= reserved;
        match result {
            Ok(fetched) => {
                let unreadable = fetched.page.unreadable.clone();
                // What others reserved is theirs; what is free may be taken beyond the estimate.
                let settled = stream.settle(fetched, cap.room(), terms);
                cap.used += settled.items.len() as u64;
                // A first fetch takes one page; what is new is walked to its end.
                let goes_on = settled.goes_on && class != Class::Never;
                let is_over = self.inputs.only_newest && !goes_on;
                let next = if is_over { None } else { stream.next_class(class, settled.goes_on) };
                let next =
                    next.map(|(class, since)| Work { class, round: round + 1, since, stream: index, rechecks: false });
                self.make_ready(index, settled.items, next);
                if !unreadable.is_empty() {
                    self.note_unreadable(index, &unreadable);
                }
                Ok(())
            }
            Err(Failure::Store(error)) => Err(error),
            Err(Failure::Unknown { hashes, stored }) => {
                let verdict = stream.unknown(&hashes, stored, terms);
                let is_later = verdict == UnknownHeads::AskLater || stream.is_going_in_circles();
                if is_later {
                    stream.give_up();
                }
                let since = stream.coverage.waiting_since().unwrap_or(stream.known_since);
                let class = match verdict {
                    UnknownHeads::AskNewest | UnknownHeads::GivenUp => Class::New,
                    _ => class,
                };
                let next = Work { class, round, since, stream: index, rechecks: false };
                if verdict == UnknownHeads::GivenUp {
                    self.make_ready(index, vec![], (!is_later).then_some(next));
                    let mend =
                        "nothing to do: its history was rewritten; what the branch holds now is fetched as a new range";
                    self.error(index, &SourceError::UnknownCommits { hashes }, Some(mend));
                } else if is_later {
                    // What the server does not know is not named again.
                    self.make_ready(index, vec![], None);
                    let mend = "nothing to do: the next sync asks again, under the default branch's name then";
                    self.error(index, &SourceError::UnknownCommits { hashes }, Some(mend));
                } else {
                    self.enqueue(next);
                }
                Ok(())
            }
            Err(Failure::Source(error)) => {
                self.failed(index, error);
                Ok(())
            }
        }
    }

    fn failed(&mut self, index: usize, error: SourceError) {
        if error.ends_sync() {
            let is_budget = error.is_out_of_budget();
            let halt = if is_budget { CutShort::RateLimited } else { CutShort::Unauthorized };
            if self.halt.is_none() && !is_budget {
                self.error(index, &error, None);
            }
            self.halt.get_or_insert(halt);
            return;
        }
        let stream = &mut self.streams[index];
        let is_forbidden = matches!(error, SourceError::Forbidden { .. });
        if stream.is_at_first_page() && (is_forbidden || matches!(error, SourceError::NotFound { .. })) {
            let what = format!("cannot read {} of {}", stream.kind.as_str(), stream.repo.full_name);
            let reason = Report::new(what, &error, error.mend()).one_line();
            stream.refuse(reason.clone(), is_forbidden, self.inputs.crawl.now);
            self.report.unreadable.push(Unreadable {
                repo: stream.repo.key.clone(),
                full_name: stream.repo.full_name.clone(),
                kind: stream.kind,
                is_forbidden,
                reason,
            });
            self.make_ready(index, vec![], None);
            return;
        }
        stream.give_up();
        self.error(index, &error, None);
    }

    fn error(&mut self, index: usize, error: &SourceError, mend: Option<&str>) {
        let stream = &self.streams[index];
        let what = format!("could not fetch {} of {}", stream.kind.as_str(), stream.repo.full_name);
        let mend = mend.map(str::to_owned).or_else(|| error.mend());
        self.report.errors.push(SyncError {
            repository: Some(stream.repo.full_name.clone()),
            stage: stream.kind.as_str().to_owned(),
            message: Report::new(what, error, mend).one_line(),
            retry: "next_sync".to_owned(),
        });
    }

    fn note_unreadable(&mut self, index: usize, rows: &[String]) {
        let stream = &self.streams[index];
        let first = crate::error::escape_control(rows.first().map_or("", String::as_str));
        self.report.errors.push(SyncError {
            repository: Some(stream.repo.full_name.clone()),
            stage: stream.kind.as_str().to_owned(),
            message: format!("{} row(s) could not be read and are left out; the first: {first}", rows.len()),
            retry: "never".to_owned(),
        });
    }

    fn make_ready(&mut self, index: usize, items: Vec<Item>, next: Option<Work>) {
        let stream = &self.streams[index];
        let stored = items.len() as u64;
        let batch =
            ItemBatch { repo: stream.repo.key.clone(), kind: stream.kind, items, coverage: stream.coverage.clone() };
        self.ready.push(Ready { batch, stored, stream: index, next });
    }

    fn record(&mut self) -> Recording<'a> {
        let mut ready = std::mem::take(&mut self.ready);
        let batches = ready
            .iter_mut()
            .map(|ready| ItemBatch {
                repo: ready.batch.repo.clone(),
                kind: ready.batch.kind,
                items: std::mem::take(&mut ready.batch.items),
                coverage: ready.batch.coverage.clone(),
            })
            .collect();
        let (store, lease) = (self.inputs.crawl.store, self.inputs.crawl.lease);
        (Box::pin(async move { store.record_items(lease, batches).await }), ready)
    }

    /// Counts what was written, lets the walks go on, and returns the streams whose commits are to be
    /// marked.
    fn recorded(&mut self, done: Vec<Ready>) -> Vec<usize> {
        let mut marking = Vec::new();
        for ready in done {
            let stream = &self.streams[ready.stream];
            if let Some(cap) = self.caps.get_mut(&stream.kind) {
                cap.stored += ready.stored;
            }
            match stream.kind {
                SecondaryKind::PullRequests => self.progress.pull_requests += ready.stored,
                SecondaryKind::Commits => self.progress.commits += ready.stored,
            }
            self.progress.pages += 1;
            if let Some(next) = ready.next {
                self.enqueue(next);
            } else if self.halt.is_none() && is_due_for_marking(stream) {
                marking.push(ready.stream);
            }
        }
        (self.inputs.progress)(self.progress);
        marking
    }

    fn read_for_marking(&self, stream: usize) -> BoxFuture<'a, Event> {
        let (store, integration) = (self.inputs.crawl.store, self.inputs.crawl.integration);
        let (repo, kind) = (self.streams[stream].repo.key.clone(), self.streams[stream].kind);
        Box::pin(async move {
            let stored = store.items(integration, &repo, kind, usize::MAX).await;
            Event::Marks { stream, stored }
        })
    }

    /// Marks are ours, not the source's: they cost no cap.
    fn mark(&mut self, index: usize, stored: Vec<Item>) {
        let Ranges::Commits(ranges) = &mut self.streams[index].coverage.ranges else { return };
        if !ranges.is_due_for_marking() {
            return;
        }
        let Some(head) = &ranges.head else { return };
        let (changed, unreachable) = marks::remark(stored, &head.hash);
        ranges.recheck = false;
        ranges.unreachable = unreachable;
        self.make_ready(index, changed, None);
        if let Some(ready) = self.ready.last_mut() {
            ready.stored = 0;
        }
    }

    fn report(mut self) -> BackfillReport {
        let per_hour = self.inputs.crawl.source.usage().per_hour;
        for kind in SecondaryKind::ALL {
            let (Some(terms), Some(cap)) = (self.inputs.terms(kind), self.caps.get(&kind)) else { continue };
            let streams = self.streams.iter().filter(|stream| stream.kind == kind);
            let left = streams.fold(Left { backlog: 0, waiting: 0 }, |left, stream| Left {
                backlog: left.backlog + stream.coverage.backlog(),
                waiting: left.waiting + u64::from(stream.is_waiting()),
            });
            let counts = SecondaryCounts {
                stored: cap.stored,
                backlog: left.backlog,
                repositories_waiting: left.waiting,
                complete_by: budget::complete_by(
                    kind,
                    terms.settings,
                    left,
                    per_hour,
                    self.inputs.crawl.interval,
                    self.inputs.crawl.now,
                ),
            };
            match kind {
                SecondaryKind::PullRequests => self.report.pull_requests = Some(counts),
                SecondaryKind::Commits => self.report.commits = Some(counts),
            }
        }
        for stream in &self.streams {
            if stream.is_held_back() {
                *self.report.held_back.entry(stream.kind).or_default() += 1;
            }
            if let Some((asked_at, reason)) = stream.refused_before(self.inputs.crawl.now) {
                self.report.refused.push(Refused {
                    full_name: stream.repo.full_name.clone(),
                    kind: stream.kind.as_str(),
                    asked_at,
                    reason: reason.to_owned(),
                });
            }
        }
        let refused = self.streams.iter().filter(|stream| stream.coverage.unavailable.is_some());
        let refused: HashSet<&RepoKey> = refused.map(|stream| &stream.repo.key).collect();
        let again = self.streams.iter().filter(|stream| stream.is_readable_again());
        let again: BTreeSet<&RepoKey> = again.map(|stream| &stream.repo.key).collect();
        self.report.readable_again = again.into_iter().filter(|repo| !refused.contains(repo)).cloned().collect();
        let pull_requests = self.streams.iter().filter(|stream| stream.kind == SecondaryKind::PullRequests);
        self.report.oldest_pull_request_check = pull_requests.filter_map(|stream| stream.coverage.checked_at).min();
        self.report.cut_short = self.halt;
        self.report
    }
}

fn is_due_for_marking(stream: &Stream) -> bool {
    match &stream.coverage.ranges {
        Ranges::Commits(ranges) => ranges.is_due_for_marking(),
        Ranges::PullRequests(_) => false,
    }
}

async fn fetch(
    source: &dyn Source,
    store: &dyn Store,
    integration: &IntegrationKey,
    request: Request,
) -> Result<Fetched, Failure> {
    let Request { repo, kind, mut ask, cursor, looks_up, branch } = request;
    let mut page = ask_page(source, store, integration, &repo, kind, &ask, cursor.as_ref()).await?;
    let mut head = None;
    if let Some(branch) = branch.filter(|_| page.items.is_empty() && page.next.is_none()) {
        // An empty answer that tells on which head it stands leaves nothing to ask.
        head = page.head.take();
        if head.is_none() {
            let whole = Ask::Commits { include: vec![branch], exclude: vec![] };
            head = head_of(&source.secondary(&repo, &whole, None).await?);
            // The branch may have moved since the empty answer: ask what its head, by its hash, brings.
            if let (Some(found), Ask::Commits { exclude, .. }) = (&head, &ask) {
                ask = Ask::Commits { include: vec![found.hash.clone()], exclude: exclude.clone() };
                page = ask_page(source, store, integration, &repo, kind, &ask, None).await?;
                head = head.filter(|_| page.items.is_empty());
            }
        }
    }
    let mut stored = HashMap::new();
    if looks_up && !page.items.is_empty() {
        let found = store.stored_items(integration, &repo.key, kind, &page.items).await?;
        stored = found.into_iter().map(|item| (item.id(), item)).collect();
    }
    Ok(Fetched { ask, page, stored, head })
}

/// One page; where the server does not know the hashes named, with what could be named instead.
async fn ask_page(
    source: &dyn Source,
    store: &dyn Store,
    integration: &IntegrationKey,
    repo: &Repository,
    kind: SecondaryKind,
    ask: &Ask,
    cursor: Option<&Cursor>,
) -> Result<ItemPage, Failure> {
    match source.secondary(repo, ask, cursor).await {
        Ok(page) => Ok(page),
        Err(SourceError::UnknownCommits { hashes }) => {
            let stored = store.items(integration, &repo.key, kind, LEAVE_OUT_AMONG).await?;
            Err(Failure::Unknown { hashes, stored: marks::spaced(stored) })
        }
        Err(error) => Err(error.into()),
    }
}

fn head_of(page: &ItemPage) -> Option<Head> {
    match page.items.first()? {
        Item::Commit(commit) => Some(Head { hash: commit.hash.clone(), parents: commit.parents.clone() }),
        Item::PullRequest(_) => None,
    }
}
