//! Seam 3: where state is kept. Domain operations, never get and put. Writes take the lease they need.
//!
//! The store is a journal and a cache: losing it costs history and a full backfill, never a duplicate
//! (invariant 3). What it keeps is in `kept`.

pub mod decisions_file;
mod error;
mod kept;
pub mod nothing;
mod people;
pub mod sled;

#[cfg(test)]
pub(crate) mod contract;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::model::{
    Action, Coverage, Decision, Delivery, DeliveryPlace, Detail, DetailCoverage, DetailKind, EntityRef, ImportId,
    IngestedRecord, IntegrationKey, Item, KnownRepository, Link, Recommendation, RepoKey, SecondaryKind, SyncId,
    SyncRecord, User, UserCoverage, WaitingDeliveries,
};

pub use self::error::StoreError;
pub use self::kept::{
    AutoImportSwitch, Changed, CredentialChange, DetailBatch, DiscoveryState, ExportOf, IntegrationState, ItemBatch,
    JournalEntry, LinkChange, Listed, ListedOf, RecordedPage, SealedCredential, StoreReport, StoredCandidates,
    StoredPlan, SweepCheckpoint, Switches, UserBatch,
};
pub use self::people::{AuditEntry, AuditOutcome, KnownBy, Session, SessionOf};

/// Proof of being the only crawl of an integration. Dropping it gives it back.
#[derive(Debug)]
pub struct CrawlLease {
    /// Of which integration.
    pub integration: IntegrationKey,
    /// Held as long as this lives.
    pub(crate) _guard: tokio::sync::OwnedMutexGuard<()>,
}

/// Proof of being the only writer of a catalog. Held per batch of steps. Dropping it gives it back.
#[derive(Debug)]
pub struct CatalogLease {
    /// Of which catalog.
    pub catalog: String,
    /// Held as long as this lives.
    pub(crate) _guard: tokio::sync::OwnedMutexGuard<()>,
}

/// Proof of being the only one who renews a stored login, or replaces a credential. Dropping it gives it back.
#[derive(Debug)]
pub struct CredentialLease {
    /// Name of the credential.
    pub credential: String,
    /// Held as long as this lives.
    pub(crate) _guard: tokio::sync::OwnedMutexGuard<()>,
}

/// Connectors with whose secrets webhooks were signed, and when the first of those that wait is due.
pub type SignersWaiting = (Vec<String>, DateTime<Utc>);

/// Seam 3. Every write is durable when it returns.
#[async_trait]
pub trait Store: Send + Sync {
    /// Waits for the crawl lease; `None` when `wait` is over.
    async fn crawl_lease(&self, integration: &IntegrationKey, wait: Duration)
    -> Result<Option<CrawlLease>, StoreError>;
    /// Waits for the catalog lease.
    async fn catalog_lease(&self, catalog: &str) -> Result<CatalogLease, StoreError>;
    /// Waits for the lease of a credential, which need not be there.
    async fn credential_lease(&self, credential: &str) -> Result<CredentialLease, StoreError>;

