//! `integration list|show|suspend|resume|auto-import|delete`: the life of an integration.

use std::collections::BTreeSet;
use std::time::Duration;

use tracing::{info, warn};

use super::answer::{Deletion, IntegrationRow};
use super::request::Answer;
use super::{App, Failure, listing};
use crate::config::{Cadence, Integration, RulesRef};
use crate::error::shown;
use crate::model::{IntegrationKey, RepoKey, SyncRecord, Trigger};
use crate::schedule;
use crate::store::{AutoImportSwitch, CrawlLease, IntegrationState, StoreError, Switches};

/// How long `delete` waits for a sync to reach its checkpoint.
const LEASE_WAIT: Duration = Duration::from_secs(10);

/// Every integration of the config, then those that left it.
pub(super) async fn list(app: &App, name: Option<&str>) -> Result<Answer, Failure> {
    let mut rows = Vec::new();
    for integration in app.visible() {
        if name.is_none_or(|name| is_meant(name, &integration.name, &integration.key())) {
            rows.push(row(app, integration).await?);
        }
    }
    for state in orphans(app).await?.into_iter().filter(|state| app.caller.sees(&state.name)) {
        if name.is_none_or(|name| is_meant(name, &state.name, &state.key)) {
            rows.push(orphan(app, &state).await?);
        }
    }
    match name {
        // Names the nearest one.
        Some(name) if rows.is_empty() => app.integration(name).map(|_| Answer::Integrations(rows)),
        _ => Ok(Answer::Integrations(rows)),
    }
}

/// What the store knows of integrations that left the config, or that serve another workspace there now.
async fn orphans(app: &App) -> Result<Vec<IntegrationState>, Failure> {
    let keys: BTreeSet<IntegrationKey> = app.config.integrations.iter().map(Integration::key).collect();
    let mut states = app.store.integrations().await?;
    states.retain(|state| !keys.contains(&state.key));
    Ok(states)
}

/// `bitbucket.org/acme`: tells an integration from another of its name.
fn place(key: &IntegrationKey) -> String {
    format!("{}/{}", key.instance, key.workspace)
}

/// The same where two catalogs share a workspace.
fn full_place(key: &IntegrationKey) -> String {
    format!("{}/{}", place(key), key.catalog)
}

/// Whether a person means this one: by its name, or by its workspace.
fn is_meant(text: &str, name: &str, key: &IntegrationKey) -> bool {
    text == name || text == place(key) || text == full_place(key)
}

/// An integration that a person named, of the config or orphaned.
struct Named {
    name: String,
    key: IntegrationKey,
    is_orphaned: bool,
}

/// The one a person means.
async fn find(app: &App, text: &str) -> Result<Named, Failure> {
    let of_config = app.visible();
    let of_config = of_config.map(|one| Named { name: one.name.clone(), key: one.key(), is_orphaned: false });
    let orphaned = orphans(app).await?.into_iter().filter(|state| app.caller.sees(&state.name));
    let orphaned = orphaned.map(|state| Named { name: state.name, key: state.key, is_orphaned: true });
    let all: Vec<Named> = of_config.chain(orphaned).collect();
    let known: Vec<String> = all.iter().map(|one| one.name.clone()).collect();
    let mut meant: Vec<Named> = all.into_iter().filter(|one| is_meant(text, &one.name, &one.key)).collect();
    let Some(one) = meant.pop() else {
        return Err(Failure::unknown(
            format!("there is no integration `{text}`"),
            format!("`integration list` shows {}", known.join(", ")),
        ));
    };
    if meant.is_empty() {
        return Ok(one);
    }
    meant.push(one);
    let is_told_by_place = meant.iter().map(|one| place(&one.key)).collect::<BTreeSet<_>>().len() == meant.len()
        && text != place(&meant[0].key);
    let candidates = meant.iter().map(|one| {
        let place = if is_told_by_place { place(&one.key) } else { full_place(&one.key) };
        format!("`{place}` ({})", if one.is_orphaned { "orphaned" } else { "in the config" })
    });
    Err(Failure::usage(
        format!("`{text}` means several integrations"),
        format!("name one by its workspace: {}", candidates.collect::<Vec<_>>().join(", ")),
    ))
}

