//! `credential list|info|delete`, and taking sealed records. Secrets are sealed by who asks ([`crate::cli`]), so that
//! none travels to a running sidecar, and none is ever in a request that could be logged.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::SecretString;

use super::answer::{CredentialDeletion, CredentialRow};
use super::request::{Answer, Renewed, Request};
use super::{App, Exit, Failure};
use crate::assemble::login::{Renews, is_login};
use crate::config::Auth;
use crate::config::fields::is_name;
use crate::credentials::input::{self, InputError};
use crate::credentials::sealed::Head;
use crate::credentials::{CredentialError, Kind, Opened, sealed};
use crate::error::{Report, escape_control};
use crate::source::SourceError;
use crate::store::{CredentialChange, SealedCredential};

impl From<CredentialError> for Failure {
    fn from(error: CredentialError) -> Self {
        let mend = Some(error.mend());
        let exit = if matches!(error, CredentialError::Unknown { .. }) { Exit::Unknown } else { Exit::Usage };
        Self { report: Report::new("the credential store could not be used", &error, mend), exit }
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

/// A credential given to a running sidecar, named fields as on stdin: what is asked for then holds it sealed. Replaces the
/// one that is there, whose user name stays where none is given.
///
/// # Errors
/// Usage: it is no credential, there is no key, it is a login.
pub async fn given(app: &App, name: &str, fields: &[u8]) -> Result<Request, Failure> {
    check_name(name)?;
    let records = refreshed(app).await?;
    let vault = app.assembler.vault();
    let key = vault.key()?;
    // One store has one key: a credential under another would be found out only when it is needed.
    if let Some((other, record)) = records.iter().find(|(other, record)| *other != name && record.key_id != key.id()) {
        let sealed_under = escape_control(&record.key_id);
        return Err(CredentialError::OtherKey { name: other.clone(), sealed_under, key: key.id() }.into());
    }
    let before = records.get(name);
    let kind = before.and_then(|record| Kind::parse(&record.kind));
    let input = input::read(fields, kind, before.is_some()).map_err(unfit)?;
    let kind = input.kind.unwrap_or(Kind::AccessToken);
    if kind == Kind::OAuthLogin {
        return Err(is_a_login(name));
    }
    let user = match (input.user, before) {
        (None, Some(record)) if kind.user().is_some() => vault.open_record(name, record)?.user,
        (user, _) => user,
    };
    let what = whole(kind, user, input.secret)?;
    let now = app.clock.now();
    let created_at = before.map_or(now, |record| record.created_at);
    let head = Head { created_at, updated_at: now, expires: input.expires };
    let credential = sealed::seal(&key, name, &what, head)
        .map_err(|error| Failure::failed(Report::new("the credential could not be sealed", &error, None)))?;
    let instead_of = before.map(|record| record.nonce.clone());
    let change = CredentialChange { name: name.to_owned(), instead_of, credential };
    Ok(Request::CredentialChange { changes: vec![change], rekey: false })
}

/// Refuses what is no name.
pub(crate) fn check_name(name: &str) -> Result<(), Failure> {
    if is_name(name) {
        return Ok(());
    }
    let mend = "names are 1 to 63 of a-z, 0-9 and `-`, beginning with a letter; the secret itself is asked for";
    // Not shown: it may be the secret, pasted where the name belongs.
    Err(Failure::usage("this is not the name of a credential", mend))
}

pub(crate) fn is_a_login(name: &str) -> Failure {
    Failure::usage(
        "a credential of the kind oauth_login is made in a browser, not given",
        format!("`catalog-sync credential login {name}`"),
    )
}

/// All that a kind needs.
pub(crate) fn whole(kind: Kind, user: Option<SecretString>, secret: Option<SecretString>) -> Result<Opened, Failure> {
    let lacks = |what: &str| {
        let mend = format!(
            "a credential of the kind {kind} has {}",
            match kind.user() {
                Some(user) => format!("the {user} and the {}", kind.secret()),
                None => format!("the {} alone", kind.secret()),
            }
        );
        Failure::usage(format!("the {what} is missing"), mend)
    };
    match (kind.user(), &user) {
        (Some(word), None) => return Err(lacks(word)),
        (None, Some(_)) => {
            return Err(Failure::usage(
                format!("a credential of the kind {kind} has no user"),
                "leave it out, or choose another `--kind`",
            ));
        }
        _ => {}
    }
    let secret = secret.ok_or_else(|| lacks(kind.secret()))?;
    Ok(Opened { kind, user, secret, tokens: None })
}

pub(crate) fn unfit(error: InputError) -> Failure {
    let mend = Some(error.mend().to_owned());
    Failure { report: Report::new("no credential could be read", &error, mend), exit: Exit::Usage }
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
