//! Rows as they are kept in memory: some 400 bytes each, so that a hundred thousand of them cost what a browser tab does.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::commands::answer::{DiscoveredRow, DiscoveredState, ImportedRow, Recommended, RepositoryName};
use crate::commands::imported::last_look;
use crate::model::{Action, SyncRecord};

/// Words that many rows share, by number.
#[derive(Debug, Default)]
pub(super) struct Words {
    words: Vec<Box<str>>,
    numbers: HashMap<Box<str>, u32>,
}

/// The number of no word.
const NO_WORD: u32 = u32::MAX;

impl Words {
    fn number(&mut self, word: &str) -> u32 {
        if let Some(number) = self.numbers.get(word) {
            return *number;
        }
        let number = u32::try_from(self.words.len()).unwrap_or(NO_WORD);
        self.words.push(word.into());
        self.numbers.insert(word.into(), number);
        number
    }

    fn maybe(&mut self, word: Option<&str>) -> u32 {
        word.map_or(NO_WORD, |word| self.number(word))
    }

    pub(super) fn word(&self, number: u32) -> Option<&str> {
        self.words.get(number as usize).map(|word| &**word)
    }

    /// Of each word, whether it is this one, case ignored.
    pub(super) fn same_as(&self, wanted: &str) -> Vec<bool> {
        let wanted = wanted.to_lowercase();
        self.words.iter().map(|word| word.to_lowercase() == wanted).collect()
    }
}

/// Several texts in one allocation, some of which may be missing.
#[derive(Debug)]
struct Texts<const N: usize> {
    all: Box<str>,
    ends: [u32; N],
    there: u16,
}

impl<const N: usize> Texts<N> {
    fn of(texts: [Option<&str>; N]) -> Self {
        let mut all = String::with_capacity(texts.iter().map(|text| text.map_or(0, str::len)).sum());
        let mut ends = [0; N];
        let mut there = 0;
        for (at, text) in texts.into_iter().enumerate() {
            if let Some(text) = text {
                all.push_str(text);
                there |= 1 << at;
            }
            ends[at] = u32::try_from(all.len()).unwrap_or(u32::MAX);
        }
        Self { all: all.into(), ends, there }
    }

    fn get(&self, at: usize) -> Option<&str> {
        let from = if at == 0 { 0 } else { self.ends[at - 1] };
        let text = self.all.get(from as usize..self.ends[at] as usize);
        text.filter(|_| self.there & (1 << at) != 0)
    }

    fn text(&self, at: usize) -> &str {
        self.get(at).unwrap_or_default()
    }
}

const ID: usize = 0;
const FULL_NAME: usize = 1;
const NAME: usize = 2;
const ENTITY: usize = 3;
/// What lies behind `url_head` and the full name; the whole URL where it is not built so.
const URL: usize = 4;
const REASON: usize = 5;
const NEEDS_REVIEW: usize = 6;
const TOMBSTONE: usize = 7;
const ENTITY_ID: usize = 5;
const IMPORT_ID: usize = 6;

/// What both lists have.
#[derive(Debug)]
pub(super) struct Packed<M, const N: usize> {
    texts: Texts<N>,
    /// Full name, name and entity in lower case: what is searched.
    searched: Box<str>,
    /// What the URL has before the full name, in [`Words`].
    url_head: u32,
    /// Detected or imported.
    pub(super) at: DateTime<Utc>,
    pub(super) kind: u32,
    entity_type: u32,
    pub(super) project: u32,
    pub(super) more: M,
}

/// What only the discovered have.
#[derive(Debug)]
pub(super) struct Discovered {
    pub(super) action: Action,
    pub(super) state: DiscoveredState,
    rule: Option<u16>,
    owner: u32,
    hidden_by: u32,
}

/// What only the imported have.
#[derive(Debug)]
pub(super) struct Imported {
    pub(super) status: u32,
    pub(super) repository_state: u32,
    scope: u32,
    by: u32,
    link_state: u32,
    last_synced_at: Option<DateTime<Utc>>,
    /// Syncs look after it.
    is_served: bool,
}

pub(super) type PackedDiscovered = Packed<Discovered, 8>;
pub(super) type PackedImported = Packed<Imported, 7>;

/// Between the texts searched, so that nothing is found across two of them.
const BETWEEN: char = '\0';

fn searched(row: &RepositoryName, entity: Option<&str>) -> Box<str> {
    let texts = [row.full_name.as_str(), row.name.as_str(), entity.unwrap_or_default()];
    texts.map(str::to_lowercase).join(&BETWEEN.to_string()).into()
}

/// What a URL has before the full name, and what is left to be kept of it.
fn split_url(row: &RepositoryName) -> (Option<&str>, Option<&str>) {
    match row.url.strip_suffix(&row.full_name) {
        Some(head) => (Some(head), None),
        None => (None, Some(&row.url)),
    }
}

impl<M, const N: usize> Packed<M, N> {
    pub(super) fn id(&self) -> &str {
        self.texts.text(ID)
    }

