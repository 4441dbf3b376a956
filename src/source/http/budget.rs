//! How many requests a credential has left in its rolling hour (facts 1.8). Pure: time is an argument.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What is left to people and other programs on the same credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserve {
    /// Of the limit, 0 to 100.
    Percent(u8),
    /// Requests.
    Requests(u64),
}

impl Reserve {
    fn of(self, limit: u64) -> u64 {
        match self {
            Self::Percent(percent) => limit * u64::from(percent.min(100)) / 100,
            Self::Requests(requests) => requests,
        }
    }
}

/// Cloud's limit of the repository pool before the server tells another.
pub const DEFAULT_PER_HOUR: u64 = 1000;

/// A minute's bucket counts until its last instant is an hour old, hence one more than an hour's
/// minutes: in no stretch of 60 minutes, wherever it begins, more than the limit is sent.
const BUCKETS: i64 = 61;

/// What the server said was left, and until when that is worth believing.
#[derive(Clone, Debug)]
struct Told {
    remaining: u64,
    until: DateTime<Utc>,
}

/// The rolling hour of one credential in one pool.
#[derive(Clone, Debug)]
pub struct Budget {
    /// From the config; outranks what is learned.
    configured: Option<u64>,
    /// `X-RateLimit-Limit`.
    learned: Option<u64>,
    reserve: Reserve,
    /// Requests per minute since the epoch, oldest first.
    minutes: VecDeque<(i64, u64)>,
    told: Option<Told>,
    /// A 429 said so.
    paused_until: Option<DateTime<Utc>>,
    throttled_in_a_row: u32,
}

/// A budget as stored between runs. Holds no secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Minute since the epoch, requests sent in it.
    #[serde(default)]
    pub minutes: Vec<(i64, u64)>,
    /// Limit the server told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Pause a 429 asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_until: Option<DateTime<Utc>>,
}

/// What an answer's headers say about limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// `X-RateLimit-Limit`.
    pub limit: Option<u64>,
    /// `X-RateLimit-Remaining`.
    pub remaining: Option<u64>,
    /// Seconds until the window resets.
    pub reset_s: Option<i64>,
    /// `X-RateLimit-NearLimit`.
    pub near_limit: bool,
}

impl Budget {
    /// A fresh hour.
    pub fn new(configured: Option<u64>, reserve: Reserve) -> Self {
        Self {
            configured,
            learned: None,
            reserve,
            minutes: VecDeque::new(),
            told: None,
            paused_until: None,
            throttled_in_a_row: 0,
        }
    }

    /// Goes on where a stored one ended. Buckets from the future (a clock that was wrong) are dropped.
    pub fn restore(&mut self, snapshot: &Snapshot, now: DateTime<Utc>) {
        let mut minutes = snapshot.minutes.clone();
        minutes.retain(|(minute, _)| *minute <= minute_of(now));
        minutes.sort_unstable();
        self.minutes = minutes.into();
        self.learned = snapshot.limit.filter(|limit| *limit > 0);
        self.paused_until = snapshot.paused_until.filter(|until| *until <= now + chrono::Duration::days(1));
        self.forget(now);
    }

