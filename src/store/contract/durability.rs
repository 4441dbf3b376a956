//! Reopening, writing the same again, writing together, indexes.

use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::Home;
use super::world::*;
use crate::model::SecondaryKind;

/// P2.12, P7.5.
pub(crate) async fn everything_survives_reopening(home: &dyn Home) {
    let store = home.open().await;
    fill(&*store, &integration("acme")).await;
    fill(&*store, &integration("beta")).await;
    let before = exported(&*store).await;
    drop(store);
    let store = home.open().await;
    assert_eq!(exported(&*store).await, before);
    assert_eq!(store.budget("acme").await.expect("reads"), Some(serde_json::json!({"left": 998})));
    assert_whole(&*store).await;
}

/// An unchanged repository costs no write.
pub(crate) async fn unchanged_writes_cost_nothing(home: &dyn Home) {
    let store = home.open().await;
    let key = integration("acme");
    fill(&*store, &key).await;
    let lease = crawl(&*store, &key).await;
    let state_before = store.integration(&key).await.expect("reads").expect("known");
    let before = (store.check().await.expect("checks"), exported(&*store).await);
    for _ in 0..20 {
        let mut page = page("01SWEEP", 1, [repo(1), repo(2), repo(3)]);
        page.seen.clear();
        store.record_page(&lease, page).await.expect("records");
        store.save_integration(&lease, &state_before).await.expect("saves");
        store.save_known_entities("main", &[entity("a"), entity("b")]).await.expect("saves");
        let commits = batch(&repo(1), SecondaryKind::Commits, vec![commit("c0ffee", at(3))], 8);
        store.record_items(&lease, vec![commits]).await.expect("records");
        let verdicts = [repo(1), repo(2)].map(|repo| (candidates(&key, &repo, "a"), recommendation(&repo, "a")));
        let (found, recommended) = verdicts.into_iter().unzip();
        store.save_recommendations(&lease, found, recommended).await.expect("saves");
    }
    assert_eq!((store.check().await.expect("checks"), exported(&*store).await), before);
}

/// Many at once: none lost, none torn.
pub(crate) async fn writers_do_not_lose_each_other(home: &dyn Home) {
    let store = home.open().await;
    let keys: Vec<_> = (0..4).map(|number| integration(&format!("w{number}"))).collect();
    let mut writers = FuturesUnordered::new();
    for key in &keys {
        let store = &store;
        writers.push(async move {
            let lease = known_crawl(&**store, key).await;
            for minute in 0..25 {
                let id = u64::try_from(minute).unwrap_or_default();
                let pulls = batch(&repo(1), SecondaryKind::PullRequests, vec![pull_request(id, minute, "x")], minute);
                store.record_items(&lease, vec![pulls]).await.expect("records");
                let of_catalog = catalog(&**store).await;
                let entry = journal("01SHARED", &repo(1), minute);
                store.change_links(&of_catalog, Vec::new(), vec![entry]).await.expect("changes");
            }
            count_anew(&**store, &lease, &[repo(1)]).await;
        });
    }
    while writers.next().await.is_some() {}
    drop(writers);
    for key in &keys {
        let count = count(&*store, key, &repo(1), SecondaryKind::PullRequests).await;
        assert_eq!(count, 25);
    }
    let entries = store.journal(&crate::model::ImportId("01SHARED".to_owned())).await.expect("reads");
    assert_eq!(entries.len(), 100);
    assert_whole(&*store).await;
}

/// P7.5.
pub(crate) async fn indexes_can_be_made_anew(home: &dyn Home) {
    let store = home.open().await;
    fill(&*store, &integration("acme")).await;
    let before = (store.check().await.expect("checks"), exported(&*store).await);
    store.rebuild_indexes().await.expect("rebuilds");
    let after = (store.check().await.expect("checks"), exported(&*store).await);
    assert_eq!((&after.0.books, &after.0.faults, &after.1), (&before.0.books, &before.0.faults, &before.1));
    assert_eq!(store.links_to("main", &entity("a")).await.expect("reads").len(), 1);
}
