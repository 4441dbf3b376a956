//! Entities, rules and drafts over the API.

use serde_json::json;

use super::client::{Client, EYES, OPS, OTHER, bench, synced};
use crate::harness::text;

// P7.2: what pages show of entities, of activity and of a new integration, programs are told, too.
#[test]
fn entities_rules_and_drafts_are_asked_by_the_api_p7_2() {
    let bench = bench(&["ledger", "web"]);
    bench.component("ledger");
    bench.component("ledger-ui");
    let sidecar = synced(&bench);
    let client = Client::new(&bench, Some(OPS));
    bench.run(&["discovered", "import", "ledger"]).ok();

    let found = client.read("/entities?integration=acme&search=LEDGER");
    let names: Vec<&str> = found.as_array().expect("a list").iter().map(|one| text(one, "/entity")).collect();
    assert_eq!(names, ["component:default/ledger", "component:default/ledger-ui"]);
    assert_eq!((&found[0]["linked"], &found[1]["linked"]), (&json!(["acme/ledger"]), &json!([])));
    let entity = client.read("/entities/component:default%2Fledger");
    assert_eq!(entity["links"][0]["repository"]["full_name"], "acme/ledger");
    assert_eq!(text(&entity, "/text"), bench.read("catalog/ledger.yaml"));
    assert!(entity["ours"].as_array().is_some_and(|lines| !lines.is_empty()), "{entity:#}");
    client.get("/entities/component:default%2Fnobody").problem(404);
    client.get("/entities?search=x").problem(400);
    let other = client.with(Some(OTHER));
    other.get("/entities?integration=acme").problem(404);
    other.get("/entities/component:default%2Fledger").problem(404);

    let weeks = client.read("/repositories/ledger/activity/weeks?integration=acme");
    let commits: u64 =
        weeks["weeks"].as_array().expect("weeks").iter().filter_map(|week| week["commits"].as_u64()).sum();
    assert_eq!((&weeks["integration"], commits), (&json!("acme"), 3), "{weeks:#}");

    // Shipped rules are told, and never written.
    let rules = client.read("/integrations/acme/rules");
    assert_eq!((&rules["is_shipped"], &rules["is_writable"]), (&json!(true), &json!(false)));
    let body = json!({"rules": text(&rules, "/text"), "instead_of": rules["version"]});
    client.send(client.request("PUT", "/integrations/acme/rules").json(&body)).problem(409);

    let draft = |name: &str, connector: &str| {
        let body = json!({"connector": connector, "catalog": "main", "workspace": "acme", "update_every": "1h"});
        client.post(&format!("/integrations/{name}/draft"), &body).is(200).json()
    };
    let drafted = draft("shop", "nobody");
    assert!(text(&drafted, "/faults/0").contains("nobody"), "{drafted:#}");
    let twice = draft("shop", "acme");
    assert!(!twice["faults"].as_array().expect("faults").is_empty(), "one per workspace and catalog: {twice:#}");
    assert!(text(&twice, "/lines").contains("name: shop"), "{twice:#}");
    assert_eq!(bench.read("catalog-sync.yaml").matches("shop").count(), 0, "nothing is made");
    // Written only where the config says so.
    let body = json!({"draft": {"connector": "acme", "catalog": "main"}, "instead_of": twice["version"]});
    client.send(client.request("PUT", "/integrations/shop").json(&body)).problem(409);
    client.with(Some(EYES)).post("/integrations/shop/draft", &json!({})).problem(403);
    sidecar.stopped();
}
