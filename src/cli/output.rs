//! How answers look: tables for people, JSON and YAML for scripts. Data goes to stdout alone.

use std::io::{self, IsTerminal, Write};

use chrono::{DateTime, Utc};
use comfy_table::{Cell, Color, ColumnConstraint, ContentArrangement, Table, presets};
use serde::Serialize;

use crate::error::{escape_control, is_invisible};

/// `--output`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people; fits the terminal's width.
    Table,
    /// Stable; see the contract.
    Json,
    /// The same objects as YAML.
    Yaml,
}

/// Blanks between columns.
const GAP: usize = 2;
/// Columns wider than this may be wrapped; the others stay in one piece where there is room.
const WRAPPED_FROM: usize = 36;

/// Where and how to print.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    /// `--output`.
    pub format: Format,
    /// Whether colour is wanted and possible.
    pub color: bool,
    /// Columns; `None`: not a terminal, rows are not wrapped.
    pub width: Option<u16>,
}

impl Screen {
    /// Looks at stdout once.
    pub fn new(format: Format, color: bool) -> Self {
        let width = io::stdout().is_terminal().then(|| Table::new().width()).flatten();
        Self { format, color, width }
    }

    /// Prints `data` as JSON or YAML, or what `table` makes of it.
    ///
    /// # Errors
    /// A broken pipe comes as [`io::ErrorKind::BrokenPipe`]; the caller ends quietly then.
    pub fn print<T: Serialize + ?Sized>(&self, data: &T, table: impl FnOnce(&Self) -> String) -> io::Result<()> {
        let text = match self.format {
            Format::Table => table(self),
            Format::Json => escaped(&serde_json::to_string_pretty(data).map_err(io::Error::other)?),
            Format::Yaml => yaml(data)?,
        };
        let mut out = io::stdout().lock();
        writeln!(out, "{}", text.trim_end())?;
        out.flush()
    }

    /// A table with these headings. Cells are escaped: text from outside is data.
    pub fn table<const N: usize>(&self, headings: [&str; N], rows: impl IntoIterator<Item = [Styled; N]>) -> String {
        self.table_of(headings, &[], rows)
    }

