//! The file as a whole: what is read, what is refused, and in which words.

mod unquoted;

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{
    Cadence, Config, ConfigError, Environment, FaultReport, FirstSync, LoadOptions, Part, Registration, RulesRef,
    SecretFrom, Secrets,
};
use crate::model::SecondaryKind;

fn now() -> DateTime<Utc> {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn read_with(text: &[u8], environment: &Environment) -> (Option<Config>, FaultReport) {
    let options = LoadOptions {
        config: None,
        store: None,
        listen: None,
        environment,
        working_directory: Path::new("/work-here"),
        now: now(),
    };
    Config::read(text, Path::new("catalog-sync.yaml"), &options)
}

fn read(text: &str) -> (Option<Config>, FaultReport) {
    read_with(text.as_bytes(), &Environment::default())
}

/// The smallest config there is.
const SMALL: &str = "
connectors:
  acme:
    type: bitbucket_cloud
    url: https://bitbucket.org/acme
    auth: { access_token: { env: BITBUCKET_TOKEN } }
catalogs:
  main:
    directory: { path: ./catalog }
integrations:
  - name: acme
    connector: acme
    catalog: main
";

#[track_caller]
fn sound(text: &str) -> Config {
    let (config, report) = read(text);
    assert!(report.is_empty(), "{report}");
    config.unwrap()
}

/// The small config with one line replaced.
fn small_with(from: &str, to: &str) -> String {
    assert!(SMALL.contains(from), "{from}");
    SMALL.replace(from, to)
}

/// Everything that is reported, without the lines shown.
#[track_caller]
fn says(text: &str, wanted: &[&str]) {
    let (_, report) = read(text);
    let said: Vec<String> = report.faults.iter().map(|fault| format!("{}: {}", fault.place.line, fault.what)).collect();
    assert_eq!(said, wanted, "{report}");
}

#[test]
fn a_small_config_has_safe_defaults_p3_3_p4_4_p5_1_p5_2() {
    let config = sound(SMALL);
    let integration = config.integration("acme").unwrap();
    assert_eq!(config.store, PathBuf::from("/work-here/data"));
    assert_eq!(integration.workspace, "acme");
    assert_eq!(integration.registration, Registration::RegisterAndMerge);
    assert_eq!((integration.kind.as_str(), integration.entity_type.as_str()), ("Component", "service"));
    assert_eq!(integration.rules, RulesRef::Builtin("bitbucket-cloud".to_owned()));
    assert_eq!(integration.update_every, Cadence::Every(Duration::from_secs(3 * 3600)));
    assert!(!integration.auto_import && !integration.suspended);
    for kind in SecondaryKind::ALL {
        let settings = integration.secondary_kinds[&kind];
        assert_eq!((settings.first_sync, settings.per_sync), (FirstSync::Newest(50), 5000));
    }
    assert!(config.server.listen.ip().is_loopback());
    assert_eq!(config.connectors["acme"].api_url.as_str(), "https://api.bitbucket.org/2.0");
    assert_eq!(integration.key().to_string(), "bitbucket.org/acme→main");
}

#[test]
fn the_full_example_is_refused_only_where_this_version_falls_short() {
    let text = include_str!("../../fixtures/config/full.yaml");
    let (config, report) = read(text);
    assert!(config.is_none());
    for fault in report.faults.iter().filter(|fault| fault.is_error()) {
        assert!(fault.what.contains("not in this version"), "{report}");
    }
}

#[test]
fn errors_name_config_file() {
    let error = ConfigError::NotFound { searched: vec!["a".into(), "b".into()] };
    insta::assert_snapshot!(error, @"there is no config file; looked for a, b");
}

#[test]
fn every_fault_is_told_at_once_with_its_line() {
    let (config, report) = read(
        "
conectors: {}
connectors:
  Acme:
    type: bitbucket_clod
    url: https://bitbucket.org/acme
    auth: { access_token: { env: BITBUCKET_TOKEN } }
catalogs:
  main:
    directory: { path: ./catalog, formt: backstage }
integrations:
  - name: acme
    connector: acme
    catalog: main
    update_every: soon
    secondary_kinds: { commits: { per_sync: 0 } }
",
    );
    assert!(config.is_none());
    insta::assert_snapshot!(report, @r"
    error: `conectors` is not a key of a config
      --> catalog-sync.yaml:2:1
      2 | conectors: {}
        | ^^^^^^^^^
      mend: did you mean `connectors`?

    error: `Acme` is not a name
      --> catalog-sync.yaml:4:3
      4 |   Acme:
        |   ^^^^
      because names are 1 to 63 of a-z, 0-9 and `-`, beginning with a letter
      mend: for example `acme`

    error: `bitbucket_clod` is not possible here
      --> catalog-sync.yaml:5:11
      5 |     type: bitbucket_clod
        |           ^^^^^^^^^^^^^^
      mend: did you mean `bitbucket_cloud`?

    error: `formt` is not a key of a directory catalog
      --> catalog-sync.yaml:10:35
      10 |     directory: { path: ./catalog, formt: backstage }
         |                                   ^^^^^
      mend: did you mean `format`?

    error: there is no connector `acme`
      --> catalog-sync.yaml:13:16
      13 |     connector: acme
         |                ^^^^
      mend: did you mean `Acme`?

    error: `soon` is not a duration
      --> catalog-sync.yaml:15:19
      15 |     update_every: soon
         |                   ^^^^
      mend: write it like `90s`, `15m`, `3h` or `1d`

    error: 0 is out of bounds
      --> catalog-sync.yaml:16:45
      16 |     secondary_kinds: { commits: { per_sync: 0 } }
         |                                             ^
      mend: use 1 to 4294967295
    ");
}

#[test]
fn names_are_checked_p6_2() {
    says(&small_with("  - name: acme", "  - name: Acme_1"), &["11: `Acme_1` is not a name"]);
}

#[test]
fn the_starter_config_loads_without_faults_p7_1() {
    let config = sound(super::starter::STARTER);
    assert_eq!(config.integrations.len(), 1);
    assert!(super::starter::STARTER.starts_with("# yaml-language-server: $schema="));
    let first_key = super::starter::STARTER.lines().find(|line| !line.starts_with('#') && !line.is_empty());
    assert_eq!(first_key, Some("store: ./data"));
}

/// One bad line each, and what is said about it.
#[test]
fn bad_values_are_refused_where_they_stand() {
    let integration = |line: &str| format!("{SMALL}    {line}\n");
    for (line, wanted) in [
        ("update_every: 30s", "14: 30s is too short"),
        ("update_every: 3", "14: `3` is not a duration"),
        ("update_every: [3h]", "14: this must be a duration, and is a list"),
        ("registration: merges", "14: `merges` is not possible here"),
        ("kind: API", "14: entities of kind `API` cannot be registered"),
        ("kind: Group", "14: entities of kind `Group` cannot be registered"),
        ("auto_import: yes", "14: `yes` is not true or false"),
        ("auto_import: \"true\"", "14: `true` is not true or false"),
        ("start_date: 2027-01-01", "14: the start date 2027-01-01 lies in the future"),
        ("start_date: 2026-02-30", "14: `2026-02-30` is not a date"),
        ("cron: \"0 0 30 2 *\"", "14: `0 0 30 2 *` never fires: there is no such date"),
        ("cron: \"61 * * * *\"", "14: `61 * * * *` is not a cron expression"),
        ("cron: \"@daily\"", "14: `@daily` is a shorthand we do not know"),
        ("cron: \"* * *\"", "14: a cron expression has 5 fields (6 with seconds), and this has 3"),
        ("timezone: Europe/Berlin", "14: `timezone` belongs to `cron`, and there is none"),
        ("rules: bitbucket-clowd", "14: there are no rules `bitbucket-clowd`"),
        ("rules: ./no-such-rules.yaml", "14: the rules file /work-here/no-such-rules.yaml cannot be read"),
        ("secondary_kinds: { commits: { per_sync: 0 } }", "14: 0 is out of bounds"),
        ("secondary_kinds: { commits: { first_sync: 0 } }", "14: 0 is out of bounds"),
        ("secondary_kinds: { commits: { first_sync: some } }", "14: `some` is not a whole number"),
        ("secondary_kinds: { commits: { via: smoke } }", "14: `smoke` is not possible here"),
        ("secondary_kinds: { pull_requests: { via: rest } }", "14: `via` is not a key of a pull_requests block"),
        ("secondary_kinds: { reviews: {} }", "14: `reviews` need `pull_requests`, which are not selected"),
        ("secondary_kinds: { commits: {}, builds: {} }", "14: `builds` are for Data Center"),
        ("secondary_kinds: { users: { per_sync: 0 } }", "14: 0 is out of bounds"),
        ("secondary_kinds: { users: { first_sync: 5 } }", "14: `first_sync` is not a key of a users block"),
        ("secondary_kinds: { comits: {} }", "14: `comits` is not a key of a secondary_kinds block"),
        ("guard: { percent: 101 }", "14: `101` is not a share in percent"),
        ("guard: { at_least: -1 }", "14: `-1` is not a whole number"),
        ("repositories: { include: [\"a[\"] }", "14: `a[` is not a glob: unclosed character class; missing ']'"),
        ("repositories: { excludes: [] }", "14: `excludes` is not a key of a repository filter"),
        ("workspace: other", "14: the integration's workspace is `other`, the url of its connector names `acme`"),
        ("workspace: ../x", "14: `../x` is not a workspace"),
        ("name: again", "14: the key `name` is there twice"),
        ("tags: {}", "14: this must be a list, and is a mapping"),
        ("suspended: !Maybe true", "14: a tag means nothing here"),
    ] {
        says(&integration(line), &[wanted]);
    }
    says(&integration("update_every: 1h\n    cron: \"0 * * * *\""), &["15: `update_every` and `cron` are both there"]);
    says(
        &integration("cron: \"0 * * * *\"\n    timezone: Europe/Berln"),
        &["15: there is no time zone `Europe/Berln`"],
    );
    says(
        &integration("registration: merge\n    type: service"),
        &["15: `type` is not possible with `registration: merge`"],
    );
}

#[test]
fn integrations_are_told_apart_p6_2() {
    let again = |name: &str, catalog: &str| {
        format!("{SMALL}  - {{ name: {name}, connector: acme, catalog: {catalog}, workspace: ACME }}\n")
    };
    says(
        &again("other", "main"),
        &["14: `other` and `acme` (line 11) both sync the workspace `ACME` into the catalog `main`"],
    );
    says(&again("acme", "man"), &["14: two integrations are named `acme`", "14: there is no catalog `man`"]);
    says(&small_with("connector: acme", "connector: acne"), &["12: there is no connector `acne`"]);
    says(
        &small_with("integrations:\n  - name", "integrations:\n    name"),
        &["11: `integrations` is a list, and this is a mapping"],
    );
    says(&small_with("  - name: acme\n", "  - description: x\n"), &["11: this integration has no `name`"]);
}

/// P4.13: what is still there was not renamed; but where only the catalog was, the name is the same.
#[test]
fn a_former_name_is_nobody_elses_p4_13() {
    let with = |name: &str, former: &str| {
        small_with("  - name: acme\n", &format!("  - name: {name}\n    renamed_from: {former}\n"))
    };
    assert_eq!(sound(&with("acme", "acme")).integrations[0].renamed_from.as_deref(), Some("acme"));
    let second = "  - { name: beta, connector: acme, catalog: second, renamed_from: acme }\n";
    let catalogs =
        |text: String| text.replace("catalogs:\n", "catalogs:\n  second: { directory: { path: ./second } }\n");
    says(&catalogs(format!("{SMALL}{second}")), &["15: `renamed_from: acme` names an integration that is still there"]);
    let twice = format!("{}{second}", with("acme2", "acme"));
    says(&catalogs(twice), &["16: `acme2` and `beta` both say `renamed_from: acme`"]);
}

#[test]
fn connectors_are_checked_p6_1_p6_4_p6_7() {
    let connector =
        |line: &str| small_with("    type: bitbucket_cloud\n", &format!("    type: bitbucket_cloud\n    {line}\n"));
    for (line, wanted) in [
        ("api_url: http://api.acme.dev/2.0", "5: credentials would cross the network in the clear"),
        ("api_url: https://me:pw@api.acme.dev/2.0", "5: the URL holds a user or password"),
        ("api_url: ftp://api.acme.dev", "5: this is not an http or https URL"),
        ("api_url: nonsense", "5: `nonsense` is not a URL"),
        ("reserve: 95%", "5: `95%` is not a share in percent"),
        ("requests_per_hour: 0", "5: 0 is out of bounds"),
        ("requests_per_second: 5", "5: `requests_per_second` has no effect"),
        ("test_repository: PAY/api.git", "5: `PAY/api.git` is not a repository"),
        ("proxy: socks://x", "5: this is not the URL of an http proxy"),
        ("prxy: http://x", "5: `prxy` is not a key of a connector"),
    ] {
        says(&connector(line), &[wanted]);
    }
    for fine in [
        "api_url: http://127.0.0.1:8990/2.0",
        "api_url: http://[::1]:1/2.0/",
        "reserve: 0",
        "proxy: http://u:p@proxy:3128",
        "webhook_secrets: [ { env: BITBUCKET_TOKEN }, { file: ./older } ]",
    ] {
        sound(&connector(fine));
    }
    sound(&connector("allow_http: true\n    api_url: http://api.acme.dev/2.0"));
    let data_center = small_with("bitbucket_cloud", "bitbucket_data_center")
        .replace("https://bitbucket.org/acme", "https://git.acme.dev/scm/");
    sound(&data_center);
    says(
        &small_with("https://bitbucket.org/acme", "https://git.acme.dev/scm/"),
        &["5: this is not a URL of bitbucket.org, and the connector is `bitbucket_cloud`"],
    );
    says(
        &small_with("https://bitbucket.org/acme", "https://bitbucket.org"),
        &["11: no workspace: neither here nor in the url of the connector `acme`"],
    );
}

#[test]
fn credentials_are_checked_p6_4() {
    let auth = |text: &str| small_with("{ access_token: { env: BITBUCKET_TOKEN } }", text);
    let ended = "6: app passwords and user passwords do not work on Bitbucket Cloud any more";
    for (text, wanted) in [
        ("{ basic: { username: me, password: { env: P } } }", ended),
        ("{ app_password: { username: me, password: { env: P } } }", ended),
        ("[]", "6: there is no credential for the API"),
        ("{}", "6: this credential is of no kind we know"),
        (
            "{ access_token: { env: A }, api_token: { email: e, token: { env: B } } }",
            "6: this credential is of several kinds",
        ),
        ("{ access_token: { credential: labs } }", "6: the config names no key for the credential store"),
        ("{ credential: labs }", "6: the config names no key for the credential store"),
        ("{ credential: labs, access_token: { env: A } }", "6: this credential is of several kinds"),
        ("{ access_token: {} }", "6: this secret says nowhere where it is"),
        ("{ access_token: { env: A, file: b } }", "6: this secret is in two places"),
        ("{ access_token: { env: not-a-name } }", "6: this is not the name of an environment variable"),
        (
            "{ access_token: { env: ATCTT3xFfGN0abc } }",
            "6: this looks like a token itself, not like the name of a variable",
        ),
        ("{ access_token: hunter2 }", "6: a secret stands in the config as plain text"),
        ("{ api_token: { token: { env: A } } }", "6: this api_token block has no `email`"),
        (
            "{ acces_token: { env: A } }",
            "6: `acces_token` is not a key of a credential|6: this credential is of no kind we know",
        ),
        ("{ access_token: { env: A }, expires: soon }", "6: `soon` is not a date"),
        ("{ access_token: { env: A }, expires: 2026-01-01 }", "6: this credential ended on 2026-01-01"),
    ] {
        let (_, report) = read(&auth(text));
        let mut said: Vec<String> = report.faults.iter().map(|f| format!("{}: {}", f.place.line, f.what)).collect();
        let mut wanted: Vec<&str> = wanted.split('|').collect();
        said.sort();
        wanted.sort();
        assert_eq!(said, wanted, "{text}\n{report}");
    }
    sound(&auth(
        "[{ access_token: { env: A } }, { oauth: { key: k, secret: { file: f } } }, { api_token: { email: { env: E }, token: { env: T } } }]",
    ));
}

/// The key is named, never written down, and lies neither in the store nor in what goes into git (P6.10).
#[test]
fn the_key_of_the_credential_store_is_checked_p6_10() {
    let with = |credentials: &str| format!("credentials: {credentials}{SMALL}");
    let stored = |auth: &str| with("{ key: { env: KEY } }").replace("{ access_token: { env: BITBUCKET_TOKEN } }", auth);
    let inside = "the key of the credential store lies in";
    for (block, wanted) in [
        ("{}", "1: this credential store has no `key`".to_owned()),
        ("{ key: hunter2 }", "1: the key stands in the config as plain text".to_owned()),
        ("{ key: { credential: a } }", "1: this does not say where the key of the credential store is".to_owned()),
        ("{ key: { env: A, file: b } }", "1: this does not say where the key of the credential store is".to_owned()),
        ("{ key: { file: data/key } }", format!("1: {inside} the store (/work-here/data)")),
        ("{ key: { file: x/../data/sub/key } }", format!("1: {inside} the store (/work-here/data)")),
        ("{ key: { file: catalog/key } }", format!("1: {inside} the catalog `main` (/work-here/catalog)")),
        ("{ kye: { env: A } }", "1: `kye` is not a key of a credential store".to_owned()),
    ] {
        let (_, report) = read(&with(block));
        let said: Vec<String> = report.faults.iter().map(|f| format!("{}: {}", f.place.line, f.what)).collect();
        assert!(said.contains(&wanted), "{block}: {said:?}");
        assert!(!report.to_string().contains("hunter2"), "{report}");
    }
    says(&stored("{ credential: Labs }"), &["6: `Labs` is not a name"]);
    let config =
        sound(&stored("[ { credential: labs, expires: 2027-03-31 }, { access_token: { credential: other } } ]"));
    assert_eq!(config.users_of_credential("labs"), ["connector acme"]);
    assert_eq!(config.users_of_credential("other"), ["connector acme"]);
    assert!(config.users_of_credential("none").is_empty() && config.uses_credentials());
    assert!(!sound(SMALL).uses_credentials());
    let auth = &config.connectors["acme"].auth[0];
    assert_eq!((auth.auth.as_str(), auth.expires), ("credential", "2027-03-31".parse().ok()));
    let user = sound(&stored("{ api_token: { email: { credential: me }, token: { credential: me } } }"));
    let parts: Vec<Option<Part>> = user.connectors["acme"].auth[0]
        .auth
        .secrets()
        .iter()
        .map(|secret| match &secret.from {
            SecretFrom::Credential { part, .. } => Some(*part),
            _ => None,
        })
        .collect();
    assert_eq!(parts, [Some(Part::User), Some(Part::Secret)]);
}

#[test]
fn catalogs_and_server_are_checked() {
    let catalog = |text: &str| small_with("directory: { path: ./catalog }", text);
    for (text, wanted) in [
        ("git: { url: x }", "9: catalogs in a git repository are not in this version"),
        ("directory: { new_entities: x }", "9: this directory catalog has no `path`"),
        ("directory: { path: c, new_entities: ../x }", "9: `../x` is not a folder below the catalog"),
        ("directory: { path: c, new_entities: /x }", "9: `/x` is not a folder below the catalog"),
        ("directory: { path: c, format: backstag }", "9: `backstag` is not possible here"),
        ("directory: { path: c, git: push }", "9: committing the catalog is not in this version"),
        ("directory: { path: c, namespace: a/b }", "9: `a/b` cannot be part of an entity's name"),
        ("directory: { path: c, project: p }", "9: a Harness project lies in an org, and none is named"),
        ("also_read: [ { directory: x } ]", "9: this catalog has no `directory`"),
    ] {
        says(&catalog(text), &[wanted]);
    }
    let server = |text: &str| format!("server: {text}{SMALL}");
    for (text, wanted) in [
        ("{ listen: 8321 }", "1: `8321` is not an address and a port"),
        ("{ listen: \"0.0.0.0:8321\" }", "0: listening on 0.0.0.0:8321 lets other machines reach the API"),
        ("{ tls: { certificate: a } }", "1: this tls block has no `key`"),
        (
            "{ listen: \"0.0.0.0:8321\", tokens: [ { name: ops, role: edit, token: { env: T } } ] }",
            "0: listening on 0.0.0.0:8321 lets other machines reach the API",
        ),
        (
            "{ tokens: [ { name: ops, role: edit, integrations: [\"a[\"], token: { env: T } } ] }",
            "1: `a[` is not a glob: unclosed character class; missing ']'",
        ),
        ("{ identity: { user_header: X-User } }", "1: `identity` is believed only from `behind_proxy` peers"),
        ("{ behind_proxy: 10.0.0.0/33 }", "1: `10.0.0.0/33` is not a network"),
        (
            "{ tokens: [ { name: ops, role: edit, token: short } ] }",
            "1: a secret stands in the config as plain text|1: the token `ops` is shorter than 32 characters",
        ),
        ("{ tokens: [ { name: ops, role: admin, token: { env: T } } ] }", "1: `admin` is not possible here"),
    ] {
        let (_, report) = read(&server(text));
        let said: Vec<String> = report.faults.iter().map(|f| format!("{}: {}", f.place.line, f.what)).collect();
        assert!(wanted.split('|').all(|wanted| said.iter().any(|said| said == wanted)), "{text}\n{report}");
    }
    says(&format!("store: postgres://db/sync{SMALL}"), &["1: stores in a database are not in this version"]);
}

#[test]
fn files_that_are_no_config_are_told_so() {
    says("", &["0: the file says nothing"]);
    says("# only a comment\n", &["0: the file says nothing"]);
    says("- a\n- b\n", &["1: a config is a mapping of keys, and this is a list"]);
    says("a: [1\nb: 2\n", &["2: this is not YAML: illegal placement of ':' indicator"]);
    says(&format!("{SMALL}---\nstore: x\n"), &["14: a second document begins here"]);
    let said = |bytes: &[u8]| read_with(bytes, &Environment::default()).1.faults[0].what.clone();
    assert_eq!(said(b"store: \xff\n"), "the file is not UTF-8 text");
    assert_eq!(said(b"\xff\xfes\0t\0"), "the file is UTF-16, not UTF-8");
    assert_eq!(said(&vec![b'#'; 1024 * 1024 + 1]), "the file is too large: 1024 KiB");
    assert_eq!(said("[".repeat(100).as_bytes()), "nested more than 64 levels deep");
    assert_eq!(said("- ".repeat(5_000).as_bytes()), "nested more than 64 levels deep");
    assert_eq!(said("[".repeat(100_000).as_bytes()), "this is not YAML: recursion limit exceeded");
    let with_mark = format!("\u{FEFF}{SMALL}").replace('\n', "\r\n");
    assert!(read(&with_mark).0.is_some(), "{}", read(&with_mark).1);
}

#[test]
fn alias_bombs_are_bounded_and_merge_keys_work() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let alias = format!("*a{}", level - 1);
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", vec![alias; 10].join(", ")));
    }
    let (_, report) = read(&bomb);
    assert_eq!(report.faults[0].what, "the file is too large once its aliases are expanded");

    let text = small_with("  - name: acme", "  - &base\n    name: acme");
    let text = format!("{text}  - <<: *base\n    name: labs\n    workspace: acme\n    catalog: labs\n");
    let text = text.replace("integrations:", "  labs: { directory: { path: ./labs } }\nintegrations:");
    let config = sound(&text);
    assert_eq!(config.integrations[1].connector, "acme");
}

