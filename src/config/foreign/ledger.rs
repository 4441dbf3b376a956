//! What became of each key: taken over, or named with its line and the reason. Blocks that are read through
//! [`Block`] lose nothing: what nobody asked for is named at the end.

use std::fmt;

use super::super::faults::Fault;
use super::super::fields;
use super::super::located::{Key, Node, Value};
use super::super::secret::{begins_like_token, looks_like_token};
use super::reference::{self, Given};
use crate::error::is_invisible;

/// Something the person should know of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Where the key stands in the file that was read; from 1.
    pub line: usize,
    /// The key with those above it: `satellite.tenant`, `integrations[0].metadata.repos`. Holds nothing but
    /// words that could be keys.
    pub key: String,
    /// What it is about.
    pub fate: Fate,
    /// Our words; nothing of the file's values.
    pub what: String,
}

/// What became of a key that is not simply taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// Something has to be filled in.
    FillIn,
    /// Taken over, with a difference.
    Differs,
    /// Known, and nothing of it applies.
    NotApplicable,
    /// Not a key we know.
    Unknown,
}

impl Fate {
    /// In the order in which they are told.
    pub const ALL: [Self; 4] = [Self::FillIn, Self::Differs, Self::NotApplicable, Self::Unknown];

    /// The heading of its notes.
    pub fn heading(self) -> &'static str {
        match self {
            Self::FillIn => "to be filled in (marked with <--)",
            Self::Differs => "taken over with a difference",
            Self::NotApplicable => "does not apply",
            Self::Unknown => "not known, and not taken over",
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, {}", self.line, self.key)?;
        if self.what.is_empty() { Ok(()) } else { write!(f, ": {}", self.what) }
    }
}

/// Notes and faults so far.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub notes: Vec<Note>,
    /// With one of them there is no config.
    pub faults: Vec<Fault>,
}

impl Ledger {
    pub fn note(&mut self, fate: Fate, entry: &Entry<'_>, what: impl Into<String>) {
        self.notes.push(Note { line: entry.line, key: entry.path.clone(), fate, what: what.into() });
    }

    pub fn not_applicable(&mut self, entry: &Entry<'_>, why: impl Into<String>) {
        self.note(Fate::NotApplicable, entry, why);
    }

    /// The file is not what is looked for.
    pub fn refuse_file(&mut self, entry: &Entry<'_>, what: impl Into<String>, mend: impl Into<String>) {
        self.faults.push(Fault::of(entry.node, what).mend(mend));
    }

    /// What keeps the whole file from being read; says nothing of the value.
    pub fn refuse(&mut self, entry: &Entry<'_>, what: impl fmt::Display, mend: impl Into<String>) {
        self.faults.push(Fault::of(entry.node, format!("{}: {what}", entry.path)).mend(mend));
    }
}

/// The value of a key, and where the key stands.
#[derive(Clone, Debug)]
pub(super) struct Entry<'n> {
    pub path: String,
    pub line: usize,
    pub node: &'n Node,
}

/// A single value that is no secret.
pub(super) enum Text {
    Plain(String),
    /// It comes from elsewhere: a variable of this name, where it is one.
    Elsewhere(Option<String>),
}

impl<'n> Entry<'n> {
    /// The root of the file.
    pub fn root(node: &'n Node) -> Self {
        Self { path: String::new(), line: node.place.line, node }
    }

    /// Entries of a list; of a single value or mapping, that one.
    pub fn items(&self) -> Vec<Self> {
        match &self.node.value {
            Value::List(nodes) => {
                let item = |(index, node): (usize, &'n Node)| Self {
                    path: format!("{}[{index}]", self.path),
                    line: node.place.line,
                    node,
                };
                nodes.iter().enumerate().map(item).collect()
            }
            _ => vec![self.clone()],
        }
    }

    fn beneath(&self, key: &Key, node: &'n Node) -> Self {
        let name = shown_key(&key.text);
        let path = if self.path.is_empty() { name } else { format!("{}.{name}", self.path) };
        Self { path, line: key.place.line, node }
    }

    /// Every key with its value, where this is a mapping.
    pub fn entries(&self) -> Vec<(&'n str, Self)> {
        match &self.node.value {
            Value::Map(entries) => {
                entries.iter().map(|(key, node)| (key.text.as_str(), self.beneath(key, node))).collect()
            }
            _ => Vec::new(),
        }
    }

