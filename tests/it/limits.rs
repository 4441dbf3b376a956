//! Rate limits through the program (P6.5, P5.6): a limit ends a sync cleanly, the next one goes on where it stopped.

use catalog_sync::simulator::{Credential, Endpoint, Fault, GenerateOptions, Order, RetryAfter, SimulatorOptions};
use serde_json::Value;

use crate::harness::{Bench, CONFIG, TOKEN, generated, number};

fn world(repositories: usize) -> catalog_sync::simulator::World {
    generated(GenerateOptions {
        pull_requests_per_repository: 5,
        commits_per_repository: 5,
        ..GenerateOptions::repositories(repositories)
    })
}

fn budget(bench: &Bench, per_hour: u32, integration: &str) {
    let lines: String = integration.lines().map(|line| format!("    {line}\n")).collect();
    let auth = "auth: { access_token: { env: BITBUCKET_TOKEN } }";
    let config = CONFIG.replace("{integration}", &lines);
    bench.config(&config.replace(auth, &format!("{auth}\n    requests_per_hour: {per_hour}\n    reserve: 0%")));
}

fn outcome(record: &Value) -> &str {
    record["outcome"].as_str().unwrap_or_default()
}

// P2.12, P5.6: our own budget ends in mid-sweep: rate_limited, exit 0; the next sync asks only for what is missing.
#[test]
fn a_budget_that_ends_in_mid_sweep_is_no_failure_and_the_sweep_resumes_p2_12() {
    let bench = Bench::new(world(350));
    budget(&bench, 2, "secondary_kinds: {}");
    let record = bench.sync_exits(0);
    assert_eq!((outcome(&record), number(&record, "/requests")), ("rate_limited", 2), "{record}");
    println!("{}", record["notes"]);
    assert!(record["notes"][0].as_str().is_some_and(|note| note.contains("it goes on at")), "{record}");
    let rows = bench.json(&["discovered", "list"]);
    let rows = rows.as_array().expect("a list");
    let is_unjudged = rows.iter().all(|row| row["recommendation"]["action"] == "none");
    assert!(rows.len() == 200 && is_unjudged, "half a list is not judged: {:?}", rows.first());

    let idle = bench.sync_exits(0);
    assert_eq!((outcome(&idle), number(&idle, "/requests")), ("rate_limited", 0), "the counter outlives the process");

    budget(&bench, 1000, "secondary_kinds: {}");
    bench.simulator.reset_requests();
    let record = bench.sync_exits(0);
    assert_eq!((outcome(&record), number(&record, "/repositories/seen")), ("completed", 350), "{record}");
    let pages = bench.simulator.requests().requests;
    assert_eq!(pages.len(), 2, "pages 3 and 4 only: {pages:?}");
    assert!(pages.iter().all(|one| !one.target.contains("page=2")), "{pages:?}");
}

// P5.6, invariant 7: the budget ends in mid-backfill; what is left is backlog, and later syncs store it once.
#[test]
fn a_budget_that_ends_in_mid_backfill_leaves_a_backlog_p5_6() {
    let bench = Bench::new(world(10));
    let stored = |record: &Value| {
        number(record, "/secondary/pull_requests/stored") + number(record, "/secondary/commits/stored")
    };
    let mut total = 0;
    let mut outcomes = Vec::new();
    for per_hour in [8, 14, 1000, 1000] {
        budget(&bench, per_hour, "");
        let record = bench.sync_exits(0);
        println!("{per_hour} an hour: {} {} {}", record["outcome"], record["requests"], record["secondary"]);
        total += stored(&record);
        outcomes.push(outcome(&record).to_owned());
    }
    assert!(outcomes[..2].iter().all(|one| one == "rate_limited" || one == "completed"), "{outcomes:?}");
    assert_eq!(outcomes[2..], ["completed", "completed"], "{outcomes:?}");
    let items = bench.secondary().len() as u64;
    assert_eq!(items, total, "each was stored once");
    let history = bench.json(&["sync", "history"]);
    assert_eq!(number(&history[0], "/secondary/commits/backlog"), 0, "{history}");
    assert_eq!(items, 10 * 10, "all of it");
}

