//! Imports taken back (P4.11): journal × document → what is restored. Each by itself: tombstone, then file, then link and
//! journal in one store write. Killed anywhere, the same undo goes on; no sync touches what is on its way out.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use crate::catalog::{Became, Catalog, CatalogError, TakenBack};
use crate::error::{Report, escape_control};
use crate::model::{Decision, DecisionKind, EntityRef, ImportAction, ImportId, RepoKey, SyncId};
use crate::plan::Work;
use crate::plan::undo::{Left, Wrote, take_back};
use crate::store::{CatalogLease, JournalEntry, LinkChange, Store, StoreError};

/// Journal entries read at once: each holds a step and its diffs.
const BATCH: usize = 200;

/// What one import did to one entity, as the journal tells it.
#[derive(Clone, Debug)]
pub struct Import {
    /// Which import.
    pub id: ImportId,
    /// Of which catalog, where the journal tells.
    pub catalog: String,
    /// The repository.
    pub repo: RepoKey,
    /// Its full name then.
    pub full_name: String,
    /// The entity.
    pub entity: EntityRef,
    /// How the link came about.
    pub action: ImportAction,
    /// When the link was made.
    pub at: DateTime<Utc>,
    /// In which sync, where it was one.
    pub sync_id: Option<SyncId>,
    /// By which rule, as it was numbered then.
    pub rule: Option<usize>,
    /// It made a file of its own.
    pub makes_a_file: bool,
    /// Numbers of the entries that are to be taken back, in order; empty: that was done already.
    pub entries: Vec<u32>,
}

/// Everything an undo works with.
pub struct Undoing<'a> {
    /// Where entities are.
    pub catalog: &'a dyn Catalog,
    /// Where links and journal are.
    pub store: &'a dyn Store,
    /// Proof that nobody else writes.
    pub lease: &'a CatalogLease,
    /// Every mark of the catalog.
    pub marks: &'a [(EntityRef, RepoKey)],
    /// Entities of files that do not parse any more: they are there, and nothing can be done to them.
    pub unreadable: &'a [EntityRef],
    /// Only say what would be done.
    pub dry_run: bool,
    /// Who.
    pub by: &'a str,
    /// Now.
    pub now: DateTime<Utc>,
    /// Start no new one once this is cancelled.
    pub stop: &'a CancellationToken,
    /// Called after each: done so far.
    pub progress: &'a (dyn Fn(u64) + Sync),
}

/// What became of one import.
#[derive(Clone, Debug)]
pub struct Undone {
    /// Which.
    pub import: Import,
    /// What came of it.
    pub result: UndoResult,
    /// Fields that somebody else changed since, and that stay.
    pub left: Vec<Left>,
}

/// The result of one import taken back.
#[derive(Clone, Debug)]
pub enum UndoResult {
    /// The link is ended, and this was done to the document.
    Done(TakenBack),
    /// It was taken back before.
    Already,
    /// Not done: a person has to do something else first.
    Held(String),
    /// Not done: what, why, and the mend.
    Failed(String),
    /// Not begun: we were asked to stop, or the catalog is busy.
    Left(String),
}

/// What an import did, entity by entity, in the order of its journal.
///
/// # Errors
/// The store's.
pub async fn imports(store: &dyn Store, id: &ImportId) -> Result<Vec<Import>, StoreError> {
    let mut found: Vec<Import> = Vec::new();
    let mut at: BTreeMap<(String, RepoKey, EntityRef), usize> = BTreeMap::new();
    let mut after = None;
    loop {
        let page = store.journal_page(id, after, BATCH).await?;
        let Some((last, _)) = page.last() else { return Ok(found) };
        after = Some(*last);
        for (number, entry) in page {
            let key = (entry.catalog.clone(), entry.step.repo.clone(), entry.step.entity.clone());
            let at = *at.entry(key).or_insert_with(|| {
                found.push(import_of(&entry));
                found.len() - 1
            });
            let import = &mut found[at];
            if entry.is_undo {
                import.entries.clear();
                continue;
            }
            if import.entries.is_empty() {
                *import = import_of(&entry);
            }
            import.entries.push(number);
        }
    }
}

fn import_of(entry: &JournalEntry) -> Import {
    Import {
        id: entry.import_id.clone(),
        catalog: entry.catalog.clone(),
        repo: entry.step.repo.clone(),
        full_name: entry.step.full_name.clone(),
        entity: entry.step.entity.clone(),
        action: entry.step.action,
        at: entry.at,
        sync_id: entry.sync_id.clone(),
        rule: entry.step.rule,
        makes_a_file: matches!(entry.step.work, Work::Register(_)),
        entries: Vec::new(),
    }
}

