//! One report for people: what failed, because of what, and the mend.

use std::error::Error;
use std::fmt;
use std::path::Path;

/// An error as a person reads it. CLI, API and pages all show this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What failed: lower case, no full stop.
    pub what: String,
    /// Causes, outermost first.
    pub because: Vec<String>,
    /// What to do.
    pub mend: Option<String>,
}

impl Report {
    /// `what` failed because of `error` and its sources.
    pub fn new(what: impl Into<String>, error: &dyn Error, mend: Option<String>) -> Self {
        let mut because = Vec::new();
        let mut next = Some(error);
        while let Some(error) = next {
            let text = escape_control(&error.to_string());
            if because.last() != Some(&text) {
                because.push(text);
            }
            next = error.source();
        }
        Self { what: what.into(), because, mend }
    }

    /// `what` failed, and that is all there is to say.
    pub fn plain(what: impl Into<String>, mend: Option<String>) -> Self {
        Self { what: what.into(), because: Vec::new(), mend }
    }

    /// On one line, for records, JSON and logs.
    pub fn one_line(&self) -> String {
        let mut line = self.what.clone();
        for cause in &self.because {
            line.push_str(": ");
            line.push_str(cause);
        }
        if let Some(mend) = &self.mend {
            line.push_str(" (mend: ");
            line.push_str(mend);
            line.push(')');
        }
        escape_control(&line)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Arguments and names from outside are in them; the lines are our own.
        write!(f, "error: {}", escape_lines(&self.what))?;
        for cause in &self.because {
            write!(f, "\n  because {}", escape_lines(cause))?;
        }
        if let Some(mend) = &self.mend {
            write!(f, "\n  mend: {}", escape_lines(mend))?;
        }
        Ok(())
    }
}

/// Text from outside is data (invariant 9): control, bidi and zero-width characters are shown as
/// `\u{…}`, line breaks as `\n`.
pub fn escape_control(text: &str) -> String {
    let needs = |c: char| c.is_control() || is_invisible(c);
    if !text.contains(needs) {
        return text.to_owned();
    }
    text.chars().fold(String::with_capacity(text.len() + 8), |mut out, c| {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if needs(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
        out
    })
}

/// A path as it is shown: whoever named it may have put anything into it.
pub fn shown(path: &Path) -> String {
    escape_control(&path.display().to_string())
}

/// [`escape_control`] of a text of several lines, which stay lines.
pub fn escape_lines(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(escape_control).collect();
    lines.join("\n")
}

/// Zero-width and direction-changing characters (Unicode bidi controls, joiners, BOM).
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}
