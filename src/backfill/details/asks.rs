//! What is asked in one turn, and when no further one is begun.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::backfill::{Crawl, pipelines};
use crate::model::detail::known_without_asking;
use crate::model::{Detail, DetailBody, DetailCoverage, DetailKind, Item, ItemId, Repository, SecondaryKind};
use crate::source::SourceError;
use crate::store::StoreError;

/// So many not found in a row, and none told, are no property of a single one: the repository has no such thing.
pub(super) const NOT_FOUND: usize = 3;

/// What every turn asks with.
pub(super) struct Asks<'a> {
    pub crawl: &'a Crawl<'a>,
    pub halt: &'a Halt,
    /// Stands that failed in this sync: they have no further turn.
    pub failed: &'a Mutex<HashSet<usize>>,
    /// Pipelines that may still be stored in this sync.
    pub room: &'a Mutex<u64>,
}

impl Asks<'_> {
    pub async fn turn(
        &self,
        turn: Turn,
        kind: DetailKind,
        parent: SecondaryKind,
        repo: Repository,
    ) -> Result<Taken, StoreError> {
        let mut taken = Taken::nothing(turn.stand);
        let has_failed = |stand| self.failed.lock().unwrap_or_else(PoisonError::into_inner).contains(stand);
        if has_failed(&turn.stand) {
            return Ok(taken);
        }
        let items = self.crawl.store.items(self.crawl.integration, &repo.key, parent, usize::MAX).await?;
        let items: HashMap<ItemId, Item> = items.into_iter().map(|item| (item.id(), item)).collect();
        let stored = self.bodies(&repo, kind).await?;
        let mut told = HashMap::new();
        let at_once = self.crawl.source.details_at_once(kind);
        if at_once > 1 {
            let asked = turn.of.iter().filter_map(|of| items.get(of));
            let asked: Vec<Item> = asked.filter(|item| known_without_asking(kind, item).is_none()).cloned().collect();
            for asked in asked.chunks(at_once) {
                if self.is_over() {
                    break;
                }
                taken.requests += 1;
                match self.crawl.source.details(&repo, kind, asked).await {
                    Ok(bodies) => {
                        let told_of = asked.iter().map(Item::id).zip(bodies);
                        told.extend(told_of.filter_map(|(of, body)| Some((of, body?))));
                    }
                    Err(error) => {
                        self.failed(&mut taken, error, None);
                        return Ok(taken);
                    }
                }
            }
        }
        let mut missing: Vec<Detail> = Vec::new();
        let mut is_told = !told.is_empty();
        for of in &turn.of {
            let Some(item) = items.get(of) else {
                taken.vanished.push(of.clone());
                continue;
            };
            let known = known_without_asking(kind, item).or_else(|| told.remove(of));
            let body = match known {
                Some(body) => body,
                None if self.is_over() || has_failed(&turn.stand) => break,
                None => {
                    taken.requests += 1;
                    match self.crawl.source.detail(&repo, kind, item).await {
                        Ok(body) => {
                            is_told = true;
                            body
                        }
                        // A property of this very pull request or commit (its fork is gone, its branches share no
                        // ancestor) is an answer, too: it is never asked for again.
                        Err(error) if is_final(&error) && (is_told || missing.len() + 1 < NOT_FOUND) => {
                            let reason = crate::error::escape_control(&error.to_string());
                            missing.push(Detail::new(kind, item, DetailBody::Unavailable { reason }, self.crawl.now));
                            continue;
                        }
                        Err(error) => {
                            missing.clear();
                            self.failed(&mut taken, error, Some(of));
                            break;
                        }
                    }
                }
            };
            let detail = Detail::new(kind, item, body, self.crawl.now);
            // What may still change is written when it did, or for the last time.
            if detail.is_settled() || stored.get(of) != Some(&detail.body) {
                taken.details.push(detail);
            } else {
                taken.unchanged.push(of.clone());
            }
        }
        taken.details.append(&mut missing);
        Ok(taken)
    }

    /// What is stored of a kind that changes by itself.
    async fn bodies(&self, repo: &Repository, kind: DetailKind) -> Result<HashMap<ItemId, DetailBody>, StoreError> {
        if kind != DetailKind::Builds {
            return Ok(HashMap::new());
        }
        let stored = self.crawl.store.details(self.crawl.integration, &repo.key, kind, usize::MAX).await?;
        Ok(stored.into_iter().map(|detail| (detail.of, detail.body)).collect())
    }

    fn failed(&self, taken: &mut Taken, error: SourceError, of: Option<&ItemId>) {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).insert(taken.stand);
        self.halt.after(&error);
        if !error.ends_sync() {
            taken.failed_of = of.cloned();
        }
        taken.failed = Some(error);
    }

    /// The list of a repository, from its newest end to what is known.
    pub async fn walk(&self, turn: Turn, mut coverage: DetailCoverage, repo: Repository) -> Result<Taken, StoreError> {
        let mut taken = Taken::nothing(turn.stand);
        let stored = self.crawl.store.details(self.crawl.integration, &repo.key, coverage.kind, usize::MAX).await?;
        let stored: HashMap<u64, Detail> = stored
            .into_iter()
            .filter_map(|detail| if let ItemId::Number(number) = detail.of { Some((number, detail)) } else { None })
            .collect();
        let mut walk = pipelines::Walk::new(&coverage);
        let (mut cursor, mut is_over) = (None, false);
        while !is_over && !self.is_over() {
            taken.requests += 1;
            let page = match self.crawl.source.pipelines(&repo, cursor.as_ref()).await {
                Ok(page) => page,
                Err(error) => {
                    self.halt.after(&error);
                    taken.failed = Some(error);
                    break;
                }
            };
            cursor = page.next.clone();
            let mut room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
            let (details, over) = walk.page(page, &stored, *room, self.crawl.now);
            *room -= details.len() as u64;
            is_over = over;
            taken.details.extend(details);
        }
        walk.end(&mut coverage, &repo, is_over, self.crawl.now);
        taken.walked = Some(coverage);
        Ok(taken)
    }

    fn is_over(&self) -> bool {
        if self.crawl.source.usage().remaining == Some(0) {
            self.halt.at_limit();
        }
        self.crawl.stop.is_cancelled() || self.halt.is_over.load(Ordering::SeqCst)
    }
}

