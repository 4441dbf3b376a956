//! `imported list|show|unlink`: what is linked.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::answer::{ImportedDetail, ImportedRow, RepositoryName, WrittenRow};
use super::request::Answer;
use super::{App, Failure};
use crate::assemble;
use crate::config::Integration;
use crate::engine::{Stop, survey};
use crate::model::{
    Decision, DecisionKind, DetailKind, Entity, EntityRef, KnownRepository, Link, LinkState, Outcome, RepoKey,
    SecondaryKind, SyncRecord, Trigger,
};
use crate::plan;
use crate::store::{LinkChange, Listed};

/// How far back a sync without complaint is looked for.
pub(super) const SYNCS_LOOKED_AT: usize = 50;

/// Rows that match, sorted by integration, then full name.
///
/// # Errors
/// Usage, when the integration is unknown; the store's.
pub async fn list(app: &App, integration: Option<&str>, search: Option<&str>) -> Result<Vec<ImportedRow>, Failure> {
    let search = search.map(str::to_lowercase);
    let mut rows = Vec::new();
    for integration in app.integrations(integration)? {
        rows.extend(rows_of(app, integration).await?);
    }
    rows.retain(|row| {
        search.as_deref().is_none_or(|search| {
            [&row.repository.full_name, &row.repository.name, &row.entity]
                .iter()
                .any(|text| text.to_lowercase().contains(search))
        })
    });
    Ok(rows)
}

/// Links of repositories that an integration knows, sorted by full name, then entity.
pub(super) async fn rows_of(app: &App, integration: &Integration) -> Result<Vec<ImportedRow>, Failure> {
    let known = app.repositories(&integration.key()).await?;
    let handed_over = app.handed_over(&integration.key(), &known).await?;
    let known: BTreeMap<RepoKey, KnownRepository> = known
        .into_iter()
        .filter(|known| !handed_over.contains(&known.repository.key))
        .map(|known| (known.repository.key.clone(), known))
        .collect();
    let syncs = app.store.syncs(Some(&integration.key()), SYNCS_LOOKED_AT).await?;
    let links = app.store.links(&integration.catalog).await?;
    let mut rows: Vec<ImportedRow> =
        links.iter().filter_map(|link| Some(row(integration, link, known.get(&link.repo)?, &syncs))).collect();
    rows.sort_by(|a, b| (&a.repository.full_name, &a.entity).cmp(&(&b.repository.full_name, &b.entity)));
    Ok(rows)
}

/// The row of one repository as it is now; `None`: it is not linked, or shown where it was handed over to.
pub(super) async fn row_now(
    app: &App,
    integration: &Integration,
    known: &KnownRepository,
) -> Result<Option<ImportedRow>, Failure> {
    let links = links_of(app, integration, known).await?;
    let Some(link) = links.first() else { return Ok(None) };
    if !app.handed_over(&integration.key(), std::slice::from_ref(known)).await?.is_empty() {
        return Ok(None);
    }
    let syncs = app.store.syncs(Some(&integration.key()), SYNCS_LOOKED_AT).await?;
    Ok(Some(row(integration, link, known, &syncs)))
}

/// When a sync last found everything in step: unchanged links are not rewritten, so it is the end of the
/// last sync that had no complaint about the repository, if that is later than what the link remembers.
fn last_synced_at(link: &Link, known: &KnownRepository, syncs: &[SyncRecord]) -> Option<DateTime<Utc>> {
    if link.state != LinkState::Active || !known.presence.is_served() {
        return link.last_synced_at;
    }
    last_look(&known.repository.full_name, syncs).max(link.last_synced_at)
}

/// The end of the last sync that had no complaint about a repository.
pub(super) fn last_look(full_name: &str, syncs: &[SyncRecord]) -> Option<DateTime<Utc>> {
    let name = Some(full_name);
    let is_about_it = |repository: Option<&str>| repository.is_none() || repository == name;
    let looked = syncs.iter().find(|sync| {
        matches!(sync.outcome, Outcome::Completed | Outcome::Partial | Outcome::Held)
            && !sync.errors.iter().any(|error| is_about_it(error.repository.as_deref()))
            && !sync.held.iter().any(|held| is_about_it(held.repository.as_deref()))
            && !matches!(sync.trigger, Trigger::Approval | Trigger::Webhook)
    });
    looked.map(|sync| sync.started_at + TimeDelta::milliseconds(sync.duration_ms.cast_signed()))
}

/// The rows of what the store tells of a repository, and whether syncs look after the link.
pub(super) fn listed_rows(integration: &Integration, listed: &Listed) -> Vec<(ImportedRow, bool)> {
    let is_served = listed.known.presence.is_served();
    let row = |link: &Link| (row(integration, link, &listed.known, &[]), is_served && link.state == LinkState::Active);
    listed.links.iter().map(row).collect()
}

fn row(integration: &Integration, link: &Link, known: &KnownRepository, syncs: &[SyncRecord]) -> ImportedRow {
    ImportedRow {
        integration: integration.name.clone(),
        repository: RepositoryName::from(&known.repository),
        repository_state: known.presence.as_str().to_owned(),
        status: link.action.as_status().to_owned(),
        entity: link.entity.to_string(),
        entity_id: link.entity_id.clone(),
        kind: link.kind.clone(),
        r#type: link.entity_type.clone(),
        scope: link.scope.clone(),
        imported_at: link.imported_at,
        imported_by: link.imported_by.clone(),
        import_id: link.import_id.to_string(),
        last_synced_at: last_synced_at(link, known, syncs),
        link_state: match link.state {
            LinkState::Active => "active",
            LinkState::EntityMissing => "entity_missing",
        }
        .to_owned(),
    }
}

