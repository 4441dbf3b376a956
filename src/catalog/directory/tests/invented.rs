//! Invented documents, oddly written, with random patches: what an edit makes is checked by a reader of
//! our own here, which knows nothing of layouts (P4.9).

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::documents::to_json;
use super::edit::{NotEdited, edit};
use crate::model::EntityRef;
use crate::plan::{Change, FieldChange, FieldPath};

/// How one value is written.
#[derive(Clone, Debug)]
enum Written {
    Plain(String),
    Single(String),
    Double(String),
    Literal(Vec<String>, &'static str),
    FlowList(Vec<String>),
    BlockList(Vec<String>, usize),
    FlowMap(Vec<(String, String)>),
    BlockMap(Vec<(String, Written)>),
    Nothing,
}

fn word() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9]{0,6}"
}

fn written() -> impl Strategy<Value = Written> {
    let words = || prop::collection::vec(word(), 1..4);
    let leaf = prop_oneof![
        word().prop_map(Written::Plain),
        "[ -~]{0,10}".prop_map(Written::Single),
        "[a-z #:{}*&-]{0,10}".prop_map(Written::Double),
        (prop::collection::vec("[a-z# :]{0,8}", 1..4), prop::sample::select(vec!["|", "|-", "|+", ">", ">-"]))
            .prop_map(|(lines, header)| Written::Literal(lines, header)),
        words().prop_map(Written::FlowList),
        (words(), 0..3usize).prop_map(|(words, indent)| Written::BlockList(words, indent)),
        prop::collection::btree_map(word(), word(), 0..3).prop_map(|map| Written::FlowMap(map.into_iter().collect())),
        Just(Written::Nothing),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop::collection::btree_map(word(), inner, 1..4).prop_map(|map| Written::BlockMap(map.into_iter().collect()))
    })
}

/// Trivia between lines: nothing, an empty line, a comment at some column.
fn trivia() -> impl Strategy<Value = Vec<String>> {
    let one = prop_oneof![
        6 => Just(None),
        1 => Just(Some(String::new())),
        2 => ("[ -~]{0,8}", 0..6usize).prop_map(|(text, indent)| Some(format!("{:indent$}# {text}", ""))),
    ];
    prop::collection::vec(one.prop_map(|line| line.unwrap_or_else(|| "none".to_owned())), 64)
}

struct Writer<'a> {
    lines: Vec<String>,
    trivia: std::iter::Cycle<std::slice::Iter<'a, String>>,
}

impl Writer<'_> {
    fn entry(&mut self, indent: usize, key: &str, value: &Written) {
        let between = self.trivia.next().unwrap();
        // After a literal, an indented comment would be text of it.
        let after_literal = self.lines.last().is_some_and(|line| line.starts_with("        "));
        if between != "none" && !after_literal {
            self.lines.push(between.clone());
        }
        let comment = if self.trivia.next().unwrap() == "none" { "" } else { "   # why" };
        let lead = format!("{:indent$}{key}:", "");
        match value {
            Written::Plain(text) => self.lines.push(format!("{lead} {text}{comment}")),
            Written::Single(text) => self.lines.push(format!("{lead}   '{}'{comment}", text.replace('\'', "''"))),
            Written::Double(text) => self.lines.push(format!("{lead} \"{text}\"{comment}")),
            Written::Nothing => self.lines.push(format!("{lead}{comment}")),
            Written::FlowList(words) => self.lines.push(format!("{lead} [ {} ]{comment}", words.join(" , "))),
            Written::FlowMap(map) => {
                let inner: Vec<String> = map.iter().map(|(key, value)| format!("{key}: {value}")).collect();
                self.lines.push(format!("{lead} {{{}}}{comment}", inner.join(", ")));
            }
            Written::Literal(lines, header) => {
                self.lines.push(format!("{lead} {header}"));
                // Deep enough for no key to be there; the first line must not be empty.
                self.lines.push(format!("{:10}first", ""));
                self.lines.extend(lines.iter().map(|line| format!("{:10}{line}", "")));
            }
            Written::BlockList(words, more) => {
                self.lines.push(format!("{lead}{comment}"));
                let at = indent + more;
                self.lines.extend(words.iter().map(|word| format!("{:at$}- {word}{comment}", "")));
            }
            Written::BlockMap(map) => {
                self.lines.push(format!("{lead}{comment}"));
                for (key, value) in map {
                    self.entry(indent + 2, key, value);
                }
            }
        }
    }
}

