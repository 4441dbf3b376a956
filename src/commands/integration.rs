//! `integration list|show|suspend|resume|auto-import|delete`: the life of an integration.

use std::collections::BTreeSet;
use std::time::Duration;

use super::answer::{Deletion, IntegrationRow};
use super::request::Answer;
use super::{App, Failure};
use crate::config::{Cadence, Integration};
use crate::model::{IntegrationKey, RepoKey, SyncRecord};
use crate::schedule;
use crate::store::{AutoImportSwitch, IntegrationState, Switches};

/// How long `delete` waits for a sync to reach its checkpoint.
const LEASE_WAIT: Duration = Duration::from_secs(10);

/// Every integration of the config, then those that left it.
pub(super) async fn list(app: &App, name: Option<&str>) -> Result<Answer, Failure> {
    let mut rows = Vec::new();
    let states = app.store.integrations().await?;
    for integration in &app.config.integrations {
        if name.is_none_or(|name| name == integration.name) {
            rows.push(row(app, integration).await?);
        }
    }
    let keys: BTreeSet<IntegrationKey> = app.config.integrations.iter().map(Integration::key).collect();
    for state in states.iter().filter(|state| !keys.contains(&state.key)) {
        if name.is_none_or(|name| name == state.name) {
            rows.push(orphan(app, state).await?);
        }
    }
    match name {
        // Names the nearest one.
        Some(name) if rows.is_empty() => app.integration(name).map(|_| Answer::Integrations(rows)),
        _ => Ok(Answer::Integrations(rows)),
    }
}

async fn row(app: &App, integration: &Integration) -> Result<IntegrationRow, Failure> {
    let key = integration.key();
    let state = app.store.integration(&key).await?;
    let switches = app.store.switches(&key).await?;
    let last_started = state.as_ref().and_then(|state| state.last_started_at);
    let next_run = (!is_suspended(integration, &switches))
        .then(|| schedule::next_due(&integration.update_every, &key, last_started, app.clock.now()));
    let (repositories, imported) = counts(app, &key).await?;
    Ok(IntegrationRow {
        name: integration.name.clone(),
        state: match (integration.suspended, switches.suspended) {
            (true, _) => "suspended by the config",
            (false, true) => "suspended",
            (false, false) => "active",
        }
        .to_owned(),
        workspace: format!("{}/{}", key.instance, key.workspace),
        catalog: integration.catalog.clone(),
        schedule: cadence(&integration.update_every),
        next_run: next_run.flatten(),
        auto_import: auto_import_in_force(integration, &switches),
        auto_import_in_file: integration.auto_import,
        repositories,
        imported,
        last_sync: last_sync(app, &key).await?,
    })
}

async fn orphan(app: &App, state: &IntegrationState) -> Result<IntegrationRow, Failure> {
    let (repositories, imported) = counts(app, &state.key).await?;
    Ok(IntegrationRow {
        name: state.name.clone(),
        state: "orphaned".to_owned(),
        workspace: format!("{}/{}", state.key.instance, state.key.workspace),
        catalog: state.key.catalog.clone(),
        schedule: "not in the config".to_owned(),
        next_run: None,
        auto_import: false,
        auto_import_in_file: false,
        repositories,
        imported,
        last_sync: last_sync(app, &state.key).await?,
    })
}

async fn counts(app: &App, key: &IntegrationKey) -> Result<(u64, u64), Failure> {
    let known = app.repositories(key).await?;
    let handed_over = app.handed_over(key, &known).await?;
    let keys: BTreeSet<&RepoKey> =
        known.iter().map(|known| &known.repository.key).filter(|repo| !handed_over.contains(repo)).collect();
    let linked = app.store.links(&key.catalog).await?;
    // Repositories, as in the column beside it: one may be linked to several entities.
    let imported: BTreeSet<&RepoKey> =
        linked.iter().map(|link| &link.repo).filter(|repo| keys.contains(repo)).collect();
    let there = known.iter().filter(|known| known.presence.is_served()).count();
    Ok((there as u64, imported.len() as u64))
}

async fn last_sync(app: &App, key: &IntegrationKey) -> Result<Option<SyncRecord>, Failure> {
    Ok(app.store.syncs(Some(key), 1).await?.pop())
}

/// As in the config: `every 3h`, `cron 0 */3 * * * (Europe/Berlin)`.
fn cadence(cadence: &Cadence) -> String {
    match cadence {
        Cadence::Every(every) => format!("every {}", crate::config::fields::show_duration(*every)),
        Cadence::Cron { expr, timezone } => format!("cron {expr} ({timezone})"),
    }
}

/// Whether an integration rests, by the file or by hand.
pub fn is_suspended(integration: &Integration, switches: &Switches) -> bool {
    integration.suspended || switches.suspended
}

/// A switch by hand holds until the file's value changes (product.md, section 9).
pub fn auto_import_in_force(integration: &Integration, switches: &Switches) -> bool {
    match &switches.auto_import {
        Some(switch) if switch.file_said == integration.auto_import => switch.on,
        _ => integration.auto_import,
    }
}

/// Suspends or resumes by hand (P2.7).
pub(super) async fn suspend(app: &App, name: &str, suspended: bool) -> Result<Answer, Failure> {
    let integration = app.integration(name)?;
    if !suspended && integration.suspended {
        return Err(Failure::refused(
            format!("{name} is suspended by the config"),
            format!(
                "{}:{} says `suspended: true`; change it there",
                app.config.path.display(),
                integration.suspended_place.line
            ),
        ));
    }
    let key = integration.key();
    let switches = Switches { suspended, ..app.store.switches(&key).await? };
    app.store.save_switches(&key, &switches).await?;
    list(app, Some(name)).await
}

/// Switches auto-import by hand (P4.4).
pub(super) async fn auto_import(app: &App, name: &str, on: bool) -> Result<Answer, Failure> {
    let integration = app.integration(name)?;
    let key = integration.key();
    let switch = AutoImportSwitch { on, file_said: integration.auto_import };
    let switches = Switches { auto_import: Some(switch), ..app.store.switches(&key).await? };
    app.store.save_switches(&key, &switches).await?;
    list(app, Some(name)).await
}

/// Forgets an integration; entities and files stay as they are.
pub(super) async fn delete(app: &App, name: &str, dry_run: bool) -> Result<Answer, Failure> {
    let key = match app.config.integration(name) {
        Some(integration) => integration.key(),
        None => match app.store.integrations().await?.into_iter().find(|state| state.name == name) {
            Some(state) => state.key,
            None => return app.integration(name).map(|_| Answer::Integrations(Vec::new())),
        },
    };
    let (repositories, links) = (app.repositories(&key).await?.len() as u64, counts(app, &key).await?.1);
    if !dry_run {
        let Some(lease) = app.store.crawl_lease(&key, LEASE_WAIT).await? else {
            return Err(Failure::refused(
                format!("{name} is syncing"),
                "wait for the sync to end, or suspend the integration first",
            ));
        };
        let catalog = app.store.catalog_lease(&key.catalog).await?;
        app.store.delete_integration(&lease, &catalog).await?;
        drop(catalog);
        app.write_decisions().await?;
    }
    Ok(Answer::Deleted(Deletion { name: name.to_owned(), repositories, links, dry_run }))
}
