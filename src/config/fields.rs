//! Reading a mapping key by key: each value typed, every fault collected, unknown keys told with the
//! nearest known one.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use super::faults::{Fault, is_word};
use super::located::{Node, Value};
use crate::error::is_invisible;

/// What has been found wrong so far, and which keys exist in which section (the schema is tested to agree).
#[derive(Debug, Default)]
pub struct Faults {
    /// In the order they were found.
    pub list: Vec<Fault>,
    /// By section, the keys that were asked for.
    pub(super) known: BTreeMap<&'static str, Vec<&'static str>>,
}

impl Faults {
    /// Adds one.
    pub fn push(&mut self, fault: Fault) {
        self.list.push(fault);
    }

    /// How many of them stop.
    pub fn errors(&self) -> usize {
        self.list.iter().filter(|fault| fault.is_error()).count()
    }
}

/// A mapping that is being read. Call [`Fields::finish`] when all keys were asked for.
pub struct Fields<'n> {
    section: &'static str,
    node: &'n Node,
    entries: &'n [(super::located::Key, Node)],
    known: Vec<&'static str>,
    /// Keys that must be there, are not, and of which an unknown one may be a misspelling; with their mends.
    missed: Vec<(&'static str, String)>,
}

impl<'n> Fields<'n> {
    /// Begins to read a mapping; `section` names it in messages (`connector`). A fault and `None` when
    /// the node is none. Nothing counts as an empty mapping.
    pub fn of(section: &'static str, node: &'n Node, faults: &mut Faults) -> Option<Self> {
        let entries: &[_] = match &node.value {
            Value::Map(entries) => entries,
            Value::Null => &[],
            _ => {
                faults.push(
                    Fault::of(node, format!("{} is a mapping of keys, and this is {}", a(section), node.kind()))
                        .mend("write `key: value` lines, indented below"),
                );
                return None;
            }
        };
        Some(Self { section, node, entries, known: Vec::new(), missed: Vec::new() })
    }

