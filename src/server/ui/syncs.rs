//! `/i/NAME/syncs`: history, live progress, errors with their mend, what is held.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::Path;

use super::cards::{Budget, budget};
use super::frame::{Asked, Frame, Page, page_of, sentence};
use super::integration::{Confirm, Head, astray, open};
use super::words::{Chip, Moment, count, segment, thousands, took};
use crate::commands::request::{Answer, Request};
use crate::commands::sync;
use crate::model::sync::{RepositoryCounts, SecondaryCounts};
use crate::model::{Outcome, Secondary, SyncRecord, Trigger};

/// How many past syncs the page lists.
const LISTED: usize = 50;
/// Of many alike, so many are listed; the rest is counted.
const MOST_LISTED: usize = 100;

#[derive(Template)]
#[template(path = "syncs.html")]
struct Syncs {
    f: Frame,
    h: Head,
    rows: Vec<Row>,
    spark: Option<Spark>,
    budget: Option<Budget>,
    forecast: Vec<String>,
}

struct Row {
    href: String,
    at: Moment,
    outcome: Chip,
    trigger: &'static str,
    took: String,
    requests: String,
    seen: String,
    new: String,
    imported: String,
    updated: String,
    errors: String,
}

/// Two small lines, oldest left.
struct Spark {
    durations: String,
    requests: String,
    words: String,
}

pub(super) async fn list(asked: Asked, Path(name): Path<String>) -> Page {
    let (f, h) = open(&asked, &name, "syncs").await?;
    let records = match h.is_orphaned {
        true => Vec::new(),
        false => {
            let history = Request::SyncHistory { integration: Some(h.name.clone()), limit: LISTED };
            let Answer::Syncs(records) = asked.ask(history).await? else { return Err(asked.trouble(astray())) };
            records
        }
    };
    let rows = records.iter().map(|record| row(&asked, &h, record)).collect();
    let last = records.iter().find(|record| record.requests_remaining.is_some());
    let ended = records.iter().find(|record| record.outcome != Outcome::Running);
    let forecast = ended.map(waiting).unwrap_or_default();
    Ok(page_of(&Syncs { f, spark: spark(&records), budget: last.and_then(budget), forecast, h, rows }))
}

fn row(asked: &Asked, h: &Head, record: &SyncRecord) -> Row {
    // Of one that runs, nothing is counted yet.
    let counted = |number| if record.outcome == Outcome::Running { "…".to_owned() } else { thousands(number) };
    Row {
        href: format!("{}/syncs/{}", h.at, segment(&record.id.0)),
        at: Moment::new(asked.now(), record.started_at),
        outcome: Chip::outcome(record.outcome),
        trigger: record.trigger.as_str(),
        took: took(record.duration_ms),
        requests: counted(record.requests),
        seen: counted(record.repositories.seen),
        new: counted(record.repositories.new),
        imported: counted(record.imported.registered + record.imported.merged),
        updated: counted(record.imported.updated),
        errors: counted(record.errors.len() as u64),
    }
}

/// What waits for later syncs, and until when (P5.6).
fn waiting(record: &SyncRecord) -> Vec<String> {
    let Secondary { pull_requests, commits, users: _, details } = &record.secondary;
    let both = [("Pull requests".to_owned(), pull_requests.as_ref()), ("Commits".to_owned(), commits.as_ref())];
    let details = details.iter().map(|(kind, counts)| (sentence(kind.as_str().replace('_', " ")), Some(counts)));
    let lines = both.into_iter().chain(details).filter_map(|(name, counts)| {
        let counts = counts.filter(|counts| counts.backlog > 0 || counts.repositories_waiting > 0)?;
        Some(format!("{name}: {}", backlog(counts)))
    });
    lines.collect()
}

fn backlog(counts: &SecondaryCounts) -> String {
    let mut words = Vec::new();
    if counts.backlog > 0 {
        words.push(format!("{} wait", thousands(counts.backlog)));
    }
    if counts.repositories_waiting > 0 {
        words.push(format!("{} not counted yet", count(counts.repositories_waiting, "repository", "repositories")));
    }
    if let Some(at) = counts.complete_by {
        words.push(format!("complete by {}", at.format("%Y-%m-%d %H:%M UTC")));
    }
    words.join(", ")
}

