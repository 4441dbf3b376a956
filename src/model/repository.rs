//! Repositories as a source sent them, and what is known about them.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Which Bitbucket: `bitbucket.org`, or the base URL of a Data Center instance without a trailing
/// slash (`https://git.acme.dev/bitbucket`). Never a name from the config.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstanceId(pub String);

impl InstanceId {
    /// Bitbucket Cloud.
    pub fn cloud() -> Self {
        Self("bitbucket.org".to_owned())
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A repository's identity, stable across renames, project moves and transfers.
///
/// Prints as `instance/id` (`bitbucket.org/{7dd600e6-…}`), which [`RepoKey::parse`] reads back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RepoKey {
    /// Where the repository lives.
    pub instance: InstanceId,
    /// Cloud: the repository `uuid` with its braces. Data Center: the numeric `id`.
    pub id: String,
}

impl RepoKey {
    /// A Cloud repository by its uuid, braces included.
    pub fn cloud(uuid: impl Into<String>) -> Self {
        Self { instance: InstanceId::cloud(), id: uuid.into() }
    }

    /// Reads what [`fmt::Display`] printed; `None` when there is no instance or no id.
    pub fn parse(text: &str) -> Option<Self> {
        let (instance, id) = text.rsplit_once('/')?;
        if instance.is_empty() || id.is_empty() {
            return None;
        }
        Some(Self { instance: InstanceId(instance.to_owned()), id: id.to_owned() })
    }
}

impl fmt::Display for RepoKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.instance, self.id)
    }
}

/// An integration's identity: one workspace (or instance) and one catalog. Its name is only a label,
/// so renaming an integration in the config loses nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IntegrationKey {
    /// Which Bitbucket.
    pub instance: InstanceId,
    /// Cloud: the workspace slug as configured, lower case. Data Center: a project key, or empty for
    /// the whole instance.
    pub workspace: String,
    /// The name of the catalog in the config.
    pub catalog: String,
}

impl fmt::Display for IntegrationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}→{}", self.instance, self.workspace, self.catalog)
    }
}

/// The default branch, whichever it is: what commits are asked by where listings do not name it (Data Center).
pub const HEAD: &str = "HEAD";

/// What the program itself reads out of an ingested record. Everything else stays in the raw record,
/// where rules can reach it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repository {
    /// Stable identity.
    pub key: RepoKey,
    /// Workspace slug (Cloud) or project key (Data Center).
    pub workspace: String,
    /// Short name in URLs. Unique within a workspace, changes on rename.
    pub slug: String,
    /// `workspace/slug` (Cloud) or `PROJECT/slug` (Data Center).
    pub full_name: String,
    /// Display name: any Unicode.
    pub name: String,
    /// Key of the project it lies in.
    pub project_key: Option<String>,
    /// Description; `None` when absent or empty.
    pub description: Option<String>,
    /// `None`: an empty repository, which has no commits to ask for.
    pub default_branch: Option<String>,
    /// Language as the source names it; `None` when absent or empty.
    pub language: Option<String>,
    /// Not readable without a credential.
    pub is_private: bool,
    /// It has a parent repository.
    pub is_fork: bool,
    /// It belongs to a person: a `~user` project on Data Center, a personal workspace on Cloud.
    pub is_personal: bool,
    /// Read-only on Data Center; Cloud has no such state.
    pub is_archived: bool,
    /// Page for people, without userinfo.
    pub url: String,
    /// When it was created.
    pub created_on: Option<DateTime<Utc>>,
    /// When the source last saw a change in it; `None` where the source does not tell (Data Center).
    pub updated_on: Option<DateTime<Utc>>,
}

impl Repository {
    /// What commits are asked by: the default branch; [`HEAD`] where listings do not name it (Data Center). `None`: it
    /// has no branch, and so no commit.
    pub fn branch_to_ask(&self) -> Option<&str> {
        let is_named_in_listings = self.key.instance == InstanceId::cloud();
        self.default_branch.as_deref().or(if is_named_in_listings { None } else { Some(HEAD) })
    }
}

