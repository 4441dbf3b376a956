//! `discovered list|show|ignore|restore`: what awaits a decision, and why.

use std::collections::{BTreeMap, BTreeSet};

use super::answer::{DiscoveredRow, DiscoveredState, Recommended, RepositoryDetail, RepositoryName};
use super::request::{Answer, DiscoveredFilter, Explained, StateFilter};
use super::{App, Failure, imported};
use crate::assemble;
use crate::config::Integration;
use crate::correlate::Rules;
use crate::engine::{Stop, judge, survey};
use crate::model::{Action, Decision, DecisionKind, EntityRef, KnownRepository, Presence, Recommendation, RepoKey};
use crate::recommend::{awaits_decision, look_first};
use crate::store::{Listed, ListedOf};

/// A reason is a sentence.
const REASON_CHARACTERS: usize = 400;

/// Rows that match, sorted by integration, then full name.
///
/// # Errors
/// Usage, when the integration is unknown; the store's.
pub async fn list(app: &App, filter: &DiscoveredFilter) -> Result<Vec<DiscoveredRow>, Failure> {
    let mut rows = Vec::new();
    for integration in app.integrations(filter.integration.as_deref())? {
        let of_one = rows_with_projects(app, integration).await?.into_iter();
        let of_one = of_one.filter(|(row, project)| is_wanted(row, project.as_deref(), filter));
        let mut of_one: Vec<DiscoveredRow> = of_one.map(|(row, _)| row).collect();
        of_one.sort_by(|a, b| a.repository.full_name.cmp(&b.repository.full_name));
        rows.extend(of_one);
    }
    Ok(rows)
}

fn is_wanted(row: &DiscoveredRow, project: Option<&str>, filter: &DiscoveredFilter) -> bool {
    let state = match filter.state.unwrap_or(StateFilter::Pending) {
        StateFilter::All => true,
        StateFilter::Pending => row.state == DiscoveredState::Pending,
        StateFilter::Ignored => row.state == DiscoveredState::Ignored,
        StateFilter::Hidden => row.state == DiscoveredState::Hidden,
        StateFilter::Inaccessible => row.state == DiscoveredState::Inaccessible,
    };
    let action = filter.action.is_none_or(|action| action == row.recommendation.action);
    let search = filter.search.as_deref().is_none_or(|search| {
        let search = search.to_lowercase();
        let entity = row.recommendation.entity.as_deref().unwrap_or_default();
        [row.repository.full_name.as_str(), row.repository.name.as_str(), entity]
            .iter()
            .any(|text| text.to_lowercase().contains(&search))
    });
    let is_project = |wanted: &String| project.is_some_and(|project| project.to_lowercase() == wanted.to_lowercase());
    let kind = filter.kind.as_ref().is_none_or(|kind| kind.to_lowercase() == row.kind.to_lowercase());
    state && action && search && kind && filter.project.as_ref().is_none_or(is_project)
}

/// Every row of one integration with the key of its repository's project, in the store's order.
async fn rows_with_projects(
    app: &App,
    integration: &Integration,
) -> Result<Vec<(DiscoveredRow, Option<String>)>, Failure> {
    let key = integration.key();
    let links = app.store.links(&integration.catalog).await?;
    let linked: BTreeSet<&RepoKey> = links.iter().map(|link| &link.repo).collect();
    let rules = assemble::rules(integration)?;
    let decisions: BTreeMap<RepoKey, Decision> = app
        .store
        .decisions(&integration.catalog)
        .await?
        .into_iter()
        .map(|decision| (decision.repo.clone(), decision))
        .collect();
    let recommendations: BTreeMap<RepoKey, Recommendation> =
        app.store.recommendations(&key).await?.into_iter().map(|one| (one.repo.clone(), one)).collect();
    let mut rows = Vec::new();
    for known in app.repositories(&key).await? {
        let repo = &known.repository.key;
        // Of linked ones only those that need a decision again: a missing entity, more entities by `many`.
        let recommendation = recommendations.get(repo);
        if linked.contains(repo) && !recommendation.is_some_and(|one| awaits_decision(one, &links, &rules)) {
            continue;
        }
        let row = row(integration, &known, recommendation, decisions.get(repo));
        rows.extend(row.map(|row| (row, known.repository.project_key)));
    }
    Ok(rows)
}

