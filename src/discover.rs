//! Source → records: what is new, changed, renamed, hidden, moved or gone; a checkpoint per page.
//!
//! A walk ends complete or with an error; only a complete sweep can make a repository missing, and only
//! the second one in a row, with a look-up by id between, makes it gone (product.md, P2.9 and section 9).

mod presence;
mod record;
mod touch;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use self::presence::finish;
use self::record::record_page;
pub use self::touch::{Looked, touch};
use crate::model::{Fingerprint, IngestedRecord, KnownRepository, Presence, RepoKey, Repository, SyncError, SyncId};
use crate::plan::guard::Guard;
use crate::source::{Cursor, Listing, RepositoryPage, Source, SourceError};
use crate::store::{CrawlLease, DiscoveryState, RecordedPage, Store, StoreError, SweepCheckpoint};

/// Rows may be written with a date that lies a little before the server's clock (product.md, section 9).
const WATERMARK_OVERLAP: chrono::Duration = chrono::Duration::minutes(15);
/// A sweep that rested longer than this starts over (P6.5).
const RESUME_WITHIN: chrono::Duration = chrono::Duration::hours(1);
/// The second walk of a sweep, from its beginning.
const BY_KEY: Listing = Listing::SweepFrom { created_on: DateTime::UNIX_EPOCH };
/// How many known repositories are read from the store at once.
const BATCH: usize = 1_000;

/// How to discover.
pub struct Behaviour<'a> {
    /// The filter that hides a repository, as written in the config; `None`: not hidden.
    pub hides: &'a (dyn Fn(&Repository) -> Option<String> + Sync),
    /// A complete sweep at least this often.
    pub sweep_every: Duration,
    /// When to stop and ask (P2.9).
    pub guard: Guard,
    /// Whether auto-import is on now; noted on repositories met for the first time.
    pub auto_import: bool,
    /// Sweep, whatever the delta would say.
    pub full: bool,
}

/// Everything discovery works with.
pub struct Discovery<'a> {
    /// Where repositories come from.
    pub source: &'a dyn Source,
    /// Where they are kept.
    pub store: &'a dyn Store,
    /// Proof that nobody else crawls.
    pub lease: &'a CrawlLease,
    /// How.
    pub behaviour: Behaviour<'a>,
    /// When the sync started.
    pub now: DateTime<Utc>,
    /// Names a sweep that begins now.
    pub sync_id: SyncId,
    /// Stop at the next checkpoint.
    pub stop: &'a CancellationToken,
    /// Called after each page: rows so far, rows in all where the server tells.
    pub progress: &'a (dyn Fn(u64, Option<u64>) + Sync),
}

/// What a complete walk found.
#[derive(Clone, Debug, Default)]
pub struct Discovered {
    /// Known to be there now.
    pub seen: u64,
    /// Known and hidden by the filters.
    pub hidden: u64,
    /// Known and forbidden below the list.
    pub inaccessible: u64,
    /// Met for the first time.
    pub new: u64,
    /// With a changed record, renames included.
    pub changed: Vec<RepoKey>,
    /// That became gone or moved away in this sync.
    pub gone: Vec<RepoKey>,
    /// Rows that could not be read.
    pub errors: Vec<SyncError>,
    /// Presence changes that the guard held back, with the reason; the sync stops before applying.
    pub held: Option<HeldAbsences>,
    /// Whether the list was swept whole.
    pub swept: bool,
    /// Known and not there for anybody to import: hidden, gone, moved, forbidden.
    pub unserved: BTreeSet<RepoKey>,
}

/// Presence changes that wait for `sync approve`.
#[derive(Clone, Debug)]
pub struct HeldAbsences {
    /// What would be marked, and how.
    pub changes: Vec<(RepoKey, Presence)>,
    /// Why it waits, in words.
    pub reason: String,
}

/// Why a walk did not end.
#[derive(Debug, thiserror::Error)]
pub enum DiscoverError {
    /// The source; nothing was made missing or gone.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// P2.10.
    #[error("no repository is visible (no_resources)")]
    NoResources,
    /// P2.10: there are some, and the config hides every one.
    #[error("no repository is left to sync (no_resources): the workspace lists {listed}, and `{filter}` hides them")]
    AllHidden {
        /// How many are hidden.
        listed: u64,
        /// The filter that hides the first.
        filter: String,
    },
    /// Stopped at a checkpoint by a person or by shutdown.
    #[error("stopped at a checkpoint")]
    Stopped,
}

