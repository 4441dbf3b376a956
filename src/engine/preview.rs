//! What changed rules would change, on what is stored and on the catalog as it is now; no request is sent (P3.9, P3.10).

pub mod fields;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;

use self::fields::{Rewriting, rewriting};
use super::judge::{self, BATCH, Bench};
use super::survey::Survey;
use super::{Stop, survey};
use crate::assemble::Parts;
use crate::correlate::{EntityFacts, Lint, Rules, Selected, correlate_until};
use crate::error::Report;
use crate::model::{Action, Decision, Entity, EntityRef, Link, Recommendation, RepoKey, Unseen, WrittenField};
use crate::plan::{Change, Edit, EditPurpose, FieldChange, FieldPath, would_register};
use crate::recommend::measure::{Measured, Truth, truths};
use crate::recommend::{Standing, Verdicts};
use crate::store::Store;

/// A verdict, in few words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Short {
    /// What is recommended.
    pub action: Action,
    /// Into which entity.
    pub entity: Option<EntityRef>,
    /// By which rule.
    pub rule: Option<usize>,
    /// Why.
    pub reason: String,
    /// Why auto-import leaves it to a person.
    pub withheld: Option<String>,
}

/// A repository that would be judged otherwise.
#[derive(Clone, Debug)]
pub struct Changed {
    /// Which.
    pub repo: RepoKey,
    /// By the rules in force; `None`: nothing is to be decided.
    pub now: Option<Short>,
    /// By the rules previewed.
    pub then: Option<Short>,
}

/// What rules would change.
#[derive(Clone, Debug, Default)]
pub struct Preview {
    /// Records looked at.
    pub repositories: u64,
    /// Entities looked at.
    pub entities: u64,
    /// How many go from one recommendation to another, those that go to another entity or rule included.
    pub counts: BTreeMap<(Option<Action>, Option<Action>), u64>,
    /// By repository, at most as many as were asked for.
    pub changed: Vec<Changed>,
    /// What would be written otherwise into entities that are linked.
    pub rewriting: Rewriting,
    /// Of how many repositories people said where they belong.
    pub judged_by_people: u64,
    /// The rules in force, by what people said.
    pub now: Measured,
    /// The rules previewed.
    pub then: Measured,
    /// Paths of the rules previewed that select nothing.
    pub lint: Lint,
}

/// Until when it may go on.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(pub Instant);

impl Deadline {
    fn is_over(self) -> bool {
        Instant::now() >= self.0
    }

    fn check(self) -> Result<(), Stop> {
        if self.is_over() { Err(too_long()) } else { Ok(()) }
    }
}

fn too_long() -> Stop {
    let mend = "fewer rules, fewer paths with `..` or filters, and `equals` rather than `contains` cost less";
    Stop::Failed {
        stage: "preview",
        report: Report::plain("these rules take too long to evaluate", Some(mend.to_owned())),
    }
}

/// What does not depend on the rules.
struct World {
    survey: Survey,
    links: Vec<Link>,
    decisions: Vec<Decision>,
    truths: Arc<BTreeMap<RepoKey, Truth>>,
    /// What we wrote ourselves, by entity: rules that find that prove nothing.
    written: HashMap<EntityRef, BTreeMap<String, WrittenField>>,
}

/// What one set of rules says of each repository.
struct Judged {
    verdicts: Vec<(RepoKey, Option<Short>)>,
    measured: Measured,
    judged_by_people: u64,
    entities: u64,
}

/// Compares the rules in force with others.
///
/// # Errors
/// The store's, the catalog's; that it takes too long.
pub async fn preview(
    parts: &Parts,
    then: &Rules,
    store: &dyn Store,
    limit: usize,
    deadline: Deadline,
) -> Result<Preview, Stop> {
    let world = world(parts, store).await?;
    let now = judged(parts, &parts.rules, store, &world, None, deadline).await?;
    let mut selected = Selected::default();
    let new = judged(parts, then, store, &world, Some(&mut selected), deadline).await?;
    let mut preview = Preview {
        repositories: new.verdicts.len() as u64,
        entities: new.entities,
        judged_by_people: new.judged_by_people,
        now: now.measured,
        then: new.measured,
        lint: selected.lint(then),
        rewriting: rewriting(parts, then, store, &world, limit, deadline).await?,
        ..Preview::default()
    };
    let mut before: HashMap<RepoKey, Option<Short>> = now.verdicts.into_iter().collect();
    for (repo, then) in new.verdicts {
        // One that a sync recorded in between is not compared.
        let Some(now) = before.remove(&repo) else { continue };
        if is_same(now.as_ref(), then.as_ref()) {
            continue;
        }
        let action = |short: &Option<Short>| short.as_ref().map(|short| short.action);
        *preview.counts.entry((action(&now), action(&then))).or_default() += 1;
        if preview.changed.len() < limit {
            preview.changed.push(Changed { repo, now, then });
        }
    }
    Ok(preview)
}

