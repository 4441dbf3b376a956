//! What we build on: licences, bans and sources, checked with cargo alone. `deny.toml` says the same to those who
//! have cargo-deny, which also looks at platforms other than this one.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use super::layout::{root, sources};

/// Licences we accept (SPDX).
const ALLOWED: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];
/// Crates that stay out, whoever asks for them; `deny.toml` says why.
const BANNED: [&str; 8] =
    ["aws-lc-sys", "libgit2-sys", "native-tls", "openssl", "openssl-sys", "serde_yaml", "serde_yml", "yamlpatch"];
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Name and source of every package of `Cargo.lock`, for every platform.
fn locked() -> Vec<(String, Option<String>)> {
    let lock = read("Cargo.lock");
    let value = |block: &str, key: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
        line.map(|value| value.trim_matches('"').to_owned())
    };
    lock.split("[[package]]")
        .skip(1)
        .map(|block| (value(block, "name").expect("every package has a name"), value(block, "source")))
        .collect()
}

/// Whether an SPDX expression can be met with allowed licences alone. `AND` binds closer than `OR`; a slash is an
/// old way to write `OR`.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    any(&mut rest) && rest.is_empty()
}

fn any(rest: &mut &[&str]) -> bool {
    let mut allowed = all(rest);
    while let Some((&"OR", after)) = rest.split_first() {
        *rest = after;
        // Not short-circuited: the words have to be read in any case.
        let next = all(rest);
        allowed = allowed || next;
    }
    allowed
}

fn all(rest: &mut &[&str]) -> bool {
    let mut allowed = one(rest);
    while let Some((&"AND", after)) = rest.split_first() {
        *rest = after;
        let next = one(rest);
        allowed = allowed && next;
    }
    allowed
}

fn one(rest: &mut &[&str]) -> bool {
    let Some((&word, after)) = rest.split_first() else { return false };
    *rest = after;
    if word == "(" {
        let allowed = any(rest);
        let Some((&")", after)) = rest.split_first() else { return false };
        *rest = after;
        return allowed;
    }
    match rest {
        ["WITH", exception, after @ ..] => {
            *rest = after;
            ALLOWED.contains(&format!("{word} WITH {exception}").as_str())
        }
        _ => ALLOWED.contains(&word),
    }
}

#[test]
fn licence_expressions_are_understood() {
    for allowed in [
        "MIT",
        "MIT/Apache-2.0",
        "GPL-3.0 OR MIT",
        "Apache-2.0 WITH LLVM-exception",
        "(MIT OR GPL-3.0) AND Unicode-3.0",
        "GPL-3.0 AND ISC OR MIT",
    ] {
        assert!(is_allowed(allowed), "{allowed}");
    }
    for refused in
        ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT", "MIT)", "GPL-2.0 WITH Classpath-exception", "MIT MIT", "OR"]
    {
        assert!(!is_allowed(refused), "{refused}");
    }
}

#[test]
fn licences_are_those_we_accept() {
    let version = Command::new(env!("CARGO")).arg("-vV").output().expect("cargo runs");
    let version = String::from_utf8(version.stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("cargo tells its host");
    // This platform's packages lie on this machine: they have just been built.
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", host])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let used: BTreeSet<&str> =
        metadata["resolve"]["nodes"].as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap()).collect();
    let packages = metadata["packages"].as_array().unwrap().iter();
    let packages: Vec<&Value> = packages.filter(|package| used.contains(package["id"].as_str().unwrap())).collect();
    assert!(packages.len() > 100, "{} packages: is this the whole graph?", packages.len());
    let refused: Vec<String> = packages
        .iter()
        .filter(|package| !package["license"].as_str().is_some_and(is_allowed))
        .map(|package| format!("{} {}: {}", package["name"], package["version"], package["license"]))
        .collect();
    assert!(refused.is_empty(), "licences nobody has accepted yet:\n{}", refused.join("\n"));
    println!("{} packages, every licence accepted", packages.len());
}

#[test]
fn sources_and_bans_hold_on_every_platform() {
    let packages = locked();
    assert!(packages.len() > 100, "{} packages in Cargo.lock", packages.len());
    for (name, source) in packages {
        assert!(
            !BANNED.contains(&name.as_str()),
            "{name} is banned: deny.toml says why; `cargo tree -i {name}` who asks"
        );
        match source {
            Some(source) => assert_eq!(source, REGISTRY, "{name} comes from elsewhere"),
            None => assert_eq!(name, "catalog-sync", "{name} has no source"),
        }
    }
}

#[test]
fn cargo_deny_is_told_the_same() {
    let deny = read("deny.toml");
    let list = |key: &str| {
        let from = deny.find(&format!("\n{key} = [")).unwrap_or_else(|| panic!("deny.toml has no {key}"));
        deny[from..].lines().skip(2).take_while(|line| *line != "]").map(str::to_owned).collect::<Vec<_>>()
    };
    let quoted = |line: &String| line.split('"').nth(1).unwrap_or_default().to_owned();
    assert_eq!(list("allow").iter().map(quoted).collect::<Vec<_>>(), ALLOWED);
    assert_eq!(list("deny").iter().map(quoted).collect::<Vec<_>>(), BANNED);
}

/// A dependency that no source names is only built and carried.
#[test]
fn every_dependency_is_used() {
    let manifest = read("Cargo.toml");
    let mut named = BTreeSet::new();
    let mut inside = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]");
        } else if inside && let Some((name, _)) = line.split_once(" = ") {
            named.insert(name.replace('-', "_"));
        }
    }
    assert!(named.len() > 30, "{named:?}");
    let texts: Vec<String> =
        sources(&["src", "tests", "benches"]).iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let is_used = |name: &String| {
        let found = [format!("{name}::"), format!("use {name};"), format!("use {name} as ")];
        texts.iter().any(|text| found.iter().any(|found| text.contains(found.as_str())))
    };
    let unused: Vec<&String> = named.iter().filter(|name| !is_used(name)).collect();
    assert!(unused.is_empty(), "nothing names {unused:?}: remove them from Cargo.toml");
}
