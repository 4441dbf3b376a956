//! The nouns of the program. Depends on nothing else here: no I/O, no clock.

pub mod coverage;
pub mod decision;
pub mod delivery;
pub mod detail;
pub mod entity;
pub mod link;
pub mod recommendation;
pub mod repository;
pub mod secondary;
pub mod sync;
pub mod user;

/// Reads a field that is there as `Some`, `null` included: with `default` and `skip_serializing_if`, absent and
/// `null` stay two things (plain serde makes `null` of both).
pub(crate) fn present<'de, T: serde::Deserialize<'de>, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

pub use coverage::Coverage;
pub use decision::{Decision, DecisionKind};
pub use delivery::{Delivery, DeliveryPlace, DeliveryState, Touched, WaitingDeliveries};
pub use detail::{Build, Detail, DetailBody, DetailCoverage, DetailKind, FileChange, Review, ReviewAction};
pub use entity::{ClaimedName, Entity, EntityFormat, EntityRef, Mark, Place};
pub use link::{ImportAction, ImportId, Link, LinkState, WrittenField};
pub use recommendation::{Action, Recommendation, Registration, Unseen};
pub use repository::{
    Fingerprint, HEAD, IngestedRecord, InstanceId, IntegrationKey, KnownRepository, Presence, RepoKey, Repository,
};
pub use secondary::{Commit, Item, ItemId, PullRequest, PullRequestState, SecondaryKind};
pub use sync::{
    HeldEntry, ImportCoverage, Outcome, Secondary, SecondaryCounts, SyncError, SyncId, SyncRecord, Trigger,
};
pub use user::{User, UserCoverage, UserKind};
