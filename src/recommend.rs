//! Candidates × links × decisions × behaviour → register, merge, conflict or none, and why. Pure.
//!
//! Rivals are judged together, entity by entity, before anybody gets anything: who came first never decides.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::correlate::{Candidate, Candidates, EntityFacts, Naming, RepositoryFacts, Rules, WhyNot};
use crate::model::{
    Action, ClaimedName, Decision, DecisionKind, EntityRef, InstanceId, Link, LinkState, Presence, Recommendation,
    Registration, RepoKey, Unseen,
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

/// How strongly a repository claims an entity: the smaller, the stronger. A person's choice, then our
/// mark, then the rules in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Chosen,
    Marked,
    Rule(usize),
    /// By a rule, on an entity whose link a person ended: no match for anybody else's claim.
    Left,
}

/// What a repository is after.
#[derive(Clone, Debug)]
enum Wish {
    /// These entities (by position) at this rank; several only in a tie or by a rule that says `many`.
    Entities(Rank, Vec<usize>),
    /// An entity somebody chose that is not in the catalog.
    Lost(EntityRef),
    /// No entity matches, or none may be merged.
    New,
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

/// One of this integration's repositories that is there.
struct Subject<'a> {
    at: usize,
    facts: &'a RepositoryFacts,
    decision: Option<&'a DecisionKind>,
    links: Vec<&'a Link>,
    wish: Wish,
}

/// Instance and id of a repository: a [`RepoKey`] that costs nothing, since there are many.
type Key<'a> = (&'a str, &'a str);

/// A repository claims an entity. Sorted by entity, strongest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Claim<'a> {
    entity: &'a str,
    rank: Rank,
    repo: Key<'a>,
}

/// The claims to one entity, of sorted ones.
fn claims_to<'c, 'a>(claims: &'c [Claim<'a>], entity: &str) -> &'c [Claim<'a>] {
    let from = claims.partition_point(|claim| claim.entity < entity);
    let to = claims.partition_point(|claim| claim.entity <= entity);
    &claims[from..to]
}

fn key_of(repo: &RepoKey) -> Key<'_> {
    (&repo.instance.0, &repo.id)
}

/// Where a repository stands in [`Inputs`]; one of this integration comes before the same of another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Position {
    Own(usize),
    Other(usize),
}

struct Judge<'a> {
    inputs: &'a Inputs<'a>,
    subjects: Vec<Subject<'a>>,
    /// Positions of the entities that bear a ref: more than one are copies.
    by_ref: HashMap<&'a str, Vec<usize>>,
    links_by_entity: HashMap<&'a str, &'a Link>,
    decisions: BTreeMap<&'a RepoKey, &'a DecisionKind>,
    /// Who claims an entity and how strongly, sorted. Linked and ignored repositories claim nothing.
    claims: Vec<Claim<'a>>,
    /// Who would be registered under a ref, sorted.
    newcomers: Vec<(&'a str, Key<'a>)>,
    /// Positions of all repositories known, sorted by key: whose full names people are told.
    known: Vec<Position>,
}

