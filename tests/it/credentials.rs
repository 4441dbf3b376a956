//! Stored credentials (P6.10): added, listed, used, replaced, deleted and rekeyed, with and without a running sidecar;
//! and their secrets are nowhere in the clear.

use std::os::unix::fs::PermissionsExt;

use catalog_sync::simulator::{Credential, Endpoint, Fault, NewRepository, Order, SimulatorOptions};
use serde_json::{Value, json};

use crate::harness::{Bench, Output, output_of_input, text, world};
use crate::logins::{self, Login};
use crate::sidecar::process::Sidecar;

/// Secrets of every kind; each word is looked for by itself.
const TOKEN: &str = "ATCTT3x-needle-access";
const API_TOKEN: &str = "ATATT3x-needle-api";
const EMAIL: &str = "needle-alice@acme.dev";
const KEY: &str = "needle-consumer";
const SECRET: &str = "needle-consumer-secret";
const PASSWORD: &str = "needle-password";

fn bench_with(credentials: Vec<Credential>, auth: &str) -> Bench {
    let mut world = world();
    for name in ["payments-api", "web-shop"] {
        world.add_repository("acme", NewRepository::named(name).in_project("PAY").with_commits(2));
    }
    let mut bench = Bench::with(world, SimulatorOptions { credentials, ..SimulatorOptions::default() });
    bench.env.clear();
    let config = bench.read("catalog-sync.yaml");
    let config = config.replace("auth: { access_token: { env: BITBUCKET_TOKEN } }", auth);
    bench.config(&format!("credentials: {{ key: {{ file: ./credentials.key }} }}\n{config}"));
    bench
}

fn bench(auth: &str) -> Bench {
    bench_with(vec![Credential::token(TOKEN)], auth)
}

/// A command with this on its stdin.
#[track_caller]
fn given(bench: &Bench, args: &[&str], input: &str) -> Output {
    output_of_input(&mut bench.command(args), input)
}

#[track_caller]
fn row(bench: &Bench, name: &str) -> Value {
    bench.json(&["credential", "info", name])
}

// P6.10: from nothing to a sync, then another secret: everything synced stays.
#[test]
fn a_stored_credential_syncs_and_is_replaced_p6_10() {
    let bench = bench("auth: { credential: labs }");
    bench.run(&["sync", "now"]).exits(2).says(&["there is no credential `labs`", "credential add labs"]);
    bench.run(&["check"]).exits(4).shows(&["invalid_secret", "catalog-sync.yaml:8", "credential add labs"]);
    bench.run(&["check", "--offline"]).ok();
    assert!(!bench.path("credentials.key").exists(), "looking makes no key");

    let added =
        given(&bench, &["credential", "add", "labs", "--stdin", "--expires", "2099-03-31"], &format!("{TOKEN}\n"));
    added.ok().says(&["made the key file", "keep a copy"]).shows(&[
        "labs  access_token  readable",
        "2099-03-31",
        "connector acme",
    ]);
    let mode = std::fs::metadata(bench.path("credentials.key")).expect("a key").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    given(&bench, &["credential", "add", "labs", "--stdin"], "other")
        .exits(2)
        .says(&["already", "credential update labs"]);
    assert_eq!(bench.sync_exits(0)["repositories"]["seen"], 2);
    bench.run(&["check"]).ok().shows(&["credential 1 (labs)"]);

    let before = row(&bench, "labs");
    let keys: Vec<&String> = before.as_object().expect("an object").keys().collect();
    assert_eq!(
        keys,
        ["name", "kind", "state", "problem", "created_at", "updated_at", "expires", "used_by", "key_id"],
        "no secret among them"
    );
    given(&bench, &["credential", "update", "labs", "--stdin"], "revoked-needle").ok();
    let record = bench.sync_exits(1);
    assert!(text(&record, "/errors/0/message").contains("401"), "{record:#}");
    assert!(record["notes"].to_string().contains("`catalog-sync credential update labs` replaces it"), "{record:#}");
    given(&bench, &["credential", "update", "labs", "--stdin"], TOKEN).ok();
    let record = bench.sync_exits(0);
    assert_eq!(
        (&record["repositories"]["new"], &record["repositories"]["seen"]),
        (&0.into(), &2.into()),
        "all data stays"
    );
    let after = row(&bench, "labs");
    assert_eq!(after["created_at"], before["created_at"]);
    assert_eq!(after["expires"], Value::Null, "a new secret has a new date");

    // The date alone.
    bench.run(&["credential", "update", "labs", "--keep-secret", "--expires", "2098-01-01"]).ok();
    assert_eq!(row(&bench, "labs")["expires"], "2098-01-01");
    bench.sync_exits(0);
    let list = bench.json(&["credential", "list"]);
    assert_eq!(list.as_array().map(Vec::len), Some(1));

    // In use: asked first, naming who uses it.
    bench.run(&["credential", "delete", "labs"]).exits(4).says(&["no terminal to ask on"]);
    bench.run(&["credential", "delete", "lab", "--yes"]).exits(2).says(&["did you mean `labs`?"]);
    bench.run(&["credential", "delete", "labs", "--yes"]).ok();
    bench.run(&["credential", "info", "labs"]).exits(2).says(&["there is no credential `labs`"]);
    assert_eq!(bench.json(&["discovered", "list"]).as_array().map(Vec::len), Some(2), "what was found stays");
    assert_eq!(bench.json(&["credential", "list"]), json!([]));
    bench.run(&["credential", "list"]).ok().shows(&["credential add NAME"]);
}

