//! Data Center's JSON as sent, read leniently (facts 2.1, 2.2, 2.5): dates as milliseconds or text, links under another
//! host, fields that are there or not by version.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::Version;
use crate::error::escape_control;
use crate::model::{
    Build, Commit, FileChange, Fingerprint, IngestedRecord, InstanceId, PullRequest, RepoKey, Repository, Review,
    ReviewAction, User, UserKind,
};
use crate::source::UnreadableRecord;
use crate::source::json::{self, address, at, git_name, nickname, raw_text, state, text};

/// The envelope of a page.
#[derive(Debug, PartialEq, Eq)]
pub struct Envelope {
    pub values: Vec<Value>,
    /// Where the next page starts; `None`: this is the last.
    pub next: Option<u64>,
}

/// Takes a page apart. Only a page that says so is the last: taking a cut one for it would make the rest look gone.
///
/// # Errors
/// What it is instead of a page.
pub fn envelope(mut value: Value) -> Result<Envelope, String> {
    let Some(Value::Array(values)) = value.get_mut("values").map(Value::take) else {
        return Err("JSON without a list of `values`".to_owned());
    };
    let next = match value.get("nextPageStart") {
        None | Some(Value::Null) => None,
        Some(start) => Some(start.as_u64().ok_or("a page whose `nextPageStart` is not a number")?),
    };
    match (value.get("isLastPage").and_then(Value::as_bool), next) {
        (Some(true), _) => Ok(Envelope { values, next: None }),
        (_, Some(_)) => Ok(Envelope { values, next }),
        (Some(false), None) => Err("a page that is not the last, without `nextPageStart`".to_owned()),
        (None, None) => Err("a page that does not say whether it is the last".to_owned()),
    }
}

/// What `application-properties` tell.
pub fn version(value: &Value) -> Option<Version> {
    let text = text(value, &["version"])?;
    let mut parts = text.split('.');
    let major = parts.next()?.parse().ok()?;
    let minor = parts.next().and_then(|part| part.parse().ok()).unwrap_or(0);
    Some(Version { text: escape_control(&text), major, minor })
}

/// One row of a repository listing.
pub fn repository(mut raw: Value, instance: &InstanceId) -> Result<IngestedRecord, UnreadableRecord> {
    drop_avatars(&mut raw);
    match read_repository(&raw, instance) {
        Ok(repository) => Ok(IngestedRecord { repository, fingerprint: fingerprint(&raw), raw }),
        Err(reason) => {
            let project = text(&raw, &["project", "key"]).map(|key| format!("{key}/")).unwrap_or_default();
            let name = text(&raw, &["slug"]).or_else(|| text(&raw, &["name"]));
            let name = name.map_or_else(|| "a row without a name".to_owned(), |name| format!("{project}{name}"));
            Err(UnreadableRecord { key: key(&raw, instance), name: escape_control(&name), reason })
        }
    }
}

fn read_repository(raw: &Value, instance: &InstanceId) -> Result<Repository, String> {
    if !raw.is_object() {
        return Err("not a JSON object".to_owned());
    }
    let key = key(raw, instance).ok_or("no readable `id`")?;
    let project = text(raw, &["project", "key"]).ok_or("no `project.key`")?;
    let slug = text(raw, &["slug"]).ok_or("no `slug`")?;
    for part in [&project, &slug] {
        if part == "." || part == ".." || part.contains('/') {
            let name = escape_control(&format!("{project}/{slug}"));
            return Err(format!("a project and slug that cannot be addressed: {name}"));
        }
    }
    let is_true = |path: &[&str]| at(raw, path).and_then(Value::as_bool) == Some(true);
    let is_personal = project.starts_with('~') || text(raw, &["project", "type"]).as_deref() == Some("PERSONAL");
    Ok(Repository {
        key,
        full_name: format!("{project}/{slug}"),
        name: text(raw, &["name"]).unwrap_or_else(|| slug.clone()),
        project_key: Some(project.clone()),
        description: text(raw, &["description"]),
        // Not told by listings; some versions may.
        default_branch: text(raw, &["defaultBranch"]).map(|name| branch_name(&name)),
        language: None,
        is_private: !is_true(&["public"]) && !is_true(&["project", "public"]),
        is_fork: raw.get("origin").is_some_and(Value::is_object),
        is_personal,
        is_archived: is_true(&["archived"]),
        url: self_link(raw).unwrap_or_else(|| page_of(instance, &project, &slug)),
        created_on: None,
        updated_on: None,
        workspace: project,
        slug,
    })
}

