//! Optional kinds (P5.5): against the simulated Data Center, and what only some servers answer, scripted.

use std::collections::{BTreeMap, BTreeSet};

use super::simulated::{dc, one, playing, records, usual, walk};
use super::*;
use crate::model::detail::known_without_asking;
use crate::model::{Build, Commit, DetailBody, DetailKind, HEAD, PullRequest, Review, ReviewAction};
use crate::simulator::{
    BuildState, BuildStatus, DataCenterOptions, Endpoint, Fault, GenerateOptions, Order, Simulator, SimulatorOptions,
    World,
};
use crate::source::bitbucket_cloud::{BitbucketCloud, CloudSettings};

const EVERYTHING: Ask = Ask::PullRequests { from: None, to: None };

fn all_commits() -> Ask {
    Ask::Commits { include: vec![HEAD.to_owned()], exclude: vec![] }
}

fn reviews(body: DetailBody) -> Vec<Review> {
    match body {
        DetailBody::Reviews { reviews } => reviews,
        other => panic!("{other:?}"),
    }
}

fn builds(body: DetailBody) -> Vec<Build> {
    match body {
        DetailBody::Builds { builds } => builds,
        other => panic!("{other:?}"),
    }
}

/// A world with many pull requests and commits, as Cloud or Data Center.
fn lively() -> World {
    let options = GenerateOptions {
        repositories: 3,
        pull_requests_per_repository: 40,
        commits_per_repository: 60,
        builds_percent: 40,
        ..GenerateOptions::default()
    };
    World::generate(21, &options)
}

// P5.5: every version tells who approved, asked for changes and commented, and when; the list alone tells where nobody
// did, and that is no guess.
#[tokio::test]
async fn reviews_are_those_that_happened() {
    for (version, page_limit, iso_dates) in [("7.21.9", 3, true), ("9.4.0", 1000, false)] {
        let options = DataCenterOptions { page_limit, iso_dates, ..DataCenterOptions::new(version, "/bitbucket") };
        let simulator = playing(lively(), options).await;
        let dc = dc(&simulator);
        let (mut asked, mut quiet) = (0, 0);
        for record in records(&dc).await.unwrap().into_values() {
            let repo = record.repository;
            let (items, _) = walk(&dc, &repo, &EVERYTHING).await.unwrap();
            let name = format!("{}/{}", repo.workspace, repo.slug);
            let there = simulator.world().pull_requests_of(&name).into_owned();
            for item in &items {
                let Item::PullRequest(it) = item else { panic!("a commit") };
                let real = there.iter().find(|real| real.id == it.id).unwrap();
                let verdicts = real.participants.iter().filter(|one| one.verdict.is_some()).count();
                let happened = verdicts + real.comments as usize;
                match known_without_asking(DetailKind::Reviews, item) {
                    Some(body) => {
                        quiet += 1;
                        assert_eq!((reviews(body).len(), happened), (0, 0), "{name} {}", it.id);
                    }
                    None => {
                        asked += 1;
                        let told = reviews(dc.detail(&repo, DetailKind::Reviews, item).await.unwrap());
                        assert_eq!(told.len(), happened, "{name} {}: {told:?}", it.id);
                        assert!(told.iter().all(|review| review.at.is_some()) && told.is_sorted());
                        let commented = told.iter().filter(|one| one.action == ReviewAction::Commented).count();
                        assert_eq!(commented, real.comments as usize);
                        assert!(happened > 0, "{name} {}: asked in vain", it.id);
                    }
                }
            }
        }
        assert!(asked > 20 && quiet > 0, "{asked} asked, {quiet} not");
    }
}

