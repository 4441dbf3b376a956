//! What goes back over the wire, for whichever Bitbucket is played.

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use futures::stream;
use serde_json::Value;

pub(super) const JSON: &str = "application/json; charset=utf-8";

/// An error answer.
#[derive(Debug, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) body: Value,
}

/// An answer in the making.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: String,
    pub(super) body: Bytes,
    pub(super) headers: Vec<(&'static str, String)>,
    /// The connection closes in the middle of the body.
    pub(super) breaks_off: bool,
}

impl Answer {
    pub(super) fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            content_type: content_type.to_owned(),
            body: body.into(),
            headers: Vec::new(),
            breaks_off: false,
        }
    }

    /// 200, or 204 where there is nothing to say.
    pub(super) fn fine(body: Bytes) -> Self {
        Self::new(if body.is_empty() { 204 } else { 200 }, JSON, body)
    }

    pub(super) fn refused(refusal: &Refusal) -> Self {
        let mut answer = Self::new(refusal.status, JSON, refusal.body.to_string());
        let location = refusal.body.get("location").and_then(Value::as_str);
        answer.headers.extend(location.filter(|_| refusal.status == 302).map(|to| ("location", to.to_owned())));
        answer
    }

    pub(super) fn into_response(self) -> Response {
        let length = self.body.len();
        let body = if self.breaks_off {
            let half = self.body.slice(..length / 2);
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
            Body::from(self.body)
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        if self.status != 204
            && let Ok(content_type) = HeaderValue::from_str(&self.content_type)
        {
            headers.insert(header::CONTENT_TYPE, content_type);
        }
        if self.breaks_off {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

pub(super) const LOGIN_PAGE: &str = "<!DOCTYPE html><html><head><title>Sign in</title></head><body><form action=\"/login\">\
    Please sign in to the corporate network.</form></body></html>";
