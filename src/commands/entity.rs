//! One entity of a catalog as it is now, and entities by a part of their name: for pages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer::ImportedRow;
use super::caller::Sees;
use super::request::Answer;
use super::{App, Failure, imported, masked};
use crate::assemble;
use crate::catalog::mark_paths;
use crate::config::Integration;
use crate::config::located;
use crate::engine::{Stop, survey};
use crate::model::{Entity, EntityFormat, EntityRef, Link};
use crate::plan::{self, FieldPath};

/// At most so many entities are found at once.
pub const MOST_FOUND: usize = 20;
/// Of so many that one names, it is looked up whether they are there.
const MOST_RELATED: usize = 100;
/// What begins the names of annotations that an import keeps on a Backstage entity.
const PROPERTIES: &str = "catalog-sync.dev/";
/// Fields of an entity that name other entities, by format.
const RELATIONS: [&str; 10] = [
    "owner",
    "system",
    "domain",
    "subcomponentOf",
    "subdomainOf",
    "dependsOn",
    "dependencyOf",
    "providesApis",
    "consumesApis",
    "parent",
];

/// An entity that a search found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FoundEntity {
    /// Its canonical name.
    pub entity: String,
    /// Full names of the repositories linked to it, as far as the asker sees them.
    pub linked: Vec<String>,
}

/// Lines of an entity's file that an import wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct WrittenLines {
    /// From 1, of the file.
    pub first: usize,
    /// The last one, itself included.
    pub last: usize,
    /// Path of the field.
    pub field: String,
}

/// Another entity that one names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Related {
    /// The field that names it.
    pub how: String,
    /// As it is written.
    pub named: String,
    /// Its canonical name, where the catalog has it.
    pub entity: Option<String>,
}

/// An entity as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EntityDetail {
    /// Name of the integration it was looked up through.
    pub integration: String,
    /// Name of its catalog.
    pub catalog: String,
    /// Its canonical name.
    pub entity: String,
    /// Kind as written.
    pub kind: String,
    /// Type.
    pub r#type: Option<String>,
    /// Title, where it has one.
    pub title: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// `backstage` or `harness`.
    pub format: EntityFormat,
    /// The catalog's own id.
    pub entity_id: String,
    /// File and line.
    pub place: String,
    /// Whether it may be written.
    pub is_writable: bool,
    /// Other entities it names.
    pub relations: Vec<Related>,
    /// What an import keeps on it.
    pub properties: Vec<(String, String)>,
    /// Repositories linked to it, as far as the asker sees them.
    pub links: Vec<ImportedRow>,
    /// Its document as it stands in the file; `None`: it cannot be read now.
    pub text: Option<String>,
    /// The line of the file the text begins on.
    pub first_line: usize,
    /// Lines that hold what an import wrote, and nobody changed since.
    pub ours: Vec<WrittenLines>,
    /// Fields that an import wrote and somebody changed since.
    pub theirs: Vec<String>,
}

/// Through which integration an entity is looked up: the one named, or the first that the asker sees whose catalog has it.
pub(super) async fn show(app: &App, entity: &str, integration: Option<&str>) -> Result<Answer, Failure> {
    let mut looked = Vec::new();
    for integration in app.integrations(integration)? {
        if looked.contains(&integration.catalog) {
            continue;
        }
        looked.push(integration.catalog.clone());
        if let Some(detail) = detail(app, integration, entity).await? {
            return Ok(Answer::Entity(Box::new(detail)));
        }
    }
    let (what, mend) = match looked.as_slice() {
        [] => {
            (format!("there is no entity `{entity}`"), "there is no catalog to look in: no integration is to be seen")
        }
        _ => (
            format!("there is no entity `{entity}` in {}", looked.join(", ")),
            "it may have been renamed or removed, or lie in no catalog of these; the next sync will tell",
        ),
    };
    Err(Failure::unknown(what, mend))
}

