//! The verdict about one repository, and why.

use std::collections::BTreeSet;

use super::REGISTRABLE;
use super::claims::{Judge, Rank, Subject, Wish, claims_to, key_of};
use crate::correlate::{EntityFacts, Naming, WhyNot};
use crate::model::{Action, ClaimedName, DecisionKind, EntityRef, LinkState, Recommendation, Registration, Unseen};

const SET_ASIDE: &str = "it is set aside (ignored)";
const UNLINKED: &str = "it was unlinked from";
const UNDONE: &str = "its import into";

/// Whether a reason to look first is a decision, which may have been taken back since it was told.
pub(super) fn says_decided(because: &str) -> bool {
    [SET_ASIDE, UNLINKED, UNDONE].iter().any(|begins| because.starts_with(begins))
}

impl<'a> Judge<'a> {
    pub(super) fn verdict(&self, subject: &Subject<'a>) -> Option<Recommendation> {
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

    /// What makes a person act first, whatever is recommended. [`says_decided`] knows the first three.
    fn tombstone(&self, subject: &Subject<'_>) -> Option<String> {
        let missing = subject.links.iter().find(|link| link.state == LinkState::EntityMissing);
        match subject.decision {
            Some(DecisionKind::Ignored) => Some(SET_ASIDE.to_owned()),
            Some(DecisionKind::Unlinked { entity, .. }) => Some(format!("{UNLINKED} {entity} by hand")),
            Some(DecisionKind::Undone { entity, .. }) => Some(format!("{UNDONE} {entity} was undone")),
            _ => missing.map(|link| format!("its entity {} is missing from the catalog", link.entity)),
        }
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
}

/// Why an entity does not go to a repository that claims it.
struct Contest {
    reason: String,
    rivals: Vec<String>,
}
