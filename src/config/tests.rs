//! The file as a whole: what is read, what is refused, and in which words.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{Cadence, Config, ConfigError, Environment, FaultReport, FirstSync, LoadOptions, Registration, RulesRef};
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
