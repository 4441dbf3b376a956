//! Pull requests: sorted whatever the server's order, complete whatever it costs.

use super::*;
use chrono::DateTime;

fn at(day: u32) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + i64::from(day) * 86_400, 0).unwrap()
}

fn pr(id: u64, updated: u32, state: &str) -> Value {
    json!({"id": id, "title": format!("pr {id}"), "state": state, "createdDate": at(0).timestamp_millis(),
        "updatedDate": at(updated).timestamp_millis(), "fromRef": {"displayId": "x"}, "toRef": {"displayId": "main"}})
}

/// Serves a list as the server has it: by number, newest first, or by update.
async fn serving(rows: Vec<Value>, by_update: bool, cap: usize) -> Server {
    Server::instance(move |seen, path| {
        assert_eq!((path, seen.one("order")), ("/projects/PAY/repos/api/pull-requests", "NEWEST"));
        let wanted = seen.one("state");
        let mut rows: Vec<Value> =
            rows.iter().filter(|row| wanted == "ALL" || row["state"] == *wanted).cloned().collect();
        let by = if by_update { "updatedDate" } else { "id" };
        rows.sort_by_key(|row| std::cmp::Reverse((row[by].as_u64(), row["id"].as_u64())));
        let start: usize = seen.one("start").parse().unwrap_or(0);
        let end = (start + seen.one("limit").parse::<usize>().unwrap().min(cap)).min(rows.len());
        let next = (end < rows.len()).then_some(end as u64);
        ok(page(&rows[start.min(end)..end], next))
    })
    .await
}

async fn asked(server: &Server, from: Option<u32>, to: Option<u32>) -> Vec<String> {
    let ask = Ask::PullRequests { from: from.map(at), to: to.map(at) };
    let page = server.dc().secondary(&a_repository(server), &ask, None).await.unwrap();
    assert!(page.next.is_none());
    assert_eq!(page.size, Some(page.items.len() as u64));
    let times: Vec<_> = page.items.iter().map(Item::at).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "exactly sorted");
    hashes(&page)
}

/// 250 pull requests, updated in the order of their numbers, of which number 3 is open; `late` was updated last of all.
fn many(late: Option<u64>) -> Vec<Value> {
    let updated = |id: u64| if Some(id) == late { 900 } else { id as u32 };
    (1..=250).map(|id| pr(id, updated(id), if id == 3 { "OPEN" } else { "MERGED" })).collect()
}

// P5.1, seam decision of session 3: the first fetch and gaps read the whole list, in the largest pages there are.
#[tokio::test]
async fn whole_lists_come_sorted() {
    let rows = vec![pr(1, 5, "OPEN"), pr(2, 9, "MERGED"), pr(3, 1, "DECLINED"), pr(4, 9, "WEIRD")];
    let server = serving(rows.clone(), false, 1000).await;
    assert_eq!(asked(&server, None, None).await, ["4", "2", "1", "3"]);
    assert_eq!(asked(&server, None, Some(5)).await, ["1", "3"]);
    assert_eq!(asked(&server, Some(2), Some(5)).await, ["1"]);
    let whole = "/projects/PAY/repos/api/pull-requests?state=ALL&order=NEWEST&limit=1000";
    assert_eq!(server.asked(), [whole, whole, whole]);
    // The administrator lowered the page (facts 2.1).
    let clamped = serving(rows, false, 3).await;
    assert_eq!(asked(&clamped, None, None).await, ["4", "2", "1", "3"]);
    assert_eq!(clamped.asked()[1], format!("{whole}&start=3"));
}

// P5.3: what is new since costs one small page where that holds the list, or is older at its end.
#[tokio::test]
async fn what_is_new_since_costs_as_little_as_is_sure() {
    let short = serving(vec![pr(1, 5, "OPEN"), pr(2, 9, "MERGED")], false, 1000).await;
    assert_eq!(asked(&short, Some(6), None).await, ["2"]);
    assert_eq!(short.asked(), ["/projects/PAY/repos/api/pull-requests?state=ALL&order=NEWEST&limit=100"]);

    let long = serving(many(None), true, 1000).await;
    assert_eq!(asked(&long, Some(300), None).await, [""; 0]);
    let queries: Vec<String> = long.asked().iter().map(|it| it.split_once('?').unwrap().1.to_owned()).collect();
    assert_eq!(queries, ["state=ALL&order=NEWEST&limit=100", "state=OPEN&order=NEWEST&limit=1000"]);
    // A page that holds anything newer is followed by the next one.
    assert_eq!(asked(&long, Some(150), None).await.len(), 101);
    assert_eq!(long.asked().len(), 4);
    assert!(long.asked()[3].ends_with("limit=200&start=100"), "{:?}", long.asked());
}

