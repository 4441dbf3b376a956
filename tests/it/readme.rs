//! The README is true: its commands are those of `--help`, its settings those of the schema, its explained decision
//! the one the demo prints.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};

use catalog_sync::cli::args::Cli;
use catalog_sync::config::{LoadOptions, schema};
use clap::{CommandFactory, Parser};
use regex::Regex;
use serde_json::Value;

use super::harness::Running;
use super::layout::root;

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).unwrap()
}

/// The text of every fenced block whose language is one of these, without the indent of its list.
fn blocks(text: &str, languages: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    // Indent, whether it is wanted, and its lines so far.
    let mut current: Option<(usize, bool, Vec<&str>)> = None;
    for line in text.lines() {
        let inner = line.trim_start();
        match (inner.strip_prefix("```"), current.take()) {
            (Some(language), None) => {
                current = Some((line.len() - inner.len(), languages.contains(&language), Vec::new()));
            }
            (Some(_), Some((_, true, lines))) => found.push(lines.join("\n")),
            (Some(_), Some((_, false, _))) | (None, None) => {}
            (None, Some((indent, wanted, mut lines))) => {
                lines.push(line.get(indent..).unwrap_or_default());
                current = Some((indent, wanted, lines));
            }
        }
    }
    found
}

/// Words of a shell line, with quotes; what follows ` #`, `|`, `>`, `&` or `;` is not ours.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        match (c, quote) {
            (c, Some(q)) if c == q => quote = None,
            ('\'' | '"', None) => quote = Some(c),
            ('#' | '|' | '>' | '&' | ';', None) if words.last().is_some_and(String::is_empty) => break,
            (' ', None) => words.push(String::new()),
            (c, _) => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The arguments of catalog-sync in a shell line, when it is one.
fn arguments(line: &str) -> Option<Vec<String>> {
    let words = words(line.trim());
    let mut words = words.into_iter().skip_while(|word| word.contains('=') && !word.starts_with('-'));
    match words.next()?.as_str() {
        "catalog-sync" => Some(words.collect()),
        "cargo" => {
            Some(words.skip_while(|word| word != "--").skip(1).collect()).filter(|args: &Vec<_>| !args.is_empty())
        }
        _ => None,
    }
}

#[test]
fn commands_in_blocks_are_those_of_help() {
    let mut tried = 0;
    for line in blocks(&readme(), &["sh", "console"]).iter().flat_map(|block| block.lines()) {
        let Some(arguments) = arguments(line.trim_start_matches("$ ")) else { continue };
        let parsed = Cli::try_parse_from(std::iter::once("catalog-sync".to_owned()).chain(arguments));
        if let Err(error) = parsed {
            panic!("the README says `{line}`:\n{error}");
        }
        tried += 1;
    }
    assert!(tried > 15, "{tried} commands found in README.md");
    assert!(root().join("scripts/test").exists(), "the README's test command");
}

/// Every command that does something, as a person types it.
fn leaves(command: &clap::Command, before: &str) -> Vec<String> {
    let mut found = Vec::new();
    for sub in command.get_subcommands() {
        let name = format!("{before}{}", sub.get_name());
        if sub.has_subcommands() {
            found.extend(leaves(sub, &format!("{name} ")));
        } else {
            found.push(name);
        }
    }
    found
}

