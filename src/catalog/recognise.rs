//! What a document is, whatever its format. No I/O.

use serde_json::Value;

use super::{backstage, harness};
use crate::model::{EntityFormat, EntityRef, ImportAction, Mark, RepoKey};
use crate::plan::FieldPath;

/// Where the parts of our mark stand in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkPaths {
    /// The repository: the `Display` of its [`RepoKey`].
    pub repository: FieldPath,
    /// The integration's name.
    pub integration: FieldPath,
    /// `REGISTER` or `MERGE`.
    pub action: FieldPath,
}

/// Where our mark stands in documents of a format; read and written at the same place.
pub fn mark_paths(format: EntityFormat) -> MarkPaths {
    match format {
        EntityFormat::Backstage => backstage::mark_paths(),
        EntityFormat::Harness => harness::mark_paths(),
    }
}

/// Our mark, if the document carries a whole and readable one.
pub(super) fn mark(document: &Value, format: EntityFormat) -> Option<Mark> {
    let paths = mark_paths(format);
    let text = |path: &FieldPath| path.get(document).and_then(Value::as_str).map(str::to_owned);
    Some(Mark {
        repository: RepoKey::parse(&text(&paths.repository)?)?,
        integration: text(&paths.integration).unwrap_or_default(),
        action: ImportAction::from_mark(&text(&paths.action)?)?,
    })
}

/// What an entity document says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Canonical name.
    pub entity_ref: EntityRef,
    /// As written.
    pub kind: String,
    /// Its type, where it has one.
    pub entity_type: Option<String>,
    /// Its owner, where it has one.
    pub owner: Option<String>,
    /// The catalog's own id, else the entity ref.
    pub entity_id: String,
    /// Our mark, where it carries one.
    pub mark: Option<Mark>,
}

/// What a document is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recognised {
    /// An entity.
    Entity(Box<Identity>),
    /// Nothing that concerns a catalog: no `apiVersion` of a format we know.
    NotOurs,
    /// Left alone by design, and why.
    ByDesign(String),
    /// Meant to be an entity, and is not a valid one.
    Fault(String),
}

/// The format a document follows, by its `apiVersion`.
pub fn format_of(document: &Value) -> Option<EntityFormat> {
    let api_version = document.get("apiVersion")?.as_str()?;
    if backstage::is_api_version(api_version) {
        Some(EntityFormat::Backstage)
    } else if harness::is_api_version(api_version) {
        Some(EntityFormat::Harness)
    } else {
        None
    }
}

/// Says what a document is.
pub fn recognise(document: &Value) -> Recognised {
    let Some(format) = format_of(document) else {
        let api_version = document.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
        return if has_placeholder(api_version) { template() } else { Recognised::NotOurs };
    };
    if is_template(document) {
        return template();
    }
    match format {
        EntityFormat::Backstage => backstage::recognise(document),
        EntityFormat::Harness => harness::recognise(document),
    }
}

fn template() -> Recognised {
    Recognised::ByDesign("a template: it holds placeholders where values belong".to_owned())
}

/// Whether text holds `{{ … }}` (also as `${{ … }}`).
fn has_placeholder(text: &str) -> bool {
    text.split_once("{{").is_some_and(|(_, rest)| rest.contains("}}"))
}

/// Skeletons look like descriptors. What names or classifies an entity never holds a placeholder in a
/// real one; descriptions and definitions may.
fn is_template(document: &Value) -> bool {
    let in_text = |value: &Value| value.as_str().is_some_and(has_placeholder);
    let in_scalars = |map: Option<&Value>, except: &[&str]| {
        map.and_then(Value::as_object)
            .is_some_and(|map| map.iter().any(|(key, value)| !except.contains(&key.as_str()) && in_text(value)))
    };
    let annotations = document.pointer("/metadata/annotations").and_then(Value::as_object);
    in_scalars(Some(document), &["description"])
        || in_scalars(document.get("metadata"), &["description"])
        || in_scalars(document.get("spec"), &["definition", "description"])
        || annotations.is_some_and(|map| {
            map.values().any(|value| value.as_str().is_some_and(|text| text.contains("${{") && has_placeholder(text)))
        })
}
