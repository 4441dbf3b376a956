//! Webhooks, from a sender's socket to the catalog's files (P6.12). The program is the built one, the Bitbucket simulated.

mod created;
mod guarding;
mod killed;
mod receiving;
mod sender;
mod showing;
mod working;

use catalog_sync::simulator::{NewRepository, Simulator};
use serde_json::{Value, json};

use self::sender::{CLOUD, SECRET, Sender};
use crate::harness::{Bench, CONFIG, TOKEN, world};
use crate::sidecar::process::Sidecar;

const OLDER: &str = "the secret before that, still accepted for a while";
const DATA_CENTER: &str = "/webhooks/bitbucket_data_center";

/// The usual config with two secrets for the connector, read from the environment.
fn config() -> String {
    CONFIG
        .replace("{integration}", "")
        .replace("    auth:", "    webhook_secrets: [ { env: HOOK_SECRET }, { env: HOOK_SECRET_OLDER } ]\n    auth:")
}

fn bench_of(names: &[&str]) -> Bench {
    let mut world = world();
    for name in names {
        let new = NewRepository { description: format!("What {name} is for"), ..NewRepository::named(name) };
        world.add_repository("acme", new.with_commits(3));
    }
    let bench = with_secrets(Bench::new(world));
    bench.config(&config());
    bench
}

fn with_secrets(mut bench: Bench) -> Bench {
    bench.env.push(("HOOK_SECRET".to_owned(), SECRET.to_owned()));
    bench.env.push(("HOOK_SECRET_OLDER".to_owned(), OLDER.to_owned()));
    bench
}

/// Synced before it begins, so that it is idle until an event comes.
fn idle<'a>(bench: &'a Bench) -> Sidecar<'a> {
    bench.sync_exits(0);
    Sidecar::start(bench)
}

/// What Cloud sends about a repository, as far as it matters, and something that makes each body another.
fn body(simulator: &Simulator, full_name: &str, number: usize) -> String {
    let world = simulator.world();
    let uuid = world.repository(full_name).expect("it is there").uuid.to_string();
    json!({"repository": {"type": "repository", "uuid": uuid, "full_name": full_name}, "number": number}).to_string()
}

/// What is known of deliveries, once no sidecar runs: newest first.
fn deliveries(bench: &Bench) -> Vec<catalog_sync::model::Delivery> {
    use catalog_sync::clock::Clock;
    use catalog_sync::store::{Store, sled::SledStore};
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let store = SledStore::open(bench.path("data"), &Clock::System).await.expect("a store");
        store.deliveries(None, usize::MAX).await.expect("deliveries")
    })
}

/// Syncs by what triggered them.
fn history(bench: &Bench, trigger: &str) -> Vec<Value> {
    let all = bench.json(&["sync", "history"]);
    all.as_array().expect("a list").iter().filter(|sync| sync["trigger"] == trigger).cloned().collect()
}

/// How many webhooks are done with: several may be one look.
fn done(bench: &Bench) -> usize {
    let rows = bench.json(&["webhook", "deliveries", "--limit", "100000"]);
    rows.as_array().expect("a list").iter().filter(|row| row["state"] == "done").count()
}

/// How many are not.
fn waiting(bench: &Bench) -> usize {
    bench.json(&["webhook", "deliveries", "--waiting", "--limit", "100000"]).as_array().expect("a list").len()
}

/// Nothing secret is in the log.
#[track_caller]
fn keeps_its_secrets(sidecar: &Sidecar<'_>) {
    let log = sidecar.log();
    for secret in [SECRET, OLDER, TOKEN] {
        assert!(!log.contains(secret), "{log}");
    }
}
