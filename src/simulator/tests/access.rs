//! Credentials, scopes, OAuth, rate limits, dates.

use chrono::{DateTime, Duration, Utc};

use super::super::{
    Credential, Endpoint, Fault, GenerateOptions, Order, RateHeaders, RetryAfter, SimulatorOptions, World,
};
use super::{Got, Server};

fn world() -> World {
    World::generate(5, &GenerateOptions::repositories(3))
}

async fn with(credentials: Vec<Credential>) -> Server {
    Server::on(world(), SimulatorOptions { credentials, ..SimulatorOptions::default() }).await
}

async fn bearer(cloud: &Server, path: &str, token: &str) -> Got {
    cloud.send(cloud.client.get(cloud.address(path)).bearer_auth(token)).await
}

#[tokio::test]
async fn only_known_credentials_are_let_in() {
    let cloud = with(vec![
        Credential::token("t0ken"),
        Credential::api_token("me@acme.dev", "api"),
        Credential::basic("me", "secret"),
    ])
    .await;
    let basic = async |user: &str, password: &str| {
        cloud.send(cloud.client.get(cloud.address("/user")).basic_auth(user, Some(password))).await.status
    };
    assert_eq!(bearer(&cloud, "/user", "t0ken").await.status, 200);
    assert_eq!(basic("me@acme.dev", "api").await, 200);
    assert_eq!(basic("me", "secret").await, 200);
    assert_eq!(basic("me", "t0ken").await, 401);
    assert_eq!(basic("x-token-auth", "t0ken").await, 401);
    assert_eq!(bearer(&cloud, "/user", "api").await.status, 401);
    let refused = cloud.get("/user").await;
    assert_eq!((refused.status, refused.header("www-authenticate").is_empty()), (401, false));
    cloud.simulator.change_credential(0, |credential| credential.revoked = true);
    assert_eq!(bearer(&cloud, "/user", "t0ken").await.status, 401);
}

#[tokio::test]
async fn missing_scopes_are_named() {
    let cloud = with(vec![
        Credential::token("few").with_scopes(&["repository"]),
        Credential::token("api").with_scopes(&["read:repository:bitbucket", "read:project:bitbucket"]),
        Credential::token("write").with_scopes(&["pullrequest:write"]),
    ])
    .await;
    let name =
        bearer(&cloud, "/repositories/acme", "few").await.json()["values"][0]["full_name"].as_str().unwrap().to_owned();
    let refused = bearer(&cloud, "/workspaces/acme/projects", "few").await;
    assert_eq!(refused.status, 403);
    assert_eq!(
        refused.json()["error"]["detail"],
        serde_json::json!({"required": ["project"], "granted": ["repository"]})
    );
    assert_eq!(bearer(&cloud, &format!("/repositories/{name}/pullrequests"), "few").await.status, 403);
    assert_eq!(bearer(&cloud, "/workspaces/acme/projects", "api").await.status, 200);
    assert_eq!(bearer(&cloud, "/user", "api").await.status, 403);
    assert_eq!(bearer(&cloud, "/repositories/acme", "write").await.status, 200);
}

#[tokio::test]
async fn a_credential_sees_only_its_repositories() {
    let world = world();
    let name = world.full_name(world.repositories().next().unwrap());
    let other = world.full_name(world.repositories().nth(1).unwrap());
    let credentials = vec![Credential::token("all"), Credential::token("one").seeing(&[&name])];
    let cloud = Server::on(world, SimulatorOptions { credentials, ..SimulatorOptions::default() }).await;
    let size = async |token: &str| bearer(&cloud, "/repositories/acme", token).await.json()["size"].clone();
    assert_eq!(size("all").await, 3);
    assert_eq!(size("one").await, 1);
    assert_eq!(bearer(&cloud, &format!("/repositories/{other}"), "one").await.status, 404);
    assert_eq!(cloud.simulator.requests().requests[1].credential, Some(1));
}

#[tokio::test]
async fn oauth_tokens_expire_and_are_not_refreshed() {
    let cloud = with(vec![Credential::consumer("key", "secret").with_scopes(&["repository", "account"])]).await;
    let address = format!("{}/site/oauth2/access_token", cloud.simulator.url());
    let ask = async |key: &str, body: &str| {
        let request = cloud.client.post(&address).basic_auth(key, Some("secret")).body(body.to_owned());
        cloud.send(request.header("content-type", "application/x-www-form-urlencoded")).await
    };
    let given = ask("key", "grant_type=client_credentials").await;
    assert_eq!(given.status, 200);
    let given = given.json();
    assert_eq!((&given["expires_in"], &given["scope"]), (&3600.into(), &"repository account".into()));
    assert_eq!((given.get("refresh_token"), given.get("scopes")), (None, None));
    let token = given["access_token"].as_str().unwrap();
    assert_eq!(bearer(&cloud, "/user", token).await.status, 200);
    cloud.simulator.world().advance(Duration::minutes(61));
    assert_eq!(bearer(&cloud, "/user", token).await.status, 401);
    assert_eq!(ask("nobody", "grant_type=client_credentials").await.status, 401);
    assert_eq!(ask("key", "grant_type=password").await.status, 400);
    assert_eq!(cloud.simulator.requests().count(Endpoint::Token), 3);
}

