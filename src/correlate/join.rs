//! Which repositories and entities each rule brings together.

use rustc_hash::{FxHashMap, FxHashSet};

use super::contains::{Found, Needles, Scratch, Where, token_count};
use super::facts::{EntityFacts, RepositoryFacts};
use super::rule::{Boundaries, Comparison, Direction, Operator, Rule, Rules};
use super::{MAX_CLAIMS_BY_CONTAINS, Naming, NearMiss, WhyNot};

/// A value shared by so many repositories and entities (their product) identifies none of them.
const MAX_PAIRS_OF_A_VALUE: usize = 1_024;

/// The same before the `contains` of an `all` group has thinned them out.
const MAX_PAIRS_TO_VERIFY: usize = 1_000_000;

/// A repository and an entity that a rule brings together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    pub repository: u32,
    pub entity: u32,
    pub rule: u16,
    /// Tokens, then bytes, that `contains` matched.
    pub strength: (u16, u16),
}

#[derive(Default)]
pub(super) struct Joined {
    /// No repository, entity and rule twice; in no order.
    pub pairs: Vec<Pair>,
    /// By repository.
    pub near: Vec<(u32, NearMiss)>,
}

/// One join over all rules.
struct Join<'a> {
    rules: &'a Rules,
    repositories: &'a [RepositoryFacts],
    entities: &'a [EntityFacts],
    /// By entity: index into `kind_names`.
    kinds: Vec<u16>,
    kind_names: Vec<String>,
    out: Joined,
    /// Pairs that some rule with an `equals` in it found.
    equal: FxHashSet<(u32, u32)>,
    /// By entity: repositories that `contains` alone claims it for, up to one more than allowed.
    claimants: FxHashMap<u32, Vec<u32>>,
}

/// `None`: it was asked to stop, which it looks at before each rule.
pub(super) fn join(
    rules: &Rules,
    repositories: &[RepositoryFacts],
    entities: &[EntityFacts],
    stop: &dyn Fn() -> bool,
) -> Option<Joined> {
    let mut kind_names: Vec<String> = Vec::new();
    let kinds = entities.iter().map(|entity| {
        let known = kind_names.iter().position(|kind| kind.eq_ignore_ascii_case(entity.kind()));
        known.unwrap_or_else(|| {
            kind_names.push(entity.kind().to_lowercase());
            kind_names.len() - 1
        }) as u16
    });
    let kinds = kinds.collect();
    let mut join = Join {
        rules,
        repositories,
        entities,
        kinds,
        kind_names,
        out: Joined::default(),
        equal: FxHashSet::default(),
        claimants: FxHashMap::default(),
    };
    // `equals` first: a pair it found is not claimed by `contains` alone.
    let numbered = || rules.0.rules.iter().enumerate();
    for (at, rule) in numbered().filter(|(_, rule)| !rule.is_contains_alone()) {
        if stop() {
            return None;
        }
        join.by_equals(at as u16, rule);
    }
    for (at, rule) in numbered().filter(|(_, rule)| rule.is_contains_alone()) {
        if stop() {
            return None;
        }
        join.by_contains(at as u16, rule);
    }
    join.drop_crowded();
    Some(join.out)
}

