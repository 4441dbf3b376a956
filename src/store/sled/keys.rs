//! Keys: a tag byte for the book, then parts whose byte order is their own order. Texts end with `0x00`
//! (escaped inside), numbers are big-endian, times are offset seconds and nanoseconds.

use chrono::{DateTime, TimeZone, Utc};
use serde_json::Value;

use crate::model::{EntityRef, IntegrationKey, ItemId, RepoKey, SecondaryKind};

/// What a part of a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Ends with `0x00`; `0x00` and `0x01` inside become `0x01 0x01` and `0x01 0x02`.
    Text,
    /// Four bytes.
    Number,
    /// Twelve bytes.
    Time,
    /// `#` and eight bytes, or `h` and a text.
    Item,
}

const ITEM_NUMBER: u8 = b'#';
const ITEM_HASH: u8 = b'h';

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

    pub(super) fn item(mut self, id: &ItemId) -> Self {
        match id {
            ItemId::Number(number) => {
                self.0.push(ITEM_NUMBER);
                self.0.extend(number.to_be_bytes());
                self
            }
            ItemId::Hash(hash) => {
                self.0.push(ITEM_HASH);
                self.text(hash)
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

    pub(super) fn item(&mut self) -> Option<ItemId> {
        match *self.take(1)?.first()? {
            ITEM_NUMBER => Some(ItemId::Number(u64::from_be_bytes(self.take(8)?.try_into().ok()?))),
            ITEM_HASH => self.text().map(ItemId::Hash),
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
            Part::Item => serde_json::to_value(reader.item()?).ok()?,
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
            Part::Time => key.time(DateTime::parse_from_rfc3339(value.as_str()?).ok()?.to_utc()),
            Part::Item => match value {
                Value::String(hash) => key.item(&ItemId::Hash(hash.clone())),
                value => key.item(&ItemId::Number(value.as_u64()?)),
            },
        };
    }
    Some(key.bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_time() -> impl Strategy<Value = DateTime<Utc>> {
        (-62_000_000_000_i64..250_000_000_000, 0_u32..1_000_000_000)
            .prop_map(|(seconds, nanos)| Utc.timestamp_opt(seconds, nanos).single().expect("in range"))
    }

    fn any_item() -> impl Strategy<Value = ItemId> {
        prop_oneof![any::<u64>().prop_map(ItemId::Number), any::<String>().prop_map(ItemId::Hash)]
    }

    proptest! {
        /// Pages sorted by key, and the newest first, rest on this.
        #[test]
        fn bytes_sort_as_what_they_hold(
            one in ("[\u{0}-\u{3}a-c]{0,4}", "[\u{0}-\u{3}a-c]{0,4}", any_time(), any_item()),
            other in ("[\u{0}-\u{3}a-c]{0,4}", "[\u{0}-\u{3}a-c]{0,4}", any_time(), any_item()),
        ) {
            let key = |(a, b, at, id): &(String, String, DateTime<Utc>, ItemId)| {
                Key::in_book(b'z').text(a).text(b).time(*at).item(id).bytes()
            };
            prop_assert_eq!(key(&one).cmp(&key(&other)), one.cmp(&other));
        }

        /// Exports and imports rest on this.
        #[test]
        fn keys_survive_json(text in any::<String>(), number in any::<u32>(), at in any_time(), id in any_item()) {
            let shape = [Part::Text, Part::Number, Part::Time, Part::Item];
            let key = Key::in_book(b'z').text(&text).number(number).time(at).item(&id).bytes();
            let json = to_json(&key, &shape).expect("its own key");
            prop_assert_eq!(from_json(b'z', &json, &shape), Some(key));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in any::<Vec<u8>>()) {
            let shape = [Part::Text, Part::Item, Part::Time, Part::Number];
            let _ = to_json(&bytes, &shape);
        }
    }
}
