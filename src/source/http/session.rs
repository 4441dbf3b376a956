//! Calls that survive what can be survived: the right credential within its budget, limits waited for,
//! failures tried again.

mod attempts;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use serde_json::Value;
use url::Url;

use self::attempts::Attempts;
use super::auth::{Authorizer, CredentialSettings};
use super::bucket::{Allowance, Limits};
use super::budget::Snapshot;
use super::client::{Client, Posted, Verb};
use super::links::{ApiBase, shown};
use super::retry::{Jitter, Throttle};
use super::sent::{Sent, SentCount};
use super::{Credential, HttpSettings, SettingsError};
use crate::clock::Clock;
use crate::source::{SourceError, Usage};

/// How long the answer about who we are, asked after a 401, is believed: a token can be revoked while a sync runs, and
/// what is forbidden comes in bunches.
const BELIEVED: chrono::Duration = chrono::Duration::seconds(10);
/// How many refusals it explains at most, the one it was asked for included. A token that is revoked right after is then
/// sent four times, that question included: Data Center locks an account at the fifth failed login as it comes. What is
/// listed can mostly be read, so a question for every third refusal costs little.
const EXPLAINED: u32 = 3;

/// Which limit of the server a request counts against (facts 1.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pool {
    /// `/repositories/*`.
    Repositories,
    /// Everything else.
    Other,
}

/// Which credential a call may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// This one alone. Listings and counts use the first, since another may see other repositories.
    Only(usize),
    /// The one with most requests left; once another when it is not allowed.
    Any,
}

/// What is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub url: Url,
    pub verb: Verb,
    /// What goes with it.
    pub posted: Option<Posted>,
    pub pool: Pool,
    pub who: Who,
    /// Most requests when the server fails; `None`: as configured.
    pub attempts: Option<u32>,
    /// Commit hashes the call names, so that a 404 about them is understood.
    pub hashes: Vec<String>,
    /// An answer that says that the repository has no commits is no error, but `null`.
    pub may_be_empty: bool,
}

impl Call {
    /// A GET of the repository pool.
    pub fn get(url: Url, who: Who) -> Self {
        Self {
            url,
            verb: Verb::Ask,
            posted: None,
            pool: Pool::Repositories,
            who,
            attempts: None,
            hashes: Vec::new(),
            may_be_empty: false,
        }
    }
}

/// What came.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub value: Value,
    /// The server's `Date`.
    pub date: Option<DateTime<Utc>>,
    /// Where it came from, after redirects.
    pub url: Url,
}

/// What a session is made of.
pub struct SessionSettings {
    /// Network and bounds.
    pub http: HttpSettings,
    /// At least one; the first lists.
    pub credentials: Vec<CredentialSettings>,
    /// Of each credential.
    pub limits: Limits,
    /// What only a known user is answered, below the base: there, a 401 may also mean that something is forbidden
    /// (Data Center), and this tells which. `None`: a 401 refuses the credential.
    pub identity: Option<String>,
    /// Time.
    pub clock: Clock,
    /// Randomness of backoffs.
    pub seed: u64,
    /// A stored [`Session::budget_snapshot`]; anything else is taken for a fresh hour.
    pub budget: Option<Value>,
}

struct Worker {
    authorizer: Authorizer,
    repositories: Mutex<Allowance>,
    other: Mutex<Allowance>,
    /// What is believed about who we are; held while that is asked, so that refusals at the same time ask once.
    known: tokio::sync::Mutex<Option<Known>>,
}

/// The server knew us, after it had refused something.
struct Known {
    until: DateTime<Utc>,
    /// Refusals this may still explain.
    left: u32,
}

