//! `run`: the scheduler, health, commands from other terminals, config reload, and a stop that
//! checkpoints.

mod events;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use futures::future::BoxFuture;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use self::events::Events;
use crate::cli::remote::RunFile;
use crate::clock::Clock;
use crate::commands::{App, Exit, Failure, integration, sync};
use crate::config::{self, Integration, Loaded, Stamp};
use crate::error::{Report, shown};
use crate::model::sync::SecondaryCounts;
use crate::model::{IntegrationKey, SyncRecord, Trigger};
use crate::schedule;
use crate::server::access::{self, Access};
use crate::server::health;
use crate::server::health::Readiness;
use crate::server::listen::{self, Certificate, IsProxy, Listening};
use crate::server::webhooks::{self, queue};
use crate::server::{self, Commands, metrics};

/// How often the config file is looked at.
const LOOK_AT_CONFIG_EVERY: chrono::Duration = chrono::Duration::seconds(5);
/// How long a stop waits for syncs to reach their checkpoint.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// How often old records are dropped.
const EXPIRE_EVERY: chrono::Duration = chrono::Duration::hours(24);
/// An integration whose sync could not begin is tried again after this.
const RETRY_AFTER: chrono::Duration = chrono::Duration::minutes(1);

/// How the sidecar gets a new config: reads the file again.
pub type Reload = Box<dyn Fn() -> Result<Loaded, Report> + Send + Sync>;
/// Makes an app for a config over the same store.
pub type Rebuild = Box<dyn Fn(crate::config::Config) -> App + Send + Sync>;

/// A running sidecar.
pub struct Sidecar {
    app: RwLock<Arc<App>>,
    work: Mutex<JoinSet<()>>,
    clock: Clock,
    stop: CancellationToken,
    woken: Notify,
    /// Integrations whose sync runs now.
    running: Mutex<BTreeMap<IntegrationKey, DateTime<Utc>>>,
    /// The files of the config as they were when last read.
    stamp: Mutex<Stamp>,
    /// A changed config waits for a sync to end.
    is_postponed: AtomicBool,
    /// Not before this, after a sync that could not begin.
    not_before: Mutex<BTreeMap<IntegrationKey, DateTime<Utc>>>,
    /// What commands find us by, and the stores it lies in.
    announced: Mutex<Option<Announced>>,
    /// Webhooks on their way.
    events: Events,
    /// Where it listens: that of its start, whatever the config says meanwhile.
    listeners: Listeners,
}

/// What only a start can change.
#[derive(PartialEq, Eq)]
struct Listeners {
    listen: SocketAddr,
    webhook_listen: Option<SocketAddr>,
    health_listen: Option<SocketAddr>,
    tls: Option<config::Tls>,
}

impl Listeners {
    fn of(server: &config::Server) -> Self {
        let config::Server { listen, webhook_listen, health_listen, tls, .. } = server.clone();
        Self { listen, webhook_listen, health_listen, tls }
    }
}

/// `run.json`, in the store in force and in the one the config names meanwhile.
struct Announced {
    run: RunFile,
    stores: BTreeSet<PathBuf>,
}

impl Commands for Sidecar {
    fn app(&self) -> Arc<App> {
        self.current()
    }

    fn spawn(&self, work: BoxFuture<'static, ()>) {
        self.work.lock().unwrap_or_else(PoisonError::into_inner).spawn(work);
    }
}

/// What `run` needs.
pub struct Settings {
    /// With the first config.
    pub app: App,
    /// Of that config's files.
    pub stamp: Stamp,
    /// Reads the config again.
    pub reload: Reload,
    /// Makes an app for a new config.
    pub rebuild: Rebuild,
    /// The store's directory, where `run.json` goes.
    pub store: PathBuf,
    /// A random token for `run.json`.
    pub token: String,
    /// Somebody looks at the terminal: gets the sign-in link, where no tokens are configured.
    pub terminal: Option<access::Terminal>,
    /// Cancelled by SIGTERM and SIGINT.
    pub stop: CancellationToken,
    /// Notified by SIGHUP.
    pub hangup: Arc<Notify>,
}