    /// The mapping itself: for faults about it as a whole.
    pub fn node(&self) -> &'n Node {
        self.node
    }

    /// The value of a key; `None` when it is left out or empty.
    pub fn get(&mut self, key: &'static str) -> Option<&'n Node> {
        self.known.push(key);
        self.entries
            .iter()
            .find(|(name, _)| name.text == key)
            .map(|(_, node)| node)
            .filter(|node| node.value != Value::Null)
    }

    /// The value of a key that must be there.
    pub fn need(&mut self, key: &'static str, mend: &str, faults: &mut Faults) -> Option<&'n Node> {
        let node = self.get(key);
        if node.is_none() {
            let fault = match self.entries.iter().find(|(name, _)| name.text == key) {
                Some((name, _)) => Fault::at(name.place, key.len(), format!("`{key}` has no value")),
                // Mistyped: told where it stands, once all known keys are known.
                None if self.entries.iter().any(|(name, _)| nearest(&name.text, [key]).is_some()) => {
                    self.missed.push((key, mend.to_owned()));
                    return None;
                }
                None => Fault::at(self.node.place, 1, format!("this {} has no `{key}`", self.section)),
            };
            faults.push(fault.mend(mend));
        }
        node
    }

    /// A key, read by `read`; its default when it is left out, or wrong (the fault is told).
    pub fn read<T>(
        &mut self,
        key: &'static str,
        default: T,
        faults: &mut Faults,
        read: impl FnOnce(&'n Node, &mut Faults) -> Option<T>,
    ) -> T {
        self.get(key).and_then(|node| read(node, faults)).unwrap_or(default)
    }

    /// A key that may be left out.
    pub fn optional<T>(
        &mut self,
        key: &'static str,
        faults: &mut Faults,
        read: impl FnOnce(&'n Node, &mut Faults) -> Option<T>,
    ) -> Option<T> {
        self.get(key).and_then(|node| read(node, faults))
    }

    /// A key of the contract that this version does not carry out; there, it is refused.
    pub fn refuse(&mut self, key: &'static str, because: &str, mend: &str, faults: &mut Faults) {
        if let Some(node) = self.get(key) {
            faults.push(unsupported(node, because, mend));
        }
    }

    /// Ends reading: keys that nobody asked for are faults.
    pub fn finish(mut self, faults: &mut Faults) {
        for (key, _) in self.entries {
            if key.text.is_empty() || self.known.contains(&key.text.as_str()) {
                continue;
            }
            let width = key.text.chars().count();
            let near = nearest(&key.text, self.known.iter().copied());
            // Where a secret is expected in whole or in part, a key may be a secret that stands in braces.
            let is_named = match self.section {
                "secret" => false,
                section => !SECRET_SECTIONS.contains(&section) || near.is_some() && is_word(&key.text),
            };
            let shown = if is_named { format!("`{}`", key.text) } else { "this".to_owned() };
            let fault = Fault::at(key.place, width, format!("{shown} is not a key of {}", a(self.section)));
            let mend = match near {
                Some(near) => {
                    self.missed.retain(|(missed, _)| *missed != near);
                    format!("did you mean `{near}`?")
                }
                None => format!("its keys are {}", self.known.join(", ")),
            };
            faults.push(fault.mend(mend));
        }
        for (key, mend) in self.missed {
            faults.push(Fault::at(self.node.place, 1, format!("this {} has no `{key}`", self.section)).mend(mend));
        }
        let known = faults.known.entry(self.section).or_default();
        known.extend(self.known);
        known.sort_unstable();
        known.dedup();
    }
}

/// Sections in which only keys that are nearly right are named.
const SECRET_SECTIONS: [&str; 5] = ["credential", "api_token block", "oauth block", "basic block", "ssh_key block"];

/// With its article: `an integration`.
fn a(section: &str) -> String {
    let article = if section.starts_with(['a', 'e', 'i', 'o', 'A', 'E', 'I', 'O']) { "an" } else { "a" };
    format!("{article} {section}")
}

/// The fault of something the contract names and this version does not have.
pub fn unsupported(node: &Node, because: &str, mend: &str) -> Fault {
    Fault::of(node, because).mend(mend)
}

/// The candidate most like `text`, if any is like it at all.
pub fn nearest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let text = text.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (likeness(&text, &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1)))
        .map(|(_, candidate)| candidate)
}

/// Of short words, one slip (`ulr`) leaves little in its place.
fn likeness(text: &str, candidate: &str) -> f64 {
    let slips = strsim::osa_distance(text, candidate);
    let is_a_slip = slips <= 1 && text.len().min(candidate.len()) >= 3;
    strsim::jaro_winkler(text, candidate).max(if is_a_slip { 0.85 } else { 0.0 })
}

fn wrong(node: &Node, wanted: &str, example: &str, faults: &mut Faults) {
    let what = match node.text() {
        Some(text) => format!("`{}` is not {wanted}", cut(text)),
        None => format!("this must be {wanted}, and is {}", node.kind()),
    };
    faults.push(Fault::of(node, what).mend(format!("write it like {example}")));
}

/// A value for a message: not pages of it.
pub fn cut(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Any single value as text: one line, and every character of it is one that can be seen.
pub fn text(node: &Node, faults: &mut Faults) -> Option<String> {
    shown(node, faults, |_| false)
}

/// Text of several lines, for people.
pub fn prose(node: &Node, faults: &mut Faults) -> Option<String> {
    shown(node, faults, |c| matches!(c, '\n' | '\t'))
}

fn shown(node: &Node, faults: &mut Faults, is_allowed: impl Fn(char) -> bool) -> Option<String> {
    let text = any_text(node, faults)?;
    match text.chars().find(|&c| (c.is_control() || is_invisible(c)) && !is_allowed(c)) {
        Some(c) => {
            let what = match c {
                '\n' | '\r' => "this has several lines".to_owned(),
                c => format!("this holds the character {}, which nobody sees", c.escape_unicode()),
            };
            let fault = Fault::of(node, what).because("such a value would get into names, files and terminals");
            faults.push(fault.mend("write it on one line, without it"));
            None
        }
        None => Some(text),
    }
}

/// Any single value, whatever it holds: a secret.
pub fn any_text(node: &Node, faults: &mut Faults) -> Option<String> {
    match node.text() {
        Some("") => {
            faults.push(Fault::of(node, "this is empty").mend("write a value, or leave the key out"));
            None
        }
        Some(text) => Some(text.to_owned()),
        None => {
            faults.push(Fault::of(node, format!("this must be a single value, and is {}", node.kind())));
            None
        }
    }
}

/// `true` or `false`.
pub fn boolean(node: &Node, faults: &mut Faults) -> Option<bool> {
    match &node.value {
        Value::Text { text, plain: true } if text.eq_ignore_ascii_case("true") => Some(true),
        Value::Text { text, plain: true } if text.eq_ignore_ascii_case("false") => Some(false),
        _ => {
            wrong(node, "true or false", "`true` or `false`, without quotes", faults);
            None
        }
    }
}

/// A whole number within bounds.
pub fn number(node: &Node, least: u64, most: u64, faults: &mut Faults) -> Option<u64> {
    let number = match &node.value {
        Value::Text { text, plain: true } => text.replace('_', "").parse::<u64>().ok(),
        _ => None,
    };
    match number {
        Some(number) if (least..=most).contains(&number) => return number.into(),
        Some(_) => {
            let text = node.text().unwrap_or_default();
            faults.push(Fault::of(node, format!("{text} is out of bounds")).mend(format!("use {least} to {most}")));
        }
        None => wrong(node, "a whole number", "`5000`, without quotes", faults),
    }
    None
}

/// A duration of at least `least`: `90s`, `15m`, `3h`, `1d`, or several together (`1h30m`).
pub fn duration(node: &Node, least: Duration, faults: &mut Faults) -> Option<Duration> {
    let Some(duration) = node.text().and_then(parse_duration) else {
        wrong(node, "a duration", "`90s`, `15m`, `3h` or `1d`", faults);
        return None;
    };
    if duration < least {
        let text = node.text().unwrap_or_default();
        let least = show_duration(least);
        faults.push(Fault::of(node, format!("{text} is too short")).mend(format!("use {least} or more")));
        return None;
    }
    Some(duration)
}

/// Reads `90s`, `15m`, `3h`, `1d`, `1h30m`; at most 10 years.
pub fn parse_duration(text: &str) -> Option<Duration> {
    const MOST_SECONDS: u64 = 10 * 366 * 86_400;
    let (mut seconds, mut rest) = (0_u64, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let unit = match rest[digits..].chars().next()? {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return None,
        };
        seconds = number.checked_mul(unit)?.checked_add(seconds).filter(|seconds| *seconds <= MOST_SECONDS)?;
        rest = &rest[digits + 1..];
    }
    (!text.is_empty()).then(|| Duration::from_secs(seconds))
}

/// Prints what [`parse_duration`] reads: `3h`, `1d12h`, `90s` as `1m30s`.
pub fn show_duration(duration: Duration) -> String {
    let mut seconds = duration.as_secs();
    if seconds == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, letter) in [(86_400, 'd'), (3_600, 'h'), (60, 'm'), (1, 's')] {
        if seconds >= unit {
            text.push_str(&format!("{}{letter}", seconds / unit));
            seconds %= unit;
        }
    }
    text
}

/// One of several words.
pub fn one_of<T: Copy>(node: &Node, words: &[(&'static str, T)], faults: &mut Faults) -> Option<T> {
    let text = text(node, faults)?;
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Some(*value);
    }
    let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let mend = match nearest(&text, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("use {}", names.join(", ")),
    };
    faults.push(Fault::of(node, format!("`{}` is not possible here", cut(&text))).mend(mend));
    None
}

/// Whatever `FromStr` reads.
pub fn parsed<T: FromStr>(node: &Node, wanted: &str, example: &str, faults: &mut Faults) -> Option<T> {
    match node.text().and_then(|text| text.parse().ok()) {
        Some(value) => Some(value),
        None => {
            wrong(node, wanted, example, faults);
            None
        }
    }
}

/// A list; a single value counts as a list of one.
pub fn list<T>(
    node: &Node,
    faults: &mut Faults,
    mut read: impl FnMut(&Node, &mut Faults) -> Option<T>,
) -> Option<Vec<T>> {
    match &node.value {
        Value::List(nodes) => Some(nodes.iter().filter_map(|node| read(node, faults)).collect()),
        Value::Text { .. } => Some(read(node, faults).into_iter().collect()),
        Value::Null => Some(Vec::new()),
        Value::Map(_) => {
            faults.push(Fault::of(node, "this must be a list, and is a mapping").mend("begin each entry with `- `"));
            None
        }
    }
}

/// A list whose entries may be mappings; one alone counts as a list of one.
pub fn list_of_mappings<T>(
    node: &Node,
    faults: &mut Faults,
    mut read: impl FnMut(&Node, &mut Faults) -> Option<T>,
) -> Option<Vec<T>> {
    match &node.value {
        Value::Map(_) => Some(read(node, faults).into_iter().collect()),
        _ => list(node, faults, read),
    }
}

/// A list of texts.
pub fn texts(node: &Node, faults: &mut Faults) -> Option<Vec<String>> {
    list(node, faults, text)
}

/// Whether `text` is a name: `[a-z][a-z0-9-]{0,62}`.
pub fn is_name(text: &str) -> bool {
    text.len() <= 63
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// The fault of a text that is no name.
pub fn name_fault(fault: Fault, text: &str) -> Fault {
    let mut better: String = text
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
        .skip_while(|c| !c.is_ascii_lowercase())
        .take(63)
        .collect();
    better.truncate(better.trim_end_matches('-').len());
    let fault = fault.because("names are 1 to 63 of a-z, 0-9 and `-`, beginning with a letter");
    if is_name(&better) { fault.mend(format!("for example `{better}`")) } else { fault }
}

/// A name.
pub fn name(node: &Node, faults: &mut Faults) -> Option<String> {
    let text = text(node, faults)?;
    if is_name(&text) {
        return Some(text);
    }
    faults.push(name_fault(Fault::of(node, format!("`{}` is not a name", cut(&text))), &text));
    None
}
