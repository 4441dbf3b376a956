//! A store in which nothing is kept: for whoever looks before there is one. It needs no directory, so that looking
//! writes nowhere (P7.9).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{
    AuditEntry, CatalogLease, Changed, CrawlLease, CredentialChange, CredentialLease, DetailBatch, DiscoveryState,
    ExportOf, IntegrationState, ItemBatch, JournalEntry, LinkChange, Listed, ListedOf, RecordedPage, SealedCredential,
    Session, Store, StoreError, StoreReport, StoredCandidates, StoredPlan, Switches, UserBatch,
};
use crate::model::{
    Action, Coverage, Decision, Delivery, DeliveryPlace, Detail, DetailCoverage, DetailKind, EntityRef, ImportId,
    IngestedRecord, IntegrationKey, Item, KnownRepository, Link, Recommendation, RepoKey, SecondaryKind, SyncId,
    SyncRecord, User, UserCoverage, WaitingDeliveries,
};

/// Knows nothing and keeps nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NothingStore;

/// A bug: only commands that read get here.
fn nothing_is_kept() -> StoreError {
    StoreError::Lost("something was to be kept where there is no store".to_owned())
}

#[async_trait]
impl Store for NothingStore {
    async fn integrations(&self) -> Result<Vec<IntegrationState>, StoreError> {
        Ok(Vec::new())
    }

    async fn integration(&self, _: &IntegrationKey) -> Result<Option<IntegrationState>, StoreError> {
        Ok(None)
    }

    async fn switches(&self, _: &IntegrationKey) -> Result<Switches, StoreError> {
        Ok(Switches::default())
    }

    async fn sweep_seen(&self, _: &IntegrationKey, _: &SyncId) -> Result<Vec<RepoKey>, StoreError> {
        Ok(Vec::new())
    }

    async fn repositories(
        &self,
        _: &IntegrationKey,
        _: Option<&RepoKey>,
        _: usize,
    ) -> Result<Vec<KnownRepository>, StoreError> {
        Ok(Vec::new())
    }

    async fn records(
        &self,
        _: &IntegrationKey,
        _: Option<&RepoKey>,
        _: usize,
    ) -> Result<Vec<(KnownRepository, Value)>, StoreError> {
        Ok(Vec::new())
    }

    async fn record(
        &self,
        _: &IntegrationKey,
        _: &RepoKey,
    ) -> Result<Option<(KnownRepository, IngestedRecord)>, StoreError> {
        Ok(None)
    }

    async fn integrations_of(&self, _: &RepoKey) -> Result<Vec<IntegrationKey>, StoreError> {
        Ok(Vec::new())
    }

    async fn candidates(&self, _: &str, _: Option<&IntegrationKey>) -> Result<Vec<StoredCandidates>, StoreError> {
        Ok(Vec::new())
    }

    async fn recommended(&self, _: &IntegrationKey, _: BTreeSet<RepoKey>) -> Result<BTreeMap<Action, u64>, StoreError> {
        Ok(BTreeMap::new())
    }

    async fn recommendations(&self, _: &IntegrationKey) -> Result<Vec<Recommendation>, StoreError> {
        Ok(Vec::new())
    }

    async fn listed(&self, _: &IntegrationKey, _: ListedOf) -> Result<Vec<Listed>, StoreError> {
        Ok(Vec::new())
    }

    async fn changed(&self, _: &IntegrationKey, since: Option<u64>) -> Result<Changed, StoreError> {
        let repositories = since.map(|_| BTreeSet::new());
        Ok(Changed { revision: 0, repositories, is_decided: false, syncs: false })
    }

    async fn links(&self, _: &str) -> Result<Vec<Link>, StoreError> {
        Ok(Vec::new())
    }

    async fn links_of(&self, _: &str, _: &RepoKey) -> Result<Vec<Link>, StoreError> {
        Ok(Vec::new())
    }

    async fn links_to(&self, _: &str, _: &EntityRef) -> Result<Vec<Link>, StoreError> {
        Ok(Vec::new())
    }

    async fn journal(&self, _: &ImportId) -> Result<Vec<JournalEntry>, StoreError> {
        Ok(Vec::new())
    }

    async fn journal_page(
        &self,
        _: &ImportId,
        _: Option<u32>,
        _: usize,
    ) -> Result<Vec<(u32, JournalEntry)>, StoreError> {
        Ok(Vec::new())
    }

    async fn decisions(&self, _: &str) -> Result<Vec<Decision>, StoreError> {
        Ok(Vec::new())
    }

    async fn known_entities(&self, _: &str) -> Result<Option<Vec<EntityRef>>, StoreError> {
        Ok(None)
    }

    async fn catalog_snapshot(&self, _: &str) -> Result<Option<Value>, StoreError> {
        Ok(None)
    }

    async fn items(
        &self,
        _: &IntegrationKey,
        _: &RepoKey,
        _: SecondaryKind,
        _: usize,
    ) -> Result<Vec<Item>, StoreError> {
        Ok(Vec::new())
    }

