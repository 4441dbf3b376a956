//! What changed rules about fields would write into linked entities (P3.9): the plans of both sets of rules, beside each
//! other.

use std::collections::HashMap;

use serde_json::Value;

use super::{BATCH, Deadline, Stop, World};
use crate::assemble::Parts;
use crate::correlate::Rules;
use crate::engine::import::{Chosen, Material};
use crate::engine::update::{is_on_its_way_out, plan_of};
use crate::model::{EntityRef, Link, RepoKey};
use crate::plan::{self, Edit, FieldPath, Guard, Work};
use crate::store::Store;

/// A linked entity into which the next sync would write other values.
#[derive(Clone, Debug, PartialEq)]
pub struct Rewritten {
    /// Linked to it.
    pub repo: RepoKey,
    /// Which.
    pub entity: EntityRef,
    /// What would be written otherwise.
    pub fields: Vec<RewrittenField>,
}

/// A field of it.
#[derive(Clone, Debug, PartialEq)]
pub struct RewrittenField {
    /// Which.
    pub path: FieldPath,
    /// What a sync by the rules in force leaves there; `None`: nothing.
    pub now: Option<Value>,
    /// What a sync by the rules previewed leaves there.
    pub then: Option<Value>,
}

/// How many entities, and the first of them by repository, at most as many as were asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rewriting {
    /// All.
    pub entities: u64,
    /// Some.
    pub first: Vec<Rewritten>,
}

/// Links with their documents, and what both sets of rules want of them, in the same order.
#[derive(Default)]
struct Both {
    links: Vec<(Link, Value)>,
    now: Vec<Material>,
    then: Vec<Material>,
}

/// Plans what both sets of rules do to the entities that are linked; what stands in the way of one stands in the way of
/// the other.
///
/// # Errors
/// The store's, the catalog's; that it takes too long.
pub(super) async fn rewriting(
    parts: &Parts,
    rules: &Rules,
    store: &dyn Store,
    world: &World,
    limit: usize,
    deadline: Deadline,
) -> Result<Rewriting, Stop> {
    let mut links = store.links(parts.catalog.name()).await?;
    links.sort_by(|a, b| (&a.repo, &a.entity).cmp(&(&b.repo, &b.entity)));
    let mut found = Rewriting::default();
    let mut both = Both::default();
    for link in links.iter().filter(|link| !is_on_its_way_out(link, &world.decisions)) {
        deadline.check()?;
        add(&mut both, parts, rules, store, link).await?;
        if both.links.len() >= BATCH {
            compare(parts, world, &links, std::mem::take(&mut both), limit, &mut found);
        }
    }
    compare(parts, world, &links, both, limit, &mut found);
    Ok(found)
}

/// Not another integration's, not one that is gone, and not where both want the same.
async fn add(both: &mut Both, parts: &Parts, rules: &Rules, store: &dyn Store, link: &Link) -> Result<(), Stop> {
    let Some((known, record)) = store.record(&parts.key, &link.repo).await? else { return Ok(()) };
    let (now, then) = (parts.rules.mapped(&record.raw), rules.mapped(&record.raw));
    if now == then || !known.presence.is_served() {
        return Ok(());
    }
    let Some(entity) = parts.catalog.entity(&link.entity).await? else { return Ok(()) };
    both.links.push((link.clone(), entity.document.clone()));
    let chosen = Chosen::update(known, link.clone());
    both.now.push(Material::of(chosen.clone(), Some(entity.clone()), now));
    both.then.push(Material::of(chosen, Some(entity), then));
    Ok(())
}

fn compare(parts: &Parts, world: &World, links: &[Link], both: Both, limit: usize, found: &mut Rewriting) {
    if both.links.is_empty() {
        return;
    }
    let now = edits(parts, world, links, &both.now);
    let then = edits(parts, world, links, &both.then);
    for (link, document) in both.links {
        let of = |edits: &HashMap<EntityRef, Edit>| edits.get(&link.entity).map(|edit| edit.applied(&document));
        let (now_document, then_document) = (of(&now), of(&then));
        let mut paths: Vec<&FieldPath> = Vec::new();
        // Ours as well: a field that no rule names any more goes back to what we put there by ourselves.
        for edit in [&now, &then].into_iter().filter_map(|edits| edits.get(&link.entity)) {
            paths.extend(edit.fields.iter().map(|field| &field.path));
        }
        paths.sort();
        paths.dedup();
        let fields: Vec<RewrittenField> = paths
            .into_iter()
            .map(|path| {
                let at = |other: &Option<Value>| path.get(other.as_ref().unwrap_or(&document)).cloned();
                RewrittenField { path: path.clone(), now: at(&now_document), then: at(&then_document) }
            })
            .filter(|field| field.now != field.then)
            .collect();
        if fields.is_empty() {
            continue;
        }
        found.entities += 1;
        if found.first.len() < limit {
            found.first.push(Rewritten { repo: link.repo, entity: link.entity, fields });
        }
    }
}

/// As a sync does it: by hand, values would be replaced that a sync leaves alone. What a guard holds is written once
/// somebody approves it.
fn edits(parts: &Parts, world: &World, links: &[Link], material: &[Material]) -> HashMap<EntityRef, Edit> {
    let chosen = plan::Chosen::Unattended { guard: Guard::BLAST_RADIUS, rules_changed: false, decisions_lost: false };
    let plan = plan_of(parts, &world.survey, material, links, &world.decisions, chosen);
    let edit = |step: plan::Step| match step.work {
        Work::Edit(edit) => Some((step.entity, edit)),
        Work::Register(_) => None,
    };
    let held = plan.held.into_iter().filter_map(|held| held.step);
    plan.steps.into_iter().chain(held).filter_map(edit).collect()
}