#[derive(Clone, Debug)]
struct Invented {
    metadata: Vec<(String, Written)>,
    annotations: Option<Written>,
    spec: Vec<(String, Written)>,
    trivia: Vec<String>,
    newline: &'static str,
    ends: bool,
    bom: bool,
    neighbours: bool,
}

impl Invented {
    fn text(&self) -> String {
        let mut writer = Writer { lines: Vec::new(), trivia: self.trivia.iter().cycle() };
        writer.lines.push("apiVersion: backstage.io/v1alpha1".to_owned());
        writer.lines.push("kind: Component # kind".to_owned());
        let mut metadata = vec![("name".to_owned(), Written::Plain("subject".to_owned()))];
        metadata.extend(self.annotations.clone().map(|written| ("annotations".to_owned(), written)));
        metadata.extend(self.metadata.iter().map(|(key, value)| (format!("m{key}"), value.clone())));
        writer.entry(0, "metadata", &Written::BlockMap(metadata));
        if !self.spec.is_empty() {
            writer.entry(0, "spec", &Written::BlockMap(self.spec.clone()));
        }
        let mut text = writer.lines.join(self.newline);
        if self.neighbours {
            let other = "apiVersion: v1\nkind: ConfigMap # not ours\n".replace('\n', self.newline);
            text = format!("# head{nl}{other}---{nl}{text}{nl}---{nl}x: [1,  2]", nl = self.newline);
        }
        if self.ends {
            text.push_str(self.newline);
        }
        if self.bom { format!("\u{FEFF}{text}") } else { text }
    }
}

fn invented() -> impl Strategy<Value = Invented> {
    let map = |least| {
        prop::collection::btree_map(word(), written(), least..4).prop_map(|map| map.into_iter().collect::<Vec<_>>())
    };
    let annotations = prop_oneof![
        Just(None),
        Just(Some(Written::Nothing)),
        prop::collection::btree_map(word(), word(), 0..3)
            .prop_map(|map| Some(Written::FlowMap(map.into_iter().collect()))),
        prop::collection::btree_map(word(), word().prop_map(Written::Plain), 1..3)
            .prop_map(|map| Some(Written::BlockMap(map.into_iter().collect()))),
    ];
    (map(0), annotations, map(0), trivia(), prop::sample::select(vec!["\n", "\r\n"]), any::<(bool, bool, bool)>())
        .prop_map(|(metadata, annotations, spec, trivia, newline, (ends, bom, neighbours))| Invented {
            metadata,
            annotations,
            spec,
            trivia,
            newline,
            ends,
            bom,
            neighbours,
        })
}

/// A path that is there, or one beside it; and what is done to it.
fn patch(document: &Value, picks: &[(usize, usize, String)]) -> Vec<FieldChange> {
    let mut paths = vec![vec!["metadata".to_owned(), "annotations".to_owned(), "catalog-sync.dev/x".to_owned()]];
    for part in ["metadata", "spec"] {
        collect(&mut vec![part.to_owned()], &document[part], &mut paths);
    }
    let mut fields: Vec<FieldChange> = Vec::new();
    for (which, what, text) in picks {
        let path = FieldPath(paths[which % paths.len()].clone());
        let clash = |other: &FieldChange| other.path.0.starts_with(&path.0) || path.0.starts_with(&other.path.0);
        if path.0.last().is_some_and(|key| key == "name") || fields.iter().any(clash) {
            continue;
        }
        let before = path.get(document).cloned();
        let change = match (what % 4, &before) {
            (0, Some(value)) if !value.is_null() => Change::Remove,
            (1, None | Some(Value::Null | Value::Array(_))) => Change::Add { values: vec![json!(text), json!("more")] },
            (2, _) => Change::Set { value: json!([text, "two"]) },
            _ => Change::Set { value: json!(text) },
        };
        fields.push(FieldChange { path, before, change, is_mark: false });
    }
    fields
}

fn collect(at: &mut Vec<String>, value: &Value, paths: &mut Vec<Vec<String>>) {
    let Some(map) = value.as_object() else { return };
    for (key, value) in map {
        at.push(key.clone());
        paths.push(at.clone());
        collect(at, value, paths);
        at.pop();
    }
    at.push("fresh".to_owned());
    paths.push(at.clone());
    at.push("deeper".to_owned());
    paths.push(at.clone());
    at.truncate(at.len() - 2);
}

