//! Webhooks that the program makes itself, and what then happens by itself: the simulated Bitbucket sends, signed, in
//! its own shapes.

use catalog_sync::simulator::{
    Credential, DataCenterOptions, NewPullRequest, NewRepository, Simulator, SimulatorOptions, Verdict, World,
};
use serde_json::Value;

use super::{OLDER, SECRET, deliveries, idle, keeps_its_secrets};
use crate::harness::{Bench, TOKEN, text, world};

const SCOPES: [&str; 4] = ["repository", "pullrequest", "project", "webhook"];

/// A port that is free now, so that the config can name it before the sidecar listens.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("a port").port()
}

fn bench(options: SimulatorOptions, connector: &str, secrets: &str) -> Bench {
    let mut world: World = world();
    for name in ["ledger", "web"] {
        let new = NewRepository { description: format!("What {name} is for"), ..NewRepository::named(name) };
        world.add_repository("acme", new.in_project("PAY").with_commits(3));
    }
    let mut bench = Bench::with(world, options);
    bench.env.push(("HOOK_SECRET".to_owned(), SECRET.to_owned()));
    bench.env.push(("HOOK_SECRET_OLDER".to_owned(), OLDER.to_owned()));
    let port = free_port();
    let (base, api) = (bench.simulator.base_url(), bench.simulator.api_url());
    let connector = connector.replace("{base_url}", base).replace("{api}", api);
    bench.config(&format!(
        "store: ./data\nserver: {{ webhook_listen: \"127.0.0.1:{port}\", public_url: \"http://127.0.0.1:{port}/\" }}\n\
         connectors:\n  acme:\n{connector}    webhook_secrets: {secrets}\n    auth: {{ access_token: {{ env: BITBUCKET_TOKEN }} }}\n\
         catalogs:\n  main: {{ directory: {{ path: ./catalog, new_entities: bitbucket, format: backstage }} }}\n\
         integrations:\n  - {{ name: acme, connector: acme, catalog: main }}\n"
    ));
    bench
}

const CLOUD: &str = "    type: bitbucket_cloud\n    url: https://bitbucket.org/acme\n    api_url: {api}\n";
const INSTANCE: &str = "    type: bitbucket_data_center\n    url: {base_url}\n    requests_per_second: 10000\n";

/// Result and place of each row.
fn rows(bench: &Bench, args: &[&str]) -> Vec<(String, String)> {
    let rows = bench.json(&[&["webhook"], args].concat());
    let rows = rows.as_array().expect("a list").iter();
    rows.map(|row| (text(row, "/result").to_owned(), text(row, "/place").to_owned())).collect()
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(result, place)| ((*result).to_owned(), (*place).to_owned())).collect()
}

fn secrets(simulator: &Simulator) -> Vec<String> {
    simulator.world().webhooks().iter().map(|webhook| webhook.secret.clone()).collect()
}

fn titles(bench: &Bench) -> Vec<String> {
    let all = bench.json(&["activity", "pull-requests", "web"]);
    let state = |row: &Value| format!("{} {}", text(row, "/title"), text(row, "/state").to_lowercase());
    all.as_array().expect("a list").iter().map(state).collect()
}

/// Things happen on Bitbucket, and arrive by themselves.
fn lives(bench: &Bench, name: &str, renamed: &str) {
    bench.component("web");
    bench.sync_exits(0);
    bench.run(&["discovered", "import", "web", "--yes"]).ok();
    let sidecar = idle(bench);
    let simulator = &bench.simulator;
    simulator.world().push_commits(name, 2);
    let commits = || bench.json(&["activity", "commits", "web"]).as_array().expect("a list").len();
    sidecar.until("the push arrives", || commits() == 5);
    let id = simulator.world().open_pull_request(name, NewPullRequest::titled("Sell more"));
    sidecar.until("the pull request arrives", || titles(bench) == ["Sell more open"]);
    simulator.world().review_pull_request(name, id, Verdict::Approved);
    simulator.world().merge_pull_request(name, id);
    sidecar.until("the merge arrives", || titles(bench) == ["Sell more merged"] && commits() >= 6);
    let full_name = simulator.world().rename_repository(name, renamed);
    let slug = full_name.rsplit('/').next().expect("a slug").to_owned();
    sidecar.until("the new name arrives", || bench.read("catalog/web.yaml").contains(&slug));
    sidecar.until("it is worked", || sidecar.log().contains("updated=1"));
    keeps_its_secrets(&sidecar);
    sidecar.stopped();
    let all = deliveries(bench);
    assert!(all.len() >= 5, "{all:?}");
    assert!(all.iter().all(|delivery| !delivery.is_waiting()), "{all:?}");
}

