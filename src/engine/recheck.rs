//! What of a held plan may still be carried out. People decide, files change and repositories go while it waits:
//! each step is planned once more on what is there now, and only what comes out as it was held is applied.

use super::Stop;
use super::import::{Chosen as Choice, Shown, gather, with_names};
use super::survey::Survey;
use super::update::plan_of;
use crate::assemble::Parts;
use crate::error::{Report, escape_control};
use crate::model::{Decision, EntityRef, HeldEntry, KnownRepository, Link, RepoKey};
use crate::plan::{self, Chosen, Edit, EditPurpose, Guard, Held, Step, Work, tombstone};
use crate::store::{Store, StoredPlan};

/// No limit: a person looked at each of them.
const NONE: Guard = Guard { percent: 100, at_least: u64::MAX };

/// What an approval carries out, and what it does not.
pub(super) struct Rechecked {
    /// As they were held.
    pub steps: Vec<Step>,
    /// The rest of them.
    pub left_out: Vec<LeftOut>,
    /// Links of the catalog as seen here.
    pub links: Vec<Link>,
}

/// A step that is not carried out.
pub(super) struct LeftOut {
    step: Step,
    reason: String,
    /// A person settled it otherwise, or nothing is left to do; else the next sync holds what it plans instead.
    pub is_settled: bool,
}

impl LeftOut {
    /// Which repository and entity.
    pub(super) fn link(&self) -> (RepoKey, EntityRef) {
        (self.step.repo.clone(), self.step.entity.clone())
    }

    /// For the record.
    pub(super) fn entry(&self) -> HeldEntry {
        HeldEntry {
            repository: Some(self.step.full_name.clone()),
            entity: Some(self.step.entity.to_string()),
            reason: format!("left out: {}", self.reason),
            approvable: false,
        }
    }
}

/// Plans what was held once more. The catalog's lease is held by whoever calls it, until the steps are applied.
pub(super) async fn recheck(
    parts: &Parts,
    store: &dyn Store,
    survey: &Survey,
    held: &StoredPlan,
) -> Result<Rechecked, Stop> {
    let links = store.links(parts.catalog.name()).await?;
    let decisions = store.decisions(parts.catalog.name()).await?;
    // Indexes of rules mean what they meant only while the rules are the same.
    let same_rules = held.rules_hash.as_deref() == Some(parts.rules.hash());
    let (mut due, mut choices, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
    for step in held.plan.approved().steps {
        let rule = step.rule.filter(|_| same_rules);
        let many = rule.is_some_and(|rule| parts.rules.says_many(rule));
        let known = store.record(&parts.key, &step.repo).await?.map(|(known, _)| known);
        match choice(&step, rule, many, known, &links, &decisions) {
            Ok(choice) => {
                choices.push(choice);
                due.push(step);
            }
            Err(reason) => left_out.push(LeftOut { step, reason, is_settled: true }),
        }
    }
    let material = gather(parts, store, &choices).await?;
    let unattended = Chosen::Unattended { guard: NONE, rules_changed: false, decisions_lost: false };
    let plan = plan_of(parts, survey, &material, &links, &decisions, unattended);
    if let Err(faults) = plan::check(&plan) {
        let what = format!("the plan is flawed and was not carried out: {}", faults.join("; "));
        let report = Report::plain(what, Some("please report this with the log".to_owned()));
        return Err(Stop::Failed { stage: "plan", report });
    }
    let mut steps = Vec::new();
    for step in due {
        let is_it = |repo: &RepoKey, entity: &EntityRef| *repo == step.repo && *entity == step.entity;
        match plan.steps.iter().find(|now| is_it(&now.repo, &now.entity)) {
            // Where its document lies may have changed: as it is planned now.
            Some(now) if is_same(now, &step) => steps.push(Step { rule: step.rule, ..now.clone() }),
            now => {
                let is_about = |held: &&Held| held.entity.as_ref().is_some_and(|entity| is_it(&held.repo, entity));
                let (reason, is_settled) = match (now, plan.held.iter().find(is_about)) {
                    (None, Some(held)) => (held.reason.clone(), false),
                    (None, None) => ("nothing is left to do".to_owned(), true),
                    (Some(_), _) => {
                        ("repository, entity or rules changed since: the next sync plans it anew".to_owned(), false)
                    }
                };
                left_out.push(LeftOut { step, reason, is_settled });
            }
        }
    }
    let shown = Shown::of(&links, &survey.marks);
    for one in &mut left_out {
        one.reason = with_names(store, &shown, &one.reason).await?;
    }
    left_out.sort_by(|one, other| {
        (&one.step.full_name, &one.step.entity).cmp(&(&other.step.full_name, &other.step.entity))
    });
    Ok(Rechecked { steps, left_out, links })
}

/// What a step wants, once more; else who settled it otherwise since.
fn choice(
    step: &Step,
    rule: Option<usize>,
    many: bool,
    known: Option<KnownRepository>,
    links: &[Link],
    decisions: &[Decision],
) -> Result<Choice, String> {
    let Some(known) = known else { return Err("the repository is not known any more".to_owned()) };
    if !known.presence.is_served() {
        return Err(format!("the repository is {} by now", known.presence.as_str()));
    }
    let of_repository = || links.iter().filter(|link| link.repo == step.repo);
    let link = of_repository().find(|link| link.entity == step.entity);
    let is_update = matches!(&step.work, Work::Edit(Edit { purpose: EditPurpose::Update, .. }));
    // A link that is there is served, whatever else was decided.
    if let (true, Some(link)) = (is_update, link) {
        return Ok(Choice::update(known, link.clone()));
    }
    let decision = decisions.iter().find(|decision| decision.repo == step.repo);
    if let Some(reason) = decision.and_then(tombstone) {
        return Err(reason);
    }
    if let Some(other) = links.iter().find(|link| link.entity == step.entity && link.repo != step.repo) {
        return Err(format!("{} is linked to {} by now", step.entity, escape_control(&other.repo.to_string())));
    }
    if is_update {
        return Err(format!("it is not linked to {} any more", step.entity));
    }
    if link.is_some() {
        return Err(format!("it is linked to {} already", step.entity));
    }
    if let Some(other) = of_repository().next().filter(|_| !many) {
        return Err(format!("it is linked to {} by now", other.entity));
    }
    Ok(Choice::again(known, step, rule))
}

/// Whether the same is done, wherever the document lies by now.
fn is_same(now: &Step, held: &Step) -> bool {
    now.action == held.action
        && match (&now.work, &held.work) {
            (Work::Edit(now), Work::Edit(held)) => (&now.fields, now.purpose) == (&held.fields, held.purpose),
            (now, held) => now == held,
        }
}
