//! Faults of a file people write: all of them at once, each with its place, the line, why, and the mend.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use super::fields::nearest;
use super::located::{Key, Node, Value};
use super::model::Place;
use crate::error::escape_control;

/// Whether a fault stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// It can, but somebody should know.
    Warning,
}

/// One thing that is wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Whether it stops.
    pub severity: Severity,
    /// Where; line 0: the file as a whole.
    pub place: Place,
    /// How many characters the caret stands under.
    pub width: usize,
    /// What is wrong: lower case, no full stop. Never holds a secret.
    pub what: String,
    /// Why that is wrong.
    pub because: Option<String>,
    /// What to do.
    pub mend: Option<String>,
    /// Its line may hold a secret that YAML did not read as a value: of it, hardly more than the key is shown.
    pub(super) guarded: bool,
}

impl Fault {
    /// At a place.
    pub fn at(place: Place, width: usize, what: impl Into<String>) -> Self {
        Self { severity: Severity::Error, place, width, what: what.into(), because: None, mend: None, guarded: false }
    }

    /// At a node.
    pub fn of(node: &Node, what: impl Into<String>) -> Self {
        Self::at(node.place, node.width(), what)
    }

    /// About the file as a whole.
    pub fn nowhere(what: impl Into<String>) -> Self {
        Self::at(Place::default(), 0, what)
    }

    /// Says why.
    #[must_use]
    pub fn because(self, because: impl Into<String>) -> Self {
        Self { because: Some(because.into()), ..self }
    }

    /// Says what to do.
    #[must_use]
    pub fn mend(self, mend: impl Into<String>) -> Self {
        Self { mend: Some(mend.into()), ..self }
    }

    /// Shows hardly more than the key of its line.
    #[must_use]
    pub(super) fn guarded(self) -> Self {
        Self { guarded: true, ..self }
    }

    /// Makes it a warning.
    #[must_use]
    pub fn warning(self) -> Self {
        Self { severity: Severity::Warning, ..self }
    }

    /// Whether it stops.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// The faults of one file, sorted by place, fit to be shown: the lines they stand on are kept, secrets in
/// them masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultReport {
    /// The file, as the user named it.
    pub file: PathBuf,
    /// Sorted by place.
    pub faults: Vec<Fault>,
    /// The line of each fault, as it is shown, and where its caret stands (from 0, and how wide).
    lines: Vec<Option<ShownLine>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct ShownLine {
    text: String,
    caret: usize,
    width: usize,
}

impl FaultReport {
    /// Sorts the faults and takes the lines they stand on out of `text`. `root`, where the file could be
    /// parsed, tells which values are secret.
    pub fn new(file: impl Into<PathBuf>, text: &str, root: Option<&Node>, mut faults: Vec<Fault>) -> Self {
        faults.sort_by_key(|fault| (fault.place.line, fault.place.column));
        faults.dedup();
        let mut secrets = Vec::new();
        if let Some(root) = root {
            secret_values(root, Around::default(), &mut secrets);
        }
        let guarded: BTreeSet<usize> =
            faults.iter().filter(|fault| fault.guarded).map(|fault| fault.place.line).collect();
        let source: Vec<&str> = text.lines().collect();
        let lines = faults.iter().map(|fault| {
            let line = source.get(fault.place.line.checked_sub(1)?)?;
            let is_guarded = root.is_none() || guarded.contains(&fault.place.line);
            Some(ShownLine::new(line, fault, &secrets, is_guarded))
        });
        let lines = lines.collect();
        Self { file: file.into(), faults, lines }
    }

    /// How many of them stop.
    pub fn errors(&self) -> usize {
        self.faults.iter().filter(|fault| fault.is_error()).count()
    }

    /// Whether there is nothing to report.
    pub fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }
}

impl fmt::Display for FaultReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (fault, line)) in self.faults.iter().zip(&self.lines).enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            let severity = if fault.is_error() { "error" } else { "warning" };
            write!(f, "{severity}: {}", escape_control(&fault.what))?;
            write!(f, "\n  --> {}", escape_control(&self.file.display().to_string()))?;
            if fault.place.line > 0 {
                write!(f, ":{}:{}", fault.place.line, fault.place.column)?;
            }
            if let Some(line) = line {
                let number = fault.place.line.to_string();
                let (gap, carets) = (" ".repeat(line.caret), "^".repeat(line.width));
                write!(f, "\n  {number} | {}", line.text)?;
                write!(f, "\n  {} | {gap}{carets}", " ".repeat(number.len()))?;
            }
            if let Some(because) = &fault.because {
                write!(f, "\n  because {}", escape_control(because))?;
            }
            if let Some(mend) = &fault.mend {
                write!(f, "\n  mend: {}", escape_control(mend))?;
            }
            f.write_str("\n")?;
        }
        Ok(())
    }
}

