//! The client all REST adapters share: credentials, budget, retries, links and size limits, so that an
//! adapter only says what it wants and reads the answer.
//!
//! One call goes `session` → `budget` (may a request be sent, and with whose credential) → `auth` (the
//! header; OAuth's comes from `token`) → `client` (one exchange) → `answer` (what came, or which error it is); `retry` says how long
//! to wait before trying again, `links` where we may go on.

mod answer;
pub mod auth;
mod bucket;
pub mod budget;
mod client;
pub mod links;
mod retry;
#[cfg(test)]
pub(crate) mod scripted;
mod sent;
pub mod session;
pub mod token;

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

pub use auth::{
    AccessToken, Credential, CredentialSettings, FixedSecret, Login, LoginSource, SecretError, SecretSource,
};
pub use bucket::Limits;
pub use budget::Reserve;
pub(crate) use client::{Posted, Verb};
pub use sent::SentCount;
pub(crate) use session::{Call, Pool, Reply, Session, Who};
pub use token::{Grant, Granted, TokenEndpoint, TokenError};

/// How bodies and time are bounded, and how the network is reached.
#[derive(Clone)]
pub struct HttpSettings {
    /// Credentials may travel over plain http beyond loopback.
    pub allow_http: bool,
    /// Instead of the proxy of the environment. May carry userinfo, so it is never printed.
    pub proxy: Option<Url>,
    /// PEM file whose certificates are trusted besides the system's.
    pub ca_bundle: Option<PathBuf>,
    /// For DNS, TCP and TLS together.
    pub connect_timeout: Duration,
    /// Longest silence while an answer is read.
    pub read_timeout: Duration,
    /// Longest time for one whole exchange, so that a trickling server cannot hold a sync.
    pub total_timeout: Duration,
    /// Largest body after decompression.
    pub body_bytes: u64,
    /// How often a request is sent at most when the server or the network fails.
    pub attempts: u32,
    /// First backoff after a failure; doubles with each one, with full jitter. Tests set zero.
    pub retry_base: Duration,
    /// How long one call may wait for a rate limit to pass, in total; a longer wait is
    /// [`BudgetExhausted`](super::SourceError::BudgetExhausted).
    pub max_wait: Duration,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            allow_http: false,
            proxy: None,
            ca_bundle: None,
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(30),
            total_timeout: Duration::from_secs(180),
            // A page of 100 repositories is about 400 kB.
            body_bytes: 16 * 1024 * 1024,
            attempts: 4,
            retry_base: Duration::from_millis(500),
            max_wait: Duration::from_secs(60),
        }
    }
}

impl std::fmt::Debug for HttpSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { allow_http, proxy, ca_bundle, body_bytes, .. } = self;
        f.debug_struct("HttpSettings")
            .field("allow_http", allow_http)
            .field("proxy", &proxy.as_ref().map(links::shown))
            .field("ca_bundle", ca_bundle)
            .field("body_bytes", body_bytes)
            .finish_non_exhaustive()
    }
}

/// Why a client could not be made from its settings. Holds no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// Not an http(s) URL with a host.
    #[error("{url} is not an address of a REST API")]
    BadUrl {
        /// Without userinfo.
        url: String,
    },
    /// Credentials would travel in the clear.
    #[error("{url} is plain http: credentials would travel unencrypted")]
    PlainHttp {
        /// Without userinfo.
        url: String,
    },
    /// Cloud metadata services live there.
    #[error("{host} is a link-local address, where credentials are never sent")]
    LinkLocal {
        /// As written.
        host: String,
    },
    /// The CA bundle cannot be used.
    #[error("the CA bundle {} cannot be used: {message}", path.display())]
    CaBundle {
        /// Which file.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// The proxy cannot be used.
    #[error("the proxy {url} cannot be used: {message}")]
    Proxy {
        /// Without userinfo.
        url: String,
        /// Why.
        message: String,
    },
    /// A secret cannot be read.
    #[error("the secret of {credential} cannot be read: {message}")]
    Secret {
        /// Which credential.
        credential: String,
        /// Why; names the place, never the value.
        message: String,
    },
    /// No credential at all.
    #[error("the connector has no credential")]
    NoCredential,
    /// A username and password against Bitbucket Cloud.
    #[error("{credential} is a username with an app password, which Bitbucket Cloud ended on 2026-07-28")]
    AppPassword {
        /// Which credential.
        credential: String,
    },
    /// OAuth against Data Center.
    #[error("{credential} is an OAuth consumer, which only Bitbucket Cloud has")]
    CloudOnly {
        /// Which credential.
        credential: String,
    },
    /// The workspace cannot be part of a URL.
    #[error("`{workspace}` cannot be the name of a workspace")]
    Workspace {
        /// As written.
        workspace: String,
    },
    /// TLS or the client could not be set up.
    #[error("the HTTP client could not be set up: {message}")]
    Client {
        /// Why.
        message: String,
    },
}

impl SettingsError {
    /// What a person can do about it.
    pub fn mend(&self) -> &'static str {
        match self {
            Self::BadUrl { .. } => {
                "write `api_url` as https://api.bitbucket.org/2.0, a Data Center `url` as https://HOST/CONTEXT"
            }
            Self::PlainHttp { .. } => "use https, or set `allow_http: true` for a test instance",
            Self::LinkLocal { .. } => "write the real host of Bitbucket into `url` or `api_url`",
            Self::CaBundle { .. } => "`ca_bundle` needs a readable PEM file with at least one CERTIFICATE block",
            Self::Proxy { .. } => "write `proxy` as http://HOST:PORT",
            Self::Secret { .. } => "check that the variable is set or the file is there and readable",
            Self::NoCredential => "add `auth` to the connector: access_token, api_token or oauth",
            Self::AppPassword { .. } => "make an API token and use `api_token`, or an `access_token`",
            Self::CloudOnly { .. } => "make an HTTP access token in Bitbucket and use `access_token`, or `basic`",
            Self::Workspace { .. } => {
                "name the workspace by its slug or its {uuid}, a project of Data Center by its key"
            }
            Self::Client { .. } => "look at the message; it is a fault of this machine's TLS set-up",
        }
    }
}

/// What an error body would become, for the recorded ones.
#[cfg(test)]
pub(crate) fn recorded_error(url: &Url, status: u16, body: &[u8]) -> super::SourceError {
    let headers = reqwest::header::HeaderMap::new();
    answer::error(url, &client::Answer { status, headers, body: body.to_vec() }, &[])
}
