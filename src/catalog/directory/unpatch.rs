//! A unified diff of ours, taken back: from the text after it to the text before it, byte for byte.

use std::ops::Range;

/// One place of a diff, both sides as lines with their ends.
#[derive(Debug, PartialEq, Eq)]
struct Hunk<'a> {
    /// Line of the new text on which it begins, from 0.
    new_start: usize,
    lines: Vec<(Side, &'a str)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Both,
    Old,
    New,
}

/// How strictly a place has to be found again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// Where the diff says, with all that stands around it: nobody else wrote into the file.
    Exact,
    /// The changed lines themselves, nearest to where the diff says: others wrote elsewhere in the file.
    Near,
}

/// The text before `diff`, of the one after it; `None`: it does not fit.
pub(super) fn unpatch(text: &str, diff: &str, finding: Finding) -> Option<String> {
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    let hunks = hunks(diff)?;
    // From the last one, so that the places of those before still hold.
    for hunk in hunks.iter().rev() {
        let (at, with) = find(hunk, &lines, finding)?;
        lines.splice(at, with);
    }
    Some(lines.concat())
}

/// Which lines a hunk is, and what stood there before.
fn find<'a>(hunk: &Hunk<'a>, lines: &[&str], finding: Finding) -> Option<(Range<usize>, Vec<&'a str>)> {
    let is_context = |line: &&(Side, &str)| line.0 == Side::Both;
    let leading = hunk.lines.iter().take_while(is_context).count();
    let trailing = hunk.lines[leading..].iter().rev().take_while(is_context).count();
    let most = leading.max(trailing);
    for dropped in 0..=most {
        let from = dropped.min(leading);
        let part = &hunk.lines[from..hunk.lines.len() - dropped.min(trailing)];
        let new: Vec<&str> = part.iter().filter(|line| line.0 != Side::Old).map(|line| line.1).collect();
        let old = || part.iter().filter(|line| line.0 != Side::New).map(|line| line.1).collect();
        let expected = hunk.new_start + from;
        let is_there = |at: usize| lines.get(at..at + new.len()).is_some_and(|there| there == new);
        match finding {
            Finding::Exact => return is_there(expected).then(|| (expected..expected + new.len(), old())),
            // Lines that were taken out alone need something to stand beside.
            Finding::Near if new.is_empty() => return None,
            Finding::Near => {
                let places = (0..=lines.len().checked_sub(new.len())?).filter(|at| is_there(*at));
                if let Some(at) = places.min_by_key(|at| at.abs_diff(expected)) {
                    return Some((at..at + new.len(), old()));
                }
            }
        }
    }
    None
}

fn hunks(diff: &str) -> Option<Vec<Hunk<'_>>> {
    let mut lines = diff.split_inclusive('\n').peekable();
    while lines.peek().is_some_and(|line| line.starts_with("--- ") || line.starts_with("+++ ")) {
        lines.next();
    }
    let mut hunks: Vec<Hunk<'_>> = Vec::new();
    while let Some(line) = lines.next() {
        if let Some(head) = line.strip_prefix("@@ ") {
            hunks.push(Hunk { new_start: new_start(head)?, lines: Vec::new() });
            continue;
        }
        let (side, text) = match line.as_bytes().first()? {
            b' ' => (Side::Both, &line[1..]),
            b'-' => (Side::Old, &line[1..]),
            b'+' => (Side::New, &line[1..]),
            _ => return None,
        };
        // `\ No newline at end of file`
        let text = match lines.next_if(|next| next.starts_with("\\ ")) {
            Some(_) => text.strip_suffix('\n')?,
            None => text,
        };
        hunks.last_mut()?.lines.push((side, text));
    }
    Some(hunks)
}

/// Of `-1,4 +1,9 @@`: where the new side begins, from 0.
fn new_start(head: &str) -> Option<usize> {
    let range = head.split_once('+')?.1.split(' ').next()?;
    let (start, length) = range.split_once(',').unwrap_or((range, "1"));
    let (start, length): (usize, usize) = (start.parse().ok()?, length.parse().ok()?);
    // An empty side names the line before it.
    Some(if length == 0 { start } else { start.checked_sub(1)? })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn diff(old: &str, new: &str) -> String {
        super::super::diff::unified(std::path::Path::new("x.yaml"), Some(old), Some(new))
    }

    #[track_caller]
    fn check(old: &str, new: &str, now: &str, then: Option<&str>) {
        assert_eq!(unpatch(now, &diff(old, new), Finding::Near).as_deref(), then);
    }

    // P4.11: others' lines around ours stay, wherever ours have moved to.
    #[test]
    fn lines_are_found_where_others_moved_them_p4_11() {
        check("a\nb\n", "a\nours\nb\n", "x\ny\na\nours\nb\nz\n", Some("x\ny\na\nb\nz\n"));
        check("a\nb\n", "a\nours\nb\n", "x\nours\nz\n", Some("x\nz\n"));
        check("a\nold\nb\n", "a\nours\nb\n", "a\nours # hers\nb\n", None);
        check("a\nold\nb\n", "a\nb\n", "x\na\nb\n", Some("x\na\nold\nb\n"));
        check("a\nold\nb\n", "a\nb\n", "x\n", None);
        check("a\r\nb\r\n", "a\r\nours\r\nb\r\n", "a\r\nours\r\nb\r\n", Some("a\r\nb\r\n"));
        check("a", "a\nours", "a\nours", Some("a"));
        check("a\n", "a\nours", "a\nours", Some("a\n"));
        assert_eq!(unpatch("a\n", "no diff", Finding::Near), None);
        assert_eq!(unpatch("a\n", "@@ -1 +9999999999999999999999 @@\n", Finding::Near), None);
    }

    proptest! {
        // P4.11: what we wrote is taken back to the byte.
        #[test]
        fn a_diff_is_taken_back_to_the_byte_p4_11(
            old in prop::collection::vec("[ab#: -]{0,3}(\r)?", 0..12),
            new in prop::collection::vec("[ab#: -]{0,3}(\r)?", 0..12),
            old_ends in any::<bool>(),
            new_ends in any::<bool>(),
        ) {
            let text = |lines: &[String], ends: bool| {
                let mut text = lines.join("\n").trim_end_matches('\r').to_owned();
                if ends { text.push('\n') }
                text
            };
            let (old, new) = (text(&old, old_ends), text(&new, new_ends));
            prop_assert_eq!(unpatch(&new, &diff(&old, &new), Finding::Exact), Some(old));
        }

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>(), diff in any::<String>()) {
            let _ = unpatch(&text, &diff, Finding::Near);
            let _ = unpatch(&text, &format!("--- a\n+++ b\n@@ -1,2 +1,2 @@\n{diff}"), Finding::Near);
        }
    }
}
