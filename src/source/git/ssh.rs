//! SSH (P6.6): the system's ssh with our key, our list of known hosts, and nothing of anybody's configuration.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::error::words;
use super::process::{Cut, Done, Job, quoted};
use super::{Finding, FindingCode, GitError};
use crate::source::http::SecretSource;

/// Bitbucket's user, Cloud and Data Center.
pub const USER: &str = "git";
/// The longest one step of `check` takes.
const LONGEST: Duration = Duration::from_secs(30);
/// A pipe holds so much unread.
const LONGEST_PASSPHRASE: usize = 4000;

/// How to connect.
#[derive(Clone, Debug)]
pub struct SshSettings {
    /// The server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// [`USER`], but where a test's server has another.
    pub user: String,
    /// The private key.
    pub key: PathBuf,
    /// Of an encrypted key.
    pub passphrase: Option<Arc<dyn SecretSource>>,
    /// Host keys; without it, only those the system knows for all users.
    pub known_hosts: Option<PathBuf>,
    /// Where scripts that live for one command are put.
    pub folder: PathBuf,
    /// `PATH`, to find ssh.
    pub path: String,
}

/// A host key that a server offers, to be shown and asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedKey {
    /// The line of a known_hosts file.
    pub line: String,
    /// `256 SHA256:… (ED25519)`
    pub fingerprint: String,
}

impl SshSettings {
    /// `host`, or `[host]:port`, as known_hosts has it.
    pub fn host_name(&self) -> String {
        if self.port == 22 { self.host.clone() } else { format!("[{}]:{}", self.host, self.port) }
    }

    /// Everything ssh is told, but whom to reach. One option is one word.
    fn options(&self) -> Vec<String> {
        let mut options =
            vec!["-F".to_owned(), "/dev/null".to_owned(), "-i".to_owned(), self.key.display().to_string()];
        let known_hosts = self.known_hosts.as_deref().unwrap_or(Path::new("/dev/null")).display().to_string();
        // ssh stops to ask for passphrases, too, where it is told that nobody is there.
        let batch = if self.passphrase.is_some() { "no" } else { "yes" };
        let named = [
            ("IdentitiesOnly", "yes"),
            ("IdentityAgent", "none"),
            ("StrictHostKeyChecking", "yes"),
            ("UpdateHostKeys", "no"),
            ("ClearAllForwardings", "yes"),
            ("ControlMaster", "no"),
            ("ControlPath", "none"),
            ("PermitLocalCommand", "no"),
            ("PreferredAuthentications", "publickey"),
            ("PasswordAuthentication", "no"),
            ("KbdInteractiveAuthentication", "no"),
            ("NumberOfPasswordPrompts", "1"),
            ("ConnectTimeout", "10"),
            ("ServerAliveInterval", "15"),
            ("ServerAliveCountMax", "2"),
            ("BatchMode", batch),
        ];
        for (name, value) in named {
            options.extend(["-o".to_owned(), format!("{name}={value}")]);
        }
        // ssh splits the value at blanks, and gives % a meaning.
        options.extend(["-o".to_owned(), format!("UserKnownHostsFile=\"{}\"", known_hosts.replace('%', "%%"))]);
        options
    }

    /// For git, which hands it to a shell.
    pub(super) fn command_line(&self) -> String {
        let words: Vec<String> = self.options().iter().map(|word| quoted(word)).collect();
        format!("ssh {}", words.join(" "))
    }

    fn job(&self, program: &str, arguments: Vec<String>, askpass: Option<&Askpass>) -> Job {
        let mut environment = vec![("PATH".to_owned(), self.path.clone()), ("LC_ALL".to_owned(), "C".to_owned())];
        match askpass {
            Some(askpass) => environment.extend(askpass.environment()),
            None => environment.push(("SSH_ASKPASS_REQUIRE".to_owned(), "never".to_owned())),
        }
        environment.push(("HOME".to_owned(), self.folder.display().to_string()));
        Job {
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            environment,
            folder: self.folder.clone(),
            longest: LONGEST,
            most_output: 256 * 1024,
            watched: None,
        }
    }