    /// For the store.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            minutes: self.minutes.iter().copied().collect(),
            limit: self.learned,
            paused_until: self.paused_until,
        }
    }

    /// Requests per hour, reserve taken off.
    pub fn per_hour(&self) -> u64 {
        let limit = self.limit();
        limit.saturating_sub(self.reserve.of(limit))
    }

    /// Requests left now, reserve taken off; 0 while a 429 holds.
    pub fn remaining(&self, now: DateTime<Utc>) -> u64 {
        if self.is_paused(now) {
            return 0;
        }
        let own = self.per_hour().saturating_sub(self.used(now));
        match self.told.as_ref().filter(|told| now < told.until) {
            Some(told) => own.min(told.remaining.saturating_sub(self.reserve.of(self.limit()))),
            None => own,
        }
    }

    /// Whether a 429 holds.
    pub fn is_paused(&self, now: DateTime<Utc>) -> bool {
        self.paused_until.is_some_and(|until| now < until)
    }

    /// When a request is possible again; `None` when it is now.
    pub fn resume_at(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.remaining(now) > 0 {
            return None;
        }
        let mut at = now;
        if let Some(until) = self.paused_until {
            at = at.max(until);
        }
        if let Some(told) = self.told.as_ref().filter(|told| told.remaining <= self.reserve.of(self.limit())) {
            at = at.max(told.until);
        }
        // The oldest bucket whose leaving makes room.
        let mut used = self.used(now);
        for (minute, count) in self.live(now) {
            if used < self.per_hour() {
                break;
            }
            used -= count;
            at = at.max(start_of(minute + BUCKETS));
        }
        // A limit of zero, or a reserve of everything: look again in an hour, never in a tight loop.
        Some(if at <= now { now + chrono::Duration::hours(1) } else { at })
    }

    /// Takes one request, or says when one is possible.
    ///
    /// # Errors
    /// The instant to go on at.
    pub fn take(&mut self, now: DateTime<Utc>) -> Result<(), DateTime<Utc>> {
        if let Some(at) = self.resume_at(now) {
            return Err(at);
        }
        self.forget(now);
        let minute = minute_of(now);
        match self.minutes.back_mut() {
            // A clock that went back counts into the newest bucket: late is safe, early is not.
            Some((last, count)) if *last >= minute => *count += 1,
            _ => self.minutes.push_back((minute, 1)),
        }
        if let Some(told) = &mut self.told {
            told.remaining = told.remaining.saturating_sub(1);
        }
        Ok(())
    }

    /// Learns from an answer that was not a 429.
    pub fn observe(&mut self, observed: Observed, now: DateTime<Utc>) {
        self.throttled_in_a_row = 0;
        if let Some(limit) = observed.limit.filter(|limit| *limit > 0) {
            self.learned = Some(limit);
        }
        let near = observed.near_limit.then(|| self.limit() / 5);
        let remaining = match (observed.remaining, near) {
            (Some(remaining), _) => remaining,
            // Less than a fifth is left by the server's count: somebody else works with this credential.
            (None, Some(near)) => match &self.told {
                Some(told) if now < told.until => told.remaining.min(near),
                _ => near,
            },
            (None, None) => return,
        };
        // Without a reset the window just rolls on: ask again after a few minutes.
        let wait_s = observed.reset_s.unwrap_or(300).clamp(1, 3600);
        self.told = Some(Told { remaining, until: now + chrono::Duration::seconds(wait_s) });
    }

    /// A 429: nothing is sent until then.
    pub fn throttled(&mut self, until: DateTime<Utc>) {
        self.throttled_in_a_row = self.throttled_in_a_row.saturating_add(1);
        self.paused_until = Some(self.paused_until.map_or(until, |before| before.max(until)));
    }

    /// 429s since the last other answer.
    pub fn throttled_in_a_row(&self) -> u32 {
        self.throttled_in_a_row
    }

    fn limit(&self) -> u64 {
        self.configured.or(self.learned).unwrap_or(DEFAULT_PER_HOUR)
    }

    fn used(&self, now: DateTime<Utc>) -> u64 {
        self.live(now).map(|(_, count)| count).sum()
    }

    fn live(&self, now: DateTime<Utc>) -> impl Iterator<Item = (i64, u64)> + '_ {
        let oldest = minute_of(now) - BUCKETS;
        self.minutes.iter().copied().filter(move |(minute, _)| *minute > oldest)
    }

    fn forget(&mut self, now: DateTime<Utc>) {
        let oldest = minute_of(now) - BUCKETS;
        while self.minutes.front().is_some_and(|(minute, _)| *minute <= oldest) {
            self.minutes.pop_front();
        }
    }
}

fn minute_of(at: DateTime<Utc>) -> i64 {
    at.timestamp().div_euclid(60)
}

