//! Bitbucket Cloud's JSON as sent, read leniently: nearly everything may be null, missing or of another
//! type, and unknown fields come (facts 1.3 to 1.5). What the program cannot do without is asked for;
//! the rest is taken where it is what it should be.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::error::escape_control;
use crate::model::{
    Build, Commit, FileChange, Fingerprint, IngestedRecord, PullRequest, RepoKey, Repository, Review, ReviewAction,
    User, UserKind,
};
use crate::source::UnreadableRecord;
use crate::source::json::{self, address, at, date, git_name, nickname, raw_text, state, text};

/// The envelope of a page.
pub struct Envelope {
    pub values: Vec<Value>,
    pub next: Option<String>,
    pub size: Option<u64>,
}

/// Takes a page apart.
///
/// # Errors
/// What it is instead of a page.
pub fn envelope(mut value: Value) -> Result<Envelope, String> {
    let Some(Value::Array(values)) = value.get_mut("values").map(Value::take) else {
        return Err("JSON without a list of `values`".to_owned());
    };
    let next = match value.get("next") {
        None | Some(Value::Null) => None,
        Some(Value::String(next)) if next.is_empty() => None,
        Some(Value::String(next)) => Some(next.clone()),
        // An unreadable `next` is not the end of the list: that would make the rest look gone.
        Some(_) => return Err("a page whose `next` is not text".to_owned()),
    };
    Ok(Envelope { values, next, size: value.get("size").and_then(Value::as_u64) })
}

/// One row of a repository listing.
pub fn repository(raw: Value) -> Result<IngestedRecord, UnreadableRecord> {
    match read_repository(&raw) {
        Ok(repository) => Ok(IngestedRecord { repository, fingerprint: fingerprint(&raw), raw }),
        Err(reason) => {
            let name = text(&raw, &["full_name"]).or_else(|| text(&raw, &["name"])).or_else(|| text(&raw, &["uuid"]));
            Err(UnreadableRecord {
                key: uuid(&raw).map(RepoKey::cloud),
                name: name.map_or_else(|| "a row without a name".to_owned(), |name| escape_control(&name)),
                reason,
            })
        }
    }
}

fn read_repository(raw: &Value) -> Result<Repository, String> {
    if !raw.is_object() {
        return Err("not a JSON object".to_owned());
    }
    let uuid = uuid(raw).ok_or("no readable `uuid`")?;
    let full_name = match text(raw, &["full_name"]) {
        Some(full_name) => full_name,
        None => match (text(raw, &["workspace", "slug"]), text(raw, &["slug"])) {
            (Some(workspace), Some(slug)) => format!("{workspace}/{slug}"),
            _ => return Err("no `full_name`".to_owned()),
        },
    };
    // The slug of the name counts: embedded repositories have no `slug` of their own.
    let (workspace, slug) = full_name.split_once('/').ok_or("a `full_name` without a slash")?;
    for part in [workspace, slug] {
        if part.is_empty() || part == "." || part == ".." || part.contains('/') {
            return Err(format!("a `full_name` that cannot be addressed: {}", escape_control(&full_name)));
        }
    }
    let date = |name| text(raw, &[name]).as_deref().and_then(date);
    Ok(Repository {
        key: RepoKey::cloud(uuid),
        workspace: workspace.to_owned(),
        slug: slug.to_owned(),
        name: text(raw, &["name"]).unwrap_or_else(|| slug.to_owned()),
        project_key: text(raw, &["project", "key"]),
        description: text(raw, &["description"]),
        default_branch: text(raw, &["mainbranch", "name"]),
        language: text(raw, &["language"]),
        // Not told: taken for private, the careful guess.
        is_private: raw.get("is_private").and_then(Value::as_bool).unwrap_or(true),
        is_fork: raw.get("parent").is_some_and(Value::is_object),
        is_personal: text(raw, &["owner", "type"]).as_deref() == Some("user"),
        is_archived: false,
        url: page(raw).unwrap_or_else(|| format!("https://bitbucket.org/{workspace}/{slug}")),
        created_on: date("created_on"),
        updated_on: date("updated_on"),
        full_name,
    })
}

