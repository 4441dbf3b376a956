//! The books: which records there are, what their keys and values look like, and which index entries
//! follow from a record. Everything else here rests on this table.

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::codec;
use super::keys::{Key, Part, Reader};
use crate::model::{
    Coverage, Decision, Delivery, DeliveryState, Detail, DetailCoverage, EntityRef, IntegrationKey, Item,
    KnownRepository, Link, RepoKey, SyncRecord, User, UserCoverage,
};
use crate::store::{
    AuditEntry, IntegrationState, JournalEntry, SealedCredential, Session, StoredCandidates, StoredPlan, Switches,
};

pub(super) const META: u8 = b'm';
pub(super) const DELETIONS: u8 = b'D';
pub(super) const MOVES: u8 = b'M';
pub(super) const BUDGETS: u8 = b'b';

pub(super) const INTEGRATIONS: u8 = b'i';
pub(super) const SWITCHES: u8 = b'w';
pub(super) const REPOSITORIES: u8 = b'r';
pub(super) const RECORDS: u8 = b'R';
pub(super) const SEEN: u8 = b'v';
pub(super) const CANDIDATES: u8 = b'c';
pub(super) const RECOMMENDATIONS: u8 = b'n';
pub(super) const LINKS: u8 = b'l';
pub(super) const JOURNAL: u8 = b'j';
pub(super) const INTENTS: u8 = b'I';
pub(super) const DECISIONS: u8 = b'd';
pub(super) const CATALOGS: u8 = b'e';
pub(super) const ENTITIES: u8 = b'E';
pub(super) const SNAPSHOTS: u8 = b'k';
pub(super) const SECONDARY: u8 = b's';
pub(super) const COVERAGE: u8 = b'o';
pub(super) const DETAILS: u8 = b't';
pub(super) const DETAIL_COVERAGE: u8 = b'T';
pub(super) const USERS: u8 = b'u';
pub(super) const USER_COVERAGE: u8 = b'U';
pub(super) const SYNCS: u8 = b'y';
pub(super) const PLANS: u8 = b'p';
pub(super) const CREDENTIALS: u8 = b'K';
pub(super) const DELIVERIES: u8 = b'h';
pub(super) const AUDIT: u8 = b'a';
pub(super) const SESSIONS: u8 = b'S';

pub(super) const LINKS_BY_ENTITY: u8 = b'L';
pub(super) const JOURNAL_BY_TIME: u8 = b'J';
pub(super) const SYNCS_BY_TIME: u8 = b'Y';
pub(super) const SYNCS_BY_INTEGRATION: u8 = b'Z';
pub(super) const PLANS_BY_TIME: u8 = b'P';
pub(super) const DELIVERIES_BY_ID: u8 = b'H';
pub(super) const DELIVERIES_BY_BODY: u8 = b'B';
pub(super) const DELIVERIES_WAITING: u8 = b'W';

/// Whether a book is kept for its own sake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Kept and exported.
    Record,
    /// Kept, encrypted; exported when asked for.
    Credential,
    /// Follows from records: entries without a value.
    Index,
    /// Means something to this store or this machine only: neither exported nor derived.
    Local,
}

/// One book.
pub(super) struct Book {
    pub(super) tag: u8,
    pub(super) name: &'static str,
    pub(super) role: Role,
    pub(super) shape: &'static [Part],
    /// Reads JSON as what the book holds and encodes it as this program would.
    pub(super) canonical: fn(&[u8]) -> Result<Vec<u8>, String>,
}

use Part::{Number, Place, Text, Time};

