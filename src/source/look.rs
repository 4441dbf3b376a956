//! What looking before a sync (P6.9) has in common, wherever it looks.

use std::path::PathBuf;

use chrono::{DateTime, NaiveDate, Utc};
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
        SourceError::Unauthorized { .. }
        | SourceError::LoginEnded { .. }
        | SourceError::LockedOut { .. }
        | SourceError::SecretUnreadable { .. } => FindingCode::InvalidCredentials,
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

/// What is said about a login that ended or ends soon because nothing used it; `None`: there is time.
pub fn unused_in_words(last_used: DateTime<Utc>, ends: NaiveDate, now: DateTime<Utc>) -> Option<String> {
    let (used, days) = (last_used.date_naive(), (ends - now.date_naive()).num_days());
    match days {
        ..0 => {
            Some(format!("was last used on {used} and has ended on {ends}: Bitbucket ends what is unused for 3 months"))
        }
        0..=ANNOUNCED_DAYS => Some(format!("was last used on {used} and ends on {ends}, if nothing uses it before")),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(now: &str, says: Option<&str>) {
        let (used, ends) = ("2026-11-21T12:00:00Z".parse().unwrap(), "2027-02-21".parse().unwrap());
        let said = unused_in_words(used, ends, now.parse().unwrap());
        assert_eq!(said.as_deref(), says, "{now}");
    }

    // P6.11: a login that nothing uses is announced from 30 days before it ends.
    #[test]
    fn unused_logins_are_announced_p6_11() {
        check("2027-01-21T12:00:00Z", None);
        let soon = "was last used on 2026-11-21 and ends on 2027-02-21, if nothing uses it before";
        check("2027-01-22T00:00:00Z", Some(soon));
        check("2027-02-21T23:00:00Z", Some(soon));
        let ended =
            "was last used on 2026-11-21 and has ended on 2027-02-21: Bitbucket ends what is unused for 3 months";
        check("2027-02-22T00:00:00Z", Some(ended));
    }
}
