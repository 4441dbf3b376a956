//! What a Data Center tells, and its webhooks of projects and repositories.

use serde_json::{Value, json};

use super::route::Route;
use super::wire::Wire;
use super::{DataCenterOptions, refusal};
use crate::simulator::answer::Refusal;
use crate::simulator::json::Json;
use crate::simulator::pull_requests::Verdict;
use crate::simulator::webhooks::{Happened, Webhook, WebhookPlace, What};
use crate::simulator::world::World;

fn parsed(members: impl FnOnce(&mut Json)) -> Value {
    serde_json::from_str(&Json::text(2048, members)).unwrap_or_default()
}

/// Event key and body; `None`: it tells nothing of that. There is no event for a new repository, nor for a deleted one.
pub(in crate::simulator) fn event(
    world: &World,
    options: &DataCenterOptions,
    base: &str,
    happened: &Happened,
) -> Option<(&'static str, String)> {
    let wire = Wire { world, base: options.links_base.as_deref().unwrap_or(base).trim_end_matches('/'), options };
    let repository = &happened.repository;
    let now_called = |slug: &str, project: usize| {
        json!({
            "slug": slug, "id": happened.number, "name": repository.name, "scmId": "git", "state": "AVAILABLE",
            "project": parsed(|json| wire.project(json, project)), "public": !repository.is_private,
        })
    };
    let it = || now_called(&repository.slug, repository.project);
    let pull_request = |id: u64| {
        let list = world.pull_requests(&world.repositories[happened.at]);
        let it = list.iter().find(|it| it.id == id)?.clone();
        Some(parsed(|json| wire.pull_request(json, &world.repositories[happened.at], &it)))
    };
    let (key, more) = match &happened.what {
        What::Created if repository.parent.is_some() => ("repo:forked", json!({"repository": it()})),
        What::Created | What::Deleted => return None,
        What::Updated => ("repo:modified", json!({"old": it(), "new": it()})),
        What::Renamed { project, slug } | What::Transferred { project, slug } => {
            ("repo:modified", json!({"old": now_called(slug, *project), "new": it()}))
        }
        What::Pushed { branch, from, to } => {
            const NOTHING: &str = "0000000000000000000000000000000000000000";
            let kind = match (from, to) {
                (None, _) => "ADD",
                (_, None) => "DELETE",
                _ => "UPDATE",
            };
            let id = format!("refs/heads/{branch}");
            let change = json!({
                "ref": {"id": id, "displayId": branch, "type": "BRANCH"}, "refId": id, "type": kind,
                "fromHash": from.as_deref().unwrap_or(NOTHING), "toHash": to.as_deref().unwrap_or(NOTHING),
            });
            ("repo:refs_changed", json!({"repository": it(), "changes": [change]}))
        }
        What::Opened(id) => ("pr:opened", json!({"pullRequest": pull_request(*id)?})),
        What::Changed(id) => ("pr:modified", json!({"pullRequest": pull_request(*id)?})),
        What::Reviewed(id, Verdict::Approved) => ("pr:reviewer:approved", json!({"pullRequest": pull_request(*id)?})),
        What::Reviewed(id, _) => ("pr:reviewer:needs_work", json!({"pullRequest": pull_request(*id)?})),
        What::Commented(id) => ("pr:comment:added", json!({"pullRequest": pull_request(*id)?})),
        What::Merged(id) => ("pr:merged", json!({"pullRequest": pull_request(*id)?})),
        What::Declined(id) => ("pr:declined", json!({"pullRequest": pull_request(*id)?})),
    };
    let mut body = json!({
        "eventKey": key,
        // No colon in the offset (facts 2.4).
        "date": world.now().format("%Y-%m-%dT%H:%M:%S%z").to_string(),
        "actor": parsed(|json| wire.user(json, 0, false)),
    });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    Some((key, body.to_string()))
}

/// Lists, makes, changes or removes webhooks: status and body.
pub(in crate::simulator) fn webhooks(
    route: &Route,
    method: &str,
    posted: &str,
    world: &mut World,
) -> Result<(u16, String), Refusal> {
    let project = world.find_project(&route.project).ok_or_else(|| refusal::no_such_project(&route.project))?;
    let place = if route.repository.is_empty() {
        WebhookPlace::Project(project)
    } else {
        let at = world.find_in_project(project, &route.repository);
        WebhookPlace::Repository(at.ok_or_else(|| refusal::no_such_repository(&route.repository))?)
    };
    let id = route.item.parse::<u64>().ok();
    let at = world.webhooks.iter().position(|webhook| webhook.place == place && Some(webhook.id) == id);
    let body: Value = serde_json::from_str(posted).unwrap_or_default();
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
    let events: Vec<String> = body
        .get("events")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|it| it.as_str().map(str::to_owned))
        .collect();
    match (method, route.item.as_str(), at) {
        ("GET", "", _) => {
            let values: Vec<Value> = world.webhooks.iter().filter(|one| one.place == place).map(shown).collect();
            let size = values.len();
            let page = json!({"size": size, "limit": 25, "isLastPage": true, "values": values, "start": 0});
            Ok((200, page.to_string()))
        }
        ("GET", _, Some(at)) => Ok((200, shown(&world.webhooks[at]).to_string())),
        ("POST", "", _) => {
            let (Some(url), Some(name), false) = (text("/url"), text("/name"), events.is_empty()) else {
                return Err(refusal::ordered(400));
            };
            let made = world.subscribe(place, name, url, text("/configuration/secret").unwrap_or_default(), events);
            Ok((201, shown(made).to_string()))
        }
        ("PUT", _, Some(at)) => {
            let webhook = &mut world.webhooks[at];
            for (pointer, field) in [
                ("/url", &mut webhook.url),
                ("/name", &mut webhook.name),
                ("/configuration/secret", &mut webhook.secret),
            ] {
                if let Some(text) = text(pointer) {
                    text.clone_into(field);
                }
            }
            if !events.is_empty() {
                webhook.events = events;
            }
            webhook.active = body.get("active").and_then(Value::as_bool).unwrap_or(webhook.active);
            Ok((200, shown(webhook).to_string()))
        }
        ("DELETE", _, Some(at)) => {
            world.webhooks.remove(at);
            Ok((204, String::new()))
        }
        ("GET" | "PUT" | "DELETE", _, None) => Err(refusal::ordered(404)),
        _ => Err(refusal::no_such_method()),
    }
}

fn shown(webhook: &Webhook) -> Value {
    json!({
        "id": webhook.id,
        "name": webhook.name,
        "createdDate": webhook.created_on.timestamp_millis(),
        "updatedDate": webhook.created_on.timestamp_millis(),
        "events": webhook.events,
        "configuration": {"createdBy": "bitbucket"},
        "url": webhook.url,
        "active": webhook.active,
        "scopeType": if matches!(webhook.place, WebhookPlace::Project(_)) { "project" } else { "repository" },
        "sslVerificationRequired": true,
    })
}
