//! Secondary kinds: pull requests and commits, under caps and request budgets (product.md, sections 5
//! and 9).
//!
//! `budget` decides what is asked and in which order, `crate::model::coverage` what a page means, both
//! pure; `fetch` asks and stores. Every page is recorded with the coverage it brings about, in one
//! write, before the next page of that repository is asked: a kill leaves it wholly recorded or not
//! at all (invariant 7).

mod budget;
pub mod details;
mod fetch;
mod marks;
mod pipelines;
mod stream;
#[cfg(test)]
mod tests;
pub mod users;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use crate::model::sync::SecondaryCounts;
use crate::model::{IntegrationKey, KnownRepository, RepoKey, SecondaryKind, SyncError};
use crate::source::Source;
use crate::store::{CrawlLease, Store, StoreError};

pub use crate::model::coverage::FirstSync;

/// Share of the hourly request budget that re-checks of unchanged repositories may take.
pub const ROTATION_SHARE: f64 = 0.25;

/// Requests under way at once.
pub const CONCURRENCY: usize = 8;

/// Settings of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindSettings {
    /// Depth of a repository's first fetch.
    pub first_sync: FirstSync,
    /// Most items stored in one sync, over all repositories.
    pub per_sync: u64,
}

/// What everything that hangs on repositories is fetched with.
#[derive(Clone)]
pub struct Crawl<'a> {
    /// Where it comes from.
    pub source: &'a dyn Source,
    /// Where it goes, with its coverage.
    pub store: &'a dyn Store,
    /// Proof of being the only crawl.
    pub lease: &'a CrawlLease,
    /// Whose coverage.
    pub integration: &'a IntegrationKey,
    /// The present instant.
    pub now: DateTime<Utc>,
    /// Requests under way at once; see [`CONCURRENCY`].
    pub concurrency: usize,
    /// Start nothing new, record what came, return.
    pub stop: CancellationToken,
    /// Until the next sync: for the estimate of when the backlog is gone.
    pub interval: Duration,
}

/// Why not everything was asked for that caps allow; the rest is backlog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutShort {
    /// The stop token.
    Stopped,
    /// The request budget is used up.
    RateLimited,
    /// A credential was refused.
    Unauthorized,
}

/// What a backfill works on.
pub struct BackfillInputs<'a> {
    /// What it is fetched with.
    pub crawl: Crawl<'a>,
    /// The repositories to serve; those not present (gone, excluded, inaccessible) are passed over.
    pub repositories: Vec<KnownRepository>,
    /// `None`: the kind is not selected.
    pub pull_requests: Option<KindSettings>,
    /// `None`: the kind is not selected.
    pub commits: Option<KindSettings>,
    /// Midnight UTC of the start date; nothing before is stored.
    pub start_date: Option<DateTime<Utc>>,
    /// What was refused less than an hour ago is asked again, too: after a sweep.
    pub asks_again: bool,
    /// Something is known to have happened in each of them: its newest end is asked for, whatever its date says, and
    /// nothing else. Gaps and deeper history wait for a sync of all.
    pub only_newest: bool,
    /// Share of the hourly budget for re-checks; see [`ROTATION_SHARE`].
    pub rotation_share: f64,
    /// Told after every write.
    pub progress: &'a (dyn Fn(Progress) + Sync),
}

/// How far a backfill is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Pages recorded.
    pub pages: u64,
    /// Pages planned at the start; walks over several pages may make it more.
    pub planned: u64,
    /// Pull requests stored.
    pub pull_requests: u64,
    /// Commits stored.
    pub commits: u64,
}

/// A kind the source does not let us read of a repository (403 or 404 on the first page).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The repository.
    pub repo: RepoKey,
    /// Its full name.
    pub full_name: String,
    /// Which kind.
    pub kind: SecondaryKind,
    /// 403: it is there, and forbidden.
    pub is_forbidden: bool,
    /// What the source said, and the mend.
    pub reason: String,
}

/// A kind that was refused, and has not been asked for again since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Full name of the repository.
    pub full_name: String,
    /// Which kind.
    pub kind: &'static str,
    /// When it was asked for.
    pub asked_at: DateTime<Utc>,
    /// What the source said, and the mend.
    pub reason: String,
}

/// What a backfill did, and what is left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackfillReport {
    /// `None`: the kind is not selected.
    pub pull_requests: Option<SecondaryCounts>,
    /// `None`: the kind is not selected.
    pub commits: Option<SecondaryCounts>,
    /// When the pull requests of the repository checked longest ago were checked.
    pub oldest_pull_request_check: Option<DateTime<Utc>>,
    /// What went wrong and was survived, in the order it happened.
    pub errors: Vec<SyncError>,
    /// Kinds that cannot be read of some repositories, learned in this sync.
    pub unreadable: Vec<Unreadable>,
    /// Of how many repositories a kind waits because it is refused, beside those that wait for caps or budget.
    pub held_back: BTreeMap<SecondaryKind, u64>,
    /// Kinds that could not be read of some repositories before, and wait to be asked for again.
    pub refused: Vec<Refused>,
    /// Repositories of which something can be read again, and nothing is refused any more.
    pub readable_again: Vec<RepoKey>,
    /// `None`: it was not.
    pub cut_short: Option<CutShort>,
}

/// Fetches and stores as much as caps and budget allow.
///
/// # Errors
/// Only those of the store: without it nothing is recorded, and the next sync goes on from what was.
pub async fn run(inputs: BackfillInputs<'_>) -> Result<BackfillReport, StoreError> {
    fetch::run(inputs).await
}
