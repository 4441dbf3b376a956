//! What changed lately of what lists rest on: kept in memory, by repository, so that whoever holds a list renews the rows
//! that changed and reads nothing else again.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use super::books::{DECISIONS, LINKS, RECOMMENDATIONS, REPOSITORIES, SYNCS_BY_INTEGRATION};
use super::keys::Reader;
use crate::model::{IntegrationKey, RepoKey};
use crate::store::Changed;

/// Changes remembered of each integration and of each catalog. Whoever has missed more reads everything anew, which is
/// no dearer by then.
const REMEMBERED: usize = 5_000;

/// What one written key means for lists.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Touched {
    /// A repository or its recommendation.
    Repository(IntegrationKey, RepoKey),
    /// A link or a decision.
    Decided(String, RepoKey),
    /// The record of a sync.
    Sync(IntegrationKey),
}

/// `None`: no list shows what lies under this key.
pub(super) fn touched(key: &[u8]) -> Option<Touched> {
    let mut reader = Reader::past_tag(key);
    match *key.first()? {
        REPOSITORIES | RECOMMENDATIONS => Some(Touched::Repository(reader.integration()?, reader.repo()?)),
        LINKS | DECISIONS => Some(Touched::Decided(reader.text()?, reader.repo()?)),
        // Written whenever a sync is: a record alone does not tell whose it is.
        SYNCS_BY_INTEGRATION => Some(Touched::Sync(reader.integration()?)),
        _ => None,
    }
}

#[derive(Debug, Default)]
pub(super) struct Changelog(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    revision: u64,
    integrations: HashMap<IntegrationKey, Lately>,
    catalogs: HashMap<String, Lately>,
    syncs: HashMap<IntegrationKey, u64>,
}

#[derive(Debug, Default)]
struct Lately {
    changes: VecDeque<(u64, RepoKey)>,
    /// The newest change that is not remembered any more.
    forgotten: u64,
}

impl Lately {
    fn add(&mut self, revision: u64, repo: RepoKey) {
        if self.changes.len() >= REMEMBERED
            && let Some((forgotten, _)) = self.changes.pop_front()
        {
            self.forgotten = forgotten;
        }
        self.changes.push_back((revision, repo));
    }

    /// `None`: more than is remembered.
    fn since(&self, since: u64) -> Option<impl Iterator<Item = &RepoKey>> {
        let newer = self.changes.iter().rev().take_while(move |(revision, _)| *revision > since);
        (self.forgotten <= since).then(|| newer.map(|(_, repo)| repo))
    }
}

impl Changelog {
    /// These were written; readers see it already.
    pub(super) fn note(&self, touched: Vec<Touched>) {
        if touched.is_empty() {
            return;
        }
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.revision += 1;
        let revision = state.revision;
        for one in touched {
            match one {
                Touched::Repository(integration, repo) => {
                    state.integrations.entry(integration).or_default().add(revision, repo);
                }
                Touched::Decided(catalog, repo) => state.catalogs.entry(catalog).or_default().add(revision, repo),
                Touched::Sync(integration) => drop(state.syncs.insert(integration, revision)),
            }
        }
    }

    pub(super) fn since(&self, integration: &IntegrationKey, since: Option<u64>) -> Changed {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let revision = state.revision;
        let Some(since) = since else {
            return Changed { revision, repositories: None, is_decided: true, syncs: true };
        };
        let none = Lately::default();
        let read = state.integrations.get(integration).unwrap_or(&none).since(since);
        let decided = state.catalogs.get(&integration.catalog).unwrap_or(&none).since(since);
        let newest = state.catalogs.get(&integration.catalog).and_then(|lately| lately.changes.back());
        let is_decided = newest.is_some_and(|(revision, _)| *revision > since);
        let repositories = match (read, decided) {
            (Some(read), Some(decided)) => Some(read.chain(decided).cloned().collect::<BTreeSet<_>>()),
            _ => None,
        };
        let syncs = state.syncs.get(integration).is_some_and(|revision| *revision > since);
        Changed { revision, repositories, is_decided, syncs }
    }
}