/// Runs until stopped.
///
/// # Errors
/// A port that is taken, or `run.json` that cannot be written; nothing was started then.
pub async fn run(settings: Settings) -> Result<(), Report> {
    let Settings { app, stamp, reload, rebuild, store, token, terminal, stop, hangup } = settings;
    let server = app.config.server.clone();
    let readiness = Arc::new(Readiness::default());
    let sidecar = Arc::new(Sidecar {
        clock: app.clock.clone(),
        app: RwLock::new(Arc::new(app)),
        work: Mutex::default(),
        stop: stop.clone(),
        woken: Notify::new(),
        running: Mutex::default(),
        not_before: Mutex::default(),
        stamp: Mutex::new(stamp),
        is_postponed: AtomicBool::default(),
        announced: Mutex::default(),
        events: Events::default(),
        listeners: Listeners::of(&server),
    });

    let listener = server::bind(server.listen, "server.listen").await?;
    let address = listener.local_addr().map_err(|error| Report::new("the listener has no address", &error, None))?;
    let certificate = match &server.tls {
        Some(files) => Some(Arc::new(Certificate::open(files).map_err(|error| {
            let mend = Some(error.mend().to_owned());
            Report::new("TLS cannot be served", &error, mend)
        })?)),
        None => None,
    };
    let commands: Arc<dyn Commands> = sidecar.clone();
    let terminal = terminal.map(|tell| on_the_terminal(tell, &server, address));
    let settings =
        access::Settings { run_token: token.clone(), has_tls: certificate.is_some(), port: address.port(), terminal };
    let access = Access::open(commands.clone(), settings)
        .await
        .map_err(|error| Report::new("the sessions could not be read", &error, error.mend()))?;
    let (waiting, keeper) = queue::queue(sidecar.current().store.clone(), sidecar.events.kept.clone());
    let parts = server::Parts {
        webhooks: webhooks::routes(commands.clone(), waiting),
        health: health::routes(readiness.clone(), sidecar.current().reloads.clone())
            .merge(metrics::routes(sidecar.clone())),
        access: access.clone(),
        run_token: token.clone(),
        commands,
    };
    let served = parts.served(&server);
    let stop_serving = CancellationToken::new();
    let mut servers = JoinSet::new();
    let mut serve = |listener, router, certificate| {
        let access = access.clone();
        let is_proxy: IsProxy = Arc::new(move |peer| access.is_proxy(peer));
        let listening = Listening { listener, router, certificate, is_proxy };
        servers.spawn(listen::serve(listening, stop_serving.clone()));
    };
    if let (Some(at), Some(router)) = (server.webhook_listen, served.webhooks) {
        serve(server::bind(at, "server.webhook_listen").await?, router, certificate.clone());
    }
    if let (Some(at), Some(router)) = (server.health_listen, served.health) {
        serve(server::bind(at, "server.health_listen").await?, router, None);
    }
    // Whoever is on this host need not know under which name the certificate is.
    let for_terminals = match certificate {
        Some(_) => {
            let listener = server::bind(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0), "server.listen").await?;
            let address = listener.local_addr();
            serve(listener, parts.terminal(), None);
            address.map_err(|error| Report::new("the listener has no address", &error, None))?
        }
        None => reachable(address),
    };
    serve(listener, served.main, certificate);
    servers.spawn(async move {
        keeper.run().await;
    });
    sidecar.spawn(Box::pin(events::work(sidecar.clone())));

    let run_file = RunFile {
        address: format!("http://{for_terminals}"),
        token,
        pid: std::process::id(),
        store: store.clone(),
        config: sidecar.current().config.path.clone(),
    };
    run_file.write(&store).map_err(|error| {
        Report::new(
            "run.json could not be written into the store",
            &error,
            Some("check free space and permissions of the store directory".to_owned()),
        )
    })?;
    let stores = BTreeSet::from([store.clone()]);
    *sidecar.announced.lock().unwrap_or_else(PoisonError::into_inner) = Some(Announced { run: run_file, stores });
    readiness.set(true);
    info!(%address, "running");
    access.show_link();

    schedule_until_stopped(&sidecar, &reload, &rebuild, &hangup).await;

    readiness.set(false);
    info!("stopping: syncs go to their next checkpoint");
    finish(&sidecar).await;
    stop_serving.cancel();
    sidecar.announce_nowhere();
    // Connections that stay open are not worth waiting for.
    let _ =
        tokio::time::timeout(Duration::from_millis(500), async { while servers.join_next().await.is_some() {} }).await;
    info!("stopped");
    Ok(())
}

