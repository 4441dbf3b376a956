//! Preview and import of what was chosen: nothing is written until somebody has seen each file's diff.

use std::collections::BTreeMap;

use askama::Template;
use axum::body::Bytes;
use axum::extract::Path;

use super::discovered::Query;
use super::fields::{Fields, with_query};
use super::frame::{Asked, Frame, Page, as_on_pages, page_of, sentence};
use super::integration::{Head, astray, open};
use super::words::{Chip, count, segment, thousands};
use crate::commands::Failure;
use crate::commands::answer::{ChangedFile, ImportReport, ImportRow, RowResult};
use crate::commands::jobs::{self, JobState};
use crate::commands::request::{Answer, ImportOptions, Request, Selection};
use crate::model::Action;

/// Of many rows, so many are shown; the rest is counted.
const SHOWN: usize = 500;
/// Diffs of so few rows are open.
const OPEN: usize = 10;

/// One repository of an import.
pub(super) struct Row {
    id: String,
    href: String,
    full_name: String,
    entity: String,
    entity_href: String,
    word: &'static str,
    result: Chip,
    reason: Option<String>,
    files: Vec<File>,
}

/// A changed file.
pub(super) struct File {
    pub(super) path: String,
    pub(super) lines: Vec<Line>,
}

/// A line of a diff.
pub(super) struct Line {
    pub(super) is: &'static str,
    pub(super) text: String,
}

#[derive(Template)]
#[template(path = "preview.html")]
struct Preview {
    f: Frame,
    h: Head,
    words: String,
    bar: String,
    rows: Vec<Row>,
    is_open: bool,
    more: Option<String>,
    plan: Option<String>,
    count: String,
    back: String,
    back_query: String,
}

#[derive(Template)]
#[template(path = "imports.html")]
struct Imports {
    f: Frame,
    h: Head,
    /// Its own address: while it runs, it is looked at again and again.
    here: String,
    is_running: bool,
    done: u64,
    total: u64,
    words: String,
    failure: Option<String>,
    /// Ids of those that failed, to be tried again.
    failed: Vec<String>,
    rows: Vec<Row>,
    is_open: bool,
    more: Option<String>,
    undo: Option<String>,
    back: String,
    back_query: String,
}

#[derive(Template)]
#[template(path = "rivals.html")]
struct Rivals {
    f: Frame,
    h: Head,
    entity: String,
    rivals: Vec<Row>,
}

/// Shows what an import would change, and keeps the plan.
pub(super) async fn preview(asked: Asked, Path(name): Path<String>, body: Bytes) -> Page {
    asked.wants_edit()?;
    let (f, h) = open(&asked, &name, "discovered").await?;
    let fields = Fields::parse(&body);
    let query = Query::of(&Fields::parse(fields.one("back").unwrap_or_default().as_bytes()));
    let selection = if fields.has("all") {
        Selection::Matching(query.filter(&h.name))
    } else {
        let (repositories, versions) = (fields.repositories(), fields.versions());
        Selection::Named { repositories, integration: Some(h.name.clone()), versions }
    };
    if matches!(&selection, Selection::Named { repositories, .. } if repositories.is_empty()) {
        return Err(asked.trouble(Failure::refused("nothing is selected", "go back, and select repositories first")));
    }
    let options = ImportOptions {
        into: fields.trimmed("into"),
        kind: fields.trimmed("kind"),
        r#type: fields.trimmed("type"),
        as_new: fields.has("as_new"),
        dry_run: true,
    };
    let Answer::Imported(report) = asked.carry_out(Request::DiscoveredImport { selection, options }).await? else {
        return Err(asked.trouble(astray()));
    };
    let (words, number) = sum_up(&report);
    let back = with_query(&format!("{}/discovered", h.at), &query.text);
    Ok(page_of(&Preview {
        f,
        bar: words.clone(),
        words,
        more: more(&report),
        is_open: report.rows.len() <= OPEN,
        rows: rows(&asked, &h, &report),
        plan: report.plan_id.filter(|_| number > 0),
        count: thousands(number),
        back,
        back_query: query.text,
        h,
    }))
}

/// Begins to write exactly what the preview showed; it goes on whoever looks.
pub(super) async fn import(asked: Asked, Path(name): Path<String>, body: Bytes) -> Page {
    asked.wants_edit()?;
    let (_, h) = open(&asked, &name, "discovered").await?;
    let fields = Fields::parse(&body);
    let id = fields.trimmed("plan").unwrap_or_default();
    let list = Query::of(&Fields::parse(fields.one("back").unwrap_or_default().as_bytes()));
    let begun = jobs::begin(&asked.app, Selection::Plan { id }, ImportOptions::default());
    let (job, work) = begun.map_err(|failure| asked.trouble(failure))?;
    asked.spawn(work);
    Ok(asked
        .to(&format!("{}/imports/{}", h.at, segment(&job.id)), &super::fields::query([("back", list.text.as_str())])))
}

