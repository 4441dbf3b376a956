//! Integrations, pages, sweeps, verdicts, deletion, leases.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::Home;
use super::world::*;
use crate::model::{DecisionKind, IntegrationKey, Outcome, Presence, RepoKey, SyncId};
use crate::store::{DiscoveryState, IntegrationState, LinkChange, ListedOf, RecordedPage, Store, StoreError};

pub(crate) async fn integrations_are_kept_as_saved(home: &dyn Home) {
    let store = home.open().await;
    let (one, other) = (integration("acme"), integration("beta"));
    assert_eq!(store.integration(&one).await.expect("reads"), None);
    for key in [&other, &one] {
        drop(known_crawl(&*store, key).await);
    }
    let mut renamed = state(&one);
    renamed.name = "renamed".to_owned();
    let lease = crawl(&*store, &one).await;
    store.save_integration(&lease, &renamed).await.expect("saves");
    assert_eq!(store.integration(&one).await.expect("reads"), Some(renamed.clone()));
    assert_eq!(store.integrations().await.expect("reads"), [renamed, state(&other)]);
}

/// P2.12: each page is a checkpoint.
pub(crate) async fn a_page_and_its_cursor_are_one_write(home: &dyn Home) {
    let key = integration("acme");
    let store = home.open().await;
    let lease = crawl(&*store, &key).await;
    let refused = store.record_page(&lease, page("01S", 1, [repo(1)])).await;
    assert!(matches!(refused, Err(StoreError::UnknownIntegration { .. })), "{refused:?}");
    assert!(store.repositories(&key, None, 10).await.expect("reads").is_empty());
    assert!(store.sweep_seen(&key, &SyncId("01S".to_owned())).await.expect("reads").is_empty());

    store.save_integration(&lease, &state(&key)).await.expect("saves");
    store.record_page(&lease, page("01S", 1, [repo(1), repo(2)])).await.expect("records");
    drop((lease, store));

    let store = home.open().await;
    let kept = store.integration(&key).await.expect("reads").expect("known");
    assert_eq!(kept.discovery, discovery("01S", 1));
    assert_eq!((kept.name, kept.notes), (state(&key).name, state(&key).notes));
    let (known_then, record) = store.record(&key, &repo(2)).await.expect("reads").expect("known");
    assert_eq!(known_then, known(repo(2)));
    assert_eq!(record.raw, raw(&repo(2)));
    assert_eq!(store.record(&key, &repo(3)).await.expect("reads"), None);
    assert_eq!(store.integrations_of(&repo(1)).await.expect("reads"), [key]);
}

pub(crate) async fn pages_come_in_order_without_gaps(home: &dyn Home) {
    let store = home.open().await;
    // Ids that begin like others, and workspaces that do: no key may leak into its neighbour.
    let (key, neighbour) = (integration("acme"), integration("acme-labs"));
    let ids = ["{b}", "{a}", "{ab}", "{a", "{a}\u{0}x", "{a}\u{1}", "{ä}", "1", "10", "2"];
    let repos: Vec<RepoKey> = ids.iter().map(|id| RepoKey::cloud(*id)).collect();
    let lease = known_crawl(&*store, &key).await;
    store.record_page(&lease, page("01S", 1, repos.clone())).await.expect("records");
    let lease = known_crawl(&*store, &neighbour).await;
    store.record_page(&lease, page("01S", 1, [repo(9)])).await.expect("records");

    let mut sorted = repos;
    sorted.sort();
    for limit in [1, 3, 10, 100] {
        let mut walked = Vec::new();
        loop {
            let after = walked.last().cloned();
            let records = store.records(&key, after.as_ref(), limit).await.expect("reads");
            let summaries = store.repositories(&key, after.as_ref(), limit).await.expect("reads");
            assert!(records.len() <= limit);
            assert!(records.iter().map(|(known, _)| known).eq(&summaries));
            for (known, kept) in &records {
                assert_eq!(*kept, raw(&known.repository.key));
            }
            if records.is_empty() {
                break;
            }
            walked.extend(records.into_iter().map(|(known, _)| known.repository.key));
        }
        assert_eq!(walked, sorted, "{limit} at a time");
    }
    let beyond = RepoKey::cloud("~");
    assert!(store.repositories(&key, Some(&beyond), 5).await.expect("reads").is_empty());
}

