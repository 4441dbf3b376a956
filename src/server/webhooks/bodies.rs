//! Bodies while they are read: bounded in size, in time, and in what strangers can make us hold. One that comes slowly
//! keeps no other waiting.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use futures::StreamExt;

/// Cloud sends at most a quarter of this.
pub(super) const BODY_BYTES: usize = 1024 * 1024;
/// A body that takes longer is not Bitbucket's.
const BODY_WITHIN: Duration = Duration::from_secs(10);
/// Held of all bodies together: hundreds of usual ones.
const ALL_BYTES: usize = 64 * 1024 * 1024;
/// Held of one peer's.
const PEER_BYTES: usize = 16 * 1024 * 1024;

/// What is held now.
#[derive(Default)]
pub(super) struct Bodies(Mutex<Held>);

#[derive(Default)]
struct Held {
    all: usize,
    peers: HashMap<IpAddr, usize>,
}

/// A whole body; what it holds is given back when it is dropped.
pub(super) struct WholeBody<'a> {
    bodies: &'a Bodies,
    peer: IpAddr,
    bytes: Vec<u8>,
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    TooLarge,
    TooSlow,
    TooMany,
    Broken,
}

impl Bodies {
    /// Reads a body of this peer's.
    pub(super) async fn whole(&self, peer: IpAddr, body: Body) -> Result<WholeBody<'_>, Unread> {
        let read = async {
            let mut whole = WholeBody { bodies: self, peer, bytes: Vec::new() };
            let mut chunks = body.into_data_stream();
            while let Some(chunk) = chunks.next().await {
                let chunk = chunk.map_err(|_| Unread::Broken)?;
                whole.take(&chunk)?;
            }
            Ok(whole)
        };
        tokio::time::timeout(BODY_WITHIN, read).await.unwrap_or(Err(Unread::TooSlow))
    }
}

impl WholeBody<'_> {
    fn take(&mut self, chunk: &[u8]) -> Result<(), Unread> {
        if self.bytes.len() + chunk.len() > BODY_BYTES {
            return Err(Unread::TooLarge);
        }
        let mut held = self.bodies.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_peer = held.peers.get(&self.peer).copied().unwrap_or_default() + chunk.len();
        if held.all + chunk.len() > ALL_BYTES || of_peer > PEER_BYTES {
            return Err(Unread::TooMany);
        }
        held.all += chunk.len();
        held.peers.insert(self.peer, of_peer);
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for WholeBody<'_> {
    fn drop(&mut self) {
        let mut held = self.bodies.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.all -= self.bytes.len();
        let left = held.peers.get(&self.peer).map(|held| held - self.bytes.len());
        match left {
            Some(0) => drop(held.peers.remove(&self.peer)),
            Some(left) => drop(held.peers.insert(self.peer, left)),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use futures::stream;

    use super::*;

    fn peer(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    /// A body of these chunks that then neither goes on nor ends.
    fn stalled(chunks: Vec<Vec<u8>>) -> Body {
        Body::from_stream(stream::iter(chunks.into_iter().map(io::Result::Ok)).chain(stream::pending()))
    }

    // P6.12, security.md: bodies that trickle keep no other waiting, not even of the same address.
    #[tokio::test(start_paused = true)]
    async fn slow_bodies_keep_nobody_waiting_p6_12() {
        let bodies = Bodies::default();
        let began = tokio::time::Instant::now();
        let slow = (0..500).map(|_| bodies.whole(peer(1), stalled(vec![vec![b'x'; 100]])));
        let good = async {
            tokio::task::yield_now().await;
            let whole = bodies.whole(peer(1), Body::from("{}")).await.map(|whole| whole.bytes().to_vec());
            (whole, began.elapsed())
        };
        let (slow, good) = futures::join!(futures::future::join_all(slow), good);
        assert_eq!(good, (Ok(b"{}".to_vec()), Duration::ZERO));
        assert!(slow.into_iter().all(|one| one.err() == Some(Unread::TooSlow)));
        assert_eq!(began.elapsed(), BODY_WITHIN);
        let held = bodies.0.lock().unwrap();
        assert!(held.all == 0 && held.peers.is_empty(), "all is given back");
    }

    // P6.12, security.md: what strangers make us hold is bounded, and one of them does not have it all.
    #[tokio::test(start_paused = true)]
    async fn what_is_held_is_bounded_p6_12() {
        let bodies = Bodies::default();
        let large = || stalled(vec![vec![b'x'; BODY_BYTES / 2]; 2]);
        let of_one = (0..20).map(|_| bodies.whole(peer(1), large()));
        let another = async {
            tokio::task::yield_now().await;
            bodies.whole(peer(2), Body::from("{}")).await.is_ok()
        };
        let (of_one, another) = futures::join!(futures::future::join_all(of_one), another);
        let refused = of_one.into_iter().filter(|one| one.as_ref().err() == Some(&Unread::TooMany)).count();
        assert_eq!((refused, another), (4, true));
        let too_large = bodies.whole(peer(1), Body::from(vec![b'x'; BODY_BYTES + 1])).await.err();
        assert_eq!(too_large, Some(Unread::TooLarge));
        let largest = bodies.whole(peer(1), Body::from(vec![b'x'; BODY_BYTES])).await;
        assert_eq!(largest.map(|whole| whole.bytes().len()).ok(), Some(BODY_BYTES));
    }
}
