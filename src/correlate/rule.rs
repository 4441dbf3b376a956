//! Rules files: what is compared, which type a new entity has, which fields are written.

use std::fmt;
use std::sync::Arc;

use globset::GlobMatcher;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::field::FieldRule;
use super::located::Node;
use super::normalise::Normaliser;
use super::parse;
use super::path::{Path, scalar_text};

/// The rules files shipped in the binary, by name.
pub const BUILTIN: &[(&str, &str)] = &[
    ("bitbucket-cloud", include_str!("../../rules/bitbucket-cloud.yaml")),
    ("bitbucket-cloud-annotations", include_str!("../../rules/bitbucket-cloud-annotations.yaml")),
    ("bitbucket-data-center", include_str!("../../rules/bitbucket-data-center.yaml")),
    ("harness-idp", include_str!("../../rules/harness-idp.yaml")),
];

/// Something wrong in a rules file, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct RuleFault {
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub mend: String,
}

impl fmt::Display for RuleFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {} (mend: {})", self.line, self.column, self.what, self.mend)
    }
}

impl std::error::Error for RuleFault {}

impl RuleFault {
    /// As editors and terminals find it: `rules.yaml:3:15: … (mend: …)`.
    pub fn in_file(&self, file: &str) -> String {
        format!("{file}:{}:{}: {} (mend: {})", self.line, self.column, self.what, self.mend)
    }
}

/// A rules file, compiled. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Rules(pub(super) Arc<Compiled>);

#[derive(Debug)]
pub(super) struct Compiled {
    pub name: String,
    pub hash: String,
    pub rules: Vec<Rule>,
    pub types: Vec<TypeRule>,
    pub fields: Vec<FieldRule>,
    /// What is read out of each record, once, whichever rules share it.
    pub ingested: Vec<Slot>,
    /// What is read out of each entity.
    pub catalog: Vec<Slot>,
    /// Every path of the file on either side, for the lint; slots and fields refer to them by index.
    pub ingested_paths: Vec<NotedPath>,
    pub catalog_paths: Vec<NotedPath>,
}

/// A path and the line it first stands on.
#[derive(Debug)]
pub(super) struct NotedPath {
    pub path: Path,
    pub line: usize,
    /// `true`: correlation reads it; `false`: only types or fields do.
    pub correlates: bool,
}

/// Values to compare: of several paths the first that exists, normalised.
#[derive(Debug)]
pub(super) struct Slot {
    /// Indexes into the noted paths.
    pub paths: Vec<usize>,
    pub normaliser: Normaliser,
}

