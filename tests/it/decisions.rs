//! A lost store (issue 2, test (e); invariant 3): marks and the decisions file bring everything back without a
//! duplicate; without the file, auto-import waits for a person.

use std::fs;

use catalog_sync::simulator::NewRepository;
use serde_json::Value;

use crate::harness::{Bench, component, number, text, world};

const WITH_DECISIONS: &str = "store: ./data\ndecisions: ./decisions.yaml";

/// Imported, unlinked, ignored, linked to a chosen target: one of each, and nothing left pending.
fn decided(with_file: bool) -> Bench {
    let mut world = world();
    for name in ["plain", "merged", "unlinked", "unlinked-merge", "ignored", "chosen", "other-1", "other-2"] {
        world.add_repository("acme", NewRepository::named(name).with_commits(0));
    }
    let bench = Bench::new(world);
    configure(&bench, with_file, false);
    for name in ["merged", "unlinked-merge", "target"] {
        bench.component(name);
    }
    bench.sync_exits(0);
    bench.run(&["discovered", "ignore", "ignored"]).ok();
    bench.run(&["discovered", "import", "chosen", "--into", "component:default/target"]).ok();
    bench.run(&["discovered", "import", "--all"]).ok();
    bench.run(&["imported", "unlink", "unlinked", "unlinked-merge", "--yes"]).ok();
    bench.sync_exits(0);
    bench
}

fn configure(bench: &Bench, with_file: bool, auto_import: bool) {
    let lines = format!("    auto_import: {auto_import}\n    secondary_kinds: {{}}\n");
    let config = crate::harness::CONFIG.replace("{integration}", &lines);
    bench.config(&if with_file { config.replace("store: ./data", WITH_DECISIONS) } else { config });
}

/// What is linked how, without ids and times.
fn links(bench: &Bench) -> Vec<[String; 6]> {
    let rows = bench.json(&["imported", "list"]);
    let of = |row: &Value, at: &str| text(row, at).to_owned();
    rows.as_array()
        .expect("a list")
        .iter()
        .map(|row| {
            ["/repository/full_name", "/status", "/entity", "/entity_id", "/kind", "/scope"].map(|at| of(row, at))
        })
        .collect()
}

/// What awaits a decision, with what was decided before.
fn discovered(bench: &Bench) -> Vec<(String, String, Value)> {
    let rows = bench.json(&["discovered", "list", "--state", "all"]);
    let rows = rows.as_array().expect("a list");
    rows.iter()
        .map(|row| {
            (text(row, "/repository/full_name").to_owned(), text(row, "/state").to_owned(), row["tombstone"].clone())
        })
        .collect()
}

#[test]
fn marks_and_decisions_bring_a_lost_store_back_without_a_duplicate_invariant_3() {
    let bench = decided(true);
    let (files, was_linked, was_discovered) = (bench.texts("catalog"), links(&bench), discovered(&bench));
    assert_eq!(was_linked.len(), 5, "{was_linked:?}");
    let decisions = bench.read("decisions.yaml");
    println!("{decisions}");
    for round in 0..2 {
        fs::remove_dir_all(bench.path("data")).expect("the store is lost");
        configure(&bench, true, true);
        let record = bench.sync_exits(0);
        let counts =
            ["registered", "merged", "updated", "failed"].map(|key| number(&record["imported"], &format!("/{key}")));
        assert_eq!(counts, [0, 0, 0, 0], "round {round}: {record}");
        assert_eq!(bench.texts("catalog"), files, "round {round}: no new file, no changed byte");
        assert_eq!(links(&bench), was_linked, "round {round}: the same links");
        assert_eq!(discovered(&bench), was_discovered, "round {round}: tombstones and ignored are respected");
        assert_eq!(bench.read("decisions.yaml"), decisions, "round {round}");
        let next = bench.sync_exits(0);
        assert_eq!((next["outcome"].clone(), next["requests"].clone()), ("completed".into(), 2.into()));
        assert_eq!(bench.texts("catalog"), files);
    }
    // What is new is imported all the same, and what a rule writes is still ours to update.
    {
        let mut world = bench.simulator.world();
        world.add_repository("acme", NewRepository::named("later").with_commits(0));
        world.edit_repository("acme/plain", |one| one.description = "described since".into());
    }
    let record = bench.sync_exits(0);
    assert_eq!((number(&record, "/imported/registered"), number(&record, "/imported/updated")), (1, 1), "{record}");
    assert_eq!(links(&bench).len(), 6);
}