    async fn run(&self, program: &str, arguments: Vec<String>, askpass: Option<&Askpass>) -> Result<Done, GitError> {
        make_folder(&self.folder)?;
        self.job(program, arguments, askpass).run().await.map_err(|cut| match cut {
            Cut::NotInstalled => GitError::NotInstalled { program: program.to_owned() },
            Cut::NotStarted(source) => GitError::Folder { path: self.folder.clone(), source },
            Cut::TimedOut => GitError::TimedOut { url: self.host_name(), after: LONGEST },
            Cut::TooLarge(limit_bytes) => GitError::TooLarge { url: self.host_name(), limit_bytes },
        })
    }

    /// Answers for the passphrase of one command; `None`: there is none to be asked for.
    pub(super) async fn askpass(&self) -> Result<Option<Askpass>, GitError> {
        let Some(passphrase) = &self.passphrase else { return Ok(None) };
        let secret = passphrase
            .read()
            .map_err(|error| GitError::Secret { credential: "ssh_key.passphrase".to_owned(), message: error.0 })?;
        Askpass::new(self, &secret).await.map(Some)
    }

    /// The file is there, ours alone, and the passphrase opens it.
    pub(super) async fn check_key(&self) -> Result<(), GitError> {
        self.check_file()?;
        let askpass = self.askpass().await?;
        let key = self.key.display().to_string();
        let done = self.run("ssh-keygen", vec!["-y".to_owned(), "-f".to_owned(), key], askpass.as_ref()).await?;
        if done.is_success {
            return Ok(());
        }
        let key = self.key.clone();
        let said = done.stderr.to_ascii_lowercase();
        if ["incorrect passphrase", "bad passphrase", "bad decrypt"].iter().any(|words| said.contains(words)) {
            return Err(match self.passphrase {
                Some(_) => GitError::WrongPassphrase { key },
                None => GitError::NoPassphrase { key },
            });
        }
        Err(GitError::KeyUnusable { key, message: words(&done.stderr) })
    }

