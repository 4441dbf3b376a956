//! Credentials: kinds, sharing the load, renewal, and that a refused one is left alone.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::source::http::{SecretError, SecretSource};
use chrono::Duration;
use secrecy::SecretString;

fn with(server: &Server, credentials: Vec<Credential>) -> CloudSettings {
    let named = |(index, credential)| CredentialSettings {
        name: format!("credential {}", index + 1),
        credential,
        expires: None,
    };
    CloudSettings { credentials: credentials.into_iter().enumerate().map(named).collect(), ..server.settings() }
}

fn token(text: &str) -> Credential {
    Credential::AccessToken(FixedSecret::shared(text))
}

const PULL_REQUESTS: Ask = Ask::PullRequests { from: None, to: None };

/// A secret file that somebody replaces.
struct Replaceable(Mutex<String>);

impl SecretSource for Replaceable {
    fn read(&self) -> Result<SecretString, SecretError> {
        let text = self.0.lock().unwrap().clone();
        if text == "unreadable" { Err(SecretError("file token: no such file".to_owned())) } else { Ok(text.into()) }
    }
}

// P6.4: each kind proves itself its own way.
#[tokio::test]
async fn each_kind_has_its_header() {
    let server = Server::start(|_, _| ok(json!({"size": 1}))).await;
    let (email, secret) = (|| FixedSecret::shared("me@acme.dev"), || FixedSecret::shared("s3cret"));
    for credential in [
        token("tok"),
        Credential::ApiToken { email: email(), token: secret() },
        Credential::Basic { username: email(), password: secret() },
    ] {
        BitbucketCloud::new(with(&server, vec![credential])).unwrap().count().await.unwrap();
    }
    let sent: Vec<String> = server.seen().into_iter().map(|seen| seen.authorization).collect();
    assert_eq!(sent, ["Bearer tok", "Basic bWVAYWNtZS5kZXY6czNjcmV0", "Basic bWVAYWNtZS5kZXY6czNjcmV0"]);
}

// P6.11: 401 stops at once; nothing more is sent with that secret.
#[tokio::test]
async fn a_refused_credential_is_left_alone() {
    let server = Server::start(|_, _| status(401, "")).await;
    let cloud = server.cloud();
    for _ in 0..3 {
        let error = cloud.count().await.unwrap_err();
        assert!(matches!(error, SourceError::Unauthorized { .. }) && error.ends_sync());
    }
    assert!(matches!(
        cloud.secondary(&a_repository(), &PULL_REQUESTS, None).await,
        Err(SourceError::Unauthorized { .. })
    ));
    assert_eq!(server.seen().len(), 1);
}

// P6.10: file secrets are read again at each sync and once on a 401.
#[tokio::test]
async fn a_replaced_secret_is_picked_up() {
    let server = Server::start(|seen, _| match seen.authorization.as_str() {
        "Bearer new" => ok(json!({"size": 1})),
        _ => status(401, ""),
    })
    .await;
    let file = Arc::new(Replaceable(Mutex::new("old".to_owned())));
    let set = |text: &str| *file.0.lock().unwrap() = text.to_owned();
    let cloud = BitbucketCloud::new(with(&server, vec![Credential::AccessToken(file.clone())])).unwrap();
    set("new");
    assert_eq!(cloud.count().await.unwrap(), Some(1), "read again after the 401");
    assert_eq!(server.seen().len(), 2);

    set("bad");
    cloud.begin_sync().unwrap();
    assert!(matches!(cloud.count().await, Err(SourceError::Unauthorized { .. })));
    assert_eq!(server.seen().len(), 3, "the same secret is not sent twice");
    set("new");
    cloud.begin_sync().unwrap();
    assert_eq!(cloud.count().await.unwrap(), Some(1));

    set("unreadable");
    let error = cloud.begin_sync().unwrap_err();
    assert!(error.to_string().contains("no such file") && error.mend().is_some() && error.ends_sync());
}

// P6.5: secondary kinds are spread by what is left; listings and counts use the first.
#[tokio::test]
async fn credentials_share_the_load() {
    let server = Server::start(|seen, _| match seen.path.ends_with("/pullrequests") {
        true => ok(json!({"values": []})),
        false => ok(json!({"size": 1, "values": []})),
    })
    .await;
    let cloud = BitbucketCloud::new(with(&server, vec![token("one"), token("two"), token("three")])).unwrap();
    for _ in 0..4 {
        cloud.count().await.unwrap();
        cloud.repositories(&Listing::Sweep, None).await.unwrap();
    }
    for _ in 0..10 {
        cloud.secondary(&a_repository(), &PULL_REQUESTS, None).await.unwrap();
    }
    let used =
        |token: &str| server.seen().iter().filter(|seen| seen.authorization == format!("Bearer {token}")).count();
    assert_eq!((used("one"), used("two"), used("three")), (8, 5, 5));
    assert_eq!(cloud.usage().per_hour, Some(2700));
    assert_eq!(cloud.usage().remaining, Some(2700 - 18));
}

