//! What planning needs of each chosen repository, and carrying a plan out. An import by hand and a sync
//! are the same from here on: plan → apply → record.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::Stop;
use crate::apply::{Applying, StepOutcome, StepResult, apply};
use crate::assemble::Parts;
use crate::correlate::correlate;
use crate::error::escape_control;
use crate::model::{Entity, EntityRef, KnownRepository, Link, Recommendation, RepoKey, Unseen};
use crate::plan::{EditPurpose, Mapped, Plan, Step, Target, Wanted, Work};
use crate::store::{LinkChange, Store, StoreError};

/// One repository and what is wanted with it.
#[derive(Clone, Debug)]
pub struct Chosen {
    repository: KnownRepository,
    aim: Aim,
    asked_type: Option<String>,
    rule: Option<usize>,
    unseen: Unseen,
}

#[derive(Clone, Debug)]
enum Aim {
    Register { kind: String, entity_type: Option<String> },
    Merge(EntityRef),
    Update(Box<Link>),
    Adopt(EntityRef),
}

impl Chosen {
    /// Create an entity of this kind and type.
    pub fn register(repository: KnownRepository, kind: String, entity_type: Option<String>) -> Self {
        Self {
            repository,
            aim: Aim::Register { kind, entity_type },
            asked_type: None,
            rule: None,
            unseen: Unseen::Allowed,
        }
    }

    /// The same with a type that a person asked for, which outranks all others.
    pub fn of_type(self, asked_type: Option<String>) -> Self {
        Self { asked_type, ..self }
    }

    /// Whether it asks for a new entity for this repository.
    pub fn registers(&self, repo: &RepoKey) -> bool {
        self.repository.repository.key == *repo && matches!(self.aim, Aim::Register { .. })
    }

    /// Merge into this entity.
    pub fn merge(repository: KnownRepository, entity: EntityRef, rule: Option<usize>) -> Self {
        Self { repository, aim: Aim::Merge(entity), asked_type: None, rule, unseen: Unseen::Allowed }
    }

    /// Bring a linked entity up to date.
    pub fn update(repository: KnownRepository, link: Link) -> Self {
        Self { repository, aim: Aim::Update(Box::new(link)), asked_type: None, rule: None, unseen: Unseen::Allowed }
    }

    /// Make the link again that a mark tells of.
    pub fn adopt(repository: KnownRepository, entity: EntityRef) -> Self {
        Self { repository, aim: Aim::Adopt(entity), asked_type: None, rule: None, unseen: Unseen::Allowed }
    }

    /// What a step wanted that was planned before. `rule`: the rule that led to it, if it is still that one.
    pub fn again(repository: KnownRepository, step: &Step, rule: Option<usize>) -> Self {
        match &step.work {
            Work::Register(new) => {
                let entity_type = new.document.pointer("/spec/type").or_else(|| new.document.pointer("/type"));
                let entity_type = entity_type.and_then(|value| value.as_str()).map(str::to_owned);
                Self::register(repository, new.kind.clone(), entity_type.clone()).of_type(entity_type)
            }
            Work::Edit(edit) if edit.purpose == EditPurpose::Adopt => Self::adopt(repository, step.entity.clone()),
            Work::Edit(_) => Self::merge(repository, step.entity.clone(), rule),
        }
    }

    /// What is recommended: register, or merge where the recommendation names an entity, or several
    /// (`many: true`).
    pub fn recommended(repository: KnownRepository, recommendation: Recommendation) -> Vec<Self> {
        let Recommendation { entity, also, kind, entity_type, rule, unseen, .. } = recommendation;
        let aims = match entity {
            Some(entity) => std::iter::once(entity).chain(also).map(Aim::Merge).collect(),
            None => vec![Aim::Register { kind, entity_type }],
        };
        let chosen = |aim| Self { repository: repository.clone(), aim, asked_type: None, rule, unseen: unseen.clone() };
        aims.into_iter().map(chosen).collect()
    }

    /// A target that a person typed, looked up in the catalog.
    pub fn resolve(mut self, find: impl FnOnce(&EntityRef) -> EntityRef) -> Self {
        if let Aim::Merge(entity) = &self.aim {
            self.aim = Aim::Merge(find(entity));
        }
        self
    }

