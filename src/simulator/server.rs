//! The simulated Bitbucket as a real HTTP server with threads of its own, so that synchronous tests of the built
//! binary can use it as well as async ones.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockWriteGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::access::{Access, Credential, RateHeaders, RetryAfter};
use super::face::Face;
use super::fault::{Endpoint, Order, Orders};
use super::kept::lock;
use super::serving::{Shared, handle};
use super::tls::{Tls, TlsListener};
use super::webhooks;
use super::{DataCenterOptions, World};

/// How a simulated server behaves. The default answers everybody at once and never fails.
#[derive(Clone, Debug)]
pub struct SimulatorOptions {
    /// Where to listen; port 0: any free one.
    pub listen: SocketAddr,
    /// Who may ask; empty: everybody.
    pub credentials: Vec<Credential>,
    /// Added to every answer.
    pub latency: Duration,
    /// Requests per rolling hour, credential and pool; `None`: no limit.
    pub requests_per_hour: Option<u32>,
    /// Which rate-limit headers answers carry.
    pub rate_headers: RateHeaders,
    /// How a 429 says when to come back.
    pub retry_after: RetryAfter,
    /// How far the server's `Date` is ahead of the world's time.
    pub date_skew: chrono::Duration,
    /// What goes wrong from the start.
    pub orders: Vec<Order>,
    /// Sorting all four states of pull requests answers 500 in repositories with more pull requests than this.
    pub fail_sorted_states_over: Option<usize>,
    /// How long OAuth tokens live.
    pub oauth_token_life: chrono::Duration,
    /// Whether refresh tokens that were used are taken all the same.
    pub oauth_old_refresh_tokens: bool,
    /// Pages kept as they were sent, for the next who asks.
    pub cache_bytes: usize,
    /// Threads that answer.
    pub threads: usize,
    /// Whether each request is written down; counts always are.
    pub record_requests: bool,
    /// Plays Bitbucket Data Center, so; `None`: Bitbucket Cloud.
    pub data_center: Option<DataCenterOptions>,
    /// Serves HTTPS with this certificate instead of HTTP.
    pub tls: Option<Tls>,
}

impl Default for SimulatorOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            credentials: Vec::new(),
            latency: Duration::ZERO,
            requests_per_hour: None,
            rate_headers: RateHeaders::None,
            retry_after: RetryAfter::Absent,
            date_skew: chrono::Duration::zero(),
            orders: Vec::new(),
            fail_sorted_states_over: None,
            oauth_token_life: chrono::Duration::hours(1),
            oauth_old_refresh_tokens: false,
            cache_bytes: 64 << 20,
            threads: 2,
            record_requests: true,
            data_center: None,
            tls: None,
        }
    }
}

/// A request as it came and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRecord {
    /// HTTP method.
    pub method: String,
    /// Path and query as sent.
    pub target: String,
    /// Status answered.
    pub status: u16,
    /// Its kind.
    pub endpoint: Endpoint,
    /// Position of the credential it came with; `None` when nobody is asked, or it was refused.
    pub credential: Option<usize>,
}

/// What was asked since the start or the last reset.
#[derive(Clone, Debug, Default)]
pub struct RequestLog {
    /// How many requests.
    pub total: u64,
    /// How many by kind.
    pub by_endpoint: BTreeMap<Endpoint, u64>,
    /// How many by status.
    pub by_status: BTreeMap<u16, u64>,
    /// Each of them, in order of answering.
    pub requests: Vec<RequestRecord>,
}

impl RequestLog {
    /// How many of a kind.
    pub fn count(&self, endpoint: Endpoint) -> u64 {
        self.by_endpoint.get(&endpoint).copied().unwrap_or(0)
    }
}

/// The world of a running server, to look at and to change. Requests wait as long as it is held.
pub struct WorldGuard<'a> {
    world: RwLockWriteGuard<'a, World>,
    shared: &'a Shared,
}

impl Drop for WorldGuard<'_> {
    fn drop(&mut self) {
        self.shared.tell(&mut self.world);
    }
}

impl Deref for WorldGuard<'_> {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl DerefMut for WorldGuard<'_> {
    fn deref_mut(&mut self) -> &mut World {
        self.shared.version.fetch_add(1, Ordering::Release);
        &mut self.world
    }
}

