//! Bitbucket Data Center (and Server), REST 1.0, versions 7 to 10.
//!
//! `listing` walks repositories, `pull_requests` and `commits` the secondary kinds, `preflight` looks before a sync
//! does, `wire` reads the JSON. Everything about HTTP is in [`super::http`].
//!
//! # What an unchanged sync costs
//!
//! Listings tell no dates, so that nothing but asking tells what changed: one request says who we are, ⌈N/1000⌉ sweep
//! the list (more where the administrator lowered the page), and each repository costs one request for its commits (the
//! newest 25, whose first is the known head) and one for its pull requests (the newest 100), and one more for the open
//! ones where there are more than 100. A sync of 1,000 repositories is some 2,002 requests; at the server's own limit of
//! five a second, some seven minutes.
//!
//! Optional kinds cost nothing while nothing changes, but for `builds`: one request per hundred commits of a repository
//! that are younger than a week and unfinished or without any build, and one for each of these that has builds.

mod commits;
mod details;
mod hooks;
mod listing;
mod preflight;
mod pull_requests;
mod users;
mod wire;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio::sync::OnceCell;
use url::Url;

use super::cursor::broken_off;
use super::hooks::{Hook, HookPlace, NewHook};
use super::http::links::{ApiBase, segment, shown};
use super::http::session::SessionSettings;
use super::http::{Call, Credential, CredentialSettings, HttpSettings, Limits, SentCount, Session, SettingsError, Who};
use super::look::Reach;
use super::{Ask, Cursor, Finding, ItemPage, Listing, RepositoryPage, Source, SourceError, Usage, UserPage};
use crate::clock::Clock;
use crate::model::{DetailBody, DetailKind, IngestedRecord, InstanceId, Item, Repository};

/// Where the API is, below the base URL.
const API: &str = "/rest/api/1.0";
/// Where the builds of commits are.
const BUILDS_API: &str = "/rest/build-status/1.0";
/// Only a known user is answered this; what is public is answered to everybody, and looks like success (facts 2.2).
const IDENTITY: &str = "/profile/recent/repos?limit=1";
/// Git commands of an instance share about fifty slots, with a wait of two seconds for one (facts 2.3).
pub const MOST_AT_ONCE: usize = 4;
/// A page over the cap on bodies is asked for again with so many rows.
const SMALLER_PAGE: u32 = 100;
/// An empty page is legal (facts 2.1); one that leads to itself is asked for so often.
const MOST_EMPTY: u32 = 3;
/// A walk longer than this does not end.
const MOST_PAGES: u32 = 100_000;

/// How to reach an instance: plain data, made from the config by the caller.
pub struct DataCenterSettings {
    /// `https://HOST[:PORT][/CONTEXT]`, as people open it.
    pub base_url: Url,
    /// Key of the one project to look at (`~user` for a person's); `None`: the whole instance.
    pub project: Option<String>,
    /// At least one; the first lists repositories, all of them share the secondary kinds.
    pub credentials: Vec<CredentialSettings>,
    /// Network and bounds.
    pub http: HttpSettings,
    /// Per credential, in the long run; `None`: a little less than the default limit of Data Center, five.
    pub requests_per_second: Option<u32>,
    /// Used by `preflight` only: `PROJECT/slug`, with or without `.git`.
    pub test_repository: Option<String>,
    /// Users will be read, so `preflight` proves that they can be.
    pub reads_users: bool,
    /// Time.
    pub clock: Clock,
    /// Randomness of backoffs.
    pub seed: u64,
    /// What [`Source::budget_snapshot`] gave before.
    pub budget: Option<Value>,
}

impl DataCenterSettings {
    /// The whole instance, one credential, every other setting at its default.
    pub fn new(base_url: Url, credential: Credential) -> Self {
        let name = "credential 1".to_owned();
        Self {
            base_url,
            project: None,
            credentials: vec![CredentialSettings { name, credential, expires: None }],
            http: default_http(),
            requests_per_second: None,
            test_repository: None,
            reads_users: false,
            clock: Clock::System,
            seed: 0,
            budget: None,
        }
    }
}