/// A pull request of a listing.
pub fn pull_request(raw: &Value) -> Result<PullRequest, String> {
    let id = raw.get("id").and_then(Value::as_u64).ok_or("a pull request without an `id`")?;
    let need = |name: &str| {
        let found = text(raw, &[name]).as_deref().and_then(date);
        found.ok_or_else(|| format!("pull request {id} without a readable `{name}`"))
    };
    let updated_at = need("updated_on")?;
    Ok(PullRequest {
        id,
        title: raw_text(raw, &["title"]).unwrap_or_default(),
        state: state(&text(raw, &["state"]).ok_or_else(|| format!("pull request {id} without a `state`"))?),
        author: author(raw.get("author")),
        source_branch: text(raw, &["source", "branch", "name"]),
        target_branch: text(raw, &["destination", "branch", "name"]),
        created_at: need("created_on").unwrap_or(updated_at),
        updated_at,
        url: page(raw),
        source_commit: text(raw, &["source", "commit", "hash"]),
        target_commit: text(raw, &["destination", "commit", "hash"]),
        comments: raw.get("comment_count").and_then(Value::as_u64),
        reviewed: raw.get("participants").and_then(Value::as_array).map(|all| all.iter().any(has_reviewed)),
    })
}

/// Whether a participant did more than look (facts 1.4).
fn has_reviewed(participant: &Value) -> bool {
    let approved = participant.get("approved").and_then(Value::as_bool) == Some(true);
    approved || participant.get("state").is_some_and(Value::is_string)
}

/// What somebody did, of an activity; `None`: an update, or nothing that counts (facts 1.4).
pub fn review(raw: &Value) -> Option<Review> {
    let of = |name: &str, action, date_name: &str| {
        let act = raw.get(name).filter(|act| act.is_object())?;
        if act.get("deleted").and_then(Value::as_bool) == Some(true) {
            return None;
        }
        let at = text(act, &[date_name]).as_deref().and_then(date);
        Some(Review { at, action, by: author(act.get("user")) })
    };
    of("approval", ReviewAction::Approved, "date")
        .or_else(|| of("changes_requested", ReviewAction::ChangesRequested, "date"))
        .or_else(|| of("comment", ReviewAction::Commented, "created_on"))
}

/// A row of a diffstat; `None` without any path.
pub fn file_change(raw: &Value) -> Option<FileChange> {
    let (old, new) = (raw_text(raw, &["old", "path"]), raw_text(raw, &["new", "path"]));
    let path = new.clone().or_else(|| old.clone())?;
    Some(FileChange {
        from: old.filter(|old| new.is_some() && *old != path),
        path,
        status: text(raw, &["status"]).unwrap_or_else(|| "modified".to_owned()).to_lowercase(),
        lines_added: raw.get("lines_added").and_then(Value::as_u64),
        lines_removed: raw.get("lines_removed").and_then(Value::as_u64),
    })
}

/// A pipeline: number, start, and what became of it (facts 1.6).
pub fn pipeline(raw: &Value) -> Option<(u64, DateTime<Utc>, Build)> {
    let number = raw.get("build_number").and_then(Value::as_u64)?;
    let started_at = text(raw, &["created_on"]).as_deref().and_then(date)?;
    let state = text(raw, &["state", "result", "name"])
        .or_else(|| text(raw, &["state", "stage", "name"]))
        .or_else(|| text(raw, &["state", "name"]))?;
    let target = text(raw, &["target", "ref_name"]).or_else(|| text(raw, &["target", "source"]));
    let build = Build {
        key: number.to_string(),
        name: target.or_else(|| text(raw, &["target", "commit", "hash"])),
        state: state.to_lowercase(),
        started_at: Some(started_at),
        ended_at: text(raw, &["completed_on"]).as_deref().and_then(date),
        url: page(raw),
    };
    Some((number, started_at, build))
}

/// A commit of a listing.
pub fn commit(raw: &Value) -> Result<Commit, String> {
    let hash = text(raw, &["hash"]).ok_or("a commit without a `hash`")?;
    if !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(format!("a commit whose `hash` is none: {}", escape_control(&hash)));
    }
    let committed_at = text(raw, &["date"]).as_deref().and_then(date);
    let parents = raw.get("parents").and_then(Value::as_array);
    Ok(Commit {
        committed_at: committed_at.ok_or_else(|| format!("commit {hash} without a readable `date`"))?,
        message: raw_text(raw, &["message"]).unwrap_or_default(),
        author: author(at(raw, &["author", "user"])).or_else(|| git_name(&text(raw, &["author", "raw"])?)),
        url: page(raw),
        parents: parents.into_iter().flatten().filter_map(|parent| text(parent, &["hash"])).collect(),
        unreachable: false,
        hash,
    })
}

