//! Sessions of browsers: begun with a token or a link, needed again for every change, ended.

use std::time::Duration;

use super::http::{EDIT, Reply, TOKENS, VIEW, bench, command, list, send, serve, start};
use crate::harness::Bench;
use crate::sidecar::process::Sidecar;

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const SAME: (&str, &str) = ("Sec-Fetch-Site", "same-origin");

fn log_in(address: &str, token: &str) -> Reply {
    send(address, "POST /login", &[FORM, SAME], &format!("token={token}&next=%2Faudit"))
}

/// What a browser with this cookie gets of the API.
fn looks(address: &str, cookie: &str) -> u16 {
    send(address, "GET /api/v1/integrations", &[("Cookie", cookie)], "").status
}

/// Whether something is anywhere in the files of the store.
fn is_in_store(bench: &Bench, text: &str) -> bool {
    let has = |bytes: &Vec<u8>| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    bench.files("data").iter().any(|(name, bytes)| name != "run.json" && has(bytes))
}

// P7.4: a token is exchanged for a cookie that scripts cannot read; a new one each time; it survives a restart, and
// ends when one logs out.
#[test]
fn a_session_begins_with_a_token_and_ends_when_one_logs_out_p7_4() {
    let bench = bench(&format!("{{ {TOKENS} }}"));
    let (sidecar, address) = start(&bench);
    let page = send(&address, "GET /login?next=%2F%22%3E%3Cscript%3E", &[], "").is(200);
    assert!(page.body.contains("name=\"token\"") && !page.body.contains("<script"), "{}", page.body);
    let reply = log_in(&address, VIEW).is(303);
    assert_eq!(reply.header("location"), "/audit");
    let set = reply.header("set-cookie").to_owned();
    for part in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=604800"] {
        assert!(set.split("; ").any(|there| there == part), "{part}: {set}");
    }
    assert!(!set.contains("Secure"), "without TLS a browser would not keep it: {set}");
    let first = reply.cookie();
    assert_eq!(looks(&address, &first), 200);
    let again =
        send(&address, "POST /login", &[FORM, SAME, ("Cookie", &first)], &format!("token={VIEW}")).is(303).cookie();
    assert_ne!(first, again);
    assert_eq!((looks(&address, &first), looks(&address, &again)), (401, 200), "the one before has ended");
    let (_, value) = again.split_once('=').expect("a cookie");
    assert!(!is_in_store(&bench, value) && !is_in_store(&bench, VIEW));
    assert_eq!(send(&address, "GET /login", &[("Cookie", &again)], "").is(303).header("location"), "/");
    sidecar.stopped();

    let sidecar = Sidecar::with_listen(&bench, &address);
    assert_eq!(looks(&address, &again), 200, "after a restart");
    send(&address, "POST /logout", &[("Cookie", &again)], "").is(403);
    assert_eq!(looks(&address, &again), 200, "nobody is logged out by another page");
    let out = send(&address, "POST /logout", &[SAME, ("Cookie", &again)], "").is(303);
    assert!(out.header("set-cookie").contains("Max-Age=0"), "{out:?}");
    assert_eq!(looks(&address, &again), 401);
    let log = sidecar.log();
    sidecar.stopped();
    assert!(!log.contains(value) && !log.contains(VIEW), "{log}");
    let acts = bench.json(&["audit", "list"]);
    let acts: Vec<&str> = acts.as_array().expect("a list").iter().filter_map(|act| act["request"].as_str()).collect();
    assert_eq!(acts, ["sign out", "sign in", "sign in"]);
}

// security.md, sessions: a change needs a page of ours; programs with a token do not. Reading is as before.
#[test]
fn a_change_must_come_from_a_page_of_ours_p7_4() {
    let bench = bench(&format!("{{ {TOKENS} }}"));
    let (sidecar, address) = start(&bench);
    let cookie = log_in(&address, EDIT).is(303).cookie();
    let origin = format!("http://{address}");
    let change = r#"{"command":"integration_auto_import","name":"acme","on":true}"#;
    let send_with = |headers: &[(&str, &str)]| {
        let headers = [headers, &[("Cookie", cookie.as_str())]].concat();
        send(&address, "POST /api/v1/command", &headers, change)
    };
    for foreign in [
        vec![],
        vec![("Sec-Fetch-Site", "cross-site")],
        vec![("Sec-Fetch-Site", "same-site")],
        vec![("Sec-Fetch-Site", "none")],
        vec![("Origin", "https://evil.example")],
        vec![("Origin", "null")],
        vec![("Origin", "http://127.0.0.1:1")],
        vec![("Sec-Fetch-Site", "cross-site"), ("Origin", origin.as_str())],
    ] {
        send_with(&foreign).expect_problem(403);
    }
    let (_, listed) = command(&address, EDIT, &list());
    assert_eq!(listed["data"]["data"][0]["auto_import"], false);
    send_with(&[("Origin", &origin)]).is(200);
    send_with(&[SAME]).is(200);
    for page in [vec![FORM], vec![FORM, ("Origin", "https://evil.example")]] {
        assert!(send(&address, "POST /login", &page, &format!("token={EDIT}")).is(403).header("set-cookie").is_empty());
    }
    sidecar.stopped();
}

