//! What is done to both values of a comparison before they are compared.

use std::borrow::Cow;

use regex::Regex;

/// Longer values take no part in correlation: no name, slug or URL is longer.
pub(super) const MAX_VALUE_BYTES: usize = 4_096;

/// Applied to the ingested and the catalog value alike, in this order: `regex`, `ignore_case`,
/// `trim_prefix`, `trim_suffix`, `slug`.
#[derive(Clone, Debug, Default)]
pub(super) struct Normaliser {
    /// The one capture group is the value; a value that does not match takes no part.
    pub regex: Option<Regex>,
    /// Unicode lower case. Prefix and suffix are lower case then, too.
    pub ignore_case: bool,
    pub trim_prefix: Option<String>,
    pub trim_suffix: Option<String>,
    /// Lower case, every run of other characters than letters and digits one `-`, none at the ends.
    pub slug: bool,
}

impl Normaliser {
    /// The value to compare; `None`: it takes no part.
    pub fn apply<'a>(&self, text: &'a str) -> Option<Cow<'a, str>> {
        if text.len() > MAX_VALUE_BYTES {
            return None;
        }
        let mut value = match &self.regex {
            Some(regex) => Cow::Borrowed(regex.captures(text)?.get(1)?.as_str()),
            None => Cow::Borrowed(text),
        };
        if self.ignore_case && value.chars().any(char::is_uppercase) {
            value = Cow::Owned(value.to_lowercase());
        }
        if let Some(prefix) = &self.trim_prefix {
            value = trimmed(value, |text| text.strip_prefix(prefix.as_str()));
        }
        if let Some(suffix) = &self.trim_suffix {
            value = trimmed(value, |text| text.strip_suffix(suffix.as_str()));
        }
        if self.slug {
            value = Cow::Owned(slug(&value));
        }
        (!value.is_empty() && value.len() <= MAX_VALUE_BYTES).then_some(value)
    }
}

impl Normaliser {
    /// For people. A regex is only mentioned: it is long, and stands in the rules file.
    pub fn in_words(&self) -> String {
        let Self { regex, ignore_case, trim_prefix, trim_suffix, slug } = self;
        let mut words = Vec::new();
        words.extend(regex.as_ref().map(|_| "by regex".to_owned()));
        words.extend(ignore_case.then(|| "ignoring case".to_owned()));
        words.extend(trim_prefix.as_ref().map(|prefix| format!("without prefix {prefix}")));
        words.extend(trim_suffix.as_ref().map(|suffix| format!("without suffix {suffix}")));
        words.extend(slug.then(|| "as slugs".to_owned()));
        words.join(", ")
    }
}

fn trimmed<'a>(value: Cow<'a, str>, trim: impl Fn(&str) -> Option<&str>) -> Cow<'a, str> {
    match value {
        Cow::Borrowed(text) => Cow::Borrowed(trim(text).unwrap_or(text)),
        Cow::Owned(text) => match trim(&text) {
            Some(rest) => Cow::Owned(rest.to_owned()),
            None => Cow::Owned(text),
        },
    }
}

/// Lower case, every run of other characters than letters and digits one `-`, none at the ends.
pub(super) fn slug(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().flat_map(char::to_lowercase) {
        if c.is_alphanumeric() {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    if out.ends_with('-') {
        out.pop();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(normaliser: &Normaliser, text: &str, expected: Option<&str>) {
        assert_eq!(normaliser.apply(text).as_deref(), expected);
    }

    /// P3.5: case, prefix, suffix, slug, and one group of a regex.
    #[test]
    fn p3_5_normalisers() {
        let none = Normaliser::default();
        check(&none, "Payments API", Some("Payments API"));
        check(&none, "", None);
        let case = Normaliser { ignore_case: true, ..none.clone() };
        check(&case, "Zahlungen-ÄÖ", Some("zahlungen-äö"));
        let prefix = Normaliser { trim_prefix: Some("svc-".into()), ..none.clone() };
        check(&prefix, "svc-billing", Some("billing"));
        check(&prefix, "SVC-billing", Some("SVC-billing"));
        check(&prefix, "svc-", None);
        let both = Normaliser { ignore_case: true, trim_prefix: Some("svc-".into()), ..none.clone() };
        check(&both, "SVC-Billing", Some("billing"));
        let suffix = Normaliser { trim_suffix: Some(".git".into()), ..none.clone() };
        check(&suffix, "acme/web.git", Some("acme/web"));
        let slug = Normaliser { slug: true, ..none.clone() };
        check(&slug, "Wally.CleanArchitecture", Some("wally-cleanarchitecture"));
        check(&slug, "  My  Repo_(old) ", Some("my-repo-old"));
        check(&slug, "---", None);
        let regex = Normaliser { regex: Some(Regex::new("^url:https://[^/]+/([^/]+)").unwrap()), ..none };
        check(&regex, "url:https://bitbucket.org/acme/web", Some("acme"));
        check(&regex, "https://bitbucket.org/acme/web", None);
        check(&Normaliser::default(), &"x".repeat(MAX_VALUE_BYTES + 1), None);
    }
}
