//! `/healthz`: the process lives. `/readyz`: it has its store and its config, and is not stopping.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;

use crate::commands::reloads::Reloads;

/// Whether the sidecar is ready; shared with its loop.
#[derive(Debug, Default)]
pub struct Readiness(AtomicBool);

impl Readiness {
    /// From now on.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::SeqCst);
    }
}

/// The routes.
pub fn routes(readiness: Arc<Readiness>, reloads: Arc<Reloads>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state((readiness, reloads))
}

async fn ready(State((readiness, reloads)): State<(Arc<Readiness>, Arc<Reloads>)>) -> (StatusCode, &'static str) {
    if readiness.0.load(Ordering::SeqCst) {
        match reloads.refused() {
            None => (StatusCode::OK, "ready\n"),
            // It works on: whoever restarts it for that would be left without any config.
            Some(_) => (
                StatusCode::OK,
                "ready\nthe config file is refused: the config before it stays in force; the log says why\n",
            ),
        }
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready: starting or stopping\n")
    }
}