    /// Every integration ever seen, sorted by key.
    async fn integrations(&self) -> Result<Vec<IntegrationState>, StoreError>;
    /// One integration.
    async fn integration(&self, key: &IntegrationKey) -> Result<Option<IntegrationState>, StoreError>;
    /// Creates or replaces one.
    async fn save_integration(&self, lease: &CrawlLease, state: &IntegrationState) -> Result<(), StoreError>;
    /// Forgets an integration: repositories, candidates, recommendations, secondary items, coverage,
    /// syncs, plans, switches. Links of its repositories go, too, but for repositories that another integration
    /// on the same catalog knows: marks bring them back. Decisions stay: people made them, about repositories, and
    /// nothing else could bring them back. Killed in the middle, it is gone all the same: what is left is removed when
    /// the store is opened next. The journal stays until it expires.
    async fn delete_integration(&self, lease: &CrawlLease, catalog: &CatalogLease) -> Result<(), StoreError>;
    /// Gives what is kept of an integration to another key: state, switches, repositories, candidates,
    /// recommendations, secondary items and details with their coverage, syncs, plans. What was judged counts no more.
    /// With `catalogs`, the one it had and the one it has, what is kept of the former goes along, whoever's it is:
    /// links, decisions, entities, snapshot; what the latter has of the same repository, and entities and snapshot of
    /// its own, stay. Without, all of that stays where it is. Killed in the middle, it is done all the same: what is
    /// left follows when the store is opened next.
    ///
    /// # Errors
    /// [`StoreError::UnknownIntegration`]: nothing is kept of `from`; [`StoreError::KnownIntegration`]: something is
    /// kept under `to` already.
    async fn carry_over(
        &self,
        from: &CrawlLease,
        to: &CrawlLease,
        catalogs: Option<(&CatalogLease, &CatalogLease)>,
    ) -> Result<(), StoreError>;
    /// What people switched.
    async fn switches(&self, key: &IntegrationKey) -> Result<Switches, StoreError>;
    /// Switches.
    async fn save_switches(&self, key: &IntegrationKey, switches: &Switches) -> Result<(), StoreError>;

    /// Records a page and its checkpoint, atomically.
    async fn record_page(&self, lease: &CrawlLease, page: RecordedPage) -> Result<(), StoreError>;
    /// Ids the sweep has seen so far.
    async fn sweep_seen(&self, key: &IntegrationKey, sweep: &SyncId) -> Result<Vec<RepoKey>, StoreError>;
    /// Ends a walk: presence changes and the new discovery state, atomically; drops the sweep's seen ids.
    async fn finish_walk(
        &self,
        lease: &CrawlLease,
        changes: Vec<KnownRepository>,
        discovery: DiscoveryState,
    ) -> Result<(), StoreError>;
    /// Known repositories sorted by key, at most `limit`, those after `after`.
    async fn repositories(
        &self,
        key: &IntegrationKey,
        after: Option<&RepoKey>,
        limit: usize,
    ) -> Result<Vec<KnownRepository>, StoreError>;
    /// The same with their raw records.
    async fn records(
        &self,
        key: &IntegrationKey,
        after: Option<&RepoKey>,
        limit: usize,
    ) -> Result<Vec<(KnownRepository, Value)>, StoreError>;
    /// One repository with its raw record, under one integration.
    async fn record(
        &self,
        key: &IntegrationKey,
        repo: &RepoKey,
    ) -> Result<Option<(KnownRepository, IngestedRecord)>, StoreError>;
    /// Under which integrations a repository is known.
    async fn integrations_of(&self, repo: &RepoKey) -> Result<Vec<IntegrationKey>, StoreError>;

    /// Replaces candidates and recommendations of the repositories given; those equal to what is stored
    /// cost no write.
    async fn save_recommendations(
        &self,
        lease: &CrawlLease,
        candidates: Vec<StoredCandidates>,
        recommendations: Vec<Recommendation>,
    ) -> Result<(), StoreError>;
    /// Drops candidates and recommendations of all repositories of the integration but these.
    async fn keep_verdicts(&self, lease: &CrawlLease, of: Vec<RepoKey>) -> Result<(), StoreError>;
    /// Candidates of every integration on a catalog but one, sorted by repository.
    async fn candidates(
        &self,
        catalog: &str,
        but: Option<&IntegrationKey>,
    ) -> Result<Vec<StoredCandidates>, StoreError>;
    /// How many recommendations of each action an integration has, but for these repositories.
    async fn recommended(
        &self,
        key: &IntegrationKey,
        but: BTreeSet<RepoKey>,
    ) -> Result<BTreeMap<Action, u64>, StoreError>;
    /// Recommendations of an integration, sorted by repository.
    async fn recommendations(&self, key: &IntegrationKey) -> Result<Vec<Recommendation>, StoreError>;