/// Nothing that was written as a secret, or where one belongs, is ever shown.
#[test]
fn secrets_never_print_invariant_8() {
    const TOKEN: &str = "ATCTT3xFfGN0-very-secret";
    for text in [
        small_with("{ env: BITBUCKET_TOKEN }", TOKEN),
        small_with("{ access_token: { env: BITBUCKET_TOKEN } }", &format!("{{ acces_token: {TOKEN} }}")),
        small_with("{ access_token: { env: BITBUCKET_TOKEN } }", TOKEN),
        small_with(
            "{ access_token: { env: BITBUCKET_TOKEN } }",
            &format!("\n      - access_token: {TOKEN}\n       bad indent: ["),
        ),
        small_with("{ env: BITBUCKET_TOKEN }", &format!("{{ env: {TOKEN} }}")),
        small_with("{ env: BITBUCKET_TOKEN }", &format!("{{ env: X, value: {TOKEN} }}")),
        small_with("{ env: BITBUCKET_TOKEN }", &format!("[{TOKEN}]")),
        small_with("{ env: BITBUCKET_TOKEN }", &format!("\"{TOKEN}")),
        small_with("{ env: BITBUCKET_TOKEN }", &format!("|\n       {TOKEN}\n       {TOKEN}")),
        small_with("https://bitbucket.org/acme", &format!("https://x-token-auth:{TOKEN}@bitbucket.org/acme")),
        small_with("    type:", &format!("    proxy: ftp://u:{TOKEN}@proxy\n    type:")),
        small_with("    type:", &format!("    proxy: http://u:{TOKEN}@proxy\n    type:")),
        small_with("    type:", &format!("    password: {TOKEN}\n    type:")),
        small_with("    type:", &format!("    api_url: https://u:{TOKEN}@api\n    type:")),
    ] {
        let (config, report) = read(&text);
        for shown in [format!("{report}"), format!("{report:?}"), format!("{config:?}"), format!("{config:#?}")] {
            assert!(!shown.contains("very-secret"), "{shown}");
        }
        assert!(config.is_some() || !report.is_empty());
    }
}

