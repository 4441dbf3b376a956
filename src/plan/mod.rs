//! Recommendations → steps: what is written where, and what is held back and why. Pure.
//!
//! [`plan`] takes everything it needs as values and gives a [`Plan`]: every piece of [`Wanted`] work ends
//! as one step, as one row of `held` with a reason, or (updates only) as nothing, because the document is
//! as it should be. [`check`] is a linter for plans.

pub mod fields;
pub mod guard;
pub mod mark;
pub mod note;
pub mod register;
pub mod step;
pub mod undo;

mod check;
mod claim;
mod render;
mod value;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::catalog::Abilities;
use crate::model::{ClaimedName, Decision, Entity, EntityRef, Link, RepoKey, Repository, Unseen};

pub use check::check;
pub use fields::{Mapped, Mode, When};
pub use guard::{Guard, catalog_shrunk, hold_beyond, hold_unlooked, hold_waiting, of_others, tombstone, would_stop};
pub use note::{About, Note};
pub use register::{Unregistrable, would_register};
pub use step::{Change, Edit, EditPurpose, FieldChange, FieldPath, Held, NewEntity, Plan, Step, Work};

/// Everything planning looks at. The order of the slices does not matter.
#[derive(Clone, Debug)]
pub struct Inputs<'a> {
    /// What is to be done.
    pub wanted: &'a [Wanted<'a>],
    /// What the catalog is able to do.
    pub abilities: &'a Abilities,
    /// Every entity ref of the catalog, those of `also_read` included.
    pub taken: &'a [EntityRef],
    /// Refs that more than one document bears, with their places; never written.
    pub duplicates: &'a [(EntityRef, Vec<String>)],
    /// Entities of files that no longer parse: they are there, and cannot be written.
    pub unreadable: &'a [EntityRef],
    /// Names that files nobody can read may define, sorted.
    pub claimed: &'a [ClaimedName],
    /// Every mark in the catalog: which entity says it belongs to which repository.
    pub marks: &'a [(EntityRef, RepoKey)],
    /// Every link of the catalog, those of other integrations included.
    pub links: &'a [Link],
    /// What people decided about repositories.
    pub decisions: &'a [Decision],
    /// Whether a person looks at this.
    pub chosen: Chosen,
}

/// Whether a person chose the work, or a sync does it unseen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// A person chose exactly this: decisions, P3.8 and P4.14 do not stand in the way.
    ByHand,
    /// A sync: auto-import, and linked entities brought up to date.
    Unattended {
        /// P4.14: how many documents of others may change at once ([`Guard::BLAST_RADIUS`]).
        guard: Guard,
        /// Rules or fields changed since the last planning that was not held: documents of others wait for
        /// approval (P4.14).
        rules_changed: bool,
        /// The store is new, the catalog carries our marks, and no decisions file tells what people decided:
        /// auto-import waits for confirmation (invariant 3).
        decisions_lost: bool,
    },
}

impl Chosen {
    /// No person looks before it is done.
    pub fn is_unattended(self) -> bool {
        matches!(self, Self::Unattended { .. })
    }
}

/// One piece of work: a repository chosen to be imported, or already linked and kept up to date.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// Name of the integration; a label in the mark.
    pub integration: &'a str,
    /// The integration's tags.
    pub tags: &'a [String],
    /// What is to be done with it.
    pub target: Target<'a>,
    /// The type a person asked for on register: kept also by kinds that need none.
    pub asked_type: Option<&'a str>,
    /// Index of the rule that led here.
    pub rule: Option<usize>,
    /// The field rules in the order of the rules file, evaluated on the repository's record.
    pub fields: &'a [Mapped],
    /// The rule says that one repository may be linked to several entities (monorepos).
    pub many: bool,
    /// Auto-import was on when the repository was first seen (P4.4).
    pub first_seen_under_auto_import: bool,
    /// Whether auto-import may carry it out, as the recommendation says (P3.8).
    pub unseen: &'a Unseen,
}

