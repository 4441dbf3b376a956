//! A small server of our own over real HTTP: what it answers is scripted per test, what it was asked is kept.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// From 1.
    pub number: usize,
    pub method: String,
    pub path: String,
    /// Decoded.
    pub query: Vec<(String, String)>,
    pub authorization: String,
    pub user_agent: String,
    pub body: String,
}

impl Seen {
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.query.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    }

    pub fn one(&self, name: &str) -> &str {
        self.all(name).first().copied().unwrap_or_default()
    }
}

pub struct Server {
    pub base: Url,
    seen: Arc<Mutex<Vec<Seen>>>,
    count: watch::Receiver<usize>,
    _task: AbortOnDropHandle<()>,
}

impl Server {
    /// Below `/2.0`, as Cloud.
    pub async fn start(answer: impl Fn(&Seen, &str) -> Response + Send + Sync + 'static) -> Self {
        Self::below("/2.0", answer).await
    }

    /// `answer` is given the request and the base address.
    pub async fn below(path: &str, answer: impl Fn(&Seen, &str) -> Response + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}{path}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (sender, count) = watch::channel(0);
        let (log, answer, text) = (seen.clone(), Arc::new(answer), base.clone());
        let app = Router::new().fallback(move |request: Request| {
            let (log, answer, text, sender) = (log.clone(), answer.clone(), text.clone(), sender.clone());
            async move {
                let (parts, body) = request.into_parts();
                let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
                let header = |name| parts.headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
                let query = parts.uri.query().unwrap_or_default();
                let seen = {
                    let mut log = log.lock().unwrap();
                    let number = log.len() + 1;
                    log.push(Seen {
                        number,
                        method: parts.method.to_string(),
                        path: parts.uri.path().to_owned(),
                        query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
                        authorization: header(header::AUTHORIZATION),
                        user_agent: header(header::USER_AGENT),
                        body: String::from_utf8_lossy(&body).into_owned(),
                    });
                    log.last().unwrap().clone()
                };
                sender.send_modify(|count| *count += 1);
                answer(&seen, &text)
            }
        });
        let task = AbortOnDropHandle::new(tokio::spawn(async move { axum::serve(listener, app).await.unwrap() }));
        Self { base: Url::parse(&base).unwrap(), seen, count, _task: task }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub async fn has_seen(&self, requests: usize) {
        self.count.clone().wait_for(|count| *count >= requests).await.unwrap();
    }
}

pub fn ok(value: Value) -> Response {
    axum::Json(value).into_response()
}

pub fn status(status: u16, body: impl Into<Body>) -> Response {
    Response::builder().status(status).body(body.into()).unwrap()
}
