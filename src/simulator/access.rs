//! Who may see what, and how often: credentials, scopes, OAuth tokens, rate limits.

use std::collections::{HashMap, VecDeque};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Duration, Utc};

use super::grants::Grants;
use super::seed::hash;

/// How somebody proves who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// A repository, project or workspace access token: `Authorization: Bearer`.
    AccessToken(String),
    /// An Atlassian API token: Basic, e-mail and token.
    ApiToken {
        /// The account's e-mail.
        email: String,
        /// The token.
        token: String,
    },
    /// Basic with a user name.
    Basic {
        /// User name.
        username: String,
        /// Password.
        password: String,
    },
    /// A personal HTTP access token of Data Center: Bearer, or Basic in the place of the user's password.
    PersonalToken {
        /// User name.
        username: String,
        /// The token.
        token: String,
    },
    /// An OAuth consumer: gets tokens from `/site/oauth2/access_token` that live an hour.
    Consumer {
        /// Key of the consumer.
        key: String,
        /// Its secret.
        secret: String,
    },
}

/// A credential the simulated server knows.
#[derive(Clone, Debug)]
pub struct Credential {
    /// How it is shown.
    pub login: Login,
    /// Classic names (`repository`, `pullrequest`, `project`, `account`); `None`: all there are.
    pub scopes: Option<Vec<String>>,
    /// Full names or uuids of the repositories it sees; `None`: all.
    pub repositories: Option<Vec<String>>,
    /// Slugs of the workspaces `/user/workspaces` lists; `None`: all.
    pub workspaces: Option<Vec<String>>,
    /// Requests per rolling hour to repository data; `None`: the server's usual limit.
    pub requests_per_hour: Option<u32>,
    /// Revoked or expired: 401.
    pub revoked: bool,
    /// Of a consumer: where a browser is sent back to; `None`: nowhere, nobody can log in.
    pub callback: Option<String>,
}

impl Credential {
    fn with(login: Login) -> Self {
        Self {
            login,
            scopes: None,
            repositories: None,
            workspaces: None,
            requests_per_hour: None,
            revoked: false,
            callback: None,
        }
    }

    /// An access token that may do everything.
    pub fn token(token: &str) -> Self {
        Self::with(Login::AccessToken(token.to_owned()))
    }

    /// An Atlassian API token that may do everything.
    pub fn api_token(email: &str, token: &str) -> Self {
        Self::with(Login::ApiToken { email: email.to_owned(), token: token.to_owned() })
    }

    /// A user name and password that may do everything.
    pub fn basic(username: &str, password: &str) -> Self {
        Self::with(Login::Basic { username: username.to_owned(), password: password.to_owned() })
    }

    /// A personal HTTP access token (Data Center) that may do everything.
    pub fn personal_token(username: &str, token: &str) -> Self {
        Self::with(Login::PersonalToken { username: username.to_owned(), token: token.to_owned() })
    }

    /// An OAuth consumer that may do everything.
    pub fn consumer(key: &str, secret: &str) -> Self {
        Self::with(Login::Consumer { key: key.to_owned(), secret: secret.to_owned() })
    }

    /// Only these scopes.
    #[must_use]
    pub fn with_scopes(mut self, scopes: &[&str]) -> Self {
        self.scopes = Some(scopes.iter().map(|scope| (*scope).to_owned()).collect());
        self
    }

    /// A consumer that sends browsers back to this address.
    #[must_use]
    pub fn calling_back(mut self, url: &str) -> Self {
        self.callback = Some(url.to_owned());
        self
    }

    /// Only these repositories are visible to it.
    #[must_use]
    pub fn seeing(mut self, repositories: &[&str]) -> Self {
        self.repositories = Some(repositories.iter().map(|name| (*name).to_owned()).collect());
        self
    }

    /// So many requests per rolling hour.
    #[must_use]
    pub fn limited_to(mut self, requests_per_hour: u32) -> Self {
        self.requests_per_hour = Some(requests_per_hour);
        self
    }
}

