//! What a plan is made of. There is no variant that deletes an entity (invariant 2).

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::note::Note;
use crate::model::{EntityFormat, EntityRef, ImportAction, Place, RepoKey, WrittenField};

/// Where in an entity document, from the root: keys only. Prints as JSONPath
/// (`$.metadata.annotations["backstage.io/source-location"]`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FieldPath(pub Vec<String>);

impl FieldPath {
    /// From keys.
    pub fn of(keys: &[&str]) -> Self {
        Self(keys.iter().map(|key| (*key).to_owned()).collect())
    }

    /// Reads what it prints; `None`: it is no path.
    pub fn read(text: &str) -> Option<Self> {
        let mut rest = text.strip_prefix('$')?;
        let mut keys = Vec::new();
        while !rest.is_empty() {
            if let Some(plain) = rest.strip_prefix('.') {
                let end = plain.find(['.', '[']).unwrap_or(plain.len());
                keys.push(plain[..end].to_owned());
                rest = &plain[end..];
            } else {
                let quoted = rest.strip_prefix('[')?;
                let mut strings = serde_json::Deserializer::from_str(quoted).into_iter::<String>();
                keys.push(strings.next()?.ok()?);
                rest = quoted[strings.byte_offset()..].strip_prefix(']')?;
            }
        }
        Some(Self(keys))
    }

    /// The value at this path, if every key on the way is there.
    pub fn get<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(document, |value, key| value.as_object()?.get(key))
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("$")?;
        for key in &self.0 {
            let plain = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if plain { write!(f, ".{key}")? } else { write!(f, "[{}]", Value::from(key.as_str()))? }
        }
        Ok(())
    }
}

/// What is done to one field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub enum Change {
    /// The field has this value afterwards: a scalar or a list of scalars. Missing maps on the way are made.
    Set {
        /// The value.
        value: Value,
    },
    /// These elements are in the list afterwards, those that are missing appended in order; the list is
    /// made where there is none. Elements are scalars, or flat maps of scalars (links), which are the
    /// same when their `url` is.
    Add {
        /// The elements.
        values: Vec<Value>,
    },
    /// The field is not there afterwards; done only where we wrote it.
    Remove,
}

/// One field of an edit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Which field.
    pub path: FieldPath,
    /// Its value when the plan was made (`None`: absent). `Set` and `Remove` are refused when the file
    /// has another value by the time it is written; `Add` does not look at it.
    #[serde(default, deserialize_with = "crate::model::present", skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What is done.
    pub change: Change,
    /// Part of our mark or ingested properties, not of a mapped field.
    pub is_mark: bool,
}

/// Changes to one document that exists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Edit {
    /// Where the document lay when the plan was made. It is found again by its entity ref.
    pub place: Place,
    /// In a fixed order; no path twice.
    pub fields: Vec<FieldChange>,
    /// Merge, adopt or update: what a person reads in diffs and history.
    pub purpose: EditPurpose,
}

/// Why a document is edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EditPurpose {
    /// First import into this entity.
    Merge,
    /// The document carries our mark already, the store has no link: only the link is made, plus
    /// fields that changed.
    Adopt,
    /// A linked entity is brought up to date.
    Update,
}

/// A document to be created, in a file of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewEntity {
    /// Which rules it follows.
    pub format: EntityFormat,
    /// As written (`Component`).
    pub kind: String,
    /// Relative to the catalog's root; every segment `[a-z0-9][a-z0-9._-]{0,62}`. The file must not exist.
    pub file: PathBuf,
    /// Keys in the order they are written.
    pub document: Value,
    /// Comment lines above the document, without `# `: who made it and how to stop it. Only our words and
    /// validated ids.
    pub header: Vec<String>,
}

/// What one step does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "work")]
pub enum Work {
    /// Create an entity.
    Register(NewEntity),
    /// Change an entity.
    Edit(Edit),
}

/// One repository, one entity, one piece of work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The repository.
    pub repo: RepoKey,
    /// Its full name, for people.
    pub full_name: String,
    /// The entity; at most one step of a plan names it (invariant 4).
    pub entity: EntityRef,
    /// Index of the rule that led here.
    pub rule: Option<usize>,
    /// What the link will say.
    pub action: ImportAction,
    /// What is done.
    pub work: Work,
}

