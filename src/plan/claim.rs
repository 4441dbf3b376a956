//! Who gets an entity, and whether. Rivals are judged together, so that who came first does not decide.

use std::collections::BTreeMap;

use super::fields::{self, Memory};
use super::note::{About, Note};
use super::register::{self, Wish};
use super::step::{Edit, EditPurpose, Held, Plan, Step, Work};
use super::{Chosen, Target, Wanted, World, guard, mark};
use crate::error::escape_control;
use crate::model::{ClaimedName, Entity, EntityRef, ImportAction, Link, LinkState, RepoKey};

const UNREADABLE: &str = "its file no longer parses: mend the file; nothing is written until then";

/// What is wanted, grouped by entity; what names none is held at once.
pub(crate) fn by_entity<'a>(world: &World<'a>, plan: &mut Plan) -> BTreeMap<EntityRef, Vec<&'a Wanted<'a>>> {
    let mut claims: BTreeMap<EntityRef, Vec<&Wanted<'_>>> = BTreeMap::new();
    for wanted in world.inputs.wanted {
        let entity = match wanted.target {
            Target::Register { kind, .. } => register::would_register(wanted.repository, world.inputs.abilities, kind),
            Target::Merge(entity) | Target::Adopt(entity) => Ok(entity.entity_ref.clone()),
            Target::MergeMissing(entity) => Ok(entity.clone()),
            Target::Update(link, _) => Ok(link.entity.clone()),
        };
        match entity {
            Ok(entity) => claims.entry(entity).or_default().push(wanted),
            Err(why) => plan.held.push(held(wanted, None, why.to_string())),
        }
    }
    for rivals in claims.values_mut().filter(|rivals| rivals.len() > 1) {
        rivals.sort_by_cached_key(|wanted| {
            (&wanted.repository.key, rank(&wanted.target), wanted.rule, format!("{wanted:?}"))
        });
        // The same repository asked twice (a click, and the sync): the surer way says all.
        rivals.dedup_by(|later, first| later.repository.key == first.repository.key);
    }
    claims
}

fn rank(target: &Target<'_>) -> u8 {
    match target {
        Target::Update(..) => 0,
        Target::Adopt(_) => 1,
        Target::Merge(_) => 2,
        Target::MergeMissing(_) => 3,
        Target::Register { .. } => 4,
    }
}

/// All who want one entity: at most one gets it.
pub(crate) fn judge(world: &World<'_>, entity: EntityRef, rivals: &[&Wanted<'_>], plan: &mut Plan) {
    let is_holder = |wanted: &Wanted<'_>| holds(world, &wanted.repository.key, &entity);
    let is_contested = rivals.len() > 1 && !rivals.iter().any(|wanted| is_holder(wanted));
    for wanted in rivals {
        if is_contested {
            let others: Vec<String> = rivals
                .iter()
                .filter(|rival| rival.repository.key != wanted.repository.key)
                .map(|rival| escape_control(&rival.repository.full_name))
                .take(3)
                .collect();
            let reason = format!("{} wants it, too: choose one of them by hand", others.join(", "));
            plan.held.push(held(wanted, Some(&entity), reason));
            continue;
        }
        let mut notes = Vec::new();
        match decide(world, &entity, wanted, &mut notes) {
            Ok(Some(step)) => plan.steps.push(step),
            Ok(None) => {}
            Err(reason) => plan.held.push(held(wanted, Some(&entity), reason)),
        }
        plan.notes.extend(notes.into_iter().map(|about| Note {
            repo: wanted.repository.key.clone(),
            full_name: wanted.repository.full_name.clone(),
            entity: entity.clone(),
            about,
        }));
    }
}

