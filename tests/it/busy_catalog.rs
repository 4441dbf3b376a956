//! A git tree that somebody works in (P4.10): no step is applied, the sync says so, the next one goes on.

use std::fs;

use catalog_sync::simulator::NewRepository;

use crate::harness::{Bench, number, text, world};

fn bench() -> Bench {
    let mut world = world();
    for name in ["ledger", "payments"] {
        world.add_repository("acme", NewRepository::named(name).with_commits(0));
    }
    let bench = Bench::new(world);
    bench.integration("auto_import: true\nsecondary_kinds: {}");
    bench.component("ledger");
    // A working tree, as far as anybody who looks can tell.
    bench.file("catalog/.git/HEAD", "ref: refs/heads/main\n");
    bench.file("catalog/.git/refs/heads/main", "1111111111111111111111111111111111111111\n");
    bench
}

#[test]
fn steps_wait_while_git_is_at_work_p4_10() {
    for (sign, is_folder) in
        [("index.lock", false), ("MERGE_HEAD", false), ("rebase-merge", true), ("CHERRY_PICK_HEAD", false)]
    {
        let bench = bench();
        let at = bench.path("catalog/.git").join(sign);
        if is_folder { fs::create_dir(&at) } else { fs::write(&at, "") }.expect("a sign");
        let before = bench.files("catalog");
        for _ in 0..2 {
            let record = bench.sync_exits(3);
            assert_eq!(record["outcome"], "partial", "{record}");
            assert_eq!(number(&record, "/imported/failed"), 2, "{record}");
            for error in record["errors"].as_array().expect("a list") {
                assert_eq!((text(error, "/stage"), text(error, "/retry")), ("apply", "next_sync"));
                for part in ["catalog_busy", sign] {
                    assert!(text(error, "/message").contains(part), "`{part}`: {error}");
                }
            }
            println!("{sign}: {}", record["errors"][0]["message"]);
            assert_eq!(bench.files("catalog"), before, "{sign}");
        }
        let report = bench.run(&["discovered", "import", "ledger", "--output", "json"]).exits(1).json();
        assert_eq!(report["rows"][0]["result"], "failed", "by hand as well: {report}");

        if is_folder { fs::remove_dir(&at) } else { fs::remove_file(&at) }.expect("removed");
        let record = bench.sync_exits(0);
        assert_eq!(
            (number(&record, "/imported/registered"), number(&record, "/imported/merged")),
            (1, 1),
            "retried by the next sync: {record}"
        );
    }
}

#[test]
fn a_head_that_moves_while_a_sync_runs_stops_its_steps_p4_10() {
    use catalog_sync::simulator::{Endpoint, Fault, Order};
    let bench = bench();
    let (git, before) = (bench.path("catalog/.git"), bench.files("catalog"));
    // The catalog was read before the repositories are listed; then somebody checks another commit out.
    let moved = git.clone();
    bench.simulator.order(
        Order::next(Fault::then(move |_| {
            fs::write(moved.join("refs/heads/main"), "2222222222222222222222222222222222222222\n").expect("moved");
        }))
        .at(Endpoint::Repositories),
    );
    let record = bench.sync_exits(3);
    assert_eq!(bench.simulator.orders_left(), Vec::<String>::new());
    assert!(text(&record, "/errors/0/message").contains("catalog_busy"), "{record}");
    let after = bench.files("catalog");
    assert_eq!(after.get("ledger.yaml"), before.get("ledger.yaml"));
    assert_eq!(after.len(), before.len());
    let record = bench.sync_exits(0);
    assert_eq!((number(&record, "/imported/registered"), number(&record, "/imported/merged")), (1, 1), "{record}");
}
