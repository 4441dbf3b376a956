//! What people did, and who is logged in: kept, in order, forgotten in time (P7.4).

use chrono::Duration;

use super::Home;
use super::world::*;
use crate::store::{AuditEntry, AuditOutcome, KnownBy, Session, SessionOf, Store};

fn entry(id: &str, minute: i64) -> AuditEntry {
    AuditEntry {
        id: id.to_owned(),
        at: at(minute),
        by: "ops".to_owned(),
        known_by: Some(KnownBy::Token),
        from: Some("192.0.2.7".parse().expect("an address")),
        request: "integration suspend acme".to_owned(),
        integrations: vec!["acme".to_owned()],
        outcome: AuditOutcome::Begun,
        detail: None,
    }
}

fn session(digest: &str) -> Session {
    let of = SessionOf::Token { name: "ops".to_owned(), seal: "a seal".to_owned() };
    Session { digest: digest.to_owned(), of, began_at: at(0), seen_at: at(0), from: None }
}

async fn ids(store: &dyn Store, before: Option<&str>, limit: usize) -> String {
    let entries = store.audit(before, limit).await.expect("reads");
    entries.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>().join(" ")
}

pub(crate) async fn what_people_did_comes_newest_first(home: &dyn Home) {
    let store = home.open().await;
    assert_eq!(ids(&*store, None, 9).await, "");
    for (n, id) in ["01A", "01C", "01B", "01D"].into_iter().enumerate() {
        store.save_audit(&entry(id, n as i64)).await.expect("writes");
    }
    let ended = AuditEntry { outcome: AuditOutcome::Done, ..entry("01C", 1) };
    store.save_audit(&ended).await.expect("writes");
    drop(store);
    let store = home.open().await;
    assert_eq!(ids(&*store, None, 9).await, "01D 01C 01B 01A", "durable, each once");
    assert_eq!(ids(&*store, None, 2).await, "01D 01C");
    assert_eq!(ids(&*store, Some("01C"), 2).await, "01B 01A");
    assert_eq!(ids(&*store, Some("01BZ"), 9).await, "01B 01A", "of one that expired meanwhile");
    assert_eq!(ids(&*store, Some("01A"), 9).await, "");
    assert_eq!(ids(&*store, None, 0).await, "");
    assert_eq!(store.audit(Some("01D"), 1).await.expect("reads"), [ended]);
    assert_whole(&*store).await;
}

pub(crate) async fn what_people_did_expires(home: &dyn Home) {
    let store = home.open().await;
    for (id, minute) in [("01A", 1), ("01B", 2), ("01C", 3)] {
        store.save_audit(&entry(id, minute)).await.expect("writes");
    }
    assert_eq!(store.expire_audit(at(1)).await.expect("writes"), 0);
    assert_eq!(store.expire_audit(at(3)).await.expect("writes"), 2);
    assert_eq!(ids(&*store, None, 9).await, "01C");
    assert_whole(&*store).await;
}

pub(crate) async fn sessions_are_kept_until_they_end_and_never_exported(home: &dyn Home) {
    let store = home.open().await;
    let bare = exported_with_credentials(&*store).await;
    store.save_session(&session("aa")).await.expect("writes");
    store.save_session(&session("bb")).await.expect("writes");
    let seen = Session { seen_at: at(0) + Duration::minutes(9), ..session("aa") };
    store.save_session(&seen).await.expect("writes");
    drop(store);
    let store = home.open().await;
    assert_eq!(store.sessions().await.expect("reads"), [seen, session("bb")]);
    assert_eq!(exported_with_credentials(&*store).await, bare, "they are of this host");
    let both = ["aa".to_owned(), "cc".to_owned()];
    assert_eq!(store.end_sessions(&both).await.expect("writes"), 1);
    assert_eq!(store.sessions().await.expect("reads"), [session("bb")]);
    assert_whole(&*store).await;
}