fn spark(records: &[SyncRecord]) -> Option<Spark> {
    let ended: Vec<&SyncRecord> = records.iter().filter(|record| record.outcome != Outcome::Running).rev().collect();
    if ended.len() < 2 {
        return None;
    }
    let (longest, most) =
        (ended.iter().map(|record| record.duration_ms).max()?, ended.iter().map(|record| record.requests).max()?);
    let line = |of: &dyn Fn(&SyncRecord) -> u64, top: u64| {
        let step = 500.0 / (ended.len() - 1) as f64;
        let points = ended.iter().enumerate().map(|(at, record)| {
            let height = of(record) as f64 / top.max(1) as f64;
            format!("{:.1},{:.1}", at as f64 * step, 44.0 - height * 40.0)
        });
        points.collect::<Vec<_>>().join(" ")
    };
    Some(Spark {
        durations: line(&|record| record.duration_ms, longest),
        requests: line(&|record| record.requests, most),
        words: format!(
            "The last {} syncs: at most {} (line) and {} (dashes).",
            ended.len(),
            took(longest),
            count(most, "request", "requests")
        ),
    })
}

#[derive(Template)]
#[template(path = "sync.html")]
struct Sync {
    f: Frame,
    h: Head,
    s: Shown,
    /// Where its progress comes from, while it runs.
    events: Option<String>,
    /// What its stages do, in words, for the script that shows them.
    stages: String,
}

/// A sync as a page shows it.
struct Shown {
    id: String,
    at: Moment,
    outcome: Chip,
    lead: String,
    is_running: bool,
    stage: String,
    told: String,
    progress: Option<(u64, u64)>,
    can_cancel: bool,
    can_approve: bool,
    repositories: Vec<(&'static str, String)>,
    secondary: Vec<(String, String)>,
    /// Which kinds it fetches.
    fetches: String,
    /// Why there is nothing of any kind.
    no_secondary: &'static str,
    held: Vec<Told>,
    held_more: Option<String>,
    errors: Vec<Told>,
    errors_more: Option<String>,
    notes: Vec<String>,
}

struct Told {
    about: String,
    words: String,
    then: &'static str,
}

pub(super) async fn show(asked: Asked, Path((name, id)): Path<(String, String)>) -> Page {
    let (mut f, h) = open(&asked, &name, "syncs").await?;
    let Answer::Sync(record) = asked.ask(Request::SyncShow { id }).await? else { return Err(asked.trouble(astray())) };
    f.title = format!("Sync of {} · {}", record.started_at.format("%Y-%m-%d %H:%M"), h.name);
    let mut s = shown(&asked, &record);
    let mut events = None;
    if let Some(flight) = asked.app.running.flight(&record.id.0) {
        s.can_cancel = true;
        if let Some(progress) = flight.progress() {
            s.stage = stage(&progress.stage).to_owned();
            s.progress = progress.total.map(|total| (progress.done, total));
            s.told = match progress.total {
                Some(total) => format!("{} of {}", thousands(progress.done), thousands(total)),
                None => thousands(progress.done),
            };
        }
        events = Some(format!("{}/api/v1/syncs/{}/events", asked.base, segment(&record.id.0)));
    }
    let stages = serde_json::to_string(&BTreeMap::from(STAGES)).unwrap_or_default();
    Ok(page_of(&Sync { events, stages, f, h, s }))
}

/// What stages do, for people.
const STAGES: [(&str, &str); 7] = [
    ("discover", "Listing repositories"),
    ("correlate", "Comparing with the catalog"),
    ("apply", "Writing to the catalog"),
    ("import", "Writing to the catalog"),
    ("backfill", "Fetching pull requests and commits"),
    ("details", "Fetching reviews, files and builds"),
    (OTHER, "Under way"),
];
/// Any other stage.
const OTHER: &str = "other";

fn stage(name: &str) -> &'static str {
    let words = |wanted: &str| STAGES.iter().find(|(stage, _)| *stage == wanted).map(|(_, words)| *words);
    words(name).or_else(|| words(OTHER)).unwrap_or_default()
}

