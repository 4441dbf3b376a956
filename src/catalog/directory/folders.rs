//! Which names lie in the folders that new files go into, listed again only when somebody changed the folder.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;

use super::file::Stamp;

/// Listings by folder, relative to the root.
#[derive(Debug, Default)]
pub(super) struct Folders {
    listed: BTreeMap<PathBuf, (Stamp, HashMap<String, OsString>)>,
}

impl Folders {
    /// On a file system that ignores case, `Acme/x.yaml` and `acme/x.yaml` are one: what is there already on
    /// the way to `path` and differs from it in case alone.
    pub(super) fn double_but_for_case(&mut self, root: &Dir, path: &Path) -> Option<PathBuf> {
        let mut folder = PathBuf::from(".");
        for part in path.iter() {
            // A folder that is not there holds nothing.
            let names = self.names(root, &folder)?;
            if let Some(other) = names.get(&part.to_string_lossy().to_lowercase())
                && other != part
                // Listings may be a moment old: seen again, or it does not count.
                && root.symlink_metadata(folder.join(other)).is_ok()
            {
                return Some(folder.join(other));
            }
            folder.push(part);
        }
        None
    }

    /// By their lower case; of two that differ in nothing else, the one whose own case is lower counts.
    fn names(&mut self, root: &Dir, folder: &Path) -> Option<&HashMap<String, OsString>> {
        let stamp = Stamp::of(&root.metadata(folder).ok()?);
        if self.listed.get(folder).is_none_or(|(known, _)| *known != stamp) {
            let mut names: HashMap<String, OsString> = HashMap::new();
            for name in root.read_dir(folder).ok()?.flatten().map(|entry| entry.file_name()) {
                let lower = name.to_string_lossy().to_lowercase();
                match names.get(&lower) {
                    Some(_) if name.to_string_lossy() != lower.as_str() => {}
                    _ => drop(names.insert(lower, name)),
                }
            }
            self.listed.insert(folder.to_owned(), (stamp, names));
        }
        self.listed.get(folder).map(|(_, names)| names)
    }

    /// We put a file there: bulk imports do not list a folder anew for each.
    pub(super) fn made(&mut self, root: &Dir, folder: &Path, name: &OsStr) {
        let folder = Path::new(".").join(folder);
        let (Some((stamp, names)), Ok(metadata)) = (self.listed.get_mut(&folder), root.metadata(&folder)) else {
            return;
        };
        *stamp = Stamp::of(&metadata);
        names.insert(name.to_string_lossy().to_lowercase(), name.to_owned());
    }
}
