//! Integrations: their state and switches, and what deleting one loses.

use super::sync::{sync, tone_of};
use crate::cli::output::{Screen, Styled, Tone, count, minute, or_dash};
use crate::commands::answer::{Deletion, IntegrationRow};
use crate::error::escape_control;
use crate::model::Outcome;

/// What a list says of which the token sees nothing, or that is empty: the other end does not tell which.
pub fn none_to_be_seen() -> String {
    "no integration to be seen with this token".to_owned()
}

pub(super) fn integrations(screen: &Screen, rows: &[IntegrationRow]) -> String {
    if rows.is_empty() {
        return "the config has no integration".to_owned();
    }
    let table = screen.table_of(
        [
            "INTEGRATION",
            "STATE",
            "WORKSPACE",
            "CATALOG",
            "SCHEDULE",
            "NEXT RUN (UTC)",
            "AUTO-IMPORT",
            "REPOSITORIES",
            "IMPORTED",
            "LAST SYNC (UTC)",
            "OUTCOME",
        ],
        &["WORKSPACE", "CATALOG", "AUTO-IMPORT", "LAST SYNC (UTC)", "SCHEDULE", "IMPORTED"],
        rows.iter().map(|row| {
            let tone = if row.state == "active" { Tone::Good } else { Tone::Attention };
            let outcome = row.last_sync.as_ref().map(|sync| sync.outcome);
            [
                row.name.clone().into(),
                Styled::new(row.state.clone(), tone),
                row.workspace.clone().into(),
                row.catalog.clone().into(),
                row.schedule.clone().into(),
                or_dash(row.next_run.map(minute)).into(),
                auto_import(row).into(),
                row.repositories.to_string().into(),
                row.imported.to_string().into(),
                or_dash(row.last_sync.as_ref().map(|sync| minute(sync.started_at))).into(),
                Styled::new(or_dash(outcome.map(Outcome::as_str)), outcome.map_or(Tone::Faint, tone_of)),
            ]
        }),
    );
    if rows.iter().any(|row| row.state == ORPHANED) {
        return format!("{table}\n\n{}", what_orphaned_means(rows));
    }
    table
}

/// `integration show`: all that is known of it, a line each.
pub fn integration(screen: &Screen, row: &IntegrationRow) -> String {
    let mut text = vec![
        ("integration", row.name.clone()),
        ("state", row.state.clone()),
        ("workspace", row.workspace.clone()),
        ("connector", or_dash(row.connector.as_deref())),
        ("catalog", row.catalog.clone()),
        ("rules", or_dash(row.rules.as_deref())),
        ("kinds", if row.kinds.is_empty() { "none".to_owned() } else { row.kinds.join(", ") }),
        ("schedule", row.schedule.clone()),
        ("next run", or_dash(row.next_run.map(minute))),
        ("auto-import", auto_import(row)),
        ("repositories", format!("{}, {} imported", row.repositories, row.imported)),
    ];
    if row.state == ORPHANED {
        text.retain(|(label, _)| !["connector", "rules", "kinds", "next run", "auto-import"].contains(label));
    }
    let lines = text.iter().map(|(label, value)| format!("{label:<14} {}", escape_control(value)));
    let last = match &row.last_sync {
        Some(record) => format!("last sync:\n{}", sync(screen, record)),
        None => "no sync yet: `catalog-sync sync now`".to_owned(),
    };
    let mut parts = vec![lines.collect::<Vec<_>>().join("\n"), last];
    parts.extend((row.state == ORPHANED).then(|| what_orphaned_means(std::slice::from_ref(row))));
    parts.join("\n\n")
}

fn auto_import(row: &IntegrationRow) -> String {
    if row.auto_import == row.auto_import_in_file {
        on_or_off(row.auto_import).to_owned()
    } else {
        format!("{} by hand (file: {})", on_or_off(row.auto_import), on_or_off(row.auto_import_in_file))
    }
}

fn on_or_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// State of an integration that left the config.
const ORPHANED: &str = "orphaned";

fn what_orphaned_means(orphans: &[IntegrationRow]) -> String {
    let orphans = orphans.iter().filter(|row| row.state == ORPHANED);
    let ways: Vec<String> = orphans.map(|row| format!("`catalog-sync integration delete {}`", row.workspace)).collect();
    format!(
        "orphaned: left the config, or serves another workspace there now; it is not synced, and its data is kept until {}",
        escape_control(&ways.join(", "))
    )
}

/// What `integration delete` loses, and what comes back by itself.
pub fn deleted(deletion: &Deletion) -> String {
    let Deletion { name, workspace, repositories, links, decisions_kept, dry_run, is_orphaned } = deletion;
    let lost = format!(
        "{name} ({workspace}): {}, {} {}, with history and activity; entities and files stay as they are, and so do {}",
        count(*repositories, "repository", "repositories"),
        count(*links, "link", "links"),
        if *dry_run { "would be forgotten" } else { "forgotten" },
        count(*decisions_kept, "decision of people", "decisions of people"),
    );
    if *is_orphaned {
        return lost;
    }
    format!("{lost}; {ADOPTED_AGAIN}")
}

/// The marks in the catalog outlive the store.
const ADOPTED_AGAIN: &str = "while it is in the config, its next sync discovers them anew and makes the links again from \
                             the marks in the catalog";
