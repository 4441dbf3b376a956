//! A linter for plans: what must hold whatever the inputs were. Run before applying, and on every plan that
//! comes out of the store.

use std::collections::BTreeSet;

use serde_json::Value;

use super::step::{Change, Edit, EditPurpose, FieldChange, FieldPath, NewEntity, Plan, Step, Work};
use super::{mark, register, value};
use crate::catalog::{Recognised, backstage, harness};
use crate::model::{EntityFormat, EntityRef};

/// Faults of a plan, in words; a flawed plan is not applied.
///
/// # Errors
/// One sentence per fault.
pub fn check(plan: &Plan) -> Result<(), Vec<String>> {
    let mut faults = Vec::new();
    for pair in plan.steps.windows(2) {
        if let [a, b] = pair {
            if a.entity == b.entity {
                faults.push(format!("two steps for {}", a.entity));
            } else if a.entity > b.entity {
                faults.push(format!("steps are not sorted: {} before {}", a.entity, b.entity));
            }
        }
    }
    if !plan.held.is_sorted_by(|a, b| a.full_name <= b.full_name) {
        faults.push("held rows are not sorted by full name".to_owned());
    }
    let mut entities: BTreeSet<&EntityRef> = plan.steps.iter().map(|step| &step.entity).collect();
    for step in plan.approvable() {
        if !entities.insert(&step.entity) {
            faults.push(format!("a held step is a second one for {}", step.entity));
        }
    }
    for held in &plan.held {
        if held.reason.is_empty() {
            faults.push(format!("{} is held without a reason", held.full_name));
        }
    }
    let mut files = BTreeSet::new();
    for step in plan.steps.iter().chain(plan.approvable()) {
        let mut say = |fault: String| faults.push(format!("{}: {fault}", step.entity));
        match &step.work {
            Work::Register(new) => {
                if !files.insert(new.file.to_string_lossy().to_lowercase()) {
                    say(format!("another new entity lies in {}", new.file.display()));
                }
                new_entity(step, new, &mut say);
            }
            Work::Edit(edit) => edited(edit, &mut say),
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

fn new_entity(step: &Step, new: &NewEntity, say: &mut dyn FnMut(String)) {
    if !register::is_safe_file(&new.file) {
        say(format!("{} is no safe file for a new entity", new.file.display()));
    }
    if new.header.iter().any(|line| value::hidden(line).is_some() || line.contains('\n')) {
        say("its header holds more than plain lines".to_owned());
    }
    if reference(new) != Some(step.entity.clone()) {
        say("the new document bears another name".to_owned());
    }
    let marked = mark::paths(new.format).repository;
    if marked.get(&new.document).and_then(Value::as_str) != Some(step.repo.to_string().as_str()) {
        say("the new document does not carry the mark of its repository".to_owned());
    }
    for (path, value) in register::written(new) {
        if !is_writable_value(&value) && path != FieldPath::of(&["metadata", "links"]) {
            say(format!("{path} is neither a scalar nor a list of scalars"));
        }
    }
}

/// The entity ref that the new document itself says, where its names are valid.
fn reference(new: &NewEntity) -> Option<EntityRef> {
    let text = |keys: &[&str]| FieldPath::of(keys).get(&new.document).and_then(Value::as_str);
    let (recognised, is_valid) = match new.format {
        EntityFormat::Backstage => {
            let name = text(&["metadata", "name"])?;
            (backstage::recognise(&new.document), backstage::valid_name(name).is_ok())
        }
        EntityFormat::Harness => {
            let identifier = text(&["identifier"])?;
            (harness::recognise(&new.document), harness::valid_identifier(identifier).is_ok())
        }
    };
    match recognised {
        Recognised::Entity(identity) if is_valid => Some(identity.entity_ref),
        _ => None,
    }
}

fn edited(edit: &Edit, say: &mut dyn FnMut(String)) {
    if edit.place.read_only_under.is_some() {
        say(format!("{} is only read", edit.place));
    }
    if edit.purpose == EditPurpose::Update && edit.fields.is_empty() {
        say("an update that changes nothing".to_owned());
    }
    for (index, field) in edit.fields.iter().enumerate() {
        let others = edit.fields.iter().skip(index + 1);
        for other in others {
            if other.path.0.starts_with(&field.path.0) || field.path.0.starts_with(&other.path.0) {
                say(format!("{} is written twice", field.path));
            }
        }
        field_change(field, say);
    }
}

fn field_change(field: &FieldChange, say: &mut dyn FnMut(String)) {
    let FieldChange { path, before, change, is_mark } = field;
    let is_link_list = *path == FieldPath::of(&["metadata", "links"]);
    let is_own = mark::is_own(path);
    let is_allowed = is_own
        || is_link_list
        || value::allowed(path, EntityFormat::Backstage).is_ok()
        || value::allowed(path, EntityFormat::Harness).is_ok();
    if !is_allowed || (is_own && !is_mark) {
        say(format!("{path} may not be written"));
    }
    match change {
        Change::Set { value } => {
            if before.as_ref() == Some(value) {
                say(format!("{path} is set to what it is"));
            }
            if !is_writable_value(value) {
                say(format!("{path} is set to neither a scalar nor a list of scalars"));
            }
        }
        Change::Add { values } => {
            if values.is_empty() {
                say(format!("nothing is added to {path}"));
            }
            if !is_link_list && !values.iter().all(is_scalar) {
                say(format!("{path} gets more than scalars"));
            }
        }
        Change::Remove => {
            if before.is_none() {
                say(format!("{path} is removed, and not there"));
            }
        }
    }
}

fn is_scalar(value: &Value) -> bool {
    matches!(value, Value::Bool(_) | Value::Number(_) | Value::String(_))
        && value.as_str().is_none_or(|text| value::hidden(text).is_none())
}

fn is_writable_value(value: &Value) -> bool {
    is_scalar(value) || value.as_array().is_some_and(|list| list.iter().all(is_scalar))
}
