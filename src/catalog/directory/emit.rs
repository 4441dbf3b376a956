//! New documents as text: block style, keys in the order given, strings quoted as in edits.

use serde_json::Value;

use super::scalar::{Context, inline, string};

/// Header comments, then the document; ends with a line break.
pub(super) fn document(header: &[String], document: &Value) -> String {
    let mut out = String::new();
    for line in header {
        let line = crate::error::escape_control(line);
        out.push_str(if line.is_empty() { "#" } else { "# " });
        out.push_str(&line);
        out.push('\n');
    }
    match document {
        Value::Object(map) if !map.is_empty() => entries(&mut out, map, 0),
        other => {
            out.push_str(&inline(other, Context::Block));
            out.push('\n');
        }
    }
    out
}

fn entries(out: &mut String, map: &serde_json::Map<String, Value>, indent: usize) {
    for (at, (key, value)) in map.iter().enumerate() {
        // The first entry of a map in a list stands behind the dash.
        if at > 0 || out.is_empty() || out.ends_with('\n') {
            out.push_str(&" ".repeat(indent));
        }
        out.push_str(&string(key, Context::Block));
        out.push(':');
        self::value(out, value, indent);
    }
}

/// What stands behind `key:`, the line's end included.
fn value(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            entries(out, map, indent + 2);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            list(out, items, indent + 2);
        }
        other => {
            out.push(' ');
            out.push_str(&inline(other, Context::Block));
            out.push('\n');
        }
    }
}

fn list(out: &mut String, items: &[Value], indent: usize) {
    for item in items {
        out.push_str(&" ".repeat(indent));
        out.push_str("- ");
        match item {
            Value::Object(map) if !map.is_empty() => entries(out, map, indent + 2),
            other => {
                out.push_str(&inline(other, Context::Block));
                out.push('\n');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    // P4.2: what a registered file looks like.
    #[test]
    fn a_new_document_reads_like_a_written_one() {
        let value = json!({"apiVersion": "backstage.io/v1alpha1", "kind": "Component",
            "metadata": {"name": "a", "annotations": {"x.dev/when": "2026-01-01", "x.dev/n": "12"}, "tags": ["go", "1.2"],
                "links": [{"url": "https://bitbucket.org/a/b", "title": "Yes"}, {}], "labels": {}},
            "spec": {"type": "service", "list": [], "flag": true, "empty": null}});
        insta::assert_snapshot!(document(&["Made by catalog-sync.".to_owned(), String::new(), "bad\nline".to_owned()], &value), @r#"
        # Made by catalog-sync.
        #
        # bad\nline
        apiVersion: backstage.io/v1alpha1
        kind: Component
        metadata:
          name: a
          annotations:
            x.dev/when: "2026-01-01"
            x.dev/n: "12"
          tags:
            - go
            - "1.2"
          links:
            - url: https://bitbucket.org/a/b
              title: "Yes"
            - {}
          labels: {}
        spec:
          type: service
          list: []
          flag: true
          empty: null
        "#);
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[ -~]{0,12}".prop_map(Value::from),
        ];
        scalar.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((any::<String>(), inner), 0..4)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        // P4.2, security.md "names": whatever the values, the file reads back as what was meant.
        #[test]
        fn a_new_document_reads_back(entries in prop::collection::vec((any::<String>(), any_value()), 1..5)) {
            let value = Value::Object(entries.into_iter().collect());
            let text = document(&["x".to_owned()], &value);
            let read: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
            prop_assert_eq!(crate::catalog::directory::documents::to_json(&read), value, "{}", text);
        }
    }
}
