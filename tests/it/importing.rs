//! Imports by hand, in bulk and unseen, and what they write.

use catalog_sync::simulator::NewRepository;
use serde_json::{Value, json};

use crate::harness::{Bench, component, text, world};

/// The row of a repository in a list.
#[track_caller]
fn row<'a>(rows: &'a Value, full_name: &str) -> &'a Value {
    let rows = rows.get("rows").unwrap_or(rows).as_array().expect("rows");
    let of_it = |row: &&Value| row.pointer("/repository/full_name") == Some(&json!(full_name));
    rows.iter().find(of_it).unwrap_or_else(|| panic!("no row of {full_name} in {rows:#?}"))
}

fn names(rows: &Value) -> Vec<&str> {
    rows.as_array().expect("rows").iter().map(|row| text(row, "/repository/full_name")).collect()
}

/// Ids differ from run to run of the world's seed only, so files can be compared whole.
fn payments() -> Bench {
    let mut world = world();
    let mut payments = NewRepository::named("payments-api").in_project("PAY").with_commits(2);
    payments.description = "Takes payments: cards, and \"cash\"".to_owned();
    payments.language = "Kotlin".to_owned();
    world.add_repository("acme", payments);
    let mut shop = NewRepository::named("Web Shop").in_project("SHOP").with_commits(2);
    shop.is_public = true;
    world.add_repository("acme", shop);
    Bench::new(world)
}

