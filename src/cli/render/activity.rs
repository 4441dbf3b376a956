//! Pull requests, commits and what hangs on them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::cli::output::{Screen, count, minute, or_dash};
use crate::commands::answer::{CommitRow, PullRequestRow, UserRow};
use crate::model::{Detail, DetailBody, ItemId};

pub(super) fn pull_requests(screen: &Screen, rows: &[PullRequestRow]) -> String {
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

pub(super) fn commits(screen: &Screen, rows: &[CommitRow]) -> String {
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

/// `2026-10: 3, 2026-11: 9`: counts over time (P5.8).
fn over_time(times: impl Iterator<Item = DateTime<Utc>>) -> String {
    let mut months = BTreeMap::new();
    for at in times {
        *months.entry(at.format("%Y-%m").to_string()).or_insert(0_u64) += 1;
    }
    let counts: Vec<String> = months.iter().rev().take(12).map(|(month, n)| format!("{month}: {n}")).collect();
    format!("by month  {}", counts.into_iter().rev().collect::<Vec<_>>().join(", "))
}

pub(super) fn details(screen: &Screen, rows: &[Detail]) -> String {
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

pub(super) fn users(screen: &Screen, rows: &[UserRow]) -> String {
    if rows.is_empty() {
        return "nobody is stored yet; `sync history` tells whether a sync could list them".to_owned();
    }
    screen.table_of(
        ["NAME", "NICKNAME", "KIND", "ACTIVE", "INTEGRATION", "ID"],
        &["ID", "INTEGRATION"],
        rows.iter().map(|UserRow { integration, user }| {
            let active = user.active.map(|active| if active { "yes" } else { "no" });
            [
                or_dash(user.name.as_deref()).into(),
                or_dash(user.nickname.as_deref()).into(),
                user.kind.as_str().to_owned().into(),
                or_dash(active).into(),
                integration.clone().into(),
                user.id.clone().into(),
            ]
        }),
    )
}

/// `2 approved, 1 commented`; `3 files, +10 -2`; `#7 successful`.
fn in_words(body: &DetailBody) -> String {
    match body {
        DetailBody::Reviews { reviews } => {
            let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
            for review in reviews {
                *counts.entry(review.action.as_str()).or_default() += 1;
            }
            let counts: Vec<String> =
                counts.iter().map(|(action, count)| format!("{count} {}", action.replace('_', " "))).collect();
            if counts.is_empty() { "no review".to_owned() } else { counts.join(", ") }
        }
        DetailBody::Files { lines_added, lines_removed, total, truncated, files } => {
            let lines = match (lines_added, lines_removed) {
                (Some(added), Some(removed)) => format!(", +{added} -{removed}"),
                _ => String::new(),
            };
            let unnamed = match total.saturating_sub(files.len() as u64) {
                0 if *truncated => " and more".to_owned(),
                0 => String::new(),
                n => format!(" ({n} not named)"),
            };
            format!("{}{unnamed}{lines}", count(*total, "file", "files"))
        }
        DetailBody::Builds { builds } if builds.is_empty() => "no build".to_owned(),
        DetailBody::Builds { builds } => {
            let builds: Vec<String> = builds.iter().map(|build| format!("{} {}", build.key, build.state)).collect();
            builds.join(", ")
        }
        DetailBody::Unavailable { reason } => reason.clone(),
    }
}
