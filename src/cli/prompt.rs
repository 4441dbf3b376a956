//! Questions whose answer is a secret: asked on a terminal, and not shown while they are typed.

use std::io::{self, IsTerminal};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use tokio_util::sync::CancellationToken;

use crate::commands::Failure;
use crate::error::Report;

/// Whether there is somebody to ask.
pub(super) fn is_possible() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// A terminal that shows nothing of what is typed, until this is dropped: also when Ctrl-C ends the question.
struct Silent(Termios);

impl Silent {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        silent.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // What cannot be set back here cannot be set back anywhere.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

/// Asks for one line; `hidden`: without showing it.
pub(super) async fn line(question: &str, hidden: bool, stop: &CancellationToken) -> Result<SecretString, Failure> {
    let failed = |error: &io::Error| {
        Failure::failed(Report::new(
            "the terminal could not be asked",
            error,
            Some("use `--stdin` or `--file`".to_owned()),
        ))
    };
    let silent = if hidden { Some(Silent::begin().map_err(|error| failed(&error))?) } else { None };
    eprint!("{question}: ");
    let reading = tokio::task::spawn_blocking(|| {
        let mut line = Zeroizing::new(String::new());
        io::stdin().read_line(&mut line)?;
        let typed = line.strip_suffix('\n').unwrap_or(&line);
        Ok(SecretString::from(typed.strip_suffix('\r').unwrap_or(typed)))
    });
    let read = tokio::select! {
        read = reading => read.unwrap_or_else(|error| Err(io::Error::other(error))),
        () = stop.cancelled() => {
            drop(silent);
            eprintln!();
            return Err(Failure::refused("interrupted, nothing was done", "ask again when you have it"));
        }
    };
    drop(silent);
    read.map_err(|error| failed(&error))
}
