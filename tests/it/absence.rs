//! Replays of absence (issue 2, test (c); P2.9, P2.10, P2.11): whatever a listing does, no repository becomes gone,
//! nothing is registered and no file changes until the absence is proven.

use std::collections::BTreeMap;

use catalog_sync::simulator::{BadRow, Credential, Endpoint, Fault, NewRepository, Order};
use serde_json::Value;

use crate::harness::{Bench, TOKEN, number, text, world};

/// More than one page of the listing.
const REPOSITORIES: usize = 105;
/// Auto-import is on, so that whatever looked new would be written at once.
const CONFIG: &str = "auto_import: true\nsecondary_kinds: {}";

/// Everything an absence could spoil.
#[derive(Debug, PartialEq)]
struct Standing {
    files: BTreeMap<String, String>,
    /// Repository → presence, entity, link state.
    links: Vec<(String, String, String, String)>,
    discovered: Vec<String>,
}

fn standing(bench: &Bench) -> Standing {
    let links = bench.json(&["imported", "list"]);
    let discovered = bench.json(&["discovered", "list", "--state", "all"]);
    let field = |row: &Value, pointer: &str| text(row, pointer).to_owned();
    Standing {
        files: bench.texts("catalog"),
        links: links
            .as_array()
            .expect("a list")
            .iter()
            .map(|row| {
                let name = field(row, "/repository/full_name");
                (name, field(row, "/repository_state"), field(row, "/entity"), field(row, "/link_state"))
            })
            .collect(),
        discovered: discovered
            .as_array()
            .expect("a list")
            .iter()
            .map(|row| format!("{} {}", field(row, "/repository/full_name"), field(row, "/recommendation/action")))
            .collect(),
    }
}

/// Synced once: everything is imported, three of it by merging.
fn settled(repositories: usize) -> Bench {
    let mut world = world();
    for n in 0..repositories {
        world.add_repository("acme", NewRepository::named(&format!("svc-{n:03}")).with_commits(0));
    }
    let bench = Bench::new(world);
    bench.integration(CONFIG);
    for name in ["svc-000", "svc-001", "svc-002"] {
        bench.component(name);
    }
    let record = bench.sync_exits(0);
    assert_eq!(number(&record, "/imported/registered"), repositories as u64 - 3, "{record}");
    assert_eq!(number(&record, "/imported/merged"), 3, "{record}");
    bench
}

/// Everything is as it was; else what differs.
#[track_caller]
fn unchanged(bench: &Bench, before: &Standing, when: &str) {
    let now = standing(bench);
    let lines = |standing: &Standing| format!("{standing:#?}\n");
    assert!(now == *before, "{when}:\n{}", similar::TextDiff::from_lines(&lines(before), &lines(&now)).unified_diff());
}

fn messages(record: &Value) -> String {
    let texts = |pointer: &str, field: &str| -> Vec<String> {
        let rows = record.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
        rows.iter().map(|row| text(row, field).to_owned()).collect()
    };
    [texts("/errors", "/message"), texts("/held", "/reason")].concat().join("\n")
}

/// One fault during a complete walk: the outcome is this, the words hold that, and nothing has changed, neither
/// during the fault nor after the next sync.
#[track_caller]
fn replay(bench: &Bench, before: &Standing, order: Order, exit: i32, outcome: &str, says: &[&str]) {
    bench.simulator.reset_requests();
    bench.simulator.order(order.clone());
    let run = bench.run(&["sync", "now", "--full", "--output", "json"]).exits(exit);
    let record = run.json()[0].take();
    assert_eq!(record["outcome"], outcome, "{order:?}: {record}");
    let said = messages(&record);
    for part in says {
        assert!(said.contains(part), "{order:?}: `{part}` is not in `{said}`");
    }
    assert_eq!(number(&record, "/repositories/gone"), 0, "{order:?}");
    assert_eq!(number(&record, "/imported/registered"), 0, "{order:?}");
    println!("{order:?}\n    exit {exit}, {outcome}, {} requests: {said}", record["requests"]);
    assert!(bench.texts("catalog") == before.files, "{order:?}");
    bench.simulator.clear_orders();

    let record = bench.sync_exits(0);
    assert_eq!(record["outcome"], "completed", "after {order:?}: {record}");
    assert_eq!(number(&record, "/repositories/seen"), before.links.len() as u64, "after {order:?}");
    unchanged(bench, before, &format!("after {order:?}"));
}

