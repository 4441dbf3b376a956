//! What a route answers when all is well, read off its type for the document.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{BoxStream, Stream};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

/// How often a stream without news says that it lives: proxies end silent connections.
const HEARTBEAT: std::time::Duration = std::time::Duration::from_secs(15);

/// What a route answers.
pub(super) trait Reply {
    const STATUS: StatusCode = StatusCode::OK;
    const CONTENT: &'static str = "application/json";
    fn schema(schemas: &mut SchemaGenerator) -> Schema;
    fn into_response(self) -> Response;
}

/// 200 with JSON.
pub(super) struct Done<T>(pub(super) T);

impl<T: Serialize + JsonSchema> Reply for Done<T> {
    fn schema(schemas: &mut SchemaGenerator) -> Schema {
        schemas.subschema_for::<T>()
    }

    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// 202 with JSON: it goes on by itself.
pub(super) struct Accepted<T>(pub(super) T);

impl<T: Serialize + JsonSchema> Reply for Accepted<T> {
    const STATUS: StatusCode = StatusCode::ACCEPTED;

    fn schema(schemas: &mut SchemaGenerator) -> Schema {
        schemas.subschema_for::<T>()
    }

    fn into_response(self) -> Response {
        (Self::STATUS, axum::Json(self.0)).into_response()
    }
}

/// Lines of JSON.
pub(super) struct Lines(pub(super) String);

impl Reply for Lines {
    const CONTENT: &'static str = "application/x-ndjson";

    fn schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({"type": "string", "description": "One JSON document a line."})
    }

    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, Self::CONTENT)], Body::from(Bytes::from(self.0))).into_response()
    }
}

/// Server-sent events.
pub(super) struct Events(BoxStream<'static, Event>);

impl Events {
    pub(super) fn of(events: impl Stream<Item = Event> + Send + 'static) -> Self {
        Self(Box::pin(events))
    }
}

impl Reply for Events {
    const CONTENT: &'static str = "text/event-stream";

    fn schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "object",
            "description": "Server-sent events, one after the other: each has a kind and JSON.",
            "properties": {
                "event": {"type": "string", "description": "The kind."},
                "data": {"type": "string", "contentMediaType": "application/json"},
            },
        })
    }

    fn into_response(self) -> Response {
        let events = futures::StreamExt::map(self.0, Result::<_, Infallible>::Ok);
        Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response()
    }
}
