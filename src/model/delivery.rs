//! Webhooks as kept: who signed them and where they say to look. Never what is there (invariant 5).

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::SecondaryKind;

/// Where an event says to look: one repository, and which of its kinds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touched {
    /// Cloud: the uuid with its braces. Data Center: the numeric id. `None`: the event names it by its place alone.
    pub id: Option<String>,
    /// Workspace slug or project key, as the event has it; the event may be old.
    pub workspace: String,
    /// Short name in URLs, as the event has it.
    pub slug: String,
    /// What else may have changed than the repository itself; empty: nothing.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub kinds: BTreeSet<SecondaryKind>,
    /// It was looked at before, and something was left to do: its entity is brought up to date though nothing changes.
    #[serde(skip)]
    pub again: bool,
}

impl Touched {
    /// `workspace/slug`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.workspace, self.slug)
    }

    /// What makes two of them one: the id where there is one, else the place without regard to case.
    fn identity(&self) -> (Option<&str>, String) {
        match &self.id {
            Some(id) => (Some(id), String::new()),
            None => (None, self.full_name().to_lowercase()),
        }
    }
}

/// Many events of one repository are one look at it: kinds together, place as named last. In the order they were
/// first met.
pub fn coalesce(touched: impl IntoIterator<Item = Touched>) -> Vec<Touched> {
    let mut places: HashMap<(Option<String>, String), usize> = HashMap::new();
    let mut all: Vec<Touched> = Vec::new();
    for one in touched {
        let (id, place) = one.identity();
        match places.get(&(id.map(str::to_owned), place.clone())) {
            Some(at) => {
                let before = std::mem::take(&mut all[*at].kinds);
                let again = all[*at].again || one.again;
                all[*at] = Touched { kinds: before.into_iter().chain(one.kinds).collect(), again, ..one };
            }
            None => {
                places.insert((id.map(str::to_owned), place), all.len());
                all.push(one);
            }
        }
    }
    all
}

/// A webhook that was acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// As the sender numbered it; the hash of the body where it did not.
    pub id: String,
    /// SHA-256 of the body, in hex.
    pub body_sha256: String,
    /// Connectors whose secret signed it, sorted: it counts for their integrations alone.
    pub connectors: Vec<String>,
    /// `pullrequest:created`, `repo:refs_changed`, …
    pub event: String,
    /// Where it says to look.
    pub touched: Vec<Touched>,
    /// When it came.
    pub received_at: DateTime<Utc>,
    /// What became of it.
    pub state: DeliveryState,
    /// Names of integrations that have looked there, while others have not yet.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub looked: BTreeSet<String>,
}

/// Where a delivery lies among all: by when it came, who signed it, and its id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DeliveryPlace {
    /// When it came.
    pub received_at: DateTime<Utc>,
    /// Who signed it.
    pub connectors: Vec<String>,
    /// Its number.
    pub id: String,
}

/// Deliveries of the same signers that wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingDeliveries {
    /// Who signed them, sorted.
    pub connectors: Vec<String>,
    /// How many there are.
    pub count: u64,
    /// When the oldest came.
    pub oldest: DateTime<Utc>,
}

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum DeliveryState {
    /// To be worked.
    Waiting {
        /// How often it was tried.
        attempts: u32,
        /// Not before this.
        not_before: DateTime<Utc>,
    },
    /// Nothing is left to do.
    Done {
        /// Since when.
        at: DateTime<Utc>,
        /// What came of it, in words: `synced`, or why not.
        outcome: String,
    },
}

impl Delivery {
    /// Where it lies.
    pub fn place(&self) -> DeliveryPlace {
        DeliveryPlace { received_at: self.received_at, connectors: self.connectors.clone(), id: self.id.clone() }
    }

    /// Whether it is still to be worked.
    pub fn is_waiting(&self) -> bool {
        matches!(self.state, DeliveryState::Waiting { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touched(id: Option<&str>, slug: &str, kinds: &[SecondaryKind]) -> Touched {
        let kinds = kinds.iter().copied().collect();
        Touched { id: id.map(str::to_owned), workspace: "acme".to_owned(), slug: slug.to_owned(), kinds, again: false }
    }

    #[track_caller]
    fn check(events: &[Touched], one_each: &[Touched]) {
        assert_eq!(coalesce(events.iter().cloned()), one_each);
    }

    // P6.12: a burst of events is one look at each repository, whatever order they come in.
    #[test]
    fn many_events_of_a_repository_are_one_look_at_it_p6_12() {
        use SecondaryKind::{Commits, PullRequests};
        check(&[], &[]);
        check(
            &[
                touched(Some("{1}"), "web", &[Commits]),
                touched(Some("{2}"), "api", &[]),
                touched(Some("{1}"), "web-shop", &[PullRequests]),
                touched(Some("{2}"), "api", &[]),
            ],
            &[touched(Some("{1}"), "web-shop", &[PullRequests, Commits]), touched(Some("{2}"), "api", &[])],
        );
        // Without an id, the place tells; with one, it does not.
        check(
            &[touched(None, "Web", &[Commits]), touched(None, "web", &[]), touched(Some("{1}"), "web", &[])],
            &[touched(None, "web", &[Commits]), touched(Some("{1}"), "web", &[])],
        );
    }
}