/// Display name of an account; older and partial ones have other names.
fn author(account: Option<&Value>) -> Option<String> {
    let account = account?;
    ["display_name", "nickname", "username"].into_iter().find_map(|name| text(account, &[name]))
}

fn uuid(raw: &Value) -> Option<String> {
    text(raw, &["uuid"]).filter(|uuid| !uuid.contains('/') && !uuid.chars().any(char::is_control))
}

/// A member of a workspace. The account may lack what identifies it elsewhere (facts 1.2).
pub fn member(raw: &Value) -> Result<User, String> {
    let account = raw.get("user").filter(|user| user.is_object()).ok_or("a member without a `user`")?;
    let id = uuid(account).or_else(|| text(account, &["account_id"]));
    let id = id.ok_or("a member without a `uuid` and an `account_id`")?;
    Ok(User {
        id,
        name: text(account, &["display_name"]),
        nickname: text(account, &["nickname"]).and_then(nickname),
        kind: match text(account, &["type"]).as_deref() {
            Some("team") => UserKind::Team,
            Some("app_user") => UserKind::Service,
            _ => UserKind::Person,
        },
        active: text(account, &["account_status"]).map(|status| status.eq_ignore_ascii_case("active")),
        url: page(account),
    })
}

/// The page for people.
fn page(raw: &Value) -> Option<String> {
    address(&text(raw, &["links", "html", "href"])?)
}

