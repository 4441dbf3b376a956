//! What a sync does to the catalog unseen: auto-import, linked entities brought up to date, links adopted
//! from marks. Plan first, whole; then apply.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::json;

use super::import::{Chosen as Choice, Material, carry_out, gather, name_held};
use super::judge::Judged;
use super::known::known;
use super::survey::Survey;
use super::{Progress, Run, Stop};
use crate::apply::{StepOutcome, StepResult};
use crate::assemble::Parts;
use crate::model::{
    Action, Decision, DecisionKind, EntityRef, HeldEntry, ImportAction, ImportId, KnownRepository, Link,
    Recommendation, RepoKey, SyncError, SyncRecord, Unseen,
};
use crate::plan::{self, Chosen, EditPurpose, Guard, Plan};
use crate::store::{CrawlLease, IntegrationState, StoredPlan};

/// State note: auto-import waits because the store was new and the catalog had our marks (invariant 3).
pub(super) const UNCONFIRMED: &str = "auto_import_unconfirmed";

/// State note: links whose documents could not be looked at when changed rules were accepted. These rules are new to
/// them, whenever they can be.
const UNLOOKED: &str = "unlooked_under_rules";

/// State note: documents of others that looks at single repositories changed, or wanted to, since the last sync of the
/// whole planned (P4.14).
const LOOKED: &str = "changed_by_looks";

/// A link: which repository, which entity.
pub(super) type LinkKey = (RepoKey, EntityRef);

/// Plans and applies.
pub(super) async fn update(
    run: &Run<'_>,
    lease: &CrawlLease,
    record: &mut SyncRecord,
    survey: &Survey,
    judged: &Judged,
) -> Result<Vec<StepOutcome>, Stop> {
    let catalog = run.parts.catalog.as_ref();
    let catalog_lease = run.store.catalog_lease(catalog.name()).await?;
    let links = run.store.links(catalog.name()).await?;
    let decisions = run.store.decisions(catalog.name()).await?;
    let wanted: HashSet<&RepoKey> = links
        .iter()
        .map(|link| &link.repo)
        .chain(survey.marks.iter().map(|(_, repo)| repo))
        .chain(judged.recommendations.iter().map(|one| &one.repo))
        .collect();
    let is_wanted = |known: &KnownRepository| wanted.contains(&known.repository.key);
    let known = if wanted.is_empty() { Vec::new() } else { known(run, is_wanted).await? };
    let choices = choose(run, survey, &judged.recommendations, &known, &links, &decisions);
    let material = gather(run.parts, run.store, &choices).await?;
    let decisions_lost = is_unconfirmed(run, lease, survey).await?;
    let state = run.store.integration(&run.parts.key).await?;
    let rules_hash = run.parts.rules.hash().to_owned();
    let before = state.as_ref().and_then(|state| state.rules_hash.clone());
    let rules_changed = before.is_some_and(|before| before != rules_hash);
    let mut plan = plan_of(
        run.parts,
        survey,
        &material,
        &links,
        &decisions,
        Chosen::Unattended { guard: Guard::BLAST_RADIUS, rules_changed, decisions_lost },
    );
    let unlooked_before = state.as_ref().map(unlooked_of).unwrap_or_default();
    plan::hold_unlooked(&mut plan, &unlooked_before);
    let looked = state.as_ref().map(looked_of).unwrap_or_default();
    plan::hold_beyond(&mut plan, survey.reading.entity_refs.len(), Guard::BLAST_RADIUS, &looked);
    let mut unlooked = unlooked(&plan, &links, &known);
    if !rules_changed {
        unlooked.retain(|link| unlooked_before.contains(link));
    }
    if let Err(faults) = plan::check(&plan) {
        let report = crate::error::Report::plain(
            format!("the plan is flawed and was not carried out: {}", faults.join("; ")),
            Some("please report this with the log".to_owned()),
        );
        return Err(Stop::Failed { stage: "plan", report });
    }
    name_held(run.store, &links, &survey.marks, &mut plan).await?;
    note(record, &plan);
    if run.dry_run {
        return Ok(crate::apply::preview(catalog, &plan.steps).await);
    }
    let import_id = ImportId(run.ids.next());
    let total = plan.steps.len() as u64;
    let report = |done, finished| {
        (run.progress)(Progress {
            integration: run.parts.integration.name.clone(),
            stage: "apply".to_owned(),
            done,
            total: Some(total),
            finished,
        });
    };
    let outcomes = carry_out(
        &crate::apply::Applying {
            catalog,
            store: run.store,
            lease: &catalog_lease,
            links: &links,
            import_id: &import_id,
            sync_id: Some(&record.id),
            by: "auto-import",
            now: run.clock.now(),
            stop: run.stop,
            progress: &|done, _| report(done, done == total),
        },
        &plan,
    )
    .await?;
    count(record, &outcomes);
    settle(run, &decisions, &outcomes).await?;
    hold(run, record, &plan, &unlooked).await?;
    let Some(before) = run.store.integration(&run.parts.key).await? else { return Ok(outcomes) };
    let mut state = before.clone();
    // Counted from here on anew: what went too far waits for a person now.
    state.notes.remove(LOOKED);
    if plan.approvable().next().is_none()
        && (state.rules_hash.as_ref() != Some(&rules_hash) || unlooked_of(&state) != unlooked)
    {
        accept_rules(&mut state, Some(rules_hash), unlooked.into_iter().collect());
    }
    if state != before {
        run.store.save_integration(lease, &state).await?;
    }
    Ok(outcomes)
}