fn is_final(error: &SourceError) -> bool {
    matches!(error, SourceError::NotFound { .. } | SourceError::BadRequest { .. })
}

/// Some details of one repository and kind.
pub(super) struct Turn {
    pub stand: usize,
    pub of: Vec<ItemId>,
}

/// How a turn ended.
pub(super) struct Taken {
    pub stand: usize,
    pub details: Vec<Detail>,
    /// Pull requests or commits that are not stored any more.
    pub vanished: Vec<ItemId>,
    /// Read again without news, and not settled yet.
    pub unchanged: Vec<ItemId>,
    pub failed: Option<SourceError>,
    /// What it failed at: the others go first next time.
    pub failed_of: Option<ItemId>,
    pub requests: u64,
    /// How it stands after a walk over a list; else it follows from what was stored.
    pub walked: Option<DetailCoverage>,
}

impl Taken {
    fn nothing(stand: usize) -> Self {
        Self {
            stand,
            details: Vec::new(),
            vanished: Vec::new(),
            unchanged: Vec::new(),
            failed: None,
            failed_of: None,
            requests: 0,
            walked: None,
        }
    }
}

/// Why nothing new is started.
#[derive(Default)]
pub(super) struct Halt {
    is_over: AtomicBool,
    pub rate_limited: AtomicBool,
}

impl Halt {
    fn at_limit(&self) {
        self.rate_limited.store(true, Ordering::SeqCst);
        self.is_over.store(true, Ordering::SeqCst);
    }

    /// A refusal may tell of a limit that the usage knows nothing of (Data Center, OAuth tokens).
    fn after(&self, error: &SourceError) {
        if error.is_out_of_budget() {
            self.at_limit();
        } else if error.ends_sync() {
            self.is_over.store(true, Ordering::SeqCst);
        }
    }
}
