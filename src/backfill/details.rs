//! Details of what is stored: one request each, under caps and the request budget (product.md, P5.5).
//!
//! They come after pull requests and commits, with what these left of the budget. Which wait follows from the
//! store alone, so that a kill costs nothing but the requests under way.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use futures::stream::StreamExt;

use super::{Crawl, CutShort, Refused, pipelines, stream};
use crate::error::Report;
use crate::model::coverage::Unavailable;
use crate::model::detail::{Parents, known_without_asking};
use crate::model::sync::SecondaryCounts;
use crate::model::{
    Detail, DetailBody, DetailCoverage, DetailKind, Item, ItemId, Repository, SecondaryKind, SyncError,
};
use crate::source::SourceError;
use crate::store::{DetailBatch, StoreError};

/// Details asked of one repository in a turn, or as many as one request tells of; then the next repository has its
/// turn.
const TURN: usize = 20;
/// So many not found in a row, and none told, are no property of a single one: the repository has no such thing.
const NOT_FOUND: usize = 3;
/// A kind that a repository does not have (404) is asked for again after so long; one that is refused (403) as pull
/// requests and commits are.
const ASK_AGAIN_AFTER: TimeDelta = TimeDelta::hours(24);
/// Where the source does not tell its limit.
const ASSUMED_PER_HOUR: u64 = 1_000;

/// Everything details are fetched with.
pub struct DetailInputs<'a> {
    /// What they are fetched with.
    pub crawl: Crawl<'a>,
    /// The repositories to serve.
    pub repositories: Vec<Repository>,
    /// Selected kinds with their caps: most details stored in one sync, over all repositories.
    pub kinds: BTreeMap<DetailKind, u64>,
    /// What was refused lately is asked again, too: after a sweep.
    pub asks_again: bool,
    /// Told after every write: stored so far, planned.
    pub progress: &'a (dyn Fn(u64, u64) + Sync),
}

/// What was done, and what is left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DetailReport {
    /// Of each selected kind the source can tell.
    pub counts: BTreeMap<DetailKind, SecondaryCounts>,
    /// What went wrong and was survived.
    pub errors: Vec<SyncError>,
    /// For people: kinds that some repositories do not have.
    pub notes: Vec<String>,
    /// Kinds that were refused before, and wait to be asked for again.
    pub refused: Vec<Refused>,
    /// `None`: it was not.
    pub cut_short: Option<CutShort>,
}

/// A repository and kind with something to ask.
struct Stand {
    repo: usize,
    coverage: DetailCoverage,
}

/// Some details of one repository and kind.
struct Turn {
    stand: usize,
    of: Vec<ItemId>,
}

/// How a turn ended.
struct Taken {
    stand: usize,
    details: Vec<Detail>,
    /// Pull requests or commits that are not stored any more.
    vanished: Vec<ItemId>,
    /// Read again without news, and not settled yet.
    unchanged: Vec<ItemId>,
    failed: Option<SourceError>,
    /// What it failed at: the others go first next time.
    failed_of: Option<ItemId>,
    requests: u64,
    /// How it stands after a walk over a list; else it follows from what was stored.
    walked: Option<DetailCoverage>,
}

impl Taken {
    fn nothing(stand: usize) -> Self {
        Self {
            stand,
            details: Vec::new(),
            vanished: Vec::new(),
            unchanged: Vec::new(),
            failed: None,
            failed_of: None,
            requests: 0,
            walked: None,
        }
    }
}

/// Why nothing new is started.
#[derive(Default)]
struct Halt {
    is_over: AtomicBool,
    rate_limited: AtomicBool,
}

impl Halt {
    fn at_limit(&self) {
        self.rate_limited.store(true, Ordering::SeqCst);
        self.is_over.store(true, Ordering::SeqCst);
    }

    /// A refusal may tell of a limit that the usage knows nothing of (Data Center, OAuth tokens).
    fn after(&self, error: &SourceError) {
        if error.is_out_of_budget() {
            self.at_limit();
        } else if error.ends_sync() {
            self.is_over.store(true, Ordering::SeqCst);
        }
    }
}

