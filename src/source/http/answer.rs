//! What a server said: the JSON that was asked for, or which error it is. Pure.

use serde_json::Value;
use url::Url;

use super::client::Answer;
use super::links::{cut, shown};
use crate::error::escape_control;
use crate::source::SourceError;

/// Longest message of a server we repeat.
const MESSAGE_CHARS: usize = 300;

/// The JSON of a successful answer, or what came instead.
pub fn json(answer: &Answer) -> Result<Value, String> {
    if let Some(page) = html_page(answer) {
        return Err(page);
    }
    if answer.body.iter().all(u8::is_ascii_whitespace) {
        return Err(format!("an empty body ({})", answer.status));
    }
    // A byte-order mark is tolerated: proxies add one.
    let body = answer.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&answer.body);
    serde_json::from_slice::<Value>(body).map_err(|error| {
        if error.is_eof() {
            "JSON that breaks off".to_owned()
        } else {
            let text = String::from_utf8_lossy(&body[..body.len().min(400)]).into_owned();
            format!("something that is not JSON, beginning `{}`", cut(&escape_control(&text), 60))
        }
    })
}

/// Which error an unsuccessful answer is. 401, 429 and 5xx are the session's to judge; here they only
/// get their words. `asked` are the hashes the request named.
pub fn error(url: &Url, answer: &Answer, asked: &[String]) -> SourceError {
    let shown_url = shown(url);
    // A page of a proxy says nothing about Bitbucket: least of all that something is forbidden or gone.
    if matches!(answer.status, 403 | 404 | 410)
        && let Some(page) = html_page(answer)
    {
        return SourceError::NotBitbucket { url: shown_url, message: format!("{page} ({})", answer.status) };
    }
    let said = Said::of(&answer.body);
    match answer.status {
        401 => SourceError::Unauthorized { url: shown_url },
        403 => SourceError::Forbidden { url: shown_url, required: said.required, granted: said.granted },
        404 => match unknown_hashes(&answer.body, asked) {
            hashes if hashes.is_empty() && said.is_about("NoSuchCommitException") && !asked.is_empty() => {
                SourceError::UnknownCommits { hashes: asked.to_vec() }
            }
            hashes if hashes.is_empty() => SourceError::NotFound { url: shown_url },
            hashes => SourceError::UnknownCommits { hashes },
        },
        // Data Center, for what is no commit of this repository (facts 2.2).
        400 if said.is_about("NoSuchCommitException") && !asked.is_empty() => {
            match unknown_hashes(&answer.body, asked) {
                hashes if hashes.is_empty() => SourceError::UnknownCommits { hashes: asked.to_vec() },
                hashes => SourceError::UnknownCommits { hashes },
            }
        }
        407 => {
            SourceError::Unreachable { url: shown_url, message: "the proxy wants other credentials (407)".to_owned() }
        }
        410 => SourceError::Removed { url: shown_url, message: said.message },
        status if status >= 500 => SourceError::Server { url: shown_url, status, attempts: 1 },
        status => SourceError::BadRequest { url: shown_url, status, message: said.message },
    }
}

/// Whether an error says that the repository has no commits yet, or that its default branch has none: Data Center has
/// no page for that (facts 2.2). `asked` are the hashes the request named.
pub fn says_empty(answer: &Answer, asked: &[String]) -> bool {
    if !matches!(answer.status, 400 | 404) {
        return false;
    }
    let said = Said::of(&answer.body);
    let is_branchless = ["NoDefaultBranchException", "NoSuchBranchException", "EmptyRepositoryException"]
        .map(|name| said.is_about(name));
    // Nothing was named: what is not there is the head of the default branch.
    is_branchless.contains(&true) || (asked.is_empty() && said.is_about("NoSuchCommitException"))
}

/// An error body in every shape of facts 1.7 and 2.3.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    message: String,
    /// Data Center's classes of what went wrong.
    exceptions: Vec<String>,
    required: Vec<String>,
    granted: Vec<String>,
}

