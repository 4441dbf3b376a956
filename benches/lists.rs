//! What a page of a long list costs: 100,000 repositories in the store, a fifth of them imported.
//!
//! `cargo bench --bench lists` prints the median and the 95th of a hundred pages of each kind, as the sidecar serves
//! them: the view renewed where something changed, the page cut out, its JSON written. `LISTS_REPOSITORIES=1000` asks
//! for less. Owed at 100,000: medians under 30 ms, a view of 60 MiB at most.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use catalog_sync::cli::args::Cli;
use catalog_sync::cli::{Start, local};
use catalog_sync::clock::Clock;
use catalog_sync::commands::request::{
    Answer, DiscoveredFilter, DiscoveredSort, ImportedFilter, ImportedSort, Paging, Request, StateFilter,
};
use catalog_sync::commands::{App, execute};
use catalog_sync::config::{Config, Environment, LoadOptions};
use catalog_sync::model::{
    Action, Decision, DecisionKind, EntityRef, Fingerprint, ImportAction, ImportId, InstanceId, KnownRepository, Link,
    LinkState, Presence, Recommendation, RepoKey, Repository, Unseen,
};
use catalog_sync::store::sled::SledStore;
use catalog_sync::store::{DiscoveryState, IntegrationState, LinkChange, RecordedPage};
use clap::Parser;
use serde_json::json;
use tokio_util::sync::CancellationToken;

