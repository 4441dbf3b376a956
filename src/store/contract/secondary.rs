//! Secondary items: order, replacement, counts, coverage.

use std::collections::BTreeMap;

use chrono::{TimeZone, Utc};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::Home;
use super::world::*;
use crate::model::{Item, ItemId, RepoKey, SecondaryKind, User};
use crate::store::Store;

const PULLS: SecondaryKind = SecondaryKind::PullRequests;
const COMMITS: SecondaryKind = SecondaryKind::Commits;

fn ids(items: &[Item]) -> Vec<ItemId> {
    items.iter().map(Item::id).collect()
}

fn numbers(numbers: &[u64]) -> Vec<ItemId> {
    numbers.iter().copied().map(ItemId::Number).collect()
}

/// P5.8: recent ones first, whatever dates people give their commits.
pub(crate) async fn items_come_newest_first(home: &dyn Home) {
    let store = home.open().await;
    let key = integration("acme");
    let lease = known_crawl(&*store, &key).await;
    let dated = |seconds: i64, nanos: u32| Utc.timestamp_opt(seconds, nanos).single().expect("in range");
    let commits = vec![
        commit("1970", dated(0, 0)),
        commit("0001", dated(-62_000_000_000, 0)),
        commit("9999", dated(253_000_000_000, 0)),
        commit("1969", dated(-1, 999)),
        commit("nano", dated(0, 1)),
    ];
    store.record_items(&lease, vec![batch(&repo(1), COMMITS, commits, 1)]).await.expect("records");
    let pulls = vec![pull_request(2, 7, "b"), pull_request(10, 9, "c"), pull_request(1, 7, "a")];
    store.record_items(&lease, vec![batch(&repo(1), PULLS, pulls, 1)]).await.expect("records");

    let of = repo(1);
    let newest = |kind, limit| store.items(&key, &of, kind, limit);
    let hashes = ["9999", "nano", "1970", "1969", "0001"].map(|hash| ItemId::Hash(hash.to_owned()));
    assert_eq!(ids(&newest(COMMITS, 10).await.expect("reads")), hashes);
    assert_eq!(ids(&newest(COMMITS, 2).await.expect("reads")), hashes[..2]);
    assert_eq!(ids(&newest(PULLS, 10).await.expect("reads")), numbers(&[10, 2, 1]));
    assert!(newest(PULLS, 0).await.expect("reads").is_empty());
    assert!(store.items(&key, &repo(2), PULLS, 5).await.expect("reads").is_empty());
    assert!(store.items(&integration("beta"), &repo(1), PULLS, 5).await.expect("reads").is_empty());
    let asked = [10, 3, 1].map(|id| pull_request(id, 0, "asked"));
    let stored = store.stored_items(&key, &repo(1), PULLS, &asked).await.expect("reads");
    assert_eq!(stored, [pull_request(10, 9, "c"), pull_request(1, 7, "a")]);
}

/// P5.3: storing again is an update, not a second item.
pub(crate) async fn an_item_stored_again_is_replaced(home: &dyn Home) {
    let store = home.open().await;
    let key = integration("acme");
    let lease = known_crawl(&*store, &key).await;
    let first = vec![pull_request(1, 1, "a"), pull_request(2, 2, "b")];
    store.record_items(&lease, vec![batch(&repo(1), PULLS, first, 1)]).await.expect("records");
    let again = vec![pull_request(1, 8, "changed"), pull_request(1, 9, "changed twice")];
    store.record_items(&lease, vec![batch(&repo(1), PULLS, again, 2)]).await.expect("records");
    let items = store.items(&key, &repo(1), PULLS, 10).await.expect("reads");
    assert_eq!(items, [pull_request(1, 9, "changed twice"), pull_request(2, 2, "b")]);
    assert_eq!(count(&*store, &key, &repo(1), PULLS).await, 2);
    assert_eq!(count(&*store, &key, &repo(1), COMMITS).await, 0);
    count_anew(&*store, &lease, &[repo(1)]).await;
    assert_whole(&*store).await;
}

