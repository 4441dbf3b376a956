//! Imports over the API: preview, plan, filter, results row by row, stale rows, two people at once.

use serde_json::{Value, json};

use super::client::{Client, OPS, bench, synced};
use crate::harness::text;

fn ended(client: &Client, begun: &Value) -> Value {
    let id = text(begun, "/import_id");
    client.until(&format!("/imports/{id}"), |report| report["state"] != "running")
}

// P4.3, P4.12: a preview shows each file's diff and writes nothing; its plan imports exactly that; results come row by
// row, and are there for whoever comes later.
#[test]
fn a_preview_becomes_an_import_p4_3_p4_12() {
    let bench = bench(&["ledger", "payments", "web"]);
    bench.component("ledger");
    let sidecar = synced(&bench);
    let client = Client::new(&bench, Some(OPS));
    let before = bench.files("catalog");
    let preview = client.post("/imports/preview", &json!({"filter": {}})).is(200).json();
    assert_eq!(bench.files("catalog"), before, "nothing is written by looking");
    let rows = preview["rows"].as_array().expect("rows");
    assert_eq!((rows.len(), &preview["dry_run"], &preview["import_id"]), (3, &json!(true), &Value::Null));
    assert!(
        rows.iter().all(|row| row["files"][0]["diff"].as_str().is_some_and(|diff| diff.contains("+"))),
        "{rows:#?}"
    );
    let plan = text(&preview, "/plan_id");

    // One of them is set aside meanwhile.
    client.post("/discovered/ignore", &json!({"repositories": ["payments"]})).is(200);
    let begun = client.post("/imports", &json!({"plan": plan})).is(202).json();
    let events = client.events(text(&begun, "/events"));
    let (last, told) = events.split_last().expect("events");
    assert_eq!(last.0, "ended");
    assert_eq!(told.len(), 3, "{events:#?}");
    let report = ended(&client, &begun);
    assert_eq!((&report["state"], &report["by"], &report["total"]), (&json!("done"), &json!("ops"), &json!(3)));
    let of_events: Vec<&Value> = told.iter().map(|(_, row)| row).collect();
    assert_eq!(report["rows"].as_array().expect("rows").iter().collect::<Vec<_>>(), of_events);
    let result = |name: &str| {
        let row = of_events.iter().find(|row| row["repository"]["name"] == name).expect("its row");
        text(row, "/result").to_owned()
    };
    assert_eq!([result("ledger"), result("payments"), result("web")], ["done", "held", "done"]);
    let rest = client.read(&format!("/imports/{}?after=2", text(&begun, "/import_id")));
    assert_eq!((rest["rows"].as_array().map(Vec::len), &rest["next_after"]), (Some(1), &json!(3)));
    let imported = client.read("/imported?sort=imported_at");
    assert_eq!((&imported["total"], &imported["counts"]), (&json!(2), &json!({"merged": 1, "registered": 1})));
    assert_eq!(imported["rows"][0]["imported_by"], "ops");
    assert!(bench.files("catalog").len() > before.len());
    assert_eq!(client.read("/imports")[0]["import_id"], begun["import_id"]);

    let undo = json!({"imports": [begun["import_id"]], "dry_run": true});
    let undone = client.post("/imported/undo", &undo).is(200).json();
    assert_eq!((undone["rows"].as_array().map(Vec::len), &undone["dry_run"]), (Some(2), &json!(true)), "{undone:#}");
    for body in [json!({}), json!({"rule": 0, "sync": "x"}), json!({"imports": []}), json!({"since": "yesterday"})] {
        client.post("/imported/undo", &body).problem(422);
    }
    client.post("/imported/undo", &json!({"imports": ["01NOBODY"]})).problem(404);

    let unlinked = client.post("/imported/unlink", &json!({"repositories": ["web"]})).is(200).json();
    assert_eq!(unlinked[0]["repository"]["name"], "web");
    assert_eq!(client.read("/imported")["total"], 1);
    sidecar.stopped();
}

