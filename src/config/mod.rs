//! The config file: model, load and check (all faults at once, with their line), secrets, schema.
//!
//! Read once at start and again on reload; everything below `main` gets the typed part it uses.

pub mod model;
pub mod secret;
pub mod url;

pub use model::{
    AlsoRead, Auth, Cadence, CatalogConfig, CommitsVia, Config, Connector, ConnectorType, Credential, DirectoryCatalog,
    FirstSync, GitMode, Guard, Identity, Integration, KindSettings, Percent, Place, Proxy, Registration,
    RepositoryFilters, Retention, Role, RulesRef, Server, Tls, Token,
};
pub use secret::{Environment, Secret, SecretError, SecretFrom};
pub use url::{ConnectorUrl, Host, Transport};