#[test]
fn a_plain_secret_is_masked_in_the_line_shown() {
    let (_, report) = read(&small_with("{ env: BITBUCKET_TOKEN }", "hunter2"));
    insta::assert_snapshot!(report, @r"
    warning: a secret stands in the config as plain text
      --> catalog-sync.yaml:6:27
      6 |     auth: { access_token: *** }
        |                           ^^^
      because whoever can read the file, its backups or its git history has it
      mend: write `{ env: NAME }`, `{ file: PATH }` or `{ credential: NAME }`
    ");
}

#[test]
fn secrets_are_looked_at_only_when_asked() {
    let text = small_with("{ access_token: { env: BITBUCKET_TOKEN } }", "{ access_token: { env: BITBUCKET_TOKN } }");
    let config = sound(&text);
    let environment = Environment::new([("BITBUCKET_TOKEN", "x")]).into();
    let faults = config.check_secrets(&environment);
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].what, "the environment variable BITBUCKET_TOKN is not set");
    assert!(faults[0].mend.as_ref().unwrap().starts_with("did you mean `BITBUCKET_TOKEN`?"), "{faults:?}");
    assert_eq!((faults[0].place.line, sound(SMALL).check_secrets(&environment)), (6, Vec::new()));
}

#[test]
fn secret_files_are_read_again_and_trimmed_p6_10() {
    use secrecy::ExposeSecret as _;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let config = sound(&small_with("{ env: BITBUCKET_TOKEN }", &format!("{{ file: \"{}\" }}", file.display())));
    let environment = Secrets::default();
    let auth = config.connectors["acme"].auth[0].auth.clone();
    let secret = auth.secrets()[0].clone();
    let value = || secret.resolve(&environment).map(|value| value.expose_secret().to_owned());
    assert!(config.check_secrets(&environment)[0].what.ends_with("cannot be read"));
    for (content, wanted) in [("one\n", "one"), ("two\r\n", "two"), ("three\n\n", "three\n"), (" four", " four")] {
        std::fs::write(&file, content).unwrap();
        assert_eq!(value().unwrap(), wanted);
    }
    std::fs::write(&file, "\n").unwrap();
    assert!(config.check_secrets(&environment)[0].what.ends_with("is empty"));
    std::fs::write(&file, "x".repeat(70_000)).unwrap();
    assert!(value().is_err());
}

