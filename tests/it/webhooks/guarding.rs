//! What stands between events and the catalog: the same as between a sync and it.

use std::time::Duration;

use catalog_sync::simulator::{Endpoint, Fault, NewRepository, Order};
use serde_json::Value;

use super::{Sender, bench_of, body, config, deliveries, done, history, idle, with_secrets};
use crate::harness::{Bench, number, text, world};
use crate::sidecar::process::Sidecar;

const RULES: &str = "\
entity: repository
correlation:
  - { ingested: $.name, operator: equals, catalog: $.metadata.name }
fields:
  - { ingested: $.description, catalog: $.metadata.description, when: always }
";

/// The files of the catalog that hold a text.
fn files_with(bench: &Bench, part: &str) -> usize {
    bench.texts("catalog").values().filter(|text| text.contains(part)).count()
}

/// So many repositories, each with an entity that takes its description, and their names.
fn imported(count: usize) -> (Bench, Vec<String>) {
    let names: Vec<String> = (0..count).map(|number| format!("app-{number}")).collect();
    let bench = bench_of(&names.iter().map(String::as_str).collect::<Vec<_>>());
    bench.file("rules.yaml", RULES);
    bench.config(&format!("{}    rules: ./rules.yaml\n    secondary_kinds: {{}}\n", config()));
    names.iter().for_each(|name| bench.component(name));
    bench.sync_exits(0);
    bench.run(&["discovered", "import", "--all", "--yes"]).ok();
    (bench, names)
}

fn describe(bench: &Bench, name: &str, text: &str) {
    bench.simulator.world().edit_repository(&format!("acme/{name}"), |one| one.description = text.to_owned());
}

// P4.14: forty documents written by hand are not changed one by one either, and what waits for a person is not done
// meanwhile by an event.
#[test]
fn events_change_no_more_than_a_sync_may_p4_14() {
    let (bench, names) = imported(40);
    bench.sync_exits(0);
    assert_eq!(files_with(&bench, "What app-"), 40);

    let sidecar = Sidecar::start(&bench);
    let mut sender = Sender::to(&sidecar.address());
    let mut sent = 0;
    for name in &names[..9] {
        describe(&bench, name, "Told anew");
        sent += 1;
        assert_eq!(
            sender.send("repo:updated", &sent.to_string(), &body(&bench.simulator, &format!("acme/{name}"), sent)),
            202
        );
        sidecar.until("it is worked", || done(&bench) == sent);
    }
    assert_eq!(files_with(&bench, "Told anew"), 9, "as many as a sync may");
    for name in &names[9..] {
        describe(&bench, name, "Told anew");
        sent += 1;
        assert_eq!(
            sender.send("repo:updated", &sent.to_string(), &body(&bench.simulator, &format!("acme/{name}"), sent)),
            202
        );
    }
    sidecar.until("all are worked", || done(&bench) == sent);
    let changed = files_with(&bench, "Told anew");
    assert!((9..=10).contains(&changed), "{changed}");
    // Also one of those that were left, by an event of its own.
    describe(&bench, "app-39", "Told once more");
    assert_eq!(sender.send("repo:updated", "more", &body(&bench.simulator, "acme/app-39", 90)), 202);
    sidecar.until("it is worked", || done(&bench) == sent + 1);
    assert_eq!(files_with(&bench, "Told once more"), 0);
    sidecar.stopped();

    // The next sync asks for the rest, though it alone would be asked anyway.
    let record = bench.sync_exits(4);
    assert_eq!(record["held"].as_array().map(Vec::len), Some(40 - changed), "{record:#}");
    let sidecar = Sidecar::start(&bench);
    let mut sender = Sender::to(&sidecar.address());
    describe(&bench, "app-38", "Told a third time");
    assert_eq!(sender.send("repo:updated", "third", &body(&bench.simulator, "acme/app-38", 91)), 202);
    sidecar.until("it is worked", || done(&bench) == sent + 2);
    assert_eq!(files_with(&bench, "Told a third time"), 0, "it waits for a person");
    bench.run(&["sync", "approve", text(&record, "/id"), "--yes"]).ok();
    sidecar.stopped();
    assert_eq!(files_with(&bench, "What app-"), 1, "what changed since it was held is left out of the approval");
    assert!(bench.read("catalog/app-38.yaml").contains("What app-38"));
}

