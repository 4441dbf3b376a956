//! Whether what we send looks like what the real server sends: recorded payloads and the vendor's OpenAPI document.

use std::collections::{BTreeMap, BTreeSet};

use super::super::super::{NewRepository, PersonId};
use super::super::shapes::{Document, compare, read, recorded};
use super::*;
use crate::recorded::folder;

/// Everything our server sends, by the name of its schema.
async fn sent() -> BTreeMap<&'static str, Vec<Value>> {
    let mut world = World::generate(
        7,
        &GenerateOptions {
            repositories: 60,
            pull_requests_per_repository: 40,
            forks_percent: 10,
            empty_percent: 5,
            archived_percent: 10,
            builds_percent: 80,
            ..GenerateOptions::default()
        },
    );
    let own = world.add_personal_project(PersonId(2));
    world.add_repository(&own, NewRepository::named("notes").with_commits(3));
    let server = on(world, usual()).await;
    let mut sent = BTreeMap::<&'static str, Vec<Value>>::new();
    let repositories = server.pages("/repos?archived=ALL&limit=1000").await;
    let mut commits = Vec::new();
    for repository in repositories.iter().take(12) {
        let (key, slug) = (repository["project"]["key"].as_str().unwrap(), repository["slug"].as_str().unwrap());
        let base = format!("/projects/{key}/repos/{slug}");
        let branches = server.pages(&format!("{base}/branches")).await;
        if branches.is_empty() {
            continue;
        }
        sent.entry("RestBranch").or_default().extend(branches);
        sent.entry("RestMinimalRef").or_default().push(server.json(&format!("{base}/default-branch")).await);
        let pull_requests = server.pages(&format!("{base}/pull-requests?state=ALL&limit=1000")).await;
        for one in pull_requests.iter().take(12) {
            let one = format!("{base}/pull-requests/{}", one["id"]);
            sent.entry("RestPullRequestActivity").or_default().extend(server.pages(&format!("{one}/activities")).await);
            sent.entry("RestChange").or_default().extend(server.pages(&format!("{one}/changes?limit=1000")).await);
        }
        for one in &pull_requests {
            let people = ["reviewers", "participants"].map(|list| one[list].as_array().unwrap().clone());
            sent.entry("RestPullRequestParticipant").or_default().extend(people.into_iter().flatten());
        }
        sent.entry("RestPullRequest").or_default().extend(pull_requests);
        commits.extend(server.pages(&format!("{base}/commits?limit=100")).await);
    }
    for commit in commits.iter().take(20) {
        let id = commit["id"].as_str().unwrap();
        let path = format!("{}/rest/build-status/1.0/commits/{id}", server.simulator.base_url());
        sent.entry("RestBuildStatus").or_default().extend(server.pages(&path).await);
    }
    sent.insert("RestRepository", repositories);
    sent.insert("RestCommit", commits);
    sent.insert("RestProject", server.pages("/projects").await);
    sent.insert("RestApplicationUser", server.pages("/users").await);
    sent.insert("RestDetailedUser", server.pages("/admin/users").await);
    sent.insert("RestApplicationProperties", vec![server.json("/application-properties").await]);
    sent.insert("RestErrors", vec![server.get("/projects/NONE").await.json()]);
    sent
}

/// What is recorded at a place within other objects.
fn within(objects: &[Value], place: &str) -> Vec<Value> {
    objects.iter().filter_map(|object| object.pointer(place)).cloned().collect()
}

/// Names of the recorded files that begin with one of these.
fn files(beginnings: &[&str]) -> Vec<String> {
    let Some(folder) = folder() else { return Vec::new() };
    let folder = std::fs::read_dir(folder.join("bitbucket/payloads/data-center")).unwrap();
    let mut names: Vec<String> = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(".json") && beginnings.iter().any(|beginning| name.starts_with(beginning)));
    names.sort();
    names
}

fn all(beginnings: &[&str]) -> Vec<Value> {
    let names = files(beginnings);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert!(!names.is_empty(), "nothing recorded begins with {beginnings:?}");
    recorded("data-center", &names).unwrap_or_default()
}