    pub(super) fn full_name(&self) -> &str {
        self.texts.text(FULL_NAME)
    }

    pub(super) fn entity(&self) -> &str {
        self.texts.text(ENTITY)
    }

    pub(super) fn kind<'a>(&self, words: &'a Words) -> &'a str {
        words.word(self.kind).unwrap_or_default()
    }

    pub(super) fn entity_type<'a>(&self, words: &'a Words) -> &'a str {
        words.word(self.entity_type).unwrap_or_default()
    }

    pub(super) fn searched(&self) -> &[u8] {
        self.searched.as_bytes()
    }

    fn repository(&self, words: &Words) -> RepositoryName {
        let full_name = self.full_name().to_owned();
        let url = match words.word(self.url_head) {
            Some(head) => format!("{head}{full_name}"),
            None => self.texts.text(URL).to_owned(),
        };
        RepositoryName { id: self.id().to_owned(), name: self.texts.text(NAME).to_owned(), full_name, url }
    }
}

impl PackedDiscovered {
    pub(super) fn pack(row: &DiscoveredRow, project: Option<&str>, words: &mut Words) -> Self {
        let (url_head, url) = split_url(&row.repository);
        Self {
            texts: Texts::of([
                Some(&row.repository.id),
                Some(&row.repository.full_name),
                Some(&row.repository.name),
                row.recommendation.entity.as_deref(),
                url,
                Some(&row.recommendation.reason),
                row.needs_review.as_deref(),
                row.tombstone.as_deref(),
            ]),
            searched: searched(&row.repository, row.recommendation.entity.as_deref()),
            url_head: words.maybe(url_head),
            at: row.detected_at,
            kind: words.number(&row.kind),
            entity_type: words.maybe(row.r#type.as_deref()),
            project: words.maybe(project),
            more: Discovered {
                action: row.recommendation.action,
                state: row.state,
                rule: row.recommendation.rule.and_then(|rule| u16::try_from(rule).ok()),
                owner: words.maybe(row.owner.as_deref()),
                hidden_by: words.maybe(row.hidden_by.as_deref()),
            },
        }
    }

    pub(super) fn unpack(&self, integration: &str, words: &Words) -> DiscoveredRow {
        let owned = |number: u32| words.word(number).map(str::to_owned);
        let text = |at: usize| self.texts.get(at).map(str::to_owned);
        DiscoveredRow {
            integration: integration.to_owned(),
            repository: self.repository(words),
            recommendation: Recommended {
                action: self.more.action,
                entity: text(ENTITY),
                rule: self.more.rule.map(usize::from),
                reason: self.texts.text(REASON).to_owned(),
            },
            kind: self.kind(words).to_owned(),
            r#type: owned(self.entity_type),
            owner: owned(self.more.owner),
            detected_at: self.at,
            state: self.more.state,
            needs_review: text(NEEDS_REVIEW),
            hidden_by: owned(self.more.hidden_by),
            tombstone: text(TOMBSTONE),
            version: String::new(),
        }
        .versioned()
    }
}

impl PackedImported {
    pub(super) fn pack(row: &ImportedRow, is_served: bool, project: Option<&str>, words: &mut Words) -> Self {
        let (url_head, url) = split_url(&row.repository);
        Self {
            texts: Texts::of([
                Some(&row.repository.id),
                Some(&row.repository.full_name),
                Some(&row.repository.name),
                Some(&row.entity),
                url,
                Some(&row.entity_id),
                Some(&row.import_id),
            ]),
            searched: searched(&row.repository, Some(&row.entity)),
            url_head: words.maybe(url_head),
            at: row.imported_at,
            kind: words.number(&row.kind),
            entity_type: words.maybe(row.r#type.as_deref()),
            project: words.maybe(project),
            more: Imported {
                status: words.number(&row.status),
                repository_state: words.number(&row.repository_state),
                scope: words.number(&row.scope),
                by: words.number(&row.imported_by),
                link_state: words.number(&row.link_state),
                last_synced_at: row.last_synced_at,
                is_served,
            },
        }
    }

    /// `syncs`: the last ones, newest first.
    pub(super) fn unpack(&self, integration: &str, words: &Words, syncs: &[SyncRecord]) -> ImportedRow {
        let word = |number: u32| words.word(number).unwrap_or_default().to_owned();
        let looked = if self.more.is_served { last_look(self.full_name(), syncs) } else { None };
        ImportedRow {
            integration: integration.to_owned(),
            repository: self.repository(words),
            repository_state: word(self.more.repository_state),
            status: word(self.more.status),
            entity: self.entity().to_owned(),
            entity_id: self.texts.text(ENTITY_ID).to_owned(),
            kind: self.kind(words).to_owned(),
            r#type: words.word(self.entity_type).map(str::to_owned),
            scope: word(self.more.scope),
            imported_at: self.at,
            imported_by: word(self.more.by),
            import_id: self.texts.text(IMPORT_ID).to_owned(),
            last_synced_at: looked.max(self.more.last_synced_at),
            link_state: word(self.more.link_state),
        }
    }
}
