//! One repository and kind within a sync: which page it asks next, and what a page does to it. No I/O.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::KindSettings;
use super::budget::{Class, Standing, expected_rows};
use crate::model::coverage::{
    CommitPage, CommitRow, CommitWalk, Coverage, Head, PullRequestPage, PullRequestWalk, Ranges, Unavailable,
    UnknownHeads, Verdict, Window, take,
};
use crate::model::{Commit, Item, ItemId, PullRequest, PullRequestState, Repository, SecondaryKind};
use crate::source::{Ask, Cursor, ItemPage};

/// A kind that cannot be read is asked again after this, when the repository changes, and with each sweep: a refusal
/// may have been of a moment, and costs one request an hour then.
pub(super) const ASK_AGAIN_AFTER: TimeDelta = TimeDelta::hours(1);

/// A walk whose hashes the server does not know is asked again at most so often.
const MOST_UNKNOWN_ROUNDS: u32 = 12;

/// What a sync asks of a kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub settings: KindSettings,
    pub start: Option<DateTime<Utc>>,
    pub now: DateTime<Utc>,
    /// What was refused lately is asked again all the same.
    pub asks_again: bool,
}

/// A page to ask for.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub repo: Arc<Repository>,
    pub kind: SecondaryKind,
    pub ask: Ask,
    pub cursor: Option<Cursor>,
    /// Look up which of its rows are stored.
    pub looks_up: bool,
    /// Should it be empty, ask where this branch stands.
    pub branch: Option<String>,
}

/// What came.
#[derive(Debug)]
pub(super) struct Fetched {
    /// The answer to this.
    pub ask: Ask,
    pub page: ItemPage,
    /// Of its rows, those stored, as stored.
    pub stored: HashMap<ItemId, Item>,
    /// Where the branch stands, when the page was empty.
    pub head: Option<Head>,
}

/// What a page brought.
#[derive(Debug)]
pub(super) struct Settled {
    /// To be written with the coverage.
    pub items: Vec<Item>,
    /// The same walk has another page worth asking.
    pub goes_on: bool,
}

#[derive(Debug)]
enum Walk {
    PullRequests(PullRequestWalk),
    Commits(Box<CommitWalk>),
}

#[derive(Debug)]
pub(super) struct Stream {
    pub repo: Arc<Repository>,
    pub kind: SecondaryKind,
    pub coverage: Coverage,
    pub known_since: DateTime<Utc>,
    /// It has a newest end to ask for: commits without a default branch have none.
    has_newest: bool,
    /// Its newest end is to be asked in this sync.
    pub is_due: bool,
    /// Something may be new, and has not been asked for.
    pub is_changed: bool,
    /// It is passed over in this sync: it failed, or cannot be read.
    pub is_out: bool,
    /// Its sync rests, but for asking whether what was refused may be read again.
    rests: bool,
    /// It could not be read when this sync began.
    was_refused: bool,
    walk: Option<Walk>,
    /// What the walk's present listing was asked for, and where its next page is.
    cursor: Option<(Ask, Cursor)>,
    unknown_rounds: u32,
    /// The newest stored commits were left out of the walk under way, too.
    left_out_stored: bool,
    /// The newest end was asked in this sync.
    asked_newest: bool,
}