const CONFIG: &str = "\
connectors:
  acme: { type: bitbucket_cloud, url: https://bitbucket.org/acme, auth: { access_token: { env: TOKEN } } }
catalogs:
  main: { directory: { path: ./catalog } }
integrations:
  - { name: acme, connector: acme, catalog: main }
";
/// Pages of each kind.
const PAGES: usize = 100;

fn main() {
    // Run by test runners to list tests: there are none.
    if std::env::args().any(|arg| arg == "--list") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().max_blocking_threads(4).enable_all().build();
    runtime.expect("a runtime").block_on(measure());
}

async fn measure() {
    let repositories = std::env::var("LISTS_REPOSITORIES").ok().and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let folder = tempfile::tempdir().expect("a folder");
    let app = app(folder.path()).await;
    let begun = Instant::now();
    fill(&app, repositories).await;
    println!("{repositories} repositories written in {:.1} s", begun.elapsed().as_secs_f64());

    let before = resident();
    let begun = Instant::now();
    page(&app, &DiscoveredFilter::default(), &Paging::default()).await;
    let view = resident().saturating_sub(before);
    println!("the first page, which reads everything: {:.0} ms", begun.elapsed().as_secs_f64() * 1000.0);
    println!("resident: {:.1} MiB more than before, {:.1} MiB in all", mib(view), mib(resident()));

    let mut medians = Vec::new();
    let filters: [(&str, DiscoveredFilter); 5] = [
        ("everything", DiscoveredFilter::default()),
        ("one action", DiscoveredFilter { action: Some(Action::Merge), ..DiscoveredFilter::default() }),
        ("search, many", DiscoveredFilter { search: Some("service".to_owned()), ..DiscoveredFilter::default() }),
        ("search, few", DiscoveredFilter { search: Some("-09999".to_owned()), ..DiscoveredFilter::default() }),
        (
            "project, all states",
            DiscoveredFilter {
                project: Some("PRJ7".to_owned()),
                state: Some(StateFilter::All),
                ..DiscoveredFilter::default()
            },
        ),
    ];
    for (name, filter) in &filters {
        for sort in [DiscoveredSort::Name, DiscoveredSort::DetectedAt, DiscoveredSort::Entity] {
            medians.push(measured(&format!("discovered: {name} by {sort:?}"), &app, filter, sort, false).await);
        }
    }
    let everything = &filters[0].1;
    medians
        .push(measured("discovered: a decision before each page", &app, everything, DiscoveredSort::Name, true).await);
    medians.push(imported(&app).await);

    let worst = medians.into_iter().max().unwrap_or_default();
    println!("the slowest median: {:.1} ms", worst.as_secs_f64() * 1000.0);
}

async fn app(folder: &Path) -> App {
    std::fs::write(folder.join("catalog-sync.yaml"), CONFIG).expect("a config");
    let start = Start {
        cli: Cli::parse_from(["catalog-sync", "run"]),
        environment: Environment::new([("TOKEN", "a token")]),
        working_directory: folder.to_owned(),
        stop: CancellationToken::new(),
    };
    let options = LoadOptions {
        config: Some(&folder.join("catalog-sync.yaml")),
        store: None,
        listen: None,
        environment: &start.environment,
        working_directory: folder,
        now: Clock::System.now(),
    };
    let config = Config::load(&options).expect("a config").config;
    let store = Arc::new(SledStore::temporary().await.expect("a store"));
    local::app(&start, config, store, Clock::System)
}

fn key(number: usize) -> RepoKey {
    RepoKey::cloud(format!("{{{number:08}-5c3e-4a07-9d62-7f1b0c9e2a44}}"))
}

fn known(number: usize) -> KnownRepository {
    let slug = format!("{}-service-{number:06}", ["payments", "ledger", "web", "mobile", "internal-tools"][number % 5]);
    KnownRepository {
        repository: Repository {
            key: key(number),
            workspace: "acme".to_owned(),
            name: slug.clone(),
            full_name: format!("acme/{slug}"),
            url: format!("https://bitbucket.org/acme/{slug}"),
            slug,
            project_key: Some(format!("PRJ{}", number % 40)),
            description: Some("What it is for, in a sentence of usual length".to_owned()),
            default_branch: Some("main".to_owned()),
            language: Some("rust".to_owned()),
            is_private: true,
            is_fork: false,
            is_personal: false,
            is_archived: false,
            created_on: None,
            updated_on: None,
        },
        fingerprint: Fingerprint([0; 16]),
        presence: Presence::Present,
        first_seen: Clock::System.now(),
        last_changed: Clock::System.now(),
        first_seen_under_auto_import: false,
        former_names: Vec::new(),
    }
}

fn recommendation(number: usize) -> Recommendation {
    let action = [Action::Register, Action::Register, Action::Merge, Action::Conflict][number % 4];
    let entity = EntityRef::backstage("component", "default", &format!("entity-{:06}", number / 2));
    Recommendation {
        repo: key(number),
        action,
        entity: (action != Action::Register).then_some(entity),
        also: Vec::new(),
        rule: (action != Action::Register).then_some(0),
        reason: format!("name equals name: `service-{number:06}` is what both are called"),
        kind: "Component".to_owned(),
        entity_type: Some("service".to_owned()),
        owner: Some(format!("group:default/team-{}", number % 50)),
        unseen: Unseen::Allowed,
        rivals: Vec::new(),
    }
}

fn link(number: usize) -> Link {
    Link {
        repo: key(number),
        entity: EntityRef::backstage("component", "default", &format!("linked-{number:06}")),
        entity_id: format!("component:default/linked-{number:06}"),
        action: ImportAction::Merge,
        kind: "Component".to_owned(),
        entity_type: Some("service".to_owned()),
        scope: "default".to_owned(),
        import_id: ImportId("01JD0000000000000000000000".to_owned()),
        imported_at: Clock::System.now(),
        imported_by: "ops".to_owned(),
        state: LinkState::Active,
        last_synced_at: None,
        written: Default::default(),
    }
}

async fn fill(app: &App, repositories: usize) {
    let of = app.config.integrations[0].key();
    assert_eq!(of.instance, InstanceId::cloud());
    let lease = app.store.crawl_lease(&of, Duration::ZERO).await.expect("no error").expect("free");
    let state = IntegrationState {
        key: of,
        name: "acme".to_owned(),
        created_at: app.clock.now(),
        discovery: DiscoveryState::default(),
        locked_kinds: None,
        start_date: None,
        last_started_at: None,
        rules_hash: None,
        correlated: None,
        notes: Default::default(),
    };
    app.store.save_integration(&lease, &state).await.expect("saves");
    let catalog = app.store.catalog_lease("main").await.expect("no error");
    let all: Vec<usize> = (0..repositories).collect();
    for some in all.chunks(2_000) {
        let changed = some.iter().map(|number| (known(*number), json!({"slug": number}))).collect();
        let page = RecordedPage { changed, ..RecordedPage::default() };
        app.store.record_page(&lease, page).await.expect("records");
        let verdicts = some.iter().map(|number| recommendation(*number)).collect();
        app.store.save_recommendations(&lease, Vec::new(), verdicts).await.expect("saves");
        let links = some.iter().filter(|number| *number % 5 == 0);
        let links = links.map(|number| LinkChange::Put(Box::new(link(*number)))).collect();
        app.store.change_links(&catalog, links, Vec::new()).await.expect("links");
    }
}

/// One page as its JSON, and the cursor of the next.
async fn page(app: &App, filter: &DiscoveredFilter, paging: &Paging<DiscoveredSort>) -> (usize, Option<String>) {
    let request = Request::DiscoveredPage { filter: filter.clone(), paging: paging.clone() };
    let Ok(Answer::DiscoveredPage(page)) = execute(app, request, &|_| {}).await else { panic!("no page") };
    (serde_json::to_vec(&page).expect("JSON").len(), page.next)
}

async fn measured(name: &str, app: &App, filter: &DiscoveredFilter, sort: DiscoveredSort, decide: bool) -> Duration {
    // The first one in an order sorts: once, not for each page.
    let mut paging = Paging { sort, descending: false, cursor: None, limit: 100 };
    page(app, filter, &paging).await;
    let mut times = Vec::new();
    for number in 0..PAGES {
        if decide {
            let decision = Decision {
                repo: key(number * 7 + 1),
                full_name: "acme/one".to_owned(),
                kind: DecisionKind::Ignored,
                at: app.clock.now(),
                by: "ops".to_owned(),
                reason: None,
            };
            app.store.decide("main", &decision).await.expect("decides");
        }
        let begun = Instant::now();
        let (_, next) = page(app, filter, &paging).await;
        times.push(begun.elapsed());
        paging.cursor = next;
    }
    told(name, times)
}

async fn imported(app: &App) -> Duration {
    let mut paging = Paging { sort: ImportedSort::ImportedAt, descending: true, cursor: None, limit: 100 };
    let mut times = Vec::new();
    for _ in 0..=PAGES {
        let begun = Instant::now();
        let request = Request::ImportedPage { filter: ImportedFilter::default(), paging: paging.clone() };
        let Ok(Answer::ImportedPage(page)) = execute(app, request, &|_| {}).await else { panic!("no page") };
        serde_json::to_vec(&page).expect("JSON");
        times.push(begun.elapsed());
        paging.cursor = page.next;
    }
    told("imported: everything, newest first", times.split_off(1))
}

fn told(name: &str, mut times: Vec<Duration>) -> Duration {
    times.sort();
    let (median, late) = (times[times.len() / 2], times[times.len() * 95 / 100]);
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    println!("{name:52} median {:6.2} ms   95th {:6.2} ms", ms(median), ms(late));
    median
}

/// Bytes of memory this process has now.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or_default();
    pages * 4096
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1024 * 1024)
}
