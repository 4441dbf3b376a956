//! TLS of our own listener, beside listeners for webhooks and health.

use std::net::TcpListener;

use super::http::{EDIT, TOKENS, bench, list, send, serve};
use crate::harness::Bench;
use crate::sidecar::process::Sidecar;

/// Makes a pair for `localhost`, and writes it.
fn certify(bench: &Bench) -> String {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a pair");
    bench.file("key.pem", &made.signing_key.serialize_pem());
    bench.file("certificate.pem", &made.cert.pem());
    made.cert.pem()
}

/// A port nobody has just now.
fn free() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

/// The status of a request by somebody who trusts this certificate; `None`: they do not believe that it is us.
fn status(certificate: &str, url: &str) -> Option<u16> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let trusted = reqwest::Certificate::from_pem(certificate.as_bytes()).expect("a certificate");
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([trusted]).build().expect("a client");
        let reply = client.post(url).bearer_auth(EDIT).json(&list()).send().await.ok()?;
        Some(reply.status().as_u16())
    })
}

// contract.md, server.tls: HTTPS with our certificate, taken anew when the files change; commands of this host go on,
// cookies are for TLS alone.
#[test]
fn tls_is_served_and_a_renewed_certificate_taken_p7_2_p7_4() {
    let bench = bench("{ }");
    let certificate = certify(&bench);
    serve(&bench, &format!("{{ {TOKENS}, tls: {{ certificate: certificate.pem, key: key.pem }} }}"));
    let port = free();
    let listen = format!("127.0.0.1:{port}");
    let sidecar = Sidecar::with_listen(&bench, &listen);
    let url = format!("https://localhost:{port}/api/v1/command");
    assert_eq!(status(&certificate, &url), Some(200));
    // Who speaks no TLS gets nothing.
    assert_eq!(send(&listen, "GET /healthz", &[], "").status, 0);
    // On this host everything is as before.
    assert_ne!(sidecar.address(), listen);
    bench.run(&["integration", "suspend", "acme"]).ok();
    assert!(sidecar.log().contains("another terminal: integration suspend acme: done"), "{}", sidecar.log());
    send(&sidecar.address(), "GET /login", &[], "").is(404);

    let renewed = certify(&bench);
    sidecar.until("the new certificate is shown", || status(&renewed, &url) == Some(200));
    assert_eq!(status(&certificate, &url), None);
    bench.file("certificate.pem", "half of it");
    sidecar.until("a broken one is told", || {
        let _ = status(&renewed, &url);
        sidecar.log().contains("the one before stays in use")
    });
    assert_eq!(status(&renewed, &url), Some(200));
    sidecar.stopped();
}

// contract.md: a certificate that cannot be used is told at start.
#[test]
fn a_certificate_that_cannot_be_used_is_told_p7_2() {
    let bench = bench("{ }");
    certify(&bench);
    bench.file("key.pem", "no key");
    serve(&bench, "{ listen: \"127.0.0.1:0\", tls: { certificate: certificate.pem, key: key.pem } }");
    bench.run(&["run"]).exits(1).says(&["TLS cannot be served", "key.pem holds no private key in PEM", "mend:"]);
    assert!(!bench.path("data/run.json").exists());
}

// contract.md: webhooks and health on listeners of their own are nowhere else, and nothing else is there.
#[test]
fn listeners_of_their_own_serve_that_alone_p7_2_p7_4() {
    let (webhooks, health) = (format!("127.0.0.1:{}", free()), format!("127.0.0.1:{}", free()));
    let bench = bench(&format!("{{ {TOKENS}, webhook_listen: \"{webhooks}\", health_listen: \"{health}\" }}"));
    let sidecar = Sidecar::start(&bench);
    let main = sidecar.address();
    send(&health, "GET /healthz", &[("Host", "any.name.of.a.pod")], "").is(200);
    send(&health, "GET /readyz", &[], "").is(200);
    for (address, line) in [
        (&health, "GET /login"),
        (&health, "POST /api/v1/command"),
        (&webhooks, "GET /login"),
        (&webhooks, "POST /api/v1/command"),
        (&webhooks, "GET /healthz"),
    ] {
        send(address, line, &[], "").is(404);
    }
    send(&main, "GET /healthz", &[], "").is(303);
    sidecar.stopped();
}

// contract.md: beyond loopback only with tokens, and with TLS or behind a proxy.
#[test]
fn beyond_loopback_wants_tokens_and_tls_p7_4() {
    let bench = bench("{ listen: \"0.0.0.0:0\" }");
    bench.run(&["run"]).exits(2).says(&["lets other machines reach the API", "without tokens anybody could use it"]);
    serve(&bench, &format!("{{ listen: \"0.0.0.0:0\", {TOKENS} }}"));
    bench.run(&["run"]).exits(2).says(&["tokens would cross the network in the clear", "server.tls"]);
    serve(&bench, "{ identity: { user_header: X-User } }");
    bench.run(&["run"]).exits(2).says(&["believed only from `behind_proxy` peers"]);
}
