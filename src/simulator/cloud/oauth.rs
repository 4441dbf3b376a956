//! OAuth's token endpoint: the client credentials grant. It gives no refresh token.

use std::collections::HashMap;

use axum::http::Method;
use chrono::{DateTime, Duration, Utc};
use url::form_urlencoded;

use crate::simulator::access::{Access, decode_basic};
use crate::simulator::answer::{Answer, JSON};
use crate::simulator::face::Asked;

/// Answers a request for a token.
pub(in crate::simulator) fn token(
    asked: &Asked<'_>,
    access: &mut Access,
    life: Duration,
    now: DateTime<Utc>,
) -> Answer {
    let form: HashMap<String, String> = form_urlencoded::parse(asked.form.as_bytes()).into_owned().collect();
    let field = |name: &str| form.get(name).cloned().unwrap_or_default();
    let error = |status, error: &str, why: &str| {
        Answer::new(status, JSON, serde_json::json!({"error": error, "error_description": why}).to_string())
    };
    if *asked.method != Method::POST {
        return error(405, "invalid_request", "POST is needed");
    }
    if field("grant_type") != "client_credentials" {
        return error(400, "unsupported_grant_type", "Only client_credentials is simulated");
    }
    let basic = asked.authorization.and_then(|header| header.strip_prefix("Basic ")).and_then(decode_basic);
    let (key, secret) = basic.unwrap_or_else(|| (field("client_id"), field("client_secret")));
    match access.give_token(&key, &secret, now, life) {
        None => error(401, "unauthorized_client", "Invalid OAuth client credentials"),
        Some((token, credential)) => {
            let all = || ["account", "project", "pullrequest", "repository"].map(str::to_owned).to_vec();
            let scope = credential.scopes.clone().unwrap_or_else(all).join(" ");
            let body = serde_json::json!({"access_token": token, "token_type": "bearer", "expires_in": life.num_seconds(),
                "scope": scope, "state": "client_credentials"});
            Answer::new(200, JSON, body.to_string())
        }
    }
}
