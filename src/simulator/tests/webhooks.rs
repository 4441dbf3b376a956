//! What the simulated Bitbucket sends has the shapes that recorded webhooks have.

use serde_json::Value;

use super::shapes::recorded;
use crate::clock::Clock;
use crate::config::ConnectorType;
use crate::server::webhooks::event::read;
use crate::simulator::{DataCenterOptions, NewPullRequest, NewRepository, Verdict, World, cloud, data_center};

/// A world in which everything happened once.
fn eventful() -> World {
    let mut world = World::new(3, Clock::manual("2026-11-21T12:00:00Z".parse().unwrap()));
    world.add_workspace("acme", "Acme");
    world.add_project("acme", "PAY", "Payments");
    world.add_webhook("http://127.0.0.1:1/", "a secret");
    world.add_repository("acme", NewRepository::named("web").with_commits(3));
    let fork = NewRepository { forked_from: Some("acme/web".to_owned()), ..NewRepository::named("fork") };
    world.add_repository("acme", fork);
    world.push_commits("acme/web", 2);
    let id = world.open_pull_request("acme/web", NewPullRequest::titled("Sell"));
    world.comment_pull_request("acme/web", id);
    world.review_pull_request("acme/web", id, Verdict::Approved);
    world.review_pull_request("acme/web", id, Verdict::ChangesRequested);
    world.merge_pull_request("acme/web", id);
    let id = world.open_pull_request("acme/web", NewPullRequest::titled("Buy"));
    world.update_pull_request("acme/web", id, |it| it.title = "Rent".to_owned());
    world.decline_pull_request("acme/web", id, "no");
    world.edit_repository("acme/web", |it| it.description = "Sells".to_owned());
    world.rename_repository("acme/web", "shop");
    world
}

fn sent(world: &World, options: Option<&DataCenterOptions>) -> Vec<(&'static str, Value)> {
    let told = world.happened.iter().filter_map(|happened| match options {
        Some(options) => data_center::event(world, options, "http://dc", happened),
        None => cloud::event(world, "http://cloud/2.0", happened),
    });
    told.map(|(key, body)| (key, serde_json::from_str(&body).unwrap())).collect()
}

/// Members of `ours` that a recorded body never has at that place, three levels deep.
fn strange(ours: &Value, theirs: &[&Value], path: &str, depth: u32, found: &mut Vec<String>) {
    let Some(members) = ours.as_object().filter(|_| depth > 0) else { return };
    for (key, member) in members {
        let there: Vec<&Value> = theirs.iter().filter_map(|one| one.get(key)).collect();
        if there.is_empty() {
            found.push(format!("{path}/{key}"));
        } else {
            strange(member, &there, &format!("{path}/{key}"), depth - 1, found);
        }
    }
}

// P6.12: each event says the same to whoever reads it as a recorded one, and has no member no recording has.
#[test]
fn what_is_sent_looks_like_what_was_recorded_p6_12() {
    let world = eventful();
    let options = DataCenterOptions::default();
    let cloud = sent(&world, None);
    let keys: Vec<&str> = cloud.iter().map(|(key, _)| *key).collect();
    assert_eq!(
        keys,
        [
            "repo:created",
            "repo:fork",
            "repo:push",
            "repo:push",
            "pullrequest:created",
            "pullrequest:comment_created",
            "pullrequest:approved",
            "pullrequest:changes_request_created",
            "repo:push",
            "pullrequest:fulfilled",
            "repo:push",
            "pullrequest:created",
            "pullrequest:updated",
            "pullrequest:rejected",
            "repo:updated",
            "repo:updated",
        ]
    );
    let instance = sent(&world, Some(&options));
    let keys: Vec<&str> = instance.iter().map(|(key, _)| *key).collect();
    assert_eq!(keys.len(), cloud.len() - 1, "Data Center tells of no new repository: {keys:?}");
    for (product, events) in [(ConnectorType::BitbucketCloud, &cloud), (ConnectorType::BitbucketDataCenter, &instance)]
    {
        for (key, body) in events {
            let touched = read(product, key, body.to_string().as_bytes()).unwrap();
            assert_eq!(touched.len(), 1, "{key}: {body}");
            assert!(touched[0].id.is_some() && !touched[0].slug.is_empty(), "{key}: {body}");
        }
    }
    let compare = |folder: &str, events: &[(&str, Value)], with: &[(&str, &[&str])], but: &[&str]| {
        for (prefix, files) in with {
            let Some(theirs) = recorded(folder, files) else { return };
            let theirs: Vec<&Value> = theirs.iter().collect();
            let ours: Vec<&(&str, Value)> = events.iter().filter(|(key, _)| key.starts_with(prefix)).collect();
            let mut found = Vec::new();
            for (_, body) in &ours {
                strange(body, &theirs, "", 2, &mut found);
            }
            found.retain(|path| !but.contains(&path.as_str()));
            found.sort();
            found.dedup();
            println!("{folder} {prefix}: {} sent, {} recorded", ours.len(), theirs.len());
            assert!(!ours.is_empty() && found.is_empty(), "{folder} {prefix}: {found:?}");
        }
    };
    compare(
        "cloud",
        &cloud,
        &[
            ("repo:push", &["webhook.repo-push.go-scm.json", "webhook.repo-push.signed.bbs.json"]),
            (
                "pullrequest:",
                &[
                    "webhook.pullrequest.created.go-scm.json",
                    "webhook.pullrequest.pullrequest-created.bbs.json",
                    "webhook.pullrequest.pullrequest-updated.bbs.json",
                ],
            ),
        ],
        &[],
    );
    compare(
        "data-center",
        &instance,
        &[
            (
                "repo:refs_changed",
                &["webhook.repo-refs-changed.push.bbs.json", "webhook.repo-refs-changed.push-v10.bbs.json"],
            ),
            (
                "pr:",
                &[
                    "webhook.pr-opened.new-pr.bbs.json",
                    "webhook.pr-opened.go-scm.json",
                    "webhook.pr-merged.go-scm.json",
                ],
            ),
            ("repo:modified", &["webhook.repo-modified.go-playground.json"]),
        ],
        &[],
    );
}
