//! How answers look: tables for people, JSON and YAML for scripts. Data goes to stdout alone.

use std::io::{self, IsTerminal, Write};

use chrono::{DateTime, Utc};
use comfy_table::{Cell, Color, ContentArrangement, Table, presets};
use serde::Serialize;

use crate::error::escape_control;

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
            Format::Json => serde_json::to_string_pretty(data).map_err(io::Error::other)?,
            Format::Yaml => serde_yaml::to_string(data).map_err(io::Error::other)?,
        };
        let mut out = io::stdout().lock();
        writeln!(out, "{}", text.trim_end())?;
        out.flush()
    }

    /// A table with these headings. Cells are escaped: text from outside is data.
    pub fn table<const N: usize>(&self, headings: [&str; N], rows: impl IntoIterator<Item = [Styled; N]>) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        match self.width {
            Some(width) => _ = table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width),
            None => _ = table.set_content_arrangement(ContentArrangement::Disabled),
        }
        if self.color {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        table.set_header(headings.map(|heading| {
            let cell = Cell::new(heading);
            if self.color { cell.add_attribute(comfy_table::Attribute::Bold) } else { cell }
        }));
        for row in rows {
            table.add_row(row.map(|styled| styled.cell(self.color)));
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
    }
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

    fn cell(self, color: bool) -> Cell {
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

/// A dash for what is not there.
pub fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| value.to_string())
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
