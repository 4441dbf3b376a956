//! Deliveries worked together: where each integration is to look, and what becomes of each afterwards. Pure.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};

use super::GIVEN_UP_AFTER;
use super::pace::pause;
use crate::model::delivery::coalesce;
use crate::model::{Delivery, DeliveryState, Touched};

/// Repositories of one batch: a crawl that waits for it waits a moment.
const REPOSITORIES: usize = 50;
/// What fails for one repository is tried so often; then a sync of the whole brings it.
const ATTEMPTS: u32 = 8;

/// How deliveries end.
const SYNCED: &str = "synced";
pub(super) const SUSPENDED: &str = "suspended: the next sync brings it";
pub(super) const NO_INTEGRATION: &str = "no integration of the connector";
const GIVEN_UP: &str = "given up: the next sync brings it";

/// How a metric calls an outcome.
pub(super) fn label(outcome: &str) -> &'static str {
    match outcome {
        SYNCED => "synced",
        SUSPENDED => "suspended",
        NO_INTEGRATION => "no_integration",
        _ => "given_up",
    }
}

/// What came of it in one integration.
pub(super) enum Came {
    /// It looked at these; at some it has to look again.
    Looked { of: HashSet<String>, left: HashSet<String> },
    /// It need not look.
    Passed(&'static str),
    /// It cannot look before.
    Rests(DateTime<Utc>),
}

impl Came {
    pub(super) fn looked(of: &[Touched], left: &[Touched]) -> Self {
        let identities = |all: &[Touched]| all.iter().map(identity).collect();
        Self::Looked { of: identities(of), left: identities(left) }
    }
}

/// Deliveries worked together.
pub(super) struct Batch {
    deliveries: Vec<Delivery>,
    /// Of the connectors that signed them.
    integrations: Vec<String>,
    came: BTreeMap<String, Came>,
}

impl Batch {
    /// The first, up to so many repositories; whatever else is about those comes along.
    pub(super) fn of(mut deliveries: Vec<Delivery>, integrations: Vec<String>) -> Self {
        let all = coalesce(deliveries.iter().flat_map(|delivery| delivery.touched.iter().cloned()));
        let kept: HashSet<String> = all.iter().take(REPOSITORIES).map(identity).collect();
        deliveries.retain(|delivery| delivery.touched.iter().all(|one| kept.contains(&identity(one))));
        Self { deliveries, integrations, came: BTreeMap::new() }
    }

    /// Where an integration is to look, each once. `may_be_half`: something of it may have been done already, and not
    /// all.
    pub(super) fn asked(&self, integration: &str, may_be_half: impl Fn(&Delivery) -> bool) -> Vec<Touched> {
        let open = self.deliveries.iter().filter(|delivery| !delivery.looked.contains(integration));
        coalesce(open.flat_map(|delivery| {
            let again = attempts(delivery) > 0 || may_be_half(delivery);
            delivery.touched.iter().map(move |one| Touched { again, ..one.clone() })
        }))
    }

    /// Notes what came of it in an integration.
    pub(super) fn came(&mut self, integration: &str, came: Came) {
        self.came.insert(integration.to_owned(), came);
    }

    /// What becomes of them: those that are as they were are left out.
    pub(super) fn settled(self, now: DateTime<Utc>) -> Vec<Delivery> {
        let settled = self.deliveries.iter().map(|delivery| self.settle(delivery, now));
        settled.zip(&self.deliveries).filter(|(after, before)| after != *before).map(|(after, _)| after).collect()
    }

