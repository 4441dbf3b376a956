//! Whether a request is meant for us, and whether a page of ours sent it: against DNS rebinding and cross-site
//! requests.

use std::net::IpAddr;

use axum::http::{HeaderMap, Method, Uri, header};
use url::{Origin, Url};

/// Whom a request names as its host: name or address, and port, as sent. `None`: nobody, or several.
pub(super) fn authority(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let mut named = headers.get_all(header::HOST).iter();
    let host = named.next();
    if named.next().is_some() {
        return None;
    }
    // HTTP/2 says it in the request line; where both are said, they are the same.
    match (uri.authority(), host) {
        (Some(authority), None) => Some(authority.as_str().to_ascii_lowercase()),
        (None, Some(host)) => Some(host.to_str().ok()?.to_ascii_lowercase()),
        (Some(authority), Some(host)) => {
            let authority = authority.as_str().to_ascii_lowercase();
            (host.to_str().ok()?.to_ascii_lowercase() == authority).then_some(authority)
        }
        (None, None) => None,
    }
}

/// Whether we are meant: by the name of `public_url`, by an address, which no stranger's name server can point
/// elsewhere, or as this host itself.
pub(super) fn is_ours(authority: &str, public_url: Option<&Url>) -> bool {
    let Ok(url) = Url::parse(&format!("http://{authority}/")) else { return false };
    if !url.username().is_empty() || url.password().is_some() || url.path() != "/" {
        return false;
    }
    let Some(host) = url.host_str() else { return false };
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    address.is_ok()
        || host == "localhost"
        || public_url.and_then(Url::host_str).is_some_and(|ours| ours.eq_ignore_ascii_case(host))
}

/// Whether a method only looks.
pub(super) fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether a page of ours sent this. Browsers say where a request comes from, and no script can make them lie; one
/// that says nothing is not believed.
pub(super) fn is_same(headers: &HeaderMap, authority: &str, public_url: Option<&Url>) -> bool {
    let one = |name: &str| {
        let mut values = headers.get_all(name).iter();
        let value = values.next()?.to_str().ok()?;
        values.next().is_none().then_some(value)
    };
    if headers.contains_key("sec-fetch-site") {
        return one("sec-fetch-site") == Some("same-origin");
    }
    let Some(origin) = one("origin").and_then(|origin| Url::parse(origin).ok()) else { return false };
    let origin = origin.origin();
    if !matches!(origin, Origin::Tuple(..)) {
        return false;
    }
    // A proxy may have named us otherwise; then the public address is what the browser sees.
    let seen = ["http", "https"].into_iter().filter_map(|scheme| Url::parse(&format!("{scheme}://{authority}/")).ok());
    seen.map(|url| url.origin()).chain(public_url.map(Url::origin)).any(|ours| ours == origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn host(authority: &str, public_url: Option<&str>, expected: bool) {
        let url = public_url.map(|url| Url::parse(url).unwrap());
        assert_eq!(is_ours(authority, url.as_ref()), expected, "{authority} {public_url:?}");
    }

    // security.md, sessions: DNS rebinding reaches us under a name that is not ours.
    #[test]
    fn only_our_own_names_are_ours_p7_4() {
        let public = Some("https://sync.acme.dev/tools/");
        host("127.0.0.1:8321", None, true);
        host("[::1]:8321", None, true);
        host("10.1.2.3", None, true);
        host("localhost:8321", None, true);
        host("sync.acme.dev", None, false);
        host("sync.acme.dev", public, true);
        host("SYNC.acme.dev:443", public, true);
        host("sync.acme.dev.evil.example", public, false);
        host("evil.example:8321", public, false);
        host("evil.example@127.0.0.1", None, false);
        host("localhost.evil.example", None, false);
        host("127.0.0.1/x", None, false);
        host("127.0.0.1.evil.example", None, false);
        host("", None, false);
        host("a b", None, false);
    }

    #[track_caller]
    fn same(headers: &[(&str, &str)], authority: &str, public_url: Option<&str>, expected: bool) {
        let url = public_url.map(|url| Url::parse(url).unwrap());
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: axum::http::HeaderName = name.parse().unwrap();
            map.append(name, value.parse().unwrap());
        }
        assert_eq!(is_same(&map, authority, url.as_ref()), expected, "{headers:?} {authority} {public_url:?}");
    }

    // security.md, sessions: a change needs a page of ours.
    #[test]
    fn only_pages_of_ours_are_the_same_origin_p7_4() {
        let here = "127.0.0.1:8321";
        same(&[], here, None, false);
        same(&[("sec-fetch-site", "same-origin")], here, None, true);
        for other in ["same-site", "cross-site", "none", "", "Same-Origin"] {
            same(&[("sec-fetch-site", other)], here, None, false);
            same(&[("sec-fetch-site", other), ("origin", "http://127.0.0.1:8321")], here, None, false);
        }
        same(&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")], here, None, false);
        same(&[("origin", "http://127.0.0.1:8321")], here, None, true);
        same(&[("origin", "http://127.0.0.1:3000")], here, None, false);
        same(&[("origin", "http://localhost:8321")], here, None, false);
        same(&[("origin", "https://evil.example")], here, None, false);
        same(&[("origin", "null")], here, None, false);
        same(&[("origin", "nonsense")], here, None, false);
        same(&[("origin", "https://sync.acme.dev")], "sync.acme.dev", Some("https://sync.acme.dev/x/"), true);
        same(&[("origin", "https://sync.acme.dev")], here, Some("https://sync.acme.dev/x/"), true);
        same(&[("origin", "http://sync.acme.dev:8080")], here, Some("https://sync.acme.dev/x/"), false);
    }
}