fn key(raw: &Value, instance: &InstanceId) -> Option<RepoKey> {
    let id = match raw.get("id")? {
        Value::Number(id) => id.as_u64()?,
        Value::String(id) => id.parse().ok()?,
        _ => return None,
    };
    Some(RepoKey { instance: instance.clone(), id: id.to_string() })
}

/// The page of a repository, where the server does not tell it.
fn page_of(instance: &InstanceId, project: &str, slug: &str) -> String {
    match project.strip_prefix('~') {
        Some(user) => format!("{instance}/users/{}/repos/{slug}/browse", user.to_lowercase()),
        None => format!("{instance}/projects/{project}/repos/{slug}/browse"),
    }
}

/// The page for people. It may name another host than the one called (facts 2.5), so nothing is ever sent there.
fn self_link(raw: &Value) -> Option<String> {
    let links = at(raw, &["links", "self"])?.as_array()?;
    links.iter().find_map(|link| address(&text(link, &["href"])?))
}

/// A page below a repository's own.
fn below(repo: &Repository, place: &str) -> String {
    format!("{}/{place}", repo.url.trim_end_matches('/').trim_end_matches("/browse"))
}

/// A pull request of a listing. Its page is told, or lies below the repository's.
pub fn pull_request(raw: &Value, repo: &Repository) -> Result<PullRequest, String> {
    let id = raw.get("id").and_then(Value::as_u64).ok_or("a pull request without an `id`")?;
    let date_of = |name| raw.get(name).and_then(date);
    let updated_at = date_of("updatedDate").or_else(|| date_of("createdDate"));
    let updated_at = updated_at.ok_or_else(|| format!("pull request {id} without a readable `updatedDate`"))?;
    Ok(PullRequest {
        id,
        title: raw_text(raw, &["title"]).unwrap_or_default(),
        state: state(&text(raw, &["state"]).ok_or_else(|| format!("pull request {id} without a `state`"))?),
        author: person(at(raw, &["author", "user"])),
        source_branch: branch(raw.get("fromRef")),
        target_branch: branch(raw.get("toRef")),
        created_at: date_of("createdDate").unwrap_or(updated_at),
        updated_at,
        url: Some(self_link(raw).unwrap_or_else(|| below(repo, &format!("pull-requests/{id}")))),
        source_commit: text(raw, &["fromRef", "latestCommit"]),
        target_commit: text(raw, &["toRef", "latestCommit"]),
        comments: comments(raw.get("properties")),
        reviewed: reviewed(raw),
    })
}

/// Whether anybody approved it or asked for changes, where the row names who takes part.
fn reviewed(raw: &Value) -> Option<bool> {
    let people = ["reviewers", "participants"].map(|name| raw.get(name).and_then(Value::as_array));
    let has_reviewed = |person: &Value| {
        let approved = person.get("approved").and_then(Value::as_bool) == Some(true);
        approved || matches!(text(person, &["status"]).as_deref(), Some("APPROVED" | "NEEDS_WORK"))
    };
    let is_told = people.iter().any(Option::is_some);
    is_told.then(|| people.into_iter().flatten().flatten().any(has_reviewed))
}

/// How many comments, where the row tells: it names the count of the tasks always, and that of the comments only where
/// there are any.
fn comments(properties: Option<&Value>) -> Option<u64> {
    match properties?.get("commentCount") {
        Some(count) => count.as_u64(),
        None => properties?.get("openTaskCount").map(|_| 0),
    }
}

