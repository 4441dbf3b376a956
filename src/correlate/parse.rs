//! Text → rules. Goes on after a fault, so that a person sees all of them at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use globset::GlobBuilder;
use regex::RegexBuilder;
use serde_json::Value;

use super::field::{FieldRule, FieldSource, Mode, TemplatePart, When, parse_template};
use super::located::{self, Kind, Node};
use super::normalise::Normaliser;
use super::path::Path;
use super::rule::{
    Boundaries, Comparison, Compiled, Direction, NotedPath, Operator, Rule, RuleFault, Slot, TypeRule, hash_of,
};
use crate::error::escape_control;
use crate::plan::FieldPath;

/// The same bounds hold for files and for rules sent for preview.
const MAX_BYTES: usize = 64 * 1024;
const MAX_RULES: usize = 200;
/// Bounds the memory a regex may compile to.
const MAX_REGEX_BYTES: usize = 1024 * 1024;

const ROOT_KEYS: &[&str] = &["entity", "correlation", "types", "fields"];
const NORMALISERS: &[&str] = &["ignore_case", "trim_prefix", "trim_suffix", "slug", "regex"];
const COMPARISON_KEYS: &[&str] = &[
    "ingested",
    "operator",
    "catalog",
    "boundaries",
    "direction",
    "ignore_case",
    "trim_prefix",
    "trim_suffix",
    "slug",
    "regex",
];
const RULE_KEYS: &[&str] = &["suggest_only", "many", "kinds"];
const FIELD_KEYS: &[&str] = &["ingested", "map", "else", "value", "template", "catalog", "when", "mode"];

/// What is compared here says less about an entity than the source it names.
const WEAK_PATHS: &[&[&str]] = &[
    &["metadata", "name"],
    &["metadata", "title"],
    &["identifier"],
    &["name"],
    &["metadata", "annotations", "backstage.io/managed-by-location"],
    &["metadata", "annotations", "backstage.io/managed-by-origin-location"],
];

pub(super) fn parse(text: &str, name: &str) -> Result<Compiled, Vec<RuleFault>> {
    let whole_file = |what: String, mend: &str| vec![RuleFault { line: 1, column: 1, what, mend: mend.to_owned() }];
    if text.len() > MAX_BYTES {
        let what = format!("{} bytes are too much for a rules file", text.len());
        return Err(whole_file(what, "keep rules files under 64 KiB"));
    }
    let root = match located::read(text) {
        Err(fault) => return Err(vec![fault]),
        Ok(None) => return Err(whole_file("the file is empty".into(), "write `correlation:` with at least one rule")),
        Ok(Some(root)) => root,
    };
    let mut reader = Reader::default();
    reader.root(&root);
    if !reader.faults.is_empty() {
        reader.faults.sort();
        reader.faults.dedup();
        return Err(reader.faults);
    }
    Ok(Compiled {
        name: name.to_owned(),
        hash: hash_of(&root),
        rules: reader.rules,
        types: reader.types,
        fields: reader.fields,
        ingested: reader.ingested.slots,
        catalog: reader.catalog.slots,
        ingested_paths: reader.ingested.paths,
        catalog_paths: reader.catalog.paths,
    })
}

#[derive(Default)]
struct Reader {
    faults: Vec<RuleFault>,
    rules: Vec<Rule>,
    types: Vec<TypeRule>,
    fields: Vec<FieldRule>,
    ingested: Side,
    catalog: Side,
}

/// Slots and paths of the ingested or the catalog side, each kept once.
#[derive(Default)]
struct Side {
    slots: Vec<Slot>,
    /// By paths and normaliser in words.
    known: BTreeMap<(Vec<usize>, String), usize>,
    paths: Vec<NotedPath>,
}

impl Side {
    fn note(&mut self, path: &Path, line: usize, correlates: bool) -> usize {
        if let Some(known) = self.paths.iter().position(|noted| noted.path.as_str() == path.as_str()) {
            self.paths[known].correlates |= correlates;
            return known;
        }
        self.paths.push(NotedPath { path: path.clone(), line, correlates });
        self.paths.len() - 1
    }

