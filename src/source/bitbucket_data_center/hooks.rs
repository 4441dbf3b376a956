//! Webhooks of a project, or of one repository where the instance has none for projects (facts 2.4).

use secrecy::ExposeSecret;
use serde_json::json;

use super::{Asking, BitbucketDataCenter, Call, PageAt, Who, path_of};
use crate::source::SourceError;
use crate::source::hooks::{Hook, HookPlace, NAME, NewHook, read};
use crate::source::http::links::segment;
use crate::source::http::{Posted, Verb};

/// Every event that is of use; those that every version knows.
const EVENTS: &[&str] = &[
    "repo:refs_changed",
    "repo:modified",
    "repo:forked",
    "pr:opened",
    "pr:modified",
    "pr:reviewer:updated",
    "pr:reviewer:approved",
    "pr:reviewer:unapproved",
    "pr:reviewer:needs_work",
    "pr:merged",
    "pr:declined",
    "pr:deleted",
    "pr:comment:added",
    "pr:comment:edited",
    "pr:comment:deleted",
];
/// What newer ones have beside them; an older one refuses what it does not know.
const NEWER_EVENTS: &[&str] = &["pr:from_ref_updated"];
/// The usual page.
const PAGE: u32 = 100;

fn path(place: &HookPlace) -> Result<String, SourceError> {
    let path = match place {
        HookPlace::Project(key) => segment(key).map(|key| format!("/projects/{key}/webhooks")),
        HookPlace::Repository(key, slug) => path_of(key, slug).map(|path| format!("{path}/webhooks")),
        HookPlace::Workspace => None,
    };
    path.ok_or_else(|| SourceError::NotFound { url: format!("webhooks of the {place}") })
}

pub(super) async fn list(dc: &BitbucketDataCenter, place: &HookPlace) -> Result<Vec<Hook>, SourceError> {
    let path = path(place)?;
    let mut at = PageAt::FIRST;
    let mut hooks = Vec::new();
    loop {
        let page = dc.page(&path, at, PAGE, &Asking::by(Who::Any)).await?;
        hooks.extend(page.values.iter().filter_map(read));
        match page.next {
            Some(next) => at = next,
            None => return Ok(hooks),
        }
    }
}

pub(super) async fn set(
    dc: &BitbucketDataCenter,
    place: &HookPlace,
    id: Option<&str>,
    hook: &NewHook,
) -> Result<Hook, SourceError> {
    let all: Vec<&str> = EVENTS.iter().chain(NEWER_EVENTS).copied().collect();
    match send(dc, place, id, hook, &all).await {
        Err(SourceError::BadRequest { status: 400, .. }) => send(dc, place, id, hook, EVENTS).await,
        sent => sent,
    }
}

async fn send(
    dc: &BitbucketDataCenter,
    place: &HookPlace,
    id: Option<&str>,
    hook: &NewHook,
    events: &[&str],
) -> Result<Hook, SourceError> {
    let body = json!({
        "name": NAME,
        "url": hook.url.as_str(),
        "active": true,
        "configuration": { "secret": hook.secret.expose_secret() },
        "events": events,
        "sslVerificationRequired": true,
    });
    let (below, verb) = match id {
        Some(id) => (one(place, id)?, Verb::Replace),
        None => (path(place)?, Verb::Create),
    };
    let url = dc.session.base().url(&below)?;
    let call = Call {
        verb,
        posted: Some(Posted::Json(body.to_string())),
        // Sent once: made twice, nobody would know which one is ours.
        attempts: Some(1),
        ..Call::get(url, Who::Any)
    };
    let reply = dc.session.json(&call).await?;
    read(&reply.value)
        .ok_or_else(|| SourceError::NotBitbucket { url: below, message: "an answer that is no webhook".to_owned() })
}

pub(super) async fn remove(dc: &BitbucketDataCenter, place: &HookPlace, id: &str) -> Result<(), SourceError> {
    let url = dc.session.base().url(&one(place, id)?)?;
    let call = Call { verb: Verb::Remove, ..Call::get(url, Who::Any) };
    match dc.session.json(&call).await {
        Ok(_) | Err(SourceError::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

fn one(place: &HookPlace, id: &str) -> Result<String, SourceError> {
    let id = segment(id).ok_or_else(|| SourceError::NotFound { url: format!("webhook {id}") })?;
    Ok(format!("{}/{id}", path(place)?))
}
