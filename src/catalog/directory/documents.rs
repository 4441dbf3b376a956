//! A file's text → its documents, each read by itself, so that a bad one does not take others along.

use std::ops::Range;

use serde_json::Value;
use serde_yaml::Value as Yaml;

use super::claims::{self, Claim};
use crate::catalog::recognise::{Identity, Recognised, format_of, recognise};
use crate::model::EntityFormat;

/// One document of a file.
#[derive(Debug)]
pub(super) struct Document {
    /// Bytes of the file's text; those of a document start behind the end of the one before.
    pub range: Range<usize>,
    /// Line of its first key, from 1.
    pub line: usize,
    /// What it is.
    pub found: Found,
}

/// What a document is.
#[derive(Debug)]
pub(super) enum Found {
    /// An entity.
    Entity {
        /// Which rules it follows.
        format: EntityFormat,
        /// What it says about itself.
        identity: Box<Identity>,
        /// The whole document, merge keys applied.
        document: Value,
    },
    /// Nothing of ours, or empty.
    NotOurs,
    /// Left alone, and why.
    Problem {
        /// From 1.
        line: usize,
        /// What is wrong.
        reason: String,
        /// `false`: by design.
        is_fault: bool,
        /// Names it may define all the same.
        claims: Vec<Claim>,
    },
}

/// The byte order mark.
const BOM: &str = "\u{FEFF}";

/// Reads every document of a file.
pub(super) fn read(text: &str) -> Vec<Document> {
    split(text)
        .into_iter()
        .map(|(range, first_line)| {
            let part = &text[range.clone()];
            let line = first_line + content_line(part);
            Document { found: read_one(part, first_line, line), range, line }
        })
        .collect()
}

fn read_one(part: &str, first_line: usize, line: usize) -> Found {
    // A template engine's placeholders seldom are YAML, or mean something else in it.
    let may_be_template = part.contains("{{") || part.contains("{%");
    let template = || {
        let reason = "a template: it holds placeholders where values belong".to_owned();
        Found::Problem { line, reason, is_fault: false, claims: claims::of_document(part, first_line) }
    };
    let value = match parse(part) {
        Ok(value) => value,
        Err(_) if may_be_template => return template(),
        Err(NotYaml { line_in_part, reason }) => {
            let line = line_in_part.map_or(line, |at| first_line + at);
            return Found::Problem { line, reason, is_fault: true, claims: claims::of_document(part, first_line) };
        }
    };
    let document = to_json(&value);
    match recognise(&document) {
        Recognised::Entity(identity) => match format_of(&document) {
            Some(format) => Found::Entity { format, identity, document },
            None => Found::NotOurs,
        },
        Recognised::NotOurs => Found::NotOurs,
        Recognised::ByDesign(reason) => Found::Problem { line, reason, is_fault: false, claims: Vec::new() },
        Recognised::Fault(_) if may_be_template => template(),
        Recognised::Fault(reason) => {
            Found::Problem { line, reason, is_fault: true, claims: claims::of_document(part, first_line) }
        }
    }
}

/// Why a text is no YAML document.
#[derive(Debug)]
pub(super) struct NotYaml {
    /// From 0, within the text.
    pub line_in_part: Option<usize>,
    /// In words.
    pub reason: String,
}

/// Parses one document, merge keys applied. Depth and aliases are bounded.
pub(super) fn parse(part: &str) -> Result<Yaml, NotYaml> {
    if let Some(line_in_part) = opens_too_deep(part) {
        return Err(NotYaml { line_in_part: Some(line_in_part), reason: "nested too deeply".to_owned() });
    }
    let not_yaml = |error: serde_yaml::Error| NotYaml {
        line_in_part: error.location().map(|location| location.line().saturating_sub(1)),
        reason: crate::error::escape_control(&without_places(&error.to_string())),
    };
    let mut value: Yaml = serde_yaml::from_str(part).map_err(not_yaml)?;
    value.apply_merge().map_err(not_yaml)?;
    Ok(value)
}

/// The parser counts lines within the document; ours count within the file and are told beside.
fn without_places(message: &str) -> String {
    let mut parts = message.split(" at line ");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        let rest =
            rest.strip_prefix(" column ").map_or(rest, |rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
        out.push_str(rest);
    }
    out
}

