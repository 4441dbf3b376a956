//! Commits of the default branch, ordered by reachability.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{FirstSync, Taken, Verdict, Window, day, waiting};

/// A gap is remembered by at most so many heads, each of which makes the URL 49 bytes longer; with more
/// open paths it is walked again from the last place that had fewer.
const MOST_HEADS: usize = 100;

/// At most so many former heads are kept out of walks: each makes the URL 48 bytes longer.
const MOST_FORMER: usize = 20;

/// A commit and its parents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Full hash.
    pub hash: String,
    /// Hashes of its parents.
    pub parents: Vec<String>,
}

/// Commits reachable from `heads` and from none of `exclude`, of which some are missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitGap {
    /// Walked together.
    pub heads: Vec<String>,
    /// What these reach is not missing.
    pub exclude: Vec<String>,
    /// Only the first so many rows of the walk belong to the window (a first fetch).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// The head was rewritten away; the gap is walked from the branch's present head, and `limit` counts
    /// only rows not stored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rerooted: bool,
    /// So many are known to be missing.
    pub known: u64,
    /// More may be missing than known.
    pub more: bool,
    /// Since when it waits.
    pub since: DateTime<Utc>,
}

/// What is covered: all that `head` and `former` reach, down to the window's bottom, without the gaps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitRanges {
    /// The branch last walked.
    pub branch: Option<String>,
    /// Its head then; what is newer has not been asked for. `None`: never asked, or the history was
    /// rewritten so far that a new range begins.
    pub head: Option<Head>,
    /// Heads of ranges before a rewrite or rename: what they reach is covered, too. Newest first.
    #[serde(default)]
    pub former: Vec<String>,
    /// Where the first fetch began.
    #[serde(default)]
    pub origin: Option<String>,
    /// The first fetch saw everything down to the start date: there is nothing deeper.
    #[serde(default)]
    pub to_the_end: bool,
    /// Rows newer than the first fetch that the start date kept out.
    #[serde(default)]
    pub before_start: u64,
    /// Some stored commits may no longer be reachable: they are looked for once no gap is left.
    #[serde(default)]
    pub recheck: bool,
    /// Stored commits marked as unreachable.
    #[serde(default)]
    pub unreachable: u64,
    /// A gap was given up because the server no longer knows its commits: the stored graph has a hole,
    /// so nothing is marked by it any more.
    #[serde(default)]
    pub torn: bool,
    /// Missing, oldest waiting first.
    #[serde(default)]
    pub gaps: Vec<CommitGap>,
}

/// A walk under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitWalk {
    /// What is left of it, as recorded.
    pub gap: CommitGap,
    /// Asked for: a branch, or hashes.
    pub include: Vec<String>,
    /// Left out of the answer.
    pub exclude: Vec<String>,
    /// It asks for the newest end, and no page has come yet.
    pub is_newest: bool,
    /// The known head, whose return proves that it is still reachable.
    pub known_head: Option<Head>,
    known_head_met: bool,
    /// Begun by a first fetch (or a new range).
    is_first: bool,
    place: Option<usize>,
    met: HashSet<String>,
    /// Parents of rows taken, not met yet: where the rest of the walk hangs.
    open: Vec<String>,
    /// Rows counted toward the limit below the gap's recorded heads.
    passed: u64,
}

/// A row as the coverage needs it.
#[derive(Clone, Copy, Debug)]
pub struct CommitRow<'a> {
    /// Full hash.
    pub hash: &'a str,
    /// Hashes of the parents.
    pub parents: &'a [String],
    /// Its date.
    pub at: DateTime<Utc>,
}

/// A page as the coverage needs it.
#[derive(Clone, Copy, Debug)]
pub struct CommitPage<'a> {
    /// In the order of the page.
    pub rows: &'a [CommitRow<'a>],
    /// What each row means.
    pub verdicts: &'a [Verdict],
    /// Whether another page follows.
    pub has_next: bool,
    /// The start date.
    pub start: Option<DateTime<Utc>>,
}

