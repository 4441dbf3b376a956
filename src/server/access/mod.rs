//! Who asks, and whether they may come in. Every request of API and pages passes [`identify`], which finds out who
//! it is and puts a [`Caller`] on it as an extension; what a caller may see and do is decided in
//! [`crate::commands`]. Without one there is 401 for programs, and the login page for people.
//!
//! Somebody is known by the token of `run.json`, by a token of the config, by the session of a browser, or by what a
//! trusted proxy says. The last two come with whatever a browser sends, so changes of theirs must come from a page of
//! ours.

mod attempts;
pub mod headers;
mod identity;
mod link;
pub mod login;
mod origin;
pub mod page;
mod peer;
mod session;
mod tokens;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use self::attempts::Attempts;
use self::link::Links;
use self::session::{CookieName, Sessions};
use self::tokens::{Digest, Known, Tokens};
use super::problem::Problem;
use super::{Base, Commands};
use crate::commands::App;
use crate::commands::caller::{Caller, Sees};
use crate::config::{Role, Server};
use crate::store::{KnownBy, SessionOf, StoreError};

pub use self::link::Terminal;
pub use self::peer::{Proxies, household};

/// Whoever came by the sign-in link, as history and audit name them.
const BY_LINK: &str = "browser";

/// By what somebody was recognised. An extension of every request, beside the [`Caller`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// The token of `run.json`: a terminal on this host.
    RunFile,
    /// A token of the config, shown with the request.
    Token,
    /// A session of a browser: can be logged out.
    Session,
    /// What a trusted proxy says.
    Proxy,
}

impl Via {
    /// Whether a browser sends it along by itself, whatever page makes it send something.
    fn is_ambient(self) -> bool {
        matches!(self, Self::Session | Self::Proxy)
    }
}

/// What there is to know about the sidecar that lets people in.
pub struct Settings {
    /// The token of `run.json`.
    pub run_token: String,
    /// Whether the listener speaks TLS itself.
    pub has_tls: bool,
    /// Of the listener.
    pub port: u16,
    /// Who looks at the terminal, where there is one.
    pub terminal: Option<Terminal>,
}

/// Who may use a sidecar. An extension of every request to API and pages.
pub struct Access {
    commands: Arc<dyn Commands>,
    run_token: Digest,
    has_tls: bool,
    port: u16,
    tokens: Tokens,
    sessions: Sessions,
    attempts: Attempts,
    links: Links,
}

impl Access {
    /// With the sessions of the store.
    ///
    /// # Errors
    /// The store's.
    pub async fn open(commands: Arc<dyn Commands>, settings: Settings) -> Result<Arc<Self>, StoreError> {
        let Settings { run_token, has_tls, port, terminal } = settings;
        let app = commands.app();
        Ok(Arc::new(Self {
            run_token: Digest::of(run_token),
            has_tls,
            port,
            tokens: Tokens::default(),
            sessions: Sessions::open(app.store.clone(), app.clock.now()).await?,
            attempts: Attempts::default(),
            links: Links::new(terminal),
            commands,
        }))
    }

    /// Shows a sign-in link on the terminal, where no tokens are configured.
    pub fn show_link(&self) {
        let app = self.commands.app();
        if app.config.server.tokens.is_empty() {
            self.links.show(app.clock.now());
        }
    }

    /// Whether connections of a peer stand for many people.
    pub fn is_proxy(&self, peer: IpAddr) -> bool {
        Proxies::new(&self.commands.app().config.server.behind_proxy).has(peer.to_canonical())
    }

    /// Who sends this; `None`: somebody unknown.
    async fn who(&self, app: &Arc<App>, headers: &HeaderMap, peer: IpAddr) -> Option<(Caller, Via)> {
        self.recognised(app, headers, peer, true).await
    }

    /// `is_seen`: somebody sends it now, and it is not we who ask again.
    async fn recognised(
        &self,
        app: &Arc<App>,
        headers: &HeaderMap,
        peer: IpAddr,
        is_seen: bool,
    ) -> Option<(Caller, Via)> {
        let server = &app.config.server;
        if is_private(server) && !peer.to_canonical().is_loopback() {
            return None;
        }
        let proxies = Proxies::new(&server.behind_proxy);
        let from = proxies.client(peer, headers);
        let tokens = self.tokens.known(app).await;
        if let Some(known) = self.by_bearer(&tokens, headers, from) {
            return Some(known);
        }
        if let Some(cookie) = self.cookie_name(server).shown(headers) {
            let of = self.sessions.of(&cookie, &tokens, &server.tokens, app.clock.now(), is_seen).await;
            let caller = match of {
                Some(SessionOf::Token { name, .. }) => {
                    tokens.iter().find(|token| token.name == name).map(|token| of_token(token, from))
                }
                Some(SessionOf::Link) => Some(by_link(from)),
                None => None,
            };
            if let Some(caller) = caller {
                return Some((caller, Via::Session));
            }
        }
        let identity = server.identity.as_ref()?;
        identity::told(identity, &proxies, peer, from, headers).map(|caller| (caller, Via::Proxy))
    }

    fn by_bearer(&self, tokens: &[Known], headers: &HeaderMap, from: IpAddr) -> Option<(Caller, Via)> {
        let shown = Digest::of(bearer(headers)?);
        if self.run_token.is(&shown) {
            return Some((Caller::at_the_terminal(), Via::RunFile));
        }
        tokens::whose(tokens, &shown).map(|token| (of_token(token, from), Via::Token))
    }

    fn cookie_name(&self, server: &Server) -> CookieName {
        let is_secure = self.has_tls || server.public_url.as_ref().is_some_and(|url| url.scheme() == "https");
        CookieName::new(is_secure, self.port)
    }
}

