//! Harness IDP entity format: what a document is and what its rules allow. No I/O.

use serde_json::Value;

use crate::catalog::recognise::{Identity, MarkPaths, Recognised, mark};
use crate::model::{EntityFormat, EntityRef};
use crate::plan::FieldPath;

/// Where our mark stands.
pub fn mark_paths() -> MarkPaths {
    let field = |name| FieldPath::of(&["metadata", "integration", name]);
    MarkPaths { repository: field("repository"), integration: field("name"), action: field("action") }
}

/// Where an ingested property stands. `provider`: `BitbucketCloud` or `BitbucketDataCenter`; `property`:
/// `name`, `url`, `project_key`, `default_branch`, `tags`, `visibility`.
pub fn property_path(provider: &str, property: &str) -> FieldPath {
    FieldPath::of(&["metadata", "integration_properties", provider, property])
}

/// Whether `apiVersion` belongs to this format.
pub fn is_api_version(text: &str) -> bool {
    text.starts_with("harness.io/")
}

/// `account[.org[.project]]`.
pub fn scope(org: Option<&str>, project: Option<&str>) -> String {
    match (org, project) {
        (None, _) => "account".to_owned(),
        (Some(org), None) => format!("account.{org}"),
        (Some(org), Some(project)) => format!("account.{org}.{project}"),
    }
}

/// What a document with our `apiVersion` is.
pub fn recognise(document: &Value) -> Recognised {
    let text = |key: &str| document.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let Some(kind) = text("kind") else {
        return Recognised::Fault("`kind` is missing or not a string".to_owned());
    };
    if ["Location", "Template", "Workflow"].iter().any(|other| kind.eq_ignore_ascii_case(other)) {
        return Recognised::ByDesign(format!("a {kind} is not an entity to link"));
    }
    let Some(identifier) = text("identifier") else {
        return Recognised::Fault("`identifier` is missing or not a string".to_owned());
    };
    let (org, project) = (text("orgIdentifier"), text("projectIdentifier"));
    if project.is_some() && org.is_none() {
        return Recognised::Fault("`projectIdentifier` without `orgIdentifier`".to_owned());
    }
    Recognised::Entity(Box::new(Identity {
        entity_ref: EntityRef::harness(kind, &scope(org, project), identifier),
        entity_id: identifier.to_owned(),
        kind: kind.to_owned(),
        entity_type: text("type").or_else(|| document.pointer("/spec/type").and_then(Value::as_str)).map(str::to_owned),
        owner: text("owner").map(str::to_owned),
        mark: mark(document, EntityFormat::Harness),
    }))
}

/// Words that Harness keeps for expressions.
const RESERVED: &[&str] = &[
    "or",
    "and",
    "eq",
    "ne",
    "lt",
    "gt",
    "le",
    "ge",
    "div",
    "mod",
    "not",
    "null",
    "true",
    "false",
    "new",
    "var",
    "return",
    "step",
    "parallel",
    "stepGroup",
    "org",
    "account",
    "status",
    "liteEngineTask",
];

/// Why `identifier` cannot be one; `Ok` when it can.
pub fn valid_identifier(identifier: &str) -> Result<(), String> {
    if identifier.is_empty() || identifier.len() > 128 {
        return Err("an identifier has 1 to 128 characters".to_owned());
    }
    if !identifier.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return Err("an identifier begins with a letter or `_`".to_owned());
    }
    if let Some(odd) = identifier.chars().find(|&c| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '-'))) {
        return Err(format!("an identifier holds letters, digits, `_`, `$` and `-`, not {odd:?}"));
    }
    if RESERVED.contains(&identifier) {
        return Err(format!("`{identifier}` is a reserved word"));
    }
    Ok(())
}

/// A repository slug as a valid identifier; empty when nothing valid is in it. Two slugs may give one
/// identifier (`a.b` and `a_b`): that is a conflict, to be found by whoever asks.
pub fn slug_to_identifier(slug: &str) -> String {
    let mapped: String =
        slug.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '-') { c } else { '_' }).collect();
    if !mapped.contains(|c: char| c.is_ascii_alphanumeric()) {
        return String::new();
    }
    let starts_well = mapped.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let mut identifier = if starts_well { mapped } else { format!("_{mapped}") };
    identifier.truncate(128);
    if RESERVED.contains(&identifier.as_str()) {
        identifier.push('_');
    }
    identifier
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::ImportAction;

    // P4.8, section 9 "Registering".
    #[test]
    fn slugs_become_valid_identifiers() {
        #[track_caller]
        fn check(slug: &str, identifier: &str) {
            assert_eq!(slug_to_identifier(slug), identifier);
            if !identifier.is_empty() {
                valid_identifier(identifier).unwrap();
            }
        }
        check("payments-api", "payments-api");
        check("my.site", "my_site");
        check("3scale", "_3scale");
        check("-x", "_-x");
        check("status", "status_");
        check("...", "");
        check(&"a".repeat(200), &"a".repeat(128));
        for invalid in ["", "a.b", "1a", "a/b", "org", "é"] {
            assert!(valid_identifier(invalid).is_err(), "{invalid}");
        }
    }

    #[test]
    fn documents_are_recognised() {
        let document = json!({"apiVersion": "harness.io/v1", "kind": "component", "type": "Service",
            "identifier": "Pay_ments", "owner": "group:account/a", "orgIdentifier": "o", "projectIdentifier": "p",
            "metadata": {"integration": {"name": "acme", "action": "REGISTER", "repository": "bitbucket.org/{u}"}}});
        let Recognised::Entity(identity) = recognise(&document) else { panic!() };
        assert_eq!(identity.entity_ref.as_str(), "component:account.o.p/Pay_ments");
        assert_eq!(identity.entity_id, "Pay_ments");
        assert_eq!(identity.mark.unwrap().action, ImportAction::Register);
        assert!(matches!(recognise(&json!({"kind": "component"})), Recognised::Fault(_)));
        assert!(matches!(recognise(&json!({"kind": "Workflow", "identifier": "x"})), Recognised::ByDesign(_)));
    }
}
