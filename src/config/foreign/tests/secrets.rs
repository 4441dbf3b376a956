//! No secret of a file is in what comes of it, whatever the file looks like; no key is lost.

use proptest::prelude::*;
use proptest::sample::Index;

use super::{loaded, read, taken, told};

/// Like tokens of every kind, and like passwords that people make up.
fn secret() -> impl Strategy<Value = String> {
    prop_oneof![
        "(ATCTT3x|ATATT3x|ATBB|BBDC-)[A-Za-z0-9_=-]{16,40}",
        "[A-Za-z0-9]{12,24}",
        "[a-zA-Z0-9+/=_.~!-]{12,24}",
        "[a-z]{4}@[a-z]{6}\\.example",
    ]
    .prop_map(|secret| format!("{secret}Zz9"))
}

const SATELLITE: &str = "\
satellite:
  tenant: t
  api_key: '{0}'
  url: https://app.harness.io/api
  proxy: { host: proxy, port: 1, username: '{1}', password: '{2}', all_traffic: true }
  hidden: '{3}'
integrations:
  - id: 1
    application: bitbucket_server
    url: https://someone:{4}@bitbucket.org/acme
    username: '{5}'
    api_key: '{6}'
    extra: { deep: ['{7}'] }
  - application: bitbucket_server
    url: https://git.acme.dev
    username: '{8}'
    password: '{9}'
jira: { token: '{0}' }
";
const BACKSTAGE: &str = "\
backend: { auth: { keys: [{ secret: '{0}' }] } }
integrations:
  github: [{ token: '{1}' }]
  bitbucketCloud:
    - { username: '{2}', token: '{3}', appPassword: '{4}', commitSigningKey: '{5}', surprise: '{0}' }
    - { clientId: '{6}', clientSecret: '{7}' }
  bitbucketServer:
    - { host: git.acme.dev, apiBaseUrl: 'https://me:{1}@git.acme.dev/rest/api/1.0', username: '{8}', password: '{9}' }
catalog:
  providers:
    bitbucketCloud: { x: { workspace: acme, secret: '{4}', filters: { unknown: '{5}' } } }
    bitbucketServer: { y: { host: git.acme.dev } }
";

/// In the userinfo of a URL, a slash ends it.
fn in_url(secret: &str) -> String {
    secret.replace(['/', '@', '\\'], "-")
}

fn filled(template: &str, secrets: &[String]) -> String {
    let fill = |text: String, (index, secret): (usize, &String)| {
        text.replace(&format!(":{{{index}}}@"), &format!(":{}@", in_url(secret)))
            .replace(&format!("{{{index}}}"), secret)
    };
    secrets.iter().enumerate().fold(template.to_owned(), fill)
}

/// Everything that people or files get to see.
fn seen(text: &str) -> String {
    match read(text) {
        Ok(translation) => {
            loaded(&translation.text);
            format!("{}\n{}\n{translation:?}", translation.text, told(&translation))
        }
        Err(faults) => format!("{faults}\n{faults:?}"),
    }
}

/// What people write for names, hosts, URLs and expressions, right or wrong.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-zA-Z0-9_.~-]{1,12}",
        2 => "[a-z]{1,6}(\\.[a-z]{1,5}){0,2}(:[0-9]{1,5})?(/[a-z]{1,5}){0,2}",
        2 => "(https?://|git@|ssh://git@)(bitbucket\\.org|git\\.acme\\.dev|127\\.0\\.0\\.1:7990)[/:]?([~a-zA-Z0-9._-]{0,6}/?){0,4}",
        1 => "\\PC{0,12}",
        1 => "[\\^$.*+?()|a-z\\[\\]-]{0,10}",
        1 => "(P?T?[0-9]{1,3} ?[smhdHMS]?|\\$\\{[A-Z_]{1,6}\\}|true|false)",
    ]
}

const ANY_SATELLITE: &str = "\
satellite: { proxy: { host: {0}, port: 3128, all_traffic: true } }
integrations:
  - { application: bitbucket, url: {1}, api_key: {2}, username: {3}, name: {4}, description: {5}, tags: [{6}], metadata: { repos: {7}, projects: {8} } }
  - { application: bitbucket_server, url: {9}, password: x, username: {3}, metadata: { repos: [{0}, {4}] } }
";
const ANY_BACKSTAGE: &str = "\
integrations:
  bitbucketCloud: [{ username: {0}, token: {1} }]
  bitbucket: [{ host: {2}, apiBaseUrl: {3}, token: x }]
catalog:
  locations: [{ type: file, target: {4} }, { type: url, target: {3} }]
  providers:
    bitbucketCloud:
      {5}: { workspace: {6}, filters: { projectKey: {7}, repoSlug: {8} }, schedule: { frequency: {9} } }
      b: { workspace: {6}, filters: { repoSlug: {7} } }
    bitbucketServer: { m: { host: {2}, filters: { projectKey: {8} } } }
";

