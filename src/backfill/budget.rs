//! What to ask, in which order, and when it will be done. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::KindSettings;
use crate::model::SecondaryKind;
use crate::model::coverage::FirstSync;

/// What waits longer is served first, up to [`OVERDUE_SHARE`] of the cap: so that a stream of new items
/// that always fills the cap starves nobody.
const OVERDUE_AFTER: TimeDelta = TimeDelta::hours(24);

/// One in so many items of the cap goes to what is overdue.
const OVERDUE_SHARE: u64 = 4;

/// A repository without open pull requests is not checked again before.
const QUIET: TimeDelta = TimeDelta::hours(1);

/// Bitbucket Cloud's documented limit, where the source does not tell another.
const ASSUMED_PER_HOUR: u64 = 1_000;

/// Rows of a full page: the source asks for the most the server allows.
pub(super) fn page_len(kind: SecondaryKind) -> u64 {
    match kind {
        SecondaryKind::PullRequests => 50,
        SecondaryKind::Commits => 100,
    }
}

/// The order within a sync: each class before the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// Waiting too long.
    Overdue,
    /// New items of changed repositories.
    New,
    /// Re-checks of unchanged repositories: pull requests change without a push.
    Rotation,
    /// Gaps left by earlier syncs.
    Gap,
    /// Repositories never fetched.
    Never,
    /// Further pages of first fetches, once every repository had its first.
    Deeper,
}

/// How a repository and kind stand before the sync.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub kind: SecondaryKind,
    /// It has been fetched at least once.
    pub is_fetched: bool,
    /// Something may be new: the repository changed since it was asked, or its branch did.
    pub is_changed: bool,
    pub checked_at: Option<DateTime<Utc>>,
    /// Stored open pull requests.
    pub open: u64,
    /// Since when the oldest gap waits.
    pub gap_since: Option<DateTime<Utc>>,
    /// Since when the repository is known.
    pub known_since: DateTime<Utc>,
}

/// One thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Work {
    pub class: Class,
    /// Pages this repository and kind had in this sync: one each, then the next one each.
    pub round: u32,
    /// Longest waiting first.
    pub since: DateTime<Utc>,
    /// Index of the standing.
    pub stream: usize,
    /// It is overdue, and its turn to be checked again as well.
    pub rechecks: bool,
}

/// Everything worth doing, sorted. `caps` by kind as in [`SecondaryKind::ALL`].
pub(super) fn order(standings: &[Standing], caps: [u64; 2], rotation: u64, now: DateTime<Utc>) -> Vec<Work> {
    let work = |class, since, stream| Work { class, round: 0, since, stream, rechecks: false };
    let mut works: Vec<_> = Vec::new();
    let mut rotating = Vec::new();
    for (stream, standing) in standings.iter().enumerate() {
        let checked = standing.checked_at.unwrap_or(DateTime::<Utc>::MIN_UTC);
        if !standing.is_fetched {
            works.push(work(Class::Never, standing.known_since, stream));
        } else if standing.is_changed {
            works.push(work(Class::New, checked, stream));
        } else if let Some(since) = standing.gap_since {
            works.push(work(Class::Gap, since, stream));
        }
        let is_quiet = standing.open == 0 && checked > now - QUIET;
        if standing.kind == SecondaryKind::PullRequests && standing.is_fetched && !standing.is_changed && !is_quiet {
            rotating.push((standing.open == 0, work(Class::Rotation, checked, stream)));
        }
    }
    promote_overdue(standings, &mut works, caps, now);
    rotating.sort_unstable();
    rotating.truncate(usize::try_from(rotation).unwrap_or(usize::MAX));
    // One work per stream: whoever is re-checked comes to its gaps afterwards, or before where overdue.
    let mut rotating: BTreeMap<usize, Work> = rotating.into_iter().map(|(_, work)| (work.stream, work)).collect();
    works.retain(|work| work.class == Class::Overdue || !rotating.contains_key(&work.stream));
    for work in works.iter_mut().filter(|work| work.class == Class::Overdue) {
        work.rechecks = rotating.remove(&work.stream).is_some();
    }
    works.extend(rotating.into_values());
    works.sort_unstable();
    works
}

