//! Error answers of Bitbucket Cloud.

use serde_json::{Value as Body, json};

use crate::simulator::answer::Refusal;

impl Refusal {
    pub(in crate::simulator) fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, body: json!({"type": "error", "error": {"message": message.into()}}) }
    }

    fn detailed(status: u16, message: &str, detail: Body) -> Self {
        Self { status, body: json!({"type": "error", "error": {"message": message, "detail": detail}}) }
    }

    /// 403 with what is needed and what is there.
    pub(in crate::simulator) fn scopes(required: &[&str], granted: &[String]) -> Self {
        Self::detailed(
            403,
            "Your credentials lack one or more required privilege scopes.",
            json!({"required": required, "granted": granted}),
        )
    }

    pub(in crate::simulator) fn unauthorized() -> Self {
        Self::new(401, "Token is invalid, expired, or not supported for this endpoint.")
    }

    pub(super) fn no_such_endpoint() -> Self {
        Self::detailed(404, "Resource not found", json!("There is no API hosted at this URL"))
    }

    /// What is asked for lies elsewhere.
    pub(super) fn found(location: &str) -> Self {
        Self { status: 302, body: json!({ "location": location }) }
    }

    pub(super) fn removed() -> Self {
        let data = json!({"announcement_url": "https://developer.atlassian.com/cloud/bitbucket/changelog#CHANGE-2770"});
        Self {
            status: 410,
            body: json!({"type": "error", "error": {
                "message": "CHANGE-2770 - Functionality has been deprecated",
                "detail": "Please read the changelog entry for more details.",
                "data": data}, "data": data}),
        }
    }

    pub(super) fn unknown_commits(shas: &[String]) -> Self {
        let data = json!({"shas": shas});
        Self {
            status: 404,
            body: json!({"type": "error", "error": {
                "message": format!("Commit not found: {}", shas.join(", ")), "data": data}, "data": data}),
        }
    }
}
