//! `imported …`.

use clap::{Args, Subcommand};

use super::repository::{OneRepository, Repositories};

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
