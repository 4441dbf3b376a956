//! What stands between a bad rule, a bad listing or an emptied directory and the catalog.

use std::collections::BTreeSet;

use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};

use super::step::{Held, Plan, Step, Work};
use crate::error::escape_control;
use crate::model::{Decision, DecisionKind, EntityRef, ImportAction, Presence, RepoKey, Unseen};

/// A limit that is passed only when both parts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guard {
    /// More than this part of all, in percent.
    pub percent: u32,
    /// And more than this many.
    pub at_least: u64,
}

impl Default for Guard {
    /// For repositories and entities that vanish (P2.9, P2.13).
    fn default() -> Self {
        Self { percent: 10, at_least: 3 }
    }
}

impl Guard {
    /// For documents of others changed unseen (P4.14).
    pub const BLAST_RADIUS: Self = Self { percent: 10, at_least: 10 };

    /// Whether `part` of `whole` is more than both limits.
    pub fn is_passed(self, part: usize, whole: usize) -> bool {
        let (part, whole) = (part as u128, whole as u128);
        part > u128::from(self.at_least) && part * 100 > whole * u128::from(self.percent)
    }
}

/// P2.9: whether a sync stops before applying, because too many of `known` repositories would become gone
/// or excluded; the reason names the cause. Other presences among `changes` do not count.
pub fn would_stop(known: usize, changes: &[(RepoKey, Presence)], guard: Guard) -> Option<String> {
    let gone = changes.iter().filter(|(_, presence)| matches!(presence, Presence::Gone)).count();
    let filters: Vec<&str> = changes
        .iter()
        .filter_map(|(_, presence)| match presence {
            Presence::Excluded { filter } => Some(filter.as_str()),
            _ => None,
        })
        .collect();
    if !guard.is_passed(gone + filters.len(), known) {
        return None;
    }
    let mut causes = Vec::new();
    if gone > 0 {
        causes.push(format!("{gone} are not listed any more"));
    }
    if !filters.is_empty() {
        let distinct: BTreeSet<&str> = filters.iter().copied().collect();
        let shown: Vec<String> =
            distinct.iter().take(3).map(|filter| format!("`{}`", escape_control(filter))).collect();
        let more = if distinct.len() > 3 { ", …" } else { "" };
        causes.push(format!("{} are hidden by {}{more}", filters.len(), shown.join(", ")));
    }
    Some(format!(
        "{} of {known} known repositories would become gone or excluded ({}), more than {} % and more than {}: check \
         the credential and the filters, then `sync approve` if it is meant",
        gone + filters.len(),
        causes.join(", "),
        guard.percent,
        guard.at_least
    ))
}

/// P2.13: whether a sync stops before planning, because the catalog lacks too many of the entities last
/// seen. Those of files that no longer parse count as still there; a new catalog may be empty.
pub fn catalog_shrunk(
    previous: &[EntityRef],
    now: &[EntityRef],
    unreadable: &[EntityRef],
    guard: Guard,
) -> Option<String> {
    let there: FxHashSet<&EntityRef> = now.iter().chain(unreadable).collect();
    let previous: BTreeSet<&EntityRef> = previous.iter().collect();
    let lacking: Vec<&EntityRef> = previous.iter().copied().filter(|entity| !there.contains(entity)).collect();
    let is_emptied = there.is_empty() && !previous.is_empty();
    if !is_emptied && !guard.is_passed(lacking.len(), previous.len()) {
        return None;
    }
    let examples: Vec<&str> = lacking.iter().take(3).map(|entity| entity.as_str()).collect();
    let more = if lacking.len() > 3 { ", …" } else { "" };
    let what = if is_emptied {
        format!("the catalog is empty: all {} entities last seen are missing", previous.len())
    } else {
        format!(
            "the catalog lacks {} of the {} entities last seen, more than {} % and more than {}",
            lacking.len(),
            previous.len(),
            guard.percent,
            guard.at_least
        )
    };
    Some(format!(
        "{what} ({}{more}): check that its directory is mounted and checked out, then `sync approve` if it is meant",
        escape_control(&examples.join(", "))
    ))
}

/// Why auto-import leaves a repository alone: a person set it aside, unlinked it, or undid its import.
pub fn tombstone(decision: &Decision) -> Option<String> {
    let by = escape_control(&decision.by);
    match &decision.kind {
        DecisionKind::Ignored => Some(format!("{by} set it aside; `discovered restore` brings it back")),
        DecisionKind::Unlinked { .. } => {
            let left: Vec<&str> = decision.kind.let_go().map(EntityRef::as_str).collect();
            let entity = left.join(" and ");
            Some(format!("{by} unlinked it from {entity}; import it by hand to link it again"))
        }
        DecisionKind::Undone { entity, .. } => {
            Some(format!("{by} undid its import into {entity}; import it by hand to have it again"))
        }
        DecisionKind::Restored { .. } | DecisionKind::Target { .. } => None,
    }
}

