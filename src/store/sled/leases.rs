//! Leases inside one process: sled's lock keeps other processes out, so these are mutexes.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, PoisonError};

use tokio::sync::{Mutex, OwnedMutexGuard};

/// A mutex per thing; made when first asked for.
#[derive(Debug)]
pub(super) struct Leases<K>(std::sync::Mutex<HashMap<K, Arc<Mutex<()>>>>);

impl<K> Default for Leases<K> {
    fn default() -> Self {
        Self(std::sync::Mutex::default())
    }
}

impl<K: Hash + Eq> Leases<K> {
    /// Waits until it is free.
    pub(super) async fn lease<Q>(&self, of: &Q) -> OwnedMutexGuard<()>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let mutex = {
            let mut mutexes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match mutexes.get(of) {
                Some(mutex) => Arc::clone(mutex),
                None => Arc::clone(mutexes.entry(of.to_owned()).or_default()),
            }
        };
        mutex.lock_owned().await
    }
}
