//! A bench: a scratch directory with config, catalog and store, a simulated Bitbucket, and the built binary.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use catalog_sync::clock::Clock;
use catalog_sync::simulator::{Credential, GenerateOptions, NewRepository, Simulator, SimulatorOptions, World};
use chrono::Utc;
use serde_json::Value;
use tempfile::TempDir;

/// The token the simulator wants and the config names. Awkward on purpose: its percent-encoded forms differ from it.
pub const TOKEN: &str = "ATCTT3x+secret/token=needle%7E&42";
/// The environment variable of the config that holds it.
pub const TOKEN_NAME: &str = "BITBUCKET_TOKEN";

/// A config with one connector, catalog and integration, all named as in the contract.
/// `{api_url}` becomes the simulator's; text for the integration's block goes where `{integration}` stands.
pub const CONFIG: &str = "\
store: ./data
connectors:
  acme:
    type: bitbucket_cloud
    url: https://bitbucket.org/acme
    api_url: {api_url}
    auth: { access_token: { env: BITBUCKET_TOKEN } }
catalogs:
  main:
    directory: { path: ./catalog, new_entities: bitbucket, format: backstage }
integrations:
  - name: acme
    connector: acme
    catalog: main
{integration}";

/// Everything one test works with. Removed when dropped.
pub struct Bench {
    /// The scratch directory.
    pub dir: TempDir,
    /// The simulated Bitbucket.
    pub simulator: Simulator,
    /// Environment of the program beside what is always there.
    pub env: Vec<(String, String)>,
}

/// What a run of the program gave.
#[derive(Clone, Debug)]
pub struct Output {
    /// The exit code; `None`: killed by a signal.
    pub status: Option<i32>,
    /// Data.
    pub stdout: String,
    /// Progress, logs, errors.
    pub stderr: String,
}

impl Output {
    /// The exit code is this one.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.status, Some(code), "\nstdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// The exit code is 0.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.exits(0)
    }

    /// stdout as one JSON document.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}\nstdout:\n{}\nstderr:\n{}", self.stdout, self.stderr))
    }

    /// Every part is somewhere in stderr.
    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.stderr.contains(part), "stderr lacks `{part}`:\n{}\nstdout:\n{}", self.stderr, self.stdout);
        }
        self
    }

    /// Every part is somewhere in stdout.
    #[track_caller]
    pub fn shows(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.stdout.contains(part), "stdout lacks `{part}`:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        }
        self
    }
}

impl Bench {
    /// A bench on a world, with the usual config and an empty catalog.
    pub fn new(world: World) -> Self {
        let options = SimulatorOptions { credentials: vec![Credential::token(TOKEN)], ..SimulatorOptions::default() };
        Self::with(world, options)
    }

    /// The same with a simulator that behaves as told.
    pub fn with(world: World, options: SimulatorOptions) -> Self {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let simulator = Simulator::start_blocking(world, options).expect("a simulator");
        std::fs::create_dir_all(dir.path().join("catalog")).expect("a catalog");
        let bench = Self { dir, simulator, env: vec![(TOKEN_NAME.to_owned(), TOKEN.to_owned())] };
        bench.integration("");
        bench
    }

    /// A bench on a world of these repositories of the workspace `acme`.
    pub fn of(names: &[&str]) -> Self {
        let mut world = world();
        for name in names {
            world.add_repository("acme", NewRepository::named(name).with_commits(3));
        }
        Self::new(world)
    }

    /// A path beneath the scratch directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes the config; `{api_url}` becomes the simulator's.
    pub fn config(&self, text: &str) {
        let text = text.replace("{api_url}", self.simulator.api_url());
        std::fs::write(self.path("catalog-sync.yaml"), text).expect("a config");
    }

    /// Writes the usual config with more lines for its integration (`key: value`, not indented).
    pub fn integration(&self, lines: &str) {
        let lines: String = lines.lines().map(|line| format!("    {line}\n")).collect();
        self.config(&CONFIG.replace("{integration}", &lines));
    }

    /// Adds a line for the rules to the config as it is.
    pub fn integration_rules(&self, rules: &str) {
        let config = self.read("catalog-sync.yaml");
        self.config(&format!("{}\n    rules: {rules}\n", config.trim_end()));
    }

    /// Writes a file beneath the scratch directory.
    pub fn file(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    /// Reads a file beneath the scratch directory.
    #[track_caller]
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Writes a Component of the Backstage format into `catalog/<name>.yaml`.
    pub fn component(&self, name: &str) {
        self.file(&format!("catalog/{name}.yaml"), &component(name));
    }

    /// Every file beneath a folder of the scratch directory with its bytes; empty where there is none.
    pub fn files(&self, folder: &str) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        gather(&self.path(folder), &self.path(folder), &mut files);
        files
    }

