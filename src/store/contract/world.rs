//! Small things to keep, made by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, TimeZone, Utc};
use serde_json::{Value, json};

use crate::model::{
    Action, Commit, Coverage, Decision, DecisionKind, EntityRef, Fingerprint, ImportAction, ImportId, InstanceId,
    IntegrationKey, Item, KnownRepository, Link, LinkState, Outcome, Presence, PullRequest, Recommendation, RepoKey,
    Repository, SecondaryKind, SyncId, SyncRecord, Trigger, Unseen, User, UserCoverage, UserKind, WrittenField,
};
use crate::plan::{Edit, FieldPath, Plan, Step, Work};
use crate::source::{Cursor, Listing};
use crate::store::{
    CatalogLease, CrawlLease, DiscoveryState, ExportOf, IntegrationState, ItemBatch, JournalEntry, LinkChange,
    RecordedPage, Store, StoredCandidates, StoredPlan, SweepCheckpoint, Switches, UserBatch,
};

pub(crate) fn at(minute: i64) -> DateTime<Utc> {
    Utc.timestamp_opt(1_790_000_000 + minute * 60, 0).single().expect("a plain instant")
}

pub(crate) fn integration(workspace: &str) -> IntegrationKey {
    IntegrationKey { instance: InstanceId::cloud(), workspace: workspace.to_owned(), catalog: "main".to_owned() }
}

pub(crate) fn repo(number: usize) -> RepoKey {
    RepoKey::cloud(format!("{{{number:08}-0000-4000-8000-000000000000}}"))
}

pub(crate) fn entity(name: &str) -> EntityRef {
    EntityRef::backstage("component", "default", name)
}

pub(crate) fn known(key: RepoKey) -> KnownRepository {
    let repository = Repository {
        name: "Payments API".to_owned(),
        project_key: Some("PAY".to_owned()),
        created_on: Some(at(0)),
        updated_on: Some(at(1)),
        ..Repository::bare(key, "payments-api")
    };
    KnownRepository {
        repository,
        fingerprint: Fingerprint([7; 16]),
        presence: Presence::Present,
        first_seen: at(2),
        last_changed: at(3),
        first_seen_under_auto_import: false,
        former_names: Vec::new(),
    }
}

/// As large as what Bitbucket sends, about three kilobytes.
pub(crate) fn raw(key: &RepoKey) -> Value {
    let link =
        |name: &str| json!({"href": format!("https://api.bitbucket.org/2.0/repositories/acme/{}/{name}", key.id)});
    let names = ["self", "html", "avatar", "pullrequests", "commits", "forks", "watchers", "branches", "tags", "hooks"];
    let links: BTreeMap<&str, Value> = names.iter().map(|name| (*name, link(name))).collect();
    json!({
        "type": "repository", "uuid": key.id, "name": "Payments API", "slug": "payments-api", "size": 123_456,
        "description": "Takes payments, gives them back, and tells everybody about it. ".repeat(12),
        "links": links, "mainbranch": {"type": "branch", "name": "main"}, "has_wiki": false, "language": "rust",
        "project": {"key": "PAY", "name": "Payments", "links": {"self": link("project"), "avatar": link("avatar")}},
        "owner": {"display_name": "Acme\u{0}", "uuid": "{1}", "links": {"self": link("owner")}}, "ratio": 0.1,
    })
}

pub(crate) fn discovery(sweep: &str, pages: u32) -> DiscoveryState {
    let checkpoint = SweepCheckpoint {
        sweep: SyncId(sweep.to_owned()),
        began_at: at(0),
        at: at(i64::from(pages)),
        credential: "one".to_owned(),
        listing: Listing::Sweep,
        cursor: Some(Cursor(format!("page {pages}"))),
        pages,
        size: Some(100),
        shrank: false,
        resume_at: None,
    };
    DiscoveryState { sweep: Some(checkpoint), ..DiscoveryState::default() }
}

