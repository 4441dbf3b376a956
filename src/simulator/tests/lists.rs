//! Lists: paging, filtering, sorting, partial answers, shapes.

use chrono::{DateTime, Duration};
use serde_json::Value;

use super::super::{GenerateOptions, NewRepository, SimulatorOptions, World};
use super::{Server, column};

fn small() -> GenerateOptions {
    GenerateOptions { repositories: 25, ..GenerateOptions::default() }
}

#[tokio::test]
async fn a_list_pages_to_its_end() {
    let cloud = Server::generated(small()).await;
    let first = cloud.json("/repositories/acme").await;
    assert_eq!((&first["pagelen"], &first["size"], &first["page"]), (&10.into(), &25.into(), &1.into()));
    assert_eq!(first["values"].as_array().unwrap().len(), 10);
    assert!(first["next"].as_str().unwrap().starts_with(cloud.simulator.api_url()));
    let rows = cloud.walk("/repositories/acme?pagelen=7&sort=-created_on").await;
    let mut uuids = column(&rows, "/uuid");
    let dates: Vec<_> =
        column(&rows, "/created_on").iter().map(|date| DateTime::parse_from_rfc3339(date).unwrap()).collect();
    assert!(dates.windows(2).all(|pair| pair[0] >= pair[1]));
    uuids.sort();
    uuids.dedup();
    assert_eq!(uuids.len(), 25);
    let last = cloud.json("/repositories/acme?pagelen=20&page=2").await;
    assert_eq!(last.get("next"), None);
    assert!(last["previous"].as_str().unwrap().ends_with("pagelen=20&page=1"));
}

#[tokio::test]
async fn a_pagelen_over_the_maximum_is_refused_not_clamped() {
    let cloud = Server::generated(small()).await;
    let slug = column(&cloud.walk("/repositories/acme").await, "/slug").remove(0);
    let invalid = (400, "Invalid pagelen".to_owned());
    assert_eq!(cloud.refusal("/repositories/acme?pagelen=101").await, invalid);
    assert_eq!(cloud.refusal("/repositories/acme?pagelen=0").await, invalid);
    assert_eq!(cloud.refusal(&format!("/repositories/acme/{slug}/pullrequests?pagelen=51")).await, invalid);
    assert_eq!(cloud.refusal(&format!("/repositories/acme/{slug}/commits?pagelen=101")).await, invalid);
    cloud.json(&format!("/repositories/acme/{slug}/pullrequests?pagelen=50")).await;
    cloud.json(&format!("/repositories/acme/{slug}/commits?pagelen=100")).await;
}

#[tokio::test]
async fn queries_filter_on_the_server() {
    let cloud = Server::generated(small()).await;
    let rows = cloud.walk("/repositories/acme?sort=updated_on&pagelen=100").await;
    let floor = rows[20]["updated_on"].as_str().unwrap();
    let encoded: String = url::form_urlencoded::byte_serialize(format!("updated_on>=\"{floor}\"").as_bytes()).collect();
    assert_eq!(cloud.walk(&format!("/repositories/acme?q={encoded}")).await.len(), 5);
    let key = rows[0]["project"]["key"].as_str().unwrap();
    let of_project = rows.iter().filter(|row| row["project"]["key"] == key).count();
    assert_eq!(cloud.walk(&format!("/repositories/acme?q=project.key%3D%22{key}%22")).await.len(), of_project);
    let uuid = rows[3]["uuid"].as_str().unwrap();
    assert_eq!(cloud.walk(&format!("/repositories/acme?q=uuid%20%3D%20%22{uuid}%22")).await.len(), 1);
    assert_eq!(cloud.get("/repositories/acme?q=nonsense").await.status, 400);
    assert_eq!(cloud.get("/repositories/acme?sort=created_on,name").await.status, 400);
    // The original parameters again beside `next`.
    assert_eq!(cloud.get("/repositories/acme?pagelen=5&pagelen=5").await.status, 400);
}

#[tokio::test]
async fn a_walk_by_key_misses_nothing_while_rows_change() {
    let cloud = Server::generated(small()).await;
    let mut seen = Vec::new();
    let mut last = "1970-01-01T00:00:00Z".to_owned();
    for round in 0.. {
        let q: String = url::form_urlencoded::byte_serialize(format!("created_on>=\"{last}\"").as_bytes()).collect();
        let page = cloud.json(&format!("/repositories/acme?sort=created_on&pagelen=6&q={q}")).await;
        let rows = page["values"].as_array().unwrap();
        seen.extend(column(rows, "/uuid"));
        if page.get("next").is_none() {
            break;
        }
        rows.last().unwrap()["created_on"].as_str().unwrap().clone_into(&mut last);
        let touched = column(rows, "/uuid").swap_remove(round % 6);
        cloud.simulator.world().touch_repository(&touched);
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 25);
}

