//! `server`.

use super::secret::Secret;
use super::shapes::{Name, OneOrMany, blocks, words};

blocks! {
    /// The sidecar's listeners and who may use them.
    Server {
        /// Address and port of the API. Beyond loopback it needs tokens, and `tls` or `behind_proxy`.
        #[schemars(extend("default" = "127.0.0.1:8321"))]
        listen: Option<String>,
        /// Address and port of webhooks alone. Left out: on `listen`.
        webhook_listen: Option<String>,
        /// Address and port of health and metrics alone, without a token. Left out: on `listen`.
        health_listen: Option<String>,
        /// The address people and Bitbucket use: https makes cookies secure, its name is the one we answer to, its path may be a prefix.
        public_url: Option<String>,
        /// Certificate and key of `listen` and `webhook_listen`; read again when the files change.
        tls: Option<Tls>,
        /// Networks of the reverse proxies that may be trusted: `10.0.0.0/8`.
        behind_proxy: Option<OneOrMany<String>>,
        /// Who may call the API.
        tokens: Option<OneOrMany<Token>>,
        /// Users as a trusted proxy names them; believed from `behind_proxy` alone.
        identity: Option<Identity>,
        /// Whether the web UI may write rules files.
        #[schemars(extend("default" = false))]
        edit_rules: Option<bool>,
        /// Whether the web UI may add integrations to this file.
        #[schemars(extend("default" = false))]
        edit_config: Option<bool>,
    }

    /// Certificate and key of the listener.
    Tls {
        /// PEM file.
        certificate: String,
        /// PEM file.
        key: String,
    }

    /// A token for the API.
    Token {
        /// Appears in history and audit.
        name: Name,
        /// `view` reads, `edit` changes.
        role: Role,
        /// Names or globs of the integrations it sees.
        #[schemars(extend("default" = ["*"]))]
        integrations: Option<OneOrMany<String>>,
        /// The token: at least 32 characters.
        token: Secret,
    }

    /// Users as a trusted proxy names them.
    Identity {
        /// Header with the user's name.
        user_header: String,
        /// Header with the user's groups.
        groups_header: Option<String>,
        /// Members of these may change things.
        edit_groups: Option<OneOrMany<String>>,
    }
}

words! {
    /// What a token may do.
    Role {
        /// Reads.
        View,
        /// Reads and changes.
        Edit,
    }
}
