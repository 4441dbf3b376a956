//! Partial answers: `fields=a,b.c` (only these), `-links` (drop), `+values.reviewers` (add).
//!
//! Works on the text of an answer we wrote ourselves (compact, well-formed), so that a filtered page costs little more
//! than a whole one.

use std::collections::BTreeMap;

/// A parsed `fields` parameter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields {
    only: Option<Paths>,
    drop: Option<Paths>,
    add: Vec<String>,
}

/// Dotted paths as a tree; a leaf stands for everything beneath it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Paths(BTreeMap<String, Paths>);

impl Paths {
    fn insert(&mut self, path: &str) {
        let mut node = self;
        let mut parts = path.split('.').peekable();
        while let Some(part) = parts.next() {
            let existed_as_leaf = node.0.get(part).is_some_and(|child| child.0.is_empty());
            node = node.0.entry(part.to_owned()).or_default();
            // `links` before `links.html` already says all of it; so does it the other way round.
            if existed_as_leaf {
                return;
            }
            if parts.peek().is_none() {
                node.0.clear();
            }
        }
    }

    fn below(&self, key: &str) -> Option<&Self> {
        self.0.get(key).or_else(|| self.0.get("*"))
    }

    fn is_leaf(&self) -> bool {
        self.0.is_empty()
    }
}

impl Fields {
    /// Reads the parameter. What is not there to be kept or dropped is no error, as on the real server.
    pub(super) fn parse(parameter: &str) -> Self {
        let mut fields = Self::default();
        for part in parameter.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            if let Some(path) = part.strip_prefix('-') {
                fields.drop.get_or_insert_default().insert(path);
            } else if let Some(path) = part.strip_prefix('+') {
                fields.add.push(path.to_owned());
            } else {
                fields.only.get_or_insert_default().insert(part);
            }
        }
        if let Some(only) = &mut fields.only {
            // Beside a positive list, `+x` is just one more of it.
            for path in &fields.add {
                only.insert(path);
            }
        }
        fields
    }

    /// Whether something a default answer leaves out is asked for by name, as `values.reviewers` is.
    pub(super) fn asks_for(&self, path: &str) -> bool {
        let covers = |asked: &str| asked == path || asked.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
        self.add.iter().any(|asked| covers(asked))
            || self.only.as_ref().is_some_and(|only| {
                let mut node = only;
                for part in path.split('.') {
                    match node.0.get(part) {
                        Some(child) => node = child,
                        // `values` alone means its usual content.
                        None => return false,
                    }
                }
                true
            })
    }

    /// Whether a member of the answer is worth writing.
    pub(super) fn wants(&self, member: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.below(member).is_some())
    }

    /// The answer with only what was asked for.
    pub(super) fn apply(&self, text: String) -> String {
        if self.only.is_none() && self.drop.is_none() {
            return text;
        }
        let mut filter = Filter { from: text.as_bytes(), at: 0, out: Vec::with_capacity(text.len()) };
        filter.value(self.only.as_ref(), self.drop.as_ref());
        String::from_utf8(filter.out).unwrap_or(text)
    }
}

struct Filter<'a> {
    from: &'a [u8],
    at: usize,
    out: Vec<u8>,
}

