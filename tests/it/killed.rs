//! Issue 2, "Shows" 3 (P2.12, invariant 7): `sync now` killed with -9 at 30 random points, then run to the end, leaves
//! the store an undisturbed run leaves.

use std::collections::BTreeMap;
use std::io::Read;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use catalog_sync::simulator::{Fault, GenerateOptions, Order};
use serde_json::Value;

use crate::harness::{Bench, generated, number};

const REPOSITORIES: usize = 14;
/// First fetches of two pages and small caps: the end takes several syncs, and each can be killed at many places.
const CONFIG: &str = "auto_import: true\nsecondary_kinds:\n  pull_requests: { first_sync: 60, per_sync: 300 }\n  commits: { first_sync: 130, per_sync: 500 }";
/// Kills in one life.
const KILLS: u64 = 6;
/// What is done with an answer, store write included, takes about so long.
const MOST_DELAY: u64 = 4_000;

fn bench() -> Bench {
    let bench = Bench::new(generated(GenerateOptions {
        pull_requests_per_repository: 60,
        commits_per_repository: 150,
        forks_percent: 0,
        projects: 3,
        ..GenerateOptions::repositories(REPOSITORIES)
    }));
    bench.integration(CONFIG);
    let names: Vec<String> = bench.simulator.world().repositories().take(3).map(|one| one.slug.clone()).collect();
    for name in names {
        bench.component(&name);
    }
    bench
}

/// Whether a sync left nothing to a later one.
fn is_last(record: &Value) -> bool {
    let left = ["pull_requests", "commits"].iter().map(|kind| {
        let of = |count: &str| number(&record["secondary"], &format!("/{kind}/{count}"));
        of("backlog") + of("repositories_waiting")
    });
    record["outcome"] == "completed" && left.sum::<u64>() == 0
}

/// Syncs until nothing is left.
fn to_the_end(bench: &Bench) -> u64 {
    (1..20).find(|_| is_last(&bench.sync_exits(0))).expect("the backlog ends")
}

/// Numbers that differ from machine to machine and from run to run, the same wherever the run begins.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// When, by whom and in which run: nothing else is left out of the comparison.
const OF_THE_RUN: &[&str] = &[
    "first_seen",
    "last_changed",
    "created_at",
    "last_started_at",
    "last_walk_at",
    "last_sweep_at",
    "watermark",
    "import_id",
    "imported_at",
    "imported_by",
    "last_synced_at",
    "fetched_at",
    "checked_at",
    "asked_at",
    "at",
    "since",
    "waiting_since",
    "correlated",
    // Of a raw record that names the simulator's port; the record itself is compared whole.
    "fingerprint",
];

/// Fields that no later sync compares with what was written: our marks are ours by name, and the rest of a new
/// entity is written on register only. A link adopted from its mark does not know them: its import's journal died
/// with the process, so that there is nothing to undo them by.
fn is_of_undo(name: &str) -> bool {
    name.starts_with("$.metadata.annotations[\"catalog-sync.dev/")
        || name.starts_with("$.spec.")
        || name == "$.metadata.title"
}

fn without_times(value: &mut Value, host: &str) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| without_times(value, host)),
        Value::Object(fields) => {
            fields.retain(|name, _| !OF_THE_RUN.contains(&name.as_str()) && !is_of_undo(name));
            fields.values_mut().for_each(|value| without_times(value, host));
        }
        Value::String(text) if text.contains(host) => *text = text.replace(host, "HOST"),
        _ => {}
    }
}

/// The store by book, without times and ids of syncs; the history of syncs, imports and who asked for them is another one, of course.
fn contents(bench: &Bench) -> BTreeMap<String, Vec<String>> {
    // With the address before it: a hash may hold the digits of a port.
    let host = format!("127.0.0.1:{}", bench.simulator.port());
    let mut books: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for mut line in bench.export() {
        let Some(book) = line["book"].as_str().map(str::to_owned) else { continue };
        if ["syncs", "journal", "audit"].contains(&book.as_str()) {
            continue;
        }
        without_times(&mut line["value"], &host);
        let lines = books.entry(book.clone()).or_default();
        match (line["key"].as_array(), line["value"].as_array()) {
            // In blocks, cut where pages and caps happened to end: each item counts.
            (Some(key), Some(items)) if book == "secondary" => {
                let of = Value::from(&key[..key.len() - 1]);
                lines.extend(items.iter().map(|item| format!("{of} {item}")));
            }
            _ => lines.push(format!("{} {}", line["key"], line["value"])),
        }
    }
    books.values_mut().for_each(|lines| lines.sort_unstable());
    books
}

/// The books side by side; says what differs.
fn compare(undisturbed: &BTreeMap<String, Vec<String>>, killed: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let mut differences = Vec::new();
    for book in undisturbed.keys().chain(killed.keys()).collect::<std::collections::BTreeSet<_>>() {
        let empty = Vec::new();
        let (one, other) = (undisturbed.get(book).unwrap_or(&empty), killed.get(book).unwrap_or(&empty));
        let equal = if one == other { "equal" } else { "DIFFERENT" };
        println!("    {book:<16} {:>6} {:>6}  {equal}", one.len(), other.len());
        if one == other {
            continue;
        }
        let missing = one.iter().filter(|line| !other.contains(line)).map(|line| format!("{book} - {line}"));
        let added = other.iter().filter(|line| !one.contains(line)).map(|line| format!("{book} + {line}"));
        differences.extend(missing.take(2).chain(added.take(2)));
        differences.push(format!("{book}: {} and {} lines", one.len(), other.len()));
    }
    differences
}

/// The files of the catalog. What killed writes left is gone by the end of the next sync.
fn catalog(bench: &Bench) -> BTreeMap<String, String> {
    bench.texts("catalog")
}

