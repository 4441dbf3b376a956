//! Backstage entity format: what a document is, and what its rules allow. No I/O.
//!
//! Rules as in Backstage's descriptor format and its `KubernetesValidatorFunctions`.

use serde_json::Value;

use crate::catalog::recognise::{Identity, MarkPaths, Recognised, mark};
use crate::model::{EntityFormat, EntityRef};
use crate::plan::FieldPath;

/// Annotation of our mark: the repository (`bitbucket.org/{uuid}`).
pub const REPOSITORY: &str = "catalog-sync.dev/repository";
/// Annotation of our mark: the integration's name.
pub const INTEGRATION: &str = "catalog-sync.dev/integration";
/// Annotation of our mark: `REGISTER` or `MERGE`.
pub const ACTION: &str = "catalog-sync.dev/action";

/// Where our mark stands.
pub fn mark_paths() -> MarkPaths {
    let annotation = |name| FieldPath::of(&["metadata", "annotations", name]);
    MarkPaths { repository: annotation(REPOSITORY), integration: annotation(INTEGRATION), action: annotation(ACTION) }
}

/// Whether `apiVersion` belongs to this format.
pub fn is_api_version(text: &str) -> bool {
    text.starts_with("backstage.io/") || text.starts_with("scaffolder.backstage.io/")
}

/// What a document with our `apiVersion` is.
pub fn recognise(document: &Value) -> Recognised {
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
    let Some(kind) = text("/kind").filter(|kind| !kind.is_empty()) else {
        return Recognised::Fault("`kind` is missing or not a string".to_owned());
    };
    if kind.eq_ignore_ascii_case("Location") || kind.eq_ignore_ascii_case("Template") {
        return Recognised::ByDesign(format!("a {kind} is not an entity to link"));
    }
    let Some(name) = text("/metadata/name").filter(|name| !name.is_empty()) else {
        return Recognised::Fault("`metadata.name` is missing or not a string".to_owned());
    };
    let namespace = match document.pointer("/metadata/namespace") {
        None | Some(Value::Null) => "default",
        Some(Value::String(namespace)) if !namespace.is_empty() => namespace,
        Some(_) => return Recognised::Fault("`metadata.namespace` is not a string".to_owned()),
    };
    let entity_ref = EntityRef::backstage(kind, namespace, name);
    Recognised::Entity(Box::new(Identity {
        entity_id: text("/metadata/uid").map_or_else(|| entity_ref.to_string(), str::to_owned),
        entity_ref,
        kind: kind.to_owned(),
        entity_type: text("/spec/type").map(str::to_owned),
        owner: text("/spec/owner").map(str::to_owned),
        mark: mark(document, EntityFormat::Backstage),
    }))
}

/// Why `name` cannot be a `metadata.name`; `Ok` when it can.
pub fn valid_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > 63 {
        return Err("a name has 1 to 63 characters".to_owned());
    }
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if let Some(odd) = name.chars().find(|&c| !inner(c)) {
        return Err(format!("a name holds letters, digits, `-`, `_` and `.`, not {odd:?}"));
    }
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.ends_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err("a name begins and ends with a letter or digit".to_owned());
    }
    Ok(())
}

/// A repository slug as a valid name; empty when nothing valid is in it. Two slugs may give one name:
/// that is a conflict, to be found by whoever asks.
pub fn slug_to_name(slug: &str) -> String {
    let mapped: String =
        slug.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' }).collect();
    let trimmed = mapped.trim_matches(['-', '_', '.']);
    let cut = &trimmed[..trimmed.len().min(63)];
    cut.trim_end_matches(['-', '_', '.']).to_owned()
}

/// Why `kind` cannot be a kind.
pub fn valid_kind(kind: &str) -> Result<(), String> {
    let fits = kind.len() <= 63
        && kind.starts_with(|c: char| c.is_ascii_alphabetic())
        && kind.chars().all(|c| c.is_ascii_alphanumeric());
    if fits { Ok(()) } else { Err("a kind is a letter, then letters and digits, at most 63".to_owned()) }
}

/// Why `namespace` cannot be one: a DNS label.
pub fn valid_namespace(namespace: &str) -> Result<(), String> {
    let fits = (1..=63).contains(&namespace.len())
        && !namespace.starts_with('-')
        && !namespace.ends_with('-')
        && !namespace.contains("--")
        && namespace.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if fits {
        Ok(())
    } else {
        Err("a namespace holds lower case letters, digits and single `-` between them, at most 63".to_owned())
    }
}

