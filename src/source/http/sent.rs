//! How many requests were sent, and how they were answered: for whoever watches.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::session::Pool;

/// Answers of one kind, since the connection was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentCount {
    /// Which limit of the server they counted against: `repositories` or `other`.
    pub pool: &'static str,
    /// HTTP status; `None`: no answer came.
    pub status: Option<u16>,
    /// How many.
    pub count: u64,
}

/// Counts them.
#[derive(Debug, Default)]
pub(super) struct Sent(Mutex<BTreeMap<(Pool, Option<u16>), u64>>);

impl Sent {
    pub(super) fn note(&self, pool: Pool, status: Option<u16>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry((pool, status)).or_default() += 1;
    }

    pub(super) fn counts(&self) -> Vec<SentCount> {
        let sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let named = |pool| match pool {
            Pool::Repositories => "repositories",
            Pool::Other => "other",
        };
        sent.iter()
            .map(|((pool, status), count)| SentCount { pool: named(*pool), status: *status, count: *count })
            .collect()
    }
}
