//! When an integration syncs by itself (P2.4). Pure: the engine writes the loop that waits.
//!
//! Intervals count from the last start and carry a stable jitter, so that many integrations do not start
//! in the same second. Cron expressions are meant in a time zone: at a clock change nothing runs twice and
//! nothing is left out. A run that was missed (the program was down, the sync before took too long) is
//! made up once, not once for each time missed.

use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use sha2::{Digest, Sha256};

use crate::config::Cadence;
use crate::model::IntegrationKey;

/// No clock change repeats more than this: how far back candidates may lie whose second pass is still due.
const LONGEST_REPEAT: TimeDelta = TimeDelta::hours(3);
/// No clock change skips more than this (Samoa left a whole day out).
const LONGEST_SKIP_MINUTES: i64 = 26 * 60;

/// A clock set back by no more than this was only corrected.
const SMALL_JUMP: TimeDelta = TimeDelta::hours(1);

/// When the next sync is due. In the past or equal to `now`: at once.
///
/// `last_started` is when the last sync started, by whatever trigger; a sync by hand moves an interval on.
/// An integration that never synced is due at once.
///
/// `None`: a cron expression that never fires again; a loaded config holds none.
pub fn next_due(
    cadence: &Cadence,
    integration: &IntegrationKey,
    last_started: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let Some(last_started) = last_started else { return Some(now) };
    // A clock that jumped back leaves a start in the future: waiting for it could take years. After a small
    // jump a time of the cron expression that had its run does not get a second one.
    match cadence {
        Cadence::Every(interval) => Some(last_started.min(now) + spaced(*interval, integration)),
        Cadence::Cron { expr, timezone } => {
            let from = if last_started - now > SMALL_JUMP { now } else { last_started };
            Cron::parse(expr).ok()?.after(from, *timezone)
        }
    }
}

/// The next `count` times, beginning with [`next_due`]: for display. They suppose that each sync starts
/// when it is due.
pub fn upcoming(
    cadence: &Cadence,
    integration: &IntegrationKey,
    last_started: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
    count: usize,
) -> Vec<DateTime<Utc>> {
    let first = next_due(cadence, integration, last_started, now).map(|due| due.max(now));
    std::iter::successors(first, |due| next_due(cadence, integration, Some(*due), *due)).take(count).collect()
}

/// The interval with its jitter.
fn spaced(interval: Duration, integration: &IntegrationKey) -> TimeDelta {
    TimeDelta::from_std(interval + jitter(interval, integration)).unwrap_or(TimeDelta::MAX)
}

/// Up to a tenth of the interval, always the same for one integration.
fn jitter(interval: Duration, integration: &IntegrationKey) -> Duration {
    let digest = Sha256::digest(integration.to_string());
    let hash = digest.iter().take(8).fold(0_u64, |hash, byte| hash << 8 | u64::from(*byte));
    Duration::from_millis(hash.checked_rem(millis(interval / 10)).unwrap_or(0))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A cron expression: five fields as crontab has them, or six with seconds first.
#[derive(Clone, Debug)]
pub struct Cron {
    /// One, or two that hold either: with both a day of the month and a day of the week, crontab fires on
    /// days that are one or the other, the cron crate on days that are both.
    schedules: Vec<cron::Schedule>,
    /// It fires in every hour: then the hour that a clock change repeats is an hour like the others.
    every_hour: bool,
}

/// Why a cron expression is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct CronError {
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub mend: String,
}

fn refused<T>(what: impl Into<String>, mend: impl Into<String>) -> Result<T, CronError> {
    Err(CronError { what: what.into(), mend: mend.into() })
}

impl Cron {
    /// Reads an expression.
    ///
    /// # Errors
    /// [`CronError`], also for expressions whose date never comes (30 February).
    pub fn parse(text: &str) -> Result<Self, CronError> {
        const FORM: &str = "write minute, hour, day of month, month, day of week: `0 */3 * * *`";
        if text.starts_with('@') {
            return refused(format!("`{text}` is a shorthand we do not know"), FORM);
        }
        let fields: Vec<&str> = text.split_whitespace().collect();
        let (seconds, minute, hour, day, month, weekday) = match fields.as_slice() {
            [minute, hour, day, month, weekday] => ("0", *minute, *hour, *day, *month, *weekday),
            [seconds, minute, hour, day, month, weekday] => (*seconds, *minute, *hour, *day, *month, *weekday),
            _ => {
                let what = format!("a cron expression has 5 fields (6 with seconds), and this has {}", fields.len());
                return refused(what, FORM);
            }
        };
        let either = !is_any(day) && !is_any(weekday);
        let weekday = weekdays(weekday)?;
        let days = if either { vec![(day, "*"), ("*", weekday.as_str())] } else { vec![(day, weekday.as_str())] };
        let parse = |(day, weekday): (&str, &str)| {
            let expression = format!("{seconds} {minute} {hour} {day} {month} {weekday}");
            cron::Schedule::from_str(&expression)
                .map_err(|_| CronError { what: format!("`{text}` is not a cron expression"), mend: FORM.to_owned() })
        };
        let schedules = days.into_iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        let cron = Self { schedules, every_hour: hour == "*" };
        // Dates that exist at all come within the 8 years that 29 February can be away.
        if cron.schedules.iter().all(|schedule| schedule.after(&DateTime::UNIX_EPOCH).next().is_none()) {
            let what = format!("`{text}` never fires: there is no such date");
            return refused(what, "choose a day that the month has");
        }
        Ok(cron)
    }

