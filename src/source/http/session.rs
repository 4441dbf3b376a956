//! Calls that survive what can be survived: the right credential within its budget, limits waited for,
//! failures tried again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use url::Url;

use super::answer;
use super::auth::{Authorizer, CredentialSettings};
use super::bucket::{Allowance, Limits};
use super::budget::{Observed, Snapshot};
use super::client::{Answer, Client, Fault, Posted, Request};
use super::links::{ApiBase, shown};
use super::retry::{Backoff, Jitter, Throttle, reset_s, server_date, throttled_until};
use super::{Credential, HttpSettings, SettingsError};
use crate::clock::Clock;
use crate::source::{SourceError, Usage};

/// Hops of one call.
const MOST_REDIRECTS: u32 = 5;
/// Answers that are not JSON are asked for this many times at most.
const MOST_UNREADABLE: u32 = 3;

/// How long the answer about who we are is believed: a token can be revoked while a sync runs, and what is forbidden
/// comes in bunches.
const BELIEVED: chrono::Duration = chrono::Duration::seconds(10);

/// From this on, JSON is read on a thread of its own: a millisecond and more.
const PARSED_ASIDE_BYTES: usize = 16 * 1024;

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
    /// `None`: a GET.
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
    /// Until then the answer about who we are is believed.
    known_until: Mutex<DateTime<Utc>>,
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

