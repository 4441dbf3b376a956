//! The REST API under `/api/v1`: everything the command line can do, with the same objects, on top of the same requests.
//! What it offers is a table of routes (`route::Route`); the router, the OpenAPI document and the page for people are
//! all made of that table, so none of them can tell something else.

mod audit;
mod call;
mod credentials;
mod deliveries;
mod discovered;
mod entities;
mod events;
mod hooks;
mod imported;
mod imports;
mod input;
mod integrations;
mod openapi;
pub mod page;
mod reply;
mod repositories;
mod route;
mod rules;
mod store;
mod syncs;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};

use self::call::Call;
use self::events::Streams;
use self::route::Route;
use super::Commands;
use super::problem::Problem;

/// Where the routes of the table begin.
pub const BASE: &str = "/api/v1";
/// The document that describes them.
pub const OPENAPI: &str = "/api/openapi.json";

/// Every route there is, in the order they are shown.
fn table() -> Vec<Route> {
    let rooms = [
        integrations::routes(),
        syncs::routes(),
        discovered::routes(),
        imports::routes(),
        imported::routes(),
        repositories::routes(),
        entities::routes(),
        rules::routes(),
        hooks::routes(),
        deliveries::routes(),
        credentials::routes(),
        audit::routes(),
        store::routes(),
    ];
    rooms.into_iter().flatten().collect()
}

/// The API, for callers that were recognised.
pub fn routes(commands: Arc<dyn Commands>) -> Router {
    let shared = Arc::new(Shared { commands, streams: Streams::default() });
    let mut by_path: BTreeMap<&'static str, Vec<Route>> = BTreeMap::new();
    let table = table();
    let document = openapi::document(&table).to_string();
    for route in table {
        by_path.entry(route.path).or_default().push(route);
    }
    let mut router = Router::new();
    for (path, routes) in by_path {
        let (routes, shared) = (Arc::new(routes), shared.clone());
        let method = any(move |request: Request| dispatch(routes.clone(), shared.clone(), request));
        router = router.route(&format!("{BASE}{path}"), method);
    }
    let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    router
        .route(OPENAPI, get(async move || (json, document)).fallback(only_get))
        .route("/api/{*rest}", any(nothing_here))
}

/// What all routes share.
struct Shared {
    commands: Arc<dyn Commands>,
    streams: Streams,
}

/// Finds the route of a method on a path.
async fn dispatch(routes: Arc<Vec<Route>>, shared: Arc<Shared>, request: Request) -> Response {
    // A HEAD is a GET whose body is left out by the server below us.
    let wanted = if request.method() == Method::HEAD { Method::GET } else { request.method().clone() };
    let Some(route) = routes.iter().find(|route| route.method == wanted) else {
        let allowed: Vec<&str> = routes.iter().map(|route| route.method.as_str()).collect();
        return method_not_allowed(&allowed.join(", "));
    };
    let carry_out = async {
        let call = Call::read(&shared, request, route).await?;
        (route.handle)(call).await
    };
    let mut response = carry_out.await.unwrap_or_else(IntoResponse::into_response);
    if matches!(response.status(), StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT) {
        // The rest of the body is not read: nothing can follow it on this connection, and the client is told so.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn method_not_allowed(allowed: &str) -> Response {
    let problem =
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this method does nothing here", format!("use {allowed}"));
    let mut response = problem.into_response();
    if let Ok(allowed) = HeaderValue::from_str(allowed) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

/// Of what is only read: any other method is told so, as programs are.
pub(super) async fn only_get() -> Response {
    method_not_allowed("GET")
}

async fn nothing_here() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is nothing at this address", format!("{OPENAPI} lists every route"))
}

#[cfg(test)]
mod tests;
