//! Bad input (issue 2): each gets a clear error that says where and how to mend; nothing is lost, nothing half applied.

use catalog_sync::simulator::{Endpoint, Fault, NewRepository, Order};
use serde_json::{Value, json};

use crate::harness::{Bench, TOKEN, component, text, world};

/// A config with this fault is refused (exit 2), naming line and mend, before anything happens.
#[track_caller]
fn refused(bench: &Bench, config: &str, parts: &[&str]) {
    bench.config(config);
    bench.simulator.reset_requests();
    for args in [["sync", "now"].as_slice(), &["check"], &["discovered", "list"], &["run"]] {
        let said = bench.run(args).exits(2);
        assert_eq!(said.stdout, "");
        said.says(parts).says(&["catalog-sync.yaml:", "mend:"]);
    }
    assert_eq!(bench.simulator.requests().total, 0);
    assert!(!bench.path("data").exists());
}

#[test]
fn a_broken_config_names_line_and_mend() {
    let bench = Bench::of(&["payments-api"]);
    let config = bench.read("catalog-sync.yaml");
    refused(&bench, &config.replace("connectors:", "connectors: ["), &[]);
    refused(&bench, &config.replace("    catalog: main", "    catalgo: main"), &["catalgo", "`catalog`"]);
    refused(&bench, &config.replace("store: ./data\n", "store: ./data\nstore: ./other\n"), &[":2", "store"]);
    refused(&bench, &config.replace("bitbucket_cloud", "bitbucket"), &["bitbucket_cloud"]);
}

#[test]
fn two_integrations_on_one_workspace_are_refused() {
    let bench = Bench::of(&["payments-api"]);
    let config = bench.read("catalog-sync.yaml") + "  - { name: again, connector: acme, catalog: main }\n";
    refused(&bench, &config, &["`again` and `acme`", "both sync the workspace"]);
}

#[test]
fn broken_rules_name_line_and_mend() {
    let bench = Bench::of(&["payments-api"]);
    bench.file(
        "rules.yaml",
        "entity: repository\ncorrelation:\n  - ingested: $.name[\n    operator: equal\n    catalog: $.metadata.name\nfields:\n  - { value: x, catalog: $.metadata.name }\n",
    );
    bench.integration("rules: ./rules.yaml");
    let said = bench.run(&["sync", "now"]).exits(2);
    said.says(&["rules.yaml:3", "rules.yaml:4", "rules.yaml:7", "mend"]);
    bench.run(&["rules", "check", "rules.yaml"]).exits(2).shows(&["rules.yaml:3", "rules.yaml:4", "rules.yaml:7"]);
    bench.run(&["check"]).exits(4).shows(&["invalid_rules"]);
    assert!(bench.files("catalog").is_empty());
    bench.integration("rules: ./nowhere.yaml");
    bench.run(&["sync", "now"]).exits(2).says(&["nowhere.yaml"]);
}

#[test]
fn a_missing_environment_variable_is_named() {
    let mut bench = Bench::of(&["payments-api"]);
    bench.env.clear();
    let output = bench.run(&["sync", "now"]);
    assert!(matches!(output.status, Some(1 | 2)), "{output:?}");
    let all = format!("{}{}", output.stdout, output.stderr);
    assert!(all.contains("BITBUCKET_TOKEN"), "{all}");
    assert_eq!(bench.simulator.requests().total, 0);
}

/// Lines `a: &a [*z, *z, …]`, each ten times the one before.
fn alias_bomb() -> String {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    format!("{}{bomb}", component("bomb"))
}

#[test]
fn broken_files_of_the_catalog_are_named_and_left_alone_p7_7() {
    let bench = Bench::of(&["payments-api", "twice", "bomb", "deep"]);
    bench.component("payments-api");
    bench.file("catalog/broken.yaml", "apiVersion: v1\nkind: [\n");
    bench.file("catalog/twice.yaml", &component("twice").replace("  name:", "  name: other\n  name:"));
    bench.file("catalog/bomb.yaml", &alias_bomb());
    bench
        .file("catalog/deep.yaml", &format!("{}deep: {}{}\n", component("deep"), "[".repeat(5_000), "]".repeat(5_000)));
    bench.file("catalog/binary.yaml", "\u{0}\u{1}\u{2}");
    std::fs::write(bench.path("catalog/latin.yaml"), b"name: caf\xe9\n").expect("a file");
    bench.file(
        "catalog/template.yaml",
        "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: ${{ values.name }}\n",
    );
    let files = bench.files("catalog");
    let record = bench.sync();
    let notes = record["notes"].to_string();
    for name in ["broken.yaml", "twice.yaml", "bomb.yaml", "deep.yaml"] {
        assert!(notes.contains(name), "{name} is not named: {record:#}");
    }
    let report = bench.run(&["discovered", "import", "--all", "--output", "json"]);
    let report = report.json();
    let rows = report["rows"].as_array().expect("rows");
    let done: Vec<&str> =
        rows.iter().filter(|row| row["result"] == "done").map(|row| text(row, "/repository/full_name")).collect();
    assert!(done.contains(&"acme/payments-api"), "others go on: {report:#}");
    let now = bench.files("catalog");
    for (name, bytes) in &files {
        assert!(name == "payments-api.yaml" || now.get(name) == Some(bytes), "{name} was touched");
    }
}