/// Kinds that an integration keeps of each repository, in words.
fn fetches(asked: &Asked, integration: &str) -> String {
    let Ok(integration) = asked.app.integration(integration) else { return String::new() };
    let kinds = integration.secondary_kinds.keys().map(|kind| kind.as_str());
    let kinds = kinds.chain(integration.details.keys().map(|kind| kind.as_str()));
    let kinds = kinds.chain(integration.users.map(|_| "users"));
    let kinds: Vec<String> = kinds.map(|kind| kind.replace('_', " ")).collect();
    sentence(kinds.join(", "))
}

fn shown(asked: &Asked, record: &SyncRecord) -> Shown {
    let repositories = &record.repositories;
    let is_running = record.outcome == Outcome::Running;
    let left =
        record.requests_remaining.map_or_else(String::new, |left| format!(", {} left in its hour", thousands(left)));
    let swept = if record.sweep { "; the whole list was walked" } else { "" };
    let lead = match is_running {
        true => format!("Triggered by {}.", by(record)),
        false => format!(
            "Triggered by {}; took {} and {}{left}{swept}.",
            by(record),
            took(record.duration_ms),
            count(record.requests, "request", "requests")
        ),
    };
    let mut found = vec![
        ("Seen", thousands(repositories.seen)),
        ("New", thousands(repositories.new)),
        ("Changed", thousands(repositories.changed)),
        ("Gone", thousands(repositories.gone)),
        ("Hidden by filters", thousands(repositories.hidden)),
    ];
    if repositories.inaccessible > 0 {
        found.push(("Cannot be read", thousands(repositories.inaccessible)));
    }
    if is_running && *repositories == RepositoryCounts::default() {
        // The list has not been walked yet.
        found.clear();
    }
    if !is_running {
        found.extend([
            ("Failed", thousands(repositories.failed)),
            (
                "To decide",
                format!(
                    "{} register, {} merge, {}",
                    thousands(record.recommendations.register),
                    thousands(record.recommendations.merge),
                    count(record.recommendations.conflict, "conflict", "conflicts")
                ),
            ),
            (
                "Catalog",
                format!(
                    "{} registered, {} merged, {} updated, {} failed",
                    thousands(record.imported.registered),
                    thousands(record.imported.merged),
                    thousands(record.imported.updated),
                    thousands(record.imported.failed)
                ),
            ),
        ]);
    }
    let fetches = fetches(asked, &record.integration);
    let more = |all: usize| match all.saturating_sub(MOST_LISTED) {
        0 => None,
        more => Some(format!("and {} more", thousands(more as u64))),
    };
    Shown {
        id: record.id.to_string(),
        at: Moment::new(asked.now(), record.started_at),
        outcome: Chip::outcome(record.outcome),
        lead,
        is_running,
        stage: "Under way".to_owned(),
        told: String::new(),
        progress: None,
        can_cancel: false,
        can_approve: record.held.iter().any(|held| held.approvable),
        repositories: found,
        secondary: secondary(record),
        no_secondary: match record.trigger {
            _ if fetches.is_empty() => "No secondary kind is selected.",
            Trigger::Approval => "An approval only writes to the catalog.",
            _ => "It did not get so far.",
        },
        fetches,
        held: record
            .held
            .iter()
            .take(MOST_LISTED)
            .map(|held| Told {
                about: [held.repository.as_deref(), held.entity.as_deref()]
                    .into_iter()
                    .flatten()
                    .collect::<Vec<_>>()
                    .join(" → "),
                words: sentence(held.reason.clone()),
                then: "",
            })
            .collect(),
        held_more: more(record.held.len()),
        errors: record
            .errors
            .iter()
            .take(MOST_LISTED)
            .map(|error| Told {
                about: error.repository.clone().unwrap_or_default(),
                words: sentence(error.message.clone()),
                then: match error.retry.as_str() {
                    "next_sync" => "Tried again by the next sync.",
                    "next_sweep" => "Tried again when the whole list is walked next.",
                    "approval" => "Waits for an approval.",
                    _ => "Not tried again by itself.",
                },
            })
            .collect(),
        errors_more: more(record.errors.len()),
        notes: record.notes.iter().cloned().map(sentence).collect(),
    }
}

