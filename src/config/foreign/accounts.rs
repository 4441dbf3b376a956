//! Credentials of other connectors as ours. Which kind a token is shows in its first letters, where it stands in the
//! file; else in what stands beside it.

use super::draft::Credential;
use super::ledger::{Entry, Fate, Ledger};
use super::reference::{Given, Reference, given};

/// Variables of new names begin so.
const TOKEN: &str = "BITBUCKET_TOKEN";
const EMAIL: &str = "BITBUCKET_EMAIL";
const USERNAME: &str = "BITBUCKET_USERNAME";
const PASSWORD: &str = "BITBUCKET_PASSWORD";
const OAUTH_KEY: &str = "BITBUCKET_OAUTH_KEY";
const OAUTH_SECRET: &str = "BITBUCKET_OAUTH_SECRET";

/// What a user's name beside a token means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Username {
    /// The token is an API token, and this the account's e-mail address.
    IsEmail,
    /// People write there whatever they were asked for.
    MayBeAnything,
}

/// A token of Cloud: an access token, or an API token with its account.
pub(super) fn cloud_token(
    username: Option<&Entry<'_>>,
    token: &Entry<'_>,
    rule: Username,
    ledger: &mut Ledger,
) -> Option<Credential> {
    let reference = Reference::of(token, TOKEN, "the token", ledger)?;
    let begins = |prefix: &str| reference.literal().is_some_and(|text| text.starts_with(prefix));
    if begins("ATBB") {
        return app_password(username, token, ledger);
    }
    let written = username.and_then(|entry| match given(entry.node) {
        Some(Given::Literal(text)) => Some(text),
        _ => None,
    });
    let is_email = written.is_some_and(|text| text.contains('@'));
    let is_access_token = begins("ATCTT") || written == Some("x-token-auth");
    let is_api_token = begins("ATATT") || (username.is_some() && (is_email || rule == Username::IsEmail));
    if is_access_token || !is_api_token {
        if let Some(username) = username {
            if is_access_token {
                ledger.not_applicable(username, "an access token needs no user name");
            } else {
                let what = "an access token needs no user name, and this is taken for one; if it is an Atlassian API token, write \
                            `api_token: { email: …, token: … }`";
                ledger.note(Fate::Differs, username, what);
            }
        }
        return Some(Credential::AccessToken(Reference { what: "the access token", ..reference }));
    }
    let email = match username {
        Some(entry) => {
            if !is_email {
                ledger.note(Fate::Differs, entry, "an API token needs the account's e-mail address, not its name");
            }
            Reference::of(entry, EMAIL, "the account's e-mail address", ledger)?
        }
        None => {
            ledger.note(Fate::Differs, token, "an API token needs the account's e-mail address, and there is none");
            Reference::missing(EMAIL, "the account's e-mail address", token.line)
        }
    };
    Some(Credential::ApiToken { email, token: Reference { what: "the API token", ..reference } })
}

/// What ended: a new token takes its place.
pub(super) fn app_password(
    username: Option<&Entry<'_>>,
    password: &Entry<'_>,
    ledger: &mut Ledger,
) -> Option<Credential> {
    let what = "Bitbucket ended app passwords on 2026-07-28: make an access token (or an Atlassian API token)";
    ledger.note(Fate::Differs, password, what);
    if let Some(username) = username {
        ledger.not_applicable(username, "an access token needs no user name");
    }
    Some(Credential::AccessToken(Reference::missing(TOKEN, "a new access token", password.line)))
}

/// An HTTP access token of Data Center.
pub(super) fn http_token(username: Option<&Entry<'_>>, token: &Entry<'_>, ledger: &mut Ledger) -> Option<Credential> {
    let reference = Reference::of(token, TOKEN, "the HTTP access token", ledger)?;
    if let Some(username) = username {
        let what = "an HTTP access token needs no user name; if the key is a password, write `basic: { username: …, password: … }`";
        ledger.note(Fate::Differs, username, what);
    }
    Some(Credential::AccessToken(reference))
}

/// A user of Data Center.
pub(super) fn basic(username: Option<&Entry<'_>>, password: &Entry<'_>, ledger: &mut Ledger) -> Option<Credential> {
    let username = match username {
        Some(entry) => Reference::of(entry, USERNAME, "the user's name", ledger)?,
        None => {
            ledger.note(Fate::Differs, password, "a password needs the user's name, and there is none");
            Reference::missing(USERNAME, "the user's name", password.line)
        }
    };
    let password = Reference::of(password, PASSWORD, "the password", ledger)?;
    Some(Credential::Basic { username, password })
}

/// An OAuth consumer of Cloud.
pub(super) fn consumer(key: &Entry<'_>, secret: &Entry<'_>, ledger: &mut Ledger) -> Option<Credential> {
    let key = Reference::of(key, OAUTH_KEY, "the OAuth consumer's key", ledger)?;
    let secret = Reference::of(secret, OAUTH_SECRET, "the OAuth consumer's secret", ledger)?;
    Some(Credential::OAuth { key, secret })
}

/// None is in the file.
pub(super) fn missing(line: usize) -> Credential {
    Credential::AccessToken(Reference::missing(TOKEN, "an access token", line))
}