    async fn stored_items(
        &self,
        _: &IntegrationKey,
        _: &RepoKey,
        _: SecondaryKind,
        _: &[Item],
    ) -> Result<Vec<Item>, StoreError> {
        Ok(Vec::new())
    }

    async fn dump_items(&self, _: &IntegrationKey, _: SecondaryKind) -> Result<Vec<(RepoKey, Item)>, StoreError> {
        Ok(Vec::new())
    }

    async fn coverage(&self, _: &IntegrationKey, _: SecondaryKind) -> Result<Vec<Coverage>, StoreError> {
        Ok(Vec::new())
    }

    async fn coverage_of(
        &self,
        _: &IntegrationKey,
        _: &RepoKey,
        _: SecondaryKind,
    ) -> Result<Option<Coverage>, StoreError> {
        Ok(None)
    }

    async fn details(
        &self,
        _: &IntegrationKey,
        _: &RepoKey,
        _: DetailKind,
        _: usize,
    ) -> Result<Vec<Detail>, StoreError> {
        Ok(Vec::new())
    }

    async fn detail_coverage(&self, _: &IntegrationKey, _: DetailKind) -> Result<Vec<DetailCoverage>, StoreError> {
        Ok(Vec::new())
    }

    async fn users(&self, _: &IntegrationKey) -> Result<Vec<User>, StoreError> {
        Ok(Vec::new())
    }

    async fn user_coverage(&self, _: &IntegrationKey) -> Result<Option<UserCoverage>, StoreError> {
        Ok(None)
    }

    async fn syncs(&self, _: Option<&IntegrationKey>, _: usize) -> Result<Vec<SyncRecord>, StoreError> {
        Ok(Vec::new())
    }

    async fn sync(&self, _: &SyncId) -> Result<Option<(IntegrationKey, SyncRecord)>, StoreError> {
        Ok(None)
    }

    async fn plan(&self, _: &str) -> Result<Option<StoredPlan>, StoreError> {
        Ok(None)
    }

    async fn budget(&self, _: &str) -> Result<Option<Value>, StoreError> {
        Ok(None)
    }

    async fn credentials(&self) -> Result<BTreeMap<String, SealedCredential>, StoreError> {
        Ok(BTreeMap::new())
    }

    async fn check(&self) -> Result<StoreReport, StoreError> {
        Ok(StoreReport::default())
    }

    async fn export(&self, out: &mut (dyn std::io::Write + Send), _: ExportOf) -> Result<u64, StoreError> {
        super::sled::export_nothing(out)
    }

    // What writes.

    async fn crawl_lease(&self, _: &IntegrationKey, _: Duration) -> Result<Option<CrawlLease>, StoreError> {
        Err(nothing_is_kept())
    }

    async fn catalog_lease(&self, _: &str) -> Result<CatalogLease, StoreError> {
        Err(nothing_is_kept())
    }

    async fn credential_lease(&self, _: &str) -> Result<CredentialLease, StoreError> {
        Err(nothing_is_kept())
    }

    async fn save_integration(&self, _: &CrawlLease, _: &IntegrationState) -> Result<(), StoreError> {
        Err(nothing_is_kept())
    }

    async fn delete_integration(&self, _: &CrawlLease, _: &CatalogLease) -> Result<(), StoreError> {
        Err(nothing_is_kept())
    }

    async fn carry_over(
        &self,
        _: &CrawlLease,
        _: &CrawlLease,
        _: Option<(&CatalogLease, &CatalogLease)>,
    ) -> Result<(), StoreError> {
        Err(nothing_is_kept())
    }

    async fn save_switches(&self, _: &IntegrationKey, _: &Switches) -> Result<(), StoreError> {
        Err(nothing_is_kept())
    }

    async fn record_page(&self, _: &CrawlLease, _: RecordedPage) -> Result<(), StoreError> {
        Err(nothing_is_kept())
    }

    async fn finish_walk(&self, _: &CrawlLease, _: Vec<KnownRepository>, _: DiscoveryState) -> Result<(), StoreError> {
        Err(nothing_is_kept())
    }

    async fn save_recommendations(
        &self,
        _: &CrawlLease,
        _: Vec<StoredCandidates>,
        _: Vec<Recommendation>,
    ) -> Result<(), StoreError> {
        Err(nothing_is_kept())
    }

    async fn keep_verdicts(&self, _: &CrawlLease, _: Vec<RepoKey>) -> Result<(), StoreError> {
        Err(nothing_is_kept())
    }

    async fn change_links(&self, _: &CatalogLease, _: Vec<LinkChange>, _: Vec<JournalEntry>) -> Result<(), StoreError> {
        Err(nothing_is_kept())
    }

    async fn intend(&self, _: &CatalogLease, _: Vec<JournalEntry>) -> Result<(), StoreError> {
        Err(nothing_is_kept())
    }

    async fn intended(&self, _: &str, _: &RepoKey, _: &EntityRef) -> Result<Option<JournalEntry>, StoreError> {
        Ok(None)
    }

    async fn decide(&self, _: &str, _: &Decision) -> Result<(), StoreError> {
        Err(nothing_is_kept())
    }

