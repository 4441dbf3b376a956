//! Records × entities → recommendations, stored. Skipped when nothing that it reads has changed.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::json;
use sha2::{Digest, Sha256};

use super::survey::{self, Survey};
use super::{Progress, Run, Stop};
use crate::assemble::Parts;
use crate::catalog::Reading;
use crate::commands::{App, Failure};
use crate::config::Integration;
use crate::correlate::{Candidates, EntityFacts, Explanation, RepositoryFacts, correlate, explain as explained};
use crate::discover::Discovered;
use crate::error::Report;
use crate::model::{
    Action, ClaimedName, Decision, EntityRef, IntegrationKey, KnownRepository, Link, LinkState, Recommendation,
    RepoKey, SyncRecord,
};
use crate::plan::would_register;
use crate::recommend::{self, Other, Standing, Verdicts};
use crate::store::{CrawlLease, Store, StoredCandidates};

/// How many records or entities are read at once.
pub(super) const BATCH: usize = 500;

/// What correlation and recommendation came to.
pub struct Judged {
    /// What auto-import may look at, sorted by repository: none while it is off.
    pub recommendations: Vec<Recommendation>,
    /// Hash of what was judged by.
    inputs: String,
}

/// Everything judging reads, as facts: records and entities themselves are not held.
pub(super) struct Bench {
    pub(super) repositories: Vec<RepositoryFacts>,
    pub(super) standings: Vec<Standing>,
    pub(super) entities: Vec<EntityFacts>,
    pub(super) others: Vec<Other>,
    pub(super) taken: BTreeSet<EntityRef>,
    pub(super) claimed: Vec<ClaimedName>,
    pub(super) links: Vec<Link>,
    pub(super) decisions: Vec<Decision>,
}

impl Bench {
    pub(super) fn inputs<'a>(&'a self, parts: &'a Parts, candidates: &'a [Candidates]) -> recommend::Inputs<'a> {
        recommend::Inputs {
            registration: parts.integration.registration,
            kind: &parts.integration.kind,
            entity_type: &parts.integration.entity_type,
            rules: &parts.rules,
            repositories: &self.repositories,
            standings: &self.standings,
            candidates,
            others: &self.others,
            entities: &self.entities,
            taken: &self.taken,
            claimed: &self.claimed,
            links: &self.links,
            decisions: &self.decisions,
        }
    }
}

/// Judges every repository and keeps the verdicts; `None`: nothing changed since the last time a sync got to its
/// end with them, what is kept still holds and nothing needs planning.
pub(super) async fn judge(
    run: &Run<'_>,
    lease: &CrawlLease,
    survey: &Survey,
    discovered: &Discovered,
) -> Result<Option<Judged>, Stop> {
    let state = run.store.integration(&run.parts.key).await?;
    let inputs = inputs_hash(run, survey).await?;
    let holds = state.as_ref().is_some_and(|state| state.correlated.as_ref() == Some(&inputs));
    if holds && !run.full && !run.dry_run {
        return Ok(None);
    }
    // From here on verdicts of these inputs are kept, however this sync ends: were the inputs put back as they
    // were, those of before would not be.
    if let Some(mut state) = state.filter(|state| state.correlated.is_some()) {
        state.correlated = None;
        run.store.save_integration(lease, &state).await?;
    }
    let report = |done, finished| {
        (run.progress)(Progress {
            integration: run.parts.integration.name.clone(),
            stage: "correlate".to_owned(),
            done,
            // Those gone or hidden are judged as well, and not among the seen.
            total: Some(if finished { done } else { discovered.seen.max(done) }),
            finished,
        });
    };
    let bench = bench(run.parts, run.store, &survey.reading, &|done| report(done, false)).await?;
    report(bench.repositories.len() as u64, true);
    if !bench.repositories.is_empty() && !bench.entities.is_empty() {
        let lint = run.parts.rules.lint(&bench.repositories, &bench.entities);
        if lint.rules_match_nothing {
            let report = Report::plain(
                format!(
                    "no rule of {} has a catalog path that exists in any entity (rules_match_nothing)",
                    run.parts.rules.name()
                ),
                Some(
                    "check the rules file against an entity of the catalog: `catalog-sync rules check FILE`".to_owned(),
                ),
            );
            return Err(Stop::Failed { stage: "correlate", report });
        }
    }
    let candidates = correlate(&run.parts.rules, &bench.repositories, &bench.entities);
    let recommendations = save(run, lease, &bench, &candidates).await?;
    Ok(Some(Judged { recommendations, inputs }))
}