/// An address as one connects to it.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Tells whole links: a terminal makes them clickable.
fn on_the_terminal(tell: access::Terminal, server: &config::Server, address: SocketAddr) -> access::Terminal {
    let scheme = if server.tls.is_some() { "https" } else { "http" };
    let here = format!("{scheme}://{}", reachable(address));
    let base = server.public_url.as_ref().map_or(here, |url| url.as_str().trim_end_matches('/').to_owned());
    Box::new(move |path| tell(&format!("{base}{path}")))
}

/// Waits for running work, but not longer than a supervisor would.
async fn finish(sidecar: &Sidecar) {
    let mut work = std::mem::take(&mut *sidecar.work.lock().unwrap_or_else(PoisonError::into_inner));
    let all = async { while work.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_WITHIN, all).await.is_err() {
        warn!("a sync did not reach a checkpoint in time; the next one goes on from the last");
    }
}

/// The loop: what is due is started, the config is looked at, old records go.
async fn schedule_until_stopped(sidecar: &Arc<Sidecar>, reload: &Reload, rebuild: &Rebuild, hangup: &Notify) {
    let mut next_look = sidecar.clock.now() + LOOK_AT_CONFIG_EVERY;
    let mut next_expiry = sidecar.clock.now();
    let reloads = sidecar.current().reloads.clone();
    while !sidecar.stop.is_cancelled() {
        let now = sidecar.clock.now();
        if now >= next_expiry {
            expire(&sidecar.current()).await;
            next_expiry = now + EXPIRE_EVERY;
        }
        let next_run = sidecar.start_due(now).await;
        let wake = next_run.map_or(next_look, |next| next.min(next_look));
        tokio::select! {
            () = sidecar.stop.cancelled() => break,
            () = sidecar.woken.notified() => {}
            () = reloads.wanted() => sidecar.reload(reload, rebuild).await,
            () = hangup.notified() => sidecar.reload(reload, rebuild).await,
            () = sidecar.clock.sleep_until(wake) => {}
        }
        // Also when the clock jumped back: then `next_look` would be far away.
        let now = sidecar.clock.now();
        if now >= next_look || next_look - now > LOOK_AT_CONFIG_EVERY {
            if sidecar.config_changed() {
                sidecar.reload(reload, rebuild).await;
            }
            next_look = now + LOOK_AT_CONFIG_EVERY;
        }
        sidecar.reap();
    }
}

async fn expire(app: &App) {
    match sync::expire(app).await {
        Ok(0) => {}
        Ok(records) => info!(records, "dropped old records"),
        Err(failed) => {
            let mend = failed.mend();
            warn!("{}", Report::new("old records could not be dropped", &failed, mend).one_line());
        }
    }
}

