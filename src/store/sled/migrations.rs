//! Bringing the store of an older program to what this one writes (P7.10): an export first, then step by step. A process
//! that ends in between leaves a store that older programs refuse and the next opening carries on with.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tracing::warn;

use super::books::META;
use super::check::rebuild_indexes;
use super::draft::{Draft, Tree, failed};
use super::export;
use super::keys::Key;
use super::open::{SCHEMA, schema_key};
use crate::error::shown;
use crate::store::StoreError;

/// From one schema to the next.
struct Step {
    to: u32,
    /// May be cut off anywhere and is then taken again, so twice must be as good as once. One that changes records has to
    /// be taken with the lines of older exports as well.
    take: fn(&mut Draft<'_>) -> Result<(), StoreError>,
}

/// In order, up to [`SCHEMA`].
const STEPS: &[Step] = &[
    // What waits of webhooks is sorted by who signed it, then by when it is due.
    Step { to: 2, take: |draft| rebuild_indexes(draft).map(drop) },
];

// No step is missing, and the first schema was 1.
const _: () = {
    let mut number = 0;
    while number < STEPS.len() {
        assert!(STEPS[number].to as usize == number + 2, "steps lead from each schema to the next");
        number += 1;
    }
    assert!(SCHEMA as usize == STEPS.len() + 1, "the last step leads to the schema of this program");
};

/// A migration under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Migration {
    /// The steps up to this schema are taken.
    at: u32,
}

fn migration_key() -> Vec<u8> {
    Key::in_book(META).text("migration").bytes()
}

/// Where the export of a store of schema `found` goes: an earlier one, of before somebody went back, stays as it is.
fn backup(tree: &Tree, found: u32) -> PathBuf {
    let first = tree.path.join(format!("schema-{found}.jsonl.gz"));
    let more = (2..).map(|number| tree.path.join(format!("schema-{found}-{number}.jsonl.gz")));
    std::iter::once(first).chain(more).find(|path| !path.exists()).unwrap_or_default()
}

/// Brings a store of schema `found` to [`SCHEMA`]; does nothing to one that is there.
///
/// # Errors
/// Those of reading and writing; the store is as it was then, or the next opening goes on where this one ended.
pub(super) fn carry_out(tree: &Tree, found: u32) -> Result<(), StoreError> {
    let at = match tree.get::<Migration>(&migration_key())? {
        Some(under_way) => under_way.at,
        None if found == SCHEMA => return Ok(()),
        None => {
            // Half an import is nobody's data, and no reason to keep an export of it.
            write(tree, export::drop_broken_import)?;
            back_up(tree, found)?;
            found
        }
    };
    // From here on older programs refuse it.
    write(tree, |draft| {
        draft.put(schema_key(), &SCHEMA)?;
        draft.put(migration_key(), &Migration { at })
    })?;
    for step in STEPS.iter().filter(|step| step.to > at) {
        // What the step wrote is on disk before the word that it is taken.
        write(tree, step.take)?;
        write(tree, |draft| draft.put(migration_key(), &Migration { at: step.to }))?;
    }
    write(tree, |draft| draft.remove(migration_key()).map(drop))
}

fn back_up(tree: &Tree, found: u32) -> Result<(), StoreError> {
    let backup = backup(tree, found);
    warn!(
        "the store {} is of an older catalog-sync (schema {found}): it is exported to {}, then migrated to schema {SCHEMA}",
        shown(&tree.path),
        shown(&backup)
    );
    for unreadable in export::back_up(tree, &backup, found)? {
        warn!("{unreadable}: it is not in the export, and stays in the store as it is");
    }
    Ok(())
}

/// Writes, and returns when it is on disk.
fn write(tree: &Tree, what: impl FnOnce(&mut Draft<'_>) -> Result<(), StoreError>) -> Result<(), StoreError> {
    let mut draft = Draft::new(tree);
    what(&mut draft)?;
    draft.apply()?;
    tree.db.flush().map_err(failed("flush")).map(drop)
}
