//! Invariant 9: what people and files put into names never reaches the terminal as it is.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use crate::harness::{Bench, Output, output, output_of_input};

/// A name that clears the screen, and one that looks like a line of ours.
const NASTY: &str = "a\u{1b}[2Jb\u{202e}\nerror: forged";

#[track_caller]
fn check(what: &str, run: &Output, exit: i32) {
    assert_eq!(run.status, Some(exit), "{what}: {run:?}");
    for text in [&run.stdout, &run.stderr] {
        let bare = text.chars().find(|c| c.is_control() && *c != '\n' || *c == '\u{202e}');
        assert_eq!(bare, None, "{what}: {text:?}");
        assert!(!text.lines().any(|line| line.starts_with("error: forged")), "{what}: {text}");
    }
    let all = format!("{}{}", run.stdout, run.stderr);
    assert!(all.contains("\\u{1b}[2J"), "{what}: it is shown escaped: {all}");
}

// Paths that a person gives, or that a config names, in every message that shows one.
#[test]
fn paths_are_shown_escaped_i9() {
    let bench = Bench::of(&["payments-api"]);
    bench.sync_exits(0);
    let run = |args: &[&str]| bench.run(args);
    // Written, there already, not there, not to be written.
    check("export", &run(&["store", "export", NASTY]), 0);
    check("export again", &run(&["store", "export", NASTY]), 4);
    check("export nowhere", &run(&["store", "export", &format!("{NASTY}/x")]), 1);
    check("import of nothing", &run(&["store", "import", &format!("{NASTY}-not")]), 2);
    check("no store", &run(&["--store", &format!("{NASTY}-store"), "store", "check"]), 2);
    check("nothing is known", &run(&["--store", &format!("{NASTY}-store"), "discovered", "list"]), 0);
    let import = &mut bench.command(&["--store", &format!("{NASTY}-new"), "store", "import", NASTY]);
    check("import", &output(import), 0);
    check("rules", &run(&["rules", "check", &format!("{NASTY}.yaml")]), 2);
    bench.file(&format!("{NASTY}.yaml"), "entity: repository\ncorrelation: []\nnonsense: 1\n");
    check("rules with faults", &run(&["rules", "check", &format!("{NASTY}.yaml")]), 2);
    bench.file(
        &format!("{NASTY}.yaml"),
        "entity: repository\ncorrelation:\n  - { ingested: $.name, operator: equals, catalog: $.metadata.name }\n",
    );
    check("rules without", &run(&["rules", "check", &format!("{NASTY}.yaml")]), 0);
    let init = |path: &str| run_with(&bench, path, &["init"]);
    check("init", &init(&format!("{NASTY}-config")), 0);
    check("init again", &init(&format!("{NASTY}-config")), 2);
    check("no config", &run_with(&bench, &format!("{NASTY}-none"), &["check"]), 2);
    let config = bench.read("catalog-sync.yaml");
    bench.file(&format!("{NASTY}.conf"), &format!("{config}    suspended: true\n"));
    check("resume", &run_with(&bench, &format!("{NASTY}.conf"), &["integration", "resume", "acme"]), 4);
    check("suspended", &run_with(&bench, &format!("{NASTY}.conf"), &["sync", "now"]), 4);
    bench.file(&format!("{NASTY}.conf"), &format!("{config}    nonsense: true\n"));
    check("faults", &run_with(&bench, &format!("{NASTY}.conf"), &["check", "--offline"]), 2);
    // A file of the catalog that somebody made.
    bench.file(&format!("catalog/{NASTY}.yaml"), "a: [");
    check("a file left alone", &run(&["sync", "now"]), 0);
    // A key that is made beside the config, whose folder is called so.
    let config = format!("{config}credentials: {{ key: {{ file: ./credentials.key }} }}\n");
    bench.file(&format!("{NASTY}-folder/with-key.yaml"), &config);
    let args = ["credential", "add", "bot", "--stdin"];
    let mut add = with(&bench, &format!("{NASTY}-folder/with-key.yaml"), &args);
    add.stdout(Stdio::piped()).stderr(Stdio::piped());
    check("a new key", &output_of_input(&mut add, "a-secret-token-of-some-length"), 0);
    let mode =
        std::fs::metadata(bench.path(&format!("{NASTY}-folder/credentials.key"))).expect("a key").permissions().mode();
    assert_eq!(mode & 0o077, 0);
}

fn with(bench: &Bench, config: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_catalog-sync"));
    command.arg("--config").arg(config).args(args).env_clear();
    command.envs(bench.env.iter().map(|(name, value)| (name, value))).current_dir(bench.dir.path());
    command
}

fn run_with(bench: &Bench, config: &str, args: &[&str]) -> Output {
    output(&mut with(bench, config, args))
}
