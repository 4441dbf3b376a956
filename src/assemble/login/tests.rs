//! The holder of a store against the simulator: one renewal at a time, and nothing that came is lost.

use chrono::{DateTime, Duration, Utc};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::*;
use crate::config::{Config, Environment, LoadOptions};
use crate::credentials::{Key, key};
use crate::simulator::{Credential, Endpoint, Fault, Order, Simulator, SimulatorOptions, World};
use crate::source::http::HttpSettings;
use crate::store::sled::SledStore;

struct Bench {
    simulator: Simulator,
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
    holder: Holder,
    key: Key,
    _folder: tempfile::TempDir,
}

fn now() -> DateTime<Utc> {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn secret(text: &str) -> SecretString {
    text.into()
}

impl Bench {
    /// A store with the login `it`, whose access token ends in an hour.
    async fn logged_in() -> Self {
        let world = World::new(1, crate::clock::Clock::manual(now()));
        let credentials = vec![Credential::consumer("key", "secret").calling_back("http://localhost:1/")];
        let simulator =
            Simulator::start(world, SimulatorOptions { credentials, ..SimulatorOptions::default() }).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let sealing = Key::random().unwrap();
        key::write_new(&folder.path().join("key"), &sealing).unwrap();
        let environment = Environment::default();
        let options = LoadOptions {
            config: None,
            store: None,
            listen: None,
            environment: &environment,
            working_directory: folder.path(),
            now: now(),
        };
        let text = "
credentials: { key: { file: key } }
connectors: { acme: { type: bitbucket_cloud, url: https://bitbucket.org/acme, auth: { credential: it } } }
catalogs: { main: { directory: { path: ./catalog } } }
integrations: [ { name: acme, connector: acme, catalog: main } ]
";
        let (config, report) = Config::read(text.as_bytes(), std::path::Path::new("catalog-sync.yaml"), &options);
        let vault = Arc::new(Vault::new(&config.unwrap_or_else(|| panic!("{report}")), &environment));
        let store: Arc<dyn Store> = Arc::new(SledStore::temporary().await.unwrap());
        let url = Url::parse(simulator.url()).unwrap().join("/site/oauth2/access_token").unwrap();
        let endpoint = TokenEndpoint::new(url, &HttpSettings::default()).unwrap();
        let holder = Holder::new(store.clone(), vault.clone(), endpoint);
        let bench = Self { simulator, store, vault, holder, key: sealing, _folder: folder };
        bench.log_in(None).await;
        bench
    }

    /// A person grants access, and it is stored.
    async fn log_in(&self, instead_of: Option<String>) {
        let authorize = format!("{}/site/oauth2/authorize?client_id=key&response_type=code", self.simulator.url());
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
        let answer = client.get(authorize).send().await.unwrap();
        let back = Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
        let code = secret(&back.query_pairs().next().unwrap().1);
        let (key, consumer) = (secret("key"), secret("secret"));
        let grant = Grant::Code { code: &code, verifier: &secret("") };
        let granted = self.holder.endpoint.exchange((&key, &consumer), grant, now(), &|| {}).await.unwrap();
        let login = crate::credentials::login::fingerprint(&granted.access);
        let tokens =
            Tokens { login, refresh: granted.refresh.unwrap(), access: granted.access, until: now() + granted.life };
        let what = Opened { kind: Kind::OAuthLogin, user: Some(key), secret: consumer, tokens: Some(tokens) };
        self.put(instead_of, &what).await;
    }

    async fn put(&self, instead_of: Option<String>, what: &Opened) {
        let head = Head { created_at: now(), updated_at: now(), expires: None };
        let credential = seal(&self.key, "it", what, head).unwrap();
        let change = CredentialChange { name: "it".to_owned(), instead_of, credential };
        assert!(self.store.change_credentials(vec![change]).await.unwrap());
    }

    async fn record(&self) -> SealedCredential {
        self.store.credentials().await.unwrap().remove("it").unwrap()
    }

    async fn tokens(&self) -> Tokens {
        self.vault.open_record("it", &self.record().await).unwrap().tokens.unwrap()
    }

    async fn renewed(&self, refused: Option<&SecretString>, at: DateTime<Utc>) -> Result<String, SourceError> {
        let record = self.holder.renewed("it", "acme", refused.map(fingerprint), at, &|| {}).await?;
        let tokens = self.vault.open_record("it", &record).unwrap().tokens.unwrap();
        Ok(tokens.access.expose_secret().to_owned())
    }

    fn asked(&self) -> u64 {
        self.simulator.requests().count(Endpoint::Token)
    }
}

// P6.4: single flight, by what is stored; a refused token is renewed once, whoever else was refused with it.
#[tokio::test(flavor = "multi_thread")]
async fn many_that_need_a_token_get_one_p6_4() {
    let bench = Bench::logged_in().await;
    let first = bench.tokens().await.access;
    assert_eq!(bench.renewed(None, now()).await.unwrap(), first.expose_secret(), "it lasts");
    assert_eq!(bench.asked(), 1, "the login's own");
    let later = now() + Duration::minutes(59);
    let all = futures::future::join_all((0..8).map(|_| bench.renewed(None, later))).await;
    let second = bench.tokens().await.access;
    assert!(all.into_iter().all(|token| token.unwrap() == second.expose_secret()));
    assert_ne!(first.expose_secret(), second.expose_secret());
    assert_eq!(bench.asked(), 2);
    let all = futures::future::join_all((0..8).map(|_| bench.renewed(Some(&second), later))).await;
    assert!(all.into_iter().all(|token| token.unwrap() != second.expose_secret()));
    assert_eq!(bench.asked(), 3);
    let record = bench.record().await;
    assert_eq!((record.updated_at, record.expires), (later, "2027-02-21".parse().ok()));
    // A clock that was set back: an end that far away was never told by the server.
    bench.renewed(None, now() - Duration::days(30)).await.unwrap();
    assert_eq!(bench.asked(), 4);
}

// P6.4: what the server gave is written also when whoever asked went away.
#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_is_finished_without_its_asker_p6_4() {
    let bench = Bench::logged_in().await;
    let before = bench.tokens().await.refresh;
    bench.simulator.order(Order::next(Fault::Slow(std::time::Duration::from_millis(300))).at(Endpoint::Token));
    let later = now() + Duration::hours(2);
    tokio::select! {
        biased;
        () = async { while bench.asked() < 2 { tokio::task::yield_now().await } } => {}
        _ = bench.renewed(None, later) => panic!("it is slow"),
    }
    drop(bench.store.credential_lease("it").await.unwrap());
    let after = bench.tokens().await;
    assert_ne!(after.refresh.expose_secret(), before.expose_secret());
    assert_eq!(bench.renewed(None, later).await.unwrap(), after.access.expose_secret());
    assert_eq!(bench.asked(), 2);
}

// P6.4: somebody who logs in again while the former login is renewed is not overwritten.
#[tokio::test(flavor = "multi_thread")]
async fn a_newer_login_counts_p6_4() {
    let bench = Bench::logged_in().await;
    let before = bench.record().await;
    bench.simulator.order(Order::next(Fault::Slow(std::time::Duration::from_secs(1))).at(Endpoint::Token));
    let renewing = bench.renewed(None, now() + Duration::minutes(59));
    let logging_in = async {
        while bench.asked() < 2 {
            tokio::task::yield_now().await;
        }
        // As a store that was imported, or a record that was put there without the lease.
        bench.log_in(Some(before.nonce.clone())).await;
    };
    let (token, ()) = tokio::join!(renewing, logging_in);
    assert_eq!(token.unwrap(), bench.tokens().await.access.expose_secret(), "the newer one, renewed");
}

// P6.4: what could not be written is written first, and nothing older is sent to the server.
#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_waited_are_written_first_p6_4() {
    let bench = Bench::logged_in().await;
    let record = bench.record().await;
    let mut opened = bench.vault.open_record("it", &record).unwrap();
    // As if the disk had been full when these came.
    let tokens = opened.tokens.as_mut().unwrap();
    (tokens.access, tokens.until) = (secret("waited"), now() + Duration::hours(3));
    let head = Head { created_at: now(), updated_at: now(), expires: None };
    let credential = seal(&bench.key, "it", &opened, head).unwrap();
    let change = |instead_of: &str| CredentialChange {
        name: "it".to_owned(),
        instead_of: Some(instead_of.to_owned()),
        credential: credential.clone(),
    };
    bench.vault.keep_unwritten(change(&record.nonce));
    let later = now() + Duration::minutes(59);
    assert_eq!(bench.renewed(None, later).await.unwrap(), "waited");
    assert_eq!((bench.asked(), bench.record().await.nonce.clone()), (1, credential.nonce.clone()));
    assert!(bench.vault.unwritten("it").is_none());
    // Written, and not known to be; replaced meanwhile.
    bench.vault.keep_unwritten(change(&record.nonce));
    assert_eq!(bench.renewed(None, later).await.unwrap(), "waited");
    bench.log_in(Some(credential.nonce.clone())).await;
    bench.vault.keep_unwritten(change(&record.nonce));
    assert_ne!(bench.renewed(None, now()).await.unwrap(), "waited");
    assert!(bench.vault.unwritten("it").is_none());
}

// P6.4, P6.11: what cannot be renewed says why; secrets are in none of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_renewed_says_why_p6_11() {
    let bench = Bench::logged_in().await;
    let later = now() + Duration::hours(2);
    let said = async |says: &str| {
        let error = bench.renewed(None, later).await.unwrap_err();
        let text = format!("{error}; {:?}; {error:?}", error.mend());
        assert!(text.contains(says), "{text}");
        assert!(bench.simulator.oauth_secrets().iter().all(|secret| !text.contains(secret.as_str())), "{text}");
        error
    };
    bench.simulator.order(Order::next(Fault::Status(503)).at(Endpoint::Token).times(3));
    assert!(said("503").await.is_transient());
    let echo = format!("no {}", bench.tokens().await.refresh.expose_secret());
    let body = serde_json::json!({"error": {"message": echo}}).to_string();
    let echo = Fault::Answer { status: 418, content_type: "application/json".to_owned(), body };
    bench.simulator.order(Order::next(echo).at(Endpoint::Token));
    said("repeats what was sent").await;
    // The answer is lost on its way, and the old token asked with again: spent.
    bench.simulator.order(Order::next(Fault::ConnectionClosed).at(Endpoint::Token));
    assert!(said("credential login it").await.ends_sync());
    bench.simulator.change_credential(0, |consumer| consumer.revoked = true);
    assert!(matches!(said("401").await, SourceError::Unauthorized { .. }));
    bench.store.delete_credential("it").await.unwrap();
    said("there is no credential `it`").await;
    let bare = Opened { kind: Kind::Secret, user: None, secret: secret("needle"), tokens: None };
    bench.put(None, &bare).await;
    said("is no login any more").await;
}
