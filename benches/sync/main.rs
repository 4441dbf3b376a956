//! Whole syncs of the built program beside a raw fetch floor, against the simulator in a process of its own.
//!
//! `cargo bench --bench sync` prints what `docs/benchmarks.md` explains; names of parts given as arguments
//! (`caps`, `whole`, `data-center`, `unchanged`, `large`, `git`) run only those, `rounds=5` repeats more often. Nothing is asserted by wall time.
//!
//! The floor is a client of thirty lines: it asks for the very pages the sync asked for (the list one page after the
//! other, everything else as many at once as the sync does) and drops them unread; `reading` is the same client that reads the
//! JSON of each page before it drops it. All run as processes of
//! their own, in turns, on pages the simulator has rendered before, so that what differs is the sync's own work.

#[path = "../../tests/it/git/server.rs"]
#[allow(dead_code)] // the tests order more of it
mod git_server;

mod floor;
mod process;
mod server;
mod site;

use std::fs;
use std::process::ExitCode;

use serde_json::{Value, json};

use process::Run;
use server::{Served, Server};
use site::{Site, changed};

/// Names the part a process of this program plays.
const ROLE: &str = "CATALOG_SYNC_BENCH_ROLE";
const TOKEN: &str = "token-of-the-bench";
/// A cap that never binds.
const NO_CAP: u64 = 1_000_000;
/// The world of most parts.
const THOUSAND: Served = Served { repositories: 1_000, pull_requests: 60, commits: 80, git: false, data_center: false };

fn main() -> ExitCode {
    let played = std::env::var(ROLE);
    let result = match played.as_deref() {
        Ok("simulator") => server::simulator(),
        Ok("floor") => floor::floor(),
        _ => bench(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("bench sync: {message}");
            ExitCode::FAILURE
        }
    }
}

type Result<T> = std::result::Result<T, String>;

fn wrong(doing: &str) -> impl Fn(std::io::Error) -> String + '_ {
    move |error| format!("{doing}: {error}")
}

fn bench() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let rounds = arguments.iter().find_map(|argument| argument.strip_prefix("rounds=")?.parse().ok()).unwrap_or(3);
    let parts: Vec<&String> = arguments.iter().filter(|argument| !argument.contains('=')).collect();
    let runs = |part: &str| parts.is_empty() || parts.iter().any(|asked| *asked == part);
    println!("load at the start: {}", load());
    for latency_ms in [0, 50] {
        let parts = [
            ("caps", "caps of 5,000", THOUSAND, 5_000),
            ("whole", "no caps", THOUSAND, NO_CAP),
            ("data-center", "Data Center, no caps", Served { data_center: true, ..THOUSAND }, NO_CAP),
        ];
        for (part, name, served, per_sync) in parts {
            if runs(part) {
                first_sync(name, served, per_sync, latency_ms, rounds)?;
            }
        }
    }
    if runs("unchanged") {
        unchanged()?;
    }
    if runs("large") {
        large()?;
    }
    if runs("git") {
        commits_over_git()?;
    }
    println!("\nload at the end: {}", load());
    Ok(())
}

/// The first sync of 1,000 repositories with 60 pull requests and 80 commits each.
fn first_sync(name: &str, served: Served, per_sync: u64, latency_ms: u64, rounds: usize) -> Result<()> {
    println!("\nfirst sync, 1,000 repositories × (60 pull requests + 80 commits), {name}, {latency_ms} ms latency");
    let mut server = Server::start(served)?;
    let site = Site::new(&server, per_sync)?;
    // The first of all renders the pages and tells which they are.
    site.sync("warm")?;
    let log = server.take_log()?;
    server.latency(latency_ms)?;
    let (mut floors, mut readers, mut syncs) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        floors.push(site.floor(&log.targets, false)?);
        readers.push(site.floor(&log.targets, true)?);
        syncs.push(site.sync(&format!("round{round}"))?);
    }
    let stored = syncs.last().map(|sync| stored(&sync.answer)).unwrap_or_default();
    let reached = (1_000 * 50).min(per_sync).div_ceil(50);
    let listing = 1_000_u64.div_ceil(if served.data_center { 1_000 } else { 100 });
    let formula = listing + reached + reached;
    println!("  requests {} (formula {formula}), {stored} items stored", log.by_endpoint());
    compare(&floors, &readers, &syncs);
    Ok(())
}

