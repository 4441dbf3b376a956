//! What the formats allow: which paths may be written, and which values and names are valid there.

use serde_json::Value;

use super::fields::Mode;
use super::step::FieldPath;
use crate::catalog::backstage;
use crate::error::escape_control;
use crate::model::EntityFormat;

/// Values longer than this are no field of a catalog any more.
const LONGEST_BYTES: usize = 16 * 1024;

/// Where rules write `$.spec.owner`, `$.spec.type` and `$.metadata.title`, a Harness document has `$.owner`,
/// `$.type` and `$.name`; and the reverse. All other paths are the same in both formats.
pub(crate) fn in_format(path: &FieldPath, format: EntityFormat) -> FieldPath {
    let keys: Vec<&str> = path.0.iter().map(String::as_str).collect();
    match (format, keys.as_slice()) {
        (EntityFormat::Harness, ["spec", key @ ("owner" | "type")]) => FieldPath::of(&[key]),
        (EntityFormat::Harness, ["metadata", "title"]) => FieldPath::of(&["name"]),
        (EntityFormat::Backstage, ["name"]) => FieldPath::of(&["metadata", "title"]),
        (EntityFormat::Backstage, [key @ ("owner" | "type")]) => FieldPath::of(&["spec", key]),
        _ => path.clone(),
    }
}

/// The owner of an entity, and anything of `spec` beyond its type, is written on register only.
pub(crate) fn only_on_register(path: &FieldPath) -> bool {
    match path.0.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["owner"] => true,
        ["spec", "type"] => false,
        ["spec", ..] => true,
        _ => false,
    }
}

/// An annotation that says which source an entity belongs to; never replaced unseen (P3.8).
pub(crate) fn names_a_source(path: &FieldPath) -> bool {
    annotation(path).is_some_and(|key| {
        key == "backstage.io/source-location"
            || key.ends_with("/project-slug")
            || key.ends_with("/repo-slug")
            || key == "bitbucket.org/project-key"
    })
}

/// The key of an annotation, where the path is one.
pub(crate) fn annotation(path: &FieldPath) -> Option<&str> {
    match path.0.as_slice() {
        [metadata, annotations, key] if metadata == "metadata" && annotations == "annotations" => Some(key),
        _ => None,
    }
}

/// Whether rules may write there; the reason when not.
pub(crate) fn allowed(path: &FieldPath, format: EntityFormat) -> Result<(), String> {
    let keys: Vec<&str> = path.0.iter().map(String::as_str).collect();
    if keys.iter().any(|key| key.is_empty() || key.len() > 317 || hidden(key).is_some()) {
        return Err("a key of the path is empty, too long, or holds control characters".to_owned());
    }
    let identity = || Err("rules may not write what names an entity".to_owned());
    match keys.as_slice() {
        [] => identity(),
        ["apiVersion" | "kind" | "identifier" | "orgIdentifier" | "projectIdentifier" | "scope", ..]
        | ["metadata", "name" | "namespace" | "uid" | "etag" | "identifier" | "generation", ..] => identity(),
        ["metadata", "integration" | "integration_properties", ..] => {
            Err("that is our own mark, which rules may not write".to_owned())
        }
        ["metadata" | "spec"] | ["metadata", "annotations" | "labels" | "links"] => {
            Err("that holds other fields; name one of them".to_owned())
        }
        ["metadata", "annotations", key] => annotation_allowed(key),
        ["metadata", "labels", key] => backstage::valid_key(key),
        ["metadata", "annotations" | "labels" | "links" | "tags" | "title" | "description", _, ..] => {
            Err("nothing lies that deep in this field".to_owned())
        }
        ["metadata" | "spec", ..] => Ok(()),
        ["name" | "type" | "owner" | "description"] if format == EntityFormat::Harness => Ok(()),
        [root, ..] => Err(format!("an entity has no field `{}` at its root", escape_control(root))),
    }
}

fn annotation_allowed(key: &str) -> Result<(), String> {
    let by_the_catalog = ["backstage.io/orphan", "backstage.io/view-url", "backstage.io/edit-url"];
    if key.starts_with("backstage.io/managed-by-") || by_the_catalog.contains(&key) {
        return Err("the catalog sets this annotation itself".to_owned());
    }
    if key.starts_with("catalog-sync.dev/") {
        return Err("that is our own mark, which rules may not write".to_owned());
    }
    backstage::valid_key(key)
}

/// The tag nearest to a text (`Objective-C` → `objective-c`, `ASP.NET` → `asp-net`); `None`: nothing is left.
pub(crate) fn tag(text: &str) -> Option<String> {
    let lower = text.to_lowercase();
    let parts = lower.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || ":+#".contains(c)));
    let mut tag = parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
    tag.truncate(63);
    let tag = tag.trim_end_matches('-').to_owned();
    backstage::valid_tag(&tag).is_ok().then_some(tag)
}