impl DiscoverError {
    /// What a person can do about it.
    pub fn mend(&self) -> Option<String> {
        match self {
            Self::Source(error) => error.mend(),
            Self::Store(error) => error.mend(),
            Self::NoResources => Some(
                "check the workspace name and that the credential may read its repositories; an empty answer is never taken as \"all gone\""
                    .to_owned(),
            ),
            Self::AllHidden { .. } => Some(
                "check `repositories` of the integration, and the name where the connector's url names one repository"
                    .to_owned(),
            ),
            Self::Stopped => None,
        }
    }
}

/// What discovery holds of a known repository while it walks: about 100 bytes.
struct Known {
    fingerprint: Fingerprint,
    updated_on: Option<DateTime<Utc>>,
}

/// The walk under way.
struct Walk {
    /// All of them in a sweep, those met in a delta.
    known: HashMap<Box<str>, Known>,
    seen: HashSet<Box<str>>,
    found: Discovered,
}

/// Walks the repository list as cheaply as the promises allow and records what it finds.
///
/// # Errors
/// Any [`DiscoverError`]; pages recorded so far stay, and the next call resumes the sweep.
pub async fn discover(run: &Discovery<'_>) -> Result<Discovered, DiscoverError> {
    let key = &run.lease.integration;
    let mut discovery = run.store.integration(key).await?.map(|state| state.discovery).unwrap_or_default();
    let mut walk = Walk { known: HashMap::new(), seen: HashSet::new(), found: Discovered::default() };

    if sweep_is_due(run, &discovery) || !delta(run, &mut discovery, &mut walk).await? {
        walk.known = load_known(run).await?;
        sweep(run, &mut discovery, &mut walk).await?;
    }
    finish(run, walk, discovery).await
}

fn sweep_is_due(run: &Discovery<'_>, discovery: &DiscoveryState) -> bool {
    let every = chrono::Duration::from_std(run.behaviour.sweep_every).unwrap_or(chrono::Duration::MAX);
    run.behaviour.full
        || !run.source.tells_changes()
        || discovery.sweep_next
        || discovery.sweep.is_some()
        || discovery.watermark.is_none()
        || discovery.expected_count.is_none()
        // A clock that jumped back makes the last sweep lie in the future: sweep, too.
        || discovery.last_sweep_at.is_none_or(|at| at > run.now || run.now - at >= every)
}

async fn load_known(run: &Discovery<'_>) -> Result<HashMap<Box<str>, Known>, StoreError> {
    let mut known = HashMap::new();
    let mut after: Option<RepoKey> = None;
    loop {
        let page = run.store.repositories(&run.lease.integration, after.as_ref(), BATCH).await?;
        let Some(last) = page.last() else { return Ok(known) };
        after = Some(last.repository.key.clone());
        known.extend(page.into_iter().map(|one| {
            let light = light(&one);
            (one.repository.key.id.into_boxed_str(), light)
        }));
    }
}

/// Loads what is known of the repositories of a page: a delta meets few, and the rest is not needed.
async fn look_up_known(run: &Discovery<'_>, page: &RepositoryPage, walk: &mut Walk) -> Result<(), StoreError> {
    for record in &page.records {
        let key = &record.repository.key;
        if !walk.known.contains_key(key.id.as_str())
            && let Some((known, _)) = run.store.record(&run.lease.integration, key).await?
        {
            walk.known.insert(key.id.clone().into_boxed_str(), light(&known));
        }
    }
    Ok(())
}

fn light(known: &KnownRepository) -> Known {
    Known { fingerprint: known.fingerprint, updated_on: known.repository.updated_on }
}

