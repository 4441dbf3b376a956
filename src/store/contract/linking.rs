//! Links, decisions, entities, switches, plans, syncs, and what expires.

use serde_json::json;

use super::Home;
use super::world::*;
use crate::model::{DecisionKind, ImportId, Link, Outcome, SyncId};
use crate::store::{AutoImportSwitch, LinkChange, StoreError, Switches};

fn names(links: &[Link]) -> Vec<(String, String)> {
    links.iter().map(|link| (link.repo.to_string(), link.entity.to_string())).collect()
}

pub(crate) async fn links_are_found_both_ways(home: &dyn Home) {
    let store = home.open().await;
    let lease = catalog(&*store).await;
    let put = |link: &Link| LinkChange::Put(Box::new(link.clone()));
    let (b, a, other) = (link(&repo(1), "b"), link(&repo(1), "a"), link(&repo(2), "a"));
    store.change_links(&lease, vec![put(&other), put(&b), put(&a)], Vec::new()).await.expect("changes");
    assert_eq!(store.links("main").await.expect("reads"), [a.clone(), b.clone(), other.clone()]);
    assert_eq!(store.links_of("main", &repo(1)).await.expect("reads"), [a.clone(), b.clone()]);
    assert_eq!(store.links_to("main", &entity("a")).await.expect("reads"), [a.clone(), other.clone()]);
    assert!(store.links("mai").await.expect("reads").is_empty());

    let mut synced = a.clone();
    synced.last_synced_at = Some(at(50));
    let handed_over =
        vec![LinkChange::Remove(repo(2), entity("a")), put(&synced), LinkChange::Remove(repo(3), entity("z"))];
    store.change_links(&lease, handed_over, Vec::new()).await.expect("changes");
    assert_eq!(store.links("main").await.expect("reads"), [synced.clone(), b.clone()]);
    assert_eq!(names(&store.links_to("main", &entity("a")).await.expect("reads")), names(&[synced]));
    assert_whole(&*store).await;
}

/// P3.7: whoever holds the link keeps it, whatever a plan saw.
pub(crate) async fn an_entity_gets_no_second_repository(home: &dyn Home) {
    let store = home.open().await;
    let lease = catalog(&*store).await;
    let make = |number, name| LinkChange::Make(Box::new(link(&repo(number), name)));
    let remove = |number, name| LinkChange::Remove(repo(number), entity(name));
    store.change_links(&lease, vec![make(1, "a"), make(1, "b"), make(1, "a")], Vec::new()).await.expect("makes");
    let before = store.links("main").await.expect("reads");
    for refused in [vec![make(2, "a")], vec![make(2, "c"), make(2, "b")], vec![make(2, "c"), make(3, "c")]] {
        let refused = store.change_links(&lease, refused, vec![journal("01A", &repo(2), 5)]).await;
        assert!(matches!(refused, Err(StoreError::Linked { .. })), "{refused:?}");
        assert_eq!(store.links("main").await.expect("reads"), before, "all or nothing");
        assert!(store.journal(&ImportId("01A".to_owned())).await.expect("reads").is_empty());
    }
    let handed_over = vec![remove(1, "a"), make(2, "a")];
    store.change_links(&lease, handed_over, Vec::new()).await.expect("the name is free");
    assert_eq!(names(&store.links_to("main", &entity("a")).await.expect("reads")), names(&[link(&repo(2), "a")]));
    assert_whole(&*store).await;
}

