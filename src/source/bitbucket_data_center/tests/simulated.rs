//! Against the simulated Data Center: it filters, sorts, pages, limits and fails by itself, so that nothing here is our
//! picture of an answer.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::*;
use crate::model::HEAD;
use crate::simulator::{
    self, BadRow, DataCenterOptions, Endpoint, Fault, GenerateOptions, NewPullRequest, NewRepository, NewestBy, Order,
    Simulator, SimulatorOptions, World,
};

pub(super) async fn playing(world: World, data_center: DataCenterOptions) -> Simulator {
    let options = SimulatorOptions {
        credentials: vec![simulator::Credential::token("sesame-token-1")],
        data_center: Some(data_center),
        ..SimulatorOptions::default()
    };
    Simulator::start(world, options).await.unwrap()
}

fn settings(simulator: &Simulator) -> DataCenterSettings {
    let base = Url::parse(simulator.base_url()).unwrap();
    let mut settings = DataCenterSettings::new(base, token("sesame-token-1"));
    settings.http.retry_base = Duration::ZERO;
    settings.http.max_wait = Duration::ZERO;
    settings.requests_per_second = Some(10_000);
    settings.clock = Clock::manual(simulator.world().now());
    settings
}

pub(super) fn dc(simulator: &Simulator) -> BitbucketDataCenter {
    BitbucketDataCenter::new(settings(simulator)).unwrap()
}

pub(super) fn usual() -> DataCenterOptions {
    DataCenterOptions::new("9.4.0", "/bitbucket")
}

fn generated(repositories: usize) -> World {
    let options =
        GenerateOptions { archived_percent: 20, empty_percent: 10, ..GenerateOptions::repositories(repositories) };
    World::generate(7, &options)
}

/// The whole list, by id.
pub(super) async fn records(dc: &BitbucketDataCenter) -> Result<BTreeMap<String, IngestedRecord>, SourceError> {
    let records = walked::records(dc, &Listing::Sweep).await?;
    Ok(records.into_iter().map(|record| (record.repository.key.id.clone(), record)).collect())
}

fn there(world: &World) -> BTreeMap<String, (String, bool)> {
    let each = world.repositories();
    each.map(|it| (world.number(it).to_string(), (world.data_center_name(it), it.archived))).collect()
}

// P2.1, P2.2: every version, below a context path, with pages clamped without a word, links under another host, old and
// bare shapes: the list is whole, archived ones included.
#[tokio::test]
async fn every_version_is_listed_whole() {
    for (version, page_limit) in [("7.21.9", 1000), ("8.19.2", 40), ("9.4.0", 33), ("10.0.1", 1000)] {
        let options = DataCenterOptions {
            page_limit,
            links_base: Some("https://git.internal.example".to_owned()),
            iso_dates: version.starts_with('7'),
            bare_errors: version.starts_with('8'),
            ..DataCenterOptions::new(version, "/bitbucket")
        };
        let simulator = playing(generated(120), options).await;
        let found = records(&dc(&simulator)).await.unwrap();
        let told: BTreeMap<String, (String, bool)> = found
            .iter()
            .map(|(id, it)| (id.clone(), (it.repository.full_name.clone(), it.repository.is_archived)))
            .collect();
        let mut wanted = there(&simulator.world());
        if version.starts_with('7') {
            wanted.values_mut().for_each(|(_, archived)| *archived = false);
        }
        assert_eq!(told, wanted, "{version}");
        assert!(found.values().all(|it| it.repository.url.starts_with("https://git.internal.example/")));
        let log = simulator.requests();
        assert_eq!(
            (log.count(Endpoint::Identity), log.count(Endpoint::Repositories)),
            (1, 120_u64.div_ceil(page_limit as u64))
        );
    }
}

