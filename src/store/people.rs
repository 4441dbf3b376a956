//! What is kept of people: what they did, and who is logged in with a browser.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// By what somebody is known: a user of the proxy and a token of one name are two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KnownBy {
    /// A terminal on the host of the store.
    Terminal,
    /// A token of the config, in a browser or not.
    Token,
    /// The sign-in link.
    Link,
    /// What a trusted proxy says.
    Proxy,
    /// The decisions file, which somebody edited.
    Decisions,
}

/// Something somebody did, or tried to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AuditEntry {
    /// A ULID: entries sort by when they began.
    pub id: String,
    /// When it began.
    pub at: DateTime<Utc>,
    /// Who: `cli (alice)` with the user of a terminal, the name of a token, a user whom the proxy told.
    pub by: String,
    /// By what they were known; `None`: it was not written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_by: Option<KnownBy>,
    /// From where; `None`: a terminal on the host of the store.
    pub from: Option<IpAddr>,
    /// What, as one would type it; shortened where it is long.
    pub request: String,
    /// Names of the integrations it is about, sorted; empty: all of them, none of them, or it is not known.
    pub integrations: Vec<String>,
    /// How it ended.
    pub outcome: AuditOutcome,
    /// What came of it or why not, in words.
    pub detail: Option<String>,
}

/// How something ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuditOutcome {
    /// It has not, or the process ended meanwhile: what it did until then is done.
    Begun,
    /// As asked.
    Done,
    /// In part.
    Partly,
    /// Held or refused: nothing, or not all of it, was done.
    Refused,
    /// It failed.
    Failed,
}

impl AuditOutcome {
    /// As in tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Done => "done",
            Self::Partly => "partly",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// Somebody logged in with a browser. The cookie is not in it: whoever reads the store gets nowhere with this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// SHA-256 of the cookie, hexadecimal.
    pub digest: String,
    /// How they logged in.
    pub of: SessionOf,
    /// When.
    pub began_at: DateTime<Utc>,
    /// When they were last seen, within a few minutes.
    pub seen_at: DateTime<Utc>,
    /// From where they logged in.
    pub from: Option<IpAddr>,
}

/// How somebody logged in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionOf {
    /// With a token of the config.
    Token {
        /// Its name.
        name: String,
        /// What only who has the cookie can make of the token, and nobody the token of.
        seal: String,
    },
    /// With the sign-in link of a terminal.
    Link,
}