impl Join<'_> {
    fn finds(&self, rule: &Rule) -> Vec<bool> {
        self.kind_names.iter().map(|kind| rule.finds(kind)).collect()
    }

    /// Notes a pair, unless what the entity says about its source speaks against it.
    fn note(&mut self, rule_at: u16, rule: &Rule, repository: u32, entity: u32, strength: (u16, u16)) -> bool {
        let facts = &self.entities[entity as usize];
        if rule.is_weak() && facts.naming(&self.repositories[repository as usize]) == Naming::Another {
            if !rule.is_contains_alone() {
                self.near_miss(rule_at, repository, entity, WhyNot::NamesAnother);
            }
            return false;
        }
        self.out.pairs.push(Pair { repository, entity, rule: rule_at, strength });
        true
    }

    fn near_miss(&mut self, rule: u16, repository: u32, entity: u32, why: WhyNot) {
        self.out.near.push((repository, NearMiss { entity: entity as usize, rule: rule.into(), why }));
    }

    /// A hash join over the values of all `equals` of the rule together; its other comparisons are verified
    /// pair by pair.
    fn by_equals(&mut self, rule_at: u16, rule: &Rule) {
        let finds = self.finds(rule);
        let (equals, others): (Vec<_>, Vec<_>) =
            rule.comparisons.iter().partition(|comparison| comparison.operator == Operator::Equals);
        let mut ids: FxHashMap<String, u32> = FxHashMap::default();
        let mut by_value: Vec<(Vec<u32>, Vec<u32>)> = Vec::new();
        let mut room = Vec::new();
        for (at, entity) in self.entities.iter().enumerate() {
            if !finds[usize::from(self.kinds[at])] {
                continue;
            }
            joint_values(&equals, |comparison| entity.values(comparison.catalog), &mut room);
            for value in room.drain(..) {
                let id = *ids.entry(value).or_insert_with(|| {
                    by_value.push((Vec::new(), Vec::new()));
                    by_value.len() as u32 - 1
                });
                push_next(&mut by_value[id as usize].1, at as u32);
            }
        }
        for (at, repository) in self.repositories.iter().enumerate() {
            joint_values(&equals, |comparison| repository.values(comparison.ingested), &mut room);
            for value in room.drain(..) {
                if let Some(id) = ids.get(&value) {
                    push_next(&mut by_value[*id as usize].0, at as u32);
                }
            }
        }
        drop(ids);
        let most = if others.is_empty() { MAX_PAIRS_OF_A_VALUE } else { MAX_PAIRS_TO_VERIFY };
        let mut seen = FxHashSet::default();
        for (repositories, entities) in by_value {
            if repositories.len() * entities.len() > most {
                for repository in &repositories {
                    // One stands for all: the value is what is wrong.
                    self.near_miss(rule_at, *repository, self.first_by_ref(&entities), WhyNot::SharedValue);
                }
                continue;
            }
            for (repository, entity) in repositories.iter().flat_map(|r| entities.iter().map(move |e| (*r, *e))) {
                let Some(strength) = self.verified(&others, repository, entity) else { continue };
                if seen.insert((repository, entity)) && self.note(rule_at, rule, repository, entity, strength) {
                    self.equal.insert((repository, entity));
                }
            }
        }
    }

    fn first_by_ref(&self, entities: &[u32]) -> u32 {
        let by_ref = entities.iter().min_by_key(|entity| self.entities[**entity as usize].ref_text());
        by_ref.copied().unwrap_or_default()
    }

    fn by_contains(&mut self, rule_at: u16, rule: &Rule) {
        let [first, others @ ..] = &rule.comparisons[..] else { return };
        let Operator::Contains { boundaries, direction } = first.operator else { return };
        let others: Vec<&Comparison> = others.iter().collect();
        let finds = self.finds(rule);
        let (repositories, entities, kinds) = (self.repositories, self.entities, self.kinds.clone());
        let from_entities = entities
            .iter()
            .enumerate()
            .filter(|(at, _)| finds[usize::from(kinds[*at])])
            .flat_map(|(at, entity)| entity.values(first.catalog).map(move |value| (at as u32, value)));
        let from_repositories = repositories
            .iter()
            .enumerate()
            .flat_map(|(at, repository)| repository.values(first.ingested).map(move |value| (at as u32, value)));
        let wanted = match boundaries {
            Boundaries::Token => Where::Tokens,
            Boundaries::Any => Where::Anywhere,
        };
        let mut scratch = Scratch::default();
        let mut hits: Vec<Found> = Vec::new();
        match direction {
            Direction::Forward => {
                let needles = Needles::new(wanted, from_entities);
                each_owner(from_repositories, &needles, &mut scratch, &mut hits, |repository, hit| {
                    self.claim(rule_at, rule, &others, repository, hit.owner, hit);
                });
            }
            Direction::Reverse => {
                let needles = Needles::new(wanted, from_repositories);
                each_owner(from_entities, &needles, &mut scratch, &mut hits, |entity, hit| {
                    self.claim(rule_at, rule, &others, hit.owner, entity, hit);
                });
            }
        }
    }

    /// `contains` alone claims an entity for a repository.
    fn claim(&mut self, rule_at: u16, rule: &Rule, others: &[&Comparison], repository: u32, entity: u32, hit: Found) {
        let is_equal = self.equal.contains(&(repository, entity));
        let claimants = self.claimants.get(&entity);
        if !is_equal && claimants.is_some_and(|claimants| claimants.len() > MAX_CLAIMS_BY_CONTAINS) {
            return;
        }
        let Some((tokens, bytes)) = self.verified(others, repository, entity) else { return };
        let strength = (hit.tokens.saturating_add(tokens), hit.length.saturating_add(bytes));
        if self.note(rule_at, rule, repository, entity, strength) && !is_equal {
            let claimants = self.claimants.entry(entity).or_default();
            if !claimants.contains(&repository) {
                claimants.push(repository);
            }
        }
    }

    /// Whether all of `others` hold for the pair, and how strong their `contains` are together.
    fn verified(&self, others: &[&Comparison], repository: u32, entity: u32) -> Option<(u16, u16)> {
        let (repository, entity) = (&self.repositories[repository as usize], &self.entities[entity as usize]);
        others.iter().try_fold((0u16, 0u16), |(tokens, bytes), comparison| {
            let (more_tokens, more_bytes) = holds(comparison, repository, entity)?;
            Some((tokens.saturating_add(more_tokens), bytes.saturating_add(more_bytes)))
        })
    }

    fn drop_crowded(&mut self) {
        let Self { rules, claimants, out, equal, .. } = self;
        claimants.retain(|_, claimants| claimants.len() > MAX_CLAIMS_BY_CONTAINS);
        out.pairs.retain(|pair| {
            !claimants.contains_key(&pair.entity)
                || !rules.0.rules[usize::from(pair.rule)].is_contains_alone()
                || equal.contains(&(pair.repository, pair.entity))
        });
    }
}