/// Fetches and stores as much as caps and budget allow.
///
/// # Errors
/// Only those of the store.
pub async fn run(inputs: DetailInputs<'_>) -> Result<DetailReport, StoreError> {
    let mut stands = stands(&inputs).await?;
    let mut report = DetailReport::default();
    let turns = turns(&inputs, &stands);
    let planned: u64 = turns.iter().map(|turn| turn.of.len() as u64).sum();
    let halt = Halt::default();
    let mut stored: BTreeMap<DetailKind, u64> = BTreeMap::new();
    let mut done = 0;
    let work: Vec<(Turn, DetailCoverage, Repository)> = turns
        .into_iter()
        .map(|turn| {
            let stand = &stands[turn.stand];
            (turn, stand.coverage.clone(), inputs.repositories[stand.repo].clone())
        })
        .collect();
    let now = inputs.crawl.now;
    let failed_before: Mutex<HashSet<usize>> = Mutex::default();
    let room = Mutex::new(inputs.kinds.get(&DetailKind::Pipelines).copied().unwrap_or(0));
    let asks = Asks { crawl: &inputs.crawl, halt: &halt, failed: &failed_before, room: &room };
    let asks = &asks;
    let mut taken = futures::stream::iter(work)
        .map(|(turn, coverage, repo)| async move {
            match coverage.kind.of() {
                Some(parent) => asks.turn(turn, coverage.kind, parent, repo).await,
                None => asks.walk(turn, coverage, repo).await,
            }
        })
        .buffer_unordered(inputs.crawl.concurrency.max(1));
    while let Some(taken) = taken.next().await {
        let Taken { stand, details, vanished, unchanged, failed, failed_of, requests, walked } = taken?;
        let Stand { repo, coverage } = &mut stands[stand];
        let repo = &inputs.repositories[*repo];
        match walked {
            Some(walked) => *coverage = walked,
            None => {
                coverage.forget(&vanished);
                coverage.stored(&details, now);
                coverage.put_back(&unchanged);
                coverage.put_back(failed_of.as_slice());
            }
        }
        if let Some(error) = failed {
            let is_first = details.is_empty() && unchanged.is_empty() && requests <= NOT_FOUND as u64;
            fail(&mut report, coverage, repo, error, is_first, now);
        }
        let count = details.len() as u64;
        inputs
            .crawl
            .store
            .record_details(inputs.crawl.lease, vec![DetailBatch { details, coverage: coverage.clone() }])
            .await?;
        *stored.entry(coverage.kind).or_default() += count;
        done += count;
        (inputs.progress)(done, planned);
    }
    drop(taken);
    if report.cut_short.is_none() {
        let is_limited = halt.rate_limited.load(Ordering::SeqCst).then_some(CutShort::RateLimited);
        report.cut_short = if inputs.crawl.stop.is_cancelled() { Some(CutShort::Stopped) } else { is_limited };
    }
    count(&mut report, &inputs, &stands, &stored);
    Ok(report)
}

/// Looks through the repositories whose pull requests or commits changed since the last look.
async fn stands(inputs: &DetailInputs<'_>) -> Result<Vec<Stand>, StoreError> {
    let mut stands = Vec::new();
    for kind in inputs.kinds.keys().copied().filter(|kind| inputs.crawl.source.detail_kinds().contains(kind)) {
        let Some(parent) = kind.of() else {
            stands.extend(listed_stands(inputs, kind).await?);
            continue;
        };
        let parents = inputs.crawl.store.coverage(inputs.crawl.integration, parent).await?;
        let parents: HashMap<_, _> = parents.iter().map(|coverage| (&coverage.repo, Parents::of(coverage))).collect();
        let known = inputs.crawl.store.detail_coverage(inputs.crawl.integration, kind).await?;
        let mut known: HashMap<_, _> = known.into_iter().map(|one| (one.repo.clone(), one)).collect();
        for (repo, repository) in inputs.repositories.iter().enumerate() {
            let Some(now) = parents.get(&repository.key).filter(|parents| parents.stored > 0) else { continue };
            let key = &repository.key;
            let mut coverage = known.remove(key).unwrap_or_else(|| DetailCoverage::new(key.clone(), kind));
            coverage.unavailable = coverage.unavailable.filter(|one| is_asked_lately(one, repository, inputs));
            if coverage.parents != *now {
                let items = inputs.crawl.store.items(inputs.crawl.integration, key, parent, usize::MAX).await?;
                let details = inputs.crawl.store.details(inputs.crawl.integration, key, kind, usize::MAX).await?;
                coverage.look_through(now.clone(), &items, &details, inputs.crawl.now);
                let batch = DetailBatch { details: Vec::new(), coverage: coverage.clone() };
                inputs.crawl.store.record_details(inputs.crawl.lease, vec![batch]).await?;
            }
            stands.push(Stand { repo, coverage });
        }
    }
    Ok(stands)
}

