//! Imports taken back, field by field (P4.11): the built binary on real files.

use std::time::{Duration, Instant};

use catalog_sync::simulator::NewRepository;
use serde_json::{Value, json};

use crate::harness::{Bench, component, text, world};

/// Files as people write them, each in another way.
const FILES: &[(&str, &str)] = &[
    (
        "pay.yaml",
        "# ours\napiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: pay # unique\n  description: 'by hand'   # keep\n  annotations: {}   # none yet\n\n  tags:\n    - money   # first\nspec:\n  type: service\n  lifecycle: production\n  owner: team-a\n",
    ),
    (
        "shop.yaml",
        "apiVersion: backstage.io/v1alpha1\r\nkind: Component\r\nmetadata:\r\n  name: shop\r\n  description:\r\nspec:\r\n  type: website\r\n  lifecycle: production\r\n  owner: team-b\r\n",
    ),
    (
        "flow.yaml",
        "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: { name: mail, tags: [], description: \"Sends\" }\nspec: {type: service, lifecycle: production, owner: team-c}\n",
    ),
    (
        "several.yaml",
        "---\n# the first\napiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: stock\nspec:\n  type: service\n  lifecycle: production\n  owner: team-d\n---\n# the second\napiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: stores\n  links:\n  - url: https://acme.dev\n    title: Home\nspec:\n  type: service\n  lifecycle: production\n  owner: team-d",
    ),
];
const NAMES: [&str; 6] = ["pay", "shop", "mail", "stock", "stores", "brand-new"];
/// Wrong: it writes over what people wrote.
const RULES: &str = "\
entity: repository
correlation:
  - { ingested: $.slug, operator: equals, catalog: $.metadata.name }
fields:
  - { ingested: $.description, catalog: $.metadata.description, when: always }
  - { ingested: $.name, catalog: $.metadata.title }
";

fn bench(config: &str) -> Bench {
    let mut world = world();
    for name in NAMES {
        let mut new = NewRepository::named(name).in_project("PAY").with_commits(1);
        new.description = format!("The {name} of Bitbucket");
        new.language = "Go".to_owned();
        world.add_repository("acme", new);
    }
    let bench = Bench::new(world);
    for (name, text) in FILES {
        bench.file(&format!("catalog/{name}"), text);
    }
    bench.file("rules.yaml", RULES);
    bench.integration(&format!("rules: ./rules.yaml\ntags: [tier-1]\n{config}"));
    bench
}

/// Its description at the source is another from now on.
fn describe(bench: &Bench, name: &str, description: &str) {
    let mut world = bench.simulator.world();
    let full_name = format!("acme/{name}");
    world.edit_repository(&full_name, |one| description.clone_into(&mut one.description));
    world.touch_repository(&full_name);
}

#[track_caller]
fn row<'a>(rows: &'a Value, full_name: &str) -> &'a Value {
    let rows = rows.get("rows").unwrap_or(rows).as_array().expect("rows");
    let of_it = |row: &&Value| row.pointer("/repository/full_name") == Some(&json!(full_name));
    rows.iter().find(of_it).unwrap_or_else(|| panic!("no row of {full_name} in {rows:#?}"))
}

fn import_id(bench: &Bench, name: &str) -> String {
    text(row(&bench.json(&["imported", "list"]), &format!("acme/{name}")), "/import_id").to_owned()
}

