//! What a webhook says: where to look. Pure, and lenient: only what names the repository is read, whatever else a body
//! holds or lacks.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::config::ConnectorType;
use crate::model::{SecondaryKind, Touched};

/// Where the event says to look; empty: nowhere (an issue, a comment on a commit, a project).
///
/// # Errors
/// A body that is no JSON object.
pub fn read(product: ConnectorType, event: &str, body: &[u8]) -> Result<Vec<Touched>, serde_json::Error> {
    let body: Value = serde_json::from_slice::<serde_json::Map<String, Value>>(body)?.into();
    let Some(kinds) = kinds(product, event, &body) else { return Ok(Vec::new()) };
    let touched = match product {
        ConnectorType::BitbucketCloud => cloud(event, &body, kinds),
        ConnectorType::BitbucketDataCenter => data_center(&body, kinds),
    };
    Ok(touched.into_iter().collect())
}

/// Whether an event is only sent to see whether somebody answers.
pub fn is_ping(event: &str) -> bool {
    matches!(event, "diagnostics:ping" | "ping")
}

/// What may have changed beside the repository itself; `None`: nothing that is kept here.
fn kinds(product: ConnectorType, event: &str, body: &Value) -> Option<BTreeSet<SecondaryKind>> {
    use SecondaryKind::{Commits, PullRequests};
    let kinds: &[SecondaryKind] = match (product, event) {
        // A merge is a push as well, and not everywhere told as one.
        (_, "pullrequest:fulfilled" | "pr:merged") => &[PullRequests, Commits],
        (_, event) if event.starts_with("pullrequest:") || event.starts_with("pr:") => &[PullRequests],
        (_, "repo:push" | "repo:refs_changed" | "mirror:repo_synchronized") => &[Commits],
        (
            ConnectorType::BitbucketCloud,
            "repo:updated" | "repo:transfer" | "repo:created" | "repo:imported" | "repo:deleted" | "repo:fork",
        ) => &[],
        (ConnectorType::BitbucketDataCenter, "repo:modified" | "repo:forked" | "repo:deleted") => &[],
        // Hooks of older plugins name no event: what they are about has to tell.
        (ConnectorType::BitbucketDataCenter, "") if body.get("pullrequest").is_some() => &[PullRequests],
        (ConnectorType::BitbucketDataCenter, "") if body.get("repository").is_some() => &[Commits],
        _ => return None,
    };
    Some(kinds.iter().copied().collect())
}

fn cloud(event: &str, body: &Value, kinds: BTreeSet<SecondaryKind>) -> Option<Touched> {
    // A fork is news of the repository that it made.
    let named = if event == "repo:fork" { body.get("fork") } else { body.get("repository") }?;
    let text = |key: &str| named.get(key).and_then(Value::as_str);
    let id = text("uuid").filter(|uuid| uuid.starts_with('{') && uuid.ends_with('}')).map(str::to_owned);
    let (workspace, slug) = text("full_name").and_then(|name| name.split_once('/')).unwrap_or_default();
    touched(id, workspace, slug, kinds)
}

fn data_center(body: &Value, kinds: BTreeSet<SecondaryKind>) -> Option<Touched> {
    let of_pull_request = || body.pointer("/pullRequest/toRef/repository");
    // A rename tells both; it is called by the new name from now on.
    let named = body.get("repository").or_else(of_pull_request).or_else(|| body.get("new"))?;
    let id = named.get("id").and_then(Value::as_u64).map(|id| id.to_string());
    let text = |pointer: &str| named.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    touched(id, text("/project/key"), text("/slug"), kinds)
}