/// Links of these repositories that the plan says nothing of, because their documents could not be looked at or their
/// repositories are not there.
fn unlooked(plan: &Plan, links: &[Link], known: &[KnownRepository]) -> BTreeSet<LinkKey> {
    let served: HashMap<&RepoKey, bool> =
        known.iter().map(|known| (&known.repository.key, known.presence.is_served())).collect();
    let without_step = plan.held.iter().filter(|held| held.step.is_none());
    let held: HashSet<(&RepoKey, Option<&EntityRef>)> =
        without_step.map(|held| (&held.repo, held.entity.as_ref())).collect();
    let is_unlooked = |link: &&Link| match served.get(&link.repo) {
        Some(is_served) => !is_served || held.contains(&(&link.repo, Some(&link.entity))),
        // Another integration's.
        None => false,
    };
    links.iter().filter(is_unlooked).map(|link| (link.repo.clone(), link.entity.clone())).collect()
}

pub(super) fn unlooked_of(state: &IntegrationState) -> BTreeSet<LinkKey> {
    let noted = state.notes.get(UNLOOKED).cloned();
    noted.and_then(|noted| serde_json::from_value(noted).ok()).unwrap_or_default()
}

pub(super) fn looked_of(state: &IntegrationState) -> BTreeSet<LinkKey> {
    let noted = state.notes.get(LOOKED).cloned();
    noted.and_then(|noted| serde_json::from_value(noted).ok()).unwrap_or_default()
}

pub(super) fn remember_looked(state: &mut IntegrationState, looked: &BTreeSet<LinkKey>) {
    state.notes.insert(LOOKED.to_owned(), json!(looked));
}

/// Rules are in force, for all but these links.
pub(super) fn accept_rules(state: &mut IntegrationState, rules_hash: Option<String>, unlooked: Vec<LinkKey>) {
    state.rules_hash = rules_hash;
    if unlooked.is_empty() {
        state.notes.remove(UNLOOKED);
    } else {
        state.notes.insert(UNLOOKED.to_owned(), json!(unlooked));
    }
}

/// Makes the plan of a choice.
pub fn plan_of(
    parts: &Parts,
    survey: &Survey,
    material: &[Material],
    links: &[Link],
    decisions: &[Decision],
    chosen: Chosen,
) -> Plan {
    let abilities = parts.catalog.abilities();
    let wanted: Vec<plan::Wanted<'_>> = material.iter().map(|one| one.wanted(parts)).collect();
    plan::plan(&plan::Inputs {
        wanted: &wanted,
        abilities: &abilities,
        taken: &survey.reading.entity_refs,
        duplicates: &survey.reading.duplicates,
        unreadable: &survey.reading.unreadable,
        claimed: &survey.reading.claimed,
        marks: &survey.marks,
        links,
        decisions,
        chosen,
    })
}

