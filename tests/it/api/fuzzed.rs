//! schemathesis against the served document: requests nobody would think of, each answer held to what the document says.

use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use super::client::{Client, OPS, bench, synced};
use crate::harness::output;
use crate::layout::root;

/// Where `scripts/test` installs it.
fn program() -> Option<PathBuf> {
    let program = root().join("target/schemathesis/bin/schemathesis");
    program.exists().then_some(program)
}

// P7.2: no server error, and no answer whose status, content type or shape the document does not tell.
#[test]
fn no_answer_is_undocumented_p7_2() {
    let Some(program) = program() else {
        eprintln!(
            "skipped: schemathesis is not installed; `bash scripts/test` installs it where pip and network are there"
        );
        return;
    };
    let bench = bench(&["ledger", "payments-api", "web"]);
    bench.component("ledger");
    let sidecar = synced(&bench);
    let client = Client::new(&bench, Some(OPS));
    // Something of everything: what the examples of the document name is discovered, imported, ignored.
    client.post("/imports", &json!({"repositories": ["payments-api"]})).is(202);
    client.until("/imported", |page| page["total"] == 1);
    client.post("/discovered/ignore", &json!({"repositories": ["web"]})).is(200);
    let mut command = Command::new(program);
    command
        .current_dir(bench.dir.path())
        .arg("run")
        .arg(format!("{}/api/openapi.json", client.origin()))
        .args(["--header", &format!("Authorization: Bearer {OPS}")])
        .args([
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        ])
        .args([
            "--phases",
            "examples,coverage,fuzzing",
            "--max-examples",
            "12",
            "--seed",
            "20261122",
            "--generation-deterministic",
        ])
        // A stream of everything has no end to wait for.
        .args(["--exclude-path", "/api/v1/events", "--request-timeout", "20", "--workers", "2", "--no-color"]);
    let told = output(&mut command);
    assert_eq!(told.status, Some(0), "{}\n{}\n{}", told.stdout, told.stderr, sidecar.log());
    assert!(told.stdout.contains("passed"), "{}", told.stdout);
    assert!(!sidecar.log().contains("panicked"), "{}", sidecar.log());
    sidecar.stopped();
}
