//! Pull requests, ordered by their last update.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Taken, Verdict, Window, day, minute, waiting};

/// Where the window ends below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "floor", content = "at")]
pub enum Floor {
    /// Not known yet: a gap still counts down to it.
    #[default]
    Open,
    /// The last update of the oldest pull request the first fetch took.
    At(DateTime<Utc>),
    /// The start date, or the beginning of history.
    Start,
}

/// A range of last updates in which something is missing. Bounds are inclusive: items at the
/// boundary that are stored already are met again and skipped, free of the cap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequestGap {
    /// Not before; `None`: from the beginning.
    pub from: Option<DateTime<Utc>>,
    /// Not after; `None`: the newest end.
    pub to: Option<DateTime<Utc>>,
    /// At most so many more belong to the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Filling it finds the window's floor.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub settles: bool,
    /// So many are known to be missing.
    pub known: u64,
    /// More may be missing than known.
    pub more: bool,
    /// Since when it waits.
    pub since: DateTime<Utc>,
}

/// What is covered: from the floor to `newest`, without the gaps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequestRanges {
    /// The last update of the newest item met; what is newer has not been asked for. `None`: nothing met.
    pub newest: Option<DateTime<Utc>>,
    /// Lower end of the window.
    #[serde(flatten)]
    pub floor: Floor,
    /// Counted toward `first_sync` so far.
    #[serde(default)]
    pub counted: u64,
    /// Missing, oldest waiting first.
    #[serde(default)]
    pub gaps: Vec<PullRequestGap>,
}

/// A walk under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRequestWalk {
    /// What is left of it.
    pub gap: PullRequestGap,
    /// It asks for the newest end, and no page has come yet.
    pub is_newest: bool,
    /// The last update of the first row it met.
    top: Option<DateTime<Utc>>,
    /// Index of its gap in the coverage, once recorded there.
    place: Option<usize>,
    /// Rows of the present listing met so far.
    met: u64,
}

/// A page as the coverage needs it.
#[derive(Clone, Copy, Debug)]
pub struct PullRequestPage<'a> {
    /// Last updates, in the order of the page.
    pub rows: &'a [DateTime<Utc>],
    /// What each row means.
    pub verdicts: &'a [Verdict],
    /// Whether another page follows.
    pub has_next: bool,
    /// Rows of the whole walk, where told.
    pub size: Option<u64>,
}

impl PullRequestWalk {
    /// Goes on with a new listing of what is left instead of the next page of the old one.
    pub fn list_anew(&mut self) {
        self.met = 0;
    }

    /// Which rows count toward the window's limit: those never stored before.
    pub fn counts(verdict: Verdict) -> bool {
        verdict == Verdict::New
    }
}

impl PullRequestRanges {
    /// The walk for the first fetch.
    pub fn first(&self, window: &Window) -> PullRequestWalk {
        let limit = window.first_sync.limit();
        let gap = PullRequestGap {
            from: window.start,
            to: None,
            limit,
            settles: true,
            known: 0,
            more: true,
            since: window.fetched_at,
        };
        PullRequestWalk { gap, is_newest: true, top: None, place: None, met: 0 }
    }

    /// The walk for what is new since.
    pub fn newer(&self, window: &Window, now: DateTime<Utc>) -> PullRequestWalk {
        let from = self.newest.max(window.start);
        let gap = PullRequestGap { from, to: None, limit: None, settles: false, known: 0, more: true, since: now };
        PullRequestWalk { gap, is_newest: true, top: None, place: None, met: 0 }
    }

    /// What a row means that is not stored. One that shares its instant with the newest item, and
    /// waits in the gap of an unfinished first fetch, is left to that: it has its place in the count.
    pub fn unstored(&self, walk: &PullRequestWalk, updated_at: DateTime<Utc>) -> Verdict {
        let waits = |(place, gap): (usize, &PullRequestGap)| {
            gap.settles
                && walk.place != Some(place)
                && gap.from.is_none_or(|from| updated_at >= from)
                && gap.to.is_none_or(|to| updated_at <= to)
        };
        if self.gaps.iter().enumerate().any(waits) {
            Verdict::Outside
        } else if walk.top.is_some_and(|top| updated_at > top) {
            Verdict::Newer
        } else {
            Verdict::New
        }
    }

    /// The walk over the gap waiting longest.
    pub fn resume(&self) -> Option<PullRequestWalk> {
        let place = (0..self.gaps.len()).min_by_key(|&place| self.gaps[place].since)?;
        Some(PullRequestWalk { gap: self.gaps[place].clone(), is_newest: false, top: None, place: Some(place), met: 0 })
    }

