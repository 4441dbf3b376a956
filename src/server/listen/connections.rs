//! How many connections there may be, and how many of them one peer's.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::server::access::household;

/// A browser keeps six, a busy program some dozens.
const PER_PEER: usize = 128;
/// Each costs a file descriptor, of which a process often has 1,024.
const ALL: usize = 512;

/// Those that are open.
#[derive(Clone, Debug, Default)]
pub(super) struct Connections(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One that is open; dropping it gives its place back.
#[derive(Debug)]
pub(super) struct Place {
    all: Connections,
    peer: IpAddr,
}

impl Connections {
    /// A place; `None`: there is none for them.
    pub(super) fn take(&self, peer: IpAddr, is_proxy: bool) -> Option<Place> {
        let peer = household(peer);
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let total: usize = open.values().sum();
        let here = open.entry(peer).or_default();
        if total >= ALL || (*here >= PER_PEER && !is_proxy) {
            if *here == 0 {
                open.remove(&peer);
            }
            return None;
        }
        *here += 1;
        Some(Place { all: self.clone(), peer })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(here) = open.get_mut(&self.peer) {
            *here -= 1;
            if *here == 0 {
                open.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // security.md, sessions: caps on connections per peer; a trusted proxy stands for many.
    #[test]
    fn one_peer_does_not_have_all_p7_4() {
        let connections = Connections::default();
        let take = |n: u8, is_proxy| connections.take(IpAddr::from([192, 0, 2, n]), is_proxy);
        let mine: Vec<Place> = (0..PER_PEER + 5).filter_map(|_| take(1, false)).collect();
        assert_eq!(mine.len(), PER_PEER);
        let others: Vec<Place> = (0..ALL).filter_map(|_| take(2, true)).collect();
        assert_eq!(others.len(), ALL - PER_PEER);
        assert!(take(3, false).is_none(), "there are no more");
        drop(others);
        assert!(take(1, false).is_none() && take(3, false).is_some());
        drop(mine);
        assert!(take(1, false).is_some());
        assert!(connections.0.lock().unwrap().is_empty(), "all are given back");
    }

    // One household of IPv6 has a whole network of addresses, and no more places than another.
    #[test]
    fn a_network_of_ipv6_is_one_peer_p7_4() {
        let connections = Connections::default();
        let take = |peer: String| connections.take(peer.parse().unwrap(), false);
        let mine: Vec<Place> = (0..=PER_PEER).filter_map(|n| take(format!("2001:db8:1:2::{n:x}"))).collect();
        assert_eq!(mine.len(), PER_PEER);
        assert!(take("2001:db8:1:3::1".to_owned()).is_some() && take("::ffff:192.0.2.1".to_owned()).is_some());
        drop(mine);
        assert!(connections.0.lock().unwrap().is_empty(), "all are given back");
    }
}
