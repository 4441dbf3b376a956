//! Candidates × links × decisions × behaviour → register, merge, conflict or none, and why. Pure.
//!
//! Rivals are judged together, entity by entity, before anybody gets anything: who came first never decides.

mod claims;
pub mod measure;
mod verdict;

use std::collections::BTreeSet;

use self::claims::Judge;
use crate::correlate::{Candidates, EntityFacts, RepositoryFacts, Rules};
use crate::model::{
    ClaimedName, Decision, EntityRef, Link, LinkState, Presence, Recommendation, Registration, RepoKey, Unseen,
};

/// Kinds of which new entities may be made; others need what a repository does not tell (an API its definition).
pub const REGISTRABLE: &[&str] = &["component", "resource", "system", "domain"];

/// Everything a recommendation depends on.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// What may become of a repository.
    pub registration: Registration,
    /// Kind of new entities, as written (`Component`).
    pub kind: &'a str,
    /// Type of new entities where no rule under `types` says another.
    pub entity_type: &'a str,
    /// The rules the candidates come from.
    pub rules: &'a Rules,
    /// This integration's repositories.
    pub repositories: &'a [RepositoryFacts],
    /// Of each of them, in the same order.
    pub standings: &'a [Standing],
    /// Of each of them, in the same order: what [`crate::correlate::correlate`] gave.
    pub candidates: &'a [Candidates],
    /// Repositories of the other integrations on this catalog.
    pub others: &'a [Other],
    /// Every entity of the catalog, also those that are only read. The candidates count in this order.
    pub entities: &'a [EntityFacts],
    /// Names no new entity may take beside those of `entities`: of files that no longer parse, for example.
    pub taken: &'a BTreeSet<EntityRef>,
    /// Names that files nobody can read may define, sorted.
    pub claimed: &'a [ClaimedName],
    /// Links of the catalog, of all integrations.
    pub links: &'a [Link],
    /// What people decided, about repositories of any integration.
    pub decisions: &'a [Decision],
}

/// What else is known of a repository.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// Whether it is there. Gone and excluded ones get no recommendation and claim nothing.
    pub presence: Presence,
    /// The entity it would be registered as; `Err`: why its name makes no valid one.
    pub register_as: Result<EntityRef, String>,
}

/// A repository of another integration on the same catalog.
#[derive(Clone, Debug, PartialEq)]
pub struct Other {
    /// Identity.
    pub repo: RepoKey,
    /// `workspace/slug`.
    pub full_name: String,
    /// As stored: the entities that lead, with the rule.
    pub candidates: Vec<(EntityRef, usize)>,
    /// The entity it would be registered as, if it waits to be registered.
    pub registers_as: Option<EntityRef>,
}

/// Verdicts for this integration's repositories that are there and not linked, sorted by repository.
///
/// A linked one gets a verdict only when there is something to decide: its entity is missing, a person
/// chose another, or a rule that says `many` finds more entities.
pub fn recommend(inputs: &Inputs<'_>) -> Vec<Recommendation> {
    let judge = Verdicts::new(inputs);
    let mut verdicts: Vec<_> = (0..inputs.repositories.len()).filter_map(|at| judge.of(at)).collect();
    verdicts.sort_by(|a, b| a.repo.cmp(&b.repo));
    verdicts
}

/// Verdicts one by one, all judged against each other: a hundred thousand at once are a hundred megabytes.
pub struct Verdicts<'a>(Judge<'a>);

impl<'a> Verdicts<'a> {
    /// Weighs all claims.
    pub fn new(inputs: &'a Inputs<'a>) -> Self {
        Self(Judge::new(inputs))
    }

    /// The verdict about the repository at this position of [`Inputs::repositories`], as [`recommend`] gives it.
    pub fn of(&self, at: usize) -> Option<Recommendation> {
        let subject = self.0.subjects.binary_search_by_key(&at, |subject| subject.at).ok()?;
        self.0.verdict(&self.0.subjects[subject])
    }
}

/// Why a person should look first, with the decision as it is now: the recommendation may be older than its being
/// taken back.
pub fn look_first(one: &Recommendation, is_decided: bool) -> Option<&str> {
    match &one.unseen {
        Unseen::Withheld { because } if is_decided || !verdict::says_decided(because) => Some(because),
        Unseen::Withheld { .. } | Unseen::Allowed => None,
    }
}

/// Whether a recommendation still waits for somebody, with the links as they are now: it may be older than the
/// link it led to. Of linked repositories only those whose entity is missing, and those whose rule has more
/// entities for them (`many: true`).
pub fn awaits_decision(one: &Recommendation, links: &[Link], rules: &Rules) -> bool {
    let mut of_repo = links.iter().filter(|link| link.repo == one.repo && link.state == LinkState::Active).peekable();
    if of_repo.peek().is_none() {
        return true;
    }
    let linked: BTreeSet<&EntityRef> = of_repo.map(|link| &link.entity).collect();
    one.rule.is_some_and(|rule| rules.says_many(rule))
        && one.entity.iter().chain(&one.also).any(|entity| !linked.contains(entity))
}