#[cfg(unix)]
#[test]
fn secret_files_that_others_can_read_are_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "x").unwrap();
    let config = sound(&small_with("{ env: BITBUCKET_TOKEN }", &format!("{{ file: \"{}\" }}", file.display())));
    for (mode, warnings) in [(0o600, 0), (0o640, 0), (0o644, 1)] {
        std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
        let faults = config.check_secrets(&Secrets::default());
        assert_eq!((faults.len(), faults.iter().any(super::Fault::is_error)), (warnings, false), "{mode:o}");
    }
}

/// Flag, variable, file; then the state directory of a service manager (P7.9).
#[test]
fn overrides_outrank_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let load = |text: &str, store: Option<&str>, listen: Option<&str>, variables: &[(&str, &str)]| {
        std::fs::write(folder.path().join("catalog-sync.yaml"), text).unwrap();
        let environment = Environment::new(variables.iter().copied());
        let options = LoadOptions {
            config: None,
            store: store.map(Path::new),
            listen,
            environment: &environment,
            working_directory: folder.path(),
            now: now(),
        };
        let config = Config::load(&options).unwrap().config;
        (config.store, config.server.listen.to_string())
    };
    let with_store = format!("store: ./kept\nserver: {{ listen: 127.0.0.1:1 }}{SMALL}");
    let here = |name: &str| folder.path().join(name);
    let own = "127.0.0.1:8321".to_owned();
    assert_eq!(load(SMALL, None, None, &[]), (here("data"), own.clone()));
    assert_eq!(load(SMALL, None, None, &[("STATE_DIRECTORY", "/var/lib/a:/var/lib/b")]).0, PathBuf::from("/var/lib/a"));
    assert_eq!(
        load(&with_store, None, None, &[("STATE_DIRECTORY", "/var/lib/a")]),
        (here("kept"), "127.0.0.1:1".into())
    );
    let variables = [("CATALOG_SYNC_STORE", "v"), ("CATALOG_SYNC_LISTEN", "127.0.0.1:2")];
    assert_eq!(load(&with_store, None, None, &variables), (here("v"), "127.0.0.1:2".into()));
    assert_eq!(load(&with_store, Some("f"), Some("127.0.0.1:3"), &variables), (here("f"), "127.0.0.1:3".into()));
}

