//! What an import wrote or would write: a row a repository, and the diffs of a dry run.

use crate::cli::output::{Screen, Styled, Tone, or_dash};
use crate::commands::answer::{Change, ImportReport, ImportRow, RowResult};
use crate::error::escape_control;

pub(super) fn import(screen: &Screen, report: &ImportReport) -> String {
    let table = import_rows(screen, &report.rows, report.dry_run);
    let of = |result| report.rows.iter().filter(|row| row.result == result).count() as u64;
    // Linked without a change of the file.
    let is_linked = |row: &&ImportRow| {
        row.result == RowResult::Unchanged && matches!(row.change, Some(Change::Merge | Change::Adopt))
    };
    let linked = report.rows.iter().filter(is_linked).count() as u64;
    let only_linked = match (linked, report.dry_run) {
        (0, _) => String::new(),
        (linked, true) => format!(", {linked} would only be linked"),
        (linked, false) => format!(", {linked} only linked"),
    };
    let counts = format!(
        "{} {}{only_linked}, {} unchanged, {} held, {} failed",
        of(RowResult::Done),
        if report.dry_run { "would be written" } else { "done" },
        of(RowResult::Unchanged) - linked,
        of(RowResult::Held),
        of(RowResult::Failed)
    );
    let id = match (&report.import_id, &report.plan_id) {
        (_, Some(plan)) => format!("\nnothing was written; `discovered import --plan {plan}` writes exactly this"),
        (Some(import), None) => format!("\nimport {import}"),
        (None, None) => String::new(),
    };
    format!("{table}\n\n{counts}{id}")
}

pub(super) fn import_rows(screen: &Screen, rows: &[ImportRow], is_dry: bool) -> String {
    if rows.is_empty() {
        return "nothing to import or update".to_owned();
    }
    let mut text = screen.table(
        ["REPOSITORY", "ACTION", "ENTITY", "RESULT", "FILES", "REASON"],
        rows.iter().map(|row| {
            let tone = match row.result {
                RowResult::Done => Tone::Good,
                RowResult::Unchanged => Tone::Faint,
                RowResult::Held => Tone::Attention,
                RowResult::Failed => Tone::Bad,
            };
            let files: Vec<String> = row.files.iter().map(|file| file.path.display().to_string()).collect();
            [
                row.repository.full_name.clone().into(),
                row.action.as_str().into(),
                or_dash(row.entity.as_deref()).into(),
                Styled::new(result_of(row, is_dry), tone),
                files.join(", ").into(),
                row.reason.clone().unwrap_or_default().into(),
            ]
        }),
    );
    if is_dry {
        for file in rows.iter().flat_map(|row| &row.files) {
            let lines: Vec<String> = file.diff.lines().map(escape_control).collect();
            text.push_str("\n\n");
            text.push_str(&lines.join("\n"));
        }
    }
    text
}

/// A dry run says what would be done, not that it was.
fn result_of(row: &ImportRow, is_dry: bool) -> String {
    let would = match (row.result, row.change) {
        (RowResult::Unchanged, Some(Change::Merge | Change::Adopt)) if !is_dry => return "linked".to_owned(),
        _ if !is_dry => return row.result.as_str().to_owned(),
        (RowResult::Done, Some(change)) => change.as_str(),
        (RowResult::Done, None) => row.action.as_str(),
        (RowResult::Unchanged, Some(Change::Update) | None) => return row.result.as_str().to_owned(),
        // The entity has everything already: only the link is made.
        (RowResult::Unchanged, Some(_)) => "link",
        (RowResult::Held, _) => "hold",
        (RowResult::Failed, _) => "fail",
    };
    format!("would {would}")
}
