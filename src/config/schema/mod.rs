//! The JSON Schema of the config file, for editors: completion, explanations, checks while typing.
//!
//! These types exist for the schema alone, a file per section: their comments are what a person reads in the editor. A test
//! holds them to the keys that loading knows.

mod catalogs;
mod connectors;
mod integrations;
mod secret;
mod server;
mod shapes;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;

use self::catalogs::Catalog;
use self::connectors::Connector;
use self::integrations::Integration;
use self::secret::Secret;
use self::server::Server;
use self::shapes::{Span, blocks};

/// The schema, as `config schema` prints it.
pub fn schema() -> serde_json::Value {
    SchemaSettings::draft07().into_generator().into_root_schema_for::<File>().to_value()
}

blocks! {
    /// The config file of catalog-sync: it keeps a software catalog and Bitbucket together.
    ///
    /// Relative paths begin at this file's folder.
    #[schemars(title = "catalog-sync config")]
    File {
        /// Where state is kept: a directory. Left out: `$STATE_DIRECTORY`, else `./data`.
        store: Option<String>,
        /// A file, fit for git, that takes each decision people make (ignores, unlinks, chosen targets) and is read at start.
        decisions: Option<String>,
        /// How long records are kept.
        retention: Option<Retention>,
        /// The encrypted credential store: only where `{ credential: NAME }` is used.
        credentials: Option<CredentialStore>,
        /// The sidecar's listeners and who may use them. All of it optional.
        server: Option<Server>,
        /// How to reach Bitbucket, by name. Several integrations can share a connector.
        #[schemars(extend("propertyNames" = { "pattern": "^[a-z][a-z0-9-]{0,62}$" }))]
        connectors: BTreeMap<String, Connector>,
        /// Where entities live, by name.
        #[schemars(extend("propertyNames" = { "pattern": "^[a-z][a-z0-9-]{0,62}$" }))]
        catalogs: BTreeMap<String, Catalog>,
        /// One workspace and one catalog each, with rules and schedule.
        #[schemars(length(min = 1))]
        integrations: Vec<Integration>,
    }

    /// How long records are kept.
    Retention {
        /// Records of past syncs.
        #[schemars(extend("default" = "90d"))]
        syncs: Option<Span>,
        /// What imports changed: how far back undo reaches.
        #[schemars(extend("default" = "90d"))]
        undo: Option<Span>,
        /// The audit log.
        #[schemars(extend("default" = "400d"))]
        audit: Option<Span>,
        /// Webhook deliveries.
        #[schemars(extend("default" = "7d"))]
        deliveries: Option<Span>,
    }

    /// The encrypted credential store.
    CredentialStore {
        /// The key that encrypts it: 32 bytes as base64 or hex, `{ env: NAME }` or `{ file: PATH }`, never inside the store.
        /// A file that is not there is made by the first `credential add`.
        key: Secret,
    }
}
