//! Commits over the git protocol: a source that answers for commits itself and hands everything else on.
//!
//! `ls-remote` tells where a branch stands for no request to the REST API; a bare repository that holds commits alone
//! (`--filter=tree:0`) and only as deep as needed brings the rest. Neither a file nor a tree is ever read. An ask goes
//! `choice` (git or REST) → `remote` (where, and as whom) → `scratch` (fetch what is missing) → `log` (rows);
//! `process` runs git with nothing of our surroundings, and ends it.

mod choice;
mod error;
mod log;
mod process;
mod remote;
mod scratch;
mod settings;
pub mod ssh;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Semaphore;
use tracing::{info, warn};

pub use choice::Via;
pub use error::GitError;
pub use scratch::{folder_name, keep_only};
pub use settings::{GitSettings, GitUsage, Limits, Place};
pub use ssh::{OfferedKey, SshSettings};

use self::choice::{Standing, Way, way};
use self::error::Blamed;
use self::log::Row;
use self::remote::Remote;
use self::scratch::{Fetched, Scratch};
use super::hooks::{Hook, HookPlace, NewHook};
use super::http::CredentialSettings;
use super::{
    Ask, Cursor, Finding, FindingCode, ItemPage, Listing, PipelinePage, RepositoryPage, Source, SourceError, Usage,
    UserPage,
};
use crate::model::coverage::Head;
use crate::model::{DetailBody, DetailKind, HEAD, IngestedRecord, InstanceId, Item, RepoKey, Repository};

/// Rows of a page, as over REST.
const PAGE: usize = 100;
/// Rows read ahead once a walk goes on: git walks from the head each time it is asked.
const AHEAD: usize = 2_000;
/// Walks whose rows are kept ahead.
const MOST_WALKS: usize = 16;
/// The first fetch of a long history; deeper follows as it is needed.
const FIRST_DEPTH: u64 = 2_000;
/// How often one ask may fetch: each time four times deeper.
const MOST_FETCHES: u32 = 12;
/// After so many failures in a row that may be the server's, it is not asked again in the same sync.
const MOST_IN_A_ROW: u32 = 3;
/// Commands at once: servers throttle git by processes.
const AT_ONCE: usize = 4;
/// Begins our cursors, which hold a walk's heads and how far it came.
const CURSOR: &str = "git:";

#[derive(Default)]
struct Counters {
    listings: AtomicU64,
    fetches: AtomicU64,
    over_rest: AtomicU64,
}

/// A walk's place: commits whose rows come next, with all that is beneath them. Counting rows would not do: where
/// dates are equal, their order changes with what else is here.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Walk {
    v: u8,
    heads: Vec<String>,
    exclude: Vec<String>,
    /// The first page gave its rows already.
    goes_on: bool,
}

impl Walk {
    /// Behind these rows: the open ends, in the order they were met.
    fn behind(self, rows: &[Row]) -> Self {
        let passed: HashSet<&str> = rows.iter().map(|row| row.commit.hash.as_str()).collect();
        let mut met = HashSet::new();
        let parents = rows.iter().flat_map(|row| row.commit.parents.iter().cloned());
        let open = self.heads.into_iter().chain(parents);
        let heads = open.filter(|hash| !passed.contains(hash.as_str()) && met.insert(hash.clone())).collect();
        Self { heads, goes_on: true, ..self }
    }
}

/// Rows read ahead of a walk.
struct Ahead {
    walk: Walk,
    rows: Vec<Row>,
    is_end: bool,
}

/// A source whose commits come over git.
pub struct WithGit {
    inner: Arc<dyn Source>,
    settings: GitSettings,
    at_once: Semaphore,
    /// One command at a time in a scratch repository.
    locks: Mutex<HashMap<RepoKey, Arc<tokio::sync::Mutex<()>>>>,
    ahead: Mutex<Vec<(RepoKey, Ahead)>>,
    /// Why git is not asked any more in this sync.
    off: Mutex<Option<String>>,
    /// Failures in a row that may be the server's.
    in_a_row: AtomicU32,
    counters: Counters,
}

