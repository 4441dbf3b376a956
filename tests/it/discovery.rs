//! What a sync discovers, hides, follows and refuses.

use catalog_sync::simulator::{BadRow, Credential, Endpoint, Fault, NewRepository, Order, World};
use chrono::{Duration, Utc};
use serde_json::{Value, json};

use crate::harness::{Bench, number, text, world};

fn names(rows: &Value) -> Vec<&str> {
    rows.as_array().expect("rows").iter().map(|row| text(row, "/repository/full_name")).collect()
}

#[test]
fn filters_hide_and_say_which_p2_3() {
    let mut world = world();
    for (name, project) in [("payments-api", "PAY"), ("sandbox-one", "PAY"), ("web-shop", "SHOP")] {
        world.add_repository("acme", NewRepository::named(name).in_project(project).with_commits(1));
    }
    let mut fork = NewRepository::named("payments-fork").in_project("PAY");
    fork.forked_from = Some("acme/payments-api".to_owned());
    world.add_repository("acme", fork);
    let bench = Bench::new(world);
    bench.integration("repositories: { exclude: [\"Sandbox-*\"], projects: [pay], forks: false }");
    let record = bench.sync_exits(0);
    assert_eq!(record["repositories"]["new"], 4, "hidden ones are recorded");
    assert_eq!(record["repositories"]["seen"], 1, "hidden ones are listed as such");
    assert_eq!(names(&bench.json(&["discovered", "list"])), ["acme/payments-api"]);
    let hidden = bench.json(&["discovered", "list", "--state", "hidden"]);
    assert_eq!(names(&hidden), ["acme/payments-fork", "acme/sandbox-one", "acme/web-shop"]);
    let filters: Vec<&str> = hidden.as_array().expect("rows").iter().map(|row| text(row, "/hidden_by")).collect();
    assert_eq!(filters, ["forks: false", "exclude: Sandbox-*", "projects: pay"]);
    assert!(hidden[0]["state"] == "hidden");
    bench.run(&["discovered", "import", "web-shop"]).exits(4).shows(&["hidden by the filter projects: pay"]);
    // Filters are ours: they change without a request more than a sync has anyway.
    bench.integration("repositories: { include: [\"SHOP/*\", \"pay*\"], forks: true }");
    bench.sync_exits(0);
    assert_eq!(
        names(&bench.json(&["discovered", "list"])),
        ["acme/payments-api", "acme/payments-fork", "acme/web-shop"]
    );
    let hidden = bench.json(&["discovered", "list", "--state", "hidden"]);
    assert_eq!(text(&hidden[0], "/hidden_by"), "include: SHOP/*, pay*");
}

#[test]
fn the_start_date_limits_activity_and_moves_earlier_only_p2_6() {
    let mut world = world();
    let old = Utc::now() - Duration::days(400);
    let mut repository = NewRepository::named("payments-api").with_commits(12);
    repository.created_on = Some(old);
    world.add_repository("acme", repository);
    let bench = Bench::new(world);
    let dates: Vec<_> = {
        let world = bench.simulator.world();
        let history = world.history_of("acme/payments-api");
        let mut dates: Vec<_> = history.commits().iter().map(|one| one.date.to_utc()).collect();
        dates.sort();
        dates
    };
    let middle = dates[6].date_naive();
    let after = |day: chrono::NaiveDate| dates.iter().filter(|date| date.date_naive() >= day).count();
    bench.integration(&format!("start_date: {middle}"));
    bench.sync_exits(0);
    assert_eq!(bench.json(&["discovered", "list"]).as_array().map(Vec::len), Some(1), "it hides no repository");
    let commits = || bench.json(&["activity", "commits", "payments-api"]).as_array().map_or(0, Vec::len);
    assert_eq!(commits(), after(middle));

    let later = middle + Duration::days(2);
    bench.integration(&format!("start_date: {later}"));
    bench.run(&["sync", "now"]).exits(4).says(&["may only move earlier", &middle.to_string(), "mend:"]);
    let check = bench.run(&["check"]).exits(4);
    check.shows(&["locked", "may only move earlier"]);
    assert_eq!(commits(), after(middle), "nothing is lost");

    let earlier = dates[2].date_naive();
    bench.integration(&format!("start_date: {earlier}"));
    bench.sync_exits(0);
    assert_eq!(commits(), after(earlier), "the difference is fetched");
    bench.integration("");
    bench.sync_exits(0);
    assert_eq!(commits(), 12);

    let future = Utc::now().date_naive() + Duration::days(3);
    bench.integration(&format!("start_date: {future}"));
    bench.run(&["sync", "now"]).exits(2).says(&["catalog-sync.yaml:15", "lies in the future", "mend:"]);
}

