//! `check`: every finding of P6.9, each with its mend and a curl command without the secret.

use catalog_sync::simulator::{Credential, Endpoint, Fault, Order, SimulatorOptions};
use serde_json::Value;

use crate::harness::{Bench, TOKEN, text, world};
use crate::shapes;

#[track_caller]
fn finding(bench: &Bench, code: &str, exit: i32) -> Value {
    let output = bench.run(&["check", "--output", "json"]).exits(exit);
    let rows = output.json();
    shapes::check(&rows);
    let found = rows.as_array().expect("rows").iter().find(|row| row["code"] == code);
    found.cloned().unwrap_or_else(|| panic!("no `{code}` in {rows:#}"))
}

#[track_caller]
fn whole(row: &Value) {
    assert!(row["mend"].is_string(), "no mend: {row:#}");
    let curl = text(row, "/curl");
    assert!(curl.starts_with("curl ") && !curl.contains(TOKEN), "{curl}");
}

#[test]
fn a_wrong_token_is_invalid_credentials_p6_9() {
    let mut bench = Bench::of(&["payments-api"]);
    bench.env[0].1 = "another".to_owned();
    let row = finding(&bench, "invalid_credentials", 4);
    whole(&row);
    bench.run(&["check"]).exits(4).shows(&["invalid_credentials", "mend:", "try:  curl"]);
}

#[test]
fn lacking_scopes_are_invalid_permissions_and_named_p6_9() {
    let bench = Bench::with(
        {
            let mut world = world();
            world.add_repository("acme", catalog_sync::simulator::NewRepository::named("a").with_commits(1));
            world
        },
        SimulatorOptions {
            credentials: vec![Credential::token(TOKEN).with_scopes(&["repository", "project"])],
            ..SimulatorOptions::default()
        },
    );
    let row = finding(&bench, "invalid_permissions", 4);
    whole(&row);
    assert!(row.to_string().contains("pullrequest"), "required and granted are named: {row:#}");
}

#[test]
fn no_repository_is_no_resources_p6_9_p2_10() {
    let bench = Bench::new(world());
    whole(&finding(&bench, "no_resources", 4));
}

#[test]
fn a_wrong_workspace_is_not_found_p6_9() {
    let bench = Bench::of(&["payments-api"]);
    bench.config(&bench.read("catalog-sync.yaml").replace("bitbucket.org/acme", "bitbucket.org/amce"));
    whole(&finding(&bench, "not_found", 4));
    bench.run(&["sync", "now"]).exits(1);
}

#[test]
fn a_test_repository_is_read_p6_3() {
    let bench = Bench::of(&["payments-api"]);
    let config = bench.read("catalog-sync.yaml");
    bench.config(&config.replace("    auth:", "    test_repository: payments-api.git\n    auth:"));
    bench.run(&["check"]).ok().shows(&["test repository payments-api"]);
    bench.config(&config.replace("    auth:", "    test_repository: nothing.git\n    auth:"));
    let row = finding(&bench, "not_found", 4);
    assert!(text(&row, "/subject").contains("nothing"));
}

#[test]
fn nobody_there_is_unreachable_p6_9() {
    let bench = Bench::of(&["payments-api"]);
    let config = bench.read("catalog-sync.yaml").replace(bench.simulator.api_url(), "http://127.0.0.1:9/2.0");
    bench.config(&config);
    whole(&finding(&bench, "unreachable", 4));
    bench.run(&["sync", "now"]).exits(1).says(&[]);
}

#[test]
fn a_page_of_a_proxy_is_unreachable_p6_9() {
    let bench = Bench::of(&["payments-api"]);
    bench.simulator.order(Order::always(Fault::HtmlPage).at(Endpoint::Repositories));
    whole(&finding(&bench, "unreachable", 4));
}

#[test]
fn offline_needs_no_secret_and_sends_nothing_p6_9() {
    let mut bench = Bench::of(&["payments-api"]);
    bench.env.clear();
    bench.run(&["check", "--offline"]).ok();
    assert_eq!(bench.simulator.requests().total, 0);
    assert!(!bench.path("data").exists(), "no store is made");
    let row = finding(&bench, "invalid_secret", 4);
    assert!(text(&row, "/message").contains("BITBUCKET_TOKEN"), "a missing variable is named: {row:#}");
    bench.run(&["check", "nobody"]).exits(2).says(&["no integration `nobody`", "acme"]);
}

#[test]
fn the_catalog_is_probed_and_its_faults_are_named_p6_9() {
    let bench = Bench::of(&["payments-api"]);
    bench.component("payments-api");
    bench.file("catalog/broken.yaml", "a: [1\nb: 2\n");
    let before = bench.files("catalog");
    let row = finding(&bench, "warning", 0);
    assert!(text(&row, "/subject").contains("broken.yaml:"), "{row:#}");
    assert!(row["mend"].is_string());
    assert_eq!(bench.files("catalog"), before, "the probe leaves nothing");
    std::fs::remove_dir_all(bench.path("catalog")).expect("a catalog");
    let row = finding(&bench, "unreadable", 4);
    assert!(row["mend"].is_string());
}