/// Of the record without what changes by itself: `size`, `updated_on` and avatars.
pub fn fingerprint(raw: &Value) -> Fingerprint {
    json::fingerprint(raw, |key, is_top| key == "avatar" || (is_top && matches!(key, "size" | "updated_on")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PullRequestState;
    use serde_json::json;

    fn raw() -> Value {
        json!({
            "type": "repository", "uuid": "{7dd600e6-0d9c-4801-b967-cb4cc17359ff}", "full_name": "acme/payments-api",
            "slug": "payments-api", "name": "Payments API", "description": "", "language": "",
            "is_private": false, "size": 12, "mainbranch": {"type": "branch", "name": "release/1.0"},
            "project": {"key": "PAY", "uuid": "{p}", "links": {"avatar": {"href": "https://x/1"}}},
            "owner": {"type": "team", "links": {"avatar": {"href": "https://x/2"}}}, "parent": null,
            "created_on": "2019-11-01T10:00:00.123456+00:00", "updated_on": "2026-01-02T03:04:05Z",
            "links": {"html": {"href": "https://bitbucket.org/acme/payments-api"},
                "clone": [{"name": "https", "href": "https://me@bitbucket.org/acme/payments-api.git"}],
                "avatar": {"href": "https://x/3"}}
        })
    }

    fn with(pointer: &str, value: Value) -> Value {
        let mut raw = raw();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        raw.pointer_mut(parent).unwrap()[key] = value;
        raw
    }

    #[test]
    fn a_record_is_read_and_kept_whole() {
        let record = repository(raw()).unwrap();
        assert_eq!(record.raw, raw());
        let Repository { key, workspace, slug, name, project_key, description, default_branch, .. } = record.repository;
        assert_eq!(key.id, "{7dd600e6-0d9c-4801-b967-cb4cc17359ff}");
        assert_eq!((workspace.as_str(), slug.as_str(), name.as_str()), ("acme", "payments-api", "Payments API"));
        assert_eq!((project_key.as_deref(), description), (Some("PAY"), None));
        assert_eq!(default_branch.as_deref(), Some("release/1.0"));
    }

    #[test]
    fn everything_that_may_be_null_may_be_null() {
        for pointer in [
            "/slug",
            "/name",
            "/description",
            "/language",
            "/is_private",
            "/mainbranch",
            "/project",
            "/owner",
            "/created_on",
            "/updated_on",
            "/links",
            "/size",
        ] {
            for value in [Value::Null, json!(7), json!([])] {
                let record = repository(with(pointer, value)).unwrap_or_else(|row| panic!("{pointer}: {row:?}"));
                assert_eq!(record.repository.slug, "payments-api");
            }
        }
        let record = repository(json!({"uuid": "{u}", "full_name": "acme/x"})).unwrap();
        assert_eq!(record.repository.url, "https://bitbucket.org/acme/x");
        assert!(record.repository.is_private && record.repository.default_branch.is_none());
    }

    // P2.11: a bad row is named, and counts as seen where it can.
    #[test]
    fn an_unreadable_row_is_named() {
        let row = repository(json!({"uuid": "{u}", "name": "x\u{202e}y"})).unwrap_err();
        assert_eq!((row.key, row.name.as_str()), (Some(RepoKey::cloud("{u}")), "x\\u{202e}y"));
        for bad in [
            json!(null),
            json!([]),
            json!({"full_name": "acme/x"}),
            with("/full_name", json!("acme/..")),
            with("/full_name", json!("acme")),
            with("/uuid", json!("a/b")),
        ] {
            assert!(repository(bad).is_err());
        }
    }

    #[test]
    fn pages_of_people_carry_no_userinfo() {
        let record = repository(with("/links/html/href", json!("https://me:pw@bitbucket.org/a/b"))).unwrap();
        assert_eq!(record.repository.url, "https://bitbucket.org/a/b");
        let record = repository(with("/links/html/href", json!("javascript:alert(1)"))).unwrap();
        assert_eq!(record.repository.url, "https://bitbucket.org/acme/payments-api");
    }

    #[test]
    fn forks_and_personal_repositories_are_told() {
        assert!(repository(with("/parent", json!({"full_name": "x/y"}))).unwrap().repository.is_fork);
        assert!(repository(with("/owner/type", json!("user"))).unwrap().repository.is_personal);
        let plain = repository(raw()).unwrap().repository;
        assert!(!plain.is_fork && !plain.is_personal);
    }

    #[track_caller]
    fn check_fingerprint(changed: Value, same: bool) {
        assert_eq!(fingerprint(&raw()) == fingerprint(&changed), same, "{changed}");
    }

    // product.md section 9: fingerprint without size, avatars, updated_on.
    #[test]
    fn fingerprints_change_with_what_matters() {
        check_fingerprint(with("/size", json!(99)), true);
        check_fingerprint(with("/updated_on", json!("2027-01-01T00:00:00Z")), true);
        check_fingerprint(with("/links/avatar", json!({"href": "https://y"})), true);
        check_fingerprint(with("/owner/links/avatar", Value::Null), true);
        check_fingerprint(with("/links/clone/0/href", json!("https://you@bitbucket.org/acme/payments-api.git")), true);
        check_fingerprint(with("/name", json!("Payments")), false);
        check_fingerprint(with("/project/key", json!("PAX")), false);
        check_fingerprint(with("/project/size", json!(1)), false);
        check_fingerprint(with("/description", Value::Null), false);
        // The order of keys is not of the content.
        let mut reversed = serde_json::Map::new();
        for (key, value) in raw().as_object().unwrap().iter().rev() {
            reversed.insert(key.clone(), value.clone());
        }
        check_fingerprint(Value::Object(reversed), true);
    }

    #[test]
    fn pull_requests_and_commits_survive_nulls() {
        let pull_request = pull_request(&json!({
            "id": 7, "title": null, "state": "SUPERSEDED", "author": null, "source": {"branch": null, "repository": null},
            "destination": null, "updated_on": "2026-01-02T03:04:05Z", "links": null
        }))
        .unwrap();
        assert_eq!((pull_request.id, pull_request.state), (7, PullRequestState::Declined));
        assert_eq!(pull_request.created_at, pull_request.updated_at);
        assert_eq!(state("CLOSED"), PullRequestState::Other("closed".to_owned()));
        let commit = commit(&json!({
            "hash": "abcdef0123", "date": "2026-01-02T04:04:05+01:00", "message": "x\n", "author": {"raw": "Ann <a@b>"},
            "parents": [{"hash": "aa"}, {"hash": null}]
        }))
        .unwrap();
        assert_eq!((commit.author.as_deref(), commit.message.as_str()), (Some("Ann"), "x\n"));
        assert_eq!(commit.parents, ["aa"]);
    }

    #[test]
    fn a_page_needs_values_and_a_readable_next() {
        assert!(envelope(json!({"values": []})).unwrap().next.is_none());
        assert!(envelope(json!({"values": [], "next": null, "size": "x"})).unwrap().size.is_none());
        for bad in [json!({}), json!([]), json!({"values": null}), json!({"values": [], "next": 2}), json!("x")] {
            assert!(envelope(bad.clone()).is_err(), "{bad}");
        }
    }
}
