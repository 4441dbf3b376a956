//! A new integration as a draft: checked as if it stood in the config, against the live connector and catalog, and
//! given back as the lines to put there. The file itself is written by people alone (P7.11).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_yaml::{Mapping, Value};

use super::answer::CheckRow;
use super::request::Answer;
use super::{App, Failure, check};
use crate::assemble::Assembler;
use crate::config::{Config, LoadOptions};
use crate::correlate::BUILTIN;
use crate::error::{Report, shown};

/// A new integration: names and values only, never a place, an address or a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IntegrationDraft {
    /// Its name.
    pub name: String,
    /// Of the config.
    pub connector: String,
    /// Of the config.
    pub catalog: String,
    /// Where the connector's address names none.
    pub workspace: Option<String>,
    /// What for.
    pub description: Option<String>,
    /// Globs.
    pub include: Vec<String>,
    /// Globs.
    pub exclude: Vec<String>,
    /// Keys.
    pub projects: Vec<String>,
    /// `register_and_merge`, `register` or `merge`.
    pub registration: Option<String>,
    /// Kind on register.
    pub kind: Option<String>,
    /// Type on register.
    pub r#type: Option<String>,
    /// A shipped rules file.
    pub rules: Option<String>,
    /// Pull requests are kept.
    pub pull_requests: bool,
    /// Commits are kept.
    pub commits: bool,
    /// `3h`.
    pub update_every: Option<String>,
    /// `2026-01-01`.
    pub start_date: Option<String>,
    /// New discoveries are imported unseen.
    pub auto_import: bool,
}

/// What is to be said of a draft.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Drafted {
    /// What the config would not take, with the mend; empty: it would.
    pub faults: Vec<String>,
    /// What a live look at connector and catalog found.
    pub found: Vec<CheckRow>,
    /// The lines for the config's `integrations`.
    pub lines: String,
    /// The config's file.
    pub file: String,
}

pub(super) async fn integration(app: &App, draft: &IntegrationDraft) -> Result<Answer, Failure> {
    let drafted = |faults, found| {
        Answer::Drafted(Box::new(Drafted { faults, found, lines: lines(draft), file: shown(&app.config.path) }))
    };
    if let Some(rules) = draft.rules.as_ref().filter(|rules| !BUILTIN.iter().any(|(name, _)| name == rules)) {
        let names: Vec<&str> = BUILTIN.iter().map(|(name, _)| *name).collect();
        return Ok(drafted(
            vec![format!("`rules: {rules}` is no shipped rules file: {}", names.join(", "))],
            Vec::new(),
        ));
    }
    let bytes = std::fs::read(&app.config.path).map_err(|error| {
        let mend = Some("check that the file is there and can be read".to_owned());
        Failure::failed(Report::new(format!("{} cannot be read", shown(&app.config.path)), &error, mend))
    })?;
    let text = with_it(&bytes, draft)?;
    let secrets = app.assembler.secrets();
    let options = LoadOptions {
        config: Some(&app.config.path),
        // What is overridden by arguments is in force already.
        store: Some(&app.config.store),
        listen: None,
        environment: &secrets.environment,
        working_directory: app.config.path.parent().unwrap_or_else(|| std::path::Path::new("/")),
        now: app.clock.now(),
    };
    let (config, report) = Config::read(text.as_bytes(), &app.config.path, &options);
    let Some(config) = config else {
        let faults = report.faults.iter().filter(|fault| fault.is_error());
        let told = faults.map(|fault| {
            let mut words = fault.what.clone();
            for more in fault.because.iter().chain(&fault.mend) {
                words.push_str("; ");
                words.push_str(more);
            }
            words
        });
        return Ok(drafted(told.collect(), Vec::new()));
    };
    let lacking = config.lacking_secrets(secrets);
    let assembler = Assembler::new(Arc::new(config.clone()), secrets.environment.clone(), app.clock.clone());
    assembler.vault().refresh(app.store.credentials().await?);
    let mut found = check::check(&config, &assembler, std::slice::from_ref(&draft.name), false, &lacking).await?;
    // That the file is sound was asked of a text that is not in it.
    found.retain(|row| row.about != "config");
    Ok(drafted(Vec::new(), found))
}

/// The config's text with the draft at the end of `integrations`.
fn with_it(bytes: &[u8], draft: &IntegrationDraft) -> Result<String, Failure> {
    let unreadable = |error: serde_yaml::Error| {
        let mend = Some("mend the file first: `catalog-sync check --offline`".to_owned());
        Failure::failed(Report::new("the config cannot be read as it is now", &error, mend))
    };
    let mut root: Value = serde_yaml::from_slice(bytes).map_err(unreadable)?;
    root.apply_merge().map_err(unreadable)?;
    if let Value::Mapping(root) = &mut root {
        let all = root.entry("integrations".into()).or_insert_with(|| Value::Sequence(Vec::new()));
        if all.is_null() {
            *all = Value::Sequence(Vec::new());
        }
        if let Value::Sequence(all) = all {
            all.push(Value::Mapping(mapping(draft)));
        }
    }
    serde_yaml::to_string(&root).map_err(unreadable)
}

