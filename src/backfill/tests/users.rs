//! P5.5: the people of an integration are capped, backfilled and forgotten, in random lives with failing pages, budgets,
//! stops and kills, while people come, change and leave.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio_util::sync::CancellationToken;

use super::integration;
use crate::backfill::Crawl;
use crate::backfill::users::{self, UserInputs, UserReport};
use crate::model::{IngestedRecord, InstanceId, Repository, User, UserKind};
use crate::source::{Ask, Cursor, Finding, ItemPage, Listing, RepositoryPage, Source, SourceError, Usage, UserPage};
use crate::store::Store;
use crate::store::sled::SledStore;

const PAGE: usize = 5;

fn at(hours: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::hours(hours)
}

fn user(id: &str, name: u32) -> User {
    User {
        id: id.to_owned(),
        name: Some(format!("name {name}")),
        nickname: None,
        kind: UserKind::Person,
        active: Some(true),
        url: None,
    }
}

/// What goes wrong in a sync, by the number of the request.
#[derive(Clone, Copy, Debug, Default)]
struct Trouble {
    budget: Option<u64>,
    fails_at: Option<u64>,
    stops_at: Option<u64>,
    dies_at: Option<u64>,
}

#[derive(Default)]
struct Register {
    people: BTreeMap<String, u32>,
    trouble: Trouble,
    asked: u64,
    is_closed: bool,
    has_bad_row: bool,
    stop: CancellationToken,
    kill: CancellationToken,
}

struct Teller {
    instance: InstanceId,
    register: Mutex<Register>,
}

impl Teller {
    fn register(&self) -> MutexGuard<'_, Register> {
        self.register.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn tells_users(&self) -> bool {
        true
    }

    async fn users(&self, cursor: Option<&Cursor>) -> Result<UserPage, SourceError> {
        tokio::task::yield_now().await;
        let url = || "http://127.0.0.1/users".to_owned();
        let dies = {
            let mut register = self.register();
            register.asked += 1;
            let (asked, trouble) = (register.asked, register.trouble);
            if trouble.stops_at == Some(asked) {
                register.stop.cancel();
            }
            if trouble.fails_at == Some(asked) {
                return Err(SourceError::Server { url: url(), status: 500, attempts: 3 });
            }
            if register.is_closed {
                return Err(SourceError::Forbidden { url: url(), required: vec![], granted: vec![] });
            }
            (trouble.dies_at == Some(asked)).then(|| register.kill.clone())
        };
        if let Some(kill) = dies {
            kill.cancel();
            std::future::pending::<()>().await;
        }
        let register = self.register();
        let start: usize = cursor.map_or(0, |cursor| cursor.0.parse().expect("ours"));
        let users = register.people.iter().skip(start).take(PAGE).map(|(id, name)| user(id, *name)).collect();
        let next = (start + PAGE < register.people.len()).then(|| Cursor((start + PAGE).to_string()));
        let unreadable = if register.has_bad_row { vec!["a row that is nobody".to_owned()] } else { vec![] };
        Ok(UserPage { users, unreadable, next })
    }

    fn usage(&self) -> Usage {
        let register = self.register();
        let remaining = register.trouble.budget.map(|budget| budget.saturating_sub(register.asked));
        Usage { remaining, ..Usage::default() }
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
    per_sync: u64,
    /// In hours.
    now: i64,
}

impl Life {
    async fn new(per_sync: u64) -> Self {
        let teller = Teller { instance: InstanceId::cloud(), register: Mutex::default() };
        Self { store: SledStore::temporary().await.expect("a store"), teller, per_sync, now: 0 }
    }

    async fn stored(&self) -> BTreeMap<String, User> {
        let users = self.store.users(&integration()).await.expect("the store works");
        users.into_iter().map(|user| (user.id.clone(), user)).collect()
    }

    fn listed(&self) -> BTreeMap<String, User> {
        self.teller.register().people.iter().map(|(id, name)| (id.clone(), user(id, *name))).collect()
    }