    fn slot(&mut self, paths: &[(Path, usize)], normaliser: &Normaliser) -> usize {
        let paths: Vec<usize> = paths.iter().map(|(path, line)| self.note(path, *line, true)).collect();
        let slots = &mut self.slots;
        *self.known.entry((paths.clone(), format!("{normaliser:?}"))).or_insert_with(|| {
            slots.push(Slot { paths, normaliser: normaliser.clone() });
            slots.len() - 1
        })
    }
}

/// The entries of a map whose keys are all known.
struct Fields<'n> {
    node: &'n Node,
    entries: Vec<(&'n str, &'n Node, &'n Node)>,
}

impl<'n> Fields<'n> {
    fn get(&self, key: &str) -> Option<&'n Node> {
        self.entries.iter().find(|(known, ..)| *known == key).map(|(.., value)| *value)
    }

    fn key(&self, key: &str) -> Option<&'n Node> {
        self.entries.iter().find(|(known, ..)| *known == key).map(|(_, key, _)| *key)
    }
}

impl Reader {
    fn fault(&mut self, node: &Node, what: impl Into<String>, mend: impl Into<String>) {
        let (line, column) = (node.line, node.column);
        self.faults.push(RuleFault { line, column, what: escape_control(&what.into()), mend: mend.into() });
    }

    fn root(&mut self, root: &Node) {
        let Some(fields) = self.map(root, "a rules file", &[ROOT_KEYS]) else { return };
        if let Some(entity) = fields.get("entity")
            && entity.text() != Some("repository")
        {
            self.fault(entity, "`entity` can only be `repository`", "write `entity: repository`");
        }
        if fields.get("correlation").is_none() && fields.get("types").is_none() && fields.get("fields").is_none() {
            self.fault(root, "the file has no rule", "write `correlation:` with at least one rule");
        }
        let mut total = 0;
        for (key, read) in [
            ("correlation", Self::rule as fn(&mut Self, &Node)),
            ("types", Self::type_rule),
            ("fields", Self::field_rule),
        ] {
            let Some(list) = fields.get(key) else { continue };
            let Kind::List(items) = &list.kind else {
                if list.scalar() != Some(Value::Null) {
                    let what = format!("`{key}` is {} where a list belongs", list.is_a());
                    self.fault(list, what, format!("write each entry of `{key}` as `- …`"));
                }
                continue;
            };
            for item in items {
                total += 1;
                if total == MAX_RULES + 1 {
                    let what = format!("more than {MAX_RULES} rules in one file");
                    self.fault(item, what, "join rules, or let several integrations use several files");
                    return;
                }
                read(self, item);
            }
        }
    }

