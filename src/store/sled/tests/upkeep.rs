//! What check finds, what rebuilding mends, and what writing costs.

use futures::future::join_all;

use super::*;
use crate::store::contract::world::*;

fn key(tag: u8) -> keys::Key {
    keys::Key::in_book(tag)
}

/// Breaks a store, and tells what check says; then what is left after rebuilding the indexes.
async fn broken(how: impl FnOnce(&mut Draft<'_>) + Send + 'static) -> (Vec<String>, Vec<String>) {
    let store = SledStore::temporary().await.expect("opens");
    fill(&store, &integration("acme")).await;
    let breaking = store.write(move |draft| {
        how(draft);
        Ok(())
    });
    breaking.await.expect("writes");
    let found = store.check().await.expect("checks").faults;
    store.rebuild_indexes().await.expect("rebuilds");
    (found, store.check().await.expect("checks").faults)
}

/// P7.5.
#[tokio::test]
async fn broken_indexes_are_named_and_mended() {
    let by_entity = key(books::LINKS_BY_ENTITY).text("main").entity(&entity("a")).repo(&repo(1)).bytes();
    let (found, left) = broken(move |draft| draft.remove_bare(by_entity)).await;
    let link = r#"links ["main","bitbucket.org","{00000001-0000-4000-8000-000000000000}","component:default/a"]"#;
    assert_eq!(found, [format!("{link}: it is missing in links_by_entity")]);
    assert_eq!(left, Vec::<String>::new());

    let stray = key(books::SYNCS_BY_TIME).time(at(3)).text("01NOBODY").bytes();
    let (found, left) = broken(move |draft| draft.put_bare(stray, Vec::new())).await;
    assert_eq!(found.len(), 1);
    assert!(found[0].ends_with(r#""01NOBODY"]: the record it stands for is missing"#), "{found:?}");
    assert_eq!(left, Vec::<String>::new());
}

#[tokio::test]
async fn broken_records_are_named_and_stay() {
    let raw_record = key(books::RECORDS).integration(&integration("acme")).repo(&repo(1)).bytes();
    let (found, left) = broken(move |draft| draft.remove_bare(raw_record)).await;
    assert!(found[0].ends_with("it has no raw record"), "{found:?}");
    assert_eq!(left, found);

    let plan = key(books::PLANS).text("01PLAN-acme").bytes();
    let (found, left) = broken(move |draft| draft.put_bare(plan, b"\x01{\"id\":1}".to_vec())).await;
    assert!(found.iter().any(|fault| fault.starts_with(r#"plans ["01PLAN-acme"]: invalid type"#)), "{found:?}");
    assert!(left.iter().any(|fault| fault.starts_with(r#"plans ["01PLAN-acme"]: invalid type"#)), "{left:?}");

    let stream = || key(books::SECONDARY).integration(&integration("acme")).repo(&repo(1)).text("pull_requests");
    let items = |ids: &[u64]| {
        let items: Vec<_> = ids.iter().map(|id| pull_request(*id, 1, "x")).collect();
        codec::encode(&items).expect("encodes")
    };
    let number = |number| stream().place(&keys::Place::Number(number)).bytes();
    let (other, block) = (number(70), items(&[71]));
    let (found, _) = broken(move |draft| draft.put_bare(other, block)).await;
    assert!(found[0].ends_with("its first item is another one"), "{found:?}");
    let (twice, block) = (number(4), items(&[4, 5]));
    let (found, _) = broken(move |draft| draft.put_bare(twice, block)).await;
    assert!(found[0].ends_with("its items are out of order, or twice there"), "{found:?}");

    let (found, left) = broken(|draft| draft.put_bare(vec![0xfe, 1], vec![1])).await;
    assert_eq!(found, ["the record fe01: it belongs to no book"]);
    assert_eq!(left, found);
}

/// A record that cannot be read is an error that names it, where it is asked for, and nowhere else.
#[tokio::test]
async fn a_record_that_cannot_be_read_is_named() {
    let store = SledStore::temporary().await.expect("opens");
    fill(&store, &integration("acme")).await;
    let plan = key(books::PLANS).text("01PLAN-acme").bytes();
    let breaking = store.write(move |draft| {
        draft.put_bare(plan, vec![7]);
        Ok(())
    });
    breaking.await.expect("writes");
    let error = store.plan("01PLAN-acme").await.expect_err("it is broken");
    assert_eq!(error.to_string(), r#"plans ["01PLAN-acme"] cannot be read: unknown value version 7"#);
    assert_eq!(store.links("main").await.expect("reads").len(), 2);
}

/// Writers that are ready while a flush runs share the next one.
#[tokio::test]
async fn writers_share_flushes() {
    let store = SledStore::temporary().await.expect("opens");
    let before = store.commit.counts();
    let turn = store.commit.hold_turn().await;
    let writers = (0..64).map(|number| {
        let connector = format!("connector-{number}");
        let store = &store;
        async move { store.save_budget(&connector, &serde_json::json!(number)).await }
    });
    let release = async {
        while store.commit.counts().0 < before.0 + 64 {
            tokio::task::yield_now().await;
        }
        drop(turn);
    };
    let (results, ()) = tokio::join!(join_all(writers), release);
    assert!(results.iter().all(Result::is_ok));
    let after = store.commit.counts();
    assert_eq!((after.0 - before.0, after.1 - before.1), (64, 1), "64 batches, one flush");
}

/// What is equal to what is stored is neither written nor flushed.
#[tokio::test]
async fn an_equal_write_is_no_batch() {
    let store = SledStore::temporary().await.expect("opens");
    store.save_budget("acme", &serde_json::json!(1)).await.expect("saves");
    let before = store.commit.counts();
    store.save_budget("acme", &serde_json::json!(1)).await.expect("saves");
    assert_eq!(store.commit.counts(), before);
}

/// A panic inside a store task is an error of that task.
#[tokio::test]
async fn a_panic_is_an_error() {
    let store = SledStore::temporary().await.expect("opens");
    let result: Result<(), StoreError> = store.write(|_| panic!("as sled does")).await;
    assert!(matches!(&result, Err(StoreError::Lost(text)) if text == "as sled does"), "{result:?}");
    store.save_budget("acme", &serde_json::json!(1)).await.expect("the store goes on");
}