impl Stream {
    /// It is out when there is nothing to ask: an empty repository has no commits, and what cannot be read is
    /// asked again only after an hour or a change. Of a repository that `rests` (it is inaccessible), nothing is asked
    /// but what was refused.
    pub fn new(
        repo: Arc<Repository>,
        rests: bool,
        kind: SecondaryKind,
        stored: Option<Coverage>,
        known_since: DateTime<Utc>,
        terms: Terms,
    ) -> Self {
        // One that a hand made of two kinds (an edited export) tells nothing; what is stored is met again.
        let stored = stored.filter(|coverage| coverage.is_of(kind));
        let mut coverage = stored.unwrap_or_else(|| Coverage::new(repo.key.clone(), kind));
        coverage.extend(terms.settings.first_sync, terms.start, terms.now);
        // One asked in the future was asked by a clock that has jumped back since.
        let was_refused = coverage.unavailable.is_some();
        let refused_lately = coverage.unavailable.as_ref().is_some_and(|unavailable| {
            !terms.asks_again
                && unavailable.source_updated_on == repo.updated_on
                && (terms.now - ASK_AGAIN_AFTER..=terms.now).contains(&unavailable.asked_at)
        });
        let has_newest = kind != SecondaryKind::Commits || repo.branch_to_ask().is_some();
        let is_out = refused_lately || rests && !was_refused || !has_newest && coverage.waiting_since().is_none();
        let branch_moved = match &coverage.ranges {
            Ranges::PullRequests(_) => false,
            Ranges::Commits(ranges) => {
                ranges.branch.as_deref() != repo.branch_to_ask() || ranges.head.is_none() && !ranges.former.is_empty()
            }
        };
        let is_changed = has_newest
            && coverage.window.is_some()
            && (was_refused
                || repo.updated_on.is_none()
                || coverage.source_updated_on != repo.updated_on
                || branch_moved);
        Self {
            repo,
            kind,
            coverage,
            known_since,
            has_newest,
            is_due: false,
            is_changed,
            is_out,
            rests,
            was_refused,
            walk: None,
            cursor: None,
            unknown_rounds: 0,
            left_out_stored: false,
            asked_newest: false,
        }
    }

    /// Somebody said that something happened: it is asked for its newest end, whatever its date says.
    pub fn ask_newest(&mut self) {
        self.is_changed = self.has_newest && self.coverage.window.is_some();
    }

    /// How it stands. Instants that lie in the future were told by a clock that has jumped back since.
    pub fn standing(&self, now: DateTime<Utc>) -> Standing {
        Standing {
            kind: self.kind,
            is_fetched: self.coverage.window.is_some(),
            is_changed: self.is_changed,
            checked_at: self.coverage.checked_at.filter(|at| *at <= now),
            open: self.coverage.open,
            gap_since: self.coverage.waiting_since().map(|since| since.min(now)),
            known_since: self.known_since.min(now),
        }
    }

    /// Whether its count is not known: never fetched, changed and not asked, or cut before the end.
    pub fn is_waiting(&self) -> bool {
        match (&self.coverage.window, &self.coverage.unavailable) {
            (None, Some(_)) => false,
            (Some(_), Some(_)) => self.coverage.is_uncounted(),
            (_, None) if self.rests => false,
            (None, None) => self.has_newest,
            (Some(_), None) => self.is_changed || self.coverage.is_uncounted(),
        }
    }

    /// Whether it waits only because it is refused: nothing that caps or budget left.
    pub fn is_held_back(&self) -> bool {
        self.coverage.unavailable.is_some() && !self.is_waiting()
    }

    /// When it was refused, if that was before this sync and it was not asked again since; with the reason.
    pub fn refused_before(&self, now: DateTime<Utc>) -> Option<(DateTime<Utc>, &str)> {
        let unavailable = self.coverage.unavailable.as_ref().filter(|unavailable| unavailable.asked_at != now)?;
        Some((unavailable.asked_at, &unavailable.reason))
    }

    /// Whether it may be read again since this sync.
    pub fn is_readable_again(&self) -> bool {
        self.was_refused && self.coverage.unavailable.is_none()
    }

    /// Where it goes on after a page of a `class` was recorded; `None`: it is done for this sync.
    pub fn next_class(&self, after: Class, goes_on: bool) -> Option<(Class, DateTime<Utc>)> {
        if self.is_out {
            None
        } else if self.is_due && !goes_on {
            let class = if self.coverage.window.is_some() { Class::New } else { Class::Never };
            Some((class, self.coverage.checked_at.unwrap_or(self.known_since)))
        } else if let Some(since) = self.coverage.waiting_since() {
            let class = if matches!(after, Class::Never | Class::Deeper) { Class::Deeper } else { Class::Gap };
            Some((class, since))
        } else {
            None
        }
    }