/// The second sync of the same, with everything fetched and what matches imported.
fn unchanged() -> Result<()> {
    println!("\nunchanged second sync, 1,000 repositories, everything fetched, matches imported, 0 ms latency");
    let mut server = Server::start(THOUSAND)?;
    let site = Site::new(&server, NO_CAP)?;
    site.sync("store")?;
    site.command("store", &["--yes", "discovered", "import", "--all", "--action", "merge"])?;
    // The import changed the catalog: this sync judges again, the next one has nothing to do.
    site.sync("store")?;
    server.take_log()?;
    let (catalog, store) = (site.catalog_state()?, site.store_bytes("store")?);
    let again = site.sync("store")?;
    let log = server.take_log()?;
    let written = changed(&catalog, &site.catalog_state()?);
    println!("  requests: {}", log.by_endpoint());
    println!("  catalog files written: {written} of {}", catalog.len());
    println!("  store: {store} bytes, grew by {} bytes", site.store_bytes("store")? as i64 - store as i64);
    println!("  {again}");
    println!("  of it, starting and stopping the program: {}", site.command("store", &["version"])?);
    Ok(())
}

/// One sweep over 100,000 repositories, then the unchanged second sync.
fn large() -> Result<()> {
    println!("\nsweep of 100,000 repositories, no secondary kinds, 0 ms latency");
    let mut server = Server::start(Served { repositories: 100_000, ..Served::default() })?;
    let site = Site::without_kinds(&server)?;
    site.sync("warm")?;
    let log = server.take_log()?;
    fs::remove_dir_all(site.path("warm")).map_err(wrong("remove a store"))?;
    let floor = site.floor(&log.targets, false)?;
    let reader = site.floor(&log.targets, true)?;
    let first = site.sync("store")?;
    println!("  requests {} (formula {})", log.targets.len(), 100_000 / 100);
    compare(&[floor], &[reader], &[first]);
    server.take_log()?;
    let store = site.store_bytes("store")?;
    let second = site.sync("store")?;
    println!("unchanged second sync of 100,000 repositories");
    println!("  requests: {}", server.take_log()?.by_endpoint());
    println!("  store: {store} bytes, grew by {} bytes", site.store_bytes("store")? as i64 - store as i64);
    println!("  {second}");
    Ok(())
}

/// The first sync of the commits of 200 repositories, over REST and over git, and what an unchanged one costs.
fn commits_over_git() -> Result<()> {
    println!(
        "\ncommits alone, 200 repositories × 80 commits, the newest 50 of each, over REST and over git, 0 ms latency"
    );
    let mut server = Server::start(Served { repositories: 200, commits: 80, git: true, ..Served::default() })?;
    for via in ["rest", "git"] {
        let kinds = json!({"commits": {"first_sync": 50, "per_sync": NO_CAP, "via": via}});
        let site = Site::with_kinds(&server, &kinds)?;
        for name in ["first sync", "unchanged"] {
            server.take_log()?;
            let run = site.sync("store")?;
            let log = server.take_log()?;
            let commits = log.by_endpoint.get("Commits").copied().unwrap_or(0);
            let stored = stored(&run.answer);
            println!(
                "  {via:<4} {name:<10} {stored:>6} commits, {commits:>4} REST requests for commits, {:>5} requests of git: {run}",
                log.git
            );
        }
    }
    Ok(())
}

fn compare(floors: &[Run], readers: &[Run], syncs: &[Run]) {
    let seconds = |runs: &[Run], of: fn(&Run) -> f64| {
        let mut all: Vec<f64> = runs.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        (all[0], all[all.len() / 2])
    };
    let (floor_best, floor_median) = seconds(floors, |run| run.wall.as_secs_f64());
    let (sync_best, sync_median) = seconds(syncs, |run| run.wall.as_secs_f64());
    let (reader_best, reader_median) = seconds(readers, |run| run.wall.as_secs_f64());
    let (reader_cpu, _) = seconds(readers, |run| run.cpu.as_secs_f64());
    let (floor_cpu, _) = seconds(floors, |run| run.cpu.as_secs_f64());
    let (sync_cpu, _) = seconds(syncs, |run| run.cpu.as_secs_f64());
    let peak = syncs.iter().map(|run| run.peak_kib).max().unwrap_or(0) / 1024;
    println!("            best     median   processor");
    println!("  floor   {floor_best:>7.2} s {floor_median:>7.2} s {floor_cpu:>7.2} s");
    println!("  reading {reader_best:>7.2} s {reader_median:>7.2} s {reader_cpu:>7.2} s");
    println!("  sync    {sync_best:>7.2} s {sync_median:>7.2} s {sync_cpu:>7.2} s   peak memory {peak} MiB");
    println!(
        "  ratio   {:>7.2}   {:>7.2}     {:>7.2}     load {}",
        sync_best / floor_best,
        sync_median / floor_median,
        sync_cpu / floor_cpu.max(0.01),
        load()
    );
}

fn stored(answer: &Value) -> u64 {
    let of = |kind: &str| answer.pointer(&format!("/0/secondary/{kind}/stored")).and_then(Value::as_u64).unwrap_or(0);
    of("pull_requests") + of("commits")
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{} on {cores} cores", text.split(' ').next().unwrap_or("unknown"))
}
