//! Writes JSON straight into bytes, keys in the order they come. Pages of 300 kB are the rule here, and a tree of
//! values per page would cost more than everything else the simulator does.

use std::fmt::{self, Display, Write as _};

/// A JSON text in the making.
#[derive(Default)]
pub(super) struct Json {
    out: String,
    /// Whether the next member or item needs a comma before it.
    comma: bool,
}

impl Json {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { out: String::with_capacity(bytes), comma: false }
    }

    /// `{…}` as a whole text.
    pub(super) fn text(bytes: usize, members: impl FnOnce(&mut Self)) -> String {
        let mut json = Self::with_capacity(bytes);
        json.braces('{', '}', members);
        json.out
    }

    fn key(&mut self, key: &str) {
        self.separate();
        let _ = write!(self.out, "\"{key}\":");
        self.comma = true;
    }

    fn separate(&mut self) {
        if self.comma {
            self.out.push(',');
        }
        self.comma = true;
    }

    fn braces(&mut self, open: char, close: char, inside: impl FnOnce(&mut Self)) {
        self.out.push(open);
        self.comma = false;
        inside(self);
        self.out.push(close);
        self.comma = true;
    }

    /// `"key":{…}`
    pub(super) fn object(&mut self, key: &str, members: impl FnOnce(&mut Self)) {
        self.key(key);
        self.braces('{', '}', members);
    }

    /// `"key":[…]`
    pub(super) fn array(&mut self, key: &str, items: impl FnOnce(&mut Self)) {
        self.key(key);
        self.braces('[', ']', items);
    }

    /// An object in an array.
    pub(super) fn item(&mut self, members: impl FnOnce(&mut Self)) {
        self.separate();
        self.braces('{', '}', members);
    }

    /// A string in an array.
    pub(super) fn string_item(&mut self, text: &str) {
        self.separate();
        self.quote(text);
    }

    /// `null` in an array.
    pub(super) fn null_item(&mut self) {
        self.separate();
        self.out.push_str("null");
    }

    /// `"key":"text"`, escaped.
    pub(super) fn string(&mut self, key: &str, text: &str) {
        self.key(key);
        self.quote(text);
    }

    /// `"key":"text"` for what holds nothing to escape: dates, ids, hashes, addresses.
    pub(super) fn plain(&mut self, key: &str, text: impl Display) {
        self.key(key);
        let _ = write!(self.out, "\"{text}\"");
    }

    /// `"key":{"href":"…"}`
    pub(super) fn link(&mut self, key: &str, href: fmt::Arguments<'_>) {
        self.key(key);
        let _ = write!(self.out, "{{\"href\":\"{href}\"}}");
    }

    /// A number, `true`, `false` or `null`.
    pub(super) fn bare(&mut self, key: &str, value: impl Display) {
        self.key(key);
        let _ = write!(self.out, "{value}");
    }

    pub(super) fn null(&mut self, key: &str) {
        self.bare(key, "null");
    }

    fn quote(&mut self, text: &str) {
        self.out.push('"');
        let mut rest = text;
        while let Some(at) = rest.find(|c: char| c == '"' || c == '\\' || c.is_ascii_control()) {
            let (clean, from) = rest.split_at(at);
            self.out.push_str(clean);
            let mut chars = from.chars();
            match chars.next() {
                Some('"') => self.out.push_str("\\\""),
                Some('\\') => self.out.push_str("\\\\"),
                Some('\n') => self.out.push_str("\\n"),
                Some(control) => {
                    let _ = write!(self.out, "\\u{:04x}", u32::from(control));
                }
                None => {}
            }
            rest = chars.as_str();
        }
        self.out.push_str(rest);
        self.out.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_text_reads_back() {
        let nasty = "quote \" backslash \\ newline \n tab \t bell \u{7} del \u{7f} ü";
        let text = Json::text(0, |json| {
            json.string("nasty", nasty);
            json.object("empty", |_| {});
            json.array("list", |json| {
                json.item(|json| json.bare("n", 1));
                json.item(|json| json.null("n"));
                json.string_item("x");
            });
            json.link("self", format_args!("https://h/{}", 7));
            json.bare("after", true);
        });
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            value,
            serde_json::json!({"nasty": nasty, "empty": {}, "list": [{"n": 1}, {"n": null}, "x"],
                "self": {"href": "https://h/7"}, "after": true})
        );
    }
}
