//! Pages against the plain list: whatever happened in between, they show the same rows.

use std::path::Path;
use std::sync::Arc;

use clap::Parser;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::cli::args::Cli;
use crate::cli::{Start, local};
use crate::clock::Clock;
use crate::commands::{discovered as plain, imported as plain_imported};
use crate::config::{Config, Environment, LoadOptions};
use crate::model::{DecisionKind, Outcome, Presence, RepoKey};
use crate::store::contract::world;
use crate::store::sled::SledStore;
use crate::store::{LinkChange, RecordedPage, Store};

const CONFIG: &str = "\
connectors:
  acme: { type: bitbucket_cloud, url: https://bitbucket.org/acme, auth: { access_token: { env: TOKEN } } }
  beta: { type: bitbucket_cloud, url: https://bitbucket.org/beta, auth: { access_token: { env: TOKEN } } }
catalogs:
  main: { directory: { path: ./catalog } }
integrations:
  - { name: acme, connector: acme, catalog: main }
  - { name: beta, connector: beta, catalog: main }
";

async fn app(folder: &Path) -> App {
    std::fs::write(folder.join("catalog-sync.yaml"), CONFIG).unwrap();
    let start = Start {
        cli: Cli::parse_from(["catalog-sync", "run"]),
        environment: Environment::new([("TOKEN", "a token")]),
        working_directory: folder.to_owned(),
        stop: CancellationToken::new(),
    };
    let clock = Clock::manual(world::at(1_000));
    let options = LoadOptions {
        config: Some(&folder.join("catalog-sync.yaml")),
        store: None,
        listen: None,
        environment: &start.environment,
        working_directory: folder,
        now: clock.now(),
    };
    let config = Config::load(&options).unwrap().config;
    let store = Arc::new(SledStore::temporary().await.unwrap());
    local::app(&start, config, store, clock)
}

/// Something that happens: a page of a sync, a verdict, a decision, an import, an unlink, a sync's end.
async fn happen(app: &App, random: &mut StdRng) {
    let of = random.random_range(0..2);
    let key = app.config.integrations[of].key();
    let store: &dyn Store = app.store.as_ref();
    let number = random.random_range(0..30) * 2 + of;
    let repo = world::repo(number);
    match random.random_range(0..7) {
        0 | 1 => {
            let lease = world::crawl(store, &key).await;
            let changed = (0..3).map(|_| {
                let number = random.random_range(0..30) * 2 + of;
                repository(number, &key.workspace, random)
            });
            let page = RecordedPage { changed: changed.collect(), ..RecordedPage::default() };
            store.record_page(&lease, page).await.unwrap();
        }
        2 => {
            let lease = world::crawl(store, &key).await;
            let mut verdict = world::recommendation(&repo, &format!("e{}", random.random_range(0..9)));
            verdict.action = [Action::Register, Action::Merge, Action::Conflict][random.random_range(0..3)];
            verdict.entity = verdict.entity.filter(|_| verdict.action != Action::Register);
            verdict.kind = ["Component", "System"][random.random_range(0..2)].to_owned();
            verdict.entity_type = Some(["service", "library"][random.random_range(0..2)].to_owned());
            store.save_recommendations(&lease, Vec::new(), vec![verdict]).await.unwrap();
        }
        3 => store.decide("main", &world::decision(&repo, DecisionKind::Ignored, 1)).await.unwrap(),
        4 => store.clear_decision("main", &repo).await.unwrap(),
        5 => {
            let lease = world::catalog(store).await;
            let entity = format!("own-{number}-{}", random.random_range(0..2));
            let change = match random.random_bool(0.6) {
                true => LinkChange::Put(Box::new(world::link(&repo, &entity))),
                false => LinkChange::Remove(repo, world::entity(&entity)),
            };
            store.change_links(&lease, vec![change], Vec::new()).await.unwrap();
        }
        _ => {
            let id = format!("01{number:04}");
            store.save_sync(&key, &world::sync(&id, random.random_range(0..90), Outcome::Completed)).await.unwrap();
        }
    }
}

fn repository(
    number: usize,
    workspace: &str,
    random: &mut StdRng,
) -> (crate::model::KnownRepository, serde_json::Value) {
    let key = world::repo(number);
    let mut known = world::known(key.clone());
    let slug = format!("Repo-{}", number % 7);
    known.repository.full_name = format!("{workspace}/{slug}-{number}");
    known.repository.name = slug;
    known.repository.url = match number % 3 {
        0 => format!("https://elsewhere.test/{number}"),
        _ => format!("https://bitbucket.org/{}", known.repository.full_name),
    };
    known.repository.project_key = [None, Some("PAY"), Some("SHOP")][number % 3].map(str::to_owned);
    known.first_seen = world::at(random.random_range(0..5));
    known.presence = match random.random_range(0..6) {
        0 => Presence::Excluded { filter: "exclude: x-*".to_owned() },
        1 => Presence::Gone,
        2 => Presence::Moved { to: "labs/elsewhere".to_owned() },
        _ => Presence::Present,
    };
    (known, world::raw(&key))
}

/// Every row, page by page.
async fn walked(app: &App, filter: &DiscoveredFilter, paging: Paging<DiscoveredSort>) -> Vec<DiscoveredRow> {
    let mut paging = paging;
    let mut rows = Vec::new();
    loop {
        let page = discovered(app, filter, &paging).await.unwrap();
        assert!(page.rows.len() <= paging.limit);
        rows.extend(page.rows);
        match page.next {
            Some(next) => paging.cursor = Some(next),
            None => {
                assert_eq!(page.total, rows.len() as u64);
                return rows;
            }
        }
    }
}

fn sorted_by(mut rows: Vec<DiscoveredRow>, sort: DiscoveredSort, descending: bool) -> Vec<DiscoveredRow> {
    let rank = |row: &DiscoveredRow| match row.recommendation.action {
        Action::Register => 0,
        Action::Merge => 1,
        Action::Conflict => 2,
        Action::None => 3,
    };
    rows.sort_by_key(|row| row.repository.full_name.clone());
    match sort {
        DiscoveredSort::Name => {}
        DiscoveredSort::Action => rows.sort_by_key(rank),
        DiscoveredSort::Entity => rows.sort_by_key(|row| row.recommendation.entity.clone()),
        DiscoveredSort::Kind => rows.sort_by_key(|row| row.kind.clone()),
        DiscoveredSort::Type => rows.sort_by_key(|row| row.r#type.clone()),
        DiscoveredSort::DetectedAt => rows.sort_by_key(|row| row.detected_at),
    }
    if descending {
        rows.reverse();
    }
    rows
}

// P4.1, P4.5: after whatever happened, pages show what the plain lists show: each row once, in order, with its totals.
#[tokio::test]
async fn pages_show_what_the_lists_show_p4_1_p4_5() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path()).await;
    for integration in &app.config.integrations {
        drop(world::known_crawl(app.store.as_ref(), &integration.key()).await);
    }
    let mut random = StdRng::seed_from_u64(11);
    let sorts = [
        DiscoveredSort::Name,
        DiscoveredSort::Action,
        DiscoveredSort::Entity,
        DiscoveredSort::Kind,
        DiscoveredSort::Type,
        DiscoveredSort::DetectedAt,
    ];
    let mut most = 0;
    for round in 0..150 {
        for _ in 0..random.random_range(1..6) {
            happen(&app, &mut random).await;
        }
        let some = |random: &mut StdRng, of: &[&str]| {
            random.random_bool(0.4).then(|| of[random.random_range(0..of.len())].to_owned())
        };
        let filter = DiscoveredFilter {
            integration: some(&mut random, &["acme", "beta"]),
            action: random.random_bool(0.3).then_some(Action::Merge),
            state: [None, Some(StateFilter::All), Some(StateFilter::Hidden), Some(StateFilter::Ignored)]
                [random.random_range(0..4)],
            search: some(&mut random, &["repo", "REPO-3", "acme/", "e4", "nothing", ""]),
            project: some(&mut random, &["pay", "SHOP", "none"]),
            kind: some(&mut random, &["component", "SYSTEM"]),
        };
        let (sort, descending) = (sorts[round % sorts.len()], random.random_bool(0.5));
        let limit = random.random_range(1..9);
        let paging = Paging { sort, descending, cursor: None, limit };
        let expected = sorted_by(plain::list(&app, &filter).await.unwrap(), sort, descending);
        let rows = walked(&app, &filter, paging.clone()).await;
        assert_eq!(rows, expected, "{filter:?} {paging:?}");
        let counts = discovered(&app, &filter, &paging).await.unwrap().counts;
        let of_all = plain::list(&app, &DiscoveredFilter { action: None, ..filter }).await.unwrap();
        for (action, count) in counts {
            let expected = of_all.iter().filter(|row| row.recommendation.action.as_str() == action).count();
            assert_eq!(count, expected as u64, "{action}");
        }

        let search = some(&mut random, &["repo-1", "OWN-", "beta"]);
        let expected = plain_imported::list(&app, None, search.as_deref()).await.unwrap();
        let filter = ImportedFilter { search, ..ImportedFilter::default() };
        let page = imported(&app, &filter, &Paging { limit: 200, ..Paging::default() }).await.unwrap();
        assert_eq!(page.rows, expected);
        assert_eq!(page.counts.values().sum::<u64>(), expected.len() as u64);
        most = most.max(rows.len());
    }
    assert!(most > 15, "the pages had something to show: {most}");
}

// P4.1: a page turned after others imported, ignored and discovered: what stayed is shown once and not left out.
#[tokio::test]
async fn a_page_turned_later_loses_nothing_that_stayed_p4_1() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path()).await;
    let key = app.config.integrations[0].key();
    let lease = world::known_crawl(app.store.as_ref(), &key).await;
    let mut random = StdRng::seed_from_u64(3);
    let changed = (0..40).map(|number| {
        let (mut known, raw) = repository(number, "acme", &mut random);
        known.presence = Presence::Present;
        (known, raw)
    });
    let page = RecordedPage { changed: changed.collect(), ..RecordedPage::default() };
    app.store.record_page(&lease, page).await.unwrap();
    let filter = DiscoveredFilter::default();
    let mut paging = Paging { limit: 10, ..Paging::default() };
    let mut shown: Vec<String> = Vec::new();
    let mut gone: Vec<RepoKey> = Vec::new();
    for turn in 0_usize.. {
        let page = discovered(&app, &filter, &paging).await.unwrap();
        shown.extend(page.rows.iter().map(|row| row.repository.id.clone()));
        // The last one shown, on which the cursor stands, and one that is still to come.
        let last = page.rows.last().map(|row| RepoKey::cloud(row.repository.id.clone()));
        for repo in last.into_iter().chain([world::repo(turn * 3)]) {
            app.store.decide("main", &world::decision(&repo, DecisionKind::Ignored, 1)).await.unwrap();
            gone.push(repo);
        }
        match page.next {
            Some(next) => paging.cursor = Some(next),
            None => break,
        }
    }
    for number in 0..40 {
        let repo = world::repo(number);
        let times = shown.iter().filter(|id| **id == repo.id).count();
        assert!(times == 1 || (times == 0 && gone.contains(&repo)), "{repo}: {times}");
    }
}

// P4.1, P7.4: a limit out of bounds and a foreign cursor are refused; what a caller does not see is not counted.
#[tokio::test]
async fn pages_refuse_what_they_cannot_mean_p4_1() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path()).await;
    let filter = DiscoveredFilter::default();
    for paging in [
        Paging { limit: MOST_ROWS + 1, ..Paging::default() },
        Paging { cursor: Some("nonsense".to_owned()), ..Paging::default() },
    ] {
        let refused = discovered(&app, &filter, &paging).await.unwrap_err();
        assert_eq!(refused.exit, crate::commands::Exit::Usage);
    }
    let long = DiscoveredFilter { search: Some("x".repeat(2_000)), ..filter };
    assert!(discovered(&app, &long, &Paging::default()).await.is_err());
}
