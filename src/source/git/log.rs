//! `git log` → rows as the REST source makes them (P5.2), field for field but one: git does not know the display name of
//! an account, so the author is who the commit names.

use chrono::DateTime;

use crate::model::{Commit, InstanceId, Repository};

/// Fields end in NUL, which no field can hold; `-z` puts one behind the last, too.
pub(super) const FORMAT: &str = "--format=%H%x00%P%x00%ct%x00%an%x00%B";
const FIELDS: usize = 5;

/// A row of the log, and its date in seconds.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub commit: Commit,
    pub seconds: i64,
}

/// All rows; `Err` in words, where git wrote something else.
pub(super) fn rows(output: &[u8], repo: &Repository) -> Result<Vec<Row>, String> {
    if output.is_empty() {
        return Ok(Vec::new());
    }
    let Some(output) = output.strip_suffix(b"\0") else { return Err("git's list broke off".to_owned()) };
    let fields: Vec<&[u8]> = output.split(|byte| *byte == 0).collect();
    if !fields.len().is_multiple_of(FIELDS) {
        return Err("git's list has another form than asked for".to_owned());
    }
    let page = commit_page(repo);
    let is_cloud = repo.key.instance == InstanceId::cloud();
    fields.chunks_exact(FIELDS).map(|fields| row(fields, &page, is_cloud)).collect()
}

fn row(fields: &[&[u8]], page: &str, is_cloud: bool) -> Result<Row, String> {
    let text = |at: usize| String::from_utf8_lossy(fields[at]).into_owned();
    let (hash, seconds) = (text(0), text(2));
    if !is_hash(&hash) {
        return Err("git's list names no commit where one belongs".to_owned());
    }
    let parsed = seconds.parse::<i64>().ok();
    let Some((seconds, committed_at)) = parsed.and_then(|at| Some((at, DateTime::from_timestamp(at, 0)?))) else {
        return Err(format!("commit {hash} without a readable date"));
    };
    let author = text(3).trim().to_owned();
    let mut message = text(4);
    // Data Center's API leaves out the line end that git puts behind a message, Cloud's does not.
    if !is_cloud {
        message.truncate(message.trim_end_matches('\n').len());
    }
    let commit = Commit {
        message,
        author: (!author.is_empty()).then_some(author),
        committed_at,
        url: Some(format!("{page}{hash}")),
        parents: text(1).split_whitespace().map(str::to_owned).collect(),
        unreachable: false,
        hash,
    };
    Ok(Row { commit, seconds })
}

/// Where a repository's commits have their pages: `https://bitbucket.org/acme/web/commits/`,
/// `https://HOST/projects/PAY/repos/web/commits/`.
fn commit_page(repo: &Repository) -> String {
    let page = repo.url.trim_end_matches('/');
    format!("{}/commits/", page.strip_suffix("/browse").unwrap_or(page))
}

/// A full hash, SHA-1 or SHA-256.
pub(super) fn is_hash(text: &str) -> bool {
    [40, 64].contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RepoKey;

    fn repository(url: &str) -> Repository {
        Repository { url: url.to_owned(), ..Repository::bare(RepoKey::cloud("{1}"), "web") }
    }

    #[test]
    fn rows_are_read_field_by_field() {
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        let output = format!("{a}|{b} {b}|1795285207| Ann Other |subject\n\nbody\n|{b}||0|||").replace('|', "\0");
        let rows = rows(output.as_bytes(), &repository("https://bitbucket.org/acme/web")).unwrap();
        let first = &rows[0].commit;
        assert_eq!((first.message.as_str(), first.author.as_deref()), ("subject\n\nbody\n", Some("Ann Other")));
        assert_eq!(first.parents, [b.clone(), b.clone()]);
        assert_eq!(first.committed_at.to_rfc3339(), "2026-11-21T18:20:07+00:00");
        assert_eq!(first.url, Some(format!("https://bitbucket.org/acme/web/commits/{a}")));
        assert_eq!((rows[1].commit.author.as_deref(), rows[1].commit.parents.len()), (None, 0));
        let mut data_center = repository("https://git.acme.dev/projects/PAY/repos/web/browse");
        data_center.key.instance = InstanceId("https://git.acme.dev".to_owned());
        assert_eq!(super::rows(output.as_bytes(), &data_center).unwrap()[0].commit.message, "subject\n\nbody");
        assert_eq!(commit_page(&data_center), "https://git.acme.dev/projects/PAY/repos/web/commits/");
    }

    #[test]
    fn anything_else_is_refused() {
        let repo = repository("https://bitbucket.org/acme/web");
        for bad in ["x", "x|", "a|b|c|d|", "zz||1|n|m|"] {
            assert!(rows(bad.replace('|', "\0").as_bytes(), &repo).is_err(), "{bad}");
        }
        assert_eq!(rows(b"", &repo).unwrap().len(), 0);
    }
}
