//! Imports taken back: fields get their former values, in the bytes they were written in; a file of our own goes, as long
//! as every byte of it is ours.

use std::path::{Path, PathBuf};

use cap_std::fs::Dir;

use super::diff::unified;
use super::documents::{self, Found};
use super::edit::{self, NotEdited};
use super::late::Replaced as LateFile;
use super::steps::{TRIES, io_error, is_quiet, text};
use super::unpatch::{Finding, unpatch};
use super::verify;
use super::write::{self, Replaced};
use super::{Inner, lock, shown};
use crate::catalog::{Became, CatalogError, FieldWritten, FileDiff, TakenBack};
use crate::model::{EntityRef, ImportAction, Place};
use crate::plan::undo::{Back, BackWork, same_but_for_empty};
use crate::plan::{Edit, EditPurpose, FieldChange, FieldPath, Step, Work};

/// A file's text with an import taken back.
struct Restored {
    text: String,
    fields: Vec<FieldWritten>,
    refused: Vec<(FieldPath, String)>,
}

impl Inner {
    pub(super) fn take_back(&self, back: &Back, write: bool) -> Result<TakenBack, CatalogError> {
        self.settle_late();
        match &back.work {
            BackWork::Nothing => Ok(TakenBack::default()),
            BackWork::Restore { place, fields, diffs } => self.restore(back, place, fields, diffs, write),
            BackWork::Unmake { file, diffs } => self.unmake(&back.entity, file, diffs, write),
        }
    }

    fn restore(
        &self,
        back: &Back,
        place: &Place,
        fields: &[FieldChange],
        diffs: &[FileDiff],
        write: bool,
    ) -> Result<TakenBack, CatalogError> {
        let mut late = lock(&self.writer);
        for _ in 0..TRIES {
            let (path, original, restored) =
                self.found(&back.entity, place, |text| restored(text, &back.entity, fields, diffs))?;
            let before = text(&path, &original.bytes)?;
            let Restored { text: after, fields: written, refused } = restored;
            if after == before {
                return Ok(TakenBack { refused, ..TakenBack::default() });
            }
            let done = TakenBack {
                became: Became::Restored,
                files: vec![FileDiff { path: path.clone(), diff: unified(&path, Some(&before), Some(&after)) }],
                fields: written,
                refused,
            };
            if !write {
                return Ok(done);
            }
            self.not_busy(&path)?;
            if !late.is_ours(&write::hash(&original.bytes)) {
                if !is_quiet(&original, self.quiet) {
                    continue;
                }
                self.not_busy(&path)?;
            }
            match write::replace(&original, after.as_bytes()).map_err(|source| io_error(&path, source))? {
                Replaced::TheirsIsNewer => continue,
                Replaced::Done => {}
            }
            lock(&self.index).wrote(&path, &after, self.now());
            late.remember(LateFile {
                old: write::hash(&original.bytes),
                ours: write::hash(after.as_bytes()),
                file: original.file,
                path: path.clone(),
                step: as_step(back, place, fields),
                at: self.now(),
            });
            return Ok(done);
        }
        Err(CatalogError::Changed { file: shown(&place.file), what: "the file".to_owned() })
    }

    fn unmake(
        &self,
        entity: &EntityRef,
        file: &Path,
        diffs: &[FileDiff],
        write: bool,
    ) -> Result<TakenBack, CatalogError> {
        let _writer = lock(&self.writer);
        let path = self.check_path(file)?;
        self.make_sure_it_was_read()?;
        for _ in 0..TRIES {
            let kept = |because: &str| TakenBack {
                became: Became::Kept { because: format!("{}: {because}", shown(&path)) },
                ..TakenBack::default()
            };
            let places = lock(&self.index).places(&self.roots, entity);
            if let Some(elsewhere) = places.iter().find(|place| place.file != path || place.read_only_under.is_some()) {
                let place = crate::error::escape_control(&elsewhere.to_string());
                return Ok(kept(&format!("{entity} lies in {place} by now")));
            }
            let Some(original) = self.original(&path)? else { return Ok(TakenBack::default()) };
            let before = text(&path, &original.bytes)?;
            if !is_wholly_ours(&before, &path, diffs) {
                return Ok(kept("somebody else wrote into it"));
            }
            let done = TakenBack {
                became: Became::Unmade,
                files: vec![FileDiff { path: path.clone(), diff: unified(&path, Some(&before), None) }],
                ..TakenBack::default()
            };
            if !write {
                return Ok(done);
            }
            self.not_busy(&path)?;
            match write::take_away(&original).map_err(|source| io_error(&path, source))? {
                Replaced::TheirsIsNewer => continue,
                Replaced::Done => {}
            }
            lock(&self.index).took_away(&path);
            self.clear_out(&self.root_dir()?, &path);
            return Ok(done);
        }
        Err(CatalogError::Changed { file: shown(file), what: "the file".to_owned() })
    }

