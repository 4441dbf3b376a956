//! OAuth's token endpoint: a grant is exchanged for an access token.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Duration, Utc};
use reqwest::header::HeaderValue;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::{Url, form_urlencoded};

use super::answer;
use super::client::{Answer, Client, Fault, Posted, Request, Verb};
use super::links::{check_address, is_loopback, shown};
use super::{HttpSettings, SettingsError};
use crate::source::SourceError;

/// How often the endpoint is asked when it fails.
const ATTEMPTS: u32 = 3;
/// Where the server does not tell how long a token lives (facts 1.9).
const USUAL_LIFE_S: i64 = 3600;
/// An absurd value does not make one live for ever.
const LONGEST_LIFE_S: i64 = 24 * 3600;

/// What is exchanged.
pub enum Grant<'a> {
    /// The consumer acts by itself.
    ClientCredentials,
    /// A person has consented; used once.
    Code {
        /// What the browser was sent back with.
        code: &'a SecretString,
        /// What the challenge of the authorize URL was made of (PKCE).
        verifier: &'a SecretString,
    },
    /// A person consented before; used once.
    Refresh(&'a SecretString),
}

/// What came for it. Prints nothing of it.
pub struct Granted {
    /// Sent as Bearer.
    pub access: SecretString,
    /// For the next exchange, where there will be one.
    pub refresh: Option<SecretString>,
    /// How long the access token lives from now on.
    pub life: Duration,
    /// What it may do, where the server tells; as sent.
    pub scopes: Option<String>,
}

impl fmt::Debug for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Granted({} s)", self.life.num_seconds())
    }
}

/// Why nothing came.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// `invalid_grant`: the code or refresh token was used, revoked, or is too old.
    #[error("the server does not take the code or token any more (invalid_grant)")]
    InvalidGrant,
    /// Key or secret of the consumer are wrong, or it may not do this.
    #[error("the server refused the consumer's key and secret")]
    Consumer,
    /// Everything that is not about the grant.
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// The endpoint, and the way there.
pub struct TokenEndpoint {
    url: Url,
    client: Client,
}

impl TokenEndpoint {
    /// Checks the address, reads certificates; sends nothing.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn new(url: Url, http: &HttpSettings) -> Result<Self, SettingsError> {
        check_address(&url, http.allow_http)?;
        let client = Client::new(http, is_loopback(&url))?;
        Ok(Self { url, client })
    }

    /// Its address, to be shown.
    pub fn shown(&self) -> String {
        shown(&self.url)
    }

    /// Exchanges a grant; `sent` counts the requests this takes.
    ///
    /// # Errors
    /// [`TokenError`], without a secret.
    pub async fn exchange(
        &self,
        consumer: (&SecretString, &SecretString),
        grant: Grant<'_>,
        now: DateTime<Utc>,
        sent: &(dyn Fn() + Sync),
    ) -> Result<Granted, TokenError> {
        exchange(&self.client, &self.url, consumer, grant, now, sent).await
    }
}

