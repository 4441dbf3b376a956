//! Repositories with their raw records, what a sweep has seen, and the verdicts about them.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::Value;

use super::books::{CANDIDATES, RECOMMENDATIONS, RECORDS, REPOSITORIES, SEEN};
use super::draft::{Draft, Tree, malformed};
use super::integrations;
use super::keys::{Key, Reader};
use super::links;
use crate::model::{Action, IngestedRecord, IntegrationKey, KnownRepository, Recommendation, RepoKey, SyncId};
use crate::store::{DiscoveryState, IntegrationState, Listed, ListedOf, RecordedPage, StoreError, StoredCandidates};

fn in_book(tag: u8, integration: &IntegrationKey) -> Vec<u8> {
    Key::in_book(tag).integration(integration).bytes()
}

fn key_of(tag: u8, integration: &IntegrationKey, repo: &RepoKey) -> Vec<u8> {
    Key::in_book(tag).integration(integration).repo(repo).bytes()
}

pub(super) fn record_page(
    draft: &mut Draft<'_>,
    integration: &IntegrationKey,
    page: &RecordedPage,
) -> Result<(), StoreError> {
    for (known, raw) in &page.changed {
        draft.put(key_of(REPOSITORIES, integration, &known.repository.key), known)?;
        draft.put(key_of(RECORDS, integration, &known.repository.key), raw)?;
    }
    for known in &page.touched {
        draft.put(key_of(REPOSITORIES, integration, &known.repository.key), known)?;
    }
    record_seen(draft, integration, page)?;
    integrations::save_discovery(draft, integration, page.discovery.clone(), !page.changed.is_empty())
}

/// Keeps a page's ids as one value under the sweep, and drops those of sweeps that were given up.
fn record_seen(draft: &mut Draft<'_>, integration: &IntegrationKey, page: &RecordedPage) -> Result<(), StoreError> {
    let before: Option<IntegrationState> = draft.get(&integrations::key_of(integration))?;
    let before = before.and_then(|state| state.discovery.sweep).map(|sweep| sweep.sweep);
    let present = page.discovery.sweep.as_ref().map(|sweep| &sweep.sweep);
    if let Some(present) = present.filter(|present| before.as_ref() != Some(present)) {
        drop_seen(draft, integration, Some(present))?;
    }
    if page.seen.is_empty() {
        return Ok(());
    }
    // The last page of a sweep may already be without its checkpoint.
    let Some(sweep) = present.or(before.as_ref()) else {
        let message = "it names repositories seen, and no sweep is under way".to_owned();
        return Err(StoreError::Malformed { place: "a page to be recorded".to_owned(), message });
    };
    let prefix = Key::in_book(SEEN).integration(integration).text(&sweep.0);
    let last = draft.tree.scan(&prefix.clone().bytes(), None).next_back().transpose()?;
    let number = match last {
        Some((key, _)) => {
            let mut reader = Reader::past_tag(&key);
            let number = reader.integration().and_then(|_| reader.text()).and_then(|_| reader.number());
            number.ok_or_else(|| malformed(&key, "not a page of a sweep"))?.saturating_add(1)
        }
        None => 0,
    };
    draft.put(prefix.number(number).bytes(), &page.seen)
}

/// Drops what sweeps of an integration have seen, but for one sweep.
fn drop_seen(draft: &mut Draft<'_>, integration: &IntegrationKey, but: Option<&SyncId>) -> Result<(), StoreError> {
    let kept = but.map(|sweep| Key::in_book(SEEN).integration(integration).text(&sweep.0).bytes());
    for entry in draft.tree.scan(&in_book(SEEN, integration), None) {
        let (key, _) = entry?;
        if !kept.as_ref().is_some_and(|kept| key.starts_with(kept)) {
            draft.remove(key.to_vec())?;
        }
    }
    Ok(())
}

