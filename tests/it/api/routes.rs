//! Every route for everybody, and the objects of the contract.

use serde_json::{Value, json};

use super::client::{ACME, Client, EYES, OPS, OTHER, bench, synced};
use crate::harness::text;

/// Method, path with something put into its parameters, and the operation.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let path = path
                .replace("{name}", "nobody")
                .replace("{repository}", "nobody")
                .replace("{kind}", "reviews")
                .replace("{entity}", "component:default%2Fnobody")
                .replace("{id}", "01NOBODY");
            all.push((method.to_uppercase(), path, operation.clone()));
        }
    }
    all
}

// P7.4, P7.2: without a token nobody gets in; `view` reads everything and changes nothing; `edit` may; whatever comes
// back is in the document.
#[test]
fn every_route_keeps_to_its_roles_p7_4() {
    let bench = bench(&["ledger", "web"]);
    let sidecar = synced(&bench);
    let client = Client::new(&bench, Some(OPS));
    let document = client.read("/api/openapi.json");
    assert_eq!(document["openapi"], "3.1.0");
    let operations = operations(&document);
    assert!(operations.len() > 30, "{}", operations.len());
    for (method, path, operation) in &operations {
        let asked = format!("{method} {path}");
        if path.ends_with("/events") && path.matches('/').count() == 3 {
            continue; // a stream without an end: followed elsewhere
        }
        let ask = |token: Option<&str>| {
            let client = client.with(token);
            let mut request = client.request(method, path);
            if operation.get("requestBody").is_some() {
                request = request.json(&json!({}));
            }
            client.send(request)
        };
        ask(None).problem(401);
        ask(Some("a token that nobody has given to anybody")).problem(401);
        let is_for_editors = operation["description"].as_str().expect("text").starts_with("Role `edit`");
        let viewed = ask(Some(EYES));
        if is_for_editors {
            viewed.problem(403);
        } else {
            assert!(viewed.status != 403, "{asked}: {viewed:?}");
        }
        // Names of nobody, and empty bodies: refused in words, or done.
        let edited = ask(Some(OPS));
        assert!(edited.status != 403 && edited.status != 401, "{asked}: {edited:?}");
        let told = operation["responses"].as_object().expect("answers");
        for reply in [&edited, &ask(Some(ACME))] {
            let answer = told.get(&reply.status.to_string());
            let answer = answer.unwrap_or_else(|| panic!("{asked}: the document does not tell of {reply:?}"));
            let told: Vec<&String> = answer["content"].as_object().expect("content").keys().collect();
            assert!(told.iter().any(|told| reply.content_type.starts_with(told.as_str())), "{asked}: {reply:?}");
        }
    }
    sidecar.stopped();
}

// P7.2, contract section 3: the same objects as the commands print, field by field in the same order.
#[test]
fn objects_are_those_of_the_commands_p7_2() {
    let bench = bench(&["ledger", "payments", "web"]);
    bench.component("ledger");
    let sidecar = synced(&bench);
    bench.run(&["discovered", "import", "ledger", "web"]).ok();
    let client = Client::new(&bench, Some(EYES));
    let sync = text(&bench.json(&["sync", "history"])[0], "/id").to_owned();
    let pairs: Vec<(Vec<&str>, String, &str)> = vec![
        (vec!["integration", "list"], "/integrations".to_owned(), ""),
        (vec!["sync", "history"], "/syncs".to_owned(), ""),
        (vec!["sync", "show", &sync], format!("/syncs/{sync}"), ""),
        (vec!["discovered", "list"], "/discovered".to_owned(), "/rows"),
        (vec!["discovered", "show", "payments"], "/discovered/payments".to_owned(), ""),
        (vec!["discovered", "show", "acme/web"], "/discovered/acme%2Fweb".to_owned(), ""),
        (vec!["imported", "list"], "/imported".to_owned(), "/rows"),
        (vec!["imported", "show", "web"], "/imported/web".to_owned(), ""),
        (vec!["activity", "commits", "web"], "/repositories/web/commits".to_owned(), ""),
        (vec!["activity", "pull-requests", "web"], "/repositories/web/pull-requests".to_owned(), ""),
    ];
    for (command, path, part) in pairs {
        let printed = bench.json(&command).to_string();
        let answered = client.read(&path);
        let answered = answered.pointer(part).expect("the part").to_string();
        assert_eq!(answered, printed, "{command:?} and {path}");
    }
    let rows = client.read("/discovered?state=all");
    assert_eq!((rows["total"].as_u64(), rows["next"].is_null()), (Some(1), true), "{rows}");
    sidecar.stopped();
}