    /// Folders that we made for the file, and that hold nothing any more; the folder of new entities itself stays.
    fn clear_out(&self, root: &Dir, path: &Path) {
        let Some(top) = &self.settings.new_entities else { return };
        let top: PathBuf = top.components().filter(|part| matches!(part, std::path::Component::Normal(_))).collect();
        let mut folder = path.parent();
        while let Some(empty) = folder.filter(|folder| folder.starts_with(&top) && **folder != top) {
            // One that is not empty says so, and is left.
            if root.remove_dir(empty).is_err() {
                return;
            }
            folder = empty.parent();
        }
    }
}

/// Whether the text is what our writes made of nothing.
fn is_wholly_ours(text: &str, path: &Path, diffs: &[FileDiff]) -> bool {
    let mut text = text.to_owned();
    for diff in diffs {
        if diff.path != path {
            return false;
        }
        match unpatch(&text, &diff.diff, Finding::Exact) {
            Some(before) => text = before,
            None => return false,
        }
    }
    text.is_empty() && !diffs.is_empty()
}

/// The text with these fields restored: taken back to the byte where our lines are still what they were, else field by
/// field.
fn restored(text: &str, entity: &EntityRef, fields: &[FieldChange], diffs: &[FileDiff]) -> Result<Restored, NotEdited> {
    let documents = documents::read(text);
    let (index, document) = edit::find(&documents, entity)?;
    let Found::Entity { document: json, .. } = &document.found else { return Err(NotEdited::NotHere) };
    let changes = edit::outstanding(json, fields, document.line)?;
    if changes.is_empty() {
        return Ok(Restored { text: text.to_owned(), fields: Vec::new(), refused: Vec::new() });
    }
    if let Some(before) = to_the_byte(text, &documents, index, &changes, diffs) {
        let fields = changes.iter().map(|change| edit::written(json, change)).collect();
        return Ok(Restored { text: before, fields, refused: Vec::new() });
    }
    let mut restored = Restored { text: text.to_owned(), fields: Vec::new(), refused: Vec::new() };
    for change in changes {
        match edit::edit(&restored.text, entity, std::slice::from_ref(&change)) {
            Ok(edited) => {
                restored.text = edited.text;
                restored.fields.extend(edited.fields);
            }
            Err(NotEdited::Refused { because, .. }) => restored.refused.push((change.path, because)),
            Err(other) => return Err(other),
        }
    }
    Ok(restored)
}

/// Our diffs taken back one after the other; `None` where that is not exactly what is wanted.
fn to_the_byte(
    text: &str,
    documents: &[documents::Document],
    index: usize,
    changes: &[FieldChange],
    diffs: &[FileDiff],
) -> Option<String> {
    let mut before = text.to_owned();
    for diff in diffs {
        before = unpatch(&before, &diff.diff, Finding::Near)?;
    }
    let after = documents::read(&before);
    let same = |at: usize| text[documents[at].range.clone()] == before[after[at].range.clone()];
    if after.len() != documents.len() || (0..after.len()).any(|at| at != index && !same(at)) {
        return None;
    }
    let (Found::Entity { document: now, .. }, Found::Entity { document: then, .. }) =
        (&documents[index].found, &after[index].found)
    else {
        return None;
    };
    // An empty map that we filled is one again; field by field it would be gone.
    let edit = Edit { place: nowhere(), fields: changes.to_vec(), purpose: EditPurpose::Update };
    if !same_but_for_empty(&edit.applied(now), then) {
        return None;
    }
    let part = |documents: &[documents::Document], text: &str| text[documents[index].range.clone()].to_owned();
    verify::line_ends(text, &before).ok()?;
    verify::comments(&part(documents, text), &part(&after, &before)).ok()?;
    Some(before)
}

fn nowhere() -> Place {
    Place { file: PathBuf::new(), document: 0, line: 0, read_only_under: None }
}

/// For whoever still writes into the file that was replaced: the same, done to what they wrote.
fn as_step(back: &Back, place: &Place, fields: &[FieldChange]) -> Step {
    Step {
        repo: back.repo.clone(),
        full_name: back.full_name.clone(),
        entity: back.entity.clone(),
        rule: None,
        action: ImportAction::Merge,
        work: Work::Edit(Edit { place: place.clone(), fields: fields.to_vec(), purpose: EditPurpose::Update }),
    }
}