// P6.5: what one may not see is asked once with another; a listing never is.
#[tokio::test]
async fn what_one_may_not_see_is_asked_once_with_another() {
    for refusal in [403, 404] {
        let server = Server::start(move |seen, _| match seen.authorization.as_str() {
            "Bearer three" => ok(json!({"values": []})),
            _ => status(refusal, r#"{"error":{"message":"no"}}"#),
        })
        .await;
        let two = BitbucketCloud::new(with(&server, vec![token("one"), token("three")])).unwrap();
        two.secondary(&a_repository(), &PULL_REQUESTS, None).await.unwrap();
        assert_eq!(server.seen().len(), 2);
        assert!(two.repositories(&Listing::Sweep, None).await.is_err());
        assert_eq!(server.seen().len(), 3);

        let three = BitbucketCloud::new(with(&server, vec![token("one"), token("two"), token("three")])).unwrap();
        assert!(three.secondary(&a_repository(), &PULL_REQUESTS, None).await.is_err());
        assert_eq!(server.seen().len(), 5, "once, not with everybody");
    }
}

// facts 1.8: of several credentials a paused one is passed over.
#[tokio::test]
async fn a_paused_credential_is_passed_over() {
    let server = Server::start(|seen, _| match seen.authorization.as_str() {
        "Bearer one" => Response::builder().status(429).header("retry-after", "600").body(Body::empty()).unwrap(),
        _ => ok(json!({"values": []})),
    })
    .await;
    let cloud = BitbucketCloud::new(with(&server, vec![token("one"), token("two")])).unwrap();
    for _ in 0..3 {
        cloud.secondary(&a_repository(), &PULL_REQUESTS, None).await.unwrap();
    }
    assert!(matches!(cloud.count().await, Err(SourceError::BudgetExhausted { .. })), "the listing one is paused");
    assert_eq!(server.seen().iter().filter(|seen| seen.authorization == "Bearer one").count(), 1);
    assert!(cloud.usage().resume_at.is_none(), "another one goes on");
}

// P6.5: tells credentials apart without telling them.
#[tokio::test]
async fn the_listing_credential_is_named_without_its_secret() {
    let server = Server::start(|_, _| ok(json!({}))).await;
    let name = |text: &str| BitbucketCloud::new(with(&server, vec![token(text)])).unwrap().listing_credential();
    assert_eq!(name("abcdef"), name("abcdef"));
    assert_ne!(name("abcdef"), name("ghijkl"));
    assert!(!name("abcdef").contains("abcdef"));
}

/// An OAuth consumer, and a server that gives out `token-1`, `token-2`, … and knows only the newest.
async fn consumer() -> (Server, CloudSettings) {
    let given = Arc::new(AtomicUsize::new(0));
    let server = Server::start(move |seen, _| {
        if seen.path == "/site/oauth2/access_token" {
            if seen.authorization != "Basic a2V5OnNlY3JldA==" || seen.body != "grant_type=client_credentials" {
                return status(400, r#"{"error":"invalid_client"}"#);
            }
            let number = given.fetch_add(1, Ordering::SeqCst) + 1;
            return ok(json!({"access_token": format!("token-{number}"), "expires_in": 3600, "scope": "repository"}));
        }
        let newest = given.load(Ordering::SeqCst);
        let is_known = seen.authorization == format!("Bearer token-{newest}") && seen.one("page") != "refuse";
        if is_known { ok(json!({"size": 1, "values": []})) } else { status(401, "") }
    })
    .await;
    let settings = with(&server, vec![oauth(&server, "secret")]);
    (server, settings)
}

fn oauth(server: &Server, secret: &str) -> Credential {
    Credential::OAuth {
        key: FixedSecret::shared("key"),
        secret: FixedSecret::shared(secret),
        token_url: server.base.join("/site/oauth2/access_token").unwrap(),
    }
}

fn tokens_given(server: &Server) -> usize {
    server.seen().iter().filter(|seen| seen.method == "POST").count()
}

// P6.4: one token for many calls at once, renewed two minutes before it expires.
#[tokio::test]
async fn an_oauth_token_is_fetched_once_and_renewed_in_time() {
    let (server, settings) = consumer().await;
    let clock = settings.clock.clone();
    let cloud = BitbucketCloud::new(settings).unwrap();
    let counts = futures::future::join_all((0..8).map(|_| cloud.count())).await;
    assert!(counts.into_iter().all(|count| count.unwrap() == Some(1)));
    assert_eq!(tokens_given(&server), 1, "single flight");
    clock.advance(Duration::seconds(3600 - 121));
    cloud.count().await.unwrap();
    assert_eq!(tokens_given(&server), 1);
    clock.advance(Duration::seconds(1));
    cloud.count().await.unwrap();
    assert_eq!(tokens_given(&server), 2);
    assert_eq!(cloud.usage().requests, 12, "token requests are counted");
}

// P6.4, P6.11: a token that ended early is renewed once, not for ever.
#[tokio::test]
async fn an_oauth_token_is_renewed_once_after_a_401() {
    let (server, settings) = consumer().await;
    let cloud = BitbucketCloud::new(settings).unwrap();
    cloud.count().await.unwrap();
    // Somebody else's token request makes ours old.
    let other = BitbucketCloud::new(with(&server, vec![oauth(&server, "secret")])).unwrap();
    other.count().await.unwrap();
    cloud.count().await.unwrap();
    assert_eq!(tokens_given(&server), 3);

    let refuse = cursor(&Place::first("/repositories/acme?page=refuse".to_owned()));
    let error = cloud.repositories(&Listing::Sweep, Some(&refuse)).await.unwrap_err();
    assert!(matches!(error, SourceError::Unauthorized { .. }));
    assert_eq!(tokens_given(&server), 4);
    let before = server.seen().len();
    assert!(cloud.count().await.is_err());
    assert_eq!(server.seen().len(), before, "left alone");
}

#[tokio::test]
async fn a_wrong_consumer_is_refused_once() {
    let (server, _) = consumer().await;
    let cloud = BitbucketCloud::new(with(&server, vec![oauth(&server, "wrong-secret")])).unwrap();
    for _ in 0..3 {
        let error = cloud.count().await.unwrap_err();
        assert!(matches!(error, SourceError::Unauthorized { .. }), "{error}");
        assert!(!format!("{error:?}").contains("wrong-secret"));
    }
    assert_eq!(server.seen().len(), 1);
}
