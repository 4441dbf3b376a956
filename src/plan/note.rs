//! What planning noticed on the way: for reports, and for the memory of links.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::step::FieldPath;
use crate::model::{EntityRef, Link, LinkState, RepoKey, WrittenField};

/// Something noticed about a repository and its entity that is no step. Notes of a plan that is carried
/// out are taken over into the links ([`Note::remember`]), so that each is reported once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// The repository.
    pub repo: RepoKey,
    /// Its full name, for people.
    pub full_name: String,
    /// The entity.
    pub entity: EntityRef,
    /// What was noticed.
    pub about: About,
}

/// What was noticed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "about")]
pub enum About {
    /// We wrote this field, and someone changed it since: it is theirs now. Reported once.
    Theirs {
        /// Which field.
        path: FieldPath,
        /// What we wrote last.
        wrote: Option<Value>,
        /// What is there now.
        now: Option<Value>,
    },
    /// The field holds what we would write, though the link does not remember that we did (a kill between
    /// file and store, a lost store): ours again. Nothing to report.
    Ours {
        /// Which field.
        path: FieldPath,
        /// What is there; `None`: absent, as wanted.
        value: Option<Value>,
    },
    /// A mapped value that was not written.
    Omitted {
        /// Which field.
        path: FieldPath,
        /// Why.
        reason: String,
    },
    /// A new entity has owner `unknown`: no rule and no person gave one.
    OwnerUnknown,
    /// The entity of a link is not in the catalog any more (P2.13).
    EntityMissing,
    /// It was missing and is there again.
    EntityFound,
}

impl Note {
    /// Takes the note over into the link of its repository and entity. After a plan was carried out, call
    /// this for every note of the plan whose link exists then; after a dry run for none.
    pub fn remember(&self, link: &mut Link) {
        match &self.about {
            About::Theirs { path, wrote, .. } => {
                link.written.insert(path.to_string(), WrittenField { value: wrote.clone(), theirs: true });
            }
            About::Ours { path, value } => {
                link.written.insert(path.to_string(), WrittenField { value: value.clone(), theirs: false });
            }
            About::EntityMissing => link.state = LinkState::EntityMissing,
            About::EntityFound => link.state = LinkState::Active,
            About::Omitted { .. } | About::OwnerUnknown => {}
        }
    }

    /// Whether a person should read it. The others only keep the memory of links right.
    pub fn is_for_people(&self) -> bool {
        !matches!(self.about, About::Ours { .. })
    }

    /// Notes of a plan are sorted by this.
    pub(crate) fn sort_key(&self) -> (String, RepoKey, EntityRef, u8, Option<FieldPath>) {
        let (rank, path) = match &self.about {
            About::EntityMissing => (0, None),
            About::EntityFound => (1, None),
            About::OwnerUnknown => (2, None),
            About::Theirs { path, .. } => (3, Some(path.clone())),
            About::Omitted { path, .. } => (4, Some(path.clone())),
            About::Ours { path, .. } => (5, Some(path.clone())),
        };
        (self.full_name.clone(), self.repo.clone(), self.entity.clone(), rank, path)
    }
}
