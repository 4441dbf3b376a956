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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RepoKey;

    fn repository(project: &str, slug: &str) -> Repository {
        Repository {
            project_key: (!project.is_empty()).then(|| project.to_owned()),
            is_fork: slug.starts_with("fork"),
            is_personal: slug.starts_with("personal"),
            is_archived: slug.starts_with("archived"),
            ..Repository::bare(RepoKey::cloud("{x}"), slug)
        }
    }

    fn globs(text: &str) -> Vec<RepositoryGlob> {
        text.split_whitespace().map(|glob| RepositoryGlob::new(glob).unwrap()).collect()
    }

    /// include, exclude, projects; the repository; which filter hides it (empty: none).
    #[track_caller]
    fn check(include: &str, exclude: &str, projects: &str, (project, slug): (&str, &str), wanted: &str) {
        let filters = RepositoryFilters {
            include: globs(include),
            exclude: globs(exclude),
            projects: projects.split_whitespace().map(str::to_owned).collect(),
            ..RepositoryFilters::default()
        };
        assert_eq!(filters.hides(&repository(project, slug)).unwrap_or_default(), wanted);
    }

    #[test]
    fn filters_hide_and_say_which_p2_3() {
        check("", "", "", ("PAY", "api"), "");
        check("*", "", "", ("PAY", "api"), "");
        check("*", "sandbox-*", "", ("PAY", "Sandbox-1"), "exclude: sandbox-*");
        check("*", "sandbox-*", "", ("PAY", "my-sandbox-1"), "");
        check("pay-* web", "", "", ("PAY", "api"), "include: pay-*, web");
        check("pay-* web", "", "", ("PAY", "WEB"), "");
        check("PAY/*", "", "", ("pay", "api"), "");
        check("PAY/*", "", "", ("SHOP", "api"), "include: PAY/*");
        check("PAY/*", "", "", ("", "api"), "include: PAY/*");
        check("", "*/api", "", ("SHOP", "api"), "exclude: */api");
        check("", "{a,b}*", "", ("SHOP", "api"), "exclude: {a,b}*");
        check("", "", "pay shop", ("SHOP", "api"), "");
        check("", "", "pay", ("SHOP", "api"), "projects: pay");
        check("", "", "pay", ("", "api"), "projects: pay");
        check("api", "api", "", ("PAY", "api"), "exclude: api");
        check("", "", "", ("PAY", "archived-api"), "archived: false");
        check("", "", "", ("PAY", "personal-api"), "personal: false");
        check("", "", "", ("PAY", "fork-of-api"), "");
        let filters =
            RepositoryFilters { forks: false, archived: true, personal: true, ..RepositoryFilters::default() };
        assert_eq!(filters.hides(&repository("PAY", "fork-of-api")).unwrap(), "forks: false");
        assert_eq!(filters.hides(&repository("PAY", "archived-personal")), None);
    }
}
