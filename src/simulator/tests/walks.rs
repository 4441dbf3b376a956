//! Walks over commits, and what people do with pull requests.

use super::super::{GenerateOptions, NewPullRequest, NewRepository, SimulatorOptions, Verdict, World};
use super::{Server, column};
use crate::clock::Clock;

const WEB: &str = "/repositories/acme/web";

async fn web(commits: usize) -> Server {
    let mut world = World::new(3, Clock::manual("2026-05-01T09:30:00.25Z".parse().unwrap()));
    world.add_workspace("acme", "Acme");
    world.add_repository("acme", NewRepository::named("web").with_commits(commits));
    Server::on(world, SimulatorOptions::default()).await
}

#[tokio::test]
async fn commits_walk_by_an_opaque_next_without_size_and_page() {
    let cloud = web(250).await;
    let first = cloud.json(&format!("{WEB}/commits?include=main&pagelen=100")).await;
    assert_eq!((first.get("size"), first.get("page")), (None, None));
    let next = first["next"].as_str().unwrap();
    assert!(next.contains("ctx=") && !next.contains("include=") && next.contains("pagelen=100"), "{next}");
    // A push meanwhile does not shift the walk.
    cloud.simulator.world().push_commits("acme/web", 3);
    let rest = cloud.walk(next).await;
    assert_eq!(first["values"].as_array().unwrap().len() + rest.len(), 250);
    assert_eq!(rest.last().unwrap()["parents"].as_array().unwrap().len(), 0);
    assert_eq!(cloud.get(&format!("{next}&include=main")).await.status, 400);
    assert_eq!(cloud.get(&format!("{WEB}/commits?ctx=nonsense!")).await.status, 400);
}

