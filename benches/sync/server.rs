//! The simulated Bitbucket: how the bench talks to it, and the process that it is.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use catalog_sync::simulator::{
    Credential, DataCenterOptions, Endpoint, GenerateOptions, Simulator, SimulatorOptions, World,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::floor::LISTED;
use crate::{ROLE, Result, TOKEN, git_server, wrong};

/// Every so many repositories, one has an entity of its name.
const ENTITY_EVERY: usize = 5;

/// What is served.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Served {
    pub repositories: usize,
    /// Of each repository.
    pub pull_requests: u32,
    /// Of each repository.
    pub commits: u32,
    /// The commits over git as well.
    pub git: bool,
    /// Data Center instead of Cloud.
    pub data_center: bool,
}

/// The simulator in a process of its own.
pub struct Server {
    process: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    pub served: Served,
    /// What the connector's `url` is, for a Data Center.
    pub base_url: String,
    pub api_url: String,
    /// Where the same repositories are over git.
    pub git_url: Option<String>,
    /// Names of entities to be put into the catalog.
    pub entities: Vec<String>,
}

/// What a server was asked for.
pub struct Log {
    /// Path and query of each request; those of the repository list are marked.
    pub targets: Vec<String>,
    pub by_endpoint: BTreeMap<String, u64>,
    pub git: u64,
}

impl Log {
    pub fn by_endpoint(&self) -> String {
        let all: Vec<String> = self.by_endpoint.iter().map(|(endpoint, count)| format!("{count} {endpoint}")).collect();
        format!("{} ({})", self.targets.len(), all.join(", "))
    }
}

impl Server {
    pub fn start(served: Served) -> Result<Self> {
        let mut process = Command::new(std::env::current_exe().map_err(wrong("find this program"))?)
            .env(ROLE, "simulator")
            .env("BENCH_WORLD", json!(served).to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(wrong("start the simulator"))?;
        let stdin = process.stdin.take().ok_or("no input")?;
        let stdout = BufReader::new(process.stdout.take().ok_or("no output")?);
        let (base_url, api_url) = (String::new(), String::new());
        let mut server =
            Self { process, stdin, stdout, served, base_url, api_url, git_url: None, entities: Vec::new() };
        let ready: Value = server.answer()?;
        server.base_url = ready["base_url"].as_str().unwrap_or_default().to_owned();
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

    pub fn latency(&mut self, ms: u64) -> Result<()> {
        self.ask(&format!("latency {ms}")).map(drop)
    }

    /// What was asked since the last time.
    pub fn take_log(&mut self) -> Result<Log> {
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

/// Serves a world, and answers one line of JSON to each line of words.
pub fn simulator() -> Result<()> {
    let world = std::env::var("BENCH_WORLD").map_err(|error| error.to_string())?;
    let served: Served = serde_json::from_str(&world).map_err(|error| error.to_string())?;
    let options = GenerateOptions {
        repositories: served.repositories,
        pull_requests_per_repository: served.pull_requests,
        commits_per_repository: served.commits,
        ..GenerateOptions::default()
    };
    let mut world = World::generate(1, &options);
    world.set_clock(catalog_sync::clock::Clock::System);
    // A catalog of thousands is usual beside a hundred thousand repositories, one of tens of thousands is not.
    let every = ENTITY_EVERY.max(served.repositories / 1_000);
    let entities: Vec<String> = world.repositories().step_by(every).map(|repository| repository.slug.clone()).collect();
    let login = base64::engine::general_purpose::STANDARD.encode(format!("x-token-auth:{TOKEN}"));
    let git = served.git.then(|| {
        world.use_git_hashes();
        let server = git_server::GitServer::new(&[&format!("Basic {login}")]);
        server.serve(&world);
        server
    });
    let simulator = Simulator::start_blocking(
        world,
        SimulatorOptions {
            credentials: vec![if served.data_center {
                Credential::personal_token("ci", TOKEN)
            } else {
                Credential::token(TOKEN)
            }],
            data_center: served.data_center.then(DataCenterOptions::default),
            // Every page that any part asks for.
            cache_bytes: 2 << 30,
            ..SimulatorOptions::default()
        },
    )
    .map_err(wrong("start the simulator"))?;
    let git_url = git.as_ref().map(|git| git.url());
    let (base_url, api_url) = (simulator.base_url(), simulator.api_url());
    println!("{}", json!({"base_url": base_url, "api_url": api_url, "git_url": git_url, "entities": entities}));
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
                let mark = |endpoint| if endpoint == Endpoint::Repositories { LISTED } else { "" };
                let targets: Vec<String> = log
                    .requests
                    .iter()
                    .map(|request| format!("{}{}", mark(request.endpoint), request.target))
                    .collect();
                let git = git.as_ref().map(|git| git.take_asked().len());
                println!("{}", json!({"targets": targets, "by_endpoint": by_endpoint, "git": git}));
            }
        }
    }
    Ok(())
}