    /// Records that `taken` of a page was stored; returns whether the walk goes on.
    pub fn after_page(&mut self, walk: &mut PullRequestWalk, page: PullRequestPage<'_>, taken: Taken) -> bool {
        if walk.is_newest {
            self.newest = self.newest.max(page.rows.first().copied());
            walk.is_newest = false;
            walk.top = page.rows.first().copied();
        }
        walk.met += page.rows.len() as u64;
        let gap = &mut walk.gap;
        gap.limit = gap.limit.map(|limit| limit.saturating_sub(taken.counted));
        if gap.settles {
            self.counted += taken.counted;
        }

        let is_whole = taken.rows == page.rows.len();
        let is_complete = is_whole && !page.has_next;
        if taken.limit_reached || is_complete {
            if gap.settles {
                let last = taken.rows.checked_sub(1).map_or(page.rows.first(), |last| page.rows.get(last));
                self.floor = match last.copied().or(gap.to) {
                    Some(last) if taken.limit_reached => Floor::At(last),
                    _ => Floor::Start,
                };
            }
            if let Some(place) = walk.place.take() {
                self.gaps.remove(place);
            }
            return false;
        }

        if let Some(&to) = page.rows.get(taken.rows).or(page.rows.last()) {
            // Pages shift down when others come up: what lies above was met, or is newer than `newest`.
            gap.to = Some(gap.to.map_or(to, |before| before.min(to)));
        }
        self.settle(gap, page, taken);
        let left_here = page.verdicts[taken.rows..].iter().filter(|verdict| verdict.is_write()).count() as u64;
        let behind = page.size.map(|size| size.saturating_sub(walk.met));
        (gap.known, gap.more) = match (page.has_next, behind) {
            (false, _) => (left_here, false),
            (true, Some(behind)) => (left_here + behind.max(1), false),
            (true, None) => (left_here, true),
        };
        if let Some(limit) = gap.limit {
            gap.more &= gap.known < limit;
            gap.known = gap.known.min(limit);
        }
        match walk.place {
            Some(place) => self.gaps[place] = gap.clone(),
            None => {
                walk.place = Some(self.gaps.len());
                self.gaps.push(gap.clone());
            }
        }
        is_whole
    }

    /// The cap cut a page that shows the window's floor all the same: the floor is fixed now, so that
    /// nothing that moves meanwhile can shift it.
    fn settle(&mut self, gap: &mut PullRequestGap, page: PullRequestPage<'_>, taken: Taken) {
        if !gap.settles {
            return;
        }
        let rest = (taken.rows..page.rows.len()).filter(|&row| PullRequestWalk::counts(page.verdicts[row]));
        if let Some(limit) = gap.limit.and_then(|limit| usize::try_from(limit).ok())
            && let Some(last) = limit.checked_sub(1).and_then(|nth| rest.clone().nth(nth))
        {
            self.counted += limit as u64;
            self.floor = Floor::At(page.rows[last]);
            gap.from = Some(page.rows[last]);
            gap.settles = false;
        } else if !page.has_next {
            self.counted += rest.count() as u64;
            self.floor = Floor::Start;
            gap.settles = false;
        }
    }

    /// Returns whether the window is the wanted one now. What waits at the bottom has its place in the old
    /// count: it is fetched before anything beneath is counted.
    pub(super) fn extend(&mut self, old: &Window, wanted: &Window, now: DateTime<Utc>) -> bool {
        let limit = wanted.first_sync.limit();
        // Where nothing was met, all there was lay before the old start date: it is not new.
        self.newest = self.newest.or(old.start);
        if let Some(gap) = self.gaps.iter_mut().find(|gap| gap.settles) {
            gap.from = wanted.start;
            gap.limit = limit.map(|limit| limit.saturating_sub(self.counted));
            gap.more = true;
            return true;
        }
        let to = match self.floor {
            Floor::Open => return true, // no page has come yet
            Floor::At(_) if wanted.first_sync == old.first_sync => return true,
            Floor::At(floor) => Some(floor),
            Floor::Start if old.start.is_none() || old.start == wanted.start => return true,
            Floor::Start => old.start,
        };
        let left = limit.map(|limit| limit.saturating_sub(self.counted));
        if left == Some(0) {
            return true;
        }
        if self.gaps.iter().any(|gap| gap.from == to) {
            return false;
        }
        self.floor = Floor::Open;
        self.gaps.push(PullRequestGap {
            from: wanted.start,
            to,
            limit: left,
            settles: true,
            known: 0,
            more: true,
            since: now,
        });
        true
    }

