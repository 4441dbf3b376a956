//! Logins by redirect (P6.4): a person grants access in a browser, syncs renew the tokens and write them back before they
//! use them, and whatever ends a login is told with the way to log in again.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use catalog_sync::clock::Clock;
use catalog_sync::credentials::{Head, key, open, seal};
use catalog_sync::simulator::{Credential, Endpoint, Fault, NewRepository, Order, SimulatorOptions};
use catalog_sync::store::sled::SledStore;
use catalog_sync::store::{CredentialChange, Store};
use url::Url;

use crate::harness::{Bench, Output, Running, text, world};
use crate::sidecar::process::Sidecar;

const KEY: &str = "person-key";
const SECRET: &str = "needle-person-secret";

/// A port nobody listens on, below those that the system gives out by itself to other tests.
pub fn free_port() -> u16 {
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).expect("small");
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (first..first + 1_000).find(is_free).expect("a free port")
}

/// A consumer that sends browsers to this port.
pub fn consumer(port: u16) -> Credential {
    Credential::consumer(KEY, SECRET).calling_back(&format!("http://127.0.0.1:{port}/back"))
}

/// What the consumer is given as, on stdin or in a file.
pub fn given_consumer() -> String {
    format!("{KEY}\n{SECRET}\n")
}

fn bench_with(options: SimulatorOptions) -> (Bench, u16) {
    let mut world = world();
    for name in ["payments-api", "web-shop"] {
        world.add_repository("acme", NewRepository::named(name).in_project("PAY").with_commits(2));
    }
    let port = free_port();
    let mut bench = Bench::with(world, SimulatorOptions { credentials: vec![consumer(port)], ..options });
    bench.env.clear();
    let config = bench.read("catalog-sync.yaml");
    let config = config.replace("auth: { access_token: { env: BITBUCKET_TOKEN } }", "auth: { credential: it }");
    bench.config(&format!("credentials: {{ key: {{ file: ./credentials.key }} }}\n{config}"));
    bench.file("consumer", &given_consumer());
    (bench, port)
}

fn bench() -> (Bench, u16) {
    bench_with(SimulatorOptions::default())
}

/// `credential login`, waiting for its browser.
pub struct Login {
    child: Child,
    stderr: BufReader<ChildStderr>,
    said: String,
    /// What it asks to open.
    pub url: String,
}

impl Login {
    /// Begun, and its address printed.
    pub fn begun(bench: &Bench, args: &[&str]) -> Self {
        let mut command = bench.command(&[&["credential", "login"], args].concat());
        let mut child = command.stdin(Stdio::piped()).spawn().expect("the program");
        let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut said = String::new();
        let url = loop {
            let mut line = String::new();
            assert!(stderr.read_line(&mut line).expect("text") > 0, "it ended before it asked:\n{said}");
            said.push_str(&line);
            if let Some(url) = line.trim().strip_prefix("http").filter(|_| line.contains("/site/oauth2/authorize?")) {
                break format!("http{url}");
            }
        };
        Self { child, stderr, said, url }
    }

    /// Pastes a line.
    pub fn pasted(mut self, line: &str) -> Output {
        let mut stdin = self.child.stdin.take().expect("a pipe");
        writeln!(stdin, "{line}").expect("it reads");
        drop(stdin);
        self.ended()
    }

    /// Waits for its end.
    pub fn ended(mut self) -> Output {
        self.stderr.read_to_string(&mut self.said).expect("text");
        let output = self.child.wait_with_output().expect("its output");
        let stdout = String::from_utf8(output.stdout).expect("text");
        Output { status: output.status.code(), stdout, stderr: self.said }
    }

    /// The person opens the address, is sent back, and sees a page.
    pub fn granted(self) -> Output {
        let (status, page) = browse(&sent_back(&self.url));
        assert_eq!(status, 200, "{page}");
        assert!(page.contains("told in the terminal"), "{page}");
        self.ended()
    }
}

/// A GET as a browser sends it: status, where it is sent, the page.
fn get(url: &str) -> (u16, String, String) {
    let url = Url::parse(url).expect("an address");
    let at = (url.host_str().expect("a host"), url.port().expect("a port"));
    let mut stream = TcpStream::connect(at).expect("it listens");
    let target = format!("{}?{}", url.path(), url.query().unwrap_or_default());
    write!(stream, "GET {target} HTTP/1.1\r\nHost: {}:{}\r\nConnection: close\r\n\r\n", at.0, at.1).expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let location = text.lines().find_map(|line| line.strip_prefix("location: ")).unwrap_or_default().to_owned();
    (status, location, text)
}

