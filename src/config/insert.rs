//! One more integration in the text of a config: its lines go behind the last one, and not a byte of the rest changes.

use serde_yaml::Value;

use super::located::{self, Node};

/// The key below which integrations stand.
const KEY: &str = "integrations";

/// Why a program does not put the lines in: a person can.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Uninsertable {
    /// `integrations: [ … ]`.
    #[error("its integrations are written in brackets")]
    InBrackets,
    /// It is no YAML that both our parsers understand.
    #[error("its YAML cannot be read")]
    Unreadable,
    /// Both texts were read by another parser, and differ in more than the new integration.
    #[error("with the lines put in, more than that would change")]
    ChangesMore,
}

/// The text with one more integration at the end of those there are.
///
/// # Errors
/// Where that is not possible without a change of anything else.
pub fn with_integration(text: &str, integration: &Value) -> Result<String, Uninsertable> {
    // A byte order mark is part of the first line, and stays.
    let root = located::parse(text.strip_prefix('\u{FEFF}').unwrap_or(text), &mut Vec::new());
    let root = root.ok_or(Uninsertable::Unreadable)?;
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let place = Place::of(text, &root)?;
    let mut put = if place.has_no_key { format!("{KEY}:{newline}") } else { String::new() };
    let item = serde_yaml::to_string(integration).map_err(|_| Uninsertable::Unreadable)?;
    for (at, line) in item.lines().enumerate() {
        put.push_str(&format!("{}{} {line}{newline}", place.indent, if at == 0 { "-" } else { " " }));
    }
    let (before, behind) = (&text[..place.at], &text[place.at..]);
    let missing = if before.is_empty() || before.ends_with('\n') { "" } else { newline };
    let before = match place.emptied {
        Some((from, to)) => format!("{}{}", before[..from].trim_end_matches(' '), &before[to..]),
        None => before.to_owned(),
    };
    let inserted = format!("{before}{missing}{put}{behind}");
    is_all_that_changed(text, &inserted, integration).then_some(inserted).ok_or(Uninsertable::ChangesMore)
}

/// Where the lines go.
struct Place {
    /// Byte of the text.
    at: usize,
    /// Of the dash.
    indent: String,
    /// The key is to be written as well.
    has_no_key: bool,
    /// `[]`, which says that there are none: from this byte to that.
    emptied: Option<(usize, usize)>,
}

impl Place {
    fn of(text: &str, root: &Node) -> Result<Self, Uninsertable> {
        let located::Value::Map(entries) = &root.value else { return Err(Uninsertable::Unreadable) };
        let lines = Lines::of(text);
        let below =
            |line: usize| Self { at: lines.end(line), indent: "  ".to_owned(), has_no_key: false, emptied: None };
        let Some((key, node)) = entries.iter().find(|(key, _)| key.text == KEY) else {
            return Ok(Self { has_no_key: true, ..below(lines.0.len()) });
        };
        match &node.value {
            located::Value::Null => Ok(below(key.place.line)),
            located::Value::List(items) if items.is_empty() && node.place.line == key.place.line => {
                let line = lines.text(key.place.line);
                let brackets = line.find('[').zip(line.find(']')).ok_or(Uninsertable::InBrackets)?;
                let begins = lines.0[key.place.line - 1].0;
                let emptied = Some((begins + brackets.0, begins + brackets.1 + 1));
                Ok(Self { emptied, ..below(key.place.line) })
            }
            located::Value::List(_) => {
                let is_dash = |line: &str| line == "-" || line.starts_with("- ");
                let first = (key.place.line + 1..=lines.0.len()).find(|line| is_dash(lines.text(*line).trim_start()));
                // Else they are in brackets, however many lines these take.
                let first = first.filter(|line| (key.place.line + 1..*line).all(|line| lines.is_void(line)));
                let first = first.ok_or(Uninsertable::InBrackets)?;
                let indent: String = lines.text(first).chars().take_while(|c| *c == ' ').collect();
                let mut last = first;
                for line in first + 1..=lines.0.len() {
                    let text = lines.text(line);
                    let deeper = text.len() - text.trim_start_matches(' ').len() > indent.len();
                    if text.trim().is_empty() {
                        continue;
                    }
                    if deeper || (text.starts_with(&indent) && is_dash(&text[indent.len()..])) {
                        last = line;
                    } else if !text.trim_start().starts_with('#') {
                        break;
                    }
                }
                Ok(Self { at: lines.end(last), indent, has_no_key: false, emptied: None })
            }
            _ => Err(Uninsertable::Unreadable),
        }
    }
}

/// Lines of a text by number, from 1: where each begins and ends, and what it says without its end.
struct Lines<'a>(Vec<(usize, usize, &'a str)>);

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let mut at = 0;
        let lines = text.split_inclusive('\n').map(|line| {
            let begins = at;
            at += line.len();
            (begins, at, line.trim_end_matches(['\n', '\r']))
        });
        Self(lines.collect())
    }

    fn text(&self, line: usize) -> &'a str {
        self.0.get(line - 1).map_or("", |(_, _, text)| text)
    }

    fn end(&self, line: usize) -> usize {
        self.0.get(line.wrapping_sub(1)).map_or(0, |(_, end, _)| *end)
    }

    fn is_void(&self, line: usize) -> bool {
        let text = self.text(line).trim();
        text.is_empty() || text.starts_with('#')
    }
}

