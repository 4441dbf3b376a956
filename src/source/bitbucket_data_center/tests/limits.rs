//! The token bucket, which tells nothing about itself (facts 2.3), on simulated time.

use super::*;
use chrono::Duration;

fn limited(retry_after: Option<&'static str>) -> Response {
    let mut response = error(429, "server.RateLimitedException", "You have exceeded the rate limit. Try again later.");
    if let Some(value) = retry_after {
        response.headers_mut().insert("retry-after", value.parse().unwrap());
    }
    response
}

fn resume_s(error: SourceError) -> i64 {
    match error {
        SourceError::BudgetExhausted { resume_at } => {
            (resume_at - "2026-11-21T12:00:00Z".parse::<DateTime<Utc>>().unwrap()).num_milliseconds()
        }
        error => panic!("{error}"),
    }
}

// facts 2.3: a 429 without a word means a second or two, then twice that; with one, it is believed.
#[tokio::test]
async fn a_429_is_waited_for() {
    for (retry_after, least_ms, most_ms) in [(None, 1000, 2000), (Some("7"), 7000, 7000)] {
        let server = Server::stranger(move |_, _| limited(retry_after)).await;
        let dc = server.dc();
        let waits = resume_s(sweep(&dc).await.unwrap_err());
        assert!((least_ms..=most_ms).contains(&waits), "{waits}");
        assert!(sweep(&dc).await.is_err());
        assert_eq!(server.seen().len(), 1, "nothing is sent while it lasts");
    }
}

// P5.6: our own pace stays below the server's default, and an empty bucket is a moment, not the end of the hour.
#[tokio::test]
async fn our_own_pace_stays_below() {
    let server = Server::instance(|_, _| ok(page(&[], None))).await;
    let settings = server.dc_settings();
    let clock = settings.clock.clone();
    let dc = BitbucketDataCenter::new(settings).unwrap();
    let mut sent = 0;
    let waits = loop {
        match sweep(&dc).await {
            Ok(_) => sent += 1,
            Err(error) => break resume_s(error),
        }
    };
    // One of them proved who we are.
    assert_eq!((sent, server.seen().len()), (53, 54));
    assert!((1..=1000).contains(&waits), "{waits}");
    let usage = dc.usage();
    assert_eq!((usage.requests, usage.remaining, usage.resume_at), (54, None, None));
    assert!(usage.per_hour.is_some_and(|per_hour| per_hour < 18_000));
    clock.advance(Duration::milliseconds(250));
    assert!(sweep(&dc).await.is_ok());

    let fast = DataCenterSettings { requests_per_second: Some(1000), ..server.dc_settings() };
    assert_eq!(BitbucketDataCenter::new(fast).unwrap().usage().per_hour, Some(3_600_000));
}

// Waited for, it goes on by itself.
#[tokio::test]
async fn a_short_limit_passes() {
    let server = Server::stranger(|seen, _| if seen.number == 1 { limited(None) } else { ok(page(&[], None)) }).await;
    let mut settings = server.dc_settings();
    settings.http.max_wait = std::time::Duration::from_secs(60);
    let clock = settings.clock.clone();
    let dc = BitbucketDataCenter::new(settings).unwrap();
    let later = async {
        server.has_seen(1).await;
        // Not before the pause is known, or the clock would be moved too early.
        while dc.usage().resume_at.is_none() {
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::seconds(2));
    };
    let (swept, ()) = tokio::join!(sweep(&dc), later);
    assert!(swept.unwrap().is_empty());
    assert_eq!(server.seen().len(), 3);
}
