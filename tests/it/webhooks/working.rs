//! What an event brings.

use std::time::Instant;

use catalog_sync::simulator::{Endpoint, NewPullRequest, NewRepository};
use serde_json::Value;

use super::{Sender, bench_of, body, deliveries, done, history, idle};
use crate::harness::{number, text};

// P6.12, issue 4: a changed description is in the catalog's file a moment after the webhook, for one request; the sync is
// one of that repository alone.
#[test]
fn an_event_brings_a_change_into_the_file_p6_12() {
    let bench = bench_of(&["ledger", "web", "docs"]);
    bench.component("web");
    bench.sync_exits(0);
    bench.run(&["discovered", "import", "web", "--yes"]).ok();
    let sidecar = idle(&bench);
    let file = || bench.read("catalog/web.yaml");
    assert!(file().contains("What web is for"), "{}", file());
    bench.simulator.reset_requests();
    bench.simulator.world().edit_repository("acme/web", |web| web.description = "Sells things".to_owned());
    let mut sender = Sender::to(&sidecar.address());
    let web = body(&bench.simulator, "acme/web", 1);

    let sent = Instant::now();
    assert_eq!(sender.send("repo:updated", "1", &web), 202);
    sidecar.until("the file is changed", || file().contains("Sells things"));
    println!("from webhook to file: {} ms", sent.elapsed().as_millis());
    sidecar.until("it is worked", || done(&bench) == 1);
    assert!(file().starts_with("# kept by hand"), "{}", file());
    let asked = bench.simulator.requests();
    assert_eq!((asked.total, asked.count(Endpoint::Repository)), (1, 1), "{:?}", asked.requests);
    sidecar.stopped();
    let looks = history(&bench, "webhook");
    assert_eq!(looks.len(), 1);
    assert_eq!((text(&looks[0], "/outcome"), number(&looks[0], "/looks")), ("completed", 1));
    assert_eq!((number(&looks[0], "/requests"), number(&looks[0], "/imported/updated")), (1, 1));
    // The next sync of the whole finds nothing left to do.
    let after = file();
    let sync = bench.sync_exits(0);
    assert_eq!(number(&sync, "/imported/updated"), 0);
    assert_eq!(file(), after);
}

/// Items of a repository by the command that shows them.
fn items(bench: &crate::harness::Bench, kind: &str, repository: &str) -> Vec<Value> {
    bench.json(&["activity", kind, repository]).as_array().expect("a list").clone()
}

// P6.12: a push brings commits, a pull request is there a moment after it was opened or approved, each for two
// requests; events of one repository in any order, and twice, bring the same.
#[test]
fn pushes_and_pull_requests_arrive_p6_12() {
    let bench = bench_of(&["ledger", "web"]);
    let sidecar = idle(&bench);
    let mut sender = Sender::to(&sidecar.address());
    let mut event = |name: &str, number: usize| {
        let body = body(&bench.simulator, "acme/web", number);
        assert_eq!(sender.send(name, &number.to_string(), &body), 202);
    };
    bench.simulator.reset_requests();
    bench.simulator.world().push_commits("acme/web", 2);
    event("repo:push", 1);
    sidecar.until("commits are there", || items(&bench, "commits", "web").len() == 5);
    let asked = bench.simulator.requests();
    assert_eq!((asked.total, asked.count(Endpoint::Repository), asked.count(Endpoint::Commits)), (2, 1, 1));

    let id = bench.simulator.world().open_pull_request("acme/web", NewPullRequest::titled("Sell more"));
    event("pullrequest:created", 2);
    sidecar.until("it is there", || items(&bench, "pull-requests", "web").len() == 1);
    bench.simulator.world().decline_pull_request("acme/web", id, "no");
    event("pullrequest:rejected", 3);
    let state = || items(&bench, "pull-requests", "web")[0]["state"].as_str().unwrap_or_default().to_lowercase();
    sidecar.until("it is declined", || state() == "declined");
    // Late and out of order: they say where to look, not what is there.
    event("pullrequest:created", 4);
    event("pullrequest:updated", 5);
    sidecar.until("they are worked", || bench.simulator.requests().count(Endpoint::PullRequests) >= 3);
    assert_eq!(state(), "declined");
    sidecar.stopped();
    assert!(deliveries(&bench).iter().all(|delivery| !delivery.is_waiting()));
    assert_eq!(history(&bench, "webhook").len(), 1, "one record for the hour");
}

// P6.12, P2.8, P2.9: a new repository is met, a rename followed, a deletion looked at and left to two sweeps; a
// repository of another workspace is none of ours.
#[test]
fn repositories_come_are_renamed_and_go_p6_12() {
    let bench = bench_of(&["ledger", "web", "docs"]);
    bench.component("web");
    bench.sync_exits(0);
    bench.run(&["discovered", "import", "web", "--yes"]).ok();
    let sidecar = idle(&bench);
    let mut sender = Sender::to(&sidecar.address());
    let discovered = |repository: &str| {
        let all = bench.json(&["discovered", "list", "--state", "all"]);
        all.as_array().expect("a list").iter().any(|row| text(row, "/repository/full_name") == repository)
    };
    bench.simulator.world().add_repository("acme", NewRepository::named("shop"));
    assert_eq!(sender.send("repo:created", "1", &body(&bench.simulator, "acme/shop", 1)), 202);
    sidecar.until("it is met", || discovered("acme/shop"));

    bench.simulator.world().rename_repository("acme/web", "web-shop");
    assert_eq!(sender.send("repo:updated", "2", &body(&bench.simulator, "acme/web-shop", 2)), 202);
    let linked = || bench.json(&["imported", "list"])[0].clone();
    sidecar.until("the link follows", || text(&linked(), "/repository/full_name") == "acme/web-shop");
    sidecar.until("its entity follows", || bench.read("catalog/web.yaml").contains("project-slug: acme/web-shop"));

    bench.simulator.world().add_workspace("labs", "Labs");
    bench.simulator.world().add_project("labs", "LAB", "Lab");
    bench.simulator.world().add_repository("labs", NewRepository::named("secret"));
    assert_eq!(sender.send("repo:created", "3", &body(&bench.simulator, "labs/secret", 3)), 202);

    let gone = body(&bench.simulator, "acme/docs", 4);
    bench.simulator.world().delete_repository("acme/docs");
    assert_eq!(sender.send("repo:deleted", "4", &gone), 202);
    sidecar.until("all is worked", || done(&bench) == 4);
    assert!(discovered("acme/docs"), "one look makes nothing gone");
    assert!(!discovered("labs/secret"));
    sidecar.stopped();

    // P2.9: the next sync is a sweep, and only the one after that one judges.
    let (first, second) = (bench.sync_exits(0), bench.sync_exits(0));
    assert_eq!((&first["sweep"], number(&first, "/repositories/gone")), (&Value::Bool(true), 0));
    assert_eq!((number(&second, "/repositories/gone"), number(&second, "/repositories/seen")), (1, 3));
}
