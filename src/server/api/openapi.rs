//! The OpenAPI 3.1 document, made of the table and of the types of what routes take and answer.

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::BASE;
use super::route::{For, Route};
use crate::server::problem::Problem;

/// Refusals that any route may give: who asks is not known, may not, is too fast, asks for another host; and what we
/// cannot help.
const ALWAYS: &[(u16, &str)] = &[
    (401, "Nobody we know: a token is needed."),
    (
        403,
        "Whoever asks may not: the token reads only, or is for some integrations, or the request comes from another site.",
    ),
    (421, "This is another host than the one that is served here."),
    (429, "Too many at once, or too many attempts."),
    (503, "The state, the catalog or Bitbucket cannot be used now; or the sidecar is stopping."),
];
/// Routes that take something, in path or query.
const BAD: (u16, &str) = (400, "A parameter or the body is not what is wanted here.");
/// Routes that name something.
const UNKNOWN: (u16, &str) = (404, "What is named is not known, or not to whom asks.");
/// Also of routes that look: what they look at may be out of reach as things are.
const REFUSED: (u16, &str) =
    (409, "Refused as things are: it runs, it is suspended, it is imported. The mend says what to do.");
/// Routes with a body.
const BODY: &[(u16, &str)] = &[
    (408, "The body did not come in time."),
    (413, "The body is larger than 1 MiB."),
    (415, "The body is not JSON."),
    (422, "The body is JSON, and does not say what is wanted here."),
];

/// Values that exist in the demo and in most places, for whoever tries a route out.
fn example(parameter: &str) -> Option<&'static str> {
    match parameter {
        "name" | "integration" => Some("acme"),
        "repository" => Some("payments-api"),
        "kind" => Some("reviews"),
        "entity" => Some("component:default/payments-api"),
        _ => None,
    }
}

/// The document.
pub(super) fn document(table: &[Route]) -> Value {
    let settings = || {
        let mut settings = SchemaSettings::draft2020_12();
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
        settings
    };
    // What is read may leave out what has a default; what is answered is always there.
    let mut taken = settings().for_deserialize().into_generator();
    let mut answered = settings().for_serialize().into_generator();
    let problem = answered.subschema_for::<Problem>();
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for route in table {
        let operation = operation(route, &mut taken, &mut answered, &problem);
        paths
            .entry(format!("{BASE}{}", route.path))
            .or_default()
            .insert(route.method.as_str().to_lowercase(), operation);
    }
    let mut schemas = taken.take_definitions(true);
    schemas.extend(answered.take_definitions(true));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "catalog-sync",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Keeps a software catalog and Bitbucket together. Every object is the one that the command of the same name prints with `--output json`. Errors are `application/problem+json` (RFC 9457): what failed, because of what, and the mend.",
        },
        "servers": [{ "url": "/" }],
        "security": [{ "token": [] }],
        "tags": tags(table),
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer", "description": "A token of `server.tokens` in the config. In a browser, the session that signing in makes does as well." } },
            "schemas": schemas,
        },
    })
}

fn tags(table: &[Route]) -> Vec<Value> {
    let mut tags: Vec<&str> = Vec::new();
    for route in table {
        if !tags.contains(&route.tag) {
            tags.push(route.tag);
        }
    }
    tags.into_iter().map(|tag| json!({ "name": tag })).collect()
}

fn operation(route: &Route, taken: &mut SchemaGenerator, answered: &mut SchemaGenerator, problem: &Schema) -> Value {
    let mut parameters: Vec<Value> = route.parameters().map(path_parameter).collect();
    let query = (route.query)(taken).map(query_parameters).unwrap_or_default();
    let names_something = !parameters.is_empty() || query.iter().any(|one| one["name"] == "integration");
    parameters.extend(query);
    let mut responses = Map::new();
    let answer = (route.answer)(answered);
    let content = json!({ route.content: { "schema": answer } });
    responses.insert(route.status.to_string(), json!({ "description": "Done.", "content": content }));
    for (status, meaning) in refusals(route, names_something) {
        let content = json!({ "application/problem+json": { "schema": problem } });
        responses.insert(status.to_string(), json!({ "description": meaning, "content": content }));
    }
    let mut operation = json!({
        "operationId": operation_id(route),
        "tags": [route.tag],
        "summary": route.summary,
        "description": description(route),
        "parameters": parameters,
        "responses": responses,
    });
    if let Some(body) = (route.body)(taken) {
        let is_required = taken_requires(&body, taken);
        operation["requestBody"] =
            json!({ "required": is_required, "content": { "application/json": { "schema": body } } });
    }
    operation
}

