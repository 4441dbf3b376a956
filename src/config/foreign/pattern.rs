//! A regular expression of another connector as globs of ours.
//!
//! Globs say less than regular expressions do. What they can say is said exactly; else the globs hold for more than
//! the expression does, never for less: nothing that was taken before is lost, and a note tells.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

/// What an expression becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Globs {
    /// Sorted, no two alike; empty: everything. An empty one stands alone: the expression holds for no name.
    pub include: Vec<String>,
    /// What a negative look-ahead takes out.
    pub exclude: Vec<String>,
    /// They hold for what the expression holds for, and for nothing else (letter case aside: ours ignore it).
    pub is_exact: bool,
}

/// Longer expressions are not looked at.
const MAX_PATTERN: usize = 1_000;
/// More alternatives than this are no filter that a person wants to read.
const MAX_GLOBS: usize = 32;
/// Repetitions are written out up to this length.
const MAX_TOKENS: usize = 100;
/// What slugs and project keys are made of; case is ignored.
const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789_.-";

/// The globs for an expression that is searched for anywhere in a name. `None`: globs cannot say it, or it is none.
pub(super) fn globs(pattern: &str) -> Option<Globs> {
    if pattern.len() > MAX_PATTERN || !pattern.is_ascii() {
        return None;
    }
    let (excluded, rest) = look_aheads(pattern)?;
    let mut is_exact = true;
    let mut include = translate(&rest, &mut is_exact)?;
    if include.iter().any(|glob| glob == "*") {
        include.clear();
    }
    // No name is empty.
    if include.iter().any(|glob| !glob.is_empty()) {
        include.retain(|glob| !glob.is_empty());
    }
    let mut exclude = Vec::new();
    for pattern in excluded {
        // To hide more than the expression does would lose repositories.
        let mut is_same = true;
        match translate(&pattern, &mut is_same).filter(|_| is_same) {
            Some(globs) => exclude.extend(globs.into_iter().filter(|glob| !glob.is_empty())),
            None => is_exact = false,
        }
    }
    Some(Globs { include, exclude, is_exact })
}

/// Takes `(?!…)` off the beginning of an anchored expression: what they take out, and what is left.
fn look_aheads(pattern: &str) -> Option<(Vec<String>, String)> {
    let mut excluded = Vec::new();
    let Some(mut rest) = pattern.strip_prefix('^') else { return Some((excluded, pattern.to_owned())) };
    while let Some(behind) = rest.strip_prefix("(?!") {
        let end = closing(behind)?;
        excluded.push(format!("^(?:{})", &behind[..end]));
        rest = &behind[end + 1..];
    }
    // Of `^(?!x)a|b`, only the first alternative begins with the look-ahead.
    if !excluded.is_empty() && has_alternatives(rest) {
        return None;
    }
    Some((excluded, format!("^{rest}")))
}

/// Where the group that is open ends.
fn closing(text: &str) -> Option<usize> {
    outside_groups(text).find(|(_, byte)| *byte == b')').map(|(at, _)| at)
}

fn has_alternatives(text: &str) -> bool {
    outside_groups(text).any(|(_, byte)| byte == b'|')
}

/// The signs of an expression that stand in no group that it opens, in no class, and behind no backslash.
fn outside_groups(text: &str) -> impl Iterator<Item = (usize, u8)> {
    let (mut depth, mut is_escaped, mut in_class) = (0_usize, false, false);
    text.bytes().enumerate().filter(move |(_, byte)| {
        let was_outside = depth == 0 && !is_escaped && !in_class;
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b']' if in_class => in_class = false,
            _ if in_class => {}
            b'[' => in_class = true,
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        was_outside
    })
}

fn translate(pattern: &str, is_exact: &mut bool) -> Option<Vec<String>> {
    // Bytes: `\w` and `\d` mean ASCII there, as they do where such files come from.
    let hir = ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern).ok()?;
    let mut globs = expand(&hir, is_exact)?.iter().map(|tokens| glob(tokens)).collect::<Option<Vec<_>>>()?;
    globs.sort();
    globs.dedup();
    Some(globs)
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Start,
    End,
    One(u8),
    /// Sorted.
    OneOf(Vec<u8>),
    Any,
    Many,
}

type Sequences = Vec<Vec<Token>>;

