//! `/i/NAME/imported`: what is linked, unlink, undo.

use askama::Template;
use askama::filters::Safe;
use axum::body::Bytes;
use axum::extract::Path;

use super::escape::exact;
use super::fields::{Fields, query, with_query};
use super::frame::{Asked, Frame, Page, page_of};
use super::integration::{Confirm, Head, astray, open, points};
use super::words::{Chip, Moment, count, outside, thousands};
use crate::commands::answer::ImportedRow;
use crate::commands::request::{Answer, ImportedFilter, Paging, Request};

/// Rows of a page.
const ROWS: usize = 100;

struct Query {
    search: String,
    cursor: Option<String>,
    /// How many rows come before the page: only told.
    from: u64,
    text: String,
}

#[derive(Template)]
#[template(path = "imported.html")]
struct Imported {
    f: Frame,
    h: Head,
    query: Query,
    searched: Safe<String>,
    rows: Vec<Row>,
    range_words: String,
    before: Option<String>,
    after: Option<String>,
}

struct Row {
    id: String,
    full_name: String,
    href: String,
    out: Option<String>,
    word: &'static str,
    state: Option<Chip>,
    entity: String,
    entity_href: String,
    entity_id: String,
    kind: String,
    type_: String,
    scope: String,
    at: Moment,
    by: String,
}

pub(super) async fn show(asked: Asked, Path(name): Path<String>) -> Page {
    let (f, h) = open(&asked, &name, "imported").await?;
    let search = asked.query.trimmed("q").unwrap_or_default();
    let query = Query {
        text: query([("q", search.as_str())]),
        cursor: asked.query.trimmed("cursor"),
        from: asked.query.one("from").and_then(|from| from.parse::<u64>().ok()).unwrap_or(1).max(1) - 1,
        search,
    };
    let filter = ImportedFilter {
        integration: Some(h.name.clone()),
        search: Some(query.search.clone()).filter(|search| !search.is_empty()),
        ..ImportedFilter::default()
    };
    let paging = Paging { cursor: query.cursor.clone(), limit: ROWS, ..Paging::default() };
    let Answer::ImportedPage(page) = asked.ask(Request::ImportedPage { filter, paging }).await? else {
        return Err(asked.trouble(astray()));
    };
    let rows: Vec<Row> = page.rows.iter().map(|row| shown(&asked, row)).collect();
    let last = query.from + rows.len() as u64;
    let path = format!("{}/imported", h.at);
    let after = page.next.as_deref().map(|cursor| {
        let from = (last + 1).to_string();
        with_query(&path, &super::fields::query([("q", query.search.as_str()), ("cursor", cursor), ("from", &from)]))
    });
    let range_words = match page.total {
        0 => String::new(),
        total => format!("{} to {} of {}", thousands(query.from + 1), thousands(last), thousands(total)),
    };
    let before = (query.from > 0).then(|| with_query(&path, &query.text));
    let searched = exact(&query.search);
    Ok(page_of(&Imported { f, rows, range_words, before, after, query, searched, h }))
}

fn shown(asked: &Asked, row: &ImportedRow) -> Row {
    let state = match (row.link_state.as_str(), row.repository_state.as_str()) {
        ("active", "present") => None,
        ("active", state) => Some(Chip::new(state, "look", "look")),
        _ => Some(Chip::new("entity missing", "bad", "bad")),
    };
    Row {
        id: row.repository.id.clone(),
        full_name: row.repository.full_name.clone(),
        href: asked.repository_path(&row.repository.id, &row.integration),
        out: outside(&row.repository.url),
        word: if row.status == "registered" { "registered" } else { "merged" },
        state,
        entity: row.entity.clone(),
        entity_href: asked.entity_path(&row.entity, &row.integration),
        // Most catalogs have no id beside the name.
        entity_id: if row.entity_id == row.entity { String::new() } else { row.entity_id.clone() },
        kind: row.kind.clone(),
        type_: row.r#type.clone().unwrap_or_default(),
        scope: row.scope.clone(),
        at: Moment::new(asked.now(), row.imported_at),
        by: row.imported_by.clone(),
    }
}

pub(super) async fn unlink(asked: Asked, Path(name): Path<String>, body: Bytes) -> Page {
    asked.wants_edit()?;
    let fields = Fields::parse(&body);
    let repositories = fields.repositories();
    let at = asked.integration_path(&name);
    if !fields.has("sure") {
        let mut hidden: Vec<(&'static str, String)> =
            repositories.iter().map(|id| ("repository", id.clone())).collect();
        hidden.push(("sure", "yes".to_owned()));
        return Ok(page_of(&Confirm {
            f: asked.frame("Unlink", "integrations"),
            question: format!("Unlink {}?", count(repositories.len() as u64, "repository", "repositories")),
            lines: vec!["The sync of these links ends. Entities and their data stay as they are, and auto-import does not bring the links back.".to_owned()],
            points: points(&fields.names()),
            action: format!("{at}/imported/unlink"),
            fields: hidden,
            wants_reason: false,
            typed: None,
            back: format!("{at}/imported"),
            verb: "Unlink".to_owned(),
            tone: "danger",
        }));
    }
    let request = Request::ImportedUnlink { repositories: repositories.clone(), integration: Some(name) };
    asked.carry_out(request).await?;
    Ok(asked.to(&format!("{at}/imported"), &format!("done=unlinked-{}", repositories.len())))
}
