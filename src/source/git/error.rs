//! What can go wrong with git and ssh, in words for people.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::escape_control;

/// Words of a command that are shown at most.
const MOST_SHOWN: usize = 300;

/// Whom a failure is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blamed {
    /// This repository alone.
    Repository,
    /// Perhaps this repository, perhaps all of the server.
    Server,
    /// This machine or its config: nothing over git will work.
    Ourselves,
}

/// Why git brought nothing. Holds no secret; what servers wrote is escaped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GitError {
    /// The program is not there.
    #[error("`{program}` is not installed")]
    NotInstalled {
        /// `git`, `ssh`.
        program: String,
    },
    /// The server does not take the credential.
    #[error("{url} refused our credentials for git")]
    Refused {
        /// Without userinfo.
        url: String,
    },
    /// Nothing there, or nothing we may see.
    #[error("{url} is no git repository we can see")]
    NotFound {
        /// Without userinfo.
        url: String,
    },
    /// DNS, TLS, proxy, connection.
    #[error("git could not reach {url}: {message}")]
    Unreachable {
        /// Without userinfo.
        url: String,
        /// As git said it, cut and escaped.
        message: String,
    },
    /// It took too long and was ended.
    #[error("git was ended after {} s: {url} did not answer in time", after.as_secs())]
    TimedOut {
        /// Without userinfo.
        url: String,
        /// How long it was given.
        after: Duration,
    },
    /// It grew too large and was ended.
    #[error("git was ended: the history of {url} is larger than {limit_bytes} bytes")]
    TooLarge {
        /// Without userinfo.
        url: String,
        /// The cap.
        limit_bytes: u64,
    },
    /// The server gives commits by the names of branches alone.
    #[error("{url} does not give commits by their hash")]
    NoHashes {
        /// Without userinfo.
        url: String,
    },
    /// The host's key is in no list of known hosts.
    #[error("the SSH host key of {host} is not known")]
    HostUnknown {
        /// With its port where it is not 22.
        host: String,
    },
    /// The host's key is another than the known one.
    #[error("the SSH host key of {host} has changed: this may be another server")]
    HostChanged {
        /// With its port where it is not 22.
        host: String,
        /// The list that knows another one.
        known_hosts: Option<PathBuf>,
    },
    /// The server does not take the key.
    #[error("{host} does not accept the SSH key {}", key.display())]
    KeyRefused {
        /// With its port where it is not 22.
        host: String,
        /// Which file.
        key: PathBuf,
    },
    /// Others on this machine could read the key.
    #[error("the SSH key {} can be read by others (mode {mode:o})", key.display())]
    KeyTooOpen {
        /// Which file.
        key: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file is not there or no key.
    #[error("the SSH key {} cannot be used: {message}", key.display())]
    KeyUnusable {
        /// Which file.
        key: PathBuf,
        /// Why.
        message: String,
    },
    /// The key is encrypted, and the passphrase is not its.
    #[error("the passphrase does not open the SSH key {}", key.display())]
    WrongPassphrase {
        /// Which file.
        key: PathBuf,
    },
    /// The key is encrypted, and no passphrase is configured.
    #[error("the SSH key {} is encrypted, and no passphrase is configured", key.display())]
    NoPassphrase {
        /// Which file.
        key: PathBuf,
    },
    /// A secret cannot be read.
    #[error("the secret of {credential} cannot be read: {message}")]
    Secret {
        /// Which credential.
        credential: String,
        /// Why; names the place, never the value.
        message: String,
    },
    /// Nothing git could prove who we are with.
    #[error("none of the connector's credentials is one for git")]
    NoCredential,
    /// A branch, workspace or slug that could be taken for something else.
    #[error("`{name}` cannot be part of a git address")]
    BadName {
        /// Escaped.
        name: String,
    },
    /// The folder for scratch repositories.
    #[error("{} cannot be used: {source}", path.display())]
    Folder {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Whatever else git says.
    #[error("git failed on {url}: {message}")]
    Failed {
        /// Without userinfo.
        url: String,
        /// As git said it, cut and escaped.
        message: String,
    },
}

impl GitError {
    /// What has to change before it works.
    pub(super) fn blamed(&self) -> Blamed {
        match self {
            Self::NotFound { .. } | Self::TooLarge { .. } | Self::BadName { .. } | Self::Failed { .. } => {
                Blamed::Repository
            }
            Self::Refused { .. } | Self::Unreachable { .. } | Self::TimedOut { .. } | Self::NoHashes { .. } => {
                Blamed::Server
            }
            Self::NotInstalled { .. }
            | Self::HostUnknown { .. }
            | Self::HostChanged { .. }
            | Self::KeyRefused { .. }
            | Self::KeyTooOpen { .. }
            | Self::KeyUnusable { .. }
            | Self::WrongPassphrase { .. }
            | Self::NoPassphrase { .. }
            | Self::Secret { .. }
            | Self::NoCredential
            | Self::Folder { .. } => Blamed::Ourselves,
        }
    }

    /// Whether the same may succeed later without anybody mending anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Failed { .. })
    }

    /// What a person can do about it.
    pub fn mend(&self) -> String {
        match self {
            Self::NotInstalled { program } => {
                format!("install {program} where catalog-sync runs, or set `via: rest`")
            }
            Self::Refused { .. } => {
                "give the credential the right to read repositories by git, or set `via: rest`".to_owned()
            }
            Self::NotFound { .. } => {
                "check that the credential may read the repository; a gateway's address of git goes into `git_url`"
                    .to_owned()
            }
            Self::Unreachable { .. } => {
                "check DNS, `proxy`, firewall and `ca_bundle`; git's address may differ from the API's (`git_url`)"
                    .to_owned()
            }
            Self::TimedOut { .. } => "look at the server's load; `via: rest` needs no git".to_owned(),
            Self::TooLarge { .. } => {
                "set `via: auto` or `rest`: the API gives the newest commits without the history".to_owned()
            }
            Self::NoHashes { .. } => "set `via: rest`, or allow git's protocol version 2 on the server".to_owned(),
            Self::HostUnknown { .. } => {
                "set `known_hosts` to a file and run `catalog-sync check` on a terminal: it shows the fingerprint and asks"
                    .to_owned()
            }
            Self::HostChanged { host, known_hosts } => {
                let name = known_hosts.as_ref().map_or_else(|| "known_hosts".to_owned(), |file| file.display().to_string());
                format!(
                    "ask whoever runs {host} whether its key was replaced; only then take the old line out of {name} and run `catalog-sync check`"
                )
            }
            Self::KeyRefused { .. } => {
                "add the public key to the account or project in Bitbucket, or name another key under `ssh_key`".to_owned()
            }
            Self::KeyTooOpen { key, .. } => format!("run `chmod 600 {}`", key.display()),
            Self::KeyUnusable { .. } => {
                "name a private key in PEM or OpenSSH format; `ssh-keygen -p -m PEM -f FILE` converts one".to_owned()
            }
            Self::WrongPassphrase { .. } | Self::NoPassphrase { .. } => {
                "put the key's own passphrase under `ssh_key.passphrase`".to_owned()
            }
            Self::Secret { .. } => "check that the variable is set or the file is there and readable".to_owned(),
            Self::NoCredential => "add an access token, API token or user with password, or set `via: rest`".to_owned(),
            Self::BadName { .. } => "rename it in Bitbucket, or set `via: rest`".to_owned(),
            Self::Folder { .. } => "check free space and permissions of the store's folder".to_owned(),
            Self::Failed { .. } => "the next sync tries again; `via: rest` needs no git".to_owned(),
        }
    }
}

/// What git and ssh said, without progress and hints, on one line.
pub(super) fn words(stderr: &str) -> String {
    let lines = stderr.lines().flat_map(|line| line.split('\r')).map(str::trim);
    let telling: Vec<&str> = lines
        .filter(|line| {
            !line.is_empty()
                && !line.starts_with("hint:")
                && !line.starts_with("warning: This repository uses promisor")
        })
        .collect();
    let fatal: Vec<&str> = telling
        .iter()
        .copied()
        .filter(|line| ["fatal:", "error:", "remote:"].iter().any(|start| line.starts_with(start)))
        .collect();
    let chosen = if fatal.is_empty() { telling } else { fatal };
    let text: String = chosen.join("; ").chars().take(MOST_SHOWN).collect();
    if text.is_empty() { "it said nothing".to_owned() } else { escape_control(&text) }
}