/// A commit of a listing.
pub fn commit(raw: &Value, repo: &Repository) -> Result<Commit, String> {
    let hash = text(raw, &["id"]).ok_or("a commit without an `id`")?;
    if !is_hash(&hash) {
        return Err(format!("a commit whose `id` is no hash: {}", escape_control(&hash)));
    }
    // Old versions tell only when it was written.
    let committed_at = ["committerTimestamp", "authorTimestamp"].iter().find_map(|name| date(raw.get(*name)?));
    let parents = raw.get("parents").and_then(Value::as_array);
    Ok(Commit {
        committed_at: committed_at.ok_or_else(|| format!("commit {hash} without a readable `committerTimestamp`"))?,
        message: raw_text(raw, &["message"]).unwrap_or_default(),
        author: person(raw.get("author")),
        url: Some(below(repo, &format!("commits/{hash}"))),
        parents: parents.into_iter().flatten().filter_map(|parent| text(parent, &["id"])).collect(),
        unreachable: false,
        hash,
    })
}

/// What the activities of a pull request, all of them, tell of reviews; in the order of time. An answer stands below
/// the comment it answers, and may stand by itself as well: each comment counts once. Kinds that come with later
/// versions or plugins are passed over.
pub fn reviews(activities: &[Value]) -> Vec<Review> {
    let mut reviews = Vec::new();
    let mut seen = HashSet::new();
    for activity in activities {
        let at = activity.get("createdDate").and_then(date);
        let by = person(activity.get("user"));
        let action = match text(activity, &["action"]).unwrap_or_default().to_uppercase().as_str() {
            "APPROVED" => Some(ReviewAction::Approved),
            "UNAPPROVED" => Some(ReviewAction::Unapproved),
            "REVIEWED" => Some(ReviewAction::ChangesRequested),
            _ => None,
        };
        reviews.extend(action.map(|action| Review { at, action, by: by.clone() }));
        let is_deleted = text(activity, &["commentAction"]).is_some_and(|it| it.eq_ignore_ascii_case("DELETED"));
        let mut open: Vec<&Value> = activity.get("comment").filter(|_| !is_deleted).into_iter().collect();
        while let Some(comment) = open.pop().filter(|comment| comment.is_object()) {
            open.extend(comment.get("comments").and_then(Value::as_array).into_iter().flatten());
            if comment.get("id").and_then(Value::as_u64).is_some_and(|id| !seen.insert(id)) {
                continue;
            }
            reviews.push(Review {
                at: comment.get("createdDate").and_then(date).or(at),
                action: ReviewAction::Commented,
                by: person(comment.get("author")).or_else(|| by.clone()),
            });
        }
    }
    reviews.sort();
    reviews
}

/// A list of changed files: there is one page, and what is too much for it is cut off (facts 2.2).
pub struct Changes {
    pub rows: Vec<Value>,
    /// Where the next page would start, where it says so.
    pub next: Option<u64>,
    pub is_all: bool,
}

/// Takes it apart.
///
/// # Errors
/// What it is instead.
pub fn changes(mut value: Value) -> Result<Changes, String> {
    let Some(Value::Array(rows)) = value.get_mut("values").map(Value::take) else {
        return Err("JSON without a list of `values`".to_owned());
    };
    let is_all = value.get("isLastPage").and_then(Value::as_bool) == Some(true);
    let next = value.get("nextPageStart").and_then(Value::as_u64).filter(|_| !is_all);
    Ok(Changes { rows, next, is_all })
}

/// A changed file; `None` without any path. Lines are not told, of no file.
pub fn file_change(raw: &Value) -> Option<FileChange> {
    let path = path(raw.get("path")?)?;
    let status = match text(raw, &["type"]).unwrap_or_default().to_uppercase().as_str() {
        "ADD" => "added".to_owned(),
        "MODIFY" | "" => "modified".to_owned(),
        "DELETE" => "removed".to_owned(),
        "MOVE" => "renamed".to_owned(),
        "COPY" => "copied".to_owned(),
        other => other.to_lowercase(),
    };
    let from = raw.get("srcPath").and_then(self::path).filter(|from| *from != path);
    Some(FileChange { path, from, status, lines_added: None, lines_removed: None })
}