// P5.5, facts 2.2: the files are the same as Cloud tells of the same commits, renames and removals included; lines are
// counted from 9.1 on, and before nobody is asked.
#[tokio::test]
async fn files_of_commits_are_those_that_cloud_tells() {
    let cloud_simulator = Simulator::start(lively(), SimulatorOptions::default()).await.unwrap();
    let mut settings = CloudSettings::new("acme", token("sesame-token-1"));
    settings.api_url = Url::parse(cloud_simulator.api_url()).unwrap();
    settings.clock = Clock::manual(cloud_simulator.world().now());
    let cloud = BitbucketCloud::new(settings).unwrap();
    let page = cloud.repositories(&Listing::Sweep, None).await.unwrap();
    let cloud_repos: BTreeMap<String, Repository> =
        page.records.into_iter().map(|it| (it.repository.slug.clone(), it.repository)).collect();
    for (version, counts) in [("8.19.2", false), ("9.1.0", true), ("10.0.1", true)] {
        let simulator = playing(lively(), DataCenterOptions::new(version, "")).await;
        let dc = dc(&simulator);
        let (mut statuses, mut commits) = (BTreeSet::new(), 0);
        for record in records(&dc).await.unwrap().into_values() {
            let repo = record.repository;
            let (items, _) = walk(&dc, &repo, &all_commits()).await.unwrap();
            for item in items.iter().take(25) {
                commits += 1;
                let here = dc.detail(&repo, DetailKind::CommitFiles, item).await.unwrap();
                let there = cloud.detail(&cloud_repos[&repo.slug], DetailKind::CommitFiles, item).await.unwrap();
                let DetailBody::Files { files, lines_added, lines_removed, total, truncated } = here else {
                    panic!("{here:?}")
                };
                let DetailBody::Files { files: wanted, lines_added: added, lines_removed: removed, .. } = there else {
                    panic!("{there:?}")
                };
                let names = |files: &[crate::model::FileChange]| -> Vec<_> {
                    files.iter().map(|it| (it.path.clone(), it.from.clone(), it.status.clone())).collect()
                };
                assert_eq!(names(&files), names(&wanted));
                assert_eq!((total, truncated), (wanted.len() as u64, false));
                let lines = if counts { (added, removed) } else { (None, None) };
                assert_eq!((lines_added, lines_removed), lines);
                statuses.extend(files.into_iter().map(|file| file.status));
            }
        }
        assert_eq!(statuses.into_iter().collect::<Vec<_>>(), ["added", "modified", "removed", "renamed"]);
        let log = simulator.requests();
        assert_eq!(log.count(Endpoint::Changes), commits, "{version}");
        assert_eq!(log.count(Endpoint::DiffStats), if counts { commits } else { 0 }, "{version}");
        assert_eq!(log.count(Endpoint::ApplicationProperties), 1, "{version}");
    }
}

// P5.5, facts 2.2: a list of changes that the server cuts is told to be cut, with the true number where it is counted.
#[tokio::test]
async fn a_change_that_is_too_large_is_told_to_be_cut() {
    for (version, counts) in [("8.19.2", false), ("9.4.0", true)] {
        let options = DataCenterOptions { page_limit: 2, ..DataCenterOptions::new(version, "/bitbucket") };
        let (_simulator, dc, repo) = one(40, options).await;
        let (items, _) = walk(&dc, &repo, &all_commits()).await.unwrap();
        let mut cut = 0;
        for item in &items {
            let body = dc.detail(&repo, DetailKind::CommitFiles, item).await.unwrap();
            let DetailBody::Files { files, total, truncated, .. } = body else { panic!("{body:?}") };
            assert!(files.len() <= 2 && total >= files.len() as u64);
            assert_eq!(total > 2, truncated && counts, "{total} {truncated}");
            cut += usize::from(truncated);
        }
        assert!(cut > 10, "{cut}");
    }
}

// P5.5: which commits have no build is told of a hundred at once; the others are asked one by one.
#[tokio::test]
async fn builds_are_asked_for_where_there_are_some() {
    let simulator = playing(lively(), usual()).await;
    let dc = dc(&simulator);
    let (mut with, mut without) = (0, 0);
    for record in records(&dc).await.unwrap().into_values() {
        let repo = record.repository;
        let (items, _) = walk(&dc, &repo, &all_commits()).await.unwrap();
        simulator.reset_requests();
        let told = dc.details(&repo, DetailKind::Builds, &items).await.unwrap();
        assert_eq!((told.len(), simulator.requests().total), (items.len(), 1));
        for (item, told) in items.iter().zip(told) {
            let Item::Commit(commit) = item else { panic!("a pull request") };
            let there = simulator.world().builds_of(&commit.hash);
            match told {
                Some(body) => {
                    without += 1;
                    assert_eq!((builds(body).len(), there.len()), (0, 0));
                }
                None => {
                    with += 1;
                    let told = builds(dc.detail(&repo, DetailKind::Builds, item).await.unwrap());
                    let seen: BTreeSet<_> = told.iter().map(|it| (it.key.clone(), it.state.clone())).collect();
                    let real: BTreeSet<_> =
                        there.iter().map(|it| (it.key.clone(), it.state.as_str().to_lowercase())).collect();
                    assert_eq!(seen, real);
                    assert!(told.iter().all(|it| it.started_at.is_some() && it.url.is_some()), "{told:?}");
                }
            }
        }
    }
    assert!(with > 20 && without > 20, "{with} with, {without} without");
}

