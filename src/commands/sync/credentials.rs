//! What a sync says of the credentials it was to use: refused, ending, or ended for want of use.

use std::collections::BTreeSet;

use tracing::warn;

use crate::assemble::credential_name;
use crate::assemble::login::is_login;
use crate::commands::App;
use crate::config::{Integration, Secret, SecretFrom};
use crate::error::shown;
use crate::source::{Source, expiry_in_words, unused_in_words};
use crate::store::StoreError;

/// Credentials that were refused (401): nothing more is sent with them, and whoever has the next one must know where
/// it goes and whether a restart is needed (P6.10, P6.11). Others may have carried the sync to its end.
pub(super) fn refused(app: &App, integration: &Integration, source: &dyn Source) -> Vec<String> {
    let names = source.refused_credentials();
    let Some(connector) = app.config.connector_of(integration).filter(|_| !names.is_empty()) else { return Vec::new() };
    let credentials = connector.api_credentials().enumerate();
    let refused = credentials.map(|(index, credential)| (credential_name(index, credential), credential));
    let said = refused.filter(|(name, _)| names.contains(name)).map(|(name, credential)| {
        let places = credential.auth.secrets().into_iter().filter_map(|secret| way_to_replace(app, secret));
        let places: BTreeSet<String> = places.collect();
        let places = places.into_iter().collect::<Vec<_>>().join("; ");
        format!("connector {}: {name} was refused (401), and nothing more is sent with it; {places}", connector.name)
    });
    said.inspect(|words| warn!(connector = %connector.name, "{words}")).collect()
}

/// How a secret is replaced, and when the new one counts.
fn way_to_replace(app: &App, secret: &Secret) -> Option<String> {
    let is_login = |name: &str| app.assembler.vault().record(name).is_ok_and(|record| is_login(&record));
    match &secret.from {
        SecretFrom::Env(name) => Some(format!(
            "the environment variable {name} was read at start: for a new value, set it and start catalog-sync again"
        )),
        SecretFrom::File(path) => {
            Some(format!("the file {} is read again at each sync: write the new secret into it", shown(path)))
        }
        SecretFrom::Credential { name, .. } if is_login(name) => {
            Some(format!("`catalog-sync credential login {name}` logs in again, without a restart"))
        }
        SecretFrom::Credential { name, .. } => {
            Some(format!("`catalog-sync credential update {name}` replaces it, without a restart"))
        }
        SecretFrom::Plain(_) => None,
    }
}

/// Credentials that ended or end soon: said on stderr and in the record, before syncs stop (P6.11).
pub(super) fn expiring(app: &App, integration: &Integration) -> Vec<String> {
    let Some(connector) = app.config.connector_of(integration) else { return Vec::new() };
    let today = app.clock.now().date_naive();
    let said = connector.api_credentials().enumerate().filter_map(|(index, credential)| {
        let words = expiry_in_words(app.assembler.expiry(credential)?, today)?;
        Some(format!("connector {}: {} {words}", connector.name, credential_name(index, credential)))
    });
    said.inspect(
        |words| warn!(connector = %connector.name, "{words}; make a new one and replace the secret and `expires`"),
    )
    .collect()
}

/// Logins that the sync did not use and that end soon by that, or did: said as long as somebody can do something about
/// it (P6.11). A renewal whose asker went away is finished first.
pub(super) async fn unused_logins(app: &App, integration: &Integration) -> Result<Vec<String>, StoreError> {
    let Some(connector) = app.config.connector_of(integration) else { return Ok(Vec::new()) };
    let now = app.clock.now();
    let mut said = Vec::new();
    for name in app.assembler.logins(connector) {
        drop(app.store.credential_lease(&name).await?);
        let Ok(record) = app.assembler.vault().record(&name) else { continue };
        let Some(words) = record.expires.and_then(|ends| unused_in_words(record.updated_at, ends, now)) else {
            continue;
        };
        let words = format!("connector {}: the login {name} {words}", connector.name);
        warn!(connector = %connector.name, "{words}; `catalog-sync credential login {name}` logs in again");
        said.push(words);
    }
    Ok(said)
}
