//! Commands through the running sidecar: it has the store, so it does the work.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::HeaderValue;
use serde::{Deserialize, Serialize};

use crate::commands::request::{Answer, Request};
use crate::commands::{Exit, Failure};
use crate::engine::Progress;
use crate::error::{Report, shown};
use crate::server::command::{Event, PATH, PROOF, USER, proof};

/// A sidecar begins its answer at once, whatever the work.
const ANSWER_BEGINS_WITHIN: Duration = Duration::from_secs(10);

/// What a running sidecar leaves in its store: where it listens, and a token for whoever can read this.
#[derive(Clone, Serialize, Deserialize)]
pub struct RunFile {
    /// `http://127.0.0.1:8321`
    pub address: String,
    /// A random edit token.
    pub token: String,
    /// Its process.
    pub pid: u32,
    /// The store it works on: another than the one this file lies in, where `store` changed in the config since it
    /// was started.
    #[serde(default)]
    pub store: PathBuf,
    /// The config it was started with: it answers by that one.
    #[serde(default)]
    pub config: PathBuf,
}

impl RunFile {
    /// Where it lies.
    pub fn path(store: &Path) -> PathBuf {
        store.join("run.json")
    }

    /// What a sidecar left; `None`: none runs, or it was killed and left nothing readable.
    pub fn read(store: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(Self::path(store)).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Writes it, readable by the owner only.
    ///
    /// # Errors
    /// The file system's.
    pub fn write(&self, store: &Path) -> std::io::Result<()> {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        let path = Self::path(store);
        // A leftover of a killed sidecar may have other permissions.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(&serde_json::to_vec(self).map_err(std::io::Error::other)?)?;
        file.sync_all()
    }

    /// Leaves it in another store as well, unless somebody else is at work there.
    ///
    /// # Errors
    /// The file system's.
    pub fn point_from(&self, store: &Path) -> std::io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        if let Some(there) = Self::read(store)
            && there.token != self.token
            && there.is_answered()
        {
            return Err(std::io::Error::other(format!("process {} works on that store", there.pid)));
        }
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(store)?;
        self.write(store)
    }

    /// Whether it works with this config; `true` where it does not run any more, or does not tell.
    ///
    /// # Errors
    /// It works with another one, by which it would answer.
    pub fn is_of(&self, config: &Path) -> Result<bool, Failure> {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if self.config.as_os_str().is_empty() || real(&self.config) == real(config) || !self.is_answered() {
            return Ok(true);
        }
        let (theirs, ours) = (shown(&self.config), shown(config));
        Err(Failure::refused(
            format!("the running sidecar works with {theirs}, and not with {ours}"),
            format!("add `--config {theirs}`, or give this config a `store` of its own"),
        ))
    }

    /// Whether anybody listens there.
    pub fn is_answered(&self) -> bool {
        let address = self.address.strip_prefix("http://").and_then(|address| address.parse().ok());
        address
            .is_some_and(|address| std::net::TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_ok())
    }

    /// Removes it, if it is still this one.
    pub fn remove(&self, store: &Path) {
        if Self::read(store).is_some_and(|there| there.token == self.token) {
            // Left behind, it only costs the next command one refused connection.
            let _ = std::fs::remove_file(Self::path(store));
        }
    }
}

/// Asks the sidecar for a `user` of this host; `None`: nobody answers there any more.
///
/// # Errors
/// What the command itself failed with, or a connection that broke in the middle.
pub async fn ask(
    run: &RunFile,
    user: Option<&str>,
    request: &Request,
    progress: &(dyn Fn(Progress) + Sync + Send),
) -> Option<Result<Answer, Failure>> {
    let client = reqwest::Client::builder().no_proxy().connect_timeout(Duration::from_secs(2)).build().ok()?;
    let url = format!("{}{PATH}", run.address);
    let expected = proof(&run.token);
    let mut asking = client.post(url).bearer_auth(&run.token).json(request);
    // What cannot stand in a header names nobody.
    if let Some(user) = user.and_then(|user| HeaderValue::from_bytes(user.as_bytes()).ok()) {
        asking = asking.header(USER, user);
    }
    let sent = asking.send();
    let mut response = match tokio::time::timeout(ANSWER_BEGINS_WITHIN, sent).await {
        Ok(Ok(response)) => response,
        // Killed without tidying up: the store is free, and whoever listens there now is somebody else.
        Ok(Err(_)) | Err(_) => return None,
    };
    let is_ours = response.headers().get(PROOF).is_some_and(|proof| proof.as_bytes() == expected.as_bytes());
    if !response.status().is_success() || !is_ours {
        // Another program has taken the port meanwhile.
        return None;
    }
    Some(answer_of(&mut response, progress).await)
}

/// The end of the lines that are sent; progress as it comes.
pub(super) async fn answer_of(
    response: &mut reqwest::Response,
    progress: &(dyn Fn(Progress) + Sync + Send),
) -> Result<Answer, Failure> {
    let mut waiting: Vec<u8> = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(bytes)) => waiting.extend_from_slice(&bytes),
            Ok(None) => return Err(broke_off("the answer ended early")),
            Err(error) => return Err(broke_off(&error.without_url().to_string())),
        }
        while let Some(end) = waiting.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = waiting.drain(..=end).collect();
            match serde_json::from_slice(&line) {
                Ok(Event::Progress(report)) => progress(report),
                Ok(Event::Answer(answer)) => return Ok(*answer),
                Ok(Event::Failure { what, because, mend, exit }) => {
                    return Err(Failure { report: Report { what, because, mend }, exit });
                }
                Err(error) => return Err(broke_off(&error.to_string())),
            }
        }
    }
}

fn broke_off(why: &str) -> Failure {
    Failure {
        report: Report {
            what: "the running sidecar did not finish its answer".to_owned(),
            because: vec![why.to_owned()],
            mend: Some("look at its log; `sync history` tells what was done".to_owned()),
        },
        exit: Exit::Failed,
    }
}