#[test]
fn suspended_integrations_rest_until_resumed_p2_5_p2_7() {
    let bench = Bench::of(&["payments-api"]);
    bench.sync();
    bench.run(&["discovered", "import", "payments-api"]).ok();
    bench.run(&["integration", "suspend", "acme"]).ok();
    let files = bench.files("catalog");
    bench.simulator.world().add_repository("acme", NewRepository::named("web-shop"));
    bench.simulator.world().edit_repository("acme/payments-api", |one| one.is_private = !one.is_private);
    bench.simulator.reset_requests();
    bench.run(&["sync", "now"]).exits(4).says(&["acme is suspended", "integration resume acme"]);
    bench.run(&["sync", "now", "acme"]).exits(4).says(&["acme is suspended"]);
    assert_eq!(bench.simulator.requests().total, 0);
    assert_eq!(bench.files("catalog"), files, "imported entities unchanged");
    assert_eq!(bench.json(&["integration", "show", "acme"])[0]["state"], "suspended");
    bench.run(&["integration", "resume", "acme"]).ok();
    assert_eq!(bench.sync_exits(0)["repositories"]["new"], 1);

    // The file outranks `resume`, which names the line.
    bench.integration("suspended: true");
    let line = bench.read("catalog-sync.yaml").lines().position(|line| line.contains("suspended")).expect("a line") + 1;
    let place = format!("catalog-sync.yaml:{line}");
    bench.run(&["integration", "resume", "acme"]).exits(4).says(&[&place, "suspended: true"]);
    bench.run(&["sync", "now"]).exits(4).says(&[&place]);
    assert_eq!(bench.json(&["integration", "list"])[0]["state"], "suspended by the config");
}

#[test]
fn renamed_and_moved_repositories_keep_their_link_p2_8() {
    let bench = Bench::of(&["payments-api"]);
    bench.component("payments-api");
    bench.sync();
    bench.run(&["discovered", "import", "payments-api"]).ok();
    bench.simulator.world().rename_repository("acme/payments-api", "Money API");
    let record = bench.sync_exits(0);
    assert_eq!(record["repositories"], json!({"seen": 1, "new": 0, "changed": 1, "gone": 0, "failed": 0}));
    let imported = bench.json(&["imported", "list"]);
    assert_eq!(names(&imported), ["acme/money-api"]);
    assert_eq!(imported[0]["entity"], "component:default/payments-api");
    let file = bench.read("catalog/payments-api.yaml");
    assert!(file.contains("bitbucket.org/project-slug: acme/money-api"), "{file}");
    let detail = bench.json(&["imported", "show", "payments-api"]);
    assert_eq!(detail["former_names"], json!(["acme/payments-api"]), "also found by its old name");

    bench.simulator.world().move_repository("acme/money-api", "SHOP");
    assert_eq!(bench.sync_exits(0)["repositories"]["changed"], 1);
    assert!(bench.read("catalog/payments-api.yaml").contains("catalog-sync.dev/project-key: SHOP"));
    assert_eq!(bench.files("catalog").len(), 1, "nothing was registered beside it");
}

/// Two workspaces, an integration each, one catalog.
fn two_workspaces() -> Bench {
    let mut world: World = world();
    world.add_workspace("labs", "Labs");
    world.add_project("labs", "LAB", "Lab");
    world.add_repository("acme", NewRepository::named("payments-api").with_commits(2));
    world.add_repository("acme", NewRepository::named("web-shop").with_commits(2));
    world.add_repository("labs", NewRepository::named("web-shop").with_commits(2));
    let bench = Bench::new(world);
    let config = bench.read("catalog-sync.yaml").replace("https://bitbucket.org/acme", "https://bitbucket.org")
        + "    workspace: acme\n  - { name: labs, connector: acme, catalog: main, workspace: labs }\n";
    bench.config(&config);
    bench
}

