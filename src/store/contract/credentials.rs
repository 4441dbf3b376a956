//! Credentials, encrypted: kept, replaced, forgotten; in exports only when asked for (P6.10).

use super::Home;
use super::world::*;
use crate::store::{CredentialChange, SealedCredential, Store, StoreError};

fn sealed(nonce: &str, minute: i64) -> SealedCredential {
    SealedCredential {
        version: 1,
        kind: "access_token".to_owned(),
        key_id: "0123456789abcdef".to_owned(),
        created_at: at(0),
        updated_at: at(minute),
        expires: Some(at(0).date_naive()),
        nonce: nonce.to_owned(),
        sealed: format!("only-who-has-the-key-{nonce}"),
    }
}

fn change(name: &str, instead_of: Option<&str>, nonce: &str) -> CredentialChange {
    CredentialChange { name: name.to_owned(), instead_of: instead_of.map(str::to_owned), credential: sealed(nonce, 1) }
}

async fn changed(store: &dyn Store, changes: &[CredentialChange]) -> bool {
    store.change_credentials(changes.to_vec()).await.expect("writes")
}

async fn nonces(store: &dyn Store) -> Vec<(String, String)> {
    let all = store.credentials().await.expect("reads");
    all.into_iter().map(|(name, credential)| (name, credential.nonce)).collect()
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(name, nonce)| ((*name).to_owned(), (*nonce).to_owned())).collect()
}

pub(crate) async fn credentials_are_kept_replaced_and_forgotten(home: &dyn Home) {
    let store = home.open().await;
    assert_eq!(nonces(&*store).await, []);
    assert!(changed(&*store, &[change("labs", None, "n1")]).await);
    assert!(changed(&*store, &[change("acme", None, "n2")]).await);
    assert!(!changed(&*store, &[change("labs", None, "n3")]).await, "it is there already");
    assert!(!changed(&*store, &[change("labs", Some("n0"), "n3")]).await, "somebody replaced it meanwhile");
    assert!(!changed(&*store, &[change("beta", Some("n0"), "n3")]).await, "it is gone meanwhile");
    assert!(changed(&*store, &[change("labs", Some("n1"), "n4")]).await);
    drop(store);
    let store = home.open().await;
    assert_eq!(nonces(&*store).await, pairs(&[("acme", "n2"), ("labs", "n4")]), "by name, and durable");
    assert_eq!(store.credentials().await.expect("reads")["labs"], sealed("n4", 1), "as saved");
    assert!(store.delete_credential("labs").await.expect("deletes"));
    assert!(!store.delete_credential("labs").await.expect("deletes"));
    assert_eq!(nonces(&*store).await, pairs(&[("acme", "n2")]));
    assert_whole(&*store).await;
}

/// `credential rekey` rests on it: a store is never under two keys.
pub(crate) async fn several_credentials_change_together_or_not_at_all(home: &dyn Home) {
    let store = home.open().await;
    assert!(changed(&*store, &[change("a", None, "a1"), change("b", None, "b1")]).await);
    assert!(!changed(&*store, &[change("a", Some("a1"), "a2"), change("b", Some("other"), "b2")]).await);
    assert_eq!(nonces(&*store).await, pairs(&[("a", "a1"), ("b", "b1")]));
    assert!(changed(&*store, &[change("a", Some("a1"), "a2"), change("b", Some("b1"), "b2")]).await);
    assert_eq!(nonces(&*store).await, pairs(&[("a", "a2"), ("b", "b2")]));
    assert_whole(&*store).await;
}

pub(crate) async fn exports_leave_credentials_out_unless_asked_for(home: &dyn Home) {
    let store = home.open().await;
    fill(&*store, &integration("acme")).await;
    let bare = exported(&*store).await;
    assert!(changed(&*store, &[change("labs", None, "n1")]).await);
    assert_eq!(exported(&*store).await, bare, "without a trace of them");
    let whole = exported_with_credentials(&*store).await;
    assert!(whole.contains(r#"{"book":"credentials","key":["labs"],"value":{"version":1,"#), "{whole}");
    assert_eq!(whole.lines().count(), bare.lines().count() + 1);
    drop(store);
    home.fresh().await;
    let store = home.open().await;
    store.import(&mut whole.as_bytes()).await.expect("imports");
    assert_eq!(exported_with_credentials(&*store).await, whole);
    assert_eq!(nonces(&*store).await, pairs(&[("labs", "n1")]));
    assert_whole(&*store).await;
    drop(store);

    // A store that has credentials is not empty: nothing is mixed into it, nothing of it is lost.
    home.fresh().await;
    let store = home.open().await;
    assert!(changed(&*store, &[change("mine", None, "m1")]).await);
    let refused = store.import(&mut whole.as_bytes()).await;
    assert!(matches!(refused, Err(StoreError::NotEmpty)), "{refused:?}");
    assert_eq!(nonces(&*store).await, pairs(&[("mine", "m1")]));
}
