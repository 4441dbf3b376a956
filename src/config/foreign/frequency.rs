//! How often another connector runs, as a cadence of ours.
//!
//! Backstage writes lengths of time in three ways: ISO 8601 (`PT30M`), units as keys (`{ minutes: 30 }`) and words
//! (`30 minutes`, `1h`).

use std::time::Duration;

use super::super::fields;
use super::super::located::{Node, Value};

/// Names of units, each with its seconds. Months and years are those of a calendar on average.
const UNITS: [(&[&str], f64); 8] = [
    (&["years", "year", "yrs", "yr", "y"], 365.25 * DAY),
    (&["months"], 30.4375 * DAY),
    (&["weeks", "week", "w"], 7.0 * DAY),
    (&["days", "day", "d"], DAY),
    (&["hours", "hour", "hrs", "hr", "h"], 3_600.0),
    (&["minutes", "minute", "mins", "min", "m"], 60.0),
    (&["seconds", "second", "secs", "sec", "s"], 1.0),
    (&["milliseconds", "millisecond", "msecs", "msec", "ms"], 0.001),
];
const DAY: f64 = 86_400.0;
/// What our config takes at most.
const MOST_SECONDS: f64 = 10.0 * 366.0 * DAY;

/// A length of time in any of the three ways. `None`: it is none.
pub(super) fn length(node: &Node) -> Option<Duration> {
    let seconds = match &node.value {
        Value::Text { text, .. } => of_text(text.trim())?,
        Value::Map(entries) if !entries.is_empty() => {
            let parts = entries.iter().map(|(key, node)| {
                // Keys are in the plural.
                let (_, seconds) = UNITS.iter().find(|(names, _)| names[0] == key.text)?;
                Some(number(node.text()?)? * seconds)
            });
            parts.sum::<Option<f64>>()?
        }
        _ => return None,
    };
    (0.0..=MOST_SECONDS).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

fn of_text(text: &str) -> Option<f64> {
    if let Some(iso) = text.strip_prefix('P') {
        return of_iso(iso);
    }
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let unit = text[digits..].trim().to_ascii_lowercase();
    let (_, seconds) = UNITS.iter().find(|(names, _)| names.contains(&unit.as_str()))?;
    Some(number(&text[..digits])? * seconds)
}

/// What follows the `P`: `1DT6H`, `T30M`.
fn of_iso(text: &str) -> Option<f64> {
    const DATE: [(char, f64); 4] = [('Y', 365.25 * DAY), ('M', 30.4375 * DAY), ('W', 7.0 * DAY), ('D', DAY)];
    const TIME: [(char, f64); 3] = [('H', 3_600.0), ('M', 60.0), ('S', 1.0)];
    let (date, time) = text.split_once('T').unwrap_or((text, ""));
    if (date.is_empty() && time.is_empty()) || text.ends_with('T') {
        return None;
    }
    Some(of_parts(date, &DATE)? + of_parts(time, &TIME)?)
}

/// Numbers with their letters, each at most once and in this order.
fn of_parts(mut text: &str, mut units: &[(char, f64)]) -> Option<f64> {
    let mut seconds = 0.0;
    while !text.is_empty() {
        let digits = text.find(|c: char| !c.is_ascii_digit() && !".,".contains(c))?;
        let letter = text[digits..].chars().next()?;
        let at = units.iter().position(|(unit, _)| *unit == letter)?;
        seconds += number(&text[..digits].replace(',', "."))? * units[at].1;
        units = &units[at + 1..];
        text = &text[digits + 1..];
    }
    Some(seconds)
}

/// A decimal number that is not negative.
fn number(text: &str) -> Option<f64> {
    let fits = text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(|c| c.is_ascii_digit() || c == '.');
    if fits { text.parse().ok() } else { None }
}

/// In whole seconds, as our config writes it.
pub(super) fn shown(length: Duration) -> String {
    fields::show_duration(Duration::from_secs(length.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::super::super::located;
    use super::*;

    /// The value as it stands in the file; in seconds, or nothing.
    #[track_caller]
    fn check(written: &str, seconds: Option<u64>) {
        let node = located::parse(written, &mut Vec::new()).expect("YAML");
        assert_eq!(length(&node).map(|length| length.as_secs()), seconds, "{written}");
    }

    #[test]
    fn lengths_of_time_in_all_three_ways_p6_8() {
        check("PT30M", Some(1_800));
        check("PT1H30M", Some(5_400));
        check("P1DT6H", Some(30 * 3_600));
        check("PT0.5H", Some(1_800));
        check("P1W", Some(7 * 86_400));
        check("PT90S", Some(90));
        check("{ minutes: 30 }", Some(1_800));
        check("{ hours: 1, minutes: 30 }", Some(5_400));
        check("{ milliseconds: 1500 }", Some(1));
        check("30 minutes", Some(1_800));
        check("1h", Some(3_600));
        check("'1.5 hrs'", Some(5_400));
        check("2d", Some(2 * 86_400));
        for none in [
            "P",
            "PT",
            "P1H",
            "PT1D",
            "PT1M1H",
            "30",
            "{ minute: 30 }",
            "{ minutes: x }",
            "{ minutes: -3 }",
            "soon",
            "[1]",
            "P99Y",
            "1 fortnight",
        ] {
            check(none, None);
        }
        assert_eq!(shown(Duration::from_millis(5_400_900)), "1h30m");
    }
}
