//! Against a small server of our own over real HTTP: what it answers is scripted per test, what it was asked is kept.

mod commits;
mod credentials;
mod details;
mod limits;
mod looking;
mod pull_requests;
mod recorded;
mod simulated;
mod users;

use std::time::Duration;

use axum::response::Response;
use serde_json::{Value, json};

use super::*;
use crate::model::Item;
use crate::source::http::FixedSecret;
use crate::source::http::scripted::{Seen, Server, ok, status};
use crate::source::walked;

const API_PATH: &str = "/bitbucket/rest/api/1.0";

impl Server {
    /// An instance with a context path that knows who we are; `answer` is given the path below the API.
    pub(in crate::source) async fn instance(answer: impl Fn(&Seen, &str) -> Response + Send + Sync + 'static) -> Self {
        Self::stranger(move |seen, path| match path {
            "/profile/recent/repos" => ok(page(&[], None)),
            path => answer(seen, path),
        })
        .await
    }

    /// An instance that answers everything as scripted.
    pub(in crate::source) async fn stranger(answer: impl Fn(&Seen, &str) -> Response + Send + Sync + 'static) -> Self {
        Self::below("/bitbucket", move |seen, _| match seen.path.strip_prefix(API_PATH) {
            Some(path) => answer(seen, path),
            None => status(404, "<html><title>Not here</title></html>"),
        })
        .await
    }

    fn dc_settings(&self) -> DataCenterSettings {
        let credential = Credential::AccessToken(FixedSecret::shared("sesame-token-1"));
        let mut settings = DataCenterSettings::new(self.base.clone(), credential);
        settings.http.retry_base = Duration::ZERO;
        settings.http.max_wait = Duration::ZERO;
        settings.clock = Clock::manual("2026-11-21T12:00:00Z".parse().unwrap());
        settings
    }

    fn dc(&self) -> BitbucketDataCenter {
        BitbucketDataCenter::new(self.dc_settings()).unwrap()
    }

    /// Requests without those about who we are: path below the API and parameters.
    fn asked(&self) -> Vec<String> {
        let seen = self.seen().into_iter().filter(|seen| !seen.path.contains("/profile/"));
        seen.map(|seen| {
            let query: Vec<String> = seen.query.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("{}?{}", seen.path.trim_start_matches(API_PATH), query.join("&"))
        })
        .collect()
    }
}

/// A page; `None`: the last.
fn page(values: &[Value], next: Option<u64>) -> Value {
    let mut page =
        json!({"size": values.len(), "limit": 1000, "isLastPage": next.is_none(), "start": 0, "values": values});
    if let Some(next) = next {
        page["nextPageStart"] = json!(next);
    }
    page
}

fn error(code: u16, exception: &str, message: &str) -> Response {
    let body = json!({"errors": [{"context": null, "message": message, "exceptionName": format!("com.atlassian.bitbucket.{exception}")}]});
    status(code, body.to_string())
}

fn row(id: u64, project: &str, slug: &str) -> Value {
    json!({"id": id, "slug": slug, "name": slug, "project": {"key": project, "type": "NORMAL"}, "public": false,
        "links": {"self": [{"href": format!("https://elsewhere.example/projects/{project}/repos/{slug}/browse")}]}})
}

fn a_repository(server: &Server) -> Repository {
    let instance = instance_id(&server.base, false).unwrap();
    wire::repository(row(1, "PAY", "api"), &instance).unwrap().repository
}

/// Full names of the whole list.
async fn sweep(dc: &BitbucketDataCenter) -> Result<Vec<String>, SourceError> {
    let records = walked::records(dc, &Listing::Sweep).await?;
    Ok(records.into_iter().map(|record| record.repository.full_name).collect())
}

// P2.1, P2.2, P2.12, facts 2.1: the whole instance below its context path, archived and personal ones too; where the
// next page starts is believed, an empty page is not the end, and links to other hosts are not followed.
#[tokio::test]
async fn a_sweep_goes_where_the_server_says() {
    let server = Server::instance(|seen, path| match (path, seen.one("start")) {
        ("/repos", "") => ok(page(&[row(1, "PAY", "api"), row(2, "~alice", "notes")], Some(7))),
        ("/repos", "7") => ok(page(&[], Some(9))),
        ("/repos", "9") => ok(page(&[row(3, "WEB", "site")], None)),
        _ => status(500, ""),
    })
    .await;
    let dc = server.dc();
    assert_eq!(sweep(&dc).await.unwrap(), ["PAY/api", "~alice/notes", "WEB/site"]);
    assert_eq!(
        server.asked(),
        [
            "/repos?archived=ALL&limit=1000",
            "/repos?archived=ALL&limit=1000&start=7",
            "/repos?archived=ALL&limit=1000&start=9"
        ]
    );
    assert_eq!(dc.instance().0, server.base.as_str());
    assert!(server.seen().iter().all(|seen| seen.authorization == "Bearer sesame-token-1"));
    assert!(!dc.tells_changes() && dc.most_at_once() <= 4 && dc.count().await.unwrap().is_none());
}