    /// The page to ask next: of the walk under way, else of the newest end if it is due, else of the gap
    /// waiting longest (which comes first where it is overdue). With it, the rows worth reserving.
    pub fn request(&mut self, class: Class, terms: Terms) -> Option<(Request, u64)> {
        if self.walk.is_none() {
            self.cursor = None;
            self.left_out_stored = false;
            self.walk = self.begin(class, terms);
        }
        let (ask, looks_up, branch, rows) = match self.walk.as_ref()? {
            Walk::PullRequests(walk) => {
                let gap = &walk.gap;
                let known = (!gap.more).then_some(gap.known);
                let ask = Ask::PullRequests { from: gap.from, to: gap.to };
                (ask, self.coverage.stored > 0, None, expected_rows(self.kind, gap.limit, known))
            }
            Walk::Commits(walk) => {
                let known = (!walk.gap.more).then_some(walk.gap.known);
                let ask = Ask::Commits { include: walk.include.clone(), exclude: walk.exclude.clone() };
                let is_rewindable = walk.is_newest && walk.known_head.is_some();
                let branch = walk.include.first().filter(|_| is_rewindable).cloned();
                (ask, self.coverage.stored > 0, branch, expected_rows(self.kind, walk.limit(), known))
            }
        };
        let (ask, cursor) = match self.cursor.clone() {
            Some((ask, cursor)) => (ask, Some(cursor)),
            None => (ask, None),
        };
        Some((Request { repo: self.repo.clone(), kind: self.kind, ask, cursor, looks_up, branch }, rows))
    }

    fn begin(&self, class: Class, terms: Terms) -> Option<Walk> {
        let has_gap = self.coverage.waiting_since().is_some();
        let must_be_newest = match &self.coverage.ranges {
            Ranges::PullRequests(_) => false,
            Ranges::Commits(ranges) => ranges.is_newest_first(),
        };
        let newest_first = self.is_due && (must_be_newest || class != Class::Overdue || !has_gap);
        match &self.coverage.ranges {
            Ranges::PullRequests(ranges) if newest_first => Some(Walk::PullRequests(match &self.coverage.window {
                None => ranges.first(&first_window(terms)),
                Some(window) => ranges.newer(window, terms.now),
            })),
            Ranges::PullRequests(ranges) => ranges.resume().map(Walk::PullRequests),
            Ranges::Commits(ranges) if newest_first => {
                let branch = self.repo.branch_to_ask()?;
                Some(Walk::Commits(Box::new(ranges.newer(branch, terms.settings.first_sync, terms.now))))
            }
            Ranges::Commits(ranges) => ranges.resume().map(Box::new).map(Walk::Commits),
        }
    }

    /// Takes as much of a page as `room` allows.
    pub fn settle(&mut self, fetched: Fetched, room: u64, terms: Terms) -> Settled {
        let Some(mut walk) = self.walk.take() else { return Settled { items: vec![], goes_on: false } };
        let is_newest = match &walk {
            Walk::PullRequests(walk) => walk.is_newest,
            Walk::Commits(walk) => walk.is_newest,
        };
        let next = fetched.page.next.clone();
        let asked = fetched.ask.clone();
        let settled = match &mut walk {
            Walk::PullRequests(walk) => self.settle_pull_requests(walk, fetched, room, terms),
            Walk::Commits(walk) => self.settle_commits(walk, fetched, room, terms),
        };
        self.coverage.unavailable = None;
        if is_newest {
            self.coverage.window.get_or_insert_with(|| first_window(terms));
            self.coverage.checked_at = Some(terms.now);
            self.coverage.source_updated_on = self.repo.updated_on;
            (self.is_due, self.is_changed, self.asked_newest) = (false, false, true);
        }
        self.coverage.extend(terms.settings.first_sync, terms.start, terms.now);
        // An overdue gap had its page: the newest end comes before the rest of it.
        let goes_on = settled.goes_on && !self.is_due;
        if goes_on {
            self.cursor = if lists_anew(&mut walk, &asked) { None } else { next.map(|next| (asked, next)) };
            self.walk = Some(walk);
        }
        Settled { goes_on, ..settled }
    }

