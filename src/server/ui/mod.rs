//! The pages: rendered here, without script for everything but live progress. They decide nothing: each is the answer
//! to a [`Request`](crate::commands::request::Request) that [`execute`](crate::commands::execute) carries out for the
//! caller, and each form becomes one.
//!
//! `templates/` has what they look like, `assets/` the stylesheet and the scripts; every value in a template passes
//! [`escape::Shown`]. Without the right to change things nobody is shown a button that does; the command would refuse
//! it anyway.

mod api;
mod assets;
mod audit;
mod cards;
mod chart;
mod configuration;
mod discovered;
mod draft;
mod entity;
pub mod escape;
mod explaining;
mod fields;
mod frame;
mod imported;
mod importing;
mod integration;
mod rules;
mod syncs;
mod undoing;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::routing::{MethodRouter, any, get, post};

use super::Commands;

pub use self::assets::{address as asset_address, routes as asset_routes};

/// What the pages need.
struct Ui {
    commands: Arc<dyn Commands>,
}

/// What answers where there is nothing: a page with the way on, and to programs a problem.
pub fn missing(commands: Arc<dyn Commands>) -> MethodRouter {
    any(frame::missing).with_state(Arc::new(Ui { commands }))
}

/// Pages for whoever is known: every request bears its `Caller`.
pub fn routes(commands: Arc<dyn Commands>) -> Router {
    Router::new()
        .route("/", get(cards::show))
        .route("/api", get(api::show).fallback(crate::server::api::only_get))
        .route("/audit", get(audit::show))
        .route("/new", get(draft::form).post(draft::check))
        .route("/new/write", post(draft::write))
        .route("/i/{name}", get(integration::enter))
        .route("/i/{name}/discovered", get(discovered::show))
        .route("/i/{name}/discovered/preview", post(importing::preview))
        .route("/i/{name}/discovered/import", post(importing::import))
        .route("/i/{name}/discovered/compare", post(importing::compare))
        .route("/i/{name}/discovered/ignore", post(discovered::ignore))
        .route("/i/{name}/discovered/restore", post(discovered::restore))
        .route("/i/{name}/imports/{id}", get(importing::watch))
        .route("/i/{name}/imported", get(imported::show))
        .route("/i/{name}/imported/unlink", post(imported::unlink))
        .route("/i/{name}/imported/undo", post(undoing::undo))
        .route("/i/{name}/syncs", get(syncs::list))
        .route("/i/{name}/syncs/{id}", get(syncs::show))
        .route("/i/{name}/syncs/{id}/approve", get(syncs::ask_approve).post(syncs::approve))
        .route("/i/{name}/syncs/{id}/cancel", post(syncs::cancel))
        .route("/i/{name}/sync", post(syncs::start))
        .route("/i/{name}/rules", get(rules::show))
        .route("/i/{name}/rules/preview", post(rules::preview))
        .route("/i/{name}/rules/write", post(rules::write))
        .route("/i/{name}/configuration", get(configuration::show))
        .route("/i/{name}/suspend", get(integration::ask_suspend).post(integration::suspend))
        .route("/i/{name}/resume", post(integration::resume))
        .route("/i/{name}/auto-import", post(integration::auto_import))
        .route("/i/{name}/delete", get(integration::ask_delete).post(integration::delete))
        .route("/i/{name}/entities", get(entity::options))
        .route("/r/{id}", get(explaining::show))
        .route("/e/{*entity}", get(entity::show))
        .with_state(Arc::new(Ui { commands }))
}
