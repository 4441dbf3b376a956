//! The simulated Bitbucket as a real HTTP server with threads of its own, so that synchronous tests of the built
//! binary can use it as well as async ones.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use axum::serve::ListenerExt as _;
use chrono::{DateTime, Utc};
use futures::stream;
use tokio_util::sync::CancellationToken;
use url::form_urlencoded;

use super::World;
use super::access::{Access, Allowance, Credential, RateHeaders, RetryAfter, decode_basic, missing_scopes};
use super::api::{Listings, Refusal, Request, Route};
use super::fault::{Endpoint, Fault, Order, Orders, spoil};

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
    /// Pages kept as they were sent, for the next who asks.
    pub cache_bytes: usize,
    /// Threads that answer.
    pub threads: usize,
    /// Whether each request is written down; counts always are.
    pub record_requests: bool,
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
            cache_bytes: 64 << 20,
            threads: 2,
            record_requests: true,
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

/// What the handlers share.
struct Shared {
    world: RwLock<World>,
    /// Goes up with every change of the world; what was drawn before is not sent again.
    version: AtomicU64,
    access: Mutex<Access>,
    orders: Mutex<Orders>,
    log: Mutex<RequestLog>,
    pages: Mutex<Pages>,
    lists: Mutex<Lists>,
    latency_micros: AtomicU64,
    skew_seconds: AtomicI64,
    options: SimulatorOptions,
    /// `http://host:port`
    url: String,
    api: String,
}

/// Pages as they were sent.
#[derive(Default)]
struct Pages {
    version: u64,
    bytes: usize,
    known: HashMap<(Option<usize>, String), Bytes>,
}

/// Lists filtered and sorted.
#[derive(Default)]
struct Lists {
    version: u64,
    known: HashMap<String, Arc<Vec<u32>>>,
}

/// A thread that panicked while it held a lock left whole data behind: every change here is one assignment or insert.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The world of a running server, to look at and to change. Requests wait as long as it is held.
pub struct WorldGuard<'a> {
    world: RwLockWriteGuard<'a, World>,
    version: &'a AtomicU64,
}

impl Deref for WorldGuard<'_> {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl DerefMut for WorldGuard<'_> {
    fn deref_mut(&mut self) -> &mut World {
        self.version.fetch_add(1, Ordering::Release);
        &mut self.world
    }
}

/// A running simulated Bitbucket Cloud. It stops when dropped.
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
        let url = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Shared {
            world: RwLock::new(world),
            version: AtomicU64::new(1),
            access: Mutex::new(Access::of(options.credentials.clone())),
            orders: Mutex::new(Orders(options.orders.clone())),
            log: Mutex::default(),
            pages: Mutex::default(),
            lists: Mutex::default(),
            latency_micros: AtomicU64::new(micros(options.latency)),
            skew_seconds: AtomicI64::new(options.date_skew.num_seconds()),
            api: format!("{url}/2.0"),
            url,
            options,
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(shared.options.threads.max(1))
            .thread_name("simulator")
            .enable_all()
            .build()?;
        let stop = CancellationToken::new();
        let (app, stopped) = (Router::new().fallback(handle).with_state(Arc::clone(&shared)), stop.clone());
        let thread = std::thread::Builder::new().name("simulator".to_owned()).spawn(move || {
            runtime.block_on(async move {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
                let listener = listener.tap_io(|stream| {
                    // Without it small answers may be late; a system that refuses it still answers.
                    let _ = stream.set_nodelay(true);
                });
                let serve = axum::serve(listener, app).with_graceful_shutdown(stopped.clone().cancelled_owned());
                tokio::select! {
                    _ = async { serve.await } => {}
                    // Answers still under way get a moment, slow ones do not.
                    () = async { stopped.cancelled().await; tokio::time::sleep(Duration::from_millis(200)).await } => {}
                }
            });
            runtime.shutdown_background();
        })?;
        Ok(Self { shared, stop, thread: Some(thread) })
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> &str {
        &self.shared.url
    }

    /// `http://127.0.0.1:PORT/2.0`
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
        WorldGuard { world, version: &self.shared.version }
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

/// An answer in the making.
struct Answer {
    status: u16,
    content_type: String,
    body: Bytes,
    headers: Vec<(&'static str, String)>,
    /// The connection closes in the middle of the body.
    breaks_off: bool,
}

const JSON: &str = "application/json; charset=utf-8";

impl Answer {
    fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            content_type: content_type.to_owned(),
            body: body.into(),
            headers: Vec::new(),
            breaks_off: false,
        }
    }

    fn refused(refusal: &Refusal) -> Self {
        let mut answer = Self::new(refusal.status, JSON, refusal.body.to_string());
        if refusal.status == 401 {
            answer.headers.push(("www-authenticate", "Basic realm=\"Bitbucket.org HTTP\"".to_owned()));
        }
        answer
    }
}

