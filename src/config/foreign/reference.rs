//! Where a value of the file comes from, and what a secret becomes: never its text, always the name of a variable
//! or a file.

use secrecy::{ExposeSecret, SecretString};

use super::super::located::{Node, Value};
use super::super::secret::looks_like_token;
use super::ledger::{Entry, Fate, Ledger};

/// Where a value comes from.
pub(super) enum Given<'n> {
    /// It stands there.
    Literal(&'n str),
    /// `${NAME}`, `${NAME:-default}`, `{ $env: NAME }`.
    Variable { name: String, has_default: bool },
    /// `{ $file: PATH }`
    File(String),
    /// Another file's part, or pieced together.
    Elsewhere,
}

/// `None`: it is no single value.
pub(super) fn given(node: &Node) -> Option<Given<'_>> {
    match &node.value {
        Value::Text { text, .. } => Some(of_text(text)),
        Value::Map(entries) => match entries.as_slice() {
            [(key, value)] if key.text.starts_with('$') => {
                let text = value.text().unwrap_or_default();
                Some(match key.text.as_str() {
                    "$env" if is_variable(text) => Given::Variable { name: text.to_owned(), has_default: false },
                    "$file" if is_path(text) => Given::File(text.to_owned()),
                    _ => Given::Elsewhere,
                })
            }
            _ => None,
        },
        Value::Null | Value::List(_) => None,
    }
}

fn of_text(text: &str) -> Given<'_> {
    let trimmed = text.trim();
    if !trimmed.contains("${") {
        return Given::Literal(trimmed);
    }
    let inner = trimmed.strip_prefix("${").and_then(|text| text.strip_suffix('}'));
    let Some(inner) = inner.filter(|inner| !inner.contains(['{', '}'])) else { return Given::Elsewhere };
    let (name, default) = match inner.split_once(':') {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    match is_variable(name.trim()) {
        true => Given::Variable { name: name.trim().to_owned(), has_default: default.is_some() },
        false => Given::Elsewhere,
    }
}

/// What our config takes for the name of a variable.
fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !looks_like_token(name)
}

/// Not pages of something, and nothing that could not be typed.
fn is_path(text: &str) -> bool {
    !text.trim().is_empty()
        && text.len() <= 1_000
        && !text.contains("${")
        && !text.chars().any(|c| c.is_control() || crate::error::is_invisible(c))
}

/// A secret of the file, as the config will name it.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    pub from: From,
    /// What is in it, for people: `the access token`.
    pub what: &'static str,
    /// Where it stands.
    pub line: usize,
}

/// Where the config will read it from.
#[derive(Clone, Debug)]
pub(super) enum From {
    /// The variable that the file names already.
    Variable(String),
    /// The file that the file names already, as written there.
    File(String),
    /// A variable of a new name, which begins like this. What stood in the file is kept only to see that two are
    /// the same.
    New { name: &'static str, literal: Option<SecretString> },
}

impl PartialEq for Reference {
    fn eq(&self, other: &Self) -> bool {
        match (&self.from, &other.from) {
            (From::Variable(a), From::Variable(b)) | (From::File(a), From::File(b)) => a == b,
            (From::New { literal: Some(a), .. }, From::New { literal: Some(b), .. }) => {
                a.expose_secret() == b.expose_secret()
            }
            _ => false,
        }
    }
}

impl Reference {
    /// Reads a secret. Refused where it is no single value.
    pub fn of(entry: &Entry<'_>, name: &'static str, what: &'static str, ledger: &mut Ledger) -> Option<Self> {
        let from = match given(entry.node) {
            Some(Given::Literal("")) => {
                ledger.refuse(entry, "this is empty", "write the secret, or the variable that holds it: `${NAME}`");
                return None;
            }
            Some(Given::Literal(text)) => From::New { name, literal: Some(SecretString::from(text)) },
            Some(Given::Variable { name, has_default }) => {
                if has_default {
                    ledger.note(Fate::Differs, entry, "the variable is used, the default behind its name is not");
                }
                From::Variable(name)
            }
            Some(Given::File(path)) => From::File(path),
            Some(Given::Elsewhere) => {
                ledger.note(Fate::Differs, entry, "what it is made of is not in this file: put it into the variable");
                From::New { name, literal: None }
            }
            None => {
                ledger.refuse(entry, format!("this must be a single value, and is {}", entry.node.kind()), "write one");
                return None;
            }
        };
        Some(Self { from, what, line: entry.line })
    }

    /// One that stands nowhere in the file and is needed.
    pub fn missing(name: &'static str, what: &'static str, line: usize) -> Self {
        Self { from: From::New { name, literal: None }, what, line }
    }

    /// The text, where it stands in the file: to see what kind of secret it is.
    pub fn literal(&self) -> Option<&str> {
        match &self.from {
            From::New { literal, .. } => literal.as_ref().map(ExposeSecret::expose_secret),
            _ => None,
        }
    }
}