/// P4.4, P3.8: why auto-import may not carry out a recommendation; `Ok` when it may. The engine asks it to
/// choose what is wanted, [`super::plan`] asks again.
///
/// # Errors
/// The reason, a sentence a person can act on.
pub fn may_auto_import(
    decision: Option<&Decision>,
    entity: Option<&EntityRef>,
    first_seen_under_auto_import: bool,
    unseen: &Unseen,
) -> Result<(), String> {
    if let Some(reason) = decision.and_then(tombstone) {
        return Err(reason);
    }
    if let Some(DecisionKind::Target { entity: chosen }) = decision.map(|decision| &decision.kind)
        && entity != Some(chosen)
    {
        return Err(format!("a person chose {chosen} for it; import it by hand"));
    }
    if !first_seen_under_auto_import {
        return Err("it was discovered before auto-import was on; import it by hand".to_owned());
    }
    match unseen {
        Unseen::Allowed => Ok(()),
        Unseen::Withheld { because } => {
            Err(format!("a person has to look first: {}; import it by hand", escape_control(because)))
        }
    }
}

/// The newest decision about each repository.
pub(crate) fn newest(decisions: &[Decision]) -> FxHashMap<&RepoKey, &Decision> {
    let mut newest: FxHashMap<&RepoKey, &Decision> = FxHashMap::default();
    for decision in decisions {
        let there = newest.entry(&decision.repo).or_insert(decision);
        if decision.at > there.at {
            *there = decision;
        }
    }
    newest
}

/// P4.14 and invariant 3: holds what a sync may not do unseen, with the step inside for `sync approve`.
pub(crate) fn hold_unseen(
    plan: &mut Plan,
    catalog_size: usize,
    guard: Guard,
    rules_changed: bool,
    decisions_lost: bool,
) {
    if decisions_lost {
        hold(plan, is_import, |_| {
            "the store is new and no decisions file says what people decided before: look through, then `sync \
             approve`, or configure `decisions`"
                .to_owned()
        });
    }
    let theirs = plan.steps.iter().filter(|step| changes_theirs(step)).count();
    if rules_changed && theirs > 0 {
        hold(plan, changes_theirs, |_| {
            "rules or fields changed, and this would change a document we did not create: look at the diff, then \
             `sync approve`"
                .to_owned()
        });
    } else if guard.is_passed(theirs, catalog_size) {
        hold(plan, changes_theirs, |_| {
            format!(
                "this sync would change {theirs} documents we did not create, more than {} % of the catalog's \
                 {catalog_size} entities and more than {}: look at the diffs, then `sync approve`",
                guard.percent, guard.at_least
            )
        });
    }
}

/// P4.14: holds what would change documents of others that nobody could look at when changed rules were accepted:
/// their files did not parse, or their repositories were not there.
pub fn hold_unlooked(plan: &mut Plan, of: &BTreeSet<(RepoKey, EntityRef)>) {
    if of.is_empty() {
        return;
    }
    let is_meant = |step: &Step| changes_theirs(step) && of.contains(&(step.repo.clone(), step.entity.clone()));
    hold(plan, is_meant, |_| {
        "rules or fields changed while its document could not be looked at, and this would change it: look at the \
         diff, then `sync approve`"
            .to_owned()
    });
    plan.sort();
}

/// The documents of others that a plan changes, or would change were it not held.
pub fn of_others(plan: &Plan) -> BTreeSet<(RepoKey, EntityRef)> {
    let steps = plan.steps.iter().chain(plan.approvable());
    steps.filter(|step| changes_theirs(step)).map(|step| (step.repo.clone(), step.entity.clone())).collect()
}

/// P4.14 over several plans: many documents of others are not changed one by one either. Holds what would change them
/// where they pass the guard together with those that looks at single repositories changed, or wanted to, `before`.
pub fn hold_beyond(plan: &mut Plan, catalog_size: usize, guard: Guard, before: &BTreeSet<(RepoKey, EntityRef)>) {
    let here = plan.steps.iter().filter(|step| changes_theirs(step));
    let here: BTreeSet<(RepoKey, EntityRef)> = here.map(|step| (step.repo.clone(), step.entity.clone())).collect();
    let more = before.difference(&here).count();
    if here.is_empty() || more == 0 || !guard.is_passed(here.len() + more, catalog_size) {
        return;
    }
    hold(plan, changes_theirs, |_| {
        format!(
            "this would change {} documents we did not create, beside {more} that webhooks brought since the last sync: \
             together more than {} % of the catalog's {catalog_size} entities and more than {}: look at the diffs, then \
             `sync approve`",
            here.len(),
            guard.percent,
            guard.at_least
        )
    });
    plan.sort();
}

/// P4.14: holds what waits for a person already: nothing that a guard held is done meanwhile by another way.
pub fn hold_waiting(plan: &mut Plan, waiting: &Plan, id: &str) {
    let asked: BTreeSet<(&RepoKey, &EntityRef)> = waiting.approvable().map(|step| (&step.repo, &step.entity)).collect();
    let id = escape_control(id);
    hold(
        plan,
        |step| asked.contains(&(&step.repo, &step.entity)),
        |_| format!("a change of it waits for a person: look at the diff, then `sync approve {id}`"),
    );
    plan.sort();
}

