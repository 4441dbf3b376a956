//! `sync approve` (P4.14, P2.9): what was held is applied as far as it still holds. What people decided, linked or
//! changed while it waited is left out and named.

use catalog_sync::simulator::NewRepository;
use serde_json::Value;

use crate::harness::{Bench, Output, number, text};

const NAMES: [&str; 5] = ["one", "two", "three", "four", "five"];

fn rules(title: &str) -> String {
    format!(
        "entity: repository\ncorrelation:\n  - {{ ingested: $.name, operator: equals, catalog: $.metadata.name }}\nfields:\n  - {{ value: {title}, catalog: $.metadata.title, when: always }}\n  - {{ ingested: $.description, catalog: $.metadata.description, when: always }}\n"
    )
}

/// Five entities written by hand and linked, and a change of the rules that is held for all of them; its id.
fn held() -> (Bench, String) {
    let bench = Bench::of(&NAMES);
    bench.integration("rules: ./rules.yaml\nsecondary_kinds: {}");
    bench.file("rules.yaml", &rules("before"));
    NAMES.iter().for_each(|name| bench.component(name));
    bench.sync_exits(0);
    bench.run(&["discovered", "import", "--all"]).ok();
    bench.sync_exits(0);
    bench.file("rules.yaml", &rules("after"));
    let record = bench.sync_exits(4);
    assert_eq!(record["held"].as_array().map(Vec::len), Some(5), "{record:#}");
    let id = text(&record, "/id").to_owned();
    (bench, id)
}

fn approve(bench: &Bench, id: &str) -> Output {
    bench.run(&["sync", "approve", id, "--output", "json"])
}

/// Which entities bear the title of the rules that were held.
fn written(bench: &Bench) -> Vec<&'static str> {
    let is_written = |name: &&str| bench.read(&format!("catalog/{name}.yaml")).contains("title: after");
    NAMES.into_iter().filter(is_written).collect()
}

/// Links as repository and entity.
fn links(bench: &Bench) -> Vec<(String, String)> {
    let rows = bench.json(&["imported", "list"]);
    let of = |row: &Value, at: &str| text(row, at).rsplit('/').next().unwrap_or_default().to_owned();
    rows.as_array().expect("a list").iter().map(|row| (of(row, "/repository/full_name"), of(row, "/entity"))).collect()
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut pairs: Vec<_> = of.iter().map(|(repo, entity)| ((*repo).to_owned(), (*entity).to_owned())).collect();
    pairs.sort();
    pairs
}

/// What was left out, and why.
fn left_out(record: &Value) -> String {
    let rows = record["held"].as_array().expect("a list");
    assert!(rows.iter().all(|row| row["approvable"] == false), "{record:#}");
    rows.iter().map(|row| format!("{}: {}\n", text(row, "/repository"), text(row, "/reason"))).collect()
}

