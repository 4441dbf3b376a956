//! `simulate`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::config::fields::parse_duration;

/// `simulate`.
#[derive(Clone, Debug, Args)]
pub struct Simulate {
    /// Where it listens; port 0: any free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8990")]
    pub listen: SocketAddr,
    /// Name of the workspace
    #[arg(long, value_name = "NAME", default_value = "acme")]
    pub workspace: String,
    /// How many repositories
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub repositories: usize,
    /// Pull requests of each repository
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub pull_requests: u32,
    /// Commits of each repository
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub commits: u32,
    /// The same seed makes the same workspace
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Time before each answer, like 50ms or 1s
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = latency)]
    pub latency: Duration,
    /// Requests allowed per hour and credential [default: no limit]
    #[arg(long, value_name = "N")]
    pub rate_limit: Option<u32>,
    /// A Bitbucket Data Center instead of Bitbucket Cloud
    #[arg(long)]
    pub data_center: bool,
    /// Path the Data Center is served below, like /bitbucket [default: none]
    #[arg(long, value_name = "PATH", requires = "data_center", value_parser = context)]
    pub context: Option<String>,
    /// Version the Data Center says it is [default: 9.4.0]
    #[arg(long, value_name = "VERSION", requires = "data_center", value_parser = version)]
    pub server_version: Option<String>,
    /// Send webhooks there, signed: something happens every now and then
    #[arg(long, value_name = "URL", requires = "webhook_secret")]
    pub webhook_url: Option<String>,
    /// What signs them
    #[arg(long, value_name = "SECRET", requires = "webhook_url")]
    pub webhook_secret: Option<String>,
    /// How often something happens, like 500ms or 1m
    #[arg(long, value_name = "TIME", default_value = "10s", requires = "webhook_url", value_parser = latency)]
    pub happens_every: Duration,
    /// Serve HTTPS: the certificate as PEM, with those it was signed by
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_certificate: Option<PathBuf>,
    /// The certificate's private key as PEM
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub tls_key: Option<PathBuf>,
}

/// `/bitbucket`, without a slash at its end.
fn context(text: &str) -> Result<String, String> {
    let path = text.trim_end_matches('/');
    let is_path = path.is_empty() || (path.starts_with('/') && !path.contains(['?', '#', '%', ' ']));
    if is_path { Ok(path.to_owned()) } else { Err("write it like `/bitbucket`".to_owned()) }
}

/// `9.4.0`, or `8.19`.
fn version(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.split('.').collect();
    let is_version = (2..=3).contains(&parts.len()) && parts.iter().all(|part| part.parse::<u16>().is_ok());
    if is_version { Ok(text.to_owned()) } else { Err("write it like `9.4.0`".to_owned()) }
}

/// `50ms`, or what the config takes.
fn latency(text: &str) -> Result<Duration, String> {
    let millis = text.strip_suffix("ms").and_then(|number| number.parse().ok()).map(Duration::from_millis);
    millis.or_else(|| parse_duration(text)).ok_or_else(|| "write it like `50ms` or `1s`".to_owned())
}