/// Of a kind that hangs on the repository: everyone has a stand, since its list may have grown.
async fn listed_stands(inputs: &DetailInputs<'_>, kind: DetailKind) -> Result<Vec<Stand>, StoreError> {
    let known = inputs.crawl.store.detail_coverage(inputs.crawl.integration, kind).await?;
    let mut known: HashMap<_, _> = known.into_iter().map(|one| (one.repo.clone(), one)).collect();
    let stand = |(repo, repository): (usize, &Repository)| {
        let key = &repository.key;
        let mut coverage = known.remove(key).unwrap_or_else(|| DetailCoverage::new(key.clone(), kind));
        coverage.unavailable = coverage.unavailable.filter(|one| is_asked_lately(one, repository, inputs));
        Stand { repo, coverage }
    };
    Ok(inputs.repositories.iter().enumerate().map(stand).collect())
}

/// One asked in the future was asked by a clock that has jumped back since.
fn is_asked_lately(one: &Unavailable, repository: &Repository, inputs: &DetailInputs<'_>) -> bool {
    let after = if one.is_forbidden { stream::ASK_AGAIN_AFTER } else { ASK_AGAIN_AFTER };
    let now = inputs.crawl.now;
    !inputs.asks_again && one.source_updated_on == repository.updated_on && (now - after..=now).contains(&one.asked_at)
}

/// Who is asked for what, in this order: a turn for each repository and kind, longest waiting first, before anybody
/// has a second one; at most as many of a kind as its cap.
fn turns(inputs: &DetailInputs<'_>, stands: &[Stand]) -> Vec<Turn> {
    let mut order: Vec<(usize, DateTime<Utc>, usize)> = Vec::new();
    for (stand, Stand { coverage, .. }) in stands.iter().enumerate() {
        if coverage.unavailable.is_some() {
            continue;
        }
        if coverage.kind.of().is_none() {
            let repository = &inputs.repositories[stands[stand].repo];
            let asked = coverage.listed.as_ref().map_or(DateTime::<Utc>::MIN_UTC, |listed| listed.at);
            order.extend(pipelines::is_due(coverage, repository, inputs.crawl.now).then_some((0, asked, stand)));
            continue;
        }
        let Some(since) = coverage.waiting_since else { continue };
        let rounds = coverage.to_ask().len().div_ceil(turn_of(inputs, coverage.kind));
        order.extend((0..rounds).map(|round| (round, since, stand)));
    }
    order.sort_unstable();
    let mut room = inputs.kinds.clone();
    let mut turns = Vec::new();
    for (round, _, stand) in order {
        let coverage = &stands[stand].coverage;
        if coverage.kind.of().is_none() {
            turns.push(Turn { stand, of: Vec::new() });
            continue;
        }
        let Some(room) = room.get_mut(&coverage.kind) else { continue };
        let turn = turn_of(inputs, coverage.kind);
        let most = usize::try_from(*room).unwrap_or(usize::MAX).min(turn);
        let of: Vec<ItemId> = coverage.to_ask().skip(round * turn).take(most).cloned().collect();
        *room -= of.len() as u64;
        if !of.is_empty() {
            turns.push(Turn { stand, of });
        }
    }
    turns
}

fn turn_of(inputs: &DetailInputs<'_>, kind: DetailKind) -> usize {
    inputs.crawl.source.details_at_once(kind).max(TURN)
}

/// What every turn asks with.
struct Asks<'a> {
    crawl: &'a Crawl<'a>,
    halt: &'a Halt,
    /// Stands that failed in this sync: they have no further turn.
    failed: &'a Mutex<HashSet<usize>>,
    /// Pipelines that may still be stored in this sync.
    room: &'a Mutex<u64>,
}

