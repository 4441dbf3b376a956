//! One exchange with a server: a request out, a bounded body back. Follows nothing, retries nothing.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use reqwest::Method;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use url::Url;

use super::links::{cut, is_link_local, link_local_host, shown};
use super::{HttpSettings, SettingsError};
use crate::error::escape_control;

/// What is sent.
pub struct Request<'a> {
    pub url: &'a Url,
    pub verb: Verb,
    /// What goes with it.
    pub posted: Option<&'a Posted>,
    pub authorization: Option<&'a HeaderValue>,
}

/// What a request wants. All but webhooks ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verb {
    /// A GET; a POST where the question is too long for an address.
    #[default]
    Ask,
    /// A POST.
    Create,
    /// A PUT.
    Replace,
    /// A DELETE.
    Remove,
}

/// What goes with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Posted {
    /// `application/x-www-form-urlencoded`
    Form(String),
    /// `application/json`
    Json(String),
}

/// What came back, whatever the status.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// Decompressed, whole.
    pub body: Vec<u8>,
}

/// Why nothing usable came back.
#[derive(Debug)]
pub enum Fault {
    /// DNS, TLS, proxy, connection, time-out, a body that broke off: worth another attempt.
    Transport(String),
    /// We do not send there.
    Refused(String),
    /// The body is over the cap.
    TooLarge,
}

/// The connection pool.
pub struct Client {
    inner: reqwest::Client,
    body_bytes: u64,
}

impl Client {
    /// `local`: the API runs on this machine, so that the environment's proxy is not asked.
    pub fn new(settings: &HttpSettings, local: bool) -> Result<Self, SettingsError> {
        // A second call fails harmlessly: somebody installed one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("catalog-sync/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .gzip(true)
            .connect_timeout(settings.connect_timeout)
            .read_timeout(settings.read_timeout)
            .timeout(settings.total_timeout)
            // Shorter than the idle time of usual load balancers, so that few dead connections are tried.
            .pool_idle_timeout(Duration::from_secs(45))
            .dns_resolver(std::sync::Arc::new(CarefulResolver));
        match &settings.proxy {
            Some(url) => builder = builder.proxy(proxy(url)?),
            None if local => builder = builder.no_proxy(),
            None => {}
        }
        if let Some(path) = &settings.ca_bundle {
            let bad = |message: String| SettingsError::CaBundle { path: path.clone(), message };
            let pem = std::fs::read(path).map_err(|error| bad(error.to_string()))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| bad(innermost(&error)))?;
            if certificates.is_empty() {
                return Err(bad("it holds no certificate".to_owned()));
            }
            builder = builder.tls_certs_merge(certificates);
        }
        let inner = builder.build().map_err(|error| match &settings.ca_bundle {
            // The certificates themselves are read only when the client is built.
            Some(path) => SettingsError::CaBundle { path: path.clone(), message: innermost(&error) },
            None => SettingsError::Client { message: innermost(&error) },
        })?;
        Ok(Self { inner, body_bytes: settings.body_bytes })
    }

    /// The cap on bodies.
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// Sends once.
    pub async fn send(&self, request: Request<'_>) -> Result<Answer, Fault> {
        if let Some(host) = link_local_host(request.url) {
            return Err(Fault::Refused(LinkLocal(host).to_string()));
        }
        let method = match (request.verb, request.posted) {
            (Verb::Ask, None) => Method::GET,
            (Verb::Ask, Some(_)) | (Verb::Create, _) => Method::POST,
            (Verb::Replace, _) => Method::PUT,
            (Verb::Remove, _) => Method::DELETE,
        };
        let mut builder = self.inner.request(method, request.url.clone());
        if let Some(posted) = request.posted {
            let (kind, body) = match posted {
                Posted::Form(form) => ("application/x-www-form-urlencoded", form),
                Posted::Json(json) => ("application/json", json),
            };
            builder = builder.header(CONTENT_TYPE, kind).body(body.clone());
        }
        builder = builder.header(ACCEPT, "application/json");
        if let Some(authorization) = request.authorization {
            builder = builder.header(AUTHORIZATION, authorization.clone());
        }
        let mut response = builder.send().await.map_err(|error| fault(&error))?;
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| fault(&error))? {
            if body.len() as u64 + chunk.len() as u64 > self.body_bytes {
                return Err(Fault::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, headers, body })
    }
}