#[tokio::test]
async fn a_walk_by_update_time_skips_what_moves() {
    let cloud = Server::generated(small()).await;
    let first = cloud.json("/repositories/acme?sort=updated_on").await;
    let oldest = first["values"][0]["uuid"].as_str().unwrap().to_owned();
    cloud.simulator.world().touch_repository(&oldest);
    let mut seen = column(first["values"].as_array().unwrap(), "/uuid");
    seen.extend(column(&cloud.walk(first["next"].as_str().unwrap()).await, "/uuid"));
    seen.sort();
    seen.dedup();
    // One is missing, though nothing went away: why nobody should page by what changes.
    assert_eq!(seen.len(), 24);
}

#[tokio::test]
async fn fields_keep_drop_and_add() {
    let cloud = Server::generated(small()).await;
    assert_eq!(cloud.get("/repositories/acme?pagelen=1&fields=size").await.text, r#"{"size":25}"#);
    let page = cloud.json("/repositories/acme?fields=values.uuid").await;
    assert_eq!(page.get("next"), None, "a positive list without next ends the walk");
    assert_eq!(page["values"][0].as_object().unwrap().len(), 1);
    assert_eq!(cloud.walk("/repositories/acme?fields=next,values.uuid").await.len(), 25);
    let page = cloud.json("/repositories/acme?fields=-values.links.avatar,-values.owner").await;
    assert_eq!(page["values"][0]["links"].get("avatar"), None);
    assert_eq!(page["values"][0].get("owner"), None);
    assert!(page["values"][0]["links"]["html"]["href"].is_string());
    assert!(page["next"].is_string());
}

#[tokio::test]
async fn pull_requests_list_open_ones_only_and_no_reviewers() {
    let cloud =
        Server::generated(GenerateOptions { repositories: 1, pull_requests_per_repository: 60, ..small() }).await;
    let repository = cloud.walk("/repositories/acme").await.remove(0);
    let base = format!("/repositories/{}/pullrequests", repository["full_name"].as_str().unwrap());
    let states = "state=OPEN&state=MERGED&state=DECLINED&state=SUPERSEDED";
    let open = cloud.walk(&base).await;
    assert!(!open.is_empty() && open.len() < 60);
    assert!(column(&open, "/state").iter().all(|state| state == "OPEN"));
    let all = cloud.walk(&format!("{base}?{states}&pagelen=50&sort=-updated_on")).await;
    assert_eq!(all.len(), 60);
    assert!(all.iter().all(|it| it.get("reviewers").is_none() && it.get("participants").is_none()));
    let with = cloud.walk(&format!("{base}?{states}&fields=%2Bvalues.reviewers,%2Bvalues.participants")).await;
    assert_eq!(with.len(), 60);
    assert!(with.iter().all(|it| it["reviewers"].is_array() && it["participants"].is_array()));
    let of_query = cloud.walk(&format!("{base}?q=state%3D%22MERGED%22")).await;
    assert_eq!(of_query.len(), column(&all, "/state").iter().filter(|state| *state == "MERGED").count());
    let one = cloud.json(&format!("{base}/7")).await;
    assert_eq!(one["reviewers"].as_array().unwrap().len(), 1);
    assert_eq!(cloud.get(&format!("{base}/61")).await.status, 404);
    let hash = all.iter().find_map(|it| it["merge_commit"]["hash"].as_str()).unwrap();
    assert_eq!(hash.len(), 12);
    for null in ["/author", "/closed_by", "/merge_commit", "/source/repository", "/source/commit"] {
        assert!(all.iter().any(|it| it.pointer(null).is_some_and(Value::is_null)), "{null} is never null");
        assert!(all.iter().any(|it| it.pointer(null).is_some_and(Value::is_object)), "{null} is always null");
    }
}

#[tokio::test]
async fn sorting_all_four_states_fails_on_large_repositories() {
    let world = World::generate(7, &GenerateOptions { repositories: 1, pull_requests_per_repository: 30, ..small() });
    let cloud =
        Server::on(world, SimulatorOptions { fail_sorted_states_over: Some(29), ..SimulatorOptions::default() }).await;
    let name = column(&cloud.walk("/repositories/acme").await, "/full_name").remove(0);
    let states = "state=OPEN&state=MERGED&state=DECLINED&state=SUPERSEDED";
    assert_eq!(cloud.get(&format!("/repositories/{name}/pullrequests?{states}&sort=-updated_on")).await.status, 500);
    cloud.json(&format!("/repositories/{name}/pullrequests?{states}")).await;
    cloud.json(&format!("/repositories/{name}/pullrequests?state=MERGED&sort=-updated_on")).await;
}

#[tokio::test]
async fn a_repository_is_found_by_slug_and_uuid_wherever_it_went() {
    let mut world = World::generate(7, &small());
    world.add_workspace("other", "Other");
    let uuid = world.repositories().next().unwrap().uuid.to_string();
    let cloud = Server::on(world, SimulatorOptions::default()).await;
    let encoded = uuid.replace('{', "%7B").replace('}', "%7D");
    let before = cloud.json(&format!("/repositories/acme/{encoded}")).await;
    let old = before["full_name"].as_str().unwrap().to_owned();
    assert_eq!(cloud.json(&format!("/repositories/{old}")).await["uuid"], uuid);
    let renamed = cloud.simulator.world().rename_repository(&uuid, "Ganz Neu");
    assert_eq!(renamed, "acme/ganz-neu");
    assert_eq!(cloud.get(&format!("/repositories/{old}")).await.status, 404);
    assert_eq!(cloud.json("/repositories/acme/ganz-neu").await["uuid"], uuid);
    cloud.simulator.world().transfer_repository(&uuid, "other");
    assert_eq!(cloud.get(&format!("/repositories/acme/{encoded}")).await.status, 404);
    let moved = cloud.json(&format!("/repositories/%7B%7D/{encoded}")).await;
    assert_eq!(moved["full_name"], "other/ganz-neu");
    assert_eq!(moved["workspace"]["slug"], "other");
    assert_eq!(cloud.walk("/repositories/acme").await.len(), 24);
    cloud.simulator.world().delete_repository(&uuid);
    assert_eq!(cloud.get(&format!("/repositories/%7B%7D/{encoded}")).await.status, 404);
}

#[tokio::test]
async fn removed_and_unknown_places_say_so() {
    let cloud = Server::generated(small()).await;
    for path in ["/repositories", "/repositories/", "/workspaces", "/user/permissions/workspaces"] {
        let got = cloud.get(path).await;
        assert_eq!(got.status, 410, "{path}");
        assert!(got.text.contains("CHANGE-2770"), "{path}");
    }
    assert_eq!(cloud.refusal("/repositories/nobody").await, (404, "No workspace with identifier 'nobody'.".into()));
    assert_eq!(cloud.refusal("/repositories/acme/nothing").await, (404, "Repository acme/nothing not found".into()));
    assert_eq!(cloud.get("/nonsense").await.json()["error"]["detail"], "There is no API hosted at this URL");
    cloud.simulator.world().block_workspace("acme", true);
    assert_eq!(cloud.get("/repositories/acme").await.status, 410);
}

#[tokio::test]
async fn workspace_projects_and_user_answer() {
    let cloud = Server::generated(small()).await;
    assert_eq!(cloud.json("/workspaces/acme").await["slug"], "acme");
    let projects = cloud.walk("/workspaces/acme/projects?pagelen=5").await;
    assert_eq!(projects.len(), 12);
    assert_eq!(cloud.json("/workspaces/acme/projects/PAY").await["name"], "Payments");
    let workspaces = cloud.walk("/user/workspaces").await;
    assert_eq!(workspaces[0]["workspace"]["slug"], "acme");
    assert_eq!(workspaces[0]["workspace"].get("name"), None);
    assert_eq!(cloud.json("/user").await["type"], "user");
}

#[tokio::test]
async fn what_people_do_shows_at_once() {
    let cloud = Server::generated(small()).await;
    let count = async || cloud.json("/repositories/acme?fields=size&pagelen=1").await["size"].clone();
    assert_eq!(count().await, 25);
    let uuid = cloud.simulator.world().add_repository("acme", NewRepository::named("Brand New").in_project("OPS"));
    assert_eq!(count().await, 26);
    let added = cloud.json("/repositories/acme/brand-new").await;
    assert_eq!(added["uuid"], uuid.to_string());
    assert_eq!(added["project"]["key"], "OPS");
    let empty = NewRepository::named("Empty").with_commits(0);
    cloud.simulator.world().add_repository("acme", empty);
    assert!(cloud.json("/repositories/acme/empty").await["mainbranch"].is_null());
    assert_eq!(cloud.get("/repositories/acme/empty/commits").await.status, 404);
    cloud.simulator.world().hide_repository("acme/empty", true);
    assert_eq!(count().await, 26);
    assert_eq!(cloud.get("/repositories/acme/empty").await.status, 404);
    cloud.simulator.world().forbid_repository("acme/brand-new", true);
    assert_eq!(cloud.get("/repositories/acme/brand-new").await.status, 200);
    for below in ["pullrequests", "commits", "refs/branches"] {
        assert_eq!(cloud.get(&format!("/repositories/acme/brand-new/{below}")).await.status, 403, "{below}");
    }
    let date = added["updated_on"].as_str().unwrap().parse::<DateTime<chrono::Utc>>().unwrap();
    cloud.simulator.world().advance(Duration::hours(3));
    cloud.simulator.world().edit_repository("acme/brand-new", |it| it.description = "Now with text".into());
    let changed = cloud.json("/repositories/acme/brand-new").await;
    assert_eq!(changed["description"], "Now with text");
    assert_eq!(
        changed["updated_on"].as_str().unwrap().parse::<DateTime<chrono::Utc>>().unwrap() - date,
        Duration::hours(3)
    );
}