/// Paths that select nothing in any stored record or entity.
///
/// # Errors
/// The store's, the catalog's; that it takes too long.
pub async fn lint(parts: &Parts, rules: &Rules, store: &dyn Store, deadline: Deadline) -> Result<Selected, Stop> {
    survey::read(parts.catalog.as_ref(), store).await?;
    let mut selected = Selected::default();
    let mut after: Option<RepoKey> = None;
    loop {
        let page = store.records(&parts.key, after.as_ref(), BATCH).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(last.repository.key.clone());
        for (_, raw) in &page {
            deadline.check()?;
            selected.record(rules, raw);
        }
    }
    let mut after: Option<EntityRef> = None;
    loop {
        let page = parts.catalog.entities(after.as_ref(), BATCH).await?;
        let Some(last) = page.last() else { return Ok(selected) };
        after = Some(last.entity_ref.clone());
        for entity in &page {
            deadline.check()?;
            selected.entity(rules, &entity.document);
        }
    }
}

/// Which rule it was does not count where the same comes of it.
fn is_same(now: Option<&Short>, then: Option<&Short>) -> bool {
    match (now, then) {
        (None, None) => true,
        (Some(now), Some(then)) => {
            (now.action, &now.entity, now.withheld.is_some()) == (then.action, &then.entity, then.withheld.is_some())
        }
        _ => false,
    }
}

async fn world(parts: &Parts, store: &dyn Store) -> Result<World, Stop> {
    let survey = survey::look(parts.catalog.as_ref(), store).await?;
    let links = judge::links(parts, store, &survey.reading).await?;
    let decisions = store.decisions(parts.catalog.name()).await?;
    let written = links.iter().map(|link| (link.entity.clone(), link.written.clone())).collect();
    Ok(World { truths: Arc::new(truths(&links, &decisions)), survey, links, decisions, written })
}

async fn judged(
    parts: &Parts,
    rules: &Rules,
    store: &dyn Store,
    world: &World,
    mut selected: Option<&mut Selected>,
    deadline: Deadline,
) -> Result<Judged, Stop> {
    let abilities = parts.catalog.abilities();
    let mut bench = Bench {
        repositories: Vec::new(),
        standings: Vec::new(),
        entities: Vec::new(),
        others: judge::others(parts, store).await?,
        taken: world.survey.reading.unreadable.iter().cloned().collect(),
        claimed: world.survey.reading.claimed.clone(),
        links: world.links.clone(),
        decisions: world.decisions.clone(),
    };
    let mut after: Option<RepoKey> = None;
    loop {
        let page = store.records(&parts.key, after.as_ref(), BATCH).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(last.repository.key.clone());
        for (known, raw) in &page {
            deadline.check()?;
            if let Some(selected) = &mut selected {
                selected.record(rules, raw);
            }
            let facts = rules.repository_facts(&known.repository, raw);
            bench.repositories.push(facts.with_former_names(&known.former_names));
            bench.standings.push(Standing {
                presence: known.presence.clone(),
                register_as: would_register(&known.repository, &abilities, &parts.integration.kind)
                    .map_err(|error| error.to_string()),
            });
        }
    }
    let measures = !world.truths.is_empty();
    let mut unmarked: Vec<EntityFacts> = Vec::new();
    let mut after: Option<EntityRef> = None;
    loop {
        let page = parts.catalog.entities(after.as_ref(), BATCH).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.entity_ref.clone());
        for entity in page {
            deadline.check()?;
            if let Some(selected) = &mut selected {
                selected.entity(rules, &entity.document);
            }
            bench.entities.push(rules.entity_facts(&entity));
            if measures {
                let written = world.written.get(&entity.entity_ref);
                unmarked.push(rules.entity_facts(&without_ours(entity, written)));
            }
        }
    }
    let parts = Parts {
        integration: parts.integration.clone(),
        key: parts.key.clone(),
        rules: rules.clone(),
        catalog: parts.catalog.clone(),
    };
    let truths = world.truths.clone();
    let work = tokio::task::spawn_blocking(move || judge_all(&parts, bench, unmarked, &truths, deadline));
    match work.await {
        Ok(Some(judged)) => Ok(judged),
        Ok(None) => Err(too_long()),
        Err(error) => {
            Err(Stop::Failed { stage: "preview", report: Report::new("the preview broke off", &error, None) })
        }
    }
}