    /// Checks that `node` is a map with known keys, none twice.
    fn map<'n>(&mut self, node: &'n Node, what: &str, known: &[&[&str]]) -> Option<Fields<'n>> {
        let Kind::Map(entries) = &node.kind else {
            let fault = format!("{what} is {} where a map belongs", node.is_a());
            self.fault(node, fault, "write `key: value` lines");
            return None;
        };
        let mut kept: Vec<(&str, &Node, &Node)> = Vec::new();
        for (key, value) in entries {
            let Some(name) = key.text() else {
                self.fault(key, format!("{} as a key", key.is_a()), "keys are plain words");
                continue;
            };
            let known = || known.iter().flat_map(|keys| keys.iter().copied());
            if !known().any(|candidate| candidate == name) {
                self.fault(key, format!("unknown key `{name}` in {what}"), nearest(name, known()));
            } else if let Some((_, first, _)) = kept.iter().find(|(kept, ..)| *kept == name) {
                let mend = format!("keep one; the first is on line {}", first.line);
                self.fault(key, format!("`{name}` stands twice"), mend);
            } else {
                kept.push((name, key, value));
            }
        }
        Some(Fields { node, entries: kept })
    }

    fn rule(&mut self, node: &Node) {
        let grouped =
            matches!(&node.kind, Kind::Map(entries) if entries.iter().any(|(key, _)| key.text() == Some("all")));
        let known: &[&[&str]] = if grouped { &[&["all"], RULE_KEYS] } else { &[COMPARISON_KEYS, RULE_KEYS] };
        let Some(fields) = self.map(node, "a correlation rule", known) else { return };
        let comparisons = match fields.get("all") {
            None => self.comparison(&fields).into_iter().collect(),
            Some(all) => match &all.kind {
                Kind::List(items) if !items.is_empty() => items
                    .iter()
                    .filter_map(|item| {
                        let fields = self.map(item, "a comparison", &[COMPARISON_KEYS])?;
                        self.comparison(&fields)
                    })
                    .collect(),
                _ => {
                    self.fault(all, "`all` holds no comparison", "list the comparisons that must hold together");
                    Vec::new()
                }
            },
        };
        let suggest_only = fields.get("suggest_only").and_then(|node| self.flag(node, "suggest_only"));
        let many = fields.get("many").and_then(|node| self.flag(node, "many")).unwrap_or(false);
        let kinds = fields.get("kinds").and_then(|node| self.kinds(node));
        if !comparisons.is_empty() {
            self.rules.push(Rule { comparisons, suggest_only, many, kinds, line: node.line });
        }
    }

    fn kinds(&mut self, node: &Node) -> Option<Vec<String>> {
        let Kind::List(items) = &node.kind else {
            self.fault(node, format!("`kinds` is {}", node.is_a()), "write a list: `kinds: [Component]`");
            return None;
        };
        let kinds: Option<Vec<String>> = items.iter().map(|item| item.text().map(str::to_lowercase)).collect();
        if kinds.as_ref().is_none_or(Vec::is_empty) {
            self.fault(node, "`kinds` names no kind", "write a list: `kinds: [Component]`");
        }
        kinds
    }

    fn comparison(&mut self, fields: &Fields<'_>) -> Option<Comparison> {
        let operator = self.operator(fields);
        let normaliser = self.normaliser(fields);
        let ingested = match fields.get("ingested") {
            Some(node) => self.path(node, "ingested"),
            None => {
                self.fault(fields.node, "`ingested` is missing", "name a path of the record: `ingested: $.name`");
                None
            }
        };
        let catalog = self.catalog_paths(fields);
        let (operator, normaliser, ingested, catalog) = (operator?, normaliser?, ingested?, catalog?);
        let is_weak =
            catalog.iter().all(|(path, _)| path.keys().is_some_and(|keys| WEAK_PATHS.iter().any(|weak| keys == *weak)));
        let line = fields.get("ingested").map_or(fields.node.line, |node| node.line);
        Some(Comparison {
            ingested: self.ingested.slot(&[(ingested, line)], &normaliser),
            operator,
            catalog: self.catalog.slot(&catalog, &normaliser),
            is_weak,
        })
    }

    fn catalog_paths(&mut self, fields: &Fields<'_>) -> Option<Vec<(Path, usize)>> {
        let Some(node) = fields.get("catalog") else {
            let operator = fields.get("operator").and_then(Node::text).unwrap_or("a rule");
            let what = format!("`{operator}` without `catalog`");
            self.fault(fields.node, what, "name a path of the entity: `catalog: $.metadata.name`");
            return None;
        };
        match &node.kind {
            Kind::List(items) if items.is_empty() => {
                self.fault(node, "`catalog` is an empty list", "name at least one path of the entity");
                None
            }
            Kind::List(items) => {
                let paths: Vec<_> =
                    items.iter().map(|item| self.path(item, "catalog").map(|path| (path, item.line))).collect();
                paths.into_iter().collect()
            }
            _ => self.path(node, "catalog").map(|path| vec![(path, node.line)]),
        }
    }

    fn operator(&mut self, fields: &Fields<'_>) -> Option<Operator> {
        let name = match fields.get("operator") {
            None => {
                self.fault(fields.node, "`operator` is missing", "write `operator: equals` or `operator: contains`");
                return None;
            }
            Some(node) => self.choice(node, "operator", &["equals", "contains"])?,
        };
        if name == "equals" {
            for key in ["boundaries", "direction"] {
                if let Some(node) = fields.key(key) {
                    self.fault(node, format!("`{key}` belongs to `contains`"), format!("drop `{key}`"));
                }
            }
            return Some(Operator::Equals);
        }
        let boundaries = match fields.get("boundaries") {
            None => "token",
            Some(node) => self.choice(node, "boundaries", &["token", "any"])?,
        };
        let direction = match fields.get("direction") {
            None => "forward",
            Some(node) => self.choice(node, "direction", &["forward", "reverse"])?,
        };
        Some(Operator::Contains {
            boundaries: if boundaries == "any" { Boundaries::Any } else { Boundaries::Token },
            direction: if direction == "reverse" { Direction::Reverse } else { Direction::Forward },
        })
    }

    fn normaliser(&mut self, fields: &Fields<'_>) -> Option<Normaliser> {
        let faults = self.faults.len();
        let mut normaliser = Normaliser::default();
        for key in NORMALISERS {
            let Some(node) = fields.get(key) else { continue };
            match *key {
                "ignore_case" => normaliser.ignore_case = self.flag(node, key).unwrap_or(false),
                "slug" => normaliser.slug = self.flag(node, key).unwrap_or(false),
                "regex" => normaliser.regex = self.regex(node),
                "trim_prefix" => normaliser.trim_prefix = self.words(node, key),
                _ => normaliser.trim_suffix = self.words(node, key),
            }
        }
        if normaliser.ignore_case {
            for trim in [&mut normaliser.trim_prefix, &mut normaliser.trim_suffix] {
                *trim = trim.take().map(|text| text.to_lowercase());
            }
        }
        (self.faults.len() == faults).then_some(normaliser)
    }

    fn regex(&mut self, node: &Node) -> Option<regex::Regex> {
        let text = self.words(node, "regex")?;
        match RegexBuilder::new(&text).size_limit(MAX_REGEX_BYTES).build() {
            Err(error) => {
                let what = error.to_string();
                let what = what.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned();
                self.fault(node, format!("not a regex: {what}"), "use the syntax of Rust's regex crate");
                None
            }
            Ok(regex) if regex.captures_len() != 2 => {
                let what = format!("a regex with {} capture groups", regex.captures_len() - 1);
                self.fault(node, what, "put exactly one group around the value; other groups read `(?:…)`");
                None
            }
            Ok(regex) => Some(regex),
        }
    }

    fn type_rule(&mut self, node: &Node) {
        let Some(fields) = self.map(node, "a type rule", &[&["ingested", "glob", "type"]]) else { return };
        let mut required = |key: &str| match fields.get(key) {
            Some(value) => Some(value),
            None => {
                let mend = "write `{ ingested: $.name, glob: \"*-lib\", type: library }`";
                self.fault(node, format!("`{key}` is missing"), mend);
                None
            }
        };
        let (ingested, glob, entity_type) = (required("ingested"), required("glob"), required("type"));
        let ingested = ingested.and_then(|node| self.path(node, "ingested"));
        let glob = glob.and_then(|node| {
            let text = self.words(node, "glob")?;
            match GlobBuilder::new(&text).case_insensitive(true).build() {
                Ok(glob) => Some(glob.compile_matcher()),
                Err(error) => {
                    self.fault(node, format!("not a glob: {}", error.kind()), "use `*`, `?`, `[a-z]` and `{a,b}`");
                    None
                }
            }
        });
        let entity_type = entity_type.and_then(|node| self.words(node, "type"));
        if let (Some(ingested), Some(glob), Some(entity_type)) = (ingested, glob, entity_type) {
            self.ingested.note(&ingested, node.line, false);
            self.types.push(TypeRule { ingested, glob, entity_type: Arc::from(entity_type), line: node.line });
        }
    }

    fn field_rule(&mut self, node: &Node) {
        let Some(fields) = self.map(node, "a field rule", &[FIELD_KEYS]) else { return };
        let source = self.field_source(&fields);
        let catalog = match fields.get("catalog") {
            Some(target) => self.target(target),
            None => {
                self.fault(node, "`catalog` is missing", "say where it goes: `catalog: $.metadata.description`");
                None
            }
        };
        let when = match fields.get("when") {
            None => Some("missing"),
            Some(node) => self.choice(node, "when", &["missing", "always", "register"]),
        };
        let mode = match fields.get("mode") {
            None => Some("set"),
            Some(node) => self.choice(node, "mode", &["set", "add"]),
        };
        let (Some(source), Some(catalog), Some(when), Some(mode)) = (source, catalog, when, mode) else { return };
        match &source {
            FieldSource::Ingested { path, .. } => _ = self.ingested.note(path, node.line, false),
            FieldSource::Template(parts) => {
                for part in parts {
                    if let TemplatePart::Path(path) = part {
                        self.ingested.note(path, node.line, false);
                    }
                }
            }
            FieldSource::Value(_) => {}
        }
        let when = match when {
            "always" => When::Always,
            "register" => When::Register,
            _ => When::Missing,
        };
        let mode = if mode == "add" { Mode::Add } else { Mode::Set };
        self.fields.push(FieldRule { source, catalog, when, mode, line: node.line });
    }

    fn field_source(&mut self, fields: &Fields<'_>) -> Option<FieldSource> {
        let given: Vec<&str> =
            ["ingested", "value", "template"].into_iter().filter(|key| fields.get(key).is_some()).collect();
        let [given] = given[..] else {
            let what = if given.is_empty() {
                "a field without a value".to_owned()
            } else {
                format!("`{}` exclude each other", given.join("`, `"))
            };
            self.fault(fields.node, what, "give one of `ingested`, `value` and `template`");
            return None;
        };
        for key in ["map", "else"] {
            if let Some(node) = fields.key(key)
                && given != "ingested"
            {
                self.fault(node, format!("`{key}` belongs to `ingested`"), format!("drop `{key}`"));
            }
        }
        let node = fields.get(given)?;
        match given {
            "value" => self.written(node, "value").map(FieldSource::Value),
            "template" => {
                let text = self.words(node, "template")?;
                match parse_template(&text) {
                    Ok(parts) => Some(FieldSource::Template(parts)),
                    Err((offset, what)) => {
                        let what = format!("{what} (offset {offset} of the template)");
                        self.fault(node, what, "paths stand in braces: `url:{$.links.html.href}/src/`");
                        None
                    }
                }
            }
            _ => {
                let path = self.path(node, "ingested")?;
                let map = match fields.get("map") {
                    None => None,
                    Some(node) => Some(self.lookup(node)?),
                };
                let otherwise = match fields.get("else") {
                    None => None,
                    Some(node) => Some(self.written(node, "else")?),
                };
                Some(FieldSource::Ingested { path, map, otherwise })
            }
        }
    }

    fn lookup(&mut self, node: &Node) -> Option<BTreeMap<String, Value>> {
        let Kind::Map(entries) = &node.kind else {
            self.fault(node, format!("`map` is {}", node.is_a()), "write `map: { FROM: to }`");
            return None;
        };
        let mut map = BTreeMap::new();
        for (key, value) in entries {
            let Kind::Scalar { text, .. } = &key.kind else {
                self.fault(key, format!("{} as a key of `map`", key.is_a()), "keys are the values looked up");
                continue;
            };
            let Some(value) = self.written(value, "map") else { continue };
            if map.insert(text.clone(), value).is_some() {
                self.fault(key, format!("`{text}` stands twice in `map`"), "keep one");
            }
        }
        Some(map)
    }

    /// A value that may be written: a scalar or a list of scalars.
    fn written(&mut self, node: &Node, key: &str) -> Option<Value> {
        let value = match &node.kind {
            Kind::Scalar { .. } => node.scalar().filter(|value| !value.is_null()),
            Kind::List(items) => items
                .iter()
                .map(|item| item.scalar().filter(|value| !value.is_null()))
                .collect::<Option<Vec<_>>>()
                .filter(|items| !items.is_empty())
                .map(Value::Array),
            Kind::Map(_) => None,
        };
        if value.is_none() {
            let what = format!("`{key}` holds {} where a plain value or a list of them belongs", node.is_a());
            self.fault(node, what, "only plain values and lists of plain values are written");
        }
        value
    }

    /// Where a field is written. What names an entity, and what others or we keep, is nobody's to map.
    fn target(&mut self, node: &Node) -> Option<FieldPath> {
        let path = self.path(node, "catalog")?;
        let Some(keys) = path.keys() else {
            self.fault(node, format!("`{path}` does not name one field"), "write keys only: `$.metadata.description`");
            return None;
        };
        let words: Vec<&str> = keys.iter().map(String::as_str).collect();
        let mend = "map to another field, an annotation of your own for example";
        let refused = match words[..] {
            ["apiVersion" | "kind" | "name" | "namespace" | "identifier" | "uid" | "scope", ..]
            | ["orgIdentifier" | "projectIdentifier", ..]
            | ["metadata", "name" | "namespace" | "identifier" | "uid" | "etag", ..] => {
                Some("it is part of the entity's identity")
            }
            ["metadata", "annotations" | "labels", key, ..] if key.contains("managed-by-") => {
                Some("the catalog itself keeps it")
            }
            ["metadata", "annotations" | "labels", key, ..] if key.starts_with("catalog-sync.dev/") => {
                Some("it is our own mark")
            }
            ["metadata", "integration" | "integration_properties", ..] => Some("it is our own mark"),
            [] | ["metadata" | "spec" | "relations"] | ["metadata", "annotations" | "labels" | "links"] => {
                Some("it is a whole section, not one field")
            }
            _ => None,
        };
        if let Some(because) = refused {
            self.fault(node, format!("`{path}` may not be written: {because}"), mend);
            return None;
        }
        Some(FieldPath(keys.to_vec()))
    }

    fn path(&mut self, node: &Node, key: &str) -> Option<Path> {
        let text = self.words(node, key)?;
        match Path::parse(&text) {
            Ok(path) => Some(path),
            Err(bad) => {
                let place = bad.offset.map(|offset| format!(" at offset {offset}")).unwrap_or_default();
                let what = format!("`{text}` is not a JSONPath{place}: {}", bad.what);
                let mend = "write `$.a.b`, `$.list[*].x` or `$.annotations[\"a.b/c\"]` (RFC 9535)";
                self.fault(node, what, mend);
                None
            }
        }
    }

    /// Text that is not empty.
    fn words(&mut self, node: &Node, key: &str) -> Option<String> {
        let text = node.text().filter(|text| !text.is_empty());
        if text.is_none() {
            let what = format!("`{key}` is {} where text belongs", node.is_a());
            self.fault(node, what, "write a text, in quotes where YAML would read something else");
        }
        text.map(str::to_owned)
    }

    fn flag(&mut self, node: &Node, key: &str) -> Option<bool> {
        let flag = node.scalar().and_then(|value| value.as_bool());
        if flag.is_none() {
            self.fault(node, format!("`{key}` is neither true nor false"), format!("write `{key}: true`"));
        }
        flag
    }

    fn choice<'k>(&mut self, node: &Node, key: &str, known: &[&'k str]) -> Option<&'k str> {
        let text = node.text().unwrap_or_default();
        let found = known.iter().find(|known| **known == text);
        if found.is_none() {
            let what = format!("`{key}` cannot be `{text}`");
            self.fault(node, what, nearest(text, known.iter().copied()));
        }
        found.copied()
    }
}

/// The known word meant, if one is near, else all of them.
fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str> + Clone) -> String {
    let best = known
        .clone()
        .map(|known| (strsim::damerau_levenshtein(&word.to_lowercase(), known), known))
        .filter(|(distance, known)| *distance <= 1 + known.len() / 3)
        .min();
    match best {
        Some((_, known)) => format!("did you mean `{known}`?"),
        None => format!("known here: {}", known.collect::<Vec<_>>().join(", ")),
    }
}
