//! One request on its way: who sends it, to what, with which body; and asking the commands for them.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequestParts, RawPathParams, Request};
use axum::http::{Method, StatusCode, Uri, header};
use tokio::sync::oneshot;

use super::Shared;
use super::reply::{Events, Reply as _};
use super::route::{For, Route};
use crate::commands::caller::{Caller, Forbidden, Sees};
use crate::commands::request::{self, Answer};
use crate::commands::{App, Failure, execute};
use crate::config::Role;
use crate::server::access::Listener;
use crate::server::problem::Problem;

/// Bodies are values, never files.
pub(super) const BODY_BYTES: usize = 1024 * 1024;

/// How long a body may take: whoever sends it a byte at a time holds nothing for long.
const BODY_WITHIN: Duration = Duration::from_secs(20);

/// One call of a route.
pub(super) struct Call {
    /// For the caller.
    pub(super) app: App,
    pub(super) shared: Arc<Shared>,
    pub(super) uri: Uri,
    pub(super) body: Bytes,
    /// Of a route that streams: whoever listens.
    pub(super) listener: Option<Listener>,
    path: Vec<(String, String)>,
}

impl Call {
    /// Reads a request up to its body.
    pub(super) async fn read(shared: &Arc<Shared>, request: Request, route: &Route) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let Some(caller) = parts.extensions.get::<Caller>().cloned() else {
            // Whoever serves these routes without finding out who asks serves nobody.
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "nobody we know", "send a token"));
        };
        // Whoever may not learns nothing of how a body should look.
        may(&caller, route).map_err(Failure::from)?;
        let listener = if route.content == Events::CONTENT { Listener::of(&parts) } else { None };
        let path = match RawPathParams::from_request_parts(&mut parts, &()).await {
            Ok(params) => params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            Err(_) => return Err(bad("the address is not UTF-8", "percent-encode names in it")),
        };
        let body = match route.takes_body {
            true => read_body(&parts.headers, body).await?,
            false => Bytes::new(),
        };
        let app = shared.commands.app().for_caller(caller);
        Ok(Self { app, shared: shared.clone(), uri: parts.uri, body, listener, path })
    }

    /// A part of the path by its name in the table.
    pub(super) fn path(&self, name: &str) -> String {
        let part = self.path.iter().find(|(part, _)| part == name);
        part.map(|(_, value)| value.clone()).unwrap_or_default()
    }

    /// Asks the commands. What changes something is carried to its end even when the caller goes away.
    pub(super) async fn ask(&self, request: request::Request) -> Result<Answer, Problem> {
        if request.only_reads() {
            return execute(&self.app, request, &|_| {}).await.map_err(Problem::from);
        }
        let (told, answer) = oneshot::channel();
        let app = self.app.clone();
        self.shared.commands.spawn(Box::pin(async move {
            // Fails when the caller went away: it is done all the same.
            let _ = told.send(execute(&app, request, &|_| {}).await);
        }));
        match answer.await {
            Ok(answer) => answer.map_err(Problem::from),
            Err(_) => Err(unexpected()),
        }
    }
}

/// Whether somebody may call a route at all; what they see by it is decided where it is done.
fn may(caller: &Caller, route: &Route) -> Result<(), Forbidden> {
    let is_of_all = matches!(route.may, For::AnyoneOfAll | For::EditorsOfAll);
    if matches!(route.may, For::Editors | For::EditorsOfAll) && caller.role != Role::Edit {
        // What reads, and is not for everybody all the same, costs requests.
        let is_change = route.method != Method::GET;
        let forbidden = if is_change { Forbidden::Reads } else { Forbidden::Asks };
        return Err(forbidden(caller.name.clone()));
    }
    if is_of_all && !matches!(caller.sees, Sees::Everything) {
        return Err(Forbidden::Scoped(caller.name.clone()));
    }
    Ok(())
}

/// A bug of ours, told as such.
pub(super) fn unexpected() -> Problem {
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "the request ended without a word",
        "please report this with the log of the sidecar",
    )
}

/// 400.
pub(super) fn bad(what: impl Into<String>, mend: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, what, mend)
}

async fn read_body(headers: &axum::http::HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let told: Option<usize> =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    let too_large = || {
        let what = "the body is larger than 1 MiB";
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, what, "send less at once; a filter imports all that it matches")
    };
    if told.is_some_and(|bytes| bytes > BODY_BYTES) {
        return Err(too_large());
    }
    let too_slow = |_| {
        let what = format!("the body did not come within {} s", BODY_WITHIN.as_secs());
        Problem::new(StatusCode::REQUEST_TIMEOUT, what, "send it at once")
    };
    let read = tokio::time::timeout(BODY_WITHIN, to_bytes(body, BODY_BYTES)).await.map_err(too_slow)?;
    let bytes = read.map_err(|_| too_large())?;
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_json = content_type.is_some_and(|named| {
        let named = named.split(';').next().unwrap_or_default().trim();
        named.eq_ignore_ascii_case("application/json")
    });
    // An empty body needs no type: it asks for what is usual.
    let is_nothing = bytes.is_empty() && content_type.is_none();
    if !is_json && !is_nothing {
        let what = "the body is not JSON";
        let mend = "send JSON, and say so: `Content-Type: application/json`";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, what, mend));
    }
    Ok(bytes)
}
