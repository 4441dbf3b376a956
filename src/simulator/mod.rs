//! A small Bitbucket, Cloud or Data Center, behind a real HTTP server. The demo, our end-to-end tests, the measurements
//! and the command `simulate` use it, so that the client under test pages, retries, authenticates and parses for real.
//!
//! ```text
//! world (data) + history, pull_requests, builds, changes      ← generate, demo (how worlds come about)
//! cloud, data_center (routes, lists, pages, objects) behind face → serving (credentials, faults, log) → server (threads, TLS)
//! ```
//!
//! What it does beyond listing is what hurts on the real ones. Cloud: pages shift while they are walked, `pagelen` over
//! the maximum is refused, commits know no page numbers, nearly everything can be null, limits are a rolling hour. What
//! hurts on a Data Center is told in its room.

mod access;
mod answer;
mod builds;
mod changes;
mod cloud;
mod data_center;
mod demo;
mod face;
mod fault;
mod generate;
mod git;
mod grants;
mod history;
mod instance;
mod json;
mod kept;
mod limits;
mod pull_requests;
mod seed;
mod serve;
mod server;
mod serving;
mod tls;
mod uuid;
mod vocabulary;
mod webhooks;
mod world;

#[cfg(test)]
mod tests;

pub use access::{Credential, Login, RateHeaders, RetryAfter, TokenBucket};
pub use builds::{BuildState, BuildStatus};
pub use data_center::{DataCenterOptions, NewestBy};
pub use fault::{BadRow, Endpoint, Fault, Hook, Order};
pub use generate::GenerateOptions;
pub use history::{Commit, History};
pub use pull_requests::{NewPullRequest, Participant, PullRequest, PullRequestState, Verdict};
pub use serve::{ServeOptions, serve};
pub use server::{RequestLog, RequestRecord, Simulator, SimulatorOptions, WorldGuard};
pub use tls::Tls;
pub use uuid::Uuid;
pub use webhooks::Webhook;
pub use world::{NewRepository, Person, PersonId, Project, Repository, Workspace, World};
