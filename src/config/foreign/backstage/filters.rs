//! `filters` of a provider: regular expressions over keys and slugs.

use super::super::ledger::{Block, Entry, Fate, Ledger};
use super::super::pattern::{self, Globs};
use super::super::selection::Selection;

#[derive(Default)]
pub(super) struct Filters {
    pub selection: Selection,
    pub archived: Option<bool>,
}

pub(super) fn filters(entry: &Entry<'_>, is_cloud: bool, ledger: &mut Ledger) -> Filters {
    let Some(mut block) = Block::of(entry, ledger) else { return Filters::default() };
    let projects = block.take("projectKey").map_or_else(everything, |entry| globs(&entry, is_cloud, ledger));
    let slugs = block.take("repoSlug").map_or_else(everything, |entry| globs(&entry, is_cloud, ledger));
    let mut archived = None;
    if !is_cloud {
        archived = block.take("skipArchivedRepos").and_then(|entry| entry.boolean(ledger)).map(|skip| !skip);
        block.pass(
            "branch",
            "it chooses the branch in which a file is looked for, and catalog-sync looks for none",
            ledger,
        );
    }
    block.finish(ledger);
    Filters { selection: Selection::of_globs(&projects, &slugs), archived }
}

fn everything() -> Globs {
    Globs { include: Vec::new(), exclude: Vec::new(), is_exact: true }
}

fn globs(entry: &Entry<'_>, is_cloud: bool, ledger: &mut Ledger) -> Globs {
    let Some(pattern) = entry.plain(ledger) else { return everything() };
    if pattern.is_empty() {
        ledger.note(Fate::Differs, entry, "this is empty: nothing is filtered by it");
        return everything();
    }
    match pattern::globs(&if is_cloud { whole(&pattern) } else { pattern }) {
        Some(globs) if globs.include == [""] => {
            ledger.not_applicable(entry, "it holds for no name, and so selects nothing: nothing is filtered by it");
            everything()
        }
        Some(globs) => {
            if !globs.is_exact {
                let what = "globs cannot say this regular expression: those written hold for more than it does";
                ledger.note(Fate::Differs, entry, what);
            }
            globs
        }
        None => {
            let what = "globs cannot say this regular expression: nothing is filtered by it; see `repositories`";
            ledger.note(Fate::Differs, entry, what);
            everything()
        }
    }
}

/// Expressions of Cloud hold for whole names: Backstage adds what is missing at either end, in this way.
fn whole(pattern: &str) -> String {
    let start = if pattern.starts_with('^') { "" } else { "^" };
    let end = if pattern.ends_with('$') { "" } else { "$" };
    format!("{start}{pattern}{end}")
}
