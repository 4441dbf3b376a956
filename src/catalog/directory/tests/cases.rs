//! Hard YAML, case by case: `fixtures/yaml/*.case` hold a file, the changes, and the file afterwards or
//! what is refused (P4.9).

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::edit::{NotEdited, edit};
use crate::model::EntityRef;
use crate::plan::{Change, FieldChange, FieldPath};

struct Case {
    before: String,
    changes: Vec<FieldChange>,
    wanted: Result<String, String>,
}

fn read(path: &Path) -> Case {
    let text = fs::read_to_string(path).unwrap();
    let (before, rest) = text.split_once("=== changes\n").unwrap();
    let (changes, wanted) = match rest.split_once("=== after\n") {
        Some((changes, after)) => (changes, Ok(after.to_owned())),
        None => {
            let (changes, because) = rest.split_once("=== refused\n").unwrap();
            (changes, Err(because.trim().to_owned()))
        }
    };
    Case { before: before.to_owned(), changes: changes.lines().map(change).collect(), wanted }
}

/// `set PATH VALUE [was VALUE]`, `add PATH VALUES`, `remove PATH was VALUE`.
fn change(line: &str) -> FieldChange {
    let (what, rest) = line.split_once(' ').unwrap();
    let (path, rest) = rest.split_once(' ').unwrap();
    let json = |text: &str| -> Value { serde_json::from_str(text).unwrap() };
    let (value, before) = match rest.split_once("was ") {
        Some((value, before)) => (value.trim(), Some(json(before))),
        None => (rest, None),
    };
    let change = match what {
        "set" => Change::Set { value: json(value) },
        "add" => Change::Add { values: json(value).as_array().unwrap().clone() },
        "remove" => Change::Remove,
        other => panic!("{other}"),
    };
    FieldChange { path: parse_path(path), before, change, is_mark: false }
}

fn parse_path(text: &str) -> FieldPath {
    let mut keys = Vec::new();
    let mut rest = text.strip_prefix('$').unwrap();
    while !rest.is_empty() {
        if let Some(behind) = rest.strip_prefix("[\"") {
            let (key, behind) = behind.split_once("\"]").unwrap();
            keys.push(key.to_owned());
            rest = behind;
        } else {
            let behind = rest.strip_prefix('.').unwrap();
            let end = behind.find(['.', '[']).unwrap_or(behind.len());
            keys.push(behind[..end].to_owned());
            rest = &behind[end..];
        }
    }
    FieldPath(keys)
}

fn entity(text: &str) -> EntityRef {
    let harness = text.contains("harness.io/");
    if harness {
        EntityRef::harness("component", "account", "a")
    } else {
        EntityRef::backstage("component", "default", "a")
    }
}

fn outcome(before: &str, changes: &[FieldChange]) -> Result<String, String> {
    match edit(before, &entity(before), changes) {
        Ok(edited) => Ok(edited.text),
        Err(NotEdited::NotHere) => Err("not here".to_owned()),
        Err(NotEdited::Changed { what, .. }) => Err(format!("changed {what}")),
        Err(NotEdited::Refused { because, .. }) => Err(because),
    }
}

fn cases() -> Vec<(String, Case)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/yaml");
    let mut cases: Vec<(String, Case)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "case"))
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), read(&path)))
        .collect();
    cases.sort_by(|a, b| a.0.cmp(&b.0));
    cases
}

fn compare(name: &str, got: &Result<String, String>, wanted: &Result<String, String>) -> Option<String> {
    match (got, wanted) {
        (Ok(got), Ok(wanted)) if got == wanted => None,
        (Err(got), Err(wanted)) if got.contains(wanted.as_str()) => None,
        _ => Some(format!("## {name}\ngot {}\nwanted {}\n", show(got), show(wanted))),
    }
}

fn show(outcome: &Result<String, String>) -> String {
    match outcome {
        Ok(text) => format!("edited:\n{text}"),
        Err(because) => format!("refused: {because}"),
    }
}

fn all(vary: impl Fn(&str) -> String) {
    let mut wrong = Vec::new();
    let cases = cases();
    assert!(cases.len() > 50);
    for (name, case) in cases {
        let (before, wanted) = (vary(&case.before), case.wanted.map(|text| vary(&text)));
        let got = outcome(&before, &case.changes);
        wrong.extend(compare(&name, &got, &wanted));
        // Done twice is done once.
        if let (Ok(got), Ok(_)) = (&got, &wanted) {
            wrong.extend(compare(&format!("{name}, again"), &outcome(got, &case.changes), &Ok(got.clone())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn hard_yaml_is_edited_or_refused() {
    all(str::to_owned);
}

#[test]
fn so_it_is_with_carriage_returns() {
    all(|text| text.replace('\n', "\r\n"));
}

#[test]
fn so_it_is_with_a_byte_order_mark() {
    all(|text| format!("\u{FEFF}{text}"));
}

#[test]
fn so_it_is_without_a_last_line_break() {
    // Where the last line is a block scalar that keeps its line breaks, the value itself would be another.
    all(|text| text.trim_end_matches('\n').to_owned());
}

// Line breaks that only YAML 1.1 knows: another reader would see another document.
#[test]
fn unclear_line_breaks_are_refused() {
    for odd in ["\r", "\u{85}", "\u{2028}"] {
        let text =
            format!("apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: a\n  title: 'a{odd} b'\n");
        let changes = [change("set $.metadata.description \"x\"")];
        assert!(outcome(&text, &changes).unwrap_err().contains("line breaks"), "{odd:?}");
    }
}
