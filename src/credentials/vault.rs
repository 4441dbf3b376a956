//! The credentials at hand: sealed records, as the store had them last, and the place of the key.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError, RwLock};

use secrecy::SecretString;

use super::key::{next_to, read_file};
use super::{CredentialError, Key, KeyPlace, Kind, Opened, sealed};
use crate::config::fields::nearest;
use crate::config::secret::{Part, SecretError, StoredSecrets};
use crate::config::{Config, Environment};
use crate::store::{CredentialChange, SealedCredential};

/// Opens credentials when they are asked for: nothing in it is in the clear. Refreshed from the store at the
/// start of each sync and whenever a command changes one, so that an update needs no restart.
pub struct Vault {
    key: Option<KeyPlace>,
    environment: Environment,
    records: RwLock<BTreeMap<String, SealedCredential>>,
    /// Rotated tokens that could not be written to the store yet; sealed, by name.
    unwritten: Mutex<BTreeMap<String, CredentialChange>>,
}

impl Vault {
    /// Without a record yet.
    pub fn new(config: &Config, environment: &Environment) -> Self {
        Self {
            key: config.credential_key.clone(),
            environment: environment.clone(),
            records: RwLock::default(),
            unwritten: Mutex::default(),
        }
    }

    /// Takes over what the store has now.
    pub fn refresh(&self, records: BTreeMap<String, SealedCredential>) {
        *self.records.write().unwrap_or_else(PoisonError::into_inner) = records;
    }

    /// Takes over one record that was written to the store.
    pub fn put(&self, name: &str, record: SealedCredential) {
        self.records.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), record);
    }

    /// Keeps rotated tokens until they are in the store: without them, the login would be lost.
    pub fn keep_unwritten(&self, change: CredentialChange) {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).insert(change.name.clone(), change);
    }

    /// What waits to be written under a name.
    pub fn unwritten(&self, name: &str) -> Option<CredentialChange> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// It is in the store, or of no use any more.
    pub fn forget_unwritten(&self, name: &str) {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// The key as it is now.
    ///
    /// # Errors
    /// [`CredentialError`], also when the config names none.
    pub fn key(&self) -> Result<Key, CredentialError> {
        self.key.as_ref().ok_or(CredentialError::NoKey)?.read(&self.environment)
    }

    /// Whether the config names a key.
    pub fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// The sealed record of a name.
    ///
    /// # Errors
    /// [`CredentialError::Unknown`], with the nearest name.
    pub fn record(&self, name: &str) -> Result<SealedCredential, CredentialError> {
        let records = self.records.read().unwrap_or_else(PoisonError::into_inner);
        records.get(name).cloned().ok_or_else(|| {
            let near = nearest(name, records.keys().map(String::as_str)).map(str::to_owned);
            CredentialError::Unknown { name: name.to_owned(), near }
        })
    }

    /// Opens a credential.
    ///
    /// # Errors
    /// [`CredentialError`].
    pub fn open(&self, name: &str) -> Result<Opened, CredentialError> {
        self.open_record(name, &self.record(name)?)
    }

    /// Opens a record that is stored under a name.
    ///
    /// # Errors
    /// [`CredentialError`].
    pub fn open_record(&self, name: &str, record: &SealedCredential) -> Result<Opened, CredentialError> {
        self.open_with_key(name, record).map(|(opened, _)| opened)
    }

    /// The same with the key that opened it, under which it is to be sealed again.
    ///
    /// # Errors
    /// [`CredentialError`].
    pub fn open_with_key(&self, name: &str, record: &SealedCredential) -> Result<(Opened, Key), CredentialError> {
        let key = self.key()?;
        match sealed::open(&key, name, record) {
            // Between the two halves of a `credential rekey`, or after one that was killed there.
            Err(other @ CredentialError::OtherKey { .. }) => {
                match self.next_key().filter(|next| next.id() == record.key_id) {
                    Some(next) => sealed::open(&next, name, record).map(|opened| (opened, next)),
                    None => Err(other),
                }
            }
            opened => opened.map(|opened| (opened, key)),
        }
    }

    fn next_key(&self) -> Option<Key> {
        match &self.key {
            Some(KeyPlace::File(path)) => read_file(&next_to(path)).ok(),
            _ => None,
        }
    }

    /// Opens a credential that stands for a whole `auth` entry.
    ///
    /// # Errors
    /// [`CredentialError::Unfit`] for a bare secret, else those of [`Vault::open`].
    pub fn login(&self, name: &str) -> Result<Opened, CredentialError> {
        let opened = self.open(name)?;
        match opened.kind {
            Kind::Secret => Err(CredentialError::Unfit {
                name: name.to_owned(),
                kind: opened.kind.as_str().to_owned(),
                wanted: "an access_token, api_token, oauth, oauth_login or basic",
            }),
            _ => Ok(opened),
        }
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let records = self.records.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("Vault").field("key", &self.key).field("names", &records.keys()).finish()
    }
}

impl StoredSecrets for Vault {
    fn part(&self, name: &str, part: Part) -> Result<SecretString, SecretError> {
        let opened = if part == Part::Login { self.login(name) } else { self.open(name) };
        let found = opened.and_then(|opened| match (part, opened.user) {
            (Part::Secret | Part::Login, _) => Ok(opened.secret),
            (Part::User, Some(user)) => Ok(user),
            (Part::User, None) => Err(CredentialError::Unfit {
                name: name.to_owned(),
                kind: opened.kind.as_str().to_owned(),
                wanted: "one with a user name, e-mail address or consumer key",
            }),
        });
        found.map_err(|error| in_config(&error))
    }
}

/// The error as a fault of the secret that names the credential.
fn in_config(error: &CredentialError) -> SecretError {
    let because = std::error::Error::source(error).map(ToString::to_string);
    let message = because.map_or_else(|| error.to_string(), |because| format!("{error}: {because}"));
    SecretError::Stored { message, mend: error.mend() }
}
