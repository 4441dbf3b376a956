//! Logins by redirect at work (P6.4). A refresh token is taken once and answered with another, so whoever uses one must
//! be able to write: the process that holds the store ([`Holder`]), one renewal at a time under the credential's lease.
//! A process beside it ([`Renews`]) asks it.
//!
//! What came is sealed and in the store before anything is sent with it. Killed between the server's answer and the
//! write, that one login is lost, if the server does not take the old token again; nothing else is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tracing::{debug, warn};

use crate::credentials::login::{ends, fingerprint};
use crate::credentials::{CredentialError, Head, Kind, Opened, Tokens, Vault, seal};
use crate::source::SourceError;
use crate::source::http::{AccessToken, Grant, Login, LoginSource, SecretError, TokenEndpoint, TokenError};
use crate::store::{CredentialChange, SealedCredential, Store, StoreError};

/// How often a record may be replaced by somebody else in the middle of a renewal.
const MOST_ROUNDS: usize = 3;

/// Whether a record is a login by redirect.
pub fn is_login(record: &SealedCredential) -> bool {
    record.kind == Kind::OAuthLogin.as_str()
}

/// Who renews a login.
#[async_trait]
pub trait Renews: Send + Sync {
    /// The record with an access token that lasts at `now` and is not the one `refused` (its fingerprint). It is in the
    /// store when this returns. `sent` counts the requests this takes.
    ///
    /// # Errors
    /// As [`LoginSource::access_token`].
    async fn renewed(
        &self,
        name: &str,
        connector: &str,
        refused: Option<String>,
        now: DateTime<Utc>,
        sent: &(dyn Fn() + Sync),
    ) -> Result<SealedCredential, SourceError>;
}

/// A login of the credential store, for the HTTP client.
pub(super) struct StoredLogin {
    pub(super) name: String,
    pub(super) connector: String,
    pub(super) vault: Arc<Vault>,
    /// `None`: what is stored is used as long as it lasts.
    pub(super) renews: Option<Arc<dyn Renews>>,
}

impl StoredLogin {
    fn unreadable(&self, message: String) -> SourceError {
        SourceError::SecretUnreadable { credential: self.name.clone(), message }
    }
}

#[async_trait]
impl LoginSource for StoredLogin {
    fn read(&self) -> Result<Login, SecretError> {
        let opened = self.vault.open(&self.name).map_err(|error| SecretError(in_words(&error)))?;
        match opened {
            Opened { user: Some(key), secret, tokens: Some(tokens), .. } => Ok(Login { key, secret, id: tokens.login }),
            _ => Err(SecretError(no_login(&self.name))),
        }
    }

    async fn access_token(
        &self,
        now: DateTime<Utc>,
        refused: Option<&secrecy::SecretString>,
        sent: &(dyn Fn() + Sync),
    ) -> Result<AccessToken, SourceError> {
        let refused = refused.map(fingerprint);
        let kept = self.vault.open(&self.name).map_err(|error| self.unreadable(in_words(&error)))?;
        let lasting = |tokens: &Tokens| tokens.last(now) && !refused.as_deref().is_some_and(|it| tokens.are(it));
        if let Some(Tokens { access, until, .. }) = kept.tokens.filter(lasting) {
            return Ok(AccessToken { value: access, until });
        }
        let Some(renews) = &self.renews else {
            return Err(self.unreadable("only the process that holds the store renews it".to_owned()));
        };
        let record = renews.renewed(&self.name, &self.connector, refused, now, sent).await?;
        let opened = self.vault.open_record(&self.name, &record).map_err(|error| self.unreadable(in_words(&error)))?;
        self.vault.put(&self.name, record);
        let Some(Tokens { access, until, .. }) = opened.tokens else {
            return Err(self.unreadable(no_login(&self.name)));
        };
        Ok(AccessToken { value: access, until })
    }
}

/// The process that holds the store.
#[derive(Clone)]
pub struct Holder {
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
    endpoint: Arc<TokenEndpoint>,
}

impl Holder {
    /// Renews logins at this endpoint.
    pub fn new(store: Arc<dyn Store>, vault: Arc<Vault>, endpoint: TokenEndpoint) -> Self {
        Self { store, vault, endpoint: Arc::new(endpoint) }
    }

