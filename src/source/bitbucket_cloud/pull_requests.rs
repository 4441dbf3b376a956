//! Pull requests, most recently updated first, also where the server cannot sort them itself.
//!
//! The usual way asks for all four states sorted by update. On large repositories Cloud answers that
//! with 500 (facts 1.4); then one sorted walk per state, merged; and if that fails as well, windows of
//! the update time small enough for one page, found by asking how many there are.

use std::cmp::Reverse;
use std::collections::HashSet;

use chrono::{DateTime, Duration, SubsecRound, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::listing::{not_after, not_before};
use super::{BitbucketCloud, Call, Cursor, Page, Place, Who, cursor as cursor_of, place_of, wire};
use crate::model::{Item, PullRequest, Repository};
use crate::source::http::links::{shown, value};
use crate::source::{ItemPage, SourceError};

/// The most Cloud gives for pull requests: more is a 400 (facts 1.1).
const PAGE: u64 = 50;
/// Windows with fewer are widened a little before they are fetched.
const FEW: u64 = 20;
/// All states; the default would be open ones only.
const STATES: [&str; 4] = ["OPEN", "MERGED", "DECLINED", "SUPERSEDED"];
/// What is kept; `next` has to be named, or the walk would end after one page.
const FIELDS: &str = "next,size,values.id,values.title,values.state,values.author.display_name,\
values.author.nickname,values.source.branch.name,values.destination.branch.name,values.created_on,\
values.updated_on,values.links.html.href";
/// What spares requests for details: which commits are compared, whether there is a review at all.
const DETAIL_FIELDS: &str = ",values.source.commit.hash,values.destination.commit.hash,values.comment_count,\
values.participants.approved,values.participants.state";

/// Before Bitbucket, nothing was updated.
const BEGINNING: DateTime<Utc> = match DateTime::from_timestamp(1_199_145_600, 0) {
    Some(beginning) => beginning,
    None => DateTime::<Utc>::MIN_UTC,
};

/// How a repository's pull requests have to be asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Way {
    /// Four states at once, sorted.
    #[default]
    AllStates,
    /// One sorted walk per state, merged.
    PerState,
    /// Windows of the update time.
    Windows,
}

/// Bounds of the update time, both inclusive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
}

impl Window {
    /// The server's filter is checked again: `q` is known to be ignored in places.
    fn holds(&self, pull_request: &PullRequest) -> bool {
        let at = pull_request.updated_at;
        self.from.is_none_or(|from| from <= at) && self.to.is_none_or(|to| at <= to)
    }

    fn until(self, to: Option<DateTime<Utc>>) -> Self {
        let to = match (self.to, to) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self { to, ..self }
    }

    fn query(&self) -> String {
        let bounds: Vec<String> = [
            self.from.map(|from| format!("updated_on>={}", not_before(from))),
            self.to.map(|to| format!("updated_on<={}", not_after(to))),
        ]
        .into_iter()
        .flatten()
        .collect();
        if bounds.is_empty() { String::new() } else { format!("&q={}", value(&bounds.join(" AND "))) }
    }
}

/// Where a walk is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "way", rename_all = "snake_case")]
enum At {
    All {
        place: Place,
        /// Oldest update time given out so far: a walk that has to change its way goes on from there.
        last: Option<DateTime<Utc>>,
    },
    PerState(Merge),
    Windows {
        /// Nothing newer is left.
        upper: DateTime<Utc>,
    },
}

/// One page of the walk.
pub(super) async fn page(
    cloud: &BitbucketCloud,
    repo: &Repository,
    window: Window,
    cursor: Option<&Cursor>,
) -> Result<ItemPage, SourceError> {
    let path = format!("{}/pullrequests", cloud.repository_path(repo)?);
    let known = cloud.ways().get(&repo.key).copied().unwrap_or_default();
    let mut at = match cursor {
        Some(cursor) => place_of::<At>(cursor)?,
        None => begin(known, cloud, &path, window, None),
    };
    let mut way = None;
    loop {
        let walk = Walk { cloud, path: &path, window };
        let result = match &at {
            At::All { place, .. } => walk.all(place).await,
            At::PerState(merge) => walk.merged(merge.clone()).await,
            At::Windows { upper } => walk.windowed(*upper).await,
        };
        let (next_way, last) = match (&result, &at) {
            // Time-outs of the server are of the same kind as its 500s here: the question is too large.
            (Err(SourceError::Server { status: 500 | 504 | 555, .. }), At::All { last, .. }) => (Way::PerState, *last),
            (Err(SourceError::Server { status: 500 | 504 | 555, .. }), At::PerState(merge)) => {
                (Way::Windows, merge.last)
            }
            _ => {
                // Remembered only once it helped: an outage teaches nothing about a repository.
                if let (Ok(_), Some(way)) = (&result, way) {
                    cloud.ways().insert(repo.key.clone(), way);
                }
                return result;
            }
        };
        at = begin(next_way, cloud, &path, window, last);
        way = Some(next_way);
    }
}

