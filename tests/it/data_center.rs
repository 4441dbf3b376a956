//! Data Center end to end (issue 3, Shows 1): the built binary against a simulated instance with a context path, under TLS
//! of a private CA.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use catalog_sync::simulator::{
    Credential, DataCenterOptions, Endpoint, GenerateOptions, NewRepository, SimulatorOptions, Tls, World,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::Value;

use crate::harness::{Bench, TOKEN, told, world};

const CONFIG: &str = "\
store: ./data
connectors:
  dc:
    type: bitbucket_data_center
    url: {base_url}
    ca_bundle: ./ca.pem
    requests_per_second: 10000
    auth: { access_token: { env: BITBUCKET_TOKEN } }
catalogs:
  main:
    directory: { path: ./catalog, new_entities: bitbucket, format: backstage }
integrations:
  - name: dc
    connector: dc
    catalog: main
{integration}";

/// A server certificate for the loopback address, and the CA that signed it.
fn certificates() -> (Tls, String) {
    let mut ca = CertificateParams::new(Vec::new()).expect("parameters");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().expect("a key")).expect("a CA");
    let key = KeyPair::generate().expect("a key");
    let server = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()]).expect("parameters");
    let server = server.signed_by(&key, &ca).expect("a certificate");
    (Tls { certificate: server.pem(), key: key.serialize_pem() }, ca.pem())
}

struct Instance {
    bench: Bench,
}

impl Instance {
    fn of(world: World) -> Self {
        let (tls, ca) = certificates();
        let options = SimulatorOptions {
            credentials: vec![Credential::personal_token("ci", TOKEN)],
            data_center: Some(DataCenterOptions { context: "/bitbucket".to_owned(), ..DataCenterOptions::default() }),
            tls: Some(tls),
            ..SimulatorOptions::default()
        };
        let bench = Bench::with(world, options);
        bench.file("ca.pem", &ca);
        let instance = Self { bench };
        instance.integration("");
        instance
    }

    fn integration(&self, lines: &str) {
        let lines: String = lines.lines().map(|line| format!("    {line}\n")).collect();
        let config = CONFIG.replace("{base_url}", self.bench.simulator.base_url());
        self.bench.config(&config.replace("{integration}", &lines));
    }

    fn generated(repositories: usize) -> Self {
        let options = GenerateOptions {
            repositories,
            pull_requests_per_repository: 6,
            commits_per_repository: 10,
            ..GenerateOptions::default()
        };
        let mut world = World::generate(3, &options);
        world.set_clock(catalog_sync::clock::Clock::System);
        Self::of(world)
    }
}

fn stored(record: &Value, kind: &str) -> u64 {
    record["secondary"][kind]["stored"].as_u64().unwrap_or_default()
}