    /// Everything lists show of repositories of an integration.
    async fn listed(&self, key: &IntegrationKey, of: ListedOf) -> Result<Vec<Listed>, StoreError>;
    /// What changed since a revision of what [`Store::listed`] tells of an integration; `None`: everything. Waits for
    /// nobody: what was written before is in it, and may be read.
    async fn changed(&self, key: &IntegrationKey, since: Option<u64>) -> Result<Changed, StoreError>;

    /// Links of a catalog, sorted by repository, then entity.
    async fn links(&self, catalog: &str) -> Result<Vec<Link>, StoreError>;
    /// Links of one repository, sorted by entity.
    async fn links_of(&self, catalog: &str, repo: &RepoKey) -> Result<Vec<Link>, StoreError>;
    /// Links to one entity, sorted by repository.
    async fn links_to(&self, catalog: &str, entity: &EntityRef) -> Result<Vec<Link>, StoreError>;
    /// Changes links with their journal entries, atomically; all of them or, where one is refused, none.
    async fn change_links(
        &self,
        lease: &CatalogLease,
        changes: Vec<LinkChange>,
        journal: Vec<JournalEntry>,
    ) -> Result<(), StoreError>;
    /// Notes what is about to be written to make links, before it is: whoever was killed between the file and the link
    /// can go on where they were. Making the link takes the note away.
    async fn intend(&self, lease: &CatalogLease, intents: Vec<JournalEntry>) -> Result<(), StoreError>;
    /// What was about to be written for a repository into an entity, and is linked to it by nothing yet.
    async fn intended(
        &self,
        catalog: &str,
        repo: &RepoKey,
        entity: &EntityRef,
    ) -> Result<Option<JournalEntry>, StoreError>;
    /// The journal of one import, in order.
    async fn journal(&self, import_id: &ImportId) -> Result<Vec<JournalEntry>, StoreError>;
    /// Part of it: at most `limit` entries with their numbers, those behind the number `after`. Numbers rise and
    /// stay as they are; entries that expired leave gaps.
    async fn journal_page(
        &self,
        import_id: &ImportId,
        after: Option<u32>,
        limit: usize,
    ) -> Result<Vec<(u32, JournalEntry)>, StoreError>;

    /// Decisions of a catalog, sorted by repository.
    async fn decisions(&self, catalog: &str) -> Result<Vec<Decision>, StoreError>;
    /// Records a decision; replaces the one before.
    async fn decide(&self, catalog: &str, decision: &Decision) -> Result<(), StoreError>;
    /// Takes a decision back.
    async fn clear_decision(&self, catalog: &str, repo: &RepoKey) -> Result<(), StoreError>;

    /// Entity refs of a catalog as last read (P2.13); `None` before the first reading.
    async fn known_entities(&self, catalog: &str) -> Result<Option<Vec<EntityRef>>, StoreError>;
    /// Replaces them; costs no write when equal.
    async fn save_known_entities(&self, catalog: &str, refs: &[EntityRef]) -> Result<(), StoreError>;

    /// Which entities each file of a catalog held when last read ([`crate::catalog::Catalog::snapshot`]).
    async fn catalog_snapshot(&self, catalog: &str) -> Result<Option<Value>, StoreError>;
    /// Keeps it; costs no write when equal. Exports hold it: the next reading could not make anew what a file held
    /// that does not parse by then.
    async fn save_catalog_snapshot(&self, catalog: &str, snapshot: &Value) -> Result<(), StoreError>;

