//! What only the sled store promises: one process, kill -9, damage, full disks, and what things cost.

use super::*;

#[tokio::test]
async fn a_new_store_is_empty_and_whole() {
    let store = SledStore::temporary().await.expect("opens");
    let report = store.check().await.expect("checks");
    assert_eq!(report.faults, Vec::<String>::new());
    assert_eq!(report.schema, 1);
    assert!(store.integrations().await.expect("reads").is_empty());
}