/// `toString` is the whole of it; older ones told the parts alone.
fn path(raw: &Value) -> Option<String> {
    let parts = || {
        let parts: Option<Vec<&str>> = raw.get("components")?.as_array()?.iter().map(Value::as_str).collect();
        Some(parts?.join("/"))
    };
    let whole = raw_text(raw, &["toString"]).or_else(|| raw.as_str().map(str::to_owned));
    whole.or_else(parts).filter(|path| !path.is_empty())
}

/// What a summary of a change counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    pub files: Option<u64>,
    pub added: u64,
    pub removed: u64,
}

/// Reads a summary; `None` where it does not count lines. The vendor's document leaves the names of its members out;
/// these were seen on running instances.
pub fn counted(raw: &Value) -> Option<Counted> {
    let number = |name| raw.get(name).and_then(Value::as_u64);
    Some(Counted {
        files: number("filesChanged"),
        added: number("totalInsertions")?,
        removed: number("totalDeletions")?,
    })
}

/// A build of a commit that lies in `repo`; `None` for what cannot be told from others, and for builds of another
/// repository that has the same commit: a fork.
pub fn build(raw: &Value, repo: &Repository) -> Option<Build> {
    let is_elsewhere = |name, own: &str| text(raw, &[name]).is_some_and(|told| !told.eq_ignore_ascii_case(own));
    if is_elsewhere("projectKey", &repo.workspace) || is_elsewhere("repositorySlug", &repo.slug) {
        return None;
    }
    let state = match text(raw, &["state"])?.to_uppercase().as_str() {
        "INPROGRESS" => "in_progress".to_owned(),
        other => other.to_lowercase(),
    };
    let date_of = |name| raw.get(name).and_then(date);
    let started_at = date_of("createdDate");
    // The day on which it was told of last; before 7.14 there is no other.
    let told_at = date_of("updatedDate").or_else(|| date_of("dateAdded"));
    let mut build = Build {
        key: text(raw, &["key"])?,
        name: text(raw, &["name"]),
        state,
        started_at,
        ended_at: None,
        url: text(raw, &["url"]).and_then(|url| address(&url)),
    };
    if build.is_running() {
        build.started_at = started_at.or(told_at);
    } else {
        build.ended_at = told_at;
    }
    Some(build)
}

/// Whether any build is counted among the totals of a commit.
pub fn has_builds(totals: &Value) -> bool {
    let Some(totals) = totals.as_object() else { return false };
    totals.values().any(|count| count.as_u64().is_some_and(|count| count > 0))
}

/// An account. The address of its page holds its login; where that is an e-mail address, neither is kept.
pub fn user(raw: &Value) -> Result<User, String> {
    let id = raw.get("id").and_then(Value::as_u64).ok_or("a user without a number as `id`")?;
    let login = text(raw, &["name"]).and_then(nickname);
    Ok(User {
        id: id.to_string(),
        name: text(raw, &["displayName"]),
        kind: match text(raw, &["type"]).as_deref() {
            Some("SERVICE") => UserKind::Service,
            _ => UserKind::Person,
        },
        active: raw.get("active").and_then(Value::as_bool),
        url: login.as_ref().and_then(|_| self_link(raw)),
        nickname: login,
    })
}