/// Shows 1: check, sync, list, import and backfill; an unchanged sync writes nothing and stores nothing anew.
#[test]
fn an_instance_is_checked_synced_and_imported_p2_2_p6_7() {
    let instance = Instance::generated(12);
    let bench = &instance.bench;
    bench.run(&["check"]).ok().shows(&["connector dc"]);
    bench.simulator.reset_requests();
    let record = bench.run(&["sync", "now", "--output", "json"]).ok().json()[0].clone();
    let seen = record["repositories"]["seen"].as_u64().expect("a count");
    assert!(seen >= 10, "{record}");
    assert!(stored(&record, "pull_requests") >= seen * 4 && stored(&record, "commits") >= seen * 8, "{record}");
    assert_eq!(record["errors"], Value::Array(vec![]));
    let log = bench.simulator.requests();
    let asked: BTreeMap<_, _> = log.by_endpoint.clone();
    assert_eq!(asked.get(&Endpoint::PullRequests).copied(), Some(seen), "{asked:?}");
    assert_eq!(asked.get(&Endpoint::Commits).copied(), Some(seen), "{asked:?}");

    let list = bench.json(&["discovered", "list"]);
    assert_eq!(list.as_array().expect("a list").len() as u64, seen);
    let name = list[0]["repository"]["full_name"].as_str().expect("a name").to_owned();
    bench.run(&["discovered", "show", &name]).ok().shows(&["because:"]);
    bench.run(&["--yes", "discovered", "import", "--all", "--dry-run"]).ok();
    bench.run(&["--yes", "discovered", "import", "--all"]).ok();
    let files = bench.texts("catalog");
    assert_eq!(files.len() as u64, seen, "{:?}", files.keys());
    assert!(files.values().all(|text| text.contains("catalog-sync.dev/repository")), "{files:?}");
    assert!(!bench.json(&["activity", "commits", &name]).as_array().expect("a list").is_empty());

    let before = bench.files("catalog");
    for _ in 0..2 {
        let again = bench.run(&["sync", "now", "--output", "json"]).ok().json()[0].clone();
        assert_eq!((stored(&again, "pull_requests"), stored(&again, "commits")), (0, 0), "{again}");
        assert_eq!(again["repositories"]["changed"], 0, "{again}");
    }
    assert_eq!(bench.files("catalog"), before);
    bench.simulator.reset_requests();
    bench.run(&["sync", "now"]).ok();
    let log = bench.simulator.requests();
    assert!(log.total <= 2 * seen + 3, "{} requests: {:?}", log.total, log.by_endpoint);
}

/// P2.8, P2.9 on Data Center: the number stays when a repository is renamed; one that is gone is gone the second time.
#[test]
fn repositories_are_followed_by_their_number_p2_8_p2_9() {
    let mut world = world();
    for name in ["one", "two", "three", "four", "five"] {
        world.add_repository("acme", NewRepository::named(name).with_commits(3));
    }
    let instance = Instance::of(world);
    let bench = &instance.bench;
    bench.run(&["sync", "now"]).ok();
    bench.run(&["--yes", "discovered", "import", "--all"]).ok();
    bench.run(&["sync", "now"]).ok();
    bench.simulator.world().rename_repository("acme/one", "uno");
    bench.simulator.world().delete_repository("acme/two");
    let record = bench.run(&["sync", "now", "--output", "json"]).ok().json()[0].clone();
    assert_eq!((record["repositories"]["new"].clone(), record["repositories"]["gone"].clone()), (0.into(), 0.into()));
    let record = bench.run(&["sync", "now", "--output", "json"]).ok().json()[0].clone();
    assert_eq!(record["repositories"]["gone"], 1, "{record}");
    let links = bench.json(&["imported", "list"]);
    let names: Vec<&str> =
        links.as_array().expect("a list").iter().filter_map(|row| row["repository"]["full_name"].as_str()).collect();
    assert!(names.iter().any(|name| name.ends_with("/uno")), "{names:?}");
}

/// P6.11: a token that is revoked in the middle of a sync ends it at once; what was stored stays, and the next
/// sync with a good one takes the rest, each item once.
#[test]
fn a_token_revoked_in_the_middle_ends_the_sync_p6_11() {
    let instance = Instance::generated(60);
    let bench = &instance.bench;
    bench.simulator.set_latency(Duration::from_millis(20));
    let running = bench.command(&["sync", "now", "--output", "json"]).spawn().expect("the program");
    // Among the pages of pull requests and commits: the list itself has been read.
    while bench.simulator.requests().total < 40 {
        std::thread::sleep(Duration::from_millis(2));
    }
    bench.simulator.change_credential(0, |token| token.revoked = true);
    bench.simulator.reset_requests();
    let ended = told(running.wait_with_output().expect("its output")).exits(1);
    let after = bench.simulator.requests().total;
    assert!(after < 30, "{after} requests with a token that was revoked");
    let record = &ended.json()[0];
    assert_eq!(record["outcome"], "failed", "{record:#}");
    assert!(record["errors"].to_string().contains("401"), "{record:#}");
    assert!(record["notes"].to_string().contains("BITBUCKET_TOKEN"), "{record:#}");
    let kept = bench.secondary();
    assert!(!kept.is_empty(), "what came before is stored");

    bench.simulator.set_latency(Duration::ZERO);
    bench.simulator.change_credential(0, |token| token.revoked = false);
    let record = bench.run(&["sync", "now", "--output", "json"]).ok().json()[0].clone();
    assert_eq!(record["errors"], Value::Array(vec![]));
    let all = bench.secondary();
    let each: BTreeSet<_> = all.iter().collect();
    assert_eq!(each.len(), all.len(), "none is doubled");
    assert!(kept.iter().all(|item| each.contains(item)), "none is lost");
    assert_eq!((record["secondary"]["commits"]["backlog"].clone(), all.len() > kept.len()), (0.into(), true));
}

