//! SSH (P6.6; issue 3, part 4), against a real sshd on loopback with keys made for the test.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use catalog_sync::source::git::{GitError, Place, SshSettings};
use catalog_sync::source::http::{FixedSecret, SecretSource};
use catalog_sync::source::{Finding, FindingCode, Source, SourceError};
use tempfile::TempDir;

use super::{Lab, cloud_login, newest, small};
use crate::harness::{Bench, CONFIG, TOKEN, TOKEN_NAME, number, text};

const SSHD: &str = "/usr/sbin/sshd";
const PASSPHRASE: &str = "pass phrase with 'quotes' and $signs 7731";

/// An sshd that lets one key in as whoever runs the test, and serves repositories alone.
struct Sshd {
    folder: TempDir,
    port: u16,
    user: String,
    process: Child,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[track_caller]
fn run(program: &str, arguments: &[&str]) -> String {
    let said = Command::new(program).args(arguments).stdin(Stdio::null()).output().expect(program);
    assert!(said.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8_lossy(&said.stdout).trim().to_owned()
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
}

/// A fresh key; says where.
fn key(folder: &Path, name: &str, passphrase: &str, more: &[&str]) -> PathBuf {
    let path = folder.join(name);
    let mut arguments = vec!["-q", "-C", "test", "-N", passphrase, "-f", path.to_str().expect("text")];
    arguments.extend(more);
    run("ssh-keygen", &arguments);
    path
}

const PEM: [&str; 6] = ["-t", "rsa", "-b", "2048", "-m", "PEM"];
const OPENSSH: [&str; 2] = ["-t", "ed25519"];

impl Sshd {
    /// `None`, and said so, where there is no sshd to start.
    fn start(repositories: &Path) -> Option<Self> {
        if !Path::new(SSHD).exists() {
            println!("skipped: there is no {SSHD}; `apt-get install openssh-server` brings it");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let user = run("id", &["-un"]);
        if user == "root" {
            // Where sshd locks its unprivileged half in, and refuses to start without.
            fs::create_dir_all("/run/sshd").expect("/run/sshd");
        }
        let place = |name: &str| folder.path().join(name);
        key(folder.path(), "host", "", &OPENSSH);
        write(&place("authorized"), "", 0o600);
        // As Bitbucket: repositories, or a greeting.
        let serve = format!(
            "#!/bin/sh\nexport PATH='{}'\ncase \"$SSH_ORIGINAL_COMMAND\" in\ngit-upload-pack*) ;;\n*) echo 'logged in as test; no shell here'; exit 1 ;;\nesac\n\
             path=${{SSH_ORIGINAL_COMMAND#git-upload-pack \\'}}\nexec git -c safe.directory='*' -c uploadpack.allowFilter=true upload-pack '{}'\"${{path%\\'}}\"\n",
            std::env::var("PATH").expect("a PATH"),
            repositories.display(),
        );
        write(&place("serve"), &serve, 0o700);
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        let config = format!(
            "Port {free}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\nStrictModes no\n\
                 PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nAcceptEnv GIT_PROTOCOL\nForceCommand {}\n\
                 MaxStartups 100\n",
            place("host").display(),
            place("authorized").display(),
            place("serve").display(),
        );
        write(&place("sshd_config"), &config, 0o600);
        let process = Command::new(SSHD)
            .args(["-D", "-e", "-f"])
            .arg(place("sshd_config"))
            .stdin(Stdio::null())
            .stderr(fs::File::create(place("log")).expect("a log"))
            .spawn()
            .expect("sshd");
        let mut sshd = Self { folder, port: free, user: user.clone(), process };
        assert!(sshd.answers(), "sshd: {}", fs::read_to_string(sshd.place("log")).unwrap_or_default());
        Some(sshd)
    }

    fn answers(&mut self) -> bool {
        loop {
            if std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return true;
            }
            if self.process.try_wait().expect("its state").is_some() {
                return false;
            }
            std::thread::yield_now();
        }
    }

    fn place(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Lets this key in, and no other.
    fn authorize(&self, key: &Path) {
        let public = fs::read_to_string(key.with_extension("pub")).expect("a public key");
        write(&self.place("authorized"), &public, 0o600);
    }

    /// A list of known hosts with this sshd's key, or with another one.
    fn known_hosts(&self, name: &str, host_key: &str) -> PathBuf {
        let public = fs::read_to_string(self.place(host_key).with_extension("pub")).expect("a public key");
        let path = self.place(name);
        write(&path, &format!("[127.0.0.1]:{} {public}", self.port), 0o600);
        path
    }

    fn settings(&self, key: &Path, passphrase: Option<&str>, known_hosts: Option<PathBuf>) -> SshSettings {
        SshSettings {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            user: self.user.clone(),
            key: key.to_owned(),
            passphrase: passphrase.map(|text| -> Arc<dyn SecretSource> { FixedSecret::shared(text) }),
            known_hosts,
            folder: self.place("scratch"),
            path: std::env::var("PATH").expect("a PATH"),
        }
    }
}

fn finding(lab: &Lab, ssh: SshSettings) -> Finding {
    let source = lab.git(|settings| settings.place = Place::Ssh(ssh));
    let findings = lab.runtime.block_on(source.preflight());
    findings.into_iter().find(|finding| finding.subject.starts_with("ssh ")).expect("a finding about ssh")
}

#[track_caller]
fn says(lab: &Lab, ssh: SshSettings, code: FindingCode, words: &[&str]) {
    let found = finding(lab, ssh);
    assert_eq!(found.code, code, "{found:?}");
    let said = format!("{} {}", found.message, found.mend.unwrap_or_default());
    for word in words {
        assert!(said.contains(word), "`{word}` is not in: {said}");
    }
    assert!(!said.contains(PASSPHRASE) && !said.contains("an other one"), "{said}");
}

/// `check` really connects; each thing that can be wrong with key, passphrase or host says what and how to mend it.
#[test]
fn check_connects_over_ssh_or_says_why_not_p6_6() {
    let lab = Lab::new(small(3));
    let Some(sshd) = Sshd::start(lab.server.path("x").parent().unwrap()) else { return };
    let folder = sshd.folder.path().to_owned();
    let known = || Some(sshd.known_hosts("known", "host"));
    for (name, passphrase, kind) in [
        ("pem", None, &PEM[..]),
        ("openssh", None, &OPENSSH[..]),
        ("pem-locked", Some(PASSPHRASE), &PEM[..]),
        ("openssh-locked", Some(PASSPHRASE), &OPENSSH[..]),
    ] {
        let key = key(&folder, name, passphrase.unwrap_or(""), kind);
        sshd.authorize(&key);
        says(&lab, sshd.settings(&key, passphrase, known()), FindingCode::Ok, &["is accepted"]);
        if passphrase.is_some() {
            says(
                &lab,
                sshd.settings(&key, Some("an other one"), known()),
                FindingCode::InvalidCredentials,
                &["passphrase does not open"],
            );
            says(
                &lab,
                sshd.settings(&key, None, known()),
                FindingCode::InvalidCredentials,
                &["is encrypted, and no passphrase"],
            );
        }
    }
    let good = folder.join("openssh");
    says(
        &lab,
        sshd.settings(&good, None, known()),
        FindingCode::InvalidCredentials,
        &["does not accept the SSH key", "add the public key"],
    );
    sshd.authorize(&good);

    // Readable by others.
    fs::set_permissions(&good, fs::Permissions::from_mode(0o644)).unwrap();
    let mend = format!("chmod 600 {}", good.display());
    says(&lab, sshd.settings(&good, None, known()), FindingCode::InvalidCredentials, &["read by others", &mend]);
    fs::set_permissions(&good, fs::Permissions::from_mode(0o600)).unwrap();
    write(&folder.join("no-key"), "this is no key\n", 0o600);
    says(
        &lab,
        sshd.settings(&folder.join("no-key"), None, known()),
        FindingCode::InvalidCredentials,
        &["cannot be used", "ssh-keygen -p -m PEM"],
    );
    says(
        &lab,
        sshd.settings(&folder.join("absent"), None, known()),
        FindingCode::InvalidCredentials,
        &["cannot be used"],
    );

    // The host.
    says(&lab, sshd.settings(&good, None, None), FindingCode::Unreachable, &["is not known", "known_hosts"]);
    write(&sshd.place("empty"), "", 0o600);
    says(
        &lab,
        sshd.settings(&good, None, Some(sshd.place("empty"))),
        FindingCode::Unreachable,
        &["is not known", "check"],
    );
    key(&folder, "other-host", "", &OPENSSH);
    let changed = sshd.known_hosts("changed", "other-host");
    says(
        &lab,
        sshd.settings(&good, None, Some(changed.clone())),
        FindingCode::Unreachable,
        &["has changed", "changed"],
    );
    let nobody = SshSettings { port: 1, ..sshd.settings(&good, None, known()) };
    let nobody = SshSettings { known_hosts: nobody.known_hosts.clone(), ..nobody };
    says(&lab, nobody, FindingCode::Unreachable, &["could not reach"]);

    // Nobody's answer adds a host but a person's.
    assert_eq!(fs::read_to_string(sshd.place("empty")).unwrap(), "");
    let asking = sshd.settings(&good, None, Some(sshd.place("empty")));
    lab.runtime.block_on(async {
        assert!(!asking.knows_host().await.unwrap());
        let offered = asking.offered_keys().await.unwrap();
        let wanted = run("ssh-keygen", &["-l", "-f", sshd.place("host.pub").to_str().unwrap()]);
        let fingerprint = wanted.split(' ').find(|word| word.starts_with("SHA256:")).unwrap();
        assert!(offered.iter().any(|key| key.fingerprint.contains(fingerprint)), "{offered:?} {wanted}");
        asking.accept(&offered).unwrap();
        assert!(asking.knows_host().await.unwrap());
    });
    says(&lab, asking, FindingCode::Ok, &["is accepted"]);
    // Nothing of a passphrase stays.
    let left: Vec<_> = fs::read_dir(sshd.place("scratch")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Programs that stand before the real ones in `PATH`, note what they were started with, and go on to the real ones.
fn watched(sshd: &Sshd, more: &str) -> String {
    let folder = sshd.place("watched");
    fs::create_dir_all(&folder).unwrap();
    let noted = sshd.place("noted").display().to_string();
    let path = std::env::var("PATH").unwrap();
    let real = |program: &str| run("sh", &["-c", &format!("command -v {program}")]);
    for (program, more) in [("ssh", more), ("git", ""), ("ssh-keygen", "")] {
        let script = format!(
            "#!/bin/sh\n{{ tr '\\0' ' ' < /proc/$$/cmdline; env; }} >> '{noted}'\nexec '{}' {more} \"$@\"\n",
            real(program)
        );
        write(&folder.join(program), &script, 0o755);
    }
    format!("{}:{path}", folder.display())
}

/// Commits over SSH are those over REST, with a key that needs its passphrase; which is on no command line and in no
/// environment, neither git's nor ssh's.
#[test]
fn commits_over_ssh_equal_those_over_rest_p6_6_p6_4() {
    let lab = Lab::new(small(60));
    let root = lab.server.path("x").parent().unwrap().to_owned();
    let Some(sshd) = Sshd::start(&root) else { return };
    let locked = key(sshd.folder.path(), "locked", PASSPHRASE, &PEM);
    sshd.authorize(&locked);
    let path = watched(&sshd, "");
    let ssh = SshSettings {
        path: path.clone(),
        ..sshd.settings(&locked, Some(PASSPHRASE), Some(sshd.known_hosts("known", "host")))
    };
    let source = |ssh: SshSettings| {
        lab.git(|settings| {
            settings.place = Place::Ssh(ssh);
            settings.environment = vec![("PATH".to_owned(), path.clone())];
        })
    };
    let repo = lab.repository("web");
    let over_ssh = source(ssh.clone());
    assert_eq!(lab.agree(&over_ssh, &repo, &newest(&repo)), 60);
    lab.push(|world| {
        world.push_commits("acme/web", 2);
    });
    assert_eq!(lab.agree(&over_ssh, &repo, &newest(&repo)), 62);
    assert_eq!(lab.server.take_asked(), Vec::<String>::new(), "nothing went over https");
    let noted = fs::read_to_string(sshd.place("noted")).unwrap();
    assert!(noted.contains("SSH_ASKPASS_REQUIRE=force") && noted.contains("StrictHostKeyChecking=yes"));
    for secret in [PASSPHRASE, "7731", super::TOKEN, &cloud_login(super::TOKEN)] {
        assert!(!noted.contains(secret), "{secret}");
    }
    for line in noted.lines().filter(|line| line.starts_with("HOME=")) {
        assert!(!line.ends_with("/root") && !line.contains("/home/"), "{line}");
    }

    let wrong = SshSettings { passphrase: Some(FixedSecret::shared("nonsense")), ..ssh.clone() };
    let error = lab.walk(&source(wrong), &repo, &newest(&repo)).unwrap_err();
    assert!(
        matches!(error, SourceError::Git(GitError::WrongPassphrase { .. } | GitError::KeyRefused { .. })),
        "{error}"
    );
    key(sshd.folder.path(), "other-host", "", &OPENSSH);
    let changed = SshSettings { known_hosts: Some(sshd.known_hosts("changed", "other-host")), ..ssh.clone() };
    let error = lab.walk(&source(changed), &repo, &newest(&repo)).unwrap_err();
    assert!(matches!(error, SourceError::Git(GitError::HostChanged { .. })), "{error}");
    let unknown = SshSettings { known_hosts: None, ..ssh };
    let error = lab.walk(&source(unknown), &repo, &newest(&repo)).unwrap_err();
    assert!(matches!(error, SourceError::Git(GitError::HostUnknown { .. })), "{error}");
}

/// The built program: `check` refuses an unknown host, asks about it on a terminal, and then connects; syncs bring
/// commits over SSH, and accept no host themselves.
#[test]
fn a_connector_over_ssh_is_checked_and_synced_p6_6() {
    let mut world = crate::harness::world();
    world.use_git_hashes();
    world.add_repository("acme", catalog_sync::simulator::NewRepository::named("web").with_commits(9));
    let repositories = tempfile::tempdir().unwrap();
    world.write_git("acme/web", &repositories.path().join("acme/web.git")).unwrap();
    let root = repositories.path().to_owned();
    let Some(sshd) = Sshd::start(&root) else { return };
    let locked = key(sshd.folder.path(), "locked", PASSPHRASE, &PEM);
    sshd.authorize(&locked);
    // bitbucket.org's name, this machine's sshd.
    let to = format!("-o HostName=127.0.0.1 -o HostKeyAlias=bitbucket.org -o Port={} -o User={}", sshd.port, sshd.user);
    let path = watched(&sshd, &to);
    let scan = format!(
        "#!/bin/sh\nssh_keyscan=$(command -v -p ssh-keyscan)\n\"$ssh_keyscan\" -p {} 127.0.0.1 | sed 's/^\\[127.0.0.1\\]:{}/bitbucket.org/'\n",
        sshd.port, sshd.port
    );
    write(&sshd.place("watched/ssh-keyscan"), &scan, 0o755);
    let bench = Bench::new(world);
    let bench = Bench {
        env: vec![
            (TOKEN_NAME.to_owned(), TOKEN.to_owned()),
            ("PATH".to_owned(), path),
            ("PASSPHRASE".to_owned(), PASSPHRASE.to_owned()),
        ],
        ..bench
    };
    let auth = format!(
        "auth:\n      - {{ access_token: {{ env: BITBUCKET_TOKEN }} }}\n      - {{ ssh_key: {{ file: '{}', passphrase: {{ env: PASSPHRASE }} }} }}\n    known_hosts: ./known_hosts",
        locked.display()
    );
    let config = CONFIG
        .replace("url: https://bitbucket.org/acme\n", "url: git@bitbucket.org:acme/\n")
        .replace("auth: { access_token: { env: BITBUCKET_TOKEN } }", &auth)
        .replace("{integration}", "    secondary_kinds: { commits: { via: git } }\n");
    bench.config(&config);
    let refused = bench.run(&["check", "--output", "json"]).exits(4);
    assert!(!refused.stderr.contains("has no effect"), "{}", refused.stderr);
    let rows = refused.json();
    let about_ssh = |rows: &serde_json::Value| {
        rows.as_array()
            .unwrap()
            .iter()
            .find(|row| text(row, "/subject").starts_with("ssh "))
            .cloned()
            .expect("a row about ssh")
    };
    assert_eq!(text(&about_ssh(&rows), "/code"), "unreachable");
    assert!(text(&about_ssh(&rows), "/message").contains("is not known"), "{rows}");
    // A sync does not accept it either: its commits fail, and it goes on.
    let partial = bench.run(&["sync", "now", "--output", "json"]).exits(3);
    assert!(text(&partial.json()[0], "/errors/0/message").contains("host key"), "{}", partial.stdout);
    assert!(!bench.path("known_hosts").exists());

    let Some((status, said)) = crate::terminal::on_a_terminal(&bench, "check", "n\n") else { return };
    assert_eq!(status, Some(4), "{said}");
    let fingerprint = run("ssh-keygen", &["-l", "-f", sshd.place("host.pub").to_str().unwrap()]);
    let fingerprint = fingerprint.split(' ').find(|word| word.starts_with("SHA256:")).unwrap();
    assert!(said.contains(fingerprint) && said.contains("[y/N]"), "{said}");
    assert!(!bench.path("known_hosts").exists());
    let Some((status, said)) = crate::terminal::on_a_terminal(&bench, "check", "y\n") else { return };
    assert_eq!(status, Some(0), "{said}");
    assert!(bench.read("known_hosts").contains("bitbucket.org "));
    let checked = bench.run(&["check", "--output", "json"]).ok();
    assert_eq!(text(&about_ssh(&checked.json()), "/code"), "ok");
    let synced = bench.sync_exits(0);
    assert_eq!(number(&synced, "/secondary/commits/stored"), 9);
}