// P2.9: an error, a refusal, an HTML page, a half-read or looping listing is never absence.
#[test]
fn a_walk_that_breaks_off_makes_nothing_gone_p2_9() {
    let bench = settled(REPOSITORIES);
    let before = standing(&bench);
    let page_2 = |fault| Order::next(fault).at(Endpoint::Repositories).query("page=2");
    let any = |fault| Order::next(fault).at(Endpoint::Repositories);
    let failed = |order: Order, says: &[&str]| replay(&bench, &before, order, 1, "failed", says);

    failed(page_2(Fault::Status(403)), &["page 2", "403"]);
    failed(page_2(Fault::Status(404)), &["page 2"]);
    failed(page_2(Fault::Status(401)), &["refused our credentials (401)", "mend:"]);
    failed(any(Fault::Status(401)), &["refused our credentials (401)"]);
    failed(any(Fault::Status(403)), &["403"]);
    failed(any(Fault::Status(404)), &["404"]);
    failed(any(Fault::Status(410)), &["410"]);
    failed(page_2(Fault::Status(500)).times(9), &["500"]);
    failed(page_2(Fault::HtmlPage).times(9), &["HTML"]);
    failed(page_2(Fault::TruncatedJson).times(9), &["page=2"]);
    failed(page_2(Fault::ConnectionClosed).times(9), &["page=2"]);
    failed(page_2(Fault::NextIsItself), &["go in circles"]);
    failed(page_2(Fault::NextIsFirst), &["go in circles"]);
    failed(any(Fault::NextIs("https://evil.example/2.0/repositories/acme?page=2".into())), &["evil.example"]);
    failed(any(Fault::HugeBody { bytes: 20 << 20 }), &["16"]);
    let json = |body: &str| Fault::Answer { status: 200, content_type: "application/json".into(), body: body.into() };
    failed(any(json(r#"{"pagelen":100,"size":0,"page":1,"values":[]}"#)), &["no_resources", "never taken as"]);
    failed(any(json("[]")).times(9), &[]);
    failed(page_2(json(r#"{"type":"error","error":{"message":"down"}}"#)).times(9), &[]);
}

// P2.9, product.md section 9: what only makes counting harder is survived in the same sync.
#[test]
fn sizes_that_are_wrong_or_missing_cost_requests_and_nothing_else_p2_9() {
    let bench = settled(REPOSITORIES);
    let before = standing(&bench);
    let listing = |fault| Order::next(fault).at(Endpoint::Repositories);
    let survived = |order: Order| replay(&bench, &before, order, 0, "completed", &[]);

    survived(listing(Fault::SizeMissing));
    survived(listing(Fault::SizeMissing).times(50));
    survived(listing(Fault::SizeIs(1)));
    survived(listing(Fault::SizeIs(1)).times(50));
    survived(listing(Fault::SizeIs(100_000)).times(50));
    // Proxies that answer once with a page of their own: asked again.
    survived(listing(Fault::HtmlPage));
    survived(listing(Fault::TruncatedJson));
    survived(listing(Fault::ConnectionClosed));
    survived(listing(Fault::Status(503)).times(2));
}

// P2.11: a row that cannot be read is named and counted; its repository keeps everything.
#[test]
fn an_unreadable_row_is_named_and_loses_nothing_p2_11() {
    let bench = settled(REPOSITORIES);
    let before = standing(&bench);
    for how in [BadRow::NoUuid, BadRow::WrongTypes, BadRow::NotAnObject] {
        let order = Order::next(Fault::BadRow { row: 7, how }).at(Endpoint::Repositories).times(40);
        bench.simulator.order(order);
        for _ in 0..3 {
            // Three sweeps in a row: absent from each of them, the row would be gone if it counted as absence.
            let record = bench.run(&["sync", "now", "--full", "--output", "json"]).exits(3).json()[0].take();
            assert_eq!(record["outcome"], "partial", "{record}");
            assert!(messages(&record).contains("could not be read"), "{record}");
            assert_eq!(number(&record, "/repositories/failed"), 1, "named once: {record}");
            unchanged(&bench, &before, &format!("{how:?}"));
        }
        bench.simulator.clear_orders();
        let record = bench.run(&["sync", "now", "--full", "--output", "json"]).exits(0).json()[0].take();
        assert_eq!(record["outcome"], "completed", "{record}");
        unchanged(&bench, &before, &format!("{how:?}"));
    }
}

// P2.9: one lost and one gained leave the count equal; the delta's own arithmetic notices.
#[test]
fn one_lost_and_one_gained_are_told_apart_and_gone_takes_two_sweeps_p2_9() {
    let bench = settled(20);
    let before = standing(&bench);
    {
        let mut world = bench.simulator.world();
        world.delete_repository("acme/svc-005");
        world.add_repository("acme", NewRepository::named("newcomer"));
    }
    let first = bench.sync_exits(0);
    assert_eq!(first["sweep"], true, "the count differs: one sweep in the same sync");
    assert_eq!((number(&first, "/repositories/new"), number(&first, "/repositories/gone")), (1, 0), "{first}");
    let after = standing(&bench);
    assert!(after.links.iter().all(|(_, state, _, link)| state == "present" && link == "active"), "{after:?}");
    assert_eq!(after.links.len(), 21, "the newcomer was imported, the lost one keeps its link");

    bench.simulator.reset_requests();
    let second = bench.sync_exits(0);
    assert_eq!(second["sweep"], true, "a repository missing once makes the next sync a sweep");
    assert_eq!(number(&second, "/repositories/gone"), 1, "{second}");
    let looked_up = bench.simulator.requests().requests.iter().filter(|one| one.target.contains("%7B%7D")).count();
    assert_eq!(looked_up, 1, "one look by its uuid before gone");
    let gone: Vec<_> = standing(&bench).links.into_iter().filter(|(_, state, ..)| state == "gone").collect();
    assert_eq!(gone.len(), 1);
    assert_eq!((gone[0].0.as_str(), gone[0].3.as_str()), ("acme/svc-005", "active"), "link and entity stay");
    for (name, text) in &before.files {
        assert_eq!(bench.texts("catalog").get(name), Some(text), "{name}");
    }
    let third = bench.sync_exits(0);
    assert_eq!((third["sweep"].clone(), third["requests"].clone()), (false.into(), 2.into()), "{third}");
}

// P2.8, P2.9: missing from the list and found by its uuid elsewhere is moved, not gone; found here, it is there.
#[test]
fn a_missing_repository_that_is_found_by_its_uuid_is_not_gone_p2_8() {
    let bench = settled(10);
    {
        let mut world = bench.simulator.world();
        world.add_workspace("elsewhere", "Elsewhere");
        world.add_project("elsewhere", "X", "X");
        world.transfer_repository("acme/svc-003", "elsewhere");
        world.hide_repository("acme/svc-004", true);
    }
    let states = || -> Vec<(String, String)> {
        let odd = |(name, state, ..): (String, String, String, String)| (state != "present").then_some((name, state));
        standing(&bench).links.into_iter().filter_map(odd).collect()
    };
    assert_eq!(number(&bench.sync_exits(0), "/repositories/gone"), 0);
    assert_eq!(states(), []);
    // The second list lacks both; by the time they are looked up, one of them is back.
    bench.simulator.order(
        Order::next(Fault::then(|world| world.hide_repository("acme/svc-004", false))).at(Endpoint::Repositories),
    );
    let record = bench.sync_exits(0);
    assert_eq!((number(&record, "/repositories/gone"), number(&record, "/imported/registered")), (1, 0), "{record}");
    assert_eq!(states(), [("acme/svc-003".to_owned(), "gone".to_owned())], "moved away; the other one was found");
    for _ in 0..2 {
        assert_eq!(number(&bench.sync_exits(0), "/repositories/gone"), 0);
        assert_eq!(states(), [("acme/svc-003".to_owned(), "gone".to_owned())]);
    }
}

// P2.9: rows deleted while the list is walked shift the pages; the second walk goes by key.
#[test]
fn a_deletion_in_mid_walk_hides_no_other_repository_p2_9() {
    let bench = settled(REPOSITORIES);
    let before = standing(&bench);
    bench.simulator.reset_requests();
    bench
        .simulator
        .order(Order::next(Fault::then(|world| world.delete_repository("acme/svc-010"))).at(Endpoint::Repositories));
    let record = bench.run(&["sync", "now", "--full", "--output", "json"]).exits(0).json()[0].take();
    assert_eq!(bench.simulator.orders_left(), Vec::<String>::new());
    let by_key = bench.simulator.requests().requests.iter().any(|one| one.target.contains("created_on%3E"));
    assert!(by_key, "the list shrank under the walk: it is walked again by key");
    assert_eq!(number(&record, "/repositories/gone"), 0);
    unchanged(&bench, &before, "as before");
    for (sync, gone) in [0, 1, 0].into_iter().enumerate() {
        let record = bench.sync_exits(0);
        assert_eq!(number(&record, "/repositories/gone"), gone, "sync {sync}: {record}");
    }
    assert_eq!(standing(&bench).files, before.files);
}

// P2.9, P3.10: a gain and a loss under the walk keep the size equal; what was skipped is missing once, not gone.
#[test]
fn a_gain_and_a_loss_in_mid_walk_make_nothing_gone_p2_9() {
    let bench = settled(REPOSITORIES);
    let before = standing(&bench);
    bench.simulator.order(
        Order::next(Fault::then(|world| {
            world.delete_repository("acme/svc-010");
            world.add_repository("acme", NewRepository::named("newcomer"));
        }))
        .at(Endpoint::Repositories),
    );
    for sync in 0..4 {
        let args = ["sync", "now", "--full", "--output", "json"];
        let record = bench.run(&args[..]).exits(0).json()[0].take();
        println!("sync {sync}: {}", record["repositories"]);
    }
    let after = standing(&bench);
    let gone: Vec<&str> =
        after.links.iter().filter(|(_, state, ..)| state == "gone").map(|(name, ..)| name.as_str()).collect();
    assert_eq!(gone, ["acme/svc-010"]);
    assert_eq!(after.links.len(), before.links.len() + 1);
}

// P2.9: what a filter change hides counts like gone; held, and approved exactly.
#[test]
fn a_filter_that_would_hide_too_much_is_held_until_approved_p2_9() {
    let bench = settled(20);
    let before = standing(&bench);
    bench.integration(&format!("{CONFIG}\nrepositories: {{ exclude: [\"svc-00*\"] }}"));
    let held = bench.sync_exits(4);
    assert_eq!(held["outcome"], "held");
    let said = messages(&held);
    for part in ["10 of 20", "exclude: svc-00*", "sync approve"] {
        assert!(said.contains(part), "`{part}` is not in `{said}`");
    }
    unchanged(&bench, &before, "as before");
    let again = bench.sync_exits(4);
    unchanged(&bench, &before, "held again, and again nothing was applied");

    let approved = bench.run(&["sync", "approve", text(&again, "/id"), "--output", "json"]).exits(0);
    assert_eq!(approved.json()[0]["outcome"], "completed");
    let after = standing(&bench);
    assert_eq!(after.links.iter().filter(|(_, state, ..)| state == "excluded").count(), 10);
    assert_eq!(after.links.iter().filter(|(_, state, ..)| state == "present").count(), 10);
    assert_eq!(after.files, before.files, "excluded repositories keep link, entity and data");
    bench.run(&["sync", "approve", text(&again, "/id")]).exits(4).says(&["nothing that waits for approval"]);
    assert_eq!(bench.sync_exits(0)["outcome"], "completed", "the next sync goes on");
    bench.integration(CONFIG);
    assert_eq!(bench.sync_exits(0)["outcome"], "completed");
    unchanged(&bench, &before, "shown again without a filter");
}

// P2.9: more than 10 % and more than 3 absent twice: held; `sync approve` marks exactly those.
#[test]
fn many_absences_are_held_until_approved_p2_9() {
    let bench = settled(20);
    let before = standing(&bench);
    for n in 0..5 {
        bench.simulator.world().delete_repository(&format!("acme/svc-{:03}", n + 10));
    }
    let missing = bench.sync_exits(0);
    assert_eq!((missing["outcome"].clone(), number(&missing, "/repositories/gone")), ("completed".into(), 0));
    bench.simulator.reset_requests();
    let held = bench.sync_exits(4);
    assert_eq!(held["outcome"], "held", "{held}");
    assert!(messages(&held).contains("5 of 20"), "{held}");
    unchanged(&bench, &before, "as before");

    // More vanish before anybody approves: approved is what was held, not what is true now.
    bench.simulator.world().delete_repository("acme/svc-019");
    let approved = bench.run(&["sync", "approve", text(&held, "/id"), "--output", "json"]).exits(0).json()[0].take();
    assert_eq!(number(&approved, "/repositories/gone"), 5, "{approved}");
    let states = |wanted: &str| standing(&bench).links.iter().filter(|(_, state, ..)| state == wanted).count();
    assert_eq!((states("gone"), states("present")), (5, 15));
    let next = bench.sync_exits(0);
    assert_eq!((next["outcome"].clone(), number(&next, "/repositories/gone")), ("completed".into(), 0), "{next}");
    let then = bench.sync_exits(0);
    assert_eq!(number(&then, "/repositories/gone"), 1, "the sixth took its own two sweeps: {then}");
    assert_eq!(standing(&bench).files, before.files);
}

// P2.9: an outage that looked like absence is over before anybody approved; approving it then marks nothing.
#[test]
fn approving_an_absence_that_is_over_marks_nothing_p2_9() {
    let bench = settled(20);
    let before = standing(&bench);
    let hide = |hidden| {
        for n in 0..8 {
            bench.simulator.world().hide_repository(&format!("acme/svc-{n:03}"), hidden);
        }
    };
    hide(true);
    bench.sync_exits(0);
    let held = bench.sync_exits(4);
    hide(false);
    assert_eq!(bench.sync_exits(0)["outcome"], "completed");
    unchanged(&bench, &before, "as before");
    let approved = bench.run(&["sync", "approve", text(&held, "/id"), "--output", "json"]).exits(0).json()[0].take();
    assert_eq!(number(&approved, "/repositories/gone"), 0, "{approved}");
    unchanged(&bench, &before, "as before");
    assert_eq!(bench.sync_exits(0)["outcome"], "completed");
}

// P2.9: three of four is more than 10 % and not more than 3.
#[test]
fn few_absences_are_not_held_p2_9() {
    let bench = settled(8);
    for n in 3..6 {
        bench.simulator.world().delete_repository(&format!("acme/svc-{n:03}"));
    }
    bench.sync_exits(0);
    let record = bench.sync_exits(0);
    assert_eq!(number(&record, "/repositories/gone"), 3, "{record}");
}

// P2.8, P2.9: what was held is looked up by its id before it is called gone: a transferred repository is elsewhere, and
// where nobody answers, nothing at all is applied.
#[test]
fn approving_looks_up_by_id_first_p2_8() {
    let bench = settled(20);
    bench.simulator.world().add_workspace("labs", "Labs");
    for n in 10..15 {
        let name = format!("acme/svc-{n:03}");
        if n == 12 {
            bench.simulator.world().transfer_repository(&name, "labs");
        } else {
            bench.simulator.world().delete_repository(&name);
        }
    }
    bench.sync_exits(0);
    let held = bench.sync_exits(4);
    let before = standing(&bench);
    bench.simulator.set_credentials(vec![Credential::token("another")]);
    bench.run(&["sync", "approve", text(&held, "/id")]).exits(4).says(&["nothing was applied"]);
    unchanged(&bench, &before, "nothing is applied by half");

    bench.simulator.set_credentials(vec![Credential::token(TOKEN)]);
    let approved = bench.run(&["sync", "approve", text(&held, "/id"), "--output", "json"]).exits(0).json()[0].take();
    assert_eq!(number(&approved, "/repositories/gone"), 4, "{approved}");
    assert!(number(&approved, "/requests") >= 5, "{approved}");
    let states = standing(&bench).links;
    let of = |name: &str| states.iter().find(|(repo, ..)| repo.ends_with(name)).map(|(_, state, ..)| state.clone());
    assert_eq!(of("svc-010").as_deref(), Some("gone"));
    let moved = bench.export().into_iter().filter(|line| line.to_string().contains("\"to\":\"labs/svc-012\"")).count();
    assert_eq!(moved, 1, "it was moved, not lost");
    bench.run(&["sync", "approve", text(&held, "/id")]).exits(4).says(&["nothing that waits"]);
}
