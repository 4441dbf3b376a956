//! The lists of one integration in memory, and how they are renewed: what the store says has changed is read again,
//! nothing else.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, BuildHasherDefault};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use rustc_hash::FxHasher;
use tracing::warn;

use super::packed::{PackedDiscovered, PackedImported, Words};
use super::table::Table;
use crate::assemble;
use crate::commands::{App, Failure, discovered, imported};
use crate::config::Integration;
use crate::correlate::Rules;
use crate::model::{IntegrationKey, KnownRepository, Presence, RepoKey, SyncRecord};
use crate::store::{Changed, Listed, ListedOf, StoreError};

/// Repositories read from the store at once: writers wait no longer than for these.
const AT_ONCE: usize = 500;
/// How long a page waits for what a running sync changes; the next page has it.
const PATIENCE: Duration = Duration::from_millis(10);
/// While a sync runs, everything is read anew no more often than this.
const ANEW_EVERY: Duration = Duration::from_secs(10);

/// The lists kept of each integration.
#[derive(Debug, Default)]
pub struct Views {
    kept: Mutex<HashMap<IntegrationKey, Arc<Kept>>>,
    /// Whoever runs for long answers counts from them, too.
    is_long: AtomicBool,
}

impl Views {
    /// For a process that goes on: what is read once is asked for again.
    pub fn keep(&self) {
        self.is_long.store(true, Ordering::Relaxed);
    }

    pub(super) fn are_kept(&self) -> bool {
        self.is_long.load(Ordering::Relaxed)
    }

    fn of(&self, key: &IntegrationKey) -> Arc<Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.entry(key.clone()).or_default().clone()
    }
}

/// One integration's lists, and who renews them.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) view: RwLock<Option<View>>,
    /// Held while they are renewed: one at a time.
    turn: Arc<tokio::sync::Mutex<()>>,
    read_anew_at: Mutex<Option<Instant>>,
}

/// What pages are made of.
#[derive(Debug)]
pub(super) struct View {
    revision: u64,
    pub(super) words: Words,
    pub(super) discovered: Table<PackedDiscovered>,
    pub(super) imported: Table<PackedImported>,
    /// The last syncs, newest first.
    pub(super) syncs: Vec<SyncRecord>,
    /// By hash of the id: whether a repository is there, and whether it is linked.
    repositories: HashMap<u64, Known, BuildHasherDefault<FxHasher>>,
    /// Found elsewhere: whether another integration looks after them is asked each time.
    moved: Vec<RepoKey>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    is_served: bool,
    is_linked: bool,
}

fn hash(id: &str) -> u64 {
    BuildHasherDefault::<FxHasher>::default().hash_one(id)
}

impl View {
    /// Repositories that are there, and those that are linked.
    pub(super) fn counts(&self) -> (u64, u64) {
        let count = |is: fn(&Known) -> bool| self.repositories.values().filter(|known| is(known)).count() as u64;
        (count(|known| known.is_served), count(|known| known.is_linked))
    }
}

/// The view of an integration as it is now. While a sync of it runs, perhaps as it was a moment ago, but for what people
/// decided.
pub(super) async fn fresh(app: &App, integration: &Integration) -> Result<Arc<Kept>, Failure> {
    let key = integration.key();
    let kept = app.views.of(&key);
    let since = kept.view.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(|view| view.revision);
    let changed = app.store.changed(&key, since).await?;
    if since.is_some() && is_nothing(&changed) {
        return Ok(kept);
    }
    let is_syncing = since.is_some() && app.running.is_syncing(&key);
    if !is_syncing || (changed.is_decided && changed.repositories.is_some()) {
        let turn = kept.turn.clone().lock_owned().await;
        renew(app, integration, &kept).await?;
        drop(turn);
        return Ok(kept);
    }
    if changed.repositories.is_none() && !kept.may_read_anew() {
        return Ok(kept);
    }
    // One renewal at a time; whoever comes meanwhile sees the view as it is.
    if let Ok(turn) = kept.turn.clone().try_lock_owned() {
        let (app, integration, its) = (app.clone(), integration.clone(), kept.clone());
        let renewing = tokio::spawn(async move {
            let _turn = turn;
            if let Err(failure) = renew(&app, &integration, &its).await {
                warn!(integration = %integration.name, "its lists could not be renewed: {}", failure.report.one_line());
            }
        });
        // Out of patience, it goes on by itself.
        let _ = tokio::time::timeout(PATIENCE, renewing).await;
    }
    Ok(kept)
}

fn is_nothing(changed: &Changed) -> bool {
    changed.repositories.as_ref().is_some_and(|repositories| repositories.is_empty()) && !changed.syncs
}

impl Kept {
    fn may_read_anew(&self) -> bool {
        let mut at = self.read_anew_at.lock().unwrap_or_else(PoisonError::into_inner);
        let may = at.is_none_or(|at| at.elapsed() >= ANEW_EVERY);
        if may {
            *at = Some(Instant::now());
        }
        may
    }
}