#[test]
fn the_file_is_found_where_the_contract_says() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().join("here");
    let xdg = folder.path().join("xdg/catalog-sync");
    std::fs::create_dir_all(&here).unwrap();
    std::fs::create_dir_all(&xdg).unwrap();
    let xdg_home = folder.path().join("xdg");
    let found = |config: Option<&str>, variable: Option<&str>| {
        let xdg_home = Some(("XDG_CONFIG_HOME", xdg_home.to_str().unwrap()));
        let variable = variable.map(|value| ("CATALOG_SYNC_CONFIG", value));
        let environment = Environment::new(xdg_home.into_iter().chain(variable));
        let options = LoadOptions {
            config: config.map(Path::new),
            store: None,
            listen: None,
            environment: &environment,
            working_directory: &here,
            now: now(),
        };
        Config::load(&options).map(|loaded| loaded.config.path)
    };
    let Err(ConfigError::NotFound { searched }) = found(None, None) else { panic!("found one") };
    assert_eq!(searched.last(), Some(&PathBuf::from("/etc/catalog-sync/catalog-sync.yaml")));
    std::fs::write(xdg.join("catalog-sync.yaml"), SMALL).unwrap();
    assert_eq!(found(None, None).unwrap(), xdg.join("catalog-sync.yaml"));
    std::fs::write(here.join("catalog-sync.yaml"), SMALL).unwrap();
    assert_eq!(found(None, None).unwrap(), here.join("catalog-sync.yaml"));
    std::fs::write(here.join("v.yaml"), SMALL).unwrap();
    assert_eq!(found(None, Some("v.yaml")).unwrap(), here.join("v.yaml"));
    std::fs::write(here.join("f.yaml"), SMALL).unwrap();
    assert_eq!(found(Some("f.yaml"), Some("v.yaml")).unwrap(), here.join("f.yaml"));
    assert!(matches!(found(Some("no.yaml"), None), Err(ConfigError::Unreadable { .. })));
}

