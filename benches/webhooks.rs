//! Webhooks of the built program: how many a second it acknowledges durably, and how long one takes to the catalog's file.
//!
//! `cargo bench --bench webhooks` prints what `docs/benchmarks.md` explains; `repositories=N` and `seconds=N` change the
//! size. Nothing is asserted by wall time. The simulator runs in this process, over real HTTP.

#[path = "../tests/it/webhooks/sender.rs"]
#[allow(dead_code)] // the tests want more of it
mod sender;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use catalog_sync::clock::Clock;
use catalog_sync::simulator::{Credential, GenerateOptions, Simulator, SimulatorOptions, World};
use serde_json::Value;

use sender::{SECRET, Sender};

const TOKEN: &str = "token-of-the-bench";
/// Connections that send at once.
const SENDERS: usize = 16;
/// Single events measured.
const EVENTS: usize = 40;

const CONFIG: &str = "\
store: ./data
server: { listen: 127.0.0.1:0 }
connectors:
  acme:
    type: bitbucket_cloud
    url: https://bitbucket.org/acme
    api_url: {api_url}
    requests_per_hour: 1000000
    webhook_secrets: [ { env: HOOK_SECRET } ]
    auth: { access_token: { env: BITBUCKET_TOKEN } }
catalogs:
  main:
    directory: { path: ./catalog, new_entities: bitbucket, format: backstage }
integrations:
  - { name: acme, connector: acme, catalog: main, update_every: 1d, secondary_kinds: {} }
";

fn main() -> ExitCode {
    match bench() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("bench webhooks: {message}");
            ExitCode::FAILURE
        }
    }
}

type Result<T> = std::result::Result<T, String>;

fn wrong(doing: &str) -> impl Fn(std::io::Error) -> String + '_ {
    move |error| format!("{doing}: {error}")
}

fn number(name: &str, otherwise: usize) -> usize {
    let prefix = format!("{name}=");
    std::env::args().find_map(|argument| argument.strip_prefix(&prefix)?.parse().ok()).unwrap_or(otherwise)
}

fn bench() -> Result<()> {
    let repositories = number("repositories", 1_000);
    let dir = tempfile::tempdir().map_err(wrong("a scratch directory"))?;
    let mut world = World::generate(7, &GenerateOptions { repositories, ..GenerateOptions::default() });
    world.set_clock(Clock::System);
    let options =
        SimulatorOptions { credentials: vec![Credential::token(TOKEN)], record_requests: false, ..Default::default() };
    let simulator = Simulator::start_blocking(world, options).map_err(wrong("the simulator"))?;
    fs::create_dir_all(dir.path().join("catalog")).map_err(wrong("a catalog"))?;
    let config = CONFIG.replace("{api_url}", simulator.api_url());
    fs::write(dir.path().join("catalog-sync.yaml"), config).map_err(wrong("a config"))?;
    run(dir.path(), &["sync", "now"])?;
    run(dir.path(), &["discovered", "import", "--all", "--yes"])?;
    let mut sidecar = Sidecar(command(dir.path(), &["run"]).spawn().map_err(wrong("the sidecar"))?);
    let address = address(dir.path())?;
    let targets = targets(&simulator);
    latency(dir.path(), &simulator, &address, &targets)?;
    acceptance(&address, &targets)?;
    sidecar.0.kill().map_err(wrong("the sidecar"))?;
    let _ = sidecar.0.wait();
    Ok(())
}

struct Sidecar(Child);

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.0.kill();
    }
}

fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_catalog-sync"));
    command.current_dir(dir).env_clear().env("BITBUCKET_TOKEN", TOKEN).env("HOOK_SECRET", SECRET).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn run(dir: &Path, args: &[&str]) -> Result<()> {
    let status = command(dir, args).status().map_err(wrong("the program"))?;
    if status.success() { Ok(()) } else { Err(format!("{args:?}: {status}")) }
}

fn address(dir: &Path) -> Result<String> {
    for _ in 0..2_000 {
        let run = fs::read(dir.join("data/run.json")).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
        if let Some(address) = run.as_ref().and_then(|run| run["address"].as_str()) {
            return Ok(address.trim_start_matches("http://").to_owned());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Err("the sidecar did not begin".to_owned())
}

/// Uuid and full name.
fn targets(simulator: &Simulator) -> Vec<(String, String)> {
    let world = simulator.world();
    world.repositories().map(|one| (one.uuid.to_string(), world.full_name(one))).collect()
}

fn body((uuid, full_name): &(String, String), number: usize) -> String {
    format!(r#"{{"repository":{{"type":"repository","uuid":"{uuid}","full_name":"{full_name}"}},"number":{number}}}"#)
}

/// From the webhook's first byte to the changed file.
fn latency(dir: &Path, simulator: &Simulator, address: &str, targets: &[(String, String)]) -> Result<()> {
    let imported = command(dir, &["imported", "list", "--output", "json"])
        .stdout(Stdio::piped())
        .output()
        .map_err(wrong("the program"))?;
    let links: Value = serde_json::from_slice(&imported.stdout).map_err(|error| error.to_string())?;
    let linked: Vec<&str> =
        links.as_array().into_iter().flatten().filter_map(|row| row["repository"]["full_name"].as_str()).collect();
    let files = walk(&dir.join("catalog"));
    let mut taken = Vec::new();
    let mut sender = Sender::to(address);
    for (number, target) in targets.iter().filter(|(_, name)| linked.contains(&name.as_str())).take(EVENTS).enumerate()
    {
        let mark = format!("slug: {}", target.1);
        let holds = |path: &&std::path::PathBuf| {
            fs::read_to_string(path)
                .is_ok_and(|text| text.contains(&format!("{mark}\n")) || text.contains(&format!("{mark}\"")))
        };
        let Some(file) = files.iter().find(holds) else { continue };
        let text = format!("Described again, for the {number}th time");
        simulator.world().edit_repository(&target.1, |one| text.clone_into(&mut one.description));
        let begun = Instant::now();
        let status = sender.send("repo:updated", &format!("latency-{number}"), &body(target, number));
        if status != 202 {
            return Err(format!("answered {status}"));
        }
        while !fs::read_to_string(file).is_ok_and(|now| now.contains(&text)) {
            if begun.elapsed() > Duration::from_secs(30) {
                return Err(format!("{} was not changed", file.display()));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        taken.push(begun.elapsed());
    }
    taken.sort();
    let at = |share: usize| {
        taken.get((taken.len() * share / 100).min(taken.len().saturating_sub(1))).copied().unwrap_or_default()
    };
    println!(
        "webhook to file, {} repositories and entities, {} events: median {:.0?}, 95 % {:.0?}, longest {:.0?}",
        targets.len(),
        taken.len(),
        at(50),
        at(95),
        at(100)
    );
    Ok(())
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path) }
    }
    found
}

/// How many a second are acknowledged, each durable before its answer.
fn acceptance(address: &str, targets: &[(String, String)]) -> Result<()> {
    let seconds = number("seconds", 10);
    let (is_over, next, taken) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| {
                let mut sender = Sender::to(address);
                while !is_over.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    // Few repositories, as in a busy hour: what is measured is the taking.
                    let body = body(&targets[number % targets.len().min(20)], number);
                    if sender.send("repo:updated", &format!("load-{number}"), &body) == 202 {
                        taken.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        std::thread::sleep(Duration::from_secs(seconds as u64));
        is_over.store(true, Ordering::Relaxed);
    });
    let rate = taken.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64();
    println!(
        "signed webhooks acknowledged over {SENDERS} connections: {rate:.0} a second, each durable before its answer"
    );
    Ok(())
}
