//! New entities: valid names, the document in the order people write it, its file, and the comment above.

use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::fields::{self, Field, Mapped, Mode};
use super::note::About;
use super::step::{FieldPath, NewEntity, put};
use super::{mark, value};
use crate::catalog::{Abilities, backstage, harness};
use crate::error::escape_control;
use crate::model::{EntityFormat, EntityRef, ImportAction, InstanceId, Repository};

/// Owner of a new entity that nobody named one for.
pub const UNKNOWN_OWNER: &str = "unknown";

/// Why a repository cannot be registered. Messages are for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unregistrable {
    /// No folder for new entities.
    #[error("the catalog takes no new entities: set `new_entities` in its config")]
    NoFolder,
    /// The folder for new entities is not inside the catalog.
    #[error("`new_entities: {folder}` leads out of the catalog: name a folder inside it")]
    FolderOutside {
        /// As configured.
        folder: String,
    },
    /// A kind that needs more than a repository can tell.
    #[error("{kind} cannot be registered: {because}")]
    Kind {
        /// As asked for.
        kind: String,
        /// Why, and what can be done.
        because: &'static str,
    },
    /// Nothing of the slug can stand in a name.
    #[error(
        "no valid entity name can be made of `{slug}`: create the entity by hand, then import into it with `--into`"
    )]
    Name {
        /// The repository's slug.
        slug: String,
    },
    /// The namespace of new entities is not valid.
    #[error("`{scope}` is no valid namespace, org or project for new entities: mend it in the catalog's config")]
    Scope {
        /// As configured.
        scope: String,
    },
}

/// The entity a registration would create; whether its name is taken is not looked at.
///
/// # Errors
/// [`Unregistrable`] with what a person can do.
pub fn would_register(repository: &Repository, abilities: &Abilities, kind: &str) -> Result<EntityRef, Unregistrable> {
    folder(abilities)?;
    let kind = canonical_kind(kind, abilities.format)?;
    let name = name(repository, abilities.format)?;
    let scope = scope(abilities)?;
    Ok(match abilities.format {
        EntityFormat::Backstage => EntityRef::backstage(kind, &scope, &name),
        EntityFormat::Harness => EntityRef::harness(kind, &scope, &name),
    })
}

/// What a new entity is to be.
pub(crate) struct Wish<'a> {
    pub kind: &'a str,
    pub entity_type: Option<&'a str>,
    /// A person's word about the type.
    pub asked_type: Option<&'a str>,
    pub owner: Option<&'a str>,
    pub integration: &'a str,
    pub tags: &'a [String],
    pub fields: &'a [Mapped],
}

