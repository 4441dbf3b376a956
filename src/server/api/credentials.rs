//! `/credentials`: what is stored; secrets go in, and never come out.

use std::collections::BTreeMap;

use axum::http::Method;
use chrono::NaiveDate;
use schemars::JsonSchema;

use super::call::Call;
use super::input::{Nothing, Params, Sealed};
use super::integrations::DryRunOnly;
use super::reply::Done;
use super::route::{For, Route, get, only, route};
use crate::commands::answer::{CredentialDeletion, CredentialRow};
use crate::commands::credential;
use crate::commands::request::{Answer, Request};
use crate::server::problem::Problem;

const TAG: &str = "credentials";

pub(super) fn routes() -> Vec<Route> {
    vec![
        get("/credentials", list)
            .does(TAG, "Stored credentials: kind, age, who uses them, whether they can be read.", "credential list")
            .only_for(For::AnyoneOfAll),
        get("/credentials/{name}", show).does(TAG, "One credential.", "credential info").only_for(For::AnyoneOfAll),
        route(Method::PUT, "/credentials/{name}", put)
            .does(
                TAG,
                "Adds a credential, or replaces its secret. It is stored encrypted and never shown again; whatever uses it, uses it from the next request on.",
                "credential add",
            )
            .only_for(For::EditorsOfAll),
        route(Method::DELETE, "/credentials/{name}", delete)
            .does(TAG, "Forgets a credential. With `dry_run=true`, tells who uses it.", "credential delete")
            .only_for(For::EditorsOfAll),
    ]
}

async fn list(call: Call, _: Nothing) -> Result<Done<Vec<CredentialRow>>, Problem> {
    only!(call.ask(Request::CredentialList { name: None }).await?, Answer::Credentials).map(Done)
}

async fn show(call: Call, _: Nothing) -> Result<Done<CredentialRow>, Problem> {
    let answer = call.ask(Request::CredentialList { name: Some(call.path("name")) }).await?;
    only!(answer, Answer::Credential).map(|row| Done(*row))
}

/// Named fields, as `credential add --stdin` takes them: what is there tells the kind.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the schema generator only: a secret is not read into it")]
struct Fields {
    /// `access_token`, `api_token`, `oauth`, `basic` or `secret`, where the other fields leave it open.
    kind: Option<String>,
    /// The day it ends: it is announced before.
    expires: Option<NaiveDate>,
    /// An access token.
    access_token: Option<String>,
    /// With `token`: an Atlassian API token.
    email: Option<String>,
    /// An access token, or the API token of `email`.
    token: Option<String>,
    /// With `secret`: an OAuth consumer.
    key: Option<String>,
    /// The consumer's secret; alone, a secret of any kind.
    secret: Option<String>,
    /// With `password`.
    username: Option<String>,
    /// Of `username`.
    password: Option<String>,
    /// A secret of any kind.
    value: Option<String>,
    /// As others call them: `settings.bitbucket_data_center_username`.
    settings: Option<BTreeMap<String, String>>,
    /// As others call them: `secrets.bitbucket_data_center_password`.
    secrets: Option<BTreeMap<String, String>>,
}

async fn put(call: Call, _: Sealed<Fields>) -> Result<Done<CredentialRow>, Problem> {
    // A secret alone, as stdin may hold one, is no JSON object.
    if !call.body.trim_ascii_start().starts_with(b"{") {
        return Err(super::imports::unwanted(
            "the body is no JSON object",
            "send named fields, as /api/openapi.json tells them",
        ));
    }
    let request = credential::given(&call.app, &call.path("name"), &call.body).await?;
    let mut rows = only!(call.ask(request).await?, Answer::Credentials)?;
    rows.pop().map(Done).ok_or_else(super::call::unexpected)
}

async fn delete(
    call: Call,
    Params(DryRunOnly { dry_run }): Params<DryRunOnly>,
) -> Result<Done<CredentialDeletion>, Problem> {
    let answer = call.ask(Request::CredentialDelete { name: call.path("name"), dry_run }).await?;
    only!(answer, Answer::CredentialDeleted).map(Done)
}