async fn row(app: &App, integration: &Integration) -> Result<IntegrationRow, Failure> {
    let key = integration.key();
    let state = app.store.integration(&key).await?;
    let switches = app.store.switches(&key).await?;
    let last_started = state.as_ref().and_then(|state| state.last_started_at);
    let next_run = (!is_suspended(integration, &switches))
        .then(|| schedule::next_due(&integration.update_every, &key, last_started, app.clock.now()));
    let (repositories, imported) = match listing::counts(app, integration).await? {
        Some(counts) => counts,
        None => counts(app, &key).await?,
    };
    Ok(IntegrationRow {
        name: integration.name.clone(),
        state: match (integration.suspended, switches.suspended) {
            (true, _) => "suspended by the config",
            (false, true) => "suspended",
            (false, false) => "active",
        }
        .to_owned(),
        workspace: place(&key),
        catalog: integration.catalog.clone(),
        schedule: cadence(&integration.update_every),
        next_run: next_run.flatten(),
        auto_import: auto_import_in_force(integration, &switches),
        auto_import_in_file: integration.auto_import,
        repositories,
        imported,
        connector: Some(integration.connector.clone()),
        rules: Some(match &integration.rules {
            RulesRef::Builtin(name) => name.clone(),
            RulesRef::File { path, .. } => path.display().to_string(),
        }),
        kinds: {
            let details = integration.details.keys().map(|kind| kind.as_str().to_owned());
            let users = integration.users.map(|_| "users".to_owned());
            integration
                .secondary_kinds
                .keys()
                .map(|kind| kind.as_str().to_owned())
                .chain(details)
                .chain(users)
                .collect()
        },
        last_sync: last_sync(app, &key).await?,
    })
}

