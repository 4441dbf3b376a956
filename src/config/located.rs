//! YAML as a tree whose every node knows its place, so that each fault can name line and column.
//!
//! For files that people write (config, rules, decisions). It bounds what it reads: size, depth, and what
//! aliases may expand to.

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::faults::{Around, Fault};
use super::model::Place;

/// Files larger than this are refused before they are parsed.
pub const MAX_BYTES: usize = 1024 * 1024;
/// Nesting deeper than this is refused.
const MAX_DEPTH: usize = 64;
/// Nodes a file may have after its aliases are expanded; no config comes near it, a bomb passes it at once.
const MAX_NODES: usize = 100_000;

/// One node.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Its first character.
    pub place: Place,
    /// Just behind its last character.
    pub end: Place,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// A scalar.
    Text {
        /// Unquoted, with escapes carried out.
        text: String,
        /// Written without quotes: may mean a number or a boolean.
        plain: bool,
    },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in the order of the file, no key twice, merge keys (`<<`) carried out.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// The key.
    pub text: String,
    /// Its first character.
    pub place: Place,
}

impl Node {
    /// What it is, for messages; without its value.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Text { .. } => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The value of a key, in a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(name, _)| name.text == key).map(|(_, node)| node),
            _ => None,
        }
    }

    /// How many characters of its first line a caret should stand under.
    pub fn width(&self) -> usize {
        if self.end.line == self.place.line { self.end.column.saturating_sub(self.place.column).max(1) } else { 1 }
    }
}

/// Reads bytes as UTF-8 text without a byte order mark, within the size limit.
///
/// # Errors
/// The fault, placed where the text stops being UTF-8.
pub fn decode(bytes: &[u8]) -> Result<&str, Fault> {
    if bytes.len() > MAX_BYTES {
        let size = bytes.len() / 1024;
        return Err(Fault::nowhere(format!("the file is too large: {size} KiB"))
            .because("files over 1 MiB are not read")
            .mend("check that the path names the right file"));
    }
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(Fault::nowhere("the file is UTF-16, not UTF-8").mend("save it as UTF-8"));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{FEFF}').unwrap_or(text)),
        Err(error) => {
            let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            Err(Fault::at(Place { line, column }, 1, "the file is not UTF-8 text").mend("save it as UTF-8"))
        }
    }
}

/// Reads one YAML document. `None` when there is nothing but comments. Faults that leave a tree (a key
/// twice) are collected; with a fault in the syntax the tree is `None`.
pub fn parse(text: &str, faults: &mut Vec<Fault>) -> Option<Node> {
    let mut tree = Builder::default();
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                let marker = error.marker();
                let place = Place { line: marker.line(), column: marker.col() + 1 };
                faults.push(
                    Fault::at(place, 1, format!("this is not YAML: {}", error.info()))
                        .mend("check indentation, colons, quotes and brackets here and on the line above")
                        .guarded(),
                );
                return None;
            }
        };
        if matches!(event, Event::DocumentStart(_)) {
            documents += 1;
            if documents > 1 {
                faults.push(
                    Fault::at(start(span), 3, "a second document begins here")
                        .because("this file is one YAML document")
                        .mend("remove the `---`, or move what follows into another file"),
                );
                break;
            }
        }
        if let Err(fault) = tree.event(event, span, faults) {
            faults.push(fault);
            return None;
        }
    }
    tree.root.filter(|root| root.value != Value::Null)
}

fn start(span: Span) -> Place {
    Place { line: span.start.line(), column: span.start.col() + 1 }
}

fn end(span: Span) -> Place {
    Place { line: span.end.line(), column: span.end.col() + 1 }
}

/// A collection that is still open.
struct Open {
    place: Place,
    anchor: usize,
    entries: Entries,
}

enum Entries {
    List(Vec<Node>),
    Map { entries: Vec<(Key, Node)>, key: Option<Key>, merges: Vec<Node> },
}

/// Makes the tree from events, without recursion.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    root: Option<Node>,
}

