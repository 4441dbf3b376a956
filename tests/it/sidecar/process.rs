//! The sidecar as a process.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use catalog_sync::simulator::{Endpoint, Fault, GenerateOptions, NewRepository, Order};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::harness::{Bench, Running, TOKEN, generated, number};

/// A sidecar whose log is in `log` of its bench.
pub struct Sidecar<'a> {
    bench: &'a Bench,
    running: Running,
}

impl<'a> Sidecar<'a> {
    pub fn start(bench: &'a Bench) -> Self {
        Self::with(bench, &[])
    }

    /// With more arguments.
    pub fn with(bench: &'a Bench, args: &[&str]) -> Self {
        Self::of(bench, bench.command(&[&["run", "--listen", "127.0.0.1:0"], args].concat()))
    }

    /// On an address that is known beforehand.
    pub fn with_listen(bench: &'a Bench, address: &str) -> Self {
        Self::of(bench, bench.command(&["run", "--listen", address]))
    }

    /// Started by this command.
    pub fn of(bench: &'a Bench, mut command: Command) -> Self {
        let log = fs::File::create(bench.path("log")).expect("a log");
        let child = command.stderr(log).stdout(std::process::Stdio::null()).spawn().expect("the program");
        let sidecar = Self { bench, running: Running(Some(child)) };
        sidecar.until("it runs", || sidecar.log().contains("running"));
        sidecar
    }

    /// Started, and its first sync (it never synced before) has ended.
    fn synced(bench: &'a Bench) -> Self {
        let sidecar = Self::start(bench);
        sidecar.until("its first sync has ended", || sidecar.log().contains("sync ended"));
        sidecar
    }

    pub fn log(&self) -> String {
        self.bench.read("log")
    }

    pub fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < Duration::from_secs(90), "{what}: waited in vain\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.running.pid().to_string()).status();
        assert!(status.expect("kill").success());
    }

    /// kill -9.
    pub fn killed(self) {
        self.running.kill();
    }

    fn ended(mut self) -> ExitStatus {
        self.running.0.take().expect("it runs").wait().expect("its end")
    }

    /// SIGTERM, exit 0, `run.json` removed.
    pub fn stopped(self) {
        let bench = self.bench;
        self.signal("TERM");
        let status = self.ended();
        assert_eq!(status.code(), Some(0), "{}", bench.read("log"));
        assert!(!bench.path("data/run.json").exists());
    }

    pub fn address(&self) -> String {
        let run: Value = serde_json::from_str(&self.bench.read("data/run.json")).expect("JSON");
        run["address"].as_str().expect("an address").trim_start_matches("http://").to_owned()
    }
}

pub fn http(address: &str, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(stream, "{request} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}")
        .expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, text.rsplit("\r\n\r\n").next().unwrap_or_default().to_owned())
}

fn bench() -> Bench {
    let bench = Bench::of(&["ledger", "payments", "web"]);
    bench.component("ledger");
    bench
}

/// What differs from run to run.
fn without_ids(text: &str) -> String {
    let is_ulid =
        |word: &str| word.len() == 26 && word.starts_with("01") && word.chars().all(|c| c.is_ascii_alphanumeric());
    let is_time = |word: &str| word.starts_with("20") && word.contains('T') && word.ends_with('Z');
    // Tables show `2026-11-21 22:18`: two runs may lie on either side of a minute.
    let is_shaped = |word: &str, shape: &str| {
        let fits = |(c, of): (char, char)| if of == '0' { c.is_ascii_digit() } else { c == of };
        word.len() == shape.len() && word.chars().zip(shape.chars()).all(fits)
    };
    let is_minute = |word: &str| is_shaped(word, "0000-00-00") || is_shaped(word, "00:00");
    let clean = |word: &str| {
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        if is_ulid(bare) || is_time(bare) || is_minute(bare) { word.replace(bare, "…") } else { word.to_owned() }
    };
    let lines = text.lines().filter(|line| !line.contains("duration_ms") && !line.contains("requests_remaining"));
    lines.map(|line| line.split(' ').map(clean).collect::<Vec<_>>().join(" ") + "\n").collect()
}