/// Two new entities that would lie in one file wait for a person.
pub(crate) fn hold_shared_files(plan: &mut Plan) {
    let file = |step: &Step| match &step.work {
        Work::Register(new) => Some(new.file.to_string_lossy().to_lowercase()),
        Work::Edit(_) => None,
    };
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for file in plan.steps.iter().filter_map(file) {
        *count.entry(file).or_default() += 1;
    }
    let (clashing, steps) = std::mem::take(&mut plan.steps)
        .into_iter()
        .partition(|step| file(step).is_some_and(|file| count.get(&file).is_some_and(|count| *count > 1)));
    plan.steps = steps;
    let clashing: Vec<Step> = clashing;
    plan.held.extend(clashing.into_iter().map(|step| Held {
        reason: format!(
            "another new entity would lie in the same file {}: import one of them, move its file, then the other",
            file(&step).unwrap_or_default()
        ),
        repo: step.repo,
        full_name: step.full_name,
        entity: Some(step.entity),
        step: None,
    }));
}

fn held(wanted: &Wanted<'_>, entity: Option<&EntityRef>, reason: String) -> Held {
    Held {
        repo: wanted.repository.key.clone(),
        full_name: wanted.repository.full_name.clone(),
        entity: entity.cloned(),
        reason,
        step: None,
    }
}

fn link_between<'a>(world: &World<'a>, repo: &RepoKey, entity: &EntityRef) -> Option<&'a Link> {
    world.links_of_entity.get(entity)?.iter().copied().find(|link| link.repo == *repo)
}

fn holds(world: &World<'_>, repo: &RepoKey, entity: &EntityRef) -> bool {
    link_between(world, repo, entity).is_some()
}

/// The step for one claim; `Ok(None)`: the document is as it should be; `Err`: why it is held.
fn decide(
    world: &World<'_>,
    entity_ref: &EntityRef,
    wanted: &Wanted<'_>,
    notes: &mut Vec<About>,
) -> Result<Option<Step>, String> {
    let repo = &wanted.repository.key;
    if let Some(places) = world.duplicates.get(entity_ref) {
        return Err(format!(
            "{} documents bear this name ({}): rename all but one",
            places.len(),
            escape_control(&places.join(", "))
        ));
    }
    let others = world.links_of_entity.get(entity_ref).into_iter().flatten();
    if let Some(other) = others.copied().find(|link| link.repo != *repo) {
        let state = match other.state {
            LinkState::Active => "it is linked to",
            LinkState::EntityMissing => "the name belongs to",
        };
        return Err(format!("{state} {} already, which keeps it: unlink that repository first", shown(&other.repo)));
    }
    let own = link_between(world, repo, entity_ref);
    match wanted.target {
        Target::Register { kind, entity_type, owner } => {
            may_import(world, None, wanted)?;
            register(world, entity_ref, wanted, kind, entity_type, owner, notes).map(Some)
        }
        Target::Update(link, None) => Err(missing(world, link, notes)),
        Target::Update(link, Some(entity)) => update(wanted, link, entity, notes, world),
        Target::MergeMissing(_) if world.unreadable.contains(entity_ref) => Err(UNREADABLE.to_owned()),
        Target::MergeMissing(_) => {
            Err("the entity is not in the catalog: choose another with `--into`, or register".to_owned())
        }
        Target::Merge(entity) | Target::Adopt(entity) if own.is_some() => match own {
            Some(link) => update(wanted, link, entity, notes, world),
            None => Ok(None),
        },
        Target::Merge(entity) => {
            may_import(world, Some(entity_ref), wanted)?;
            merge(world, wanted, entity, notes).map(Some)
        }
        Target::Adopt(entity) => adopt(world, wanted, entity, notes).map(Some),
    }
}

fn may_import(world: &World<'_>, entity: Option<&EntityRef>, wanted: &Wanted<'_>) -> Result<(), String> {
    match world.inputs.chosen {
        Chosen::ByHand => Ok(()),
        Chosen::Unattended { .. } => guard::may_auto_import(
            world.decisions.get(&wanted.repository.key).copied(),
            entity,
            wanted.first_seen_under_auto_import,
            wanted.unseen,
        ),
    }
}