    async fn clear_decision(&self, _: &str, _: &RepoKey) -> Result<(), StoreError> {
        Err(nothing_is_kept())
    }

    async fn save_known_entities(&self, _: &str, _: &[EntityRef]) -> Result<(), StoreError> {
        Err(nothing_is_kept())
    }

    async fn save_catalog_snapshot(&self, _: &str, _: &Value) -> Result<(), StoreError> {
        Err(nothing_is_kept())
    }

    async fn record_items(&self, _: &CrawlLease, _: Vec<ItemBatch>) -> Result<(), StoreError> {
        Err(nothing_is_kept())
    }

    async fn record_details(&self, _: &CrawlLease, _: Vec<DetailBatch>) -> Result<(), StoreError> {
        Err(nothing_is_kept())
    }

    async fn record_users(&self, _: &CrawlLease, _: UserBatch) -> Result<(), StoreError> {
        Err(nothing_is_kept())
    }

    async fn forget_users(&self, _: &CrawlLease) -> Result<(), StoreError> {
        Err(nothing_is_kept())
    }

    async fn save_sync(&self, _: &IntegrationKey, _: &SyncRecord) -> Result<(), StoreError> {
        Err(nothing_is_kept())
    }

    async fn save_plan(&self, _: &StoredPlan) -> Result<(), StoreError> {
        Err(nothing_is_kept())
    }

    async fn drop_plan(&self, _: &str) -> Result<(), StoreError> {
        Err(nothing_is_kept())
    }

    async fn save_budget(&self, _: &str, _: &Value) -> Result<(), StoreError> {
        Err(nothing_is_kept())
    }

    async fn change_credentials(&self, _: Vec<CredentialChange>) -> Result<bool, StoreError> {
        Err(nothing_is_kept())
    }

    async fn delete_credential(&self, _: &str) -> Result<bool, StoreError> {
        Err(nothing_is_kept())
    }

    async fn keep_deliveries(&self, _: Vec<Delivery>) -> Result<Vec<bool>, StoreError> {
        Err(nothing_is_kept())
    }

    async fn signers_waiting(&self) -> Result<Vec<crate::store::SignersWaiting>, StoreError> {
        Ok(Vec::new())
    }

    async fn waiting_deliveries(&self) -> Result<Vec<WaitingDeliveries>, StoreError> {
        Ok(Vec::new())
    }

    async fn due_deliveries(
        &self,
        _: &[String],
        _: DateTime<Utc>,
        _: DateTime<Utc>,
        _: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        Ok(Vec::new())
    }

    async fn save_deliveries(&self, _: Vec<Delivery>) -> Result<(), StoreError> {
        Err(nothing_is_kept())
    }

    async fn deliveries(&self, _: Option<&DeliveryPlace>, _: usize) -> Result<Vec<Delivery>, StoreError> {
        Ok(Vec::new())
    }

    async fn expire_deliveries(&self, _: DateTime<Utc>) -> Result<u64, StoreError> {
        Err(nothing_is_kept())
    }

    async fn save_audit(&self, _: &AuditEntry) -> Result<(), StoreError> {
        Err(nothing_is_kept())
    }

    async fn audit(&self, _: Option<&str>, _: usize) -> Result<Vec<AuditEntry>, StoreError> {
        Ok(Vec::new())
    }

    async fn expire_audit(&self, _: DateTime<Utc>) -> Result<u64, StoreError> {
        Err(nothing_is_kept())
    }

    async fn sessions(&self) -> Result<Vec<Session>, StoreError> {
        Ok(Vec::new())
    }

    async fn save_session(&self, _: &Session) -> Result<(), StoreError> {
        Err(nothing_is_kept())
    }

    async fn end_sessions(&self, _: &[String]) -> Result<u64, StoreError> {
        Err(nothing_is_kept())
    }

    async fn expire(&self, _: DateTime<Utc>, _: DateTime<Utc>) -> Result<u64, StoreError> {
        Err(nothing_is_kept())
    }

    async fn rebuild_indexes(&self) -> Result<u64, StoreError> {
        Err(nothing_is_kept())
    }

    async fn import(&self, _: &mut (dyn std::io::BufRead + Send)) -> Result<u64, StoreError> {
        Err(nothing_is_kept())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // P7.9: what there is none of is empty, also as an export; and nothing is taken.
    #[tokio::test]
    async fn it_tells_nothing_and_takes_nothing_p7_9() {
        let (store, empty) = (NothingStore, super::super::sled::SledStore::temporary().await.unwrap());
        let mut exports = [Vec::new(), Vec::new()];
        let stores: [&dyn Store; 2] = [&store, &empty];
        for (store, out) in stores.into_iter().zip(&mut exports) {
            assert_eq!(store.export(out, ExportOf::WithCredentials).await.unwrap(), 0);
            assert_eq!(store.syncs(None, 10).await.unwrap(), []);
            assert_eq!(store.integrations().await.unwrap(), []);
        }
        assert_eq!(exports[0], exports[1]);
        assert!(store.drop_plan("01").await.is_err());
    }
}
