//! Stored credentials, never their secrets.

use crate::cli::output::{Screen, Styled, Tone, minute, or_dash};
use crate::commands::answer::CredentialRow;
use crate::error::escape_control;

pub(super) fn credentials(screen: &Screen, rows: &[CredentialRow]) -> String {
    if rows.is_empty() {
        return "no credential is stored: `catalog-sync credential add NAME`".to_owned();
    }
    let table = screen.table_of(
        ["CREDENTIAL", "KIND", "STATE", "CREATED (UTC)", "UPDATED (UTC)", "EXPIRES", "USED BY"],
        &["CREATED (UTC)", "UPDATED (UTC)"],
        rows.iter().map(|row| {
            let tone = if row.problem.is_none() { Tone::Good } else { Tone::Bad };
            [
                row.name.clone().into(),
                row.kind.clone().into(),
                Styled::new(row.state.replace('_', " "), tone),
                minute(row.created_at).into(),
                minute(row.updated_at).into(),
                or_dash(row.expires).into(),
                or_dash(Some(row.used_by.join(", ")).filter(|users| !users.is_empty())).into(),
            ]
        }),
    );
    let problems = rows.iter().filter_map(|row| row.problem.as_deref()).map(escape_control);
    let problems: Vec<String> = problems.map(|problem| format!("\n\n{problem}")).collect();
    format!("{table}{}", problems.concat())
}

pub(super) fn credential(row: &CredentialRow) -> String {
    let users = if row.used_by.is_empty() { "nothing".to_owned() } else { row.used_by.join(", ") };
    let mut text = vec![
        format!("{}  {}  {}", row.name, row.kind, row.state.replace('_', " ")),
        format!("created   {} UTC", minute(row.created_at)),
        format!("updated   {} UTC", minute(row.updated_at)),
        format!("expires   {}{}", or_dash(row.expires), unless_used(row)),
        format!("used by   {users}"),
        format!("key       {}", row.key_id),
    ];
    text.extend(row.problem.clone());
    text.iter().map(|line| escape_control(line)).collect::<Vec<_>>().join("\n")
}

/// The day a login ends moves on with each use.
fn unless_used(row: &CredentialRow) -> &'static str {
    if row.kind == "oauth_login" && row.state == "readable" { ", unless it is used before" } else { "" }
}
