//! The few files of the pages, in the binary. Their addresses change with their content, so that a browser keeps them
//! for good; they are open to everybody: the login page needs them.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

struct Asset {
    /// As templates name it.
    name: &'static str,
    /// `style-1f3a….css`.
    address: String,
    kind: &'static str,
    bytes: &'static [u8],
}

static ASSETS: LazyLock<[Asset; 4]> = LazyLock::new(|| {
    let asset = |name: &'static str, kind, bytes: &'static [u8]| {
        let digest = hex::encode(&Sha256::digest(bytes)[..8]);
        let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
        Asset { name, address: format!("{stem}-{digest}.{ending}"), kind, bytes }
    };
    [
        asset("style.css", "text/css; charset=utf-8", include_bytes!("../../../assets/style.css")),
        asset("ui.js", "text/javascript; charset=utf-8", include_bytes!("../../../assets/ui.js")),
        // htmx 2.0.11, the file `dist/htmx.min.js` of the npm package `htmx.org`, as it is.
        asset("htmx.js", "text/javascript; charset=utf-8", include_bytes!("../../../assets/htmx-2.0.11.min.js")),
        asset("icon.svg", "image/svg+xml", include_bytes!("../../../assets/icon.svg")),
    ]
});

/// Where a file is served, from the root.
pub fn address(name: &str) -> String {
    match ASSETS.iter().find(|asset| asset.name == name) {
        Some(asset) => format!("/assets/{}", asset.address),
        None => String::new(),
    }
}

/// The files, for everybody.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/assets/{file}", get(file)).route(
        "/favicon.ico",
        // Browsers ask for it on pages that name no other.
        get(async || file(Path(address("icon.svg").trim_start_matches("/assets/").to_owned())).await),
    )
}

async fn file(Path(file): Path<String>) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.address == file) else {
        return (StatusCode::NOT_FOUND, "no such file\n").into_response();
    };
    let mut response = asset.bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
