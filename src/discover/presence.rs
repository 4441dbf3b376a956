//! What a complete walk says of every repository: there, hidden, missing, gone or moved.

use super::{BATCH, DiscoverError, Discovered, Discovery, HeldAbsences, Walk, stop_if_asked};
use crate::error::Report;
use crate::model::{KnownRepository, Presence, RepoKey, SyncError};
use crate::plan::guard;
use crate::store::DiscoveryState;

/// Stage name of the look-up by id.
const LOOK_UP: &str = "look_up";

/// Judges presence once the walk is complete: filters for all, absence only after a sweep.
pub(super) async fn finish(
    run: &Discovery<'_>,
    mut walk: Walk,
    mut discovery: DiscoveryState,
) -> Result<Discovered, DiscoverError> {
    let mut changes: Vec<KnownRepository> = Vec::new();
    let mut vanished: Vec<KnownRepository> = Vec::new();
    let (mut served, mut served_before) = (0_usize, 0_usize);
    let mut hidden: Vec<KnownRepository> = Vec::new();
    let mut hiding: Option<String> = None;
    let mut after: Option<RepoKey> = None;
    loop {
        let page = run.store.repositories(&run.lease.integration, after.as_ref(), BATCH).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.repository.key.clone());
        for known in page {
            let is_seen = walk.seen.contains(known.repository.key.id.as_str());
            let is_absent = walk.found.swept && !is_seen;
            let hides = (run.behaviour.hides)(&known.repository);
            let was_served = known.presence.is_served();
            let next = presence_after(&known, is_seen, is_absent, walk.found.swept, hides);
            served_before += usize::from(was_served);
            served += usize::from(next.is_served());
            let is_newly_hidden = was_served && matches!(next, Presence::Excluded { .. });
            if let Presence::Excluded { filter } = &next {
                walk.found.hidden += 1;
                hiding.get_or_insert_with(|| filter.clone());
            }
            walk.found.inaccessible += u64::from(matches!(next, Presence::Inaccessible { .. }));
            if !next.is_served() && !is_newly_hidden {
                walk.found.unserved.insert(known.repository.key.clone());
            }
            if is_absent && known.presence == Presence::MissingOnce && next == Presence::MissingOnce {
                vanished.push(known);
            } else if next != known.presence {
                let changed = KnownRepository { presence: next, ..known };
                if is_newly_hidden { hidden.push(changed) } else { changes.push(changed) }
            }
        }
    }

    let gone = vanished.iter().map(|known| (known.repository.key.clone(), Presence::Gone));
    let excluded = hidden.iter().map(|known| (known.repository.key.clone(), known.presence.clone()));
    let removals: Vec<(RepoKey, Presence)> = gone.chain(excluded).collect();
    if let Some(reason) = guard::would_stop(served_before, &removals, run.behaviour.guard) {
        walk.found.held = Some(HeldAbsences { changes: removals, reason });
        served += hidden.len();
        walk.found.hidden -= hidden.len() as u64;
    } else {
        for known in vanished {
            stop_if_asked(run)?;
            let presence = match look_up(run, &known, &mut walk.found).await? {
                Some(presence) => presence,
                None => continue,
            };
            if !presence.is_served() {
                served -= 1;
                walk.found.gone.push(known.repository.key.clone());
                walk.found.unserved.insert(known.repository.key.clone());
            }
            changes.push(KnownRepository { presence, ..known });
        }
        walk.found.unserved.extend(hidden.iter().map(|known| known.repository.key.clone()));
        changes.append(&mut hidden);
    }
    discovery.sweep_next |= changes.iter().any(|known| known.presence == Presence::MissingOnce)
        || walk.found.held.is_some()
        || walk.found.errors.iter().any(|error| error.retry == "next_sync" && error.stage == LOOK_UP);
    run.store.finish_walk(run.lease, changes, discovery).await?;
    walk.found.seen = served as u64;
    match hiding {
        Some(filter) if served == 0 => Err(DiscoverError::AllHidden { listed: walk.found.hidden, filter }),
        _ => Ok(walk.found),
    }
}

/// What a complete walk says of one repository. Pure; being missing the second time is left to the
/// caller, who looks it up by its id first.
pub(super) fn presence_after(
    known: &KnownRepository,
    is_seen: bool,
    is_absent: bool,
    asks_again: bool,
    hides: Option<String>,
) -> Presence {
    match (&known.presence, hides) {
        (Presence::Gone | Presence::Moved { .. }, _) if !is_seen => known.presence.clone(),
        // Hidden ones are not watched for absence: nothing of theirs is synced anyway.
        (_, Some(filter)) => Presence::Excluded { filter },
        (Presence::MissingOnce, None) if !is_seen => Presence::MissingOnce,
        (_, None) if is_absent => Presence::MissingOnce,
        // That it is listed says nothing: it always was. What asks again whether it may be read makes it known.
        (Presence::Inaccessible { .. }, None) if !is_seen || !asks_again => known.presence.clone(),
        (_, None) if known.repository.is_archived => Presence::Archived,
        (_, None) => Presence::Present,
    }
}

/// Before gone: one look by its id. `None`: nothing can be concluded now.
async fn look_up(
    run: &Discovery<'_>,
    known: &KnownRepository,
    found: &mut Discovered,
) -> Result<Option<Presence>, DiscoverError> {
    match run.source.repository(&known.repository).await {
        Ok(None) => Ok(Some(Presence::Gone)),
        Ok(Some(record)) if record.repository.workspace == known.repository.workspace => Ok(Some(Presence::Present)),
        Ok(Some(record)) => Ok(Some(Presence::Moved { to: record.repository.full_name })),
        Err(error) if error.ends_sync() => Err(error.into()),
        Err(error) => {
            let mend = error.mend();
            found.errors.push(SyncError {
                repository: Some(known.repository.full_name.clone()),
                stage: LOOK_UP.to_owned(),
                message: Report::new("missing from the list twice, and could not be looked up by its id", &error, mend)
                    .one_line(),
                retry: "next_sync".to_owned(),
            });
            Ok(None)
        }
    }
}
