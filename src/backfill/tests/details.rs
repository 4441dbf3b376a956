//! P5.5: details are capped, budgeted, backfilled and covered like pull requests and commits, in random lives with
//! failing requests, kills, stops and pull requests that change meanwhile.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio_util::sync::CancellationToken;

use super::integration;
use crate::backfill::details::{self, DetailInputs, DetailReport};
use crate::backfill::{Crawl, CutShort};
use crate::model::coverage::Coverage;
use crate::model::{
    Build, Commit, Detail, DetailBody, DetailKind, IngestedRecord, InstanceId, Item, ItemId, PullRequest, RepoKey,
    Repository, SecondaryKind,
};
use crate::source::{
    Ask, Cursor, Finding, ItemPage, Listing, PipelinePage, RepositoryPage, Source, SourceError, Usage,
};
use crate::store::sled::SledStore;
use crate::store::{ItemBatch, Store};

const KINDS: [DetailKind; 4] =
    [DetailKind::Reviews, DetailKind::PullRequestFiles, DetailKind::CommitFiles, DetailKind::Builds];
/// Commits one request tells of, whether they have builds.
const AT_ONCE: usize = 7;

fn at(minutes: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
}

pub(in crate::backfill) fn repository(number: usize) -> Repository {
    Repository::bare(RepoKey::cloud(format!("{{{number}}}")), &format!("repo-{number}"))
}

fn pull_request(id: u64, updated: i64) -> Item {
    Item::PullRequest(PullRequest { created_at: at(0), ..PullRequest::bare(id, at(updated)) })
}

fn commit(number: i64) -> Item {
    Item::Commit(Commit::bare(format!("{number:040x}"), at(number)))
}

/// What goes wrong in a sync.
#[derive(Clone, Copy, Debug, Default)]
struct Trouble {
    budget: Option<u64>,
    fails_every: Option<u64>,
    stops_at: Option<u64>,
    dies_at: Option<u64>,
    /// From this request on it is refused for a limit that the usage does not tell.
    limited_at: Option<u64>,
}

#[derive(Default)]
struct Told {
    trouble: Trouble,
    asked: u64,
    /// How often each was asked for and told.
    of: HashMap<(RepoKey, DetailKind, ItemId), u64>,
    /// Every build has ended.
    has_ended: bool,
    /// Fails whenever it is asked for.
    never: Option<(RepoKey, DetailKind, ItemId)>,
}

impl Told {
    fn count(&mut self) -> Result<u64, SourceError> {
        self.asked += 1;
        match self.trouble.limited_at {
            Some(limit) if self.asked >= limit => Err(SourceError::BudgetExhausted { resume_at: at(60) }),
            _ => Ok(self.asked),
        }
    }
}

/// Of three commits one has no build, one a build that ended, and one a build that runs.
fn build_of(commit: &Item, has_ended: bool) -> DetailBody {
    let state = match commit.at().timestamp() / 60 % 3 {
        0 => return DetailBody::Builds { builds: vec![] },
        1 => "successful",
        _ if has_ended => "successful",
        _ => "in_progress",
    };
    let key = "UNIT".to_owned();
    let build =
        Build { key, name: None, state: state.to_owned(), started_at: Some(commit.at()), ended_at: None, url: None };
    DetailBody::Builds { builds: vec![build] }
}

struct Teller {
    instance: InstanceId,
    told: Mutex<Told>,
    stop: Mutex<CancellationToken>,
    kill: Mutex<CancellationToken>,
    forbids: Option<(RepoKey, DetailKind)>,
    kinds: Vec<DetailKind>,
}

