//! Bitbucket Cloud, REST 2.0.
//!
//! `listing` walks repositories, `pull_requests` and `commits` the secondary kinds, `preflight` looks
//! before a sync does, `wire` reads the JSON. Everything about HTTP is in [`super::http`].

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

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use serde_json::Value;
use url::Url;

use super::cursor::{broken_off, cursor, place_of};
use super::hooks::{Hook, HookPlace, NewHook};
use super::http::links::{ApiBase, Place, segment, shown};
use super::http::session::SessionSettings;
use super::http::{
    Call, Credential, CredentialSettings, HttpSettings, Limits, Reply, Reserve, SentCount, Session, SettingsError, Who,
};
use super::look::Reach;
use super::{
    Ask, Cursor, Finding, ItemPage, Listing, PipelinePage, RepositoryPage, Source, SourceError, Usage, UserPage,
};
use crate::clock::Clock;
use crate::model::{DetailBody, DetailKind, IngestedRecord, InstanceId, Item, RepoKey, Repository};

/// Bitbucket Cloud's own API.
pub const API_URL: &str = "https://api.bitbucket.org/2.0";
/// Where OAuth consumers fetch their tokens.
pub const TOKEN_URL: &str = "https://bitbucket.org/site/oauth2/access_token";

/// How to reach one workspace of Bitbucket Cloud: plain data, made from the config by the caller.
pub struct CloudSettings {
    /// [`API_URL`], unless it is a simulator or goes through a gateway.
    pub api_url: Url,
    /// Slug, or `{uuid}`.
    pub workspace: String,
    /// At least one; the first lists repositories, all of them share the secondary kinds.
    pub credentials: Vec<CredentialSettings>,
    /// Network and bounds.
    pub http: HttpSettings,
    /// Per credential, in the repository pool; `None`: 1,000 until the server tells another.
    pub requests_per_hour: Option<u64>,
    /// Never spent.
    pub reserve: Reserve,
    /// Whether details of pull requests are asked for: their list then tells more, so that fewer are.
    pub details: bool,
    /// Used by `preflight` only: a slug, with or without `.git`.
    pub test_repository: Option<String>,
    /// Members of the workspace will be read, so `preflight` proves that they can be.
    pub reads_users: bool,
    /// Time.
    pub clock: Clock,
    /// Randomness of backoffs.
    pub seed: u64,
    /// What [`Source::budget_snapshot`] gave before; anything unreadable is taken for a fresh hour.
    pub budget: Option<Value>,
}

impl CloudSettings {
    /// The workspace at Bitbucket's own address, one credential, every other setting at its default.
    pub fn new(workspace: impl Into<String>, credential: Credential) -> Self {
        let name = "credential 1".to_owned();
        Self {
            api_url: Url::parse(API_URL).expect("a constant that parses"),
            workspace: workspace.into(),
            credentials: vec![CredentialSettings { name, credential, expires: None }],
            http: HttpSettings::default(),
            requests_per_hour: None,
            reserve: Reserve::Percent(10),
            details: false,
            test_repository: None,
            reads_users: false,
            clock: Clock::System,
            seed: 0,
            budget: None,
        }
    }
}

/// One workspace of Bitbucket Cloud.
pub struct BitbucketCloud {
    instance: InstanceId,
    session: Arc<Session>,
    workspace: String,
    /// The workspace as a path segment.
    workspace_segment: String,
    details: bool,
    test_repository: Option<String>,
    reads_users: bool,
    reach: Reach,
    /// How pull requests of a repository have to be asked for, where the usual way failed.
    pull_request_ways: Mutex<HashMap<RepoKey, pull_requests::Way>>,
}

impl BitbucketCloud {
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
    pub fn new(settings: CloudSettings) -> Result<Self, SettingsError> {
        let base = ApiBase::new(&settings.api_url, settings.http.allow_http)?;
        let workspace_segment = segment(&settings.workspace)
            .ok_or_else(|| SettingsError::Workspace { workspace: settings.workspace.clone() })?;
        let is_vendor = base.host() == "bitbucket.org" || base.host().ends_with(".bitbucket.org");
        if is_vendor
            && let Some(basic) =
                settings.credentials.iter().find(|it| matches!(it.credential, Credential::Basic { .. }))
        {
            return Err(SettingsError::AppPassword { credential: basic.name.clone() });
        }
        let reach = Reach::of(&settings.http);
        let session = Arc::new(Session::new(
            base,
            SessionSettings {
                http: settings.http,
                credentials: settings.credentials,
                limits: Limits::Hourly { requests: settings.requests_per_hour, reserve: settings.reserve },
                identity: None,
                clock: settings.clock,
                seed: settings.seed,
                budget: settings.budget,
            },
        )?);
        Ok(Self {
            instance: InstanceId::cloud(),
            session,
            workspace: settings.workspace,
            workspace_segment,
            details: settings.details,
            test_repository: settings.test_repository,
            reads_users: settings.reads_users,
            reach,
            pull_request_ways: Mutex::new(HashMap::new()),
        })
    }