fn register(
    world: &World<'_>,
    entity_ref: &EntityRef,
    wanted: &Wanted<'_>,
    kind: &str,
    entity_type: Option<&str>,
    owner: Option<&str>,
    notes: &mut Vec<About>,
) -> Result<Step, String> {
    let repo = &wanted.repository.key;
    if world.unreadable.contains(entity_ref) {
        return Err("the catalog has it already, in a file that no longer parses: mend the file, then import with \
                    `--into`"
            .to_owned());
    }
    if let Some(claimed) = ClaimedName::of(world.inputs.claimed, entity_ref) {
        return Err(format!("its name may be taken: {}; mend that file first", claimed.because));
    }
    if world.taken.contains(entity_ref) {
        return Err("the catalog has an entity of this name already: import into it with `--into`, or rename one of \
                    them"
            .to_owned());
    }
    let links = world.links_of_repo.get(repo).into_iter().flatten();
    for link in links.copied() {
        if link.state == LinkState::Active {
            return Err(format!("the repository is linked to {} already: unlink it first", link.entity));
        }
        if world.inputs.chosen.is_unattended() {
            return Err(format!(
                "its entity {} is missing, and nothing is recreated unseen: register again, relink or unlink by hand",
                link.entity
            ));
        }
    }
    if let Some(marked) = world.marked_with.get(repo).and_then(|entities| entities.first()) {
        return Err(format!("{marked} carries this repository's mark: import into it with `--into {marked}`"));
    }
    let wish = Wish {
        kind,
        entity_type,
        asked_type: wanted.asked_type,
        owner,
        integration: wanted.integration,
        tags: wanted.tags,
        fields: wanted.fields,
    };
    let (new, found) =
        register::new_entity(wanted.repository, world.inputs.abilities, &wish).map_err(|why| why.to_string())?;

    notes.extend(found);
    Ok(step(wanted, entity_ref, ImportAction::Register, Work::Register(new)))
}

fn merge(world: &World<'_>, wanted: &Wanted<'_>, entity: &Entity, notes: &mut Vec<About>) -> Result<Step, String> {
    let repo = &wanted.repository.key;
    writable(entity)?;
    if let Some(mark) = entity.mark.as_ref().filter(|mark| mark.repository != *repo) {
        let was_let_go =
            world.decisions.get(&mark.repository).is_some_and(|decision| guard::tombstone(decision).is_some());
        if world.inputs.chosen.is_unattended() || !was_let_go {
            return Err(foreign_mark(&mark.repository));
        }
    }
    if world.inputs.chosen.is_unattended() && !wanted.many {
        let linked = world.links_of_repo.get(repo).into_iter().flatten().map(|link| &link.entity);
        let marked = world.marked_with.get(repo).into_iter().flatten().copied();
        if let Some(other) = linked.chain(marked).find(|other| **other != entity.entity_ref) {
            return Err(format!(
                "the repository belongs to {other} already; a second entity needs `many: true` on the rule, or an \
                 import by hand"
            ));
        }
    }
    let mark = entity.mark.as_ref().filter(|mark| mark.repository == *repo);
    let action = mark.map_or(ImportAction::Merge, |mark| mark.action);
    Ok(edit(wanted, entity, EditPurpose::Merge, action, None, world, notes))
}

fn adopt(world: &World<'_>, wanted: &Wanted<'_>, entity: &Entity, notes: &mut Vec<About>) -> Result<Step, String> {
    let repo = &wanted.repository.key;
    writable(entity)?;
    let Some(mark) = &entity.mark else {
        return Err("it carries no mark of ours any more: import by hand to link it".to_owned());
    };
    if mark.repository != *repo {
        return Err(foreign_mark(&mark.repository));
    }
    if world.inputs.chosen.is_unattended()
        && let Some(reason) = world.decisions.get(repo).and_then(|decision| guard::tombstone(decision))
    {
        return Err(reason);
    }
    if !wanted.many {
        let link = world.links_of_repo.get(repo).into_iter().flatten().find(|link| link.state == LinkState::Active);
        if let Some(link) = link {
            return Err(format!(
                "it carries a copy of the mark of {}, which is linked and keeps it: take the mark out of the copied \
                 document",
                link.entity
            ));
        }
        let marked = world.marked_with.get(repo).into_iter().flatten();
        let copies: Vec<&str> =
            marked.map(|other| other.as_str()).filter(|other| *other != entity.entity_ref.as_str()).collect();
        if !copies.is_empty() {
            return Err(format!(
                "{} carries the same mark (a copied file?): take the mark out of all but one, or import by hand \
                 with `--into`",
                copies.join(", ")
            ));
        }
    }
    Ok(edit(wanted, entity, EditPurpose::Adopt, mark.action, None, world, notes))
}