/// Full hashes and what may be the beginning of one.
pub fn is_hash(text: &str) -> bool {
    (7..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Display name of an account; a person git alone knows has a name, which may carry the address.
fn person(account: Option<&Value>) -> Option<String> {
    let account = account?;
    text(account, &["displayName"]).or_else(|| git_name(&text(account, &["name"])?))
}

fn branch(reference: Option<&Value>) -> Option<String> {
    let reference = reference?;
    text(reference, &["displayId"]).or_else(|| text(reference, &["id"]).map(|id| branch_name(&id)))
}

fn branch_name(reference: &str) -> String {
    reference.strip_prefix("refs/heads/").unwrap_or(reference).to_owned()
}

/// Milliseconds since 1970, or text (facts 2.5).
fn date(value: &Value) -> Option<DateTime<Utc>> {
    match value {
        Value::Number(ms) => DateTime::from_timestamp_millis(ms.as_i64()?),
        Value::String(text) => {
            text.trim().parse().ok().and_then(DateTime::from_timestamp_millis).or_else(|| json::date(text.trim()))
        }
        _ => None,
    }
}

/// Avatars change by themselves, and hold what a cache needs.
fn changes_by_itself(key: &str) -> bool {
    matches!(key, "avatar" | "avatarUrl")
}

fn drop_avatars(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, _| !changes_by_itself(key));
            map.values_mut().for_each(drop_avatars);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_avatars),
        _ => {}
    }
}

