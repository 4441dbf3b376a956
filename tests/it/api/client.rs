//! A sidecar with tokens, and a client with one of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::Bench;
use crate::sidecar::process::Sidecar;

/// Of the role `edit`, for everything.
pub const OPS: &str = "ops-token-that-is-long-enough-for-anybody";
/// Of the role `view`, for everything.
pub const EYES: &str = "eyes-token-that-is-long-enough-for-anybody";
/// Of the role `edit`, for the integration `acme` alone.
pub const ACME: &str = "acme-token-that-is-long-enough-for-anybody";
/// Of the role `edit`, for another integration.
pub const OTHER: &str = "other-token-that-is-long-enough-for-anybody";

/// The usual config with tokens.
pub const TOKENS: &str = "
server:
  tokens:
    - { name: ops, role: edit, integrations: [\"*\"], token: { env: OPS_TOKEN } }
    - { name: eyes, role: view, integrations: [\"*\"], token: { env: EYES_TOKEN } }
    - { name: of-acme, role: edit, integrations: [acme], token: { env: ACME_TOKEN } }
    - { name: of-other, role: edit, integrations: [other-*], token: { env: OTHER_TOKEN } }
";

/// Adds the tokens to a bench's config.
pub fn with_tokens(mut bench: Bench) -> Bench {
    let config = bench.read("catalog-sync.yaml");
    bench.file("catalog-sync.yaml", &format!("{config}{TOKENS}"));
    for (name, token) in [("OPS_TOKEN", OPS), ("EYES_TOKEN", EYES), ("ACME_TOKEN", ACME), ("OTHER_TOKEN", OTHER)] {
        bench.env.push((name.to_owned(), token.to_owned()));
    }
    bench
}

/// A bench of these repositories, with tokens.
pub fn bench(names: &[&str]) -> Bench {
    with_tokens(Bench::of(names))
}

/// Started, and its first sync has ended.
pub fn synced(bench: &Bench) -> Sidecar<'_> {
    let sidecar = Sidecar::start(bench);
    sidecar.until("its first sync has ended", || sidecar.log().contains("sync ended"));
    sidecar
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub content_type: String,
    pub allow: Option<String>,
    pub text: String,
}

impl Reply {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// A problem of this status: it says what failed, and what to do.
    #[track_caller]
    pub fn problem(&self, status: u16) -> Value {
        assert_eq!((self.status, self.content_type.as_str()), (status, "application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], status, "{problem}");
        assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{problem}");
        assert!(problem["mend"].as_str().is_some_and(|mend| !mend.is_empty()), "{problem}");
        problem
    }
}

/// Asks one sidecar with one token.
#[derive(Clone)]
pub struct Client {
    runtime: Arc<tokio::runtime::Runtime>,
    client: reqwest::Client,
    origin: String,
    token: Option<String>,
}

impl Client {
    pub fn new(bench: &Bench, token: Option<&str>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let run: Value = serde_json::from_str(&bench.read("data/run.json")).expect("JSON");
        let origin = run["address"].as_str().expect("an address").to_owned();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().expect("a client");
        Self { runtime: Arc::new(runtime.expect("a runtime")), client, origin, token: token.map(str::to_owned) }
    }

    pub fn with(&self, token: Option<&str>) -> Self {
        Self { token: token.map(str::to_owned), ..self.clone() }
    }

    pub fn origin(&self) -> &str {
        &self.origin
    }

    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let path = if path.starts_with("/api") { path.to_owned() } else { format!("/api/v1{path}") };
        let method = method.parse().expect("a method");
        let request = self.client.request(method, format!("{}{path}", self.origin));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    #[track_caller]
    pub fn send(&self, request: reqwest::RequestBuilder) -> Reply {
        self.runtime.block_on(async {
            let response = request.send().await.expect("an answer");
            let header =
                |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
            Reply {
                status: response.status().as_u16(),
                content_type: header("content-type").unwrap_or_default(),
                allow: header("allow"),
                text: response.text().await.expect("a body"),
            }
        })
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Reply {
        self.send(self.request("GET", path))
    }

    /// 200, and its JSON.
    #[track_caller]
    pub fn read(&self, path: &str) -> Value {
        self.get(path).is(200).json()
    }

    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(self.request("POST", path).json(body))
    }

    /// The events of a stream until it ends, as name and data.
    #[track_caller]
    pub fn events(&self, path: &str) -> Vec<(String, Value)> {
        let reply = self.get(path).is(200);
        assert_eq!(reply.content_type, "text/event-stream");
        events_of(&reply.text)
    }

    /// Asks until the answer is as wanted.
    #[track_caller]
    pub fn until(&self, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let answer = self.get(path).json();
            if is_so(&answer) {
                return answer;
            }
            assert!(begun.elapsed() < Duration::from_secs(90), "{path}: waited in vain: {answer:#}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Blocks of `event:` and `data:`.
pub fn events_of(text: &str) -> Vec<(String, Value)> {
    let field = |block: &str, name: &str| {
        block.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
    };
    let blocks = text.split("\n\n").filter_map(|block| Some((field(block, "event:")?, field(block, "data:")?)));
    blocks.map(|(event, data)| (event, serde_json::from_str(&data).expect("JSON"))).collect()
}