impl Teller {
    async fn meets_trouble(&self) {
        tokio::task::yield_now().await;
        let (asked, trouble) = {
            let told = self.told();
            (told.asked, told.trouble)
        };
        if trouble.stops_at.is_some_and(|stop| asked >= stop) {
            self.stop.lock().unwrap_or_else(PoisonError::into_inner).cancel();
        }
        if trouble.dies_at.is_some_and(|dies| asked >= dies) {
            self.kill.lock().unwrap_or_else(PoisonError::into_inner).cancel();
            std::future::pending::<()>().await;
        }
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, repo: &Repository, kind: DetailKind, of: &Item) -> Result<DetailBody, SourceError> {
        let url = || "http://127.0.0.1/x".to_owned();
        let mut told = self.told();
        let asked = told.count()?;
        if self.forbids.as_ref().is_some_and(|(forbidden, of)| *forbidden == repo.key && *of == kind) {
            return Err(SourceError::Forbidden { url: url(), required: vec![], granted: vec![] });
        }
        if told.trouble.fails_every.is_some_and(|every| asked.is_multiple_of(every))
            || told.never.as_ref() == Some(&(repo.key.clone(), kind, of.id()))
        {
            return Err(SourceError::Server { url: url(), status: 500, attempts: 3 });
        }
        *told.of.entry((repo.key.clone(), kind, of.id())).or_default() += 1;
        if of.id() == ItemId::Number(3) && kind == DetailKind::PullRequestFiles {
            return Err(SourceError::BadRequest { url: url(), status: 400, message: "no common ancestor".to_owned() });
        }
        Ok(match kind {
            DetailKind::Reviews => DetailBody::Reviews { reviews: vec![] },
            DetailKind::Builds => build_of(of, told.has_ended),
            _ => {
                DetailBody::Files { files: vec![], lines_added: None, lines_removed: None, total: 0, truncated: false }
            }
        })
    }
}

#[async_trait]
impl Source for Teller {
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

    async fn secondary(&self, _: &Repository, _: &Ask, _: Option<&Cursor>) -> Result<ItemPage, SourceError> {
        Ok(ItemPage::default())
    }

    fn detail_kinds(&self) -> &[DetailKind] {
        &self.kinds
    }

    async fn detail(&self, repo: &Repository, kind: DetailKind, of: &Item) -> Result<DetailBody, SourceError> {
        self.meets_trouble().await;
        self.answer(repo, kind, of)
    }

    fn details_at_once(&self, kind: DetailKind) -> usize {
        if kind == DetailKind::Builds { AT_ONCE } else { 1 }
    }

    async fn details(
        &self,
        _: &Repository,
        kind: DetailKind,
        of: &[Item],
    ) -> Result<Vec<Option<DetailBody>>, SourceError> {
        assert!(kind == DetailKind::Builds && of.len() <= AT_ONCE);
        self.meets_trouble().await;
        let mut told = self.told();
        let asked = told.count()?;
        if told.trouble.fails_every.is_some_and(|every| asked.is_multiple_of(every)) {
            return Err(SourceError::Server { url: "http://127.0.0.1/x".to_owned(), status: 500, attempts: 3 });
        }
        let has_none = |body: &DetailBody| matches!(body, DetailBody::Builds { builds } if builds.is_empty());
        Ok(of.iter().map(|of| Some(build_of(of, told.has_ended)).filter(has_none)).collect())
    }

    async fn pipelines(&self, _: &Repository, _: Option<&Cursor>) -> Result<PipelinePage, SourceError> {
        self.told().count()?;
        Ok(PipelinePage::default())
    }

    fn usage(&self) -> Usage {
        let told = self.told();
        Usage { remaining: told.trouble.budget.map(|budget| budget.saturating_sub(told.asked)), ..Usage::default() }
    }