/// In the order of exports.
pub(super) const BOOKS: &[Book] = &[
    local::<Value>(META, "meta", &[Text]),
    local::<bool>(DELETIONS, "deletions", &[Text, Text, Text]),
    local::<Move>(MOVES, "moves", &[Text, Text, Text]),
    local::<Value>(BUDGETS, "budgets", &[Text]),
    // What an export misses of them, a sweep brings; copies for dry runs need none.
    local::<Delivery>(DELIVERIES, "deliveries", &[Time, Text, Text]),
    local::<Session>(SESSIONS, "sessions", &[Text]),
    record::<IntegrationState>(INTEGRATIONS, "integrations", &[Text, Text, Text]),
    record::<Switches>(SWITCHES, "switches", &[Text, Text, Text]),
    record::<KnownRepository>(REPOSITORIES, "repositories", &[Text, Text, Text, Text, Text]),
    record::<Value>(RECORDS, "records", &[Text, Text, Text, Text, Text]),
    record::<Vec<RepoKey>>(SEEN, "seen", &[Text, Text, Text, Text, Number]),
    record::<StoredCandidates>(CANDIDATES, "candidates", &[Text, Text, Text, Text, Text]),
    record::<crate::model::Recommendation>(RECOMMENDATIONS, "recommendations", &[Text, Text, Text, Text, Text]),
    record::<Link>(LINKS, "links", &[Text, Text, Text, Text]),
    record::<JournalEntry>(JOURNAL, "journal", &[Text, Number]),
    record::<JournalEntry>(INTENTS, "intents", &[Text, Text, Text, Text]),
    record::<Decision>(DECISIONS, "decisions", &[Text, Text, Text]),
    record::<bool>(CATALOGS, "catalogs", &[Text]),
    record::<bool>(ENTITIES, "entities", &[Text, Text]),
    record::<Value>(SNAPSHOTS, "catalog_snapshots", &[Text]),
    record::<Vec<Item>>(SECONDARY, "secondary", &[Text, Text, Text, Text, Text, Text, Place]),
    record::<Coverage>(COVERAGE, "coverage", &[Text, Text, Text, Text, Text, Text]),
    record::<Detail>(DETAILS, "details", &[Text, Text, Text, Text, Text, Text, Place]),
    record::<DetailCoverage>(DETAIL_COVERAGE, "detail_coverage", &[Text, Text, Text, Text, Text, Text]),
    record::<User>(USERS, "users", &[Text, Text, Text, Text]),
    record::<UserCoverage>(USER_COVERAGE, "user_coverage", &[Text, Text, Text]),
    record::<StoredSync>(SYNCS, "syncs", &[Text]),
    record::<StoredPlan>(PLANS, "plans", &[Text]),
    record::<AuditEntry>(AUDIT, "audit", &[Text]),
    Book { role: Role::Credential, ..record::<SealedCredential>(CREDENTIALS, "credentials", &[Text]) },
    index(LINKS_BY_ENTITY, "links_by_entity", &[Text, Text, Text, Text]),
    index(JOURNAL_BY_TIME, "journal_by_time", &[Time, Text, Number]),
    index(SYNCS_BY_TIME, "syncs_by_time", &[Time, Text]),
    index(SYNCS_BY_INTEGRATION, "syncs_by_integration", &[Text, Text, Text, Time, Text]),
    index(PLANS_BY_TIME, "plans_by_time", &[Time, Text]),
    index(DELIVERIES_BY_ID, "deliveries_by_id", &[Text, Text, Time]),
    index(DELIVERIES_BY_BODY, "deliveries_by_body", &[Text, Text, Time, Text]),
    index(DELIVERIES_WAITING, "deliveries_waiting", &[Text, Time, Time, Text]),
];

// Two books under one tag would be one book; two branches that each add one do not compile together then.
const _: () = {
    let mut one = 0;
    while one < BOOKS.len() {
        let mut other = one + 1;
        while other < BOOKS.len() {
            assert!(BOOKS[one].tag != BOOKS[other].tag, "two books have one tag");
            other += 1;
        }
        one += 1;
    }
};

/// The book of a tag.
pub(super) fn book(tag: u8) -> Option<&'static Book> {
    BOOKS.iter().find(|book| book.tag == tag)
}

/// A sync as kept: its integration is known by key, not by its present name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StoredSync {
    pub(super) integration: IntegrationKey,
    pub(super) record: SyncRecord,
}

/// What is kept of an integration is on its way to another key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Move {
    pub(super) to: IntegrationKey,
    /// What is kept of its catalog goes along.
    pub(super) with_catalog: bool,
}

