//! Pull requests, most recently updated first, whatever the server's `NEWEST` means.
//!
//! Data Center cannot be asked for what was updated since, and does not say whether `order=NEWEST` goes by creation or by
//! update. So a walk is read until it has to be complete, sorted here, and handed out as one page: a list of pull
//! requests is some hundred bytes a row.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::atomic::Ordering;

use chrono::{DateTime, Utc};

use super::{Asking, BitbucketDataCenter, PageAt, wire};
use crate::model::{Item, PullRequest, Repository};
use crate::source::http::Who;
use crate::source::{Cursor, ItemPage, SourceError};

/// Whole lists: the most Data Center gives (facts 2.1).
const WHOLE: u32 = 1000;
/// What is new since, to begin with: few enough to be cheap, many enough to hold what changes between two syncs. Each
/// page that does not suffice is followed by one of twice as many.
const RECENT: u32 = 100;

/// All pull requests updated between two instants, both inclusive. Asks for as little as can be sure:
///
/// - without a beginning, the whole list;
/// - with one, the newest page by page until a whole page is older, and then the open ones, which are the ones that
///   change although they are old. A server whose order is seen to go by something else is asked for the whole list.
pub(super) async fn all(
    dc: &BitbucketDataCenter,
    repo: &Repository,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
    cursor: Option<&Cursor>,
) -> Result<ItemPage, SourceError> {
    if cursor.is_some() {
        // Everything comes at once: there is no other page.
        return Err(SourceError::StaleCursor);
    }
    let path = format!("{}/pull-requests", dc.repository_path(repo)?);
    let mut walk = Walk { dc, repo, path, found: HashMap::new(), unreadable: Vec::new() };
    match from {
        // A window that ended before now lies deep in the list.
        Some(from) if to.is_none() => walk.since(from).await?,
        _ => walk.whole().await?,
    }
    let Walk { found, unreadable, .. } = walk;
    let holds =
        |it: &PullRequest| from.is_none_or(|from| from <= it.updated_at) && to.is_none_or(|to| it.updated_at <= to);
    let mut kept: Vec<PullRequest> = found.into_values().filter(holds).collect();
    kept.sort_unstable_by_key(|it| Reverse((it.updated_at, it.id)));
    let size = Some(kept.len() as u64);
    let items = kept.into_iter().map(Item::PullRequest).collect();
    Ok(ItemPage { items, unreadable, next: None, size, head: None })
}

struct Walk<'a> {
    dc: &'a BitbucketDataCenter,
    repo: &'a Repository,
    path: String,
    /// By number: rows shift between pages, and open ones come twice.
    found: HashMap<u64, PullRequest>,
    unreadable: Vec<String>,
}

/// What a page was like.
struct Seen {
    next: Option<PageAt>,
    /// Update times in the order of the page.
    updated: Vec<DateTime<Utc>>,
}

impl Seen {
    fn is_by_update(&self) -> bool {
        self.updated.is_sorted_by(|a, b| a >= b)
    }

    fn is_older_than(&self, from: DateTime<Utc>) -> bool {
        !self.updated.is_empty() && self.updated.iter().all(|at| *at < from)
    }
}

impl Walk<'_> {
    async fn page(&mut self, state: &str, at: PageAt, limit: u32) -> Result<Seen, SourceError> {
        let relative = format!("{}?state={state}&order=NEWEST", self.path);
        let page = self.dc.page(&relative, at, limit, &Asking::by(Who::Any)).await?;
        let mut updated = Vec::with_capacity(page.values.len());
        for row in &page.values {
            match wire::pull_request(row, self.repo) {
                Ok(it) => {
                    updated.push(it.updated_at);
                    // Of two the later one: it changed while we read.
                    let before = self.found.get(&it.id).map(|before| before.updated_at);
                    if before.is_none_or(|before| before <= it.updated_at) {
                        self.found.insert(it.id, it);
                    }
                }
                Err(reason) if !self.unreadable.contains(&reason) => self.unreadable.push(reason),
                Err(_) => {}
            }
        }
        Ok(Seen { next: page.next, updated })
    }

    async fn list(&mut self, state: &str, from: PageAt) -> Result<(), SourceError> {
        let mut at = Some(from);
        while let Some(here) = at {
            at = self.page(state, here, WHOLE).await?.next;
        }
        Ok(())
    }

    async fn whole(&mut self) -> Result<(), SourceError> {
        self.list("ALL", PageAt::FIRST).await
    }

    async fn since(&mut self, from: DateTime<Utc>) -> Result<(), SourceError> {
        let order = &self.dc.learned.newest_is_not_by_update;
        if order.load(Ordering::Relaxed) {
            return self.whole().await;
        }
        let (mut at, mut limit) = (PageAt::FIRST, RECENT);
        loop {
            let seen = self.page("ALL", at, limit).await?;
            if !seen.is_by_update() {
                order.store(true, Ordering::Relaxed);
            }
            let Some(next) = seen.next else { return Ok(()) };
            if order.load(Ordering::Relaxed) {
                // What was updated since may stand anywhere below.
                return self.list("ALL", next).await;
            }
            if seen.is_older_than(from) {
                break;
            }
            (at, limit) = (next, WHOLE.min(limit * 2));
        }
        // Not a first page any more: what fails here leaves the walk half read.
        self.list("OPEN", PageAt { start: 0, page: at.page + 1 }).await
    }
}
