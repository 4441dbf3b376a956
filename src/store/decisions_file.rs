//! The decisions file: what people decided, kept beside the store for git and for a lost store. People edit it:
//! their comments and the rows nobody changed stay as they are written.

mod patch;

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::model::{Decision, DecisionKind, EntityRef, RepoKey};

/// Far above what people decide by hand; YAML of this size is still read in no time.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

const HEADER: &str = "\
# What people decided about repositories: ignored, unlinked, undone, chosen targets.
# catalog-sync writes this file with each decision and reads it when it starts. Keep it in git.
# A row that is deleted here takes its decision back; comments stay.
";

/// The file named by `decisions:` of the config.
#[derive(Clone, Debug)]
pub struct DecisionsFile {
    path: PathBuf,
}

/// What can go wrong with it. Nothing of a file that cannot be read is taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecisionsFileError {
    /// It is not what we write.
    #[error("the decisions file {}{} cannot be read: {message}", path.display(), at_line(*line))]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// From 1, where known.
        line: Option<usize>,
        /// Why.
        message: String,
    },
    /// The file system said no.
    #[error("the decisions file {} could not be {doing}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// `read` or `written`.
        doing: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

fn at_line(line: Option<usize>) -> String {
    line.map(|line| format!(", line {line},")).unwrap_or_default()
}

impl DecisionsFileError {
    /// What a person can do about it.
    pub fn mend(&self) -> Option<String> {
        let text = match self {
            Self::Malformed { .. } => {
                "mend the line, or take the file's last good version from git; nothing of it was taken over"
            }
            Self::Io { .. } => "check `decisions` in the config, and the permissions and free space of its directory",
        };
        Some(text.to_owned())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(deserialize_with = "rows")]
    decisions: Vec<Row>,
}

/// A list whose last entry somebody deleted is nothing at all.
fn rows<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Row>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Ignored,
    Unlinked,
    Undone,
    Restored,
    Target,
}

/// One decision as written. `try_from` makes the YAML reader tell the line of what does not fit.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    catalog: String,
    full_name: String,
    repository: String,
    decision: Verdict,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    entity: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    also: Vec<String>,
    at: DateTime<Utc>,
    by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "Fields", try_from = "Fields")]
struct Row {
    catalog: String,
    decision: Decision,
}

impl Row {
    /// How rows are sorted, for people and for diffs.
    fn order(&self) -> (&str, &str, &RepoKey) {
        (&self.catalog, &self.decision.full_name, &self.decision.repo)
    }

    fn is_about(&self, other: &Self) -> bool {
        (&self.catalog, &self.decision.repo) == (&other.catalog, &other.decision.repo)
    }
}

impl From<Row> for Fields {
    fn from(Row { catalog, decision }: Row) -> Self {
        let Decision { repo, full_name, kind, at, by, reason } = decision;
        let (verdict, entity, also) = match kind {
            DecisionKind::Ignored => (Verdict::Ignored, None, Vec::new()),
            DecisionKind::Unlinked { entity, also } => (Verdict::Unlinked, Some(entity), also),
            DecisionKind::Undone { entity, also } => (Verdict::Undone, Some(entity), also),
            DecisionKind::Restored { entity } => (Verdict::Restored, Some(entity), Vec::new()),
            DecisionKind::Target { entity } => (Verdict::Target, Some(entity), Vec::new()),
        };
        let entity = entity.map(|entity| entity.as_str().to_owned());
        let also = also.iter().map(|entity| entity.as_str().to_owned()).collect();
        Self { catalog, full_name, repository: repo.to_string(), decision: verdict, entity, also, at, by, reason }
    }
}

impl TryFrom<Fields> for Row {
    type Error = String;

    fn try_from(fields: Fields) -> Result<Self, String> {
        let Fields { catalog, full_name, repository, decision, entity, also, at, by, reason } = fields;
        let repo = RepoKey::parse(&repository).ok_or_else(|| {
            format!("`repository: {repository}` is no repository's id, like bitbucket.org/{{7dd600e6-0d9c-…}}")
        })?;
        let entity = entity.map(EntityRef::from_canonical);
        let also: Vec<EntityRef> = also.into_iter().map(EntityRef::from_canonical).collect();
        if !also.is_empty() && !matches!(decision, Verdict::Unlinked | Verdict::Undone) {
            return Err(format!(
                "`also` is for unlinked and undone ones, in the decision about {full_name} it says nothing"
            ));
        }
        let kind = match (decision, entity) {
            (Verdict::Ignored, None) => DecisionKind::Ignored,
            (Verdict::Ignored, Some(_)) => return Err(format!("{full_name} is ignored: `entity` says nothing here")),
            (_, None) => return Err(format!("`entity` is missing in the decision about {full_name}")),
            (Verdict::Unlinked, Some(entity)) => DecisionKind::Unlinked { entity, also },
            (Verdict::Restored, Some(entity)) => DecisionKind::Restored { entity },
            (Verdict::Undone, Some(entity)) => DecisionKind::Undone { entity, also },
            (Verdict::Target, Some(entity)) => DecisionKind::Target { entity },
        };
        Ok(Self { catalog, decision: Decision { repo, full_name, kind, at, by, reason } })
    }
}