// P2.9, facts 2.2: what is public is answered to everybody; so who we are is proved first, once in a sync.
#[tokio::test]
async fn who_we_are_is_proved_once_a_sync() {
    let server = Server::instance(|_, _| ok(page(&[row(1, "PAY", "api")], None))).await;
    let dc = server.dc();
    for _ in 0..3 {
        dc.begin_sync().unwrap();
        sweep(&dc).await.unwrap();
        sweep(&dc).await.unwrap();
    }
    let proofs = server.seen().iter().filter(|seen| seen.path.ends_with("/profile/recent/repos")).count();
    assert_eq!((proofs, server.seen()[0].one("limit"), server.asked().len()), (3, "1", 6));

    let stranger = Server::stranger(|_, path| match path {
        "/profile/recent/repos" => {
            error(401, "AuthorisationException", "You are not permitted to access this resource")
        }
        _ => ok(page(&[row(1, "PUB", "open")], None)),
    })
    .await;
    let dc = stranger.dc();
    assert!(matches!(sweep(&dc).await, Err(SourceError::Unauthorized { .. })));
    assert!(stranger.asked().is_empty(), "nothing public is taken for everything");
    let html = Server::stranger(|_, _| ok(json!({"hello": "proxy"}))).await;
    assert!(matches!(sweep(&html.dc()).await, Err(SourceError::NotBitbucket { .. })));
}

// P2.2: one project, a person's one as well.
#[tokio::test]
async fn a_project_is_listed_alone() {
    let server = Server::instance(|_, _| ok(page(&[], None))).await;
    let dc = server.dc();
    for (key, wanted) in [("PAY", "/projects/PAY/repos?limit=1000"), ("~a b", "/projects/~a%20b/repos?limit=1000")] {
        sweep(&dc.for_project(Some(key)).unwrap()).await.unwrap();
        assert_eq!(server.asked().last().unwrap(), wanted);
    }
    assert!(matches!(dc.for_project(Some("..")), Err(SettingsError::Workspace { .. })));
    sweep(&dc.for_project(None).unwrap()).await.unwrap();
    assert_eq!(server.asked().last().unwrap(), "/repos?archived=ALL&limit=1000");
}

// P2.9, P2.12: a walk that goes nowhere, or breaks off, is an error and never the end.
#[tokio::test]
async fn a_walk_never_ends_short() {
    let check = |second: fn() -> Response, wanted: &'static str| async move {
        let server = Server::instance(move |seen, _| match seen.one("start") {
            "" => ok(page(&[row(1, "PAY", "api")], Some(2))),
            _ => second(),
        })
        .await;
        let error = sweep(&server.dc()).await.unwrap_err();
        assert!(format!("{error:?}").starts_with(wanted), "{wanted}: {error:?}");
    };
    check(|| ok(page(&[row(2, "PAY", "web")], Some(2))), "Circular").await;
    check(|| ok(page(&[row(2, "PAY", "web")], Some(0))), "Circular").await;
    check(|| ok(page(&[], Some(2))), "Circular").await;
    check(|| ok(json!({"values": [], "isLastPage": false})), "NotBitbucket").await;
    check(|| ok(json!({"values": []})), "NotBitbucket").await;
    check(|| status(200, "<html><title>Sign in</title>"), "NotBitbucket").await;
    check(|| status(200, ""), "NotBitbucket").await;
    check(|| status(204, ""), "NotBitbucket").await;
    check(|| error(404, "NoSuchObjectException", "x"), "Incomplete { page: 2, source: NotFound").await;
    check(|| error(401, "AuthorisationException", "x"), "Incomplete { page: 2, source: Forbidden").await;
    check(|| error(403, "AuthorisationException", "x"), "Incomplete { page: 2, source: Forbidden").await;
    check(|| status(400, "{}"), "Incomplete { page: 2, source: BadRequest").await;
    check(|| status(503, ""), "Server").await;
}

// P2.11: a bad row is named, the others come.
#[tokio::test]
async fn an_unreadable_row_never_takes_the_others_along() {
    let server = Server::instance(|_, _| {
        ok(page(&[row(1, "PAY", "api"), json!({"id": 2, "slug": "odd"}), row(3, "PAY", "web")], None))
    })
    .await;
    let page = server.dc().repositories(&Listing::Sweep, None).await.unwrap();
    assert_eq!((page.records.len(), page.unreadable.len(), page.size), (2, 1, None));
    assert_eq!(page.unreadable[0].key.as_ref().unwrap().id, "2");
    assert!(page.server_date.is_some());
}

