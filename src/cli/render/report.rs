//! How much is imported, and what does not fit any more.

use crate::cli::output::{Screen, minute, or_dash};
use crate::commands::report::{IntegrationReport, LostRow};

/// Rows of the trend shown to people.
const TREND: usize = 10;

pub(super) fn reports(screen: &Screen, reports: &[IntegrationReport]) -> String {
    if reports.is_empty() {
        return "the config has no integration".to_owned();
    }
    reports.iter().map(|one| report(screen, one)).collect::<Vec<_>>().join("\n\n")
}

fn report(screen: &Screen, report: &IntegrationReport) -> String {
    let IntegrationReport { integration, coverage, percent, .. } = report;
    let mut parts = vec![format!(
        "{integration}: {percent:.1} % imported ({} of {}, {} set aside)",
        coverage.imported, coverage.repositories, coverage.ignored
    )];
    if !report.projects.is_empty() {
        parts.push(screen.table(
            ["PROJECT", "REPOSITORIES", "IMPORTED", "IGNORED", "COVERAGE"],
            report.projects.iter().map(|row| {
                [
                    or_dash((!row.project.is_empty()).then_some(&row.project)).into(),
                    row.coverage.repositories.to_string().into(),
                    row.coverage.imported.to_string().into(),
                    row.coverage.ignored.to_string().into(),
                    format!("{:.1} %", row.percent).into(),
                ]
            }),
        ));
    }
    for (title, rows) in [
        ("entities whose repository is not as it should be", &report.lost_repositories),
        ("stale annotations", &report.stale_annotations),
    ] {
        parts.extend((!rows.is_empty()).then(|| format!("{title}\n{}", lost(screen, rows))));
    }
    if !report.shared_repositories.is_empty() {
        let table = screen.table(
            ["REPOSITORY", "ENTITIES"],
            report
                .shared_repositories
                .iter()
                .map(|row| [row.repository.clone().into(), row.entities.join(", ").into()]),
        );
        parts.push(format!("several entities on one repository\n{table}"));
    }
    if !report.missing_owners.is_empty() {
        let table = screen.table(
            ["ENTITY", "OWNER"],
            report.missing_owners.iter().map(|row| [row.entity.clone().into(), or_dash(row.owner.as_ref()).into()]),
        );
        parts.push(format!("entities without an owner\n{table}"));
    }
    if !report.trend.is_empty() {
        let last = &report.trend[report.trend.len().saturating_sub(TREND)..];
        let table = screen.table(
            ["SYNC (UTC)", "REPOSITORIES", "IMPORTED", "COVERAGE"],
            last.iter().map(|row| {
                [
                    minute(row.at).into(),
                    row.coverage.repositories.to_string().into(),
                    row.coverage.imported.to_string().into(),
                    format!("{:.1} %", row.percent).into(),
                ]
            }),
        );
        parts.push(format!("over the last syncs\n{table}"));
    }
    parts.join("\n\n")
}

fn lost(screen: &Screen, rows: &[LostRow]) -> String {
    screen.table(
        ["ENTITY", "REPOSITORY", "STATE", "NOW"],
        rows.iter().map(|row| {
            [
                row.entity.clone().into(),
                row.repository.clone().into(),
                row.state.as_str().into(),
                or_dash(row.now.as_ref()).into(),
            ]
        }),
    )
}
