//! The command line: every command with its flags, as `--help` shows it. What they do is in `commands`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::config::RepositoryRef;
use crate::config::fields::parse_duration;
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
    /// The state: verify, back up, move
    #[command(subcommand)]
    Store(Store),
    /// Run the simulated Bitbucket by itself, for trying things out
    #[command(after_help = "\
Point a connector at it:
  url: https://bitbucket.org/acme
  api_url: http://127.0.0.1:8990/2.0")]
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
    /// Apply exactly what a guard held back in a sync
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
    /// Take ignored, unlinked or undone repositories back into the list
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
    /// Write nothing; print the diffs, and the id of a plan for --plan
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
    /// Forget an integration: its repositories, links, decisions and activity; asks first
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

/// `store …`.
#[derive(Clone, Debug, Subcommand)]
pub enum Store {
    /// Verify every record
    Check,
    /// Write the whole state to a file, as JSON lines
    Export {
        /// The file to write; `-`: stdout
        #[arg(value_name = "FILE")]
        file: PathBuf,
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

/// `50ms`, or what the config takes.
fn latency(text: &str) -> Result<Duration, String> {
    let millis = text.strip_suffix("ms").and_then(|number| number.parse().ok()).map(Duration::from_millis);
    millis.or_else(|| parse_duration(text)).ok_or_else(|| "write it like `50ms` or `1s`".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    /// The first line of what clap says.
    #[track_caller]
    fn refused(line: &str) -> String {
        let text = parse(line).unwrap_err().to_string();
        text.lines().next().unwrap_or_default().to_owned()
    }

    #[test]
    fn the_definitions_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_of_the_contract_is_there() {
        for line in [
            "demo",
            "demo --serve",
            "init",
            "check",
            "check acme --offline",
            "run --listen 127.0.0.1:1",
            "sync now",
            "sync now acme labs --dry-run --full",
            "sync history",
            "sync show 01J",
            "sync approve 01J",
            "discovered list --action conflict --state all --search pay",
            "discovered show acme/payments",
            "discovered import a b --kind Resource --type library --dry-run",
            "discovered import --all --action merge",
            "discovered import a --into component:default/a",
            "discovered import --plan 01J",
            "discovered ignore a b",
            "discovered restore a",
            "imported list",
            "imported show https://bitbucket.org/acme/payments/src/main/",
            "imported unlink a",
            "integration list",
            "integration show acme",
            "integration suspend acme",
            "integration resume acme",
            "integration auto-import acme on",
            "integration delete acme --yes",
            "rules check rules.yaml",
            "activity pull-requests payments",
            "activity commits payments --limit 3",
            "store check",
            "store export dump.jsonl",
            "store import -",
            "simulate --repositories 1000 --pull-requests 60 --commits 80 --seed 7 --latency 50ms --rate-limit 1000",
            "config schema",
            "completions zsh",
            "man",
            "version",
        ] {
            parse(&format!("catalog-sync {line}")).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }

    #[test]
    fn global_flags_go_before_and_behind() {
        for line in [
            "catalog-sync --config a.yaml --store s -o json -vv --color never --log-format json --yes sync now",
            "catalog-sync sync now --config a.yaml --store s -o json -vv --color never --log-format json --yes",
        ] {
            let Global { config, store, output, verbose, quiet, color, log_format, yes } = parse(line).unwrap().global;
            assert_eq!((config, store), (Some("a.yaml".into()), Some("s".into())));
            assert_eq!((output, verbose, quiet), (Output::Json, 2, false));
            assert_eq!((color, log_format, yes), (Color::Never, LogFormat::Json, true));
        }
    }

    #[test]
    fn contradictions_are_refused() {
        insta::assert_snapshot!(refused("catalog-sync -q -v version"), @"error: the argument '--quiet' cannot be used with '--verbose...'");
        insta::assert_snapshot!(refused("catalog-sync discovered import a --all"), @"error: the argument '[REPO]...' cannot be used with '--all'");
        insta::assert_snapshot!(refused("catalog-sync discovered import a --action merge"), @"error: the argument '[REPO]...' cannot be used with '--action <ACTION>'");
        insta::assert_snapshot!(refused("catalog-sync discovered import --all --into component:default/a"), @"error: the argument '--all' cannot be used with '--into <ENTITY>'");
        insta::assert_snapshot!(refused("catalog-sync discovered show https://bitbucket.org/acme"), @"error: invalid value 'https://bitbucket.org/acme' for '<REPO>': this names an account, and a repository is wanted; write `https://bitbucket.org/acme/REPO.git`");
        insta::assert_snapshot!(refused("catalog-sync simulate --latency soon"), @"error: invalid value 'soon' for '--latency <TIME>': write it like `50ms` or `1s`");
    }

    #[test]
    fn help_reads_well() {
        insta::assert_snapshot!(Cli::command().term_width(100).render_long_help(), @r"
        Keeps a software catalog and Bitbucket together.

        Discovers the repositories of a Bitbucket workspace, recommends for each one to register it as a new
        entity or to merge it into an existing one, and imports what you decide into your catalog's YAML,
        with every comment kept.

        Usage: catalog-sync [OPTIONS] <COMMAND>

        Commands:
          demo         See it at work: a simulated workspace, a sample catalog, one real sync
          init         Write a commented starter config
          check        Check the config, then connectors and catalogs for real
          run          Run the sidecar: syncs on schedule until it is stopped
          sync         Sync now, and look at past syncs
          discovered   Repositories that await a decision
          imported     Repositories that are linked to an entity
          integration  Integrations and their switches
          rules        Rules files
          activity     Pull requests and commits of a repository
          store        The state: verify, back up, move
          simulate     Run the simulated Bitbucket by itself, for trying things out
          config       About the config file
          completions  Print a completion script for a shell
          man          Print the manual page
          version      Print version and build

        Options:
          -h, --help
                  Print help (see a summary with '-h')

          -V, --version
                  Print version

        Global options:
          -c, --config <FILE>
                  The config file [env: CATALOG_SYNC_CONFIG] [default: ./catalog-sync.yaml, then the user's
                  and the system's config folder]

              --store <DIR>
                  The directory state is kept in; outranks `store` of the config [env: CATALOG_SYNC_STORE]

          -o, --output <FORMAT>
                  How results are printed; they alone go to stdout

                  Possible values:
                  - table: A table as wide as the terminal
                  - json:  One JSON document
                  - yaml:  The same as YAML
                  
                  [default: table]

          -v, --verbose...
                  Log more; twice: everything

          -q, --quiet
                  Log errors only, and show no progress

              --color <WHEN>
                  Colour

                  Possible values:
                  - auto:   On a terminal, unless NO_COLOR is set
                  - always: Always
                  - never:  Never
                  
                  [default: auto]

              --log-format <FORMAT>
                  How log lines are written to stderr

                  Possible values:
                  - text: For people
                  - json: One JSON object a line
                  
                  [default: text]

          -y, --yes
                  Answer every question with yes; without it and without a terminal, a question is refused

        Begin here:
          catalog-sync demo                 see it at work, without an account or a config
          catalog-sync init                 write a commented config to fill in
          catalog-sync check                prove that it reaches Bitbucket and the catalog
          catalog-sync sync now             discover, and list what awaits a decision
          catalog-sync run                  keep doing so

        Exit codes: 0 done, 1 failed, 2 usage or config error, 3 done in part, 4 held or refused, 130
        interrupted.
        ");
    }

    #[test]
    fn help_of_import_reads_well() {
        let mut command = Cli::command().term_width(100);
        command.build();
        let import = command.find_subcommand_mut("discovered").and_then(|c| c.find_subcommand_mut("import"));
        insta::assert_snapshot!(import.unwrap().render_help(), @r"
        Import: register as new entities, or merge into existing ones

        Usage: catalog-sync discovered import [OPTIONS] [REPO]...

        Arguments:
          [REPO]...  Ids, full names, slugs or URLs of repositories

        Options:
              --all                        Every pending repository that can be imported as recommended
              --action <ACTION>            With --all: only those with this recommendation [possible values:
                                           register, merge]
          -i, --integration <INTEGRATION>  Of this integration only
              --into <ENTITY>              Merge into this entity, whatever the rules say; for one
                                           repository
              --kind <KIND>                Register with this kind instead of the integration's
              --type <TYPE>                Register with this type instead of the recommended one
              --dry-run                    Write nothing; print the diffs, and the id of a plan for --plan
              --plan <ID>                  Write what a dry run showed, but for rows that changed since
          -h, --help                       Print help (see more with '--help')

        Global options:
          -c, --config <FILE>        The config file [env: CATALOG_SYNC_CONFIG] [default:
                                     ./catalog-sync.yaml, then the user's and the system's config folder]
              --store <DIR>          The directory state is kept in; outranks `store` of the config [env:
                                     CATALOG_SYNC_STORE]
          -o, --output <FORMAT>      How results are printed; they alone go to stdout [default: table]
                                     [possible values: table, json, yaml]
          -v, --verbose...           Log more; twice: everything
          -q, --quiet                Log errors only, and show no progress
              --color <WHEN>         Colour [default: auto] [possible values: auto, always, never]
              --log-format <FORMAT>  How log lines are written to stderr [default: text] [possible values:
                                     text, json]
          -y, --yes                  Answer every question with yes; without it and without a terminal, a
                                     question is refused

        Examples:
          catalog-sync discovered import payments-api                     as recommended
          catalog-sync discovered import payments-api --into component:default/payments
          catalog-sync discovered import --all --action merge --dry-run   each diff, nothing written
          catalog-sync discovered import --plan 01J8…                     exactly what that dry run showed
        ");
    }
}
