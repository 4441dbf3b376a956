//! A token of one integration: nothing of another is told by any command, nor changed.

use serde_json::{Value, json};

use super::http::{bench, command, start};
use crate::harness::Bench;
use crate::sidecar::process::Sidecar;

const SCOPED: &str = "scoped-token-of-forty-characters-0123456789";
const EDIT: &str = super::http::EDIT;

/// Two integrations on one catalog: `acme` of the workspace acme, `labs` of the workspace labs. `ops` sees both,
/// `guest` sees `labs` alone.
fn two() -> Bench {
    use catalog_sync::simulator::NewRepository;
    let mut world = crate::harness::world();
    world.add_workspace("labs", "Labs");
    world.add_project("labs", "LAB", "Laboratory");
    for name in ["secret-plans", "shared-name"] {
        world.add_repository("acme", NewRepository::named(name).with_commits(3));
    }
    for name in ["beakers", "shared-name"] {
        world.add_repository("labs", NewRepository::named(name).in_project("LAB").with_commits(3));
    }
    let mut bench = Bench::new(world);
    bench.env.push(("EDIT_TOKEN".to_owned(), EDIT.to_owned()));
    bench.env.push(("SCOPED_TOKEN".to_owned(), SCOPED.to_owned()));
    bench.config(
        "\
server:
  tokens:
    - { name: ops, role: edit, token: { env: EDIT_TOKEN } }
    - { name: guest, role: edit, integrations: [\"la*\"], token: { env: SCOPED_TOKEN } }
store: ./data
connectors:
  acme: { type: bitbucket_cloud, url: https://bitbucket.org/acme, api_url: {api_url}, auth: { access_token: { env: BITBUCKET_TOKEN } } }
  labs: { type: bitbucket_cloud, url: https://bitbucket.org/labs, api_url: {api_url}, auth: { access_token: { env: BITBUCKET_TOKEN } } }
catalogs:
  main: { directory: { path: ./catalog, new_entities: bitbucket, format: backstage } }
integrations:
  - { name: acme, connector: acme, catalog: main }
  - { name: labs, connector: labs, catalog: main }
",
    );
    bench.component("shared-name");
    bench
}

fn ask(address: &str, token: &str, request: &Value) -> Value {
    let (status, event) = command(address, token, request);
    assert_eq!(status, 200, "{request} {event}");
    event
}

/// Nothing of acme is in what the guest is told.
#[track_caller]
fn tells_nothing(event: &Value, of: &Value) {
    let text = event.to_string();
    for word in ["acme", "secret-plans", "\"ops\""] {
        assert!(!text.contains(word), "`{word}` is told by {of}: {text}");
    }
}

// security.md, API: lists, search, explanations, activity, history and audit hold nothing of another integration.
#[test]
fn a_scoped_token_is_told_nothing_of_another_integration_p7_4() {
    let bench = two();
    bench.run(&["sync", "now"]).ok();
    let (sidecar, address) = start(&bench);
    let syncs = ask(&address, EDIT, &json!({ "command": "sync_history", "integration": null, "limit": 9 }));
    let of = |name: &str| {
        let records = syncs["data"]["data"].as_array().expect("syncs");
        records
            .iter()
            .find(|record| record["integration"] == name)
            .and_then(|record| record["id"].as_str())
            .expect("a sync")
            .to_owned()
    };
    ask(
        &address,
        EDIT,
        &json!({ "command": "discovered_ignore", "repositories": ["secret-plans"], "integration": "acme" }),
    );
    ask(&address, EDIT, &json!({ "command": "integration_auto_import", "name": "labs", "on": false }));
    let list = |search: Value| json!({ "command": "discovered_list", "integration": null, "action": null, "state": "all", "search": search });
    for request in [
        json!({ "command": "integration_list", "name": null }),
        list(Value::Null),
        list(json!("shared")),
        json!({ "command": "imported_list", "integration": null, "search": null }),
        json!({ "command": "sync_history", "integration": null, "limit": 9 }),
        json!({ "command": "sync_show", "id": of("labs") }),
        json!({ "command": "discovered_show", "repository": "shared-name", "integration": null }),
        json!({ "command": "discovered_show", "repository": "beakers", "integration": null }),
        json!({ "command": "activity_commits", "repository": "shared-name", "integration": null, "limit": 3 }),
        json!({ "command": "activity_pull_requests", "repository": "shared-name", "integration": null, "limit": 3 }),
    ] {
        let event = ask(&address, SCOPED, &request);
        assert_eq!(event["event"], "answer", "{request} {event}");
        tells_nothing(&event, &request);
    }
    let rows = ask(&address, SCOPED, &list(Value::Null));
    assert_eq!(rows["data"]["data"].as_array().map(Vec::len), Some(2), "{rows}");
    // The rival for the entity is of the other integration: that there is one is told, not which.
    let explained = ask(
        &address,
        SCOPED,
        &json!({ "command": "discovered_show", "repository": "shared-name", "integration": "labs" }),
    );
    assert!(explained.to_string().contains("another integration"), "{explained}");
    let whole = ask(
        &address,
        EDIT,
        &json!({ "command": "discovered_show", "repository": "shared-name", "integration": "labs" }),
    );
    assert!(whole.to_string().contains("acme/shared-name"), "whoever sees both is told: {whole}");
    // What is not theirs is not there, and what belongs to all is refused.
    for request in [
        json!({ "command": "integration_list", "name": "acme" }),
        json!({ "command": "sync_history", "integration": "acme", "limit": 9 }),
        json!({ "command": "discovered_show", "repository": "secret-plans", "integration": null }),
        json!({ "command": "discovered_show", "repository": "shared-name", "integration": "acme" }),
        json!({ "command": "imported_show", "repository": "secret-plans", "integration": null }),
        json!({ "command": "activity_commits", "repository": "secret-plans", "integration": null, "limit": 3 }),
        json!({ "command": "sync_show", "id": of("acme") }),
        json!({ "command": "store_check" }),
        json!({ "command": "store_export", "of": "without_credentials" }),
        json!({ "command": "credential_list", "name": null }),
        json!({ "command": "credential_records" }),
        json!({ "command": "audit_list", "before": null, "by": null, "integration": "acme", "limit": 9 }),
    ] {
        let event = ask(&address, SCOPED, &request);
        assert_eq!(event["event"], "failure", "{request} {event}");
        // What was asked for is said back; nothing else is.
        let text = event.to_string().replace("`acme`", "").replace("`secret-plans`", "");
        assert!(!text.contains("acme") && !text.contains("secret-plans"), "{request} {event}");
    }
    let acts = ask(
        &address,
        SCOPED,
        &json!({ "command": "audit_list", "before": null, "by": null, "integration": null, "limit": 9 }),
    );
    let acts = acts["data"]["data"].as_array().expect("a list").clone();
    assert_eq!(acts.len(), 1, "{acts:?}");
    assert_eq!(acts[0]["integrations"], json!(["labs"]));
    sidecar.stopped();
}

// security.md, API: nor does it change anything of another integration.
#[test]
fn a_scoped_token_changes_nothing_of_another_integration_p7_4() {
    let bench = two();
    bench.run(&["sync", "now"]).ok();
    let before = bench.files("catalog");
    let (sidecar, address) = start(&bench);
    let named = |name: &str, integration: Value| json!({ "select": "named", "repositories": [name], "integration": integration });
    let options = json!({ "into": null, "kind": null, "type": null, "dry_run": false });
    for request in [
        json!({ "command": "integration_suspend", "name": "acme", "suspended": true }),
        json!({ "command": "integration_auto_import", "name": "acme", "on": true }),
        json!({ "command": "integration_delete", "name": "acme", "dry_run": false }),
        json!({ "command": "sync_now", "integrations": ["acme"], "dry_run": false, "full": false }),
        json!({ "command": "discovered_import", "selection": named("secret-plans", Value::Null), "options": options }),
        json!({ "command": "discovered_import", "selection": named("shared-name", json!("acme")), "options": options }),
        json!({ "command": "discovered_ignore", "repositories": ["secret-plans"], "integration": null }),
        json!({ "command": "discovered_restore", "repositories": ["secret-plans"], "integration": null }),
        json!({ "command": "imported_unlink", "repositories": ["secret-plans"], "integration": null }),
    ] {
        let event = ask(&address, SCOPED, &request);
        assert_eq!(event["event"], "failure", "{request} {event}");
    }
    assert_eq!(bench.files("catalog"), before);
    // A plan of the other integration is not theirs either.
    let dry = json!({ "into": null, "kind": null, "type": null, "dry_run": true });
    let plan = ask(
        &address,
        EDIT,
        &json!({ "command": "discovered_import", "selection": named("secret-plans", Value::Null), "options": dry }),
    );
    let id = plan["data"]["data"]["plan_id"].as_str().expect("a plan").to_owned();
    let stolen = ask(
        &address,
        SCOPED,
        &json!({ "command": "discovered_import", "selection": { "select": "plan", "id": id }, "options": options }),
    );
    assert_eq!(stolen["event"], "failure", "{stolen}");
    tells_nothing(&stolen, &json!("a plan"));
    assert_eq!(bench.files("catalog"), before);
    // Everything that a filter matches is everything they see.
    let all =
        json!({ "select": "matching", "integration": null, "action": "register", "state": "pending", "search": null });
    let imported =
        ask(&address, SCOPED, &json!({ "command": "discovered_import", "selection": all, "options": options }));
    tells_nothing(&imported, &json!("an import of all"));
    let rows = imported["data"]["data"]["rows"].as_array().expect("rows").clone();
    assert_eq!(
        rows.iter().map(|row| row["repository"]["full_name"].as_str().unwrap_or_default()).collect::<Vec<_>>(),
        ["labs/beakers"]
    );
    let synced =
        ask(&address, SCOPED, &json!({ "command": "sync_now", "integrations": [], "dry_run": false, "full": false }));
    tells_nothing(&synced, &json!("a sync of all"));
    sidecar_is_sound(sidecar);
}

fn sidecar_is_sound(sidecar: Sidecar<'_>) {
    assert!(!sidecar.log().contains("unexpectedly"), "{}", sidecar.log());
    sidecar.stopped();
}

#[test]
fn a_glob_that_is_none_is_told_p7_4() {
    let bench = bench("{ tokens: [ { name: ops, role: edit, integrations: [\"a[\"], token: { env: EDIT_TOKEN } } ] }");
    bench.run(&["check", "--offline"]).exits(2).says(&["`a[` is not a glob"]);
}