/// What the document shall be afterwards, by plain JSON.
fn patched(mut document: Value, fields: &[FieldChange]) -> Value {
    for field in fields {
        let (last, way) = field.path.0.split_last().unwrap();
        let mut map = &mut document;
        for key in way {
            map = map.as_object_mut().unwrap().entry(key.as_str()).or_insert(Value::Null);
            if map.is_null() {
                *map = Value::Object(Map::new());
            }
        }
        let map = map.as_object_mut().unwrap();
        match &field.change {
            Change::Set { value } => {
                map.insert(last.clone(), value.clone());
            }
            Change::Remove => {
                map.remove(last);
            }
            Change::Add { values } => {
                let list = map.entry(last.as_str()).or_insert(Value::Null);
                let mut items = list.as_array().cloned().unwrap_or_default();
                for value in values {
                    if !items.contains(value) {
                        items.push(value.clone());
                    }
                }
                *list = Value::Array(items);
            }
        }
    }
    document
}

/// Maps that are empty below the root's keys, as removal leaves none.
fn without_empty_maps(value: &mut Value, depth: usize) {
    let Some(map) = value.as_object_mut() else { return };
    map.values_mut().for_each(|value| without_empty_maps(value, depth + 1));
    if depth > 0 {
        map.retain(|_, value| value.as_object().is_none_or(|map| !map.is_empty()));
    }
}

fn documents(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for line in text.split_inclusive('\n') {
        if line.trim_end() == "---" {
            parts.push(String::new());
        }
        parts.last_mut().unwrap().push_str(line);
    }
    parts
}

fn comment_count(text: &str) -> usize {
    ["# why", "# kind", "# head", "# not ours"].iter().map(|comment| text.matches(comment).count()).sum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_edit_is_exactly_its_patch(
        invented in invented(),
        picks in prop::collection::vec((any::<usize>(), any::<usize>(), "[ -~]{0,12}"), 1..5),
    ) {
        let text = invented.text();
        let at = usize::from(invented.neighbours);
        let parse = |text: &str| -> Option<Value> {
            let part = documents(text).into_iter().nth(at)?;
            let value: serde_yaml::Value = serde_yaml::from_str(part.trim_start_matches('\u{FEFF}')).ok()?;
            Some(to_json(&value))
        };
        // The generator may invent what is no YAML; that is for the index tests.
        let Some(document) = parse(&text) else { return Ok(()) };
        let fields = patch(&document, &picks);
        let entity = EntityRef::backstage("component", "default", "subject");
        match edit(&text, &entity, &fields) {
            Ok(edited) => {
                let (mut got, mut wanted) = (parse(&edited.text).unwrap(), patched(document, &fields));
                without_empty_maps(&mut got, 0);
                without_empty_maps(&mut wanted, 0);
                prop_assert_eq!(got, wanted, "{}\n→\n{}", text, edited.text);
                let (old, new) = (documents(&text), documents(&edited.text));
                prop_assert_eq!(old.len(), new.len());
                for (index, (old, new)) in old.iter().zip(&new).enumerate() {
                    prop_assert!(index == at || old == new);
                }
                prop_assert_eq!(comment_count(&text), comment_count(&edited.text), "{}\n→\n{}", text, edited.text);
                prop_assert_eq!(text.ends_with('\n'), edited.text.ends_with('\n'));
                if invented.newline == "\r\n" {
                    prop_assert_eq!(edited.text.matches('\n').count(), edited.text.matches("\r\n").count());
                }
                let again = edit(&edited.text, &entity, &fields).unwrap();
                prop_assert_eq!(again.text, edited.text);
            }
            // Refusing is allowed where a comment would be lost; never because of a result that is wrong.
            Err(NotEdited::Refused { because, .. }) => {
                // Text that ends the file without a line break would get one.
                let unended = !invented.ends && !invented.neighbours && because.contains("more than the wanted");
                let fine = unended || because.contains("comment") || because.contains("its elements are not") || because.contains("not a map");
                prop_assert!(fine, "{}: {}\n{:?}", because, text, fields);
            }
            Err(other) => prop_assert!(false, "{:?}\n{}", other, text),
        }
    }
}
