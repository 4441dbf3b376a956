//! What goes to stdout and stderr, in which form, and what the exit code says.

use std::process::{Command, Stdio};

use catalog_sync::simulator::{Endpoint, Fault, NewRepository, Order};
use serde_json::{Value, json};

use crate::harness::{Bench, number, output, world};

const EVERY_SHELL: [&str; 5] = ["bash", "elvish", "fish", "powershell", "zsh"];

fn small() -> Bench {
    let mut world = world();
    let mut payments = NewRepository::named("payments-api").in_project("PAY").with_commits(2);
    payments.description = "Takes payments".to_owned();
    world.add_repository("acme", payments);
    world.add_repository("acme", NewRepository::named("Web Shop").in_project("SHOP").with_commits(1));
    let bench = Bench::new(world);
    bench.component("payments-api");
    bench
}

/// Ids and times differ from run to run.
fn filters() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"[0-9A-HJKMNP-TV-Z]{26}", "<id>");
    settings.add_filter(r"\d{4}-\d{2}-\d{2}( |T)\d{2}:\d{2}(:\d{2}(\.\d+)?Z)?", "<time>");
    settings.add_filter(r"rule (\d+): .*", "rule $1: <why>");
    settings.add_filter(r"after \d+(\.\d+)? m?s", "after <duration>");
    settings.add_filter(r"\b\d+(\.\d+)? ms\b", "<duration>");
    settings.add_filter(r"\d+ left in this hour", "<n> left in this hour");
    settings
}

