//! Answers as tables and text for people.

use super::output::{Screen, Styled, Tone, count, duration, minute, or_dash};
use crate::commands::Exit;
use crate::commands::answer::{
    Change, CheckRow, CommitRow, CredentialRow, Deletion, DiscoveredRow, DiscoveredState, ImportReport, ImportRow,
    ImportedDetail, ImportedRow, IntegrationRow, PullRequestRow, RowResult,
};
use crate::commands::request::{Answer, Explained};
use crate::error::escape_control;
use crate::model::{
    Action, Detail, DetailBody, ItemId, Outcome, Secondary, SecondaryCounts, SyncError, SyncRecord, Trigger,
};
use crate::store::StoreReport;

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
        Answer::Explained(explained) => screen.print(explained, |screen| explain(screen, explained)),
        Answer::Imported(report) => screen.print(report, |screen| import(screen, report)),
        Answer::Links(rows) => screen.print(rows, |screen| links(screen, rows)),
        Answer::Link(detail) => screen.print(detail, |screen| link(screen, detail)),
        Answer::Unlinked(rows) => screen
            .print(rows, |screen| format!("{}\nunlinked; entities and files stay as they are", links(screen, rows))),
        Answer::Integrations(rows) => screen.print(rows, |screen| integrations(screen, rows)),
        Answer::Deleted(deletion) => screen.print(deletion, |_| deleted(deletion)),
        Answer::PullRequests(rows) => screen.print(rows, |screen| pull_requests(screen, rows)),
        Answer::Commits(rows) => screen.print(rows, |screen| commits(screen, rows)),
        Answer::Details(rows) => screen.print(rows, |screen| details(screen, rows)),
        Answer::Store(report) => screen.print(report, |screen| store(screen, report)),
        Answer::Credentials(rows) => screen.print(rows, |screen| credentials(screen, rows)),
        Answer::Credential(row) => screen.print(row, |_| credential(row)),
        Answer::CredentialRecords(records) => {
            screen.print(records, |_| records.keys().cloned().collect::<Vec<_>>().join("\n"))
        }
        Answer::CredentialDeleted(deletion) => {
            screen.print(deletion, |_| format!("forgot the credential {}", deletion.name))
        }
        Answer::Export(lines) => {
            use std::io::Write;
            std::io::stdout().lock().write_all(lines.as_bytes())
        }
    }
}

/// The exit code an answer means: the first of 1, 4, 3, 0 that occurred (contract, section 2).
pub fn exit(answer: &Answer) -> Exit {
    let exits: Vec<Exit> = match answer {
        Answer::Syncs(records) => records.iter().map(of_sync).collect(),
        Answer::DryRuns(runs) => runs.iter().map(|run| of_sync(&run.record)).collect(),
        Answer::Imported(report) => report
            .rows
            .iter()
            .map(|row| match row.result {
                RowResult::Failed => Exit::Partly,
                RowResult::Held => Exit::Refused,
                RowResult::Done | RowResult::Unchanged => Exit::Done,
            })
            .collect(),
        Answer::Store(report) if !report.faults.is_empty() => vec![Exit::Failed],
        _ => Vec::new(),
    };
    let all_failed = !exits.is_empty() && exits.iter().all(|exit| *exit == Exit::Partly);
    let worst = [Exit::Failed, Exit::Refused, Exit::Partly].into_iter().find(|exit| exits.contains(exit));
    match (answer, worst) {
        // An import of which nothing came about has failed, not half succeeded.
        (Answer::Imported(_), Some(Exit::Partly)) if all_failed => Exit::Failed,
        (_, worst) => worst.unwrap_or(Exit::Done),
    }
}

fn of_sync(record: &SyncRecord) -> Exit {
    match record.outcome {
        Outcome::Completed | Outcome::RateLimited | Outcome::Running => Exit::Done,
        Outcome::Partial => Exit::Partly,
        Outcome::Held | Outcome::Refused => Exit::Refused,
        Outcome::Failed | Outcome::Cancelled | Outcome::Interrupted => Exit::Failed,
    }
}

