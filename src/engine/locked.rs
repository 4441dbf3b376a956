//! What an integration's first sync settles for good: which kinds it fetches, and since when.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{EngineError, Run};
use crate::model::SecondaryKind;
use crate::store::{CrawlLease, IntegrationState, StoreError};

/// Makes the integration's state, and refuses what cannot be changed any more.
pub(super) async fn begin(run: &Run<'_>, lease: &CrawlLease, now: DateTime<Utc>) -> Result<(), EngineError> {
    let integration = &run.parts.integration;
    let mut state = run.store.integration(&run.parts.key).await?.unwrap_or_else(|| IntegrationState {
        key: run.parts.key.clone(),
        name: integration.name.clone(),
        created_at: now,
        discovery: Default::default(),
        locked_kinds: None,
        start_date: None,
        last_started_at: None,
        rules_hash: None,
        correlated: None,
        notes: Default::default(),
    });
    refuse_locked(&state, integration)?;
    state.name = integration.name.clone();
    state.last_started_at = Some(now);
    run.store.save_integration(lease, &state).await?;
    Ok(())
}

/// From the first sync on that has listed the repositories, kinds and start date are locked: one that was refused at the
/// door has fetched nothing.
pub(super) async fn lock(run: &Run<'_>, lease: &CrawlLease) -> Result<(), StoreError> {
    let integration = &run.parts.integration;
    let (kinds, start_date) = (integration.secondary_kinds.keys().copied().collect(), integration.start_date);
    if let Some(mut state) = run.store.integration(&run.parts.key).await?
        && (state.locked_kinds.as_ref() != Some(&kinds) || state.start_date != Some(start_date))
    {
        (state.locked_kinds, state.start_date) = (Some(kinds), Some(start_date));
        run.store.save_integration(lease, &state).await?;
    }
    Ok(())
}

/// P5.4 and P2.6: which kinds are selected is locked, the start date only moves earlier.
///
/// # Errors
/// [`EngineError::Locked`] with the way out.
pub fn refuse_locked(state: &IntegrationState, integration: &crate::config::Integration) -> Result<(), EngineError> {
    let words = |kinds: &BTreeSet<SecondaryKind>| {
        if kinds.is_empty() {
            return "none".to_owned();
        }
        kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(" and ")
    };
    let selected = integration.secondary_kinds.keys().copied().collect();
    if let Some(locked) = state.locked_kinds.as_ref().filter(|locked| **locked != selected) {
        return Err(EngineError::Locked {
            what: format!(
                "the secondary kinds of {} are locked since its first sync ({}), the config selects {}",
                integration.name,
                words(locked),
                words(&selected)
            ),
            mend: format!(
                "put `secondary_kinds` back, or run `integration delete {}` and sync again: links are adopted again from the marks in the catalog",
                integration.name
            ),
        });
    }
    let later = match (state.start_date, integration.start_date) {
        (Some(None), Some(now)) => Some(("the beginning".to_owned(), now)),
        (Some(Some(before)), Some(now)) if now > before => Some((before.to_string(), now)),
        _ => None,
    };
    match later {
        Some((before, now)) => Err(EngineError::Locked {
            what: format!(
                "the start date of {} may only move earlier: it was {before}, the config says {now}",
                integration.name
            ),
            mend: format!("put `start_date` back to {before} or earlier"),
        }),
        None => Ok(()),
    }
}
