//! What a trusted proxy says of who asks, and what anybody else says of themselves.

use serde_json::json;

use super::http::{VIEW, bearer, bench, command, send, serve, start, suspend};

const IDENTITY: &str =
    "identity: { user_header: X-Forwarded-User, groups_header: X-Forwarded-Groups, edit_groups: [platform] }";

// P7.4: identity headers count from `behind_proxy` peers alone; groups decide who may edit; nobody else is anybody.
#[test]
fn identity_headers_are_believed_from_the_proxy_alone_p7_4() {
    let tokens = "tokens: [ { name: eyes, role: view, token: { env: VIEW_TOKEN } } ]";
    let bench = bench(&format!("{{ {tokens}, {IDENTITY}, behind_proxy: [127.0.0.0/8] }}"));
    let (sidecar, address) = start(&bench);
    let (user, platform) = (("X-Forwarded-User", "ann"), ("X-Forwarded-Groups", "dev,platform"));
    let change = suspend().to_string();
    let changes = |headers: &[(&str, &str)]| {
        let headers = [headers, &[("Sec-Fetch-Site", "same-origin")]].concat();
        send(&address, "POST /api/v1/command", &headers, &change)
    };
    send(&address, "GET /api/v1/integrations", &[user], "").is(200);
    send(&address, "GET /api/v1/integrations", &[platform], "").expect_problem(401);
    send(&address, "GET /api/v1/integrations", &[user, ("X-Forwarded-User", "eve")], "").expect_problem(401);
    assert!(
        changes(&[user, ("X-Forwarded-Groups", "platform-readers")]).is(200).body.contains("ann may look, not change")
    );
    assert!(changes(&[user]).is(200).body.contains("ann may look, not change"));
    send(&address, "POST /api/v1/command", &[user, platform], &change).expect_problem(403);
    let done = changes(&[user, platform, ("X-Forwarded-For", "198.51.100.7")]).is(200);
    assert!(done.body.contains("\"state\":\"suspended\""), "{done:?}");
    // A token that is shown is who one is.
    let token = bearer(VIEW);
    assert!(changes(&[user, platform, ("Authorization", &token)]).is(200).body.contains("eyes may look, not change"));
    let acts = bench.json(&["audit", "list"]);
    assert_eq!(acts.as_array().map(Vec::len), Some(1), "{acts}");
    assert_eq!((&acts[0]["by"], &acts[0]["from"]), (&json!("ann"), &json!("198.51.100.7")));

    serve(&bench, &format!("{{ {tokens}, {IDENTITY}, behind_proxy: [10.0.0.0/8] }}"));
    sidecar.until("we are no proxy any more", || send(&address, "GET /api/v1/integrations", &[user], "").status == 401);
    send(&address, "POST /api/v1/command", &[user, platform, ("Sec-Fetch-Site", "same-origin")], &change)
        .expect_problem(401);
    assert_eq!(command(&address, VIEW, &super::http::list()).0, 200);
    sidecar.stopped();
}
