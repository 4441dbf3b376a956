//! Budgets and rate limits, on simulated time.

use super::*;
use chrono::{DateTime, Duration, Utc};

fn throttled(headers: &[(&str, &str)]) -> Response {
    let mut builder = Response::builder().status(429);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Body::from("Rate limit for this resource has been exceeded")).unwrap()
}

fn noon() -> DateTime<Utc> {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

// P5.6, section 8: stop before zero, keep the reserve, go on in the same rolling hour after a restart.
#[tokio::test]
async fn the_hour_is_kept_over_a_restart() {
    let server = Server::start(|_, _| ok(json!({"size": 7}))).await;
    let settings = |budget| CloudSettings {
        requests_per_hour: Some(10),
        reserve: Reserve::Percent(20),
        budget,
        ..server.settings()
    };
    let cloud = BitbucketCloud::new(settings(None)).unwrap();
    for _ in 0..8 {
        assert_eq!(cloud.count().await.unwrap(), Some(7));
    }
    let error = cloud.count().await.unwrap_err();
    assert!(matches!(error, SourceError::BudgetExhausted { resume_at } if resume_at == noon() + Duration::minutes(61)));
    let usage = cloud.usage();
    assert_eq!((usage.requests, usage.remaining, usage.per_hour), (8, Some(0), Some(8)));
    assert_eq!(usage.resume_at, Some(noon() + Duration::minutes(61)));

    let snapshot = cloud.budget_snapshot();
    assert!(!snapshot.to_string().contains("sesame"));
    let next = CloudSettings { ..settings(Some(snapshot)) };
    let clock = next.clock.clone();
    let cloud = BitbucketCloud::new(next).unwrap();
    assert!(cloud.count().await.is_err(), "the hour is not new");
    clock.advance(Duration::minutes(61));
    assert_eq!(cloud.count().await.unwrap(), Some(7));
    assert_eq!(server.seen().len(), 9);
}

#[tokio::test]
async fn a_snapshot_that_makes_no_sense_is_a_fresh_hour() {
    let server = Server::start(|_, _| ok(json!({"size": 7}))).await;
    for budget in [json!(null), json!(3), json!({"x": 1}), json!({"x": {"repositories": {"minutes": "?"}}})] {
        let cloud = BitbucketCloud::new(CloudSettings { budget: Some(budget), ..server.settings() }).unwrap();
        assert_eq!(cloud.usage().remaining, Some(900));
    }
}

// facts 1.8: a short limit is waited for, without a request in between.
#[tokio::test]
async fn a_short_limit_is_waited_for() {
    let server = Server::start(|seen, _| match seen.number {
        1 => throttled(&[("retry-after", "7")]),
        _ => ok(json!({"size": 7})),
    })
    .await;
    let mut settings = server.settings();
    settings.http.max_wait = std::time::Duration::from_secs(60);
    let clock = settings.clock.clone();
    let cloud = BitbucketCloud::new(settings).unwrap();
    let later = async {
        server.has_seen(1).await;
        // Not before the pause is known, or the clock would be moved too early.
        while cloud.usage().resume_at.is_none() {
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::seconds(7));
    };
    let (count, ()) = tokio::join!(cloud.count(), later);
    assert_eq!(count.unwrap(), Some(7));
    assert_eq!(server.seen().len(), 2);
}

// facts 1.8: a long limit, or one without a word, pauses the whole credential and says until when.
#[tokio::test]
async fn a_long_limit_pauses_the_whole_credential() {
    for (headers, least_s, most_s) in
        [(&[("retry-after", "600")][..], 600, 600), (&[("x-ratelimit-reset", "900")], 900, 900), (&[], 30, 60)]
    {
        let headers = headers.to_vec();
        let server = Server::start(move |_, _| throttled(&headers)).await;
        let cloud = server.cloud();
        let resume = match cloud.count().await.unwrap_err() {
            SourceError::BudgetExhausted { resume_at } => (resume_at - noon()).num_seconds(),
            error => panic!("{error}"),
        };
        assert!((least_s..=most_s).contains(&resume), "{resume}");
        let error = cloud.secondary(&a_repository(), &Ask::PullRequests { from: None, to: None }, None).await;
        assert!(matches!(error, Err(SourceError::BudgetExhausted { .. })));
        assert_eq!(server.seen().len(), 1, "nothing is sent while it lasts");
        assert_eq!(cloud.usage().remaining, Some(0));
        assert!(cloud.usage().resume_at.is_some());
    }
}

// facts 1.8: limits are learned from headers; what others spend on the same credential counts.
#[tokio::test]
async fn limits_are_learned_from_headers() {
    let server = Server::start(|_, _| {
        let mut response = ok(json!({"size": 7}));
        for (name, value) in
            [("x-ratelimit-limit", "5000"), ("x-ratelimit-remaining", "501"), ("x-ratelimit-reset", "600")]
        {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        response
    })
    .await;
    let cloud = server.cloud();
    cloud.count().await.unwrap();
    let usage = cloud.usage();
    assert_eq!((usage.per_hour, usage.remaining), (Some(4500), Some(1)));
    let told = BitbucketCloud::new(CloudSettings { requests_per_hour: Some(300), ..server.settings() }).unwrap();
    told.count().await.unwrap();
    assert_eq!(told.usage().per_hour, Some(270), "the config outranks the server");
}
