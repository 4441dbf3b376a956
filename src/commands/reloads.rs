//! Whether the config in force is the one of the file: a file that is refused is told wherever somebody looks.

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use tokio::sync::Notify;

use crate::error::Report;

/// What became of the config file since it was last taken up.
#[derive(Debug, Default)]
pub struct Reloads {
    refused: Mutex<Option<Refused>>,
    wanted: Notify,
}

/// A changed config that is not in force.
#[derive(Clone, Debug)]
pub struct Refused {
    /// When that was found out.
    pub at: DateTime<Utc>,
    /// Why.
    pub report: Report,
}

impl Reloads {
    /// The file cannot be taken up: what was in force before stays in force.
    pub fn refuse(&self, at: DateTime<Utc>, report: Report) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(Refused { at, report });
    }

    /// The file is in force.
    pub fn take_up(&self) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Why the file is not in force; `None`: it is.
    pub fn refused(&self) -> Option<Refused> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The file was written: it is to be looked at now.
    pub fn look_now(&self) {
        self.wanted.notify_one();
    }

    /// Returns when somebody wrote the file.
    pub async fn wanted(&self) {
        self.wanted.notified().await;
    }
}
