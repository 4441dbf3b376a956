//! Discovery as a stage: what it found goes into the record, and what it holds ends the sync.

use super::{Progress, Run, Stop};
use crate::discover::{Behaviour, Discovered, Discovery, discover};
use crate::model::SyncRecord;
use crate::plan::Plan;
use crate::store::{CrawlLease, StoredPlan};

pub(super) async fn discovery(run: &Run<'_>, lease: &CrawlLease, record: &mut SyncRecord) -> Result<Discovered, Stop> {
    let integration = &run.parts.integration;
    let hides = |repository: &crate::model::Repository| integration.repositories.hides(repository);
    let report = |done, total, finished| {
        (run.progress)(Progress {
            integration: integration.name.clone(),
            stage: "discover".to_owned(),
            done,
            total,
            finished,
        });
    };
    let found = discover(&Discovery {
        source: run.source,
        store: run.store,
        lease,
        behaviour: Behaviour {
            hides: &hides,
            sweep_every: integration.complete_sweep_every,
            guard: run.parts.guard(),
            auto_import: run.auto_import,
            full: run.full,
        },
        now: run.clock.now(),
        sync_id: record.id.clone(),
        stop: run.stop,
        // An unchanged workspace has nothing to show.
        progress: &|done, total| {
            if done > 0 {
                report(done, total, false);
            }
        },
    })
    .await?;
    report(found.seen, Some(found.seen), true);
    record.sweep = found.swept;
    record.repositories.seen = found.seen;
    record.repositories.hidden = found.hidden;
    record.repositories.inaccessible = found.inaccessible;
    record.repositories.new = found.new;
    record.repositories.changed = found.changed.len() as u64;
    record.repositories.gone = found.gone.len() as u64;
    record.repositories.failed = found.errors.len() as u64;
    record.errors.extend(found.errors.iter().cloned());
    match &found.held {
        Some(held) => Err(Stop::Held(Box::new(StoredPlan {
            id: record.id.to_string(),
            integration: run.parts.key.clone(),
            at: run.clock.now(),
            plan: Plan::default(),
            absences: held.changes.clone(),
            shrunk_to: None,
            reason: held.reason.clone(),
            is_chosen: false,
            rules_hash: None,
            unlooked: Vec::new(),
        }))),
        None => Ok(found),
    }
}