async fn orphan(app: &App, state: &IntegrationState) -> Result<IntegrationRow, Failure> {
    let (repositories, imported) = counts(app, &state.key).await?;
    Ok(IntegrationRow {
        name: state.name.clone(),
        state: "orphaned".to_owned(),
        workspace: place(&state.key),
        catalog: state.key.catalog.clone(),
        schedule: "not in the config".to_owned(),
        next_run: None,
        auto_import: false,
        auto_import_in_file: false,
        repositories,
        imported,
        connector: None,
        rules: None,
        kinds: Vec::new(),
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

/// A sync of the whole is among so many: one runs at least once a day.
const WITH_LOOKS: usize = 32;

async fn last_sync(app: &App, key: &IntegrationKey) -> Result<Option<SyncRecord>, Failure> {
    // What events brought meanwhile, an hour of it each, is not how the integration stands.
    let newest = app.store.syncs(Some(key), WITH_LOOKS).await?;
    Ok(newest.into_iter().find(|sync| sync.trigger != Trigger::Webhook))
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

impl App {
    /// Ends what people switched against a value that the file says no more, whenever a config is taken up: for good,
    /// also if the file says again one day what it said then (P4.4).
    ///
    /// # Errors
    /// The store's.
    pub async fn end_lapsed_switches(&self) -> Result<(), StoreError> {
        for integration in &self.config.integrations {
            let key = integration.key();
            let switches = self.store.switches(&key).await?;
            if switches.auto_import.as_ref().is_some_and(|switch| switch.file_said != integration.auto_import) {
                info!(integration = %integration.name, "`auto_import` changed in the config: the switch by hand is over");
                self.store.save_switches(&key, &Switches { auto_import: None, ..switches }).await?;
            }
        }
        Ok(())
    }
}

/// State that has another name and another place in the config now.
struct Renamed<'a> {
    from: IntegrationState,
    to: &'a Integration,
}

/// What `renamed_from` of the config means and is not carried over yet. An integration is known by instance,
/// workspace and catalog: where these stayed, its name is a label and there is nothing to do.
///
/// # Errors
/// Refused where the catalog is another one and the old one is still in the config: links and decisions are the
/// catalog's and stay there, out of sight of an integration that serves another.
async fn renamed(app: &App) -> Result<Vec<Renamed<'_>>, Failure> {
    let mut renamed = Vec::new();
    if app.config.integrations.iter().all(|integration| integration.renamed_from.is_none()) {
        return Ok(renamed);
    }
    let orphans = orphans(app).await?;
    for to in &app.config.integrations {
        let key = to.key();
        let is_meant = |state: &&IntegrationState| {
            to.renamed_from.as_ref() == Some(&state.name) && state.key.instance == key.instance
        };
        // Of several that were called so: the one of this workspace, then the one that synced last.
        let best = |state: &&IntegrationState| (state.key.workspace == key.workspace, state.last_started_at);
        let Some(from) = orphans.iter().filter(is_meant).max_by_key(best) else {
            warn_of_strangers(app, to, &orphans).await?;
            continue;
        };
        let (old, new) = (&from.key.catalog, &key.catalog);
        if old != new && app.config.catalogs.contains_key(old) && app.store.integration(&key).await?.is_none() {
            let what = format!(
                "`renamed_from: {}` of {}: its links and what people decided are of the catalog `{old}`, which is still \
                 in the config, and do not go along to `{new}`",
                from.name, to.name
            );
            let mend = format!(
                "leave `renamed_from` out, and {} begins anew (`{}` stays as an orphan, to be deleted); where `{old}` is \
                 only called `{new}` now, take `{old}` out of `catalogs`; catalogs that swap names need two steps, by a third name",
                to.name, from.name
            );
            return Err(Failure::refused(what, mend));
        }
        renamed.push(Renamed { from: from.clone(), to });
    }
    Ok(renamed)
}

/// A former name that nobody bears, while somebody left the config: misspelt, as a rule.
async fn warn_of_strangers(app: &App, to: &Integration, orphans: &[IntegrationState]) -> Result<(), Failure> {
    let key = to.key();
    let Some(former) = to.renamed_from.as_ref() else { return Ok(()) };
    let left: Vec<&str> = orphans
        .iter()
        .filter(|state| state.key.instance == key.instance && state.key != key)
        .map(|state| state.name.as_str())
        .collect();
    if !left.is_empty() && app.store.integration(&key).await?.is_none() {
        warn!(
            integration = %to.name,
            "`renamed_from: {former}` names nobody that is known, and {} begins anew; no longer in the config: {}; \
             once it has synced, `catalog-sync integration delete {}` makes room for the right name",
            to.name,
            left.join(", "),
            to.name
        );
    }
    Ok(())
}

impl App {
    /// Carries over what is kept of integrations that have another name and catalog (or workspace) now, as
    /// `renamed_from` says; whenever a config is taken up. As long as the leases are held, nobody syncs under the old
    /// names.
    ///
    /// # Errors
    /// Refused while a sync under the old name runs; the store's, the decisions file's.
    pub async fn carry_over_renamed(&self) -> Result<Vec<CrawlLease>, Failure> {
        let mut held = Vec::new();
        for Renamed { from, to } in renamed(self).await? {
            let (old, new) = (&from.key, to.key());
            if self.store.integration(&new).await?.is_some() {
                warn!(
                    integration = %to.name,
                    "`renamed_from: {}` carries nothing over: {} has a state of its own by now; `catalog-sync \
                     integration delete` one of them (`{}` is the former)",
                    from.name, to.name, full_place(old)
                );
                continue;
            }
            let busy = || {
                let what = format!("{} is syncing, and {} takes its state over", from.name, to.name);
                Failure::refused(what, "wait for the sync to end")
            };
            let lease = self.store.crawl_lease(old, Duration::ZERO).await?.ok_or_else(busy)?;
            let lease_to = self.store.crawl_lease(&new, Duration::ZERO).await?.ok_or_else(busy)?;
            // Links and decisions are the catalog's: they go along where it is the catalog that is called otherwise now.
            let is_renamed = old.catalog != new.catalog && !self.config.catalogs.contains_key(&old.catalog);
            if is_renamed {
                self.rename_catalog_in_decisions(&old.catalog, &new.catalog).await?;
                let leases =
                    (self.store.catalog_lease(&old.catalog).await?, self.store.catalog_lease(&new.catalog).await?);
                self.store.carry_over(&lease, &lease_to, Some((&leases.0, &leases.1))).await?;
            } else {
                self.store.carry_over(&lease, &lease_to, None).await?;
            }
            self.settle_in(&lease_to, &from, to).await?;
            info!(integration = %to.name, "took over the state of {} ({})", from.name, full_place(old));
            held.push(lease);
        }
        Ok(held)
    }

    /// What is to be said anew of a state under its new key.
    async fn settle_in(&self, lease: &CrawlLease, from: &IntegrationState, to: &Integration) -> Result<(), Failure> {
        if let Err(error) = self.assembler.move_git(&from.key, &to.key()) {
            warn!(integration = %to.name, "its scratch repositories could not be moved: {error}");
        }
        let Some(mut state) = self.store.integration(&to.key()).await? else { return Ok(()) };
        state.name.clone_from(&to.name);
        if from.key.workspace != state.key.workspace {
            // Whatever was asked for there says nothing of what is here.
            state.discovery.sweep = None;
            state.discovery.sweep_next = true;
        }
        Ok(self.store.save_integration(lease, &state).await?)
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
                shown(&app.config.path),
                integration.suspended_place.line
            ),
        ));
    }
    let key = integration.key();
    let switches = Switches { suspended, ..app.store.switches(&key).await? };
    app.store.save_switches(&key, &switches).await?;
    Ok(Answer::Integrations(vec![row(app, integration).await?]))
}

