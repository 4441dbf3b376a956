//! Details and their coverage: one record a detail, since each was asked for by itself.

use std::cmp::Reverse;

use super::books::{DETAIL_COVERAGE, DETAILS};
use super::draft::{Draft, Tree};
use super::keys::{Key, Place};
use crate::model::{Detail, DetailCoverage, DetailKind, IntegrationKey, RepoKey};
use crate::store::{DetailBatch, StoreError};

fn details_key(integration: &IntegrationKey, repo: &RepoKey, kind: DetailKind) -> Key {
    Key::in_book(DETAILS).integration(integration).repo(repo).text(kind.as_str())
}

fn coverage_key(integration: &IntegrationKey, kind: DetailKind) -> Key {
    Key::in_book(DETAIL_COVERAGE).integration(integration).text(kind.as_str())
}

/// Applied between batches only: details and coverage of a batch stay together.
pub(super) fn record(
    draft: &mut Draft<'_>,
    integration: &IntegrationKey,
    batches: Vec<DetailBatch>,
) -> Result<(), StoreError> {
    for DetailBatch { details, coverage } in batches {
        for detail in &details {
            let key = details_key(integration, &coverage.repo, coverage.kind);
            draft.put(key.place(&Place::of_detail(detail)).bytes(), detail)?;
        }
        draft.put(coverage_key(integration, coverage.kind).repo(&coverage.repo).bytes(), &coverage)?;
        draft.apply_when_large()?;
    }
    Ok(())
}

/// Newest first.
pub(super) fn details(
    tree: &Tree,
    integration: &IntegrationKey,
    repo: &RepoKey,
    kind: DetailKind,
    limit: usize,
) -> Result<Vec<Detail>, StoreError> {
    let mut details: Vec<Detail> = tree.values(&details_key(integration, repo, kind).bytes(), None, usize::MAX)?;
    details.sort_by_cached_key(|detail| Reverse((detail.at, detail.of.clone())));
    details.truncate(limit);
    Ok(details)
}

/// Of all repositories.
pub(super) fn coverage(
    tree: &Tree,
    integration: &IntegrationKey,
    kind: DetailKind,
) -> Result<Vec<DetailCoverage>, StoreError> {
    tree.values(&coverage_key(integration, kind).bytes(), None, usize::MAX)
}
