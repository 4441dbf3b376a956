//! What is kept between requests so that a walk over a large world does not draw it anew with every page: pages as they
//! were sent, lists as they were filtered and sorted. Both end with the next change of the world.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;

use super::access::Caller;

/// A thread that panicked while it held a lock left whole data behind: every change here is one assignment or insert.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Pages as they were sent.
#[derive(Default)]
pub(super) struct Pages {
    version: u64,
    bytes: usize,
    known: HashMap<(Caller, String), Bytes>,
}

impl Pages {
    /// The page as it was sent to somebody who sees as much, while the world is the same.
    pub(super) fn find(&mut self, version: u64, key: &(Caller, String)) -> Option<Bytes> {
        if self.version != version {
            *self = Self { version, ..Self::default() };
        }
        self.known.get(key).cloned()
    }

    /// Keeps a page, unless the world changed meanwhile.
    pub(super) fn keep(&mut self, version: u64, key: (Caller, String), body: &Bytes, most: usize) {
        if self.version != version || body.len() > most {
            return;
        }
        if self.bytes + body.len() > most {
            *self = Self { version, ..Self::default() };
        }
        self.bytes += body.len();
        self.known.insert(key, body.clone());
    }
}

/// Lists already filtered and sorted, kept by the server between the pages of a walk.
pub(super) trait Listings {
    /// The list under this key, made where it is not there yet.
    fn listing(&self, key: String, make: &mut dyn FnMut() -> Vec<u32>) -> Arc<Vec<u32>>;
}

/// Lists filtered and sorted.
#[derive(Default)]
pub(super) struct Lists {
    version: u64,
    known: HashMap<String, Arc<Vec<u32>>>,
}

/// The lists of a server, at the version its world has.
pub(super) struct KeptLists<'a> {
    pub(super) lists: &'a Mutex<Lists>,
    pub(super) version: &'a AtomicU64,
}

impl Listings for KeptLists<'_> {
    fn listing(&self, key: String, make: &mut dyn FnMut() -> Vec<u32>) -> Arc<Vec<u32>> {
        // Called while the world is read: its version stands.
        let version = self.version.load(Ordering::Acquire);
        {
            let mut lists = lock(self.lists);
            if lists.version != version || lists.known.len() > 32 {
                *lists = Lists { version, ..Lists::default() };
            }
            if let Some(list) = lists.known.get(&key) {
                return Arc::clone(list);
            }
        }
        let list = Arc::new(make());
        let mut lists = lock(self.lists);
        if lists.version == version {
            lists.known.insert(key, Arc::clone(&list));
        }
        list
    }
}