/// How a 429 says when to come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RetryAfter {
    /// It does not.
    #[default]
    Absent,
    /// Seconds until a request is free again.
    Seconds,
    /// The date when one is.
    Date,
}

/// Which rate-limit headers answers carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RateHeaders {
    /// None.
    #[default]
    None,
    /// `X-RateLimit-Limit`, `-Resource`, `-NearLimit`.
    Scaled,
    /// Those, `-Remaining`, and `-Reset` in seconds left.
    Full,
}

/// Data Center's limit: a bucket of tokens for each credential, one for a request, refilled steadily.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenBucket {
    /// How many requests at once.
    pub capacity: u32,
    /// How many come back in a second.
    pub refill_per_second: u32,
}

/// Whose request it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Caller {
    /// The server asks nobody.
    #[default]
    Anybody,
    /// Nobody said who they are, and some things may be seen all the same.
    Anonymous,
    /// The credential at this position.
    Known(usize),
}

impl Caller {
    /// Position of the credential.
    pub(super) fn position(self) -> Option<usize> {
        match self {
            Self::Known(at) => Some(at),
            Self::Anybody | Self::Anonymous => None,
        }
    }
}

/// What a request may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allowance {
    pub(super) limit: u32,
    pub(super) remaining: u32,
    /// When the oldest counted request leaves the hour.
    pub(super) free_in: Duration,
}

/// The credentials and their rolling hours. `None` as credential: the server asks for none.
#[derive(Debug, Default)]
pub(super) struct Access {
    pub(super) credentials: Vec<Credential>,
    /// OAuth tokens given out: of which credential, until when.
    pub(super) tokens: HashMap<String, (usize, DateTime<Utc>)>,
    /// Codes and refresh tokens.
    pub(super) grants: Grants,
    pub(super) given: u64,
    /// What was left in each credential's bucket, in millionths of a token, and when.
    buckets: HashMap<Option<usize>, (i64, DateTime<Utc>)>,
    /// Counted requests by credential and pool.
    hours: HashMap<(Option<usize>, &'static str), VecDeque<DateTime<Utc>>>,
}

impl Access {
    pub(super) fn of(credentials: Vec<Credential>) -> Self {
        Self { credentials, ..Self::default() }
    }

    /// Whose request this is. `Ok(None)`: nobody is asked.
    pub(super) fn who(&self, authorization: Option<&str>, now: DateTime<Utc>) -> Result<Option<usize>, ()> {
        if self.credentials.is_empty() {
            return Ok(None);
        }
        let (scheme, value) = authorization.and_then(|header| header.split_once(' ')).ok_or(())?;
        let found = if scheme.eq_ignore_ascii_case("bearer") {
            let given = self.tokens.get(value).filter(|(_, until)| now < *until).map(|(at, _)| *at);
            given.or_else(|| {
                self.position(|login| {
                    matches!(login, Login::AccessToken(token) | Login::PersonalToken { token, .. } if token == value)
                })
            })
        } else {
            let (user, password) = decode_basic(value).ok_or(())?;
            self.position(|login| match login {
                Login::ApiToken { email, token } => *email == user && *token == password,
                Login::Basic { username, password: known } => *username == user && *known == password,
                Login::PersonalToken { username, token } => *username == user && *token == password,
                Login::AccessToken(_) | Login::Consumer { .. } => false,
            })
        };
        found.filter(|at| !self.credentials[*at].revoked).map(Some).ok_or(())
    }

    pub(super) fn position(&self, is: impl Fn(&Login) -> bool) -> Option<usize> {
        self.credentials.iter().position(|credential| is(&credential.login))
    }

    /// A new token for an OAuth consumer.
    pub(super) fn give_token(
        &mut self,
        key: &str,
        secret: &str,
        now: DateTime<Utc>,
        life: Duration,
    ) -> Option<(String, &Credential)> {
        let at =
            self.position(|login| matches!(login, Login::Consumer { key: k, secret: s } if k == key && s == secret))?;
        if self.credentials[at].revoked {
            return None;
        }
        let token = self.new_access_token(at, now, life);
        Some((token, &self.credentials[at]))
    }

