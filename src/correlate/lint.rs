//! Paths that select nothing anywhere (P3.10): typos, or rules written for another catalog.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::facts::{EntityFacts, PathSet, RepositoryFacts};
use super::path::Path;
use super::rule::{NotedPath, Rule, Rules};

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

/// Which paths of a rules file selected something so far, gathered a document at a time.
#[derive(Clone, Debug, Default)]
pub struct Selected {
    ingested: Vec<bool>,
    catalog: Vec<bool>,
    /// Records looked at.
    pub records: u64,
    /// Entities looked at.
    pub entities: u64,
}

impl Selected {
    /// A record.
    pub fn record(&mut self, rules: &Rules, raw: &Value) {
        self.records += 1;
        look(&mut self.ingested, &rules.0.ingested_paths, raw);
    }

    /// An entity's document.
    pub fn entity(&mut self, rules: &Rules, document: &Value) {
        self.entities += 1;
        look(&mut self.catalog, &rules.0.catalog_paths, document);
    }

    /// What of the file is selected nowhere; a side without a single document is not judged.
    pub fn lint(&self, rules: &Rules) -> Lint {
        let nowhere = |side: Side, seen: &[bool], paths: &[NotedPath], documents: u64| {
            let missing =
                paths.iter().enumerate().filter(|(at, _)| documents > 0 && !seen.get(*at).is_some_and(|is| *is));
            let mut missing: Vec<_> = missing
                .map(|(_, noted)| UnmatchedPath { side, path: noted.path.as_str().to_owned(), line: noted.line })
                .collect();
            missing.sort_by(|a, b| (a.line, &a.path).cmp(&(b.line, &b.path)));
            missing
        };
        let mut unmatched = nowhere(Side::Ingested, &self.ingested, &rules.0.ingested_paths, self.records);
        let catalog = nowhere(Side::Catalog, &self.catalog, &rules.0.catalog_paths, self.entities);
        let paths = rules.0.catalog_paths.len();
        let rules_match_nothing = self.entities > 0 && paths > 0 && catalog.len() == paths;
        unmatched.extend(catalog);
        Lint { unmatched, rules_match_nothing }
    }
}

/// Paths that selected something before are not tried again.
fn look(seen: &mut Vec<bool>, paths: &[NotedPath], document: &Value) {
    seen.resize(paths.len(), false);
    for (noted, seen) in paths.iter().zip(seen).filter(|(_, seen)| !**seen) {
        *seen = noted.path.each_text(document, |_| {});
    }
}

/// Something a rules file says that its writer may not mean; seen without any data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// Where, from 1.
    pub line: usize,
    /// Of which correlation rule, from 0.
    pub rule: Option<usize>,
    /// It probably is a mistake; else it is good to know.
    pub is_warning: bool,
    /// What.
    pub what: String,
}

impl Rules {
    /// What strikes whoever reads the file: rules that say the same twice, rules that others cover, what is never or always
    /// imported unseen. In order of lines.
    pub fn advice(&self) -> Vec<Advice> {
        let mut advice = Vec::new();
        let rules = &self.0.rules;
        for (at, rule) in rules.iter().enumerate() {
            let mut say = |is_warning, what: String| {
                advice.push(Advice { line: rule.line, rule: Some(at), is_warning, what });
            };
            let same = rules[..at].iter().position(|other| covers(other, rule) && covers(rule, other));
            let wider = rules[..at].iter().position(|other| covers(other, rule));
            match (same, wider) {
                (Some(other), _) => {
                    say(
                        true,
                        format!("rule {at} compares the same as rule {other}: it finds nothing more, and parts no tie"),
                    );
                }
                (None, Some(other)) => say(
                    false,
                    format!(
                        "rule {at} finds nothing that rule {other} does not find: all it does is part what rule {other} finds twice"
                    ),
                ),
                (None, None) => {}
            }
            match rule.suggest_only {
                Some(false) if rule.is_contains_alone() || rule.is_weak() => say(
                    rule.is_contains_alone(),
                    format!(
                        "what rule {at} finds is imported unseen where auto-import is on, though it compares no more than names"
                    ),
                ),
                Some(true) => say(false, format!("rule {at} only suggests: nothing it finds is imported unseen")),
                None if rule.is_contains_alone() => say(
                    false,
                    format!(
                        "rule {at} only suggests, as every rule of `contains` alone does: nothing it finds is imported unseen"
                    ),
                ),
                _ => {}
            }
        }
        for (at, rule) in self.0.types.iter().enumerate() {
            let reached_before = |path: &Path, glob: &str| {
                self.0.types[..at].iter().any(|one| {
                    one.ingested.as_str() == path.as_str()
                        && matches!(one.glob.glob().glob(), all if all == "*" || all == glob)
                })
            };
            if reached_before(&rule.ingested, rule.glob.glob().glob()) {
                let what = format!(
                    "`{}` is never looked at: an earlier entry of `types` takes all it would",
                    rule.glob.glob()
                );
                advice.push(Advice { line: rule.line, rule: None, is_warning: true, what });
            }
        }
        for (at, field) in self.0.fields.iter().enumerate() {
            let is_same = |other: &&super::FieldRule| {
                other.catalog == field.catalog && other.mode == super::Mode::Set && field.mode == super::Mode::Set
            };
            if let Some(first) = self.0.fields[..at].iter().find(is_same) {
                let what = format!(
                    "{} is written by the entry on line {} as well: the first of them that has a value counts",
                    field.catalog, first.line
                );
                advice.push(Advice { line: field.line, rule: None, is_warning: false, what });
            }
        }
        advice.sort_by_key(|one| (one.line, one.rule));
        advice
    }
}