/// What this sync wants: updates of links, adoptions, and what auto-import may take of the `recommended`.
pub(super) fn choose(
    run: &Run<'_>,
    survey: &Survey,
    recommended: &[Recommendation],
    known: &[KnownRepository],
    links: &[Link],
    decisions: &[Decision],
) -> Vec<Choice> {
    let served = known.iter().filter(|known| known.presence.is_served());
    let served: BTreeMap<&RepoKey, &KnownRepository> = served.map(|known| (&known.repository.key, known)).collect();
    let decided: BTreeMap<&RepoKey, &DecisionKind> =
        decisions.iter().map(|decision| (&decision.repo, &decision.kind)).collect();
    let mut choices = Vec::new();
    let mut busy: BTreeSet<&RepoKey> = BTreeSet::new();
    let mut linked: BTreeSet<(&RepoKey, &EntityRef)> = BTreeSet::new();
    for link in links {
        linked.insert((&link.repo, &link.entity));
        busy.insert(&link.repo);
        if let Some(known) = served.get(&link.repo)
            && !is_on_its_way_out(link, decisions)
        {
            choices.push(Choice::update((*known).clone(), link.clone()));
        }
    }
    for (entity, repo) in &survey.marks {
        // Whoever set a repository aside ended its link before: the mark that is left tells nothing.
        let is_let_go = decided
            .get(repo)
            .is_some_and(|decision| matches!(decision, DecisionKind::Ignored) || decision.lets_go(entity.as_str()));
        if let Some(known) = served.get(repo)
            && !is_let_go
            && (!waits_for_a_person(decided.get(repo).copied())
                || run.auto_import && known.first_seen_under_auto_import)
            && !linked.contains(&(repo, entity))
            && !links.iter().any(|link| link.repo == *repo)
        {
            busy.insert(&known.repository.key);
            choices.push(Choice::adopt((*known).clone(), entity.clone()));
        }
    }
    if !run.auto_import {
        return choices;
    }
    for one in recommended {
        let Some(known) = served.get(&one.repo) else { continue };
        let is_decided = matches!(
            decided.get(&one.repo),
            Some(DecisionKind::Ignored | DecisionKind::Unlinked { .. } | DecisionKind::Undone { .. })
        );
        let may = matches!(one.action, Action::Register | Action::Merge)
            && one.unseen == Unseen::Allowed
            && known.first_seen_under_auto_import
            && !is_decided
            // A linked repository only goes on to more entities where its rule says `many`.
            && (!busy.contains(&one.repo) || one.rule.is_some_and(|rule| run.parts.rules.says_many(rule)));
        if may {
            choices.extend(Choice::recommended((*known).clone(), one.clone()));
        }
    }
    choices
}

/// Whether a person ends this link, and was interrupted: its tombstone stands, the link is not gone yet. Nothing is
/// written into its entity any more, which may be as it was before already (P4.11).
pub(super) fn is_on_its_way_out(link: &Link, decisions: &[Decision]) -> bool {
    decisions.iter().any(|decision| {
        decision.repo == link.repo && decision.at >= link.imported_at && decision.kind.lets_go(link.entity.as_str())
    })
}

/// What auto-import linked again waits for nobody any more.
pub(super) async fn settle(run: &Run<'_>, decisions: &[Decision], outcomes: &[StepOutcome]) -> Result<(), Stop> {
    for decision in decisions.iter().filter(|decision| waits_for_a_person(Some(&decision.kind))) {
        let is_done = |outcome: &&StepOutcome| matches!(outcome.result, StepResult::Done(_) | StepResult::Unchanged);
        if outcomes.iter().filter(is_done).any(|outcome| outcome.repo == decision.repo) {
            run.store.clear_decision(run.parts.catalog.name(), &decision.repo).await?;
        }
    }
    Ok(())
}

