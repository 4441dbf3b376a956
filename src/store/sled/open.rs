//! Opening: the folder, sled's lock, the schema, and what a killed process left behind.

use std::any::Any;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::books::META;
use super::draft::{Draft, Tree, failed};
use super::keys::Key;
use super::{carried, export, integrations, migrations, syncs};
use crate::store::StoreError;

/// What this program writes. A store with a larger number is refused, one with a smaller number is migrated (P7.10).
pub(super) const SCHEMA: u32 = 2;

/// Peak memory stays far below the limit of a small container with this.
const CACHE_BYTES: u64 = 12 * 1024 * 1024;

/// A process that ends gives the lock back a moment after its last word.
const LOCK_ATTEMPTS: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(30);

/// Runs what blocks; a panic inside becomes an error.
pub(super) async fn blocking<T: Send + 'static>(
    job: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(job).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => Err(StoreError::Lost(panic_text(&*error.into_panic()))),
        Err(error) => Err(StoreError::Lost(error.to_string())),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no reason was given".to_owned())
}

/// Opens the store at `path`, made where there is none.
pub(super) async fn open(path: PathBuf, temporary: bool, now: DateTime<Utc>) -> Result<Tree, StoreError> {
    let at = path.clone();
    let opened = blocking(move || {
        prepare_folder(&at)?;
        let tree = Tree { db: open_sled(&at, temporary)?, path: Arc::new(at) };
        restrict_files(&tree.path);
        if !temporary {
            remove_scratch(&tree.path);
        }
        check_schema(&tree)?;
        recover(&tree, now)?;
        Ok(tree)
    });
    opened.await.map_err(|error| match error {
        // sled asserts a good deal about its files: with a damaged one, it panics.
        StoreError::Lost(message) => StoreError::Unopenable { path, message },
        StoreError::Malformed { place, message } => {
            StoreError::Unopenable { path, message: format!("{place} cannot be read: {message}") }
        }
        other => other,
    })
}

fn open_sled(path: &Path, temporary: bool) -> Result<sled::Db, StoreError> {
    let config = sled::Config::default().path(path).cache_capacity(CACHE_BYTES).temporary(temporary);
    let mut attempts = 0;
    loop {
        attempts += 1;
        return match config.open() {
            Ok(db) => Ok(db),
            Err(sled::Error::Io(error)) if error.to_string().contains("could not acquire lock") => {
                if attempts < LOCK_ATTEMPTS {
                    std::thread::sleep(LOCK_PAUSE);
                    continue;
                }
                Err(StoreError::InUse { path: path.to_owned() })
            }
            Err(sled::Error::Io(source)) => Err(StoreError::Io { doing: format!("open {}", path.display()), source }),
            Err(error) => Err(StoreError::Unopenable { path: path.to_owned(), message: error.to_string() }),
        };
    }
}

/// Makes the folder, for us alone. One that is there is narrowed where it is empty or a store; where it is
/// not ours to narrow (a mounted volume), it stays as it is.
fn prepare_folder(path: &Path) -> Result<(), StoreError> {
    let doing = || format!("make {}", path.display());
    if !path.exists() {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        return builder.create(path).map_err(|source| StoreError::Io { doing: doing(), source });
    }
    let mut entries = fs::read_dir(path).map_err(|source| StoreError::Io { doing: doing(), source })?;
    if path.join("db").exists() || entries.next().is_none() {
        restrict(path, 0o700);
    }
    Ok(())
}

/// Names of scratch stores begin with this.
pub(super) const SCRATCH: &str = "scratch-";

/// Removes what killed dry runs left. We have the lock, so none of them runs.
fn remove_scratch(path: &Path) {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(SCRATCH)) {
        // Left behind, it costs only space, and the next opening tries again.
        let _ = fs::remove_dir_all(entry.path());
    }
}

/// sled makes its files as the umask says; the folder keeps others out until this has run.
fn restrict_files(path: &Path) {
    for name in ["db", "conf"] {
        restrict(&path.join(name), 0o600);
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("snap.")) {
        restrict(&entry.path(), 0o600);
    }
    restrict(&path.join("blobs"), 0o700);
}

#[cfg(unix)]
fn restrict(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    // Not ours to change: then whoever set it up decides.
    let _ = fs::set_permissions(path, fs::Permissions::from_mode(mode));
}

#[cfg(not(unix))]
fn restrict(_: &Path, _: u32) {}

pub(super) fn schema_key() -> Vec<u8> {
    Key::in_book(META).text("schema").bytes()
}

fn check_schema(tree: &Tree) -> Result<(), StoreError> {
    match tree.get::<u32>(&schema_key())? {
        Some(found) if found > SCHEMA => {
            Err(StoreError::TooNew { path: tree.path.to_path_buf(), found, known: SCHEMA })
        }
        Some(found) => migrations::carry_out(tree, found),
        None if tree.db.iter().next().is_none() => {
            let mut draft = Draft::new(tree);
            draft.put(schema_key(), &SCHEMA)?;
            draft.apply()?;
            tree.db.flush().map_err(failed("flush")).map(drop)
        }
        None => Err(StoreError::Unopenable {
            path: tree.path.to_path_buf(),
            message: "it holds a database that catalog-sync did not write".to_owned(),
        }),
    }
}

/// Ends what was begun: an import that broke off goes, a deletion or a carrying over is carried through, and syncs that
/// still run were killed, since this process is alone with the store.
fn recover(tree: &Tree, now: DateTime<Utc>) -> Result<(), StoreError> {
    let mut draft = Draft::new(tree);
    export::drop_broken_import(&mut draft)?;
    carried::finish(&mut draft, |_| true)?;
    for integration in integrations::deletions(tree)? {
        integrations::delete(&mut draft, &integration)?;
    }
    syncs::interrupt_running(&mut draft, now)?;
    draft.apply()?;
    if draft.has_applied() {
        tree.db.flush().map_err(failed("flush"))?;
    }
    Ok(())
}