fn promote_overdue(standings: &[Standing], works: &mut [Work], caps: [u64; 2], now: DateTime<Utc>) {
    for (kind, cap) in SecondaryKind::ALL.into_iter().zip(caps) {
        let waits_since = |work: &Work| match work.class {
            Class::Never => Some(work.since),
            _ => standings[work.stream].gap_since,
        };
        let mut overdue: Vec<_> = works
            .iter_mut()
            .filter(|work| standings[work.stream].kind == kind)
            .filter_map(|work| Some((waits_since(work)?, work)))
            .filter(|(since, _)| *since <= now - OVERDUE_AFTER)
            .collect();
        overdue.sort_by_key(|(since, work)| (*since, work.stream));
        let pages = (cap / OVERDUE_SHARE / page_len(kind)).max(1);
        for (since, work) in overdue.into_iter().take(usize::try_from(pages).unwrap_or(usize::MAX)) {
            work.class = Class::Overdue;
            work.since = since;
        }
    }
}

/// How many re-checks a sync may make: at most `share` of the hourly budget in any hour, and of what
/// is left of it.
pub(super) fn rotation_quota(share: f64, per_hour: Option<u64>, remaining: Option<u64>, interval: Duration) -> u64 {
    let per_hour = per_hour.unwrap_or(ASSUMED_PER_HOUR);
    let hours = (interval.as_secs_f64() / 3600.0).min(1.0);
    let of_this_sync = per_hour as f64 * hours;
    let left = remaining.map_or(of_this_sync, |remaining| of_this_sync.min(remaining as f64));
    // As casts saturate, an absurd share cannot overflow.
    (left * share.clamp(0.0, 1.0)).floor() as u64
}

/// Rows worth reserving room for before a page is asked.
pub(super) fn expected_rows(kind: SecondaryKind, limit: Option<u64>, known: Option<u64>) -> u64 {
    page_len(kind).min(limit.unwrap_or(u64::MAX)).min(known.unwrap_or(u64::MAX)).max(1)
}

/// What is left of a kind after a sync.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    pub backlog: u64,
    pub waiting: u64,
}