/// Judges and keeps the verdicts, a batch at a time: all of them at once would be most of what a sync holds.
/// Returns those that auto-import may look at, sorted by repository.
async fn save(
    run: &Run<'_>,
    lease: &CrawlLease,
    bench: &Bench,
    candidates: &[Candidates],
) -> Result<Vec<Recommendation>, Stop> {
    let inputs = bench.inputs(run.parts, candidates);
    let verdicts = Verdicts::new(&inputs);
    // Before anything is stored, and gone by then: it is while verdicts are stored that a sync holds most.
    let kept = candidates.iter().map(|found| bench.repositories[found.repository].repo().clone()).collect();
    run.store.keep_verdicts(lease, kept).await?;
    let mut for_auto_import = Vec::new();
    for some in candidates.chunks(BATCH) {
        let stored: Vec<StoredCandidates> = some
            .iter()
            .map(|found| {
                let facts = &bench.repositories[found.repository];
                StoredCandidates {
                    repo: facts.repo(),
                    full_name: facts.full_name().to_owned(),
                    integration: run.parts.key.clone(),
                    candidates: found.to_stored(&bench.entities),
                }
            })
            .collect();
        let of_these: Vec<Recommendation> = some.iter().filter_map(|found| verdicts.of(found.repository)).collect();
        if run.auto_import {
            for_auto_import.extend(of_these.iter().cloned());
        }
        run.store.save_recommendations(lease, stored, of_these).await?;
    }
    for_auto_import.sort_by(|one: &Recommendation, other| one.repo.cmp(&other.repo));
    Ok(for_auto_import)
}

/// Remembers what was judged by, so that the next sync can tell that nothing changed, also not while this one was at
/// it. Only after a sync that left nothing to do again.
pub(super) async fn remember(
    run: &Run<'_>,
    lease: &CrawlLease,
    record: &SyncRecord,
    judged: Judged,
) -> Result<(), Stop> {
    let Some(mut state) = run.store.integration(&run.parts.key).await? else { return Ok(()) };
    // After a write the catalog is not what this sync read: were that put back as it was (by git), nobody would
    // notice that entities went.
    let wrote = record.imported.registered + record.imported.merged + record.imported.updated > 0;
    let is_settled = !wrote && record.imported.failed == 0 && !record.held.iter().any(|held| held.approvable);
    if is_settled {
        state.correlated = Some(judged.inputs);
        run.store.save_integration(lease, &state).await?;
    }
    Ok(())
}

/// Hash of everything that decides recommendations and plan, but the records: whoever records a changed one takes
/// back that anything was judged.
async fn inputs_hash(run: &Run<'_>, survey: &Survey) -> Result<String, Stop> {
    let Parts { integration, key, rules, catalog } = run.parts;
    let links = run.store.links(catalog.name()).await?;
    let decisions = run.store.decisions(catalog.name()).await?;
    let others = run.store.candidates(catalog.name(), Some(key)).await?;
    let inputs = json!({
        "catalog": survey.reading.version,
        "rules": rules.hash(),
        "name": integration.name,
        "registration": integration.registration.as_str(),
        "kind": integration.kind,
        "type": integration.entity_type,
        // Where and as what new entities would go decides names, and so conflicts.
        "abilities": format!("{:?}", catalog.abilities()),
        "tags": integration.tags,
        "auto_import": run.auto_import,
        "links": links,
        "decisions": decisions,
        "others": others,
    });
    Ok(hex::encode(Sha256::digest(inputs.to_string())))
}

/// Reads what judging needs, page by page.
async fn bench(
    parts: &Parts,
    store: &dyn Store,
    reading: &Reading,
    progress: &(dyn Fn(u64) + Sync + Send),
) -> Result<Bench, Stop> {
    let abilities = parts.catalog.abilities();
    let mut repositories = Vec::new();
    let mut standings = Vec::new();
    let mut after: Option<RepoKey> = None;
    loop {
        let page = store.records(&parts.key, after.as_ref(), BATCH).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(last.repository.key.clone());
        for (known, raw) in &page {
            let facts = parts.rules.repository_facts(&known.repository, raw);
            repositories.push(facts.with_former_names(&known.former_names));
            standings.push(Standing {
                presence: known.presence.clone(),
                register_as: would_register(&known.repository, &abilities, &parts.integration.kind)
                    .map_err(|error| error.to_string()),
            });
        }
        progress(repositories.len() as u64);
    }
    Ok(Bench {
        repositories,
        standings,
        entities: entity_facts(parts).await?,
        others: others(parts, store).await?,
        taken: reading.unreadable.iter().cloned().collect(),
        claimed: reading.claimed.clone(),
        links: links(parts, store, reading).await?,
        decisions: store.decisions(parts.catalog.name()).await?,
    })
}