/// Why git did not answer.
enum Failure {
    Git(GitError),
    Unknown(Vec<String>),
}

impl From<GitError> for Failure {
    fn from(error: GitError) -> Self {
        Self::Git(error)
    }
}

impl WithGit {
    /// Starts nothing and makes no folder.
    pub fn new(inner: Arc<dyn Source>, mut settings: GitSettings) -> Self {
        settings.credentials.retain(remote::is_for_git);
        Self {
            inner,
            settings,
            at_once: Semaphore::new(AT_ONCE),
            locks: Mutex::default(),
            ahead: Mutex::default(),
            off: Mutex::default(),
            in_a_row: AtomicU32::new(0),
            counters: Counters::default(),
        }
    }

    /// What git was used for.
    pub fn git_usage(&self) -> GitUsage {
        let Counters { listings, fetches, over_rest } = &self.counters;
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        GitUsage { listings: of(listings), fetches: of(fetches), over_rest: of(over_rest) }
    }

    fn scratch(&self, key: &RepoKey) -> Scratch {
        let depth = self.settings.first_sync.unwrap_or(u64::MAX).saturating_add(1).min(FIRST_DEPTH);
        Scratch::of(&self.settings.folder, key, depth)
    }

    fn way(&self, repo: &Repository) -> Way {
        let scratch = self.scratch(&repo.key);
        let standing = Standing {
            is_fetched: scratch.is_there(),
            failed_at: scratch.failed_at(),
            unfiltered_at: scratch::learned(&self.settings.folder).unfiltered_at,
            is_off: self.off.lock().unwrap_or_else(PoisonError::into_inner).is_some(),
        };
        way(self.settings.via, standing, self.settings.clock.now())
    }

    async fn commits(
        &self,
        repo: &Repository,
        ask: &Ask,
        include: &[String],
        exclude: &[String],
        cursor: Option<&Cursor>,
    ) -> Result<ItemPage, SourceError> {
        let walk = cursor.and_then(|cursor| cursor.0.strip_prefix(CURSOR));
        if cursor.is_some() && walk.is_none() {
            // A walk begun over REST ends there.
            return self.inner.secondary(repo, ask, cursor).await;
        }
        let walk: Option<Walk> = match walk.map(serde_json::from_str) {
            Some(Ok(walk)) => Some(walk),
            Some(Err(_)) => return Err(SourceError::StaleCursor),
            None => None,
        };
        if self.way(repo) == Way::Rest {
            return self.over_rest(repo, ask, walk).await;
        }
        let failed = match self.page(repo, include, exclude, walk.clone()).await {
            Ok(page) => return Ok(page),
            Err(Failure::Unknown(hashes)) => return Err(SourceError::UnknownCommits { hashes }),
            Err(Failure::Git(error)) => error,
        };
        if self.settings.via == Via::Git {
            return Err(SourceError::Git(failed));
        }
        self.note(repo, &failed);
        self.over_rest(repo, ask, walk).await
    }

    /// Decides what a failure means for the asks that follow, and says so.
    fn note(&self, repo: &Repository, failed: &GitError) {
        let blamed = failed.blamed();
        let in_a_row = match blamed {
            Blamed::Repository => 0,
            Blamed::Server => self.in_a_row.fetch_add(1, Ordering::Relaxed) + 1,
            Blamed::Ourselves => MOST_IN_A_ROW,
        };
        if in_a_row >= MOST_IN_A_ROW {
            let mut off = self.off.lock().unwrap_or_else(PoisonError::into_inner);
            if off.is_none() {
                warn!("commits come over REST until the next sync: {failed}; mend: {}", failed.mend());
                *off = Some(failed.to_string());
            }
            return;
        }
        info!(repository = %repo.full_name, "its commits come over REST: {failed}");
        if blamed == Blamed::Repository {
            self.scratch(&repo.key).remember_failure(self.settings.clock.now());
        }
    }