pub(crate) async fn touched_repositories_keep_their_records(home: &dyn Home) {
    let store = home.open().await;
    let key = integration("acme");
    let lease = known_crawl(&*store, &key).await;
    store.record_page(&lease, page("01S", 1, [repo(1)])).await.expect("records");
    let mut touched = known(repo(1));
    touched.repository.updated_on = Some(at(99));
    let page = RecordedPage { touched: vec![touched.clone()], ..RecordedPage::default() };
    store.record_page(&lease, page).await.expect("records");
    let (kept, record) = store.record(&key, &repo(1)).await.expect("reads").expect("known");
    assert_eq!(kept, touched);
    assert_eq!(record.raw, raw(&repo(1)));
    assert_eq!(record.repository, touched.repository);
}

/// P2.12: a sync may end after any write, and the next one must not believe what was judged before it.
pub(crate) async fn what_is_recorded_is_not_judged_yet(home: &dyn Home) {
    let store = home.open().await;
    let key = integration("acme");
    let lease = crawl(&*store, &key).await;
    let judged = crate::store::IntegrationState { correlated: Some("inputs".to_owned()), ..state(&key) };
    let holds =
        async |store: &dyn Store| store.integration(&key).await.expect("reads").expect("known").correlated.is_some();
    store.save_integration(&lease, &judged).await.expect("saves");
    let touched = RecordedPage { touched: vec![known(repo(1))], ..RecordedPage::default() };
    store.record_page(&lease, touched).await.expect("records");
    store.finish_walk(&lease, Vec::new(), DiscoveryState::default()).await.expect("finishes");
    assert!(holds(&*store).await, "nothing that is judged by has changed");

    store.record_page(&lease, page("01S", 1, [repo(2)])).await.expect("records");
    assert!(!holds(&*store).await, "a record is new");
    store.save_integration(&lease, &judged).await.expect("saves");
    store.finish_walk(&lease, vec![known(repo(2))], DiscoveryState::default()).await.expect("finishes");
    assert!(!holds(&*store).await, "a presence has changed");
}

/// P2.9, P2.12: what was not seen by a sweep is known, over kills, and presence changes with its end.
pub(crate) async fn a_sweep_remembers_what_it_has_seen(home: &dyn Home) {
    let key = integration("acme");
    let sweep = SyncId("01S".to_owned());
    let store = home.open().await;
    let lease = known_crawl(&*store, &key).await;
    store.record_page(&lease, page("01S", 1, [repo(4), repo(1)])).await.expect("records");
    drop((lease, store));
    let store = home.open().await;
    let lease = crawl(&*store, &key).await;
    // The page that ends the walk may come without a checkpoint; a repository listed twice counts once.
    let mut last = page("01S", 2, [repo(2), repo(1)]);
    last.discovery.sweep = None;
    store.record_page(&lease, last).await.expect("records");
    assert_eq!(store.sweep_seen(&key, &sweep).await.expect("reads"), [repo(1), repo(2), repo(4)]);
    let refused = store.record_page(&lease, RecordedPage { seen: vec![repo(1)], ..RecordedPage::default() }).await;
    assert!(matches!(refused, Err(StoreError::Malformed { .. })), "seen by no sweep: {refused:?}");

    let mut gone = known(repo(4));
    gone.presence = Presence::MissingOnce;
    let after = DiscoveryState { expected_count: Some(2), sweep_next: true, ..DiscoveryState::default() };
    store.finish_walk(&lease, vec![gone.clone()], after.clone()).await.expect("finishes");
    assert!(store.sweep_seen(&key, &sweep).await.expect("reads").is_empty());
    assert_eq!(store.integration(&key).await.expect("reads").expect("known").discovery, after);
    assert_eq!(store.record(&key, &repo(4)).await.expect("reads").expect("known").0, gone);
    assert_whole(&*store).await;
}