#[test]
fn a_transfer_to_another_integration_hands_the_link_over_p2_8() {
    let bench = two_workspaces();
    bench.component("payments-api");
    bench.run(&["sync", "now"]).ok();
    bench.run(&["discovered", "import", "payments-api"]).ok();
    bench.simulator.world().transfer_repository("acme/payments-api", "labs");
    // It is missing once in acme, then looked for by its id and found elsewhere.
    for _ in 0..3 {
        bench.run(&["sync", "now"]).ok();
    }
    let imported = bench.json(&["imported", "list"]);
    assert_eq!(names(&imported), ["labs/payments-api"], "{imported:#}");
    assert_eq!(imported[0]["integration"], "labs");
    assert_eq!(imported[0]["entity"], "component:default/payments-api");
    assert_eq!(imported[0]["repository_state"], "present");
    let file = bench.read("catalog/payments-api.yaml");
    assert!(file.contains("bitbucket.org/project-slug: labs/payments-api"), "{file}");
    assert!(file.contains("catalog-sync.dev/integration: labs"), "the mark names who looks after it (P4.8): {file}");
    let detail = bench.json(&["imported", "show", "labs/payments-api"]);
    assert!(detail["former_names"].to_string().contains("acme/payments-api"), "history shows it: {detail:#}");
}

#[test]
fn an_ambiguous_name_is_refused_with_the_candidates() {
    let bench = two_workspaces();
    bench.run(&["sync", "now"]).ok();
    let said = bench.run(&["discovered", "show", "web-shop"]).exits(2);
    said.says(&["means several", "acme/web-shop", "labs/web-shop"]);
    bench.run(&["discovered", "show", "labs/web-shop"]).ok();
    bench.run(&["discovered", "show", "https://bitbucket.org/labs/web-shop/src/main/"]).ok();
    bench.run(&["discovered", "show", "git@bitbucket.org:acme/web-shop.git"]).ok();
    bench.run(&["discovered", "show", "no-such"]).exits(2).says(&["no repository `no-such` is known"]);
    // Both claim one new name: rivals across integrations, whoever was judged first (P3.7).
    bench.run(&["sync", "now"]).ok();
    let rows = bench.json(&["discovered", "list", "--action", "conflict"]);
    assert_eq!(names(&rows), ["acme/web-shop", "labs/web-shop"], "{rows:#}");
}

#[test]
fn no_repository_is_an_error_and_never_means_all_gone_p2_9_p2_10() {
    let bench = Bench::of(&["payments-api"]);
    bench.sync();
    bench.run(&["discovered", "import", "payments-api"]).ok();
    let files = bench.files("catalog");
    bench.simulator.set_credentials(vec![Credential::token(crate::harness::TOKEN).seeing(&[])]);
    for _ in 0..3 {
        let record = bench.sync_exits(1);
        assert_eq!(record["outcome"], "failed");
        assert!(text(&record, "/errors/0/message").contains("no_resources"), "{record:#}");
        assert_eq!(record["repositories"]["gone"], 0);
    }
    assert_eq!(bench.json(&["imported", "list"])[0]["repository_state"], "present");
    assert_eq!(bench.files("catalog"), files);
}

#[test]
fn one_bad_row_never_fails_the_others_p2_11() {
    let bench = Bench::of(&["payments-api", "web-shop", "mailer"]);
    bench.simulator.order(Order::always(Fault::BadRow { row: 1, how: BadRow::WrongTypes }).at(Endpoint::Repositories));
    let record = bench.sync_exits(3);
    assert_eq!(record["outcome"], "partial");
    assert!(number(&record, "/repositories/failed") >= 1, "{record:#}");
    assert_eq!(record["errors"][0]["retry"], "next_sync", "{record:#}");
    assert_eq!(names(&bench.json(&["discovered", "list"])), ["acme/mailer", "acme/payments-api"]);
    bench.simulator.clear_orders();
    assert_eq!(bench.sync_exits(0)["repositories"]["new"], 1);
}

#[test]
fn one_bad_repository_never_fails_the_others_p2_11() {
    let bench = Bench::of(&["payments-api", "web-shop", "mailer"]);
    let broken = Order::always(Fault::Status(500)).at(Endpoint::Commits).repository("acme/web-shop");
    bench.simulator.order(broken);
    let output = bench.run(&["sync", "now", "--output", "json"]).exits(3);
    let record = &output.json()[0];
    assert_eq!(record["outcome"], "partial");
    assert_eq!(record["repositories"]["failed"], 1);
    assert_eq!(record["errors"][0]["repository"], "acme/web-shop");
    assert_eq!(record["secondary"]["commits"]["stored"], 6);
    bench.simulator.clear_orders();
    let record = bench.sync_exits(0);
    assert_eq!(record["secondary"]["commits"]["stored"], 3);
    let shown = bench.run(&["sync", "history"]).ok();
    shown.shows(&["partial", "completed"]);
}

