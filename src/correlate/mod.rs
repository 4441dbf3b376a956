//! Rules × repositories × entities → candidates, with the trace. Pure.
//!
//! A record and an entity are read once, into facts ([`RepositoryFacts`], [`EntityFacts`]); everything
//! after that works on the facts. `equals` is a hash join, `contains` a hash probe of token spans.

mod contains;
mod explain;
mod facts;
pub mod field;
mod join;
mod lint;
mod located;
mod normalise;
mod parse;
pub mod path;
pub mod rule;
pub mod similar;
mod source;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;

pub use explain::{Comparing, Explanation, Near, Runner, Tried, explain};
pub use facts::{EntityFacts, RepositoryFacts};
pub use field::{FieldRule, FieldSource, Mode, TemplatePart, When};
pub use lint::{Advice, Lint, Selected, Side, UnmatchedPath};
pub use path::Path;
pub use rule::{BUILTIN, RuleFault, Rules};
pub use source::{NamedSource, Naming, named_sources};

use crate::model::EntityRef;
use join::Pair;

/// An entity a repository may belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Position among the entities given.
    pub entity: usize,
    /// The first rule that found it, from 0.
    pub rule: usize,
    /// How strong a `contains` was: tokens, then bytes; zero for `equals`.
    strength: (u16, u16),
}

impl Candidate {
    /// Found by the same rule, as strongly.
    pub fn ranks_like(&self, other: &Self) -> bool {
        (self.rule, self.strength) == (other.rule, other.strength)
    }
}

/// An entity that a rule found and that is no candidate all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NearMiss {
    /// Position among the entities given.
    pub entity: usize,
    /// The rule.
    pub rule: usize,
    /// Why not.
    pub why: WhyNot,
}

/// Why an entity that a rule found is no candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyNot {
    /// It only bears the name; its annotations name another repository.
    NamesAnother,
    /// Too many repositories contain its name ([`MAX_CLAIMS_BY_CONTAINS`]).
    Crowded,
    /// Too many repositories and entities share the value compared: it identifies none.
    SharedValue,
}

/// What correlation found for one repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidates {
    /// Position among the repositories given.
    pub repository: usize,
    /// Best first; equals among themselves by entity ref.
    pub ranked: Box<[Candidate]>,
    /// How many of them lead at the same rank: one is *the* candidate, several are a tie, unless their
    /// rule says `many`.
    pub leading: usize,
    /// Later rules that parted the leaders of a tie, in order.
    pub parted_by: Box<[usize]>,
    /// Entities that only bear this repository's name, by entity ref.
    pub near: Box<[NearMiss]>,
}

impl Candidates {
    /// Those that lead.
    pub fn leaders(&self) -> &[Candidate] {
        &self.ranked[..self.leading]
    }

    /// Those that lead, as they are stored for conflicts across integrations.
    pub fn to_stored(&self, entities: &[EntityFacts]) -> Vec<(EntityRef, usize)> {
        self.leaders().iter().map(|leader| (entities[leader.entity].entity_ref(), leader.rule)).collect()
    }
}

/// An entity that `contains` alone claims for more repositories than this is nobody's candidate by it.
pub const MAX_CLAIMS_BY_CONTAINS: usize = 5;

/// Candidates of every repository, in the order of the repositories given. Which entities are found, and
/// in which order they rank, does not depend on the order of either.
pub fn correlate(rules: &Rules, repositories: &[RepositoryFacts], entities: &[EntityFacts]) -> Vec<Candidates> {
    correlate_until(rules, repositories, entities, &|| false).unwrap_or_default()
}

/// The same, for rules that may cost too much; `None`: it was asked to stop on the way.
pub fn correlate_until(
    rules: &Rules,
    repositories: &[RepositoryFacts],
    entities: &[EntityFacts],
    stop: &dyn Fn() -> bool,
) -> Option<Vec<Candidates>> {
    let mut joined = join::join(rules, repositories, entities, stop)?;
    joined.pairs.sort_unstable_by_key(|pair| (pair.repository, pair.entity, pair.rule));
    joined.near.sort_unstable_by_key(|(repository, near)| (*repository, near.entity, near.rule));
    let (mut pairs, mut near) = (&joined.pairs[..], &joined.near[..]);
    let found = (0..repositories.len()).map(|repository| {
        let mine = pairs.partition_point(|pair| pair.repository as usize == repository);
        let nearby = near.partition_point(|(owner, _)| *owner as usize == repository);
        let found = ranked(rules, repository, &pairs[..mine], &near[..nearby], entities);
        (pairs, near) = (&pairs[mine..], &near[nearby..]);
        found
    });
    Some(found.collect())
}

/// `pairs` and `near` are those of this repository, sorted by entity, then rule.
fn ranked(
    rules: &Rules,
    repository: usize,
    pairs: &[Pair],
    near: &[(u32, NearMiss)],
    entities: &[EntityFacts],
) -> Candidates {
    let mut ranked: Vec<Candidate> =
        pairs.chunk_by(|a, b| a.entity == b.entity).map(|found| found[0].candidate()).collect();
    let by_ref = |entity: usize| entities[entity].ref_text();
    ranked.sort_by(|a, b| {
        let rank = |candidate: &Candidate| (candidate.rule, Reverse(candidate.strength));
        rank(a).cmp(&rank(b)).then_with(|| by_ref(a.entity).cmp(by_ref(b.entity)))
    });
    let mut leading = 0;
    let mut parted_by = Vec::new();
    if let Some(best) = ranked.first().copied() {
        let many = rules.0.rules[best.rule].many;
        leading = ranked.partition_point(|one| one.rule == best.rule && (many || one.strength == best.strength));
        for rule in best.rule + 1..rules.len() {
            if leading < 2 || many {
                break;
            }
            let strength = |one: &Candidate| {
                let at =
                    pairs.binary_search_by_key(&(one.entity, rule), |pair| (pair.entity as usize, pair.rule.into()));
                at.ok().map(|at| pairs[at].strength)
            };
            let Some(strongest) = ranked[..leading].iter().filter_map(strength).max() else { continue };
            let (stay, go): (Vec<_>, Vec<_>) =
                ranked[..leading].iter().copied().partition(|one| strength(one) == Some(strongest));
            if !go.is_empty() {
                leading = stay.len();
                ranked.splice(..stay.len() + go.len(), stay.into_iter().chain(go));
                parted_by.push(rule);
            }
        }
    }
    let mut near: Vec<NearMiss> = near.iter().map(|(_, near)| *near).collect();
    near.dedup_by_key(|near| near.entity);
    near.retain(|near| !ranked.iter().any(|one| one.entity == near.entity));
    near.sort_by(|a, b| by_ref(a.entity).cmp(by_ref(b.entity)));
    Candidates {
        repository,
        ranked: ranked.into_boxed_slice(),
        leading,
        parted_by: parted_by.into_boxed_slice(),
        near: near.into_boxed_slice(),
    }
}

impl Pair {
    fn candidate(&self) -> Candidate {
        Candidate { entity: self.entity as usize, rule: self.rule.into(), strength: self.strength }
    }
}
