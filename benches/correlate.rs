//! 100,000 repositories × 100,000 entities: Equals and Contains through the real path (extracted facts →
//! candidates) beside Aho-Corasick on the same names with the same token boundaries.
//!
//! `cargo bench --bench correlate` prints medians, ratios and memory; nothing is asserted by wall time.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use catalog_sync::correlate::{EntityFacts, RepositoryFacts, Rules, correlate};
use catalog_sync::model::{Entity, EntityFormat, EntityRef, Place, RepoKey, Repository};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::json;

const REPOSITORIES: usize = 100_000;
const ENTITIES: usize = 100_000;
const RUNS: usize = 7;

const EQUALS: &str = "correlation:\n  - { ingested: $.name, operator: equals, catalog: $.metadata.name }\n";
const CONTAINS: &str = "correlation:\n  - { ingested: $.name, operator: contains, catalog: $.metadata.name }\n";
const ANYWHERE: &str =
    "correlation:\n  - { ingested: $.name, operator: contains, boundaries: any, catalog: $.metadata.name }\n";

/// Words that names of repositories are made of.
const WORDS: &[&str] = &[
    "payments",
    "billing",
    "ledger",
    "invoice",
    "checkout",
    "catalog",
    "search",
    "gateway",
    "identity",
    "session",
    "profile",
    "notification",
    "email",
    "webhook",
    "scheduler",
    "worker",
    "batch",
    "report",
    "metrics",
    "audit",
    "fraud",
    "risk",
    "pricing",
    "discount",
    "shipping",
    "warehouse",
    "inventory",
    "order",
    "customer",
    "partner",
    "merchant",
    "terminal",
    "mobile",
    "android",
    "ios",
    "web",
    "portal",
    "admin",
    "console",
    "frontend",
    "backend",
    "service",
    "api",
    "lib",
    "client",
    "sdk",
    "proto",
    "schema",
    "config",
    "infra",
    "terraform",
    "helm",
    "chart",
    "operator",
    "controller",
    "agent",
    "proxy",
    "cache",
    "store",
    "archive",
    "export",
    "import",
    "sync",
    "bridge",
    "connector",
    "adapter",
    "core",
    "common",
    "shared",
    "tools",
    "scripts",
    "docs",
    "site",
    "theme",
    "design",
    "legacy",
    "next",
    "v2",
    "eu",
    "us",
    "emea",
    "data",
    "lake",
    "pipeline",
    "stream",
    "event",
    "queue",
    "stock",
];

/// What is measured, each in a process of its own so that memory is its own, too.
const CASES: &[(&str, Option<&str>)] = &[
    ("Equals", Some(EQUALS)),
    ("Contains", Some(CONTAINS)),
    ("Contains, boundaries: any", Some(ANYWHERE)),
    ("all rules of bitbucket-cloud-annotations", None),
];

fn main() {
    let mut random = StdRng::seed_from_u64(7);
    let names: Vec<String> = (0..REPOSITORIES).map(|_| name(&mut random, 3..=7)).collect();
    // Some entities bear a repository's name, some a part of one, the rest a name of their own.
    let entity_names: Vec<String> = (0..ENTITIES)
        .map(|_| match random.random_range(0..10) {
            0..5 => names.choose(&mut random).expect("names").clone(),
            5..7 => part(names.choose(&mut random).expect("names"), &mut random),
            _ => name(&mut random, 2..=6),
        })
        .collect();
    let mut arguments = std::env::args().skip_while(|argument| argument != "--case").skip(1);
    if let Some(case) = arguments.next() {
        let (what, rules) = CASES[case.parse::<usize>().expect("a number")];
        let naive = Duration::from_secs_f64(arguments.next().expect("seconds").parse().expect("seconds"));
        let rules = match rules {
            Some(text) => Rules::parse(text, what).expect("rules"),
            None => Rules::builtin("bitbucket-cloud-annotations").expect("shipped"),
        };
        measure(what, &rules, &names, &entity_names, naive);
        return;
    }
    let bytes = |names: &[String]| names.iter().map(String::len).sum::<usize>() / names.len();
    println!(
        "{REPOSITORIES} repositories (names of {} bytes on average), {ENTITIES} entities ({})",
        bytes(&names),
        bytes(&entity_names)
    );
    let before = resident_kib("VmRSS");
    let (naive, hits) = aho_corasick(&names, &entity_names);
    let peak_kib = resident_kib("VmHWM").saturating_sub(before);
    println!(
        "Aho-Corasick (contiguous NFA), build and scan with token boundaries: median {naive:.1?} of {RUNS}, {hits} \
         pairs; peak {} MiB",
        peak_kib / 1024
    );
    let this = std::env::current_exe().expect("this program");
    for case in 0..CASES.len() {
        let arguments = ["--case".to_owned(), case.to_string(), naive.as_secs_f64().to_string()];
        let status = std::process::Command::new(&this).args(arguments).status().expect("starts again");
        assert!(status.success());
    }
}

