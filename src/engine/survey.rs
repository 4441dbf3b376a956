//! What the catalog holds, looked at before anything is planned (P2.13).

use std::collections::BTreeSet;

use super::{Run, Stop};
use crate::catalog::{Catalog, CatalogError, Reading};
use crate::error::shown;
use crate::model::{EntityRef, RepoKey, SyncRecord};
use crate::plan::{Plan, guard};
use crate::store::{Store, StoreError, StoredPlan};

/// At most this many files left alone are named in a record; the rest is counted.
const NAMED_PROBLEMS: usize = 20;

/// The catalog as this sync sees it.
pub struct Survey {
    /// What was read.
    pub reading: Reading,
    /// Every mark: which entity says it belongs to which repository.
    pub marks: Vec<(EntityRef, RepoKey)>,
}

/// Reads the catalog, and stops the sync where it shrank too much to be believed.
pub(super) async fn survey(run: &Run<'_>, record: &mut SyncRecord) -> Result<Survey, Stop> {
    let catalog = run.parts.catalog.as_ref();
    let mut reading = read(catalog, run.store).await?;
    if !run.dry_run {
        let _lease = run.store.catalog_lease(catalog.name()).await?;
        if let Err(error) = catalog.tidy().await {
            record.notes.push(format!("left by an interrupted write, and not removed: {error}"));
        }
    }
    note_problems(&reading, record);
    let previous = run.store.known_entities(catalog.name()).await?;
    if let Some(previous) = &previous
        && let Some(reason) =
            guard::catalog_shrunk(previous, &reading.entity_refs, &reading.unreadable, run.parts.guard())
    {
        return Err(Stop::Held(Box::new(StoredPlan {
            id: record.id.to_string(),
            integration: run.parts.key.clone(),
            at: run.clock.now(),
            plan: Plan::default(),
            absences: Vec::new(),
            shrunk_to: Some(reading.entity_refs.clone()),
            reason,
            is_chosen: false,
            rules_hash: None,
            unlooked: Vec::new(),
        })));
    }
    let all: BTreeSet<&EntityRef> = reading.entity_refs.iter().chain(&reading.unreadable).collect();
    let all: Vec<EntityRef> = all.into_iter().cloned().collect();
    run.store.save_known_entities(catalog.name(), &all).await?;
    run.store.save_catalog_snapshot(catalog.name(), &catalog.snapshot()).await?;

    Ok(Survey { marks: std::mem::take(&mut reading.marks), reading })
}

/// The catalog as it is now, without judging whether it shrank: for imports by hand and approvals.
///
/// # Errors
/// The catalog's, the store's.
pub async fn look(catalog: &dyn Catalog, store: &dyn Store) -> Result<Survey, ReadError> {
    let mut reading = read(catalog, store).await?;
    Ok(Survey { marks: std::mem::take(&mut reading.marks), reading })
}

/// Reads the catalog, knowing what its files held when they were last read, by whichever process: else entities of
/// a file that does not parse any more would be nobody's, and what is kept afterwards would not name them
/// (P2.13). There is no other way to read.
///
/// # Errors
/// The catalog's, the store's.
pub(super) async fn read(catalog: &dyn Catalog, store: &dyn Store) -> Result<Reading, ReadError> {
    if let Some(snapshot) = store.catalog_snapshot(catalog.name()).await? {
        catalog.restore(&snapshot);
    }
    Ok(catalog.read().await?)
}

/// Why a catalog could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The catalog itself.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// What is remembered of it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Catalog(error) => error.into(),
            ReadError::Store(error) => error.into(),
        }
    }
}

impl Survey {
    /// The entity a person means: its ref without regard to case, or its name alone where that is unique.
    /// What is not found is given back as it is, and planning says so.
    pub fn resolve(&self, typed: &EntityRef) -> EntityRef {
        let refs = &self.reading.entity_refs;
        let text = typed.as_str();
        if let Some(same) = refs.iter().find(|one| one.as_str().eq_ignore_ascii_case(text)) {
            return same.clone();
        }
        let mut named = refs.iter().filter(|one| one.name().eq_ignore_ascii_case(text));
        match (named.next(), named.next()) {
            (Some(only), None) => only.clone(),
            _ => typed.clone(),
        }
    }
}

fn note_problems(reading: &Reading, record: &mut SyncRecord) {
    let faults: Vec<_> = reading.problems.iter().filter(|problem| problem.is_fault).collect();
    for problem in faults.iter().take(NAMED_PROBLEMS) {
        let line = problem.line.map_or_else(String::new, |line| format!(":{line}"));
        record.notes.push(format!("left alone: {}{line}: {}", shown(&problem.file), problem.reason));
    }
    if faults.len() > NAMED_PROBLEMS {
        record.notes.push(format!("left alone: {} more files, see `check`", faults.len() - NAMED_PROBLEMS));
    }
    for (entity, places) in &reading.duplicates {
        record.notes.push(format!("{entity} is in several places and is not written: {}", places.join(", ")));
    }
}
