//! Connectors that cannot work (issue 3, "Bad input"): each is told apart from the others, with the way out, by the
//! built program; nothing is stored and nothing is written.

use catalog_sync::simulator::{
    Credential, DataCenterOptions, Fault, NewRepository, Order, SimulatorOptions, Tls, World,
};

use crate::harness::{Bench, TOKEN, world};

const TOKEN_AUTH: &str = "{ access_token: { env: BITBUCKET_TOKEN } }";

/// What is said of a connector, and how the program ends.
struct Told {
    exit: i32,
    text: String,
}

/// Checks a connector, and syncs by it where the config has no fault; both must fail.
#[track_caller]
fn told(bench: &Bench, kind: &str, lines: &str, auth: &str, integration: &str) -> Told {
    bench.config(&format!(
        "store: ./data\nconnectors:\n  it:\n    type: {kind}\n    {lines}\n    auth: {auth}\ncatalogs:\n  main:\n    directory: {{ path: ./catalog }}\nintegrations:\n  - name: it\n    connector: it\n    catalog: main\n    {integration}\n"
    ));
    let checked = bench.run(&["check"]);
    let synced = bench.run(&["sync", "now"]);
    assert_ne!(synced.status, Some(0), "it syncs:\n{}{}", synced.stdout, synced.stderr);
    assert!(bench.files("catalog").is_empty());
    let text = format!("{}{}", checked.stdout, checked.stderr);
    for output in [&text, &synced.stdout, &synced.stderr] {
        assert!(!output.contains(TOKEN) && !output.contains("needle"), "a secret shows:\n{output}");
    }
    Told { exit: checked.status.expect("an end"), text }
}

impl Told {
    /// Says this, and how to mend it; in the table that the test prints, by its first words.
    #[track_caller]
    fn says(&self, what: &str, exit: i32, parts: &[&str]) {
        assert_eq!(self.exit, exit, "{what}:\n{}", self.text);
        for part in parts {
            assert!(self.text.contains(part), "{what}: `{part}` is not said:\n{}", self.text);
        }
        let line = |mark: &str| self.text.lines().find(|line| line.trim_start().starts_with(mark)).unwrap_or_default();
        let mend = line("mend:");
        assert!(!mend.is_empty(), "{what}: no mend:\n{}", self.text);
        println!("{what}\n    {}\n    {}", parts[0], mend.trim());
    }
}

fn a_few(world: &mut World) {
    for name in ["payments-api", "web", "docs"] {
        world.add_repository("acme", NewRepository::named(name).with_commits(2));
    }
}

fn data_center(tls: Option<Tls>) -> Bench {
    let mut world = world();
    a_few(&mut world);
    let options = SimulatorOptions {
        credentials: vec![Credential::personal_token("ci", TOKEN)],
        data_center: Some(DataCenterOptions { context: "/bitbucket".to_owned(), ..DataCenterOptions::default() }),
        tls,
        ..SimulatorOptions::default()
    };
    Bench::with(world, options)
}

#[test]
fn addresses_of_data_center_are_told_apart_p6_1_p6_9() {
    let bench = data_center(None);
    let base = bench.simulator.base_url().to_owned();
    let origin = base.trim_end_matches("/bitbucket").to_owned();
    let told = |url: &str, integration: &str| {
        told(&bench, "bitbucket_data_center", &format!("url: {url}"), TOKEN_AUTH, integration)
    };
    told(&base, "workspace: NOPE").says("a wrong project key", 4, &["projects/NOPE/repos was not found", "KEY"]);
    told(&origin, "").says("no context path", 4, &["application-properties was not found", "context path"]);
    told(&format!("{base}/rest/api/latest"), "").says("the API's address", 2, &["this is the address of the API"]);
    told(&format!("{base}/scm/PAY/web.git"), "workspace: OTHER").says(
        "a repository, and another project",
        2,
        &["OTHER"],
    );
    told("https://bitbucket.org/acme", "").says("Cloud's address", 2, &["type: bitbucket_cloud"]);
    told("git@bitbucket.test", "").says(
        "an SSH address and no server there",
        4,
        &["could not reach https://bitbucket.test"],
    );
    let page = Fault::Answer {
        status: 200,
        content_type: "text/html".to_owned(),
        body: "<html>Sign in to the proxy</html>".to_owned(),
    };
    bench.simulator.order(Order::always(page));
    told(&base, "").says("a proxy that answers HTML", 4, &["HTML"]);
}