#[test]
fn pages_that_are_no_answer_conclude_nothing() {
    let bench = Bench::of(&["payments-api", "web-shop"]);
    bench.integration("secondary_kinds: {}");
    bench.sync();
    bench.run(&["discovered", "import", "--all"]).ok();
    let before = bench.files("catalog");
    for (fault, says) in [
        (Fault::HtmlPage, "HTML"),
        (Fault::TruncatedJson, "JSON"),
        (Fault::HugeBody { bytes: 20 << 20 }, "larger than"),
        (Fault::NextIs("https://evil.example/2.0/repositories/acme".to_owned()), "points to"),
        (Fault::NextIsItself, "circles"),
        (Fault::Redirect("https://evil.example/".to_owned()), "points to"),
        (Fault::Status(403), "403"),
        (Fault::Status(404), "404"),
    ] {
        let name = format!("{fault:?}");
        bench.simulator.order(Order::always(fault).at(Endpoint::Repositories));
        for _ in 0..2 {
            let record = bench.run(&["sync", "now", "--full", "--output", "json"]).exits(1).json()[0].take();
            let message = text(&record, "/errors/0/message");
            assert!(message.contains(says), "{name}: {message}");
            assert_eq!(record["repositories"]["gone"], 0);
        }
        bench.simulator.clear_orders();
        assert_eq!(bench.files("catalog"), before, "{name}");
    }
    assert_eq!(bench.sync_exits(0)["repositories"], json!({"seen": 2, "new": 0, "changed": 0, "gone": 0, "failed": 0}));
    let states: Vec<Value> = bench.json(&["imported", "list"]).as_array().expect("rows").clone();
    assert!(states.iter().all(|row| row["repository_state"] == "present"));
}

#[test]
fn names_that_climb_or_are_too_long_stay_inside_or_wait() {
    let mut world = world();
    for name in ["one", "two", "three"] {
        world.add_repository("acme", NewRepository::named(name).in_project("PAY").with_commits(1));
    }
    let bench = Bench::new(world);
    {
        let mut world = bench.simulator.world();
        world.edit_repository("acme/one", |one| {
            one.name = "../../../../etc/cron.d/evil".to_owned();
            one.slug = "../../evil".to_owned();
        });
        world.edit_repository("acme/two", |two| {
            two.name = "x".repeat(300);
            two.slug = "x".repeat(300);
        });
    }
    bench.sync();
    let outside = || {
        let mut files = bench.files("");
        files.retain(|name, _| !name.starts_with("data/") && !name.starts_with("catalog/"));
        files
    };
    let before = outside();
    let output = bench.run(&["discovered", "import", "--all", "--output", "json"]);
    let report = output.json();
    assert_eq!(outside(), before);
    for name in bench.files("catalog").keys() {
        assert!(name.starts_with("bitbucket/acme/pay/"), "{name}");
        assert!(name.rsplit('/').next().is_some_and(|file| file.len() <= 80), "{name}");
    }
    let rows = report["rows"].as_array().expect("rows");
    let third = rows.iter().find(|row| row["repository"]["full_name"] == "acme/three").expect("three");
    assert_eq!(third["result"], "done", "others go on: {report:#}");
    let imported = bench.json(&["imported", "list"]);
    let entities: Vec<&str> = imported.as_array().expect("rows").iter().map(|row| text(row, "/entity")).collect();
    let cut = format!("component:default/{}", "x".repeat(63));
    assert!(entities.contains(&cut.as_str()), "made valid for the format: {entities:?}");
}

#[test]
fn secrets_are_in_no_output() {
    let bench = Bench::of(&["payments-api"]);
    let mut outputs = Vec::new();
    let mut run = |args: &[&str]| outputs.push(bench.run(&[args, &["-vv"]].concat()));
    run(&["check"]);
    run(&["sync", "now"]);
    run(&["store", "export", "-"]);
    for fault in
        [Fault::Status(401), Fault::Status(403), Fault::HtmlPage, Fault::ConnectionClosed, Fault::TruncatedJson]
    {
        bench.simulator.order(Order::always(fault));
        run(&["sync", "now", "--full"]);
        run(&["sync", "now", "--full", "--log-format", "json"]);
        run(&["check", "--output", "json"]);
        bench.simulator.clear_orders();
    }
    let echo = Fault::Answer {
        status: 400,
        content_type: "application/json".to_owned(),
        body: json!({"type": "error", "error": {"message": format!("bad token {TOKEN}")}}).to_string(),
    };
    bench.simulator.order(Order::always(echo));
    run(&["sync", "now", "--full"]);
    run(&["check"]);
    bench.simulator.clear_orders();
    // A secret where none belongs: in URLs of the config.
    let config = bench.read("catalog-sync.yaml");
    let encoded: String = url::form_urlencoded::byte_serialize(TOKEN.as_bytes()).collect();
    for url in [
        format!("https://x-token-auth:{encoded}@bitbucket.org/acme"),
        format!("https://bitbucket.org/acme?token={encoded}"),
    ] {
        bench.config(&config.replace("https://bitbucket.org/acme", &url));
        run(&["sync", "now"]);
        run(&["check"]);
    }
    bench.config(&config.replace("{ env: BITBUCKET_TOKEN }", &format!("\"{TOKEN}\"")));
    run(&["check"]);
    bench.config(
        &config.replace("{ access_token: { env: BITBUCKET_TOKEN } }", &format!("{{ acess_token: \"{TOKEN}\" }}")),
    );
    run(&["check"]);
    use base64::Engine as _;
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("x-token-auth:{TOKEN}"));
    let lower = encoded.to_lowercase();
    for output in &outputs {
        for text in [&output.stdout, &output.stderr] {
            for needle in [TOKEN, "needle", &encoded, &lower, &basic] {
                assert!(!text.contains(needle), "`{needle}` in:\n{text}");
            }
        }
    }
    assert!(outputs.iter().all(|output| output.status.is_some()));
    let files = bench.files("data");
    for (name, bytes) in files {
        assert!(!bytes.windows(6).any(|window| window == b"needle"), "{name}");
    }
}
