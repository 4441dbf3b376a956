//! Webhooks: kept once, worked in order, forgotten when old (P6.12).

use super::Home;
use super::world::*;
use crate::model::{Delivery, DeliveryState, Touched};
use crate::store::Store;

fn delivery(connector: &str, id: &str, body: &str, minute: i64) -> Delivery {
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
    }
}

fn done(delivery: &Delivery) -> Delivery {
    let state = DeliveryState::Done { at: delivery.received_at, outcome: "synced".to_owned() };
    Delivery { state, ..delivery.clone() }
}

async fn waiting(store: &dyn Store) -> Vec<String> {
    store.waiting_deliveries(100).await.expect("reads").into_iter().map(|one| one.id).collect()
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

pub(crate) async fn waiting_deliveries_come_oldest_first(home: &dyn Home) {
    let store = home.open().await;
    let (old, new, late) =
        (delivery("labs", "1", "a", 1), delivery("acme", "2", "b", 2), delivery("acme", "0", "c", 3));
    store.keep_deliveries(vec![late.clone(), old.clone(), new.clone()]).await.expect("writes");
    assert_eq!(waiting(&*store).await, ["1", "2", "0"]);
    assert_eq!(store.waiting_deliveries(1).await.expect("reads"), std::slice::from_ref(&old));
    let tried = DeliveryState::Waiting { attempts: 3, not_before: at(99) };
    let tried = Delivery { state: tried, ..new };
    store.save_deliveries(vec![done(&old), tried.clone()]).await.expect("writes");
    assert_eq!(waiting(&*store).await, ["2", "0"]);
    assert_eq!(store.deliveries(2).await.expect("reads"), [late, tried], "newest first");
    store.rebuild_indexes().await.expect("rebuilds");
    assert_eq!(waiting(&*store).await, ["2", "0"]);
    assert_whole(&*store).await;
}

pub(crate) async fn old_deliveries_go_once_they_are_done(home: &dyn Home) {
    let store = home.open().await;
    let all = [delivery("acme", "1", "a", 1), delivery("acme", "2", "b", 2), delivery("acme", "3", "c", 3)];
    store.keep_deliveries(all.to_vec()).await.expect("writes");
    store.save_deliveries(vec![done(&all[0]), done(&all[2])]).await.expect("writes");
    assert_eq!(store.expire_deliveries(at(3)).await.expect("expires"), 1, "what waits stays, and what is younger");
    let left: Vec<String> = store.deliveries(10).await.expect("reads").into_iter().map(|one| one.id).collect();
    assert_eq!(left, ["3", "2"]);
    store.save_deliveries(vec![done(&all[0])]).await.expect("writes");
    assert_eq!(store.deliveries(10).await.expect("reads").len(), 2, "what went is not brought back");
    assert_eq!(store.keep_deliveries(vec![all[0].clone()]).await.expect("writes"), [true], "and would be new again");
    assert_whole(&*store).await;
}
