//! What happened in a repository week by week, as far as it is known: an unknown week is told from a quiet one (P5.8).

use std::collections::HashSet;

use chrono::{DateTime, Datelike, Days, NaiveDate, Utc, Weekday};
use serde::{Deserialize, Serialize};

use super::answer::RepositoryName;
use super::request::Answer;
use super::{App, Failure};
use crate::model::coverage::{Floor, Ranges};
use crate::model::{Commit, Coverage, Item, PullRequest, PullRequestState, SecondaryKind};

/// How many weeks are told, the present one included.
pub const WEEKS: usize = 26;
/// At most so many items of a kind are counted; what lies before the oldest of them counts as unknown.
const MOST_ITEMS: usize = 20_000;

/// One week.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Week {
    /// Its Monday.
    pub from: NaiveDate,
    /// Pull requests opened.
    pub opened: u64,
    /// Pull requests merged.
    pub merged: u64,
    /// Commits of the default branch.
    pub commits: u64,
    /// Whether all of its pull requests are known.
    pub knows_pull_requests: bool,
    /// Whether all of its commits are known.
    pub knows_commits: bool,
}

/// The activity of one repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ActivityWeeks {
    /// Name of the integration.
    pub integration: String,
    /// Which repository.
    pub repository: RepositoryName,
    /// Oldest first.
    pub weeks: Vec<Week>,
    /// What is stored of pull requests, in words; `None`: they are not fetched.
    pub pull_requests: Option<String>,
    /// What is stored of commits, in words; `None`: they are not fetched.
    pub commits: Option<String>,
}

pub(super) async fn weeks(app: &App, repository: &str, integration: Option<&str>) -> Result<Answer, Failure> {
    let (integration, known) = app.find(repository, integration).await?;
    let (key, repo) = (integration.key(), &known.repository.key);
    let mut stored = Vec::new();
    for kind in SecondaryKind::ALL {
        let coverage = app.store.coverage_of(&key, repo, kind).await?;
        let items = app.store.items(&key, repo, kind, MOST_ITEMS).await?;
        stored.push((coverage, items));
    }
    let words = |kind: SecondaryKind, coverage: &Option<Coverage>| {
        let is_fetched = integration.secondary_kinds.contains_key(&kind);
        let told = coverage.as_ref().map(Coverage::describe);
        told.or_else(|| is_fetched.then(|| "not fetched yet".to_owned()))
    };
    let [(of_pull_requests, pull_requests), (of_commits, commits)] = stored.as_slice() else {
        unreachable!("two kinds")
    };
    let pull_requests: Vec<&PullRequest> = pull_requests
        .iter()
        .filter_map(|item| if let Item::PullRequest(one) = item { Some(one) } else { None })
        .collect();
    let commits: Vec<&Commit> =
        commits.iter().filter_map(|item| if let Item::Commit(one) = item { Some(one) } else { None }).collect();
    let unknown = (
        unknown_pull_requests(of_pull_requests.as_ref(), &pull_requests),
        unknown_commits(of_commits.as_ref(), &commits),
    );
    Ok(Answer::Weeks(Box::new(ActivityWeeks {
        integration: integration.name.clone(),
        repository: RepositoryName::from(&known.repository),
        weeks: count(app.clock.now(), &pull_requests, &commits, &unknown.0, &unknown.1),
        pull_requests: words(SecondaryKind::PullRequests, of_pull_requests),
        commits: words(SecondaryKind::Commits, of_commits),
    })))
}

/// A stretch of time, both ends included, of which not everything is known.
type Unknown = (DateTime<Utc>, DateTime<Utc>);

const BEGINNING: DateTime<Utc> = DateTime::<Utc>::MIN_UTC;
const END: DateTime<Utc> = DateTime::<Utc>::MAX_UTC;