    /// The first time later than `after`; `None` when there is none before the year 2100.
    pub fn after(&self, after: DateTime<Utc>, timezone: Tz) -> Option<DateTime<Utc>> {
        self.schedules.iter().filter_map(|schedule| self.first(schedule, after, timezone)).min()
    }

    /// Walks the times on the wall and turns each into instants.
    fn first(&self, schedule: &cron::Schedule, after: DateTime<Utc>, timezone: Tz) -> Option<DateTime<Utc>> {
        let wall = after.with_timezone(&timezone).naive_local();
        let mut best: Option<DateTime<Utc>> = None;
        for time in schedule.after(&(wall - LONGEST_REPEAT).and_utc()) {
            let instants = self.instants(time.naive_utc(), timezone);
            // First passes come in the order of the wall, so behind the best there is nothing earlier.
            if best.is_some_and(|best| instants.first().is_some_and(|first| *first > best)) {
                break;
            }
            best = instants.into_iter().filter(|instant| *instant > after).chain(best).min();
            if best.is_some() && !self.every_hour {
                break;
            }
        }
        best
    }

    /// When the wall shows a time. Shown twice: the first pass only, unless it fires in every hour.
    /// Skipped: the moment the clock is moved, unless it fires in every hour.
    fn instants(&self, wall: NaiveDateTime, timezone: Tz) -> Vec<DateTime<Utc>> {
        match timezone.from_local_datetime(&wall) {
            chrono::LocalResult::Single(instant) => vec![instant.to_utc()],
            chrono::LocalResult::Ambiguous(first, second) if self.every_hour => {
                vec![first.to_utc().min(second.to_utc()), first.to_utc().max(second.to_utc())]
            }
            chrono::LocalResult::Ambiguous(first, second) => vec![first.to_utc().min(second.to_utc())],
            chrono::LocalResult::None if self.every_hour => Vec::new(),
            chrono::LocalResult::None => {
                let minute = wall.and_utc().timestamp().div_euclid(60) * 60;
                let start = DateTime::from_timestamp(minute, 0).unwrap_or_default().naive_utc();
                let shown = |minutes| timezone.from_local_datetime(&(start + TimeDelta::minutes(minutes))).earliest();
                (1..=LONGEST_SKIP_MINUTES).find_map(shown).map(|instant| instant.to_utc()).into_iter().collect()
            }
        }
    }
}

fn is_any(field: &str) -> bool {
    field.starts_with('*') || field == "?"
}

/// Crontab counts days of the week 0 or 7 = Sunday to 6 = Saturday, the cron crate 1 = Sunday to 7.
fn weekdays(field: &str) -> Result<String, CronError> {
    const NAMES: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
    if field == "*" || field == "?" {
        return Ok("*".to_owned());
    }
    let wrong = || CronError {
        what: format!("`{field}` is no day of the week"),
        mend: "use 0 or SUN to 6 or SAT, lists (`1,3`), ranges (`MON-FRI`) and steps (`*/2`)".to_owned(),
    };
    let day = |text: &str| -> Result<usize, CronError> {
        let upper = text.to_ascii_uppercase();
        if let Some(index) = NAMES.iter().position(|name| upper == *name) {
            return Ok(index);
        }
        upper.parse().ok().filter(|day| *day <= 7).ok_or_else(wrong)
    };
    let mut fires = [false; 7];
    for item in field.split(',') {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, step.parse::<usize>().ok().filter(|step| *step > 0).ok_or_else(wrong)?),
            None => (item, 1),
        };
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (day(from)?, day(to)?),
            None if range == "*" => (0, 6),
            None if item.contains('/') => (day(range)?, 6),
            None => (day(range)?, day(range)?),
        };
        // `FRI-SUN` and `5-0` go around the end of the week.
        let to = if to < from { to + 7 } else { to };
        (from..=to).step_by(step).for_each(|day| fires[day % 7] = true);
    }
    if fires == [true; 7] {
        return Ok("*".to_owned());
    }
    let days: Vec<String> = (0..7).filter(|day| fires[*day]).map(|day| (day + 1).to_string()).collect();
    Ok(days.join(","))
}