fn update(
    wanted: &Wanted<'_>,
    link: &Link,
    entity: &Entity,
    notes: &mut Vec<About>,
    world: &World<'_>,
) -> Result<Option<Step>, String> {
    writable(entity)?;
    if let Some(mark) = entity.mark.as_ref().filter(|mark| mark.repository != link.repo) {
        return Err(foreign_mark(&mark.repository));
    }
    if link.state == LinkState::EntityMissing {
        notes.push(About::EntityFound);
    }
    let step = edit(wanted, entity, EditPurpose::Update, link.action, Some(link), world, notes);
    let changes_something = matches!(&step.work, Work::Edit(edit) if !edit.fields.is_empty());
    Ok(changes_something.then_some(step))
}

fn missing(world: &World<'_>, link: &Link, notes: &mut Vec<About>) -> String {
    if world.unreadable.contains(&link.entity) {
        return UNREADABLE.to_owned();
    }
    if link.state != LinkState::EntityMissing {
        notes.push(About::EntityMissing);
    }
    "the entity is not in the catalog any more, and nothing is recreated: register the repository again, relink it \
     with `--into`, or unlink it"
        .to_owned()
}

fn writable(entity: &Entity) -> Result<(), String> {
    if entity.is_writable() {
        return Ok(());
    }
    Err(format!(
        "it lives in {}, which is only read: make the change there, or move the entity into the catalog",
        escape_control(&entity.place.to_string())
    ))
}

fn foreign_mark(repo: &RepoKey) -> String {
    format!("it carries the mark of another repository ({}): unlink that one first, or take the mark out", shown(repo))
}

fn shown(repo: &RepoKey) -> String {
    escape_control(&repo.to_string())
}

fn edit(
    wanted: &Wanted<'_>,
    entity: &Entity,
    purpose: EditPurpose,
    action: ImportAction,
    link: Option<&Link>,
    world: &World<'_>,
    notes: &mut Vec<About>,
) -> Step {
    let is_marked = entity.mark.as_ref().is_some_and(|mark| mark.repository == wanted.repository.key);
    let wanted_with = |integration| {
        let own = mark::fields(wanted.repository, wanted.tags, integration, action, entity.format);
        fields::wanted(wanted.fields, own, entity.format)
    };
    let (fields, omitted) = wanted_with((!is_marked).then_some(wanted.integration));
    let memory = match link {
        Some(link) => Memory::Written(&link.written),
        None if is_marked && action == ImportAction::Register => Memory::Created,
        None => Memory::None,
    };
    let is_unattended = world.inputs.chosen.is_unattended();
    let mut patch = fields::patch(&fields, &entity.document, memory, is_unattended);
    // The name of the integration is a label: a new one (a transfer, a renamed integration) is no reason to write
    // every file, and is put right with whatever else is written.
    let is_renamed = entity.mark.as_ref().is_some_and(|mark| mark.integration != wanted.integration);
    if is_marked && is_renamed && !patch.changes.is_empty() {
        patch = fields::patch(&wanted_with(Some(wanted.integration)).0, &entity.document, memory, is_unattended);
    }
    notes.extend(omitted);
    notes.extend(patch.notes);
    let edit = Edit { place: entity.place.clone(), fields: patch.changes, purpose };
    step(wanted, &entity.entity_ref, action, Work::Edit(edit))
}

fn step(wanted: &Wanted<'_>, entity: &EntityRef, action: ImportAction, work: Work) -> Step {
    Step {
        repo: wanted.repository.key.clone(),
        full_name: wanted.repository.full_name.clone(),
        entity: entity.clone(),
        rule: wanted.rule,
        action,
        work,
    }
}
