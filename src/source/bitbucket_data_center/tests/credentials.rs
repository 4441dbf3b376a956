//! Who we are, and what a 401 means.

use super::*;
use crate::model::HEAD;

const COMMITS: fn() -> Ask = || Ask::Commits { include: vec![HEAD.to_owned()], exclude: Vec::new() };

fn denied() -> Response {
    error(401, "AuthorisationException", "You are not permitted to access this resource")
}

// P6.4: HTTP access tokens are sent as Bearer, a name and password as Basic.
#[tokio::test]
async fn each_kind_has_its_header() {
    let server = Server::instance(|_, _| ok(page(&[], None))).await;
    let basic = Credential::Basic { username: FixedSecret::shared("me"), password: FixedSecret::shared("s3cret") };
    for credential in [token("tok"), basic] {
        let mut settings = server.dc_settings();
        settings.credentials[0].credential = credential;
        sweep(&BitbucketDataCenter::new(settings).unwrap()).await.unwrap();
    }
    let sent: Vec<String> = server.seen().into_iter().map(|seen| seen.authorization).collect();
    assert_eq!(sent, ["Bearer tok", "Bearer tok", "Basic bWU6czNjcmV0", "Basic bWU6czNjcmV0"]);
}

// facts 2.3: to somebody known, a 401 means that this is forbidden; the sync goes on. Who we are is not asked for each.
#[tokio::test]
async fn a_401_to_somebody_known_is_no_permission() {
    let server = Server::instance(|_, path| match path {
        "/projects/PAY/repos/api/commits" => denied(),
        _ => ok(page(&[], None)),
    })
    .await;
    let dc = server.dc();
    for _ in 0..3 {
        let error = dc.secondary(&a_repository(&server), &COMMITS(), None).await.unwrap_err();
        assert!(matches!(error, SourceError::Forbidden { .. }) && !error.ends_sync(), "{error}");
    }
    assert!(dc.secondary(&a_repository(&server), &Ask::PullRequests { from: None, to: None }, None).await.is_ok());
    let proofs = server.seen().iter().filter(|seen| seen.path.contains("/profile/")).count();
    assert_eq!((proofs, server.asked().len()), (1, 4));
}

// P6.11: a credential that is refused in the middle stops everything at once, and nothing more is sent with it.
#[tokio::test]
async fn a_401_to_somebody_unknown_refuses_the_credential() {
    let server = Server::stranger(|_, _| denied()).await;
    let dc = server.dc();
    for _ in 0..3 {
        let error = dc.secondary(&a_repository(&server), &COMMITS(), None).await.unwrap_err();
        assert!(matches!(error, SourceError::Unauthorized { .. }) && error.ends_sync(), "{error}");
    }
    assert_eq!(server.seen().len(), 2, "the question, and who we are");
}

// P6.11: a token that is revoked while a sync runs is noticed soon.
#[tokio::test]
async fn who_we_are_is_not_believed_for_long() {
    let server = Server::stranger(|seen, path| match path {
        "/profile/recent/repos" if seen.number < 3 => ok(page(&[], None)),
        _ => denied(),
    })
    .await;
    let settings = server.dc_settings();
    let clock = settings.clock.clone();
    let dc = BitbucketDataCenter::new(settings).unwrap();
    let asked = || async { dc.secondary(&a_repository(&server), &COMMITS(), None).await.unwrap_err() };
    assert!(matches!(asked().await, SourceError::Forbidden { .. }));
    clock.advance(chrono::Duration::seconds(11));
    assert!(matches!(asked().await, SourceError::Unauthorized { .. }));
}

// P6.11: nor for many refusals: a dead token is sent fewer than five times, after which accounts are locked.
#[tokio::test]
async fn who_we_are_explains_few_refusals() {
    let server = Server::stranger(|seen, path| match path {
        "/profile/recent/repos" if seen.number < 3 => ok(page(&[], None)),
        _ => denied(),
    })
    .await;
    let dc = server.dc();
    let mut told = Vec::new();
    for _ in 0..6 {
        let error = dc.secondary(&a_repository(&server), &COMMITS(), None).await.unwrap_err();
        told.push(matches!(error, SourceError::Unauthorized { .. }));
    }
    assert_eq!(told, [false, false, false, true, true, true]);
    assert_eq!(server.seen().len(), 6, "one refused, one proof, then four with what may be a dead token");
}

// When nobody can tell who we are, neither is concluded.
#[tokio::test]
async fn an_outage_while_asking_who_we_are_concludes_nothing() {
    let server = Server::stranger(|_, path| match path {
        "/profile/recent/repos" => status(503, ""),
        _ => denied(),
    })
    .await;
    let error = server.dc().secondary(&a_repository(&server), &COMMITS(), None).await.unwrap_err();
    assert!(matches!(error, SourceError::Server { status: 503, .. }), "{error}");
}

// facts 2.3: a lock-out is named, and nothing more is sent.
#[tokio::test]
async fn a_captcha_is_named() {
    let server = Server::stranger(|_, _| {
        let mut response = denied();
        let reason = "CAPTCHA_CHALLENGE; login-url=https://git.acme.dev/login";
        response.headers_mut().insert("X-Authentication-Denied-Reason", reason.parse().unwrap());
        response
    })
    .await;
    let error = sweep(&server.dc()).await.unwrap_err();
    assert!(matches!(error, SourceError::LockedOut { .. }) && error.ends_sync() && !error.is_transient());
    assert!(error.to_string().contains("CAPTCHA") && error.mend().unwrap().contains("browser"));
    assert_eq!(server.seen().len(), 1);
}

// P6.5: what one credential may not see, another one is asked for once.
#[tokio::test]
async fn another_credential_is_asked_once() {
    let server = Server::instance(|seen, path| match (path, seen.authorization.as_str()) {
        ("/projects/PAY/repos/api/commits", "Bearer two") => ok(page(&[], None)),
        _ => denied(),
    })
    .await;
    let mut settings = server.dc_settings();
    settings.credentials.push(CredentialSettings {
        name: "credential 2".to_owned(),
        credential: token("two"),
        expires: None,
    });
    let dc = BitbucketDataCenter::new(settings).unwrap();
    assert!(dc.secondary(&a_repository(&server), &COMMITS(), None).await.is_ok());
}