    fn settle(&self, before: &Delivery, now: DateTime<Utc>) -> Delivery {
        let mut after = before.clone();
        let mut outcome = if self.integrations.is_empty() { NO_INTEGRATION } else { SYNCED };
        let mut passed = None;
        // When each that has still to look may do so; `None`: now.
        let mut open: Vec<Option<DateTime<Utc>>> = Vec::new();
        let mut is_left = false;
        for name in self.integrations.iter().filter(|name| !before.looked.contains(*name)) {
            let touches = |of: &HashSet<String>| before.touched.iter().any(|one| of.contains(&identity(one)));
            match self.came.get(name) {
                Some(Came::Looked { left, .. }) if touches(left) => {
                    is_left = true;
                    open.push(Some(now + pause(attempts(before))));
                }
                Some(Came::Looked { of, .. }) if before.touched.iter().all(|one| of.contains(&identity(one))) => {
                    after.looked.insert(name.clone());
                }
                Some(Came::Passed(because)) => {
                    passed = Some(*because);
                    after.looked.insert(name.clone());
                }
                Some(Came::Rests(until)) => open.push(Some(*until)),
                Some(Came::Looked { .. }) | None => open.push(None),
            }
        }
        if let (Some(because), true) = (passed, self.came.values().all(|came| matches!(came, Came::Passed(_)))) {
            outcome = because;
        }
        let tried = attempts(before) + u32::from(is_left);
        let is_too_old = now - before.received_at > GIVEN_UP_AFTER && open.iter().all(Option::is_some);
        after.state = if open.is_empty() {
            DeliveryState::Done { at: now, outcome: outcome.to_owned() }
        } else if (is_left && tried >= ATTEMPTS) || is_too_old {
            DeliveryState::Done { at: now, outcome: GIVEN_UP.to_owned() }
        } else {
            // Whoever may look first.
            let first = open.into_iter().min().flatten();
            DeliveryState::Waiting { attempts: tried, not_before: first.unwrap_or_else(|| due(before)) }
        };
        if matches!(after.state, DeliveryState::Done { .. }) {
            after.looked.clear();
        }
        after
    }
}

fn attempts(delivery: &Delivery) -> u32 {
    match delivery.state {
        DeliveryState::Waiting { attempts, .. } => attempts,
        DeliveryState::Done { .. } => 0,
    }
}

fn due(delivery: &Delivery) -> DateTime<Utc> {
    match delivery.state {
        DeliveryState::Waiting { not_before, .. } => not_before,
        DeliveryState::Done { at, .. } => at,
    }
}

fn identity(touched: &Touched) -> String {
    touched.id.clone().unwrap_or_else(|| touched.full_name().to_lowercase())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use chrono::Duration;

    use super::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::minutes(minute)
    }

    fn delivery(id: usize, repository: usize) -> Delivery {
        let touched = Touched {
            id: Some(format!("{{{repository}}}")),
            workspace: "acme".to_owned(),
            slug: format!("r{repository}"),
            kinds: BTreeSet::new(),
            again: false,
        };
        Delivery {
            id: id.to_string(),
            body_sha256: id.to_string(),
            connectors: vec!["acme".to_owned()],
            event: "repo:push".to_owned(),
            touched: vec![touched],
            received_at: at(0),
            state: DeliveryState::Waiting { attempts: 0, not_before: at(0) },
            looked: BTreeSet::new(),
        }
    }

    fn batch(deliveries: Vec<Delivery>, integrations: &[&str]) -> Batch {
        Batch::of(deliveries, integrations.iter().map(|name| (*name).to_owned()).collect())
    }

    fn outcome(delivery: &Delivery) -> Option<&str> {
        match &delivery.state {
            DeliveryState::Done { outcome, .. } => Some(outcome),
            DeliveryState::Waiting { .. } => None,
        }
    }

    // P6.12: a burst of 10,000 events on 200 repositories is 200 looks, in batches that end soon.
    #[test]
    fn a_burst_is_one_look_at_each_repository_p6_12() {
        let mut waiting: Vec<Delivery> = (0..10_000).map(|id| delivery(id, id * 7 % 200)).collect();
        let (mut looks, mut batches) = (0, 0);
        while !waiting.is_empty() {
            let mut batch = batch(waiting.clone(), &["a"]);
            let asked = batch.asked("a", |_| false);
            assert!(asked.len() <= REPOSITORIES);
            looks += asked.len();
            batches += 1;
            batch.came("a", Came::looked(&asked, &[]));
            let done = batch.settled(at(1));
            assert!(done.iter().all(|one| outcome(one) == Some(SYNCED)));
            let done: HashSet<String> = done.into_iter().map(|one| one.id).collect();
            waiting.retain(|one| !done.contains(&one.id));
        }
        assert_eq!((looks, batches), (200, 4));
    }

