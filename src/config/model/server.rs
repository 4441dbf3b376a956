//! `server`: where the sidecar listens, and who may use it.

use std::net::SocketAddr;
use std::path::PathBuf;

use ::url::Url;

use crate::config::secret::Secret;

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
    /// Whether the UI may add integrations to the config file.
    pub edit_config: bool,
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
