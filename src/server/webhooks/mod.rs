//! `POST /webhooks/bitbucket_cloud` and `/webhooks/bitbucket_data_center` (P6.12): signed, kept durably, answered at
//! once. What they say is worked later, by the sidecar; they say where to look, never what is there.
//!
//! Until a body is proved to be signed, nothing of it is parsed, stored or logged.

mod bodies;
pub mod event;
pub mod queue;
pub mod signature;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use tracing::{debug, warn};

use self::bodies::{BODY_BYTES, Bodies, Unread};
use self::queue::{Kept, Queue};
use super::Commands;
use super::access::Proxies;
use crate::commands::App;
use crate::config::{Connector, ConnectorType, SecretFrom};
use crate::error::escape_control;
use crate::model::{Delivery, DeliveryState};

/// Where Cloud sends to.
pub const CLOUD: &str = "/webhooks/bitbucket_cloud";
/// Where Data Center sends to.
pub const DATA_CENTER: &str = "/webhooks/bitbucket_data_center";

/// Delivery ids are shorter.
const ID_BYTES: usize = 128;

struct Routes {
    commands: Arc<dyn Commands>,
    queue: Queue,
    bodies: Bodies,
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
    let state = Arc::new(Routes { commands, queue, bodies: Bodies::default() });
    let cloud = |State(routes): State<Arc<Routes>>, request: Request| async move {
        routes.answered(ConnectorType::BitbucketCloud, request).await
    };
    let data_center = |State(routes): State<Arc<Routes>>, request: Request| async move {
        routes.answered(ConnectorType::BitbucketDataCenter, request).await
    };
    Router::new().route(CLOUD, post(cloud)).route(DATA_CENTER, post(data_center)).with_state(state)
}

/// How a webhook is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answered {
    Queued,
    Known,
    Nothing,
    Pong,
    Unsigned,
    Invalid,
    TooLarge,
    TooSlow,
    TooMany,
    NotKept,
}

impl Answered {
    /// How a metric calls it.
    fn label(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Known => "known",
            Self::Nothing => "nothing_to_look_at",
            Self::Pong => "pong",
            Self::Unsigned => "unsigned",
            Self::Invalid => "invalid",
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::TooMany => "too_many",
            Self::NotKept => "not_kept",
        }
    }
}

impl IntoResponse for Answered {
    fn into_response(self) -> Response {
        let (status, words) = match self {
            Self::Queued => (StatusCode::ACCEPTED, "queued\n"),
            Self::Known => (StatusCode::OK, "known already\n"),
            Self::Nothing => (StatusCode::OK, "nothing to look at\n"),
            Self::Pong => (StatusCode::OK, "pong\n"),
            Self::Unsigned => (
                StatusCode::UNAUTHORIZED,
                "no signature by a secret that is configured for webhooks (`webhook_secrets` of the connector)\n",
            ),
            Self::Invalid => (StatusCode::BAD_REQUEST, "the body is no JSON object\n"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "larger than 1 MiB\n"),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "the body took too long\n"),
            Self::TooMany => (StatusCode::SERVICE_UNAVAILABLE, "too much at once: send it again\n"),
            Self::NotKept => (StatusCode::SERVICE_UNAVAILABLE, "it could not be kept: send it again\n"),
        };
        if status == StatusCode::SERVICE_UNAVAILABLE {
            return (status, [(header::RETRY_AFTER, "30")], words).into_response();
        }
        (status, words).into_response()
    }
}

impl Routes {
    async fn answered(&self, product: ConnectorType, request: Request) -> Answered {
        let app = self.commands.app();
        let answered = self.receive(&app, product, request).await;
        app.metrics.webhook_received(product.as_str(), answered.label());
        answered
    }

    async fn receive(&self, app: &App, product: ConnectorType, request: Request) -> Answered {
        let (parts, body) = request.into_parts();
        let claimed = text(&parts.headers, header::CONTENT_LENGTH.as_str()).and_then(|length| length.parse().ok());
        if claimed.is_some_and(|bytes: u64| bytes > BODY_BYTES as u64) {
            return Answered::TooLarge;
        }
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip());
        let client = Proxies::new(&app.config.server.behind_proxy).client(peer, &parts.headers);
        let whole = match self.bodies.whole(client, body).await {
            Ok(whole) => whole,
            Err(Unread::TooLarge) => return Answered::TooLarge,
            Err(Unread::TooSlow) => return Answered::TooSlow,
            Err(Unread::TooMany) => return Answered::TooMany,
            Err(Unread::Broken) => return Answered::Invalid,
        };
        let body = whole.bytes();
        let event = text(&parts.headers, "x-event-key").unwrap_or_default();
        let connectors = signers(app, product, &parts.headers, body).await;
        if connectors.is_empty() {
            let is_unsigned = !parts.headers.contains_key(signature::HEADER);
            return if is_unsigned && event::is_ping(event) { Answered::Pong } else { Answered::Unsigned };
        }
        if event::is_ping(event) {
            return Answered::Pong;
        }
        let touched = match event::read(product, event, body) {
            Ok(touched) if touched.is_empty() => {
                debug!(connectors = connectors.join(" "), event = %escape_control(event), "webhook: nothing to look at");
                return Answered::Nothing;
            }
            Ok(touched) => touched,
            Err(error) => {
                warn!(connectors = connectors.join(" "), "a signed webhook is no JSON object: {error}");
                return Answered::Invalid;
            }
        };
        let now = app.clock.now();
        let body_sha256 = hex::encode(Sha256::digest(body));
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
            looked: Default::default(),
        };
        match self.queue.keep(delivery).await {
            Kept::New => Answered::Queued,
            Kept::Again => Answered::Known,
            Kept::No => Answered::NotKept,
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
