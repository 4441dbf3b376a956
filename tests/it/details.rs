//! Optional kinds end to end (P5.5): against the simulated Cloud, by the built binary.

use std::collections::BTreeMap;

use catalog_sync::simulator::{Credential, Endpoint, GenerateOptions, SimulatorOptions, World};
use serde_json::Value;

use crate::harness::{Bench, TOKEN};

const KINDS: &str = "secondary_kinds: { pull_requests: {}, commits: {}, reviews: { per_sync: 40 }, pull_request_files: {}, commit_files: { per_sync: 60 }, pipelines: {} }";

fn bench() -> Bench {
    let options = GenerateOptions {
        repositories: 4,
        pull_requests_per_repository: 20,
        commits_per_repository: 30,
        ..GenerateOptions::default()
    };
    let mut world = World::generate(5, &options);
    world.set_clock(catalog_sync::clock::Clock::System);
    let options = SimulatorOptions { credentials: vec![Credential::token(TOKEN)], ..SimulatorOptions::default() };
    let bench = Bench::with(world, options);
    bench.integration(KINDS);
    bench
}

fn counts(record: &Value, kind: &str) -> (u64, u64) {
    let of = &record["secondary"][kind];
    (of["stored"].as_u64().unwrap_or_default(), of["backlog"].as_u64().unwrap_or_default())
}

/// P5.5, P5.3: each kind under its cap, the rest in later syncs, every one once; then nothing is asked.
#[test]
fn optional_kinds_are_fetched_under_their_caps_p5_5() {
    let bench = bench();
    let sync = || bench.run(&["sync", "now", "--output", "json"]).ok().json()[0].clone();
    let first = sync();
    let (reviews, files) = (counts(&first, "reviews"), counts(&first, "commit_files"));
    assert_eq!((reviews.0, reviews.0 + reviews.1), (40, 80), "{first}");
    assert_eq!((files.0, files.0 + files.1), (60, 120), "{first}");
    assert_eq!(counts(&first, "pull_request_files"), (80, 0), "{first}");
    let pipelines = counts(&first, "pipelines");
    assert!(pipelines.0 >= 120 && pipelines.1 == 0, "{first}");
    let mut stored: BTreeMap<&str, u64> = BTreeMap::from([("reviews", reviews.0), ("commit_files", files.0)]);
    loop {
        let record = sync();
        for (kind, stored) in &mut stored {
            *stored += counts(&record, kind).0;
        }
        if counts(&record, "reviews").1 + counts(&record, "commit_files").1 == 0 {
            break;
        }
    }
    assert_eq!(stored, BTreeMap::from([("reviews", 80), ("commit_files", 120)]));

    // A pull request whose list told that nobody said anything costs nothing, and no redirect was followed.
    let log = bench.simulator.requests();
    let asked = |endpoint| log.by_endpoint.get(&endpoint).copied().unwrap_or(0);
    assert!(asked(Endpoint::Activities) < 80, "{}", asked(Endpoint::Activities));
    assert!(asked(Endpoint::Activities) > 0);
    // A few change more files than a page holds.
    assert!((200..212).contains(&asked(Endpoint::Changes)), "{}", asked(Endpoint::Changes));
    assert_eq!(asked(Endpoint::Pipelines), 4);
    bench.simulator.reset_requests();
    sync();
    let log = bench.simulator.requests();
    for endpoint in [Endpoint::Activities, Endpoint::Changes, Endpoint::Pipelines] {
        assert_eq!(log.by_endpoint.get(&endpoint), None, "{endpoint:?} in an unchanged sync");
    }
}

