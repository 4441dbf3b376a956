//! State and catalog in folders of their own: a catalog is read whole, goes into git and belongs to people, and the
//! store is a database that nobody else may touch.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use super::faults::Fault;
use super::fields::Faults;
use super::located::{Node, Value};
use super::model::CatalogConfig;

/// A fault where the store lies in a directory that is read as a catalog, or the other way round, links followed.
/// `store` comes with its line, if it is the file's.
pub(super) fn check(
    root: &Node,
    store: (&Path, Option<&Node>),
    catalogs: &BTreeMap<String, CatalogConfig>,
    faults: &mut Faults,
) {
    let (store, store_node) = store;
    let real_store = real(store);
    for catalog in catalogs.values() {
        for (directory, node) in directories(root, catalog) {
            let real_directory = real(directory);
            let is_inside = real_store.starts_with(&real_directory);
            if !is_inside && !real_directory.starts_with(&real_store) {
                continue;
            }
            let (store, directory) = (store.display(), directory.display());
            let fault = |what: String| match (is_inside, store_node, node) {
                (true, Some(node), _) | (_, _, Some(node)) | (_, Some(node), None) => Fault::of(node, what),
                (_, None, None) => Fault::at(catalog.place, catalog.name.chars().count(), what),
            };
            let because = match is_inside {
                true => "the catalog is read whole and goes into git, the state must not",
                false => "only catalog-sync may change what lies in the store",
            };
            let what = match is_inside {
                true => format!("the store {store} lies in the catalog `{}` ({directory})", catalog.name),
                false => format!("the catalog `{}` ({directory}) lies in the store {store}", catalog.name),
            };
            let mend = match is_inside {
                true => "name a folder outside of it, for example beside the catalog: `store: ../catalog-sync-data`",
                false => "name a folder outside of the store, or another store",
            };
            faults.push(fault(what).because(because).mend(mend));
        }
    }
}

/// A fault where the key of the credential store lies in the store, or where it would go into git: whoever has a
/// backup of the store would have what opens it.
pub(super) fn check_key(
    key: (&Path, &Node),
    store: &Path,
    catalogs: &BTreeMap<String, CatalogConfig>,
    faults: &mut Faults,
) {
    let (path, node) = key;
    let real_key = real(path);
    let of_catalogs =
        catalogs.values().map(|catalog| (format!("the catalog `{}`", catalog.name), catalog.directory.path.as_path()));
    let mut places = std::iter::once(("the store".to_owned(), store)).chain(of_catalogs);
    if let Some((what, place)) = places.find(|(_, place)| real_key.starts_with(real(place))) {
        let fault = Fault::of(node, format!("the key of the credential store lies in {what} ({})", place.display()));
        faults.push(
            fault.because("whoever gets a copy of that would have the key as well").mend(
                "name a file outside of it, for example `key: { file: ./credentials.key }`, and move the key there",
            ),
        );
    }
}

/// The directories of a catalog, with the values that name them.
fn directories<'a>(root: &'a Node, catalog: &'a CatalogConfig) -> Vec<(&'a Path, Option<&'a Node>)> {
    let block = root.get("catalogs").and_then(|all| all.get(&catalog.name));
    let path = block.and_then(|block| block.get("directory")?.get("path"));
    let also = block.and_then(|block| block.get("also_read"));
    let entry = |at: usize| match &also?.value {
        Value::List(nodes) => nodes.get(at)?.get("directory"),
        _ => also?.get("directory"),
    };
    let own = (catalog.directory.path.as_path(), path);
    let others = catalog.also_read.iter().enumerate().map(|(at, one)| (one.directory.as_path(), entry(at)));
    std::iter::once(own).chain(others).collect()
}

/// Where a path leads: links followed as far as it is there, the rest as written.
fn real(path: &Path) -> PathBuf {
    let mut rest: Vec<&OsStr> = Vec::new();
    let mut known = path;
    loop {
        if let Ok(found) = std::fs::canonicalize(known) {
            return rest.iter().rev().fold(found, |path, part| path.join(part));
        }
        match (known.parent(), known.file_name()) {
            (Some(parent), Some(name)) => {
                rest.push(name);
                known = parent;
            }
            _ => return plain(path),
        }
    }
}

/// Without `.` and `..`, by the text alone.
fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut plain, part| {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
        plain
    })
}