fn begin(way: Way, cloud: &BitbucketCloud, path: &str, window: Window, last: Option<DateTime<Utc>>) -> At {
    let window = window.until(last);
    match way {
        Way::AllStates => At::All { place: Place::first(sorted(&fields(cloud), path, &STATES, window)), last },
        Way::PerState => {
            let streams = STATES.iter().map(|state| Stream {
                state: (*state).to_owned(),
                place: Some(Place::first(sorted(&fields(cloud), path, &[state], window))),
                frontier: None,
                buffer: Vec::new(),
                size: None,
            });
            At::PerState(Merge { streams: streams.collect(), last })
        }
        Way::Windows => {
            // A day of grace for clocks that differ.
            let upper = window.to.unwrap_or_else(|| cloud.session.now() + Duration::days(1));
            At::Windows { upper: whole_micros(upper) + Duration::microseconds(1) }
        }
    }
}

fn filtered(path: &str, states: &[&str], window: Window) -> String {
    let states: Vec<String> = states.iter().map(|state| format!("state={state}")).collect();
    format!("{path}?{}{}", states.join("&"), window.query())
}

fn sorted(fields: &str, path: &str, states: &[&str], window: Window) -> String {
    format!("{}&sort=-updated_on&pagelen={PAGE}&fields={fields}", filtered(path, states, window))
}

/// What is kept of a row, as a parameter.
fn fields(cloud: &BitbucketCloud) -> String {
    value(&[FIELDS, if cloud.details { DETAIL_FIELDS } else { "" }].concat())
}

/// The rows of a page.
struct Rows {
    /// Inside the window.
    kept: Vec<PullRequest>,
    unreadable: Vec<String>,
    /// Update time of the oldest row, kept or not.
    oldest: Option<DateTime<Utc>>,
}

fn rows(page: &Page, window: Window, state: Option<&str>) -> Rows {
    let mut rows = Rows { kept: Vec::new(), unreadable: Vec::new(), oldest: None };
    for row in &page.values {
        match wire::pull_request(row) {
            Ok(pull_request) => {
                let at = pull_request.updated_at;
                rows.oldest = Some(rows.oldest.map_or(at, |oldest| oldest.min(at)));
                let sent = row.get("state").and_then(Value::as_str).unwrap_or_default();
                if window.holds(&pull_request) && state.is_none_or(|state| state.eq_ignore_ascii_case(sent)) {
                    rows.kept.push(pull_request);
                }
            }
            Err(reason) => rows.unreadable.push(reason),
        }
    }
    newest_first(&mut rows.kept);
    rows
}

fn newest_first(pull_requests: &mut [PullRequest]) {
    pull_requests.sort_by_key(|it| Reverse((it.updated_at, it.id)));
}

fn items(pull_requests: Vec<PullRequest>) -> Vec<Item> {
    pull_requests.into_iter().map(Item::PullRequest).collect()
}

struct Walk<'a> {
    cloud: &'a BitbucketCloud,
    path: &'a str,
    window: Window,
}