impl Sidecar {
    fn current(&self) -> Arc<App> {
        self.app.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes over a changed config; a bad one is reported and the old one stays.
    async fn reload(self: &Arc<Self>, reload: &Reload, rebuild: &Rebuild) {
        let mut loaded = match reload() {
            Ok(loaded) => loaded,
            Err(report) => {
                let stamp = self.stamp.lock().unwrap_or_else(PoisonError::into_inner).renewed();
                return self.keep_old(stamp, report);
            }
        };
        let before = self.current();
        self.announce_in(&loaded.config.store, &before.config.store);
        // Until the next start everything goes on with the store in force: also what lies beside the records.
        loaded.config.store.clone_from(&before.config.store);
        if Listeners::of(&loaded.config.server) != self.listeners {
            warn!(
                "an address or `tls` of `server` changed in the config: it takes effect when catalog-sync is started again"
            );
        }
        // What is counted goes on.
        let app = Arc::new(App { metrics: before.metrics.clone(), ..rebuild(loaded.config) });
        // Held until the new config is in force: nobody begins a sync under a name that is no more.
        let _carried = match app.carry_over_renamed().await {
            Ok(carried) => carried,
            Err(failure) if failure.exit == Exit::Refused => {
                // Looked at again in a moment; told once.
                if !self.is_postponed.swap(true, Ordering::Relaxed) {
                    info!("{}: until then, the old config stays in force", failure.report.one_line());
                }
                return;
            }
            Err(failure) => return self.keep_old(loaded.stamp, failure.report),
        };
        self.is_postponed.store(false, Ordering::Relaxed);
        let taken_up = match app.read_decisions().await {
            Ok(()) => app.end_lapsed_switches().await.map_err(Failure::from),
            Err(failure) => Err(failure),
        };
        match taken_up {
            Ok(()) => {
                *self.stamp.lock().unwrap_or_else(PoisonError::into_inner) = loaded.stamp;
                app.reloads.take_up();
                *self.app.write().unwrap_or_else(PoisonError::into_inner) = app;
                info!("the config was read again");
            }
            Err(failure) => self.keep_old(loaded.stamp, failure.report),
        }
    }

    /// Logged once: a config that cannot be taken up is looked at again when it changes again. Until then pages, metrics
    /// and `/readyz` tell of it.
    fn keep_old(&self, stamp: Stamp, report: Report) {
        *self.stamp.lock().unwrap_or_else(PoisonError::into_inner) = stamp;
        error!("{}; the old config stays in force", report.one_line());
        self.current().reloads.refuse(self.clock.now(), report);
    }

    /// Commands read the config as well: they find us by the store it names, whichever we work on.
    fn announce_in(&self, named: &Path, in_force: &Path) {
        let mut announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Announced { run, stores }) = announced.as_mut() else { return };
        for old in stores.iter().filter(|store| *store != named && *store != in_force) {
            run.remove(old);
        }
        stores.retain(|store| store == named || store == in_force);
        if named == in_force {
            return;
        }
        warn!("`store` changed in the config: it takes effect when catalog-sync is started again");
        match run.point_from(named) {
            Ok(()) => drop(stores.insert(named.to_owned())),
            Err(error) => warn!(
                "commands that read this config will not find this process: {} could not be written: {error}",
                shown(&RunFile::path(named))
            ),
        }
    }

    fn announce_nowhere(&self) {
        let announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Announced { run, stores }) = announced {
            stores.iter().for_each(|store| run.remove(store));
        }
    }

    /// Whether the files of the config differ from what was read.
    fn config_changed(&self) -> bool {
        self.stamp.lock().unwrap_or_else(PoisonError::into_inner).has_changed()
    }

    /// Starts every sync that is due, and tells when the next one will be.
    async fn start_due(self: &Arc<Self>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let app = self.current();
        let mut next: Option<DateTime<Utc>> = None;
        for integration in &app.config.integrations {
            let key = integration.key();
            let is_started = self.running.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&key);
            // By hand: looked at again in a moment.
            if is_started || app.running.is_syncing(&key) {
                continue;
            }
            let due = match self.due(&app, integration, now).await {
                Ok(Some(due)) => due,
                Ok(None) => continue,
                Err(failure) => {
                    error!(integration = integration.name, "{}", failure.report.one_line());
                    now + RETRY_AFTER
                }
            };
            if due <= now {
                self.start(app.clone(), integration.clone(), now);
            } else {
                next = Some(next.map_or(due, |next: DateTime<Utc>| next.min(due)));
            }
        }
        next
    }

    /// When an integration is due; `None`: it rests.
    async fn due(
        &self,
        app: &App,
        integration: &Integration,
        now: DateTime<Utc>,
    ) -> Result<Option<DateTime<Utc>>, Failure> {
        let key = integration.key();
        let switches = app.store.switches(&key).await?;
        if integration::is_suspended(integration, &switches) {
            return Ok(None);
        }
        let state = app.store.integration(&key).await?;
        let last = state.as_ref().and_then(|state| state.last_started_at);
        let due = schedule::next_due(&integration.update_every, &key, last, now);
        // A sweep that the budget ended goes on as soon as it may: left for hours, it would start over.
        let resume_at = state.and_then(|state| state.discovery.sweep).and_then(|sweep| sweep.resume_at);
        let resume_at = resume_at.filter(|at| last.is_none_or(|last| *at > last));
        let due = due.map(|due| resume_at.map_or(due, |resume_at| due.min(resume_at)));
        let not_before = self.not_before.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
        Ok(due.map(|due| not_before.map_or(due, |not_before| due.max(not_before))))
    }

    fn start(self: &Arc<Self>, app: Arc<App>, integration: Integration, now: DateTime<Utc>) {
        let key = integration.key();
        let under_way = UnderWay::begin(self.clone(), key.clone(), now);
        let sidecar = self.clone();
        let work = async move {
            let _under_way = under_way;
            let name = integration.name.clone();
            info!(integration = name, "sync begins");
            match sync::one(&app, &integration, Trigger::Schedule, false, &|_| {}).await {
                Ok(record) => {
                    // What cannot be told now is told when it is due.
                    let next = sidecar.due(&app, &integration, sidecar.clock.now()).await.ok().flatten();
                    tell(&name, &record, next);
                }
                Err(failure) => {
                    error!(integration = name, "sync did not begin: {}", failure.report.one_line());
                    sidecar.rest(&key);
                }
            }
        };
        self.spawn(Box::pin(work));
    }

    /// Not again before a moment has passed.
    fn rest(&self, key: &IntegrationKey) {
        let mut not_before = self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        not_before.insert(key.clone(), self.clock.now() + RETRY_AFTER);
    }

    /// Forgets finished work; a panic in it is told, not swallowed.
    fn reap(&self) {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(ended) = work.try_join_next() {
            if let Err(failed) = ended {
                error!("a task ended unexpectedly: {failed}; please report this with the log");
            }
        }
    }
}

