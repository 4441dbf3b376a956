//! A new integration as a draft: checked as if it stood in the config, against the live connector and catalog, and
//! given back as the lines to put there. The file itself is written only where `server.edit_config` allows it, and then
//! nothing but these lines is (P7.11).

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_yaml::{Mapping, Value};

use super::answer::CheckRow;
use super::request::Answer;
use super::rules_file::{replace, version};
use super::{App, Failure, check};
use crate::assemble::Assembler;
use crate::config::insert::{Uninsertable, with_integration};
use crate::config::{Config, LoadOptions};
use crate::correlate::BUILTIN;
use crate::error::{Report, shown};

/// Held while the file is compared and written.
static WRITING: Mutex<()> = Mutex::new(());

/// A new integration: names and values only, never a place, an address or a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IntegrationDraft {
    /// Its name; where an address names it already, left out or the same.
    pub name: String,
    /// A connector of the config.
    pub connector: String,
    /// A catalog of the config.
    pub catalog: String,
    /// Where the connector's address names none.
    pub workspace: Option<String>,
    /// What for.
    pub description: Option<String>,
    /// Globs of repositories.
    pub include: Vec<String>,
    /// Globs of repositories.
    pub exclude: Vec<String>,
    /// Keys of projects.
    pub projects: Vec<String>,
    /// `register_and_merge`, `register` or `merge`; left out: the first.
    pub registration: Option<String>,
    /// Kind of new entities.
    pub kind: Option<String>,
    /// Type of new entities.
    pub r#type: Option<String>,
    /// A shipped rules file.
    pub rules: Option<String>,
    /// Pull requests are kept; left out: they are.
    #[serde(default = "yes")]
    pub pull_requests: bool,
    /// Commits are kept; left out: they are.
    #[serde(default = "yes")]
    pub commits: bool,
    /// `30m`, `3h`, `1d`.
    pub update_every: Option<String>,
    /// `2026-01-01`: older pull requests and commits are not fetched.
    pub start_date: Option<String>,
    /// New discoveries are imported unseen.
    pub auto_import: bool,
}

fn yes() -> bool {
    true
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
    /// Whether the lines may be written into it from here, for whoever wants that.
    #[serde(default)]
    pub is_writable: bool,
    /// Why they cannot be, where the config allows it.
    #[serde(default)]
    pub unwritable: Option<String>,
    /// Tells the file's text from another: whoever writes says what they saw.
    #[serde(default)]
    pub version: String,
}

pub(super) async fn integration(app: &App, draft: &IntegrationDraft) -> Result<Answer, Failure> {
    let (mut drafted, config) = sketched(app, draft)?;
    drafted.is_writable &= drafted.faults.is_empty();
    if let Some(config) = config {
        let secrets = app.assembler.secrets();
        let lacking = config.lacking_secrets(secrets);
        let assembler = Assembler::new(Arc::new(config.clone()), secrets.environment.clone(), app.clock.clone());
        assembler.vault().refresh(app.store.credentials().await?);
        let named = std::slice::from_ref(&draft.name);
        drafted.found = check::check(&config, &assembler, named, false, &lacking).await?;
        // That the file is sound was asked of a text that is not in it.
        drafted.found.retain(|row| row.about != "config");
    }
    Ok(Answer::Drafted(Box::new(drafted)))
}

/// What can be told without asking anybody, and the config with the draft in it; none where it has faults.
fn sketched(app: &App, draft: &IntegrationDraft) -> Result<(Drafted, Option<Config>), Failure> {
    let bytes = read(app)?;
    let is_allowed = app.config.server.edit_config;
    let unwritable = unwritable(app, &bytes, draft);
    let mut drafted = Drafted {
        faults: Vec::new(),
        found: Vec::new(),
        lines: lines(draft),
        file: shown(&app.config.path),
        is_writable: is_allowed && unwritable.is_none(),
        unwritable: unwritable.filter(|_| is_allowed),
        version: version(&String::from_utf8_lossy(&bytes)),
    };
    if let Some(rules) = draft.rules.as_ref().filter(|rules| !BUILTIN.iter().any(|(name, _)| name == rules)) {
        let names: Vec<&str> = BUILTIN.iter().map(|(name, _)| *name).collect();
        drafted.faults = vec![format!("`rules: {rules}` is no shipped rules file: {}", names.join(", "))];
        return Ok((drafted, None));
    }
    match loaded(app, &with_it(&bytes, draft)?) {
        Ok(config) => Ok((drafted, Some(config))),
        Err(faults) => {
            drafted.faults = faults;
            Ok((drafted, None))
        }
    }
}