// P2.2: people's own projects are in the list of the instance, and can be asked for alone.
#[tokio::test]
async fn personal_projects_are_listed() {
    let mut world = generated(5);
    let person = world.add_person("Ada Lovelace", "ada@acme.dev", true);
    let key = world.add_personal_project(person);
    world.add_repository(&key, NewRepository::named("notes"));
    let simulator = playing(world, usual()).await;
    let all = records(&dc(&simulator)).await.unwrap();
    let personal: Vec<_> = all.values().filter(|it| it.repository.is_personal).collect();
    assert_eq!(personal.len(), 1);
    let alone = records(&dc(&simulator).for_project(Some(&key)).unwrap()).await.unwrap();
    assert_eq!(alone.into_values().map(|it| it.repository.full_name).collect::<Vec<_>>(), [format!("{key}/notes")]);
    let missing = records(&dc(&simulator).for_project(Some("NONE")).unwrap()).await;
    assert!(matches!(missing, Err(SourceError::NotFound { .. })));
}

// P2.9, P2.12: whatever strikes the second page, it heals or it is an error; the walk is never short.
#[tokio::test]
async fn a_fault_on_the_second_page_heals_or_is_an_error() {
    let heals = |fault: Fault| (fault, true);
    let fails = |fault: Fault| (fault, false);
    let cases = [
        heals(Fault::Status(500)),
        heals(Fault::Status(503)),
        heals(Fault::HtmlPage),
        heals(Fault::TruncatedJson),
        heals(Fault::ConnectionClosed),
        heals(Fault::EmptyPage),
        fails(Fault::Status(401)),
        fails(Fault::Status(403)),
        fails(Fault::Status(404)),
        fails(Fault::RateLimited(simulator::RetryAfter::Seconds)),
        fails(Fault::NextIsItself),
        fails(Fault::NextIsFirst),
    ];
    for (fault, is_healed) in cases {
        let simulator = playing(generated(50), DataCenterOptions { page_limit: 20, ..usual() }).await;
        simulator.order(Order::next(fault.clone()).at(Endpoint::Repositories).nth(2));
        let result = records(&dc(&simulator)).await;
        assert!(simulator.orders_left().is_empty(), "{fault:?} struck");
        match result {
            Ok(found) => assert!(is_healed && found.len() == 50, "{fault:?}: {}", found.len()),
            Err(error) => assert!(!is_healed, "{fault:?}: {error}"),
        }
    }
}

// P2.11.
#[tokio::test]
async fn a_bad_row_never_takes_the_others_along() {
    for how in [BadRow::NoUuid, BadRow::WrongTypes, BadRow::NotAnObject] {
        let simulator = playing(generated(9), usual()).await;
        simulator.order(Order::next(Fault::BadRow { row: 4, how }).at(Endpoint::Repositories));
        let page = dc(&simulator).repositories(&Listing::Sweep, None).await.unwrap();
        assert_eq!(page.records.len() + page.unreadable.len(), 9, "{how:?}");
        assert!(page.records.len() >= 8, "{how:?}");
    }
}

// P2.9, facts 2.3: an unknown token is refused; nobody takes what is public for all there is.
#[tokio::test]
async fn a_wrong_token_is_refused_at_once() {
    let simulator = playing(generated(9), usual()).await;
    simulator.change_credential(0, |credential| credential.revoked = true);
    let result = records(&dc(&simulator)).await;
    assert!(matches!(result, Err(SourceError::Unauthorized { .. })));
    assert_eq!(simulator.requests().total, 1);
}

// P6.11: a token that dies right after it was proved is refused, not each repository in turn; and told as that.
#[tokio::test]
async fn a_token_that_dies_in_the_middle_is_refused_p6_11() {
    let simulator = playing(generated(30), usual()).await;
    let dc = dc(&simulator);
    dc.begin_sync().unwrap();
    let known: Vec<Repository> = records(&dc).await.unwrap().into_values().map(|it| it.repository).collect();
    let ask = Ask::PullRequests { from: None, to: None };
    assert!(dc.secondary(&known[0], &ask, None).await.is_ok());
    simulator.change_credential(0, |credential| credential.revoked = true);
    simulator.reset_requests();
    let (a, b, c) = tokio::join!(
        dc.secondary(&known[1], &ask, None),
        dc.secondary(&known[2], &ask, None),
        dc.secondary(&known[3], &ask, None)
    );
    for result in [a, b, c] {
        assert!(matches!(&result, Err(error @ SourceError::Unauthorized { .. }) if error.ends_sync()));
    }
    for repository in &known[4..] {
        assert!(matches!(dc.secondary(repository, &ask, None).await, Err(SourceError::Unauthorized { .. })));
    }
    let log = simulator.requests();
    assert!(log.total <= 4 && log.count(Endpoint::Identity) == 1, "{:?}", log.by_endpoint);
    assert_eq!(dc.refused_credentials(), ["credential 1"]);
}

