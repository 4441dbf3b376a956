//! What only the sled store promises: one process, kill -9, damage, full disks, and what things cost.

mod killed;
mod measured;
mod migrating;
mod opening;
mod upkeep;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tempfile::TempDir;

use super::*;
use crate::store::contract::{Home, contract};

struct Folder {
    scratch: TempDir,
    /// A store that was dropped may still be closing its files, so a fresh one lies elsewhere.
    number: AtomicUsize,
}

impl Folder {
    fn new() -> Self {
        Self { scratch: TempDir::new().expect("a temporary folder"), number: AtomicUsize::new(0) }
    }

    fn path(&self) -> PathBuf {
        self.scratch.path().join(self.number.load(Ordering::SeqCst).to_string())
    }
}

#[async_trait]
impl Home for Folder {
    async fn open(&self) -> Box<dyn Store> {
        Box::new(open(&self.path()).await)
    }

    async fn fresh(&self) {
        self.number.fetch_add(1, Ordering::SeqCst);
    }
}

async fn open(path: &Path) -> SledStore {
    SledStore::open(path, &Clock::System).await.expect("opens")
}

/// What lies below a store. Threads of one that was just dropped may hold its lock a moment longer.
fn bare_sled(path: &Path) -> ::sled::Db {
    for _ in 0..200 {
        match ::sled::open(path) {
            Err(::sled::Error::Io(error)) if error.to_string().contains("could not acquire lock") => {
                std::thread::sleep(Duration::from_millis(20));
            }
            opened => return opened.expect("opens"),
        }
    }
    panic!("{} stays locked", path.display())
}

contract!(Folder::new());
