//! Credentials over the API (P6.10): given, replaced, looked at, forgotten; a secret goes in and never comes out.

use serde_json::json;

use super::client::{ACME, Client, EYES, OPS, bench, synced};

const FIRST: &str = "first-needle-of-a-secret";
const SECOND: &str = "second-needle-of-a-secret";

// P6.10: created, listed, shown, updated and deleted, in the names of others as well; never shown, logged or exported.
#[test]
fn credentials_are_given_and_never_shown_p6_10() {
    let bench = bench(&["ledger", "web"]);
    let config = bench.read("catalog-sync.yaml");
    bench.file("catalog-sync.yaml", &format!("credentials: {{ key: {{ file: ./credentials.key }} }}\n{config}"));
    bench.file("credentials.key", &format!("{}\n", "5e".repeat(32)));
    let only_ours = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(bench.path("credentials.key"), only_ours).expect("its mode");
    let sidecar = synced(&bench);
    let client = Client::new(&bench, Some(OPS));
    let put = |client: &Client, name: &str, body: &str| {
        let request = client.request("PUT", &format!("/credentials/{name}"));
        client.send(request.header("content-type", "application/json").body(body.to_owned()))
    };
    let mut answers = Vec::new();
    let made = put(&client, "bitbucket", &json!({"access_token": FIRST}).to_string()).is(200);
    let row = made.json();
    assert_eq!(
        (&row["name"], &row["kind"], &row["state"]),
        (&json!("bitbucket"), &json!("access_token"), &json!("readable"))
    );
    answers.push(made);
    answers
        .push(put(&client, "bitbucket", &json!({"access_token": SECOND, "expires": "2031-01-01"}).to_string()).is(200));
    assert_eq!(client.read("/credentials/bitbucket")["expires"], "2031-01-01");
    let others = json!({"settings": {"bitbucket_data_center_username": "ann"}, "secrets": {"bitbucket_data_center_password": FIRST}});
    let basic = put(&client, "of-others", &others.to_string()).is(200);
    assert_eq!(basic.json()["kind"], "basic");
    answers.extend([
        basic,
        client.get("/credentials"),
        client.get("/credentials/of-others"),
        client.get("/store/export"),
    ]);
    for answer in &answers {
        assert!(!answer.text.contains("needle"), "{answer:?}");
    }
    for body in ["", "\"a string\"", "[]", "{\"access_token\": \"\"}", "{\"colour\": \"red\"}", "{\"token\": 1}", "{"] {
        let refused = put(&client, "bitbucket", body);
        assert!([400, 415, 422].contains(&refused.status), "{body}: {refused:?}");
        refused.problem(refused.status);
    }
    put(&client, "Not%20A%20Name", &json!({"token": FIRST}).to_string()).problem(400);
    put(&client.with(Some(EYES)), "bitbucket", "{}").problem(403);
    put(&client.with(Some(ACME)), "bitbucket", "{}").problem(403);
    client.with(Some(ACME)).get("/credentials").problem(403);
    client.get("/credentials/nobody").problem(404);
    let delete = |path: &str| client.send(client.request("DELETE", path));
    assert_eq!(delete("/credentials/bitbucket?dry_run=true").is(200).json()["dry_run"], true);
    delete("/credentials/bitbucket").is(200);
    delete("/credentials/bitbucket").problem(404);
    assert!(!sidecar.log().contains("needle"), "{}", sidecar.log());
    sidecar.stopped();
}