#[test]
fn every_command_is_in_the_table() {
    let readme = readme();
    // `sync history` · `sync show ID`: code spans in the first cell of a row.
    let row = Regex::new(r"(?m)^\| (`(?:\\\||[^|])*`) \|").unwrap();
    let spans: Vec<String> = row
        .captures_iter(&readme)
        .flat_map(|row| row[1].split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let is_told = |name: &str| spans.iter().any(|span| span == name || span.starts_with(&format!("{name} ")));
    let commands = leaves(&Cli::command(), "");
    let missing: Vec<&String> = commands.iter().filter(|name| !is_told(name)).collect();
    assert!(missing.is_empty(), "the README does not tell of {missing:?}");
    assert!(commands.len() > 25, "{commands:?}");
}

/// What the schema says of one setting.
struct Setting {
    default: Option<Value>,
    refused: bool,
}

/// Every setting of the schema by its place: `integrations[].guard.percent`.
fn settings() -> BTreeMap<String, Setting> {
    let schema = schema::schema();
    let mut found = BTreeMap::new();
    walk(&schema, &schema, "", &mut found);
    found
}

/// Follows references, and alternatives that leave only one once `null` is gone.
fn resolved<'a>(schema: &'a Value, mut node: &'a Value) -> &'a Value {
    loop {
        let next = if let Some(reference) = node["$ref"].as_str() {
            let name = reference.trim_start_matches("#/definitions/");
            // A secret is one value to a person, wherever it comes from.
            if name == "Secret" {
                return node;
            }
            &schema["definitions"][name]
        } else if let Some([only]) = node["allOf"].as_array().map(Vec::as_slice) {
            only
        } else if let Some(alternatives) = node["anyOf"].as_array() {
            let mut real = alternatives.iter().filter(|one| one["type"] != "null");
            match (real.next(), real.next()) {
                (Some(only), None) => only,
                _ => return node,
            }
        } else {
            return node;
        };
        node = next;
    }
}

fn walk(schema: &Value, node: &Value, place: &str, found: &mut BTreeMap<String, Setting>) {
    let target = resolved(schema, node);
    let alternatives: Vec<&Value> = match target["anyOf"].as_array() {
        Some(several) => several.iter().map(|one| resolved(schema, one)).collect(),
        None => vec![target],
    };
    // A list of blocks is told as one, also where a single block may stand for it.
    let inner = alternatives
        .iter()
        .map(|one| (resolved(schema, &one["items"]), "[]"))
        .chain(alternatives.iter().map(|one| (*one, "")))
        .chain(alternatives.iter().map(|one| (resolved(schema, &one["additionalProperties"]), ".NAME")))
        .find_map(|(inner, suffix)| Some((inner["properties"].as_object()?, suffix)));
    if let Some((properties, suffix)) = inner {
        for (key, property) in properties {
            let dot = if place.is_empty() { "" } else { "." };
            walk(schema, property, &format!("{place}{suffix}{dot}{key}"), found);
        }
        return;
    }
    let described = node["description"].as_str().or_else(|| target["description"].as_str()).unwrap_or_default();
    let refused = described.contains("Not in this version") && !described.contains('`');
    found.insert(place.to_owned(), Setting { default: node.get("default").cloned(), refused });
}

#[test]
fn every_setting_is_told_with_its_default() {
    let readme = readme();
    let row = Regex::new(r"(?m)^\| `([a-zA-Z_\[\].]+)` \| ([^|]+) \| ([^|]+) \|$").unwrap();
    let told: BTreeMap<String, (String, String)> = row
        .captures_iter(&readme)
        .map(|row| (row[1].to_owned(), (row[2].trim().to_owned(), row[3].trim().to_owned())))
        .collect();
    let settings = settings();
    assert!(settings.len() > 80, "{:?}", settings.keys());
    let missing: Vec<&String> = settings.keys().filter(|place| !told.contains_key(*place)).collect();
    assert!(missing.is_empty(), "the README does not tell of {missing:#?}");
    let unknown: BTreeSet<&String> = told.keys().filter(|place| !settings.contains_key(*place)).collect();
    assert!(unknown.is_empty(), "the README tells of settings that are none: {unknown:#?}");
    for (place, setting) in &settings {
        let (default, words) = &told[place];
        if let Some(value) = &setting.default {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            assert_eq!(*default, format!("`{value}`"), "the default of {place}");
        }
        if setting.refused {
            assert!(
                words.contains("efused"),
                "{place} is not in this version, and the README does not say so: {words}"
            );
        }
    }
}

/// The README's first real config is one: it is read without a fault.
#[test]
fn the_config_shown_can_be_loaded() {
    let yaml = blocks(&readme(), &["yaml"]);
    let config = yaml.iter().find(|block| block.contains("connectors:")).expect("a config");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog-sync.yaml");
    std::fs::write(&path, config).unwrap();
    let environment = catalog_sync::config::Environment::default();
    let loaded = catalog_sync::config::Config::load(&LoadOptions {
        config: Some(&path),
        store: None,
        listen: None,
        environment: &environment,
        working_directory: folder.path(),
        now: "2026-11-21T12:00:00Z".parse().unwrap(),
    });
    match loaded {
        Ok(loaded) => assert!(loaded.warnings.is_empty(), "{}", loaded.warnings),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn the_rules_shown_have_no_fault() {
    let yaml = blocks(&readme(), &["yaml"]);
    let rules = yaml.iter().find(|block| block.starts_with("entity: repository")).expect("a rules file");
    if let Err(faults) = catalog_sync::correlate::Rules::parse(rules, "README.md") {
        panic!("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    }
}

/// Every outcome and every decision there is has its row, and the decisions file shown is one.
#[test]
fn outcomes_and_decisions_are_told() {
    use catalog_sync::model::Outcome;
    let readme = readme();
    let words_of = |title: &str| -> BTreeSet<String> {
        let part = readme.split(&format!("### {title}\n")).nth(1).expect("a part");
        let part = part.split("\n## ").next().and_then(|part| part.split("\n### ").next()).expect("its text");
        let row = Regex::new(r"(?m)^\| `(\w+)` \| ").unwrap();
        row.captures_iter(part)
            .map(|row| row[1].to_owned())
            .filter(|word| !["outcome", "decision"].contains(&word.as_str()))
            .collect()
    };
    let outcomes = [
        Outcome::Running,
        Outcome::Completed,
        Outcome::Partial,
        Outcome::Failed,
        Outcome::RateLimited,
        Outcome::Held,
        Outcome::Cancelled,
        Outcome::Interrupted,
        Outcome::Refused,
    ];
    assert_eq!(words_of("Outcomes of a sync"), outcomes.map(|outcome| outcome.as_str().to_owned()).into());

    let shown = blocks(&readme, &["yaml"]).into_iter().find(|block| block.starts_with("decisions:")).expect("a file");
    let folder = tempfile::tempdir().unwrap();
    let load = |text: &str| {
        let path = folder.path().join("decisions.yaml");
        std::fs::write(&path, text).unwrap();
        catalog_sync::store::decisions_file::DecisionsFile::open(path).load()
    };
    let rows = load(&shown).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(rows[0].1.kind.let_go().count(), 2, "{rows:?}");
    // A word that is none is answered with those there are.
    let wrong = load(&shown.replace("decision: unlinked", "decision: nonsense")).unwrap_err().to_string();
    let words = words_of("The decisions file");
    assert_eq!(words.len(), 5, "{words:?}");
    for word in words {
        assert!(wrong.contains(&format!("`{word}`")), "`{word}` is no decision: {wrong}");
    }
}

/// The decision explained is what the demo prints, but for the minute.
#[test]
fn the_decision_shown_is_the_demos() {
    let minute = Regex::new(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}").unwrap();
    let readme = readme();
    let shown = blocks(&readme, &["text"])
        .into_iter()
        .find(|block| block.starts_with("acme/payments-api"))
        .expect("an explained decision");
    let demo = Command::new(env!("CARGO_BIN_EXE_catalog-sync")).arg("demo").output().expect("the program runs");
    let told = String::from_utf8(demo.stdout).unwrap();
    assert!(demo.status.success(), "{told}\n{}", String::from_utf8_lossy(&demo.stderr));
    let (shown, told) = (minute.replace_all(&shown, "MINUTE"), minute.replace_all(&told, "MINUTE"));
    assert!(told.contains(&*shown), "the demo explains it otherwise:\n{told}");
    for action in ["register", "merge", "conflict"] {
        let row = Regex::new(&format!(r"(?m)^acme/\S+ +{action} ")).unwrap();
        assert!(row.is_match(&told), "the demo shows no {action} row:\n{told}");
    }
}

/// The examples of the API are tried as they are printed, on the demo that prints what they need.
#[test]
fn examples_of_the_api_work_as_printed_on_the_demo_p7_1() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let mut demo = Command::new(env!("CARGO_BIN_EXE_catalog-sync"));
    demo.args(["demo", "--serve"]).env_clear().env("TMPDIR", folder.path()).current_dir(folder.path());
    let told = std::fs::File::create(&out).unwrap();
    let _demo = Running(Some(demo.stdout(told).stderr(Stdio::null()).spawn().expect("the program")));
    let begun = std::time::Instant::now();
    let said = loop {
        let said = std::fs::read_to_string(&out).unwrap();
        if said.contains("Ctrl-C") {
            break said;
        }
        assert!(begun.elapsed().as_secs() < 60, "the demo does not say how to look at it: {said}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    // Also where nobody looks at a terminal: an address, and the way in.
    assert!(said.contains("/login?code="), "{said}");
    let export = said.lines().map(str::trim).find(|line| line.starts_with("export CATALOG_SYNC_API=")).expect("a line");
    let block = blocks(&readme(), &["sh"]).into_iter().find(|block| block.contains("$api/imports")).expect("examples");
    assert!(block.matches("curl ").count() >= 6, "{block}");
    std::fs::write(folder.path().join(".curlrc"), "fail\nmax-time = 60\n").unwrap();
    // What each line says is parted; the lines are those of the README.
    let script = format!("set -euo pipefail\n{export}\n{}", block.replace('\n', "\necho; echo @@@\n"));
    let tried = Command::new("bash")
        .args(["-c", &script])
        .env("CURL_HOME", folder.path())
        .env("no_proxy", "127.0.0.1")
        .output()
        .expect("bash runs");
    let text = String::from_utf8(tried.stdout).unwrap();
    assert!(tried.status.success(), "{text}\n{}", String::from_utf8_lossy(&tried.stderr));
    let parts: Vec<&str> = text.split("@@@").map(str::trim).filter(|part| !part.is_empty()).collect();
    let [list, preview, events, imported, begun] = parts.as_slice() else { panic!("{} parts: {text}", parts.len()) };
    let json = |part: &str| serde_json::from_str::<Value>(part).unwrap_or_else(|error| panic!("{error}: {part}"));
    assert!(json(list)["total"].as_u64().is_some_and(|total| total >= 2), "{list}");
    assert_eq!(json(preview)["rows"][0]["repository"]["full_name"], "acme/payments-api", "{preview}");
    assert!(events.contains("event: row") && events.contains("event: ended"), "{events}");
    assert!(json(imported)["total"].as_u64().is_some_and(|total| total >= 1), "{imported}");
    assert!(json(begun)[0]["id"].is_string(), "{begun}");
}