/// The draft as the config says it: what equals the default is left out.
fn mapping(draft: &IntegrationDraft) -> Mapping {
    let mut map = Mapping::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            map.insert(key.into(), value);
        }
    };
    let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty()).map(Value::String);
    let list = |all: &[String]| Value::Sequence(all.iter().cloned().map(Value::String).collect());
    put("name", Some(draft.name.clone().into()));
    put("description", text(&draft.description));
    put("connector", Some(draft.connector.clone().into()));
    put("catalog", Some(draft.catalog.clone().into()));
    put("workspace", text(&draft.workspace));
    let mut repositories = Mapping::new();
    for (key, all) in [("include", &draft.include), ("exclude", &draft.exclude), ("projects", &draft.projects)] {
        if !all.is_empty() {
            repositories.insert(key.into(), list(all));
        }
    }
    put(
        "repositories",
        Some(Value::Mapping(repositories)).filter(|map| map.as_mapping().is_some_and(|map| !map.is_empty())),
    );
    put("registration", text(&draft.registration).filter(|value| value != "register_and_merge"));
    let is_merge = draft.registration.as_deref() == Some("merge");
    put("kind", text(&draft.kind).filter(|value| value != "Component" && !is_merge));
    put("type", text(&draft.r#type).filter(|value| value != "service" && !is_merge));
    put("rules", text(&draft.rules));
    if !(draft.pull_requests && draft.commits) {
        let mut kinds = Mapping::new();
        for (key, _) in
            [("pull_requests", draft.pull_requests), ("commits", draft.commits)].iter().filter(|(_, on)| *on)
        {
            kinds.insert((*key).into(), Value::Mapping(Mapping::new()));
        }
        put("secondary_kinds", Some(Value::Mapping(kinds)));
    }
    put("update_every", text(&draft.update_every).filter(|value| value != "3h"));
    put("start_date", text(&draft.start_date));
    put("auto_import", draft.auto_import.then_some(Value::Bool(true)));
    map
}

/// The same as lines below `integrations:`.
fn lines(draft: &IntegrationDraft) -> String {
    let text = serde_yaml::to_string(&Value::Mapping(mapping(draft))).unwrap_or_default();
    let lines = text.lines().enumerate().map(|(at, line)| format!("  {} {line}\n", if at == 0 { "-" } else { " " }));
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> IntegrationDraft {
        IntegrationDraft {
            name: "shop".to_owned(),
            connector: "acme".to_owned(),
            catalog: "main".to_owned(),
            exclude: vec!["sandbox-*".to_owned()],
            registration: Some("register_and_merge".to_owned()),
            update_every: Some("1h".to_owned()),
            pull_requests: true,
            commits: true,
            ..IntegrationDraft::default()
        }
    }

    // P7.11: what is shown goes below `integrations:` as it is, and says no more than it must.
    #[test]
    fn a_draft_becomes_lines_of_the_config_p7_11() {
        insta::assert_snapshot!(lines(&draft()), @r"
          - name: shop
            connector: acme
            catalog: main
            repositories:
              exclude:
              - sandbox-*
            update_every: 1h
        ");
        let text = with_it(b"integrations:\n  - name: acme\n", &draft()).expect("a text");
        let read: Value = serde_yaml::from_str(&text).expect("YAML");
        let shown: Value =
            serde_yaml::from_str(&format!("integrations:\n  - name: acme\n{}", lines(&draft()))).expect("YAML");
        assert_eq!(read, shown);
    }

    #[test]
    fn a_config_without_integrations_takes_a_draft_p7_11() {
        for text in ["connectors: {}\n", "integrations:\n", "integrations: []\n"] {
            let read = with_it(text.as_bytes(), &draft()).expect("a text");
            let read: Value = serde_yaml::from_str(&read).expect("YAML");
            assert_eq!(read["integrations"][0]["name"], "shop", "{text}");
        }
    }

    // What people type is a value: it never becomes another line of the config.
    #[test]
    fn nothing_typed_becomes_another_key_p7_11() {
        let evil = IntegrationDraft { description: Some("x\nauto_import: true".to_owned()), ..draft() };
        let read: Value = serde_yaml::from_str(&format!("integrations:\n{}", lines(&evil))).expect("YAML");
        assert!(read["integrations"][0].get("auto_import").is_none(), "{}", lines(&evil));
    }
}
