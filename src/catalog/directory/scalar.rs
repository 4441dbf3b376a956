//! Strings as YAML: plain only where YAML 1.1 and 1.2 both read the same string, else quoted.

use serde_json::Value;

/// Where a scalar will stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Context {
    /// A value of a block map or an item of a block list.
    Block,
    /// Inside `[]` or `{}`.
    Flow,
    /// Inside `{}` whose keys are in double quotes: JSON stays JSON.
    Json,
}

/// How a string was quoted before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quotes {
    /// No quotes, or a block scalar.
    None,
    /// `'…'`
    Single,
    /// `"…"`
    Double,
}

/// A value on one line: scalars as they are, lists and maps in flow style.
pub(super) fn inline(value: &Value, context: Context) -> String {
    let inner = if context == Context::Block { Context::Flow } else { context };
    match value {
        Value::String(text) => string(text, context),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| inline(item, inner)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(map) => {
            let entries: Vec<String> =
                map.iter().map(|(key, value)| format!("{}: {}", string(key, inner), inline(value, inner))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// A string, plain where that is safe, else in double quotes.
pub(super) fn string(text: &str, context: Context) -> String {
    if is_plain(text, context) { text.to_owned() } else { double_quoted(text) }
}

/// A string in the quotes its predecessor had, as far as it can be.
pub(super) fn string_like(text: &str, quotes: Quotes, context: Context) -> String {
    let printable = !text.contains(needs_escape);
    match quotes {
        Quotes::Single if printable => format!("'{}'", text.replace('\'', "''")),
        Quotes::Single | Quotes::Double => double_quoted(text),
        Quotes::None => string(text, context),
    }
}

fn needs_escape(c: char) -> bool {
    c.is_control() || crate::error::is_invisible(c) || matches!(c, '\u{FFFE}' | '\u{FFFF}')
}

fn double_quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if needs_escape(c) && (c as u32) < 0x1_0000 => out.push_str(&format!("\\u{:04X}", c as u32)),
            c if needs_escape(c) => out.push_str(&format!("\\U{:08X}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Words some YAML reads as something else than a string, in lower case.
const RESERVED: &[&str] = &[
    "y",
    "n",
    "yes",
    "no",
    "on",
    "off",
    "true",
    "false",
    "null",
    "nil",
    "none",
    "undefined",
    "nan",
    "inf",
    "infinity",
];

/// Narrower than YAML allows: a string that starts with a letter, `_` or `/`, holds letters, digits and
/// harmless punctuation, and is no word that any YAML version reads as a boolean or null. Starting
/// with a letter rules out numbers, dates, `1:30`, `=`, `<<`, `~` and every indicator.
fn is_plain(text: &str, context: Context) -> bool {
    let punctuation = match context {
        Context::Block => "_-./@+~(),;'!?&%$=: ",
        Context::Flow => "_-./@+~ ",
        Context::Json => return false,
    };
    text.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '/')
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && text.chars().all(|c| c.is_alphanumeric() || punctuation.contains(c))
        && !text.contains(needs_escape)
        && !RESERVED.contains(&text.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, block: &str, flow: &str) {
        assert_eq!(string(text, Context::Block), block);
        assert_eq!(string(text, Context::Flow), flow);
        for written in [block.to_owned(), string_like(text, Quotes::Single, Context::Block)] {
            let read: serde_yaml::Value = serde_yaml::from_str(&format!("k: {written}\n")).unwrap();
            assert_eq!(read["k"], serde_yaml::Value::from(text), "{written}");
        }
        let read: serde_yaml::Value = serde_yaml::from_str(&format!("[{{k: {flow}}}]\n")).unwrap();
        assert_eq!(read[0]["k"], serde_yaml::Value::from(text), "{flow}");
    }

    // P4.9, security.md "names": quoted unless plain in YAML 1.1 and 1.2.
    #[test]
    fn strings_are_plain_only_where_every_yaml_reads_the_same() {
        check("payments-api", "payments-api", "payments-api");
        check(
            "url:https://bitbucket.org/a/b/src/main/",
            "url:https://bitbucket.org/a/b/src/main/",
            "\"url:https://bitbucket.org/a/b/src/main/\"",
        );
        check("Takes money, gives receipts", "Takes money, gives receipts", "\"Takes money, gives receipts\"");
        check("Übergröße", "Übergröße", "Übergröße");
        for text in [
            "1:30",
            "2026-01-31",
            "=",
            "<<",
            "~",
            "yes",
            "No",
            "ON",
            "null",
            "NULL",
            "true",
            "12",
            "0x1f",
            "1e3",
            ".inf",
            "",
            " lead",
            "trail ",
            "a: b",
            "a #b",
            "#a",
            "- a",
            "? a",
            "%a",
            "@a",
            "`a",
            "a:",
            "{a}",
            "[a]",
            "*a",
            "&a",
            "!a",
            "|",
            ">",
            "'q'",
            "\"q\"",
            "a\nb",
            "a\tb",
            "a\\b",
            "---",
            "...",
            "a\u{202E}b",
            "\u{FEFF}x",
            "\u{7}",
            "a\u{85}b",
            "a\u{2028}b",
            "\u{E0041}",
            "y",
            "3scale",
        ] {
            let written = string(text, Context::Block);
            assert!(written.starts_with('"'), "{text:?} was written {written}");
            check(text, &written, &written);
        }
    }
}