fn proxy(url: &Url) -> Result<reqwest::Proxy, SettingsError> {
    let bad = |message| SettingsError::Proxy { url: shown(url), message };
    if link_local_host(url).is_some() {
        return Err(bad("it is a link-local address".to_owned()));
    }
    let proxy = reqwest::Proxy::all(url.clone()).map_err(|error| bad(innermost(&error)))?;
    Ok(proxy.no_proxy(reqwest::NoProxy::from_env()))
}

/// A name led to a link-local address.
#[derive(Debug, thiserror::Error)]
#[error("{0} is a link-local address, where credentials are never sent")]
struct LinkLocal(String);

/// Resolves names as the system does and drops link-local addresses, so that a name cannot lead our
/// credentials to a metadata service (security.md, outgoing requests).
struct CarefulResolver;

impl Resolve for CarefulResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(allowed(name.as_str(), addresses)?)
        })
    }
}

fn allowed(name: &str, mut addresses: Vec<SocketAddr>) -> Result<Addrs, LinkLocal> {
    let before = addresses.len();
    addresses.retain(|address| !is_link_local(address.ip()));
    if addresses.is_empty() && before > 0 {
        return Err(LinkLocal(name.to_owned()));
    }
    Ok(Box::new(addresses.into_iter()))
}

fn fault(error: &reqwest::Error) -> Fault {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref::<LinkLocal>() {
            return Fault::Refused(refused.to_string());
        }
        cause = error.source();
    }
    if error.is_timeout() {
        let what = if error.is_connect() { "connecting took too long" } else { "the answer took too long" };
        return Fault::Transport(what.to_owned());
    }
    Fault::Transport(innermost(error))
}

/// The innermost cause, in words; the outer layers only repeat the URL, secrets of its query included.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cut(&escape_control(&cause.to_string()), 300)
}

#[cfg(test)]
mod tests {
    use super::*;

    // security.md: link-local addresses are refused after resolution.
    #[test]
    fn names_that_resolve_to_link_local_addresses_are_refused() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert!(allowed("metadata", vec![address("169.254.169.254:0"), address("[fe80::1]:0")]).is_err());
        let kept: Vec<_> =
            allowed("mixed", vec![address("169.254.169.254:0"), address("10.0.0.1:0")]).unwrap().collect();
        assert_eq!(kept, [address("10.0.0.1:0")]);
        assert!(allowed("local", vec![address("127.0.0.1:0")]).is_ok());
    }

    #[test]
    fn a_bad_ca_bundle_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        for content in ["", "-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydA==\n-----END CERTIFICATE-----\n", "hello"] {
            std::fs::write(&path, content).unwrap();
            let settings = HttpSettings { ca_bundle: Some(path.clone()), ..HttpSettings::default() };
            let error = Client::new(&settings, false).err().expect("refused").to_string();
            assert!(error.contains("ca.pem"), "{error}");
        }
        let settings = HttpSettings { ca_bundle: Some(dir.path().join("none.pem")), ..HttpSettings::default() };
        assert!(matches!(Client::new(&settings, false), Err(SettingsError::CaBundle { .. })));
    }

    #[tokio::test]
    async fn a_literal_link_local_address_is_refused() {
        let client = Client::new(&HttpSettings::default(), false).unwrap();
        let url = Url::parse("http://169.254.169.254/latest/meta-data").unwrap();
        let result = client.send(Request { url: &url, verb: Verb::Ask, posted: None, authorization: None }).await;
        assert!(matches!(result, Err(Fault::Refused(_))));
    }

    #[test]
    fn a_proxy_with_userinfo_is_never_printed() {
        let settings = HttpSettings {
            proxy: Some(Url::parse("http://me:hunter2@proxy.acme.dev:3128").unwrap()),
            ..HttpSettings::default()
        };
        let debug = format!("{settings:?}");
        assert!(debug.contains("proxy.acme.dev") && !debug.contains("hunter2") && !debug.contains("me:"), "{debug}");
    }
}
