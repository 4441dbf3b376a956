//! JSONPath, compiled once. Plain member paths, which are nearly all, become key vectors.

use std::borrow::Cow;
use std::fmt;

use jsonpath_rust::parser::model::{JpQuery, Segment, Selector};
use jsonpath_rust::parser::parse_json_path;
use jsonpath_rust::query::js_path_process;
use serde_json::Value;

/// Values read from one path of one document at most: bounds what a wild path costs.
const MAX_VALUES: usize = 1_000;

/// A compiled JSONPath (RFC 9535).
#[derive(Clone, Debug)]
pub struct Path {
    text: String,
    steps: Steps,
}

#[derive(Clone, Debug)]
enum Steps {
    Keys(Vec<String>),
    Query(JpQuery),
}

/// Why a path does not parse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadPath {
    /// Where in the path, in characters from 0, if known.
    pub offset: Option<usize>,
    /// What is wrong.
    pub what: String,
}

impl Path {
    /// Compiles.
    pub fn parse(text: &str) -> Result<Self, BadPath> {
        if !text.starts_with('$') {
            return Err(BadPath { offset: Some(0), what: "a path starts with `$`".to_owned() });
        }
        let query = parse_json_path(text).map_err(|error| bad_path(&error.to_string()))?;
        let keys: Option<Vec<String>> = query
            .segments
            .iter()
            .map(|segment| match segment {
                Segment::Selector(Selector::Name(name)) => Some(name.clone()),
                _ => None,
            })
            .collect();
        let steps = keys.map_or_else(|| Steps::Query(query), Steps::Keys);
        Ok(Self { text: text.to_owned(), steps })
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The keys of a plain member path; `None` for a path with wildcards, indexes, filters or `..`.
    pub fn keys(&self) -> Option<&[String]> {
        match &self.steps {
            Steps::Keys(keys) => Some(keys),
            Steps::Query(_) => None,
        }
    }

    /// The nodes it selects, nulls included, in document order.
    pub fn nodes<'a>(&self, document: &'a Value) -> Vec<&'a Value> {
        match &self.steps {
            Steps::Keys(keys) => {
                keys.iter().try_fold(document, |value, key| value.as_object()?.get(key)).into_iter().collect()
            }
            Steps::Query(query) => {
                let found = js_path_process(query, document).unwrap_or_default();
                found.into_iter().take(MAX_VALUES).map(|node| node.val).collect()
            }
        }
    }

    /// Calls `each` with every scalar it selects as text; elements of a selected list count, nulls and
    /// maps do not. Tells whether there was one.
    pub(super) fn each_text(&self, document: &Value, mut each: impl FnMut(&str)) -> bool {
        let mut any = false;
        let mut one = |value: &Value| {
            if let Some(text) = scalar_text(value) {
                any = true;
                each(&text);
            }
        };
        let mut node = |value: &Value| match value {
            Value::Array(items) => items.iter().take(MAX_VALUES).for_each(&mut one),
            value => one(value),
        };
        if let Steps::Keys(keys) = &self.steps {
            if let Some(value) = keys.iter().try_fold(document, |value, key| value.as_object()?.get(key)) {
                node(value);
            }
        } else {
            self.nodes(document).into_iter().for_each(node);
        }
        any
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Strings, numbers and booleans as text; an empty string is nothing.
pub(super) fn scalar_text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(flag) => Some(Cow::Borrowed(if *flag { "true" } else { "false" })),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The parser's message is a drawing over several lines; its place and its last line say all of it.
fn bad_path(message: &str) -> BadPath {
    let place = message.split_once("--> ").and_then(|(_, rest)| rest.split_whitespace().next());
    let column = place.and_then(|place| place.split(':').nth(1)?.parse::<usize>().ok());
    let expected = message.lines().rev().find_map(|line| line.trim().strip_prefix("= "));
    let what = expected.map_or_else(|| message.lines().next().unwrap_or_default().to_owned(), str::to_owned);
    BadPath { offset: column.map(|column| column.saturating_sub(1)), what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(path: &str, expected: &[&str]) {
        let document = json!({
            "name": "payments", "empty": "", "none": null, "size": 7, "private": true,
            "a b": {"c.d/e": "deep"},
            "links": [{"url": "one"}, {"url": "two"}, {"title": "no url"}],
            "tags": ["go", 1, null, {"no": "scalar"}],
        });
        let mut found = Vec::new();
        let any = Path::parse(path).expect("parses").each_text(&document, |text| found.push(text.to_owned()));
        assert_eq!(found, expected);
        assert_eq!(any, !expected.is_empty());
    }

    #[test]
    fn paths_select_scalars_as_text() {
        check("$.name", &["payments"]);
        check("$.size", &["7"]);
        check("$.private", &["true"]);
        check("$.empty", &[]);
        check("$.none", &[]);
        check("$.missing.deep", &[]);
        check("$['a b'][\"c.d/e\"]", &["deep"]);
        check("$.links[*].url", &["one", "two"]);
        check("$.links[1].url", &["two"]);
        check("$.links[?@.url == 'one'].url", &["one"]);
        check("$..url", &["one", "two"]);
        check("$.tags", &["go", "1"]);
        check("$.links", &[]);
    }

    #[test]
    fn bad_paths_say_where() {
        assert_eq!(Path::parse("name").unwrap_err().offset, Some(0));
        assert_eq!(Path::parse("$.name[").unwrap_err().offset, Some(7));
        assert_eq!(Path::parse("$.project-key").unwrap_err().offset, Some(9));
    }

    #[test]
    fn member_paths_are_lowered_to_keys() {
        assert!(Path::parse("$.metadata.annotations['backstage.io/x']").unwrap().keys().is_some());
        assert!(Path::parse("$.metadata.links[*].url").unwrap().keys().is_none());
    }
}
