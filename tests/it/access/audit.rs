//! Who did what, when, and from where: every change, however it was asked for.

use std::time::Duration;

use catalog_sync::simulator::{Endpoint, Fault, Order};
use serde_json::{Value, json};

use super::http::{EDIT, TOKENS, VIEW, bench, command, start, suspend};
use crate::harness::Bench;

fn acts(bench: &Bench, more: &[&str]) -> Vec<Value> {
    bench.json(&[&["audit", "list"], more].concat()).as_array().expect("a list").clone()
}

/// `by request outcome` of each, newest first.
fn told(acts: &[Value]) -> Vec<String> {
    let text = |act: &Value, field: &str| act[field].as_str().unwrap_or("-").to_owned();
    acts.iter().map(|act| format!("{}: {}: {}", text(act, "by"), text(act, "request"), text(act, "outcome"))).collect()
}

// P7.4: each change is written down with who and from where, the CLI's included; looking and dry runs are not.
#[test]
fn every_change_is_written_down_p7_4() {
    let bench = bench(&format!("{{ {TOKENS} }}"));
    bench.component("ledger");
    bench.sync_exits(0);
    bench.run(&["discovered", "list"]).ok();
    bench.run(&["discovered", "import", "ledger", "--dry-run"]).ok();
    bench.run(&["sync", "now", "--dry-run"]).ok();
    bench.run(&["discovered", "import", "ledger"]).ok();
    bench.run(&["discovered", "ignore", "web"]).ok();
    bench.run(&["discovered", "ignore", "no-such-thing"]).exits(2);
    bench.run(&["imported", "unlink", "ledger"]).ok();
    let (sidecar, address) = start(&bench);
    command(&address, EDIT, &suspend());
    command(&address, VIEW, &suspend());
    bench.run(&["integration", "resume", "acme"]).ok();
    let all = acts(&bench, &[]);
    let expected = [
        "cli: integration resume acme: done",
        "ops: integration suspend acme: done",
        "cli: imported unlink ledger: done",
        "cli: discovered ignore no-such-thing: refused",
        "cli: discovered ignore web: done",
        "cli: discovered import ledger: done",
        "cli: sync now: done",
    ];
    assert_eq!(told(&all), expected, "{all:#?}");
    let names: Vec<&Value> = all.iter().map(|act| &act["integrations"]).collect();
    assert!(names.iter().enumerate().all(|(n, names)| (n == 3) == (**names == json!([]))), "{names:?}");
    assert_eq!((&all[1]["from"], &all[0]["from"]), (&json!("127.0.0.1"), &Value::Null));
    assert!(all[3]["detail"].as_str().is_some_and(|why| why.contains("no-such-thing")), "{}", all[3]);
    assert!(all[5]["detail"].as_str().is_some_and(|what| what.contains("1 done")), "{}", all[5]);
    assert!(all.windows(2).all(|two| two[0]["id"].as_str() > two[1]["id"].as_str()), "newest first");

    // Pages, and what is left out of them.
    let before = all[2]["id"].as_str().expect("an id");
    assert_eq!(told(&acts(&bench, &["--before", before, "--limit", "2"])), expected[3..5]);
    assert_eq!(told(&acts(&bench, &["--by", "ops"])), expected[1..2]);
    assert_eq!(acts(&bench, &["--integration", "acme"]).len(), 6);
    assert_eq!(acts(&bench, &["--integration", "nobody"]), Vec::<Value>::new());
    bench.run(&["audit", "list"]).ok().shows(&[
        "AT (UTC)",
        "WHAT",
        "integration suspend acme",
        "127.0.0.1",
        "terminal",
    ]);
    sidecar.stopped();
    assert_eq!(told(&acts(&bench, &[])), expected, "the same without the sidecar");
}

