//! Deliveries on their way into the store: those that wait while one write is under way share the next one, and nobody
//! is answered before it is durable.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tracing::error;

use crate::error::Report;
use crate::model::Delivery;
use crate::store::Store;

/// Deliveries that may wait for the disk; the next ones wait for a place.
const PLACES: usize = 1_024;
/// At most so many are one write.
const AT_ONCE: usize = 512;
/// A sender is not kept waiting longer: Bitbucket gives up after ten seconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is on disk, and will be worked.
    New,
    /// It was there before.
    Again,
    /// It is not kept: the sender must send it again.
    No,
}

struct Arriving {
    delivery: Delivery,
    answer: oneshot::Sender<Kept>,
}

/// Where deliveries are handed in.
#[derive(Clone)]
pub struct Queue {
    arriving: mpsc::Sender<Arriving>,
}

/// Takes deliveries until every [`Queue`] is gone.
pub struct Keeper {
    arriving: mpsc::Receiver<Arriving>,
    store: Arc<dyn Store>,
    /// Told after each write that kept something new.
    kept: Arc<Notify>,
}

/// A queue over a store, and who serves it.
pub fn queue(store: Arc<dyn Store>, kept: Arc<Notify>) -> (Queue, Keeper) {
    let (sender, arriving) = mpsc::channel(PLACES);
    (Queue { arriving: sender }, Keeper { arriving, store, kept })
}

impl Queue {
    /// Returns once the delivery is durable, or will not be.
    pub async fn keep(&self, delivery: Delivery) -> Kept {
        let (answer, kept) = oneshot::channel();
        let handed_in = self.arriving.send(Arriving { delivery, answer });
        match tokio::time::timeout(PATIENCE, async {
            handed_in.await.ok()?;
            kept.await.ok()
        })
        .await
        {
            Ok(Some(kept)) => kept,
            // Also one that is written a moment later: the sender sends it again, and it is met as known.
            Ok(None) | Err(_) => Kept::No,
        }
    }
}

impl Keeper {
    /// Writes what arrives, many at once.
    pub async fn run(mut self) {
        let mut is_failing = false;
        let mut batch = Vec::with_capacity(AT_ONCE);
        while self.arriving.recv_many(&mut batch, AT_ONCE).await > 0 {
            let (deliveries, answers): (Vec<_>, Vec<_>) =
                batch.drain(..).map(|arriving| (arriving.delivery, arriving.answer)).unzip();
            match self.store.keep_deliveries(deliveries).await {
                Ok(new) => {
                    is_failing = false;
                    if new.contains(&true) {
                        self.kept.notify_one();
                    }
                    for (is_new, answer) in new.into_iter().zip(answers) {
                        let _ = answer.send(if is_new { Kept::New } else { Kept::Again });
                    }
                }
                Err(failed) => {
                    for answer in answers {
                        let _ = answer.send(Kept::No);
                    }
                    // Told once: whoever sends, sends again.
                    if !std::mem::replace(&mut is_failing, true) {
                        let report = Report::new("webhooks cannot be kept, and are refused", &failed, failed.mend());
                        error!("{}", report.one_line());
                    }
                }
            }
        }
    }
}
