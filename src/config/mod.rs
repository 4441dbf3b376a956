//! The config file: model, load and check (all faults at once, with their line), secrets, schema.
//!
//! Read once at start and again on reload; everything below `main` gets the typed part it uses.
//!
//! [`located`], [`faults`] and [`fields`] know nothing of the config: other files that people write are read
//! with them, too.

pub mod load;
pub mod model;

pub mod filters;
pub mod foreign;
pub mod schema;
pub mod secret;
pub mod starter;
pub mod url;

mod apart;
mod catalogs;
mod connectors;
pub mod insert;
mod integrations;
mod server;

#[cfg(test)]
mod tests;

pub mod faults;
pub mod fields;
pub mod located;

pub use faults::{Fault, FaultReport, Severity};
pub use filters::RepositoryGlob;
pub use integrations::{BUILTIN_RULES, WHOLE_INSTANCE};
pub use load::{ConfigError, LoadOptions, Loaded, Stamp};
pub use model::{
    AlsoRead, Auth, Cadence, CatalogConfig, CommitsVia, Config, Connector, ConnectorType, Credential, DirectoryCatalog,
    FirstSync, GitMode, Guard, Identity, Integration, KindSettings, Percent, Place, Proxy, Registration,
    RepositoryFilters, Retention, Role, RulesRef, Server, Tls, Token,
};
pub use secret::{Environment, Part, Secret, SecretError, SecretFrom, Secrets};
pub use server::TOKEN_CHARACTERS;
pub use url::{ConnectorUrl, Host, RepositoryRef, Transport, UrlError};
