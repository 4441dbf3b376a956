//! `audit …`.

use clap::{Args, Subcommand};

/// `audit …`.
#[derive(Clone, Debug, Subcommand)]
pub enum Audit {
    /// Every change somebody made, newest first: who, when, what, from where, and how it ended
    #[command(after_help = "\
Examples:
  catalog-sync audit list --by ops                 what the token `ops` did
  catalog-sync audit list --before 01J… --limit 50  the next page: the id of the last row")]
    List(AuditList),
}

/// `audit list`.
#[derive(Clone, Debug, Args)]
pub struct AuditList {
    /// Only what is about this integration
    #[arg(long, short = 'i', value_name = "NAME")]
    pub integration: Option<String>,
    /// Only what they did: `cli`, the name of a token, a user
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Only what is older than the entry of this id
    #[arg(long, value_name = "ID")]
    pub before: Option<String>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
}
