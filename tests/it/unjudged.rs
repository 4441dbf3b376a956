//! What a sync recorded before it broke off is judged by the next one (P2.12): wherever it broke off, whatever ended it.

use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use catalog_sync::simulator::{Endpoint, Fault, NewRepository, Order};
use serde_json::Value;

use crate::harness::{Bench, number, text};

const CONFIG: &str = "auto_import: true\nsecondary_kinds: {}";
/// The last request of a delta: by now everything new is recorded, and nothing is judged.
const COUNT: &str = "fields=size";

/// Three repositories, imported, and a sync after that which found everything as it was.
fn settled() -> Bench {
    let bench = Bench::of(&["billing", "shipping", "web"]);
    bench.integration(CONFIG);
    bench.sync_exits(0);
    for _ in 0..2 {
        bench.sync_exits(0);
    }
    bench
}

/// One repository is new, one has changed.
fn change(bench: &Bench) {
    let mut world = bench.simulator.world();
    world.add_repository("acme", NewRepository::named("late").with_commits(0));
    world.move_repository("acme/billing", "SHOP");
}

/// The next sync imports what is new and updates what changed, though it finds nothing new itself.
#[track_caller]
fn caught_up(bench: &Bench) {
    let record = bench.sync_exits(0);
    assert_eq!(record["outcome"], "completed", "{record}");
    let of = |count: &str| number(&record, &format!("/imported/{count}"));
    assert_eq!((of("registered"), of("updated")), (1, 1), "{record}");
    let files = bench.texts("catalog");
    assert!(files.iter().any(|(name, text)| name.contains("late") && text.contains("acme/late")), "{files:#?}");
    assert!(files.iter().any(|(name, text)| name.contains("billing") && text.contains("SHOP")), "{files:#?}");
    // Judged once: from here on nothing is asked or written beyond a delta and its count.
    let record = bench.sync_exits(0);
    assert_eq!((number(&record, "/requests"), bench.texts("catalog")), (2, files), "{record}");
}

#[test]
fn what_was_recorded_before_a_failure_is_judged_by_the_next_sync_p2_12() {
    let bench = settled();
    change(&bench);
    bench.simulator.order(Order::always(Fault::Status(403)).at(Endpoint::Repositories).query(COUNT));
    let record = bench.sync_exits(1);
    assert_eq!(number(&record, "/imported/registered"), 0, "{record}");
    bench.simulator.clear_orders();
    caught_up(&bench);
}

/// Does something to a sync when it asks for its last page before it judges, and returns its exit code.
fn struck(bench: &Bench, request: &str, strike: impl Fn(&mut Child) + Send + Sync + 'static) -> Option<i32> {
    let running: Arc<Mutex<Option<Child>>> = Arc::default();
    let victim = running.clone();
    bench.simulator.order(
        Order::next(Fault::then(move |_| {
            if let Some(child) = victim.lock().expect("the child").as_mut() {
                strike(child);
            }
        }))
        .at(Endpoint::Repositories)
        .query(request),
    );
    // Whoever is asked to stop hears of it before the last answer comes.
    let slow = Order::next(Fault::Slow(Duration::from_millis(500)));
    bench.simulator.order(slow.at(Endpoint::Repositories).query(COUNT));
    let mut slot = running.lock().expect("nobody else has it");
    let mut child = bench.command(&["sync", "now"]);
    *slot =
        Some(child.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().expect("it runs"));
    drop(slot);
    loop {
        if let Some(status) = running.lock().expect("the child").as_mut().expect("it runs").try_wait().expect("its end")
        {
            bench.simulator.clear_orders();
            return status.code();
        }
        std::thread::yield_now();
    }
}

#[test]
fn what_was_recorded_before_a_kill_is_judged_by_the_next_sync_p2_12() {
    let bench = settled();
    change(&bench);
    let code = struck(&bench, COUNT, |child| child.kill().expect("killed"));
    assert_eq!(code, None, "killed");
    caught_up(&bench);
}

#[test]
fn what_was_recorded_before_a_stop_is_judged_by_the_next_sync_p2_12() {
    let bench = settled();
    change(&bench);
    let code = struck(&bench, "updated_on", |child| {
        let asked = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        assert!(asked.expect("`kill` is there").success());
    });
    assert_eq!(code, Some(130));
    assert_eq!(bench.json(&["discovered", "list"])[0]["repository"]["full_name"], "acme/late");
    caught_up(&bench);
}

// P2.9, P3.7: what an approval hides is no rival any more, and the next sync says so.
#[test]
fn what_an_approval_changed_is_judged_by_the_next_sync_p2_9() {
    let names: Vec<String> = (0..6).map(|n| format!("svc-{n}")).chain((0..5).map(|n| format!("x-{n}"))).collect();
    let bench = Bench::of(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for n in 0..5 {
        bench.component(&format!("svc-{n}"));
        // A second repository of the same name, though not of the same slug.
        let name = format!("svc-{n}");
        bench.simulator.world().edit_repository(&format!("acme/x-{n}"), move |one| one.name = name);
    }
    bench.integration("secondary_kinds: {}");
    let conflicts = |bench: &Bench| -> Vec<String> {
        let rows = bench.json(&["discovered", "list", "--action", "conflict"]);
        let name = |row: &Value| text(row, "/repository/full_name").to_owned();
        rows.as_array().expect("a list").iter().map(name).collect()
    };
    bench.sync_exits(0);
    bench.sync_exits(0);
    assert_eq!(conflicts(&bench).len(), 10);
    bench.integration("secondary_kinds: {}\nrepositories: { exclude: [\"x-*\"] }");
    let held = bench.sync_exits(4);
    bench.run(&["sync", "approve", text(&held, "/id")]).ok();
    bench.sync_exits(0);
    assert_eq!(conflicts(&bench), Vec::<String>::new());
}
