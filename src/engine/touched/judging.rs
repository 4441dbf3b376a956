//! Verdicts about single repositories, judged against all others as those were judged last. What changes for the others,
//! the next sync of the whole says: until then nobody gets what somebody else claims (P3.7).

use std::collections::{BTreeMap, HashSet};

use crate::correlate::correlate;
use crate::engine::judge::{as_judged_last, entity_facts, links};
use crate::engine::survey::Survey;
use crate::engine::{Run, Stop};
use crate::model::{KnownRepository, Presence, Recommendation, RepoKey};
use crate::plan::would_register;
use crate::recommend::{Inputs, Standing, Verdicts};
use crate::store::{CrawlLease, StoredCandidates};

/// Judges these, keeps the verdicts, and returns them sorted by repository.
pub(super) async fn judge(
    run: &Run<'_>,
    lease: &CrawlLease,
    survey: &Survey,
    changed: &[&KnownRepository],
) -> Result<Vec<Recommendation>, Stop> {
    if changed.is_empty() {
        return Ok(Vec::new());
    }
    let (parts, store) = (run.parts, run.store);
    let abilities = parts.catalog.abilities();
    let (mut repositories, mut standings) = (Vec::new(), Vec::new());
    for known in changed {
        let Some((known, record)) = store.record(&parts.key, &known.repository.key).await? else { continue };
        let facts = parts.rules.repository_facts(&known.repository, &record.raw);
        repositories.push(facts.with_former_names(&known.former_names));
        let register_as = would_register(&known.repository, &abilities, &parts.integration.kind);
        standings
            .push(Standing { register_as: register_as.map_err(|error| error.to_string()), presence: known.presence });
    }
    let entities = entity_facts(parts).await?;
    let candidates = correlate(&parts.rules, &repositories, &entities);
    let others = as_judged_last(parts, store, rivals(run, changed).await?).await?;
    let taken = survey.reading.unreadable.iter().cloned().collect();
    let links = links(parts, store, &survey.reading).await?;
    let decisions = store.decisions(parts.catalog.name()).await?;
    let inputs = Inputs {
        registration: parts.integration.registration,
        kind: &parts.integration.kind,
        entity_type: &parts.integration.entity_type,
        rules: &parts.rules,
        repositories: &repositories,
        standings: &standings,
        candidates: &candidates,
        others: &others,
        entities: &entities,
        taken: &taken,
        claimed: &survey.reading.claimed,
        links: &links,
        decisions: &decisions,
    };
    let verdicts = Verdicts::new(&inputs);
    let stored = candidates.iter().map(|found| StoredCandidates {
        repo: repositories[found.repository].repo(),
        full_name: repositories[found.repository].full_name().to_owned(),
        integration: parts.key.clone(),
        candidates: found.to_stored(&entities),
    });
    let stored: Vec<StoredCandidates> = stored.collect();
    let mut recommended: Vec<Recommendation> =
        candidates.iter().filter_map(|found| verdicts.of(found.repository)).collect();
    recommended.sort_by(|one, other| one.repo.cmp(&other.repo));
    store.save_recommendations(lease, stored, recommended.clone()).await?;
    Ok(recommended)
}

/// Everybody else on this catalog, as judged last: of this integration, those that are there for anybody.
async fn rivals(run: &Run<'_>, changed: &[&KnownRepository]) -> Result<Vec<StoredCandidates>, Stop> {
    let own: HashSet<&RepoKey> = changed.iter().map(|known| &known.repository.key).collect();
    let presences: BTreeMap<RepoKey, Presence> = super::super::known::known(run, |_| true)
        .await?
        .into_iter()
        .map(|known| (known.repository.key, known.presence))
        .collect();
    let is_out = |repo: &RepoKey| {
        presences.get(repo).is_none_or(|presence| matches!(presence, Presence::Gone | Presence::Excluded { .. }))
    };
    let mut stored = run.store.candidates(run.parts.catalog.name(), None).await?;
    stored.retain(|one| one.integration != run.parts.key || !own.contains(&one.repo) && !is_out(&one.repo));
    Ok(stored)
}
