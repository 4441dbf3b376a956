//! The JSON of the contract (section 3): its keys with their types. Keys may be added (contract, first lines); those
//! that were are named here, so that an addition is a decision.

use serde_json::{Value, json};

#[track_caller]
fn conforms(schema: &Value, data: &Value) {
    let validator = jsonschema::validator_for(schema).expect("a schema");
    let faults: Vec<String> =
        validator.iter_errors(data).take(5).map(|fault| format!("{}: {fault}", fault.instance_path)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// An object with exactly these keys.
fn object(properties: Value, added: Value) -> Value {
    let required: Vec<&String> = properties.as_object().expect("properties").keys().collect();
    let mut all = properties.clone();
    all.as_object_mut().expect("properties").extend(added.as_object().expect("added").clone());
    json!({"type": "object", "properties": all, "required": required, "additionalProperties": false})
}

fn array(items: Value) -> Value {
    json!({"type": "array", "items": items})
}

fn string() -> Value {
    json!({"type": "string", "minLength": 1})
}

fn optional() -> Value {
    json!({"type": ["string", "null"]})
}

fn count() -> Value {
    json!({"type": "integer", "minimum": 0})
}

/// RFC 3339 in UTC.
fn time() -> Value {
    json!({"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$"})
}

fn optional_time() -> Value {
    json!({"anyOf": [time(), {"type": "null"}]})
}

fn one_of(values: &[&str]) -> Value {
    json!({"enum": values})
}

fn ulid() -> Value {
    json!({"type": "string", "pattern": "^[0-9A-HJKMNP-TV-Z]{26}$"})
}

fn repository() -> Value {
    object(
        json!({
            "id": {"type": "string", "pattern": r"^\{[0-9a-f-]{36}\}$"},
            "full_name": {"type": "string", "pattern": "^[^/]+/[^/]+$"},
            "name": string(),
            "url": {"type": "string", "pattern": "^https://bitbucket.org/"},
        }),
        json!({}),
    )
}

fn sync() -> Value {
    let secondary = object(
        json!({"stored": count(), "backlog": count(), "repositories_waiting": count(), "complete_by": optional_time()}),
        json!({}),
    );
    object(
        json!({
            "id": ulid(),
            "integration": string(),
            "trigger": one_of(&["schedule", "manual", "webhook", "approval"]),
            "outcome": one_of(&["running", "completed", "partial", "failed", "rate_limited", "held", "cancelled", "interrupted"]),
            "started_at": time(),
            "duration_ms": count(),
            "requests": count(),
            "requests_remaining": {"type": ["integer", "null"]},
            "repositories": object(
                json!({"seen": count(), "new": count(), "changed": count(), "gone": count(), "failed": count()}),
                json!({}),
            ),
            "recommendations": object(json!({"register": count(), "merge": count(), "conflict": count()}), json!({})),
            "imported": object(
                json!({"registered": count(), "merged": count(), "updated": count(), "failed": count()}),
                json!({}),
            ),
            // A kind that is not selected is not there.
            "secondary": object(json!({}), json!({"pull_requests": secondary, "commits": secondary})),
            "errors": array(object(
                json!({"repository": optional(), "stage": string(), "message": string(), "retry": string()}),
                json!({}),
            )),
        }),
        json!({
            "sweep": {"type": "boolean"},
            "oldest_pull_request_check": optional_time(),
            "imports": object(json!({"repositories": count(), "imported": count(), "ignored": count()}), json!({})),
            "notes": array(string()),
            "held": array(object(
                json!({"repository": optional(), "entity": optional(), "reason": string(), "approvable": {"type": "boolean"}}),
                json!({}),
            )),
            // Of a dry run.
            "plan": array(import_row()),
        }),
    )
}

fn import_row() -> Value {
    object(
        json!({
            "repository": repository(),
            "action": one_of(&["register", "merge", "conflict", "none"]),
            "entity": optional(),
            "result": one_of(&["done", "failed", "held", "unchanged"]),
            "reason": optional(),
            "files": array(object(json!({"path": string(), "diff": string()}), json!({}))),
        }),
        json!({"change": one_of(&["register", "merge", "update", "adopt"])}),
    )
}

/// `sync now`, `sync history`.
#[track_caller]
pub fn syncs(data: &Value) {
    conforms(&array(sync()), data);
}

/// `discovered list`.
#[track_caller]
pub fn discovered(data: &Value) {
    let recommendation = object(
        json!({
            "action": one_of(&["register", "merge", "conflict", "none"]),
            "entity": optional(),
            "rule": {"type": ["integer", "null"]},
            "reason": string(),
        }),
        json!({}),
    );
    let row = object(
        json!({
            "integration": string(),
            "repository": repository(),
            "recommendation": recommendation,
            "kind": string(),
            "type": optional(),
            "owner": optional(),
            "detected_at": time(),
            "state": one_of(&["pending", "ignored", "hidden"]),
        }),
        json!({"needs_review": optional(), "hidden_by": optional(), "tombstone": optional(), "version": string()}),
    );
    conforms(&array(row), data);
}

/// `discovered import`.
#[track_caller]
pub fn import(data: &Value) {
    let id = json!({"anyOf": [ulid(), {"type": "null"}]});
    let report = object(
        json!({"import_id": id, "plan_id": id, "dry_run": {"type": "boolean"}, "rows": array(import_row())}),
        json!({}),
    );
    conforms(&report, data);
}

/// `imported list`.
#[track_caller]
pub fn imported(data: &Value) {
    let row = object(
        json!({
            "integration": string(),
            "repository": repository(),
            "repository_state": one_of(&["present", "archived", "excluded", "inaccessible", "gone"]),
            "status": one_of(&["registered", "merged"]),
            "entity": string(),
            "entity_id": string(),
            "kind": string(),
            "type": optional(),
            "scope": string(),
            "imported_at": time(),
            "imported_by": string(),
            "import_id": ulid(),
            "last_synced_at": optional_time(),
        }),
        json!({"link_state": one_of(&["active", "entity_missing"])}),
    );
    conforms(&array(row), data);
}

/// `activity pull-requests`.
#[track_caller]
pub fn pull_requests(data: &Value) {
    let row = object(
        json!({
            "id": count(),
            "title": string(),
            "state": one_of(&["open", "merged", "declined"]),
            "author": optional(),
            "source_branch": optional(),
            "target_branch": optional(),
            "created_at": time(),
            "updated_at": time(),
            "url": optional(),
        }),
        json!({}),
    );
    conforms(&array(row), data);
}

/// `activity commits`.
#[track_caller]
pub fn commits(data: &Value) {
    let row = object(
        json!({
            "hash": {"type": "string", "pattern": "^[0-9a-f]{40}$"},
            "message": string(),
            "author": optional(),
            "committed_at": time(),
            "url": optional(),
        }),
        json!({}),
    );
    conforms(&array(row), data);
}

/// `check`.
#[track_caller]
pub fn check(data: &Value) {
    let row = object(
        json!({
            "about": string(),
            "code": string(),
            "subject": string(),
            "message": string(),
            "mend": optional(),
            "curl": optional(),
        }),
        json!({}),
    );
    conforms(&array(row), data);
}
