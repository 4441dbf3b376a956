//! What a look at single repositories does to the catalog unseen: their links brought up to date, and what auto-import
//! may take of them.

use std::collections::BTreeSet;

use super::{Looking, recording};
use crate::apply::{Applying, StepOutcome};
use crate::engine::import::{carry_out, gather, name_held};
use crate::engine::survey::Survey;
use crate::engine::update::{
    LinkKey, UNCONFIRMED, choose, count, looked_of, plan_of, remember_looked, settle, unlooked_of,
};
use crate::engine::{Run, Stop};
use crate::error::Report;
use crate::model::{ImportId, KnownRepository, Outcome, Recommendation, SyncRecord, Trigger};
use crate::plan::{self, Chosen, Guard, Plan};
use crate::store::{IntegrationState, StoreError, StoredPlan};

/// Among so many of the newest syncs the last one that planned is: looks of a week may be newer.
const NEWEST: usize = 200;

/// Whether anything may be planned: only under rules that a sync of the whole has planned with.
pub(super) fn may_plan(run: &Run<'_>, state: &IntegrationState, record: &mut SyncRecord) -> bool {
    let may = state.rules_hash.as_deref() == Some(run.parts.rules.hash());
    if !may {
        record.notes.push("the rules are new or changed: the next sync plans with them".to_owned());
    }
    may
}

/// Plans and applies.
pub(super) async fn update(
    looking: &Looking<'_>,
    record: &mut SyncRecord,
    survey: &Survey,
    recommended: &[Recommendation],
    known: &[KnownRepository],
) -> Result<Vec<StepOutcome>, Stop> {
    let run = looking.run;
    let catalog = run.parts.catalog.as_ref();
    let lease = run.store.catalog_lease(catalog.name()).await?;
    let links = run.store.links(catalog.name()).await?;
    let decisions = run.store.decisions(catalog.name()).await?;
    let choices = choose(run, survey, recommended, known, &links, &decisions);
    if choices.is_empty() {
        return Ok(Vec::new());
    }
    let material = gather(run.parts, run.store, &choices).await?;
    // As it is by now: looking has recorded what it found.
    let Some(state) = run.store.integration(&run.parts.key).await? else { return Ok(Vec::new()) };
    let decisions_lost =
        !run.has_decisions_file && state.notes.get(UNCONFIRMED).and_then(|waits| waits.as_bool()).unwrap_or(true);
    let chosen = Chosen::Unattended { guard: Guard::BLAST_RADIUS, rules_changed: false, decisions_lost };
    let mut plan = plan_of(run.parts, survey, &material, &links, &decisions, chosen);
    plan::hold_unlooked(&mut plan, &unlooked_of(&state));
    guard(looking, &mut plan, survey.reading.entity_refs.len(), state).await?;
    if let Err(faults) = plan::check(&plan) {
        let what = format!("the plan is flawed and was not carried out: {}", faults.join("; "));
        let report = Report::plain(what, Some("please report this with the log".to_owned()));
        return Err(Stop::Failed { stage: "plan", report });
    }
    name_held(run.store, &links, &survey.marks, &mut plan).await?;
    // What waits for a person is asked by a sync of the whole, which holds the same once more.
    let held = plan.held.iter().filter(|held| held.step.is_some());
    record.notes.extend(held.map(|held| format!("{}: {}: the next sync asks", held.full_name, held.reason)));
    if !(looking.may_write)().await? {
        record.notes.push("it was suspended meanwhile: nothing was written".to_owned());
        return Ok(Vec::new());
    }
    if looking.open.is_none() && !plan.steps.is_empty() {
        recording::begin(run, record).await?;
    }
    let applying = Applying {
        catalog,
        store: run.store,
        lease: &lease,
        links: &links,
        import_id: &ImportId(run.ids.next()),
        sync_id: Some(&record.id),
        by: "auto-import",
        now: run.clock.now(),
        stop: run.stop,
        progress: &|_, _| {},
    };
    let outcomes = carry_out(&applying, &plan).await?;
    count(record, &outcomes);
    settle(run, &decisions, &outcomes).await?;
    Ok(outcomes)
}

/// P4.14: a thousand looks change no more documents of others than one sync may, and nothing that waits for a person.
/// What they change, or wanted to, is noted before it is done; the next sync of the whole begins anew.
async fn guard(
    looking: &Looking<'_>,
    plan: &mut Plan,
    catalog_size: usize,
    mut state: IntegrationState,
) -> Result<(), Stop> {
    let run = looking.run;
    if plan.steps.is_empty() {
        return Ok(());
    }
    if let Some(waiting) = waiting(run).await? {
        plan::hold_waiting(plan, &waiting.plan, &waiting.id);
    }
    let before = looked_of(&state);
    let all: BTreeSet<LinkKey> = before.iter().cloned().chain(plan::of_others(plan)).collect();
    plan::hold_beyond(plan, catalog_size, Guard::BLAST_RADIUS, &before);
    if all != before {
        remember_looked(&mut state, &all);
        run.store.save_integration(looking.lease, &state).await?;
    }
    Ok(())
}

/// What waits for `sync approve`: of the last sync that planned.
async fn waiting(run: &Run<'_>) -> Result<Option<StoredPlan>, StoreError> {
    for sync in run.store.syncs(Some(&run.parts.key), NEWEST).await? {
        if matches!(sync.trigger, Trigger::Webhook | Trigger::Approval) {
            continue;
        }
        if let Some(plan) = run.store.plan(&sync.id.0).await? {
            return Ok(Some(plan));
        }
        // One that was cut short may not have come to planning: what was held before it still is.
        if matches!(sync.outcome, Outcome::Completed | Outcome::Partial | Outcome::Held) {
            return Ok(None);
        }
    }
    Ok(None)
}