pub(crate) fn page(sweep: &str, pages: u32, repos: impl IntoIterator<Item = RepoKey>) -> RecordedPage {
    let seen: Vec<RepoKey> = repos.into_iter().collect();
    RecordedPage {
        changed: seen.iter().map(|key| (known(key.clone()), raw(key))).collect(),
        touched: Vec::new(),
        seen,
        discovery: discovery(sweep, pages),
    }
}

pub(crate) fn state(key: &IntegrationKey) -> IntegrationState {
    IntegrationState {
        key: key.clone(),
        name: key.workspace.clone(),
        created_at: at(0),
        discovery: DiscoveryState::default(),
        locked_kinds: Some(BTreeSet::from(SecondaryKind::ALL)),
        start_date: Some(None),
        last_started_at: Some(at(5)),
        rules_hash: None,
        correlated: None,
        notes: BTreeMap::from([("backfill".to_owned(), json!({"turn": 3}))]),
    }
}

pub(crate) fn candidates(integration: &IntegrationKey, repo: &RepoKey, name: &str) -> StoredCandidates {
    StoredCandidates {
        repo: repo.clone(),
        full_name: "acme/payments-api".to_owned(),
        integration: integration.clone(),
        candidates: vec![(entity(name), 0)],
    }
}

pub(crate) fn recommendation(repo: &RepoKey, name: &str) -> Recommendation {
    Recommendation {
        repo: repo.clone(),
        action: Action::Merge,
        entity: Some(entity(name)),
        also: Vec::new(),
        rule: Some(0),
        reason: "equal names".to_owned(),
        kind: "Component".to_owned(),
        entity_type: Some("service".to_owned()),
        owner: None,
        unseen: Unseen::Withheld { because: "a fork".to_owned() },
        rivals: Vec::new(),
    }
}

pub(crate) fn link(repo: &RepoKey, name: &str) -> Link {
    Link {
        repo: repo.clone(),
        entity: entity(name),
        entity_id: name.to_owned(),
        action: ImportAction::Merge,
        kind: "Component".to_owned(),
        entity_type: None,
        scope: "default".to_owned(),
        import_id: ImportId("01IMPORT".to_owned()),
        imported_at: at(9),
        imported_by: "cli".to_owned(),
        state: LinkState::Active,
        last_synced_at: None,
        written: BTreeMap::from([
            ("$.metadata.title".to_owned(), WrittenField { value: Some(Value::Null), theirs: false }),
            ("$.metadata.description".to_owned(), WrittenField { value: None, theirs: true }),
        ]),
    }
}

pub(crate) fn journal(import: &str, repo: &RepoKey, minute: i64) -> JournalEntry {
    let place = crate::model::Place { file: "a.yaml".into(), document: 0, line: 1, read_only_under: None };
    let edit = Edit { place, fields: Vec::new(), purpose: crate::plan::step::EditPurpose::Merge };
    JournalEntry {
        import_id: ImportId(import.to_owned()),
        catalog: "main".to_owned(),
        sync_id: None,
        at: at(minute),
        by: "cli".to_owned(),
        step: Step {
            repo: repo.clone(),
            full_name: "acme/payments-api".to_owned(),
            entity: entity("payments-api"),
            rule: None,
            action: ImportAction::Merge,
            work: Work::Edit(edit),
        },
        fields: vec![crate::catalog::FieldWritten {
            path: FieldPath::of(&["metadata", "description"]),
            before: Some(Value::Null),
            after: None,
        }],
        files: Vec::new(),
        is_undo: false,
    }
}

pub(crate) fn decision(repo: &RepoKey, kind: DecisionKind, minute: i64) -> Decision {
    Decision {
        repo: repo.clone(),
        full_name: "acme/payments-api".to_owned(),
        kind,
        at: at(minute),
        by: "cli".to_owned(),
        reason: None,
    }
}

