//! Whole syncs of the built program beside a raw fetch floor, against the simulator in a process of its own.
//!
//! `cargo bench --bench sync` prints what `docs/benchmarks.md` explains; names of parts given as arguments
//! (`caps`, `whole`, `unchanged`, `large`, `git`) run only those, `rounds=5` repeats more often. Nothing is asserted by wall time.
//!
//! The floor is a client of thirty lines: it asks for the very pages the sync asked for (the list one page after the
//! other, everything else as many at once as the sync does) and drops them unread; `reading` is the same client that reads the
//! JSON of each page before it drops it. All run as processes of
//! their own, in turns, on pages the simulator has rendered before, so that what differs is the sync's own work.

#[path = "../tests/it/git/server.rs"]
#[allow(dead_code)] // the tests order more of it
mod git_server;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use catalog_sync::backfill::CONCURRENCY;
use catalog_sync::simulator::{Credential, GenerateOptions, Simulator, SimulatorOptions, World};
use futures::StreamExt;
use serde_json::{Value, json};

/// Names the part a process of this program plays.
const ROLE: &str = "CATALOG_SYNC_BENCH_ROLE";
const TOKEN: &str = "token-of-the-bench";
/// Every so many repositories, one has an entity of its name.
const ENTITY_EVERY: usize = 5;
/// How often a running process is looked at for its peak memory and its processor time.
const LOOK_EVERY: Duration = Duration::from_millis(5);