#[test]
fn a_forbidden_repository_pauses_and_is_named_p2_9() {
    let bench = Bench::of(&["payments-api", "web-shop"]);
    bench.simulator.world().forbid_repository("acme/web-shop", true);
    let record = bench.sync_exits(3);
    assert!(record["errors"].to_string().contains("acme/web-shop"), "{record:#}");
    assert_eq!(record["repositories"]["gone"], 0);
    // Nobody loses sight of it: counts and lists know it, and its page says what it is.
    let counts = &record["repositories"];
    assert_eq!([&counts["seen"], &counts["inaccessible"], &counts["new"]], [1, 1, 2], "{record:#}");
    let again = bench.sync();
    assert_eq!([&again["repositories"]["seen"], &again["repositories"]["inaccessible"]], [1, 1], "{again:#}");
    bench.run(&["sync", "show", text(&again, "/id")]).ok().shows(&["1 seen (1 more cannot be read)"]);
    let listed = |args: &[&str]| bench.json(&[&["discovered", "list"], args].concat());
    assert_eq!(listed(&[]).as_array().map(Vec::len), Some(1));
    assert_eq!(listed(&["--state", "all"]).as_array().map(Vec::len), Some(2));
    let forbidden = listed(&["--state", "inaccessible"]);
    assert_eq!(forbidden[0]["state"], "inaccessible");
    assert!(text(&forbidden, "/0/recommendation/reason").contains("may not be read"), "{forbidden:#}");
    let shown = bench.run(&["discovered", "show", "web-shop"]).ok();
    assert!(!shown.stdout.contains("becomes"), "nothing is promised: {}", shown.stdout);
    shown.shows(&["cannot be read", "may not be read: "]);
    bench.run(&["discovered", "import", "web-shop"]).exits(4);
    assert_eq!(bench.json(&["discovered", "import", "--all", "--dry-run"])["rows"].as_array().map(Vec::len), Some(1));
    // Allowed again, it waits like any other.
    bench.simulator.world().forbid_repository("acme/web-shop", false);
    let back = bench.json(&["sync", "now", "--full"])[0].take();
    assert_eq!(back["repositories"]["seen"], 2, "{back:#}");
    assert_eq!(listed(&[]).as_array().map(Vec::len), Some(2));
}

