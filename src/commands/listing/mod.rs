//! Lists that page on the server (P4.1, P4.5): search, filters, order and counts over a view in memory, so that a page of
//! a hundred thousand repositories costs milliseconds.

mod order;
mod packed;
mod table;
mod view;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{PoisonError, RwLock};

use memchr::memmem::Finder;

use self::order::{Column, Cursor, First, Place, Sorted, directed};
use self::packed::{Packed, Words};
use self::table::Table;
pub use self::view::Views;
use self::view::{View, fresh};
use super::answer::{DiscoveredRow, DiscoveredState, ImportedRow, Page};
use super::request::{
    DiscoveredFilter, DiscoveredSort, ImportStatus, ImportedFilter, ImportedSort, Paging, RepositoryState, StateFilter,
};
use super::{App, Failure};
use crate::config::Integration;
use crate::model::Action;

/// Rows of a page, where nobody says how many.
const ROWS: usize = 100;
/// Rows of a page at most.
pub const MOST_ROWS: usize = 200;
/// A longer search is a mistake.
const SEARCH_BYTES: usize = 1_000;
/// Projects named for a filter to choose from.
const PROJECTS: usize = 500;

/// A page of what is discovered.
///
/// # Errors
/// Usage: the integration is unknown, the cursor is none of this list, the limit too large. The store's.
pub async fn discovered(
    app: &App,
    filter: &DiscoveredFilter,
    paging: &Paging<DiscoveredSort>,
) -> Result<Page<DiscoveredRow>, Failure> {
    let mut asked = Asked::read("discovered", paging.sort.into(), paging, filter.search.as_deref())?;
    for integration in app.integrations(filter.integration.as_deref())? {
        let kept = fresh(app, integration).await?;
        sorted(
            &kept.view,
            |view| view.discovered.is_sorted_by(asked.column),
            |view| view.discovered.sort_by(asked.column, &integration.name, &view.words),
        );
        let view = kept.view.read().unwrap_or_else(PoisonError::into_inner);
        let Some(view) = view.as_ref() else { continue };
        let common = Common::of(&view.words, &asked, filter.project.as_deref(), filter.kind.as_deref());
        let state = match filter.state.unwrap_or(StateFilter::Pending) {
            StateFilter::All => None,
            StateFilter::Pending => Some(DiscoveredState::Pending),
            StateFilter::Ignored => Some(DiscoveredState::Ignored),
            StateFilter::Hidden => Some(DiscoveredState::Hidden),
            StateFilter::Inaccessible => Some(DiscoveredState::Inaccessible),
        };
        let action = filter.action;
        asked.add(
            &view.discovered,
            &view.words,
            &integration.name,
            |row| state.is_none_or(|state| state == row.more.state) && common.wants(row),
            |row| (row.more.action.as_str(), action.is_none_or(|action| action == row.more.action)),
            |row| row.unpack(&integration.name, &view.words),
        );
    }
    let all = [Action::Register, Action::Merge, Action::Conflict, Action::None];
    Ok(asked.page(all.map(Action::as_str)))
}

/// A page of what is imported.
///
/// # Errors
/// As [`discovered`].
pub async fn imported(
    app: &App,
    filter: &ImportedFilter,
    paging: &Paging<ImportedSort>,
) -> Result<Page<ImportedRow>, Failure> {
    let mut asked = Asked::read("imported", paging.sort.into(), paging, filter.search.as_deref())?;
    for integration in app.integrations(filter.integration.as_deref())? {
        let kept = fresh(app, integration).await?;
        sorted(
            &kept.view,
            |view| view.imported.is_sorted_by(asked.column),
            |view| view.imported.sort_by(asked.column, &integration.name, &view.words),
        );
        let view = kept.view.read().unwrap_or_else(PoisonError::into_inner);
        let Some(view) = view.as_ref() else { continue };
        let common = Common::of(&view.words, &asked, filter.project.as_deref(), filter.kind.as_deref());
        let word = |number: u32| view.words.word(number).unwrap_or_default();
        let (state, status) = (filter.state.map(state_word), filter.status.map(status_word));
        asked.add(
            &view.imported,
            &view.words,
            &integration.name,
            |row| state.is_none_or(|state| state == word(row.more.repository_state)) && common.wants(row),
            |row| {
                // The words of the view go with it, those of the enum stay.
                let of_row = [ImportStatus::Registered, ImportStatus::Merged].map(status_word);
                let of_row = of_row.into_iter().find(|status| *status == word(row.more.status)).unwrap_or_default();
                (of_row, status.is_none_or(|status| status == of_row))
            },
            |row| row.unpack(&integration.name, &view.words, &view.syncs),
        );
    }
    Ok(asked.page([ImportStatus::Registered, ImportStatus::Merged].map(status_word)))
}