impl Worker {
    fn budget(&self, pool: Pool) -> std::sync::MutexGuard<'_, Allowance> {
        let budget = match pool {
            Pool::Repositories => &self.repositories,
            Pool::Other => &self.other,
        };
        budget.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the store keeps of one credential's budgets.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
struct StoredBudgets {
    #[serde(default)]
    repositories: Snapshot,
    #[serde(default)]
    other: Snapshot,
}

enum Choice {
    Use(usize),
    /// Nobody can before.
    Wait(DateTime<Utc>),
    /// Nobody is left.
    Nobody,
}

/// All calls to one Bitbucket.
pub struct Session {
    base: ApiBase,
    client: Client,
    workers: Vec<Worker>,
    clock: Clock,
    jitter: Jitter,
    http: HttpSettings,
    limits: Limits,
    identity: Option<Url>,
    requests: AtomicU64,
    sent: Sent,
}

impl Session {
    /// Checks addresses, reads certificates and secrets; sends nothing.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn new(base: ApiBase, settings: SessionSettings) -> Result<Self, SettingsError> {
        let SessionSettings { http, credentials, limits, identity, clock, seed, budget } = settings;
        if credentials.is_empty() {
            return Err(SettingsError::NoCredential);
        }
        let stored: BTreeMap<String, StoredBudgets> =
            budget.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default();
        let now = clock.now();
        let mut workers = Vec::new();
        for credential in credentials {
            if let Credential::OAuth { token_url, .. } = &credential.credential {
                super::links::check_address(token_url, http.allow_http)?;
            }
            let name = credential.name.clone();
            let authorizer = Authorizer::new(credential)
                .map_err(|error| SettingsError::Secret { credential: name, message: error.0 })?;
            let mut repositories = Allowance::new(limits);
            let mut other = Allowance::new(match limits {
                Limits::Hourly { reserve, .. } => Limits::Hourly { requests: None, reserve },
                limits => limits,
            });
            if let Some(stored) = stored.get(authorizer.id()) {
                repositories.restore(&stored.repositories, now);
                other.restore(&stored.other, now);
            }
            workers.push(Worker {
                authorizer,
                repositories: Mutex::new(repositories),
                other: Mutex::new(other),
                known: tokio::sync::Mutex::new(None),
            });
        }
        let client = Client::new(&http, base.is_loopback())?;
        let jitter = Jitter::new(seed);
        let identity = identity.map(|relative| base.url(&relative)).transpose();
        let identity = identity.map_err(|error| SettingsError::Client { message: error.to_string() })?;
        let requests = AtomicU64::new(0);
        Ok(Self { base, client, workers, clock, jitter, http, limits, identity, requests, sent: Sent::default() })
    }

    /// Asks who we are, with one credential; where there is nothing to ask, nothing is.
    ///
    /// # Errors
    /// [`SourceError::Unauthorized`] when the server does not know it; then it is refused.
    pub(crate) async fn prove_identity(&self, index: usize) -> Result<(), SourceError> {
        let Some(url) = &self.identity else { return Ok(()) };
        let reply = Box::pin(self.json(&Call::get(url.clone(), Who::Only(index)))).await?;
        if reply.value.get("values").is_none() {
            let message = "JSON without a list of `values`".to_owned();
            return Err(SourceError::NotBitbucket { url: shown(&reply.url), message });
        }
        Ok(())
    }