/// P5.8: what is stored can be looked at; a kind nobody selected is refused with the line that selects it.
#[test]
fn details_can_be_looked_at_p5_8() {
    let bench = bench();
    bench.run(&["sync", "now"]).ok();
    let slug = bench.simulator.world().repositories().next().expect("a repository").slug.clone();
    let rows = bench.run(&["activity", "pull-request-files", &slug, "--output", "json"]).ok().json();
    assert_eq!(rows.as_array().expect("a list").len(), 20);
    assert!(rows[0]["files"][0]["path"].is_string() && rows[0]["lines_added"].is_u64(), "{}", rows[0]);
    let rows = bench.run(&["activity", "pipelines", &slug, "--output", "json"]).ok().json();
    assert!(rows[0]["of"].as_u64() >= Some(30) && rows[0]["builds"][0]["state"].is_string(), "{}", rows[0]);
    bench.run(&["activity", "commit-files", &slug]).ok().shows(&["OF", "AT (UTC)", "file"]);
    bench.run(&["activity", "builds", &slug]).exits(2).says(&["builds are not fetched by acme", "secondary_kinds"]);
}

/// P5.4, P5.5: the optional kinds may be selected and deselected at any time, unlike the two.
#[test]
fn optional_kinds_are_not_locked_p5_4() {
    let bench = bench();
    bench.integration("");
    bench.run(&["sync", "now"]).ok();
    bench.integration(KINDS);
    let record = bench.run(&["sync", "now", "--output", "json"]).ok().json()[0].clone();
    assert_eq!(counts(&record, "pull_request_files"), (80, 0), "{record}");
    bench.integration("");
    bench.run(&["sync", "now"]).ok();
    bench.integration("secondary_kinds: { pull_requests: {} }");
    bench.run(&["sync", "now"]).exits(4).says(&["locked"]);
}

/// P5.5, P5.3, P5.8: people are a kind of the integration, with a cap; an e-mail address is neither kept nor shown; who is not
/// wanted any more is forgotten.
#[test]
fn people_are_fetched_under_their_cap_and_forgotten_p5_5() {
    let bench = bench();
    let there = bench.simulator.world().people().iter().filter(|person| person.has_account).count() as u64;
    assert!(there > 6, "{there} people");
    bench.run(&["activity", "users"]).exits(2).says(&["users are not fetched by acme", "secondary_kinds"]);
    bench.integration("secondary_kinds: { users: { per_sync: 4 } }");
    bench.run(&["check"]).ok().shows(&["users (", "members can be read"]);
    bench.run(&["activity", "users"]).ok().shows(&["nobody is stored yet"]);
    let sync = || bench.run(&["sync", "now", "--output", "json"]).ok().json()[0].clone();
    let record = sync();
    assert_eq!(counts(&record, "users"), (4, there - 4), "{record}");
    assert!(record["secondary"]["users"]["complete_by"].is_string(), "{record}");
    let mut stored = 4;
    while stored < there {
        let record = sync();
        stored += counts(&record, "users").0;
        assert_eq!(counts(&record, "users").1, there - stored, "{record}");
    }
    bench.simulator.reset_requests();
    assert_eq!(counts(&sync(), "users"), (0, 0));
    assert_eq!(bench.simulator.requests().by_endpoint.get(&Endpoint::Users), None, "asked twice a day");

    let rows = bench.json(&["activity", "users"]);
    let names: Vec<&str> = rows.as_array().expect("a list").iter().filter_map(|row| row["name"].as_str()).collect();
    assert_eq!(names.len() as u64, there, "{rows}");
    assert!(names.is_sorted_by_key(|name| name.to_lowercase()), "{names:?}");
    assert!(rows[0]["integration"] == "acme" && rows[0]["id"].is_string(), "{rows}");
    bench.run(&["activity", "users", "--limit", "3"]).ok().shows(&["NAME", names[0]]);
    bench.run(&["activity", "users", "-i", "nobody"]).exits(2);
    bench.run(&["store", "export", "all.jsonl"]).ok();
    let export = bench.read("all.jsonl");
    assert_eq!(export.matches(r#"{"book":"users","#).count() as u64, there);
    assert!(!export.contains("@acme") && !format!("{rows}").contains('@'));

    bench.integration("secondary_kinds: {}");
    let record = sync();
    assert!(record["notes"].to_string().contains("users: forgotten"), "{record}");
    bench.run(&["activity", "users"]).exits(2);
    bench.run(&["store", "export", "none.jsonl"]).ok();
    assert!(!bench.read("none.jsonl").contains(r#"{"book":"user"#));
}