#[test]
fn a_changed_file_is_noticed_and_a_moved_line_changes_nothing_p7_2() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalog-sync.yaml");
    let rules = folder.path().join("rules.yaml");
    let text = format!("{SMALL}    rules: ./rules.yaml\n");
    std::fs::write(&rules, "entity: repository\n").unwrap();
    std::fs::write(&file, &text).unwrap();
    let environment = Environment::default();
    let options = LoadOptions {
        config: Some(&file),
        store: None,
        listen: None,
        environment: &environment,
        working_directory: folder.path(),
        now: now(),
    };
    let first = Config::load(&options).unwrap();
    assert!(!first.stamp.has_changed());
    std::fs::write(&file, format!("# a comment\n{text}")).unwrap();
    assert!(first.stamp.has_changed());
    let second = Config::load(&options).unwrap();
    assert_eq!(first.config, second.config);
    std::fs::write(&rules, "entity: repository\n# changed\n").unwrap();
    assert!(second.stamp.has_changed());
    assert_ne!(Config::load(&options).unwrap().config, second.config);
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(Config::load(&options), Err(ConfigError::Unreadable { .. })));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// Whatever happens to the file's text: no panic, a config or a reason, and every fault can be shown.
    #[test]
    fn broken_files_are_reported_not_panicked_on(cut in 0_usize..2_000, drop in 0_usize..30, put in "(\\PC|\n){0,12}") {
        let text: Vec<char> = super::starter::STARTER.chars().skip(700).collect();
        let cut = cut.min(text.len());
        let rest = text.iter().skip(cut + drop);
        let text: String = text[..cut].iter().copied().chain(put.chars()).chain(rest.copied()).collect();
        let (config, report) = read(&text);
        proptest::prop_assert!(config.is_some() || report.errors() > 0);
        proptest::prop_assert_eq!(report.to_string().is_empty(), report.is_empty());
    }
}