/// Links as the catalog shows them now: one to an entity that just went is judged so in this very sync.
pub(super) async fn links(parts: &Parts, store: &dyn Store, reading: &Reading) -> Result<Vec<Link>, Stop> {
    let there: HashSet<&EntityRef> = reading.entity_refs.iter().chain(&reading.unreadable).collect();
    let mut links = store.links(parts.catalog.name()).await?;
    for link in links.iter_mut().filter(|link| !there.contains(&link.entity)) {
        link.state = LinkState::EntityMissing;
    }
    Ok(links)
}

pub(super) async fn entity_facts(parts: &Parts) -> Result<Vec<EntityFacts>, Stop> {
    let mut facts = Vec::new();
    let mut after: Option<EntityRef> = None;
    loop {
        let page = parts.catalog.entities(after.as_ref(), BATCH).await?;
        let Some(last) = page.last() else { return Ok(facts) };
        after = Some(last.entity_ref.clone());
        facts.extend(page.iter().map(|entity| parts.rules.entity_facts(entity)));
    }
}

/// Repositories of the other integrations on this catalog, as they were judged last.
pub(super) async fn others(parts: &Parts, store: &dyn Store) -> Result<Vec<Other>, Stop> {
    let stored = store.candidates(parts.catalog.name(), Some(&parts.key)).await?;
    as_judged_last(parts, store, stored).await
}

/// These repositories as they were judged last.
pub(super) async fn as_judged_last(
    parts: &Parts,
    store: &dyn Store,
    candidates: Vec<StoredCandidates>,
) -> Result<Vec<Other>, Stop> {
    let mut by_integration: BTreeMap<IntegrationKey, Vec<StoredCandidates>> = BTreeMap::new();
    for one in candidates {
        by_integration.entry(one.integration.clone()).or_default().push(one);
    }
    let abilities = parts.catalog.abilities();
    let mut others = Vec::new();
    for (key, stored) in by_integration {
        let mut waiting: BTreeMap<RepoKey, EntityRef> = BTreeMap::new();
        for one in store.recommendations(&key).await? {
            // One that is a conflict because of its name competes for it as well: else whoever is judged last
            // would decide (P3.7).
            if matches!(one.action, Action::Register | Action::Conflict)
                && let Some((known, _)) = store.record(&key, &one.repo).await?
                && let Ok(entity) = would_register(&known.repository, &abilities, &one.kind)
                && (one.action == Action::Register || one.entity.as_ref() == Some(&entity))
            {
                waiting.insert(one.repo, entity);
            }
        }
        others.extend(stored.into_iter().map(|one| Other {
            registers_as: waiting.get(&one.repo).cloned(),
            repo: one.repo,
            full_name: one.full_name,
            candidates: one.candidates,
        }));
    }
    Ok(others)
}

/// Rules tried, both values, candidates and near misses of one repository (P3.6), judged on what is
/// stored and on the catalog as it is now.
///
/// # Errors
/// The store's, the catalog's.
pub async fn explain(app: &App, integration: &Integration, known: &KnownRepository) -> Result<Explanation, Failure> {
    let parts = app.assembler.parts(integration).await?;
    let stopped = |stop: Stop| Failure::failed(stop.into_report());
    let reading = survey::read(parts.catalog.as_ref(), app.store.as_ref()).await.map_err(|e| stopped(e.into()))?;
    let bench = bench(&parts, app.store.as_ref(), &reading, &|_| {}).await.map_err(stopped)?;
    let candidates = correlate(&parts.rules, &bench.repositories, &bench.entities);
    let Some(at) = bench.repositories.iter().position(|facts| facts.repo() == known.repository.key) else {
        return Err(Failure::usage(
            format!("{} has no record in {}", known.repository.full_name, integration.name),
            "sync first",
        ));
    };
    let inputs = bench.inputs(&parts, &candidates);
    let verdict = Verdicts::new(&inputs).of(at);
    Ok(explained(&parts.rules, &bench.repositories, at, &bench.entities, &candidates[at], verdict.as_ref()))
}