#[test]
fn without_a_decisions_file_auto_import_waits_for_confirmation_invariant_3() {
    let bench = decided(false);
    let (files, was_linked) = (bench.texts("catalog"), links(&bench));
    fs::remove_dir_all(bench.path("data")).expect("the store is lost");
    configure(&bench, false, true);
    let held = bench.sync_exits(4);
    assert_eq!(held["outcome"], "held", "{held}");
    let reasons: Vec<&str> = held["held"].as_array().expect("a list").iter().map(|one| text(one, "/reason")).collect();
    assert!(reasons.iter().all(|reason| reason.contains("no decisions file")), "{reasons:?}");
    assert!(held["held"].as_array().expect("a list").iter().all(|one| one["approvable"] == true), "{held}");
    let names: Vec<&str> =
        held["held"].as_array().expect("a list").iter().map(|one| text(one, "/repository")).collect();
    println!("held: {names:?}");
    assert!(names.contains(&"acme/ignored"), "nobody knows any more that it was set aside: {names:?}");
    assert_eq!(bench.texts("catalog"), files, "nothing is written unseen");

    // Every further sync waits as well, for what is new, too.
    bench.simulator.world().add_repository("acme", NewRepository::named("later").with_commits(0));
    let again = bench.sync_exits(4);
    assert_eq!((again["outcome"].clone(), bench.texts("catalog")), ("held".into(), files.clone()), "{again}");

    let before = links(&bench);
    assert!(was_linked.iter().all(|link| before.contains(link)), "adopted from the marks: {before:?}");
    let approved = bench.run(&["sync", "approve", text(&again, "/id"), "--output", "json"]).exits(0).json()[0].take();
    println!("approved: {}", approved["imported"]);
    assert!(number(&approved, "/imported/registered") >= 2, "{approved}");
    let after = links(&bench);
    assert!(before.iter().all(|link| after.contains(link)), "{after:?}");
    let record = bench.sync_exits(0);
    assert_eq!(
        (record["outcome"].clone(), number(&record, "/imported/registered")),
        ("completed".into(), 0),
        "{record}"
    );
    bench.simulator.world().add_repository("acme", NewRepository::named("latest").with_commits(0));
    let record = bench.sync_exits(0);
    assert_eq!(number(&record, "/imported/registered"), 1, "confirmed once, auto-import goes on: {record}");
}

// A store that was lost twice over, and a decision taken in between: the file is written with each decision.
#[test]
fn the_decisions_file_follows_every_decision_p4_6() {
    let bench = decided(true);
    bench.run(&["discovered", "restore", "ignored"]).ok();
    assert!(!bench.read("decisions.yaml").contains("acme/ignored"), "{}", bench.read("decisions.yaml"));
    bench.run(&["discovered", "ignore", "ignored"]).ok();
    bench.file("catalog/late.yaml", &component("late"));
    fs::remove_dir_all(bench.path("data")).expect("the store is lost");
    // A file with a fault is refused as a whole, with its line.
    let good = bench.read("decisions.yaml");
    bench.file("decisions.yaml", &good.replace("decision: ignored", "decision: ignroed"));
    bench.run(&["sync", "now"]).exits(2).says(&["decisions.yaml, line", "ignroed"]);
    bench.file("decisions.yaml", &good);
    configure(&bench, true, true);
    bench.sync_exits(0);
    assert_eq!(discovered(&bench).iter().filter(|(_, state, _)| state == "ignored").count(), 1);
}