/// Whether everything `narrow` finds is found by `wide` as well.
fn covers(wide: &Rule, narrow: &Rule) -> bool {
    let has = |one: &super::rule::Comparison| {
        narrow
            .comparisons
            .iter()
            .any(|other| (other.ingested, other.operator, other.catalog) == (one.ingested, one.operator, one.catalog))
    };
    let kinds = match (&wide.kinds, &narrow.kinds) {
        (None, None) => true,
        // Kinds named may be such as no other rule finds.
        (None, Some(kinds)) => kinds.iter().all(|kind| wide.finds(kind)),
        (Some(_), None) => false,
        (Some(wide), Some(narrow)) => narrow.iter().all(|kind| wide.contains(kind)),
    };
    kinds && wide.comparisons.iter().all(has)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules(text: &str) -> Rules {
        Rules::parse(text, "rules.yaml").expect("rules")
    }

    // P3.10: what strikes a reader.
    #[test]
    fn a_file_is_read_with_a_sceptical_eye_p3_10() {
        let rules = rules(
            "correlation:
  - { ingested: $.name, operator: equals, catalog: $.metadata.name }
  - { ingested: $.name, operator: equals, catalog: $.metadata.name, kinds: [Component] }
  - { ingested: $.name, operator: equals, catalog: $.metadata.name }
  - { ingested: $.name, operator: contains, catalog: $.metadata.name }
  - { ingested: $.slug, operator: contains, catalog: $.metadata.name, suggest_only: false }
types:
  - { ingested: $.name, glob: \"*\", type: service }
  - { ingested: $.name, glob: \"*-lib\", type: library }
fields:
  - { ingested: $.description, catalog: $.metadata.description }
  - { value: none, catalog: $.metadata.description }
",
        );
        let said: Vec<String> = rules
            .advice()
            .iter()
            .map(|one| format!("{} {} {}", one.line, if one.is_warning { "!" } else { "-" }, one.what))
            .collect();
        insta::assert_snapshot!(said.join("\n"), @r"
        3 - rule 1 finds nothing that rule 0 does not find: all it does is part what rule 0 finds twice
        4 ! rule 2 compares the same as rule 0: it finds nothing more, and parts no tie
        5 - rule 3 only suggests, as every rule of `contains` alone does: nothing it finds is imported unseen
        6 ! what rule 4 finds is imported unseen where auto-import is on, though it compares no more than names
        9 ! `*-lib` is never looked at: an earlier entry of `types` takes all it would
        12 - $.metadata.description is written by the entry on line 11 as well: the first of them that has a value counts
        ");
    }

    // P3.10: a document at a time, with the same result as over all of them.
    #[test]
    fn paths_that_select_nothing_are_named_p3_10() {
        let rules = rules(
            "correlation:
  - { ingested: $.nmae, operator: equals, catalog: $.metadata.name }
  - { ingested: $.slug, operator: equals, catalog: $.metadata.labels.repo }
",
        );
        let mut selected = Selected::default();
        assert_eq!(selected.lint(&rules), Lint::default(), "nothing is judged by no document");
        selected.record(&rules, &json!({"name": "a"}));
        selected.record(&rules, &json!({"name": "a", "slug": "a"}));
        selected.entity(&rules, &json!({"metadata": {"labels": {}}}));
        let lint = selected.lint(&rules);
        let paths: Vec<(&str, usize)> = lint.unmatched.iter().map(|one| (one.path.as_str(), one.line)).collect();
        assert_eq!(paths, [("$.nmae", 2), ("$.metadata.name", 2), ("$.metadata.labels.repo", 3)]);
        assert!(lint.rules_match_nothing);
        selected.entity(&rules, &json!({"metadata": {"name": "a"}}));
        assert!(!selected.lint(&rules).rules_match_nothing);
    }
}