/// The row of what the store tells of a repository; `None`: it is not in the list.
pub(super) fn row_of(integration: &Integration, rules: &Rules, listed: &Listed) -> Option<DiscoveredRow> {
    let Listed { known, recommendation, links, decision } = listed;
    let waits_again = || recommendation.as_ref().is_some_and(|one| awaits_decision(one, links, rules));
    if !links.is_empty() && !waits_again() {
        return None;
    }
    row(integration, known, recommendation.as_ref(), decision.as_ref())
}

/// The row of one repository as it is now; `None`: it is not in the list.
pub(super) async fn row_now(
    app: &App,
    integration: &Integration,
    repo: &RepoKey,
) -> Result<Option<DiscoveredRow>, Failure> {
    let rules = assemble::rules(integration)?;
    let listed = app.store.listed(&integration.key(), ListedOf::These(vec![repo.clone()])).await?;
    Ok(listed.first().and_then(|listed| row_of(integration, &rules, listed)))
}

/// One row; `None` for repositories that are gone or moved.
fn row(
    integration: &Integration,
    known: &KnownRepository,
    recommendation: Option<&Recommendation>,
    decision: Option<&Decision>,
) -> Option<DiscoveredRow> {
    let (hidden_by, forbidden) = match &known.presence {
        Presence::Excluded { filter } => (Some(filter.clone()), None),
        Presence::Inaccessible { reason } => (None, Some(reason)),
        presence if presence.is_served() => (None, None),
        _ => return None,
    };
    let state = match decision.map(|decision| &decision.kind) {
        _ if hidden_by.is_some() => DiscoveredState::Hidden,
        Some(DecisionKind::Ignored) => DiscoveredState::Ignored,
        _ if forbidden.is_some() => DiscoveredState::Inaccessible,
        _ => DiscoveredState::Pending,
    };
    // What was recommended when it could be read is not what would be done now.
    let recommendation = recommendation.filter(|_| forbidden.is_none());
    let tombstone = match decision.map(|decision| &decision.kind) {
        Some(kind @ DecisionKind::Unlinked { .. }) => {
            let left: Vec<&str> = kind.let_go().map(EntityRef::as_str).collect();
            Some(format!("unlinked from {}", left.join(" and ")))
        }
        Some(DecisionKind::Undone { entity, .. }) => Some(format!("undone from {entity}")),
        Some(DecisionKind::Ignored) => {
            let said = decision.and_then(|decision| Some((&decision.by, decision.reason.as_ref()?)));
            said.map(|(by, reason)| format!("ignored by {by}: {reason}"))
        }
        _ => None,
    };
    // What was let back in waits like what was just discovered.
    let is_decided = decision.is_some_and(|decision| !matches!(decision.kind, DecisionKind::Restored { .. }));
    let (recommended, kind, entity_type, owner, unseen) = match recommendation {
        Some(one) => (
            Recommended {
                action: one.action,
                entity: one.entity.as_ref().map(ToString::to_string),
                rule: one.rule,
                reason: one.reason.clone(),
            },
            one.kind.clone(),
            one.entity_type.clone(),
            one.owner.clone(),
            look_first(one, is_decided).map(str::to_owned),
        ),
        None => {
            let reason = match (&hidden_by, forbidden) {
                (Some(filter), _) => format!("hidden by the filter {filter}"),
                (None, Some(reason)) => format!("it is listed and may not be read: {reason}"),
                (None, None) => "not judged yet: no sync has got that far since it was discovered".to_owned(),
            };
            let recommended = Recommended { action: Action::None, entity: None, rule: None, reason };
            (recommended, integration.kind.clone(), Some(integration.entity_type.clone()), None, None)
        }
    };
    let row = DiscoveredRow {
        integration: integration.name.clone(),
        repository: RepositoryName::from(&known.repository),
        recommendation: recommended,
        kind,
        r#type: entity_type,
        owner,
        detected_at: known.first_seen,
        state,
        needs_review: unseen,
        hidden_by,
        tombstone,
        version: String::new(),
    };
    Some(row.versioned())
}

