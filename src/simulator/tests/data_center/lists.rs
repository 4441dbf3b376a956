//! What is listed, page by page.

use super::super::super::{Fault, NewRepository, Order, PersonId, World};
use super::super::column;
use super::*;
use crate::clock::Clock;

/// Three projects, one of them somebody's own; two repositories of one slug; one archived.
fn instance() -> World {
    let mut world = World::new(3, Clock::manual(GenerateOptions::default().now));
    world.add_data_center_project("PAY", "Payments");
    world.add_data_center_project("SHOP", "Shop");
    let own = world.add_personal_project(PersonId(0));
    for (project, name) in [("PAY", "api"), ("SHOP", "api"), ("SHOP", "web"), ("SHOP", "old"), (own.as_str(), "notes")]
    {
        world.add_repository(project, NewRepository::named(name));
    }
    world.archive_repository("SHOP/old", true);
    world
}

fn names(rows: &[Value]) -> Vec<String> {
    rows.iter()
        .map(|row| format!("{}/{}", row["project"]["key"].as_str().unwrap(), row["slug"].as_str().unwrap()))
        .collect()
}

#[tokio::test]
async fn the_whole_instance_is_one_list_and_archived_ones_are_asked_for() {
    let server = on(instance(), usual()).await;
    assert_eq!(names(&server.pages("/repos").await), ["~ada_brandt/notes", "PAY/api", "SHOP/api", "SHOP/web"]);
    let all = server.pages("/repos?archived=ALL&limit=2").await;
    assert_eq!(names(&all), ["~ada_brandt/notes", "PAY/api", "SHOP/api", "SHOP/old", "SHOP/web"]);
    assert_eq!(names(&server.pages("/repos?archived=ARCHIVED").await), ["SHOP/old"]);
    assert_eq!(names(&server.pages("/repos?projectkey=shop").await), ["SHOP/api", "SHOP/web"]);
    assert_eq!(names(&server.pages("/repos?name=AP").await), ["PAY/api", "SHOP/api"]);
    assert_eq!(server.get("/repos?archived=SOME").await.status, 400);
    // A project's list has no such filter.
    assert_eq!(names(&server.pages("/projects/SHOP/repos").await), ["SHOP/api", "SHOP/old", "SHOP/web"]);
    assert_eq!(column(&server.pages("/projects").await, "/key"), ["PAY", "SHOP"], "people's own are in no list");
    assert_eq!(names(&server.pages("/projects/~ada_brandt/repos").await), ["~ada_brandt/notes"]);
    let own = server.json("/projects/~ada_brandt").await;
    assert_eq!((own["type"].as_str(), own["owner"]["slug"].as_str()), (Some("PERSONAL"), Some("ada_brandt")));
}

#[tokio::test]
async fn old_versions_know_nothing_of_archives() {
    let server = on(instance(), DataCenterOptions::new("7.21.3", "")).await;
    let rows = server.pages("/repos?archived=ACTIVE&projectkey=PAY").await;
    assert_eq!(rows.len(), 5, "parameters that came later are passed over");
    assert!(rows.iter().all(|row| row.get("archived").is_none()));
    let page = server.json("/repos").await;
    assert!(page.get("nextPageStart").is_some_and(Value::is_null));
}

#[tokio::test]
async fn limits_are_clamped_without_a_word() {
    let server = on(world(1203), usual()).await;
    let page = server.json("/repos?limit=5000").await;
    assert_eq!((page["limit"].as_u64(), page["size"].as_u64()), (Some(1000), Some(1000)));
    assert_eq!(page["nextPageStart"], 1000);
    assert_eq!(server.pages("/repos?limit=5000").await.len(), 1203);
    let server = on(world(30), DataCenterOptions { page_limit: 12, ..usual() }).await;
    assert_eq!(server.json("/repos?limit=1000").await["limit"], 12);
    assert_eq!(server.json("/repos").await["limit"], 12);
    assert_eq!(server.get("/repos?limit=0").await.status, 400);
    assert_eq!(server.get("/repos?start=last").await.status, 400);
}

