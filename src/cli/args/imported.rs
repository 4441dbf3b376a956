//! `imported …`.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use clap::{Args, Subcommand};

use super::repository::{OneRepository, Repositories};

/// `imported …`.
#[derive(Clone, Debug, Subcommand)]
pub enum Imported {
    /// What is linked to which entity
    List(ImportedList),
    /// One link: entity, fields written, history
    Show(OneRepository),
    /// End links; entities and their data stay
    Unlink(Repositories),
    /// Take imports back, field by field
    ///
    /// Each field gets back what it said before, wherever it still says what we wrote last; what others changed since stays
    /// and is named. A file that an import made goes, if nobody touched it. The repositories return to `discovered list`, and
    /// auto-import leaves them alone until you act.
    #[command(after_help = "\
Examples:
  catalog-sync imported undo payments-api --dry-run     each diff, nothing written
  catalog-sync imported undo 01J8…                      everything that one import did
  catalog-sync imported undo --sync 01J8…               what that sync imported by itself
  catalog-sync imported undo --rule 2 --integration acme
  catalog-sync imported undo --since 2h                 what was imported in the last two hours")]
    Undo(ImportedUndo),
}

/// `imported undo`.
#[derive(Clone, Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["named", "sync", "rule", "since"]))]
pub struct ImportedUndo {
    /// Repositories, each by itself, whatever was imported along with it; or ids of imports, each with all that it did, as
    /// `imported list --output json` and `imported show` tell them
    #[arg(value_name = "REPO|IMPORT_ID")]
    pub named: Vec<String>,
    /// What this sync imported by itself
    #[arg(long, value_name = "SYNC_ID")]
    pub sync: Option<String>,
    /// What this rule led to, by its number at the time of the import
    #[arg(long, value_name = "N")]
    pub rule: Option<usize>,
    /// What was imported since: 2026-11-20, 2026-11-20T14:00:00Z, or 90m, 2h, 3d ago
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub since: Option<DateTime<Utc>>,
    /// Of this integration only
    #[arg(long, short = 'i', value_name = "INTEGRATION")]
    pub integration: Option<String>,
    /// Write nothing; print the diffs
    #[arg(long)]
    pub dry_run: bool,
}

/// An instant as people write it: a date or time in UTC or with an offset, or how long ago.
fn since(text: &str) -> Result<DateTime<Utc>, String> {
    let text = text.trim();
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.to_utc());
    }
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(day.and_time(NaiveTime::MIN).and_utc());
    }
    let unit = text.chars().last().and_then(|unit| match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3_600),
        'd' => Some(86_400),
        _ => None,
    });
    let ago =
        unit.and_then(|unit: i64| text[..text.len() - 1].parse::<u32>().ok().map(|count| unit * i64::from(count)));
    ago.and_then(TimeDelta::try_seconds).and_then(|ago| Utc::now().checked_sub_signed(ago)).ok_or_else(|| {
        "write a date (2026-11-20), a time (2026-11-20T14:00:00Z), or how long ago (90m, 2h, 3d)".to_owned()
    })
}

/// `imported list`.
#[derive(Clone, Debug, Args)]
pub struct ImportedList {
    /// Of this integration only
    #[arg(long, short = 'i', value_name = "INTEGRATION")]
    pub integration: Option<String>,
    /// Only where full name or entity contain this, case ignored
    #[arg(long, value_name = "TEXT")]
    pub search: Option<String>,
}
