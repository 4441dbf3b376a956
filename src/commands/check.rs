//! `check`: config, then a live preflight per connector and catalog (P6.9).

use std::collections::BTreeSet;

use super::Failure;
use super::answer::CheckRow;
use super::webhook::{self, Look};
use crate::assemble::Assembler;
use crate::config::{Config, Fault, Integration};
use crate::source::git::{OfferedKey, SshSettings};
use crate::source::{Finding, FindingCode, Source, SourceError};

/// Looks at everything the integrations named use (all, when none is named). What fails is a row. Connectors
/// that are `lacking` a secret are not asked.
///
/// # Errors
/// Usage, when an integration is unknown.
pub async fn check(
    config: &Config,
    assembler: &Assembler,
    names: &[String],
    offline: bool,
    lacking: &BTreeSet<String>,
) -> Result<Vec<CheckRow>, Failure> {
    let mut chosen: Vec<&Integration> = Vec::new();
    for name in names {
        chosen.push(config.integration(name).ok_or_else(|| {
            let known: Vec<&str> = config.integrations.iter().map(|one| one.name.as_str()).collect();
            Failure::usage(format!("there is no integration `{name}`"), format!("the config has: {}", known.join(", ")))
        })?);
    }
    if names.is_empty() {
        chosen = config.integrations.iter().collect();
    }
    let mut rows = vec![row("config", "ok", &config.path.display().to_string(), "read without a fault", None)];
    if chosen.is_empty() {
        let mend = "add one under `integrations`";
        rows.push(row("config", "warning", "integrations", "there is none: nothing will be synced", Some(mend)));
    }
    let mut catalogs = BTreeSet::new();
    let mut connectors = BTreeSet::new();
    for integration in chosen {
        let about = format!("integration {}", integration.name);
        match crate::assemble::rules(integration) {
            Ok(rules) => {
                let found = format!("{} rules, {} fields", rules.len(), rules.fields().len());
                rows.push(row(&about, "ok", &format!("rules {}", rules.name()), &found, None));
            }
            // A row for each fault, with its line, as `rules check` tells them.
            Err(failure) => {
                let mend = failure.report.mend.as_deref();
                let faults = failure.report.because.iter().map(String::as_str);
                let faults: Vec<&str> = if failure.report.because.is_empty() {
                    vec![failure.report.what.as_str()]
                } else {
                    faults.collect()
                };
                let last = faults.len() - 1;
                rows.extend(
                    faults
                        .iter()
                        .enumerate()
                        .map(|(at, fault)| row(&about, "invalid_rules", "rules", fault, mend.filter(|_| at == last))),
                );
            }
        }
        if offline {
            continue;
        }
        if catalogs.insert(&integration.catalog) {
            rows.extend(catalog_rows(config, assembler, integration).await);
        }
        // Workspaces of one connector are looked at one by one: rights may differ.
        let is_new = connectors.insert((&integration.connector, &integration.workspace));
        if is_new && !lacking.contains(&integration.connector) {
            rows.extend(source_rows(config, assembler, integration).await);
        }
    }
    Ok(rows)
}

/// A host whose SSH key nobody has accepted yet.
pub struct UnknownHost {
    /// Which connector reaches it.
    pub connector: String,
    /// How; accepts the keys.
    pub ssh: SshSettings,
    /// What it says its keys are.
    pub keys: Vec<OfferedKey>,
}

/// Hosts of SSH connectors that a person may be asked about: not known, in reach, and with a file to be written into.
pub async fn unknown_hosts(config: &Config, assembler: &Assembler, names: &[String]) -> Vec<UnknownHost> {
    let mut unknown: Vec<UnknownHost> = Vec::new();
    let chosen = |one: &&Integration| names.is_empty() || names.contains(&one.name);
    for integration in config.integrations.iter().filter(chosen) {
        let Some(connector) = config.connector_of(integration) else { continue };
        let is_asked = unknown.iter().any(|host| host.connector == connector.name);
        let ssh = assembler.ssh(connector, integration).filter(|ssh| ssh.known_hosts.is_some() && !is_asked);
        let Some(ssh) = ssh else { continue };
        // What fails here fails in the check, too, and is said there.
        if let (Ok(false), Ok(keys)) = (ssh.knows_host().await, ssh.offered_keys().await) {
            unknown.push(UnknownHost { connector: connector.name.clone(), ssh, keys });
        }
    }
    unknown
}