#[tokio::test]
async fn pages_have_holes_where_the_caller_may_not_look() {
    let world = world(60);
    let seen: Vec<String> = world.repositories().step_by(3).map(|it| world.data_center_name(it)).collect();
    let seen: Vec<&str> = seen.iter().map(String::as_str).collect();
    let credentials = vec![Credential::token("some").seeing(&seen)];
    let options = SimulatorOptions { credentials, data_center: Some(usual()), ..SimulatorOptions::default() };
    let server = with(world, options).await;
    let page = server.bearer("/repos?limit=5", "some").await.json();
    assert_eq!(page["size"], 5);
    assert!(page["nextPageStart"].as_u64().unwrap() > 5, "{}", page["nextPageStart"]);
    let (mut rows, mut start) = (Vec::new(), 0);
    loop {
        let page = server.bearer(&format!("/repos?limit=5&start={start}"), "some").await.json();
        rows.extend(names(page["values"].as_array().unwrap()));
        let Some(next) = page["nextPageStart"].as_u64() else { break };
        start = next;
    }
    rows.sort();
    let mut expected: Vec<String> = seen.iter().map(|name| (*name).to_owned()).collect();
    expected.sort();
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn a_page_can_be_empty_and_not_the_last_one() {
    let server = on(world(40), usual()).await;
    server.simulator.order(Order::next(Fault::EmptyPage).nth(2));
    let all = server.pages("/repos?limit=10").await;
    assert_eq!(all.len(), 40);
    assert_eq!(server.simulator.requests().total, 5);
    assert_eq!(server.simulator.orders_left(), Vec::<String>::new());
}

#[tokio::test]
async fn numbers_stay_through_renames_and_moves() {
    let server = on(instance(), usual()).await;
    let id = server.json("/projects/SHOP/repos/web").await["id"].clone();
    {
        let mut world = server.simulator.world();
        assert_eq!(world.rename_repository("SHOP/web", "Web Shop"), "SHOP/web-shop");
        world.move_repository("SHOP/web-shop", "PAY");
    }
    assert_eq!(server.json("/projects/PAY/repos/web-shop").await["id"], id);
    assert_eq!(refused(&server.get("/projects/SHOP/repos/web").await), (404, "NoSuchRepositoryException".to_owned()));
    server.simulator.world().move_repository("SHOP/api", "PAY");
    assert_eq!(server.json("/projects/PAY/repos/api-2").await["name"], "api", "the slug was taken");
    server.simulator.world().delete_repository("PAY/api-2");
    assert_eq!(server.get("/projects/PAY/repos/api-2").await.status, 404);
    assert_eq!(server.get("/projects/NONE/repos").await.json()["errors"][0]["message"], "Project NONE does not exist.");
}

#[tokio::test]
async fn every_prefix_and_context_leads_there() {
    for context in ["", "/bitbucket", "/scm/stash"] {
        let server = on(instance(), DataCenterOptions::new("10.0.1", context)).await;
        let base = server.simulator.base_url().to_owned();
        assert_eq!(base, format!("{}{context}", server.simulator.url()));
        for api in ["1.0", "latest"] {
            let properties = server.json(&format!("{base}/rest/api/{api}/application-properties")).await;
            assert_eq!(properties["version"], "10.0.1");
        }
        assert_eq!(server.get(&format!("{base}/rest/api/1.0/nothing")).await.json()["status-code"], 404);
        if !context.is_empty() {
            let bare = format!("{}/rest/api/1.0/application-properties", server.simulator.url());
            assert_eq!(server.get(&bare).await.status, 404);
        }
    }
}

#[tokio::test]
async fn empty_repositories_and_unborn_branches_answer_as_documented() {
    let mut world = instance();
    world.add_repository("PAY", NewRepository::named("empty").with_commits(0));
    world.add_repository("PAY", NewRepository::named("unborn"));
    world.push_to_branch("PAY/unborn", "side", 1);
    world.delete_branch("PAY/unborn", "main");
    let server = on(world, usual()).await;
    let at = |path: &str| format!("/projects/PAY/repos/{path}");
    let got = server.get(&at("empty/branches/default")).await;
    assert_eq!((got.status, got.text.as_str()), (204, ""));
    assert_eq!(server.json(&at("empty/default-branch")).await["id"], "refs/heads/main");
    assert_eq!(refused(&server.get(&at("empty/commits")).await), (404, "NoDefaultBranchException".to_owned()));
    assert_eq!(server.json(&at("empty/branches")).await["size"], 0);
    assert_eq!(refused(&server.get(&at("unborn/branches/default")).await), (404, "NoSuchBranchException".to_owned()));
    assert_eq!(server.json(&at("unborn/default-branch")).await["displayId"], "main");
    assert_eq!(server.get(&at("unborn/commits")).await.status, 404);
    let default = server.json(&at("api/branches/default")).await;
    assert_eq!(server.json(&at("api/branches")).await["values"][0], default);
    let old = on(instance(), DataCenterOptions::new("7.5.2", "")).await;
    assert_eq!(old.get(&at("api/default-branch")).await.status, 404);
    assert_eq!(old.get(&at("api/branches/default")).await.status, 200);
}

#[tokio::test]
async fn commits_go_from_until_back_to_since() {
    let mut world = instance();
    world.add_repository("PAY", NewRepository::named("long").with_commits(130));
    world.add_repository("PAY", NewRepository::named("copy"));
    let server = on(world, usual()).await;
    let log = |server: &Server| -> Vec<String> {
        let world = server.simulator.world();
        let history = world.history_of("PAY/long");
        history.log("main").into_iter().map(str::to_owned).collect()
    };
    let path = "/projects/PAY/repos/long/commits";
    let before = log(&server);
    let page = server.json(&format!("{path}?limit=1000")).await;
    assert_eq!((page["limit"].as_u64(), page["nextPageStart"].as_u64()), (Some(100), Some(100)));
    assert_eq!(column(&server.pages(path).await, "/id"), before);
    assert_eq!(column(&server.pages(&format!("{path}?until=HEAD&limit=70")).await, "/id"), before);
    assert_eq!(column(&server.pages(&format!("{path}?until=refs/heads/main")).await, "/id"), before);
    let pushed = server.simulator.world().push_commits("PAY/long", 3);
    let since = server.json(&format!("{path}?since={}&withCounts=true", before[0])).await;
    assert_eq!(column(since["values"].as_array().unwrap(), "/id"), pushed.iter().rev().cloned().collect::<Vec<_>>());
    assert_eq!(since["totalCount"], 3);
    // A forced push: the old head is still known until it is cleaned up.
    server.simulator.world().force_push("PAY/long", 5, 1);
    assert_eq!(server.json(&format!("{path}?since={}", pushed[2])).await["size"], 1);
    server.simulator.world().collect_garbage("PAY/long");
    let missing = format!("{path}?since={}", pushed[2]);
    assert_eq!(refused(&server.get(&missing).await), (404, "NoSuchCommitException".to_owned()));
    let ignored = server.pages(&format!("{missing}&ignoreMissing=true")).await;
    assert_eq!(column(&ignored, "/id"), log(&server));
    assert_eq!(server.json(&format!("{path}/{}", log(&server)[0])).await["id"], log(&server)[0].as_str());
    assert_eq!(server.get(&format!("{path}/{}", pushed[2])).await.status, 404);
}

#[tokio::test]
async fn merges_can_be_left_out() {
    let server = on(world(3), usual()).await;
    let name = {
        let world = server.simulator.world();
        let repository = world.repositories().next().unwrap();
        world.data_center_name(repository)
    };
    let (project, slug) = name.split_once('/').unwrap();
    let path = format!("/projects/{project}/repos/{slug}/commits?limit=100");
    let all = server.pages(&path).await.len();
    let merges = server.pages(&format!("{path}&merges=only")).await;
    assert!(!merges.is_empty() && merges.iter().all(|it| it["parents"].as_array().unwrap().len() == 2));
    assert_eq!(server.pages(&format!("{path}&merges=exclude")).await.len(), all - merges.len());
    assert_eq!(server.get(&format!("{path}&merges=some")).await.status, 400);
}
