//! What came and what became of it, as operators see it.

use serde_json::Value;

use super::guarding::teams;
use super::{Sender, body, done};
use crate::api::client::{Client, EYES, OPS};
use crate::harness::text;
use crate::sidecar::process::{Sidecar, http};

const TEAM_A: &str = "team-a-token-that-is-long-enough-for-anybody";

const TOKENS: &str = "
server:
  tokens:
    - { name: ops, role: edit, token: { env: OPS_TOKEN } }
    - { name: eyes, role: view, token: { env: EYES_TOKEN } }
    - { name: of-team-a, role: view, integrations: [team-a], token: { env: TEAM_A_TOKEN } }
";

fn ids(page: &Value) -> Vec<&str> {
    page["rows"].as_array().expect("rows").iter().map(|row| text(row, "/id")).collect()
}

// P6.12, P7.4, P7.2: every webhook that was taken is shown with what became of it, in pages; whoever sees one
// integration is shown what is about its repositories; and Prometheus is told how many there are.
#[test]
fn what_came_is_shown_to_whom_it_concerns_p6_12() {
    let mut bench = teams("");
    let config = bench.read("catalog-sync.yaml");
    bench.file("catalog-sync.yaml", &format!("{config}{TOKENS}"));
    for (name, token) in [("OPS_TOKEN", OPS), ("EYES_TOKEN", EYES), ("TEAM_A_TOKEN", TEAM_A)] {
        bench.env.push((name.to_owned(), token.to_owned()));
    }
    bench.file("other/readme.md", "nothing yet");
    bench.run(&["sync", "now"]).ok();
    let sidecar = Sidecar::start(&bench);
    let mut sender = Sender::to(&sidecar.address());
    for (id, repository) in [("1", "acme/web"), ("2", "labs/beaker"), ("3", "acme/web")] {
        let body = body(&bench.simulator, repository, id.parse().expect("a number"));
        assert_eq!(sender.send("repo:push", id, &body), 202);
        sidecar.until("it is worked", || done(&bench) == id.parse::<usize>().expect("a number"));
    }
    assert_eq!(sender.post(super::CLOUD, &[("X-Event-Key", "repo:push")], b"{}").0, 401);

    let client = Client::new(&bench, Some(EYES));
    let all = client.read("/webhooks/deliveries");
    assert_eq!((ids(&all), &all["next"]), (vec!["3", "2", "1"], &Value::Null));
    let row = &all["rows"][2];
    assert_eq!(
        (text(row, "/event"), text(row, "/connectors/0"), text(row, "/state"), text(row, "/outcome")),
        ("repo:push", "both", "done", "synced")
    );
    assert_eq!((text(row, "/repositories/0/full_name"), text(row, "/repositories/0/kinds/0")), ("acme/web", "commits"));
    let first = client.read("/webhooks/deliveries?limit=2");
    assert_eq!(ids(&first), ["3", "2"]);
    let second = client.read(&format!("/webhooks/deliveries?limit=2&cursor={}", text(&first, "/next")));
    assert_eq!((ids(&second), &second["next"]), (vec!["1"], &Value::Null));
    assert_eq!(ids(&client.read("/webhooks/deliveries?state=waiting")), [""; 0]);
    assert_eq!(ids(&client.read("/webhooks/deliveries?integration=team-b")), ["2"]);
    client.get("/webhooks/deliveries?cursor=nonsense").problem(400);
    client.get("/webhooks/deliveries?integration=nobody").problem(404);

    let scoped = client.with(Some(TEAM_A));
    let theirs = scoped.read("/webhooks/deliveries");
    assert_eq!(ids(&theirs), ["3", "1"]);
    assert!(!theirs.to_string().contains("labs"), "{theirs}");
    scoped.get("/webhooks/deliveries?integration=team-b").problem(404);

    let shown = bench.run(&["webhook", "deliveries", "-i", "team-b"]).ok().stdout;
    assert!(shown.contains("labs/beaker") && shown.contains("synced") && !shown.contains("acme/web"), "{shown}");
    assert!(bench.run(&["webhook", "deliveries", "--waiting"]).ok().stdout.contains("no webhook"));

    let (_, told) = http(&sidecar.address(), "GET /metrics");
    for line in [
        "catalog_sync_webhooks_received_total{product=\"bitbucket_cloud\",answer=\"queued\"} 3",
        "catalog_sync_webhooks_received_total{product=\"bitbucket_cloud\",answer=\"unsigned\"} 1",
        "catalog_sync_webhooks_worked_total{connector=\"both\",outcome=\"synced\"} 3",
        "catalog_sync_webhooks_waiting{connector=\"both\"} 0",
        "catalog_sync_webhooks_oldest_waiting_seconds{connector=\"both\"} 0",
    ] {
        assert!(told.contains(line), "`{line}` is not in\n{told}");
    }
    sidecar.stopped();
}
