//! Details of what is stored: one request each, under caps and the request budget (product.md, P5.5).
//!
//! They come after pull requests and commits, with what these left of the budget. Which wait follows from the
//! store alone, so that a kill costs nothing but the requests under way.

mod asks;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use chrono::{DateTime, TimeDelta, Utc};
use futures::stream::StreamExt;

use self::asks::{Asks, Halt, NOT_FOUND, Taken, Turn};
use super::{Crawl, CutShort, Refused, pipelines, stream};
use crate::error::Report;
use crate::model::coverage::Unavailable;
use crate::model::detail::Parents;
use crate::model::sync::SecondaryCounts;
use crate::model::{DetailCoverage, DetailKind, ItemId, Repository, SyncError};
use crate::source::SourceError;
use crate::store::{DetailBatch, StoreError};

/// Details asked of one repository in a turn, or as many as one request tells of; then the next repository has its
/// turn.
const TURN: usize = 20;
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
