//! Against the simulated Bitbucket: it filters, sorts, pages, limits and fails by itself, so that nothing
//! here is our picture of an answer.

use std::collections::BTreeSet;

use super::*;
use crate::model::{Item, ItemId};
use crate::simulator::{self, BadRow, Endpoint, Fault, GenerateOptions, Order, Simulator, SimulatorOptions, World};

async fn simulated(options: GenerateOptions, how: SimulatorOptions) -> Simulator {
    Simulator::start(World::generate(7, &options), how).await.unwrap()
}

fn settings(simulator: &Simulator) -> CloudSettings {
    let mut settings = CloudSettings::new("acme", Credential::AccessToken(FixedSecret::shared("sesame-token-1")));
    settings.api_url = Url::parse(simulator.api_url()).unwrap();
    settings.http.retry_base = Duration::ZERO;
    settings.http.max_wait = Duration::ZERO;
    settings.clock = Clock::manual(simulator.world().now());
    settings
}

fn cloud(simulator: &Simulator) -> BitbucketCloud {
    BitbucketCloud::new(settings(simulator)).unwrap()
}

async fn keys(cloud: &BitbucketCloud, listing: &Listing) -> Result<BTreeSet<String>, SourceError> {
    let records = walked::records(cloud, listing).await?;
    Ok(records.into_iter().map(|record| record.repository.key.id).collect())
}

async fn some_repository(cloud: &BitbucketCloud) -> Repository {
    let page = cloud.repositories(&Listing::Sweep, None).await.unwrap();
    page.records.into_iter().map(|record| record.repository).find(|it| it.default_branch.is_some()).unwrap()
}

async fn items(cloud: &BitbucketCloud, repo: &Repository, ask: &Ask) -> Vec<Item> {
    walked::items(cloud, repo, ask).await.unwrap().0
}

// P2.1, section 9: everything is listed once, the count agrees, a delta brings what changed and no more.
#[tokio::test]
async fn a_workspace_is_listed_whole() {
    let simulator = simulated(GenerateOptions::repositories(250), SimulatorOptions::default()).await;
    let cloud = cloud(&simulator);
    assert_eq!(keys(&cloud, &Listing::Sweep).await.unwrap().len(), 250);
    assert_eq!(cloud.count().await.unwrap(), Some(250));
    assert_eq!(cloud.usage().requests, 4);

    let since = {
        let mut world = simulator.world();
        world.advance(chrono::Duration::hours(1));
        let since = world.now();
        world.advance(chrono::Duration::minutes(1));
        let names: Vec<String> = world.repositories().take(3).map(|it| world.full_name(it)).collect();
        names.iter().for_each(|name| world.touch_repository(name));
        since
    };
    let changed = keys(&cloud, &Listing::Delta { updated_on: since }).await.unwrap();
    assert_eq!(changed.len(), 3);
    for id in changed {
        let known = Repository { key: RepoKey::cloud(id), ..a_repository() };
        assert!(cloud.repository(&known).await.unwrap().is_some());
    }
    let key = RepoKey::cloud("{00000000-0000-0000-0000-00000000dead}");
    assert!(cloud.repository(&Repository { key, ..a_repository() }).await.unwrap().is_none());
}

// P2.9, P2.12: whatever strikes the second page, it heals or it is an error; the walk is never short.
#[tokio::test]
async fn a_fault_on_the_second_page_heals_or_is_an_error() {
    let heals = |fault: Fault| (fault, true);
    let fails = |fault: Fault| (fault, false);
    let cases = [
        heals(Fault::Status(500)),
        heals(Fault::Status(503)),
        heals(Fault::Status(555)),
        heals(Fault::HtmlPage),
        heals(Fault::WrongContentType),
        heals(Fault::TruncatedJson),
        heals(Fault::ConnectionClosed),
        heals(Fault::SizeMissing),
        fails(Fault::Status(401)),
        fails(Fault::Status(403)),
        fails(Fault::Status(404)),
        fails(Fault::Status(410)),
        fails(Fault::RateLimited(simulator::RetryAfter::Absent)),
        fails(Fault::HugeBody { bytes: 2 << 20 }),
        fails(Fault::NextIs("https://evil.example/2.0/repositories/acme?page=3".to_owned())),
        fails(Fault::NextIsItself),
        fails(Fault::Redirect("https://evil.example/".to_owned())),
    ];
    let simulator = simulated(GenerateOptions::repositories(250), SimulatorOptions::default()).await;
    for (fault, heals) in cases {
        simulator.order(Order::next(fault.clone()).at(Endpoint::Repositories).nth(2));
        let mut settings = settings(&simulator);
        settings.http.body_bytes = 1 << 20;
        match keys(&BitbucketCloud::new(settings).unwrap(), &Listing::Sweep).await {
            Ok(keys) => assert!(heals && keys.len() == 250, "{fault:?}: {} repositories", keys.len()),
            Err(error) => assert!(!heals, "{fault:?}: {error}"),
        }
        assert!(simulator.orders_left().is_empty(), "{fault:?} did not strike");
    }
}