impl std::error::Error for FaultReport {}

/// Lines are cut to this many characters around the caret.
const SHOWN_COLUMNS: usize = 100;

impl ShownLine {
    fn new(line: &str, fault: &Fault, secrets: &[(Place, Place)], is_guarded: bool) -> Self {
        let number = fault.place.line;
        let chars: Vec<char> = line.chars().collect();
        let mut masked = vec![false; chars.len()];
        for (from, to) in secrets.iter().filter(|(from, to)| from.line <= number && number <= to.line) {
            let from = if from.line == number { from.column.saturating_sub(1) } else { 0 };
            let to = if to.line == number { to.column.saturating_sub(1) } else { chars.len() };
            masked.iter_mut().take(to).skip(from).for_each(|masked| *masked = true);
        }
        mask_words(line, &mut masked);
        mask_signs(&chars, &mut masked);
        if is_guarded {
            mask_value(&chars, &mut masked);
        }

        let caret_from = fault.place.column.saturating_sub(1).min(chars.len());
        let caret_to = (caret_from + fault.width).min(chars.len()).max(caret_from);
        let first = if chars.len() > SHOWN_COLUMNS { caret_from.saturating_sub(SHOWN_COLUMNS / 2) } else { 0 };
        let mut text = if first > 0 { "…".to_owned() } else { String::new() };
        let (mut caret, mut caret_end) = (None, 0);
        for (index, c) in chars.iter().enumerate().skip(first).take(SHOWN_COLUMNS) {
            if index == caret_from {
                caret = Some(text.chars().count());
            }
            match (masked[index], index > first && masked[index - 1]) {
                (true, true) => {}
                (true, false) => text.push_str("***"),
                (false, _) => text.push_str(&escape_control(&c.to_string())),
            }
            if index < caret_to {
                caret_end = text.chars().count();
            }
        }
        if first + SHOWN_COLUMNS < chars.len() {
            text.push('…');
        }
        let caret = caret.unwrap_or_else(|| text.chars().count().saturating_sub(usize::from(caret_from < chars.len())));
        let width = caret_end.saturating_sub(caret).max(1);
        Self { text: text.trim_end().to_owned(), caret, width }
    }
}

/// Words in a key that make its value a secret, unless the value says where the secret is.
const SECRET_WORDS: [&str; 7] = ["token", "secret", "passw", "passphrase", "api_key", "apikey", "signingkey"];
/// Keys of blocks in which everything but the harmless keys is secret.
const SECRET_BLOCKS: [&str; 4] = ["auth", "tokens", "webhook_secrets", "credentials"];
/// Keys whose values may be shown even there.
const HARMLESS_KEYS: [&str; 10] =
    ["env", "file", "credential", "expires", "name", "role", "integrations", "email", "username", "tags"];

/// A token pasted where a name belongs is not shown; nor is a URL with a password.
fn is_shown(text: &str) -> bool {
    let pasted = super::secret::looks_like_token(text) && !text.contains([' ', '/', '.']);
    let password = text.split_once("://").is_some_and(|(_, rest)| {
        let host = rest.split('/').next().unwrap_or_default();
        host.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
    });
    !pasted && !password
}

/// Keys that may be named though what surrounds them is secret, besides the harmless ones.
const CREDENTIAL_KEYS: [&str; 11] = [
    "access_token",
    "api_token",
    "oauth",
    "basic",
    "ssh_key",
    "app_password",
    "token",
    "key",
    "secret",
    "password",
    "passphrase",
];

/// What the keys above a node say of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Around {
    /// Values here are secret.
    inside: bool,
    /// A mapping here stands where a secret belongs: its keys may be the secret.
    of_secret: bool,
}

impl Around {
    /// What holds for the value of a key.
    pub fn beneath(self, key: &str) -> Self {
        let name = key.to_lowercase();
        if HARMLESS_KEYS.contains(&name.as_str()) {
            return Self::default();
        }
        let is_block = SECRET_BLOCKS.contains(&name.as_str());
        let is_secret = !is_block && is_telling(&name);
        Self { inside: self.inside || is_block || is_secret, of_secret: self.of_secret || is_secret }
    }

    /// Whether a key is surely one, and not a secret that YAML takes for a key.
    pub fn may_name(self, key: &str) -> bool {
        let mut known = HARMLESS_KEYS.iter().chain(&CREDENTIAL_KEYS).copied();
        is_shown(key)
            && (!self.inside || known.clone().any(|name| name == key) || {
                // Mistyped; where a whole secret is expected, even that may be one.
                !self.of_secret && is_word(key) && nearest(key, &mut known).is_some()
            })
    }

    /// Whether a line with this key among them is not fit to be shown.
    pub fn is_secret(self) -> bool {
        self.inside
    }
}