// P2.9: the server's own limit, told by 429 and Retry-After: waited for where short, a clean end where long.
#[test]
fn a_429_in_mid_sweep_is_waited_for_or_ends_the_sync_cleanly_p2_9() {
    let bench = Bench::new(world(210));
    bench.integration("secondary_kinds: {}");
    let answer = |status, headers: RetryAfter| match status {
        429 => Fault::RateLimited(headers),
        status => Fault::Status(status),
    };
    bench.simulator.order(Order::next(answer(429, RetryAfter::Seconds)).at(Endpoint::Repositories).nth(2));
    let record = bench.sync_exits(0);
    assert_eq!((outcome(&record), number(&record, "/requests")), ("completed", 4), "waited 7 s: {record}");

    // The hour is used up: the server says when a request is free again, and that is far away.
    let options = SimulatorOptions {
        credentials: vec![Credential::token(TOKEN)],
        requests_per_hour: Some(2),
        retry_after: RetryAfter::Seconds,
        ..SimulatorOptions::default()
    };
    let bench = Bench::with(world(350), options);
    bench.integration("secondary_kinds: {}");
    let record = bench.sync_exits(0);
    assert_eq!((outcome(&record), number(&record, "/requests")), ("rate_limited", 3), "{record}");
    let next = bench.sync_exits(0);
    assert_eq!((outcome(&next), number(&next, "/requests")), ("rate_limited", 0), "nobody knocks on: {next}");
}

// P6.5: one credential lists, several serve the secondary kinds, each under its own limit.
#[test]
fn several_credentials_share_the_load_p6_5() {
    let mut bench = Bench::new(world(12));
    bench.simulator.set_credentials(vec![
        Credential::token(TOKEN),
        Credential::token("second"),
        Credential::token("third"),
    ]);
    bench.env.extend([("SECOND".to_owned(), "second".to_owned()), ("THIRD".to_owned(), "third".to_owned())]);
    let auth = "auth: { access_token: { env: BITBUCKET_TOKEN } }";
    let several = "auth:\n      - { access_token: { env: BITBUCKET_TOKEN } }\n      - { access_token: { env: SECOND } }\n      - { access_token: { env: THIRD } }\n    requests_per_hour: 12\n    reserve: 0%";
    bench.config(&CONFIG.replace("{integration}", "").replace(auth, several));
    let record = bench.sync_exits(0);
    let log = bench.simulator.requests();
    let by = |endpoint: Endpoint| {
        let mut counts = [0; 3];
        for one in log.requests.iter().filter(|one| one.endpoint == endpoint) {
            counts[one.credential.expect("asked with one")] += 1;
        }
        counts
    };
    println!(
        "listing {:?}, pull requests {:?}, commits {:?}",
        by(Endpoint::Repositories),
        by(Endpoint::PullRequests),
        by(Endpoint::Commits)
    );
    assert_eq!(by(Endpoint::Repositories)[1..], [0, 0], "one sweep and its count use one credential");
    let spent: Vec<usize> =
        (0..3).map(|at| log.requests.iter().filter(|one| one.credential == Some(at)).count()).collect();
    assert!(spent.iter().all(|spent| (4..=12).contains(spent)), "each works, none beyond its limit: {spent:?}");
    assert_eq!(outcome(&record), "completed", "25 requests fit into three hours' worth, not into one: {record}");
}

// P6.5: a 403 from one credential is tried once with another; a sweep is not resumed under another credential.
#[test]
fn another_credential_is_tried_once_and_a_sweep_belongs_to_its_own_p6_5() {
    let mut bench = Bench::new(world(220));
    bench.simulator.set_credentials(vec![Credential::token(TOKEN), Credential::token("second")]);
    bench.env.push(("SECOND".to_owned(), "second".to_owned()));
    bench.integration("secondary_kinds: {}");
    bench.simulator.order(Order::next(Fault::Status(403)).query("page=2"));
    bench.sync_exits(1);
    let auth = "auth: { access_token: { env: BITBUCKET_TOKEN } }";
    let other = "auth: { access_token: { env: SECOND } }";
    bench.config(&CONFIG.replace("{integration}", "    secondary_kinds: {}\n").replace(auth, other));
    bench.simulator.reset_requests();
    let record = bench.sync_exits(0);
    assert_eq!(number(&record, "/repositories/seen"), 220);
    let log = bench.simulator.requests();
    assert_eq!(log.total, 3, "all three pages again: {:?}", log.requests);
    assert!(log.requests.iter().all(|one| one.credential == Some(1)));
}
