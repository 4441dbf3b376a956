//! Issue 2, "Shows" 2: the commands of a first day, in order, on a generated workspace.

use crate::harness::Bench;

#[test]
fn the_first_sync_discovers_p2_1() {
    let bench = Bench::of(&["payments-api", "web-shop"]);
    bench.component("payments-api");
    let record = bench.sync_exits(0);
    assert_eq!(record["outcome"], "completed");
    assert_eq!(record["repositories"]["seen"], 2);
    assert_eq!(record["recommendations"]["merge"], 1);
    assert_eq!(record["recommendations"]["register"], 1);
}
