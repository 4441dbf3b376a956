//! People (P5.5): who is listed, and what is kept of them.

use std::collections::BTreeSet;

use super::simulated::{dc, playing, usual};
use super::*;
use crate::model::{User, UserKind};
use crate::simulator::{DataCenterOptions, Endpoint, GenerateOptions, World};

async fn everybody(dc: &BitbucketDataCenter) -> Result<Vec<User>, SourceError> {
    let (mut users, mut cursor) = (Vec::new(), None);
    loop {
        let page = dc.users(cursor.as_ref()).await?;
        assert_eq!(page.unreadable, Vec::<String>::new());
        users.extend(page.users);
        match page.next {
            // As through the store.
            Some(next) => cursor = Some(serde_json::from_str(&serde_json::to_string(&next).unwrap()).unwrap()),
            None => return Ok(users),
        }
    }
}

// P5.5: every account once, whatever the pages, and no e-mail address, neither as such nor as login.
#[tokio::test]
async fn accounts_are_listed_without_their_addresses() {
    let mut world = World::generate(4, &GenerateOptions::repositories(3));
    for number in 0..90 {
        world.add_person(&format!("Person {number}"), &format!("p{number}@acme.dev"), number % 5 != 0);
    }
    let simulator = playing(world, DataCenterOptions { page_limit: 30, ..usual() }).await;
    let users = everybody(&dc(&simulator)).await.unwrap();
    let there = simulator.world().people().iter().filter(|person| person.has_account).count();
    let ids: BTreeSet<&str> = users.iter().map(|user| user.id.as_str()).collect();
    assert_eq!((users.len(), ids.len()), (there, there));
    assert_eq!(simulator.requests().count(Endpoint::Users), there.div_ceil(30) as u64);
    assert!(!format!("{users:?}").contains('@'), "{users:?}");
    let named = users.iter().filter(|user| user.nickname.is_some() && user.url.is_some()).count();
    assert!(named > there / 2 && named < there, "{named} of {there} log in with a name");
    assert!(users.iter().all(|user| user.name.is_some() && user.active == Some(true)));
    assert!(users.iter().any(|user| user.kind == UserKind::Service));
}

// P5.5: of a project, those who may read it; a project that is not there is refused.
#[tokio::test]
async fn of_a_project_its_readers_are_asked_for() {
    let server = Server::instance(|seen, path| {
        assert_eq!((path, seen.one("permission.1")), ("/users", "PROJECT_READ"));
        assert_eq!(seen.one("permission.1.projectKey"), "PAY");
        let gone = json!({"id": 7, "name": "former", "active": false, "type": "NORMAL"});
        ok(page(&[gone, json!({"name": "nobody"}), json!(null)], None))
    })
    .await;
    let page = server.dc().for_project(Some("PAY")).unwrap().users(None).await.unwrap();
    assert_eq!((page.users.len(), page.unreadable.len()), (1, 2));
    assert_eq!((page.users[0].name.as_deref(), page.users[0].active), (None, Some(false)));

    let simulator = playing(World::generate(4, &GenerateOptions::repositories(3)), usual()).await;
    let result = everybody(&dc(&simulator).for_project(Some("NONE")).unwrap()).await;
    assert!(matches!(result, Err(SourceError::BadRequest { .. })), "{result:?}");
}

// facts 2.3: who may not list people is told so; the credential is not refused for it.
#[tokio::test]
async fn a_closed_list_is_forbidden() {
    let server = Server::instance(|_, _| error(401, "AuthorisationException", "You are not permitted")).await;
    let dc = server.dc();
    assert!(matches!(dc.users(None).await, Err(SourceError::Forbidden { .. })));
    assert_eq!(dc.refused_credentials(), Vec::<String>::new());
}