async fn detail(app: &App, integration: &Integration, entity: &str) -> Result<Option<EntityDetail>, Failure> {
    let parts = app.assembler.parts(integration).await?;
    let catalog = parts.catalog.as_ref();
    let survey = survey::look(catalog, app.store.as_ref()).await;
    let survey = survey.map_err(|error| Failure::failed(Stop::from(error).into_report()))?;
    let wanted = survey.resolve(&EntityRef::from_canonical(entity));
    let Some(found) = catalog.entity(&wanted).await? else { return Ok(None) };
    let text = catalog.text(&found).await?;
    let links = app.store.links_to(&integration.catalog, &wanted).await?;
    let rules = assemble::rules(integration).ok();
    let mut shown = Vec::new();
    for of in app.visible().filter(|of| of.catalog == integration.catalog) {
        if !links.is_empty() {
            let rows = imported::rows_of(app, of).await?;
            shown.extend(rows.into_iter().filter(|row| row.entity == wanted.as_str()));
        }
    }
    let (mut paths, mut theirs) = (marks(&found), Vec::new());
    for (path, written) in links.iter().flat_map(|link: &Link| &link.written) {
        let (_, is_ours) = plan::fields::whose_now(path, written, rules.as_ref(), &found);
        match FieldPath::read(path) {
            Some(field) if is_ours => paths.push((path.clone(), field)),
            Some(_) => theirs.push(path.clone()),
            None => {}
        }
    }
    let mut related = Vec::new();
    for (how, named) in relations(&found).into_iter().take(MOST_RELATED) {
        let mut entity = None;
        if let Some(meant) = canonical(&how, &named) {
            let meant = survey.resolve(&EntityRef::from_canonical(&meant));
            entity = catalog.entity(&meant).await?.map(|_| meant.to_string());
        }
        related.push(Related { how, named, entity });
    }
    let (first_line, text) = text.map_or((1, None), |(line, text)| (line, Some(text)));
    let ours = text.as_deref().map(|text| lines_of(text, first_line, &paths)).unwrap_or_default();
    let field = |keys: &[&str]| FieldPath::of(keys).get(&found.document).and_then(Value::as_str).map(str::to_owned);
    if is_anothers(app, &found, &links).await? {
        return Ok(Some(EntityDetail {
            integration: integration.name.clone(),
            catalog: integration.catalog.clone(),
            entity: wanted.to_string(),
            title: None,
            description: None,
            format: found.format,
            entity_id: found.entity_id.clone(),
            place: masked::ANOTHER.to_owned(),
            is_writable: found.is_writable(),
            relations: Vec::new(),
            properties: vec![("linked by".to_owned(), masked::ANOTHER.to_owned())],
            links: Vec::new(),
            text: None,
            first_line: 1,
            ours: Vec::new(),
            theirs: Vec::new(),
            kind: found.kind,
            r#type: found.entity_type,
        }));
    }
    Ok(Some(EntityDetail {
        integration: integration.name.clone(),
        catalog: integration.catalog.clone(),
        entity: wanted.to_string(),
        title: field(&["metadata", "title"]).or_else(|| field(&["name"])),
        description: field(&["metadata", "description"]),
        format: found.format,
        entity_id: found.entity_id.clone(),
        place: found.place.to_string(),
        is_writable: found.is_writable(),
        relations: related,
        properties: properties(&found),
        links: shown,
        text,
        first_line,
        ours,
        theirs,
        kind: found.kind,
        r#type: found.entity_type,
    }))
}

/// Whether only integrations that the asker does not see look after the repositories of an entity: then its name is all
/// there is to know of it.
async fn is_anothers(app: &App, entity: &Entity, links: &[Link]) -> Result<bool, Failure> {
    if matches!(app.caller.sees, Sees::Everything) {
        return Ok(false);
    }
    let marked = entity.mark.as_ref().map(|mark| &mark.repository);
    let mut is_somebodys = false;
    for repo in links.iter().map(|link| &link.repo).chain(marked) {
        for of in app.visible() {
            if let Some((known, _)) = app.store.record(&of.key(), repo).await?
                && app.handed_over_to(&of.key(), &known).await?.is_none()
            {
                return Ok(false);
            }
        }
        is_somebodys |= !app.store.integrations_of(repo).await?.is_empty();
    }
    Ok(is_somebodys)
}

/// Where our mark stands.
fn marks(entity: &Entity) -> Vec<(String, FieldPath)> {
    if entity.mark.is_none() {
        return Vec::new();
    }
    let paths = mark_paths(entity.format);
    [paths.repository, paths.integration, paths.action].into_iter().map(|path| ("mark".to_owned(), path)).collect()
}

