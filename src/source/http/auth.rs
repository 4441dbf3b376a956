//! Credentials: where their secrets come from, the header they make, and how they are renewed.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, NaiveDate, Utc};
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use url::Url;

use super::client::Client;
use super::links::shown;
use super::token::{self, Grant, TokenError, header};
use crate::source::SourceError;

/// A token is renewed this long before it expires.
const RENEW_BEFORE_S: i64 = 120;

/// Why a secret cannot be read: names the place, never the value.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct SecretError(pub String);

/// Where a secret is kept. Asked when the client is made, at the start of each sync and once after a
/// 401, so that a file that was replaced is noticed without a restart (P6.10).
pub trait SecretSource: Send + Sync {
    /// The present value.
    ///
    /// # Errors
    /// [`SecretError`] when it cannot be read.
    fn read(&self) -> Result<SecretString, SecretError>;

    /// The environment variable it comes from, where it does: for commands shown to people.
    fn variable(&self) -> Option<&str> {
        None
    }
}

impl fmt::Debug for dyn SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretSource")
    }
}

/// A secret that never changes: from the environment, or written plainly in the config.
pub struct FixedSecret(pub SecretString);

impl FixedSecret {
    /// Ready to be put into a [`Credential`].
    pub fn shared(value: impl Into<String>) -> Arc<dyn SecretSource> {
        Arc::new(Self(SecretString::from(value.into())))
    }
}

impl SecretSource for FixedSecret {
    fn read(&self) -> Result<SecretString, SecretError> {
        Ok(self.0.clone())
    }
}

/// What a login by redirect is made of, but for its tokens.
pub struct Login {
    /// Key of the consumer.
    pub key: SecretString,
    /// Its secret.
    pub secret: SecretString,
    /// Tells this login from a later one; no secret.
    pub id: String,
}

/// A token to be sent as Bearer.
pub struct AccessToken {
    /// The token.
    pub value: SecretString,
    /// When it ends, by our own clock.
    pub until: DateTime<Utc>,
}

/// Where a login by redirect is kept. Its refresh token changes with each use, so it is used only where the new one
/// can be written back, and before anything is sent with what came with it (P6.4).
#[async_trait]
pub trait LoginSource: Send + Sync {
    /// What is kept now. Asked when [`SecretSource::read`] is.
    ///
    /// # Errors
    /// [`SecretError`] when it cannot be read.
    fn read(&self) -> Result<Login, SecretError>;

    /// A token that lasts at `now` and is not the one the server `refused`: the one that is kept, else a new one, which
    /// is kept before this returns. `sent` counts the requests this takes.
    ///
    /// # Errors
    /// [`SourceError::LoginEnded`], [`SourceError::LoginUnwritten`], [`SourceError::Unauthorized`] for the consumer, or
    /// what came of asking the server.
    async fn access_token(
        &self,
        now: DateTime<Utc>,
        refused: Option<&SecretString>,
        sent: &(dyn Fn() + Sync),
    ) -> Result<AccessToken, SourceError>;
}

impl fmt::Debug for dyn LoginSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoginSource")
    }
}

/// One way to prove who we are (P6.4). User names and addresses may be secrets, too.
#[derive(Clone, Debug)]
pub enum Credential {
    /// Repository, project or workspace access token; Data Center HTTP access token: Bearer.
    AccessToken(Arc<dyn SecretSource>),
    /// Atlassian API token of a user: Basic.
    ApiToken {
        /// Address of the account.
        email: Arc<dyn SecretSource>,
        /// The token.
        token: Arc<dyn SecretSource>,
    },
    /// OAuth consumer, client credentials.
    OAuth {
        /// Key of the consumer.
        key: Arc<dyn SecretSource>,
        /// Its secret.
        secret: Arc<dyn SecretSource>,
        /// Where tokens are fetched: `https://bitbucket.org/site/oauth2/access_token`.
        token_url: Url,
    },
    /// A person's login to an OAuth consumer.
    OAuthLogin(Arc<dyn LoginSource>),
    /// User name and password: Basic.
    Basic {
        /// The user.
        username: Arc<dyn SecretSource>,
        /// The password.
        password: Arc<dyn SecretSource>,
    },
}

