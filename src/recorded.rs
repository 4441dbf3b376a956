//! For tests: payloads and catalogs that others recorded. They lie outside this repository.

use std::path::PathBuf;

/// The folder that `CATALOG_SYNC_SHARED` names. Without it, a test that needs it says so and passes.
pub(crate) fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("CATALOG_SYNC_SHARED").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: CATALOG_SYNC_SHARED names no folder");
    }
    folder
}
