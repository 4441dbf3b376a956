//! Mapped fields → patch: sets or adds, `when`, and whose field it is.
//!
//! Each field we wrote is remembered with its value (`Link.written`). Still our value: it may be updated,
//! and removed when its source became null. Changed by someone: theirs from now on, reported once, never
//! written again unless the rule says `always`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::note::About;
use super::step::{Change, FieldChange, FieldPath, same_element};
use super::value;
use crate::correlate::{FieldRule, Rules};
pub use crate::correlate::{Mode, When};
use crate::model::{Entity, EntityFormat, WrittenField};

/// A field rule, evaluated on the record of one repository.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapped {
    /// Where it goes.
    pub path: FieldPath,
    /// What it says; `None`: the source has no value.
    pub value: Option<Value>,
    /// When it is written.
    pub when: When,
    /// How it is written.
    pub mode: Mode,
}

impl Mapped {
    /// What a field rule says about a record. From here on nothing knows where values come from.
    pub fn of(rule: &FieldRule, raw: &Value) -> Self {
        Self { path: rule.catalog.clone(), value: rule.value(raw), when: rule.when, mode: rule.mode }
    }
}

impl Rules {
    /// What all field rules say about a record, in the order of the file.
    pub fn mapped(&self, raw: &Value) -> Vec<Mapped> {
        self.fields().iter().map(|rule| Mapped::of(rule, raw)).collect()
    }
}

/// What the document says now of a field we wrote, and whether it is ours still: for `imported show`, which
/// does not wait for the next sync. `path` is the link's memory of it, as [`FieldPath`] prints.
pub fn whose_now(path: &str, written: &WrittenField, rules: Option<&Rules>, entity: &Entity) -> (Option<Value>, bool) {
    let Some(at) = FieldPath::read(path) else { return (written.value.clone(), !written.theirs) };
    let now = at.get(&entity.document).filter(|value| !value.is_null());
    // Under our own name everything is written again.
    if super::mark::is_own(&at) {
        return (now.cloned(), true);
    }
    let sets = rules.is_some_and(|rules| {
        rules.fields().iter().any(|rule| value::in_format(&rule.catalog, entity.format) == at && rule.mode == Mode::Set)
    });
    let is_as_written = match (&written.value, now) {
        // Into a list others write, too: ours are the elements we added.
        (Some(Value::Array(ours)), Some(Value::Array(now))) if !sets => {
            ours.iter().all(|element| now.iter().any(|there| same_element(there, element)))
        }
        (wrote, now) => wrote.as_ref() == now,
    };
    (now.cloned(), is_as_written && !written.theirs)
}

/// Whose idea a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nature {
    /// A field rule's.
    Rule,
    /// An ingested property under a name that others use, too: only when missing or still ours.
    Property,
    /// Our mark and what lies under our own name: always ours.
    Mark,
}

/// A field that is wanted, valid in the format of its document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    pub path: FieldPath,
    pub value: Option<Value>,
    pub when: When,
    pub mode: Mode,
    pub nature: Nature,
}

/// What a document is compared with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Memory<'a> {
    /// First import: what is there is somebody's.
    None,
    /// We created the document and the store forgot: what equals what we would write is ours.
    Created,
    /// A link remembers.
    Written(&'a BTreeMap<String, WrittenField>),
}

/// What becomes of a document.
#[derive(Debug, Default)]
pub(crate) struct Patch {
    pub changes: Vec<FieldChange>,
    pub notes: Vec<About>,
}

/// Rules and our own fields, one per path: rules in their order, then what they leave of ours. Invalid
/// ones become notes.
pub(crate) fn wanted(rules: &[Mapped], own: Vec<Field>, format: EntityFormat) -> (Vec<Field>, Vec<About>) {
    let mut fields: Vec<Field> = Vec::with_capacity(rules.len() + own.len());
    let mut notes = Vec::new();
    for rule in rules {
        let path = value::in_format(&rule.path, format);
        let checked = value::allowed(&path, format).and_then(|()| match &rule.value {
            Some(value) => value::checked(&path, rule.mode, value, format),
            None => Ok(None),
        });
        match checked {
            Ok(value) => {
                join(&mut fields, Field { path, value, when: rule.when, mode: rule.mode, nature: Nature::Rule });
            }
            Err(reason) => notes.push(About::Omitted { path, reason }),
        }
    }
    for field in own {
        join(&mut fields, field);
    }
    let paths: Vec<FieldPath> = fields.iter().map(|field| field.path.clone()).collect();
    fields.retain(|field| {
        let inner = paths.iter().find(|path| path.0.len() > field.path.0.len() && path.0.starts_with(&field.path.0));
        if let Some(inner) = inner {
            let reason = format!("another rule writes {inner} inside it");
            notes.push(About::Omitted { path: field.path.clone(), reason });
        }
        inner.is_none()
    });
    (fields, notes)
}

