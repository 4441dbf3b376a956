//! The tokens of `server.tokens`: what they are now, and whose one is.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use globset::{Glob, GlobSetBuilder};
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::time::Instant;
use tracing::warn;

use crate::commands::App;
use crate::commands::caller::Sees;
use crate::config::{Role, SecretFrom, TOKEN_CHARACTERS, Token};

/// How long tokens count as they were read: a `file` that changed is noticed within it.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// SHA-256 of a secret. Comparing takes the same time whatever is compared, and what is kept of it is no secret.
#[derive(Clone, Copy)]
pub(super) struct Digest([u8; 32]);

impl Digest {
    pub(super) fn of(secret: impl AsRef<[u8]>) -> Self {
        Self(Sha256::digest(secret).into())
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A token of the config as it is now.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) sees: Sees,
    pub(super) digest: Digest,
}

/// The tokens, read again now and then.
#[derive(Default)]
pub(super) struct Tokens {
    read: Mutex<Option<Read>>,
}

struct Read {
    /// The settings they were read from: a reload makes others.
    of: Arc<App>,
    at: Instant,
    known: Arc<[Known]>,
    /// Names of those that have no usable value: told once.
    unusable: Vec<String>,
}

impl Tokens {
    /// All of them that have a value.
    pub(super) async fn known(&self, app: &Arc<App>) -> Arc<[Known]> {
        let before = {
            let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            match &*read {
                Some(read) if Arc::ptr_eq(&read.of, app) && read.at.elapsed() < READ_AGAIN_AFTER => {
                    return read.known.clone();
                }
                Some(read) => read.unusable.clone(),
                None => Vec::new(),
            }
        };
        let tokens = &app.config.server.tokens;
        if tokens.iter().any(|token| matches!(token.token.from, SecretFrom::Credential { .. })) {
            // What is in the vault stays, where the store cannot be read.
            if let Ok(records) = app.store.credentials().await {
                app.assembler.vault().refresh(records);
            }
        }
        let mut unusable = Vec::new();
        let known: Arc<[Known]> = tokens
            .iter()
            .filter_map(|token| match resolve(app, token) {
                Ok(known) => Some(known),
                Err(why) => {
                    if !before.contains(&token.name) {
                        warn!(token = token.name, "nobody gets in with this token: {why}");
                    }
                    unusable.push(token.name.clone());
                    None
                }
            })
            .collect();
        let read = Read { of: app.clone(), at: Instant::now(), known: known.clone(), unusable };
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = Some(read);
        known
    }
}

/// Whose token this is. All are compared, so that the time taken tells nothing.
pub(super) fn whose<'a>(known: &'a [Known], shown: &Digest) -> Option<&'a Known> {
    known.iter().fold(None, |found, one| if one.digest.is(shown) && found.is_none() { Some(one) } else { found })
}

fn resolve(app: &App, token: &Token) -> Result<Known, String> {
    let value = token.token.resolve(app.assembler.secrets()).map_err(|error| error.to_string())?;
    if value.expose_secret().chars().count() < TOKEN_CHARACTERS {
        return Err(format!("it is shorter than {TOKEN_CHARACTERS} characters"));
    }
    Ok(Known {
        name: token.name.clone(),
        role: token.role,
        sees: sees(&token.integrations).map_err(|error| error.to_string())?,
        digest: Digest::of(value.expose_secret()),
    })
}

/// What `integrations: […]` means.
pub(super) fn sees(integrations: &[String]) -> Result<Sees, globset::Error> {
    if integrations.iter().any(|name| name == "*") {
        return Ok(Sees::Everything);
    }
    let mut names = GlobSetBuilder::new();
    for name in integrations {
        names.add(Glob::new(name)?);
    }
    Ok(Sees::Matching(Arc::new(names.build()?)))
}
