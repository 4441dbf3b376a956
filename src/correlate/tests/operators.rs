//! Operators, boundaries and directions, by table; the tables of needles against a naive oracle.

use proptest::prelude::*;
use serde_json::Value;

use super::world::{World, component, record};
use crate::correlate::Rules;

/// Whether a rule with these settings brings a repository and an entity of these names together.
fn matches(settings: &str, repository: &str, entity: &str) -> bool {
    let text = format!("correlation:\n  - {{ ingested: $.name, catalog: $.metadata.name, {settings} }}\n");
    let rules = Rules::parse(&text, "test").unwrap_or_else(|faults| panic!("{faults:?}"));
    let mut raw = record("acme/x");
    raw["name"] = Value::from(repository);
    let mut entity_document = component("x", &[]);
    entity_document.document["metadata"]["name"] = Value::from(entity);
    let world = World::new(rules, &[raw], &[entity_document]);
    world.candidates()[0].leading == 1
}

#[track_caller]
fn check(settings: &str, repository: &str, entity: &str, expected: bool) {
    assert_eq!(matches(settings, repository, entity), expected, "{settings}: {repository} ~ {entity}");
}

/// P3.1: equals compares whole values.
#[test]
fn p3_1_equals() {
    check("operator: equals", "billing", "billing", true);
    check("operator: equals", "billing", "Billing", false);
    check("operator: equals, ignore_case: true", "Billing", "bILLING", true);
    check("operator: equals", "billing", "billing-api", false);
    check("operator: equals", "billing api", "billing-api", false);
    check("operator: equals, slug: true", "Billing Api", "billing_api", true);
    check("operator: equals, trim_suffix: -svc", "billing-svc", "billing", true);
    check("operator: equals, trim_prefix: acme-", "billing", "acme-billing", true);
    check("operator: equals, regex: '^([a-z]+)-\\d+$'", "billing-1", "billing-2", true);
    check("operator: equals, regex: '^([a-z]+)-\\d+$'", "billing", "billing", false);
}

/// P3.1: contains holds at token boundaries, unless the rule says otherwise.
#[test]
fn p3_1_contains() {
    let token = "operator: contains";
    check(token, "billing-api", "billing", true);
    check(token, "acme/billing", "billing", true);
    check(token, "billing", "billing", true);
    check(token, "rebilling", "billing", false);
    check(token, "billings", "billing", false);
    check(token, "billing2", "billing", false);
    check(token, "billingApi", "billing", false);
    check(token, "x-billing-api-y", "billing-api", true);
    check(token, "x-billing-api-y", "billing_api", false);
    check(token, "x_billing-api.y", "billing-api", true);
    check(token, "-billing-", "billing", true);
    check(token, "billing", "-billing-", true);
    check(token, "billing", "--", false);
    check(token, "zahlung-übersicht", "übersicht", true);
    check(token, "zahlungübersicht", "übersicht", false);
    check(token, "billing", "billing-api", false);
    check(token, "a-a-b", "a-b", true);
    let any = "operator: contains, boundaries: any";
    check(any, "rebilling", "billing", true);
    check(any, "billing", "billin", true);
    check(any, "billing", "gnillib", false);
    check(any, "a-b", "-", true);
    let reverse = "operator: contains, direction: reverse";
    check(reverse, "billing", "billing-api", true);
    check(reverse, "billing-api", "billing", false);
    check(reverse, "billing", "rebilling", false);
    check("operator: contains, direction: reverse, boundaries: any", "billing", "rebilling", true);
    check("operator: contains, ignore_case: true", "Billing-API", "api", true);
}

/// Letter or digit beside the match: none is a boundary.
fn oracle(hay: &str, needle: &str, tokens: bool) -> bool {
    let needle = if tokens { needle.trim_matches(|c: char| !c.is_alphanumeric()) } else { needle };
    if needle.is_empty() {
        return false;
    }
    let (hay, needle): (Vec<char>, Vec<char>) = (hay.chars().collect(), needle.chars().collect());
    (0..hay.len()).any(|start| {
        let end = start + needle.len();
        let open = |at: Option<&char>| at.is_none_or(|c| !c.is_alphanumeric());
        hay.get(start..end) == Some(&needle[..])
            && (!tokens || (open(start.checked_sub(1).and_then(|at| hay.get(at))) && open(hay.get(end))))
    })
}

proptest! {
    /// P3.1: what the table of needles finds is what looking at every place finds.
    #[test]
    fn p3_1_contains_equals_the_oracle(
        repository in "[abé1._-]{1,14}", entity in "[abé1._-]{1,5}", tokens: bool, reverse: bool,
    ) {
        let boundaries = if tokens { "token" } else { "any" };
        let direction = if reverse { "reverse" } else { "forward" };
        let settings = format!("operator: contains, boundaries: {boundaries}, direction: {direction}");
        let (hay, needle) = if reverse { (&entity, &repository) } else { (&repository, &entity) };
        prop_assert_eq!(matches(&settings, &repository, &entity), oracle(hay, needle, tokens));
    }

    /// The same inside an `all` group, where pairs are verified one by one.
    #[test]
    fn p3_5_contains_within_all_equals_the_oracle(repository in "[ab1._-]{1,14}", entity in "[ab1._-]{1,5}", tokens: bool) {
        let boundaries = if tokens { "token" } else { "any" };
        let text = format!(
            "correlation:\n  - all:\n    - {{ ingested: $.project.key, operator: equals, catalog: $.spec.type }}\n    \
             - {{ ingested: $.name, operator: contains, boundaries: {boundaries}, catalog: $.metadata.name }}\n"
        );
        let rules = Rules::parse(&text, "test").unwrap();
        let mut raw = record("acme/x");
        raw["name"] = Value::from(repository.as_str());
        raw["project"]["key"] = Value::from("service");
        let mut document = component("x", &[]);
        document.document["metadata"]["name"] = Value::from(entity.as_str());
        let found = World::new(rules, &[raw], &[document]).candidates()[0].leading == 1;
        prop_assert_eq!(found, oracle(&repository, &entity, tokens));
    }
}
