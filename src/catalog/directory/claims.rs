//! Names that a text may define which no parser understands: taken until somebody mends it.
//!
//! A line scan, not a parser: `name: x` and `identifier: x` wherever a key may stand. It errs on the side of
//! taking a name too many, which a person sees and settles; one too few would double an entity.

use std::io::{self, BufRead, Read};
use std::path::Path;

use crate::catalog::{backstage, harness};

/// At most so much of a file is looked through.
pub(super) const MAX_SCANNED_BYTES: u64 = 64 << 20;

/// A name that a file may define.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Claim {
    /// In lower case.
    pub name: String,
    /// Where the text says so, from 1; `None`: the text is not known, the file's own name suggests it.
    pub line: Option<usize>,
}

/// Names that one document may define whose first line is `first_line` of its file.
pub(super) fn of_document(part: &str, first_line: usize) -> Vec<Claim> {
    let mut scan = Scan::default();
    for (at, line) in part.lines().enumerate() {
        scan.line(line, first_line + at);
    }
    scan.done()
}

/// Names that a file may define which is too large to be read as a whole.
pub(super) fn of_large(file: impl Read, path: &Path) -> io::Result<Vec<Claim>> {
    let mut text = io::BufReader::new(file.take(MAX_SCANNED_BYTES));
    let (mut scan, mut at, mut scanned, mut bytes) = (Scan::default(), 0, 0, Vec::new());
    while text.read_until(b'\n', &mut bytes)? > 0 {
        at += 1;
        scanned += bytes.len() as u64;
        let line = String::from_utf8_lossy(&bytes);
        if line.starts_with("---") {
            scan.next_document();
        }
        scan.line(&line, at);
        bytes.clear();
    }
    let mut claims = scan.done();
    if scanned >= MAX_SCANNED_BYTES {
        claims.extend(of_path(path));
    }
    Ok(claims)
}

/// What the name of a file suggests whose text is not known at all, or that of a folder.
pub(super) fn of_path(path: &Path) -> Vec<Claim> {
    let text = |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().to_lowercase());
    let mut name = text(path.file_name()).unwrap_or_default();
    for ending in [".yaml", ".yml"] {
        name.truncate(name.strip_suffix(ending).map_or(name.len(), str::len));
    }
    // By custom such a file says what the folder around it is.
    if matches!(name.as_str(), "catalog-info" | "catalog" | "idp" | "index") {
        name = text(path.parent().and_then(Path::file_name)).unwrap_or_default();
    }
    let claims = (!name.is_empty()).then_some(Claim { name, line: None });
    claims.into_iter().collect()
}

#[derive(Default)]
struct Scan {
    done: Vec<Claim>,
    of_document: Vec<Claim>,
    /// The document says plainly that it is none of ours.
    is_foreign: bool,
    /// A key whose value stands on the next line.
    waits: bool,
}

impl Scan {
    fn line(&mut self, line: &str, at: usize) {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            return;
        }
        if std::mem::take(&mut self.waits) && value_of(trimmed, "name").is_none() && !trimmed.contains(": ") {
            self.claim(scalar(trimmed), at);
        }
        if let Some(version) = line.strip_prefix("apiVersion:").map(scalar) {
            let version = version.unwrap_or_default();
            let is_ours = backstage::is_api_version(&version) || harness::is_api_version(&version);
            self.is_foreign = !is_ours && !version.is_empty() && !version.contains(['{', '$']);
        }
        for key in ["name", "identifier"] {
            match value_of(line, key) {
                Some("" | "|" | ">" | "|-" | ">-") => self.waits = true,
                Some(value) => self.claim(scalar(value), at),
                None => {}
            }
        }
    }

    fn claim(&mut self, name: Option<String>, at: usize) {
        // A placeholder names nothing yet.
        let Some(name) = name.filter(|name| !name.is_empty() && !name.contains(['{', '$'])) else { return };
        let claim = Claim { name: name.to_lowercase(), line: Some(at) };
        if self.of_document.iter().all(|known| known.name != claim.name) {
            self.of_document.push(claim);
        }
    }

    fn next_document(&mut self) {
        let claims = std::mem::take(&mut self.of_document);
        if !std::mem::take(&mut self.is_foreign) {
            self.done.extend(claims);
        }
        self.waits = false;
    }

    fn done(mut self) -> Vec<Claim> {
        self.next_document();
        self.done
    }
}