/// Wanted, and not done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// The repository.
    pub repo: RepoKey,
    /// Its full name, for people.
    pub full_name: String,
    /// The entity, where it is about one.
    pub entity: Option<EntityRef>,
    /// Why, and what a person can do.
    pub reason: String,
    /// The step that `sync approve` would carry out; `None`: it needs more than an approval.
    pub step: Option<Step>,
}

/// Everything that will be done and everything that was wanted and will not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Sorted by entity; no entity twice.
    pub steps: Vec<Step>,
    /// Sorted by full name.
    pub held: Vec<Held>,
    /// What was noticed on the way; sorted by full name.
    #[serde(default)]
    pub notes: Vec<Note>,
}

impl Plan {
    /// Nothing to do, nothing held.
    pub fn is_empty(&self) -> bool {
        let Self { steps, held, notes: _ } = self;
        steps.is_empty() && held.is_empty()
    }

    /// What `sync approve` would carry out: the steps inside `held`.
    pub fn approvable(&self) -> impl Iterator<Item = &Step> {
        self.held.iter().filter_map(|held| held.step.as_ref())
    }

    /// The plan that `sync approve` carries out: exactly the steps that were held.
    pub fn approved(&self) -> Self {
        let mut steps: Vec<Step> = self.approvable().cloned().collect();
        steps.sort_by(|a, b| a.entity.cmp(&b.entity));
        Self { steps, ..Self::default() }
    }
}

impl Edit {
    /// The document after this edit, as data: what a catalog has to make of its file.
    pub fn applied(&self, document: &Value) -> Value {
        let mut document = document.clone();
        for field in &self.fields {
            match &field.change {
                Change::Set { value } => put(&mut document, &field.path.0, value.clone()),
                Change::Add { values } => {
                    let mut list = field.path.get(&document).and_then(Value::as_array).cloned().unwrap_or_default();
                    for value in values {
                        if !list.iter().any(|there| same_element(there, value)) {
                            list.push(value.clone());
                        }
                    }
                    put(&mut document, &field.path.0, Value::Array(list));
                }
                Change::Remove => remove(&mut document, &field.path.0),
            }
        }
        document
    }
}

impl Step {
    /// What the link's `written` has to be after this step: pass the one before (empty on import).
    pub fn remember(&self, written: &mut BTreeMap<String, WrittenField>) {
        match &self.work {
            Work::Register(new) => {
                for (path, value) in super::register::written(new) {
                    written.insert(path.to_string(), WrittenField { value: Some(value), theirs: false });
                }
            }
            Work::Edit(edit) => {
                for field in &edit.fields {
                    let value = match &field.change {
                        Change::Set { value } => Some(value.clone()),
                        Change::Remove => None,
                        Change::Add { values } => {
                            let ours = written.get(&field.path.to_string()).and_then(|written| written.value.as_ref());
                            let mut ours = ours.and_then(Value::as_array).cloned().unwrap_or_default();
                            for value in values {
                                if !ours.iter().any(|there| same_element(there, value)) {
                                    ours.push(value.clone());
                                }
                            }
                            Some(Value::Array(ours))
                        }
                    };
                    written.insert(field.path.to_string(), WrittenField { value, theirs: false });
                }
            }
        }
    }
}

/// Elements of a list are the same when they are equal, or maps with the same `url` (links).
pub fn same_element(a: &Value, b: &Value) -> bool {
    match (a.get("url"), b.get("url")) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

/// Puts a value at a path, making the maps on the way.
pub(crate) fn put(document: &mut Value, keys: &[String], value: Value) {
    let [key, rest @ ..] = keys else {
        *document = value;
        return;
    };
    if !document.is_object() {
        *document = Value::Object(serde_json::Map::new());
    }
    if let Value::Object(map) = document {
        put(map.entry(key.as_str()).or_insert(Value::Null), rest, value);
    }
}

fn remove(document: &mut Value, keys: &[String]) {
    let [way @ .., last] = keys else { return };
    let parent = way.iter().try_fold(document, |value, key| value.as_object_mut()?.get_mut(key));
    if let Some(parent) = parent.and_then(Value::as_object_mut) {
        parent.shift_remove(last);
    }
}
