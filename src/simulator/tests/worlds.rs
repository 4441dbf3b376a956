//! Worlds as they are made: by seed, and by hand for the demo.

use std::collections::BTreeSet;

use super::super::{GenerateOptions, PullRequestState, SimulatorOptions, World};
use super::{Server, column};

#[tokio::test]
async fn the_same_seed_gives_the_same_world() {
    let all = async |seed: u64| {
        let world = World::generate(seed, &GenerateOptions::repositories(40));
        let cloud = Server::on(world, SimulatorOptions::default()).await;
        let rows = cloud.walk("/repositories/acme?pagelen=100").await;
        let name = rows[0]["full_name"].as_str().unwrap();
        let commits = cloud.walk(&format!("/repositories/{name}/commits")).await;
        let pull_requests = cloud.walk(&format!("/repositories/{name}/pullrequests")).await;
        // Addresses of the server itself hold its port.
        format!("{rows:?}{commits:?}{pull_requests:?}").replace(cloud.simulator.url(), "")
    };
    assert_eq!(all(1).await, all(1).await);
    assert_ne!(all(1).await, all(2).await);
}

#[test]
fn a_large_world_keeps_names_apart_and_holds_no_pull_requests() {
    let world = World::generate(
        1,
        &GenerateOptions { pull_requests_per_repository: 60, ..GenerateOptions::repositories(20_000) },
    );
    let slugs: BTreeSet<&str> = world.repositories().map(|repository| repository.slug.as_str()).collect();
    let uuids: BTreeSet<_> = world.repositories().map(|repository| repository.uuid).collect();
    assert_eq!((slugs.len(), uuids.len()), (20_000, 20_000));
    for repository in world.repositories() {
        assert!(
            repository.created_on < repository.updated_on && repository.updated_on <= world.now(),
            "{repository:?}"
        );
        assert!(matches!(repository.activity, super::super::world::Activity::Seeded { .. }));
    }
    let name = world.full_name(world.repositories().next().unwrap());
    assert_eq!(world.pull_requests_of(&name).len(), 60);
}

#[test]
fn a_changed_repository_keeps_what_its_seed_gave() {
    let mut world = World::generate(1, &GenerateOptions::repositories(2));
    let name = world.full_name(world.repositories().next().unwrap());
    let branch = world.repository(&name).unwrap().default_branch.clone().unwrap();
    let before: Vec<String> = world.history_of(&name).log(&branch).into_iter().map(str::to_owned).collect();
    let titles = |world: &World| world.pull_requests_of(&name).iter().map(|it| it.title.clone()).collect::<Vec<_>>();
    let titles_before = titles(&world);
    let new = world.push_commits(&name, 1);
    let history = world.history_of(&name);
    assert_eq!(history.log(&branch)[0], new[0]);
    assert_eq!(history.log(&branch)[1..], before);
    assert_eq!(titles(&world), titles_before);
}

#[tokio::test]
async fn the_demo_holds_what_its_table_says() {
    let world = World::demo_at("2026-11-20T10:00:00Z".parse().unwrap());
    let cloud = Server::on(world, SimulatorOptions::default()).await;
    let rows = cloud.walk("/repositories/acme?sort=full_name&pagelen=100").await;
    insta::assert_snapshot!(column(&rows, "/full_name").join("\n"), @r"
    acme/checkout-ui
    acme/checkout-ui-fork
    acme/design-tokens-lib
    acme/fraud-detector
    acme/legacy-billing
    acme/mailer
    acme/mailer-2
    acme/onboarding-notes
    acme/payments-api
    acme/payments-api-service
    acme/payments-worker
    acme/platform-terraform
    acme/product-search
    acme/web-shop
    ");
    let row = |slug: &str| rows.iter().find(|row| row["slug"] == slug).unwrap();
    assert_eq!((&row("mailer")["name"], &row("mailer-2")["name"]), (&"Mailer".into(), &"Mailer".into()));
    assert_eq!(row("web-shop")["name"], "Web Shop");
    assert_eq!(row("checkout-ui-fork")["parent"]["full_name"], "acme/checkout-ui");
    assert!(row("onboarding-notes")["mainbranch"].is_null());
    assert!(row("legacy-billing")["updated_on"].as_str().unwrap() < "2024");
    assert_eq!(cloud.get("/repositories/acme/fraud-detector/commits").await.status, 403);
    let commits = cloud.walk("/repositories/acme/payments-api/commits?include=main&pagelen=100").await;
    assert_eq!(commits.len(), 130);
    let now = cloud.simulator.world().now();
    let world = cloud.simulator.world();
    let list = world.pull_requests_of("acme/payments-api");
    assert_eq!(list.len(), 64);
    for state in
        [PullRequestState::Open, PullRequestState::Merged, PullRequestState::Declined, PullRequestState::Superseded]
    {
        assert!(list.iter().any(|it| it.state == state), "{state:?}");
    }
    for repository in world.repositories() {
        assert!(repository.created_on < repository.updated_on && repository.updated_on <= now, "{repository:?}");
        for it in world.pull_requests(repository).iter() {
            assert!(it.created_on <= it.updated_on && it.updated_on <= now, "{it:?}");
        }
    }
    let lost = world.pull_requests_of("acme/checkout-ui");
    assert!(lost.iter().any(|it| world.repository(&it.source_repository.to_string()).is_none()), "a fork that is gone");
}
