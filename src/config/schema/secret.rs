//! Secrets: where they are, rather than what they are.

use schemars::JsonSchema;

use super::shapes::{Name, blocks};

/// A secret: where it is, rather than what it is.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "read by the schema generator only")]
pub(super) enum Secret {
    Env(FromEnv),
    File(FromFile),
    Credential(FromStore),
    /// The secret itself. Loading warns.
    Plain(String),
}

blocks! {
    /// An environment variable.
    FromEnv {
        /// Name of the variable, read at start.
        env: String,
    }

    /// A file.
    FromFile {
        /// Path of the file; one newline at its end is trimmed; read again when it changes.
        file: String,
    }

    /// The encrypted credential store.
    FromStore {
        /// Name of the credential, as given to `catalog-sync credential add`.
        credential: Name,
    }
}
