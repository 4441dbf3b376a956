//! `/api`: what programs can ask, for people.

use askama::Template;

use super::frame::{Asked, Frame, Page, page_of};
use crate::server::api::page::{Section, sections};
use crate::server::api::{BASE, OPENAPI};

#[derive(Template)]
#[template(path = "api.html")]
struct Api {
    f: Frame,
    /// Where the API is, as whoever reads this reaches it.
    address: String,
    base: &'static str,
    openapi: String,
    sections: Vec<Section>,
}

pub(super) async fn show(asked: Asked) -> Page {
    Ok(page_of(&Api {
        f: asked.frame("API", "api"),
        address: format!("{}{BASE}", asked.origin()),
        base: BASE,
        openapi: format!("{}{OPENAPI}", asked.base),
        sections: sections(),
    }))
}
