//! Repositories that are linked to an entity.

use crate::cli::output::{Screen, Styled, Tone, minute, or_dash};
use crate::commands::answer::{ImportedDetail, ImportedRow};
use crate::error::escape_control;

pub(super) fn links(screen: &Screen, rows: &[ImportedRow]) -> String {
    if rows.is_empty() {
        return "nothing is imported yet: `catalog-sync discovered import`".to_owned();
    }
    // Most catalogs have no id beside the name: then it is told once.
    let id = |row: &ImportedRow| if row.entity_id == row.entity { "–".to_owned() } else { row.entity_id.clone() };
    screen.table_of(
        ["REPOSITORY", "STATUS", "ENTITY", "ID", "KIND", "TYPE", "SCOPE", "IMPORTED AT (UTC)", "BY", "STATE"],
        &["ID", "SCOPE", "KIND", "TYPE", "BY", "IMPORTED AT (UTC)"],
        rows.iter().map(|row| {
            let state = match (row.link_state.as_str(), row.repository_state.as_str()) {
                ("active", "present") => Styled::new("present", Tone::Good),
                ("active", state) => Styled::new(state, Tone::Attention),
                (state, _) => Styled::new(state, Tone::Bad),
            };
            [
                row.repository.full_name.clone().into(),
                row.status.clone().into(),
                row.entity.clone().into(),
                id(row).into(),
                row.kind.clone().into(),
                or_dash(row.r#type.as_deref()).into(),
                row.scope.clone().into(),
                minute(row.imported_at).into(),
                row.imported_by.clone().into(),
                state,
            ]
        }),
    )
}

pub(super) fn link(screen: &Screen, detail: &ImportedDetail) -> String {
    let mut text = links(screen, std::slice::from_ref(&detail.row));
    text.push_str(&format!("\nimport {}", detail.row.import_id));
    if !detail.former_names.is_empty() {
        text.push_str(&format!("\nformerly {}", escape_control(&detail.former_names.join(", "))));
    }
    for line in &detail.coverage {
        text.push_str(&format!("\n{}", escape_control(line)));
    }
    let fields = screen.table(
        ["FIELD", "OWNER", "VALUE"],
        detail.fields.iter().map(|field| {
            [field.field.clone().into(), field.owner.clone().into(), or_dash(field.value.as_ref()).into()]
        }),
    );
    match &detail.unread {
        Some(unread) => format!("{text}\n\n{fields}\n\nas last written: {}", escape_control(unread)),
        None => format!("{text}\n\n{fields}"),
    }
}