/// Unlinked, and let back in: only its mark speaks for the link, and a person ended that.
fn waits_for_a_person(decision: Option<&DecisionKind>) -> bool {
    matches!(decision, Some(DecisionKind::Restored { .. }))
}

/// Whether auto-import waits for confirmation: a new store over a catalog that carries our marks, and no
/// decisions file to tell what people decided. Remembered until `sync approve`.
async fn is_unconfirmed(run: &Run<'_>, lease: &CrawlLease, survey: &Survey) -> Result<bool, Stop> {
    if run.has_decisions_file {
        return Ok(false);
    }
    let Some(mut state) = run.store.integration(&run.parts.key).await? else { return Ok(false) };
    if let Some(waits) = state.notes.get(UNCONFIRMED) {
        return Ok(waits.as_bool().unwrap_or(false));
    }
    let is_ours = |repo: &RepoKey| repo.instance == run.parts.key.instance;
    let waits = state.rules_hash.is_none() && survey.marks.iter().any(|(_, repo)| is_ours(repo));
    state.notes.insert(UNCONFIRMED.to_owned(), waits.into());
    run.store.save_integration(lease, &state).await?;
    Ok(waits)
}

/// A person has confirmed: auto-import goes on.
pub(super) fn confirm(state: &mut IntegrationState) {
    state.notes.insert(UNCONFIRMED.to_owned(), false.into());
}

/// What was held and what was noticed, for the record.
fn note(record: &mut SyncRecord, plan: &Plan) {
    record.held.extend(plan.held.iter().map(|held| HeldEntry {
        repository: Some(held.full_name.clone()),
        entity: held.entity.as_ref().map(ToString::to_string),
        reason: held.reason.clone(),
        approvable: held.step.is_some(),
    }));
    let notes = plan.notes.iter().filter(|note| note.is_for_people());
    record.notes.extend(notes.map(ToString::to_string));
}

pub(super) fn count(record: &mut SyncRecord, outcomes: &[StepOutcome]) {
    for outcome in outcomes {
        match &outcome.result {
            StepResult::Done(_) => match (outcome.purpose, outcome.action) {
                (Some(EditPurpose::Update | EditPurpose::Adopt), _) => record.imported.updated += 1,
                (_, ImportAction::Register) => record.imported.registered += 1,
                (_, ImportAction::Merge) => record.imported.merged += 1,
            },
            // Linked without a write: a merge into an entity that had everything already.
            StepResult::Unchanged if outcome.purpose == Some(EditPurpose::Merge) => record.imported.merged += 1,
            StepResult::Unchanged => {}
            StepResult::Failed { reason, .. } | StepResult::Left { reason } => {
                record.imported.failed += 1;
                record.errors.push(SyncError {
                    repository: Some(outcome.full_name.clone()),
                    stage: "apply".to_owned(),
                    message: reason.clone(),
                    retry: "next_sync".to_owned(),
                });
            }
        }
    }
}

/// Keeps what `sync approve` would carry out.
async fn hold(run: &Run<'_>, record: &SyncRecord, plan: &Plan, unlooked: &BTreeSet<LinkKey>) -> Result<(), Stop> {
    let held: Vec<_> = plan.held.iter().filter(|held| held.step.is_some()).cloned().collect();
    if held.is_empty() {
        return Ok(());
    }
    let reason = held[0].reason.clone();
    run.store
        .save_plan(&StoredPlan {
            id: record.id.to_string(),
            integration: run.parts.key.clone(),
            at: run.clock.now(),
            plan: Plan { held, ..Plan::default() },
            absences: Vec::new(),
            shrunk_to: None,
            reason,
            is_chosen: false,
            rules_hash: Some(run.parts.rules.hash().to_owned()),
            unlooked: unlooked.iter().cloned().collect(),
        })
        .await?;
    Ok(())
}
