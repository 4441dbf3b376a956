//! People with an account: an optional kind of the integration, not of a repository (product.md, P5.5).
//!
//! Kept is what tells people apart and what others show of them anyway. An e-mail address, a picture, or when somebody
//! was there last is never asked for, or thrown away unread. Who is not listed any more is forgotten.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::coverage::Unavailable;

/// A list of people is walked again after so long.
const ASK_AGAIN_AFTER: TimeDelta = TimeDelta::hours(24);
/// One that was refused, as everything that was refused, after so long.
const REFUSED_AGAIN_AFTER: TimeDelta = TimeDelta::hours(1);

/// Who an account belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UserKind {
    /// Somebody.
    Person,
    /// A program: an app, a token with a name of its own.
    Service,
    /// A team of older days.
    Team,
}

impl UserKind {
    /// As in tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Service => "service",
            Self::Team => "team",
        }
    }
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct User {
    /// Cloud: the account's `uuid` with its braces, or its `account_id`. Data Center: its number.
    pub id: String,
    /// Display name; `None` where an account has none any more.
    pub name: Option<String>,
    /// What colleagues mention; `None` where there is none, or it is an e-mail address.
    pub nickname: Option<String>,
    /// Who it belongs to.
    pub kind: UserKind,
    /// `None` where the source does not say.
    pub active: Option<bool>,
    /// Page for people.
    pub url: Option<String>,
}

/// How far the list of an integration's people was walked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserCoverage {
    /// When the last whole walk ended; `None`: there was none.
    pub listed_at: Option<DateTime<Utc>>,
    /// Listed, and left for later syncs by a cap.
    pub waiting: u64,
    /// Stored, and not listed when the list was last walked; sorted. Not listed the next time either: forgotten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Set while the source does not let us read them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<Unavailable>,
}

impl UserCoverage {
    /// Whether there may be anything to ask: daily, and while something waits. A time in the future was told by a clock
    /// that has jumped back since.
    pub fn is_due(&self, now: DateTime<Utc>) -> bool {
        if let Some(unavailable) = &self.unavailable {
            let after = if unavailable.is_forbidden { REFUSED_AGAIN_AFTER } else { ASK_AGAIN_AFTER };
            return !(now - after..=now).contains(&unavailable.asked_at);
        }
        let lately = |at: &DateTime<Utc>| (now - ASK_AGAIN_AFTER..=now).contains(at);
        self.waiting > 0 || !self.missing.is_empty() || !self.listed_at.as_ref().is_some_and(lately)
    }
}

/// A walk over the list, from its beginning. What is stored and did not change costs no cap, so that a walk that broke
/// off is simply walked again.
#[derive(Debug)]
pub struct UserWalk {
    stored: BTreeMap<String, User>,
    met: BTreeSet<String>,
    waiting: BTreeSet<String>,
    /// Rows that could not be read: nobody is missing then, they may be one of them.
    is_unsure: bool,
}

impl UserWalk {
    /// With what is stored.
    pub fn new(stored: Vec<User>) -> Self {
        let stored = stored.into_iter().map(|user| (user.id.clone(), user)).collect();
        Self { stored, met: BTreeSet::new(), waiting: BTreeSet::new(), is_unsure: false }
    }

    /// Which of a page are to be stored, at most `room`: those who are new or changed.
    pub fn page(&mut self, users: Vec<User>, has_unreadable: bool, room: u64) -> Vec<User> {
        self.is_unsure |= has_unreadable;
        let mut news = Vec::new();
        for user in users {
            self.met.insert(user.id.clone());
            if self.stored.get(&user.id) == Some(&user) {
                continue;
            }
            if news.len() as u64 == room {
                self.waiting.insert(user.id);
                continue;
            }
            self.waiting.remove(&user.id);
            self.stored.insert(user.id.clone(), user.clone());
            news.push(user);
        }
        news
    }

