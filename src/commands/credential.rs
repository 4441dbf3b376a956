//! `credential list|info|delete`, and taking sealed records. Secrets are sealed by who asks ([`crate::cli`]), so that
//! none travels to a running sidecar, and none is ever in a request that could be logged.

use std::collections::{BTreeMap, BTreeSet};

use super::answer::{CredentialDeletion, CredentialRow};
use super::request::{Answer, Renewed};
use super::{App, Exit, Failure};
use crate::assemble::login::{Renews, is_login};
use crate::config::Auth;
use crate::credentials::{CredentialError, sealed};
use crate::error::{Report, escape_control};
use crate::source::SourceError;
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
        Ok(_) if is_login(record) && record.expires.is_some_and(|ends| ends < app.clock.now().date_naive()) => {
            let used = record.updated_at.date_naive();
            let ended = format!(
                "the login `{name}` was last used on {used}, and Bitbucket ends what is unused for 3 months (mend: `catalog-sync credential login {name}` logs in again)"
            );
            ("ended", Some(ended))
        }
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
    let names: BTreeSet<String> = changes.iter().map(|change| change.name.clone()).collect();
    // No login is replaced, nor put under another key, in the middle of a renewal.
    let mut leases = Vec::new();
    for name in &names {
        leases.push(app.store.credential_lease(name).await?);
    }
    if !app.store.change_credentials(changes).await? {
        return Err(Failure::refused(
            "somebody changed the credential meanwhile, nothing was done",
            "look at `catalog-sync credential list`, and try again",
        ));
    }
    let mut records = refreshed(app).await?;
    drop(leases);
    records.retain(|name, _| names.contains(name));
    Ok(Answer::Credentials(rows(app, &records)))
}

/// Renews a login for a process that does not hold the store. What goes back is sealed.
pub(super) async fn renew(app: &App, name: &str, connector: &str, refused: Option<String>) -> Result<Answer, Failure> {
    let uses = |auth: &Auth| matches!(auth, Auth::Stored { name: used, .. } if used == name);
    let known = app.config.connectors.get(connector);
    let Some(known) = known.filter(|known| known.auth.iter().any(|credential| uses(&credential.auth))) else {
        return Err(Failure::usage(
            format!("the connector {connector} of the running catalog-sync does not use the credential {name}"),
            "it works with another config; start it again with this one",
        ));
    };
    let holder = app.assembler.holder(known, &app.store)?;
    match holder.renewed(name, connector, refused, app.clock.now(), &|| {}).await {
        Ok(record) => Ok(Answer::CredentialRenewed(Box::new(Renewed::Record(record)))),
        Err(SourceError::LoginEnded { .. }) => Ok(Answer::CredentialRenewed(Box::new(Renewed::Ended))),
        Err(SourceError::Unauthorized { url }) => Ok(Answer::CredentialRenewed(Box::new(Renewed::Refused { url }))),
        Err(error) => {
            let mend = error.mend();
            Err(Failure::failed(Report::new(format!("the login {name} could not be renewed"), &error, mend)))
        }
    }
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
