//! Absence on the catalog's side (issue 2, test (c); P2.13): a catalog that is not there, is empty, lacks too much or
//! does not parse is never taken for one without entities.

use std::fs;

use catalog_sync::simulator::NewRepository;
use serde_json::Value;

use crate::harness::{Bench, component, number, text, world};

const CONFIG: &str = "auto_import: true\nsecondary_kinds: {}";

/// Twelve repositories, all imported: four merged into hand-written files, eight registered.
fn settled() -> Bench {
    let mut world = world();
    for n in 0..12 {
        world.add_repository("acme", NewRepository::named(&format!("svc-{n:02}")).with_commits(0));
    }
    let bench = Bench::new(world);
    bench.integration(CONFIG);
    for n in 0..4 {
        bench.component(&format!("svc-{n:02}"));
    }
    let record = bench.sync_exits(0);
    assert_eq!((number(&record, "/imported/registered"), number(&record, "/imported/merged")), (8, 4), "{record}");
    bench
}

fn link_states(bench: &Bench) -> Vec<(String, String)> {
    let rows = bench.json(&["imported", "list"]);
    let rows = rows.as_array().expect("a list");
    rows.iter()
        .map(|row| (text(row, "/repository/full_name").to_owned(), text(row, "/link_state").to_owned()))
        .collect()
}

fn missing(bench: &Bench) -> Vec<String> {
    link_states(bench).into_iter().filter(|(_, state)| state == "entity_missing").map(|(name, _)| name).collect()
}

fn said(record: &Value) -> String {
    format!("{} {} {}", record["errors"], record["held"], record["notes"])
}

// P2.13: an unmounted directory stops the sync before anything is asked or planned.
#[test]
fn an_unmounted_catalog_stops_the_sync_p2_13() {
    let bench = settled();
    let (before, links) = (bench.texts("catalog"), link_states(&bench));
    fs::rename(bench.path("catalog"), bench.path("away")).expect("renamed");
    bench.simulator.reset_requests();
    for _ in 0..2 {
        let record = bench.sync_exits(1);
        assert_eq!(
            (record["outcome"].clone(), record["errors"][0]["stage"].clone()),
            ("failed".into(), "catalog".into())
        );
        println!("{}", said(&record));
        assert!(said(&record).contains("mend:"), "{record}");
    }
    assert_eq!(bench.simulator.requests().total, 0, "before anything is asked");
    assert!(!bench.path("catalog").exists(), "it is not made anew");
    assert_eq!(link_states(&bench), links);
    fs::rename(bench.path("away"), bench.path("catalog")).expect("renamed");
    assert_eq!(bench.sync_exits(0)["outcome"], "completed");
    assert_eq!((bench.texts("catalog"), link_states(&bench)), (before, links));
}

// P2.13: emptied (a mount point without its mount) is held; put back, all is as it was.
#[test]
fn an_emptied_catalog_is_held_p2_13() {
    let bench = settled();
    let (before, links) = (bench.texts("catalog"), link_states(&bench));
    fs::rename(bench.path("catalog"), bench.path("away")).expect("renamed");
    fs::create_dir(bench.path("catalog")).expect("an empty catalog");
    for _ in 0..2 {
        let record = bench.sync_exits(4);
        assert_eq!(record["outcome"], "held");
        for part in ["the catalog is empty", "12 entities", "sync approve"] {
            assert!(said(&record).contains(part), "`{part}`: {record}");
        }
        assert_eq!(bench.texts("catalog").len(), 0, "nothing is registered into it");
    }
    assert_eq!(link_states(&bench), links);
    fs::remove_dir(bench.path("catalog")).expect("removed");
    fs::rename(bench.path("away"), bench.path("catalog")).expect("renamed");
    assert_eq!(bench.sync_exits(0)["outcome"], "completed");
    assert_eq!((bench.texts("catalog"), link_states(&bench)), (before, links));
}

