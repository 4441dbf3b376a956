//! Encrypted credentials (P6.10): what one holds, how it is sealed, and where the key is.
//!
//! A credential is sealed with XChaCha20-Poly1305 in the process that was given the secret; what goes through
//! the loopback to a running sidecar, into the store and into exports is the sealed record. The key is never in
//! the store.

pub mod input;
pub mod key;
pub mod login;
pub mod sealed;
pub mod vault;

use std::fmt;
use std::path::PathBuf;

use secrecy::SecretString;

pub use key::{Key, KeyPlace};
pub use login::Tokens;
pub use sealed::{Head, open, seal};
pub use vault::Vault;

/// What a credential is for: which auth entry of a connector it can stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A workspace, project or HTTP access token.
    AccessToken,
    /// An Atlassian API token with the account's e-mail address.
    ApiToken,
    /// Key and secret of an OAuth consumer.
    OAuth,
    /// The same with the tokens of a person who logged in by a browser ([`login`]).
    OAuthLogin,
    /// User name and password.
    Basic,
    /// Anything else that is secret: the passphrase of an SSH key, what signs webhooks, a token of our own API.
    Secret,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::AccessToken, Self::ApiToken, Self::OAuth, Self::OAuthLogin, Self::Basic, Self::Secret];

    /// As in the config and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "access_token",
            Self::ApiToken => "api_token",
            Self::OAuth => "oauth",
            Self::OAuthLogin => "oauth_login",
            Self::Basic => "basic",
            Self::Secret => "secret",
        }
    }

    /// Reads [`Kind::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// What its user is called; `None`: it has none.
    pub fn user(self) -> Option<&'static str> {
        match self {
            Self::AccessToken | Self::Secret => None,
            Self::ApiToken => Some("e-mail address"),
            Self::OAuth | Self::OAuthLogin => Some("consumer key"),
            Self::Basic => Some("user name"),
        }
    }

    /// What its secret is called.
    pub fn secret(self) -> &'static str {
        match self {
            Self::AccessToken => "access token",
            Self::ApiToken => "API token",
            Self::OAuth | Self::OAuthLogin => "consumer secret",
            Self::Basic => "password",
            Self::Secret => "secret",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A credential in the clear. Prints its kind alone. The user may be a secret, too.
#[derive(Clone)]
pub struct Opened {
    /// What it is for.
    pub kind: Kind,
    /// There for the kinds that have one.
    pub user: Option<SecretString>,
    /// The secret.
    pub secret: SecretString,
    /// There for a login alone.
    pub tokens: Option<Tokens>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opened({})", self.kind)
    }
}

/// What can go wrong with stored credentials. Messages are for people and hold no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// The config has no `credentials` block.
    #[error("the config names no key for the credential store")]
    NoKey,
    /// The variable that holds the key is not set.
    #[error("the key of the credential store is not there: the environment variable {name} is not set")]
    NoVariable {
        /// Its name.
        name: String,
    },
    /// The key file is not there.
    #[error("the key file {} is not there", path.display())]
    KeyMissing {
        /// The file.
        path: PathBuf,
    },
    /// The key file cannot be read or written.
    #[error("the key file {} cannot be {doing}", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// `read`, `written`.
        doing: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Others can read the key file.
    #[error("the key file {} can be read by others (mode {mode:03o})", path.display())]
    KeyOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// What is there is no key.
    #[error("{place} holds no key: 32 bytes as base64 or hex are one")]
    NotAKey {
        /// Variable or file.
        place: String,
    },
    /// There is no credential of this name.
    #[error("there is no credential `{name}`")]
    Unknown {
        /// As asked for.
        name: String,
        /// One that is named like it.
        near: Option<String>,
    },
    /// It is sealed under another key than the one configured.
    #[error("the credential `{name}` is sealed under the key {sealed_under}, and the key configured is {key}")]
    OtherKey {
        /// Which.
        name: String,
        /// Id of its key.
        sealed_under: String,
        /// Id of ours.
        key: String,
    },
    /// The record does not open under the key it names.
    #[error("the credential `{name}` was changed in the store, or put under another name: its seal is broken")]
    Broken {
        /// Which.
        name: String,
    },
    /// A newer program sealed it.
    #[error("the credential `{name}` is sealed in a way this version does not know (version {version})")]
    UnknownVersion {
        /// Which.
        name: String,
        /// Its version.
        version: u32,
    },
    /// It is no credential of the kind that is wanted.
    #[error("the credential `{name}` is of the kind {kind}, and here {wanted} is wanted")]
    Unfit {
        /// Which.
        name: String,
        /// Its kind.
        kind: String,
        /// What is wanted, in words.
        wanted: &'static str,
    },
}

impl CredentialError {
    /// What a person can do about it.
    pub fn mend(&self) -> String {
        match self {
            Self::NoKey => {
                "add `credentials: { key: { file: ./credentials.key } }` to the config; `credential add` makes the file"
                    .to_owned()
            }
            Self::NoVariable { name } => format!(
                "set {name} to 32 bytes as base64 (`openssl rand -base64 32` makes some), or to the key that the credentials are sealed under"
            ),
            Self::KeyMissing { path } => format!(
                "put the key back to {}; if it is lost for good, nobody can read the credentials: `catalog-sync credential delete NAME` each, then `credential add` makes a new key",
                path.display()
            ),
            Self::KeyFile { doing: "read", .. } => "check that this user may read it".to_owned(),
            Self::KeyFile { .. } => "check that its folder is there and may be written to".to_owned(),
            Self::KeyOpen { path, .. } => format!(
                "chmod 600 {} (a mounted secret: mode 0400); if somebody may have read it: `catalog-sync credential rekey`, and new secrets",
                path.display()
            ),
            Self::NotAKey { .. } => {
                "`openssl rand -base64 32` makes a key; a key file may also be left to `catalog-sync credential add`"
                    .to_owned()
            }
            Self::Unknown { near: Some(near), .. } => {
                format!("did you mean `{near}`? `catalog-sync credential list` shows them all")
            }
            Self::Unknown { name, .. } => format!(
                "`catalog-sync credential add {name}` adds it; `catalog-sync credential login {name}` logs in with a browser"
            ),
            Self::OtherKey { name, .. } => format!(
                "put the right key back (`credentials.key` of the config), or, after a change of keys, `catalog-sync credential rekey --old-key-file FILE`; if the key is lost for good: `catalog-sync credential delete {name}`, and add it again"
            ),
            Self::Broken { name } => format!(
                "`catalog-sync credential update {name}` stores it anew; whoever may write the store should be looked at"
            ),
            Self::UnknownVersion { .. } => "use the newer catalog-sync that stored it".to_owned(),
            Self::Unfit { name, .. } => format!(
                "name another credential, or `catalog-sync credential delete {name}` and add it with the right `--kind`"
            ),
        }
    }
}

#[cfg(test)]
mod tests;
