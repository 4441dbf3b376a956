//! Where git finds the repositories, as whom, and what it may take; and what it was used for.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::choice::Via;
use super::ssh::SshSettings;
use crate::clock::Clock;
use crate::source::http::CredentialSettings;

/// Where git finds the repositories.
#[derive(Clone, Debug)]
pub enum Place {
    /// `{base}/WORKSPACE/SLUG.git`
    Cloud {
        /// `https://bitbucket.org`
        base: Url,
    },
    /// `{base}/scm/KEY/SLUG.git`
    DataCenter {
        /// With its context path.
        base: Url,
    },
    /// `ssh://git@HOST:PORT/KEY/SLUG.git`
    Ssh(SshSettings),
}

/// What git may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For `ls-remote`.
    pub listing: Duration,
    /// For one fetch, and for reading a log.
    pub fetch: Duration,
    /// A scratch repository, with what a fetch writes.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        // A commit takes some 250 bytes: a million of them fit.
        Self { listing: Duration::from_secs(30), fetch: Duration::from_secs(300), bytes: 256 * 1024 * 1024 }
    }
}

/// How commits come over git.
#[derive(Clone, Debug)]
pub struct GitSettings {
    /// `git`, found in `PATH`.
    pub program: PathBuf,
    /// Where the repositories are.
    pub place: Place,
    /// When git is asked.
    pub via: Via,
    /// For the scratch repositories of this integration alone; made when needed.
    pub folder: PathBuf,
    /// Those that git can use are tried in order.
    pub credentials: Vec<CredentialSettings>,
    /// Credentials may travel over plain http beyond loopback.
    pub allow_http: bool,
    /// Instead of the proxy of the environment. May hold a password.
    pub proxy: Option<Url>,
    /// Trusted besides the system's.
    pub ca_bundle: Option<PathBuf>,
    /// `PATH` and the proxy variables; git gets nothing else of it.
    pub environment: Vec<(String, String)>,
    /// Depth of a first fetch; `None`: everything.
    pub first_sync: Option<u64>,
    /// What git may take.
    pub limits: Limits,
    /// Time.
    pub clock: Clock,
}

impl GitSettings {
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.environment.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What git was used for, since the source was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GitUsage {
    /// `ls-remote`.
    pub listings: u64,
    /// Fetches.
    pub fetches: u64,
    /// Asks that went to REST because git failed, or would have cost more.
    pub over_rest: u64,
}
