//! Keys: a tag byte for the book, then parts whose byte order is their own order. Texts end with `0x00`
//! (escaped inside), numbers are big-endian, times are offset seconds and nanoseconds.

use chrono::{DateTime, TimeZone, Utc};
use serde_json::Value;

use crate::model::{Detail, EntityRef, IntegrationKey, Item, ItemId, RepoKey, SecondaryKind};

/// What a part of a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Ends with `0x00`; `0x00` and `0x01` inside become `0x01 0x01` and `0x01 0x02`.
    Text,
    /// Four bytes.
    Number,
    /// Twelve bytes.
    Time,
    /// `#` and eight bytes, or `@`, a time and a text.
    Place,
}

const NUMBER: u8 = b'#';
const DATED: u8 = b'@';

/// Where an item lies among those of its repository and kind: made only of what no update changes, so
/// that it is one item for good.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// The number of a pull request.
    Number(u64),
    /// Date and hash of a commit: neighbours in time are read and written together.
    Dated(DateTime<Utc>, String),
}

impl Place {
    pub(super) fn of(item: &Item) -> Self {
        match item {
            Item::PullRequest(pull_request) => Self::Number(pull_request.id),
            Item::Commit(commit) => Self::Dated(commit.committed_at, commit.hash.clone()),
        }
    }

    pub(super) fn of_detail(detail: &Detail) -> Self {
        match &detail.of {
            ItemId::Number(number) => Self::Number(*number),
            ItemId::Hash(hash) => Self::Dated(detail.at, hash.clone()),
        }
    }
}

/// A key under construction.
#[derive(Clone, Debug)]
pub(super) struct Key(Vec<u8>);

impl Key {
    /// In the book of this tag.
    pub(super) fn in_book(tag: u8) -> Self {
        Self(vec![tag])
    }

    pub(super) fn text(mut self, text: &str) -> Self {
        for &byte in text.as_bytes() {
            match byte {
                0 => self.0.extend([1, 1]),
                1 => self.0.extend([1, 2]),
                byte => self.0.push(byte),
            }
        }
        self.0.push(0);
        self
    }

    pub(super) fn number(mut self, number: u32) -> Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    pub(super) fn time(mut self, at: DateTime<Utc>) -> Self {
        // The sign bit turned over makes negative seconds sort before positive ones.
        self.0.extend((at.timestamp() ^ i64::MIN).to_be_bytes());
        self.0.extend(at.timestamp_subsec_nanos().to_be_bytes());
        self
    }

    pub(super) fn place(mut self, place: &Place) -> Self {
        match place {
            Place::Number(number) => {
                self.0.push(NUMBER);
                self.0.extend(number.to_be_bytes());
                self
            }
            Place::Dated(at, hash) => {
                self.0.push(DATED);
                self.time(*at).text(hash)
            }
        }
    }

    pub(super) fn integration(self, key: &IntegrationKey) -> Self {
        self.text(&key.instance.0).text(&key.workspace).text(&key.catalog)
    }

    pub(super) fn repo(self, repo: &RepoKey) -> Self {
        self.text(&repo.instance.0).text(&repo.id)
    }

    pub(super) fn entity(self, entity: &EntityRef) -> Self {
        self.text(entity.as_str())
    }

    pub(super) fn kind(self, kind: SecondaryKind) -> Self {
        self.text(kind.as_str())
    }

    /// Parts that were encoded before, as they are.
    pub(super) fn raw(mut self, parts: &[u8]) -> Self {
        self.0.extend_from_slice(parts);
        self
    }

    pub(super) fn bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Reads a key from the front. Every method gives `None` when the bytes do not hold such a part.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Past the tag byte.
    pub(super) fn past_tag(key: &'a [u8]) -> Self {
        Self(key.get(1..).unwrap_or_default())
    }

