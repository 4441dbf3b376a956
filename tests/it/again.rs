//! What was imported or unlinked once: plans carried out later, links that come back, and those that must not.

use catalog_sync::simulator::NewRepository;
use serde_json::{Value, json};

use crate::harness::{Bench, text, world};

#[track_caller]
fn row<'a>(rows: &'a Value, full_name: &str) -> &'a Value {
    let rows = rows.get("rows").unwrap_or(rows).as_array().expect("rows");
    let of_it = |row: &&Value| row.pointer("/repository/full_name") == Some(&json!(full_name));
    rows.iter().find(of_it).unwrap_or_else(|| panic!("no row of {full_name} in {rows:#?}"))
}

fn entities(rows: &Value) -> Vec<&str> {
    rows.as_array().expect("rows").iter().map(|row| text(row, "/entity")).collect()
}

fn with_decisions(bench: &Bench, lines: &str) {
    bench.integration(lines);
    let config = bench.read("catalog-sync.yaml").replace("store: ./data", "store: ./data\ndecisions: ./decisions.yaml");
    bench.config(&config);
}

// Contract, `discovered import --plan`: rows that changed since are skipped, and say why.
#[test]
fn a_plan_skips_what_is_gone_hidden_or_set_aside_since_p4_3() {
    let bench = Bench::of(&["gone", "hidden", "ignored", "unlinked", "stays", "p-1", "p-2", "p-3"]);
    for name in ["gone", "ignored", "unlinked", "stays"] {
        bench.component(name);
    }
    bench.sync_exits(0);
    let dry = bench.json(&["discovered", "import", "gone", "hidden", "ignored", "unlinked", "stays", "--dry-run"]);
    let plan = text(&dry, "/plan_id");
    bench.run(&["discovered", "ignore", "ignored"]).ok();
    bench.run(&["discovered", "import", "unlinked"]).ok();
    bench.run(&["imported", "unlink", "unlinked"]).ok();
    bench.simulator.world().delete_repository("acme/gone");
    bench.integration("repositories: { exclude: [hidden] }");
    for _ in 0..3 {
        bench.run(&["sync", "now", "--full"]).ok();
    }
    let report = bench.run(&["discovered", "import", "--plan", plan, "--output", "json"]).exits(4).json();
    for (name, because) in
        [("gone", "gone"), ("hidden", "hidden by the filter"), ("ignored", "set it aside"), ("unlinked", "unlinked it")]
    {
        let row = row(&report, &format!("acme/{name}"));
        assert_eq!(row["result"], "held", "{row:#}");
        let reason = text(row, "/reason");
        assert!(reason.contains("changed since the dry run") && reason.contains(because), "{name}: {reason}");
    }
    assert_eq!(row(&report, "acme/hidden")["action"], "register");
    assert_eq!(row(&report, "acme/stays")["result"], "done");
    assert_eq!(entities(&bench.json(&["imported", "list"])), ["component:default/stays"]);
    assert!(bench.files("catalog/bitbucket").is_empty(), "{:?}", bench.files("catalog/bitbucket").keys());
}

// P3.4: an entity chosen in a dry run is a person's choice like any other.
#[test]
fn an_entity_chosen_in_a_dry_run_is_remembered_p3_4() {
    let bench = Bench::of(&["payments-api"]);
    with_decisions(&bench, "");
    bench.component("payments-api");
    bench.component("billing");
    bench.sync_exits(0);
    let into = ["discovered", "import", "payments-api", "--into", "component:default/billing", "--dry-run"];
    let plan = text(&bench.json(&into), "/plan_id").to_owned();
    assert!(!bench.read("decisions.yaml").contains("decision: target"), "nothing is chosen yet");
    bench.run(&["discovered", "import", "--plan", &plan]).ok();
    assert_eq!(entities(&bench.json(&["imported", "list"])), ["component:default/billing"]);
    let decisions = bench.read("decisions.yaml");
    assert!(decisions.contains("decision: target") && decisions.contains("component:default/billing"), "{decisions}");
}

// P3.2, P3.3: what a person says about kind and type counts, or is refused; nothing of it is dropped silently.
#[test]
fn a_type_a_person_asked_for_is_kept_or_refused_p3_2_p3_3() {
    let bench = Bench::of(&["payments-api", "web-shop"]);
    bench.component("payments-api");
    bench.sync_exits(0);
    let refused =
        bench.run(&["discovered", "import", "payments-api", "--type", "library", "-o", "json"]).exits(4).json();
    assert_eq!(row(&refused, "acme/payments-api")["action"], "merge");
    assert!(
        text(row(&refused, "acme/payments-api"), "/reason").contains("the entity's own kind and type"),
        "{refused:#}"
    );
    let system = ["discovered", "import", "web-shop", "--kind", "System", "--type", "platform"];
    let plan = bench.json(&[system.as_slice(), &["--dry-run"]].concat());
    bench.run(&["discovered", "import", "--plan", text(&plan, "/plan_id")]).ok();
    let imported = bench.json(&["imported", "list"]);
    assert_eq!(row(&imported, "acme/web-shop")["entity"], "system:default/web-shop");
    assert_eq!(row(&imported, "acme/web-shop")["type"], "platform");
}

// A registration that is held is no merge.
#[test]
fn a_held_registration_says_so() {
    let bench = Bench::of(&["payments-api"]);
    bench.sync_exits(0);
    bench.component("payments-api");
    let held = bench.run(&["discovered", "import", "payments-api", "--output", "json"]).exits(4).json();
    assert_eq!(row(&held, "acme/payments-api")["action"], "register", "{held:#}");
}

