//! Against a small server of our own over real HTTP: what it answers is scripted per test, what it was
//! asked is kept. The simulator is met in `tests/simulated.rs`.

mod credentials;
mod faults;
mod limits;
mod looking;
mod pull_requests;
mod recorded;
mod simulated;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use serde_json::{Value, json};

use super::*;
use crate::source::http::FixedSecret;
use crate::source::http::scripted::{Seen, Server, ok, status};
use crate::source::walked;

impl Server {
    fn settings(&self) -> CloudSettings {
        let mut settings = CloudSettings::new("acme", Credential::AccessToken(FixedSecret::shared("sesame-token-1")));
        settings.api_url = self.base.clone();
        settings.http.retry_base = Duration::ZERO;
        settings.http.max_wait = Duration::ZERO;
        settings.clock = Clock::manual("2026-11-21T12:00:00Z".parse().unwrap());
        settings
    }

    fn cloud(&self) -> BitbucketCloud {
        BitbucketCloud::new(self.settings()).unwrap()
    }
}

fn repo_row(n: u32) -> Value {
    json!({"uuid": format!("{{{n}}}"), "full_name": format!("acme/repo-{n}"), "name": format!("Repo {n}"),
        "mainbranch": {"name": "main"}, "is_private": true})
}

fn a_repository() -> Repository {
    wire::repository(repo_row(1)).unwrap().repository
}

/// Slugs of the whole list.
async fn sweep(cloud: &BitbucketCloud) -> Result<Vec<String>, SourceError> {
    let records = walked::records(cloud, &Listing::Sweep).await?;
    Ok(records.into_iter().map(|record| record.repository.slug).collect())
}

// P2.1, P2.12, facts 1.1: `next` is followed as given, its parameters are not added again.
#[tokio::test]
async fn a_sweep_follows_next_as_given() {
    let server = Server::start(|seen, base| match seen.one("page") {
        "" => ok(json!({"size": 3, "values": [repo_row(1), repo_row(2)],
            "next": format!("{base}/repositories/acme?page=2&ctx=a%2Bb")})),
        _ => ok(json!({"size": 3, "values": [repo_row(3)]})),
    })
    .await;
    let cloud = server.cloud();
    assert_eq!(sweep(&cloud).await.unwrap(), ["repo-1", "repo-2", "repo-3"]);
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(
        (seen[0].path.as_str(), seen[0].one("sort"), seen[0].one("pagelen")),
        ("/2.0/repositories/acme", "created_on", "100")
    );
    assert!(seen[0].one("fields").split(',').all(|field| field.starts_with('-')), "fields only drops");
    assert_eq!(seen[1].query, [("page".to_owned(), "2".to_owned()), ("ctx".to_owned(), "a+b".to_owned())]);
    assert_eq!(seen[0].authorization, "Bearer sesame-token-1");
    assert_eq!(seen[0].user_agent, concat!("catalog-sync/", env!("CARGO_PKG_VERSION")));
    assert_eq!(cloud.usage().requests, 2);
}

// P2.11: one unreadable row is named, the others come.
#[tokio::test]
async fn an_unreadable_row_never_takes_the_others_along() {
    let server =
        Server::start(|_, _| ok(json!({"values": [repo_row(1), {"uuid": "{x}", "full_name": 7}, repo_row(2)]}))).await;
    let page = server.cloud().repositories(&Listing::Sweep, None).await.unwrap();
    assert_eq!(page.records.len(), 2);
    assert_eq!(page.unreadable[0].key, Some(RepoKey::cloud("{x}")));
}