#[test]
fn it_starts_answers_and_tidies_up_p7_2() {
    let bench = bench();
    let sidecar = Sidecar::synced(&bench);
    let mode = fs::metadata(bench.path("data/run.json")).expect("run.json").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let address = sidecar.address();
    assert_eq!(http(&address, "GET /healthz"), (200, "ok\n".to_owned()));
    assert_eq!(http(&address, "GET /readyz"), (200, "ready\n".to_owned()));
    for path in ["POST /api/v1/command", "POST /command", "POST /"] {
        let (status, _) = http(&address, path);
        assert!([401, 303].contains(&status), "{path}: {status} without a token");
    }
    let twice = bench.run(&["run", "--listen", "127.0.0.1:0"]).exits(4);
    assert!(twice.stderr.contains("in use by another catalog-sync process"), "{}", twice.stderr);
    assert!(bench.path("data/run.json").exists(), "the second one leaves the first one's file alone");
    sidecar.stopped();
    bench.run(&["discovered", "list"]).ok();
}

// P7.2, contract section 4: a scrape tells what the sidecar did, and what a reload and a second sync add to it.
#[test]
fn metrics_tell_what_was_done_p7_2() {
    let bench = bench();
    let sidecar = Sidecar::synced(&bench);
    let address = sidecar.address();
    let told = |line: &str| {
        let (status, text) = http(&address, "GET /metrics");
        assert_eq!(status, 200, "{text}");
        let value = text.lines().find_map(|told| told.strip_prefix(line)?.trim().parse::<f64>().ok());
        value.unwrap_or_else(|| panic!("no `{line}` in\n{text}"))
    };
    let completed = "catalog_sync_syncs_total{integration=\"acme\",outcome=\"completed\"}";
    assert!((told(completed) - 1.0).abs() < f64::EPSILON);
    let asked = told("catalog_sync_source_requests_total{connector=\"acme\",pool=\"repositories\",status=\"200\"}");
    assert!(asked > 2.0, "{asked}");
    let succeeded = told("catalog_sync_last_success_timestamp_seconds{integration=\"acme\"}");
    assert!((chrono::Utc::now().timestamp() as f64 - succeeded).abs() < 600.0, "{succeeded}");
    bench.run(&["sync", "now"]).ok();
    assert!((told(completed) - 2.0).abs() < f64::EPSILON);
    bench.run(&["integration", "suspend", "acme"]).ok();
    assert!((told("catalog_sync_suspended{integration=\"acme\"}") - 1.0).abs() < f64::EPSILON);
    sidecar.stopped();
}

// P7.5, contract section 2: a command works the same whether the sidecar runs or not.
#[test]
fn commands_say_the_same_with_and_without_it_p7_5() {
    let told = |with_sidecar: bool| {
        let bench = bench();
        let sidecar = with_sidecar.then(|| Sidecar::synced(&bench));
        if sidecar.is_none() {
            bench.run(&["sync", "now"]).ok();
        }
        let mut told = Vec::new();
        for args in [
            &["discovered", "list", "--output", "json"][..],
            &["discovered", "list"],
            &["discovered", "show", "payments"],
            &["discovered", "show", "nobody"],
            &["sync", "now", "--output", "json"],
            &["sync", "now", "--dry-run", "--output", "json"],
            &["discovered", "import", "ledger", "web", "--dry-run", "--output", "json"],
            &["discovered", "import", "ledger", "web", "--output", "json"],
            &["discovered", "import", "nobody"],
            &["imported", "list", "--output", "json"],
            &["imported", "show", "web", "--output", "yaml"],
            &["activity", "commits", "web", "--output", "json"],
            &["discovered", "ignore", "payments"],
            &["imported", "unlink", "web", "--yes"],
            &["discovered", "list", "--state", "all", "--output", "json"],
            &["store", "check", "--output", "json"],
        ] {
            let run = bench.run(args);
            let out = if args.contains(&"check") { String::new() } else { without_ids(&run.stdout) };
            told.push(format!("$ {}\n{:?}\n{out}\n{}", args.join(" "), run.status, without_ids(&run.stderr)));
        }
        let files = bench.files("catalog");
        if let Some(sidecar) = sidecar {
            sidecar.stopped();
        }
        (told, files)
    };
    let ((with, with_files), (without, without_files)) = (told(true), told(false));
    for (with, without) in with.iter().zip(&without) {
        assert!(with == without, "{}", similar::TextDiff::from_lines(without, with).unified_diff());
    }
    assert_eq!(with_files, without_files);
}

