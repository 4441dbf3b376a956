//! The files that commits and pull requests change. Nobody wrote them: they come from the hash, the same every time.

use super::seed::Sequence;

/// How a file changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChangeKind {
    Added,
    Modified,
    Deleted,
    /// From another path.
    Moved,
}

/// A file that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) path: String,
    /// Where a moved file was.
    pub(super) from: Option<String>,
    pub(super) kind: ChangeKind,
    pub(super) added: u64,
    pub(super) deleted: u64,
}

const FOLDERS: &[&str] = &["", "src/", "src/main/java/com/acme/", "docs/", "deploy/charts/", "test/", ".ci/"];
const FILES: &[&str] = &[
    "README.md",
    "Makefile",
    "Order.java",
    "Invoice.java",
    "values.yaml",
    "index.ts",
    "main.go",
    "handbook über alles.md",
    "Dockerfile",
    "config.json",
];

/// What a commit, or all commits of a pull request together, changed; sorted by path, no two alike.
pub(super) fn changes(hash: &str) -> Vec<Change> {
    let seed = hash.get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(0);
    let mut numbers = Sequence::new(seed, 41);
    // One in forty is large: a formatter ran, or a folder was moved.
    let count = if numbers.percent(2) { 20 + numbers.below(120) } else { 1 + numbers.below(6) };
    let mut changes: Vec<Change> = (0..count)
        .map(|number| {
            let (folder, file) = (numbers.pick(FOLDERS), numbers.pick(FILES));
            let path = if number < 6 { format!("{folder}{file}") } else { format!("{folder}part-{number}/{file}") };
            let (kind, from) = match numbers.below(10) {
                0 | 1 => (ChangeKind::Added, None),
                2 => (ChangeKind::Deleted, None),
                3 => (ChangeKind::Moved, Some(format!("old/{path}"))),
                _ => (ChangeKind::Modified, None),
            };
            let (added, deleted) = (1 + numbers.below(80), 1 + numbers.below(40));
            let (added, deleted) = match kind {
                ChangeKind::Added => (added, 0),
                ChangeKind::Deleted => (0, deleted),
                ChangeKind::Modified | ChangeKind::Moved => (added, deleted),
            };
            Change { path, from, kind, added, deleted }
        })
        .collect();
    changes.sort_by(|left, right| left.path.cmp(&right.path));
    changes.dedup_by(|left, right| left.path == right.path);
    changes
}