/// Where the browser is sent after the person was asked.
pub fn sent_back(url: &str) -> String {
    let (status, location, page) = get(url);
    assert_eq!(status, 302, "{page}");
    location
}

fn browse(url: &str) -> (u16, String) {
    let (status, _, page) = get(url);
    (status, page)
}

#[track_caller]
fn logged_in(bench: &Bench, port: u16) -> Output {
    Login::begun(bench, &["it", "--port", &port.to_string(), "--file", "consumer"]).granted().ok()
}

fn tokens_asked(bench: &Bench) -> u64 {
    bench.simulator.requests().count(Endpoint::Token)
}

fn an_hour_later(bench: &Bench) {
    bench.simulator.end_tokens();
}

fn refused(bench: &Bench, status: u16) -> u64 {
    bench.simulator.requests().by_status.get(&status).copied().unwrap_or(0)
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}: waited in vain");
        std::thread::sleep(Duration::from_millis(5));
    }
}

// P6.4: from a consumer to a sync; the tokens are kept from one process to the next, and rotate when they have ended.
#[test]
fn a_person_logs_in_and_syncs_go_on_p6_4() {
    let (bench, port) = bench();
    bench.run(&["sync", "now"]).exits(2).says(&["there is no credential `it`", "credential login it"]);
    logged_in(&bench, port)
        .says(&["made the key file", "grant access", "granted: account project pullrequest repository"])
        .shows(&["it  oauth_login  readable", "unless it is used before", "connector acme"]);
    assert_eq!(tokens_asked(&bench), 1);
    let info = bench.json(&["credential", "info", "it"]);
    let today = chrono::Utc::now().date_naive();
    let ends: chrono::NaiveDate = text(&info, "/expires").parse().expect("a date");
    assert!((88..=93).contains(&(ends - today).num_days()), "{info:#}");
    assert_eq!(bench.sync_exits(0)["repositories"]["seen"], 2);
    bench.run(&["check"]).ok().shows(&["credential 1 (it)"]);
    assert_eq!((tokens_asked(&bench), refused(&bench, 401)), (1, 0), "the token that came with the login lasts");

    // The server's hour is over: one refusal, one new token, which every later process has. Old ones are of no use.
    for round in 2..5 {
        an_hour_later(&bench);
        assert_eq!(bench.sync_exits(0).get("notes"), None);
        bench.sync_exits(0);
        assert_eq!((tokens_asked(&bench), refused(&bench, 401), refused(&bench, 400)), (round, round - 1, 0));
    }
    // A command that does not hold the store has it renewed by one that does.
    an_hour_later(&bench);
    bench.run(&["check"]).ok();
    bench.sync_exits(0);
    assert_eq!(tokens_asked(&bench), 5);
    // What is known of others holds of it, too: rekey, export and import.
    bench.run(&["credential", "rekey"]).ok();
    bench.run(&["store", "export", "whole.jsonl", "--with-credentials"]).ok();
    std::fs::remove_dir_all(bench.path("data")).expect("a store");
    bench.run(&["store", "import", "whole.jsonl"]).ok();
    an_hour_later(&bench);
    bench.sync_exits(0);
    assert_eq!((tokens_asked(&bench), refused(&bench, 400)), (6, 0));

    for args in
        [&["credential", "update", "it", "--stdin"][..], &["credential", "add", "other", "--kind", "oauth_login"]]
    {
        bench.run(args).exits(2).says(&["made in a browser", "credential login"]);
    }
}

// P6.4: a token is renewed before it ends, by our own clock, whatever the server's date says.
#[test]
fn tokens_are_renewed_before_they_end_p6_4() {
    let options = SimulatorOptions {
        oauth_token_life: chrono::Duration::seconds(100),
        date_skew: chrono::Duration::days(400),
        ..SimulatorOptions::default()
    };
    let (bench, port) = bench_with(options);
    logged_in(&bench, port);
    for _ in 0..2 {
        let before = tokens_asked(&bench);
        bench.sync_exits(0);
        assert!(tokens_asked(&bench) > before);
    }
    assert_eq!((refused(&bench, 401), refused(&bench, 400)), (0, 0));
}