    /// A walk that git began goes on at its open ends.
    async fn over_rest(&self, repo: &Repository, ask: &Ask, walk: Option<Walk>) -> Result<ItemPage, SourceError> {
        self.counters.over_rest.fetch_add(1, Ordering::Relaxed);
        match walk {
            Some(Walk { heads, exclude, .. }) => {
                let ask = Ask::Commits { include: heads, exclude };
                self.inner.secondary(repo, &ask, None).await
            }
            None => self.inner.secondary(repo, ask, None).await,
        }
    }

    async fn page(
        &self,
        repo: &Repository,
        include: &[String],
        exclude: &[String],
        walk: Option<Walk>,
    ) -> Result<ItemPage, Failure> {
        let lock = {
            let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            locks.entry(repo.key.clone()).or_default().clone()
        };
        let _alone = lock.lock().await;
        if let Some(page) = walk.as_ref().and_then(|walk| self.read_ahead(&repo.key, walk)) {
            return Ok(page);
        }
        let _turn = self.at_once.acquire().await;
        let mut remote = Remote::of(&self.settings, repo)?;
        let scratch = self.scratch(&repo.key);
        let mut names_head = false;
        let walk = match walk {
            Some(walk) => walk,
            None => {
                names_head = include.len() == 1 && !log::is_hash(&include[0]);
                if scratch.is_worn() {
                    scratch.remove();
                }
                let heads = self.heads(&mut remote, &scratch, include).await?;
                if heads.is_empty() {
                    return Ok(ItemPage::default());
                }
                Walk { v: 1, heads, exclude: exclude.to_vec(), goes_on: false }
            }
        };
        let most = if walk.goes_on { AHEAD } else { PAGE };
        let (rows, is_end) = self.rows(&mut remote, &scratch, repo, &walk, most).await?;
        let mut head = None;
        if names_head {
            let is_head = |row: &&Row| row.commit.hash == walk.heads[0];
            let of = |row: &Row| Head { hash: row.commit.hash.clone(), parents: row.commit.parents.clone() };
            head = rows.first().filter(is_head).map(of);
            if head.is_none() {
                let alone = Walk { exclude: Vec::new(), ..walk.clone() };
                head = self.rows(&mut remote, &scratch, repo, &alone, 1).await?.0.first().filter(is_head).map(of);
            }
        }
        self.in_a_row.store(0, Ordering::Relaxed);
        Ok(ItemPage { head, ..self.serve(&repo.key, Ahead { walk, rows, is_end }) })
    }

    /// Hashes are taken as they are; a name is what the server says it is now.
    async fn heads(
        &self,
        remote: &mut Remote<'_>,
        scratch: &Scratch,
        include: &[String],
    ) -> Result<Vec<String>, Failure> {
        let mut heads = Vec::new();
        for revision in include {
            if log::is_hash(revision) {
                heads.push(revision.clone());
                continue;
            }
            let reference = remote::branch_ref(revision)?;
            if !scratch.is_there() {
                // What is asked for the first time is not asked for its head before.
                if let Fetched::Whole = self.fetched(scratch.fetch_branch(remote, &reference).await?) {
                    heads.extend(scratch.tip());
                    continue;
                }
            }
            let listed = self.listing(remote, &reference).await?;
            match listed {
                Listed::Head(head) => {
                    if !scratch.missing(remote, std::slice::from_ref(&head)).await?.is_empty() {
                        self.fetched(scratch.fetch_branch(remote, &reference).await?);
                        // The branch may have moved on meanwhile.
                        heads.push(scratch.tip().unwrap_or(head));
                    } else {
                        heads.push(head);
                    }
                }
                Listed::Nothing => {}
                Listed::Others => return Err(Failure::Unknown(vec![revision.clone()])),
            }
        }
        Ok(heads)
    }