// P4.11, and the bar of it: a wrong rule imports unseen, two more syncs go by, undo, two more syncs: byte for byte as before.
#[test]
fn a_wrong_rule_is_undone_and_stays_undone_p4_11() {
    let bench = bench("auto_import: true");
    let before = bench.files("catalog");
    let record = bench.sync_exits(0);
    assert_eq!(
        (&record["imported"]["merged"], &record["imported"]["registered"]),
        (&json!(5), &json!(1)),
        "{record:#}"
    );
    describe(&bench, "pay", "Another description");
    describe(&bench, "stores", "Yet another");
    describe(&bench, "brand-new", "Quite new");
    assert_eq!(bench.sync_exits(0)["imported"]["updated"], 3);
    describe(&bench, "pay", "A third description");
    assert_eq!(bench.sync_exits(0)["imported"]["updated"], 1);

    let imported = bench.files("catalog");
    assert_ne!(imported, before);
    let dry = bench.json(&["imported", "undo", "--sync", text(&record, "/id"), "--dry-run"]);
    assert_eq!(dry["dry_run"], true);
    assert_eq!(dry["rows"].as_array().map(Vec::len), Some(6));
    assert!(text(row(&dry, "acme/pay"), "/files/0/diff").contains("-    catalog-sync.dev/action: MERGE"), "{dry:#}");
    assert_eq!(bench.files("catalog"), imported, "a dry run writes nothing");
    assert_eq!(bench.json(&["imported", "list"]).as_array().map(Vec::len), Some(6));

    let undone = bench.json(&["imported", "undo", "--sync", text(&record, "/id")]);
    assert_eq!(bench.texts("catalog"), as_text(&before), "{undone:#}");
    assert!(!bench.path("catalog/bitbucket/acme").exists(), "folders made for it go along");
    assert_eq!(row(&undone, "acme/brand-new")["change"], "remove");
    assert_eq!(row(&undone, "acme/pay")["change"], "restore");
    assert_eq!(bench.json(&["imported", "list"]), json!([]));
    let listed = bench.json(&["discovered", "list"]);
    assert_eq!(text(row(&listed, "acme/pay"), "/tombstone"), "undone from component:default/pay");
    assert_eq!(text(row(&listed, "acme/brand-new"), "/tombstone"), "undone from component:default/brand-new");

    describe(&bench, "pay", "A fourth description");
    for _ in 0..2 {
        let record = bench.sync_exits(0);
        assert_eq!(record["outcome"], "completed", "{record:#}");
        assert_eq!(bench.texts("catalog"), as_text(&before));
    }
    // It was taken back already; and a person who acts gets it again.
    let again = bench.json(&["imported", "undo", text(&undone, "/rows/0/import_id")]);
    assert_eq!(again["rows"][0]["result"], "unchanged");
    assert_eq!(bench.texts("catalog"), as_text(&before));
    bench.run(&["discovered", "import", "pay"]).ok();
    assert_eq!(bench.json(&["imported", "list"]).as_array().map(Vec::len), Some(1));
    assert!(bench.read("catalog/pay.yaml").contains("catalog-sync.dev/action: MERGE"));
}

fn as_text(files: &std::collections::BTreeMap<String, Vec<u8>>) -> std::collections::BTreeMap<String, String> {
    files.iter().map(|(name, bytes)| (name.clone(), String::from_utf8(bytes.clone()).expect("text"))).collect()
}

// P4.11: what others changed since stays and is named; a file we made and somebody touched stays whole.
#[test]
fn what_others_changed_stays_and_is_named_p4_11() {
    let bench = bench("");
    bench.sync();
    bench.run(&["discovered", "import", "--all"]).ok();
    let id = import_id(&bench, "pay");
    let hers = bench.read("catalog/pay.yaml").replace("'The pay of Bitbucket'", "'hers'");
    assert!(hers.contains("description: 'hers'"), "{hers}");
    bench.file("catalog/pay.yaml", &format!("{hers}  # and a comment\n"));
    let tagged = bench.read("catalog/flow.yaml").replace("[tier-1, go]", "[tier-1, go, hers]");
    assert!(tagged.contains("hers"), "{tagged}");
    bench.file("catalog/flow.yaml", &tagged);
    let made = "catalog/bitbucket/acme/pay/brand-new.yaml";
    let touched = format!("{}# hers\n", bench.read(made));
    bench.file(made, &touched);
    std::fs::remove_file(bench.path("catalog/shop.yaml")).expect("a file");

    let undone = bench.json(&["imported", "undo", &id]);
    let pay = row(&undone, "acme/pay");
    assert_eq!(pay["left"][0]["field"], "$.metadata.description");
    assert!(text(pay, "/left/0/reason").contains("\"hers\""), "{pay:#}");
    // All that is ours is gone; the empty map we had filled goes with it, its comment stays.
    let restored =
        FILES[0].1.replace("'by hand'", "'hers'").replace("  annotations: {}   # none yet\n", "  # none yet\n");
    assert_eq!(bench.read("catalog/pay.yaml"), format!("{restored}  # and a comment\n"));
    assert_eq!(bench.read("catalog/flow.yaml"), FILES[2].1.replace("tags: []", "tags: [hers]"));
    assert_eq!(bench.read("catalog/several.yaml"), FILES[3].1);
    assert_eq!(bench.read(made), touched, "not a byte of it is taken");
    let made = row(&undone, "acme/brand-new");
    assert_eq!((&made["result"], &made["change"]), (&json!("done"), &json!("unlink")), "{made:#}");
    assert!(text(made, "/reason").contains("somebody else wrote into it"), "{made:#}");
    assert_eq!(row(&undone, "acme/shop")["change"], "unlink");
    assert_eq!(bench.json(&["imported", "list"]), json!([]));
    let after = bench.files("catalog");
    bench.run(&["sync", "now", "--full"]);
    assert_eq!(bench.files("catalog"), after, "the marks that stay link nothing again");
    assert_eq!(bench.json(&["imported", "list"]), json!([]));
}