/// Sorted, with no two alike.
pub(super) fn sweep_seen(
    tree: &Tree,
    integration: &IntegrationKey,
    sweep: &SyncId,
) -> Result<Vec<RepoKey>, StoreError> {
    let prefix = Key::in_book(SEEN).integration(integration).text(&sweep.0).bytes();
    let pages: Vec<Vec<RepoKey>> = tree.values(&prefix, None, usize::MAX)?;
    let mut seen: Vec<RepoKey> = pages.into_iter().flatten().collect();
    seen.sort_unstable();
    seen.dedup();
    Ok(seen)
}

pub(super) fn finish_walk(
    draft: &mut Draft<'_>,
    integration: &IntegrationKey,
    changes: &[KnownRepository],
    discovery: DiscoveryState,
) -> Result<(), StoreError> {
    for known in changes {
        draft.put(key_of(REPOSITORIES, integration, &known.repository.key), known)?;
    }
    drop_seen(draft, integration, None)?;
    integrations::save_discovery(draft, integration, discovery, !changes.is_empty())
}

pub(super) fn page(
    tree: &Tree,
    integration: &IntegrationKey,
    after: Option<&RepoKey>,
    limit: usize,
) -> Result<Vec<KnownRepository>, StoreError> {
    let after = after.map(|repo| key_of(REPOSITORIES, integration, repo));
    tree.values(&in_book(REPOSITORIES, integration), after.as_deref(), limit)
}

pub(super) fn page_with_records(
    tree: &Tree,
    integration: &IntegrationKey,
    after: Option<&RepoKey>,
    limit: usize,
) -> Result<Vec<(KnownRepository, Value)>, StoreError> {
    let with_raw = |known: KnownRepository| {
        let key = key_of(RECORDS, integration, &known.repository.key);
        let raw = tree.get(&key)?.ok_or_else(|| malformed(&key, "it is missing"))?;
        Ok((known, raw))
    };
    page(tree, integration, after, limit)?.into_iter().map(with_raw).collect()
}

pub(super) fn record(
    tree: &Tree,
    integration: &IntegrationKey,
    repo: &RepoKey,
) -> Result<Option<(KnownRepository, IngestedRecord)>, StoreError> {
    let Some(known) = tree.get::<KnownRepository>(&key_of(REPOSITORIES, integration, repo))? else { return Ok(None) };
    let key = key_of(RECORDS, integration, repo);
    let raw = tree.get(&key)?.ok_or_else(|| malformed(&key, "it is missing"))?;
    let record = IngestedRecord { repository: known.repository.clone(), fingerprint: known.fingerprint, raw };
    Ok(Some((known, record)))
}

pub(super) fn listed(tree: &Tree, integration: &IntegrationKey, of: ListedOf) -> Result<Vec<Listed>, StoreError> {
    let known = match of {
        ListedOf::Page { after, limit } => page(tree, integration, after.as_ref(), limit)?,
        ListedOf::These(repos) => {
            let known = repos.iter().map(|repo| tree.get(&key_of(REPOSITORIES, integration, repo)));
            known.filter_map(Result::transpose).collect::<Result<_, _>>()?
        }
    };
    let listed = |known: KnownRepository| {
        let repo = &known.repository.key;
        Ok(Listed {
            recommendation: tree.get(&key_of(RECOMMENDATIONS, integration, repo))?,
            links: links::of_repository(tree, &integration.catalog, repo)?,
            decision: links::decision(tree, &integration.catalog, repo)?,
            known,
        })
    };
    known.into_iter().map(listed).collect()
}

/// Integrations are few: each is asked, so that a hundred thousand repositories need no index.
pub(super) fn integrations_of(tree: &Tree, repo: &RepoKey) -> Result<Vec<IntegrationKey>, StoreError> {
    let mut found = Vec::new();
    for state in integrations::all(tree)? {
        if tree.raw(&key_of(REPOSITORIES, &state.key, repo))?.is_some() {
            found.push(state.key);
        }
    }
    Ok(found)
}

