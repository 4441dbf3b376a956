//! `report`: what is covered, and what does not fit any more (P3.11).

use serde_json::json;

use crate::harness::{Bench, component};

fn annotated(name: &str, slug: &str) -> String {
    let annotations = format!("  annotations:\n    bitbucket.org/project-slug: {slug}\nspec:");
    component(name).replace("spec:", &annotations)
}

fn bench() -> Bench {
    let bench = Bench::of(&["pay", "shop", "mail", "old-name"]);
    bench.component("pay");
    bench.file("catalog/twin.yaml", &annotated("twin", "acme/pay"));
    bench.file("catalog/formerly.yaml", &annotated("formerly", "acme/old-name"));
    bench.file("catalog/never.yaml", &annotated("never", "acme/never-was"));
    bench.file("catalog/elsewhere.yaml", &annotated("elsewhere", "others/never-was").replace("  owner: team-a\n", ""));
    bench.file("catalog/nobodys.yaml", &annotated("nobodys", "acme/shop").replace("owner: team-a", "owner: unknown"));
    bench.sync();
    bench.run(&["discovered", "import", "pay"]).ok();
    bench.run(&["discovered", "ignore", "mail"]).ok();
    bench.simulator.world().rename_repository("acme/old-name", "new-name");
    bench.run(&["sync", "now", "--full"]).ok();
    bench
}

#[test]
fn what_is_covered_and_what_does_not_fit_is_told_p3_11() {
    let bench = bench();
    let (files, state) = (bench.files("catalog"), bench.export());
    bench.simulator.reset_requests();
    let reports = bench.json(&["report"]);
    assert_eq!(bench.simulator.requests().total, 0);
    assert_eq!((bench.files("catalog"), bench.export()), (files, state), "it only reads");
    let report = &reports[0];
    assert_eq!(report["integration"], "acme");
    assert_eq!((&report["repositories"], &report["imported"], &report["ignored"]), (&json!(4), &json!(1), &json!(1)));
    assert_eq!(report["percent"], 33.3);
    assert_eq!(report["projects"].as_array().map(Vec::len), Some(1), "{report:#}");
    assert_eq!(report["lost_repositories"], json!([]));
    assert_eq!(
        report["stale_annotations"],
        json!([
            {"entity": "component:default/formerly", "repository": "acme/old-name", "state": "renamed", "now": "acme/new-name"},
            {"entity": "component:default/never", "repository": "acme/never-was", "state": "unknown", "now": null},
        ])
    );
    let shared = json!([{"repository": "acme/pay", "entities": ["component:default/pay", "component:default/twin"]}]);
    assert_eq!(report["shared_repositories"], shared);
    assert_eq!(report["missing_owners"], json!([{"entity": "component:default/nobodys", "owner": "unknown"}]));
    let trend = report["trend"].as_array().expect("a trend");
    let imported: Vec<_> = trend.iter().map(|one| one["imported"].clone()).collect();
    assert_eq!(imported, [json!(0), json!(1)], "{trend:#?}");

    // P2.9: gone after two sweeps; linked, it is named. Few enough to be believed.
    bench.simulator.world().delete_repository("acme/pay");
    bench.run(&["sync", "now", "--full"]);
    let missing = bench.json(&["report", "acme"]);
    let lost = |state: &str| json!([{"entity": "component:default/pay", "repository": "acme/pay", "state": state, "now": null}]);
    let now = &missing[0]["lost_repositories"];
    let both = |state: &str| {
        let mut rows = lost(state).as_array().cloned().unwrap_or_default();
        rows.retain(|row| row["entity"] == "component:default/pay");
        json!(rows)
    };
    assert_eq!(*now, both("missing"), "{missing:#}");
    bench.run(&["sync", "now", "--full"]);
    assert_eq!(bench.json(&["report", "acme"])[0]["lost_repositories"], both("gone"));
}

// P3.11: usable in CI.
#[test]
fn a_report_fails_under_a_coverage_p3_11() {
    let bench = bench();
    bench.run(&["report", "--fail-under", "33"]).ok();
    bench.run(&["report", "--fail-under", "33.4%"]).exits(3).says(&["acme: 33.3 % imported, less than 33.4 %"]);
    bench.run(&["report", "--fail-under", "120"]).exits(2).says(&["0 to 100"]);
    bench.run(&["report", "nobody"]).exits(2).says(&["no integration `nobody`"]);
    let shown = bench.run(&["report"]).ok().stdout;
    let (before_trend, _) = shown.split_once("over the last syncs").expect("a trend");
    insta::assert_snapshot!(before_trend, @r"
    acme: 33.3 % imported (1 of 4, 1 set aside)

    PROJECT  REPOSITORIES  IMPORTED  IGNORED  COVERAGE
    PAY      4             1         1        33.3 %

    stale annotations
    ENTITY                      REPOSITORY      STATE    NOW
    component:default/formerly  acme/old-name   renamed  acme/new-name
    component:default/never     acme/never-was  unknown  –

    several entities on one repository
    REPOSITORY  ENTITIES
    acme/pay    component:default/pay, component:default/twin

    entities without an owner
    ENTITY                     OWNER
    component:default/nobodys  unknown
    ");
}

// P3.11: where nothing is stored yet, there is nothing to cover.
#[test]
fn a_report_of_nothing_says_so_p3_11() {
    let bench = Bench::of(&["pay"]);
    let report = bench.run(&["report", "--output", "json"]).ok().json();
    assert_eq!((&report[0]["repositories"], &report[0]["percent"]), (&json!(0), &json!(100.0)));
    assert!(!bench.path("data").exists(), "looking makes no store");
}
