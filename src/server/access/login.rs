//! Signing in and out with a browser: a token, or the code of a sign-in link, is exchanged for a session.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Extension, Form, Query, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use tracing::{info, warn};

use super::page::{self, Way};
use super::peer::Proxies;
use super::tokens::{self, Digest, Known};
use super::{Access, Authority, Via, answer, by_link, not_from_here, of_token, origin};
use crate::commands::caller::Caller;
use crate::commands::{App, Failure, audit};
use crate::server::Base;
use crate::server::problem::Problem;

/// The routes, for whoever is not known yet.
pub fn routes(access: Arc<Access>) -> Router {
    Router::new().route("/login", get(page_or_link).post(log_in)).route("/logout", post(log_out)).with_state(access)
}

#[derive(Deserialize)]
struct Asked {
    code: Option<String>,
    next: Option<String>,
}

/// What a request to log in is judged by.
struct Visit {
    app: Arc<App>,
    base: Base,
    /// The other end of the connection.
    peer: IpAddr,
    /// Who is behind it.
    from: IpAddr,
}

impl Visit {
    fn new(access: &Access, base: Base, peer: SocketAddr, headers: &HeaderMap) -> Self {
        let app = access.commands.app();
        let from = Proxies::new(&app.config.server.behind_proxy).client(peer.ip(), headers);
        Self { app, base, peer: peer.ip(), from }
    }
}