const fn record<T: Serialize + DeserializeOwned>(tag: u8, name: &'static str, shape: &'static [Part]) -> Book {
    Book { tag, name, role: Role::Record, shape, canonical: canonical::<T> }
}

const fn local<T: Serialize + DeserializeOwned>(tag: u8, name: &'static str, shape: &'static [Part]) -> Book {
    Book { tag, name, role: Role::Local, shape, canonical: canonical::<T> }
}

const fn index(tag: u8, name: &'static str, shape: &'static [Part]) -> Book {
    Book { tag, name, role: Role::Index, shape, canonical: canonical::<u64> }
}

fn canonical<T: Serialize + DeserializeOwned>(json: &[u8]) -> Result<Vec<u8>, String> {
    let value: T = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    codec::encode(&value).map_err(|error| error.to_string())
}

/// Only the time of a value: plans and journal entries are large, the rest of them is skipped.
#[derive(Deserialize)]
struct At {
    at: DateTime<Utc>,
}

/// The index entries that follow from a record. `None`: key or value cannot be read.
pub(super) fn index_entries(key: &[u8], value: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut reader = Reader::past_tag(key);
    Some(match *key.first()? {
        LINKS => {
            let catalog = reader.text()?;
            let repo = reader.repo()?;
            let entity = EntityRef::from_canonical(reader.text()?);
            vec![Key::in_book(LINKS_BY_ENTITY).text(&catalog).entity(&entity).repo(&repo).bytes()]
        }
        JOURNAL => {
            let at = codec::decode::<At>(value).ok()?.at;
            vec![Key::in_book(JOURNAL_BY_TIME).time(at).raw(reader.rest()).bytes()]
        }
        PLANS => {
            let at = codec::decode::<At>(value).ok()?.at;
            vec![Key::in_book(PLANS_BY_TIME).time(at).raw(reader.rest()).bytes()]
        }
        SYNCS => {
            let sync: StoredSync = codec::decode(value).ok()?;
            let at = sync.record.started_at;
            vec![
                Key::in_book(SYNCS_BY_TIME).time(at).raw(reader.rest()).bytes(),
                Key::in_book(SYNCS_BY_INTEGRATION).integration(&sync.integration).time(at).raw(reader.rest()).bytes(),
            ]
        }
        DELIVERIES => {
            let delivery: Delivery = codec::decode(value).ok()?;
            let signers = signers(&delivery.connectors);
            let (id, at) = (&delivery.id, delivery.received_at);
            let mut entries = vec![
                Key::in_book(DELIVERIES_BY_ID).text(&signers).text(id).time(at).bytes(),
                Key::in_book(DELIVERIES_BY_BODY).text(&signers).text(&delivery.body_sha256).time(at).text(id).bytes(),
            ];
            if let DeliveryState::Waiting { not_before, .. } = delivery.state {
                let waiting = Key::in_book(DELIVERIES_WAITING).text(&signers).time(not_before);
                entries.push(waiting.time(at).text(id).bytes());
            }
            entries
        }
        _ => Vec::new(),
    })
}

/// Those who signed a delivery, as a part of keys: their deliveries have nothing to do with those of others.
pub(super) fn signers(connectors: &[String]) -> String {
    connectors.join(" ")
}

/// Why a value cannot lie under its key: it says to be about something else. `None`: it may; so may one that cannot be
/// read, which is told otherwise.
pub(super) fn contradiction(key: &[u8], value: &[u8]) -> Option<String> {
    let own = own_key(key, value)?;
    (own.as_slice() != key).then(|| "the value is about something else than the key".to_owned())
}

