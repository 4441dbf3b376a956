//! Repositories that await a decision, and why one was recommended as it was.

use crate::cli::output::{Screen, Styled, Tone, count, minute, or_dash};
use crate::commands::answer::{DiscoveredRow, DiscoveredState};
use crate::commands::request::Explained;
use crate::error::escape_control;
use crate::model::Action;

pub(super) fn discovered(screen: &Screen, rows: &[DiscoveredRow]) -> String {
    if rows.is_empty() {
        return "nothing awaits a decision; `sync now` discovers, `--state all` shows those that are ignored, hidden or cannot be read, too".to_owned();
    }
    let several = rows.iter().any(|row| row.integration != rows[0].integration);
    let name = |row: &DiscoveredRow| {
        if several {
            format!("{} ({})", row.repository.full_name, row.integration)
        } else {
            row.repository.full_name.clone()
        }
    };
    let table = screen.table_of(
        ["REPOSITORY", "RECOMMENDED", "ENTITY", "KIND", "TYPE", "OWNER", "DETECTED AT (UTC)", "WHY"],
        &["DETECTED AT (UTC)", "OWNER", "KIND", "TYPE", "WHY"],
        rows.iter().map(|row| {
            let tone = match (row.state, row.recommendation.action) {
                (DiscoveredState::Inaccessible, _) | (_, Action::Conflict) => Tone::Attention,
                (DiscoveredState::Ignored | DiscoveredState::Hidden, _) | (_, Action::None) => Tone::Faint,
                (_, Action::Register | Action::Merge) => Tone::Good,
            };
            let mut why = vec![row.recommendation.reason.clone()];
            // That a person decides is what a conflict means.
            let weak = row.needs_review.as_ref().filter(|_| row.recommendation.action != Action::Conflict);
            why.extend(weak.map(|because| format!("look first: {because}")));
            why.extend(row.tombstone.clone());
            let action = match row.state {
                DiscoveredState::Pending => row.recommendation.action.as_str(),
                state => state.as_str(),
            };
            [
                name(row).into(),
                Styled::new(action, tone),
                or_dash(row.recommendation.entity.as_deref()).into(),
                row.kind.clone().into(),
                or_dash(row.r#type.as_deref()).into(),
                or_dash(row.owner.as_deref()).into(),
                minute(row.detected_at).into(),
                why.join("; ").into(),
            ]
        }),
    );
    let of = |action| rows.iter().filter(|row| row.recommendation.action == action).count() as u64;
    format!(
        "{table}\n\n{}: {} register, {} merge, {}",
        count(rows.len() as u64, "repository", "repositories"),
        of(Action::Register),
        of(Action::Merge),
        count(of(Action::Conflict), "conflict", "conflicts")
    )
}

pub(super) fn explain(_screen: &Screen, explained: &Explained) -> String {
    let mut text = Vec::new();
    if let Some(row) = &explained.row {
        let (name, url) = (&row.repository.full_name, &row.repository.url);
        let state = match row.state {
            DiscoveredState::Inaccessible => "cannot be read; detected at".to_owned(),
            state => format!("{} since", state.as_str()),
        };
        text.push(format!("{name}  {url}  {state} {} UTC", minute(row.detected_at)));
        let label = if row.state == DiscoveredState::Ignored { "set aside" } else { "imported before" };
        text.extend(row.tombstone.iter().map(|tombstone| format!("{label}: {tombstone}")));
    }
    if let Some(row) = &explained.imported {
        text.push(format!("{}  {}", row.repository.full_name, row.repository.url));
        text.push(format!(
            "{} as {} at {} UTC by {}",
            row.status,
            row.entity,
            minute(row.imported_at),
            row.imported_by
        ));
    }
    let head: Vec<String> = text.iter().map(|line| escape_control(line)).collect();
    format!("{}\n\n{}", head.join("\n"), explained.explanation)
}

/// What a list of ignored or hidden ones says that has none.
pub fn none_in_state(state: &str) -> String {
    format!("no repository is {state}")
}

/// What a list says that a filter leaves nothing of.
pub fn nothing_matches(search: &str) -> String {
    format!("nothing matches `{}`", escape_control(search))
}