/// New commits come, and only they; a head that was rewritten away is a new range.
#[test]
fn commits_are_followed_by_the_head() {
    let mut world = world();
    world.add_repository("acme", NewRepository::named("shop").with_commits(4));
    let instance = Instance::of(world);
    let bench = &instance.bench;
    let commits = || {
        let record = bench.run(&["sync", "now", "--output", "json"]).ok().json()[0].clone();
        stored(&record, "commits")
    };
    assert_eq!(commits(), 4);
    bench.simulator.world().push_commits("acme/shop", 3);
    assert_eq!(commits(), 3);
    assert_eq!(commits(), 0);
    let shown = bench.json(&["activity", "commits", "shop"]);
    assert_eq!(shown.as_array().expect("a list").len(), 7);
}

/// What is refused, at its line, with the way out.
#[test]
fn connectors_of_data_center_are_checked_p6_4() {
    let instance = Instance::of(world());
    let bench = &instance.bench;
    let base = bench.simulator.base_url().to_owned();
    let with = |auth: &str, url: &str| {
        let config = CONFIG.replace("{integration}", "").replace("{ access_token: { env: BITBUCKET_TOKEN } }", auth);
        bench.config(&config.replace("{base_url}", url));
        bench.run(&["check", "--offline"])
    };
    with("{ api_token: { email: a@b.c, token: { env: T } } }", &base).exits(2).says(&["are for Bitbucket Cloud"]);
    with("{ oauth: { key: k, secret: { env: T } } }", &base)
        .exits(2)
        .says(&["OAuth consumers are for Bitbucket Cloud"]);
    with("{ access_token: { env: T } }", "https://bitbucket.org/acme")
        .exits(2)
        .says(&["write `type: bitbucket_cloud`"]);
    with("{ access_token: { env: T } }", "http://git.acme.dev/").exits(2).says(&["in the clear", "allow_http"]);
    with("{ basic: { username: ci, password: { env: T } } }", &base).ok();
    // A project beside the whole instance, into one catalog.
    instance.integration("");
    let part = "  - name: part\n    connector: dc\n    catalog: main\n    workspace: PAY\n";
    bench.config(&format!("{}{part}", bench.read("catalog-sync.yaml")));
    bench.run(&["check", "--offline"]).exits(2).says(&["`part` syncs the project `PAY`", "the whole instance"]);
    instance.integration("secondary_kinds: { pull_requests: {}, pipelines: {} }");
    bench.run(&["check", "--offline"]).exits(2).says(&["Data Center has no pipelines", "use `builds`"]);
}

const OPTIONAL: &str = "secondary_kinds: { pull_requests: {}, commits: {}, reviews: { per_sync: 20 }, pull_request_files: {}, commit_files: { per_sync: 30 }, builds: {}, users: {} }";

