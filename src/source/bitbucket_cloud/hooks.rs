//! Webhooks of a workspace (facts 1.10): they tell of every repository in it, also of new ones.

use secrecy::ExposeSecret;
use serde_json::json;

use super::{BitbucketCloud, Call, Place, Who};
use crate::source::SourceError;
use crate::source::hooks::{Hook, HookPlace, NAME, NewHook, read};
use crate::source::http::links::segment;
use crate::source::http::{Pool, Posted, Verb};

/// Every event that is of use.
const EVENTS: &[&str] = &[
    "repo:push",
    "repo:updated",
    "repo:transfer",
    "repo:created",
    "repo:deleted",
    "repo:fork",
    "repo:imported",
    "pullrequest:created",
    "pullrequest:updated",
    "pullrequest:approved",
    "pullrequest:unapproved",
    "pullrequest:changes_request_created",
    "pullrequest:changes_request_removed",
    "pullrequest:fulfilled",
    "pullrequest:rejected",
    "pullrequest:comment_created",
    "pullrequest:comment_updated",
    "pullrequest:comment_deleted",
];

fn path(cloud: &BitbucketCloud, place: &HookPlace) -> Result<String, SourceError> {
    match place {
        HookPlace::Workspace => Ok(format!("/workspaces/{}/hooks", cloud.workspace_segment)),
        HookPlace::Repository(workspace, slug) => match (segment(workspace), segment(slug)) {
            (Some(workspace), Some(slug)) => Ok(format!("/repositories/{workspace}/{slug}/hooks")),
            _ => Err(SourceError::NotFound { url: place.to_string() }),
        },
        HookPlace::Project(_) => Err(SourceError::NotFound { url: format!("webhooks of {place}") }),
    }
}

pub(super) async fn list(cloud: &BitbucketCloud, place: &HookPlace) -> Result<Vec<Hook>, SourceError> {
    let mut at = Place::first(format!("{}?pagelen=100", path(cloud, place)?));
    let mut hooks = Vec::new();
    loop {
        let call = Call { pool: Pool::Other, ..cloud.get(&at, Who::Any)? };
        let page = cloud.page(&at, call).await?;
        hooks.extend(page.values.iter().filter_map(read));
        match page.next {
            Some(next) => at = next,
            None => return Ok(hooks),
        }
    }
}

pub(super) async fn set(
    cloud: &BitbucketCloud,
    place: &HookPlace,
    id: Option<&str>,
    hook: &NewHook,
) -> Result<Hook, SourceError> {
    let body = json!({
        "description": NAME,
        "url": hook.url.as_str(),
        "active": true,
        "secret": hook.secret.expose_secret(),
        "events": EVENTS,
    });
    let (below, verb) = match id {
        Some(id) => (one(cloud, place, id)?, Verb::Replace),
        None => (path(cloud, place)?, Verb::Create),
    };
    let url = cloud.session.base().url(&below)?;
    let call = Call {
        verb,
        posted: Some(Posted::Json(body.to_string())),
        pool: Pool::Other,
        // Sent once: made twice, nobody would know which one is ours.
        attempts: Some(1),
        ..Call::get(url, Who::Any)
    };
    let reply = cloud.session.json(&call).await?;
    read(&reply.value)
        .ok_or_else(|| SourceError::NotBitbucket { url: below, message: "an answer that is no webhook".to_owned() })
}

pub(super) async fn remove(cloud: &BitbucketCloud, place: &HookPlace, id: &str) -> Result<(), SourceError> {
    let url = cloud.session.base().url(&one(cloud, place, id)?)?;
    let call = Call { verb: Verb::Remove, pool: Pool::Other, ..Call::get(url, Who::Any) };
    match cloud.session.json(&call).await {
        Ok(_) | Err(SourceError::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

fn one(cloud: &BitbucketCloud, place: &HookPlace, id: &str) -> Result<String, SourceError> {
    let id = segment(id).ok_or_else(|| SourceError::NotFound { url: format!("webhook {id}") })?;
    Ok(format!("{}/{id}", path(cloud, place)?))
}