/// Asks for what changed, then for the count. `false`: the count does not agree, a sweep must follow.
async fn delta(run: &Discovery<'_>, discovery: &mut DiscoveryState, walk: &mut Walk) -> Result<bool, DiscoverError> {
    let (Some(since), Some(expected)) = (discovery.watermark, discovery.expected_count) else { return Ok(false) };
    let listing = Listing::Delta { updated_on: since };
    let mut cursor = None;
    let mut began_at = None;
    let mut claimed = None;
    loop {
        stop_if_asked(run)?;
        let page = run.source.repositories(&listing, cursor.as_ref()).await?;
        began_at = began_at.or(page.server_date);
        claimed = page.size.or(claimed);
        // Whether an unreadable row is new or known cannot be told: only a sweep can count it.
        discovery.sweep_next |= !page.unreadable.is_empty();
        cursor = page.next.clone();
        look_up_known(run, &page, walk).await?;
        // The count expected is part of the checkpoint: a row recorded as known and not counted would
        // make every later count differ.
        let new_before = walk.found.new;
        let new_here = page.records.iter().filter(|record| is_new(walk, record)).count();
        discovery.expected_count = Some(expected + new_before + new_here as u64);
        record_page(run, page, discovery, walk).await?;
        if cursor.is_none() {
            break;
        }
    }
    let is_uneven = claimed.is_some_and(|size| size != walk.seen.len() as u64);
    if is_uneven || discovery.sweep_next || run.source.count().await? != discovery.expected_count {
        return Ok(false);
    }
    // Never backwards: a server clock that jumped back only makes the next delta ask for more.
    discovery.watermark = Some(began_at.unwrap_or(run.now) - WATERMARK_OVERLAP);
    discovery.last_walk_at = Some(run.now);
    Ok(true)
}

/// Walks the whole list by creation date; when the count does not agree, or shrank on the way, walks it
/// again by key, which cannot skip a row.
async fn sweep(run: &Discovery<'_>, discovery: &mut DiscoveryState, walk: &mut Walk) -> Result<(), DiscoverError> {
    let mut checkpoint = resume_or_begin(run, discovery, walk).await?;
    stop_if_asked(run)?;
    let page = match run.source.repositories(&checkpoint.listing, checkpoint.cursor.as_ref()).await {
        // Kept by an older program, or under another address: the walk begins anew.
        Err(SourceError::StaleCursor) if checkpoint.cursor.is_some() => {
            discovery.sweep = None;
            checkpoint = resume_or_begin(run, discovery, walk).await?;
            run.source.repositories(&checkpoint.listing, checkpoint.cursor.as_ref()).await
        }
        page => page,
    };
    let mut page = match page {
        Ok(page) => page,
        Err(error) => return Err(broken_off(run, discovery, error).await?),
    };
    loop {
        if checkpoint.pages == 0 {
            checkpoint.began_at = page.server_date.unwrap_or(run.now);
        }
        if checkpoint.listing == Listing::Sweep {
            checkpoint.shrank |= matches!((checkpoint.size, page.size), (Some(before), Some(now)) if now < before);
            checkpoint.size = page.size.or(checkpoint.size);
        }
        checkpoint.pages += 1;
        checkpoint.at = run.now;
        checkpoint.resume_at = None;
        let Some((listing, cursor)) = next_page(&checkpoint, &page, walk) else {
            record_page(run, page, discovery, walk).await?;
            break;
        };
        (checkpoint.listing, checkpoint.cursor) = (listing, cursor);
        discovery.sweep = Some(checkpoint.clone());
        // The next page is asked for while this one is recorded; should it fail, this one stays.
        let asking = run.source.repositories(&checkpoint.listing, checkpoint.cursor.as_ref());
        let (recorded, asked) = futures::join!(record_page(run, page, discovery, walk), asking);
        recorded?;
        stop_if_asked(run)?;
        page = match asked {
            Ok(page) => page,
            Err(error) => return Err(broken_off(run, discovery, error).await?),
        };
    }
    if walk.seen.is_empty() {
        // Forget the walk, or the next sync would resume behind its last page.
        discovery.sweep = None;
        run.store.finish_walk(run.lease, Vec::new(), discovery.clone()).await?;
        return Err(DiscoverError::NoResources);
    }
    discovery.sweep = None;
    // More rows than there are in the end: some were deleted after they had been listed. Which, only another
    // sweep tells; the count alone, being right now, never would.
    discovery.sweep_next = checkpoint.size.is_some_and(|size| size < walk.seen.len() as u64);
    discovery.watermark = Some(checkpoint.began_at - WATERMARK_OVERLAP);
    discovery.expected_count = Some(checkpoint.size.unwrap_or(walk.seen.len() as u64));
    discovery.last_sweep_at = Some(run.now);
    discovery.moved_unswept = 0;
    discovery.last_walk_at = Some(run.now);
    walk.found.swept = true;
    Ok(())
}

