//! The journal of an import × the document as it is now → what taking the import back changes. Pure.
//!
//! Field by field, newest write first: where the document still says what we wrote, it gets back what it said before that
//! write; where it does not, somebody else has been there, and the field stays as it is. What somebody wrote in between,
//! and we wrote over, comes back.

use std::path::PathBuf;

use serde_json::Value;

use super::step::{Change, EditPurpose, FieldChange, FieldPath, Step, Work};
use crate::catalog::{FieldWritten, FileDiff};
use crate::error::escape_control;
use crate::model::{Entity, EntityRef, Place, RepoKey};

/// One write of an import, as the journal tells it.
#[derive(Clone, Copy, Debug)]
pub struct Wrote<'a> {
    /// What was planned.
    pub step: &'a Step,
    /// What was changed.
    pub fields: &'a [FieldWritten],
    /// The diffs.
    pub files: &'a [FileDiff],
}

/// What taking one import back does to its entity.
#[derive(Clone, Debug, PartialEq)]
pub struct Back {
    /// The repository.
    pub repo: RepoKey,
    /// Its full name, for people.
    pub full_name: String,
    /// The entity.
    pub entity: EntityRef,
    /// What is done.
    pub work: BackWork,
    /// Fields we wrote and somebody else changed since, in the order of the document's writing: they stay.
    pub left: Vec<Left>,
}

/// What is done to a document to take an import back. Kept apart from [`Work`]: no step can do this, and neither a sync
/// nor an approval makes one; only a person who says `imported undo` does.
#[derive(Clone, Debug, PartialEq)]
pub enum BackWork {
    /// Everything is as it was before, or the document is gone.
    Nothing,
    /// Fields get back what they said before.
    Restore {
        /// Where the document lies.
        place: Place,
        /// `Set` and `Remove` only.
        fields: Vec<FieldChange>,
        /// What we did to its file, newest first: taken back as text, the file is byte for byte what it was.
        diffs: Vec<FileDiff>,
    },
    /// The file we made is taken away, as long as every byte of it is what we wrote.
    Unmake {
        /// Relative to the catalog's root.
        file: PathBuf,
        /// All that we wrote into it, newest first, down to its making.
        diffs: Vec<FileDiff>,
    },
}

/// A field that stays as somebody else wrote it.
#[derive(Clone, Debug, PartialEq)]
pub struct Left {
    /// Which.
    pub path: FieldPath,
    /// What we wrote; `None`: we took it out.
    pub wrote: Option<Value>,
    /// What is there now; `None`: nothing.
    pub now: Option<Value>,
}

