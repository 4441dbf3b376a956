//! What webhooks bring: a look at single repositories of an integration.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::{App, Failure, integration, sync};
use crate::config::Integration;
use crate::engine::{self, EngineError, Run};
use crate::model::{IntegrationKey, SyncId, SyncRecord, Touched, Trigger};
use crate::store::{StoreError, Switches};

/// What a look at single repositories came to.
#[derive(Debug)]
pub enum Touching {
    /// They were looked at.
    Looked {
        /// How that ended.
        record: Box<SyncRecord>,
        /// Which of them are worth another look soon.
        left: Vec<Touched>,
    },
    /// The integration rests: its next sync brings everything.
    Suspended,
    /// The config has it no more.
    Gone,
}

/// The settings in force, whenever it is asked.
pub type Current = Arc<dyn Fn() -> Arc<App> + Send + Sync>;

/// What the config and people say now of an integration; `Err`: why it is not looked at.
async fn in_force(
    current: &Current,
    key: &IntegrationKey,
) -> Result<Result<(Arc<App>, Integration, Switches), Touching>, StoreError> {
    let app = current();
    let Some(integration) = app.config.integrations.iter().find(|one| one.key() == *key).cloned() else {
        return Ok(Err(Touching::Gone));
    };
    let switches = app.store.switches(key).await?;
    if integration::is_suspended(&integration, &switches) {
        return Ok(Err(Touching::Suspended));
    }
    Ok(Ok((app, integration, switches)))
}

/// A look at single repositories, because events say that something happened there. It may wait for hours until a crawl
/// is over: what counts is what config and people say then, and again before anything is written (P2.7).
///
/// # Errors
/// [`Failure`] when it was not begun.
pub async fn touched(current: &Current, key: &IntegrationKey, touched: &[Touched]) -> Result<Touching, Failure> {
    let app = match in_force(current, key).await? {
        Ok((app, ..)) => app,
        Err(not) => return Ok(not),
    };
    let Some(lease) = engine::lease_to_look(app.store.as_ref(), key, &app.stop).await? else {
        return Err(Failure::refused("stopped before the sync that runs had ended", "it is looked at after the start"));
    };
    let (app, integration, switches) = match in_force(current, key).await? {
        Ok(in_force) => in_force,
        Err(not) => return Ok(not),
    };
    let (app, integration) = (app.as_ref(), &integration);
    let may_write = || -> BoxFuture<'static, Result<bool, StoreError>> {
        let (current, key) = (current.clone(), key.clone());
        Box::pin(async move { Ok(in_force(&current, &key).await?.is_ok()) })
    };
    let parts = app.assembler.parts(integration).await?;
    let source = app.assembler.source(integration, Some(&app.store)).await?;
    let run = Run {
        parts: &parts,
        source: source.as_ref(),
        requests_before: source.usage().requests,
        store: app.store.as_ref(),
        clock: &app.clock,
        ids: &app.ids,
        id: SyncId(app.ids.next()),
        trigger: Trigger::Webhook,
        dry_run: false,
        full: false,
        auto_import: integration::auto_import_in_force(integration, &switches),
        has_decisions_file: app.knows_decisions().await,
        interval: sync::interval(app, integration),
        notes: Vec::new(),
        stop: &app.stop,
        progress: &|_| {},
    };
    let synced = engine::look(&run, &lease, touched, &may_write).await.map_err(|error| {
        let mend = error.mend();
        match error {
            EngineError::Store(error) => error.into(),
            error => Failure::refused(error.to_string(), mend.unwrap_or_default()),
        }
    })?;
    if !synced.outcomes.is_empty() {
        app.write_decisions().await?;
    }
    Ok(Touching::Looked { record: Box::new(synced.record), left: synced.again })
}
