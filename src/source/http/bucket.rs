//! How fast a credential may ask where the server keeps a token bucket (Data Center, facts 2.3), and which of the two
//! limits a server has. Pure: time is an argument.

use chrono::{DateTime, Duration, Utc};

use super::budget::{Budget, Observed, Reserve, Snapshot};

/// Bitbucket Data Center's own default is 60 tokens and 5 a second, for all programs of one account together: ours
/// stays a tenth below.
const BURST: u32 = 54;
const PER_SECOND: f64 = 4.5;
/// The bucket holds the requests of so many seconds, where somebody wants more than the default.
const BURST_S: u32 = 10;

/// Which limits the server has.
#[derive(Clone, Copy, Debug)]
pub enum Limits {
    /// Requests per rolling hour and credential (Cloud).
    Hourly {
        /// In the repository pool; `None`: learned from the server.
        requests: Option<u64>,
        /// Never spent.
        reserve: Reserve,
    },
    /// A token bucket that tells nothing about itself (Data Center).
    PerSecond {
        /// Sent per second at most, in the long run; `None`: a little less than the default limit of Data Center.
        requests: Option<u32>,
    },
}

/// What is left to one credential.
#[derive(Clone, Debug)]
pub enum Allowance {
    Hour(Budget),
    Bucket(Bucket),
}

impl Allowance {
    pub fn new(limits: Limits) -> Self {
        match limits {
            Limits::Hourly { requests, reserve } => Self::Hour(Budget::new(requests, reserve)),
            Limits::PerSecond { requests } => Self::Bucket(Bucket::new(requests)),
        }
    }

    /// Takes one request, or says when one is possible.
    pub fn take(&mut self, now: DateTime<Utc>) -> Result<(), DateTime<Utc>> {
        match self {
            Self::Hour(budget) => budget.take(now),
            Self::Bucket(bucket) => bucket.take(now),
        }
    }

    /// Requests possible now.
    pub fn remaining(&self, now: DateTime<Utc>) -> u64 {
        match self {
            Self::Hour(budget) => budget.remaining(now),
            Self::Bucket(bucket) => bucket.remaining(now),
        }
    }

    /// Requests per hour in the long run.
    pub fn per_hour(&self) -> u64 {
        match self {
            Self::Hour(budget) => budget.per_hour(),
            Self::Bucket(bucket) => bucket.per_hour(),
        }
    }

    /// When a request is possible again; `None` when it is now, or in a moment.
    pub fn resume_at(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::Hour(budget) => budget.resume_at(now),
            Self::Bucket(bucket) => bucket.paused_until.filter(|until| now < *until),
        }
    }

    /// Learns from an answer that was not a 429.
    pub fn observe(&mut self, observed: Observed, now: DateTime<Utc>) {
        match self {
            Self::Hour(budget) => budget.observe(observed, now),
            Self::Bucket(bucket) => bucket.throttled_in_a_row = 0,
        }
    }

    /// A 429: nothing is sent until then.
    pub fn throttled(&mut self, until: DateTime<Utc>) {
        match self {
            Self::Hour(budget) => budget.throttled(until),
            Self::Bucket(bucket) => bucket.throttled(until),
        }
    }

    /// 429s since the last other answer.
    pub fn throttled_in_a_row(&self) -> u32 {
        match self {
            Self::Hour(budget) => budget.throttled_in_a_row(),
            Self::Bucket(bucket) => bucket.throttled_in_a_row,
        }
    }

    /// For the store; a bucket is full again before anybody could ask for it.
    pub fn snapshot(&self) -> Snapshot {
        match self {
            Self::Hour(budget) => budget.snapshot(),
            Self::Bucket(_) => Snapshot::default(),
        }
    }

    pub fn restore(&mut self, snapshot: &Snapshot, now: DateTime<Utc>) {
        if let Self::Hour(budget) = self {
            budget.restore(snapshot, now);
        }
    }
}

/// Tokens that come back at a steady pace. Kept as the instant at which it will be full again.
#[derive(Clone, Debug)]
pub struct Bucket {
    burst: u32,
    /// Between two tokens.
    every: Duration,
    full_at: DateTime<Utc>,
    paused_until: Option<DateTime<Utc>>,
    throttled_in_a_row: u32,
}

