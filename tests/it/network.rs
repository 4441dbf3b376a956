//! How Bitbucket is reached (P6.7): TLS under a private certificate authority, and a proxy by CONNECT; and that no
//! secret shows on the way, whatever fails (P6.4).

use base64::Engine as _;
use catalog_sync::simulator::{Credential, Endpoint, Fault, NewRepository, Order, SimulatorOptions};

use crate::harness::{Bench, Output, TOKEN, number, world};
use crate::net::Net;

/// A host that no resolver knows: it is reached through the proxy, or not at all.
const HOST: &str = "bitbucket.test";

/// The usual config with another address of the API, and more lines for the connector.
fn configure(bench: &Bench, api_url: &str, lines: &str) {
    let config = crate::harness::CONFIG.replace("{integration}", "");
    bench.config(&config.replace("api_url: {api_url}", &format!("api_url: {api_url}\n    {lines}")));
}

// P6.7: certificates are always verified, against the system's roots and those of the bundle.
#[test]
fn a_private_authority_is_trusted_by_its_bundle_alone_p6_7() {
    let bench = Bench::of(&["payments-api", "web"]);
    let net = Net::new();
    let (front, authority) = net.tls(&["localhost"], bench.simulator.port());
    let (_, another) = net.tls(&["localhost"], bench.simulator.port());
    bench.file("ca.pem", &authority);
    bench.file("another.pem", &another);
    let url = format!("https://localhost:{}/2.0", front.port());

    for lines in ["", "ca_bundle: ./another.pem"] {
        configure(&bench, &url, lines);
        let said = bench.run(&["sync", "now"]).exits(1);
        let all = format!("{}{}", said.stdout, said.stderr);
        assert!(all.to_lowercase().contains("certificate") && all.contains("ca_bundle"), "{all}");
        bench.run(&["check"]).exits(4).shows(&["unreachable", "ca_bundle"]);
    }
    assert_eq!(bench.simulator.requests().total, 0, "nothing was said to who could not prove itself");

    // The right authority for another host is no proof, either.
    let (elsewhere, of_elsewhere) = net.tls(&["elsewhere.test"], bench.simulator.port());
    bench.file("elsewhere.pem", &of_elsewhere);
    configure(&bench, &format!("https://localhost:{}/2.0", elsewhere.port()), "ca_bundle: ./elsewhere.pem");
    bench.run(&["sync", "now"]).exits(1);
    assert_eq!(bench.simulator.requests().total, 0);

    configure(&bench, &url, "ca_bundle: ./ca.pem");
    let record = bench.sync_exits(0);
    assert_eq!(number(&record, "/repositories/seen"), 2, "{record}");
    assert_eq!(number(&record, "/secondary/commits/stored"), 6, "{record}");
    bench.run(&["check"]).ok();
    bench.file("ca.pem", "no certificate at all");
    let said = bench.run(&["sync", "now"]).exits(2);
    said.says(&["ca.pem", "mend:"]);
}

// P6.7: the proxy of the connector, else that of the environment; its password never shows.
#[test]
fn a_proxy_is_asked_by_connect_p6_7() {
    let mut bench = Bench::of(&["payments-api", "web"]);
    let net = Net::new();
    let (front, authority) = net.tls(&[HOST], bench.simulator.port());
    let proxy = net.proxy(&[(HOST, front)], "robot:proxy-needle");
    bench.file("ca.pem", &authority);
    let url = format!("https://{HOST}/2.0");
    let of_config = format!("proxy: http://robot:proxy-needle@{proxy}\n    ca_bundle: ./ca.pem");

    configure(&bench, &url, &of_config);
    assert_eq!(number(&bench.sync_exits(0), "/repositories/seen"), 2);
    let asked = net.asked();
    assert!(!asked.is_empty());
    for head in &asked {
        assert!(head.starts_with(&format!("CONNECT {HOST}:443 HTTP/1.1\r\n")), "{head}");
        assert!(
            !head.contains("Authorization: Bearer") && !head.contains("needle"),
            "the token is for Bitbucket: {head}"
        );
    }

    // From the environment; without it, the host is not found.
    std::fs::remove_dir_all(bench.path("data")).expect("a new store");
    configure(&bench, &url, "ca_bundle: ./ca.pem");
    let mut told = vec![bench.run(&["sync", "now"]).exits(1), bench.run(&["check"]).exits(4)];
    told[1].clone().shows(&["unreachable"]);
    bench.env.push(("HTTPS_PROXY".to_owned(), format!("http://robot:proxy-needle@{proxy}")));
    assert_eq!(number(&bench.sync_exits(0), "/repositories/seen"), 2);
    assert!(net.asked().len() > asked.len());

    // Refused by the proxy, and a proxy that is not there: said, with its host and without its password.
    for wrong in [format!("http://robot:wrong-needle@{proxy}"), "http://robot:wrong-needle@127.0.0.1:1".to_owned()] {
        configure(&bench, &url, &format!("proxy: {wrong}\n    ca_bundle: ./ca.pem"));
        for args in [["sync", "now"].as_slice(), &["check"], &["check", "--output", "json"], &["-v", "sync", "now"]] {
            let said = bench.run(args);
            assert!(matches!(said.status, Some(1 | 4)), "{said:?}");
            told.push(said);
        }
    }
    silent(&told, &["needle", "cm9ib3Q6"]);
}

