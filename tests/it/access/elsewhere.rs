//! Commands through a sidecar elsewhere: `--server`, and a token of the environment.

use std::process::Command;

use super::http::{EDIT, TOKENS, VIEW, bench, start};
use crate::harness::{Bench, Output, output};

/// The program as on another machine: no config, no store; `CATALOG_SYNC_TOKEN` alone.
fn elsewhere(bench: &Bench, token: Option<&str>, args: &[&str]) -> Output {
    let folder = bench.path("elsewhere");
    std::fs::create_dir_all(&folder).expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_catalog-sync"));
    command.env_clear().current_dir(folder).args(args).stdin(std::process::Stdio::null());
    if let Some(token) = token {
        command.env("CATALOG_SYNC_TOKEN", token);
    }
    output(&mut command)
}

// contract.md, section 2: from elsewhere with `--server` and a token, the same commands and the same output.
#[test]
fn commands_say_the_same_from_elsewhere_p7_4_p7_5() {
    let bench = bench(&format!("{{ {TOKENS} }}"));
    bench.component("ledger");
    bench.sync_exits(0);
    let (sidecar, address) = start(&bench);
    let url = format!("http://{address}");
    for args in [
        vec!["integration", "list"],
        vec!["discovered", "list"],
        vec!["discovered", "list", "--output", "json"],
        vec!["discovered", "show", "ledger"],
        vec!["discovered", "show", "no-such-thing"],
        vec!["imported", "list"],
        vec!["sync", "history", "--output", "yaml"],
        vec!["audit", "list"],
    ] {
        let here = bench.run(&args);
        let there = elsewhere(&bench, Some(VIEW), &[args.as_slice(), &["--server", &url]].concat());
        assert_eq!((there.status, &there.stdout), (here.status, &here.stdout), "{args:?}\n{}", there.stderr);
    }
    let with = |token, args: &[&str]| elsewhere(&bench, token, &[args, &["--server", &url]].concat());
    with(Some(VIEW), &["discovered", "import", "ledger"]).exits(4).says(&["eyes may look, not change"]);
    with(Some(EDIT), &["discovered", "import", "ledger"]).ok().shows(&["ledger"]);
    with(Some(EDIT), &["sync", "now"]).ok();
    // The question is asked there as well.
    with(Some(EDIT), &["integration", "delete", "acme"]).exits(4).says(&["there is no terminal to ask on"]);
    let acts = bench.json(&["audit", "list", "--by", "ops"]);
    assert_eq!((&acts[0]["request"], &acts[1]["request"]), (&"sync now".into(), &"discovered import ledger".into()));
    let lines = with(Some(EDIT), &["store", "export", "-"]).ok().stdout;
    assert!(lines.lines().count() > 5 && lines.contains("\"book\":\"links\""), "{lines}");
    sidecar.stopped();
    assert_eq!(bench.files("elsewhere").len(), 0, "nothing is written there");
}

// contract.md, section 2: errors are for people, and no token is ever told.
#[test]
fn what_goes_wrong_from_elsewhere_is_told_p7_4() {
    let bench = bench(&format!("{{ {TOKENS} }}"));
    let (sidecar, address) = start(&bench);
    let url = format!("http://{address}");
    let list = |token, url: &str| elsewhere(&bench, token, &["integration", "list", "--server", url]);
    list(None, &url).exits(2).says(&["no token", "CATALOG_SYNC_TOKEN"]);
    let wrong = "wrong-token-of-forty-characters-012345678";
    let refused = list(Some(wrong), &url).exits(4).says(&["does not know this token", "mend:"]);
    assert!(!refused.stderr.contains(wrong));
    list(Some(EDIT), "nonsense").exits(2).says(&["`nonsense` is not the address of a catalog-sync"]);
    list(Some(EDIT), "http://catalog-sync.example").exits(2).says(&["in the clear", "https"]);
    list(Some(EDIT), bench.simulator.base_url()).exits(1).says(&["this is not a catalog-sync"]);
    list(Some(EDIT), "http://127.0.0.1:1").exits(1).says(&["could not be reached"]);
    let env = |args: &[&str]| {
        let mut command = bench.command(args);
        command.env("CATALOG_SYNC_SERVER", &url).env("CATALOG_SYNC_TOKEN", EDIT);
        output(&mut command)
    };
    env(&["integration", "list"]).ok().shows(&["acme"]);
    for local in [
        vec!["check"],
        vec!["credential", "add", "acme", "--kind", "access_token", "--stdin"],
        vec!["credential", "update", "acme", "--stdin"],
        vec!["store", "import", "x"],
    ] {
        env(&local).exits(2).says(&["only on the host"]);
    }
    sidecar.stopped();
    list(Some(EDIT), &url).exits(1).says(&["could not be reached"]);
}
