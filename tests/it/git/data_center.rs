//! Commits over git from a Data Center, by the built program, as in a company: through its proxy, under its own authority.

use catalog_sync::simulator::{Credential, DataCenterOptions, Endpoint, NewRepository, SimulatorOptions};

use super::GitServer;
use crate::harness::{Bench, TOKEN, TOKEN_NAME, number, world};
use crate::net::Net;

/// Hosts that no resolver knows: they are reached through the proxy, or not at all.
const API: &str = "bitbucket.test";
const GIT: &str = "git.bitbucket.test";

const CONFIG: &str = "\
store: {store}
connectors:
  dc:
    type: bitbucket_data_center
    url: https://bitbucket.test/bitbucket
    git_url: https://git.bitbucket.test
    ca_bundle: ./ca.pem
    proxy: {proxy}
    auth: { access_token: { env: BITBUCKET_TOKEN } }
catalogs:
  main:
    directory: { path: ./catalog }
integrations:
  - name: dc
    connector: dc
    catalog: main
    secondary_kinds: { commits: { via: {via} } }
";

const NAMES: [&str; 5] = ["api", "web", "docs", "cart", "mail"];

/// Issue 3, part 5 and Shows 3: the rows are those of REST, field for field, and the API is asked for no commit; git goes
/// through the connector's proxy and trusts the connector's authority, and no other way.
#[test]
fn a_data_center_gives_its_commits_over_git_p5_2_p6_7() {
    let mut world = world();
    world.use_git_hashes();
    for name in NAMES {
        world.add_repository("acme", NewRepository::named(name).with_commits(9));
    }
    world.add_repository("acme", NewRepository { commits: 0, ..NewRepository::named("empty") });
    let server = GitServer::new(&[&format!("Bearer {TOKEN}")]);
    server.serve_by_project(&world);
    let options = SimulatorOptions {
        credentials: vec![Credential::personal_token("ci", TOKEN)],
        data_center: Some(DataCenterOptions { context: "/bitbucket".to_owned(), ..DataCenterOptions::default() }),
        ..SimulatorOptions::default()
    };
    let path = std::env::var("PATH").expect("a PATH");
    let env = vec![(TOKEN_NAME.to_owned(), TOKEN.to_owned()), ("PATH".to_owned(), path)];
    let bench = Bench { env, ..Bench::with(world, options) };
    let net = Net::new();
    let (api, of_api) = net.tls(&[API], bench.simulator.port());
    let (git, of_git) = net.tls(&[GIT], server.port());
    let proxy = net.proxy(&[(API, api), (GIT, git)], "robot:proxy-needle");
    bench.file("ca.pem", &format!("{of_api}{of_git}"));
    let config = |store: &str, via: &str| {
        let proxy = format!("http://robot:proxy-needle@{proxy}");
        bench.config(&CONFIG.replace("{store}", store).replace("{via}", via).replace("{proxy}", &proxy));
    };
    let sync = || {
        bench.simulator.reset_requests();
        server.take_asked();
        let said = bench.run(&["-v", "sync", "now", "--output", "json"]).ok();
        assert!(!said.stderr.contains("needle") && !said.stdout.contains("needle"), "{}", said.stderr);
        let rest = bench.simulator.requests().count(Endpoint::Commits);
        (number(&said.json()[0], "/secondary/commits/stored"), rest, server.take_asked().len())
    };
    let rows = || -> Vec<serde_json::Value> {
        let list = bench.json(&["discovered", "list"]);
        let names = list.as_array().expect("a list").iter().map(|row| row["repository"]["full_name"].clone());
        names.map(|name| bench.json(&["activity", "commits", name.as_str().expect("a name")])).collect()
    };

    config("./over-git", "git");
    let (stored, rest, asked) = sync();
    assert_eq!((stored, rest), (9 * NAMES.len() as u64, 0));
    assert!(asked > 0);
    let heads = net.asked();
    assert!(heads.iter().any(|head| head.starts_with("CONNECT git.bitbucket.test:443 ")), "{heads:?}");
    let over_git = rows();
    let (unchanged, rest, unchanged_asked) = sync();
    assert_eq!((unchanged, rest), (0, 0));
    println!(
        "{stored} commits over git with {asked} requests of git, 0 of the API; unchanged: {unchanged_asked} and 0"
    );

    config("./over-rest", "rest");
    let (stored, rest, asked) = sync();
    assert_eq!((stored, asked), (9 * NAMES.len() as u64, 0));
    assert!(rest > 0);
    assert_eq!(rows(), over_git, "the same rows, field for field");
    println!("{stored} commits over REST with {rest} requests of the API: the same rows");

    // An authority that did not sign for git's host is no proof.
    bench.file("ca.pem", &of_api);
    config("./untrusted", "git");
    let said = bench.run(&["sync", "now"]);
    assert_ne!(said.status, Some(0), "{}", said.stdout);
    assert!(said.stdout.to_lowercase().contains("certificate"), "{}{}", said.stdout, said.stderr);
    assert!(server.take_asked().is_empty(), "nothing was said to who could not prove itself");
}