/// Whether a text is letters and `_` alone, as the keys of credentials are: a slip of the keyboard leaves it so.
pub(super) fn is_word(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphabetic() || c == '_')
}

/// Whether a key's name says that its value is secret.
fn is_telling(name: &str) -> bool {
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// Collects where secret values stand: so that no error message shows a token, not even one under a
/// mistyped key, or one that became a key.
fn secret_values(node: &Node, around: Around, found: &mut Vec<(Place, Place)>) {
    match &node.value {
        Value::Text { text, .. } if around.inside || !is_shown(text) => found.push((node.place, node.end)),
        Value::Null | Value::Text { .. } => {}
        Value::List(nodes) => nodes.iter().for_each(|node| secret_values(node, around, found)),
        Value::Map(entries) => {
            for (key, node) in entries {
                if !around.may_name(&key.text) {
                    found.push((key.place, behind(key)));
                }
                secret_values(node, around.beneath(&key.text), found);
            }
        }
    }
}

/// Just behind a key, with the quotes it may have.
fn behind(key: &Key) -> Place {
    Place { line: key.place.line, column: key.place.column + key.text.chars().count() + 2 }
}

/// The same by the look of the line alone, for files that do not parse: what follows a telling key, and
/// userinfo in URLs.
fn mask_words(line: &str, masked: &mut [bool]) {
    let lower: Vec<char> = line.chars().map(|c| c.to_ascii_lowercase()).collect();
    let find = |needle: &str, from: usize| {
        let needle: Vec<char> = needle.chars().collect();
        (from..lower.len()).find(|&at| lower[at..].starts_with(&needle))
    };
    for word in SECRET_WORDS {
        let mut from = 0;
        while let Some(at) = find(word, from) {
            from = at + word.len();
            let Some(colon) = lower[from..].iter().position(|c| !c.is_alphanumeric() && !"_-\"'".contains(*c)) else {
                break;
            };
            let colon = from + colon;
            if lower[colon] != ':' {
                continue;
            }
            let Some(value) = lower[colon + 1..].iter().position(|c| !c.is_whitespace()) else { break };
            let value = colon + 1 + value;
            if !"{[".contains(lower[value]) {
                let end = lower[value..].iter().position(|c| ",}".contains(*c)).map_or(lower.len(), |end| value + end);
                let blank = lower[value..end].iter().rev().take_while(|c| c.is_whitespace()).count();
                masked[value..end - blank].fill(true);
            }
        }
    }
    let mut from = 0;
    while let Some(at) = find("://", from) {
        from = at + 3;
        let end = lower[from..].iter().position(|c| "/ \"'".contains(*c)).map_or(lower.len(), |end| from + end);
        if let Some(sign) = lower[from..end].iter().rposition(|c| *c == '@')
            && lower[from..from + sign].contains(&':')
        {
            masked[from..from + sign].fill(true);
        }
    }
}

/// Tags, anchors, aliases and comments, which may be values that lack quotes; with all behind them.
fn mask_signs(chars: &[char], masked: &mut [bool]) {
    let mut before = ':';
    for (at, &c) in chars.iter().enumerate() {
        let is_first = ":-?[{,".contains(before);
        if is_first && "!&*#".contains(c) && chars.get(at + 1).is_some_and(|next| !next.is_whitespace()) {
            masked[at..].fill(true);
            return;
        }
        if !c.is_whitespace() {
            before = c;
        }
    }
}

/// All behind the key of a line, unless it is plainly harmless; of a line without one, all.
fn mask_value(chars: &[char], masked: &mut [bool]) {
    let is_opening = |c: &char| c.is_whitespace() || "-{[".contains(*c);
    let start = chars.iter().position(|c| !is_opening(c)).unwrap_or(chars.len());
    let is_inside = chars[..start].iter().any(|c| "{[".contains(*c));
    let colon = chars.iter().position(|c| *c == ':').filter(|colon| *colon >= start);
    let key: String = chars[start..colon.unwrap_or(start)].iter().collect();
    let key = key.trim().to_lowercase();
    let is_known = HARMLESS_KEYS.iter().chain(&CREDENTIAL_KEYS).any(|name| *name == key);
    let is_word = !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || "_-".contains(c));
    let Some(colon) = colon.filter(|_| is_known || is_word && !is_inside) else {
        return masked[start..].fill(true);
    };
    let value = chars[colon + 1..].iter().position(|c| !c.is_whitespace()).map_or(chars.len(), |at| colon + 1 + at);
    let text: String = chars[value..].iter().collect();
    let text = text.trim();
    let is_plain = matches!(text, "true" | "false") || text.len() <= 3 && text.chars().all(|c| c.is_ascii_digit());
    if is_telling(&key) || !is_plain {
        masked[value..].fill(true);
    }
}