/// When the backlog will be gone if every sync does as much as its cap and the request budget allow;
/// repositories of unknown count are taken for as deep as their first fetch, at most a page.
pub(super) fn complete_by(
    kind: SecondaryKind,
    settings: KindSettings,
    left: Left,
    per_hour: Option<u64>,
    interval: Duration,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    if left.backlog == 0 && left.waiting == 0 {
        return None;
    }
    let depth = match settings.first_sync {
        FirstSync::Newest(depth) => depth.min(page_len(kind)),
        FirstSync::All => page_len(kind),
    };
    let items = left.backlog.saturating_add(left.waiting.saturating_mul(depth));
    let requests = left.backlog.div_ceil(page_len(kind)).saturating_add(left.waiting);
    let by_cap = items.div_ceil(settings.per_sync.max(1));
    let by_budget = requests.div_ceil(per_hour.unwrap_or(ASSUMED_PER_HOUR).max(1));
    let syncs = i32::try_from(by_cap.max(by_budget).max(1)).unwrap_or(i32::MAX);
    let interval = TimeDelta::from_std(interval).ok()?;
    now.checked_add_signed(interval.checked_mul(syncs)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::hours(hour)
    }

    const NOW: i64 = 1000;

    fn standing() -> Standing {
        Standing {
            kind: SecondaryKind::PullRequests,
            is_fetched: true,
            is_changed: false,
            checked_at: Some(at(NOW - 5)),
            open: 0,
            gap_since: None,
            known_since: at(NOW - 3),
        }
    }

    #[track_caller]
    fn check(standings: &[Standing], cap: u64, rotation: u64, expected: &[(Class, usize)]) {
        let works = order(standings, [cap, cap], rotation, at(NOW));
        let seen: Vec<_> = works.iter().map(|work| (work.class, work.stream)).collect();
        assert_eq!(seen, expected);
    }

    /// Section 9: new items of changed repositories, then gaps, then repositories never fetched,
    /// longest waiting first.
    #[test]
    fn new_items_then_gaps_then_never_fetched() {
        let never = |hours| Standing { is_fetched: false, known_since: at(NOW - hours), ..standing() };
        let gap = |hours| Standing { gap_since: Some(at(NOW - hours)), ..standing() };
        let changed = Standing { is_changed: true, ..standing() };
        check(
            &[never(2), never(3), gap(1), gap(2), changed],
            5000,
            0,
            &[(Class::New, 4), (Class::Gap, 3), (Class::Gap, 2), (Class::Never, 1), (Class::Never, 0)],
        );
        check(&[], 5000, 0, &[]);
    }

    /// P5.3: no repository starves: a quarter of the cap goes to what waits longer than a day.
    #[test]
    fn what_waits_too_long_comes_first_with_a_share() {
        let never = |hours| Standing { is_fetched: false, known_since: at(NOW - hours), ..standing() };
        let changed = Standing { is_changed: true, ..standing() };
        let standings = [changed, never(30), never(25), never(24), never(23)];
        check(
            &standings,
            400, // a quarter: 100, two pages
            0,
            &[(Class::Overdue, 1), (Class::Overdue, 2), (Class::New, 0), (Class::Never, 3), (Class::Never, 4)],
        );
        check(
            &standings,
            1, // at least one page
            0,
            &[(Class::Overdue, 1), (Class::New, 0), (Class::Never, 2), (Class::Never, 3), (Class::Never, 4)],
        );
    }

    /// Section 9, pull requests that change without a push: those with open ones first, oldest check
    /// first, within the quota; what was just checked and has none open may wait.
    #[test]
    fn rotation_prefers_open_pull_requests_and_old_checks() {
        let checked = |hours, open| Standing { checked_at: Some(at(NOW - hours)), open, ..standing() };
        let standings = [checked(9, 0), checked(2, 1), checked(5, 1), checked(0, 0), checked(0, 3)];
        let all = [(Class::Rotation, 0), (Class::Rotation, 2), (Class::Rotation, 1), (Class::Rotation, 4)];
        check(&standings, 5000, 9, &all);
        check(&standings, 5000, 2, &[(Class::Rotation, 2), (Class::Rotation, 1)]);
        let commits = Standing { kind: SecondaryKind::Commits, ..checked(9, 0) };
        check(&[commits], 5000, 9, &[]);
    }

    #[test]
    fn the_quota_is_a_share_of_the_hour() {
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        assert_eq!(rotation_quota(0.25, Some(1000), None, minutes(180)), 250);
        assert_eq!(rotation_quota(0.25, Some(1000), Some(400), minutes(180)), 100);
        assert_eq!(rotation_quota(0.25, Some(1000), Some(1000), minutes(30)), 125);
        assert_eq!(rotation_quota(0.25, None, None, minutes(180)), 250);
        assert_eq!(rotation_quota(9.0, Some(10), None, minutes(60)), 10);
        assert_eq!(rotation_quota(-1.0, Some(10), None, minutes(60)), 0);
    }

    /// P5.6: the user sees when it will be complete.
    #[test]
    fn completion_is_estimated_from_cap_and_budget() {
        let settings = KindSettings { first_sync: FirstSync::Newest(50), per_sync: 5000 };
        let by = |backlog, waiting| {
            let left = Left { backlog, waiting };
            complete_by(SecondaryKind::Commits, settings, left, Some(1000), Duration::from_secs(3600), at(0))
        };
        assert_eq!(by(0, 0), None);
        assert_eq!(by(1, 0), Some(at(1)));
        assert_eq!(by(5001, 0), Some(at(2)));
        assert_eq!(by(0, 1000), Some(at(10)));
        assert_eq!(by(5000, 100), Some(at(2)));
        let free = KindSettings { per_sync: u64::MAX, ..settings };
        let left = Left { backlog: 0, waiting: 2500 };
        let by = complete_by(SecondaryKind::Commits, free, left, Some(1000), Duration::from_secs(3600), at(0));
        assert_eq!(by, Some(at(3)));
    }
}
