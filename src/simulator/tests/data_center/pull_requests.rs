//! Pull requests, what happens to them, what they change; builds.

use super::super::super::{BuildState, BuildStatus, NewPullRequest, NewRepository, NewestBy, Verdict};
use super::super::column;
use super::*;
use crate::clock::Clock;

const REPOSITORY: &str = "/projects/PAY/repos/api";

/// Four pull requests of `PAY/api`, opened a day apart: open, merged, declined, open.
fn instance() -> World {
    let mut world = World::new(3, Clock::manual(GenerateOptions::default().now));
    world.add_data_center_project("PAY", "Payments");
    world.add_repository("PAY", NewRepository::named("api").with_commits(4));
    for title in ["first", "second", "third", "fourth"] {
        world.advance(chrono::Duration::days(1));
        world.open_pull_request("PAY/api", NewPullRequest::titled(title));
    }
    world.advance(chrono::Duration::hours(1));
    world.merge_pull_request("PAY/api", 2);
    world.advance(chrono::Duration::hours(1));
    world.decline_pull_request("PAY/api", 3, "no");
    world.advance(chrono::Duration::hours(1));
    world.comment_pull_request("PAY/api", 1);
    world
}

fn ids(rows: &[Value]) -> Vec<u64> {
    rows.iter().map(|row| row["id"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn states_and_orders() {
    let server = on(instance(), usual()).await;
    let list = format!("{REPOSITORY}/pull-requests");
    assert_eq!(ids(&server.pages(&list).await), [1, 4], "open ones where nothing is said");
    assert_eq!(ids(&server.pages(&format!("{list}?state=MERGED")).await), [2]);
    assert_eq!(ids(&server.pages(&format!("{list}?state=DECLINED")).await), [3]);
    assert_eq!(ids(&server.pages(&format!("{list}?state=ALL&limit=3")).await), [1, 3, 2, 4]);
    assert_eq!(ids(&server.pages(&format!("{list}?state=ALL&order=OLDEST")).await), [4, 2, 3, 1]);
    assert_eq!(server.get(&format!("{list}?state=SUPERSEDED")).await.status, 400, "Cloud's alone");
    let by_creation = on(instance(), DataCenterOptions { newest_by: NewestBy::Created, ..usual() }).await;
    assert_eq!(ids(&by_creation.pages(&format!("{list}?state=ALL")).await), [4, 3, 2, 1]);
    server.simulator.world().supersede_pull_request("PAY/api", 4);
    assert_eq!(server.json(&format!("{list}/4")).await["state"], "DECLINED");
}

#[tokio::test]
async fn what_a_pull_request_tells() {
    let server = on(instance(), usual()).await;
    let at = |id: u64| format!("{REPOSITORY}/pull-requests/{id}");
    let merged = server.json(&at(2)).await;
    let head = server.simulator.world().history_of("PAY/api").head("main").unwrap().to_owned();
    assert_eq!(merged["properties"]["mergeCommit"]["id"], head.as_str());
    assert_eq!((merged["open"].as_bool(), merged["closed"].as_bool()), (Some(false), Some(true)));
    assert_eq!(merged["closedDate"], merged["updatedDate"]);
    assert_eq!(merged["version"], 1);
    let open = server.json(&at(1)).await;
    assert_eq!((open["version"].as_u64(), open["properties"]["commentCount"].as_u64()), (Some(0), Some(1)));
    assert!(open.get("closedDate").is_none());
    assert_eq!(open["reviewers"][0]["status"], "UNAPPROVED");
    server.simulator.world().review_pull_request("PAY/api", 1, Verdict::ChangesRequested);
    let reviewed = server.json(&at(1)).await;
    assert_eq!(reviewed["reviewers"][0]["status"], "NEEDS_WORK");
    assert_eq!(reviewed["reviewers"][0]["lastReviewedCommit"], reviewed["fromRef"]["latestCommit"]);
    assert!(reviewed["updatedDate"].as_i64() >= open["updatedDate"].as_i64());
    let iso = on(instance(), DataCenterOptions { iso_dates: true, ..usual() }).await;
    assert_eq!(iso.json(&at(1)).await["createdDate"], "2026-11-02T12:00:00+0000");
    let (status, name) = refused(&server.get(&at(99)).await);
    assert_eq!((status, name.as_str()), (404, "NoSuchPullRequestException"));
}

#[tokio::test]
async fn forks_name_their_origin_until_they_are_gone() {
    let mut world = instance();
    world.add_data_center_project("LAB", "Laboratory");
    world.add_repository(
        "LAB",
        NewRepository { forked_from: Some("PAY/api".to_owned()), ..NewRepository::named("api") },
    );
    let new = NewPullRequest { from_fork: Some("LAB/api".to_owned()), ..NewPullRequest::titled("idea") };
    let id = world.open_pull_request("PAY/api", new);
    let server = on(world, usual()).await;
    let path = format!("{REPOSITORY}/pull-requests/{id}");
    let from = server.json(&path).await["fromRef"]["repository"].clone();
    assert_eq!(
        (from["project"]["key"].as_str(), from["origin"]["project"]["key"].as_str()),
        (Some("LAB"), Some("PAY"))
    );
    assert_eq!(from["hierarchyId"], server.json(REPOSITORY).await["hierarchyId"]);
    server.simulator.world().delete_repository("LAB/api");
    let from = server.json(&path).await["fromRef"].clone();
    assert!(from.get("repository").is_none() && from["latestCommit"].is_string());
}

#[tokio::test]
async fn activities_come_newest_first() {
    let server = on(instance(), usual()).await;
    let path = |id: u64| format!("{REPOSITORY}/pull-requests/{id}/activities");
    server.simulator.world().review_pull_request("PAY/api", 1, Verdict::Approved);
    assert_eq!(column(&server.pages(&path(1)).await, "/action"), ["APPROVED", "COMMENTED", "OPENED"]);
    let merged = server.pages(&path(2)).await;
    assert_eq!(column(&merged, "/action"), ["MERGED", "OPENED"]);
    assert!(merged[0]["commit"]["id"].is_string());
    assert_eq!(column(&server.pages(&path(3)).await, "/action"), ["DECLINED", "OPENED"]);
    assert_eq!(server.json(&format!("{}?limit=1000", path(1))).await["limit"], 500);
}

#[tokio::test]
async fn changes_are_one_page_and_their_sums_came_with_9_1() {
    let server = on(instance(), usual()).await;
    let head = server.simulator.world().history_of("PAY/api").head("main").unwrap().to_owned();
    for of in [format!("{REPOSITORY}/commits/{head}"), format!("{REPOSITORY}/pull-requests/1")] {
        let all = server.json(&format!("{of}/changes?limit=1000")).await;
        let stats = server.json(&format!("{of}/diff-stats-summary/")).await;
        assert_eq!(all["values"].as_array().unwrap().len() as u64, stats["filesChanged"].as_u64().unwrap());
        assert_eq!(all["isLastPage"], true);
        let cut = server.json(&format!("{of}/changes?limit=1&start=1")).await;
        assert_eq!(cut["values"][0], all["values"][0], "start is passed over");
        assert_eq!(cut["isLastPage"], all["size"] == 1);
        assert!(cut["nextPageStart"].is_null());
    }
    let old = on(instance(), DataCenterOptions::new("9.0.1", "")).await;
    let got = old.get(&format!("{REPOSITORY}/commits/{head}/diff-stats-summary/")).await;
    assert_eq!((got.status, got.json()["status-code"].as_u64()), (404, Some(404)));
}

#[tokio::test]
async fn builds_of_a_commit() {
    let server = on(instance(), usual()).await;
    let head = server.simulator.world().history_of("PAY/api").head("main").unwrap().to_owned();
    let path = format!("{}/rest/build-status/latest/commits/{head}", server.simulator.base_url());
    assert_eq!(server.json(&path).await["size"], 0);
    {
        let mut world = server.simulator.world();
        let now = world.now();
        world.set_build_status(&head, BuildStatus::new("UNIT", BuildState::InProgress, now));
        world.set_build_status(&head, BuildStatus::new("UNIT", BuildState::Successful, now));
        world.set_build_status(&head, BuildStatus::new("LOAD", BuildState::Failed, now + chrono::Duration::hours(1)));
    }
    let rows = server.pages(&path).await;
    assert_eq!(column(&rows, "/key"), ["LOAD", "UNIT"]);
    assert_eq!(column(&rows, "/state"), ["FAILED", "SUCCESSFUL"]);
    let stats = format!("{}/rest/build-status/1.0/commits/stats/{head}", server.simulator.base_url());
    assert_eq!(server.json(&stats).await["failed"], 1);
    // Generated worlds have some without being told.
    server.simulator.world().derive_builds(100);
    let more = server.pages(&path).await;
    assert!(more.len() > 2);
    assert_eq!(server.pages(&path).await, more);
}