/// Candidates and recommendation of one repository are written together; many are written in bounded
/// batches, since a sync that was killed in between computes them again.
pub(super) fn save_recommendations(
    draft: &mut Draft<'_>,
    integration: &IntegrationKey,
    candidates: Vec<StoredCandidates>,
    recommendations: Vec<Recommendation>,
) -> Result<(), StoreError> {
    let mut verdicts: BTreeMap<RepoKey, (Option<StoredCandidates>, Option<Recommendation>)> = BTreeMap::new();
    for candidates in candidates {
        let repo = candidates.repo.clone();
        verdicts.entry(repo).or_default().0 = Some(candidates);
    }
    for recommendation in recommendations {
        let repo = recommendation.repo.clone();
        verdicts.entry(repo).or_default().1 = Some(recommendation);
    }
    for (repo, (candidates, recommendation)) in verdicts {
        let key = key_of(CANDIDATES, integration, &repo);
        match candidates {
            Some(candidates) => draft.put(key, &candidates)?,
            None => drop(draft.remove(key)?),
        }
        let key = key_of(RECOMMENDATIONS, integration, &repo);
        match recommendation {
            Some(recommendation) => draft.put(key, &recommendation)?,
            None => drop(draft.remove(key)?),
        }
        draft.apply_when_large()?;
    }
    Ok(())
}

pub(super) fn keep_verdicts(
    draft: &mut Draft<'_>,
    integration: &IntegrationKey,
    of: &[RepoKey],
) -> Result<(), StoreError> {
    let kept: HashSet<&RepoKey> = of.iter().collect();
    for tag in [CANDIDATES, RECOMMENDATIONS] {
        for entry in draft.tree.scan(&in_book(tag, integration), None) {
            let (key, _) = entry?;
            if !kept.contains(&repo_of(&key)?) {
                draft.remove(key.to_vec())?;
                draft.apply_when_large()?;
            }
        }
    }
    Ok(())
}

/// The repository of a key that begins with an integration.
fn repo_of(key: &[u8]) -> Result<RepoKey, StoreError> {
    let mut reader = Reader::past_tag(key);
    let repo = reader.integration().and_then(|_| reader.repo());
    repo.ok_or_else(|| malformed(key, "not a repository"))
}

/// Of every integration on the catalog but one, sorted by repository, then integration.
pub(super) fn candidates(
    tree: &Tree,
    catalog: &str,
    but: Option<&IntegrationKey>,
) -> Result<Vec<StoredCandidates>, StoreError> {
    let mut found = Vec::new();
    for state in integrations::all(tree)? {
        if state.key.catalog == catalog && Some(&state.key) != but {
            found.extend(tree.values::<StoredCandidates>(&in_book(CANDIDATES, &state.key), None, usize::MAX)?);
        }
    }
    found.sort_by(|one, other| (&one.repo, &one.integration).cmp(&(&other.repo, &other.integration)));
    Ok(found)
}

/// Counts without holding them: a recommendation is mostly its reason.
pub(super) fn recommended(
    tree: &Tree,
    integration: &IntegrationKey,
    but: &BTreeSet<RepoKey>,
) -> Result<BTreeMap<Action, u64>, StoreError> {
    #[derive(serde::Deserialize)]
    struct Recommended {
        action: Action,
    }
    let mut counts = BTreeMap::new();
    for entry in tree.scan(&in_book(RECOMMENDATIONS, integration), None) {
        let (key, value) = entry?;
        if but.is_empty() || !but.contains(&repo_of(&key)?) {
            let of: Recommended = super::codec::decode(&value).map_err(|message| malformed(&key, message))?;
            *counts.entry(of.action).or_insert(0) += 1;
        }
    }
    Ok(counts)
}

pub(super) fn recommendations(tree: &Tree, integration: &IntegrationKey) -> Result<Vec<Recommendation>, StoreError> {
    tree.values(&in_book(RECOMMENDATIONS, integration), None, usize::MAX)
}
