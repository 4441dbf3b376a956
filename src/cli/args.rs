//! The command line: every command with its flags, as `--help` shows it. What they do is in `commands`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::config::RepositoryRef;
use crate::config::fields::parse_duration;
use crate::credentials::Kind;
use crate::error::escape_control;

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

/// Flags that every command takes, before or behind its name.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The config file [env: CATALOG_SYNC_CONFIG] [default: ./catalog-sync.yaml, then the user's and the
    /// system's config folder]
    #[arg(long, short = 'c', global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The directory state is kept in; outranks `store` of the config [env: CATALOG_SYNC_STORE]
    #[arg(long, global = true, value_name = "DIR")]
    pub store: Option<PathBuf>,
    /// How results are printed; they alone go to stdout
    #[arg(long, short = 'o', global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Output,
    /// Log more; twice: everything
    #[arg(long, short = 'v', global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// Log errors only, and show no progress
    #[arg(long, short = 'q', global = true)]
    pub quiet: bool,
    /// Colour
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
    /// How log lines are written to stderr
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub log_format: LogFormat,
    /// Answer every question with yes; without it and without a terminal, a question is refused
    #[arg(long, short = 'y', global = true)]
    pub yes: bool,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A table as wide as the terminal.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// The same as YAML.
    Yaml,
}

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
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
    Init,
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
    /// Rules files
    #[command(subcommand)]
    Rules(Rules),
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
    /// Address of API and health; outranks `server.listen` [env: CATALOG_SYNC_LISTEN]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
}

/// `sync …`.
#[derive(Clone, Debug, Subcommand)]
pub enum Sync {
    /// Sync now, with progress
    #[command(after_help = "\
Examples:
  catalog-sync sync now                      every integration that is not suspended
  catalog-sync sync now acme --dry-run       print what would be written, write nothing anywhere
  catalog-sync sync now --output json        one object per integration")]
    Now(SyncNow),
    /// Past syncs, newest first
    History(SyncHistory),
    /// One sync: counts, errors, what it held
    Show {
        /// The sync's id, as `sync history` shows it
        id: String,
    },
    /// Apply what a guard held back in a sync, as far as it still holds
    Approve {
        /// The sync's id, as `sync history` shows it
        id: String,
    },
}

/// `sync now`.
#[derive(Clone, Debug, Args)]
pub struct SyncNow {
    /// Integrations to sync [default: all that are not suspended]
    #[arg(value_name = "INTEGRATION")]
    pub integrations: Vec<String>,
    /// Write nothing anywhere, and print the plan
    #[arg(long)]
    pub dry_run: bool,
    /// List every repository again, even if little seems to have changed
    #[arg(long)]
    pub full: bool,
}

/// `sync history`.
#[derive(Clone, Debug, Args)]
pub struct SyncHistory {
    /// Of one integration only
    #[arg(value_name = "INTEGRATION")]
    pub integration: Option<String>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
}

/// `discovered …`.
#[derive(Clone, Debug, Subcommand)]
pub enum Discovered {
    /// What awaits a decision
    #[command(after_help = "\
Examples:
  catalog-sync discovered list --action conflict
  catalog-sync discovered list --state hidden          what filters hide, and which filter
  catalog-sync discovered list --search pay --output json")]
    List(DiscoveredList),
    /// Explain one recommendation: rules tried, values compared, candidates, near misses
    Show(OneRepository),
    /// Import: register as new entities, or merge into existing ones
    #[command(after_help = "\
Examples:
  catalog-sync discovered import payments-api                     as recommended
  catalog-sync discovered import payments-api --into component:default/payments
  catalog-sync discovered import --all --action merge --dry-run   each diff, nothing written
  catalog-sync discovered import --plan 01J8…                     exactly what that dry run showed")]
    Import(DiscoveredImport),
    /// Set repositories aside
    Ignore(Repositories),
    /// Take ignored repositories back into the list, and forget that others were unlinked
    ///
    /// Of an unlinked repository the tombstone goes: it waits for a person like a new one, or for auto-import. The mark its
    /// entity still bears does not link it again by itself.
    Restore(Repositories),
}