/// Of the record, without the user name that clone links carry and without what the server is doing with the
/// repository just now.
pub fn fingerprint(raw: &Value) -> Fingerprint {
    json::fingerprint(raw, |key, is_top| {
        changes_by_itself(key) || (is_top && matches!(key, "state" | "statusMessage" | "size" | "partition"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PullRequestState;
    use serde_json::json;

    fn instance() -> InstanceId {
        InstanceId("https://git.acme.dev/bitbucket".to_owned())
    }

    fn raw() -> Value {
        json!({
            "slug": "payments-api", "id": 42, "name": "Payments API", "description": "Takes money",
            "hierarchyId": "e3c9", "scmId": "git", "state": "AVAILABLE", "statusMessage": "Available", "forkable": true,
            "project": {"key": "PAY", "id": 1, "name": "Payments", "public": false, "type": "NORMAL",
                "avatarUrl": "https://x/1", "links": {"self": [{"href": "https://git/projects/PAY"}]}},
            "public": false, "archived": true,
            "links": {"clone": [{"href": "https://me@git.acme.dev/scm/pay/payments-api.git", "name": "http"}],
                "self": [{"href": "https://git.internal/projects/PAY/repos/payments-api/browse"}]}
        })
    }

    fn with(pointer: &str, value: Value) -> Value {
        let mut raw = raw();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        raw.pointer_mut(parent).unwrap()[key] = value;
        raw
    }

    fn read(raw: Value) -> Repository {
        repository(raw, &instance()).unwrap().repository
    }

    // P2.1, P2.2: kept whole but for avatars; archived ones are told.
    #[test]
    fn a_record_is_read_and_kept() {
        let record = repository(raw(), &instance()).unwrap();
        assert_eq!(record.raw.pointer("/project/avatarUrl"), None);
        assert_eq!(record.raw["hierarchyId"], json!("e3c9"));
        let repo = record.repository;
        assert_eq!(repo.key.to_string(), "https://git.acme.dev/bitbucket/42");
        assert_eq!(RepoKey::parse(&repo.key.to_string()), Some(repo.key.clone()));
        assert_eq!((repo.workspace.as_str(), repo.slug.as_str()), ("PAY", "payments-api"));
        assert_eq!((repo.full_name.as_str(), repo.name.as_str()), ("PAY/payments-api", "Payments API"));
        assert_eq!((repo.project_key.as_deref(), repo.description.as_deref()), (Some("PAY"), Some("Takes money")));
        assert!(repo.is_private && repo.is_archived && !repo.is_fork && !repo.is_personal);
        assert_eq!((repo.default_branch, repo.created_on, repo.updated_on), (None, None, None));
        assert_eq!(repo.url, "https://git.internal/projects/PAY/repos/payments-api/browse");
    }

    #[test]
    fn what_a_repository_is_is_told() {
        assert!(!read(with("/public", json!(true))).is_private);
        assert!(!read(with("/project/public", json!(true))).is_private, "a public project opens its repositories");
        assert!(read(with("/origin", json!({"slug": "x"}))).is_fork);
        assert!(!read(with("/archived", Value::Null)).is_archived, "before 8.0 nothing is");
        assert!(read(with("/project/type", json!("PERSONAL"))).is_personal);
        let personal = with("/project/key", json!("~JOHN.DOE_EXAMPLE.COM"));
        assert_eq!(read(personal).full_name, "~JOHN.DOE_EXAMPLE.COM/payments-api");
        let mut bare = with("/project/key", json!("~Alice"));
        bare["links"] = Value::Null;
        let repo = read(bare);
        assert!(repo.is_personal);
        assert_eq!(repo.url, "https://git.acme.dev/bitbucket/users/alice/repos/payments-api/browse");
        assert_eq!(read(with("/defaultBranch", json!("refs/heads/main"))).default_branch.as_deref(), Some("main"));
        let odd = with("/links/self", json!([{"href": "javascript:alert(1)"}]));
        assert_eq!(read(odd).url, "https://git.acme.dev/bitbucket/projects/PAY/repos/payments-api/browse");
    }

    // P2.11: a bad row is named, and counts as seen where it can.
    #[test]
    fn an_unreadable_row_is_named() {
        let row = repository(with("/project", Value::Null), &instance()).unwrap_err();
        assert_eq!((row.key.unwrap().id.as_str(), row.name.as_str()), ("42", "payments-api"));
        let row = repository(with("/slug", json!("..")), &instance()).unwrap_err();
        assert_eq!(row.reason, "a project and slug that cannot be addressed: PAY/..");
        for bad in [json!(null), json!([]), json!({"id": 1}), with("/id", json!(-1)), with("/slug", json!("a/b"))] {
            assert!(repository(bad, &instance()).is_err());
        }
        assert_eq!(read(with("/id", json!("7"))).key.id, "7");
    }

    #[track_caller]
    fn check_fingerprint(changed: Value, same: bool) {
        assert_eq!(fingerprint(&raw()) == fingerprint(&changed), same, "{changed}");
    }

    // product.md section 9: what changes by itself is no change.
    #[test]
    fn fingerprints_change_with_what_matters() {
        check_fingerprint(with("/project/avatarUrl", json!("https://x/2")), true);
        check_fingerprint(with("/statusMessage", json!("Initialising")), true);
        check_fingerprint(with("/links/clone/0/href", json!("https://git.acme.dev/scm/pay/payments-api.git")), true);
        check_fingerprint(with("/archived", json!(false)), false);
        check_fingerprint(with("/project/key", json!("PAX")), false);
        check_fingerprint(with("/description", Value::Null), false);
    }

    #[track_caller]
    fn check_envelope(value: Value, wanted: Result<Option<u64>, &str>) {
        let got = envelope(value.clone()).map(|envelope| envelope.next);
        assert_eq!(got.as_ref().map_err(String::as_str), wanted.as_ref().map_err(|text| *text), "{value}");
    }

    // P2.9, facts 2.1: a page that does not say that it is the last is not the last.
    #[test]
    fn only_a_page_that_says_so_is_the_last() {
        check_envelope(json!({"values": [], "isLastPage": true}), Ok(None));
        check_envelope(json!({"values": [], "isLastPage": true, "nextPageStart": null}), Ok(None));
        check_envelope(json!({"values": [], "isLastPage": false, "nextPageStart": 25}), Ok(Some(25)));
        check_envelope(json!({"values": [], "nextPageStart": 25}), Ok(Some(25)));
        let cut = "a page that is not the last, without `nextPageStart`";
        check_envelope(json!({"values": [], "isLastPage": false}), Err(cut));
        check_envelope(json!({"values": [], "isLastPage": false, "nextPageStart": null}), Err(cut));
        check_envelope(json!({"values": []}), Err("a page that does not say whether it is the last"));
        let odd = json!({"values": [], "isLastPage": false, "nextPageStart": "25"});
        check_envelope(odd, Err("a page whose `nextPageStart` is not a number"));
        for bad in [json!({}), json!([]), json!({"values": null, "isLastPage": true}), json!("x"), Value::Null] {
            check_envelope(bad, Err("JSON without a list of `values`"));
        }
    }

    // facts 2.5: milliseconds, and what some instances and proxies send instead.
    #[test]
    fn dates_are_read_as_numbers_and_as_text() {
        let wanted = Some("2018-07-05T05:01:10.981Z".parse().unwrap());
        for value in [
            json!(1_530_766_870_981_i64),
            json!("1530766870981"),
            json!("2018-07-05T05:01:10.981Z"),
            json!("2018-07-05T15:01:10.981+1000"),
        ] {
            assert_eq!(date(&value), wanted, "{value}");
        }
        for bad in [json!(null), json!("soon"), json!(1.5), json!(u64::MAX), json!(i64::MAX)] {
            assert_eq!(date(&bad), None, "{bad}");
        }
    }

    #[test]
    fn pull_requests_and_commits_survive_nulls() {
        let repo = read(raw());
        let it = pull_request(
            &json!({"id": 7, "title": null, "state": "DECLINED", "author": null, "fromRef": null,
            "toRef": {"id": "refs/heads/main"}, "updatedDate": 1_530_766_870_981_i64, "links": null}),
            &repo,
        )
        .unwrap();
        assert_eq!((it.id, it.state, it.author), (7, PullRequestState::Declined, None));
        assert_eq!((it.source_branch, it.target_branch.as_deref()), (None, Some("main")));
        assert_eq!(it.created_at, it.updated_at);
        assert_eq!(it.url.as_deref(), Some("https://git.internal/projects/PAY/repos/payments-api/pull-requests/7"));
        assert_eq!((it.reviewed, it.comments), (None, None));
        let told = json!({"id": 7, "state": "OPEN", "updatedDate": 1, "properties": {"commentCount": 3},
            "fromRef": {"latestCommit": "aa"}, "toRef": {"latestCommit": "bb"}, "reviewers": [{"status": "NEEDS_WORK"}]});
        let it = pull_request(&told, &repo).unwrap();
        assert_eq!((it.reviewed, it.comments), (Some(true), Some(3)));
        assert_eq!((it.source_commit.as_deref(), it.target_commit.as_deref()), (Some("aa"), Some("bb")));
        assert!(pull_request(&json!({"id": 7, "state": "OPEN"}), &repo).is_err());
        let hash = "131cb13f4aed12e725177bc4b7c28db67839bf9f";
        let raw = json!({"id": hash, "author": {"name": "Ann <a@b>", "emailAddress": "a@b"}, "message": "x\n",
            "authorTimestamp": 1, "committerTimestamp": 2000, "parents": [{"id": "aa"}, {"id": null}]});
        let it = commit(&raw, &repo).unwrap();
        assert_eq!(
            (it.author.as_deref(), it.message.as_str(), it.parents.as_slice()),
            (Some("Ann"), "x\n", &["aa".to_owned()][..])
        );
        assert_eq!(it.committed_at.timestamp_millis(), 2000);
        let page = format!("https://git.internal/projects/PAY/repos/payments-api/commits/{hash}");
        assert_eq!(it.url, Some(page));
        let account =
            json!({"id": hash, "author": {"name": "jcitizen", "displayName": "Jane Citizen"}, "authorTimestamp": 1});
        assert_eq!(commit(&account, &repo).unwrap().author.as_deref(), Some("Jane Citizen"));
        assert!(commit(&json!({"id": "main", "authorTimestamp": 1}), &repo).is_err());
        assert!(commit(&json!({"id": hash}), &repo).is_err());
    }

    #[test]
    fn versions_are_read() {
        let of = |text: &str| version(&json!({"version": text})).map(|version| version.major);
        assert_eq!(
            (of("7.21.9"), of("10.0"), of("8.19.1-rc2"), of("x"), of("")),
            (Some(7), Some(10), Some(8), None, None)
        );
    }
}
