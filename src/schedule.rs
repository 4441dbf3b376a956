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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::InstanceId;

    fn key(workspace: &str) -> IntegrationKey {
        IntegrationKey { instance: InstanceId::cloud(), workspace: workspace.to_owned(), catalog: "main".to_owned() }
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn every(hours: u64) -> Cadence {
        Cadence::Every(Duration::from_secs(hours * 3600))
    }

    fn cron(expr: &str, timezone: Tz) -> Cadence {
        Cadence::Cron { expr: expr.to_owned(), timezone }
    }

    /// Runs of a cron expression, printed on the wall of its zone and in UTC.
    fn runs(expr: &str, timezone: Tz, from: &str, count: usize) -> String {
        let cadence = cron(expr, timezone);
        let runs = upcoming(&cadence, &key("acme"), Some(at(from)), at(from), count);
        let show = |run: &DateTime<Utc>| {
            format!("{} = {}", run.with_timezone(&timezone).format("%a %F %T %Z"), run.format("%T"))
        };
        let text = runs.iter().map(show).collect::<Vec<_>>().join("\n");
        println!("{expr} in {timezone}:\n{text}");
        text
    }

    const BERLIN: Tz = chrono_tz::Europe::Berlin;

    #[test]
    fn intervals_count_from_the_last_start_p2_4() {
        let (cadence, acme) = (every(3), key("acme"));
        let now = at("2026-11-21T12:00:00Z");
        assert_eq!(next_due(&cadence, &acme, None, now), Some(now));
        let due = next_due(&cadence, &acme, Some(now), now).unwrap();
        assert!(due - now >= TimeDelta::hours(3) && due - now < TimeDelta::minutes(198), "{due}");
        // Missed for a week: due at once, and then not before an interval has passed.
        let late = now + TimeDelta::days(7);
        assert!(next_due(&cadence, &acme, Some(now), late).unwrap() < late);
        assert_eq!(next_due(&cadence, &acme, Some(late), late), Some(late + (due - now)));
    }

    #[test]
    fn jitter_is_stable_and_spreads_p2_4() {
        let now = at("2026-11-21T12:00:00Z");
        let due = |name: &str| next_due(&every(3), &key(name), Some(now), now).unwrap();
        assert_eq!(due("acme"), due("acme"));
        let spread: std::collections::BTreeSet<_> = (0..50).map(|n| due(&format!("workspace-{n}"))).collect();
        assert_eq!(spread.len(), 50);
        assert_eq!(jitter(Duration::ZERO, &key("acme")), Duration::ZERO);
    }

    #[test]
    fn a_clock_that_jumps_back_does_not_stop_syncs_p2_4() {
        let now = at("2026-11-21T12:00:00Z");
        let in_a_year = now + TimeDelta::days(365);
        let due = next_due(&every(3), &key("acme"), Some(in_a_year), now).unwrap();
        assert!(due - now < TimeDelta::hours(4));
        let hourly = cron("0 * * * *", Tz::UTC);
        assert_eq!(next_due(&hourly, &key("acme"), Some(in_a_year), now), Some(at("2026-11-21T13:00:00Z")));
        // Corrected by a few minutes: 12:00 had its run.
        let ran = at("2026-11-21T12:00:01Z");
        assert_eq!(
            next_due(&hourly, &key("acme"), Some(ran), at("2026-11-21T11:58:00Z")),
            Some(at("2026-11-21T13:00:00Z"))
        );
    }

    #[test]
    fn missed_cron_runs_are_made_up_once_p2_4() {
        let hourly = cron("0 * * * *", Tz::UTC);
        let (last, now) = (at("2026-11-21T03:00:00Z"), at("2026-11-21T12:30:00Z"));
        assert_eq!(next_due(&hourly, &key("acme"), Some(last), now), Some(at("2026-11-21T04:00:00Z")));
        assert_eq!(next_due(&hourly, &key("acme"), Some(now), now), Some(at("2026-11-21T13:00:00Z")));
        let shown = upcoming(&hourly, &key("acme"), Some(last), now, 3);
        assert_eq!(shown, [now, at("2026-11-21T13:00:00Z"), at("2026-11-21T14:00:00Z")]);
    }

    #[test]
    fn clock_changes_neither_repeat_nor_lose_a_run_p2_4() {
        // Spring: 02:00 to 03:00 is skipped on 29 March 2026. Autumn: it is shown twice on 25 October.
        insta::assert_snapshot!(runs("30 2 * * *", BERLIN, "2026-03-27T12:00:00Z", 3), @r"
        Sat 2026-03-28 02:30:00 CET = 01:30:00
        Sun 2026-03-29 03:00:00 CEST = 01:00:00
        Mon 2026-03-30 02:30:00 CEST = 00:30:00
        ");
        insta::assert_snapshot!(runs("30 2 * * *", BERLIN, "2026-10-23T12:00:00Z", 3), @r"
        Sat 2026-10-24 02:30:00 CEST = 00:30:00
        Sun 2026-10-25 02:30:00 CEST = 00:30:00
        Mon 2026-10-26 02:30:00 CET = 01:30:00
        ");
        insta::assert_snapshot!(runs("0,30 2,3 * * *", BERLIN, "2026-03-28T12:00:00Z", 4), @r"
        Sun 2026-03-29 03:00:00 CEST = 01:00:00
        Sun 2026-03-29 03:30:00 CEST = 01:30:00
        Mon 2026-03-30 02:00:00 CEST = 00:00:00
        Mon 2026-03-30 02:30:00 CEST = 00:30:00
        ");
        insta::assert_snapshot!(runs("30 * * * *", BERLIN, "2026-03-28T23:00:00Z", 4), @r"
        Sun 2026-03-29 00:30:00 CET = 23:30:00
        Sun 2026-03-29 01:30:00 CET = 00:30:00
        Sun 2026-03-29 03:30:00 CEST = 01:30:00
        Sun 2026-03-29 04:30:00 CEST = 02:30:00
        ");
        insta::assert_snapshot!(runs("30 * * * *", BERLIN, "2026-10-24T22:00:00Z", 5), @r"
        Sun 2026-10-25 00:30:00 CEST = 22:30:00
        Sun 2026-10-25 01:30:00 CEST = 23:30:00
        Sun 2026-10-25 02:30:00 CEST = 00:30:00
        Sun 2026-10-25 02:30:00 CET = 01:30:00
        Sun 2026-10-25 03:30:00 CET = 02:30:00
        ");
        insta::assert_snapshot!(runs("0 */3 * * *", BERLIN, "2026-10-24T20:00:00Z", 4), @r"
        Sun 2026-10-25 00:00:00 CEST = 22:00:00
        Sun 2026-10-25 03:00:00 CET = 02:00:00
        Sun 2026-10-25 06:00:00 CET = 05:00:00
        Sun 2026-10-25 09:00:00 CET = 08:00:00
        ");
        // A whole day was left out: 30 December 2011.
        insta::assert_snapshot!(runs("0 9 * * *", chrono_tz::Pacific::Apia, "2011-12-29T00:00:00Z", 3), @r"
        Thu 2011-12-29 09:00:00 -10 = 19:00:00
        Sat 2011-12-31 00:00:00 +14 = 10:00:00
        Sat 2011-12-31 09:00:00 +14 = 19:00:00
        ");
    }

    #[test]
    fn days_of_the_week_are_counted_as_in_crontab() {
        let sunday = at("2026-11-22T00:00:00Z");
        for (field, wanted) in [
            ("0", "Sun"),
            ("7", "Sun"),
            ("1", "Mon"),
            ("6", "Sat"),
            ("1-5", "Mon Tue Wed Thu Fri"),
            ("5-7", "Sun Fri Sat"),
            ("FRI-SUN", "Sun Fri Sat"),
            ("mon,Wed", "Mon Wed"),
            ("*/2", "Sun Tue Thu Sat"),
            ("1/2", "Mon Wed Fri"),
            ("*", "Sun Mon Tue Wed Thu Fri Sat"),
        ] {
            let cron = Cron::parse(&format!("0 12 * * {field}")).unwrap();
            let runs = std::iter::successors(cron.after(sunday, Tz::UTC), |run| cron.after(*run, Tz::UTC));
            let week = runs.take_while(|run| *run < sunday + TimeDelta::days(7));
            let days: Vec<String> = week.map(|run| run.format("%a").to_string()).collect();
            assert_eq!(days.join(" "), wanted, "{field}");
        }
        for field in ["8", "MONDAY", "1-", "*/0", "", "1#2"] {
            assert!(Cron::parse(&format!("0 12 * * {field}")).is_err(), "{field}");
        }
    }

    #[test]
    fn day_of_month_and_day_of_week_are_either_as_in_crontab() {
        insta::assert_snapshot!(runs("0 6 13 * FRI", Tz::UTC, "2026-12-10T00:00:00Z", 3), @r"
        Fri 2026-12-11 06:00:00 UTC = 06:00:00
        Sun 2026-12-13 06:00:00 UTC = 06:00:00
        Fri 2026-12-18 06:00:00 UTC = 06:00:00
        ");
        insta::assert_snapshot!(runs("15 0 6 1 * *", Tz::UTC, "2026-11-01T00:00:00Z", 2), @r"
        Sun 2026-11-01 06:00:15 UTC = 06:00:15
        Tue 2026-12-01 06:00:15 UTC = 06:00:15
        ");
        insta::assert_snapshot!(runs("0 0 29 2 *", Tz::UTC, "2026-11-01T00:00:00Z", 2), @r"
        Tue 2028-02-29 00:00:00 UTC = 00:00:00
        Sun 2032-02-29 00:00:00 UTC = 00:00:00
        ");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        /// Over a year with both clock changes: strictly later each time, never two within the same
        /// minute of the wall's first pass, none more than a day and an hour apart for a daily run.
        #[test]
        fn daily_runs_come_every_day_and_in_order_p2_4(hour in 0_u32..24, minute in 0_u32..60, offset in 0_i64..86_400) {
            let cron = Cron::parse(&format!("{minute} {hour} * * *")).unwrap();
            for zone in [BERLIN, chrono_tz::America::New_York, chrono_tz::Australia::Lord_Howe, chrono_tz::Asia::Kolkata] {
                let mut last = at("2026-01-01T00:00:00Z") + TimeDelta::seconds(offset);
                let mut days = std::collections::BTreeSet::new();
                for _ in 0..365 {
                    let next = cron.after(last, zone).unwrap();
                    prop_assert!(next > last);
                    prop_assert!(next - last <= TimeDelta::hours(25));
                    prop_assert!(days.insert(next.with_timezone(&zone).date_naive()), "twice on a day: {next}");
                    last = next;
                }
            }
        }

        #[test]
        fn nothing_makes_parsing_panic(text in "[0-9A-Z*/,? -]{0,30}") {
            let _ = Cron::parse(&text);
        }
    }
}