    pub(super) fn new_access_token(&mut self, at: usize, now: DateTime<Utc>, life: Duration) -> String {
        let token = format!("{}==", self.new_secret());
        self.tokens.retain(|_, (_, until)| *until > now);
        self.tokens.insert(token.clone(), (at, now + life));
        token
    }

    pub(super) fn new_secret(&mut self) -> String {
        self.given += 1;
        let secret = format!("{}{}", hash(self.given, 1), hash(self.given, 2));
        self.grants.told.push(secret.clone());
        secret
    }

    /// Replaces the credentials; OAuth tokens given out end.
    pub(super) fn replace(&mut self, credentials: Vec<Credential>) {
        self.credentials = credentials;
        self.tokens.clear();
        self.grants = Grants::default();
    }

    /// Counts a request; `Err`: the hour is used up.
    pub(super) fn spend(
        &mut self,
        who: Option<usize>,
        pool: &'static str,
        usual: Option<u32>,
        now: DateTime<Utc>,
    ) -> Result<Option<Allowance>, Allowance> {
        let own = who.and_then(|at| self.credentials.get(at)).and_then(|credential| credential.requests_per_hour);
        let Some(limit) = own.or(usual) else { return Ok(None) };
        let hour = self.hours.entry((who, pool)).or_default();
        while hour.front().is_some_and(|at| now - *at >= Duration::hours(1)) {
            hour.pop_front();
        }
        let used = u32::try_from(hour.len()).unwrap_or(u32::MAX);
        let is_free = used < limit;
        if is_free {
            hour.push_back(now);
        }
        let free_in = hour.front().map_or(Duration::hours(1), |oldest| *oldest + Duration::hours(1) - now);
        let allowance = Allowance { limit, remaining: limit.saturating_sub(used + u32::from(is_free)), free_in };
        if is_free { Ok(Some(allowance)) } else { Err(allowance) }
    }
}

impl Access {
    /// Takes a token out of a bucket; `Err`: it is empty, and the next one comes after so long.
    pub(super) fn take(&mut self, who: Option<usize>, bucket: TokenBucket, now: DateTime<Utc>) -> Result<(), Duration> {
        const WHOLE: i64 = 1_000_000;
        let full = i64::from(bucket.capacity) * WHOLE;
        let (left, since) = self.buckets.entry(who).or_insert((full, now));
        let passed = (now - *since).num_microseconds().unwrap_or(i64::MAX).max(0);
        *left = left.saturating_add(passed.saturating_mul(i64::from(bucket.refill_per_second))).min(full);
        *since = now;
        if *left >= WHOLE {
            *left -= WHOLE;
            return Ok(());
        }
        let missing = (WHOLE - *left) / i64::from(bucket.refill_per_second.max(1));
        Err(Duration::microseconds(missing))
    }
}

/// `user:password` of a Basic header.
pub(super) fn decode_basic(value: &str) -> Option<(String, String)> {
    let bytes = STANDARD.decode(value).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    text.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
}

/// What of the scopes an endpoint needs is missing; empty: it may.
pub(super) fn missing_scopes<'a>(credential: &Credential, needed: &[&'a str]) -> Vec<&'a str> {
    let Some(granted) = &credential.scopes else { return Vec::new() };
    let has = |needed: &str| {
        granted.iter().any(|scope| {
            // `pullrequest:write` holds `pullrequest`, and that holds `repository`; API tokens say `read:x:bitbucket`.
            let mut parts = scope.split(':');
            let name = match (parts.next(), parts.next()) {
                (Some("read" | "write" | "admin"), Some(name)) => {
                    if name == "workspace" || name == "user" {
                        "account"
                    } else {
                        name
                    }
                }
                (Some(name), _) => name,
                (None, _) => "",
            };
            name == needed || (needed == "repository" && name == "pullrequest" && !scope.ends_with(":bitbucket"))
        })
    };
    needed.iter().copied().filter(|needed| !has(needed)).collect()
}