    /// Whether the file may be used at all; without starting anything, so it is asked before every command.
    pub(super) fn check_file(&self) -> Result<(), GitError> {
        let key = self.key.clone();
        let unusable = |error: io::Error| GitError::KeyUnusable { key: key.clone(), message: error.to_string() };
        let metadata = fs::metadata(&self.key).map_err(unusable)?;
        if !metadata.is_file() {
            return Err(GitError::KeyUnusable { key, message: "it is no file".to_owned() });
        }
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(GitError::KeyTooOpen { key, mode });
        }
        Ok(())
    }

    /// Whether the list of known hosts, ours or the system's, has the host.
    ///
    /// # Errors
    /// [`GitError::NotInstalled`].
    pub async fn knows_host(&self) -> Result<bool, GitError> {
        let system = Path::new("/etc/ssh/ssh_known_hosts");
        for file in [self.known_hosts.as_deref(), Some(system)].into_iter().flatten().filter(|file| file.exists()) {
            let arguments = ["-F", &self.host_name(), "-f", &file.display().to_string()].map(str::to_owned).to_vec();
            if self.run("ssh-keygen", arguments, None).await?.is_success {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What the server says its keys are; nothing of ours is sent.
    ///
    /// # Errors
    /// [`GitError::Unreachable`], [`GitError::NotInstalled`].
    pub async fn offered_keys(&self) -> Result<Vec<OfferedKey>, GitError> {
        let arguments = ["-T", "10", "-p", &self.port.to_string(), "--", &self.host].map(str::to_owned).to_vec();
        let scanned = self.run("ssh-keyscan", arguments, None).await?;
        let text = String::from_utf8_lossy(&scanned.stdout).into_owned();
        let mut offered = Vec::new();
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let file = self.folder.join(format!("offered-{}", std::process::id()));
            let folder = |source| GitError::Folder { path: file.clone(), source };
            fs::write(&file, format!("{line}\n")).map_err(folder)?;
            let arguments = ["-l", "-f", &file.display().to_string()].map(str::to_owned).to_vec();
            let shown = self.run("ssh-keygen", arguments, None).await;
            fs::remove_file(&file).map_err(folder)?;
            let shown = shown?;
            if shown.is_success {
                // `256 SHA256:… host (ED25519)`: the host is said already.
                let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
                let fingerprint =
                    shown.split_whitespace().filter(|word| !word.contains(&self.host)).collect::<Vec<_>>();
                offered.push(OfferedKey {
                    line: line.to_owned(),
                    fingerprint: crate::error::escape_control(&fingerprint.join(" ")),
                });
            }
        }
        if offered.is_empty() {
            let message = words(&scanned.stderr);
            return Err(GitError::Unreachable { url: self.host_name(), message });
        }
        Ok(offered)
    }

    /// Writes keys that a person accepted behind what the file holds.
    ///
    /// # Errors
    /// [`GitError::Folder`], naming the file; also where no file is configured.
    pub fn accept(&self, keys: &[OfferedKey]) -> Result<(), GitError> {
        let Some(path) = self.known_hosts.clone() else {
            return Err(GitError::HostUnknown { host: self.host_name() });
        };
        let write = || {
            let old = match fs::read(&path) {
                Ok(old) => old,
                Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
                Err(error) => return Err(error),
            };
            let mut file = fs::OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
            let mut text = String::new();
            if old.last().is_some_and(|last| *last != b'\n') {
                text.push('\n');
            }
            for key in keys {
                text.push_str(&key.line);
                text.push('\n');
            }
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        write().map_err(|source| GitError::Folder { path: path.clone(), source })
    }

    /// Connects, authenticates, and hangs up.
    pub(super) async fn connect(&self) -> Result<(), GitError> {
        let askpass = self.askpass().await?;
        let mut arguments = self.options();
        // No terminal, and whatever Bitbucket says to a login that wants no repository is as good.
        arguments.extend(["-T", "-p", &self.port.to_string(), "-l", &self.user, "--", &self.host].map(str::to_owned));
        let done = self.run("ssh", arguments, askpass.as_ref()).await?;
        match done.code {
            Some(255) | None => Err(self
                .failure(&done.stderr)
                .unwrap_or_else(|| GitError::Unreachable { url: self.host_name(), message: words(&done.stderr) })),
            // Everything else is the far side's: it let us in.
            Some(_) => Ok(()),
        }
    }

    /// What ssh complained about; `None`: nothing of SSH's own.
    pub(super) fn failure(&self, stderr: &str) -> Option<GitError> {
        let says = |words: &str| stderr.contains(words);
        let (host, key) = (self.host_name(), self.key.clone());
        Some(if says("REMOTE HOST IDENTIFICATION HAS CHANGED") || says("Host key for") && says("has changed") {
            GitError::HostChanged { host, known_hosts: self.known_hosts.clone() }
        } else if says("Host key verification failed") || says("host key is known for") {
            GitError::HostUnknown { host }
        } else if says("incorrect passphrase") || says("bad passphrase") {
            GitError::WrongPassphrase { key }
        } else if says("UNPROTECTED PRIVATE KEY FILE") {
            GitError::KeyTooOpen { key, mode: 0o777 }
        } else if says("invalid format") || says("error in libcrypto") {
            GitError::KeyUnusable { key, message: "ssh cannot read its format".to_owned() }
        } else if says("Permission denied") {
            GitError::KeyRefused { host, key }
        } else if [
            "Connection refused",
            "Connection timed out",
            "Could not resolve hostname",
            "No route to host",
            "Connection closed",
            "Connection reset",
            "kex_exchange_identification",
        ]
        .iter()
        .any(|words| says(words))
        {
            GitError::Unreachable { url: host, message: words(stderr) }
        } else {
            return None;
        })
    }

    /// What `check` says about it, in order; it ends at the first fault.
    pub(super) async fn findings(&self) -> Vec<Finding> {
        let subject = format!("ssh {}", self.host_name());
        let finding = |result: Result<(), GitError>, fine: &str| match result {
            Ok(()) => Finding {
                code: FindingCode::Ok,
                subject: subject.clone(),
                message: fine.to_owned(),
                mend: None,
                curl: None,
            },
            Err(error) => Finding {
                code: code_of(&error),
                subject: subject.clone(),
                message: error.to_string(),
                mend: Some(error.mend()),
                curl: None,
            },
        };
        let key = self.check_key().await;
        if key.is_err() {
            return vec![finding(key, "")];
        }
        vec![finding(self.connect().await, &format!("the SSH key {} is accepted", self.key.display()))]
    }
}

/// As `check` names it (P6.9).
pub(super) fn code_of(error: &GitError) -> FindingCode {
    match error {
        GitError::Refused { .. }
        | GitError::KeyRefused { .. }
        | GitError::KeyTooOpen { .. }
        | GitError::KeyUnusable { .. }
        | GitError::WrongPassphrase { .. }
        | GitError::NoPassphrase { .. }
        | GitError::Secret { .. }
        | GitError::NoCredential => FindingCode::InvalidCredentials,
        GitError::NotFound { .. } => FindingCode::NotFound,
        _ => FindingCode::Unreachable,
    }
}

/// A folder for us alone.
pub(super) fn make_folder(path: &Path) -> Result<(), GitError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| GitError::Folder { path: path.to_owned(), source })
}

