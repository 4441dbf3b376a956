//! Which way the commits of a repository come: over git where that saves requests to the REST API, else over REST. Pure.

use chrono::{DateTime, TimeDelta, Utc};

/// What failed for a repository is not tried again before.
const FORGIVEN_AFTER: TimeDelta = TimeDelta::hours(24);
/// What is known about a server is looked at again after this.
const KNOWN_FOR: TimeDelta = TimeDelta::days(7);

/// How commits are asked for, where not over REST alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// Never; git is only checked.
    Rest,
    /// Git where that saves requests; REST where git would cost more, or failed.
    Auto,
    /// Git, whatever it costs; what fails is an error of that repository.
    Git,
}

/// What is known about a repository and its server.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standing {
    /// Its commits were fetched before: only what is new comes.
    pub is_fetched: bool,
    /// When git failed for it last.
    pub failed_at: Option<DateTime<Utc>>,
    /// When the server was seen to send whole files though only commits were asked for.
    pub unfiltered_at: Option<DateTime<Utc>>,
    /// Git does not work with this server in this sync.
    pub is_off: bool,
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Git,
    Rest,
}

/// Over git an ask costs no request to the REST API, over REST at least one. So it is git, unless what git would move is
/// out of proportion: a first fetch with every file in it, or one that failed just now.
pub(super) fn way(via: Via, standing: Standing, now: DateTime<Utc>) -> Way {
    let is_recent = |at: Option<DateTime<Utc>>, within| at.is_some_and(|at| (now - within..=now).contains(&at));
    let brings_files = !standing.is_fetched && is_recent(standing.unfiltered_at, KNOWN_FOR);
    match via {
        Via::Rest => Way::Rest,
        Via::Git => Way::Git,
        Via::Auto if standing.is_off || brings_files || is_recent(standing.failed_at, FORGIVEN_AFTER) => Way::Rest,
        Via::Auto => Way::Git,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_is_chosen_where_it_saves_requests() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(100);
        let ago = |hours| Some(now - TimeDelta::hours(hours));
        let fresh = Standing::default();
        #[track_caller]
        fn check(standing: Standing, now: DateTime<Utc>, wanted: Way) {
            assert_eq!(way(Via::Auto, standing, now), wanted, "{standing:?}");
            assert_eq!(way(Via::Git, standing, now), Way::Git);
        }
        check(fresh, now, Way::Git);
        check(Standing { unfiltered_at: ago(1), ..fresh }, now, Way::Rest);
        check(Standing { unfiltered_at: ago(1), is_fetched: true, ..fresh }, now, Way::Git);
        check(Standing { unfiltered_at: ago(24 * 8), ..fresh }, now, Way::Git);
        check(Standing { failed_at: ago(23), is_fetched: true, ..fresh }, now, Way::Rest);
        check(Standing { failed_at: ago(25), ..fresh }, now, Way::Git);
        check(Standing { is_off: true, is_fetched: true, ..fresh }, now, Way::Rest);
        // A clock that jumped back forgives.
        check(Standing { failed_at: ago(-5), ..fresh }, now, Way::Git);
    }
}
