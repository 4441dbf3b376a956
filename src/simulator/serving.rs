//! From a request on the wire to the bytes that go back: who asks, which fault strikes, what is written down.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, header};
use axum::response::Response;
use chrono::{DateTime, Utc};
use tokio::sync::mpsc;

use super::access::{Access, Caller};
use super::answer::{Answer, JSON, LOGIN_PAGE};
use super::face::{Asked, Drawing, Face, Route};
use super::fault::{Endpoint, Fault, Orders};
use super::kept::{KeptLists, Lists, Pages, lock};
use super::limits::rate_headers;
use super::uuid::Uuid;
use super::webhooks::Outgoing;
use super::{RequestLog, RequestRecord, SimulatorOptions, World, cloud};

/// What the handlers share.
pub(super) struct Shared {
    pub(super) world: RwLock<World>,
    /// Goes up with every change of the world; what was drawn before is not sent again.
    pub(super) version: AtomicU64,
    pub(super) access: Mutex<Access>,
    pub(super) orders: Mutex<Orders>,
    pub(super) log: Mutex<RequestLog>,
    pub(super) pages: Mutex<Pages>,
    pub(super) lists: Mutex<Lists>,
    pub(super) latency_micros: AtomicU64,
    pub(super) skew_seconds: AtomicI64,
    pub(super) outgoing: mpsc::UnboundedSender<Outgoing>,
    /// Webhooks sent.
    pub(super) told: AtomicU64,
    pub(super) options: SimulatorOptions,
    pub(super) face: Face,
    /// `http://host:port`
    pub(super) url: String,
    /// With the context path.
    pub(super) base: String,
    pub(super) api: String,
}

pub(super) async fn handle(State(shared): State<Arc<Shared>>, request: axum::extract::Request) -> Response {
    let (parts, body) = request.into_parts();
    let form = if matches!(parts.method, Method::POST | Method::PUT) {
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
    answer.into_response()
}

/// A request with what it means.
struct Case<'a> {
    asked: &'a Asked<'a>,
    route: &'a Route,
    caller: Caller,
    target: &'a str,
    now: DateTime<Utc>,
}