fn start_of(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(minute * 60, 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn noon() -> DateTime<Utc> {
        at("2026-11-21T12:00:30Z")
    }

    fn budget(limit: u64, reserve: Reserve) -> Budget {
        Budget::new(Some(limit), reserve)
    }

    // P5.6: the reserve is never spent, and the end is known.
    #[test]
    fn stops_before_the_reserve_and_says_when_it_goes_on() {
        let mut budget = budget(10, Reserve::Percent(10));
        assert_eq!(budget.per_hour(), 9);
        for left in (0..9).rev() {
            assert!(budget.take(noon()).is_ok());
            assert_eq!(budget.remaining(noon()), left);
        }
        let resume = budget.take(noon()).unwrap_err();
        assert_eq!(resume, at("2026-11-21T13:01:00Z"));
        assert!(budget.take(resume - chrono::Duration::seconds(1)).is_err());
        assert!(budget.take(resume).is_ok());
    }

    #[test]
    fn the_server_knows_better_what_others_spent() {
        let mut budget = budget(1000, Reserve::Requests(100));
        assert!(budget.take(noon()).is_ok());
        budget.observe(Observed { remaining: Some(102), reset_s: Some(600), ..Observed::default() }, noon());
        assert_eq!(budget.remaining(noon()), 2);
        assert!(budget.take(noon()).is_ok());
        assert!(budget.take(noon()).is_ok());
        assert_eq!(budget.take(noon()), Err(noon() + chrono::Duration::seconds(600)));
        assert!(budget.take(noon() + chrono::Duration::seconds(600)).is_ok());
    }

    #[test]
    fn near_the_limit_a_fifth_is_left_at_most() {
        let mut budget = budget(1000, Reserve::Percent(0));
        budget.observe(Observed { near_limit: true, ..Observed::default() }, noon());
        assert_eq!(budget.remaining(noon()), 200);
        assert!(budget.take(noon()).is_ok());
        budget.observe(Observed { near_limit: true, ..Observed::default() }, noon());
        assert_eq!(budget.remaining(noon()), 199);
    }

    #[test]
    fn a_learned_limit_counts_unless_the_config_says_another() {
        let observed = Observed { limit: Some(5000), ..Observed::default() };
        let mut learning = Budget::new(None, Reserve::Percent(0));
        assert_eq!(learning.per_hour(), DEFAULT_PER_HOUR);
        learning.observe(observed, noon());
        assert_eq!(learning.per_hour(), 5000);
        let mut told = budget(300, Reserve::Percent(0));
        told.observe(observed, noon());
        assert_eq!(told.per_hour(), 300);
    }

    #[test]
    fn a_429_pauses_the_whole_credential() {
        let mut budget = budget(10, Reserve::Percent(0));
        let until = noon() + chrono::Duration::seconds(45);
        budget.throttled(until);
        assert_eq!(budget.take(noon()), Err(until));
        assert_eq!(budget.remaining(noon()), 0);
        assert!(budget.take(until).is_ok());
    }

    // P2.12, P5.6: killed and started again, the hour goes on.
    #[test]
    fn a_restored_budget_goes_on_in_the_same_hour() {
        let mut before = budget(5, Reserve::Percent(0));
        for _ in 0..5 {
            before.take(noon()).unwrap();
        }
        let json = serde_json::to_value(before.snapshot()).unwrap();
        let mut after = budget(5, Reserve::Percent(0));
        after.restore(&serde_json::from_value(json).unwrap(), noon());
        assert_eq!(after.take(noon()), before.take(noon()));
        assert!(after.take(noon()).is_err());
    }

    #[test]
    fn nothing_to_spend_is_not_a_tight_loop() {
        let mut budget = budget(10, Reserve::Percent(100));
        assert_eq!(budget.take(noon()), Err(noon() + chrono::Duration::hours(1)));
    }

    proptest! {
        // P5.6: whenever requests are wanted, no stretch of 60 minutes holds more than the limit, and
        // the instant named for going on is one at which it really goes on.
        #[test]
        fn no_hour_holds_more_than_the_limit(limit in 1_u64..20, steps in prop::collection::vec(0_i64..900, 1..200)) {
            let mut budget = budget(limit, Reserve::Percent(0));
            let mut now = noon();
            let mut sent: Vec<DateTime<Utc>> = Vec::new();
            for step in steps {
                now += chrono::Duration::seconds(step);
                match budget.take(now) {
                    Ok(()) => sent.push(now),
                    Err(resume) => {
                        prop_assert!(resume > now && resume <= now + chrono::Duration::minutes(61));
                        prop_assert!(budget.clone().take(resume).is_ok());
                    }
                }
            }
            for (index, end) in sent.iter().enumerate() {
                let start = *end - chrono::Duration::hours(1);
                let within = sent[..=index].iter().filter(|at| **at > start).count() as u64;
                prop_assert!(within <= limit);
            }
        }
    }
}