// P4.11: by rule, by time, by import; what is not there is refused; what was imported again goes first.
#[test]
fn imports_are_chosen_by_rule_time_and_id_p4_11() {
    let bench = bench("");
    let before = bench.texts("catalog");
    bench.sync();
    bench.run(&["discovered", "import", "pay", "brand-new"]).ok();
    let first = import_id(&bench, "pay");
    assert_eq!(bench.json(&["imported", "undo", "--since", "2999-01-01"])["rows"], json!([]));
    assert_eq!(bench.json(&["imported", "undo", "--rule", "7"])["rows"], json!([]));
    bench.run(&["imported", "undo", "01ARZ3NDEKTSV4RRFFQ69G5FAV"]).exits(2).says(&["there is no import"]);
    bench.run(&["imported", "undo", "--sync", "01ARZ3NDEKTSV4RRFFQ69G5FAV"]).exits(2).says(&["there is no sync"]);
    bench.run(&["imported", "undo"]).exits(2);
    bench.run(&["imported", "undo", &first, "--rule", "0"]).exits(2);
    bench.run(&["imported", "undo", "--since", "yesterday"]).exits(2).says(&["2026-11-20"]);
    bench.run(&["imported", "undo", &first, "-i", "nobody"]).exits(2);

    let by_rule = bench.json(&["imported", "undo", "--rule", "0"]);
    assert_eq!(by_rule["rows"].as_array().map(Vec::len), Some(1), "what no rule led to is registered: {by_rule:#}");
    assert_eq!(bench.read("catalog/pay.yaml"), before["pay.yaml"]);
    // Imported again: the older import is not what stands there.
    bench.run(&["discovered", "import", "pay"]).ok();
    bench.run(&["imported", "unlink", "pay"]).ok();
    let unlinked = bench.read("catalog/pay.yaml");
    bench.run(&["discovered", "import", "pay"]).ok();
    let last = import_id(&bench, "pay");
    let rows = bench.run(&["imported", "undo", "--since", "1h", "--dry-run"]).ok();
    assert!(rows.stdout.contains("would restore") || rows.stdout.contains("would unlink"), "{}", rows.stdout);
    bench.json(&["imported", "undo", "--since", "1h"]);
    assert_eq!(bench.read("catalog/pay.yaml"), unlinked, "only what is linked");
    assert!(!bench.path("catalog/bitbucket/acme").exists());
    bench.run(&["discovered", "import", "pay"]).ok();
    let again = import_id(&bench, "pay");
    assert_ne!(again, last);
    bench.run(&["discovered", "import", "shop"]).ok();
    let held = bench.run(&["imported", "undo", &last, "--output", "json"]).ok();
    assert_eq!(held.json()["rows"][0]["result"], "unchanged");
}

