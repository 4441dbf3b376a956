//! Rows in slots, with an index for each order somebody asked for. A change costs the rows that changed and one walk
//! over each index, not a new sort.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::order::{Column, Place, Sorted};
use super::packed::Words;

/// The rows of one list of one integration.
#[derive(Debug)]
pub(super) struct Table<R> {
    slots: Vec<Option<R>>,
    free: Vec<u32>,
    /// Slots in the order of a column; the one by id is always there.
    orders: BTreeMap<Column, Vec<u32>>,
}

impl<R: Sorted> Table<R> {
    pub(super) fn of(rows: Vec<R>, integration: &str, words: &Words) -> Self {
        let slots: Vec<Option<R>> = rows.into_iter().map(Some).collect();
        let mut table = Self { slots, free: Vec::new(), orders: BTreeMap::new() };
        table.sort_by(Column::Id, integration, words);
        table
    }

    pub(super) fn row(&self, slot: u32) -> Option<&R> {
        self.slots.get(slot as usize)?.as_ref()
    }

    /// Slots with their rows, in no order.
    pub(super) fn rows(&self) -> impl Iterator<Item = (u32, &R)> {
        self.slots.iter().zip(0_u32..).filter_map(|(row, slot)| Some((slot, row.as_ref()?)))
    }

    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn is_sorted_by(&self, column: Column) -> bool {
        self.orders.contains_key(&column)
    }

    pub(super) fn sort_by(&mut self, column: Column, integration: &str, words: &Words) {
        let mut order: Vec<u32> = self.rows().map(|(slot, _)| slot).collect();
        let slots = &self.slots;
        order.sort_unstable_by(|one, other| {
            place(slots, *one, column, integration, words).cmp(&place(slots, *other, column, integration, words))
        });
        self.orders.insert(column, order);
    }

    /// Slots behind `after` in the order of a column, which must be there.
    pub(super) fn behind<'a>(
        &'a self,
        column: Column,
        descending: bool,
        after: Option<&Place<'_>>,
        integration: &str,
        words: &Words,
    ) -> Box<dyn Iterator<Item = u32> + 'a> {
        let order = self.orders.get(&column).map_or(&[][..], Vec::as_slice);
        let compared = |slot: &u32, after: &Place<'_>| {
            place(&self.slots, *slot, column, integration, words).map_or(Ordering::Less, |place| place.cmp(after))
        };
        if descending {
            let left = after.map_or(order.len(), |after| order.partition_point(|slot| compared(slot, after).is_lt()));
            Box::new(order[..left].iter().rev().copied())
        } else {
            let shown = after.map_or(0, |after| order.partition_point(|slot| compared(slot, after).is_le()));
            Box::new(order[shown..].iter().copied())
        }
    }

    /// The id of the row of a full name; the order by name must be there.
    pub(super) fn named(&self, full_name: &str) -> Option<&str> {
        let order = self.orders.get(&Column::Name)?;
        let name = |slot: u32| self.row(slot).map_or("", Sorted::full_name);
        let at = order.partition_point(|slot| name(*slot) < full_name);
        order.get(at).filter(|slot| name(**slot) == full_name).and_then(|slot| self.row(*slot)).map(Sorted::id)
    }

    /// Puts `rows` where those of the repositories `ids` were.
    pub(super) fn replace(&mut self, ids: &[&str], rows: Vec<R>, integration: &str, words: &Words) {
        let by_id = self.orders.get(&Column::Id).map_or(&[][..], Vec::as_slice);
        let mut dropped = vec![false; self.slots.len()];
        let mut are_dropped = Vec::new();
        for id in ids {
            let id_of = |slot: &u32| self.slots[*slot as usize].as_ref().map_or("", Sorted::id);
            let from = by_id.partition_point(|slot| id_of(slot) < *id);
            for slot in by_id[from..].iter().take_while(|slot| id_of(slot) == *id) {
                // A slot that became free twice would be given to two rows.
                if !std::mem::replace(&mut dropped[*slot as usize], true) {
                    are_dropped.push(*slot);
                }
            }
        }
        for slot in &are_dropped {
            self.slots[*slot as usize] = None;
        }
        for order in self.orders.values_mut().filter(|_| !are_dropped.is_empty()) {
            order.retain(|slot| !dropped[*slot as usize]);
        }
        self.free.extend(are_dropped);
        let mut new = Vec::with_capacity(rows.len());
        for row in rows {
            let slot = self.free.pop().unwrap_or_else(|| {
                self.slots.push(None);
                u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
            });
            self.slots[slot as usize] = Some(row);
            new.push(slot);
        }
        if new.is_empty() {
            return;
        }
        let slots = &self.slots;
        for (column, order) in &mut self.orders {
            let by = |one: &u32, other: &u32| {
                place(slots, *one, *column, integration, words).cmp(&place(slots, *other, *column, integration, words))
            };
            // Few find their places one by one; of many, one walk over all that are there costs less.
            if new.len() <= 1 + order.len() / 512 {
                for slot in &new {
                    let at = order.partition_point(|before| by(before, slot).is_lt());
                    order.insert(at, *slot);
                }
                continue;
            }
            new.sort_unstable_by(by);
            // Two sorted runs: a stable sort finds and merges them.
            order.extend_from_slice(&new);
            order.sort_by(by);
        }
    }
}

fn place<'a, R: Sorted>(
    slots: &'a [Option<R>],
    slot: u32,
    column: Column,
    integration: &'a str,
    words: &'a Words,
) -> Option<Place<'a>> {
    Some(slots.get(slot as usize)?.as_ref()?.place(column, integration, words))
}
