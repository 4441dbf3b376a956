//! Recorded payloads of other projects: every body the client could meet is read, or refused with a
//! reason that is known here. They lie outside the repository, in the folder `CATALOG_SYNC_SHARED` names.

use std::collections::BTreeMap;

use serde_json::Value;
use url::Url;

use super::wire;
use crate::recorded::folder;
use crate::source::http::recorded_error;

/// What a file's name says it holds.
fn kind(name: &str) -> Option<&'static str> {
    let of = |prefix: &str| name.starts_with(prefix);
    Some(match () {
        () if of("repositories.") || of("repository.") => "repository",
        () if of("pull-requests.") || of("pull-request.") => "pull request",
        () if of("commits.") || of("commit.") || of("pull-request-commits.") => "commit",
        () if of("workspace-members.") || of("workspace-member.") => "member",
        () if of("workspaces.") => "page",
        () if of("error.") => "error",
        () => return None,
    })
}

/// The rows of a page, an array or one object.
fn rows(value: Value) -> Vec<Value> {
    match value {
        Value::Array(rows) => rows,
        Value::Object(_) if value.get("values").is_some() => wire::envelope(value).expect("a page").values,
        other => vec![other],
    }
}

#[test]
fn recorded_payloads_are_read_or_refused_with_a_reason() {
    let Some(folder) = folder() else { return };
    let folder = folder.join("bitbucket/payloads/cloud");
    let (mut files, mut read) = (0, 0);
    let mut refused: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    for path in names {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Some(kind) = kind(&name) else { continue };
        files += 1;
        let bytes = std::fs::read(&path).unwrap();
        let value: Value = serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        if kind == "error" {
            let url = Url::parse("https://api.bitbucket.org/2.0/x").unwrap();
            let error = recorded_error(&url, 400, &bytes).to_string();
            assert!(!error.contains("no reason given"), "{name}: {error}");
            read += 1;
            continue;
        }
        if kind == "page" {
            wire::envelope(value).unwrap_or_else(|error| panic!("{name}: {error}"));
            read += 1;
            continue;
        }
        for row in rows(value) {
            let result = match kind {
                "repository" => wire::repository(row).map(drop).map_err(|row| row.reason),
                "pull request" => wire::pull_request(&row).map(drop),
                "member" => wire::member(&row).map(drop),
                _ => wire::commit(&row).map(drop),
            };
            match result {
                Ok(()) => read += 1,
                Err(reason) => refused.entry(reason).or_default().push(name.clone()),
            }
        }
    }
    eprintln!("{files} files, {read} bodies or rows read, {} refused", refused.values().map(Vec::len).sum::<usize>());
    for (reason, names) in &refused {
        eprintln!("  {reason}: {}", names.join(", "));
    }
    assert!(files >= 50 && read >= 114, "{files} files, {read} read");
    // Stubs made by hand: a name no repository can have, and answers to another program's `fields`.
    let known: BTreeMap<String, Vec<String>> = [
        ("a `full_name` without a slash", vec!["repository.atlascode.json"]),
        (
            "a pull request without an `id`",
            vec!["pull-request.fields-filtered.atlascode.json", "pull-requests.page.participants.atlascode.json"],
        ),
    ]
    .into_iter()
    .map(|(reason, names)| (reason.to_owned(), names.into_iter().map(str::to_owned).collect()))
    .collect();
    assert_eq!(refused, known);
}