/// Of pull requests updated then. One opened or merged in a week whose every later update is known is known.
fn unknown_pull_requests(coverage: Option<&Coverage>, stored: &[&PullRequest]) -> Vec<Unknown> {
    let Some(Coverage { window: Some(window), ranges: Ranges::PullRequests(ranges), checked_at, .. }) = coverage else {
        return vec![(BEGINNING, END)];
    };
    let mut unknown: Vec<Unknown> =
        ranges.gaps.iter().map(|gap| (gap.from.unwrap_or(BEGINNING), gap.to.unwrap_or(END))).collect();
    match ranges.floor {
        Floor::At(at) => unknown.push((BEGINNING, at)),
        Floor::Start => unknown.extend(window.start.map(|start| (BEGINNING, start))),
        // A gap counts down to it.
        Floor::Open => {}
    }
    unknown.extend(checked_at.map(|at| (at, END)));
    unknown.extend(before_the_oldest(stored.iter().map(|one| one.updated_at), stored.len()));
    unknown
}

/// Of commits of then. A gap hangs below the stored commits whose parents it lacks, and above what it leaves out.
fn unknown_commits(coverage: Option<&Coverage>, stored: &[&Commit]) -> Vec<Unknown> {
    let Some(Coverage { window: Some(window), ranges: Ranges::Commits(ranges), checked_at, .. }) = coverage else {
        return vec![(BEGINNING, END)];
    };
    let mut unknown = Vec::new();
    for gap in &ranges.gaps {
        let heads: HashSet<&str> = gap.heads.iter().map(String::as_str).collect();
        let exclude: HashSet<&str> = gap.exclude.iter().map(String::as_str).collect();
        let above = stored.iter().filter(|commit| commit.parents.iter().any(|parent| heads.contains(parent.as_str())));
        let below = stored.iter().filter(|commit| exclude.contains(commit.hash.as_str()));
        unknown.push((
            below.map(|commit| commit.committed_at).max().unwrap_or(BEGINNING),
            above.map(|commit| commit.committed_at).max().unwrap_or(END),
        ));
    }
    let oldest = stored.iter().map(|commit| commit.committed_at).min();
    match (ranges.to_the_end, oldest) {
        (true, _) => unknown.extend(window.start.map(|start| (BEGINNING, start))),
        (false, Some(oldest)) => unknown.push((BEGINNING, oldest)),
        (false, None) => unknown.push((BEGINNING, END)),
    }
    unknown.extend(checked_at.map(|at| (at, END)));
    unknown.extend(before_the_oldest(stored.iter().map(|commit| commit.committed_at), stored.len()));
    unknown
}

fn before_the_oldest(dates: impl Iterator<Item = DateTime<Utc>>, number: usize) -> Option<Unknown> {
    let oldest = dates.min()?;
    (number >= MOST_ITEMS).then_some((BEGINNING, oldest))
}

