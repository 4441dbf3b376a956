//! The layout holds: deciding stays pure, the seams do not know each other, no room is a lumber room.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

/// What a module may name of this crate: a module, or a module's item.
const MAY_NAME: &[(&str, &[&str])] = &[
    // Pure: deciding.
    ("model", &["error::escape_control", "model"]),
    // `FieldPath` is the grammar of a rules file's `catalog:`, which planning writes by.
    ("correlate", &["correlate", "error::escape_control", "model", "plan::FieldPath"]),
    ("recommend", &["correlate", "error::escape_control", "model", "recommend"]),
    // Of catalogs, planning knows what is data: what they can do, and the rules of the two formats.
    (
        "plan",
        &[
            "catalog::Abilities",
            "catalog::FieldWritten",
            "catalog::FileDiff",
            "catalog::MarkPaths",
            "catalog::Recognised",
            "catalog::backstage",
            "catalog::harness",
            "correlate",
            "error::escape_control",
            "model",
            "plan",
            "recommend",
        ],
    ),
    // The seams: each knows the nouns and the steps, none knows another. What the store keeps of the others is data.
    ("source", &["clock", "error", "model", "source"]),
    ("catalog", &["catalog", "clock", "error", "model", "plan"]),
    (
        "store",
        &[
            "catalog::FieldWritten",
            "catalog::FileDiff",
            "clock",
            "error",
            "model",
            "plan",
            "source::Cursor",
            "source::Listing",
            "store",
        ],
    ),
    // Doing: through the seams alone, below what people touch.
    ("discover", &["discover", "error", "model", "plan", "source", "store"]),
    ("apply", &["apply", "catalog", "clock", "error", "model", "plan", "store"]),
    ("backfill", &["backfill", "clock", "error", "model", "source", "store"]),
];
/// Modules that decide.
const PURE: [&str; 4] = ["model", "correlate", "recommend", "plan"];
/// What deciding never touches: it takes values and gives values.
static IMPURE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"\b(tokio|tracing|async|reqwest|rand)\b|\.await\b|\bstd::(env|fs|net|process|thread)\b|\b(SystemTime|Utc::now|Instant::now|Local::now)\b|\be?print(ln)?!",
    )
    .unwrap()
});
static NAMED: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\bcrate::(?:([a-z_]+)(?:::([A-Za-z_]+|\{[^}]*\}))?|(\{))").unwrap());
static UNSAFE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\bunsafe\s*(\{|fn\b|impl\b|trait\b|extern\b)").unwrap());
const LUMBER_ROOMS: [&str; 6] = ["utils", "util", "helpers", "common", "misc", "manager"];

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file beneath some folders, sorted.
pub fn sources(folders: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A file without comments and without its tests.
fn shipped(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code = text.lines().map(|line| {
        let line = if line.trim_start().starts_with("//") { "" } else { line };
        line.split(" // ").next().unwrap_or_default()
    });
    code.collect::<Vec<_>>().join("\n")
}

/// The shipped files of one module, with their text.
fn module(name: &str) -> Vec<(PathBuf, String)> {
    let folder = format!("src/{name}");
    let file = format!("src/{name}.rs");
    let mut paths = sources(&[&file]);
    if root().join(&folder).is_dir() {
        paths.extend(sources(&[&folder]));
    }
    let is_test = |path: &Path| {
        path.components()
            .any(|part| ["tests", "tests.rs", "contract", "contract.rs"].iter().any(|t| part.as_os_str() == *t))
    };
    paths.retain(|path| path.exists() && !is_test(path.strip_prefix(root()).unwrap()));
    assert!(!paths.is_empty(), "the module {name} is gone: mend this test");
    paths.into_iter().map(|path| (path.clone(), shipped(&std::fs::read_to_string(path).unwrap()))).collect()
}

/// What a text names of this crate beyond what is allowed.
fn strangers(text: &str, allowed: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for named in NAMED.captures_iter(text) {
        let Some(module) = named.get(1) else {
            found.insert("crate::{…}: one `use` per module, please".to_owned());
            continue;
        };
        let module = module.as_str();
        if allowed.contains(&module) {
            continue;
        }
        let items = named.get(2).map_or("", |items| items.as_str()).trim_matches(['{', '}']);
        for item in items.split(',').map(|item| item.trim().split([':', ' ']).next().unwrap_or_default()) {
            let full = format!("{module}::{item}");
            if !item.is_empty() && allowed.contains(&full.as_str()) {
                continue;
            }
            if !(item.is_empty() && items.contains(',')) {
                found.insert(full);
            }
        }
    }
    found
}

#[track_caller]
fn check_strangers(text: &str, allowed: &[&str], expected: &[&str]) {
    assert_eq!(strangers(text, allowed).into_iter().collect::<Vec<_>>(), expected, "{text}");
}

#[test]
fn strangers_are_recognised() {
    check_strangers("use crate::model::Link;", &["model"], &[]);
    check_strangers("use crate::store::Store;", &["model"], &["store::Store"]);
    check_strangers("use crate::catalog::{Abilities, Catalog};", &["catalog::Abilities"], &["catalog::Catalog"]);
    check_strangers("use crate::catalog::{\n    Abilities,\n};", &["catalog::Abilities"], &[]);
    check_strangers("fn a() { crate::engine::sync() }", &[], &["engine::sync"]);
    check_strangers("use crate::{model, store};", &["model"], &["crate::{…}: one `use` per module, please"]);
    check_strangers(&shipped("// crate::store\nlet a = 1; // crate::engine\n"), &[], &[]);
    check_strangers(&shipped("a\n#[cfg(test)]\nmod tests {\n use crate::store::A;\n}"), &[], &[]);
    for impure in
        ["use tokio::x;", "Utc::now()", "async fn a()", "a.await", "std::env::var", "info!(); tracing::x", "println!()"]
    {
        assert!(IMPURE.is_match(impure), "{impure}");
    }
    for pure in ["let asynchronous = 1;", "chrono::Utc", "std::fmt", "writeln!(f)"] {
        assert!(!IMPURE.is_match(pure), "{pure}");
    }
    let block = concat!("uns", "afe { }");
    assert!(UNSAFE.is_match(block) && !UNSAFE.is_match("an unsafe thing"));
}

#[test]
fn modules_name_what_lies_before_them_only() {
    let mut wrong = Vec::new();
    for (name, allowed) in MAY_NAME {
        for (path, text) in module(name) {
            wrong.extend(
                strangers(&text, allowed).into_iter().map(|stranger| format!("{}: {stranger}", path.display())),
            );
        }
    }
    assert!(wrong.is_empty(), "these name what they should not know:\n{}", wrong.join("\n"));
}

#[test]
fn deciding_is_pure() {
    let mut wrong = Vec::new();
    for (path, text) in PURE.iter().flat_map(|name| module(name)) {
        for (number, line) in text.lines().enumerate() {
            if let Some(found) = IMPURE.find(line) {
                wrong.push(format!("{}:{}: {}", path.display(), number + 1, found.as_str()));
            }
        }
    }
    assert!(wrong.is_empty(), "these modules take values and give values:\n{}", wrong.join("\n"));
}

#[test]
fn nothing_is_unsafe_and_nothing_is_ignored() {
    let ignored = concat!("#[ign", "ore");
    for path in sources(&["src", "tests", "benches"]) {
        let text = std::fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            let code = line.trim_start();
            if code.starts_with("//") {
                continue;
            }
            assert!(!UNSAFE.is_match(line), "{}:{}: unsafe code", path.display(), number + 1);
            assert!(!code.starts_with(ignored), "{}:{}: a test that does not run", path.display(), number + 1);
        }
    }
}

#[test]
fn no_file_is_a_lumber_room() {
    for path in sources(&["src", "tests", "benches"]) {
        for part in path.strip_prefix(root()).unwrap().components() {
            let name = part.as_os_str().to_string_lossy();
            let name = name.trim_end_matches(".rs");
            assert!(!LUMBER_ROOMS.contains(&name), "{}: name it after its subject", path.display());
        }
    }
}

/// Invariant 2: what a plan can ask for is to create and to change.
#[test]
fn no_step_can_delete_an_entity() {
    let text = std::fs::read_to_string(root().join("src/plan/step.rs")).unwrap();
    let from = text.find("pub enum Work {").expect("the kinds of work of a step");
    let cases: Vec<&str> = text[from..]
        .lines()
        .skip(1)
        .take_while(|line| *line != "}")
        .map(str::trim)
        .filter(|line| !line.starts_with("//"))
        .collect();
    assert_eq!(cases, ["Register(NewEntity),", "Edit(Edit),"]);
}

/// P2.13: whoever reads a catalog must know first what its files held, or a process forgets the entities of a file
/// that does not parse any more. The engine's survey does; `check` reads a catalog of its own, of which nothing is
/// kept.
#[test]
fn a_catalog_is_read_by_the_survey_alone() {
    let reads = Regex::new(r"catalog(\.as_ref\(\))?\s*\.read\(\)").unwrap();
    let shown = |path: &PathBuf| path.strip_prefix(root()).unwrap().display().to_string();
    let reading: Vec<String> = sources(&["src"])
        .iter()
        .filter(|path| !path.starts_with(root().join("src/catalog")))
        .filter(|path| reads.is_match(&std::fs::read_to_string(path).unwrap()))
        .map(shown)
        .collect();
    assert_eq!(reading, ["src/commands/check.rs", "src/engine/survey.rs"]);
}

/// What a source can do with a default of the trait's, one around another would hide: each method is handed on.
#[test]
fn the_source_with_git_hands_every_method_on() {
    let methods = |text: &str, head: &str| -> BTreeSet<String> {
        let (_, body) = text.split_once(head).unwrap_or_else(|| panic!("no `{head}`"));
        let body = body.split_once("\n}\n").map_or(body, |(body, _)| body);
        let name = Regex::new(r"(?m)^    (?:async )?fn ([a-z_]+)").unwrap();
        name.captures_iter(body).map(|found| found[1].to_owned()).collect()
    };
    let all = |files: Vec<(PathBuf, String)>| -> String { files.into_iter().map(|(_, text)| text).collect() };
    let source = all(module("source"));
    let of_trait = methods(&source, "pub trait Source");
    assert!(of_trait.len() > 10, "{of_trait:?}");
    assert_eq!(methods(&source, "impl Source for WithGit {"), of_trait);
}

#[test]
fn the_map_shows_every_module() {
    let map = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let told: String = map.lines().filter(|line| line.starts_with("//!")).collect();
    let modules = map.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let missing: Vec<&str> = modules.filter(|module| !told.contains(&format!("[`{module}`]"))).collect();
    assert!(missing.is_empty(), "the doc comment of src/lib.rs does not tell of {missing:?}");
}

/// Names of the places this is built at do not belong into what is shipped.
#[test]
fn sources_name_no_place_of_a_developers_machine() {
    let places = [concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/ho", "me/runner")];
    let mut waiting = vec![root().to_owned()];
    while let Some(path) = waiting.pop() {
        if ["target", ".git", "data"].iter().any(|name| path.ends_with(name)) {
            continue;
        }
        if path.is_dir() {
            waiting.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        for place in places {
            assert!(!text.contains(place), "{} names {place}", path.display());
        }
    }
}

/// Every page passes the escaper, and keeps the content security policy: nothing inline, nothing from elsewhere.
#[test]
fn templates_go_around_nothing() {
    let around = Regex::new(r"\|\s*(safe|e|escape)\b|\{%-?\s*autoescape").unwrap();
    let inline = Regex::new(r#"\s(style|on[a-z]+|hx-on[^=]*|hx-vals|hx-vars)\s*=|<script>|<script\s[^>]*>[^<]|<style|(src|href|action)="https?:"#).unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir(root().join("templates")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            let place = format!("{}:{}", path.display(), number + 1);
            if let Some(found) = around.find(line) {
                panic!("{place}: `{}` goes around the escaper", found.as_str());
            }
            if let Some(found) = inline.find(line) {
                panic!("{place}: `{}` is inline, or from elsewhere", found.as_str());
            }
        }
        seen += 1;
    }
    assert!(seen > 10, "templates moved: mend this test");
    let escaper = std::fs::read_to_string(root().join("askama.toml")).unwrap();
    assert!(escaper.contains("crate::server::ui::escape::Shown"));
}

/// The scripts of others are what their authors published.
#[test]
fn htmx_is_the_pinned_file() {
    use sha2::{Digest as _, Sha256};
    let htmx = std::fs::read(root().join("assets/htmx-2.0.11.min.js")).unwrap();
    assert_eq!(hex::encode(Sha256::digest(&htmx)), "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717");
}
