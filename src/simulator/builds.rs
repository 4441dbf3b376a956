//! Builds of commits: what build servers told Bitbucket.

use chrono::{DateTime, Duration, Utc};

use super::seed::{Sequence, mix};
use super::world::World;

/// How a build ended, or that it did not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildState {
    /// It worked.
    Successful,
    /// It did not.
    Failed,
    /// It runs.
    InProgress,
    /// Somebody stopped it.
    Cancelled,
    /// The build server does not say.
    Unknown,
}

impl BuildState {
    /// As Bitbucket writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Successful => "SUCCESSFUL",
            Self::Failed => "FAILED",
            Self::InProgress => "INPROGRESS",
            Self::Cancelled => "CANCELLED",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// A build of a commit. One commit has one per key; a later one replaces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildStatus {
    /// What is built, as the build server calls it.
    pub key: String,
    /// For people.
    pub name: String,
    /// How it stands.
    pub state: BuildState,
    /// Where it can be looked at.
    pub url: String,
    /// May be empty.
    pub description: String,
    /// When it was told of first.
    pub created_on: DateTime<Utc>,
    /// When it was told of last.
    pub updated_on: DateTime<Utc>,
}

impl BuildStatus {
    /// A build of a key, told of now.
    pub fn new(key: &str, state: BuildState, now: DateTime<Utc>) -> Self {
        Self {
            key: key.to_owned(),
            name: format!("{key} #1"),
            state,
            url: format!("https://builds.acme.example/browse/{key}-1"),
            description: String::new(),
            created_on: now,
            updated_on: now,
        }
    }
}

impl World {
    /// Tells of a build of a commit, whichever repository it is in; the last word about a key counts.
    pub fn set_build_status(&mut self, commit: &str, status: BuildStatus) {
        let known = self.builds.entry(commit.to_owned()).or_default();
        known.retain(|other| other.key != status.key);
        known.push(status);
    }

    /// So many of a hundred commits have builds without anybody telling of them, made from their hashes.
    pub fn derive_builds(&mut self, percent: u64) {
        self.derived_builds_percent = percent;
    }

    /// The builds of a commit, most recently told of first.
    pub fn builds_of(&self, commit: &str) -> Vec<BuildStatus> {
        let mut builds = self.builds.get(commit).cloned().unwrap_or_default();
        builds.extend(self.derived_builds(commit));
        builds.sort_by_key(|build| std::cmp::Reverse(build.updated_on));
        builds
    }

    fn derived_builds(&self, commit: &str) -> Vec<BuildStatus> {
        let seed = commit.get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok());
        let (Some(seed), 40) = (seed, commit.len()) else { return Vec::new() };
        let mut numbers = Sequence::new(mix(self.seed, 0, 31), seed);
        if !numbers.percent(self.derived_builds_percent) {
            return Vec::new();
        }
        (1..=1 + numbers.below(3))
            .map(|number| {
                let state = match numbers.below(12) {
                    0..8 => BuildState::Successful,
                    8..10 => BuildState::Failed,
                    10 => BuildState::Cancelled,
                    _ => BuildState::Unknown,
                };
                let build = 1 + numbers.below(900);
                let told = DateTime::UNIX_EPOCH
                    + Duration::seconds(1_600_000_000 + i64::try_from(numbers.below(200_000_000)).unwrap_or(0));
                BuildStatus {
                    key: format!("ACME-PLAN{number}"),
                    name: format!("Plan {number} #{build}"),
                    state,
                    url: format!("https://builds.acme.example/browse/ACME-PLAN{number}-{build}"),
                    description: if numbers.percent(50) { "All tests ran".to_owned() } else { String::new() },
                    created_on: told,
                    updated_on: told + Duration::seconds(i64::try_from(numbers.below(3_600)).unwrap_or(0)),
                }
            })
            .collect()
    }
}
