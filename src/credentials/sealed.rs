//! Sealing and opening one record.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use chrono::{DateTime, NaiveDate, SubsecRound, Utc};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{CredentialError, Key, Kind, Opened, Tokens};
use crate::store::SealedCredential;

/// What [`seal`] makes of everything but logins.
pub const VERSION: u32 = 1;
/// What it makes of logins: programs that know no tokens say that a newer one is needed, and leave them alone.
pub const LOGIN_VERSION: u32 = 2;

/// What is known of a credential without its key; the seal covers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// The day it ends, where known.
    pub expires: Option<NaiveDate>,
}

#[derive(Serialize)]
struct Clear<'a> {
    user: Option<&'a str>,
    secret: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<ClearTokens<'a>>,
}

#[derive(Serialize)]
struct ClearTokens<'a> {
    login: &'a str,
    refresh: &'a str,
    access: &'a str,
    until: DateTime<Utc>,
}

#[derive(Deserialize)]
struct Read {
    user: Option<SecretString>,
    secret: SecretString,
    #[serde(default)]
    tokens: Option<Tokens>,
}

/// Seals a credential for a name, under a nonce that was never used.
///
/// # Errors
/// The operating system's, when it has no randomness.
pub fn seal(key: &Key, name: &str, what: &Opened, head: Head) -> std::io::Result<SealedCredential> {
    let nonce = Nonce::random()?;
    let mut record = SealedCredential {
        version: version(what.kind),
        kind: what.kind.as_str().to_owned(),
        key_id: key.id(),
        created_at: head.created_at.trunc_subsecs(0),
        updated_at: head.updated_at.trunc_subsecs(0),
        expires: head.expires,
        nonce: hex::encode(nonce.0),
        sealed: String::new(),
    };
    let clear = Clear {
        user: what.user.as_ref().map(|user| user.expose_secret()),
        secret: what.secret.expose_secret(),
        tokens: what.tokens.as_ref().map(|tokens| ClearTokens {
            login: &tokens.login,
            refresh: tokens.refresh.expose_secret(),
            access: tokens.access.expose_secret(),
            until: tokens.until,
        }),
    };
    let clear = Zeroizing::new(serde_json::to_vec(&clear)?);
    let aad = associated(name, &record);
    let sealed = XChaCha20Poly1305::new(key.bytes().into())
        .encrypt(&XNonce::from(nonce.0), Payload { msg: &clear, aad: &aad })
        .map_err(|_| std::io::Error::other("it is too long to be encrypted"))?;
    record.sealed = STANDARD.encode(sealed);
    Ok(record)
}

/// Opens what is stored under a name.
///
/// # Errors
/// [`CredentialError`]: another key, a broken seal, an unknown version or kind. Never a panic, whatever is there.
pub fn open(key: &Key, name: &str, record: &SealedCredential) -> Result<Opened, CredentialError> {
    let known = Kind::parse(&record.kind).map_or(VERSION..=LOGIN_VERSION, |kind| version(kind)..=version(kind));
    if !known.contains(&record.version) {
        return Err(CredentialError::UnknownVersion { name: name.to_owned(), version: record.version });
    }
    if record.key_id != key.id() {
        let sealed_under = crate::error::escape_control(&record.key_id);
        return Err(CredentialError::OtherKey { name: name.to_owned(), sealed_under, key: key.id() });
    }
    let broken = || CredentialError::Broken { name: name.to_owned() };
    let nonce: [u8; 24] = hex::decode(&record.nonce).ok().and_then(|nonce| nonce.try_into().ok()).ok_or_else(broken)?;
    let sealed = STANDARD.decode(&record.sealed).map_err(|_| broken())?;
    let aad = associated(name, record);
    let clear = XChaCha20Poly1305::new(key.bytes().into())
        .decrypt(&XNonce::from(nonce), Payload { msg: &sealed, aad: &aad })
        .map_err(|_| broken())?;
    let clear = Zeroizing::new(clear);
    // Sealed by us under this version: these hold unless the program itself was wrong.
    let Read { user, secret, tokens } = serde_json::from_slice(&clear).map_err(|_| broken())?;
    let is_whole =
        |kind: &Kind| kind.user().is_some() == user.is_some() && (*kind == Kind::OAuthLogin) == tokens.is_some();
    let kind = Kind::parse(&record.kind).filter(is_whole).ok_or_else(broken)?;
    Ok(Opened { kind, user, secret, tokens })
}

fn version(kind: Kind) -> u32 {
    if kind == Kind::OAuthLogin { LOGIN_VERSION } else { VERSION }
}

/// Everything of a record that is not encrypted, and its name: nothing of it can be changed or moved unnoticed.
fn associated(name: &str, record: &SealedCredential) -> Vec<u8> {
    let SealedCredential { version, kind, key_id, created_at, updated_at, expires, nonce: _, sealed: _ } = record;
    serde_json::json!(["catalog-sync credential", version, name, key_id, kind, created_at, updated_at, expires])
        .to_string()
        .into_bytes()
}

struct Nonce([u8; 24]);

impl Nonce {
    fn random() -> std::io::Result<Self> {
        use rand::TryRngCore;
        let mut nonce = [0; 24];
        rand::rngs::OsRng.try_fill_bytes(&mut nonce).map_err(std::io::Error::other)?;
        Ok(Self(nonce))
    }
}