/// Looks for the needles in all values of each owner, whose values come one after the other, and tells each
/// needle's owner once, with its strongest hit.
fn each_owner<'a>(
    values: impl Iterator<Item = (u32, &'a str)>,
    needles: &Needles<'_>,
    scratch: &mut Scratch,
    hits: &mut Vec<Found>,
    mut tell: impl FnMut(u32, Found),
) {
    let mut flush = |owner: u32, hits: &mut Vec<Found>| {
        hits.sort_unstable_by_key(|hit| (hit.owner, std::cmp::Reverse((hit.tokens, hit.length))));
        hits.dedup_by_key(|hit| hit.owner);
        hits.drain(..).for_each(|hit| tell(owner, hit));
    };
    let mut present = None;
    for (owner, value) in values {
        if let Some(before) = present.filter(|before| *before != owner) {
            flush(before, hits);
        }
        present = Some(owner);
        needles.find(value, scratch, |hit| hits.push(hit));
    }
    if let Some(owner) = present {
        flush(owner, hits);
    }
}

/// Whether a rule brings a pair together, whatever other repositories and entities there are.
pub(super) fn rule_holds(rule: &Rule, repository: &RepositoryFacts, entity: &EntityFacts) -> bool {
    rule.finds(&entity.kind().to_lowercase())
        && rule.comparisons.iter().all(|comparison| holds(comparison, repository, entity).is_some())
}

/// Whether a comparison holds for a pair, and how strong its `contains` is.
fn holds(comparison: &Comparison, repository: &RepositoryFacts, entity: &EntityFacts) -> Option<(u16, u16)> {
    let pairs = repository
        .values(comparison.ingested)
        .flat_map(|ingested| entity.values(comparison.catalog).map(move |catalog| (ingested, catalog)));
    pairs.filter_map(|(ingested, catalog)| comparison.operator.holds(ingested, catalog)).max()
}

impl Operator {
    /// Whether it holds for two normalised values, and how strong it is as a `contains`: tokens, bytes.
    pub(super) fn holds(self, ingested: &str, catalog: &str) -> Option<(u16, u16)> {
        match self {
            Self::Equals => (ingested == catalog).then_some((0, 0)),
            Self::Contains { boundaries, direction: Direction::Forward } => contains(ingested, catalog, boundaries),
            Self::Contains { boundaries, direction: Direction::Reverse } => contains(catalog, ingested, boundaries),
        }
    }
}

/// One text against one other: what the table of [`Needles`] does for many.
fn contains(hay: &str, needle: &str, boundaries: Boundaries) -> Option<(u16, u16)> {
    let needle = match boundaries {
        Boundaries::Token => needle.trim_matches(|c: char| !c.is_alphanumeric()),
        Boundaries::Any => needle,
    };
    if needle.is_empty() {
        return None;
    }
    let bounded = |start: usize| {
        let end = start + needle.len();
        let outside = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        outside(hay[..start].chars().next_back()) && outside(hay[end..].chars().next())
    };
    // Overlapping places count: `a-a` is in `xa-a-a`, though not where it is seen first.
    let mut from = 0;
    while let Some(start) = hay[from..].find(needle).map(|found| from + found) {
        if boundaries == Boundaries::Any || bounded(start) {
            let size = |n: usize| n.min(usize::from(u16::MAX)) as u16;
            return Some((size(token_count(needle)), size(needle.len())));
        }
        from = start + needle.chars().next().map_or(1, char::len_utf8);
    }
    None
}

/// Every way to take one value of each comparison, joined; for one comparison its values.
fn joint_values<'a, V: Iterator<Item = &'a str>>(
    comparisons: &[&Comparison],
    values: impl Fn(&Comparison) -> V,
    out: &mut Vec<String>,
) {
    out.clear();
    for (at, comparison) in comparisons.iter().enumerate() {
        let next: Vec<String> = match at {
            0 => values(comparison).map(str::to_owned).collect(),
            _ => {
                let right: Vec<&str> = values(comparison).collect();
                let joined = out.iter().flat_map(|left| right.iter().map(move |right| format!("{left}\u{0}{right}")));
                joined.take(MAX_PAIRS_OF_A_VALUE).collect()
            }
        };
        *out = next;
    }
}

/// Items come in ascending order, so that one given twice is the last one.
fn push_next(list: &mut Vec<u32>, item: u32) {
    if list.last() != Some(&item) {
        list.push(item);
    }
}