/// Takes imports of one catalog back, newest first. One that fails never takes others along; a busy catalog leaves all
/// that remain (P4.10).
///
/// # Errors
/// Only the store's: then nothing more may be written.
pub async fn undo(undoing: &Undoing<'_>, mut imports: Vec<Import>) -> Result<Vec<Undone>, StoreError> {
    imports.sort_by(|a, b| (b.at, &b.id, b.entries.first()).cmp(&(a.at, &a.id, a.entries.first())));
    let catalog = undoing.catalog.name();
    let expected = expect_less(undoing, &imports).await?;
    let selected: BTreeSet<ImportId> = imports.iter().map(|import| import.id.clone()).collect();
    let mut decisions: BTreeMap<RepoKey, Decision> = BTreeMap::new();
    for decision in undoing.store.decisions(catalog).await? {
        decisions.insert(decision.repo.clone(), decision);
    }
    let mut undone = Vec::with_capacity(imports.len());
    let mut left_because: Option<String> = None;
    for import in imports {
        if left_because.is_none() && undoing.stop.is_cancelled() {
            left_because = Some("stopped before it began; ask for it again".to_owned());
        }
        let (result, left) = match &left_because {
            Some(reason) => (UndoResult::Left(reason.clone()), Vec::new()),
            None if import.entries.is_empty() => (UndoResult::Already, Vec::new()),
            None => one(undoing, &import, &selected, &mut decisions).await?,
        };
        if let UndoResult::Left(reason) = &result {
            left_because.get_or_insert_with(|| reason.clone());
        }
        undone.push(Undone { import, result, left });
        (undoing.progress)(undone.len() as u64);
    }
    remember_entities(undoing, expected, &undone).await?;
    Ok(undone)
}

async fn one(
    undoing: &Undoing<'_>,
    import: &Import,
    selected: &BTreeSet<ImportId>,
    decisions: &mut BTreeMap<RepoKey, Decision>,
) -> Result<(UndoResult, Vec<Left>), StoreError> {
    if let Some(reason) = obstacle(undoing, import, selected).await? {
        return Ok((UndoResult::Held(reason), Vec::new()));
    }
    let mut entries = Vec::with_capacity(import.entries.len());
    for number in &import.entries {
        let entry = undoing.store.journal_page(&import.id, number.checked_sub(1), 1).await?;
        entries.extend(entry.into_iter().filter(|(found, _)| found == number).map(|(_, entry)| entry));
    }
    let entity = match undoing.catalog.entity(&import.entity).await {
        Ok(entity) => entity,
        Err(error) => return Ok((UndoResult::Failed(in_words(&error)), Vec::new())),
    };
    let wrote: Vec<Wrote<'_>> =
        entries.iter().map(|entry| Wrote { step: &entry.step, fields: &entry.fields, files: &entry.files }).collect();
    let back = match take_back(&wrote, entity.as_ref()) {
        Ok(back) => back,
        Err(reason) => return Ok((UndoResult::Held(reason), Vec::new())),
    };
    let before = decisions.get(&import.repo).cloned();
    if !undoing.dry_run {
        let links = undoing.store.links_of(undoing.catalog.name(), &import.repo).await?;
        let linked: Vec<&EntityRef> = links.iter().map(|link| &link.entity).collect();
        if let Some(tombstone) = tombstone(undoing, import, before.as_ref(), &linked) {
            undoing.store.decide(undoing.catalog.name(), &tombstone).await?;
            decisions.insert(import.repo.clone(), tombstone);
        }
    }
    let taken = match undoing.catalog.take_back(&back, !undoing.dry_run).await {
        Ok(taken) => taken,
        Err(error) => {
            if !undoing.dry_run {
                untombstone(undoing, import, before, decisions).await?;
            }
            let reason = in_words(&error);
            return Ok(match error {
                CatalogError::Busy { .. } => (UndoResult::Left(reason), Vec::new()),
                _ => (UndoResult::Failed(reason), Vec::new()),
            });
        }
    };
    if !undoing.dry_run {
        let Some(first) = entries.first() else { return Ok((UndoResult::Already, Vec::new())) };
        let journal = JournalEntry {
            import_id: import.id.clone(),
            catalog: first.catalog.clone(),
            sync_id: None,
            at: undoing.now,
            by: undoing.by.to_owned(),
            step: first.step.clone(),
            fields: taken.fields.clone(),
            files: taken.files.clone(),
            is_undo: true,
        };
        let change = LinkChange::Remove(import.repo.clone(), import.entity.clone());
        undoing.store.change_links(undoing.lease, vec![change], vec![journal]).await?;
    }
    Ok((UndoResult::Done(taken), back.left))
}

