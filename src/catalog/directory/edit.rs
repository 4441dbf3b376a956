//! An edit of one document, as text: everything outside of the changed fields stays byte for byte.
//!
//! The layout tells where things stand, the changes are spliced into the text one field after the
//! other, and at the end [`super::verify`] proves with another parser that exactly the wanted fields
//! changed. What cannot be done so is refused.

use serde_json::Value;

use super::documents::{self, Document, Found};
use super::splice::{self, Refusal};
use super::verify;
use crate::catalog::FieldWritten;
use crate::model::EntityRef;
use crate::plan::{Change, FieldChange};

/// A file's text after an edit.
#[derive(Debug)]
pub(super) struct Edited {
    /// The whole file; equal to the text before when nothing was to be done.
    pub text: String,
    /// What changed.
    pub fields: Vec<FieldWritten>,
}

/// Why an edit was not made.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotEdited {
    /// No document of the file bears the entity ref.
    NotHere,
    /// A field is not as it was when the plan was made.
    Changed {
        /// Of the document.
        line: usize,
        /// Which field.
        what: String,
    },
    /// Not something we edit, or our own check failed.
    Refused {
        /// From 1, where known.
        line: Option<usize>,
        /// Why.
        because: String,
    },
}

/// Applies `fields` to the document of `entity`. Fields that are as wanted already are left out.
pub(super) fn edit(text: &str, entity: &EntityRef, fields: &[FieldChange]) -> Result<Edited, NotEdited> {
    let documents = documents::read(text);
    let (index, document) = find(&documents, entity)?;
    let Found::Entity { document: json, .. } = &document.found else { return Err(NotEdited::NotHere) };

    let changes = outstanding(json, fields, document.line)?;
    if changes.is_empty() {
        return Ok(Edited { text: text.to_owned(), fields: Vec::new() });
    }
    if let Some(at) =
        text[document.range.clone()].find(['\u{85}', '\u{2028}', '\u{2029}']).or_else(|| lone_return(text))
    {
        let line = 1 + text[..at.min(text.len())].matches('\n').count();
        let because = "it holds line breaks that YAML 1.1 and 1.2 read differently".to_owned();
        return Err(NotEdited::Refused { line: Some(line), because });
    }

    let mut part = text[document.range.clone()].to_owned();
    for change in &changes {
        part = splice::apply(&part, change).map_err(|Refusal { line_in_part, because }| NotEdited::Refused {
            line: Some(
                line_in_part.map_or(document.line, |at| at + 1 + text[..document.range.start].matches('\n').count()),
            ),
            because: format!("{}: {because}", change.path),
        })?;
    }
    let edited = format!("{}{part}{}", &text[..document.range.start], &text[document.range.end..]);
    verify::check(&verify::Edit { before: text, after: &edited, documents: &documents, index, changes: &changes })
        .map_err(|because| NotEdited::Refused { line: Some(document.line), because })?;

    let fields = changes.iter().map(|change| written(json, change)).collect();
    Ok(Edited { text: edited, fields })
}

pub(super) fn find<'a>(documents: &'a [Document], entity: &EntityRef) -> Result<(usize, &'a Document), NotEdited> {
    let bears = |document: &Document| match &document.found {
        Found::Entity { identity, .. } => identity.entity_ref == *entity,
        _ => false,
    };
    let mut found = documents.iter().enumerate().filter(|(_, document)| bears(document));
    match (found.next(), found.next()) {
        (Some(first), None) => Ok(first),
        (None, _) => Err(NotEdited::NotHere),
        (Some(_), Some((_, second))) => {
            Err(NotEdited::Refused { line: Some(second.line), because: format!("more than one document is {entity}") })
        }
    }
}

/// A carriage return that no line feed follows is a line break to YAML, and to few programs.
fn lone_return(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    (0..bytes.len()).find(|&at| bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n'))
}

/// What is left to do, preconditions checked. `Add` keeps only the elements that are missing.
pub(super) fn outstanding(
    document: &Value,
    fields: &[FieldChange],
    line: usize,
) -> Result<Vec<FieldChange>, NotEdited> {
    let mut left = Vec::new();
    for field in fields {
        let present = field.path.get(document);
        let as_planned = present == field.before.as_ref();
        let change = match &field.change {
            Change::Set { value } if present == Some(value) => continue,
            Change::Remove if present.is_none() => continue,
            Change::Set { .. } | Change::Remove if !as_planned => {
                return Err(NotEdited::Changed { line, what: field.path.to_string() });
            }
            Change::Set { .. } | Change::Remove => field.change.clone(),
            Change::Add { values } => {
                let missing = missing_of(present, values);
                if missing.is_empty() {
                    continue;
                }
                Change::Add { values: missing }
            }
        };
        if field.path.0.is_empty() {
            let because = "the root of a document is not a field".to_owned();
            return Err(NotEdited::Refused { line: Some(line), because });
        }
        left.push(FieldChange { change, ..field.clone() });
    }
    Ok(left)
}

/// The elements that are not in the list; links are the same when their `url` is.
fn missing_of(present: Option<&Value>, wanted: &[Value]) -> Vec<Value> {
    let mut known: Vec<&Value> =
        present.and_then(Value::as_array).map(|items| items.iter().collect()).unwrap_or_default();
    let mut missing = Vec::new();
    for value in wanted {
        if !known.iter().any(|known| same_element(known, value)) {
            known.push(value);
            missing.push(value.clone());
        }
    }
    missing
}

fn same_element(a: &Value, b: &Value) -> bool {
    match (a.get("url"), b.get("url")) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

pub(super) fn written(document: &Value, change: &FieldChange) -> FieldWritten {
    let before = change.path.get(document).cloned();
    let after = match &change.change {
        Change::Set { value } => Some(value.clone()),
        Change::Remove => None,
        Change::Add { values } => {
            let mut items = before.as_ref().and_then(Value::as_array).cloned().unwrap_or_default();
            items.extend(values.iter().cloned());
            Some(Value::Array(items))
        }
    };
    FieldWritten { path: change.path.clone(), before, after }
}
