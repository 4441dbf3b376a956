//! `POST /webhooks/bitbucket_cloud` and `/webhooks/bitbucket_data_center` (P6.12): signed, kept durably, answered at
//! once. What they say is worked later, by the sidecar; they say where to look, never what is there.
//!
//! Until a body is proved to be signed, nothing of it is parsed, stored or logged.

pub mod event;
pub mod queue;
pub mod signature;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tracing::{debug, warn};

use self::queue::{Kept, Queue};
use super::Commands;
use crate::commands::App;
use crate::config::{Connector, ConnectorType, SecretFrom};
use crate::error::escape_control;
use crate::model::{Delivery, DeliveryState};

/// Where Cloud sends to.
pub const CLOUD: &str = "/webhooks/bitbucket_cloud";
/// Where Data Center sends to.
pub const DATA_CENTER: &str = "/webhooks/bitbucket_data_center";

/// Cloud sends at most a quarter of this.
const BODY_BYTES: usize = 1024 * 1024;
/// A body that takes longer is not Bitbucket's.
const BODY_WITHIN: Duration = Duration::from_secs(10);
/// Bodies read at once: what strangers can make us hold.
const BODIES: usize = 64;
/// Delivery ids are shorter.
const ID_BYTES: usize = 128;

struct Routes {
    commands: Arc<dyn Commands>,
    queue: Queue,
    bodies: Semaphore,
}

/// Where webhooks of a product arrive.
pub fn path(product: ConnectorType) -> &'static str {
    match product {
        ConnectorType::BitbucketCloud => CLOUD,
        ConnectorType::BitbucketDataCenter => DATA_CENTER,
    }
}

/// Both routes. They need no token: a webhook proves itself.
pub fn routes(commands: Arc<dyn Commands>, queue: Queue) -> Router {
    let state = Arc::new(Routes { commands, queue, bodies: Semaphore::new(BODIES) });
    let cloud = |State(routes): State<Arc<Routes>>, request: Request| async move {
        routes.receive(ConnectorType::BitbucketCloud, request).await
    };
    let data_center = |State(routes): State<Arc<Routes>>, request: Request| async move {
        routes.receive(ConnectorType::BitbucketDataCenter, request).await
    };
    Router::new().route(CLOUD, post(cloud)).route(DATA_CENTER, post(data_center)).with_state(state)
}

fn answer(status: StatusCode, words: &'static str) -> Response {
    (status, words).into_response()
}

impl Routes {
    async fn receive(&self, product: ConnectorType, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let body = match self.whole(&parts.headers, body).await {
            Ok(body) => body,
            Err(refused) => return refused,
        };
        let app = self.commands.app();
        let event = text(&parts.headers, "x-event-key").unwrap_or_default();
        let connectors = signers(&app, product, &parts.headers, &body).await;
        if connectors.is_empty() {
            let is_unsigned = !parts.headers.contains_key(signature::HEADER);
            return match is_unsigned && event::is_ping(event) {
                true => answer(StatusCode::OK, "pong\n"),
                false => answer(
                    StatusCode::UNAUTHORIZED,
                    "no signature by a secret that is configured for webhooks (`webhook_secrets` of the connector)\n",
                ),
            };
        }
        if event::is_ping(event) {
            return answer(StatusCode::OK, "pong\n");
        }
        let touched = match event::read(product, event, &body) {
            Ok(touched) if touched.is_empty() => {
                debug!(connectors = connectors.join(" "), event = %escape_control(event), "webhook: nothing to look at");
                return answer(StatusCode::OK, "nothing to look at\n");
            }
            Ok(touched) => touched,
            Err(error) => {
                warn!(connectors = connectors.join(" "), "a signed webhook is no JSON object: {error}");
                return answer(StatusCode::BAD_REQUEST, "the body is no JSON object\n");
            }
        };
        let now = app.clock.now();
        let body_sha256 = hex::encode(Sha256::digest(&body));
        let id = delivery_id(&parts.headers).unwrap_or(&body_sha256).to_owned();
        debug!(connectors = connectors.join(" "), event = %escape_control(event), id = %escape_control(&id), "webhook");
        let delivery = Delivery {
            id,
            body_sha256,
            connectors,
            event: event.chars().take(ID_BYTES).collect(),
            touched,
            received_at: now,
            state: DeliveryState::Waiting { attempts: 0, not_before: now },
        };
        match self.queue.keep(delivery).await {
            Kept::New => answer(StatusCode::ACCEPTED, "queued\n"),
            Kept::Again => answer(StatusCode::OK, "known already\n"),
            Kept::No => {
                let again = [(header::RETRY_AFTER, "30")];
                (StatusCode::SERVICE_UNAVAILABLE, again, "it could not be kept: send it again\n").into_response()
            }
        }
    }

    /// The raw body: bounded in size, in time, and in how many are held.
    async fn whole(&self, headers: &HeaderMap, body: Body) -> Result<axum::body::Bytes, Response> {
        let too_large = || answer(StatusCode::PAYLOAD_TOO_LARGE, "larger than 1 MiB\n");
        let claimed = text(headers, header::CONTENT_LENGTH.as_str()).and_then(|length| length.parse::<u64>().ok());
        if claimed.is_some_and(|bytes| bytes > BODY_BYTES as u64) {
            return Err(too_large());
        }
        let read = async {
            let _place = self.bodies.acquire().await.ok();
            axum::body::to_bytes(body, BODY_BYTES).await
        };
        match tokio::time::timeout(BODY_WITHIN, read).await {
            Ok(Ok(body)) => Ok(body),
            Ok(Err(_)) => Err(too_large()),
            Err(_) => Err(answer(StatusCode::REQUEST_TIMEOUT, "the body took too long\n")),
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Cloud's and Data Center's number of the delivery.
fn delivery_id(headers: &HeaderMap) -> Option<&str> {
    let id = text(headers, "x-request-uuid").or_else(|| text(headers, "x-request-id"))?;
    Some(id).filter(|id| !id.is_empty() && id.len() <= ID_BYTES)
}

/// Names of the connectors of a product whose secret signed the body, sorted.
async fn signers(app: &App, product: ConnectorType, headers: &HeaderMap, body: &[u8]) -> Vec<String> {
    let Some(given) = text(headers, signature::HEADER).and_then(signature::given) else { return Vec::new() };
    let connectors: Vec<&Connector> =
        app.config.connectors.values().filter(|connector| connector.kind == product).collect();
    let mut secrets = connectors.iter().flat_map(|connector| &connector.webhook_secrets);
    if secrets.any(|secret| matches!(secret.from, SecretFrom::Credential { .. })) {
        // What cannot be read signs nothing; `check` tells.
        if let Ok(stored) = app.store.credentials().await {
            app.assembler.vault().refresh(stored);
        }
    }
    let signed = connectors.into_iter().filter(|connector| {
        let secrets = connector.webhook_secrets.iter();
        let secrets: Vec<SecretString> =
            secrets.filter_map(|secret| secret.resolve(app.assembler.secrets()).ok()).collect();
        signature::is_signed(&given, &secrets, body)
    });
    signed.map(|connector| connector.name.clone()).collect()
}
