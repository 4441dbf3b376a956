//! How a sync ended, in its record: outcome, what still awaits a decision, what it cost.

use std::collections::BTreeSet;

use super::known::stored_as_unserved;
use super::{Run, Stop};
use crate::model::{
    Action, DecisionKind, HeldEntry, ImportCoverage, LinkState, Outcome, RepoKey, SyncError, SyncId, SyncRecord,
};
use crate::recommend::awaits_decision;
use crate::store::StoreError;

/// Writes down how it ended.
pub(super) async fn conclude(
    run: &Run<'_>,
    record: &mut SyncRecord,
    ended: Result<(), Stop>,
    unserved: Option<BTreeSet<RepoKey>>,
) -> Result<(), StoreError> {
    let key = &run.parts.key;
    record.outcome = match ended {
        Ok(()) if record.imported.failed > 0 || record.repositories.failed > 0 || !record.errors.is_empty() => {
            Outcome::Partial
        }
        Ok(()) if record.held.iter().any(|entry| entry.approvable) => Outcome::Held,
        Ok(()) => Outcome::Completed,
        Err(Stop::Cancelled) => Outcome::Cancelled,
        Err(Stop::Refused) => Outcome::Failed,
        Err(Stop::RateLimited { resume_at }) => {
            let when =
                resume_at.map_or_else(|| "later".to_owned(), |at| format!("at {}", at.format("%Y-%m-%dT%H:%M:%SZ")));
            record.notes.push(format!("the request budget of this hour is used up; it goes on {when}"));
            Outcome::RateLimited
        }
        Err(Stop::Failed { stage, report }) => {
            record.errors.push(SyncError {
                repository: None,
                stage: stage.to_owned(),
                message: report.one_line(),
                retry: "next_sync".to_owned(),
            });
            Outcome::Failed
        }
        Err(Stop::Held(plan)) => {
            record.held.push(HeldEntry {
                repository: None,
                entity: None,
                reason: with_command(&plan.reason, &record.id),
                approvable: true,
            });
            run.store.save_plan(&plan).await?;
            Outcome::Held
        }
    };
    record.imports = match &unserved {
        Some(unserved) => Some(imports(run, record.repositories.seen, unserved).await?),
        None => None,
    };
    for (action, count) in run.store.recommended(key, decided(run, unserved).await?).await? {
        match action {
            Action::Register => record.recommendations.register = count,
            Action::Merge => record.recommendations.merge = count,
            Action::Conflict => record.recommendations.conflict = count,
            Action::None => {}
        }
    }
    let usage = run.source.usage();
    record.requests = usage.requests.saturating_sub(run.requests_before);
    record.requests_remaining = usage.remaining;
    record.duration_ms = u64::try_from((run.clock.now() - record.started_at).num_milliseconds()).unwrap_or(0);
    run.store.save_budget(&run.parts.integration.connector, &run.source.budget_snapshot()).await?;
    run.store.save_sync(key, record).await
}

/// How much of what is there is imported: one number a sync, for the trend that `report` shows.
async fn imports(run: &Run<'_>, seen: u64, unserved: &BTreeSet<RepoKey>) -> Result<ImportCoverage, StoreError> {
    let key = &run.parts.key;
    let on_catalog =
        run.store.integrations().await?.into_iter().filter(|state| state.key.catalog == key.catalog).count();
    let links = run.store.links(run.parts.catalog.name()).await?;
    let active = links.into_iter().filter(|link| link.state == LinkState::Active).map(|link| link.repo);
    let decisions = run.store.decisions(run.parts.catalog.name()).await?;
    let ignored = decisions.into_iter().filter(|decision| decision.kind == DecisionKind::Ignored).map(|one| one.repo);
    let mut count = ImportCoverage { repositories: seen, ..ImportCoverage::default() };
    for (repos, counted) in [
        (active.collect::<BTreeSet<RepoKey>>(), &mut count.imported),
        (ignored.collect::<BTreeSet<RepoKey>>(), &mut count.ignored),
    ] {
        for repo in repos.difference(unserved) {
            // Another integration's, where there is one on this catalog.
            let is_ours = on_catalog < 2 || run.store.integrations_of(repo).await?.contains(key);
            *counted += u64::from(is_ours);
        }
    }
    Ok(count)
}

/// A reason that ends in advice gets the whole command; one that does not, the advice.
fn with_command(reason: &str, id: &SyncId) -> String {
    let command = format!("`catalog-sync sync approve {id}`");
    if reason.contains("`sync approve`") {
        reason.replace("`sync approve`", &command)
    } else {
        format!("{reason}; look, then {command}")
    }
}

/// Repositories whose recommendation waits for nobody: ignored ones, those linked meanwhile, and those that are
/// not there for anybody to import. What `discovered list` shows is what is left.
async fn decided(run: &Run<'_>, unserved: Option<BTreeSet<RepoKey>>) -> Result<BTreeSet<RepoKey>, StoreError> {
    let (catalog, rules) = (run.parts.catalog.name(), &run.parts.rules);
    let links = run.store.links(catalog).await?;
    let active = links.iter().filter(|link| link.state == LinkState::Active);
    let mut decided: BTreeSet<RepoKey> = active.map(|link| link.repo.clone()).collect();
    if (0..rules.len()).any(|rule| rules.says_many(rule)) {
        for one in run.store.recommendations(&run.parts.key).await? {
            if awaits_decision(&one, &links, rules) {
                decided.remove(&one.repo);
            }
        }
    }
    decided.extend(match unserved {
        Some(unserved) => unserved,
        None => stored_as_unserved(run).await?,
    });
    let decisions = run.store.decisions(catalog).await?;
    let ignored = decisions.into_iter().filter(|decision| decision.kind == DecisionKind::Ignored);
    decided.extend(ignored.map(|decision| decision.repo));
    Ok(decided)
}