impl Asks<'_> {
    async fn turn(
        &self,
        turn: Turn,
        kind: DetailKind,
        parent: SecondaryKind,
        repo: Repository,
    ) -> Result<Taken, StoreError> {
        let mut taken = Taken::nothing(turn.stand);
        let has_failed = |stand| self.failed.lock().unwrap_or_else(PoisonError::into_inner).contains(stand);
        if has_failed(&turn.stand) {
            return Ok(taken);
        }
        let items = self.crawl.store.items(self.crawl.integration, &repo.key, parent, usize::MAX).await?;
        let items: HashMap<ItemId, Item> = items.into_iter().map(|item| (item.id(), item)).collect();
        let stored = self.bodies(&repo, kind).await?;
        let mut told = HashMap::new();
        let at_once = self.crawl.source.details_at_once(kind);
        if at_once > 1 {
            let asked = turn.of.iter().filter_map(|of| items.get(of));
            let asked: Vec<Item> = asked.filter(|item| known_without_asking(kind, item).is_none()).cloned().collect();
            for asked in asked.chunks(at_once) {
                if self.is_over() {
                    break;
                }
                taken.requests += 1;
                match self.crawl.source.details(&repo, kind, asked).await {
                    Ok(bodies) => {
                        let told_of = asked.iter().map(Item::id).zip(bodies);
                        told.extend(told_of.filter_map(|(of, body)| Some((of, body?))));
                    }
                    Err(error) => {
                        self.failed(&mut taken, error, None);
                        return Ok(taken);
                    }
                }
            }
        }
        let mut missing: Vec<Detail> = Vec::new();
        let mut is_told = !told.is_empty();
        for of in &turn.of {
            let Some(item) = items.get(of) else {
                taken.vanished.push(of.clone());
                continue;
            };
            let known = known_without_asking(kind, item).or_else(|| told.remove(of));
            let body = match known {
                Some(body) => body,
                None if self.is_over() || has_failed(&turn.stand) => break,
                None => {
                    taken.requests += 1;
                    match self.crawl.source.detail(&repo, kind, item).await {
                        Ok(body) => {
                            is_told = true;
                            body
                        }
                        // A property of this very pull request or commit (its fork is gone, its branches share no
                        // ancestor) is an answer, too: it is never asked for again.
                        Err(error) if is_final(&error) && (is_told || missing.len() + 1 < NOT_FOUND) => {
                            let reason = crate::error::escape_control(&error.to_string());
                            missing.push(Detail::new(kind, item, DetailBody::Unavailable { reason }, self.crawl.now));
                            continue;
                        }
                        Err(error) => {
                            missing.clear();
                            self.failed(&mut taken, error, Some(of));
                            break;
                        }
                    }
                }
            };
            let detail = Detail::new(kind, item, body, self.crawl.now);
            // What may still change is written when it did, or for the last time.
            if detail.is_settled() || stored.get(of) != Some(&detail.body) {
                taken.details.push(detail);
            } else {
                taken.unchanged.push(of.clone());
            }
        }
        taken.details.append(&mut missing);
        Ok(taken)
    }

    /// What is stored of a kind that changes by itself.
    async fn bodies(&self, repo: &Repository, kind: DetailKind) -> Result<HashMap<ItemId, DetailBody>, StoreError> {
        if kind != DetailKind::Builds {
            return Ok(HashMap::new());
        }
        let stored = self.crawl.store.details(self.crawl.integration, &repo.key, kind, usize::MAX).await?;
        Ok(stored.into_iter().map(|detail| (detail.of, detail.body)).collect())
    }

    fn failed(&self, taken: &mut Taken, error: SourceError, of: Option<&ItemId>) {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).insert(taken.stand);
        self.halt.after(&error);
        if !error.ends_sync() {
            taken.failed_of = of.cloned();
        }
        taken.failed = Some(error);
    }

    /// The list of a repository, from its newest end to what is known.
    async fn walk(&self, turn: Turn, mut coverage: DetailCoverage, repo: Repository) -> Result<Taken, StoreError> {
        let mut taken = Taken::nothing(turn.stand);
        let stored = self.crawl.store.details(self.crawl.integration, &repo.key, coverage.kind, usize::MAX).await?;
        let stored: HashMap<u64, Detail> = stored
            .into_iter()
            .filter_map(|detail| if let ItemId::Number(number) = detail.of { Some((number, detail)) } else { None })
            .collect();
        let mut walk = pipelines::Walk::new(&coverage);
        let (mut cursor, mut is_over) = (None, false);
        while !is_over && !self.is_over() {
            taken.requests += 1;
            let page = match self.crawl.source.pipelines(&repo, cursor.as_ref()).await {
                Ok(page) => page,
                Err(error) => {
                    self.halt.after(&error);
                    taken.failed = Some(error);
                    break;
                }
            };
            cursor = page.next.clone();
            let mut room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
            let (details, over) = walk.page(page, &stored, *room, self.crawl.now);
            *room -= details.len() as u64;
            is_over = over;
            taken.details.extend(details);
        }
        walk.end(&mut coverage, &repo, is_over, self.crawl.now);
        taken.walked = Some(coverage);
        Ok(taken)
    }

    fn is_over(&self) -> bool {
        if self.crawl.source.usage().remaining == Some(0) {
            self.halt.at_limit();
        }
        self.crawl.stop.is_cancelled() || self.halt.is_over.load(Ordering::SeqCst)
    }
}

