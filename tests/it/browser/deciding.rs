//! What is decided is what was meant: the rows that were ticked, the recommendation that is shown, and numbers that are
//! true while something runs.

use std::time::Duration;

use super::driver::Window;
use super::{Desk, OPS};
use crate::harness::Bench;

/// Three repositories, one of them with an entity, synced once.
fn synced() -> Bench {
    let bench = Bench::of(&["ledger", "payments", "web"]);
    bench.component("ledger");
    bench.sync_exits(0);
    bench
}

// P4.11: of several that came in with one import, undo takes back those that were ticked, and nothing else.
#[test]
fn undo_takes_back_the_ticked_rows_alone_p4_11() {
    let bench = synced();
    let before = bench.texts("catalog");
    bench.run(&["discovered", "import", "--all"]).ok();
    let Some(desk) = Desk::open(bench, Window::DESK) else { return };
    let browser = &desk.browser;
    desk.sign_in(OPS);
    desk.go("/i/acme/imported?q=ledger");
    browser.find("tr.row input[type=checkbox]").click();
    browser.named("button", "Undo the import").click();
    browser.says("The import of 1 repository would be taken back, nothing else.");
    assert_eq!(browser.count(".results li"), 1);
    browser.find("#undo").click();
    browser.says("The import of 1 repository was taken back");
    assert_eq!(desk.bench.read("catalog/ledger.yaml"), before["ledger.yaml"]);
    let left = desk.bench.json(&["imported", "list"]);
    let left: Vec<&str> =
        left.as_array().expect("rows").iter().filter_map(|row| row["repository"]["name"].as_str()).collect();
    assert_eq!(left, ["payments", "web"]);
    desk.is_quiet();
}

// P7.3: on a repository's page the first button does what is recommended; of an imported one, what takes it back.
#[test]
fn a_repository_is_decided_and_taken_back_on_its_page_p7_3() {
    let bench = synced();
    let Some(desk) = Desk::open(bench, Window::DESK) else { return };
    let browser = &desk.browser;
    desk.sign_in(OPS);
    desk.go("/r/acme%2Fledger");
    browser.says("Default branch");
    browser.says("Last activity");
    browser.named(".decide .btn.primary", "Preview the merge").click();
    browser.says("Merge 1.");
    browser.find("#import").click();
    browser.says("Merged 1");
    // Without a reload: what was imported is counted where it is now.
    browser.until("the tabs count again", || {
        let tabs = browser.script("return document.querySelector('#tabs').innerText").to_string();
        let tabs = tabs.replace("\\n", " ");
        tabs.contains("Discovered 2") && tabs.contains("Imported 1")
    });
    desk.go("/r/acme%2Fledger");
    assert!(!browser.text().contains("none"), "{}", browser.text());
    browser.named("button", "Undo the import").click();
    browser.says("would be taken back");
    browser.find("#undo").click();
    browser.says("taken back");
    // In the list, an open row has the same button.
    desk.go("/i/acme/discovered?q=web");
    browser.find("[data-why]").click();
    browser.named(".decide .btn.primary", "Preview the registration").click();
    browser.says("Register 1.");
    desk.is_quiet();
}

// P7.3: while a sync runs, nothing is told that is not known.
#[test]
fn a_running_sync_tells_nothing_that_is_not_so_p7_3() {
    let names: Vec<String> = (0..40).map(|at| format!("service-{at:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let bench = Bench::of(&names);
    bench.sync_exits(0);
    for name in &names {
        bench.simulator.world().push_commits(&format!("acme/{name}"), 2);
    }
    let Some(desk) = Desk::open(bench, Window::DESK) else { return };
    let browser = &desk.browser;
    desk.sign_in(OPS);
    desk.go("/i/acme/syncs");
    desk.bench.simulator.set_latency(Duration::from_millis(500));
    browser.named("button", "Sync now").click();
    browser.is_at("/i/acme/syncs/0");
    browser.says("Fetching pull requests and commits");
    browser.says("counted when the sync has ended");
    browser.until("the list that was walked is counted", || browser.text().replace('\n', " ").contains("Seen 40"));
    for wrong in ["No secondary kind", "To decide", "0 registered", "backfill"] {
        assert!(!browser.text().contains(wrong), "`{wrong}`: {}", browser.text());
    }
    let history = desk.bench.run(&["sync", "history"]).ok();
    assert!(history.stdout.contains("running") && history.stdout.contains('…'), "{}", history.stdout);
    let running = desk.bench.json(&["sync", "history"]);
    assert!(running[0]["duration_ms"].as_u64().is_some_and(|took| took > 0), "{running:#}");
    desk.is_quiet();
}

// P2.9: what may not be read stays in sight, with the reason.
#[test]
fn a_repository_that_may_not_be_read_is_shown_as_that_p2_9() {
    let bench = Bench::of(&["ledger", "web"]);
    bench.simulator.world().forbid_repository("acme/web", true);
    bench.sync_exits(3);
    let Some(desk) = Desk::open(bench, Window::DESK) else { return };
    let browser = &desk.browser;
    desk.sign_in(OPS);
    desk.go("/i/acme/discovered");
    assert_eq!(browser.count("tr.row"), 1);
    browser.named(".segments a", "cannot be read").click();
    browser.is_at("state=inaccessible");
    browser.says("acme/web");
    browser.find("tr.row .lead a").click();
    browser.says("It is listed and may not be read");
    assert!(!browser.has(".decide"), "nothing is decided about it");
    desk.is_quiet();
}
