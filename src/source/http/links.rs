//! Where we may send a request: the API's own address, and what its answers link to.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use url::{Host, Url};

use super::SettingsError;
use crate::error::escape_control;
use crate::source::SourceError;

/// Left as they are in path segments and query values: unreserved characters.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b',');

/// A walk longer than this does not end (100,000 pages are ten million repositories).
const MOST_PAGES: u32 = 100_000;

/// The address all requests start from, such as `https://api.bitbucket.org/2.0`.
#[derive(Clone, Debug)]
pub struct ApiBase {
    /// Without trailing slash, query, fragment and userinfo.
    url: Url,
}

impl ApiBase {
    /// Checks an address from the config.
    ///
    /// # Errors
    /// [`SettingsError`] when credentials must not be sent there.
    pub fn new(url: &Url, allow_http: bool) -> Result<Self, SettingsError> {
        check_address(url, allow_http)?;
        let mut url = url.clone();
        url.set_query(None);
        url.set_fragment(None);
        // Neither can fail for a URL with a host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(Self { url })
    }

    /// As text, without a trailing slash.
    pub fn text(&self) -> String {
        self.url.as_str().trim_end_matches('/').to_owned()
    }

    /// The host, for telling Bitbucket Cloud itself from everything else.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Whether the API runs on this machine.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.url)
    }

    /// The whole address of what `relative` names: path below the base and query, both encoded already.
    pub fn url(&self, relative: &str) -> Result<Url, SourceError> {
        let text = format!("{}{relative}", self.url.as_str().trim_end_matches('/'));
        let url = Url::parse(&text).ok().filter(|url| self.is_inside(url));
        url.ok_or_else(|| SourceError::UntrustedLink { url: shown(&self.url), target: escape_control(relative) })
    }

    /// Where the next page is, relative to the base: only on the same scheme, host, port and below the
    /// base path (trap 10 of the facts). Opaque otherwise: not a byte of it is changed.
    pub fn next(&self, from: &Url, next: &str) -> Result<String, SourceError> {
        let untrusted = || SourceError::UntrustedLink { url: shown(from), target: shown_text(next) };
        let url = Url::parse(next).map_err(|_| untrusted())?;
        if !self.is_inside(&url) {
            return Err(untrusted());
        }
        let mut relative = url.path()[self.base_path().len()..].to_owned();
        if let Some(query) = url.query() {
            relative.push('?');
            relative.push_str(query);
        }
        Ok(relative)
    }

    /// Where a redirect goes: only to the same scheme, host and port.
    pub fn redirect(&self, from: &Url, location: &str) -> Result<Url, SourceError> {
        let untrusted = || SourceError::UntrustedLink { url: shown(from), target: shown_text(location) };
        let url = from.join(location).map_err(|_| untrusted())?;
        if same_origin(&url, &self.url) && has_no_userinfo(&url) { Ok(url) } else { Err(untrusted()) }
    }

    fn base_path(&self) -> &str {
        self.url.path().trim_end_matches('/')
    }

    fn is_inside(&self, url: &Url) -> bool {
        same_origin(url, &self.url)
            && has_no_userinfo(url)
            && url.path().strip_prefix(self.base_path()).is_some_and(|rest| rest.starts_with('/'))
    }
}

/// Whether credentials may be sent to an address at all.
///
/// # Errors
/// [`SettingsError`] saying why not.
pub fn check_address(url: &Url, allow_http: bool) -> Result<(), SettingsError> {
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(SettingsError::BadUrl { url: shown(url) });
    }
    if let Some(host) = link_local_host(url) {
        return Err(SettingsError::LinkLocal { host });
    }
    if url.scheme() == "http" && !allow_http && !is_loopback(url) {
        return Err(SettingsError::PlainHttp { url: shown(url) });
    }
    Ok(())
}

/// The host of a URL when it is written as a link-local address.
pub(super) fn link_local_host(url: &Url) -> Option<String> {
    let address = match url.host()? {
        Host::Ipv4(address) => IpAddr::V4(address),
        Host::Ipv6(address) => IpAddr::V6(address),
        Host::Domain(_) => return None,
    };
    is_link_local(address).then(|| address.to_string())
}