// P4.11: one repository of a bulk import is taken back alone, by its name; the import that linked it last is meant.
#[test]
fn one_repository_of_a_bulk_import_is_taken_back_alone_p4_11() {
    let bench = bench("");
    let before = bench.texts("catalog");
    bench.sync();
    bench.run(&["discovered", "import", "pay"]).ok();
    bench.run(&["imported", "unlink", "pay"]).ok();
    let unlinked = bench.read("catalog/pay.yaml");
    bench.run(&["discovered", "import", "--all"]).ok();
    bench.run(&["discovered", "import", "pay"]).ok();
    let bulk = import_id(&bench, "shop");
    let imported = bench.texts("catalog");

    let dry = bench.json(&["imported", "undo", "acme/shop", "shop", "--dry-run"]);
    assert_eq!(dry["rows"].as_array().map(Vec::len), Some(1), "named twice, it is one: {dry:#}");
    assert_eq!(bench.texts("catalog"), imported, "nothing is written by looking");
    let undone = bench.json(&["imported", "undo", "shop", "brand-new"]);
    assert_eq!(undone["rows"].as_array().map(Vec::len), Some(2), "{undone:#}");
    assert_eq!(row(&undone, "acme/shop")["import_id"], json!(bulk));
    assert_eq!(bench.read("catalog/shop.yaml"), before["shop.yaml"]);
    for still in ["flow.yaml", "several.yaml", "pay.yaml"] {
        assert_eq!(bench.read(&format!("catalog/{still}")), imported[still], "{still}");
    }
    assert_eq!(bench.json(&["imported", "list"]).as_array().map(Vec::len), Some(4));
    // Of one that was imported twice, the last import is meant.
    bench.run(&["imported", "undo", "pay"]).ok();
    assert_eq!(bench.read("catalog/pay.yaml"), unlinked);

    bench.run(&["imported", "undo", "shop"]).exits(2).says(&["acme/shop is not imported"]);
    bench.run(&["imported", "undo", "no-such-thing"]).exits(2).says(&["no repository `no-such-thing` is known"]);
    bench.run(&["imported", "undo", "mail", &bulk]).exits(2).says(&["imports and repositories are named together"]);
    let rest = bench.json(&["imported", "undo", &bulk]);
    assert_eq!(rest["rows"].as_array().map(Vec::len), Some(rest_of(&rest, "done") + rest_of(&rest, "unchanged")));
    let acts = bench.json(&["audit", "list"]);
    let told: Vec<&str> = acts.as_array().expect("acts").iter().map(|act| text(act, "/request")).collect();
    assert!(told.contains(&"imported undo shop brand-new"), "{told:?}");
}

fn rest_of(report: &Value, result: &str) -> usize {
    report["rows"].as_array().expect("rows").iter().filter(|row| row["result"] == result).count()
}

// P4.11, P4.6: the tombstone is in the decisions file, and outlives a lost store.
#[test]
fn an_undo_is_remembered_without_the_store_p4_11() {
    let bench = bench("auto_import: true");
    bench.config(&format!("decisions: ./decisions.yaml\n{}", bench.read("catalog-sync.yaml")));
    let before = bench.texts("catalog");
    let record = bench.sync_exits(0);
    bench.run(&["imported", "undo", "--sync", text(&record, "/id")]).ok();
    assert_eq!(bench.read("decisions.yaml").matches("decision: undone").count(), 6);
    std::fs::remove_dir_all(bench.path("data")).expect("a store");
    bench.sync_exits(0);
    bench.sync_exits(0);
    assert_eq!(bench.texts("catalog"), before);
    // Let back in, it is like one just discovered: auto-import may have it again.
    bench.run(&["discovered", "restore", "brand-new"]).ok();
    bench.sync_exits(0);
    assert!(bench.path("catalog/bitbucket/acme/pay/brand-new.yaml").exists());
}