// Versions before 8.0 have no `archived`: what they say decides, not a guess.
#[tokio::test]
async fn a_version_without_archived_is_asked_without() {
    let answering = |version: &'static str| {
        Server::instance(move |seen, path| match path {
            "/application-properties" => ok(json!({"version": version, "displayName": "Bitbucket"})),
            _ if !seen.one("archived").is_empty() => status(400, r#"{"errors":[{"message":"unknown parameter"}]}"#),
            _ if seen.one("start").is_empty() => ok(page(&[row(1, "PAY", "api")], Some(1))),
            _ => ok(page(&[row(2, "PAY", "web")], None)),
        })
    };
    let old = answering("7.21.9").await;
    assert_eq!(sweep(&old.dc()).await.unwrap(), ["PAY/api", "PAY/web"]);
    assert_eq!(
        old.asked(),
        [
            "/repos?archived=ALL&limit=1000",
            "/application-properties?",
            "/repos?limit=1000",
            "/repos?limit=1000&start=1"
        ]
    );
    let new = answering("9.4.0").await;
    assert!(matches!(sweep(&new.dc()).await, Err(SourceError::BadRequest { .. })), "archived ones would be missing");
}

// P2.8, section 9: looked for where it was, then by its name; only the same id is the same repository (P2.9).
#[tokio::test]
async fn a_known_repository_is_looked_for() {
    let looked = |there: fn() -> Response, named: fn() -> Response| async move {
        let server = Server::instance(move |_, path| match path {
            "/projects/PAY/repos/api" => there(),
            "/repos" => named(),
            _ => status(500, ""),
        })
        .await;
        let found = server.dc().repository(&a_repository(&server)).await;
        let found = found.map(|found| found.map(|record| record.repository.full_name));
        (found, server.asked().len())
    };
    let nothing = || error(404, "repository.NoSuchRepositoryException", "no");
    let none = || ok(page(&[row(9, "OPS", "api")], None));
    let (found, asked) = looked(|| ok(row(1, "PAY", "api")), || status(500, "")).await;
    assert_eq!((found.unwrap().as_deref(), asked), (Some("PAY/api"), 1));
    // It moved, and the old address leads on or is another's now.
    assert_eq!(looked(|| ok(row(1, "OPS", "api")), none).await.0.unwrap().as_deref(), Some("OPS/api"));
    let elsewhere = || ok(page(&[row(9, "OPS", "api"), row(1, "WEB", "api")], None));
    assert_eq!(looked(nothing, elsewhere).await.0.unwrap().as_deref(), Some("WEB/api"));
    assert_eq!(looked(|| ok(row(8, "PAY", "api")), elsewhere).await.0.unwrap().as_deref(), Some("WEB/api"));
    assert_eq!(looked(nothing, none).await.0.unwrap(), None);
    // What cannot be told is no absence.
    assert!(matches!(looked(|| error(401, "x", "no"), none).await.0, Err(SourceError::Forbidden { .. })));
    assert!(matches!(looked(|| status(404, "<html>"), none).await.0, Err(SourceError::NotBitbucket { .. })));
    assert!(matches!(looked(nothing, || status(503, "")).await.0, Err(SourceError::Server { .. })));
}

#[test]
fn addresses_and_credentials_are_checked_before_anything_is_sent() {
    let token = || Credential::AccessToken(FixedSecret::shared("t"));
    let made = |url: &str, credential| {
        BitbucketDataCenter::new(DataCenterSettings::new(Url::parse(url).unwrap(), credential)).map(|dc| dc.instance.0)
    };
    assert_eq!(made("https://git.acme.dev", token()).unwrap(), "https://git.acme.dev");
    assert_eq!(
        made("https://u:p@git.acme.dev:8443/bitbucket/?x=1", token()).unwrap(),
        "https://git.acme.dev:8443/bitbucket"
    );
    assert!(matches!(made("http://git.acme.dev", token()), Err(SettingsError::PlainHttp { .. })));
    let oauth = Credential::OAuth {
        key: FixedSecret::shared("k"),
        secret: FixedSecret::shared("s"),
        token_url: Url::parse("https://bitbucket.org/x").unwrap(),
    };
    assert!(matches!(made("https://git.acme.dev", oauth), Err(SettingsError::CloudOnly { .. })));
}

fn token(text: &str) -> Credential {
    Credential::AccessToken(FixedSecret::shared(text))
}

fn hashes(page: &ItemPage) -> Vec<String> {
    let hash = |item: &Item| match item {
        Item::Commit(commit) => commit.hash.clone(),
        Item::PullRequest(it) => it.id.to_string(),
    };
    page.items.iter().map(hash).collect()
}