#[test]
fn store_and_catalog_lie_in_folders_of_their_own() {
    let of_store = |store: &str, wanted: &[&str]| says(&format!("store: {store}{SMALL}"), wanted);
    let lies_in = "the store /work-here/catalog/data lies in the catalog `main` (/work-here/catalog)";
    of_store("./catalog/data", &[&format!("1: {lies_in}")]);
    of_store("./catalog", &["1: the store /work-here/catalog lies in the catalog `main` (/work-here/catalog)"]);
    of_store(
        "./other/../catalog/x",
        &["1: the store /work-here/other/../catalog/x lies in the catalog `main` (/work-here/catalog)"],
    );
    of_store(".", &["9: the catalog `main` (/work-here/catalog) lies in the store /work-here"]);
    of_store("./catalog-data", &[]);
    // Left out, it is ./data.
    says(&small_with("./catalog", "."), &["9: the store /work-here/data lies in the catalog `main` (/work-here)"]);
    let also = small_with(
        "./catalog }",
        "./catalog }\n    also_read:\n      - { directory: ./a }\n      - { directory: ./data/export }",
    );
    says(&also, &["12: the catalog `main` (/work-here/data/export) lies in the store /work-here/data"]);
    let (_, report) = read(&format!("store: ./catalog/data{SMALL}"));
    assert!(report.to_string().contains("mend: name a folder outside of it"), "{report}");
}

