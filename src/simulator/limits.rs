//! How limits show in headers.

use chrono::{DateTime, Duration, Utc};

use super::access::{Allowance, RateHeaders, RetryAfter};
use super::answer::Answer;

/// Says in a 429 when to come back, the way that is asked for.
pub(super) fn say_when(answer: &mut Answer, retry_after: RetryAfter, free_in: Duration, now: DateTime<Utc>) {
    // Rounded up: who comes back then is let in.
    let seconds = free_in.num_seconds() + 1;
    match retry_after {
        RetryAfter::Absent => {}
        RetryAfter::Seconds => answer.headers.push(("retry-after", seconds.to_string())),
        RetryAfter::Date => {
            let date = httpdate::fmt_http_date((now + Duration::seconds(seconds)).into());
            answer.headers.push(("retry-after", date));
        }
    }
}

pub(super) fn rate_headers(which: RateHeaders, allowance: Allowance, pool: &str) -> Vec<(&'static str, String)> {
    let scaled = || {
        let is_near = u64::from(allowance.remaining) * 5 < u64::from(allowance.limit);
        vec![
            ("x-ratelimit-limit", allowance.limit.to_string()),
            ("x-ratelimit-resource", pool.to_owned()),
            ("x-ratelimit-nearlimit", is_near.to_string()),
        ]
    };
    match which {
        RateHeaders::None => Vec::new(),
        RateHeaders::Scaled => scaled(),
        RateHeaders::Full => {
            let mut headers = scaled();
            headers.push(("x-ratelimit-remaining", allowance.remaining.to_string()));
            headers.push(("x-ratelimit-reset", allowance.free_in.num_seconds().to_string()));
            headers
        }
    }
}