// P5.5: where many cannot be asked at once (an old version, a gateway that lets no POST through), each is; asked once.
#[tokio::test]
async fn builds_are_asked_one_by_one_where_they_must() {
    for status in [404, 405] {
        let (simulator, dc, repo) = one(5, usual()).await;
        let (items, _) = walk(&dc, &repo, &all_commits()).await.unwrap();
        let Item::Commit(head) = &items[0] else { panic!("a pull request") };
        let now = simulator.world().now();
        simulator.world().set_build_status(&head.hash, BuildStatus::new("UNIT", BuildState::InProgress, now));
        simulator.order(Order::always(Fault::Status(status)).at(Endpoint::BuildTotals));
        for _ in 0..2 {
            assert_eq!(dc.details(&repo, DetailKind::Builds, &items).await.unwrap(), vec![None; items.len()]);
        }
        assert_eq!(simulator.requests().count(Endpoint::BuildTotals), 1);
        let told = builds(dc.detail(&repo, DetailKind::Builds, &items[0]).await.unwrap());
        assert_eq!((told.len(), told[0].state.as_str(), told[0].is_running()), (1, "in_progress", true));
        assert_eq!((told[0].started_at, told[0].ended_at), (Some(now), None));
        assert_eq!(builds(dc.detail(&repo, DetailKind::Builds, &items[1]).await.unwrap()), []);
    }
}

fn commit(hash: &str) -> Item {
    Item::Commit(Commit::bare(hash, DateTime::UNIX_EPOCH))
}

fn pull_request(id: u64) -> Item {
    Item::PullRequest(PullRequest::bare(id, DateTime::UNIX_EPOCH))
}

const HASH: &str = "131cb13f4aed12e725177bc4b7c28db67839bf9f";