/// Writes the draft into the config, if the file still says what the writer saw: nothing else of it changes.
pub(super) async fn create(app: &App, draft: &IntegrationDraft, instead_of: &str) -> Result<Answer, Failure> {
    let file = shown(&app.config.path);
    if !app.config.server.edit_config {
        return Err(Failure::refused(
            "integrations are not written from here",
            "set `edit_config: true` under `server` in the config, or put the lines into the file",
        ));
    }
    // Of two who saw the same, one is told that it is another by now.
    let _turn = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let (drafted, _) = sketched(app, draft)?;
    if let Some(fault) = drafted.faults.first() {
        return Err(Failure::usage(format!("{file} was not written: {fault}"), "mend the draft, and check it again"));
    }
    if drafted.version != instead_of {
        return Err(Failure::refused(
            format!("{file} was changed meanwhile, and was not written"),
            "check the draft again",
        ));
    }
    let text = read(app)?;
    let text = String::from_utf8_lossy(&text);
    let refused = |error: Uninsertable| {
        Failure::refused(format!("{file} was not written: {error}"), "put the lines shown into it by hand")
    };
    let text = with_integration(&text, &Value::Mapping(mapping(draft))).map_err(refused)?;
    if let Err(faults) = loaded(app, &text) {
        let why = faults.into_iter().next().unwrap_or_default();
        return Err(Failure::refused(format!("{file} was not written: {why}"), "put the lines shown into it by hand"));
    }
    replace(&app.config.path, &text).map_err(|error| {
        let mend = Some("check permissions and free space of its folder, or put the lines in by hand".to_owned());
        Failure::failed(Report::new(format!("{file} could not be written"), &error, mend))
    })?;
    app.reloads.look_now();
    Ok(Answer::Drafted(Box::new(drafted)))
}

fn read(app: &App) -> Result<Vec<u8>, Failure> {
    std::fs::read(&app.config.path).map_err(|error| {
        let mend = Some("check that the file is there and can be read".to_owned());
        Failure::failed(Report::new(format!("{} cannot be read", shown(&app.config.path)), &error, mend))
    })
}

/// Why the draft cannot be written into the file; `None`: it can.
fn unwritable(app: &App, bytes: &[u8], draft: &IntegrationDraft) -> Option<String> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => return Some("it is not UTF-8".to_owned()),
    };
    if let Err(error) = with_integration(text, &Value::Mapping(mapping(draft))) {
        return Some(error.to_string());
    }
    // Looked at without a change.
    let opened = std::fs::OpenOptions::new().append(true).open(&app.config.path);
    opened.err().map(|error| error.to_string())
}

/// A text as if it were the config's; else its faults, in words.
fn loaded(app: &App, text: &str) -> Result<Config, Vec<String>> {
    let options = LoadOptions {
        config: Some(&app.config.path),
        // What is overridden by arguments is in force already.
        store: Some(&app.config.store),
        listen: None,
        environment: &app.assembler.secrets().environment,
        working_directory: app.config.path.parent().unwrap_or_else(|| std::path::Path::new("/")),
        now: app.clock.now(),
    };
    let (config, report) = Config::read(text.as_bytes(), &app.config.path, &options);
    config.ok_or_else(|| {
        let faults = report.faults.iter().filter(|fault| fault.is_error());
        let told = faults.map(|fault| {
            let mut words = fault.what.clone();
            for more in fault.because.iter().chain(&fault.mend) {
                words.push_str("; ");
                words.push_str(more);
            }
            words
        });
        told.collect()
    })
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
