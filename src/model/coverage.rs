//! What of a repository's secondary kind is stored, and what waits (product.md, section 9).
//!
//! Coverage is a set of ranges, not one cursor: everything between the window's bottom and the newest
//! end is stored, except for the gaps, which are remembered and filled later. Transitions are pure
//! functions of a page: the same coverage and the same page give the same coverage.

mod commits;
mod pull_requests;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use commits::{CommitGap, CommitPage, CommitRanges, CommitRow, CommitWalk, Head, UnknownHeads};
pub use pull_requests::{Floor, PullRequestGap, PullRequestPage, PullRequestRanges, PullRequestWalk};

use super::repository::RepoKey;
use super::secondary::SecondaryKind;

/// How deep a repository's first fetch goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FirstSync {
    /// The newest so many.
    Newest(u64),
    /// All, back to the start date.
    All,
}

impl FirstSync {
    fn limit(self) -> Option<u64> {
        match self {
            Self::Newest(limit) => Some(limit),
            Self::All => None,
        }
    }

    /// The deeper of the two: a window never shrinks.
    fn deeper(self, other: Self) -> Self {
        match (self, other) {
            (Self::Newest(a), Self::Newest(b)) => Self::Newest(a.max(b)),
            _ => Self::All,
        }
    }
}

/// The window as it was fixed by the first fetch, or extended since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// How deep.
    pub first_sync: FirstSync,
    /// Nothing before; `None`: all history.
    pub start: Option<DateTime<Utc>>,
    /// When the first page came.
    pub fetched_at: DateTime<Utc>,
}

/// Why a kind cannot be read of a repository: the source answered 403 or 404 on the first page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unavailable {
    /// What the source said.
    pub reason: String,
    /// When it said so last.
    pub asked_at: DateTime<Utc>,
    /// The repository's date then: a changed repository is asked again at once.
    pub source_updated_on: Option<DateTime<Utc>>,
    /// 403: it is there, and may be read another time; 404: it is not there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_forbidden: bool,
}

/// The ranges of either kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "of")]
pub enum Ranges {
    /// By last update.
    PullRequests(PullRequestRanges),
    /// By reachability.
    Commits(CommitRanges),
}

/// Coverage of one repository and kind (P5.7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Of which repository.
    pub repo: RepoKey,
    /// Of which kind.
    pub kind: SecondaryKind,
    /// When the newest end was last asked for with success.
    pub checked_at: Option<DateTime<Utc>>,
    /// The repository's `updated_on` as known at that time: the same again means nothing new.
    #[serde(default)]
    pub source_updated_on: Option<DateTime<Utc>>,
    /// `None` before the first fetch.
    #[serde(default)]
    pub window: Option<Window>,
    /// Items stored.
    #[serde(default)]
    pub stored: u64,
    /// Pull requests stored as open: such repositories are checked more often.
    #[serde(default)]
    pub open: u64,
    /// Set while the source does not let us read this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<Unavailable>,
    /// What is covered, and the gaps in it.
    pub ranges: Ranges,
}

impl Coverage {
    /// Of a repository never fetched.
    pub fn new(repo: RepoKey, kind: SecondaryKind) -> Self {
        let ranges = match kind {
            SecondaryKind::PullRequests => Ranges::PullRequests(PullRequestRanges::default()),
            SecondaryKind::Commits => Ranges::Commits(CommitRanges::default()),
        };
        Self {
            repo,
            kind,
            checked_at: None,
            source_updated_on: None,
            window: None,
            stored: 0,
            open: 0,
            unavailable: None,
            ranges,
        }
    }

    /// Whether it says of itself, and by its ranges, to be of this kind.
    pub fn is_of(&self, kind: SecondaryKind) -> bool {
        let of_ranges = match self.ranges {
            Ranges::PullRequests(_) => SecondaryKind::PullRequests,
            Ranges::Commits(_) => SecondaryKind::Commits,
        };
        self.kind == kind && of_ranges == kind
    }