// P4.11, P2.12: killed with -9 in the middle of an undo, syncs in between touch nothing that is on its way out, and the same
// undo goes on to the end.
#[test]
fn an_undo_killed_in_the_middle_goes_on_p4_11_p2_12() {
    let names: Vec<String> = (0..60).map(|n| format!("service-{n:02}")).collect();
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    let made = ["made-a", "made-b", "made-c", "made-d", "made-e", "made-f"];
    names.extend(made);
    let bench = Bench::of(&names);
    for name in names.iter().filter(|name| !made.contains(name)) {
        bench.component(name);
    }
    let before = bench.texts("catalog");
    bench.sync();
    let mut in_the_middle = false;
    for _ in 0..10 {
        bench.run(&["discovered", "import", "--all"]).ok();
        let imported = bench.texts("catalog");
        let id = import_id(&bench, "service-00");
        let running = bench.spawn(&["imported", "undo", &id]);
        let began = Instant::now();
        while bench.texts("catalog") == imported && began.elapsed() < Duration::from_secs(60) {
            std::thread::yield_now();
        }
        running.kill();
        let killed = bench.texts("catalog");
        in_the_middle = killed != before && killed != imported;
        for _ in 0..2 {
            bench.sync_exits(0);
        }
        for (name, text) in &before {
            let now = &bench.texts("catalog")[name];
            assert!(now == text || *now == imported[name], "{name} is neither as before nor as imported:\n{now}");
        }
        bench.run(&["imported", "undo", &id]).ok();
        assert_eq!(bench.texts("catalog"), before);
        assert_eq!(bench.json(&["imported", "list"]), json!([]));
        for _ in 0..2 {
            bench.sync_exits(0);
        }
        assert_eq!(bench.texts("catalog"), before);
        if in_the_middle {
            break;
        }
        for name in &names {
            bench.run(&["discovered", "restore", name]).ok();
        }
        bench.sync_exits(0);
    }
    assert!(in_the_middle, "no kill fell in the middle");
}

// P4.11: what people see.
#[test]
fn an_undo_tells_what_it_does_p4_11_p4_12() {
    let bench = Bench::of(&["pay"]);
    bench.component("pay");
    bench.sync();
    bench.run(&["discovered", "import", "pay"]).ok();
    let id = import_id(&bench, "pay");
    let hers = bench
        .read("catalog/pay.yaml")
        .replace("bitbucket.org/project-slug: acme/pay", "bitbucket.org/project-slug: acme/hers");
    bench.file("catalog/pay.yaml", &hers);
    let shown = bench.run(&["imported", "undo", &id, "--dry-run"]).ok().stdout;
    insta::assert_snapshot!(shown, @r#"
    REPOSITORY  ENTITY                 RESULT         FILES     REASON
    acme/pay    component:default/pay  would restore  pay.yaml

    left as it is in component:default/pay
      $.metadata.annotations["bitbucket.org/project-slug"]: changed by others since: it says "acme/hers", we wrote "acme/pay"

    --- a/pay.yaml
    +++ b/pay.yaml
    @@ -4,17 +4,7 @@
     metadata:
       name: pay # unique
       annotations:
    -    catalog-sync.dev/repository: "bitbucket.org/{a468811d-153d-4728-b3ee-30b0d85b1db5}"
    -    catalog-sync.dev/integration: acme
    -    catalog-sync.dev/action: MERGE
    -    catalog-sync.dev/project-key: PAY
    -    catalog-sync.dev/default-branch: main
    -    catalog-sync.dev/visibility: private
         bitbucket.org/project-slug: acme/hers
    -    backstage.io/source-location: url:https://bitbucket.org/acme/pay/src/main/
    -  links:
    -    - url: https://bitbucket.org/acme/pay
    -      title: Bitbucket repository
     spec:
       type: service
       lifecycle: production

    1 would be undone, 0 unchanged, 0 held, 0 failed
    nothing was written
    "#);
    insta::assert_snapshot!(bench.run(&["imported", "undo", &id]).ok().stdout, @r#"
    REPOSITORY  ENTITY                 RESULT    FILES     REASON
    acme/pay    component:default/pay  restored  pay.yaml

    left as it is in component:default/pay
      $.metadata.annotations["bitbucket.org/project-slug"]: changed by others since: it says "acme/hers", we wrote "acme/pay"

    1 undone, 0 unchanged, 0 held, 0 failed
    auto-import leaves them alone until you import or restore them: `discovered list`
    "#);
    assert_eq!(
        bench.read("catalog/pay.yaml"),
        component("pay").replace("spec:", "  annotations:\n    bitbucket.org/project-slug: acme/hers\nspec:")
    );
}
