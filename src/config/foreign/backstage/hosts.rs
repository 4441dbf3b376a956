//! `integrations`: how each Bitbucket is reached, and by which login.

use ::url::Url;

use super::super::accounts::{self, Username};
use super::super::draft::{Credential, Site};
use super::super::frequency;
use super::super::ledger::{Block, Entry, Fate, Ledger, Text};
use super::{CLOUD, Reading};
use crate::config::url::{ConnectorUrl, Host};

const CLOUD_API: &str = "https://api.bitbucket.org/2.0";

impl Reading {
    /// One entry of `integrations`: how Bitbucket is reached.
    pub(super) fn host(&mut self, entry: &Entry<'_>, is_cloud: bool, ledger: &mut Ledger) {
        let Some(mut block) = Block::of(entry, ledger) else { return };
        let host = block.take("host");
        let api = block.take("apiBaseUrl").and_then(|entry| Some((api_url(&entry, ledger)?, entry)));
        let at = host.as_ref().unwrap_or(entry);
        let written = match &host {
            Some(host) => {
                let Some(text) = host.text(ledger) else { return };
                text
            }
            None if is_cloud => Text::Plain(CLOUD.to_owned()),
            None => Text::Plain(String::new()),
        };
        let of_api = api.as_ref().map(|(url, _)| url);
        let site = match &written {
            Text::Plain(host) if host.eq_ignore_ascii_case(CLOUD) => Some(Site::Cloud),
            Text::Plain(host) => data_center(host, of_api).map(Site::DataCenter),
            Text::Elsewhere(_) => match data_center("", of_api) {
                Some(base) => Some(Site::DataCenter(base)),
                None => {
                    ledger.note(Fate::FillIn, at, "the host is not in this file");
                    Some(Site::Unknown(host_key(&written)))
                }
            },
        };
        let Some(site) = site else {
            let mend = "write `host: git.example.com`, and `apiBaseUrl` where there is a context path";
            ledger.refuse(at, "this names no host", mend);
            return;
        };
        let connector = self.connector(&site, at, ledger);
        if let Some(key) = host_key(&written).filter(|_| !site.is_cloud()) {
            self.hosts.entry(key).or_insert(connector);
        }
        if site.is_cloud()
            && let Some((url, entry)) = api.filter(|(url, _)| url.as_str().trim_end_matches('/') != CLOUD_API)
        {
            let connector = &mut self.draft.connectors[connector];
            connector.reach(&url, &entry, ledger);
            connector.api_url = Some(url);
        }
        let credential =
            if site.is_cloud() { cloud_login(&mut block, ledger) } else { server_login(&mut block, ledger) };
        let connector = &mut self.draft.connectors[connector];
        connector.trust(credential.into_iter().collect());
        if !site.is_cloud()
            && let Some(entry) = block.take("throttling")
        {
            connector.requests_per_second = throttling(&entry, ledger);
        }
        block.pass("commitSigningKey", "catalog-sync makes no commits on Bitbucket", ledger);
        block.finish(ledger);
    }

    /// The connector of a provider's host.
    pub(super) fn server(&mut self, host: Option<Entry<'_>>, entry: &Entry<'_>, ledger: &mut Ledger) -> Option<usize> {
        let Some(at) = host else {
            ledger.refuse(
                entry,
                "this provider has no `host`",
                "write the host of one of `integrations.bitbucketServer`",
            );
            return None;
        };
        let text = at.text(ledger)?;
        self.server_of(&text, &at, ledger)
    }

    pub(super) fn server_of(&mut self, host: &Text, entry: &Entry<'_>, ledger: &mut Ledger) -> Option<usize> {
        let key = host_key(host);
        if let Some(connector) = key.as_ref().and_then(|key| self.hosts.get(key)) {
            return Some(*connector);
        }
        let site = match host {
            Text::Plain(host) => match data_center(host, None) {
                Some(base) => Site::DataCenter(base),
                None => {
                    ledger.refuse(entry, "this names no host", "write `host: git.example.com`");
                    return None;
                }
            },
            Text::Elsewhere(_) => {
                ledger.note(Fate::FillIn, entry, "the host is not in this file");
                Site::Unknown(key)
            }
        };
        Some(self.connector(&site, entry, ledger))
    }

    /// Where Backstage asks without a credential, catalog-sync does not.
    pub(super) fn without_login(&mut self, connector: usize, entry: &Entry<'_>, ledger: &mut Ledger) {
        let connector = &mut self.draft.connectors[connector];
        if connector.credentials.is_empty() {
            let what = "`integrations` has no credential for it, and catalog-sync needs one";
            ledger.note(Fate::Differs, entry, what);
            connector.credentials.push(accounts::missing(entry.line));
        }
    }
}