// P4.14: nine changed by events, and two more that the sync after them finds: together more than ten.
#[test]
fn a_sync_counts_what_events_changed_before_it_p4_14() {
    let (bench, names) = imported(12);
    let sidecar = idle(&bench);
    let mut sender = Sender::to(&sidecar.address());
    names[..9].iter().for_each(|name| describe(&bench, name, "Told anew"));
    for (number, name) in names[..9].iter().enumerate() {
        let body = body(&bench.simulator, &format!("acme/{name}"), number);
        assert_eq!(sender.send("repo:updated", name, &body), 202);
    }
    sidecar.until("all are worked", || done(&bench) == 9);
    assert_eq!(files_with(&bench, "Told anew"), 9);
    sidecar.stopped();
    names[9..11].iter().for_each(|name| describe(&bench, name, "Told anew"));
    let record = bench.sync_exits(4);
    assert_eq!(record["held"].as_array().map(Vec::len), Some(2), "{record:#}");
    assert!(text(&record, "/held/0/reason").contains("webhooks brought since the last sync"), "{record:#}");
    bench.run(&["sync", "approve", text(&record, "/id"), "--yes"]).ok();
    assert_eq!(files_with(&bench, "Told anew"), 11);
    // Counted from there on anew.
    describe(&bench, "app-11", "Told anew");
    assert_eq!(number(&bench.sync_exits(0), "/imported/updated"), 1);
}

// P2.7: suspended while a look waits for a sync to end: nothing is written, and the next sync brings it.
#[test]
fn who_suspends_meanwhile_is_obeyed_p2_7() {
    let bench = bench_of(&["ledger", "web"]);
    bench.component("web");
    bench.sync_exits(0);
    bench.run(&["discovered", "import", "web", "--yes"]).ok();
    let sidecar = idle(&bench);
    let mut sender = Sender::to(&sidecar.address());
    bench.simulator.world().push_commits("acme/ledger", 2);
    bench.simulator.reset_requests();
    bench.simulator.order(Order::next(Fault::Slow(Duration::from_secs(8))).at(Endpoint::Commits));
    let syncing = bench.spawn(&["sync", "now"]);
    sidecar.until("the sync is past the catalog", || bench.simulator.requests().count(Endpoint::Commits) > 0);
    describe(&bench, "web", "Sells things");
    assert_eq!(sender.send("repo:updated", "1", &body(&bench.simulator, "acme/web", 1)), 202);
    bench.run(&["integration", "suspend", "acme"]).ok();
    sidecar.until("it is done with", || done(&bench) == 1);
    drop(syncing);
    assert_eq!(files_with(&bench, "Sells things"), 0);
    let rows = bench.json(&["webhook", "deliveries"]);
    assert_eq!(text(&rows[0], "/outcome"), "suspended: the next sync brings it", "{rows}");
    bench.run(&["integration", "resume", "acme"]).ok();
    sidecar.stopped();
    bench.sync_exits(0);
    assert_eq!(files_with(&bench, "Sells things"), 1);
}

/// The workspaces acme and labs on one connector: `team-a` serves acme, `team-b` serves labs, `team-c` acme again, for
/// another catalog.
pub fn teams(of_a: &str) -> Bench {
    let mut world = world();
    world.add_workspace("labs", "Labs");
    world.add_project("labs", "LAB", "Lab");
    let new = |name: &str| NewRepository { description: format!("What {name} is for"), ..NewRepository::named(name) };
    world.add_repository("acme", new("web").with_commits(3));
    world.add_repository("labs", new("beaker").in_project("LAB").with_commits(3));
    let bench = with_secrets(Bench::new(world));
    bench.config(&teams_config(of_a));
    bench
}

fn teams_config(of_a: &str) -> String {
    format!(
        "\
store: ./data
connectors:
  both:
    type: bitbucket_cloud
    url: https://bitbucket.org
    api_url: {{api_url}}
    webhook_secrets: [ {{ env: HOOK_SECRET }} ]
    auth: {{ access_token: {{ env: BITBUCKET_TOKEN }} }}
catalogs:
  main: {{ directory: {{ path: ./catalog, new_entities: bitbucket, format: backstage }} }}
  other: {{ directory: {{ path: ./other, new_entities: bitbucket, format: backstage }} }}
integrations:
  - {{ name: team-a, connector: both, catalog: main, workspace: acme{of_a} }}
  - {{ name: team-b, connector: both, catalog: main, workspace: labs }}
  - {{ name: team-c, connector: both, catalog: other, workspace: acme }}
"
    )
}

