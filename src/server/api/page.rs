//! The API as people read it, made of the table; the pages show it.

use super::{openapi, route::Route};

/// Routes about one thing.
pub struct Section {
    /// What about.
    pub tag: &'static str,
    /// In the order of the table.
    pub routes: Vec<Described>,
}

/// One route.
pub struct Described {
    /// GET, POST, …
    pub method: String,
    /// Behind the base.
    pub path: &'static str,
    /// What it does.
    pub summary: Vec<Part>,
    /// What else there is to know.
    pub more: Vec<Part>,
}

/// A part of a sentence.
pub struct Part {
    /// Whether it stood between backticks.
    pub is_code: bool,
    /// The words.
    pub text: String,
}

/// Every route there is.
pub fn sections() -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for route in super::table() {
        let Route { tag, path, summary, .. } = route;
        let described = Described {
            method: route.method.to_string(),
            path,
            summary: parts(summary),
            more: parts(&openapi::description(&route)),
        };
        match sections.last_mut().filter(|section| section.tag == tag) {
            Some(section) => section.routes.push(described),
            None => sections.push(Section { tag, routes: vec![described] }),
        }
    }
    sections
}

/// A sentence of ours, in which code stands between backticks.
fn parts(text: &str) -> Vec<Part> {
    let parts = text.split('`').enumerate();
    parts
        .map(|(at, part)| Part { is_code: at % 2 == 1, text: part.to_owned() })
        .filter(|part| !part.text.is_empty())
        .collect()
}
