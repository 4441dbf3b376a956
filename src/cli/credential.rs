//! `credential add|update|rekey`: the secret is read and sealed here, in the process that was given it. What a running
//! sidecar gets is the sealed record, so no secret crosses even the loopback.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

use secrecy::ExposeSecret;
use secrecy::zeroize::Zeroizing;
use tracing::warn;

use super::args::{CredentialAdd, CredentialRekey, CredentialUpdate, SecretInput};
use super::output::Screen;
use super::{Asking, Exit, Start, local, printed, prompt, render};
use crate::clock::Clock;
use crate::commands::Failure;
pub(super) use crate::commands::credential::{check_name, is_a_login, unfit, whole};
use crate::commands::request::{Answer, Request};
use crate::credentials::input::{self, Given, MAX_BYTES};
use crate::credentials::key::{next_to, read_file, replace, write_new};
use crate::credentials::{CredentialError, Head, Key, KeyPlace, Kind, Opened, Vault, sealed};
use crate::error::Report;
use crate::store::{CredentialChange, SealedCredential};

pub(super) type Records = BTreeMap<String, SealedCredential>;

/// `credential add`.
pub(super) async fn add(start: &Start, screen: &Screen, of: CredentialAdd) -> Result<Exit, Failure> {
    let CredentialAdd { name, kind, expires, input } = of;
    check_name(&name)?;
    if kind == Some(Kind::OAuthLogin) {
        return Err(is_a_login(&name));
    }
    let (mut asking, place) = begin(start)?;
    let records = asking.credentials().await?;
    if records.contains_key(&name) {
        let mend = format!("`catalog-sync credential update {name}` replaces its secret");
        return Err(Failure::usage(format!("there is a credential `{name}` already"), mend));
    }
    let key = present_key(start, &place, &records, &name)?;
    let given = match text(start, &input)? {
        Some(text) => input::read(&text, kind, false).map_err(unfit)?,
        None => asked(start, &name, kind.unwrap_or(Kind::AccessToken), false).await?,
    };
    let kind = given.kind.unwrap_or(Kind::AccessToken);
    if kind == Kind::OAuthLogin {
        return Err(is_a_login(&name));
    }
    let what = whole(kind, given.user, given.secret)?;
    let now = Clock::System.now();
    let head = Head { created_at: now, updated_at: now, expires: expires.or(given.expires) };
    save(screen, &mut asking, key_or_new(key, &place)?, &name, None, &what, head).await
}

/// `credential update`.
pub(super) async fn update(start: &Start, screen: &Screen, of: CredentialUpdate) -> Result<Exit, Failure> {
    let CredentialUpdate { name, expires, keep_secret, input } = of;
    let (mut asking, place) = begin(start)?;
    let records = asking.credentials().await?;
    let vault = Vault::new(&asking.config, &start.environment);
    vault.refresh(records.clone());
    let record = vault.record(&name)?;
    let Some(kind) = Kind::parse(&record.kind) else {
        let mend = format!("`catalog-sync credential delete {name}`, and add it again");
        return Err(Failure::usage(format!("the kind of the credential `{name}` is not one this version knows"), mend));
    };
    if kind == Kind::OAuthLogin {
        return Err(is_a_login(&name));
    }
    let key = present_key(start, &place, &records, &name)?;
    let (what, until) = if keep_secret {
        (vault.open(&name)?, expires)
    } else {
        let given = match text(start, &input)? {
            Some(text) => input::read(&text, Some(kind), true).map_err(unfit)?,
            None => asked(start, &name, kind, true).await?,
        };
        let user = match given.user {
            None if kind.user().is_some() => vault.open(&name)?.user,
            user => user,
        };
        (whole(kind, user, given.secret)?, expires.or(given.expires))
    };
    let head = Head { created_at: record.created_at, updated_at: Clock::System.now(), expires: until };
    save(screen, &mut asking, key_or_new(key, &place)?, &name, Some(record.nonce), &what, head).await
}

