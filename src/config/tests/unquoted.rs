//! Secrets without quotes that YAML reads as something else: no output holds their text.

use std::path::Path;

use proptest::prelude::*;
use proptest::sample::select;

use super::super::foreign;
use super::{SMALL, read, small_with};

/// What stands where a secret belongs; `T` is the text of the secret.
const FORMS: [&str; 37] = [
    "!T",
    "*T",
    "&T",
    ">T",
    "|T",
    "{T}",
    "{T: 1}",
    "{T: 1, T: 2}",
    "{T, T}",
    "{x: T, x: T}",
    "{x: 1, x: 2, T: 3}",
    "[T",
    "{T",
    "{T: 1",
    "'T",
    "\"T",
    "@T",
    "%T",
    "`T",
    "#T",
    "!!T",
    "!<T",
    "!T x",
    "!T {a: b}",
    "&T x",
    "*T: x",
    "{{T}}",
    "{[T]: x, [T]: y}",
    "{{T: x}: 1, {T: y}: 2}",
    "[{T, T}]",
    "{<<: T}",
    "{\"T\"}",
    "{env T}",
    "T: T",
    "{!T x: y}",
    "{env: x, env: T}",
    "{*T }",
];
/// Files of ours with a secret in `@`.
const OURS: [&str; 6] = [
    "connectors:\n  acme:\n    auth: { access_token: @ }\n",
    "connectors:\n  acme:\n    auth:\n      - basic:\n          username: me\n          password: @\n        expires: soon\n",
    "connectors:\n  acme:\n    auth: { basic: { password: @, pasword: 1 }, expires: soon }\n",
    "connectors: { acme: { auth: { api_token: @ }, tpye: x } }\n",
    "connectors:\n  acme:\n    auth: @\n",
    "server:\n  tokens:\n    - name: Ci!\n      token: @\n",
];
/// Files of others.
const THEIRS: [&str; 5] = [
    "satellite:\n  api_key: @\nintegrations:\n  - application: bitbucket\n    api_key: x\n",
    "satellite: { tenant: t }\nintegrations:\n  - application: bitbucket_server\n    username: me\n    password: @\n",
    "satellite: { tenant: t, api_key: @ }\nintegrations: []\n",
    "integrations:\n  bitbucketServer:\n    - host: git.acme.dev\n      token: @\ncatalog: {}\n",
    "integrations:\n  bitbucketCloud: [{ username: me, appPassword: @ }]\ncatalog: {}\n",
];

/// Everything that is told of a file, ours or another's.
fn told(text: &str) -> String {
    let (config, report) = read(text);
    let translated = match foreign::translate(text.as_bytes(), Path::new("theirs.yaml"), Path::new("")) {
        Ok(translation) => format!("{}{translation:?}", translation.text),
        Err(report) => format!("{report}{report:?}"),
    };
    format!("{report}{report:?}{config:?}{translated}")
}

proptest! {
    #[test]
    fn no_secret_without_quotes_is_told_invariant_8_p6_8(
        file in select(OURS.iter().chain(&THEIRS).copied().collect::<Vec<_>>()),
        form in select(FORMS.to_vec()),
        text in "(Summer[0-9]{4}|[a-z]{4}[A-Za-z0-9+/=_.!-]{4,16}Zz9)",
        before in select(vec!["", "\n              "]),
    ) {
        let file = file.replace('@', &format!("{before}{}", form.replace('T', &text)));
        let told = told(&file);
        prop_assert!(!told.contains(&text), "{file}\n{told}");
    }
}

#[test]
fn every_form_is_silent_invariant_8_p6_8() {
    for file in OURS.iter().chain(&THEIRS) {
        for form in FORMS {
            let file = file.replace('@', &form.replace('T', "Summer2026"));
            let told = told(&file);
            assert!(!told.contains("Summer2026"), "{file}\n{told}");
        }
    }
}

#[test]
fn what_is_wrong_is_still_told_with_its_place() {
    for (secret, wanted) in [
        ("!Summer2026", "a tag means nothing here\n  --> catalog-sync.yaml:6:27\n"),
        ("*Summer2026", "this is not YAML: "),
        ("{hunter2pw}", "this is not a key of a secret\n  --> catalog-sync.yaml:6:28\n"),
        ("{x: 1, x: 2}", "a key is there twice\n  --> catalog-sync.yaml:6:34\n"),
    ] {
        let report = read(&small_with("{ env: BITBUCKET_TOKEN }", secret)).1.to_string();
        assert!(report.contains(wanted) && report.contains("mend: "), "{report}");
    }
}

#[test]
fn keys_that_are_no_text_are_told_so() {
    let report = read(&format!("{SMALL}? [a]\n: 1\n? [b]\n: 2\n")).1.to_string();
    assert!(report.contains("a key that is no text is there twice\n  --> catalog-sync.yaml:16:3\n"), "{report}");
}