/// P5.7.
pub(crate) async fn coverage_comes_by_kind_and_repository(home: &dyn Home) {
    let store = home.open().await;
    let key = integration("acme");
    let lease = known_crawl(&*store, &key).await;
    let batches = vec![
        batch(&repo(2), PULLS, Vec::new(), 1),
        batch(&repo(1), COMMITS, Vec::new(), 2),
        batch(&repo(1), PULLS, Vec::new(), 3),
        batch(&repo(2), PULLS, Vec::new(), 4),
    ];
    store.record_items(&lease, batches).await.expect("records");
    let wanted = [coverage(&repo(1), PULLS, 3), coverage(&repo(2), PULLS, 4)];
    assert_eq!(store.coverage(&key, PULLS).await.expect("reads"), wanted);
    let one = store.coverage_of(&key, &repo(1), COMMITS).await.expect("reads");
    assert_eq!(one, Some(coverage(&repo(1), COMMITS, 2)));
    assert_eq!(store.coverage_of(&key, &repo(2), COMMITS).await.expect("reads"), None);
    assert!(store.coverage(&integration("beta"), PULLS).await.expect("reads").is_empty());
}

/// Invariant 7: whatever is stored in whatever order, every item is there once, counted, in order.
pub(crate) async fn items_are_stored_once_whatever_the_order(home: &dyn Home) {
    let store = home.open().await;
    let key = integration("acme");
    let lease = known_crawl(&*store, &key).await;
    let strategy =
        proptest::collection::vec((0_usize..4, proptest::collection::vec((0_u64..12, 0_i64..6), 0..6)), 1..40);
    let mut runner = TestRunner::default();
    let written = strategy.new_tree(&mut runner).expect("generates").current();

    let mut expected: BTreeMap<(RepoKey, u64), i64> = BTreeMap::new();
    for batches in written.chunks(3) {
        let mut given = Vec::new();
        for (number, items) in batches {
            expected.extend(items.iter().map(|(id, minute)| ((repo(*number), *id), *minute)));
            let items = items.iter().map(|(id, minute)| pull_request(*id, *minute, "x")).collect();
            given.push(batch(&repo(*number), PULLS, items, 1));
        }
        store.record_items(&lease, given).await.expect("records");
    }
    compare(&*store, &expected).await.unwrap_or_else(|what| panic!("{what}, after {written:?}"));
    count_anew(&*store, &lease, &[0, 1, 2, 3].map(repo)).await;
    assert_whole(&*store).await;
}

/// P5.3, invariant 7: however many, in pages of whatever size, forwards, backwards or anyhow, with some
/// again and some changed: each is there once, the newest first, and found by its identity.
pub(crate) async fn many_items_come_back(home: &dyn Home) {
    let store = home.open().await;
    let key = integration("acme");
    let lease = known_crawl(&*store, &key).await;
    let mut runner = TestRunner::default();
    let strategy = proptest::collection::vec((0_u64..4, 0_u64..900, 1_u64..120, 0_i64..9), 24);
    for kind in SecondaryKind::ALL {
        let pages = strategy.new_tree(&mut runner).expect("generates").current();
        let item = |id: u64, changed: i64| match kind {
            PULLS => pull_request(id, changed * 1_000 + id as i64, "x"),
            COMMITS => {
                marked(commit(&format!("{:08x}", id.wrapping_mul(2_654_435_761)), at(id as i64 / 3)), changed > 4)
            }
        };
        let mut expected: BTreeMap<ItemId, Item> = BTreeMap::new();
        for (how, start, length, changed) in &pages {
            let mut ids: Vec<u64> = match how {
                // Walks go backwards from the newest, later ones begin above it; and some come from anywhere.
                0 => (0..*length).map(|index| start * 7 % 900 + index * 17 % 900).collect(),
                1 => (*start..start + length).rev().collect(),
                _ => (*start..start + length).collect(),
            };
            ids.extend(ids.first().copied());
            let items: Vec<Item> = ids.iter().map(|id| item(*id, *changed)).collect();
            expected.extend(items.iter().map(|item| (item.id(), item.clone())));
            store.record_items(&lease, vec![batch(&repo(1), kind, items, 1)]).await.expect("records");
        }
        let all: Vec<Item> = expected.values().cloned().collect();
        let found = store.stored_items(&key, &repo(1), kind, &all).await.expect("reads");
        assert_eq!(found, all, "found by identity, after {pages:?}");
        let mut newest = all;
        newest.sort_by_key(|item| std::cmp::Reverse((item.at(), item.id())));
        for limit in [1, 50, 300, usize::MAX] {
            let wanted = &newest[..limit.min(newest.len())];
            assert_eq!(store.items(&key, &repo(1), kind, limit).await.expect("reads"), wanted, "after {pages:?}");
        }
        count_anew(&*store, &lease, &[repo(1)]).await;
        assert_whole(&*store).await;
    }
}

