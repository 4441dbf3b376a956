//! Durable together: writers that are ready while a flush runs share the next one.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

use super::draft::{Tree, failed};
use super::open::blocking;
use crate::store::StoreError;

/// Counts batches, and how far they are on disk.
#[derive(Debug, Default)]
pub(super) struct Commit {
    applied: AtomicU64,
    durable: AtomicU64,
    turn: Mutex<()>,
    flushes: AtomicU64,
}

impl Commit {
    /// A batch was applied.
    pub(super) fn note_applied(&self) {
        self.applied.fetch_add(1, Ordering::SeqCst);
    }

    /// Returns when everything applied so far is on disk; at once when it is.
    pub(super) async fn settle(&self, tree: &Tree) -> Result<(), StoreError> {
        let wanted = self.applied.load(Ordering::SeqCst);
        if self.durable.load(Ordering::SeqCst) >= wanted {
            return Ok(());
        }
        let _turn = self.turn.lock().await;
        if self.durable.load(Ordering::SeqCst) >= wanted {
            return Ok(());
        }
        let covers = self.applied.load(Ordering::SeqCst);
        let tree = tree.clone();
        blocking(move || tree.db.flush().map_err(failed("flush"))).await?;
        self.flushes.fetch_add(1, Ordering::SeqCst);
        self.durable.store(covers, Ordering::SeqCst);
        Ok(())
    }

    /// Keeps flushes from happening while it is held.
    #[cfg(test)]
    pub(super) async fn hold_turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Batches applied and flushes made.
    #[cfg(test)]
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.applied.load(Ordering::SeqCst), self.flushes.load(Ordering::SeqCst))
    }
}
