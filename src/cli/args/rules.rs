//! `rules …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `rules …`.
#[derive(Clone, Debug, Subcommand)]
pub enum Rules {
    /// Check a rules file: every fault with its line, and what strikes in it
    ///
    /// Where a config and a store are found, paths that select nothing in any stored record or entity are named as well.
    Check(RulesCheck),
    /// What a rules file would change, on what is stored, without a request
    ///
    /// Counts and a list of repositories that would be judged otherwise than by the rules in force, precision and recall
    /// of both by what people imported, chose and set aside, and the fields of linked entities that the next sync would
    /// write otherwise.
    #[command(after_help = "\
Example:
  catalog-sync rules preview ./rules/acme.yaml --integration acme")]
    Preview(RulesPreview),
}

/// `rules check`.
#[derive(Clone, Debug, Args)]
pub struct RulesCheck {
    /// The file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Compare with what is stored of this integration only
    #[arg(long, short = 'i', value_name = "INTEGRATION")]
    pub integration: Option<String>,
}

/// `rules preview`.
#[derive(Clone, Debug, Args)]
pub struct RulesPreview {
    /// The file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Of this integration only [default: all]
    #[arg(long, short = 'i', value_name = "INTEGRATION")]
    pub integration: Option<String>,
    /// At most this many rows; the counts are of all
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
}