/// Switches auto-import by hand (P4.4).
pub(super) async fn auto_import(app: &App, name: &str, on: bool) -> Result<Answer, Failure> {
    let integration = app.integration(name)?;
    let key = integration.key();
    let switch = AutoImportSwitch { on, file_said: integration.auto_import };
    let switches = Switches { auto_import: Some(switch), ..app.store.switches(&key).await? };
    app.store.save_switches(&key, &switches).await?;
    Ok(Answer::Integrations(vec![row(app, integration).await?]))
}

/// What deleting an integration would lose, and what it would not: links of repositories that another integration on
/// the catalog knows stay.
async fn lost(app: &App, key: &IntegrationKey, deletion: Deletion) -> Result<Deletion, Failure> {
    let known = app.repositories(key).await?;
    let repositories: BTreeSet<RepoKey> = known.into_iter().map(|known| known.repository.key).collect();
    let mut links = 0;
    for link in app.store.links(&key.catalog).await? {
        if repositories.contains(&link.repo) {
            let known = app.store.integrations_of(&link.repo).await?;
            links += u64::from(!known.iter().any(|other| other != key && other.catalog == key.catalog));
        }
    }
    let decisions = app.store.decisions(&key.catalog).await?;
    let kept = decisions.iter().filter(|decision| repositories.contains(&decision.repo)).count();
    Ok(Deletion { repositories: repositories.len() as u64, links, decisions_kept: kept as u64, ..deletion })
}

/// Forgets an integration; entities and files stay as they are, and what people decided.
pub(super) async fn delete(app: &App, name: &str, dry_run: bool) -> Result<Answer, Failure> {
    let Named { name, key, is_orphaned } = find(app, name).await?;
    let asked = Deletion { name: name.clone(), workspace: place(&key), dry_run, is_orphaned, ..Deletion::default() };
    let deletion = lost(app, &key, asked).await?;
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
        if let Err(error) = app.assembler.forget_git(&key) {
            tracing::warn!(integration = %name, "its scratch repositories could not be removed: {error}");
        }
        app.write_decisions().await?;
    }
    Ok(Answer::Deleted(deletion))
}
