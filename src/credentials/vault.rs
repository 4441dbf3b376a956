//! The credentials at hand: sealed records, as the store had them last, and the place of the key.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{PoisonError, RwLock};

use secrecy::SecretString;

use super::key::{next_to, read_file};
use super::{CredentialError, Key, KeyPlace, Kind, Opened, sealed};
use crate::config::fields::nearest;
use crate::config::secret::{Part, SecretError, StoredSecrets};
use crate::config::{Config, Environment};
use crate::store::SealedCredential;

/// Opens credentials when they are asked for: nothing in it is in the clear. Refreshed from the store at the
/// start of each sync and whenever a command changes one, so that an update needs no restart.
pub struct Vault {
    key: Option<KeyPlace>,
    environment: Environment,
    records: RwLock<BTreeMap<String, SealedCredential>>,
}

impl Vault {
    /// Without a record yet.
    pub fn new(config: &Config, environment: &Environment) -> Self {
        Self { key: config.credential_key.clone(), environment: environment.clone(), records: RwLock::default() }
    }

    /// Takes over what the store has now.
    pub fn refresh(&self, records: BTreeMap<String, SealedCredential>) {
        *self.records.write().unwrap_or_else(PoisonError::into_inner) = records;
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
        let key = self.key()?;
        match sealed::open(&key, name, record) {
            // Between the two halves of a `credential rekey`, or after one that was killed there.
            Err(other @ CredentialError::OtherKey { .. }) => {
                match self.next_key().filter(|next| next.id() == record.key_id) {
                    Some(next) => sealed::open(&next, name, record),
                    None => Err(other),
                }
            }
            opened => opened,
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
                wanted: "an access_token, api_token, oauth or basic",
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