impl Walk<'_> {
    /// A question that may be too large is asked twice, not four times: there is another way.
    async fn fetch(&self, place: &Place) -> Result<Page, SourceError> {
        let call = Call { attempts: Some(2), ..self.cloud.get(place, Who::Any)? };
        self.cloud.page(place, call).await
    }

    async fn all(&self, place: &Place) -> Result<ItemPage, SourceError> {
        let page = self.fetch(place).await?;
        let Rows { kept, unreadable, oldest } = rows(&page, self.window, None);
        let next = page.next.filter(|_| !self.is_past_the_end(oldest));
        let next = next.map(|place| cursor_of(&At::All { place, last: oldest }));
        Ok(ItemPage { items: items(kept), unreadable, next, size: page.size, head: None })
    }

    /// Sorted by update: what follows a row before the window is before it, too.
    fn is_past_the_end(&self, oldest: Option<DateTime<Utc>>) -> bool {
        matches!((self.window.from, oldest), (Some(from), Some(oldest)) if oldest < from)
    }

    async fn merged(&self, mut merge: Merge) -> Result<ItemPage, SourceError> {
        let mut unreadable = Vec::new();
        for stream in &mut merge.streams {
            while let (true, Some(place)) = (stream.buffer.is_empty(), &stream.place) {
                let page = self.fetch(place).await?;
                let found = rows(&page, self.window, Some(&stream.state));
                unreadable.extend(found.unreadable);
                stream.size = stream.size.or(page.size);
                stream.frontier = found.oldest.or(stream.frontier);
                stream.buffer = found.kept;
                stream.place = page.next.filter(|_| !self.is_past_the_end(found.oldest));
            }
        }
        let size = merge.streams.iter().map(|stream| stream.size).sum();
        let ready = merge.ready();
        let next = (!merge.is_done()).then(|| cursor_of(&At::PerState(merge)));
        Ok(ItemPage { items: items(ready), unreadable, next, size, head: None })
    }

    async fn windowed(&self, upper: DateTime<Utc>) -> Result<ItemPage, SourceError> {
        let floor = whole_micros(self.window.from.unwrap_or(BEGINNING));
        if upper < floor {
            return Ok(ItemPage::default());
        }
        let size = self.count(floor, upper).await?;
        let lower = if size <= PAGE { floor } else { self.lower_bound(floor, upper).await? };
        let window = Window { from: Some(lower), to: Some(upper) };
        let relative = format!("{}&pagelen={PAGE}&fields={}", filtered(self.path, &STATES, window), fields(self.cloud));
        let mut place = Some(Place::first(relative));
        let (mut kept, mut unreadable, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        // More than one page only when many were updated in one instant, or just now.
        while let Some(here) = place {
            let page = self.cloud.page(&here, self.cloud.get(&here, Who::Any)?).await?;
            let found = rows(&page, window, None);
            kept.extend(found.kept.into_iter().filter(|it| self.window.holds(it) && seen.insert(it.id)));
            unreadable.extend(found.unreadable);
            place = page.next;
        }
        newest_first(&mut kept);
        let upper = lower - Duration::microseconds(1);
        let next = (lower > floor).then(|| cursor_of(&At::Windows { upper }));
        Ok(ItemPage { items: items(kept), unreadable, next, size: Some(size), head: None })
    }

    /// An instant such that few enough, but some, were updated between it and `upper`; more than a page
    /// were since `floor`.
    async fn lower_bound(&self, floor: DateTime<Utc>, upper: DateTime<Utc>) -> Result<DateTime<Utc>, SourceError> {
        // Invariant: since `too_many` more than a page, since `few` at most `FEW`, perhaps none.
        let (mut too_many, mut few) = (floor, upper + Duration::microseconds(1));
        let mut found = None;
        while few - too_many > Duration::microseconds(1) {
            let middle = whole_micros(too_many + (few - too_many) / 2);
            match self.count(middle, upper).await? {
                count if count > PAGE => too_many = middle,
                count if count >= FEW => return Ok(middle),
                0 => few = middle,
                _ if found.is_some_and(|(_, tries)| tries >= 3) => return Ok(middle),
                _ => {
                    found = Some((middle, found.map_or(1, |(_, tries)| tries + 1)));
                    few = middle;
                }
            }
        }
        // All of them in one instant: its pages are followed without an order, which they do not need.
        Ok(found.map_or(too_many, |(middle, _)| middle))
    }

    async fn count(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<u64, SourceError> {
        let window = Window { from: Some(from), to: Some(to) };
        let relative = format!("{}&pagelen=1&fields=size", filtered(self.path, &STATES, window));
        let url = self.cloud.session.base().url(&relative)?;
        let reply = self.cloud.session.json(&Call::get(url, Who::Any)).await?;
        reply.value.get("size").and_then(Value::as_u64).ok_or_else(|| SourceError::NotBitbucket {
            url: shown(&reply.url),
            message: "a count without a `size`".to_owned(),
        })
    }
}

/// What Cloud keeps and a query can say; bounds in between would disagree with the server about an instant.
fn whole_micros(at: DateTime<Utc>) -> DateTime<Utc> {
    at.trunc_subsecs(6)
}

/// Sorted walks of single states on their way to one sorted walk.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Merge {
    streams: Vec<Stream>,
    /// Oldest update time given out so far.
    last: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stream {
    state: String,
    /// `None`: all its pages were read.
    place: Option<Place>,
    /// Nothing newer comes from its pages that were not read yet.
    frontier: Option<DateTime<Utc>>,
    /// Read and not given out yet, newest first.
    buffer: Vec<PullRequest>,
    size: Option<u64>,
}

impl Merge {
    /// Takes out, newest first, what no page that was not read yet can come before.
    fn ready(&mut self) -> Vec<PullRequest> {
        let waiting = self.streams.iter().filter(|stream| stream.place.is_some());
        let bound = waiting.filter_map(|stream| stream.frontier).max();
        let mut ready = Vec::new();
        for stream in &mut self.streams {
            let count = stream.buffer.iter().take_while(|it| bound.is_none_or(|bound| it.updated_at >= bound)).count();
            ready.extend(stream.buffer.drain(..count));
        }
        newest_first(&mut ready);
        self.last = ready.last().map(|it| it.updated_at).or(self.last);
        ready
    }

    fn is_done(&self) -> bool {
        self.streams.iter().all(|stream| stream.place.is_none() && stream.buffer.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pull_request(id: u64, updated_s: i64) -> PullRequest {
        let at = DateTime::from_timestamp(1_700_000_000 + updated_s, 0).unwrap();
        PullRequest::bare(id, at)
    }

    proptest! {
        // The merge of sorted pages, cut wherever a cursor was stored, is the sort of everything.
        #[test]
        fn merged_states_are_one_sorted_list(
            times in prop::collection::vec(prop::collection::vec(0_i64..60, 0..40), 4),
            page in 1_usize..7,
        ) {
            let mut id = 0;
            let mut sources: Vec<Vec<PullRequest>> = times.iter().map(|times| {
                let mut all: Vec<_> = times.iter().map(|at| { id += 1; pull_request(id, *at) }).collect();
                newest_first(&mut all);
                all
            }).collect();
            let mut wanted: Vec<i64> = times.iter().flatten().map(|at| 1_700_000_000 + at).collect();
            wanted.sort_unstable_by_key(|at| Reverse(*at));

            let streams = STATES.iter().map(|state| Stream {
                state: (*state).to_owned(), place: Some(Place::first("/x".to_owned())),
                frontier: None, buffer: Vec::new(), size: None,
            }).collect();
            let mut merge = Merge { streams, last: None };
            let mut got: Vec<i64> = Vec::new();
            let mut ids = HashSet::new();
            while !merge.is_done() {
                for (stream, source) in merge.streams.iter_mut().zip(&mut sources) {
                    if stream.buffer.is_empty() && stream.place.is_some() {
                        stream.buffer = source.drain(..page.min(source.len())).collect();
                        stream.frontier = stream.buffer.last().map(|it| it.updated_at).or(stream.frontier);
                        if source.is_empty() { stream.place = None; }
                    }
                }
                let ready = merge.ready();
                prop_assert!(!ready.is_empty() || merge.is_done(), "every page goes on");
                for it in ready {
                    prop_assert!(ids.insert(it.id), "nothing twice");
                    got.push(it.updated_at.timestamp());
                }
                // As through the store.
                merge = serde_json::from_str(&serde_json::to_string(&merge).unwrap()).unwrap();
            }
            prop_assert_eq!(got, wanted);
        }
    }

    #[test]
    fn a_window_is_asked_for_and_checked_again() {
        let at = |text: &str| Some(text.parse().unwrap());
        let window = Window { from: at("2026-01-01T00:00:00Z"), to: at("2026-02-01T00:00:00Z") };
        let relative = sorted(FIELDS, "/repositories/acme/x/pullrequests", &STATES, window);
        assert!(
            relative.starts_with(
                "/repositories/acme/x/pullrequests?state=OPEN&state=MERGED&state=DECLINED&state=SUPERSEDED\
             &q=updated_on%3E%3D%222026-01-01T00%3A00%3A00.000000%2B00%3A00%22%20AND%20updated_on%3C%3D"
            ),
            "{relative}"
        );
        assert!(relative.contains("&sort=-updated_on&pagelen=50&fields=next,size,values.id"));
        assert!(!window.holds(&pull_request(1, 0)));
    }
}