fn tone_of(outcome: Outcome) -> Tone {
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

fn syncs(screen: &Screen, records: &[SyncRecord]) -> String {
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
            record.requests.to_string().into(),
            format!("{} (+{})", record.repositories.seen, record.repositories.new).into(),
            (record.imported.registered + record.imported.merged).to_string().into(),
            backlog(&record.secondary.pull_requests).into(),
            backlog(&record.secondary.commits).into(),
            record.errors.len().to_string().into(),
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

fn sync(screen: &Screen, record: &SyncRecord) -> String {
    let mut text = Vec::new();
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
    let hidden = match repositories.hidden {
        0 => String::new(),
        hidden => format!(" ({hidden} more hidden by filters)"),
    };
    text.push(format!(
        "repositories   {} seen{hidden}, {} new, {} changed, {} gone, {} failed",
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
    let Secondary { pull_requests, commits, details } = &record.secondary;
    let both = [("pull requests".to_owned(), pull_requests.as_ref()), ("commits".to_owned(), commits.as_ref())];
    let details = details.iter().map(|(kind, counts)| (kind.as_str().replace('_', " "), Some(counts)));
    for (name, kind) in both.into_iter().chain(details) {
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

/// What a list of ignored or hidden ones says that has none.
pub fn none_in_state(state: &str) -> String {
    format!("no repository is {state}")
}

/// What a list says that a filter leaves nothing of.
pub fn nothing_matches(search: &str) -> String {
    format!("nothing matches `{}`", escape_control(search))
}

fn discovered(screen: &Screen, rows: &[DiscoveredRow]) -> String {
    if rows.is_empty() {
        return "nothing awaits a decision; `sync now` discovers, `--state all` shows ignored and hidden repositories, too".to_owned();
    }
    let several = rows.iter().any(|row| row.integration != rows[0].integration);
    let name = |row: &DiscoveredRow| {
        if several {
            format!("{} ({})", row.repository.full_name, row.integration)
        } else {
            row.repository.full_name.clone()
        }
    };
    let table = screen.table_of(
        ["REPOSITORY", "RECOMMENDED", "ENTITY", "KIND", "TYPE", "OWNER", "DETECTED AT (UTC)", "WHY"],
        &["DETECTED AT (UTC)", "OWNER", "KIND", "TYPE", "WHY"],
        rows.iter().map(|row| {
            let tone = match (row.state, row.recommendation.action) {
                (DiscoveredState::Ignored | DiscoveredState::Hidden, _) | (_, Action::None) => Tone::Faint,
                (_, Action::Conflict) => Tone::Attention,
                (_, Action::Register | Action::Merge) => Tone::Good,
            };
            let mut why = vec![row.recommendation.reason.clone()];
            // That a person decides is what a conflict means.
            let weak = row.needs_review.as_ref().filter(|_| row.recommendation.action != Action::Conflict);
            why.extend(weak.map(|because| format!("look first: {because}")));
            why.extend(row.tombstone.clone());
            let action = match row.state {
                DiscoveredState::Pending => row.recommendation.action.as_str(),
                state => state.as_str(),
            };
            [
                name(row).into(),
                Styled::new(action, tone),
                or_dash(row.recommendation.entity.as_deref()).into(),
                row.kind.clone().into(),
                or_dash(row.r#type.as_deref()).into(),
                or_dash(row.owner.as_deref()).into(),
                minute(row.detected_at).into(),
                why.join("; ").into(),
            ]
        }),
    );
    let of = |action| rows.iter().filter(|row| row.recommendation.action == action).count() as u64;
    format!(
        "{table}\n\n{}: {} register, {} merge, {}",
        count(rows.len() as u64, "repository", "repositories"),
        of(Action::Register),
        of(Action::Merge),
        count(of(Action::Conflict), "conflict", "conflicts")
    )
}

fn explain(_screen: &Screen, explained: &Explained) -> String {
    let mut text = Vec::new();
    if let Some(row) = &explained.row {
        let (name, url) = (&row.repository.full_name, &row.repository.url);
        text.push(format!("{name}  {url}  {} since {} UTC", row.state.as_str(), minute(row.detected_at)));
        text.extend(row.tombstone.iter().map(|tombstone| format!("imported before: {tombstone}")));
    }
    if let Some(row) = &explained.imported {
        text.push(format!("{}  {}", row.repository.full_name, row.repository.url));
        text.push(format!(
            "{} as {} at {} UTC by {}",
            row.status,
            row.entity,
            minute(row.imported_at),
            row.imported_by
        ));
    }
    let head: Vec<String> = text.iter().map(|line| escape_control(line)).collect();
    format!("{}\n\n{}", head.join("\n"), explained.explanation)
}

fn import_rows(screen: &Screen, rows: &[ImportRow], is_dry: bool) -> String {
    if rows.is_empty() {
        return "nothing to import or update".to_owned();
    }
    let mut text = screen.table(
        ["REPOSITORY", "ACTION", "ENTITY", "RESULT", "FILES", "REASON"],
        rows.iter().map(|row| {
            let tone = match row.result {
                RowResult::Done => Tone::Good,
                RowResult::Unchanged => Tone::Faint,
                RowResult::Held => Tone::Attention,
                RowResult::Failed => Tone::Bad,
            };
            let files: Vec<String> = row.files.iter().map(|file| file.path.display().to_string()).collect();
            [
                row.repository.full_name.clone().into(),
                row.action.as_str().into(),
                or_dash(row.entity.as_deref()).into(),
                Styled::new(result_of(row, is_dry), tone),
                files.join(", ").into(),
                row.reason.clone().unwrap_or_default().into(),
            ]
        }),
    );
    if is_dry {
        for file in rows.iter().flat_map(|row| &row.files) {
            let lines: Vec<String> = file.diff.lines().map(escape_control).collect();
            text.push_str("\n\n");
            text.push_str(&lines.join("\n"));
        }
    }
    text
}

/// A dry run says what would be done, not that it was.
fn result_of(row: &ImportRow, is_dry: bool) -> String {
    let would = match (row.result, row.change) {
        (RowResult::Unchanged, Some(Change::Merge | Change::Adopt)) if !is_dry => return "linked".to_owned(),
        _ if !is_dry => return row.result.as_str().to_owned(),
        (RowResult::Done, Some(change)) => change.as_str(),
        (RowResult::Done, None) => row.action.as_str(),
        (RowResult::Unchanged, Some(Change::Update) | None) => return row.result.as_str().to_owned(),
        // The entity has everything already: only the link is made.
        (RowResult::Unchanged, Some(_)) => "link",
        (RowResult::Held, _) => "hold",
        (RowResult::Failed, _) => "fail",
    };
    format!("would {would}")
}

fn import(screen: &Screen, report: &ImportReport) -> String {
    let table = import_rows(screen, &report.rows, report.dry_run);
    let of = |result| report.rows.iter().filter(|row| row.result == result).count() as u64;
    // Linked without a change of the file.
    let is_linked = |row: &&ImportRow| {
        row.result == RowResult::Unchanged && matches!(row.change, Some(Change::Merge | Change::Adopt))
    };
    let linked = report.rows.iter().filter(is_linked).count() as u64;
    let only_linked = match (linked, report.dry_run) {
        (0, _) => String::new(),
        (linked, true) => format!(", {linked} would only be linked"),
        (linked, false) => format!(", {linked} only linked"),
    };
    let counts = format!(
        "{} {}{only_linked}, {} unchanged, {} held, {} failed",
        of(RowResult::Done),
        if report.dry_run { "would be written" } else { "done" },
        of(RowResult::Unchanged) - linked,
        of(RowResult::Held),
        of(RowResult::Failed)
    );
    let id = match (&report.import_id, &report.plan_id) {
        (_, Some(plan)) => format!("\nnothing was written; `discovered import --plan {plan}` writes exactly this"),
        (Some(import), None) => format!("\nimport {import}"),
        (None, None) => String::new(),
    };
    format!("{table}\n\n{counts}{id}")
}

fn links(screen: &Screen, rows: &[ImportedRow]) -> String {
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

fn link(screen: &Screen, detail: &ImportedDetail) -> String {
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

fn on_or_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn auto_import(row: &IntegrationRow) -> String {
    if row.auto_import == row.auto_import_in_file {
        on_or_off(row.auto_import).to_owned()
    } else {
        format!("{} by hand (file: {})", on_or_off(row.auto_import), on_or_off(row.auto_import_in_file))
    }
}

/// `integration show`: all that is known of it, a line each.
pub fn integration(screen: &Screen, row: &IntegrationRow) -> String {
    let mut text = vec![
        ("integration", row.name.clone()),
        ("state", row.state.clone()),
        ("workspace", row.workspace.clone()),
        ("connector", or_dash(row.connector.as_deref())),
        ("catalog", row.catalog.clone()),
        ("rules", or_dash(row.rules.as_deref())),
        ("kinds", if row.kinds.is_empty() { "none".to_owned() } else { row.kinds.join(", ") }),
        ("schedule", row.schedule.clone()),
        ("next run", or_dash(row.next_run.map(minute))),
        ("auto-import", auto_import(row)),
        ("repositories", format!("{}, {} imported", row.repositories, row.imported)),
    ];
    if row.state == ORPHANED {
        text.retain(|(label, _)| !["connector", "rules", "kinds", "next run", "auto-import"].contains(label));
    }
    let lines = text.iter().map(|(label, value)| format!("{label:<14} {}", escape_control(value)));
    let last = match &row.last_sync {
        Some(record) => format!("last sync:\n{}", sync(screen, record)),
        None => "no sync yet: `catalog-sync sync now`".to_owned(),
    };
    let mut parts = vec![lines.collect::<Vec<_>>().join("\n"), last];
    parts.extend((row.state == ORPHANED).then(|| what_orphaned_means(std::slice::from_ref(row))));
    parts.join("\n\n")
}

/// State of an integration that left the config.
const ORPHANED: &str = "orphaned";

fn what_orphaned_means(orphans: &[IntegrationRow]) -> String {
    let orphans = orphans.iter().filter(|row| row.state == ORPHANED);
    let ways: Vec<String> = orphans.map(|row| format!("`catalog-sync integration delete {}`", row.workspace)).collect();
    format!(
        "orphaned: left the config, or serves another workspace there now; it is not synced, and its data is kept until {}",
        escape_control(&ways.join(", "))
    )
}

fn integrations(screen: &Screen, rows: &[IntegrationRow]) -> String {
    if rows.is_empty() {
        return "the config has no integration".to_owned();
    }
    let table = screen.table_of(
        [
            "INTEGRATION",
            "STATE",
            "WORKSPACE",
            "CATALOG",
            "SCHEDULE",
            "NEXT RUN (UTC)",
            "AUTO-IMPORT",
            "REPOSITORIES",
            "IMPORTED",
            "LAST SYNC (UTC)",
            "OUTCOME",
        ],
        &["WORKSPACE", "CATALOG", "AUTO-IMPORT", "LAST SYNC (UTC)", "SCHEDULE", "IMPORTED"],
        rows.iter().map(|row| {
            let tone = if row.state == "active" { Tone::Good } else { Tone::Attention };
            let outcome = row.last_sync.as_ref().map(|sync| sync.outcome);
            [
                row.name.clone().into(),
                Styled::new(row.state.clone(), tone),
                row.workspace.clone().into(),
                row.catalog.clone().into(),
                row.schedule.clone().into(),
                or_dash(row.next_run.map(minute)).into(),
                auto_import(row).into(),
                row.repositories.to_string().into(),
                row.imported.to_string().into(),
                or_dash(row.last_sync.as_ref().map(|sync| minute(sync.started_at))).into(),
                Styled::new(or_dash(outcome.map(Outcome::as_str)), outcome.map_or(Tone::Faint, tone_of)),
            ]
        }),
    );
    if rows.iter().any(|row| row.state == ORPHANED) {
        return format!("{table}\n\n{}", what_orphaned_means(rows));
    }
    table
}

/// What `integration delete` loses, and what comes back by itself.
pub fn deleted(deletion: &Deletion) -> String {
    let Deletion { name, workspace, repositories, links, decisions_kept, dry_run, is_orphaned } = deletion;
    let lost = format!(
        "{name} ({workspace}): {}, {} {}, with history and activity; entities and files stay as they are, and so do {}",
        count(*repositories, "repository", "repositories"),
        count(*links, "link", "links"),
        if *dry_run { "would be forgotten" } else { "forgotten" },
        count(*decisions_kept, "decision of people", "decisions of people"),
    );
    if *is_orphaned {
        return lost;
    }
    format!("{lost}; {ADOPTED_AGAIN}")
}

/// The marks in the catalog outlive the store.
const ADOPTED_AGAIN: &str = "while it is in the config, its next sync discovers them anew and makes the links again from \
                             the marks in the catalog";

fn pull_requests(screen: &Screen, rows: &[PullRequestRow]) -> String {
    if rows.is_empty() {
        return "no pull request is stored for it".to_owned();
    }
    let table = screen.table_of(
        ["ID", "STATE", "TITLE", "AUTHOR", "FROM", "INTO", "UPDATED AT (UTC)"],
        &["INTO", "FROM", "AUTHOR"],
        rows.iter().map(|row| {
            [
                row.id.to_string().into(),
                row.state.clone().into(),
                row.title.clone().into(),
                or_dash(row.author.as_deref()).into(),
                or_dash(row.source_branch.as_deref()).into(),
                or_dash(row.target_branch.as_deref()).into(),
                minute(row.updated_at).into(),
            ]
        }),
    );
    format!("{table}\n\n{}", over_time(rows.iter().map(|row| row.updated_at)))
}

fn commits(screen: &Screen, rows: &[CommitRow]) -> String {
    if rows.is_empty() {
        return "no commit is stored for it".to_owned();
    }
    let table = screen.table(
        ["HASH", "COMMITTED AT (UTC)", "AUTHOR", "MESSAGE"],
        rows.iter().map(|row| {
            [
                row.hash.chars().take(12).collect::<String>().into(),
                minute(row.committed_at).into(),
                or_dash(row.author.as_deref()).into(),
                row.message.lines().next().unwrap_or_default().to_owned().into(),
            ]
        }),
    );
    format!("{table}\n\n{}", over_time(rows.iter().map(|row| row.committed_at)))
}

fn details(screen: &Screen, rows: &[Detail]) -> String {
    if rows.is_empty() {
        return "nothing of this kind is stored for it".to_owned();
    }
    screen.table(
        ["OF", "AT (UTC)", "WHAT"],
        rows.iter().map(|row| {
            let of = match &row.of {
                ItemId::Number(number) => format!("#{number}"),
                ItemId::Hash(hash) => hash.chars().take(12).collect(),
            };
            [of.into(), minute(row.at).into(), in_words(&row.body).into()]
        }),
    )
}

/// `2 approved, 1 commented`; `3 files, +10 -2`; `#7 successful`.
fn in_words(body: &DetailBody) -> String {
    match body {
        DetailBody::Reviews { reviews } => {
            let mut counts: std::collections::BTreeMap<&str, u64> = std::collections::BTreeMap::new();
            for review in reviews {
                *counts.entry(review.action.as_str()).or_default() += 1;
            }
            let counts: Vec<String> =
                counts.iter().map(|(action, count)| format!("{count} {}", action.replace('_', " "))).collect();
            if counts.is_empty() { "no review".to_owned() } else { counts.join(", ") }
        }
        DetailBody::Files { lines_added, lines_removed, total, .. } => {
            let lines = match (lines_added, lines_removed) {
                (Some(added), Some(removed)) => format!(", +{added} -{removed}"),
                _ => String::new(),
            };
            format!("{}{lines}", count(*total, "file", "files"))
        }
        DetailBody::Builds { builds } if builds.is_empty() => "no build".to_owned(),
        DetailBody::Builds { builds } => {
            let builds: Vec<String> = builds.iter().map(|build| format!("{} {}", build.key, build.state)).collect();
            builds.join(", ")
        }
        DetailBody::Unavailable { reason } => reason.clone(),
    }
}

/// `2026-10: 3, 2026-11: 9`: counts over time (P5.8).
fn over_time(times: impl Iterator<Item = chrono::DateTime<chrono::Utc>>) -> String {
    let mut months = std::collections::BTreeMap::new();
    for at in times {
        *months.entry(at.format("%Y-%m").to_string()).or_insert(0_u64) += 1;
    }
    let counts: Vec<String> = months.iter().rev().take(12).map(|(month, n)| format!("{month}: {n}")).collect();
    format!("by month  {}", counts.into_iter().rev().collect::<Vec<_>>().join(", "))
}

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

fn credentials(screen: &Screen, rows: &[CredentialRow]) -> String {
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

fn credential(row: &CredentialRow) -> String {
    let users = if row.used_by.is_empty() { "nothing".to_owned() } else { row.used_by.join(", ") };
    let mut text = vec![
        format!("{}  {}  {}", row.name, row.kind, row.state.replace('_', " ")),
        format!("created   {} UTC", minute(row.created_at)),
        format!("updated   {} UTC", minute(row.updated_at)),
        format!("expires   {}", or_dash(row.expires)),
        format!("used by   {users}"),
        format!("key       {}", row.key_id),
    ];
    text.extend(row.problem.clone());
    text.iter().map(|line| escape_control(line)).collect::<Vec<_>>().join("\n")
}

fn store(screen: &Screen, report: &StoreReport) -> String {
    let table = screen.table(
        ["BOOK", "RECORDS"],
        report.books.iter().map(|(book, records)| [book.clone().into(), records.to_string().into()]),
    );
    let faults = if report.faults.is_empty() {
        "no fault found".to_owned()
    } else {
        format!("{}:\n{}", count(report.faults.len() as u64, "fault", "faults"), report.faults.join("\n"))
    };
    format!("{table}\n\nschema {}, {} KiB on disk; {faults}", report.schema, report.size_bytes / 1024)
}
