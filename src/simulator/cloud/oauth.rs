//! OAuth of a consumer: the page that asks a person for access, played by somebody who grants it, and the token
//! endpoint. Client credentials get no refresh token; codes and refresh tokens are taken once.

use std::collections::HashMap;

use axum::http::Method;
use chrono::{DateTime, Duration, Utc};
use url::{Url, form_urlencoded};

use crate::simulator::SimulatorOptions;
use crate::simulator::access::{Access, decode_basic};
use crate::simulator::answer::{Answer, JSON};
use crate::simulator::face::Asked;
use crate::simulator::grants::Given;

fn error(status: u16, error: &str, why: &str) -> Answer {
    Answer::new(status, JSON, serde_json::json!({"error": error, "error_description": why}).to_string())
}

/// Sends the browser back as if the person had said yes or no.
pub(in crate::simulator) fn authorize(
    asked: &Asked<'_>,
    access: &mut Access,
    consents: bool,
    now: DateTime<Utc>,
) -> Answer {
    let query: HashMap<String, String> = form_urlencoded::parse(asked.query.as_bytes()).into_owned().collect();
    let field = |name: &str| query.get(name).map(String::as_str);
    let Some((consumer, callback)) = access.consumer(field("client_id").unwrap_or_default()) else {
        return error(400, "invalid_request", "No such OAuth consumer, or it has no callback URL");
    };
    // A redirect_uri must begin with the consumer's callback URL.
    let target = field("redirect_uri").unwrap_or(&callback);
    let Some(mut target) = Url::parse(target).ok().filter(|_| target.starts_with(&callback)) else {
        return error(400, "invalid_request", "Redirect URI mismatch");
    };
    let (name, value) = match (field("response_type"), consents) {
        (Some("code"), true) => {
            let challenge = field("code_challenge").filter(|_| field("code_challenge_method") == Some("S256"));
            ("code", access.new_code(consumer, challenge.map(str::to_owned), now))
        }
        (Some("code"), false) => ("error", "access_denied".to_owned()),
        _ => ("error", "unsupported_response_type".to_owned()),
    };
    target.query_pairs_mut().append_pair(name, &value);
    if let Some(state) = field("state") {
        target.query_pairs_mut().append_pair("state", state);
    }
    let mut answer = Answer::new(302, "text/html; charset=utf-8", "");
    answer.headers.push(("location", target.to_string()));
    answer
}

/// Answers a request for a token.
pub(in crate::simulator) fn token(
    asked: &Asked<'_>,
    access: &mut Access,
    options: &SimulatorOptions,
    now: DateTime<Utc>,
) -> Answer {
    let form: HashMap<String, String> = form_urlencoded::parse(asked.form.as_bytes()).into_owned().collect();
    let field = |name: &str| form.get(name).cloned().unwrap_or_default();
    if *asked.method != Method::POST {
        return error(405, "invalid_request", "POST is needed");
    }
    let basic = asked.authorization.and_then(|header| header.strip_prefix("Basic ")).and_then(decode_basic);
    let (key, secret) = basic.unwrap_or_else(|| (field("client_id"), field("client_secret")));
    let life = options.oauth_token_life;
    let wrong_consumer = || error(401, "unauthorized_client", "Invalid OAuth client credentials");
    let grant = field("grant_type");
    match grant.as_str() {
        "client_credentials" => match access.give_token(&key, &secret, now, life) {
            None => wrong_consumer(),
            Some((token, credential)) => {
                let scopes = scopes(credential.scopes.as_deref());
                given(&grant, &token, None, &scopes, life)
            }
        },
        "authorization_code" | "refresh_token" => {
            let Some(consumer) = access.consumer_with(&key, &secret) else { return wrong_consumer() };
            let (exchanged, what) = if grant == "refresh_token" {
                let takes_old = options.oauth_old_refresh_tokens;
                (access.refresh(consumer, &field("refresh_token"), takes_old, life, now), "refresh_token")
            } else {
                (access.redeem(consumer, &field("code"), &field("code_verifier"), life, now), "code")
            };
            match exchanged {
                None => error(400, "invalid_grant", &format!("Invalid {what}")),
                Some(Given { access: token, refresh, credential }) => {
                    let scopes = scopes(access.credentials[credential].scopes.as_deref());
                    given(&grant, &token, Some(&refresh), &scopes, life)
                }
            }
        }
        _ => error(400, "unsupported_grant_type", "Unsupported grant type"),
    }
}

fn scopes(granted: Option<&[String]>) -> String {
    let all = || ["account", "project", "pullrequest", "repository"].map(str::to_owned).to_vec();
    granted.map_or_else(all, <[String]>::to_vec).join(" ")
}

fn given(grant: &str, token: &str, refresh: Option<&str>, scopes: &str, life: Duration) -> Answer {
    let mut body = serde_json::json!({"access_token": token, "token_type": "bearer", "expires_in": life.num_seconds(),
        "scope": scopes, "state": grant});
    if let Some(refresh) = refresh {
        body["refresh_token"] = refresh.into();
    }
    Answer::new(200, JSON, body.to_string())
}
