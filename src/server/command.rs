//! Commands from a second terminal: `POST /api/v1/command` takes a [`Request`] and answers with lines of
//! JSON, one [`Event`] each: progress as it comes, then the answer or the failure.
//!
//! Only for whoever can read `run.json` in the store: the route wants the random token kept there.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures::stream;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tracing::info;

use crate::commands::request::{Answer, Request};
use crate::commands::{App, Exit, Failure, execute};
use crate::engine::Progress;
use crate::error::Report;

/// Path of the route.
pub const PATH: &str = "/api/v1/command";
/// A header by which the answer proves to be the sidecar's that wrote `run.json`: another program may have taken its port.
pub const PROOF: &str = "catalog-sync-proof";

/// What only who knows the token can say.
pub fn proof(token: &str) -> String {
    hex::encode(Sha256::digest(format!("answered by catalog-sync: {token}")))
}

/// Requests are small: values, never files.
const BODY_BYTES: usize = 1024 * 1024;
/// How many progress lines may wait for a slow reader; more are dropped, the answer never.
const WAITING_LINES: usize = 256;

/// One line of the answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event", content = "data")]
pub enum Event {
    /// How far it is.
    Progress(Progress),
    /// The end: what came of it.
    Answer(Box<Answer>),
    /// The end: why not.
    Failure {
        /// What failed.
        what: String,
        /// Causes.
        because: Vec<String>,
        /// What to do.
        mend: Option<String>,
        /// The exit code it means.
        exit: Exit,
    },
}

impl From<Failure> for Event {
    fn from(Failure { report: Report { what, because, mend }, exit }: Failure) -> Self {
        Self::Failure { what, because, mend, exit }
    }
}

/// What the route needs of the sidecar.
pub trait Commands: Send + Sync + 'static {
    /// The settings in force now.
    fn app(&self) -> Arc<App>;
    /// Runs to its end even when the asker goes away, and is waited for at shutdown.
    fn spawn(&self, work: futures::future::BoxFuture<'static, ()>);
}

struct Routes {
    commands: Arc<dyn Commands>,
    /// Of the token: what is compared says nothing about it.
    token_sha256: [u8; 32],
    proof: String,
}

/// The route, for whoever shows `token`.
pub fn routes(commands: Arc<dyn Commands>, token: &str) -> Router {
    let state = Arc::new(Routes { commands, token_sha256: Sha256::digest(token).into(), proof: proof(token) });
    Router::new().route(PATH, post(command)).layer(DefaultBodyLimit::max(BODY_BYTES)).with_state(state)
}

async fn command(State(routes): State<Arc<Routes>>, headers: HeaderMap, body: Bytes) -> Response {
    let shown = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .map(|token| <[u8; 32]>::from(Sha256::digest(token)));
    if shown != Some(routes.token_sha256) {
        return (StatusCode::UNAUTHORIZED, "the token of run.json is needed\n").into_response();
    }
    // Read only now: without the token nothing is told, not even how a request looks.
    let request: Request = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => return (StatusCode::UNPROCESSABLE_ENTITY, format!("no request: {error}\n")).into_response(),
    };
    let (lines, waiting) = mpsc::channel::<Event>(WAITING_LINES);
    let app = routes.commands.app();
    routes.commands.spawn(Box::pin(async move {
        let progress = lines.clone();
        let report = move |report: Progress| {
            // A reader that does not keep up misses progress, nothing else.
            let _ = progress.try_send(Event::Progress(report));
        };
        // What changes something is told in the log; looking is not.
        let is_told = !request.only_reads() && !matches!(&request, Request::IntegrationDelete { dry_run: true, .. });
        let asked = request.to_string();
        let event = match execute(&app, request, &report).await {
            Ok(answer) => {
                if is_told {
                    info!("another terminal: {asked}: done");
                }
                Event::Answer(Box::new(answer))
            }
            Err(failure) => {
                if is_told {
                    info!("another terminal: {asked}: {}", failure.report.one_line());
                }
                failure.into()
            }
        };
        // Fails when the asker went away: what was asked is done all the same.
        let _ = lines.send(event).await;
    }));
    let body = stream::unfold(waiting, |mut waiting| async move {
        let event = waiting.recv().await?;
        let mut line = serde_json::to_vec(&event).unwrap_or_default();
        line.push(b'\n');
        Some((Ok::<_, Infallible>(Bytes::from(line)), waiting))
    });
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson".to_owned()),
        (HeaderName::from_static(PROOF), routes.proof.clone()),
    ];
    (headers, Body::from_stream(body)).into_response()
}