/// Of several fields with one path: additions add up; else the first that has a value.
fn join(fields: &mut Vec<Field>, field: Field) {
    let Some(there) = fields.iter_mut().find(|there| there.path == field.path) else {
        fields.push(field);
        return;
    };
    match (there.mode, field.mode) {
        (Mode::Add, Mode::Add) => {
            let Some(Value::Array(more)) = field.value else { return };
            let mut list = match there.value.take() {
                Some(Value::Array(list)) => list,
                _ => {
                    (there.when, there.nature) = (field.when, field.nature);
                    Vec::new()
                }
            };
            for element in more {
                if !list.iter().any(|there| same_element(there, &element)) {
                    list.push(element);
                }
            }
            there.value = Some(Value::Array(list));
        }
        // A rule that names a field decides it, even with no value: ours only fill what no rule names.
        _ if field.nature == Nature::Rule && there.value.is_none() && field.value.is_some() => *there = field,
        _ => {}
    }
}

/// What has to change in `document` so that it has the wanted fields.
pub(crate) fn patch(fields: &[Field], document: &Value, memory: Memory<'_>, is_unattended: bool) -> Patch {
    let mut patch = Patch::default();
    for field in fields {
        let current = field.path.get(document);
        if let Some(reason) = obstacle(field, document) {
            if field.value.is_some() && is_wanted_on_edit(field) {
                patch.notes.push(About::Omitted { path: field.path.clone(), reason });
            }
            continue;
        }
        let written = match memory {
            Memory::Written(written) => written.get(&field.path.to_string()),
            Memory::None | Memory::Created => None,
        };
        let is_adopting = matches!(memory, Memory::Created);
        // An empty key (`description:`) has no value, but it is what the file is compared with.
        let present = current.filter(|value| !value.is_null());
        let verdict = match field.mode {
            Mode::Set => set(field, present, written, is_adopting, is_unattended),
            Mode::Add => add(field, present, written, is_adopting),
        };
        match verdict {
            Verdict::Leave => {}
            Verdict::Do(change) => patch.changes.push(FieldChange {
                path: field.path.clone(),
                before: current.cloned(),
                change,
                is_mark: field.nature != Nature::Rule,
            }),
            Verdict::Say(about) => patch.notes.push(about),
            Verdict::DoAndSay(change, about) => {
                patch.changes.push(FieldChange {
                    path: field.path.clone(),
                    before: current.cloned(),
                    change,
                    is_mark: field.nature != Nature::Rule,
                });
                patch.notes.push(about);
            }
        }
    }
    patch
}

enum Verdict {
    Leave,
    Do(Change),
    Say(About),
    DoAndSay(Change, About),
}

fn is_wanted_on_edit(field: &Field) -> bool {
    field.nature == Nature::Mark || (field.when != When::Register && !value::only_on_register(&field.path))
}

/// Why the field cannot be written into this document at all.
fn obstacle(field: &Field, document: &Value) -> Option<String> {
    let way = &field.path.0[..field.path.0.len().saturating_sub(1)];
    let mut at = document;
    for (depth, key) in way.iter().enumerate() {
        match at.get(key) {
            None | Some(Value::Null) => return None,
            Some(next) if next.is_object() => at = next,
            Some(_) => return Some(format!("{} is not a map", FieldPath(way[..=depth].to_vec()))),
        }
    }
    let current = at.get(field.path.0.last()?)?;
    let list = current.as_array();
    match field.mode {
        Mode::Add if !current.is_null() && list.is_none() => Some("what is there is not a list".to_owned()),
        Mode::Set if current.is_object() => Some("what is there is a map, which is not replaced".to_owned()),
        Mode::Set if list.is_some_and(|list| list.iter().any(|e| e.is_object() || e.is_array())) => {
            Some("what is there is a list of maps, which is not replaced".to_owned())
        }
        _ => None,
    }
}

