//! What correlation keeps of a record and of an entity: the normalised values the rules compare, packed
//! into one text each, so that 100,000 of either fit into a few dozen megabytes.

use std::sync::Arc;

use serde_json::Value;

use super::rule::{NotedPath, Rules, Slot};
use super::source::{self, Identity, Naming};
use crate::model::{Entity, EntityRef, Mark, RepoKey, Repository};
use crate::plan::FieldPath;

/// Values of one slot at most (`$.metadata.links[*].url`): bounds memory, not meaning, of sane documents.
const MAX_VALUES_PER_SLOT: usize = 64;

/// Packed texts beside those of the rules' slots.
#[derive(Clone, Copy)]
#[repr(u16)]
enum Extra {
    Instance = u16::MAX,
    Id = u16::MAX - 1,
    FullName = u16::MAX - 2,
    Slug = u16::MAX - 3,
    ProjectKey = u16::MAX - 4,
    Owner = u16::MAX - 5,
    EntityRef = u16::MAX - 6,
    Kind = u16::MAX - 7,
    EntityType = u16::MAX - 8,
    ReadOnlyPlace = u16::MAX - 9,
    Source = u16::MAX - 10,
    MarkedFor = u16::MAX - 11,
    FormerName = u16::MAX - 12,
}

/// Texts by slot in one allocation; equal texts share their bytes.
#[derive(Clone, Debug)]
struct Packed {
    text: Box<str>,
    spans: Box<[Span]>,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    len: u16,
    slot: u16,
}

#[derive(Default)]
struct Packing {
    text: String,
    spans: Vec<Span>,
}

impl Packing {
    fn put(&mut self, slot: u16, text: &str) {
        let (Ok(len), Ok(start)) = (u16::try_from(text.len()), u32::try_from(self.text.len())) else { return };
        let same = |span: &&Span| span.len == len && &self.text[span.start as usize..][..span.len as usize] == text;
        let start = match self.spans.iter().find(same) {
            Some(known) => known.start,
            None => {
                self.text.push_str(text);
                start
            }
        };
        self.spans.push(Span { start, len, slot });
    }

    fn extra(&mut self, extra: Extra, text: &str) {
        self.put(extra as u16, text);
    }

    fn done(self) -> Packed {
        Packed { text: self.text.into_boxed_str(), spans: self.spans.into_boxed_slice() }
    }
}

impl Packed {
    fn all(&self, slot: u16) -> impl Iterator<Item = &str> {
        let here = self.spans.iter().filter(move |span| span.slot == slot);
        here.map(|span| &self.text[span.start as usize..][..span.len as usize])
    }

    fn extra(&self, extra: Extra) -> Option<&str> {
        self.all(extra as u16).next()
    }
}

/// Which of the rules' noted paths selected something.
#[derive(Clone, Debug, Default)]
pub(super) struct PathSet {
    first: u64,
    rest: Box<[u64]>,
}

impl PathSet {
    fn of(paths: &[NotedPath], document: &Value) -> Self {
        let mut set = Self { first: 0, rest: vec![0; paths.len().saturating_sub(1) / 64].into_boxed_slice() };
        for (index, noted) in paths.iter().enumerate() {
            if noted.path.each_text(document, |_| {}) {
                *set.word(index) |= 1 << (index % 64);
            }
        }
        set
    }

    fn word(&mut self, index: usize) -> &mut u64 {
        if index < 64 { &mut self.first } else { &mut self.rest[index / 64 - 1] }
    }

    pub fn has(&self, index: usize) -> bool {
        let word = if index < 64 { self.first } else { self.rest[index / 64 - 1] };
        word >> (index % 64) & 1 == 1
    }
}

/// What correlation and recommendation need of a repository.
#[derive(Clone, Debug)]
pub struct RepositoryFacts {
    packed: Packed,
    pub(super) paths: PathSet,
    /// Of a rule under `types`.
    entity_type: Option<Arc<str>>,
    is_fork: bool,
    is_personal: bool,
}

