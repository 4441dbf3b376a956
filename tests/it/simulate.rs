//! `simulate` by itself: what it announces is there.

use std::io::{BufRead as _, BufReader};

use crate::harness::Bench;

/// Runs `simulate` on a free port and says the URL it announces.
fn announced(bench: &Bench, args: &[&str]) -> (crate::harness::Running, String) {
    let mut arguments = vec!["simulate", "--listen", "127.0.0.1:0", "--repositories", "30"];
    arguments.extend(args);
    let mut running = bench.spawn(&arguments);
    let stderr = running.0.as_mut().and_then(|child| child.stderr.take()).expect("its words");
    let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
    let line = lines.find(|line| line.trim_start().starts_with("url: ")).expect("an address");
    // Its words are read to the end: who writes into a closed pipe is killed.
    std::thread::spawn(move || lines.for_each(drop));
    (running, line.trim_start().trim_start_matches("url: ").to_owned())
}

#[test]
fn a_data_center_is_served_below_its_path_and_under_tls() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let bench = Bench::of(&[]);
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    bench.file("cert.pem", &cert.pem());
    bench.file("key.pem", &signing_key.serialize_pem());
    let instance = ["--data-center", "--context", "/bitbucket/", "--server-version", "8.19.1"];
    let tls = ["--tls-certificate", "cert.pem", "--tls-key", "key.pem"];
    let (running, url) = announced(&bench, &[instance.as_slice(), tls.as_slice()].concat());
    assert!(url.starts_with("https://127.0.0.1:") && url.ends_with("/bitbucket"), "{url}");
    let url = url.replace("127.0.0.1", "localhost");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let answer = runtime.block_on(async {
        let trusted = reqwest::Certificate::from_pem(cert.pem().as_bytes()).expect("a certificate");
        let client = reqwest::Client::builder().tls_certs_only([trusted]).no_proxy().build().expect("a client");
        let get = |path: &str| client.get(format!("{url}/rest/api/latest/{path}")).bearer_auth("any").send();
        let properties: serde_json::Value =
            get("application-properties").await.expect("it").json().await.expect("JSON");
        let repositories: serde_json::Value =
            get("repos?archived=ALL&limit=1000").await.expect("it").json().await.expect("JSON");
        (properties["version"].clone(), repositories["size"].clone())
    });
    assert_eq!(answer, (serde_json::json!("8.19.1"), serde_json::json!(30)));
    running.kill();
    bench.run(&["simulate", "--tls-certificate", "key.pem", "--tls-key", "key.pem"]).exits(1).says(&[
        "could not serve HTTPS",
        "certificate",
        "both as PEM",
    ]);
    bench.run(&["simulate", "--tls-certificate", "none.pem", "--tls-key", "key.pem"]).exits(1).says(&["none.pem"]);
    bench.run(&["simulate", "--context", "/bitbucket"]).exits(2).says(&["--data-center"]);
}
