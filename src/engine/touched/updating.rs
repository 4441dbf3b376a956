//! What a look at single repositories does to the catalog unseen: their links brought up to date, and what auto-import
//! may take of them.

use crate::apply::{Applying, StepOutcome};
use crate::engine::import::{carry_out, gather, name_held};
use crate::engine::survey::Survey;
use crate::engine::update::{UNCONFIRMED, choose, count, plan_of, settle, unlooked_of};
use crate::engine::{Run, Stop};
use crate::error::Report;
use crate::model::{ImportId, KnownRepository, Recommendation, SyncRecord};
use crate::plan::{self, Chosen, Guard};
use crate::store::IntegrationState;

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
    run: &Run<'_>,
    record: &mut SyncRecord,
    survey: &Survey,
    state: &IntegrationState,
    recommended: &[Recommendation],
    known: &[KnownRepository],
) -> Result<Vec<StepOutcome>, Stop> {
    let catalog = run.parts.catalog.as_ref();
    let lease = run.store.catalog_lease(catalog.name()).await?;
    let links = run.store.links(catalog.name()).await?;
    let decisions = run.store.decisions(catalog.name()).await?;
    let choices = choose(run, survey, recommended, known, &links, &decisions);
    if choices.is_empty() {
        return Ok(Vec::new());
    }
    let material = gather(run.parts, run.store, &choices).await?;
    let decisions_lost =
        !run.has_decisions_file && state.notes.get(UNCONFIRMED).and_then(|waits| waits.as_bool()).unwrap_or(true);
    let chosen = Chosen::Unattended { guard: Guard::BLAST_RADIUS, rules_changed: false, decisions_lost };
    let mut plan = plan_of(run.parts, survey, &material, &links, &decisions, chosen);
    plan::hold_unlooked(&mut plan, &unlooked_of(state));
    if let Err(faults) = plan::check(&plan) {
        let what = format!("the plan is flawed and was not carried out: {}", faults.join("; "));
        let report = Report::plain(what, Some("please report this with the log".to_owned()));
        return Err(Stop::Failed { stage: "plan", report });
    }
    name_held(run.store, &links, &survey.marks, &mut plan).await?;
    // What waits for a person is asked by a sync of the whole, which holds the same once more.
    let held = plan.held.iter().filter(|held| held.step.is_some());
    record.notes.extend(held.map(|held| format!("{}: {}: the next sync asks", held.full_name, held.reason)));
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