/// Bounds for an instance: its pages hold a thousand rows of three kilobytes, ten times Cloud's.
pub fn default_http() -> HttpSettings {
    HttpSettings { body_bytes: 64 * 1024 * 1024, ..HttpSettings::default() }
}

/// Which instance it is: the base URL without a trailing slash, query and userinfo.
///
/// # Errors
/// [`SettingsError`] when credentials must not be sent there.
pub fn instance_id(base_url: &Url, allow_http: bool) -> Result<InstanceId, SettingsError> {
    Ok(InstanceId(ApiBase::new(base_url, allow_http)?.text()))
}

/// What one connection learned about its instance.
#[derive(Default)]
struct Learned {
    /// Asked once, where it matters; `None`: the instance does not tell.
    version: OnceCell<Option<Version>>,
    /// `order=NEWEST` does not go by update time, which nobody documents: it was seen.
    newest_is_not_by_update: AtomicBool,
    /// Nothing counts the lines of a change: it was seen.
    counts_no_lines: AtomicBool,
    /// Nothing tells which of many commits have builds: it was seen.
    counts_no_builds: AtomicBool,
}

/// What an instance says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Version {
    text: String,
    major: u32,
    minor: u32,
}

/// An instance of Bitbucket Data Center, or one project of it.
pub struct BitbucketDataCenter {
    instance: InstanceId,
    session: Arc<Session>,
    builds: ApiBase,
    learned: Arc<Learned>,
    project: Option<String>,
    test_repository: Option<String>,
    reads_users: bool,
    reach: Reach,
    /// Who we are was proved in this sync.
    is_proved: AtomicBool,
}

impl BitbucketDataCenter {
    /// Requests by pool and answer, since the connection was made: of all workspaces on it.
    pub fn sent(&self) -> Vec<SentCount> {
        self.session.sent()
    }

    /// Names of the credentials that were refused and are left alone since.
    pub fn refused(&self) -> Vec<String> {
        self.session.refused_credentials()
    }

    /// Checks addresses, reads certificates and secrets; sends nothing.
    ///
    /// # Errors
    /// [`SettingsError`], without secrets.
    pub fn new(settings: DataCenterSettings) -> Result<Self, SettingsError> {
        let instance = instance_id(&settings.base_url, settings.http.allow_http)?;
        let api = Url::parse(&format!("{instance}{API}"))
            .map_err(|_| SettingsError::BadUrl { url: shown(&settings.base_url) })?;
        let base = ApiBase::new(&api, settings.http.allow_http)?;
        let builds = Url::parse(&format!("{instance}{BUILDS_API}"))
            .map_err(|_| SettingsError::BadUrl { url: shown(&settings.base_url) })?;
        let builds = ApiBase::new(&builds, settings.http.allow_http)?;
        check_project(settings.project.as_deref())?;
        let is_oauth =
            |it: &&CredentialSettings| matches!(it.credential, Credential::OAuth { .. } | Credential::OAuthLogin(_));
        if let Some(oauth) = settings.credentials.iter().find(is_oauth) {
            return Err(SettingsError::CloudOnly { credential: oauth.name.clone() });
        }
        let reach = Reach::of(&settings.http);
        let session = Arc::new(Session::new(
            base,
            SessionSettings {
                http: settings.http,
                credentials: settings.credentials,
                limits: Limits::PerSecond { requests: settings.requests_per_second },
                identity: Some(IDENTITY.to_owned()),
                clock: settings.clock,
                seed: settings.seed,
                budget: settings.budget,
            },
        )?);
        Ok(Self {
            instance,
            session,
            builds,
            learned: Arc::default(),
            project: settings.project,
            test_repository: settings.test_repository,
            reads_users: settings.reads_users,
            reach,
            is_proved: AtomicBool::new(false),
        })
    }

    /// The same connection for another project, or for the whole instance: credentials and their limits are shared.
    ///
    /// # Errors
    /// [`SettingsError::Workspace`].
    pub fn for_project(&self, project: Option<&str>) -> Result<Self, SettingsError> {
        check_project(project)?;
        Ok(Self {
            instance: self.instance.clone(),
            session: self.session.clone(),
            builds: self.builds.clone(),
            learned: self.learned.clone(),
            project: project.map(str::to_owned),
            test_repository: self.test_repository.clone(),
            reads_users: self.reads_users,
            reach: self.reach.clone(),
            is_proved: AtomicBool::new(false),
        })
    }

