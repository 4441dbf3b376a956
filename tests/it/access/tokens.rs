//! Tokens: who is known, what the two roles may, and when a token counts no more.

use serde_json::json;

use super::http::{EDIT, TOKENS, VIEW, bearer, bench, command, list, send, serve, start, suspend};

// P7.4: nobody without a token, on no route; programs are told how, people are led to the login page.
#[test]
fn nobody_comes_in_without_a_token_p7_4() {
    let bench = bench(&format!("{{ {TOKENS} }}"));
    let (sidecar, address) = start(&bench);
    let wrong = bearer("a-token-that-nobody-has-given-to-anybody");
    let run = bearer(&format!("{}x", "0".repeat(63)));
    for shown in
        [None, Some(wrong.as_str()), Some("Bearer"), Some("Bearer "), Some("Basic b3BzOng="), Some(run.as_str())]
    {
        let headers: Vec<(&str, &str)> = shown.map(|value| ("Authorization", value)).into_iter().collect();
        for line in [
            "GET /api/v1/integrations",
            "POST /api/v1/command",
            "GET /api/openapi.json",
            "DELETE /api/v1/integrations/acme",
            "GET /api/v1/nothing-like-this",
            "PATCH /api/v1/command",
        ] {
            let reply = send(&address, line, &headers, "").expect_problem(401);
            // A wrong one is told from none, and nothing else.
            let is_shown = [Some(wrong.as_str()), Some(run.as_str())].contains(&shown);
            let (what, how) = match is_shown {
                true => ("this token is none we know", "Bearer realm=\"catalog-sync\", error=\"invalid_token\""),
                false => ("nobody we know: a token is needed", "Bearer realm=\"catalog-sync\""),
            };
            assert_eq!(reply.header("www-authenticate"), how, "{line} {shown:?}");
            assert!(reply.body.contains(what), "{line} {shown:?} {}", reply.body);
        }
        for page in ["/", "/i/acme/discovered", "/audit", "/nothing-like-this"] {
            let reply = send(&address, &format!("GET {page}"), &headers, "").is(303);
            assert!(reply.header("location").starts_with("/login"), "{reply:?}");
        }
        let part = [headers.clone(), vec![("HX-Request", "true")]].concat();
        assert_eq!(send(&address, "GET /audit", &part, "").is(401).header("hx-redirect"), "/login");
    }
    let wanted = send(&address, "GET /i/acme/discovered?q=a%20b", &[], "").is(303);
    assert_eq!(wanted.header("location"), "/login?next=%2Fi%2Facme%2Fdiscovered%3Fq%3Da%2520b");
    assert_eq!(send(&address, "POST /logout-of-nothing", &[], "").is(303).header("location"), "/login");
    // Health is nobody's secret.
    send(&address, "GET /healthz", &[], "").is(200);
    assert_eq!(command(&address, EDIT, &list()).0, 200);
    let log = sidecar.log();
    sidecar.stopped();
    assert!(!log.contains(EDIT) && !log.contains("nobody-has-given"), "{log}");
}

// P7.4: `view` reads, `edit` changes; by every command that there is for it.
#[test]
fn a_view_token_reads_and_changes_nothing_p7_4() {
    let bench = bench(&format!("{{ {TOKENS} }}"));
    bench.sync_exits(0);
    let before = bench.files("catalog");
    let (sidecar, address) = start(&bench);
    for read in [
        list(),
        json!({ "command": "sync_history", "integration": null, "limit": 9 }),
        json!({ "command": "discovered_list", "integration": null, "action": null, "state": null, "search": null }),
        json!({ "command": "discovered_show", "repository": "ledger", "integration": null }),
        json!({ "command": "imported_list", "integration": null, "search": null }),
        json!({ "command": "activity_commits", "repository": "ledger", "integration": null, "limit": 9 }),
        json!({ "command": "audit_list", "before": null, "by": null, "integration": null, "limit": 9 }),
        json!({ "command": "store_check" }),
    ] {
        let (status, event) = command(&address, VIEW, &read);
        assert_eq!((status, &event["event"]), (200, &json!("answer")), "{read} {event}");
    }
    for change in [
        json!({ "command": "sync_now", "integrations": [], "dry_run": false, "full": false }),
        json!({ "command": "sync_approve", "id": "01" }),
        json!({ "command": "discovered_import", "selection": { "select": "named", "repositories": ["ledger"], "integration": null }, "options": { "into": null, "kind": null, "type": null, "dry_run": false } }),
        json!({ "command": "discovered_ignore", "repositories": ["ledger"], "integration": null }),
        json!({ "command": "discovered_restore", "repositories": ["ledger"], "integration": null }),
        json!({ "command": "imported_unlink", "repositories": ["ledger"], "integration": null }),
        suspend(),
        json!({ "command": "integration_auto_import", "name": "acme", "on": true }),
        json!({ "command": "integration_delete", "name": "acme", "dry_run": false }),
        json!({ "command": "credential_delete", "name": "acme", "dry_run": false }),
    ] {
        let (status, event) = command(&address, VIEW, &change);
        assert_eq!((status, &event["event"]), (200, &json!("failure")), "{change} {event}");
        assert_eq!(event["data"]["what"], "eyes may look, not change", "{change}");
    }
    assert_eq!(bench.files("catalog"), before);
    assert_eq!(command(&address, EDIT, &suspend()).1["data"]["data"][0]["state"], "suspended");
    sidecar.stopped();
}