    /// Extends the window to a larger `first_sync` or an earlier start date; the difference becomes a
    /// gap, at once or as soon as those above it are filled: call it after every page. Smaller or later
    /// ones change nothing.
    pub fn extend(&mut self, first_sync: FirstSync, start: Option<DateTime<Utc>>, now: DateTime<Utc>) {
        let Some(window) = &mut self.window else { return };
        let wanted = Window {
            first_sync: window.first_sync.deeper(first_sync),
            // `None` sorts before every date, and means all history.
            start: window.start.min(start),
            fetched_at: window.fetched_at,
        };
        if wanted == *window {
            return;
        }
        let is_extended = match &mut self.ranges {
            Ranges::PullRequests(ranges) => ranges.extend(window, &wanted, now),
            Ranges::Commits(ranges) => {
                ranges.extend(window, &wanted, now);
                true
            }
        };
        if is_extended {
            *window = wanted;
        }
    }

    /// Items known to be missing.
    pub fn backlog(&self) -> u64 {
        match &self.ranges {
            Ranges::PullRequests(ranges) => ranges.gaps.iter().map(|gap| gap.known).sum(),
            Ranges::Commits(ranges) => ranges.gaps.iter().map(|gap| gap.known).sum(),
        }
    }

    /// Whether more may be missing than [`Coverage::backlog`] knows.
    pub fn is_uncounted(&self) -> bool {
        match &self.ranges {
            Ranges::PullRequests(ranges) => ranges.gaps.iter().any(|gap| gap.more),
            Ranges::Commits(ranges) => ranges.gaps.iter().any(|gap| gap.more),
        }
    }

    /// Since when the oldest gap waits; `None` without gaps.
    pub fn waiting_since(&self) -> Option<DateTime<Utc>> {
        match &self.ranges {
            Ranges::PullRequests(ranges) => ranges.gaps.iter().map(|gap| gap.since).min(),
            Ranges::Commits(ranges) => ranges.gaps.iter().map(|gap| gap.since).min(),
        }
    }

    /// In words: complete since when, up to when, what waits (P5.7).
    pub fn describe(&self) -> String {
        let mut text = match (&self.unavailable, &self.window) {
            (Some(unavailable), None) => {
                return format!(
                    "not available since {}: {}",
                    day(unavailable.asked_at),
                    crate::error::escape_control(&unavailable.reason)
                );
            }
            (None, None) => return "not fetched yet".to_owned(),
            (_, Some(window)) => match &self.ranges {
                Ranges::PullRequests(ranges) => ranges.describe(window),
                Ranges::Commits(ranges) => ranges.describe(window),
            },
        };
        text.push_str(&format!("; {} stored", self.stored));
        match self.checked_at {
            Some(at) => text.push_str(&format!(", last asked {}", minute(at))),
            None => text.push_str(", never asked to the end"),
        }
        if let Some(unavailable) = &self.unavailable {
            let reason = crate::error::escape_control(&unavailable.reason);
            text.push_str(&format!("; not available since {}: {reason}", day(unavailable.asked_at)));
        }
        text
    }
}

fn minute(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M").to_string()
}

fn day(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d").to_string()
}

fn waiting(known: u64, more: bool) -> String {
    match (known, more) {
        (0, true) => "an unknown number waits".to_owned(),
        (known, true) => format!("{known} or more wait"),
        (known, false) => format!("{known} wait"),
    }
}

/// What a row of a page means, seen from the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not stored yet.
    New,
    /// Not stored yet, and come up after the walk began: it belongs to the window, but did not at the
    /// moment of a first fetch, so it takes nobody's place there.
    Newer,
    /// Stored in another form.
    Changed,
    /// Stored just so, or newer.
    Stored,
    /// Outside the window: before the start date, or known from before.
    Outside,
    /// Seen on an earlier page of the same walk.
    Again,
}

impl Verdict {
    /// Whether taking the row costs a write, and so counts toward the cap.
    pub fn is_write(self) -> bool {
        matches!(self, Self::New | Self::Newer | Self::Changed)
    }
}

