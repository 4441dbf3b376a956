//! Recorded payloads of other projects: every body the client could meet is read, or refused with a reason that is known
//! here. They lie outside the repository, in the folder `CATALOG_SYNC_SHARED` names.

use std::collections::BTreeMap;

use serde_json::Value;
use url::Url;

use super::wire;
use crate::model::{InstanceId, Repository};
use crate::recorded::folder;
use crate::source::http::recorded_error;

/// What a file's name says it holds; `None`: nothing the client asks for.
fn kind(name: &str) -> Option<&'static str> {
    let of = |prefix: &str| name.starts_with(prefix);
    Some(match () {
        () if of("repositories.") || of("repository.") => "repository",
        () if of("pull-requests.") || of("pull-request.") => "pull request",
        () if of("pull-request-activities.") => "activity",
        () if of("changes.") => "change",
        () if of("build-status.") => "build",
        () if of("user.") => "user",
        () if of("commits.") || of("commit.") || of("pull-request-commits.") => "commit",
        () if name.contains(".page.") || of("page.") => "page",
        () if of("error.") => "error",
        () => return None,
    })
}

/// The rows of a page, an array or one object; and why the page as such is refused, if it is.
fn rows(value: Value) -> (Vec<Value>, Option<String>) {
    match value {
        Value::Array(rows) => (rows, None),
        Value::Object(_) if value.get("values").is_some() => {
            let rows = value["values"].as_array().cloned().unwrap_or_default();
            (rows, wire::envelope(value).err())
        }
        other => (vec![other], None),
    }
}

fn repo(instance: &InstanceId) -> Repository {
    let raw = serde_json::json!({"id": 1, "slug": "x", "project": {"key": "PAY"}});
    wire::repository(raw, instance).unwrap().repository
}

fn read(kind: &str, row: Value, instance: &InstanceId) -> Result<(), String> {
    match kind {
        "repository" => wire::repository(row, instance).map(drop).map_err(|row| row.reason),
        "pull request" => wire::pull_request(&row, &repo(instance)).map(drop),
        "activity" => {
            let wanted = row["action"] == "COMMENTED";
            let told = wire::reviews(std::slice::from_ref(&row));
            if wanted != told.is_empty() { Ok(()) } else { Err(format!("{} is told as {told:?}", row["action"])) }
        }
        "user" => wire::user(&row).map(drop),
        "change" => wire::file_change(&row).map(drop).ok_or_else(|| "a change without a path".to_owned()),
        "build" => wire::build(&row, &repo(instance)).map(drop).ok_or_else(|| "a build without a key".to_owned()),
        _ => wire::commit(&row, &repo(instance)).map(drop),
    }
}

#[test]
fn recorded_payloads_are_read_or_refused_with_a_reason() {
    let Some(folder) = folder() else { return };
    let folder = folder.join("bitbucket/payloads/data-center");
    let instance = InstanceId("https://git.acme.dev".to_owned());
    let (mut files, mut taken) = (0, 0);
    let mut refused: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    for path in names {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Some(kind) = kind(&name) else { continue };
        files += 1;
        let bytes = std::fs::read(&path).unwrap();
        if kind == "error" {
            let url = Url::parse("https://git.acme.dev/rest/api/1.0/x").unwrap();
            let error = recorded_error(&url, 400, &bytes).to_string();
            assert!(error.contains("Project dev does not exist."), "{name}: {error}");
            taken += 1;
            continue;
        }
        let value: Value = serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (rows, fault) = rows(value);
        match fault {
            Some(reason) => refused.entry(reason).or_default().push(name.clone()),
            None => taken += 1,
        }
        if kind == "page" {
            continue;
        }
        for row in rows {
            match read(kind, row, &instance) {
                Ok(()) => taken += 1,
                Err(reason) => refused.entry(reason).or_default().push(name.clone()),
            }
        }
    }
    eprintln!("{files} files, {taken} bodies or rows read, {} refused", refused.values().map(Vec::len).sum::<usize>());
    for (reason, names) in &refused {
        eprintln!("  {reason}: {}", names.join(", "));
    }
    assert!(files >= 40 && taken >= 50, "{files} files, {taken} read");
    // Cut down by hand: real pages say where the next one starts, and what does not must never pass for the end.
    insta::assert_debug_snapshot!(refused, @r#"
    {
        "a page that is not the last, without `nextPageStart`": [
            "repositories.page.filter.go-scm.json",
            "repositories.page.go-scm.json",
        ],
    }
    "#);
}
