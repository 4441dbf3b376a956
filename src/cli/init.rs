//! `init`: the starter config, or one made from the config of another connector.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{Exit, Start, local};
use crate::commands::Failure;
use crate::config::foreign::{self, Fate, Translation};
use crate::config::starter::{self, STARTER, StarterError};
use crate::config::{Config, FaultReport, located};
use crate::error::{Report, escape_control, shown};

/// Writes the config; what is there already stays.
pub(super) fn init(start: &Start, from: Option<&Path>) -> Result<Exit, Failure> {
    let path = match &start.cli.global.config {
        Some(path) => start.working_directory.join(path),
        None => start.working_directory.join("catalog-sync.yaml"),
    };
    let Some(from) = from else {
        starter::write(&path, STARTER).map_err(|error| unwritten(&error))?;
        eprintln!("wrote {}; fill in workspace and token, then `catalog-sync check`", shown(&path));
        return Ok(Exit::Done);
    };
    // Said before anything else: the other file may be long to mend.
    if path.symlink_metadata().is_ok() {
        return Err(unwritten(&StarterError::Exists { path }));
    }
    let source = start.working_directory.join(from);
    let bytes = read(&source).map_err(|error| local::unreadable(from, &error))?;
    let translation =
        foreign::translate(&bytes, from, &folder_of(&source, &path)).map_err(|faults| refused(from, &faults))?;
    accept(start, &path, &translation)?;
    starter::write(&path, &translation.text).map_err(|error| unwritten(&error))?;
    tell(&path, from, &translation);
    Ok(Exit::Done)
}

/// No more than is read of any file: a device has no end.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(located::MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Where relative paths of the other file begin, as the config names it.
fn folder_of(source: &Path, config: &Path) -> PathBuf {
    match (source.parent(), config.parent()) {
        (Some(source), Some(config)) if source != config => source.to_owned(),
        _ => PathBuf::new(),
    }
}

/// Our own loader is the judge of what was made.
fn accept(start: &Start, path: &Path, translation: &Translation) -> Result<(), Failure> {
    let (config, report) = Config::read(translation.text.as_bytes(), path, &local::options(start, None));
    match config {
        Some(_) => Ok(()),
        None => Err(Failure::failed(Report::plain(
            format!("no config was written: what was made of {} has faults\n\n{report}", translation.origin),
            Some("write the config by hand (`catalog-sync init`), and report this".to_owned()),
        ))),
    }
}

fn refused(from: &Path, faults: &FaultReport) -> Failure {
    let report = Report {
        what: format!("no config was written: {} cannot be taken over\n\n{faults}", shown(from)),
        because: Vec::new(),
        mend: None,
    };
    Failure { report, exit: Exit::Usage }
}

fn unwritten(error: &StarterError) -> Failure {
    let report = Report::new("no config was written", error, Some(error.mend().to_owned()));
    Failure { report, exit: Exit::Usage }
}

/// What was made, what became of what, what has to be set; on stderr, since none of it is data.
fn tell(path: &Path, from: &Path, translation: &Translation) {
    let Translation { origin, notes, variables, .. } = translation;
    let from = shown(from);
    eprintln!("wrote {} from {from}, {origin}", shown(path));
    for fate in Fate::ALL {
        let mut of_fate = notes.iter().filter(|note| note.fate == fate).peekable();
        if of_fate.peek().is_some() {
            eprintln!("\n{}:", fate.heading());
            of_fate.for_each(|note| eprintln!("  {from}: {}", escape_control(&note.to_string())));
        }
    }
    if !variables.is_empty() {
        eprintln!("\nset where catalog-sync is started:");
        variables.iter().for_each(|variable| eprintln!("  {}", escape_control(&variable.to_string())));
    }
    eprintln!("\nlook at what is marked with <-- in it, then `catalog-sync check`");
}