    fn budget_snapshot(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    fn listing_credential(&self) -> String {
        "one".to_owned()
    }
}

struct Life {
    store: SledStore,
    teller: Teller,
    repositories: Vec<Repository>,
    now: i64,
    /// Pull requests with their update, commits.
    pulls: Vec<BTreeMap<u64, i64>>,
    commits: Vec<i64>,
    caps: BTreeMap<DetailKind, u64>,
    asks_again: bool,
}

impl Life {
    async fn new(repositories: usize, caps: u64) -> Self {
        Self {
            store: SledStore::temporary().await.expect("a store"),
            teller: Teller {
                instance: InstanceId::cloud(),
                told: Mutex::default(),
                stop: Mutex::new(CancellationToken::new()),
                kill: Mutex::new(CancellationToken::new()),
                forbids: None,
                kinds: KINDS.to_vec(),
            },
            repositories: (0..repositories).map(repository).collect(),
            now: 10,
            pulls: vec![BTreeMap::new(); repositories],
            commits: vec![0; repositories],
            caps: KINDS.map(|kind| (kind, caps)).into(),
            asks_again: false,
        }
    }

    /// As pull requests and commits come: stored with their coverage.
    async fn arrive(&mut self, repo: usize, pulls: &[u64], commits: i64) {
        self.now += 1;
        for id in pulls {
            self.pulls[repo].insert(*id, self.now);
        }
        let before = self.commits[repo];
        self.commits[repo] += commits;
        let key = &self.repositories[repo].key;
        let batch = |kind, items: Vec<Item>, stored| {
            let mut coverage = Coverage::new(key.clone(), kind);
            (coverage.stored, coverage.checked_at) = (stored, Some(at(self.now)));
            ItemBatch { repo: key.clone(), kind, items, coverage }
        };
        let pulls: Vec<Item> = pulls.iter().map(|id| pull_request(*id, self.now)).collect();
        let new: Vec<Item> = (before..self.commits[repo]).map(|n| commit(n * 100 + repo as i64)).collect();
        let batches = vec![
            batch(SecondaryKind::PullRequests, pulls, self.pulls[repo].len() as u64),
            batch(SecondaryKind::Commits, new, self.commits[repo] as u64),
        ];
        let lease = self.store.crawl_lease(&integration(), Duration::ZERO).await.unwrap().expect("nobody crawls");
        self.store.record_items(&lease, batches).await.unwrap();
    }

    /// `None`: it was killed.
    async fn sync(&mut self, trouble: Trouble) -> Option<DetailReport> {
        self.now += 1;
        let before = self.details().await;
        let (stop, kill) = (CancellationToken::new(), CancellationToken::new());
        *self.teller.stop.lock().unwrap() = stop.clone();
        *self.teller.kill.lock().unwrap() = kill.clone();
        {
            let mut told = self.teller.told();
            (told.trouble, told.asked) = (trouble, 0);
        }
        let lease = self.store.crawl_lease(&integration(), Duration::ZERO).await.unwrap().expect("nobody crawls");
        let key = integration();
        let inputs = DetailInputs {
            crawl: Crawl {
                source: &self.teller,
                store: &self.store,
                lease: &lease,
                integration: &key,
                now: at(self.now),
                concurrency: 3,
                stop,
                interval: Duration::from_secs(3 * 3600),
            },
            repositories: self.repositories.clone(),
            kinds: self.caps.clone(),
            asks_again: self.asks_again,
            progress: &|_, _| {},
        };
        let report = tokio::select! {
            biased;
            () = kill.cancelled() => None,
            report = details::run(inputs) => Some(report.expect("the store works")),
        };
        let after = self.details().await;
        for kind in KINDS {
            let written = after.iter().filter(|(of, detail)| of.1 == kind && before.get(*of) != Some(*detail)).count();
            assert!(
                written as u64 <= self.caps.get(&kind).copied().unwrap_or(0),
                "{written} {} in one sync",
                kind.as_str()
            );
        }
        report
    }

    async fn details(&self) -> HashMap<(RepoKey, DetailKind, ItemId), Detail> {
        let mut all = HashMap::new();
        for repo in &self.repositories {
            for kind in KINDS {
                for detail in self.store.details(&integration(), &repo.key, kind, usize::MAX).await.unwrap() {
                    all.insert((repo.key.clone(), kind, detail.of.clone()), detail);
                }
            }
        }
        all
    }