pub(crate) fn pull_request(id: u64, minute: i64, title: &str) -> Item {
    Item::PullRequest(PullRequest {
        title: title.to_owned(),
        source_branch: Some("feature/x".to_owned()),
        target_branch: Some("main".to_owned()),
        created_at: at(0),
        ..PullRequest::bare(id, at(minute))
    })
}

pub(crate) fn commit(hash: &str, committed_at: DateTime<Utc>) -> Item {
    Item::Commit(Commit { message: "Mend it".to_owned(), ..Commit::bare(hash, committed_at) })
}

pub(crate) fn coverage(repo: &RepoKey, kind: SecondaryKind, minute: i64) -> Coverage {
    Coverage { checked_at: Some(at(minute)), ..Coverage::new(repo.clone(), kind) }
}

pub(crate) fn batch(repo: &RepoKey, kind: SecondaryKind, items: Vec<Item>, minute: i64) -> ItemBatch {
    // As the first of its repository and kind: items of later ones are counted by `count_anew`.
    let coverage = Coverage { stored: items.len() as u64, ..coverage(repo, kind, minute) };
    ItemBatch { repo: repo.clone(), kind, items, coverage }
}

pub(crate) fn sync(id: &str, minute: i64, outcome: Outcome) -> SyncRecord {
    SyncRecord {
        looks: 0,
        id: SyncId(id.to_owned()),
        integration: "acme".to_owned(),
        trigger: Trigger::Manual,
        outcome,
        started_at: at(minute),
        duration_ms: 12,
        requests: 3,
        requests_remaining: None,
        sweep: true,
        repositories: Default::default(),
        recommendations: Default::default(),
        imported: Default::default(),
        secondary: Default::default(),
        imports: Some(crate::model::ImportCoverage { repositories: 3, imported: 2, ignored: 1 }),
        oldest_pull_request_check: None,
        errors: Vec::new(),
        held: Vec::new(),
        notes: Vec::new(),
    }
}

pub(crate) fn plan(id: &str, key: &IntegrationKey, minute: i64) -> StoredPlan {
    StoredPlan {
        id: id.to_owned(),
        integration: key.clone(),
        at: at(minute),
        plan: Plan::default(),
        absences: vec![(repo(1), Presence::Gone)],
        shrunk_to: None,
        reason: "a guard".to_owned(),
        is_chosen: false,
        rules_hash: None,
        unlooked: Vec::new(),
    }
}

pub(crate) async fn crawl(store: &dyn Store, key: &IntegrationKey) -> CrawlLease {
    store.crawl_lease(key, Duration::ZERO).await.expect("no error").expect("free")
}

/// A crawl of an integration that is known.
pub(crate) async fn known_crawl(store: &dyn Store, key: &IntegrationKey) -> CrawlLease {
    let lease = crawl(store, key).await;
    store.save_integration(&lease, &state(key)).await.expect("saves");
    lease
}

pub(crate) async fn catalog(store: &dyn Store) -> CatalogLease {
    store.catalog_lease("main").await.expect("no error")
}

/// Everything a store shows, as text.
pub(crate) async fn exported(store: &dyn Store) -> String {
    let mut text = Vec::new();
    store.export(&mut text, ExportOf::WithoutCredentials).await.expect("exports");
    String::from_utf8(text).expect("JSON is UTF-8")
}

/// The same with its credentials.
pub(crate) async fn exported_with_credentials(store: &dyn Store) -> String {
    let mut text = Vec::new();
    store.export(&mut text, ExportOf::WithCredentials).await.expect("exports");
    String::from_utf8(text).expect("JSON is UTF-8")
}

pub(crate) async fn assert_whole(store: &dyn Store) {
    assert_eq!(store.check().await.expect("checks").faults, Vec::<String>::new());
}

