//! Whether what we send looks like what the real server sends: recorded payloads and the vendor's OpenAPI document.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;

use super::super::GenerateOptions;
use super::Server;
use crate::recorded::folder;

/// Paths with the JSON types seen there, and in how many objects each path was.
#[derive(Default)]
struct Shape {
    types: BTreeMap<String, BTreeSet<&'static str>>,
    objects: usize,
    seen_in: BTreeMap<String, usize>,
}

impl Shape {
    fn of(objects: &[Value]) -> Self {
        let mut shape = Self::default();
        for object in objects {
            let mut paths = BTreeMap::new();
            collect(object, "", &mut paths);
            for (path, types) in paths {
                *shape.seen_in.entry(path.clone()).or_default() += 1;
                shape.types.entry(path).or_default().extend(types);
            }
            shape.objects += 1;
        }
        shape
    }

    /// Top-level members that every object had.
    fn always(&self) -> impl Iterator<Item = &str> {
        self.seen_in
            .iter()
            .filter(|(path, count)| **count == self.objects && !path.trim_start_matches('/').contains('/'))
            .map(|(path, _)| path.as_str())
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn collect(value: &Value, path: &str, into: &mut BTreeMap<String, BTreeSet<&'static str>>) {
    if !path.is_empty() {
        into.entry(path.to_owned()).or_default().insert(type_name(value));
    }
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                collect(member, &format!("{path}/{key}"), into);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, &format!("{path}/*"), into)),
        _ => {}
    }
}

pub(super) fn read(path: PathBuf) -> Value {
    serde_json::from_slice(&std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))).unwrap()
}

/// Objects out of recorded files of a folder; of a page, its rows; of a list, its items.
pub(super) fn recorded(folder: &str, files: &[&str]) -> Option<Vec<Value>> {
    let folder = crate::recorded::folder()?.join("bitbucket/payloads").join(folder);
    let mut objects = Vec::new();
    for file in files {
        match read(folder.join(file)) {
            Value::Object(mut page) if page.contains_key("values") => {
                objects.extend(page.remove("values").unwrap().as_array().unwrap().iter().cloned());
            }
            Value::Array(items) => objects.extend(items),
            object => objects.push(object),
        }
    }
    Some(objects)
}

/// `not_recorded`: what the recordings happen not to have, with the reason where it is listed; `not_sent`: what they
/// have and we leave out.
#[track_caller]
pub(super) fn compare(what: &str, ours: &[Value], theirs: &[Value], not_recorded: &[&str], not_sent: &[&str]) {
    let (ours, theirs) = (Shape::of(ours), Shape::of(theirs));
    let under =
        |path: &str, list: &[&str]| list.iter().any(|known| path == *known || path.starts_with(&format!("{known}/")));
    let mut wrong = Vec::new();
    for (path, types) in &ours.types {
        match theirs.types.get(path) {
            None if under(path, not_recorded) => {}
            None => wrong.push(format!("{path} is not in any recording")),
            Some(recorded) => {
                let strange: Vec<_> = types
                    .iter()
                    .filter(|name| **name != "null" && !recorded.contains(*name) && !recorded.contains("null"))
                    .collect();
                if !strange.is_empty() {
                    wrong.push(format!("{path} is {strange:?}, recorded as {recorded:?}"));
                }
            }
        }
    }
    for path in theirs.always() {
        if !under(path, not_sent) && ours.seen_in.get(path) != Some(&ours.objects) {
            wrong.push(format!("{path} is in every recording, but not always here"));
        }
    }
    println!(
        "{what}: {} of our {} paths over {} objects are in the {} recorded objects ({} paths)",
        ours.types.keys().filter(|path| theirs.types.contains_key(*path)).count(),
        ours.types.len(),
        ours.objects,
        theirs.objects,
        theirs.types.len()
    );
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
}

/// The vendor's document.
pub(super) struct Document(pub(super) Value);

impl Document {
    /// What `#/…` names.
    fn named(&self, name: &str) -> &Value {
        self.0.pointer(name.trim_start_matches('#')).unwrap_or(&Value::Null)
    }

    /// Members of a definition with their schemas, those of what it is made of included.
    fn members(&self, schema: &Value) -> BTreeMap<String, Value> {
        let mut members = BTreeMap::new();
        if let Some(name) = schema["$ref"].as_str() {
            members.extend(self.members(self.named(name)));
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            members.extend(self.members(part));
        }
        for (key, member) in schema["properties"].as_object().into_iter().flatten() {
            members.insert(key.clone(), member.clone());
        }
        members
    }