pub(crate) async fn a_new_sweep_forgets_what_an_old_one_saw(home: &dyn Home) {
    let store = home.open().await;
    let (key, other) = (integration("acme"), integration("beta"));
    let lease = known_crawl(&*store, &key).await;
    let of_other = known_crawl(&*store, &other).await;
    store.record_page(&lease, page("01OLD", 1, [repo(1)])).await.expect("records");
    store.record_page(&of_other, page("01OLD", 1, [repo(1)])).await.expect("records");
    store.record_page(&lease, page("02NEW", 1, [repo(2)])).await.expect("records");
    let (old, new) = (SyncId("01OLD".to_owned()), SyncId("02NEW".to_owned()));
    assert!(store.sweep_seen(&key, &old).await.expect("reads").is_empty());
    assert_eq!(store.sweep_seen(&key, &new).await.expect("reads"), [repo(2)]);
    assert_eq!(store.sweep_seen(&other, &old).await.expect("reads"), [repo(1)]);
}

pub(crate) async fn verdicts_are_replaced_counted_and_dropped(home: &dyn Home) {
    let store = home.open().await;
    let (one, other) = (integration("acme"), integration("beta"));
    let mut elsewhere = integration("acme");
    elsewhere.catalog = "second".to_owned();
    for key in [&other, &one, &elsewhere] {
        let lease = known_crawl(&*store, key).await;
        let found = vec![candidates(key, &repo(2), "x"), candidates(key, &repo(1), "x")];
        let recommended = vec![recommendation(&repo(2), "x"), recommendation(&repo(1), "x")];
        store.save_recommendations(&lease, found, recommended).await.expect("saves");
    }
    assert_eq!(store.candidates("main", Some(&other)).await.expect("reads").len(), 2);
    let rivals = store.candidates("main", None).await.expect("reads");
    let rivals: Vec<(RepoKey, IntegrationKey)> = rivals.into_iter().map(|c| (c.repo, c.integration)).collect();
    let wanted = [(repo(1), &one), (repo(1), &other), (repo(2), &one), (repo(2), &other)];
    assert_eq!(rivals, wanted.map(|(repo, key)| (repo, key.clone())));

    let lease = crawl(&*store, &one).await;
    let (found, recommended) = (vec![candidates(&one, &repo(3), "y")], vec![recommendation(&repo(3), "y")]);
    store.save_recommendations(&lease, found.clone(), recommended.clone()).await.expect("saves");
    let kept = store.recommendations(&one).await.expect("reads");
    assert_eq!(kept, [recommendation(&repo(1), "x"), recommendation(&repo(2), "x"), recommendation(&repo(3), "y")]);
    assert_eq!(recommended_but(&*store, &one, []).await, 3);
    assert_eq!(recommended_but(&*store, &one, [repo(3), repo(9)]).await, 2);
    store.keep_verdicts(&lease, vec![repo(3)]).await.expect("drops");
    assert_eq!(store.candidates("main", Some(&other)).await.expect("reads"), found);
    assert_eq!(store.recommendations(&one).await.expect("reads"), recommended);
    assert_eq!(store.recommendations(&other).await.expect("reads").len(), 2);
    // No verdict any more: nothing of it stays behind.
    store.save_recommendations(&lease, vec![candidates(&one, &repo(3), "y")], Vec::new()).await.expect("saves");
    assert!(store.recommendations(&one).await.expect("reads").is_empty());
    assert_eq!(store.candidates("main", None).await.expect("reads").len(), 3);
}

async fn recommended_but<const N: usize>(store: &dyn Store, key: &IntegrationKey, but: [RepoKey; N]) -> u64 {
    store.recommended(key, but.into()).await.expect("counts").into_values().sum()
}

