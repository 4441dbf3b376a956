//! A plan as people read it: what a dry run prints.

use std::fmt;

use serde_json::Value;

use super::note::{About, Note};
use super::step::{Change, EditPurpose, FieldChange, Held, Plan, Step, Work};
use crate::error::escape_control;
use crate::model::ImportAction;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let notes: Vec<&Note> = self.notes.iter().filter(|note| note.is_for_people()).collect();
        if self.is_empty() && notes.is_empty() {
            return writeln!(f, "nothing to do");
        }
        writeln!(f, "{}, {} held", counted(self.steps.len(), "step"), self.held.len())?;
        for step in &self.steps {
            write!(f, "\n{step}")?;
        }
        if !self.held.is_empty() {
            writeln!(f, "\nheld")?;
            for held in &self.held {
                write!(f, "{held}")?;
            }
        }
        if !notes.is_empty() {
            writeln!(f, "\nnoticed")?;
            for note in notes {
                writeln!(f, "  {note}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verb, repo) = (self.verb(), escape_control(&self.full_name));
        writeln!(f, "{verb} {repo} → {}", escape_control(self.entity.as_str()))?;
        match &self.work {
            Work::Register(new) => writeln!(f, "  new file {}", escape_control(&new.file.display().to_string())),
            Work::Edit(edit) => {
                writeln!(f, "  {}", escape_control(&edit.place.to_string()))?;
                edit.fields.iter().try_for_each(|field| write!(f, "{field}"))
            }
        }
    }
}

impl Step {
    /// `register`, `merge`, `adopt` or `update`.
    pub fn verb(&self) -> &'static str {
        match (&self.work, self.action) {
            (Work::Register(_), ImportAction::Register | ImportAction::Merge) => "register",
            (Work::Edit(edit), _) => match edit.purpose {
                EditPurpose::Merge => "merge",
                EditPurpose::Adopt => "adopt",
                EditPurpose::Update => "update",
            },
        }
    }
}

impl fmt::Display for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = escape_control(&self.path.to_string());
        match (&self.change, &self.before) {
            (Change::Set { value }, None | Some(Value::Null)) => writeln!(f, "  + {path}: {}", shown(value)),
            (Change::Set { value }, Some(before)) => writeln!(f, "  ~ {path}: {} → {}", shown(before), shown(value)),
            (Change::Add { values }, _) => {
                values.iter().try_for_each(|value| writeln!(f, "  + {path}: {}", shown(value)))
            }
            (Change::Remove, before) => {
                writeln!(f, "  - {path}: {}", before.as_ref().map_or_else(String::new, shown))
            }
        }
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {}", escape_control(&self.full_name))?;
        if let Some(entity) = &self.entity {
            write!(f, " → {}", escape_control(entity.as_str()))?;
        }
        let approvable = if self.step.is_some() { " [can be approved]" } else { "" };
        writeln!(f, "{approvable}\n    {}", escape_control(&self.reason))
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", escape_control(self.entity.as_str()))?;
        match &self.about {
            About::Theirs { path, wrote, now } => {
                let value = |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), shown);
                let path = escape_control(&path.to_string());
                write!(f, "{path} was changed from {} to {}: it is yours now", value(wrote), value(now))
            }
            About::Ours { path, .. } => write!(f, "{} is ours again", escape_control(&path.to_string())),
            About::Omitted { path, reason } => {
                write!(f, "{} is left out: {}", escape_control(&path.to_string()), escape_control(reason))
            }
            About::OwnerUnknown => f.write_str("its owner is `unknown`: give one with a field rule, or in the file"),
            About::EntityMissing => f.write_str("it is not in the catalog any more"),
            About::EntityFound => f.write_str("it is in the catalog again"),
        }
    }
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// A value on one line; JSON escapes what breaks lines, we what hides.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 100 {
        return escape_control(&text);
    }
    escape_control(&text.chars().take(99).chain(['…']).collect::<String>())
}