// P6.4: an answer that is not of this login is not used, and ends nothing.
#[test]
fn an_answer_with_another_state_is_not_used_p6_4() {
    let (bench, port) = bench();
    let login = Login::begun(&bench, &["it", "--port", &port.to_string(), "--file", "consumer"]);
    let other = Login::begun(&bench, &["it", "--port", &free_port().to_string(), "--file", "consumer"]);
    let foreign = sent_back(&other.url);
    for (address, wanted) in [
        (foreign.as_str(), 400),
        (&format!("http://127.0.0.1:{port}/?code=made-up"), 400),
        (&format!("http://localhost:{port}/favicon.ico"), 404),
    ] {
        let (status, page) = browse(address);
        assert_eq!(status, wanted, "{page}");
        assert!(
            page.contains("no-store") && page.contains("default-src 'none'") && !page.contains("made-up"),
            "{page}"
        );
    }
    assert_eq!(tokens_asked(&bench), 0);
    login.granted().ok().says(&["`state` is another", "not used"]);
    assert_eq!(tokens_asked(&bench), 1);
    bench.sync_exits(0);
    drop(Running(Some(other.child)));
}

// P6.4: a machine without a browser: the address is pasted, or the code.
#[test]
fn the_address_can_be_pasted_p6_4() {
    let (bench, _) = bench();
    let begun = || Login::begun(&bench, &["it", "--paste", "--file", "consumer"]);
    let login = begun();
    let address = sent_back(&login.url);
    login.pasted(&address).ok().shows(&["oauth_login"]);
    bench.sync_exits(0);

    let login = begun();
    let address = Url::parse(&sent_back(&login.url)).expect("an address");
    let code = address.query_pairs().find(|(name, _)| name == "code").expect("a code").1.into_owned();
    login.pasted(&code).ok();
    bench.sync_exits(0);
    let asked = tokens_asked(&bench);

    begun().pasted(address.as_str()).exits(4).says(&["`state` is another", "credential login it"]);
    begun().pasted("http://localhost:8323/").exits(2).says(&["no code in what was pasted"]);
    begun().pasted("").exits(2).says(&["no code in what was pasted"]);
    assert_eq!(tokens_asked(&bench), asked, "none of it went to the server");
    // Used already, and of another login.
    begun().pasted(&code).exits(4).says(&["does not take the code", "credential login it"]);
    bench.sync_exits(0);
    bench.run(&["credential", "login", "it", "--paste", "--stdin"]).exits(2).says(&["cannot be used with"]);
}

// P6.4: every way a login does not come about is told, and nothing is stored.
#[test]
fn a_login_that_does_not_come_about_stores_nothing_p6_4() {
    let (bench, port) = bench();
    let at = port.to_string();
    let begun = || Login::begun(&bench, &["it", "--port", &at, "--file", "consumer"]);

    bench.simulator.order(Order::next(Fault::Denied).at(Endpoint::Authorize));
    let login = begun();
    let (status, page) = browse(&sent_back(&login.url));
    assert!(status == 200 && page.contains("not granted"), "{page}");
    login.ended().exits(4).says(&["access was not granted (access_denied)", "credential login it"]);

    let taken = TcpListener::bind(("127.0.0.1", port)).expect("it is free");
    bench.run(&["credential", "login", "it", "--port", &at, "--file", "consumer"]).exits(4).says(&[
        &format!("port {port} cannot be listened on"),
        "--port",
        "--paste",
    ]);
    drop(taken);

    bench.run(&["credential", "login", "it", "--port", &at, "--file", "consumer", "--wait", "1s"]).exits(4).says(&[
        "no answer of a browser",
        &format!("http://localhost:{port}/"),
        "--wait",
    ]);

    let login = begun();
    let killed = Command::new("kill").args(["-INT", &login.child.id().to_string()]).status();
    assert!(killed.expect("kill").success());
    login.ended().exits(130).says(&["nothing was stored"]);

    bench.file("wrong", &format!("{KEY}\nneedle-another\n"));
    let login = Login::begun(&bench, &["it", "--port", &at, "--file", "wrong"]);
    login.granted().exits(4).says(&["refused the consumer's key and secret", "OAuth consumers"]);

    bench.simulator.order(Order::always(Fault::Status(503)).at(Endpoint::Token));
    begun().granted().exits(1).says(&["could not be finished", "503", "mend:"]);
    bench.simulator.clear_orders();
    bench.simulator.order(Order::next(Fault::HtmlPage).at(Endpoint::Token));
    begun().granted().exits(1).says(&["Bitbucket's JSON"]);

    assert_eq!(bench.json(&["credential", "list"]), serde_json::json!([]));
    bench.run(&["credential", "login", "It"]).exits(2).says(&["not the name of a credential"]);
    bench.run(&["credential", "login", "it"]).exits(4).says(&["no terminal to ask on", "--stdin"]);
    bench
        .run(&["credential", "login", "it", "--connector", "nowhere", "--file", "consumer"])
        .exits(2)
        .says(&["no connector `nowhere`", "acme"]);
    // A stored consumer is logged in with, other kinds are not.
    let add = |name: &str, kind: &str| {
        let input = if kind == "oauth" { given_consumer() } else { "needle".to_owned() };
        let args = ["credential", "add", name, "--kind", kind, "--stdin"];
        crate::harness::output_of_input(&mut bench.command(&args), &input).ok();
    };
    add("plain", "access_token");
    bench.run(&["credential", "login", "plain"]).exits(2).says(&["of the kind access_token"]);
    add("it", "oauth");
    Login::begun(&bench, &["it", "--port", &at]).granted().ok().shows(&["it  oauth_login"]);
    bench.sync_exits(0);
}

