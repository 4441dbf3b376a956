//! What the API answers instead of what was asked for: `application/problem+json` (RFC 9457), with what failed,
//! because of what, and the mend.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::commands::{Exit, Failure};
use crate::error::Report;

/// An answer that is none, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Problem {
    /// `about:blank`: the status says which kind it is.
    pub r#type: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What failed.
    pub title: String,
    /// Causes, outermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

impl Problem {
    /// With a mend.
    pub fn new(status: StatusCode, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::of_report(status, Report::plain(what, Some(mend.into())))
    }

    /// A report under a status.
    pub fn of_report(status: StatusCode, Report { what, because, mend }: Report) -> Self {
        Self { r#type: "about:blank", status: status.as_u16(), title: what, because, mend }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<Failure> for Problem {
    /// What was asked wrongly is 400, what is not known 404, what is refused for now 409; what could not be done, as the
    /// state, the catalog or Bitbucket could not be used, 503.
    fn from(Failure { report, exit }: Failure) -> Self {
        let status = match exit {
            Exit::Usage => StatusCode::BAD_REQUEST,
            Exit::Unknown => StatusCode::NOT_FOUND,
            Exit::Forbidden => StatusCode::FORBIDDEN,
            Exit::Refused => StatusCode::CONFLICT,
            Exit::Done | Exit::Failed | Exit::Partly => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::of_report(status, report)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (self.status(), body).into_response();
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    }
}
