//! Requests as they are on the wire, so that every header is ours; and a sidecar with tokens to send them to.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::harness::{Bench, CONFIG};
use crate::sidecar::process::Sidecar;

/// A token that may edit everything.
pub const EDIT: &str = "edit-token-of-forty-characters-0123456789";
/// A token that may look at everything.
pub const VIEW: &str = "view-token-of-forty-characters-0123456789";

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// As sent; names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Reply {
    /// The first header of this name; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(there, _)| there == name).map_or("", |(_, value)| value)
    }

    /// `name=value` of the cookie that is set.
    #[track_caller]
    pub fn cookie(&self) -> String {
        let set = self.header("set-cookie");
        assert!(!set.is_empty(), "no cookie is set: {self:?}");
        set.split(';').next().unwrap_or_default().to_owned()
    }

    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// A problem, in words for programs.
    #[track_caller]
    pub fn expect_problem(self, status: u16) -> Self {
        let reply = self.is(status);
        assert_eq!(reply.header("content-type"), "application/problem+json", "{reply:?}");
        let problem: Value = serde_json::from_str(&reply.body).expect("JSON");
        assert_eq!(problem["status"], status, "{problem}");
        assert!(problem["title"].is_string() && problem["mend"].is_string(), "{problem}");
        reply
    }
}

/// Sends one request; `Host` is the address unless a header says otherwise.
pub fn send(address: &str, line: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let mut head = format!("{line} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head.push_str(&format!("Host: {address}\r\n"));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    // Whoever refuses a body may hang up before it was sent.
    let _ = stream.write_all(format!("{head}\r\n{body}").as_bytes());
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    read(&String::from_utf8_lossy(&bytes))
}

/// Takes an answer apart.
pub fn read(text: &str) -> Reply {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
    let headers =
        lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    Reply { status: status.unwrap_or_default(), headers: headers.collect(), body: body.to_owned() }
}

/// `Authorization` of a token.
pub fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// A command by the API, as the CLI sends it; the answer's last event.
pub fn command(address: &str, token: &str, request: &Value) -> (u16, Value) {
    let headers = [("Authorization", &*bearer(token)), ("Content-Type", "application/json")];
    let reply = send(address, "POST /api/v1/command", &headers, &request.to_string());
    // Lines come in chunks of their own.
    let line = reply.body.lines().rfind(|line| line.starts_with('{')).unwrap_or("null");
    (reply.status, serde_json::from_str(line).expect("JSON"))
}

/// `integration suspend acme`.
pub fn suspend() -> Value {
    json!({ "command": "integration_suspend", "name": "acme", "suspended": true })
}

/// `integration list`.
pub fn list() -> Value {
    json!({ "command": "integration_list", "name": null })
}

/// A bench whose config has this `server` block, and the tokens in its environment.
pub fn bench(server: &str) -> Bench {
    let mut bench = Bench::of(&["ledger", "payments", "web"]);
    bench.env.push(("EDIT_TOKEN".to_owned(), EDIT.to_owned()));
    bench.env.push(("VIEW_TOKEN".to_owned(), VIEW.to_owned()));
    serve(&bench, server);
    bench
}

/// Replaces the `server` block.
pub fn serve(bench: &Bench, server: &str) {
    bench.config(&format!("server: {server}\n{}", CONFIG.replace("{integration}", "")));
}

/// Two tokens: `ops` edits, `eyes` looks.
pub const TOKENS: &str = "tokens: [ { name: ops, role: edit, token: { env: EDIT_TOKEN } }, { name: eyes, role: view, token: { env: VIEW_TOKEN } } ]";

/// A sidecar and where it listens.
pub fn start(bench: &Bench) -> (Sidecar<'_>, String) {
    let sidecar = Sidecar::start(bench);
    let address = sidecar.address();
    (sidecar, address)
}
