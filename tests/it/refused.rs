//! What a source refuses for a moment: nothing of it goes missing, and nothing is locked by it.

use catalog_sync::simulator::{Endpoint, Fault, Order};
use serde_json::Value;

use crate::harness::{Bench, number};

fn notes(record: &Value) -> String {
    record["notes"].to_string()
}

// P5.7, P2.9: one 403 below a repository that is listed: what it kept back is counted as waiting and named until it is
// asked for again, and then it comes.
#[test]
fn what_was_refused_once_waits_and_is_asked_for_again_p5_7() {
    let bench = Bench::of(&["payments-api", "web-shop"]);
    let order = |endpoint| Order::always(Fault::Status(403)).at(endpoint).repository("acme/web-shop");
    bench.simulator.order(order(Endpoint::Commits));
    let record = bench.sync_exits(3);
    assert_eq!(number(&record, "/secondary/commits/stored"), 3, "{record:#}");
    bench.simulator.clear_orders();

    // Within the hour: not asked for, and not forgotten either.
    let record = bench.sync_exits(0);
    assert_eq!(number(&record, "/secondary/commits/repositories_waiting"), 1, "{record:#}");
    assert!(notes(&record).contains("acme/web-shop: commits wait"), "{record:#}");

    // A walk over the whole list asks again.
    let record = bench.run(&["sync", "now", "--full", "--output", "json"]).ok().json()[0].take();
    assert_eq!(number(&record, "/secondary/commits/stored"), 3, "{record:#}");
    assert_eq!(number(&record, "/secondary/commits/repositories_waiting"), 0, "{record:#}");
    assert!(!notes(&record).contains("wait"), "{record:#}");
    assert_eq!(bench.json(&["discovered", "list"]).as_array().map(Vec::len), Some(2));
}

// P5.7, P5.5: the same for an optional kind.
#[test]
fn an_optional_kind_that_was_refused_waits_and_is_asked_for_again_p5_7() {
    let bench = Bench::of(&["payments-api", "web-shop"]);
    bench.integration("secondary_kinds: { pull_requests: {}, commits: {}, pipelines: {} }");
    bench.simulator.order(Order::always(Fault::Status(403)).at(Endpoint::Pipelines).repository("acme/web-shop"));
    let waiting = |record: &Value| number(record, "/secondary/pipelines/repositories_waiting");
    let record = bench.sync_exits(0);
    assert_eq!(waiting(&record), 1, "{record:#}");
    assert!(notes(&record).contains("acme/web-shop: no pipelines"), "{record:#}");
    bench.simulator.clear_orders();
    bench.simulator.reset_requests();
    let record = bench.sync_exits(0);
    assert_eq!(waiting(&record), 1, "{record:#}");
    assert!(notes(&record).contains("acme/web-shop: pipelines wait"), "{record:#}");
    assert_eq!(bench.simulator.requests().by_endpoint.get(&Endpoint::Pipelines), None);
    let record = bench.run(&["sync", "now", "--full", "--output", "json"]).ok().json()[0].take();
    assert_eq!(waiting(&record), 0, "{record:#}");
    assert!(!notes(&record).contains("wait"), "{record:#}");
    assert!(bench.simulator.requests().by_endpoint.contains_key(&Endpoint::Pipelines));
}

// P5.4, P2.6: a first sync that was refused at the door has fetched nothing, and locks nothing.
#[test]
fn kinds_and_start_date_are_not_locked_by_a_first_sync_that_was_refused_p5_4() {
    let bench = Bench::of(&["payments-api"]);
    bench.simulator.order(Order::always(Fault::Status(401)));
    bench.sync_exits(1);
    bench.simulator.clear_orders();
    bench.integration("start_date: 2020-01-01\nsecondary_kinds: { commits: {} }");
    let record = bench.sync_exits(0);
    assert_eq!(record["secondary"]["pull_requests"], Value::Null, "{record:#}");
    // From here on they are.
    bench.integration("start_date: 2020-01-01");
    bench.run(&["sync", "now"]).exits(4).says(&["locked since its first sync"]);
    bench.integration("start_date: 2021-01-01\nsecondary_kinds: { commits: {} }");
    bench.run(&["sync", "now"]).exits(4).says(&["may only move earlier"]);
}