/// Something in every book, for one integration.
pub(crate) async fn fill(store: &dyn Store, key: &IntegrationKey) {
    let lease = known_crawl(store, key).await;
    store.save_switches(key, &Switches { suspended: true, auto_import: None }).await.expect("saves");
    store.record_page(&lease, page("01SWEEP", 1, [repo(1), repo(2), repo(3)])).await.expect("records");
    let verdicts = [repo(1), repo(2)].map(|repo| (candidates(key, &repo, "a"), recommendation(&repo, "a")));
    let (found, recommended) = verdicts.into_iter().unzip();
    store.save_recommendations(&lease, found, recommended).await.expect("saves");
    let pulls = (1..=5).map(|id| pull_request(id, i64::try_from(id).unwrap_or(0), "A change")).collect();
    let pulls = batch(&repo(1), SecondaryKind::PullRequests, pulls, 7);
    let commits = batch(&repo(1), SecondaryKind::Commits, vec![commit("c0ffee", at(3))], 8);
    store.record_items(&lease, vec![pulls, commits]).await.expect("records");
    store.record_users(&lease, users(&[(1, "Ada"), (2, "Bea")], &[])).await.expect("records");
    let id = format!("01SYNC-{}", key.workspace);
    store.save_sync(key, &sync(&id, 10, Outcome::Completed)).await.expect("saves");
    store.save_plan(&plan(&format!("01PLAN-{}", key.workspace), key, 10)).await.expect("saves");
    store.save_budget("acme", &json!({"left": 998})).await.expect("saves");
    let lease = catalog(store).await;
    let links = [link(&repo(1), "a"), link(&repo(2), "b")];
    let changes = links.map(|link| LinkChange::Put(Box::new(link))).to_vec();
    if store.journal(&ImportId("01IMPORT".to_owned())).await.expect("reads").is_empty() {
        store.change_links(&lease, changes, vec![journal("01IMPORT", &repo(1), 9)]).await.expect("changes");
    } else {
        store.change_links(&lease, changes, Vec::new()).await.expect("changes");
    }
    store.decide("main", &decision(&repo(3), DecisionKind::Ignored, 9)).await.expect("decides");
    store.save_known_entities("main", &[entity("a"), entity("b")]).await.expect("saves");
    store.save_catalog_snapshot("main", &json!({"version": 1, "files": []})).await.expect("saves");
}

/// Sets what coverage tells to what is stored, as whoever fetches items does with each batch.
pub(crate) async fn count_anew(store: &dyn Store, lease: &CrawlLease, repos: &[RepoKey]) {
    let key = &lease.integration;
    for (repo, kind) in repos.iter().flat_map(|repo| SecondaryKind::ALL.map(|kind| (repo, kind))) {
        if let Some(coverage) = store.coverage_of(key, repo, kind).await.expect("reads") {
            let coverage = Coverage { stored: count(store, key, repo, kind).await, ..coverage };
            let batch = ItemBatch { repo: repo.clone(), kind, items: Vec::new(), coverage };
            store.record_items(lease, vec![batch]).await.expect("records");
        }
    }
}

/// Named people to be stored, and numbers of those to be forgotten.
pub(crate) fn users(stored: &[(u32, &str)], forgotten: &[u32]) -> UserBatch {
    let user = |(id, name): &(u32, &str)| User {
        id: id.to_string(),
        name: Some((*name).to_owned()),
        nickname: None,
        kind: UserKind::Person,
        active: Some(true),
        url: None,
    };
    let coverage = UserCoverage { listed_at: Some(at(5)), waiting: stored.len() as u64, ..UserCoverage::default() };
    let forgotten = forgotten.iter().map(ToString::to_string).collect();
    UserBatch { users: stored.iter().map(user).collect(), forgotten, coverage }
}

/// How many items of a repository and kind are stored.
pub(crate) async fn count(store: &dyn Store, key: &IntegrationKey, repo: &RepoKey, kind: SecondaryKind) -> u64 {
    store.items(key, repo, kind, usize::MAX).await.expect("reads").len() as u64
}