    /// Stores items with their coverage, atomically per batch; several batches share one flush.
    async fn record_items(&self, lease: &CrawlLease, batches: Vec<ItemBatch>) -> Result<(), StoreError>;
    /// Items of a repository and kind by [`Item::at`], newest first, at most `limit`.
    async fn items(
        &self,
        key: &IntegrationKey,
        repo: &RepoKey,
        kind: SecondaryKind,
        limit: usize,
    ) -> Result<Vec<Item>, StoreError>;
    /// Which of these are stored, as stored, in the order asked for: a pull request by its number, a commit
    /// by its hash and date, which the hash seals.
    async fn stored_items(
        &self,
        key: &IntegrationKey,
        repo: &RepoKey,
        kind: SecondaryKind,
        of: &[Item],
    ) -> Result<Vec<Item>, StoreError>;
    /// Every item of an integration and kind, sorted by repository, then id: to compare two stores by.
    async fn dump_items(&self, key: &IntegrationKey, kind: SecondaryKind) -> Result<Vec<(RepoKey, Item)>, StoreError>;
    /// Coverage of every repository of an integration and kind, sorted by repository.
    async fn coverage(&self, key: &IntegrationKey, kind: SecondaryKind) -> Result<Vec<Coverage>, StoreError>;
    /// Coverage of one repository and kind.
    async fn coverage_of(
        &self,
        key: &IntegrationKey,
        repo: &RepoKey,
        kind: SecondaryKind,
    ) -> Result<Option<Coverage>, StoreError>;
    /// Stores details and their coverage.
    async fn record_details(&self, lease: &CrawlLease, batches: Vec<DetailBatch>) -> Result<(), StoreError>;
    /// Details of a repository, newest first.
    async fn details(
        &self,
        key: &IntegrationKey,
        repo: &RepoKey,
        kind: DetailKind,
        limit: usize,
    ) -> Result<Vec<Detail>, StoreError>;
    /// Which details are stored, of every repository looked at.
    async fn detail_coverage(&self, key: &IntegrationKey, kind: DetailKind) -> Result<Vec<DetailCoverage>, StoreError>;

    /// Stores and forgets people of the lease's integration.
    async fn record_users(&self, lease: &CrawlLease, batch: UserBatch) -> Result<(), StoreError>;
    /// People of an integration, by id.
    async fn users(&self, key: &IntegrationKey) -> Result<Vec<User>, StoreError>;
    /// How far their list was walked; `None`: never.
    async fn user_coverage(&self, key: &IntegrationKey) -> Result<Option<UserCoverage>, StoreError>;
    /// Forgets all people of the lease's integration, and that they were ever listed.
    async fn forget_users(&self, lease: &CrawlLease) -> Result<(), StoreError>;

    /// Creates or replaces a sync's record.
    async fn save_sync(&self, key: &IntegrationKey, record: &SyncRecord) -> Result<(), StoreError>;
    /// Newest first, of one integration or of all.
    async fn syncs(&self, key: Option<&IntegrationKey>, limit: usize) -> Result<Vec<SyncRecord>, StoreError>;
    /// One sync.
    async fn sync(&self, id: &SyncId) -> Result<Option<(IntegrationKey, SyncRecord)>, StoreError>;

    /// Keeps a plan.
    async fn save_plan(&self, plan: &StoredPlan) -> Result<(), StoreError>;
    /// A plan by its id.
    async fn plan(&self, id: &str) -> Result<Option<StoredPlan>, StoreError>;
    /// Forgets a plan.
    async fn drop_plan(&self, id: &str) -> Result<(), StoreError>;

    /// The request counters of a connector ([`crate::source::Source::budget_snapshot`]).
    async fn budget(&self, connector: &str) -> Result<Option<Value>, StoreError>;
    /// Keeps them.
    async fn save_budget(&self, connector: &str, snapshot: &Value) -> Result<(), StoreError>;

    /// Every credential, encrypted, by its name. Takes no lease.
    async fn credentials(&self) -> Result<BTreeMap<String, SealedCredential>, StoreError>;
    /// Replaces credentials, all of them or none; `false`: one of them is not what the change is `instead_of`,
    /// and nothing was written.
    async fn change_credentials(&self, changes: Vec<CredentialChange>) -> Result<bool, StoreError>;
    /// Forgets a credential, also one whose record cannot be read; whether it was there.
    async fn delete_credential(&self, name: &str) -> Result<bool, StoreError>;

