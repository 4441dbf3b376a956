//! The server: where its repositories are, how we prove who we are, and git with nothing else around it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use url::{Host, Url};

use super::error::words;
use super::process::{Cut, Done, Job};
use super::ssh::{SshSettings, make_folder};
use super::{GitError, GitSettings, Place};
use crate::error::escape_control;
use crate::model::Repository;
use crate::source::http::{Credential, CredentialSettings};

/// Bundles of the system's certificates, where distributions keep them.
const SYSTEM_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// Of what git inherits, besides `PATH`: how the network is reached, where no proxy is configured.
const INHERITED: [&str; 8] =
    ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"];
/// Rows of a log are far smaller; a message of 16 MiB is none.
const MOST_OUTPUT: usize = 64 * 1024 * 1024;

/// A repository's address and what git needs to go there.
pub(super) struct Remote<'a> {
    pub settings: &'a GitSettings,
    /// Without userinfo, so that it can be shown.
    pub url: String,
    /// Which credential; past the last: none.
    credential: usize,
}

impl<'a> Remote<'a> {
    pub fn of(settings: &'a GitSettings, repo: &Repository) -> Result<Self, GitError> {
        let workspace = part(&repo.workspace)?;
        let slug = part(&repo.slug)?;
        let url = match &settings.place {
            Place::Cloud { base } => format!("{}/{workspace}/{slug}.git", base.as_str().trim_end_matches('/')),
            Place::DataCenter { base } => {
                let base = base.as_str().trim_end_matches('/');
                format!("{base}/scm/{}/{slug}.git", workspace.to_lowercase())
            }
            Place::Ssh(ssh) => {
                let port = if ssh.port == 22 { String::new() } else { format!(":{}", ssh.port) };
                format!("ssh://{}@{}{port}/{workspace}/{slug}.git", ssh.user, ssh.host)
            }
        };
        Ok(Self { settings, url, credential: 0 })
    }

    fn ssh(&self) -> Option<&SshSettings> {
        match &self.settings.place {
            Place::Ssh(ssh) => Some(ssh),
            _ => None,
        }
    }

    /// Runs git with the server in reach. A credential that is refused is followed by the next.
    pub async fn ask(
        &mut self,
        repository: Option<&Path>,
        arguments: &[&str],
        longest: Duration,
        watched: Option<(PathBuf, u64)>,
    ) -> Result<Done, GitError> {
        loop {
            let mut job = job(self.settings, repository, arguments, longest)?;
            job.watched.clone_from(&watched);
            let askpass = match self.ssh() {
                Some(ssh) => {
                    ssh.check_file()?;
                    ssh.askpass().await?
                }
                None => None,
            };
            if let Some(askpass) = &askpass {
                job.environment.extend(askpass.environment());
            }
            job.environment.extend(self.environment()?);
            let done = job.run().await.map_err(|cut| self.cut(cut, longest))?;
            if done.is_success {
                return Ok(done);
            }
            let error = self.failure(&done.stderr);
            let is_last = self.credential + 1 >= self.settings.credentials.len();
            if !matches!(error, GitError::Refused { .. } | GitError::NotFound { .. }) || is_last || self.ssh().is_some()
            {
                return Err(error);
            }
            self.credential += 1;
        }
    }

    /// What a command that was cut off means.
    pub fn cut(&self, cut: Cut, longest: Duration) -> GitError {
        let url = self.url.clone();
        match cut {
            Cut::NotInstalled => GitError::NotInstalled { program: self.settings.program.display().to_string() },
            Cut::NotStarted(source) => GitError::Folder { path: self.settings.folder.clone(), source },
            Cut::TimedOut => GitError::TimedOut { url, after: longest },
            Cut::TooLarge(limit_bytes) => GitError::TooLarge { url, limit_bytes },
        }
    }