    /// Where a value has another type than the document says; what the document does not know is passed over.
    pub(super) fn check(
        &self,
        value: &Value,
        schema: &Value,
        path: &str,
        checked: &mut usize,
        wrong: &mut BTreeSet<String>,
    ) {
        let mut schema = schema;
        while let Some(name) = schema["$ref"].as_str() {
            schema = self.named(name);
        }
        let expected = schema["type"].as_str().or_else(|| schema.get("allOf").map(|_| "object"));
        let is_type = |name: &str| name == type_name(value) || (name == "integer" && value.is_i64() | value.is_u64());
        match expected {
            // The document declares hardly anything as nullable, and nearly everything can be null.
            Some(_) if value.is_null() => {}
            Some(name) => {
                *checked += 1;
                if !is_type(name) {
                    wrong.insert(format!("{path}: {name} expected, {} sent", type_name(value)));
                }
                if schema["format"] == "date-time"
                    && value.as_str().is_none_or(|date| chrono::DateTime::parse_from_rfc3339(date).is_err())
                {
                    wrong.insert(format!("{path}: {value} is no date"));
                }
                let known = schema["enum"].as_array();
                if known.is_some_and(|known| !known.contains(value)) {
                    wrong.insert(format!("{path}: {value} is none of {known:?}"));
                }
            }
            None => {}
        }
        match value {
            Value::Object(sent) => {
                let members = self.members(schema);
                for (key, member) in sent {
                    if let Some(schema) = members.get(key) {
                        self.check(member, schema, &format!("{path}/{key}"), checked, wrong);
                    }
                }
            }
            Value::Array(items) => {
                for item in items {
                    self.check(item, &schema["items"], &format!("{path}/*"), checked, wrong);
                }
            }
            _ => {}
        }
    }
}

/// Everything our server sends, by the name of its definition.
async fn sent() -> BTreeMap<&'static str, Vec<Value>> {
    let options = GenerateOptions {
        repositories: 60,
        pull_requests_per_repository: 40,
        forks_percent: 10,
        empty_percent: 5,
        ..GenerateOptions::default()
    };
    let cloud = Server::generated(options).await;
    let mut sent = BTreeMap::<&'static str, Vec<Value>>::new();
    let repositories = cloud.walk("/repositories/acme?pagelen=100").await;
    for repository in repositories.iter().filter(|it| !it["mainbranch"].is_null()).take(8) {
        let base = format!("/repositories/{}", repository["full_name"].as_str().unwrap());
        let states = "state=OPEN&state=MERGED&state=DECLINED&state=SUPERSEDED";
        sent.entry("pullrequest")
            .or_default()
            .extend(cloud.walk(&format!("{base}/pullrequests?{states}&pagelen=50")).await);
        let one = cloud.json(&format!("{base}/pullrequests/1")).await;
        sent.entry("participant").or_default().extend(one["participants"].as_array().unwrap().iter().cloned());
        sent.entry("commit").or_default().extend(cloud.walk(&format!("{base}/commits")).await);
        sent.entry("branch").or_default().extend(cloud.walk(&format!("{base}/refs/branches")).await);
    }
    sent.insert("repository", repositories);
    sent.insert("workspace", vec![cloud.json("/workspaces/acme").await]);
    sent.insert("workspace_access", cloud.walk("/user/workspaces").await);
    sent.insert("project", cloud.walk("/workspaces/acme/projects").await);
    sent.insert("user", vec![cloud.json("/user").await]);
    sent.insert("error", vec![cloud.get("/repositories/nobody").await.json()]);
    sent
}

#[tokio::test]
async fn objects_have_the_keys_and_types_of_recorded_ones() {
    let check = |sent: &BTreeMap<&'static str, Vec<Value>>,
                 what: &str,
                 files: &[&str],
                 not_recorded: &[&str],
                 not_sent: &[&str]| {
        let Some(theirs) = recorded("cloud", files) else { return };
        compare(what, &sent[what], &theirs, not_recorded, not_sent);
    };
    if folder().is_none() {
        return;
    }
    let sent = sent().await;
    check(
        &sent,
        "repository",
        &["repository.gildas-cli.json", "repository.bbs.json", "repository.bbs-2.json", "repository.atlascode.json"],
        // Null in these recordings: none is a fork. The condensed form inside is that of every embedded repository.
        &["/parent"],
        &[],
    );
    check(
        &sent,
        "pullrequest",
        &["pull-requests.page.bbs.json", "pull-requests.page.gildas-cli.json"],
        // Recorded as author only: an access token that closes looks the same.
        &["/closed_by/created_on", "/closed_by/account_status", "/closed_by/kind"],
        &["/rendered"],
    );
    check(
        &sent,
        "commit",
        &["commits.page.include-exclude.bbs.json", "commit.gildas-cli.json"],
        // An access token as author of a commit looks as it does as author of a pull request.
        &["/author/user/created_on", "/author/user/account_status", "/author/user/kind"],
        &[],
    );
    check(
        &sent,
        "branch",
        &["branches.page.bbs.json"],
        &["/target/author/user", "/target/rendered", "/target/summary"],
        &[],
    );
    check(&sent, "workspace", &["workspace.gildas-cli.json"], &[], &[]);
    check(&sent, "workspace_access", &["workspace-access.gildas-cli.json"], &[], &[]);
    check(
        &sent,
        "participant",
        &["participant.gildas-cli.json"],
        &["/user/created_on", "/user/account_status", "/user/kind"],
        &[],
    );
    check(&sent, "error", &["error.go-scm.json"], &[], &[]);
}

#[tokio::test]
async fn objects_have_the_types_of_the_openapi_document() {
    let Some(folder) = folder() else { return };
    let document = Document(read(folder.join("bitbucket/openapi/bitbucket-cloud.swagger2.2026-08-15.json")));
    for (name, objects) in sent().await {
        let schema = &document.0["definitions"][name];
        assert!(!schema.is_null(), "the document has no {name}");
        let (mut checked, mut wrong) = (0, BTreeSet::new());
        for object in &objects {
            document.check(object, schema, name, &mut checked, &mut wrong);
        }
        println!("{name}: {checked} values of {} objects checked", objects.len());
        assert!(checked > 0 && wrong.is_empty(), "{name}: {wrong:#?}");
    }
}
