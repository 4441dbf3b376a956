//! Ids for syncs, imports and plans: ULIDs, so that they sort by time. Time and randomness are passed in.

use std::sync::{Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use ulid::Ulid;

use crate::clock::Clock;

/// Makes ids that sort in the order they were made, even within one millisecond.
#[derive(Debug)]
pub struct Ids {
    clock: Clock,
    state: Mutex<(StdRng, Ulid)>,
}

impl Ids {
    /// From a clock and a seed; the seed is the machine's randomness except in tests.
    pub fn new(clock: Clock, seed: u64) -> Self {
        Self { clock, state: Mutex::new((StdRng::seed_from_u64(seed), Ulid::nil())) }
    }

    /// The next id.
    pub fn next(&self) -> String {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let milliseconds = u64::try_from(self.clock.now().timestamp_millis()).unwrap_or(0);
        let random = state.0.random::<u128>() >> 48;
        let drawn = Ulid::from_parts(milliseconds, random);
        // A second id in the same millisecond, or after the clock jumped back, counts on from the last.
        let id = if drawn > state.1 { drawn } else { state.1.increment().unwrap_or(drawn) };
        state.1 = id;
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_in_the_order_they_were_made_even_when_the_clock_jumps_back() {
        let clock = Clock::manual(chrono::DateTime::UNIX_EPOCH + chrono::Duration::days(20_000));
        let ids = Ids::new(clock.clone(), 7);
        let mut made = vec![ids.next(), ids.next()];
        clock.advance(chrono::Duration::hours(-1));
        made.push(ids.next());
        clock.advance(chrono::Duration::hours(3));
        made.push(ids.next());
        let mut sorted = made.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(made, sorted);
    }
}