// P7.4: what was decided is written down as it was asked for, by whom of those at a terminal, with the integration it is
// about.
#[test]
fn what_was_decided_and_by_whom_is_told_p7_4() {
    let mut bench = bench(&format!("{{ {TOKENS} }}"));
    bench.component("other");
    bench.sync_exits(0);
    bench.env.push(("USER".to_owned(), "alice".to_owned()));
    bench.run(&["discovered", "import", "ledger", "--into", "component:default/other"]).ok();
    bench.run(&["imported", "undo", "--since", "1h"]).ok();
    let (sidecar, _) = start(&bench);
    // Through the sidecar as well.
    bench.run(&["discovered", "import", "ledger", "--as-new", "--kind", "Resource", "--type", "lib"]).ok();
    bench.run(&["discovered", "ignore", "web", "--reason", "it's an experiment"]).ok();
    bench.run(&["discovered", "import", "--all", "--action", "register"]).ok();
    bench.simulator.order(Order::next(Fault::Slow(Duration::from_millis(1_500))).at(Endpoint::Repositories));
    let running = bench.spawn(&["sync", "now", "--full"]);
    let flight = || {
        let history = bench.json(&["sync", "history", "--limit", "1"]);
        (history[0]["outcome"] == "running").then(|| history[0]["id"].as_str().unwrap_or_default().to_owned())
    };
    sidecar.until("it runs", || flight().is_some());
    bench.run(&["sync", "cancel", &flight().expect("a sync in flight")]);
    drop(running);
    let all = acts(&bench, &["--by", "cli"]);
    let asked: Vec<&str> = all.iter().filter_map(|act| act["request"].as_str()).collect();
    let since = asked[asked.len() - 3].strip_prefix("imported undo --since ").unwrap_or_default().to_owned();
    assert!(since.len() == "2026-11-22T02:32:18Z".len() && since.ends_with('Z'), "{asked:?}");
    let cancel = all.iter().find(|act| act["request"].as_str().is_some_and(|asked| asked.starts_with("sync cancel ")));
    let cancel = cancel.unwrap_or_else(|| panic!("{asked:?}"));
    assert_eq!(cancel["integrations"], json!(["acme"]), "{cancel}");
    for expected in [
        "discovered import --into component:default/other ledger",
        "discovered import --as-new --kind Resource --type lib ledger",
        "discovered ignore --reason 'it'\\''s an experiment' web",
        "discovered import --all --action register",
        "sync now --full",
    ] {
        let act = all.iter().find(|act| act["request"] == expected).unwrap_or_else(|| panic!("{expected}: {asked:?}"));
        assert_eq!((&act["by"], &act["known_by"]), (&json!("cli (alice)"), &json!("terminal")), "{act}");
    }
    assert_eq!(bench.json(&["imported", "list"])[0]["imported_by"], "cli (alice)");
    sidecar.stopped();
}

// P7.4, security.md: names from outside stay harmless in it, and short.
#[test]
fn what_is_written_down_is_harmless_and_short_p7_4() {
    let bench = bench(&format!("{{ {TOKENS} }}"));
    bench.sync_exits(0);
    let (sidecar, address) = start(&bench);
    let ignore =
        |names: &[String]| json!({ "command": "discovered_ignore", "repositories": names, "integration": null });
    command(&address, EDIT, &ignore(&["web\u{1b}[2J".to_owned()]));
    assert_eq!(acts(&bench, &["--limit", "1"])[0]["request"], "discovered ignore web\\u{1b}[2J");
    assert!(!bench.run(&["audit", "list"]).ok().stdout.contains('\u{1b}'));
    let many: Vec<String> = (0..300).map(|n| format!("repository-{n}")).collect();
    command(&address, EDIT, &ignore(&many));
    let request = acts(&bench, &["--limit", "1"])[0]["request"].as_str().map(|text| text.chars().count());
    assert_eq!(request, Some(401), "told shortly");
    sidecar.stopped();
}

// contract.md, retention.audit: what is older goes, with the next sync.
#[test]
fn what_people_did_is_kept_as_long_as_the_config_says_p7_4() {
    let bench = bench("{ }");
    bench.run(&["integration", "suspend", "acme"]).ok();
    bench.run(&["integration", "resume", "acme"]).ok();
    // The first one becomes one of long ago.
    let mut lines: Vec<String> = Vec::new();
    for mut line in bench.export() {
        if line["book"] == "audit" && line["value"]["request"] == "integration suspend acme" {
            line["key"][0] = json!("00000000000000000000000001");
            line["value"]["id"] = json!("00000000000000000000000001");
            line["value"]["at"] = json!("2020-01-01T00:00:00Z");
        }
        lines.push(line.to_string());
    }
    // In the order of keys.
    let is_old = |line: &&String| line.contains("2020-01-01");
    let old = lines.iter().position(|line| is_old(&line)).expect("the old one");
    let first = lines.iter().position(|line| line.contains("\"book\":\"audit\"")).expect("an entry");
    lines.swap(old, first);
    bench.file("backup.jsonl", &(lines.join("\n") + "\n"));
    bench.run(&["--store", "moved", "store", "import", "backup.jsonl"]).ok();
    let told_there = || told(&acts(&bench, &["--store", "moved"]));
    assert_eq!(told_there(), ["cli: integration resume acme: done", "cli: integration suspend acme: done"]);
    bench.run(&["--store", "moved", "sync", "now"]).ok();
    assert_eq!(told_there(), ["cli: sync now: done", "cli: integration resume acme: done"]);
}