/// P4.11 rests on this.
pub(crate) async fn the_journal_keeps_its_order(home: &dyn Home) {
    let import = ImportId("01A".to_owned());
    let store = home.open().await;
    let lease = catalog(&*store).await;
    let entries: Vec<_> = (0..12).map(|number| journal("01A", &repo(20 - number), 5)).collect();
    let changes = vec![LinkChange::Put(Box::new(link(&repo(1), "a")))];
    store.change_links(&lease, changes, entries[..7].to_vec()).await.expect("changes");
    drop((lease, store));
    let store = home.open().await;
    let lease = catalog(&*store).await;
    let mut rest = entries[7..].to_vec();
    rest.insert(2, journal("01B", &repo(99), 5));
    store.change_links(&lease, Vec::new(), rest).await.expect("changes");
    assert_eq!(store.journal(&import).await.expect("reads"), entries);
    let mut paged = Vec::new();
    loop {
        let after = paged.last().map(|(number, _)| *number);
        let page = store.journal_page(&import, after, 5).await.expect("reads");
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert!(paged.is_sorted_by(|a, b| a.0 < b.0));
    assert_eq!(paged.into_iter().map(|(_, entry)| entry).collect::<Vec<_>>(), entries);
    assert_eq!(store.journal(&ImportId("01B".to_owned())).await.expect("reads"), [journal("01B", &repo(99), 5)]);
    assert_eq!(store.links("main").await.expect("reads").len(), 1, "one write with its journal");
}

pub(crate) async fn the_newest_decision_counts(home: &dyn Home) {
    let store = home.open().await;
    let ignored = decision(&repo(2), DecisionKind::Ignored, 1);
    let target = decision(&repo(2), DecisionKind::Target { entity: entity("a") }, 2);
    let unlinked = decision(&repo(1), DecisionKind::Unlinked { entity: entity("a"), also: vec![entity("b")] }, 3);
    for decision in [&ignored, &target, &unlinked] {
        store.decide("main", decision).await.expect("decides");
    }
    store.decide("second", &ignored).await.expect("decides");
    assert_eq!(store.decisions("main").await.expect("reads"), [unlinked.clone(), target]);
    store.clear_decision("main", &repo(2)).await.expect("clears");
    store.clear_decision("main", &repo(7)).await.expect("there was none");
    assert_eq!(store.decisions("main").await.expect("reads"), [unlinked]);
    assert_eq!(store.decisions("second").await.expect("reads"), [ignored]);
}

/// P2.13: an emptied catalog is told from a new one.
pub(crate) async fn a_catalog_never_read_is_not_an_empty_one(home: &dyn Home) {
    let store = home.open().await;
    assert_eq!(store.known_entities("main").await.expect("reads"), None);
    store.save_known_entities("main", &[]).await.expect("saves");
    assert_eq!(store.known_entities("main").await.expect("reads"), Some(Vec::new()));
    let refs = [entity("a"), entity("b"), entity("c")];
    store.save_known_entities("main", &refs).await.expect("saves");
    assert_eq!(store.known_entities("main").await.expect("reads"), Some(refs.to_vec()));
    let refs = [entity("b"), entity("d")];
    store.save_known_entities("main", &refs).await.expect("saves");
    assert_eq!(store.known_entities("main").await.expect("reads"), Some(refs.to_vec()));
    assert_eq!(store.known_entities("second").await.expect("reads"), None);
}

pub(crate) async fn switches_and_budgets_are_kept(home: &dyn Home) {
    let store = home.open().await;
    let key = integration("acme");
    assert_eq!(store.switches(&key).await.expect("reads"), Switches::default());
    let auto_import = Some(AutoImportSwitch { on: true, file_said: false });
    let switched = Switches { suspended: true, auto_import };
    store.save_switches(&key, &switched).await.expect("saves");
    assert_eq!(store.switches(&key).await.expect("reads"), switched);
    assert_eq!(store.switches(&integration("beta")).await.expect("reads"), Switches::default());

    assert_eq!(store.budget("acme").await.expect("reads"), None);
    for left in [998, 900] {
        store.save_budget("acme", &json!({"left": left})).await.expect("saves");
    }
    assert_eq!(store.budget("acme").await.expect("reads"), Some(json!({"left": 900})));
}

pub(crate) async fn plans_are_kept_until_dropped(home: &dyn Home) {
    let store = home.open().await;
    let kept = plan("01P", &integration("acme"), 1);
    store.save_plan(&kept).await.expect("saves");
    assert_eq!(store.plan("01P").await.expect("reads"), Some(kept.clone()));
    let later = plan("01P", &integration("acme"), 2);
    store.save_plan(&later).await.expect("saves");
    assert_eq!(store.plan("01P").await.expect("reads"), Some(later));
    store.drop_plan("01P").await.expect("drops");
    store.drop_plan("01P").await.expect("is gone already");
    assert_eq!(store.plan("01P").await.expect("reads"), None);
    assert_whole(&*store).await;
}

pub(crate) async fn syncs_come_newest_first(home: &dyn Home) {
    let store = home.open().await;
    let (one, other) = (integration("acme"), integration("beta"));
    for (key, id, minute) in [(&one, "01C", 1), (&other, "01B", 2), (&one, "01A", 3), (&one, "01D", 3)] {
        store.save_sync(key, &sync(id, minute, Outcome::Completed)).await.expect("saves");
    }
    let ids = |syncs: Vec<crate::model::SyncRecord>| syncs.into_iter().map(|sync| sync.id.0).collect::<Vec<_>>();
    assert_eq!(ids(store.syncs(None, 10).await.expect("reads")), ["01D", "01A", "01B", "01C"]);
    assert_eq!(ids(store.syncs(None, 2).await.expect("reads")), ["01D", "01A"]);
    assert_eq!(ids(store.syncs(Some(&one), 10).await.expect("reads")), ["01D", "01A", "01C"]);
    assert_eq!(ids(store.syncs(Some(&other), 10).await.expect("reads")), ["01B"]);

    // Saved again, it is one sync still, where its start puts it.
    let moved = sync("01C", 9, Outcome::Partial);
    store.save_sync(&one, &moved).await.expect("saves");
    assert_eq!(ids(store.syncs(Some(&one), 10).await.expect("reads")), ["01C", "01D", "01A"]);
    assert_eq!(store.sync(&moved.id).await.expect("reads"), Some((one, moved)));
    assert_eq!(store.sync(&SyncId("01Z".to_owned())).await.expect("reads"), None);
    assert_whole(&*store).await;
}

/// `retention` of the config.
pub(crate) async fn what_is_old_expires(home: &dyn Home) {
    let store = home.open().await;
    let key = integration("acme");
    let lease = catalog(&*store).await;
    for minute in [1, 5, 9] {
        store.save_sync(&key, &sync(&format!("01S{minute}"), minute, Outcome::Completed)).await.expect("saves");
        store.save_plan(&plan(&format!("01P{minute}"), &key, minute)).await.expect("saves");
        let entry = journal(&format!("01I{minute}"), &repo(1), minute);
        store.change_links(&lease, Vec::new(), vec![entry]).await.expect("changes");
    }
    store.save_sync(&key, &sync("01RUNS", 0, Outcome::Running)).await.expect("saves");
    assert_eq!(store.expire(at(5), at(9)).await.expect("expires"), 4);
    let left: Vec<String> = store.syncs(None, 10).await.expect("reads").into_iter().map(|sync| sync.id.0).collect();
    assert_eq!(left, ["01S9", "01S5", "01RUNS"]);
    for (minute, plan, entries) in [(1, false, 0), (5, true, 0), (9, true, 1)] {
        assert_eq!(store.plan(&format!("01P{minute}")).await.expect("reads").is_some(), plan, "plan {minute}");
        let import = ImportId(format!("01I{minute}"));
        assert_eq!(store.journal(&import).await.expect("reads").len(), entries, "journal {minute}");
    }
    assert_eq!(store.expire(at(5), at(9)).await.expect("expires"), 0);
    assert_whole(&*store).await;
}