    /// About which repository.
    pub fn repo(&self) -> &RepoKey {
        &self.repository.repository.key
    }

    /// The entity it asks for; `None`: a new one.
    pub fn target(&self) -> Option<&EntityRef> {
        self.entity_ref()
    }

    fn entity_ref(&self) -> Option<&EntityRef> {
        match &self.aim {
            Aim::Register { .. } => None,
            Aim::Merge(entity) | Aim::Adopt(entity) => Some(entity),
            Aim::Update(link) => Some(&link.entity),
        }
    }
}

/// A choice with all that planning needs to see.
#[derive(Clone, Debug)]
pub struct Material {
    chosen: Chosen,
    entity: Option<Entity>,
    fields: Vec<Mapped>,
    many: bool,
}

impl Material {
    /// Of a repository and an entity whose fields are evaluated already.
    pub(super) fn of(chosen: Chosen, entity: Option<Entity>, fields: Vec<Mapped>) -> Self {
        Self { chosen, entity, fields, many: false }
    }

    /// As planning takes it.
    pub fn wanted<'a>(&'a self, parts: &'a Parts) -> Wanted<'a> {
        let target = match (&self.chosen.aim, &self.entity) {
            (Aim::Register { kind, entity_type }, _) => {
                Target::Register { kind, entity_type: entity_type.as_deref(), owner: None }
            }
            (Aim::Merge(entity), None) => Target::MergeMissing(entity),
            (Aim::Adopt(entity), None) => Target::MergeMissing(entity),
            (Aim::Merge(_), Some(entity)) => Target::Merge(entity),
            (Aim::Adopt(_), Some(entity)) => Target::Adopt(entity),
            (Aim::Update(link), entity) => Target::Update(link, entity.as_ref()),
        };
        Wanted {
            repository: &self.chosen.repository.repository,
            integration: &parts.integration.name,
            tags: &parts.integration.tags,
            target,
            asked_type: self.chosen.asked_type.as_deref(),
            rule: self.chosen.rule,
            fields: &self.fields,
            many: self.many,
            first_seen_under_auto_import: self.chosen.repository.first_seen_under_auto_import,
            unseen: &self.chosen.unseen,
        }
    }
}

/// Reads the records and entities of what was chosen, and evaluates the field rules.
pub(crate) async fn gather(parts: &Parts, store: &dyn Store, choices: &[Chosen]) -> Result<Vec<Material>, Stop> {
    let mut material = Vec::with_capacity(choices.len());
    for chosen in choices {
        let entity = match chosen.entity_ref() {
            Some(entity) => parts.catalog.entity(entity).await?,
            None => None,
        };
        let Some((_, record)) = store.record(&parts.key, &chosen.repository.repository.key).await? else { continue };
        let mut chosen = chosen.clone();
        if let (Aim::Adopt(_), Some(entity)) = (&chosen.aim, &entity) {
            chosen.rule = rule_for_many(parts, &chosen.repository, &record.raw, entity);
        }
        material.push(Material {
            fields: parts.rules.mapped(&record.raw),
            many: chosen.rule.is_some_and(|rule| parts.rules.says_many(rule)),
            chosen,
            entity,
        });
    }
    Ok(material)
}

/// Repositories by their keys as reasons show them.
pub(super) struct Shown<'a>(HashMap<String, &'a RepoKey>);

impl<'a> Shown<'a> {
    pub(super) fn of(links: &'a [Link], marks: &'a [(EntityRef, RepoKey)]) -> Self {
        let all = links.iter().map(|link| &link.repo).chain(marks.iter().map(|(_, repo)| repo));
        Self(all.map(|repo| (escape_control(&repo.to_string()), repo)).collect())
    }
}

/// A reason with the names people know instead of the keys of repositories.
///
/// # Errors
/// The store's.
pub(super) async fn with_names(store: &dyn Store, shown: &Shown<'_>, reason: &str) -> Result<String, StoreError> {
    let mut named = reason.to_owned();
    for word in reason.split_whitespace().map(|word| word.trim_matches(['(', ')', ',', ':', ';'])) {
        let Some(repo) = shown.0.get(word) else { continue };
        // Whichever integration knows it: the name is the same.
        for key in store.integrations_of(repo).await? {
            if let Some((known, _)) = store.record(&key, repo).await? {
                named = named.replace(word, &escape_control(&known.repository.full_name));
                break;
            }
        }
    }
    Ok(named)
}

