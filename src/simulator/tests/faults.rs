//! Faults to order.

use std::time::Duration;

use super::super::{
    BadRow, Endpoint, Fault, GenerateOptions, NewRepository, Order, RetryAfter, Simulator, SimulatorOptions, World,
};
use super::Server;

const LIST: &str = "/repositories/acme?sort=created_on";

async fn cloud() -> Server {
    Server::generated(GenerateOptions::repositories(25)).await
}

#[tokio::test]
async fn statuses_strike_where_and_as_often_as_ordered() {
    let cloud = cloud().await;
    cloud.simulator.order(Order::next(Fault::Status(503)).at(Endpoint::Repositories).nth(2).times(2));
    cloud.simulator.order(Order::next(Fault::RateLimited(RetryAfter::Seconds)).at(Endpoint::User));
    let mut statuses = Vec::new();
    for path in [LIST, "/workspaces/acme", LIST, LIST, LIST, "/user", "/user"] {
        statuses.push(cloud.get(path).await.status);
    }
    assert_eq!(statuses, [200, 200, 503, 503, 200, 429, 200]);
    assert_eq!(cloud.simulator.orders_left(), Vec::<String>::new());
    for status in [401, 403, 404, 500, 555] {
        cloud.simulator.order(Order::next(Fault::Status(status)));
        let got = cloud.get(LIST).await;
        assert_eq!(got.status, status);
        assert_eq!(got.json()["type"], "error");
    }
    let log = cloud.simulator.requests();
    assert_eq!((log.total, log.count(Endpoint::Repositories), log.by_status[&503]), (12, 9, 2));
    cloud.simulator.reset_requests();
    assert_eq!(cloud.simulator.requests().total, 0);
}

#[tokio::test]
async fn an_order_for_a_repository_or_page_leaves_the_others_alone() {
    let mut world = World::generate(1, &GenerateOptions::repositories(25));
    world.add_repository("acme", NewRepository::named("bad"));
    world.add_repository("acme", NewRepository::named("good"));
    let orders = vec![
        Order::always(Fault::Status(500)).repository("acme/bad").at(Endpoint::Commits),
        Order::next(Fault::Status(502)).query("page=2"),
    ];
    let cloud = Server::on(world, SimulatorOptions { orders, ..SimulatorOptions::default() }).await;
    for _ in 0..3 {
        assert_eq!(cloud.get("/repositories/acme/bad/commits").await.status, 500);
        assert_eq!(cloud.get("/repositories/acme/good/commits").await.status, 200);
        assert_eq!(cloud.get("/repositories/acme/bad").await.status, 200);
    }
    assert_eq!(cloud.get(&format!("{LIST}&page=1")).await.status, 200);
    assert_eq!(cloud.get(&format!("{LIST}&page=2")).await.status, 502);
    assert_eq!(cloud.get(&format!("{LIST}&page=2")).await.status, 200);
    cloud.simulator.clear_orders();
    assert_eq!(cloud.get("/repositories/acme/bad/commits").await.status, 200);
}

#[tokio::test]
async fn bodies_are_not_what_they_should_be() {
    let cloud = cloud().await;
    let struck = async |fault: Fault| {
        cloud.simulator.order(Order::next(fault));
        cloud.get(LIST).await
    };
    let html = struck(Fault::HtmlPage).await;
    assert_eq!((html.status, html.text.starts_with("<!DOCTYPE html>")), (200, true));
    assert!(html.header("content-type").starts_with("text/html"));
    let wrong = struck(Fault::WrongContentType).await;
    assert_eq!((wrong.header("content-type"), wrong.json()["size"].as_u64()), ("text/html", Some(25)));
    let truncated = struck(Fault::TruncatedJson).await;
    assert!(truncated.text.starts_with('{') && serde_json::from_str::<serde_json::Value>(&truncated.text).is_err());
    assert!(struck(Fault::HugeBody { bytes: 3 << 20 }).await.text.len() > 3 << 20);
    let redirect = struck(Fault::Redirect("http://elsewhere.example/".into())).await;
    assert_eq!((redirect.status, redirect.header("location")), (302, "http://elsewhere.example/"));
    let own = struck(Fault::Answer { status: 418, content_type: "text/x".into(), body: "tea".into() }).await;
    assert_eq!((own.status, own.text.as_str()), (418, "tea"));
}