// P6.12: an integration that cannot be looked at keeps nobody else's events from being worked; its own wait. An event
// costs a request where it may be about something, and nowhere else.
#[test]
fn a_broken_integration_stops_nobody_else_p6_12() {
    let bench = teams("");
    bench.file("other/web.yaml", &crate::harness::component("web"));
    bench.run(&["sync", "now"]).ok();
    bench.run(&["discovered", "import", "web", "-i", "team-c", "--yes"]).ok();
    bench.run(&["sync", "now"]).ok();
    let sidecar = Sidecar::start(&bench);
    let mut sender = Sender::to(&sidecar.address());
    bench.simulator.reset_requests();
    assert_eq!(sender.send("repo:updated", "1", &body(&bench.simulator, "labs/beaker", 1)), 202);
    sidecar.until("it is worked", || done(&bench) == 1);
    let asked = bench.simulator.requests();
    assert_eq!((asked.total, asked.count(Endpoint::Repository)), (1, 1), "{:?}", asked.requests);
    sidecar.stopped();

    // What is locked after the first sync was changed: every look of team-a is refused.
    bench.config(&teams_config(", secondary_kinds: {}"));
    let sidecar = Sidecar::start(&bench);
    let mut sender = Sender::to(&sidecar.address());
    for (id, told) in [("2", "Sells things"), ("3", "Sells more")] {
        describe(&bench, "web", told);
        assert_eq!(sender.send("repo:updated", id, &body(&bench.simulator, "acme/web", told.len())), 202);
        sidecar.until("team-c has it", || bench.read("other/web.yaml").contains(told));
    }
    let waiting = bench.json(&["webhook", "deliveries", "--waiting"]);
    assert_eq!(waiting.as_array().map(Vec::len), Some(2), "{waiting}");
    sidecar.stopped();
    let waiting: Vec<_> = deliveries(&bench).into_iter().filter(|one| one.is_waiting()).collect();
    assert!(waiting.iter().all(|one| one.looked.contains("team-c") && !one.looked.contains("team-a")), "{waiting:?}");

    // Mended, it catches up.
    bench.config(&teams_config(""));
    let sidecar = Sidecar::start(&bench);
    sidecar.until("all are worked", || done(&bench) == 3);
    sidecar.stopped();
}

// P4.11: what auto-import did because of events is found by the sync that tells of it, and taken back with it.
#[test]
fn what_events_imported_is_taken_back_by_their_sync_p4_11() {
    let bench = bench_of(&["ledger"]);
    bench.config(&format!("{}    auto_import: true\n", config()));
    let sidecar = idle(&bench);
    let mut sender = Sender::to(&sidecar.address());
    for (number, name) in ["one", "two", "three"].into_iter().enumerate() {
        bench.simulator.world().add_repository("acme", NewRepository::named(name));
        assert_eq!(sender.send("repo:created", name, &body(&bench.simulator, &format!("acme/{name}"), number)), 202);
        sidecar.until("it is imported", || done(&bench) == number + 1);
    }
    let looks = history(&bench, "webhook");
    assert_eq!((looks.len(), number(&looks[0], "/imported/registered")), (1, 3), "{looks:#?}");
    assert_eq!(bench.texts("catalog/bitbucket").len(), 4, "the first is of the first sync");
    let undone = bench.json(&["imported", "undo", "--sync", text(&looks[0], "/id"), "--yes"]);
    let results: Vec<&str> =
        undone["rows"].as_array().expect("rows").iter().map(|row| text(row, "/result")).collect::<Vec<&str>>();
    assert_eq!(results, ["done"; 3], "{undone:#}");
    assert_eq!(bench.texts("catalog/bitbucket").len(), 1);
    sidecar.stopped();
}

// P2.8, P2.9: a repository that was transferred is followed; many at once look like a workspace under a new name, and
// only a walk says so.
#[test]
fn many_transfers_are_left_to_a_walk_p2_9() {
    let names: Vec<String> = (0..8).map(|number| format!("app-{number}")).collect();
    let bench = bench_of(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let sidecar = idle(&bench);
    let mut sender = Sender::to(&sidecar.address());
    bench.simulator.world().add_workspace("labs", "Labs");
    bench.simulator.world().add_project("labs", "LAB", "Lab");
    for (number, name) in names[..6].iter().enumerate() {
        bench.simulator.world().transfer_repository(&format!("acme/{name}"), "labs");
        let body = body(&bench.simulator, &format!("labs/{name}"), number);
        assert_eq!(sender.send("repo:transfer", name, &body), 202);
        sidecar.until("it is worked", || done(&bench) == number + 1);
    }
    sidecar.stopped();
    let moved = bench
        .export()
        .into_iter()
        .filter(|line| line["book"] == "repositories" && line["value"]["presence"].to_string().contains("labs/"));
    assert_eq!(moved.count(), 3, "more than three of eight are for a walk to say");
    let look: &Value = &history(&bench, "webhook")[0];
    assert!(look["notes"].to_string().contains("the next sync lists all"), "{look:#}");
}
