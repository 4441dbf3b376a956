use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use serde_json::Value;

use super::super::fields::Faults;
use super::super::{Config, Environment, LoadOptions};
use super::*;

const FULL: &str = include_str!("../../../fixtures/config/full.yaml");

fn faults_of(instance: &Value) -> Vec<String> {
    static VALIDATOR: LazyLock<jsonschema::Validator> = LazyLock::new(|| jsonschema::validator_for(&schema()).unwrap());
    VALIDATOR.iter_errors(instance).map(|error| format!("{}: {error}", error.instance_path)).collect()
}

fn full() -> Value {
    serde_yaml::from_str(FULL).unwrap()
}

#[test]
fn the_full_example_follows_the_schema() {
    assert_eq!(faults_of(&full()), Vec::<String>::new());
}

#[test]
fn unknown_keys_break_the_schema_wherever_they_are() {
    let mut broken = 0;
    let mut places = vec![String::new()];
    while let Some(place) = places.pop() {
        let mut instance = full();
        let Some(object) = instance.pointer_mut(&place).and_then(Value::as_object_mut) else {
            let elements = full().pointer(&place).and_then(Value::as_array).map_or(0, Vec::len);
            places.extend((0..elements).map(|index| format!("{place}/{index}")));
            continue;
        };
        places.extend(object.keys().map(|key| format!("{place}/{}", key.replace('/', "~1"))));
        // Blocks of later versions take whatever they will have.
        let later = ["git", "backstage", "harness"].contains(&place.split('/').nth(3).unwrap_or_default());
        if place.starts_with("/catalogs/") && later {
            continue;
        }
        object.insert("Not_a_key".to_owned(), Value::Null);
        assert_ne!(faults_of(&instance), Vec::<String>::new(), "an unknown key in {place:?} is not noticed");
        broken += 1;
    }
    assert!(broken > 40, "{broken}");
}

#[test]
fn schema_and_loading_know_the_same_keys() {
    let environment = Environment::default();
    let options = LoadOptions {
        config: None,
        store: None,
        listen: None,
        environment: &environment,
        working_directory: Path::new("/nowhere"),
        now: "2026-11-21T12:00:00Z".parse().unwrap(),
    };
    let mut faults = Faults::default();
    Config::read_text(FULL, Path::new("catalog-sync.yaml"), &options, &mut faults);

    let schema = schema();
    let mut of_schema: BTreeSet<(String, String)> = BTreeSet::new();
    let definitions = schema["definitions"].as_object().unwrap().iter();
    for (name, definition) in definitions.map(|(name, d)| (name.as_str(), d)).chain([("File", &schema)]) {
        let name = if name.starts_with("From") { "Secret" } else { name };
        let keys = definition["properties"].as_object().into_iter().flatten();
        of_schema.extend(keys.map(|(key, _)| (name.to_owned(), key.clone())));
    }
    let section = |section: &str| match section {
        "config" => "File".to_owned(),
        "credential store" => "CredentialStore".to_owned(),
        "tls block" => "Tls".to_owned(),
        "identity block" => "Identity".to_owned(),
        "api_token block" => "ApiToken".to_owned(),
        "oauth block" => "OAuth".to_owned(),
        "basic block" => "Basic".to_owned(),
        "ssh_key block" => "SshKey".to_owned(),
        "directory catalog" => "Directory".to_owned(),
        "also_read entry" => "AlsoRead".to_owned(),
        "repository filter" => "Filters".to_owned(),
        "secondary_kinds block" => "SecondaryKinds".to_owned(),
        "pull_requests block" => "PullRequests".to_owned(),
        "commits block" => "Commits".to_owned(),
        "detail block" => "Detail".to_owned(),
        "users block" => "Users".to_owned(),
        other => other[..1].to_uppercase() + &other[1..],
    };
    let of_loading: BTreeSet<(String, String)> = faults
        .known
        .iter()
        .flat_map(|(name, keys)| keys.iter().map(move |key| (section(name), (*key).to_owned())))
        .collect();
    assert_eq!(of_schema, of_loading);
}

#[test]
fn every_key_is_explained() {
    let schema = schema();
    for (name, definition) in schema["definitions"].as_object().unwrap() {
        for (key, property) in definition["properties"].as_object().into_iter().flatten() {
            assert!(property["description"].is_string(), "{name}.{key} has no description");
        }
    }
}
