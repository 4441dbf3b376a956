//! Webhooks: kept once, worked in order, forgotten when old (P6.12).

use super::Home;
use super::world::*;
use crate::model::{Delivery, DeliveryState, Touched};
use crate::store::Store;

pub(crate) fn delivery(connector: &str, id: &str, body: &str, minute: i64) -> Delivery {
    let touched = Touched {
        id: Some("{1}".to_owned()),
        workspace: "acme".to_owned(),
        slug: "web".to_owned(),
        kinds: Default::default(),
        again: false,
    };
    Delivery {
        id: id.to_owned(),
        body_sha256: body.to_owned(),
        connectors: vec![connector.to_owned()],
        event: "repo:push".to_owned(),
        touched: vec![touched],
        received_at: at(minute),
        state: DeliveryState::Waiting { attempts: 0, not_before: at(minute) },
        looked: Default::default(),
    }
}

fn done(delivery: &Delivery) -> Delivery {
    let state = DeliveryState::Done { at: delivery.received_at, outcome: "synced".to_owned() };
    Delivery { state, ..delivery.clone() }
}

fn names(of: &[&str]) -> Vec<String> {
    of.iter().map(|name| (*name).to_owned()).collect()
}

/// Ids of what is due of a connector at a minute.
async fn due(store: &dyn Store, connector: &str, minute: i64) -> Vec<String> {
    let due = store.due_deliveries(&names(&[connector]), at(minute), at(minute + 1_000), 100).await.expect("reads");
    due.into_iter().map(|one| one.id).collect()
}

async fn waiting(store: &dyn Store) -> Vec<(String, u64, i64)> {
    let waiting = store.waiting_deliveries().await.expect("reads").into_iter();
    waiting.map(|one| (one.connectors.join("+"), one.count, (one.oldest - at(0)).num_minutes())).collect()
}

pub(crate) async fn a_delivery_is_kept_once_by_id_and_by_body(home: &dyn Home) {
    let store = home.open().await;
    let first = delivery("acme", "1", "a", 0);
    let several = vec![
        first.clone(),
        delivery("acme", "1", "b", 1),
        delivery("acme", "2", "a", 1),
        delivery("acme", "3", "c", 1),
        delivery("labs", "1", "a", 1),
        delivery("acme", "4", "c", 2),
    ];
    let new = store.keep_deliveries(several).await.expect("writes");
    assert_eq!(new, [true, false, false, true, true, false], "also among themselves; another's are its own");
    drop(store);
    let store = home.open().await;
    assert_eq!(store.keep_deliveries(vec![first.clone()]).await.expect("writes"), [false], "also after it is reopened");
    store.save_deliveries(vec![done(&first)]).await.expect("writes");
    let replayed = Delivery { id: "9".to_owned(), received_at: at(5), ..first };
    assert_eq!(store.keep_deliveries(vec![replayed]).await.expect("writes"), [false], "nor once it is done");
    assert_whole(&*store).await;
}

pub(crate) async fn deliveries_wait_until_they_are_due(home: &dyn Home) {
    let store = home.open().await;
    let (old, new, late) =
        (delivery("labs", "1", "a", 1), delivery("acme", "2", "b", 2), delivery("acme", "0", "c", 3));
    store.keep_deliveries(vec![late.clone(), old.clone(), new.clone()]).await.expect("writes");
    assert_eq!(due(&*store, "acme", 3).await, ["2", "0"], "oldest first, and nothing of others");
    assert_eq!(due(&*store, "acme", 2).await, ["2"]);
    assert_eq!(due(&*store, "labs", 9).await, ["1"]);
    assert_eq!(due(&*store, "nobody", 9).await, [""; 0]);
    let one = store.due_deliveries(&names(&["acme"]), at(9), at(99), 1).await.expect("reads");
    assert_eq!(one, std::slice::from_ref(&new));
    let signers = store.signers_waiting().await.expect("reads");
    assert_eq!(signers, [(names(&["acme"]), at(2)), (names(&["labs"]), at(1))]);
    assert_eq!(waiting(&*store).await, [("acme".to_owned(), 2, 2), ("labs".to_owned(), 1, 1)]);

    let tried = DeliveryState::Waiting { attempts: 3, not_before: at(99) };
    let tried = Delivery { state: tried, looked: ["team-a".to_owned()].into(), ..new };
    store.save_deliveries(vec![done(&old), tried.clone()]).await.expect("writes");
    assert_eq!(due(&*store, "acme", 50).await, ["0"], "what is due later hides nothing");
    assert_eq!(due(&*store, "acme", 99).await, ["0", "2"]);
    assert_eq!(due(&*store, "acme", -5_000).await, ["0", "2"], "a clock that jumped back");
    assert_eq!(store.signers_waiting().await.expect("reads"), [(names(&["acme"]), at(3))]);
    assert_eq!(waiting(&*store).await, [("acme".to_owned(), 2, 2)]);
    store.rebuild_indexes().await.expect("rebuilds");
    assert_eq!(due(&*store, "acme", 99).await, ["0", "2"]);

    let newest = store.deliveries(None, 2).await.expect("reads");
    assert_eq!(newest, [late.clone(), tried.clone()], "newest first");
    assert_eq!(store.deliveries(Some(&late.place()), 1).await.expect("reads"), std::slice::from_ref(&tried));
    assert_eq!(store.deliveries(Some(&tried.place()), 9).await.expect("reads"), [done(&old)]);
    assert_whole(&*store).await;
}

pub(crate) async fn old_deliveries_go_once_they_are_done(home: &dyn Home) {
    let store = home.open().await;
    let all = [delivery("acme", "1", "a", 1), delivery("acme", "2", "b", 2), delivery("acme", "3", "c", 3)];
    store.keep_deliveries(all.to_vec()).await.expect("writes");
    store.save_deliveries(vec![done(&all[0]), done(&all[2])]).await.expect("writes");
    assert_eq!(store.expire_deliveries(at(3)).await.expect("expires"), 1, "what waits stays, and what is younger");
    let left: Vec<String> = store.deliveries(None, 10).await.expect("reads").into_iter().map(|one| one.id).collect();
    assert_eq!(left, ["3", "2"]);
    store.save_deliveries(vec![done(&all[0])]).await.expect("writes");
    assert_eq!(store.deliveries(None, 10).await.expect("reads").len(), 2, "what went is not brought back");
    assert_eq!(store.keep_deliveries(vec![all[0].clone()]).await.expect("writes"), [true], "and would be new again");
    assert_whole(&*store).await;
}
