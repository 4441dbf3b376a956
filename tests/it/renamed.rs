//! Integrations and catalogs that are called otherwise from now on.

use catalog_sync::simulator::{NewPullRequest, NewRepository};
use serde_json::Value;

use crate::harness::{Bench, number, text, world};

/// Two integrations on one catalog, called as told.
fn config(names: [&str; 2], catalog: &str, more: [&str; 2]) -> String {
    let mut config = "store: ./data\nconnectors:\n".to_owned();
    for workspace in ["acme", "beta"] {
        config.push_str(&format!(
            "  {workspace}: {{ type: bitbucket_cloud, url: https://bitbucket.org/{workspace}, api_url: {{api_url}}, auth: {{ access_token: {{ env: BITBUCKET_TOKEN }} }} }}\n"
        ));
    }
    config.push_str(&format!("catalogs:\n  {catalog}: {{ directory: {{ path: ./catalog }} }}\nintegrations:\n"));
    for ((workspace, name), more) in ["acme", "beta"].iter().zip(names).zip(more) {
        config.push_str(&format!("  - {{ name: {name}, connector: {workspace}, catalog: {catalog}{more} }}\n"));
    }
    config
}

fn bench() -> Bench {
    let mut world = world();
    world.add_workspace("beta", "Beta");
    world.add_project("beta", "PAY", "Payments");
    for name in ["payments-api", "web-shop", "billing"] {
        world.add_repository("acme", NewRepository::named(name).with_commits(4));
        world.open_pull_request(&format!("acme/{name}"), NewPullRequest::titled("A change"));
    }
    world.add_repository("beta", NewRepository::named("ledger").with_commits(2));
    let bench = Bench::new(world);
    bench.component("payments-api");
    bench.component("web-shop");
    bench.config(&config(["acme", "beta"], "main", ["", ""]));
    bench.run(&["sync", "now"]).ok();
    bench.run(&["discovered", "import", "payments-api"]).ok();
    bench.run(&["discovered", "ignore", "web-shop"]).ok();
    bench.run(&["integration", "suspend", "beta"]).ok();
    bench
}

/// Names of repositories in a list.
fn names(rows: &Value) -> Vec<&str> {
    rows.as_array().expect("rows").iter().map(|row| text(row, "/repository/name")).collect()
}

/// What is kept of everything but syncs, by book.
fn counts(bench: &Bench) -> std::collections::BTreeMap<String, usize> {
    let mut counts = std::collections::BTreeMap::new();
    for line in bench.export() {
        if let Some(book) = line["book"].as_str().filter(|book| !["syncs", "audit"].contains(book)) {
            *counts.entry(book.to_owned()).or_insert(0) += 1;
        }
    }
    counts
}

// P4.13: integrations and their catalog get other names at once. Nothing is lost, doubled or fetched anew.
#[test]
fn integrations_and_catalog_renamed_at_once_keep_everything_p4_13() {
    let bench = bench();
    bench.run(&["sync", "now"]).ok();
    let unchanged = bench.sync_exits(0);
    let (kept, items) = (counts(&bench), bench.secondary());
    let history = bench.json(&["sync", "history"]).as_array().map(Vec::len);
    let imported = bench.json(&["imported", "list"]);

    bench.config(&config(["shop", "books"], "golden", [", renamed_from: acme", ", renamed_from: beta"]));
    let rows = bench.json(&["integration", "list"]);
    let states: Vec<_> =
        rows.as_array().expect("rows").iter().map(|row| (text(row, "/name"), text(row, "/state"))).collect();
    assert_eq!(states, [("shop", "active"), ("books", "suspended")], "none is orphaned: {rows:#}");
    assert_eq!((number(&rows[0], "/repositories"), number(&rows[0], "/imported")), (3, 1));
    assert_eq!(bench.json(&["sync", "history"]).as_array().map(Vec::len), history);

    let record = bench.sync_exits(0);
    assert_eq!(text(&record, "/integration"), "shop");
    assert_eq!(record["requests"], unchanged["requests"], "as an unchanged sync: {record:#}");
    assert_eq!(
        (number(&record, "/repositories/new"), number(&record, "/secondary/commits/stored")),
        (0, 0),
        "{record:#}"
    );
    assert_eq!(number(&record, "/secondary/pull_requests/stored"), 0, "{record:#}");
    assert_eq!(bench.secondary(), items);
    assert_eq!(counts(&bench), kept, "nothing lost, nothing twice");

    assert_eq!(names(&bench.json(&["discovered", "list", "--state", "ignored"])), ["web-shop"]);
    assert_eq!(names(&bench.json(&["discovered", "list"])), ["billing", "ledger"]);
    let now = bench.json(&["imported", "list"]);
    assert_eq!(names(&now), names(&imported));
    for field in ["/import_id", "/imported_at", "/status", "/entity"] {
        assert_eq!(text(&now[0], field), text(&imported[0], field));
    }
    bench.run(&["sync", "now", "books"]).exits(4).says(&["books is suspended"]);
    assert_eq!(bench.json(&["store", "check"])["faults"], Value::Array(Vec::new()));
    // Said once more, it does nothing more.
    let before = bench.export();
    bench.run(&["integration", "list"]).ok();
    assert_eq!(bench.export(), before);
}

