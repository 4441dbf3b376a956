//! Syncs in flight: begun, followed, stopped.

use std::time::Duration;

use catalog_sync::simulator::{Endpoint, Fault, Order};
use serde_json::{Value, json};

use super::client::{Client, EYES, OPS, bench, events_of, synced};
use crate::harness::text;

// P7.2: a sync begun by the API answers at once with its id; its events tell its progress and end with its record.
#[test]
fn a_sync_is_followed_to_its_end_p7_2() {
    let bench = bench(&["ledger", "payments", "web"]);
    let sidecar = synced(&bench);
    let client = Client::new(&bench, Some(OPS));
    bench.simulator.order(Order::always(Fault::Slow(Duration::from_millis(200))));
    let begun = client.post("/integrations/acme/sync", &json!({"full": true})).is(202).json();
    let id = text(&begun, "/id");
    assert_eq!((&begun["trigger"], &begun["integration"]), (&json!("manual"), &json!("acme")));
    let running = client.read("/syncs/running");
    assert_eq!(running[0]["id"], begun["id"], "{running}");
    client.send(client.request("POST", "/integrations/acme/sync")).problem(409);
    assert_eq!(client.post("/syncs", &json!({})).is(202).json(), json!([]), "the only one runs already");

    let events = client.with(Some(EYES)).events(text(&begun, "/events"));
    assert_eq!(events[0].0, "started");
    let (last, told) = events.split_last().expect("events");
    assert!(told.iter().any(|(name, data)| name == "progress" && data["stage"] == "discover"), "{told:#?}");
    assert_eq!((last.0.as_str(), text(&last.1, "/outcome")), ("ended", "completed"));
    assert_eq!(client.read(&format!("/syncs/{id}")), last.1, "the record as kept");
    // Whoever comes late is told the end.
    assert_eq!(client.events(&format!("/syncs/{id}/events")), [("ended".to_owned(), last.1.clone())]);
    assert_eq!(client.read("/syncs/running"), json!([]));
    // Who began it is written down, and so are those that were refused.
    let audit = client.until("/audit", |page| page["rows"].to_string().contains(id));
    let acts: Vec<(&str, &str)> = audit["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| (text(row, "/request"), text(row, "/outcome")))
        .collect();
    assert_eq!(acts, [("sync now acme", "refused"), ("sync now acme --full", "done")], "{audit:#}");
    sidecar.stopped();
}

// P2.5, P2.12: `sync cancel` stops a sync at its next checkpoint, from a terminal and by the API; the next one goes on.
#[test]
fn a_sync_in_flight_is_cancelled_p2_12() {
    let bench = bench(&["ledger", "payments", "web"]);
    let sidecar = synced(&bench);
    let client = Client::new(&bench, Some(OPS));
    for by_terminal in [false, true] {
        bench.simulator.order(Order::next(Fault::Slow(Duration::from_millis(1_500))).at(Endpoint::Repositories));
        let begun = client.post("/integrations/acme/sync", &json!({"full": true})).is(202).json();
        let id = text(&begun, "/id");
        let cancelled: Value = match by_terminal {
            false => client.send(client.request("POST", &format!("/syncs/{id}/cancel"))).is(200).json(),
            true => bench.json(&["sync", "cancel", id]),
        };
        assert_eq!((&cancelled["id"], &cancelled["outcome"]), (&begun["id"], &json!("cancelled")), "{cancelled:#}");
        client.send(client.request("POST", &format!("/syncs/{id}/cancel"))).problem(409);
        bench.run(&["sync", "cancel", id]).exits(4).says(&["has ended: cancelled"]);
    }
    bench.run(&["sync", "cancel", "01NOBODY"]).exits(2);
    let eyes = client.with(Some(EYES));
    eyes.send(eyes.request("POST", "/syncs/01NOBODY/cancel")).problem(403);
    assert_eq!(bench.sync_exits(0)["outcome"], "completed");
    sidecar.stopped();
}

// P7.2: the stream of all syncs tells those of the scheduler and those by hand; it ends when the sidecar stops.
#[test]
fn the_stream_of_all_tells_every_sync_p7_2() {
    let bench = bench(&["ledger", "web"]);
    let sidecar = synced(&bench);
    let client = Client::new(&bench, Some(EYES));
    let listener = {
        let client = client.clone();
        std::thread::spawn(move || client.get("/events").is(200).text)
    };
    // The listener has connected once it is told of a sync: begun again until then.
    for _ in 0..3 {
        assert_eq!(bench.sync_exits(0)["outcome"], "completed");
    }
    sidecar.stopped();
    let events = events_of(&listener.join().expect("the stream"));
    let ended: Vec<&Value> = events.iter().filter(|(name, _)| name == "ended").map(|(_, data)| data).collect();
    assert!(!ended.is_empty(), "{events:#?}");
    assert!(ended.iter().all(|record| record["trigger"] == "manual"), "{ended:#?}");
}