/// What correlation and recommendation need of an entity.
#[derive(Clone, Debug)]
pub struct EntityFacts {
    packed: Packed,
    pub(super) paths: PathSet,
}

impl Rules {
    /// Reads everything these rules need of a record, once.
    pub fn repository_facts(&self, repository: &Repository, raw: &Value) -> RepositoryFacts {
        let rules = &*self.0;
        let mut packing = Packing::default();
        packing.extra(Extra::Instance, &repository.key.instance.0);
        packing.extra(Extra::Id, &repository.key.id);
        packing.extra(Extra::FullName, &repository.full_name);
        packing.extra(Extra::Slug, &repository.slug);
        if let Some(key) = &repository.project_key {
            packing.extra(Extra::ProjectKey, key);
        }
        let paths = PathSet::of(&rules.ingested_paths, raw);
        put_slots(&mut packing, &rules.ingested, &rules.ingested_paths, &paths, raw);
        if let Some(owner) = self.owner_on_register(raw) {
            packing.extra(Extra::Owner, &owner);
        }
        RepositoryFacts {
            packed: packing.done(),
            paths,
            entity_type: self.type_by_rule(raw),
            is_fork: repository.is_fork,
            is_personal: repository.is_personal,
        }
    }

    /// Reads everything these rules need of an entity, once.
    pub fn entity_facts(&self, entity: &Entity) -> EntityFacts {
        let rules = &*self.0;
        let mut packing = Packing::default();
        packing.extra(Extra::EntityRef, entity.entity_ref.as_str());
        packing.extra(Extra::Kind, &entity.kind);
        if let Some(entity_type) = &entity.entity_type {
            packing.extra(Extra::EntityType, entity_type);
        }
        if let Some(owner) = &entity.owner {
            packing.extra(Extra::Owner, owner);
        }
        if !entity.is_writable() {
            packing.extra(Extra::ReadOnlyPlace, &entity.place.to_string());
        }
        if let Some(Mark { repository, .. }) = &entity.mark {
            packing.extra(Extra::MarkedFor, &repository.to_string());
        }
        for source in source::named_sources(&entity.document) {
            packing.extra(Extra::Source, &source.packed());
        }
        let paths = PathSet::of(&rules.catalog_paths, &entity.document);
        put_slots(&mut packing, &rules.catalog, &rules.catalog_paths, &paths, &entity.document);
        EntityFacts { packed: packing.done(), paths }
    }

    /// The owner a new entity gets from the fields, in either format.
    fn owner_on_register(&self, raw: &Value) -> Option<String> {
        let is_owner =
            |path: &FieldPath| *path == FieldPath::of(&["spec", "owner"]) || *path == FieldPath::of(&["owner"]);
        let field = self.fields().iter().filter(|field| is_owner(&field.catalog));
        field.filter_map(|field| field.value(raw)).find_map(|value| value.as_str().map(str::to_owned))
    }
}

fn put_slots(packing: &mut Packing, slots: &[Slot], noted: &[NotedPath], present: &PathSet, document: &Value) {
    for (index, slot) in slots.iter().enumerate() {
        let Some(path) = slot.paths.iter().find(|path| present.has(**path)) else { continue };
        let mut left = MAX_VALUES_PER_SLOT;
        noted[*path].path.each_text(document, |text| {
            if left > 0
                && let Some(value) = slot.normaliser.apply(text)
            {
                left -= 1;
                packing.put(index as u16, &value);
            }
        });
    }
}

impl RepositoryFacts {
    /// The same, known by former full names as well (P2.8): an entity that still names one of them names
    /// this repository.
    pub fn with_former_names(self, names: &[String]) -> Self {
        if names.is_empty() {
            return self;
        }
        let mut packing = Packing { text: self.packed.text.into_string(), spans: self.packed.spans.into_vec() };
        for name in names {
            packing.extra(Extra::FormerName, name);
        }
        Self { packed: packing.done(), ..self }
    }