// P6.4, P6.11: a login that ended stops at once and says how to log in again; then everything goes on.
#[test]
fn a_login_that_ended_is_told_with_its_mend_p6_4_p6_11() {
    let (bench, port) = bench();
    logged_in(&bench, port);
    bench.sync_exits(0);
    bench.simulator.end_logins();
    an_hour_later(&bench);
    bench.simulator.reset_requests();
    let output = bench.run(&["sync", "now", "--output", "json"]).exits(1);
    assert_eq!(bench.simulator.requests().total, 2, "a refusal, and a refused renewal");
    let record = output.json()[0].clone();
    assert!(text(&record, "/errors/0/message").contains("`it` has ended"), "{record:#}");
    let notes = record["notes"].to_string();
    assert!(notes.contains("credential 1 (it) was refused") && notes.contains("credential login it"), "{record:#}");
    output.says(&["catalog-sync credential login it"]);
    bench.run(&["check"]).exits(4).shows(&["invalid_credentials", "`it` has ended", "credential login it"]);

    // The consumer is stored: nobody asks for it again.
    Login::begun(&bench, &["it", "--port", &port.to_string()]).granted().ok();
    assert_eq!(bench.sync_exits(0)["repositories"]["seen"], 2);

    // The consumer itself was revoked.
    bench.simulator.change_credential(0, |consumer| consumer.revoked = true);
    let record = bench.sync_exits(1);
    assert!(text(&record, "/errors/0/message").contains("401"), "{record:#}");
    bench.run(&["check"]).exits(4).shows(&["whether the consumer is still there"]);
}

// P6.4: killed between the server's answer and the write, that login is lost, or the server takes the old token again.
// Killed later, nothing is lost: what a request was sent with was in the store before.
#[test]
fn a_kill_costs_at_most_that_login_p6_4() {
    for takes_old in [false, true] {
        let options = SimulatorOptions { oauth_old_refresh_tokens: takes_old, ..SimulatorOptions::default() };
        let (bench, port) = bench_with(options);
        logged_in(&bench, port);
        let killed_at = |endpoint: Endpoint, requests: u64| {
            an_hour_later(&bench);
            bench.simulator.reset_requests();
            bench.simulator.order(Order::next(Fault::Slow(Duration::from_secs(20))).at(endpoint));
            let running = bench.spawn(&["sync", "now"]);
            until("it asks", || bench.simulator.requests().count(endpoint) == requests);
            running.kill();
            assert_eq!(bench.simulator.orders_left(), Vec::<String>::new());
        };
        // The first request is refused, which no order strikes; the second goes out with the new token.
        killed_at(Endpoint::Repositories, 2);
        bench.simulator.reset_requests();
        bench.sync_exits(0);
        assert_eq!((tokens_asked(&bench), refused(&bench, 401)), (0, 0), "what came was in the store");

        killed_at(Endpoint::Token, 1);
        let output = bench.run(&["sync", "now"]);
        if takes_old {
            output.ok();
        } else {
            output.exits(1).says(&["credential login it"]);
            Login::begun(&bench, &["it", "--port", &port.to_string()]).granted().ok();
        }
        assert_eq!(bench.sync_exits(0)["repositories"]["seen"], 2);
    }
}

