//! A random world and a source over it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio_util::sync::CancellationToken;

use crate::model::{
    Commit, Fingerprint, IngestedRecord, InstanceId, Item, KnownRepository, Presence, PullRequest, PullRequestState,
    RepoKey, Repository, SecondaryKind,
};
use crate::source::{Ask, Cursor, Finding, ItemPage, Listing, RepositoryPage, Source, SourceError, Usage};

/// What kind of world.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traits {
    /// The server forgets commits no branch reaches.
    pub forgets: bool,
    /// Settings are extended on the way.
    pub extends: bool,
    /// Things change between the requests of a sync.
    pub moves: bool,
}

/// What goes wrong in one sync.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    fails: f64,
    refuses: f64,
    budget: Option<u64>,
    dies_at_request: Option<u64>,
    dies_at_write: Option<u64>,
    stops_at_request: Option<u64>,
    /// Things change between the requests, where the world does so at all.
    moves: bool,
    /// Repositories that the credential may not see.
    hides: f64,
    /// The machine's clock is behind by so much.
    behind: TimeDelta,
}

impl Faults {
    /// So many requests, and no more.
    pub fn budget(requests: u64) -> Self {
        Self { budget: Some(requests), ..Self::default() }
    }

    /// Everything is forbidden.
    pub fn refused() -> Self {
        Self { refuses: 1.0, ..Self::default() }
    }

    /// Every request fails on the server's side.
    pub fn failing() -> Self {
        Self { fails: 1.0, ..Self::default() }
    }

    /// The machine's clock is ahead by so much.
    pub fn ahead(self, ahead: TimeDelta) -> Self {
        Self { behind: -ahead, ..self }
    }

