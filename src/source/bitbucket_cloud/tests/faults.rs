//! What can go wrong in a walk, and that a half-read one never looks complete (P2.9).

use axum::body::Bytes;
use futures::stream;
use std::io::Write;

use super::*;

/// A two-page listing whose second page is `second`.
async fn broken(second: impl Fn(&str) -> Response + Send + Sync + 'static) -> (Server, SourceError) {
    let server = Server::start(move |seen, base| match seen.one("page") {
        "" => ok(json!({"size": 2, "values": [repo_row(1)], "next": format!("{base}/repositories/acme?page=2")})),
        _ => second(base),
    })
    .await;
    let error = sweep(&server.cloud()).await.expect_err("never complete");
    (server, error)
}

fn kind(error: &SourceError) -> &'static str {
    match error {
        SourceError::Unauthorized { .. } => "unauthorized",
        SourceError::BudgetExhausted { .. } => "budget",
        SourceError::Server { .. } => "server",
        SourceError::Unreachable { .. } => "unreachable",
        SourceError::NotBitbucket { .. } => "not bitbucket",
        SourceError::TooLarge { .. } => "too large",
        SourceError::UntrustedLink { .. } => "untrusted",
        SourceError::Circular { .. } => "circular",
        SourceError::Incomplete { page: 2, .. } => "incomplete",
        _ => "other",
    }
}

