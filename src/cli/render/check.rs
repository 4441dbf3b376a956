//! What `check` found, with the mend of each fault.

use crate::cli::output::{Screen, Styled, Tone};
use crate::commands::answer::CheckRow;
use crate::error::escape_control;

/// Findings of `check`.
pub fn check(screen: &Screen, rows: &[CheckRow]) -> String {
    let mut text = screen.table(
        ["ABOUT", "RESULT", "LOOKED AT", "FOUND"],
        rows.iter().map(|row| {
            let tone = match row.code.as_str() {
                "ok" => Tone::Good,
                "warning" => Tone::Attention,
                _ => Tone::Bad,
            };
            [
                row.about.clone().into(),
                Styled::new(row.code.clone(), tone),
                row.subject.clone().into(),
                row.message.clone().into(),
            ]
        }),
    );
    for row in rows.iter().filter(|row| row.mend.is_some()) {
        text.push_str(&format!("\n\n{}: {}", row.about, escape_control(&row.message)));
        text.push_str(&format!("\n  mend: {}", escape_control(row.mend.as_deref().unwrap_or_default())));
        if let Some(curl) = &row.curl {
            text.push_str(&format!("\n  try:  {}", escape_control(curl)));
        }
    }
    text
}
