//! Syncs: one in full, or one a row.

use crate::cli::output::{Screen, Styled, Tone, count, duration, minute};
use crate::error::escape_control;
use crate::model::sync::RepositoryCounts;
use crate::model::{Outcome, Secondary, SecondaryCounts, SyncError, SyncRecord, Trigger};

pub(super) fn syncs(screen: &Screen, records: &[SyncRecord]) -> String {
    if records.is_empty() {
        return "no sync yet: `catalog-sync sync now`".to_owned();
    }
    if let [record] = records {
        return sync(screen, record);
    }
    history(screen, records)
}

/// Past syncs, one a row.
pub fn history(screen: &Screen, records: &[SyncRecord]) -> String {
    if records.is_empty() {
        return "no sync yet: `catalog-sync sync now`".to_owned();
    }
    let rows = records.iter().map(|record| {
        // Nothing is counted before it has ended.
        let counted = |number: String| if record.outcome == Outcome::Running { "…".to_owned() } else { number };
        let backlog = |kind: &Option<SecondaryCounts>| {
            kind.as_ref().map_or_else(String::new, |kind| format!("{} (+{})", kind.stored, kind.backlog))
        };
        [
            record.id.to_string().into(),
            record.integration.clone().into(),
            minute(record.started_at).into(),
            duration(record.duration_ms).into(),
            record.trigger.as_str().into(),
            Styled::new(record.outcome.as_str(), tone_of(record.outcome)),
            counted(record.requests.to_string()).into(),
            counted(format!("{} (+{})", record.repositories.seen, record.repositories.new)).into(),
            counted((record.imported.registered + record.imported.merged).to_string()).into(),
            counted(backlog(&record.secondary.pull_requests)).into(),
            counted(backlog(&record.secondary.commits)).into(),
            counted(record.errors.len().to_string()).into(),
        ]
    });
    screen.table_of(
        [
            "SYNC",
            "INTEGRATION",
            "STARTED (UTC)",
            "TOOK",
            "TRIGGER",
            "OUTCOME",
            "REQUESTS",
            "REPOSITORIES (NEW)",
            "IMPORTED",
            "PULL REQUESTS (WAIT)",
            "COMMITS (WAIT)",
            "ERRORS",
        ],
        &["TRIGGER", "REQUESTS", "IMPORTED", "COMMITS (WAIT)", "PULL REQUESTS (WAIT)", "REPOSITORIES (NEW)", "TOOK"],
        rows,
    )
}

