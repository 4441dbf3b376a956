//! The typed config. Field names are the keys of the file (contract, section 1).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ::url::Url;
use chrono::NaiveDate;

use super::filters::RepositoryGlob;
use super::secret::{Secret, SecretFrom};
use super::url::ConnectorUrl;
use crate::credentials::KeyPlace;
pub use crate::model::Registration;
use crate::model::{DetailKind, EntityFormat, IntegrationKey, SecondaryKind};

/// A place in the config file. All places are equal: moving a block does not change what it says, so a
/// reload that only moved lines changes nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    /// From 1; 0: not written in the file.
    pub line: usize,
    /// In characters, from 1; 0: not written in the file.
    pub column: usize,
}

impl PartialEq for Place {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Place {}

/// The whole config. Every path in it is resolved: absolute, or relative to the working directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The file it was read from.
    pub path: PathBuf,
    /// The store's directory.
    pub store: PathBuf,
    /// The decisions file, where one is kept.
    pub decisions: Option<PathBuf>,
    /// How long records are kept.
    pub retention: Retention,
    /// Where the key of the credential store is, where one is used.
    pub credential_key: Option<KeyPlace>,
    /// API, health, webhooks.
    pub server: Server,
    /// By name.
    pub connectors: BTreeMap<String, Connector>,
    /// By name.
    pub catalogs: BTreeMap<String, CatalogConfig>,
    /// In the order of the file.
    pub integrations: Vec<Integration>,
}

impl Config {
    /// An integration by its name.
    pub fn integration(&self, name: &str) -> Option<&Integration> {
        self.integrations.iter().find(|integration| integration.name == name)
    }

    /// The connector of an integration; there for every integration of a loaded config.
    pub fn connector_of(&self, integration: &Integration) -> Option<&Connector> {
        self.connectors.get(&integration.connector)
    }

    /// Every secret a connector names, with what names it: `connector acme`.
    fn named_secrets(&self) -> impl Iterator<Item = (String, &Secret)> {
        let of_connectors = self.connectors.values().flat_map(|connector| {
            let auth = connector.auth.iter().flat_map(|credential| credential.auth.secrets());
            auth.chain(&connector.webhook_secrets).map(|secret| (format!("connector {}", connector.name), secret))
        });
        let of_tokens = self.server.tokens.iter().map(|token| (format!("server token {}", token.name), &token.token));
        of_connectors.chain(of_tokens)
    }

    /// What uses a stored credential: `connector acme`, sorted.
    pub fn users_of_credential(&self, name: &str) -> Vec<String> {
        let uses = |secret: &Secret| matches!(&secret.from, SecretFrom::Credential { name: used, .. } if used == name);
        let users: BTreeSet<String> =
            self.named_secrets().filter(|(_, secret)| uses(secret)).map(|(user, _)| user).collect();
        users.into_iter().collect()
    }

    /// Whether anything uses the credential store.
    pub fn uses_credentials(&self) -> bool {
        self.named_secrets().any(|(_, secret)| matches!(secret.from, SecretFrom::Credential { .. }))
    }

    /// The catalog of an integration; there for every integration of a loaded config.
    pub fn catalog_of(&self, integration: &Integration) -> Option<&CatalogConfig> {
        self.catalogs.get(&integration.catalog)
    }
}

/// How long records are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Records of past syncs.
    pub syncs: Duration,
    /// The journal of imports: how far back `undo` reaches.
    pub undo: Duration,
    /// The audit log.
    pub audit: Duration,
    /// Webhook deliveries.
    pub deliveries: Duration,
}

/// The sidecar's listeners and who may use them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// API and web UI.
    pub listen: SocketAddr,
    /// Webhooks; `None`: on `listen`.
    pub webhook_listen: Option<SocketAddr>,
    /// Health and metrics; `None`: on `listen`.
    pub health_listen: Option<SocketAddr>,
    /// The address people and Bitbucket use.
    pub public_url: Option<Url>,
    /// Certificate and key.
    pub tls: Option<Tls>,
    /// Networks of trusted reverse proxies, as `address/prefix`.
    pub behind_proxy: Vec<String>,
    /// Who may call the API.
    pub tokens: Vec<Token>,
    /// Identity told by a trusted proxy.
    pub identity: Option<Identity>,
    /// Whether the UI may write rules files.
    pub edit_rules: bool,
}

/// Certificate and key of the listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// PEM file.
    pub certificate: PathBuf,
    /// PEM file.
    pub key: PathBuf,
}

/// What a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Reads.
    View,
    /// Reads and changes.
    Edit,
}

/// A token for the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Appears in history and audit.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Names or globs of integrations it sees.
    pub integrations: Vec<String>,
    /// The token; at least 32 characters.
    pub token: Secret,
}

/// Identity told by a trusted proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Header with the user's name.
    pub user_header: String,
    /// Header with the user's groups.
    pub groups_header: Option<String>,
    /// Members of these may edit.
    pub edit_groups: Vec<String>,
}

/// What a connector reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectorType {
    /// bitbucket.org.
    BitbucketCloud,
    /// A Data Center instance.
    BitbucketDataCenter,
}

/// A share in percent, 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(pub u8);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
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

/// A catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogConfig {
    /// Its key in the file.
    pub name: String,
    /// A directory of YAML files: matched and written.
    pub directory: DirectoryCatalog,
    /// Matched, and names there are taken; never written.
    pub also_read: Vec<AlsoRead>,
    /// Where the file defines it.
    pub place: Place,
}