async fn page_or_link(
    State(access): State<Arc<Access>>,
    Extension(base): Extension<Base>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    method: Method,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Response {
    let visit = Visit::new(&access, base, peer, &headers);
    let next = asked.next.unwrap_or_default();
    // Whoever only looks (a link checker, a preview) uses nothing up.
    match asked.code.filter(|_| method == Method::GET) {
        Some(code) => access.by_code(&visit, &headers, &code).await,
        None if access.who(&visit.app, &headers, visit.peer).await.is_some() => {
            Redirect::to(&visit.base.path(inside(&next))).into_response()
        }
        None => access.ask(&visit, StatusCode::OK, &next, None),
    }
}

#[derive(Deserialize)]
struct Shown {
    token: String,
    #[serde(default)]
    next: String,
}

async fn log_in(
    State(access): State<Arc<Access>>,
    Extension(base): Extension<Base>,
    Extension(authority): Extension<Authority>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Form(shown): Form<Shown>,
) -> Response {
    let visit = Visit::new(&access, base, peer, &headers);
    if !origin::is_same(&headers, &authority.0, visit.app.config.server.public_url.as_ref()) {
        return answer("/login", not_from_here());
    }
    if let Some(wait) = access.has_to_wait(&visit, &shown.next) {
        return wait;
    }
    let known = access.tokens.known(&visit.app).await;
    match tokens::whose(&known, &Digest::of(shown.token.trim())) {
        Some(token) => access.let_in(&visit, &headers, Some(token), &shown.next).await,
        None => {
            access.note_wrong(&visit, "a token");
            access.ask(&visit, StatusCode::UNAUTHORIZED, &shown.next, Some("This is not a token we know."))
        }
    }
}

async fn log_out(
    State(access): State<Arc<Access>>,
    Extension(base): Extension<Base>,
    Extension(authority): Extension<Authority>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Response {
    let visit = Visit::new(&access, base, peer, &headers);
    let server = &visit.app.config.server;
    if !origin::is_same(&headers, &authority.0, server.public_url.as_ref()) {
        return answer("/logout", not_from_here());
    }
    let name = access.cookie_name(server);
    let who = access.who(&visit.app, &headers, visit.peer).await;
    if let Some(cookie) = name.shown(&headers)
        && access.sessions.end(&cookie).await
        && let Some((caller, Via::Session)) = who
    {
        tell(&visit.app, caller, "sign out").await;
    }
    with_cookie(Redirect::to(&visit.base.path("/login")).into_response(), name.clear())
}

impl Access {
    /// The login page. Where only a link lets one in, there is one on the terminal from now on.
    fn ask(&self, visit: &Visit, status: StatusCode, next: &str, problem: Option<&str>) -> Response {
        let way = if !visit.app.config.server.tokens.is_empty() {
            Way::Token
        } else if self.links.has_terminal() {
            self.links.show(visit.app.clock.now());
            Way::Link
        } else {
            Way::None
        };
        let base = visit.base.path("");
        page::login(status, &page::Login { base: &base, action: &visit.base.path("/login"), next, problem, way })
    }

    /// Whether too many wrong attempts came from there: then the answer that says so.
    fn has_to_wait(&self, visit: &Visit, next: &str) -> Option<Response> {
        let wait = self.attempts.may_try(visit.from, visit.app.clock.now()).err()?;
        let text = "Too many wrong attempts came from your address. Try again in some minutes.";
        let mut response = self.ask(visit, StatusCode::TOO_MANY_REQUESTS, next, Some(text));
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.num_seconds().unsigned_abs()));
        Some(response)
    }

    fn note_wrong(&self, visit: &Visit, what: &str) {
        self.attempts.note_wrong(visit.from, visit.app.clock.now());
        warn!(from = %visit.from, "somebody tried to sign in with {what} that is not good");
    }

    async fn by_code(&self, visit: &Visit, headers: &HeaderMap, code: &str) -> Response {
        let server = &visit.app.config.server;
        if !server.tokens.is_empty() || !visit.peer.to_canonical().is_loopback() {
            return self.ask(visit, StatusCode::UNAUTHORIZED, "", None);
        }
        if let Some(wait) = self.has_to_wait(visit, "") {
            return wait;
        }
        if self.links.take(code, visit.app.clock.now()) {
            return self.let_in(visit, headers, None, "").await;
        }
        self.note_wrong(visit, "a link");
        let text = "This link was used already, or is too old.";
        self.ask(visit, StatusCode::UNAUTHORIZED, "", Some(text))
    }

    /// A new session, whatever there was before.
    async fn let_in(&self, visit: &Visit, headers: &HeaderMap, token: Option<&Known>, next: &str) -> Response {
        let name = self.cookie_name(&visit.app.config.server);
        if let Some(before) = name.shown(headers) {
            self.sessions.end(&before).await;
        }
        let begun = self.sessions.begin(token, Some(visit.from), visit.app.clock.now()).await;
        let cookie = match begun {
            Ok(cookie) => cookie,
            Err(error) => return answer("/login", Problem::from(Failure::from(error))),
        };
        match token {
            Some(token) => tell(&visit.app, of_token(token, visit.from), "sign in").await,
            None => tell(&visit.app, by_link(visit.from), "sign in by the link on the terminal").await,
        }
        with_cookie(Redirect::to(&visit.base.path(inside(next))).into_response(), name.set(&cookie))
    }
}

/// Into log and audit.
async fn tell(app: &App, caller: Caller, what: &str) {
    info!(by = caller.name, from = ?caller.from, "{what}");
    if let Err(failure) = audit::note(&app.for_caller(caller), what).await {
        warn!("{}", failure.report.one_line());
    }
}

fn with_cookie(mut response: Response, cookie: HeaderValue) -> Response {
    response.headers_mut().append(header::SET_COOKIE, cookie);
    response
}

/// A place on our own pages, or the first one.
fn inside(next: &str) -> &str {
    let is_inside = next.starts_with('/')
        && !next.starts_with("//")
        && next.chars().all(|c| c.is_ascii_graphic() && c != '\\')
        && !next.starts_with("/login");
    if is_inside { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::inside;

    // security.md: a login page sends nobody elsewhere.
    #[test]
    fn one_stays_inside_after_signing_in_p7_4() {
        for place in ["/", "/i/acme/discovered?q=a%20b&sort=name", "/audit"] {
            assert_eq!(inside(place), place);
        }
        for elsewhere in [
            "",
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "/a b",
            "/a\r\nb",
            "javascript:x",
            "/login?code=1",
        ] {
            assert_eq!(inside(elsewhere), "/", "{elsewhere:?}");
        }
    }
}