    /// The same connection for another workspace: credentials and their budget are shared.
    ///
    /// # Errors
    /// [`SettingsError::Workspace`].
    pub fn for_workspace(&self, workspace: &str) -> Result<Self, SettingsError> {
        let workspace_segment =
            segment(workspace).ok_or_else(|| SettingsError::Workspace { workspace: workspace.to_owned() })?;
        Ok(Self {
            instance: self.instance.clone(),
            session: self.session.clone(),
            workspace: workspace.to_owned(),
            workspace_segment,
            details: self.details,
            test_repository: self.test_repository.clone(),
            reads_users: self.reads_users,
            reach: self.reach.clone(),
            pull_request_ways: Mutex::new(HashMap::new()),
        })
    }

    /// `/repositories/{workspace}/{slug}` of a repository.
    fn repository_path(&self, repo: &Repository) -> Result<String, SourceError> {
        match (segment(&repo.workspace), segment(&repo.slug)) {
            (Some(workspace), Some(slug)) => Ok(format!("/repositories/{workspace}/{slug}")),
            _ => Err(SourceError::NotFound { url: format!("repository {}", repo.key) }),
        }
    }

    /// Asks for one page and takes it apart; says where the next one is.
    async fn page(&self, place: &Place, call: Call) -> Result<Page, SourceError> {
        let reply = self.session.json(&call).await.map_err(|error| broken_off(error, place.page))?;
        let Reply { value, date, url } = reply;
        let wire::Envelope { values, next, size } =
            wire::envelope(value).map_err(|message| SourceError::NotBitbucket { url: shown(&url), message })?;
        let next = match next {
            Some(next) => Some(place.advance(&url, self.session.base().next(&url, &next)?)?),
            None => None,
        };
        Ok(Page { values, next, size, date })
    }

    fn get(&self, place: &Place, who: Who) -> Result<Call, SourceError> {
        Ok(Call::get(self.session.base().url(&place.next)?, who))
    }

    fn ways(&self) -> std::sync::MutexGuard<'_, HashMap<RepoKey, pull_requests::Way>> {
        self.pull_request_ways.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A page taken apart.
struct Page {
    values: Vec<Value>,
    next: Option<Place>,
    size: Option<u64>,
    date: Option<chrono::DateTime<chrono::Utc>>,
}

#[async_trait]
impl Source for BitbucketCloud {
    fn instance(&self) -> &InstanceId {
        &self.instance
    }

    async fn preflight(&self) -> Vec<Finding> {
        preflight::look(self).await
    }

    async fn repositories(&self, listing: &Listing, cursor: Option<&Cursor>) -> Result<RepositoryPage, SourceError> {
        listing::page(self, listing, cursor).await
    }

    async fn count(&self) -> Result<Option<u64>, SourceError> {
        listing::count(self, Who::Only(0)).await
    }

    async fn repository(&self, known: &Repository) -> Result<Option<IngestedRecord>, SourceError> {
        listing::by_key(self, &known.key).await
    }

    async fn secondary(&self, repo: &Repository, ask: &Ask, cursor: Option<&Cursor>) -> Result<ItemPage, SourceError> {
        match ask {
            Ask::PullRequests { from, to } => {
                let window = pull_requests::Window { from: *from, to: *to };
                pull_requests::page(self, repo, window, cursor).await
            }
            Ask::Commits { include, exclude } => commits::page(self, repo, include, exclude, cursor).await,
        }
    }

    fn detail_kinds(&self) -> &[DetailKind] {
        &[DetailKind::Reviews, DetailKind::PullRequestFiles, DetailKind::CommitFiles, DetailKind::Pipelines]
    }

    async fn detail(&self, repo: &Repository, kind: DetailKind, of: &Item) -> Result<DetailBody, SourceError> {
        details::detail(self, repo, kind, of).await
    }

    async fn pipelines(&self, repo: &Repository, cursor: Option<&Cursor>) -> Result<PipelinePage, SourceError> {
        details::pipelines(self, repo, cursor).await
    }

    fn tells_users(&self) -> bool {
        true
    }

    async fn users(&self, cursor: Option<&Cursor>) -> Result<UserPage, SourceError> {
        users::page(self, cursor).await
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