impl Builder {
    fn event(&mut self, event: Event<'_>, span: Span, faults: &mut Vec<Fault>) -> Result<(), Fault> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                check_tag(tag.as_deref(), span, faults);
                let plain = style == ScalarStyle::Plain && tag.is_none_or(|tag| !tag.is_yaml_core_schema());
                let is_null = plain && matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL");
                let value = if is_null { Value::Null } else { Value::Text { text: text.into_owned(), plain } };
                self.add(Node { value, place: start(span), end: end(span) }, anchor, faults)
            }
            Event::SequenceStart(anchor, tag) => self.begin(Entries::List(Vec::new()), anchor, tag, span, faults),
            Event::MappingStart(anchor, tag) => {
                let entries = Entries::Map { entries: Vec::new(), key: None, merges: Vec::new() };
                self.begin(entries, anchor, tag, span, faults)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Ok(()) };
                let value = match open.entries {
                    Entries::List(nodes) => Value::List(nodes),
                    Entries::Map { entries, merges, .. } => Value::Map(merge(entries, merges, faults)),
                };
                self.add(Node { value, place: open.place, end: end(span) }, open.anchor, faults)
            }
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor).cloned() else {
                    return Err(Fault::at(start(span), span.len().max(1), "this alias stands inside its own anchor")
                        .mend("write the value out")
                        .guarded());
                };
                self.nodes += size;
                self.check_size(start(span))?;
                // Errors inside name the place of the anchor: that is where the text to mend stands.
                self.add(node, 0, faults)
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                Ok(())
            }
        }
    }

    fn begin(
        &mut self,
        entries: Entries,
        anchor: usize,
        tag: Option<Cow<'_, Tag>>,
        span: Span,
        faults: &mut Vec<Fault>,
    ) -> Result<(), Fault> {
        check_tag(tag.as_deref(), span, faults);
        if self.open.len() >= MAX_DEPTH {
            return Err(Fault::at(start(span), 1, format!("nested more than {MAX_DEPTH} levels deep")));
        }
        self.open.push(Open { place: start(span), anchor, entries });
        Ok(())
    }

    /// What the keys say that are above those of the innermost collection.
    fn around(&self) -> Around {
        let above = &self.open[..self.open.len().saturating_sub(1)];
        above.iter().fold(Around::default(), |around, open| match &open.entries {
            Entries::Map { key: Some(key), .. } => around.beneath(&key.text),
            _ => around,
        })
    }

    fn check_size(&self, place: Place) -> Result<(), Fault> {
        if self.nodes <= MAX_NODES {
            return Ok(());
        }
        Err(Fault::at(place, 1, "the file is too large once its aliases are expanded")
            .because(format!("more than {MAX_NODES} values are not read"))
            .mend("write the values out, or use fewer aliases of aliases"))
    }

    fn add(&mut self, node: Node, anchor: usize, faults: &mut Vec<Fault>) -> Result<(), Fault> {
        self.nodes += 1;
        self.check_size(node.place)?;
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), count(&node)));
        }
        let around = self.around();
        match self.open.last_mut().map(|open| &mut open.entries) {
            None => self.root = Some(node),
            Some(Entries::List(nodes)) => nodes.push(node),
            Some(Entries::Map { entries, key, merges }) => match key.take() {
                None => *key = Some(as_key(node, faults)),
                Some(name) if name.text == "<<" => merges.push(node),
                Some(name) => match entries.iter().find(|(other, _)| other.text == name.text) {
                    Some((first, _)) => faults.push(twice(&name, &node, around, first.place.line)),
                    None => entries.push((name, node)),
                },
            },
        }
        Ok(())
    }
}

fn count(node: &Node) -> usize {
    1 + match &node.value {
        Value::Null | Value::Text { .. } => 0,
        Value::List(nodes) => nodes.iter().map(count).sum(),
        Value::Map(entries) => entries.iter().map(|(_, node)| count(node)).sum(),
    }
}

/// A key that is there already. Of one that may be a secret in braces, nothing is told but its place.
fn twice(key: &Key, node: &Node, around: Around, first: usize) -> Fault {
    let is_named = !key.text.is_empty() && node.value != Value::Null && around.may_name(&key.text);
    let what = match key.text.as_str() {
        "" => "a key that is no text is there twice".to_owned(),
        text if is_named => format!("the key `{text}` is there twice"),
        _ => "a key is there twice".to_owned(),
    };
    let fault = Fault::at(key.place, key.text.chars().count(), what)
        .because(format!("it is also on line {first}"))
        .mend("keep one of them");
    if is_named && !around.beneath(&key.text).is_secret() && !around.is_secret() { fault } else { fault.guarded() }
}

/// The text of a tag is not told: it may be a value that lacks quotes.
fn check_tag(tag: Option<&Tag>, span: Span, faults: &mut Vec<Fault>) {
    if tag.is_some_and(|tag| !tag.is_yaml_core_schema()) {
        let fault = Fault::at(start(span), span.len().max(1), "a tag means nothing here");
        faults.push(fault.mend("remove it; a value that begins with `!` needs quotes").guarded());
    }
}

fn as_key(node: Node, faults: &mut Vec<Fault>) -> Key {
    let width = node.width();
    match node.value {
        Value::Text { text, .. } => Key { text, place: node.place },
        Value::Null => Key { text: "null".to_owned(), place: node.place },
        Value::List(_) | Value::Map(_) => {
            faults.push(
                Fault::at(node.place, width, "a key must be a single word")
                    .mend("a value that begins with `{` or `[` needs quotes")
                    .guarded(),
            );
            Key { text: String::new(), place: node.place }
        }
    }
}

/// Carries `<<` out: keys written here win, of several merged maps the first that has a key.
fn merge(mut entries: Vec<(Key, Node)>, merges: Vec<Node>, faults: &mut Vec<Fault>) -> Vec<(Key, Node)> {
    for node in merges {
        let maps = match node.value {
            Value::List(nodes) => nodes,
            _ => vec![node],
        };
        for map in maps {
            match map.value {
                Value::Map(merged) => {
                    for (key, value) in merged {
                        if entries.iter().all(|(other, _)| other.text != key.text) {
                            entries.push((key, value));
                        }
                    }
                }
                _ => faults.push(Fault::at(map.place, 1, "`<<` merges mappings, and this is none").guarded()),
            }
        }
    }
    entries
}