/// None of these is in anything that was printed.
#[track_caller]
fn silent(told: &[Output], needles: &[&str]) {
    for output in told {
        for text in [&output.stdout, &output.stderr] {
            for needle in needles {
                assert!(!text.contains(needle), "`{needle}` in:\n{text}");
            }
        }
    }
}

// P6.4, security.md: the secret of an OAuth consumer and an API token show nowhere, whatever fails.
#[test]
fn no_consumer_secret_and_no_api_token_is_ever_printed_p6_4() {
    let secret = "s3cr+t/needle=%7E&42";
    let consumer = (Credential::consumer("consumer-key", secret), "oauth: { key: consumer-key, secret: { env: S } }");
    let api_token =
        (Credential::api_token("me@acme.dev", secret), "api_token: { email: me@acme.dev, token: { env: S } }");
    for (credential, auth) in [consumer, api_token] {
        let mut world = world();
        world.add_repository("acme", NewRepository::named("web").with_commits(1));
        let options = SimulatorOptions { credentials: vec![credential.clone()], ..SimulatorOptions::default() };
        let mut bench = Bench::with(world, options);
        bench.env = vec![("S".to_owned(), secret.to_owned())];
        let usual = crate::harness::CONFIG.replace("{integration}", "");
        bench.config(&usual.replace("access_token: { env: BITBUCKET_TOKEN }", auth));
        let good = bench.read("catalog-sync.yaml");
        let mut told = vec![bench.run(&["sync", "now", "-v"]).ok(), bench.run(&["check"]).ok()];

        let mut run = |bench: &Bench| {
            for args in [
                ["sync", "now", "--full", "-v"].as_slice(),
                &["sync", "now", "--full", "--output", "json"],
                &["sync", "now", "--full", "--log-format", "json", "-v"],
                &["check"],
                &["check", "--output", "json"],
                &["sync", "history", "--output", "json"],
            ] {
                told.push(bench.run(args));
            }
        };
        for login in [Credential::token(TOKEN), credential.clone().with_scopes(&[])] {
            bench.simulator.set_credentials(vec![login]);
            run(&bench);
        }
        bench.simulator.set_credentials(vec![credential.clone()]);
        let echo = Fault::Answer {
            status: 400,
            content_type: "application/json".to_owned(),
            body: format!(r#"{{"error":"invalid_client","error_description":"bad secret {secret}"}}"#),
        };
        for fault in [Fault::Status(500), Fault::Status(403), echo] {
            bench.simulator.order(Order::always(fault.clone()).at(Endpoint::Token));
            bench.simulator.order(Order::always(fault));
            run(&bench);
            bench.simulator.clear_orders();
        }
        // Where none belongs: written out, and under a key that is not one.
        bench.config(&good.replace("{ env: S }", &format!("\"{secret}\"")));
        run(&bench);
        bench.config(&good.replace("{ env: S }", &format!("{{ evn: \"{secret}\" }}")));
        run(&bench);

        let base64 = |text: String| base64::engine::general_purpose::STANDARD.encode(text);
        let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let pairs = [base64(format!("consumer-key:{secret}")), base64(format!("me@acme.dev:{secret}"))];
        silent(&told, &["needle", secret, &encoded, &pairs[0], &pairs[1]]);
        for (name, bytes) in bench.files("data") {
            assert!(!bytes.windows(6).any(|window| window == b"needle"), "{name}");
        }
    }
}
