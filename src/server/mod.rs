//! What a running sidecar serves: health for orchestrators, and commands for a second terminal.

pub mod command;
pub mod health;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Serves `router` until `stop` is cancelled; in-flight answers are finished.
///
/// # Errors
/// The listener's.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) -> std::io::Result<()> {
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

/// Shared by all routes.
pub type Shared<T> = axum::extract::State<Arc<T>>;
