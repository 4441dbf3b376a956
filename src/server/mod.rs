//! What a running sidecar serves: commands of other terminals, and health for orchestrators. One router holds it
//! all; what it needs of the sidecar is [`Commands`].

pub mod access;
pub mod api;
pub mod command;
pub mod health;
pub mod listen;
pub mod metrics;
pub mod problem;
pub mod ui;
pub mod webhooks;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{from_fn, from_fn_with_state, map_request};
use axum::response::Response;
use futures::future::BoxFuture;
use tokio::net::TcpListener;

use self::access::Access;
use self::problem::Problem;
use crate::commands::App;
use crate::config::Server;
use crate::error::escape_control;

/// Requests are small: values, never files. Whoever takes more says so.
const BODY_BYTES: usize = 1024 * 1024;

/// The sidecar, as routes see it.
pub trait Commands: Send + Sync + 'static {
    /// The settings in force now.
    fn app(&self) -> Arc<App>;
    /// Runs to its end even when the asker goes away, and is waited for at shutdown.
    fn spawn(&self, work: BoxFuture<'static, ()>);
}

/// The path under which we are reached, as `public_url` has it, without a slash at its end: `/tools`, or nothing. An
/// extension of every request; what links to ourselves begins with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Base(String);

impl Base {
    /// As the config has it.
    pub fn of(server: &Server) -> Self {
        Self(server.public_url.as_ref().map(|url| url.path().trim_end_matches('/').to_owned()).unwrap_or_default())
    }

    /// A path of ours as a browser has to ask for it.
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

/// What routes are made of.
pub struct Parts {
    /// The sidecar.
    pub commands: Arc<dyn Commands>,
    /// Who may use it.
    pub access: Arc<Access>,
    /// The token of `run.json`.
    pub run_token: String,
    /// What Bitbucket sends events to: each proves itself.
    pub webhooks: Router,
    /// What orchestrators look at: nothing in it is anybody's.
    pub health: Router,
}

/// What is served on which listener. What has none of its own is on the main one.
pub struct Served {
    /// On `listen`.
    pub main: Router,
    /// On `webhook_listen`.
    pub webhooks: Option<Router>,
    /// On `health_listen`.
    pub health: Option<Router>,
}

impl Parts {
    /// For the listeners there are.
    pub fn served(&self, server: &Server) -> Served {
        let mut main = self.people();
        let mut apart = |router: Router, has_listener: bool| match has_listener {
            true => Some(router.layer(from_fn(listen::bodies))),
            false => {
                main = std::mem::take(&mut main).merge(router);
                None
            }
        };
        let webhooks = apart(self.webhooks.clone(), server.webhook_listen.is_some());
        let health = apart(self.health.clone(), server.health_listen.is_some());
        let main = main.layer(DefaultBodyLimit::max(BODY_BYTES)).layer(from_fn(listen::bodies));
        Served { main: self.under_base(main), webhooks, health }
    }

    /// For a terminal on this host, where the main listener speaks TLS under a name that is not this host's.
    pub fn terminal(&self) -> Router {
        command::routes(self.commands.clone(), &self.run_token)
            .route_layer(from_fn_with_state(self.access.clone(), access::identify))
            .route_layer(from_fn_with_state(self.access.clone(), access::our_host))
            .layer(DefaultBodyLimit::max(BODY_BYTES))
            .layer(from_fn(listen::bodies))
    }

    /// API and pages. Other rooms are merged here.
    fn people(&self) -> Router {
        // For who is known: every handler finds them in `Extension<Caller>`, and by what they were recognised in
        // `Extension<access::Via>`.
        let known = Router::new()
            .merge(command::routes(self.commands.clone(), &self.run_token))
            .merge(api::routes(self.commands.clone()))
            .merge(ui::routes(self.commands.clone()))
            .fallback_service(ui::missing(self.commands.clone()))
            .method_not_allowed_fallback(not_allowed)
            .layer(from_fn_with_state(self.access.clone(), access::identify));
        // For everybody: the way in, and what its page looks like.
        let open = Router::new().merge(access::login::routes(self.access.clone())).merge(ui::asset_routes());
        known
            .merge(open)
            .layer(from_fn_with_state(self.access.clone(), access::our_host))
            .layer(from_fn(access::headers::add))
    }

    /// A proxy may leave the path of `public_url` in place, or take it away: both are right.
    fn under_base(&self, router: Router) -> Router {
        let commands = self.commands.clone();
        let strip = move |mut request: Request| {
            let base = Base::of(&commands.app().config.server);
            if let Some(uri) = base.stripped(request.uri()) {
                *request.uri_mut() = uri;
            }
            std::future::ready(request)
        };
        Router::new().fallback_service(router).layer(map_request(strip))
    }
}

impl Base {
    /// The address without it; `None`: it is not under it, or there is none.
    fn stripped(&self, uri: &Uri) -> Option<Uri> {
        let rest = uri.path().strip_prefix(&self.0).filter(|_| !self.0.is_empty())?;
        if !rest.is_empty() && !rest.starts_with('/') {
            return None;
        }
        let rest = if rest.is_empty() { "/" } else { rest };
        let path = uri.query().map_or_else(|| rest.to_owned(), |query| format!("{rest}?{query}"));
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = Some(path.parse().ok()?);
        Uri::from_parts(parts).ok()
    }
}

async fn not_allowed(method: Method, uri: Uri) -> Response {
    let what = format!("{} does not take {method}", escape_control(uri.path()));
    access::answer(uri.path(), Problem::new(StatusCode::METHOD_NOT_ALLOWED, what, "use a method that it takes"))
}

/// Binds an address.
///
/// # Errors
/// A report that names the address and the setting.
pub async fn bind(address: SocketAddr, setting: &str) -> Result<TcpListener, crate::error::Report> {
    TcpListener::bind(address).await.map_err(|error| {
        crate::error::Report::new(
            format!("could not listen on {address}"),
            &error,
            Some(format!("stop what listens there, or change `{setting}` in the config (or `--listen`)")),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(base: &str, asked: &str, expected: Option<&str>) {
        let stripped = Base(base.to_owned()).stripped(&asked.parse().unwrap());
        assert_eq!(stripped.map(|uri| uri.to_string()).as_deref(), expected, "{base:?} {asked}");
    }

    // contract.md, server.public_url: a path prefix is allowed.
    #[test]
    fn a_prefix_is_taken_away_where_it_is_there_p7_2() {
        check("", "/api/v1/x", None);
        check("/tools", "/api/v1/x", None);
        check("/tools", "/tools", Some("/"));
        check("/tools", "/tools/", Some("/"));
        check("/tools", "/tools?a=b", Some("/?a=b"));
        check("/tools", "/tools/i/acme?a=b", Some("/i/acme?a=b"));
        check("/tools", "/toolshed", None);
        check("/tools", "http://a/tools/x", Some("http://a/x"));
    }
}
