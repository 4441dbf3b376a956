//! Running `git` and `ssh`: nothing of our surroundings reaches them but what is named, and nothing of them
//! outlives its time, its size, or us.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::sync::Notify;

/// How often a folder that must not grow too large is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// What is kept of stderr: enough for git's and ssh's own words, however much a server adds.
const MOST_WORDS: usize = 64 * 1024;

/// One command to be run to its end.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    /// All of its environment. Holds secrets, so a job is never shown.
    pub environment: Vec<(String, String)>,
    pub folder: PathBuf,
    pub longest: Duration,
    /// Most bytes of stdout.
    pub most_output: usize,
    /// A folder, and how large it may get meanwhile.
    pub watched: Option<(PathBuf, u64)>,
}

/// A command that ended by itself.
#[derive(Debug)]
pub(super) struct Done {
    pub is_success: bool,
    /// `None`: ended by a signal.
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    /// As written, not yet escaped.
    pub stderr: String,
}

/// Why a command brought nothing.
#[derive(Debug)]
pub(super) enum Cut {
    NotInstalled,
    NotStarted(io::Error),
    TimedOut,
    TooLarge(u64),
}

/// Ends the whole group: git's transports are processes of their own.
struct Group(Option<Pid>);

impl Group {
    fn end(&mut self) {
        if let Some(group) = self.0.take() {
            // Fails only when nobody is left.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

impl Job {
    pub async fn run(self) -> Result<Done, Cut> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| match error.kind() {
            // The folder is ours and there.
            io::ErrorKind::NotFound => Cut::NotInstalled,
            _ => Cut::NotStarted(error),
        })?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let mut group = Group(pid);
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let full = Notify::new();
        let work = async {
            let (stdout, stderr) =
                tokio::join!(read(stdout, self.most_output, Some(&full)), read(stderr, MOST_WORDS, None));
            (stdout, stderr, child.wait().await)
        };
        let grown = grown_too_large(self.watched);
        let ended = tokio::select! {
            ended = tokio::time::timeout(self.longest, work) => ended.map_err(|_| Cut::TimedOut),
            limit = grown => Err(Cut::TooLarge(limit)),
            () = full.notified() => Err(Cut::TooLarge(self.most_output as u64)),
        };
        let (stdout, stderr, status) = match ended {
            Ok(ended) => ended,
            Err(cut) => {
                group.end();
                return Err(cut);
            }
        };
        let status = status.map_err(Cut::NotStarted)?;
        // The leader is reaped: its number may be another's soon.
        group.0 = None;
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        Ok(Done { is_success: status.success(), code: status.code(), stdout, stderr })
    }
}

/// What came. What is more than is kept is told, and read all the same, so that nobody waits.
async fn read(from: Option<impl AsyncRead + Unpin>, most: usize, full: Option<&Notify>) -> Vec<u8> {
    let mut kept = Vec::new();
    let Some(mut from) = from else { return kept };
    let mut buffer = vec![0; 16 * 1024];
    // A pipe that breaks ends like one that is closed: the status tells.
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let room = most - kept.len();
        if let Some(full) = full.filter(|_| count > room) {
            full.notify_one();
        }
        kept.extend_from_slice(&buffer[..count.min(room)]);
    }
    kept
}

/// Comes back only when the folder is larger than it may be.
async fn grown_too_large(watched: Option<(PathBuf, u64)>) -> u64 {
    let Some((folder, limit)) = watched else { return std::future::pending().await };
    loop {
        if size_of(&folder) > limit {
            return limit;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Bytes of the files beneath a folder; what disappears meanwhile is not there.
pub(super) fn size_of(folder: &Path) -> u64 {
    let mut waiting = vec![folder.to_owned()];
    let mut bytes = 0;
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => waiting.push(entry.path()),
                Ok(metadata) => bytes += metadata.len(),
                Err(_) => {}
            }
        }
    }
    bytes
}

/// For a shell: one word, whatever is in it.
pub(super) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(script: &str) -> Job {
        Job {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            environment: vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned()), ("A".to_owned(), "b".to_owned())],
            folder: std::env::temp_dir(),
            longest: Duration::from_secs(60),
            most_output: 1024,
            watched: None,
        }
    }

    #[tokio::test]
    async fn only_what_is_named_reaches_a_command() {
        let done = job("env | grep -c -v -E '^(PATH|A|PWD|SHLVL|_)='; echo \"$A\" >&2; exit 3").run().await.unwrap();
        assert_eq!((done.stdout.as_slice(), done.stderr.as_str()), (b"0\n".as_slice(), "b\n"));
        assert_eq!((done.is_success, done.code), (false, Some(3)));
    }

    /// A server that hangs is ended, its helpers with it.
    #[tokio::test]
    async fn time_and_size_end_the_whole_group() {
        let scratch = tempfile::tempdir().unwrap();
        let alive = scratch.path().join("alive");
        let script = format!("mkfifo {0}; (read x < {0}) & wait", quoted(&alive.display().to_string()));
        let hanging = Job { longest: Duration::from_millis(300), ..job(&script) };
        assert!(matches!(hanging.run().await, Err(Cut::TimedOut)));
        // Nobody reads any more: opening for writing without waiting is refused (ENXIO).
        let refused = || {
            use rustix::fs::{Mode, OFlags};
            let opened = rustix::fs::open(&alive, OFlags::WRONLY | OFlags::NONBLOCK, Mode::empty());
            opened.err() == Some(rustix::io::Errno::NXIO)
        };
        // The kernel lets go of the files of a killed process a little later.
        while !refused() {
            tokio::task::yield_now().await;
        }
        let growing = format!(
            "while :; do echo xxxxxxxxxxxxxxxx >> {}/file; done",
            quoted(&scratch.path().display().to_string())
        );
        let growing = Job { watched: Some((scratch.path().to_owned(), 10_000)), ..job(&growing) };
        assert!(matches!(growing.run().await, Err(Cut::TooLarge(10_000))));
        assert!(matches!(job("yes").run().await, Err(Cut::TooLarge(1024))));
        let missing = Job { program: "no-such-git".into(), ..job("") };
        assert!(matches!(missing.run().await, Err(Cut::NotInstalled)));
    }
}
