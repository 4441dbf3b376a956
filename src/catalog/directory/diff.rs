//! What is shown and kept of a changed file: a unified diff that can be taken back.

use std::path::Path;

use similar::{ChangeTag, TextDiff};

/// Lines shown around each change.
const CONTEXT: usize = 3;

/// From one text of a file to another; `None`: there is no such file. The places in its heads are counted here: those
/// the library tells are wrong where a line goes before an equal one that comes.
pub(super) fn unified(path: &Path, before: Option<&str>, after: Option<&str>) -> String {
    let (before_text, after_text) = (before.unwrap_or_default(), after.unwrap_or_default());
    let diff = TextDiff::from_lines(before_text, after_text);
    let name = |side: &str, text: Option<&str>| match text {
        Some(_) => format!("{side}/{}", path.display()),
        None => "/dev/null".to_owned(),
    };
    let mut out = String::new();
    for hunk in diff.unified_diff().context_radius(CONTEXT).iter_hunks() {
        if out.is_empty() {
            out = format!("--- {}\n+++ {}\n", name("a", before), name("b", after));
        }
        let changes: Vec<_> = hunk.iter_changes().collect();
        let old = range(changes.iter().filter_map(similar::Change::old_index));
        let new = range(changes.iter().filter_map(similar::Change::new_index));
        out.push_str(&format!("@@ -{old} +{new} @@\n"));
        for change in changes {
            out.push(match change.tag() {
                ChangeTag::Equal => ' ',
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
            });
            out.push_str(change.value());
            if !change.value().ends_with('\n') {
                out.push_str("\n\\ No newline at end of file\n");
            }
        }
    }
    out
}

/// As a head names lines: a side with context around it is only empty where the whole text is.
fn range(lines: impl Iterator<Item = usize>) -> String {
    let (mut first, mut count) = (None, 0);
    for line in lines {
        first = Some(first.map_or(line, |first: usize| first.min(line)));
        count += 1;
    }
    match (first, count) {
        (Some(first), 1) => (first + 1).to_string(),
        (Some(first), count) => format!("{},{count}", first + 1),
        (None, _) => "0,0".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // P4.12: the diff people are shown.
    #[test]
    fn heads_tell_where_lines_stand_p4_12() {
        let path = Path::new("x.yaml");
        let diff = unified(path, Some(" \n\na\n"), Some("\n\na\n"));
        assert_eq!(diff, "--- a/x.yaml\n+++ b/x.yaml\n@@ -1,3 +1,3 @@\n- \n \n+\n a\n");
        assert_eq!(
            unified(path, None, Some("a")),
            "--- /dev/null\n+++ b/x.yaml\n@@ -0,0 +1 @@\n+a\n\\ No newline at end of file\n"
        );
        assert_eq!(unified(path, Some("a\n"), None), "--- a/x.yaml\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n");
        assert_eq!(unified(path, Some("a\n"), Some("a\n")), "");
    }
}
