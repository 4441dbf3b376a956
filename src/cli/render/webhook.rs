//! Webhooks that point to us, and what they brought.

use crate::cli::output::{Screen, Styled, Tone, minute, or_dash};
use crate::commands::answer::WebhookRow;
use crate::commands::deliveries::{DeliveryPage, DeliveryStatus};

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

pub(super) fn deliveries(screen: &Screen, page: &DeliveryPage) -> String {
    if page.rows.is_empty() {
        return "no webhook of that kind was taken, as far as is kept (`retention.deliveries`)".to_owned();
    }
    let table = screen.table_of(
        ["AT (UTC)", "EVENT", "REPOSITORY", "STATE", "OUTCOME", "CONNECTOR", "ID"],
        &["ID", "CONNECTOR"],
        page.rows.iter().map(|row| {
            let repositories: Vec<&str> = row.repositories.iter().map(|one| one.full_name.as_str()).collect();
            let (state, tone) = match (row.state, row.attempts, row.outcome.as_deref()) {
                (DeliveryStatus::Waiting, Some(1..), _) => ("waiting", Tone::Attention),
                (DeliveryStatus::Waiting, ..) => ("waiting", Tone::Plain),
                (DeliveryStatus::Done, _, Some("synced")) => ("done", Tone::Good),
                (DeliveryStatus::Done, ..) => ("done", Tone::Attention),
            };
            let tried = row.attempts.filter(|attempts| *attempts > 0).map(|attempts| format!("tried {attempts} times"));
            [
                minute(row.received_at).into(),
                or_dash(Some(row.event.as_str()).filter(|event| !event.is_empty())).into(),
                repositories.join(", ").into(),
                Styled::new(state, tone),
                or_dash(row.outcome.as_deref().or(tried.as_deref())).into(),
                row.connectors.join(", ").into(),
                row.id.clone().into(),
            ]
        }),
    );
    if page.next.is_some() { format!("{table}\n\nthere are more: `--limit` shows them") } else { table }
}