/// Memory is what comes on top of the names: the facts, and the peak over facts and correlation.
fn measure(what: &str, rules: &Rules, names: &[String], entity_names: &[String], naive: Duration) {
    let before = resident_kib("VmRSS");
    let extract = Instant::now();
    let (repositories, entities) = facts(rules, names, entity_names);
    let extracting = extract.elapsed();
    let facts_kib = resident_kib("VmRSS").saturating_sub(before);
    let mut found = 0;
    let times = (0..RUNS).map(|_| {
        let start = Instant::now();
        let candidates = correlate(rules, &repositories, &entities);
        let time = start.elapsed();
        found = candidates.iter().filter(|one| one.leading > 0).count();
        time
    });
    let time = median(times.collect());
    let peak_kib = resident_kib("VmHWM").saturating_sub(before);
    println!(
        "{what}: median {time:.1?} of {RUNS} ({:.1} × as fast as Aho-Corasick), {found} repositories with a candidate; \
         extracting facts {extracting:.1?}; memory: facts {} MiB, peak {} MiB",
        naive.as_secs_f64() / time.as_secs_f64(),
        facts_kib / 1024,
        peak_kib / 1024,
    );
}

/// The same question asked of Aho-Corasick: which entities' names stand in which repositories' names, from
/// the start of a token to the end of one.
fn aho_corasick(names: &[String], entity_names: &[String]) -> (Duration, usize) {
    let mut pairs = 0;
    let times = (0..RUNS).map(|_| {
        let start = Instant::now();
        let mut owners: HashMap<&str, Vec<u32>> = HashMap::with_capacity(entity_names.len());
        for (at, name) in entity_names.iter().enumerate() {
            owners.entry(name).or_default().push(at as u32);
        }
        let needles: Vec<&str> = owners.keys().copied().collect();
        let automaton = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .match_kind(MatchKind::Standard)
            .build(&needles)
            .expect("builds");
        pairs = 0;
        for name in names {
            let edge = |at: Option<&u8>| at.is_none_or(|byte| !byte.is_ascii_alphanumeric());
            for hit in automaton.find_overlapping_iter(name) {
                let text = name.as_bytes();
                if edge(hit.start().checked_sub(1).map(|at| &text[at])) && edge(text.get(hit.end())) {
                    pairs += owners[needles[hit.pattern().as_usize()]].len();
                }
            }
        }
        start.elapsed()
    });
    (median(times.collect()), pairs)
}

fn facts(rules: &Rules, names: &[String], entity_names: &[String]) -> (Vec<RepositoryFacts>, Vec<EntityFacts>) {
    let repositories = names.iter().enumerate().map(|(at, name)| {
        let repository = Repository {
            key: RepoKey::cloud(format!("{{00000000-0000-0000-0000-{at:012}}}")),
            workspace: "acme".into(),
            slug: name.clone(),
            full_name: format!("acme/{name}"),
            name: name.clone(),
            project_key: Some("PAY".into()),
            description: None,
            default_branch: Some("main".into()),
            language: None,
            is_private: true,
            is_fork: false,
            is_personal: false,
            is_archived: false,
            url: String::new(),
            created_on: None,
            updated_on: None,
        };
        let raw = json!({
            "name": name, "slug": name, "full_name": repository.full_name, "project": {"key": "PAY"},
            "links": {"html": {"href": format!("https://bitbucket.org/acme/{name}")}},
        });
        rules.repository_facts(&repository, &raw)
    });
    let entities = entity_names.iter().enumerate().map(|(at, name)| {
        // Equal names lie in namespaces of their own: refs are unique, names are not.
        let namespace = format!("team-{}", at % 1_000);
        rules.entity_facts(&Entity {
            entity_ref: EntityRef::backstage("Component", &namespace, name),
            format: EntityFormat::Backstage,
            kind: "Component".into(),
            entity_type: Some("service".into()),
            owner: Some("group:default/payments".into()),
            entity_id: String::new(),
            place: Place { file: PathBuf::new(), document: 0, line: 1, read_only_under: None },
            mark: None,
            document: json!({"kind": "Component", "metadata": {"name": name, "namespace": namespace}}),
        })
    });
    (repositories.collect(), entities.collect())
}

/// 10 to 60 bytes.
fn name(random: &mut StdRng, words: std::ops::RangeInclusive<usize>) -> String {
    loop {
        let count = random.random_range(words.clone());
        let mut parts: Vec<String> = (0..count).map(|_| (*WORDS.choose(random).expect("words")).to_owned()).collect();
        if random.random_bool(0.5) {
            parts.push(format!("{}", random.random_range(1..10_000)));
        }
        let name = parts.join("-");
        if (10..=60).contains(&name.len()) {
            return name;
        }
    }
}

/// Some neighbouring tokens of a name.
fn part(name: &str, random: &mut StdRng) -> String {
    let parts: Vec<&str> = name.split('-').collect();
    let from = random.random_range(0..parts.len());
    let to = random.random_range(from..parts.len());
    let part = parts[from..=to].join("-");
    if part.len() >= 10 { part } else { name.to_owned() }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// A line of `/proc/self/status`; 0 where there is none.
fn resident_kib(what: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(what));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}