/// An import as it stands: rows report one by one.
pub(super) async fn watch(asked: Asked, Path((name, id)): Path<(String, String)>) -> Page {
    let list = Query::of(&Fields::parse(asked.query.one("back").unwrap_or_default().as_bytes()));
    let Some(job) = asked.app.jobs.job(&id, &asked.app.caller) else {
        return Err(asked.trouble(Failure::unknown(
            format!("the import {id} is not remembered any more"),
            "what it imported is under Imported, and the audit says who did it",
        )));
    };
    let report = job.report(0, usize::MAX);
    // Counted behind it: when it has ended, the tabs tell what came of it.
    let (f, h) = open(&asked, &name, "discovered").await?;
    let is_running = report.state == JobState::Running;
    let as_import =
        ImportReport { import_id: Some(report.import_id), plan_id: None, dry_run: false, rows: report.rows };
    let (words, number) = sum_up(&as_import);
    let failed: Vec<String> = as_import
        .rows
        .iter()
        .filter(|row| row.result == RowResult::Failed)
        .map(|row| row.repository.id.clone())
        .collect();
    Ok(page_of(&Imports {
        f,
        here: with_query(
            &format!("{}/imports/{}", h.at, segment(&id)),
            &super::fields::query([("back", list.text.as_str())]),
        ),
        is_running,
        done: report.done,
        total: report.total,
        words: match is_running {
            true if report.total == 0 => "Reading the catalog …".to_owned(),
            true => {
                format!("{} of {} done. You may leave: it goes on.", thousands(report.done), thousands(report.total))
            }
            false => words,
        },
        failure: report.failure.map(sentence),
        failed: if is_running { Vec::new() } else { failed },
        more: more(&as_import),
        is_open: as_import.rows.len() <= OPEN,
        rows: rows(&asked, &h, &as_import),
        undo: as_import.import_id.filter(|_| number > 0 && !is_running),
        back_query: list.text.clone(),
        back: with_query(&format!("{}/discovered", h.at), &list.text),
        h,
    }))
}

/// What each of several repositories would write into one entity, side by side (P3.7).
pub(super) async fn compare(asked: Asked, Path(name): Path<String>, body: Bytes) -> Page {
    asked.wants_edit()?;
    let (f, h) = open(&asked, &name, "discovered").await?;
    let fields = Fields::parse(&body);
    let entity = fields.trimmed("entity").unwrap_or_default();
    let mut rivals = Vec::new();
    for repository in fields.all("repository").take(8) {
        let selection = Selection::Named {
            repositories: vec![repository.to_owned()],
            integration: Some(h.name.clone()),
            versions: BTreeMap::new(),
        };
        let options = ImportOptions { into: Some(entity.clone()), dry_run: true, ..ImportOptions::default() };
        let Answer::Imported(report) = asked.carry_out(Request::DiscoveredImport { selection, options }).await? else {
            return Err(asked.trouble(astray()));
        };
        rivals.extend(rows(&asked, &h, &report));
    }
    Ok(page_of(&Rivals { f, h, entity, rivals }))
}

fn rows(asked: &Asked, h: &Head, report: &ImportReport) -> Vec<Row> {
    // What needs somebody comes first.
    let mut rows: Vec<&ImportRow> = report.rows.iter().collect();
    rows.sort_by_key(|row| match row.result {
        RowResult::Failed => 0,
        RowResult::Held => 1,
        RowResult::Done => 2,
        RowResult::Unchanged => 3,
    });
    rows.into_iter().take(SHOWN).map(|row| shown(asked, h, row, report.dry_run)).collect()
}

fn shown(asked: &Asked, h: &Head, row: &ImportRow, is_preview: bool) -> Row {
    let entity = row.entity.clone().unwrap_or_default();
    Row {
        id: row.repository.id.clone(),
        href: asked.repository_path(&row.repository.id, &h.name),
        full_name: row.repository.full_name.clone(),
        entity_href: asked.entity_path(&entity, &h.name),
        entity,
        word: row.action.as_str(),
        result: Chip::result(row.result, is_preview),
        reason: row.reason.as_deref().map(as_on_pages).map(sentence),
        files: row.files.iter().map(file).collect(),
    }
}

pub(super) fn file(file: &ChangedFile) -> File {
    File { path: file.path.display().to_string(), lines: diff(&file.diff) }
}

/// A unified diff, a line each with what it is.
pub(super) fn diff(text: &str) -> Vec<Line> {
    let line = |text: &str| {
        let is = match text.as_bytes().first() {
            Some(b'@') => "at",
            Some(b'+') => "add",
            Some(b'-') => "del",
            _ => "",
        };
        Line { is, text: text.to_owned() }
    };
    // The two lines that name the file say nothing beside its name.
    text.lines().filter(|line| !line.starts_with("+++ ") && !line.starts_with("--- ")).map(line).collect()
}

/// In words, and how many would be, or were, written.
fn sum_up(report: &ImportReport) -> (String, u64) {
    let number = |result: RowResult, action: Option<Action>| {
        let of_it = report.rows.iter().filter(|row| row.result == result);
        of_it.filter(|row| action.is_none_or(|action| action == row.action)).count() as u64
    };
    let (registered, merged) =
        (number(RowResult::Done, Some(Action::Register)), number(RowResult::Done, Some(Action::Merge)));
    let linked =
        report.rows.iter().filter(|row| row.result == RowResult::Unchanged && row.change.is_some()).count() as u64;
    let mut words = Vec::new();
    let mut add = |number: u64, text: String| {
        if number > 0 {
            words.push(text);
        }
    };
    let (register, merge) = if report.dry_run { ("register", "merge") } else { ("registered", "merged") };
    add(registered, format!("{register} {}", thousands(registered)));
    add(merged, format!("{merge} {}", thousands(merged)));
    add(
        linked,
        format!("link {} that {} everything already", thousands(linked), if linked == 1 { "has" } else { "have" }),
    );
    let held = number(RowResult::Held, None);
    add(held, format!("leave {}", count(held, "that needs you", "that need you")));
    let failed = number(RowResult::Failed, None);
    add(failed, format!("{} failed", thousands(failed)));
    let words = if words.is_empty() { "nothing to do".to_owned() } else { words.join(", ") };
    (format!("{}.", sentence(words)), registered + merged + linked)
}

fn more(report: &ImportReport) -> Option<String> {
    match report.rows.len().saturating_sub(SHOWN) {
        0 => None,
        more => Some(format!("and {} more that are not shown here.", thousands(more as u64))),
    }
}
