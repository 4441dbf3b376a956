//! Rows put into and taken out of a text that people keep: its comments, and the rows nobody touched, stay as they
//! are written.

use std::ops::Range;

use super::Row;

/// The text with `wanted` in place of `present`, which are its rows in order; `None` where it is written in a way
/// that is not ours (a flow list, keys in another order of things).
pub(super) fn patched(text: &str, present: &[Row], wanted: &[Row]) -> Option<String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let head = lines.iter().position(|line| line.starts_with("decisions:"))?;
    let items = items(&lines, head + 1)?;
    if items.len() != present.len() {
        return None;
    }
    let indent = items.first().map_or(0, |item| indent_of(lines[item.start]));
    let fates = fates(present, wanted);
    let new: Vec<&Row> = fates.new.iter().map(|at| &wanted[*at]).collect();
    let is_empty = new.is_empty() && fates.of_present.iter().all(|fate| matches!(fate, Fate::Goes));

    let mut out = Out { text: lines[..head].concat(), indent };
    out.line(&head_line(lines[head], is_empty)?);
    let mut new = new.into_iter().peekable();
    let mut from = head + 1;
    for (item, (row, fate)) in items.iter().zip(present.iter().zip(&fates.of_present)) {
        // A new row goes behind the one before, so that comments above a row stay above it.
        while let Some(row) = new.next_if(|new| new.order() < row.order()) {
            out.row(row)?;
        }
        lines[from..item.start].iter().for_each(|line| out.line(line));
        let written = &lines[item.clone()];
        match fate {
            Fate::Stays => written.iter().for_each(|line| out.line(line)),
            Fate::Goes => out.comments(written),
            Fate::Becomes(at) => {
                out.comments(written);
                out.row(&wanted[*at])?;
            }
        }
        from = item.end;
    }
    for row in new {
        out.row(row)?;
    }
    lines[from..].iter().for_each(|line| out.line(line));
    Some(out.text)
}

/// Every comment of a text, each as a line of its own.
pub(super) fn comments(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(comment)
}

/// What becomes of a row that is there.
enum Fate {
    Stays,
    Goes,
    /// This wanted one stands in its place.
    Becomes(usize),
}

struct Fates {
    of_present: Vec<Fate>,
    /// Wanted rows that are not there, in their order.
    new: Vec<usize>,
}

fn fates(present: &[Row], wanted: &[Row]) -> Fates {
    let mut open: Vec<usize> = (0..wanted.len()).collect();
    let mut take = |is_it: &dyn Fn(&Row) -> bool| {
        let at = open.iter().position(|at| is_it(&wanted[*at]))?;
        Some(open.remove(at))
    };
    let same: Vec<bool> = present.iter().map(|row| take(&|wanted| wanted == row).is_some()).collect();
    let of_present = present.iter().zip(same).map(|(row, same)| match same {
        true => Fate::Stays,
        false => take(&|wanted| wanted.is_about(row)).map_or(Fate::Goes, Fate::Becomes),
    });
    let of_present = of_present.collect();
    open.sort_by_key(|at| wanted[*at].order());
    Fates { of_present, new: open }
}

/// The lines of each entry of the list, from its dash to its last line that says something.
fn items(lines: &[&str], from: usize) -> Option<Vec<Range<usize>>> {
    let mut items: Vec<Range<usize>> = Vec::new();
    let mut dash = None;
    for (at, line) in lines.iter().enumerate().skip(from) {
        let said = line.trim();
        if said.is_empty() || said.starts_with('#') {
            continue;
        }
        let indent = indent_of(line);
        let is_dash = said == "-" || said.starts_with("- ");
        match (dash, items.last_mut()) {
            (None, _) if is_dash => {
                dash = Some(indent);
                items.push(at..at + 1);
            }
            (Some(dash), _) if is_dash && indent == dash => items.push(at..at + 1),
            (Some(dash), Some(item)) if indent > dash => item.end = at + 1,
            _ => return None,
        }
    }
    Some(items)
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// `decisions:` with or without an empty list behind it, its comment kept.
fn head_line(line: &str, is_empty: bool) -> Option<String> {
    let behind = line.strip_prefix("decisions:")?;
    let note = comment(behind).map_or_else(String::new, |note| format!(" {note}"));
    let value = behind.trim();
    let value = value[..value.len() - note.trim().len()].trim();
    if !matches!(value, "" | "[]" | "~" | "null") {
        return None;
    }
    Some(if is_empty { format!("decisions: []{note}\n") } else { format!("decisions:{note}\n") })
}

struct Out {
    text: String,
    indent: usize,
}

impl Out {
    fn line(&mut self, line: &str) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        self.text.push_str(line);
    }

    fn row(&mut self, row: &Row) -> Option<()> {
        let yaml = serde_yaml::to_string(&[row]).ok()?;
        for line in yaml.split_inclusive('\n') {
            self.line(&format!("{:indent$}{line}", "", indent = if line.trim().is_empty() { 0 } else { self.indent }));
        }
        Some(())
    }

    /// What somebody wrote beside a row that goes stays, above what stands there next.
    fn comments(&mut self, lines: &[&str]) {
        for note in lines.iter().filter_map(|line| comment(line)) {
            self.line(&format!("{:indent$}{note}\n", "", indent = self.indent));
        }
    }
}

/// The comment at the end of a line, or the line itself where it is one.
fn comment(line: &str) -> Option<&str> {
    let said = line.trim();
    if said.starts_with('#') {
        return Some(said);
    }
    let value = said.find(": ").map_or(0, |at| at + 2);
    let rest = said[value..].trim_start();
    let behind = match rest.chars().next()? {
        quote @ ('"' | '\'') => &rest[end_of_quoted(rest, quote)?..],
        _ => rest,
    };
    let at = behind.match_indices('#').map(|(at, _)| at);
    at.filter(|at| behind[..*at].ends_with([' ', '\t'])).map(|at| behind[at..].trim_end()).next()
}

/// Behind the closing quote; `None`: it goes on in the next line.
fn end_of_quoted(text: &str, quote: char) -> Option<usize> {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if quote == '"' => drop(chars.next()),
            c if c == quote => match chars.peek() {
                Some((_, next)) if *next == quote && quote == '\'' => drop(chars.next()),
                _ => return Some(at + 1),
            },
            _ => {}
        }
    }
    None
}
