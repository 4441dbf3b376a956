//! What is taken and what is not.

use std::io::{Read, Write};
use std::net::TcpStream;

use catalog_sync::server::webhooks::signature::sign;

use super::{CLOUD, DATA_CENTER, OLDER, SECRET, Sender, bench_of, body, config, deliveries, idle, keeps_its_secrets};
use crate::sidecar::process::Sidecar;

// P6.12, security.md: only what is signed with a secret of a connector of that product is kept; several secrets
// count while they are replaced; a ping is answered and changes nothing.
#[test]
fn only_what_is_signed_is_kept_p6_12() {
    let bench = bench_of(&["web"]);
    let sidecar = idle(&bench);
    let web = body(&bench.simulator, "acme/web", 1);
    let mut sender = Sender::to(&sidecar.address());
    let mut check = |path: &str, headers: &[(&str, &str)], body: &str, status: u16| {
        let answer = sender.post(path, headers, body.as_bytes());
        assert_eq!(answer.0, status, "{path} {headers:?}: {}", answer.1);
    };
    let push = ("X-Event-Key", "repo:push");
    let signed = |secret: &str, body: &str| sign(secret, body.as_bytes());

    let good = signed(SECRET, &web);
    check(CLOUD, &[push], &web, 401);
    check(CLOUD, &[push, ("X-Hub-Signature", &signed("guessed", &web))], &web, 401);
    check(CLOUD, &[push, ("X-Hub-Signature", "sha256=00")], &web, 401);
    check(CLOUD, &[push, ("X-Hub-Signature", &good)], &format!("{web} "), 401);
    check(DATA_CENTER, &[push, ("X-Hub-Signature", &good)], &web, 401);

    let ping = ("X-Event-Key", "diagnostics:ping");
    check(DATA_CENTER, &[ping], "{\"test\": true}", 200);
    check(CLOUD, &[ping], "{\"test\": true}", 200);
    check(CLOUD, &[ping, ("X-Hub-Signature", &signed(SECRET, "{}"))], "{}", 200);
    check(CLOUD, &[ping, ("X-Hub-Signature", &signed("guessed", "{}"))], "{}", 401);
    check(CLOUD, &[push, ("X-Hub-Signature", &signed(SECRET, "[1]"))], "[1]", 400);
    let issue = ("X-Event-Key", "issue:created");
    check(CLOUD, &[issue, ("X-Hub-Signature", &good)], &web, 200);

    check(CLOUD, &[push, ("X-Hub-Signature", &good), ("X-Request-UUID", "1")], &web, 202);
    let older = body(&bench.simulator, "acme/web", 2);
    check(CLOUD, &[push, ("X-Hub-Signature", &signed(OLDER, &older)), ("X-Request-UUID", "2")], &older, 202);

    // The same number again, and the same body under another number.
    check(CLOUD, &[push, ("X-Hub-Signature", &good), ("X-Request-UUID", "1")], &web, 200);
    check(CLOUD, &[push, ("X-Hub-Signature", &good), ("X-Request-UUID", "3")], &web, 200);
    let other = body(&bench.simulator, "acme/web", 3);
    check(CLOUD, &[push, ("X-Hub-Signature", &signed(SECRET, &other)), ("X-Request-UUID", "2")], &other, 200);
    keeps_its_secrets(&sidecar);
    sidecar.stopped();

    let kept = deliveries(&bench);
    let ids: Vec<&str> = kept.iter().map(|delivery| delivery.id.as_str()).collect();
    assert_eq!(ids, ["2", "1"]);
    assert!(kept.iter().all(|delivery| delivery.connectors == ["acme"]), "{kept:?}");

    // A replay after a restart is known as well.
    let sidecar = Sidecar::start(&bench);
    let mut sender = Sender::to(&sidecar.address());
    let headers = [push, ("X-Hub-Signature", good.as_str()), ("X-Request-UUID", "9")];
    assert_eq!(sender.post(CLOUD, &headers, web.as_bytes()), (200, "known already\n".to_owned()));
    sidecar.stopped();
    assert_eq!(deliveries(&bench).len(), 2);
}

// P6.12: without a secret nothing is taken; a body over 1 MiB is refused before it is read.
#[test]
fn without_a_secret_nothing_is_taken_and_bodies_are_bounded_p6_12() {
    let bench = bench_of(&["web"]);
    bench.integration("");
    let sidecar = idle(&bench);
    let web = body(&bench.simulator, "acme/web", 1);
    assert_eq!(Sender::to(&sidecar.address()).send("repo:push", "1", &web), 401);

    let mut stream = TcpStream::connect(sidecar.address()).expect("it listens");
    write!(stream, "POST {CLOUD} HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n").expect("sent");
    let mut text = [0; 12];
    stream.read_exact(&mut text).expect("an answer before the body");
    assert_eq!(&text, b"HTTP/1.1 413");
    // One that does not say how much comes is cut off.
    let mut stream = TcpStream::connect(sidecar.address()).expect("it listens");
    write!(stream, "POST {CLOUD} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n").expect("sent");
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    for _ in 0..20 {
        let _ = stream.write_all(chunk.as_bytes());
    }
    let _ = stream.write_all(b"0\r\n\r\n");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 413"), "{}", String::from_utf8_lossy(&answer));
    sidecar.stopped();
    assert_eq!(deliveries(&bench), []);
}

// P6.12: webhooks have a port of their own where `webhook_listen` says so, with nothing else on it.
#[test]
fn webhooks_have_a_port_of_their_own_p6_12() {
    let bench = bench_of(&["web"]);
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("a port").port();
    let webhooks = format!("127.0.0.1:{port}");
    bench.config(&format!("server: {{ webhook_listen: \"{webhooks}\" }}\n{}", config()));
    let sidecar = idle(&bench);
    let web = body(&bench.simulator, "acme/web", 1);
    assert_eq!(Sender::to(&webhooks).send("repo:push", "1", &web), 202);
    assert_eq!(Sender::to(&webhooks).post("/api/v1/command", &[], b"{}").0, 404);
    let other = body(&bench.simulator, "acme/web", 2);
    let elsewhere = Sender::to(&sidecar.address()).send("repo:push", "2", &other);
    // Whoever is not known is asked to sign in, whatever the place.
    assert!([303, 401].contains(&elsewhere), "{elsewhere}");
    sidecar.stopped();
    assert_eq!(deliveries(&bench).len(), 1);
}