// P7.4, contract.md: a `file` token is read again when it changes, a reload adds and removes tokens; a short one and
// one without a value let nobody in.
#[test]
fn tokens_change_without_a_restart_p7_4() {
    let bench = bench("{ tokens: [ { name: ops, role: edit, token: { file: ./ops.token } } ] }");
    let (first, second) = ("first-token-of-thirty-two-characters", "second-token-of-thirty-two-characters");
    bench.file("ops.token", &format!("{first}\n"));
    let (sidecar, address) = start(&bench);
    let status = |token: &str| command(&address, token, &list()).0;
    assert_eq!((status(first), status(second)), (200, 401));
    bench.file("ops.token", second);
    sidecar.until("the new token counts", || status(second) == 200);
    assert_eq!(status(first), 401);
    bench.file("ops.token", "short");
    sidecar.until("a short token counts no more", || status(second) == 401);
    assert_eq!(status("short"), 401);
    sidecar.until("it is told", || sidecar.log().contains("it is shorter than 32 characters"));
    serve(&bench, &format!("{{ {TOKENS} }}"));
    sidecar.until("the tokens of the new config count", || status(VIEW) == 200);
    assert_eq!((status(EDIT), status(first), status(second)), (200, 401, 401));
    serve(&bench, "{ tokens: [ { name: gone, role: edit, token: { env: NOT_THERE_AT_ALL } } ] }");
    sidecar.until("they count no more", || status(VIEW) == 401);
    assert_eq!(status(""), 401);
    sidecar.stopped();
}

// security.md, sessions: what is asked under another name is not for us; every answer says what may be loaded.
#[test]
fn another_host_is_misdirected_and_every_answer_is_guarded_p7_4() {
    let bench = bench(&format!("{{ {TOKENS}, public_url: \"https://sync.acme.dev/tools/\" }}"));
    let (sidecar, address) = start(&bench);
    let token = bearer(EDIT);
    let with = |host: &'static str| [("Host", host), ("Authorization", token.as_str())];
    for other in ["evil.example", "evil.example:8321", "sync.acme.dev.evil.example", "127.0.0.1.evil.example", ""] {
        send(&address, "GET /api/v1/integrations", &with(other), "").expect_problem(421);
        send(&address, "GET /login", &[("Host", other)], "").is(421);
        send(&address, "POST /login", &[("Host", other)], "token=x").is(421);
    }
    let twice = [("Host", "sync.acme.dev"), ("Host", "evil.example"), ("Authorization", token.as_str())];
    let status = send(&address, "GET /api/v1/integrations", &twice, "").status;
    assert!([400, 421].contains(&status), "{status}");
    for ours in ["sync.acme.dev", "SYNC.acme.dev:443", "localhost:1", "127.0.0.1"] {
        send(&address, "GET /api/v1/integrations", &with(ours), "").is(200);
        // Whether the proxy takes the prefix away or not.
        send(&address, "GET /tools/api/v1/integrations", &with(ours), "").is(200);
    }
    let reply = send(&address, "GET /tools/audit", &[], "").is(303);
    assert_eq!(reply.header("location"), "/tools/login?next=%2Faudit");
    for reply in [
        send(&address, "GET /login", &[], "").is(200),
        send(&address, "GET /audit", &[], "").is(303),
        send(&address, "GET /api/v1/integrations", &[], "").is(401),
        send(&address, "GET /api/v1/integrations", &with("127.0.0.1"), "").is(200),
        send(&address, "GET /api/v1/nothing-like-this", &with("127.0.0.1"), "").is(404),
        send(&address, "DELETE /api/v1/command", &with("127.0.0.1"), "").is(405),
        send(&address, "GET /login", &[("Host", "evil.example")], "").is(421),
    ] {
        let csp = reply.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(csp.split("; ").any(|there| there == part), "{part}: {reply:?}");
        }
        assert!(!csp.contains("unsafe"), "{csp}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{reply:?}");
        assert_eq!(reply.header("referrer-policy"), "no-referrer", "{reply:?}");
        assert_eq!(reply.header("cache-control"), "no-store", "{reply:?}");
    }
    sidecar.stopped();
}

// security.md, API: a body is bounded, before anything of it is read as anything.
#[test]
fn an_oversized_body_is_refused_p7_4() {
    let bench = bench(&format!("{{ {TOKENS} }}"));
    let (sidecar, address) = start(&bench);
    let token = bearer(EDIT);
    let headers = [("Authorization", token.as_str()), ("Content-Type", "application/json")];
    let large = format!("\"{}\"", "x".repeat(1024 * 1024));
    send(&address, "POST /api/v1/command", &headers, &large).is(413);
    let page = [("Sec-Fetch-Site", "same-origin"), ("Content-Type", "application/x-www-form-urlencoded")];
    send(&address, "POST /login", &page, &format!("token={large}")).is(413);
    send(&address, "POST /api/v1/command", &headers, "no JSON").expect_problem(422);
    assert_eq!(command(&address, EDIT, &list()).0, 200, "it goes on");
    sidecar.stopped();
}