    /// What should be stored in the end.
    fn wanted(&self) -> HashMap<(RepoKey, DetailKind, ItemId), Item> {
        let mut wanted = HashMap::new();
        for (repo, repository) in self.repositories.iter().enumerate() {
            let pulls = self.pulls[repo].iter().map(|(id, updated)| pull_request(*id, *updated));
            let commits = (0..self.commits[repo]).map(|n| commit(n * 100 + repo as i64));
            for item in pulls.chain(commits) {
                for kind in KINDS.into_iter().filter(|kind| kind.of() == Some(item.kind())) {
                    wanted.insert((repository.key.clone(), kind, item.id()), item.clone());
                }
            }
        }
        wanted
    }

    async fn current(&self) -> usize {
        let details = self.details().await;
        let wanted = self.wanted();
        // Builds that were told once may change: they are asked for again, and do not wait.
        let is_told = |of: &(RepoKey, DetailKind, ItemId), item: &Item| {
            details.get(of).is_some_and(|one| of.1 == DetailKind::Builds || one.is_current(of.1, item))
        };
        wanted.iter().filter(|(of, item)| is_told(of, item)).count()
    }

    /// Invariant 7: what is stored and what is told to wait is all there is.
    async fn assert_whole(&self, report: &DetailReport) {
        let backlog: u64 = report.counts.values().map(|counts| counts.backlog).sum();
        assert_eq!(self.current().await as u64 + backlog, self.wanted().len() as u64, "{report:?}");
    }
}

/// P5.5, P5.3, invariant 7: over syncs with failures, kills, stops and small budgets, and pull requests that change,
/// everything is told in the end, within the caps, and nothing is asked twice that was told and did not change.
#[tokio::test]
async fn details_are_capped_and_none_is_lost_in_random_lives_p5_5() {
    let seeds = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(24);
    for seed in 0..seeds {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut life = Life::new(rng.random_range(1..5), rng.random_range(1..60)).await;
        for _ in 0..rng.random_range(2..8) {
            for repo in 0..life.repositories.len() {
                let pulls: Vec<u64> = (1..rng.random_range(2..40)).filter(|_| rng.random_bool(0.3)).collect();
                let commits = rng.random_range(0..30);
                life.arrive(repo, &pulls, commits).await;
            }
            let trouble = Trouble {
                budget: rng.random_bool(0.3).then(|| rng.random_range(0..30)),
                fails_every: rng.random_bool(0.3).then(|| rng.random_range(1..9)),
                stops_at: rng.random_bool(0.2).then(|| rng.random_range(0..20)),
                dies_at: rng.random_bool(0.2).then(|| rng.random_range(0..20)),
                limited_at: rng.random_bool(0.2).then(|| rng.random_range(1..30)),
            };
            if let Some(report) = life.sync(trouble).await {
                life.assert_whole(&report).await;
                if trouble.limited_at.is_some_and(|limit| life.teller.told().asked >= limit) {
                    assert!(report.cut_short.is_some(), "seed {seed}: {report:?}");
                }
                if let Some(budget) = trouble.budget {
                    // Requests under way when the last of the budget went.
                    assert!(life.teller.told().asked <= budget + 3, "seed {seed}");
                }
            }
        }
        let mut syncs = 0;
        loop {
            let report = life.sync(Trouble::default()).await.expect("nobody kills it");
            life.assert_whole(&report).await;
            if report.counts.values().all(|counts| counts.backlog == 0) {
                break;
            }
            syncs += 1;
            assert!(syncs < 500, "seed {seed} stands still: {report:?}");
        }
        assert_eq!(life.current().await, life.wanted().len(), "seed {seed}");
        // Builds end, and those that never began are given up after a week.
        life.teller.told().has_ended = true;
        life.now += 60 * 24 * 60;
        life.caps.insert(DetailKind::Builds, 10_000);
        let mut syncs = 0;
        loop {
            life.sync(Trouble::default()).await.expect("nobody kills it");
            if life.teller.told().asked == 0 {
                break;
            }
            syncs += 1;
            assert!(syncs < 5, "seed {seed}: an unchanged sync asks nothing");
        }
        let details = life.details().await;
        for ((_, _, of), detail) in details.iter().filter(|(of, _)| of.1 == DetailKind::Builds) {
            let runs = matches!(&detail.body, DetailBody::Builds { builds } if builds.iter().any(Build::is_running));
            assert!(!runs, "seed {seed}: {of:?}");
        }
    }
}

/// P2.11, P5.7: what one repository forbids is said, counted as waiting, and left alone for an hour or until a sweep; the
/// others are served.
#[tokio::test]
async fn what_a_repository_forbids_waits_and_is_asked_for_again_p5_7() {
    let mut life = Life::new(2, 100).await;
    life.arrive(0, &[1, 2], 0).await;
    life.arrive(1, &[1, 2], 0).await;
    life.teller.forbids = Some((life.repositories[0].key.clone(), DetailKind::Reviews));
    let counts = |report: &DetailReport| {
        let of = &report.counts[&DetailKind::Reviews];
        (of.stored, of.backlog, of.repositories_waiting)
    };
    let report = life.sync(Trouble::default()).await.expect("nobody kills it");
    assert_eq!((&report.errors, &report.refused), (&vec![], &vec![]));
    assert_eq!(report.notes.len(), 1, "{:?}", report.notes);
    assert_eq!(counts(&report), (2, 0, 1));
    assert_eq!(report.counts[&DetailKind::PullRequestFiles].stored, 4);
    let asked = |life: &Life| life.teller.told().asked;
    let report = life.sync(Trouble::default()).await.expect("nobody kills it");
    assert_eq!((asked(&life), counts(&report)), (0, (0, 0, 1)));
    let refused: Vec<_> = report.refused.iter().map(|one| (one.full_name.as_str(), one.kind)).collect();
    assert_eq!(refused, [("acme/repo-0", "reviews")]);
    // With a sweep it is asked for at once, and refused anew.
    life.asks_again = true;
    let report = life.sync(Trouble::default()).await.expect("nobody kills it");
    assert_eq!((asked(&life), counts(&report), report.refused.len()), (1, (0, 0, 1), 0));
    life.asks_again = false;
    life.sync(Trouble::default()).await.expect("nobody kills it");
    assert_eq!(asked(&life), 0);
    life.now += 61;
    life.teller.forbids = None;
    let report = life.sync(Trouble::default()).await.expect("nobody kills it");
    assert_eq!((asked(&life), counts(&report)), (2, (2, 0, 0)));
}

/// P5.6: a limit that only a refusal tells of (of Data Center, or of an OAuth token) ends the sync as the hour's end
/// does, in the very last request, too: what is left is no whole sync.
#[tokio::test]
async fn a_limit_met_by_the_last_request_ends_the_sync_p5_6() {
    // Of three commits one has no build, which the first request tells; the others, newer, are asked for by
    // themselves.
    for (kind, limited_at, backlog) in [
        (DetailKind::Reviews, 2, 1),
        (DetailKind::CommitFiles, 3, 1),
        (DetailKind::Builds, 1, 3),
        (DetailKind::Builds, 3, 2),
        (DetailKind::Pipelines, 1, 0),
    ] {
        let mut life = Life::new(1, 0).await;
        life.arrive(0, &[1, 2], 3).await;
        life.teller.kinds = vec![kind];
        life.caps = [(kind, 100)].into();
        let report = life.sync(Trouble { limited_at: Some(limited_at), ..Trouble::default() }).await;
        let report = report.expect("nobody kills it");
        assert_eq!((report.cut_short, report.errors), (Some(CutShort::RateLimited), vec![]), "{kind:?}");
        assert_eq!((life.teller.told().asked, report.counts[&kind].backlog), (limited_at, backlog), "{kind:?}");
    }
}

/// Facts 1.4: a pull request whose branches share no ancestor never tells its files, and does not keep the rest.
#[tokio::test]
async fn what_can_never_be_told_is_noted_once() {
    let mut life = Life::new(1, 100).await;
    life.arrive(0, &[1, 2, 3, 4], 0).await;
    let report = life.sync(Trouble::default()).await.expect("nobody kills it");
    assert_eq!((report.counts[&DetailKind::PullRequestFiles].backlog, report.errors), (0, vec![]));
    let details = life.details().await;
    let of = (life.repositories[0].key.clone(), DetailKind::PullRequestFiles, ItemId::Number(3));
    assert!(matches!(&details[&of].body, DetailBody::Unavailable { reason } if reason.contains("no common ancestor")));
}

/// P5.3: no repository starves: each has its turn before anybody has a second one.
#[tokio::test]
async fn every_repository_has_its_turn() {
    let mut life = Life::new(3, 30).await;
    life.caps = [(DetailKind::CommitFiles, 30)].into();
    life.arrive(0, &[], 200).await;
    life.arrive(1, &[], 5).await;
    life.arrive(2, &[], 5).await;
    life.sync(Trouble::default()).await.expect("nobody kills it");
    let details = life.details().await;
    let of = |repo: usize| details.keys().filter(|(key, ..)| *key == life.repositories[repo].key).count();
    assert_eq!((of(0), of(1), of(2)), (20, 5, 5));
}

/// P5.5, P5.3: builds that run are asked for again in turns behind what was never read, and written only when there is
/// news.
#[tokio::test]
async fn builds_that_run_are_asked_for_again_and_keep_nobody_waiting() {
    let mut life = Life::new(1, 6).await;
    // Ten each: none, ended, running.
    life.arrive(0, &[], 30).await;
    life.caps = [(DetailKind::Builds, 6)].into();
    let mut told = 0;
    for _ in 0..5 {
        let report = life.sync(Trouble::default()).await.expect("nobody kills it");
        told += report.counts[&DetailKind::Builds].stored;
        assert_eq!(report.counts[&DetailKind::Builds].backlog, 30 - told, "what was never read goes first");
    }
    assert_eq!(told, 30);
    let before = life.details().await;
    for _ in 0..4 {
        let report = life.sync(Trouble::default()).await.expect("nobody kills it");
        assert_eq!((report.counts[&DetailKind::Builds].stored, report.counts[&DetailKind::Builds].backlog), (0, 0));
    }
    assert_eq!(life.details().await, before);
    life.teller.told().has_ended = true;
    let mut ended = 0;
    for _ in 0..4 {
        ended += life.sync(Trouble::default()).await.expect("nobody kills it").counts[&DetailKind::Builds].stored;
    }
    assert_eq!(ended, 10, "each of those that ran, once");
}

/// P2.11, facts 1.4: one that fails whenever it is asked for (a diff that takes too long) does not keep the others.
#[tokio::test]
async fn one_that_always_fails_keeps_nobody_waiting() {
    let mut life = Life::new(1, 100).await;
    life.arrive(0, &[1, 2, 4, 5], 0).await;
    life.caps = [(DetailKind::Reviews, 100)].into();
    life.teller.told().never = Some((life.repositories[0].key.clone(), DetailKind::Reviews, ItemId::Number(5)));
    let mut backlogs = Vec::new();
    for _ in 0..3 {
        let report = life.sync(Trouble::default()).await.expect("nobody kills it");
        assert_eq!(report.errors.len(), 1);
        backlogs.push(report.counts[&DetailKind::Reviews].backlog);
    }
    assert_eq!(backlogs.last(), Some(&1), "{backlogs:?}");
}
