//! Whether somebody is working in the git tree a file lies in. Read from `.git` itself: no git binary.

use std::fs;
use std::path::{Path, PathBuf};

/// The `.git` directories of a working tree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tree {
    /// Its own: `HEAD`, `index.lock`, `MERGE_HEAD`.
    own: PathBuf,
    /// Where the refs are: another one for a linked worktree.
    common: PathBuf,
}

/// What means that an operation is going on, and how to say so.
const SIGNS: &[(&str, &str)] = &[
    ("index.lock", "a git command is running"),
    ("MERGE_HEAD", "a merge is going on"),
    ("CHERRY_PICK_HEAD", "a cherry-pick is going on"),
    ("REVERT_HEAD", "a revert is going on"),
    ("rebase-merge", "a rebase is going on"),
    ("rebase-apply", "a rebase is going on"),
];

impl Tree {
    /// The nearest one above (or at) a directory.
    pub(super) fn above(directory: &Path) -> Option<Self> {
        directory.ancestors().find_map(Self::at)
    }

    /// The one whose top is this directory.
    pub(super) fn at(directory: &Path) -> Option<Self> {
        let git = directory.join(".git");
        let kind = fs::metadata(&git).ok()?;
        let own = if kind.is_dir() {
            git
        } else {
            // A linked worktree or a submodule: a file that points to the real directory.
            let text = fs::read_to_string(&git).ok()?;
            directory.join(text.strip_prefix("gitdir:")?.trim())
        };
        if !own.join("HEAD").is_file() {
            return None;
        }
        let common = match fs::read_to_string(own.join("commondir")) {
            Ok(text) => own.join(text.trim()),
            Err(_) => own.clone(),
        };
        Some(Self { own, common })
    }

    /// Why nothing may be written now; `None`: nobody is at work.
    pub(super) fn busy(&self) -> Option<String> {
        // A broken link counts as well: `symlink_metadata`.
        SIGNS
            .iter()
            .find(|(sign, _)| fs::symlink_metadata(self.own.join(sign)).is_ok())
            .map(|(sign, meaning)| format!("{meaning} (.git/{sign} is there)"))
    }

    /// What `HEAD` stands for: the commit, or where none is yet, the name. Changes whenever it moves.
    pub(super) fn head(&self) -> String {
        let Ok(head) = fs::read_to_string(self.own.join("HEAD")) else { return "unreadable".to_owned() };
        let head = head.trim();
        let Some(name) = head.strip_prefix("ref:").map(str::trim) else { return head.to_owned() };
        if let Ok(tables) = fs::read_to_string(self.common.join("reftable/tables.list")) {
            // Newer than what we read ourselves: any ref that moves counts as HEAD having moved.
            return format!("{name} {tables}");
        }
        let mut directories = vec![&self.own, &self.common];
        directories.dedup();
        for directory in directories {
            if let Ok(commit) = fs::read_to_string(directory.join(name)) {
                return format!("{name} {}", commit.trim());
            }
        }
        let packed = fs::read_to_string(self.common.join("packed-refs")).unwrap_or_default();
        let commit = packed.lines().find_map(|line| line.strip_suffix(name)?.strip_suffix(' '));
        format!("{name} {}", commit.unwrap_or("unborn"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join(".git/refs/heads/feature")).unwrap();
        fs::write(root.path().join(".git/HEAD"), "ref: refs/heads/feature/x\n").unwrap();
        fs::create_dir_all(root.path().join("catalog/deep")).unwrap();
        root
    }

    // P4.10: HEAD resolved, also from packed refs and in worktrees.
    #[test]
    fn head_is_resolved() {
        let root = repository();
        let git = root.path().join(".git");
        let tree = Tree::above(&root.path().join("catalog/deep")).unwrap();
        assert_eq!(tree.head(), "refs/heads/feature/x unborn");
        fs::write(git.join("packed-refs"), "# pack-refs\naaaa refs/heads/main\nbbbb refs/heads/feature/x\n").unwrap();
        assert_eq!(tree.head(), "refs/heads/feature/x bbbb");
        fs::write(git.join("refs/heads/feature/x"), "cccc\n").unwrap();
        assert_eq!(tree.head(), "refs/heads/feature/x cccc");
        fs::write(git.join("HEAD"), "dddd\n").unwrap();
        assert_eq!(tree.head(), "dddd");

        let worktree = tempfile::tempdir().unwrap();
        let own = git.join("worktrees/w");
        fs::create_dir_all(&own).unwrap();
        fs::write(own.join("HEAD"), "ref: refs/heads/feature/x\n").unwrap();
        fs::write(own.join("commondir"), "../..\n").unwrap();
        fs::write(worktree.path().join(".git"), format!("gitdir: {}\n", own.display())).unwrap();
        let linked = Tree::above(worktree.path()).unwrap();
        assert_eq!(linked.head(), "refs/heads/feature/x cccc");
        fs::write(own.join("index.lock"), "").unwrap();
        assert!(linked.busy().is_some());
        assert_eq!(tree.busy(), None);
    }

    // P4.10: each sign of an operation makes the catalog busy.
    #[test]
    fn operations_are_seen() {
        for (sign, _) in SIGNS {
            let root = repository();
            let tree = Tree::above(root.path()).unwrap();
            assert_eq!(tree.busy(), None);
            fs::write(root.path().join(".git").join(sign), "").unwrap();
            assert!(tree.busy().is_some_and(|because| because.contains(sign)));
        }
    }
}
