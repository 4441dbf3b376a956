//! `run`: the scheduler, health, commands from other terminals, config reload, and a stop that
//! checkpoints.

mod events;
mod reloading;
mod scheduling;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::events::Events;
use self::reloading::Announced;
use self::scheduling::schedule_until_stopped;
use crate::cli::remote::RunFile;
use crate::clock::Clock;
use crate::commands::App;
use crate::config::{self, Loaded, Stamp};
use crate::error::Report;
use crate::model::IntegrationKey;
use crate::server::access::{self, Access};
use crate::server::health;
use crate::server::health::Readiness;
use crate::server::listen::{self, Certificate, IsProxy, Listening};
use crate::server::webhooks::{self, queue};
use crate::server::{self, Commands, metrics};

/// How long a stop waits for syncs to reach their checkpoint.
const STOP_WITHIN: Duration = Duration::from_secs(5);

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

impl Sidecar {
    fn current(&self) -> Arc<App> {
        self.app.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