/// A value as it is written at `path`: `Ok(None)` is no value (null, an empty text or list), `Err` the
/// reason why it cannot be written there.
pub(crate) fn checked(
    path: &FieldPath,
    mode: Mode,
    value: &Value,
    format: EntityFormat,
) -> Result<Option<Value>, String> {
    let value = match (mode, value) {
        (_, Value::Null) => return Ok(None),
        (Mode::Add, scalar @ (Value::String(_) | Value::Number(_) | Value::Bool(_))) => {
            Value::Array(vec![scalar.clone()])
        }
        (_, value) => value.clone(),
    };
    if matches!(mode, Mode::Set) && matches!(value, Value::Array(_)) && wants_text(path) {
        return Err("a text belongs there, not a list".to_owned());
    }
    match value {
        Value::Null => Ok(None),
        Value::Object(_) => Err("only scalars and lists of scalars are written".to_owned()),
        Value::Array(elements) => {
            let mut list: Vec<Value> = Vec::with_capacity(elements.len());
            for element in &elements {
                if matches!(element, Value::Array(_) | Value::Object(_)) {
                    return Err("only scalars and lists of scalars are written".to_owned());
                }
                if let Some(element) = scalar(path, element, format)?
                    && !list.contains(&element)
                {
                    list.push(element);
                }
            }
            Ok((!list.is_empty()).then_some(Value::Array(list)))
        }
        scalar_value => {
            if is_tags(path) {
                return Err("tags are a list".to_owned());
            }
            scalar(path, &scalar_value, format)
        }
    }
}

fn is_tags(path: &FieldPath) -> bool {
    *path == FieldPath::of(&["metadata", "tags"])
}

/// Fields whose value is a text in both formats.
fn wants_text(path: &FieldPath) -> bool {
    let keys: Vec<&str> = path.0.iter().map(String::as_str).collect();
    matches!(
        keys.as_slice(),
        ["metadata", "annotations" | "labels", _]
            | ["metadata", "title" | "description"]
            | ["name" | "description" | "type" | "owner"]
            | ["spec", "type" | "lifecycle" | "owner"]
    )
}

fn scalar(path: &FieldPath, value: &Value, format: EntityFormat) -> Result<Option<Value>, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        // Annotations, labels and the like are texts: `true` would fail the format's validation.
        Value::Bool(_) | Value::Number(_) if wants_text(path) || is_tags(path) => value.to_string(),
        _ => return Ok((!value.is_null()).then(|| value.clone())),
    };
    // Bitbucket's descriptions have the line ends of whoever typed them.
    let text = if text.contains('\r') { text.replace("\r\n", "\n") } else { text };
    if text.trim().is_empty() {
        return Ok(None);
    }
    if text.len() > LONGEST_BYTES {
        return Err(format!("it is {} bytes long; at most {LONGEST_BYTES} are written", text.len()));
    }
    if let Some(c) = hidden(&text) {
        return Err(format!("it holds the control character {}", c.escape_unicode()));
    }
    let keys: Vec<&str> = path.0.iter().map(String::as_str).collect();
    let many_lines = matches!(keys.as_slice(), ["metadata", "description" | "annotations", ..] | ["description"]);
    if wants_text(path) && !many_lines && text.contains('\n') {
        return Err("it has several lines".to_owned());
    }
    let shown = || escape_control(&text.chars().take(80).collect::<String>());
    match keys.as_slice() {
        ["metadata", "tags"] if backstage::valid_tag(&text).is_err() => {
            Err(format!("`{}` is no valid tag (`[a-z0-9:+#]` parts joined by `-`, at most 63)", shown()))
        }
        ["metadata", "labels", _] if backstage::valid_label_value(&text).is_err() => {
            Err(format!("`{}` is no valid label value", shown()))
        }
        ["spec", "owner"] if format == EntityFormat::Backstage && !is_entity_reference(&text) => {
            Err(format!("`{}` does not name an owner (`[kind:][namespace/]name`)", shown()))
        }
        _ => Ok(Some(Value::String(text))),
    }
}

/// `[kind:][namespace/]name`, as owners are written in Backstage.
pub(crate) fn is_entity_reference(text: &str) -> bool {
    let (kind, rest) = text.split_once(':').map_or((None, text), |(kind, rest)| (Some(kind), rest));
    let (namespace, name) = rest.split_once('/').map_or((None, rest), |(namespace, name)| (Some(namespace), name));
    kind.is_none_or(|kind| backstage::valid_kind(kind).is_ok())
        && namespace.is_none_or(|namespace| backstage::valid_name(namespace).is_ok())
        && backstage::valid_name(name).is_ok()
}

