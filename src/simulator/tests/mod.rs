//! The simulator asked as a client would ask it: over HTTP.

mod access;
mod data_center;
mod faults;
mod lists;
mod shapes;
mod walks;
mod webhooks;
mod worlds;

use serde_json::Value;

use super::{GenerateOptions, Simulator, SimulatorOptions, World};

/// A server on a world, and a client for it.
struct Server {
    simulator: Simulator,
    client: reqwest::Client,
}

/// What came back.
struct Got {
    status: u16,
    headers: reqwest::header::HeaderMap,
    text: String,
}

impl Got {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl Server {
    async fn on(world: World, options: SimulatorOptions) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
        Self { simulator: Simulator::start(world, options).await.unwrap(), client }
    }

    /// A generated world of so many repositories.
    async fn generated(options: GenerateOptions) -> Self {
        Self::on(World::generate(7, &options), SimulatorOptions::default()).await
    }

    fn address(&self, path: &str) -> String {
        if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.simulator.api_url()) }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Got {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Got { status, headers, text: response.text().await.unwrap() }
    }

    async fn get(&self, path: &str) -> Got {
        self.send(self.client.get(self.address(path))).await
    }

    /// The JSON of a 200.
    async fn json(&self, path: &str) -> Value {
        let got = self.get(path).await;
        assert_eq!(got.status, 200, "{path}: {}", got.text);
        got.json()
    }

    /// The error message of a refusal.
    async fn refusal(&self, path: &str) -> (u16, String) {
        let got = self.get(path).await;
        (got.status, got.json()["error"]["message"].as_str().unwrap_or_default().to_owned())
    }

    /// All rows of a walk by `next`.
    async fn walk(&self, path: &str) -> Vec<Value> {
        let mut rows = Vec::new();
        let mut next = Some(self.address(path));
        while let Some(address) = next {
            let page = self.json(&address).await;
            rows.extend(page["values"].as_array().unwrap().iter().cloned());
            next = page["next"].as_str().map(str::to_owned);
        }
        rows
    }
}

/// One field of each row, as text.
fn column(rows: &[Value], field: &str) -> Vec<String> {
    rows.iter().map(|row| row.pointer(field).and_then(Value::as_str).unwrap_or_default().to_owned()).collect()
}