// P2.13: half deleted is held; approved, the links say so and nothing is recreated; restored, they are active again.
#[test]
fn a_half_deleted_catalog_is_held_and_approved_without_recreating_anything_p2_13() {
    let bench = settled();
    let before = bench.texts("catalog");
    let lost: Vec<&String> = before.keys().filter(|name| name.contains("bitbucket/")).take(6).collect();
    assert_eq!(lost.len(), 6);
    for name in &lost {
        fs::remove_file(bench.path("catalog").join(name)).expect("removed");
    }
    let after = bench.texts("catalog");
    let held = bench.sync_exits(4);
    assert!(said(&held).contains("lacks 6 of the 12 entities"), "{held}");
    assert_eq!((bench.texts("catalog"), missing(&bench).len()), (after.clone(), 0));

    let approved = bench.run(&["sync", "approve", text(&held, "/id"), "--output", "json"]).exits(0);
    assert_eq!(approved.json()[0]["outcome"], "completed");
    assert_eq!((bench.texts("catalog"), missing(&bench).len()), (after.clone(), 0), "approved is the catalog, no more");
    for _ in 0..3 {
        let record = bench.sync_exits(0);
        assert_eq!((record["outcome"].clone(), number(&record, "/imported/registered")), ("completed".into(), 0));
        assert_eq!(bench.texts("catalog"), after, "nothing is recreated, though auto-import is on");
        assert_eq!(missing(&bench).len(), 6, "{record}");
    }
    let shown = bench.run(&["imported", "list"]).ok();
    assert!(shown.stdout.contains("missing"), "{}", shown.stdout);

    for name in &lost {
        fs::write(bench.path("catalog").join(name), &before[*name]).expect("restored");
    }
    assert_eq!(bench.sync_exits(0)["outcome"], "completed");
    assert_eq!((bench.texts("catalog"), missing(&bench).len()), (before, 0));
}

// P2.13: a person may register again, relink or unlink.
#[test]
fn a_person_decides_about_a_missing_entity_p2_13() {
    let bench = settled();
    let files = bench.texts("catalog");
    let of = |slug: &str| files.keys().find(|name| name.ends_with(&format!("{slug}.yaml"))).expect("its file").clone();
    for slug in ["svc-10", "svc-11", "svc-09"] {
        fs::remove_file(bench.path("catalog").join(of(slug))).expect("removed");
    }
    assert_eq!(bench.sync_exits(0)["outcome"], "completed", "3 of 12 is not more than 3");
    assert_eq!(missing(&bench), ["acme/svc-09", "acme/svc-10", "acme/svc-11"]);

    let report = bench.json(&["discovered", "import", "acme/svc-10"]);
    println!("register again: {}", report["rows"]);
    assert_eq!(report["rows"][0]["result"], "done", "{report}");
    assert!(bench.path("catalog").join(of("svc-10")).exists());

    bench.file("catalog/other.yaml", &component("other"));
    let report = bench.json(&["discovered", "import", "acme/svc-11", "--into", "component:default/other"]);
    println!("relink: {}", report["rows"]);
    assert_eq!(report["rows"][0]["result"], "done", "{report}");

    bench.run(&["imported", "unlink", "acme/svc-09", "--yes"]).ok();
    assert_eq!(missing(&bench), Vec::<String>::new(), "{:?}", link_states(&bench));
    let record = bench.sync_exits(0);
    assert_eq!(
        (record["outcome"].clone(), number(&record, "/imported/registered")),
        ("completed".into(), 0),
        "{record}"
    );
    assert!(!bench.path("catalog").join(of("svc-09")).exists());
    assert!(!bench.path("catalog").join(of("svc-11")).exists());
}

// P2.13, P7.7: entities of a file that no longer parses count as there; the file is named with its line and left alone.
#[test]
fn a_file_that_no_longer_parses_keeps_its_entities_p2_13() {
    let bench = settled();
    let links = link_states(&bench);
    let mut spoilt = bench.texts("catalog");
    for (name, bytes) in &mut spoilt {
        if name.contains("bitbucket/") || name.as_str() == "svc-00.yaml" {
            bytes.push_str("\n  : [unclosed\n");
            fs::write(bench.path("catalog").join(name), &*bytes).expect("spoilt");
        }
    }
    bench.simulator.world().edit_repository("acme/svc-00", |one| one.description = "changed".into());
    for _ in 0..2 {
        let record = bench.sync_exits(0);
        assert!(said(&record).contains("left alone:"), "{record}");
        assert_eq!(number(&record, "/imported/registered"), 0, "their names are taken: {record}");
        assert_eq!(link_states(&bench), links);
        assert_eq!(bench.texts("catalog"), spoilt);
    }
    for (name, bytes) in spoilt {
        let text = bytes.replace("\n  : [unclosed\n", "");
        fs::write(bench.path("catalog").join(name), text).expect("mended");
    }
    let record = bench.sync_exits(0);
    assert_eq!((record["outcome"].clone(), link_states(&bench)), ("completed".into(), links), "{record}");
    assert!(bench.read("catalog/svc-00.yaml").contains("changed"), "{}", bench.read("catalog/svc-00.yaml"));
}

/// Two entities in one file, both imported, that does not parse any more; `other` and `late` are there to be imported.
fn spoilt() -> Bench {
    let bench = Bench::of(&["one", "two", "other", "late"]);
    bench.integration("rules: ./rules.yaml\nsecondary_kinds: {}");
    bench.file("rules.yaml", RULES);
    bench.file("catalog/both.yaml", &format!("{}---\n{}", component("one"), component("two")));
    bench.component("other");
    bench.sync_exits(0);
    bench.run(&["discovered", "import", "one", "two"]).ok();
    bench.sync_exits(0);
    bench
}

