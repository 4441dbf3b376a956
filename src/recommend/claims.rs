//! Who is after what, and how strongly: wishes, and all claims weighed against each other before anybody gets anything.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Inputs;
use crate::correlate::{Candidate, EntityFacts, RepositoryFacts};
use crate::model::{Decision, DecisionKind, EntityRef, InstanceId, Link, LinkState, Presence, Registration, RepoKey};

/// How strongly a repository claims an entity: the smaller, the stronger. A person's choice, then our
/// mark, then the rules in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Chosen,
    Marked,
    Rule(usize),
    /// By a rule, on an entity whose link a person ended: no match for anybody else's claim.
    Left,
}

/// What a repository is after.
#[derive(Clone, Debug)]
pub(super) enum Wish {
    /// These entities (by position) at this rank; several only in a tie or by a rule that says `many`.
    Entities(Rank, Vec<usize>),
    /// An entity somebody chose that is not in the catalog.
    Lost(EntityRef),
    /// No entity matches, or none may be merged.
    New,
}

/// One of this integration's repositories that is there.
pub(super) struct Subject<'a> {
    pub(super) at: usize,
    pub(super) facts: &'a RepositoryFacts,
    pub(super) decision: Option<&'a DecisionKind>,
    pub(super) links: Vec<&'a Link>,
    pub(super) wish: Wish,
}

/// Instance and id of a repository: a [`RepoKey`] that costs nothing, since there are many.
pub(super) type Key<'a> = (&'a str, &'a str);

/// A repository claims an entity. Sorted by entity, strongest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Claim<'a> {
    pub(super) entity: &'a str,
    pub(super) rank: Rank,
    pub(super) repo: Key<'a>,
}

/// The claims to one entity, of sorted ones.
pub(super) fn claims_to<'c, 'a>(claims: &'c [Claim<'a>], entity: &str) -> &'c [Claim<'a>] {
    let from = claims.partition_point(|claim| claim.entity < entity);
    let to = claims.partition_point(|claim| claim.entity <= entity);
    &claims[from..to]
}

pub(super) fn key_of(repo: &RepoKey) -> Key<'_> {
    (&repo.instance.0, &repo.id)
}

/// Where a repository stands in [`Inputs`]; one of this integration comes before the same of another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Position {
    Own(usize),
    Other(usize),
}