/// The new document.
pub(crate) fn new_entity(
    repository: &Repository,
    abilities: &Abilities,
    wish: &Wish<'_>,
) -> Result<(NewEntity, Vec<About>), Unregistrable> {
    let format = abilities.format;
    let kind = canonical_kind(wish.kind, format)?;
    let name = name(repository, format)?;
    let scope = scope(abilities)?;
    let file = file(repository, abilities, &name)?;

    let own = mark::fields(repository, wish.tags, Some(wish.integration), ImportAction::Register, format);
    let (fields, mut notes) = fields::wanted(wish.fields, own, format);
    let mut draft = json!({});
    for Field { path, value, .. } in &fields {
        if let Some(value) = value {
            put(&mut draft, &path.0, value.clone());
        }
    }
    let at = |keys: &[&str]| value::in_format(&FieldPath::of(keys), format);
    for (path, given) in
        [(at(&["spec", "owner"]), wish.owner), (at(&["spec", "type"]), wish.asked_type.or(wish.entity_type))]
    {
        let Some(given) = given else { continue };
        match value::checked(&path, Mode::Set, &json!(given), format) {
            // A person's word outranks the rules; the integration's type has been through them already.
            Ok(Some(given)) => put(&mut draft, &path.0, given),
            Ok(None) => {}
            Err(reason) => notes.push(About::Omitted { path, reason }),
        }
    }
    let needs_type = matches!(kind, "Component" | "Resource");
    let fill = |draft: &mut Value, path: FieldPath, value: &str| {
        if path.get(draft).is_none_or(Value::is_null) {
            put(draft, &path.0, json!(value));
        }
    };
    if needs_type {
        fill(&mut draft, at(&["spec", "type"]), "service");
    } else if wish.asked_type.is_none()
        && !wish.fields.iter().any(|field| value::in_format(&field.path, format) == at(&["spec", "type"]))
    {
        // A system of type `service` is nothing anybody means by the integration's default.
        let path = at(&["spec", "type"]);
        if let Some(parent) = parent_of(&mut draft, &path) {
            parent.shift_remove(path.0.last().map_or("", String::as_str));
        }
    }
    if kind == "Component" {
        fill(&mut draft, at(&["spec", "lifecycle"]), "production");
    }
    fill(&mut draft, at(&["spec", "owner"]), UNKNOWN_OWNER);
    if at(&["spec", "owner"]).get(&draft) == Some(&json!(UNKNOWN_OWNER)) {
        notes.push(About::OwnerUnknown);
    }
    match format {
        EntityFormat::Backstage => {
            put(&mut draft, &keys(&["metadata", "name"]), json!(name));
            if scope != "default" {
                put(&mut draft, &keys(&["metadata", "namespace"]), json!(scope));
            }
        }
        EntityFormat::Harness => {
            put(&mut draft, &keys(&["identifier"]), json!(name));
            if let Some(org) = &abilities.org {
                put(&mut draft, &keys(&["orgIdentifier"]), json!(org));
            }
            if let Some(project) = &abilities.project {
                put(&mut draft, &keys(&["projectIdentifier"]), json!(project));
            }
            let display = FieldPath::of(&["name"]);
            if let Ok(Some(Value::String(text))) = value::checked(&display, Mode::Set, &json!(repository.name), format)
            {
                fill(&mut draft, display, &text);
            }
        }
    }
    let api_version = match format {
        EntityFormat::Backstage => "backstage.io/v1alpha1",
        EntityFormat::Harness => "harness.io/v1",
    };
    put(&mut draft, &keys(&["apiVersion"]), json!(api_version));
    put(&mut draft, &keys(&["kind"]), json!(kind));
    let new = NewEntity {
        format,
        kind: kind.to_owned(),
        file,
        document: in_written_order(draft),
        header: header(repository, wish.integration),
    };
    Ok((new, notes))
}

/// The fields of a new entity that we own: all but what names it.
pub(crate) fn written(new: &NewEntity) -> Vec<(FieldPath, Value)> {
    fn walk(at: &mut Vec<String>, value: &Value, out: &mut Vec<(FieldPath, Value)>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    at.push(key.clone());
                    walk(at, value, out);
                    at.pop();
                }
            }
            value => out.push((FieldPath(at.clone()), value.clone())),
        }
    }
    let mut out = Vec::new();
    walk(&mut Vec::new(), &new.document, &mut out);
    out.retain(|(path, _)| mark::is_own(path) || *path == links() || value::allowed(path, new.format).is_ok());
    out
}

fn links() -> FieldPath {
    FieldPath::of(&["metadata", "links"])
}

fn keys(keys: &[&str]) -> Vec<String> {
    FieldPath::of(keys).0
}

fn parent_of<'a>(document: &'a mut Value, path: &FieldPath) -> Option<&'a mut Map<String, Value>> {
    let way = &path.0[..path.0.len().saturating_sub(1)];
    way.iter().try_fold(document, |value, key| value.get_mut(key))?.as_object_mut()
}