    async fn renew(
        &self,
        name: &str,
        refused: Option<String>,
        now: DateTime<Utc>,
        sent: &(dyn Fn() + Sync),
    ) -> Result<SealedCredential, SourceError> {
        let unreadable = |message: String| SourceError::SecretUnreadable { credential: name.to_owned(), message };
        for _ in 0..MOST_ROUNDS {
            // From before, when the store could not be written: the server knows these tokens and no older ones.
            self.write(name).await?;
            let records = self.store.credentials().await.map_err(|error| unreadable(error.to_string()))?;
            let Some(record) = records.get(name).cloned() else {
                return Err(unreadable(in_words(&CredentialError::Unknown { name: name.to_owned(), near: None })));
            };
            let (opened, key) =
                self.vault.open_with_key(name, &record).map_err(|error| unreadable(in_words(&error)))?;
            let Opened { kind, user: Some(consumer), secret, tokens: Some(tokens) } = opened else {
                return Err(unreadable(no_login(name)));
            };
            if tokens.last(now) && !refused.as_deref().is_some_and(|refused| tokens.are(refused)) {
                self.vault.put(name, record.clone());
                return Ok(record);
            }
            let grant = Grant::Refresh(&tokens.refresh);
            let granted = self.endpoint.exchange((&consumer, &secret), grant, now, sent).await;
            let granted = granted.map_err(|error| match error {
                TokenError::InvalidGrant => SourceError::LoginEnded { name: name.to_owned() },
                TokenError::Consumer => SourceError::Unauthorized { url: self.endpoint.shown() },
                TokenError::Source(error) => error,
            })?;
            let tokens = Tokens {
                login: tokens.login,
                refresh: granted.refresh.unwrap_or(tokens.refresh),
                access: granted.access,
                until: now + granted.life,
            };
            let rotated = Opened { kind, user: Some(consumer), secret, tokens: Some(tokens) };
            let head = Head { created_at: record.created_at, updated_at: now, expires: Some(ends(now)) };
            let credential = seal(&key, name, &rotated, head).map_err(|error| unwritten(name, error.to_string()))?;
            let change = CredentialChange { name: name.to_owned(), instead_of: Some(record.nonce), credential };
            self.vault.keep_unwritten(change);
            if let Some(written) = self.write(name).await? {
                debug!("the login {name} was renewed");
                return Ok(written);
            }
            // Somebody logged in anew meanwhile: that one counts.
        }
        Err(unwritten(name, "it was replaced again and again".to_owned()))
    }

    /// Writes the tokens that wait; `None`: none wait, or a newer record has taken their place.
    async fn write(&self, name: &str) -> Result<Option<SealedCredential>, SourceError> {
        let Some(change) = self.vault.unwritten(name) else { return Ok(None) };
        let ours = change.credential.clone();
        let failed = |error: StoreError| {
            warn!("the new tokens of the login {name} could not be written, and are kept in memory: {error}");
            unwritten(name, error.to_string())
        };
        let mut is_written = self.store.change_credentials(vec![change]).await.map_err(failed)?;
        if !is_written {
            // Written, and then not known to be: or replaced.
            let present = self.store.credentials().await.map_err(failed)?.remove(name);
            is_written = present.is_some_and(|present| present.nonce == ours.nonce);
        }
        self.vault.forget_unwritten(name);
        if !is_written {
            return Ok(None);
        }
        self.vault.put(name, ours.clone());
        Ok(Some(ours))
    }
}

#[async_trait]
impl Renews for Holder {
    async fn renewed(
        &self,
        name: &str,
        _: &str,
        refused: Option<String>,
        now: DateTime<Utc>,
        sent: &(dyn Fn() + Sync),
    ) -> Result<SealedCredential, SourceError> {
        let lease = self.store.credential_lease(name).await;
        let lease = lease.map_err(|error| unwritten(name, error.to_string()))?;
        let requests = Arc::new(AtomicU64::new(0));
        let (holder, counted) = (self.clone(), requests.clone());
        // A task of its own: what the server gave is written even when whoever asked went away meanwhile. The end of a
        // sync waits for it by the lease.
        let renewing = tokio::spawn(async move {
            // All of it: what is captured by its field alone gives the lease back with the asker.
            let lease = lease;
            let count = || {
                counted.fetch_add(1, Ordering::Relaxed);
            };
            holder.renew(&lease.credential, refused, now, &count).await
        });
        let renewed = renewing.await;
        for _ in 0..requests.load(Ordering::Relaxed) {
            sent();
        }
        renewed.unwrap_or_else(|error| Err(unwritten(name, error.to_string())))
    }
}

fn unwritten(name: &str, message: String) -> SourceError {
    SourceError::LoginUnwritten { name: name.to_owned(), message }
}

fn no_login(name: &str) -> String {
    format!("the credential `{name}` is no login any more")
}

fn in_words(error: &CredentialError) -> String {
    format!("{error}; {}", error.mend())
}

#[cfg(test)]
mod tests;