    /// Git's settings that only reaching the server needs. Tokens are here and nowhere else: in the environment of
    /// this one command, for this server alone.
    fn environment(&self) -> Result<Vec<(String, String)>, GitError> {
        let mut environment = Vec::new();
        let mut named: Vec<(String, String)> = vec![
            ("remote.origin.url".to_owned(), self.url.clone()),
            ("protocol.version".to_owned(), "2".to_owned()),
            ("credential.helper".to_owned(), String::new()),
            ("http.followRedirects".to_owned(), "false".to_owned()),
            ("http.lowSpeedLimit".to_owned(), "1000".to_owned()),
            ("http.lowSpeedTime".to_owned(), "30".to_owned()),
        ];
        let allowed = match &self.settings.place {
            Place::Ssh(ssh) => {
                environment.push(("GIT_SSH_COMMAND".to_owned(), ssh.command_line()));
                environment.push(("GIT_SSH_VARIANT".to_owned(), "ssh".to_owned()));
                "https:ssh"
            }
            Place::Cloud { base } | Place::DataCenter { base } => {
                if let Some(bundle) = &self.settings.ca_bundle {
                    let merged = merged_bundle(&self.settings.folder, bundle)?;
                    named.push(("http.sslCAInfo".to_owned(), merged.display().to_string()));
                }
                match &self.settings.proxy {
                    Some(proxy) => named.push(("http.proxy".to_owned(), proxy.to_string())),
                    None => {
                        let of_us = |name: &&str| Some(((*name).to_owned(), self.settings.variable(name)?.to_owned()));
                        environment.extend(INHERITED.iter().filter_map(of_us));
                    }
                }
                let credential = self.settings.credentials.get(self.credential);
                if let Some(header) =
                    credential.map(|credential| header(credential, &self.settings.place)).transpose()?
                {
                    // Only to this server: git compares scheme, host, port and the beginning of the path.
                    let of = base.as_str().trim_end_matches('/');
                    named.push((format!("http.{of}/.extraHeader"), header.expose_secret().to_owned()));
                }
                if base.scheme() == "http" && (self.settings.allow_http || is_loopback(base)) {
                    "https:ssh:http"
                } else {
                    "https:ssh"
                }
            }
        };
        environment.push(("GIT_ALLOW_PROTOCOL".to_owned(), allowed.to_owned()));
        environment.push(("GIT_CONFIG_COUNT".to_owned(), named.len().to_string()));
        for (index, (key, value)) in named.into_iter().enumerate() {
            environment.push((format!("GIT_CONFIG_KEY_{index}"), key));
            environment.push((format!("GIT_CONFIG_VALUE_{index}"), value));
        }
        Ok(environment)
    }

    /// What git's words mean.
    fn failure(&self, stderr: &str) -> GitError {
        let url = self.url.clone();
        if let Some(error) = self.ssh().and_then(|ssh| ssh.failure(stderr)) {
            return error;
        }
        let says = |all: &[&str]| all.iter().any(|words| stderr.contains(words));
        if says(&[
            "Authentication failed",
            "could not read Username",
            "could not read Password",
            "error: 401",
            "error: 403",
        ]) {
            GitError::Refused { url }
        } else if says(&["unadvertised object"]) {
            GitError::NoHashes { url }
        } else if says(&["transport 'http' not allowed"]) {
            GitError::Unreachable { url, message: "credentials would travel over plain http".to_owned() }
        } else if says(&["not found", "does not exist", "error: 404", "does not appear to be a git repository"])
            && !says(&["not our ref", "couldn't find remote ref"])
        {
            GitError::NotFound { url }
        } else if says(&[
            "Could not resolve",
            "Failed to connect",
            "Couldn't connect",
            "Connection refused",
            "Connection reset",
            "Connection timed out",
            "timed out",
            "Operation too slow",
            "SSL certificate problem",
            "server certificate verification failed",
            "SSL_",
            "Empty reply from server",
            "error: 407",
            "error: 502",
            "error: 503",
            "error: 504",
            "unable to access",
        ]) {
            GitError::Unreachable { url, message: words(stderr) }
        } else {
            GitError::Failed { url, message: words(stderr) }
        }
    }
}

/// Git on a scratch repository, without a server.
pub(super) async fn local(remote: &Remote<'_>, repository: &Path, arguments: &[&str]) -> Result<Done, GitError> {
    let longest = remote.settings.limits.fetch;
    let mut job = job(remote.settings, Some(repository), arguments, longest)?;
    job.environment.push(("GIT_ALLOW_PROTOCOL".to_owned(), "none".to_owned()));
    job.run().await.map_err(|cut| remote.cut(cut, longest))
}