/// Tells one command the passphrase: a script of ours that ssh runs reads it from a pipe with a name, in a folder of
/// its own. It is on no disk, in no environment and on no command line.
pub(super) struct Askpass {
    folder: PathBuf,
    /// Open for reading as well, so that nobody waits for the other side.
    _pipe: fs::File,
}

impl Askpass {
    async fn new(settings: &SshSettings, secret: &SecretString) -> Result<Self, GitError> {
        let bad = |message: &str| GitError::Secret {
            credential: "ssh_key.passphrase".to_owned(),
            message: message.to_owned(),
        };
        if secret.expose_secret().len() > LONGEST_PASSPHRASE || secret.expose_secret().contains(['\n', '\0']) {
            return Err(bad("a passphrase is one line"));
        }
        make_folder(&settings.folder)?;
        let folder = settings.folder.join(format!("askpass-{:016x}", rand::random::<u64>()));
        let failed = |source| GitError::Folder { path: folder.clone(), source };
        fs::DirBuilder::new().mode(0o700).create(&folder).map_err(failed)?;
        let made = Self::fill(settings, &folder, secret).await;
        if made.is_err() {
            let _ = fs::remove_dir_all(&folder);
        }
        made
    }

    async fn fill(settings: &SshSettings, folder: &Path, secret: &SecretString) -> Result<Self, GitError> {
        let failed = |source| GitError::Folder { path: folder.to_owned(), source };
        let pipe = folder.join("passphrase");
        let arguments = ["-m", "600", "--", &pipe.display().to_string()].map(str::to_owned).to_vec();
        let done = settings.run("mkfifo", arguments, None).await?;
        if !done.is_success {
            return Err(failed(io::Error::other(words(&done.stderr))));
        }
        let script = format!(
            "#!/bin/sh\ncase \"$1\" in *assphrase*) ;; *) exit 1 ;; esac\nIFS= read -r line < {} && printf '%s\\n' \"$line\"\n",
            quoted(&pipe.display().to_string())
        );
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o700).open(folder.join("ask")).map_err(failed)?;
        file.write_all(script.as_bytes()).map_err(failed)?;
        drop(file);
        let mut pipe = fs::OpenOptions::new().read(true).write(true).open(pipe).map_err(failed)?;
        pipe.write_all(secret.expose_secret().as_bytes()).and_then(|()| pipe.write_all(b"\n")).map_err(failed)?;
        Ok(Self { folder: folder.to_owned(), _pipe: pipe })
    }

    /// For ssh, or for git, which hands it on.
    pub fn environment(&self) -> [(String, String); 3] {
        [
            ("SSH_ASKPASS".to_owned(), self.folder.join("ask").display().to_string()),
            ("SSH_ASKPASS_REQUIRE".to_owned(), "force".to_owned()),
            // Older ones ask nobody where there is no display.
            ("DISPLAY".to_owned(), "none".to_owned()),
        ]
    }
}

impl Drop for Askpass {
    fn drop(&mut self) {
        // What stays holds no secret: the pipe's content goes with its last reader.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