fn by(record: &SyncRecord) -> &'static str {
    match record.trigger {
        Trigger::Schedule => "the schedule",
        Trigger::Manual => "hand",
        Trigger::Webhook => "a webhook",
        Trigger::Approval => "an approval",
    }
}

fn secondary(record: &SyncRecord) -> Vec<(String, String)> {
    let Secondary { pull_requests, commits, users, details } = &record.secondary;
    let both = [("Pull requests".to_owned(), pull_requests.as_ref()), ("Commits".to_owned(), commits.as_ref())];
    let details = details.iter().map(|(kind, counts)| (sentence(kind.as_str().replace('_', " ")), Some(counts)));
    let users = [("Users".to_owned(), users.as_ref())];
    let kinds = both.into_iter().chain(details).chain(users);
    kinds
        .filter_map(|(name, counts)| {
            let counts = counts?;
            let stored = format!("{} stored", thousands(counts.stored));
            let has_more = counts.backlog > 0 || counts.repositories_waiting > 0;
            Some((name, if has_more { format!("{stored}, {}", backlog(counts)) } else { stored }))
        })
        .collect()
}

pub(super) async fn start(asked: Asked, Path(name): Path<String>) -> Page {
    asked.wants_edit()?;
    let (_, h) = open(&asked, &name, "syncs").await?;
    let begun = sync::begin_now(&asked.app, std::slice::from_ref(&h.name), false).await;
    let mut path = format!("{}/syncs", h.at);
    for (started, work) in begun.map_err(|failure| asked.trouble(failure))? {
        asked.spawn(work);
        path = format!("{}/syncs/{}", h.at, segment(&started.id.0));
    }
    Ok(asked.to(&path, ""))
}

pub(super) async fn cancel(asked: Asked, Path((name, id)): Path<(String, String)>) -> Page {
    let (_, h) = open(&asked, &name, "syncs").await?;
    asked.carry_out(Request::SyncCancel { id: id.clone() }).await?;
    Ok(asked.to(&format!("{}/syncs/{}", h.at, segment(&id)), "done=cancelled"))
}

pub(super) async fn ask_approve(asked: Asked, Path((name, id)): Path<(String, String)>) -> Page {
    asked.wants_edit()?;
    let (f, h) = open(&asked, &name, "syncs").await?;
    let Answer::Sync(record) = asked.ask(Request::SyncShow { id }).await? else { return Err(asked.trouble(astray())) };
    let waiting = record.held.iter().filter(|held| held.approvable).count() as u64;
    let at = format!("{}/syncs/{}", h.at, segment(&record.id.0));
    Ok(page_of(&Confirm {
        f,
        question: "Apply what was held?".to_owned(),
        lines: vec![format!(
            "{} held by this sync. What was decided or changed since is left out and named.",
            count(waiting, "change is", "changes are")
        )],
        points: Vec::new(),
        action: format!("{at}/approve"),
        fields: Vec::new(),
        wants_reason: false,
        typed: None,
        back: at,
        verb: "Approve".to_owned(),
        tone: "primary",
    }))
}

pub(super) async fn approve(asked: Asked, Path((name, id)): Path<(String, String)>) -> Page {
    let (_, h) = open(&asked, &name, "syncs").await?;
    let Answer::Syncs(records) = asked.carry_out(Request::SyncApprove { id }).await? else {
        return Err(asked.trouble(astray()));
    };
    let path = match records.first() {
        Some(record) => format!("{}/syncs/{}", h.at, segment(&record.id.0)),
        None => format!("{}/syncs", h.at),
    };
    Ok(asked.to(&path, "done=approved"))
}
