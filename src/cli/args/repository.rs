//! REPO, as several commands take it.

use clap::Args;

use crate::config::RepositoryRef;
use crate::error::escape_control;

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

/// REPO as people write it.
pub(super) fn repository(text: &str) -> Result<String, String> {
    RepositoryRef::parse(text)
        .map(|_| text.trim().to_owned())
        .map_err(|error| escape_control(&format!("{}; {}", error.what, error.mend)))
}