    /// A table that leaves columns out, in the order of `less`, where the terminal is too narrow for all of them, and
    /// says which. What is not printed to a terminal is whole.
    pub fn table_of<const N: usize>(
        &self,
        headings: [&str; N],
        less: &[&str],
        rows: impl IntoIterator<Item = [Styled; N]>,
    ) -> String {
        let rows: Vec<[Styled; N]> = rows.into_iter().collect();
        let widest = |column: usize| {
            let cells = rows.iter().map(|row| row[column].text.chars().count());
            cells.chain([headings[column].chars().count()]).max().unwrap_or_default()
        };
        let widths: [usize; N] = std::array::from_fn(widest);
        let needed =
            |shown: &[usize]| shown.iter().map(|column| widths[*column].min(WRAPPED_FROM) + GAP).sum::<usize>();
        // What may be left out is, where no row says anything there.
        let is_void = |column: &usize| self.width.is_some() && rows.iter().all(|row| row[*column].text == NOTHING);
        let mut shown: Vec<usize> =
            (0..N).filter(|column| !(less.contains(&headings[*column]) && is_void(column))).collect();
        let mut left_out = Vec::new();
        let room = self.width.map_or(usize::MAX, |width| usize::from(width) + GAP);
        for heading in less {
            if needed(&shown) <= room {
                break;
            }
            shown.retain(|column| headings[*column] != *heading);
            left_out.push(heading.trim_end_matches(" (UTC)").to_lowercase());
        }

        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        match self.width {
            // The padding behind the last column is trimmed: it needs no room.
            Some(width) => {
                let width = width.saturating_add(u16::try_from(GAP).unwrap_or_default());
                _ = table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
            }
            None => _ = table.set_content_arrangement(ContentArrangement::Disabled),
        }
        if self.color {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        table.set_header(shown.iter().map(|column| {
            let cell = Cell::new(headings[*column]);
            if self.color { cell.add_attribute(comfy_table::Attribute::Bold) } else { cell }
        }));
        for row in &rows {
            table.add_row(shown.iter().map(|column| row[*column].cell(self.color)));
        }
        let fits = needed(&shown) <= room;
        for (column, number) in table.column_iter_mut().zip(&shown) {
            column.set_padding((0, u16::try_from(GAP).unwrap_or_default()));
            // Names and refs stay in one piece; only what is long anyway is wrapped.
            if fits && widths[*number] <= WRAPPED_FROM {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        let mut text = table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n");
        if !left_out.is_empty() {
            text.push_str(&format!("\n(too narrow for {}; --output json has all)", left_out.join(", ")));
        }
        text
    }
}

/// What cannot be seen, or turns the direction of what follows, as the escape that JSON and quoted YAML have for it: the
/// same data, and nothing that changes how a terminal shows it.
fn escaped(text: &str) -> String {
    if !text.contains(is_hidden) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_hidden(c) {
            let mut units = [0; 2];
            out.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out
}

/// Neither format escapes these by itself.
fn is_hidden(c: char) -> bool {
    is_invisible(c) || ('\u{7f}'..'\u{a0}').contains(&c)
}

/// YAML has escapes in quoted scalars only: documents with something to hide are written as JSON, which is YAML, too.
fn yaml<T: Serialize + ?Sized>(data: &T) -> io::Result<String> {
    let text = serde_yaml::to_string(data).map_err(io::Error::other)?;
    if !text.contains(is_hidden) {
        return Ok(text);
    }
    Ok(escaped(&serde_json::to_string_pretty(data).map_err(io::Error::other)?))
}

/// A table cell: text and what it means.
#[derive(Clone, Debug)]
pub struct Styled {
    text: String,
    tone: Tone,
}

/// What a cell means, shown as colour where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Nothing special.
    Plain,
    /// Done, fine.
    Good,
    /// Needs somebody.
    Attention,
    /// Went wrong.
    Bad,
    /// Beside the point.
    Faint,
}

impl Styled {
    /// With a tone.
    pub fn new(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }

    fn cell(&self, color: bool) -> Cell {
        let cell = Cell::new(escape_control(&self.text));
        if !color {
            return cell;
        }
        match self.tone {
            Tone::Plain => cell,
            Tone::Good => cell.fg(Color::Green),
            Tone::Attention => cell.fg(Color::Yellow),
            Tone::Bad => cell.fg(Color::Red),
            Tone::Faint => cell.fg(Color::DarkGrey),
        }
    }
}

impl<T: Into<String>> From<T> for Styled {
    fn from(text: T) -> Self {
        Self::new(text, Tone::Plain)
    }
}

/// Stands where there is nothing to say.
const NOTHING: &str = "–";

/// A dash for what is not there.
pub fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| NOTHING.to_owned(), |value| value.to_string())
}

/// `2026-11-21 09:30` in UTC.
pub fn minute(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M").to_string()
}

/// `3 h 5 min`, `12.3 s`, `340 ms`.
pub fn duration(milliseconds: u64) -> String {
    match milliseconds {
        0..1_000 => format!("{milliseconds} ms"),
        1_000..60_000 => format!("{}.{} s", milliseconds / 1_000, milliseconds % 1_000 / 100),
        60_000..3_600_000 => format!("{} min {} s", milliseconds / 60_000, milliseconds % 60_000 / 1_000),
        _ => format!("{} h {} min", milliseconds / 3_600_000, milliseconds % 3_600_000 / 60_000),
    }
}

/// `1 repository`, `12 repositories`.
pub fn count(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn discovered(width: Option<u16>) -> String {
        let screen = Screen { format: Format::Table, color: false, width };
        let row = |name: &str, why: &str| {
            [name, "conflict", "component:default/mailer", "Component", "2026-11-21 12:19", why].map(Styled::from)
        };
        screen.table_of(
            ["REPOSITORY", "RECOMMENDED", "ENTITY", "KIND", "DETECTED AT (UTC)", "WHY"],
            &["DETECTED AT (UTC)", "KIND", "WHY"],
            [
                row("acme/mailer", "component:default/mailer is claimed as well by acme/mailer-2; a person decides"),
                row("acme/mailer-2", "short"),
            ],
        )
    }

    #[test]
    fn without_a_terminal_a_table_is_whole() {
        insta::assert_snapshot!(discovered(None), @r"
        REPOSITORY     RECOMMENDED  ENTITY                    KIND       DETECTED AT (UTC)  WHY
        acme/mailer    conflict     component:default/mailer  Component  2026-11-21 12:19   component:default/mailer is claimed as well by acme/mailer-2; a person decides
        acme/mailer-2  conflict     component:default/mailer  Component  2026-11-21 12:19   short
        ");
    }

    #[test]
    fn a_narrow_terminal_gets_fewer_columns_and_is_told() {
        insta::assert_snapshot!(discovered(Some(120)), @r"
        REPOSITORY     RECOMMENDED  ENTITY                    KIND       DETECTED AT (UTC)  WHY
        acme/mailer    conflict     component:default/mailer  Component  2026-11-21 12:19   component:default/mailer is claimed
                                                                                            as well by acme/mailer-2; a person
                                                                                            decides
        acme/mailer-2  conflict     component:default/mailer  Component  2026-11-21 12:19   short
        ");
        insta::assert_snapshot!(discovered(Some(80)), @r"
        REPOSITORY     RECOMMENDED  ENTITY
        acme/mailer    conflict     component:default/mailer
        acme/mailer-2  conflict     component:default/mailer
        (too narrow for detected at, kind, why; --output json has all)
        ");
        for width in [20, 40, 60, 80, 100, 120, 200] {
            let table = discovered(Some(width));
            let told = table.lines().filter(|line| !line.starts_with("(too narrow"));
            let widest = told.map(|line| line.chars().count()).max().unwrap_or_default();
            assert!(widest <= usize::from(width).max(40), "{widest} of {width}:\n{table}");
        }
    }
}