fn is_final(error: &SourceError) -> bool {
    matches!(error, SourceError::NotFound { .. } | SourceError::BadRequest { .. })
}

/// What a failure means: for the sync, for the repository's kind, or for the next time.
fn fail(
    report: &mut DetailReport,
    coverage: &mut DetailCoverage,
    repo: &Repository,
    error: SourceError,
    is_first: bool,
    now: DateTime<Utc>,
) {
    let kind = coverage.kind.as_str();
    if error.is_out_of_budget() {
        return;
    }
    let what = format!("could not fetch {kind} of {}", repo.full_name);
    let message = Report::new(what, &error, error.mend()).one_line();
    if error.ends_sync() {
        report.cut_short = Some(CutShort::Unauthorized);
    }
    let is_forbidden = matches!(error, SourceError::Forbidden { .. });
    if is_first && (is_forbidden || matches!(error, SourceError::NotFound { .. })) {
        report.notes.push(format!("{}: no {kind}: {error}", repo.full_name));
        let source_updated_on = repo.updated_on;
        coverage.unavailable = Some(Unavailable { reason: message, asked_at: now, source_updated_on, is_forbidden });
        return;
    }
    report.errors.push(SyncError {
        repository: Some(repo.full_name.clone()),
        stage: kind.to_owned(),
        message,
        retry: "next_sync".to_owned(),
    });
}

fn count(report: &mut DetailReport, inputs: &DetailInputs<'_>, stands: &[Stand], stored: &BTreeMap<DetailKind, u64>) {
    let per_hour = inputs.crawl.source.usage().per_hour.unwrap_or(ASSUMED_PER_HOUR).max(1);
    for (kind, cap) in &inputs.kinds {
        if !inputs.crawl.source.detail_kinds().contains(kind) {
            continue;
        }
        let of_kind = stands.iter().map(|stand| &stand.coverage).filter(|coverage| coverage.kind == *kind);
        let (refused, readable): (Vec<&DetailCoverage>, _) = of_kind.partition(|one| one.unavailable.is_some());
        // What is not there does not wait; what may not be read does.
        let refused = refused.iter().filter(|one| one.unavailable.as_ref().is_some_and(|one| one.is_forbidden));
        let backlog: u64 = readable.iter().map(|coverage| coverage.waiting.len() as u64).sum();
        let unlisted = readable.iter().filter(|one| kind.of().is_none() && one.listed.is_none()).count() as u64;
        let syncs = backlog.div_ceil((*cap).max(1)).max(backlog.div_ceil(per_hour));
        let complete_by = i32::try_from(syncs).ok().filter(|syncs| *syncs > 0).and_then(|syncs| {
            let interval = TimeDelta::from_std(inputs.crawl.interval).ok()?;
            inputs.crawl.now.checked_add_signed(interval.checked_mul(syncs)?)
        });
        let stored = stored.get(kind).copied().unwrap_or(0);
        let repositories_waiting = unlisted + refused.count() as u64;
        report.counts.insert(*kind, SecondaryCounts { stored, backlog, repositories_waiting, complete_by });
    }
    for Stand { repo, coverage } in stands {
        let before = coverage.unavailable.as_ref().filter(|one| one.is_forbidden && one.asked_at != inputs.crawl.now);
        report.refused.extend(before.map(|one| Refused {
            full_name: inputs.repositories[*repo].full_name.clone(),
            kind: coverage.kind.as_str(),
            asked_at: one.asked_at,
            reason: one.reason.clone(),
        }));
    }
}