/// How much of a page is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Rows dealt with, from the top.
    pub rows: usize,
    /// Of these, written.
    pub writes: u64,
    /// Of these, counted toward the walk's own limit.
    pub counted: u64,
    /// The walk's own limit is reached: what follows is outside the window.
    pub limit_reached: bool,
}

/// Takes rows from the top until `room` writes or the walk's `limit` are used up.
pub fn take(verdicts: &[Verdict], counts: impl Fn(Verdict) -> bool, limit: Option<u64>, room: u64) -> Taken {
    let mut taken = Taken { rows: 0, writes: 0, counted: 0, limit_reached: false };
    for verdict in verdicts {
        taken.limit_reached = limit == Some(taken.counted);
        if taken.limit_reached || verdict.is_write() && taken.writes == room {
            return taken;
        }
        taken.rows += 1;
        taken.writes += u64::from(verdict.is_write());
        taken.counted += u64::from(counts(*verdict));
    }
    taken.limit_reached = limit == Some(taken.counted);
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rows: &str, limit: Option<u64>, room: u64, expected: (usize, u64, u64, bool)) {
        let verdicts: Vec<_> = rows
            .chars()
            .map(|row| match row {
                'n' => Verdict::New,
                'c' => Verdict::Changed,
                's' => Verdict::Stored,
                'a' => Verdict::Again,
                _ => Verdict::Outside,
            })
            .collect();
        let taken = take(&verdicts, |verdict| verdict == Verdict::New, limit, room);
        assert_eq!((taken.rows, taken.writes, taken.counted, taken.limit_reached), expected);
    }

    /// An export edited by hand may say two things at once.
    #[test]
    fn coverage_is_of_a_kind_only_if_its_ranges_are() {
        let repo = RepoKey::cloud("{1}");
        let sound = Coverage::new(repo.clone(), SecondaryKind::Commits);
        assert!(sound.is_of(SecondaryKind::Commits) && !sound.is_of(SecondaryKind::PullRequests));
        let ranges = Coverage::new(repo, SecondaryKind::PullRequests).ranges;
        let edited = Coverage { ranges, ..sound };
        assert!(!edited.is_of(SecondaryKind::Commits) && !edited.is_of(SecondaryKind::PullRequests));
    }

    /// P5.3: what is stored already costs no cap; the cap is never passed; a limit ends the walk.
    #[test]
    fn a_page_is_taken_from_the_top_until_cap_or_limit() {
        check("", None, 5, (0, 0, 0, false));
        check("nnn", None, 5, (3, 3, 3, false));
        check("nnn", None, 2, (2, 2, 2, false));
        check("nnn", None, 0, (0, 0, 0, false));
        check("snsn", None, 1, (3, 1, 1, false));
        check("sss", None, 0, (3, 0, 0, false));
        check("cn", None, 1, (1, 1, 0, false));
        check("cncn", Some(1), 9, (2, 2, 1, true));
        check("nnnn", Some(2), 9, (2, 2, 2, true));
        check("nnnn", Some(4), 9, (4, 4, 4, true));
        check("nnnn", Some(5), 9, (4, 4, 4, false));
        check("nnnn", Some(2), 1, (1, 1, 1, false));
        check("n", Some(0), 9, (0, 0, 0, true));
        check("", Some(0), 9, (0, 0, 0, true));
        check("aon", Some(1), 1, (3, 1, 1, true));
    }

    #[test]
    fn a_window_never_shrinks() {
        let mut coverage = Coverage::new(RepoKey::cloud("{1}"), SecondaryKind::PullRequests);
        let now = DateTime::UNIX_EPOCH;
        coverage.window = Some(Window { first_sync: FirstSync::Newest(50), start: Some(now), fetched_at: now });
        let before = coverage.clone();
        coverage.extend(FirstSync::Newest(20), Some(now + chrono::Duration::days(3)), now);
        assert_eq!(coverage, before);
        coverage.extend(FirstSync::All, None, now);
        let window = coverage.window.unwrap();
        assert_eq!((window.first_sync, window.start), (FirstSync::All, None));
    }
}
