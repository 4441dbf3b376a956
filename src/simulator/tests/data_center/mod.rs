//! The simulated Data Center, asked over HTTP.

mod access;
mod lists;
mod pull_requests;
mod shapes;

use serde_json::Value;

use super::super::{Credential, DataCenterOptions, GenerateOptions, SimulatorOptions, World};
use super::{Got, Server};

/// A Data Center below `/bitbucket` on a world.
async fn on(world: World, data_center: DataCenterOptions) -> Server {
    with(world, SimulatorOptions { data_center: Some(data_center), ..SimulatorOptions::default() }).await
}

/// The same with everything else to choose.
async fn with(world: World, options: SimulatorOptions) -> Server {
    let data_center = Some(options.data_center.clone().unwrap_or_default());
    Server::on(world, SimulatorOptions { data_center, ..options }).await
}

/// Version 9.4.0 below `/bitbucket`.
fn usual() -> DataCenterOptions {
    DataCenterOptions::new("9.4.0", "/bitbucket")
}

/// A generated world.
fn world(repositories: usize) -> World {
    World::generate(7, &GenerateOptions::repositories(repositories))
}

impl Server {
    /// All rows of a walk by `nextPageStart`.
    async fn pages(&self, path: &str) -> Vec<Value> {
        let mut rows = Vec::new();
        let mut start = 0;
        loop {
            let joint = if path.contains('?') { '&' } else { '?' };
            let page = self.json(&format!("{path}{joint}start={start}")).await;
            rows.extend(page["values"].as_array().unwrap().iter().cloned());
            if page["isLastPage"] == true {
                return rows;
            }
            start = page["nextPageStart"].as_u64().unwrap();
        }
    }

    /// With `Authorization: Bearer`.
    async fn bearer(&self, path: &str, token: &str) -> Got {
        self.send(self.client.get(self.address(path)).bearer_auth(token)).await
    }

    /// With Basic.
    async fn basic(&self, path: &str, user: &str, password: &str) -> Got {
        self.send(self.client.get(self.address(path)).basic_auth(user, Some(password))).await
    }
}

/// Status, exception without its package, and message of a refusal.
#[track_caller]
fn refused(got: &Got) -> (u16, String) {
    let error = &got.json()["errors"][0];
    let exception = error["exceptionName"].as_str().unwrap_or_default();
    (got.status, exception.rsplit('.').next().unwrap_or_default().to_owned())
}

/// Credentials of every kind.
fn logins() -> Vec<Credential> {
    vec![
        Credential::token("of-a-project"),
        Credential::personal_token("ada", "of-ada"),
        Credential::basic("ada", "password"),
    ]
}