// P2.12, P7.5: killed with -9, it leaves nothing that blocks anybody.
#[test]
fn killed_it_blocks_nobody_p2_12() {
    let bench = bench();
    bench.simulator.order(Order::next(Fault::Slow(Duration::from_secs(3600))).at(Endpoint::Repositories));
    let sidecar = Sidecar::start(&bench);
    sidecar.until("its sync is under way", || sidecar.log().contains("sync begins"));
    sidecar.until("it has asked", || bench.simulator.requests().total > 0);
    sidecar.signal("KILL");
    assert_eq!(sidecar.ended().code(), None);
    assert!(bench.path("data/run.json").exists(), "it could not tidy up");
    // Its file points to nobody: commands do the work themselves.
    let history = bench.json(&["sync", "history"]);
    assert_eq!(history[0]["outcome"], "interrupted", "{history}");
    assert_eq!(bench.sync_exits(0)["outcome"], "completed");
    let again = Sidecar::start(&bench);
    assert_eq!(http(&again.address(), "GET /readyz").0, 200);

    // A file that is stale while a sidecar holds the store: said in words, with the way out.
    let good = bench.read("data/run.json");
    bench.file("data/run.json", r#"{"address":"http://127.0.0.1:9","token":"stale","pid":1}"#);
    bench.run(&["sync", "now"]).exits(4).says(&["in use by another catalog-sync process", "--store"]);
    bench.file("data/run.json", "{ half");
    bench.run(&["sync", "now"]).exits(4).says(&["in use by another catalog-sync process"]);
    bench.file("data/run.json", &good);
    bench.run(&["integration", "list"]).ok();
    again.stopped();
}

// P7.2, P4.4: the config is read again on SIGHUP and on change; a bad one keeps the old one; auto_import takes effect.
#[test]
fn the_config_is_read_again_and_a_bad_one_is_not_taken_p7_2() {
    let bench = bench();
    let sidecar = Sidecar::synced(&bench);
    let config = bench.read("catalog-sync.yaml");
    bench.file("catalog-sync.yaml", &format!("{config}    auto_imprt: true\n"));
    sidecar.signal("HUP");
    sidecar.until("the fault is told", || sidecar.log().contains("the old config stays in force"));
    let (log, line) = (sidecar.log(), config.lines().count() + 1);
    for part in ["auto_imprt", "auto_import", &format!(":{line}")] {
        assert!(log.contains(part), "`{part}`: {log}");
    }
    let (status, ready) = http(&sidecar.address(), "GET /readyz");
    assert!(status == 200 && ready.contains("the config file is refused"), "it goes on with the old one: {ready}");
    let metric = |value: u8| {
        let text = http(&sidecar.address(), "GET /metrics").1;
        assert!(text.contains(&format!("catalog_sync_config_last_reload_successful {value}\n")), "{text}");
    };
    metric(0);
    bench.run(&["sync", "now"]).exits(2);

    bench.simulator.world().add_repository("acme", NewRepository::named("before"));
    bench.file("catalog-sync.yaml", &config);
    sidecar.signal("HUP");
    sidecar.until("it is taken", || sidecar.log().contains("the config was read again"));
    metric(1);
    assert_eq!(http(&sidecar.address(), "GET /readyz"), (200, "ready\n".to_owned()));
    assert_eq!(number(&bench.sync_exits(0), "/imported/registered"), 0, "auto-import is off");

    // Without a signal: the file is looked at every few seconds.
    bench.file("catalog-sync.yaml", &format!("{config}    auto_import: true\n"));
    sidecar.until("the change is noticed", || sidecar.log().matches("the config was read again").count() == 2);
    bench.simulator.world().add_repository("acme", NewRepository::named("after"));
    let record = bench.sync_exits(0);
    assert_eq!(number(&record, "/imported/registered"), 1, "only what is first seen while it is on: {record}");
    assert!(bench.files("catalog").keys().any(|name| name.ends_with("after.yaml")));

    // By hand it holds until the file's value changes.
    bench.run(&["integration", "auto-import", "acme", "off"]).ok();
    bench.simulator.world().add_repository("acme", NewRepository::named("by-hand"));
    assert_eq!(number(&bench.sync_exits(0), "/imported/registered"), 0);
    bench.file(
        "catalog-sync.yaml",
        &format!("{config}    auto_import: true\nserver: {{ health_listen: 127.0.0.1:9999 }}\n"),
    );
    sidecar.signal("HUP");
    let warned = || sidecar.log().matches("`server` changed in the config").count();
    sidecar.until("it says what needs a restart", || warned() == 1);
    // Put back, it is what runs: there is nothing to say.
    bench.file("catalog-sync.yaml", &config);
    let read = sidecar.log().matches("the config was read again").count();
    sidecar.signal("HUP");
    sidecar.until("it is taken", || sidecar.log().matches("the config was read again").count() > read);
    assert_eq!(warned(), 1, "{}", sidecar.log());
    sidecar.stopped();
}

// P2.12, P7.2: SIGTERM while a page is slow: a checkpoint, exit 0 within seconds, and the next start goes on there.
#[test]
fn sigterm_in_mid_sync_checkpoints_and_the_next_start_resumes_p7_2() {
    let world = generated(GenerateOptions { commits_per_repository: 0, ..GenerateOptions::repositories(350) });
    let bench = Bench::new(world);
    bench.integration("secondary_kinds: {}");
    let slow = Order::next(Fault::Slow(Duration::from_secs(3600))).at(Endpoint::Repositories);
    bench.simulator.order(slow.nth(3));
    let sidecar = Sidecar::start(&bench);
    sidecar.until("the third page is asked for", || bench.simulator.requests().total == 3);
    let begun = Instant::now();
    sidecar.stopped();
    println!("stopped after {:?}, while the server answered nothing", begun.elapsed());
    assert!(bench.read("log").contains("the next one goes on from the last"), "{}", bench.read("log"));

    bench.simulator.reset_requests();
    let record = bench.sync_exits(0);
    assert_eq!((record["outcome"].clone(), number(&record, "/repositories/seen")), ("completed".into(), 350));
    let log = bench.simulator.requests();
    assert_eq!(log.total, 2, "pages 3 and 4: {:?}", log.requests);
    let outcomes: Vec<Value> =
        bench.json(&["sync", "history"]).as_array().expect("a list").iter().map(|one| one["outcome"].clone()).collect();
    assert_eq!(outcomes, ["completed", "interrupted"]);

    // Between two pages it ends as cancelled, at once.
    bench.simulator.set_latency(Duration::from_millis(150));
    fs::remove_dir_all(bench.path("data")).expect("a new store");
    bench.simulator.reset_requests();
    let sidecar = Sidecar::start(&bench);
    sidecar.until("the first page came", || bench.simulator.requests().total >= 1);
    sidecar.stopped();
    let history = bench.json(&["sync", "history"]);
    assert!(["cancelled", "completed"].contains(&history[0]["outcome"].as_str().unwrap_or_default()), "{history}");
    assert_eq!(bench.sync_exits(0)["outcome"], "completed");
}

// P7.2, P7.5: `store` changed in the config while it runs: it goes on with the old one and says so, and commands that
// read the config find it all the same, instead of opening another store beside it.
#[test]
fn a_changed_store_waits_for_the_next_start_and_nobody_opens_it_before_p7_5() {
    let bench = bench();
    let sidecar = Sidecar::synced(&bench);
    let config = bench.read("catalog-sync.yaml");
    bench.file("catalog-sync.yaml", &config.replace("store: ./data", "store: ./elsewhere"));
    sidecar.signal("HUP");
    sidecar.until("it is read", || sidecar.log().contains("the config was read again"));
    assert!(sidecar.log().contains("`store` changed in the config"), "{}", sidecar.log());

    let said = bench.run(&["discovered", "ignore", "web"]).ok();
    said.says(&["works on", "data", "when it is started again"]);
    let ignored = |store: &str| {
        let rows = bench.json(&["--store", store, "discovered", "list", "--state", "ignored"]);
        rows.as_array().expect("a list").len()
    };
    assert_eq!((ignored("data"), ignored("elsewhere")), (1, 1), "both go through it");
    assert_eq!(bench.json(&["sync", "now"])[0]["repositories"]["new"], 0, "it is the store that knows them");
    assert_eq!(bench.files("elsewhere").keys().collect::<Vec<_>>(), ["run.json"], "nobody made a store there");
    let mode = fs::metadata(bench.path("elsewhere/run.json")).expect("run.json").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // Back again, and to a third one: nothing is left behind.
    bench.file("catalog-sync.yaml", &config);
    sidecar.signal("HUP");
    sidecar.until("it is read", || sidecar.log().matches("the config was read again").count() == 2);
    assert!(!bench.path("elsewhere/run.json").exists());
    bench.file("catalog-sync.yaml", &config.replace("store: ./data", "store: ./elsewhere"));
    sidecar.signal("HUP");
    sidecar.until("it is read", || sidecar.log().matches("the config was read again").count() == 3);
    sidecar.stopped();
    assert!(!bench.path("elsewhere/run.json").exists());
    assert_eq!(ignored("elsewhere"), 0, "from now on it is the config's");
}

// P7.2: what a platform engineer sees in the log of a pod, as text and as JSON: that a sync began, how it ended and what
// it came to, and when the next one runs; without a word about any token.
#[test]
fn the_log_tells_syncs_their_counts_and_the_next_run_p7_2() {
    let next_run = |text: &str| {
        let next: DateTime<Utc> = text.parse().expect("an instant");
        let from_now = next - Utc::now();
        // Every three hours, with a jitter of up to a tenth.
        assert!((TimeDelta::minutes(170)..TimeDelta::minutes(200)).contains(&from_now), "{next}");
    };
    let text = bench();
    Sidecar::synced(&text).stopped();
    let log = text.read("log");
    let line = |message: &str| {
        let at = log.lines().position(|line| line.contains(&format!("INFO {message}")));
        at.unwrap_or_else(|| panic!("no `{message}`: {log}"))
    };
    assert!(line("running") < line("sync begins") && line("sync begins") < line("sync ended"), "{log}");
    assert!(line("sync ended") < line("stopping") && line("stopping") < line("stopped"), "{log}");
    let ended = log.lines().nth(line("sync ended")).expect("a line");
    for part in ["integration=\"acme\"", "outcome=\"completed\"", "seen=3", "new=3", "commits=9", "errors=0"] {
        assert!(ended.contains(part), "`{part}`: {ended}");
    }
    let next = ended.split("next_run=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("the next run");
    next_run(next);
    assert!(!log.contains(TOKEN) && !log.contains('\u{1b}'), "{log}");

    let json = bench();
    let sidecar = Sidecar::with(&json, &["--log-format", "json"]);
    sidecar.until("its first sync has ended", || sidecar.log().contains("sync ended"));
    sidecar.stopped();
    let lines: Vec<Value> =
        json.read("log").lines().map(|line| serde_json::from_str(line).expect("a JSON document per line")).collect();
    let of = |message: &str| {
        let line = lines.iter().find(|line| line["fields"]["message"] == message);
        line.unwrap_or_else(|| panic!("no `{message}`: {lines:#?}"))
    };
    assert_eq!(of("sync begins")["fields"]["integration"], "acme");
    let ended = &of("sync ended")["fields"];
    assert_eq!((text_of(ended, "integration"), text_of(ended, "outcome")), ("acme", "completed"));
    let count = |name: &str| number(ended, &format!("/{name}"));
    assert_eq!([count("seen"), count("new"), count("commits"), count("imported"), count("errors")], [3, 3, 9, 0, 0]);
    next_run(text_of(ended, "next_run"));
    assert!(lines.iter().all(|line| line["level"].is_string() && line["timestamp"].is_string()));
}

fn text_of<'a>(fields: &'a Value, name: &str) -> &'a str {
    fields[name].as_str().unwrap_or_else(|| panic!("no {name}: {fields}"))
}

