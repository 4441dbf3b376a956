//! Real descriptors of public repositories: a realistic merge into each Component (Shows 4, P4.9).

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::documents::{self, Found};
use super::edit::{NotEdited, edit};
use crate::model::EntityFormat;
use crate::plan::{Change, FieldChange, FieldPath};
use crate::recorded::folder;

fn files(folder: &Path) -> Vec<(PathBuf, String)> {
    let index = fs::read_to_string(folder.join("index.jsonl")).unwrap();
    index
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|row| {
            let file = row["file"].as_str().unwrap();
            (folder.join(file), row["role"].as_str().unwrap().to_owned())
        })
        .collect()
}

fn merge(document: &Value, format: EntityFormat) -> Vec<FieldChange> {
    let field = |path: &[&str], change: Change| {
        let path = FieldPath::of(path);
        FieldChange { before: path.get(document).cloned(), path, change, is_mark: false }
    };
    let set = |path: &[&str], value: &str| field(path, Change::Set { value: json!(value) });
    let mut fields = match format {
        EntityFormat::Backstage => vec![
            set(
                &["metadata", "annotations", "catalog-sync.dev/repository"],
                "bitbucket.org/{7dd600e6-0d9c-4801-b967-cb4cc17359ff}",
            ),
            set(&["metadata", "annotations", "catalog-sync.dev/integration"], "acme"),
            set(&["metadata", "annotations", "catalog-sync.dev/action"], "MERGE"),
            set(&["metadata", "annotations", "catalog-sync.dev/project-key"], "PAY"),
        ],
        EntityFormat::Harness => vec![
            set(&["metadata", "integration", "name"], "acme"),
            set(&["metadata", "integration", "action"], "MERGE"),
            set(&["metadata", "integration_properties", "BitbucketCloud", "url"], "https://bitbucket.org/acme/a"),
        ],
    };
    if document.pointer("/metadata/description").is_none_or(Value::is_null) {
        fields.push(set(&["metadata", "description"], "What it does: \"much\", #1"));
    }
    let link = json!({"url": "https://bitbucket.org/acme/a", "title": "Bitbucket repository"});
    fields.push(field(&["metadata", "links"], Change::Add { values: vec![link] }));
    fields
}

/// Lines of `before` that are not in `after`, in order: by plain search, not by the code under test.
fn lost_lines<'a>(before: &'a str, after: &'a str) -> Vec<&'a str> {
    let mut rest = after.lines();
    let mut lost = Vec::new();
    for line in before.lines() {
        let mut ahead = rest.clone();
        match ahead.find(|other| *other == line) {
            Some(_) => rest = ahead,
            None => lost.push(line),
        }
    }
    lost
}

#[derive(Debug, Default)]
struct Count {
    files: usize,
    documents: usize,
    clean: usize,
    flow_line_changed: usize,
    refused: Vec<String>,
}

fn run(folder: &Path, counts: impl Fn(&str) -> bool) -> Count {
    let mut count = Count::default();
    for (path, role) in files(folder) {
        if !counts(&role) {
            continue;
        }
        let Ok(text) = fs::read_to_string(&path) else { continue };
        count.files += 1;
        for document in documents::read(&text) {
            let Found::Entity { format, identity, document } = document.found else { continue };
            count.documents += 1;
            let shown = format!("{}: {}", path.strip_prefix(folder).unwrap().display(), identity.entity_ref);
            let fields = merge(&document, format);
            let edited = match edit(&text, &identity.entity_ref, &fields) {
                Ok(edited) => edited,
                Err(NotEdited::Refused { because, .. }) => {
                    count.refused.push(format!("{shown}: {because}"));
                    continue;
                }
                Err(other) => panic!("{shown}: {other:?}"),
            };
            let lost = lost_lines(&text, &edited.text);
            match lost.as_slice() {
                [] => count.clean += 1,
                lost => {
                    let mapped = |line: &&str| line.contains(['{', '[']) || line.trim_end().ends_with("null");
                    assert!(lost.iter().all(mapped), "{shown}: {lost:?}");
                    count.flow_line_changed += 1;
                }
            }
            // Nothing was to be done twice, and every field has its value.
            let again = edit(&edited.text, &identity.entity_ref, &fields).unwrap();
            assert_eq!((again.text, again.fields.len()), (edited.text, 0), "{shown}");
        }
    }
    count
}

#[test]
fn every_backstage_descriptor_is_merged_into() {
    let Some(shared) = folder() else { return };
    for role in ["descriptor", "monorepo-descriptor", "catalog", "fixture"] {
        let count = run(&shared.join("catalogs/backstage"), |other| other == role);
        println!("backstage, {role}: {count:#?}");
        assert!(count.clean + count.flow_line_changed > 0);
        // A file that names two of its documents alike is refused, and nothing else.
        assert!(count.refused.iter().all(|because| because.contains("more than one document")), "{:?}", count.refused);
    }
}

#[test]
fn every_harness_document_is_merged_into() {
    let Some(shared) = folder() else { return };
    let count = run(&shared.join("catalogs/harness"), |_| true);
    println!("harness: {count:#?}");
    assert!(count.documents >= 5 && count.clean == count.documents, "{count:?}");
}

// Skeletons look like descriptors: none of them may become an entity.
#[test]
fn templates_are_no_entities() {
    let Some(shared) = folder() else { return };
    let folder = shared.join("catalogs/backstage");
    let (mut templates, mut entities) = (0, Vec::new());
    for (path, role) in files(&folder) {
        if role != "template" && role != "scaffolder-template" {
            continue;
        }
        let Ok(text) = fs::read_to_string(&path) else { continue };
        templates += 1;
        for document in documents::read(&text) {
            if let Found::Entity { identity, .. } = document.found {
                entities.push(format!("{}: {}", path.strip_prefix(&folder).unwrap().display(), identity.entity_ref));
            }
        }
    }
    println!("templates: {templates}, documents taken for entities: {entities:#?}");
    assert!(templates > 0);
}