/// Why `key` cannot be the key of an annotation or label: an optional DNS prefix and `/`, then a name.
pub fn valid_key(key: &str) -> Result<(), String> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    if let Some(prefix) = prefix {
        let label = |label: &str| valid_namespace(label).is_ok();
        if prefix.len() > 253 || !prefix.split('.').all(label) {
            return Err("what stands before `/` in a key is a DNS name in lower case".to_owned());
        }
    }
    valid_name(name).map_err(|because| format!("what a key names is not valid: {because}"))
}

/// Why `value` cannot be the value of a label: like a name, or empty.
pub fn valid_label_value(value: &str) -> Result<(), String> {
    if value.is_empty() { Ok(()) } else { valid_name(value) }
}

/// Why `tag` cannot be a tag: `[a-z0-9:+#]` in parts joined by `-`.
pub fn valid_tag(tag: &str) -> Result<(), String> {
    let part = |part: &str| {
        !part.is_empty()
            && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, ':' | '+' | '#'))
    };
    if tag.len() <= 63 && tag.split('-').all(part) {
        Ok(())
    } else {
        Err("a tag holds lower case letters, digits, `:`, `+`, `#` in parts joined by `-`, at most 63".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::RepoKey;

    // P4.9, section 9 "Registering": slug made valid for the format.
    #[test]
    fn slugs_become_valid_names() {
        #[track_caller]
        fn check(slug: &str, name: &str) {
            assert_eq!(slug_to_name(slug), name);
            if !name.is_empty() {
                valid_name(name).unwrap();
            }
        }
        check("payments-api", "payments-api");
        check(".github", "github");
        check("_-x.-", "x");
        check("3scale", "3scale");
        check("a b/ç", "a-b");
        check("...", "");
        check(&"a".repeat(70), &"a".repeat(63));
        check(&format!("{}-bc", "a".repeat(62)), &"a".repeat(62));
    }

    #[test]
    fn rules_of_the_format() {
        for (valid, rule, text) in [
            (true, valid_namespace as fn(&str) -> Result<(), String>, "team-a"),
            (false, valid_namespace, "Team"),
            (false, valid_namespace, "a--b"),
            (false, valid_namespace, ""),
            (true, valid_key, "backstage.io/source-location"),
            (true, valid_key, "plain"),
            (false, valid_key, "Backstage.io/x"),
            (false, valid_key, "a/b/c"),
            (false, valid_key, "a/"),
            (true, valid_tag, "c++"),
            (true, valid_tag, "java-17"),
            (false, valid_tag, "Java"),
            (false, valid_tag, "a--b"),
            (true, valid_label_value, ""),
            (false, valid_label_value, "a b"),
            (false, valid_name, "-a"),
            (false, valid_name, "a/../b"),
            (true, valid_kind, "AiResource"),
            (false, valid_kind, "a-b"),
        ] {
            assert_eq!(rule(text).is_ok(), valid, "{text}");
        }
    }

    #[test]
    fn documents_are_recognised() {
        let document = json!({"apiVersion": "backstage.io/v1alpha1", "kind": "Component",
            "metadata": {"name": "Payments", "annotations": {"catalog-sync.dev/repository": "bitbucket.org/{u}",
                "catalog-sync.dev/integration": "acme", "catalog-sync.dev/action": "MERGE"}},
            "spec": {"type": "service", "owner": "team"}});
        let Recognised::Entity(identity) = recognise(&document) else { panic!() };
        assert_eq!(identity.entity_ref.as_str(), "component:default/payments");
        assert_eq!(identity.mark.unwrap().repository, RepoKey::cloud("{u}"));
        for (document, wanted) in [
            (json!({"kind": "Location", "metadata": {"name": "x"}}), "by design"),
            (json!({"kind": "Template", "metadata": {"name": "x"}}), "by design"),
            (json!({"kind": "Component", "metadata": {"name": 12}}), "fault"),
            (json!({"kind": "Component", "metadata": {"name": "a", "namespace": []}}), "fault"),
            (json!({"metadata": {"name": "a"}}), "fault"),
        ] {
            let found = match recognise(&document) {
                Recognised::ByDesign(_) => "by design",
                Recognised::Fault(_) => "fault",
                _ => "other",
            };
            assert_eq!(found, wanted, "{document}");
        }
    }
}