/// A directory of YAML files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryCatalog {
    /// The directory, resolved.
    pub path: PathBuf,
    /// Folder of new files, relative to `path`.
    pub new_entities: PathBuf,
    /// Format of new entities; `None`: that of most documents, else Backstage.
    pub format: Option<EntityFormat>,
    /// Backstage: namespace of new entities.
    pub namespace: String,
    /// Harness: org of new entities.
    pub org: Option<String>,
    /// Harness: project of new entities.
    pub project: Option<String>,
    /// What is done with git after writing.
    pub git: GitMode,
}

/// What a directory catalog does with git after writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GitMode {
    /// Nothing.
    Off,
    /// Commits.
    Commit,
    /// Commits and pushes.
    Push,
}

/// A directory that is only read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlsoRead {
    /// The directory, resolved.
    pub directory: PathBuf,
    /// As written in the file.
    pub written: PathBuf,
}

/// Which rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RulesRef {
    /// A file of `rules/`, by its name without `.yaml`.
    Builtin(String),
    /// A file of the user's.
    File {
        /// Resolved.
        path: PathBuf,
        /// As read together with the config, so that a reload sees a change.
        text: String,
    },
}

/// Which repositories are worked on; the others are recorded and listed as hidden, with the filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryFilters {
    /// Empty: all.
    pub include: Vec<RepositoryGlob>,
    /// They win over `include`.
    pub exclude: Vec<RepositoryGlob>,
    /// Project keys, case ignored; empty: all.
    pub projects: Vec<String>,
    /// Archived ones, too (Data Center).
    pub archived: bool,
    /// Personal ones, too.
    pub personal: bool,
    /// Forks, too.
    pub forks: bool,
}

/// How much of a repository the first sync takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstSync {
    /// This many, the newest.
    Newest(u64),
    /// Everything after the start date.
    All,
}

/// How commits are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitsVia {
    /// Whatever fits.
    Auto,
    /// The REST API.
    Rest,
    /// The git protocol.
    Git,
}

/// Settings of a secondary kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindSettings {
    /// Newest items of each repository at its first fetch.
    pub first_sync: FirstSync,
    /// Cap: most items stored in one sync over all repositories; at least 1.
    pub per_sync: u64,
    /// Commits only.
    pub via: CommitsVia,
}

/// Settings of an optional secondary kind. What was selected may change at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DetailSettings {
    /// Cap: most stored in one sync over all repositories; at least 1. Each costs a request.
    pub per_sync: u64,
}

impl Default for DetailSettings {
    /// Half of what Cloud allows in an hour.
    fn default() -> Self {
        Self { per_sync: 500 }
    }
}

/// When an integration syncs by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cadence {
    /// This long after the last start, plus a stable jitter.
    Every(Duration),
    /// At the times of a cron expression.
    Cron {
        /// Five or six fields, as written.
        expr: String,
        /// In which it is meant.
        timezone: chrono_tz::Tz,
    },
}

/// When a loss stops a sync until approved (P2.9, P2.13): more than both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// Of what is known.
    pub percent: Percent,
    /// In numbers.
    pub at_least: u64,
}

/// One workspace and one catalog, with rules and schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Integration {
    /// A label; unique.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Name of its connector; there in a loaded config.
    pub connector: String,
    /// Name of its catalog; there in a loaded config.
    pub catalog: String,
    /// Cloud: the workspace's slug, from the connector's URL where the integration names none.
    pub workspace: String,
    /// Which repositories.
    pub repositories: RepositoryFilters,
    /// What may become of them.
    pub registration: Registration,
    /// Kind of registered entities.
    pub kind: String,
    /// Type of registered entities (key `type`).
    pub entity_type: String,
    /// Correlation rules and field mapping.
    pub rules: RulesRef,
    /// Selected secondary kinds.
    pub secondary_kinds: BTreeMap<SecondaryKind, KindSettings>,
    /// Selected optional kinds, from the same block of the file.
    pub details: BTreeMap<DetailKind, DetailSettings>,
    /// People, where selected, from the same block of the file.
    pub users: Option<DetailSettings>,
    /// When it syncs (keys `update_every`, or `cron` and `timezone`).
    pub update_every: Cadence,
    /// Older pull requests and commits are not fetched.
    pub start_date: Option<NaiveDate>,
    /// A complete walk over the repository list at least this often.
    pub complete_sweep_every: Duration,
    /// What stops a sync until approved.
    pub guard: Guard,
    /// Kept on every imported entity.
    pub tags: Vec<String>,
    /// Whether future discoveries are imported unseen.
    pub auto_import: bool,
    /// Whether it rests, whatever was switched by hand.
    pub suspended: bool,
    /// A former name whose state is carried over.
    pub renamed_from: Option<String>,
    /// Which Bitbucket, from its connector.
    pub instance: crate::model::InstanceId,
    /// Where the file defines it.
    pub place: Place,
    /// Where the file says `suspended`.
    pub suspended_place: Place,
}

impl Integration {
    /// Its identity, which no rename changes.
    pub fn key(&self) -> IntegrationKey {
        IntegrationKey {
            instance: self.instance.clone(),
            workspace: self.workspace.to_lowercase(),
            catalog: self.catalog.clone(),
        }
    }
}