/// What stands behind `key:` in a line, in block or flow style, quoted or not.
fn value_of<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.match_indices(key).find_map(|(at, _)| {
        let before = line[..at].trim_end_matches(['"', '\'']);
        let begins = before.is_empty() || before.ends_with([' ', '\t', '{', ',', '-', '\u{FEFF}', '?']);
        let behind = line[at + key.len()..].trim_start_matches(['"', '\'']).trim_start();
        let value = behind.strip_prefix(':')?;
        let ends = value.is_empty() || value.starts_with([' ', '\t', '\r', '\n', '"', '\'']);
        (begins && ends).then(|| value.trim())
    })
}

/// The text of a plain or quoted scalar at the beginning of `text`.
fn scalar(text: &str) -> Option<String> {
    let mut text = text.trim();
    // An anchor or a tag stands before what it is about.
    while text.starts_with(['&', '!']) {
        text = text.split_once(char::is_whitespace).map_or("", |(_, rest)| rest.trim_start());
    }
    let value = match text.chars().next()? {
        quote @ ('"' | '\'') => text[1..].split(quote).next(),
        _ => text.split(" #").next().and_then(|text| text.split([',', '}', ']']).next()),
    };
    value.map(|value| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, names: &[(&str, usize)]) {
        let claims = of_document(text, 1);
        let found: Vec<(&str, usize)> =
            claims.iter().map(|claim| (claim.name.as_str(), claim.line.unwrap_or(0))).collect();
        assert_eq!(found, names, "{text}");
    }

    /// product.md "Registering": a name is taken also where only a line of a broken text says so.
    #[test]
    fn names_of_broken_texts() {
        check("metadata:\n  name: pay\n  a: [\n", &[("pay", 2)]);
        check("metadata: { name: \"Pay-Api\", a: [\n", &[("pay-api", 1)]);
        check("{\"metadata\": {\"name\": \"pay\", }\n", &[("pay", 1)]);
        check("  name: 'pay' # the one\n  name : web\n", &[("pay", 1), ("web", 2)]);
        check("identifier: pay_api\nname: Payments API\n: :", &[("pay_api", 1), ("payments api", 2)]);
        check("  name: &n !!str pay\n", &[("pay", 1)]);
        check("  name:\n    pay\n", &[("pay", 2)]);
        check("  name: >-\n    pay\n", &[("pay", 2)]);
        check("<<<<<<< ours\n  name: a\n=======\n  name: b\n>>>>>>> theirs\n", &[("a", 2), ("b", 4)]);
    }

    #[test]
    fn what_names_nothing() {
        check("# name: pay\n  filename: pay\n  name-x: pay\n  name:pay\n", &[]);
        check("  name: ${{ values.name }}\n  name: {{ name }}\n", &[]);
        check("apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: pay\n  a: [\n", &[]);
        check("apiVersion: backstage.io/v1alpha1\nmetadata:\n  name: pay\n  a: [\n", &[("pay", 3)]);
    }

    #[test]
    fn large_files_are_looked_through_document_by_document() {
        let text = "apiVersion: apps/v1\nname: a\n---\nname: b\n---\nname: c\n";
        let claims = of_large(text.as_bytes(), Path::new("x.yaml")).expect("reads");
        let names: Vec<_> = claims.iter().map(|claim| (claim.name.as_str(), claim.line)).collect();
        assert_eq!(names, [("b", Some(4)), ("c", Some(6))]);
    }

    #[test]
    fn a_file_nobody_can_read_claims_its_own_name() {
        let names = |path: &str| of_path(Path::new(path)).into_iter().map(|claim| claim.name).collect::<Vec<_>>();
        assert_eq!(names("a/Pay.yaml"), ["pay"]);
        assert_eq!(names("pay/catalog-info.yml"), ["pay"]);
        assert_eq!(names("catalog.yaml"), Vec::<String>::new());
        assert_eq!(names("folder"), ["folder"]);
    }
}