impl Said {
    fn of(body: &[u8]) -> Self {
        let Ok(value) = serde_json::from_slice::<Value>(body) else {
            let text = String::from_utf8_lossy(&body[..body.len().min(4000)]).into_owned();
            let words = if text.trim().is_empty() { "no reason given" } else { text.trim() };
            return Self { message: words_for_people(words), ..Self::default() };
        };
        let error = value.get("error").unwrap_or(&value);
        let mut parts: Vec<String> = Vec::new();
        // Data Center: a list, or one of its elements by itself.
        let errors = value.get("errors").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let each = || errors.iter().chain([&value]).take(20);
        let exceptions = each().filter_map(|error| Some(error.get("exceptionName")?.as_str()?.to_owned())).collect();
        for error in errors.iter().take(5) {
            let message = error.get("message").and_then(Value::as_str).unwrap_or_default();
            match error.get("context").and_then(Value::as_str) {
                _ if message.is_empty() => {}
                Some(context) => parts.push(format!("{context}: {message}")),
                None => parts.push(message.to_owned()),
            }
        }
        match error {
            Value::String(text) => parts.push(text.clone()),
            _ => parts.extend(error.get("message").and_then(Value::as_str).map(str::to_owned)),
        }
        if let Some(detail) = error.get("detail").and_then(Value::as_str)
            && !parts.iter().any(|part| part == detail)
        {
            parts.push(detail.to_owned());
        }
        for (name, words) in error.get("fields").and_then(Value::as_object).into_iter().flatten() {
            let words = strings(words).join(", ");
            // The vendor often says the same in `message` and in `fields`.
            if !words.is_empty() && !parts.iter().any(|part| part.contains(&words)) {
                parts.push(format!("{name}: {words}"));
            }
        }
        let scopes = |name| error.pointer(&format!("/detail/{name}")).map(strings).unwrap_or_default();
        if parts.is_empty() {
            parts.push("no reason given".to_owned());
        }
        let message = words_for_people(&parts.join(": "));
        Self { message, exceptions, required: scopes("required"), granted: scopes("granted") }
    }

    /// Whether Data Center names this class, in whichever package.
    fn is_about(&self, exception: &str) -> bool {
        self.exceptions.iter().any(|name| name.rsplit('.').next() == Some(exception))
    }
}

/// A string, or the strings of an array.
fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![words_for_people(text)],
        Value::Array(items) => items.iter().filter_map(Value::as_str).take(50).map(words_for_people).collect(),
        _ => Vec::new(),
    }
}

fn words_for_people(text: &str) -> String {
    cut(&escape_control(text), MESSAGE_CHARS)
}