/// Every alternative by itself: our globs have no empty alternatives.
fn expand(hir: &Hir, is_exact: &mut bool) -> Option<Sequences> {
    match hir.kind() {
        HirKind::Empty => Some(vec![Vec::new()]),
        HirKind::Literal(literal) => {
            let tokens = literal.0.iter().map(|byte| is_of_names(*byte).then_some(Token::One(*byte)));
            Some(vec![tokens.collect::<Option<Vec<_>>>()?])
        }
        HirKind::Class(class) => Some(vec![vec![one_of(class, is_exact)?]]),
        HirKind::Look(Look::Start) => Some(vec![vec![Token::Start]]),
        HirKind::Look(Look::End) => Some(vec![vec![Token::End]]),
        HirKind::Look(_) => None,
        HirKind::Repetition(repetition) => repeated(repetition, is_exact),
        HirKind::Capture(capture) => expand(&capture.sub, is_exact),
        HirKind::Concat(parts) => {
            let mut all: Sequences = vec![Vec::new()];
            for part in parts {
                all = product(&all, &expand(part, is_exact)?)?;
            }
            Some(all)
        }
        HirKind::Alternation(parts) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(expand(part, is_exact)?);
            }
            (all.len() <= MAX_GLOBS).then_some(all)
        }
    }
}

fn is_of_names(byte: u8) -> bool {
    ALPHABET.contains(&byte.to_ascii_lowercase()) || byte == b'~'
}

/// `None`: no name has any of them.
fn one_of(class: &Class, is_exact: &mut bool) -> Option<Token> {
    let has = |byte: u8| match class {
        Class::Bytes(class) => class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&byte)),
        Class::Unicode(class) => {
            let c = char::from(byte);
            class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&c))
        }
    };
    // Globs ignore case: of `[^a]` they hold for `A`, and so for `a`.
    let (lower, upper): (Vec<bool>, Vec<bool>) = (b'a'..=b'z').map(|c| (has(c), has(c.to_ascii_uppercase()))).unzip();
    *is_exact &= lower == upper || !lower.contains(&true) || !upper.contains(&true);
    let bytes: Vec<u8> = ALPHABET.iter().copied().filter(|byte| has(*byte) || has(byte.to_ascii_uppercase())).collect();
    match bytes.as_slice() {
        [] => None,
        [byte] => Some(Token::One(*byte)),
        _ if bytes.len() == ALPHABET.len() => Some(Token::Any),
        _ => Some(Token::OneOf(bytes)),
    }
}

fn repeated(repetition: &Repetition, is_exact: &mut bool) -> Option<Sequences> {
    let one = expand(&repetition.sub, is_exact)?;
    let (least, most) = (usize::try_from(repetition.min).ok()?, repetition.max);
    let mut so_far: Sequences = vec![Vec::new()];
    for _ in 0..least {
        so_far = product(&so_far, &one)?;
    }
    let Some(most) = most.and_then(|most| usize::try_from(most).ok()) else {
        *is_exact &= one == [[Token::Any]];
        return product(&so_far, &[vec![Token::Many]]);
    };
    let mut all = so_far.clone();
    for _ in least..most {
        so_far = product(&so_far, &one)?;
        all.extend(so_far.iter().cloned());
        if all.len() > MAX_GLOBS {
            return None;
        }
    }
    Some(all)
}

fn product(before: &[Vec<Token>], behind: &[Vec<Token>]) -> Option<Sequences> {
    if before.len() * behind.len() > MAX_GLOBS {
        return None;
    }
    let joined = before.iter().flat_map(|first| behind.iter().map(|second| [&first[..], &second[..]].concat()));
    let all: Sequences = joined.collect();
    all.iter().all(|tokens| tokens.len() <= MAX_TOKENS).then_some(all)
}

/// `None`: an anchor stands where nothing can match.
fn glob(tokens: &[Token]) -> Option<String> {
    let from = tokens.iter().take_while(|token| **token == Token::Start).count();
    let until = tokens.len() - tokens.iter().rev().take_while(|token| **token == Token::End).count();
    let mut all = vec![Token::Many; usize::from(from == 0)];
    all.extend_from_slice(tokens.get(from..until)?);
    all.extend(vec![Token::Many; usize::from(until == tokens.len())]);
    all.dedup_by(|a, b| *a == Token::Many && *b == Token::Many);
    let mut text = String::new();
    for token in &all {
        match token {
            Token::Start | Token::End => return None,
            Token::One(byte) => text.push(char::from(*byte)),
            Token::OneOf(bytes) => text.push_str(&class(bytes)),
            Token::Any => text.push('?'),
            Token::Many => text.push('*'),
        }
    }
    Some(text)
}

