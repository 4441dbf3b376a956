//! The typed config. Field names are the keys of the file (contract, section 1).

mod catalogs;
mod connectors;
mod integrations;
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::secret::{Secret, SecretFrom};
use crate::credentials::KeyPlace;

pub use catalogs::{AlsoRead, CatalogConfig, DirectoryCatalog, GitMode};
pub use connectors::{Auth, Connector, ConnectorType, Credential, Proxy};
pub use integrations::{
    Cadence, CommitsVia, DetailSettings, FirstSync, Guard, Integration, KindSettings, Registration, RepositoryFilters,
    RulesRef,
};
pub use server::{Identity, Role, Server, Tls, Token};

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

/// A share in percent, 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(pub u8);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}