#[tokio::test]
async fn include_and_exclude_cut_the_graph() {
    let cloud = web(5).await;
    let head = cloud.simulator.world().history_of("acme/web").head("main").unwrap().to_owned();
    let new = cloud.simulator.world().push_commits("acme/web", 2);
    cloud.simulator.world().push_to_branch("acme/web", "feature/with/slashes", 3);
    let count = async |query: &str| cloud.walk(&format!("{WEB}/commits{query}")).await.len();
    assert_eq!(count("").await, 10, "without include: all branches");
    assert_eq!(count("?include=main").await, 7);
    assert_eq!(count("/main").await, 7);
    assert_eq!(count("/feature/with/slashes").await, 10);
    assert_eq!(count("?include=feature%2Fwith%2Fslashes&exclude=main").await, 3);
    assert_eq!(count(&format!("?include=main&exclude={head}")).await, 2);
    assert_eq!(count(&format!("?include=main&exclude={}", &head[..12])).await, 2);
    assert_eq!(count(&format!("?include={}&include=feature/with/slashes&exclude={head}", new[0])).await, 5);
    assert_eq!(count("?exclude=main").await, 3);
    let rows = cloud.walk(&format!("{WEB}/commits?include=main&exclude={head}")).await;
    assert_eq!(column(&rows, "/hash"), [new[1].clone(), new[0].clone()]);
    let posted =
        cloud.client.post(cloud.address(&format!("{WEB}/commits"))).body(format!("include=main&exclude={head}"));
    let got = cloud.send(posted.header("content-type", "application/x-www-form-urlencoded")).await;
    assert_eq!(got.json()["values"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn unknown_commits_are_named() {
    let cloud = web(6).await;
    let gone = cloud.simulator.world().rewind("acme/web", 2);
    let path = format!("{WEB}/commits?include=main&exclude={}", gone[0]);
    cloud.json(&path).await;
    assert_eq!(cloud.simulator.world().collect_garbage("acme/web"), 2);
    let got = cloud.get(&path).await;
    assert_eq!(got.status, 404);
    assert_eq!(got.json()["error"]["data"]["shas"], serde_json::json!([gone[0]]));
    assert!(got.json()["error"]["message"].as_str().unwrap().contains(&gone[0]));
    let new = cloud.simulator.world().push_commits("acme/web", 2);
    assert!(new.iter().all(|hash| !gone.contains(hash)));
    assert_eq!(cloud.walk(&format!("{WEB}/commits?include=main")).await.len(), 6);
    assert_eq!(cloud.get(&format!("{WEB}/commits?include=no-such-branch")).await.status, 404);
    let forced = cloud.simulator.world().force_push("acme/web", 3, 1);
    let rows = cloud.walk(&format!("{WEB}/commits?include=main")).await;
    assert_eq!((rows.len(), rows[0]["hash"].as_str().unwrap()), (4, forced[0].as_str()));
}

#[tokio::test]
async fn a_merge_has_two_parents_and_a_renamed_default_branch_keeps_its_commits() {
    let cloud = web(4).await;
    cloud.simulator.world().push_to_branch("acme/web", "feature/x", 2);
    let merge = cloud.simulator.world().merge_branch("acme/web", "feature/x");
    let commit = cloud.json(&format!("{WEB}/commit/{merge}")).await;
    assert_eq!(commit["parents"].as_array().unwrap().len(), 2);
    cloud.simulator.world().rename_default_branch("acme/web", "trunk");
    assert_eq!(cloud.json(WEB).await["mainbranch"]["name"], "trunk");
    assert_eq!(cloud.get(&format!("{WEB}/commits?include=main")).await.status, 404);
    assert_eq!(cloud.walk(&format!("{WEB}/commits?include=trunk")).await.len(), 7);
    let branches = cloud.walk(&format!("{WEB}/refs/branches?sort=-name")).await;
    assert_eq!(column(&branches, "/name"), ["trunk", "feature/x"]);
    assert_eq!(branches[0]["target"]["hash"], merge);
    assert_eq!(cloud.json(&format!("{WEB}/refs/branches/feature/x")).await["name"], "feature/x");
}

#[tokio::test]
async fn generated_histories_hold_exactly_what_was_asked_for() {
    let options = GenerateOptions {
        repositories: 12,
        commits_per_repository: 41,
        forks_percent: 0,
        ..GenerateOptions::default()
    };
    let cloud = Server::generated(options).await;
    let mut unmatched = 0;
    for repository in cloud.walk("/repositories/acme?pagelen=100").await {
        let name = repository["full_name"].as_str().unwrap();
        let branch = repository["mainbranch"]["name"].as_str().unwrap().replace('/', "%2F");
        let rows = cloud.walk(&format!("/repositories/{name}/commits?include={branch}&pagelen=30")).await;
        let mut hashes = column(&rows, "/hash");
        assert!(hashes.iter().all(|hash| hash.len() == 40));
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), 41, "{name}");
        // A parent is always older and comes later.
        for (at, row) in rows.iter().enumerate() {
            for parent in row["parents"].as_array().unwrap() {
                assert!(rows[at + 1..].iter().any(|later| later["hash"] == parent["hash"]));
            }
        }
        unmatched += rows.iter().filter(|row| row["author"].get("user").is_none()).count();
    }
    assert!(unmatched > 0, "some authors have no account");
}

#[tokio::test]
async fn pull_requests_live_their_lives() {
    let cloud = web(5).await;
    let world = || cloud.simulator.world();
    let fork = NewRepository { forked_from: Some("acme/web".into()), ..NewRepository::named("web-fork") };
    world().add_repository("acme", fork);
    let of_fork = NewPullRequest { from_fork: Some("acme/web-fork".into()), ..NewPullRequest::titled("From outside") };
    let of_fork = world().open_pull_request("acme/web", of_fork);
    let merged = world().open_pull_request("acme/web", NewPullRequest::titled("Mine"));
    let declined = world().open_pull_request("acme/web", NewPullRequest::titled("No"));
    let superseded = world().open_pull_request("acme/web", NewPullRequest::titled("Old"));
    let before = cloud.json(WEB).await["updated_on"].clone();
    world().review_pull_request("acme/web", merged, Verdict::Approved);
    world().decline_pull_request("acme/web", declined, "Not now");
    world().supersede_pull_request("acme/web", superseded);
    world().comment_pull_request("acme/web", of_fork);
    assert_eq!(cloud.json(WEB).await["updated_on"], before, "the repository's own date does not move");
    let one = async |id: u64| cloud.json(&format!("{WEB}/pullrequests/{id}")).await;
    assert_eq!(one(merged).await["participants"][0]["state"], "approved");
    let hash = world().merge_pull_request("acme/web", merged);
    assert_eq!(one(merged).await["merge_commit"]["hash"], hash[..12]);
    assert_eq!(one(merged).await["state"], "MERGED");
    assert_eq!(one(declined).await["reason"], "Not now");
    assert_eq!(one(superseded).await["state"], "SUPERSEDED");
    assert_eq!(one(of_fork).await["source"]["repository"]["full_name"], "acme/web-fork");
    assert_eq!(cloud.json("/repositories/acme/web-fork").await["parent"]["full_name"], "acme/web");
    world().delete_repository("acme/web-fork");
    assert!(one(of_fork).await["source"]["repository"].is_null());
    assert!(one(of_fork).await["source"]["commit"].is_null());
    world().forget_author("acme/web", of_fork);
    assert!(one(of_fork).await["author"].is_null());
    let ids = cloud
        .walk(&format!("{WEB}/pullrequests?state=OPEN&state=MERGED&state=DECLINED&state=SUPERSEDED&sort=id"))
        .await;
    assert_eq!(ids.iter().map(|it| it["id"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(cloud.walk(&format!("{WEB}/commits?include=main")).await.iter().any(|it| it["hash"] == hash));
}