/// Keys as people write them; those without a customary place follow in the order they came.
fn in_written_order(document: Value) -> Value {
    const ROOT: &[&str] = &[
        "apiVersion",
        "kind",
        "identifier",
        "name",
        "type",
        "owner",
        "orgIdentifier",
        "projectIdentifier",
        "description",
        "metadata",
        "spec",
    ];
    const METADATA: &[&str] = &[
        "name",
        "namespace",
        "title",
        "description",
        "labels",
        "annotations",
        "tags",
        "links",
        "integration",
        "integration_properties",
    ];
    const SPEC: &[&str] = &["type", "lifecycle", "owner", "system", "domain"];
    fn order(value: Value, first: &[&str]) -> Value {
        let Value::Object(mut map) = value else { return value };
        let mut sorted = Map::new();
        for key in first {
            if let Some(value) = map.shift_remove(*key) {
                sorted.insert((*key).to_owned(), value);
            }
        }
        sorted.extend(map);
        Value::Object(sorted)
    }
    let mut document = order(document, ROOT);
    for (key, first) in [("metadata", METADATA), ("spec", SPEC)] {
        if let Some(inner) = document.get_mut(key) {
            *inner = order(inner.take(), first);
        }
    }
    document
}

/// Who made the file, and how to stop it. Only our words and validated ids.
fn header(repository: &Repository, integration: &str) -> Vec<String> {
    let is_integration = integration.starts_with(|c: char| c.is_ascii_lowercase())
        && integration.len() <= 63
        && integration.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let by = if is_integration { format!(" (integration {integration})") } else { String::new() };
    let bare = repository.key.id.trim_start_matches('{').trim_end_matches('}');
    let is_id = !bare.is_empty() && bare.len() <= 64 && bare.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let repo = if is_id { format!("'{}'", repository.key.id) } else { "REPO".to_owned() };
    vec![
        format!("Made by catalog-sync{by} from a Bitbucket repository, and kept up to date by it."),
        "What you change here is yours: changed values are never written again.".to_owned(),
        format!("To stop it: catalog-sync imported unlink {repo}"),
    ]
}

fn folder(abilities: &Abilities) -> Result<PathBuf, Unregistrable> {
    let folder = abilities.new_entities.as_deref().ok_or(Unregistrable::NoFolder)?;
    let outside = || Unregistrable::FolderOutside { folder: escape_control(&folder.display().to_string()) };
    let mut inside = PathBuf::new();
    for component in folder.components() {
        match component {
            Component::CurDir => {}
            Component::Normal(segment) => inside.push(segment),
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return Err(outside()),
        }
    }
    if inside.components().any(|c| c.as_os_str().eq_ignore_ascii_case(".git")) {
        return Err(outside());
    }
    Ok(inside)
}

fn file(repository: &Repository, abilities: &Abilities, name: &str) -> Result<PathBuf, Unregistrable> {
    let bad = || Unregistrable::Name { slug: escape_control(&repository.slug) };
    // On Data Center the project is what there is of a workspace: the instance's host comes before it.
    let instance = &repository.key.instance;
    let workspace = if *instance == InstanceId::cloud() { repository.workspace.as_str() } else { host_of(instance) };
    let workspace = segment(workspace, 63).ok_or_else(bad)?;
    let project = match repository.project_key.as_deref() {
        Some(key) => segment(key, 63).ok_or_else(bad)?,
        None => "no-project".to_owned(),
    };
    let name = segment(name, 63 - ".yaml".len()).ok_or_else(bad)?;
    Ok(folder(abilities)?.join(workspace).join(project).join(format!("{name}.yaml")))
}

/// `https://git.acme.dev:8443/bitbucket` → `git.acme.dev:8443/bitbucket`.
fn host_of(instance: &InstanceId) -> &str {
    instance.0.split_once("://").map_or(instance.0.as_str(), |(_, host)| host)
}

/// One segment of a path, `[a-z0-9][a-z0-9._-]*`, at most `longest` bytes. What is cut off leaves a short
/// hash, so that two long names do not become one file.
pub(crate) fn segment(text: &str, longest: usize) -> Option<String> {
    let safe: String = text
        .chars()
        .map(|c| c.to_ascii_lowercase())
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c) { c } else { '-' })
        .collect();
    let mut segment = safe.trim_start_matches(['.', '_', '-']).trim_end_matches('.').to_owned();
    if segment.len() > longest {
        let hash = hex::encode(&Sha256::digest(text.as_bytes())[..4]);
        segment.truncate(longest - hash.len() - 1);
        segment = format!("{segment}-{hash}");
    }
    (!segment.is_empty()).then_some(segment)
}