    /// The end of the whole list: who is to be forgotten. A list of nobody is not believed.
    pub fn end(self, coverage: &mut UserCoverage, now: DateTime<Utc>) -> Vec<String> {
        let is_sure = !self.is_unsure && !self.met.is_empty();
        let absent: BTreeSet<String> = self.stored.into_keys().filter(|id| is_sure && !self.met.contains(id)).collect();
        let (forgotten, missing) = absent.into_iter().partition(|id| coverage.missing.binary_search(id).is_ok());
        *coverage =
            UserCoverage { listed_at: Some(now), waiting: self.waiting.len() as u64, missing, unavailable: None };
        forgotten
    }

    /// How many were met and left for later.
    pub fn waiting(&self) -> u64 {
        self.waiting.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::hours(hours)
    }

    fn user(id: u32, name: &str) -> User {
        let name = Some(name.to_owned());
        User { id: id.to_string(), name, nickname: None, kind: UserKind::Person, active: Some(true), url: None }
    }

    fn ids(users: &[User]) -> Vec<&str> {
        users.iter().map(|user| user.id.as_str()).collect()
    }

    /// P5.5: who left is forgotten, once two whole walks in a row did not meet them, and nobody else.
    #[test]
    fn who_is_not_listed_any_more_is_forgotten() {
        let stored = vec![user(1, "Ada"), user(2, "Bea"), user(3, "Cem")];
        let mut coverage = UserCoverage::default();
        let mut walk = |listed: Vec<User>, has_unreadable: bool| {
            let mut walk = UserWalk::new(stored.clone());
            walk.page(listed, has_unreadable, 9);
            (walk.end(&mut coverage, at(1)), coverage.missing.clone())
        };
        let one = || vec![user(1, "Ada")];
        assert_eq!(walk(vec![], false), (vec![], vec![]), "a list of nobody is not believed");
        assert_eq!(walk(one(), true), (vec![], vec![]), "a row that cannot be read may be anybody");
        assert_eq!(walk(one(), false), (vec![], vec!["2".to_owned(), "3".to_owned()]));
        let back = vec![user(1, "Ada"), user(3, "Cem")];
        assert_eq!(walk(back, false), (vec!["2".to_owned()], vec![]), "3 came back");
    }

    /// P5.3: a cap leaves the rest for later; what is stored and did not change costs none of it.
    #[test]
    fn what_did_not_change_is_not_stored_again() {
        let mut walk = UserWalk::new(vec![user(1, "Ada"), user(2, "Bea")]);
        let news = walk.page(vec![user(1, "Ada"), user(2, "Beatrix"), user(3, "Cem"), user(4, "Dan")], false, 2);
        assert_eq!((ids(&news), walk.waiting()), (vec!["2", "3"], 1));
        // Somebody who came meanwhile pushed rows onto the next page.
        let news = walk.page(vec![user(3, "Cem"), user(5, "Eve")], false, 1);
        assert_eq!((ids(&news), walk.waiting()), (vec!["5"], 1));
    }

    #[test]
    fn the_list_is_walked_daily_and_while_something_waits() {
        let coverage = |listed| UserCoverage { listed_at: listed, ..UserCoverage::default() };
        assert!(coverage(None).is_due(at(0)));
        assert!(!coverage(Some(at(0))).is_due(at(23)) && coverage(Some(at(0))).is_due(at(25)));
        assert!(coverage(Some(at(9))).is_due(at(0)), "a clock jumped back");
        assert!(UserCoverage { waiting: 1, ..coverage(Some(at(0))) }.is_due(at(1)));
        let unavailable = |is_forbidden| {
            let asked = Unavailable { reason: String::new(), asked_at: at(0), source_updated_on: None, is_forbidden };
            UserCoverage { unavailable: Some(asked), waiting: 1, ..coverage(None) }
        };
        assert!(!unavailable(true).is_due(at(1)) && unavailable(true).is_due(at(2)));
        assert!(!unavailable(false).is_due(at(3)) && unavailable(false).is_due(at(25)));
    }
}