/// Git with an environment of our own and an empty home.
fn job(
    settings: &GitSettings,
    repository: Option<&Path>,
    arguments: &[&str],
    longest: Duration,
) -> Result<Job, GitError> {
    let home = settings.folder.join("home");
    make_folder(&home)?;
    let text = |path: &Path| path.display().to_string();
    let mut environment: Vec<(String, String)> = [
        ("PATH", settings.variable("PATH").unwrap_or("/usr/local/bin:/usr/bin:/bin")),
        ("LC_ALL", "C"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_ATTR_NOSYSTEM", "1"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_NO_REPLACE_OBJECTS", "1"),
        // Nothing but commits is ever wanted: what is missing is not fetched on the side.
        ("GIT_NO_LAZY_FETCH", "1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    environment.push(("HOME".to_owned(), text(&home)));
    environment.push(("GIT_CEILING_DIRECTORIES".to_owned(), text(&settings.folder)));
    if let Some(repository) = repository {
        environment.push(("GIT_DIR".to_owned(), text(repository)));
    }
    Ok(Job {
        program: settings.program.clone(),
        arguments: arguments.iter().map(OsString::from).collect(),
        environment,
        folder: home,
        longest,
        most_output: MOST_OUTPUT,
        watched: None,
    })
}

/// A part of an address: nothing that could be an option or lead elsewhere.
fn part(name: &str) -> Result<&str, GitError> {
    let plain = name.strip_prefix('~').unwrap_or(name);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if plain.is_empty() || plain.starts_with(['-', '.']) || !plain.chars().all(is_plain) {
        return Err(GitError::BadName { name: escape_control(name) });
    }
    Ok(name)
}

/// A branch as a ref: what git itself would refuse is refused before.
pub(super) fn branch_ref(name: &str) -> Result<String, GitError> {
    if name == crate::model::HEAD {
        return Ok(name.to_owned());
    }
    let has_bad = name.chars().any(|c| c.is_control() || " ~^:?*[\\\u{7f}".contains(c));
    let is_bad = name.is_empty() || name.starts_with(['-', '/']) || name.ends_with(['/', '.']) || name.contains("..");
    if has_bad || is_bad || name.contains("//") || name.contains("@{") {
        return Err(GitError::BadName { name: escape_control(name) });
    }
    Ok(format!("refs/heads/{name}"))
}

/// Whether git takes this kind of credential. OAuth consumers renew their tokens in the REST client alone.
pub(super) fn is_for_git(credential: &CredentialSettings) -> bool {
    matches!(credential.credential, Credential::AccessToken(_) | Credential::ApiToken { .. } | Credential::Basic { .. })
}

/// The header that proves who we are: Bearer for Data Center's tokens, which take nothing else; on Cloud the user
/// names that stand for tokens (facts, section 3).
fn header(credential: &CredentialSettings, place: &Place) -> Result<SecretString, GitError> {
    let read = |source: &std::sync::Arc<dyn crate::source::http::SecretSource>| {
        source.read().map_err(|error| GitError::Secret { credential: credential.name.clone(), message: error.0 })
    };
    let basic = |user: &str, password: &SecretString| {
        let pair = STANDARD.encode(format!("{user}:{}", password.expose_secret()));
        SecretString::from(format!("Authorization: Basic {pair}"))
    };
    let header = match (&credential.credential, place) {
        (Credential::AccessToken(token), Place::DataCenter { .. }) => {
            SecretString::from(format!("Authorization: Bearer {}", read(token)?.expose_secret()))
        }
        (Credential::AccessToken(token), _) => basic("x-token-auth", &read(token)?),
        (Credential::ApiToken { token, .. }, _) => basic("x-bitbucket-api-token-auth", &read(token)?),
        (Credential::Basic { username, password }, _) => basic(read(username)?.expose_secret(), &read(password)?),
        _ => return Err(GitError::NoCredential),
    };
    if header.expose_secret().contains(['\n', '\r', '\0']) {
        return Err(GitError::Secret {
            credential: credential.name.clone(),
            message: "it is more than one line".to_owned(),
        });
    }
    Ok(header)
}

/// git's own setting replaces the system's certificates, ours adds to them.
fn merged_bundle(folder: &Path, bundle: &Path) -> Result<PathBuf, GitError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| GitError::Folder { path, source }
    };
    let mut merged = fs::read(bundle).map_err(failed(bundle))?;
    if let Some(system) = SYSTEM_BUNDLES.iter().find_map(|path| fs::read(path).ok()) {
        merged.push(b'\n');
        merged.extend_from_slice(&system);
    }
    let path = folder.join("ca.pem");
    if fs::read(&path).is_ok_and(|old| old == merged) {
        return Ok(path);
    }
    let fresh = folder.join(format!(".ca.pem.{:016x}", rand::random::<u64>()));
    fs::write(&fresh, merged).map_err(failed(&fresh))?;
    fs::rename(&fresh, &path).map_err(failed(&path))?;
    Ok(path)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_mean_something_else_are_refused() {
        for good in ["web", "~alice", "PAY", "a.b_c-d"] {
            assert!(part(good).is_ok(), "{good}");
        }
        for bad in ["", "-oProxyCommand=x", "..", "a/b", "a b", "~", "a\u{1b}", "~-x", "ä"] {
            assert!(part(bad).is_err(), "{bad}");
        }
        assert_eq!(branch_ref("release/1.0").unwrap(), "refs/heads/release/1.0");
        assert_eq!(branch_ref("HEAD").unwrap(), "HEAD");
        for bad in ["", "--upload-pack=x", "a b", "a..b", "a:b", "+a^", "a\n", "a/", "x@{1}"] {
            assert!(branch_ref(bad).is_err(), "{bad}");
        }
    }
}