/// One entry of `correlation`.
#[derive(Debug)]
pub(super) struct Rule {
    /// What must hold together; one comparison, or those of `all`.
    pub comparisons: Vec<Comparison>,
    /// As written; see [`Rule::is_suggestion`].
    pub suggest_only: Option<bool>,
    pub many: bool,
    /// Lower case; `None`: every kind a repository can stand behind.
    pub kinds: Option<Vec<String>>,
    /// Where it begins, from 1.
    pub line: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Operator {
    Equals,
    Contains { boundaries: Boundaries, direction: Direction },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Boundaries {
    Token,
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Direction {
    /// The ingested value contains the catalog value.
    Forward,
    /// The catalog value contains the ingested value.
    Reverse,
}

#[derive(Debug)]
pub(super) struct Comparison {
    /// Index into [`Compiled::ingested`].
    pub ingested: usize,
    pub operator: Operator,
    /// Index into [`Compiled::catalog`].
    pub catalog: usize,
    /// Only names are compared (`$.metadata.name`, `$.identifier`, …), or where the document lies
    /// (`managed-by-location`): what an entity says about its source outweighs that.
    pub is_weak: bool,
}

/// One entry of `types`.
#[derive(Debug)]
pub(super) struct TypeRule {
    pub ingested: Path,
    pub glob: GlobMatcher,
    pub entity_type: Arc<str>,
    /// Where it begins, from 1.
    pub line: usize,
}

/// Kinds that stand for people, places or forms, never for a repository. A rule finds them only when its
/// `kinds` name them.
const NEVER_A_REPOSITORY: &[&str] =
    &["group", "user", "location", "template", "workflow", "environment", "environmentblueprint"];

impl Rule {
    /// Whether it may find entities of this kind (lower case).
    pub fn finds(&self, kind: &str) -> bool {
        match &self.kinds {
            Some(kinds) => kinds.iter().any(|wanted| wanted == kind),
            None => !NEVER_A_REPOSITORY.contains(&kind),
        }
    }

    /// Every comparison is a `contains`.
    pub fn is_contains_alone(&self) -> bool {
        self.comparisons.iter().all(|comparison| comparison.operator != Operator::Equals)
    }

    /// Never carried out unseen: said by `suggest_only`, else so for `contains` alone.
    pub fn is_suggestion(&self) -> bool {
        self.suggest_only.unwrap_or_else(|| self.is_contains_alone())
    }

    /// Nothing but names, or the document's own place, is compared.
    pub fn is_weak(&self) -> bool {
        self.comparisons.iter().all(|comparison| comparison.is_weak)
    }
}

impl Rules {
    /// Compiles a rules file; `name` is what people call it. All faults at once, in order of place.
    pub fn parse(text: &str, name: &str) -> Result<Self, Vec<RuleFault>> {
        parse::parse(text, name).map(|compiled| Self(Arc::new(compiled)))
    }

    /// A shipped rules file; `None`: there is none of that name.
    pub fn builtin(name: &str) -> Option<Self> {
        let (name, text) = BUILTIN.iter().find(|(builtin, _)| *builtin == name)?;
        Some(Self::parse(text, name).expect("shipped rules parse: a test parses them all"))
    }

    /// What people call it.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Changes exactly when the meaning of the file does: comments, quotes and layout do not count.
    pub fn hash(&self) -> &str {
        &self.0.hash
    }

    /// What is written into entities, in the order of the file.
    pub fn fields(&self) -> &[FieldRule] {
        &self.0.fields
    }

    /// How many correlation rules there are.
    pub fn len(&self) -> usize {
        self.0.rules.len()
    }

    /// Whether there is no correlation rule: nothing is ever merged.
    pub fn is_empty(&self) -> bool {
        self.0.rules.is_empty()
    }

    /// Type of a new entity: of the first glob that fits, else `default`.
    pub fn type_of(&self, raw: &Value, default: &str) -> String {
        self.type_by_rule(raw).map_or_else(|| default.to_owned(), |entity_type| entity_type.to_string())
    }

    pub(super) fn type_by_rule(&self, raw: &Value) -> Option<Arc<str>> {
        self.0.types.iter().find_map(|rule| {
            let fits = |node: &&Value| scalar_text(node).is_some_and(|text| rule.glob.is_match(&*text));
            rule.ingested.nodes(raw).iter().any(fits).then(|| rule.entity_type.clone())
        })
    }

    /// Every comparison of the rule is a `contains`.
    pub fn is_contains_alone(&self, rule: usize) -> bool {
        self.0.rules.get(rule).is_some_and(Rule::is_contains_alone)
    }

    /// What the rule finds is never carried out unseen: it says so, or it is `contains` alone.
    pub fn is_suggestion(&self, rule: usize) -> bool {
        self.0.rules.get(rule).is_some_and(Rule::is_suggestion)
    }

    /// The rule says `suggest_only: false`: whoever wrote it wants its finds imported unseen, also where
    /// it is `contains` alone or compares no more than names (P3.8: unless the config says so).
    pub fn may_go_unseen(&self, rule: usize) -> bool {
        self.0.rules.get(rule).is_some_and(|rule| rule.suggest_only == Some(false))
    }

    /// The rule compares nothing but names, or the place of the document itself.
    pub fn is_weak(&self, rule: usize) -> bool {
        self.0.rules.get(rule).is_some_and(Rule::is_weak)
    }

    /// One repository may be linked to every entity the rule finds.
    pub fn says_many(&self, rule: usize) -> bool {
        self.0.rules.get(rule).is_some_and(|rule| rule.many)
    }

    /// A rule in words: `$.name equals $.metadata.name or $.identifier (ignoring case)`.
    pub fn describe(&self, rule: usize) -> String {
        let Some(rule) = self.0.rules.get(rule) else { return format!("rule {rule}") };
        let parts: Vec<_> = rule.comparisons.iter().map(|comparison| self.describe_comparison(comparison)).collect();
        let mut text = parts.join(" and ");
        if let Some(kinds) = &rule.kinds {
            text.push_str(&format!(", only {}", kinds.join(" or ")));
        }
        text
    }

    /// A rule in few words, for tables: `name equals metadata.name`. What it ignores, trims and is limited to is
    /// in [`Rules::describe`].
    pub fn brief(&self, rule: usize) -> String {
        let Some(rule) = self.0.rules.get(rule) else { return String::new() };
        let first = |slot: &Slot, paths: &[NotedPath]| {
            let first = slot.paths.first().map_or_else(String::new, |path| brief_path(paths[*path].path.as_str()));
            match slot.paths.len() {
                0 | 1 => first,
                more => format!("{first} (or {} more)", more - 1),
            }
        };
        let parts: Vec<String> = rule
            .comparisons
            .iter()
            .map(|comparison| {
                let from = first(&self.0.ingested[comparison.ingested], &self.0.ingested_paths);
                let to = first(&self.0.catalog[comparison.catalog], &self.0.catalog_paths);
                match comparison.operator {
                    Operator::Equals => format!("{from} equals {to}"),
                    Operator::Contains { direction: Direction::Forward, .. } => format!("{from} contains {to}"),
                    Operator::Contains { direction: Direction::Reverse, .. } => format!("{from} is contained in {to}"),
                }
            })
            .collect();
        parts.join(" and ")
    }

    pub(super) fn describe_comparison(&self, comparison: &Comparison) -> String {
        let ingested = &self.0.ingested[comparison.ingested];
        let catalog = &self.0.catalog[comparison.catalog];
        let paths = |slot: &Slot, paths: &[NotedPath]| {
            slot.paths.iter().map(|path| paths[*path].path.as_str().to_owned()).collect::<Vec<_>>().join(" or ")
        };
        let (from, to) = (paths(ingested, &self.0.ingested_paths), paths(catalog, &self.0.catalog_paths));
        let mut text = match comparison.operator {
            Operator::Equals => format!("{from} equals {to}"),
            Operator::Contains { direction: Direction::Forward, .. } => format!("{from} contains {to}"),
            Operator::Contains { direction: Direction::Reverse, .. } => format!("{from} is contained in {to}"),
        };
        let mut with = ingested.normaliser.in_words();
        if matches!(comparison.operator, Operator::Contains { boundaries: Boundaries::Any, .. }) {
            let joint = if with.is_empty() { "" } else { ", " };
            with = format!("anywhere{joint}{with}");
        }
        if !with.is_empty() {
            text.push_str(&format!(" ({with})"));
        }
        text
    }
}

/// `$.metadata.annotations["bitbucket.org/repo-slug"]` → `annotation bitbucket.org/repo-slug`.
fn brief_path(path: &str) -> String {
    let path = path.strip_prefix("$.").unwrap_or(path);
    for (place, word) in [("metadata.annotations", "annotation"), ("metadata.labels", "label")] {
        let Some(rest) = path.strip_prefix(place) else { continue };
        let name = rest.strip_prefix('.').or_else(|| rest.strip_prefix("[\"")?.strip_suffix("\"]"));
        if let Some(name) = name {
            return format!("{word} {name}");
        }
    }
    path.to_owned()
}

/// SHA-256 of what the file says, in hex.
pub(super) fn hash_of(root: &Node) -> String {
    hex::encode(Sha256::digest(root.content().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_told_in_few_words() {
        let rules = Rules::builtin("bitbucket-cloud-annotations").unwrap();
        assert_eq!(rules.brief(0), "full_name equals annotation bitbucket.org/project-slug (or 2 more)");
        assert_eq!(
            rules.brief(1),
            "project.key equals annotation bitbucket.org/project-key and slug equals annotation bitbucket.org/repo-slug"
        );
        assert_eq!(rules.brief(5), "links.html.href equals metadata.links[*].url");
        assert_eq!(rules.brief(6), "name equals metadata.name");
        assert_eq!(rules.brief(99), "");
        assert_eq!(brief_path("$.metadata.labels.project"), "label project");
        assert_eq!(brief_path("$.metadata.annotations[*]"), "metadata.annotations[*]");
    }

    #[test]
    fn shipped_rules_parse_and_say_whom_they_serve() {
        for (name, text) in BUILTIN {
            assert!(text.starts_with("# For whom: "), "{name}");
            match Rules::parse(text, name) {
                Ok(rules) => assert!(!rules.is_empty() && !rules.fields().is_empty(), "{name}"),
                Err(faults) => {
                    panic!("{name}: {}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
                }
            }
        }
        assert!(Rules::builtin("no-such-rules").is_none());
    }
}