fn main() -> ExitCode {
    let played = std::env::var(ROLE);
    let result = match played.as_deref() {
        Ok("simulator") => simulator(),
        Ok("floor") => floor(),
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

// ---------------------------------------------------------------------------------------------------------------
// The parts

fn bench() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let rounds = arguments.iter().find_map(|argument| argument.strip_prefix("rounds=")?.parse().ok()).unwrap_or(3);
    let parts: Vec<&String> = arguments.iter().filter(|argument| !argument.contains('=')).collect();
    let runs = |part: &str| parts.is_empty() || parts.iter().any(|asked| *asked == part);
    println!("load at the start: {}", load());
    for latency_ms in [0, 50] {
        if runs("caps") {
            first_sync("caps of 5,000", World1000 { latency_ms, per_sync: 5_000 }, rounds)?;
        }
        if runs("whole") {
            first_sync("no caps", World1000 { latency_ms, per_sync: 1_000_000 }, rounds)?;
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

struct World1000 {
    latency_ms: u64,
    per_sync: u64,
}

/// The first sync of 1,000 repositories with 60 pull requests and 80 commits each.
fn first_sync(name: &str, of: World1000, rounds: usize) -> Result<()> {
    println!(
        "\nfirst sync, 1,000 repositories × (60 pull requests + 80 commits), {name}, {} ms latency",
        of.latency_ms
    );
    let mut server = Server::start(1_000, 60, 80)?;
    let site = Site::new(&server, of.per_sync)?;
    // The first of all renders the pages and tells which they are.
    site.sync("warm")?;
    let log = server.take_log()?;
    server.latency(of.latency_ms)?;
    let (mut floors, mut readers, mut syncs) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        floors.push(site.floor(&log.targets, false)?);
        readers.push(site.floor(&log.targets, true)?);
        syncs.push(site.sync(&format!("round{round}"))?);
    }
    let stored = syncs.last().map(|sync| stored(&sync.answer)).unwrap_or_default();
    let reached = (1_000 * 50).min(of.per_sync).div_ceil(50);
    let formula = 1_000_u64.div_ceil(100) + reached + reached;
    println!("  requests {} (formula {formula}), {stored} items stored", log.targets.len());
    compare(&floors, &readers, &syncs);
    Ok(())
}

/// The second sync of the same, with everything fetched and what matches imported.
fn unchanged() -> Result<()> {
    println!("\nunchanged second sync, 1,000 repositories, everything fetched, matches imported, 0 ms latency");
    let mut server = Server::start(1_000, 60, 80)?;
    let site = Site::new(&server, 1_000_000)?;
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
    let mut server = Server::start(100_000, 0, 0)?;
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
    let mut server = Server::start_with(200, 0, 80, true)?;
    for via in ["rest", "git"] {
        let kinds = json!({"commits": {"first_sync": 50, "per_sync": 1_000_000, "via": via}});
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

// ---------------------------------------------------------------------------------------------------------------
// Processes

/// A process that has ended.
struct Run {
    wall: Duration,
    cpu: Duration,
    peak_kib: u64,
    /// What it printed, where that was JSON.
    answer: Value,
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (wall, cpu, peak) = (self.wall.as_secs_f64(), self.cpu.as_secs_f64(), self.peak_kib / 1024);
        write!(f, "{wall:.2} s, {cpu:.2} s of processor, peak memory {peak} MiB, load {}", load())
    }
}

/// Runs a process to its end and watches its size.
fn measured(mut command: Command) -> Result<Run> {
    let began = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(wrong("start a process"))?;
    let mut out = child.stdout.take().ok_or("no output")?;
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut out, &mut text).map(|_| text)
    });
    let (mut peak_kib, mut cpu) = (0, Duration::ZERO);
    let status = loop {
        let (peak_now, cpu_now) = size_of(child.id());
        (peak_kib, cpu) = (peak_kib.max(peak_now), cpu.max(cpu_now));
        if let Some(status) = child.try_wait().map_err(wrong("wait for a process"))? {
            break status;
        }
        std::thread::sleep(LOOK_EVERY);
    };
    let wall = began.elapsed();
    let text = reader.join().map_err(|_| "a reader panicked")?.map_err(wrong("read what a process said"))?;
    if !status.success() {
        return Err(format!("{command:?} ended with {status}: {text}"));
    }
    Ok(Run { wall, cpu, peak_kib, answer: serde_json::from_str(&text).unwrap_or(Value::String(text)) })
}

/// Peak resident memory in KiB, and processor time so far.
fn size_of(process: u32) -> (u64, Duration) {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // Behind the name, which may hold blanks; user and system time in hundredths of a second.
    let behind = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
    let ticks: u64 = behind.split_whitespace().skip(11).take(2).filter_map(|number| number.parse::<u64>().ok()).sum();
    (peak.unwrap_or(0), Duration::from_millis(ticks * 10))
}

/// A scratch directory with catalog, config and stores; it goes with the bench.
struct Site {
    scratch: tempfile::TempDir,
    api_url: String,
}

impl Site {
    fn new(server: &Server, per_sync: u64) -> Result<Self> {
        let kind = json!({"first_sync": 50, "per_sync": per_sync});
        Self::with_kinds(server, &json!({"pull_requests": kind, "commits": kind}))
    }

    fn without_kinds(server: &Server) -> Result<Self> {
        Self::with_kinds(server, &json!({}))
    }

    fn with_kinds(server: &Server, kinds: &Value) -> Result<Self> {
        let scratch = tempfile::tempdir().map_err(wrong("make a scratch directory"))?;
        let site = Self { scratch, api_url: server.api_url.clone() };
        let config = json!({
            "connectors": {"acme": {
                "type": "bitbucket_cloud", "url": "https://bitbucket.org/acme", "api_url": server.api_url,
                "auth": {"access_token": {"env": "BENCH_TOKEN"}}, "requests_per_hour": 1_000_000, "reserve": "0%",
            }},
            "catalogs": {"main": {"directory": {"path": "./catalog"}}},
            "integrations": [{"name": "acme", "connector": "acme", "catalog": "main", "secondary_kinds": kinds}],
        });
        let mut config = config;
        if let Some(git_url) = &server.git_url {
            config["connectors"]["acme"]["git_url"] = json!(git_url);
        }
        // JSON is YAML.
        fs::write(site.path("catalog-sync.yaml"), config.to_string()).map_err(wrong("write a config"))?;
        fs::create_dir(site.path("catalog")).map_err(wrong("make a catalog"))?;
        for (number, slugs) in server.entities.chunks(10).enumerate() {
            let documents: Vec<String> = slugs
                .iter()
                .map(|slug| {
                    format!(
                        "# written by hand\napiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: {slug}\n\
                         spec:\n  type: service\n  lifecycle: production\n  owner: group:default/platform\n"
                    )
                })
                .collect();
            let path = site.path("catalog").join(format!("components-{number:04}.yaml"));
            fs::write(path, documents.join("---\n")).map_err(wrong("write a catalog"))?;
        }
        Ok(site)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn program(&self, store: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_catalog-sync"));
        command
            .arg("--config")
            .arg(self.path("catalog-sync.yaml"))
            .args(["--output", "json", "--quiet"])
            .args(arguments)
            .env("CATALOG_SYNC_STORE", self.path(store))
            .env("BENCH_TOKEN", TOKEN)
            .env_remove("RUST_LOG");
        command
    }

    fn command(&self, store: &str, arguments: &[&str]) -> Result<Run> {
        measured(self.program(store, arguments))
    }

    fn sync(&self, store: &str) -> Result<Run> {
        self.command(store, &["sync", "now"])
    }

    /// Fetches these pages and drops them, unread or once their JSON was read.
    fn floor(&self, targets: &[String], reads: bool) -> Result<Run> {
        let list = self.path("targets");
        fs::write(&list, targets.join("\n")).map_err(wrong("write the list of pages"))?;
        let origin = self.api_url.strip_suffix("/2.0").unwrap_or(&self.api_url);
        let mut command = Command::new(std::env::current_exe().map_err(wrong("find this program"))?);
        command.env(ROLE, "floor").env("BENCH_TARGETS", list).env("BENCH_ORIGIN", origin);
        if reads {
            command.env("BENCH_READS", "yes");
        }
        measured(command)
    }

    fn store_bytes(&self, store: &str) -> Result<u64> {
        Ok(files(&self.path(store))?.values().map(|(_, bytes)| bytes).sum())
    }

    fn catalog_state(&self) -> Result<Files> {
        files(&self.path("catalog"))
    }
}

/// When each file below a directory was written, and its size.
type Files = BTreeMap<PathBuf, (std::time::SystemTime, u64)>;

fn files(under: &Path) -> Result<Files> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![under.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory).map_err(wrong("list a directory"))? {
            let entry = entry.map_err(wrong("list a directory"))?;
            let metadata = entry.metadata().map_err(wrong("look at a file"))?;
            if metadata.is_dir() {
                waiting.push(entry.path());
            } else {
                found.insert(entry.path(), (metadata.modified().map_err(wrong("look at a file"))?, metadata.len()));
            }
        }
    }
    Ok(found)
}