// P2.11: a bad row is named, and counts as seen where its uuid can be read.
#[tokio::test]
async fn a_bad_row_is_named() {
    let simulator = simulated(GenerateOptions::repositories(10), SimulatorOptions::default()).await;
    for (how, has_key) in [(BadRow::NoUuid, false), (BadRow::WrongTypes, true), (BadRow::NotAnObject, false)] {
        simulator.order(Order::next(Fault::BadRow { row: 4, how }).at(Endpoint::Repositories));
        let page = cloud(&simulator).repositories(&Listing::Sweep, None).await.unwrap();
        assert_eq!((page.records.len(), page.unreadable.len()), (9, 1), "{how:?}");
        assert_eq!(page.unreadable[0].key.is_some(), has_key, "{how:?}");
    }
}

// Section 8: the three ways to ask for pull requests give the same list.
#[tokio::test]
async fn pull_requests_are_the_same_whichever_way_they_are_asked() {
    let options = GenerateOptions { pull_requests_per_repository: 180, ..GenerateOptions::repositories(3) };
    let simulator = simulated(options.clone(), SimulatorOptions::default()).await;
    let refusing = SimulatorOptions { fail_sorted_states_over: Some(100), ..SimulatorOptions::default() };
    let refusing = simulated(options.clone(), refusing).await;
    let unsorted = simulated(options, SimulatorOptions::default()).await;
    unsorted.order(Order::always(Fault::Status(500)).at(Endpoint::PullRequests).query("sort="));

    let repo = some_repository(&cloud(&simulator)).await;
    let oldest = simulator.world().now() - chrono::Duration::days(400);
    for from in [None, Some(oldest)] {
        let ask = Ask::PullRequests { from, to: None };
        let wanted = items(&cloud(&simulator), &repo, &ask).await;
        assert!(wanted.is_sorted_by(|a, b| a.at() >= b.at()));
        assert!(from.is_some() || wanted.len() == 180, "{}", wanted.len());
        let id = |items: &[Item]| items.iter().map(Item::id).collect::<BTreeSet<ItemId>>();
        for other in [&refusing, &unsorted] {
            let got = items(&cloud(other), &repo, &ask).await;
            assert!(got.is_sorted_by(|a, b| a.at() >= b.at()));
            assert_eq!((got.len(), id(&got)), (wanted.len(), id(&wanted)));
        }
    }
}

// Section 8, facts 1.5: new commits only; excludes that were rewritten away are named.
#[tokio::test]
async fn commits_are_walked_from_what_is_known() {
    let options = GenerateOptions { commits_per_repository: 230, ..GenerateOptions::repositories(3) };
    let simulator = simulated(options, SimulatorOptions::default()).await;
    let cloud = cloud(&simulator);
    let repo = some_repository(&cloud).await;
    let branch = repo.default_branch.clone().unwrap();
    let ask = |exclude: Vec<String>| Ask::Commits { include: vec![branch.clone()], exclude };
    let all = items(&cloud, &repo, &ask(Vec::new())).await;
    let ItemId::Hash(head) = all[0].id() else { panic!("a commit has a hash") };
    assert!(all.len() >= 230, "{}", all.len());

    let new = simulator.world().push_commits(&repo.full_name, 2);
    let found: BTreeSet<ItemId> = items(&cloud, &repo, &ask(vec![head])).await.iter().map(Item::id).collect();
    assert_eq!(found, new.into_iter().map(ItemId::Hash).collect());

    let unknown = "dead".repeat(10);
    let error = cloud.secondary(&repo, &ask(vec![unknown.clone()]), None).await.unwrap_err();
    assert!(matches!(error, SourceError::UnknownCommits { hashes } if hashes == [unknown]));
    // The same by a form, among many that are known.
    let known = all.iter().map(|item| match item.id() {
        ItemId::Hash(hash) => hash,
        ItemId::Number(_) => panic!("a commit has a hash"),
    });
    let none_left = items(&cloud, &repo, &ask(known.collect())).await;
    assert_eq!(none_left.len(), 2, "only the two new ones");
}