// The file is people's to edit: a row that goes takes its decision back, one that is edited or added counts, comments
// stay; a file that is missing or says nothing takes nothing back.
#[test]
fn the_decisions_file_may_be_edited_by_hand_p4_6() {
    let bench = decided(true);
    let ignored = || -> Vec<String> {
        let rows = bench.json(&["discovered", "list", "--state", "ignored"]);
        rows.as_array().expect("a list").iter().map(|row| text(row, "/repository/full_name").to_owned()).collect()
    };
    for name in ["late-1", "late-2"] {
        bench.simulator.world().add_repository("acme", NewRepository::named(name).with_commits(0));
    }
    bench.sync_exits(0);
    bench.run(&["discovered", "ignore", "late-1", "late-2"]).ok();
    assert_eq!(ignored(), ["acme/ignored", "acme/late-1", "acme/late-2"]);

    // By hand: one row goes, one gets a comment.
    let edited = |text: &str, without: &str| -> String {
        let (head, rows) = text.split_once("decisions:\n").expect("rows");
        let rows = rows.split("- catalog").skip(1).filter(|row| !row.contains(without));
        format!("{head}decisions:\n# why: ask Anna\n{}", rows.map(|row| format!("- catalog{row}")).collect::<String>())
    };
    bench.file("decisions.yaml", &edited(&bench.read("decisions.yaml"), "acme/late-1"));
    assert_eq!(ignored(), ["acme/ignored", "acme/late-2"], "without a row there is no decision");
    bench.sync_exits(0);
    assert!(!bench.read("decisions.yaml").contains("acme/late-1"), "it does not come back");
    bench.run(&["discovered", "ignore", "late-1"]).ok();
    let text = bench.read("decisions.yaml");
    assert!(text.contains("# why: ask Anna\n") && text.contains("acme/late-1"), "{text}");

    // Missing, or silent: nothing is taken back, and it is written again.
    for silent in [None, Some(""), Some("# emptied by accident\n")] {
        match silent {
            None => fs::remove_file(bench.path("decisions.yaml")).expect("removed"),
            Some(text) => bench.file("decisions.yaml", text),
        }
        assert_eq!(ignored().len(), 3, "{silent:?}");
        bench.sync_exits(0);
        assert_eq!(bench.read("decisions.yaml").matches("decision: ignored").count(), 3, "{silent:?}");
    }
    // Unreadable: refused, and nothing is taken back.
    let good = bench.read("decisions.yaml");
    bench.file("decisions.yaml", "decisions: [");
    bench.run(&["discovered", "list"]).exits(2);
    bench.file("decisions.yaml", &good);
    assert_eq!(ignored().len(), 3);
    // An empty list is a word: every decision is taken back.
    bench.file("decisions.yaml", "decisions: []\n");
    assert_eq!(ignored(), Vec::<String>::new());
}

// P4.4, P4.6: deleting an integration, which a changed selection of kinds asks for, takes back nothing that people
// decided about its repositories: the next sync imports none of them unseen.
#[test]
fn a_deleted_integration_takes_no_decision_along_p4_6() {
    for with_file in [true, false] {
        let bench = decided(with_file);
        configure(&bench, with_file, true);
        let (files, was_linked, was_discovered) = (bench.texts("catalog"), links(&bench), discovered(&bench));
        let written = || with_file.then(|| bench.read("decisions.yaml"));
        let decisions = written();
        let deleted = bench.run(&["integration", "delete", "acme", "--yes", "--output", "json"]).ok().json();
        println!("{deleted}");
        assert_eq!(
            (number(&deleted, "/repositories"), number(&deleted, "/links"), number(&deleted, "/decisions_kept")),
            (8, 5, 4),
            "with a file: {with_file}"
        );
        assert_eq!(written(), decisions, "what people decided outlives the integration");
        let record = bench.sync();
        assert_eq!(bench.texts("catalog"), files, "with a file: {with_file}: {record:#}");
        assert_eq!(links(&bench), was_linked, "with a file: {with_file}: links come back from the marks");
        assert_eq!(discovered(&bench), was_discovered, "with a file: {with_file}: and no other");
        assert_eq!(written(), decisions);
        // Without the file, what is new waits until somebody has looked.
        bench.simulator.world().add_repository("acme", NewRepository::named("later").with_commits(0));
        assert_eq!(bench.sync()["outcome"], if with_file { "completed" } else { "held" });
    }
}

// What is asked before it is true: links are counted as links, and what stays is said.
#[test]
fn what_a_deletion_loses_is_said_p4_6() {
    let bench = Bench::of(&["mono", "set-aside"]);
    for name in ["one", "two"] {
        bench.component(name);
    }
    bench.sync_exits(0);
    bench.run(&["discovered", "import", "mono", "--into", "component:default/one"]).ok();
    bench.run(&["discovered", "import", "mono", "--into", "component:default/two"]).ok();
    bench.run(&["discovered", "ignore", "set-aside"]).ok();
    assert_eq!(links(&bench).len(), 2);
    bench.run(&["integration", "delete", "acme", "--yes"]).ok().shows(&["2 repositories", "2 links", "2 decisions"]);
}

