//! What a caller who sees some integrations is told of the others: that there is one, and not which. Reasons,
//! explanations and errors name rival repositories; whichever command told them, here is where such names go.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::caller::Sees;
use super::request::Answer;
use super::{App, Failure};
use crate::config::{Integration, WHOLE_INSTANCE};

/// What stands for a repository of an integration that is not theirs.
const ANOTHER: &str = "another integration";

/// An answer as the caller may have it.
///
/// # Errors
/// A bug: an answer that cannot be read as what it was written as.
pub(super) fn answer(app: &App, answer: Answer) -> Result<Answer, Failure> {
    let Some(mask) = Mask::of(app) else { return Ok(answer) };
    let unreadable = |error: serde_json::Error| {
        let mend = Some("please report this with the log".to_owned());
        Failure::failed(crate::error::Report::new("the answer could not be made", &error, mend))
    };
    let mut value = serde_json::to_value(&answer).map_err(unreadable)?;
    mask.value(&mut value);
    serde_json::from_value(value).map_err(unreadable)
}

/// A failure as the caller may have it.
pub(super) fn failure(app: &App, mut failure: Failure) -> Failure {
    if let Some(mask) = Mask::of(app) {
        let report = &mut failure.report;
        for text in [&mut report.what].into_iter().chain(&mut report.because).chain(&mut report.mend) {
            mask.text(text);
        }
    }
    failure
}

/// Data as the caller may have it, whichever way it is told: rows of an import on their way, events.
pub fn shown(app: &App, data: &impl Serialize) -> Value {
    let mut value = serde_json::to_value(data).unwrap_or_default();
    if let Some(mask) = Mask::of(app) {
        mask.value(&mut value);
    }
    value
}

/// The same as what it was.
pub(super) fn same<T: Serialize + DeserializeOwned + Clone>(app: &App, data: &T) -> T {
    match Mask::of(app) {
        Some(_) => serde_json::from_value(shown(app, data)).unwrap_or_else(|_| data.clone()),
        None => data.clone(),
    }
}

/// Which names are not theirs: those of workspaces that only integrations serve which they do not see.
struct Mask<'a> {
    app: &'a App,
}

impl<'a> Mask<'a> {
    /// `None`: they see all.
    fn of(app: &'a App) -> Option<Self> {
        matches!(app.caller.sees, Sees::Matching(_)).then_some(Self { app })
    }

    fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => self.text(text),
            Value::Array(values) => values.iter_mut().for_each(|value| self.value(value)),
            Value::Object(fields) => fields.values_mut().for_each(|value| self.value(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Puts the words that name a foreign repository out of a text; the others stay, and so does what is between.
    fn text(&self, text: &mut String) {
        if !text.contains('/') {
            return;
        }
        let is_of_name = |c: char| c.is_alphanumeric() || "/._~-:%@".contains(c);
        let mut masked = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let between = rest.find(is_of_name).unwrap_or(rest.len());
            masked.push_str(&rest[..between]);
            rest = &rest[between..];
            let end = rest.find(|c| !is_of_name(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            // A full stop or a colon behind a name is none of it.
            let name = word.trim_end_matches(['.', ':']);
            if self.is_foreign(name) {
                masked.push_str(ANOTHER);
                masked.push_str(&word[name.len()..]);
            } else {
                masked.push_str(word);
            }
            rest = after;
        }
        *text = masked;
    }

    /// Whether a word holds `workspace/slug` of a workspace that is not theirs: a full name, an address, a path.
    fn is_foreign(&self, word: &str) -> bool {
        let mut parts = word.split(['/', ':']).peekable();
        while let Some(part) = parts.next() {
            let is_followed = parts.peek().is_some_and(|next| !next.is_empty());
            if is_followed && self.is_foreign_workspace(part) {
                return true;
            }
        }
        false
    }

    fn is_foreign_workspace(&self, name: &str) -> bool {
        let serves = |integration: &&Integration| serves(integration, name);
        !name.is_empty()
            && !self.app.visible().any(|integration| serves(&integration))
            && self.app.config.integrations.iter().any(|integration| serves(&integration))
    }
}

/// Whether repositories of this workspace, or of this project of a Data Center, may be an integration's.
fn serves(integration: &Integration, name: &str) -> bool {
    let workspace = integration.key().workspace;
    workspace.eq_ignore_ascii_case(name) || (workspace == WHOLE_INSTANCE && is_project(name))
}

/// As Data Center writes the keys of projects: in capitals, or a person's with `~`.
fn is_project(name: &str) -> bool {
    let is_key = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    name.starts_with('~') || (name.len() > 1 && name.chars().all(is_key) && !name.chars().all(|c| c.is_ascii_digit()))
}
