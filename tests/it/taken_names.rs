//! Names that are taken by files nobody can read (product.md, "Registering"): nothing is doubled because a file is
//! broken, too large, or not text.

use crate::harness::{Bench, component, number, text};

fn reason(bench: &Bench, repository: &str) -> (String, String) {
    let rows = bench.json(&["discovered", "list", "--search", repository]);
    let row = rows.get(0).unwrap_or_else(|| panic!("{repository} is not listed"));
    (text(row, "/recommendation/action").to_owned(), text(row, "/recommendation/reason").to_owned())
}

#[test]
fn a_name_in_a_file_that_never_parsed_is_taken_p2_13() {
    let bench = Bench::of(&["payments-api", "ledger", "mailer", "shop", "web"]);
    bench.integration("auto_import: true\nsecondary_kinds: {}");
    let broken = "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: payments-api\n  tags: [\n";
    bench.file("catalog/broken.yaml", broken);
    bench.file("catalog/large.yaml", &format!("{}# {}\n", component("ledger"), "x".repeat(1 << 20)));
    let mut latin = component("mailer").into_bytes();
    latin.extend(b"# caf\xe9\n");
    std::fs::write(bench.path("catalog/latin.yaml"), latin).expect("a file");
    // A document of another program that is broken as well: nothing of ours.
    bench.file("catalog/chart.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  a: [\n");

    let record = bench.sync_exits(0);
    assert_eq!(number(&record, "/imported/registered"), 2, "shop and web: {record}");
    for (repository, place) in
        [("payments-api", "broken.yaml:4"), ("ledger", "large.yaml:5"), ("mailer", "latin.yaml:5")]
    {
        let (action, reason) = reason(&bench, repository);
        assert_eq!(action, "conflict", "{repository}: {reason}");
        assert!(reason.contains(place) && reason.contains("mend that file"), "{repository}: {reason}");
    }
    // By hand the same.
    bench.run(&["discovered", "import", "payments-api"]).exits(4).shows(&["broken.yaml:4"]);
    std::fs::remove_file(bench.path("catalog/broken.yaml")).expect("removed");
    bench.sync_exits(0);
    std::fs::write(bench.path("catalog/large.yaml"), component("ledger")).expect("mended");
    bench.sync_exits(0);
    let imported = |name: &str| text(&bench.json(&["imported", "list", "--search", name])[0], "/status").to_owned();
    assert_eq!(imported("payments-api"), "registered", "once the file was gone");
    assert_eq!(imported("ledger"), "merged", "mended, it is what the repository belongs to");
}

#[test]
fn a_file_that_broke_between_dry_run_and_import_takes_its_name() {
    let bench = Bench::of(&["payments-api"]);
    bench.sync_exits(0);
    let plan = bench.json(&["discovered", "import", "payments-api", "--dry-run"]);
    bench.file("catalog/team/x.yaml", "kind: Component\nmetadata: { name: Payments-API, tags: [\n");
    let said = bench.run(&["discovered", "import", "--plan", text(&plan, "/plan_id")]).exits(4);
    said.shows(&["team/x.yaml:2"]);
    assert_eq!(bench.files("catalog").len(), 1);
}
