//! What an undo took back or would take back: a row an import and entity, what stays as others wrote it, and the diffs of
//! a dry run.

use crate::cli::output::{Screen, Styled, Tone};
use crate::commands::answer::{RowResult, UndoChange, UndoReport, UndoRow};
use crate::error::escape_control;

pub(super) fn undo(screen: &Screen, report: &UndoReport) -> String {
    if report.rows.is_empty() {
        return "nothing to undo".to_owned();
    }
    let mut text = screen.table(
        ["REPOSITORY", "ENTITY", "RESULT", "FILES", "REASON"],
        report.rows.iter().map(|row| {
            let tone = match row.result {
                RowResult::Done => Tone::Good,
                RowResult::Unchanged => Tone::Faint,
                RowResult::Held => Tone::Attention,
                RowResult::Failed => Tone::Bad,
            };
            let files: Vec<String> = row.files.iter().map(|file| file.path.display().to_string()).collect();
            [
                row.repository.full_name.clone().into(),
                row.entity.clone().into(),
                Styled::new(result_of(row, report.dry_run), tone),
                files.join(", ").into(),
                row.reason.clone().unwrap_or_default().into(),
            ]
        }),
    );
    for row in report.rows.iter().filter(|row| !row.left.is_empty()) {
        text.push_str(&format!("\n\nleft as it is in {}", escape_control(&row.entity)));
        for left in &row.left {
            text.push_str(&format!("\n  {}: {}", escape_control(&left.field), escape_control(&left.reason)));
        }
    }
    if report.dry_run {
        for file in report.rows.iter().flat_map(|row| &row.files) {
            let lines: Vec<String> = file.diff.lines().map(escape_control).collect();
            text.push_str("\n\n");
            text.push_str(&lines.join("\n"));
        }
    }
    let of = |result| report.rows.iter().filter(|row| row.result == result).count();
    text.push_str(&format!(
        "\n\n{} {}, {} unchanged, {} held, {} failed",
        of(RowResult::Done),
        if report.dry_run { "would be undone" } else { "undone" },
        of(RowResult::Unchanged),
        of(RowResult::Held),
        of(RowResult::Failed)
    ));
    if report.dry_run {
        text.push_str("\nnothing was written");
    } else if of(RowResult::Done) > 0 {
        text.push_str("\nauto-import leaves them alone until you import or restore them: `discovered list`");
    }
    text
}

/// A dry run says what would be done, not that it was.
fn result_of(row: &UndoRow, is_dry: bool) -> String {
    match (row.result, row.change) {
        (RowResult::Done, Some(change)) if is_dry => format!("would {}", change.as_str()),
        (RowResult::Done, Some(UndoChange::Restore)) => "restored".to_owned(),
        (RowResult::Done, Some(UndoChange::Remove)) => "removed".to_owned(),
        (RowResult::Done, Some(UndoChange::Unlink)) => "unlinked".to_owned(),
        (result, _) => result.as_str().to_owned(),
    }
}