    // P6.12: what fails is tried again, later each time, and not for ever.
    #[test]
    fn what_fails_is_tried_again_and_not_for_ever_p6_12() {
        let mut now = at(0);
        let mut waiting = vec![delivery(1, 1), delivery(2, 2)];
        let mut pauses = Vec::new();
        loop {
            let mut batch = batch(waiting.clone(), &["a"]);
            let asked = batch.asked("a", |_| false);
            assert_eq!(asked[0].again, !pauses.is_empty(), "its entity is looked at though nothing changed");
            batch.came("a", Came::looked(&asked, &asked[..1]));
            waiting = batch.settled(now).into_iter().filter(|one| one.id == "1").collect();
            match waiting[0].state {
                DeliveryState::Waiting { not_before, .. } => {
                    pauses.push((not_before - now).num_seconds());
                    now = not_before;
                }
                DeliveryState::Done { .. } => break,
            }
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640]);
        assert_eq!(outcome(&waiting[0]), Some(GIVEN_UP));
    }

    // P6.12: an integration that cannot look keeps no other from looking, and those need not look again.
    #[test]
    fn who_cannot_look_keeps_nobody_from_looking_p6_12() {
        let mut one = batch(vec![delivery(1, 1), delivery(2, 2)], &["a", "b", "c"]);
        one.came("a", Came::Rests(at(5)));
        one.came("b", Came::looked(&one.asked("b", |_| false), &[]));
        one.came("c", Came::Passed(SUSPENDED));
        let waiting = one.settled(at(0));
        let looked = BTreeSet::from(["b".to_owned(), "c".to_owned()]);
        assert!(waiting.iter().all(|one| one.looked == looked), "{waiting:?}");
        let state = DeliveryState::Waiting { attempts: 0, not_before: at(5) };
        assert!(waiting.iter().all(|one| one.state == state), "{waiting:?}");

        let mut later = batch(waiting.clone(), &["a", "b", "c"]);
        assert_eq!((later.asked("b", |_| false).len(), later.asked("a", |_| true)[0].again), (0, true));
        later.came("a", Came::looked(&later.asked("a", |_| true), &[]));
        let done = later.settled(at(5));
        assert!(done.iter().all(|one| outcome(one) == Some(SYNCED) && one.looked.is_empty()), "{done:?}");

        let mut never = batch(waiting, &["a", "b", "c"]);
        never.came("a", Came::Rests(at(24 * 60 + 9)));
        let done = never.settled(at(24 * 60 + 1));
        assert!(done.iter().all(|one| outcome(one) == Some(GIVEN_UP)), "{done:?}");
    }

    // P6.12: what the hour's requests are not enough for waits as it is; whoever has nobody to look is done.
    #[test]
    fn what_was_not_come_to_stays_as_it_is_p6_12() {
        let mut cut = batch(vec![delivery(1, 1), delivery(2, 2)], &["a"]);
        cut.came("a", Came::looked(&cut.asked("a", |_| false)[..1], &[]));
        let settled = cut.settled(at(0));
        assert_eq!(
            settled.iter().map(|one| (one.id.as_str(), outcome(one))).collect::<Vec<_>>(),
            [("1", Some(SYNCED))]
        );
        assert_eq!(batch(vec![delivery(1, 1)], &["a"]).settled(at(0)), [], "the first was spent: nobody looked");
        assert_eq!(outcome(&batch(vec![delivery(1, 1)], &[]).settled(at(0))[0]), Some(NO_INTEGRATION));
        let mut resting = batch(vec![delivery(1, 1)], &["a"]);
        resting.came("a", Came::Passed(SUSPENDED));
        assert_eq!(outcome(&resting.settled(at(0))[0]), Some(SUSPENDED));
        assert_eq!(
            [SYNCED, SUSPENDED, NO_INTEGRATION, GIVEN_UP].map(label),
            ["synced", "suspended", "no_integration", "given_up"]
        );
    }
}
