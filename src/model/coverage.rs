//! What of a repository's secondary kind is stored, and what waits.
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::repository::RepoKey;
use super::secondary::SecondaryKind;

/// Coverage of one repository and kind (P5.7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Of which repository.
    pub repo: RepoKey,
    /// Of which kind.
    pub kind: SecondaryKind,
    /// When the newest end was last asked for with success.
    pub checked_at: Option<DateTime<Utc>>,
}
