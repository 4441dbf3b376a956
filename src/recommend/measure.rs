//! How good rules are, by what people confirmed (P3.9): precision, of what they propose how much is right; recall, of what is
//! right how much they find. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::{Action, Decision, DecisionKind, EntityRef, ImportAction, Link, Recommendation, RepoKey};

/// Who makes links that nobody looked at.
const UNATTENDED: &[&str] = &["auto-import", "adopted from its mark"];

/// What people said about one repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It belongs to these: merged by hand, or chosen.
    Belongs(BTreeSet<EntityRef>),
    /// It belongs to no entity that was there: registered by hand, as this one.
    Own(EntityRef),
    /// It belongs to none: set aside.
    None,
    /// It does not belong to these: unlinked, or undone.
    Not(BTreeSet<EntityRef>),
}

/// What rules propose, measured by what people said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Measured {
    /// Merges proposed of which people said whether they are right.
    pub proposed: u64,
    /// Of these, right.
    pub right: u64,
    /// Merges that people confirmed.
    pub confirmed: u64,
    /// Of these, found.
    pub found: u64,
}

impl Measured {
    /// Of the merges proposed, the part that is right, in percent; `None`: none is proposed.
    pub fn precision(&self) -> Option<f64> {
        percent(self.right, self.proposed)
    }

    /// Of the merges people confirmed, the part that is found, in percent; `None`: none is confirmed.
    pub fn recall(&self) -> Option<f64> {
        percent(self.found, self.confirmed)
    }

    /// Takes one repository in.
    pub fn add(&mut self, truth: &Truth, proposal: Option<&Recommendation>) {
        let proposed: BTreeSet<&EntityRef> = proposal
            .filter(|one| one.action == Action::Merge)
            .map(|one| one.entity.iter().chain(&one.also).collect())
            .unwrap_or_default();
        let count = |of: &BTreeSet<EntityRef>| proposed.iter().filter(|entity| of.contains(**entity)).count() as u64;
        match truth {
            Truth::Belongs(entities) => {
                self.proposed += proposed.len() as u64;
                self.right += count(entities);
                self.confirmed += entities.len() as u64;
                self.found += count(entities);
            }
            // That rules find the entity made of a repository says nothing of them.
            Truth::Own(own) => self.proposed += proposed.iter().filter(|entity| **entity != own).count() as u64,
            Truth::None => self.proposed += proposed.len() as u64,
            Truth::Not(entities) => self.proposed += count(entities),
        }
    }
}

/// To a tenth of a percent.
fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 * 1000.0 / whole as f64).round() / 10.0)
}

/// What people said, by repository.
pub fn truths(links: &[Link], decisions: &[Decision]) -> BTreeMap<RepoKey, Truth> {
    let mut truths: BTreeMap<RepoKey, Truth> = BTreeMap::new();
    for decision in decisions {
        let truth = match &decision.kind {
            DecisionKind::Target { entity } => Truth::Belongs(BTreeSet::from([entity.clone()])),
            DecisionKind::Ignored => Truth::None,
            DecisionKind::Unlinked { .. } | DecisionKind::Undone { .. } => {
                Truth::Not(decision.kind.let_go().cloned().collect())
            }
            DecisionKind::Restored { .. } => continue,
        };
        truths.insert(decision.repo.clone(), truth);
    }
    for link in links.iter().filter(|link| !UNATTENDED.contains(&link.imported_by.as_str())) {
        match (link.action, truths.get_mut(&link.repo)) {
            (ImportAction::Merge, Some(Truth::Belongs(entities))) => drop(entities.insert(link.entity.clone())),
            (ImportAction::Merge, _) => {
                truths.insert(link.repo.clone(), Truth::Belongs(BTreeSet::from([link.entity.clone()])));
            }
            (ImportAction::Register, Some(Truth::Belongs(_))) => {}
            (ImportAction::Register, _) => drop(truths.insert(link.repo.clone(), Truth::Own(link.entity.clone()))),
        }
    }
    truths
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Unseen;

    fn entity(name: &str) -> EntityRef {
        EntityRef::backstage("component", "default", name)
    }

    fn merge(into: &[&str]) -> Recommendation {
        Recommendation {
            repo: RepoKey::cloud("{1}"),
            action: if into.is_empty() { Action::Register } else { Action::Merge },
            entity: into.first().map(|name| entity(name)),
            also: into.iter().skip(1).map(|name| entity(name)).collect(),
            rule: None,
            reason: String::new(),
            kind: "Component".to_owned(),
            entity_type: None,
            owner: None,
            unseen: Unseen::Allowed,
            rivals: Vec::new(),
        }
    }

    fn set(names: &[&str]) -> BTreeSet<EntityRef> {
        names.iter().map(|name| entity(name)).collect()
    }

    /// Proposed, right, confirmed, found.
    #[track_caller]
    fn check(truth: Truth, proposal: &[&str], expected: [u64; 4]) {
        let mut measured = Measured::default();
        measured.add(&truth, Some(&merge(proposal)));
        assert_eq!([measured.proposed, measured.right, measured.confirmed, measured.found], expected);
    }

    #[test]
    fn proposals_are_measured_by_what_people_said_p3_9() {
        check(Truth::Belongs(set(&["a"])), &["a"], [1, 1, 1, 1]);
        check(Truth::Belongs(set(&["a"])), &["b"], [1, 0, 1, 0]);
        check(Truth::Belongs(set(&["a", "b"])), &["a", "c"], [2, 1, 2, 1]);
        check(Truth::Belongs(set(&["a"])), &[], [0, 0, 1, 0]);
        check(Truth::Own(entity("a")), &["a"], [0, 0, 0, 0]);
        check(Truth::Own(entity("a")), &["b"], [1, 0, 0, 0]);
        check(Truth::None, &["a"], [1, 0, 0, 0]);
        check(Truth::None, &[], [0, 0, 0, 0]);
        check(Truth::Not(set(&["a"])), &["a"], [1, 0, 0, 0]);
        check(Truth::Not(set(&["a"])), &["b"], [0, 0, 0, 0]);
        let measured = Measured { proposed: 3, right: 2, confirmed: 0, found: 0 };
        assert_eq!((measured.precision(), measured.recall()), (Some(66.7), None));
    }
}