// P2.8: a known repository is found where it moved to, and missed when it is gone.
#[tokio::test]
async fn what_moved_is_found() {
    let mut world = World::new(3, Clock::manual("2026-11-21T12:00:00Z".parse().unwrap()));
    world.add_data_center_project("PAY", "Payments");
    world.add_data_center_project("OPS", "Operations");
    for name in ["api", "web", "old"] {
        world.add_repository("PAY", NewRepository::named(name));
    }
    let simulator = playing(world, usual()).await;
    let dc = dc(&simulator);
    let known = records(&dc).await.unwrap();
    simulator.world().move_repository("PAY/api", "OPS");
    simulator.world().delete_repository("PAY/old");
    let found = |slug: &'static str| {
        let (dc, known) = (&dc, known.values().find(|it| it.repository.slug == slug).unwrap().repository.clone());
        async move { dc.repository(&known).await.unwrap().map(|it| it.repository.full_name) }
    };
    assert_eq!(found("api").await.as_deref(), Some("OPS/api"));
    assert_eq!(found("web").await.as_deref(), Some("PAY/web"));
    assert_eq!(found("old").await, None);
}

/// One repository with some history.
pub(super) async fn one(commits: usize, options: DataCenterOptions) -> (Simulator, BitbucketDataCenter, Repository) {
    let mut world = World::new(11, Clock::manual("2026-11-01T12:00:00Z".parse().unwrap()));
    world.add_data_center_project("PAY", "Payments");
    world.add_repository("PAY", NewRepository::named("api").with_commits(commits));
    let simulator = playing(world, options).await;
    let dc = dc(&simulator);
    let repo = records(&dc).await.unwrap().into_values().next().unwrap().repository;
    (simulator, dc, repo)
}

/// Every item of a walk, in order, and the head it told.
pub(super) async fn walk(
    dc: &BitbucketDataCenter,
    repo: &Repository,
    ask: &Ask,
) -> Result<(Vec<Item>, Option<String>), SourceError> {
    let (items, head) = walked::items(dc, repo, ask).await?;
    Ok((items, head.map(|head| head.hash)))
}

fn commit_hashes(items: &[Item]) -> BTreeSet<String> {
    let hash = |it: &Item| match it {
        Item::Commit(commit) => commit.hash.clone(),
        Item::PullRequest(it) => panic!("pull request {}", it.id),
    };
    items.iter().map(hash).collect()
}

// P5.2, P5.3: whatever is pushed, merged, rewound or forced, the walk from the branch without what known commits reach
// gives exactly that, with the head; nothing new costs one request.
#[tokio::test]
async fn commits_are_exactly_what_is_not_known() {
    for seed in 0..6 {
        let mut rng = StdRng::seed_from_u64(seed);
        let (simulator, dc, repo) = one(rng.random_range(5..180), usual()).await;
        let log = |revision: &str| -> BTreeSet<String> {
            let world = simulator.world();
            world.history_of("PAY/api").log(revision).into_iter().map(str::to_owned).collect()
        };
        let head = || simulator.world().history_of("PAY/api").head("main").unwrap().to_owned();
        let (all, told) = walk(&dc, &repo, &commits_of(&[HEAD], &[])).await.unwrap();
        assert_eq!((commit_hashes(&all), told), (log("main"), Some(head())));
        let mut known = vec![head()];
        for round in 0..12 {
            match rng.random_range(0..5) {
                0 => drop(simulator.world().push_commits("PAY/api", rng.random_range(1..160))),
                1 => {
                    let branch = format!("feature-{round}");
                    let mut world = simulator.world();
                    world.push_to_branch("PAY/api", &branch, rng.random_range(1..9));
                    world.push_commits("PAY/api", rng.random_range(1..9));
                    world.merge_branch("PAY/api", &branch);
                }
                2 => drop(simulator.world().force_push("PAY/api", 1, rng.random_range(1..4))),
                _ => {}
            }
            let count = rng.random_range(1..=known.len().min(3));
            let mut exclude: Vec<String> = known.choose_multiple(&mut rng, count).cloned().collect();
            if rng.random_bool(0.7) {
                // The usual question.
                exclude = known.last().cloned().into_iter().collect();
            }
            let ask = Ask::Commits { include: vec![HEAD.to_owned()], exclude: exclude.clone() };
            simulator.reset_requests();
            let (items, told) = walk(&dc, &repo, &ask).await.unwrap();
            let got = commit_hashes(&items);
            assert_eq!(got.len(), items.len(), "nothing twice");
            assert_eq!(told, Some(head()));
            let here = log("main");
            // What only commits that were rewritten away reach is left out by the server for the first of them alone.
            let sure = exclude.iter().enumerate().filter(|(at, hash)| *at == 0 || here.contains(*hash));
            let out: BTreeSet<String> = sure.flat_map(|(_, hash)| log(hash)).collect();
            let wanted: BTreeSet<String> = here.difference(&out).cloned().collect();
            assert_eq!(got, wanted, "seed {seed}, round {round}");
            if exclude == [head()] {
                assert_eq!((got.len(), simulator.requests().total), (0, 1));
            }
            if !known.contains(&head()) {
                known.push(head());
            }
        }
    }
}