/// `None`: it took too long.
fn judge_all(
    parts: &Parts,
    mut bench: Bench,
    unmarked: Vec<EntityFacts>,
    truths: &BTreeMap<RepoKey, Truth>,
    deadline: Deadline,
) -> Option<Judged> {
    let stop = || deadline.is_over();
    let entities = bench.entities.len() as u64;
    let candidates = correlate_until(&parts.rules, &bench.repositories, &bench.entities, &stop)?;
    let mut verdicts = Vec::with_capacity(bench.repositories.len());
    {
        let inputs = bench.inputs(parts, &candidates);
        let all = Verdicts::new(&inputs);
        for (at, facts) in bench.repositories.iter().enumerate() {
            if at % BATCH == 0 && stop() {
                return None;
            }
            verdicts.push((facts.repo(), all.of(at).map(short)));
        }
    }
    drop(candidates);
    let (mut measured, mut judged_by_people) = (Measured::default(), 0);
    if !truths.is_empty() {
        // As if nobody had decided anything yet.
        bench.entities = unmarked;
        bench.links.clear();
        bench.decisions.clear();
        let candidates = correlate_until(&parts.rules, &bench.repositories, &bench.entities, &stop)?;
        let inputs = bench.inputs(parts, &candidates);
        let all = Verdicts::new(&inputs);
        for (at, facts) in bench.repositories.iter().enumerate() {
            if at % BATCH == 0 && stop() {
                return None;
            }
            if let Some(truth) = truths.get(&facts.repo()) {
                judged_by_people += 1;
                measured.add(truth, all.of(at).as_ref());
            }
        }
    }
    Some(Judged { verdicts, measured, judged_by_people, entities })
}

fn short(one: Recommendation) -> Short {
    Short {
        action: one.action,
        entity: one.entity,
        rule: one.rule,
        reason: one.reason,
        withheld: match one.unseen {
            Unseen::Withheld { because } => Some(because),
            Unseen::Allowed => None,
        },
    }
}

/// An entity as it was before an import wrote into it, as far as that is still to be seen: without our mark, and without
/// values that are ours. Its names stay.
fn without_ours(mut entity: Entity, written: Option<&BTreeMap<String, WrittenField>>) -> Entity {
    entity.mark = None;
    let names: BTreeSet<&str> = [
        "$.apiVersion",
        "$.kind",
        "$.type",
        "$.metadata.name",
        "$.metadata.namespace",
        "$.identifier",
        "$.name",
        "$.spec.type",
    ]
    .into();
    let ours =
        written.into_iter().flatten().filter(|(path, written)| !written.theirs && !names.contains(path.as_str()));
    let fields = ours.filter_map(|(path, written)| {
        let path = FieldPath::read(path)?;
        let now = path.get(&entity.document)?;
        let change = match (now, written.value.as_ref()?) {
            (Value::Array(now), Value::Array(ours)) => {
                let rest = now.iter().filter(|element| !ours.contains(element)).cloned();
                Change::Set { value: Value::Array(rest.collect()) }
            }
            (now, ours) if now == ours => Change::Remove,
            _ => return None,
        };
        Some(FieldChange { path, before: None, change, is_mark: false })
    });
    let edit = Edit { place: entity.place.clone(), fields: fields.collect(), purpose: EditPurpose::Update };
    entity.document = edit.applied(&entity.document);
    entity
}
