//! What Cloud tells, and its webhooks of workspaces and repositories.

use serde_json::{Value, json};

use super::route::Route;
use super::wire::{Extras, Wire};
use crate::simulator::answer::Refusal;
use crate::simulator::json::Json;
use crate::simulator::pull_requests::Verdict;
use crate::simulator::webhooks::{Happened, Webhook, WebhookPlace, What};
use crate::simulator::world::World;

fn parsed(members: impl FnOnce(&mut Json)) -> Value {
    serde_json::from_str(&Json::text(2048, members)).unwrap_or_default()
}

/// Event key and body.
pub(in crate::simulator) fn event(world: &World, api: &str, happened: &Happened) -> Option<(&'static str, String)> {
    let wire = Wire { world, api };
    let repository = &happened.repository;
    let mut body = json!({
        "actor": world.people.first().map(|person| parsed(|json| wire.account(json, person))),
        "repository": parsed(|json| wire.repository_short(json, repository)),
    });
    let pull_request = |id: u64| {
        let list = world.pull_requests(&world.repositories[happened.at]);
        let it = list.iter().find(|it| it.id == id)?.clone();
        let extras = Extras { reviewers: true, participants: true };
        Some(parsed(|json| wire.pull_request(json, &world.repositories[happened.at], &it, extras)))
    };
    let (key, more) = match &happened.what {
        What::Created if repository.parent.is_some() => {
            let parent = repository.parent.and_then(|uuid| world.by_uuid.get(&uuid));
            let fork = body["repository"].take();
            body["repository"] = parent
                .map(|at| parsed(|json| wire.repository_short(json, &world.repositories[*at])))
                .unwrap_or_default();
            ("repo:fork", ("fork", fork))
        }
        What::Created => ("repo:created", ("", Value::Null)),
        What::Deleted => ("repo:deleted", ("", Value::Null)),
        What::Transferred { .. } => ("repo:transfer", ("", Value::Null)),
        What::Updated => ("repo:updated", ("changes", json!({}))),
        What::Renamed { slug, .. } => {
            ("repo:updated", ("changes", json!({"slug": {"new": repository.slug, "old": slug}})))
        }
        What::Pushed { branch, from, to } => {
            let end = |hash: &Option<String>| {
                hash.as_ref()
                    .map(|hash| json!({"type": "branch", "name": branch, "target": {"type": "commit", "hash": hash}}))
            };
            let change = json!({
                "old": end(from), "new": end(to), "created": from.is_none(), "closed": to.is_none(), "forced": false,
                "truncated": false, "commits": [],
            });
            ("repo:push", ("push", json!({"changes": [change]})))
        }
        What::Opened(id) => ("pullrequest:created", ("pullrequest", pull_request(*id)?)),
        What::Changed(id) => ("pullrequest:updated", ("pullrequest", pull_request(*id)?)),
        What::Reviewed(id, Verdict::Approved) => ("pullrequest:approved", ("pullrequest", pull_request(*id)?)),
        What::Reviewed(id, _) => ("pullrequest:changes_request_created", ("pullrequest", pull_request(*id)?)),
        What::Commented(id) => ("pullrequest:comment_created", ("pullrequest", pull_request(*id)?)),
        What::Merged(id) => ("pullrequest:fulfilled", ("pullrequest", pull_request(*id)?)),
        What::Declined(id) => ("pullrequest:rejected", ("pullrequest", pull_request(*id)?)),
    };
    if !more.0.is_empty() {
        body[more.0] = more.1;
    }
    Some((key, body.to_string()))
}

/// Where the webhooks of a path are.
fn place(route: &Route, world: &World) -> Result<WebhookPlace, Refusal> {
    let unknown = || Refusal::new(404, "Resource not found");
    let workspace = world.find_workspace(&route.workspace).ok_or_else(unknown)?;
    if route.repository.is_empty() {
        return Ok(WebhookPlace::Workspace(workspace));
    }
    world.find_in(workspace, &route.repository).map(WebhookPlace::Repository).ok_or_else(unknown)
}

/// Lists, makes, changes or removes webhooks: status and body.
pub(in crate::simulator) fn webhooks(
    route: &Route,
    method: &str,
    posted: &str,
    world: &mut World,
) -> Result<(u16, String), Refusal> {
    let place = place(route, world)?;
    let is_it =
        |webhook: &Webhook| webhook.place == place && Some(webhook.uuid.to_string().as_str()) == route.item.as_deref();
    let at = world.webhooks.iter().position(is_it);
    let body: Value = serde_json::from_str(posted).unwrap_or_default();
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    let events: Vec<String> = body
        .get("events")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|it| it.as_str().map(str::to_owned))
        .collect();
    match (method, &route.item, at) {
        ("GET", None, _) => {
            let values: Vec<Value> = world.webhooks.iter().filter(|one| one.place == place).map(shown).collect();
            let size = values.len();
            Ok((200, json!({"values": values, "pagelen": 100, "size": size, "page": 1}).to_string()))
        }
        ("GET", Some(_), Some(at)) => Ok((200, shown(&world.webhooks[at]).to_string())),
        ("POST", None, _) => {
            let (Some(url), false) = (text("url"), events.is_empty()) else {
                return Err(Refusal::new(400, "url and events are required"));
            };
            let name = text("description").unwrap_or_default();
            let made = world.subscribe(place, name, url, text("secret").unwrap_or_default(), events);
            Ok((201, shown(made).to_string()))
        }
        ("PUT", Some(_), Some(at)) => {
            let webhook = &mut world.webhooks[at];
            if let Some(url) = text("url") {
                url.clone_into(&mut webhook.url);
            }
            if let Some(secret) = text("secret") {
                secret.clone_into(&mut webhook.secret);
            }
            if !events.is_empty() {
                webhook.events = events;
            }
            webhook.active = body.get("active").and_then(Value::as_bool).unwrap_or(webhook.active);
            Ok((200, shown(webhook).to_string()))
        }
        ("DELETE", Some(_), Some(at)) => {
            world.webhooks.remove(at);
            Ok((204, String::new()))
        }
        (_, Some(_), None) => Err(Refusal::new(404, "Resource not found")),
        _ => Err(Refusal::new(405, "Method not allowed")),
    }
}

fn shown(webhook: &Webhook) -> Value {
    json!({
        "type": "webhook_subscription",
        "uuid": webhook.uuid.to_string(),
        "description": webhook.name,
        "url": webhook.url,
        "active": webhook.active,
        "skip_cert_verification": false,
        "events": webhook.events,
        "created_at": webhook.created_on.to_rfc3339_opts(chrono::SecondsFormat::Nanos, true),
        "source": null,
        "read_only": false,
        "history_enabled": false,
        "secret_set": !webhook.secret.is_empty(),
    })
}