/// Recommended actions, as a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ActionFilter {
    /// New entities.
    Register,
    /// Into existing ones.
    Merge,
    /// A person decides.
    Conflict,
    /// Nothing to do.
    None,
}

/// States of a discovered repository, as a filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum StateFilter {
    /// Awaiting a decision.
    #[default]
    Pending,
    /// Set aside.
    Ignored,
    /// Hidden by a filter of the config.
    Hidden,
    /// All of them.
    All,
}

/// `discovered list`.
#[derive(Clone, Debug, Args)]
pub struct DiscoveredList {
    /// Only with this recommendation
    #[arg(long, value_enum)]
    pub action: Option<ActionFilter>,
    /// In which state
    #[arg(long, value_enum, default_value_t)]
    pub state: StateFilter,
    /// Only where name, full name or entity contain this, case ignored
    #[arg(long, value_name = "TEXT")]
    pub search: Option<String>,
    /// Of this integration only
    #[arg(long, short = 'i', value_name = "INTEGRATION")]
    pub integration: Option<String>,
}

/// `discovered import`.
#[derive(Clone, Debug, Args)]
pub struct DiscoveredImport {
    /// Ids, full names, slugs or URLs of repositories
    #[arg(value_name = "REPO", value_parser = repository, required_unless_present_any = ["all", "plan"], conflicts_with_all = ["all", "plan"])]
    pub repositories: Vec<String>,
    /// Every pending repository that can be imported as recommended
    #[arg(long, conflicts_with = "plan")]
    pub all: bool,
    /// With --all: only those with this recommendation
    #[arg(long, value_enum, requires = "all", conflicts_with_all = ["repositories", "plan"], value_name = "ACTION")]
    pub action: Option<ImportFilter>,
    /// Of this integration only
    #[arg(long, short = 'i', value_name = "INTEGRATION")]
    pub integration: Option<String>,
    /// Merge into this entity, whatever the rules say; for one repository
    #[arg(long, value_name = "ENTITY", conflicts_with_all = ["all", "plan", "kind", "entity_type"])]
    pub into: Option<String>,
    /// Register with this kind instead of the integration's
    #[arg(long, value_name = "KIND", conflicts_with = "plan")]
    pub kind: Option<String>,
    /// Register with this type instead of the recommended one
    #[arg(long = "type", value_name = "TYPE", conflicts_with = "plan")]
    pub entity_type: Option<String>,
    /// Write nothing; print the diffs, and the id of a plan for --plan. In JSON, `done` then means: would be done
    #[arg(long, conflicts_with = "plan")]
    pub dry_run: bool,
    /// Write what a dry run showed, but for rows that changed since
    #[arg(long, value_name = "ID")]
    pub plan: Option<String>,
}

/// Recommendations that `import --all` can carry out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ImportFilter {
    /// New entities.
    Register,
    /// Into existing ones.
    Merge,
}

/// One repository.
#[derive(Clone, Debug, Args)]
pub struct OneRepository {
    /// Id, full name, slug or URL of the repository
    #[arg(value_name = "REPO", value_parser = repository)]
    pub repository: String,
    /// In this integration, where several know the repository
    #[arg(long, short = 'i', value_name = "INTEGRATION")]
    pub integration: Option<String>,
}

/// Several repositories.
#[derive(Clone, Debug, Args)]
pub struct Repositories {
    /// Ids, full names, slugs or URLs of repositories
    #[arg(value_name = "REPO", value_parser = repository, required = true)]
    pub repositories: Vec<String>,
    /// In this integration, where several know them
    #[arg(long, short = 'i', value_name = "INTEGRATION")]
    pub integration: Option<String>,
}

/// `imported …`.
#[derive(Clone, Debug, Subcommand)]
pub enum Imported {
    /// What is linked to which entity
    List(ImportedList),
    /// One link: entity, fields written, history
    Show(OneRepository),
    /// End links; entities and their data stay
    Unlink(Repositories),
}