async fn renew(app: &App, integration: &Integration, kept: &Kept) -> Result<(), Failure> {
    let key = integration.key();
    let (since, moved) = match &*kept.view.read().unwrap_or_else(PoisonError::into_inner) {
        Some(view) => (Some(view.revision), view.moved.clone()),
        None => (None, Vec::new()),
    };
    // Somebody may have renewed it while we waited for our turn.
    let changed = app.store.changed(&key, since).await?;
    if since.is_some() && is_nothing(&changed) {
        return Ok(());
    }
    let rules = assemble::rules(integration)?;
    let syncs = match changed.syncs {
        true => Some(app.store.syncs(Some(&key), imported::SYNCS_LOOKED_AT).await?),
        false => None,
    };
    let renewed = match changed.repositories {
        None => {
            let view = whole(app, integration, &rules, changed.revision, syncs.unwrap_or_default()).await?;
            *kept.view.write().unwrap_or_else(PoisonError::into_inner) = Some(view);
            return Ok(());
        }
        // Each once, also one that was found elsewhere and changed: its rows replace each other.
        Some(repositories) => repositories.into_iter().chain(moved).collect::<BTreeSet<_>>(),
    };
    let renewed: Vec<RepoKey> = renewed.into_iter().collect();
    let mut listed = Vec::new();
    for some in renewed.chunks(AT_ONCE) {
        listed.extend(app.store.listed(&key, ListedOf::These(some.to_vec())).await?);
    }
    let over = handed_over(app, &key, &listed).await?;
    let mut view = kept.view.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(view) = view.as_mut() {
        view.take(integration, &rules, &renewed, &listed, &over);
        view.revision = changed.revision;
        view.syncs = syncs.unwrap_or_else(|| std::mem::take(&mut view.syncs));
    }
    Ok(())
}

/// Read from the first repository to the last, a page at a time.
async fn whole(
    app: &App,
    integration: &Integration,
    rules: &Rules,
    revision: u64,
    syncs: Vec<SyncRecord>,
) -> Result<View, Failure> {
    let key = integration.key();
    let mut rows = Rows::default();
    let mut after = None;
    loop {
        let listed = app.store.listed(&key, ListedOf::Page { after, limit: AT_ONCE }).await?;
        let Some(last) = listed.last() else { break };
        after = Some(last.known.repository.key.clone());
        let over = handed_over(app, &key, &listed).await?;
        for one in &listed {
            rows.add(integration, rules, one, &over);
        }
    }
    let Rows { words, discovered, imported, repositories, moved } = rows;
    let name = integration.name.as_str();
    Ok(View {
        revision,
        discovered: Table::of(discovered, name, &words),
        imported: Table::of(imported, name, &words),
        words,
        syncs,
        repositories: repositories.into_iter().collect(),
        moved,
    })
}

/// Of the repositories that moved, those that another integration on the catalog looks after.
async fn handed_over(app: &App, key: &IntegrationKey, listed: &[Listed]) -> Result<Vec<RepoKey>, StoreError> {
    let moved = listed.iter().map(|one| &one.known).filter(|known| matches!(known.presence, Presence::Moved { .. }));
    let moved: Vec<KnownRepository> = moved.cloned().collect();
    if moved.is_empty() {
        return Ok(Vec::new());
    }
    Ok(app.handed_over(key, &moved).await?.into_iter().collect())
}

/// Rows made of what the store tells.
#[derive(Default)]
struct Rows {
    words: Words,
    discovered: Vec<PackedDiscovered>,
    imported: Vec<PackedImported>,
    repositories: Vec<(u64, Known)>,
    moved: Vec<RepoKey>,
}

impl Rows {
    fn add(&mut self, integration: &Integration, rules: &Rules, listed: &Listed, over: &[RepoKey]) {
        let repository = &listed.known.repository;
        let project = repository.project_key.as_deref();
        if matches!(listed.known.presence, Presence::Moved { .. }) {
            self.moved.push(repository.key.clone());
        }
        let row = discovered::row_of(integration, rules, listed);
        self.discovered.extend(row.map(|row| PackedDiscovered::pack(&row, project, &mut self.words)));
        let is_ours = !over.contains(&repository.key);
        for (row, is_served) in imported::listed_rows(integration, listed).iter().filter(|_| is_ours) {
            self.imported.push(PackedImported::pack(row, *is_served, project, &mut self.words));
        }
        let known =
            Known { is_served: listed.known.presence.is_served(), is_linked: is_ours && !listed.links.is_empty() };
        self.repositories.push((hash(&repository.key.id), known));
    }
}

impl View {
    /// `asked`: whose rows these replace, whether there are any now or not.
    fn take(
        &mut self,
        integration: &Integration,
        rules: &Rules,
        asked: &[RepoKey],
        listed: &[Listed],
        over: &[RepoKey],
    ) {
        let mut rows = Rows { words: std::mem::take(&mut self.words), ..Rows::default() };
        for one in listed {
            rows.add(integration, rules, one, over);
        }
        let ids: Vec<&str> = asked.iter().map(|repo| repo.id.as_str()).collect();
        for id in &ids {
            self.repositories.remove(&hash(id));
        }
        self.repositories.extend(rows.repositories);
        self.moved.retain(|repo| !asked.contains(repo));
        self.moved.extend(rows.moved);
        self.words = rows.words;
        self.discovered.replace(&ids, rows.discovered, &integration.name, &self.words);
        self.imported.replace(&ids, rows.imported, &integration.name, &self.words);
    }
}
