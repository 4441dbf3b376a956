//! JSON as a Bitbucket sends it, read leniently: what Cloud and Data Center have in common. Nearly everything may
//! be null, missing or of another type.

use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::Value;
use sha2::{Digest, Sha256};
use url::Url;

use crate::model::{Fingerprint, PullRequestState};

/// Text that is there and not blank.
pub fn text(value: &Value, path: &[&str]) -> Option<String> {
    let text = at(value, path)?.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Text as it is, blank or not.
pub fn raw_text(value: &Value, path: &[&str]) -> Option<String> {
    at(value, path)?.as_str().map(str::to_owned)
}

/// What lies at the end of these names of fields.
pub fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, name| value.get(name))
}

/// RFC 3339 in all six shapes (facts 1.11); an offset without a colon and a missing one (UTC) as well.
pub fn date(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(date) = DateTime::parse_from_rfc3339(text) {
        return Some(date.to_utc());
    }
    if let Ok(date) = DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z") {
        return Some(date.to_utc());
    }
    NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok().map(|date| date.and_utc())
}

/// SUPERSEDED counts as declined (P5.1); what is unknown is kept as text (trap 17).
pub fn state(text: &str) -> PullRequestState {
    match text.to_ascii_uppercase().as_str() {
        "OPEN" => PullRequestState::Open,
        "MERGED" => PullRequestState::Merged,
        "DECLINED" | "SUPERSEDED" => PullRequestState::Declined,
        _ => PullRequestState::Other(text.to_lowercase()),
    }
}

/// The name part of `Name <mail>`.
pub fn git_name(raw: &str) -> Option<String> {
    let name = raw.split('<').next().unwrap_or_default().trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// How colleagues mention somebody: names that are an e-mail address, as logins may be, are not kept.
pub fn nickname(text: String) -> Option<String> {
    (!text.contains('@')).then_some(text)
}

/// A page for people, from a server: http(s) only, without userinfo.
pub fn address(text: &str) -> Option<String> {
    if is_plain(text) {
        return Some(text.to_owned());
    }
    let mut url = Url::parse(text).ok()?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return None;
    }
    // Neither can fail for a URL with a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Some(url.into())
}

/// Whether an address is as parsing would leave it: nearly all are, and a first sync reads a hundred thousand.
fn is_plain(url: &str) -> bool {
    let Some((host, path)) = url.strip_prefix("https://").and_then(|rest| rest.split_once('/')) else { return false };
    let is_host = |byte: u8| byte.is_ascii_lowercase() || byte == b'.' || byte == b'-';
    let is_path = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.' | b'~');
    host.starts_with(|first: char| first.is_ascii_lowercase())
        && host.bytes().all(is_host)
        && !host.contains("xn--")
        && path.bytes().all(is_path)
        && !path.starts_with('.')
        && !path.contains("/.")
}

/// Of a record without what changes by itself, which is `changes(key, whether it is a key of the record itself)`,
/// and without the user name that clone links carry (it is the credential's, not the repository's).
pub fn fingerprint(raw: &Value, changes: impl Fn(&str, bool) -> bool) -> Fingerprint {
    let mut hash = Sha256::new();
    feed(&mut hash, raw, raw.is_object(), &changes);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    Fingerprint(bytes)
}

/// Canonical JSON: keys sorted, no blanks.
fn feed(hash: &mut Sha256, value: &Value, is_top: bool, changes: &impl Fn(&str, bool) -> bool) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_unstable();
            hash.update("{");
            for key in keys {
                if changes(key, is_top) {
                    continue;
                }
                hash.update(Value::String(key.clone()).to_string());
                hash.update(":");
                match (key.as_str(), &map[key]) {
                    ("href", Value::String(href)) => {
                        hash.update(Value::String(without_user(href)).to_string());
                    }
                    (_, value) => feed(hash, value, false, changes),
                }
                hash.update(",");
            }
            hash.update("}");
        }
        Value::Array(items) => {
            hash.update("[");
            for item in items {
                feed(hash, item, false, changes);
                hash.update(",");
            }
            hash.update("]");
        }
        scalar => hash.update(scalar.to_string()),
    }
}

fn without_user(href: &str) -> String {
    let Some((scheme, rest)) = href.split_once("://") else { return href.to_owned() };
    let end = rest.find('/').unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) if scheme.starts_with("http") => format!("{scheme}://{}", &rest[at + 1..]),
        _ => href.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_plain_address_is_one_that_parsing_leaves_alone(url in "(https?|HTTPS)://[a-zA-Z.0-9@-]{0,12}/?[a-z./%{}_~-]{0,20}") {
            if is_plain(&url) {
                proptest::prop_assert_eq!(Url::parse(&url).map(String::from), Ok(url));
            }
        }
    }

    #[test]
    fn most_addresses_are_plain() {
        assert!(is_plain("https://bitbucket.org/acme/payments-api/pull-requests/12"));
        assert!(!is_plain("https://me@bitbucket.org/acme"));
    }

    #[test]
    fn dates_are_read_in_all_shapes() {
        let wanted = Some("2026-01-02T03:04:05Z".parse().unwrap());
        for text in [
            "2026-01-02T03:04:05Z",
            "2026-01-02T03:04:05+00:00",
            "2026-01-02T03:04:05.000000+00:00",
            "2026-01-02T03:04:05.00000Z",
            "2026-01-02T03:04:05.000000000Z",
            "2026-01-02T03:04:05.000Z",
            "2026-01-02T04:04:05+01:00",
            "2026-01-02T04:04:05+0100",
            "2026-01-02T03:04:05",
            "2026-01-02T03:04:05.0",
        ] {
            assert_eq!(date(text), wanted, "{text}");
        }
        assert_eq!(date("yesterday"), None);
    }
}