/// One link with what we wrote and what is covered.
pub(super) async fn show(app: &App, repository: &str, integration: Option<&str>) -> Result<Answer, Failure> {
    let (integration, known) = app.find(repository, integration).await?;
    let links = links_of(app, integration, &known).await?;
    let Some(link) = links.first() else { return Err(not_imported(&known)) };
    let syncs = app.store.syncs(Some(&integration.key()), SYNCS_LOOKED_AT).await?;
    let mut coverage = Vec::new();
    for kind in SecondaryKind::ALL {
        if let Some(one) = app.store.coverage_of(&integration.key(), &known.repository.key, kind).await? {
            coverage.push(format!("{}: {}", kind.as_str(), one.describe()));
        }
    }
    for kind in DetailKind::ALL {
        let of_kind = app.store.detail_coverage(&integration.key(), kind).await?;
        if let Some(one) = of_kind.iter().find(|one| one.repo == known.repository.key) {
            coverage.push(format!("{}: {}", kind.as_str(), one.describe()));
        }
    }
    let (now_there, unread) = entity_of(app, integration, &link.entity).await;
    let rules = assemble::rules(integration).ok();
    let fields = link.written.iter().map(|(path, written)| {
        let now = now_there.as_ref().map(|entity| plan::fields::whose_now(path, written, rules.as_ref(), entity));
        let (value, is_ours) = now.unwrap_or_else(|| (written.value.clone(), !written.theirs));
        WrittenRow { field: path.clone(), value, owner: if is_ours { "ours" } else { "theirs" }.to_owned() }
    });
    Ok(Answer::Link(Box::new(ImportedDetail {
        row: row(integration, link, &known, &syncs),
        former_names: former_names(app, integration, &known).await?,
        fields: fields.collect(),
        unread,
        coverage,
    })))
}

/// The entity as the catalog has it now; else why it cannot be told.
async fn entity_of(app: &App, integration: &Integration, entity: &EntityRef) -> (Option<Entity>, Option<String>) {
    let told = |failure: Failure| (None, Some(failure.report.one_line()));
    let parts = match app.assembler.parts(integration).await {
        Ok(parts) => parts,
        Err(failure) => return told(failure),
    };
    if let Err(error) = survey::look(parts.catalog.as_ref(), app.store.as_ref()).await {
        return told(Failure::failed(Stop::from(error).into_report()));
    }
    match parts.catalog.entity(entity).await {
        Ok(Some(found)) => (Some(found), None),
        Ok(None) => (None, Some(format!("{entity} is not in the catalog"))),
        Err(error) => told(error.into()),
    }
}

/// What a repository was called before, also while it lay in the workspace of another integration (P2.8).
async fn former_names(app: &App, integration: &Integration, known: &KnownRepository) -> Result<Vec<String>, Failure> {
    let mut names = Vec::new();
    for other in app.store.integrations_of(&known.repository.key).await? {
        if other != integration.key()
            && let Some((there, _)) = app.store.record(&other, &known.repository.key).await?
        {
            names.extend(there.former_names);
            names.push(there.repository.full_name);
        }
    }
    names.extend(known.former_names.iter().cloned());
    names.retain(|name| *name != known.repository.full_name);
    Ok(names)
}

/// Ends links: entity and data stay, a tombstone keeps auto-import from bringing them back (P4.6).
pub(super) async fn unlink(app: &App, repositories: &[String], integration: Option<&str>) -> Result<Answer, Failure> {
    let mut found = Vec::new();
    for text in repositories {
        let (integration, known) = app.find(text, integration).await?;
        let links = links_of(app, integration, &known).await?;
        if links.is_empty() {
            return Err(not_imported(&known));
        }
        found.push((integration, known, links));
    }
    let mut rows = Vec::new();
    for (integration, known, links) in found {
        let lease = app.store.catalog_lease(&integration.catalog).await?;
        // The tombstone first: a kill between the two leaves a link with a tombstone, which the next
        // unlink mends, never an untombstoned repository that auto-import would take again.
        let decision = Decision {
            repo: known.repository.key.clone(),
            full_name: known.repository.full_name.clone(),
            kind: DecisionKind::Unlinked {
                entity: links[0].entity.clone(),
                also: links[1..].iter().map(|link| link.entity.clone()).collect(),
            },
            at: app.clock.now(),
            by: app.caller.name.clone(),
            reason: None,
        };
        app.decide(&integration.catalog, &decision).await?;
        let changes = links.iter().map(|link| LinkChange::Remove(link.repo.clone(), link.entity.clone())).collect();
        app.store.change_links(&lease, changes, Vec::new()).await?;
        rows.extend(links.iter().map(|link| row(integration, link, &known, &[])));
    }
    Ok(Answer::Unlinked(rows))
}

async fn links_of(app: &App, integration: &Integration, known: &KnownRepository) -> Result<Vec<Link>, Failure> {
    Ok(app.store.links_of(&integration.catalog, &known.repository.key).await?)
}

pub(super) fn not_imported(known: &KnownRepository) -> Failure {
    Failure::unknown(
        format!("{} is not imported", known.repository.full_name),
        "`imported list` shows what is; `discovered import` imports",
    )
}