#[test]
fn backstage_documents_get_the_mark_and_the_ingested_properties_p4_2_p4_8_p4_9() {
    let bench = payments();
    bench.integration("tags: [tier-1]");
    bench.component("payments-api");
    bench.sync();
    bench.run(&["discovered", "import", "--all"]).ok();
    insta::assert_snapshot!(bench.read("catalog/payments-api.yaml"), @r##"
        # kept by hand
        apiVersion: backstage.io/v1alpha1
        kind: Component
        metadata:
          name: payments-api # unique
          description: "Takes payments: cards, and \"cash\""
          annotations:
            catalog-sync.dev/repository: "bitbucket.org/{a468811d-153d-4728-b3ee-30b0d85b1db5}"
            catalog-sync.dev/integration: acme
            catalog-sync.dev/action: MERGE
            catalog-sync.dev/project-key: PAY
            catalog-sync.dev/default-branch: main
            catalog-sync.dev/visibility: private
            bitbucket.org/project-slug: acme/payments-api
            backstage.io/source-location: url:https://bitbucket.org/acme/payments-api/src/main/
          links:
            - url: https://bitbucket.org/acme/payments-api
              title: Bitbucket repository
          tags:
            - tier-1
            - kotlin
        spec:
          type: service
          lifecycle: production
          owner: team-a
        "##);
    insta::assert_snapshot!(bench.read("catalog/bitbucket/acme/shop/web-shop.yaml"), @r##"
        # Made by catalog-sync (integration acme) from a Bitbucket repository, and kept up to date by it.
        # What you change here is yours: changed values are never written again.
        # To stop it: catalog-sync imported unlink '{946a2c9d-16bd-4987-a87e-ff53a046e5f2}'
        apiVersion: backstage.io/v1alpha1
        kind: Component
        metadata:
          name: web-shop
          title: Web Shop
          annotations:
            catalog-sync.dev/repository: "bitbucket.org/{946a2c9d-16bd-4987-a87e-ff53a046e5f2}"
            catalog-sync.dev/integration: acme
            catalog-sync.dev/action: REGISTER
            catalog-sync.dev/project-key: SHOP
            catalog-sync.dev/default-branch: main
            catalog-sync.dev/visibility: public
            bitbucket.org/project-slug: acme/web-shop
            backstage.io/source-location: url:https://bitbucket.org/acme/web-shop/src/main/
          tags:
            - tier-1
          links:
            - url: https://bitbucket.org/acme/web-shop
              title: Bitbucket repository
        spec:
          type: service
          lifecycle: production
          owner: unknown
        "##);
    let before = bench.files("catalog");
    bench.sync_exits(0);
    assert_eq!(bench.files("catalog"), before, "planning right after applying gives no step");
}

#[test]
fn harness_documents_get_the_mark_and_the_ingested_properties_p4_2_p4_8_p4_9() {
    let bench = payments();
    let config =
        bench.read("catalog-sync.yaml").replace("format: backstage", "format: harness, org: acme_org, project: core");
    bench.config(&config);
    bench.integration_rules("harness-idp");
    bench.file(
        "catalog/payments.yaml",
        "# ours\napiVersion: harness.io/v1\nkind: Component\ntype: Service\nidentifier: payments_api\nname: payments-api\nowner: group:account/payments\nspec:\n  lifecycle: experimental\n",
    );
    bench.sync();
    bench.run(&["discovered", "import", "--all"]).ok();
    insta::assert_snapshot!(bench.read("catalog/payments.yaml"), @r##"
        # ours
        apiVersion: harness.io/v1
        kind: Component
        type: Service
        identifier: payments_api
        name: payments-api
        owner: group:account/payments
        spec:
          lifecycle: experimental
        metadata:
          description: "Takes payments: cards, and \"cash\""
          integration:
            repository: "bitbucket.org/{a468811d-153d-4728-b3ee-30b0d85b1db5}"
            name: acme
            action: MERGE
          integration_properties:
            BitbucketCloud:
              name: payments-api
              url: https://bitbucket.org/acme/payments-api
              project_key: PAY
              default_branch: main
              tags:
                - kotlin
              visibility: private
        "##);
    let new = bench.files("catalog/bitbucket");
    let (name, bytes) = new.first_key_value().expect("a new file");
    insta::assert_snapshot!(format!("{name}\n{}", String::from_utf8_lossy(bytes)), @r##"
        acme/shop/web-shop.yaml
        # Made by catalog-sync (integration acme) from a Bitbucket repository, and kept up to date by it.
        # What you change here is yours: changed values are never written again.
        # To stop it: catalog-sync imported unlink '{946a2c9d-16bd-4987-a87e-ff53a046e5f2}'
        apiVersion: harness.io/v1
        kind: Component
        identifier: web-shop
        name: Web Shop
        type: service
        owner: unknown
        orgIdentifier: acme_org
        projectIdentifier: core
        metadata:
          integration:
            repository: "bitbucket.org/{946a2c9d-16bd-4987-a87e-ff53a046e5f2}"
            name: acme
            action: REGISTER
          integration_properties:
            BitbucketCloud:
              name: Web Shop
              url: https://bitbucket.org/acme/web-shop
              project_key: SHOP
              default_branch: main
              visibility: public
        spec:
          lifecycle: production
        "##);
    let before = bench.files("catalog");
    bench.sync_exits(0);
    assert_eq!(bench.files("catalog"), before);
}

#[test]
fn registration_register_never_merges_and_merge_never_creates_p3_2() {
    let bench = Bench::of(&["payments-api", "web-shop"]);
    bench.component("payments-api");
    bench.integration("registration: merge");
    bench.sync();
    let rows = bench.json(&["discovered", "list"]);
    assert_eq!(row(&rows, "acme/payments-api")["recommendation"]["action"], "merge");
    assert_eq!(row(&rows, "acme/web-shop")["recommendation"]["action"], "none");
    bench.run(&["discovered", "import", "web-shop"]).exits(4);
    assert!(bench.files("catalog/bitbucket").is_empty());

    bench.integration("registration: register");
    bench.sync();
    let rows = bench.json(&["discovered", "list"]);
    assert_eq!(row(&rows, "acme/web-shop")["recommendation"]["action"], "register");
    let taken = row(&rows, "acme/payments-api");
    assert_eq!(taken["recommendation"]["action"], "conflict", "its name is taken, and nothing merges: {taken:#}");

    bench.integration("registration: merge\ntype: library");
    bench.run(&["sync", "now"]).exits(2).says(&["type", "registration: merge"]);
}

#[test]
fn kind_and_type_come_from_config_rules_and_flags_p3_3() {
    let bench = Bench::of(&["payments-api", "strings-lib", "web-shop"]);
    bench.file(
        "rules.yaml",
        "entity: repository\ncorrelation:\n  - { ingested: $.name, operator: equals, catalog: $.metadata.name }\ntypes:\n  - { ingested: $.name, glob: \"*-lib\", type: library }\n",
    );
    bench.integration("rules: ./rules.yaml\nkind: Component\ntype: website");
    bench.sync();
    let rows = bench.json(&["discovered", "list"]);
    assert_eq!(row(&rows, "acme/strings-lib")["type"], "library");
    assert_eq!(row(&rows, "acme/web-shop")["type"], "website");
    bench.run(&["discovered", "import", "web-shop", "--kind", "Resource", "--type", "bucket"]).ok();
    bench.run(&["discovered", "import", "strings-lib"]).ok();
    let imported = bench.json(&["imported", "list"]);
    assert_eq!(row(&imported, "acme/web-shop")["entity"], "resource:default/web-shop");
    assert_eq!(row(&imported, "acme/web-shop")["type"], "bucket");
    assert_eq!(row(&imported, "acme/strings-lib")["type"], "library", "the rule's type, not the integration's");
    bench.run(&["discovered", "import", "payments-api", "--kind", "API"]).exits(4).shows(&["API cannot be registered"]);
    assert_eq!(bench.json(&["discovered", "list"]).as_array().map(Vec::len), Some(1));
}

#[test]
fn a_chosen_entity_is_remembered_and_outranks_rules_p3_4() {
    let bench = Bench::of(&["payments-api"]);
    bench.component("payments-api");
    bench.component("payments");
    bench.sync();
    assert_eq!(bench.json(&["discovered", "list"])[0]["recommendation"]["entity"], "component:default/payments-api");
    bench.run(&["discovered", "import", "payments-api", "--into", "no-such"]).exits(4);
    bench.run(&["discovered", "import", "payments-api", "--into", "component:default/payments"]).ok();
    assert_eq!(bench.json(&["imported", "list"])[0]["entity"], "component:default/payments");
    assert_eq!(bench.read("catalog/payments-api.yaml"), component("payments-api"));
    // Lost store, kept choice: the mark leads back, not the rule.
    std::fs::remove_dir_all(bench.path("data")).expect("a store");
    bench.sync();
    assert_eq!(bench.json(&["imported", "list"])[0]["entity"], "component:default/payments");
    assert_eq!(bench.read("catalog/payments-api.yaml"), component("payments-api"));
}

#[test]
fn two_that_claim_one_entity_are_conflicts_until_a_person_chooses_p3_7() {
    let mut world = world();
    for name in ["Mailer", "mailer"] {
        world.add_repository("acme", NewRepository::named(name).with_commits(1));
    }
    let bench = Bench::new(world);
    bench.component("mailer");
    bench.integration("auto_import: true");
    bench.sync();
    let rows = bench.json(&["discovered", "list", "--action", "conflict"]);
    assert_eq!(names(&rows), ["acme/mailer", "acme/mailer-2"]);
    assert!(text(&rows[0], "/recommendation/reason").contains("acme/mailer-2"), "{rows:#}");
    assert_eq!(bench.read("catalog/mailer.yaml"), component("mailer"));
    bench.run(&["discovered", "import", "mailer-2"]).exits(4);
    bench.run(&["discovered", "import", "mailer-2", "--into", "mailer"]).ok();
    // The holder keeps it.
    bench.sync();
    assert_eq!(names(&bench.json(&["imported", "list"])), ["acme/mailer-2"]);
    let rows = bench.json(&["discovered", "list"]);
    assert_eq!(row(&rows, "acme/mailer")["recommendation"]["action"], "conflict", "{rows:#}");
}

#[test]
fn what_nobody_should_import_unseen_waits_p3_8_p4_4() {
    let mut world = world();
    world.add_repository("acme", NewRepository::named("billing-api").with_commits(1));
    world.add_repository("acme", NewRepository::named("upstream").with_commits(1));
    let mut fork = NewRepository::named("ledger").with_commits(1);
    fork.forked_from = Some("acme/upstream".to_owned());
    world.add_repository("acme", fork);
    world.add_repository("acme", NewRepository::named("elsewhere").with_commits(1));
    world.add_repository("acme", NewRepository::named("plain").with_commits(1));
    let bench = Bench::new(world);
    bench.integration("auto_import: true\nrules: bitbucket-cloud-annotations");
    for name in ["billing", "ledger", "plain"] {
        bench.component(name);
    }
    let elsewhere = component("elsewhere").replace(
        "spec:",
        "  annotations:\n    backstage.io/source-location: url:https://github.com/other/elsewhere/\nspec:",
    );
    bench.file("catalog/elsewhere.yaml", &elsewhere);
    bench.sync();
    let rows = bench.json(&["discovered", "list"]);
    assert_eq!(names(&bench.json(&["imported", "list"])), ["acme/plain", "acme/upstream"]);
    for (repository, because) in [("billing-api", "suggest"), ("ledger", "fork"), ("elsewhere", "github.com")] {
        let row = row(&rows, &format!("acme/{repository}"));
        assert!(text(row, "/needs_review").contains(because), "{row:#}");
    }
    assert_eq!(bench.read("catalog/billing.yaml"), component("billing"));
    assert_eq!(bench.read("catalog/ledger.yaml"), component("ledger"));
    assert_eq!(bench.read("catalog/elsewhere.yaml"), elsewhere);
}

#[test]
fn rules_that_match_nothing_stop_the_sync_p3_10() {
    let bench = Bench::of(&["payments-api"]);
    bench.component("payments-api");
    bench.file(
        "rules.yaml",
        "entity: repository\ncorrelation:\n  - { ingested: $.name, operator: equals, catalog: $.metadata.nmae }\n",
    );
    bench.integration("rules: ./rules.yaml\nauto_import: true");
    let record = bench.sync_exits(1);
    assert_eq!(record["outcome"], "failed");
    assert!(text(&record, "/errors/0/message").contains("rules_match_nothing"), "{record:#}");
    assert!(bench.files("catalog/bitbucket").is_empty());
}

#[test]
fn auto_import_takes_what_is_discovered_while_it_is_on_p4_4() {
    let bench = Bench::of(&["before", "ignored"]);
    bench.sync();
    bench.run(&["integration", "auto-import", "acme", "on"]).ok();
    bench.sync();
    assert_eq!(bench.json(&["imported", "list"]), json!([]), "known before it was on");
    bench.simulator.world().add_repository("acme", NewRepository::named("after").with_commits(1));
    let record = bench.sync_exits(0);
    assert_eq!(record["imported"]["registered"], 1);
    let imported = bench.json(&["imported", "list"]);
    assert_eq!(names(&imported), ["acme/after"]);
    assert_eq!(imported[0]["imported_by"], "auto-import");
    // A tombstone is respected.
    bench.run(&["imported", "unlink", "after"]).ok();
    let file = bench.read("catalog/bitbucket/acme/pay/after.yaml");
    bench.sync_exits(0);
    assert_eq!(bench.json(&["imported", "list"]), json!([]));
    assert_eq!(bench.read("catalog/bitbucket/acme/pay/after.yaml"), file);
    assert_eq!(
        row(&bench.json(&["discovered", "list"]), "acme/after")["tombstone"],
        "unlinked from component:default/after"
    );
    // A switch by hand holds until the file's value changes.
    bench.integration("auto_import: true");
    assert_eq!(bench.json(&["integration", "show", "acme"])[0]["auto_import"], true);
    bench.integration("auto_import: false");
    bench.run(&["integration", "auto-import", "acme", "off"]).ok();
    assert_eq!(bench.json(&["integration", "show", "acme"])[0]["auto_import"], false);
}

// P4.4, product.md section 9: once the file's value has changed, the switch by hand is over, also when the value comes
// back: an old click does not outlive what somebody wrote into the file after it.
#[test]
fn a_switch_by_hand_lapses_for_good_p4_4() {
    let bench = Bench::of(&["payments-api"]);
    let shown = |bench: &Bench| {
        let row = bench.json(&["integration", "show", "acme"])[0].take();
        (row["auto_import"].clone(), row["auto_import_in_file"].clone())
    };
    bench.integration("auto_import: false");
    bench.sync_exits(0);
    bench.run(&["integration", "auto-import", "acme", "on"]).ok();
    assert_eq!(shown(&bench), (true.into(), false.into()), "it holds while the file says what it said");
    bench.integration("auto_import: true");
    bench.sync_exits(0);
    bench.integration("auto_import: false");
    assert_eq!(shown(&bench), (false.into(), false.into()));
    bench.simulator.world().add_repository("acme", NewRepository::named("web-shop").with_commits(0));
    assert_eq!(bench.sync_exits(0)["imported"]["registered"], 0);
    assert!(bench.files("catalog").is_empty());
}

#[test]
fn ignored_ones_leave_the_list_and_come_back_p4_1() {
    let bench = Bench::of(&["payments-api", "web-shop"]);
    bench.sync();
    bench.run(&["discovered", "ignore", "web-shop"]).ok();
    assert_eq!(names(&bench.json(&["discovered", "list"])), ["acme/payments-api"]);
    assert_eq!(names(&bench.json(&["discovered", "list", "--state", "ignored"])), ["acme/web-shop"]);
    assert_eq!(bench.sync()["recommendations"]["register"], 1);
    bench.run(&["discovered", "restore", "web-shop"]).ok();
    assert_eq!(bench.json(&["discovered", "list"]).as_array().map(Vec::len), Some(2));
    assert_eq!(names(&bench.json(&["discovered", "list", "--search", "SHOP"])), ["acme/web-shop"]);
}

#[test]
fn unlink_keeps_entity_and_data_and_ends_its_sync_p4_6() {
    let bench = Bench::of(&["payments-api"]);
    bench.component("payments-api");
    bench.sync();
    bench.run(&["discovered", "import", "payments-api"]).ok();
    let file = bench.read("catalog/payments-api.yaml");
    bench.run(&["imported", "unlink", "payments-api"]).ok().shows(&["stay"]);
    bench.simulator.world().edit_repository("acme/payments-api", |one| one.is_private = !one.is_private);
    bench.simulator.world().touch_repository("acme/payments-api");
    bench.sync();
    assert_eq!(bench.read("catalog/payments-api.yaml"), file);
    assert_eq!(bench.json(&["activity", "commits", "payments-api"]).as_array().map(Vec::len), Some(3));
    bench.run(&["imported", "unlink", "payments-api"]).exits(2).says(&["not imported"]);
    // By hand it can be linked again, and is kept in step again.
    bench.run(&["discovered", "import", "payments-api", "--into", "payments-api"]).ok();
    assert_ne!(bench.read("catalog/payments-api.yaml"), file);
}

#[test]
fn a_linked_entity_is_kept_in_step_and_what_others_changed_is_theirs_p4_7_p4_9() {
    let bench = payments();
    bench.component("payments-api");
    bench.sync();
    bench.run(&["discovered", "import", "payments-api"]).ok();
    let wrote = "Takes payments: cards";
    assert!(bench.read("catalog/payments-api.yaml").contains(wrote));
    {
        let mut world = bench.simulator.world();
        world.edit_repository("acme/payments-api", |one| "Money in".clone_into(&mut one.description));
        world.touch_repository("acme/payments-api");
    }
    let record = bench.sync_exits(0);
    assert_eq!(record["imported"]["updated"], 1);
    let text_now = bench.read("catalog/payments-api.yaml");
    assert!(text_now.contains("description: \"Money in\""), "{text_now}");
    assert!(text_now.starts_with("# kept by hand\n") && text_now.contains("name: payments-api # unique"));
    // Somebody writes it by hand: reported once, never written again.
    bench.file("catalog/payments-api.yaml", &text_now.replace("Money in", "Mine"));
    {
        let mut world = bench.simulator.world();
        world.edit_repository("acme/payments-api", |one| "Money out".clone_into(&mut one.description));
        world.touch_repository("acme/payments-api");
    }
    let record = bench.sync_exits(0);
    assert!(record["notes"].to_string().contains("description"), "{record:#}");
    assert!(bench.read("catalog/payments-api.yaml").contains("description: \"Mine\""));
    let record = bench.sync_exits(0);
    assert_eq!(record.get("notes"), None, "said once: {record:#}");
}

#[test]
fn a_plan_skips_rows_that_changed_since_p4_3() {
    let bench = Bench::of(&["payments-api", "web-shop"]);
    bench.component("payments-api");
    bench.sync();
    let shown = bench.json(&["discovered", "import", "--all", "--dry-run"]);
    let plan = text(&shown, "/plan_id");
    let edited = component("payments-api").replace("spec:", "  description: mine\nspec:");
    bench.file("catalog/payments-api.yaml", &edited);
    bench.simulator.world().edit_repository("acme/web-shop", |_| {});
    let done = bench.run(&["discovered", "import", "--plan", plan, "--output", "json"]);
    let report = done.json();
    assert_eq!(row(&report, "acme/web-shop")["result"], "done");
    bench.run(&["discovered", "import", "--plan", "01ARZ3NDEKTSV4RRFFQ69G5FAV"]).exits(2).says(&["no plan"]);
}

#[test]
fn many_documents_of_others_wait_for_approval_p4_14() {
    let names: Vec<String> = (0..15).map(|n| format!("service-{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let bench = Bench::of(&names);
    for name in &names {
        bench.component(name);
    }
    let before = bench.files("catalog");
    bench.integration("auto_import: true");
    let record = bench.sync_exits(4);
    assert_eq!(record["outcome"], "held");
    assert_eq!(record["held"].as_array().map(Vec::len), Some(15), "{record:#}");
    assert_eq!(bench.files("catalog"), before, "held is not applied");
    let id = text(&record, "/id");
    let approved = bench.json(&["sync", "approve", id]);
    assert_eq!(approved[0]["imported"]["merged"], 15);
    assert_eq!(approved[0]["trigger"], "approval");
    assert_ne!(bench.files("catalog"), before);
    bench.run(&["sync", "approve", id]).exits(4).says(&["nothing that waits"]);
    bench.run(&["sync", "approve", "01ARZ3NDEKTSV4RRFFQ69G5FAV"]).exits(2).says(&["no sync"]);
    let record = bench.sync_exits(0);
    assert_eq!(record["outcome"], "completed", "nothing is held any more: {record:#}");
}

#[test]
fn entities_only_read_are_matched_and_never_written_p7_7() {
    let bench = Bench::of(&["payments-api", "web-shop"]);
    bench.file("export/all.yaml", &component("payments-api"));
    let config = bench
        .read("catalog-sync.yaml")
        .replace("format: backstage }\n", "format: backstage }\n    also_read: [ { directory: ./export } ]\n");
    bench.config(&config);
    bench.sync();
    let rows = bench.json(&["discovered", "list"]);
    assert_eq!(row(&rows, "acme/payments-api")["recommendation"]["action"], "merge");
    let report = bench.run(&["discovered", "import", "--all", "--output", "json"]).exits(4).json();
    let held = row(&report, "acme/payments-api");
    assert_eq!(held["result"], "held");
    assert!(text(held, "/reason").contains("all.yaml"), "it says where it lives: {held:#}");
    assert_eq!(row(&report, "acme/web-shop")["result"], "done");
    assert_eq!(bench.read("export/all.yaml"), component("payments-api"));
    assert_eq!(bench.files("catalog").len(), 1);
}

#[test]
fn a_missing_entity_is_not_recreated_and_relinking_by_hand_drops_the_old_link_p2_13() {
    let bench = Bench::of(&["payments-api", "web-shop"]);
    bench.component("payments-api");
    bench.component("other");
    bench.sync();
    bench.run(&["discovered", "import", "payments-api"]).ok();
    std::fs::remove_file(bench.path("catalog/payments-api.yaml")).expect("a file");
    let record = bench.sync();
    assert!(record["held"].to_string().contains("not in the catalog any more"), "{record:#}");
    assert_eq!(bench.json(&["imported", "list"])[0]["link_state"], "entity_missing");
    assert!(!bench.path("catalog/payments-api.yaml").exists());
    bench.run(&["discovered", "import", "payments-api", "--into", "other"]).ok();
    let imported = bench.json(&["imported", "list"]);
    assert_eq!(imported.as_array().map(Vec::len), Some(1), "{imported:#}");
    assert_eq!(imported[0]["entity"], "component:default/other");
    assert_eq!(imported[0]["link_state"], "active");
}

#[test]
fn last_synced_at_is_the_last_sync_that_looked_p4_5() {
    let bench = Bench::of(&["payments-api"]);
    bench.sync();
    bench.run(&["discovered", "import", "payments-api"]).ok();
    let at = |bench: &Bench| text(&bench.json(&["imported", "list"])[0], "/last_synced_at").to_owned();
    let imported = at(&bench);
    bench.sync_exits(0);
    let synced = at(&bench);
    assert!(synced > imported, "{synced} {imported}");
    let written =
        |bench: &Bench| -> Vec<Value> { bench.export().into_iter().filter(|line| line["book"] == "links").collect() };
    let before = written(&bench);
    bench.sync_exits(0);
    assert!(at(&bench) > synced);
    assert_eq!(written(&bench), before, "an unchanged link is not rewritten");
    let row = bench.json(&["integration", "list"]);
    assert_eq!((&row[0]["repositories"], &row[0]["imported"]), (&json!(1), &json!(1)));
}

// A sync's held rows are for people: they name repositories as people know them, whatever the mark says.
#[test]
fn a_sync_names_repositories_and_not_their_ids() {
    let bench = Bench::of(&["payments-api", "web-shop"]);
    bench.component("payments-api");
    bench.sync_exits(0);
    bench.run(&["discovered", "import", "payments-api"]).ok();
    let id = |name: &str| {
        let world = bench.simulator.world();
        world.repository(&format!("acme/{name}")).expect("a repository").uuid.to_string()
    };
    let (own, other) = (id("payments-api"), id("web-shop"));
    let file = bench.read("catalog/payments-api.yaml");
    let bare = |id: &str| id.trim_matches(['{', '}']).to_owned();
    let marked = file.replace(&bare(&own), &bare(&other));
    assert_ne!(marked, file, "its mark is in it");
    bench.file("catalog/payments-api.yaml", &marked);
    let record = bench.sync_exits(0);
    let rows: Vec<String> =
        record["held"].as_array().expect("rows").iter().map(|row| text(row, "/reason").to_owned()).collect();
    assert!(rows.iter().any(|reason| reason.contains("mark of another repository (acme/web-shop)")), "{rows:#?}");
    assert!(rows.iter().any(|reason| reason.contains("linked to acme/payments-api already")), "{rows:#?}");
    assert!(!rows.iter().any(|reason| reason.contains(&bare(&own)) || reason.contains(&bare(&other))), "{rows:#?}");
}
