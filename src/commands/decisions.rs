//! People's decisions in two places that must not drift apart: the store, and the decisions file that
//! people keep in git and may edit.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::{App, Exit, Failure};
use crate::error::Report;
use crate::model::{Decision, RepoKey};
use crate::store::decisions_file::{DecisionsFile, DecisionsFileError};

/// Rows of the file by catalog and repository.
type Rows = BTreeMap<(String, RepoKey), Decision>;

/// The decisions file, with what it held when it was last read or written.
pub struct DecisionsBook {
    file: DecisionsFile,
    /// Rows seen there: what differs from them was changed by somebody; what the store has otherwise, by us.
    seen: Rows,
    /// Whether it was there when it was first read: a missing file tells nothing of what people decided.
    was_there: bool,
    /// Where the next process finds what was seen: a row that somebody deletes in between is told from one that
    /// never was there.
    note: PathBuf,
}

/// What is kept of a decisions file between processes.
#[derive(Serialize, Deserialize)]
struct Seen {
    file: PathBuf,
    rows: Vec<(String, Decision)>,
}

impl DecisionsBook {
    /// Not read yet. `store` is the store's directory, where what was seen is noted.
    pub fn new(file: DecisionsFile, store: &Path) -> Self {
        let note = store.join("decisions-seen.json");
        let seen = std::fs::read(&note).ok().and_then(|text| serde_json::from_slice::<Seen>(&text).ok());
        // Of another file, or of a lost store: nothing is known.
        let seen = seen.filter(|seen| seen.file == file.path()).map(|seen| rows(seen.rows)).unwrap_or_default();
        Self { file, seen, was_there: false, note }
    }

    fn saw(&mut self, decisions: Vec<(String, Decision)>) {
        let now = rows(decisions.clone());
        if now == self.seen && self.note.exists() {
            return;
        }
        self.seen = now;
        let seen = Seen { file: self.file.path().to_owned(), rows: decisions };
        if let Err(error) = write_whole(&self.note, &seen) {
            warn!("{} could not be written: {error}; rows deleted by hand will stay in force", self.note.display());
        }
    }
}

fn rows(decisions: Vec<(String, Decision)>) -> Rows {
    decisions.into_iter().map(|(catalog, decision)| ((catalog, decision.repo.clone()), decision)).collect()
}

/// Beside its place, then renamed.
fn write_whole(path: &Path, seen: &Seen) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let aside = path.with_extension("json.part");
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
    file.write_all(&serde_json::to_vec(seen).map_err(std::io::Error::other)?)?;
    file.sync_all()?;
    std::fs::rename(&aside, path)
}

fn unreadable(error: &DecisionsFileError) -> Failure {
    let report = Report::new("the decisions file could not be read", error, error.mend());
    Failure { report, exit: Exit::Usage }
}

impl App {
    /// Whether a decisions file tells what people decided before a store was lost.
    pub async fn knows_decisions(&self) -> bool {
        match &self.decisions {
            Some(book) => book.lock().await.was_there,
            None => false,
        }
    }

    /// Reads the decisions file into the store, at start: see `take_decisions_over`.
    ///
    /// # Errors
    /// The file's, with its line; nothing is read then.
    pub async fn read_decisions(&self) -> Result<(), Failure> {
        if let Some(book) = &self.decisions {
            let mut book = book.lock().await;
            book.was_there = book.file.path().exists();
        }
        self.take_decisions_over().await
    }

    /// Takes over what somebody changed in the decisions file since it was last seen: a row that is new or says
    /// something else counts, unless the store has a newer decision; a row that is gone takes its decision
    /// back. A file that is not there, or says nothing, changes nothing.
    ///
    /// # Errors
    /// The file's, with its line; nothing is taken over then.
    pub(crate) async fn take_decisions_over(&self) -> Result<(), Failure> {
        let Some(book) = &self.decisions else { return Ok(()) };
        let mut book = book.lock().await;
        if let Some(there) = book.file.load_if_there().map_err(|error| unreadable(&error))? {
            self.take_over(&book, &there).await?;
            book.saw(there);
        }
        Ok(())
    }

    async fn take_over(&self, book: &DecisionsBook, there: &[(String, Decision)]) -> Result<(), Failure> {
        let mut stored: Rows = Rows::new();
        for catalog in self.config.catalogs.keys() {
            let decisions = self.store.decisions(catalog).await?;
            stored.extend(decisions.into_iter().map(|decision| ((catalog.clone(), decision.repo.clone()), decision)));
        }
        let mut present: BTreeSet<(&str, &RepoKey)> = BTreeSet::new();
        for (catalog, decision) in there.iter().filter(|(catalog, _)| self.config.catalogs.contains_key(catalog)) {
            present.insert((catalog, &decision.repo));
            let key = (catalog.clone(), decision.repo.clone());
            let (seen, stored) = (book.seen.get(&key), stored.get(&key));
            let is_theirs = seen != Some(decision);
            let we_changed = stored.is_some() && stored != seen;
            if is_theirs && (!we_changed || stored.is_none_or(|stored| stored.at <= decision.at)) {
                self.store.decide(catalog, decision).await?;
            }
        }
        for ((catalog, repo), seen) in &book.seen {
            if !present.contains(&(catalog.as_str(), repo))
                && stored.get(&(catalog.clone(), repo.clone())) == Some(seen)
            {
                info!(catalog, "the decision about {} was deleted from the decisions file", seen.full_name);
                self.store.clear_decision(catalog, repo).await?;
            }
        }
        Ok(())
    }

    /// Records a decision in the store and, where one is configured, in the decisions file.
    ///
    /// # Errors
    /// The store's or the file's.
    pub async fn decide(&self, catalog: &str, decision: &Decision) -> Result<(), Failure> {
        self.store.decide(catalog, decision).await?;
        self.write_decisions().await
    }

    /// Takes a decision back, in both places.
    ///
    /// # Errors
    /// The store's or the file's.
    pub async fn undecide(&self, catalog: &str, repo: &RepoKey) -> Result<(), Failure> {
        self.store.clear_decision(catalog, repo).await?;
        self.write_decisions().await
    }

    /// Writes every decision into the decisions file, after taking over what somebody changed there meanwhile.
    /// Rows of catalogs that are not in the config stay as they are.
    ///
    /// # Errors
    /// A file with faults, or that cannot be written; what was decided is in the store all the same.
    pub(crate) async fn write_decisions(&self) -> Result<(), Failure> {
        let Some(book) = &self.decisions else { return Ok(()) };
        let mut book = book.lock().await;
        let there = book.file.load_if_there().map_err(|error| unreadable(&error))?;
        if let Some(there) = &there {
            self.take_over(&book, there).await?;
        }
        let of_others = |(catalog, _): &(String, Decision)| !self.config.catalogs.contains_key(catalog);
        let mut all: Vec<(String, Decision)> = there.unwrap_or_default().into_iter().filter(of_others).collect();
        for catalog in self.config.catalogs.keys() {
            let decisions = self.store.decisions(catalog).await?;
            all.extend(decisions.into_iter().map(|decision| (catalog.clone(), decision)));
        }
        book.file.save(&all).map_err(|error| {
            let mend = error.mend();
            let what = "the decision is kept, but the decisions file could not be written";
            Failure::failed(Report::new(what, &error, mend))
        })?;
        book.saw(all);
        Ok(())
    }
}