    async fn listing(&self, remote: &mut Remote<'_>, reference: &str) -> Result<Listed, GitError> {
        self.counters.listings.fetch_add(1, Ordering::Relaxed);
        let arguments = ["ls-remote", "--quiet", "--symref", "--", "origin", HEAD, reference];
        let arguments = if reference == HEAD { &arguments[..6] } else { &arguments[..] };
        let done = remote.ask(None, arguments, self.settings.limits.listing, None).await?;
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        let mut is_empty = true;
        for line in text.lines().filter(|line| !line.starts_with("ref:")) {
            let Some((hash, name)) = line.split_once('\t') else { continue };
            is_empty = false;
            if name == reference && log::is_hash(hash) {
                return Ok(Listed::Head(hash.to_owned()));
            }
        }
        // HEAD of a repository with commits always points somewhere, but for one whose default branch is gone.
        Ok(if is_empty { Listed::Nothing } else { Listed::Others })
    }

    fn fetched(&self, (fetched, is_unfiltered): (Fetched, bool)) -> Fetched {
        self.counters.fetches.fetch_add(1, Ordering::Relaxed);
        if is_unfiltered {
            let learned = scratch::Learned { unfiltered_at: Some(self.settings.clock.now()) };
            scratch::remember(&self.settings.folder, learned);
        }
        fetched
    }

    /// Rows that are sure, at least one unless the walk is at its end; what is missing for it is fetched.
    async fn rows(
        &self,
        remote: &mut Remote<'_>,
        scratch: &Scratch,
        repo: &Repository,
        walk: &Walk,
        most: usize,
    ) -> Result<(Vec<Row>, bool), Failure> {
        let named: Vec<String> = walk.heads.iter().chain(&walk.exclude).cloned().collect();
        for _ in 0..MOST_FETCHES {
            let found = scratch.rows(remote, repo, (&walk.heads, &walk.exclude), most).await?;
            let fetched = match found {
                Some(rows) if !rows.rows.is_empty() || !rows.needs_deeper => return Ok((rows.rows, rows.is_end)),
                Some(_) => scratch.deepen(remote, &named).await?,
                None => {
                    let mut missing = scratch.missing(remote, &named).await?;
                    if missing.is_empty() {
                        // All is there, and git reads it all the same not: it is broken.
                        scratch.remove();
                        missing = named.clone();
                    }
                    scratch.fetch_commits(remote, &missing).await?
                }
            };
            if let Fetched::Unknown(hashes) = self.fetched(fetched) {
                return Err(Failure::Unknown(hashes));
            }
        }
        let message = "its history cannot be read to the place asked for".to_owned();
        Err(GitError::Failed { url: remote.url.clone(), message }.into())
    }

    /// A page of rows read ahead before.
    fn read_ahead(&self, key: &RepoKey, walk: &Walk) -> Option<ItemPage> {
        let found = {
            let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
            let place = ahead.iter().position(|(known, ahead)| known == key && ahead.walk == *walk)?;
            ahead.remove(place).1
        };
        Some(self.serve(key, found))
    }

    /// The first page of these rows; the others are kept for the next.
    fn serve(&self, key: &RepoKey, of: Ahead) -> ItemPage {
        let Ahead { walk, mut rows, is_end } = of;
        let rest = rows.split_off(rows.len().min(PAGE));
        let next = walk.behind(&rows);
        let has_next = !rest.is_empty() || !is_end;
        let cursor = has_next.then(|| {
            let text = serde_json::to_string(&next).expect("hashes and numbers");
            Cursor(format!("{CURSOR}{text}"))
        });
        if !rest.is_empty() {
            let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
            ahead.retain(|(known, _)| known != key);
            if ahead.len() >= MOST_WALKS {
                ahead.remove(0);
            }
            ahead.push((key.clone(), Ahead { walk: next, rows: rest, is_end }));
        }
        let items = rows.into_iter().map(|row| Item::Commit(row.commit)).collect();
        ItemPage { items, next: cursor, ..ItemPage::default() }
    }
}