/// The same for everything a plan holds.
///
/// # Errors
/// The store's.
pub(crate) async fn name_held(
    store: &dyn Store,
    links: &[Link],
    marks: &[(EntityRef, RepoKey)],
    plan: &mut Plan,
) -> Result<(), StoreError> {
    if plan.held.is_empty() {
        return Ok(());
    }
    let shown = Shown::of(links, marks);
    for held in &mut plan.held {
        held.reason = with_names(store, &shown, &held.reason).await?;
    }
    Ok(())
}

/// A mark does not tell which rule led to it: the rule that says `many` and still finds the entity for the repository,
/// where there is one, lets several entities with one mark be adopted (a monorepo, and no copied file).
fn rule_for_many(parts: &Parts, known: &KnownRepository, raw: &Value, entity: &Entity) -> Option<usize> {
    if !(0..parts.rules.len()).any(|rule| parts.rules.says_many(rule)) {
        return None;
    }
    let repository = parts.rules.repository_facts(&known.repository, raw).with_former_names(&known.former_names);
    let entity = parts.rules.entity_facts(entity);
    let candidates = correlate(&parts.rules, &[repository], &[entity]);
    let rule = candidates.first()?.leaders().first()?.rule;
    parts.rules.says_many(rule).then_some(rule)
}

/// Applies a plan, then takes its notes over into the links.
///
/// # Errors
/// Only the store's.
pub async fn carry_out(applying: &Applying<'_>, plan: &Plan) -> Result<Vec<StepOutcome>, StoreError> {
    let outcomes = apply(applying, &plan.steps).await?;
    remember_entities(applying, &outcomes).await?;
    if plan.notes.is_empty() {
        return Ok(outcomes);
    }
    let links = applying.store.links(applying.catalog.name()).await?;
    let mut links: BTreeMap<(RepoKey, EntityRef), (Link, bool)> =
        links.into_iter().map(|link| ((link.repo.clone(), link.entity.clone()), (link, false))).collect();
    for note in &plan.notes {
        // A step that did not come about leaves its field as it was: nothing to remember yet.
        let failed = outcomes.iter().any(|outcome| {
            outcome.repo == note.repo
                && outcome.entity == note.entity
                && matches!(outcome.result, StepResult::Failed { .. } | StepResult::Left { .. })
        });
        if let Some((link, changed)) = links.get_mut(&(note.repo.clone(), note.entity.clone()))
            && !failed
        {
            let before = link.clone();
            note.remember(link);
            *changed |= *link != before;
        }
    }
    let changes: Vec<LinkChange> =
        links.into_values().filter(|(_, changed)| *changed).map(|(link, _)| LinkChange::Put(Box::new(link))).collect();
    if !changes.is_empty() {
        applying.store.change_links(applying.lease, changes, Vec::new()).await?;
    }
    Ok(outcomes)
}

/// What we registered belongs to the entities last seen: were it lost before the next reading, nobody would
/// notice otherwise (P2.13).
async fn remember_entities(applying: &Applying<'_>, outcomes: &[StepOutcome]) -> Result<(), StoreError> {
    let Applying { catalog, store, .. } = applying;
    let is_written = |outcome: &&StepOutcome| matches!(outcome.result, StepResult::Done(_) | StepResult::Unchanged);
    let written: Vec<&EntityRef> = outcomes.iter().filter(is_written).map(|outcome| &outcome.entity).collect();
    if written.is_empty() {
        return Ok(());
    }
    if let Some(known) = store.known_entities(catalog.name()).await? {
        let all: BTreeSet<EntityRef> = known.into_iter().chain(written.into_iter().cloned()).collect();
        store.save_known_entities(catalog.name(), &all.into_iter().collect::<Vec<_>>()).await?;
    }
    store.save_catalog_snapshot(catalog.name(), &catalog.snapshot()).await
}