async fn catalog_rows(config: &Config, assembler: &Assembler, integration: &Integration) -> Vec<CheckRow> {
    let about = format!("catalog {}", integration.catalog);
    let Some(settings) = config.catalog_of(integration) else { return Vec::new() };
    let root = settings.directory.path.display().to_string();
    let catalog = match assembler.catalog(settings).await {
        Ok(catalog) => catalog,
        Err(failure) => return vec![failed(&about, "unreadable", &root, &failure)],
    };
    let mut rows = Vec::new();
    match catalog.read().await {
        Ok(reading) => {
            let entities = reading.entity_refs.len();
            rows.push(row(
                &about,
                "ok",
                &root,
                &format!("{entities} {} read", if entities == 1 { "entity" } else { "entities" }),
                None,
            ));
            for problem in reading.problems.iter().filter(|problem| problem.is_fault) {
                let line = problem.line.map_or_else(String::new, |line| format!(":{line}"));
                let place = format!("{}{line}", problem.file.display());
                rows.push(row(
                    &about,
                    "warning",
                    &place,
                    &problem.reason,
                    Some("mend the file; until then it is left alone"),
                ));
            }
            for (entity, places) in &reading.duplicates {
                let found = format!("{entity} is in several places: {}", places.join(", "));
                rows.push(row(
                    &about,
                    "warning",
                    &root,
                    &found,
                    Some("rename or remove all but one; until then it is not written"),
                ));
            }
        }
        Err(error) => {
            rows.push(failed(&about, "unreadable", &root, &error.into()));
            return rows;
        }
    }
    match catalog.probe_write().await {
        Ok(()) => rows.push(row(&about, "ok", &root, "can be written", None)),
        Err(error) => rows.push(failed(&about, "read_only", &root, &error.into())),
    }
    rows
}

async fn source_rows(config: &Config, assembler: &Assembler, integration: &Integration) -> Vec<CheckRow> {
    let about = format!("connector {}", integration.connector);
    match assembler.source(integration, None).await {
        Ok(source) => {
            let findings = source.preflight().await;
            let is_known = findings.iter().any(|finding| finding.code == FindingCode::Ok);
            let mut rows: Vec<CheckRow> = findings.into_iter().map(|finding| of_finding(&about, finding)).collect();
            if is_known {
                rows.extend(webhook_row(config, source.as_ref(), integration).await);
            }
            rows
        }
        Err(failure) => vec![failed(&about, "unusable", &integration.workspace, &failure)],
    }
}

/// Whether webhooks may be managed and point to us, where they are wanted.
async fn webhook_row(config: &Config, source: &dyn Source, integration: &Integration) -> Option<CheckRow> {
    let connector = config.connector_of(integration)?;
    let ours = webhook::wanted(config, connector)?;
    let about = format!("connector {}", integration.connector);
    let create = format!("`catalog-sync webhook create {}`", integration.name);
    let row = |code, message: &str, mend: Option<&str>| row(&about, code, "webhooks", message, mend);
    match webhook::look(source, integration, connector.kind, &ours).await {
        Look::Set => Some(row("ok", &format!("one sends to {ours}"), None)),
        Look::Inactive => Some(row("warning", &format!("the one to {ours} is switched off"), Some(&create))),
        Look::Missing => {
            Some(row("warning", &format!("none sends to {ours}: changes wait for the next sync"), Some(&create)))
        }
        Look::Untold => None,
        Look::Failed(error @ SourceError::Forbidden { .. }) => {
            let mend = webhook::missing_right(connector.kind);
            Some(row("invalid_permissions", &format!("they may not be looked at: {error}"), Some(mend)))
        }
        Look::Failed(error) => Some(row("warning", &webhook::reason(connector.kind, &error), None)),
    }
}

fn of_finding(about: &str, finding: Finding) -> CheckRow {
    let Finding { code, subject, message, mend, curl } = finding;
    let code = match code {
        FindingCode::Ok => "ok",
        FindingCode::Warning => "warning",
        FindingCode::InvalidCredentials => "invalid_credentials",
        FindingCode::InvalidPermissions => "invalid_permissions",
        FindingCode::NoResources => "no_resources",
        FindingCode::NotFound => "not_found",
        FindingCode::Unreachable => "unreachable",
    };
    CheckRow { about: about.to_owned(), code: code.to_owned(), subject, message, mend, curl }
}

/// A secret that is missing or too open, at its line of the config.
pub fn of_fault(config: &Config, fault: &Fault) -> CheckRow {
    let place = format!("{}:{}", config.path.display(), fault.place.line);
    let code = if fault.is_error() { "invalid_secret" } else { "warning" };
    let mut message = fault.what.clone();
    if let Some(because) = &fault.because {
        message = format!("{message}: {because}");
    }
    row("config", code, &place, &message, fault.mend.as_deref())
}

/// What could not be looked at.
pub fn failed(about: &str, code: &str, subject: &str, failure: &Failure) -> CheckRow {
    let mut message = vec![failure.report.what.clone()];
    message.extend(failure.report.because.iter().filter(|because| **because != failure.report.what).cloned());
    row(about, code, subject, &message.join(": "), failure.report.mend.as_deref())
}

fn row(about: &str, code: &str, subject: &str, message: &str, mend: Option<&str>) -> CheckRow {
    CheckRow {
        about: about.to_owned(),
        code: code.to_owned(),
        subject: subject.to_owned(),
        message: message.to_owned(),
        mend: mend.map(str::to_owned),
        curl: None,
    }
}
