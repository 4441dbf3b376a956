//! Pull requests where everything is as it should be; where the server cannot sort, see `simulated`.

use super::*;
use crate::model::{Item, PullRequestState};

fn row(id: u64, state: &str, updated: &str) -> Value {
    json!({"id": id, "title": "t", "state": state, "created_on": "2026-01-01T00:00:00+00:00", "updated_on": updated})
}

fn ids(page: &ItemPage) -> Vec<u64> {
    let id = |item: &Item| match item {
        Item::PullRequest(pull_request) => pull_request.id,
        Item::Commit(_) => panic!("a commit among pull requests"),
    };
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