/// Which lines of a document hold these fields.
fn lines_of(text: &str, first_line: usize, paths: &[(String, FieldPath)]) -> Vec<WrittenLines> {
    // The marker that parts documents is no part of one.
    let (skipped, body) = match text.strip_prefix("---") {
        Some(rest) => rest.split_once('\n').map_or((0, text), |(_, body)| (1, body)),
        None => (0, text),
    };
    let Some(root) = located::parse(body, &mut Vec::new()) else { return Vec::new() };
    let mut lines: Vec<WrittenLines> = paths
        .iter()
        .filter_map(|(field, path)| {
            let mut node = &root;
            let mut begins = None;
            for key in &path.0 {
                let located::Value::Map(entries) = &node.value else { return None };
                let (name, value) = entries.iter().find(|(name, _)| name.text == *key)?;
                (begins, node) = (Some(name.place.line), value);
            }
            let first = begins?;
            // A block ends where the next thing begins: before it there is nothing but room.
            let line = body.lines().nth(node.end.line.saturating_sub(1)).unwrap_or_default();
            let is_next = line.chars().take(node.end.column.saturating_sub(1)).all(char::is_whitespace);
            let ends = if is_next && node.end.line > first { node.end.line - 1 } else { node.end.line };
            let at = first_line + skipped - 1;
            Some(WrittenLines { first: first + at, last: ends.max(first) + at, field: field.clone() })
        })
        .collect();
    lines.extend(parents_of(&root, first_line + skipped - 1, paths));
    lines.sort_by_key(|lines| (lines.first, lines.last));
    // `spec: { type: b }` is a parent and its child on one line.
    lines.dedup_by_key(|lines| (lines.first, lines.last));
    lines
}

/// A map in which nothing is but what an import wrote: its own line is the import's as well.
fn parents_of(root: &located::Node, at: usize, paths: &[(String, FieldPath)]) -> Vec<WrittenLines> {
    let mut parents: Vec<WrittenLines> = Vec::new();
    for (field, path) in paths {
        let Some((_, before)) = path.0.split_last().filter(|(_, before)| !before.is_empty()) else { continue };
        let Some((line, entries)) = map_at(root, before) else { continue };
        let is_written = |key: &str| {
            let of_it =
                |other: &FieldPath| other.0.split_last().is_some_and(|(last, rest)| last == key && rest == before);
            paths.iter().any(|(_, other)| of_it(other))
        };
        let line = line + at;
        if entries.iter().all(|(name, _)| is_written(&name.text)) && parents.iter().all(|one| one.first != line) {
            parents.push(WrittenLines { first: line, last: line, field: field.clone() });
        }
    }
    parents
}

/// The map that keys lead to, and the line of its own key.
fn map_at<'a>(root: &'a located::Node, keys: &[String]) -> Option<(usize, &'a [(located::Key, located::Node)])> {
    let (mut node, mut line) = (root, None);
    for key in keys {
        let located::Value::Map(entries) = &node.value else { return None };
        let (name, value) = entries.iter().find(|(name, _)| name.text == *key)?;
        (line, node) = (Some(name.place.line), value);
    }
    match &node.value {
        located::Value::Map(entries) => Some((line?, entries)),
        _ => None,
    }
}

/// `team-a` of an `owner` → `group:default/team-a`; `None`: what kind it is, is not said.
fn canonical(how: &str, named: &str) -> Option<String> {
    let kind = match how {
        "owner" => "group",
        "system" => "system",
        "domain" | "subdomainOf" => "domain",
        "subcomponentOf" => "component",
        "providesApis" | "consumesApis" => "api",
        _ => "",
    };
    let (kind, name) = named.split_once(':').unwrap_or((kind, named));
    if kind.is_empty() || name.is_empty() {
        return None;
    }
    let name = if name.contains('/') { name.to_owned() } else { format!("default/{name}") };
    Some(format!("{kind}:{name}").to_lowercase())
}

/// Other entities that it names.
fn relations(entity: &Entity) -> Vec<(String, String)> {
    let spec = match entity.format {
        EntityFormat::Backstage => entity.document.get("spec"),
        EntityFormat::Harness => Some(&entity.document),
    };
    let mut found = Vec::new();
    for name in RELATIONS {
        let values =
            [spec.and_then(|spec| spec.get(name)), entity.document.get("spec").and_then(|spec| spec.get(name))];
        match values.into_iter().flatten().next() {
            Some(Value::String(text)) => found.push((name.to_owned(), text.clone())),
            Some(Value::Array(all)) => {
                found.extend(all.iter().filter_map(Value::as_str).map(|text| (name.to_owned(), text.to_owned())));
            }
            _ => {}
        }
    }
    found
}