#[tokio::test]
async fn a_connection_closes_in_the_middle() {
    let cloud = cloud().await;
    cloud.simulator.order(Order::next(Fault::ConnectionClosed));
    let response = cloud.client.get(cloud.address(LIST)).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.text().await.is_err());
    assert_eq!(cloud.get(LIST).await.status, 200);
}

#[tokio::test]
async fn next_leads_astray() {
    let cloud = cloud().await;
    let page = format!("{LIST}&page=2");
    let next = async |fault: Fault| {
        cloud.simulator.order(Order::next(fault));
        cloud.json(&page).await["next"].as_str().unwrap().to_owned()
    };
    assert_eq!(next(Fault::NextIs("https://evil.example/2.0/x".into())).await, "https://evil.example/2.0/x");
    assert_eq!(next(Fault::NextIsItself).await, cloud.address(&page));
    assert_eq!(next(Fault::NextIsFirst).await, cloud.address(&format!("{LIST}&page=1")));
}

#[tokio::test]
async fn rows_and_sizes_are_spoilt() {
    let cloud = cloud().await;
    let page = async |fault: Fault| {
        cloud.simulator.order(Order::next(fault));
        cloud.json(LIST).await
    };
    let spoilt = page(Fault::BadRow { row: 3, how: BadRow::NoUuid }).await;
    assert_eq!((spoilt["values"][3].get("uuid"), spoilt["values"][2]["uuid"].is_string()), (None, true));
    let spoilt = page(Fault::BadRow { row: 0, how: BadRow::WrongTypes }).await;
    assert_eq!((&spoilt["values"][0]["slug"], spoilt["values"][0]["uuid"].is_string()), (&17.into(), true));
    assert_eq!(page(Fault::BadRow { row: 0, how: BadRow::NotAnObject }).await["values"][0], "row");
    assert_eq!(page(Fault::SizeMissing).await.get("size"), None);
    assert_eq!(page(Fault::SizeIs(9)).await["size"], 9);
    assert_eq!(cloud.json(LIST).await["size"], 25);
}

#[tokio::test]
async fn the_world_changes_between_two_pages() {
    let cloud = cloud().await;
    cloud.simulator.order(Order::next(Fault::then(|world| {
        world.add_repository("acme", NewRepository::named("in-between"));
    })));
    let first = cloud.json(LIST).await;
    assert_eq!(first["size"], 25, "the page itself is of before");
    assert_eq!(cloud.json(first["next"].as_str().unwrap()).await["size"], 26);
}

#[tokio::test]
async fn slow_answers_do_not_hold_up_others() {
    let cloud = cloud().await;
    cloud.simulator.order(Order::next(Fault::Slow(Duration::from_secs(3600))).at(Endpoint::Repositories));
    tokio::select! {
        _ = cloud.get(LIST) => panic!("it is not slow"),
        got = async {
            // The slow one has to be under way first.
            while cloud.simulator.requests().total == 0 {
                tokio::task::yield_now().await;
            }
            cloud.get("/user").await
        } => assert_eq!(got.status, 200),
    }
    cloud.simulator.set_latency(Duration::from_millis(1));
    assert_eq!(cloud.get("/user").await.status, 200);
}

#[test]
fn it_runs_beside_code_that_is_not_async_and_stops_when_dropped() {
    let world = World::generate(1, &GenerateOptions::repositories(1));
    let simulator = Simulator::start_blocking(world, SimulatorOptions::default()).unwrap();
    let address = format!("127.0.0.1:{}", simulator.port());
    assert!(std::net::TcpStream::connect(&address).is_ok());
    drop(simulator);
    assert!(std::net::TcpStream::connect(&address).is_err());
}
