//! `activity …`.

use clap::{Args, Subcommand};

use super::repository::OneRepository;

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
    /// People with an account, where selected: of the integration, not of a repository
    Users(ActivityUsers),
}

/// `activity users`.
#[derive(Clone, Debug, Args)]
pub struct ActivityUsers {
    /// Only of this integration
    #[arg(short, long, value_name = "NAME")]
    pub integration: Option<String>,
    /// At most this many [default: all with --output json or yaml, else 50]
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
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
