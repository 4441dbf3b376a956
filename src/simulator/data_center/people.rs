//! Users.

use super::refusal::bad_parameter;
use super::request::Request;
use crate::simulator::answer::Refusal;

impl Request<'_> {
    /// Users by name; for those with a licence, with what only they may know.
    pub(super) fn users(&self, in_detail: bool) -> Result<String, Refusal> {
        let people = &self.world.people;
        // Everybody may read everything here; but what is asked for has to be there.
        if let Some(permission) = self.parameters.one("permission.1") {
            let project = self.parameters.one("permission.1.projectKey");
            let is_there = project.is_some_and(|key| self.world.find_project(key).is_some());
            if permission.starts_with("PROJECT_") && !is_there {
                return Err(bad_parameter("permission.1", "The project of this permission does not exist."));
            }
        }
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