async fn handle(State(shared): State<Arc<Shared>>, request: axum::extract::Request) -> Response {
    let (parts, body) = request.into_parts();
    let form = if parts.method == Method::POST {
        let bytes = axum::body::to_bytes(body, 4 << 20).await.unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    } else {
        String::new()
    };
    let latency = shared.latency_micros.load(Ordering::Relaxed);
    if latency > 0 {
        tokio::time::sleep(Duration::from_micros(latency)).await;
    }
    let authorization = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let asked = Asked {
        method: &parts.method,
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        form: &form,
        authorization,
    };
    let (answer, late) = shared.answer(&asked);
    if let Some(late) = late {
        tokio::time::sleep(late).await;
    }
    response(answer)
}

/// A request as it came.
struct Asked<'a> {
    method: &'a Method,
    path: &'a str,
    query: &'a str,
    form: &'a str,
    authorization: Option<&'a str>,
}

impl Shared {
    fn now(&self) -> DateTime<Utc> {
        self.world.read().unwrap_or_else(PoisonError::into_inner).now()
    }

    fn answer(&self, asked: &Asked<'_>) -> (Answer, Option<Duration>) {
        let now = self.now();
        let target =
            if asked.query.is_empty() { asked.path.to_owned() } else { format!("{}?{}", asked.path, asked.query) };
        let below = asked.path.strip_prefix("/2.0/");
        let route = Route::parse(below.unwrap_or("none"));
        let endpoint = if asked.path == "/site/oauth2/access_token" { Endpoint::Token } else { route.endpoint };
        let mut who = None;
        let mut late = None;
        let mut answer = self.admit(asked, endpoint, &route, now, &mut who).map_or_else(
            |refused| refused,
            |allowance| {
                let fault = lock(&self.orders).strike(endpoint, route.full_name().as_deref(), asked.query);
                let mut answer = match (fault, endpoint) {
                    (Some(fault), _) => {
                        let (answer, by) = self.faulty(&fault, asked, endpoint, &route, who, &target, now);
                        late = by;
                        answer
                    }
                    (None, Endpoint::Token) => self.token(asked, now),
                    (None, _) => self.plain(asked, &route, who, &target),
                };
                if let Some(allowance) = allowance {
                    answer.headers.extend(rate_headers(self.options.rate_headers, allowance, route.pool()));
                }
                answer
            },
        );
        let skew = chrono::Duration::seconds(self.skew_seconds.load(Ordering::Relaxed));
        answer.headers.push(("date", httpdate::fmt_http_date((now + skew).into())));
        let mut log = lock(&self.log);
        log.total += 1;
        *log.by_endpoint.entry(endpoint).or_default() += 1;
        *log.by_status.entry(answer.status).or_default() += 1;
        if self.options.record_requests {
            let method = asked.method.to_string();
            log.requests.push(RequestRecord { method, target, status: answer.status, endpoint, credential: who });
        }
        (answer, late)
    }

    /// Who asks, and whether they may ask now.
    fn admit(
        &self,
        asked: &Asked<'_>,
        endpoint: Endpoint,
        route: &Route,
        now: DateTime<Utc>,
        who: &mut Option<usize>,
    ) -> Result<Option<Allowance>, Answer> {
        if endpoint == Endpoint::Token {
            return Ok(None);
        }
        let mut access = lock(&self.access);
        *who = access.who(asked.authorization, now).map_err(|()| Answer::refused(&Refusal::unauthorized()))?;
        let allowance = access.spend(*who, route.pool(), self.options.requests_per_hour, now).map_err(|allowance| {
            let mut answer = rate_limited(self.options.retry_after, allowance.free_in, now);
            answer.headers.extend(rate_headers(self.options.rate_headers, allowance, route.pool()));
            answer
        })?;
        if let Some(credential) = who.and_then(|at| access.credentials.get(at)) {
            let missing = missing_scopes(credential, route.scopes());
            if !missing.is_empty() {
                let granted = credential.scopes.as_deref().unwrap_or_default();
                return Err(Answer::refused(&Refusal::scopes(&missing, granted)));
            }
        }
        Ok(allowance)
    }

