//! Logins by redirect (P6.4): a person grants an OAuth consumer access in a browser, and what is kept of that are a
//! refresh token, which changes with each use, and the access token that came with it.
//!
//! Both are sealed together with the consumer's key and secret. Whoever holds the store renews them
//! ([`crate::assemble`]); everybody else asks.

use std::fmt;

use chrono::{DateTime, Duration, Months, NaiveDate, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// A token is renewed this long before it ends.
const RENEW_BEFORE: Duration = Duration::seconds(120);
/// No access token lives longer: an end beyond was counted by a clock that was wrong.
const LONGEST_LIFE: Duration = Duration::hours(24);
/// Bitbucket ends a login whose refresh token was not used for so long (facts 1.9).
const UNUSED_MONTHS: Months = Months::new(3);

/// What a login consists of beside the consumer. Prints nothing of it.
#[derive(Clone, Deserialize)]
pub struct Tokens {
    /// Tells this login from a later one; stays while its tokens change. Random, no secret.
    pub login: String,
    /// Taken once by the server, which then gives another.
    pub refresh: SecretString,
    /// What requests are sent with.
    pub access: SecretString,
    /// When the access token ends, by our own clock.
    pub until: DateTime<Utc>,
}

impl Tokens {
    /// Whether the access token can still be sent. A clock that jumped costs a renewal, no more.
    pub fn last(&self, now: DateTime<Utc>) -> bool {
        now + RENEW_BEFORE < self.until && self.until <= now + LONGEST_LIFE
    }

    /// Whether this is the access token that was refused.
    pub fn are(&self, refused: &str) -> bool {
        fingerprint(&self.access) == refused
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({})", self.login)
    }
}

/// Names a token without telling it.
pub fn fingerprint(token: &SecretString) -> String {
    hex::encode(&Sha256::digest(token.expose_secret())[..16])
}

/// The day a login ends that is not used again.
pub fn ends(last_used: DateTime<Utc>) -> NaiveDate {
    last_used.checked_add_months(UNUSED_MONTHS).unwrap_or(DateTime::<Utc>::MAX_UTC).date_naive()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(until: &str) -> Tokens {
        let until = until.parse().unwrap();
        Tokens { login: "l1".to_owned(), refresh: "needle-refresh".into(), access: "needle-access".into(), until }
    }

    #[track_caller]
    fn check(until: &str, lasts: bool) {
        assert_eq!(tokens(until).last("2026-11-21T12:00:00Z".parse().unwrap()), lasts, "{until}");
    }

    // P6.4: renewed in time; whatever the clock does, a token is either renewed needlessly or refused once.
    #[test]
    fn access_tokens_last_by_our_own_clock_p6_4() {
        check("2026-11-21T13:00:00Z", true);
        check("2026-11-21T12:02:01Z", true);
        check("2026-11-21T12:02:00Z", false);
        check("2026-11-21T11:59:00Z", false);
        check("2026-11-22T12:00:00Z", true);
        check("2026-11-22T12:00:01Z", false); // our clock was set back since
        check("9999-01-01T00:00:00Z", false);
    }

    #[test]
    fn a_login_ends_three_months_after_its_last_use_p6_11() {
        for (used, end) in [("2026-11-21T23:59:59Z", "2027-02-21"), ("2026-11-30T00:00:00Z", "2027-02-28")] {
            assert_eq!(ends(used.parse().unwrap()).to_string(), end);
        }
    }

    #[test]
    fn tokens_do_not_print() {
        let tokens = tokens("2026-11-21T13:00:00Z");
        let print = fingerprint(&tokens.access);
        assert!(!format!("{tokens:?}{print}").contains("needle"));
        assert!(tokens.are(&print) && !tokens.are(&fingerprint(&tokens.refresh)));
    }
}
