//! Who may see what, how often, and under which address.

use super::super::super::{Endpoint, Fault, NewRepository, Order, RetryAfter, Tls, TokenBucket};
use super::*;
use crate::clock::Clock;

/// `PAY/open` is public, `PAY/closed` is not.
fn instance() -> World {
    let mut world = World::new(3, Clock::manual(GenerateOptions::default().now));
    world.add_data_center_project("PAY", "Payments");
    world.add_repository("PAY", NewRepository { is_public: true, ..NewRepository::named("open") });
    world.add_repository("PAY", NewRepository::named("closed"));
    world
}

async fn guarded(data_center: DataCenterOptions) -> Server {
    let options =
        SimulatorOptions { credentials: logins(), data_center: Some(data_center), ..SimulatorOptions::default() };
    with(instance(), options).await
}

#[tokio::test]
async fn nobodys_answers_look_like_success() {
    let server = guarded(usual()).await;
    assert_eq!(server.get("/application-properties").await.status, 200);
    assert_eq!(server.json("/repos").await["size"], 1);
    assert_eq!(server.json("/repos?permission=REPO_READ").await["size"], 0);
    server.simulator.world().add_data_center_project("EMPTY", "Nothing yet");
    assert_eq!(server.json("/projects").await["size"], 1);
    assert_eq!(server.get("/projects/EMPTY").await.status, 401);
    assert_eq!(server.bearer("/projects", "of-ada").await.json()["size"], 2);
    assert_eq!(server.json("/projects/PAY/repos").await["size"], 1);
    for path in ["/profile/recent/repos?limit=1", "/users", "/admin/users", "/projects/PAY/repos/closed"] {
        assert_eq!(refused(&server.get(path).await), (401, "AuthorisationException".to_owned()), "{path}");
    }
    let builds = format!("{}/rest/build-status/1.0/commits/0123", server.simulator.base_url());
    assert_eq!(server.get(&builds).await.status, 401);
    let server = guarded(DataCenterOptions { anonymous_access: false, ..usual() }).await;
    assert_eq!(server.get("/application-properties").await.status, 200);
    assert_eq!(server.get("/repos").await.status, 401);
}

#[tokio::test]
async fn tokens_of_projects_refuse_basic_and_those_of_people_take_it() {
    let server = guarded(usual()).await;
    let probe = "/profile/recent/repos?limit=1";
    assert_eq!(server.bearer(probe, "of-a-project").await.status, 200);
    assert_eq!(server.bearer(probe, "of-ada").await.status, 200);
    assert_eq!(server.basic(probe, "ada", "of-ada").await.status, 200);
    assert_eq!(server.basic(probe, "ada", "password").await.status, 200);
    let wrong = "IncorrectPasswordAuthenticationException".to_owned();
    assert_eq!(refused(&server.basic(probe, "ada", "of-a-project").await), (401, wrong.clone()));
    assert_eq!(refused(&server.basic(probe, "x-token-auth", "of-a-project").await), (401, wrong.clone()));
    assert_eq!(refused(&server.bearer(probe, "password").await), (401, wrong.clone()));
    // Also where nobody need say who they are.
    assert_eq!(refused(&server.bearer("/repos", "no-such-token").await), (401, wrong));
    assert_eq!(server.bearer("/admin/users", "of-a-project").await.status, 401);
    assert_eq!(server.bearer("/admin/users", "of-ada").await.status, 200);
    assert_eq!(server.bearer("/users?filter=grace", "of-ada").await.json()["size"], 1);
}

#[tokio::test]
async fn a_401_also_means_you_may_not() {
    for (status, bare) in [(401, false), (403, true)] {
        let server = guarded(DataCenterOptions { denied_status: status, bare_errors: bare, ..usual() }).await;
        server.simulator.world().forbid_repository("PAY/closed", true);
        let path = "/projects/PAY/repos/closed";
        assert_eq!(server.bearer(path, "of-ada").await.status, 200, "it is listed");
        let got = server.bearer(&format!("{path}/pull-requests"), "of-ada").await;
        assert_eq!(got.status, status);
        let error = if bare { got.json() } else { got.json()["errors"][0].clone() };
        assert_eq!(error["exceptionName"], "com.atlassian.bitbucket.AuthorisationException");
        server.simulator.world().hide_repository("PAY/closed", true);
        assert_eq!(server.bearer(path, "of-ada").await.status, status, "it is there, and not for everybody");
        assert_eq!(server.bearer("/repos", "of-ada").await.json()["size"], 1);
    }
}

#[tokio::test]
async fn a_token_without_rights_sees_an_empty_instance() {
    let server = guarded(usual()).await;
    server.simulator.change_credential(0, |one| one.scopes = Some(Vec::new()));
    assert_eq!(server.bearer("/repos", "of-a-project").await.json()["size"], 0);
    assert_eq!(server.bearer("/projects", "of-a-project").await.json()["size"], 0);
    assert_eq!(server.bearer("/projects/PAY/repos/open", "of-a-project").await.status, 401);
    server.simulator.change_credential(0, |one| one.scopes = Some(vec!["REPO_READ".to_owned()]));
    assert_eq!(server.bearer("/repos", "of-a-project").await.json()["size"], 2);
}