// P7.4: a token for other integrations sees nothing of this one: not in lists, not by name, not in events or history.
#[test]
fn a_scoped_token_sees_nothing_of_others_p7_4() {
    let bench = bench(&["ledger", "web"]);
    let sidecar = synced(&bench);
    let ops = Client::new(&bench, Some(OPS));
    let sync = text(&ops.read("/syncs")[0], "/id").to_owned();
    let other = ops.with(Some(OTHER));
    for path in ["/integrations", "/syncs", "/syncs/running", "/imports"] {
        assert_eq!(other.read(path), json!([]), "{path}");
    }
    for path in ["/discovered?state=all", "/imported"] {
        let page = other.read(path);
        assert_eq!((&page["rows"], &page["total"], &page["projects"]), (&json!([]), &json!(0), &json!([])), "{page}");
    }
    for path in [
        "/integrations/acme",
        "/discovered?integration=acme",
        "/discovered/web",
        "/imported/web",
        "/repositories/web/commits",
        &format!("/syncs/{sync}"),
        &format!("/syncs/{sync}/events"),
    ] {
        let problem = other.get(path).problem(404).to_string();
        assert!(!problem.contains("ledger") && !problem.contains("acme/"), "{path}: {problem}");
    }
    other.send(other.request("POST", "/integrations/acme/sync")).problem(404);
    other.post("/imports", &json!({"repositories": ["web"]})).problem(404);
    other.get("/store/export").problem(403);
    // What it may see, it sees.
    let acme = ops.with(Some(ACME));
    assert_eq!(acme.read("/integrations")[0]["name"], "acme");
    sidecar.stopped();
}

// P4.1: search, filters, order, counts and cursors by query, and the page for people.
#[test]
fn lists_are_searched_filtered_sorted_and_paged_p4_1() {
    let names: Vec<String> = (0..25).map(|number| format!("repo-{number:02}")).collect();
    let bench = bench(&names.iter().map(String::as_str).collect::<Vec<_>>());
    bench.component("repo-03");
    bench.component("repo-07");
    let sidecar = synced(&bench);
    let client = Client::new(&bench, Some(EYES));
    let mut path = "/discovered?sort=name&order=descending&limit=10".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = client.read(&path);
        assert_eq!(page["total"], 25);
        assert_eq!(page["counts"], json!({"conflict": 0, "merge": 2, "none": 0, "register": 23}));
        let rows = page["rows"].as_array().expect("rows").iter();
        seen.extend(rows.map(|row| text(row, "/repository/name").to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/discovered?sort=name&order=descending&limit=10&cursor={next}");
    }
    let mut expected = names.clone();
    expected.reverse();
    assert_eq!(seen, expected);
    let merges = client.read("/discovered?action=merge&search=REPO-0&sort=detected_at");
    assert_eq!(merges["total"], 2);
    assert_eq!(merges["counts"]["register"], 8, "counts are of the rest of the filter");
    assert_eq!(client.read("/discovered?search=nothing")["rows"], json!([]));
    assert_eq!(client.read("/discovered?kind=system")["total"], 0);
    // A decision by hand shows at once.
    let ignored = client.with(Some(OPS)).post("/discovered/ignore", &json!({"repositories": ["repo-03"]})).is(200);
    assert_eq!(ignored.json()[0]["state"], "ignored");
    assert_eq!(client.read("/discovered")["total"], 24);
    assert_eq!(client.read("/discovered?state=ignored")["rows"][0]["repository"]["name"], "repo-03");
    let page = client.get("/api").is(200);
    assert!(page.content_type.starts_with("text/html") && page.text.contains("/api/v1/discovered"), "{page:?}");
    assert!(page.text.contains("aria-label=\"Main\""), "it is one of the pages, with the way to the others");
    assert!(
        page.text.contains(&format!("{}/api/v1/integrations", sidecar.address())),
        "an address that works: {page:?}"
    );
    sidecar.stopped();
}