    pub(super) fn describe(&self, window: &Window) -> String {
        let since = match (self.floor, window.start) {
            (Floor::Open, _) => "its beginning, not reached yet".to_owned(),
            (Floor::At(at), _) => minute(at),
            (Floor::Start, Some(start)) => format!("the start date {}", day(start)),
            (Floor::Start, None) => "the first one".to_owned(),
        };
        let Some(newest) = self.newest else { return format!("complete since {since}: none there") };
        let mut text = format!("complete since {since}, up to {}", minute(newest));
        for gap in &self.gaps {
            let waits = waiting(gap.known, gap.more);
            text.push_str(&match (gap.from, gap.to) {
                (Some(from), Some(to)) => format!(", but between {} and {} {waits}", minute(from), minute(to)),
                (None, Some(to)) => format!(", but before {} {waits}", minute(to)),
                (_, None) => format!(", but {waits}"),
            });
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FirstSync, take};
    use super::*;

    fn at(hour: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + chrono::Duration::hours(hour)
    }

    fn window(first_sync: FirstSync) -> Window {
        Window { first_sync, start: None, fetched_at: at(1000) }
    }

    /// Feeds a page of rows (hour of the last update, new or stored) and returns whether it goes on.
    fn feed(
        ranges: &mut PullRequestRanges,
        walk: &mut PullRequestWalk,
        rows: &[(i64, Verdict)],
        room: u64,
        has_next: bool,
        size: Option<u64>,
    ) -> bool {
        let times: Vec<_> = rows.iter().map(|row| at(row.0)).collect();
        let verdicts: Vec<_> = rows.iter().map(|row| row.1).collect();
        let taken = take(&verdicts, PullRequestWalk::counts, walk.gap.limit, room);
        ranges.after_page(walk, PullRequestPage { rows: &times, verdicts: &verdicts, has_next, size }, taken)
    }

    fn new(hours: &[i64]) -> Vec<(i64, Verdict)> {
        hours.iter().map(|&hour| (hour, Verdict::New)).collect()
    }

    fn show(ranges: &PullRequestRanges) -> String {
        ranges.describe(&window(FirstSync::Newest(3)))
    }

    /// P5.1, P5.7: the first fetch fixes the window's bottom; nothing beneath it is a backlog.
    #[test]
    fn the_first_fetch_fixes_the_bottom() {
        let mut ranges = PullRequestRanges::default();
        let mut walk = ranges.first(&window(FirstSync::Newest(3)));
        assert!(!feed(&mut ranges, &mut walk, &new(&[90, 80, 70, 60]), 99, true, Some(40)));
        insta::assert_snapshot!(show(&ranges), @"complete since 1970-01-03 22:00, up to 1970-01-04 18:00");
        assert_eq!(ranges.counted, 3);
    }

    /// P5.3: what of the page does not fit the cap waits, with the bottom fixed all the same.
    #[test]
    fn a_cap_in_the_first_page_leaves_a_counted_gap() {
        let mut ranges = PullRequestRanges::default();
        let mut walk = ranges.first(&window(FirstSync::Newest(3)));
        assert!(!feed(&mut ranges, &mut walk, &new(&[90, 80, 70, 60]), 1, true, Some(40)));
        insta::assert_snapshot!(show(&ranges), @"complete since 1970-01-03 22:00, up to 1970-01-04 18:00, but between 1970-01-03 22:00 and 1970-01-04 08:00 2 wait");
        let mut walk = ranges.resume().unwrap();
        assert_eq!((walk.gap.from, walk.gap.to, walk.gap.limit), (Some(at(70)), Some(at(80)), Some(2)));
        assert!(!feed(&mut ranges, &mut walk, &new(&[80, 70]), 9, false, Some(2)));
        assert!(ranges.gaps.is_empty());
    }

    /// P5.7: new items beyond the cap: the newest are stored, the gap between is remembered.
    #[test]
    fn new_items_over_the_cap_leave_a_gap_between() {
        let mut ranges = PullRequestRanges { newest: Some(at(90)), floor: Floor::At(at(70)), counted: 3, gaps: vec![] };
        let mut walk = ranges.newer(&window(FirstSync::Newest(3)), at(2000));
        assert_eq!(walk.gap.from, Some(at(90)));
        assert!(!feed(&mut ranges, &mut walk, &new(&[99, 98, 97, 96]), 2, true, Some(9)));
        insta::assert_snapshot!(show(&ranges), @"complete since 1970-01-03 22:00, up to 1970-01-05 03:00, but between 1970-01-04 18:00 and 1970-01-05 01:00 7 wait");

        // More arrive while the gap waits: a second gap above, the first unchanged.
        let mut walk = ranges.newer(&window(FirstSync::Newest(3)), at(2100));
        let rows = [(101, Verdict::New), (100, Verdict::New), (99, Verdict::Stored)];
        assert!(!feed(&mut ranges, &mut walk, &rows, 1, false, Some(3)));
        assert_eq!(ranges.gaps.len(), 2);
        assert_eq!(ranges.gaps[1].known, 1);

        // The longest waiting is resumed; rows at the boundary are free; pages shrink it.
        let mut walk = ranges.resume().unwrap();
        let rows = [(97, Verdict::New), (96, Verdict::New)];
        assert!(feed(&mut ranges, &mut walk, &rows, 2, true, Some(8)));
        assert_eq!((ranges.gaps[0].to, ranges.gaps[0].known), (Some(at(96)), 6));
        let rows = [(95, Verdict::New), (90, Verdict::Stored)];
        assert!(!feed(&mut ranges, &mut walk, &rows, 2, false, Some(8)));
        assert_eq!(ranges.gaps.len(), 1);
    }

    /// A first fetch deeper than a page counts down over pages, and over syncs.
    #[test]
    fn a_deep_first_fetch_counts_down() {
        let mut ranges = PullRequestRanges::default();
        let mut walk = ranges.first(&window(FirstSync::Newest(5)));
        assert!(feed(&mut ranges, &mut walk, &new(&[90, 80]), 9, true, None));
        assert_eq!(ranges.floor, Floor::Open);
        assert_eq!((ranges.gaps[0].limit, ranges.gaps[0].more), (Some(3), true));
        let mut walk = ranges.resume().unwrap();
        let rows = [(80, Verdict::Stored), (70, Verdict::New), (60, Verdict::New)];
        assert!(feed(&mut ranges, &mut walk, &rows, 9, true, None));
        let mut rows = new(&[50, 40]);
        rows.insert(0, (60, Verdict::Stored));
        assert!(!feed(&mut ranges, &mut walk, &rows, 9, true, None));
        assert_eq!((ranges.floor, ranges.counted), (Floor::At(at(50)), 5));
        assert!(ranges.gaps.is_empty());
    }

    /// P2.6: an earlier start date or a larger first_sync becomes backlog; rows already counted stay.
    #[test]
    fn extending_opens_a_gap_beneath() {
        let old = Window { first_sync: FirstSync::Newest(3), start: Some(at(60)), fetched_at: at(1000) };
        let mut ranges = PullRequestRanges { newest: Some(at(90)), floor: Floor::Start, counted: 2, gaps: vec![] };
        ranges.extend(&old, &Window { start: Some(at(10)), ..old.clone() }, at(2000));
        assert_eq!((ranges.gaps[0].from, ranges.gaps[0].to), (Some(at(10)), Some(at(60))));
        assert_eq!((ranges.gaps[0].limit, ranges.gaps[0].settles), (Some(1), true));

        let mut ranges = PullRequestRanges { newest: Some(at(90)), floor: Floor::At(at(70)), counted: 3, gaps: vec![] };
        ranges.extend(&old, &Window { start: Some(at(10)), ..old.clone() }, at(2000));
        assert!(ranges.gaps.is_empty(), "the newest 3 are all newer than either start date");
        ranges.extend(&old, &Window { first_sync: FirstSync::Newest(8), ..old.clone() }, at(2000));
        assert_eq!((ranges.gaps[0].limit, ranges.gaps[0].to), (Some(5), Some(at(70))));
    }

    /// P2.6: what waits at the bottom already has its place in the count, and takes none of the extension's.
    #[test]
    fn extending_waits_for_what_waits_at_the_bottom() {
        let old = window(FirstSync::Newest(3));
        let wanted = window(FirstSync::Newest(4));
        let mut ranges = PullRequestRanges::default();
        let mut walk = ranges.first(&old);
        assert!(!feed(&mut ranges, &mut walk, &new(&[90, 80, 70, 60]), 2, true, Some(40)));
        assert_eq!((ranges.gaps[0].from, ranges.gaps[0].to), (Some(at(70)), Some(at(70))));
        assert!(!ranges.extend(&old, &wanted, at(2000)));

        let mut walk = ranges.resume().unwrap();
        assert_eq!(ranges.unstored(&walk, at(70)), Verdict::New);
        assert!(!feed(&mut ranges, &mut walk, &new(&[70]), 9, false, Some(1)));
        assert!(ranges.gaps.is_empty());
        assert!(ranges.extend(&old, &wanted, at(2000)));
        assert_eq!((ranges.gaps[0].to, ranges.gaps[0].limit), (Some(at(70)), Some(1)));
    }

    /// P2.6: a first fetch that met nothing since the start date does not take all before it for new, once
    /// that date is moved earlier.
    #[test]
    fn extending_an_empty_window_keeps_its_newest_end() {
        let old = Window { start: Some(at(60)), ..window(FirstSync::Newest(3)) };
        let wanted = window(FirstSync::Newest(3));
        let mut ranges = PullRequestRanges::default();
        let mut walk = ranges.first(&old);
        assert!(!feed(&mut ranges, &mut walk, &[], 9, false, Some(0)));
        assert!(ranges.extend(&old, &wanted, at(2000)));
        assert_eq!(ranges.newer(&wanted, at(2000)).gap.from, Some(at(60)));
        assert_eq!((ranges.gaps[0].to, ranges.gaps[0].limit), (Some(at(60)), Some(3)));
    }
}
