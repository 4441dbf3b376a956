//! Commits over git: what of a connector and an integration it takes, and where its scratch repositories are.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use url::Url;

use super::Assembler;
use crate::commands::Failure;
use crate::config::{CommitsVia, Connector, ConnectorUrl, FirstSync, Host, Integration, KindSettings, Transport};
use crate::model::{IntegrationKey, KnownRepository, Presence, RepoKey, SecondaryKind};
use crate::source::Source;
use crate::source::git::{self, GitSettings, Limits, Place, SshSettings, Via, WithGit};

const CLOUD: &str = "https://bitbucket.org";
/// Of our environment, git gets these and no other.
const VARIABLES: [&str; 9] = [
    "PATH",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
];

impl Assembler {
    /// The same source with commits over git, where the config asks for it or allows it, and where git's address is
    /// known.
    pub(super) fn with_git(
        &self,
        source: Arc<dyn Source>,
        connector: &Connector,
        integration: &Integration,
    ) -> Result<Arc<dyn Source>, Failure> {
        let commits = integration.secondary_kinds.get(&SecondaryKind::Commits);
        let via = match commits.map(|kind| kind.via) {
            Some(CommitsVia::Auto) => Via::Auto,
            Some(CommitsVia::Git) => Via::Git,
            Some(CommitsVia::Rest) | None => Via::Rest,
        };
        let Some(place) = self.git_place(connector, integration) else {
            if via == Via::Git {
                return Err(Failure::usage(
                    format!("{} asks for commits `via: git`, and where git is is not known", integration.name),
                    format!("set `git_url` of the connector {}, beside its `api_url`", connector.name),
                ));
            }
            return Ok(source);
        };
        if via == Via::Rest && !matches!(place, Place::Ssh(_)) {
            return Ok(source);
        }
        let first_sync = match commits {
            Some(KindSettings { first_sync: FirstSync::Newest(count), .. }) => Some(*count),
            _ => None,
        };
        let credentials = source.credentials();
        let settings = GitSettings {
            program: PathBuf::from("git"),
            place,
            via,
            folder: self.git_folder(&integration.key()),
            credentials,
            allow_http: connector.allow_http,
            proxy: connector.proxy.as_ref().map(|proxy| proxy.url_with_userinfo().clone()),
            ca_bundle: connector.ca_bundle.clone(),
            environment: self.variables(),
            first_sync,
            limits: Limits::default(),
            clock: self.clock.clone(),
        };
        Ok(Arc::new(WithGit::new(source, settings)))
    }

    /// Where git finds the repositories; `None`: not known, as behind a gateway with an API of its own.
    fn git_place(&self, connector: &Connector, integration: &Integration) -> Option<Place> {
        if let Some(ssh) = self.ssh(connector, integration) {
            return Some(Place::Ssh(ssh));
        }
        let is_cloud = connector.url.host == Host::Cloud;
        // An API elsewhere is another server, a gateway or a test: credentials go there, and nowhere else.
        let is_usual = connector.api_url.origin() == connector.url.api_base.origin();
        let base = match (&connector.git_url, &connector.url.host) {
            (Some(base), _) => base.clone(),
            (None, Host::Cloud) if is_usual => Url::parse(CLOUD).expect("a constant that parses"),
            (None, Host::DataCenter { base }) if is_usual => base.clone(),
            (None, _) => return None,
        };
        Some(if is_cloud { Place::Cloud { base } } else { Place::DataCenter { base } })
    }

    /// How a connector with an SSH url and a key connects; `None`: it is none.
    pub fn ssh(&self, connector: &Connector, integration: &Integration) -> Option<SshSettings> {
        let Transport::Ssh { port } = connector.url.transport else { return None };
        let (file, passphrase) = connector.ssh_key()?;
        Some(SshSettings {
            host: ssh_host(&connector.url),
            port: port.unwrap_or(22),
            user: git::ssh::USER.to_owned(),
            key: file.clone(),
            passphrase: passphrase.map(|secret| self.secret(secret)),
            known_hosts: connector.known_hosts.clone(),
            folder: self.git_folder(&integration.key()),
            path: self.secrets.environment.get("PATH").unwrap_or("/usr/local/bin:/usr/bin:/bin").to_owned(),
        })
    }

    fn variables(&self) -> Vec<(String, String)> {
        let of_us = |name: &&str| Some(((*name).to_owned(), self.secrets.environment.get(name)?.to_owned()));
        VARIABLES.iter().filter_map(of_us).collect()
    }

    fn git_folder(&self, key: &IntegrationKey) -> PathBuf {
        self.config.store.join("git").join(git::folder_name(key))
    }

    /// Removes the scratch repositories of those that are not there any more.
    ///
    /// # Errors
    /// The file system's.
    pub fn tidy_git(&self, key: &IntegrationKey, known: &[KnownRepository]) -> io::Result<()> {
        let is_there = |known: &&KnownRepository| !matches!(known.presence, Presence::Gone | Presence::Moved { .. });
        let kept: Vec<&RepoKey> = known.iter().filter(is_there).map(|known| &known.repository.key).collect();
        git::keep_only(&self.git_folder(key), &kept)
    }

    /// Whether an integration has scratch repositories.
    pub fn has_git(&self, key: &IntegrationKey) -> bool {
        self.git_folder(key).is_dir()
    }

    /// Scratch repositories of an integration under its new key.
    ///
    /// # Errors
    /// The file system's; they are fetched anew then.
    pub fn move_git(&self, from: &IntegrationKey, to: &IntegrationKey) -> io::Result<()> {
        match std::fs::rename(self.git_folder(from), self.git_folder(to)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Removes the scratch repositories of an integration.
    ///
    /// # Errors
    /// The file system's.
    pub fn forget_git(&self, key: &IntegrationKey) -> io::Result<()> {
        match std::fs::remove_dir_all(self.git_folder(key)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

fn ssh_host(url: &ConnectorUrl) -> String {
    match &url.host {
        Host::Cloud => "bitbucket.org".to_owned(),
        Host::DataCenter { base } => base.host_str().unwrap_or_default().to_owned(),
    }
}
