//! `/e/REF`: one entity of the catalog; and the type-ahead over all of them.

use askama::Template;
use axum::extract::Path;

use super::chart::{Chart, charts};
use super::fields::query;
use super::frame::{Asked, Frame, Page, page_of};
use super::integration::astray;
use super::words::{Moment, segment};
use crate::commands::entity::EntityDetail;
use crate::commands::request::{Answer, Request};
use crate::commands::weeks::Week;

#[derive(Template)]
#[template(path = "entity.html")]
struct EntityPage {
    f: Frame,
    /// Path of the integration.
    at: String,
    e: EntityDetail,
    name: String,
    type_: Option<String>,
    links: Vec<Link>,
    relations: Vec<Relation>,
    charts: Vec<Chart>,
    weeks: Vec<Week>,
    lines: Vec<Line>,
}

struct Link {
    full_name: String,
    href: String,
    id: String,
    status: String,
    at: Moment,
    by: String,
    is_missing: bool,
}

struct Relation {
    how: String,
    entity: String,
    href: Option<String>,
}

/// A line of the file.
struct Line {
    number: usize,
    text: String,
    /// Path of the field an import wrote there; empty: none.
    field: String,
    is_ours: bool,
}

pub(super) async fn show(asked: Asked, Path(entity): Path<String>) -> Page {
    let integration = asked.query.one("i").map(str::to_owned);
    let Answer::Entity(e) = asked.ask(Request::EntityShow { entity, integration }).await? else {
        return Err(asked.trouble(astray()));
    };
    let e = *e;
    let mut charts_of = Vec::new();
    let mut weeks = Vec::new();
    if let Some(link) = e.links.first() {
        let request = Request::ActivityWeeks {
            repository: link.repository.id.clone(),
            integration: Some(link.integration.clone()),
        };
        let Answer::Weeks(activity) = asked.ask(request).await? else { return Err(asked.trouble(astray())) };
        charts_of = charts(&activity);
        weeks = activity.weeks;
    }
    let links = e.links.iter().map(|link| Link {
        full_name: link.repository.full_name.clone(),
        href: asked.repository_path(&link.repository.id, &link.integration),
        id: link.repository.id.clone(),
        status: link.status.clone(),
        at: Moment::new(asked.now(), link.imported_at),
        by: link.imported_by.clone(),
        is_missing: link.link_state != "active",
    });
    let relations = e.relations.iter().map(|one| Relation {
        how: in_words(&one.how),
        entity: one.named.clone(),
        href: one.entity.as_deref().map(|entity| asked.entity_path(entity, &e.integration)),
    });
    let name = e.title.clone().unwrap_or_else(|| e.entity.rsplit('/').next().unwrap_or_default().to_owned());
    Ok(page_of(&EntityPage {
        f: asked.frame(name.clone(), "integrations"),
        at: asked.integration_path(&e.integration),
        links: links.collect(),
        relations: relations.collect(),
        charts: charts_of,
        weeks,
        lines: lines(&e),
        name,
        type_: e.r#type.clone(),
        e,
    }))
}

/// `dependsOn` → `depends on`.
fn in_words(name: &str) -> String {
    let mut words = String::new();
    for c in name.chars() {
        if c.is_uppercase() {
            words.push(' ');
        }
        words.extend(c.to_lowercase());
    }
    words
}

fn lines(e: &EntityDetail) -> Vec<Line> {
    let Some(text) = &e.text else { return Vec::new() };
    let line = |(at, text): (usize, &str)| {
        let number = e.first_line + at;
        let field = e.ours.iter().find(|ours| (ours.first..=ours.last).contains(&number));
        Line {
            number,
            text: text.to_owned(),
            is_ours: field.is_some(),
            field: field.map(|ours| ours.field.clone()).unwrap_or_default(),
        }
    };
    text.trim_end().lines().enumerate().map(line).collect()
}

#[derive(Template)]
#[template(path = "options.html")]
struct Options {
    options: Vec<Choice>,
    is_asked: bool,
    tag: String,
}

struct Choice {
    entity: String,
    about: String,
}

/// The type-ahead: entities whose name holds what was typed.
pub(super) async fn options(asked: Asked, Path(name): Path<String>) -> Page {
    let text = asked.query.trimmed("q").or_else(|| asked.query.trimmed("into")).unwrap_or_default();
    let mut options = Vec::new();
    if !text.is_empty() {
        let request = Request::EntitySearch { integration: name.clone(), text: text.clone() };
        let Answer::Entities(found) = asked.ask(request).await? else { return Err(asked.trouble(astray())) };
        options.extend(found.into_iter().map(|found| Choice {
            about: match found.linked.is_empty() {
                true => String::new(),
                false => format!("linked to {}", found.linked.join(", ")),
            },
            entity: found.entity,
        }));
    }
    let tag = segment(&query([("o", text.as_str())])).replace('%', "");
    Ok(page_of(&Options { options, is_asked: !text.is_empty(), tag }))
}