pub(super) struct Judge<'a> {
    pub(super) inputs: &'a Inputs<'a>,
    pub(super) subjects: Vec<Subject<'a>>,
    /// Positions of the entities that bear a ref: more than one are copies.
    pub(super) by_ref: HashMap<&'a str, Vec<usize>>,
    pub(super) links_by_entity: HashMap<&'a str, &'a Link>,
    pub(super) decisions: BTreeMap<&'a RepoKey, &'a DecisionKind>,
    /// Who claims an entity and how strongly, sorted. Linked and ignored repositories claim nothing.
    pub(super) claims: Vec<Claim<'a>>,
    /// Who would be registered under a ref, sorted.
    pub(super) newcomers: Vec<(&'a str, Key<'a>)>,
    /// Positions of all repositories known, sorted by key: whose full names people are told.
    known: Vec<Position>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(inputs: &'a Inputs<'a>) -> Self {
        let mut by_ref: HashMap<&str, Vec<usize>> = HashMap::with_capacity(inputs.entities.len());
        for (at, entity) in inputs.entities.iter().enumerate() {
            by_ref.entry(entity.ref_text()).or_default().push(at);
        }
        let mut judge = Judge {
            inputs,
            subjects: Vec::new(),
            by_ref,
            links_by_entity: inputs.links.iter().map(|link| (link.entity.as_str(), link)).collect(),
            decisions: newest(inputs.decisions),
            claims: Vec::new(),
            newcomers: Vec::new(),
            known: Vec::new(),
        };
        judge.gather();
        judge
    }

    /// Subjects with their wishes, claims, newcomers: in this order, each from the ones before.
    fn gather(&mut self) {
        let inputs = self.inputs;
        let mut links: BTreeMap<&RepoKey, Vec<&Link>> = BTreeMap::new();
        for link in inputs.links {
            links.entry(&link.repo).or_default().push(link);
        }
        let marked = self.marked();
        let mut subjects: Vec<Subject<'a>> = Vec::new();
        for (at, (facts, standing)) in inputs.repositories.iter().zip(inputs.standings).enumerate() {
            let repo = facts.repo();
            if matches!(standing.presence, Presence::Gone | Presence::Excluded { .. }) {
                continue;
            }
            let decision = self.decisions.get(&repo).copied();
            let mut links = links.get(&repo).cloned().unwrap_or_default();
            links.sort_by(|a, b| a.entity.cmp(&b.entity));
            let wish = self.first_wish(at, &repo, decision, marked.get(&repo).map_or(&[], Vec::as_slice));
            subjects.push(Subject { at, facts, decision, links, wish });
        }
        let own = (0..inputs.repositories.len()).map(Position::Own);
        let mut known: Vec<Position> = own.chain((0..inputs.others.len()).map(Position::Other)).collect();
        known.sort_by(|a, b| self.key_at(*a).cmp(&self.key_at(*b)).then(a.cmp(b)));
        self.known = known;
        let firm = self.firm_claims(&subjects);
        for subject in &mut subjects {
            self.give_way(subject, &firm);
        }
        for subject in &subjects {
            if subject.is_ignored() {
                continue;
            }
            match &subject.wish {
                Wish::Entities(rank, _) => {
                    for entity in self.wanted(subject) {
                        let entity = &inputs.entities[entity];
                        let rank = subject.rank(*rank, &entity.entity_ref());
                        self.claims.push(Claim { entity: entity.ref_text(), rank, repo: subject.facts.key() });
                    }
                }
                Wish::New if subject.is_settled() => {}
                Wish::New => {
                    if let Ok(entity) = &inputs.standings[subject.at].register_as {
                        self.newcomers.push((entity.as_str(), subject.facts.key()));
                    }
                }
                Wish::Lost(_) => {}
            }
        }
        self.claims.extend(self.claims_of_others());
        self.claims.sort_unstable();
        for other in inputs.others {
            if let Some(entity) = &other.registers_as {
                self.newcomers.push((entity.as_str(), key_of(&other.repo)));
            }
        }
        self.newcomers.sort_unstable();
        self.subjects = subjects;
    }

    /// Entities by the repository our mark in them names. A mark whose link a person ended does not count.
    fn marked(&self) -> BTreeMap<RepoKey, Vec<usize>> {
        let mut marked: BTreeMap<RepoKey, Vec<usize>> = BTreeMap::new();
        for (at, entity) in self.inputs.entities.iter().enumerate() {
            if let Some(repo) = self.mark_that_counts(entity) {
                marked.entry(repo).or_default().push(at);
            }
        }
        for entities in marked.values_mut() {
            entities.sort_by_key(|at| self.inputs.entities[*at].ref_text());
        }
        marked
    }

    pub(super) fn mark_that_counts(&self, entity: &EntityFacts) -> Option<RepoKey> {
        let repo = entity.marked_for()?;
        let ended = self.decisions.get(&repo).is_some_and(|decision| decision.lets_go(entity.ref_text()));
        (!ended).then_some(repo)
    }

    /// What a repository is after, before others are looked at.
    fn first_wish(&self, at: usize, repo: &RepoKey, decision: Option<&DecisionKind>, marked: &[usize]) -> Wish {
        if let Some(DecisionKind::Target { entity }) = decision {
            return match self.by_ref.get(entity.as_str()) {
                Some(entities) => Wish::Entities(Rank::Chosen, entities[..1].to_vec()),
                None => Wish::Lost(entity.clone()),
            };
        }
        let is_free = |entity: &usize| {
            let link = self.links_by_entity.get(self.inputs.entities[*entity].ref_text());
            link.is_none_or(|link| link.repo == *repo)
        };
        let marked: Vec<usize> = marked.iter().copied().filter(is_free).collect();
        if !marked.is_empty() {
            return Wish::Entities(Rank::Marked, marked);
        }
        if self.inputs.registration == Registration::Register {
            return Wish::New;
        }
        self.wish_for(self.inputs.candidates[at].leaders())
    }

    fn wish_for(&self, leaders: &[Candidate]) -> Wish {
        match leaders.first() {
            Some(first) => Wish::Entities(Rank::Rule(first.rule), leaders.iter().map(|one| one.entity).collect()),
            None => Wish::New,
        }
    }

    /// Entities that somebody claims by more than `contains` alone: the strongest rule of each, and whether it
    /// is one repository's only.
    fn firm_claims(&self, subjects: &[Subject<'a>]) -> Vec<Claim<'a>> {
        let mut firm = self.claims_of_others();
        for subject in subjects.iter().filter(|subject| !subject.is_ignored()) {
            let Wish::Entities(rank, _) = &subject.wish else { continue };
            if matches!(rank, Rank::Rule(rule) if self.inputs.rules.is_contains_alone(*rule)) {
                continue;
            }
            for entity in self.wanted(subject) {
                let entity = &self.inputs.entities[entity];
                let rank = subject.rank(*rank, &entity.entity_ref());
                firm.push(Claim { entity: entity.ref_text(), rank, repo: subject.facts.key() });
            }
        }
        firm.sort_unstable();
        firm
    }

    /// A claim by `contains` alone gives way to a link, a mark and any stronger claim: `billing-api` is not in
    /// conflict with `billing` over the entity billing, it is a repository of its own.
    fn give_way(&self, subject: &mut Subject<'_>, firm: &[Claim<'_>]) {
        let Wish::Entities(Rank::Rule(rule), _) = subject.wish else { return };
        if !self.inputs.rules.is_contains_alone(rule) {
            return;
        }
        let found = &self.inputs.candidates[subject.at];
        let stays = |one: &&Candidate| {
            let entity = &self.inputs.entities[one.entity];
            let mine = |repo: &RepoKey| key_of(repo) == subject.facts.key();
            let linked = self.links_by_entity.get(entity.ref_text()).is_some_and(|link| !mine(&link.repo));
            let marked = self.mark_that_counts(entity).is_some_and(|repo| !mine(&repo));
            let stronger = |claim: &Claim<'_>| claim.rank < Rank::Rule(one.rule) && claim.repo != subject.facts.key();
            !linked && !marked && !claims_to(firm, entity.ref_text()).iter().any(stronger)
        };
        let mut left: Vec<Candidate> = found.leaders().iter().filter(stays).copied().collect();
        if left.is_empty() {
            left = found.ranked[found.leading..].iter().filter(stays).copied().collect();
            if let Some(best) = left.first().copied() {
                left.retain(|one| one.ranks_like(&best));
            }
        }
        subject.wish = self.wish_for(&left);
    }

    /// Claims of the other integrations' repositories: a person's choice instead of the rules' where there is one.
    fn claims_of_others(&self) -> Vec<Claim<'a>> {
        let linked: BTreeSet<&RepoKey> = self.inputs.links.iter().map(|link| &link.repo).collect();
        let mut claims = Vec::new();
        for other in self.inputs.others.iter().filter(|other| !linked.contains(&other.repo)) {
            match self.decisions.get(&other.repo) {
                Some(DecisionKind::Ignored) => {}
                Some(DecisionKind::Target { entity }) => {
                    claims.push(Claim { entity: entity.as_str(), rank: Rank::Chosen, repo: key_of(&other.repo) })
                }
                decision => claims.extend(other.candidates.iter().map(|(entity, rule)| {
                    let rank = if has_left(decision.copied(), entity) { Rank::Left } else { Rank::Rule(*rule) };
                    Claim { entity: entity.as_str(), rank, repo: key_of(&other.repo) }
                })),
            }
        }
        claims
    }

    /// The entities a repository still wants. One that is linked wants only what a person chose, or the rest
    /// of what a rule that says `many` finds.
    pub(super) fn wanted(&self, subject: &Subject<'_>) -> Vec<usize> {
        let Wish::Entities(rank, entities) = &subject.wish else { return Vec::new() };
        if !subject.is_settled() {
            return entities.clone();
        }
        if *rank != Rank::Chosen && !self.says_many(*rank) {
            return Vec::new();
        }
        let is_news = |at: &usize| !subject.holds(self.inputs.entities[*at].ref_text());
        entities.iter().copied().filter(is_news).collect()
    }

    pub(super) fn says_many(&self, rank: Rank) -> bool {
        matches!(rank, Rank::Rule(rule) if self.inputs.rules.says_many(rule))
    }

    pub(super) fn name_of(&self, wanted: Key<'_>) -> String {
        let at = self.known.partition_point(|at| self.key_at(*at) < wanted);
        let found = self.known.get(at).filter(|at| self.key_at(**at) == wanted);
        match found {
            Some(Position::Own(at)) => self.inputs.repositories[*at].full_name().to_owned(),
            Some(Position::Other(at)) => self.inputs.others[*at].full_name.clone(),
            None => {
                let (instance, id) = wanted;
                RepoKey { instance: InstanceId(instance.to_owned()), id: id.to_owned() }.to_string()
            }
        }
    }

    fn key_at(&self, at: Position) -> Key<'a> {
        match at {
            Position::Own(at) => self.inputs.repositories[at].key(),
            Position::Other(at) => key_of(&self.inputs.others[at].repo),
        }
    }
}