/// What becomes of a walk whose hashes the server does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownHeads {
    /// Ask again: the walk leaves them out.
    AskAgain,
    /// The known head was among them: leave out what is stored instead ([`CommitWalk::leave_out`]).
    LeaveOutStored,
    /// Ask again in the next sync: the branch itself is unknown, or was rewritten just now.
    AskLater,
    /// The gap hangs on the branch's present head now; other gaps above it come first.
    LookAgain,
    /// Ask where the branch stands first: what the gap still holds hangs there.
    AskNewest,
    /// The gap can no longer be walked and was closed; the branch's next walk begins a new range.
    GivenUp,
}

impl CommitWalk {
    /// Which rows count toward the limit: all distinct ones, or, when walked from another head, those
    /// not stored.
    pub fn counts(&self) -> impl Fn(Verdict) -> bool + use<> {
        let rerooted = self.gap.rerooted;
        move |verdict| if rerooted { verdict == Verdict::New } else { verdict != Verdict::Again }
    }

    /// How many more rows may be taken.
    pub fn limit(&self) -> Option<u64> {
        self.gap.limit.map(|limit| limit.saturating_sub(self.passed))
    }

    /// What a row means, given how it is stored.
    pub fn verdict(&self, row: CommitRow<'_>, is_stored: bool, start: Option<DateTime<Utc>>) -> Verdict {
        if self.met.contains(row.hash) {
            Verdict::Again
        } else if is_stored {
            Verdict::Stored
        } else if self.known_head.as_ref().is_some_and(|head| head.hash == row.hash)
            || start.is_some_and(|start| row.at < start)
        {
            Verdict::Outside
        } else {
            Verdict::New
        }
    }

    /// Leaves out what these stored commits reach, too; without any, the walk begins a new range of at
    /// most `first_sync` commits.
    pub fn leave_out(&mut self, stored: Vec<String>, first_sync: FirstSync) {
        for hash in stored {
            if !self.exclude.contains(&hash) {
                self.exclude.push(hash);
            }
        }
        if self.exclude.is_empty() {
            self.is_first = true;
            self.gap.limit = first_sync.limit();
        }
        self.gap.exclude.clone_from(&self.exclude);
    }
}

impl CommitRanges {
    /// The walk for the first fetch, and for a new range. A branch that was empty at the first fetch is new
    /// as a whole.
    pub fn first(&self, branch: &str, first_sync: FirstSync, now: DateTime<Utc>) -> CommitWalk {
        let was_empty = self.branch.is_some() && self.origin.is_none();
        let gap = CommitGap {
            heads: vec![],
            exclude: vec![],
            limit: first_sync.limit().filter(|_| !was_empty),
            rerooted: false,
            known: 0,
            more: true,
            since: now,
        };
        let mut walk = start(gap, vec![branch.to_owned()], None);
        walk.is_newest = true;
        walk.is_first = true;
        walk
    }

    /// The walk for what is new since: the parents of the known head are left out instead of the head
    /// itself, so that it comes back as one row if, and only if, it is still reachable.
    pub fn newer(&self, branch: &str, first_sync: FirstSync, now: DateTime<Utc>) -> CommitWalk {
        let Some(head) = &self.head else { return self.first(branch, first_sync, now) };
        let mut exclude = head.parents.clone();
        exclude.extend(self.former.iter().filter(|hash| **hash != head.hash).cloned());
        exclude.dedup();
        let mut walk = self.first(branch, first_sync, now);
        walk.gap.limit = None;
        walk.gap.exclude.clone_from(&exclude);
        walk.exclude = exclude;
        walk.known_head = Some(head.clone());
        walk.is_first = false;
        walk
    }

    /// The walk over the gap waiting longest. One that counts only what is not stored comes last: what lies
    /// above it, in other gaps, must not be counted as its own.
    pub fn resume(&self) -> Option<CommitWalk> {
        let key = |place: &usize| {
            let gap = &self.gaps[*place];
            (gap.rerooted && gap.limit.is_some(), gap.since)
        };
        let place = (0..self.gaps.len()).min_by_key(key)?;
        let gap = self.gaps[place].clone();
        let include = gap.heads.clone();
        let mut walk = start(gap, include, Some(place));
        walk.is_first = walk.gap.limit.is_some();
        Some(walk)
    }

