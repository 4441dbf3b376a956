//! What people did.

use crate::cli::output::{Screen, Styled, Tone, minute, or_dash};
use crate::store::{AuditEntry, AuditOutcome, KnownBy};

pub(super) fn audit(screen: &Screen, rows: &[AuditEntry]) -> String {
    if rows.is_empty() {
        return "nobody changed anything, as far as is kept (`retention.audit`)".to_owned();
    }
    screen.table_of(
        ["AT (UTC)", "BY", "FROM", "WHAT", "INTEGRATIONS", "OUTCOME", "DETAIL", "ID"],
        &["ID", "INTEGRATIONS", "DETAIL", "FROM"],
        rows.iter().map(|row| {
            let tone = match row.outcome {
                AuditOutcome::Done => Tone::Good,
                AuditOutcome::Begun | AuditOutcome::Partly | AuditOutcome::Refused => Tone::Attention,
                AuditOutcome::Failed => Tone::Bad,
            };
            [
                minute(row.at).into(),
                row.by.clone().into(),
                match (row.from, row.known_by) {
                    (Some(from), _) => from.to_string(),
                    (None, Some(KnownBy::Decisions)) => "file".to_owned(),
                    (None, _) => "terminal".to_owned(),
                }
                .into(),
                row.request.clone().into(),
                row.integrations.join(", ").into(),
                Styled::new(row.outcome.as_str(), tone),
                or_dash(row.detail.as_deref()).into(),
                row.id.clone().into(),
            ]
        }),
    )
}