impl Bucket {
    /// Full.
    pub fn new(per_second: Option<u32>) -> Self {
        let (burst, rate) = match per_second {
            Some(rate) => (BURST.max(rate.saturating_mul(BURST_S)), f64::from(rate.max(1))),
            None => (BURST, PER_SECOND),
        };
        let every = Duration::nanoseconds((1e9 / rate).ceil() as i64);
        Self { burst, every, full_at: DateTime::<Utc>::MIN_UTC, paused_until: None, throttled_in_a_row: 0 }
    }

    fn take(&mut self, now: DateTime<Utc>) -> Result<(), DateTime<Utc>> {
        if let Some(until) = self.paused_until.filter(|until| now < *until) {
            return Err(until);
        }
        let full_at = self.full_at(now) + self.every;
        let soonest = full_at - self.whole();
        if soonest > now {
            return Err(soonest);
        }
        self.full_at = full_at;
        Ok(())
    }

    fn remaining(&self, now: DateTime<Utc>) -> u64 {
        if self.paused_until.is_some_and(|until| now < until) {
            return 0;
        }
        let missing = (self.full_at(now) - now).num_nanoseconds().unwrap_or(i64::MAX);
        let missing = missing.unsigned_abs().div_ceil(self.every_ns());
        u64::from(self.burst).saturating_sub(missing)
    }

    fn per_hour(&self) -> u64 {
        3_600_000_000_000 / self.every_ns()
    }

    /// The server's bucket was empty, so ours is: it begins again with a single token.
    fn throttled(&mut self, until: DateTime<Utc>) {
        self.throttled_in_a_row = self.throttled_in_a_row.saturating_add(1);
        let until = self.paused_until.map_or(until, |before| before.max(until));
        self.paused_until = Some(until);
        self.full_at = until + self.whole() - self.every;
    }

    /// A clock that jumped back leaves an empty bucket at worst, not one that is empty for hours.
    fn full_at(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.full_at.clamp(now, now + self.whole())
    }

    fn whole(&self) -> Duration {
        self.every * i32::try_from(self.burst).unwrap_or(i32::MAX)
    }

    fn every_ns(&self) -> u64 {
        self.every.num_nanoseconds().unwrap_or(1).unsigned_abs().max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn noon() -> DateTime<Utc> {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_burst_is_spent_at_once_and_comes_back_at_its_pace() {
        let mut bucket = Bucket::new(None);
        assert_eq!((bucket.remaining(noon()), bucket.per_hour()), (54, 16_199));
        for left in (0..54).rev() {
            assert!(bucket.take(noon()).is_ok());
            assert_eq!(bucket.remaining(noon()), left);
        }
        let soonest = bucket.take(noon()).unwrap_err();
        assert!((soonest - noon()).num_milliseconds() == 222, "{soonest}");
        assert!(bucket.take(soonest).is_ok() && bucket.take(soonest).is_err());
        assert_eq!(bucket.remaining(noon() + Duration::seconds(60)), 54);
    }

    #[test]
    fn after_a_429_it_begins_with_one_token() {
        let mut bucket = Bucket::new(Some(10));
        let until = noon() + Duration::seconds(4);
        bucket.throttled(until);
        assert_eq!((bucket.take(noon()), bucket.remaining(noon())), (Err(until), 0));
        assert_eq!(bucket.remaining(until), 1);
        assert!(bucket.take(until).is_ok());
        assert_eq!(bucket.take(until), Err(until + Duration::milliseconds(100)));
    }

    #[test]
    fn a_clock_that_jumps_back_does_not_empty_it_for_hours() {
        let mut bucket = Bucket::new(None);
        for _ in 0..54 {
            bucket.take(noon() + Duration::hours(5)).unwrap();
        }
        assert!(bucket.take(noon()).unwrap_err() < noon() + Duration::seconds(1));
    }

    proptest! {
        // facts 2.3: whenever requests are wanted, the server's bucket of 60 tokens and 5 a second never runs dry,
        // and the instant named for going on is one at which it really goes on.
        #[test]
        fn the_servers_bucket_never_runs_dry(steps in prop::collection::vec(0_i64..400, 1..400)) {
            let (mut bucket, mut now) = (Bucket::new(None), noon());
            let (mut server, mut at) = (60.0_f64, noon());
            for step in steps {
                now += Duration::milliseconds(step);
                if let Err(soonest) = bucket.take(now) {
                    prop_assert!(soonest > now && soonest - now < Duration::seconds(1));
                    now = soonest;
                    prop_assert!(bucket.take(now).is_ok());
                }
                server = (server + (now - at).num_microseconds().unwrap() as f64 * 5e-6).min(60.0) - 1.0;
                at = now;
                prop_assert!(server >= 0.0);
            }
        }
    }
}
