//! `connectors`: how to reach a Bitbucket, and as whom.

use std::fmt;
use std::path::PathBuf;

use ::url::Url;
use chrono::NaiveDate;

use super::{Percent, Place};
use crate::config::secret::Secret;
use crate::config::url::ConnectorUrl;

/// What a connector reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectorType {
    /// bitbucket.org.
    BitbucketCloud,
    /// A Data Center instance.
    BitbucketDataCenter,
}

impl ConnectorType {
    /// As the config has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BitbucketCloud => "bitbucket_cloud",
            Self::BitbucketDataCenter => "bitbucket_data_center",
        }
    }
}

/// A proxy's URL, which may hold a password: shown without userinfo.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy(Url);

impl Proxy {
    /// Wraps a URL.
    pub fn new(url: Url) -> Self {
        Self(url)
    }

    /// With userinfo: for the HTTP client only, never for logs.
    pub fn url_with_userinfo(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut url = self.0.clone();
        // Fails only for URLs that cannot have userinfo, which then have none to hide.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        f.write_str(url.as_str())
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// How to reach one Bitbucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connector {
    /// Its key in the file, which is also its id (P6.2).
    pub name: String,
    /// What it reaches (key `type`).
    pub kind: ConnectorType,
    /// For people.
    pub description: Option<String>,
    /// For people.
    pub tags: Vec<String>,
    /// Account or repository URL.
    pub url: ConnectorUrl,
    /// The REST API, no trailing slash; derived from `url` when left out.
    pub api_url: Url,
    /// Where git finds the repositories over http(s), where not where `url` says.
    pub git_url: Option<Url>,
    /// Whether credentials may be sent over `http://` to another host than loopback.
    pub allow_http: bool,
    /// Credentials; at least one. The first that is not an SSH key lists repositories.
    pub auth: Vec<Credential>,
    /// SSH host keys.
    pub known_hosts: Option<PathBuf>,
    /// For validation only: slug (Cloud) or `PROJECT/slug`, without `.git`.
    pub test_repository: Option<String>,
    /// Else `HTTPS_PROXY`/`NO_PROXY`.
    pub proxy: Option<Proxy>,
    /// PEM certificates added to the system roots.
    pub ca_bundle: Option<PathBuf>,
    /// Per credential; learned from headers when `None`.
    pub requests_per_hour: Option<u32>,
    /// Data Center.
    pub requests_per_second: Option<u32>,
    /// Share of the budget left to others on the same credential.
    pub reserve: Percent,
    /// Secrets that sign webhooks.
    pub webhook_secrets: Vec<Secret>,
    /// Where the file defines it.
    pub place: Place,
}

impl Connector {
    /// The key of SSH URLs: its file, and the passphrase it may have.
    pub fn ssh_key(&self) -> Option<(&PathBuf, Option<&Secret>)> {
        self.auth.iter().find_map(|credential| match &credential.auth {
            Auth::SshKey { file, passphrase } => Some((file, passphrase.as_ref())),
            _ => None,
        })
    }

    /// The credentials that can call the API: all but SSH keys.
    pub fn api_credentials(&self) -> impl Iterator<Item = &Credential> {
        self.auth.iter().filter(|credential| !matches!(credential.auth, Auth::SshKey { .. }))
    }
}

/// One entry of `auth`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Which kind, with its secrets.
    pub auth: Auth,
    /// The day it ends, where known.
    pub expires: Option<NaiveDate>,
    /// Where the file defines it.
    pub place: Place,
}

/// Kinds of credentials (P6.4). Names of accounts may be secrets, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// A workspace, project or repository access token; sent as Bearer.
    AccessToken(Secret),
    /// An Atlassian API token; sent as Basic with the e-mail address.
    ApiToken {
        /// Atlassian account.
        email: Secret,
        /// The token.
        token: Secret,
    },
    /// OAuth consumer, client credentials grant.
    OAuth {
        /// Consumer key.
        key: Secret,
        /// Consumer secret.
        secret: Secret,
    },
    /// A user and a password.
    Basic {
        /// The user.
        username: Secret,
        /// The password.
        password: Secret,
    },
    /// A credential of the credential store, whichever kind it is of.
    Stored {
        /// Its name.
        name: String,
        /// Its secret part.
        login: Secret,
    },
    /// A private key for SSH URLs.
    SshKey {
        /// PEM file.
        file: PathBuf,
        /// Of an encrypted key.
        passphrase: Option<Secret>,
    },
}

impl Auth {
    /// The key in the file.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::AccessToken(_) => "access_token",
            Self::ApiToken { .. } => "api_token",
            Self::OAuth { .. } => "oauth",
            Self::Basic { .. } => "basic",
            Self::Stored { .. } => "credential",
            Self::SshKey { .. } => "ssh_key",
        }
    }

    /// Every secret in it.
    pub fn secrets(&self) -> Vec<&Secret> {
        match self {
            Self::AccessToken(token) => vec![token],
            Self::ApiToken { email, token } => vec![email, token],
            Self::OAuth { key, secret } => vec![key, secret],
            Self::Basic { username, password } => vec![username, password],
            Self::Stored { login, .. } => vec![login],
            Self::SshKey { passphrase, .. } => passphrase.iter().collect(),
        }
    }
}