    fn settle_pull_requests(
        &mut self,
        walk: &mut PullRequestWalk,
        fetched: Fetched,
        room: u64,
        terms: Terms,
    ) -> Settled {
        let Ranges::PullRequests(ranges) = &mut self.coverage.ranges else { unreachable!("kinds agree") };
        let rows: Vec<PullRequest> = fetched.page.items.into_iter().filter_map(pull_request).collect();
        let start = self.coverage.window.as_ref().map_or(terms.start, |window| window.start);
        let mut met = HashSet::new();
        let verdicts: Vec<_> = rows
            .iter()
            .map(|row| {
                if !met.insert(row.id) {
                    return Verdict::Again;
                }
                match fetched.stored.get(&ItemId::Number(row.id)) {
                    None if start.is_some_and(|start| row.updated_at < start) => Verdict::Outside,
                    None => ranges.unstored(walk, row.updated_at),
                    Some(Item::PullRequest(stored)) if stored.updated_at > row.updated_at || stored == row => {
                        Verdict::Stored
                    }
                    Some(_) => Verdict::Changed,
                }
            })
            .collect();
        let taken = take(&verdicts, PullRequestWalk::counts, walk.gap.limit, room);
        let times: Vec<_> = rows.iter().map(|row| row.updated_at).collect();
        let page = PullRequestPage {
            rows: &times,
            verdicts: &verdicts,
            has_next: fetched.page.next.is_some(),
            size: fetched.page.size,
        };
        let goes_on = ranges.after_page(walk, page, taken);
        let mut items = Vec::new();
        for (row, verdict) in rows.into_iter().zip(verdicts).take(taken.rows).filter(|row| row.1.is_write()) {
            let was_open = fetched.stored.get(&ItemId::Number(row.id)).is_some_and(is_open);
            self.coverage.stored += u64::from(verdict != Verdict::Changed);
            let item = Item::PullRequest(row);
            self.coverage.open += u64::from(is_open(&item));
            self.coverage.open = self.coverage.open.saturating_sub(u64::from(was_open));
            items.push(item);
        }
        Settled { items, goes_on }
    }

    fn settle_commits(&mut self, walk: &mut CommitWalk, fetched: Fetched, room: u64, terms: Terms) -> Settled {
        let Ranges::Commits(ranges) = &mut self.coverage.ranges else { unreachable!("kinds agree") };
        let branch = self.repo.branch_to_ask().unwrap_or_default().to_owned();
        if let Some(head) = fetched.head {
            ranges.rewound(&branch, head);
            return Settled { items: vec![], goes_on: false };
        }
        let commits: Vec<Commit> = fetched.page.items.into_iter().filter_map(commit).collect();
        let start = self.coverage.window.as_ref().map_or(terms.start, |window| window.start);
        let rows: Vec<_> = commits
            .iter()
            .map(|commit| CommitRow { hash: &commit.hash, parents: &commit.parents, at: commit.committed_at })
            .collect();
        let mut met = HashSet::new();
        let verdicts: Vec<_> = rows
            .iter()
            .map(|row| {
                let is_stored = fetched.stored.contains_key(&ItemId::Hash(row.hash.to_owned()));
                let is_met = !met.insert(row.hash);
                if is_met { Verdict::Again } else { walk.verdict(*row, is_stored, start) }
            })
            .collect();
        let taken = take(&verdicts, walk.counts(), walk.limit(), room);
        let page = CommitPage { rows: &rows, verdicts: &verdicts, has_next: fetched.page.next.is_some(), start };
        let goes_on = ranges.after_page(walk, &branch, page, taken);
        drop(rows);
        let written = commits.into_iter().zip(verdicts).take(taken.rows).filter(|row| row.1.is_write());
        let items: Vec<_> = written.map(|(commit, _)| Item::Commit(commit)).collect();
        self.coverage.stored += items.len() as u64;
        Settled { items, goes_on }
    }