// P7.4: removing a token, or giving it another value, ends its sessions and no other's.
#[test]
fn a_removed_token_ends_its_sessions_p7_4() {
    let bench = bench(&format!("{{ {TOKENS} }}"));
    let (sidecar, address) = start(&bench);
    let (ops, eyes) = (log_in(&address, EDIT).cookie(), log_in(&address, VIEW).cookie());
    assert_eq!((looks(&address, &ops), looks(&address, &eyes)), (200, 200));
    serve(&bench, "{ tokens: [ { name: eyes, role: view, token: { env: VIEW_TOKEN } } ] }");
    sidecar.until("the token is gone", || looks(&address, &ops) == 401);
    assert_eq!(looks(&address, &eyes), 200);
    serve(&bench, "{ tokens: [ { name: eyes, role: view, token: { env: EDIT_TOKEN } } ] }");
    sidecar.until("the token is another one", || looks(&address, &eyes) == 401);
    serve(&bench, &format!("{{ {TOKENS} }}"));
    sidecar.until("the tokens are back", || {
        command(&address, EDIT, &list()).0 == 200 && command(&address, VIEW, &list()).0 == 200
    });
    assert_eq!((looks(&address, &ops), looks(&address, &eyes)), (401, 401), "the sessions are not");
    sidecar.stopped();
}

// P7.4: whoever guesses has to wait, with the right token as well; the same token with a request still counts.
#[test]
fn guessing_is_slow_and_locks_nobody_else_out_p7_4() {
    let bench = bench(&format!("{{ {TOKENS}, behind_proxy: 127.0.0.0/8 }}"));
    let (sidecar, address) = start(&bench);
    let from = |client: &str, token: &str| {
        send(&address, "POST /login", &[FORM, SAME, ("X-Forwarded-For", client)], &format!("token={token}"))
    };
    for _ in 0..10 {
        let reply = from("192.0.2.1", "guess").is(401);
        assert!(reply.body.contains("not a token we know") && reply.header("set-cookie").is_empty(), "{reply:?}");
    }
    let reply = from("192.0.2.1", EDIT).is(429);
    let wait: u64 = reply.header("retry-after").parse().expect("seconds");
    assert!((1..=300).contains(&wait), "{wait}");
    from("192.0.2.2", EDIT).is(303);
    // What is before the proxy's own entry was written by whoever guesses.
    from("192.0.2.9, 192.0.2.1", EDIT).is(429);
    assert_eq!(command(&address, EDIT, &list()).0, 200);
    let log = sidecar.log();
    assert!(log.contains("192.0.2.1") && !log.contains("guess"), "{log}");
    sidecar.stopped();
}

// P7.4, contract.md: without tokens the link on the terminal lets one browser in, once. It is nowhere else.
#[test]
fn a_link_on_the_terminal_lets_a_browser_in_once_p7_4() {
    let bench = bench("{ listen: 127.0.0.1:0 }");
    let Some(terminal) = Terminal::start(&bench, "run") else { return };
    let link = terminal.link();
    let (address, path) = link.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("a link");
    send(address, &format!("HEAD /{path}"), &[], "");
    let reply = send(address, &format!("GET /{path}"), &[], "").is(303);
    assert_eq!(reply.header("location"), "/");
    let cookie = reply.cookie();
    assert_eq!(looks(address, &cookie), 200);
    send(address, "POST /api/v1/command", &[SAME, ("Cookie", &cookie)], &super::http::suspend().to_string()).is(200);
    let second = send(address, &format!("GET /{path}"), &[], "").is(401);
    assert!(second.body.contains("used already") && second.header("set-cookie").is_empty(), "{second:?}");
    let (_, code) = path.split_once("code=").expect("a code");
    assert_eq!(command(address, code, &list()).0, 401, "a code is no token");
    // Whoever stands before the door gets a new one, on the terminal.
    terminal.until(|said| said.matches("/login?code=").count() == 2);
    let fresh = terminal.link();
    assert_ne!(fresh, link);
    // With tokens, a link is worth nothing any more, nor is what it led to.
    serve(&bench, &format!("{{ listen: \"127.0.0.1:0\", {TOKENS} }}"));
    let begun = std::time::Instant::now();
    while command(address, EDIT, &list()).0 != 200 {
        assert!(begun.elapsed() < Duration::from_secs(60), "the tokens do not count");
    }
    assert_eq!(looks(address, &cookie), 401);
    let (_, path) = fresh.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("a link");
    assert!(send(address, &format!("GET /{path}"), &[], "").is(401).header("set-cookie").is_empty());
}

