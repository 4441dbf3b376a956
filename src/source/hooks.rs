//! Webhooks on a Bitbucket: those that are there, and ours.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::SourceError;

/// Where a webhook is set up, and so what it tells of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HookPlace {
    /// Cloud: the workspace of the integration.
    Workspace,
    /// Data Center: the project of this key.
    Project(String),
    /// One repository: its workspace or project, and its slug.
    Repository(String, String),
}

impl fmt::Display for HookPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workspace => f.write_str("workspace"),
            Self::Project(key) => write!(f, "project {key}"),
            Self::Repository(owner, slug) => write!(f, "repository {owner}/{slug}"),
        }
    }
}

/// A webhook as it is there. Nobody tells its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// As the server numbers it.
    pub id: String,
    /// Where it sends to.
    pub url: String,
    /// Whether it sends.
    pub is_active: bool,
    /// What it sends, sorted.
    pub events: Vec<String>,
}

/// A webhook as it is to be: active, with every event that is of use.
#[derive(Clone, Debug)]
pub struct NewHook {
    /// Where it sends to.
    pub url: Url,
    /// What it signs with.
    pub secret: SecretString,
}

impl NewHook {
    /// A server may repeat what we sent: the secret leaves in no error.
    pub(super) fn blotted(&self, mut error: SourceError) -> SourceError {
        if let SourceError::BadRequest { message, .. } | SourceError::NotBitbucket { message, .. } = &mut error {
            *message = message.replace(self.secret.expose_secret(), "…");
        }
        error
    }
}

/// What people see beside it.
pub(super) const NAME: &str = "catalog-sync";

/// A row of a list of webhooks, of Cloud (`uuid`) or Data Center (`id`); `None`: it names neither itself nor its target.
pub(super) fn read(row: &serde_json::Value) -> Option<Hook> {
    let text = |key: &str| row.get(key).and_then(serde_json::Value::as_str).map(str::to_owned);
    let number = || row.get("id").and_then(serde_json::Value::as_u64).map(|id| id.to_string());
    let events = row.get("events").and_then(serde_json::Value::as_array).into_iter().flatten();
    let mut events: Vec<String> = events.filter_map(|event| event.as_str().map(str::to_owned)).collect();
    events.sort();
    Some(Hook {
        id: text("uuid").or_else(number)?,
        url: text("url")?,
        is_active: row.get("active").and_then(serde_json::Value::as_bool).unwrap_or(true),
        events,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // P6.12: lists of webhooks as real instances answered them.
    #[test]
    fn recorded_lists_of_webhooks_are_read_p6_12() {
        let Some(shared) = crate::recorded::folder() else { return };
        for name in [
            "cloud/webhooks.page.bbs.json",
            "cloud/webhooks.page.go-scm.json",
            "data-center/webhooks.page.bbs.json",
            "data-center/webhooks.page.go-scm.json",
        ] {
            let bytes = std::fs::read(shared.join("bitbucket/payloads").join(name)).unwrap();
            let page: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            let rows = page["values"].as_array().unwrap();
            let hooks: Vec<Hook> = rows.iter().filter_map(read).collect();
            println!("{name}: {} webhooks", hooks.len());
            assert!(!hooks.is_empty() && hooks.len() == rows.len(), "{name}");
            assert!(hooks.iter().all(|hook| hook.url.starts_with("http") && !hook.events.is_empty()), "{name}");
        }
    }
}
