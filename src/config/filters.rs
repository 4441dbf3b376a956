//! Which repositories the config hides, and by which filter (P2.3).

use std::fmt;

use globset::{GlobBuilder, GlobMatcher};

use super::model::RepositoryFilters;
use crate::model::Repository;

impl RepositoryFilters {
    /// The filter that hides a repository, as it is written in the file (`exclude: sandbox-*`); `None`
    /// when none does.
    pub fn hides(&self, repository: &Repository) -> Option<String> {
        let Self { include, exclude, projects, archived, personal, forks } = self;
        let in_project = |wanted: &String| {
            repository.project_key.as_ref().is_some_and(|key| key.to_lowercase() == wanted.to_lowercase())
        };
        if repository.is_archived && !archived {
            return Some("archived: false".to_owned());
        }
        if repository.is_personal && !personal {
            return Some("personal: false".to_owned());
        }
        if repository.is_fork && !forks {
            return Some("forks: false".to_owned());
        }
        if !projects.is_empty() && !projects.iter().any(in_project) {
            return Some(format!("projects: {}", projects.join(", ")));
        }
        if let Some(glob) = exclude.iter().find(|glob| glob.holds(repository)) {
            return Some(format!("exclude: {}", glob.as_str()));
        }
        if !include.is_empty() && !include.iter().any(|glob| glob.holds(repository)) {
            return Some(format!("include: {}", written(include)));
        }
        None
    }
}

fn written(globs: &[RepositoryGlob]) -> String {
    globs.iter().map(RepositoryGlob::as_str).collect::<Vec<_>>().join(", ")
}

/// A glob over repositories, compiled once: on the slug, or on `PROJECT/slug` when it holds a slash; case
/// ignored; `*` stays within a segment.
#[derive(Clone)]
pub struct RepositoryGlob {
    written: String,
    matcher: GlobMatcher,
}

impl RepositoryGlob {
    /// Compiles a glob.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn new(written: &str) -> Result<Self, String> {
        let glob = GlobBuilder::new(written).case_insensitive(true).literal_separator(true).build();
        let matcher = glob.map_err(|error| error.kind().to_string())?.compile_matcher();
        Ok(Self { written: written.to_owned(), matcher })
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Whether it holds for a repository.
    pub fn holds(&self, repository: &Repository) -> bool {
        if !self.written.contains('/') {
            return self.matcher.is_match(&repository.slug);
        }
        let project = repository.project_key.as_deref().unwrap_or_default();
        self.matcher.is_match(format!("{project}/{}", repository.slug))
    }
}

impl PartialEq for RepositoryGlob {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl Eq for RepositoryGlob {}

impl fmt::Debug for RepositoryGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.written, f)
    }
}

/// Hides archived and personal repositories, as a config that says nothing does.
impl Default for RepositoryFilters {
    fn default() -> Self {
        Self {
            include: Vec::new(),
            exclude: Vec::new(),
            projects: Vec::new(),
            archived: false,
            personal: false,
            forks: true,
        }
    }
}
