//! Pull requests, also where the server cannot sort them.

use super::*;
use crate::model::{Item, PullRequestState};
use chrono::{DateTime, Duration, Utc};

fn row(id: u64, state: &str, updated: &str) -> Value {
    json!({"id": id, "title": "t", "state": state, "created_on": "2026-01-01T00:00:00+00:00", "updated_on": updated})
}

fn id(item: &Item) -> u64 {
    match item {
        Item::PullRequest(pull_request) => pull_request.id,
        Item::Commit(_) => panic!("a commit among pull requests"),
    }
}

fn ids(page: &ItemPage) -> Vec<u64> {
    page.items.iter().map(id).collect()
}

// P5.1, section 8: all four states, at most 50, sorted by update; filtered again here.
#[tokio::test]
async fn pull_requests_are_asked_in_all_states() {
    let server = Server::start(|_, _| {
        ok(json!({"size": 9, "values": [
            row(4, "OPEN", "2026-03-09T00:00:00Z"),
            row(3, "SUPERSEDED", "2026-03-01T00:00:00Z"),
            row(1, "CLOSED", "2026-02-01T00:00:00Z"),
            row(2, "MERGED", "2026-02-15T00:00:00Z"),
            {"id": 8, "state": "OPEN"},
            row(9, "OPEN", "2026-01-31T23:59:59Z"),
        ]}))
    })
    .await;
    let ask = Ask::PullRequests {
        from: Some("2026-02-01T00:00:00Z".parse().unwrap()),
        to: Some("2026-03-05T00:00:00Z".parse().unwrap()),
    };
    let page = server.cloud().secondary(&a_repository(), &ask, None).await.unwrap();
    assert_eq!(ids(&page), [3, 2, 1]);
    assert_eq!((page.unreadable.len(), page.size), (1, Some(9)));
    let states: Vec<_> = page
        .items
        .iter()
        .map(|item| match item {
            Item::PullRequest(it) => it.state.clone(),
            Item::Commit(_) => panic!("a commit"),
        })
        .collect();
    assert_eq!(
        states,
        [PullRequestState::Declined, PullRequestState::Merged, PullRequestState::Other("closed".to_owned())]
    );
    let seen = &server.seen()[0];
    assert_eq!(seen.all("state"), ["OPEN", "MERGED", "DECLINED", "SUPERSEDED"]);
    assert_eq!((seen.one("sort"), seen.one("pagelen")), ("-updated_on", "50"));
    assert_eq!(
        seen.one("q"),
        "updated_on>=\"2026-02-01T00:00:00.000000+00:00\" AND updated_on<=\"2026-03-05T00:00:00.000000+00:00\""
    );
    assert!(seen.one("fields").starts_with("next,size,values.id,"));
}

// A server that ignores `q` does not make us walk its whole history.
#[tokio::test]
async fn a_sorted_walk_ends_before_the_window() {
    let server = Server::start(|_, base| {
        ok(json!({"values": [row(2, "OPEN", "2026-03-01T00:00:00Z"), row(1, "OPEN", "2026-01-01T00:00:00Z")],
            "next": format!("{base}/repositories/acme/repo-1/pullrequests?page=2")}))
    })
    .await;
    let ask = Ask::PullRequests { from: Some("2026-02-01T00:00:00Z".parse().unwrap()), to: None };
    let page = server.cloud().secondary(&a_repository(), &ask, None).await.unwrap();
    assert_eq!((ids(&page), page.next), (vec![2], None));
}

// An outage is no reason to ask another way next time.
#[tokio::test]
async fn an_outage_teaches_nothing_about_a_repository() {
    let server = Server::start(|seen, _| match seen.number {
        1..=8 => status(500, ""),
        _ => ok(json!({"values": []})),
    })
    .await;
    let cloud = server.cloud();
    let ask = Ask::PullRequests { from: None, to: None };
    assert!(matches!(cloud.secondary(&a_repository(), &ask, None).await, Err(SourceError::Server { status: 500, .. })));
    assert_eq!(server.seen().len(), 8, "two, two per state, four to count");
    cloud.secondary(&a_repository(), &ask, None).await.unwrap();
    assert_eq!(server.seen()[8].all("state").len(), 4);
}

/// 230 pull requests over some years, in all states, some updated in the same instant.
fn history() -> Vec<(u64, &'static str, DateTime<Utc>)> {
    let begin: DateTime<Utc> = "2021-05-01T00:00:00Z".parse().unwrap();
    let states = ["MERGED", "MERGED", "OPEN", "DECLINED", "MERGED", "SUPERSEDED", "DECLINED"];
    (1..=230_u64)
        .map(|id| {
            // A busy last month, a quiet past, and 70 touched at once by a script.
            let at = match id {
                1..=60 => begin + Duration::days(i64::try_from(id * 17).unwrap()),
                61..=130 => begin + Duration::days(1500),
                _ => begin + Duration::days(1600) + Duration::minutes(i64::try_from(id * 7919 % 40_000).unwrap()),
            };
            (id, states[(id % 7) as usize], at)
        })
        .collect()
}