/// `imported list`.
#[derive(Clone, Debug, Args)]
pub struct ImportedList {
    /// Of this integration only
    #[arg(long, short = 'i', value_name = "INTEGRATION")]
    pub integration: Option<String>,
    /// Only where full name or entity contain this, case ignored
    #[arg(long, value_name = "TEXT")]
    pub search: Option<String>,
}

/// `integration …`.
#[derive(Clone, Debug, Subcommand)]
pub enum Integration {
    /// All of them: state, last and next sync, counts
    List,
    /// One of them
    Show(OneIntegration),
    /// Stop its syncs; what is imported stays as it is
    Suspend(OneIntegration),
    /// Go on with its syncs
    Resume(OneIntegration),
    /// Import what is discovered from now on without asking, or stop doing so
    ///
    /// Holds until `auto_import` in the config file changes.
    AutoImport {
        /// Name of the integration
        #[arg(value_name = "NAME")]
        name: String,
        /// On or off
        #[arg(value_enum)]
        switch: Switch,
    },
    /// Forget an integration: its repositories, links and activity; asks first
    ///
    /// What people decided stays, and entities and files stay, with their marks: while the integration is in the
    /// config, its next sync makes the links again. Take it out of the config to be rid of it. One that left the config
    /// (orphaned) is named as `integration list` shows it: by its name, or by its workspace (`bitbucket.org/WORKSPACE`)
    /// where another has the name now.
    Delete(OneIntegration),
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

/// One integration.
#[derive(Clone, Debug, Args)]
pub struct OneIntegration {
    /// Name of the integration
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// `rules …`.
#[derive(Clone, Debug, Subcommand)]
pub enum Rules {
    /// Check a rules file: every fault with its line
    Check {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// `activity …`.
#[derive(Clone, Debug, Subcommand)]
pub enum Activity {
    /// Stored pull requests of a repository, most recently updated first
    PullRequests(ActivityOf),
    /// Stored commits of a repository's default branch, newest first
    Commits(ActivityOf),
    /// Approvals, requested changes and comments of its pull requests, where selected
    Reviews(ActivityOf),
    /// Files its pull requests change, where selected
    PullRequestFiles(ActivityOf),
    /// Files its commits change, where selected
    CommitFiles(ActivityOf),
    /// Its pipelines, where selected (Cloud)
    Pipelines(ActivityOf),
    /// Build statuses of its commits, where selected (Data Center)
    Builds(ActivityOf),
}

/// `activity … REPO`.
#[derive(Clone, Debug, Args)]
pub struct ActivityOf {
    /// Which repository
    #[command(flatten)]
    pub of: OneRepository,
    /// At most this many [default: all with --output json or yaml, else 50]
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
}

/// `credential …`.
#[derive(Clone, Debug, Subcommand)]
pub enum Credential {
    /// Store a new one; the secret comes by prompt, stdin or file, never as an argument
    #[command(after_help = "\
Examples:
  catalog-sync credential add acme                                    asks for an access token
  catalog-sync credential add acme --kind api_token --expires 2027-03-31
  printf %s \"$TOKEN\" | catalog-sync credential add acme --stdin
  catalog-sync credential add bot --kind basic --file login.json      {\"username\": …, \"password\": …}

stdin and file hold the secret alone; for kinds with a user, the user on the first line and the secret on the second;
or one JSON object of named fields.")]
    Add(CredentialAdd),
    /// All of them: kind, dates, who uses them; never a secret
    List,
    /// One of them
    Info(OneCredential),
    /// Replace the secret; what was synced with it stays
    #[command(after_help = "\
Examples:
  catalog-sync credential update acme                                 asks for the new secret
  catalog-sync credential update acme --expires 2028-03-31 --keep-secret

A running sidecar uses the new secret at once, without a restart.")]
    Update(CredentialUpdate),
    /// Forget one; asks first when something uses it
    Delete(OneCredential),
    /// Encrypt them all under a new key
    #[command(after_help = "\
Examples:
  catalog-sync credential rekey                                       makes a new key in the key file of the config
  catalog-sync credential rekey --old-key-file ./credentials.key.old  the config names the new key already
  catalog-sync credential rekey --old-key-env OLD_KEY")]
    Rekey(CredentialRekey),
}

/// Where a secret comes from.
#[derive(Clone, Debug, Args)]
pub struct SecretInput {
    /// Read it from stdin
    #[arg(long, conflicts_with = "file")]
    pub stdin: bool,
    /// Read it from this file
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// `credential add`.
#[derive(Clone, Debug, Args)]
pub struct CredentialAdd {
    /// Its name: a-z, 0-9 and `-`, beginning with a letter
    #[arg(value_name = "NAME")]
    pub name: String,
    /// What it is for [default: access_token, or what the named fields tell]
    #[arg(long, value_name = "KIND", value_parser = kind)]
    pub kind: Option<Kind>,
    /// The day it ends, like 2027-03-31; announced 30, 7 and 1 days before
    #[arg(long, value_name = "DATE")]
    pub expires: Option<chrono::NaiveDate>,
    /// Where the secret comes from [default: a prompt]
    #[command(flatten)]
    pub input: SecretInput,
}

/// `credential update`.
#[derive(Clone, Debug, Args)]
pub struct CredentialUpdate {
    /// Its name
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The day the new secret ends, like 2027-03-31 [default: none; with --keep-secret: as it was]
    #[arg(long, value_name = "DATE")]
    pub expires: Option<chrono::NaiveDate>,
    /// Change the date alone
    #[arg(long, requires = "expires", conflicts_with_all = ["stdin", "file"])]
    pub keep_secret: bool,
    /// Where the secret comes from [default: a prompt]
    #[command(flatten)]
    pub input: SecretInput,
}

/// One credential.
#[derive(Clone, Debug, Args)]
pub struct OneCredential {
    /// Its name
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// `credential rekey`.
#[derive(Clone, Debug, Args)]
pub struct CredentialRekey {
    /// The key they are encrypted under now, where the config names the new one already
    #[arg(long, value_name = "FILE", conflicts_with = "old_key_env")]
    pub old_key_file: Option<PathBuf>,
    /// The same in an environment variable
    #[arg(long, value_name = "NAME")]
    pub old_key_env: Option<String>,
}

/// `store …`.
#[derive(Clone, Debug, Subcommand)]
pub enum Store {
    /// Verify every record
    Check,
    /// Write the whole state to a file, as JSON lines; one that is there is overwritten with --yes only
    Export {
        /// The file to write; `-`: stdout
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Stored credentials as well, still encrypted; their key is never in it
        #[arg(long)]
        with_credentials: bool,
    },
    /// Read an export into an empty store
    Import {
        /// The file to read; `-`: stdin
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

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
    /// Serve HTTPS: the certificate as PEM, with those it was signed by
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_certificate: Option<PathBuf>,
    /// The certificate's private key as PEM
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub tls_key: Option<PathBuf>,
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

/// REPO as people write it.
fn repository(text: &str) -> Result<String, String> {
    RepositoryRef::parse(text)
        .map(|_| text.trim().to_owned())
        .map_err(|error| escape_control(&format!("{}; {}", error.what, error.mend)))
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

/// A kind of credential.
fn kind(text: &str) -> Result<Kind, String> {
    let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    Kind::parse(text).ok_or_else(|| format!("use one of {}", names.join(", ")))
}

/// `50ms`, or what the config takes.
fn latency(text: &str) -> Result<Duration, String> {
    let millis = text.strip_suffix("ms").and_then(|number| number.parse().ok()).map(Duration::from_millis);
    millis.or_else(|| parse_duration(text)).ok_or_else(|| "write it like `50ms` or `1s`".to_owned())
}

#[cfg(test)]
mod tests;