#[tokio::test]
async fn codes_and_refresh_tokens_are_taken_once() {
    let consumer = || Credential::consumer("key", "secret").calling_back("http://localhost:1/back?a=b");
    let cloud = with(vec![consumer(), Credential::consumer("other", "secret")]).await;
    let address = |path: &str| format!("{}/site/oauth2/{path}", cloud.simulator.url());
    let authorize = async |query: &str| {
        let got = cloud.send(cloud.client.get(address(&format!("authorize?{query}")))).await;
        (got.status, got.header("location").to_owned())
    };
    let ask = async |key: &str, body: String| {
        let request = cloud.client.post(address("access_token")).basic_auth(key, Some("secret")).body(body);
        let got = cloud.send(request.header("content-type", "application/x-www-form-urlencoded")).await;
        (got.status, got.json())
    };
    let field = |location: &str, name: &str| {
        let url = url::Url::parse(location).unwrap();
        url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    let (status, back) = authorize("client_id=key&response_type=code&state=s%2B1").await;
    assert!(status == 302 && back.starts_with("http://localhost:1/back?a=b&code="), "{back}");
    assert_eq!(field(&back, "state"), "s+1");
    let code = field(&back, "code");
    let by_code = |code: &str| format!("grant_type=authorization_code&code={code}");
    let invalid = |(status, body): &(u16, serde_json::Value)| *status == 400 && body["error"] == "invalid_grant";
    let (status, given) = ask("key", by_code(&code)).await;
    assert_eq!((status, &given["expires_in"]), (200, &3600.into()));
    assert!(invalid(&ask("key", by_code(&code)).await), "once");
    let (_, back) = authorize("client_id=key&response_type=code").await;
    assert!(invalid(&ask("other", by_code(&field(&back, "code"))).await), "of its own consumer");
    // PKCE, where it is asked for: the pair of RFC 7636, appendix B.
    let challenge = "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";
    for (verifier, is_right) in [("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", true), ("another", false)] {
        let (_, back) = authorize(&format!("client_id=key&response_type=code&{challenge}")).await;
        let body = format!("{}&code_verifier={verifier}", by_code(&field(&back, "code")));
        assert_eq!(ask("key", body).await.0 == 200, is_right);
    }

    let by_token = |given: &serde_json::Value| {
        format!("grant_type=refresh_token&refresh_token={}", given["refresh_token"].as_str().unwrap())
    };
    let (status, next) = ask("key", by_token(&given)).await;
    assert_eq!(status, 200);
    assert!(invalid(&ask("key", by_token(&given)).await), "once");
    assert_eq!(bearer(&cloud, "/user", next["access_token"].as_str().unwrap()).await.status, 200);
    assert!(invalid(&ask("other", by_token(&next)).await), "of its own consumer");
    cloud.simulator.world().advance(Duration::days(91));
    assert!(invalid(&ask("key", by_token(&next)).await), "unused for 3 months");

    assert_eq!(authorize("client_id=other&response_type=code").await.0, 400, "without a callback nobody logs in");
    assert_eq!(authorize("client_id=key&response_type=code&redirect_uri=http://evil.dev/").await.0, 400);
    let (_, back) = authorize("client_id=key&response_type=token").await;
    assert_eq!(field(&back, "error"), "unsupported_response_type");
    cloud.simulator.order(Order::next(Fault::Denied).at(Endpoint::Authorize));
    let (_, back) = authorize("client_id=key&response_type=code&state=s1").await;
    assert_eq!((field(&back, "error").as_str(), field(&back, "state").as_str()), ("access_denied", "s1"));
}

#[tokio::test]
async fn a_rolling_hour_per_credential_and_pool() {
    let options = SimulatorOptions {
        credentials: vec![Credential::token("a"), Credential::token("b").limited_to(1)],
        requests_per_hour: Some(3),
        rate_headers: RateHeaders::Full,
        retry_after: RetryAfter::Seconds,
        ..SimulatorOptions::default()
    };
    let cloud = Server::on(world(), options).await;
    let list = async |token: &str| bearer(&cloud, "/repositories/acme", token).await;
    let first = list("a").await;
    assert_eq!((first.header("x-ratelimit-limit"), first.header("x-ratelimit-remaining")), ("3", "2"));
    assert_eq!((first.header("x-ratelimit-resource"), first.header("x-ratelimit-reset")), ("repositories", "3600"));
    cloud.simulator.world().advance(Duration::minutes(20));
    assert_eq!(list("a").await.status, 200);
    assert_eq!(list("a").await.header("x-ratelimit-nearlimit"), "true");
    let refused = list("a").await;
    assert_eq!((refused.status, refused.header("content-type")), (429, "text/plain"));
    assert_eq!(refused.text, "Rate limit for this resource has been exceeded");
    assert_eq!(refused.header("retry-after"), "2401");
    assert_eq!((list("b").await.status, list("b").await.status), (200, 429));
    assert_eq!(bearer(&cloud, "/user", "a").await.status, 200, "another pool");
    cloud.simulator.world().advance(Duration::minutes(40));
    assert_eq!((list("a").await.status, list("a").await.status), (200, 429), "one left the hour");
}

#[tokio::test]
async fn the_date_is_the_worlds_own_with_its_skew() {
    let cloud = with(vec![]).await;
    let now: DateTime<Utc> = "2026-02-03T04:05:06Z".parse().unwrap();
    cloud.simulator.world().set_now(now);
    assert_eq!(cloud.get("/user").await.header("date"), "Tue, 03 Feb 2026 04:05:06 GMT");
    cloud.simulator.set_date_skew(Duration::seconds(-66));
    assert_eq!(cloud.get("/nonsense").await.header("date"), "Tue, 03 Feb 2026 04:04:00 GMT");
}