// P6.4, P6.10: each kind logs in, by whichever way it was given; a part of it stands where a secret stands.
#[test]
fn every_kind_logs_in_p6_4_p6_10() {
    let api_token = || Credential::api_token(EMAIL, API_TOKEN);
    let consumer = || Credential::consumer(KEY, SECRET);
    for (credentials, auth, kind, input) in [
        (vec![Credential::token(TOKEN)], "{ access_token: { credential: it } }", "access_token", TOKEN.to_owned()),
        (vec![Credential::token(TOKEN)], "{ access_token: { credential: it } }", "secret", TOKEN.to_owned()),
        (vec![api_token()], "{ credential: it }", "api_token", format!("{EMAIL}\n{API_TOKEN}\n")),
        (vec![api_token()], "{ credential: it }", "api_token", json!({"email": EMAIL, "token": API_TOKEN}).to_string()),
        (
            vec![api_token()],
            "{ api_token: { email: { credential: it }, token: { credential: it } } }",
            "api_token",
            format!("{EMAIL}\n{API_TOKEN}"),
        ),
        (vec![consumer()], "{ credential: it }", "oauth", format!("{KEY}\r\n{SECRET}\r\n")),
    ] {
        let bench = bench_with(credentials, &format!("auth: {auth}"));
        bench.file("input", &input);
        let how = if input.starts_with('{') { vec![] } else { vec!["--kind", kind] };
        bench.run(&[&["credential", "add", "it", "--file", "input"], how.as_slice()].concat()).ok();
        assert_eq!(row(&bench, "it")["kind"], kind);
        assert_eq!(bench.sync_exits(0)["repositories"]["seen"], 2, "{auth} {kind}");
    }
    // What cannot log in says why.
    for (kind, input, exit, says) in [
        ("secret", TOKEN, 2, "of the kind secret, and here an access_token"),
        ("basic", "alice\nneedle-password", 2, "app password"),
    ] {
        let bench = bench("auth: { credential: it }");
        given(&bench, &["credential", "add", "it", "--kind", kind, "--stdin"], input).ok();
        bench.run(&["sync", "now"]).exits(exit).says(&[says, "mend:"]);
    }
    // The names that others use.
    let bench = bench("auth: { credential: it }");
    let theirs = json!({
        "settings": {"bitbucket_data_center_username": "needle-bob"},
        "secrets": {"bitbucket_data_center_password": PASSWORD},
    });
    given(&bench, &["credential", "add", "onprem", "--stdin"], &theirs.to_string()).ok().shows(&["onprem  basic"]);
    // Half of a login is replaced, the other half kept.
    given(&bench, &["credential", "update", "onprem", "--stdin"], "needle-other-password").ok();
    given(&bench, &["credential", "update", "onprem", "--stdin"], r#"{"token": "x", "email": "y"}"#)
        .exits(2)
        .says(&["do not make a credential"]);
    given(&bench, &["credential", "add", "half", "--kind", "basic", "--stdin"], r#"{"password": "needle"}"#)
        .exits(2)
        .says(&["the user name is missing"]);
    given(&bench, &["credential", "add", "half", "--stdin"], "").exits(2).says(&["nothing was given"]);
    bench.run(&["credential", "add", "half"]).exits(4).says(&["no terminal", "--stdin"]);
    // A secret pasted where the name belongs is not repeated.
    let pasted = bench.run(&["credential", "add", "ATCTT3xNeedle", "--stdin"]).exits(2);
    assert!(!pasted.stderr.contains("ATCTT3x"), "{}", pasted.stderr);
}

// P6.10: every way to lose or break a key or a record is an error in words with a mend.
#[test]
fn lost_wrong_and_open_keys_are_told_p6_10() {
    let mut bench = bench("auth: { credential: labs }");
    given(&bench, &["credential", "add", "labs", "--stdin"], TOKEN).ok();
    given(&bench, &["credential", "add", "other", "--kind", "secret", "--stdin"], "needle").ok();
    let key = bench.read("credentials.key");
    let open =
        |mode| std::fs::set_permissions(bench.path("credentials.key"), PermissionsExt::from_mode(mode)).expect("chmod");

    open(0o644);
    for args in [&["sync", "now"][..], &["credential", "add", "more", "--stdin"]] {
        given(&bench, args, "x").exits(2).says(&["can be read by others (mode 644)", "chmod 600"]);
    }
    bench.run(&["check"]).exits(4).shows(&["can be read by others", "chmod 600"]);
    bench.run(&["credential", "list"]).ok().shows(&["no key", "can be read by others"]);
    open(0o600);

    // Another key.
    bench.file("credentials.key", &format!("{}\n", "11".repeat(32)));
    bench.run(&["sync", "now"]).exits(2).says(&["sealed under the key", "rekey --old-key-file"]);
    assert_eq!(row(&bench, "labs")["state"], "other_key");
    given(&bench, &["credential", "add", "more", "--stdin"], "x").exits(2).says(&["sealed under the key"]);
    given(&bench, &["credential", "update", "labs", "--stdin"], "x")
        .exits(2)
        .says(&["`other` is sealed under the key"]);

    // Lost: nothing makes a new one over what is sealed; deleting needs no key.
    std::fs::remove_file(bench.path("credentials.key")).expect("a key");
    given(&bench, &["credential", "add", "more", "--stdin"], "x").exits(2).says(&["is not there", "put the key back"]);
    bench.run(&["sync", "now"]).exits(2).says(&["is not there", "if it is lost for good"]);
    assert!(!bench.path("credentials.key").exists());
    bench.run(&["credential", "delete", "other"]).ok();
    // The last one: replaced under a new key.
    given(&bench, &["credential", "update", "labs", "--stdin"], TOKEN).ok().says(&["made the key file"]);
    assert_ne!(bench.read("credentials.key"), key);
    bench.sync_exits(0);

    // No key: not in the config, not in the environment, no key at all.
    let config = bench.read("catalog-sync.yaml");
    bench.config(&config.replace("{ file: ./credentials.key }", "{ env: CREDENTIALS_KEY }"));
    bench.run(&["sync", "now"]).exits(2).says(&["CREDENTIALS_KEY is not set", "openssl rand -base64 32"]);
    given(&bench, &["credential", "add", "more", "--stdin"], "x").exits(2).says(&["CREDENTIALS_KEY is not set"]);
    bench.env.push(("CREDENTIALS_KEY".to_owned(), "needle".to_owned()));
    bench.run(&["sync", "now"]).exits(2).says(&["CREDENTIALS_KEY holds no key", "32 bytes"]);
    bench.env.clear();
    bench.config(&config.replace("credentials: { key: { file: ./credentials.key } }\n", ""));
    bench.run(&["sync", "now"]).exits(2).says(&["catalog-sync.yaml:7", "names no key for the credential store"]);
    bench.run(&["credential", "list"]).exits(2);
    bench.config(&config.replace("./credentials.key", "./data/credentials.key"));
    bench.run(&["sync", "now"]).exits(2).says(&["catalog-sync.yaml:1", "lies in the store"]);
}

// P6.10: a record that was changed in the store, or moved, is noticed; the others go on.
#[test]
fn tampered_records_are_told_p6_10() {
    let bench = bench("auth: { credential: labs }");
    given(&bench, &["credential", "add", "labs", "--stdin"], TOKEN).ok();
    given(&bench, &["credential", "add", "prod", "--stdin"], "needle-prod").ok();
    let whole = bench.run(&["store", "export", "-", "--with-credentials"]).ok().stdout;
    let lines: Vec<Value> = whole.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let at = |name: &str| lines.iter().position(|line| line["key"] == json!([name])).expect("a record");
    let (labs, prod) = (at("labs"), at("prod"));
    let imported = |change: &dyn Fn(&mut Vec<Value>)| {
        let mut lines = lines.clone();
        change(&mut lines);
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        std::fs::remove_dir_all(bench.path("data")).expect("a store");
        given(&bench, &["store", "import", "-"], &text).ok();
    };
    for (what, change) in [
        (
            "swapped",
            &(|lines: &mut Vec<Value>| {
                let other = lines[prod]["value"].clone();
                lines[labs]["value"] = other;
            }) as &dyn Fn(&mut Vec<Value>),
        ),
        ("cut", &|lines| lines[labs]["value"]["sealed"] = text(&lines[labs], "/value/sealed")[..8].into()),
        ("another kind", &|lines| lines[labs]["value"]["kind"] = "basic".into()),
        ("another date", &|lines| lines[labs]["value"]["expires"] = "2099-01-01".into()),
    ] {
        imported(change);
        bench.run(&["sync", "now"]).exits(2).says(&["its seal is broken", "credential update labs"]);
        let list = bench.json(&["credential", "list"]);
        assert_eq!((&list[0]["state"], &list[1]["state"]), (&"broken".into(), &"readable".into()), "{what}: {list:#}");
    }
    imported(&|lines| lines[labs]["value"]["version"] = 9.into());
    bench.run(&["sync", "now"]).exits(2).says(&["does not know (version 9)", "newer catalog-sync"]);
    assert_eq!(row(&bench, "labs")["state"], "unknown_version");
    given(&bench, &["credential", "update", "labs", "--stdin"], TOKEN).ok();
    bench.sync_exits(0);
}

// P6.10, P7.5: exports leave credentials out unless asked for, and then they need their key.
#[test]
fn exports_hold_credentials_only_when_asked_for_p6_10() {
    let bench = bench("auth: { credential: labs }");
    given(&bench, &["credential", "add", "labs", "--stdin"], TOKEN).ok();
    bench.sync_exits(0);
    bench.run(&["store", "export", "bare.jsonl"]).ok();
    bench.run(&["store", "export", "whole.jsonl", "--with-credentials"]).ok();
    assert!(!bench.read("bare.jsonl").contains("\"credentials\""));
    assert!(bench.read("whole.jsonl").contains(r#"{"book":"credentials","key":["labs"]"#));
    let key = bench.read("credentials.key");
    for name in ["bare.jsonl", "whole.jsonl"] {
        let text = bench.read(name);
        assert!(!text.contains("needle") && !text.contains(key.trim()), "{name}");
    }
    let moved = |export: &str| {
        std::fs::remove_dir_all(bench.path("data")).expect("a store");
        bench.run(&["store", "import", export]).ok();
    };
    moved("bare.jsonl");
    bench.run(&["sync", "now"]).exits(2).says(&["there is no credential `labs`"]);
    moved("whole.jsonl");
    bench.sync_exits(0);
}

// P6.10: everything under another key, a killed rekey included; exports of before need the old key.
#[test]
fn a_rekey_loses_nothing_wherever_it_ends_p6_10() {
    let mut bench = bench("auth: { credential: labs }");
    given(&bench, &["credential", "add", "labs", "--stdin"], TOKEN).ok();
    given(&bench, &["credential", "add", "other", "--kind", "basic", "--stdin"], "alice\nneedle").ok();
    let (old, before) = (bench.read("credentials.key"), row(&bench, "labs"));
    bench.run(&["credential", "rekey"]).ok().shows(&["labs", "other", "readable"]);
    let new = bench.read("credentials.key");
    assert_ne!(new, old);
    assert!(!bench.path("credentials.key.new").exists());
    let after = row(&bench, "labs");
    assert_ne!(after["key_id"], before["key_id"]);
    assert_eq!((&after["created_at"], &after["updated_at"]), (&before["created_at"], &before["updated_at"]));
    bench.sync_exits(0);

    // Killed before the records were written: the new key lies there, and nothing is under it.
    bench.file("credentials.key.new", &format!("{}\n", "22".repeat(32)));
    std::fs::set_permissions(bench.path("credentials.key.new"), PermissionsExt::from_mode(0o600)).expect("chmod");
    bench.sync_exits(0);
    // Killed after that: all is under the new key, which is not in its place. It is found, and a second rekey goes on.
    bench.run(&["credential", "rekey"]).ok();
    assert_eq!(bench.read("credentials.key").trim(), "22".repeat(32));
    std::fs::rename(bench.path("credentials.key"), bench.path("credentials.key.new")).expect("renamed");
    bench.file("credentials.key", &new);
    std::fs::set_permissions(bench.path("credentials.key"), PermissionsExt::from_mode(0o600)).expect("chmod");
    bench.sync_exits(0);
    assert_eq!(row(&bench, "labs")["state"], "readable");
    bench.run(&["credential", "rekey"]).ok();
    assert_eq!(bench.read("credentials.key").trim(), "22".repeat(32));
    bench.sync_exits(0);

    // Into a variable, naming the old key; a wrong old key changes nothing.
    let config = bench.read("catalog-sync.yaml");
    bench.config(&config.replace("{ file: ./credentials.key }", "{ env: CREDENTIALS_KEY }"));
    bench.env.push(("CREDENTIALS_KEY".to_owned(), "33".repeat(32)));
    bench.run(&["credential", "rekey"]).exits(2).says(&["--old-key-env", "--old-key-file"]);
    bench.file("wrong.key", &"44".repeat(32));
    std::fs::set_permissions(bench.path("wrong.key"), PermissionsExt::from_mode(0o600)).expect("chmod");
    bench.run(&["credential", "rekey", "--old-key-file", "wrong.key"]).exits(2).says(&["sealed under the key"]);
    bench.run(&["sync", "now"]).exits(2);
    bench.run(&["credential", "rekey", "--old-key-file", "credentials.key"]).ok();
    std::fs::remove_file(bench.path("credentials.key")).expect("a key");
    bench.sync_exits(0);
}

// P6.10, P7.5: through a running sidecar it is all the same, and it uses a new secret at once.
#[test]
fn a_sidecar_uses_an_update_without_a_restart_p6_10() {
    let bench = bench("auth: { credential: labs }");
    given(&bench, &["credential", "add", "labs", "--stdin"], "revoked-needle").ok();
    let sidecar = Sidecar::start(&bench);
    sidecar.until("its first sync was refused", || sidecar.log().contains("was refused (401)"));
    bench.simulator.reset_requests();
    bench.sync_exits(1);
    assert_eq!(bench.simulator.requests().total, 0, "what was refused is left alone");
    given(&bench, &["credential", "update", "labs", "--stdin"], TOKEN).ok();
    assert_eq!(bench.sync_exits(0)["repositories"]["seen"], 2);
    bench.run(&["check"]).ok().shows(&["credential 1 (labs)"]);
    given(&bench, &["credential", "add", "more", "--kind", "secret", "--stdin"], "needle").ok();
    assert_eq!(bench.json(&["credential", "list"]).as_array().map(Vec::len), Some(2));
    assert_eq!(row(&bench, "labs")["used_by"], json!(["connector acme"]));
    bench.run(&["credential", "rekey"]).ok();
    bench.sync_exits(0);
    bench.run(&["credential", "delete", "labs"]).exits(4).says(&["no terminal"]);
    bench.run(&["credential", "delete", "more"]).ok();
    let log = sidecar.log();
    assert!(!log.contains("needle"), "{log}");
    sidecar.stopped();
}

// P6.10: a variable needs a restart, a file does not; the sync that was refused says which, and names the place.
#[test]
fn a_refused_sync_says_how_its_secret_is_replaced_p6_10_p6_11() {
    let mut bench = Bench::of(&["payments-api"]);
    bench.env[0].1 = "revoked-needle".to_owned();
    let output = bench.run(&["sync", "now", "--output", "json"]).exits(1);
    let note = output.json()[0]["notes"].to_string();
    for part in
        ["connector acme: credential 1 (access_token) was refused (401)", "BITBUCKET_TOKEN", "start catalog-sync again"]
    {
        assert!(note.contains(part), "{note}");
        assert!(output.stderr.contains(part), "{}", output.stderr);
    }
    let id = output.json()[0]["id"].as_str().expect("an id").to_owned();
    bench.run(&["sync", "show", &id]).ok().shows(&["start catalog-sync again"]);
    let config = bench.read("catalog-sync.yaml");
    bench.config(&config.replace("{ env: BITBUCKET_TOKEN }", "{ file: ./token }"));
    bench.file("token", "revoked-needle");
    let note = bench.sync_exits(1)["notes"].to_string();
    assert!(note.contains("token is read again at each sync") && !note.contains("start catalog-sync again"), "{note}");
    // One of two is refused: the other carries the sync, and it is said all the same.
    bench.env[0].1 = crate::harness::TOKEN.to_owned();
    bench.config(&config.replace(
        "auth: { access_token: { env: BITBUCKET_TOKEN } }",
        "auth: [ { access_token: { env: BITBUCKET_TOKEN } }, { access_token: { file: ./token } } ]",
    ));
    let record = bench.run(&["sync", "now", "--output", "json"]).json()[0].take();
    assert!(record["notes"].to_string().contains("credential 2 (access_token) was refused (401)"), "{record:#}");
}

// P6.11: the day a stored credential ends is announced by check, in the log and with each sync.
#[test]
fn a_stored_credential_that_ends_soon_is_announced_p6_11() {
    let bench = bench("auth: { credential: labs }");
    let soon = (chrono::Utc::now().date_naive() + chrono::Duration::days(7)).to_string();
    given(&bench, &["credential", "add", "labs", "--stdin", "--expires", &soon], TOKEN).ok();
    let said = format!("expires in 7 days ({soon})");
    let output = bench.run(&["sync", "now", "--output", "json"]).ok();
    assert!(output.json()[0]["notes"].to_string().contains(&said), "{}", output.stdout);
    output.says(&["connector acme: credential 1 (labs)", &said]);
    bench.run(&["check"]).ok().shows(&["warning", &said]);
    // What the config says of the entry outranks it; a date that is past is said when it is given.
    let late = (chrono::Utc::now().date_naive() + chrono::Duration::days(90)).to_string();
    let config = bench.read("catalog-sync.yaml");
    bench.config(&config.replace("{ credential: labs }", &format!("{{ credential: labs, expires: {late} }}")));
    assert_eq!(bench.sync_exits(0).get("notes"), None);
    bench.run(&["credential", "update", "labs", "--keep-secret", "--expires", "2020-01-01"]).ok().says(&["ended on"]);
}

/// What the processes at work on this bench were called with, as everybody on this machine can read it.
fn arguments_of_processes(bench: &Bench) -> String {
    let here = bench.dir.path().display().to_string();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let arguments = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    let arguments = arguments.map(|bytes| String::from_utf8_lossy(&bytes).into_owned() + "\n");
    arguments.filter(|arguments| arguments.contains(&here)).collect()
}

// Invariant 8, P6.10: no output, log (also at its loudest), error, export, file or argument list holds a secret of any kind.
#[test]
fn no_secret_of_any_kind_is_anywhere_p6_10() {
    let port = logins::free_port();
    let bench = bench_with(
        vec![
            Credential::token(TOKEN),
            Credential::api_token(EMAIL, API_TOKEN),
            Credential::consumer(KEY, SECRET),
            logins::consumer(port),
        ],
        "auth: [ { credential: labs }, { credential: me }, { credential: app }, { credential: person } ]\n    webhook_secrets: [ { credential: hook } ]",
    );
    let mut outputs = Vec::new();
    let mut keep = |output: Output| outputs.push(output);
    let inputs = [
        ("labs", "access_token", TOKEN.to_owned()),
        ("me", "api_token", format!("{EMAIL}\n{API_TOKEN}")),
        ("app", "oauth", json!({"key": KEY, "secret": SECRET}).to_string()),
        ("dc", "basic", format!("needle-bob\n{PASSWORD}")),
        ("hook", "secret", "needle-hook".to_owned()),
    ];
    for (name, kind, input) in &inputs {
        keep(given(&bench, &["credential", "add", name, "--kind", kind, "--stdin", "-vvv"], input));
        keep(given(&bench, &["credential", "add", name, "--kind", kind, "--stdin", "-vvv"], input));
    }
    bench.file("consumer", &logins::given_consumer());
    let port = port.to_string();
    let login = Login::begun(&bench, &["person", "--port", &port, "--file", "consumer", "-vvv"]);
    let mut arguments = arguments_of_processes(&bench);
    assert!(arguments.contains("login"), "{arguments:?}");
    keep(login.granted().ok());
    let login = Login::begun(&bench, &["person", "--paste", "-vvv"]);
    let address = logins::sent_back(&login.url);
    keep(login.pasted(&address).ok());
    bench.simulator.order(Order::next(Fault::HtmlPage).at(Endpoint::Token));
    keep(Login::begun(&bench, &["person", "--port", &port, "-vvv"]).granted().exits(1));
    for bad in [r#"{"password": "needle""#, r#"{"password": ["needle"]}"#, "needle\nneedle\nneedle", "needle\u{7}"] {
        keep(given(&bench, &["credential", "add", "bad", "--stdin", "-vvv"], bad));
        keep(given(&bench, &["credential", "update", "dc", "--stdin", "-vvv"], bad));
    }
    let all = |keep: &mut dyn FnMut(Output)| {
        for args in [
            &["credential", "list"][..],
            &["credential", "info", "me"],
            &["credential", "info", "dc", "--output", "json"],
            &["check"],
            &["check", "--output", "json"],
            &["sync", "now"],
            &["sync", "now", "--full", "--log-format", "json"],
            &["store", "export", "-", "--with-credentials"],
            &["store", "check"],
        ] {
            keep(bench.run(&[args, &["-vvv"]].concat()));
        }
        for fault in [Fault::Status(401), Fault::Status(403), Fault::HtmlPage, Fault::ConnectionClosed] {
            bench.simulator.order(Order::always(fault));
            keep(bench.run(&["sync", "now", "--full", "-vvv"]));
            keep(bench.run(&["check", "-vvv"]));
            bench.simulator.clear_orders();
        }
        let body =
            json!({"type": "error", "error": {"message": format!("no {TOKEN} {EMAIL} {API_TOKEN} {KEY} {SECRET}")}});
        let echo = Fault::Answer { status: 400, content_type: "application/json".to_owned(), body: body.to_string() };
        bench.simulator.order(Order::always(echo).at(Endpoint::Repositories));
        keep(bench.run(&["sync", "now", "--full"]));
        bench.simulator.clear_orders();
    };
    all(&mut keep);
    // The same through a sidecar, whose log is at its loudest.
    let sidecar = Sidecar::with(&bench, &["-vvv"]);
    all(&mut keep);
    keep(given(&bench, &["credential", "update", "dc", "--stdin", "-vvv"], "needle-bob\nneedle-new"));
    keep(bench.run(&["credential", "rekey", "-vvv"]));
    arguments.push_str(&arguments_of_processes(&bench));
    assert!(arguments.contains("-vvv"), "the sidecar can be looked at: {arguments:?}");
    let log = sidecar.log();
    sidecar.stopped();

    use base64::Engine as _;
    let basic = |user: &str, secret: &str| base64::engine::general_purpose::STANDARD.encode(format!("{user}:{secret}"));
    let key = bench.read("credentials.key").trim().to_owned();
    let mut needles = vec!["needle".to_owned(), basic(EMAIL, API_TOKEN), basic(KEY, SECRET), key];
    // Codes, access tokens and refresh tokens, those that were exchanged long ago as well.
    let of_logins = bench.simulator.oauth_secrets();
    assert!(of_logins.len() > 8, "{}", of_logins.len());
    needles.extend(of_logins);
    let texts = outputs.iter().flat_map(|output| [&output.stdout, &output.stderr]).chain([&log, &arguments]);
    for text in texts {
        for needle in &needles {
            // An echoed error of somebody else is blotted out; so nothing is left of it at all.
            let line = text.lines().find(|line| line.contains(needle.as_str()));
            assert!(line.is_none(), "`{needle}` in: {line:?}");
        }
        assert!(!text.contains("panicked"), "{text}");
    }
    assert!(outputs.iter().all(|output| output.status.is_some()));
    for (name, bytes) in bench.files("data") {
        for needle in &needles {
            assert!(!bytes.windows(needle.len()).any(|window| window == needle.as_bytes()), "{name}");
        }
    }
}