    /// Identity.
    pub fn repo(&self) -> RepoKey {
        let (instance, id) = self.key();
        RepoKey { instance: crate::model::InstanceId(instance.to_owned()), id: id.to_owned() }
    }

    /// Instance and id: [`Self::repo`] without a copy, and sorted like it.
    pub fn key(&self) -> (&str, &str) {
        let text = |extra| self.packed.extra(extra).unwrap_or_default();
        (text(Extra::Instance), text(Extra::Id))
    }

    /// `workspace/slug`.
    pub fn full_name(&self) -> &str {
        self.packed.extra(Extra::FullName).unwrap_or_default()
    }

    /// Short name in URLs.
    pub fn slug(&self) -> &str {
        self.packed.extra(Extra::Slug).unwrap_or_default()
    }

    /// Type by the rules' `types`; `None`: the integration's.
    pub fn entity_type(&self) -> Option<&str> {
        self.entity_type.as_deref()
    }

    /// Owner of a new entity by the rules' fields; `None`: `unknown`.
    pub fn owner(&self) -> Option<&str> {
        self.packed.extra(Extra::Owner)
    }

    /// It has a parent repository.
    pub fn is_fork(&self) -> bool {
        self.is_fork
    }

    /// It belongs to a person.
    pub fn is_personal(&self) -> bool {
        self.is_personal
    }

    pub(super) fn values(&self, slot: usize) -> impl Iterator<Item = &str> {
        self.packed.all(slot as u16)
    }

    fn identity(&self) -> Identity<'_> {
        Identity {
            instance: self.packed.extra(Extra::Instance).unwrap_or_default(),
            full_name: self.full_name(),
            project_key: self.packed.extra(Extra::ProjectKey).unwrap_or_default(),
            slug: self.slug(),
        }
    }
}

impl EntityFacts {
    /// Canonical name.
    pub fn entity_ref(&self) -> EntityRef {
        EntityRef::from_canonical(self.ref_text())
    }

    /// Canonical name as text.
    pub fn ref_text(&self) -> &str {
        self.packed.extra(Extra::EntityRef).unwrap_or_default()
    }

    /// As written (`Component`).
    pub fn kind(&self) -> &str {
        self.packed.extra(Extra::Kind).unwrap_or_default()
    }

    /// Its own type.
    pub fn entity_type(&self) -> Option<&str> {
        self.packed.extra(Extra::EntityType)
    }

    /// Its own owner.
    pub fn owner(&self) -> Option<&str> {
        self.packed.extra(Extra::Owner)
    }

    /// Where it lies, if it must never be written (`also_read`).
    pub fn read_only_place(&self) -> Option<&str> {
        self.packed.extra(Extra::ReadOnlyPlace)
    }

    /// The repository our mark in it names.
    pub fn marked_for(&self) -> Option<RepoKey> {
        self.packed.extra(Extra::MarkedFor).and_then(RepoKey::parse)
    }

    /// The sources it names, for people: `github.com/acme/payments`, or without a host where it names none.
    pub fn sources(&self) -> Vec<String> {
        self.packed.all(Extra::Source as u16).map(source::for_people).collect()
    }

    /// How what it names relates to a repository, under its present or a former name.
    pub fn naming(&self, repository: &RepositoryFacts) -> Naming {
        let sources = || self.packed.all(Extra::Source as u16);
        let now = source::naming(sources(), repository.identity());
        if now != Naming::Another {
            return now;
        }
        let former = |full_name: &str| {
            let slug = full_name.rsplit('/').next().unwrap_or(full_name);
            let identity = Identity { full_name, slug, ..repository.identity() };
            source::naming(sources(), identity) == Naming::This
        };
        if repository.packed.all(Extra::FormerName as u16).any(former) { Naming::This } else { now }
    }

    pub(super) fn values(&self, slot: usize) -> impl Iterator<Item = &str> {
        self.packed.all(slot as u16)
    }

    pub(super) fn has_value(&self, slot: usize) -> bool {
        self.values(slot).next().is_some()
    }
}