    /// Asks for one page and takes it apart. `relative` has its query, but neither `start` nor `limit`. What is too
    /// large is asked for in smaller pages; an empty page that leads to itself is asked for again.
    async fn page(&self, relative: &str, at: PageAt, mut limit: u32, asking: &Asking) -> Result<Page, SourceError> {
        for _ in 1..MOST_EMPTY {
            match self.page_of(relative, at, limit, asking).await {
                Err(SourceError::TooLarge { .. }) if limit > SMALLER_PAGE => limit = SMALLER_PAGE,
                Ok(page) if page.values.is_empty() && page.next.is_some_and(|next| next.start == at.start) => {}
                Ok(page) => return self.forward(at, page),
                Err(error) => return Err(error),
            }
        }
        let page = self.page_of(relative, at, limit, asking).await?;
        self.forward(at, page)
    }

    /// Where the next page starts has to grow: an earlier place would be met again and again.
    fn forward(&self, at: PageAt, page: Page) -> Result<Page, SourceError> {
        match page.next {
            Some(next) if next.start <= at.start || at.page >= MOST_PAGES => {
                Err(SourceError::Circular { url: page.url })
            }
            _ => Ok(page),
        }
    }

    async fn page_of(&self, relative: &str, at: PageAt, limit: u32, asking: &Asking) -> Result<Page, SourceError> {
        let mut relative = format!("{relative}{}limit={limit}", if relative.contains('?') { '&' } else { '?' });
        if at.start > 0 {
            relative.push_str(&format!("&start={}", at.start));
        }
        let url = self.session.base().url(&relative)?;
        let Asking { who, hashes, may_be_empty } = asking;
        let call = Call { hashes: hashes.clone(), may_be_empty: *may_be_empty, ..Call::get(url, *who) };
        let reply = self.session.json(&call).await.map_err(|error| broken_off(error, at.page))?;
        if call.may_be_empty && reply.value.is_null() {
            return Ok(Page { values: Vec::new(), next: None, date: reply.date, url: shown(&reply.url) });
        }
        let wire::Envelope { values, next } = wire::envelope(reply.value)
            .map_err(|message| SourceError::NotBitbucket { url: shown(&reply.url), message })?;
        let next = next.map(|start| PageAt { start, page: at.page + 1 });
        Ok(Page { values, next, date: reply.date, url: shown(&reply.url) })
    }

    /// `/projects/{key}/repos/{slug}` of a repository.
    fn repository_path(&self, repo: &Repository) -> Result<String, SourceError> {
        path_of(&repo.workspace, &repo.slug)
            .ok_or_else(|| SourceError::NotFound { url: format!("repository {}", repo.key) })
    }