#[test]
fn links_are_followed_to_where_store_and_catalog_lie() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("catalog")).unwrap();
    std::os::unix::fs::symlink(folder.path().join("catalog"), folder.path().join("state")).unwrap();
    let environment = Environment::default();
    let options = LoadOptions {
        config: None,
        store: None,
        listen: None,
        environment: &environment,
        working_directory: folder.path(),
        now: now(),
    };
    let read = |text: &str, options: &LoadOptions<'_>| {
        Config::read(text.as_bytes(), &folder.path().join("catalog-sync.yaml"), options).1
    };
    let report = read(&format!("store: ./state/data{SMALL}"), &options);
    assert!(report.to_string().contains("lies in the catalog `main`"), "{report}");
    // What outranks the file is told at the catalog.
    let options = LoadOptions { store: Some(Path::new("state/data")), ..options };
    let report = read(&format!("store: ./data{SMALL}"), &options);
    assert_eq!(report.faults.iter().map(|fault| fault.place.line).collect::<Vec<_>>(), [9], "{report}");
}

/// security.md, names: what nobody sees is refused where it is written.
#[test]
fn characters_nobody_sees_are_refused_at_their_line() {
    let of = |lines: &str| format!("{SMALL}{lines}");
    says(&of("    type: \"ser\\evice\"\n"), &["14: this holds the character \\u{1b}, which nobody sees"]);
    says(&of("    tags: [good, \"b\\u202Ead\"]\n"), &["14: this holds the character \\u{202e}, which nobody sees"]);
    says(&of("    kind: \"Comp\\0onent\"\n"), &["14: this holds the character \\u{0}, which nobody sees"]);
    says(&of("    type: \"a\\nb\"\n"), &["14: this has several lines"]);
    says(
        &of("    repositories: { include: [\"a\\tb\"] }\n"),
        &["14: this holds the character \\u{9}, which nobody sees"],
    );
    says(&of("    description: |\n      two\n      lines\n"), &[]);
    let text = small_with("main:\n    directory", "\"ma\\u200Bin\":\n    directory");
    let (_, report) = read(&text);
    assert!(report.faults.iter().any(|fault| fault.what.contains("is not a name")), "{report}");
}