#[tokio::test]
async fn the_bucket_of_a_user_empties_and_fills() {
    let bucket = TokenBucket { capacity: 3, refill_per_second: 1 };
    for (retry_after, header) in [(RetryAfter::Absent, ""), (RetryAfter::Seconds, "2")] {
        let options = SimulatorOptions {
            credentials: logins(),
            retry_after,
            data_center: Some(DataCenterOptions { bucket: Some(bucket), ..usual() }),
            ..SimulatorOptions::default()
        };
        let server = with(instance(), options).await;
        for _ in 0..3 {
            assert_eq!(server.bearer("/repos", "of-ada").await.status, 200);
        }
        let got = server.bearer("/repos", "of-ada").await;
        assert_eq!((got.status, got.header("retry-after")), (429, header));
        assert!(!got.headers.keys().any(|name| name.as_str().starts_with("x-ratelimit")));
        assert_eq!(server.bearer("/repos", "of-a-project").await.status, 200, "everybody has a bucket of their own");
        server.simulator.world().advance(chrono::Duration::milliseconds(2100));
        let statuses = [server.bearer("/repos", "of-ada").await, server.bearer("/repos", "of-ada").await];
        assert_eq!(statuses.map(|got| got.status), [200, 200]);
        assert_eq!(server.bearer("/repos", "of-ada").await.status, 429);
    }
}

#[tokio::test]
async fn links_name_the_base_url_that_is_configured() {
    let links_base = Some("https://git.acme.example/stash".to_owned());
    let server = on(instance(), DataCenterOptions { links_base, ..usual() }).await;
    let links = server.json("/projects/PAY/repos/open").await["links"].clone();
    assert_eq!(links["self"][0]["href"], "https://git.acme.example/stash/projects/PAY/repos/open/browse");
    assert_eq!(links["clone"][0]["href"], "ssh://git@git.acme.example:7999/pay/open.git");
    assert_eq!(links["clone"][1]["href"], "https://git.acme.example/stash/scm/pay/open.git");
    let server = on(instance(), usual()).await;
    let links = server.json("/projects/PAY/repos/open").await["links"].clone();
    let base = format!("http://127.0.0.1:{}/bitbucket", server.simulator.port());
    assert_eq!(links["self"][0]["href"], format!("{base}/projects/PAY/repos/open/browse"));
}

#[tokio::test]
async fn requests_are_counted_by_kind_and_faults_strike() {
    let server = on(instance(), usual()).await;
    let repository = "/projects/PAY/repos/open";
    for path in ["/application-properties", "/repos", "/profile/recent/repos", "/users"] {
        server.json(path).await;
    }
    for path in ["", "/commits", "/pull-requests", "/branches", "/default-branch"] {
        server.json(&format!("{repository}{path}")).await;
    }
    let log = server.simulator.requests();
    for endpoint in [
        Endpoint::ApplicationProperties,
        Endpoint::Repositories,
        Endpoint::Identity,
        Endpoint::Users,
        Endpoint::Repository,
        Endpoint::Commits,
        Endpoint::PullRequests,
        Endpoint::Branches,
        Endpoint::DefaultBranch,
    ] {
        assert_eq!(log.count(endpoint), 1, "{endpoint:?}");
    }
    let commits = format!("{repository}/commits");
    for (fault, status) in [
        (Fault::Status(401), 401),
        (Fault::Status(403), 403),
        (Fault::Status(500), 500),
        (Fault::Status(503), 503),
        (Fault::Status(429), 429),
        (Fault::RateLimited(RetryAfter::Seconds), 429),
    ] {
        server.simulator.order(Order::next(fault).at(Endpoint::Commits).repository("PAY/open"));
        let got = server.get(&commits).await;
        assert_eq!(got.status, status);
        assert!(got.json()["errors"][0]["message"].is_string());
    }
    server.simulator.order(Order::next(Fault::HtmlPage));
    assert!(server.get(&commits).await.header("content-type").starts_with("text/html"));
    server.simulator.order(Order::next(Fault::TruncatedJson));
    assert!(serde_json::from_str::<Value>(&server.get(&commits).await.text).is_err());
    server.simulator.order(Order::next(Fault::NextIsItself));
    assert_eq!(server.json("/repos?limit=1").await["nextPageStart"], 0);
    assert_eq!(server.get(&commits).await.status, 200);
}

#[tokio::test]
async fn an_instance_can_be_behind_tls() {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let tls = Tls { certificate: cert.pem(), key: signing_key.serialize_pem() };
    assert!(!format!("{tls:?}").contains("PRIVATE"));
    let options = SimulatorOptions { data_center: Some(usual()), tls: Some(tls), ..SimulatorOptions::default() };
    let server = with(instance(), options).await;
    assert!(server.simulator.url().starts_with("https://"));
    let address =
        format!("https://localhost:{}/bitbucket/rest/api/latest/application-properties", server.simulator.port());
    assert!(server.client.get(&address).send().await.is_err(), "nobody vouches for it");
    let trusted = reqwest::Certificate::from_pem(cert.pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([trusted]).no_proxy().build().unwrap();
    let got = server.send(client.get(&address)).await;
    assert_eq!((got.status, got.json()["displayName"].as_str()), (200, Some("Bitbucket")));
    let wrong = Tls { certificate: "none".to_owned(), key: "none".to_owned() };
    let options = SimulatorOptions { tls: Some(wrong), ..SimulatorOptions::default() };
    let error = super::super::super::Simulator::start_blocking(instance(), options).err().unwrap();
    assert!(error.to_string().contains("no certificate"), "{error}");
}
