//! Time as a value that is passed in, so that schedules and windows are tested without waiting.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::watch;

/// Where "now" comes from.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's.
    System,
    /// A test's: stands still until it is moved.
    Manual(Arc<watch::Sender<DateTime<Utc>>>),
}

impl Clock {
    /// A clock that stands at `now`.
    pub fn manual(now: DateTime<Utc>) -> Self {
        Self::Manual(Arc::new(watch::Sender::new(now)))
    }

    /// The present instant.
    pub fn now(&self) -> DateTime<Utc> {
        match self {
            Self::System => Utc::now(),
            Self::Manual(now) => *now.borrow(),
        }
    }

    /// Moves a manual clock by `by`; does nothing to the machine's.
    pub fn advance(&self, by: chrono::Duration) {
        if let Self::Manual(now) = self {
            now.send_modify(|now| *now += by);
        }
    }

    /// Returns once `until` is reached; at once when it has passed. The machine's clock is looked at
    /// again at least once a minute, so a clock that jumps is noticed.
    pub async fn sleep_until(&self, until: DateTime<Utc>) {
        match self {
            Self::System => loop {
                let Ok(left) = (until - Utc::now()).to_std() else { return };
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(Duration::from_secs(60))).await;
            },
            Self::Manual(now) => {
                let mut now = now.subscribe();
                // The sender lives in `self`, so waiting cannot fail.
                let _ = now.wait_for(|now| *now >= until).await;
            }
        }
    }
}