fn commits_of(include: &[&str], exclude: &[&str]) -> Ask {
    let owned = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
    Ask::Commits { include: owned(include), exclude: owned(exclude) }
}

// Trap 11, P2.11, facts 2.2: empty repositories, forbidden ones and garbage that was collected.
#[tokio::test]
async fn odd_repositories_are_what_they_are() {
    for bare_errors in [false, true] {
        let (simulator, dc, repo) = one(0, DataCenterOptions { bare_errors, ..usual() }).await;
        let (items, head) = walk(&dc, &repo, &commits_of(&[HEAD], &[])).await.unwrap();
        assert!(items.is_empty() && head.is_none());
        let lost = simulator.world().push_commits("PAY/api", 3);
        simulator.world().force_push("PAY/api", 2, 1);
        simulator.world().collect_garbage("PAY/api");
        let error = walk(&dc, &repo, &commits_of(&[HEAD], &[&lost[2]])).await.unwrap_err();
        assert!(matches!(&error, SourceError::UnknownCommits { hashes } if *hashes == [lost[2].clone()]), "{error}");
        simulator.world().forbid_repository("PAY/api", true);
        let error = walk(&dc, &repo, &commits_of(&[HEAD], &[])).await.unwrap_err();
        assert!(matches!(error, SourceError::Forbidden { .. }), "{error}");
        let error = walk(&dc, &repo, &Ask::PullRequests { from: None, to: None }).await.unwrap_err();
        assert!(matches!(error, SourceError::Forbidden { .. }), "{error}");
        simulator.world().delete_repository("PAY/api");
        let error = walk(&dc, &repo, &commits_of(&[HEAD], &[])).await.unwrap_err();
        assert!(matches!(error, SourceError::NotFound { .. }), "{error}");
    }
}