/// Answers as Cloud does, and with 500 where `fails` says so.
async fn server(fails: impl Fn(&Seen) -> bool + Send + Sync + 'static) -> Server {
    Server::start(move |seen, base| {
        if fails(seen) {
            return status(500, "<html><title>Something went wrong</title></html>");
        }
        let mut rows = history();
        rows.retain(|(_, state, at)| {
            let within = |part: &str| {
                let (bound, is_floor) = match part.strip_prefix("updated_on>=") {
                    Some(bound) => (bound, true),
                    None => (part.strip_prefix("updated_on<=").unwrap(), false),
                };
                let bound: DateTime<Utc> = bound.trim_matches('"').parse().unwrap();
                if is_floor { *at >= bound } else { *at <= bound }
            };
            let q = seen.one("q");
            seen.all("state").contains(state) && (q.is_empty() || q.split(" AND ").all(within))
        });
        if seen.one("sort") == "-updated_on" {
            rows.sort_by_key(|(_, _, at)| std::cmp::Reverse(*at));
        }
        let size = rows.len();
        if seen.one("fields") == "size" {
            return ok(json!({"size": size}));
        }
        let pagelen: usize = seen.one("pagelen").parse().unwrap();
        if pagelen > 50 {
            return status(400, r#"{"type":"error","error":{"message":"Invalid pagelen"}}"#);
        }
        let page: usize = seen.one("page").parse().unwrap_or(1);
        let values: Vec<Value> = rows
            .iter()
            .skip((page - 1) * pagelen)
            .take(pagelen)
            .map(|(id, state, at)| row(*id, state, &at.to_rfc3339()))
            .collect();
        let mut answer = json!({"size": size, "values": values});
        if page * pagelen < size {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.extend_pairs(seen.query.iter().filter(|(name, _)| name != "page"));
            query.append_pair("page", &(page + 1).to_string());
            let path = seen.path.trim_start_matches("/2.0");
            answer["next"] = json!(format!("{base}{path}?{}", query.finish()));
        }
        ok(answer)
    })
    .await
}

/// Instants and ids of all, in order.
async fn walk(cloud: &BitbucketCloud, ask: &Ask) -> Vec<(DateTime<Utc>, u64)> {
    let (items, _) = walked::items(cloud, &a_repository(), ask).await.unwrap();
    items.iter().map(|item| (item.at(), id(item))).collect()
}

/// Newest first, each once, exactly those of the window.
#[track_caller]
fn check_walk(found: &[(DateTime<Utc>, u64)], from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>) {
    assert!(found.is_sorted_by(|a, b| a.0 >= b.0), "newest first");
    let mut got: Vec<u64> = found.iter().map(|(_, id)| *id).collect();
    got.sort_unstable();
    let within = |at: DateTime<Utc>| from.is_none_or(|from| from <= at) && to.is_none_or(|to| at <= to);
    let wanted: Vec<u64> = history().into_iter().filter(|(_, _, at)| within(*at)).map(|(id, ..)| id).collect();
    assert_eq!(got, wanted);
}

type Bound = Option<DateTime<Utc>>;

fn windows() -> [(Bound, Bound); 4] {
    let at = |text: &str| Some(text.parse().unwrap());
    [
        (None, None),
        (at("2022-01-01T00:00:00Z"), None),
        (None, at("2025-09-20T00:00:00Z")),
        (at("2022-01-01T00:00:00Z"), at("2025-09-20T00:00:00Z")),
    ]
}

// Section 8: sort with all four states answers 500 on large repositories; then one sorted walk per
// state, merged, and remembered for the repository.
#[tokio::test]
async fn states_are_walked_one_by_one_where_all_at_once_fail() {
    for (from, to) in windows() {
        let server = server(|seen| !seen.one("sort").is_empty() && seen.all("state").len() == 4).await;
        let cloud = server.cloud();
        let ask = Ask::PullRequests { from, to };
        check_walk(&walk(&cloud, &ask).await, from, to);
        check_walk(&walk(&cloud, &ask).await, from, to);
        let failed = server.seen().iter().filter(|seen| seen.all("state").len() == 4).count();
        assert_eq!(failed, 2, "tried twice, then never again");
    }
}

// Section 8: if that fails, too, windows of the update time; never the unsorted first page.
#[tokio::test]
async fn windows_are_found_where_the_server_cannot_sort() {
    for (from, to) in windows() {
        let server = server(|seen| !seen.one("sort").is_empty()).await;
        let cloud = server.cloud();
        let ask = Ask::PullRequests { from, to };
        check_walk(&walk(&cloud, &ask).await, from, to);
        let asked = server.seen().len();
        for seen in server.seen().iter().filter(|seen| seen.one("sort").is_empty()) {
            assert!(seen.one("q").contains(">=") && seen.one("q").contains("<="), "both bounds: {:?}", seen.query);
        }
        let first = cloud.secondary(&a_repository(), &ask, None).await.unwrap();
        assert!(!first.items.is_empty() && server.seen()[asked].one("sort").is_empty(), "remembered");
    }
}

// The same in the middle of a walk: it goes on from where it was.
#[tokio::test]
async fn a_walk_that_fails_in_the_middle_goes_on_another_way() {
    let server = server(|seen| seen.all("state").len() == 4 && seen.one("page") == "3").await;
    let found = walk(&server.cloud(), &Ask::PullRequests { from: None, to: None }).await;
    assert!(found.is_sorted_by(|a, b| a.0 >= b.0));
    let distinct: std::collections::BTreeSet<u64> = found.iter().map(|(_, id)| *id).collect();
    assert_eq!(distinct.len(), 230, "none is lost; those of the last instant may come twice");
}