fn changed(before: &Files, after: &Files) -> usize {
    let new_or_other = after.iter().filter(|(path, state)| before.get(*path) != Some(*state)).count();
    new_or_other + before.keys().filter(|path| !after.contains_key(*path)).count()
}

/// The simulator in a process of its own.
struct Server {
    process: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    api_url: String,
    /// Where the same repositories are over git.
    git_url: Option<String>,
    /// Names of entities to be put into the catalog.
    entities: Vec<String>,
}

/// What a server was asked for.
struct Log {
    targets: Vec<String>,
    by_endpoint: BTreeMap<String, u64>,
    git: u64,
}

impl Log {
    fn by_endpoint(&self) -> String {
        let all: Vec<String> = self.by_endpoint.iter().map(|(endpoint, count)| format!("{count} {endpoint}")).collect();
        format!("{} ({})", self.targets.len(), all.join(", "))
    }
}

impl Server {
    fn start(repositories: usize, pull_requests: u32, commits: u32) -> Result<Self> {
        Self::start_with(repositories, pull_requests, commits, false)
    }

    fn start_with(repositories: usize, pull_requests: u32, commits: u32, git: bool) -> Result<Self> {
        let mut process = Command::new(std::env::current_exe().map_err(wrong("find this program"))?)
            .env(ROLE, "simulator")
            .env("BENCH_WORLD", json!([repositories, pull_requests, commits, git]).to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(wrong("start the simulator"))?;
        let stdin = process.stdin.take().ok_or("no input")?;
        let stdout = BufReader::new(process.stdout.take().ok_or("no output")?);
        let mut server = Self { process, stdin, stdout, api_url: String::new(), git_url: None, entities: Vec::new() };
        let ready: Value = server.answer()?;
        server.api_url = ready["api_url"].as_str().unwrap_or_default().to_owned();
        server.git_url = ready["git_url"].as_str().map(str::to_owned);
        server.entities = strings(&ready["entities"]);
        Ok(server)
    }

    fn answer(&mut self) -> Result<Value> {
        let mut line = String::new();
        self.stdout.read_line(&mut line).map_err(wrong("hear the simulator"))?;
        serde_json::from_str(&line).map_err(|error| format!("the simulator said {line:?}: {error}"))
    }

    fn ask(&mut self, words: &str) -> Result<Value> {
        writeln!(self.stdin, "{words}").map_err(wrong("talk to the simulator"))?;
        self.answer()
    }

    fn latency(&mut self, ms: u64) -> Result<()> {
        self.ask(&format!("latency {ms}")).map(drop)
    }

    /// What was asked since the last time.
    fn take_log(&mut self) -> Result<Log> {
        let answer = self.ask("log")?;
        let by_endpoint = serde_json::from_value(answer["by_endpoint"].clone()).map_err(|error| error.to_string())?;
        Ok(Log { targets: strings(&answer["targets"]), by_endpoint, git: answer["git"].as_u64().unwrap_or(0) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It holds nothing worth keeping.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

// ---------------------------------------------------------------------------------------------------------------
// The other roles

/// Serves a world, and answers one line of JSON to each line of words.
fn simulator() -> Result<()> {
    let world = std::env::var("BENCH_WORLD").map_err(|error| error.to_string())?;
    let (repositories, pull_requests_per_repository, commits_per_repository, has_git): (usize, u32, u32, bool) =
        serde_json::from_str(&world).map_err(|error| error.to_string())?;
    let options = GenerateOptions {
        repositories,
        pull_requests_per_repository,
        commits_per_repository,
        ..GenerateOptions::default()
    };
    let mut world = World::generate(1, &options);
    world.set_clock(catalog_sync::clock::Clock::System);
    // A catalog of thousands is usual beside a hundred thousand repositories, one of tens of thousands is not.
    let every = ENTITY_EVERY.max(repositories / 1_000);
    let entities: Vec<String> = world.repositories().step_by(every).map(|repository| repository.slug.clone()).collect();
    let login = base64::engine::general_purpose::STANDARD.encode(format!("x-token-auth:{TOKEN}"));
    let git = has_git.then(|| {
        world.use_git_hashes();
        let server = git_server::GitServer::new(&[&format!("Basic {login}")]);
        server.serve(&world);
        server
    });
    let simulator = Simulator::start_blocking(
        world,
        SimulatorOptions {
            credentials: vec![Credential::token(TOKEN)],
            // Every page that any part asks for.
            cache_bytes: 2 << 30,
            ..SimulatorOptions::default()
        },
    )
    .map_err(wrong("start the simulator"))?;
    println!(
        "{}",
        json!({"api_url": simulator.api_url(), "git_url": git.as_ref().map(|git| git.url()), "entities": entities})
    );
    for line in std::io::stdin().lines() {
        let line = line.map_err(wrong("hear the bench"))?;
        match line.split_once(' ') {
            Some(("latency", ms)) => {
                simulator.set_latency(Duration::from_millis(ms.parse().map_err(|_| "no number")?));
                println!("null");
            }
            _ => {
                let log = simulator.requests();
                simulator.reset_requests();
                let by_endpoint: BTreeMap<String, u64> =
                    log.by_endpoint.iter().map(|(endpoint, count)| (format!("{endpoint:?}"), *count)).collect();
                let targets: Vec<&str> = log.requests.iter().map(|request| request.target.as_str()).collect();
                println!(
                    "{}",
                    json!({"targets": targets, "by_endpoint": by_endpoint, "git": git.as_ref().map(|git| git.take_asked().len())})
                );
            }
        }
    }
    Ok(())
}

/// Fetches pages and drops them: the list one after the other, since each page tells where the next is, the
/// others as many at once as a sync does.
fn floor() -> Result<()> {
    let variable = |name: &str| std::env::var(name).map_err(|error| format!("{name}: {error}"));
    let list = fs::read_to_string(variable("BENCH_TARGETS")?).map_err(wrong("read the list of pages"))?;
    let origin = variable("BENCH_ORIGIN")?;
    let reads = std::env::var("BENCH_READS").is_ok();
    // As the program itself; fails only when one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (listed, others): (Vec<&str>, Vec<&str>) =
        list.lines().partition(|target| target.starts_with("/2.0/repositories/acme?"));
    let client = reqwest::Client::builder().no_proxy().gzip(true).build().map_err(|error| error.to_string())?;
    let fetch = |target: &str| {
        let request = client.get(format!("{origin}{target}")).bearer_auth(TOKEN);
        async move {
            let mut response = request.send().await.and_then(reqwest::Response::error_for_status)?;
            if reads {
                response.json::<Value>().await?;
            } else {
                while response.chunk().await?.is_some() {}
            }
            Ok::<(), reqwest::Error>(())
        }
    };
    let runtime = tokio::runtime::Runtime::new().map_err(wrong("start threads"))?;
    let fetched: std::result::Result<(), reqwest::Error> = runtime.block_on(async {
        for target in listed {
            fetch(target).await?;
        }
        let mut pages = futures::stream::iter(others).map(fetch).buffer_unordered(CONCURRENCY);
        while let Some(page) = pages.next().await {
            page?;
        }
        Ok(())
    });
    fetched.map_err(|error| error.to_string())
}
