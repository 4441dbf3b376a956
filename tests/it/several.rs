//! Several integrations in one `sync now`.

use catalog_sync::simulator::NewRepository;
use serde_json::Value;

use crate::harness::{Bench, TOKEN, text, world};

fn config(of_beta: &str) -> String {
    let mut config = "store: ./data\nconnectors:\n".to_owned();
    for name in ["acme", "beta", "gama"] {
        let token = if name == "beta" { "file: ./beta.tok" } else { "env: BITBUCKET_TOKEN" };
        config.push_str(&format!(
            "  {name}: {{ type: bitbucket_cloud, url: https://bitbucket.org/{name}, api_url: {{api_url}}, auth: {{ access_token: {{ {token} }} }} }}\n"
        ));
    }
    config.push_str("catalogs:\n  main: { directory: { path: ./catalog } }\nintegrations:\n");
    for name in ["acme", "beta", "gama"] {
        let more = if name == "beta" { of_beta } else { "" };
        config.push_str(&format!("  - {{ name: {name}, connector: {name}, catalog: main{more} }}\n"));
    }
    config
}

fn outcomes(records: &Value) -> Vec<(&str, &str)> {
    let records = records.as_array().expect("an array").iter();
    records.map(|record| (text(record, "/integration"), text(record, "/outcome"))).collect()
}

// Contract, sections 2 and 3: one object per integration, whichever cannot begin; the exit code is the first of 1, 4, 3,
// 0 that occurred, 2 before anything runs.
#[test]
fn one_that_cannot_begin_does_not_keep_the_others_from_it() {
    let mut world = world();
    for workspace in ["acme", "beta", "gama"] {
        if workspace != "acme" {
            world.add_workspace(workspace, workspace);
            world.add_project(workspace, "PAY", "Payments");
        }
        world.add_repository(workspace, NewRepository::named(&format!("{workspace}-one")).with_commits(1));
    }
    let bench = Bench::new(world);
    bench.file("beta.tok", TOKEN);
    let sync = |args: &[&str], code| {
        let mut all = vec!["sync", "now", "--output", "json"];
        all.extend(args);
        bench.run(&all).exits(code).json()
    };
    bench.config(&config(""));
    let all_done = [("acme", "completed"), ("beta", "completed"), ("gama", "completed")];
    assert_eq!(outcomes(&sync(&[], 0)), all_done);

    // Locked: refused.
    bench.config(&config(", start_date: 2026-01-01"));
    let refused = sync(&[], 4);
    assert_eq!(outcomes(&refused), [("acme", "completed"), ("beta", "refused"), ("gama", "completed")]);
    assert!(text(&refused[1], "/errors/0/message").contains("may only move earlier"), "{refused:#}");
    let dry = sync(&["--dry-run"], 4);
    assert_eq!(outcomes(&dry), [("acme", "completed"), ("beta", "refused"), ("gama", "completed")]);
    // By itself it is an error as before.
    bench.run(&["sync", "now", "beta"]).exits(4).says(&["may only move earlier"]);

    // A secret that is gone: failed.
    bench.config(&config(""));
    std::fs::remove_file(bench.path("beta.tok")).expect("a secret");
    let failed = bench.run(&["sync", "now", "--output", "json"]);
    assert_ne!(failed.status, Some(0), "{failed:?}");
    let records = failed.json();
    assert_eq!(records[0]["outcome"], "completed");
    assert_ne!(records[1]["outcome"], "completed");
    assert_eq!(records[2]["outcome"], "completed");
    assert_eq!(records.as_array().map(Vec::len), Some(3));
    assert_eq!(bench.json(&["discovered", "list"]).as_array().map(Vec::len), Some(3));

    // A fault of the config: nothing runs.
    let before = bench.json(&["sync", "history"]).as_array().map(Vec::len);
    bench.config(&config(", rules: ./nowhere.yaml"));
    bench.run(&["sync", "now"]).exits(2);
    bench.config(&config(""));
    assert_eq!(bench.json(&["sync", "history"]).as_array().map(Vec::len), before);
}