/// 169.254.0.0/16 and fe80::/10, also in IPv6 clothing: where machines keep their metadata services.
pub(super) fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => {
            let inner = address.to_ipv4_mapped().or_else(|| {
                // NAT64 (64:ff9b::/96) carries the IPv4 address in its last 32 bits.
                let parts = address.segments();
                (parts[..6] == [0x64, 0xff9b, 0, 0, 0, 0])
                    .then(|| std::net::Ipv4Addr::from((u32::from(parts[6]) << 16) | u32::from(parts[7])))
            });
            address.is_unicast_link_local() || inner.is_some_and(|inner| inner.is_link_local())
        }
    }
}

pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        None => false,
    }
}

fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme() && a.host() == b.host() && a.port_or_known_default() == b.port_or_known_default()
}

fn has_no_userinfo(url: &Url) -> bool {
    url.username().is_empty() && url.password().is_none()
}

/// One segment of a path, encoded. `None` for what would change the path: nothing, `.` and `..`.
pub fn segment(text: &str) -> Option<String> {
    (!matches!(text, "" | "." | "..")).then(|| utf8_percent_encode(text, KEPT).to_string())
}

/// A query value, encoded; `+` and blanks included.
pub fn value(text: &str) -> String {
    utf8_percent_encode(text, KEPT).to_string()
}

/// A URL as people may see it: without userinfo, fragment and query, but for the number of the page. Our queries
/// list fields at length, and other servers' may hold secrets.
pub fn shown(url: &Url) -> String {
    let mut text = format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default());
    if let Some(port) = url.port() {
        text.push_str(&format!(":{port}"));
    }
    text.push_str(url.path());
    let page = url.query_pairs().find(|(name, _)| name == "page");
    if let Some((_, page)) = page.filter(|(_, page)| page.len() <= 9 && page.bytes().all(|b| b.is_ascii_digit())) {
        text.push_str(&format!("?page={page}"));
    }
    cut(&escape_control(&text), 300)
}

/// Text that should be a URL, as people may see it: without userinfo and query.
fn shown_text(text: &str) -> String {
    match Url::parse(text) {
        Ok(mut url) => {
            url.set_query(None);
            shown(&url)
        }
        Err(_) => {
            let bare = text.split(['?', '#']).next().unwrap_or_default();
            let bare = bare.rsplit('@').next().unwrap_or_default();
            cut(&escape_control(bare), 120)
        }
    }
}

/// At most `most` characters.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A place in a walk over pages, fit to be stored. Finds circles in constant space (Brent): the address
/// of the page whose number was the last power of two is remembered and compared with every later one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Path below the base and query of the page to ask for.
    pub next: String,
    /// Its number, from 1.
    pub page: u32,
    /// Hash of the address remembered.
    mark: String,
}

impl Place {
    /// The first page.
    pub fn first(relative: String) -> Self {
        let mark = hash(&relative);
        Self { next: relative, page: 1, mark }
    }

    /// The page after this one.
    ///
    /// # Errors
    /// [`SourceError::Circular`] when it was asked for before.
    pub fn advance(&self, from: &Url, next: String) -> Result<Self, SourceError> {
        let page = self.page + 1;
        let here = hash(&next);
        if here == self.mark || next == self.next || page > MOST_PAGES {
            return Err(SourceError::Circular { url: shown(from) });
        }
        let mark = if page.is_power_of_two() { here } else { self.mark.clone() };
        Ok(Self { next, page, mark })
    }
}