pub(crate) async fn a_deleted_integration_takes_its_own_along(home: &dyn Home) {
    let store = home.open().await;
    let key = integration("acme");
    fill(&*store, &key).await;
    let (lease, of_catalog) = (crawl(&*store, &key).await, catalog(&*store).await);
    store.delete_integration(&lease, &of_catalog).await.expect("deletes");
    let mut left: Vec<String> = exported(&*store).await.lines().map(str::to_owned).collect();
    left.retain(|line| line.starts_with(r#"{"book":"#));
    // What belongs to the catalog stays, what people decided among it, and so does the journal, until it expires.
    assert_eq!(store.decisions("main").await.expect("reads").len(), 1);
    let of_others = ["journal", "catalogs", "entities", "catalog_snapshots", "decisions"]
        .map(|book| format!(r#"{{"book":"{book}","#));
    left.retain(|line| !of_others.iter().any(|book| line.starts_with(book)));
    assert_eq!(left, Vec::<String>::new());
    assert_whole(&*store).await;
    // It can come back.
    drop((lease, of_catalog));
    fill(&*store, &key).await;
    assert_whole(&*store).await;
}

pub(crate) async fn a_deleted_integration_leaves_what_others_know(home: &dyn Home) {
    let store = home.open().await;
    let (key, other) = (integration("acme"), integration("beta"));
    let lease = known_crawl(&*store, &other).await;
    store.record_page(&lease, page("01S", 1, [repo(2)])).await.expect("records");
    store.save_sync(&other, &sync("01B", 1, crate::model::Outcome::Failed)).await.expect("saves");
    let before = exported(&*store).await;
    fill(&*store, &key).await;
    let (lease, of_catalog) = (crawl(&*store, &key).await, catalog(&*store).await);
    store.decide("main", &decision(&repo(2), DecisionKind::Ignored, 1)).await.expect("decides");
    store.delete_integration(&lease, &of_catalog).await.expect("deletes");
    let after = exported(&*store).await;
    for line in before.lines().filter(|line| line.starts_with(r#"{"book":"#)) {
        assert!(after.contains(line), "{line}");
    }
    // Repository 2 moved to the other integration: its link is that one's. Decisions are nobody's but people's.
    let links = store.links("main").await.expect("reads");
    assert_eq!(links.iter().map(|link| &link.repo).collect::<Vec<_>>(), [&repo(2)]);
    let decisions = store.decisions("main").await.expect("reads");
    assert_eq!(decisions.iter().map(|decision| &decision.repo).collect::<Vec<_>>(), [&repo(2), &repo(3)]);
    assert_eq!(store.integrations_of(&repo(2)).await.expect("reads"), [other]);
    assert_whole(&*store).await;
}

/// A key of the same workspace under another catalog.
fn on_catalog(key: &IntegrationKey, catalog: &str) -> IntegrationKey {
    IntegrationKey { catalog: catalog.to_owned(), ..key.clone() }
}

/// P4.13: whoever gives integration and catalog other names finds everything under the new ones, and nothing twice.
pub(crate) async fn an_integration_is_carried_over_whole(home: &dyn Home) {
    let store = home.open().await;
    let (old, new) = (integration("acme"), on_catalog(&integration("acme"), "golden"));
    fill(&*store, &old).await;
    let lease = crawl(&*store, &old).await;
    let discovery = store.integration(&old).await.expect("reads").expect("known").discovery;
    let judged = IntegrationState { correlated: Some("inputs".to_owned()), discovery, ..state(&old) };
    store.save_integration(&lease, &judged).await.expect("saves");
    drop(lease);
    let before = exported(&*store).await;

    let (from, to) = (crawl(&*store, &old).await, crawl(&*store, &new).await);
    let catalogs = (catalog(&*store).await, store.catalog_lease("golden").await.expect("leases"));
    store.carry_over(&from, &to, Some((&catalogs.0, &catalogs.1))).await.expect("carries over");
    drop((from, to, catalogs, store));

    let store = home.open().await;
    assert_whole(&*store).await;
    let carried = IntegrationState { key: new.clone(), correlated: None, ..judged };
    assert_eq!(store.integrations().await.expect("reads"), [carried], "what was judged counts no more");
    assert!(store.switches(&new).await.expect("reads").suspended);
    assert!(!store.switches(&old).await.expect("reads").suspended);
    assert_eq!(store.repositories(&new, None, 10).await.expect("reads").len(), 3);
    assert_eq!(store.integrations_of(&repo(1)).await.expect("reads"), std::slice::from_ref(&new));
    assert_eq!(store.syncs(Some(&new), 10).await.expect("reads").len(), 1);
    assert_eq!(store.syncs(Some(&old), 10).await.expect("reads").len(), 0);
    assert_eq!(store.plan("01PLAN-acme").await.expect("reads").expect("kept").integration, new);
    assert_eq!(store.links("golden").await.expect("reads").len(), 2);
    assert_eq!(store.decisions("golden").await.expect("reads").len(), 1);
    assert_eq!(store.known_entities("golden").await.expect("reads").map(|all| all.len()), Some(2));
    assert!(store.catalog_snapshot("golden").await.expect("reads").is_some());
    assert_eq!(store.candidates("golden", None).await.expect("reads").len(), 2);
    // Record by record: the same, but for the catalog's name and what was judged.
    let as_named_now = before.lines().map(|line| {
        let mut line: Value = serde_json::from_str(line).expect("JSON lines");
        let parts = line.get_mut("key").and_then(Value::as_array_mut).into_iter().flatten();
        parts.filter(|part| *part == "main").for_each(|part| *part = "golden".into());
        for place in ["/value/key/catalog", "/value/integration/catalog"] {
            line.pointer_mut(place).into_iter().for_each(|name| *name = "golden".into());
        }
        line.pointer_mut("/value/correlated").into_iter().for_each(|judged| *judged = Value::Null);
        line.to_string()
    });
    let now = exported(&*store).await;
    let now = now.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON lines").to_string());
    assert_eq!(now.collect::<BTreeSet<_>>(), as_named_now.collect::<BTreeSet<_>>());
}

/// Links and decisions belong to a catalog that is still there, and are of use to the others on it.
pub(crate) async fn a_catalog_that_is_there_stays_where_it_is(home: &dyn Home) {
    let store = home.open().await;
    let (old, new) = (integration("acme"), on_catalog(&integration("acme"), "golden"));
    fill(&*store, &old).await;
    let (from, to) = (crawl(&*store, &old).await, crawl(&*store, &new).await);
    store.carry_over(&from, &to, None).await.expect("carries over");
    assert_eq!(store.repositories(&new, None, 10).await.expect("reads").len(), 3);
    assert_eq!(store.links("main").await.expect("reads").len(), 2);
    assert_eq!(store.decisions("main").await.expect("reads").len(), 1);
    assert_eq!(store.known_entities("main").await.expect("reads").map(|all| all.len()), Some(2));
    assert_eq!(store.known_entities("golden").await.expect("reads"), None);
    assert_whole(&*store).await;
    drop((from, to));

    // A catalog that has something of its own keeps it.
    let third = on_catalog(&old, "third");
    store
        .decide("third", &decision(&repo(3), DecisionKind::Target { entity: entity("own") }, 20))
        .await
        .expect("decides");
    store.save_known_entities("third", &[entity("own")]).await.expect("saves");
    let (from, to) = (crawl(&*store, &new).await, crawl(&*store, &third).await);
    let lease = store.catalog_lease("golden").await.expect("leases");
    store.decide("golden", &decision(&repo(3), DecisionKind::Ignored, 9)).await.expect("decides");
    store.decide("golden", &decision(&repo(2), DecisionKind::Ignored, 9)).await.expect("decides");
    store.save_known_entities("golden", &[entity("a")]).await.expect("saves");
    let other = store.catalog_lease("third").await.expect("leases");
    store.carry_over(&from, &to, Some((&lease, &other))).await.expect("carries over");
    let kinds: Vec<DecisionKind> =
        store.decisions("third").await.expect("reads").into_iter().map(|decision| decision.kind).collect();
    assert_eq!(kinds, [DecisionKind::Ignored, DecisionKind::Target { entity: entity("own") }]);
    assert_eq!(store.known_entities("third").await.expect("reads"), Some(vec![entity("own")]));
    assert_eq!(store.known_entities("golden").await.expect("reads"), None);
    assert_whole(&*store).await;
}

pub(crate) async fn only_the_known_is_carried_over_and_only_to_the_unknown(home: &dyn Home) {
    let store = home.open().await;
    let (old, new) = (integration("acme"), integration("beta"));
    let (from, to) = (crawl(&*store, &old).await, crawl(&*store, &new).await);
    let refused = store.carry_over(&from, &to, None).await;
    assert!(matches!(refused, Err(StoreError::UnknownIntegration { .. })), "{refused:?}");
    drop((from, to));
    fill(&*store, &old).await;
    drop(known_crawl(&*store, &new).await);
    let before = exported(&*store).await;
    let (from, to) = (crawl(&*store, &old).await, crawl(&*store, &new).await);
    let refused = store.carry_over(&from, &to, None).await;
    assert!(matches!(refused, Err(StoreError::KnownIntegration { .. })), "{refused:?}");
    let (main, second) = (catalog(&*store).await, store.catalog_lease("second").await.expect("leases"));
    let refused = store.carry_over(&from, &to, Some((&main, &second))).await;
    assert!(matches!(refused, Err(StoreError::WrongLease { .. })), "{refused:?}");
    store.carry_over(&from, &from, Some((&main, &main))).await.expect("nothing to do");
    assert_eq!(exported(&*store).await, before);
}

/// Invariant 6.
pub(crate) async fn a_write_under_another_lease_is_refused(home: &dyn Home) {
    let store = home.open().await;
    let (one, other) = (integration("acme"), integration("beta"));
    let lease = known_crawl(&*store, &one).await;
    let refused = store.save_integration(&lease, &state(&other)).await;
    assert!(matches!(refused, Err(StoreError::WrongLease { .. })), "{refused:?}");
    let second = store.catalog_lease("second").await.expect("leases");
    let refused = store.delete_integration(&lease, &second).await;
    assert!(matches!(refused, Err(StoreError::WrongLease { .. })), "{refused:?}");
    assert_eq!(store.integrations().await.expect("reads"), [state(&one)]);
    let changes = vec![LinkChange::Put(Box::new(link(&repo(1), "a")))];
    store.change_links(&second, changes, Vec::new()).await.expect("changes");
    assert!(store.links("main").await.expect("reads").is_empty(), "written where the lease is");
}

/// Invariant 6.
pub(crate) async fn leases_are_exclusive_and_come_back(home: &dyn Home) {
    let store = home.open().await;
    let (one, other) = (integration("acme"), integration("beta"));
    let lease = crawl(&*store, &one).await;
    assert!(store.crawl_lease(&one, Duration::ZERO).await.expect("no error").is_none());
    drop(crawl(&*store, &other).await);
    let (waited, ()) = tokio::join!(store.crawl_lease(&one, Duration::from_secs(600)), async move { drop(lease) });
    assert!(waited.expect("no error").is_some());
    drop(crawl(&*store, &one).await);

    let held = catalog(&*store).await;
    drop(store.catalog_lease("second").await.expect("another catalog is free"));
    let mut waiting = std::pin::pin!(store.catalog_lease("main"));
    assert!(futures::poll!(waiting.as_mut()).is_pending());
    drop(held);
    assert_eq!(waiting.await.expect("leases").catalog, "main");
}

/// P4.1: whoever keeps a list in memory is told what to read again, and nothing else.
pub(crate) async fn lists_hear_of_what_changed(home: &dyn Home) {
    let store = home.open().await;
    let (acme, beta) = (integration("acme"), integration("beta"));
    let lease = known_crawl(&*store, &acme).await;
    let beta_lease = known_crawl(&*store, &beta).await;
    let first = store.changed(&acme, None).await.expect("tells");
    assert_eq!(first.repositories, None, "who knows nothing reads everything");
    let mut since = first.revision;
    let mut heard = async |of: &IntegrationKey| {
        let changed = store.changed(of, Some(since)).await.expect("tells");
        since = changed.revision;
        let repositories = changed.repositories.map(|repositories| repositories.into_iter().collect::<Vec<_>>());
        (repositories.expect("few enough"), changed.is_decided, changed.syncs)
    };
    assert_eq!(heard(&acme).await, (Vec::new(), false, false));

    store.record_page(&lease, page("01SWEEP", 1, [repo(1), repo(2)])).await.expect("records");
    assert_eq!(heard(&acme).await, (vec![repo(1), repo(2)], false, false));
    let verdicts = |name: &str| (vec![candidates(&acme, &repo(2), name)], vec![recommendation(&repo(2), name)]);
    let (found, recommended) = verdicts("a");
    store.save_recommendations(&lease, found, recommended).await.expect("saves");
    assert_eq!(heard(&acme).await, (vec![repo(2)], false, false));
    let (found, recommended) = verdicts("a");
    store.save_recommendations(&lease, found, recommended).await.expect("saves");
    assert_eq!(heard(&acme).await, (Vec::new(), false, false), "what stays the same is no change");
    store.record_page(&beta_lease, page("01SWEEP", 1, [repo(7)])).await.expect("records");
    assert_eq!(heard(&acme).await, (Vec::new(), false, false), "of another integration");

    store.decide("main", &decision(&repo(1), DecisionKind::Ignored, 1)).await.expect("decides");
    assert_eq!(heard(&acme).await, (vec![repo(1)], true, false));
    store.clear_decision("main", &repo(1)).await.expect("clears");
    let catalog = catalog(&*store).await;
    let made = LinkChange::Put(Box::new(link(&repo(2), "a")));
    store.change_links(&catalog, vec![made], Vec::new()).await.expect("changes");
    assert_eq!(heard(&acme).await, (vec![repo(1), repo(2)], true, false));
    store.save_sync(&acme, &sync("01A", 3, Outcome::Completed)).await.expect("saves");
    store.save_sync(&beta, &sync("01B", 3, Outcome::Completed)).await.expect("saves");
    assert_eq!(heard(&acme).await, (Vec::new(), false, true));

    let of_two = store.listed(&acme, ListedOf::These(vec![repo(2), repo(9)])).await.expect("reads");
    let [two] = of_two.as_slice() else { panic!("{of_two:?}") };
    assert_eq!(two.recommendation, Some(recommendation(&repo(2), "a")));
    assert_eq!((two.links.as_slice(), &two.decision), (&[link(&repo(2), "a")][..], &None));
    let walked = store.listed(&acme, ListedOf::Page { after: Some(repo(1)), limit: 5 }).await.expect("reads");
    assert_eq!(walked.iter().map(|one| &one.known.repository.key).collect::<Vec<_>>(), [&repo(2)]);

    store.record_page(&lease, page("01SWEEP", 2, (10..6_000).map(repo))).await.expect("records");
    let many = store.changed(&acme, Some(since)).await.expect("tells");
    assert_eq!(many.repositories, None, "more than is remembered: all is read again");
    store.decide("main", &decision(&repo(3), DecisionKind::Ignored, 1)).await.expect("decides");
    let now = store.changed(&acme, Some(many.revision)).await.expect("tells");
    assert_eq!(now.repositories, Some([repo(3)].into()));
}