    /// Keeps webhooks, and says of each whether it is new: one of the same signers with the same id or the same body
    /// was there before, or came earlier among these, and is not kept again. Durable when it returns, as is what they
    /// are the same as. Takes no lease.
    async fn keep_deliveries(&self, deliveries: Vec<Delivery>) -> Result<Vec<bool>, StoreError>;
    /// Who signed webhooks that wait to be worked, with when the first of theirs is due; cheap, however many wait.
    async fn signers_waiting(&self) -> Result<Vec<SignersWaiting>, StoreError>;
    /// How many wait, by who signed them.
    async fn waiting_deliveries(&self) -> Result<Vec<WaitingDeliveries>, StoreError>;
    /// Webhooks of these signers that wait and are due: not before `now`, or so far ahead (from `beyond`) that the clock
    /// must have jumped back. The longest due first, at most `limit`.
    async fn due_deliveries(
        &self,
        signers: &[String],
        now: DateTime<Utc>,
        beyond: DateTime<Utc>,
        limit: usize,
    ) -> Result<Vec<Delivery>, StoreError>;
    /// Replaces what is known of webhooks that were kept.
    async fn save_deliveries(&self, deliveries: Vec<Delivery>) -> Result<(), StoreError>;
    /// Webhooks, newest first, at most `limit`; before the place `before`, where there need be none.
    async fn deliveries(&self, before: Option<&DeliveryPlace>, limit: usize) -> Result<Vec<Delivery>, StoreError>;
    /// Drops webhooks that came before an instant and wait no more; returns how many went.
    async fn expire_deliveries(&self, before: DateTime<Utc>) -> Result<u64, StoreError>;

    /// Writes down what somebody does, or how it ended. Takes no lease.
    async fn save_audit(&self, entry: &AuditEntry) -> Result<(), StoreError>;
    /// What people did, newest first, at most `limit`; before the entry of the id `before`, which need not be there.
    async fn audit(&self, before: Option<&str>, limit: usize) -> Result<Vec<AuditEntry>, StoreError>;
    /// Drops what people did before; returns how many records went.
    async fn expire_audit(&self, before: DateTime<Utc>) -> Result<u64, StoreError>;

    /// Who is logged in, sorted by digest.
    async fn sessions(&self) -> Result<Vec<Session>, StoreError>;
    /// Creates or replaces a session. Takes no lease.
    async fn save_session(&self, session: &Session) -> Result<(), StoreError>;
    /// Ends sessions by their digests; returns how many there were.
    async fn end_sessions(&self, digests: &[String]) -> Result<u64, StoreError>;

    /// Drops syncs, plans and journal entries older than these instants; returns how many records went.
    /// Syncs under way stay.
    async fn expire(&self, syncs_before: DateTime<Utc>, journal_before: DateTime<Utc>) -> Result<u64, StoreError>;
    /// Verifies every book.
    async fn check(&self) -> Result<StoreReport, StoreError>;
    /// Makes indexes and counts anew from the records; returns how many entries there are.
    async fn rebuild_indexes(&self) -> Result<u64, StoreError>;
    /// Writes everything as JSON lines, in a stable order, but request counters and what follows from other
    /// records; returns the number of records. The first line tells schema, the last line the number of
    /// records, so that an export that broke off is told from a whole one. Credentials only when asked for.
    async fn export(&self, out: &mut (dyn std::io::Write + Send), of: ExportOf) -> Result<u64, StoreError>;
    /// Reads an export into an empty store, credentials included where it has some; returns the number of
    /// records.
    ///
    /// # Errors
    /// [`StoreError::NotEmpty`]; [`StoreError::Malformed`] with the line, nothing imported then.
    async fn import(&self, input: &mut (dyn std::io::BufRead + Send)) -> Result<u64, StoreError>;
}
