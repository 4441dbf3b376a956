//! How times, numbers, outcomes and links are told on pages.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::commands::answer::RowResult;
use crate::model::{Action, Outcome};

/// An instant: relative, and exact on hover.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    pub(super) iso: String,
    pub(super) exact: String,
    pub(super) ago: String,
}

impl Moment {
    pub(super) fn new(now: DateTime<Utc>, at: DateTime<Utc>) -> Self {
        Self {
            iso: at.to_rfc3339_opts(SecondsFormat::Secs, true),
            exact: at.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
            ago: relative(at - now, at),
        }
    }
}

fn relative(ahead: TimeDelta, at: DateTime<Utc>) -> String {
    let is_ahead = ahead > TimeDelta::zero();
    let length = ahead.abs();
    let words = match length.num_minutes() {
        _ if length.num_seconds() < 45 => return if is_ahead { "in a moment" } else { "just now" }.to_owned(),
        minutes @ ..=59 => format!("{} min", minutes.max(1)),
        minutes @ 60..=2_879 => format!("{} h", (minutes + 30) / 60),
        minutes @ ..=43_199 => count((minutes.cast_unsigned() + 720) / 1_440, "day", "days"),
        _ => return at.format("%Y-%m-%d").to_string(),
    };
    if is_ahead { format!("in {words}") } else { format!("{words} ago") }
}

/// `1,234`.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 repository`, `1,234 repositories`.
pub(super) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(number), if number == 1 { one } else { many })
}

/// `850 ms`, `12.4 s`, `3 min 20 s`.
pub(super) fn took(milliseconds: u64) -> String {
    match milliseconds {
        0..1_000 => format!("{milliseconds} ms"),
        1_000..60_000 => format!("{}.{} s", milliseconds / 1_000, milliseconds % 1_000 / 100),
        60_000..3_600_000 => format!("{} min {} s", milliseconds / 60_000, milliseconds / 1_000 % 60),
        _ => format!("{} h {} min", milliseconds / 3_600_000, milliseconds / 60_000 % 60),
    }
}

/// A state as a word with a colour and a shape.
#[derive(Clone, Debug)]
pub(super) struct Chip {
    pub(super) word: String,
    pub(super) tone: &'static str,
    pub(super) icon: &'static str,
}

impl Chip {
    pub(super) fn new(word: impl Into<String>, tone: &'static str, icon: &'static str) -> Self {
        Self { word: word.into(), tone, icon }
    }

    /// How a sync ended.
    pub(super) fn outcome(outcome: Outcome) -> Self {
        let word = outcome.as_str().replace('_', " ");
        let (tone, icon) = match outcome {
            Outcome::Completed => ("good", "good"),
            Outcome::Running => ("busy", "busy"),
            Outcome::Failed => ("bad", "bad"),
            Outcome::Cancelled | Outcome::Interrupted => ("", "pause"),
            Outcome::Partial | Outcome::Held | Outcome::Refused | Outcome::RateLimited => ("look", "look"),
        };
        Self::new(word, tone, icon)
    }

    /// Of an integration: `active`, `suspended`, `suspended by the config`, `orphaned`.
    pub(super) fn state(state: &str) -> Self {
        match state {
            "active" => Self::new("active", "good", "good"),
            "orphaned" => Self::new("orphaned", "bad", "bad"),
            other => Self::new(other, "look", "pause"),
        }
    }

    /// What became of a row of an import.
    pub(super) fn result(result: RowResult, is_preview: bool) -> Self {
        match (result, is_preview) {
            (RowResult::Done, true) => Self::new("would be written", "good", "good"),
            (RowResult::Done, false) => Self::new("done", "good", "good"),
            (RowResult::Unchanged, _) => Self::new("unchanged", "", "none"),
            (RowResult::Held, _) => Self::new("held", "look", "look"),
            (RowResult::Failed, _) => Self::new("failed", "bad", "bad"),
        }
    }
}

/// How many of each action.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub(super) register: u64,
    pub(super) merge: u64,
    pub(super) conflict: u64,
    pub(super) none: u64,
}

impl Sums {
    /// Of a list's counts by the word of each action.
    pub(super) fn of_counts(counts: &BTreeMap<String, u64>) -> Self {
        let of = |action: Action| counts.get(action.as_str()).copied().unwrap_or_default();
        Self {
            register: of(Action::Register),
            merge: of(Action::Merge),
            conflict: of(Action::Conflict),
            none: of(Action::None),
        }
    }

    /// Those of one action alone.
    pub(super) fn only(self, action: Action) -> Self {
        let of = |one: Action| if one == action { self.of(one) } else { 0 };
        Self {
            register: of(Action::Register),
            merge: of(Action::Merge),
            conflict: of(Action::Conflict),
            none: of(Action::None),
        }
    }

    /// All of them.
    pub(super) fn all(&self) -> u64 {
        self.register + self.merge + self.conflict + self.none
    }

    pub(super) fn of(&self, action: Action) -> u64 {
        match action {
            Action::Register => self.register,
            Action::Merge => self.merge,
            Action::Conflict => self.conflict,
            Action::None => self.none,
        }
    }
}

/// A link out of the page: http(s) only.
pub(super) fn outside(url: &str) -> Option<String> {
    let parsed = url::Url::parse(url).ok()?;
    matches!(parsed.scheme(), "http" | "https").then(|| parsed.to_string())
}

/// What may not stand in one segment of a path.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');
/// The same where slashes part segments.
const SEGMENTS: &AsciiSet = &SEGMENT.remove(b'/');

/// One segment of a path.
pub(super) fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// A path, whose slashes stay.
pub(super) fn segments(text: &str) -> String {
    utf8_percent_encode(text, SEGMENTS).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_ago(seconds: i64, expected: &str) {
        let now: DateTime<Utc> = "2026-11-22T12:00:00Z".parse().unwrap();
        assert_eq!(Moment::new(now, now + TimeDelta::seconds(seconds)).ago, expected);
    }

    #[test]
    fn instants_are_told_as_people_do() {
        check_ago(0, "just now");
        check_ago(-44, "just now");
        check_ago(20, "in a moment");
        check_ago(-50, "1 min ago");
        check_ago(-3_599, "59 min ago");
        check_ago(-3_600, "1 h ago");
        check_ago(3 * 3_600, "in 3 h");
        check_ago(-47 * 3_600, "47 h ago");
        check_ago(-49 * 3_600, "2 days ago");
        check_ago(-31 * 86_400, "2026-10-22");
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 12, 999, 1_000, 1_234_567].map(thousands), ["0", "12", "999", "1,000", "1,234,567"]);
        assert_eq!([7, 12_450, 200_000, 3_700_000].map(took), ["7 ms", "12.4 s", "3 min 20 s", "1 h 1 min"]);
    }

    #[test]
    fn links_lead_to_pages_only() {
        assert!(outside("https://bitbucket.org/acme/api").is_some());
        assert_eq!(
            [outside("javascript:alert(1)"), outside("data:text/html,x"), outside(""), outside("//x")],
            [const { None }; 4]
        );
    }
}
