//! `/credentials`: what is stored, and never a secret.

use axum::http::Method;

use super::call::Call;
use super::input::{Nothing, Params};
use super::integrations::DryRunOnly;
use super::reply::Done;
use super::route::{For, Route, get, only, route};
use crate::commands::answer::{CredentialDeletion, CredentialRow};
use crate::commands::request::{Answer, Request};
use crate::server::problem::Problem;

const TAG: &str = "credentials";

pub(super) fn routes() -> Vec<Route> {
    vec![
        get("/credentials", list)
            .does(TAG, "Stored credentials: kind, age, who uses them, whether they can be read.", "credential list")
            .only_for(For::AnyoneOfAll),
        get("/credentials/{name}", show).does(TAG, "One credential.", "credential info").only_for(For::AnyoneOfAll),
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

async fn delete(
    call: Call,
    Params(DryRunOnly { dry_run }): Params<DryRunOnly>,
) -> Result<Done<CredentialDeletion>, Problem> {
    let answer = call.ask(Request::CredentialDelete { name: call.path("name"), dry_run }).await?;
    only!(answer, Answer::CredentialDeleted).map(Done)
}