// A row that somebody adds counts for what is linked, too; one without effect is named; line ends stay (P4.6).
#[test]
fn a_row_of_the_decisions_file_ends_a_link_p4_6() {
    let mut world = world();
    for name in ["first", "second", "third"] {
        world.add_repository("acme", NewRepository::named(name).with_commits(0));
    }
    let bench = Bench::new(world);
    configure(&bench, true, false);
    bench.component("first");
    bench.component("second");
    bench.sync_exits(0);
    bench.run(&["discovered", "import", "first", "second"]).ok();
    let id = |name: &str| {
        let rows = bench.json(&["imported", "list"]);
        let rows = rows.as_array().expect("rows").clone();
        let row = rows.into_iter().find(|row| text(row, "/repository/full_name") == name).expect("linked");
        text(&row, "/repository/id").to_owned()
    };
    let row = |catalog: &str, name: &str, decision: &str| {
        let id = id(name);
        format!(
            "  - {{ catalog: {catalog}, full_name: {name}, repository: 'bitbucket.org/{id}', {decision}, at: 2026-11-21T00:00:00Z, by: anna }}\n"
        )
    };
    let text_of = format!(
        "# ours\ndecisions:\n{}{}{}",
        row("main", "acme/first", "decision: unlinked, entity: 'component:default/first'"),
        row("main", "acme/second", "decision: ignored"),
        row("mian", "acme/second", "decision: ignored"),
    );
    let files = bench.texts("catalog");
    bench.file("decisions.yaml", &text_of);
    bench.run(&["sync", "now"]).ok().says(&["acme/second is ignored there, and linked", "`mian`"]);
    let linked: Vec<String> = links(&bench).into_iter().map(|[name, ..]| name).collect();
    assert_eq!(linked, ["acme/second"]);
    assert_eq!(bench.texts("catalog"), files, "the entity keeps its data");
    let (_, _, tombstone) = discovered(&bench).into_iter().find(|(name, ..)| name == "acme/first").expect("a row");
    assert_eq!(tombstone, "unlinked from component:default/first");

    // P7.4: it is written down, as far as the row tells who decided it.
    let acts = bench.json(&["audit", "list"]);
    let act = acts.as_array().expect("acts").iter().find(|act| act["known_by"] == "decisions").expect("an entry");
    assert_eq!((text(act, "/by"), text(act, "/request")), ("decisions file (anna)", "imported unlink acme/first"));
    assert_eq!((&act["integrations"][0], text(act, "/outcome")), (&Value::from("acme"), "done"));

    // Lines that end in CRLF go on doing so.
    let written = bench.read("decisions.yaml");
    assert!(written.contains("mian"), "{written}");
    bench.file("decisions.yaml", &written.replace('\n', "\r\n"));
    bench.run(&["discovered", "ignore", "third"]).ok();
    let written = bench.read("decisions.yaml");
    assert!(written.contains("acme/third") && written.contains("# ours\r\n"), "{written}");
    assert!(written.split_inclusive('\n').all(|line| line.ends_with("\r\n")), "{written:?}");
}

// P4.1, P4.6: unlinked, then set aside: that is settled, and no sync comes back to it because of the mark that is left;
// let back in, it waits for a person like others that were unlinked. Linked, and set aside in the file: the link stays
// served.
#[test]
fn what_was_set_aside_is_not_brought_up_again_p4_1_p4_6() {
    let bench = Bench::of(&["first", "second"]);
    configure(&bench, true, false);
    bench.component("first");
    bench.component("second");
    bench.sync_exits(0);
    bench.run(&["discovered", "import", "first", "second"]).ok();
    bench.run(&["imported", "unlink", "first", "--yes"]).ok();
    bench.run(&["discovered", "ignore", "first"]).ok();
    let id = text(&bench.json(&["imported", "list"])[0], "/repository/id").to_owned();
    let row = format!(
        "- {{ catalog: main, full_name: acme/second, repository: 'bitbucket.org/{id}', decision: ignored, at: 2026-11-21T00:00:00Z, by: anna }}\n"
    );
    bench.file("decisions.yaml", &format!("{}{row}", bench.read("decisions.yaml")));
    bench.simulator.world().edit_repository("acme/second", |second| second.description = "described since".into());
    for _ in 0..2 {
        let record = bench.sync_exits(0);
        assert_eq!((&record["held"], &record["notes"]), (&Value::Null, &Value::Null), "{record:#}");
    }
    assert!(bench.read("catalog/second.yaml").contains("described since"), "{}", bench.read("catalog/second.yaml"));
    let linked: Vec<String> = links(&bench).into_iter().map(|[name, ..]| name).collect();
    assert_eq!(linked, ["acme/second"]);

    bench.run(&["discovered", "restore", "first"]).ok();
    let record = bench.sync_exits(0);
    assert_eq!(number(&record, "/imported/updated"), 0, "{record:#}");
    assert_eq!(bench.json(&["discovered", "list"])[0]["repository"]["full_name"], "acme/first");
    assert_eq!(links(&bench).len(), 1, "the mark alone links nothing again");
}