/// One integration's sync under way, whatever ends it: also a panic, which must not keep it from ever being
/// synced again.
struct UnderWay {
    sidecar: Arc<Sidecar>,
    key: IntegrationKey,
}

impl UnderWay {
    fn begin(sidecar: Arc<Sidecar>, key: IntegrationKey, now: DateTime<Utc>) -> Self {
        sidecar.running.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), now);
        Self { sidecar, key }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.sidecar.rest(&self.key);
        }
        self.sidecar.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
        self.sidecar.woken.notify_one();
    }
}

/// What somebody who looks at the log wants to know: how it ended, what it found and took, and when it comes again.
fn tell(name: &str, record: &SyncRecord, next: Option<DateTime<Utc>>) {
    let stored = |counts: &Option<SecondaryCounts>| counts.as_ref().map(|counts| counts.stored);
    info!(
        integration = name,
        sync = %record.id,
        outcome = record.outcome.as_str(),
        duration_ms = record.duration_ms,
        requests = record.requests,
        seen = record.repositories.seen,
        new = record.repositories.new,
        changed = record.repositories.changed,
        gone = record.repositories.gone,
        pull_requests = stored(&record.secondary.pull_requests),
        commits = stored(&record.secondary.commits),
        imported = record.imported.registered + record.imported.merged,
        updated = record.imported.updated,
        held = record.held.len(),
        errors = record.errors.len(),
        next_run = next.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true)),
        "sync ended"
    );
    for failed in &record.errors {
        warn!(integration = name, stage = failed.stage, repository = failed.repository, "{}", failed.message);
    }
    for held in record.held.iter().filter(|held| held.approvable) {
        warn!(integration = name, repository = held.repository, "held: {}", held.reason);
    }
    for note in &record.notes {
        info!(integration = name, "{note}");
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::Cli;
    use crate::cli::{Start, local};
    use crate::config::{Config, Environment, LoadOptions};
    use crate::store::sled::SledStore;

    const CONFIG: &str = "\
connectors:
  acme: { type: bitbucket_cloud, url: https://bitbucket.org/acme, auth: { access_token: { env: TOKEN } } }
catalogs:
  main: { directory: { path: ./catalog } }
integrations:
  - { name: acme, connector: acme, catalog: main }
";

    fn start(folder: &Path) -> Start {
        Start {
            cli: Cli::parse_from(["catalog-sync", "run"]),
            environment: Environment::new([("TOKEN", "a token")]),
            working_directory: folder.to_owned(),
            stop: CancellationToken::new(),
        }
    }

    fn load(start: &Start, now: DateTime<Utc>) -> Loaded {
        let folder = &start.working_directory;
        let options = LoadOptions {
            config: Some(&folder.join("catalog-sync.yaml")),
            store: None,
            listen: None,
            environment: &start.environment,
            working_directory: folder,
            now,
        };
        Config::load(&options).unwrap()
    }

    async fn sidecar(folder: &Path, clock: Clock) -> Arc<Sidecar> {
        std::fs::write(folder.join("catalog-sync.yaml"), CONFIG).unwrap();
        let start = start(folder);
        let stop = start.stop.clone();
        let Loaded { config, stamp, .. } = load(&start, clock.now());
        let store = Arc::new(SledStore::temporary().await.unwrap());
        let listeners = Listeners::of(&config.server);
        let app = local::app(&start, config, store, clock.clone());
        Arc::new(Sidecar {
            listeners,
            app: RwLock::new(Arc::new(app)),
            work: Mutex::default(),
            clock,
            stop,
            woken: Notify::new(),
            running: Mutex::default(),
            stamp: Mutex::new(stamp),
            is_postponed: AtomicBool::default(),
            not_before: Mutex::default(),
            announced: Mutex::default(),
            events: Events::default(),
        })
    }

    // P4.13: integration and catalog are called otherwise while a sync runs: the new config waits for its end, and
    // nothing is synced under two names.
    #[tokio::test]
    async fn a_renamed_integration_waits_for_its_sync_to_end_p4_13() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual("2026-11-21T12:00:00Z".parse().unwrap());
        let sidecar = sidecar(folder.path(), clock.clone()).await;
        let before = sidecar.current();
        let (old, store) = (before.config.integrations[0].key(), before.store.clone());
        let lease = store.crawl_lease(&old, Duration::ZERO).await.unwrap().unwrap();
        let state = crate::store::IntegrationState {
            key: old.clone(),
            name: "acme".to_owned(),
            created_at: clock.now(),
            discovery: Default::default(),
            locked_kinds: None,
            start_date: None,
            last_started_at: Some(clock.now()),
            rules_hash: None,
            correlated: None,
            notes: Default::default(),
        };
        store.save_integration(&lease, &state).await.unwrap();
        let renamed = CONFIG.replace("main", "golden").replace("name: acme", "name: shop, renamed_from: acme");
        std::fs::write(folder.path().join("catalog-sync.yaml"), renamed).unwrap();
        let (start, now) = (start(folder.path()), clock.now());
        let reading = start.clone();
        let reload: Reload = Box::new(move || Ok(load(&reading, now)));
        let over = store.clone();
        let rebuild: Rebuild = Box::new(move |config| local::app(&start, config, over.clone(), clock.clone()));

        sidecar.reload(&reload, &rebuild).await;
        assert_eq!(sidecar.current().config.integrations[0].name, "acme", "a sync runs");
        assert!(sidecar.config_changed(), "it is looked at again");
        drop(lease);
        sidecar.reload(&reload, &rebuild).await;
        let new = sidecar.current().config.integrations[0].key();
        assert_eq!(new.catalog, "golden");
        assert!(!sidecar.config_changed());
        let states = store.integrations().await.unwrap();
        let carried: Vec<_> = states.iter().map(|state| (&state.key, state.name.as_str())).collect();
        assert_eq!(carried, [(&new, "shop")]);
        assert!(store.crawl_lease(&old, Duration::ZERO).await.unwrap().is_some(), "nothing is held on to");
    }

    // P7.2: a panic in one sync never stops the scheduler: the sync counts as over and comes again in a moment.
    #[tokio::test]
    async fn a_panic_in_a_sync_ends_that_sync_alone_p7_2() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual("2026-11-21T12:00:00Z".parse().unwrap());
        let sidecar = sidecar(folder.path(), clock.clone()).await;
        let app = sidecar.current();
        let integration = &app.config.integrations[0];
        let now = clock.now();
        let under_way = UnderWay::begin(sidecar.clone(), integration.key(), now);
        assert_eq!(sidecar.start_due(now).await, None, "it runs: no second one beside it");
        sidecar.spawn(Box::pin(async move {
            let _under_way = under_way;
            panic!("as a bug would");
        }));
        sidecar.woken.notified().await;
        assert_eq!(sidecar.start_due(now).await, Some(now + RETRY_AFTER), "again, but not at once");
        assert!(sidecar.running.lock().unwrap().is_empty());
        sidecar.reap();
        clock.advance(RETRY_AFTER);
        sidecar.start_due(clock.now()).await;
        assert!(sidecar.running.lock().unwrap().contains_key(&integration.key()), "it is due again, and begins");
        sidecar.stop.cancel();
    }
}