/// The hashes a 404 names, of those that were asked for: whole, or by at least seven digits.
fn unknown_hashes(body: &[u8], asked: &[String]) -> Vec<String> {
    if asked.is_empty() {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(body).to_ascii_lowercase();
    let mut found: Vec<String> = Vec::new();
    for word in text.split(|c: char| !c.is_ascii_alphanumeric()) {
        let is_hash = (7..=64).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let was_asked = || asked.iter().any(|hash| hash.to_ascii_lowercase().starts_with(word));
        if is_hash && !found.iter().any(|hash| hash == word) && was_asked() {
            found.push(word.to_owned());
        }
    }
    found
}

/// What an HTML page says it is; `None` when the body is no such page.
fn html_page(answer: &Answer) -> Option<String> {
    let kind = answer.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let start = answer.body.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(0);
    let is_html = kind.to_ascii_lowercase().starts_with("text/html") || answer.body[start..].starts_with(b"<");
    if !is_html {
        return None;
    }
    let text = String::from_utf8_lossy(&answer.body[..answer.body.len().min(64 * 1024)]).into_owned();
    // Lower case of ASCII alone, so that positions stay the same.
    let lower = text.to_ascii_lowercase();
    let title = lower.find("<title").and_then(|tag| {
        let begin = tag + lower[tag..].find('>')? + 1;
        let end = begin + lower[begin..].find("</title")?;
        Some(text[begin..end].split_whitespace().collect::<Vec<_>>().join(" "))
    });
    Some(match title.filter(|title| !title.is_empty()) {
        Some(title) => format!("an HTML page titled `{}`", cut(&escape_control(&title), 80)),
        None => "an HTML page without a title".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderMap;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, headers: HeaderMap::new(), body: body.as_bytes().to_vec() }
    }

    #[track_caller]
    fn check(status: u16, body: &str, asked: &[&str], wanted: &str) {
        let url = Url::parse("https://me:pw@api.bitbucket.org/2.0/r").unwrap();
        let asked: Vec<String> = asked.iter().map(|&hash| hash.to_owned()).collect();
        assert_eq!(error(&url, &answer(status, body), &asked).to_string(), wanted, "{body}");
    }

    // P6.9, facts 1.7: every shape of error body.
    #[test]
    fn every_shape_of_error_becomes_words() {
        let url = "https://api.bitbucket.org/2.0/r";
        let refused = |status, text: &str| format!("{url} refused the request ({status}): {text}");
        check(400, r#"{"type":"error","error":{"message":"Invalid pagelen"}}"#, &[], &refused(400, "Invalid pagelen"));
        check(
            400,
            r#"{"type":"error","error":{"message":"Bad request","fields":{"links.avatar":"required key not provided"}}}"#,
            &[],
            &refused(400, "Bad request: links.avatar: required key not provided"),
        );
        check(
            400,
            r#"{"error":{"message":"source: branch not found: dummy","fields":{"source":["branch not found: dummy"]}}}"#,
            &[],
            &refused(400, "source: branch not found: dummy"),
        );
        check(
            400,
            r#"{"error":{"message":"Resource not found","detail":"There is no API hosted at this URL"}}"#,
            &[],
            &refused(400, "Resource not found: There is no API hosted at this URL"),
        );
        check(400, r#"{"error":"invalid_grant"}"#, &[], &refused(400, "invalid_grant"));
        check(400, "plain\u{1b}[31m text", &[], &refused(400, "plain\\u{1b}[31m text"));
        check(400, "", &[], &refused(400, "no reason given"));
        check(400, "{}", &[], &refused(400, "no reason given"));
        check(
            403,
            r#"{"error":{"message":"x","detail":{"required":["project"],"granted":["account","issue:write"]}}}"#,
            &[],
            &format!("{url} forbids this (403): it needs project and was granted account, issue:write"),
        );
        check(403, "", &[], &format!("{url} forbids this (403)"));
        check(
            404,
            r#"{"error":{"message":"Repository dev/null not found"}}"#,
            &[],
            &format!("{url} was not found (404)"),
        );
        check(
            410,
            r#"{"error":{"message":"CHANGE-2770 - Functionality has been deprecated","detail":"Please read","data":{}}}"#,
            &[],
            &format!("{url} is gone for good (410): CHANGE-2770 - Functionality has been deprecated: Please read"),
        );
        check(503, "x", &[], &format!("{url} failed on the server's side (503) after 1 attempts"));
    }

    // facts 1.5: a 404 of a commit walk names the hashes it does not know.
    #[test]
    fn a_404_that_names_asked_hashes_is_about_commits() {
        let old = "1111111111111111111111111111111111111111";
        let body = format!(r#"{{"error":{{"message":"Commit not found","data":{{"shas":["{old}"]}}}}}}"#);
        check(404, &body, &[old, "22"], &format!("the server does not know the commits {old}"));
        check(404, "no such commit 1111111.", &[old], "the server does not know the commits 1111111");
        check(404, "no such commit 3333333.", &[old], "https://api.bitbucket.org/2.0/r was not found (404)");
    }

    // P6.9, facts 2.3: both shapes of Data Center.
    #[test]
    fn data_centers_errors_become_words() {
        let url = "https://api.bitbucket.org/2.0/r";
        let refused = |text: &str| format!("{url} refused the request (400): {text}");
        let list = r#"{"errors":[{"context":"limit","message":"must be positive","exceptionName":null},
            {"context":null,"message":"Bad.","exceptionName":"com.atlassian.bitbucket.ArgumentValidationException"}]}"#;
        check(400, list, &[], &refused("limit: must be positive: Bad."));
        let bare = r#"{"context":null,"message":"Bad.","exceptionName":"a.b.ArgumentValidationException"}"#;
        check(400, bare, &[], &refused("Bad."));
        check(400, r#"{"errors":[]}"#, &[], &refused("no reason given"));
        let old = "1111111111111111111111111111111111111111";
        for status in [400, 404] {
            let no_commit = |words: &str| {
                let name = "com.atlassian.bitbucket.commit.NoSuchCommitException";
                format!(r#"{{"errors":[{{"context":null,"message":"{words}","exceptionName":"{name}"}}]}}"#)
            };
            let unknown = format!("the server does not know the commits {old}");
            check(status, &no_commit(&format!("Commit '{old}' does not exist in repository 'x'.")), &[old], &unknown);
            check(status, &no_commit("No such commit."), &[old], &unknown);
            let of_head = answer(status, &no_commit("Commit 'refs/heads/main' does not exist in repository 'x'."));
            assert!(says_empty(&of_head, &[]) && !says_empty(&of_head, &[old.to_owned()]));
        }
        let about = |name: &str| answer(404, &format!(r#"{{"errors":[{{"exceptionName":"com.atlassian.{name}"}}]}}"#));
        assert!(says_empty(&about("bitbucket.repository.NoDefaultBranchException"), &[old.to_owned()]));
        assert!(says_empty(&about("bitbucket.repository.EmptyRepositoryException"), &[]));
        assert!(!says_empty(&about("bitbucket.repository.NoSuchRepositoryException"), &[]));
        assert!(!says_empty(&answer(500, ""), &[]));
    }

    // P2.9: a proxy's page is never absence.
    #[test]
    fn a_page_of_a_proxy_is_never_an_answer_of_bitbucket() {
        let url = Url::parse("https://api.bitbucket.org/2.0/r").unwrap();
        for status in [403, 404, 410] {
            let answer = answer(status, "<!doctype html><TITLE>Sign\n in \u{202e}</TITLE>");
            let error = error(&url, &answer, &[]);
            assert!(
                matches!(&error, SourceError::NotBitbucket { message, .. }
                if message.starts_with("an HTML page titled `Sign in \\u{202e}`")),
                "{error}"
            );
        }
    }

    #[track_caller]
    fn check_json(body: &str, wanted: Result<Value, &str>) {
        let got = json(&answer(200, body));
        assert_eq!(got.as_ref().map_err(String::as_str), wanted.as_ref().map_err(|text| *text), "{body}");
    }

    #[test]
    fn what_is_not_json_is_described() {
        check_json(r#"{"a":1}"#, Ok(serde_json::json!({"a": 1})));
        check_json("\u{feff}{}", Ok(serde_json::json!({})));
        check_json(r#"{"values":[{"uuid":"#, Err("JSON that breaks off"));
        check_json("  ", Err("an empty body (200)"));
        check_json("Rate\nlimit", Err("something that is not JSON, beginning `Rate\\nlimit`"));
        check_json("<html><body>x", Err("an HTML page without a title"));
        let long = format!("<title>{}</title>", "a".repeat(200));
        check_json(&long, Err(&format!("an HTML page titled `{}…`", "a".repeat(80))));
    }

    proptest::proptest! {
        #[test]
        fn no_body_panics(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), status in 400_u16..600) {
            let url = Url::parse("https://api.bitbucket.org/2.0/r").unwrap();
            let answer = Answer { status, headers: HeaderMap::new(), body };
            let _ = json(&answer);
            let _ = error(&url, &answer, &["abcdef0".to_owned()]).to_string();
        }
    }
}