#[test]
fn an_approval_respects_what_people_decided_since_p4_14() {
    let (bench, id) = held();
    bench.run(&["imported", "unlink", "one", "two", "--yes"]).ok();
    bench.run(&["discovered", "ignore", "two"]).ok();
    let record = approve(&bench, &id).exits(0).json()[0].take();
    assert_eq!(
        (written(&bench), number(&record, "/imported/updated")),
        (vec!["three", "four", "five"], 3),
        "{record:#}"
    );
    insta::assert_snapshot!(left_out(&record), @r"
    acme/one: left out: cli unlinked it from component:default/one; import it by hand to link it again
    acme/two: left out: cli set it aside; `discovered restore` brings it back
    ");
    assert_eq!(links(&bench), pairs(&[("three", "three"), ("four", "four"), ("five", "five")]));
    approve(&bench, &id).exits(4).says(&["nothing that waits"]);
    // What was settled by people needs no further approval.
    let record = bench.sync_exits(0);
    assert_eq!((record["outcome"].clone(), written(&bench).len()), ("completed".into(), 3), "{record:#}");
}

#[test]
fn an_approval_links_no_entity_a_second_time_p3_7() {
    let (bench, id) = held();
    bench.run(&["imported", "unlink", "one", "two", "--yes"]).ok();
    bench.simulator.world().add_repository("acme", NewRepository::named("other").with_commits(0));
    bench.sync();
    bench.run(&["discovered", "import", "other", "--into", "component:default/one"]).ok();
    bench.run(&["discovered", "import", "two", "--into", "component:default/two"]).ok();
    let record = approve(&bench, &id).exits(0).json()[0].take();
    assert!(left_out(&record).contains("acme/one: left out:"), "{record:#}");
    let expected = [("other", "one"), ("two", "two"), ("three", "three"), ("four", "four"), ("five", "five")];
    assert_eq!(links(&bench), pairs(&expected), "{record:#}");
    bench.run(&["store", "check"]).ok();
    assert_eq!(bench.sync_exits(0)["outcome"], "completed");
    assert_eq!(links(&bench), pairs(&expected));
}

#[test]
fn an_approval_leaves_out_what_changed_since_and_it_is_held_again_p4_14() {
    let (bench, id) = held();
    // One changed at the source, one is gone from its file, one lies elsewhere in a file that says the same.
    bench.simulator.world().edit_repository("acme/one", |one| one.description = "described since".into());
    bench.file("rules.yaml", &rules("after"));
    bench.sync_exits(4);
    std::fs::remove_file(bench.path("catalog/two.yaml")).expect("removed");
    bench.file("catalog/three.yaml", &format!("# a comment above\n\n{}", bench.read("catalog/three.yaml")));
    let record = approve(&bench, &id).exits(0).json()[0].take();
    assert_eq!(number(&record, "/imported/updated"), 3, "{record:#}");
    let said = left_out(&record);
    assert!(said.contains("acme/one: left out: repository, entity or rules changed since"), "{said}");
    assert!(said.contains("acme/two: left out:") && said.contains("not in the catalog"), "{said}");
    assert!(!bench.read("catalog/one.yaml").contains("described since"), "nobody looked at it");
    let again = bench.sync_exits(4);
    assert!(again["held"].to_string().contains("acme/one") && !bench.read("catalog/one.yaml").contains("since"));
    approve(&bench, text(&again, "/id")).exits(0);
    assert!(bench.read("catalog/one.yaml").contains("described since"));
}

// P4.14: rules are approved for what could be looked at. A file that did not parse then waits for approval by itself
// once it is mended, and so does the document of a repository that was not there.
#[test]
fn rules_approved_while_a_file_was_broken_are_not_applied_to_it_unseen_p4_14() {
    let (bench, _) = held();
    let good = bench.read("catalog/two.yaml");
    bench.file("catalog/two.yaml", &good.replace("metadata:", "metadata: ]"));
    let hidden = "rules: ./rules.yaml\nsecondary_kinds: {}\nrepositories: { exclude: [three] }";
    bench.integration(hidden);
    let record = bench.sync_exits(4);
    let approvable = |record: &Value| -> Vec<String> {
        let rows = record["held"].as_array().into_iter().flatten().filter(|row| row["approvable"] == true);
        rows.map(|row| text(row, "/repository").to_owned()).collect()
    };
    assert_eq!(approvable(&record), ["acme/five", "acme/four", "acme/one"], "{record:#}");
    approve(&bench, text(&record, "/id")).exits(0);
    assert_eq!(written(&bench), ["one", "four", "five"]);
    assert_eq!(approvable(&bench.sync_exits(0)), Vec::<String>::new());

    bench.file("catalog/two.yaml", &good);
    let record = bench.sync_exits(4);
    assert_eq!((approvable(&record), written(&bench).len()), (vec!["acme/two".to_owned()], 3), "{record:#}");
    assert!(text(&record, "/held/0/reason").contains("could not be looked at"), "{record:#}");
    // It goes on waiting, whatever else comes.
    assert_eq!(approvable(&bench.sync_exits(4)), ["acme/two"]);
    bench.integration("rules: ./rules.yaml\nsecondary_kinds: {}");
    let record = bench.run(&["sync", "now", "--full", "--output", "json"]).exits(4).json()[0].take();
    assert_eq!(approvable(&record), ["acme/three", "acme/two"], "{record:#}");
    approve(&bench, text(&record, "/id")).exits(0);
    assert_eq!(written(&bench).len(), 5);
    // From now on they are documents like the others.
    bench.simulator.world().edit_repository("acme/two", |two| two.description = "described since".into());
    assert_eq!(bench.sync_exits(0)["outcome"], "completed");
    assert!(bench.read("catalog/two.yaml").contains("described since"));
}

// The same where nothing else is held: rules that change no other document are in force at once.
#[test]
fn rules_that_nothing_was_held_for_are_new_to_what_was_broken_p4_14() {
    let bench = Bench::of(&NAMES[..1]);
    bench.integration("rules: ./rules.yaml\nsecondary_kinds: {}");
    bench.file("rules.yaml", &rules("before"));
    bench.component("one");
    bench.sync_exits(0);
    bench.run(&["discovered", "import", "--all"]).ok();
    bench.sync_exits(0);
    let good = bench.read("catalog/one.yaml");
    bench.file("catalog/one.yaml", &good.replace("metadata:", "metadata: ]"));
    bench.file("rules.yaml", &rules("after"));
    bench.sync_exits(0);
    bench.sync_exits(0);
    bench.file("catalog/one.yaml", &good);
    let record = bench.sync_exits(4);
    assert_eq!(record["held"][0]["approvable"], true, "{record:#}");
    assert!(!bench.read("catalog/one.yaml").contains("title: after"));
    approve(&bench, text(&record, "/id")).exits(0);
    assert!(bench.read("catalog/one.yaml").contains("title: after"));
}

#[test]
fn a_suspended_integration_approves_nothing_p2_7() {
    let (bench, id) = held();
    let before = bench.texts("catalog");
    bench.run(&["integration", "suspend", "acme"]).ok();
    approve(&bench, &id).exits(4).says(&["acme is suspended", "integration resume acme"]);
    assert_eq!(bench.texts("catalog"), before);
    bench.run(&["integration", "resume", "acme"]).ok();
    approve(&bench, &id).exits(0);
    assert_eq!(written(&bench).len(), 5);
}

// P2.9: a filter that was taken back before anybody approved hides nothing.
#[test]
fn an_approval_hides_nothing_that_is_not_hidden_any_more_p2_9() {
    let bench = Bench::of(&NAMES);
    bench.integration("secondary_kinds: {}");
    bench.sync_exits(0);
    bench.integration("secondary_kinds: {}\nrepositories: { exclude: [\"*o*\", \"t*\", \"f*\"] }");
    let held = bench.sync_exits(4);
    bench.integration("secondary_kinds: {}\nrepositories: { exclude: [\"one\"] }");
    approve(&bench, text(&held, "/id")).exits(0);
    let rows = bench.json(&["discovered", "list", "--state", "hidden"]);
    assert_eq!(rows.as_array().map(Vec::len), Some(1), "{rows:#}");
    assert_eq!(rows[0]["repository"]["full_name"], "acme/one");
}
