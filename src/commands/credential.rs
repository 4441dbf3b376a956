//! `credential list|info|delete`, and taking sealed records. Secrets are sealed by who asks ([`crate::cli`]), so that
//! none travels to a running sidecar, and none is ever in a request that could be logged.

use std::collections::BTreeMap;

use super::answer::{CredentialDeletion, CredentialRow};
use super::request::Answer;
use super::{App, Exit, Failure};
use crate::credentials::{CredentialError, sealed};
use crate::error::{Report, escape_control};
use crate::store::{CredentialChange, SealedCredential};

impl From<CredentialError> for Failure {
    fn from(error: CredentialError) -> Self {
        let mend = Some(error.mend());
        Self { report: Report::new("the credential store could not be used", &error, mend), exit: Exit::Usage }
    }
}

/// Takes over what the store has now.
async fn refreshed(app: &App) -> Result<BTreeMap<String, SealedCredential>, Failure> {
    let records = app.store.credentials().await?;
    app.assembler.vault().refresh(records.clone());
    Ok(records)
}

/// All of them, or the one named.
pub(super) async fn list(app: &App, name: Option<&str>) -> Result<Answer, Failure> {
    let records = refreshed(app).await?;
    match name {
        Some(name) => {
            let record = app.assembler.vault().record(name)?;
            Ok(Answer::Credential(Box::new(row(app, name, &record))))
        }
        None => Ok(Answer::Credentials(rows(app, &records))),
    }
}

fn rows(app: &App, records: &BTreeMap<String, SealedCredential>) -> Vec<CredentialRow> {
    records.iter().map(|(name, record)| row(app, name, record)).collect()
}

fn row(app: &App, name: &str, record: &SealedCredential) -> CredentialRow {
    let (state, problem) = match app.assembler.vault().open_record(name, record) {
        Ok(_) => ("readable", None),
        Err(error) => {
            let state = match &error {
                CredentialError::OtherKey { .. } => "other_key",
                CredentialError::UnknownVersion { .. } => "unknown_version",
                CredentialError::Broken { .. } => "broken",
                _ => "no_key",
            };
            (state, Some(format!("{error} (mend: {})", error.mend())))
        }
    };
    CredentialRow {
        name: name.to_owned(),
        // Not proven where the seal is broken: data from outside.
        kind: escape_control(&record.kind),
        state: state.to_owned(),
        problem,
        created_at: record.created_at,
        updated_at: record.updated_at,
        expires: record.expires,
        used_by: app.config.users_of_credential(name),
        key_id: escape_control(&record.key_id),
    }
}

/// The sealed records.
pub(super) async fn records(app: &App) -> Result<Answer, Failure> {
    Ok(Answer::CredentialRecords(refreshed(app).await?))
}

/// Takes records that somebody sealed, and uses them from now on.
pub(super) async fn change(app: &App, changes: Vec<CredentialChange>, rekey: bool) -> Result<Answer, Failure> {
    let vault = app.assembler.vault();
    if !rekey && vault.has_key() {
        // Whoever asks may have another key in their environment: what this process cannot open is of no use to it.
        let key = vault.key()?;
        for CredentialChange { name, credential, .. } in &changes {
            sealed::open(&key, name, credential)?;
        }
    }
    let names: Vec<String> = changes.iter().map(|change| change.name.clone()).collect();
    if !app.store.change_credentials(changes).await? {
        return Err(Failure::refused(
            "somebody changed the credential meanwhile, nothing was done",
            "look at `catalog-sync credential list`, and try again",
        ));
    }
    let mut records = refreshed(app).await?;
    records.retain(|name, _| names.contains(name));
    Ok(Answer::Credentials(rows(app, &records)))
}

/// Forgets one. Needs no key: it may be lost.
pub(super) async fn delete(app: &App, name: &str, dry_run: bool) -> Result<Answer, Failure> {
    let deletion = CredentialDeletion { name: name.to_owned(), used_by: app.config.users_of_credential(name), dry_run };
    if dry_run {
        return Ok(Answer::CredentialDeleted(deletion));
    }
    if !app.store.delete_credential(name).await? {
        refreshed(app).await?;
        app.assembler.vault().record(name)?;
    }
    // What cannot be read does not keep the others from being forgotten here.
    let _ = refreshed(app).await;
    Ok(Answer::CredentialDeleted(deletion))
}