/// In the order of their numbers.
pub(super) fn refusals(route: &Route, names_something: bool) -> BTreeMap<u16, &'static str> {
    let mut all: BTreeMap<u16, &'static str> = ALWAYS.iter().copied().collect();
    all.extend([BAD]);
    if names_something || route.takes_body {
        all.extend([UNKNOWN]);
    }
    all.extend([REFUSED]);
    if route.takes_body {
        all.extend(BODY.iter().copied());
    }
    all
}

/// Whether a body must be there: where one of its fields must.
fn taken_requires(body: &Schema, taken: &SchemaGenerator) -> bool {
    let referred = body.get("$ref").and_then(Value::as_str).and_then(|reference| reference.rsplit('/').next());
    let schema = referred.and_then(|name| taken.definitions().get(name));
    let required = schema.and_then(|schema| schema.get("required")).and_then(Value::as_array);
    required.is_some_and(|required| !required.is_empty())
}

pub(super) fn description(route: &Route) -> String {
    let who = match route.may {
        For::Anyone => "Role `view` or `edit`; shows what the token may see.",
        For::Editors => "Role `edit`.",
        For::AnyoneOfAll => "Role `view` or `edit`, for a token of all integrations.",
        For::EditorsOfAll => "Role `edit`, for a token of all integrations.",
    };
    match route.command {
        "" => who.to_owned(),
        command => format!("{who} As `catalog-sync {command}`."),
    }
}

/// `GET /syncs/{id}/events` → `get_syncs_id_events`.
fn operation_id(route: &Route) -> String {
    let path = route.path.replace(['{', '}'], "").replace(['/', '-'], "_");
    format!("{}{path}", route.method.as_str().to_lowercase())
}

fn path_parameter(name: &str) -> Value {
    let meaning = match name {
        "repository" => "An id, a full name, a unique slug or a URL, percent-encoded.",
        "name" => "Its name.",
        "kind" => "Which kind.",
        "entity" => "Its name in full, `kind:namespace/name`, percent-encoded.",
        _ => "Its id.",
    };
    let mut parameter = json!({
        "name": name, "in": "path", "required": true, "description": meaning,
        "schema": { "type": "string", "minLength": 1 },
    });
    if let Some(example) = example(name) {
        parameter["example"] = json!(example);
    }
    parameter
}

/// The fields of an object as parameters.
fn query_parameters(object: Schema) -> Vec<Value> {
    let object = object.to_value();
    let required: Vec<&str> = object["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let Some(fields) = object["properties"].as_object() else { return Vec::new() };
    let parameter = |(name, schema): (&String, &Value)| {
        let mut schema = without_null(schema.clone());
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        let mut parameter = json!({
            "name": name, "in": "query", "required": required.contains(&name.as_str()), "schema": schema,
        });
        if let Some(description) = description {
            parameter["description"] = description;
        }
        parameter
    };
    fields.iter().map(parameter).collect()
}

/// A parameter is there or left out: it cannot be null.
fn without_null(mut schema: Value) -> Value {
    if let Some(types) = schema.get_mut("type")
        && let Some(one) = types.as_array().and_then(|types| types.iter().find(|one| *one != "null")).cloned()
    {
        *types = one;
    }
    if let Some(any) = schema.get("anyOf").and_then(Value::as_array) {
        let rest: Vec<Value> = any.iter().filter(|one| one["type"] != "null").cloned().collect();
        if let ([one], Some(object)) = (rest.as_slice(), schema.as_object_mut()) {
            object.remove("anyOf");
            if let Some(one) = one.as_object() {
                object.extend(one.clone());
            }
        }
    }
    schema
}
