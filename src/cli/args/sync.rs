//! `sync …`.

use clap::{Args, Subcommand};

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
    /// Stop a sync of the running sidecar at its next checkpoint; the next one goes on from there
    Cancel {
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