/// The first character that must not reach a catalog file: controls (YAML cannot print most), and those
/// that change the direction of text.
pub(crate) fn hidden(text: &str) -> Option<char> {
    text.chars().find(|&c| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
            || matches!(c, '\u{FEFF}' | '\u{FFFE}' | '\u{FFFF}')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const BACKSTAGE: EntityFormat = EntityFormat::Backstage;

    #[track_caller]
    fn check(keys: &[&str], value: Value, expected: Result<Option<Value>, &str>) {
        let mode = if keys == ["metadata", "tags"] { Mode::Add } else { Mode::Set };
        let got = checked(&FieldPath::of(keys), mode, &value, BACKSTAGE);
        assert_eq!(got, expected.map_err(str::to_owned), "{keys:?} {value}");
    }

    /// security.md, names and descriptions: what is written is valid in the format, or not written.
    #[test]
    fn values_follow_the_format() {
        let annotation = ["metadata", "annotations", "acme.dev/tier"];
        check(&annotation, json!(1), Ok(Some(json!("1"))));
        check(&annotation, json!(true), Ok(Some(json!("true"))));
        check(&annotation, json!(["a"]), Err("a text belongs there, not a list"));
        check(&annotation, json!({"a": 1}), Err("only scalars and lists of scalars are written"));
        let description = ["metadata", "description"];
        check(&description, json!("Pays\r\npeople"), Ok(Some(json!("Pays\npeople"))));
        check(&description, json!(""), Ok(None));
        check(&description, json!(" \n"), Ok(None));
        check(&description, json!(null), Ok(None));
        check(&description, json!("a\u{1b}[31mb"), Err("it holds the control character \\u{1b}"));
        check(&description, json!("a\u{202e}b"), Err("it holds the control character \\u{202e}"));
        check(&["metadata", "title"], json!("a\nb"), Err("it has several lines"));
        check(&["metadata", "tags"], json!(["go", "go", "c++"]), Ok(Some(json!(["go", "c++"]))));
        check(
            &["metadata", "tags"],
            json!("Go"),
            Err("`Go` is no valid tag (`[a-z0-9:+#]` parts joined by `-`, at most 63)"),
        );
        check(&["metadata", "labels", "tier"], json!("a b"), Err("`a b` is no valid label value"));
        check(&["spec", "owner"], json!("group:default/payments"), Ok(Some(json!("group:default/payments"))));
        check(
            &["spec", "owner"],
            json!("Team Payments"),
            Err("`Team Payments` does not name an owner (`[kind:][namespace/]name`)"),
        );
        check(&["spec", "replicas"], json!(3), Ok(Some(json!(3))));
        let long = "x".repeat(LONGEST_BYTES + 1);
        check(&description, json!(long), Err("it is 16385 bytes long; at most 16384 are written"));
    }

    #[track_caller]
    fn path(keys: &[&str], format: EntityFormat, is_allowed: bool) {
        assert_eq!(allowed(&FieldPath::of(keys), format).is_ok(), is_allowed, "{keys:?}");
    }

    /// contract.md, fields: rules may not target what names an entity, what the catalog sets, our mark.
    #[test]
    fn identity_and_marks_are_forbidden() {
        use EntityFormat::{Backstage, Harness};
        for keys in [
            &["apiVersion"][..],
            &["kind"],
            &["identifier"],
            &["orgIdentifier"],
            &["metadata"],
            &["metadata", "name"],
            &["metadata", "namespace"],
            &["metadata", "uid"],
            &["metadata", "annotations"],
            &["metadata", "annotations", "backstage.io/managed-by-location"],
            &["metadata", "annotations", "backstage.io/managed-by-origin-location"],
            &["metadata", "annotations", "catalog-sync.dev/repository"],
            &["metadata", "annotations", "not a key"],
            &["metadata", "integration"],
            &["metadata", "integration_properties", "BitbucketCloud", "name"],
            &["metadata", "description", "deeper"],
            &["metadata", "a\u{7}b"],
            &["status"],
            &["spec"],
            &[],
        ] {
            path(keys, Backstage, false);
            path(keys, Harness, false);
        }
        path(&["metadata", "description"], Backstage, true);
        path(&["metadata", "annotations", "backstage.io/source-location"], Backstage, true);
        path(&["spec", "lifecycle"], Backstage, true);
        path(&["name"], Backstage, false);
        path(&["name"], Harness, true);
        path(&["owner"], Harness, true);
    }

    #[test]
    fn languages_become_tags() {
        for (language, expected) in [
            ("C++", Some("c++")),
            ("c#", Some("c#")),
            ("Objective-C", Some("objective-c")),
            ("Visual Basic .NET", Some("visual-basic-net")),
            ("html/css", Some("html-css")),
            ("日本", None),
            ("", None),
        ] {
            assert_eq!(tag(language).as_deref(), expected, "{language}");
        }
        let long = tag(&"ab-".repeat(40)).expect("letters are left");
        assert_eq!(backstage::valid_tag(&long), Ok(()), "{long}");
    }
}
