//! Commits: the default branch, and what is known of it left out.

use super::*;
use crate::model::HEAD;
use crate::model::coverage::Head;

fn hash(n: u64) -> String {
    format!("{n:040x}")
}

fn commit(n: u64, parents: &[u64]) -> Value {
    let parents: Vec<Value> = parents.iter().map(|n| json!({"id": hash(*n)})).collect();
    json!({"id": hash(n), "message": format!("commit {n}"), "author": {"name": "Ann"}, "parents": parents,
        "authorTimestamp": 1_700_000_000_000_u64, "committerTimestamp": 1_700_000_000_000_u64 + n * 1000})
}

/// A line of `length` commits, the newest with the largest number; `since` and `until` cut it, as the server does.
async fn line(length: u64) -> Server {
    Server::instance(move |seen, path| {
        assert_eq!(path, "/projects/PAY/repos/api/commits");
        let number = |name: &str| u64::from_str_radix(seen.one(name), 16).ok();
        let until = number("until").unwrap_or(length);
        let since = number("since").unwrap_or(0);
        if since > length || until > length {
            let named = hash(since.max(until));
            return error(
                404,
                "commit.NoSuchCommitException",
                &format!("Commit '{named}' does not exist in repository 'api'."),
            );
        }
        let all: Vec<u64> = (since + 1..=until).rev().collect();
        let start: usize = seen.one("start").parse().unwrap_or(0);
        let end = (start + seen.one("limit").parse::<usize>().unwrap().min(100)).min(all.len());
        let rows: Vec<Value> = all[start.min(end)..end]
            .iter()
            .map(|n| {
                commit(
                    *n,
                    if *n > 1 { std::slice::from_ref(n) } else { &[] }
                        .iter()
                        .map(|n| n - 1)
                        .collect::<Vec<_>>()
                        .as_slice(),
                )
            })
            .collect();
        ok(page(&rows, (end < all.len()).then_some(end as u64)))
    })
    .await
}

fn ask(include: &[&str], exclude: &[u64]) -> Ask {
    Ask::Commits {
        include: include.iter().map(ToString::to_string).collect(),
        exclude: exclude.iter().map(|n| hash(*n)).collect(),
    }
}

fn head(n: u64) -> Option<Head> {
    Some(Head { hash: hash(n), parents: if n > 1 { vec![hash(n - 1)] } else { vec![] } })
}

/// Queries of the commit requests.
fn queries(server: &Server) -> Vec<String> {
    server.asked().iter().map(|it| it.split_once('?').unwrap().1.to_owned()).collect()
}