/// Known repositories that are there, and linked ones, where lists are kept.
///
/// # Errors
/// The store's.
pub(super) async fn counts(app: &App, integration: &Integration) -> Result<Option<(u64, u64)>, Failure> {
    if !app.views.are_kept() {
        return Ok(None);
    }
    let kept = fresh(app, integration).await?;
    let view = kept.view.read().unwrap_or_else(PoisonError::into_inner);
    Ok(view.as_ref().map(View::counts))
}

/// The id of a repository by its full name, where lists are kept and have it.
///
/// # Errors
/// The store's.
pub(super) async fn id_of(app: &App, integration: &Integration, full_name: &str) -> Result<Option<String>, Failure> {
    if !app.views.are_kept() {
        return Ok(None);
    }
    let kept = fresh(app, integration).await?;
    let name = integration.name.as_str();
    let are_sorted =
        |view: &View| view.discovered.is_sorted_by(Column::Name) && view.imported.is_sorted_by(Column::Name);
    sorted(&kept.view, are_sorted, |view| {
        view.discovered.sort_by(Column::Name, name, &view.words);
        view.imported.sort_by(Column::Name, name, &view.words);
    });
    let view = kept.view.read().unwrap_or_else(PoisonError::into_inner);
    let Some(view) = view.as_ref() else { return Ok(None) };
    Ok(view.discovered.named(full_name).or_else(|| view.imported.named(full_name)).map(str::to_owned))
}

fn status_word(status: ImportStatus) -> &'static str {
    match status {
        ImportStatus::Registered => "registered",
        ImportStatus::Merged => "merged",
    }
}

fn state_word(state: RepositoryState) -> &'static str {
    match state {
        RepositoryState::Present => "present",
        RepositoryState::Archived => "archived",
        RepositoryState::Excluded => "excluded",
        RepositoryState::Inaccessible => "inaccessible",
        RepositoryState::Gone => "gone",
    }
}

/// Sees to it that a table has the order of a column; only the first to ask for it waits.
fn sorted(view: &RwLock<Option<View>>, is_sorted: impl Fn(&View) -> bool, sort: impl Fn(&mut View)) {
    if view.read().unwrap_or_else(PoisonError::into_inner).as_ref().is_none_or(is_sorted) {
        return;
    }
    if let Some(view) = view.write().unwrap_or_else(PoisonError::into_inner).as_mut() {
        sort(view);
    }
}

/// What both lists are filtered by.
struct Common {
    search: Option<Finder<'static>>,
    /// By number of the word.
    projects: Option<Vec<bool>>,
    kinds: Option<Vec<bool>>,
}

impl Common {
    fn of<R>(words: &Words, asked: &Asked<R>, project: Option<&str>, kind: Option<&str>) -> Self {
        Self {
            search: asked.search.clone(),
            projects: project.map(|project| words.same_as(project)),
            kinds: kind.map(|kind| words.same_as(kind)),
        }
    }

    fn wants<M, const N: usize>(&self, row: &Packed<M, N>) -> bool {
        let is_among = |words: &Option<Vec<bool>>, number: u32| {
            words.as_ref().is_none_or(|words| words.get(number as usize).copied().unwrap_or_default())
        };
        is_among(&self.projects, row.project)
            && is_among(&self.kinds, row.kind)
            && self.search.as_ref().is_none_or(|search| search.find(row.searched()).is_some())
    }
}

/// A page on its way.
struct Asked<R> {
    list: &'static str,
    column: Column,
    descending: bool,
    limit: usize,
    cursor: Option<Cursor>,
    search: Option<Finder<'static>>,
    /// With the place each has, as a cursor.
    rows: Vec<(Cursor, R)>,
    total: u64,
    counts: BTreeMap<&'static str, u64>,
    projects: BTreeSet<String>,
}

