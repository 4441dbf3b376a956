//! `init --from` end to end (issue 3, Shows 5): the config of another connector, the variables it names, `check`, a sync.

use catalog_sync::simulator::{Credential, DataCenterOptions, NewRepository, SimulatorOptions, World};
use serde_json::Value;

use crate::harness::{Bench, Output, TOKEN, world};

/// A workspace (or instance) with repositories of two projects.
fn shops() -> World {
    let mut world = world();
    for (name, project) in [("payments-api", "PAY"), ("payments-web", "PAY"), ("sandbox-1", "PAY"), ("shop", "SHOP")] {
        world.add_repository("acme", NewRepository::named(name).in_project(project).with_commits(3));
    }
    world
}

/// Without a config.
fn cloud() -> Bench {
    let bench = Bench::new(shops());
    std::fs::remove_file(bench.path("catalog-sync.yaml")).expect("a config");
    bench
}

/// An instance below a context path, without a config.
fn data_center() -> Bench {
    let options = SimulatorOptions {
        credentials: vec![Credential::personal_token("ci", TOKEN)],
        data_center: Some(DataCenterOptions { context: "/bitbucket".to_owned(), ..DataCenterOptions::default() }),
        ..SimulatorOptions::default()
    };
    let bench = Bench::with(shops(), options);
    std::fs::remove_file(bench.path("catalog-sync.yaml")).expect("a config");
    bench
}

/// Takes a file over; what was said. Its secrets are in neither.
#[track_caller]
fn taken_over(bench: &Bench, name: &str, text: &str) -> Output {
    bench.file(name, text);
    let output = bench.run(&["init", "--from", name]).ok();
    assert_eq!(output.stdout, "");
    let config = bench.read("catalog-sync.yaml");
    for told in [&config, &output.stderr] {
        assert!(!told.contains(TOKEN), "{told}");
    }
    bench.run(&["check", "--offline"]).ok();
    output
}

/// Checks, syncs, and names what awaits a decision.
#[track_caller]
fn discovered(bench: &Bench) -> Vec<String> {
    bench.run(&["check"]).ok();
    let record = bench.sync_exits(0);
    assert_eq!(record["outcome"], "completed", "{record}");
    let rows = bench.json(&["discovered", "list"]);
    let names = rows.as_array().expect("a list").iter().map(|row| row["repository"]["full_name"].as_str());
    let mut names: Vec<String> = names.map(|name| name.expect("a name").to_owned()).collect();
    names.sort();
    names
}