    /// `None`: it was killed.
    async fn sync(&mut self, trouble: Trouble) -> Option<UserReport> {
        self.now += 3;
        let before = self.stored().await;
        let (stop, kill) = (CancellationToken::new(), CancellationToken::new());
        {
            let mut register = self.teller.register();
            (register.trouble, register.asked) = (trouble, 0);
            (register.stop, register.kill) = (stop.clone(), kill.clone());
        }
        let key = integration();
        let lease = self.store.crawl_lease(&key, Duration::ZERO).await.expect("works").expect("nobody crawls");
        let crawl = Crawl {
            source: &self.teller,
            store: &self.store,
            lease: &lease,
            integration: &key,
            now: at(self.now),
            concurrency: 1,
            stop,
            interval: Duration::from_secs(3 * 3600),
        };
        let inputs = UserInputs { crawl, per_sync: self.per_sync };
        let report = tokio::select! {
            biased;
            () = kill.cancelled() => None,
            report = users::run(inputs) => Some(report.expect("the store works")),
        };
        let after = self.stored().await;
        let written = after.iter().filter(|(id, user)| before.get(*id) != Some(*user)).count() as u64;
        assert!(written <= self.per_sync, "{written} in one sync");
        if let Some(report) = &report {
            assert_eq!(report.counts.stored, written);
        }
        report
    }
}

/// P5.5, P5.3, invariant 7: whatever breaks, everybody listed is stored in the end as they are, once, within the cap, and
/// who left is forgotten; then nobody is asked for a day.
#[tokio::test]
async fn people_are_capped_and_none_is_lost_in_random_lives_p5_5() {
    let seeds = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(40);
    for seed in 0..seeds {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut life = Life::new(rng.random_range(1..12)).await;
        for _ in 0..rng.random_range(2..10) {
            {
                let mut register = life.teller.register();
                for _ in 0..rng.random_range(0..12) {
                    let id = format!("{:03}", rng.random_range(0..40));
                    if rng.random_bool(0.3) {
                        register.people.remove(&id);
                    } else {
                        register.people.insert(id, rng.random_range(0..3));
                    }
                }
            }
            let mut one_in = |n: u64| rng.random_bool(0.25).then(|| rng.random_range(0..n));
            let trouble = Trouble { budget: one_in(4), fails_at: one_in(6), stops_at: one_in(6), dies_at: one_in(6) };
            let before = life.stored().await;
            let listed = life.listed();
            let report = life.sync(trouble).await;
            let after = life.stored().await;
            // Nobody who is listed is ever forgotten, and nobody is made up.
            for id in before.keys().filter(|id| listed.contains_key(*id)) {
                assert!(after.contains_key(id), "seed {seed}: {id} was lost");
            }
            assert!(after.iter().all(|(id, user)| before.get(id) == Some(user) || listed.get(id) == Some(user)));
            if let (Some(report), Some(budget)) = (report, trouble.budget) {
                assert!(life.teller.register().asked <= budget, "seed {seed}: {report:?}");
            }
        }
        // Everybody left at once cannot be told from a list that failed.
        life.teller.register().people.insert("one".to_owned(), 1);
        life.now += 25;
        let mut syncs = 0;
        while life.stored().await != life.listed() {
            life.sync(Trouble::default()).await.expect("nobody kills it");
            syncs += 1;
            assert!(syncs < 100, "seed {seed} stands still");
        }
        let report = life.sync(Trouble::default()).await.expect("nobody kills it");
        assert_eq!((report.counts.stored, report.counts.backlog), (0, 0), "seed {seed}");
        life.sync(Trouble::default()).await.expect("nobody kills it");
        assert_eq!(life.teller.register().asked, 0, "seed {seed}: asked twice in a day");
    }
}

/// P5.3: what the cap leaves is known, and is stored by the next syncs without waiting for the next day.
#[tokio::test]
async fn what_the_cap_left_comes_with_the_next_sync() {
    let mut life = Life::new(8).await;
    life.teller.register().people = (0..21).map(|id| (format!("{id:03}"), 0)).collect();
    let mut told = Vec::new();
    for _ in 0..4 {
        let report = life.sync(Trouble::default()).await.expect("nobody kills it");
        told.push((report.counts.stored, report.counts.backlog, report.counts.complete_by.is_some()));
    }
    assert_eq!(told, [(8, 13, true), (8, 5, true), (5, 0, false), (0, 0, false)]);
    assert_eq!(life.teller.register().asked, 0);
}

/// P2.11: while a credential may not list people, each sync says so, with the mend; everything stored stays.
#[tokio::test]
async fn a_list_that_is_closed_is_said_to_be_and_asked_for_again() {
    let mut life = Life::new(8).await;
    life.teller.register().people.insert("one".to_owned(), 0);
    life.sync(Trouble::default()).await.expect("nobody kills it");
    life.now += 25;
    life.teller.register().is_closed = true;
    for minutes_do_not_count in [false, true] {
        // Twice within the hour it is not asked.
        life.now -= if minutes_do_not_count { 3 } else { 0 };
        let report = life.sync(Trouble::default()).await.expect("nobody kills it");
        assert_eq!((report.error, report.notes.len()), (None, 1));
        assert!(report.notes[0].contains("could not list users") && report.notes[0].contains("leave `users` out"));
        assert_eq!(life.teller.register().asked, u64::from(!minutes_do_not_count));
        assert_eq!(life.stored().await.len(), 1);
    }
    life.teller.register().is_closed = false;
    let report = life.sync(Trouble::default()).await.expect("nobody kills it");
    assert_eq!((life.teller.register().asked, report.notes), (1, vec![]));
}

/// P2.9, P2.11: a row that cannot be read is named, and may be anybody: nobody is forgotten.
#[tokio::test]
async fn a_row_that_cannot_be_read_makes_nobody_missing() {
    let mut life = Life::new(8).await;
    life.teller.register().people = [("one".to_owned(), 0), ("two".to_owned(), 0)].into();
    life.sync(Trouble::default()).await.expect("nobody kills it");
    {
        let mut register = life.teller.register();
        register.people.remove("two");
        register.has_bad_row = true;
    }
    for _ in 0..3 {
        life.now += 25;
        let report = life.sync(Trouble::default()).await.expect("nobody kills it");
        assert_eq!(report.notes, ["users: a row that is nobody"]);
    }
    assert_eq!(life.stored().await.len(), 2);
}