/// Somebody who listens for long, to be asked for again: what let them in may end meanwhile.
pub struct Listener {
    access: Arc<Access>,
    headers: HeaderMap,
    peer: IpAddr,
}

impl Listener {
    /// Whoever sent a request; `None`: it did not pass [`identify`].
    pub fn of(request: &Parts) -> Option<Self> {
        let access = request.extensions.get::<Arc<Access>>()?.clone();
        Some(Self { access, headers: request.headers.clone(), peer: peer(&request.extensions) })
    }

    /// Who that is now, with the settings in force; `None`: nobody we know any more.
    pub async fn now(&self) -> Option<(Arc<App>, Caller)> {
        let app = self.access.commands.app();
        let (caller, _) = self.access.recognised(&app, &self.headers, self.peer, false).await?;
        Some((app, caller))
    }
}

/// Whether only this host may come in: nobody is told apart.
fn is_private(server: &Server) -> bool {
    server.tokens.is_empty() && server.identity.is_none()
}

fn of_token(token: &Known, from: IpAddr) -> Caller {
    let Known { name, role, sees, .. } = token;
    Caller { name: name.clone(), known_by: KnownBy::Token, role: *role, sees: sees.clone(), from: Some(from) }
}

fn by_link(from: IpAddr) -> Caller {
    let name = BY_LINK.to_owned();
    Caller { name, known_by: KnownBy::Link, role: Role::Edit, sees: Sees::Everything, from: Some(from) }
}

/// Lets through what is meant for us. Puts [`Base`] on the request.
pub async fn our_host(State(access): State<Arc<Access>>, mut request: Request, next: Next) -> Response {
    let app = access.commands.app();
    let public_url = app.config.server.public_url.as_ref();
    let authority = origin::authority(request.uri(), request.headers());
    let Some(authority) = authority.filter(|authority| origin::is_ours(authority, public_url)) else {
        let problem = Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "this is not the name of this catalog-sync",
            "set `server.public_url` in the config to the address that people use",
        );
        return answer(request.uri().path(), problem);
    };
    request.extensions_mut().insert(Base::of(&app.config.server));
    request.extensions_mut().insert(Authority(authority));
    next.run(request).await
}

/// What the request calls us: an extension of those that were let through.
#[derive(Clone)]
struct Authority(String);

/// What a request that was let through calls us: `127.0.0.1:8321`.
pub fn authority_of(parts: &Parts) -> String {
    parts.extensions.get::<Authority>().map(|authority| authority.0.clone()).unwrap_or_default()
}

/// Lets in who is known, as a [`Caller`] on the request.
pub async fn identify(State(access): State<Arc<Access>>, mut request: Request, next: Next) -> Response {
    let app = access.commands.app();
    let peer = peer(request.extensions());
    let Some((caller, via)) = access.who(&app, request.headers(), peer).await else {
        return unknown(request.method(), request.uri(), request.headers(), &Base::of(&app.config.server));
    };
    let authority = request.extensions().get::<Authority>().map(|authority| authority.0.clone()).unwrap_or_default();
    let public_url = app.config.server.public_url.as_ref();
    if via.is_ambient()
        && !origin::is_safe(request.method())
        && !origin::is_same(request.headers(), &authority, public_url)
    {
        return answer(request.uri().path(), not_from_here());
    }
    let extensions = request.extensions_mut();
    extensions.insert(caller);
    extensions.insert(via);
    extensions.insert(access.clone());
    next.run(request).await
}

/// Somebody was made to send this by a page of somebody else.
fn not_from_here() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "this was not sent by a page of catalog-sync",
        "open the page here and try again; programs send `Authorization: Bearer TOKEN`; behind a proxy, \
         `server.public_url` must be the address that people use",
    )
}

/// Programs are told, people are led to the login page, and so are the parts of a page.
fn unknown(method: &Method, uri: &Uri, headers: &HeaderMap, base: &Base) -> Response {
    if is_of_api(uri.path()) {
        // Whether one was shown they know themselves; why it is none is not told: it may be another's, or may have been one.
        let (what, mend, how) = match bearer(headers).is_some_and(|token| !token.is_empty()) {
            true => (
                "this token is none we know",
                "check it: it has to be one of `server.tokens` in the config, whole and as it is now",
                "Bearer realm=\"catalog-sync\", error=\"invalid_token\"",
            ),
            false => (
                "nobody we know: a token is needed",
                "send `Authorization: Bearer TOKEN` with a token of `server.tokens` in the config",
                "Bearer realm=\"catalog-sync\"",
            ),
        };
        let mut response = Problem::new(StatusCode::UNAUTHORIZED, what, mend).into_response();
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(how));
        return response;
    }
    if headers.contains_key("hx-request") {
        let mut response = StatusCode::UNAUTHORIZED.into_response();
        let to = HeaderValue::from_str(&base.path("/login")).unwrap_or(HeaderValue::from_static("/login"));
        response.headers_mut().insert(HeaderName::from_static("hx-redirect"), to);
        return response;
    }
    let wanted = uri.path_and_query().map_or("/", |wanted| wanted.as_str());
    if *method != Method::GET || wanted == "/" {
        return Redirect::to(&base.path("/login")).into_response();
    }
    let next: String = url::form_urlencoded::byte_serialize(wanted.as_bytes()).collect();
    Redirect::to(&base.path(&format!("/login?next={next}"))).into_response()
}

/// A problem as programs or people want it told.
pub fn answer(path: &str, problem: Problem) -> Response {
    if is_of_api(path) { problem.into_response() } else { page::problem(&problem) }
}

/// Whether a path is of the API; everything else is a page.
fn is_of_api(path: &str) -> bool {
    path.starts_with("/api/")
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The other end of the connection; nobody, where that is not known.
fn peer(extensions: &Extensions) -> IpAddr {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>();
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip())
}