fn ten() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(secret(), 10)
}

proptest! {
    #[test]
    fn no_secret_is_told_or_written_p6_8(secrets in ten(), is_satellite: bool) {
        let text = filled(if is_satellite { SATELLITE } else { BACKSTAGE }, &secrets);
        prop_assert!(read(&text).is_ok(), "{}", text);
        let seen = seen(&text);
        for secret in &secrets {
            prop_assert!(!seen.contains(secret.as_str()) && !seen.contains(&in_url(secret)), "{} in {}", secret, seen);
        }
    }

    // Cut anywhere, or with a line missing, it is refused or taken over; either says no secret.
    #[test]
    fn no_secret_of_a_broken_file_is_told_p6_8(secrets in ten(), is_satellite: bool, at in any::<Index>(), cut: bool) {
        let mut text = filled(if is_satellite { SATELLITE } else { BACKSTAGE }, &secrets);
        if cut {
            text.truncate(at.index(text.len()));
        } else {
            let gone = at.index(text.lines().count());
            text = text.lines().enumerate().filter(|(line, _)| *line != gone).map(|(_, line)| format!("{line}\n")).collect();
        }
        let seen = seen(&text);
        for secret in &secrets {
            prop_assert!(!seen.contains(secret.as_str()) && !seen.contains(&in_url(secret)), "{} in {}", secret, seen);
        }
    }

    // A key that nobody knows, in any block that is Bitbucket's, is named with its line.
    #[test]
    fn an_unknown_key_is_named_with_its_line_p6_8(is_satellite: bool, at in any::<Index>()) {
        let template = if is_satellite { SATELLITE } else { BACKSTAGE };
        let text = filled(template, &vec!["secret".to_owned(); 10]);
        // Behind these, a block's keys stand on lines of their own.
        let anchors: &[&str] = if is_satellite {
            &["  tenant: t\n", "  - id: 1\n", "    url: https://git.acme.dev\n", "jira: { token: 'secret' }\n"]
        } else {
            &["backend: { auth: { keys: [{ secret: 'secret' }] } }\n"]
        };
        let anchor = anchors[at.index(anchors.len())];
        let before = text.find(anchor).unwrap() + anchor.len();
        let indent = anchor.replace("- ", "  ").chars().take_while(|c| *c == ' ').count();
        let text = format!("{}{}zebra: 1\n{}", &text[..before], " ".repeat(indent), &text[before..]);
        let line = text[..before].lines().count() + 1;
        let (translation, _) = taken(&text);
        let named = translation.notes.iter().any(|note| note.line == line && note.key.ends_with("zebra"));
        prop_assert!(named, "{text}\n{}", told(&translation));
    }

    // Whatever stands in the places: it is refused, or our own loader takes what comes of it.
    #[test]
    fn what_is_written_is_always_a_config_p6_8(values in proptest::collection::vec(value(), 10), is_satellite: bool) {
        let values: Vec<String> = values.iter().map(|value| serde_json::to_string(value).unwrap()).collect();
        let text = values.iter().enumerate().fold(if is_satellite { ANY_SATELLITE } else { ANY_BACKSTAGE }.to_owned(), |text, (index, value)| {
            text.replace(&format!("{{{index}}}"), value)
        });
        if let Ok(translation) = read(&text) {
            loaded(&translation.text);
        }
    }

    #[test]
    fn nothing_makes_it_panic(text in "((satellite|integrations|catalog|providers|url|bitbucketCloud|host|metadata):[ \n]|[ \n\\-{}\\[\\]:'\"a&*$]){0,40}") {
        let _ = read(&text);
    }
}

/// What is known and says something is in the config or in the notes: walked key by key.
#[test]
fn every_key_is_taken_over_or_named_p6_8() {
    let secrets: Vec<String> = (0..10).map(|n| format!("secret{n}Zz9")).collect();
    for template in [SATELLITE, BACKSTAGE] {
        let text = filled(template, &secrets);
        let whole = taken(&text).0;
        // A key is taken over if the config changes without it, and named if the notes do.
        for (at, line) in text.lines().enumerate() {
            let Some((key, _)) = line.trim_start().trim_start_matches("- ").split_once(':') else { continue };
            if !line.starts_with(' ') || line.trim_end().ends_with(':') || line.trim_start().starts_with('-') {
                continue;
            }
            let without: String = text
                .lines()
                .enumerate()
                .filter(|(other, _)| *other != at)
                .map(|(_, line)| format!("{line}\n"))
                .collect();
            let changed = match read(&without) {
                Ok(translation) => {
                    let told =
                        |notes: &[super::super::Note]| notes.iter().map(|note| note.key.clone()).collect::<Vec<_>>();
                    super::body(&translation) != super::body(&whole) || told(&translation.notes) != told(&whole.notes)
                }
                Err(_) => true,
            };
            assert!(changed, "line {} ({key}) is neither taken over nor named:\n{text}", at + 1);
        }
    }
}