/// Rules tried, both values, candidates, near misses (P3.6).
pub(super) async fn show(app: &App, repository: &str, integration: Option<&str>) -> Result<Answer, Failure> {
    let (integration, known) = app.find(repository, integration).await?;
    let mut explanation = judge::explain(app, integration, &known).await?;
    let row = row_now(app, integration, &known.repository.key).await?;
    if let Some(row) = row.as_ref().filter(|row| row.state == DiscoveredState::Inaccessible) {
        // Nothing is done with it, whatever the rules would say.
        (explanation.action, explanation.entity, explanation.withheld) = (None, None, None);
        explanation.reason = Some(row.recommendation.reason.clone());
    }
    let imported = imported::row_now(app, integration, &known).await?;
    let about = RepositoryDetail::from(&known);
    Ok(Answer::Explained(Box::new(Explained { row, imported, explanation, about })))
}

/// Sets repositories aside.
pub(super) async fn ignore(
    app: &App,
    repositories: &[String],
    integration: Option<&str>,
    reason: Option<&str>,
) -> Result<Answer, Failure> {
    if reason.is_some_and(|reason| reason.chars().count() > REASON_CHARACTERS) {
        return Err(Failure::usage(
            format!("the reason is longer than {REASON_CHARACTERS} characters"),
            "say it in a sentence",
        ));
    }
    let mut found = Vec::new();
    for text in repositories {
        found.push(app.find(text, integration).await?);
    }
    for (integration, known) in &found {
        if !app.store.links_of(&integration.catalog, &known.repository.key).await?.is_empty() {
            return Err(Failure::refused(
                format!("{} is imported", known.repository.full_name),
                "unlink it first: `imported unlink`",
            ));
        }
    }
    for (integration, known) in &found {
        let decision = Decision {
            repo: known.repository.key.clone(),
            full_name: known.repository.full_name.clone(),
            kind: DecisionKind::Ignored,
            at: app.clock.now(),
            by: app.caller.name.clone(),
            reason: reason.map(str::trim).filter(|reason| !reason.is_empty()).map(str::to_owned),
        };
        app.decide(&integration.catalog, &decision).await?;
    }
    now_rows(app, &found).await
}

/// Takes an ignore, a tombstone or a chosen target back.
pub(super) async fn restore(app: &App, repositories: &[String], integration: Option<&str>) -> Result<Answer, Failure> {
    let mut found = Vec::new();
    for text in repositories {
        found.push(app.find(text, integration).await?);
    }
    for (integration, known) in &found {
        let repo = &known.repository.key;
        let decisions = app.store.decisions(&integration.catalog).await?;
        let before = decisions.into_iter().find(|decision| decision.repo == *repo);
        let left = match before.as_ref().map(|before| &before.kind) {
            // Set aside after it was unlinked: the mark is what is left of that.
            Some(DecisionKind::Ignored) => marked(app, integration, repo).await?,
            Some(kind) => kind.let_go().next().cloned(),
            None => None,
        };
        match left {
            // The mark in the entity stays, and would make the link again unasked.
            Some(left) => {
                let decision = Decision {
                    repo: repo.clone(),
                    full_name: known.repository.full_name.clone(),
                    kind: DecisionKind::Restored { entity: left },
                    at: app.clock.now(),
                    by: app.caller.name.clone(),
                    reason: None,
                };
                app.decide(&integration.catalog, &decision).await?;
            }
            None => app.undecide(&integration.catalog, repo).await?,
        }
    }
    now_rows(app, &found).await
}

/// The entity that bears the mark of a repository without a link.
async fn marked(app: &App, integration: &Integration, repo: &RepoKey) -> Result<Option<EntityRef>, Failure> {
    if !app.store.links_of(&integration.catalog, repo).await?.is_empty() {
        return Ok(None);
    }
    let parts = app.assembler.parts(integration).await?;
    let look = survey::look(parts.catalog.as_ref(), app.store.as_ref()).await;
    let survey = look.map_err(|error| Failure::failed(Stop::from(error).into_report()))?;
    Ok(survey.marks.into_iter().find(|(_, marked)| marked == repo).map(|(entity, _)| entity))
}

async fn now_rows(app: &App, found: &[(&Integration, KnownRepository)]) -> Result<Answer, Failure> {
    let mut rows = Vec::new();
    for integration in app.integrations(None)? {
        let of_it = found.iter().filter(|(of, _)| of.name == integration.name);
        let of_it: BTreeSet<&RepoKey> = of_it.map(|(_, known)| &known.repository.key).collect();
        for repo in of_it {
            rows.extend(row_now(app, integration, repo).await?);
        }
    }
    Ok(Answer::Discovered(rows))
}