// Section 8, "Commits": a branch with slashes, and what is excluded.
#[tokio::test]
async fn commits_are_asked_by_branch() {
    let row =
        json!({"hash": "aa11", "date": "2026-01-02T03:04:05+00:00", "message": "m", "author": {"raw": "Ann <a@b>"}});
    let server = Server::start(move |_, _| ok(json!({"values": [row, {"hash": "bad"}]}))).await;
    let ask =
        Ask::Commits { include: vec!["release/1.0".to_owned()], exclude: vec!["bb22".to_owned(), "cc33".to_owned()] };
    let page = server.cloud().secondary(&a_repository(), &ask, None).await.unwrap();
    assert_eq!((page.items.len(), page.unreadable.len()), (1, 1));
    let seen = &server.seen()[0];
    assert_eq!((seen.path.as_str(), seen.one("include")), ("/2.0/repositories/acme/repo-1/commits", "release/1.0"));
    assert_eq!(seen.all("exclude"), ["bb22", "cc33"]);
    assert!(seen.one("fields").starts_with("next,"));
}

#[tokio::test]
async fn an_empty_repository_is_never_asked_for_commits() {
    let server = Server::start(|_, _| status(404, "")).await;
    let repo = Repository { default_branch: None, ..a_repository() };
    let ask = Ask::Commits { include: vec!["main".to_owned()], exclude: Vec::new() };
    let page = server.cloud().secondary(&repo, &ask, None).await.unwrap();
    assert!(page.items.is_empty() && page.next.is_none() && server.seen().is_empty());
}

// Section 8: a long list of excludes is posted as a form; `next` of it is followed by its address alone.
#[tokio::test]
async fn long_exclude_lists_are_posted() {
    let server = Server::start(|seen, base| match seen.number {
        1 => ok(json!({"values": [], "next": format!("{base}/repositories/acme/repo-1/commits?ctx=abc")})),
        _ => ok(json!({"values": []})),
    })
    .await;
    let exclude: Vec<String> = (0..200).map(|n| format!("{n:040x}")).collect();
    let ask = Ask::Commits { include: vec!["main".to_owned()], exclude };
    let cloud = server.cloud();
    let page = cloud.secondary(&a_repository(), &ask, None).await.unwrap();
    let last = cloud.secondary(&a_repository(), &ask, page.next.as_ref()).await.unwrap();
    assert!(last.next.is_none());
    let seen = server.seen();
    assert_eq!((seen[0].method.as_str(), seen[1].method.as_str()), ("POST", "GET"));
    assert!(seen[0].body.starts_with("include=main&exclude=0000"));
    assert_eq!(seen[0].body.matches("exclude=").count(), 200);
    assert_eq!((seen[0].one("pagelen"), seen[0].all("exclude").len()), ("100", 0));
}

// Section 9, "Delta discovery": by change date, walked in the order of creation.
#[tokio::test]
async fn a_delta_asks_by_change_date() {
    let server = Server::start(|_, _| ok(json!({"size": 0, "values": []}))).await;
    let since = "2026-11-21T11:45:00.5Z".parse().unwrap();
    let cloud = server.cloud();
    let page = cloud.repositories(&Listing::Delta { updated_on: since }, None).await.unwrap();
    assert!(page.server_date.is_some(), "the server's Date is the watermark");
    cloud.repositories(&Listing::SweepFrom { created_on: since }, None).await.unwrap();
    assert_eq!(cloud.count().await.unwrap(), Some(0));
    let seen = server.seen();
    assert_eq!(seen[0].one("q"), "updated_on>=\"2026-11-21T11:45:00.500000+00:00\"");
    assert_eq!(seen[1].one("q"), "created_on>=\"2026-11-21T11:45:00.500000+00:00\"");
    assert!(seen[..2].iter().all(|seen| seen.one("sort") == "created_on"));
    assert_eq!((seen[2].one("pagelen"), seen[2].one("fields"), seen[2].one("q")), ("1", "size", ""));
}