impl<'a> Judge<'a> {
    fn new(inputs: &'a Inputs<'a>) -> Self {
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

    fn mark_that_counts(&self, entity: &EntityFacts) -> Option<RepoKey> {
        let repo = entity.marked_for()?;
        let ended = match self.decisions.get(&repo) {
            Some(DecisionKind::Unlinked { entity: left } | DecisionKind::Undone { entity: left }) => {
                left.as_str() == entity.ref_text()
            }
            _ => false,
        };
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

    fn verdict(&self, subject: &Subject<'a>) -> Option<Recommendation> {
        let mut verdict = match (&subject.wish, subject.is_settled()) {
            (Wish::Entities(rank, _), settled) => {
                let wanted = self.wanted(subject);
                if settled && wanted.is_empty() {
                    return None;
                }
                self.merge(subject, *rank, &wanted)
            }
            (_, true) => return None,
            (Wish::Lost(entity), false) => {
                let reason = format!("{entity} was chosen for it and is not in the catalog");
                self.conflict(subject, Some(entity.clone()), None, reason, Vec::new())
            }
            (Wish::New, false) => self.register(subject),
        };
        if let Some(because) = self.tombstone(subject) {
            verdict.unseen = Unseen::Withheld { because };
        }
        Some(verdict)
    }

    /// The entities a repository still wants. One that is linked wants only what a person chose, or the rest
    /// of what a rule that says `many` finds.
    fn wanted(&self, subject: &Subject<'_>) -> Vec<usize> {
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

    /// What makes a person act first, whatever is recommended.
    fn tombstone(&self, subject: &Subject<'_>) -> Option<String> {
        let missing = subject.links.iter().find(|link| link.state == LinkState::EntityMissing);
        match subject.decision {
            Some(DecisionKind::Ignored) => Some("it is set aside (ignored)".to_owned()),
            Some(DecisionKind::Unlinked { entity }) => Some(format!("it was unlinked from {entity} by hand")),
            Some(DecisionKind::Undone { entity }) => Some(format!("its import into {entity} was undone")),
            _ => missing.map(|link| format!("its entity {} is missing from the catalog", link.entity)),
        }
    }

    fn says_many(&self, rank: Rank) -> bool {
        matches!(rank, Rank::Rule(rule) if self.inputs.rules.says_many(rule))
    }

    fn merge(&self, subject: &Subject<'_>, rank: Rank, wanted: &[usize]) -> Recommendation {
        let rule = match rank {
            Rank::Rule(rule) => Some(rule),
            Rank::Chosen | Rank::Marked | Rank::Left => None,
        };
        if wanted.len() > 1 && !self.says_many(rank) {
            let rivals: Vec<String> = wanted.iter().map(|at| self.inputs.entities[*at].ref_text().to_owned()).collect();
            let by = match rule {
                Some(rule) => format!("rule {rule} finds {} entities and no later rule parts them", rivals.len()),
                None => format!("{} entities carry its mark", rivals.len()),
            };
            return self.conflict(subject, None, rule, by, rivals);
        }
        let judged: Vec<(usize, Result<(), Contest>)> =
            wanted.iter().map(|at| (*at, self.contest(subject, rank, &self.inputs.entities[*at]))).collect();
        let mut won: Vec<usize> = judged.iter().filter(|(_, contest)| contest.is_ok()).map(|(at, _)| *at).collect();
        won.sort_by_key(|at| self.inputs.entities[*at].ref_text());
        let Some(first) = won.first().copied() else {
            let Some((at, Err(contest))) = judged.into_iter().next() else { return self.register(subject) };
            let entity = self.inputs.entities[at].entity_ref();
            return self.conflict(subject, Some(entity), rule, contest.reason, contest.rivals);
        };
        let entity = &self.inputs.entities[first];
        let reason = match rank {
            Rank::Chosen => "chosen by a person".to_owned(),
            Rank::Marked | Rank::Left => "it carries this repository's mark".to_owned(),
            Rank::Rule(rule) => {
                let parted = &self.inputs.candidates[subject.at].parted_by;
                let parted: String = parted.iter().map(|rule| format!(", parted from others by rule {rule}")).collect();
                format!("rule {rule}: {}{parted}", self.inputs.rules.brief(rule))
            }
        };
        let lost = judged.iter().filter_map(|(_, contest)| contest.as_ref().err());
        let reason = lost.fold(reason, |reason, contest| format!("{reason}; not also the rest: {}", contest.reason));
        let withheld = won.iter().find_map(|at| self.withheld(subject, rank, &self.inputs.entities[*at]));
        Recommendation {
            repo: subject.facts.repo(),
            action: Action::Merge,
            entity: Some(entity.entity_ref()),
            also: won[1..].iter().map(|at| self.inputs.entities[*at].entity_ref()).collect(),
            rule,
            reason,
            kind: entity.kind().to_owned(),
            entity_type: entity.entity_type().map(str::to_owned),
            owner: entity.owner().map(str::to_owned),
            unseen: withheld.map_or(Unseen::Allowed, |because| Unseen::Withheld { because }),
            rivals: Vec::new(),
        }
    }

    /// Whether the entity goes to the subject, which claims it at `rank`.
    fn contest(&self, subject: &Subject<'_>, rank: Rank, entity: &EntityFacts) -> Result<(), Contest> {
        let name = entity.ref_text();
        let copies = self.by_ref.get(name).map_or(0, Vec::len);
        if copies > 1 {
            return Err(Contest { reason: format!("{copies} documents bear the name {name}"), rivals: Vec::new() });
        }
        if let Some(link) = self.links_by_entity.get(name)
            && key_of(&link.repo) != subject.facts.key()
        {
            let holder = self.name_of(key_of(&link.repo));
            return Err(Contest { reason: format!("{name} is linked to {holder}"), rivals: vec![holder] });
        }
        if let Some(repo) = self.mark_that_counts(entity)
            && key_of(&repo) != subject.facts.key()
            && rank != Rank::Chosen
        {
            let holder = self.name_of(key_of(&repo));
            return Err(Contest { reason: format!("{name} carries the mark of {holder}"), rivals: vec![holder] });
        }
        let rank = subject.rank(rank, &entity.entity_ref());
        let claims = claims_to(&self.claims, name).iter().filter(|claim| claim.repo != subject.facts.key());
        let rivals = claims.clone().filter(|claim| claim.rank <= rank);
        let rivals: BTreeSet<String> = rivals.map(|claim| self.name_of(claim.repo)).collect();
        if rivals.is_empty() {
            return Ok(());
        }
        let rivals: Vec<String> = rivals.into_iter().collect();
        let stronger = claims.clone().any(|claim| claim.rank < rank);
        let how = if stronger { "is claimed more strongly by" } else { "is claimed as well by" };
        Err(Contest { reason: format!("{name} {how} {}", rivals.join(" and ")), rivals })
    }

    /// Why a merge must not happen unseen (P3.8).
    fn withheld(&self, subject: &Subject<'_>, rank: Rank, entity: &EntityFacts) -> Option<String> {
        if let Some(place) = entity.read_only_place() {
            return Some(format!("{} lies in {place}, which is only read", entity.ref_text()));
        }
        let Rank::Rule(rule) = rank else { return None };
        let rules = self.inputs.rules;
        if rules.may_go_unseen(rule) {
            return None;
        }
        if rules.is_suggestion(rule) {
            return Some(format!("rule {rule} only suggests"));
        }
        let parted = self.inputs.candidates[subject.at].parted_by.iter().find(|rule| rules.is_suggestion(**rule));
        if let Some(parted) = parted {
            return Some(format!("rule {parted}, which only suggests, parted it from others"));
        }
        let naming = entity.naming(subject.facts);
        if matches!(naming, Naming::Another | Naming::Elsewhere) {
            return Some(format!("{} names another source: {}", entity.ref_text(), entity.sources().join(" and ")));
        }
        let whose = match (subject.facts.is_fork(), subject.facts.is_personal()) {
            (true, _) => "a fork",
            (_, true) => "a personal repository",
            _ => return None,
        };
        let merely_named = rules.is_weak(rule) && naming != Naming::This;
        merely_named.then(|| format!("{whose} that merely bears the name of {}", entity.ref_text()))
    }

    fn register(&self, subject: &Subject<'_>) -> Recommendation {
        let inputs = self.inputs;
        if inputs.registration == Registration::Merge {
            let reason = "no entity matches, and registration is merge".to_owned();
            return self.nothing(subject, Action::None, None, reason, Vec::new());
        }
        if !REGISTRABLE.contains(&inputs.kind.to_lowercase().as_str()) {
            let reason = format!("entities of kind {} cannot be registered from a repository", inputs.kind);
            return self.nothing(subject, Action::None, None, reason, Vec::new());
        }
        let entity = match &inputs.standings[subject.at].register_as {
            Ok(entity) => entity,
            Err(why) => return self.conflict(subject, None, None, why.clone(), Vec::new()),
        };
        if let Some(at) = self.by_ref.get(entity.as_str()).and_then(|entities| entities.first()) {
            let near = inputs.candidates[subject.at].near.iter().find(|near| near.entity == *at);
            let taken = &inputs.entities[*at];
            let reason = match near.map(|near| near.why) {
                Some(WhyNot::NamesAnother) => {
                    format!("{entity} bears its name, but names another source: {}", taken.sources().join(" and "))
                }
                _ => format!("the name {entity} is taken"),
            };
            return self.conflict(subject, Some(entity.clone()), None, reason, Vec::new());
        }
        if let Some(claimed) = ClaimedName::of(inputs.claimed, entity) {
            let reason = format!("the name {entity} may be taken: {}; mend that file", claimed.because);
            return self.conflict(subject, Some(entity.clone()), None, reason, Vec::new());
        }
        if inputs.taken.contains(entity) {
            let reason = format!("the name {entity} is taken");
            return self.conflict(subject, Some(entity.clone()), None, reason, Vec::new());
        }
        let from = self.newcomers.partition_point(|(wanted, _)| *wanted < entity.as_str());
        let newcomers = self.newcomers[from..].iter().take_while(|(wanted, _)| *wanted == entity.as_str());
        let newcomers = newcomers.filter(|(_, repo)| *repo != subject.facts.key());
        let rivals: BTreeSet<String> = newcomers.map(|(_, repo)| self.name_of(*repo)).collect();
        if !rivals.is_empty() {
            let rivals: Vec<String> = rivals.into_iter().collect();
            let reason = format!("{} would be registered as {entity} as well", rivals.join(" and "));
            return self.conflict(subject, Some(entity.clone()), None, reason, rivals);
        }
        let reason = match inputs.registration {
            Registration::Register => format!("becomes {entity}; registration is register"),
            _ if inputs.candidates[subject.at].ranked.is_empty() => format!("no entity matches; becomes {entity}"),
            _ => format!("the entities it shares a name with are others'; becomes {entity}"),
        };
        let verdict = self.nothing(subject, Action::Register, None, reason, Vec::new());
        Recommendation { unseen: Unseen::Allowed, ..verdict }
    }

    fn conflict(
        &self,
        subject: &Subject<'_>,
        entity: Option<EntityRef>,
        rule: Option<usize>,
        reason: String,
        rivals: Vec<String>,
    ) -> Recommendation {
        Recommendation { rule, ..self.nothing(subject, Action::Conflict, entity, reason, rivals) }
    }

    /// A verdict that nothing unseen follows from, with the kind, type and owner of a new entity.
    fn nothing(
        &self,
        subject: &Subject<'_>,
        action: Action,
        entity: Option<EntityRef>,
        reason: String,
        mut rivals: Vec<String>,
    ) -> Recommendation {
        rivals.sort();
        rivals.dedup();
        Recommendation {
            repo: subject.facts.repo(),
            action,
            entity,
            also: Vec::new(),
            rule: None,
            reason,
            kind: self.inputs.kind.to_owned(),
            entity_type: Some(subject.facts.entity_type().unwrap_or(self.inputs.entity_type).to_owned()),
            owner: Some(subject.facts.owner().unwrap_or("unknown").to_owned()),
            unseen: Unseen::Withheld { because: "a person decides".to_owned() },
            rivals,
        }
    }

    fn name_of(&self, wanted: Key<'_>) -> String {
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

/// Why an entity does not go to a repository that claims it.
struct Contest {
    reason: String,
    rivals: Vec<String>,
}

impl Subject<'_> {
    fn is_ignored(&self) -> bool {
        matches!(self.decision, Some(DecisionKind::Ignored))
    }

    /// Linked to an entity that is there.
    fn is_settled(&self) -> bool {
        self.links.iter().any(|link| link.state == LinkState::Active)
    }

    fn holds(&self, entity: &str) -> bool {
        self.links.iter().any(|link| link.entity.as_str() == entity)
    }

    fn rank(&self, rank: Rank, entity: &EntityRef) -> Rank {
        if has_left(self.decision, entity) { Rank::Left } else { rank }
    }
}

/// Whether a person ended this very link: it is no claim on the entity any more.
fn has_left(decision: Option<&DecisionKind>, entity: &EntityRef) -> bool {
    matches!(decision, Some(DecisionKind::Unlinked { entity: left } | DecisionKind::Undone { entity: left }) if left == entity)
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