/// The key a value has by what it says of itself; parts it does not tell are taken from `key`.
fn own_key(key: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    let tag = *key.first()?;
    let own = Key::in_book(tag);
    let mut reader = Reader::past_tag(key);
    Some(match tag {
        INTEGRATIONS => own.integration(&codec::decode::<IntegrationState>(value).ok()?.key).bytes(),
        REPOSITORIES => {
            let known: KnownRepository = codec::decode(value).ok()?;
            own.integration(&reader.integration()?).repo(&known.repository.key).bytes()
        }
        CANDIDATES => {
            let stored: StoredCandidates = codec::decode(value).ok()?;
            own.integration(&stored.integration).repo(&stored.repo).bytes()
        }
        RECOMMENDATIONS => {
            let one: crate::model::Recommendation = codec::decode(value).ok()?;
            own.integration(&reader.integration()?).repo(&one.repo).bytes()
        }
        LINKS => {
            let link: Link = codec::decode(value).ok()?;
            own.text(&reader.text()?).repo(&link.repo).entity(&link.entity).bytes()
        }
        DECISIONS => {
            let decision: Decision = codec::decode(value).ok()?;
            own.text(&reader.text()?).repo(&decision.repo).bytes()
        }
        COVERAGE => {
            let coverage: Coverage = codec::decode(value).ok()?;
            own.integration(&reader.integration()?).kind(coverage.kind).repo(&coverage.repo).bytes()
        }
        USERS => {
            let user: User = codec::decode(value).ok()?;
            own.integration(&reader.integration()?).text(&user.id).bytes()
        }
        JOURNAL => {
            let entry: JournalEntry = codec::decode(value).ok()?;
            reader.text()?;
            own.text(&entry.import_id.0).raw(reader.rest()).bytes()
        }
        INTENTS => {
            let entry: JournalEntry = codec::decode(value).ok()?;
            own.text(&reader.text()?).repo(&entry.step.repo).entity(&entry.step.entity).bytes()
        }
        SYNCS => own.text(&codec::decode::<StoredSync>(value).ok()?.record.id.0).bytes(),
        PLANS => own.text(&codec::decode::<StoredPlan>(value).ok()?.id).bytes(),
        DELIVERIES => {
            let delivery: Delivery = codec::decode(value).ok()?;
            own.time(delivery.received_at).text(&signers(&delivery.connectors)).text(&delivery.id).bytes()
        }
        AUDIT => own.text(&codec::decode::<AuditEntry>(value).ok()?.id).bytes(),
        SESSIONS => own.text(&codec::decode::<Session>(value).ok()?.digest).bytes(),
        _ => return None,
    })
}

/// The record an index entry (one without a value) stands for. `None`: the key cannot be read.
pub(super) fn record_of_entry(entry: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader::past_tag(entry);
    Some(match *entry.first()? {
        LINKS_BY_ENTITY => {
            let catalog = reader.text()?;
            let entity = reader.text()?;
            Key::in_book(LINKS).text(&catalog).repo(&reader.repo()?).text(&entity).bytes()
        }
        JOURNAL_BY_TIME => timed(JOURNAL, reader)?,
        PLANS_BY_TIME => timed(PLANS, reader)?,
        SYNCS_BY_TIME => timed(SYNCS, reader)?,
        SYNCS_BY_INTEGRATION => {
            reader.integration()?;
            timed(SYNCS, reader)?
        }
        DELIVERIES_BY_ID => {
            let (signers, id) = (reader.text()?, reader.text()?);
            Key::in_book(DELIVERIES).time(reader.time()?).text(&signers).text(&id).bytes()
        }
        DELIVERIES_BY_BODY => {
            let (signers, _) = (reader.text()?, reader.text()?);
            Key::in_book(DELIVERIES).time(reader.time()?).text(&signers).text(&reader.text()?).bytes()
        }
        DELIVERIES_WAITING => {
            let signers = reader.text()?;
            reader.time()?;
            Key::in_book(DELIVERIES).time(reader.time()?).text(&signers).text(&reader.text()?).bytes()
        }
        _ => return None,
    })
}

fn timed(tag: u8, mut reader: Reader<'_>) -> Option<Vec<u8>> {
    reader.time()?;
    Some(Key::in_book(tag).raw(reader.rest()).bytes())
}

/// Integration, repository and kind in the key of a block of items, as encoded.
pub(super) fn stream_of_block(key: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::past_tag(key);
    reader.integration()?;
    reader.repo()?;
    reader.text()?;
    let end = key.len().checked_sub(reader.rest().len())?;
    key.get(1..end)
}