/// What imports keep on it: which repository it is, and what of it is told here.
fn properties(entity: &Entity) -> Vec<(String, String)> {
    let shown = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(all) => all
            .iter()
            .map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned))
            .collect::<Vec<_>>()
            .join(", "),
        other => other.to_string(),
    };
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let metadata = entity.document.get("metadata");
    match entity.format {
        EntityFormat::Backstage => {
            let annotations = metadata.and_then(|metadata| metadata.get("annotations")).and_then(Value::as_object);
            let others = ["bitbucket.org/project-slug", "backstage.io/source-location"];
            for (name, value) in annotations.into_iter().flatten() {
                if name.starts_with(PROPERTIES) || others.contains(&name.as_str()) {
                    found.insert(name.clone(), shown(value));
                }
            }
        }
        EntityFormat::Harness => {
            for name in ["integration", "integration_properties"] {
                if let Some(value) = metadata.and_then(|metadata| metadata.get(name)) {
                    flatten(name, value, &shown, &mut found);
                }
            }
        }
    }
    found.into_iter().collect()
}

fn flatten(name: &str, value: &Value, shown: &dyn Fn(&Value) -> String, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(field, value)| flatten(&format!("{name}.{field}"), value, shown, found));
        }
        value => drop(found.insert(name.to_owned(), shown(value))),
    }
}

/// Entities of an integration's catalog whose name holds a text, the likeliest first; as last read, without reading.
pub(super) async fn search(app: &App, integration: &str, text: &str) -> Result<Answer, Failure> {
    let integration = app.integration(integration)?;
    let text = text.trim().to_lowercase();
    let known = app.store.known_entities(&integration.catalog).await?.unwrap_or_default();
    let mut found: Vec<(usize, &EntityRef)> =
        known.iter().filter_map(|entity| Some((rank(entity, &text)?, entity))).collect();
    found.sort_by(|a, b| (a.0, a.1.name().len(), a.1).cmp(&(b.0, b.1.name().len(), b.1)));
    found.truncate(MOST_FOUND);
    let mut rows = Vec::new();
    for (_, entity) in found {
        let mut linked = Vec::new();
        for link in app.store.links_to(&integration.catalog, entity).await? {
            for of in app.visible().filter(|of| of.catalog == integration.catalog) {
                if let Some((known, _)) = app.store.record(&of.key(), &link.repo).await? {
                    linked.push(known.repository.full_name);
                    break;
                }
            }
        }
        rows.push(FoundEntity { entity: entity.to_string(), linked });
    }
    Ok(Answer::Entities(rows))
}

/// How well an entity fits: the name itself, its beginning, a part of it, a part of the whole.
fn rank(entity: &EntityRef, text: &str) -> Option<usize> {
    let (name, whole) = (entity.name().to_lowercase(), entity.as_str().to_lowercase());
    match () {
        () if name == text || whole == text => Some(0),
        () if name.starts_with(text) => Some(1),
        () if name.contains(text) => Some(2),
        () if whole.contains(text) => Some(3),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, first_line: usize, path: &[&str], expected: &[(usize, usize)]) {
        let paths = [(String::new(), FieldPath::of(path))];
        let lines = lines_of(text, first_line, &paths);
        let lines: Vec<(usize, usize)> = lines.iter().map(|lines| (lines.first, lines.last)).collect();
        assert_eq!(lines, expected, "{path:?}");
    }

    // P7.3: of a file's lines, those are marked that hold what an import wrote, and the line of a map that holds nothing
    // else.
    #[test]
    fn lines_of_fields_are_found_p7_3() {
        let text = "---\nkind: Component\nmetadata: # ours\n  name: a\n  description: |\n    two\n    lines\n  annotations:\n    x/y: \"1\"\n  tags: [a,\n    b]\nspec:\n  type: service\n";
        check(text, 10, &["metadata", "name"], &[(13, 13)]);
        check(text, 10, &["metadata", "description"], &[(14, 16)]);
        check(text, 10, &["metadata", "annotations", "x/y"], &[(17, 17), (18, 18)]);
        check(text, 10, &["metadata", "tags"], &[(19, 20)]);
        check(text, 10, &["spec", "type"], &[(21, 21), (22, 22)]);
        check(text, 10, &["spec", "owner"], &[]);
        check("kind: A\nspec: { type: b }\n", 1, &["spec", "type"], &[(2, 2)]);
    }

    #[test]
    fn the_likeliest_entity_comes_first_p3_4() {
        let entity = |name: &str| EntityRef::backstage("component", "default", name);
        let mut all = [entity("a-pay"), entity("pay"), entity("payments"), entity("shop")];
        all.sort_by_key(|entity| rank(entity, "pay").unwrap_or(9));
        assert_eq!(all.map(|entity| entity.name().to_owned()), ["pay", "payments", "a-pay", "shop"]);
        assert_eq!(rank(&entity("shop"), "default/s"), Some(3));
        assert_eq!(rank(&entity("shop"), "zzz"), None);
    }
}