/// `credential rekey`. A key file is replaced last, and the new key lies beside it until then: killed anywhere, every
/// credential can be read, and a second `rekey` goes on.
pub(super) async fn rekey(start: &Start, screen: &Screen, of: CredentialRekey) -> Result<Exit, Failure> {
    let (mut asking, place) = begin(start)?;
    let records = asking.credentials().await?;
    if asking.is_remote && matches!(place, KeyPlace::Env(_)) {
        return Err(Failure::refused(
            "a running catalog-sync has the old key in its environment, and would read nothing any more",
            "stop it, rekey, and start it with the new key",
        ));
    }
    let (old, new, next) = keys(start, &place, of)?;
    let mut changes = Vec::new();
    for (name, record) in records.iter().filter(|(_, record)| record.key_id != new.id()) {
        let what = sealed::open(&old, name, record)?;
        let SealedCredential { created_at, updated_at, expires, .. } = *record;
        let head = Head { created_at, updated_at, expires };
        changes.push(change(&new, name, Some(record.nonce.clone()), &what, head)?);
    }
    let answer = asking.ask(&Request::CredentialChange { changes, rekey: true }).await?;
    if let (Some(next), KeyPlace::File(path)) = (next, &place) {
        replace(&next, path)?;
    }
    // Asked again: now the key is in its place.
    drop(answer);
    let answer = asking.ask(&Request::CredentialList { name: None }).await?;
    printed(render::print(screen, &answer), Exit::Done)
}

/// The key of now, the one to come, and the file it lies in until it takes its place.
fn keys(start: &Start, place: &KeyPlace, of: CredentialRekey) -> Result<(Key, Key, Option<PathBuf>), Failure> {
    let old = match (of.old_key_file, of.old_key_env) {
        (Some(file), _) => Some(read_file(&start.working_directory.join(file))?),
        (None, Some(name)) => Some(KeyPlace::Env(name).read(&start.environment)?),
        (None, None) => None,
    };
    match (old, place) {
        (Some(old), place) => {
            let new = match place.read(&start.environment) {
                Err(CredentialError::KeyMissing { .. }) => made(place)?,
                read => read?,
            };
            Ok((old, new, None))
        }
        (None, KeyPlace::File(path)) => {
            let next = next_to(path);
            let old = read_file(path)?;
            let new = match read_file(&next) {
                Err(CredentialError::KeyMissing { .. }) => {
                    let new = Key::random().map_err(|error| no_randomness(&error))?;
                    write_new(&next, &new)?;
                    new
                }
                read => read?,
            };
            Ok((old, new, Some(next)))
        }
        (None, KeyPlace::Env(name)) => Err(Failure::usage(
            format!("the key is in the environment variable {name}, which only you can change"),
            format!("put the new key into {name}, and name the old one: `--old-key-env NAME` or `--old-key-file FILE`"),
        )),
    }
}

pub(super) fn begin(start: &Start) -> Result<(Asking<'_>, KeyPlace), Failure> {
    let config = local::load(start)?;
    let place = config.credential_key.clone().ok_or(CredentialError::NoKey)?;
    Ok((Asking::new(start, config), place))
}