/// What takes an import back; `entity` is its document as it is now.
///
/// # Errors
/// Why it cannot be taken back, a sentence a person can act on.
pub fn take_back(wrote: &[Wrote<'_>], entity: Option<&Entity>) -> Result<Back, String> {
    // Registered again after somebody deleted the document: what was before that is over.
    let made = wrote.iter().rposition(|one| matches!(one.step.work, Work::Register(_)));
    let wrote = &wrote[made.unwrap_or(0)..];
    let Some(first) = wrote.first() else { return Err("the journal tells nothing of it any more".to_owned()) };
    let back = |work, left| Back {
        repo: first.step.repo.clone(),
        full_name: first.step.full_name.clone(),
        entity: first.step.entity.clone(),
        work,
        left,
    };
    let newest_first = || wrote.iter().rev().flat_map(|one| one.files).cloned().collect::<Vec<FileDiff>>();
    let purpose = match &first.step.work {
        Work::Register(new) => {
            return Ok(match entity {
                None => back(BackWork::Nothing, Vec::new()),
                Some(_) => back(BackWork::Unmake { file: new.file.clone(), diffs: newest_first() }, Vec::new()),
            });
        }
        Work::Edit(edit) => edit.purpose,
    };
    match purpose {
        EditPurpose::Merge => {}
        EditPurpose::Adopt => {
            return Err("it was linked again by its mark, and what was there before its import is not known: \
                        `imported unlink` ends the link, and the file is yours to change"
                .to_owned());
        }
        EditPurpose::Update => {
            return Err("what was there before its import is not in the journal any more (`retention.undo`): \
                        `imported unlink` ends the link, and the file is yours to change"
                .to_owned());
        }
    }
    let Some(entity) = entity else { return Ok(back(BackWork::Nothing, Vec::new())) };
    if !entity.is_writable() {
        let place = escape_control(&entity.place.to_string());
        return Err(format!("its entity lives in {place} by now, which is only read"));
    }
    let mut fields = Vec::new();
    let mut left = Vec::new();
    for path in paths(wrote) {
        let writes = writes_of(wrote, &path);
        let now = path.get(&entity.document);
        let restored = restore(&writes, now);
        left.extend(restored.theirs.map(|wrote| Left { path: path.clone(), wrote, now: restored.value.clone() }));
        if restored.value.as_ref() != now {
            let change = restored.value.map_or(Change::Remove, |value| Change::Set { value });
            fields.push(FieldChange { path, before: now.cloned(), change, is_mark: false });
        }
    }
    if fields.is_empty() {
        return Ok(back(BackWork::Nothing, left));
    }
    Ok(back(BackWork::Restore { place: entity.place.clone(), fields, diffs: newest_first() }, left))
}

/// Every path that was written, in the order of the first writing.
fn paths(wrote: &[Wrote<'_>]) -> Vec<FieldPath> {
    let mut paths: Vec<FieldPath> = Vec::new();
    for field in wrote.iter().flat_map(|one| one.fields) {
        if !paths.contains(&field.path) {
            paths.push(field.path.clone());
        }
    }
    paths
}

/// One write of one field.
struct FieldWrite<'a> {
    before: Option<&'a Value>,
    after: Option<&'a Value>,
    /// Elements were put into a list that others write, too.
    is_addition: bool,
}

fn writes_of<'a>(wrote: &[Wrote<'a>], path: &FieldPath) -> Vec<FieldWrite<'a>> {
    let of_path = |one: &Wrote<'a>| {
        let step = one.step;
        one.fields.iter().filter(|field| field.path == *path).map(move |field| FieldWrite {
            before: field.before.as_ref(),
            after: field.after.as_ref(),
            is_addition: adds(step, &field.path),
        })
    };
    wrote.iter().flat_map(of_path).collect()
}

fn adds(step: &Step, path: &FieldPath) -> bool {
    let Work::Edit(edit) = &step.work else { return false };
    edit.fields.iter().any(|field| field.path == *path && matches!(field.change, Change::Add { .. }))
}

/// What a field says after its writes are taken back.
struct Restored {
    value: Option<Value>,
    /// Somebody else wrote it since: what we had written.
    theirs: Option<Option<Value>>,
}

