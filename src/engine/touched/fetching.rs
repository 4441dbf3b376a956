//! The newest pull requests or commits of single repositories, and what hangs on them; nothing of their backlog.

use super::Look;
use crate::backfill::details::{self, DetailInputs};
use crate::backfill::{self, BackfillInputs};
use crate::engine::backfilling::{crawl, unless_cut_short};
use crate::engine::{Run, Stop};
use crate::model::{KnownRepository, Secondary, SecondaryCounts, SecondaryKind, SyncRecord};
use crate::store::CrawlLease;

/// Most details of a kind for one look: what an event tells of is among the newest.
const DETAILS: u64 = 20;

pub(super) async fn fetch(
    run: &Run<'_>,
    lease: &CrawlLease,
    looks: &[Look<'_>],
    record: &mut SyncRecord,
) -> Result<(), Stop> {
    for kind in SecondaryKind::ALL {
        let Some(settings) = run.parts.kind(kind) else { continue };
        let asked = looks.iter().filter(|look| look.touched.kinds.contains(&kind) && look.known.presence.is_served());
        let asked: Vec<KnownRepository> = asked.map(|look| look.known.clone()).collect();
        if asked.is_empty() {
            continue;
        }
        let repositories = asked.iter().map(|known| known.repository.clone()).collect();
        let of = |wanted| (kind == wanted).then_some(settings);
        let report = backfill::run(BackfillInputs {
            crawl: crawl(run, lease),
            repositories: asked,
            pull_requests: of(SecondaryKind::PullRequests),
            commits: of(SecondaryKind::Commits),
            start_date: run.parts.start_date(),
            asks_again: false,
            only_newest: true,
            rotation_share: 0.0,
            progress: &|_| {},
        })
        .await?;
        note(record, kind, report.pull_requests.or(report.commits));
        // Which of them are forbidden, a sync of the whole marks, when it meets the refusal again.
        record.notes.extend(report.unreadable.iter().map(|one| format!("{}: {}", one.full_name, one.reason)));
        record.errors.extend(report.errors);
        unless_cut_short(run, report.cut_short)?;
        let kinds: std::collections::BTreeMap<_, _> = run
            .parts
            .detail_kinds()
            .into_iter()
            .filter(|(detail, _)| detail.of() == Some(kind))
            .map(|(detail, cap)| (detail, cap.min(DETAILS)))
            .collect();
        if kinds.is_empty() {
            continue;
        }
        let inputs =
            DetailInputs { crawl: crawl(run, lease), repositories, kinds, asks_again: false, progress: &|_, _| {} };
        let report = details::run(inputs).await?;
        for (detail, counts) in report.counts {
            record.secondary.details.entry(detail).or_default().stored += counts.stored;
        }
        record.errors.extend(report.errors);
        unless_cut_short(run, report.cut_short)?;
    }
    Ok(())
}

/// What was stored; what waits, only a sync of the whole can count.
fn note(record: &mut SyncRecord, kind: SecondaryKind, counts: Option<SecondaryCounts>) {
    let Secondary { pull_requests, commits, .. } = &mut record.secondary;
    let place = match kind {
        SecondaryKind::PullRequests => pull_requests,
        SecondaryKind::Commits => commits,
    };
    place.get_or_insert_default().stored += counts.map_or(0, |counts| counts.stored);
}
