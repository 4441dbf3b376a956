//! What a running sidecar serves: commands of other terminals, and health for orchestrators. One router holds it
//! all; what it needs of the sidecar is [`Commands`].

pub mod access;
pub mod api;
pub mod command;
pub mod health;
pub mod metrics;
pub mod problem;
pub mod ui;
pub mod webhooks;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use futures::future::BoxFuture;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::access::Access;
use crate::commands::App;

/// Requests are small: values, never files. Whoever takes more says so.
const BODY_BYTES: usize = 1024 * 1024;

/// The sidecar, as routes see it.
pub trait Commands: Send + Sync + 'static {
    /// The settings in force now.
    fn app(&self) -> Arc<App>;
    /// Runs to its end even when the asker goes away, and is waited for at shutdown.
    fn spawn(&self, work: BoxFuture<'static, ()>);
}

/// All that is served only to who is known: every handler finds the caller in `Extension<Caller>`, and by what they
/// were recognised in `Extension<access::Via>`.
///
/// Other rooms are merged here: `.merge(api::routes(commands.clone()))`, `.merge(ui::routes(commands.clone()))`.
pub fn known(commands: &Arc<dyn Commands>, access: &Arc<Access>, run_token: &str) -> Router {
    Router::new()
        .merge(command::routes(commands.clone(), run_token))
        .merge(api::routes(commands.clone()))
        .merge(ui::routes(commands.clone()))
        .layer(from_fn_with_state(access.clone(), access::identify))
        .merge(ui::asset_routes())
        .layer(DefaultBodyLimit::max(BODY_BYTES))
}

/// Serves `router` until `stop` is cancelled; in-flight answers are finished.
///
/// # Errors
/// The listener's.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) -> std::io::Result<()> {
    let router = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, router).with_graceful_shutdown(async move { stop.cancelled().await }).await
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