impl Subject<'_> {
    pub(super) fn is_ignored(&self) -> bool {
        matches!(self.decision, Some(DecisionKind::Ignored))
    }

    /// Linked to an entity that is there.
    pub(super) fn is_settled(&self) -> bool {
        self.links.iter().any(|link| link.state == LinkState::Active)
    }

    pub(super) fn holds(&self, entity: &str) -> bool {
        self.links.iter().any(|link| link.entity.as_str() == entity)
    }

    pub(super) fn rank(&self, rank: Rank, entity: &EntityRef) -> Rank {
        if has_left(self.decision, entity) { Rank::Left } else { rank }
    }
}

/// Whether a person ended this very link: it is no claim on the entity any more.
fn has_left(decision: Option<&DecisionKind>, entity: &EntityRef) -> bool {
    decision.is_some_and(|decision| decision.lets_go(entity.as_str()))
}

/// Of each repository the newest decision.
fn newest(decisions: &[Decision]) -> BTreeMap<&RepoKey, &DecisionKind> {
    let mut newest: BTreeMap<&RepoKey, &Decision> = BTreeMap::new();
    for decision in decisions {
        let known = newest.entry(&decision.repo).or_insert(decision);
        // Two of one moment are told apart by what they say, never by their order.
        if (decision.at, format!("{:?}", decision.kind)) > (known.at, format!("{:?}", known.kind)) {
            *known = decision;
        }
    }
    newest.into_iter().map(|(repo, decision)| (repo, &decision.kind)).collect()
}