/// Why it cannot be taken back now: somebody else's import stands on it.
async fn obstacle(
    undoing: &Undoing<'_>,
    import: &Import,
    selected: &BTreeSet<ImportId>,
) -> Result<Option<String>, StoreError> {
    if undoing.unreadable.contains(&import.entity) {
        return Ok(Some("the file of its entity no longer parses: mend it first (`check` names the line)".to_owned()));
    }
    let links = undoing.store.links_to(undoing.catalog.name(), &import.entity).await?;
    let newer = links.into_iter().find(|link| {
        // A dry run takes nothing back: what it would have taken back before is no obstacle.
        let goes_first = undoing.dry_run && selected.contains(&link.import_id);
        (link.repo != import.repo || link.import_id != import.id) && !goes_first
    });
    Ok(newer.map(|link| {
        if link.repo == import.repo {
            return format!("it was imported again since: undo import {} first", link.import_id);
        }
        let other = escape_control(&link.repo.to_string());
        format!("{} is linked to {other} by now: undo import {} first", import.entity, link.import_id)
    }))
}

/// The mark that keeps auto-import from bringing it back until a person acts. `None`: a person set it aside, which does
/// so as well.
fn tombstone(
    undoing: &Undoing<'_>,
    import: &Import,
    before: Option<&Decision>,
    linked: &[&EntityRef],
) -> Option<Decision> {
    if before.is_some_and(|before| before.kind == DecisionKind::Ignored) {
        return None;
    }
    // Marks of former links are left in their entities, and must not become links now that this one ends.
    let let_go = before.iter().flat_map(|before| before.kind.let_go());
    let marked = undoing.marks.iter().filter(|(_, repo)| *repo == import.repo).map(|(entity, _)| entity);
    let also: BTreeSet<&EntityRef> =
        let_go.chain(marked).filter(|entity| **entity != import.entity && !linked.contains(entity)).collect();
    Some(Decision {
        repo: import.repo.clone(),
        full_name: import.full_name.clone(),
        kind: DecisionKind::Undone { entity: import.entity.clone(), also: also.into_iter().cloned().collect() },
        at: undoing.now,
        by: undoing.by.to_owned(),
        reason: None,
    })
}

async fn untombstone(
    undoing: &Undoing<'_>,
    import: &Import,
    before: Option<Decision>,
    decisions: &mut BTreeMap<RepoKey, Decision>,
) -> Result<(), StoreError> {
    match before {
        Some(before) => {
            undoing.store.decide(undoing.catalog.name(), &before).await?;
            decisions.insert(import.repo.clone(), before);
        }
        None => {
            undoing.store.clear_decision(undoing.catalog.name(), &import.repo).await?;
            decisions.remove(&import.repo);
        }
    }
    Ok(())
}

/// Files that we take away are no loss that a sync should stop at (P2.13), also where it finds half of them gone because
/// we were killed. Returns what the catalog was known to hold; those that stay after all are put back.
async fn expect_less(undoing: &Undoing<'_>, imports: &[Import]) -> Result<Option<Vec<EntityRef>>, StoreError> {
    let leaving: BTreeSet<&EntityRef> = imports
        .iter()
        .filter(|import| import.makes_a_file && !import.entries.is_empty())
        .map(|one| &one.entity)
        .collect();
    if undoing.dry_run || leaving.is_empty() {
        return Ok(None);
    }
    let Some(known) = undoing.store.known_entities(undoing.catalog.name()).await? else { return Ok(None) };
    let stay: Vec<EntityRef> = known.iter().filter(|entity| !leaving.contains(entity)).cloned().collect();
    undoing.store.save_known_entities(undoing.catalog.name(), &stay).await?;
    Ok(Some(known))
}

async fn remember_entities(
    undoing: &Undoing<'_>,
    known: Option<Vec<EntityRef>>,
    undone: &[Undone],
) -> Result<(), StoreError> {
    let is_gone = |one: &&Undone| matches!(&one.result, UndoResult::Done(taken) if taken.became == Became::Unmade);
    let gone: BTreeSet<&EntityRef> = undone.iter().filter(is_gone).map(|one| &one.import.entity).collect();
    let catalog = undoing.catalog.name();
    if let Some(known) = known {
        let stay: Vec<EntityRef> = known.into_iter().filter(|entity| !gone.contains(entity)).collect();
        undoing.store.save_known_entities(catalog, &stay).await?;
    }
    match undoing.dry_run {
        true => Ok(()),
        false => undoing.store.save_catalog_snapshot(catalog, &undoing.catalog.snapshot()).await,
    }
}

fn in_words(error: &CatalogError) -> String {
    let mut report = Report::new("", error, error.mend());
    report.what = if report.because.is_empty() { error.to_string() } else { report.because.remove(0) };
    report.one_line()
}