#[cfg(test)]
impl Repository {
    /// A private one of the workspace `acme`, with a branch, of which the source told nothing else.
    pub(crate) fn bare(key: RepoKey, slug: &str) -> Self {
        Self {
            key,
            workspace: "acme".to_owned(),
            slug: slug.to_owned(),
            name: slug.to_owned(),
            full_name: format!("acme/{slug}"),
            project_key: None,
            description: None,
            default_branch: Some("main".to_owned()),
            language: None,
            is_private: true,
            is_fork: false,
            is_personal: false,
            is_archived: false,
            url: format!("https://bitbucket.org/acme/{slug}"),
            created_on: None,
            updated_on: None,
        }
    }
}

/// SHA-256 (first 16 bytes) of a record without the parts that change by themselves (`size`, avatars,
/// `updated_on`): equal fingerprints mean nothing that a rule or a field could read has changed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Fingerprint(pub [u8; 16]);

impl From<Fingerprint> for String {
    fn from(value: Fingerprint) -> Self {
        hex::encode(value.0)
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = hex::FromHexError;
    fn try_from(value: String) -> Result<Self, Self::Error> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(value, &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// One repository as it came from the source.
#[derive(Clone, Debug, PartialEq)]
pub struct IngestedRecord {
    /// What we read out of it.
    pub repository: Repository,
    /// Compared to tell a changed record from an unchanged one.
    pub fingerprint: Fingerprint,
    /// The JSON as sent; the `ingested` paths of rules are evaluated on it.
    pub raw: Value,
}

/// Whether a known repository is still there. An error never changes this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Presence {
    /// Seen in the last complete walk.
    Present,
    /// Read-only at the source (Data Center).
    Archived,
    /// Hidden by the config; link, entity and data stay, its sync pauses.
    Excluded {
        /// The filter that hides it, as written: `exclude: sandbox-*`.
        filter: String,
    },
    /// Known or listed, but forbidden.
    Inaccessible {
        /// What the source said.
        reason: String,
    },
    /// Absent from one complete sweep; the next sync is a sweep, too.
    MissingOnce,
    /// Found by its id under another name outside this workspace (a transfer); link and data stay, and
    /// an integration of that workspace on the same catalog takes them over.
    Moved {
        /// Its full name now.
        to: String,
    },
    /// Absent from two complete sweeps in a row, and not found by its id.
    Gone,
}

impl Presence {
    /// Whether syncs look after it: correlation, updates and backfill.
    pub fn is_served(&self) -> bool {
        matches!(self, Self::Present | Self::Archived | Self::MissingOnce)
    }

    /// As in lists: `present`, `archived`, `excluded`, `inaccessible`, `gone`. A repository missing once
    /// still counts as present; a moved one is gone from here.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Present | Self::MissingOnce => "present",
            Self::Archived => "archived",
            Self::Excluded { .. } => "excluded",
            Self::Inaccessible { .. } => "inaccessible",
            Self::Moved { .. } | Self::Gone => "gone",
        }
    }
}

/// A repository the store knows for one integration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KnownRepository {
    /// As last read.
    pub repository: Repository,
    /// Of the raw record as last read.
    pub fingerprint: Fingerprint,
    /// Whether it is still there.
    pub presence: Presence,
    /// When a sync first met it (P2.1).
    pub first_seen: DateTime<Utc>,
    /// When its record last changed. For unchanged repositories no record is rewritten, so "last
    /// seen" is the later of this and the integration's last complete walk while it is present.
    pub last_changed: DateTime<Utc>,
    /// Whether auto-import was on when it was first seen (P4.4: only such are auto-imported).
    pub first_seen_under_auto_import: bool,
    /// Former full names, oldest first (P2.8).
    pub former_names: Vec<String>,
}