/// Syncs until the nth request from now on has been answered, and kills that sync so many microseconds later: before
/// it has the answer, while it judges it, while it writes. `false`: nothing was left to do before.
fn kill_at_request(bench: &Bench, nth: u64, delay: u64) -> bool {
    let running: Arc<Mutex<Option<Child>>> = Arc::default();
    let victim = running.clone();
    bench.simulator.order(
        Order::next(Fault::then(move |_| {
            let victim = victim.clone();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_micros(delay));
                if let Some(child) = victim.lock().expect("the child").as_mut() {
                    // One that has ended meanwhile is not there any more, and was not killed.
                    let _ = child.kill();
                }
            });
        }))
        .nth(nth),
    );
    for sync in 1.. {
        let child = bench.command(&["sync", "now", "--output", "json"]).stderr(Stdio::null()).spawn();
        let mut child = child.expect("the program");
        let mut told = child.stdout.take().expect("a pipe");
        *running.lock().expect("the child") = Some(child);
        let mut record = String::new();
        told.read_to_string(&mut record).expect("what it says");
        let status = running.lock().expect("the child").take().expect("it ran").wait().expect("its end");
        if status.code().is_none() {
            let at = bench.simulator.requests().total;
            println!("  request {at:>4}, {delay:>4} µs later, {sync} syncs after the last: {status}");
            return true;
        }
        let record: Value = serde_json::from_str(&record).expect("a record");
        if is_last(&record[0]) {
            break;
        }
    }
    bench.simulator.clear_orders();
    false
}

/// Starts a sync and kills it as soon as so many files are in the catalog.
fn kill_at_file(bench: &Bench, files: usize) -> bool {
    let mut child = bench.command(&["sync", "now"]).stderr(std::process::Stdio::null()).spawn().expect("the program");
    loop {
        if bench.files("catalog").len() >= files {
            child.kill().expect("killed");
        }
        if let Some(status) = child.try_wait().expect("its end") {
            println!("  file    {files:>3} (pid {}): {status}", child.id());
            return status.code().is_none();
        }
        std::thread::yield_now();
    }
}

#[test]
fn killed_at_30_points_the_store_ends_as_if_undisturbed_p2_12() {
    let reference = bench();
    let syncs = to_the_end(&reference);
    let undisturbed = contents(&reference);
    let requests = reference.simulator.requests().total;
    println!("undisturbed: {syncs} syncs, {requests} requests");
    assert!(syncs >= 4 && requests >= 60, "there are too few places to be killed at");

    let mut dice = Dice(20_261_121);
    let mut kills = 0;
    for round in 0.. {
        let bench = bench();
        println!("round {round}");
        // While nothing is imported yet, also in the middle of writing files.
        let files = catalog(&bench).len() + 2 + usize::try_from(dice.below(8)).unwrap_or(0);
        kills += u64::from(round % 2 == 1 && kill_at_file(&bench, files));
        // Spread over the whole of it, and the last close to its end.
        for _ in 0..KILLS {
            let alive =
                kills < 30 && kill_at_request(&bench, 1 + dice.below(2 * requests / KILLS), dice.below(MOST_DELAY));
            kills += u64::from(alive);
        }
        let syncs = to_the_end(&bench);
        println!("  ended after {syncs} more; contents: undisturbed, killed");
        let differences = compare(&undisturbed, &contents(&bench));
        assert!(differences.is_empty(), "round {round}:\n{}", differences.join("\n"));
        assert_eq!(catalog(&bench), catalog(&reference), "round {round}: the catalog is the same");
        let history = bench.json(&["sync", "history"]);
        let interrupted =
            history.as_array().expect("a list").iter().filter(|record| record["outcome"] == "interrupted").count();
        assert!(interrupted > 0, "the kills are told: {history}");
        assert!(history.as_array().expect("a list").iter().all(|record| record["outcome"] != "running"));
        let health = bench.json(&["store", "check"]);
        assert_eq!(health["faults"], Value::Array(Vec::new()), "{health}");
        if kills >= 30 {
            break;
        }
    }
    println!("{kills} kills");
}

// Killed between writing a file and recording its link: the mark brings the link back, nothing is doubled.
#[test]
fn killed_between_file_and_link_the_mark_is_adopted_p2_12() {
    let reference = bench();
    reference.sync_exits(0);
    let total = catalog(&reference).len();
    let links = |bench: &Bench| {
        let rows = bench.json(&["imported", "list"]);
        let of = |row: &Value| format!("{} {} {}", row["repository"]["full_name"], row["status"], row["entity"]);
        rows.as_array().expect("a list").iter().map(of).collect::<Vec<_>>()
    };
    for files in [4, 7, total - 2] {
        let bench = bench();
        let before = catalog(&bench);
        if !kill_at_file(&bench, files) {
            println!("it was done before it could be killed");
        }
        println!("left behind: {} of {total} files, {} links", catalog(&bench).len(), links(&bench).len());
        bench.sync_exits(0);
        assert_eq!(links(&bench), links(&reference), "killed at {files} files");
        assert_eq!(catalog(&bench), catalog(&reference), "killed at {files} files");
        let record = bench.sync_exits(0);
        assert_eq!(number(&record, "/imported/updated"), 0, "settled: {record}");
        // P4.11: what was written when it was killed is taken back like the rest.
        let undone = bench.json(&["imported", "undo", "--since", "2020-01-01T00:00:00Z", "--yes"]);
        let rows = undone["rows"].as_array().expect("rows");
        assert!(rows.iter().all(|row| row["result"] == "done"), "killed at {files} files: {undone:#}");
        assert_eq!(catalog(&bench), before, "killed at {files} files");
    }
}