    /// The right answer.
    fn plain(&self, asked: &Asked<'_>, route: &Route, who: Option<usize>, target: &str) -> Answer {
        let credential = who.and_then(|at| lock(&self.access).credentials.get(at).cloned());
        let sees_less =
            credential.as_ref().is_some_and(|known| known.repositories.is_some() || known.workspaces.is_some());
        let key = (who.filter(|_| sees_less), target.to_owned());
        let world = self.world.read().unwrap_or_else(PoisonError::into_inner);
        // Read under the lock that every change takes: page and version belong together.
        let version = self.version.load(Ordering::Acquire);
        let is_kept = *asked.method == Method::GET;
        if is_kept {
            let mut pages = lock(&self.pages);
            if pages.version != version {
                *pages = Pages { version, ..Pages::default() };
            }
            if let Some(body) = pages.known.get(&key) {
                return Answer::new(200, JSON, body.clone());
            }
        }
        let request = Request {
            world: &world,
            api: &self.api,
            route,
            method: asked.method,
            path: asked.path,
            query: asked.query,
            form: asked.form,
            credential: credential.as_ref(),
            fail_sorted_states_over: self.options.fail_sorted_states_over,
            listings: self,
        };
        match request.answer() {
            Err(refusal) => Answer::refused(&refusal),
            Ok(text) => {
                let body = Bytes::from(text);
                let mut pages = lock(&self.pages);
                if is_kept && pages.version == version && body.len() <= self.options.cache_bytes {
                    if pages.bytes + body.len() > self.options.cache_bytes {
                        *pages = Pages { version, ..Pages::default() };
                    }
                    pages.bytes += body.len();
                    pages.known.insert(key, body.clone());
                }
                Answer::new(200, JSON, body)
            }
        }
    }

    /// What is answered when something goes wrong.
    #[allow(clippy::too_many_arguments)]
    fn faulty(
        &self,
        fault: &Fault,
        asked: &Asked<'_>,
        endpoint: Endpoint,
        route: &Route,
        who: Option<usize>,
        target: &str,
        now: DateTime<Utc>,
    ) -> (Answer, Option<Duration>) {
        let right = || match endpoint {
            Endpoint::Token => self.token(asked, now),
            _ => self.plain(asked, route, who, target),
        };
        let answer = match fault {
            Fault::Status(401) => Answer::refused(&Refusal::unauthorized()),
            Fault::Status(403) => Answer::refused(&Refusal::scopes(route.scopes(), &[])),
            Fault::Status(404) => Answer::refused(&Refusal::new(404, "Resource not found")),
            Fault::Status(429) => rate_limited(self.options.retry_after, chrono::Duration::hours(1), now),
            Fault::Status(status) => Answer::refused(&Refusal::new(*status, "Something went wrong")),
            Fault::Answer { status, content_type, body } => Answer::new(*status, content_type, body.clone()),
            Fault::RateLimited(retry_after) => rate_limited(*retry_after, chrono::Duration::seconds(7), now),
            Fault::HtmlPage => Answer::new(200, "text/html; charset=utf-8", LOGIN_PAGE),
            Fault::WrongContentType => Answer { content_type: "text/html".to_owned(), ..right() },
            Fault::TruncatedJson => {
                let answer = right();
                let half = answer.body.len() / 2;
                Answer { body: answer.body.slice(..half), ..answer }
            }
            Fault::ConnectionClosed => Answer { breaks_off: true, ..right() },
            Fault::Slow(by) => return (right(), Some(*by)),
            Fault::Redirect(to) => {
                let mut answer = Answer::new(302, JSON, Bytes::new());
                answer.headers.push(("location", to.clone()));
                answer
            }
            Fault::Then(hook) => {
                let answer = right();
                let mut world = self.world.write().unwrap_or_else(PoisonError::into_inner);
                self.version.fetch_add(1, Ordering::Release);
                (hook.0)(&mut world);
                answer
            }
            Fault::HugeBody { .. }
            | Fault::NextIs(_)
            | Fault::NextIsItself
            | Fault::NextIsFirst
            | Fault::BadRow { .. }
            | Fault::SizeMissing
            | Fault::SizeIs(_) => {
                let answer = right();
                let own_url = format!("{}{target}", self.url);
                let spoilt = std::str::from_utf8(&answer.body).ok().and_then(|body| spoil(body, fault, &own_url));
                match spoilt {
                    Some(body) => Answer { body: body.into(), ..answer },
                    None => answer,
                }
            }
        };
        (answer, None)
    }