// facts 2.2 "whether NEWEST sorts by created or updated date is not said": an old one that was touched is never missed.
#[tokio::test]
async fn an_order_by_creation_is_noticed() {
    // Old and open.
    let server = serving(many(Some(3)), false, 1000).await;
    assert_eq!(asked(&server, Some(400), None).await, ["3"]);
    // Old and merged just now, far below the first page: nothing tells, until the order was seen to be another one.
    let mut rows = many(Some(20));
    rows[249] = pr(250, 10, "MERGED");
    let server = serving(rows, false, 1000).await;
    let dc = server.dc();
    let ask = Ask::PullRequests { from: Some(at(400)), to: None };
    for requests in [2, 3] {
        let page = dc.secondary(&a_repository(&server), &ask, None).await.unwrap();
        assert_eq!(hashes(&page), ["20"]);
        assert_eq!(server.asked().len(), requests);
    }
    assert!(server.asked()[1].ends_with("limit=1000&start=100"), "{:?}", server.asked());
    assert!(server.asked()[2].ends_with("state=ALL&order=NEWEST&limit=1000"), "the whole list from then on");
}

// P2.11: one that cannot be read is said once, and the others come.
#[tokio::test]
async fn an_unreadable_one_is_said() {
    let server = Server::instance(|_, _| ok(page(&[pr(1, 5, "OPEN"), json!({"id": 2}), json!({"id": 2})], None))).await;
    let ask = Ask::PullRequests { from: None, to: None };
    let page = server.dc().secondary(&a_repository(&server), &ask, None).await.unwrap();
    assert_eq!(
        (page.items.len(), page.unreadable),
        (1, vec!["pull request 2 without a readable `updatedDate`".to_owned()])
    );
    let stale = server.dc().secondary(&a_repository(&server), &ask, Some(&Cursor("x".to_owned()))).await;
    assert!(matches!(stale, Err(SourceError::StaleCursor)));
}

// Trap 8: forbidden on a first page means not available; later it means half read.
#[tokio::test]
async fn what_breaks_off_is_incomplete() {
    let rows: Vec<Value> = (1..=3).map(|id| pr(id, id as u32, "MERGED")).rev().collect();
    let failing = move |at: usize| {
        let rows = rows.clone();
        Server::instance(move |seen, _| {
            let number = seen.number - usize::from(seen.path.contains("recent"));
            if number >= at && seen.one("start").len() + usize::from(seen.one("state") == "OPEN") >= at - 1 {
                return error(401, "AuthorisationException", "no");
            }
            ok(page(&rows, Some(3)))
        })
    };
    let ask = |from: Option<u32>| Ask::PullRequests { from: from.map(at), to: None };
    let server = failing(1).await;
    let first = server.dc().secondary(&a_repository(&server), &ask(None), None).await;
    assert!(matches!(first, Err(SourceError::Forbidden { .. })), "{first:?}");
    for from in [None, Some(9)] {
        let server = failing(2).await;
        let later = server.dc().secondary(&a_repository(&server), &ask(from), None).await;
        assert!(matches!(later, Err(SourceError::Incomplete { page: 2, .. })), "{later:?}");
    }
}

// A page too large for us is asked for in smaller ones.
#[tokio::test]
async fn too_large_pages_are_asked_for_smaller() {
    let server = Server::instance(|seen, _| {
        let rows: Vec<Value> = if seen.one("limit") == "1000" {
            (0..500).map(|id| pr(id, 1, "OPEN")).collect()
        } else {
            vec![pr(1, 1, "OPEN")]
        };
        ok(page(&rows, None))
    })
    .await;
    let mut settings = server.dc_settings();
    settings.http.body_bytes = 20_000;
    let dc = BitbucketDataCenter::new(settings).unwrap();
    let page = dc.secondary(&a_repository(&server), &Ask::PullRequests { from: None, to: None }, None).await.unwrap();
    assert_eq!(hashes(&page), ["1"]);
    assert!(server.asked()[1].contains("limit=100"));
}
