//! The sidecar without its listeners: a config taken up, a sync that ends badly.

use std::path::Path;

use clap::Parser;

use super::scheduling::{RETRY_AFTER, UnderWay};
use super::*;
use crate::cli::args::Cli;
use crate::cli::{Start, local};
use crate::config::{Config, Environment, LoadOptions};
use crate::store::sled::SledStore;

const CONFIG: &str = "\
connectors:
  acme: { type: bitbucket_cloud, url: https://bitbucket.org/acme, auth: { access_token: { env: TOKEN } } }
catalogs:
  main: { directory: { path: ./catalog } }
integrations:
  - { name: acme, connector: acme, catalog: main }
";

fn start(folder: &Path) -> Start {
    Start {
        cli: Cli::parse_from(["catalog-sync", "run"]),
        environment: Environment::new([("TOKEN", "a token")]),
        working_directory: folder.to_owned(),
        stop: CancellationToken::new(),
    }
}

fn load(start: &Start, now: DateTime<Utc>) -> Loaded {
    let folder = &start.working_directory;
    let options = LoadOptions {
        config: Some(&folder.join("catalog-sync.yaml")),
        store: None,
        listen: None,
        environment: &start.environment,
        working_directory: folder,
        now,
    };
    Config::load(&options).unwrap()
}

async fn sidecar(folder: &Path, clock: Clock) -> Arc<Sidecar> {
    std::fs::write(folder.join("catalog-sync.yaml"), CONFIG).unwrap();
    let start = start(folder);
    let stop = start.stop.clone();
    let Loaded { config, stamp, .. } = load(&start, clock.now());
    let store = Arc::new(SledStore::temporary().await.unwrap());
    let listeners = Listeners::of(&config.server);
    let app = local::app(&start, config, store, clock.clone());
    Arc::new(Sidecar {
        listeners,
        app: RwLock::new(Arc::new(app)),
        work: Mutex::default(),
        clock,
        stop,
        woken: Notify::new(),
        running: Mutex::default(),
        stamp: Mutex::new(stamp),
        is_postponed: AtomicBool::default(),
        not_before: Mutex::default(),
        announced: Mutex::default(),
        events: Events::default(),
    })
}

// P4.13: integration and catalog are called otherwise while a sync runs: the new config waits for its end, and
// nothing is synced under two names.
#[tokio::test]
async fn a_renamed_integration_waits_for_its_sync_to_end_p4_13() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual("2026-11-21T12:00:00Z".parse().unwrap());
    let sidecar = sidecar(folder.path(), clock.clone()).await;
    let before = sidecar.current();
    let (old, store) = (before.config.integrations[0].key(), before.store.clone());
    let lease = store.crawl_lease(&old, Duration::ZERO).await.unwrap().unwrap();
    let state = crate::store::IntegrationState {
        key: old.clone(),
        name: "acme".to_owned(),
        created_at: clock.now(),
        discovery: Default::default(),
        locked_kinds: None,
        start_date: None,
        last_started_at: Some(clock.now()),
        rules_hash: None,
        correlated: None,
        notes: Default::default(),
    };
    store.save_integration(&lease, &state).await.unwrap();
    let renamed = CONFIG.replace("main", "golden").replace("name: acme", "name: shop, renamed_from: acme");
    std::fs::write(folder.path().join("catalog-sync.yaml"), renamed).unwrap();
    let (start, now) = (start(folder.path()), clock.now());
    let reading = start.clone();
    let reload: Reload = Box::new(move || Ok(load(&reading, now)));
    let over = store.clone();
    let rebuild: Rebuild = Box::new(move |config| local::app(&start, config, over.clone(), clock.clone()));

    sidecar.reload(&reload, &rebuild).await;
    assert_eq!(sidecar.current().config.integrations[0].name, "acme", "a sync runs");
    assert!(sidecar.config_changed(), "it is looked at again");
    drop(lease);
    sidecar.reload(&reload, &rebuild).await;
    let new = sidecar.current().config.integrations[0].key();
    assert_eq!(new.catalog, "golden");
    assert!(!sidecar.config_changed());
    let states = store.integrations().await.unwrap();
    let carried: Vec<_> = states.iter().map(|state| (&state.key, state.name.as_str())).collect();
    assert_eq!(carried, [(&new, "shop")]);
    assert!(store.crawl_lease(&old, Duration::ZERO).await.unwrap().is_some(), "nothing is held on to");
}

// P7.2: a panic in one sync never stops the scheduler: the sync counts as over and comes again in a moment.
#[tokio::test]
async fn a_panic_in_a_sync_ends_that_sync_alone_p7_2() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual("2026-11-21T12:00:00Z".parse().unwrap());
    let sidecar = sidecar(folder.path(), clock.clone()).await;
    let app = sidecar.current();
    let integration = &app.config.integrations[0];
    let now = clock.now();
    let under_way = UnderWay::begin(sidecar.clone(), integration.key(), now);
    assert_eq!(sidecar.start_due(now).await, None, "it runs: no second one beside it");
    sidecar.spawn(Box::pin(async move {
        let _under_way = under_way;
        panic!("as a bug would");
    }));
    sidecar.woken.notified().await;
    assert_eq!(sidecar.start_due(now).await, Some(now + RETRY_AFTER), "again, but not at once");
    assert!(sidecar.running.lock().unwrap().is_empty());
    sidecar.reap();
    clock.advance(RETRY_AFTER);
    sidecar.start_due(clock.now()).await;
    assert!(sidecar.running.lock().unwrap().contains_key(&integration.key()), "it is due again, and begins");
    sidecar.stop.cancel();
}