fn satellite(url: &str, metadata: &str) -> String {
    format!(
        "\
satellite:
  tenant: acme
  api_key: of-harness
  url: https://app.harness.io/gratis/sei/api
integrations:
  - id: '4675'
    application: bitbucket_server
    url: '{url}'
    username: ci-bot
    api_key: '{TOKEN}'
    metadata: {metadata}
    satellite: true
    surprise: 1
  - {{ id: '1', application: jira, url: https://acme.atlassian.net, api_key: '{TOKEN}' }}
"
    )
}

#[test]
fn a_satellite_of_cloud_syncs_p6_8() {
    let bench = cloud();
    let metadata =
        "{ fetch_prs: true, fetch_commits: true, fetch_commit_files: true, repos: 'payments-api, acme/shop' }";
    let told = taken_over(&bench, "satellite.yml", &satellite("https://bitbucket.org/acme/payments-api/src", metadata));
    told.says(&[
        "wrote ",
        "from satellite.yml, a satellite.yml of Harness SEI",
        "satellite.yml: line 3, satellite.api_key: it is about the account at Harness",
        "satellite.yml: line 13, integrations[0].surprise",
        "satellite.yml: line 14, integrations[1]: not Bitbucket's (jira)",
        "BITBUCKET_TOKEN: the access token (line 10)",
        "then `catalog-sync check`",
    ]);
    // What the simulator says of itself, as for every connector that is to reach it.
    let url = "    url: https://bitbucket.org/acme\n";
    let config = bench.read("catalog-sync.yaml");
    assert!(config.contains(url), "{config}");
    bench.config(&config.replace(url, &format!("{url}    api_url: {{api_url}}\n")));
    assert_eq!(discovered(&bench), ["acme/payments-api", "acme/shop"]);
    bench.run(&["check"]).ok().shows(&["payments-api"]);
    assert!(!bench.json(&["activity", "commits", "shop"]).as_array().expect("a list").is_empty());
}

#[test]
fn a_satellite_of_data_center_syncs_p6_8() {
    let bench = data_center();
    let url = format!("{}/projects/PAY/repos/payments-api/browse", bench.simulator.base_url());
    let told = taken_over(&bench, "satellite.yml", &satellite(&url, "{ fetch_prs: false, repos: '' }"));
    told.says(&["if the key is a password", "BITBUCKET_TOKEN: the HTTP access token (line 10)"]);
    let config = bench.read("catalog-sync.yaml");
    assert!(config.contains("test_repository: PAY/payments-api.git"), "{config}");
    assert!(config.contains("/bitbucket\n"), "the context path: {config}");
    assert_eq!(discovered(&bench).len(), 4);
    assert!(config.contains("commits:") && !config.contains("pull_requests:"), "{config}");
    assert_eq!(bench.json(&["activity", "commits", "shop"]).as_array().map(Vec::len), Some(3));
}

#[test]
fn a_backstage_of_cloud_syncs_p6_8() {
    let mut bench = cloud();
    bench.env = vec![("OUR_TOKEN".to_owned(), TOKEN.to_owned())];
    let text = format!(
        "\
app: {{ title: Portal }}
backend: {{ auth: {{ keys: [{{ secret: '{TOKEN}' }}] }} }}
integrations:
  bitbucket:
    - host: bitbucket.org
      apiBaseUrl: {}
      token: ${{OUR_TOKEN}}
catalog:
  providers:
    bitbucketCloud:
      payments:
        workspace: acme
        catalogPath: /catalog-info.yaml
        filters: {{ projectKey: '^PAY$', repoSlug: '^(?!sandbox-).*$' }}
        schedule: {{ frequency: {{ minutes: 30 }}, timeout: PT3M }}
",
        bench.simulator.api_url()
    );
    taken_over(&bench, "app-config.yaml", &text).says(&[
        "from app-config.yaml, a Backstage app-config.yaml",
        "line 13, catalog.providers.bitbucketCloud.payments.catalogPath: catalog-sync looks for no files",
        "line 15, catalog.providers.bitbucketCloud.payments.schedule.timeout",
        "OUR_TOKEN: the access token (line 7)",
    ]);
    assert_eq!(discovered(&bench), ["acme/payments-api", "acme/payments-web"]);
    let config = bench.read("catalog-sync.yaml");
    assert!(config.contains("update_every: 30m\n") && config.contains("format: backstage\n"), "{config}");
}

#[test]
fn a_backstage_of_data_center_syncs_p6_8() {
    let mut bench = data_center();
    bench.env = vec![("BB_SERVER_TOKEN".to_owned(), TOKEN.to_owned())];
    let base = bench.simulator.base_url();
    let host = base.trim_start_matches("http://").split('/').next().expect("a host");
    let text = format!(
        "\
integrations:
  bitbucketServer:
    - host: {host}
      apiBaseUrl: {base}/rest/api/1.0
      token: {{ $env: BB_SERVER_TOKEN }}
      throttling: {{ count: 1000, interval: {{ seconds: 1 }} }}
catalog:
  providers:
    bitbucketServer:
      main:
        host: {host}
        filters: {{ projectKey: '^(SHOP|OTHER)$', skipArchivedRepos: true }}
"
    );
    taken_over(&bench, "app-config.yaml", &text).says(&["BB_SERVER_TOKEN: the HTTP access token (line 5)"]);
    assert_eq!(discovered(&bench), ["SHOP/shop"]);
}

// P7.1: what is there stays, whatever else is asked; what cannot be taken over leaves nothing behind.
#[test]
fn nothing_is_written_where_it_cannot_be_p6_8_p7_1() {
    let bench = cloud();
    let none = |bench: &Bench| assert!(!bench.path("catalog-sync.yaml").exists());
    bench.run(&["init", "--from", "nowhere.yml"]).exits(2).says(&["nowhere.yml could not be read", "mend:"]);
    bench.run(&["init", "--from", "catalog"]).exits(2).says(&["catalog could not be read"]);
    bench.run(&["init", "--from", "/dev/zero"]).exits(2).says(&["too large"]);
    none(&bench);
    let refused = |text: &str, says: &[&str]| {
        bench.file("theirs.yml", text);
        let output = bench.run(&["init", "--from", "theirs.yml"]).exits(2);
        assert!(!output.stderr.contains(TOKEN), "{}", output.stderr);
        output.says(says).says(&["no config was written"]);
        none(&bench);
    };
    refused("", &["the file says nothing"]);
    refused("a: 1\n", &["none of the files that can be read", "satellite.yml", "app-config.yaml"]);
    refused(&format!("satellite: {{}}\nintegrations:\n  - api_key: '{TOKEN}\n"), &["theirs.yml:3:14"]);
    refused(&format!("satellite: {{ api_key: '{TOKEN}', api_key: x }}\n"), &["the key `api_key` is there twice"]);
    refused("app: {}\ncatalog: { providers: { github: {} } }\n", &["there is no Bitbucket", "looked for"]);

    bench.file("catalog-sync.yaml", "mine\n");
    bench.file("theirs.yml", &satellite("https://bitbucket.org/acme", "{}"));
    bench.run(&["init", "--from", "theirs.yml"]).exits(2).says(&["exists already", "mend:"]);
    assert_eq!(bench.read("catalog-sync.yaml"), "mine\n");
}

#[test]
fn what_is_written_says_what_became_of_the_file_p6_8() {
    let bench = cloud();
    taken_over(&bench, "satellite.yml", &satellite("https://bitbucket.org/acme", "{ fetch_pr_reviews: true }"));
    let config = bench.read("catalog-sync.yaml");
    for part in [
        "# Set these environment variables where catalog-sync is started:\n#   BITBUCKET_TOKEN: the access token (line 10)",
        "#   line 2, satellite.tenant: it is about the account at Harness",
        "# Of that file, not known, and not taken over:\n#   line 13, integrations[0].surprise",
        "path: ./catalog",
        "reviews: { per_sync: 500 }",
    ] {
        assert!(config.contains(part), "no `{part}` in:\n{config}");
    }
    let value: Value = serde_yaml::from_str(&config).expect("YAML");
    let schema = bench.run(&["config", "schema"]).ok().json();
    assert!(jsonschema::validator_for(&schema).expect("a schema").is_valid(&value), "{config}");
}