/// Whether a path segment is one that [`segment`] could have made.
pub(crate) fn is_segment(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
}

/// Whether a file for a new entity ends in `<workspace>/<project>/<name>.yaml`, and stays inside.
pub(crate) fn is_safe_file(file: &Path) -> bool {
    let segments: Vec<_> = file.components().collect();
    segments.iter().all(|segment| matches!(segment, Component::Normal(_)))
        && segments.len() >= 3
        && segments.iter().rev().take(3).all(|segment| segment.as_os_str().to_str().is_some_and(is_segment))
        && file.extension().is_some_and(|extension| extension == "yaml")
}

fn canonical_kind(kind: &str, format: EntityFormat) -> Result<&'static str, Unregistrable> {
    let refuse = |because| Err(Unregistrable::Kind { kind: escape_control(kind), because });
    match kind.to_ascii_lowercase().as_str() {
        "component" => Ok("Component"),
        "resource" => Ok("Resource"),
        "system" => Ok("System"),
        "domain" if format == EntityFormat::Harness => {
            refuse("Harness has no such kind; choose Component, Resource or System")
        }
        "domain" => Ok("Domain"),
        "api" => refuse(
            "it needs a definition; choose Component, Resource, System or Domain, or merge into an API that is there",
        ),
        _ => refuse("choose Component, Resource, System or Domain"),
    }
}

fn name(repository: &Repository, format: EntityFormat) -> Result<String, Unregistrable> {
    let (name, is_valid) = match format {
        EntityFormat::Backstage => {
            let name = backstage::slug_to_name(&repository.slug);
            let is_valid = backstage::valid_name(&name).is_ok();
            (name, is_valid)
        }
        EntityFormat::Harness => {
            let identifier = harness::slug_to_identifier(&repository.slug);
            let is_valid = harness::valid_identifier(&identifier).is_ok();
            (identifier, is_valid)
        }
    };
    if is_valid { Ok(name) } else { Err(Unregistrable::Name { slug: escape_control(&repository.slug) }) }
}

fn scope(abilities: &Abilities) -> Result<String, Unregistrable> {
    let bad = |scope: &str| Unregistrable::Scope { scope: escape_control(scope) };
    match abilities.format {
        EntityFormat::Backstage => {
            let namespace = if abilities.namespace.is_empty() { "default" } else { &abilities.namespace };
            backstage::valid_namespace(namespace).map_err(|_| bad(namespace))?;
            Ok(namespace.to_owned())
        }
        EntityFormat::Harness => {
            let (org, project) = (abilities.org.as_deref(), abilities.project.as_deref());
            if let (None, Some(project)) = (org, project) {
                return Err(bad(project));
            }
            for part in [org, project].into_iter().flatten() {
                harness::valid_identifier(part).map_err(|_| bad(part))?;
            }
            Ok(harness::scope(org, project))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// security.md, paths: new segments are safe and unique without case.
    #[test]
    fn segments_are_safe() {
        for (text, expected) in [
            ("acme", Some("acme")),
            ("PAY", Some("pay")),
            ("~jdoe", Some("jdoe")),
            ("..", None),
            ("../../etc", Some("etc")),
            (".git", Some("git")),
            ("a/b\\c", Some("a-b-c")),
            ("x.", Some("x")),
        ] {
            assert_eq!(segment(text, 63).as_deref(), expected, "{text}");
        }
        let (a, b) = ("x".repeat(70) + "a", "x".repeat(70) + "b");
        let (a, b) = (segment(&a, 58).expect("made"), segment(&b, 58).expect("made"));
        assert!(a != b && is_segment(&a) && a.len() == 58, "{a} {b}");
    }
}
