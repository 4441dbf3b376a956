//! The embedded store: one sled tree, a book per kind of record (architecture.md, "State in sled").
//!
//! No sled type leaves this module. Everything sled does blocks, so it happens in `spawn_blocking`, where a
//! panic of sled's becomes an error.

mod books;
mod carried;
mod changelog;
mod check;
mod codec;
mod commit;
mod credentials;
mod deliveries;
mod details;
mod draft;
mod export;
mod integrations;
mod keys;
mod leases;
mod links;
mod migrations;
mod open;
mod people;
mod repositories;
mod secondary;
mod syncs;
mod users;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio::sync::RwLock;

pub(in crate::store) use self::export::export_nothing;

use self::changelog::Changelog;
use self::commit::Commit;
use self::draft::{Draft, Tree};
use self::leases::Leases;
use self::open::blocking;
use super::{
    AuditEntry, CatalogLease, Changed, CrawlLease, CredentialChange, CredentialLease, DetailBatch, DiscoveryState,
    ExportOf, IntegrationState, ItemBatch, JournalEntry, LinkChange, Listed, ListedOf, RecordedPage, SealedCredential,
    Session, Store, StoreError, StoreReport, StoredCandidates, StoredPlan, Switches, UserBatch,
};
use crate::clock::Clock;
use crate::model::{
    Action, Coverage, Decision, Delivery, DeliveryPlace, Detail, DetailCoverage, DetailKind, EntityRef, ImportId,
    IngestedRecord, IntegrationKey, Item, KnownRepository, Link, Recommendation, RepoKey, SecondaryKind, SyncId,
    SyncRecord, User, UserCoverage, WaitingDeliveries,
};

/// State in a sled directory. One process at a time has it.
#[derive(Debug)]
pub struct SledStore {
    tree: Tree,
    /// Writers one at a time; readers together, and never in the middle of a write.
    gate: Arc<RwLock<()>>,
    commit: Arc<Commit>,
    changelog: Arc<Changelog>,
    crawls: Leases<IntegrationKey>,
    catalogs: Leases<String>,
    credentials: Leases<String>,
}

