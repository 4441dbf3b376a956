//! How long to wait before a request is sent again.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reqwest::header::HeaderMap;

/// No single backoff after a failure is longer.
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);
/// A server that asks for more than this is not believed.
const LONGEST_RETRY_AFTER_S: i64 = 24 * 3600;

/// How long to wait after a 429 that does not say.
#[derive(Clone, Copy, Debug)]
pub struct Throttle {
    /// Doubles with each one in a row.
    first: Duration,
    /// No pause is longer.
    longest: Duration,
}

impl Throttle {
    /// An hourly limit (Cloud).
    pub const MINUTES: Self = Self { first: Duration::from_secs(60), longest: Duration::from_secs(15 * 60) };
    /// A bucket that fills by the second (Data Center, facts 2.3). At least half of it is waited, so a second.
    pub const SECONDS: Self = Self { first: Duration::from_secs(2), longest: Duration::from_secs(2 * 60) };
}

/// Randomness that was passed in, so that two programs do not knock at the same moment.
pub struct Jitter(Mutex<StdRng>);

impl Jitter {
    /// Repeats itself for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }

    /// Anything from zero to `most`.
    fn up_to(&self, most: Duration) -> Duration {
        let most_ms = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
        let mut random = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Duration::from_millis(random.random_range(0..=most_ms))
    }
}

/// The attempts of one call.
pub struct Backoff<'a> {
    jitter: &'a Jitter,
    base: Duration,
    attempts: u32,
    made: u32,
}

impl<'a> Backoff<'a> {
    /// At most `attempts` requests, the pause before the second at most `base`.
    pub fn new(jitter: &'a Jitter, base: Duration, attempts: u32) -> Self {
        Self { jitter, base, attempts, made: 0 }
    }

    /// How many requests failed so far, counted by [`Backoff::pause`].
    pub fn made(&self) -> u32 {
        self.made
    }

    /// Counts a failed attempt and waits before the next one; `false` when there is none.
    pub async fn pause(&mut self) -> bool {
        self.made += 1;
        if self.made >= self.attempts {
            return false;
        }
        let most = self.base.saturating_mul(1 << (self.made - 1).min(16)).min(LONGEST_BACKOFF);
        tokio::time::sleep(self.jitter.up_to(most)).await;
        true
    }
}

/// When requests may go on after a 429: `Retry-After` (seconds or date), else `X-RateLimit-Reset`
/// (seconds left, or an epoch when it is large: facts 1.8), else a pause that doubles with each 429 in a
/// row. At least one second from now.
pub fn throttled_until(
    headers: &HeaderMap,
    now: DateTime<Utc>,
    throttle: Throttle,
    in_a_row: u32,
    jitter: &Jitter,
) -> DateTime<Utc> {
    let told = retry_after_s(headers, now).or_else(|| reset_s(headers, now));
    let wait = match told {
        Some(seconds) => chrono::Duration::seconds(seconds.clamp(1, LONGEST_RETRY_AFTER_S)),
        None => {
            let most = throttle.first.saturating_mul(1 << in_a_row.min(8)).min(throttle.longest);
            let wait = most / 2 + jitter.up_to(most / 2);
            chrono::Duration::from_std(wait).unwrap_or(chrono::Duration::minutes(15))
        }
    };
    now + wait
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

fn retry_after_s(headers: &HeaderMap, now: DateTime<Utc>) -> Option<i64> {
    let value = text(headers, "retry-after")?;
    if let Ok(seconds) = value.parse::<f64>() {
        // `as` saturates and makes 0 of NaN.
        return Some(seconds.ceil() as i64);
    }
    let date = DateTime::<Utc>::from(httpdate::parse_http_date(value).ok()?);
    // The date is of the server's clock; ours may differ, so its own `Date` is what it is compared with.
    let server_now = server_date(headers).unwrap_or(now);
    Some((date - server_now).num_seconds())
}

/// Seconds until the window resets, from `X-RateLimit-Reset`.
pub fn reset_s(headers: &HeaderMap, now: DateTime<Utc>) -> Option<i64> {
    let value = text(headers, "x-ratelimit-reset")?.parse::<f64>().ok()? as i64;
    Some(if value < 1_000_000_000 { value } else { value - now.timestamp() })
}

/// The server's `Date`.
pub fn server_date(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    text(headers, "date").and_then(|value| httpdate::parse_http_date(value).ok()).map(DateTime::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderName, HeaderValue};

    fn now() -> DateTime<Utc> {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    #[track_caller]
    fn check(pairs: &[(&'static str, &str)], wanted_s: i64) {
        let until = throttled_until(&headers(pairs), now(), Throttle::MINUTES, 0, &Jitter::new(1));
        assert_eq!((until - now()).num_seconds(), wanted_s, "{pairs:?}");
    }

    // facts 1.8: every form in which a 429 tells how long.
    #[test]
    fn a_429_is_believed_in_every_form() {
        check(&[("retry-after", "7")], 7);
        check(&[("retry-after", " 7.2 ")], 8);
        check(&[("retry-after", "0")], 1);
        check(&[("retry-after", "-5")], 1);
        check(&[("retry-after", "99999999999")], 24 * 3600);
        check(&[("retry-after", "Sat, 21 Nov 2026 12:00:30 GMT")], 30);
        check(&[("retry-after", "Sat, 21 Nov 2026 13:00:30 GMT"), ("date", "Sat, 21 Nov 2026 13:00:00 GMT")], 30);
        check(&[("x-ratelimit-reset", "90")], 90);
        check(&[("x-ratelimit-reset", "1795262460")], 60);
        check(&[("retry-after", "soon"), ("x-ratelimit-reset", "90")], 90);
        check(&[("retry-after", "5"), ("x-ratelimit-reset", "90")], 5);
    }

    #[test]
    fn a_429_without_a_word_means_pauses_that_double() {
        let jitter = Jitter::new(1);
        for in_a_row in 0..12 {
            for (throttle, first, longest) in [(Throttle::MINUTES, 60_i64, 900), (Throttle::SECONDS, 2, 120)] {
                let wait = throttled_until(&HeaderMap::new(), now(), throttle, in_a_row, &jitter) - now();
                let most = (first << in_a_row.min(8)).min(longest);
                assert!(wait.num_seconds() >= most / 2 && wait.num_seconds() <= most, "{in_a_row}: {wait}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_waited_for_with_full_jitter_and_an_end() {
        let jitter = Jitter::new(7);
        let mut backoff = Backoff::new(&jitter, Duration::from_secs(1), 4);
        let began = tokio::time::Instant::now();
        let mut before = began;
        for most_s in [1, 2, 4] {
            assert!(backoff.pause().await);
            assert!(before.elapsed() <= Duration::from_secs(most_s) + Duration::from_millis(1));
            before = tokio::time::Instant::now();
        }
        assert!(!backoff.pause().await, "the fourth failure is the last");
        assert_eq!(before.elapsed(), Duration::ZERO);
        assert_eq!(backoff.made(), 4);
        assert!(began.elapsed() > Duration::ZERO);
    }

    #[test]
    fn the_same_seed_waits_the_same() {
        let draw = |seed| {
            let jitter = Jitter::new(seed);
            (0..5).map(|_| jitter.up_to(Duration::from_secs(60))).collect::<Vec<_>>()
        };
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }
}
