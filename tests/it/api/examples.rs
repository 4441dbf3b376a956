//! The `curl` examples of the README work as printed.

use std::process::Command;

use super::client::{Client, OPS, bench, synced};
use crate::harness::output;
use crate::layout::root;

/// The block of the README's section about the API.
fn examples() -> String {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("the README");
    let (_, section) = readme.split_once("### The HTTP API").expect("its section");
    let (_, block) = section.split_once("```sh\n").expect("a block");
    block.split_once("```").expect("its end").0.to_owned()
}

// P7.2: each line is run by a shell, in order; each answers JSON and no problem.
#[test]
fn curl_examples_of_the_readme_work_p7_2() {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("skipped: curl is not installed");
        return;
    }
    let bench = bench(&["ledger", "payments-api", "web"]);
    bench.component("payments-api");
    let sidecar = synced(&bench);
    let client = Client::new(&bench, Some(OPS));
    let address = client.origin().trim_start_matches("http://").to_owned();
    let examples = examples().replace("127.0.0.1:8321", &address);
    assert!(examples.lines().filter(|line| line.starts_with("curl")).count() >= 4, "{examples}");
    let mut before = String::new();
    for line in examples.lines() {
        if !line.starts_with("curl") {
            before.push_str(line);
            before.push('\n');
            continue;
        }
        let mut shell = Command::new("bash");
        shell.args(["-euc", &format!("{before}{line}")]).env("CATALOG_SYNC_TOKEN", OPS);
        let answer = output(&mut shell).ok();
        let json = answer.json();
        assert!(json.get("mend").is_none(), "{line}: {json:#}");
    }
    client.until("/imported", |page| page["total"] == 1);
    sidecar.stopped();
}
