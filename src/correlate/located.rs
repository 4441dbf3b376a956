//! YAML with the place of every node: what line-precise reports about a rules file need.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::Value;

use super::rule::RuleFault;

/// Deeper than any rules file; keeps recursion bounded.
const MAX_DEPTH: usize = 32;

/// A node and where it starts, both from 1.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub line: usize,
    pub column: usize,
    pub kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// `plain` scalars may be null, booleans or numbers; quoted ones are text.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    /// In the order written; a key may stand twice.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// What kind of thing it is, for messages.
    pub fn is_a(&self) -> &'static str {
        match &self.kind {
            Kind::Scalar { .. } if self.scalar() == Some(Value::Null) => "nothing",
            Kind::Scalar { .. } => "a plain value",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }

    /// The text of a scalar that is text.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } if matches!(self.scalar(), Some(Value::String(_))) => Some(text),
            _ => None,
        }
    }

    /// A scalar by YAML 1.2's core schema; `None` for lists and maps.
    pub fn scalar(&self) -> Option<Value> {
        let Kind::Scalar { text, plain } = &self.kind else { return None };
        if !plain {
            return Some(Value::from(text.as_str()));
        }
        Some(match text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Value::Null,
            "true" | "True" | "TRUE" => Value::Bool(true),
            "false" | "False" | "FALSE" => Value::Bool(false),
            text if text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) => {
                let float = || text.parse::<f64>().ok().filter(|float| float.is_finite()).map(Value::from);
                text.parse::<i64>().ok().map(Value::from).or_else(float).unwrap_or_else(|| Value::from(text))
            }
            text => Value::from(text),
        })
    }

    /// The content without places, comments and quotes: equal for files that mean the same.
    pub fn content(&self) -> Value {
        match &self.kind {
            Kind::Scalar { .. } => self.scalar().unwrap_or(Value::Null),
            Kind::List(items) => items.iter().map(Self::content).collect(),
            Kind::Map(entries) => entries
                .iter()
                .map(|(key, value)| Value::from(vec![key.content(), value.content()]))
                .collect::<Vec<_>>()
                .into(),
        }
    }
}

/// Reads one document; `None` when there is none.
pub(super) fn read(text: &str) -> Result<Option<Node>, RuleFault> {
    let mut open: Vec<Node> = Vec::new();
    let mut keys: Vec<Option<Node>> = Vec::new();
    let mut root = None;
    for event in Parser::new_from_str(text.trim_start_matches('\u{feff}')) {
        let (event, span) = event.map_err(|error| RuleFault {
            line: error.marker().line().max(1),
            column: error.marker().col() + 1,
            what: format!("this is not YAML: {}", error.info()),
            mend: "check indentation and quotes around here".to_owned(),
        })?;
        let finished = match event {
            Event::Scalar(text, style, ..) => {
                let plain = style == ScalarStyle::Plain;
                Some(node(span, Kind::Scalar { text: text.into_owned(), plain }))
            }
            Event::SequenceStart(..) => {
                open.push(node(span, Kind::List(Vec::new())));
                keys.push(None);
                None
            }
            Event::MappingStart(..) => {
                open.push(node(span, Kind::Map(Vec::new())));
                keys.push(None);
                None
            }
            Event::SequenceEnd | Event::MappingEnd => {
                keys.pop();
                open.pop()
            }
            Event::Alias(_) => {
                return Err(at(span, "aliases (`*name`) are not read in rules files", "write the value out"));
            }
            Event::DocumentStart(_) if root.is_some() => {
                return Err(at(span, "a second document in one rules file", "keep one document per rules file"));
            }
            _ => None,
        };
        if open.len() > MAX_DEPTH {
            return Err(at(span, "nested too deep for a rules file", "the contract shows the shape of a rules file"));
        }
        let Some(finished) = finished else { continue };
        match open.last_mut().map(|parent| &mut parent.kind) {
            None => root = Some(finished),
            Some(Kind::List(items)) => items.push(finished),
            Some(Kind::Map(entries)) => match keys.last_mut().map(Option::take) {
                Some(Some(key)) => entries.push((key, finished)),
                _ => {
                    if let Some(slot) = keys.last_mut() {
                        *slot = Some(finished);
                    }
                }
            },
            Some(Kind::Scalar { .. }) => {}
        }
    }
    Ok(root)
}

fn node(span: Span, kind: Kind) -> Node {
    Node { line: span.start.line().max(1), column: span.start.col() + 1, kind }
}

fn at(span: Span, what: &str, mend: &str) -> RuleFault {
    RuleFault {
        line: span.start.line().max(1),
        column: span.start.col() + 1,
        what: what.to_owned(),
        mend: mend.to_owned(),
    }
}
