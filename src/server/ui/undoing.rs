//! Imports taken back: first what would change, then the change (P4.11).

use askama::Template;
use axum::body::Bytes;
use axum::extract::Path;

use super::fields::Fields;
use super::frame::{Asked, Frame, Page, page_of, sentence};
use super::importing::{File, file};
use super::integration::{Head, astray, open};
use super::words::{Chip, count};
use crate::commands::Failure;
use crate::commands::answer::{RowResult, UndoChange, UndoReport, UndoRow};
use crate::commands::request::{Answer, Request, UndoSelection};

/// Of many rows, so many are shown; the rest is counted.
const SHOWN: usize = 500;

#[derive(Template)]
#[template(path = "undo.html")]
struct Undo {
    f: Frame,
    h: Head,
    is_preview: bool,
    words: String,
    rows: Vec<Row>,
    more: usize,
    is_open: bool,
    /// Imports to be taken back whole.
    ids: Vec<String>,
    /// Repositories whose last import is.
    repositories: Vec<String>,
    can: bool,
}

struct Row {
    full_name: String,
    href: String,
    entity: String,
    entity_href: String,
    result: Chip,
    what: &'static str,
    reason: Option<String>,
    /// Fields that stay as others left them.
    left: Vec<(String, String)>,
    files: Vec<File>,
}

pub(super) async fn undo(asked: Asked, Path(name): Path<String>, body: Bytes) -> Page {
    asked.wants_edit()?;
    let (f, h) = open(&asked, &name, "imported").await?;
    let fields = Fields::parse(&body);
    let ids: Vec<String> = fields.all("import").map(str::to_owned).collect();
    let repositories = fields.repositories();
    if ids.is_empty() && repositories.is_empty() {
        return Err(asked.trouble(Failure::refused("nothing is selected", "go back, and select repositories first")));
    }
    let is_preview = !fields.has("sure");
    let request = Request::ImportedUndo {
        which: match ids.is_empty() {
            // Those that were selected, whatever else came in with them.
            true => UndoSelection::Repositories { repositories: repositories.clone() },
            false => UndoSelection::Imports { ids: ids.clone() },
        },
        integration: Some(h.name.clone()),
        dry_run: is_preview,
    };
    let Answer::Undone(report) = asked.carry_out(request).await? else { return Err(asked.trouble(astray())) };
    Ok(page_of(&Undo {
        f,
        words: words(&report),
        rows: report.rows.iter().take(SHOWN).map(|row| shown(&asked, &h, row, is_preview)).collect(),
        more: report.rows.len().saturating_sub(SHOWN),
        is_open: report.rows.len() <= 3,
        can: report.rows.iter().any(|row| row.change.is_some()),
        is_preview,
        ids,
        repositories,
        h,
    }))
}

fn words(report: &UndoReport) -> String {
    let done = report.rows.iter().filter(|row| matches!(row.result, RowResult::Done | RowResult::Unchanged)).count();
    let imports = format!("The import of {}", count(done as u64, "repository", "repositories"));
    let left = report.rows.iter().filter(|row| !row.left.is_empty()).count() as u64;
    let theirs = match left {
        0 => String::new(),
        left => {
            format!(" In {}, fields that others changed since stay as they are.", count(left, "entity", "entities"))
        }
    };
    match report.dry_run {
        true => format!("{imports} would be taken back, nothing else. Nothing has been written.{theirs}"),
        false => format!("{imports} was taken back; it waits under Discovered again.{theirs}"),
    }
}

fn shown(asked: &Asked, h: &Head, row: &UndoRow, is_preview: bool) -> Row {
    Row {
        full_name: row.repository.full_name.clone(),
        href: asked.repository_path(&row.repository.id, &h.name),
        entity: row.entity.clone(),
        entity_href: asked.entity_path(&row.entity, &h.name),
        result: Chip::result(row.result, is_preview),
        what: match row.change {
            Some(UndoChange::Restore) => "fields get back what they said before",
            Some(UndoChange::Remove) => "its file, made by the import, is taken away",
            Some(UndoChange::Unlink) => "only the link ends",
            None => "",
        },
        reason: row.reason.clone().map(sentence),
        left: row.left.iter().map(|left| (left.field.clone(), left.reason.clone())).collect(),
        files: row.files.iter().map(file).collect(),
    }
}
