//! What looking before a sync (P6.9) has in common, wherever it looks.

use std::path::PathBuf;

use chrono::NaiveDate;
use url::Url;

use super::http::links::shown;
use super::http::{Credential, CredentialSettings, HttpSettings};
use super::{Finding, FindingCode, SourceError};

/// Expiry is announced from this many days ahead (P6.11).
const ANNOUNCED_DAYS: i64 = 30;

pub(super) fn finding(
    code: FindingCode,
    subject: &str,
    message: String,
    mend: Option<String>,
    curl: Option<String>,
) -> Finding {
    Finding { code, subject: subject.to_owned(), message, mend, curl }
}

/// Which code of P6.9 an error is.
pub(super) fn code(error: &SourceError) -> FindingCode {
    match error {
        SourceError::Unauthorized { .. } | SourceError::LockedOut { .. } | SourceError::SecretUnreadable { .. } => {
            FindingCode::InvalidCredentials
        }
        SourceError::Forbidden { .. } => FindingCode::InvalidPermissions,
        SourceError::NotFound { .. } | SourceError::Removed { .. } | SourceError::BadRequest { .. } => {
            FindingCode::NotFound
        }
        SourceError::BudgetExhausted { .. } => FindingCode::Warning,
        _ => FindingCode::Unreachable,
    }
}

/// A credential that ended or ends soon.
pub(super) fn expiry(settings: &CredentialSettings, today: NaiveDate) -> Option<Finding> {
    let message = expiry_in_words(settings.expires?, today)?;
    let mend = "make a new credential, replace the secret and `expires`".to_owned();
    Some(finding(FindingCode::Warning, &settings.name, message, Some(mend), None))
}

/// What is said about a credential that ended or ends soon (P6.11); `None`: there is time.
pub fn expiry_in_words(expires: NaiveDate, today: NaiveDate) -> Option<String> {
    let days = (expires - today).num_days();
    match days {
        ..0 => Some(format!("expired on {expires} by the config")),
        0 => Some(format!("expires today ({expires})")),
        1 => Some(format!("expires tomorrow ({expires})")),
        2..=ANNOUNCED_DAYS => Some(format!("expires in {days} days ({expires})")),
        _ => None,
    }
}

/// Names the credentials that do not see the same, when `sees` is not equal for all (P6.5); `counts` says how many
/// each of them sees.
pub(super) fn difference<T: PartialEq>(sees: &[(String, T)], counts: impl Fn(&T) -> u64) -> Option<Finding> {
    let (_, first) = sees.first()?;
    if sees.iter().all(|(_, seen)| seen == first) {
        return None;
    }
    let each: Vec<String> = sees.iter().map(|(name, seen)| format!("{name} sees {}", counts(seen))).collect();
    let message = format!("the credentials do not see the same repositories: {}", each.join(", "));
    let mend = "give every credential of the connector access to the same repositories".to_owned();
    Some(finding(FindingCode::Warning, "credentials", message, Some(mend), None))
}

/// What reaching a server needs beside the credential, for the equivalent commands.
#[derive(Clone)]
pub(super) struct Reach {
    proxy: Option<Url>,
    ca_bundle: Option<PathBuf>,
}

impl Reach {
    pub fn of(http: &HttpSettings) -> Self {
        Self { proxy: http.proxy.clone(), ca_bundle: http.ca_bundle.clone() }
    }

    /// An equivalent command without the secret.
    pub fn curl(&self, credential: &Credential, url: &Url) -> String {
        let mut command = format!("curl -sS {}", credential.curl_option());
        if let Some(proxy) = &self.proxy {
            command.push_str(&format!(" --proxy {}", quoted(&shown(proxy))));
        }
        if let Some(bundle) = &self.ca_bundle {
            command.push_str(&format!(" --cacert {}", quoted(&bundle.display().to_string())));
        }
        command.push_str(&format!(" {}", quoted(url.as_str())));
        command
    }
}

/// For a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