/// What `ls-remote` said.
enum Listed {
    Head(String),
    /// An empty repository.
    Nothing,
    /// Other branches only.
    Others,
}

#[async_trait]
impl Source for WithGit {
    fn instance(&self) -> &InstanceId {
        self.inner.instance()
    }

    async fn preflight(&self) -> Vec<Finding> {
        let mut findings = self.inner.preflight().await;
        if let Place::Ssh(ssh) = &self.settings.place {
            findings.extend(ssh.findings().await);
        } else if self.settings.via == Via::Git && self.settings.credentials.is_empty() {
            findings.push(Finding {
                code: FindingCode::InvalidCredentials,
                subject: "git".to_owned(),
                message: GitError::NoCredential.to_string(),
                mend: Some(GitError::NoCredential.mend()),
                curl: None,
            });
        }
        findings
    }

    async fn repositories(&self, listing: &Listing, cursor: Option<&Cursor>) -> Result<RepositoryPage, SourceError> {
        self.inner.repositories(listing, cursor).await
    }

    async fn count(&self) -> Result<Option<u64>, SourceError> {
        self.inner.count().await
    }

    async fn repository(&self, known: &Repository) -> Result<Option<IngestedRecord>, SourceError> {
        self.inner.repository(known).await
    }

    fn tells_changes(&self) -> bool {
        self.inner.tells_changes()
    }

    fn most_at_once(&self) -> usize {
        self.inner.most_at_once()
    }

    async fn secondary(&self, repo: &Repository, ask: &Ask, cursor: Option<&Cursor>) -> Result<ItemPage, SourceError> {
        match ask {
            Ask::Commits { include, exclude } => self.commits(repo, ask, include, exclude, cursor).await,
            _ => self.inner.secondary(repo, ask, cursor).await,
        }
    }

    async fn hooks(&self, place: &HookPlace) -> Result<Vec<Hook>, SourceError> {
        self.inner.hooks(place).await
    }

    async fn set_hook(&self, place: &HookPlace, id: Option<&str>, hook: &NewHook) -> Result<Hook, SourceError> {
        self.inner.set_hook(place, id, hook).await
    }

    async fn remove_hook(&self, place: &HookPlace, id: &str) -> Result<(), SourceError> {
        self.inner.remove_hook(place, id).await
    }

    fn detail_kinds(&self) -> &[DetailKind] {
        self.inner.detail_kinds()
    }

    async fn detail(&self, repo: &Repository, kind: DetailKind, of: &Item) -> Result<DetailBody, SourceError> {
        self.inner.detail(repo, kind, of).await
    }

    fn details_at_once(&self, kind: DetailKind) -> usize {
        self.inner.details_at_once(kind)
    }

    async fn details(
        &self,
        repo: &Repository,
        kind: DetailKind,
        of: &[Item],
    ) -> Result<Vec<Option<DetailBody>>, SourceError> {
        self.inner.details(repo, kind, of).await
    }

    async fn pipelines(&self, repo: &Repository, cursor: Option<&Cursor>) -> Result<PipelinePage, SourceError> {
        self.inner.pipelines(repo, cursor).await
    }

    fn tells_users(&self) -> bool {
        self.inner.tells_users()
    }

    async fn users(&self, cursor: Option<&Cursor>) -> Result<UserPage, SourceError> {
        self.inner.users(cursor).await
    }

    fn begin_sync(&self) -> Result<(), SourceError> {
        *self.off.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.in_a_row.store(0, Ordering::Relaxed);
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.locks.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.inner.begin_sync()
    }

    fn refused_credentials(&self) -> Vec<String> {
        self.inner.refused_credentials()
    }

    fn usage(&self) -> Usage {
        self.inner.usage()
    }

    fn budget_snapshot(&self) -> Value {
        self.inner.budget_snapshot()
    }

    fn credentials(&self) -> Vec<CredentialSettings> {
        self.inner.credentials()
    }

    fn listing_credential(&self) -> String {
        self.inner.listing_credential()
    }
}