const RULES: &str = "entity: repository\ncorrelation: [ { ingested: $.name, operator: equals, catalog: $.metadata.name } ]\nfields: [ { value: one title, catalog: $.metadata.title, when: always } ]\n";

/// Not even a name can be made out.
const SPOILT: &[u8] = b"\xff\xfe\x00 nothing that anybody can read";

/// Nobody can read it from here on.
fn spoil(bench: &Bench) {
    fs::write(bench.path("catalog/both.yaml"), SPOILT).expect("spoilt");
    bench.sync_exits(0);
    assert_eq!(missing(bench), Vec::<String>::new());
}

/// The entities of the spoilt file are still there, and nobody registers them a second time.
#[track_caller]
fn still_there(bench: &Bench) {
    let record = bench.sync_exits(0);
    assert_eq!((missing(bench), number(&record, "/imported/registered")), (Vec::new(), 0), "{record}");
    let rows = bench.run(&["discovered", "import", "one", "--output", "json"]).json();
    assert!(!rows["rows"][0]["result"].to_string().contains("done"), "{rows:#}");
    assert!(!bench.files("catalog").keys().any(|name| name.contains("one") || name.contains("two")), "no second one");
}

// P2.13: whoever reads the catalog knows what its files held, an import by hand as well.
#[test]
fn an_import_by_hand_forgets_no_entity_of_a_spoilt_file_p2_13() {
    let bench = spoilt();
    spoil(&bench);
    bench.run(&["discovered", "import", "other"]).ok();
    still_there(&bench);
    bench.run(&["discovered", "import", "late"]).ok();
    bench.run(&["discovered", "show", "late"]).ok();
    still_there(&bench);
}

// P2.13, P4.14: and so does an approval.
#[test]
fn an_approval_forgets_no_entity_of_a_spoilt_file_p2_13() {
    let bench = spoilt();
    bench.run(&["discovered", "import", "other"]).ok();
    bench.file("rules.yaml", &RULES.replace("one title", "another title"));
    let held = bench.sync_exits(4);
    fs::write(bench.path("catalog/both.yaml"), SPOILT).expect("spoilt");
    bench.run(&["sync", "approve", text(&held, "/id")]);
    assert!(bench.read("catalog/other.yaml").contains("another title"));
    bench.sync();
    assert_eq!(missing(&bench), Vec::<String>::new());
    let reported = bench.run(&["discovered", "import", "--all", "--output", "json"]).json();
    let done = |row: &&Value| row["result"] == "done";
    let names: Vec<&str> =
        reported["rows"].as_array().expect("rows").iter().filter(done).map(|row| text(row, "/entity")).collect();
    assert_eq!(names, ["component:default/late"], "{reported:#}");
}

// P4.12, P7.5: a dry run, and a store that came from an export, know it as well.
#[test]
fn a_dry_run_and_an_import_know_the_entities_of_a_spoilt_file_p2_13() {
    let bench = spoilt();
    fs::write(bench.path("catalog/both.yaml"), SPOILT).expect("spoilt");
    let dry = bench.run(&["sync", "now", "--dry-run", "--output", "json"]).ok().json();
    let record = &dry[0];
    let said = |record: &Value| format!("{} {} {}", record["outcome"], record["recommendations"], record["held"]);
    spoil(&bench);
    let real = bench.json(&["sync", "history"])[0].take();
    assert_eq!(said(record), said(&real), "{dry:#}");

    bench.run(&["store", "export", "kept.jsonl"]).ok();
    fs::remove_dir_all(bench.path("data")).expect("the store is lost");
    bench.run(&["store", "import", "kept.jsonl"]).ok();
    still_there(&bench);
}

// Many of a kind are listed up to twenty and counted; JSON holds them all.
#[test]
fn many_missing_entities_are_listed_in_short() {
    let mut world = world();
    for n in 0..30 {
        world.add_repository("acme", NewRepository::named(&format!("svc-{n:02}")).with_commits(0));
    }
    let bench = Bench::new(world);
    bench.integration(CONFIG);
    bench.sync_exits(0);
    fs::remove_dir_all(bench.path("catalog/bitbucket")).expect("removed");
    let held = bench.sync_exits(4);
    bench.run(&["sync", "approve", text(&held, "/id")]).ok();
    let shown = bench.run(&["sync", "now"]).stdout;
    assert_eq!(shown.matches("\nheld ").count(), 21, "{shown}");
    assert!(shown.contains("held           and 10 more\n"), "{shown}");
    assert!(shown.lines().count() < 60, "{shown}");
    let last = bench.json(&["sync", "history"])[0].take();
    assert_eq!(last["held"].as_array().expect("a list").len(), 30);
    bench.run(&["sync", "show", text(&last, "/id")]).ok().shows(&["and 10 more", "--output json"]);
}
