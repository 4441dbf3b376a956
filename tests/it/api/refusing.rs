//! Bad input: each refusal has its status and says what to do; none is an error of the server.

use serde_json::json;

use super::client::{Client, OPS, bench, synced};

// P4.1, P7.2: cursors, parameters, methods, types and bodies that cannot be meant.
#[test]
fn bad_input_is_refused_in_words_p7_2() {
    let bench = bench(&["ledger", "web"]);
    let sidecar = synced(&bench);
    let client = Client::new(&bench, Some(OPS));
    let one = client.read("/discovered?limit=1");
    let cursor = one["next"].as_str().expect("a second page");
    for query in [
        "cursor=nonsense",
        "cursor=",
        "cursor=%00",
        &format!("cursor={cursor}&sort=kind"),
        &format!("cursor={cursor}&order=descending"),
        &format!("cursor={}", &cursor[..cursor.len() - 3]),
        &format!("cursor={}", "A".repeat(20_000)),
        "limit=0",
        "limit=201",
        "limit=-1",
        "limit=many",
        "action=nothing",
        "state=nowhere",
        "sort=colour",
        "order=up",
        "colour=red",
        "limit=1&limit=2",
        &format!("search={}", "x".repeat(2_000)),
    ] {
        client.get(&format!("/discovered?{query}")).problem(400);
    }
    client.get(&format!("/imported?cursor={cursor}")).problem(400);
    client.get("/integrations?colour=red").problem(400);
    client.get("/discovered/%ff").problem(400);
    client.get("/syncs?limit=5000").problem(400);

    for path in ["/nowhere", "/api/v2/integrations", "/api/v1", "/integrations/acme/nowhere"] {
        client.get(path).problem(404);
    }
    for path in [
        "/integrations/nobody",
        "/discovered/nobody",
        "/imported/nobody",
        "/imported/web",
        "/syncs/01NOBODY",
        "/syncs/01NOBODY/events",
        "/imports/01NOBODY",
        "/imports/01NOBODY/events",
        "/repositories/nobody/commits",
        "/repositories/web/details/colours",
        "/discovered?integration=nobody",
    ] {
        client.get(path).problem(404);
    }
    for (method, path, allowed) in [
        ("DELETE", "/discovered", "GET"),
        ("POST", "/integrations/acme", "GET, PUT, DELETE"),
        ("GET", "/imports/preview", "POST"),
        ("PATCH", "/syncs", "GET, POST"),
        ("TRACE", "/events", "GET"),
        ("POST", "/api/openapi.json", "GET"),
        ("PUT", "/api", "GET"),
    ] {
        let reply = client.send(client.request(method, path));
        reply.problem(405);
        assert_eq!(reply.allow.as_deref(), Some(allowed), "{method} {path}");
    }

    let post = |path: &str, content_type: Option<&str>, body: &str| {
        let request = client.request("POST", path).body(body.to_owned());
        client.send(match content_type {
            Some(content_type) => request.header("content-type", content_type),
            None => request,
        })
    };
    let json = Some("application/json");
    for content_type in [Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/jsonp"), None]
    {
        post("/discovered/ignore", content_type, "{}").problem(415);
    }
    for body in ["{", "[1,", "\"", "nonsense", "{\"repositories\": [\"web\"]} more", &"[".repeat(5_000)] {
        let reply = post("/discovered/ignore", json, body);
        assert!([400, 422].contains(&reply.status), "{body:.40}: {reply:?}");
        reply.problem(reply.status);
    }
    for body in [
        "{}",
        "[]",
        "null",
        "{\"repositories\": \"web\"}",
        "{\"repositories\": [1]}",
        "{\"repositories\": []}",
        "{\"repositories\": [\"web\"], \"colour\": 1}",
    ] {
        post("/discovered/ignore", json, body).problem(422);
    }
    for body in [
        json!({}),
        json!({"repositories": ["web"], "plan": "x"}),
        json!({"filter": {"state": "ignored"}}),
        json!({"filter": {"action": "explode"}}),
        json!({"repositories": vec!["web"; 5_001]}),
    ] {
        client.post("/imports", &body).problem(422);
        client.post("/imports/preview", &body).problem(422);
    }
    client.post("/imports", &json!({"plan": "01NOBODY"})).problem(404);
    client.post("/imports", &json!({"repositories": ["nobody"]})).problem(404);
    client.post("/imports", &json!({"filter": {"integration": "nobody"}})).problem(404);
    client.post("/discovered/ignore", &json!({"repositories": ["nobody"]})).problem(404);
    post("/imports", json, &format!("{{\"plan\": \"{}\"}}", "x".repeat(1_100_000))).problem(413);
    assert_eq!(client.read("/discovered")["total"], 2, "nothing of this was done");
    sidecar.stopped();
    assert!(!bench.read("log").contains("panicked"));
}

// P2.5, P2.7, P4.13: what is refused as things are is 409 with the reason; a deleted integration is not known any more.
#[test]
fn what_cannot_be_now_is_a_conflict_p2_5_p2_7() {
    let bench = bench(&["ledger", "web"]);
    let sidecar = synced(&bench);
    let client = Client::new(&bench, Some(OPS));
    let post = |path: &str| client.send(client.request("POST", path));
    assert_eq!(post("/integrations/acme/suspend").is(200).json()["state"], "suspended");
    let refused = post("/integrations/acme/sync").problem(409);
    assert!(refused["title"].as_str().is_some_and(|title| title.contains("suspended")), "{refused}");
    assert_eq!(post("/integrations/acme/resume").is(200).json()["state"], "active");
    let on = client.send(client.request("PUT", "/integrations/acme/auto-import").json(&json!({"on": true})));
    assert_eq!(on.is(200).json()["auto_import"], true);
    let lost = client.send(client.request("DELETE", "/integrations/acme?dry_run=true")).is(200).json();
    assert_eq!((&lost["repositories"], &lost["dry_run"]), (&json!(2), &json!(true)));
    client.post("/imports", &json!({"repositories": ["web"]})).is(202);
    client.until("/imported", |page| page["total"] == 1);
    client.post("/discovered/ignore", &json!({"repositories": ["web"]})).problem(409);

    // It leaves the config, and is forgotten; whoever has its page open is told.
    let config = bench.read("catalog-sync.yaml");
    let config = config.replace("  main:", "  golden:").replace("catalog: main", "catalog: golden");
    bench.file("catalog-sync.yaml", &config.replace("name: acme\n", "name: other\n"));
    client.until("/integrations", |rows| rows[1]["state"] == "orphaned");
    client.get("/discovered?integration=acme").problem(404);
    client.send(client.request("DELETE", "/integrations/acme")).is(200);
    client.get("/integrations/acme").problem(404);
    client.send(client.request("DELETE", "/integrations/acme")).problem(404);
    sidecar.stopped();
}
