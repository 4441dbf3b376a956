//! `discovered …`.

use clap::{Args, Subcommand, ValueEnum};

use super::repository::{OneRepository, Repositories, repository};

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
    Ignore(DiscoveredIgnore),
    /// Take ignored repositories back into the list, and forget that others were unlinked
    ///
    /// Of an unlinked repository the tombstone goes: it waits for a person like a new one, or for auto-import. The mark its
    /// entity still bears does not link it again by itself.
    Restore(Repositories),
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
    /// Only of the project of this key
    #[arg(long, value_name = "KEY")]
    pub project: Option<String>,
    /// Of this integration only
    #[arg(long, short = 'i', value_name = "INTEGRATION")]
    pub integration: Option<String>,
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
    /// Listed, and may not be read.
    Inaccessible,
    /// All of them.
    All,
}

/// `discovered ignore`.
#[derive(Clone, Debug, Args)]
pub struct DiscoveredIgnore {
    /// Which
    #[command(flatten)]
    pub which: Repositories,
    /// Why, for whoever looks at them later
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
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
    /// Register as new entities, whatever the rules recommend
    #[arg(long, conflicts_with_all = ["all", "plan", "into"])]
    pub as_new: bool,
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
