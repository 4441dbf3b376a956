//! The proof after an edit, by a parser that did not make it: exactly the wanted fields changed, other
//! documents are byte for byte the same, no line outside of the changed fields went, no comment vanished.

use std::ops::Range;

use serde_yaml::Value as Yaml;
use similar::{Algorithm, DiffOp};

use super::documents::{self, Document, to_yaml};
use super::layout::{Layout, Node, Shape};
use crate::plan::{Change, FieldChange};

/// What was done.
pub(super) struct Edit<'a> {
    /// The file before.
    pub before: &'a str,
    /// The file after.
    pub after: &'a str,
    /// Its documents before.
    pub documents: &'a [Document],
    /// Which of them was edited.
    pub index: usize,
    /// What was wanted.
    pub changes: &'a [FieldChange],
}

/// Says what does not hold; nothing may be written then.
pub(super) fn check(edit: &Edit<'_>) -> Result<(), String> {
    let Edit { before, after, documents, index, changes } = edit;
    let after_documents = documents::read(after);
    if after_documents.len() != documents.len() {
        return Err("the edit would change the number of documents".to_owned());
    }
    for (at, (old, new)) in documents.iter().zip(&after_documents).enumerate() {
        if at != *index && before[old.range.clone()] != after[new.range.clone()] {
            return Err("the edit would touch another document".to_owned());
        }
    }
    let old = &before[documents[*index].range.clone()];
    let new = &after[after_documents[*index].range.clone()];
    values(old, new, changes)?;
    line_ends(before, after)?;
    lines(old, new, changes)?;
    comments(old, new)
}

/// parsed(after) == parsed(before) + the patch.
fn values(old: &str, new: &str, changes: &[FieldChange]) -> Result<(), String> {
    let mut wanted = documents::parse(old).map_err(|error| error.reason)?;
    let got = documents::parse(new)
        .map_err(|error| format!("the file would not parse any more after the edit ({})", error.reason))?;
    for change in changes {
        patch(&mut wanted, &change.path.0, &change.change, true)
            .ok_or_else(|| format!("{} lies below something that is not a map", change.path))?;
    }
    if wanted != got {
        return Err("more than the wanted fields would change, or not as wanted (an anchor, an alias or a merge key may be involved)".to_owned());
    }
    Ok(())
}

/// What a change means for the values; `None` where it means nothing. A map below the root's own keys
/// that a removal leaves empty goes with it.
fn patch(value: &mut Yaml, path: &[String], change: &Change, is_root: bool) -> Option<()> {
    let (key, rest) = path.split_first()?;
    let removes = matches!(change, Change::Remove);
    if value.is_null() && !removes {
        *value = Yaml::Mapping(serde_yaml::Mapping::new());
    }
    let map = value.as_mapping_mut()?;
    if !rest.is_empty() {
        if !map.contains_key(key.as_str()) && !removes {
            map.insert(Yaml::from(key.as_str()), Yaml::Null);
        }
        let inner = map.get_mut(key.as_str())?;
        patch(inner, rest, change, false)?;
        if removes && !is_root && inner.as_mapping().is_some_and(serde_yaml::Mapping::is_empty) {
            map.remove(key.as_str());
        }
        return Some(());
    }
    match change {
        Change::Set { value } => {
            map.insert(Yaml::from(key.as_str()), to_yaml(value));
        }
        Change::Remove => {
            map.remove(key.as_str());
        }
        Change::Add { values } => {
            let entry = map.entry(Yaml::from(key.as_str())).or_insert(Yaml::Null);
            if entry.is_null() {
                *entry = Yaml::Sequence(Vec::new());
            }
            entry.as_sequence_mut()?.extend(values.iter().map(to_yaml));
        }
    }
    Some(())
}