// P5.1, P5.3: pull requests come exactly sorted and complete, whatever `NEWEST` means, dates look like and pages hold.
#[tokio::test]
async fn pull_requests_are_exactly_those_of_the_window() {
    for (newest_by, page_limit, iso_dates) in [
        (NewestBy::Updated, 1000, false),
        (NewestBy::Created, 1000, false),
        (NewestBy::Created, 30, true),
        (NewestBy::Updated, 30, true),
    ] {
        let options = DataCenterOptions { newest_by, page_limit, iso_dates, ..usual() };
        let (simulator, dc, repo) = one(3, options).await;
        let mut rng = StdRng::seed_from_u64(5);
        for number in 0..230 {
            let mut world = simulator.world();
            world.advance(chrono::Duration::minutes(1));
            let id = world.open_pull_request("PAY/api", NewPullRequest::titled(&format!("change {number}")));
            if rng.random_bool(0.5) {
                world.decline_pull_request("PAY/api", id, "no");
            }
        }
        let wanted = |from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>| -> Vec<(DateTime<Utc>, u64)> {
            let world = simulator.world();
            // As the server shows them: whole seconds, or milliseconds.
            let shown = |at: DateTime<Utc>| {
                let ms = if iso_dates { at.timestamp() * 1000 } else { at.timestamp_millis() };
                DateTime::from_timestamp_millis(ms).unwrap()
            };
            let all = world.pull_requests_of("PAY/api");
            let mut rows: Vec<_> = all.iter().map(|it| (shown(it.updated_on), it.id)).collect();
            rows.retain(|(at, _)| from.is_none_or(|from| from <= *at) && to.is_none_or(|to| *at <= to));
            rows.sort_unstable_by_key(|row| std::cmp::Reverse(*row));
            rows
        };
        let asked = |from, to| {
            let (dc, repo) = (&dc, &repo);
            async move {
                let (items, _) = walk(dc, repo, &Ask::PullRequests { from, to }).await.unwrap();
                items
                    .iter()
                    .map(|it| {
                        (
                            it.at(),
                            match it {
                                Item::PullRequest(it) => it.id,
                                Item::Commit(_) => 0,
                            },
                        )
                    })
                    .collect::<Vec<_>>()
            }
        };
        assert_eq!(asked(None, None).await, wanted(None, None));
        for _ in 0..8 {
            let since = {
                let mut world = simulator.world();
                world.advance(chrono::Duration::minutes(5));
                let since = world.now();
                world.advance(chrono::Duration::minutes(1));
                for _ in 0..rng.random_range(0..4) {
                    world.advance(chrono::Duration::seconds(3));
                    // Open ones change although they are old.
                    let open: Vec<u64> = world
                        .pull_requests_of("PAY/api")
                        .iter()
                        .filter(|it| it.state.as_str() == "OPEN")
                        .map(|it| it.id)
                        .collect();
                    world.comment_pull_request("PAY/api", *open.choose(&mut rng).unwrap());
                }
                since
            };
            assert_eq!(asked(Some(since), None).await, wanted(Some(since), None), "{newest_by:?}");
            let middle = since - chrono::Duration::minutes(100);
            assert_eq!(asked(None, Some(middle)).await, wanted(None, Some(middle)));
            assert_eq!(asked(Some(middle), Some(since)).await, wanted(Some(middle), Some(since)));
        }
    }
}

// Issue 3, part 1, and the module's own words: what an unchanged sync costs.
#[tokio::test]
async fn an_unchanged_sync_costs_what_it_says() {
    let simulator = playing(generated(60), usual()).await;
    let dc = dc(&simulator);
    let mut heads = BTreeMap::new();
    for (id, record) in records(&dc).await.unwrap() {
        let (_, head) = walk(&dc, &record.repository, &commits_of(&[HEAD], &[])).await.unwrap();
        heads.insert(id, head);
    }
    let since = simulator.world().now();
    simulator.reset_requests();
    dc.begin_sync().unwrap();
    for (id, record) in records(&dc).await.unwrap() {
        let known: Vec<&str> = heads[&id].as_deref().into_iter().collect();
        let (commits, head) = walk(&dc, &record.repository, &commits_of(&[HEAD], &known)).await.unwrap();
        assert!(commits.is_empty() && head == heads[&id]);
        walk(&dc, &record.repository, &Ask::PullRequests { from: Some(since), to: None }).await.unwrap();
    }
    let log = simulator.requests();
    assert_eq!((log.count(Endpoint::Identity), log.count(Endpoint::Repositories)), (1, 1));
    assert_eq!((log.count(Endpoint::Commits), log.count(Endpoint::PullRequests), log.total), (60, 60, 122));
}

// P6.9, P6.4: what a look finds on a real server, with an account's token and with one for a single repository.
#[tokio::test]
async fn a_look_finds_what_there_is() {
    let simulator = playing(generated(9), usual()).await;
    let good = dc(&simulator).preflight().await;
    assert!(good.iter().all(|finding| finding.code == crate::source::FindingCode::Ok), "{good:?}");
    assert!(good[0].message.contains("Bitbucket 9.4.0"));
    let only = {
        let world = simulator.world();
        let first = world.repositories().find(|it| !it.archived).unwrap();
        world.data_center_name(first)
    };
    let before = there(&simulator.world()).len();
    simulator.change_credential(0, |credential| credential.repositories = Some(vec![only]));
    let seen = records(&dc(&simulator)).await.unwrap().len();
    assert_eq!((before, seen), (9, 1));
}
