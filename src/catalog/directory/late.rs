//! Looking again at files we replaced: who had the old one open may write into it after the exchange.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use cap_std::fs::File;

use super::write::{self, Hash};
use crate::plan::Step;

/// A file that was replaced.
#[derive(Debug)]
pub(super) struct Replaced {
    /// The old one; it has no name any more.
    pub file: File,
    /// Where it was, relative to the root.
    pub path: PathBuf,
    /// Its text when it was replaced.
    pub old: Hash,
    /// The text put in its place.
    pub ours: Hash,
    /// What was done to it.
    pub step: Step,
    /// When, by the catalog's clock.
    pub at: SystemTime,
}

/// What was replaced lately, oldest first.
#[derive(Debug, Default)]
pub(super) struct Late {
    replaced: Vec<Replaced>,
    /// Hashes of texts we put in place: nobody else is in the middle of writing those.
    ours: std::collections::VecDeque<Hash>,
}

/// An old file that got another text after it was replaced.
#[derive(Debug)]
pub(super) struct Overtaken {
    /// What it was.
    pub replaced: Replaced,
    /// What was written into it.
    pub bytes: Vec<u8>,
}

/// Kept open at most so many, and so long.
const MOST: usize = 64;
const LONGEST: Duration = Duration::from_secs(600);

impl Late {
    /// Remembers a replacement.
    pub(super) fn remember(&mut self, replaced: Replaced) {
        self.wrote(replaced.ours);
        if self.replaced.len() == MOST {
            self.replaced.remove(0);
        }
        self.replaced.push(replaced);
    }

    /// Remembers a text of ours.
    pub(super) fn wrote(&mut self, ours: Hash) {
        if self.ours.len() == 1024 {
            self.ours.pop_front();
        }
        self.ours.push_back(ours);
    }

    /// Whether a text is one we put in place.
    pub(super) fn is_ours(&self, text: &Hash) -> bool {
        self.ours.contains(text)
    }

    /// Those that somebody wrote into since; forgets the ones that are old and were left alone.
    pub(super) fn overtaken(&mut self, cap: u64, now: SystemTime) -> Vec<Overtaken> {
        let mut overtaken = Vec::new();
        for replaced in std::mem::take(&mut self.replaced) {
            match write::reread(&replaced.file, cap) {
                Ok(Some(bytes)) if write::hash(&bytes) != replaced.old => overtaken.push(Overtaken { replaced, bytes }),
                Ok(_) if now.duration_since(replaced.at).unwrap_or_default() < LONGEST => self.replaced.push(replaced),
                _ => {}
            }
        }
        overtaken
    }
}