    /// The server does not know hashes that the walk named. `stored`: the newest stored commits, to be
    /// left out instead. Returns whether to ask again, and whether something was given up: then the newest
    /// end is due, to begin a new range.
    pub fn unknown(&mut self, hashes: &[String], stored: Vec<String>, terms: Terms) -> UnknownHeads {
        let (Some(Walk::Commits(walk)), Ranges::Commits(ranges)) = (&mut self.walk, &mut self.coverage.ranges) else {
            return UnknownHeads::GivenUp;
        };
        self.cursor = None;
        self.unknown_rounds += 1;
        let mut verdict = ranges.unknown(walk, hashes, self.asked_newest);
        if verdict == UnknownHeads::AskNewest && !self.has_newest {
            ranges.give_up(walk);
            verdict = UnknownHeads::GivenUp;
        }
        if verdict == UnknownHeads::LeaveOutStored {
            let named = |hash: &String| hashes.iter().any(|named| hash.starts_with(named.as_str()));
            let is_first = !std::mem::replace(&mut self.left_out_stored, true);
            let stored = if is_first { stored.into_iter().filter(|hash| !named(hash)).collect() } else { vec![] };
            walk.leave_out(stored, terms.settings.first_sync);
            verdict = UnknownHeads::AskAgain;
        }
        if walk.is_newest && verdict == UnknownHeads::AskAgain && self.unknown_rounds == MOST_UNKNOWN_ROUNDS {
            walk.exclude.clear();
            walk.leave_out(vec![], terms.settings.first_sync);
        }
        if verdict != UnknownHeads::AskAgain {
            self.walk = None;
        }
        let begins_anew = verdict == UnknownHeads::GivenUp && self.has_newest;
        self.is_due |= begins_anew || verdict == UnknownHeads::AskNewest;
        self.is_changed |= begins_anew;
        verdict
    }

    /// Whether asking again about unknown hashes leads nowhere.
    pub fn is_going_in_circles(&self) -> bool {
        self.unknown_rounds > MOST_UNKNOWN_ROUNDS
    }

    /// Whether the walk under way has brought no page yet: then 403 and 404 mean "not available here".
    pub fn is_at_first_page(&self) -> bool {
        self.cursor.is_none()
    }

    /// The source does not let us read it.
    pub fn refuse(&mut self, reason: String, is_forbidden: bool, now: DateTime<Utc>) {
        let source_updated_on = self.repo.updated_on;
        self.coverage.unavailable = Some(Unavailable { reason, asked_at: now, source_updated_on, is_forbidden });
        self.give_up();
    }

    /// Passes it over for the rest of the sync; the next one goes on from what was recorded.
    pub fn give_up(&mut self) {
        self.is_out = true;
        self.walk = None;
    }
}

/// Pull requests updated meanwhile leave a listing that is bounded above, and its pages shift: rows
/// would be skipped. So the rest is listed anew from the last row down, unless a page full of one
/// instant made no way. Without an upper bound they move to the top, and rows at worst come twice.
fn lists_anew(walk: &mut Walk, asked: &Ask) -> bool {
    let (Walk::PullRequests(walk), Ask::PullRequests { to: Some(to), .. }) = (walk, asked) else { return false };
    let makes_way = walk.gap.to.is_some_and(|left| left < *to);
    if makes_way {
        walk.list_anew();
    }
    makes_way
}

fn first_window(terms: Terms) -> Window {
    Window { first_sync: terms.settings.first_sync, start: terms.start, fetched_at: terms.now }
}

fn pull_request(item: Item) -> Option<PullRequest> {
    match item {
        Item::PullRequest(pull_request) => Some(pull_request),
        Item::Commit(_) => None,
    }
}

fn commit(item: Item) -> Option<Commit> {
    match item {
        Item::Commit(commit) => Some(commit),
        Item::PullRequest(_) => None,
    }
}

fn is_open(item: &Item) -> bool {
    matches!(item, Item::PullRequest(PullRequest { state: PullRequestState::Open, .. }))
}