#[tokio::test]
async fn objects_have_the_keys_and_types_of_recorded_ones() {
    if folder().is_none() {
        return;
    }
    let sent = sent().await;
    let pull_requests = all(&["pull-request.", "pull-requests."]);
    let hooks = all(&["webhook.pr-", "webhook.repo-"]);
    let mut repositories = all(&["repository.", "repositories."]);
    for place in ["/fromRef/repository", "/toRef/repository"] {
        repositories.extend(within(&pull_requests, place));
        repositories.extend(within(&hooks, &format!("/pullRequest{place}")));
    }
    repositories.extend(within(&hooks, "/repository"));
    let mut told = pull_requests.clone();
    told.extend(within(&hooks, "/pullRequest"));
    // The forks recorded are of old instances, and of repositories without a description.
    compare("repository", &sent["RestRepository"], &repositories, &["/origin/archived", "/origin/description"], &[]);
    // Repositories within are held to the recorded ones just above; nobody recorded a bystander who looked.
    let not_recorded = [
        "/fromRef/repository/description",
        "/fromRef/repository/origin",
        "/toRef/repository/description",
        "/toRef/repository/origin",
        "/participants/*/lastReviewedCommit",
    ];
    compare("pull request", &sent["RestPullRequest"], &told, &not_recorded, &[]);
    compare("commit", &sent["RestCommit"], &all(&["commit.", "commits."]), &[], &[]);
    compare("branch", &sent["RestBranch"], &all(&["branches.", "branch.default"]), &[], &[]);
    // The one file that was moved there has none.
    compare("change", &sent["RestChange"], &all(&["changes."]), &["/srcPath/extension"], &[]);
    // No merge was recorded; the vendor's document does not tell its members.
    compare("activity", &sent["RestPullRequestActivity"], &all(&["pull-request-activities."]), &["/commit"], &[]);
    compare("project", &sent["RestProject"], &within(&repositories, "/project"), &[], &[]);
    compare("user", &sent["RestApplicationUser"], &all(&["user."]), &[], &[]);
    compare("errors", &sent["RestErrors"], &all(&["error."]), &[], &[]);
    let mut participants = within(&told, "/reviewers/0");
    participants.extend(within(&told, "/participants/0"));
    compare("participant", &sent["RestPullRequestParticipant"], &participants, &[], &[]);
}

#[tokio::test]
async fn pages_have_the_members_of_recorded_ones() {
    let Some(folder) = folder() else { return };
    let server = on(world(30), usual()).await;
    let pages = [server.json("/repos?limit=10").await, server.json("/repos?limit=100").await];
    for name in files(&["repositories.page.", "pull-requests.page.", "commits.page."]) {
        let page = read(folder.join("bitbucket/payloads/data-center").join(&name));
        for (key, value) in page.as_object().unwrap() {
            let ours = pages.iter().find_map(|page| page.get(key));
            // Where a commit's page counts is asked for.
            let ours = ours.map(Value::is_number);
            let is_known = ours == Some(value.is_number())
                || value.is_null()
                || ["values", "isLastPage", "authorCount", "totalCount", "filter"].contains(&key.as_str());
            assert!(is_known, "{name}: {key} is {value}");
        }
    }
}

#[tokio::test]
async fn objects_have_the_types_of_the_openapi_document() {
    let Some(folder) = folder() else { return };
    let document = Document(read(folder.join("bitbucket/openapi/bitbucket-data-center.openapi3.9.4.json")));
    for (name, objects) in sent().await {
        let schema = &document.0["components"]["schemas"][name];
        assert!(!schema.is_null(), "the document has no {name}");
        let (mut checked, mut wrong) = (0, BTreeSet::new());
        for object in &objects {
            document.check(object, schema, name, &mut checked, &mut wrong);
        }
        println!("{name}: {checked} values of {} objects checked", objects.len());
        assert!(checked > 0 && wrong.is_empty(), "{name}: {wrong:#?}");
    }
}