fn hash(text: &str) -> String {
    hex::encode(&Sha256::digest(text.as_bytes())[..8])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn base() -> ApiBase {
        ApiBase::new(&Url::parse("https://api.bitbucket.org/2.0").unwrap(), false).unwrap()
    }

    #[track_caller]
    fn check_next(next: &str, wanted: Option<&str>) {
        let base = base();
        let from = base.url("/repositories/acme").unwrap();
        assert_eq!(base.next(&from, next).ok().as_deref(), wanted, "{next}");
    }

    // P2.9, security.md "outgoing requests": `next` only below the API base.
    #[test]
    fn next_stays_below_the_api_base() {
        check_next("https://api.bitbucket.org/2.0/repositories/acme?page=2", Some("/repositories/acme?page=2"));
        check_next("https://api.bitbucket.org:443/2.0/r?page=2", Some("/r?page=2"));
        check_next("https://api.bitbucket.org/2.0/r/a%0Db?ctx=x%2By", Some("/r/a%0Db?ctx=x%2By"));
        check_next("http://api.bitbucket.org/2.0/r", None);
        check_next("https://api.bitbucket.org:8443/2.0/r", None);
        check_next("https://api.bitbucket.org/internal/r", None);
        check_next("https://api.bitbucket.org/2.0evil/r", None);
        check_next("https://api.bitbucket.org/2.0/../internal", None);
        check_next("https://api.bitbucket.org/2.0/%2e%2e/internal", None);
        check_next("https://me@api.bitbucket.org/2.0/r", None);
        check_next("https://api.bitbucket.org.evil.example/2.0/r", None);
        check_next("//evil.example/2.0/r", None);
        check_next("/2.0/r?page=2", None);
        check_next("", None);
    }

    #[test]
    fn untrusted_links_are_named_without_their_secrets() {
        let base = base();
        let from = base.url("/repositories/acme").unwrap();
        let error = base.next(&from, "https://u:hunter2@evil.example/x?access_token=abc").unwrap_err().to_string();
        assert!(
            error.contains("https://evil.example/x") && !error.contains("hunter2") && !error.contains("abc"),
            "{error}"
        );
    }

    #[test]
    fn urls_are_shown_without_secrets() {
        let url = Url::parse("https://u:p@h.example:8/x?fields=a,b&page=2&access_token=abc#f").unwrap();
        assert_eq!(shown(&url), "https://h.example:8/x?page=2");
        let url = Url::parse("https://h.example/x?page=eyJhIjoxfQ&q=1").unwrap();
        assert_eq!(shown(&url), "https://h.example/x");
    }

    #[track_caller]
    fn check_address_of(url: &str, allow_http: bool, wanted: &str) {
        let result = check_address(&Url::parse(url).unwrap(), allow_http);
        let got = match result {
            Ok(()) => "ok",
            Err(SettingsError::BadUrl { .. }) => "bad",
            Err(SettingsError::PlainHttp { .. }) => "plain",
            Err(SettingsError::LinkLocal { .. }) => "link-local",
            Err(_) => "other",
        };
        assert_eq!(got, wanted, "{url}");
    }

    // security.md: credentials over plain http only to loopback or with allow_http; link-local never.
    #[test]
    fn credentials_are_sent_only_where_they_may_be() {
        check_address_of("https://api.bitbucket.org/2.0", false, "ok");
        check_address_of("http://127.0.0.1:8080/2.0", false, "ok");
        check_address_of("http://[::1]:8080/2.0", false, "ok");
        check_address_of("http://localhost:8080/2.0", false, "ok");
        check_address_of("http://git.acme.dev/2.0", false, "plain");
        check_address_of("http://git.acme.dev/2.0", true, "ok");
        check_address_of("http://169.254.169.254/latest", true, "link-local");
        check_address_of("http://0xa9fea9fe/latest", true, "link-local");
        check_address_of("https://[fe80::1]/", false, "link-local");
        check_address_of("https://[::ffff:169.254.169.254]/", false, "link-local");
        check_address_of("https://[64:ff9b::a9fe:a9fe]/", false, "link-local");
        check_address_of("ftp://git.acme.dev/", false, "bad");
    }

    #[test]
    fn segments_never_change_the_path() {
        assert_eq!(segment("{ab}").as_deref(), Some("%7Bab%7D"));
        assert_eq!(segment("a/../b").as_deref(), Some("a%2F..%2Fb"));
        assert_eq!(segment(".."), None);
        assert_eq!(segment(""), None);
        assert_eq!(value("a+b \"c\""), "a%2Bb%20%22c%22");
    }

    proptest! {
        // A walk that comes back to any earlier page is found, whatever the length of the tail and the circle.
        #[test]
        fn every_circle_is_found(tail in 0_u32..40, circle in 1_u32..40) {
            let from = base().url("/r").unwrap();
            let mut place = Place::first("/r?page=0".to_owned());
            let mut at = 0;
            let found = (0..1000).any(|_| {
                at = if at + 1 == tail + circle { tail } else { at + 1 };
                match place.advance(&from, format!("/r?page={at}")) {
                    Ok(next) => { place = next; false }
                    Err(_) => true,
                }
            });
            prop_assert!(found);
        }

        #[test]
        fn a_straight_walk_is_never_a_circle(pages in 1_u32..500) {
            let from = base().url("/r").unwrap();
            let mut place = Place::first("/r".to_owned());
            for page in 2..pages {
                place = place.advance(&from, format!("/r?page={page}")).unwrap();
                prop_assert_eq!(place.page, page);
            }
        }
    }
}