// P6.4, P6.5, P6.9: rights and credentials as the server sees them.
#[tokio::test]
async fn preflight_sees_what_the_server_grants() {
    let options = || GenerateOptions::repositories(5);
    let who = |credential| SimulatorOptions { credentials: vec![credential], ..SimulatorOptions::default() };
    let codes = |findings: &[Finding]| {
        let all: BTreeSet<String> = findings.iter().map(|it| format!("{:?}", it.code)).collect();
        all.into_iter().collect::<Vec<_>>().join(" ")
    };

    let good = simulated(options(), who(simulator::Credential::token("sesame-token-1"))).await;
    let findings = cloud(&good).preflight().await;
    assert_eq!(codes(&findings), "Ok", "{findings:?}");

    let other = simulated(options(), who(simulator::Credential::token("another"))).await;
    assert_eq!(codes(&cloud(&other).preflight().await), "InvalidCredentials");

    let scopes = ["repository", "account"];
    let narrow = simulated(options(), who(simulator::Credential::token("sesame-token-1").with_scopes(&scopes))).await;
    let findings = cloud(&narrow).preflight().await;
    assert_eq!(codes(&findings), "InvalidPermissions Ok", "{findings:?}");
    assert!(findings.iter().any(|it| it.message.contains("it needs project")), "{findings:?}");
    assert!(findings.iter().any(|it| it.message.contains("it needs pullrequest")), "{findings:?}");

    // An OAuth consumer, from its token to its listing.
    let consumer = simulated(options(), who(simulator::Credential::consumer("key", "secret"))).await;
    let mut settings = settings(&consumer);
    settings.credentials[0].credential = Credential::OAuth {
        key: FixedSecret::shared("key"),
        secret: FixedSecret::shared("secret"),
        token_url: Url::parse(consumer.url()).unwrap().join("/site/oauth2/access_token").unwrap(),
    };
    let findings = BitbucketCloud::new(settings).unwrap().preflight().await;
    assert_eq!(codes(&findings), "Ok", "{findings:?}");
}

// P5.6: with our own count the server never has to say 429.
#[tokio::test]
async fn the_servers_limit_is_never_met() {
    let how = SimulatorOptions { requests_per_hour: Some(20), ..SimulatorOptions::default() };
    let simulator = simulated(GenerateOptions::repositories(5), how).await;
    let settings = CloudSettings { requests_per_hour: Some(20), ..settings(&simulator) };
    let clock = settings.clock.clone();
    let cloud = BitbucketCloud::new(settings).unwrap();
    for _ in 0..3 {
        let mut sent = 0;
        let resume_at = loop {
            match cloud.count().await {
                Ok(_) => sent += 1,
                Err(SourceError::BudgetExhausted { resume_at }) => break resume_at,
                Err(error) => panic!("{error}"),
            }
        };
        assert_eq!(sent, 18, "20 less a tenth");
        let wait = resume_at - clock.now();
        clock.advance(wait);
        simulator.world().advance(wait);
    }
    assert_eq!(simulator.requests().by_status.get(&429), None);
}

// P5.5: every member once, without an e-mail address; who lacks the scope is told so.
#[tokio::test]
async fn members_are_listed_without_their_addresses() {
    let how = SimulatorOptions {
        credentials: vec![simulator::Credential::token("sesame-token-1")],
        ..SimulatorOptions::default()
    };
    let simulator = simulated(GenerateOptions::repositories(2), how).await;
    for number in 0..230 {
        simulator.world().add_person(&format!("Person {number}"), &format!("p{number}@acme.dev"), number % 5 != 0);
    }
    let there: BTreeSet<String> =
        simulator.world().people().iter().filter(|it| it.has_account).map(|it| it.uuid.to_string()).collect();
    let (cloud, mut users, mut cursor) = (cloud(&simulator), Vec::new(), None);
    loop {
        let page = cloud.users(cursor.as_ref()).await.unwrap();
        assert_eq!(page.unreadable, Vec::<String>::new());
        users.extend(page.users);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(users.iter().map(|user| user.id.clone()).collect::<BTreeSet<_>>(), there);
    assert_eq!(
        (users.len(), simulator.requests().count(Endpoint::Users)),
        (there.len(), there.len().div_ceil(100) as u64)
    );
    assert!(!format!("{users:?}").contains('@'), "{users:?}");
    assert!(users.iter().all(|user| user.name.is_some()));
    simulator.change_credential(0, |credential| credential.scopes = Some(vec!["repository".to_owned()]));
    assert!(matches!(cloud.users(None).await, Err(SourceError::Forbidden { .. })));
}