/// P5.5, P5.3, P5.8 on Data Center: each optional kind under its cap, the rest in later syncs, every one once; then nothing
/// is asked but whether builds began or ended. What is stored can be looked at.
#[test]
fn optional_kinds_are_fetched_under_their_caps_p5_5() {
    let options = GenerateOptions {
        repositories: 4,
        pull_requests_per_repository: 10,
        commits_per_repository: 20,
        builds_percent: 50,
        ..GenerateOptions::default()
    };
    let mut world = World::generate(5, &options);
    world.set_clock(catalog_sync::clock::Clock::System);
    let instance = Instance::of(world);
    let bench = &instance.bench;
    instance.integration(OPTIONAL);
    bench.run(&["check"]).ok().shows(&["users (", "they can be read"]);
    let there = bench.simulator.world().people().iter().filter(|person| person.has_account).count() as u64;
    let backlog = |record: &Value, kind: &str| record["secondary"][kind]["backlog"].as_u64().unwrap_or_default();
    let sync = || bench.run(&["sync", "now", "--output", "json"]).ok().json()[0].clone();
    let first = sync();
    assert_eq!((stored(&first, "reviews"), backlog(&first, "reviews")), (20, 20), "{first}");
    assert_eq!((stored(&first, "commit_files"), backlog(&first, "commit_files")), (30, 50), "{first}");
    assert_eq!((stored(&first, "pull_request_files"), backlog(&first, "pull_request_files")), (40, 0), "{first}");
    assert_eq!((stored(&first, "builds"), backlog(&first, "builds")), (80, 0), "{first}");
    assert_eq!((stored(&first, "users"), backlog(&first, "users")), (there, 0), "{first}");
    let people = bench.json(&["activity", "users"]);
    assert_eq!(people.as_array().expect("a list").len() as u64, there);
    assert!(!people.to_string().contains('@'), "{people}");
    let mut told: BTreeMap<&str, u64> = ["reviews", "commit_files"].map(|kind| (kind, stored(&first, kind))).into();
    while told["commit_files"] < 80 {
        let record = sync();
        for (kind, told) in &mut told {
            *told += stored(&record, kind);
        }
        assert_eq!(record["errors"], Value::Array(vec![]));
    }
    assert_eq!(told, BTreeMap::from([("reviews", 40), ("commit_files", 80)]));
    let log = bench.simulator.requests();
    let asked = |endpoint| log.by_endpoint.get(&endpoint).copied().unwrap_or(0);
    assert!((1..=40).contains(&asked(Endpoint::Activities)), "{:?}", log.by_endpoint);
    assert_eq!((asked(Endpoint::Changes), asked(Endpoint::DiffStats)), (120, 120), "{:?}", log.by_endpoint);

    bench.simulator.reset_requests();
    let record = sync();
    let log = bench.simulator.requests();
    for endpoint in [Endpoint::Activities, Endpoint::Changes, Endpoint::DiffStats] {
        assert_eq!(log.by_endpoint.get(&endpoint), None, "{endpoint:?} in an unchanged sync");
    }
    assert_eq!((stored(&record, "reviews"), stored(&record, "builds")), (0, 0), "{record}");

    let name = bench.json(&["discovered", "list"])[0]["repository"]["full_name"].as_str().expect("a name").to_owned();
    let rows = bench.json(&["activity", "pull-request-files", &name]);
    assert_eq!(rows.as_array().expect("a list").len(), 10);
    assert!(rows[0]["files"][0]["path"].is_string() && rows[0]["lines_added"].is_u64(), "{}", rows[0]);
    let rows = bench.json(&["activity", "builds", &name]);
    let builds = rows.as_array().expect("a list").iter().flat_map(|row| row["builds"].as_array().expect("a list"));
    assert!(builds.clone().count() > 5 && builds.clone().all(|build| build["state"].is_string()), "{rows}");
    bench.run(&["activity", "reviews", &name]).ok().shows(&["OF", "commented"]);
    bench.run(&["activity", "commit-files", &name]).ok().shows(&["OF", "file"]);
    bench.run(&["activity", "pipelines", &name]).exits(2).says(&["pipelines are not fetched by dc"]);
}