impl<R> Asked<R> {
    fn read<S>(list: &'static str, column: Column, paging: &Paging<S>, search: Option<&str>) -> Result<Self, Failure> {
        let Paging { descending, ref cursor, limit, .. } = *paging;
        if limit > MOST_ROWS {
            return Err(Failure::usage(format!("a page has at most {MOST_ROWS} rows"), "ask for more pages"));
        }
        let cursor = cursor.as_deref().map(|cursor| Cursor::decode(cursor, list, column, descending)).transpose()?;
        let search = search.filter(|search| !search.is_empty());
        if search.is_some_and(|search| search.len() > SEARCH_BYTES || search.contains('\0')) {
            return Err(Failure::usage("nothing is called so", "search for less, and for what can be typed"));
        }
        Ok(Self {
            list,
            column,
            descending,
            limit: if limit == 0 { ROWS } else { limit },
            cursor,
            search: search.map(|search| Finder::new(search.to_lowercase().as_bytes()).into_owned()),
            rows: Vec::new(),
            total: 0,
            counts: BTreeMap::new(),
            projects: BTreeSet::new(),
        })
    }

    /// Adds the rows of one integration that may stand on the page, and counts those that match.
    ///
    /// `wants`: the filter without what is counted by; `counted`: that, and whether the filter wants it.
    fn add<M, const N: usize>(
        &mut self,
        table: &Table<Packed<M, N>>,
        words: &Words,
        integration: &str,
        wants: impl Fn(&Packed<M, N>) -> bool,
        counted: impl Fn(&Packed<M, N>) -> (&'static str, bool),
        unpack: impl Fn(&Packed<M, N>) -> R,
    ) where
        Packed<M, N>: Sorted,
    {
        let mut matching = vec![false; table.slots()];
        let mut projects = BTreeSet::new();
        // Few words, many rows: the map is asked for each word once.
        let mut counts: Vec<(&'static str, u64)> = Vec::new();
        for (slot, row) in table.rows() {
            projects.insert(row.project);
            if !wants(row) {
                continue;
            }
            let (word, is_wanted) = counted(row);
            match counts.iter_mut().find(|(counted, _)| *counted == word) {
                Some((_, count)) => *count += 1,
                None => counts.push((word, 1)),
            }
            matching[slot as usize] = is_wanted;
            self.total += u64::from(is_wanted);
        }
        for (word, count) in counts {
            *self.counts.entry(word).or_default() += count;
        }
        self.projects.extend(projects.into_iter().filter_map(|number| words.word(number)).map(str::to_owned));
        let after = self.cursor.as_ref().map(Cursor::place);
        let behind = table.behind(self.column, self.descending, after.as_ref(), integration, words);
        // One more than the page has tells whether there is a next one.
        for slot in behind.filter(|slot| matching[*slot as usize]).take(self.limit + 1) {
            if let Some(row) = table.row(slot) {
                let place = row.place(self.column, integration, words);
                self.rows.push((Cursor::behind(self.list, self.column, self.descending, &place), unpack(row)));
            }
        }
    }

    fn page<const N: usize>(mut self, counted: [&'static str; N]) -> Page<R> {
        self.rows.sort_by(|(one, _), (other, _)| compared(&one.place(), &other.place(), self.descending));
        let next = match self.rows.len() > self.limit {
            true => self.rows.get(self.limit - 1).map(|(cursor, _)| cursor.encode()),
            false => None,
        };
        self.rows.truncate(self.limit);
        Page {
            rows: self.rows.into_iter().map(|(_, row)| row).collect(),
            total: self.total,
            counts: counted.map(|word| (word.to_owned(), self.counts.get(word).copied().unwrap_or_default())).into(),
            projects: self.projects.into_iter().take(PROJECTS).collect(),
            next,
        }
    }
}

fn compared(one: &Place<'_>, other: &Place<'_>, descending: bool) -> Ordering {
    // Of one column: always of the same kind.
    debug_assert!(matches!((one.first, other.first), (First::Text(_), First::Text(_)) | (First::At(_), First::At(_))));
    directed(one.cmp(other), descending)
}

#[cfg(test)]
mod tests;
