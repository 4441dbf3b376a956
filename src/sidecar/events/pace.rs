//! Who rests and for how long: after a failure, and once events have had their part of an hour's requests.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Duration, Utc};

/// After a failure, doubled each time.
pub(super) const FIRST_PAUSE: Duration = Duration::seconds(10);
/// It is never longer.
pub(super) const LONGEST_PAUSE: Duration = Duration::minutes(30);

/// The pause after so many failures in a row before this one.
pub(super) fn pause(failures: u32) -> Duration {
    FIRST_PAUSE.checked_mul(1 << failures.min(10)).unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE)
}

/// What is remembered while the process lives.
#[derive(Default)]
pub(super) struct Pace(Mutex<Remembered>);

#[derive(Default)]
struct Remembered {
    /// By the integration's name: until when, and after how many failures in a row.
    failed: BTreeMap<String, (DateTime<Utc>, u32)>,
    /// By who signed.
    signers: BTreeMap<Vec<String>, DateTime<Utc>>,
    /// Requests that events cost, by connector, and when: those of the last hour, the oldest first.
    spent: BTreeMap<String, VecDeque<(DateTime<Utc>, u64)>>,
}

impl Pace {
    fn remembered(&self) -> std::sync::MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until when an integration rests; `None`: it does not.
    pub(super) fn rests(&self, integration: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let until = self.remembered().failed.get(integration).map(|(until, _)| *until)?;
        // A clock that jumped back makes nobody rest for ever.
        Some(until).filter(|until| *until > now && *until - now <= LONGEST_PAUSE)
    }

    /// Its last look failed.
    pub(super) fn has_failed(&self, integration: &str) -> bool {
        self.remembered().failed.contains_key(integration)
    }

    /// It rests now, longer each time; until when.
    pub(super) fn failed(&self, integration: &str, now: DateTime<Utc>) -> DateTime<Utc> {
        let mut remembered = self.remembered();
        let failures = remembered.failed.get(integration).map_or(0, |(_, failures)| *failures);
        let until = now + pause(failures);
        remembered.failed.insert(integration.to_owned(), (until, failures + 1));
        until
    }

    pub(super) fn succeeded(&self, integration: &str) {
        self.remembered().failed.remove(integration);
    }

    /// Until when nothing of these signers is worked.
    pub(super) fn signers_rest(&self, signers: &[String]) -> Option<DateTime<Utc>> {
        self.remembered().signers.get(signers).copied()
    }

    pub(super) fn let_signers_rest(&self, signers: &[String], until: DateTime<Utc>) {
        self.remembered().signers.insert(signers.to_vec(), until);
    }

    pub(super) fn spend(&self, connector: &str, requests: u64, now: DateTime<Utc>) {
        self.remembered().spent.entry(connector.to_owned()).or_default().push_back((now, requests));
    }

    /// Requests events may still cost now; or when some are free again.
    pub(super) fn allowance(&self, connector: &str, per_hour: u64, now: DateTime<Utc>) -> Result<u64, DateTime<Utc>> {
        let mut remembered = self.remembered();
        let spent = remembered.spent.entry(connector.to_owned()).or_default();
        while spent.front().is_some_and(|(at, _)| *at + Duration::hours(1) <= now || *at > now) {
            spent.pop_front();
        }
        let used: u64 = spent.iter().map(|(_, requests)| requests).sum();
        match (per_hour / 2).checked_sub(used).filter(|left| *left > 0) {
            Some(left) => Ok(left),
            None => Err(spent.front().map_or(now, |(at, _)| *at) + Duration::hours(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::minutes(minute)
    }

    // P6.12, security.md: events spend at most half of the hourly budget, in any hour.
    #[test]
    fn events_spend_half_of_the_budget_p6_12() {
        let pace = Pace::default();
        assert_eq!(pace.allowance("acme", 900, at(0)), Ok(450));
        pace.spend("acme", 300, at(0));
        pace.spend("labs", 900, at(0));
        pace.spend("acme", 150, at(10));
        assert_eq!(pace.allowance("acme", 900, at(11)), Err(at(60)));
        assert_eq!(pace.allowance("acme", 900, at(60)), Ok(300));
        assert_eq!(pace.allowance("acme", 900, at(70)), Ok(450));
    }

    // P6.12: an integration that fails is asked later each time, and the others are not.
    #[test]
    fn who_fails_rests_longer_each_time_p6_12() {
        let pace = Pace::default();
        let pauses: Vec<i64> = (0..10).map(|_| (pace.failed("a", at(0)) - at(0)).num_seconds()).collect();
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1_280, 1_800, 1_800]);
        assert!(pace.has_failed("a") && !pace.has_failed("b"));
        assert_eq!((pace.rests("a", at(1)), pace.rests("b", at(1))), (Some(at(30)), None));
        assert_eq!((pace.rests("a", at(30)), pace.rests("a", at(-60))), (None, None), "over, or a clock that jumped");
        pace.succeeded("a");
        assert_eq!((pace.failed("a", at(0)) - at(0)).num_seconds(), 10);
    }
}