impl Filter<'_> {
    fn value(&mut self, only: Option<&Paths>, drop: Option<&Paths>) {
        match self.from.get(self.at) {
            Some(b'{') if only.is_some() || drop.is_some() => self.object(only, drop),
            Some(b'[') if only.is_some() || drop.is_some() => self.array(only, drop),
            _ => {
                let from = self.at;
                self.skip();
                self.out.extend_from_slice(&self.from[from..self.at]);
            }
        }
    }

    fn object(&mut self, only: Option<&Paths>, drop: Option<&Paths>) {
        self.out.push(b'{');
        self.at += 1;
        let mut first = true;
        while self.from.get(self.at).is_some_and(|byte| *byte != b'}') {
            let key_from = self.at;
            self.skip_string();
            let key_to = self.at;
            self.at += 1; // the colon
            let key = std::str::from_utf8(&self.from[key_from + 1..key_to - 1]).unwrap_or_default();
            let kept = match only {
                None => Some(None),
                Some(paths) => paths.below(key).map(|below| (!below.is_leaf()).then_some(below)),
            };
            let dropped = drop.and_then(|paths| paths.below(key));
            match kept {
                Some(only_below) if !dropped.is_some_and(Paths::is_leaf) => {
                    if !first {
                        self.out.push(b',');
                    }
                    first = false;
                    self.out.extend_from_slice(&self.from[key_from..=key_to]);
                    self.value(only_below, dropped);
                }
                _ => self.skip(),
            }
            self.skip_comma();
        }
        self.at += 1;
        self.out.push(b'}');
    }

    fn array(&mut self, only: Option<&Paths>, drop: Option<&Paths>) {
        self.out.push(b'[');
        self.at += 1;
        let mut first = true;
        while self.from.get(self.at).is_some_and(|byte| *byte != b']') {
            if !first {
                self.out.push(b',');
            }
            first = false;
            self.value(only, drop);
            self.skip_comma();
        }
        self.at += 1;
        self.out.push(b']');
    }

    fn skip_comma(&mut self) {
        if self.from.get(self.at) == Some(&b',') {
            self.at += 1;
        }
    }

    fn skip_string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.from.get(self.at) {
            self.at += match byte {
                b'"' => break,
                b'\\' => 2,
                _ => 1,
            };
        }
        self.at += 1;
    }

    fn skip(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.from.get(self.at) {
            match byte {
                b'"' => {
                    self.skip_string();
                    if depth == 0 {
                        return;
                    }
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth == 0 => return,
                b'}' | b']' => {
                    depth -= 1;
                    if depth == 0 {
                        self.at += 1;
                        return;
                    }
                }
                b',' if depth == 0 => return,
                _ => {}
            }
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"{"size":2,"next":"n","values":[{"id":1,"title":"a \" ,}","links":{"self":{"href":"s"},"avatar":{"href":"v"}},"author":null},{"id":2,"title":"b","links":{"self":{"href":"t"}},"author":{"name":"x"}}]}"#;

    #[track_caller]
    fn check(fields: &str, expected: &str) {
        let kept = Fields::parse(fields).apply(PAGE.to_owned());
        serde_json::from_str::<serde_json::Value>(&kept).expect("still JSON");
        assert_eq!(kept, expected);
    }

    #[test]
    fn keeps_drops_and_adds() {
        check("size", r#"{"size":2}"#);
        check("values.id", r#"{"values":[{"id":1},{"id":2}]}"#);
        check("next,values.id", r#"{"next":"n","values":[{"id":1},{"id":2}]}"#);
        check("values.author.name", r#"{"values":[{"author":null},{"author":{"name":"x"}}]}"#);
        check(
            "values.links.*.href",
            r#"{"values":[{"links":{"self":{"href":"s"},"avatar":{"href":"v"}}},{"links":{"self":{"href":"t"}}}]}"#,
        );
        check("-values", r#"{"size":2,"next":"n"}"#);
        check(
            "-values.links,-values.author",
            r#"{"size":2,"next":"n","values":[{"id":1,"title":"a \" ,}"},{"id":2,"title":"b"}]}"#,
        );
        check(
            "-values.links.avatar,values.links",
            r#"{"values":[{"links":{"self":{"href":"s"}}},{"links":{"self":{"href":"t"}}}]}"#,
        );
        check("values.title,+values.id", r#"{"values":[{"id":1,"title":"a \" ,}"},{"id":2,"title":"b"}]}"#);
        check("+values.reviewers", PAGE);
        check("nothing.of.this", "{}");
    }

    #[test]
    fn knows_what_is_asked_for_by_name() {
        assert!(Fields::parse("+values.reviewers").asks_for("values.reviewers"));
        assert!(Fields::parse("+values.participants.state").asks_for("values.participants"));
        assert!(Fields::parse("next,values.reviewers.uuid").asks_for("values.reviewers"));
        assert!(!Fields::parse("+values.participants").asks_for("values.reviewers"));
        assert!(!Fields::parse("values").asks_for("values.reviewers"));
        assert!(!Fields::parse("-values.links").asks_for("values.reviewers"));
    }
}
