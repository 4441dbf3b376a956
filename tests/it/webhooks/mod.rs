//! Webhooks, from a sender's socket to the catalog's files (P6.12). The program is the built one, the Bitbucket simulated.

mod killed;
mod receiving;
mod working;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use catalog_sync::server::webhooks::signature::sign;
use catalog_sync::simulator::{NewRepository, Simulator};
use serde_json::{Value, json};

use crate::harness::{Bench, CONFIG, TOKEN, world};
use crate::sidecar::process::Sidecar;

const SECRET: &str = "a secret that both sides know, and nobody else";
const OLDER: &str = "the secret before that, still accepted for a while";
const CLOUD: &str = "/webhooks/bitbucket_cloud";
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
    let mut bench = Bench::new(world);
    bench.env.push(("HOOK_SECRET".to_owned(), SECRET.to_owned()));
    bench.env.push(("HOOK_SECRET_OLDER".to_owned(), OLDER.to_owned()));
    bench.config(&config());
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

/// A sender's connection, which is kept.
struct Sender(BufReader<TcpStream>, String);

impl Sender {
    fn to(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket");
        stream.set_nodelay(true).expect("a socket");
        Self(BufReader::new(stream), address.to_owned())
    }

    /// Posts; status and text, or `None` where the other side is gone.
    fn try_post(&mut self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Option<(u16, String)> {
        let mut head = format!("POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n", self.1, body.len());
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let mut request = head.into_bytes();
        request.extend_from_slice(body);
        self.0.get_mut().write_all(&request).ok()?;
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).ok().filter(|read| *read > 0)?;
            let line = line.trim_end();
            if let Some(code) = line.strip_prefix("HTTP/1.1 ") {
                status = code.split(' ').next()?.parse().ok()?;
            } else if let Some((name, value)) = line.split_once(": ")
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.parse().ok()?;
            } else if line.is_empty() {
                let mut text = vec![0; length];
                self.0.read_exact(&mut text).ok()?;
                return Some((status, String::from_utf8_lossy(&text).into_owned()));
            }
        }
    }

    #[track_caller]
    fn post(&mut self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, String) {
        self.try_post(path, headers, body).expect("an answer")
    }

    /// A signed event of Cloud.
    #[track_caller]
    fn send(&mut self, event: &str, id: &str, body: &str) -> u16 {
        let signature = sign(SECRET, body.as_bytes());
        let headers = [("X-Event-Key", event), ("X-Request-UUID", id), ("X-Hub-Signature", signature.as_str())];
        self.post(CLOUD, &headers, body.as_bytes()).0
    }
}

/// What is known of deliveries, once no sidecar runs: newest first.
fn deliveries(bench: &Bench) -> Vec<catalog_sync::model::Delivery> {
    use catalog_sync::clock::Clock;
    use catalog_sync::store::{Store, sled::SledStore};
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let store = SledStore::open(bench.path("data"), &Clock::System).await.expect("a store");
        store.deliveries(usize::MAX).await.expect("deliveries")
    })
}

/// Syncs by what triggered them.
fn history(bench: &Bench, trigger: &str) -> Vec<Value> {
    let all = bench.json(&["sync", "history"]);
    all.as_array().expect("a list").iter().filter(|sync| sync["trigger"] == trigger).cloned().collect()
}

/// How often the log says that webhooks were worked.
fn worked(sidecar: &Sidecar<'_>) -> usize {
    sidecar.log().matches("webhooks worked").count()
}

/// Nothing secret is in the log.
#[track_caller]
fn keeps_its_secrets(sidecar: &Sidecar<'_>) {
    let log = sidecar.log();
    for secret in [SECRET, OLDER, TOKEN] {
        assert!(!log.contains(secret), "{log}");
    }
}