// P7.1: the demo can be left running beside a sidecar that works: other port, other data, both live; it leaves nothing.
#[test]
fn a_demo_is_served_beside_a_sidecar_p7_1() {
    let bench = bench();
    let sidecar = Sidecar::synced(&bench);
    fs::create_dir(bench.path("tmp")).expect("a folder for scratch");
    let mut command = Command::new(env!("CARGO_BIN_EXE_catalog-sync"));
    command.args(["-v", "demo", "--serve"]).env_clear().env("TMPDIR", bench.path("tmp")).current_dir(bench.dir.path());
    let stderr = fs::File::create(bench.path("demo.log")).expect("a log");
    let stdout = fs::File::create(bench.path("demo.out")).expect("a file");
    let mut demo = Running(Some(command.stdout(stdout).stderr(stderr).spawn().expect("the program")));
    sidecar.until("the demo says where it is", || bench.read("demo.out").contains("Ctrl-C"));
    let told = bench.read("demo.out");
    let config = told.split("--config ").nth(1).and_then(|rest| rest.split(' ').next()).expect("its config").to_owned();
    let scratch = fs::read_dir(bench.path("tmp")).expect("a folder").next().expect("one in it").expect("it").path();
    assert_eq!(fs::metadata(&scratch).expect("a folder").permissions().mode() & 0o777, 0o700, "nobody else's");
    let ask = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_catalog-sync"));
        command.args(["--config", &config, "--output", "json"]).args(args).env_clear();
        command.env("CATALOG_SYNC_DEMO_TOKEN", "anything").current_dir(bench.dir.path());
        crate::harness::output(&mut command)
    };
    sidecar.until("the demo has synced", || bench.read("demo.log").contains("sync ended"));
    let names = |rows: &Value| -> Vec<String> {
        let rows = rows.as_array().expect("rows").iter();
        rows.map(|row| row["repository"]["full_name"].as_str().expect("a name").to_owned()).collect()
    };
    let (theirs, ours) =
        (names(&ask(&["discovered", "list"]).ok().json()), names(&bench.json(&["discovered", "list"])));
    assert!(theirs.contains(&"acme/payments-api".to_owned()) && theirs.len() > ours.len(), "{theirs:?} {ours:?}");
    assert_eq!(ours, ["acme/ledger", "acme/payments", "acme/web"]);
    assert_eq!(ask(&["sync", "now"]).ok().json()[0]["repositories"]["new"], 0, "through the one that runs");
    assert_eq!(bench.sync_exits(0)["repositories"]["new"], 0);
    let run = |store: &str| -> Value { serde_json::from_str(&bench.read(store)).expect("JSON") };
    let there =
        run(scratch.join("data/run.json").strip_prefix(bench.dir.path()).expect("beneath").to_str().expect("text"));
    let here = run("data/run.json");
    assert_ne!(there["address"], here["address"]);
    for run in [&there, &here] {
        let address = run["address"].as_str().expect("an address").trim_start_matches("http://");
        assert_eq!(http(address, "GET /readyz"), (200, "ready\n".to_owned()));
    }
    let status = Command::new("kill").arg("-TERM").arg(demo.pid().to_string()).status();
    assert!(status.expect("kill").success());
    let ended = demo.0.take().expect("it runs").wait().expect("its end");
    assert_eq!(ended.code(), Some(0), "{}", bench.read("demo.log"));
    assert_eq!(fs::read_dir(bench.path("tmp")).expect("a folder").count(), 0, "it is tidied up");
    assert_eq!(http(&sidecar.address(), "GET /healthz").0, 200, "and the other one goes on");
    sidecar.stopped();
}
