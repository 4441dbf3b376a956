//! People's decisions in two places that must not drift apart: the store, and the decisions file that
//! people keep in git and may edit.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::{App, Exit, Failure, audit};
use crate::error::{Report, escape_control, shown};
use crate::model::{Decision, DecisionKind, RepoKey};
use crate::store::LinkChange;
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

    /// A catalog has another name from now on: its rows go along, in the file and among those seen. A row that is there
    /// under the new name stays as it is.
    fn rename_catalog(&mut self, from: &str, to: &str) -> Result<(), DecisionsFileError> {
        let renamed = |rows: Vec<(String, Decision)>| -> Vec<(String, Decision)> {
            let has = |repo: &RepoKey| rows.iter().any(|(catalog, decision)| catalog == to && decision.repo == *repo);
            let (old, mut kept): (Vec<_>, Vec<_>) = rows.iter().cloned().partition(|(catalog, _)| catalog == from);
            let old = old.into_iter().filter(|(_, decision)| !has(&decision.repo));
            kept.extend(old.map(|(_, decision)| (to.to_owned(), decision)));
            kept
        };
        if let Some(there) = self.file.load_if_there()?
            && there.iter().any(|(catalog, _)| catalog == from)
        {
            self.file.save(&renamed(there))?;
        }
        let seen: Vec<_> =
            self.seen.iter().map(|((catalog, _), decision)| (catalog.clone(), decision.clone())).collect();
        self.saw(renamed(seen));
        Ok(())
    }

    fn saw(&mut self, decisions: Vec<(String, Decision)>) {
        let now = rows(decisions.clone());
        if now == self.seen && self.note.exists() {
            return;
        }
        self.seen = now;
        let seen = Seen { file: self.file.path().to_owned(), rows: decisions };
        if let Err(error) = write_whole(&self.note, &seen) {
            warn!("{} could not be written: {error}; rows deleted by hand will stay in force", shown(&self.note));
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

    /// Gives what the decisions file says of a catalog the catalog's new name.
    ///
    /// # Errors
    /// A file with faults, or that cannot be written; nothing is changed then.
    pub(super) async fn rename_catalog_in_decisions(&self, from: &str, to: &str) -> Result<(), Failure> {
        let Some(book) = &self.decisions else { return Ok(()) };
        book.lock().await.rename_catalog(from, to).map_err(|error| unreadable(&error))
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
        let Some(there) = book.file.load_if_there().map_err(|error| unreadable(&error))? else { return Ok(()) };
        let ended = self.take_over(&book, &there).await?;
        self.warn_of_rows(&book, &there).await?;
        book.saw(there);
        // Whoever holds the catalog may wait for the book.
        drop(book);
        self.end_links(&ended).await
    }

    /// Ends the links that rows of the decisions file take back; entities and their data stay (P4.6).
    async fn end_links(&self, ended: &[(String, Decision)]) -> Result<(), Failure> {
        for (catalog, decision) in ended {
            let lease = self.store.catalog_lease(catalog).await?;
            let mut links = self.store.links_of(catalog, &decision.repo).await?;
            links.retain(|link| decision.kind.lets_go(link.entity.as_str()));
            for link in &links {
                info!(catalog, "the decisions file unlinks {} from {}", decision.full_name, link.entity);
            }
            if links.is_empty() {
                continue;
            }
            // First written down, so that nothing is done of which nothing is.
            let entities: Vec<_> = links.iter().map(|link| &link.entity).collect();
            audit::note_unlinked(self, catalog, decision, &entities).await?;
            let changes: Vec<_> = links.into_iter().map(|link| LinkChange::Remove(link.repo, link.entity)).collect();
            self.store.change_links(&lease, changes, Vec::new()).await?;
        }
        Ok(())
    }

    /// Rows that have no effect are named: nobody would notice otherwise.
    async fn warn_of_rows(&self, book: &DecisionsBook, there: &[(String, Decision)]) -> Result<(), Failure> {
        let path = shown(book.file.path());
        for (catalog, decision) in there {
            let name = escape_control(&decision.full_name);
            if !self.config.catalogs.contains_key(catalog) {
                let known: Vec<&str> = self.config.catalogs.keys().map(String::as_str).collect();
                warn!(
                    "{path}: the row about {name} names the catalog `{}`, which is not in the config ({}): it has no effect",
                    escape_control(catalog),
                    known.join(", ")
                );
            } else if decision.kind == DecisionKind::Ignored
                && let Some(link) = self.store.links_of(catalog, &decision.repo).await?.first()
            {
                warn!(
                    "{path}: {name} is ignored there, and linked to {}: it stays linked; unlink it first, `imported unlink {name}`",
                    link.entity
                );
            }
        }
        Ok(())
    }

    /// Returns the rows newly taken over that end a link, for whoever can take the catalog.
    async fn take_over(
        &self,
        book: &DecisionsBook,
        there: &[(String, Decision)],
    ) -> Result<Vec<(String, Decision)>, Failure> {
        let mut ended = Vec::new();
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
                let links = self.store.links_of(catalog, &decision.repo).await?;
                if links.iter().any(|link| decision.kind.lets_go(link.entity.as_str())) {
                    ended.push((catalog.clone(), decision.clone()));
                }
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
        Ok(ended)
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
        let ended = match &there {
            Some(there) => self.take_over(&book, there).await?,
            None => Vec::new(),
        };
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
        // Whoever writes may hold the catalog: a row that ends a link stays unseen, for the next look at the file.
        all.retain(|row| !ended.contains(row));
        book.saw(all);
        Ok(())
    }
}
