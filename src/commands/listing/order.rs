//! What rows are sorted by, and the cursor that says where a page ended.
//!
//! A cursor holds the sort key of the last row shown. Whatever is imported, renamed or discovered meanwhile, the next page
//! begins behind that place: no row that stayed is shown twice or left out.

use std::cmp::Ordering;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::packed::{PackedDiscovered, PackedImported, Words};
use crate::commands::Failure;
use crate::commands::request::{DiscoveredSort, ImportedSort};
use crate::model::Action;

/// A cursor of ours is shorter; longer ones are not read.
const CURSOR_BYTES: usize = 8 * 1024;

/// A column that rows can be sorted by, of either list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Column {
    Id,
    Name,
    /// Or status.
    Action,
    Entity,
    Kind,
    Type,
    /// Detected, or imported.
    At,
}

impl From<DiscoveredSort> for Column {
    fn from(sort: DiscoveredSort) -> Self {
        match sort {
            DiscoveredSort::Name => Self::Name,
            DiscoveredSort::Action => Self::Action,
            DiscoveredSort::Entity => Self::Entity,
            DiscoveredSort::Kind => Self::Kind,
            DiscoveredSort::Type => Self::Type,
            DiscoveredSort::DetectedAt => Self::At,
        }
    }
}

impl From<ImportedSort> for Column {
    fn from(sort: ImportedSort) -> Self {
        match sort {
            ImportedSort::Name => Self::Name,
            ImportedSort::Status => Self::Action,
            ImportedSort::Entity => Self::Entity,
            ImportedSort::Kind => Self::Kind,
            ImportedSort::Type => Self::Type,
            ImportedSort::ImportedAt => Self::At,
        }
    }
}

/// What rows are compared by first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum First<'a> {
    Text(&'a str),
    At(DateTime<Utc>),
}

/// The whole place of a row: no two rows share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place<'a> {
    pub(super) first: First<'a>,
    full_name: &'a str,
    entity: &'a str,
    id: &'a str,
    integration: &'a str,
}

/// A row that has a place in every order.
pub(super) trait Sorted {
    fn id(&self) -> &str;
    fn full_name(&self) -> &str;
    fn place<'a>(&'a self, column: Column, integration: &'a str, words: &'a Words) -> Place<'a>;
}

/// As people read them in a list.
fn rank(action: Action) -> &'static str {
    match action {
        Action::Register => "1",
        Action::Merge => "2",
        Action::Conflict => "3",
        Action::None => "4",
    }
}

macro_rules! sorted {
    ($row:ty, $action:expr) => {
        impl Sorted for $row {
            fn id(&self) -> &str {
                self.id()
            }

            fn full_name(&self) -> &str {
                self.full_name()
            }

            fn place<'a>(&'a self, column: Column, integration: &'a str, words: &'a Words) -> Place<'a> {
                let action: fn(&'a $row, &'a Words) -> &'a str = $action;
                let first = match column {
                    Column::Id => First::Text(self.id()),
                    Column::Name => First::Text(self.full_name()),
                    Column::Action => First::Text(action(self, words)),
                    Column::Entity => First::Text(self.entity()),
                    Column::Kind => First::Text(self.kind(words)),
                    Column::Type => First::Text(self.entity_type(words)),
                    Column::At => First::At(self.at),
                };
                Place { first, full_name: self.full_name(), entity: self.entity(), id: self.id(), integration }
            }
        }
    };
}

sorted!(PackedDiscovered, |row, _| rank(row.more.action));
// `registered` comes after `merged` in the alphabet, and first in lists.
sorted!(PackedImported, |row, words| if words.word(row.more.status) == Some("registered") { "1" } else { "2" });

/// A place that outlives its row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cursor {
    /// Which list.
    list: String,
    column: Column,
    descending: bool,
    text: Option<String>,
    at: Option<DateTime<Utc>>,
    full_name: String,
    entity: String,
    id: String,
    integration: String,
}

impl Cursor {
    pub(super) fn behind(list: &str, column: Column, descending: bool, place: &Place<'_>) -> Self {
        let (text, at) = match place.first {
            First::Text(text) => (Some(text.to_owned()), None),
            First::At(at) => (None, Some(at)),
        };
        Self {
            list: list.to_owned(),
            column,
            descending,
            text,
            at,
            full_name: place.full_name.to_owned(),
            entity: place.entity.to_owned(),
            id: place.id.to_owned(),
            integration: place.integration.to_owned(),
        }
    }

    pub(super) fn place(&self) -> Place<'_> {
        let first = match (&self.text, self.at) {
            (None, Some(at)) => First::At(at),
            (text, _) => First::Text(text.as_deref().unwrap_or_default()),
        };
        Place { first, full_name: &self.full_name, entity: &self.entity, id: &self.id, integration: &self.integration }
    }

    pub(super) fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads a cursor that this list gave for this order.
    ///
    /// # Errors
    /// Usage: it is not one of ours, or of another order.
    pub(super) fn decode(text: &str, list: &str, column: Column, descending: bool) -> Result<Self, Failure> {
        let refused = |what: &str| {
            Failure::usage(
                what,
                "give `next` of the page before as it is, with the same sort and order, or leave `cursor` out",
            )
        };
        let cursor: Self = Some(text)
            .filter(|text| text.len() <= CURSOR_BYTES)
            .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
            .and_then(|json| serde_json::from_slice(&json).ok())
            .ok_or_else(|| refused("the cursor is not one that a page gave"))?;
        if cursor.list != list || cursor.column != column || cursor.descending != descending {
            return Err(refused("the cursor is of another list or order"));
        }
        if cursor.at.is_some() != (column == Column::At) || cursor.text.is_some() == (column == Column::At) {
            return Err(refused("the cursor is not one that a page gave"));
        }
        Ok(cursor)
    }
}

/// Compared in the direction asked for.
pub(super) fn directed(ordering: Ordering, descending: bool) -> Ordering {
    if descending { ordering.reverse() } else { ordering }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place<'a>(first: First<'a>) -> Place<'a> {
        Place { first, full_name: "acme/web", entity: "component:default/web", id: "{1}", integration: "acme" }
    }

    // P4.1: whatever is not a cursor of this list and order is refused.
    #[test]
    fn cursors_come_back_or_are_refused_p4_1() {
        let at = "2026-11-22T10:00:00.123456789Z".parse().unwrap();
        for (column, first) in [(Column::Name, First::Text("acme/web")), (Column::At, First::At(at))] {
            let cursor = Cursor::behind("discovered", column, true, &place(first));
            let text = cursor.encode();
            let read = Cursor::decode(&text, "discovered", column, true).unwrap();
            assert_eq!(read.place(), place(first));
            for (list, column, descending) in
                [("imported", column, true), ("discovered", Column::Kind, true), ("discovered", column, false)]
            {
                assert!(Cursor::decode(&text, list, column, descending).is_err());
            }
            for broken in [&text[1..], &text[..text.len() - 2], "", "e30", "bm90IGpzb24", "\u{0}", "ä"] {
                assert!(Cursor::decode(broken, "discovered", column, true).is_err(), "{broken}");
            }
        }
        let long = "A".repeat(CURSOR_BYTES + 4);
        assert!(Cursor::decode(&long, "discovered", Column::Name, true).is_err());
    }
}