    /// The same as text.
    pub fn texts(&self, folder: &str) -> BTreeMap<String, String> {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        self.files(folder).into_iter().map(|(name, bytes)| (name, text(bytes))).collect()
    }

    /// The program with this config, ready to be run.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_catalog-sync"));
        command
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(self.dir.path())
            .arg("--config")
            .arg(self.path("catalog-sync.yaml"))
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> Output {
        output(&mut self.command(args))
    }

    /// Runs the program, which must succeed, and reads its JSON.
    #[track_caller]
    pub fn json(&self, args: &[&str]) -> Value {
        let mut args = args.to_vec();
        args.extend(["--output", "json"]);
        self.run(&args).ok().json()
    }

    /// `sync now`, whatever its exit code; the record of the first integration.
    #[track_caller]
    pub fn sync(&self) -> Value {
        let output = self.run(&["sync", "now", "--output", "json"]);
        let records = output.json();
        records.get(0).cloned().unwrap_or_else(|| panic!("no record: {}", output.stderr))
    }

    /// The same with an exit code that must come.
    #[track_caller]
    pub fn sync_exits(&self, code: i32) -> Value {
        self.run(&["sync", "now", "--output", "json"]).exits(code).json()[0].take()
    }

    /// The whole state as JSON lines.
    #[track_caller]
    pub fn export(&self) -> Vec<Value> {
        let lines = self.run(&["store", "export", "-"]).ok().stdout;
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect()
    }

    /// What the store holds of secondary kinds: repository, kind and the item's id. They are exported in blocks.
    #[track_caller]
    pub fn secondary(&self) -> Vec<(String, String, String)> {
        let mut all = Vec::new();
        for line in self.export() {
            if line["book"] != "secondary" {
                continue;
            }
            let [.., repository, kind, _] = line["key"].as_array().expect("a key").as_slice() else {
                panic!("a short key: {line}")
            };
            for item in line["value"].as_array().expect("a block") {
                let id = item.get("hash").or(item.get("id")).unwrap_or_else(|| panic!("no id: {item}"));
                let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
                all.push((text(repository, "").to_owned(), text(kind, "").to_owned(), id));
            }
        }
        all
    }

    /// Starts the program and leaves it running.
    pub fn spawn(&self, args: &[&str]) -> Running {
        Running(Some(self.command(args).spawn().expect("the program")))
    }
}

/// A program that runs; killed when dropped.
pub struct Running(pub Option<Child>);

impl Running {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.0.as_ref().map_or(0, Child::id)
    }

    /// Kills it with -9 and waits until it is gone.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// Runs a command to its end.
#[track_caller]
pub fn output(command: &mut Command) -> Output {
    told(command.output().expect("the program runs"))
}

/// Runs a command with this on its stdin.
#[track_caller]
pub fn output_of_input(command: &mut Command, input: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).spawn().expect("the program runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    // A program that does not read its input to the end is as good.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    told(child.wait_with_output().expect("its output"))
}

/// What a process that ended has said.
pub fn told(output: std::process::Output) -> Output {
    Output {
        status: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("text on stdout"),
        stderr: String::from_utf8(output.stderr).expect("text on stderr"),
    }
}

fn gather(root: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.is_symlink() {
            gather(root, &path, files);
        } else {
            let name = path.strip_prefix(root).expect("beneath").display().to_string();
            files.insert(name, std::fs::read(&path).unwrap_or_default());
        }
    }
}

/// An empty workspace `acme` with the projects PAY and SHOP, on the machine's clock.
pub fn world() -> World {
    let mut world = World::new(1, Clock::System);
    world.add_workspace("acme", "Acme");
    world.add_project("acme", "PAY", "Payments");
    world.add_project("acme", "SHOP", "Shop");
    world
}

/// A generated workspace `acme`; its past ends at last midnight, its clock is the machine's.
pub fn generated(options: GenerateOptions) -> World {
    let now = Utc::now();
    let midnight = now.date_naive().and_hms_opt(0, 0, 0).expect("midnight").and_utc();
    let mut world = World::generate(7, &GenerateOptions { now: midnight, ..options });
    world.set_clock(Clock::System);
    world
}

/// A Component of the Backstage format.
pub fn component(name: &str) -> String {
    format!(
        "# kept by hand\napiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: {name} # unique\nspec:\n  type: service\n  lifecycle: production\n  owner: team-a\n"
    )
}

/// A text field of a JSON object.
#[track_caller]
pub fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no text at {pointer} in {value}"))
}

/// A number of a JSON object.
#[track_caller]
pub fn number(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("no number at {pointer} in {value}"))
}