impl Credential {
    /// The kind, as in the config.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::AccessToken(_) => "access_token",
            Self::ApiToken { .. } => "api_token",
            Self::OAuth { .. } => "oauth",
            Self::OAuthLogin(_) => "oauth_login",
            Self::Basic { .. } => "basic",
        }
    }

    /// What a curl command would need, without the secret.
    pub fn curl_option(&self) -> String {
        let named = |secret: &Arc<dyn SecretSource>, else_named: &str| {
            secret.variable().map_or_else(|| else_named.to_owned(), str::to_owned)
        };
        match self {
            Self::AccessToken(token) => format!(r#"-H "Authorization: Bearer ${}""#, named(token, "TOKEN")),
            // Of a token that is fetched with key and secret.
            Self::OAuth { .. } | Self::OAuthLogin(_) => r#"-H "Authorization: Bearer $TOKEN""#.to_owned(),
            Self::ApiToken { email, token } => {
                format!(r#"-u "${}:${}""#, named(email, "EMAIL"), named(token, "TOKEN"))
            }
            Self::Basic { username, password } => {
                format!(r#"-u "${}:${}""#, named(username, "USERNAME"), named(password, "PASSWORD"))
            }
        }
    }
}

/// A credential as configured.
#[derive(Clone, Debug)]
pub struct CredentialSettings {
    /// What people call it: `credential 1`. Also names its budget in the store, so it should stay.
    pub name: String,
    /// How it proves who we are.
    pub credential: Credential,
    /// When it expires, where the config says so (P6.11).
    pub expires: Option<NaiveDate>,
}

/// Values read from the sources; user part and secret part.
struct Values {
    user: Option<SecretString>,
    secret: SecretString,
    /// Which login, of a login by redirect.
    login: Option<String>,
}

/// A header and which reading of the secrets it was made of.
#[derive(Clone)]
pub struct Authorization {
    /// Marked sensitive: it does not print.
    pub header: HeaderValue,
    generation: u64,
}

struct Token {
    header: HeaderValue,
    value: SecretString,
    expires_at: DateTime<Utc>,
}

struct State {
    values: Values,
    generation: u64,
    /// The server refused it: nothing more is sent until the secrets change (lock-outs, P6.11).
    refused: Option<Refusal>,
    token: Option<Token>,
    /// The token of a login that the server refused: another one is wanted.
    refused_token: Option<SecretString>,
}

/// What was refused.
enum Refusal {
    Credential,
    LoginEnded { name: String },
}

/// A credential at work.
pub struct Authorizer {
    settings: CredentialSettings,
    /// Its name in the store: tells credentials apart without telling them.
    id: String,
    state: Mutex<State>,
    /// Held across a token request on purpose: of many calls that need a new token one fetches it, the
    /// others wait for it.
    fetching: tokio::sync::Mutex<()>,
}

impl Authorizer {
    /// Reads the secrets.
    ///
    /// # Errors
    /// [`SecretError`] when one cannot be read.
    pub fn new(settings: CredentialSettings) -> Result<Self, SecretError> {
        let values = read(&settings.credential)?;
        let id = identity(&settings, &values);
        let state = State { values, generation: 1, refused: None, token: None, refused_token: None };
        Ok(Self { settings, id, state: Mutex::new(state), fetching: tokio::sync::Mutex::new(()) })
    }

    /// Its settings.
    pub fn settings(&self) -> &CredentialSettings {
        &self.settings
    }

    /// Its name in the store.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether the server refused it and nothing changed since.
    pub fn is_refused(&self) -> bool {
        self.state().refused.is_some()
    }

    /// What every further call would be told; `None`: it is not refused.
    pub fn refusal(&self, url: &Url) -> Option<SourceError> {
        self.state().refused.as_ref().map(|refusal| match refusal {
            Refusal::Credential => SourceError::Unauthorized { url: shown(url) },
            Refusal::LoginEnded { name } => SourceError::LoginEnded { name: name.clone() },
        })
    }

    /// Nothing more is sent with these secrets.
    pub fn refuse(&self) {
        self.state().refused = Some(Refusal::Credential);
    }

    /// Reads the secrets again; whether they changed. Changed ones get a new chance.
    pub fn reload(&self) -> Result<bool, SecretError> {
        let values = read(&self.settings.credential)?;
        let mut state = self.state();
        if same(&values, &state.values) {
            return Ok(false);
        }
        state.values = values;
        state.generation += 1;
        state.refused = None;
        state.token = None;
        state.refused_token = None;
        Ok(true)
    }

    /// A person asks again: a refused credential gets a new chance, too.
    pub fn forgive(&self) {
        self.state().refused = None;
    }

    /// After a 401: whether there is now a header worth one more request. An OAuth token is fetched
    /// anew; other secrets are read again and must have changed.
    pub fn renew(&self, refused: &Authorization) -> bool {
        if self.state().generation != refused.generation {
            return true; // somebody else renewed it meanwhile
        }
        if matches!(self.reload(), Ok(true)) {
            return true;
        }
        let mut state = self.state();
        let is_oauth = matches!(self.settings.credential, Credential::OAuth { .. } | Credential::OAuthLogin(_));
        if is_oauth && let Some(token) = state.token.take() {
            state.refused_token = Some(token.value);
            state.generation += 1;
            return true;
        }
        is_oauth && state.generation != refused.generation
    }

    /// The header to send. Fetches an OAuth token where that is needed; `sent` counts such requests.
    pub async fn authorization(
        &self,
        client: &Client,
        now: DateTime<Utc>,
        sent: &(dyn Fn() + Sync),
    ) -> Result<Authorization, SourceError> {
        if let Some(ready) = self.ready(now) {
            return Ok(ready);
        }
        let _single_flight = self.fetching.lock().await;
        if let Some(ready) = self.ready(now) {
            return Ok(ready);
        }
        match &self.settings.credential {
            Credential::OAuthLogin(login) => self.take_kept(login.as_ref(), now, sent).await?,
            _ => self.fetch_token(client, now, sent).await?,
        }
        self.ready(now).ok_or_else(|| SourceError::Unauthorized { url: self.token_url() })
    }

    /// Whether the secret part begins with this mark of a kind.
    pub fn secret_begins_with(&self, mark: &str) -> bool {
        self.state().values.secret.expose_secret().starts_with(mark)
    }

    /// Blots out every secret of this credential in a text from outside.
    pub fn blot(&self, text: &str) -> String {
        let state = self.state();
        let mut known: Vec<String> = vec![state.values.secret.expose_secret().to_owned()];
        known.extend(state.values.user.as_ref().map(|user| user.expose_secret().to_owned()));
        if let Some(user) = &state.values.user {
            known.push(basic(user, &state.values.secret));
        }
        let tokens = state.token.as_ref().map(|token| &token.value).into_iter().chain(&state.refused_token);
        known.extend(tokens.map(|token| token.expose_secret().to_owned()));
        drop(state);
        // Very short values would blot out ordinary words; longest first, since one may hold another.
        known.retain(|secret| secret.len() >= 4);
        known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        known.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "…"))
    }

    /// A header that can be sent right away.
    fn ready(&self, now: DateTime<Utc>) -> Option<Authorization> {
        let state = self.state();
        let header = match &self.settings.credential {
            Credential::AccessToken(_) => header(&format!("Bearer {}", state.values.secret.expose_secret())),
            Credential::ApiToken { .. } | Credential::Basic { .. } => {
                let user = state.values.user.clone().unwrap_or_default();
                header(&format!("Basic {}", basic(&user, &state.values.secret)))
            }
            Credential::OAuth { .. } | Credential::OAuthLogin(_) => {
                let token = state.token.as_ref()?;
                if token.expires_at - chrono::Duration::seconds(RENEW_BEFORE_S) <= now {
                    return None;
                }
                token.header.clone()
            }
        };
        Some(Authorization { header, generation: state.generation })
    }

    async fn fetch_token(
        &self,
        client: &Client,
        now: DateTime<Utc>,
        sent: &(dyn Fn() + Sync),
    ) -> Result<(), SourceError> {
        let Credential::OAuth { token_url, .. } = &self.settings.credential else { return Ok(()) };
        let (key, secret) = {
            let state = self.state();
            (state.values.user.clone().unwrap_or_default(), state.values.secret.clone())
        };
        let granted = token::exchange(client, token_url, (&key, &secret), Grant::ClientCredentials, now, sent).await;
        match granted {
            Ok(granted) => {
                let until = now + granted.life;
                self.take_token(AccessToken { value: granted.access, until }, now);
                Ok(())
            }
            Err(TokenError::InvalidGrant | TokenError::Consumer) => {
                self.refuse();
                Err(SourceError::Unauthorized { url: self.token_url() })
            }
            Err(TokenError::Source(error)) => Err(error),
        }
    }

    /// A login's token comes from who keeps it; it is in the store before it comes here.
    async fn take_kept(
        &self,
        login: &dyn LoginSource,
        now: DateTime<Utc>,
        sent: &(dyn Fn() + Sync),
    ) -> Result<(), SourceError> {
        let refused_token = self.state().refused_token.clone();
        match login.access_token(now, refused_token.as_ref(), sent).await {
            Ok(token) => {
                self.take_token(token, now);
                Ok(())
            }
            Err(error) => {
                let refusal = match &error {
                    SourceError::LoginEnded { name } => Some(Refusal::LoginEnded { name: name.clone() }),
                    SourceError::Unauthorized { .. } => Some(Refusal::Credential),
                    _ => None,
                };
                let mut state = self.state();
                state.refused = refusal.or(state.refused.take());
                drop(state);
                Err(error)
            }
        }
    }

    fn take_token(&self, AccessToken { value, until }: AccessToken, now: DateTime<Utc>) {
        // Sent at least once, however short it lives.
        let expires_at = until.max(now + chrono::Duration::seconds(RENEW_BEFORE_S + 1));
        let header = header(&format!("Bearer {}", value.expose_secret()));
        let mut state = self.state();
        state.token = Some(Token { header, value, expires_at });
        state.refused_token = None;
        state.generation += 1;
    }

    fn token_url(&self) -> String {
        match &self.settings.credential {
            Credential::OAuth { token_url, .. } => shown(token_url),
            _ => String::new(),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(credential: &Credential) -> Result<Values, SecretError> {
    let (user, secret) = match credential {
        Credential::AccessToken(token) => (None, token),
        Credential::ApiToken { email, token } => (Some(email), token),
        Credential::OAuth { key, secret, .. } => (Some(key), secret),
        Credential::OAuthLogin(login) => {
            let Login { key, secret, id } = login.read()?;
            return sendable(Values { user: Some(key), secret, login: Some(id) });
        }
        Credential::Basic { username, password } => (Some(username), password),
    };
    let secret = secret.read()?;
    let user = user.map(|user| user.read()).transpose()?;
    sendable(Values { user, secret, login: None })
}

fn sendable(values: Values) -> Result<Values, SecretError> {
    let Values { user, secret, .. } = &values;
    let is_empty = |value: &SecretString| value.expose_secret().is_empty();
    if is_empty(secret) || user.as_ref().is_some_and(is_empty) {
        return Err(SecretError("it is empty".to_owned()));
    }
    let is_bad = |value: &SecretString| value.expose_secret().chars().any(char::is_control);
    if is_bad(secret) || user.as_ref().is_some_and(is_bad) {
        return Err(SecretError("it holds a line break or another control character".to_owned()));
    }
    Ok(values)
}

fn same(a: &Values, b: &Values) -> bool {
    let user = |values: &Values| values.user.as_ref().map(|user| user.expose_secret().to_owned());
    a.secret.expose_secret() == b.secret.expose_secret() && user(a) == user(b) && a.login == b.login
}

/// Kind and name; of random tokens four bytes of a hash as well, so that a replaced token is another
/// credential. A password or an address could be guessed from a hash, so they have none.
fn identity(settings: &CredentialSettings, values: &Values) -> String {
    let mut hash = Sha256::new();
    hash.update(settings.credential.kind());
    hash.update([0]);
    hash.update(&settings.name);
    if !matches!(settings.credential, Credential::Basic { .. }) {
        hash.update([0]);
        hash.update(&Sha256::digest(values.secret.expose_secret())[..4]);
    }
    hex::encode(&hash.finalize()[..8])
}

fn basic(user: &SecretString, secret: &SecretString) -> String {
    STANDARD.encode(format!("{}:{}", user.expose_secret(), secret.expose_secret()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(credential: Credential) -> CredentialSettings {
        CredentialSettings { name: "credential 1".to_owned(), credential, expires: None }
    }

    // Invariant 8: secrets and user names never print.
    #[test]
    fn nothing_of_a_credential_prints() {
        let credential = Credential::Basic {
            username: FixedSecret::shared("alice-the-user"),
            password: FixedSecret::shared("hunter2hunter2"),
        };
        let debug = format!("{:?}", settings(credential.clone()));
        assert!(!debug.contains("alice") && !debug.contains("hunter2"), "{debug}");
        let authorizer = Authorizer::new(settings(credential)).unwrap();
        let ready = authorizer.ready(Utc::now()).unwrap();
        assert_eq!(format!("{:?}", ready.header), "Sensitive");
        let echoed = "user alice-the-user with hunter2hunter2 (YWxpY2UtdGhlLXVzZXI6aHVudGVyMmh1bnRlcjI=) is unknown";
        assert_eq!(authorizer.blot(echoed), "user … with … (…) is unknown");
        assert!(!authorizer.id().contains("alice"));
    }

    #[test]
    fn secrets_that_cannot_be_sent_are_refused_without_telling_them() {
        for bad in ["", "abc\ndef"] {
            let error = Authorizer::new(settings(Credential::AccessToken(FixedSecret::shared(bad)))).err().unwrap();
            assert!(!error.to_string().contains("abc"), "{error}");
        }
    }

    // P6.5: a replaced token is another credential; a changed name, too.
    #[test]
    fn identities_tell_credentials_apart() {
        let id = |name: &str, token: &str| {
            let credential = Credential::AccessToken(FixedSecret::shared(token));
            let settings = CredentialSettings { name: name.to_owned(), credential, expires: None };
            Authorizer::new(settings).unwrap().id().to_owned()
        };
        assert_eq!(id("a", "t1"), id("a", "t1"));
        assert_ne!(id("a", "t1"), id("a", "t2"));
        assert_ne!(id("a", "t1"), id("b", "t1"));
    }
}