pub(super) fn sync(screen: &Screen, record: &SyncRecord) -> String {
    let mut text = Vec::new();
    if record.outcome == Outcome::Running {
        return running(record);
    }
    let left = record.requests_remaining.map_or_else(String::new, |left| format!(", {left} left in this hour"));
    let repositories = &record.repositories;
    // What broke off tells by its error how far it came.
    let is_whole = matches!(record.outcome, Outcome::Completed | Outcome::Partial | Outcome::Held);
    let swept = match (record.sweep, is_whole && record.trigger != Trigger::Approval) {
        (true, _) => "; whole list walked",
        (false, true) => "; only what changed was asked for",
        (false, false) => "",
    };
    text.push(format!(
        "{}  {}  {} after {} ({} request{}{left}{swept})",
        record.integration,
        record.id,
        record.outcome.as_str(),
        duration(record.duration_ms),
        record.requests,
        if record.requests == 1 { "" } else { "s" },
    ));
    let more = [(repositories.hidden, "more hidden by filters"), (repositories.inaccessible, "more cannot be read")];
    let more: Vec<String> =
        more.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}")).collect();
    let more = if more.is_empty() { String::new() } else { format!(" ({})", more.join(", ")) };
    text.push(format!(
        "repositories   {} seen{more}, {} new, {} changed, {} gone, {} failed",
        repositories.seen, repositories.new, repositories.changed, repositories.gone, repositories.failed
    ));
    let waiting = &record.recommendations;
    text.push(format!(
        "to decide      {} register, {} merge, {}",
        waiting.register,
        waiting.merge,
        count(waiting.conflict, "conflict", "conflicts")
    ));
    let imported = &record.imported;
    text.push(format!(
        "catalog        {} registered, {} merged, {} updated, {} failed",
        imported.registered, imported.merged, imported.updated, imported.failed
    ));
    let Secondary { pull_requests, commits, users, details } = &record.secondary;
    let both = [("pull requests".to_owned(), pull_requests.as_ref()), ("commits".to_owned(), commits.as_ref())];
    let details = details.iter().map(|(kind, counts)| (kind.as_str().replace('_', " "), Some(counts)));
    for (name, kind) in both.into_iter().chain(details).chain([("users".to_owned(), users.as_ref())]) {
        let Some(kind) = kind else { continue };
        let waiting = match kind.repositories_waiting {
            0 => String::new(),
            n => format!(", {} not looked at yet", count(n, "repository", "repositories")),
        };
        let until = kind.complete_by.map_or_else(String::new, |at| format!(", complete by {}", minute(at)));
        text.push(format!("{name:<14} {} stored, {} waiting{waiting}{until}", kind.stored, kind.backlog));
    }
    if let Some(at) = record.oldest_pull_request_check {
        text.push(format!("oldest check   {} UTC, of any repository's pull requests", minute(at)));
    }
    let about = |name: &Option<String>| name.as_deref().map_or_else(String::new, |name| format!("{name}: "));
    let held = record.held.iter().map(|held| format!("{}{}", about(&held.repository), held.reason));
    let errors = record.errors.iter().map(|error| {
        let SyncError { repository, stage, message, retry } = error;
        format!("{}{message} [{stage}, retry: {retry}]", about(repository))
    });
    text.extend(first_of("held", held));
    text.extend(first_of("note", record.notes.iter().cloned()));
    text.extend(first_of("error", errors));
    if [record.held.len(), record.notes.len(), record.errors.len()].iter().any(|count| *count > MOST_LISTED) {
        text.push(format!("all of them    catalog-sync sync show {} --output json", record.id));
    }
    let _ = screen;
    text.iter().map(|line| escape_control(line)).collect::<Vec<_>>().join("\n")
}

/// What is known of one that runs: the rest is counted when it has ended.
fn running(record: &SyncRecord) -> String {
    let mut text = vec![format!(
        "{}  {}  running since {} UTC, for {}",
        record.integration,
        record.id,
        minute(record.started_at),
        duration(record.duration_ms)
    )];
    let RepositoryCounts { seen, new, changed, gone, .. } = record.repositories;
    if record.repositories != RepositoryCounts::default() {
        text.push(format!("repositories   {seen} seen, {new} new, {changed} changed, {gone} gone"));
    }
    text.push("everything else is counted when it has ended".to_owned());
    text.iter().map(|line| escape_control(line)).collect::<Vec<_>>().join("\n")
}

/// Of many alike, so many are listed; the rest is counted.
const MOST_LISTED: usize = 20;

fn first_of(label: &str, lines: impl ExactSizeIterator<Item = String>) -> Vec<String> {
    let more = lines.len().saturating_sub(MOST_LISTED);
    let mut listed: Vec<String> = lines.take(MOST_LISTED).map(|line| format!("{label:<14} {line}")).collect();
    if more > 0 {
        listed.push(format!("{label:<14} and {more} more"));
    }
    listed
}

pub(super) fn tone_of(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Completed => Tone::Good,
        Outcome::Running => Tone::Plain,
        Outcome::Partial
        | Outcome::Held
        | Outcome::Refused
        | Outcome::RateLimited
        | Outcome::Cancelled
        | Outcome::Interrupted => Tone::Attention,
        Outcome::Failed => Tone::Bad,
    }
}