// P2.9, facts 1.7: whatever a second page says, the walk is an error, never an end.
#[tokio::test]
async fn a_second_page_that_fails_never_ends_a_walk() {
    type Second = Box<dyn Fn(&str) -> Response + Send + Sync>;
    let says = |code: u16, body: &'static str| -> Second { Box::new(move |_| status(code, body)) };
    let next = |to: fn(&str) -> Value| -> Second {
        Box::new(move |base| ok(json!({"values": [repo_row(2)], "next": to(base)})))
    };
    let error = r#"{"type":"error","error":{"message":"x"}}"#;
    let cases: Vec<(&str, Second, &str, usize)> = vec![
        ("403", says(403, error), "incomplete", 1),
        ("404", says(404, error), "incomplete", 1),
        ("410", says(410, error), "incomplete", 1),
        ("400", says(400, error), "incomplete", 1),
        ("401", says(401, error), "unauthorized", 1),
        ("429", says(429, "Rate limit for this resource has been exceeded"), "budget", 1),
        ("500", says(500, ""), "server", 4),
        ("503", says(503, "<html>down</html>"), "server", 4),
        ("555", says(555, ""), "server", 4),
        ("404 as a page", says(404, "<html><title>Sign in</title>"), "not bitbucket", 1),
        ("200 as a page", says(200, "<html><title>Sign in</title>"), "not bitbucket", 3),
        ("cut off", says(200, r#"{"values":[{"uuid":"{1}"#), "not bitbucket", 3),
        ("empty body", says(200, ""), "not bitbucket", 3),
        ("an error as 200", says(200, error), "not bitbucket", 1),
        ("no values", says(200, "{}"), "not bitbucket", 1),
        ("values null", says(200, r#"{"values":null}"#), "not bitbucket", 1),
        ("next is itself", next(|base| json!(format!("{base}/repositories/acme?page=2"))), "circular", 1),
        ("next elsewhere", next(|_| json!("https://evil.example/2.0/repositories/acme?page=3")), "untrusted", 1),
        ("next outside the api", next(|base| json!(base.replace("/2.0", "/internal/x"))), "untrusted", 1),
        ("next relative", next(|_| json!("/2.0/repositories/acme?page=3")), "untrusted", 1),
        ("next a number", next(|_| json!(3)), "not bitbucket", 1),
        (
            "redirect elsewhere",
            Box::new(|_| {
                Response::builder().status(302).header("location", "https://evil.example/").body(Body::empty()).unwrap()
            }),
            "untrusted",
            1,
        ),
        ("redirect to nowhere", says(302, ""), "not bitbucket", 1),
        (
            "redirect to itself",
            Box::new(|_| Response::builder().status(302).header("location", "?page=2").body(Body::empty()).unwrap()),
            "circular",
            6,
        ),
        (
            "broken body",
            Box::new(|_| {
                let pieces = [Ok(Bytes::from_static(b"{\"values\":[")), Err(std::io::Error::other("gone"))];
                Response::new(Body::from_stream(stream::iter(pieces)))
            }),
            "unreachable",
            4,
        ),
    ];
    for (name, second, wanted, requests) in cases {
        let (server, error) = broken(second).await;
        assert_eq!(kind(&error), wanted, "{name}: {error}");
        assert_eq!(server.seen().len(), 1 + requests, "{name}");
        assert!(!error.to_string().contains("sesame"), "{name}: {error}");
    }
}

// Section 8: failures of the server are survived, and each attempt is counted.
#[tokio::test]
async fn a_server_that_recovers_is_not_noticed() {
    for failure in [500, 502, 503, 504, 555, 200] {
        let server = Server::start(move |seen, _| match seen.number {
            1 | 2 => status(failure, ""),
            _ => ok(json!({"values": [repo_row(1)]})),
        })
        .await;
        let cloud = server.cloud();
        assert_eq!(sweep(&cloud).await.unwrap(), ["repo-1"], "{failure}");
        assert_eq!(cloud.usage().requests, 3);
        assert_eq!(cloud.usage().remaining, Some(897), "of 1,000 less a tenth");
    }
}

#[tokio::test]
async fn a_first_page_says_why_there_is_nothing() {
    let error = |code, body: &'static str| async move {
        let server = Server::start(move |_, _| status(code, body)).await;
        server.cloud().repositories(&Listing::Sweep, None).await.unwrap_err()
    };
    let privileges = r#"{"type":"error","error":{"message":"Your credentials lack one or more required privilege scopes.",
        "detail":{"required":["repository"],"granted":["account"]}}}"#;
    assert!(matches!(error(403, privileges).await,
        SourceError::Forbidden { required, granted, .. } if required == ["repository"] && granted == ["account"]));
    assert!(matches!(error(404, r#"{"error":{"message":"No workspace"}}"#).await, SourceError::NotFound { .. }));
    assert!(matches!(error(410, r#"{"error":{"message":"CHANGE-2770"}}"#).await,
        SourceError::Removed { message, .. } if message == "CHANGE-2770"));
    assert!(matches!(error(400, r#"{"error":{"message":"Invalid pagelen"}}"#).await,
        SourceError::BadRequest { status: 400, message, .. } if message == "Invalid pagelen"));
}

// A circle longer than one page.
#[tokio::test]
async fn pages_that_go_in_circles_end() {
    let server = Server::start(|seen, base| {
        let next = match seen.one("page") {
            "" | "4" => 2,
            "2" => 3,
            _ => 4,
        };
        ok(json!({"values": [repo_row(1)], "next": format!("{base}/repositories/acme?page={next}")}))
    })
    .await;
    assert!(matches!(sweep(&server.cloud()).await, Err(SourceError::Circular { .. })));
    assert!(server.seen().len() < 12);
}

// security.md: the cap is on the decompressed body.
#[tokio::test]
async fn a_small_answer_that_unpacks_to_a_large_one_is_refused() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(b"{\"values\":[],\"filling\":\"").unwrap();
    for _ in 0..100 {
        packed.write_all(&[b'x'; 10_000]).unwrap();
    }
    packed.write_all(b"\"}").unwrap();
    let packed = packed.finish().unwrap();
    assert!(packed.len() < 10_000);
    let server = Server::start(move |_, _| {
        Response::builder().header("content-encoding", "gzip").body(Body::from(packed.clone())).unwrap()
    })
    .await;
    let with_cap = |body_bytes| {
        let mut settings = server.settings();
        settings.http.body_bytes = body_bytes;
        BitbucketCloud::new(settings).unwrap()
    };
    let error = sweep(&with_cap(500_000)).await.unwrap_err();
    assert!(matches!(error, SourceError::TooLarge { limit_bytes: 500_000, .. }), "{error}");
    assert_eq!(server.seen().len(), 1, "not asked again");
    assert!(sweep(&with_cap(2_000_000)).await.unwrap().is_empty());
}

// security.md: redirects are followed on the same host only, and a credential never leaves it.
#[tokio::test]
async fn credentials_never_follow_a_redirect_to_another_server() {
    let other = Server::start(|_, _| ok(json!({"values": []}))).await;
    let target = other.base.to_string();
    let server = Server::start(move |_, _| {
        Response::builder().status(307).header("location", &target).body(Body::empty()).unwrap()
    })
    .await;
    assert!(matches!(sweep(&server.cloud()).await, Err(SourceError::UntrustedLink { .. })));
    assert!(other.seen().is_empty());

    let server = Server::start(|seen, _| match seen.path.as_str() {
        "/2.0/moved" => ok(json!({"values": [repo_row(1)]})),
        _ => Response::builder().status(302).header("location", "/2.0/moved").body(Body::empty()).unwrap(),
    })
    .await;
    assert_eq!(sweep(&server.cloud()).await.unwrap(), ["repo-1"]);
    assert_eq!(server.seen()[1].authorization, "Bearer sesame-token-1");
}

#[tokio::test]
async fn nobody_there_is_unreachable_after_all_attempts() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let server = Server::start(|_, _| ok(json!({}))).await;
    let mut settings = server.settings();
    settings.api_url = Url::parse(&format!("http://127.0.0.1:{port}/2.0")).unwrap();
    let cloud = BitbucketCloud::new(settings).unwrap();
    let error = cloud.count().await.unwrap_err();
    assert!(matches!(&error, SourceError::Unreachable { message, .. } if message.contains("refused")), "{error}");
    assert!(error.is_transient());
    assert_eq!(cloud.usage().requests, 4);
}

// Invariant 8: what we sent comes back in an error of the server, and goes no further.
#[tokio::test]
async fn secrets_that_come_back_are_blotted_out() {
    for body in [
        r#"{"error":{"message":"bad token sesame-token-1"}}"#,
        "plain sesame-token-1",
        "<html><title>sesame-token-1</title>",
    ] {
        for code in [400, 403, 404, 410, 200] {
            let server = Server::start(move |_, _| status(code, body)).await;
            let error = server.cloud().count().await.unwrap_err();
            let mut chain = format!("{error:?} {error}");
            chain.push_str(&error.mend().unwrap_or_default());
            assert!(!chain.contains("sesame-token-1"), "{code} {chain}");
        }
    }
}