    /// A single value; anything else, and what could be a token, is refused.
    pub fn text(&self, ledger: &mut Ledger) -> Option<Text> {
        let text = match reference::given(self.node) {
            Some(Given::Literal(text)) => text,
            Some(Given::Variable { name, .. }) => return Some(Text::Elsewhere(Some(name))),
            Some(Given::File(_) | Given::Elsewhere) => return Some(Text::Elsewhere(None)),
            None => {
                ledger.refuse(self, format!("this must be a single value, and is {}", self.node.kind()), "write one");
                return None;
            }
        };
        if is_known_token(text) {
            ledger.refuse(self, "this looks like a token", "put it where it belongs; it is not shown here");
            return None;
        }
        self.seen(text.to_owned(), ledger).map(Text::Plain)
    }

    fn seen(&self, text: String, ledger: &mut Ledger) -> Option<String> {
        if text.chars().any(|c| c.is_control() || is_invisible(c)) {
            ledger.refuse(self, "this holds characters that nobody sees", "write it on one line, without them");
            return None;
        }
        Some(text)
    }

    /// What people write about a thing: its lines become one.
    pub fn prose(&self, ledger: &mut Ledger) -> Option<String> {
        match reference::given(self.node) {
            Some(Given::Literal(text)) => {
                let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
                self.seen(text, ledger).filter(|text| !text.is_empty())
            }
            _ => self.plain(ledger),
        }
    }

    /// A single value that is written in this file; of one that comes from elsewhere it is noted that it was left out.
    pub fn plain(&self, ledger: &mut Ledger) -> Option<String> {
        match self.text(ledger)? {
            Text::Plain(text) => Some(text),
            Text::Elsewhere(_) => {
                ledger.not_applicable(self, "its value is not in this file, so nothing was taken over");
                None
            }
        }
    }

    /// `true` or `false`, also in quotes.
    pub fn boolean(&self, ledger: &mut Ledger) -> Option<bool> {
        match self.plain(ledger)?.to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => {
                ledger.refuse(self, "this is neither true nor false", "write `true` or `false`");
                None
            }
        }
    }

    /// Texts of a list, or of one text with commas between them.
    pub fn texts(&self, ledger: &mut Ledger) -> Vec<String> {
        let items = self.items();
        let texts = items.iter().filter(|item| item.node.value != Value::Null).filter_map(|item| item.plain(ledger));
        let texts: Vec<String> = texts.collect();
        let parts = texts.iter().flat_map(|text| text.split(',')).map(|part| part.trim().to_owned());
        parts.filter(|part| !part.is_empty()).collect()
    }
}

/// A mapping that is being read.
pub(super) struct Block<'n> {
    entry: Entry<'n>,
    known: Vec<&'static str>,
}

impl<'n> Block<'n> {
    /// Begins; a fault and `None` where it is no mapping. Nothing counts as an empty one.
    pub fn of(entry: &Entry<'n>, ledger: &mut Ledger) -> Option<Self> {
        match entry.node.value {
            Value::Map(_) | Value::Null => Some(Self { entry: entry.clone(), known: Vec::new() }),
            _ => {
                let what = format!("this must be a mapping of keys, and is {}", entry.node.kind());
                ledger.refuse(entry, what, "write `key: value` lines, indented below");
                None
            }
        }
    }

    /// The block itself.
    pub fn entry(&self) -> &Entry<'n> {
        &self.entry
    }

    /// The value of a key; `None` when it is left out or says nothing.
    pub fn take(&mut self, key: &'static str) -> Option<Entry<'n>> {
        self.known.push(key);
        let (_, entry) = self.entry.entries().into_iter().find(|(name, _)| *name == key)?;
        (entry.node.value != Value::Null).then_some(entry)
    }

    /// Names a key, where it is there, as one that does not apply.
    pub fn pass(&mut self, key: &'static str, why: &str, ledger: &mut Ledger) {
        if let Some(entry) = self.take(key) {
            ledger.not_applicable(&entry, why);
        }
    }

    /// Ends reading: what nobody asked for is named.
    pub fn finish(self, ledger: &mut Ledger) {
        for (name, entry) in self.entry.entries() {
            if self.known.contains(&name) {
                continue;
            }
            let near = fields::nearest(name, self.known.iter().copied());
            let what = near.map_or_else(String::new, |near| format!("did you mean `{near}`?"));
            ledger.note(Fate::Unknown, &entry, what);
        }
    }
}

/// What begins as tokens do, and goes on like one: not a key in capitals, no expression, nothing with spaces. Length alone
/// tells nothing: expressions and hosts are long, too.
fn is_known_token(text: &str) -> bool {
    begins_like_token(text)
        && text.len() > 10
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-=+.".contains(c))
        && text.contains(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
}

/// A key for people: what could not be one is not repeated, since it may be anything.
fn shown_key(key: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-.$/@".contains(c);
    if !key.is_empty() && key.len() <= 64 && key.chars().all(fits) && !looks_like_token(key) {
        key.to_owned()
    } else {
        "(a key that is not shown)".to_owned()
    }
}