#[test]
fn credentials_are_told_apart_p6_4_p6_6_p6_9() {
    let bench = data_center(None);
    let base = format!("url: {}", bench.simulator.base_url());
    let of = |kind: &str, lines: &str, auth: &str| told(&bench, kind, lines, auth, "");
    bench.simulator.change_credential(0, |credential| credential.revoked = true);
    of("bitbucket_data_center", &base, TOKEN_AUTH).says("an expired token", 4, &["invalid_credentials"]);
    bench.simulator.change_credential(0, |credential| credential.revoked = false);
    let key = "{ ssh_key: { file: ./id } }";
    let ssh = "url: ssh://git@bitbucket.test:7999/PAY/web.git";
    of("bitbucket_data_center", ssh, key).says("SSH without the API", 2, &["there is no credential for the API"]);
    let basic = "{ basic: { username: ci, password: { env: BITBUCKET_TOKEN } } }";
    let cloud = "url: https://bitbucket.org/acme";
    of("bitbucket_cloud", cloud, basic).says("an app password", 2, &["do not work on Bitbucket Cloud", "2026-07-28"]);
    let api_token = "{ api_token: { email: me@acme.dev, token: { env: BITBUCKET_TOKEN } } }";
    of("bitbucket_data_center", &base, api_token).says("a token of Cloud", 2, &["are for Bitbucket Cloud"]);
}

/// A token that sees one repository is none of a workspace.
#[test]
fn a_token_of_one_repository_is_none_of_a_workspace_p6_4() {
    let mut world = world();
    a_few(&mut world);
    let one = Credential::token(TOKEN).seeing(&["acme/web"]).with_scopes(&["repository", "pullrequest"]);
    let bench = Bench::with(world, SimulatorOptions { credentials: vec![one], ..SimulatorOptions::default() });
    let lines = format!("url: https://bitbucket.org/acme\n    api_url: {}", bench.simulator.api_url());
    bench.config(&format!(
        "store: ./data\nconnectors:\n  it:\n    type: bitbucket_cloud\n    {lines}\n    auth: {TOKEN_AUTH}\ncatalogs:\n  main:\n    directory: {{ path: ./catalog }}\nintegrations:\n  - {{ name: it, connector: it, catalog: main }}\n"
    ));
    let said = bench.run(&["check"]).exits(4);
    let told = Told { exit: 4, text: format!("{}{}", said.stdout, said.stderr) };
    told.says("a token of one repository", 4, &["this is a repository-level token", "not for one repository"]);
}

#[test]
fn a_certificate_of_its_own_needs_its_bundle_p6_7() {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).expect("a certificate");
    let bench = data_center(Some(Tls { certificate: cert.pem(), key: signing_key.serialize_pem() }));
    let url = format!("url: {}", bench.simulator.base_url());
    let of = |lines: &str| told(&bench, "bitbucket_data_center", lines, TOKEN_AUTH, "");
    of(&url).says("a self-signed certificate, no CA", 4, &["ertificate", "set `ca_bundle: ./ca.pem`"]);
    let missing = format!("{url}\n    ca_bundle: ./nowhere.pem");
    of(&missing).says("a CA bundle that is not there", 4, &["nowhere.pem"]);
    assert_eq!(bench.simulator.requests().total, 0, "nothing was said to who could not prove itself");
}
