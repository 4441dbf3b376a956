//! A place to sync in: catalog, config and stores of their own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use catalog_sync::backfill::CONCURRENCY;
use catalog_sync::source::bitbucket_data_center::MOST_AT_ONCE;
use serde_json::{Value, json};

use crate::process::{Run, measured};
use crate::server::Server;
use crate::{ROLE, Result, TOKEN, wrong};

/// A scratch directory with catalog, config and stores; it goes with the bench.
pub struct Site {
    scratch: tempfile::TempDir,
    /// Scheme, host and port of the server.
    origin: String,
    /// Requests that a sync has under way at once.
    at_once: usize,
}

impl Site {
    pub fn new(server: &Server, per_sync: u64) -> Result<Self> {
        let kind = json!({"first_sync": 50, "per_sync": per_sync});
        // The simulated Data Center serves no git: asking for it would cost each repository a request.
        let commits = json!({"first_sync": 50, "per_sync": per_sync, "via": "rest"});
        Self::with_kinds(server, &json!({"pull_requests": kind, "commits": commits}))
    }

    pub fn without_kinds(server: &Server) -> Result<Self> {
        Self::with_kinds(server, &json!({}))
    }

    pub fn with_kinds(server: &Server, kinds: &Value) -> Result<Self> {
        let scratch = tempfile::tempdir().map_err(wrong("make a scratch directory"))?;
        let mut origin = url::Url::parse(&server.api_url).map_err(|error| error.to_string())?;
        origin.set_path("");
        let at_once = if server.served.data_center { CONCURRENCY.min(MOST_AT_ONCE) } else { CONCURRENCY };
        let site = Self { scratch, origin: origin.as_str().trim_end_matches('/').to_owned(), at_once };
        let mut connector = json!({"auth": {"access_token": {"env": "BENCH_TOKEN"}}});
        if server.served.data_center {
            connector["type"] = json!("bitbucket_data_center");
            connector["url"] = json!(server.base_url);
            connector["requests_per_second"] = json!(10_000);
        } else {
            connector["type"] = json!("bitbucket_cloud");
            connector["url"] = json!("https://bitbucket.org/acme");
            connector["api_url"] = json!(server.api_url);
            connector["requests_per_hour"] = json!(1_000_000);
            connector["reserve"] = json!("0%");
        }
        if let Some(git_url) = &server.git_url {
            connector["git_url"] = json!(git_url);
        }
        let config = json!({
            "connectors": {"acme": connector},
            "catalogs": {"main": {"directory": {"path": "./catalog"}}},
            "integrations": [{"name": "acme", "connector": "acme", "catalog": "main", "secondary_kinds": kinds}],
        });
        // JSON is YAML.
        fs::write(site.path("catalog-sync.yaml"), config.to_string()).map_err(wrong("write a config"))?;
        fs::create_dir(site.path("catalog")).map_err(wrong("make a catalog"))?;
        for (number, slugs) in server.entities.chunks(10).enumerate() {
            let documents: Vec<String> = slugs
                .iter()
                .map(|slug| {
                    format!(
                        "# written by hand\napiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: {slug}\n\
                         spec:\n  type: service\n  lifecycle: production\n  owner: group:default/platform\n"
                    )
                })
                .collect();
            let path = site.path("catalog").join(format!("components-{number:04}.yaml"));
            fs::write(path, documents.join("---\n")).map_err(wrong("write a catalog"))?;
        }
        Ok(site)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn program(&self, store: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_catalog-sync"));
        command
            .arg("--config")
            .arg(self.path("catalog-sync.yaml"))
            .args(["--output", "json", "--quiet"])
            .args(arguments)
            .env("CATALOG_SYNC_STORE", self.path(store))
            .env("BENCH_TOKEN", TOKEN)
            .env_remove("RUST_LOG");
        command
    }

    pub fn command(&self, store: &str, arguments: &[&str]) -> Result<Run> {
        measured(self.program(store, arguments))
    }

    pub fn sync(&self, store: &str) -> Result<Run> {
        self.command(store, &["sync", "now"])
    }

    /// Fetches these pages and drops them, unread or once their JSON was read.
    pub fn floor(&self, targets: &[String], reads: bool) -> Result<Run> {
        let list = self.path("targets");
        fs::write(&list, targets.join("\n")).map_err(wrong("write the list of pages"))?;
        let mut command = Command::new(std::env::current_exe().map_err(wrong("find this program"))?);
        command.env(ROLE, "floor").env("BENCH_TARGETS", list).env("BENCH_ORIGIN", &self.origin);
        command.env("BENCH_AT_ONCE", self.at_once.to_string());
        if reads {
            command.env("BENCH_READS", "yes");
        }
        measured(command)
    }

    pub fn store_bytes(&self, store: &str) -> Result<u64> {
        Ok(files(&self.path(store))?.values().map(|(_, bytes)| bytes).sum())
    }

    pub fn catalog_state(&self) -> Result<Files> {
        files(&self.path("catalog"))
    }
}

/// When each file below a directory was written, and its size.
pub type Files = BTreeMap<PathBuf, (std::time::SystemTime, u64)>;

fn files(under: &Path) -> Result<Files> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![under.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory).map_err(wrong("list a directory"))? {
            let entry = entry.map_err(wrong("list a directory"))?;
            let metadata = entry.metadata().map_err(wrong("look at a file"))?;
            if metadata.is_dir() {
                waiting.push(entry.path());
            } else {
                found.insert(entry.path(), (metadata.modified().map_err(wrong("look at a file"))?, metadata.len()));
            }
        }
    }
    Ok(found)
}

pub fn changed(before: &Files, after: &Files) -> usize {
    let new_or_other = after.iter().filter(|(path, state)| before.get(*path) != Some(*state)).count();
    new_or_other + before.keys().filter(|path| !after.contains_key(*path)).count()
}