fn restore(writes: &[FieldWrite<'_>], now: Option<&Value>) -> Restored {
    let mut value = now.cloned();
    // As before the import already: taken back earlier, or by hand.
    if writes.first().is_some_and(|first| first.before == now) {
        return Restored { value, theirs: None };
    }
    for write in writes.iter().rev() {
        if write.is_addition {
            match without_ours(write, value.as_ref()) {
                Some(rest) => value = rest,
                None => return Restored { value, theirs: Some(write.after.cloned()) },
            }
        } else if value.as_ref() == write.after {
            value = write.before.cloned();
        } else if value.as_ref() != write.before {
            return Restored { value, theirs: Some(write.after.cloned()) };
        }
    }
    Restored { value, theirs: None }
}

/// A list without the elements we put in; what others put in stays. `None`: it is no list any more.
fn without_ours(write: &FieldWrite<'_>, now: Option<&Value>) -> Option<Option<Value>> {
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    if now == write.after {
        return Some(write.before.cloned());
    }
    if now.is_none_or(Value::is_null) {
        return Some(now.cloned());
    }
    let before = list(write.before);
    let added = list(write.after).into_iter().filter(|element| !before.contains(element)).collect::<Vec<_>>();
    let mut rest = now?.as_array()?.clone();
    // Ours as we wrote it: one whose title somebody changed is theirs.
    rest.retain(|element| !added.contains(element));
    if rest.is_empty() && before.is_empty() {
        return Some(write.before.cloned());
    }
    Some(Some(Value::Array(rest)))
}

impl Left {
    /// In words: what is there, and what we wrote.
    pub fn in_words(&self) -> String {
        let shown = |value: &Option<Value>| match value {
            None => "nothing".to_owned(),
            Some(Value::String(text)) => format!("\"{}\"", escape_control(text)),
            Some(value) => escape_control(&value.to_string()),
        };
        format!("it says {}, we wrote {}", shown(&self.now), shown(&self.wrote))
    }
}

/// Whether the values of two elements of a document mean the same: an empty map, a null and nothing do.
pub fn same_but_for_empty(one: &Value, other: &Value) -> bool {
    fn pruned(value: &Value) -> Option<Value> {
        match value {
            Value::Null => None,
            Value::Object(map) => {
                let kept: serde_json::Map<String, Value> =
                    map.iter().filter_map(|(key, value)| Some((key.clone(), pruned(value)?))).collect();
                (!kept.is_empty()).then_some(Value::Object(kept))
            }
            other => Some(other.clone()),
        }
    }
    pruned(one) == pruned(other)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::model::ImportAction;
    use crate::plan::Edit;

    /// A write of `$.f`, planned as an addition or as a value.
    fn wrote(before: Value, after: Value, is_addition: bool, purpose: EditPurpose) -> (Step, Vec<FieldWritten>) {
        let path = FieldPath::of(&["f"]);
        let some = |value: Value| (!value.is_null()).then_some(value);
        let (before, after) = (some(before), some(after));
        let change = match (&after, is_addition) {
            (Some(Value::Array(values)), true) => Change::Add { values: values.clone() },
            (Some(value), _) => Change::Set { value: value.clone() },
            (None, _) => Change::Remove,
        };
        let change = FieldChange { path: path.clone(), before: before.clone(), change, is_mark: false };
        let place = Place { file: "a.yaml".into(), document: 0, line: 1, read_only_under: None };
        let step = Step {
            repo: RepoKey::cloud("{1}"),
            full_name: "acme/a".to_owned(),
            entity: EntityRef::from_canonical("component:default/a"),
            rule: None,
            action: ImportAction::Merge,
            work: Work::Edit(Edit { place, fields: vec![change], purpose }),
        };
        (step, vec![FieldWritten { path, before, after }])
    }

    fn entity(f: &Value) -> Entity {
        let mut document = json!({"kind": "Component"});
        if !f.is_null() {
            document["f"] = f.clone();
        }
        Entity {
            entity_ref: EntityRef::from_canonical("component:default/a"),
            format: crate::model::EntityFormat::Backstage,
            kind: "Component".to_owned(),
            entity_type: None,
            owner: None,
            entity_id: String::new(),
            place: Place { file: "a.yaml".into(), document: 0, line: 1, read_only_under: None },
            mark: None,
            document,
        }
    }

    /// Null stands for a field that is not there.
    #[track_caller]
    fn check(writes: &[(Value, Value, bool)], now: Value, then: Value, left: bool) {
        assert_eq!(taken_back(writes, now, then), left);
    }

    /// Whether something is left as others wrote it.
    #[track_caller]
    fn taken_back(writes: &[(Value, Value, bool)], now: Value, then: Value) -> bool {
        let mut purpose = EditPurpose::Merge;
        let mut kept = Vec::new();
        for (before, after, is_addition) in writes {
            kept.push(wrote(before.clone(), after.clone(), *is_addition, purpose));
            purpose = EditPurpose::Update;
        }
        let told: Vec<Wrote<'_>> = kept.iter().map(|(step, fields)| Wrote { step, fields, files: &[] }).collect();
        let entity = entity(&now);
        let back = take_back(&told, Some(&entity)).expect("it can be taken back");
        let mut document = entity.document.clone();
        if let BackWork::Restore { place, fields, .. } = &back.work {
            let edit = Edit { place: place.clone(), fields: fields.clone(), purpose: EditPurpose::Update };
            document = edit.applied(&document);
        }
        assert_eq!(document.get("f").cloned().unwrap_or(Value::Null), then);
        !back.left.is_empty()
    }

    // P4.11: what is still ours gets back what was there; what is not stays, and is named.
    #[test]
    fn fields_get_back_what_they_said_p4_11() {
        let null = || Value::Null;
        check(&[(null(), json!("ours"), false)], json!("ours"), null(), false);
        check(&[(json!("old"), json!("ours"), false)], json!("ours"), json!("old"), false);
        check(&[(json!("old"), json!("ours"), false)], json!("theirs"), json!("theirs"), true);
        check(&[(json!("old"), json!("ours"), false)], null(), null(), true);
        check(&[(json!("old"), json!("ours"), false)], json!("old"), json!("old"), false);
        // Later updates are ours as well.
        let updated = [(json!("old"), json!("one"), false), (json!("one"), json!("two"), false)];
        check(&updated, json!("two"), json!("old"), false);
        check(&updated, json!("one"), json!("old"), false);
        check(&updated, json!("three"), json!("three"), true);
        // A rule with `when: always` wrote over what somebody had written: that comes back.
        let between = [(json!("old"), json!("one"), false), (json!("hers"), json!("two"), false)];
        check(&between, json!("two"), json!("hers"), true);
        check(&between, json!("hers"), json!("hers"), true);
        // Taken out by us.
        check(&[(json!("old"), json!("one"), false), (json!("one"), null(), false)], null(), json!("old"), false);
    }

    // P4.11: of a list that others write, too, our elements go and theirs stay.
    #[test]
    fn lists_lose_our_elements_alone_p4_11() {
        let null = || Value::Null;
        check(&[(null(), json!(["go"]), true)], json!(["go"]), null(), false);
        check(&[(json!([]), json!(["go"]), true)], json!(["go"]), json!([]), false);
        check(&[(null(), json!(["go"]), true)], json!(["go", "hers"]), json!(["hers"]), false);
        check(&[(json!(["a"]), json!(["a", "go"]), true)], json!(["b", "go", "a"]), json!(["b", "a"]), false);
        check(&[(json!(["a"]), json!(["a", "go"]), true)], json!(["a"]), json!(["a"]), false);
        check(&[(json!(["a"]), json!(["a", "go"]), true)], json!("text"), json!("text"), true);
        let twice = [(json!(["a"]), json!(["a", "go"]), true), (json!(["a", "go"]), json!(["a", "go", "x"]), true)];
        check(&twice, json!(["a", "go", "x"]), json!(["a"]), false);
        let links = [(null(), json!([{"url": "u", "title": "t"}]), true)];
        check(&links, json!([{"url": "u", "title": "hers"}]), json!([{"url": "u", "title": "hers"}]), false);
    }

    #[test]
    fn what_the_journal_does_not_tell_is_not_guessed_p4_11() {
        let (step, fields) = wrote(Value::Null, json!("x"), false, EditPurpose::Adopt);
        let adopted = take_back(&[Wrote { step: &step, fields: &fields, files: &[] }], Some(&entity(&json!("x"))));
        assert!(adopted.unwrap_err().contains("linked again by its mark"));
        let (step, fields) = wrote(Value::Null, json!("x"), false, EditPurpose::Update);
        let updated = take_back(&[Wrote { step: &step, fields: &fields, files: &[] }], Some(&entity(&json!("x"))));
        assert!(updated.unwrap_err().contains("retention.undo"));
        assert!(take_back(&[], None).is_err());
        let (step, fields) = wrote(Value::Null, json!("x"), false, EditPurpose::Merge);
        let gone = take_back(&[Wrote { step: &step, fields: &fields, files: &[] }], None).unwrap();
        assert_eq!(gone.work, BackWork::Nothing);
    }

    #[test]
    fn empty_maps_and_nulls_mean_nothing() {
        assert!(same_but_for_empty(&json!({"a": {}, "b": null, "c": {"d": {}}}), &json!({})));
        assert!(!same_but_for_empty(&json!({"a": []}), &json!({})));
        assert!(!same_but_for_empty(&json!({"a": [null]}), &json!({"a": []})));
    }

    /// What happens to one field: we write, or somebody else does.
    #[derive(Clone, Debug)]
    enum Event {
        Ours(u8),
        Hers(u8),
    }

    proptest! {
        // P4.11: whatever we and others wrote in whatever order, undo gives back the last that is not ours, and nothing of
        // what others wrote is lost.
        #[test]
        fn undo_gives_back_the_last_that_is_not_ours_p4_11(
            start in 0_u8..4,
            events in prop::collection::vec(prop_oneof![(10_u8..14).prop_map(Event::Ours), (20_u8..24).prop_map(Event::Hers)], 0..6),
        ) {
            let value = |n: u8| if n == 0 { Value::Null } else { json!(n) };
            let mut now = start;
            let mut last_of_others = start;
            let mut writes = Vec::new();
            for event in &events {
                match event {
                    Event::Ours(n) if *n == now => {}
                    Event::Ours(n) => {
                        writes.push((value(now), value(*n), false));
                        now = *n;
                    }
                    Event::Hers(n) => {
                        now = *n;
                        last_of_others = *n;
                    }
                }
            }
            prop_assume!(!writes.is_empty());
            taken_back(&writes, value(now), value(last_of_others));
        }
    }
}
