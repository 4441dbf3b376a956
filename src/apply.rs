//! Steps → outcomes, each by itself. What makes a link is noted first, then the file is written, then link and journal
//! in one store write: a kill between leaves a document with our mark, which the next sync adopts as what it was to be.

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use crate::catalog::{Applied, Catalog, CatalogError, FileDiff};
use crate::error::{Report, escape_control};
use crate::model::{Entity, EntityRef, ImportAction, ImportId, Link, LinkState, RepoKey, SyncId};
use crate::plan::{EditPurpose, Step, Work};
use crate::store::{CatalogLease, JournalEntry, LinkChange, Store, StoreError};

/// Steps noted at once before they are carried out: one write of the store for so many.
const NOTED: usize = 50;

/// Everything applying works with.
pub struct Applying<'a> {
    /// Where entities are written.
    pub catalog: &'a dyn Catalog,
    /// Where links are kept.
    pub store: &'a dyn Store,
    /// Proof that nobody else writes.
    pub lease: &'a CatalogLease,
    /// Links of the catalog as the plan saw them.
    pub links: &'a [Link],
    /// Names this import.
    pub import_id: &'a ImportId,
    /// The sync this is part of.
    pub sync_id: Option<&'a SyncId>,
    /// Who: `auto-import`, `cli`, a token's name.
    pub by: &'a str,
    /// Now.
    pub now: DateTime<Utc>,
    /// Start no new step once this is cancelled.
    pub stop: &'a CancellationToken,
    /// Called after each step: done so far, and what came of this one.
    pub progress: &'a (dyn Fn(u64, &StepOutcome) + Sync),
}

/// What became of a step.
#[derive(Clone, Debug)]
pub struct StepOutcome {
    /// The repository.
    pub repo: RepoKey,
    /// Its full name.
    pub full_name: String,
    /// The entity.
    pub entity: EntityRef,
    /// Register or merge.
    pub action: ImportAction,
    /// `None`: register.
    pub purpose: Option<EditPurpose>,
    /// What came of it.
    pub result: StepResult,
}

/// The result of one step.
#[derive(Clone, Debug)]
pub enum StepResult {
    /// Written.
    Done(Vec<FileDiff>),
    /// Everything was as wanted already; only the link was made.
    Unchanged,
    /// Not written.
    Failed {
        /// What, why, and the mend.
        reason: String,
        /// The next sync may simply try again.
        is_transient: bool,
    },
    /// Not begun: we were asked to stop, or the catalog is busy.
    Left {
        /// Why.
        reason: String,
    },
}