/// Exchanges a grant over a client that is there already.
pub(super) async fn exchange(
    client: &Client,
    token_url: &Url,
    consumer: (&SecretString, &SecretString),
    grant: Grant<'_>,
    now: DateTime<Utc>,
    sent: &(dyn Fn() + Sync),
) -> Result<Granted, TokenError> {
    let login = Zeroizing::new(format!("{}:{}", consumer.0.expose_secret(), consumer.1.expose_secret()));
    let basic = Zeroizing::new(STANDARD.encode(login.as_bytes()));
    let authorization = header(&format!("Basic {}", *basic));
    let form = form(&grant);
    let url = shown(token_url);
    let mut attempts = 0;
    let answer = loop {
        attempts += 1;
        sent();
        let request =
            Request { url: token_url, verb: Verb::Ask, posted: Some(&form), authorization: Some(&authorization) };
        match client.send(request).await {
            Ok(answer) if answer.status >= 500 => {
                if attempts >= ATTEMPTS {
                    return Err(SourceError::Server { url, status: answer.status, attempts }.into());
                }
            }
            Ok(answer) => break answer,
            // A refresh token whose answer was lost may be spent. It is the only one there is: the server decides.
            Err(Fault::Transport(_)) if attempts < ATTEMPTS => {}
            Err(Fault::Transport(message) | Fault::Refused(message)) => {
                return Err(SourceError::Unreachable { url, message }.into());
            }
            Err(Fault::TooLarge) => {
                return Err(SourceError::TooLarge { url, limit_bytes: client.body_bytes() }.into());
            }
        }
    };
    match answer.status {
        200..=299 => granted(&answer).map_err(|message| SourceError::NotBitbucket { url, message }.into()),
        // RFC 6749 answers a wrong consumer with 400 invalid_client or 401, a spent grant with 400 invalid_grant.
        400 if is_invalid_grant(&answer) => Err(TokenError::InvalidGrant),
        400 | 401 => Err(TokenError::Consumer),
        429 => Err(SourceError::BudgetExhausted { resume_at: now + Duration::minutes(5) }.into()),
        300..=399 => Err(SourceError::NotBitbucket { url, message: format!("a redirect ({})", answer.status) }.into()),
        _ => Err(without(answer::error(token_url, &answer, &[]), &[&login, &basic, grant.secret()]).into()),
    }
}

impl Grant<'_> {
    fn secret(&self) -> &str {
        match self {
            Self::ClientCredentials => "",
            Self::Code { code, .. } => code.expose_secret(),
            Self::Refresh(token) => token.expose_secret(),
        }
    }
}

/// What a server or proxy repeats of what we sent stays out of errors.
fn without(mut error: SourceError, secrets: &[&str]) -> SourceError {
    if let SourceError::BadRequest { message, .. }
    | SourceError::Removed { message, .. }
    | SourceError::NotBitbucket { message, .. } = &mut error
    {
        let repeats = |secret: &&str| !secret.is_empty() && message.contains(*secret);
        if secrets.iter().any(repeats) {
            "it repeats what was sent".clone_into(message);
        }
    }
    error
}

fn form(grant: &Grant<'_>) -> Posted {
    let mut form = form_urlencoded::Serializer::new(String::new());
    match grant {
        Grant::ClientCredentials => form.append_pair("grant_type", "client_credentials"),
        Grant::Code { code, verifier } => form
            .append_pair("grant_type", "authorization_code")
            .append_pair("code", code.expose_secret())
            .append_pair("code_verifier", verifier.expose_secret()),
        Grant::Refresh(token) => {
            form.append_pair("grant_type", "refresh_token").append_pair("refresh_token", token.expose_secret())
        }
    };
    Posted::Form(form.finish())
}

fn is_invalid_grant(answer: &Answer) -> bool {
    let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
    body.is_some_and(|body| body.get("error").and_then(Value::as_str) == Some("invalid_grant"))
}

fn granted(answer: &Answer) -> Result<Granted, String> {
    let value = answer::json(answer)?;
    let text = |name: &str| value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let token = |name: &str| match text(name) {
        Some(token) if token.chars().any(char::is_control) => Err(format!("JSON with a {name} that cannot be sent")),
        token => Ok(token.map(SecretString::from)),
    };
    let access = token("access_token")?.ok_or("JSON without an access_token")?;
    let life_s = value.get("expires_in").and_then(Value::as_i64).unwrap_or(USUAL_LIFE_S);
    Ok(Granted {
        access,
        refresh: token("refresh_token")?,
        life: Duration::seconds(life_s.clamp(0, LONGEST_LIFE_S)),
        scopes: text("scope").or_else(|| text("scopes")).map(str::to_owned),
    })
}

/// Secrets hold no control characters, and a token of a server that does is not sent.
pub(super) fn header(text: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("Bearer"));
    value.set_sensitive(true);
    value
}
