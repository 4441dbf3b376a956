//! Configs of other connectors, read into one of ours: `init --from` (P6.8).
//!
//! Understood are the `satellite.yml` of Harness SEI and the Bitbucket parts of a Backstage `app-config.yaml`. Every key is
//! taken over or named with its line and the reason; no secret leaves the file: it becomes the name of a variable
//! (that which the file names already, or a new one) or of a file.
//!
//! Pure: text in, text and notes out. Nothing of a value is in a message, and no line of the file is shown: such
//! files are full of secrets of which nobody here knows.

mod accounts;
mod backstage;
mod draft;
mod frequency;
mod ledger;
mod pattern;
mod reference;
mod satellite;
mod selection;
mod written;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;

pub use self::draft::Variable;
pub use self::ledger::{Fate, Note};

use self::ledger::{Entry, Ledger};
use super::faults::{Fault, FaultReport};
use super::located::{self, Node, Value};

/// Whose file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `satellite.yml` of Harness SEI.
    Satellite,
    /// `app-config.yaml` of Backstage.
    Backstage,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Satellite => "a satellite.yml of Harness SEI",
            Self::Backstage => "a Backstage app-config.yaml",
        })
    }
}

/// What a file became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translation {
    /// Whose file it was.
    pub origin: Origin,
    /// The config.
    pub text: String,
    /// What is not simply taken over, by line.
    pub notes: Vec<Note>,
    /// What has to be set, in the order of the config.
    pub variables: Vec<Variable>,
}

/// Reads the file `shown` into a config. `folder` is where its relative paths begin, as the config to be written has to
/// name it; empty where both lie in one folder.
///
/// # Errors
/// The faults of a file that is no YAML, is none of those understood, or says what cannot be; without its lines.
pub fn translate(bytes: &[u8], shown: &Path, folder: &Path) -> Result<Translation, FaultReport> {
    // No text: a report shows the lines of the one it gets.
    let refused = |faults: Vec<Fault>| FaultReport::new(shown, "", None, faults);
    let mut faults = Vec::new();
    let text = located::decode(bytes).map_err(|fault| refused(vec![fault]))?;
    let root = located::parse(text, &mut faults);
    if let (None, true) = (&root, faults.is_empty()) {
        faults.push(Fault::nowhere("the file says nothing").mend(LOOKED_FOR));
    }
    let Some(root) = root.filter(|_| faults.is_empty()) else { return Err(refused(faults)) };
    let entry = Entry::root(&root);
    let origin = recognise(&entry).map_err(|fault| refused(vec![fault]))?;
    let mut ledger = Ledger::default();
    let mut draft = match origin {
        Origin::Satellite => satellite::read(&entry, &mut ledger),
        Origin::Backstage => backstage::read(&entry, &mut ledger),
    };
    let Ledger { mut notes, faults } = ledger;
    if !faults.is_empty() {
        return Err(refused(faults));
    }
    notes.sort_by(|a, b| (a.line, &a.key, a.fate).cmp(&(b.line, &b.key, b.fate)));
    notes.dedup();
    let variables = draft.settle();
    let text = written::config(&draft, origin, &notes, &variables, folder);
    Ok(Translation { origin, text, notes, variables })
}

const LOOKED_FOR: &str = "a satellite.yml of Harness SEI has `satellite` and a list `integrations`; a Backstage app-config.yaml has \
                          `integrations` and `catalog`, mappings of keys";

/// Which file it is, by what it says; never by its name.
fn recognise(root: &Entry<'_>) -> Result<Origin, Fault> {
    let has = |key: &str| root.node.get(key).is_some();
    if satellite::is_one(root) {
        return Ok(Origin::Satellite);
    }
    let fault = Fault::of(first(root.node), "this is none of the files that can be read");
    Err(if has("connectors") && has("catalogs") {
        fault.because("it is a config of catalog-sync already").mend("use it as it is: `catalog-sync check`")
    } else if has("apiVersion") && has("kind") && has("data") {
        fault
            .because("it is a manifest of Kubernetes")
            .mend("take the file out that stands below `data`, and name that one")
    } else if has("apiVersion") && has("kind") {
        fault.because("it is an entity or a manifest").mend(LOOKED_FOR)
    } else if backstage::is_one(root) {
        return Ok(Origin::Backstage);
    } else {
        fault.mend(LOOKED_FOR)
    })
}

/// Its first character alone: the fault is about the file, not about what stands there.
fn first(root: &Node) -> &Node {
    match &root.value {
        Value::List(nodes) => nodes.first().unwrap_or(root),
        _ => root,
    }
}