/// What is to be done with a repository.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// Create an entity.
    Register {
        /// `Component`, `Resource`, `System` or `Domain`, without case.
        kind: &'a str,
        /// Its type; `None`: from the field rules, else `service`.
        entity_type: Option<&'a str>,
        /// Its owner as a person gave it; `None`: from the field rules, else `unknown`.
        owner: Option<&'a str>,
    },
    /// Link to an entity that is there, and enrich it.
    Merge(&'a Entity),
    /// The entity that was to be merged into, or adopted, is not in the catalog (any more).
    MergeMissing(&'a EntityRef),
    /// Bring a linked entity up to date; `None`: it is not in the catalog.
    Update(&'a Link, Option<&'a Entity>),
    /// The entity carries our mark, the store has no link: make the link again.
    Adopt(&'a Entity),
}

/// [`Inputs`] with what is looked up often made fast to find.
pub(crate) struct World<'a> {
    pub inputs: &'a Inputs<'a>,
    pub taken: FxHashSet<&'a EntityRef>,
    pub unreadable: FxHashSet<&'a EntityRef>,
    pub duplicates: FxHashMap<&'a EntityRef, &'a [String]>,
    pub links_of_repo: FxHashMap<&'a RepoKey, Vec<&'a Link>>,
    pub links_of_entity: FxHashMap<&'a EntityRef, Vec<&'a Link>>,
    pub marked_with: FxHashMap<&'a RepoKey, Vec<&'a EntityRef>>,
    pub decisions: FxHashMap<&'a RepoKey, &'a Decision>,
}

impl<'a> World<'a> {
    fn of(inputs: &'a Inputs<'a>) -> Self {
        let mut world = Self {
            inputs,
            taken: inputs.taken.iter().collect(),
            unreadable: inputs.unreadable.iter().collect(),
            duplicates: inputs.duplicates.iter().map(|(entity, places)| (entity, places.as_slice())).collect(),
            links_of_repo: FxHashMap::default(),
            links_of_entity: FxHashMap::default(),
            marked_with: FxHashMap::default(),
            decisions: FxHashMap::default(),
        };
        for link in inputs.links {
            world.links_of_repo.entry(&link.repo).or_default().push(link);
            world.links_of_entity.entry(&link.entity).or_default().push(link);
        }
        for (entity, repo) in inputs.marks {
            world.marked_with.entry(repo).or_default().push(entity);
        }
        // Reasons name them: their order must not depend on the order of arrival.
        world.links_of_repo.values_mut().for_each(|links| links.sort_by_key(|link| &link.entity));
        world.links_of_entity.values_mut().for_each(|links| links.sort_by_key(|link| &link.repo));
        world.marked_with.values_mut().for_each(|entities| {
            entities.sort();
            entities.dedup();
        });
        world.decisions = guard::newest(inputs.decisions);
        world
    }
}

/// What is written where, and what is held back and why. Same inputs, in any order → same plan.
pub fn plan(inputs: &Inputs<'_>) -> Plan {
    let world = World::of(inputs);
    let mut plan = Plan::default();
    for (entity, rivals) in claim::by_entity(&world, &mut plan) {
        claim::judge(&world, entity, &rivals, &mut plan);
    }
    claim::hold_shared_files(&mut plan);
    if let Chosen::Unattended { guard, rules_changed, decisions_lost } = inputs.chosen {
        guard::hold_unseen(&mut plan, inputs.taken.len(), guard, rules_changed, decisions_lost);
    }
    plan.sort();
    plan
}

impl Plan {
    /// No order of arrival shows.
    fn sort(&mut self) {
        self.steps.sort_by(|a, b| a.entity.cmp(&b.entity));
        self.held.sort_by(|a, b| {
            (&a.full_name, &a.repo, &a.entity, &a.reason).cmp(&(&b.full_name, &b.repo, &b.entity, &b.reason))
        });
        self.notes.sort_by_cached_key(Note::sort_key);
    }
}

#[cfg(test)]
mod tests;