/// A host as it is written, or the variable that holds it.
fn host_key(text: &Text) -> Option<String> {
    match text {
        Text::Plain(host) => Some(host.to_lowercase()),
        Text::Elsewhere(variable) => variable.as_ref().map(|variable| format!("${{{variable}}}")),
    }
}

fn cloud_login(block: &mut Block<'_>, ledger: &mut Ledger) -> Option<Credential> {
    let (username, token, app_password) = (block.take("username"), block.take("token"), block.take("appPassword"));
    let (key, secret) = (block.take("clientId"), block.take("clientSecret"));
    let other = |entries: [Option<&Entry<'_>>; 3], ledger: &mut Ledger| {
        for entry in entries.into_iter().flatten() {
            ledger.not_applicable(entry, "the credential beside it is used");
        }
    };
    match (&token, &key, &secret, &app_password) {
        (Some(token), ..) => {
            other([key.as_ref(), secret.as_ref(), app_password.as_ref()], ledger);
            accounts::cloud_token(username.as_ref(), token, Username::IsEmail, ledger)
        }
        (None, Some(key), Some(secret), _) => {
            other([username.as_ref(), app_password.as_ref(), None], ledger);
            accounts::consumer(key, secret, ledger)
        }
        (None, .., Some(app_password)) => {
            other([key.as_ref(), secret.as_ref(), None], ledger);
            accounts::app_password(username.as_ref(), app_password, ledger)
        }
        (None, ..) => {
            for entry in [&username, &key, &secret].into_iter().flatten() {
                ledger.not_applicable(entry, "what belongs to it is not there");
            }
            None
        }
    }
}

fn server_login(block: &mut Block<'_>, ledger: &mut Ledger) -> Option<Credential> {
    let (token, username) = (block.take("token"), block.take("username"));
    let password = block.take("password").or_else(|| block.take("appPassword"));
    match (token, password) {
        (Some(token), password) => {
            for entry in [username, password].into_iter().flatten() {
                ledger.not_applicable(&entry, "the token beside it is used, there as here");
            }
            accounts::http_token(None, &token, ledger)
        }
        (None, Some(password)) => accounts::basic(username.as_ref(), &password, ledger),
        (None, None) => {
            if let Some(username) = username {
                ledger.not_applicable(&username, "there is no password beside it");
            }
            None
        }
    }
}

/// An http or https URL without a login.
fn api_url(entry: &Entry<'_>, ledger: &mut Ledger) -> Option<Url> {
    let text = entry.plain(ledger)?;
    let url = Url::parse(&text).ok().filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
    let Some(mut url) = url else {
        ledger.refuse(entry, "this is not an http or https URL", "write `https://HOST/rest/api/1.0`");
        return None;
    };
    if !url.username().is_empty() || url.password().is_some() {
        // Neither fails for URLs with a host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        ledger.note(Fate::Differs, entry, "the login in it was left out");
    }
    url.set_query(None);
    url.set_fragment(None);
    Some(url)
}

/// The base URL of an instance: from the address of its API, which tells the context path; else from its host.
fn data_center(host: &str, api: Option<&Url>) -> Option<Url> {
    let url = match api {
        Some(api) => {
            let path = api.path().trim_end_matches('/');
            let mut base = api.clone();
            base.set_path(path.find("/rest").map_or(path, |at| &path[..at]));
            base.to_string()
        }
        None if host.is_empty() || host.contains(['/', '@', '?', '#', '\\', ' ']) => return None,
        None => format!("https://{host}"),
    };
    match ConnectorUrl::parse_account(&url).ok()? {
        ConnectorUrl { host: Host::DataCenter { base }, workspace: None, .. } => Some(base),
        _ => None,
    }
}

/// `{ count: 5, interval: { seconds: 1 } }`
fn throttling(entry: &Entry<'_>, ledger: &mut Ledger) -> Option<u64> {
    let mut block = Block::of(entry, ledger)?;
    let count = block.take("count").and_then(|entry| entry.plain(ledger)?.parse::<u64>().ok());
    let interval = block.take("interval").and_then(|entry| frequency::length(entry.node));
    block.finish(ledger);
    let (Some(count), Some(interval)) = (count, interval.filter(|interval| !interval.is_zero())) else {
        ledger.refuse(entry, "this is no limit", "write `count: 5` and `interval: { seconds: 1 }`");
        return None;
    };
    let milliseconds = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX).max(1);
    let per_second = count.saturating_mul(1_000) / milliseconds;
    if per_second == 0 || !count.saturating_mul(1_000).is_multiple_of(milliseconds) {
        ledger.note(Fate::Differs, entry, "rounded to whole requests a second, at least one");
    }
    Some(per_second.clamp(1, 10_000))
}