impl SledStore {
    /// Opens the store in the directory `path`, made (for its owner alone) where there is none. Syncs that
    /// a killed process left running are interrupted from here on. A store of an older schema is exported into its own
    /// directory, then migrated (P7.10).
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::TooNew`], [`StoreError::Unopenable`] when the directory is
    /// damaged, [`StoreError::Io`].
    pub async fn open(path: impl AsRef<Path>, clock: &Clock) -> Result<Self, StoreError> {
        Ok(Self::over(open::open(path.as_ref().to_owned(), false, clock.now()).await?))
    }

    /// A store in a scratch directory that goes with it: for demos and tests.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub async fn temporary() -> Result<Self, StoreError> {
        let path = std::env::temp_dir().join(format!("catalog-sync-{}", ulid::Ulid::new()));
        Ok(Self::over(open::open(path, true, Clock::System.now()).await?))
    }

    /// A scratch store with the contents of another: for dry runs, which must write nothing that stays. It
    /// lies in the other's folder, the one place that is sure to be writable (P7.9); one that a killed dry
    /// run left there goes when the store is opened next.
    ///
    /// # Errors
    /// Those of either store.
    pub async fn scratch_copy(of: &dyn Store, folder: &Path) -> Result<Self, StoreError> {
        let mut lines = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        of.export(&mut lines, ExportOf::WithoutCredentials).await?;
        let packed = lines.finish().map_err(|source| StoreError::Io { doing: "copy itself".to_owned(), source })?;
        let path = folder.join(format!("{}{}", open::SCRATCH, ulid::Ulid::new()));
        let scratch = Self::over(open::open(path, true, Clock::System.now()).await?);
        let mut lines = std::io::BufReader::new(flate2::read::DeflateDecoder::new(packed.as_slice()));
        scratch.import(&mut lines).await?;
        Ok(scratch)
    }

    fn over(tree: Tree) -> Self {
        Self {
            tree,
            gate: Arc::default(),
            commit: Arc::default(),
            changelog: Arc::default(),
            crawls: Leases::default(),
            catalogs: Leases::default(),
            credentials: Leases::default(),
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Tree) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let still = Arc::clone(&self.gate).read_owned().await;
        let tree = self.tree.clone();
        blocking(move || {
            let result = job(&tree);
            drop(still);
            result
        })
        .await
    }

    /// Runs one logical write alone, and returns when it is on disk. It is carried to its end even when the
    /// caller stops waiting.
    async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Draft<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let alone = Arc::clone(&self.gate).write_owned().await;
        let tree = self.tree.clone();
        let commit = Arc::clone(&self.commit);
        let changelog = Arc::clone(&self.changelog);
        let written = blocking(move || {
            let mut draft = Draft::new(&tree);
            let result = job(&mut draft).and_then(|value| draft.apply().map(|()| value));
            if draft.has_applied() {
                commit.note_applied();
                changelog.note(draft.touched());
            }
            drop(alone);
            result
        });
        let value = written.await?;
        // Even what changed nothing may rest on what another writer has applied and not flushed yet.
        self.commit.settle(&self.tree).await?;
        Ok(value)
    }
}

#[async_trait]
impl Store for SledStore {
    async fn crawl_lease(
        &self,
        integration: &IntegrationKey,
        wait: Duration,
    ) -> Result<Option<CrawlLease>, StoreError> {
        let lease = tokio::time::timeout(wait, self.crawls.lease(integration)).await.ok();
        Ok(lease.map(|guard| CrawlLease { integration: integration.clone(), _guard: guard }))
    }

    async fn catalog_lease(&self, catalog: &str) -> Result<CatalogLease, StoreError> {
        let guard = self.catalogs.lease(catalog).await;
        Ok(CatalogLease { catalog: catalog.to_owned(), _guard: guard })
    }

    async fn credential_lease(&self, credential: &str) -> Result<CredentialLease, StoreError> {
        let guard = self.credentials.lease(credential).await;
        Ok(CredentialLease { credential: credential.to_owned(), _guard: guard })
    }

    async fn integrations(&self) -> Result<Vec<IntegrationState>, StoreError> {
        self.read(integrations::all).await
    }

    async fn integration(&self, key: &IntegrationKey) -> Result<Option<IntegrationState>, StoreError> {
        let key = key.clone();
        self.read(move |tree| integrations::one(tree, &key)).await
    }

    async fn save_integration(&self, lease: &CrawlLease, state: &IntegrationState) -> Result<(), StoreError> {
        let (held, state) = (lease.integration.clone(), state.clone());
        self.write(move |draft| integrations::save(draft, &held, &state)).await
    }

    async fn delete_integration(&self, lease: &CrawlLease, catalog: &CatalogLease) -> Result<(), StoreError> {
        let (integration, catalog) = (lease.integration.clone(), catalog.catalog.clone());
        self.write(move |draft| {
            integrations::begin_deletion(draft, &integration, &catalog)?;
            integrations::delete(draft, &integration)
        })
        .await
    }

    async fn carry_over(
        &self,
        from: &CrawlLease,
        to: &CrawlLease,
        catalogs: Option<(&CatalogLease, &CatalogLease)>,
    ) -> Result<(), StoreError> {
        let (from, to) = (from.integration.clone(), to.integration.clone());
        let held = catalogs.map(|(from, to)| (from.catalog.clone(), to.catalog.clone()));
        self.write(move |draft| carried::carry_over(draft, &from, &to, held)).await
    }

    async fn switches(&self, key: &IntegrationKey) -> Result<Switches, StoreError> {
        let key = key.clone();
        self.read(move |tree| integrations::switches(tree, &key)).await
    }

    async fn save_switches(&self, key: &IntegrationKey, switches: &Switches) -> Result<(), StoreError> {
        let (key, switches) = (key.clone(), switches.clone());
        self.write(move |draft| integrations::save_switches(draft, &key, &switches)).await
    }

    async fn record_page(&self, lease: &CrawlLease, page: RecordedPage) -> Result<(), StoreError> {
        let key = lease.integration.clone();
        self.write(move |draft| repositories::record_page(draft, &key, &page)).await
    }

    async fn sweep_seen(&self, key: &IntegrationKey, sweep: &SyncId) -> Result<Vec<RepoKey>, StoreError> {
        let (key, sweep) = (key.clone(), sweep.clone());
        self.read(move |tree| repositories::sweep_seen(tree, &key, &sweep)).await
    }

    async fn finish_walk(
        &self,
        lease: &CrawlLease,
        changes: Vec<KnownRepository>,
        discovery: DiscoveryState,
    ) -> Result<(), StoreError> {
        let key = lease.integration.clone();
        self.write(move |draft| repositories::finish_walk(draft, &key, &changes, discovery)).await
    }

    async fn repositories(
        &self,
        key: &IntegrationKey,
        after: Option<&RepoKey>,
        limit: usize,
    ) -> Result<Vec<KnownRepository>, StoreError> {
        let (key, after) = (key.clone(), after.cloned());
        self.read(move |tree| repositories::page(tree, &key, after.as_ref(), limit)).await
    }

    async fn records(
        &self,
        key: &IntegrationKey,
        after: Option<&RepoKey>,
        limit: usize,
    ) -> Result<Vec<(KnownRepository, Value)>, StoreError> {
        let (key, after) = (key.clone(), after.cloned());
        self.read(move |tree| repositories::page_with_records(tree, &key, after.as_ref(), limit)).await
    }

    async fn record(
        &self,
        key: &IntegrationKey,
        repo: &RepoKey,
    ) -> Result<Option<(KnownRepository, IngestedRecord)>, StoreError> {
        let (key, repo) = (key.clone(), repo.clone());
        self.read(move |tree| repositories::record(tree, &key, &repo)).await
    }

    async fn integrations_of(&self, repo: &RepoKey) -> Result<Vec<IntegrationKey>, StoreError> {
        let repo = repo.clone();
        self.read(move |tree| repositories::integrations_of(tree, &repo)).await
    }

    async fn save_recommendations(
        &self,
        lease: &CrawlLease,
        candidates: Vec<StoredCandidates>,
        recommendations: Vec<Recommendation>,
    ) -> Result<(), StoreError> {
        let key = lease.integration.clone();
        self.write(move |draft| repositories::save_recommendations(draft, &key, candidates, recommendations)).await
    }

    async fn keep_verdicts(&self, lease: &CrawlLease, of: Vec<RepoKey>) -> Result<(), StoreError> {
        let key = lease.integration.clone();
        self.write(move |draft| repositories::keep_verdicts(draft, &key, &of)).await
    }

    async fn candidates(
        &self,
        catalog: &str,
        but: Option<&IntegrationKey>,
    ) -> Result<Vec<StoredCandidates>, StoreError> {
        let (catalog, but) = (catalog.to_owned(), but.cloned());
        self.read(move |tree| repositories::candidates(tree, &catalog, but.as_ref())).await
    }

    async fn recommended(
        &self,
        key: &IntegrationKey,
        but: BTreeSet<RepoKey>,
    ) -> Result<BTreeMap<Action, u64>, StoreError> {
        let key = key.clone();
        self.read(move |tree| repositories::recommended(tree, &key, &but)).await
    }

    async fn recommendations(&self, key: &IntegrationKey) -> Result<Vec<Recommendation>, StoreError> {
        let key = key.clone();
        self.read(move |tree| repositories::recommendations(tree, &key)).await
    }

    async fn listed(&self, key: &IntegrationKey, of: ListedOf) -> Result<Vec<Listed>, StoreError> {
        let key = key.clone();
        self.read(move |tree| repositories::listed(tree, &key, of)).await
    }

    async fn changed(&self, key: &IntegrationKey, since: Option<u64>) -> Result<Changed, StoreError> {
        Ok(self.changelog.since(key, since))
    }

    async fn links(&self, catalog: &str) -> Result<Vec<Link>, StoreError> {
        let catalog = catalog.to_owned();
        self.read(move |tree| links::all(tree, &catalog)).await
    }

    async fn links_of(&self, catalog: &str, repo: &RepoKey) -> Result<Vec<Link>, StoreError> {
        let (catalog, repo) = (catalog.to_owned(), repo.clone());
        self.read(move |tree| links::of_repository(tree, &catalog, &repo)).await
    }

    async fn links_to(&self, catalog: &str, entity: &EntityRef) -> Result<Vec<Link>, StoreError> {
        let (catalog, entity) = (catalog.to_owned(), entity.clone());
        self.read(move |tree| links::to_entity(tree, &catalog, &entity)).await
    }

    async fn change_links(
        &self,
        lease: &CatalogLease,
        changes: Vec<LinkChange>,
        journal: Vec<JournalEntry>,
    ) -> Result<(), StoreError> {
        let catalog = lease.catalog.clone();
        self.write(move |draft| links::change(draft, &catalog, &changes, &journal)).await
    }

    async fn intend(&self, lease: &CatalogLease, intents: Vec<JournalEntry>) -> Result<(), StoreError> {
        let catalog = lease.catalog.clone();
        self.write(move |draft| links::intend(draft, &catalog, &intents)).await
    }

    async fn intended(
        &self,
        catalog: &str,
        repo: &RepoKey,
        entity: &EntityRef,
    ) -> Result<Option<JournalEntry>, StoreError> {
        let (catalog, repo, entity) = (catalog.to_owned(), repo.clone(), entity.clone());
        self.read(move |tree| links::intended(tree, &catalog, &repo, &entity)).await
    }

    async fn journal(&self, import_id: &ImportId) -> Result<Vec<JournalEntry>, StoreError> {
        let import_id = import_id.clone();
        self.read(move |tree| links::journal(tree, &import_id)).await
    }

    async fn journal_page(
        &self,
        import_id: &ImportId,
        after: Option<u32>,
        limit: usize,
    ) -> Result<Vec<(u32, JournalEntry)>, StoreError> {
        let import_id = import_id.clone();
        self.read(move |tree| links::journal_page(tree, &import_id, after, limit)).await
    }

    async fn decisions(&self, catalog: &str) -> Result<Vec<Decision>, StoreError> {
        let catalog = catalog.to_owned();
        self.read(move |tree| links::decisions(tree, &catalog)).await
    }

    async fn decide(&self, catalog: &str, decision: &Decision) -> Result<(), StoreError> {
        let (catalog, decision) = (catalog.to_owned(), decision.clone());
        self.write(move |draft| links::decide(draft, &catalog, &decision)).await
    }

    async fn clear_decision(&self, catalog: &str, repo: &RepoKey) -> Result<(), StoreError> {
        let (catalog, repo) = (catalog.to_owned(), repo.clone());
        self.write(move |draft| links::clear_decision(draft, &catalog, &repo)).await
    }

    async fn known_entities(&self, catalog: &str) -> Result<Option<Vec<EntityRef>>, StoreError> {
        let catalog = catalog.to_owned();
        self.read(move |tree| links::known_entities(tree, &catalog)).await
    }

    async fn save_known_entities(&self, catalog: &str, refs: &[EntityRef]) -> Result<(), StoreError> {
        let (catalog, refs) = (catalog.to_owned(), refs.iter().cloned().collect());
        self.write(move |draft| links::save_known_entities(draft, &catalog, &refs)).await
    }

    async fn record_items(&self, lease: &CrawlLease, batches: Vec<ItemBatch>) -> Result<(), StoreError> {
        let key = lease.integration.clone();
        self.write(move |draft| secondary::record(draft, &key, batches)).await
    }

    async fn items(
        &self,
        key: &IntegrationKey,
        repo: &RepoKey,
        kind: SecondaryKind,
        limit: usize,
    ) -> Result<Vec<Item>, StoreError> {
        let (key, repo) = (key.clone(), repo.clone());
        self.read(move |tree| secondary::items(tree, &key, &repo, kind, limit)).await
    }

    async fn stored_items(
        &self,
        key: &IntegrationKey,
        repo: &RepoKey,
        kind: SecondaryKind,
        of: &[Item],
    ) -> Result<Vec<Item>, StoreError> {
        let (key, repo) = (key.clone(), repo.clone());
        let places: Vec<_> = of.iter().map(keys::Place::of).collect();
        self.read(move |tree| secondary::stored_items(tree, &key, &repo, kind, &places)).await
    }

    async fn dump_items(&self, key: &IntegrationKey, kind: SecondaryKind) -> Result<Vec<(RepoKey, Item)>, StoreError> {
        let key = key.clone();
        self.read(move |tree| secondary::dump_items(tree, &key, kind)).await
    }

    async fn coverage(&self, key: &IntegrationKey, kind: SecondaryKind) -> Result<Vec<Coverage>, StoreError> {
        let key = key.clone();
        self.read(move |tree| secondary::coverage(tree, &key, kind)).await
    }

    async fn coverage_of(
        &self,
        key: &IntegrationKey,
        repo: &RepoKey,
        kind: SecondaryKind,
    ) -> Result<Option<Coverage>, StoreError> {
        let (key, repo) = (key.clone(), repo.clone());
        self.read(move |tree| secondary::coverage_of(tree, &key, &repo, kind)).await
    }

    async fn record_details(&self, lease: &CrawlLease, batches: Vec<DetailBatch>) -> Result<(), StoreError> {
        let key = lease.integration.clone();
        self.write(move |draft| details::record(draft, &key, batches)).await
    }

    async fn details(
        &self,
        key: &IntegrationKey,
        repo: &RepoKey,
        kind: DetailKind,
        limit: usize,
    ) -> Result<Vec<Detail>, StoreError> {
        let (key, repo) = (key.clone(), repo.clone());
        self.read(move |tree| details::details(tree, &key, &repo, kind, limit)).await
    }

    async fn detail_coverage(&self, key: &IntegrationKey, kind: DetailKind) -> Result<Vec<DetailCoverage>, StoreError> {
        let key = key.clone();
        self.read(move |tree| details::coverage(tree, &key, kind)).await
    }

    async fn record_users(&self, lease: &CrawlLease, batch: UserBatch) -> Result<(), StoreError> {
        let key = lease.integration.clone();
        self.write(move |draft| users::record(draft, &key, &batch)).await
    }

    async fn users(&self, key: &IntegrationKey) -> Result<Vec<User>, StoreError> {
        let key = key.clone();
        self.read(move |tree| users::users(tree, &key)).await
    }

    async fn user_coverage(&self, key: &IntegrationKey) -> Result<Option<UserCoverage>, StoreError> {
        let key = key.clone();
        self.read(move |tree| users::coverage(tree, &key)).await
    }

    async fn forget_users(&self, lease: &CrawlLease) -> Result<(), StoreError> {
        let key = lease.integration.clone();
        self.write(move |draft| users::forget(draft, &key)).await
    }

    async fn save_sync(&self, key: &IntegrationKey, record: &SyncRecord) -> Result<(), StoreError> {
        let (key, record) = (key.clone(), record.clone());
        self.write(move |draft| syncs::save(draft, &key, &record)).await
    }

    async fn syncs(&self, key: Option<&IntegrationKey>, limit: usize) -> Result<Vec<SyncRecord>, StoreError> {
        let key = key.cloned();
        self.read(move |tree| syncs::newest(tree, key.as_ref(), limit)).await
    }

    async fn sync(&self, id: &SyncId) -> Result<Option<(IntegrationKey, SyncRecord)>, StoreError> {
        let id = id.clone();
        self.read(move |tree| syncs::one(tree, &id)).await
    }

    async fn save_plan(&self, plan: &StoredPlan) -> Result<(), StoreError> {
        let plan = plan.clone();
        self.write(move |draft| syncs::save_plan(draft, &plan)).await
    }

    async fn plan(&self, id: &str) -> Result<Option<StoredPlan>, StoreError> {
        let id = id.to_owned();
        self.read(move |tree| syncs::plan(tree, &id)).await
    }

    async fn drop_plan(&self, id: &str) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(move |draft| syncs::drop_plan(draft, &id)).await
    }

    async fn budget(&self, connector: &str) -> Result<Option<Value>, StoreError> {
        let connector = connector.to_owned();
        self.read(move |tree| syncs::budget(tree, &connector)).await
    }

    async fn save_budget(&self, connector: &str, snapshot: &Value) -> Result<(), StoreError> {
        let (connector, snapshot) = (connector.to_owned(), snapshot.clone());
        self.write(move |draft| syncs::save_budget(draft, &connector, &snapshot)).await
    }

    async fn catalog_snapshot(&self, catalog: &str) -> Result<Option<Value>, StoreError> {
        let catalog = catalog.to_owned();
        self.read(move |tree| links::snapshot(tree, &catalog)).await
    }

    async fn save_catalog_snapshot(&self, catalog: &str, snapshot: &Value) -> Result<(), StoreError> {
        let (catalog, snapshot) = (catalog.to_owned(), snapshot.clone());
        self.write(move |draft| links::save_snapshot(draft, &catalog, &snapshot)).await
    }

    async fn credentials(&self) -> Result<BTreeMap<String, SealedCredential>, StoreError> {
        self.read(credentials::all).await
    }

    async fn change_credentials(&self, changes: Vec<CredentialChange>) -> Result<bool, StoreError> {
        self.write(move |draft| credentials::change(draft, &changes)).await
    }

    async fn delete_credential(&self, name: &str) -> Result<bool, StoreError> {
        let name = name.to_owned();
        self.write(move |draft| credentials::delete(draft, &name)).await
    }

    async fn keep_deliveries(&self, deliveries: Vec<Delivery>) -> Result<Vec<bool>, StoreError> {
        self.write(move |draft| deliveries::keep(draft, &deliveries)).await
    }

    async fn signers_waiting(&self) -> Result<Vec<crate::store::SignersWaiting>, StoreError> {
        self.read(deliveries::signers_waiting).await
    }

    async fn waiting_deliveries(&self) -> Result<Vec<WaitingDeliveries>, StoreError> {
        self.read(deliveries::waiting).await
    }

    async fn due_deliveries(
        &self,
        signers: &[String],
        now: DateTime<Utc>,
        beyond: DateTime<Utc>,
        limit: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        let signers = signers.to_vec();
        self.read(move |tree| deliveries::due(tree, &signers, now, beyond, limit)).await
    }

    async fn save_deliveries(&self, deliveries: Vec<Delivery>) -> Result<(), StoreError> {
        self.write(move |draft| deliveries::save(draft, &deliveries)).await
    }

    async fn deliveries(&self, before: Option<&DeliveryPlace>, limit: usize) -> Result<Vec<Delivery>, StoreError> {
        let before = before.cloned();
        self.read(move |tree| deliveries::newest(tree, before.as_ref(), limit)).await
    }

    async fn expire_deliveries(&self, before: DateTime<Utc>) -> Result<u64, StoreError> {
        self.write(move |draft| deliveries::expire(draft, before)).await
    }

    async fn save_audit(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        let entry = entry.clone();
        self.write(move |draft| people::save_audit(draft, &entry)).await
    }

    async fn audit(&self, before: Option<&str>, limit: usize) -> Result<Vec<AuditEntry>, StoreError> {
        let before = before.map(str::to_owned);
        self.read(move |tree| people::audit(tree, before.as_deref(), limit)).await
    }

    async fn expire_audit(&self, before: DateTime<Utc>) -> Result<u64, StoreError> {
        self.write(move |draft| people::expire_audit(draft, before)).await
    }

    async fn sessions(&self) -> Result<Vec<Session>, StoreError> {
        self.read(people::sessions).await
    }

    async fn save_session(&self, session: &Session) -> Result<(), StoreError> {
        let session = session.clone();
        self.write(move |draft| people::save_session(draft, &session)).await
    }

    async fn end_sessions(&self, digests: &[String]) -> Result<u64, StoreError> {
        let digests = digests.to_vec();
        self.write(move |draft| people::end_sessions(draft, &digests)).await
    }

    async fn expire(&self, syncs_before: DateTime<Utc>, journal_before: DateTime<Utc>) -> Result<u64, StoreError> {
        self.write(move |draft| syncs::expire(draft, syncs_before, journal_before)).await
    }

    async fn check(&self) -> Result<StoreReport, StoreError> {
        self.read(check::check).await
    }

    async fn rebuild_indexes(&self) -> Result<u64, StoreError> {
        self.write(check::rebuild_indexes).await
    }

    async fn export(&self, out: &mut (dyn std::io::Write + Send), of: ExportOf) -> Result<u64, StoreError> {
        export::export(self, out, of).await
    }

    async fn import(&self, input: &mut (dyn std::io::BufRead + Send)) -> Result<u64, StoreError> {
        export::import(self, input).await
    }
}
