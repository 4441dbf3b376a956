//! Paths that select nothing anywhere (P3.10): typos, or rules written for another catalog.

use serde::{Deserialize, Serialize};

use super::facts::{EntityFacts, PathSet, RepositoryFacts};
use super::rule::{NotedPath, Rules};

/// Which document a path is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The ingested record.
    Ingested,
    /// The catalog entity.
    Catalog,
}

/// A path that selects nothing in any record or entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnmatchedPath {
    /// Of which document.
    pub side: Side,
    /// As written.
    pub path: String,
    /// Where it first stands in the rules file, from 1.
    pub line: usize,
}

/// What a lint over stored records and entities found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lint {
    /// In order of side, then line. A side without a single document is not judged.
    pub unmatched: Vec<UnmatchedPath>,
    /// There are entities and correlation rules, and no rule's catalog path exists in any entity: with
    /// these rules everything would be registered again.
    pub rules_match_nothing: bool,
}

impl Rules {
    /// Judges every path of the file against what was read.
    pub fn lint(&self, repositories: &[RepositoryFacts], entities: &[EntityFacts]) -> Lint {
        let mut unmatched =
            missing(Side::Ingested, &self.0.ingested_paths, || repositories.iter().map(|one| &one.paths));
        let catalog = missing(Side::Catalog, &self.0.catalog_paths, || entities.iter().map(|one| &one.paths));
        let rules_match_nothing =
            !entities.is_empty() && !self.0.catalog_paths.is_empty() && catalog.len() == self.0.catalog_paths.len();
        unmatched.extend(catalog);
        Lint { unmatched, rules_match_nothing }
    }
}

fn missing<'a, I: Iterator<Item = &'a PathSet>>(
    side: Side,
    paths: &[NotedPath],
    documents: impl Fn() -> I,
) -> Vec<UnmatchedPath> {
    if documents().next().is_none() {
        return Vec::new();
    }
    let nowhere = |(index, _): &(usize, &NotedPath)| !documents().any(|paths| paths.has(*index));
    let mut missing: Vec<_> = paths
        .iter()
        .enumerate()
        .filter(nowhere)
        .map(|(_, noted)| UnmatchedPath { side, path: noted.path.as_str().to_owned(), line: noted.line })
        .collect();
    missing.sort_by(|a, b| (a.line, &a.path).cmp(&(b.line, &b.path)));
    missing
}