    /// Records that `taken` of a page was stored; returns whether the walk goes on.
    pub fn after_page(&mut self, walk: &mut CommitWalk, branch: &str, page: CommitPage<'_>, taken: Taken) -> bool {
        let met_head = |head: &Head| page.rows.iter().any(|row| row.hash == head.hash);
        walk.known_head_met |= walk.known_head.as_ref().is_some_and(met_head);
        if walk.is_newest && !self.begin(walk, branch, page) {
            return false;
        }
        for (row, verdict) in page.rows.iter().zip(page.verdicts).take(taken.rows) {
            if *verdict == Verdict::Outside && !walk.is_first {
                self.before_start += u64::from(page.start.is_some_and(|start| row.at < start));
            }
            pass(walk, row);
        }
        walk.passed += taken.counted;

        let is_whole = taken.rows == page.rows.len();
        let is_older = |row: &CommitRow<'_>| page.start.is_some_and(|start| row.at < start);
        let is_past_start = is_whole && !page.rows.is_empty() && page.rows.iter().all(is_older);
        let is_complete = is_whole && !page.has_next || is_past_start;
        if is_complete || taken.limit_reached {
            self.finish(walk, is_complete);
            return false;
        }

        let gap = &mut walk.gap;
        // The rest of the walk is what the open paths reach, in the same order.
        let makes_way = !walk.open.is_empty() && walk.open.len() <= MOST_HEADS;
        if makes_way {
            gap.heads.clone_from(&walk.open);
        }
        if makes_way || gap.rerooted {
            gap.limit = gap.limit.map(|limit| limit.saturating_sub(walk.passed));
            walk.passed = 0;
        }
        gap.known = page.verdicts[taken.rows..].iter().filter(|verdict| verdict.is_write()).count() as u64;
        gap.more = page.has_next;
        if let Some(left) = gap.limit.map(|limit| limit.saturating_sub(walk.passed)) {
            gap.more &= gap.known < left;
            gap.known = gap.known.min(left);
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

    /// The first page of the newest end: where the branch stands now. Returns whether there is anything
    /// to record beyond that.
    fn begin(&mut self, walk: &mut CommitWalk, branch: &str, page: CommitPage<'_>) -> bool {
        walk.is_newest = false;
        self.branch = Some(branch.to_owned());
        let Some(newest) = page.rows.first() else { return false };
        let head = Head { hash: newest.hash.to_owned(), parents: newest.parents.to_vec() };
        if walk.known_head.as_ref().is_some_and(|known| known.hash == head.hash) {
            return false;
        }
        walk.gap.heads = vec![head.hash.clone()];
        if self.origin.is_none() || walk.is_first {
            self.origin = Some(head.hash.clone());
            self.to_the_end = false;
        }
        if let Some(known) = walk.known_head.clone() {
            // A new range that nothing connects to the old one: what lies between is not known.
            self.torn |= walk.is_first;
            if walk.known_head_met {
                walk.gap.exclude.push(known.hash);
            } else {
                self.leave(known.hash);
            }
            self.recheck |= !walk.known_head_met || self.unreachable > 0;
        }
        self.former.retain(|former| *former != head.hash);
        self.head = Some(head);
        true
    }

    fn leave(&mut self, head: String) {
        self.former.retain(|former| *former != head);
        self.former.insert(0, head);
        self.former.truncate(MOST_FORMER);
    }

    /// The newest end brought no row: the branch stands on something covered, at `head`.
    pub fn rewound(&mut self, branch: &str, head: Head) {
        self.branch = Some(branch.to_owned());
        if let Some(known) = self.head.replace(head.clone())
            && known.hash != head.hash
        {
            self.leave(known.hash);
        }
        self.recheck = true;
    }

    fn finish(&mut self, walk: &mut CommitWalk, is_complete: bool) {
        self.to_the_end |= walk.is_first && is_complete;
        if let Some(known) = &walk.known_head
            && walk.known_head_met
        {
            // Reachable from the present head, which covers it.
            self.former.retain(|former| *former != known.hash);
        }
        if let Some(place) = walk.place.take() {
            self.gaps.remove(place);
        }
    }

    /// The server does not know some of the hashes a walk named (full or short). `asked_newest`: the known
    /// head was the branch's just now.
    pub fn unknown(&mut self, walk: &mut CommitWalk, hashes: &[String], asked_newest: bool) -> UnknownHeads {
        let named = |hash: &String| hashes.iter().any(|short| is_prefix(short, hash));
        let had = walk.exclude.len();
        walk.exclude.retain(|hash| !named(hash));
        walk.gap.exclude.retain(|hash| !named(hash));
        self.former.retain(|hash| !named(hash));
        let is_shorter = had > walk.exclude.len();
        let Some(place) = walk.place else {
            let lost_head = walk.known_head.as_ref().is_some_and(|head| head.parents.iter().any(named));
            return if !is_shorter {
                UnknownHeads::AskLater
            } else if lost_head || walk.exclude.is_empty() {
                UnknownHeads::LeaveOutStored
            } else {
                UnknownHeads::AskAgain
            };
        };
        let is_lost = walk.include.iter().any(named);
        let is_bounded = walk.gap.limit.is_some() || !walk.gap.exclude.is_empty();
        if !is_bounded || !is_lost && !is_shorter {
            self.close(place);
            return UnknownHeads::GivenUp;
        }
        let gap = &mut self.gaps[place];
        gap.exclude.clone_from(&walk.gap.exclude);
        if !is_lost {
            return UnknownHeads::AskAgain;
        }
        // What of the gap the branch still reaches hangs on its present head.
        match &self.head {
            Some(head) if !named(&head.hash) && gap.heads.contains(&head.hash) => {
                gap.heads.retain(|hash| !named(hash));
                walk.gap.heads.clone_from(&gap.heads);
                walk.include.clone_from(&gap.heads);
                walk.open.clone_from(&gap.heads);
                UnknownHeads::AskAgain
            }
            _ if !asked_newest => UnknownHeads::AskNewest,
            Some(head) if !named(&head.hash) => {
                gap.heads.retain(|hash| !named(hash));
                gap.heads.push(head.hash.clone());
                gap.rerooted = true;
                UnknownHeads::LookAgain
            }
            _ => UnknownHeads::AskLater,
        }
    }

    /// Gives up the gap of a walk: there is no branch that it could hang on.
    pub fn give_up(&mut self, walk: &CommitWalk) {
        if let Some(place) = walk.place {
            self.close(place);
        }
    }

    fn close(&mut self, place: usize) {
        self.gaps.remove(place);
        self.torn = true;
        if let Some(head) = self.head.take() {
            self.leave(head.hash);
        }
    }

    /// Whether the newest end must be asked before any gap.
    pub fn is_newest_first(&self) -> bool {
        self.gaps.iter().any(|gap| gap.rerooted)
    }

    /// Whether it is time to look for commits no longer reachable.
    pub fn is_due_for_marking(&self) -> bool {
        self.recheck && self.gaps.is_empty() && !self.torn && self.head.is_some()
    }

    pub(super) fn extend(&mut self, old: &Window, wanted: &Window, now: DateTime<Utc>) {
        let Some(origin) = self.origin.clone() else { return };
        let limit = wanted.first_sync.limit();
        let gap = |heads: Vec<String>, exclude: Vec<String>, limit| CommitGap {
            heads,
            exclude,
            limit,
            rerooted: false,
            known: 0,
            more: true,
            since: now,
        };
        let is_earlier = wanted.start != old.start;
        // What comes from beneath an old head may be unreachable by now.
        self.recheck |= !self.former.is_empty();
        if let Some(first) = self.gaps.iter_mut().find(|gap| gap.limit.is_some()) {
            let deeper =
                |left: u64| limit.map(|limit| left + limit.saturating_sub(old.first_sync.limit().unwrap_or(0)));
            first.limit = first.limit.and_then(deeper);
            first.more = true;
            if is_earlier {
                // Rows that the start date kept out were passed by.
                let top = self.head.as_ref().filter(|_| first.rerooted).map_or(&origin, |head| &head.hash);
                first.heads = vec![top.clone()];
                first.limit = if first.rerooted { first.limit } else { limit };
            }
        } else if is_earlier || !self.to_the_end {
            self.gaps.push(gap(vec![origin.clone()], vec![], limit));
            self.to_the_end = false;
        }
        if is_earlier
            && self.before_start > 0
            && let Some(head) = self.head.as_ref().filter(|head| head.hash != origin)
        {
            self.before_start = 0;
            self.gaps.push(gap(vec![head.hash.clone()], vec![origin], None));
        }
    }

    pub(super) fn describe(&self, window: &Window) -> String {
        let depth = match (window.first_sync, window.start) {
            (_, Some(start)) if self.to_the_end => format!("since the start date {}", day(start)),
            (_, None) if self.to_the_end => "since the first one".to_owned(),
            (FirstSync::All, Some(start)) => format!("since the start date {}", day(start)),
            (FirstSync::All, None) => "since the first one".to_owned(),
            (FirstSync::Newest(limit), _) => {
                format!("since the newest {limit} of {}", day(window.fetched_at))
            }
        };
        let branch = crate::error::escape_control(self.branch.as_deref().unwrap_or("the default branch"));
        let mut text = match &self.head {
            Some(head) => format!("complete on {branch} {depth}, up to {}", short(&head.hash)),
            None => format!("{branch} was rewritten and is fetched anew"),
        };
        for gap in &self.gaps {
            let head = gap.heads.first().map_or("its head", |head| short(head));
            text.push_str(&format!(", but from {head} down {}", waiting(gap.known, gap.more)));
        }
        if self.unreachable > 0 {
            text.push_str(&format!("; {} no longer reachable", self.unreachable));
        }
        if self.torn {
            text.push_str("; some were rewritten away before they could be fetched");
        }
        text
    }
}

fn start(gap: CommitGap, include: Vec<String>, place: Option<usize>) -> CommitWalk {
    CommitWalk {
        include,
        exclude: gap.exclude.clone(),
        is_newest: false,
        known_head: None,
        known_head_met: false,
        is_first: false,
        place,
        met: HashSet::new(),
        open: gap.heads.clone(),
        passed: 0,
        gap,
    }
}

fn pass(walk: &mut CommitWalk, row: &CommitRow<'_>) {
    if !walk.met.insert(row.hash.to_owned()) {
        return;
    }
    walk.open.retain(|open| open != row.hash);
    if walk.known_head.as_ref().is_some_and(|head| head.hash == row.hash) {
        return; // its parents are left out of this walk
    }
    for parent in row.parents {
        if !walk.met.contains(parent) && !walk.open.contains(parent) && !walk.gap.exclude.contains(parent) {
            walk.open.push(parent.clone());
        }
    }
}

/// Bodies name hashes in full or cut.
fn is_prefix(short: &str, hash: &str) -> bool {
    short.len() >= 7 && hash.starts_with(short) || short == hash
}

fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Section 9: where two gaps hang on the branch's present head, the one above is filled first: its commits
    /// would take the places of the other's.
    #[test]
    fn a_gap_that_counts_what_is_not_stored_comes_last() {
        let gap = |limit, since| CommitGap {
            heads: vec!["head".to_owned()],
            exclude: vec![],
            limit,
            rerooted: true,
            known: 0,
            more: true,
            since: DateTime::UNIX_EPOCH + chrono::TimeDelta::hours(since),
        };
        let ranges = CommitRanges { gaps: vec![gap(Some(9), 1), gap(None, 2)], ..CommitRanges::default() };
        assert_eq!(ranges.resume().unwrap().gap.limit, None);
    }
}