// P5.9, facts 2.2: neither a diff nor a file is ever asked for; a version that is not told is asked once for what it
// may not have, and believed.
#[tokio::test]
async fn what_a_server_lacks_is_asked_once() {
    let server = Server::instance(|_, path| match path {
        "/application-properties" => status(404, ""),
        path if path.ends_with("/changes") => {
            let row = json!({"path": {"toString": "a/b.rs"}, "srcPath": {"components": ["a", "c.rs"]}, "type": "COPY"});
            ok(page(&[row], None))
        }
        _ => status(404, r#"{"message":"null for uri","status-code":404}"#),
    })
    .await;
    let (dc, repo) = (server.dc(), a_repository(&server));
    for item in [commit(HASH), pull_request(7)] {
        let kind = if matches!(item, Item::Commit(_)) { DetailKind::CommitFiles } else { DetailKind::PullRequestFiles };
        let body = dc.detail(&repo, kind, &item).await.unwrap();
        let DetailBody::Files { files, lines_added, total, truncated, .. } = body else { panic!("{body:?}") };
        assert_eq!((lines_added, total, truncated), (None, 1, false));
        assert_eq!((files[0].status.as_str(), files[0].from.as_deref()), ("copied", Some("a/c.rs")));
    }
    assert_eq!(
        server.asked(),
        [
            format!("/projects/PAY/repos/api/commits/{HASH}/changes?withComments=false&limit=1000"),
            "/application-properties?".to_owned(),
            format!("/projects/PAY/repos/api/commits/{HASH}/diff-stats-summary?"),
            "/projects/PAY/repos/api/pull-requests/7/changes?withComments=false&limit=1000".to_owned(),
        ]
    );
}

// A diff that takes longer than the server allows itself costs its lines, not its files, and not those of the others.
#[tokio::test]
async fn lines_that_cannot_be_counted_are_left_out() {
    let server = Server::instance(|_, path| match path {
        "/application-properties" => ok(json!({"version": "9.4.0"})),
        path if path.ends_with("/changes") => ok(page(&[json!({"path": {"toString": "a"}, "type": "ADD"})], None)),
        path if path.contains("pull-requests/1/") => status(500, ""),
        path if path.contains("pull-requests/2/") => ok(json!({"lines": "many"})),
        _ => ok(json!({"filesChanged": 1, "totalInsertions": 3, "totalDeletions": 2})),
    })
    .await;
    let (dc, repo) = (server.dc(), a_repository(&server));
    for (id, wanted) in [(1, None), (2, None), (3, Some((3, 2)))] {
        let body = dc.detail(&repo, DetailKind::PullRequestFiles, &pull_request(id)).await.unwrap();
        let DetailBody::Files { files, lines_added, lines_removed, .. } = body else { panic!("{body:?}") };
        assert_eq!((files.len(), lines_added.zip(lines_removed)), (1, wanted), "{id}");
    }
}

// facts 2.2: a server that answers its only page again and again is not followed in circles; one that has pages is.
#[tokio::test]
async fn changes_are_read_as_far_as_there_are_new_ones() {
    let row = |n: u64| json!({"path": {"toString": format!("file-{n}")}, "type": "MODIFY"});
    for is_ignored in [true, false] {
        let server = Server::instance(move |seen, path| match path {
            "/application-properties" => ok(json!({"version": "7.0.0"})),
            _ => {
                let start: u64 = if is_ignored { 0 } else { seen.one("start").parse().unwrap_or(0) };
                let rows: Vec<Value> = (start..(start + 3).min(8)).map(row).collect();
                ok(page(&rows, (start + 3 < 8).then_some(start + 3)))
            }
        })
        .await;
        let body = server.dc().detail(&a_repository(&server), DetailKind::CommitFiles, &commit(HASH)).await.unwrap();
        let DetailBody::Files { total, truncated, .. } = body else { panic!("{body:?}") };
        assert_eq!((total, truncated), if is_ignored { (3, true) } else { (8, false) });
    }
}

// facts 2.2, 2.5: an answer stands below the comment it answers, and may stand by itself as well; what is deleted or
// unknown is passed over; former users have no name.
#[tokio::test]
async fn each_act_of_a_review_is_told_once() {
    let user = |name: &str| json!({"name": name, "displayName": name, "slug": name});
    let answer = json!({"id": 2, "author": user("Bea"), "createdDate": 1_700_000_200_000_u64, "comments": []});
    let comment = json!({"id": 1, "author": user("Ada"), "createdDate": 1_700_000_100_000_u64, "comments": [answer]});
    let act = |action: &str, day: u64| json!({"action": action, "createdDate": day, "user": user("Ada")});
    let rows = [
        json!({"action": "COMMENTED", "commentAction": "REPLIED", "user": user("Bea"), "comment": answer}),
        json!({"action": "COMMENTED", "commentAction": "ADDED", "user": user("Ada"), "comment": comment}),
        json!({"action": "COMMENTED", "commentAction": "EDITED", "user": user("Ada"), "comment": comment}),
        json!({"action": "COMMENTED", "commentAction": "DELETED", "comment": {"id": 9}}),
        act("APPROVED", 1_700_000_300_000),
        act("UNAPPROVED", 1_700_000_400_000),
        json!({"action": "REVIEWED", "createdDate": "2023-11-14T22:30:00+0000", "user": null}),
        act("RESCOPED", 1_700_000_500_000),
        json!({"action": "SOMETHING_NEW", "added": []}),
        json!("garbage"),
    ];
    let server = Server::instance(move |seen, path| {
        assert_eq!((path, seen.one("limit")), ("/projects/PAY/repos/api/pull-requests/7/activities", "500"));
        match seen.one("start") {
            "" => ok(page(&rows[..4], Some(4))),
            _ => ok(page(&rows[4..], None)),
        }
    })
    .await;
    let body = server.dc().detail(&a_repository(&server), DetailKind::Reviews, &pull_request(7)).await.unwrap();
    let told: Vec<_> = reviews(body).into_iter().map(|it| (it.action.as_str(), it.by)).collect();
    let by = |name: &str| Some(name.to_owned());
    assert_eq!(
        told,
        [
            ("commented", by("Ada")),
            ("commented", by("Bea")),
            ("approved", by("Ada")),
            ("unapproved", by("Ada")),
            ("changes_requested", None),
        ]
    );
}

// facts 2.2, section 3: a fork has the same commits, and its builds are not ours; nor is a link that is none.
#[tokio::test]
async fn builds_of_a_fork_are_not_ours() {
    let row = |key: &str, project: &str| {
        json!({"key": key, "state": "SUCCESSFUL", "url": "javascript:alert(1)", "projectKey": project,
            "repositorySlug": "api", "createdDate": 1_700_000_000_000_u64, "updatedDate": 1_700_000_060_000_u64})
    };
    let rows = [row("ours", "pay"), row("theirs", "~ada"), json!({"key": "old", "state": "FAILED", "dateAdded": 5})];
    let server = Server::below("/bitbucket", move |seen, _| {
        assert_eq!(seen.path, format!("/bitbucket/rest/build-status/1.0/commits/{HASH}"));
        ok(page(&rows, None))
    })
    .await;
    let told = builds(server.dc().detail(&a_repository(&server), DetailKind::Builds, &commit(HASH)).await.unwrap());
    let keys: Vec<_> = told.iter().map(|it| it.key.as_str()).collect();
    assert_eq!(keys, ["old", "ours"]);
    assert_eq!((told[0].started_at, told[0].ended_at.map(|at| at.timestamp_millis())), (None, Some(5)));
    assert_eq!((told[1].url.as_deref(), told[1].ended_at.is_some()), (None, true));
}

// facts 2.3: who may not look at pull requests is told so, and nothing is concluded from it.
#[tokio::test]
async fn what_is_not_permitted_is_forbidden() {
    let server = Server::instance(|_, _| error(401, "AuthorisationException", "You are not permitted")).await;
    let (dc, repo) = (server.dc(), a_repository(&server));
    for kind in [DetailKind::Reviews, DetailKind::PullRequestFiles] {
        let result = dc.detail(&repo, kind, &pull_request(1)).await;
        assert!(matches!(result, Err(SourceError::Forbidden { .. })), "{result:?}");
    }
}
