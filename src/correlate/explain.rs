//! Why a recommendation is what it is, for people: every rule tried, what it compared, who was found, who
//! nearly was, and why the runner-up is not the one (P3.6).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::facts::{EntityFacts, RepositoryFacts};
use super::join::rule_holds;
use super::rule::Rules;
use super::similar::most_similar;
use super::{Candidate, Candidates, MAX_CLAIMS_BY_CONTAINS, WhyNot};
use crate::error::escape_control;
use crate::model::{Action, EntityRef, Recommendation, Unseen};

/// Values and entities shown of each list at most.
const SHOWN: usize = 5;

/// The whole trace of one repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Explanation {
    /// Full name of the repository.
    pub repository: String,
    /// What was recommended, where that is known.
    pub action: Option<Action>,
    /// The entity recommended or fought over.
    pub entity: Option<EntityRef>,
    /// Why, in one sentence.
    pub reason: Option<String>,
    /// Of a conflict: who else claims the entity, or between which entities nothing decides.
    #[serde(default)]
    pub rivals: Vec<String>,
    /// Why auto-import leaves it to a person, if it does.
    pub withheld: Option<String>,
    /// Every rule, in order.
    pub rules: Vec<Tried>,
    /// Entities found, best first.
    pub candidates: Vec<Runner>,
    /// Later rules that parted a tie.
    pub parted_by: Vec<usize>,
    /// Entities that nearly were candidates.
    pub near_misses: Vec<Near>,
    /// Why the second best is not the one.
    pub runner_up: Option<String>,
}

/// One rule as tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Tried {
    /// From 0.
    pub rule: usize,
    /// In words.
    pub says: String,
    /// What each comparison had to compare.
    pub comparisons: Vec<Comparing>,
    /// Entities it found.
    pub found: Vec<EntityRef>,
}

/// The sides of one comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Comparing {
    /// Values of the record, normalised.
    pub ingested: Vec<String>,
    /// How many entities have a value to compare with.
    pub entities_with_a_value: usize,
}

/// An entity found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Runner {
    /// Which.
    pub entity: EntityRef,
    /// The first rule that found it.
    pub rule: usize,
    /// Ingested and catalog values the rule compared, normalised, one pair a comparison.
    pub compared: Vec<(String, String)>,
    /// Whether it leads.
    pub leads: bool,
}

/// An entity that nearly was a candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Near {
    /// Which.
    pub entity: EntityRef,
    /// Why it is none.
    pub why: String,
}

/// Explains the repository at position `at`. `candidates` are its own, as [`super::correlate`] gave them;
/// `recommendation` is its verdict, where there is one.
pub fn explain(
    rules: &Rules,
    repositories: &[RepositoryFacts],
    at: usize,
    entities: &[EntityFacts],
    candidates: &Candidates,
    recommendation: Option<&Recommendation>,
) -> Explanation {
    let repository = &repositories[at];
    let tried = rules.0.rules.iter().enumerate().map(|(index, rule)| Tried {
        rule: index,
        says: rules.describe(index),
        comparisons: rule
            .comparisons
            .iter()
            .map(|comparison| Comparing {
                ingested: repository.values(comparison.ingested).take(SHOWN).map(str::to_owned).collect(),
                entities_with_a_value: entities.iter().filter(|entity| entity.has_value(comparison.catalog)).count(),
            })
            .collect(),
        found: candidates
            .ranked
            .iter()
            .filter(|one| rule_holds(rule, repository, &entities[one.entity]))
            .take(SHOWN)
            .map(|one| entities[one.entity].entity_ref())
            .collect(),
    });
    let runner = |(place, one): (usize, &Candidate)| Runner {
        entity: entities[one.entity].entity_ref(),
        rule: one.rule,
        compared: compared(rules, one.rule, repository, &entities[one.entity]),
        leads: place < candidates.leading,
    };
    Explanation {
        repository: repository.full_name().to_owned(),
        action: recommendation.map(|one| one.action),
        entity: recommendation.and_then(|one| one.entity.clone()),
        reason: recommendation.map(|one| one.reason.clone()),
        rivals: recommendation.map(|one| one.rivals.clone()).unwrap_or_default(),
        withheld: recommendation.and_then(|one| match &one.unseen {
            Unseen::Withheld { because } => Some(because.clone()),
            Unseen::Allowed => None,
        }),
        rules: tried.collect(),
        candidates: candidates.ranked.iter().enumerate().map(runner).take(4 * SHOWN).collect(),
        parted_by: candidates.parted_by.to_vec(),
        near_misses: near_misses(rules, repository, entities, candidates),
        runner_up: runner_up(rules, candidates, entities),
    }
}

/// For each comparison of the rule, a pair of values that made it hold.
fn compared(rules: &Rules, rule: usize, repository: &RepositoryFacts, entity: &EntityFacts) -> Vec<(String, String)> {
    let pairs = rules.0.rules[rule].comparisons.iter().filter_map(|comparison| {
        let pairs = repository
            .values(comparison.ingested)
            .flat_map(|ingested| entity.values(comparison.catalog).map(move |catalog| (ingested, catalog)));
        let mut holding = pairs.filter(|(ingested, catalog)| comparison.operator.holds(ingested, catalog).is_some());
        holding.next().map(|(ingested, catalog)| (ingested.to_owned(), catalog.to_owned()))
    });
    pairs.collect()
}

