//! Who asks, and whether they may come in. Every request of API and pages passes [`identify`], which finds out who
//! it is and puts a [`Caller`] on it as an extension; what a caller may see and do is decided in
//! [`crate::commands`]. Without one there is 401 for programs, and the login page for people.

mod peer;
mod tokens;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use self::peer::Proxies;
use self::tokens::{Digest, Tokens};
use super::Commands;
use super::problem::Problem;
use crate::commands::caller::Caller;

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

/// Who may use a sidecar.
pub struct Access {
    commands: Arc<dyn Commands>,
    run_token: Digest,
    tokens: Tokens,
}

impl Access {
    /// `run_token` is the one of `run.json`.
    pub fn new(commands: Arc<dyn Commands>, run_token: &str) -> Arc<Self> {
        Arc::new(Self { commands, run_token: Digest::of(run_token), tokens: Tokens::default() })
    }

    /// Who sends this; `None`: somebody unknown.
    async fn who(&self, headers: &HeaderMap, peer: IpAddr) -> Option<(Caller, Via)> {
        let app = self.commands.app();
        let from = Proxies::new(&app.config.server.behind_proxy).client(peer, headers);
        let shown = Digest::of(bearer(headers)?);
        if self.run_token.is(&shown) {
            return Some((Caller { from: None, ..Caller::at_the_terminal() }, Via::RunFile));
        }
        let known = self.tokens.known(&app).await;
        let token = tokens::whose(&known, &shown)?;
        let caller = Caller { name: token.name.clone(), role: token.role, sees: token.sees.clone(), from: Some(from) };
        Some((caller, Via::Token))
    }
}

/// Lets in who is known, as a [`Caller`] on the request.
pub async fn identify(State(access): State<Arc<Access>>, mut request: Request, next: Next) -> Response {
    let peer = peer(&request);
    let Some((caller, via)) = access.who(request.headers(), peer).await else { return unknown(request.uri().path()) };
    request.extensions_mut().insert(caller);
    request.extensions_mut().insert(via);
    next.run(request).await
}

/// Programs are told, people are led to the login page.
fn unknown(path: &str) -> Response {
    if is_of_api(path) {
        let mut response = Problem::new(
            StatusCode::UNAUTHORIZED,
            "nobody we know: a token is needed",
            "send `Authorization: Bearer TOKEN` with a token of `server.tokens` in the config",
        )
        .into_response();
        let how = HeaderValue::from_static("Bearer realm=\"catalog-sync\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, how);
        return response;
    }
    Redirect::to("/login").into_response()
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

/// The other end of the connection.
fn peer(request: &Request) -> IpAddr {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip())
}