/// `[a-cx_]`: runs of letters and digits as ranges, a hyphen last.
fn class(bytes: &[u8]) -> String {
    let mut text = String::from("[");
    let mut plain: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != b'-').collect();
    plain.sort_unstable();
    let mut rest = plain.as_slice();
    while let [first, ..] = rest {
        let run = rest.iter().zip(*first..).take_while(|(byte, wanted)| **byte == *wanted).count();
        match run {
            0..=2 => rest[..run].iter().for_each(|byte| text.push(char::from(*byte))),
            _ => text.extend([char::from(*first), '-', char::from(rest[run - 1])]),
        }
        rest = &rest[run..];
    }
    if bytes.contains(&b'-') {
        text.push('-');
    }
    text.push(']');
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::RepositoryGlob;
    use crate::model::{RepoKey, Repository};

    /// The expression; included, excluded; `~` in front: the globs hold for more.
    #[track_caller]
    fn check(pattern: &str, include: &str, exclude: &str) {
        let globs = globs(pattern).unwrap_or_else(|| panic!("{pattern} is not translated"));
        let shown = format!("{}{}", if globs.is_exact { "" } else { "~ " }, globs.include.join(" "));
        assert_eq!((shown.as_str(), globs.exclude.join(" ").as_str()), (include, exclude), "{pattern}");
    }

    #[test]
    fn expressions_become_globs_p6_8() {
        check("^service-.*$", "service-*", "");
        check("^service-", "service-*", "");
        check("service", "*service*", "");
        check("-api$", "*-api", "");
        check("^PAY$", "PAY", "");
        check("^(PAY|SHOP)$", "PAY SHOP", "");
        check("^(pay|shop)-.+$", "pay-?* shop-?*", "");
        check("^api(-v[12])?$", "api api-v[12]", "");
        check(r"^web\.site$", "web.site", "");
        check(".*", "", "");
        check("", "", "");
        check("^a|b$", "*b a*", "");
        check("^x{3}y?$", "xxx xxxy", "");
        check(r"^svc-[\w.-]+$", "svc-?*", "");
        check(r"^v\d$", "v[0-9]", "");
        check(r"^[a-cx_-]y$", "[_a-cx-]y", "");
        // Globs have no "one or more of these".
        check("^svc-[a-z]+$", "~ svc-[a-z]*", "");
        check("^(ab)*c$", "~ *c", "");
        // The usual way to take something out.
        check("^(?!sandbox-).*$", "", "sandbox-*");
        check("^(?!sandbox-|tmp)(?!.*-old$)svc-.*$", "svc-*", "sandbox-* tmp* *-old");
        check("^(?!x[a-z]+y)a", "~ a*", "");
    }

    #[test]
    fn what_globs_cannot_say_is_not_said_p6_8() {
        for pattern in [
            "(",
            "a(?=b)",
            "(?<!a)b",
            r"(a)\1",
            "a^b",
            "a b",
            "a/b",
            "é",
            r"\bapi\b",
            "[0-9a-f]{200}",
            "(aa|bb|cc)(aa|bb|cc)(aa|bb|cc)(aa|bb|cc)",
            "^(?!a",
            "^(?!a)b|c",
        ] {
            assert_eq!(globs(pattern), None, "{pattern}");
        }
        assert_eq!(globs(&"a".repeat(MAX_PATTERN + 1)), None);
    }

    fn pattern() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            "[a-c-]{1,2}",
            Just(".".to_owned()),
            Just(".*".to_owned()),
            Just("[ab]".to_owned()),
            Just("[^a]".to_owned()),
            Just(r"\w+".to_owned()),
        ];
        let inner = leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 1..3).prop_map(|parts| parts.concat()),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}|{b})")),
                (inner, prop_oneof![Just("?"), Just("*"), Just("+"), Just("{2}"), Just("{1,3}")])
                    .prop_map(|(a, times)| format!("(?:{a}){times}")),
            ]
        });
        (any::<bool>(), inner, any::<bool>()).prop_map(|(start, inner, end)| {
            format!("{}{inner}{}", if start { "^" } else { "" }, if end { "$" } else { "" })
        })
    }

    fn holds(globs: &[String], name: &str) -> bool {
        let repository = Repository {
            key: RepoKey::cloud("{x}"),
            workspace: "acme".to_owned(),
            slug: name.to_owned(),
            full_name: format!("acme/{name}"),
            name: name.to_owned(),
            project_key: None,
            description: None,
            default_branch: None,
            language: None,
            is_private: true,
            is_fork: false,
            is_personal: false,
            is_archived: false,
            url: String::new(),
            created_on: None,
            updated_on: None,
        };
        globs.is_empty() || globs.iter().any(|glob| RepositoryGlob::new(glob).unwrap().holds(&repository))
    }

    proptest! {
        // P6.8: what was taken before is taken still; where globs can say it, nothing else.
        #[test]
        fn no_repository_is_lost_p6_8(pattern in pattern(), name in "[abcd-]{1,6}") {
            let Some(globs) = globs(&pattern) else { return Ok(()) };
            let matched = regex::Regex::new(&pattern).unwrap().is_match(&name);
            let taken = holds(&globs.include, &name);
            prop_assert!(taken || !matched, "{} loses {}: {:?}", pattern, name, globs);
            prop_assert!(!globs.is_exact || taken == matched, "{} and {}: {:?}", pattern, name, globs);
        }

        #[test]
        fn nothing_makes_it_panic(pattern in "\\PC{0,30}") {
            let _ = globs(&pattern);
        }
    }
}