/// A running simulated Bitbucket. It stops when dropped.
pub struct Simulator {
    shared: Arc<Shared>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Simulator {
    /// Starts a server on a world.
    ///
    /// # Errors
    /// The address cannot be listened on, or no thread can be made.
    pub async fn start(world: World, options: SimulatorOptions) -> io::Result<Self> {
        // Binding and starting a thread take a moment, not a wait.
        Self::start_blocking(world, options)
    }

    /// The same for those who are not async.
    ///
    /// # Errors
    /// As [`Simulator::start`].
    pub fn start_blocking(world: World, options: SimulatorOptions) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(options.listen)?;
        listener.set_nonblocking(true)?;
        let tls = options.tls.as_ref().map(Tls::acceptor).transpose()?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr()?);
        let face = Face::of(&options);
        let base = format!("{url}{}", face.context());
        let api = match &face {
            Face::Cloud => format!("{base}/2.0"),
            Face::DataCenter(_) => format!("{base}/rest/api/1.0"),
        };
        let (outgoing, waiting) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            outgoing,
            told: AtomicU64::new(0),
            world: RwLock::new(world),
            version: AtomicU64::new(1),
            access: Mutex::new(Access::of(options.credentials.clone())),
            orders: Mutex::new(Orders(options.orders.clone())),
            log: Mutex::default(),
            pages: Mutex::default(),
            lists: Mutex::default(),
            latency_micros: AtomicU64::new(micros(options.latency)),
            skew_seconds: AtomicI64::new(options.date_skew.num_seconds()),
            options,
            face,
            url,
            base,
            api,
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(shared.options.threads.max(1))
            .thread_name("simulator")
            .enable_all()
            .build()?;
        runtime.spawn(webhooks::send(waiting));
        let stop = CancellationToken::new();
        let (app, stopped) = (Router::new().fallback(handle).with_state(Arc::clone(&shared)), stop.clone());
        let thread = std::thread::Builder::new().name("simulator".to_owned()).spawn(move || {
            runtime.block_on(async move {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
                let done = stopped.clone().cancelled_owned();
                let serve = async move {
                    match tls {
                        Some(acceptor) => {
                            let listener = TlsListener::start(listener, acceptor)?;
                            axum::serve(listener, app).with_graceful_shutdown(done).await
                        }
                        None => {
                            let listener = listener.tap_io(|stream| {
                                // Without it small answers may be late; a system that refuses it still answers.
                                let _ = stream.set_nodelay(true);
                            });
                            axum::serve(listener, app).with_graceful_shutdown(done).await
                        }
                    }
                };
                tokio::select! {
                    _ = serve => {}
                    // Answers still under way get a moment, slow ones do not.
                    () = async { stopped.cancelled().await; tokio::time::sleep(Duration::from_millis(200)).await } => {}
                }
            });
            runtime.shutdown_background();
        })?;
        Ok(Self { shared, stop, thread: Some(thread) })
    }

    /// `http://127.0.0.1:PORT`; `https` where there is a certificate.
    pub fn url(&self) -> &str {
        &self.shared.url
    }

    /// What people call the instance's URL: with the context path of a Data Center.
    pub fn base_url(&self) -> &str {
        &self.shared.base
    }

    /// `http://127.0.0.1:PORT/2.0`; of a Data Center, the base URL and `/rest/api/1.0`.
    pub fn api_url(&self) -> &str {
        &self.shared.api
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.shared.url.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(0)
    }

    /// The world, to look at and to change. Requests wait as long as the guard is held.
    pub fn world(&self) -> WorldGuard<'_> {
        let world = self.shared.world.write().unwrap_or_else(PoisonError::into_inner);
        WorldGuard { world, shared: &self.shared }
    }

    /// What was asked so far.
    pub fn requests(&self) -> RequestLog {
        lock(&self.shared.log).clone()
    }

    /// Forgets what was asked so far.
    pub fn reset_requests(&self) {
        *lock(&self.shared.log) = RequestLog::default();
    }

    /// Orders something to go wrong.
    pub fn order(&self, order: Order) {
        lock(&self.shared.orders).0.push(order);
    }

    /// Orders that are not carried out yet, in words; a test that ordered a fault asserts that it struck.
    pub fn orders_left(&self) -> Vec<String> {
        lock(&self.shared.orders).0.iter().map(|order| format!("{order:?}")).collect()
    }

    /// Takes all orders back.
    pub fn clear_orders(&self) {
        lock(&self.shared.orders).0.clear();
    }

    /// Replaces the credentials; OAuth tokens given out end.
    pub fn set_credentials(&self, credentials: Vec<Credential>) {
        lock(&self.shared.access).replace(credentials);
        self.shared.version.fetch_add(1, Ordering::Release);
    }

    /// Changes one credential, as revoking it or taking a scope away does.
    pub fn change_credential(&self, at: usize, change: impl FnOnce(&mut Credential)) {
        if let Some(credential) = lock(&self.shared.access).credentials.get_mut(at) {
            change(credential);
        }
        self.shared.version.fetch_add(1, Ordering::Release);
    }

    /// Every code and token of OAuth that was given out: secrets, of which nothing may be seen anywhere.
    pub fn oauth_secrets(&self) -> Vec<String> {
        lock(&self.shared.access).grants.told.clone()
    }

    /// Ends every OAuth token that was given out, as its hour does.
    pub fn end_tokens(&self) {
        lock(&self.shared.access).tokens.clear();
    }

    /// Ends every login: refresh tokens are taken no more.
    pub fn end_logins(&self) {
        lock(&self.shared.access).grants.end_logins();
    }

    /// Changes how long every answer takes.
    pub fn set_latency(&self, latency: Duration) {
        self.shared.latency_micros.store(micros(latency), Ordering::Relaxed);
    }

    /// Changes how far the server's `Date` is ahead of the world's time.
    pub fn set_date_skew(&self, skew: chrono::Duration) {
        self.shared.skew_seconds.store(skew.num_seconds(), Ordering::Relaxed);
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // A panic in it was already printed.
            let _ = thread.join();
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