/// A sweep that the budget ended remembers when it may go on. What will not pass by itself (a page that is not
/// there any more, a cursor of another version) must not be met again: the next sync begins anew.
async fn broken_off(
    run: &Discovery<'_>,
    discovery: &mut DiscoveryState,
    error: SourceError,
) -> Result<DiscoverError, StoreError> {
    let before = discovery.sweep.clone();
    match (&error, &mut discovery.sweep) {
        (SourceError::BudgetExhausted { resume_at }, Some(checkpoint)) => checkpoint.resume_at = Some(*resume_at),
        (error, _) if error.is_transient() || error.ends_sync() => {}
        (_, sweep) => *sweep = None,
    }
    if discovery.sweep != before {
        // Without the checkpoint, nothing else would tell that a sweep is due.
        discovery.sweep_next |= discovery.sweep.is_none();
        let page = RecordedPage { discovery: discovery.clone(), ..RecordedPage::default() };
        run.store.record_page(run.lease, page).await?;
    }
    Ok(error.into())
}

async fn resume_or_begin(
    run: &Discovery<'_>,
    discovery: &mut DiscoveryState,
    walk: &mut Walk,
) -> Result<SweepCheckpoint, DiscoverError> {
    let credential = run.source.listing_credential();
    let resumable = discovery.sweep.clone().filter(|checkpoint| {
        // What waits for the budget rests from when it may go on: else a list longer than an hour's requests
        // would be begun again and again.
        let rested = run.now - checkpoint.resume_at.map_or(checkpoint.at, |at| at.min(run.now));
        checkpoint.credential == credential && (chrono::Duration::zero()..=RESUME_WITHIN).contains(&rested)
    });
    if let Some(checkpoint) = resumable {
        let seen = run.store.sweep_seen(&run.lease.integration, &checkpoint.sweep).await?;
        walk.seen.extend(seen.into_iter().map(|key| key.id.into_boxed_str()));
        return Ok(checkpoint);
    }
    discovery.sweep = None;
    // What a delta in this same sync has seen does not count for the sweep.
    walk.seen.clear();
    Ok(SweepCheckpoint {
        sweep: run.sync_id.clone(),
        began_at: run.now,
        at: run.now,
        resume_at: None,
        credential,
        listing: Listing::Sweep,
        cursor: None,
        pages: 0,
        size: None,
        shrank: false,
    })
}

/// Where the sweep goes on after `page`; `None`: it is complete.
fn next_page(checkpoint: &SweepCheckpoint, page: &RepositoryPage, walk: &Walk) -> Option<(Listing, Option<Cursor>)> {
    let newest = page.records.iter().filter_map(|record| record.repository.created_on).max();
    match (&checkpoint.listing, &page.next) {
        (Listing::SweepFrom { created_on }, Some(next)) => match newest.filter(|newest| newest > created_on) {
            Some(created_on) => Some((Listing::SweepFrom { created_on }, None)),
            // A whole page created at one instant: its `next` is the only way on.
            None => Some((checkpoint.listing.clone(), Some(next.clone()))),
        },
        (listing, Some(next)) => Some((listing.clone(), Some(next.clone()))),
        (Listing::Sweep, None) => {
            let distinct = keys_of(page).filter(|key| !walk.seen.contains(key.id.as_str())).count() + walk.seen.len();
            let differs = checkpoint.size.is_some_and(|size| size != distinct as u64);
            (differs || checkpoint.shrank).then_some((BY_KEY, None))
        }
        (_, None) => None,
    }
}

fn keys_of(page: &RepositoryPage) -> impl Iterator<Item = &RepoKey> {
    let unreadable = page.unreadable.iter().filter_map(|row| row.key.as_ref());
    page.records.iter().map(|record| &record.repository.key).chain(unreadable)
}

fn is_new(walk: &Walk, record: &IngestedRecord) -> bool {
    !walk.known.contains_key(record.repository.key.id.as_str())
}

fn stop_if_asked(run: &Discovery<'_>) -> Result<(), DiscoverError> {
    if run.stop.is_cancelled() { Err(DiscoverError::Stopped) } else { Ok(()) }
}