// P5.2: the first fetch takes the newest page of the default branch, whatever its name is.
#[tokio::test]
async fn the_newest_come_first() {
    let server = line(250).await;
    let dc = server.dc();
    let (mut got, mut cursor) = (Vec::new(), None);
    loop {
        let page = dc.secondary(&a_repository(&server), &ask(&[HEAD], &[]), cursor.as_ref()).await.unwrap();
        assert_eq!(page.head, if got.is_empty() { head(250) } else { None });
        got.extend(hashes(&page));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(got, (1..=250).rev().map(hash).collect::<Vec<_>>());
    // Later pages stay at the head of the first, though the branch may move.
    let until = format!("until={}", hash(250));
    assert_eq!(
        queries(&server),
        ["limit=100".to_owned(), format!("{until}&limit=100&start=100"), format!("{until}&limit=100&start=200")]
    );
}

// P5.6: nothing new costs one small request, and the head is told.
#[tokio::test]
async fn nothing_new_costs_one_request() {
    let server = line(250).await;
    for exclude in [&[250][..], &[250, 7, 999_999]] {
        let page = server.dc().secondary(&a_repository(&server), &ask(&[HEAD], exclude), None).await.unwrap();
        assert!(page.items.is_empty() && page.next.is_none() && page.unreadable.is_empty());
        assert_eq!(page.head, head(250));
    }
    assert_eq!(queries(&server), ["limit=25", "limit=25"]);
    // The head itself comes back when its parent is what is known.
    let page = server.dc().secondary(&a_repository(&server), &ask(&[HEAD], &[249]), None).await.unwrap();
    assert_eq!((hashes(&page), page.next, queries(&server).len()), (vec![hash(250)], None, 3));
}

// P5.3: a few new ones are on that page; many are asked for with `since`, which the server does better.
#[tokio::test]
async fn what_is_new_is_exactly_that() {
    let server = line(250).await;
    let dc = server.dc();
    let page = dc.secondary(&a_repository(&server), &ask(&[HEAD], &[230]), None).await.unwrap();
    assert_eq!((hashes(&page), page.next), ((231..=250).rev().map(hash).collect(), None));
    assert_eq!(queries(&server), ["limit=25"]);

    let page = dc.secondary(&a_repository(&server), &ask(&[HEAD], &[100]), None).await.unwrap();
    assert_eq!((page.items.len(), &page.head), (100, &head(250)));
    let rest = dc.secondary(&a_repository(&server), &ask(&[HEAD], &[100]), page.next.as_ref()).await.unwrap();
    assert_eq!((hashes(&rest), rest.next), ((101..=150).rev().map(hash).collect(), None));
    let since = format!("until={}&since={}&limit=100", hash(250), hash(100));
    assert_eq!(queries(&server)[1..], ["limit=25".to_owned(), since.clone(), format!("{since}&start=100")]);
    // A branch by its name is spelt out.
    let _ = dc.secondary(&a_repository(&server), &ask(&["release/1"], &[250]), None).await.unwrap();
    assert_eq!(queries(&server).last().unwrap(), "until=refs/heads/release/1&limit=25");
}

// facts 2.2: a known head that was rewritten away is named.
#[tokio::test]
async fn unknown_commits_are_named() {
    let server = line(50).await;
    // In a history that the first page shows whole, too.
    let short = line(5).await;
    let error = short.dc().secondary(&a_repository(&short), &ask(&[HEAD], &[77]), None).await.unwrap_err();
    assert!(matches!(&error, SourceError::UnknownCommits { hashes } if *hashes == [hash(77)]), "{error}");
    let error = server.dc().secondary(&a_repository(&server), &ask(&[HEAD], &[77]), None).await.unwrap_err();
    assert!(matches!(&error, SourceError::UnknownCommits { hashes } if *hashes == [hash(77)]), "{error}");
    let error = server.dc().secondary(&a_repository(&server), &ask(&[&hash(78)], &[]), None).await.unwrap_err();
    assert!(matches!(&error, SourceError::UnknownCommits { hashes } if *hashes == [hash(78)]), "{error}");
}

// Several revisions are walked one after the other, without what the first one reaches.
#[tokio::test]
async fn several_revisions_are_walked() {
    let server = line(50).await;
    let dc = server.dc();
    let asked = ask(&[&hash(10), &hash(12)], &[5]);
    let first = dc.secondary(&a_repository(&server), &asked, None).await.unwrap();
    assert_eq!(hashes(&first), (6..=10).rev().map(hash).collect::<Vec<_>>());
    assert_eq!(first.head, None);
    let cursor: Cursor = serde_json::from_str(&serde_json::to_string(&first.next.unwrap()).unwrap()).unwrap();
    let second = dc.secondary(&a_repository(&server), &asked, Some(&cursor)).await.unwrap();
    assert_eq!((hashes(&second), second.next), (vec![hash(12), hash(11)], None));
    assert_eq!(queries(&server)[1], format!("until={}&since={}&limit=100", hash(12), hash(10)));
}

// Trap 11: an empty repository is empty, whichever way it says so; a missing one is not.
#[tokio::test]
async fn an_empty_repository_has_no_commits() {
    let check = |answer: fn() -> Response, is_empty: bool| async move {
        let server = Server::instance(move |_, _| answer()).await;
        for asked in [ask(&[HEAD], &[]), ask(&[HEAD], &[1])] {
            let page = server.dc().secondary(&a_repository(&server), &asked, None).await;
            match page {
                Ok(page) => assert!(is_empty && page.items.is_empty() && page.next.is_none() && page.head.is_none()),
                Err(error) => assert!(!is_empty && matches!(error, SourceError::NotFound { .. }), "{error}"),
            }
        }
    };
    check(|| ok(page(&[], None)), true).await;
    check(|| status(204, ""), true).await;
    check(|| error(404, "repository.NoDefaultBranchException", "\"api\" does not have a default branch."), true).await;
    check(
        || error(404, "commit.NoSuchCommitException", "Commit 'refs/heads/main' does not exist in repository 'api'."),
        true,
    )
    .await;
    check(|| error(404, "repository.NoSuchRepositoryException", "Repository PAY/api does not exist."), false).await;
}

// P2.11: what cannot be read is said; a head that cannot be read proves nothing.
#[tokio::test]
async fn an_unreadable_head_proves_nothing() {
    let server = Server::instance(|seen, _| match seen.one("since") {
        "" => ok(page(&[json!({"id": "?"}), commit(2, &[1]), commit(1, &[])], Some(3))),
        _ => ok(page(&[json!({"id": "?"}), commit(2, &[1])], None)),
    })
    .await;
    let page = server.dc().secondary(&a_repository(&server), &ask(&[HEAD], &[1]), None).await.unwrap();
    assert_eq!((page.head, page.unreadable.len()), (None, 1));
    assert_eq!(page.items.len(), 1);
}

// Trap 8.
#[tokio::test]
async fn a_later_page_that_is_forbidden_is_incomplete() {
    let server = Server::instance(|seen, _| match seen.one("start") {
        "" => ok(page(&[commit(9, &[8])], Some(1))),
        _ => error(401, "AuthorisationException", "no"),
    })
    .await;
    let dc = server.dc();
    let first = dc.secondary(&a_repository(&server), &ask(&[HEAD], &[]), None).await.unwrap();
    let later = dc.secondary(&a_repository(&server), &ask(&[HEAD], &[]), first.next.as_ref()).await;
    assert!(matches!(later, Err(SourceError::Incomplete { page: 2, .. })), "{later:?}");
}