/// Asked of a parser that the text was not written by.
fn is_all_that_changed(before: &str, after: &str, integration: &Value) -> bool {
    let read = |text: &str| serde_yaml::from_str::<Value>(text.strip_prefix('\u{FEFF}').unwrap_or(text)).ok();
    let (Some(mut before), Some(after)) = (read(before), read(after)) else { return false };
    let Value::Mapping(root) = &mut before else { return false };
    let all = root.entry(KEY.into()).or_insert(Value::Null);
    if all.is_null() {
        *all = Value::Sequence(Vec::new());
    }
    let Value::Sequence(all) = all else { return false };
    all.push(integration.clone());
    before == after
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shop() -> Value {
        serde_yaml::from_str("{ name: shop, repositories: { exclude: [\"sandbox-*\"] } }").unwrap()
    }

    /// What is put into a text, and that the rest is there byte for byte.
    #[track_caller]
    fn check(text: &str, put: &str) {
        let after = with_integration(text, &shop()).unwrap_or_else(|error| panic!("{error}:\n{text}"));
        let at = after.find(put).unwrap_or_else(|| panic!("no\n{put}\nin\n{after}"));
        assert_eq!(format!("{}{}", &after[..at], &after[at + put.len()..]), text);
    }

    const SHOP: &str = "  - name: shop\n    repositories:\n      exclude:\n      - sandbox-*\n";

    // P7.11: comments, quotes, order and line ends of what is there stay byte for byte.
    #[test]
    fn the_rest_of_the_file_stays_byte_for_byte_p7_11() {
        check("integrations:\n  - name: acme # ours\n    catalog: main\n", SHOP);
        check("# top\nintegrations:\n  - { name: acme }\n\n# behind\nstore: './data'\n", SHOP);
        check(
            "integrations:\n  # the first\n  - name: acme\n    tags:\n      - a\n    # auto_import: true\n\n\nstore: x\n",
            SHOP,
        );
        check("integrations:\n- name: acme\nstore: x\n", &SHOP.replace("\n  ", "\n").replacen("  ", "", 1));
        check(
            "integrations:\n    -   name: acme\n        description: |\n          a\n\n          b\nstore: x\n",
            &indented(SHOP),
        );
        check("integrations:\r\n  - name: acme\r\nstore: x\r\n", &SHOP.replace('\n', "\r\n"));
        check("\u{FEFF}integrations:\n  - name: acme\n", SHOP);
        check("integrations: # none yet\nstore: x\n", SHOP);
        check("store: x\n", &format!("integrations:\n{SHOP}"));
    }

    fn indented(text: &str) -> String {
        text.lines().map(|line| format!("  {line}\n")).collect()
    }

    #[test]
    fn a_file_without_a_last_line_end_gets_one_p7_11() {
        let after = with_integration("integrations:\n  - name: acme", &shop()).unwrap();
        assert_eq!(after, format!("integrations:\n  - name: acme\n{SHOP}"));
        let after = with_integration("integrations: []   # none\nstore: x\n", &shop()).unwrap();
        assert_eq!(after, format!("integrations:   # none\n{SHOP}store: x\n"));
    }

    // What cannot be done without touching more is left to a person.
    #[test]
    fn what_would_change_more_is_refused_p7_11() {
        let check = |text: &str, error: Uninsertable| assert_eq!(with_integration(text, &shop()), Err(error), "{text}");
        check("integrations: [ { name: acme } ]\n", Uninsertable::InBrackets);
        check("integrations:\n  [ { name: acme },\n    { name: b } ]\n", Uninsertable::InBrackets);
        check("integrations: *nothing\n", Uninsertable::Unreadable);
        check("integrations: {\n", Uninsertable::Unreadable);
        check("{ integrations: [], store: x }\n", Uninsertable::ChangesMore);
        check("integrations: ~\n", Uninsertable::ChangesMore);
        check("[]\n", Uninsertable::Unreadable);
    }

    proptest! {
        // Whatever the file looks like: either nothing but the integration is new, or nothing is done.
        #[test]
        fn nothing_else_ever_changes_p7_11(
            lines in proptest::collection::vec(
                prop::sample::select(vec![
                    "integrations:", "  - name: a", "    tags: [x]", "    - b", "- name: c", "  # comment", "", "store: x",
                    "connectors:", "  acme: { type: t }", "    description: >", "      long", "integrations: []", "---", "...", "\t", "  -", "      k: v",
                ]),
                0..12,
            ),
            end in prop::bool::ANY,
        ) {
            let mut text = lines.join("\n");
            if end {
                text.push('\n');
            }
            if let Ok(after) = with_integration(&text, &shop()) {
                prop_assert!(is_all_that_changed(&text, &after, &shop()));
                let kept: Vec<&str> = text.lines().map(|line| line.trim_end_matches(" []")).collect();
                let mut rest = after.lines();
                for line in kept {
                    prop_assert!(rest.any(|one| one == line), "{:?} is lost in\n{}", line, after);
                }
            }
        }
    }
}
