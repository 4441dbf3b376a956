//! Webhooks that point to us.

use crate::cli::output::{Screen, Styled, Tone, or_dash};
use crate::commands::answer::WebhookRow;

pub(super) fn webhooks(screen: &Screen, rows: &[WebhookRow]) -> String {
    if rows.is_empty() {
        return "no webhook points to this sidecar: `catalog-sync webhook create` makes them".to_owned();
    }
    let table = screen.table_of(
        ["INTEGRATION", "PLACE", "RESULT", "EVENTS", "URL", "ID"],
        &["ID", "EVENTS"],
        rows.iter().map(|row| {
            let tone = match row.result.as_str() {
                "failed" => Tone::Bad,
                "inactive" => Tone::Attention,
                _ => Tone::Good,
            };
            [
                row.integration.clone().into(),
                row.place.clone().into(),
                Styled::new(row.result.clone(), tone),
                row.events.len().to_string().into(),
                row.url.clone().into(),
                or_dash(row.id.as_deref()).into(),
            ]
        }),
    );
    let reasons: Vec<String> =
        rows.iter().filter_map(|row| Some(format!("{}: {}", row.place, row.reason.as_ref()?))).collect();
    if reasons.is_empty() { table } else { format!("{table}\n\n{}", reasons.join("\n")) }
}