/// Line ends and a missing last one stay.
pub(super) fn line_ends(before: &str, after: &str) -> Result<(), String> {
    let all_crlf = |text: &str| text.matches('\n').count() == text.matches("\r\n").count();
    if before.contains("\r\n") && all_crlf(before) && !all_crlf(after) {
        return Err("the edit would mix line ends".to_owned());
    }
    if before.ends_with('\n') != after.ends_with('\n') {
        return Err("the edit would change the end of the file".to_owned());
    }
    Ok(())
}

/// Every line that went belongs to a changed field.
fn lines(old: &str, new: &str, changes: &[FieldChange]) -> Result<(), String> {
    let layout = Layout::read(old)?;
    let allowed: Vec<Range<usize>> = changes.iter().flat_map(|change| field_lines(old, &layout.root, change)).collect();
    let cut =
        |text: &str| -> Vec<String> { text.split('\n').map(|line| line.trim_end_matches('\r').to_owned()).collect() };
    let (old, new) = (cut(old), cut(new));
    let is_allowed = |line: usize| allowed.iter().any(|range| range.contains(&line));
    // A block scalar ends before the blank lines behind its text; they go with it.
    let is_behind_allowed = |line: usize| {
        let said = (0..=line).rev().find(|line| !old[*line].trim().is_empty());
        old[line].trim().is_empty() && said.is_some_and(is_allowed)
    };
    for op in similar::capture_diff_slices(Algorithm::Myers, &old, &new) {
        let gone = match op {
            DiffOp::Delete { old_index, old_len, .. } | DiffOp::Replace { old_index, old_len, .. } => {
                old_index..old_index + old_len
            }
            DiffOp::Equal { .. } | DiffOp::Insert { .. } => continue,
        };
        for line in gone {
            if !is_allowed(line) && !old[line].is_empty() && !is_behind_allowed(line) {
                let shown = crate::error::escape_control(old[line].trim());
                return Err(match shown.starts_with('#') {
                    true => format!("the comment {shown} would stand elsewhere"),
                    false => format!("the edit would touch a line that belongs to no changed field: {shown}"),
                });
            }
        }
    }
    Ok(())
}

/// Lines (from 0) of the deepest part of the path that is there; for a removal also the lines of the keys
/// on the way, which may go with it.
fn field_lines(text: &str, root: &Node, change: &FieldChange) -> Vec<Range<usize>> {
    let line = |at: usize| text[..at].matches('\n').count();
    let last_line = |range: &Range<usize>| line(range.end.max(range.start + 1) - 1) + 1;
    let mut node = root;
    let mut lines = Vec::new();
    for (depth, key) in change.path.0.iter().enumerate() {
        let is_last = depth + 1 == change.path.0.len();
        let Shape::Map { flow, entries } = &node.shape else { break };
        let Some(entry) = entries.iter().find(|entry| entry.key.as_deref() == Some(key)) else {
            // A new key in a flow map stands on its lines; in a block map it brings its own.
            if *flow {
                lines.push(line(node.range.start)..last_line(&node.range));
            }
            break;
        };
        let is_leaf = match &entry.value.shape {
            Shape::Map { entries, .. } => entries.is_empty(),
            _ => true,
        };
        if is_last || is_leaf || *flow {
            lines.push(line(entry.start)..last_line(&(entry.start..entry.end)));
        } else if matches!(change.change, Change::Remove) {
            lines.push(line(entry.start)..line(entry.start) + 1);
        }
        node = &entry.value;
    }
    lines
}

/// Every comment of before is there afterwards, as often.
pub(super) fn comments(old: &str, new: &str) -> Result<(), String> {
    let texts = |text: &str| -> Result<Vec<String>, String> {
        let layout = Layout::read(text)?;
        let mut texts: Vec<String> =
            layout.comments.into_iter().map(|range| text[range].trim_end().to_owned()).collect();
        texts.sort();
        Ok(texts)
    };
    let (old, new) = (texts(old)?, texts(new)?);
    if old == new {
        return Ok(());
    }
    let lost = old.iter().find(|comment| !new.contains(comment)).or(old.first());
    Err(format!(
        "the comment {} would be lost",
        lost.map_or_else(String::new, |text| crate::error::escape_control(text))
    ))
}
