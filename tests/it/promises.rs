//! `docs/promises.md` is true: every promise owed is in it, and every test it names exists.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use super::layout::{root, sources};

/// What this version owes, by feature.
const OWED: [(&str, &[u32]); 7] = [
    ("P2", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]),
    ("P3", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
    ("P4", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]),
    ("P5", &[1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ("P6", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
    ("P7", &[1, 2, 3, 4, 5, 7, 9, 10, 11]),
    ("I", &[1, 2, 3, 4, 5, 6, 7, 8, 9]),
];
/// How a promise without a test is marked.
const NONE_YET: &str = "none yet";

/// The rows of the tables: id, words, the cell with the tests.
fn rows(text: &str) -> Vec<(String, String, String)> {
    let row = Regex::new(r"(?m)^\| ([PI]\d+(?:\.\d+)?) \| (.+) \| ([^|]+) \|$").unwrap();
    row.captures_iter(text).map(|row| (row[1].to_owned(), row[2].to_owned(), row[3].to_owned())).collect()
}

/// Names of test functions, by file from the root.
fn tests() -> BTreeMap<String, BTreeSet<String>> {
    // Attributes, then the function; `proptest!` writes them the same way.
    let test = Regex::new(
        r"(?m)^\s*#\[(?:tokio::)?test(?:\([^\]]*\))?\]\s*(?:(?://[^\n]*|#\[[^\n]*\])\s*)*(?:async )?fn ([a-z0-9_]+)",
    )
    .unwrap();
    let mut found = BTreeMap::new();
    for path in sources(&["src", "tests"]) {
        let text = std::fs::read_to_string(&path).unwrap();
        let names: BTreeSet<String> = test.captures_iter(&text).map(|test| test[1].to_owned()).collect();
        let file = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        found.insert(file, names);
    }
    found
}

#[test]
fn every_promise_owed_is_told() {
    let text = std::fs::read_to_string(root().join("docs/promises.md")).unwrap();
    let rows = rows(&text);
    let told: Vec<&str> = rows.iter().map(|(id, ..)| id.as_str()).collect();
    let id = |group: &str, number: &u32| if group == "I" { format!("I{number}") } else { format!("{group}.{number}") };
    let owed: Vec<String> =
        OWED.iter().flat_map(|(group, numbers)| numbers.iter().map(|number| id(group, number))).collect();
    assert_eq!(told, owed, "each id once, in order");
    for (id, words, _) in &rows {
        assert!(words.len() > 30, "{id}: say it in words");
    }
}

#[test]
fn every_test_named_exists() {
    let text = std::fs::read_to_string(root().join("docs/promises.md")).unwrap();
    let tests = tests();
    let mut proved = 0;
    let mut wrong = Vec::new();
    for (id, _, cell) in rows(&text) {
        let named: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
        if named.is_empty() && !cell.contains(NONE_YET) {
            wrong.push(format!("{id}: names no test and does not say `{NONE_YET}`"));
        }
        proved += usize::from(!named.is_empty());
        for name in named {
            let known = name.split_once("::").and_then(|(file, test)| Some((tests.get(file)?, test)));
            if !known.is_some_and(|(tests, test)| tests.contains(test)) {
                wrong.push(format!("{id}: there is no test {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{proved} promises have a test of {} in all", tests.values().map(BTreeSet::len).sum::<usize>());
}

#[test]
fn tests_are_found_however_they_are_written() {
    let here = &tests()["tests/it/promises.rs"];
    assert_eq!(
        here.iter().map(String::as_str).collect::<Vec<_>>(),
        ["every_promise_owed_is_told", "every_test_named_exists", "tests_are_found_however_they_are_written",]
    );
    let table =
        "| id | promise | proved by |\n|---|---|---|\n| P2.1 | words | `a.rs::b` |\n| I3 | words | none yet |\n";
    assert_eq!(rows(table).len(), 2);
}
