//! Who sends webhooks: a socket, and the secret.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use catalog_sync::server::webhooks::signature::sign;

/// What both sides know.
pub const SECRET: &str = "a secret that both sides know, and nobody else";
/// Where Cloud sends to.
pub const CLOUD: &str = "/webhooks/bitbucket_cloud";

/// A sender's connection, which is kept.
pub struct Sender(BufReader<TcpStream>, String);

impl Sender {
    pub fn to(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket");
        stream.set_nodelay(true).expect("a socket");
        Self(BufReader::new(stream), address.to_owned())
    }

    /// Posts; status and text, or `None` where the other side is gone.
    pub fn try_post(&mut self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Option<(u16, String)> {
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
    pub fn post(&mut self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, String) {
        self.try_post(path, headers, body).expect("an answer")
    }

    /// A signed event of Cloud.
    #[track_caller]
    pub fn send(&mut self, event: &str, id: &str, body: &str) -> u16 {
        let signature = sign(SECRET, body.as_bytes());
        let headers = [("X-Event-Key", event), ("X-Request-UUID", id), ("X-Hub-Signature", signature.as_str())];
        self.post(CLOUD, &headers, body.as_bytes()).0
    }
}