    /// What the instance says it is; asked once. Anybody is told, so it may be told where everything else is refused.
    async fn version(&self) -> Result<Option<&Version>, SourceError> {
        let version = self.learned.version.get_or_try_init(|| async {
            let call = Call::get(self.session.base().url("/application-properties")?, Who::Only(0));
            match self.session.json(&call).await {
                Ok(reply) => Ok(wire::version(&reply.value)),
                Err(SourceError::NotFound { .. } | SourceError::Forbidden { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        });
        Ok(version.await?.as_ref())
    }

    /// Proves who we are, once in a sync and before its first listing: an instance that does not know us answers with
    /// what is public, which must never be taken for all there is. One request.
    async fn prove(&self) -> Result<(), SourceError> {
        if !self.is_proved.load(Ordering::Relaxed) {
            self.session.prove_identity(0).await?;
            self.is_proved.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

fn check_project(project: Option<&str>) -> Result<(), SettingsError> {
    match project {
        Some(key) if segment(key).is_none() => Err(SettingsError::Workspace { workspace: key.to_owned() }),
        _ => Ok(()),
    }
}

/// `/projects/{key}/repos/{slug}`; `None` for what cannot be part of an address.
fn path_of(project: &str, slug: &str) -> Option<String> {
    Some(format!("/projects/{}/repos/{}", segment(project)?, segment(slug)?))
}

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct PageAt {
    /// Row, as the page before told.
    start: u64,
    /// From 1.
    page: u32,
}

impl PageAt {
    const FIRST: Self = Self { start: 0, page: 1 };
}

/// How a page is asked for.
struct Asking {
    who: Who,
    hashes: Vec<String>,
    may_be_empty: bool,
}

impl Asking {
    fn by(who: Who) -> Self {
        Self { who, hashes: Vec::new(), may_be_empty: false }
    }
}

/// A page taken apart.
struct Page {
    values: Vec<Value>,
    next: Option<PageAt>,
    date: Option<DateTime<Utc>>,
    /// Where it came from, as people may see it.
    url: String,
}

#[async_trait]
impl Source for BitbucketDataCenter {
    fn instance(&self) -> &InstanceId {
        &self.instance
    }

    async fn preflight(&self) -> Vec<Finding> {
        preflight::look(self).await
    }

    /// Lists everything, whatever is asked for: Data Center tells no dates. The first listing of a sync costs one more
    /// request, which proves who we are.
    async fn repositories(&self, _: &Listing, cursor: Option<&Cursor>) -> Result<RepositoryPage, SourceError> {
        listing::page(self, cursor).await
    }

    async fn count(&self) -> Result<Option<u64>, SourceError> {
        Ok(None)
    }

    async fn repository(&self, known: &Repository) -> Result<Option<IngestedRecord>, SourceError> {
        listing::find(self, known).await
    }

    async fn secondary(&self, repo: &Repository, ask: &Ask, cursor: Option<&Cursor>) -> Result<ItemPage, SourceError> {
        match ask {
            Ask::PullRequests { from, to } => pull_requests::all(self, repo, *from, *to, cursor).await,
            Ask::Commits { include, exclude } => commits::page(self, repo, include, exclude, cursor).await,
        }
    }

    fn tells_changes(&self) -> bool {
        false
    }

    fn detail_kinds(&self) -> &[DetailKind] {
        &[DetailKind::Reviews, DetailKind::PullRequestFiles, DetailKind::CommitFiles, DetailKind::Builds]
    }

    async fn detail(&self, repo: &Repository, kind: DetailKind, of: &Item) -> Result<DetailBody, SourceError> {
        details::detail(self, repo, kind, of).await
    }

    fn details_at_once(&self, kind: DetailKind) -> usize {
        if kind == DetailKind::Builds { details::COMMITS_AT_ONCE } else { 1 }
    }

    async fn details(
        &self,
        repo: &Repository,
        kind: DetailKind,
        of: &[Item],
    ) -> Result<Vec<Option<DetailBody>>, SourceError> {
        details::of_many(self, repo, kind, of).await
    }

    fn tells_users(&self) -> bool {
        true
    }

    async fn users(&self, cursor: Option<&Cursor>) -> Result<UserPage, SourceError> {
        users::page(self, cursor).await
    }

    fn most_at_once(&self) -> usize {
        MOST_AT_ONCE
    }

    async fn hooks(&self, place: &HookPlace) -> Result<Vec<Hook>, SourceError> {
        hooks::list(self, place).await
    }

    async fn set_hook(&self, place: &HookPlace, id: Option<&str>, hook: &NewHook) -> Result<Hook, SourceError> {
        hooks::set(self, place, id, hook).await.map_err(|error| hook.blotted(error))
    }

    async fn remove_hook(&self, place: &HookPlace, id: &str) -> Result<(), SourceError> {
        hooks::remove(self, place, id).await
    }

    fn begin_sync(&self) -> Result<(), SourceError> {
        self.is_proved.store(false, Ordering::Relaxed);
        self.session.reload_secrets()
    }

    fn refused_credentials(&self) -> Vec<String> {
        self.session.refused_credentials()
    }

    fn usage(&self) -> Usage {
        self.session.usage()
    }

    fn budget_snapshot(&self) -> Value {
        self.session.budget_snapshot()
    }

    fn credentials(&self) -> Vec<CredentialSettings> {
        self.session.credentials().cloned().collect()
    }

    fn listing_credential(&self) -> String {
        self.session.listing_credential()
    }
}