impl Shared {
    fn answer(&self, asked: &Asked<'_>) -> (Answer, Option<Duration>) {
        let now = self.world.read().unwrap_or_else(PoisonError::into_inner).now();
        let target =
            if asked.query.is_empty() { asked.path.to_owned() } else { format!("{}?{}", asked.path, asked.query) };
        let route = self.face.route(asked.path);
        let endpoint = route.endpoint();
        let mut caller = Caller::default();
        let mut late = None;
        let admitted = self.face.admit(asked, &route, &self.access, &self.options, now, &mut caller);
        let mut answer = admitted.map_or_else(
            |refused| refused,
            |allowance| {
                let case = Case { asked, route: &route, caller, target: &target, now };
                let fault = lock(&self.orders).strike(endpoint, route.full_name().as_deref(), asked.query);
                let mut answer = match fault {
                    Some(fault) => {
                        let (answer, by) = self.faulty(&fault, &case);
                        late = by;
                        answer
                    }
                    None => self.right(&case),
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
            let credential = caller.position();
            log.requests.push(RequestRecord { method, target, status: answer.status, endpoint, credential });
        }
        (answer, late)
    }

    /// Webhooks are the one thing that requests change.
    fn webhooks(&self, case: &Case<'_>) -> Answer {
        let mut world = self.world.write().unwrap_or_else(PoisonError::into_inner);
        let done = self.face.webhooks(case.route, case.asked, &mut world);
        self.version.fetch_add(1, Ordering::Release);
        match done {
            Ok((status, body)) => Answer::new(status, JSON, body),
            Err(refusal) => self.face.refused(&refusal),
        }
    }

    /// Sends what happened to whoever set up a webhook for it.
    pub(super) fn tell(&self, world: &mut World) {
        for happened in std::mem::take(&mut world.happened) {
            let Some((key, body)) = self.face.event(world, &self.base, &self.api, &happened) else { continue };
            for webhook in world.listeners(&happened, key) {
                let number = self.told.fetch_add(1, Ordering::Relaxed);
                let number = match self.face {
                    Face::Cloud => ("x-request-uuid", Uuid::from_seed(number, number, 91).to_string()),
                    Face::DataCenter(_) => ("x-request-id", format!("@1A2B3Cx{number}x0")),
                };
                // Nobody sends any more once the simulator has stopped.
                let _ = self.outgoing.send(Outgoing::to(webhook, key, number, &body));
            }
        }
    }

    /// The right answer.
    fn right(&self, case: &Case<'_>) -> Answer {
        if case.route.endpoint() == Endpoint::Token {
            return cloud::token(case.asked, &mut lock(&self.access), &self.options, case.now);
        }
        if case.route.endpoint() == Endpoint::Authorize {
            return cloud::authorize(case.asked, &mut lock(&self.access), true, case.now);
        }
        if case.route.endpoint() == Endpoint::Webhooks {
            return self.webhooks(case);
        }
        let credential = case.caller.position().and_then(|at| lock(&self.access).credentials.get(at).cloned());
        let sees_all =
            credential.as_ref().is_some_and(|known| known.repositories.is_none() && known.workspaces.is_none());
        let key = (if sees_all { Caller::Anybody } else { case.caller }, case.target.to_owned());
        let world = self.world.read().unwrap_or_else(PoisonError::into_inner);
        // Read under the lock that every change takes: page and version belong together.
        let version = self.version.load(Ordering::Acquire);
        let is_kept = *case.asked.method == Method::GET;
        if is_kept && let Some(body) = lock(&self.pages).find(version, &key) {
            return Answer::fine(body);
        }
        let drawing = Drawing {
            world: &world,
            base: if matches!(self.face, Face::Cloud) { &self.api } else { &self.base },
            caller: case.caller,
            credential: credential.as_ref(),
            fail_sorted_states_over: self.options.fail_sorted_states_over,
            listings: &KeptLists { lists: &self.lists, version: &self.version },
        };
        match self.face.draw(case.asked, case.route, &drawing) {
            Err(refusal) => self.face.refused(&refusal),
            Ok(text) => {
                let body = Bytes::from(text);
                if is_kept {
                    lock(&self.pages).keep(version, key, &body, self.options.cache_bytes);
                }
                Answer::fine(body)
            }
        }
    }

    /// What is answered when something goes wrong.
    fn faulty(&self, fault: &Fault, case: &Case<'_>) -> (Answer, Option<Duration>) {
        let right = || self.right(case);
        let answer = match fault {
            Fault::Status(429) => self.face.limited(self.options.retry_after, chrono::Duration::hours(1), case.now),
            Fault::Status(status) => self.face.refused(&self.face.refusal(*status, case.route)),
            Fault::Answer { status, content_type, body } => Answer::new(*status, content_type, body.clone()),
            Fault::RateLimited(retry_after) => self.face.limited(*retry_after, chrono::Duration::seconds(7), case.now),
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
            Fault::Denied => cloud::authorize(case.asked, &mut lock(&self.access), false, case.now),
            Fault::Then(hook) => {
                let answer = right();
                let mut world = self.world.write().unwrap_or_else(PoisonError::into_inner);
                self.version.fetch_add(1, Ordering::Release);
                (hook.0)(&mut world);
                self.tell(&mut world);
                answer
            }
            Fault::HugeBody { .. }
            | Fault::EmptyPage
            | Fault::NextIs(_)
            | Fault::NextIsItself
            | Fault::NextIsFirst
            | Fault::BadRow { .. }
            | Fault::SizeMissing
            | Fault::SizeIs(_) => {
                let answer = right();
                let own_url = format!("{}{}", self.url, case.target);
                let body = std::str::from_utf8(&answer.body).ok();
                match body.and_then(|body| self.face.spoil(body, fault, &own_url)) {
                    Some(body) => Answer { body: body.into(), ..answer },
                    None => answer,
                }
            }
        };
        (answer, None)
    }
}
