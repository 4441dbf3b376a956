//! The table, the document and the page tell the same.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;

/// Every reference in a document.
fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

// P7.2: each route of the table is in the document, each route of the document in the table; every reference leads
// somewhere; ids of operations are unique.
#[test]
fn the_document_and_the_table_are_one_p7_2() {
    let table = table();
    let document = openapi::document(&table);
    let in_table: BTreeSet<(String, String)> =
        table.iter().map(|route| (format!("{BASE}{}", route.path), route.method.as_str().to_lowercase())).collect();
    assert_eq!(in_table.len(), table.len(), "no route twice");
    let paths = document["paths"].as_object().unwrap();
    let in_document: BTreeSet<(String, String)> = paths
        .iter()
        .flat_map(|(path, methods)| methods.as_object().unwrap().keys().map(|method| (path.clone(), method.clone())))
        .collect();
    assert_eq!(in_document, in_table);
    let operations = paths.values().flat_map(|methods| methods.as_object().unwrap().values());
    let ids: BTreeSet<&str> = operations.map(|operation| operation["operationId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), table.len());
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} leads outside"));
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    for route in &table {
        assert!(
            !route.tag.is_empty() && route.summary.ends_with('.'),
            "{} {}: say what it does",
            route.method,
            route.path
        );
    }
}

// P7.2: the document is valid OpenAPI as far as JSON Schema goes: each schema compiles, references resolved.
#[test]
fn every_schema_of_the_document_compiles_p7_2() {
    let document = openapi::document(&table());
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        let schema = serde_json::json!({
            "$ref": format!("#/components/schemas/{name}"),
            "components": document["components"].clone(),
        });
        jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

// P7.2: the page names every route.
#[test]
fn the_page_names_every_route_p7_2() {
    let table = table();
    let sections = page::sections();
    let shown: Vec<(&str, &str)> = sections
        .iter()
        .flat_map(|section| section.routes.iter().map(|route| (route.method.as_str(), route.path)))
        .collect();
    let all: Vec<(&str, &str)> = table.iter().map(|route| (route.method.as_str(), route.path)).collect();
    assert_eq!(shown, all);
    let is_code = |part: &page::Part| part.is_code && part.text.contains('`');
    assert!(!sections.iter().flat_map(|section| &section.routes).flat_map(|route| &route.summary).any(is_code));
}

/// Each request there can be, and the route that asks it; or why only the command line does.
const REQUESTS: &[(&str, Result<&str, &str>)] = &[
    ("sync_now", Ok("POST /syncs")),
    ("sync_history", Ok("GET /syncs")),
    ("sync_show", Ok("GET /syncs/{id}")),
    ("sync_cancel", Ok("POST /syncs/{id}/cancel")),
    ("sync_approve", Ok("POST /syncs/{id}/approve")),
    ("discovered_list", Err("the API tells it in pages: discovered_page")),
    ("discovered_page", Ok("GET /discovered")),
    ("imported_page", Ok("GET /imported")),
    ("discovered_show", Ok("GET /discovered/{repository}")),
    ("discovered_import", Ok("POST /imports")),
    ("discovered_ignore", Ok("POST /discovered/ignore")),
    ("discovered_restore", Ok("POST /discovered/restore")),
    ("imported_list", Err("the API tells it in pages: imported_page")),
    ("imported_show", Ok("GET /imported/{repository}")),
    ("imported_unlink", Ok("POST /imported/unlink")),
    ("imported_undo", Ok("POST /imported/undo")),
    ("rules_check", Ok("POST /rules/check")),
    ("rules_preview", Ok("POST /rules/preview")),
    ("rules_show", Ok("GET /integrations/{name}/rules")),
    ("rules_write", Ok("PUT /integrations/{name}/rules")),
    ("report", Ok("GET /report")),
    ("integration_list", Ok("GET /integrations")),
    ("integration_suspend", Ok("POST /integrations/{name}/suspend")),
    ("integration_auto_import", Ok("PUT /integrations/{name}/auto-import")),
    ("integration_delete", Ok("DELETE /integrations/{name}")),
    ("activity_pull_requests", Ok("GET /repositories/{repository}/pull-requests")),
    ("activity_commits", Ok("GET /repositories/{repository}/commits")),
    ("activity_details", Ok("GET /repositories/{repository}/details/{kind}")),
    ("activity_users", Ok("GET /users")),
    ("integration_create", Ok("PUT /integrations/{name}")),
    ("integration_draft", Ok("POST /integrations/{name}/draft")),
    ("activity_weeks", Ok("GET /repositories/{repository}/activity/weeks")),
    ("entity_show", Ok("GET /entities/{entity}")),
    ("entity_search", Ok("GET /entities")),
    ("audit_list", Ok("GET /audit")),
    ("store_check", Ok("POST /store/check")),
    ("store_export", Ok("GET /store/export")),
    ("credential_list", Ok("GET /credentials")),
    ("credential_records", Err("sealed records are of use to who has the key, on the host that has it")),
    ("credential_change", Ok("PUT /credentials/{name}")),
    (
        "credential_renew",
        Err("between processes of one host: the one that holds the store renews logins for the others"),
    ),
    ("webhook", Ok("GET /webhooks")),
    ("webhook_deliveries", Ok("GET /webhooks/deliveries")),
    ("credential_delete", Ok("DELETE /credentials/{name}")),
];

// P7.2: whatever can be asked has a route, or a reason why not. `store import` is no request: it makes a store, which no
// sidecar can have by then.
#[test]
fn every_request_has_a_route_p7_2() {
    // Whoever reads a request of no kind says which kinds there are.
    let error = serde_json::from_str::<crate::commands::request::Request>(r#"{"command":"none"}"#).unwrap_err();
    let error = error.to_string();
    let (_, kinds) = error.split_once("expected one of ").expect("the kinds");
    let kinds: BTreeSet<&str> = kinds.split('`').skip(1).step_by(2).collect();
    let told: BTreeSet<&str> = REQUESTS.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, told, "say by which route it is asked, or why by none");
    let routes: BTreeSet<String> = table().iter().map(|route| format!("{} {}", route.method, route.path)).collect();
    for (kind, by) in REQUESTS {
        match by {
            Ok(route) => assert!(routes.contains(*route), "{kind}: there is no {route}"),
            Err(reason) => assert!(!reason.is_empty(), "{kind}"),
        }
    }
}

// P7.2: whatever the command line can ask, the API can: a command without a route is found here.
#[test]
fn every_command_has_a_route_p7_2() {
    let routes: Vec<String> = table().iter().map(|route| route.command.to_owned()).collect();
    // Of this machine, or of the process itself.
    let not_here = [
        "demo",
        "init",
        "run",
        "store import",
        "credential login",
        "credential rekey",
        "simulate",
        "config schema",
        "completions",
        "man",
        "version",
        // Under the route of another: PUT adds and replaces, the optional kinds have one.
        "credential update",
        "activity commit-files",
        "activity pull-request-files",
        "activity pipelines",
        "activity builds",
    ];
    let mut missing = Vec::new();
    let cli = <crate::cli::args::Cli as clap::CommandFactory>::command();
    for command in cli.get_subcommands().filter(|command| command.get_name() != "help") {
        let leaves: Vec<String> = match command.get_subcommands().next() {
            None => vec![command.get_name().to_owned()],
            Some(_) => command
                .get_subcommands()
                .filter(|sub| sub.get_name() != "help")
                .map(|sub| format!("{} {}", command.get_name(), sub.get_name()))
                .collect(),
        };
        missing.extend(leaves.into_iter().filter(|leaf| !not_here.contains(&leaf.as_str()) && !routes.contains(leaf)));
    }
    assert!(missing.is_empty(), "these commands have no route: {missing:?}");
}
