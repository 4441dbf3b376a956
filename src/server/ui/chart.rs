//! Bars of the weeks of a repository, with the stretch that is known drawn below them.

use crate::commands::weeks::{ActivityWeeks, Week};

/// Width of a week, in units of the drawing.
const STEP: usize = 24;
/// Height of the bars.
const HEIGHT: u64 = 96;
/// What stands left of the first week.
const LEFT: usize = 32;

/// One drawing.
pub(super) struct Chart {
    pub(super) title: &'static str,
    /// What it shows, for who does not see it.
    pub(super) words: String,
    pub(super) width: usize,
    /// The highest bar, and half of it.
    pub(super) top: u64,
    pub(super) bars: Vec<Bar>,
    /// Weeks of which not everything is known.
    pub(super) unknown: Vec<usize>,
    /// From where to where everything is known.
    pub(super) known: Vec<(usize, usize)>,
    /// Names of months where they begin.
    pub(super) months: Vec<(usize, String)>,
    pub(super) is_of_commits: bool,
    /// What is stored, in words.
    pub(super) covered: String,
}

pub(super) struct Bar {
    pub(super) x: usize,
    pub(super) y: u64,
    pub(super) width: usize,
    pub(super) height: u64,
    pub(super) class: &'static str,
    pub(super) title: String,
}

/// Pull requests, then commits: those that are fetched.
pub(super) fn charts(activity: &ActivityWeeks) -> Vec<Chart> {
    let mut charts = Vec::new();
    if let Some(covered) = &activity.pull_requests {
        charts.push(pull_requests(&activity.weeks, covered.clone()));
    }
    if let Some(covered) = &activity.commits {
        charts.push(commits(&activity.weeks, covered.clone()));
    }
    charts
}

fn pull_requests(weeks: &[Week], covered: String) -> Chart {
    let top = weeks.iter().map(|week| week.opened.max(week.merged)).max().unwrap_or_default();
    let mut chart = empty("Pull requests per week", weeks, top, covered, |week| week.knows_pull_requests);
    for (at, week) in weeks.iter().enumerate() {
        let named = |number: u64, what: &str| format!("{number} {what} in the week of {}", week.from);
        chart.bar(at, 3, week.opened, "opened", named(week.opened, "opened"));
        chart.bar(at, 12, week.merged, "merged", named(week.merged, "merged"));
    }
    let (opened, merged) = weeks.iter().fold((0, 0), |sum, week| (sum.0 + week.opened, sum.1 + week.merged));
    chart.words = format!(
        "{opened} pull requests opened and {merged} merged in {} weeks; the table below has each week",
        weeks.len()
    );
    chart
}

fn commits(weeks: &[Week], covered: String) -> Chart {
    let top = weeks.iter().map(|week| week.commits).max().unwrap_or_default();
    let mut chart = empty("Commits per week", weeks, top, covered, |week| week.knows_commits);
    chart.is_of_commits = true;
    for (at, week) in weeks.iter().enumerate() {
        chart.bar(at, 3, week.commits, "commits", format!("{} in the week of {}", week.commits, week.from));
    }
    let sum: u64 = weeks.iter().map(|week| week.commits).sum();
    chart.words = format!("{sum} commits in {} weeks; the table below has each week", weeks.len());
    chart
}

fn empty(title: &'static str, weeks: &[Week], top: u64, covered: String, knows: fn(&Week) -> bool) -> Chart {
    let place = |at: usize| LEFT + at * STEP;
    let mut known: Vec<(usize, usize)> = Vec::new();
    let mut unknown = Vec::new();
    let mut months: Vec<(usize, String)> = Vec::new();
    for (at, week) in weeks.iter().enumerate() {
        if knows(week) {
            match known.last_mut() {
                Some((_, to)) if *to == place(at) => *to = place(at + 1),
                _ => known.push((place(at), place(at + 1))),
            }
        } else {
            unknown.push(place(at));
        }
        let name = week.from.format("%b").to_string();
        if months.last().is_none_or(|(_, last)| *last != name) {
            months.push((place(at), name));
        }
    }
    // A month of which only the end is told leaves no room for its name.
    if let [(first, _), (second, _), ..] = months.as_slice()
        && second - first < 2 * STEP
    {
        months.remove(0);
    }
    Chart {
        title,
        words: String::new(),
        width: place(weeks.len()),
        top: top.max(1),
        bars: Vec::new(),
        unknown,
        known,
        months,
        is_of_commits: false,
        covered,
    }
}

impl Chart {
    fn bar(&mut self, at: usize, offset: usize, number: u64, class: &'static str, title: String) {
        if number == 0 {
            return;
        }
        let height = (number * HEIGHT / self.top).max(2);
        let width = if class == "commits" { STEP - 6 } else { 8 };
        self.bars.push(Bar { x: LEFT + at * STEP + offset, y: 8 + HEIGHT - height, width, height, class, title });
    }
}