fn near_misses(
    rules: &Rules,
    repository: &RepositoryFacts,
    entities: &[EntityFacts],
    candidates: &Candidates,
) -> Vec<Near> {
    let mut near: Vec<Near> = candidates
        .near
        .iter()
        .take(SHOWN)
        .map(|miss| {
            let entity = &entities[miss.entity];
            let why = match miss.why {
                WhyNot::NamesAnother => {
                    format!("rule {} finds it, but it names {}", miss.rule, entity.sources().join(" and "))
                }
                WhyNot::Crowded => {
                    format!("rule {} finds it, but for more than {MAX_CLAIMS_BY_CONTAINS} repositories", miss.rule)
                }
                WhyNot::SharedValue => {
                    format!("rule {} finds it, but too many share the value: {}", miss.rule, rules.describe(miss.rule))
                }
            };
            Near { entity: entity.entity_ref(), why }
        })
        .collect();
    let known = |text: &str| {
        candidates.ranked.iter().any(|one| entities[one.entity].ref_text() == text)
            || near.iter().any(|one| one.entity.as_str() == text)
    };
    let others = entities.iter().map(EntityFacts::ref_text).filter(|text| !known(text));
    let alike = most_similar(repository.slug(), others, SHOWN);
    near.extend(alike.into_iter().map(|(text, percent)| Near {
        entity: EntityRef::from_canonical(text),
        why: format!("the name is {percent} % alike"),
    }));
    near
}

fn runner_up(rules: &Rules, candidates: &Candidates, entities: &[EntityFacts]) -> Option<String> {
    let (best, second) = (candidates.ranked.first()?, candidates.ranked.get(1)?);
    let name = entities[second.entity].ref_text();
    Some(if rules.0.rules[best.rule].many && candidates.leading > 1 {
        format!("{name} is linked as well: rule {} says many", best.rule)
    } else if candidates.leading > 1 {
        format!("{name} is found by the same rule {}, and no later rule parts them", best.rule)
    } else if let Some(rule) = candidates.parted_by.last().filter(|_| second.rule == best.rule) {
        format!("{name} is found by rule {} as well, but rule {rule} does not find it so well", best.rule)
    } else if second.rule == best.rule {
        format!("{name} is found by rule {} as well, but shares less with the value", best.rule)
    } else {
        format!("{name} is only found by rule {}, which ranks below rule {}", second.rule, best.rule)
    })
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let safe = |text: &str| escape_control(text);
        write!(f, "{}", safe(&self.repository))?;
        if let Some(action) = self.action {
            write!(f, ": {}", action.as_str())?;
        }
        if let Some(entity) = &self.entity {
            write!(f, " {}", safe(entity.as_str()))?;
        }
        for (label, text) in [("because", &self.reason), ("never unseen", &self.withheld)] {
            if let Some(text) = text {
                write!(f, "\n  {label}: {}", safe(text))?;
            }
        }
        writeln!(f, "\n")?;
        if !self.candidates.is_empty() {
            writeln!(f, "candidates")?;
        }
        for runner in &self.candidates {
            let lead = if runner.leads { "*" } else { " " };
            write!(f, "{lead} {} by rule {}", safe(runner.entity.as_str()), runner.rule)?;
            for (ingested, catalog) in &runner.compared {
                write!(f, " (\"{}\" and \"{}\")", safe(ingested), safe(catalog))?;
            }
            writeln!(f)?;
        }
        for rule in &self.parted_by {
            writeln!(f, "  a tie was parted by rule {rule}")?;
        }
        if let Some(runner_up) = &self.runner_up {
            writeln!(f, "  {}", safe(runner_up))?;
        }
        if !self.near_misses.is_empty() {
            writeln!(f, "near misses")?;
        }
        for near in &self.near_misses {
            writeln!(f, "  {}: {}", safe(near.entity.as_str()), safe(&near.why))?;
        }
        writeln!(f, "rules tried")?;
        for tried in &self.rules {
            writeln!(f, "  {}  {}", tried.rule, safe(&tried.says))?;
            let compared = tried.comparisons.iter().map(|comparing| {
                let values: Vec<_> = comparing.ingested.iter().map(|value| format!("\"{}\"", safe(value))).collect();
                let values = if values.is_empty() { "nothing".to_owned() } else { values.join(", ") };
                format!("{values} with {}", entities(comparing.entities_with_a_value))
            });
            let compared: Vec<String> = compared.collect();
            let found: Vec<_> = tried.found.iter().map(|entity| safe(entity.as_str())).collect();
            let found = if found.is_empty() { "nothing".to_owned() } else { found.join(", ") };
            writeln!(f, "     compared {}: found {found}", compared.join(" and "))?;
        }
        Ok(())
    }
}

fn entities(count: usize) -> String {
    format!("{count} {}", if count == 1 { "entity" } else { "entities" })
}
