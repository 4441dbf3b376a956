//! Issue 2, "Shows" 2: the commands of a first day, in order, on a generated workspace.

use std::collections::{BTreeMap, BTreeSet};

use catalog_sync::simulator::{Endpoint, GenerateOptions};
use serde_json::{Value, json};

use crate::harness::{Bench, generated, number, text};
use crate::shapes;

const PULL_REQUESTS_WINDOW: usize = 10;
const COMMITS_WINDOW: usize = 20;

fn workspace() -> Bench {
    let bench = Bench::new(generated(GenerateOptions {
        pull_requests_per_repository: 12,
        commits_per_repository: 30,
        empty_percent: 5,
        ..GenerateOptions::repositories(200)
    }));
    bench.integration("secondary_kinds:\n  pull_requests: { first_sync: 10, per_sync: 700 }\n  commits: { first_sync: 20, per_sync: 1500 }");
    let slugs: Vec<String> = bench.simulator.world().repositories().map(|one| one.slug.clone()).step_by(4).collect();
    for slug in slugs {
        bench.component(&slug);
    }
    bench
}

/// What the windows of the world hold: (repository, kind, item).
fn windows(bench: &Bench) -> BTreeSet<(String, &'static str, String)> {
    let world = bench.simulator.world();
    let mut all = BTreeSet::new();
    for repository in world.repositories() {
        let uuid = repository.uuid.to_string();
        let name = world.full_name(repository);
        let mut pull_requests = world.pull_requests_of(&name).to_vec();
        pull_requests.sort_by_key(|one| std::cmp::Reverse((one.updated_on, one.id)));
        let newest = pull_requests.iter().take(PULL_REQUESTS_WINDOW);
        all.extend(newest.map(|one| (uuid.clone(), "pull_requests", one.id.to_string())));
        let history = world.history_of(&name);
        if let Some(head) = repository.default_branch.as_deref().and_then(|branch| history.head(branch)) {
            let newest = history.log(head).into_iter().take(COMMITS_WINDOW);
            all.extend(newest.map(|hash| (uuid.clone(), "commits", hash.to_owned())));
        }
    }
    all
}

/// What the store holds of secondary kinds, each item once.
fn stored(bench: &Bench) -> BTreeSet<(String, &'static str, String)> {
    let mut all = BTreeSet::new();
    for (repository, kind, item) in bench.secondary() {
        let kind = if kind == "commits" { "commits" } else { "pull_requests" };
        let item = (repository, kind, item);
        assert!(all.insert(item.clone()), "twice: {item:?}");
    }
    all
}

#[test]
fn a_first_day_p4_1_p4_2_p4_3_p4_5_p4_12_p5_1_p5_2_p5_3() {
    let bench = workspace();

    let findings = bench.json(&["check"]);
    shapes::check(&findings);
    let codes: BTreeSet<&str> = findings.as_array().expect("rows").iter().map(|row| text(row, "/code")).collect();
    assert_eq!(codes, BTreeSet::from(["ok"]), "{findings:#}");

    bench.simulator.reset_requests();
    let first = bench.json(&["sync", "now"]);
    shapes::syncs(&first);
    assert_eq!(first[0]["repositories"], json!({"seen": 200, "new": 200, "changed": 0, "gone": 0, "failed": 0}));
    assert_eq!(first[0]["secondary"]["pull_requests"]["stored"], 700);
    assert_eq!(first[0]["secondary"]["commits"]["stored"], 1500);
    assert_eq!(number(&first[0], "/requests"), bench.simulator.requests().total);
    assert!(text(&first[0], "/secondary/commits/complete_by") > text(&first[0], "/started_at"));

    let rows = bench.json(&["discovered", "list"]);
    shapes::discovered(&rows);
    let mut actions: BTreeMap<&str, u64> = BTreeMap::new();
    for row in rows.as_array().expect("rows") {
        *actions.entry(text(row, "/recommendation/action")).or_default() += 1;
    }
    assert_eq!(actions.values().sum::<u64>(), 200, "every repository awaits a decision: {actions:?}");
    for (action, count) in &actions {
        assert_eq!(number(&first[0], &format!("/recommendations/{action}")), *count);
    }
    assert!(actions["merge"] >= 30 && actions["register"] >= 100, "{actions:?}");
    let merges = bench.json(&["discovered", "list", "--action", "merge"]);
    assert_eq!(merges.as_array().map(Vec::len), Some(actions["merge"] as usize));
    let one = text(&merges[0], "/repository/full_name").to_owned();
    let entity = text(&merges[0], "/recommendation/entity").to_owned();
    bench.run(&["discovered", "show", &one]).ok().shows(&[&entity, "rules", "compared"]);

    // The dry run writes nothing; what it showed is then written, exactly.
    let before = (bench.files("catalog"), without_plans(&bench));
    let shown = bench.run(&["discovered", "import", "--all", "--action", "merge", "--dry-run", "--output", "json"]);
    let shown = shown.ok().json();
    shapes::import(&shown);
    assert_eq!((bench.files("catalog"), without_plans(&bench)), before);
    assert_eq!(shown["dry_run"], true);
    let plan = text(&shown, "/plan_id").to_owned();
    let done = bench.json(&["discovered", "import", "--plan", &plan]);
    shapes::import(&done);
    assert_eq!(done["rows"], shown["rows"], "written as shown");
    assert!(done["rows"].as_array().expect("rows").iter().all(|row| row["result"] == "done"));

    // Everything else, for real; conflicts are left for people.
    let rest = bench.run(&["discovered", "import", "--all", "--output", "json"]);
    let conflicts = actions.get("conflict").copied().unwrap_or(0);
    let rest = rest.exits(if conflicts > 0 { 4 } else { 0 }).json();
    shapes::import(&rest);

    let imported = bench.json(&["imported", "list"]);
    shapes::imported(&imported);
    assert_eq!(imported.as_array().map(Vec::len), Some(200 - conflicts as usize));
    bench.run(&["imported", "show", &one]).ok().shows(&[&entity, "merged", "pull_requests", "commits"]);
    assert_eq!(bench.json(&["discovered", "list"]).as_array().map(Vec::len), Some(conflicts as usize));

    // Sync until nothing waits: stored = windows, each item once.
    let mut syncs = vec![first[0].clone()];
    while ["/secondary/pull_requests", "/secondary/commits"].iter().any(|kind| waits(&syncs[syncs.len() - 1], kind)) {
        syncs.push(bench.sync_exits(0));
        assert!(syncs.len() < 10, "it does not end: {:#}", syncs[syncs.len() - 1]["secondary"]);
    }
    let sum = |kind: &str| syncs.iter().map(|one| number(one, &format!("/secondary/{kind}/stored"))).sum::<u64>();
    let wanted = windows(&bench);
    let of = |kind: &str| wanted.iter().filter(|one| one.1 == kind).count() as u64;
    assert!(stored(&bench) == wanted, "stored {} items, the windows hold {}", stored(&bench).len(), wanted.len());
    assert_eq!((sum("pull_requests"), sum("commits")), (of("pull_requests"), of("commits")), "none was stored twice");

    let pull_requests = bench.json(&["activity", "pull-requests", &one]);
    shapes::pull_requests(&pull_requests);
    let commits = bench.json(&["activity", "commits", &one]);
    shapes::commits(&commits);
    let uuid = bench.simulator.world().repository(&one).expect("it").uuid.to_string();
    let ids: BTreeSet<_> = pull_requests.as_array().expect("rows").iter().map(|row| row["id"].to_string()).collect();
    let hashes: BTreeSet<_> = commits.as_array().expect("rows").iter().map(|row| text(row, "/hash").into()).collect();
    let in_world = |kind: &str| -> BTreeSet<String> {
        wanted.iter().filter(|item| item.0 == uuid && item.1 == kind).map(|item| item.2.clone()).collect()
    };
    assert_eq!((ids, hashes), (in_world("pull_requests"), in_world("commits")));

    let history = bench.json(&["sync", "history"]);
    shapes::syncs(&history);
    assert_eq!(history.as_array().map(Vec::len), Some(syncs.len()));
    let newest = bench.json(&["sync", "show", text(&history[0], "/id")]);
    assert_eq!(newest, history[0]);
}

