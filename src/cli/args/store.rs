//! `store …`.

use std::path::PathBuf;

use clap::Subcommand;

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