// P6.12, P6.9: the program makes the webhook of a workspace, once; a missing scope is named with its mend; the newest
// secret is handed over; what Cloud sends then arrives.
#[test]
fn it_makes_the_webhook_of_a_workspace_p6_12() {
    let credentials = vec![Credential::token(TOKEN).with_scopes(&SCOPES[..3])];
    let bench = bench(SimulatorOptions { credentials, ..Default::default() }, CLOUD, "[ { env: HOOK_SECRET_OLDER } ]");
    bench.sync_exits(0);
    let refused = bench.run(&["webhook", "create"]).exits(1);
    assert!(refused.stdout.contains("failed") && refused.stdout.contains("scope `webhook`"), "{}", refused.stdout);
    let check = bench.run(&["check"]);
    assert!(check.stdout.contains("webhooks") && check.stdout.contains("scope `webhook`"), "{}", check.stdout);

    bench.simulator.change_credential(0, |known| known.scopes = Some(SCOPES.map(str::to_owned).to_vec()));
    let check = bench.run(&["check"]);
    assert!(check.stdout.contains("webhook create acme"), "{}", check.stdout);
    assert_eq!(rows(&bench, &["list"]), []);
    assert_eq!(rows(&bench, &["create"]), pairs(&[("created", "workspace")]));
    assert_eq!(secrets(&bench.simulator), [OLDER]);
    let config = bench.read("catalog-sync.yaml");
    bench.config(
        &config.replace("[ { env: HOOK_SECRET_OLDER } ]", "[ { env: HOOK_SECRET }, { env: HOOK_SECRET_OLDER } ]"),
    );
    assert_eq!(rows(&bench, &["create", "acme"]), pairs(&[("updated", "workspace")]));
    assert_eq!(secrets(&bench.simulator), [SECRET], "the newest, and still one webhook");
    assert_eq!(rows(&bench, &["list"]), pairs(&[("active", "workspace")]));
    bench.run(&["check"]).ok();

    lives(&bench, "acme/web", "Web Shop");
    assert_eq!(rows(&bench, &["delete"]), pairs(&[("deleted", "workspace")]));
    assert!(bench.simulator.world().webhooks().is_empty());
    assert_eq!(rows(&bench, &["delete"]), []);
}

// P6.12: of a Data Center, the webhooks of its projects; what it sends then arrives.
#[test]
fn it_makes_the_webhooks_of_projects_p6_12() {
    let options = SimulatorOptions {
        credentials: vec![Credential::personal_token("ci", TOKEN)],
        data_center: Some(DataCenterOptions { context: "/bitbucket".to_owned(), ..DataCenterOptions::default() }),
        ..SimulatorOptions::default()
    };
    let bench = bench(options, INSTANCE, "[ { env: HOOK_SECRET } ]");
    bench.sync_exits(0);
    assert_eq!(rows(&bench, &["create"]), pairs(&[("created", "project PAY")]));
    assert_eq!(rows(&bench, &["create"]), pairs(&[("updated", "project PAY")]));
    assert_eq!(rows(&bench, &["list"]), pairs(&[("active", "project PAY")]));
    lives(&bench, "PAY/web", "Web Shop");
    assert_eq!(rows(&bench, &["delete"]), pairs(&[("deleted", "project PAY")]));
}