// P4.13: also where integrations keep their names and only the catalog has another one; the rows of the decisions file
// go along.
#[test]
fn a_renamed_catalog_takes_decisions_file_and_links_along_p4_13() {
    let bench = bench();
    let with_file = |text: String| format!("decisions: ./decisions.yaml\n{text}");
    bench.config(&with_file(config(["acme", "beta"], "main", ["", ""])));
    bench.run(&["sync", "now"]).ok();
    bench.file(
        "decisions.yaml",
        &bench.read("decisions.yaml").replace("decisions:\n", "decisions:\n# by the shop team\n"),
    );
    assert_eq!(bench.read("decisions.yaml").matches("catalog: main").count(), 1);

    let more = [", renamed_from: acme", ", renamed_from: beta"];
    bench.config(&with_file(config(["acme", "beta"], "golden", more)));
    let out = bench.run(&["sync", "now"]).ok();
    assert!(!out.stderr.contains("has no effect"), "{}", out.stderr);
    let file = bench.read("decisions.yaml");
    assert_eq!((file.matches("catalog: golden").count(), file.matches("catalog: main").count()), (1, 0), "{file}");
    assert!(file.contains("# by the shop team"), "{file}");
    assert_eq!(names(&bench.json(&["discovered", "list", "--state", "ignored"])), ["web-shop"]);
    assert_eq!(names(&bench.json(&["imported", "list"])), ["payments-api"]);
    assert_eq!(text(&bench.json(&["imported", "list"])[0], "/imported_by"), "cli", "no link made anew from its mark");
}

// Where the other catalog is still there, links and decisions are its own: out of sight they would bind nobody knows
// what. Refused, and nothing changes; without the former name there is an orphan, which can be deleted.
#[test]
fn a_catalog_that_is_still_there_keeps_its_links_p4_13() {
    let bench = bench();
    let both = |text: String| text.replace("catalogs:\n", "catalogs:\n  main: { directory: { path: ./catalog } }\n");
    std::fs::create_dir(bench.path("second")).expect("a catalog");
    let other = |more| {
        let config = config(["shop", "beta"], "golden", [more, ""])
            .replace("connector: beta, catalog: golden", "connector: beta, catalog: main")
            .replace("golden: { directory: { path: ./catalog } }", "golden: { directory: { path: ./second } }");
        bench.config(&both(config));
    };
    let before = bench.export();
    other(", renamed_from: acme");
    for args in [["sync", "now"].as_slice(), &["imported", "list"]] {
        bench.run(args).exits(4).says(&[
            "`renamed_from: acme` of shop",
            "`main`, which is still in the config",
            "mend:",
        ]);
    }
    other("");
    assert_eq!(bench.export(), before);
    bench.run(&["sync", "now", "shop"]).ok();
    let listed = bench.json(&["integration", "list"]);
    assert!(listed.to_string().contains("orphaned"), "{listed:#}");
    let books = bench.export();
    let of_catalog = |book: &str| books.iter().filter(|line| line["book"] == book && line["key"][0] == "main").count();
    assert_eq!((of_catalog("links"), of_catalog("decisions")), (1, 1));
}

// Catalogs that swap their names: neither has left the config, so neither's links would go along.
#[test]
fn catalogs_that_swap_names_are_refused_p4_13() {
    let bench = bench();
    std::fs::create_dir(bench.path("second")).expect("a catalog");
    let swapped = |first: &str, second: &str, more: [&str; 2]| {
        let text = config(["acme", "beta"], "golden", more)
            .replace("connector: acme, catalog: golden", &format!("connector: acme, catalog: {first}"))
            .replace("connector: beta, catalog: golden", &format!("connector: beta, catalog: {second}"));
        let (paths, golden) = (["./catalog", "./second"], "golden: { directory: { path: ./catalog } }");
        let catalogs = format!(
            "{first}: {{ directory: {{ path: {} }} }}\n  {second}: {{ directory: {{ path: {} }} }}",
            paths[0], paths[1]
        );
        bench.config(&text.replace(golden, &catalogs));
    };
    swapped("main", "other", ["", ""]);
    bench.run(&["integration", "resume", "beta"]);
    bench.run(&["sync", "now"]).ok();
    let before = bench.export();
    swapped("other", "main", [", renamed_from: acme", ", renamed_from: beta"]);
    bench.run(&["sync", "now"]).exits(4).says(&["still in the config", "swap names"]);
    swapped("main", "other", ["", ""]);
    assert_eq!(bench.export(), before);
}

// A former name that nobody bears is told while it still can be mended.
#[test]
fn a_misspelt_former_name_is_told_p4_13() {
    let bench = bench();
    bench.config(&config(["shop", "beta"], "golden", [", renamed_from: acmee", ", renamed_from: beta"]));
    bench
        .run(&["integration", "list"])
        .ok()
        .says(&["`renamed_from: acmee` names nobody", "no longer in the config: acme"]);
}

// What has a state of its own by now is not written over.
#[test]
fn a_former_name_comes_too_late_for_what_has_synced_p4_13() {
    let bench = bench();
    bench.config(&config(["shop", "books"], "golden", ["", ""]));
    bench.run(&["sync", "now"]).ok();
    bench.config(&config(["shop", "books"], "golden", [", renamed_from: acme", ""]));
    let before = bench.export();
    bench.run(&["integration", "list"]).ok().says(&["renamed_from: acme", "state of its own", "integration delete"]);
    assert_eq!(bench.export(), before);
    // The way out that is told.
    bench.run(&["integration", "delete", "shop", "--yes"]).ok();
    bench.run(&["sync", "now", "shop"]).ok();
    assert_eq!(names(&bench.json(&["discovered", "list", "--state", "ignored"])), ["web-shop"]);
}
