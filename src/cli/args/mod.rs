//! The command line: every command with its flags, as `--help` shows it, a file per family. What they do is in `commands`.

mod activity;
mod audit;
mod credential;
mod discovered;
mod global;
mod imported;
mod integration;
mod report;
mod repository;
mod rules;
mod simulate;
mod store;
mod sync;
mod webhook;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use self::activity::{Activity, ActivityOf};
pub use self::audit::{Audit, AuditList};
pub use self::credential::{
    Credential, CredentialAdd, CredentialLogin, CredentialRekey, CredentialUpdate, OneCredential, SecretInput,
};
pub use self::discovered::{ActionFilter, Discovered, DiscoveredImport, DiscoveredList, ImportFilter, StateFilter};
pub use self::global::{Color, Global, LogFormat, Output};
pub use self::imported::{Imported, ImportedList, ImportedUndo};
pub use self::integration::{Integration, OneIntegration, Switch};
pub use self::report::Reporting;
pub use self::repository::{OneRepository, Repositories};
pub use self::rules::{Rules, RulesCheck, RulesPreview};
pub use self::simulate::Simulate;
pub use self::store::Store;
pub use self::sync::{Sync, SyncHistory, SyncNow};
pub use self::webhook::{Deliveries, Integrations, Webhook};

/// Keeps a software catalog and Bitbucket together.
///
/// Discovers the repositories of a Bitbucket workspace, recommends for each one to register it as a new
/// entity or to merge it into an existing one, and imports what you decide into your catalog's YAML, with
/// every comment kept.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "catalog-sync",
    version,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = "\
Begin here:
  catalog-sync demo                 see it at work, without an account or a config
  catalog-sync init                 write a commented config to fill in
  catalog-sync check                prove that it reaches Bitbucket and the catalog
  catalog-sync sync now             discover, and list what awaits a decision
  catalog-sync run                  keep doing so

Exit codes: 0 done, 1 failed, 2 usage or config error, 3 done in part, 4 held or refused, 130 interrupted."
)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// See it at work: a simulated workspace, a sample catalog, one real sync
    ///
    /// Needs no account and no config. Everything happens inside this process and in a scratch directory.
    Demo(Demo),
    /// Write a commented starter config
    ///
    /// Writes catalog-sync.yaml (or the file of --config) and never overwrites one.
    #[command(after_help = "\
Examples:
  catalog-sync init                         a commented config to fill in
  catalog-sync init --from satellite.yml    made from the config of another connector; no secret is copied")]
    Init(Init),
    /// Check the config, then connectors and catalogs for real
    #[command(after_help = "\
Examples:
  catalog-sync check                every connector and catalog: reachability, credential, scopes, write access
  catalog-sync check acme           what one integration uses
  catalog-sync check --offline      the config alone, without a secret or a request: for CI")]
    Check(Check),
    /// Run the sidecar: syncs on schedule until it is stopped
    ///
    /// SIGHUP, or a change of the file, reloads the config; a bad one is reported and the old one kept. SIGTERM stops at the next checkpoint.
    Run(Run),
    /// Sync now, and look at past syncs
    #[command(subcommand)]
    Sync(Sync),
    /// Repositories that await a decision
    #[command(subcommand)]
    Discovered(Discovered),
    /// Repositories that are linked to an entity
    #[command(subcommand)]
    Imported(Imported),
    /// Integrations and their switches
    #[command(subcommand)]
    Integration(Integration),
    /// The webhooks on Bitbucket that make changes arrive in seconds
    #[command(
        subcommand,
        after_help = "\
Example:
  catalog-sync webhook create               make them, in each workspace or project of the config
  catalog-sync webhook list                 which of them point to this sidecar
  catalog-sync webhook deliveries --waiting what came and is not worked yet"
    )]
    Webhook(Webhook),
    /// Rules files
    #[command(subcommand)]
    Rules(Rules),
    /// How much is imported, and what does not fit any more between catalog and Bitbucket
    ///
    /// Coverage per project; entities whose repository is missing, gone, archived or renamed; several entities on one
    /// repository; annotations that name what is not there; missing owners; the trend over syncs. Reads only.
    #[command(after_help = "\
Examples:
  catalog-sync report                         every integration
  catalog-sync report acme --fail-under 90    for CI: exit 3 if less than 90 % is imported
  catalog-sync report --output json           the same as data")]
    Report(Reporting),
    /// Pull requests and commits of a repository
    #[command(subcommand)]
    Activity(Activity),
    /// Secrets kept in the store, encrypted
    #[command(
        subcommand,
        after_help = "\
The config names the key that encrypts them, and uses them by name:
  credentials: { key: { file: ./credentials.key } }        the first `credential add` makes the file
  auth: { credential: acme }                               a whole entry, or any secret: { access_token: { credential: acme } }"
    )]
    Credential(Credential),
    /// Who changed what
    #[command(subcommand)]
    Audit(Audit),
    /// The state: verify, back up, move
    #[command(subcommand)]
    Store(Store),
    /// Run the simulated Bitbucket by itself, for trying things out
    #[command(after_help = "\
Point a connector at it:
  url: https://bitbucket.org/acme
  api_url: http://127.0.0.1:8990/2.0
  requests_per_hour: 100000
With --data-center --context /bitbucket:
  url: http://127.0.0.1:8990/bitbucket")]
    Simulate(Simulate),
    /// About the config file
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  catalog-sync completions bash > /etc/bash_completion.d/catalog-sync")]
    Completions {
        /// Which shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    #[command(after_help = "Example:\n  catalog-sync man > catalog-sync.1 && man ./catalog-sync.1")]
    Man,
    /// Print version and build
    Version,
}

/// `demo`.
#[derive(Clone, Debug, Args)]
pub struct Demo {
    /// Leave the sidecar running on the simulated workspace
    #[arg(long)]
    pub serve: bool,
}

/// `init`.
#[derive(Clone, Debug, Args)]
pub struct Init {
    /// Make it from the config of another connector: a satellite.yml of Harness SEI, or the Bitbucket parts of a
    /// Backstage app-config.yaml
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
}

/// `check`.
#[derive(Clone, Debug, Args)]
pub struct Check {
    /// Integrations whose connector and catalog are checked [default: all]
    #[arg(value_name = "INTEGRATION")]
    pub integrations: Vec<String>,
    /// Check the files alone: no secret is read, no request sent
    #[arg(long)]
    pub offline: bool,
}

/// `run`.
#[derive(Clone, Debug, Args)]
pub struct Run {
    /// Address of pages, API and health; outranks `server.listen` [env: CATALOG_SYNC_LISTEN]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
}

/// `config …`.
#[derive(Clone, Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print the JSON Schema of the config file: editors complete and check by it
    #[command(after_help = "\
Example:
  catalog-sync config schema > catalog-sync.schema.json
and as the first line of the config:
  # yaml-language-server: $schema=./catalog-sync.schema.json")]
    Schema,
}