impl DecisionsFile {
    /// The file at `path`; it need not exist yet.
    pub fn open(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Decisions with their catalogs, sorted by catalog, then repository; none when there is no file. Of
    /// two decisions about one repository, as a merge in git may leave them, the newest counts.
    ///
    /// # Errors
    /// [`DecisionsFileError`]; nothing is taken from a file that cannot be read whole.
    pub fn load(&self) -> Result<Vec<(String, Decision)>, DecisionsFileError> {
        Ok(self.load_if_there()?.unwrap_or_default())
    }

    /// The same; `None` where there is no file, or one without the key `decisions`: it tells nothing, also not
    /// that a decision was taken back.
    ///
    /// # Errors
    /// [`DecisionsFileError`]; nothing is taken from a file that cannot be read whole.
    pub fn load_if_there(&self) -> Result<Option<Vec<(String, Decision)>>, DecisionsFileError> {
        let text = match self.read() {
            Ok(text) if is_silent(&text) => return Ok(None),
            Ok(text) => text,
            Err(source) if source.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(self.failed("read", source)),
        };
        let mut newest: BTreeMap<(String, RepoKey), Decision> = BTreeMap::new();
        for Row { catalog, decision } in self.parse(&text)?.decisions {
            let key = (catalog, decision.repo.clone());
            if newest.get(&key).is_none_or(|known| known.at <= decision.at) {
                newest.insert(key, decision);
            }
        }
        Ok(Some(newest.into_iter().map(|((catalog, _), decision)| (catalog, decision)).collect()))
    }

    fn read(&self) -> Result<String, std::io::Error> {
        if fs::metadata(&self.path)?.len() > MAX_BYTES {
            return Err(std::io::Error::new(ErrorKind::FileTooLarge, "it is larger than 16 MiB"));
        }
        fs::read_to_string(&self.path)
    }

    fn parse(&self, text: &str) -> Result<Document, DecisionsFileError> {
        serde_yaml::from_str(text).map_err(|error| DecisionsFileError::Malformed {
            path: self.path.clone(),
            line: error.location().map(|location| location.line()),
            message: crate::error::escape_control(&error.to_string()),
        })
    }

    /// Makes the file say exactly this, atomically; new rows are sorted for people and for diffs: by catalog, full
    /// name, repository. Comments and rows that stay are kept as they are written; a file that says the same
    /// already is left alone.
    ///
    /// # Errors
    /// [`DecisionsFileError`]; the file is as it was then.
    pub fn save(&self, decisions: &[(String, Decision)]) -> Result<(), DecisionsFileError> {
        let row =
            |(catalog, decision): &(String, Decision)| Row { catalog: catalog.clone(), decision: decision.clone() };
        let mut wanted: Vec<Row> = decisions.iter().map(row).collect();
        wanted.sort_by(|a, b| a.order().cmp(&b.order()));
        let present = match self.read() {
            Ok(present) => present,
            Err(source) if source.kind() == ErrorKind::NotFound => String::new(),
            Err(source) => return Err(self.failed("read", source)),
        };
        // Lines that end as a Windows editor ends them go on doing so.
        let is_crlf = present.contains('\n') && present.split_inclusive('\n').all(|line| line.ends_with("\r\n"));
        let text = match is_crlf {
            true => self.text(&present.replace("\r\n", "\n"), wanted)?.replace('\n', "\r\n"),
            false => self.text(&present, wanted)?,
        };
        if !present.is_empty() && present == text {
            return Ok(());
        }
        self.replace(&text).map_err(|source| self.failed("written", source))
    }

    /// The text that `present` becomes. Proved by reading it again: where an edit is not exactly what was wanted,
    /// all is written anew, with every comment above.
    fn text(&self, present: &str, wanted: Vec<Row>) -> Result<String, DecisionsFileError> {
        let mut head = HEADER.to_owned();
        if is_silent(present) {
            if !present.trim().is_empty() {
                head = format!("{}\n", present.trim_end());
            }
        } else {
            let rows = self.parse(present)?.decisions;
            if let Some(text) = patch::patched(present, &rows, &wanted)
                && self.parse(&text).is_ok_and(|read| is_the_same(&read.decisions, &wanted))
            {
                return Ok(text);
            }
            for note in patch::comments(present).filter(|note| !HEADER.lines().any(|line| line == *note)) {
                head.push_str(&format!("{note}\n"));
            }
        }
        let yaml = serde_yaml::to_string(&Document { decisions: wanted })
            .map_err(|error| self.failed("written", std::io::Error::other(error.to_string())))?;
        Ok(format!("{head}{yaml}"))
    }

    /// Temporary file, fsync, rename, fsync of the folder; a symbolic link is followed, and the mode kept.
    fn replace(&self, text: &str) -> Result<(), std::io::Error> {
        let target = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let folder = match target.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let name = target.file_name().ok_or_else(|| std::io::Error::from(ErrorKind::InvalidInput))?;
        let temporary = folder.join(format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id()));
        let written = write_synced(&temporary, text, fs::metadata(&target).ok().map(|found| found.permissions()))
            .and_then(|()| fs::rename(&temporary, &target))
            .and_then(|()| fs::File::open(folder)?.sync_all());
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    fn failed(&self, doing: &'static str, source: std::io::Error) -> DecisionsFileError {
        DecisionsFileError::Io { path: self.path.clone(), doing, source }
    }
}

/// An empty file is what `touch` makes of it.
fn is_silent(text: &str) -> bool {
    text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
}

fn is_the_same(read: &[Row], wanted: &[Row]) -> bool {
    let sorted = |rows: &[Row]| {
        let mut rows = rows.to_vec();
        rows.sort_by(|a, b| (a.order(), a.decision.at).cmp(&(b.order(), b.decision.at)));
        rows
    };
    sorted(read) == sorted(wanted)
}

fn write_synced(path: &Path, text: &str, permissions: Option<fs::Permissions>) -> Result<(), std::io::Error> {
    let mut file = fs::File::create(path)?;
    file.write_all(text.as_bytes())?;
    if let Some(permissions) = permissions {
        file.set_permissions(permissions)?;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests;