#[test]
fn what_is_gone_is_gone_only_after_two_sweeps_p2_9() {
    let names: Vec<String> = (0..40).map(|n| format!("service-{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let bench = Bench::of(&names);
    bench.integration("secondary_kinds: {}");
    bench.sync();
    bench.run(&["discovered", "import", "service-00"]).ok();
    bench.simulator.world().delete_repository("acme/service-00");
    assert_eq!(bench.sync_exits(0)["repositories"]["gone"], 0);
    assert_eq!(bench.sync_exits(0)["repositories"]["gone"], 1);
    let imported = bench.json(&["imported", "list"]);
    assert_eq!(imported[0]["repository_state"], "gone", "the link stays: {imported:#}");
    // Too many at once wait for a person.
    for name in &names[1..10] {
        bench.simulator.world().delete_repository(&format!("acme/{name}"));
    }
    bench.sync_exits(0);
    let record = bench.sync_exits(4);
    assert_eq!(record["outcome"], "held");
    assert!(text(&record, "/held/0/reason").contains("9 are not listed any more"), "{record:#}");
    let approved = bench.json(&["sync", "approve", text(&record, "/id")]);
    assert_eq!(approved[0]["repositories"]["gone"], 9);
    assert_eq!(bench.sync_exits(0)["repositories"]["seen"], 30);
}

#[test]
fn a_filter_that_hides_too_much_waits_p2_9() {
    let names: Vec<String> = (0..20).map(|n| format!("service-{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let bench = Bench::of(&names);
    bench.integration("secondary_kinds: {}");
    bench.sync();
    bench.integration("secondary_kinds: {}\nrepositories: { exclude: [\"*\"] }");
    let record = bench.sync_exits(4);
    assert!(text(&record, "/held/0/reason").contains("exclude: *"), "it names the cause: {record:#}");
    assert_eq!(bench.json(&["discovered", "list"]).as_array().map(Vec::len), Some(20));
}

#[test]
fn a_catalog_that_is_gone_or_shrank_stops_the_sync_p2_13() {
    let bench = Bench::of(&["payments-api"]);
    bench.integration("auto_import: true\nsecondary_kinds: {}");
    for n in 0..8 {
        bench.component(&format!("service-{n}"));
    }
    bench.sync();
    bench.simulator.world().add_repository("acme", NewRepository::named("service-0").with_commits(1));
    std::fs::rename(bench.path("catalog"), bench.path("away")).expect("moved");
    let record = bench.sync_exits(1);
    assert_eq!(record["errors"][0]["stage"], "catalog", "{record:#}");
    assert!(!bench.path("catalog").exists(), "nothing is written where nothing is mounted");
    std::fs::create_dir(bench.path("catalog")).expect("an empty mount point");
    let record = bench.sync_exits(4);
    assert_eq!(record["outcome"], "held");
    assert!(text(&record, "/held/0/reason").contains("the catalog is empty"), "{record:#}");
    assert!(bench.files("catalog").is_empty());
    std::fs::remove_dir(bench.path("catalog")).expect("empty");
    std::fs::rename(bench.path("away"), bench.path("catalog")).expect("moved back");
    assert_eq!(bench.sync_exits(0)["imported"]["merged"], 1, "it goes on by itself");
}

#[test]
fn which_kinds_are_selected_is_locked_and_links_survive_the_way_out_p5_4() {
    let bench = Bench::of(&["payments-api", "web-shop"]);
    bench.component("payments-api");
    bench.integration("secondary_kinds: { commits: {} }");
    bench.sync_exits(0);
    bench.run(&["discovered", "import", "--all"]).ok();
    let files = bench.files("catalog");
    bench.integration("secondary_kinds: { commits: {}, pull_requests: {} }");
    let refused = bench.run(&["sync", "now"]).exits(4);
    refused.says(&["locked since its first sync (commits)", "integration delete acme", "adopted again"]);
    // The numbers may change.
    bench.integration("secondary_kinds: { commits: { first_sync: 2, per_sync: 10 } }");
    bench.sync_exits(0);
    // The way out: a question needs a terminal or --yes.
    bench.integration("secondary_kinds: { commits: {}, pull_requests: {} }");
    bench.run(&["integration", "delete", "acme"]).exits(4).says(&["--yes"]);
    bench.run(&["integration", "delete", "acme", "--yes"]).ok().shows(&["2 repositories", "2 links"]);
    assert_eq!(bench.files("catalog"), files);
    let record = bench.sync_exits(0);
    assert_eq!(record["recommendations"], json!({"register": 0, "merge": 0, "conflict": 0}), "{record:#}");
    let imported = bench.json(&["imported", "list"]);
    assert_eq!(names(&imported), ["acme/payments-api", "acme/web-shop"]);
    assert_eq!(imported[0]["imported_by"], "adopted from its mark");
    assert_eq!((&imported[0]["status"], &imported[1]["status"]), (&json!("merged"), &json!("registered")));
    assert_eq!(bench.files("catalog"), files, "nothing doubled, nothing changed");
}

#[test]
fn a_missing_or_wrong_credential_stops_at_once_p6_11() {
    let bench = Bench::of(&["payments-api"]);
    bench.sync();
    bench.simulator.change_credential(0, |one| one.revoked = true);
    bench.simulator.reset_requests();
    let record = bench.sync_exits(1);
    assert_eq!(bench.simulator.requests().total, 1, "no retry: lock-outs");
    assert!(text(&record, "/errors/0/message").contains("401"), "{record:#}");
}

#[test]
fn a_credential_that_expires_soon_is_announced_p6_11() {
    let bench = Bench::of(&["payments-api"]);
    let soon = Utc::now().date_naive() + Duration::days(5);
    let config = bench
        .read("catalog-sync.yaml")
        .replace("BITBUCKET_TOKEN } }", &format!("BITBUCKET_TOKEN }}, expires: {soon} }}"));
    bench.config(&config);
    let output = bench.run(&["sync", "now", "--output", "json"]).ok();
    let record = &output.json()[0];
    assert!(record["notes"].to_string().contains("expires in"), "{record:#}");
    output.says(&["expires in", "connector acme"]);
    bench.run(&["check"]).ok().shows(&["warning", "expires in"]);
    let late = Utc::now().date_naive() + Duration::days(90);
    bench.config(&config.replace(&soon.to_string(), &late.to_string()));
    assert_eq!(bench.sync_exits(0).get("notes"), None);
}
