//! Users.

use super::request::Request;
use crate::simulator::answer::Refusal;

impl Request<'_> {
    /// Users by name; for those with a licence, with what only they may know.
    pub(super) fn users(&self, in_detail: bool) -> Result<String, Refusal> {
        let people = &self.world.people;
        let filter = self.parameters.one("filter").map(str::to_lowercase);
        let mut rows: Vec<usize> = (0..people.len())
            .filter(|at| {
                let person = &people[*at];
                let holds = |text: &str| {
                    person.name.to_lowercase().contains(text)
                        || person.user_name().contains(text)
                        || person.email.contains(text)
                };
                // Some only ever showed up in commits.
                person.has_account && filter.as_ref().is_none_or(|text| holds(text))
            })
            .collect();
        rows.sort_by_key(|at| people[*at].user_name());
        self.page(&rows, 1000, |json, at| self.wire().user(json, *at, in_detail))
    }
}
