//! Flags that every command takes.

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};

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
    /// A catalog-sync that runs elsewhere and is to do it; its token stands in CATALOG_SYNC_TOKEN [env:
    /// CATALOG_SYNC_SERVER]
    #[arg(long, global = true, value_name = "URL")]
    pub server: Option<String>,
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