fn touched(id: Option<String>, workspace: &str, slug: &str, kinds: BTreeSet<SecondaryKind>) -> Option<Touched> {
    // Longer than Bitbucket allows: not one of its own.
    let named = |name: &str| if name.len() <= 255 { name.to_owned() } else { String::new() };
    let (workspace, slug) = (named(workspace), named(slug));
    if id.is_none() && (workspace.is_empty() || slug.is_empty()) {
        return None;
    }
    Some(Touched { id: id.filter(|id| id.len() <= 64), workspace, slug, kinds, again: false })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};

    use super::*;

    #[track_caller]
    fn check(product: ConnectorType, event: &str, body: &str, says: &str) {
        let touched = read(product, event, body.as_bytes()).unwrap();
        let shown = touched.iter().map(|one| {
            let kinds: Vec<&str> = one.kinds.iter().map(|kind| kind.as_str()).collect();
            format!("{} {} {}", one.id.as_deref().unwrap_or("-"), one.full_name(), kinds.join("+"))
        });
        assert_eq!(shown.collect::<Vec<_>>().join("; ").trim_end(), says, "{event}");
    }

    const REPOSITORY: &str = r#"{"repository": {"uuid": "{1}", "full_name": "acme/web", "type": "repository"}}"#;

    // P6.12: the six pull-request events of the seed at least, pushes and repository changes, of both products.
    #[test]
    fn every_event_says_where_to_look_p6_12() {
        use ConnectorType::{BitbucketCloud, BitbucketDataCenter};
        for event in ["created", "updated", "approved", "unapproved", "rejected", "comment_created"] {
            check(BitbucketCloud, &format!("pullrequest:{event}"), REPOSITORY, "{1} acme/web pull_requests");
        }
        check(BitbucketCloud, "pullrequest:fulfilled", REPOSITORY, "{1} acme/web pull_requests+commits");
        check(BitbucketCloud, "repo:push", REPOSITORY, "{1} acme/web commits");
        for event in ["updated", "transfer", "created", "imported", "deleted"] {
            check(BitbucketCloud, &format!("repo:{event}"), REPOSITORY, "{1} acme/web");
        }
        let fork = r#"{"repository": {"uuid": "{1}", "full_name": "acme/web"}, "fork": {"uuid": "{2}", "full_name": "acme/web-2"}}"#;
        check(BitbucketCloud, "repo:fork", fork, "{2} acme/web-2");
        for event in ["issue:created", "repo:commit_comment_created", "project:updated", "anything"] {
            check(BitbucketCloud, event, REPOSITORY, "");
        }
        check(BitbucketCloud, "repo:push", r#"{"repository": null}"#, "");
        check(BitbucketCloud, "repo:push", r#"{"repository": {"uuid": 7, "full_name": "web"}}"#, "");

        let pr = r#"{"pullRequest": {"toRef": {"repository": {"id": 7, "slug": "web", "project": {"key": "PAY"}}},
                     "fromRef": {"repository": {"id": 8, "slug": "web", "project": {"key": "~ann"}}}}}"#;
        for event in [
            "opened",
            "modified",
            "declined",
            "deleted",
            "from_ref_updated",
            "reviewer:approved",
            "reviewer:changes_requested",
            "comment:added",
        ] {
            check(BitbucketDataCenter, &format!("pr:{event}"), pr, "7 PAY/web pull_requests");
        }
        check(BitbucketDataCenter, "pr:merged", pr, "7 PAY/web pull_requests+commits");
        let push = r#"{"repository": {"id": 7, "slug": "web", "project": {"key": "PAY"}}}"#;
        check(BitbucketDataCenter, "repo:refs_changed", push, "7 PAY/web commits");
        check(BitbucketDataCenter, "mirror:repo_synchronized", push, "7 PAY/web commits");
        check(BitbucketDataCenter, "repo:forked", push, "7 PAY/web");
        let renamed = r#"{"old": {"id": 7, "slug": "web", "project": {"key": "PAY"}},
                          "new": {"id": 7, "slug": "shop", "project": {"key": "OPS"}}}"#;
        check(BitbucketDataCenter, "repo:modified", renamed, "7 OPS/shop");
        let legacy = r#"{"repository": {"slug": "rep_1", "project": {"key": "PROJECT_1"}}}"#;
        check(BitbucketDataCenter, "", legacy, "- PROJECT_1/rep_1 commits");
        check(BitbucketDataCenter, "repo:comment:added", push, "");
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        for body in ["", "[]", "nothing", "\"x\"", &"[".repeat(10_000)] {
            assert!(read(ConnectorType::BitbucketCloud, "repo:push", body.as_bytes()).is_err());
        }
    }

    /// The event key of a recorded body: Data Center's are in it; Cloud's come in a header, of which the file's name
    /// remembers the family.
    fn event_of(path: &Path, body: &Value) -> String {
        if let Some(key) = body.get("eventKey").and_then(Value::as_str) {
            return key.to_owned();
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let family = name.trim_start_matches("webhook.").split('.').next().unwrap_or_default();
        match family {
            "pullrequest" => "pullrequest:updated".to_owned(),
            "repo-push" => "repo:push".to_owned(),
            "repo-fork" => "repo:fork".to_owned(),
            "repo-updated" => "repo:updated".to_owned(),
            "commit-comment" => "repo:commit_comment_created".to_owned(),
            "commit-status" => "repo:commit_status_created".to_owned(),
            "diagnostics-ping" => "diagnostics:ping".to_owned(),
            _ => String::new(),
        }
    }

    fn recorded(folder: &Path) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("webhook.")));
        paths.sort();
        paths
    }

    // P6.12: bodies that real instances sent say where to look.
    #[test]
    fn recorded_webhooks_say_where_to_look_p6_12() {
        let Some(shared) = crate::recorded::folder() else { return };
        let payloads = shared.join("bitbucket/payloads");
        for (folder, product, most) in
            [("cloud", ConnectorType::BitbucketCloud, 42), ("data-center", ConnectorType::BitbucketDataCenter, 50)]
        {
            let mut counts: BTreeMap<String, usize> = BTreeMap::new();
            let paths = recorded(&payloads.join(folder));
            for path in &paths {
                let bytes = std::fs::read(path).unwrap();
                let body: Value = serde_json::from_slice(&bytes).unwrap();
                let event = event_of(path, &body);
                let touched = read(product, &event, &bytes).unwrap();
                let silent = is_ping(&event)
                    || event.contains(":comm") && !event.starts_with("pr")
                    || body.get("repository").or(body.get("pullRequest")).or(body.get("new")).is_none();
                assert_eq!(touched.is_empty(), silent, "{} ({event})", path.display());
                for one in &touched {
                    let is_legacy = path.to_string_lossy().contains("legacy");
                    assert_eq!(one.id.is_some(), !is_legacy, "{}", path.display());
                    assert!(!one.workspace.is_empty() && !one.slug.is_empty(), "{}", path.display());
                }
                let kinds: Vec<&str> = touched.iter().flat_map(|one| &one.kinds).map(|kind| kind.as_str()).collect();
                let what = if touched.is_empty() { "nothing".to_owned() } else { format!("look {}", kinds.join("+")) };
                *counts.entry(what).or_default() += 1;
            }
            println!("{folder}: {} recorded webhooks: {counts:?}", paths.len());
            assert!(paths.len() >= most, "{folder}: {}", paths.len());
        }
    }
}