/// Commit messages have no limit: a page of long ones is stored like any other.
pub(crate) async fn long_items_come_back(home: &dyn Home) {
    let store = home.open().await;
    let key = integration("acme");
    let lease = known_crawl(&*store, &key).await;
    let long = |id: u64| pull_request(id, id as i64, &id.to_string().repeat(100_000));
    let items: Vec<Item> = (1..9).map(long).collect();
    store.record_items(&lease, vec![batch(&repo(1), PULLS, items.clone(), 1)]).await.expect("records");
    let mut stored = store.items(&key, &repo(1), PULLS, 10).await.expect("reads");
    stored.reverse();
    assert!(stored == items, "all there, in order");
    assert_whole(&*store).await;
}

fn marked(item: Item, unreachable: bool) -> Item {
    match item {
        Item::Commit(commit) => Item::Commit(crate::model::Commit { unreachable, ..commit }),
        other => other,
    }
}

async fn compare(store: &dyn Store, expected: &BTreeMap<(RepoKey, u64), i64>) -> Result<(), String> {
    let key = integration("acme");
    let dump = store.dump_items(&key, PULLS).await.map_err(|error| error.to_string())?;
    let wanted = expected.iter().map(|((repo, id), minute)| (repo.clone(), pull_request(*id, *minute, "x")));
    if !dump.iter().cloned().eq(wanted) {
        return Err(format!("the dump differs: {dump:?}"));
    }
    for number in 0..4 {
        let repo = repo(number);
        let mut wanted: Vec<(i64, u64)> = Vec::new();
        wanted.extend(expected.iter().filter(|((of, _), _)| *of == repo).map(|((_, id), minute)| (*minute, *id)));
        wanted.sort_by(|one, other| other.cmp(one));
        let wanted = numbers(&wanted.iter().map(|(_, id)| *id).collect::<Vec<_>>());
        let items = store.items(&key, &repo, PULLS, 100).await.map_err(|error| error.to_string())?;
        if ids(&items) != wanted {
            return Err(format!("{repo}: {items:?} instead of {wanted:?}"));
        }
    }
    Ok(())
}

/// P5.5: people are kept by their id, those of one integration apart from those of another, and are forgotten without a
/// trace.
pub(crate) async fn people_are_kept_replaced_and_forgotten(home: &dyn Home) {
    let store = home.open().await;
    let (key, other) = (integration("acme"), integration("beta"));
    let names = |users: Vec<User>| users.into_iter().filter_map(|user| user.name).collect::<Vec<_>>();
    let (lease, of_other) = (known_crawl(&*store, &key).await, known_crawl(&*store, &other).await);
    assert_eq!(store.user_coverage(&key).await.expect("reads"), None);
    let first = users(&[(2, "Bea"), (1, "Ada"), (3, "Cem")], &[]);
    store.record_users(&lease, first.clone()).await.expect("records");
    assert_eq!(store.user_coverage(&key).await.expect("reads"), Some(first.coverage));
    store.record_users(&of_other, users(&[(1, "Zoe")], &[])).await.expect("records");
    store.record_users(&lease, users(&[(2, "Beatrix")], &[3, 9])).await.expect("records");
    assert_eq!(names(store.users(&key).await.expect("reads")), ["Ada", "Beatrix"]);
    assert_whole(&*store).await;
    store.forget_users(&lease).await.expect("forgets");
    assert_eq!(names(store.users(&key).await.expect("reads")), Vec::<String>::new());
    assert_eq!(store.user_coverage(&key).await.expect("reads"), None);
    let exported = exported(&*store).await;
    assert!(!exported.contains("Ada") && !exported.contains("Bea") && exported.contains("Zoe"), "{exported}");
    assert_eq!(names(store.users(&other).await.expect("reads")), ["Zoe"]);
    assert_whole(&*store).await;
}