    /// Whether a 401 to `call` means that this is forbidden to a known user, rather than that the user is not known.
    async fn is_known(&self, index: usize, call: &Call) -> Result<bool, SourceError> {
        match &self.identity {
            Some(identity) if *identity != call.url => {}
            _ => return Ok(false),
        }
        let worker = &self.workers[index];
        let mut known = worker.known.lock().await;
        if worker.authorizer.is_refused() {
            return Ok(false);
        }
        if let Some(known) = known.as_mut().filter(|known| known.left > 0 && self.clock.now() < known.until) {
            known.left -= 1;
            return Ok(true);
        }
        // What was proved before the 401 says nothing about it.
        *known = None;
        match self.prove_identity(index).await {
            Ok(()) => {
                *known = Some(Known { until: self.clock.now() + BELIEVED, left: EXPLAINED - 1 });
                Ok(true)
            }
            Err(SourceError::Unauthorized { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The API's address.
    pub fn base(&self) -> &ApiBase {
        &self.base
    }

    /// Time as this session sees it.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The credentials, in the order of the config.
    pub fn credentials(&self) -> impl Iterator<Item = &CredentialSettings> {
        self.workers.iter().map(|worker| worker.authorizer.settings())
    }

    /// Whether a credential's password looks like an HTTP access token of Data Center.
    pub(crate) fn password_is_token(&self, index: usize) -> bool {
        self.workers[index].authorizer.secret_begins_with("BBDC-")
    }

    /// Which credential lists, without telling it.
    pub fn listing_credential(&self) -> String {
        self.workers[0].authorizer.id().to_owned()
    }

    /// Reads all secrets again (P6.10).
    ///
    /// # Errors
    /// [`SourceError::SecretUnreadable`] for the first that cannot be read.
    pub fn reload_secrets(&self) -> Result<(), SourceError> {
        for worker in &self.workers {
            worker.authorizer.reload().map_err(|error| SourceError::SecretUnreadable {
                credential: worker.authorizer.settings().name.clone(),
                message: error.0,
            })?;
            // What was known of the sync before says nothing about this one.
            if let Ok(mut known) = worker.known.try_lock() {
                *known = None;
            }
        }
        Ok(())
    }

    /// Refused credentials get a new chance, because a person asked for it.
    pub fn forgive(&self) {
        for worker in &self.workers {
            worker.authorizer.forgive();
        }
    }

    /// Names of the credentials that were refused and are left alone since.
    pub fn refused_credentials(&self) -> Vec<String> {
        let refused = self.workers.iter().filter(|worker| worker.authorizer.is_refused());
        refused.map(|worker| worker.authorizer.settings().name.clone()).collect()
    }

    /// Requests by pool and answer, since the session was made.
    pub fn sent(&self) -> Vec<SentCount> {
        self.sent.counts()
    }

    /// Requests spent and left, in the repository pool.
    pub fn usage(&self) -> Usage {
        let now = self.clock.now();
        let budgets = || self.workers.iter().map(|worker| worker.budget(Pool::Repositories).clone());
        let remaining: u64 = budgets().map(|budget| budget.remaining(now)).sum();
        let resume_at = budgets().filter_map(|budget| budget.resume_at(now)).min().filter(|_| remaining == 0);
        Usage {
            requests: self.requests.load(Ordering::Relaxed),
            // A bucket that is empty is waited for, a moment; the hour has no end there.
            remaining: matches!(self.limits, Limits::Hourly { .. }).then_some(remaining),
            per_hour: Some(budgets().map(|budget| budget.per_hour()).sum()),
            resume_at,
        }
    }

    /// For the store; without secrets.
    pub fn budget_snapshot(&self) -> Value {
        let stored: BTreeMap<&str, StoredBudgets> = self
            .workers
            .iter()
            .map(|worker| {
                let repositories = worker.budget(Pool::Repositories).snapshot();
                let other = worker.budget(Pool::Other).snapshot();
                (worker.authorizer.id(), StoredBudgets { repositories, other })
            })
            .collect();
        serde_json::to_value(stored).unwrap_or_default()
    }

    /// Sends a call and gives the JSON that came.
    ///
    /// # Errors
    /// Any [`SourceError`] a call can end with.
    pub(crate) async fn json(&self, call: &Call) -> Result<Reply, SourceError> {
        Attempts::new(self, call).run().await
    }

    fn choose(&self, call: &Call, passed_over: &[usize]) -> Choice {
        let now = self.clock.now();
        let mut candidates: Vec<usize> = match call.who {
            Who::Only(index) => vec![index],
            Who::Any => (0..self.workers.len()).collect(),
        };
        candidates.retain(|index| !passed_over.contains(index) && !self.workers[*index].authorizer.is_refused());
        // Most requests left first; the first of equals, so that it is the same every time.
        candidates.sort_by_key(|index| std::cmp::Reverse(self.workers[*index].budget(call.pool).remaining(now)));
        let mut resume: Option<DateTime<Utc>> = None;
        for index in candidates {
            match self.workers[index].budget(call.pool).take(now) {
                Ok(()) => return Choice::Use(index),
                Err(at) => resume = Some(resume.map_or(at, |before| before.min(at))),
            }
        }
        resume.map_or(Choice::Nobody, Choice::Wait)
    }

    /// Why nobody is left for a call: a login that ended says more than a refusal.
    fn refusal(&self, call: &Call, url: &Url) -> SourceError {
        let workers = match call.who {
            Who::Only(index) => &self.workers[index..=index],
            Who::Any => &self.workers,
        };
        let mut refusals = workers.iter().filter_map(|worker| worker.authorizer.refusal(url));
        let ended = refusals.find(|refusal| matches!(refusal, SourceError::LoginEnded { .. }));
        ended.unwrap_or_else(|| SourceError::Unauthorized { url: shown(url) })
    }

    /// What a 429 that tells nothing means.
    fn throttle(&self) -> Throttle {
        match self.limits {
            Limits::Hourly { .. } => Throttle::MINUTES,
            Limits::PerSecond { .. } => Throttle::SECONDS,
        }
    }

    fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }
}