/// The key, where there is one; `None`: it may be made, since nothing is sealed yet. One store has one key: a credential
/// under another would be found out only when it is needed.
pub(super) fn present_key(
    start: &Start,
    place: &KeyPlace,
    records: &Records,
    name: &str,
) -> Result<Option<Key>, Failure> {
    let mut others = records.iter().filter(|(other, _)| *other != name);
    match place.read(&start.environment) {
        Ok(key) => match others.find(|(_, record)| record.key_id != key.id()) {
            Some((other, record)) => {
                let (name, sealed_under) = (other.clone(), crate::error::escape_control(&record.key_id));
                Err(CredentialError::OtherKey { name, sealed_under, key: key.id() }.into())
            }
            None => Ok(Some(key)),
        },
        Err(CredentialError::KeyMissing { .. }) if others.next().is_none() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn key_or_new(key: Option<Key>, place: &KeyPlace) -> Result<Key, Failure> {
    match key {
        Some(key) => Ok(key),
        None => made(place),
    }
}

fn made(place: &KeyPlace) -> Result<Key, Failure> {
    let key = place.create()?;
    if let KeyPlace::File(path) = place {
        eprintln!(
            "made the key file {}; keep a copy of it elsewhere: without it nobody can read the credentials",
            crate::error::shown(path)
        );
    }
    Ok(key)
}

pub(super) async fn save(
    screen: &Screen,
    asking: &mut Asking<'_>,
    key: Key,
    name: &str,
    instead_of: Option<String>,
    what: &Opened,
    head: Head,
) -> Result<Exit, Failure> {
    if let Some(expires) = head.expires.filter(|expires| *expires < head.updated_at.date_naive()) {
        warn!("the credential {name} ended on {expires}");
    }
    let change = change(&key, name, instead_of, what, head)?;
    match asking.ask(&Request::CredentialChange { changes: vec![change], rekey: false }).await? {
        Answer::Credentials(mut rows) if rows.len() == 1 => {
            printed(render::print(screen, &Answer::Credential(Box::new(rows.remove(0)))), Exit::Done)
        }
        answer => printed(render::print(screen, &answer), Exit::Done),
    }
}

fn change(
    key: &Key,
    name: &str,
    instead_of: Option<String>,
    what: &Opened,
    head: Head,
) -> Result<CredentialChange, Failure> {
    let credential = sealed::seal(key, name, what, head).map_err(|error| no_randomness(&error))?;
    Ok(CredentialChange { name: name.to_owned(), instead_of, credential })
}

fn no_randomness(error: &std::io::Error) -> Failure {
    Failure::failed(Report::new("the credential could not be sealed", error, None))
}

/// What stdin or the file holds; `None`: somebody has to be asked.
pub(super) fn text(start: &Start, input: &SecretInput) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
    let mut text = Zeroizing::new(Vec::new());
    let most = MAX_BYTES as u64 + 1;
    let (read, from) = match &input.file {
        Some(file) => {
            let path = start.working_directory.join(file);
            let read = std::fs::File::open(path).and_then(|opened| opened.take(most).read_to_end(&mut text));
            (read, crate::error::shown(file))
        }
        None if input.stdin => (std::io::stdin().lock().take(most).read_to_end(&mut text), "stdin".to_owned()),
        None if prompt::is_possible() => return Ok(None),
        None => {
            return Err(Failure::refused(
                "the secret has to be asked for, and there is no terminal to ask on",
                "give it with `--stdin` or `--file FILE`; never as an argument, which every process can read",
            ));
        }
    };
    match read {
        Ok(_) => Ok(Some(text)),
        Err(error) => {
            let mend = Some("check the path and its permissions".to_owned());
            Err(Failure { report: Report::new(format!("{from} could not be read"), &error, mend), exit: Exit::Usage })
        }
    }
}

/// Asks on the terminal; an empty user keeps the one that is stored, where there is one.
pub(super) async fn asked(start: &Start, name: &str, kind: Kind, is_stored: bool) -> Result<Given, Failure> {
    let mut user = None;
    if let Some(word) = kind.user() {
        let keep = if is_stored { " (empty: as it is)" } else { "" };
        let typed = prompt::line(&format!("{word} of {name}{keep}"), false, &start.stop).await?;
        if !(is_stored && typed.expose_secret().is_empty()) {
            user = Some(input::checked(typed, word).map_err(unfit)?);
        }
    }
    let question = format!("{} of {name} (not shown)", kind.secret());
    let secret = prompt::line(&question, true, &start.stop).await?;
    let secret = input::checked(secret, kind.secret()).map_err(unfit)?;
    Ok(Given { kind: Some(kind), user, secret: Some(secret), expires: None })
}
