//! `integration …`.

use clap::{Args, Subcommand, ValueEnum};

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

/// One integration.
#[derive(Clone, Debug, Args)]
pub struct OneIntegration {
    /// Name of the integration
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}
