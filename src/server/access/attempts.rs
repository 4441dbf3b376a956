//! Attempts to log in are limited for each who tries, and for nobody else: guessing is slow, and no stranger locks
//! anybody out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Duration, Utc};

use super::peer::household;

/// Wrong ones in [`WITHIN`] before the next has to wait.
const WRONG: usize = 10;
/// How long a wrong one counts.
const WITHIN: Duration = Duration::minutes(5);
/// How many who tried wrongly are remembered; whoever did so longest ago is forgotten first.
const REMEMBERED: usize = 10_000;

/// Who tried wrongly, and when.
#[derive(Default)]
pub(super) struct Attempts(Mutex<HashMap<IpAddr, Vec<DateTime<Utc>>>>);

impl Attempts {
    /// Whether somebody may try.
    ///
    /// # Errors
    /// How long they have to wait.
    pub(super) fn may_try(&self, from: IpAddr, now: DateTime<Utc>) -> Result<(), Duration> {
        let attempts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(wrong) = attempts.get(&household(from)) else { return Ok(()) };
        let counting: Vec<&DateTime<Utc>> = wrong.iter().filter(|at| now - **at < WITHIN).collect();
        match counting.first() {
            Some(oldest) if counting.len() >= WRONG => Err((**oldest + WITHIN - now).max(Duration::seconds(1))),
            _ => Ok(()),
        }
    }

    /// It was wrong.
    pub(super) fn note_wrong(&self, from: IpAddr, now: DateTime<Utc>) {
        let mut attempts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wrong = attempts.entry(household(from)).or_default();
        wrong.retain(|at| now - *at < WITHIN);
        // While somebody has to wait nothing is tried, so that no more come.
        wrong.push(now);
        if attempts.len() > REMEMBERED {
            attempts.retain(|_, wrong| wrong.last().is_some_and(|last| now - *last < WITHIN));
            let longest_ago = attempts.iter().min_by_key(|(_, wrong)| wrong.last().copied()).map(|(from, _)| *from);
            if attempts.len() > REMEMBERED
                && let Some(from) = longest_ago
            {
                attempts.remove(&from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        "2026-11-21T12:00:00Z".parse::<DateTime<Utc>>().unwrap() + Duration::seconds(seconds)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    // P7.4: whoever guesses waits; nobody else does, not even when very many guess.
    #[test]
    fn whoever_guesses_waits_and_nobody_else_does_p7_4() {
        let attempts = Attempts::default();
        for second in 0..WRONG as i64 {
            assert_eq!(attempts.may_try(ip("192.0.2.1"), at(second)), Ok(()));
            attempts.note_wrong(ip("192.0.2.1"), at(second));
        }
        assert_eq!(attempts.may_try(ip("192.0.2.1"), at(20)), Err(Duration::seconds(280)));
        assert_eq!(attempts.may_try(ip("::ffff:192.0.2.1"), at(20)), Err(Duration::seconds(280)), "the same one");
        assert_eq!(attempts.may_try(ip("192.0.2.2"), at(20)), Ok(()));
        assert_eq!(attempts.may_try(ip("192.0.2.1"), at(300)), Ok(()), "the first one counts no more");
        attempts.note_wrong(ip("192.0.2.1"), at(300));
        assert_eq!(attempts.may_try(ip("192.0.2.1"), at(300)), Err(Duration::seconds(1)));
    }

    #[test]
    fn one_network_of_ipv6_is_one_asker_p7_4() {
        let attempts = Attempts::default();
        for host in 0..WRONG {
            attempts.note_wrong(ip(&format!("2001:db8:1:2::{host}")), at(0));
        }
        assert!(attempts.may_try(ip("2001:db8:1:2:ffff::9"), at(1)).is_err());
        assert!(attempts.may_try(ip("2001:db8:1:3::9"), at(1)).is_ok());
    }

    #[test]
    fn memory_is_bounded_and_forgets_the_oldest_p7_4() {
        let attempts = Attempts::default();
        for n in 0..(REMEMBERED as u32 + 50) {
            attempts.note_wrong(IpAddr::V4(n.into()), at(0) + Duration::milliseconds(n.into()));
        }
        let remembered = attempts.0.lock().unwrap();
        assert_eq!(remembered.len(), REMEMBERED);
        assert!(!remembered.contains_key(&ip("0.0.0.0")) && remembered.contains_key(&IpAddr::V4(10_049.into())));
    }
}
