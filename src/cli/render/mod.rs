//! Answers as tables and text for people: a file per family of answers.

mod activity;
mod audit;
mod check;
mod credential;
mod discovered;
mod import;
mod imported;
mod integration;
mod report;
pub(super) mod rules;
mod store;
mod sync;
mod undo;
mod webhook;

use self::activity::{commits, details, pull_requests, users};
use self::audit::audit;
use self::credential::{credential, credentials};
use self::discovered::{discovered, explain};
use self::import::{import, import_rows};
use self::imported::{link, links};
use self::integration::integrations;
use self::report::reports;
use self::store::store;
use self::sync::{sync, syncs};
use self::undo::undo;
use self::webhook::{deliveries, webhooks};
use super::output::Screen;
use crate::commands::request::Answer;

pub use self::check::check;
pub use self::discovered::{none_in_state, nothing_matches};
pub use self::integration::{deleted, integration, none_to_be_seen};
pub use self::sync::history;

/// Prints an answer in the format asked for.
///
/// # Errors
/// A broken pipe, or whatever stdout says.
pub fn print(screen: &Screen, answer: &Answer) -> std::io::Result<()> {
    match answer {
        Answer::Syncs(records) => screen.print(records, |screen| syncs(screen, records)),
        Answer::Sync(record) => screen.print(record, |screen| sync(screen, record)),
        Answer::DryRuns(runs) => screen.print(runs, |screen| {
            runs.iter()
                .map(|run| format!("{}\n\n{}", sync(screen, &run.record), import_rows(screen, &run.plan, true)))
                .collect::<Vec<_>>()
                .join("\n")
        }),
        Answer::Discovered(rows) => screen.print(rows, |screen| discovered(screen, rows)),
        Answer::DiscoveredPage(page) => screen.print(page, |screen| discovered(screen, &page.rows)),
        Answer::ImportedPage(page) => screen.print(page, |screen| links(screen, &page.rows)),
        Answer::Explained(explained) => screen.print(explained, |screen| explain(screen, explained)),
        Answer::Imported(report) => screen.print(report, |screen| import(screen, report)),
        Answer::Links(rows) => screen.print(rows, |screen| links(screen, rows)),
        Answer::Link(detail) => screen.print(detail, |screen| link(screen, detail)),
        Answer::Unlinked(rows) => screen
            .print(rows, |screen| format!("{}\nunlinked; entities and files stay as they are", links(screen, rows))),
        Answer::Undone(report) => screen.print(report, |screen| undo(screen, report)),
        Answer::RulesChecked(report) => screen.print(report, |_| rules::report(report)),
        Answer::RulesPreviewed(previews) => screen.print(previews, |screen| rules::previews(screen, previews)),
        Answer::Reported(rows) => screen.print(rows, |screen| reports(screen, rows)),
        Answer::Integrations(rows) => screen.print(rows, |screen| integrations(screen, rows)),
        Answer::Deleted(deletion) => screen.print(deletion, |_| deleted(deletion)),
        Answer::PullRequests(rows) => screen.print(rows, |screen| pull_requests(screen, rows)),
        Answer::Commits(rows) => screen.print(rows, |screen| commits(screen, rows)),
        Answer::Details(rows) => screen.print(rows, |screen| details(screen, rows)),
        Answer::Users(rows) => screen.print(rows, |screen| users(screen, rows)),
        // Asked for by pages alone.
        Answer::Drafted(drafted) => screen.print(drafted, |_| drafted.lines.clone()),
        Answer::RulesText(text) => screen.print(text, |_| text.text.clone()),
        Answer::Weeks(weeks) => screen.print(weeks, |_| String::new()),
        Answer::Entity(entity) => screen.print(entity, |_| entity.entity.clone()),
        Answer::Entities(found) => screen.print(found, |_| String::new()),
        Answer::Audit(rows) => screen.print(rows, |screen| audit(screen, rows)),
        Answer::Store(report) => screen.print(report, |screen| store(screen, report)),
        Answer::Webhooks(rows) => screen.print(rows, |screen| webhooks(screen, rows)),
        Answer::Deliveries(page) => screen.print(&page.rows, |screen| deliveries(screen, page)),
        Answer::Credentials(rows) => screen.print(rows, |screen| credentials(screen, rows)),
        Answer::Credential(row) => screen.print(row, |_| credential(row)),
        Answer::CredentialRecords(records) => {
            screen.print(records, |_| records.keys().cloned().collect::<Vec<_>>().join("\n"))
        }
        // Only ever asked for by another process, which keeps it to itself.
        Answer::CredentialRenewed(_) => Ok(()),
        Answer::CredentialDeleted(deletion) => {
            screen.print(deletion, |_| format!("forgot the credential {}", deletion.name))
        }
        Answer::Export(lines) => {
            use std::io::Write;
            std::io::stdout().lock().write_all(lines.as_bytes())
        }
    }
}