// P4.3: a row that says something else than what the person saw is held, with what it says now; the same row imported by
// two is done once, and the other one is told by whom.
#[test]
fn stale_rows_and_rivals_are_told_p4_3() {
    let bench = bench(&["ledger", "web"]);
    let sidecar = synced(&bench);
    let client = Client::new(&bench, Some(OPS));
    let rows = client.read("/discovered")["rows"].clone();
    let version = |at: usize| text(&rows[at], "/version").to_owned();
    // An entity of the same name turns up: what was to be registered is to be merged by now.
    bench.component("ledger");
    assert_eq!(bench.sync_exits(0)["outcome"], "completed");
    let wanted = json!({"repositories": ["ledger", "web"], "versions": {"ledger": version(0), "web": version(1)}});
    let report = ended(&client, &client.post("/imports", &wanted).is(202).json());
    let row = |report: &Value, name: &str| {
        let rows = report["rows"].as_array().expect("rows").clone();
        rows.into_iter().find(|row| row["repository"]["name"] == name).expect("its row")
    };
    let held = row(&report, "ledger");
    assert_eq!((&held["result"], &held["action"]), (&json!("held"), &json!("merge")), "{report:#}");
    assert!(text(&held, "/reason").starts_with("changed since you looked: now merge with component:default/ledger"));
    assert_eq!(row(&report, "web")["result"], "done");

    let now = client.read("/discovered")["rows"][0].clone();
    let again = json!({"repositories": ["ledger"], "versions": {"ledger": text(&now, "/version")}});
    let both = [client.post("/imports", &again), client.post("/imports", &again)].map(|reply| reply.is(202).json());
    let results = both.map(|begun| row(&ended(&client, &begun), "ledger"));
    let of = |result: &str| results.iter().filter(|row| row["result"] == result).count();
    assert_eq!((of("done"), of("unchanged")), (1, 1), "{results:#?}");
    let other = results.iter().find(|row| row["result"] == "unchanged").expect("the other");
    assert!(text(other, "/reason").contains("by ops"), "{other:#}");
    sidecar.stopped();
}

// P4.3: several import everything that a filter matches at once: each row is done once, and the others are told by whom.
#[test]
fn a_filter_imported_by_several_at_once_is_done_once_p4_3() {
    let names: Vec<String> = (0..30).map(|number| format!("repo-{number:02}")).collect();
    let bench = bench(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let sidecar = synced(&bench);
    let client = Client::new(&bench, Some(OPS));
    let begun: Vec<Value> = (0..3).map(|_| client.post("/imports", &json!({"filter": {}})).is(202).json()).collect();
    let reports: Vec<Value> = begun.iter().map(|begun| ended(&client, begun)).collect();
    let rows: Vec<&Value> = reports.iter().flat_map(|report| report["rows"].as_array().expect("rows")).collect();
    let of = |result: &str| rows.iter().filter(|row| row["result"] == result).count();
    assert_eq!((of("done"), of("held"), of("failed")), (30, 0, 0), "{reports:#?}");
    for row in rows.iter().filter(|row| row["result"] == "unchanged") {
        assert!(text(row, "/reason").starts_with("already imported as component:default/repo-"), "{row:#}");
    }
    assert_eq!(client.read("/imported")["total"], 30);
    sidecar.stopped();
}

// P4.11: several take the same back at once: it is taken back once, and the journal tells it once.
#[test]
fn undos_at_once_take_back_once_p4_11() {
    let names: Vec<String> = (0..30).map(|number| format!("repo-{number:02}")).collect();
    let bench = bench(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let sidecar = synced(&bench);
    let client = Client::new(&bench, Some(OPS));
    let begun = client.post("/imports", &json!({"filter": {}})).is(202).json();
    assert_eq!(ended(&client, &begun)["done"], 30);
    let body = json!({"imports": [begun["import_id"]]});
    let reports: Vec<Value> = std::thread::scope(|scope| {
        let asked = || client.clone().post("/imported/undo", &body).is(200).json();
        let asking: Vec<_> = (0..3).map(|_| scope.spawn(asked)).collect();
        asking.into_iter().map(|one| one.join().expect("an answer")).collect()
    });
    let of = |result: &str| {
        let rows = reports.iter().flat_map(|report| report["rows"].as_array().expect("rows"));
        rows.filter(|row| row["result"] == result).count()
    };
    assert_eq!((of("done"), of("unchanged")), (30, 60), "{reports:#?}");
    let undone = bench.export().iter().filter(|line| line["value"]["is_undo"] == true).count();
    assert_eq!(undone, 30);
    assert_eq!(client.read("/imported")["total"], 0);
    // By name: those that are not imported are refused in words.
    client.post("/imported/undo", &json!({"repositories": ["repo-01"]})).problem(404);
    client.post("/imported/undo", &json!({"repositories": []})).problem(422);
    sidecar.stopped();
}

// P4.3: an import goes on when whoever began it leaves; a filter takes everything it matches and nothing else.
#[test]
fn an_import_of_a_filter_goes_on_by_itself_p4_3() {
    let names: Vec<String> = (0..40).map(|number| format!("repo-{number:02}")).collect();
    let bench = bench(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for number in 0..10 {
        bench.component(&format!("repo-{number:02}"));
    }
    let sidecar = synced(&bench);
    let begun = {
        // Gone as soon as it is accepted.
        let client = Client::new(&bench, Some(OPS));
        client.post("/imports", &json!({"filter": {"action": "merge", "search": "repo-0"}})).is(202).json()
    };
    let client = Client::new(&bench, Some(OPS));
    let report = ended(&client, &begun);
    assert_eq!((&report["done"], &report["state"]), (&json!(10), &json!("done")), "{report:#}");
    let pages = (client.read("/imported"), client.read("/discovered"));
    assert_eq!((&pages.0["total"], &pages.1["total"]), (&json!(10), &json!(30)));
    sidecar.stopped();
}