// Section 9: one look by uuid before gone; only Bitbucket's own 404 means that it is not there (P2.9).
#[tokio::test]
async fn a_repository_is_looked_up_by_its_uuid() {
    let server = Server::start(|seen, _| match seen.number {
        1 => ok(repo_row(1)),
        2 => status(404, r#"{"type":"error","error":{"message":"Repository not found"}}"#),
        3 => status(404, "<html><title>Blocked by policy</title></html>"),
        4 => status(403, r#"{"type":"error","error":{"message":"no"}}"#),
        _ => ok(repo_row(2)),
    })
    .await;
    let cloud = server.cloud();
    let known = a_repository();
    let found = cloud.repository(&known).await.unwrap().unwrap();
    assert_eq!(found.repository.full_name, "acme/repo-1");
    assert_eq!(server.seen()[0].path, "/2.0/repositories/%7B%7D/%7B1%7D");
    assert!(cloud.repository(&known).await.unwrap().is_none());
    assert!(matches!(cloud.repository(&known).await, Err(SourceError::NotBitbucket { .. })));
    assert!(matches!(cloud.repository(&known).await, Err(SourceError::Forbidden { .. })));
    assert!(matches!(cloud.repository(&known).await, Err(SourceError::NotBitbucket { .. })), "another one came");
}

// facts 1.5: a commit walk whose excludes were rewritten away.
#[tokio::test]
async fn unknown_commits_are_named() {
    let gone = "1111111111111111111111111111111111111111";
    let server = Server::start(move |_, _| {
        status(
            404,
            json!({"type": "error", "error": {"message": "Commit not found", "data": {"shas": [gone]}}}).to_string(),
        )
    })
    .await;
    let ask = Ask::Commits { include: vec!["main".to_owned()], exclude: vec![gone.to_owned(), "22".repeat(20)] };
    let error = server.cloud().secondary(&a_repository(), &ask, None).await.unwrap_err();
    assert!(matches!(error, SourceError::UnknownCommits { hashes } if hashes == [gone]));
}

#[tokio::test]
async fn a_cursor_of_another_program_is_refused() {
    let server = Server::start(|_, _| ok(json!({"values": []}))).await;
    let cloud = server.cloud();
    for text in ["", "{}", r#"{"v":9,"at":{"next":"/x","page":2,"mark":""}}"#] {
        let error = cloud.repositories(&Listing::Sweep, Some(&Cursor(text.to_owned()))).await.unwrap_err();
        assert!(matches!(error, SourceError::StaleCursor), "{text}");
    }
    // One that was tampered with does not lead elsewhere.
    let evil = Cursor(r#"{"v":1,"at":{"next":"/../../internal","page":2,"mark":""}}"#.to_owned());
    let error = cloud.repositories(&Listing::Sweep, Some(&evil)).await.unwrap_err();
    assert!(matches!(error, SourceError::UntrustedLink { .. }));
    assert!(server.seen().is_empty());
}

#[test]
fn settings_that_would_leak_are_refused() {
    let settings = |url: &str, workspace: &str, credential| {
        let mut settings = CloudSettings::new(workspace, credential);
        settings.api_url = Url::parse(url).unwrap();
        settings
    };
    let token = || Credential::AccessToken(FixedSecret::shared("sesame"));
    let basic = || Credential::Basic { username: FixedSecret::shared("me"), password: FixedSecret::shared("pw") };
    let refused = |settings| BitbucketCloud::new(settings).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(refused(settings("http://git.acme.dev/2.0", "acme", token())).contains("plain http"));
    assert!(refused(settings("https://169.254.169.254/2.0", "acme", token())).contains("link-local"));
    assert!(refused(settings(API_URL, "..", token())).contains("workspace"));
    assert!(refused(settings(API_URL, "", token())).contains("workspace"));
    // P6.4: app passwords ended.
    assert!(refused(settings(API_URL, "acme", basic())).contains("app password"));
    assert!(
        refused(CloudSettings { credentials: Vec::new(), ..settings(API_URL, "acme", token()) })
            .contains("no credential")
    );
    assert_eq!(refused(settings(API_URL, "acme", token())), "");
}
