//! Field rules: which value of a record goes where in an entity. What is written is decided in `plan`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::path::{Path, scalar_text};
use crate::plan::FieldPath;

/// One entry of `fields`.
#[derive(Clone, Debug)]
pub struct FieldRule {
    /// Where the value comes from.
    pub source: FieldSource,
    /// Where it goes: keys only, never one of the paths that are not ours to write.
    pub catalog: FieldPath,
    /// When it is written.
    pub when: When,
    /// How it is written.
    pub mode: Mode,
    /// Line of the entry, from 1.
    pub line: usize,
}

/// Where a field's value comes from.
#[derive(Clone, Debug)]
pub enum FieldSource {
    /// Read out of the record.
    Ingested {
        /// From where.
        path: Path,
        /// Looked up in this table, when there is one.
        map: Option<BTreeMap<String, Value>>,
        /// `else`: what stands for a value that is absent or not in the table.
        otherwise: Option<Value>,
    },
    /// Always the same.
    Value(Value),
    /// Put together from several; a part that is null makes the whole nothing.
    Template(Vec<TemplatePart>),
}

/// A piece of a template.
#[derive(Clone, Debug)]
pub enum TemplatePart {
    /// As it stands.
    Text(String),
    /// `{$.path}`.
    Path(Path),
}

/// When a field is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// While the entity has none, or still the value we wrote: never over a hand-written one.
    Missing,
    /// Whatever stands there.
    Always,
    /// Only into entities we create.
    Register,
}

/// How a field is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The field has this value.
    Set,
    /// The field is a list that has these elements among others.
    Add,
}

impl FieldRule {
    /// The value for a record: a scalar or a list of scalars; `None`: there is nothing to write.
    pub fn value(&self, raw: &Value) -> Option<Value> {
        match &self.source {
            FieldSource::Value(value) => Some(value.clone()),
            FieldSource::Template(parts) => {
                let mut text = String::new();
                for part in parts {
                    match part {
                        TemplatePart::Text(literal) => text.push_str(literal),
                        TemplatePart::Path(path) => text.push_str(&scalar_text(path.nodes(raw).first()?)?),
                    }
                }
                (!text.is_empty()).then_some(Value::String(text))
            }
            FieldSource::Ingested { path, map, otherwise } => {
                let found = ingested_value(path, raw);
                match map {
                    None => found,
                    Some(map) => match found {
                        Some(Value::Array(items)) => {
                            let mapped: Vec<_> = items.iter().filter_map(|item| looked_up(map, item)).collect();
                            (!mapped.is_empty()).then_some(Value::Array(mapped))
                        }
                        Some(value) => looked_up(map, &value),
                        None => None,
                    },
                }
                .or_else(|| otherwise.clone())
            }
        }
    }
}

fn looked_up(map: &BTreeMap<String, Value>, value: &Value) -> Option<Value> {
    map.get(&*scalar_text(value)?).cloned()
}

/// A member path gives the value itself, any other path a list of what it selects. Empty text, nulls and
/// maps are nothing; a list keeps its scalars.
fn ingested_value(path: &Path, raw: &Value) -> Option<Value> {
    let nodes = path.nodes(raw);
    let scalars = |values: &mut dyn Iterator<Item = &Value>| {
        let kept: Vec<Value> = values.filter(|value| scalar_text(value).is_some()).cloned().collect();
        (!kept.is_empty()).then_some(Value::Array(kept))
    };
    if path.keys().is_none() {
        return scalars(&mut nodes.into_iter());
    }
    match nodes.first()? {
        Value::Array(items) => scalars(&mut items.iter()),
        value => scalar_text(value).is_some().then(|| (*value).clone()),
    }
}

/// Splits `url:{$.links.html.href}/src/` into its parts; `Err` holds the byte offset and what is wrong.
pub(super) fn parse_template(text: &str) -> Result<Vec<TemplatePart>, (usize, String)> {
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(open) = text[at..].find("{$").map(|found| at + found) {
        if open > at {
            parts.push(TemplatePart::Text(text[at..open].to_owned()));
        }
        let close = text[open..].find('}').ok_or((open, "`{` is not closed by `}`".to_owned()))? + open;
        let path = Path::parse(&text[open + 1..close])
            .map_err(|bad| (open + 1 + bad.offset.unwrap_or(0), format!("not a JSONPath: {}", bad.what)))?;
        parts.push(TemplatePart::Path(path));
        at = close + 1;
    }
    if at < text.len() {
        parts.push(TemplatePart::Text(text[at..].to_owned()));
    }
    Ok(parts)
}
