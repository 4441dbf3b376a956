//! Rules files: faults, what strikes in them, and what they would change.

use crate::cli::output::{Screen, or_dash};
use crate::commands::answer::Recommended;
use crate::commands::rules::{Finding, Quality, RulesPreview, RulesReport};
use crate::error::escape_control;

pub(in crate::cli) fn report(report: &RulesReport) -> String {
    let name = escape_control(&report.file);
    if !report.faults.is_empty() {
        let said = report
            .faults
            .iter()
            .map(|fault| format!("{name}:{}:{}: {} (mend: {})", fault.line, fault.column, fault.what, fault.mend));
        return said.collect::<Vec<_>>().join("\n");
    }
    let mut text = format!("{name}: no fault");
    for (at, rule) in report.rules.iter().enumerate() {
        text.push_str(&format!("\n  {at}  {}", escape_control(rule)));
    }
    text.push_str(&findings(&report.findings));
    for compared in &report.compared {
        text.push_str(&format!(
            "\ncompared with {}: {} repositories, {} entities",
            compared.integration, compared.repositories, compared.entities
        ));
    }
    text
}

fn findings(findings: &[Finding]) -> String {
    let said = findings.iter().map(|finding| {
        let place = finding.line.map_or_else(String::new, |line| format!("line {line}: "));
        let of = finding.integration.as_ref().map_or_else(String::new, |name| format!(" ({name})"));
        format!("\n{}: {place}{}{of}", finding.level.as_str(), escape_control(&finding.what))
    });
    said.collect()
}

pub(super) fn previews(screen: &Screen, previews: &[RulesPreview]) -> String {
    previews.iter().map(|one| preview(screen, one)).collect::<Vec<_>>().join("\n\n")
}

fn preview(screen: &Screen, preview: &RulesPreview) -> String {
    let mut text = format!(
        "{}: {} of {} repositories would be judged otherwise than by {} ({} entities)",
        preview.integration,
        preview.changed,
        preview.repositories,
        escape_control(&preview.rules),
        preview.entities
    );
    let word = |action: Option<crate::model::Action>| action.map_or("nothing to decide", |action| action.as_str());
    for change in &preview.changes {
        let how = match change.now == change.then {
            true => format!("{}, but otherwise", word(change.now)),
            false => format!("{} → {}", word(change.now), word(change.then)),
        };
        text.push_str(&format!("\n  {:>6}  {how}", change.count));
    }
    if preview.judged_by_people > 0 {
        text.push_str(&format!(
            "\nby what people said of {} repositories: precision {} → {}, recall {} → {}",
            preview.judged_by_people,
            percent(preview.quality_now.precision),
            percent(preview.quality_then.precision),
            percent(preview.quality_now.recall),
            percent(preview.quality_then.recall)
        ));
        let of = |one: &Quality| format!("{}/{}", one.measured.right, one.measured.proposed);
        let found = |one: &Quality| format!("{}/{}", one.measured.found, one.measured.confirmed);
        text.push_str(&format!(
            "\n  right of proposed {} → {}, found of confirmed {} → {}",
            of(&preview.quality_now),
            of(&preview.quality_then),
            found(&preview.quality_now),
            found(&preview.quality_then)
        ));
    } else {
        text.push_str("\nnothing was imported, chosen or set aside by hand yet: precision and recall cannot be told");
    }
    text.push_str(&findings(&preview.findings));
    if !preview.rows.is_empty() {
        text.push_str("\n\n");
        text.push_str(&screen.table(
            ["REPOSITORY", "NOW", "THEN", "WHY"],
            preview.rows.iter().map(|row| {
                [
                    row.repository.full_name.clone().into(),
                    told(row.now.as_ref()).into(),
                    told(row.then.as_ref()).into(),
                    row.why.clone().into(),
                ]
            }),
        ));
    }
    let shown = preview.rows.len() as u64;
    if shown < preview.changed {
        text.push_str(&format!("\n{} more: `--limit N`", preview.changed - shown));
    }
    if preview.rewritten > 0 {
        text.push_str(&rewritten(screen, preview));
    }
    text
}

/// What the next sync would write otherwise into entities that are linked.
fn rewritten(screen: &Screen, preview: &RulesPreview) -> String {
    let (entities, sync) = match preview.rewritten {
        1 => ("linked entity", "it"),
        _ => ("linked entities", "them"),
    };
    let mut text = format!("\n\n{} {entities}: the next sync would write other values into {sync}", preview.rewritten);
    let value = |value: &Option<serde_json::Value>| match value {
        None => or_dash(None::<&str>),
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let rows = preview.rewritten_rows.iter().flat_map(|row| row.fields.iter().map(move |field| (row, field)));
    if !preview.rewritten_rows.is_empty() {
        text.push('\n');
        text.push_str(&screen.table(
            ["ENTITY", "REPOSITORY", "FIELD", "NOW", "THEN"],
            rows.map(|(row, field)| {
                [
                    row.entity.clone().into(),
                    row.repository.full_name.clone().into(),
                    field.path.clone().into(),
                    value(&field.now).into(),
                    value(&field.then).into(),
                ]
            }),
        ));
    }
    let shown = preview.rewritten_rows.len() as u64;
    if shown < preview.rewritten {
        text.push_str(&format!("\n{} more: `--limit N`", preview.rewritten - shown));
    }
    text
}

fn told(one: Option<&Recommended>) -> String {
    let Some(one) = one else { return or_dash(None::<&str>) };
    match &one.entity {
        Some(entity) => format!("{} {entity}", one.action.as_str()),
        None => one.action.as_str().to_owned(),
    }
}

fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.1} %"))
}
