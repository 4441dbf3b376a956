//! Rules files: every fault at once, with its place and the mend; what sound files mean.

use serde_json::{Value, json};

use super::world::{World, component, record};
use crate::correlate::{Rules, Side};
use crate::plan::FieldPath;

fn faults(text: &str) -> String {
    match Rules::parse(text, "test") {
        Ok(_) => "none".to_owned(),
        Err(faults) => faults.iter().map(|fault| format!("{fault}\n")).collect(),
    }
}

/// Contract, rules file: all faults at once, each with line, column and mend.
#[test]
fn every_fault_is_told_at_once() {
    let text = r#"entity: project
corelation: []
correlation:
  - ingested: name
    operator: equal
    catalog: $.metadata.name
    ignorecase: true
  - { ingested: $.name, operator: contains }
  - { ingested: $.name, operator: equals, catalog: [], direction: reverse }
  - all: []
    many: perhaps
  - { ingested: $.name, operator: equals, catalog: $.metadata.name, regex: '(a)(b)' }
  - { ingested: $.name, operator: equals, catalog: $.metadata.name, regex: '(a' }
  - { ingested: $.name, ingested: $.slug, operator: equals, catalog: "$.metadata.annotations[" }
types:
  - { ingested: $.name, glob: "{a", type: library }
  - { glob: "*-lib" }
fields:
  - { ingested: $.name, catalog: $.metadata.name }
  - { ingested: $.name, value: x, catalog: $.spec.owner }
  - { value: { a: b }, catalog: $.spec.owner }
  - { value: x, catalog: "$.metadata.links[*].url" }
  - { value: x, catalog: '$.metadata.annotations["backstage.io/managed-by-location"]' }
  - { value: x, catalog: '$.metadata.annotations["catalog-sync.dev/repository"]' }
  - { template: "url:{$.links.html.href", catalog: $.spec.x, when: sometimes }
  - { value: x, map: { a: b }, catalog: $.metadata.annotations }
"#;
    insta::assert_snapshot!(faults(text), @r##"
    line 1, column 9: `entity` can only be `repository` (mend: write `entity: repository`)
    line 2, column 1: unknown key `corelation` in a rules file (mend: did you mean `correlation`?)
    line 4, column 15: `name` is not a JSONPath at offset 0: a path starts with `$` (mend: write `$.a.b`, `$.list[*].x` or `$.annotations["a.b/c"]` (RFC 9535))
    line 5, column 15: `operator` cannot be `equal` (mend: did you mean `equals`?)
    line 7, column 5: unknown key `ignorecase` in a correlation rule (mend: did you mean `ignore_case`?)
    line 8, column 5: `contains` without `catalog` (mend: name a path of the entity: `catalog: $.metadata.name`)
    line 9, column 52: `catalog` is an empty list (mend: name at least one path of the entity)
    line 9, column 56: `direction` belongs to `contains` (mend: drop `direction`)
    line 10, column 10: `all` holds no comparison (mend: list the comparisons that must hold together)
    line 11, column 11: `many` is neither true nor false (mend: write `many: true`)
    line 12, column 76: a regex with 2 capture groups (mend: put exactly one group around the value; other groups read `(?:…)`)
    line 13, column 76: not a regex: unclosed group (mend: use the syntax of Rust's regex crate)
    line 14, column 25: `ingested` stands twice (mend: keep one; the first is on line 14)
    line 14, column 70: `$.metadata.annotations[` is not a JSONPath at offset 23: expected selector (mend: write `$.a.b`, `$.list[*].x` or `$.annotations["a.b/c"]` (RFC 9535))
    line 16, column 31: not a glob: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?) (mend: use `*`, `?`, `[a-z]` and `{a,b}`)
    line 17, column 5: `ingested` is missing (mend: write `{ ingested: $.name, glob: "*-lib", type: library }`)
    line 17, column 5: `type` is missing (mend: write `{ ingested: $.name, glob: "*-lib", type: library }`)
    line 19, column 34: `$.metadata.name` may not be written: it is part of the entity's identity (mend: map to another field, an annotation of your own for example)
    line 20, column 5: `ingested`, `value` exclude each other (mend: give one of `ingested`, `value` and `template`)
    line 21, column 14: `value` holds a map where a plain value or a list of them belongs (mend: only plain values and lists of plain values are written)
    line 22, column 26: `$.metadata.links[*].url` does not name one field (mend: write keys only: `$.metadata.description`)
    line 23, column 26: `$.metadata.annotations["backstage.io/managed-by-location"]` may not be written: the catalog itself keeps it (mend: map to another field, an annotation of your own for example)
    line 24, column 26: `$.metadata.annotations["catalog-sync.dev/repository"]` may not be written: it is our own mark (mend: map to another field, an annotation of your own for example)
    line 25, column 17: `{` is not closed by `}` (offset 4 of the template) (mend: paths stand in braces: `url:{$.links.html.href}/src/`)
    line 25, column 68: `when` cannot be `sometimes` (mend: known here: missing, always, register)
    line 26, column 17: `map` belongs to `ingested` (mend: drop `map`)
    line 26, column 41: `$.metadata.annotations` may not be written: it is a whole section, not one field (mend: map to another field, an annotation of your own for example)
    "##);
}

#[test]
fn files_that_are_no_rules() {
    let mut all = String::new();
    for text in [
        "",
        "# nothing\n",
        "- a\n",
        "entity: repository\n",
        "correlation: {}\n",
        "correlation:\n  - a: [\n",
        "a: &x 1\nb: *x\n",
    ] {
        all.push_str(&format!("{text:?}\n{}", faults(text)));
    }
    all.push_str(&faults(&format!("# {}\n", "x".repeat(64 * 1024))));
    let rule = "  - { ingested: $.name, operator: equals, catalog: $.metadata.name }\n";
    all.push_str(&faults(&format!("correlation:\n{}", rule.repeat(201))));
    all.push_str(&faults(&format!("correlation: {}{}", "[".repeat(60_000), "]".repeat(5_000))));
    insta::assert_snapshot!(all, @r##"
    ""
    line 1, column 1: the file is empty (mend: write `correlation:` with at least one rule)
    "# nothing\n"
    line 1, column 1: the file is empty (mend: write `correlation:` with at least one rule)
    "- a\n"
    line 1, column 1: a rules file is a list where a map belongs (mend: write `key: value` lines)
    "entity: repository\n"
    line 1, column 1: the file has no rule (mend: write `correlation:` with at least one rule)
    "correlation: {}\n"
    line 1, column 14: `correlation` is a map where a list belongs (mend: write each entry of `correlation` as `- …`)
    "correlation:\n  - a: [\n"
    line 3, column 1: this is not YAML: while parsing a node, did not find expected node content (mend: check indentation and quotes around here)
    "a: &x 1\nb: *x\n"
    line 2, column 4: aliases (`*name`) are not read in rules files (mend: write the value out)
    line 1, column 1: 65539 bytes are too much for a rules file (mend: keep rules files under 64 KiB)
    line 202, column 5: more than 200 rules in one file (mend: join rules, or let several integrations use several files)
    line 1, column 269: this is not YAML: recursion limit exceeded (mend: check indentation and quotes around here)
    "##);
}

/// P4.14: only what a file means makes its rules changed ones.
#[test]
fn p4_14_the_hash_follows_the_meaning() {
    let hash = |text: &str| Rules::parse(text, "test").expect("parses").hash().to_owned();
    let one = "correlation:\n  - { ingested: $.name, operator: equals, catalog: $.metadata.name }\n";
    let same = "# a comment\ncorrelation:\n- ingested: \"$.name\"\n  operator: equals\n  catalog: '$.metadata.name'\n";
    let other = "correlation:\n  - { ingested: $.slug, operator: equals, catalog: $.metadata.name }\n";
    assert_eq!(hash(one), hash(same));
    assert_ne!(hash(one), hash(other));
}

/// P3.3: type by glob, case ignored, else the integration's.
#[test]
fn p3_3_types() {
    let text = "types:\n  - { ingested: $.name, glob: '*-lib', type: library }\n  - { ingested: $.name, glob: '*-{web,ui}', type: website }\n";
    let rules = Rules::parse(text, "test").expect("parses");
    for (name, expected) in [("Pay-LIB", "library"), ("pay-ui", "website"), ("pay", "service")] {
        let mut raw = record("acme/x");
        raw["name"] = Value::from(name);
        assert_eq!(rules.type_of(&raw, "service"), expected);
    }
}

#[track_caller]
fn check_field(field: &str, expected: Option<Value>) {
    let text = format!("fields:\n  - {{ {field}, catalog: $.spec.x }}\n");
    let rules = Rules::parse(&text, "test").unwrap_or_else(|faults| panic!("{faults:?}"));
    let raw = json!({
        "name": "Pay", "description": "", "language": null, "size": 7, "private": true, "tags": ["a", null, {"b": 1}, "c"],
        "project": {"key": "PAY"}, "mainbranch": null, "links": {"html": {"href": "https://bitbucket.org/acme/pay"}},
    });
    assert_eq!(rules.fields()[0].value(&raw), expected, "{field}");
    assert_eq!(rules.fields()[0].catalog, FieldPath::of(&["spec", "x"]));
}

/// P4.7: values of fields; a null part of a template is no value; only scalars and lists of scalars come out.
#[test]
fn p4_7_field_values() {
    check_field("ingested: $.name", Some(json!("Pay")));
    check_field("ingested: $.size", Some(json!(7)));
    check_field("ingested: $.private", Some(json!(true)));
    check_field("ingested: $.description", None);
    check_field("ingested: $.language", None);
    check_field("ingested: $.missing", None);
    check_field("ingested: $.links", None);
    check_field("ingested: $.tags", Some(json!(["a", "c"])));
    check_field("ingested: '$.links.*.href'", Some(json!(["https://bitbucket.org/acme/pay"])));
    check_field("ingested: $.project.key, map: { PAY: group:default/payments }", Some(json!("group:default/payments")));
    check_field("ingested: $.name, map: { PAY: x }", None);
    check_field("ingested: $.name, map: { PAY: x }, else: unknown", Some(json!("unknown")));
    check_field("ingested: $.missing, map: { PAY: x }, else: unknown", Some(json!("unknown")));
    check_field("ingested: $.missing, else: [a, b]", Some(json!(["a", "b"])));
    check_field("ingested: $.tags, map: { a: x }", Some(json!(["x"])));
    check_field("value: production", Some(json!("production")));
    check_field("value: [a, 1, true]", Some(json!(["a", 1, true])));
    check_field("template: '{$.project.key}/{$.name}'", Some(json!("PAY/Pay")));
    check_field("template: 'url:{$.links.html.href}/src/{$.mainbranch.name}/'", None);
    check_field("template: '{$.description}'", None);
    check_field("template: 'no path {x}'", Some(json!("no path {x}")));
}

/// P3.10: paths that select nothing are named; rules that find nothing in any entity stop the sync.
#[test]
fn p3_10_lint() {
    let text = "correlation:\n  - { ingested: $.nam, operator: equals, catalog: [$.metadata.nme, $.metadata.tittle] }\n\
                fields:\n  - { ingested: $.descripton, catalog: $.metadata.description }\n";
    let rules = Rules::parse(text, "test").expect("parses");
    let world = World::new(rules.clone(), &[record("acme/pay")], &[component("pay", &[])]);
    let lint = rules.lint(&world.facts(), &world.entities);
    let named: Vec<_> = lint.unmatched.iter().map(|one| (one.side, one.path.as_str(), one.line)).collect();
    assert_eq!(
        named,
        [
            (Side::Ingested, "$.nam", 2),
            (Side::Ingested, "$.descripton", 4),
            (Side::Catalog, "$.metadata.nme", 2),
            (Side::Catalog, "$.metadata.tittle", 2),
        ]
    );
    assert!(lint.rules_match_nothing);
    // Nothing is said about a side without a document: an empty catalog is no fault of the rules.
    let lint = rules.lint(&[], &[]);
    assert!(lint.unmatched.is_empty() && !lint.rules_match_nothing);
    let sound = Rules::builtin("bitbucket-cloud").expect("shipped");
    let world = World::new(sound.clone(), &[record("acme/pay")], &[component("pay", &[])]);
    let lint = sound.lint(&world.facts(), &world.entities);
    assert!(!lint.rules_match_nothing);
    assert_eq!(
        lint.unmatched.iter().map(|one| one.path.as_str()).collect::<Vec<_>>(),
        ["$.description", "$.identifier"]
    );
}