/// The parser's depth limit comes after its scanner, which is slow on `[[[[…`: the line on which more than
/// a hundred collections are opened in a row.
fn opens_too_deep(part: &str) -> Option<usize> {
    let (mut line, mut opened) = (0, 0);
    let mut bytes = part.bytes().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\n' => line += 1,
            b' ' | b'\t' | b'\r' => {}
            b'[' | b'{' => opened += 1,
            b'-' | b'?' if matches!(bytes.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) => opened += 1,
            _ => opened = 0,
        }
        if opened > 100 {
            return Some(line);
        }
    }
    None
}

/// Splits at document markers, which YAML allows nowhere else than at the start of a line. Each part
/// comes with the number of lines before it plus one. What stands before the first marker (comments,
/// directives) belongs to the document behind it.
fn split(text: &str) -> Vec<(Range<usize>, usize)> {
    let body = if text.starts_with(BOM) { BOM.len() } else { 0 };
    let mut parts: Vec<(Range<usize>, usize)> = Vec::new();
    let (mut start, mut start_line) = (body, 1);
    let (mut has_content, mut ended) = (false, false);
    let (mut at, mut line) = (body, 1);
    for text_line in text[body..].split_inclusive('\n') {
        let is_start = is_marker(text_line, "---");
        if (is_start && has_content) || (ended && !is_marker(text_line, "...")) {
            parts.push((start..at, start_line));
            (start, start_line, has_content, ended) = (at, line, false, false);
        }
        if is_marker(text_line, "...") {
            ended = has_content;
        } else if is_start {
            has_content = true;
        } else {
            let trimmed = text_line.trim();
            let silent = trimmed.is_empty() || trimmed.starts_with('#') || text_line.starts_with('%');
            has_content |= !silent;
        }
        at += text_line.len();
        line += 1;
    }
    if start < text.len() || parts.is_empty() {
        parts.push((start..text.len(), start_line));
    }
    parts
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

/// Lines before the first key.
fn content_line(part: &str) -> usize {
    part.lines()
        .position(|line| {
            let trimmed = line.trim();
            let marker_only = is_marker(line, "---") && matches!(line[3..].trim().chars().next(), None | Some('#'));
            !(trimmed.is_empty() || trimmed.starts_with('#') || line.starts_with('%') || marker_only)
        })
        .unwrap_or(0)
}

/// YAML as JSON, for JSONPath: tags are dropped, keys become strings, numbers JSON does not know become
/// text.
pub(super) fn to_json(value: &Yaml) -> Value {
    match value {
        Yaml::Null => Value::Null,
        Yaml::Bool(flag) => Value::Bool(*flag),
        Yaml::Number(number) => number_to_json(number),
        Yaml::String(text) => Value::String(text.clone()),
        Yaml::Sequence(items) => Value::Array(items.iter().map(to_json).collect()),
        Yaml::Mapping(map) => {
            Value::Object(map.iter().map(|(key, value)| (key_to_text(key), to_json(value))).collect())
        }
        Yaml::Tagged(tagged) => to_json(&tagged.value),
    }
}

fn number_to_json(number: &serde_yaml::Number) -> Value {
    if let Some(number) = number.as_u64() {
        return number.into();
    }
    if let Some(number) = number.as_i64() {
        return number.into();
    }
    let number = number.as_f64().unwrap_or(f64::NAN);
    serde_json::Number::from_f64(number).map_or_else(|| Value::String(number.to_string()), Value::Number)
}

fn key_to_text(key: &Yaml) -> String {
    match to_json(key) {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// JSON as YAML, for comparing.
pub(super) fn to_yaml(value: &Value) -> Yaml {
    match value {
        Value::Null => Yaml::Null,
        Value::Bool(flag) => Yaml::Bool(*flag),
        Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(number), ..) => Yaml::from(number),
            (_, Some(number), _) => Yaml::from(number),
            (.., number) => Yaml::from(number.unwrap_or(f64::NAN)),
        },
        Value::String(text) => Yaml::from(text.as_str()),
        Value::Array(items) => Yaml::Sequence(items.iter().map(to_yaml).collect()),
        Value::Object(map) => {
            Yaml::Mapping(map.iter().map(|(key, value)| (Yaml::from(key.as_str()), to_yaml(value))).collect())
        }
    }
}