    pub fn random(rng: &mut StdRng) -> Self {
        let mut maybe = |chance: f64, most: u64| rng.random_bool(chance).then(|| rng.random_range(0..most));
        Self {
            budget: maybe(0.15, 12),
            dies_at_request: maybe(0.25, 12),
            dies_at_write: maybe(0.25, 8),
            stops_at_request: maybe(0.1, 12),
            fails: [0.0, 0.0, 0.2][rng.random_range(0..3)],
            moves: true,
            refuses: if rng.random_bool(0.1) { 0.2 } else { 0.0 },
            hides: if rng.random_bool(0.1) { 0.5 } else { 0.0 },
            behind: TimeDelta::hours(if rng.random_bool(0.1) { rng.random_range(-99..99) } else { 0 }),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Node {
    pub parents: Vec<String>,
    pub at: DateTime<Utc>,
    pub sequence: u64,
}

#[derive(Clone, Debug)]
pub struct Repo {
    pub key: RepoKey,
    pub updated_on: DateTime<Utc>,
    pub branch: Option<String>,
    pub head: Option<String>,
    pub commits: BTreeMap<String, Node>,
    pub forgotten: BTreeSet<String>,
    pub pull_requests: BTreeMap<u64, PullRequest>,
    /// Ids and updates when the first page was first answered, newest first.
    pub pull_requests_then: Option<Vec<(u64, DateTime<Utc>)>>,
    /// Created or updated since.
    pub touched: BTreeSet<u64>,
    /// Head when the first page was first answered.
    pub head_then: Option<String>,
}

impl Repo {
    fn empty(index: usize, branch: Option<String>, updated_on: DateTime<Utc>) -> Self {
        Self {
            key: RepoKey::cloud(format!("{{{index}}}")),
            updated_on,
            branch,
            head: None,
            commits: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            pull_requests: BTreeMap::new(),
            pull_requests_then: None,
            touched: BTreeSet::new(),
            head_then: None,
        }
    }

    pub fn reach(&self, heads: &[String]) -> HashSet<String> {
        let mut reached = HashSet::new();
        let mut next: Vec<_> = heads.to_vec();
        while let Some(hash) = next.pop() {
            if let Some(node) = self.commits.get(&hash)
                && reached.insert(hash)
            {
                next.extend(node.parents.iter().cloned());
            }
        }
        reached
    }

    /// As `git log` prints: newest first, children before parents.
    pub fn log(&self, include: &[String], exclude: &[String]) -> Vec<String> {
        let excluded = self.reach(exclude);
        let mut rows: Vec<_> = self.reach(include).into_iter().filter(|hash| !excluded.contains(hash)).collect();
        rows.sort_by_key(|hash| std::cmp::Reverse(self.commits[hash].sequence));
        rows
    }

    fn newest_first(&self) -> Vec<&PullRequest> {
        let mut rows: Vec<_> = self.pull_requests.values().collect();
        rows.sort_by_key(|row| (std::cmp::Reverse(row.updated_at), row.id));
        rows
    }
}

#[derive(Debug)]
pub struct World {
    pub traits: Traits,
    pub clock: DateTime<Utc>,
    pub repos: Vec<Repo>,
    sequence: u64,
    tells_size: bool,
    names_all_unknown: bool,
    pull_requests_per_page: usize,
    commits_per_page: usize,
}

impl World {
    pub fn random(rng: &mut StdRng, traits: Traits) -> Self {
        let clock = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
        let mut world = Self {
            traits,
            clock,
            repos: vec![],
            sequence: 0,
            tells_size: rng.random_bool(0.7),
            names_all_unknown: rng.random_bool(0.5),
            // A page full of one instant can only be followed by its `next`, which skips what leaves
            // the listing meanwhile: 50 updates at one microsecond are not part of the promise.
            pull_requests_per_page: rng.random_range(if traits.moves { 2 } else { 1 }..6),
            commits_per_page: rng.random_range(1..7),
        };
        for index in 0..rng.random_range(1..5) {
            // Some name a default branch before there is a commit.
            let branch = rng.random_bool(0.2).then(|| "main".to_owned());
            world.repos.push(Repo::empty(index, branch, clock));
        }
        for _ in 0..rng.random_range(0..40) {
            world.change(rng);
        }
        world
    }

    /// One empty repository, two rows a page.
    pub fn told(traits: Traits) -> Self {
        let clock = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
        Self {
            traits,
            clock,
            repos: vec![Repo::empty(0, None, clock)],
            sequence: 0,
            tells_size: true,
            names_all_unknown: true,
            pull_requests_per_page: 2,
            commits_per_page: 2,
        }
    }

    /// Pages that a look at the newest pull requests of every repository takes.
    pub fn pages_of_the_newest_instant(&self) -> u64 {
        let pages = |repo: &Repo| {
            let newest = repo.pull_requests.values().map(|row| row.updated_at).max();
            let rows = repo.pull_requests.values().filter(|row| Some(row.updated_at) == newest).count();
            rows.div_ceil(self.pull_requests_per_page).max(1) as u64
        };
        self.repos.iter().map(pages).sum()
    }

    fn tick(&mut self, rng: &mut StdRng) -> DateTime<Utc> {
        if self.traits.moves || rng.random_bool(0.85) {
            self.clock += TimeDelta::minutes(1);
        }
        self.clock
    }

    fn commit(&mut self, repo: usize, parents: Vec<String>, rng: &mut StdRng) -> String {
        self.sequence += 1;
        let hash = format!("{:08x}{:032x}", (self.sequence as u32).wrapping_mul(2_654_435_761), self.sequence);
        let node = Node { parents, at: self.tick(rng), sequence: self.sequence };
        self.repos[repo].commits.insert(hash.clone(), node);
        hash
    }

    fn chain(&mut self, repo: usize, mut head: Option<String>, length: u64, rng: &mut StdRng) -> Option<String> {
        for _ in 0..length {
            head = Some(self.commit(repo, head.into_iter().collect(), rng));
        }
        head
    }

    fn ancestor(&self, repo: usize, steps: u64) -> Option<String> {
        let repo = &self.repos[repo];
        let mut hash = repo.head.clone()?;
        for _ in 0..steps {
            match repo.commits[&hash].parents.first() {
                Some(parent) => hash = parent.clone(),
                None => break,
            }
        }
        Some(hash)
    }

    /// Something happens.
    pub fn change(&mut self, rng: &mut StdRng) {
        let index = rng.random_range(0..self.repos.len());
        match rng.random_range(0..10) {
            0..=2 => self.open_pull_requests(index, rng),
            3..=4 => self.update_pull_request(index, rng),
            other => {
                let head = match other {
                    5..=6 => {
                        let length = rng.random_range(1..7);
                        let head = self.repos[index].head.clone();
                        self.chain(index, head, length, rng)
                    }
                    7 => self.merge(index, rng),
                    8 => {
                        let base = self.ancestor(index, rng.random_range(1..6));
                        let length = rng.random_range(0..4);
                        self.chain(index, base, length, rng)
                    }
                    _ => {
                        let name = [Some("main"), Some("main"), Some("trunk/next"), Some("trunk/next"), None];
                        let name = name[rng.random_range(0..5)].map(str::to_owned);
                        if self.repos[index].branch.is_some() {
                            self.repos[index].branch = name;
                        }
                        None
                    }
                };
                self.move_branch(index, head, rng);
            }
        }
    }

    fn move_branch(&mut self, index: usize, head: Option<String>, rng: &mut StdRng) {
        let updated_on = self.tick(rng);
        let repo = &mut self.repos[index];
        // A second change at the same microsecond could not be told from the first.
        let updated_on = updated_on.max(repo.updated_on + TimeDelta::microseconds(1));
        if head.is_some() {
            repo.branch.get_or_insert_with(|| "main".to_owned());
            repo.head = head;
        }
        repo.updated_on = updated_on;
        if self.traits.forgets {
            let kept = repo.reach(&repo.head.iter().cloned().collect::<Vec<_>>());
            repo.forgotten = repo.commits.keys().filter(|hash| !kept.contains(*hash)).cloned().collect();
        }
    }

    fn merge(&mut self, index: usize, rng: &mut StdRng) -> Option<String> {
        let base = self.ancestor(index, rng.random_range(0..8))?;
        let length = rng.random_range(1..4);
        let side = self.chain(index, Some(base), length, rng)?;
        let ahead = rng.random_range(0..3);
        let head = self.repos[index].head.clone();
        let head = self.chain(index, head, ahead, rng)?;
        Some(self.commit(index, vec![head, side], rng))
    }

    fn open_pull_requests(&mut self, index: usize, rng: &mut StdRng) {
        for _ in 0..rng.random_range(1..5) {
            let at = self.tick(rng);
            self.open_pull_request(index, at);
            let repo = &mut self.repos[index];
            if rng.random_bool(0.7) {
                repo.updated_on = at.max(repo.updated_on);
            }
        }
    }

    fn open_pull_request(&mut self, index: usize, at: DateTime<Utc>) {
        let repo = &mut self.repos[index];
        let id = repo.pull_requests.len() as u64 + 1;
        let pull_request = PullRequest { title: "new".to_owned(), ..PullRequest::bare(id, at) };
        repo.pull_requests.insert(id, pull_request);
        repo.touched.insert(id);
    }

    fn update_pull_request(&mut self, index: usize, rng: &mut StdRng) {
        let at = self.tick(rng);
        let repo = &mut self.repos[index];
        let count = repo.pull_requests.len() as u64;
        if count == 0 {
            return;
        }
        let id = rng.random_range(1..=count);
        repo.touched.insert(id);
        let Some(pull_request) = repo.pull_requests.get_mut(&id) else { return };
        pull_request.updated_at = at;
        pull_request.title = format!("updated {at} {}", rng.random_range(0..1000));
        let states = [PullRequestState::Open, PullRequestState::Merged, PullRequestState::Declined];
        pull_request.state = states[rng.random_range(0..3)].clone();
        if rng.random_bool(0.3) {
            repo.updated_on = at.max(repo.updated_on);
        }
    }
}

struct State {
    world: World,
    rng: StdRng,
    faults: Faults,
    kill: CancellationToken,
    stop: CancellationToken,
    requests_this_sync: u64,
    writes_this_sync: u64,
    requests: (u64, u64),
}

/// The world as a source.
pub struct Fake {
    instance: InstanceId,
    state: Mutex<State>,
}

impl Fake {
    pub fn new(world: World, seed: u64) -> Self {
        let state = State {
            world,
            rng: StdRng::seed_from_u64(seed),
            faults: Faults::default(),
            kill: CancellationToken::new(),
            stop: CancellationToken::new(),
            requests_this_sync: 0,
            writes_this_sync: 0,
            requests: (0, 0),
        };
        Self { instance: InstanceId::cloud(), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Forgets what first fetches saw that were not recorded; returns the present instant.
    pub fn begin_sync(
        &self,
        faults: Faults,
        kill: CancellationToken,
        stop: CancellationToken,
        fetched: &[(RepoKey, SecondaryKind)],
    ) -> DateTime<Utc> {
        let mut state = self.state();
        (state.faults, state.kill, state.stop) = (faults, kill, stop);
        (state.requests_this_sync, state.writes_this_sync) = (0, 0);
        for repo in &mut state.world.repos {
            if !fetched.contains(&(repo.key.clone(), SecondaryKind::PullRequests)) {
                repo.pull_requests_then = None;
            }
            if !fetched.contains(&(repo.key.clone(), SecondaryKind::Commits)) {
                repo.head_then = None;
            }
        }
        state.world.clock - state.faults.behind
    }

    pub fn is_killed_by_a_write(&self) -> bool {
        let mut state = self.state();
        state.writes_this_sync += 1;
        state.faults.dies_at_write.is_some_and(|write| state.writes_this_sync > write)
    }

    pub fn pass(&self, time: TimeDelta) {
        self.state().world.clock += time;
    }

    pub fn change(&self, times: u32) {
        let state = &mut *self.state();
        // Instants are shared among changes, but not with what a sync saw before.
        state.world.clock += TimeDelta::seconds(1);
        for _ in 0..times {
            state.world.change(&mut state.rng);
        }
    }

    /// New commits on the branch.
    pub fn push(&self, repo: usize, commits: u64) {
        let State { world, rng, .. } = &mut *self.state();
        let head = world.repos[repo].head.clone();
        let head = world.chain(repo, head, commits, rng);
        world.move_branch(repo, head, rng);
    }

    /// A branch that left it so many commits ago, merged.
    pub fn merge(&self, repo: usize, back: u64, commits: u64) {
        let State { world, rng, .. } = &mut *self.state();
        let base = world.ancestor(repo, back);
        let side = world.chain(repo, base, commits, rng);
        let parents = world.repos[repo].head.clone().into_iter().chain(side).collect();
        let head = world.commit(repo, parents, rng);
        world.move_branch(repo, Some(head), rng);
    }

    /// Other commits that have nothing in common with those before.
    pub fn replace_history(&self, repo: usize, commits: u64) {
        let State { world, rng, .. } = &mut *self.state();
        let head = world.chain(repo, None, commits, rng);
        world.move_branch(repo, head, rng);
    }

    /// Another name for the default branch, or none.
    pub fn name_branch(&self, repo: usize, name: Option<&str>) {
        let State { world, rng, .. } = &mut *self.state();
        world.repos[repo].branch = name.map(str::to_owned);
        world.move_branch(repo, None, rng);
    }

    /// So many branches that left it together, merged one after the other.
    pub fn merge_many(&self, repo: usize, branches: usize) {
        let State { world, rng, .. } = &mut *self.state();
        let base = world.repos[repo].head.clone();
        let sides: Vec<_> = (0..branches).filter_map(|_| world.chain(repo, base.clone(), 1, rng)).collect();
        let mut head = base;
        for side in sides {
            let parents = head.into_iter().chain([side]).collect();
            head = Some(world.commit(repo, parents, rng));
        }
        world.move_branch(repo, head, rng);
    }

    /// Its pull requests are declined.
    pub fn close_pull_requests(&self, repo: usize) {
        let State { world, .. } = &mut *self.state();
        world.clock += TimeDelta::minutes(1);
        let at = world.clock;
        let repo = &mut world.repos[repo];
        for (id, pull_request) in &mut repo.pull_requests {
            pull_request.updated_at = at;
            pull_request.state = PullRequestState::Declined;
            repo.touched.insert(*id);
        }
    }

    /// A pull request changes, and the date of the repository does not.
    pub fn update_quietly(&self, repo: usize, id: u64) {
        let State { world, .. } = &mut *self.state();
        world.clock += TimeDelta::minutes(1);
        let repo = &mut world.repos[repo];
        repo.touched.insert(id);
        if let Some(pull_request) = repo.pull_requests.get_mut(&id) {
            pull_request.updated_at = world.clock;
            pull_request.title = "quietly".to_owned();
        }
    }

    /// Pull requests, all updated at this one instant.
    pub fn open_at_once(&self, repo: usize, count: u64) {
        let State { world, .. } = &mut *self.state();
        let at = world.clock;
        for _ in 0..count {
            world.open_pull_request(repo, at);
        }
        world.repos[repo].updated_on = at;
    }

    pub fn requests(&self) -> (u64, u64) {
        self.state().requests
    }

    pub fn world(&self) -> impl std::ops::Deref<Target = World> + '_ {
        struct Guard<'a>(MutexGuard<'a, State>);
        impl std::ops::Deref for Guard<'_> {
            type Target = World;
            fn deref(&self) -> &World {
                &self.0.world
            }
        }
        Guard(self.state())
    }

    pub fn known(&self) -> Vec<KnownRepository> {
        let State { world, rng, faults, .. } = &mut *self.state();
        let known = |repo: &Repo| KnownRepository {
            repository: Repository {
                default_branch: repo.branch.clone(),
                updated_on: Some(repo.updated_on),
                ..Repository::bare(repo.key.clone(), &repo.key.id)
            },
            fingerprint: Fingerprint([0; 16]),
            presence: if rng.random_bool(faults.hides) {
                Presence::Inaccessible { reason: "forbidden".to_owned() }
            } else {
                Presence::Present
            },
            first_seen: DateTime::UNIX_EPOCH,
            last_changed: DateTime::UNIX_EPOCH,
            first_seen_under_auto_import: false,
            former_names: vec![],
        };
        world.repos.iter().map(known).collect()
    }
}

impl State {
    fn answer(&mut self, key: &RepoKey, ask: &Ask, cursor: Option<&Cursor>) -> Result<ItemPage, SourceError> {
        let url = || "https://fake.invalid".to_owned();
        if self.rng.random_bool(self.faults.fails) {
            return Err(match cursor {
                Some(_) if self.rng.random_bool(0.5) => {
                    let source = Box::new(SourceError::NotFound { url: url() });
                    SourceError::Incomplete { page: 2, source }
                }
                _ => SourceError::Server { url: url(), status: 500, attempts: 4 },
            });
        }
        if cursor.is_none() && self.rng.random_bool(self.faults.refuses) {
            return Err(SourceError::Forbidden { url: url(), required: vec![], granted: vec![] });
        }
        if self.faults.budget.is_some_and(|budget| self.requests_this_sync > budget) {
            return Err(SourceError::BudgetExhausted { resume_at: self.world.clock });
        }
        let Some(index) = self.world.repos.iter().position(|repo| repo.key == *key) else {
            return Err(SourceError::NotFound { url: url() });
        };
        match ask {
            Ask::PullRequests { from, to } => {
                self.requests.0 += 1;
                Ok(self.pull_requests(index, *from, *to, cursor))
            }
            Ask::Commits { include, exclude } => {
                self.requests.1 += 1;
                self.commits(index, include, exclude, cursor)
            }
        }
    }

    /// Page numbers over a mutable order, as Bitbucket has them.
    fn pull_requests(
        &mut self,
        index: usize,
        from: Option<DateTime<Utc>>,
        to: Option<DateTime<Utc>>,
        cursor: Option<&Cursor>,
    ) -> ItemPage {
        let per_page = self.world.pull_requests_per_page;
        let tells_size = self.world.tells_size;
        let repo = &mut self.world.repos[index];
        if repo.pull_requests_then.is_none() {
            repo.pull_requests_then = Some(repo.newest_first().iter().map(|row| (row.id, row.updated_at)).collect());
            repo.touched.clear();
        }
        let rows: Vec<_> = repo
            .newest_first()
            .into_iter()
            .filter(|row| from.is_none_or(|from| row.updated_at >= from) && to.is_none_or(|to| row.updated_at <= to))
            .cloned()
            .map(Item::PullRequest)
            .collect();
        let offset = cursor.map_or(0, |cursor| cursor.0.parse().expect("our own cursor"));
        let end = (offset + per_page).min(rows.len());
        ItemPage {
            items: rows.get(offset..end).unwrap_or_default().to_vec(),
            unreadable: vec![],
            next: (end < rows.len()).then(|| Cursor(end.to_string())),
            size: tells_size.then_some(rows.len() as u64),
            head: None,
        }
    }

    fn commits(
        &mut self,
        index: usize,
        include: &[String],
        exclude: &[String],
        cursor: Option<&Cursor>,
    ) -> Result<ItemPage, SourceError> {
        let (per_page, names_all) = (self.world.commits_per_page, self.world.names_all_unknown);
        let repo = &mut self.world.repos[index];
        let is_branch = |revision: &String| repo.branch.as_ref() == Some(revision);
        let (mut heads, mut offset) = (include.to_vec(), 0);
        if include.iter().any(is_branch) {
            heads = repo.head.iter().cloned().collect();
        }
        if let Some((pinned, at)) = cursor.and_then(|cursor| cursor.0.split_once(':')) {
            heads = pinned.split(',').map(str::to_owned).collect();
            offset = at.parse().expect("our own cursor");
        } else {
            let named = exclude.iter().chain(include.iter().filter(|revision| !is_branch(revision)));
            let mut unknown: Vec<_> = named
                .filter(|hash| !repo.commits.contains_key(*hash) || repo.forgotten.contains(*hash))
                .map(|hash| hash[..12.min(hash.len())].to_owned())
                .collect();
            if !unknown.is_empty() {
                if !names_all {
                    unknown.truncate(2);
                }
                return Err(SourceError::UnknownCommits { hashes: unknown });
            }
        }
        if repo.head_then.is_none() {
            repo.head_then = Some(heads.first().cloned().unwrap_or_default());
        }
        let rows = repo.log(&heads, exclude);
        let end = (offset + per_page).min(rows.len());
        let item = |hash: &String| {
            let node = &repo.commits[hash];
            Item::Commit(Commit { parents: node.parents.clone(), ..Commit::bare(hash, node.at) })
        };
        Ok(ItemPage {
            items: rows.get(offset..end).unwrap_or_default().iter().map(item).collect(),
            unreadable: vec![],
            next: (end < rows.len()).then(|| Cursor(format!("{}:{end}", heads.join(",")))),
            size: None,
            head: None,
        })
    }
}

#[async_trait]
impl Source for Fake {
    fn instance(&self) -> &InstanceId {
        &self.instance
    }

    async fn preflight(&self) -> Vec<Finding> {
        vec![]
    }

    async fn repositories(&self, _: &Listing, _: Option<&Cursor>) -> Result<RepositoryPage, SourceError> {
        Ok(RepositoryPage::default())
    }

    async fn count(&self) -> Result<Option<u64>, SourceError> {
        Ok(None)
    }

    async fn repository(&self, _: &Repository) -> Result<Option<IngestedRecord>, SourceError> {
        Ok(None)
    }

    async fn secondary(&self, repo: &Repository, ask: &Ask, cursor: Option<&Cursor>) -> Result<ItemPage, SourceError> {
        // Answers come in another order than requests went out.
        let delays = self.state().rng.random_range(0..4);
        for _ in 0..delays {
            tokio::task::yield_now().await;
        }
        let is_killed = {
            let state = &mut *self.state();
            state.requests_this_sync += 1;
            if state.world.traits.moves && state.faults.moves && state.rng.random_bool(0.3) {
                state.world.change(&mut state.rng);
            }
            let dies = state.faults.dies_at_request.is_some_and(|at| state.requests_this_sync > at);
            if dies {
                state.kill.cancel();
            }
            if state.faults.stops_at_request.is_some_and(|at| state.requests_this_sync > at) {
                state.stop.cancel();
            }
            dies
        };
        if is_killed {
            std::future::pending::<()>().await;
        }
        self.state().answer(&repo.key, ask, cursor)
    }

    fn usage(&self) -> Usage {
        Usage::default()
    }

    fn budget_snapshot(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    fn listing_credential(&self) -> String {
        String::new()
    }
}