/// Carries out steps in order. A step that fails never takes others along; a busy catalog leaves all
/// that remain (P4.10).
///
/// # Errors
/// Only the store's: then nothing more may be written.
pub async fn apply(applying: &Applying<'_>, steps: &[Step]) -> Result<Vec<StepOutcome>, StoreError> {
    let mut outcomes = Vec::with_capacity(steps.len());
    let mut left: Option<String> = None;
    for (at, step) in steps.iter().enumerate() {
        if left.is_none() && applying.stop.is_cancelled() {
            left = Some("stopped before it began; the next sync goes on".to_owned());
        }
        if left.is_none() && at % NOTED == 0 {
            intend(applying, &steps[at..steps.len().min(at + NOTED)]).await?;
        }
        let result = match &left {
            Some(reason) => StepResult::Left { reason: reason.clone() },
            None => match taken(applying, step).await? {
                Some(reason) => StepResult::Failed { reason, is_transient: false },
                None => write(applying, step, &mut left).await?,
            },
        };
        let outcome = outcome(step, result);
        (applying.progress)(outcomes.len() as u64 + 1, &outcome);
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

/// Notes what steps are going to write that make links: undo needs what was there before, whenever we are killed (P4.11).
async fn intend(applying: &Applying<'_>, steps: &[Step]) -> Result<(), StoreError> {
    let mut intents = Vec::new();
    for step in steps {
        let makes_a_link = match &step.work {
            Work::Register(_) => true,
            Work::Edit(edit) => edit.purpose == EditPurpose::Merge,
        };
        // What cannot be said now fails in a moment, and leaves nothing.
        if makes_a_link && let Ok(applied) = applying.catalog.diff(step).await {
            intents.push(journal(applying, step, applying.import_id, &applied));
        }
    }
    if intents.is_empty() { Ok(()) } else { applying.store.intend(applying.lease, intents).await }
}

fn journal(applying: &Applying<'_>, step: &Step, import_id: &ImportId, applied: &Applied) -> JournalEntry {
    JournalEntry {
        import_id: import_id.clone(),
        catalog: applying.catalog.name().to_owned(),
        sync_id: applying.sync_id.cloned(),
        at: applying.now,
        by: applying.by.to_owned(),
        step: step.clone(),
        fields: applied.fields.clone(),
        files: applied.files.clone(),
        is_undo: false,
    }
}

/// What steps would do, without doing it.
pub async fn preview(catalog: &dyn Catalog, steps: &[Step]) -> Vec<StepOutcome> {
    let mut outcomes = Vec::with_capacity(steps.len());
    for step in steps {
        let result = match catalog.diff(step).await {
            Ok(applied) if applied.files.is_empty() => StepResult::Unchanged,
            Ok(applied) => StepResult::Done(applied.files),
            Err(error) => StepResult::Failed { reason: in_words(&error), is_transient: error.is_transient() },
        };
        outcomes.push(outcome(step, result));
    }
    outcomes
}

fn outcome(step: &Step, result: StepResult) -> StepOutcome {
    StepOutcome {
        repo: step.repo.clone(),
        full_name: step.full_name.clone(),
        entity: step.entity.clone(),
        action: step.action,
        purpose: match &step.work {
            Work::Register(_) => None,
            Work::Edit(edit) => Some(edit.purpose),
        },
        result,
    }
}

fn in_words(error: &CatalogError) -> String {
    let mut report = Report::new("", error, error.mend());
    report.what = if report.because.is_empty() { error.to_string() } else { report.because.remove(0) };
    report.one_line()
}

/// Carries one step out; a busy catalog leaves those behind it.
async fn write(applying: &Applying<'_>, step: &Step, left: &mut Option<String>) -> Result<StepResult, StoreError> {
    let error = match applying.catalog.apply(step).await {
        Ok(applied) => return record(applying, step, applied).await,
        Err(error) => error,
    };
    let reason = in_words(&error);
    if matches!(error, CatalogError::Busy { .. }) {
        *left = Some(reason.clone());
        return Ok(StepResult::Left { reason });
    }
    Ok(StepResult::Failed { reason, is_transient: error.is_transient() })
}

/// Why a step may not make its link: another repository has the entity. Asked before the file is written, whatever
/// the plan saw: links are changed under the lease that is held here.
async fn taken(applying: &Applying<'_>, step: &Step) -> Result<Option<String>, StoreError> {
    let links = applying.store.links_to(applying.catalog.name(), &step.entity).await?;
    if links.iter().any(|link| link.repo == step.repo) {
        return Ok(None);
    }
    let held = |link: &Link| {
        let other = escape_control(&link.repo.to_string());
        format!("{} is linked to {other} already, which keeps it: unlink that repository first", step.entity)
    };
    Ok(links.first().map(held))
}

/// Makes or renews the link, with the journal entry that undo will need.
async fn record(applying: &Applying<'_>, step: &Step, applied: Applied) -> Result<StepResult, StoreError> {
    let entity = match applying.catalog.entity(&step.entity).await {
        Ok(Some(entity)) => entity,
        Ok(None) => {
            let reason = format!("{} was written and is gone again; the next sync looks anew", step.entity);
            return Ok(StepResult::Failed { reason, is_transient: true });
        }
        Err(error) => return Ok(StepResult::Failed { reason: in_words(&error), is_transient: true }),
    };
    let before = applying.links.iter().find(|link| link.repo == step.repo && link.entity == step.entity);
    let mut link = linked(applying, step, before, &entity, &applied);
    let mut entries = Vec::new();
    let is_adopted = matches!(&step.work, Work::Edit(edit) if edit.purpose == EditPurpose::Adopt);
    if is_adopted
        && before.is_none()
        && let Some(begun) = applying.store.intended(applying.catalog.name(), &step.repo, &step.entity).await?
    {
        // Its mark is of an import that was killed before it made the link: it goes on.
        go_on(&mut link, &begun, step);
        entries.push(begun);
    }
    // An update belongs to the import that made the link: undo takes both back.
    entries.push(journal(applying, step, &link.import_id, &applied));
    let change = LinkChange::Make(Box::new(link));
    applying.store.change_links(applying.lease, vec![change], entries).await?;
    Ok(if applied.files.is_empty() { StepResult::Unchanged } else { StepResult::Done(applied.files) })
}

/// The link that an import would have made, had it not been killed.
fn go_on(link: &mut Link, begun: &JournalEntry, step: &Step) {
    link.import_id = begun.import_id.clone();
    link.imported_at = begun.at;
    link.imported_by.clone_from(&begun.by);
    link.action = begun.step.action;
    link.written.clear();
    begun.step.remember(&mut link.written);
    step.remember(&mut link.written);
}

fn linked(applying: &Applying<'_>, step: &Step, before: Option<&Link>, entity: &Entity, applied: &Applied) -> Link {
    let mut link = before.cloned().unwrap_or_else(|| Link {
        repo: step.repo.clone(),
        entity: step.entity.clone(),
        entity_id: String::new(),
        action: step.action,
        kind: String::new(),
        entity_type: None,
        scope: step.entity.scope().to_owned(),
        import_id: applying.import_id.clone(),
        imported_at: applying.now,
        imported_by: match &step.work {
            Work::Edit(edit) if edit.purpose == EditPurpose::Adopt => "adopted from its mark".to_owned(),
            _ => applying.by.to_owned(),
        },
        state: LinkState::Active,
        last_synced_at: None,
        written: Default::default(),
    });
    link.entity_id = if applied.entity_id.is_empty() { entity.entity_id.clone() } else { applied.entity_id.clone() };
    link.kind = entity.kind.clone();
    link.entity_type = entity.entity_type.clone();
    if link.state == LinkState::EntityMissing && matches!(step.work, Work::Register(_)) {
        // Registered again by hand: a new entity, of which nothing is remembered.
        link.written.clear();
    }
    link.action = match &step.work {
        Work::Edit(edit) if edit.purpose == EditPurpose::Update => link.action,
        _ => step.action,
    };
    link.state = LinkState::Active;
    link.last_synced_at = Some(applying.now);
    step.remember(&mut link.written);
    link
}