// P6.4: beside a running sidecar, one renewal serves all; a login again is used at once, also when the sidecar renewed
// the former one meanwhile.
#[test]
fn a_sidecar_alone_renews_p6_4() {
    let (bench, port) = bench();
    logged_in(&bench, port);
    let sidecar = Sidecar::start(&bench);
    sidecar.until("its first sync has ended", || sidecar.log().contains("sync ended"));
    for _ in 0..3 {
        an_hour_later(&bench);
        bench.simulator.reset_requests();
        let running: Vec<Running> =
            [&["check"][..], &["sync", "now"], &["check"]].iter().map(|args| bench.spawn(args)).collect();
        for mut running in running {
            let output = running.0.take().expect("it runs").wait_with_output().expect("its output");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        assert_eq!((tokens_asked(&bench), refused(&bench, 400)), (1, 0));
    }
    // Logged in again, slowly.
    let login = Login::begun(&bench, &["it", "--port", &port.to_string()]);
    an_hour_later(&bench);
    bench.sync_exits(0);
    login.granted().ok();
    bench.sync_exits(0);
    bench.simulator.end_logins();
    an_hour_later(&bench);
    bench.sync_exits(1);
    bench.simulator.reset_requests();
    bench.sync_exits(1);
    assert_eq!(bench.simulator.requests().total, 0, "what ended is left alone");
    Login::begun(&bench, &["it", "--port", &port.to_string()]).granted().ok();
    bench.sync_exits(0);
    sidecar.stopped();
}

/// Has a login look as if it had been renewed for the last time so many days ago, and ended so many days from now.
fn aged(bench: &Bench, used_days_ago: i64, ends_in_days: i64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let store = SledStore::open(bench.path("data"), &Clock::System).await.expect("a store");
        let key = key::read_file(&bench.path("credentials.key")).expect("a key");
        let record = store.credentials().await.expect("reads").remove("it").expect("a login");
        let opened = open(&key, "it", &record).expect("it opens");
        let now = chrono::Utc::now();
        let head = Head {
            created_at: record.created_at,
            updated_at: now - chrono::Duration::days(used_days_ago),
            expires: Some((now + chrono::Duration::days(ends_in_days)).date_naive()),
        };
        let credential = seal(&key, "it", &opened, head).expect("it is sealed");
        let change = CredentialChange { name: "it".to_owned(), instead_of: Some(record.nonce), credential };
        assert!(store.change_credentials(vec![change]).await.expect("writes"));
    });
}

// P6.11: a login that nothing uses ends; `list`, `info` and each sync say so, and when.
#[test]
fn an_unused_login_is_announced_p6_11() {
    let port = free_port();
    let mut world = world();
    world.add_repository("acme", NewRepository::named("payments-api").in_project("PAY"));
    let credentials = vec![Credential::token("ATCTT3x-another"), consumer(port)];
    let mut bench = Bench::with(world, SimulatorOptions { credentials, ..SimulatorOptions::default() });
    bench.env[0].1 = "ATCTT3x-another".to_owned();
    // The first credential lists; where nothing else is asked, the second has nothing to do.
    bench.integration("secondary_kinds: {}");
    let auth = "auth: [ { access_token: { env: BITBUCKET_TOKEN } }, { credential: it } ]";
    let config = bench.read("catalog-sync.yaml").replace("auth: { access_token: { env: BITBUCKET_TOKEN } }", auth);
    bench.config(&format!("credentials: {{ key: {{ file: ./credentials.key }} }}\n{config}"));
    bench.file("consumer", &given_consumer());
    logged_in(&bench, port);
    let record = bench.sync_exits(0);
    assert_eq!(record.get("notes"), None, "there is time: {record:#}");

    aged(&bench, 70, 20);
    let output = bench.run(&["sync", "now", "--output", "json"]).ok();
    let notes = output.json()[0]["notes"].to_string();
    assert!(notes.contains("connector acme: the login it was last used on"), "{notes}");
    assert!(notes.contains("if nothing uses it before"), "{notes}");
    output.says(&["`catalog-sync credential login it` logs in again"]);
    assert_eq!(bench.json(&["credential", "info", "it"])["state"], "readable");

    aged(&bench, 95, -3);
    let notes = bench.sync_exits(0)["notes"].to_string();
    assert!(notes.contains("has ended on"), "{notes}");
    assert_eq!(bench.json(&["credential", "info", "it"])["state"], "ended");
    bench.run(&["credential", "list"]).ok().shows(&["ended", "unused for 3 months", "credential login it"]);
}
