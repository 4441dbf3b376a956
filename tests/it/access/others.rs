//! What is another integration's: repositories that were handed over to it, rules files it lives by, entities of its
//! repositories. A token that does not see it neither changes them nor is told of them.

use catalog_sync::simulator::NewRepository;
use serde_json::{Value, json};

use super::http::{EDIT, bearer, command, send, start};
use crate::harness::{Bench, text, world};

const SCOPED: &str = "scoped-token-of-forty-characters-0123456789";
const EYES: &str = "scoped-eyes-of-forty-characters-0123456789-";
const NOBODY: &str = "token-of-nothing-of-forty-characters-012345";

/// `acme` and `labs` on one catalog; `guest` edits and `eyes` looks at `acme` alone, `nobody` sees none.
fn two(rules: [&str; 2]) -> Bench {
    let mut world = world();
    world.add_workspace("labs", "Labs");
    world.add_project("labs", "LAB", "Laboratory");
    for name in ["ledger", "web"] {
        world.add_repository("acme", NewRepository::named(name).in_project("PAY").with_commits(2));
    }
    world.add_repository("labs", NewRepository::named("beakers").in_project("LAB").with_commits(2));
    let mut bench = Bench::new(world);
    for (name, token) in
        [("EDIT_TOKEN", EDIT), ("SCOPED_TOKEN", SCOPED), ("EYES_TOKEN", EYES), ("NOBODY_TOKEN", NOBODY)]
    {
        bench.env.push((name.to_owned(), token.to_owned()));
    }
    bench.config(&format!(
        "\
server:
  edit_rules: true
  tokens:
    - {{ name: ops, role: edit, token: {{ env: EDIT_TOKEN }} }}
    - {{ name: guest, role: edit, integrations: [acme], token: {{ env: SCOPED_TOKEN }} }}
    - {{ name: eyes, role: view, integrations: [acme], token: {{ env: EYES_TOKEN }} }}
    - {{ name: nobody, role: edit, integrations: [none-*], token: {{ env: NOBODY_TOKEN }} }}
store: ./data
connectors:
  acme: {{ type: bitbucket_cloud, url: https://bitbucket.org/acme, api_url: {{api_url}}, auth: {{ access_token: {{ env: BITBUCKET_TOKEN }} }} }}
  labs: {{ type: bitbucket_cloud, url: https://bitbucket.org/labs, api_url: {{api_url}}, auth: {{ access_token: {{ env: BITBUCKET_TOKEN }} }} }}
catalogs:
  main: {{ directory: {{ path: ./catalog, new_entities: bitbucket, format: backstage }} }}
integrations:
  - {{ name: acme, connector: acme, catalog: main, rules: {} }}
  - {{ name: labs, connector: labs, catalog: main, rules: {} }}
",
        rules[0], rules[1]
    ));
    bench
}

fn ask(address: &str, token: &str, request: &Value) -> Value {
    let (status, event) = command(address, token, request);
    assert_eq!(status, 200, "{request} {event}");
    event
}

fn api(address: &str, token: &str, line: &str, body: &str) -> (u16, Value) {
    let headers = [("Authorization", &*bearer(token)), ("Content-Type", "application/json")];
    let reply = send(address, line, &headers, body);
    (reply.status, serde_json::from_str(&reply.body).unwrap_or(Value::Null))
}

// P7.4, P2.8: once a repository was transferred to where another integration looks after it, a token of the former one
// does nothing to it and reads nothing of it; whoever sees both finds it under its old name, too.
#[test]
fn a_repository_handed_over_is_out_of_reach_p7_4_p2_8() {
    let bench = two(["bitbucket-cloud", "bitbucket-cloud"]);
    bench.run(&["sync", "now"]).ok();
    let imported = bench.json(&["discovered", "import", "ledger", "web"]);
    let import = text(&imported, "/import_id").to_owned();
    let id = bench.json(&["imported", "show", "ledger"]);
    let id = text(&id, "/repository/id").to_owned();
    bench.simulator.world().transfer_repository("acme/ledger", "labs");
    for _ in 0..3 {
        bench.run(&["sync", "now"]).ok();
    }
    assert_eq!(bench.json(&["imported", "list", "-i", "labs"])[0]["repository"]["full_name"], "labs/ledger");
    let before = (bench.files("catalog"), bench.json(&["imported", "list"]));
    let (sidecar, address) = start(&bench);
    for name in [id.as_str(), "acme/ledger", "ledger", "labs/ledger"] {
        for request in [
            json!({ "command": "imported_unlink", "repositories": [name], "integration": null }),
            json!({ "command": "imported_unlink", "repositories": [name], "integration": "acme" }),
            json!({ "command": "discovered_ignore", "repositories": [name], "integration": null }),
            json!({ "command": "discovered_restore", "repositories": [name], "integration": "acme" }),
            json!({ "command": "imported_undo", "which": { "select": "repositories", "repositories": [name] }, "integration": null, "dry_run": false }),
            json!({ "command": "imported_show", "repository": name, "integration": null }),
            json!({ "command": "discovered_show", "repository": name, "integration": "acme" }),
            json!({ "command": "activity_commits", "repository": name, "integration": null, "limit": 3 }),
        ] {
            let event = ask(&address, SCOPED, &request);
            assert_eq!(event["event"], "failure", "{request} {event}");
            assert!(!event.to_string().replace("`labs/ledger`", "").contains("labs"), "{request} {event}");
        }
    }
    // Of an import of several, the part that is still theirs is taken back, and no other.
    let undo =
        |which: Value| json!({ "command": "imported_undo", "which": which, "integration": null, "dry_run": true });
    for which in
        [json!({ "select": "imports", "ids": [import] }), json!({ "select": "since", "at": "2020-01-01T00:00:00Z" })]
    {
        let event = ask(&address, SCOPED, &undo(which.clone()));
        let rows = event["data"]["data"]["rows"].as_array().unwrap_or_else(|| panic!("{event}"));
        let names: Vec<&str> = rows.iter().map(|row| text(row, "/repository/full_name")).collect();
        assert_eq!(names, ["acme/web"], "{which}");
    }
    assert_eq!((bench.files("catalog"), bench.json(&["imported", "list"])), before);
    // Its entity is labs' by now: there is one, and that is all.
    let show = json!({ "command": "entity_show", "entity": "component:default/ledger", "integration": null });
    let entity = ask(&address, SCOPED, &show);
    assert_eq!(entity["data"]["data"]["properties"], json!([["linked by", "another integration"]]), "{entity}");
    for word in ["labs", id.trim_matches(['{', '}']), "bitbucket.org"] {
        assert!(!entity.to_string().contains(word), "`{word}` is told: {entity}");
    }
    assert!(ask(&address, EDIT, &show).to_string().contains("labs/ledger"), "whoever sees both is told");
    let missing = json!({ "command": "entity_show", "entity": "group:default/shop", "integration": null });
    assert_eq!(ask(&address, EDIT, &missing)["data"]["exit"], "unknown");

    let shown = bench.json(&["imported", "show", "acme/ledger"]);
    assert_eq!((&shown["integration"], &shown["repository"]["full_name"]), (&json!("labs"), &json!("labs/ledger")));
    bench
        .run(&["imported", "unlink", "ledger", "-i", "acme"])
        .exits(2)
        .says(&["acme/ledger was transferred: acme looks after it no more", "labs looks after it now, as labs/ledger"]);
    sidecar.stopped();
}

// P7.4: rules are told as they are, and never written with other words in them; a file that an integration lives by which
// the writer does not see is not theirs to change, whatever path leads to it.
#[test]
fn rules_are_written_by_whom_they_concern_alone_p7_4() {
    const RULES: &str = "entity: repository\ncorrelation:\n  - { ingested: $.slug, operator: equals, trim_prefix: labs/legacy-, catalog: $.metadata.name } # labs/beakers\n";
    let bench = two(["./own.yaml", "./shared.yaml"]);
    bench.file("own.yaml", RULES);
    bench.file("shared.yaml", RULES);
    bench.run(&["sync", "now"]).ok();
    let (sidecar, address) = start(&bench);
    let path = "/api/v1/integrations/acme/rules";
    let (status, rules) = api(&address, SCOPED, &format!("GET {path}"), "");
    assert_eq!((status, &rules["text"], &rules["is_writable"]), (200, &json!(RULES), &json!(true)), "{rules}");
    let changed = format!("{RULES}# changed\n");
    let put = |token: &str, rules: &str, version: &Value| {
        let body = json!({ "rules": rules, "instead_of": version }).to_string();
        api(&address, token, &format!("PUT {path}"), &body)
    };
    assert_eq!(put(EYES, &changed, &rules["version"]).0, 403);
    let (status, written) = put(SCOPED, &changed, &rules["version"]);
    assert_eq!((status, bench.read("own.yaml")), (200, changed.clone()), "{written}");
    // What somebody else changed since is not written over.
    let (status, stale) = put(SCOPED, RULES, &rules["version"]);
    assert_eq!((status, bench.read("own.yaml")), (409, changed.clone()), "{stale}");
    assert_eq!(put(SCOPED, "entity: nonsense\n", &written["version"]).0, 400);
    assert_eq!(api(&address, SCOPED, "GET /api/v1/integrations/labs/rules", "").0, 404);
    assert_eq!(api(&address, NOBODY, &format!("GET {path}"), "").0, 404);

    // The other one's file by another path.
    std::fs::remove_file(bench.path("own.yaml")).expect("a file");
    std::os::unix::fs::symlink(bench.path("shared.yaml"), bench.path("own.yaml")).expect("a link");
    let (_, rules) = api(&address, SCOPED, &format!("GET {path}"), "");
    assert_eq!((&rules["text"], &rules["is_writable"]), (&json!(RULES), &json!(false)), "{rules}");
    let (status, refused) = put(SCOPED, &changed, &rules["version"]);
    assert_eq!((status, bench.read("shared.yaml")), (409, RULES.to_owned()), "{refused}");
    assert!(text(&refused, "/title").contains("an integration that you may not see"), "{refused}");
    let (_, rules) = api(&address, EDIT, &format!("GET {path}"), "");
    assert_eq!((put(EDIT, &changed, &rules["version"]).0, bench.read("shared.yaml")), (200, changed));
    sidecar.stopped();
}

// P7.4: a token that sees no integration is told so, and not that there is none; nobody who only looks spends requests.
#[test]
fn who_sees_nothing_is_told_so_and_who_looks_asks_nothing_p7_4() {
    let bench = two(["bitbucket-cloud", "bitbucket-cloud"]);
    bench.run(&["sync", "now"]).ok();
    let (sidecar, address) = start(&bench);
    let (status, problem) = api(&address, NOBODY, "GET /api/v1/integrations/acme", "");
    assert_eq!(status, 404);
    assert!(text(&problem, "/mend").contains("none that there is may be seen with this token"), "{problem}");
    let (_, problem) = api(&address, SCOPED, "GET /api/v1/integrations/labs", "");
    assert_eq!(problem["mend"], "you may see: acme");
    let mut asking = bench.command(&["--server", &format!("http://{address}"), "integration", "list"]);
    asking.env("CATALOG_SYNC_TOKEN", NOBODY);
    crate::harness::output(&mut asking).ok().shows(&["no integration to be seen with this token"]);

    let requests = bench.simulator.requests().total;
    let (status, problem) = api(&address, EYES, "GET /api/v1/webhooks", "");
    assert_eq!((status, &problem["title"]), (403, &json!("eyes may look at what is known here, not ask Bitbucket")));
    let list = json!({ "command": "webhook", "deed": "list", "integrations": [] });
    assert_eq!(ask(&address, EYES, &list)["data"]["exit"], "forbidden");
    assert_eq!(bench.simulator.requests().total, requests);
    sidecar.stopped();
}

// P7.4: whoever listens to events is asked for again: a token that is gone, or sees less, hears no more.
#[test]
fn a_stream_ends_with_the_token_p7_4() {
    use std::io::{BufRead as _, BufReader, Write as _};
    let bench = two(["bitbucket-cloud", "bitbucket-cloud"]);
    bench.run(&["sync", "now"]).ok();
    let (sidecar, address) = start(&bench);
    let listen = |token: &str| {
        let mut stream = std::net::TcpStream::connect(&address).expect("it listens");
        let head = format!(
            "GET /api/v1/events HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).expect("sent");
        let mut lines = BufReader::new(stream).lines();
        // Said at once.
        assert!(lines.any(|line| line.expect("a line").contains("from now on")));
        lines
    };
    let (guest, ops) = (listen(SCOPED), listen(EDIT));
    let config = bench.read("catalog-sync.yaml");
    let without: Vec<&str> = config.lines().filter(|line| !line.contains("name: guest")).collect();
    bench.file("catalog-sync.yaml", &(without.join("\n") + "\n"));
    // It ends by itself.
    let heard: Vec<String> = guest.map(|line| line.expect("a line")).collect();
    assert!(!heard.iter().any(|line| line.contains("labs")), "{heard:?}");
    // The other one goes on.
    bench.run(&["sync", "now", "labs"]).ok();
    let mut ops = ops.map(|line| line.expect("a line"));
    assert!(ops.any(|line| line.contains("event: ended")));
    // A scope that becomes narrower counts for those that listen, too.
    let narrowed = bench
        .read("catalog-sync.yaml")
        .replace("{ name: ops, role: edit,", "{ name: ops, role: edit, integrations: [labs],");
    bench.file("catalog-sync.yaml", &narrowed);
    sidecar.until("the scope counts", || api(&address, EDIT, "GET /api/v1/integrations/acme", "").0 == 404);
    let still_hears_acme = |ops: &mut dyn Iterator<Item = String>| {
        bench.run(&["sync", "now", "acme"]).ok();
        bench.run(&["sync", "now", "labs"]).ok();
        let is_end_of_labs = |line: &String| line.contains("\"outcome\"") && line.contains("\"integration\":\"labs\"");
        let heard: Vec<String> = ops.take_while(|line| !is_end_of_labs(line)).collect();
        heard.iter().any(|line| line.contains("\"integration\":\"acme\""))
    };
    assert!((0..60).any(|_| !still_hears_acme(&mut ops)), "it hears what it may not see any more");
    sidecar.stopped();
}