fn waits(record: &Value, kind: &str) -> bool {
    number(record, &format!("{kind}/backlog")) + number(record, &format!("{kind}/repositories_waiting")) > 0
}

/// A dry run keeps its plan for `--plan`, and nothing else.
fn without_plans(bench: &Bench) -> Vec<Value> {
    let mut lines = bench.export();
    // The last line counts the others.
    lines.retain(|line| line["book"] != "plans" && line.get("records").is_none());
    lines
}

#[test]
fn an_unchanged_sync_costs_two_requests_for_repositories_and_writes_no_file_p2_1() {
    let bench = workspace();
    bench.sync_exits(0);
    bench.run(&["discovered", "import", "--all", "--action", "merge"]).ok();
    // The import changed the catalog: this sync judges anew, and has nothing to write.
    bench.sync_exits(0);
    let before = bench.files("catalog");
    bench.simulator.reset_requests();
    let output = bench.run(&["sync", "now", "--output", "json"]).ok();
    let record = &output.json()[0];
    assert_eq!(bench.simulator.requests().count(Endpoint::Repositories), 2);
    assert_eq!(record["repositories"]["seen"], 200);
    assert_eq!(record["imported"], json!({"registered": 0, "merged": 0, "updated": 0, "failed": 0}));
    assert_eq!(bench.files("catalog"), before);
    assert!(!output.stderr.contains("correlate"), "it judged again: {}", output.stderr);
}

#[test]
fn a_dry_sync_writes_nothing_anywhere_p4_12() {
    let bench = workspace();
    bench.integration("auto_import: true\nsecondary_kinds: {}");
    let before = bench.files("catalog");
    let books = || bench.export().into_iter().filter(|line| line.get("book").is_some()).collect::<Vec<_>>();
    let empty = books();
    let dry = bench.run(&["sync", "now", "--dry-run", "--output", "json"]).exits(4).json();
    shapes::syncs(&dry);
    let plan = dry[0]["plan"].as_array().expect("a plan");
    assert!(plan.len() >= 100 && plan.iter().all(|row| row["files"][0]["diff"].is_string()), "{}", plan.len());
    assert_eq!(bench.files("catalog"), before);
    assert_eq!(books(), empty, "the store is as it was");
    bench.sync_exits(4);
    assert_ne!(books(), empty);
    let (files, state) = (bench.files("catalog"), books());
    bench.run(&["sync", "now", "--dry-run", "--full"]).exits(4);
    assert_eq!((bench.files("catalog"), books()), (files, state));
}

// P5.6: a dry run writes nothing, and what it asked of Bitbucket counts toward the hour of whoever comes next.
#[test]
fn a_dry_run_spends_requests_and_counts_them_p5_6() {
    let bench = Bench::of(&["payments-api", "web"]);
    let ask = || bench.run(&["sync", "now", "--dry-run", "--output", "json"]).ok().json()[0].take();
    let (first, second) = (ask(), ask());
    let of = |record: &Value, at: &str| number(record, at);
    assert!(of(&second, "/requests") > 0, "{second}");
    assert_eq!(of(&second, "/requests_remaining"), of(&first, "/requests_remaining") - of(&second, "/requests"));
}