/// Makes an import; adoption only remembers one.
fn is_import(step: &Step) -> bool {
    match &step.work {
        Work::Register(_) => true,
        Work::Edit(edit) => edit.purpose == super::step::EditPurpose::Merge,
    }
}

fn changes_theirs(step: &Step) -> bool {
    match &step.work {
        Work::Register(_) => false,
        Work::Edit(edit) => step.action == ImportAction::Merge && !edit.fields.is_empty(),
    }
}

fn hold(plan: &mut Plan, which: impl Fn(&Step) -> bool, reason: impl Fn(&Step) -> String) {
    let (held, steps): (Vec<Step>, Vec<Step>) = std::mem::take(&mut plan.steps).into_iter().partition(which);
    plan.steps = steps;
    plan.held.extend(held.into_iter().map(|step| Held {
        repo: step.repo.clone(),
        full_name: step.full_name.clone(),
        entity: Some(step.entity.clone()),
        reason: reason(&step),
        step: Some(step),
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refs(range: std::ops::Range<usize>) -> Vec<EntityRef> {
        range.map(|n| EntityRef::backstage("component", "default", &format!("e{n}"))).collect()
    }

    #[track_caller]
    fn shrunk(previous: usize, now: std::ops::Range<usize>, unreadable: std::ops::Range<usize>, stops: bool) {
        let reason = catalog_shrunk(&refs(0..previous), &refs(now), &refs(unreadable), Guard::default());
        assert_eq!(reason.is_some(), stops, "{reason:?}");
    }

    /// P2.13: more than 10 % and more than 3; emptied included; new and empty allowed; unparsable counts.
    #[test]
    fn a_shrunk_catalog_stops() {
        shrunk(0, 0..0, 0..0, false);
        shrunk(0, 0..50, 0..0, false);
        shrunk(2, 0..0, 0..0, true);
        shrunk(2, 0..0, 0..2, false);
        shrunk(10, 0..7, 0..0, false);
        shrunk(10, 0..6, 0..0, true);
        shrunk(10, 0..6, 6..7, false);
        shrunk(100, 0..90, 0..0, false);
        shrunk(100, 0..89, 0..0, true);
        shrunk(100, 11..200, 0..0, true);
    }

    #[track_caller]
    fn absence(known: usize, gone: usize, excluded: usize, other: usize, stops: bool) {
        let filter = || Presence::Excluded { filter: "exclude: sandbox-*".to_owned() };
        let presences = std::iter::repeat_n(Presence::Gone, gone)
            .chain(std::iter::repeat_with(filter).take(excluded))
            .chain(std::iter::repeat_n(Presence::MissingOnce, other));
        let changes: Vec<_> =
            presences.enumerate().map(|(n, presence)| (RepoKey::cloud(format!("{{{n}}}")), presence)).collect();
        let reason = would_stop(known, &changes, Guard::default());
        assert_eq!(reason.is_some(), stops, "{reason:?}");
    }

    /// P2.9: more than 10 % (and more than 3) gone or excluded stops the sync.
    #[test]
    fn too_many_absences_stop() {
        absence(0, 0, 0, 0, false);
        absence(3, 3, 0, 0, false);
        absence(4, 4, 0, 0, true);
        absence(10, 2, 2, 0, true);
        absence(40, 4, 0, 0, false);
        absence(40, 4, 1, 0, true);
        absence(40, 4, 0, 30, false);
        absence(1000, 100, 0, 0, false);
        absence(1000, 50, 51, 0, true);
    }

    /// P2.9: the reason names the cause.
    #[test]
    fn reasons_name_the_cause() {
        let excluded = || Presence::Excluded { filter: "exclude: s\u{1b}*".to_owned() };
        let changes: Vec<_> = [Presence::Gone, Presence::Gone, excluded(), excluded()]
            .into_iter()
            .enumerate()
            .map(|(n, presence)| (RepoKey::cloud(n.to_string()), presence))
            .collect();
        insta::assert_snapshot!(would_stop(12, &changes, Guard::default()).unwrap_or_default(), @r#"4 of 12 known repositories would become gone or excluded (2 are not listed any more, 2 are hidden by `exclude: s\u{1b}*`), more than 10 % and more than 3: check the credential and the filters, then `sync approve` if it is meant"#);
        insta::assert_snapshot!(
            catalog_shrunk(&refs(0..20), &refs(0..12), &[], Guard::default()).unwrap_or_default(), @"the catalog lacks 8 of the 20 entities last seen, more than 10 % and more than 3 (component:default/e12, component:default/e13, component:default/e14, …): check that its directory is mounted and checked out, then `sync approve` if it is meant");
        insta::assert_snapshot!(catalog_shrunk(&refs(0..2), &[], &[], Guard::default()).unwrap_or_default(), @"the catalog is empty: all 2 entities last seen are missing (component:default/e0, component:default/e1): check that its directory is mounted and checked out, then `sync approve` if it is meant");
    }
}
