//! People's decisions in two places that must not drift apart: the store, and the decisions file that
//! people keep in git and may edit.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{App, Exit, Failure};
use crate::error::Report;
use crate::model::{Decision, RepoKey};
use crate::store::decisions_file::{DecisionsFile, DecisionsFileError};

/// What tells one row of the file from another.
type Row = (String, RepoKey, DateTime<Utc>);

/// The decisions file, with what it held when it was last read or written.
pub struct DecisionsBook {
    file: DecisionsFile,
    /// Rows seen there: one that is new was put there by somebody, one that the store lost since was taken
    /// back by us.
    seen: BTreeSet<Row>,
    /// Whether it was there when it was first read: a missing file tells nothing of what people decided.
    was_there: bool,
}

impl DecisionsBook {
    /// Not read yet.
    pub fn new(file: DecisionsFile) -> Self {
        Self { file, seen: BTreeSet::new(), was_there: false }
    }
}

fn row(catalog: &str, decision: &Decision) -> Row {
    (catalog.to_owned(), decision.repo.clone(), decision.at)
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

    /// Reads the decisions file into the store: what it says outranks what the store has.
    ///
    /// # Errors
    /// The file's, with its line; nothing is read then.
    pub async fn read_decisions(&self) -> Result<(), Failure> {
        let Some(book) = &self.decisions else { return Ok(()) };
        let mut book = book.lock().await;
        book.was_there = book.file.path().exists();
        let decisions = book.file.load().map_err(|error| unreadable(&error))?;
        for (catalog, decision) in &decisions {
            self.store.decide(catalog, decision).await?;
        }
        book.seen = decisions.iter().map(|(catalog, decision)| row(catalog, decision)).collect();
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

    /// Writes every decision into the decisions file. Rows that somebody put there meanwhile are taken over
    /// into the store first, the newer of two about one repository counts; rows of catalogs that are not in
    /// the config stay as they are.
    ///
    /// # Errors
    /// A file with faults, or that cannot be written; what was decided is in the store all the same.
    pub(crate) async fn write_decisions(&self) -> Result<(), Failure> {
        let Some(book) = &self.decisions else { return Ok(()) };
        let mut book = book.lock().await;
        let there = book.file.load().map_err(|error| unreadable(&error))?;
        let mut all = Vec::new();
        for (catalog, decision) in there {
            if !self.config.catalogs.contains_key(&catalog) {
                all.push((catalog, decision));
            } else if !book.seen.contains(&row(&catalog, &decision)) {
                let stored = self.store.decisions(&catalog).await?;
                let stored = stored.iter().find(|stored| stored.repo == decision.repo);
                if stored.is_none_or(|stored| stored.at < decision.at) {
                    self.store.decide(&catalog, &decision).await?;
                }
            }
        }
        for catalog in self.config.catalogs.keys() {
            let decisions = self.store.decisions(catalog).await?;
            all.extend(decisions.into_iter().map(|decision| (catalog.clone(), decision)));
        }
        book.file.save(&all).map_err(|error| {
            let mend = error.mend();
            let what = "the decision is kept, but the decisions file could not be written";
            Failure::failed(Report::new(what, &error, mend))
        })?;
        book.seen = all.iter().map(|(catalog, decision)| row(catalog, decision)).collect();
        Ok(())
    }
}