/// The weeks up to now. Pure: what is unknown comes along.
fn count(
    now: DateTime<Utc>,
    pull_requests: &[&PullRequest],
    commits: &[&Commit],
    unknown_pull_requests: &[Unknown],
    unknown_commits: &[Unknown],
) -> Vec<Week> {
    let monday = now.date_naive().week(Weekday::Mon).first_day();
    let first = monday - Days::new(7 * (WEEKS as u64 - 1));
    let mut weeks: Vec<Week> = (0..WEEKS as u64)
        .map(|week| {
            let from = first + Days::new(7 * week);
            let begins = from.and_time(chrono::NaiveTime::MIN).and_utc();
            let ends = (begins + Days::new(7)).min(now);
            let knows = |unknown: &[Unknown]| !unknown.iter().any(|(from, to)| *from < ends && *to > begins);
            Week {
                from,
                opened: 0,
                merged: 0,
                commits: 0,
                knows_pull_requests: knows(unknown_pull_requests),
                knows_commits: knows(unknown_commits),
            }
        })
        .collect();
    let place = |at: DateTime<Utc>| {
        let days = i64::from(at.date_naive().num_days_from_ce() - first.num_days_from_ce());
        usize::try_from(days.div_euclid(7)).ok().filter(|week| *week < WEEKS)
    };
    for one in pull_requests {
        if let Some(week) = place(one.created_at) {
            weeks[week].opened += 1;
        }
        if let Some(week) = place(one.updated_at).filter(|_| one.state == PullRequestState::Merged) {
            weeks[week].merged += 1;
        }
    }
    for commit in commits.iter().filter(|commit| !commit.unreachable) {
        if let Some(week) = place(commit.committed_at) {
            weeks[week].commits += 1;
        }
    }
    weeks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        format!("{text}T12:00:00Z").parse().unwrap()
    }

    // P5.8: each item is counted in its week, and none twice; what is older than the weeks told is left out.
    #[test]
    fn items_are_counted_in_their_weeks_p5_8() {
        // A Sunday: the week began on Monday the 16th.
        let now = at("2026-11-22");
        let mut merged = PullRequest::bare(1, at("2026-11-17"));
        merged.created_at = at("2026-11-09");
        merged.state = PullRequestState::Merged;
        let open = PullRequest::bare(2, at("2026-11-16"));
        let commits = [
            Commit::bare("a", at("2026-11-16")),
            Commit::bare("b", at("2026-11-15")),
            Commit::bare("c", at("2020-01-01")),
        ];
        let weeks = count(now, &[&merged, &open], &commits.iter().collect::<Vec<_>>(), &[], &[]);
        let told: Vec<_> = weeks.iter().map(|week| (week.opened, week.merged, week.commits)).collect();
        assert_eq!(told.len(), WEEKS);
        assert_eq!(told[WEEKS - 2..], [(1, 0, 1), (1, 1, 1)]);
        assert!(told[..WEEKS - 2].iter().all(|week| *week == (0, 0, 0)));
        assert_eq!(weeks[WEEKS - 1].from.to_string(), "2026-11-16");
        assert!(weeks.iter().all(|week| week.knows_commits && week.knows_pull_requests));
    }

    // P5.7, P5.8: a gap in the data never looks like a quiet week.
    #[test]
    fn unknown_weeks_are_told_from_quiet_ones_p5_7() {
        let now = at("2026-11-22");
        let unknown = [(BEGINNING, at("2026-09-02")), (at("2026-10-05"), at("2026-10-07"))];
        let weeks = count(now, &[], &[], &[], &unknown);
        let not_known: Vec<_> =
            weeks.iter().filter(|week| !week.knows_commits).map(|week| week.from.to_string()).collect();
        assert_eq!(not_known.last().map(String::as_str), Some("2026-10-05"));
        assert_eq!(not_known.len(), 15 + 1, "{not_known:?}");
        assert!(weeks.iter().all(|week| week.knows_pull_requests));
    }

    // A gap of commits lies between the stored ones whose parents it lacks and those it leaves out.
    #[test]
    fn a_gap_of_commits_has_dates_p5_7() {
        use crate::model::RepoKey;
        use crate::model::coverage::{CommitGap, CommitRanges, FirstSync, Window};
        let mut newest = Commit::bare("n", at("2026-11-20"));
        newest.parents = vec!["missing".to_owned()];
        let known = Commit::bare("k", at("2026-10-01"));
        let mut coverage = Coverage::new(RepoKey::cloud("{1}"), SecondaryKind::Commits);
        coverage.window = Some(Window { first_sync: FirstSync::All, start: None, fetched_at: at("2026-10-02") });
        let gap = CommitGap {
            heads: vec!["missing".to_owned()],
            exclude: vec!["k".to_owned()],
            limit: None,
            rerooted: false,
            known: 3,
            more: false,
            since: at("2026-11-20"),
        };
        coverage.ranges =
            Ranges::Commits(CommitRanges { to_the_end: true, gaps: vec![gap], ..CommitRanges::default() });
        assert_eq!(unknown_commits(Some(&coverage), &[&newest, &known]), [(at("2026-10-01"), at("2026-11-20"))]);
        assert_eq!(unknown_commits(None, &[]), [(BEGINNING, END)]);
    }
}