// P7.1, P7.4: a newcomer clicks, and is in.
#[test]
fn the_demo_shows_a_link_p7_1_p7_4() {
    let bench = bench("{ }");
    let Some(terminal) = Terminal::start(&bench, "demo --serve") else { return };
    let link = terminal.link();
    let (address, path) = link.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("a link");
    let cookie = send(address, &format!("GET /{path}"), &[], "").is(303).cookie();
    assert_eq!(looks(address, &cookie), 200);
}

// Without a terminal nobody looks: no link is shown, not even in a log, and nobody gets in that way.
#[test]
fn without_a_terminal_there_is_no_link_p7_4() {
    let bench = bench("{ }");
    let (sidecar, address) = start(&bench);
    let page = send(&address, "GET /login", &[], "").is(200);
    assert!(page.body.contains("server.tokens") && !page.body.contains("<form"), "{}", page.body);
    send(&address, "GET /login?code=", &[], "").is(401);
    assert!(!sidecar.log().contains("code="), "{}", sidecar.log());
    sidecar.stopped();
}

/// The program on a terminal of its own.
struct Terminal {
    _running: crate::harness::Running,
    said: std::path::PathBuf,
    pid: std::path::PathBuf,
}

impl Terminal {
    /// `None` where there is no `script` to make one.
    fn start(bench: &Bench, args: &str) -> Option<Self> {
        use std::process::{Command, Stdio};
        if !Command::new("script").arg("--version").output().is_ok_and(|output| output.status.success()) {
            println!("skipped: there is no `script` (util-linux) here to make a terminal with");
            return None;
        }
        let said = bench.path("terminal");
        let out = std::fs::File::create(&said).expect("a file");
        let mut command = Command::new("script");
        command
            .args(["--quiet", "--flush", "--command"])
            .arg(format!(
                "echo $$ > pid; exec '{}' --config '{}' {args}",
                env!("CARGO_BIN_EXE_catalog-sync"),
                bench.path("catalog-sync.yaml").display()
            ))
            .arg("/dev/null")
            .envs(bench.env.iter().map(|(name, value)| (name, value)))
            .env("TERM", "xterm")
            .stdin(Stdio::piped())
            .stdout(out)
            .stderr(Stdio::null())
            .current_dir(bench.dir.path());
        let running = crate::harness::Running(Some(command.spawn().expect("script")));
        Some(Self { _running: running, said, pid: bench.path("pid") })
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.said).unwrap_or_default()
    }

    fn until(&self, is_so: impl Fn(&str) -> bool) {
        let begun = std::time::Instant::now();
        while !is_so(&self.text()) {
            assert!(begun.elapsed() < Duration::from_secs(60), "waited in vain\n{}", self.text());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The last link that is shown.
    fn link(&self) -> String {
        let last = |said: &str| {
            let (at, _) = said
                .rmatch_indices("http://")
                .find(|(at, _)| said[*at..].lines().next().is_some_and(|line| line.contains("/login?code=")))?;
            let link = said[at..].split_whitespace().next()?;
            link.split_once("code=").filter(|(_, code)| code.len() == 64).map(|_| link.to_owned())
        };
        self.until(|said| last(said).is_some());
        last(&self.text()).unwrap_or_default()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The program is no child of ours, and takes the end of its terminal for a wish to reload.
        let pid = std::fs::read_to_string(&self.pid).unwrap_or_default();
        let _ = std::process::Command::new("kill").args(["-KILL", pid.trim()]).status();
    }
}
