//! Commands from a second terminal: `POST /api/v1/command` takes a [`Request`] and answers with lines of
//! JSON, one [`Event`] each: progress as it comes, then the answer or the failure.
//!
//! For whoever can read `run.json` in the store, which has a token, and for who has one of the config. What they may
//! is decided where it is carried out.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures::stream;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tracing::info;

use super::Commands;
use super::access::Via;
use super::problem::Problem;
use crate::commands::caller::Caller;
use crate::commands::request::{Answer, Request};
use crate::commands::{Exit, Failure, execute};
use crate::engine::Progress;
use crate::error::Report;

/// Path of the route.
pub const PATH: &str = "/api/v1/command";
/// Type of the answer: a JSON document a line.
pub const ANSWER: &str = "application/x-ndjson";
/// A header by which the answer proves to be the sidecar's that wrote `run.json`: another program may have taken its port.
pub const PROOF: &str = "catalog-sync-proof";

/// A header by which a terminal on this host tells whose it is. Of nobody else it is believed.
pub const USER: &str = "catalog-sync-user";

/// What only who knows the token can say.
pub fn proof(token: &str) -> String {
    hex::encode(Sha256::digest(format!("answered by catalog-sync: {token}")))
}

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

struct Routes {
    commands: Arc<dyn Commands>,
    proof: HeaderValue,
}

/// The route. Who knows `run_token` gets proof that it is us who answer.
pub fn routes(commands: Arc<dyn Commands>, run_token: &str) -> Router {
    let proof = HeaderValue::from_str(&proof(run_token)).expect("hexadecimal digits");
    Router::new().route(PATH, post(command)).with_state(Arc::new(Routes { commands, proof }))
}

async fn command(
    State(routes): State<Arc<Routes>>,
    Extension(caller): Extension<Caller>,
    Extension(via): Extension<Via>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let caller = match via {
        Via::RunFile => {
            Caller::at_the_terminal_of(headers.get(USER).and_then(|user| std::str::from_utf8(user.as_bytes()).ok()))
        }
        _ => caller,
    };
    let request: Request = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => {
            let mend = "ask with a catalog-sync of the same version";
            let what = format!("no request: {error}");
            return Problem::new(StatusCode::UNPROCESSABLE_ENTITY, what, mend).into_response();
        }
    };
    let (lines, waiting) = mpsc::channel::<Event>(WAITING_LINES);
    let who = match via {
        Via::RunFile => "another terminal".to_owned(),
        _ => caller.name.clone(),
    };
    let app = routes.commands.app().for_caller(caller);
    routes.commands.spawn(Box::pin(async move {
        let progress = lines.clone();
        let report = move |report: Progress| {
            // A reader that does not keep up misses progress, nothing else.
            let _ = progress.try_send(Event::Progress(report));
        };
        // What changes something is told in the log; looking is not.
        let is_told = !request.only_reads() && !matches!(&request, Request::IntegrationDelete { dry_run: true, .. });
        let asked = request.to_string().trim_end().to_owned();
        let event = match execute(&app, request, &report).await {
            Ok(answer) => {
                if is_told {
                    info!("{who}: {asked}: done");
                }
                Event::Answer(Box::new(answer))
            }
            Err(failure) => {
                if is_told {
                    info!("{who}: {asked}: {}", failure.report.one_line());
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
    let mut response = Body::from_stream(body).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(ANSWER));
    if via == Via::RunFile {
        response.headers_mut().insert(HeaderName::from_static(PROOF), routes.proof.clone());
    }
    response
}
