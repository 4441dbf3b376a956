//! What every value passes on its way into a page (`askama.toml`): nobody can forget it, and no template may go around it.

use std::fmt::{self, Write};

use askama::filters::{Escaper, Html, Safe};

use crate::error::is_invisible;

/// HTML, and what would hide or reorder text: control, bidi and zero-width characters are shown as `\u{…}`. Line
/// breaks and tabs stay, for files and diffs; anywhere else a page shows them as a space.
#[derive(Clone, Copy, Debug)]
pub struct Shown;

impl Escaper for Shown {
    fn write_escaped_str<W: Write>(&self, mut dest: W, text: &str) -> fmt::Result {
        let needs = |c: char| (c.is_control() && !matches!(c, '\n' | '\t')) || is_invisible(c);
        let mut rest = text;
        while let Some(at) = rest.find(needs) {
            let (plain, found) = rest.split_at(at);
            Html.write_escaped_str(&mut dest, plain)?;
            let mut found = found.chars();
            for c in found.by_ref().take(1) {
                write!(dest, "{}", c.escape_unicode())?;
            }
            rest = found.as_str();
        }
        Html.write_escaped_str(dest, rest)
    }
}

/// What a form sends back to us as it was: HTML alone is escaped, for `\u{…}` would come back as these very letters.
pub(super) fn exact(text: &str) -> Safe<String> {
    let mut escaped = String::with_capacity(text.len());
    // Writing into a text cannot fail.
    let _ = Html.write_escaped_str(&mut escaped, text);
    Safe(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let mut shown = String::new();
        Shown.write_escaped_str(&mut shown, text).unwrap();
        assert_eq!(shown, expected);
    }

    #[test]
    fn markup_and_what_hides_text_is_shown() {
        check("payments-api", "payments-api");
        check("<script>'\"&", "&#60;script&#62;&#39;&#34;&#38;");
        check("a\u{202e}b\u{200b}", "a\\u{202e}b\\u{200b}");
        check("a\u{1b}[31m\r\nb\tc", "a\\u{1b}[31m\\u{d}\nb\tc");
        check("größer", "größer");
    }

    // P7.3: what a form takes back comes back as it was, invisible characters included.
    #[test]
    fn what_is_sent_back_is_not_changed_by_showing_it_p7_3() {
        #[derive(askama::Template)]
        #[template(source = "<textarea>{{ text }}</textarea>", ext = "html")]
        struct Box {
            text: Safe<String>,
        }
        let shown = askama::Template::render(&Box { text: exact("\u{200d}</textarea>&\u{202e}") }).unwrap();
        assert_eq!(shown, "<textarea>\u{200d}&#60;/textarea&#62;&#38;\u{202e}</textarea>");
    }
}