    /// What is left.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count)?;
        self.0 = tail;
        Some(head)
    }

    pub(super) fn text(&mut self) -> Option<String> {
        let end = self.0.iter().position(|&byte| byte == 0)?;
        let mut bytes = Vec::with_capacity(end);
        let mut part = self.take(end)?.iter();
        self.take(1)?;
        while let Some(&byte) = part.next() {
            bytes.push(if byte == 1 { part.next()?.checked_sub(1)? } else { byte });
        }
        String::from_utf8(bytes).ok()
    }

    pub(super) fn number(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    pub(super) fn time(&mut self) -> Option<DateTime<Utc>> {
        let seconds = i64::from_be_bytes(self.take(8)?.try_into().ok()?) ^ i64::MIN;
        let nanos = u32::from_be_bytes(self.take(4)?.try_into().ok()?);
        Utc.timestamp_opt(seconds, nanos).single()
    }

    pub(super) fn place(&mut self) -> Option<Place> {
        match *self.take(1)?.first()? {
            NUMBER => Some(Place::Number(u64::from_be_bytes(self.take(8)?.try_into().ok()?))),
            DATED => Some(Place::Dated(self.time()?, self.text()?)),
            _ => None,
        }
    }

    pub(super) fn integration(&mut self) -> Option<IntegrationKey> {
        Some(IntegrationKey {
            instance: crate::model::InstanceId(self.text()?),
            workspace: self.text()?,
            catalog: self.text()?,
        })
    }

    pub(super) fn repo(&mut self) -> Option<RepoKey> {
        Some(RepoKey { instance: crate::model::InstanceId(self.text()?), id: self.text()? })
    }
}

/// The parts of a key as JSON, for exports and for people; `None` when the bytes do not fit the shape.
pub(super) fn to_json(key: &[u8], shape: &[Part]) -> Option<Value> {
    let mut reader = Reader::past_tag(key);
    let mut parts = Vec::with_capacity(shape.len());
    for part in shape {
        parts.push(match part {
            Part::Text => Value::from(reader.text()?),
            Part::Number => Value::from(reader.number()?),
            Part::Time => Value::from(reader.time()?.to_rfc3339()),
            Part::Place => match reader.place()? {
                Place::Number(number) => Value::from(number),
                Place::Dated(at, hash) => Value::from(vec![at.to_rfc3339(), hash]),
            },
        });
    }
    reader.rest().is_empty().then_some(Value::Array(parts))
}

/// The key of these JSON parts; `None` when they do not fit the shape.
pub(super) fn from_json(tag: u8, json: &Value, shape: &[Part]) -> Option<Vec<u8>> {
    let parts = json.as_array()?;
    if parts.len() != shape.len() {
        return None;
    }
    let mut key = Key::in_book(tag);
    for (part, value) in shape.iter().zip(parts) {
        key = match part {
            Part::Text => key.text(value.as_str()?),
            Part::Number => key.number(u32::try_from(value.as_u64()?).ok()?),
            Part::Time => key.time(time(value)?),
            Part::Place => key.place(&match value.as_array().map(Vec::as_slice) {
                Some([at, hash]) => Place::Dated(time(at)?, hash.as_str()?.to_owned()),
                _ => Place::Number(value.as_u64()?),
            }),
        };
    }
    Some(key.bytes())
}

fn time(value: &Value) -> Option<DateTime<Utc>> {
    Some(DateTime::parse_from_rfc3339(value.as_str()?).ok()?.to_utc())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_time() -> impl Strategy<Value = DateTime<Utc>> {
        (-62_000_000_000_i64..250_000_000_000, 0_u32..1_000_000_000)
            .prop_map(|(seconds, nanos)| Utc.timestamp_opt(seconds, nanos).single().expect("in range"))
    }

    fn any_place() -> impl Strategy<Value = Place> {
        let dated = (any_time(), any::<String>()).prop_map(|(at, hash)| Place::Dated(at, hash));
        prop_oneof![any::<u64>().prop_map(Place::Number), dated]
    }

    proptest! {
        /// Pages sorted by key, and the newest first, rest on this.
        #[test]
        fn bytes_sort_as_what_they_hold(
            one in ("[\u{0}-\u{3}a-c]{0,4}", "[\u{0}-\u{3}a-c]{0,4}", any_time(), any_place()),
            other in ("[\u{0}-\u{3}a-c]{0,4}", "[\u{0}-\u{3}a-c]{0,4}", any_time(), any_place()),
        ) {
            let key = |(a, b, at, id): &(String, String, DateTime<Utc>, Place)| {
                Key::in_book(b'z').text(a).text(b).time(*at).place(id).bytes()
            };
            prop_assert_eq!(key(&one).cmp(&key(&other)), one.cmp(&other));
        }

        /// Exports and imports rest on this.
        #[test]
        fn keys_survive_json(text in any::<String>(), number in any::<u32>(), at in any_time(), id in any_place()) {
            let shape = [Part::Text, Part::Number, Part::Time, Part::Place];
            let key = Key::in_book(b'z').text(&text).number(number).time(at).place(&id).bytes();
            let json = to_json(&key, &shape).expect("its own key");
            prop_assert_eq!(from_json(b'z', &json, &shape), Some(key));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in any::<Vec<u8>>()) {
            let shape = [Part::Text, Part::Place, Part::Time, Part::Number];
            let _ = to_json(&bytes, &shape);
        }
    }
}