#[test]
fn what_people_read() {
    let bench = small();
    let sync = bench.run(&["sync", "now"]).ok();
    let list = bench.run(&["discovered", "list"]).ok();
    let import = bench.run(&["discovered", "import", "payments-api"]).ok();
    let imported = bench.run(&["imported", "list"]).ok();
    let nothing = bench.run(&["imported", "list", "--search", "nothing-like-it"]).ok();
    let unlinked = bench.run(&["imported", "unlink", "payments-api"]).ok();
    filters().bind(|| {
        insta::assert_snapshot!(sync.stdout, @r##"
            acme  <id>  completed after <duration> (5 requests, <n> left in this hour; whole list walked)
            repositories   2 seen, 2 new, 0 changed, 0 gone, 0 failed
            to decide      1 register, 1 merge, 0 conflicts
            catalog        0 registered, 0 merged, 0 updated, 0 failed
            pull requests  0 stored, 0 waiting
            commits        3 stored, 0 waiting
            oldest check   <time> UTC, of any repository's pull requests
            "##);
        insta::assert_snapshot!(list.stdout, @r##"
            REPOSITORY         RECOMMENDED  ENTITY                          KIND       TYPE     OWNER    DETECTED AT (UTC)  WHY
            acme/payments-api  merge        component:default/payments-api  Component  service  team-a   <time>   rule 0: <why>
            acme/web-shop      register     –                               Component  service  unknown  <time>   no entity matches; becomes component:default/web-shop

            2 repositories: 1 register, 1 merge, 0 conflicts
            "##);
        insta::assert_snapshot!(import.stdout, @r##"
            REPOSITORY         ACTION  ENTITY                          RESULT  FILES              REASON
            acme/payments-api  merge   component:default/payments-api  done    payments-api.yaml

            1 done, 0 unchanged, 0 held, 0 failed
            import <id>
            "##);
        insta::assert_snapshot!(imported.stdout, @r##"
            REPOSITORY         STATUS  ENTITY                          ID  KIND       TYPE     SCOPE    IMPORTED AT (UTC)  BY   STATE
            acme/payments-api  merged  component:default/payments-api  –   Component  service  default  <time>   cli  present
            "##);
        insta::assert_snapshot!(nothing.stdout, @r##"
            nothing matches `nothing-like-it`
            "##);
        insta::assert_snapshot!(unlinked.stdout, @r##"
            REPOSITORY         STATUS  ENTITY                          ID  KIND       TYPE     SCOPE    IMPORTED AT (UTC)  BY   STATE
            acme/payments-api  merged  component:default/payments-api  –   Component  service  default  <time>   cli  present
            unlinked; entities and files stay as they are
            "##);
    });
}

#[test]
fn tables_fit_a_terminal_of_80_columns() {
    if Command::new("script").arg("--version").output().is_err() {
        println!("skipped: there is no `script` to make a terminal with");
        return;
    }
    let bench = small();
    bench.sync();
    bench.sync();
    let of = |args: &str| -> String {
        let program = env!("CARGO_BIN_EXE_catalog-sync");
        let config = bench.path("catalog-sync.yaml");
        let line = format!("stty cols 80 rows 50; NO_COLOR=1 {program} --config {} {args}", config.display());
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]).stdin(Stdio::null()).env("TERM", "xterm").env("SHELL", "/bin/sh");
        output(&mut command).ok().stdout.replace("\r\n", "\n")
    };
    for args in ["discovered list", "sync history", "integration list", "store check", "check --offline"] {
        let table = of(args);
        let rows = table.lines().filter(|line| !line.starts_with('('));
        let widest = rows.map(|line| line.chars().count()).max().unwrap_or(0);
        assert!(widest <= 80, "{args}: {widest}\n{table}");
        assert!(!table.contains('\u{1b}'), "colour in spite of NO_COLOR: {table:?}");
    }
    assert!(of("discovered list").contains("register"));
}

#[test]
fn json_and_yaml_are_the_same_data_and_alone_on_stdout() {
    let bench = small();
    bench.sync();
    for args in [
        ["discovered", "list"].as_slice(),
        &["imported", "list"],
        &["integration", "list"],
        &["sync", "history"],
        &["discovered", "show", "payments-api"],
        &["store", "check"],
        &["activity", "commits", "payments-api"],
        &["version"],
        &["check", "--offline"],
    ] {
        let verbose = [args, &["-vv", "--output", "json"]].concat();
        let json = bench.run(&verbose).ok().json();
        let yaml = bench.run(&[args, &["--output", "yaml"]].concat()).ok().stdout;
        let yaml: Value = serde_yaml::from_str(&yaml).unwrap_or_else(|error| panic!("{args:?}: {error}\n{yaml}"));
        assert_eq!(json, yaml, "{args:?}");
    }
    assert_eq!(bench.json(&["imported", "list"]), json!([]), "an empty list is `[]`");
    let logs = bench.run(&["sync", "now", "-vv", "--log-format", "json", "--quiet"]);
    logs.exits(2).says(&["cannot be used with"]);
    let quiet = bench.run(&["sync", "now", "--quiet"]).ok();
    assert_eq!(quiet.stderr, "");
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let bench = small();
    bench.sync();
    for args in [
        ["discovered", "list"].as_slice(),
        &["discovered", "list", "--output", "json"],
        &["config", "schema"],
        &["completions", "bash"],
        &["man"],
        &["store", "export", "-"],
        &["--help"],
        &["version"],
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let ended = output(bench.command(args).stdout(writer));
        assert_eq!(ended.stderr, "", "{args:?}");
        assert_eq!(ended.status, Some(0), "{args:?}");
    }
}

#[test]
fn names_from_outside_cannot_draw_on_the_terminal() {
    let bench = small();
    bench.simulator.world().edit_repository("acme/web-shop", |one| {
        one.name = "Web\u{1b}[31m\u{202e}Shop\nacme/forged  register".to_owned();
        one.description = "\u{7}\u{200b}bell".to_owned();
    });
    bench.sync();
    for args in
        [["discovered", "list"].as_slice(), &["discovered", "show", "web-shop"], &["discovered", "import", "web-shop"]]
    {
        let shown = bench.run(args);
        for text in [&shown.stdout, &shown.stderr] {
            assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{7}', '\u{200b}']), "{args:?}: {text:?}");
            assert!(!text.lines().any(|line| line.starts_with("acme/forged")), "{text}");
        }
    }
}

#[test]
fn completions_man_schema_and_version_need_no_config() {
    let bench = small();
    std::fs::remove_file(bench.path("catalog-sync.yaml")).expect("a config");
    for shell in EVERY_SHELL {
        bench.run(&["completions", shell]).ok().shows(&["catalog-sync", "discovered"]);
    }
    bench.run(&["man"]).ok().shows(&[".TH catalog-sync 1", "discovered"]);
    let version = bench.run(&["version"]).ok().stdout;
    assert_eq!(version.trim(), format!("catalog-sync {}", env!("CARGO_PKG_VERSION")));
    assert_eq!(bench.run(&["--version"]).ok().stdout, version);
    let schema = bench.run(&["config", "schema"]).ok().json();
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    bench.integration("auto_import: true");
    let config: Value = serde_yaml::from_str(&bench.read("catalog-sync.yaml")).expect("YAML");
    assert!(validator.is_valid(&config));
    bench.integration("auto_imprt: true");
    let config: Value = serde_yaml::from_str(&bench.read("catalog-sync.yaml")).expect("YAML");
    assert!(!validator.is_valid(&config));
}

#[test]
fn init_writes_a_config_once_p7_1() {
    let bench = small();
    let config = bench.read("catalog-sync.yaml");
    bench.run(&["init"]).exits(2).says(&["exists already", "mend:"]);
    assert_eq!(bench.read("catalog-sync.yaml"), config);
    std::fs::remove_file(bench.path("catalog-sync.yaml")).expect("a config");
    bench.run(&["init"]).ok();
    bench.run(&["check", "--offline"]).ok();
    std::fs::remove_file(bench.path("catalog-sync.yaml")).expect("a config");
    bench.run(&["sync", "now"]).exits(2).says(&["catalog-sync.yaml", "mend:"]);
}

#[test]
fn usage_errors_are_exit_2_and_say_what_was_meant() {
    let bench = small();
    bench.run(&["sycn", "now"]).exits(2).says(&["sync"]);
    bench.run(&["discovered", "list", "--action", "delete"]).exits(2).says(&["register", "merge"]);
    bench.run(&["discovered", "import"]).exits(2);
    bench.run(&["discovered", "import", "a", "b", "--into", "x"]).exits(2);
    bench.run(&["sync", "now", "acne"]).exits(2).says(&["no integration `acne`", "acme"]);
    bench.run(&["imported", "show", "payments-api"]).exits(2).says(&["no repository `payments-api` is known"]);
    bench.sync();
    bench.run(&["imported", "show", "payments-api"]).exits(2).says(&["not imported"]);
}

// P4.12: a dry run says what would be done; in JSON the result of the contract, with what it would do beside it.
#[test]
fn a_dry_run_says_what_it_would_do_p4_12() {
    let bench = small();
    bench.run(&["sync", "now"]).ok();
    let dry = bench.run(&["discovered", "import", "--all", "--dry-run"]).ok();
    dry.clone().shows(&["would register", "would merge", "2 would be written"]);
    assert!(!dry.stdout.contains(" done "), "{}", dry.stdout);
    let rows = bench.json(&["discovered", "import", "--all", "--dry-run"]);
    let said: Vec<_> =
        rows["rows"].as_array().expect("rows").iter().map(|row| (&row["result"], &row["change"])).collect();
    assert_eq!(said, [(&json!("done"), &json!("merge")), (&json!("done"), &json!("register"))]);
    bench.run(&["discovered", "import", "--all"]).ok().shows(&[" done "]);
    bench.simulator.world().edit_repository("acme/web-shop", |one| one.description = "Sells".to_owned());
    bench.run(&["sync", "now", "--dry-run"]).ok().shows(&["would update"]);
    bench.run(&["discovered", "list", "--search", "no-such"]).ok().shows(&["nothing matches `no-such`"]);
}

// P6.9: a secret that is missing is told once, at its line.
#[test]
fn check_says_a_missing_secret_once_p6_9() {
    let mut bench = small();
    bench.env.clear();
    let rows = bench.run(&["check", "--output", "json"]).exits(4).json();
    let about = |row: &&Value| row.to_string().contains("BITBUCKET_TOKEN");
    let said: Vec<&Value> = rows.as_array().expect("rows").iter().filter(about).collect();
    assert_eq!(said.len(), 1, "{rows:#}");
    assert_eq!(said[0]["code"], "invalid_secret");
}

// Counts and list are one truth, also where a repository may not be read.
#[test]
fn the_counts_of_a_sync_are_those_of_the_list() {
    {
        let bench = small();
        let forbidden = Order::always(Fault::Status(403)).at(Endpoint::Commits).repository("acme/web-shop");
        bench.simulator.order(forbidden);
        let record = bench.sync_exits(3);
        let listed = bench.json(&["discovered", "list"]).as_array().expect("rows").len() as u64;
        let counted =
            ["register", "merge", "conflict"].map(|action| number(&record["recommendations"], &format!("/{action}")));
        assert_eq!((counted.iter().sum::<u64>(), listed), (1, 1), "{record:#}");
    }
}

// Invariant 9: arguments and names from outside never reach the terminal as they are, whatever the format.
#[test]
fn control_and_hidden_characters_are_shown_escaped_everywhere() {
    let mut world = crate::harness::world();
    let mut evil = catalog_sync::simulator::NewRepository::named("evil");
    evil.description = "turns \u{202e} round".to_owned();
    world.add_repository("acme", evil);
    let bench = Bench::new(world);
    bench.simulator.world().rename_repository("acme/evil", "ev\u{202e}il\u{200b}");
    bench.sync();
    let is_bad = |c: char| c.is_control() && c != '\n' || matches!(c, '\u{202e}' | '\u{200b}');
    for format in ["table", "json", "yaml"] {
        let out = bench.run(&["discovered", "list", "--output", format]).ok();
        assert!(!out.stdout.contains(is_bad), "{format}: {:?}", out.stdout);
    }
    let listed = bench.json(&["discovered", "list"]);
    assert_eq!(listed[0]["repository"]["name"], "ev\u{202e}il\u{200b}", "the same data, escaped");
    for args in [
        ["discovered", "show", "x\u{1b}[31m"].as_slice(),
        &["sync", "now", "no\u{1b}[31m"],
        &["sync", "show", "no\u{1b}[31m"],
        &["rules", "check", "no\u{1b}[31m"],
        &["store", "import", "no\u{1b}[31m.jsonl"],
        &["discovered", "list", "--state", "no\u{1b}[31m"],
    ] {
        let out = bench.run(args);
        assert_ne!(out.status, Some(0), "{args:?}");
        assert!(!out.stderr.contains(is_bad), "{args:?}: {:?}", out.stderr);
    }
}