impl Worker {
    fn known_until(&self) -> std::sync::MutexGuard<'_, DateTime<Utc>> {
        self.known_until.lock().unwrap_or_else(PoisonError::into_inner)
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
                known_until: Mutex::new(DateTime::<Utc>::MIN_UTC),
            });
        }
        let client = Client::new(&http, base.is_loopback())?;
        let jitter = Jitter::new(seed);
        let identity = identity.map(|relative| base.url(&relative)).transpose();
        let identity = identity.map_err(|error| SettingsError::Client { message: error.to_string() })?;
        let requests = AtomicU64::new(0);
        Ok(Self { base, client, workers, clock, jitter, http, limits, identity, requests })
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
        *self.workers[index].known_until() = self.clock.now() + BELIEVED;
        Ok(())
    }

    /// Whether a 401 to `call` means that this is forbidden to a known user, rather than that the user is not known.
    async fn is_known(&self, index: usize, call: &Call) -> Result<bool, SourceError> {
        match &self.identity {
            Some(identity) if *identity != call.url => {}
            _ => return Ok(false),
        }
        if self.clock.now() < *self.workers[index].known_until() {
            return Ok(true);
        }
        match self.prove_identity(index).await {
            Ok(()) => Ok(true),
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

/// The attempts of one call.
struct Attempts<'a> {
    session: &'a Session,
    call: &'a Call,
    url: Url,
    backoff: Backoff<'a>,
    /// Credentials that may not do this, and what the first of them was told.
    passed_over: Vec<usize>,
    denied: Option<SourceError>,
    waited: Duration,
    redirects: u32,
    unreadable: u32,
    renewed: bool,
}

/// What an answer means for the call.
enum Verdict {
    Done(Reply),
    Again,
    Failed(SourceError),
}

impl<'a> Attempts<'a> {
    fn new(session: &'a Session, call: &'a Call) -> Self {
        let attempts = call.attempts.unwrap_or(session.http.attempts).max(1);
        Self {
            session,
            call,
            url: call.url.clone(),
            backoff: Backoff::new(&session.jitter, session.http.retry_base, attempts),
            passed_over: Vec::new(),
            denied: None,
            waited: Duration::ZERO,
            redirects: 0,
            unreadable: 0,
            renewed: false,
        }
    }

    async fn run(mut self) -> Result<Reply, SourceError> {
        loop {
            let index = self.credential().await?;
            match self.attempt(index).await {
                Verdict::Done(reply) => return Ok(reply),
                Verdict::Again => {}
                Verdict::Failed(error) => {
                    // Of every credential: what one was told may hold what another sent before.
                    let workers = self.session.workers.iter();
                    return Err(workers.fold(error, |error, worker| blotted(error, &worker.authorizer)));
                }
            }
        }
    }

    /// A credential with a request taken from its budget; waits for one when that is short.
    async fn credential(&mut self) -> Result<usize, SourceError> {
        loop {
            let resume_at = match self.session.choose(self.call, &self.passed_over) {
                Choice::Use(index) => return Ok(index),
                Choice::Wait(resume_at) => resume_at,
                Choice::Nobody => {
                    let denied = self.denied.take();
                    return Err(denied.unwrap_or_else(|| self.session.refusal(self.call, &self.url)));
                }
            };
            if let Some(denied) = self.denied.take() {
                // The other credential cannot be asked now; what the first one was told stands.
                return Err(denied);
            }
            let wait = (resume_at - self.session.clock.now()).to_std().unwrap_or_default();
            if self.waited + wait > self.session.http.max_wait {
                return Err(SourceError::BudgetExhausted { resume_at });
            }
            self.waited += wait;
            self.session.clock.sleep_until(resume_at).await;
        }
    }

    async fn attempt(&mut self, index: usize) -> Verdict {
        let worker = &self.session.workers[index];
        let session = self.session;
        let authorization = match worker
            .authorizer
            .authorization(&session.client, session.clock.now(), &|| session.count_request())
            .await
        {
            Ok(authorization) => authorization,
            Err(error) => return Verdict::Failed(error),
        };
        session.count_request();
        let request =
            Request { url: &self.url, posted: self.call.posted.as_ref(), authorization: Some(&authorization.header) };
        let answer = match session.client.send(request).await {
            Ok(answer) => answer,
            Err(fault) => return self.faulted(fault).await,
        };
        if answer.status == 429 {
            let now = session.clock.now();
            let in_a_row = worker.budget(self.call.pool).throttled_in_a_row();
            let until = throttled_until(&answer.headers, now, session.throttle(), in_a_row, &session.jitter);
            // The whole credential rests, not the request: knocking on eats the window (facts 1.8).
            for pool in [Pool::Repositories, Pool::Other] {
                worker.budget(pool).throttled(until);
            }
            return Verdict::Again;
        }
        worker.budget(self.call.pool).observe(observed(&answer, session.clock.now()), session.clock.now());
        match answer.status {
            204 => {
                Verdict::Done(Reply { value: Value::Null, date: server_date(&answer.headers), url: self.url.clone() })
            }
            200..=299 => self.read(answer).await,
            300..=399 => self.redirected(&answer),
            401 => {
                if is_locked_out(&answer) {
                    worker.authorizer.refuse();
                    return Verdict::Failed(SourceError::LockedOut { url: shown(&self.url) });
                }
                // Once, and only with something new in hand: repeated refusals lock accounts (P6.11).
                if !self.renewed && worker.authorizer.renew(&authorization) {
                    self.renewed = true;
                    return Verdict::Again;
                }
                match session.is_known(index, self.call).await {
                    Ok(true) => {
                        let url = shown(&self.url);
                        self.denied(index, SourceError::Forbidden { url, required: Vec::new(), granted: Vec::new() })
                    }
                    Ok(false) => {
                        worker.authorizer.refuse();
                        Verdict::Failed(SourceError::Unauthorized { url: shown(&self.url) })
                    }
                    // Not told: neither is concluded.
                    Err(error) => Verdict::Failed(error),
                }
            }
            500 | 502 | 503 | 504 | 555 => {
                if self.backoff.pause().await {
                    return Verdict::Again;
                }
                let attempts = self.backoff.made();
                Verdict::Failed(SourceError::Server { url: shown(&self.url), status: answer.status, attempts })
            }
            _ if self.call.may_be_empty && answer::says_empty(&answer, &self.call.hashes) => {
                Verdict::Done(Reply { value: Value::Null, date: server_date(&answer.headers), url: self.url.clone() })
            }
            _ => self.denied(index, answer::error(&self.url, &answer, &self.call.hashes)),
        }
    }

    async fn faulted(&mut self, fault: Fault) -> Verdict {
        let url = shown(&self.url);
        match fault {
            Fault::Transport(message) => {
                if self.backoff.pause().await {
                    return Verdict::Again;
                }
                Verdict::Failed(SourceError::Unreachable { url, message })
            }
            Fault::Refused(message) => Verdict::Failed(SourceError::Unreachable { url, message }),
            Fault::TooLarge => {
                Verdict::Failed(SourceError::TooLarge { url, limit_bytes: self.session.client.body_bytes() })
            }
        }
    }

    async fn read(&mut self, answer: Answer) -> Verdict {
        let date = server_date(&answer.headers);
        let read = if answer.body.len() < PARSED_ASIDE_BYTES {
            answer::json(&answer)
        } else {
            // Whoever asks many pages at once goes on with the others meanwhile.
            let read = tokio::task::spawn_blocking(move || answer::json(&answer)).await;
            read.unwrap_or_else(|error| Err(format!("JSON that could not be read: {error}")))
        };
        match read {
            Ok(value) => Verdict::Done(Reply { value, date, url: self.url.clone() }),
            Err(message) => {
                self.unreadable += 1;
                if self.unreadable < MOST_UNREADABLE && self.backoff.pause().await {
                    return Verdict::Again;
                }
                Verdict::Failed(SourceError::NotBitbucket { url: shown(&self.url), message })
            }
        }
    }

    fn redirected(&mut self, answer: &Answer) -> Verdict {
        let location = answer.headers.get("location").and_then(|value| value.to_str().ok());
        let Some(location) = location.filter(|_| self.call.posted.is_none()) else {
            let message = format!("a redirect to nowhere ({})", answer.status);
            return Verdict::Failed(SourceError::NotBitbucket { url: shown(&self.url), message });
        };
        self.redirects += 1;
        if self.redirects > MOST_REDIRECTS {
            return Verdict::Failed(SourceError::Circular { url: shown(&self.call.url) });
        }
        match self.session.base.redirect(&self.url, location) {
            Ok(url) => {
                self.url = url;
                Verdict::Again
            }
            Err(error) => Verdict::Failed(error),
        }
    }

    /// Forbidden, or not there for this credential (private repositories answer 404): another one is
    /// asked once, where that is allowed.
    fn denied(&mut self, index: usize, error: SourceError) -> Verdict {
        let may_be_mine = matches!(error, SourceError::Forbidden { .. } | SourceError::NotFound { .. });
        let has_another = self.call.who == Who::Any && self.session.workers.len() > 1 && self.passed_over.is_empty();
        if may_be_mine && has_another {
            self.passed_over.push(index);
            self.denied = Some(error);
            self.url = self.call.url.clone();
            return Verdict::Again;
        }
        Verdict::Failed(match (self.denied.take(), error) {
            // Of two refusals the one that says more: forbidden means that it is there.
            (Some(first @ SourceError::Forbidden { .. }), SourceError::NotFound { .. }) => first,
            (_, error) => error,
        })
    }
}

/// After failed logins, Data Center wants a CAPTCHA solved in a browser: every further attempt is in vain.
fn is_locked_out(answer: &Answer) -> bool {
    let reason = answer.headers.get("x-authentication-denied-reason").and_then(|value| value.to_str().ok());
    reason.is_some_and(|reason| reason.to_ascii_uppercase().contains("CAPTCHA"))
}

fn observed(answer: &Answer, now: DateTime<Utc>) -> Observed {
    let text = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let number = |name: &str| text(name).and_then(|text| text.parse().ok());
    Observed {
        limit: number("x-ratelimit-limit"),
        remaining: number("x-ratelimit-remaining"),
        reset_s: reset_s(&answer.headers, now),
        near_limit: text("x-ratelimit-nearlimit").is_some_and(|text| text.eq_ignore_ascii_case("true")),
    }
}

/// A server or proxy may repeat what we sent: no secret leaves in an error.
fn blotted(mut error: SourceError, authorizer: &Authorizer) -> SourceError {
    match &mut error {
        SourceError::BadRequest { message, .. }
        | SourceError::Removed { message, .. }
        | SourceError::NotBitbucket { message, .. }
        | SourceError::Unreachable { message, .. } => *message = authorizer.blot(message),
        SourceError::UntrustedLink { target, .. } => *target = authorizer.blot(target),
        SourceError::Forbidden { required, granted, .. } => {
            for scope in required.iter_mut().chain(granted) {
                *scope = authorizer.blot(scope);
            }
        }
        _ => {}
    }
    error
}