fn set(
    field: &Field,
    current: Option<&Value>,
    written: Option<&WrittenField>,
    is_adopting: bool,
    is_unattended: bool,
) -> Verdict {
    let wanted = field.value.as_ref();
    let write = || match wanted {
        Some(value) => Verdict::Do(Change::Set { value: value.clone() }),
        None => Verdict::Do(Change::Remove),
    };
    let path = || field.path.clone();
    if field.nature == Nature::Mark {
        return if wanted == current { Verdict::Leave } else { write() };
    }
    if !is_wanted_on_edit(field) {
        return Verdict::Leave;
    }
    let overwrite = || {
        if is_unattended && current.is_some() && value::names_a_source(&field.path) {
            let reason = "it names another source, which is never replaced unseen; import by hand, or change it in \
                          the file";
            return Verdict::Say(About::Omitted { path: path(), reason: reason.to_owned() });
        }
        write()
    };
    let Some(written) = written else {
        return match (wanted, current) {
            (Some(_), None) => write(),
            (Some(wanted), Some(current)) if wanted == current => {
                if is_adopting {
                    Verdict::Say(About::Ours { path: path(), value: Some(current.clone()) })
                } else {
                    Verdict::Leave
                }
            }
            (Some(_), Some(_)) if field.when == When::Always => overwrite(),
            _ => Verdict::Leave,
        };
    };
    let is_as_written = written.value.as_ref() == current;
    if wanted == current {
        return if is_as_written || written.theirs {
            Verdict::Leave
        } else {
            Verdict::Say(About::Ours { path: path(), value: current.cloned() })
        };
    }
    if is_as_written && !written.theirs {
        return write();
    }
    if field.when == When::Always && wanted.is_some() {
        return overwrite();
    }
    if written.theirs {
        return Verdict::Leave;
    }
    Verdict::Say(About::Theirs { path: path(), wrote: written.value.clone(), now: current.cloned() })
}

fn add(field: &Field, current: Option<&Value>, written: Option<&WrittenField>, is_adopting: bool) -> Verdict {
    if !is_wanted_on_edit(field) {
        return Verdict::Leave;
    }
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let has = |list: &[Value], element: &Value| list.iter().any(|there| same_element(there, element));
    let wanted = list(field.value.as_ref());
    let present = list(current);
    let ours = list(written.and_then(|written| written.value.as_ref()));
    let is_theirs = written.is_some_and(|written| written.theirs);
    let missing: Vec<Value> = wanted.iter().filter(|element| !has(&present, element)).cloned().collect();
    if field.when == When::Always {
        return if missing.is_empty() { Verdict::Leave } else { Verdict::Do(Change::Add { values: missing }) };
    }
    if is_theirs {
        return Verdict::Leave;
    }
    if ours.iter().any(|element| !has(&present, element)) {
        // Somebody took out what we put in: the list is theirs now. Unless nothing is left to want.
        let about = About::Theirs { path: field.path.clone(), wrote: Some(Value::Array(ours)), now: current.cloned() };
        return Verdict::Say(about);
    }
    // Elements we put in and want no more (another language) go where the whole list is ours; in a list
    // that others write, too, they stay: taking single elements out could not keep the comments between them.
    let is_all_ours = !present.is_empty() && present.iter().all(|element| has(&ours, element));
    let has_stale = present.iter().any(|element| !has(&wanted, element));
    if is_all_ours && has_stale && present.iter().all(|element| !element.is_object()) {
        return Verdict::Do(if wanted.is_empty() {
            Change::Remove
        } else {
            Change::Set { value: Value::Array(wanted) }
        });
    }
    let recognised: Vec<Value> = wanted.iter().filter(|element| has(&present, element)).cloned().collect();
    let about = (is_adopting && !recognised.is_empty())
        .then(|| About::Ours { path: field.path.clone(), value: Some(Value::Array(recognised)) });
    let change = (!missing.is_empty()).then_some(Change::Add { values: missing });
    match (change, about) {
        (None, None) => Verdict::Leave,
        (Some(change), None) => Verdict::Do(change),
        (None, Some(about)) => Verdict::Say(about),
        (Some(change), Some(about)) => Verdict::DoAndSay(change, about),
    }
}