    /// OAuth's client credentials grant. It gives no refresh token.
    fn token(&self, asked: &Asked<'_>, now: DateTime<Utc>) -> Answer {
        let form: HashMap<String, String> = form_urlencoded::parse(asked.form.as_bytes()).into_owned().collect();
        let field = |name: &str| form.get(name).cloned().unwrap_or_default();
        let error = |status, error: &str, why: &str| {
            Answer::new(status, JSON, serde_json::json!({"error": error, "error_description": why}).to_string())
        };
        if *asked.method != Method::POST {
            return error(405, "invalid_request", "POST is needed");
        }
        if field("grant_type") != "client_credentials" {
            return error(400, "unsupported_grant_type", "Only client_credentials is simulated");
        }
        let basic = asked.authorization.and_then(|header| header.strip_prefix("Basic ")).and_then(decode_basic);
        let (key, secret) = basic.unwrap_or_else(|| (field("client_id"), field("client_secret")));
        let life = self.options.oauth_token_life;
        match lock(&self.access).give_token(&key, &secret, now, life) {
            None => error(401, "unauthorized_client", "Invalid OAuth client credentials"),
            Some((token, credential)) => {
                let all = || ["account", "project", "pullrequest", "repository"].map(str::to_owned).to_vec();
                let scope = credential.scopes.clone().unwrap_or_else(all).join(" ");
                let body = serde_json::json!({"access_token": token, "token_type": "bearer", "expires_in": life.num_seconds(),
                    "scope": scope, "state": "client_credentials"});
                Answer::new(200, JSON, body.to_string())
            }
        }
    }
}

impl Listings for Shared {
    fn listing(&self, key: String, make: &mut dyn FnMut() -> Vec<u32>) -> Arc<Vec<u32>> {
        // Called while the world is read: its version stands.
        let version = self.version.load(Ordering::Acquire);
        {
            let mut lists = lock(&self.lists);
            if lists.version != version || lists.known.len() > 32 {
                *lists = Lists { version, ..Lists::default() };
            }
            if let Some(list) = lists.known.get(&key) {
                return Arc::clone(list);
            }
        }
        let list = Arc::new(make());
        let mut lists = lock(&self.lists);
        if lists.version == version {
            lists.known.insert(key, Arc::clone(&list));
        }
        list
    }
}

const LOGIN_PAGE: &str = "<!DOCTYPE html><html><head><title>Sign in</title></head><body><form action=\"/login\">\
    Please sign in to the corporate network.</form></body></html>";

fn rate_limited(retry_after: RetryAfter, free_in: chrono::Duration, now: DateTime<Utc>) -> Answer {
    let mut answer = Answer::new(429, "text/plain", "Rate limit for this resource has been exceeded");
    // Rounded up: who comes back then is let in.
    let seconds = free_in.num_seconds() + 1;
    match retry_after {
        RetryAfter::Absent => {}
        RetryAfter::Seconds => answer.headers.push(("retry-after", seconds.to_string())),
        RetryAfter::Date => {
            let date = httpdate::fmt_http_date((now + chrono::Duration::seconds(seconds)).into());
            answer.headers.push(("retry-after", date));
        }
    }
    answer
}

fn rate_headers(which: RateHeaders, allowance: Allowance, pool: &str) -> Vec<(&'static str, String)> {
    let scaled = || {
        let is_near = u64::from(allowance.remaining) * 5 < u64::from(allowance.limit);
        vec![
            ("x-ratelimit-limit", allowance.limit.to_string()),
            ("x-ratelimit-resource", pool.to_owned()),
            ("x-ratelimit-nearlimit", is_near.to_string()),
        ]
    };
    match which {
        RateHeaders::None => Vec::new(),
        RateHeaders::Scaled => scaled(),
        RateHeaders::Full => {
            let mut headers = scaled();
            headers.push(("x-ratelimit-remaining", allowance.remaining.to_string()));
            headers.push(("x-ratelimit-reset", allowance.free_in.num_seconds().to_string()));
            headers
        }
    }
}

fn response(answer: Answer) -> Response {
    let length = answer.body.len();
    let body = if answer.breaks_off {
        let half = answer.body.slice(..length / 2);
        Body::from_stream(stream::unfold(Some(half), |rest| async move {
            match rest {
                Some(half) if !half.is_empty() => Some((Ok(half), Some(Bytes::new()))),
                Some(_) => {
                    // What was sent leaves before the connection closes.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    Some((Err(io::Error::from(io::ErrorKind::ConnectionReset)), None))
                }
                None => None,
            }
        }))
    } else {
        Body::from(answer.body)
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if let Ok(content_type) = HeaderValue::from_str(&answer.content_type) {
        headers.insert(header::CONTENT_TYPE, content_type);
    }
    if answer.breaks_off {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}