fn monorepo() -> Bench {
    let bench = Bench::of(&["mono", "other"]);
    bench.file(
        "rules.yaml",
        "entity: repository\ncorrelation:\n  - { ingested: $.name, operator: equals, catalog: $.metadata.labels.repo, many: true }\n",
    );
    for name in ["a", "b", "c"] {
        let text = crate::harness::component(name).replace("metadata:\n", "metadata:\n  labels: { repo: mono }\n");
        bench.file(&format!("catalog/{name}.yaml"), &text);
    }
    bench
}

// P5.4, invariant 3: the links of a monorepo come back from the marks, all of them.
#[test]
fn links_of_a_rule_that_says_many_come_back_from_the_marks_p5_4() {
    let bench = monorepo();
    bench.integration("rules: ./rules.yaml");
    bench.sync_exits(0);
    bench.run(&["discovered", "import", "mono"]).ok();
    let linked = bench.json(&["imported", "list"]);
    assert_eq!(entities(&linked), ["component:default/a", "component:default/b", "component:default/c"]);
    let files = bench.texts("catalog");
    bench.run(&["integration", "delete", "acme", "--yes"]).ok();
    bench.sync_exits(0);
    assert_eq!(entities(&bench.json(&["imported", "list"])), entities(&linked));
    assert_eq!(bench.texts("catalog"), files);

    // Without such a rule a second document with the mark is a copied file.
    bench.integration("");
    bench.run(&["integration", "delete", "acme", "--yes"]).ok();
    bench.sync();
    assert_eq!(entities(&bench.json(&["imported", "list"])), Vec::<&str>::new());
}

// P4.6: unlinked from all its entities, a repository comes back to none of them by itself; a person brings it back.
#[test]
fn every_link_of_an_unlinked_repository_stays_ended_p4_6() {
    let bench = monorepo();
    with_decisions(&bench, "rules: ./rules.yaml\nauto_import: true");
    bench.sync_exits(0);
    assert_eq!(bench.json(&["imported", "list"]).as_array().map(Vec::len), Some(4), "auto-import took them");
    bench.run(&["imported", "unlink", "mono"]).ok();
    for _ in 0..2 {
        let record = bench.sync_exits(0);
        assert!(record["held"].as_array().is_none_or(Vec::is_empty), "{record:#}");
    }
    assert_eq!(bench.json(&["imported", "list"]).as_array().map(Vec::len), Some(1));
    let rows = bench.json(&["discovered", "list"]);
    let tombstone = text(row(&rows, "acme/mono"), "/tombstone").to_owned();
    for name in ["a", "b", "c"] {
        assert!(tombstone.contains(&format!("component:default/{name}")), "{tombstone}");
    }
    let decisions = bench.read("decisions.yaml");
    assert!(decisions.contains("also:\n  - component:default/b\n  - component:default/c\n"), "{decisions}");
    // A lost store finds them in the file.
    std::fs::remove_dir_all(bench.path("data")).expect("the store is lost");
    bench.sync_exits(0);
    assert_eq!(bench.json(&["imported", "list"]).as_array().map(Vec::len), Some(1));
}

// P4.6: whoever imports what was unlinked wants the link back, whether a sync has judged it again or not.
#[test]
fn what_was_unlinked_is_imported_again_p4_6() {
    let bench = Bench::of(&["payments-api", "web-shop"]);
    bench.component("payments-api");
    for synced_since in [false, true] {
        bench.sync_exits(0);
        bench.run(&["discovered", "import", "payments-api", "web-shop"]).ok();
        bench.sync_exits(0);
        bench.run(&["imported", "unlink", "payments-api", "web-shop"]).ok();
        if synced_since {
            bench.sync_exits(0);
        }
        bench.run(&["discovered", "import", "payments-api", "web-shop"]).ok();
        let imported = bench.json(&["imported", "list"]);
        assert_eq!(entities(&imported), ["component:default/payments-api", "component:default/web-shop"]);
        assert_eq!(row(&imported, "acme/web-shop")["status"], "registered", "its mark remembers");
    }
}

// P4.6: what is let back into the list waits there: its mark alone does not link it again, unless auto-import may.
#[test]
fn what_was_unlinked_and_restored_waits_for_a_person_p4_6() {
    let mut world = world();
    world.add_repository("acme", NewRepository::named("payments-api").with_commits(0));
    let bench = Bench::new(world);
    with_decisions(&bench, "");
    bench.component("payments-api");
    bench.sync_exits(0);
    bench.run(&["discovered", "import", "payments-api"]).ok();
    bench.run(&["imported", "unlink", "payments-api"]).ok();
    let rows = bench.json(&["discovered", "restore", "payments-api"]);
    assert_eq!(row(&rows, "acme/payments-api")["tombstone"], Value::Null);
    for _ in 0..2 {
        bench.sync_exits(0);
        assert_eq!(entities(&bench.json(&["imported", "list"])), Vec::<&str>::new());
    }
    let rows = bench.json(&["discovered", "list"]);
    assert_eq!(row(&rows, "acme/payments-api")["recommendation"]["entity"], "component:default/payments-api");
    // Not even by a store that was lost.
    std::fs::remove_dir_all(bench.path("data")).expect("the store is lost");
    bench.sync_exits(0);
    assert_eq!(entities(&bench.json(&["imported", "list"])), Vec::<&str>::new());
    bench.run(&["discovered", "import", "payments-api"]).ok();
    assert!(!bench.read("decisions.yaml").contains("restored"), "{}", bench.read("decisions.yaml"));
    assert_eq!(entities(&bench.json(&["imported", "list"])), ["component:default/payments-api"]);
}
